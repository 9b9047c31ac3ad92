//! Sums of products in derivatives: what is multiplied with the same matrix can be summed up first.

use super::simplify::Workspace;
use crate::op::{Attributes, DotDimensions, Op, ValueId};

/// Fewer terms are not worth it.
const FEWEST: u64 = 8;

impl Workspace {
    /// The sum of a product over dimensions that are one factor's own: the other factor times the sum of that one, if `v`
    /// is such a product and many terms are summed up. Not the same bits, and as exact: for cotangents, of which nobody
    /// has written down in which order they are summed up.
    pub(super) fn product_of_sum(&mut self, v: ValueId, axes: &[u32]) -> Option<ValueId> {
        let node = self.arena.producer(v)?;
        let Attributes::DotGeneral(dot) = node.attributes else {
            return None;
        };
        let (dot, factors) = (dot.clone(), [node.operands[0], node.operands[1]]);
        let shape = &self.arena.ty(v).shape;
        let terms = axes.iter().map(|&axis| shape[axis as usize]);
        if axes.is_empty() || terms.product::<u64>() < FEWEST {
            return None;
        }
        let sides = [
            (&dot.lhs_batch, &dot.lhs_contracting),
            (&dot.rhs_batch, &dot.rhs_contracting),
        ];
        let mut begin = dot.lhs_batch.len();
        for (k, (batch, contracting)) in sides.into_iter().enumerate() {
            let rank = self.arena.ty(factors[k]).shape.rank() as u32;
            let is_own = |d: &u32| !batch.contains(d) && !contracting.contains(d);
            let own: Vec<u32> = (0..rank).filter(is_own).collect();
            let of = |&axis: &u32| own.get((axis as usize).checked_sub(begin)?).copied();
            let Some(summed) = axes.iter().map(of).collect::<Option<Vec<u32>>>() else {
                begin += own.len();
                continue;
            };
            let left = |dimensions: &[u32]| -> Vec<u32> {
                let before = |d: u32| summed.iter().filter(|&&s| s < d).count() as u32;
                dimensions.iter().map(|&d| d - before(d)).collect()
            };
            let (batch, contracting) = (left(batch), left(contracting));
            let attributes = match k {
                0 => DotDimensions {
                    lhs_batch: batch,
                    lhs_contracting: contracting,
                    ..dot.clone()
                },
                _ => DotDimensions {
                    rhs_batch: batch,
                    rhs_contracting: contracting,
                    ..dot.clone()
                },
            };
            let cx = self.emitter();
            let mut factors = factors;
            factors[k] = cx.reduce(Op::ReduceSum, factors[k], summed);
            return Some(cx.emit(Op::DotGeneral, &factors, Attributes::DotGeneral(attributes)));
        }
        None
    }
}
