//! Lines of a tensor along one dimension: elements picked from each, in graphs.

use super::{
    Attributes, Direction, Emit, GatherDimensions, NonSmooth, Op, OutOfBounds, ScatterDimensions,
    ValueId,
};
use crate::tensor::{DType, Shape, TensorType};

/// A shape as `outer × size × inner` around a dimension; nothing around it where there are no elements.
pub(super) fn around(shape: &Shape, axis: usize) -> [u64; 3] {
    if shape.elements() == 0 {
        return [0, shape[axis], 0];
    }
    [
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    ]
}

/// Elements picked from each line: `result[.., j, ..] = value[.., places[.., j, ..], ..]`. Shapes: a value
/// `[.., n, ..]`, places `[.., m, ..]` (i64, each below n) -> `[.., m, ..]`. Linear in the value.
pub(super) fn pick(cx: &mut dyn Emit, value: ValueId, places: ValueId, axis: usize) -> ValueId {
    let ty = cx.ty(value).clone();
    if cx.ty(places).elements() == 0 {
        let empty = TensorType::new(ty.dtype, cx.ty(places).shape.clone());
        return cx.full(&empty, 0.0);
    }
    let flat = flat_places(cx, places, &ty.shape, axis);
    pick_flat(cx, value, flat)
}

/// The derivative of sorted keys from the keys' tangents in that order: under the standard policy k equal keys
/// share it, 1/k each; else each has its own. Shapes: both as the keys.
pub(super) fn shared_by_ties(
    cx: &mut dyn Emit,
    sorted: ValueId,
    moved: ValueId,
    axis: usize,
    descending: bool,
) -> ValueId {
    let ty = cx.ty(moved).clone();
    let size = ty.shape[axis];
    if cx.policy() != NonSmooth::Standard || size < 2 || ty.elements() == 0 {
        return moved;
    }
    // Sorted from behind, the element at p of a run of equal keys goes to p's mirror image in the run: both
    // together are twice the run's middle, where the run's sum is collected.
    let axis_only = Attributes::Reverse {
        dimensions: vec![axis as u32],
    };
    let behind = cx.emit(Op::Reverse, &[sorted], axis_only);
    let by = Attributes::Sort {
        axis: axis as u32,
        descending,
    };
    let from = cx.emit(Op::Argsort, &[behind], by);
    let last = cx.scalar(DType::I64, (size - 1) as f64);
    let mirror = cx.binary(Op::Subtract, last, from);
    let along = Attributes::Iota {
        ty: TensorType::new(DType::I64, ty.shape.clone()),
        dimension: axis as u32,
    };
    let own = cx.emit(Op::Iota, &[], along);
    let twice = cx.binary(Op::Add, own, mirror);
    let two = cx.scalar(DType::I64, 2.0);
    let middle = cx.binary(Op::Divide, twice, two);
    let runs = flat_places(cx, middle, &ty.shape, axis);
    let of_run = |cx: &mut dyn Emit, value: ValueId| {
        let sum = add_flat(cx, value, runs);
        pick_flat(cx, sum, runs)
    };
    let ones = cx.full(&ty, 1.0);
    let (sum, count) = (of_run(cx, moved), of_run(cx, ones));
    cx.binary(Op::Divide, sum, count)
}

/// Under the strict policy: an error where two neighbours of sorted keys are equal.
pub(super) fn refuse_ties(cx: &mut dyn Emit, sorted: ValueId, axis: usize) {
    let size = cx.ty(sorted).shape[axis];
    if cx.policy() != NonSmooth::Strict || size < 2 {
        return;
    }
    let first = cx.slice_along(sorted, axis, 0, size - 1);
    let second = cx.slice_along(sorted, axis, 1, size);
    let equal = cx.compare(Direction::Eq, first, second);
    cx.refuse_where(equal);
}

/// Places along a dimension of a shape as places among all its elements in row-major order.
fn flat_places(cx: &mut dyn Emit, places: ValueId, shape: &Shape, axis: usize) -> ValueId {
    let [outer, size, inner] = around(shape, axis);
    let lines = Shape::from([outer, inner]);
    let along = |cx: &mut dyn Emit, dimension: u32| {
        let ty = TensorType::new(DType::I64, lines.clone());
        cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension })
    };
    let by = |cx: &mut dyn Emit, value: ValueId, factor: u64| {
        let factor = cx.scalar(DType::I64, factor as f64);
        cx.binary(Op::Multiply, value, factor)
    };
    let (row, column) = (along(cx, 0), along(cx, 1));
    let row = by(cx, row, size * inner);
    let starts = cx.binary(Op::Add, row, column);
    let own = cx.ty(places).shape.clone();
    let mut one = own.to_vec();
    one[axis] = 1;
    let starts = cx.reshape(starts, &one);
    let starts = cx.broadcast(starts, &own, (0..own.rank() as u32).collect());
    let steps = by(cx, places, inner);
    cx.binary(Op::Add, starts, steps)
}

/// Elements by their places among all of the value's.
fn pick_flat(cx: &mut dyn Emit, value: ValueId, flat: ValueId) -> ValueId {
    let elements = cx.ty(value).elements();
    let value = cx.reshape(value, &[elements]);
    let gather = GatherDimensions {
        offset_dims: vec![],
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: cx.ty(flat).shape.rank() as u32,
        slice_sizes: vec![1],
        out_of_bounds: OutOfBounds::Clamp,
    };
    cx.emit(Op::Gather, &[value, flat], Attributes::Gather(gather))
}

/// Zeros of a value's type with its elements added at places among all of them.
fn add_flat(cx: &mut dyn Emit, value: ValueId, flat: ValueId) -> ValueId {
    let ty = cx.ty(value).clone();
    let zeros = cx.full(&TensorType::new(ty.dtype, [ty.elements()]), 0.0);
    let scatter = ScatterDimensions {
        update_window_dims: vec![],
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: ty.shape.rank() as u32,
        out_of_bounds: OutOfBounds::Clamp,
    };
    let scatter = Attributes::Scatter(scatter);
    let sum = cx.emit(Op::ScatterAdd, &[zeros, flat, value], scatter);
    cx.reshape(sum, &ty.shape)
}
