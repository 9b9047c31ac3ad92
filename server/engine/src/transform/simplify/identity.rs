//! Values that equal a node bit for bit and are there already, or are simpler.

use super::Workspace;
use crate::op::{Attributes, DotDimensions, Emit, Op, ValueId};
use crate::transform::views::side_by_side;

impl Workspace {
    /// A value that equals the node bit for bit and is there already or is simpler.
    pub(super) fn identity(
        &mut self,
        op: Op,
        v: &[ValueId],
        attributes: &Attributes,
    ) -> Option<ValueId> {
        if let Some(value) = self.before_repeating(op, v, attributes) {
            return Some(value);
        }
        let same_type = |a: ValueId, b: ValueId| self.arena.type_id(a) == self.arena.type_id(b);
        // The other operand, if it alone decides the result's type.
        let keeps = |kept: ValueId, dropped: ValueId| {
            same_type(kept, dropped) || self.arena.ty(dropped).shape.is_empty()
        };
        match op {
            Op::Multiply => {
                for (kept, constant) in [(v[0], v[1]), (v[1], v[0])] {
                    match self.number(constant) {
                        Some(1.0) if keeps(kept, constant) => return Some(kept),
                        Some(-1.0) if keeps(kept, constant) => {
                            return Some(self.emit(Op::Negate, &[kept], Attributes::None));
                        }
                        Some(c) => {
                            if let Some(positive) = self.negated(kept) {
                                let dtype = self.arena.ty(constant).dtype;
                                let turned = self.emitter().scalar(dtype, -c);
                                return Some(self.emit_plain(Op::Multiply, &[positive, turned]));
                            }
                        }
                        None => {}
                    }
                }
                None
            }
            // -0 is the neutral element: -0 + 0 is +0.
            Op::Add => {
                let both = [(v[0], v[1]), (v[1], v[0])];
                let nothing = |constant: ValueId| {
                    self.number(constant)
                        .is_some_and(|c| c == 0.0 && c.is_sign_negative())
                };
                let other = (both.into_iter())
                    .find(|&(kept, constant)| nothing(constant) && keeps(kept, constant));
                if let Some((kept, _)) = other {
                    return Some(kept);
                }
                for (kept, other) in both.into_iter().rev() {
                    if let Some(taken_off) = self.negated(other) {
                        return Some(self.emit(Op::Subtract, &[kept, taken_off], Attributes::None));
                    }
                }
                if self.arena.ty(v[0]).shape.is_empty() {
                    return None;
                }
                self.turns(v)
            }
            Op::Subtract => {
                if let Some(added) = self.negated(v[1]) {
                    return Some(self.emit(Op::Add, &[v[0], added], Attributes::None));
                }
                let zero = self.number(v[1])?;
                (zero == 0.0 && zero.is_sign_positive() && keeps(v[0], v[1])).then_some(v[0])
            }
            Op::Divide => (self.number(v[1])? == 1.0 && keeps(v[0], v[1])).then_some(v[0]),
            Op::Negate => self.negated(v[0]),
            Op::Convert => match attributes {
                Attributes::Convert { dtype } => {
                    (self.arena.ty(v[0]).dtype == *dtype).then_some(v[0])
                }
                _ => None,
            },
            Op::Reshape | Op::BroadcastInDim => {
                let (Attributes::Reshape { shape } | Attributes::BroadcastInDim { shape, .. }) =
                    attributes
                else {
                    return None;
                };
                if *self.arena.ty(v[0]).shape == **shape {
                    return Some(v[0]);
                }
                let inner = self.arena.producer(v[0])?;
                let through =
                    (op == Op::Reshape && inner.op == Op::Reshape).then(|| inner.operands[0])?;
                Some(self.emit(op, &[through], attributes.clone()))
            }
            Op::Slice => {
                let Attributes::Slice {
                    starts,
                    limits,
                    strides,
                } = attributes
                else {
                    return None;
                };
                let shape = &self.arena.ty(v[0]).shape;
                let all = starts.iter().all(|&start| start == 0)
                    && strides.iter().all(|&stride| stride == 1)
                    && limits[..] == shape[..];
                all.then_some(v[0])
            }
            Op::Concatenate => {
                let Attributes::Concatenate { dimension } = *attributes else {
                    return None;
                };
                let part = side_by_side(&self.arena, v, dimension)?;
                let sizes = v
                    .iter()
                    .map(|&v| self.arena.ty(v).shape[dimension as usize]);
                let mut shape = self.arena.ty(v[0]).shape.to_vec();
                shape[dimension as usize] = sizes.sum();
                let slice = self.emit(Op::Slice, &[part.of], part.slice());
                Some(self.emit(Op::Reshape, &[slice], Attributes::Reshape { shape }))
            }
            Op::Cumsum => self.sum_of_one(v[0], attributes),
            Op::Transpose => {
                let Attributes::Transpose { permutation } = attributes else {
                    return None;
                };
                if permutation.iter().enumerate().all(|(i, &p)| i as u32 == p) {
                    return Some(v[0]);
                }
                let inner = self.arena.producer(v[0])?;
                if let Attributes::DotGeneral(dot) = inner.attributes {
                    let swapped = self.swapped(dot, inner.operands, permutation)?;
                    let operands = [inner.operands[1], inner.operands[0]];
                    return Some(self.emit(Op::DotGeneral, &operands, swapped));
                }
                let Attributes::Transpose { permutation: first } = inner.attributes else {
                    return None;
                };
                let permutation = permutation.iter().map(|&p| first[p as usize]).collect();
                let operand = inner.operands[0];
                Some(self.emit(op, &[operand], Attributes::Transpose { permutation }))
            }
            _ => None,
        }
    }

    /// The product of the same factors the other way round, if that is its permutation: dimensions of the result are those
    /// of the batch, then each factor's own.
    fn swapped(
        &self,
        dot: &DotDimensions,
        factors: &[ValueId],
        permutation: &[u32],
    ) -> Option<Attributes> {
        let batch = dot.lhs_batch.len();
        let own = |k: usize, contracting: &[u32]| {
            self.arena.ty(factors[k]).shape.rank() - batch - contracting.len()
        };
        let (left, right) = (own(0, &dot.lhs_contracting), own(1, &dot.rhs_contracting));
        let begin = batch + left;
        let order = (0..batch).chain(begin..begin + right).chain(batch..begin);
        let is_it = permutation.iter().map(|&d| d as usize).eq(order);
        is_it.then(|| {
            Attributes::DotGeneral(DotDimensions {
                lhs_contracting: dot.rhs_contracting.clone(),
                rhs_contracting: dot.lhs_contracting.clone(),
                lhs_batch: dot.rhs_batch.clone(),
                rhs_batch: dot.lhs_batch.clone(),
            })
        })
    }
}
