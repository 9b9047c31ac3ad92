//! Reductions, norms, scans and softmax.

use gradient_proto::v1::{self as proto, NormKind, Op};

use super::{axes, axis, boolean, float, number};
use crate::tensor::{Dtype, Type};

/// Without the dimensions, or with size 1 in their place.
fn without(a: &Type, reduced: &[usize], keep_dims: bool, dtype: Dtype) -> Type {
    let keep = |(d, &size): (usize, &usize)| match (reduced.contains(&d), keep_dims) {
        (false, _) => Some(size),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Type {
        dtype,
        shape: a.shape.iter().enumerate().filter_map(keep).collect(),
    }
}

/// The named dimensions, all if none is.
fn named(axes_named: &[u32], a: &Type) -> Result<Vec<usize>, String> {
    match axes(axes_named, a.shape.len())? {
        none if none.is_empty() => Ok((0..a.shape.len()).collect()),
        some => Ok(some),
    }
}

pub(super) fn reduced(op: Op, a: &Type, reduce: &proto::Reduce) -> Result<Type, String> {
    match op {
        Op::ReduceAnd | Op::ReduceOr => boolean(a)?,
        Op::ReduceMean | Op::ReduceLogsumexp => float(a)?,
        _ => number(a)?,
    }
    let reduced = named(&reduce.axes, a)?;
    if matches!(op, Op::ReduceMax | Op::ReduceMin) && reduced.iter().any(|&d| a.shape[d] == 0) {
        return Err(format!(
            "{a} has no elements to take the largest or smallest of"
        ));
    }
    Ok(without(a, &reduced, reduce.keep_dims, a.dtype))
}

pub(super) fn variance(a: &Type, variance: &proto::Variance) -> Result<Type, String> {
    float(a)?;
    let reduced = named(&variance.axes, a)?;
    Ok(without(a, &reduced, variance.keep_dims, a.dtype))
}

pub(super) fn norm(a: &Type, norm: &proto::Norm) -> Result<Type, String> {
    float(a)?;
    let rank = a.shape.len();
    let matrices = norm.kind() == NormKind::Fro && norm.axes.is_empty();
    if matrices && rank < 2 {
        return Err(format!(
            "the Frobenius norm is one of matrices, not of {a}; take the norm NormKind::Two"
        ));
    }
    let reduced = match matrices {
        true => vec![rank - 2, rank - 1],
        false => named(&norm.axes, a)?,
    };
    Ok(without(a, &reduced, norm.keep_dims, a.dtype))
}

pub(super) fn arg_reduced(a: &Type, reduce: &proto::ArgReduce) -> Result<Type, String> {
    number(a)?;
    let d = axis(reduce.axis, a.shape.len())?;
    if a.shape[d] == 0 {
        return Err(format!(
            "dimension {d} of {a} has no elements to choose from"
        ));
    }
    Ok(without(a, &[d], reduce.keep_dims, Dtype::I64))
}

pub(super) fn cumulated(op: Op, a: &Type, cumulative: &proto::Cumulative) -> Result<Type, String> {
    match op {
        Op::Cumlogsumexp => float(a)?,
        _ => number(a)?,
    }
    axis(cumulative.axis, a.shape.len())?;
    Ok(a.clone())
}

pub(super) fn softmax(a: &Type, softmax: &proto::Softmax) -> Result<Type, String> {
    float(a)?;
    axis(softmax.axis, a.shape.len())?;
    Ok(a.clone())
}
