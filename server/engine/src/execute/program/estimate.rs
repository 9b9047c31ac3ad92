//! What an evaluation takes, before it runs.

use super::Program;
use crate::graph::UNKNOWN_STEPS;
use crate::op::Kernel;
use crate::plan::Work;
use crate::tape::{Instruction, Tape};
use std::time::Duration;

/// What an evaluation takes, all points and products together; what products share counts once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Elementary operations.
    pub operations: u64,
    /// Working memory, inputs and results included.
    pub bytes: u64,
    /// By [`Options::costs`](crate::Options): right to a small factor, not to per cents.
    pub predicted: Duration,
}

impl Program {
    /// What an evaluation of so many points takes.
    pub fn estimate(&self, batch: u64) -> Estimate {
        Estimate {
            operations: self.operations.saturating_mul(batch.max(1)),
            bytes: self.bytes(batch),
            predicted: self.predicted(batch),
        }
    }

    /// How long so many points take on one thread.
    pub(super) fn predicted(&self, batch: u64) -> Duration {
        let (points, width) = (batch.max(1), self.width(batch.max(1)));
        let uniform = self.work.first().copied().unwrap_or_default();
        let of_section = |section: usize, lanes: u64| {
            let work = self.work.get(section).copied().unwrap_or_default();
            work.nanoseconds(&self.costs, lanes, width)
        };
        let uniform = uniform.nanoseconds(&self.costs, 1, 1);
        let swept = match self.points_in_lanes {
            true => uniform + of_section(1, points),
            false => {
                let groups = self.groups.iter().enumerate();
                let each = groups.map(|(g, group)| of_section(g + 1, group.lanes));
                (uniform + each.sum::<f64>()) * points as f64
            }
        };
        let crossed = self.products.iter().filter_map(|p| p.crossed.as_ref());
        let crossed = crossed.map(|c| self.costs.of_multiply_adds(c.multiply_adds()) as f64);
        let nanoseconds = swept + crossed.sum::<f64>() * points as f64;
        // A cast saturates.
        Duration::from_nanos(nanoseconds as u64)
    }

    /// What one evaluation's steps and operations are: of section 0, and of section 1 in each lane.
    pub(in crate::execute) fn work(&self) -> &[Work] {
        &self.work
    }
}

/// What a lane of each section takes.
pub(super) fn work(tape: &Tape) -> Vec<Work> {
    let sections = tape.sections.iter().zip(&tape.costs);
    sections
        .map(|(range, &cost)| {
            let mut work = Work::default();
            for instruction in &tape.instructions[range.clone()] {
                add(tape, instruction, &mut work);
            }
            // Structural steps, and what has bodies, are counted with the tensors unless all steps are on numbers.
            let known = work.operations.iter().sum();
            let wide = usize::from(work.steps[1] > 0);
            work.operations[wide] =
                work.operations[wide].saturating_add(cost.saturating_sub(known));
            work
        })
        .collect()
}

#[inline]
fn add(tape: &Tape, i: &Instruction, work: &mut Work) {
    let at = i.operands[0].offset();
    let each = || i.op.elementwise().map_or(0, |row| u64::from(row.cost));
    if i.flags == 0 && i.elements == 1 {
        // Nearly all of a large scalar graph.
        work.add(1, true, each());
    } else if i.flags & Instruction::CONTROL != 0 {
        work.turn(tape.controls[at].run.turns(UNKNOWN_STEPS));
        work.add(0, false, 0);
    } else if i.flags & Instruction::STRUCTURAL != 0 {
        let step = &tape.structural[at];
        let moves = matches!(
            step.kernel,
            Kernel::Constant(_) | Kernel::Iota { .. } | Kernel::View(_) | Kernel::Place { .. }
        );
        work.add(step.result().elements.into(), moves, 0);
    } else {
        let elements = u64::from(i.elements);
        work.add(elements, true, elements.saturating_mul(each()));
    }
}
