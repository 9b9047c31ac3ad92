//! Numbers and rows that are repeated over a shape are calculated with before they are repeated: the same operation on
//! the same numbers, so the same bits, less often.

use super::simplify::Workspace;
use crate::op::{Attributes, Emit, Infer, Op, ValueId, is_by_element};

impl Workspace {
    /// The scalar that a tensor repeats.
    fn number_in(&self, value: ValueId) -> Option<ValueId> {
        if self.arena.ty(value).shape.is_empty() {
            return None;
        }
        let node = self.arena.producer(value)?;
        let repeats = matches!(node.op, Op::BroadcastInDim | Op::Reshape);
        let from = *node.operands.first()?;
        (repeats && self.arena.ty(from).shape.is_empty()).then_some(from)
    }

    /// An operation by element on operands that repeat something, written on what they repeat.
    pub(super) fn before_repeating(
        &mut self,
        op: Op,
        v: &[ValueId],
        attributes: &Attributes,
    ) -> Option<ValueId> {
        match op {
            Op::BroadcastInDim | Op::Reshape => return self.repeated_again(op, v[0], attributes),
            Op::Slice => return self.part_of_repeated(v[0], attributes),
            Op::Cumsum => return self.carried(v[0], attributes),
            _ => {}
        }
        // Nearly every node of a large scalar graph ends here.
        let scalar = |&v: &ValueId| self.arena.ty(v).shape.is_empty();
        if v.iter().all(scalar) || !is_by_element(op) || v.len() > 3 {
            return None;
        }
        let (mut numbers, mut found, mut tensors) = ([ValueId(0); 3], false, None);
        for (number, &value) in numbers.iter_mut().zip(v) {
            *number = match self.number_in(value) {
                Some(one) => {
                    found = true;
                    one
                }
                None => {
                    if !self.arena.ty(value).shape.is_empty() {
                        tensors = Some(value);
                    }
                    value
                }
            };
        }
        let numbers = &numbers[..v.len()];
        match (found, tensors) {
            // A scalar operand goes with every element of the others.
            (true, Some(_)) => Some(self.emit(op, numbers, attributes.clone())),
            (true, None) => {
                let shape = v.iter().map(|&v| &self.arena.ty(v).shape);
                let shape = shape.max_by_key(|shape| shape.rank())?.to_vec();
                let one = self.emit(op, numbers, attributes.clone());
                Some(self.emitter().spread(one, &shape))
            }
            (false, Some(value)) => self.on_rows(op, v, value, attributes),
            (false, None) => None,
        }
    }

    /// The same where all operands that are not scalars repeat rows of the same type in the same way.
    fn on_rows(
        &mut self,
        op: Op,
        v: &[ValueId],
        tensor: ValueId,
        attributes: &Attributes,
    ) -> Option<ValueId> {
        let node = self.arena.producer(tensor)?;
        if node.op != Op::BroadcastInDim {
            return None;
        }
        let (way, row) = (self.arena.attributes_id(node.id), node.operands[0]);
        let shape = self.arena.ty(row).shape.clone();
        let mut rows = [ValueId(0); 3];
        for (row, &value) in rows.iter_mut().zip(v) {
            *row = value;
            if self.arena.ty(value).shape.is_empty() {
                continue;
            }
            let other = self.arena.producer(value)?;
            *row = *other.operands.first()?;
            let same = other.op == Op::BroadcastInDim
                && self.arena.attributes_id(other.id) == way
                && self.arena.ty(*row).shape == shape;
            if !same {
                return None;
            }
        }
        let way = node.attributes.clone();
        let row = self.emit(op, &rows[..v.len()], attributes.clone());
        Some(self.emit(Op::BroadcastInDim, &[row], way))
    }

    /// What is repeated, or put into another shape, of what repeats something already.
    fn repeated_again(
        &mut self,
        op: Op,
        value: ValueId,
        attributes: &Attributes,
    ) -> Option<ValueId> {
        let (Attributes::Reshape { shape } | Attributes::BroadcastInDim { shape, .. }) = attributes
        else {
            return None;
        };
        if let Some(number) = self.number_in(value) {
            return Some(self.emitter().spread(number, shape));
        }
        let inner = self.arena.producer(value)?;
        let (
            Op::BroadcastInDim,
            Attributes::BroadcastInDim { dimensions, .. },
            Attributes::BroadcastInDim {
                dimensions: first, ..
            },
        ) = (op, attributes, inner.attributes)
        else {
            return None;
        };
        let dimensions = first.iter().map(|&d| dimensions[d as usize]).collect();
        let (from, shape) = (inner.operands[0], shape.clone());
        Some(self.emit(
            op,
            &[from],
            Attributes::BroadcastInDim { shape, dimensions },
        ))
    }

    fn part_of_repeated(&mut self, value: ValueId, attributes: &Attributes) -> Option<ValueId> {
        let number = self.number_in(value)?;
        let Infer::One(infer) = Op::Slice.rule()?.form.infer else {
            return None;
        };
        let part = infer(Op::Slice, attributes, &[self.arena.ty(value)]).ok()?;
        Some(self.emitter().spread(number, &part.shape))
    }

    /// Running sums over one number that zeros follow: what is left of the sums that take a vector's numbers one after
    /// the other, once turned round. Zeros change no number but -0.
    fn carried(&mut self, value: ValueId, attributes: &Attributes) -> Option<ValueId> {
        let Attributes::Cumulative { axis: 0, reverse } = *attributes else {
            return None;
        };
        let node = self.arena.producer(value)?;
        let Attributes::Pad { low, high, .. } = node.attributes else {
            return None;
        };
        let [part, fill] = *node.operands else {
            return None;
        };
        let (&[low], &[high]) = (&low[..], &high[..]) else {
            return None;
        };
        let before = if reverse { high } else { low };
        if before != 0 || self.arena.ty(part).elements() != 1 || self.number(fill)? != 0.0 {
            return None;
        }
        let number = self.number_in(part)?;
        let shape = self.arena.ty(value).shape.to_vec();
        (self.number(number)? != 0.0).then(|| self.emitter().spread(number, &shape))
    }
}
