//! Groups of steps, strip by strip.

mod reduce;

use super::elementwise;
use super::memory::Memory;
use super::moves::{self, copy, tile};
use super::stop::Ticker;
use crate::error::Error;
use crate::tape::native::{Code, GIVEN, Segment};
use crate::tape::{Place, Row, Slot, Step, Strips};
use std::cell::Cell;
use std::ops::Range;

/// Runs a group, where there is one lane; with the machine code of its steps, if there is some.
pub(super) fn run(
    memory: Memory<'_>,
    strips: &Strips,
    code: Option<(&Code, &[Segment])>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    for each in &strips.once {
        let own = Own::all(0..strips.strip.min(strips.elements));
        step(memory, each, &own, ticker)?;
    }
    let around = || strips.around.iter().map(|&k| &strips.steps[k]);
    for each in around() {
        if let Step::Scatter {
            fill: Some(fill),
            to,
            ..
        } = each
        {
            let x = memory.cells::<f64>(*fill, 1)[0].get();
            memory.at::<f64>(*to).iter().for_each(|to| to.set(x));
        }
        reduce::begin(memory, each);
    }
    for begin in (0..strips.elements).step_by(strips.strip) {
        let own = Own::all(begin..strips.elements.min(begin + strips.strip));
        match code {
            Some((code, segments)) => {
                for segment in segments {
                    self::segment(memory, strips, code, segment, &own, ticker)?;
                }
            }
            None => {
                for each in &strips.steps {
                    step(memory, each, &own, ticker)?;
                }
            }
        }
    }
    around().for_each(|each| reduce::end(memory, each));
    Ok(())
}

/// Elements of a strip, or the last of them.
struct Own {
    elements: Range<usize>,
    /// How many of the strip come before.
    before: usize,
}

impl Own {
    fn all(elements: Range<usize>) -> Self {
        Self {
            elements,
            before: 0,
        }
    }

    fn len(&self) -> usize {
        self.elements.len()
    }

    /// Where they are in a row.
    fn slot(&self, row: Row) -> Slot {
        match row.moves {
            true => row.slot.plus(self.elements.start),
            false => row.slot.plus(self.before),
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
        given[..4].copy_from_slice(&[uniform, moved(uniform), varying, moved(varying)]);
        for (address, other) in given[4..].iter_mut().zip(&segment.others) {
            let slot = other.slot.plus(begin * other.each);
            let cells = memory.cells::<f64>(slot, whole * other.each);
            *address = cells.as_ptr().cast();
        }
        // SAFETY: the memory was lent for this tape, and each row that moves has the elements of the strip.
        unsafe { code.run_segment(segment, &given, whole) };
        ticker.tick(whole * steps.len())?;
    }
    let rest = Own {
        elements: begin + whole..own.elements.end,
        before: own.before + whole,
    };
    if rest.len() > 0 {
        for each in steps {
            step(memory, each, &rest, ticker)?;
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
            for (k, slot) in i.operands.iter_mut().enumerate() {
                if i.flags & 1 << k == 0 {
                    *slot = own.slot(row(*slot, k));
                }
            }
            i.result = own.slot(row(i.result, 3));
            return elementwise::run(memory, &i, ticker);
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
            reduce::add(memory, step, cells(*from), own.elements.start);
        }
    }
    ticker.tick(1)
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
