//! Constants, shapes and contractions.

use gradient_proto::v1 as proto;

use super::{axes, axis, elements, number, sizes};
use crate::tensor::{Dtype, Type};

pub(super) fn constant_type(constant: &proto::Constant) -> Result<Type, String> {
    let value = constant
        .value
        .as_ref()
        .ok_or("a constant without a value")?;
    let stated = proto::TensorType {
        dtype: value.dtype,
        shape: value.shape.clone(),
    };
    Type::from_proto(&stated).ok_or_else(|| "a constant without an element type".into())
}

pub(super) fn iota_type(iota: &proto::Iota) -> Result<Type, String> {
    let result = iota
        .r#type
        .as_ref()
        .and_then(Type::from_proto)
        .ok_or("an iota without a type")?;
    if result.dtype == Dtype::Bool {
        return Err("an iota of bool; make it i64 and compare".into());
    }
    axis(iota.dimension, result.shape.len())?;
    Ok(result)
}

pub(super) fn reshaped(a: &Type, shape: &[u64]) -> Result<Type, String> {
    let shape = sizes(shape)?;
    let (have, want) = (elements(&a.shape), elements(&shape));
    if have != want {
        let count = |n: Option<usize>| n.map_or("too many".into(), |n| n.to_string());
        return Err(format!(
            "{a} has {} elements, shape {shape:?} has {}",
            count(have),
            count(want)
        ));
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn transposed(a: &Type, permutation: &[u32]) -> Result<Type, String> {
    let rank = a.shape.len();
    if permutation.len() != rank {
        return Err(format!(
            "{permutation:?} is no permutation of the {rank} dimensions of {a}"
        ));
    }
    let shape = axes(permutation, rank)?
        .into_iter()
        .map(|d| a.shape[d])
        .collect();
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn broadcast_in_dim(
    a: &Type,
    broadcast: &proto::BroadcastInDim,
) -> Result<Type, String> {
    let shape = sizes(&broadcast.shape)?;
    let dimensions = axes(&broadcast.dimensions, shape.len())?;
    if dimensions.len() != a.shape.len() || !dimensions.is_sorted() {
        return Err(format!(
            "{dimensions:?} must name a dimension of {shape:?} for each one of {a}, increasing"
        ));
    }
    for (&d, &size) in dimensions.iter().zip(&a.shape) {
        if size != 1 && size != shape[d] {
            return Err(format!(
                "{a} does not stretch to {shape:?}: size {size} meets {}",
                shape[d]
            ));
        }
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn dot_general(a: &Type, b: &Type, dims: &proto::DotGeneral) -> Result<Type, String> {
    number(a)?;
    same_dtype(a, b)?;
    let sides =
        |contracting: &[u32], batch: &[u32], rank| axes(&[batch, contracting].concat(), rank);
    let left = sides(&dims.lhs_contracting, &dims.lhs_batch, a.shape.len())?;
    let right = sides(&dims.rhs_contracting, &dims.rhs_batch, b.shape.len())?;
    if left.len() != right.len() || dims.lhs_batch.len() != dims.rhs_batch.len() {
        return Err("contracting and batch dimensions must pair up".into());
    }
    for (&l, &r) in left.iter().zip(&right) {
        if a.shape[l] != b.shape[r] {
            return Err(format!(
                "dimension {l} of {a} meets dimension {r} of {b}: {} against {}",
                a.shape[l], b.shape[r]
            ));
        }
    }
    let free = |a: &Type, used: &[usize]| -> Vec<usize> {
        a.shape
            .iter()
            .enumerate()
            .filter(|(d, _)| !used.contains(d))
            .map(|(_, &size)| size)
            .collect()
    };
    let batch: Vec<usize> = left[..dims.lhs_batch.len()]
        .iter()
        .map(|&d| a.shape[d])
        .collect();
    Ok(Type {
        dtype: a.dtype,
        shape: [batch, free(a, &left), free(b, &right)].concat(),
    })
}

pub(super) fn same_dtype(a: &Type, b: &Type) -> Result<(), String> {
    match a.dtype == b.dtype {
        true => Ok(()),
        false => Err(format!(
            "operands are {a} and {b}; insert convert(Dtype::…) to make them one type"
        )),
    }
}
