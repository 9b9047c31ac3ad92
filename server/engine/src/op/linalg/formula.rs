//! Matrix formulas as graph nodes. Matrices are the last two dimensions, what stands before is the batch.

use crate::op::{Attributes, Direction, DotDimensions, Emit, Op, ValueId};
use crate::tensor::{DType, TensorType};

/// Rank of a value.
fn rank(cx: &dyn Emit, v: ValueId) -> u32 {
    cx.ty(v).shape.rank() as u32
}

/// A contraction of one dimension of each (counted from the end of a matrix: 2 rows, 1 columns), batched over
/// what stands before the matrices.
fn contract(
    cx: &mut dyn Emit,
    a: ValueId,
    of_a: u32,
    b: ValueId,
    vector: bool,
    of_b: u32,
) -> ValueId {
    let a_rank = rank(cx, a);
    let batch: Vec<u32> = (0..a_rank - 2).collect();
    let of_b = match vector {
        true => a_rank - 2,
        false => a_rank - of_b,
    };
    let dims = DotDimensions {
        lhs_contracting: vec![a_rank - of_a],
        rhs_contracting: vec![of_b],
        lhs_batch: batch.clone(),
        rhs_batch: batch,
    };
    cx.emit(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dims))
}

/// A x for a matrix A and a matrix or vector x.
pub fn mul(cx: &mut dyn Emit, a: ValueId, x: ValueId) -> ValueId {
    let vector = rank(cx, x) < rank(cx, a);
    contract(cx, a, 1, x, vector, 2)
}

/// Aᵀ x for a matrix A and a matrix or vector x.
pub fn mul_ta(cx: &mut dyn Emit, a: ValueId, x: ValueId) -> ValueId {
    let vector = rank(cx, x) < rank(cx, a);
    contract(cx, a, 2, x, vector, 2)
}

/// A Bᵀ.
pub fn mul_tb(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> ValueId {
    contract(cx, a, 1, b, false, 1)
}

/// A x or Aᵀ x.
pub fn apply(cx: &mut dyn Emit, a: ValueId, transpose: bool, x: ValueId) -> ValueId {
    if transpose {
        mul_ta(cx, a, x)
    } else {
        mul(cx, a, x)
    }
}

/// db - dM x for M = A or Aᵀ: the right-hand side of M dx. `None` if neither moves.
pub fn moved_right_side(
    cx: &mut dyn Emit,
    da: Option<ValueId>,
    transpose: bool,
    x: ValueId,
    db: Option<ValueId>,
) -> Option<ValueId> {
    let moved = da.map(|da| {
        let product = apply(cx, da, transpose, x);
        cx.unary(Op::Negate, product)
    });
    cx.add_some(db, moved)
}

/// Aᵀ.
pub fn transposed(cx: &mut dyn Emit, a: ValueId) -> ValueId {
    let rank = rank(cx, a);
    let order = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    cx.transpose(a, order)
}

/// Which elements of a matrix are kept.
#[derive(Clone, Copy)]
pub enum Part {
    /// On and below the diagonal.
    Lower,
    /// Below the diagonal.
    StrictLower,
    /// On and above the diagonal.
    Upper,
    /// Above the diagonal.
    StrictUpper,
    /// The diagonal.
    Diagonal,
}

/// Whether an element belongs to a part, for every element of a shape `[.., m, n]`.
pub fn mask(cx: &mut dyn Emit, shape: &[u64], part: Part) -> ValueId {
    let matrix = &shape[shape.len() - 2..];
    let index = |cx: &mut dyn Emit, dimension| {
        let ty = TensorType::new(DType::I64, matrix);
        cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension })
    };
    let (row, column) = (index(cx, 0), index(cx, 1));
    let direction = match part {
        Part::Lower => Direction::Ge,
        Part::StrictLower => Direction::Gt,
        Part::Upper => Direction::Le,
        Part::StrictUpper => Direction::Lt,
        Part::Diagonal => Direction::Eq,
    };
    let mask = cx.compare(direction, row, column);
    if shape.len() == 2 {
        return mask;
    }
    let last = shape.len() as u32 - 2;
    cx.broadcast(mask, shape, vec![last, last + 1])
}

/// A part of a matrix, zeros elsewhere.
pub fn part(cx: &mut dyn Emit, a: ValueId, part: Part) -> ValueId {
    let ty = cx.ty(a).clone();
    let mask = mask(cx, &ty.shape, part);
    let zero = cx.scalar(ty.dtype, 0.0);
    cx.select(mask, a, zero)
}

/// The symmetric matrix with this lower triangle.
pub fn symmetric(cx: &mut dyn Emit, a: ValueId) -> ValueId {
    let lower = part(cx, a, Part::Lower);
    let strict = part(cx, a, Part::StrictLower);
    let upper = transposed(cx, strict);
    cx.binary(Op::Add, lower, upper)
}

/// Multiplied by a number.
pub fn times(cx: &mut dyn Emit, a: ValueId, factor: f64) -> ValueId {
    let dtype = cx.ty(a).dtype;
    let factor = cx.scalar(dtype, factor);
    cx.binary(Op::Multiply, factor, a)
}

/// The identity, for a type `[.., n, n]`.
pub fn identity(cx: &mut dyn Emit, ty: &TensorType) -> ValueId {
    let mask = mask(cx, &ty.shape, Part::Diagonal);
    cx.convert(mask, ty.dtype)
}

/// A vector `[.., n]` repeated in every row of `[.., m, n]`: element j stands in column j.
pub fn along_columns(cx: &mut dyn Emit, v: ValueId, shape: &[u64]) -> ValueId {
    let rank = shape.len() as u32;
    cx.broadcast(v, shape, (0..rank - 2).chain([rank - 1]).collect())
}

/// A vector `[.., m]` repeated in every column of `[.., m, n]`: element i stands in row i.
pub fn along_rows(cx: &mut dyn Emit, v: ValueId, shape: &[u64]) -> ValueId {
    cx.broadcast(v, shape, (0..shape.len() as u32 - 1).collect())
}

/// The sum over the last dimensions.
pub fn sum_last(cx: &mut dyn Emit, a: ValueId, dimensions: u32) -> ValueId {
    let rank = rank(cx, a);
    cx.reduce(Op::ReduceSum, a, (rank - dimensions..rank).collect())
}

/// The smallest number that counts beside 1.
pub fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}

/// Values through which no derivative passes: factors of a matrix that carries the derivative itself.
pub fn factors(cx: &mut dyn Emit, op: Op, a: ValueId) -> Vec<ValueId> {
    let fixed = cx.unary(Op::StopGradient, a);
    cx.emit_all(op, &[fixed], Attributes::None)
}
