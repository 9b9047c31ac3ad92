//! Edges through solves of linear equations, which are linear in their right sides.

use super::edges::Writer;
use crate::op::{Attributes, Op};

/// How an unknown depends on its own column of the right sides.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    All,
    /// On what is above it, itself included.
    Above,
    Below,
}

/// A solve's operands: right sides, one whose last dimension is the number of unknowns, and the reach.
fn solve(op: Op, attributes: &Attributes) -> Option<(usize, usize, Reach)> {
    match (op, attributes) {
        (
            Op::TriangularSolve,
            Attributes::TriangularSolve {
                lower, transpose_a, ..
            },
        ) => match lower ^ transpose_a {
            true => Some((1, 0, Reach::Above)),
            false => Some((1, 0, Reach::Below)),
        },
        (Op::LuSolve, _) => Some((4, 0, Reach::All)),
        (Op::TridiagonalSolve, _) => Some((3, 1, Reach::All)),
        _ => None,
    }
}

impl Writer<'_, '_> {
    /// Column by column; false if this is no solve, or something moves beside its right sides (no rule asks for that).
    pub(super) fn solved(&mut self, batch: usize) -> bool {
        let Some((right, of_size, reach)) = solve(self.node.op, self.node.attributes) else {
            return false;
        };
        let others = (0..self.node.operands.len()).any(|k| k != right && self.operand(k).is_some());
        let (Some(from), false) = (self.operand(right), others) else {
            return false;
        };
        let to = self.result();
        let size = self.operand_shape(of_size).last();
        let n = size.map_or(1, |&n| n as usize).max(1);
        let columns = self.operand_len(right) / (batch * n).max(1);
        // Elements of a row, of all columns and items.
        let row = |i: usize| {
            let of_item =
                move |b: usize| (0..columns).map(move |c| ((b * n + i) * columns + c) as u32);
            (0..batch).flat_map(of_item).enumerate()
        };
        let count = batch * columns;
        if reach == Reach::All {
            let hubs = self.out.hubs(count);
            for (k, at) in (0..n).flat_map(row) {
                self.out.push(from + at, hubs + k as u32);
            }
            self.out.end_stage();
            for (k, at) in (0..n).flat_map(row) {
                self.out.push(hubs + k as u32, to + at);
            }
            return true;
        }
        for step in 0..n {
            let at = |step: usize| {
                if reach == Reach::Above {
                    step
                } else {
                    n - 1 - step
                }
            };
            for (_, element) in row(at(step)) {
                self.out.push(from + element, to + element);
            }
            if step > 0 {
                for ((_, before), (_, now)) in row(at(step - 1)).zip(row(at(step))) {
                    self.out.push(to + before, to + now);
                }
            }
            self.out.end_stage();
        }
        true
    }
}
