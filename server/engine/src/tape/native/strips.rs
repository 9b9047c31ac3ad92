//! Runs of a strip's steps as one loop each.

use super::assembler::{At, Base, Order};
use super::loops::{Addresses, Loop, Step as LoopStep, Value};
use super::translate::Translator;
use super::{GIVEN, Other, Segment};
use crate::op::Op;
use crate::tape::strips::types;
use crate::tape::{Place, Row, Scaled, Slot, Step, Strips};
use crate::tensor::DType;

/// Most steps of a loop.
const MAX_STEPS: usize = 64;

/// Where the numbers of a strip are: the registers of [`Base::GIVEN`] point to the memories of uniform numbers and of
/// the only lane, twice each (once moved to where the strip begins), to the memory where the group's own rows are the
/// thread's, and to what else is asked for.
struct Given {
    others: Vec<Other>,
    /// Where rows begin that are the group's own.
    own: usize,
}

/// Addresses before those.
const MEMORIES: usize = 5;

impl Given {
    /// Whether a value can be addressed.
    fn takes(&mut self, value: Value, elements: usize) -> bool {
        let slot = value.slot();
        if (slot.offset() + elements) * 8 > i32::MAX as usize {
            return false;
        }
        let Some(other) = Other::of(value) else {
            return !slot.is_outside();
        };
        let known = self.others.contains(&other);
        let room = known || self.others.len() < GIVEN - MEMORIES;
        if room && !known {
            self.others.push(other);
        }
        room
    }
}

impl Other {
    /// What a value asks for, if it is not in the memories as rows are.
    fn of(value: Value) -> Option<Self> {
        let (slot, each) = match value {
            Value::OfPair(slot, _) => (slot, 2),
            Value::Row(row) if row.moves && row.slot.is_outside() => (row.slot, 1),
            _ => return None,
        };
        Some(Self { slot, each })
    }
}

impl Addresses for Given {
    fn of(&self, value: Value) -> At {
        let slot = value.slot();
        let moves = matches!(value, Value::Row(Row { moves: true, .. }));
        let other = Other::of(value);
        if let Some(k) = self.others.iter().position(|&o| Some(o) == other) {
            return At {
                base: Base::GIVEN[MEMORIES + k],
                bytes: 0,
            };
        }
        let own = !moves && !slot.varies() && slot.offset() >= self.own;
        let memory = match own {
            true => 4,
            false => 2 * usize::from(slot.varies()) + usize::from(moves),
        };
        At {
            base: Base::GIVEN[memory],
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
            let scale = strips.steps[at].scale;
            let (next, steps, addresses) = self.strip_loop(strips, at);
            if next > at {
                let entry = self.code.bytes.len();
                let mut all = Loop {
                    steps,
                    addresses,
                    order: Order::AsTheyStand,
                };
                for k in 0..all.steps.len() {
                    let result = all.steps[k].result;
                    let again = all.steps[k + 1..].iter().any(|s| s.result == result);
                    all.steps[k].read_later =
                        result.moves || !again && read_after(strips, next, result);
                }
                all.find_order();
                self.code.begin_strip();
                let held = self.keep_numbers(&all);
                let begin = self.code.begin_loop();
                self.steps(&all, held);
                self.code.end_loop(begin, None);
                self.code.end_strip();
                segments.push(Segment {
                    steps: at..next,
                    scale,
                    entry: Some(entry),
                    others: all.addresses.others,
                });
                at = next;
                continue;
            }
            match segments.last_mut() {
                Some(last) if last.entry.is_none() && last.scale == scale => {
                    last.steps.end = at + 1;
                }
                _ => segments.push(Segment {
                    steps: at..at + 1,
                    scale,
                    entry: None,
                    others: vec![],
                }),
            }
            at += 1;
        }
        segments
    }

    /// Where the loop that begins at a step ends, and what it is.
    fn strip_loop(&self, strips: &Strips, begin: usize) -> (usize, Vec<LoopStep>, Given) {
        let mut given = Given {
            others: vec![],
            own: strips.own[0],
        };
        let mut steps = Vec::new();
        let mut next = begin;
        let scale = strips.steps[begin].scale;
        while next < strips.steps.len()
            && strips.steps[next].scale == scale
            && next - begin < MAX_STEPS
            && self.code.bytes.len() < self.most
        {
            let Some((step, count)) = self.loop_step(strips, next) else {
                break;
            };
            let result = match step.op {
                Op::Concatenate => Value::OfPair(step.result.slot, false),
                _ => Value::Row(step.result),
            };
            let mut values = step.operands.iter().copied().chain([result]);
            if !values.all(|value| given.takes(value, strips.elements)) {
                break;
            }
            steps.push(step);
            next += count;
        }
        (next, steps, given)
    }

    /// The step of a loop that one of a strip is, or several are, and how many.
    fn loop_step(&self, strips: &Strips, at: usize) -> Option<(LoopStep, usize)> {
        let Scaled { step, scale } = &strips.steps[at];
        let elements = strips.elements / scale;
        let complete =
            |place: &Place, offset: usize| offset + 2 * elements <= place.elements as usize;
        match step {
            Step::Apply { instruction, moves } => {
                Some((LoopStep::of(instruction, *moves, self.features.fma)?, 1))
            }
            Step::Copy { from, to } => Some((LoopStep::copy(Value::Row(*from), *to), 1)),
            Step::Fill { from, view, to } => {
                let (second, first) = (view.offset() % 2, view.offset() / 2 * 2);
                let evenly = view.single().is_some_and(|(_, stride)| stride == 2);
                let from = (evenly && complete(from, first)).then(|| from.slot.plus(first))?;
                Some((LoopStep::of_pairs(from, second == 1, *to), 1))
            }
            Step::Scatter { .. } => {
                let steps = [at, at + 1].map(|at| strips.steps.get(at).map(|each| &each.step));
                let own = steps.map(|step| match step {
                    Some(Step::Scatter {
                        fill: None,
                        from,
                        to,
                        offset,
                        stride: 2,
                    }) => Some((*from, *to, *offset)),
                    _ => None,
                });
                let [Some((a, to, first)), Some((b, other, second))] = own else {
                    return None;
                };
                if to.slot != other.slot || first.abs_diff(second) != 1 {
                    return None;
                }
                let from = if first < second { [a, b] } else { [b, a] };
                let first = first.min(second);
                let to = complete(&to, first).then(|| to.slot.plus(first))?;
                Some((LoopStep::to_pairs(from.map(Value::Row), to), 2))
            }
            _ => None,
        }
    }
}

/// Whether a step from `from` on reads a row before it is another.
fn read_after(strips: &Strips, from: usize, row: Row) -> bool {
    for Scaled { step, .. } in &strips.steps[from..] {
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
            Step::SineCosine { from, sine, cosine } => {
                if *from != row && (*sine == row || *cosine == row) {
                    return false;
                }
                (*from == row, *sine)
            }
            Step::Fill { to, .. } | Step::Tile { to, .. } | Step::Put { to, .. } => (false, *to),
            Step::Copy { from, to } | Step::Spread { from, to, .. } => (*from == row, *to),
            Step::Rows { from, to, .. } => (*from == row, *to),
            Step::Scatter { from, .. } | Step::Columns { from, .. } => {
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
