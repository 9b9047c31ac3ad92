//! Groups of steps, strip by strip.

mod reduce;

use super::memory::{Memory, Shared};
use super::moves::{self, copy, tile};
use super::reduce::PARTIAL;
use super::stop::Ticker;
use super::{dot, elementwise};
use crate::error::Error;
use crate::op::sine_cosine;
use crate::tape::native::{Code, GIVEN, Segment};
use crate::tape::{Between, Instruction, Pieces, Place, Row, Scaled, Slot, Step, Strips, types};
use crate::tensor::DType;
use std::cell::Cell;
use std::ops::Range;

/// Elements × steps that are worth waking a thread for: some hundred microseconds, twice what waking may take.
const SHARE: usize = 1 << 18;

/// Elements × steps that a thread does before it looks what is next.
const PIECE: usize = 1 << 16;

/// Runs a group, where there is one lane; with the machine code of its steps, if there is some.
pub(super) fn run(
    memory: Memory<'_>,
    strips: &Strips,
    code: Option<(&Code, &[Segment])>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let most = helping(memory, strips);
    let hands = if strips.once.is_empty() {
        0..0
    } else {
        0..most + 1
    };
    for hand in hands {
        let own = Own::new(strips, hand);
        for each in &strips.once {
            let own = own.at(0..strips.strip.min(strips.elements));
            step(memory, &each.step, &own.of(each.scale), ticker)?;
        }
    }
    let around = || strips.around.iter().map(|&k| &strips.steps[k].step);
    for each in around() {
        if let Step::Scatter {
            fill: Some(fill),
            to,
            ..
        } = each
        {
            let x = memory.cells::<f64>(fill.number, 1)[0].get();
            let to = memory.at::<f64>(*to);
            for gap in &fill.gaps {
                to[gap.clone()].iter().for_each(|to| to.set(x));
            }
        }
        reduce::begin(memory, each);
    }
    let work = Work { strips, code };
    match (&strips.between, strips.pieces.filter(|_| most > 0)) {
        (Some(between), _) => work.between(memory, between, ticker)?,
        (None, None) => work.range(memory, &Own::new(strips, 0), 0..strips.elements, ticker)?,
        (None, Some(pieces)) => work.shared(memory, pieces, most, ticker)?,
    }
    around().for_each(|each| reduce::end(memory, each));
    Ok(())
}

/// How many threads are worth waking, of those that have rows of their own.
fn helping(memory: Memory<'_>, strips: &Strips) -> usize {
    if memory.helping == 0 || strips.pieces.is_none() {
        return 0;
    }
    let room =
        |k: usize| (Slot::MOST as usize).saturating_sub(strips.own[k]) / strips.apart[k].max(1);
    let shares = strips.elements * strips.steps.len() / SHARE;
    let most = shares.min(room(0)).min(room(1)).saturating_sub(1);
    most.min(memory.helping)
}

/// A group, and the machine code of its steps.
struct Work<'a> {
    strips: &'a Strips,
    code: Option<(&'a Code, &'a [Segment])>,
}

impl Work<'_> {
    /// Pieces, by whoever has nothing to do.
    fn shared(
        &self,
        memory: Memory<'_>,
        pieces: Pieces,
        most: usize,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let elements = self.strips.elements;
        // SAFETY: threads have rows of their own, and pieces have elements of their own: in what they write (rows that
        // move, results of reductions of whole rows, and of columns the partial results of every eighth row), and in what
        // they read there. What they read elsewhere no step of the group writes to.
        let shared = unsafe { Shared::new(memory) };
        match pieces {
            Pieces::Ranges(unit) => {
                let some = (PIECE / self.strips.steps.len()).max(1);
                let each = some.next_multiple_of(unit);
                ticker.share(elements.div_ceil(each), most, &|ticker, hand, piece| {
                    let own = Own::new(self.strips, hand);
                    let range = piece * each..elements.min((piece + 1) * each);
                    self.range(shared.get(), &own, range, ticker)
                })
            }
            Pieces::Rounds(row) => ticker.share(PARTIAL, most, &|ticker, hand, piece| {
                let own = Own::new(self.strips, hand);
                for begin in (piece * row..elements).step_by(PARTIAL * row) {
                    self.range(shared.get(), &own, begin..begin + row, ticker)?;
                }
                Ok(())
            }),
        }
    }

    /// Rows of a matrix as many as a strip has elements, or some more in the end, where no less than a strip is left: the
    /// product before, the strip, the product after.
    fn between(
        &self,
        memory: Memory<'_>,
        between: &Between,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let own = Own::new(self.strips, 0);
        let (elements, strip) = (self.strips.elements, self.strips.strip);
        let mut begin = 0;
        while begin < elements {
            let end = match elements - begin < 2 * strip {
                true => elements,
                false => begin + strip,
            };
            let rows = begin..end;
            begin = end;
            dot::rows(memory, between, rows.clone());
            self.range(memory, &own, rows.clone(), ticker)?;
            ticker.tick(rows.len() * between.columns / 2)?;
            dot::sum(memory, between, rows);
        }
        Ok(())
    }

    /// Strips from the first element on.
    fn range(
        &self,
        memory: Memory<'_>,
        own: &Own,
        elements: Range<usize>,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let (strips, end) = (self.strips, elements.end);
        let mut begin = elements.start;
        while begin < end {
            let own = own.at(begin..end.min(begin + strips.strip));
            begin = own.elements.end;
            match self.code {
                Some((code, segments)) => {
                    for segment in segments {
                        let own = own.of(segment.scale);
                        self::segment(memory, strips, code, segment, &own, ticker)?;
                    }
                }
                None => {
                    for Scaled { step, scale } in &strips.steps {
                        self::step(memory, step, &own.of(*scale), ticker)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Elements of a strip, or the last of them, and where their thread has its rows.
#[derive(Clone)]
struct Own {
    elements: Range<usize>,
    /// How many of the strip come before.
    before: usize,
    /// Where rows begin that each thread has of its own: of numbers, of truth values.
    rows: [usize; 2],
    /// How far on those of this thread are.
    on: [usize; 2],
}

impl Own {
    fn new(strips: &Strips, hand: usize) -> Self {
        Self {
            elements: 0..0,
            before: 0,
            rows: strips.own,
            on: strips.apart.map(|apart| hand * apart),
        }
    }

    fn at(&self, elements: Range<usize>) -> Self {
        Self {
            elements,
            ..self.clone()
        }
    }

    /// What is made of the elements, so many of which become one.
    #[inline]
    fn of(&self, scale: usize) -> Self {
        match scale {
            1 => self.clone(),
            _ => self.at(self.elements.start / scale..self.elements.end / scale),
        }
    }

    fn len(&self) -> usize {
        self.elements.len()
    }

    /// Where they are in a row of numbers.
    fn slot(&self, row: Row) -> Slot {
        self.slot_of(row, 0)
    }

    /// Where they are in a row of numbers (0) or truth values (1).
    fn slot_of(&self, row: Row, kind: usize) -> Slot {
        match row.moves {
            true => row.slot.plus(self.elements.start),
            false => self.mine(row.slot, kind).plus(self.before),
        }
    }

    /// The place that a thread has for one of its own.
    fn mine(&self, slot: Slot, kind: usize) -> Slot {
        match !slot.varies() && slot.offset() >= self.rows[kind] {
            true => slot.plus(self.on[kind]),
            false => slot,
        }
    }
}

fn segment(
    memory: Memory<'_>,
    strips: &Strips,
    code: &Code,
    segment: &Segment,
    own: &Own,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let steps = &strips.steps[segment.steps.clone()];
    let begin = own.elements.start;
    let whole = match segment.is_code() {
        true => own.len() / Code::WIDTH * Code::WIDTH,
        false => 0,
    };
    if whole > 0 {
        let [uniform, varying] = memory.bases().f64.map(<*mut f64>::cast_const);
        let moved = |base: *const f64| base.wrapping_add(begin);
        let mut given = [uniform; GIVEN];
        let mine = uniform.wrapping_add(own.on[0]);
        given[..5].copy_from_slice(&[uniform, moved(uniform), varying, moved(varying), mine]);
        for (address, other) in given[5..].iter_mut().zip(&segment.others) {
            let slot = other.slot.plus(begin * other.each);
            let cells = memory.cells::<f64>(slot, whole * other.each);
            *address = cells.as_ptr().cast();
        }
        // SAFETY: the memory was lent for this tape, and each row that moves has the elements of the strip.
        unsafe { code.run_segment(segment, &given, whole) };
        ticker.tick(whole * steps.len())?;
    }
    if whole < own.len() {
        let rest = Own {
            before: own.before + whole,
            ..own.at(begin + whole..own.elements.end)
        };
        for each in steps {
            step(memory, &each.step, &rest, ticker)?;
        }
    }
    Ok(())
}

#[inline]
fn step(memory: Memory<'_>, step: &Step, own: &Own, ticker: &mut Ticker<'_>) -> Result<(), Error> {
    let cells = |row: Row| memory.cells::<f64>(own.slot(row), own.len());
    match step {
        Step::Apply { instruction, moves } => {
            let mut i = *instruction;
            i.elements = own.len() as u32;
            let row = |slot: Slot, k: usize| Row {
                slot,
                moves: moves & 1 << k != 0,
            };
            // The first thread's are where they are said to be.
            let (operands, result) = match own.on {
                [0, 0] => Default::default(),
                _ => kinds(instruction),
            };
            for (k, slot) in i.operands.iter_mut().enumerate() {
                if i.flags & 1 << k == 0 {
                    *slot = own.slot_of(row(*slot, k), operands[k]);
                }
            }
            i.result = own.slot_of(row(i.result, 3), result);
            return elementwise::run(memory, &i, ticker);
        }
        Step::SineCosine { from, sine, cosine } => {
            sine_cosine(cells(*sine), cells(*cosine), cells(*from));
            return ticker.tick(8 * own.len());
        }
        Step::Fill { from, view, to } => {
            let from = memory.at::<f64>(*from);
            moves::through(cells(*to), from, view, own.elements.clone());
        }
        Step::Tile {
            from,
            view,
            times,
            row,
            to,
        } => {
            let (from, to, begin) = (memory.at::<f64>(*from), cells(*to), own.elements.start);
            view.for_each_run_within(own.elements.clone(), |position, start, length, _| {
                let along = position % times;
                let row = &from[start.wrapping_sub(along)..][..*row];
                tile(&to[position - begin..][..length], row, along % row.len());
            });
        }
        Step::Copy { from, to } => copy(cells(*to), cells(*from)),
        Step::Spread { from, times, to } => {
            let some = own.of(*times);
            let from = memory.cells::<f64>(some.slot(*from), some.len());
            moves::several(cells(*to), from, (0, 1), *times, 0);
        }
        Step::Put { fill, parts, to } => {
            put(memory, *fill, parts, cells(*to), own.elements.clone())
        }
        Step::Scatter {
            from,
            to,
            offset,
            stride,
            ..
        } => {
            let start = offset + own.elements.start * stride;
            moves::put(memory.at::<f64>(*to), start, *stride, cells(*from));
        }
        Step::Rows { from, .. } | Step::Columns { from, .. } => {
            let mine = |slot: Slot| own.mine(slot, 0);
            reduce::add(memory, step, cells(*from), own.elements.start, mine);
        }
    }
    ticker.tick(1)
}

/// For the operands and the result of an operation 0 if they are numbers, 1 if they are truth values.
fn kinds(instruction: &Instruction) -> ([usize; 3], usize) {
    let (operands, result) = types(instruction);
    let kind = |dtype: DType| usize::from(dtype == DType::Bool);
    (operands.map(|dtype| dtype.map_or(0, kind)), kind(result))
}

fn put(
    memory: Memory<'_>,
    fill: Option<Slot>,
    parts: &[(Place, usize, usize)],
    to: &[Cell<f64>],
    own: Range<usize>,
) {
    if let Some(fill) = fill {
        let x = memory.cells::<f64>(fill, 1)[0].get();
        to.iter().for_each(|to| to.set(x));
    }
    for &(place, offset, stride) in parts {
        let from = memory.at::<f64>(place);
        if stride == 0 {
            continue;
        }
        // Elements of the part from the first in the strip to the last.
        let number = |position: usize| {
            position
                .saturating_sub(offset)
                .div_ceil(stride)
                .min(from.len())
        };
        let (first, end) = (number(own.start), number(own.end));
        if first >= end {
            continue;
        }
        let at = offset + first * stride - own.start;
        moves::put(to, at, stride, &from[first..end]);
    }
}
