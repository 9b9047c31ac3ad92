//! Parts at places known at run time, reversed and repeated tensors.

use gradient_proto::v1 as proto;

use super::{axes, number, per_dimension};
use crate::tensor::{Dtype, Type};

/// The starts are one vector with an element for each dimension.
fn starts_of(a: &Type, starts: &[&Type]) -> Result<(), String> {
    let rank = a.shape.len();
    match starts {
        [vector] if vector.dtype == Dtype::I64 && vector.shape == [rank] => Ok(()),
        [other] => Err(format!(
            "the starts are {other}, but must be i64[{rank}], one for each dimension of {a}"
        )),
        _ => Err(format!(
            "{} operands for the starts; stack them into one vector of i64",
            starts.len()
        )),
    }
}

pub(super) fn dynamic_slice(
    a: &Type,
    starts: &[&Type],
    slice: &proto::DynamicSlice,
) -> Result<Type, String> {
    starts_of(a, starts)?;
    if slice.sizes.len() != a.shape.len() {
        return Err(format!(
            "{} sizes for the {} dimensions of {a}",
            slice.sizes.len(),
            a.shape.len()
        ));
    }
    let sizes = per_dimension(&slice.sizes, a, "sizes", 0)?;
    window_fits(a, &sizes)?;
    Ok(Type::new(a.dtype, sizes))
}

fn window_fits(a: &Type, sizes: &[usize]) -> Result<(), String> {
    let mut pairs = sizes.iter().zip(&a.shape).enumerate();
    match pairs.find(|(_, (size, all))| size > all) {
        None => Ok(()),
        Some((d, (size, _))) => Err(format!(
            "a window of {size} in dimension {d} of {a}; it must not be larger than the tensor"
        )),
    }
}

pub(super) fn dynamic_update_slice(
    a: &Type,
    update: &Type,
    starts: &[&Type],
) -> Result<Type, String> {
    starts_of(a, starts)?;
    if update.dtype != a.dtype || update.shape.len() != a.shape.len() {
        return Err(format!(
            "the update is {update}, but must have the element type and the rank of {a}"
        ));
    }
    window_fits(a, &update.shape)?;
    Ok(a.clone())
}

pub(super) fn reversed(a: &Type, reverse: &proto::Reverse) -> Result<Type, String> {
    axes(&reverse.dimensions, a.shape.len())?;
    Ok(a.clone())
}

pub(super) fn tiled(a: &Type, tile: &proto::Tile) -> Result<Type, String> {
    if tile.repeats.len() != a.shape.len() {
        return Err(format!(
            "{} repeats for the {} dimensions of {a}; reshape it first to add one",
            tile.repeats.len(),
            a.shape.len()
        ));
    }
    let repeats = per_dimension(&tile.repeats, a, "repeats", 1)?;
    let sizes = a.shape.iter().zip(repeats);
    let shape: Option<Vec<usize>> = sizes.map(|(&size, n)| size.checked_mul(n)).collect();
    Ok(Type::new(a.dtype, shape.ok_or("the result is too large")?))
}

pub(super) fn one_hot(a: &Type, one_hot: &proto::OneHot) -> Result<Type, String> {
    if a.dtype != Dtype::I64 {
        return Err(format!(
            "the indices are {a}, but must be i64; insert convert(Dtype::I64)"
        ));
    }
    let dtype = Dtype::from_proto(one_hot.dtype).ok_or("no element type for the result")?;
    let depth = usize::try_from(one_hot.depth).map_err(|_| "the depth is too large")?;
    let result = Type::new(dtype, [a.shape.as_slice(), &[depth]].concat());
    number(&result).map_err(|_| "a one_hot of bool; make it i64 and compare")?;
    Ok(result)
}
