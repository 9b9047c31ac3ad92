//! Runs of a strip's steps as one loop each.

use super::assembler::{At, Base};
use super::loops::{Addresses, Loop, Step as LoopStep, Value};
use super::translate::Translator;
use super::{GIVEN, MAX_BYTES, Segment};
use crate::tape::strips::types;
use crate::tape::{Row, Slot, Step, Strips};
use crate::tensor::DType;

/// Most steps of a loop.
const MAX_STEPS: usize = 64;

/// Where the numbers of a strip are: the registers of [`Base::GIVEN`] point to the memories of uniform numbers and of
/// the only lane, twice each (once moved to where the strip begins), and to what the caller has.
struct Given {
    outside: Vec<Slot>,
}

/// Addresses before those of what the caller has.
const MEMORIES: usize = 4;

impl Given {
    /// Whether a value can be addressed.
    fn takes(&mut self, value: Value, elements: usize) -> bool {
        let slot = value.slot();
        if (slot.offset() + elements) * 8 > i32::MAX as usize {
            return false;
        }
        if !slot.is_outside() {
            return true;
        }
        let moves = matches!(value, Value::Row(Row { moves: true, .. }));
        let room = self.outside.contains(&slot) || self.outside.len() < GIVEN - MEMORIES;
        if moves && room && !self.outside.contains(&slot) {
            self.outside.push(slot);
        }
        moves && room
    }
}

impl Addresses for Given {
    fn of(&self, value: Value) -> At {
        let slot = value.slot();
        let moves = matches!(value, Value::Row(Row { moves: true, .. }));
        if let Some(k) = self.outside.iter().position(|&o| o == slot) {
            return At {
                base: Base::GIVEN[MEMORIES + k],
                bytes: 0,
            };
        }
        At {
            base: Base::GIVEN[2 * usize::from(slot.varies()) + usize::from(moves)],
            bytes: (slot.offset() * 8) as i32,
        }
    }
}

impl Translator<'_> {
    /// The steps of a group in parts, of which those that are loops have code.
    pub(super) fn strips(&mut self, strips: &Strips) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut at = 0;
        while at < strips.steps.len() {
            let (next, outside) = self.strip_loop(strips, at);
            if next > at {
                let entry = self.code.bytes.len();
                let mut all = Loop {
                    steps: self.loop_steps(strips, at..next),
                    addresses: Given { outside },
                };
                for k in 0..all.steps.len() {
                    let result = all.steps[k].result;
                    let again = all.steps[k + 1..].iter().any(|s| s.result == result);
                    all.steps[k].read_later =
                        result.moves || !again && read_after(strips, next, result);
                }
                self.code.begin_strip();
                let begin = self.code.begin_loop();
                self.steps(&all);
                self.code.end_loop(begin, None);
                self.code.end_strip();
                segments.push(Segment {
                    steps: at..next,
                    entry: Some(entry),
                    outside: all.addresses.outside,
                });
                at = next;
                continue;
            }
            match segments.last_mut() {
                Some(last) if last.entry.is_none() => last.steps.end = at + 1,
                _ => segments.push(Segment {
                    steps: at..at + 1,
                    entry: None,
                    outside: vec![],
                }),
            }
            at += 1;
        }
        segments
    }

    /// Where the loop that begins at a step ends, and what it reads that the caller has.
    fn strip_loop(&self, strips: &Strips, begin: usize) -> (usize, Vec<Slot>) {
        let mut given = Given { outside: vec![] };
        let mut next = begin;
        while next < strips.steps.len()
            && next - begin < MAX_STEPS
            && self.code.bytes.len() < MAX_BYTES
        {
            let Some(step) = self.loop_step(&strips.steps[next]) else {
                break;
            };
            let mut values = step
                .operands
                .iter()
                .copied()
                .chain([Value::Row(step.result)]);
            if !values.all(|value| given.takes(value, strips.elements)) {
                break;
            }
            next += 1;
        }
        (next, given.outside)
    }

    fn loop_step(&self, step: &Step) -> Option<LoopStep> {
        match step {
            Step::Apply { instruction, moves } => {
                LoopStep::of(instruction, *moves, self.features.fma)
            }
            _ => None,
        }
    }

    fn loop_steps(&self, strips: &Strips, range: std::ops::Range<usize>) -> Vec<LoopStep> {
        let steps = strips.steps[range].iter();
        steps.filter_map(|step| self.loop_step(step)).collect()
    }
}

/// Whether a step from `from` on reads a row before it is another.
fn read_after(strips: &Strips, from: usize, row: Row) -> bool {
    for step in &strips.steps[from..] {
        let (reads, writes) = match step {
            Step::Apply { instruction, moves } => {
                let of = |slot: Slot, k: usize| Row {
                    slot,
                    moves: moves & 1 << k != 0,
                };
                // Of truth values those of the same number as well: one store too many at worst.
                let operands = instruction.operands.iter().enumerate();
                let reads = operands
                    .filter(|(k, _)| instruction.flags & 1 << k == 0)
                    .any(|(k, &slot)| of(slot, k) == row);
                (reads, of(instruction.result, 3))
            }
            Step::Fill { to, .. } | Step::Tile { to, .. } | Step::Put { to, .. } => (false, *to),
            Step::Copy { from, to } => (*from == row, *to),
            Step::Scatter { from, .. } | Step::Rows { from, .. } | Step::Columns { from, .. } => {
                if *from == row {
                    return true;
                }
                continue;
            }
        };
        if reads {
            return true;
        }
        let gives_numbers = !matches!(step, Step::Apply { instruction, .. }
            if types(instruction).1 != DType::F64);
        if gives_numbers && writes == row {
            return false;
        }
    }
    false
}
