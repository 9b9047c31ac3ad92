//! The steps of a group.

use super::cut::{pieces, repeated, strip};
use super::find::{Form, is_dense, outlives, spreads};
use super::order::Order;
use super::uses::{Definition, Key, Uses, types};
use super::{ALIGNED, Fill, LONG, Row, Scaled, Step, Strips, lcm};
use crate::op::{Kernel, Op, Strided, companion};
use crate::tape::{Instruction, Place, Slot, Structural, Tape};
use crate::tensor::DType;
use std::collections::HashMap;
use std::ops::Range;

/// The steps of a group's members, with places for their rows; `None` where memory ends.
pub fn strips(tape: &mut Tape, first: usize, uses: &Uses, members: &[usize]) -> Option<Strips> {
    let forms = members
        .iter()
        .map(|&at| Form::among(tape, first, uses, members, at));
    let forms: Vec<Form<'_>> = forms.collect::<Option<_>>()?;
    let number = |k: usize| &tape.instructions[first + members[k]];
    let elements = forms[0].elements(number(0)) as usize;
    let scale = |k: usize| elements / forms[k].elements(number(k)) as usize;
    let scales: Vec<usize> = (0..members.len()).map(scale).collect();
    let order = Order::of(tape, first, uses, members);
    // Where what rows come to is read, a strip has whole ones.
    let given = order.read().filter_map(|d| {
        let k = members.binary_search(&d).ok()?;
        forms[k].gives(number(k)).map(|n| elements / n as usize)
    });
    let unit = given.chain(scales.iter().copied()).fold(1, lcm);
    let strip = strip(forms.iter().zip(scales.iter().copied()), unit);
    let end = [DType::F64, DType::Bool].map(|dtype| tape.sizes.uniform[dtype as usize]);
    let rows = end.map(Rows::after);
    let mut writing = Writing {
        tape,
        first,
        uses,
        members,
        strip,
        scale: 1,
        order,
        values: HashMap::new(),
        repeats: false,
        strips: Strips {
            elements,
            strip,
            once: vec![],
            steps: vec![],
            own: rows.each_ref().map(|rows| rows.end),
            apart: [0; 2],
            pieces: None,
            between: None,
            around: vec![],
        },
        rows,
    };
    for k in writing.order.steps.clone() {
        writing.scale = scales[k];
        writing.member(members[k])?;
    }
    let ends = writing.rows.each_ref().map(|rows| rows.end);
    let repeats = writing.repeats;
    let mut strips = writing.strips;
    strips.pieces = pieces(&strips, unit, repeats);
    let around = strips.steps.iter().enumerate();
    let around = around.filter(|(_, each)| each.step.is_around());
    strips.around = around.map(|(k, _)| k).collect();
    for (dtype, end) in [DType::F64, DType::Bool].into_iter().zip(ends) {
        tape.strip_elements[dtype as usize] = tape.strip_elements[dtype as usize].max(end);
    }
    Some(strips)
}

/// Memory for rows beyond the tape's own.
struct Rows {
    free: Vec<usize>,
    end: usize,
}

impl Rows {
    fn after(end: usize) -> Self {
        Self {
            free: vec![],
            end: end.next_multiple_of(ALIGNED),
        }
    }

    fn take(&mut self, elements: usize) -> Option<Slot> {
        let begin = self.end;
        self.end += elements.next_multiple_of(ALIGNED);
        (self.end < Slot::MOST as usize).then(|| Slot::new(begin as u32, false))
    }

    fn row(&mut self, strip: usize) -> Option<Slot> {
        match self.free.pop() {
            Some(begin) => Some(Slot::new(begin as u32, false)),
            None => self.take(strip),
        }
    }
}

fn rows_of(dtype: DType) -> usize {
    usize::from(dtype == DType::Bool)
}

/// Where a member's value is found.
#[derive(Clone, Copy)]
enum Value {
    Row(Row),
    /// In a row that is free after the last reader.
    Own(Slot),
    /// One number everywhere.
    Number(Slot),
}

struct Writing<'t> {
    tape: &'t Tape,
    first: usize,
    uses: &'t Uses,
    members: &'t [usize],
    strip: usize,
    /// Of the member that is written.
    scale: usize,
    order: Order,
    /// Of numbers, of truth values.
    rows: [Rows; 2],
    values: HashMap<usize, Value>,
    /// Whether a row is the same for every strip, and no number is.
    repeats: bool,
    strips: Strips,
}

impl Writing<'_> {
    fn member(&mut self, at: usize) -> Option<()> {
        let tape = self.tape;
        let i = &tape.instructions[self.first + at];
        match Form::among(tape, self.first, self.uses, self.members, at)? {
            Form::ByElement => self.by_element(at, i)?,
            Form::View(step) => self.view(at, step)?,
            Form::Put(step) => self.put(at, step)?,
            Form::Scatter(step) => self.scatter(at, step)?,
            Form::Rows(step, row) => {
                let (key, definition) = self.uses.reads[at][0];
                let from = self.row(key, definition)?;
                let partial = self.rows[0].take(8)?;
                let results = step.result().elements as usize;
                // Free when it was read.
                let to = match self.order.last_reader(at).is_some() {
                    true => self.target(at)?,
                    false => Row {
                        slot: step.result().slot,
                        moves: true,
                    },
                };
                let of_rows = results * row.div_ceil(LONG);
                let ends = match row > LONG {
                    true => Some(self.rows[0].take(of_rows)?),
                    false => None,
                };
                let reduction = reduction(step)?;
                self.push(Step::Rows {
                    reduction,
                    row,
                    from,
                    to,
                    results,
                    partial,
                    ends,
                });
            }
            Form::Columns(step, columns) => {
                let (key, definition) = self.uses.reads[at][0];
                let from = self.row(key, definition)?;
                let partial = self.rows[0].take(9 * columns)?;
                self.push(Step::Columns {
                    reduction: reduction(step)?,
                    columns,
                    from,
                    to: step.result(),
                    partial,
                });
            }
        }
        self.release(at);
        Some(())
    }

    fn push(&mut self, step: Step) {
        let scale = self.scale;
        self.strips.steps.push(Scaled { step, scale });
    }

    fn push_once(&mut self, step: Step) {
        let scale = self.scale;
        self.strips.once.push(Scaled { step, scale });
    }

    /// Rows whose last reader this was are free.
    fn release(&mut self, at: usize) {
        for (key, definition) in &self.uses.reads[at] {
            let Some(d) = definition.map(|d| self.order.found(d)) else {
                continue;
            };
            let last = self.order.last_reader(d) == Some(at);
            if let (true, Some(Value::Own(slot))) = (last, self.values.get(&d)) {
                let begin = slot.offset();
                self.values.remove(&d);
                // What a dense view names again is still there.
                let named = |v: &Value| matches!(v, Value::Own(s) if s.offset() == begin);
                if !self.values.values().any(named) {
                    self.rows[rows_of(key.0)].free.push(begin);
                }
            }
        }
    }

    fn outlives(&self, at: usize) -> bool {
        outlives(self.uses, self.members, at)
    }

    /// Where a member's result goes: to its place if somebody else reads it.
    fn target(&mut self, at: usize) -> Option<Row> {
        let (dtype, slot) = self.uses.writes[at][0];
        let (row, value) = match self.outlives(at) {
            true => {
                let row = Row { slot, moves: true };
                (row, Value::Row(row))
            }
            false => {
                let slot = self.rows[rows_of(dtype)].row(self.strip)?;
                (Row { slot, moves: false }, Value::Own(slot))
            }
        };
        self.values.insert(at, value);
        Some(row)
    }

    fn value(&self, key: Key, definition: Definition) -> Value {
        let own = definition.and_then(|d| self.values.get(&self.order.found(d)).copied());
        // All of another's elements, in order.
        own.unwrap_or(Value::Row(Row {
            slot: key.1,
            moves: true,
        }))
    }

    /// A value as a row; a number is written out.
    fn row(&mut self, key: Key, definition: Definition) -> Option<Row> {
        match self.value(key, definition) {
            Value::Row(row) => Some(row),
            Value::Own(slot) => Some(Row { slot, moves: false }),
            Value::Number(number) => {
                let slot = self.rows[0].take(self.strip)?;
                let to = Row { slot, moves: false };
                self.push_once(Step::Put {
                    fill: Some(number),
                    parts: vec![],
                    to,
                });
                Some(to)
            }
        }
    }

    /// A later member that gives the cosine where this one gives the sine, or the other way round: what it gives must
    /// be for members alone, since it is there earlier than it was.
    fn companion(&self, at: usize, i: &Instruction) -> Option<usize> {
        let other = companion(i.op)?;
        let mut later = self.members.iter().copied().filter(|&m| m > at);
        later.find(|&m| {
            let is_it = self.tape.instructions[self.first + m].op == other;
            let same = self.order.is_repeated(m);
            is_it && self.uses.reads[m] == self.uses.reads[at] && !same && !self.outlives(m)
        })
    }

    fn by_element(&mut self, at: usize, i: &Instruction) -> Option<()> {
        // With its companion.
        if self.values.contains_key(&at) {
            return Some(());
        }
        if let Some(other) = self.companion(at, i) {
            let (key, definition) = self.uses.reads[at][0];
            let from = self.row(key, definition)?;
            let (own, other) = (self.target(at)?, self.target(other)?);
            let (sine, cosine) = match i.op {
                Op::Sin => (own, other),
                _ => (other, own),
            };
            let step = Step::SineCosine { from, sine, cosine };
            self.push(step);
            return Some(());
        }
        let mut instruction = *i;
        let mut moves = 0;
        for (k, &(key, definition)) in self.uses.reads[at].iter().enumerate() {
            if i.flags & 1 << k != 0 {
                continue;
            }
            let alone = types(i).0[1].is_none();
            let value = match self.value(key, definition) {
                // Operations of one operand take rows alone.
                Value::Number(_) if alone => Value::Row(self.row(key, definition)?),
                value => value,
            };
            match value {
                Value::Row(row) => {
                    instruction.operands[k] = row.slot;
                    moves |= u8::from(row.moves) << k;
                }
                Value::Own(slot) => instruction.operands[k] = slot,
                Value::Number(slot) => {
                    instruction.operands[k] = slot;
                    instruction.flags |= 1 << k;
                }
            }
        }
        let to = self.target(at)?;
        instruction.result = to.slot;
        moves |= u8::from(to.moves) << 3;
        self.push(Step::Apply { instruction, moves });
        Some(())
    }

    fn view(&mut self, at: usize, step: &Structural) -> Option<()> {
        let Kernel::View(view) = &step.kernel else {
            return None;
        };
        let (from, elements) = (step.operands[0], step.result().elements as usize);
        let (key, definition) = self.uses.reads[at][0];
        let own = definition.is_some_and(|d| self.values.contains_key(&self.order.found(d)));
        if let Some(times) = spreads(step).filter(|_| own) {
            let from = self.row(key, definition)?;
            let (times, to) = (times as usize, self.target(at)?);
            self.push(Step::Spread { from, times, to });
            return Some(());
        }
        let strip = self.strip / self.scale;
        let named = match (own, view.single(), repeated(step)) {
            (true, ..) => Some(self.value(key, definition)),
            (_, Some((_, 1)), _) => Some(Value::Row(Row {
                slot: from.slot.plus(view.offset()),
                moves: true,
            })),
            (_, Some((_, 0)), _) => Some(Value::Number(from.slot.plus(view.offset()))),
            // Machine code finds what the caller has only where it moves.
            (.., Some(row)) if row == strip && !from.slot.is_outside() => {
                self.repeats = true;
                Some(Value::Row(Row {
                    slot: from.slot.plus(view.offset()),
                    moves: false,
                }))
            }
            _ => None,
        };
        if let Some(value) = named {
            debug_assert!(!own || is_dense(step));
            if !self.outlives(at) {
                self.values.insert(at, value);
                return Some(());
            }
            let from = match value {
                Value::Row(row) => row,
                Value::Own(slot) => Row { slot, moves: false },
                Value::Number(number) => {
                    let to = self.target(at)?;
                    self.push(Step::Put {
                        fill: Some(number),
                        parts: vec![],
                        to,
                    });
                    return Some(());
                }
            };
            let to = self.target(at)?;
            self.push(Step::Copy { from, to });
            return Some(());
        }
        let again = repeated(step).is_some_and(|row| strip.is_multiple_of(row));
        if again && !self.outlives(at) {
            // The same for every strip.
            let slot = self.rows[0].take(self.strip)?;
            let to = Row { slot, moves: false };
            self.values.insert(at, Value::Row(to));
            self.fill_once(from, view, to);
            return Some(());
        }
        debug_assert_eq!(view.len(), elements);
        let to = self.target(at)?;
        self.push(match view.tiled() {
            Some((view, times, row)) => Step::Tile {
                from,
                view,
                times,
                row,
                to,
            },
            None => {
                let view = view.clone();
                Step::Fill { from, view, to }
            }
        });
        Some(())
    }

    fn fill_once(&mut self, from: Place, view: &Strided, to: Row) {
        self.repeats = true;
        let view = view.clone();
        self.push_once(Step::Fill { from, view, to });
    }

    fn put(&mut self, at: usize, step: &Structural) -> Option<()> {
        let Kernel::Place { fill, parts } = &step.kernel else {
            return None;
        };
        let part = |(k, view): &(usize, Strided)| {
            let (_, stride) = view.single()?;
            Some((step.operands[*k], view.offset(), stride))
        };
        let parts = parts.iter().map(part).collect::<Option<Vec<_>>>()?;
        let fill = fill.map(|k| step.operands[k].slot);
        let to = self.target(at)?;
        self.push(Step::Put { fill, parts, to });
        Some(())
    }

    fn scatter(&mut self, at: usize, step: &Structural) -> Option<()> {
        let Kernel::Place { fill, parts } = &step.kernel else {
            return None;
        };
        let mut fill = fill.map(|k| Fill {
            number: step.operands[k].slot,
            gaps: gaps(parts, step.result().elements as usize),
        });
        for (k, view) in parts {
            let (key, definition) = self.uses.reads[at][*k];
            let (_, stride) = view.single()?;
            let from = self.row(key, definition)?;
            // Before the first part.
            let fill = fill.take();
            self.push(Step::Scatter {
                fill,
                from,
                to: step.result(),
                offset: view.offset(),
                stride,
            });
        }
        Some(())
    }
}

/// Where no part goes, of so many elements; all of them where parts do not go to elements one after the other.
fn gaps(parts: &[(usize, Strided)], elements: usize) -> Vec<Range<usize>> {
    let rows = parts.iter().map(|(_, view)| match view.single() {
        Some((length, 1)) => Some(view.offset()..view.offset() + length),
        _ => None,
    });
    let Some(mut rows) = rows.collect::<Option<Vec<_>>>() else {
        return std::iter::once(0..elements).collect();
    };
    rows.sort_by_key(|row| row.start);
    let mut at = 0;
    let mut gaps = Vec::new();
    for row in rows.into_iter().chain(std::iter::once(elements..elements)) {
        if row.start > at {
            gaps.push(at..row.start);
        }
        at = at.max(row.end);
    }
    gaps
}

fn reduction(step: &Structural) -> Option<crate::op::Reduction> {
    match &step.kernel {
        Kernel::Reduce { reduction, .. } => Some(*reduction),
        _ => None,
    }
}
