//! Cases of reductions, scans and products of tensors.

use super::{ANY, Case, INF, Kind::*, LOST, NAN, b, case, eye, f};
use gradient_engine::{Attributes as A, DotDimensions, NormKind, Op};
use std::f64::consts::LN_2;

pub(super) fn cases() -> Vec<Case> {
    let mut all = reductions();
    all.extend(moments_and_norms());
    all.extend(scans());
    all.extend(products());
    all
}

fn reduce(axes: &[u32]) -> A {
    A::Reduce {
        axes: axes.to_vec(),
        keep_dims: false,
    }
}

#[rustfmt::skip]
fn reductions() -> Vec<Case> {
    let mut all = vec![];
    // Operation, the reduction of nothing.
    for (op, nothing) in [(Op::ReduceSum, 0.0), (Op::ReduceProd, 1.0), (Op::ReduceMean, NAN), (Op::ReduceLogsumexp, -INF)] {
        all.push(case(op, Empty, reduce(&[1]), &[f(&[2, 0], &[])], &[nothing; 2], &[]));
        all.push(case(op, Empty, reduce(&[0]), &[f(&[2, 0], &[])], &[], &[]));
        all.push(case(op, Scalar, reduce(&[]), &[f(&[], &[3.0])], &[3.0], &[1.0]));
    }
    for (op, beyond) in [(Op::ReduceMax, -INF), (Op::ReduceMin, INF)] {
        all.push(case(op, Empty, reduce(&[0]), &[f(&[2, 0], &[])], &[], &[]));
        all.push(case(op, Scalar, reduce(&[]), &[f(&[], &[3.0])], &[3.0], &[1.0]));
        all.push(case(op, Special, reduce(&[]), &[f(&[3], &[2.0, beyond, 2.0])], &[2.0], &[0.5, 0.0, 0.5]));
        all.push(case(op, Special, reduce(&[]), &[f(&[2], &[beyond, beyond])], &[beyond], &[0.5, 0.5]));
        all.push(case(op, Special, reduce(&[]), &[f(&[2], &[1.0, NAN])], &[NAN], &[ANY, ANY]));
    }
    all.extend([
        case(Op::ReduceSum, Special, reduce(&[]), &[f(&[2], &[INF, -INF])], &[NAN], &[1.0, 1.0]),
        case(Op::ReduceProd, Special, reduce(&[]), &[f(&[3], &[2.0, 0.0, 3.0])], &[0.0], &[0.0, 6.0, 0.0]),
        case(Op::ReduceProd, Special, reduce(&[]), &[f(&[2], &[0.0, INF])], &[NAN], &[INF, 0.0]),
        case(Op::ReduceMean, Special, reduce(&[]), &[f(&[2], &[INF, 1.0])], &[INF], &[0.5, 0.5]),
        case(Op::ReduceLogsumexp, Special, reduce(&[]), &[f(&[2], &[-INF, 0.5])], &[0.5], &[0.0, 1.0]),
        case(Op::ReduceLogsumexp, Special, reduce(&[]), &[f(&[2], &[1e300, 1e300])], &[1e300], &[0.5, 0.5]),
        case(Op::ReduceLogsumexp, Special, reduce(&[]), &[f(&[2], &[-INF, -INF])], &[-INF], &[NAN, NAN]),
    ]);
    let bools = b(&[4, 2], &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    for (op, of_nothing, all_of_them) in [(Op::ReduceAnd, 1.0, [0.0, 0.0, 0.0, 1.0]), (Op::ReduceOr, 0.0, [0.0, 1.0, 1.0, 1.0])] {
        all.push(case(op, Empty, reduce(&[1]), &[b(&[2, 0], &[])], &[of_nothing; 2], &[]));
        all.push(case(op, Scalar, reduce(&[]), &[b(&[], &[1.0])], &[1.0], &[]));
        all.push(case(op, Special, reduce(&[1]), std::slice::from_ref(&bools), &all_of_them, &[]));
    }
    for op in [Op::Argmax, Op::Argmin] {
        let along = |axis| A::ArgReduce { axis, keep_dims: false };
        all.push(case(op, Empty, along(0), &[f(&[2, 0], &[])], &[], &[]));
        all.push(case(op, Smallest("a place along a dimension"), along(0), &[f(&[1], &[3.0])], &[0.0], &[]));
        all.push(case(op, Special, along(0), &[f(&[4], &[5.0, NAN, 7.0, NAN])], &[1.0], &[]));
        all.push(case(op, Special, along(0), &[f(&[3], &[2.0, 2.0, 2.0])], &[0.0], &[]));
    }
    all
}

#[rustfmt::skip]
fn moments_and_norms() -> Vec<Case> {
    let variance = |ddof| A::Variance { axes: vec![], keep_dims: false, ddof };
    let norm = |kind| A::Norm { kind, axes: vec![], keep_dims: false };
    let mut all = vec![
        case(Op::ReduceVariance, Empty, variance(0), &[f(&[0], &[])], &[NAN], &[]),
        case(Op::ReduceVariance, Scalar, variance(0), &[f(&[], &[3.0])], &[0.0], &[0.0]),
        case(Op::ReduceVariance, Special, variance(0), &[f(&[2], &[2.0, 2.0])], &[0.0], &[0.0, 0.0]),
        case(Op::ReduceVariance, Special, variance(0), &[f(&[2], &[INF, 2.0])], &[NAN], &[LOST, LOST]),
        // No more elements than are taken off.
        case(Op::ReduceVariance, Special, variance(2), &[f(&[2], &[0.0, 2.0])], &[NAN], &[LOST, LOST]),
        case(Op::ReduceVariance, Special, variance(1), &[f(&[2], &[0.0, 2.0])], &[2.0], &[-2.0, 2.0]),
    ];
    for kind in [NormKind::One, NormKind::Two, NormKind::Inf] {
        all.extend([
            case(Op::Norm, Empty, norm(kind), &[f(&[0], &[])], &[0.0], &[]),
            case(Op::Norm, Scalar, norm(kind), &[f(&[], &[-3.0])], &[3.0], &[-1.0]),
            case(Op::Norm, Special, norm(kind), &[f(&[2], &[0.0, 0.0])], &[0.0], &[0.0, 0.0]),
            case(Op::Norm, Special, norm(kind), &[f(&[2], &[NAN, 1.0])], &[NAN], &[ANY, ANY]),
        ]);
    }
    all.extend([
        case(Op::Norm, Special, norm(NormKind::Inf), &[f(&[3], &[-3.0, 3.0, 0.0])], &[3.0], &[-0.5, 0.5, 0.0]),
        case(Op::Norm, Special, norm(NormKind::Two), &[f(&[2], &[0.0, 1e200])], &[1e200], &[0.0, 1.0]),
    ]);
    all
}

#[rustfmt::skip]
fn scans() -> Vec<Case> {
    let along = || A::Cumulative { axis: 0, reverse: false };
    let back = || A::Cumulative { axis: 0, reverse: true };
    let softmax = || A::Softmax { axis: 0 };
    let line = "it runs along a dimension";
    let mut all = vec![];
    for op in [Op::Cumsum, Op::Cumprod, Op::Cummax, Op::Cummin, Op::Cumlogsumexp] {
        all.push(case(op, Empty, along(), &[f(&[0], &[])], &[], &[]));
        all.push(case(op, Empty, back(), &[f(&[2, 0], &[])], &[], &[]));
        all.push(case(op, Smallest(line), along(), &[f(&[1], &[3.0])], &[3.0], &[1.0]));
    }
    for (op, value, slope) in [(Op::Softmax, 1.0, 0.0), (Op::LogSoftmax, 0.0, 0.0)] {
        all.push(case(op, Empty, softmax(), &[f(&[0], &[])], &[], &[]));
        all.push(case(op, Empty, softmax(), &[f(&[2, 0], &[])], &[], &[]));
        all.push(case(op, Smallest(line), softmax(), &[f(&[1], &[3.0])], &[value], &[slope]));
    }
    all.extend([
        case(Op::Cumsum, Special, along(), &[f(&[2], &[INF, -INF])], &[INF, NAN], &[1.0, 0.0, 1.0, 1.0]),
        case(Op::Cumsum, Special, back(), &[f(&[2], &[1.0, NAN])], &[NAN, NAN], &[1.0, 1.0, 0.0, 1.0]),
        case(Op::Cumprod, Special, along(), &[f(&[3], &[0.0, 2.0, 5.0])], &[0.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 10.0, 0.0, 0.0]),
        case(Op::Cumprod, Special, back(), &[f(&[3], &[3.0, 0.0, 0.0])], &[0.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::Cummax, Special, along(), &[f(&[3], &[-INF, 1.0, 1.0])], &[-INF, 1.0, 1.0], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5]),
        case(Op::Cummax, Special, along(), &[f(&[2], &[1.0, NAN])], &[1.0, NAN], &[1.0, 0.0, ANY, ANY]),
        case(Op::Cummin, Special, back(), &[f(&[3], &[1.0, 1.0, INF])], &[1.0, 1.0, INF], &[0.5, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::Cumlogsumexp, Special, along(), &[f(&[2], &[-INF, 1.0])], &[-INF, 1.0], &[1.0, 0.0, 0.0, 1.0]),
        case(Op::Cumlogsumexp, Special, along(), &[f(&[2], &[-1e300, -1e300])], &[-1e300, -1e300], &[1.0, 0.0, 0.5, 0.5]),
        case(Op::Softmax, Special, softmax(), &[f(&[2], &[-INF, 1.0])], &[0.0, 1.0], &[0.0; 4]),
        case(Op::Softmax, Special, softmax(), &[f(&[2], &[1e300, 1e300])], &[0.5, 0.5], &[0.25, -0.25, -0.25, 0.25]),
        case(Op::Softmax, Special, softmax(), &[f(&[2], &[NAN, 1.0])], &[NAN, NAN], &[LOST; 4]),
        case(Op::LogSoftmax, Special, softmax(), &[f(&[2], &[1.0, -INF])], &[0.0, -INF], &[0.0, 0.0, -1.0, 1.0]),
        case(Op::LogSoftmax, Special, softmax(), &[f(&[2], &[-1e300, -1e300])], &[-LN_2, -LN_2], &[0.5, -0.5, -0.5, 0.5]),
    ]);
    all
}

#[rustfmt::skip]
fn products() -> Vec<Case> {
    let dot = |contracting: &[u32]| A::DotGeneral(DotDimensions { lhs_contracting: contracting.to_vec(), rhs_contracting: contracting.to_vec(), ..DotDimensions::default() });
    let einsum = |equation: &str| A::Einsum { equation: equation.into() };
    let diagonal = |offset| A::Diagonal { offset };
    let two = || [f(&[], &[2.0]), f(&[], &[3.0])];
    let poles = || [f(&[1], &[INF]), f(&[1], &[0.0])];
    let matrix = "a matrix has two dimensions";
    let mixed = f(&[2, 2], &[1.0, NAN, INF, 2.0]);
    vec![
        case(Op::DotGeneral, Empty, dot(&[0]), &[f(&[0], &[]), f(&[0], &[])], &[0.0], &[]),
        case(Op::DotGeneral, Empty, dot(&[]), &[f(&[0], &[]), f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::DotGeneral, Scalar, dot(&[]), &two(), &[6.0], &[3.0, 2.0]),
        case(Op::DotGeneral, Special, dot(&[0]), &poles(), &[NAN], &[0.0, INF]),
        case(Op::Matmul, Empty, A::None, &[f(&[2, 0], &[]), f(&[0, 1], &[])], &[0.0, 0.0], &[]),
        case(Op::Matmul, Empty, A::None, &[f(&[0, 2], &[]), f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::Matmul, Smallest("NumPy's meaning needs vectors at least"), A::None, &[f(&[1], &[2.0]), f(&[1], &[3.0])], &[6.0], &[3.0, 2.0]),
        case(Op::Matmul, Special, A::None, &poles(), &[NAN], &[0.0, INF]),
        case(Op::Outer, Empty, A::None, &[f(&[0], &[]), f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::Outer, Scalar, A::None, &two(), &[6.0], &[3.0, 2.0]),
        case(Op::Outer, Special, A::None, &[f(&[2], &[INF, 2.0]), f(&[1], &[0.0])], &[NAN, 0.0], &[0.0, 0.0, 0.0, 0.0, INF, 2.0]),
        case(Op::Kron, Empty, A::None, &[f(&[0], &[]), f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::Kron, Scalar, A::None, &two(), &[6.0], &[3.0, 2.0]),
        case(Op::Kron, Special, A::None, &poles(), &[NAN], &[0.0, INF]),
        case(Op::Trace, Empty, diagonal(0), &[f(&[0, 0], &[])], &[0.0], &[]),
        case(Op::Trace, Empty, diagonal(0), &[f(&[2, 0, 3], &[])], &[0.0, 0.0], &[]),
        case(Op::Trace, Smallest(matrix), diagonal(0), &[f(&[1, 1], &[3.0])], &[3.0], &[1.0]),
        case(Op::Trace, Special, diagonal(0), std::slice::from_ref(&mixed), &[3.0], &[1.0, 0.0, 0.0, 1.0]),
        case(Op::Trace, Special, diagonal(i32::MIN), std::slice::from_ref(&mixed), &[0.0], &[0.0; 4]),
        case(Op::Diag, Empty, diagonal(0), &[f(&[0], &[])], &[], &[]),
        case(Op::Diag, Empty, diagonal(i32::MIN), &[f(&[2, 2], &[1.0, 2.0, 3.0, 4.0])], &[], &[]),
        case(Op::Diag, Smallest("a vector at least"), diagonal(0), &[f(&[1], &[3.0])], &[3.0], &[1.0]),
        case(Op::Diag, Special, diagonal(0), &[f(&[2], &[NAN, INF])], &[NAN, 0.0, 0.0, INF], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::Diag, Special, diagonal(1), &[mixed], &[NAN], &[0.0, 1.0, 0.0, 0.0]),
        case(Op::Einsum, Empty, einsum("ij,jk->ik"), &[f(&[1, 0], &[]), f(&[0, 2], &[])], &[0.0, 0.0], &[]),
        case(Op::Einsum, Empty, einsum("ii->i"), &[f(&[0, 0], &[])], &[], &[]),
        case(Op::Einsum, Scalar, einsum(",->"), &two(), &[6.0], &[3.0, 2.0]),
        case(Op::Einsum, Special, einsum("i,i->"), &poles(), &[NAN], &[0.0, INF]),
        case(Op::IntegerPow, Empty, A::IntegerPow { exponent: -3 }, &[f(&[0], &[])], &[], &[]),
        case(Op::IntegerPow, Scalar, A::IntegerPow { exponent: 3 }, &[f(&[], &[2.0])], &[8.0], &[12.0]),
        case(Op::IntegerPow, Special, A::IntegerPow { exponent: 0 }, &[f(&[3], &[0.0, NAN, INF])], &[1.0; 3], &[0.0; 9]),
        case(Op::IntegerPow, Special, A::IntegerPow { exponent: -1 }, &[f(&[2], &[0.0, -INF])], &[INF, -0.0], &[-INF, 0.0, 0.0, -0.0]),
        case(Op::IntegerPow, Special, A::IntegerPow { exponent: 1 }, &[f(&[2], &[0.0, INF])], &[0.0, INF], &eye(2)),
    ]
}
