//! How rules write graphs: a rule is handed values and an [`Emit`], and gives back values.

use super::{Attributes, Direction, NonSmooth, Op};
use crate::tensor::{DType, Tensor, TensorType};
use std::{cell::RefCell, ops, sync::Arc};

/// A value of a graph: an input or a node's result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ValueId(pub u32);

impl ValueId {
    /// As an index into tables over values.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where rules put the nodes they write. Operands and attributes must fit the operation: rules are written by
/// us, so a misfit is a defect, not input.
pub trait Emit {
    /// Appends a node (or finds one that computes the same) and gives its result.
    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId;
    /// Appends a node and gives all its results; those of a composite operation are not numbered one after the
    /// other.
    fn emit_all(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> Vec<ValueId>;
    /// Type of a value.
    fn ty(&self, value: ValueId) -> &TensorType;
    /// What derivatives are to be where there are none.
    fn policy(&self) -> NonSmooth {
        NonSmooth::Standard
    }
    /// A cotangent summed up over dimensions, where that takes less than to sum up its elements.
    fn sum_of_cotangent(&mut self, _ct: ValueId, _axes: &[u32]) -> Option<ValueId> {
        None
    }
    /// Under [`NonSmooth::Strict`] the evaluation ends with an error that names the node being differentiated
    /// where any element of this bool value is true.
    fn refuse_where(&mut self, _kink: ValueId) {}
    /// Notes that a derivative was asked for that there is no formula for: the request is answered UNIMPLEMENTED,
    /// naming the operation.
    fn lacks_derivative_of(&mut self, _op: Op) {}
    /// Appends a node without attributes: nearly all of them.
    fn emit_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        self.emit(op, operands, Attributes::None)
    }
    /// The same elements in another shape.
    fn emit_reshape(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        let shape = shape.to_vec();
        self.emit(Op::Reshape, &[value], Attributes::Reshape { shape })
    }
    /// A scalar constant.
    fn emit_number(&mut self, dtype: DType, value: f64) -> ValueId {
        let tensor = Arc::new(Tensor::scalar(dtype, value));
        self.emit(Op::Constant, &[], Attributes::Constant(tensor))
    }
}

/// Whether a type has a shape. Scalars first: comparing no numbers at all takes some machines longer than a node does
/// otherwise.
fn has_shape(ty: &TensorType, shape: &[u64]) -> bool {
    match shape.is_empty() {
        true => ty.shape.is_empty(),
        false => *ty.shape == *shape,
    }
}

impl dyn Emit + '_ {
    /// An operation of one operand.
    pub fn unary(&mut self, op: Op, a: ValueId) -> ValueId {
        self.emit_plain(op, &[a])
    }

    /// An operation of two operands.
    pub fn binary(&mut self, op: Op, a: ValueId, b: ValueId) -> ValueId {
        self.emit_plain(op, &[a, b])
    }

    /// A scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> ValueId {
        self.emit_number(dtype, value)
    }

    /// A tensor filled with one number.
    pub fn full(&mut self, ty: &TensorType, value: f64) -> ValueId {
        let scalar = self.scalar(ty.dtype, value);
        self.spread(scalar, &ty.shape)
    }

    /// A scalar broadcast to a shape; anything that already has the shape is left alone.
    pub fn spread(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        if has_shape(self.ty(value), shape) {
            return value;
        }
        self.broadcast(value, shape, vec![])
    }

    /// Broadcast along new or unit dimensions.
    pub fn broadcast(&mut self, value: ValueId, shape: &[u64], dimensions: Vec<u32>) -> ValueId {
        let shape = shape.to_vec();
        self.emit(
            Op::BroadcastInDim,
            &[value],
            Attributes::BroadcastInDim { shape, dimensions },
        )
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        if has_shape(self.ty(value), shape) {
            return value;
        }
        self.emit_reshape(value, shape)
    }

    /// Permuted dimensions.
    pub fn transpose(&mut self, value: ValueId, permutation: Vec<u32>) -> ValueId {
        self.emit(
            Op::Transpose,
            &[value],
            Attributes::Transpose { permutation },
        )
    }

    /// A reduction that drops its axes.
    pub fn reduce(&mut self, op: Op, value: ValueId, axes: Vec<u32>) -> ValueId {
        // An empty list would mean "all".
        if axes.is_empty() {
            return value;
        }
        let keep_dims = false;
        self.emit(op, &[value], Attributes::Reduce { axes, keep_dims })
    }

    /// `a` where the predicate holds, `b` elsewhere.
    pub fn select(&mut self, predicate: ValueId, a: ValueId, b: ValueId) -> ValueId {
        self.emit_plain(Op::Select, &[predicate, a, b])
    }

    /// A comparison.
    pub fn compare(&mut self, direction: Direction, a: ValueId, b: ValueId) -> ValueId {
        self.emit(Op::Compare, &[a, b], Attributes::Compare { direction })
    }

    /// Another element type.
    pub fn convert(&mut self, value: ValueId, dtype: DType) -> ValueId {
        self.emit(Op::Convert, &[value], Attributes::Convert { dtype })
    }

    /// Elements `from` to `to` along a dimension.
    pub fn slice_along(&mut self, value: ValueId, axis: usize, from: u64, to: u64) -> ValueId {
        let mut limits = self.ty(value).shape.to_vec();
        if (from, to) == (0, limits[axis]) {
            return value;
        }
        let mut starts = vec![0; limits.len()];
        (starts[axis], limits[axis]) = (from, to);
        let strides = vec![];
        self.emit(
            Op::Slice,
            &[value],
            Attributes::Slice {
                starts,
                limits,
                strides,
            },
        )
    }

    /// The sum of those that are there.
    pub fn add_some(&mut self, a: Option<ValueId>, b: Option<ValueId>) -> Option<ValueId> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.binary(Op::Add, a, b)),
            (a, b) => a.or(b),
        }
    }
}

/// A value in a formula: partial derivatives are written with operators, as on paper.
#[derive(Clone, Copy)]
pub struct E<'a> {
    /// The value.
    pub id: ValueId,
    cx: &'a RefCell<&'a mut dyn Emit>,
}

/// A partial derivative of an elementwise operation.
pub enum Partial<'a> {
    /// Identically zero.
    Zero,
    /// Identically one.
    One,
    /// Identically minus one.
    MinusOne,
    /// A formula: the tangent is multiplied by it.
    Times(E<'a>),
    /// The tangent is multiplied by it, and 0 times anything is 0.
    TimesNoNan(E<'a>),
    /// The tangent is divided by it.
    Over(E<'a>),
    /// There is one, but no formula for it: asking for it is answered UNIMPLEMENTED, naming the operation.
    Unavailable,
}

impl<'a> E<'a> {
    /// A value to calculate with.
    pub fn new(id: ValueId, cx: &'a RefCell<&'a mut dyn Emit>) -> Self {
        Self { id, cx }
    }

    fn wrap(self, id: ValueId) -> Self {
        Self { id, cx: self.cx }
    }

    /// An operation of one operand.
    pub fn unary(self, op: Op) -> Self {
        let id = self.cx.borrow_mut().unary(op, self.id);
        self.wrap(id)
    }

    /// An operation of two operands.
    pub fn binary(self, op: Op, other: Self) -> Self {
        let id = self.cx.borrow_mut().binary(op, self.id, other.id);
        self.wrap(id)
    }

    /// `self * factor + term`, rounded once.
    pub fn mul_add(self, factor: Self, term: f64) -> Self {
        self.ternary(Op::Fma, factor, self.number(term))
    }

    /// An operation of three operands.
    pub fn ternary(self, op: Op, second: Self, third: Self) -> Self {
        let operands = [self.id, second.id, third.id];
        let id = self.cx.borrow_mut().emit_plain(op, &operands);
        self.wrap(id)
    }

    /// A number of this value's element type.
    pub fn number(self, value: f64) -> Self {
        let mut cx = self.cx.borrow_mut();
        let dtype = cx.ty(self.id).dtype;
        let id = cx.scalar(dtype, value);
        drop(cx);
        self.wrap(id)
    }

    /// 1 / self.
    pub fn recip(self) -> Self {
        self.unary(Op::Reciprocal)
    }

    /// self².
    pub fn square(self) -> Self {
        self.unary(Op::Square)
    }

    /// √self.
    pub fn sqrt(self) -> Self {
        self.unary(Op::Sqrt)
    }

    /// `self * other`, but 0 where either is 0.
    pub fn times_no_nan(self, other: Self) -> Self {
        self.binary(Op::MultiplyNoNan, other)
    }

    /// What derivatives are to be where there are none.
    pub fn policy(self) -> NonSmooth {
        self.cx.borrow().policy()
    }

    /// Itself; a point where it equals the number has no derivative.
    pub fn kink_at(self, number: f64) -> Self {
        self.kink_where(Direction::Eq, self.number(number))
    }

    /// Itself; a point where the comparison holds has no derivative.
    pub fn kink_where(self, direction: Direction, other: Self) -> Self {
        if self.policy() == NonSmooth::Strict {
            let mut cx = self.cx.borrow_mut();
            let kink = cx.compare(direction, self.id, other.id);
            cx.refuse_where(kink);
        }
        self
    }

    /// A point where all the comparisons hold has no derivative.
    pub fn kink_if(self, all: &[(Self, Direction, Self)]) {
        let mut cx = self.cx.borrow_mut();
        let mut kink = None;
        for (a, direction, b) in all {
            let holds = cx.compare(*direction, a.id, b.id);
            kink = Some(kink.map_or(holds, |kink| cx.binary(Op::And, kink, holds)));
        }
        if let Some(kink) = kink {
            cx.refuse_where(kink);
        }
    }

    /// 1 where the comparison holds, ½ where both are equal (a point without a derivative), else 0.
    pub fn share(self, direction: Direction, other: Self) -> Self {
        self.share_of_tie(direction, other, 0.5)
    }

    /// 1 where the comparison holds, this part of 1 where both are equal (a point without a derivative), else 0.
    pub fn share_of_tie(self, direction: Direction, other: Self, part: f64) -> Self {
        self.kink_where(Direction::Eq, other);
        let (zero, half, one) = (self.number(0.0), self.number(part), self.number(1.0));
        let mut cx = self.cx.borrow_mut();
        let wins = cx.compare(direction, self.id, other.id);
        let ties = cx.compare(Direction::Eq, self.id, other.id);
        let loses = cx.select(ties, half.id, zero.id);
        let id = cx.select(wins, one.id, loses);
        drop(cx);
        self.wrap(id)
    }

    /// `then` where self is above 0, else `otherwise`.
    pub fn where_positive(self, then: Self, otherwise: Self) -> Self {
        let zero = self.number(0.0);
        let mut cx = self.cx.borrow_mut();
        let above = cx.compare(Direction::Gt, self.id, zero.id);
        let id = cx.select(above, then.id, otherwise.id);
        drop(cx);
        self.wrap(id)
    }

    /// `then` where self equals the number, else `otherwise`.
    pub fn where_equals(self, number: f64, then: f64, otherwise: Self) -> Self {
        let (number, then) = (self.number(number), self.number(then));
        let mut cx = self.cx.borrow_mut();
        let at = cx.compare(Direction::Eq, self.id, number.id);
        let id = cx.select(at, then.id, otherwise.id);
        drop(cx);
        self.wrap(id)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident),*) => {$(
        impl<'a> ops::$trait for E<'a> {
            type Output = E<'a>;
            fn $method(self, other: Self) -> Self {
                self.binary(Op::$op, other)
            }
        }
        impl<'a> ops::$trait<f64> for E<'a> {
            type Output = E<'a>;
            fn $method(self, other: f64) -> Self {
                self.binary(Op::$op, self.number(other))
            }
        }
        impl<'a> ops::$trait<E<'a>> for f64 {
            type Output = E<'a>;
            fn $method(self, other: E<'a>) -> E<'a> {
                other.number(self).binary(Op::$op, other)
            }
        }
    )*};
}
operators!(Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide);

impl ops::Neg for E<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Op::Negate)
    }
}
