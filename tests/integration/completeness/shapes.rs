//! Cases of operations that choose, make, move and order elements.

use super::{ANY, Case, INF, Kind::*, NAN, Operand, b, case, eye, f, i};
use gradient_engine::{
    Attributes as A, DType, Direction, GatherDimensions, Op, OutOfBounds, ScatterDimensions,
    Tensor, TensorType,
};
use gradient_tests::engine::tensor;

pub(super) fn cases() -> Vec<Case> {
    let mut all = choices();
    all.extend(sources());
    all.extend(moved());
    all.extend(indexed());
    all.extend(dynamic());
    all.extend(ordered());
    all
}

#[rustfmt::skip]
fn choices() -> Vec<Case> {
    let compare = |direction| A::Compare { direction };
    let lt = || compare(Direction::Lt);
    let mut all = vec![
        case(Op::Compare, Empty, lt(), &[f(&[0], &[]), f(&[], &[1.0])], &[], &[]),
        case(Op::Compare, Scalar, lt(), &[f(&[], &[1.0]), f(&[], &[2.0])], &[1.0], &[]),
        case(Op::Compare, Special, lt(), &[f(&[4], &[NAN, 1.0, -0.0, INF]), f(&[4], &[1.0, NAN, 0.0, INF])], &[0.0; 4], &[]),
        case(Op::Compare, Special, compare(Direction::Ne), &[f(&[4], &[NAN, NAN, -0.0, INF]), f(&[4], &[1.0, NAN, 0.0, INF])], &[1.0, 1.0, 0.0, 0.0], &[]),
        case(Op::Select, Empty, A::None, &[b(&[0], &[]), f(&[0], &[]), f(&[], &[2.0])], &[], &[]),
        case(Op::Select, Scalar, A::None, &[b(&[], &[1.0]), f(&[], &[3.0]), f(&[], &[4.0])], &[3.0], &[1.0, 0.0]),
        case(Op::Select, Special, A::None, &[b(&[2], &[1.0, 0.0]), f(&[2], &[INF, NAN]), f(&[2], &[NAN, 2.0])], &[INF, 2.0], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::Not, Empty, A::None, &[b(&[2, 0], &[])], &[], &[]),
        case(Op::Not, Scalar, A::None, &[b(&[], &[0.0])], &[1.0], &[]),
        case(Op::Not, Special, A::None, &[b(&[2], &[0.0, 1.0])], &[1.0, 0.0], &[]),
    ];
    for (op, want) in [(Op::And, [0.0, 0.0, 0.0, 1.0]), (Op::Or, [0.0, 1.0, 1.0, 1.0]), (Op::Xor, [0.0, 1.0, 1.0, 0.0])] {
        all.push(case(op, Empty, A::None, &[b(&[0], &[]), b(&[0], &[])], &[], &[]));
        all.push(case(op, Scalar, A::None, &[b(&[], &[1.0]), b(&[], &[0.0])], &[want[2]], &[]));
        all.push(case(op, Special, A::None, &[b(&[4], &[0.0, 0.0, 1.0, 1.0]), b(&[4], &[0.0, 1.0, 0.0, 1.0])], &want, &[]));
    }
    for (op, want) in [
        (Op::IsFinite, [1.0, 1.0, 0.0, 0.0, 0.0]),
        (Op::IsNan, [0.0, 0.0, 0.0, 0.0, 1.0]),
        (Op::IsInf, [0.0, 0.0, 1.0, 1.0, 0.0]),
    ] {
        all.push(case(op, Empty, A::None, &[f(&[0], &[])], &[], &[]));
        all.push(case(op, Scalar, A::None, &[f(&[], &[5e-324])], &want[..1], &[]));
        all.push(case(op, Special, A::None, &[f(&[5], &[-0.0, f64::MAX, INF, -INF, NAN])], &want, &[]));
    }
    all
}

#[rustfmt::skip]
fn sources() -> Vec<Case> {
    let held = |shape: &[u64], numbers: &[f64]| A::Constant(tensor(&TensorType::f64(shape), numbers).into());
    let iota = |shape: &[u64], dimension| A::Iota { ty: TensorType::new(DType::I64, shape), dimension };
    let to = |dtype| A::Convert { dtype };
    let (most, least) = (i64::MAX as f64, i64::MIN as f64);
    vec![
        case(Op::Constant, Empty, held(&[0, 2], &[]), &[], &[], &[]),
        case(Op::Constant, Scalar, A::Constant(Tensor::scalar(DType::F64, 3.5).into()), &[], &[3.5], &[]),
        case(Op::Constant, Special, held(&[3], &[NAN, -INF, -0.0]), &[], &[NAN, -INF, -0.0], &[]),
        case(Op::Iota, Empty, iota(&[2, 0], 0), &[], &[], &[]),
        case(Op::Iota, Smallest("it counts along a dimension"), iota(&[1], 0), &[], &[0.0], &[]),
        case(Op::Iota, Special, iota(&[3, 2], 1), &[], &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], &[]),
        case(Op::Convert, Empty, to(DType::F32), &[f(&[0], &[])], &[], &[]),
        case(Op::Convert, Scalar, to(DType::F32), &[f(&[], &[1.5])], &[1.5], &[1.0]),
        case(Op::Convert, Scalar, to(DType::F64), &[Operand(DType::F32, vec![], vec![1.5])], &[1.5], &[1.0]),
        case(Op::Convert, Special, to(DType::F64), &[Operand(DType::F32, vec![2], vec![NAN, INF])], &[NAN, INF], &eye(2)),
        case(Op::Convert, Special, to(DType::F32), &[f(&[2], &[NAN, 1e300])], &[NAN, INF], &eye(2)),
        case(Op::Convert, Special, to(DType::I64), &[f(&[5], &[NAN, INF, -INF, -2.7, 1e300])], &[0.0, most, least, -2.0, most], &[]),
        case(Op::Convert, Special, to(DType::Bool), &[f(&[3], &[NAN, -0.0, 5e-324])], &[1.0, 0.0, 1.0], &[]),
        case(Op::StopGradient, Empty, A::None, &[f(&[0], &[])], &[], &[]),
        case(Op::StopGradient, Scalar, A::None, &[f(&[], &[1.5])], &[1.5], &[0.0]),
        case(Op::StopGradient, Special, A::None, &[f(&[2], &[NAN, INF])], &[NAN, INF], &[0.0; 4]),
    ]
}

#[rustfmt::skip]
fn moved() -> Vec<Case> {
    let reshape = |shape: &[u64]| A::Reshape { shape: shape.to_vec() };
    let order = |permutation: &[u32]| A::Transpose { permutation: permutation.to_vec() };
    let broadcast = |shape: &[u64], dimensions: &[u32]| A::BroadcastInDim { shape: shape.to_vec(), dimensions: dimensions.to_vec() };
    let slice = |starts: &[u64], limits: &[u64], strides: &[u64]| A::Slice { starts: starts.to_vec(), limits: limits.to_vec(), strides: strides.to_vec() };
    let pad = |low: &[u64], high: &[u64], interior: &[u64]| A::Pad { low: low.to_vec(), high: high.to_vec(), interior: interior.to_vec() };
    let along = A::Concatenate { dimension: 0 };
    let reverse = |dimensions: &[u32]| A::Reverse { dimensions: dimensions.to_vec() };
    let tile = |repeats: &[u64]| A::Tile { repeats: repeats.to_vec() };
    vec![
        case(Op::Reshape, Empty, reshape(&[3, 0, 2]), &[f(&[0, 5], &[])], &[], &[]),
        case(Op::Reshape, Scalar, reshape(&[1, 1]), &[f(&[], &[2.0])], &[2.0], &[1.0]),
        case(Op::Reshape, Special, reshape(&[2, 1]), &[f(&[2], &[NAN, INF])], &[NAN, INF], &eye(2)),
        case(Op::Transpose, Empty, order(&[1, 0]), &[f(&[0, 2], &[])], &[], &[]),
        case(Op::Transpose, Scalar, order(&[]), &[f(&[], &[2.0])], &[2.0], &[1.0]),
        case(Op::Transpose, Special, order(&[1, 0]), &[f(&[2, 2], &[1.0, NAN, INF, -0.0])], &[1.0, INF, NAN, -0.0],
            &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::BroadcastInDim, Empty, broadcast(&[2, 0], &[1]), &[f(&[0], &[])], &[], &[]),
        case(Op::BroadcastInDim, Empty, broadcast(&[0, 2], &[1]), &[f(&[1], &[3.0])], &[], &[]),
        case(Op::BroadcastInDim, Scalar, broadcast(&[], &[]), &[f(&[], &[3.0])], &[3.0], &[1.0]),
        case(Op::BroadcastInDim, Special, broadcast(&[2], &[0]), &[f(&[1], &[NAN])], &[NAN, NAN], &[1.0, 1.0]),
        case(Op::Slice, Empty, slice(&[1], &[1], &[]), &[f(&[3], &[1.0, 2.0, 3.0])], &[], &[]),
        case(Op::Slice, Empty, slice(&[0, 0], &[0, 1], &[]), &[f(&[0, 1], &[])], &[], &[]),
        case(Op::Slice, Scalar, slice(&[], &[], &[]), &[f(&[], &[3.0])], &[3.0], &[1.0]),
        case(Op::Slice, Special, slice(&[1], &[4], &[2]), &[f(&[5], &[NAN, 2.0, NAN, INF, NAN])], &[2.0, INF], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        case(Op::Pad, Empty, pad(&[1], &[1], &[3]), &[f(&[0], &[]), f(&[], &[5.0])], &[5.0, 5.0], &[1.0, 1.0]),
        case(Op::Pad, Scalar, pad(&[], &[], &[]), &[f(&[], &[2.0]), f(&[], &[5.0])], &[2.0], &[1.0, 0.0]),
        case(Op::Pad, Special, pad(&[1], &[0], &[]), &[f(&[1], &[INF]), f(&[], &[NAN])], &[NAN, INF], &[0.0, 1.0, 1.0, 0.0]),
        case(Op::Concatenate, Empty, along.clone(), &[f(&[0], &[]), f(&[2], &[1.0, 2.0])], &[1.0, 2.0], &eye(2)),
        case(Op::Concatenate, Smallest("scalars have no dimension to join along"), along.clone(), &[f(&[1], &[4.0])], &[4.0], &[1.0]),
        case(Op::Concatenate, Special, along, &[f(&[1], &[NAN]), f(&[1], &[INF])], &[NAN, INF], &[1.0, 0.0, 0.0, 1.0]),
        case(Op::Reverse, Empty, reverse(&[0, 1]), &[f(&[2, 0], &[])], &[], &[]),
        case(Op::Reverse, Scalar, reverse(&[]), &[f(&[], &[2.0])], &[2.0], &[1.0]),
        case(Op::Reverse, Special, reverse(&[0]), &[f(&[2], &[NAN, INF])], &[INF, NAN], &[0.0, 1.0, 1.0, 0.0]),
        case(Op::Tile, Empty, tile(&[0]), &[f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::Tile, Empty, tile(&[2]), &[f(&[0], &[])], &[], &[]),
        case(Op::Tile, Scalar, tile(&[]), &[f(&[], &[2.0])], &[2.0], &[1.0]),
        case(Op::Tile, Special, tile(&[2]), &[f(&[1], &[NAN])], &[NAN, NAN], &[1.0, 1.0]),
    ]
}

/// Elements of a vector at a list of places.
fn elements(out_of_bounds: OutOfBounds) -> A {
    A::Gather(GatherDimensions {
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes: vec![1],
        out_of_bounds,
        ..GatherDimensions::default()
    })
}

/// Written to a vector at a list of places.
fn places(out_of_bounds: OutOfBounds) -> A {
    A::Scatter(ScatterDimensions {
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: 1,
        out_of_bounds,
        ..ScatterDimensions::default()
    })
}

#[rustfmt::skip]
fn indexed() -> Vec<Case> {
    use OutOfBounds::{Clamp, Drop};
    let outside = [f(&[3], &[1.0, NAN, 3.0]), i(&[4], &[0.0, 0.0, 9.0, -7.0])];
    let mut all = vec![
        case(Op::Gather, Empty, elements(Clamp), &[f(&[3], &[1.0, 2.0, 3.0]), i(&[0], &[])], &[], &[]),
        case(Op::Gather, Empty, elements(Drop), &[f(&[3], &[1.0, 2.0, 3.0]), i(&[0, 1], &[])], &[], &[]),
        case(Op::Gather, Scalar, A::Gather(GatherDimensions::default()), &[f(&[], &[2.0]), i(&[0], &[])], &[2.0], &[1.0]),
        case(Op::Gather, Special, elements(Clamp), &outside, &[1.0, 1.0, 3.0, 1.0], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
        case(Op::Gather, Special, elements(Drop), &outside, &[1.0, 1.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ];
    let updated = |kept: f64, slopes: [f64; 4]| {
        let operands = [f(&[2], &[4.0, 8.0]), i(&[3], &[1.0, 1.0, 7.0]), f(&[3], &[1.0, 2.0, NAN])];
        let slopes = [&slopes[..], &[0.0, 0.0, 0.0, if kept == 11.0 { 1.0 } else { 0.0 }, 1.0, 0.0]].concat();
        (operands, [4.0, kept], slopes)
    };
    let added = updated(11.0, [1.0, 0.0, 0.0, 1.0]);
    let replaced = updated(2.0, [1.0, 0.0, 0.0, 0.0]);
    for (op, (operands, value, slopes)) in [(Op::ScatterAdd, added), (Op::Scatter, replaced)] {
        all.push(case(op, Empty, places(Clamp), &[f(&[2], &[4.0, 8.0]), i(&[0], &[]), f(&[0], &[])], &[4.0, 8.0], &eye(2)));
        let rows = A::Scatter(ScatterDimensions { update_window_dims: vec![1], inserted_window_dims: vec![0], scatter_dims_to_operand_dims: vec![0], index_vector_dim: 1, out_of_bounds: Drop });
        all.push(case(op, Empty, rows, &[f(&[2, 0], &[]), i(&[1], &[1.0]), f(&[1, 0], &[])], &[], &[]));
        let kept = if op == Op::ScatterAdd { 5.0 } else { 3.0 };
        let slopes_of_scalar = [if op == Op::ScatterAdd { 1.0 } else { 0.0 }, 1.0];
        all.push(case(op, Scalar, A::Scatter(ScatterDimensions::default()), &[f(&[], &[2.0]), i(&[0], &[]), f(&[], &[3.0])], &[kept], &slopes_of_scalar));
        all.push(case(op, Special, places(Drop), &operands, &value, &slopes));
    }
    let hot = |depth| A::OneHot { depth, dtype: DType::F64 };
    let search = |right| A::SearchSorted { right };
    let queries = [f(&[3], &[1.0, 1.0, 2.0]), f(&[4], &[1.0, NAN, INF, -INF])];
    all.extend([
        case(Op::OneHot, Empty, hot(3), &[i(&[0], &[])], &[], &[]),
        case(Op::OneHot, Empty, hot(0), &[i(&[2], &[0.0, 1.0])], &[], &[]),
        case(Op::OneHot, Scalar, hot(3), &[i(&[], &[1.0])], &[0.0, 1.0, 0.0], &[]),
        case(Op::OneHot, Special, hot(2), &[i(&[3], &[-1.0, 5.0, 0.0])], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0], &[]),
        case(Op::SearchSorted, Empty, search(false), &[f(&[0], &[]), f(&[2], &[1.0, NAN])], &[0.0, 0.0], &[]),
        case(Op::SearchSorted, Empty, search(true), &[f(&[1], &[1.0]), f(&[0], &[])], &[], &[]),
        case(Op::SearchSorted, Scalar, search(true), &[f(&[1], &[1.0]), f(&[], &[1.0])], &[1.0], &[]),
        case(Op::SearchSorted, Special, search(false), &queries, &[0.0, 0.0, 3.0, 0.0], &[]),
        case(Op::SearchSorted, Special, search(true), &queries, &[2.0, 0.0, 3.0, 0.0], &[]),
    ]);
    all
}

#[rustfmt::skip]
fn dynamic() -> Vec<Case> {
    let sizes = |sizes: &[u64]| A::DynamicSlice { sizes: sizes.to_vec() };
    let three = f(&[3], &[1.0, NAN, 3.0]);
    vec![
        case(Op::DynamicSlice, Empty, sizes(&[0]), &[three.clone(), i(&[1], &[1.0])], &[], &[]),
        case(Op::DynamicSlice, Empty, sizes(&[0]), &[f(&[0], &[]), i(&[1], &[1.0])], &[], &[]),
        case(Op::DynamicSlice, Scalar, sizes(&[]), &[f(&[], &[2.0]), i(&[0], &[])], &[2.0], &[1.0]),
        case(Op::DynamicSlice, Special, sizes(&[1]), &[three.clone(), i(&[1], &[9e18])], &[3.0], &[0.0, 0.0, 1.0]),
        case(Op::DynamicSlice, Special, sizes(&[1]), &[three.clone(), i(&[1], &[-9e18])], &[1.0], &[1.0, 0.0, 0.0]),
        case(Op::DynamicUpdateSlice, Empty, A::None, &[f(&[2], &[1.0, 2.0]), f(&[0], &[]), i(&[1], &[1.0])], &[1.0, 2.0], &eye(2)),
        case(Op::DynamicUpdateSlice, Scalar, A::None, &[f(&[], &[2.0]), f(&[], &[5.0]), i(&[0], &[])], &[5.0], &[0.0, 1.0]),
        case(Op::DynamicUpdateSlice, Special, A::None, &[three, f(&[2], &[INF, 7.0]), i(&[1], &[9e18])], &[1.0, INF, 7.0],
            &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]),
    ]
}

#[rustfmt::skip]
fn ordered() -> Vec<Case> {
    let up = || A::Sort { axis: 0, descending: false };
    let down = || A::Sort { axis: 0, descending: true };
    let along = "elements are ordered along a dimension";
    let tied = f(&[4], &[2.0, NAN, 2.0, -INF]);
    let last = [0.0, 1.0, 0.0, 0.0];
    let (first, half) = ([0.0, 0.0, 0.0, 1.0], [0.5, 0.0, 0.5, 0.0]);
    let alongside = [tied.clone(), i(&[4], &[10.0, 11.0, 12.0, 13.0])];
    let top = f(&[4], &[2.0, NAN, 2.0, INF]);
    let none = [ANY; 0];
    vec![
        case(Op::Sort, Empty, up(), &[f(&[0], &[])], &none, &[]),
        case(Op::Sort, Empty, down(), &[f(&[2, 0], &[])], &[], &[]),
        case(Op::Sort, Smallest(along), up(), &[f(&[1], &[3.0])], &[3.0], &[1.0]),
        case(Op::Sort, Special, up(), &alongside, &[-INF, 2.0, 2.0, NAN, 13.0, 10.0, 12.0, 11.0], &[first, half, half, last].concat()),
        case(Op::Sort, Special, down(), &alongside, &[2.0, 2.0, -INF, NAN, 10.0, 12.0, 13.0, 11.0], &[half, half, first, last].concat()),
        case(Op::Argsort, Empty, up(), &[f(&[0], &[])], &[], &[]),
        case(Op::Argsort, Smallest(along), up(), &[f(&[1], &[3.0])], &[0.0], &[]),
        case(Op::Argsort, Special, up(), std::slice::from_ref(&tied), &[3.0, 0.0, 2.0, 1.0], &[]),
        case(Op::Argsort, Special, down(), &[tied], &[0.0, 2.0, 3.0, 1.0], &[]),
        case(Op::TopK, Empty, A::TopK { k: 0 }, &[f(&[0], &[])], &[], &[]),
        case(Op::TopK, Empty, A::TopK { k: 2 }, &[f(&[0, 3], &[])], &[], &[]),
        case(Op::TopK, Smallest(along), A::TopK { k: 1 }, &[f(&[1], &[3.0])], &[3.0, 0.0], &[1.0]),
        case(Op::TopK, Special, A::TopK { k: 4 }, &[top], &[INF, 2.0, 2.0, NAN, 3.0, 0.0, 2.0, 1.0], &[first, half, half, last].concat()),
    ]
}
