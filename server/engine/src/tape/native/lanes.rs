//! Steps on single numbers in many lanes: a loop over the lanes, four or eight at a time, that does a run of them in registers.

use super::Piece;
use super::assembler::{At, Base, Order, Width};
use super::loops::{Addresses, Held, Loop, Step, Value};
use super::translate::{MAX_ELEMENTS, Translator, few_copies, reachable};
use crate::tape::{Instruction, Row, Slot};
use std::ops::Range;

/// Steps of a loop: values that live on go through memory.
const MAX_STEPS: usize = 256;
/// Fewer are as fast in the interpreter.
const MIN_STEPS: usize = 2;

/// Elements × so many lanes, lanes innermost.
struct Lanes(usize);

impl Addresses for Lanes {
    fn of(&self, value: Value) -> At {
        let slot = value.slot();
        match slot.varies() {
            true => At {
                base: Base::VARYING,
                bytes: (slot.offset() * self.0 * 8) as i32,
            },
            false => At {
                base: Base::UNIFORM,
                bytes: (slot.offset() * 8) as i32,
            },
        }
    }
}

/// A number of each lane, or one for all.
fn value(slot: Slot) -> Value {
    match slot.varies() {
        true => Value::Row(Row { slot, moves: true }),
        false => Value::Number(slot),
    }
}

impl Translator<'_> {
    /// A section's instructions for so many lanes, a multiple of four.
    pub(super) fn lanes(&mut self, range: Range<usize>, lanes: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        self.code.width = self.features.width(lanes);
        let mut at = range.start;
        while at < range.end {
            let mut all = Loop {
                steps: vec![],
                addresses: Lanes(lanes),
                order: Order::AsTheyStand,
            };
            let mut next = at;
            while next < range.end
                && all.steps.len() < MAX_STEPS
                && self.code.bytes.len() < self.most
                && let Some(steps) = self.lane_steps(&self.tape.instructions[next], lanes)
            {
                all.steps.extend(steps);
                next += 1;
            }
            if all.steps.len() < MIN_STEPS {
                let next = (next.max(at + 1)).min(range.end);
                match pieces.last_mut() {
                    Some(last) if last.entry.is_none() => last.range.end = next,
                    _ => pieces.push(Piece::interpreted(at..next)),
                }
                at = next;
                continue;
            }
            for k in 0..all.steps.len() {
                let result = all.steps[k].result;
                let again = all.steps[k + 1..].iter().any(|s| s.result == result);
                all.steps[k].read_later = !again && self.is_read_after(next, result.slot, 1);
            }
            let entry = self.code.bytes.len();
            self.code.begin();
            let begin = self.code.begin_loop();
            self.steps(&all, Held::none(self.code.width));
            self.code.end_loop(begin, Some((lanes * 8) as i32));
            self.code.end();
            pieces.push(Piece {
                work: all.steps.len() * lanes,
                entry: Some(entry),
                ..Piece::interpreted(at..next)
            });
            at = next;
        }
        self.code.width = Width::Four;
        pieces
    }

    /// A step for each element; `None` if the instruction is to be interpreted.
    fn lane_steps(&self, i: &Instruction, lanes: usize) -> Option<Vec<Step>> {
        if !i.result.varies() || i.flags & Instruction::CONTROL != 0 {
            return None;
        }
        if i.flags & Instruction::STRUCTURAL != 0 {
            return self.lane_moves(i, lanes);
        }
        let step = Step::of(i, u8::MAX, self.features.fma)?;
        if i.elements > MAX_ELEMENTS || !reachable(i, lanes) {
            return None;
        }
        let of_element = |e: usize| {
            let operand = |o: &Value| match o {
                Value::Row(row) => value(row.slot.plus(e)),
                Value::Number(slot) => value(*slot),
                // Strips alone have them.
                Value::OfPair(..) => *o,
            };
            Step {
                op: step.op,
                result: Row {
                    slot: i.result.plus(e),
                    moves: true,
                },
                operands: step.operands.iter().map(operand).collect(),
                read_later: true,
            }
        };
        Some((0..i.elements as usize).map(of_element).collect())
    }

    /// Copies of a few numbers.
    fn lane_moves(&self, i: &Instruction, lanes: usize) -> Option<Vec<Step>> {
        let step = &self.tape.structural[i.operands[0].offset()];
        let copies = few_copies(step, lanes)?.into_iter();
        let steps = copies.map(|(from, slot)| Step::copy(value(from), Row { slot, moves: true }));
        Some(steps.collect())
    }
}
