//! Where a node of a block is computed.

use super::sequence::is_number;
use super::{Run, Source};
use crate::graph::Arena;
use crate::op::Op;

/// Where a node of a block is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    /// In the loop's body.
    Body,
    /// The same for all blocks: once, before the loop.
    Once,
    /// Of sequences and constants alone: for all blocks at once, before the loop.
    Each,
}

impl Run {
    /// The home of each node of a block. What the next block or anything after the loop reads (`kept`) stays in the
    /// body, and so do scalar constants, which cost nothing there.
    pub(super) fn homes(&self, from: &Arena, kept: &[bool]) -> Vec<Home> {
        let mut stays = kept.to_vec();
        for source in self.operands.iter().flatten() {
            if let Source::Before(q) = *source {
                stays[q] = true;
            }
        }
        let mut homes: Vec<Home> = Vec::with_capacity(self.period);
        for (q, sources) in self.operands.iter().enumerate() {
            let node = from.node(self.node(0, q));
            let (mut moves, mut each) = (stays[q] || node.op == Op::Constant, false);
            for source in sources {
                match *source {
                    Source::Same(_) => {}
                    Source::Each(_) => each = true,
                    Source::Before(_) => moves = true,
                    Source::Own(p) => match homes[p] {
                        Home::Body => moves |= !is_number(from, self.value(from, 0, p)),
                        Home::Once => {}
                        Home::Each => each = true,
                    },
                }
            }
            let scalar = |v| from.ty(v).shape.is_empty();
            let wide = node.op.elementwise().is_some()
                && node.operands.iter().all(|&v| scalar(v))
                && scalar(node.result);
            homes.push(match (moves, each) {
                (true, _) => Home::Body,
                (false, false) => Home::Once,
                (false, true) if wide => Home::Each,
                (false, true) => Home::Body,
            });
        }
        homes
    }
}
