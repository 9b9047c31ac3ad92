mod copy;
mod identity;
mod sharing;
#[cfg(test)]
mod tests;

use super::functions::FunctionTable;
use super::watch::{Reason, Watch};
use crate::error::Error;
use crate::graph::{Arena, TypeId};
use crate::op::{Attributes, Emit, NonSmooth, Op, ValueId, is_commutative};
use crate::tensor::{DType, Tensor, TensorType};
use sharing::{Kind, Sharing};
use std::sync::Arc;

fn single_rank(shape: &[u64]) -> Option<usize> {
    matches!(shape, [] | [1]).then_some(shape.len())
}

/// An arena that simplifies what is written to it: equal nodes are shared, constants folded, identities
/// dropped. No rule changes a bit of a result. Dead nodes stay; readers take what outputs need.
#[derive(Default)]
pub struct Workspace {
    pub(super) arena: Arena,
    sharing: Sharing,
    /// Scalar constants that rules asked for: the same few again and again.
    asked: Asked,
    /// Types of the node being written.
    types: Vec<TypeId>,
    policy: NonSmooth,
    pub(super) watch: Option<Box<Watch>>,
    lacking: Option<Op>,
    /// The functions that nodes run.
    pub table: FunctionTable,
    /// The first thing that went wrong where no result could say so.
    pub(super) trouble: Option<Error>,
}

/// The last scalar constants that rules asked for.
#[derive(Default)]
struct Asked {
    numbers: [Option<(DType, u64, ValueId)>; 8],
    next: usize,
}

impl Asked {
    fn find(&self, dtype: DType, bits: u64) -> Option<ValueId> {
        let known = self.numbers.iter().flatten();
        let mut same = known.filter(|&&(d, b, _)| d == dtype && b == bits);
        same.next().map(|&(.., value)| value)
    }

    fn keep(&mut self, dtype: DType, bits: u64, value: ValueId) {
        self.numbers[self.next % 8] = Some((dtype, bits, value));
        self.next += 1;
    }
}

impl Workspace {
    /// The first operation whose derivative was asked for and is not there.
    pub fn lacking(&self) -> Option<Op> {
        self.lacking
    }

    /// Zeros of a value's type.
    pub(super) fn zeros_like(&mut self, value: ValueId) -> ValueId {
        let ty = self.arena.ty(value).clone();
        self.emitter().full(&ty, 0.0)
    }

    /// The values and the functions.
    pub fn into_parts(self) -> (Arena, FunctionTable) {
        (self.arena, self.table)
    }

    /// The values and the functions, to lower.
    pub fn parts(&mut self) -> (&Arena, &mut FunctionTable) {
        (&self.arena, &mut self.table)
    }

    /// What went wrong where no result could say so.
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// What was written.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// A new parameter.
    pub fn parameter(&mut self, ty: TensorType) -> ValueId {
        let value = self.arena.parameter(ty);
        self.note(None, self.arena.type_id(value));
        value
    }

    /// As what rules write to.
    pub fn emitter(&mut self) -> &mut dyn Emit {
        self
    }

    /// The number in a floating-point scalar constant.
    #[inline]
    pub(super) fn number(&self, value: ValueId) -> Option<f64> {
        if self.sharing.kind(value) != Kind::Number {
            return None;
        }
        match self.arena.producer(value)?.attributes {
            Attributes::Constant(tensor) => Some(tensor.element(0)),
            _ => None,
        }
    }

    /// What a value is the negative of.
    fn negated(&self, value: ValueId) -> Option<ValueId> {
        let node = self.arena.producer(value)?;
        (node.op == Op::Negate).then(|| node.operands[0])
    }

    /// The constant that an operation on scalar constants gives.
    fn fold(&self, op: Op, v: &[ValueId]) -> Option<Tensor> {
        if !v.iter().all(|v| self.sharing.kind(*v) == Kind::Number) {
            return None;
        }
        op.elementwise()?;
        let value = match *v {
            [a] => op.value1(self.number(a)?),
            [a, b] => op.value2(self.number(a)?, self.number(b)?),
            [a, b, c] => op.value3(self.number(a)?, self.number(b)?, self.number(c)?),
            _ => return None,
        };
        // The node that gives an infinity must be there to be named.
        if self.watches_finite() && !value.is_finite() {
            return None;
        }
        Some(Tensor::scalar(self.arena.ty(v[0]).dtype, value))
    }
}

impl Workspace {
    /// The results of a composite operation, written in simpler ones; `None` for any other.
    #[inline]
    fn expanded(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: &Attributes,
    ) -> Option<Vec<ValueId>> {
        let composite = op.composite()?;
        Some((composite.expand)(self, op, attributes, operands))
    }

    /// A node by element of floating-point scalars, where there is nothing to simplify: nearly every node of a large scalar
    /// graph. `None` where there may be.
    #[inline]
    fn of_scalars(&mut self, op: Op, operands: &[ValueId]) -> Option<ValueId> {
        op.elementwise()?;
        let kind = |v: ValueId| self.sharing.kind(v);
        // Most are neither numbers nor negatives, of which nothing can be simpler.
        match *operands {
            [a] if kind(a) == Kind::Scalar => {
                let ty = self.arena.type_id(a);
                return Some(self.place_of(op, &[a], 0, Some(a), ty));
            }
            [a, b] if kind(a) == Kind::Scalar && kind(b) == Kind::Scalar => {
                let ty = self.arena.type_id(a);
                if self.arena.type_id(b) != ty {
                    return None;
                }
                let (low, high) = (a.min(b), a.max(b));
                let operands = match is_commutative(op) {
                    true => [low, high],
                    false => [a, b],
                };
                return Some(self.place_of(op, &operands, 0, Some(high), ty));
            }
            _ => {}
        }
        let ty = self.arena.type_id(*operands.first()?);
        if !self.arena.is_float_scalar(ty) {
            return None;
        }
        let (mut numbers, mut negatives, mut alike) = (0, 0, true);
        for &v in operands {
            numbers += usize::from(kind(v) == Kind::Number);
            negatives += usize::from(kind(v) == Kind::Negative);
            alike &= self.arena.type_id(v) == ty;
        }
        let simpler = match op {
            Op::Negate => negatives > 0,
            // There are neutral elements, and negatives may be taken off instead of added.
            Op::Add | Op::Subtract => numbers + negatives > 0,
            Op::Multiply | Op::Divide => numbers > 0,
            _ => false,
        };
        (alike && !simpler && numbers < operands.len())
            .then(|| self.place(op, operands, 0, Some(ty)))
    }

    /// A node with attributes, of whatever kind.
    fn any(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        if let Some(results) = self.expanded(op, operands, &attributes) {
            return results[0];
        }
        if let Some(value) = self.identity(op, operands, &attributes) {
            return value;
        }
        let attributes = self.arena.intern_attributes(attributes);
        self.place(op, operands, attributes, None)
    }

    /// A node without attributes, of whatever kind.
    fn any_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        if let Some(results) = self.expanded(op, operands, &Attributes::None) {
            return results[0];
        }
        if let Some(value) = self.identity(op, operands, &Attributes::None) {
            return value;
        }
        // Elementwise operations have no attributes, so only these can be folded.
        match self.fold(op, operands) {
            Some(tensor) => {
                let constant = Attributes::Constant(Arc::new(tensor));
                let constant = self.arena.intern_attributes(constant);
                self.place(Op::Constant, &[], constant, None)
            }
            None => self.place(op, operands, 0, None),
        }
    }

    /// One number as a scalar (`rank` 0) or as a vector (1), where that is nothing simpler: large graphs take vectors apart
    /// and put them together element by element. `None` where it is something else.
    pub(super) fn single(&mut self, value: ValueId, rank: usize) -> Option<ValueId> {
        let own = self.single_rank(value)?;
        if own == rank {
            return Some(value);
        }
        let from = self.arena.producer_step(value).map(|step| step.op);
        if matches!(from, Some(Op::Reshape | Op::BroadcastInDim)) {
            return None;
        }
        let dtype = self.arena.ty(value).dtype;
        let attributes = self.arena.single_reshape(rank);
        let ty = self.arena.single_type(dtype, rank);
        Some(self.place(Op::Reshape, &[value], attributes, Some(ty)))
    }

    /// The rank of a scalar or a vector of one element.
    pub(super) fn single_rank(&self, value: ValueId) -> Option<usize> {
        single_rank(&self.arena.ty(value).shape)
    }

    /// Appends a node, or finds its equal. Attributes by number in the arena; its result's type, where it is known and it
    /// has one result.
    fn place(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: u32,
        ty: Option<TypeId>,
    ) -> ValueId {
        let ordered;
        let operands = match *operands {
            [a, b] if is_commutative(op) && a > b => {
                ordered = [b, a];
                &ordered[..]
            }
            _ => operands,
        };
        let leading = Sharing::leading(op, operands);
        if let Some(ty) = ty {
            return self.place_of(op, operands, attributes, leading, ty);
        }
        let node = (op, attributes, operands);
        if let Some(known) = self.sharing.find(&self.arena, node, leading) {
            return known;
        }
        let mut types = std::mem::take(&mut self.types);
        self.arena
            .infer(op, operands, attributes, &mut types)
            .expect("valid graphs and rules write well-typed nodes");
        let value = self.arena.push(op, operands, attributes, &types);
        self.note_origin();
        types.iter().for_each(|&ty| self.note(Some(op), ty));
        self.types = types;
        value
    }

    /// The same of a node whose operands are in order and whose one result's type is known; `leading` as [`Sharing::leading`]
    /// says.
    #[inline(always)]
    fn place_of(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: u32,
        leading: Option<ValueId>,
        ty: TypeId,
    ) -> ValueId {
        let node = (op, attributes, operands);
        if let Some(known) = self.sharing.find(&self.arena, node, leading) {
            return known;
        }
        let value = self.arena.push(op, operands, attributes, &[ty]);
        self.note_origin();
        self.note(Some(op), ty);
        value
    }

    /// Notes what the next value is, of that type: an operation's result, or a parameter.
    #[inline(always)]
    fn note(&mut self, op: Option<Op>, ty: TypeId) {
        self.sharing.note(match op {
            Some(Op::Negate) => Kind::Negative,
            _ if !self.arena.is_float_scalar(ty) => Kind::Other,
            Some(Op::Constant) => Kind::Number,
            _ => Kind::Scalar,
        });
    }
}

impl Emit for Workspace {
    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        match &attributes {
            Attributes::None => return self.emit_plain(op, operands),
            Attributes::Reshape { shape } if op == Op::Reshape => {
                let rank = single_rank(shape);
                if let Some(value) = rank.and_then(|rank| self.single(operands[0], rank)) {
                    return value;
                }
            }
            _ => {}
        }
        self.any(op, operands, attributes)
    }

    fn emit_reshape(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        let rank = single_rank(shape);
        if let Some(value) = rank.and_then(|rank| self.single(value, rank)) {
            return value;
        }
        let shape = shape.to_vec();
        self.emit(Op::Reshape, &[value], Attributes::Reshape { shape })
    }

    fn emit_number(&mut self, dtype: DType, value: f64) -> ValueId {
        let bits = value.to_bits();
        if let Some(known) = self.asked.find(dtype, bits) {
            return known;
        }
        let constant = Attributes::Constant(Arc::new(Tensor::scalar(dtype, value)));
        let number = self.emit(Op::Constant, &[], constant);
        self.asked.keep(dtype, bits, number);
        number
    }

    fn emit_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        match self.of_scalars(op, operands) {
            Some(value) => value,
            None => self.any_plain(op, operands),
        }
    }

    fn emit_all(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> Vec<ValueId> {
        if let Some(results) = self.expanded(op, operands, &attributes) {
            return results;
        }
        let first = self.emit(op, operands, attributes);
        match self.arena.producer(first) {
            // An operation with several results is never simplified into another value.
            Some(node) if node.result == first => node.results().collect(),
            _ => vec![first],
        }
    }

    fn ty(&self, value: ValueId) -> &TensorType {
        self.arena.ty(value)
    }

    fn policy(&self) -> NonSmooth {
        self.policy
    }

    fn sum_of_cotangent(&mut self, ct: ValueId, axes: &[u32]) -> Option<ValueId> {
        self.product_of_sum(ct, axes)
    }

    fn refuse_where(&mut self, kink: ValueId) {
        self.watch(kink, Reason::Kink);
    }

    fn lacks_derivative_of(&mut self, op: Op) {
        self.lacking.get_or_insert(op);
    }
}

impl Workspace {
    /// A scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> ValueId {
        self.emitter().scalar(dtype, value)
    }
}
