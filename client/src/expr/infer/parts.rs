//! Slices, padding, concatenation, gathered and scattered windows.

use gradient_proto::v1::{self as proto, Op};

use super::{axes, axis, number, per_dimension, sizes};
use crate::tensor::{Dtype, Type};

pub(super) fn sliced(a: &Type, slice: &proto::Slice) -> Result<Type, String> {
    let rank = a.shape.len();
    if slice.starts.len() != rank || slice.limits.len() != rank {
        return Err(format!(
            "{} starts and {} limits for {a}",
            slice.starts.len(),
            slice.limits.len()
        ));
    }
    let (starts, limits) = (sizes(&slice.starts)?, sizes(&slice.limits)?);
    let strides = per_dimension(&slice.strides, a, "strides", 1)?;
    let mut shape = Vec::with_capacity(rank);
    for (d, &size) in a.shape.iter().enumerate() {
        let (start, limit, stride) = (starts[d], limits[d], strides[d]);
        if start > limit || limit > size {
            return Err(format!(
                "{start}..{limit} does not lie in 0..{size}, dimension {d} of {a}"
            ));
        }
        if stride == 0 {
            return Err(format!(
                "the stride of dimension {d} is 0; it must be at least 1"
            ));
        }
        shape.push((limit - start).div_ceil(stride));
    }
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn padded(a: &Type, value: &Type, pad: &proto::Pad) -> Result<Type, String> {
    if value.dtype != a.dtype || !value.shape.is_empty() {
        return Err(format!(
            "{a} is padded with {value}; it takes one scalar {}",
            a.dtype
        ));
    }
    let (low, high) = (
        per_dimension(&pad.low, a, "low", 0)?,
        per_dimension(&pad.high, a, "high", 0)?,
    );
    let interior = per_dimension(&pad.interior, a, "interior", 0)?;
    let grown = |d: usize| {
        let size = a.shape[d];
        let between = size.saturating_sub(1).checked_mul(interior[d])?;
        size.checked_add(between)?
            .checked_add(low[d])?
            .checked_add(high[d])
    };
    let shape = (0..a.shape.len())
        .map(grown)
        .collect::<Option<_>>()
        .ok_or("the padding is too large")?;
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn concatenated(first: &Type, rest: &[&Type], dimension: u32) -> Result<Type, String> {
    let d = axis(dimension, first.shape.len())?;
    let mut shape = first.shape.clone();
    for other in rest {
        let fits = |(i, (a, b)): (usize, (&usize, &usize))| i == d || a == b;
        if other.dtype != first.dtype
            || other.shape.len() != shape.len()
            || !first.shape.iter().zip(&other.shape).enumerate().all(fits)
        {
            return Err(format!(
                "{first} and {other} differ elsewhere than in dimension {d}"
            ));
        }
        shape[d] = shape[d]
            .checked_add(other.shape[d])
            .ok_or("the result is too large")?;
    }
    Ok(Type {
        dtype: first.dtype,
        shape,
    })
}

/// Sizes of the dimensions of gather or scatter indices that are no index vector.
fn batch_of_indices(
    a: &Type,
    indices: &Type,
    map: &[u32],
    vector_dim: u32,
) -> Result<Vec<usize>, String> {
    if indices.dtype != Dtype::I64 {
        return Err(format!(
            "the indices are {indices}, but must be i64; insert convert(Dtype::I64)"
        ));
    }
    let rank = indices.shape.len();
    let vector_dim = vector_dim as usize;
    if vector_dim > rank {
        return Err(format!(
            "index_vector_dim {vector_dim} is beyond the rank of the indices, {indices}"
        ));
    }
    let components = indices.shape.get(vector_dim).copied().unwrap_or(1);
    if axes(map, a.shape.len())?.len() != components {
        return Err(format!(
            "indices have {components} components, but {} dimensions are addressed",
            map.len()
        ));
    }
    let batch = indices
        .shape
        .iter()
        .enumerate()
        .filter(|&(d, _)| d != vector_dim);
    Ok(batch.map(|(_, &size)| size).collect())
}

pub(super) fn gathered(a: &Type, indices: &Type, gather: &proto::Gather) -> Result<Type, String> {
    let mut batch =
        batch_of_indices(a, indices, &gather.start_index_map, gather.index_vector_dim)?.into_iter();
    let window = per_dimension(&gather.slice_sizes, a, "slice sizes", 1)?;
    let collapsed = axes(&gather.collapsed_slice_dims, a.shape.len())?;
    for (d, (&size, &all)) in window.iter().zip(&a.shape).enumerate() {
        if size > all || (collapsed.contains(&d) && size != 1) {
            return Err(format!("a window of {size} in dimension {d} of {a}"));
        }
    }
    let mut kept = window
        .iter()
        .enumerate()
        .filter(|(d, _)| !collapsed.contains(d))
        .map(|(_, &size)| size);
    let rank = batch.len() + window.len() - collapsed.len();
    let offsets = axes(&gather.offset_dims, rank)?;
    if offsets.len() != window.len() - collapsed.len() || !offsets.is_sorted() {
        return Err(format!(
            "offset_dims {offsets:?} do not name the {} window dimensions",
            window.len() - collapsed.len()
        ));
    }
    let shape = (0..rank).map(|d| {
        if offsets.contains(&d) {
            kept.next()
        } else {
            batch.next()
        }
    });
    let shape = shape
        .collect::<Option<_>>()
        .ok_or("offset_dims do not fit the window")?;
    Ok(Type {
        dtype: a.dtype,
        shape,
    })
}

pub(super) fn scattered(
    op: Op,
    a: &Type,
    indices: &Type,
    updates: &Type,
    scatter: &proto::Scatter,
) -> Result<Type, String> {
    if op == Op::ScatterAdd {
        number(a)?;
    }
    if updates.dtype != a.dtype {
        return Err(format!(
            "updates are {updates}, but the tensor is {a}; insert convert(Dtype::…)"
        ));
    }
    let batch = batch_of_indices(
        a,
        indices,
        &scatter.scatter_dims_to_operand_dims,
        scatter.index_vector_dim,
    )?;
    let inserted = axes(&scatter.inserted_window_dims, a.shape.len())?;
    let windows = axes(&scatter.update_window_dims, updates.shape.len())?;
    let rest = updates
        .shape
        .iter()
        .enumerate()
        .filter(|(d, _)| !windows.contains(d))
        .map(|(_, &size)| size);
    let operand = a
        .shape
        .iter()
        .enumerate()
        .filter(|(d, _)| !inserted.contains(d))
        .map(|(_, &size)| size);
    let fits = windows.len() + inserted.len() == a.shape.len()
        && rest.eq(batch)
        && windows
            .iter()
            .zip(operand)
            .all(|(&d, size)| updates.shape[d] <= size);
    match fits {
        true => Ok(a.clone()),
        false => Err(format!(
            "updates {updates} do not fit into {a} at indices {indices}"
        )),
    }
}
