//! Windows over the last dimensions: convolution and pooling.

use gradient_proto::v1 as proto;

use super::{float, number, shapes::same_dtype, sizes};
use crate::tensor::Type;

/// A list with one number for each windowed dimension, or the default for each.
fn each(list: &[u64], count: usize, what: &str, missing: usize) -> Result<Vec<usize>, String> {
    match list.len() {
        0 => Ok(vec![missing; count]),
        n if n == count => sizes(list),
        n => Err(format!(
            "{n} {what} for {count} windowed dimensions; give one for each"
        )),
    }
}

/// How a window moves along one dimension.
#[derive(Clone, Copy)]
struct Along {
    window: usize,
    stride: usize,
    dilation: usize,
}

impl Along {
    /// How many windows there are in `size` elements; none is a mistake only where `least` says so.
    fn positions(self, size: usize) -> Result<usize, String> {
        if self.window == 0 || self.stride == 0 || self.dilation == 0 {
            return Err("sizes, strides and dilations of windows must be at least 1".into());
        }
        let reach = (self.window - 1)
            .checked_mul(self.dilation)
            .and_then(|n| n.checked_add(1));
        match reach.and_then(|reach| size.checked_sub(reach)) {
            Some(rest) => Ok(rest / self.stride + 1),
            None => Err(format!(
                "a window that reaches over {} elements, in a dimension of {size}; pad it or make the window smaller",
                reach.map_or("too many".into(), |reach| reach.to_string())
            )),
        }
    }
}

fn along(windows: &proto::Windows) -> Result<Vec<Along>, String> {
    let windowed = sizes(&windows.sizes)?;
    let strides = each(&windows.strides, windowed.len(), "strides", 1)?;
    let dilations = each(&windows.dilations, windowed.len(), "dilations", 1)?;
    Ok((0..windowed.len())
        .map(|d| Along {
            window: windowed[d],
            stride: strides[d],
            dilation: dilations[d],
        })
        .collect())
}

fn positions(along: &[Along], shape: &[usize]) -> Result<Vec<usize>, String> {
    along
        .iter()
        .zip(shape)
        .map(|(along, &size)| along.positions(size))
        .collect()
}

pub(super) fn windows(a: &Type, windows: &proto::Windows) -> Result<Type, String> {
    let along = along(windows)?;
    let Some(batch) = a.shape.len().checked_sub(along.len()) else {
        return Err(format!("{} windowed dimensions of {a}", along.len()));
    };
    if !windows.shape.is_empty() {
        return Err("windows take no shape; that is for overlap_add".into());
    }
    let positions = positions(&along, &a.shape[batch..])?;
    let sizes = along.iter().map(|along| along.window).collect();
    Ok(Type::new(
        a.dtype,
        [a.shape[..batch].to_vec(), positions, sizes].concat(),
    ))
}

pub(super) fn overlap_add(a: &Type, windows: &proto::Windows) -> Result<Type, String> {
    number(a)?;
    let along = along(windows)?;
    let shape = sizes(&windows.shape)?;
    if shape.len() != along.len() {
        return Err(format!(
            "a shape of {} dimensions for {} windowed ones",
            shape.len(),
            along.len()
        ));
    }
    let window = along.iter().map(|along| along.window).collect();
    let expected = [positions(&along, &shape)?, window].concat();
    match a.shape.strip_suffix(expected.as_slice()) {
        Some(batch) => Ok(Type::new(a.dtype, [batch, &shape].concat())),
        None => Err(format!(
            "{a} must end in the windows of {shape:?}, which are {expected:?}"
        )),
    }
}

/// Sizes of the spatial dimensions with their padding.
fn padded(spatial: &[usize], low: &[u64], high: &[u64]) -> Result<Vec<usize>, String> {
    let low = each(low, spatial.len(), "low paddings", 0)?;
    let high = each(high, spatial.len(), "high paddings", 0)?;
    let sum = |d: usize| spatial[d].checked_add(low[d])?.checked_add(high[d]);
    let sizes: Option<_> = (0..spatial.len()).map(sum).collect();
    sizes.ok_or_else(|| "the padding is too large".into())
}

pub(super) fn convolution(
    input: &Type,
    kernel: &Type,
    convolution: &proto::Convolution,
) -> Result<Type, String> {
    float(input)?;
    same_dtype(input, kernel)?;
    let ([batch, channels, spatial @ ..], [features, shared, window @ ..]) =
        (input.shape.as_slice(), kernel.shape.as_slice())
    else {
        return Err(format!(
            "{input} and {kernel}; they must be [batch, channels, …] and [features, channels / groups, …]"
        ));
    };
    if spatial.len() != window.len() {
        return Err(format!(
            "input {input} and kernel {kernel} differ in rank; reshape one of them"
        ));
    }
    let groups = usize::try_from(convolution.groups.max(1)).map_err(|_| "too many groups")?;
    if shared.checked_mul(groups) != Some(*channels) || features % groups != 0 {
        return Err(format!(
            "{channels} channels and {features} features in {groups} groups of {shared} channels; \
             the kernel takes channels / groups, and groups must divide both"
        ));
    }
    let strides = each(&convolution.strides, window.len(), "strides", 1)?;
    let dilations = each(&convolution.dilations, window.len(), "dilations", 1)?;
    let padded = padded(spatial, &convolution.low, &convolution.high)?;
    let along: Vec<Along> = (0..window.len())
        .map(|d| Along {
            window: window[d],
            stride: strides[d],
            dilation: dilations[d],
        })
        .collect();
    let positions = positions(&along, &padded)?;
    Ok(Type::new(
        input.dtype,
        [&[*batch, *features], positions.as_slice()].concat(),
    ))
}

pub(super) fn pool(a: &Type, pool: &proto::Pool) -> Result<Type, String> {
    float(a)?;
    let [batch, channels, spatial @ ..] = a.shape.as_slice() else {
        return Err(format!("{a} must be [batch, channels, …]; reshape it"));
    };
    if pool.sizes.len() != spatial.len() {
        return Err(format!(
            "{} window sizes for the {} spatial dimensions of {a}",
            pool.sizes.len(),
            spatial.len()
        ));
    }
    let strides = match pool.strides.is_empty() {
        true => &pool.sizes,
        false => &pool.strides,
    };
    let windows = proto::Windows {
        sizes: pool.sizes.clone(),
        strides: strides.clone(),
        ..Default::default()
    };
    let padded = padded(spatial, &pool.low, &pool.high)?;
    let positions = positions(&along(&windows)?, &padded)?;
    Ok(Type::new(
        a.dtype,
        [&[*batch, *channels], positions.as_slice()].concat(),
    ))
}
