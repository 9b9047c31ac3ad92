//! windows and overlap_add: overlapping windows of the last dimensions, and their sum. Each is the other's transpose.

use super::{
    Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, ValueId,
    WindowDimensions, cost_of_result, shape_ops::apply_to_tangent,
};
use crate::tensor::{DType, Shape, TensorType};

/// Every window as dimensions of its own: a view with overlapping strides.
pub const WINDOWS: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "windows",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_windows),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let Attributes::Windows(w) = node.attributes else {
            return ct;
        };
        let operand = &cx.ty(node.operands[0]).shape;
        let shape = operand[operand.rank() - w.sizes.len()..].to_vec();
        let back = WindowDimensions { shape, ..w.clone() };
        cx.emit(Op::OverlapAdd, &[ct], Attributes::Windows(back))
    }),
    kernel: |_, attributes, types| {
        Kernel::View(view(attributes, &types.operands[0].shape, types.result))
    },
};

/// Every element is the sum of what its windows hold.
pub const OVERLAP_ADD: Rule = Rule {
    form: Form {
        infer: Infer::One(infer_overlap_add),
        cost: |_, types| types.operands[0].elements(),
        ..WINDOWS.form
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let Attributes::Windows(w) = node.attributes else {
            return ct;
        };
        let windows = WindowDimensions {
            shape: vec![],
            ..w.clone()
        };
        cx.emit(Op::Windows, &[ct], Attributes::Windows(windows))
    }),
    kernel: |_, attributes, types| {
        Kernel::Accumulate(view(attributes, &types.result.shape, types.operands[0]))
    },
};

/// How windows lie along one dimension.
#[derive(Clone, Copy)]
pub(super) struct Along {
    window: u64,
    stride: u64,
    dilation: u64,
}

impl Along {
    /// How many windows lie in `size` elements; there must be one.
    fn positions(&self, d: usize, size: u64) -> Result<u64, Problem> {
        let steps = [
            ("sizes", self.window),
            ("strides", self.stride),
            ("dilations", self.dilation),
        ];
        if let Some((field, _)) = steps.into_iter().find(|&(_, step)| step == 0) {
            return Err(Problem::attribute(
                field,
                format!("entry {d} is 0; use 1 or more"),
            ));
        }
        let reach = (self.window - 1)
            .checked_mul(self.dilation)
            .and_then(|n| n.checked_add(1));
        match reach.and_then(|reach| size.checked_sub(reach)) {
            Some(rest) => Ok(rest / self.stride + 1),
            None => Err(Problem::node(format!(
                "a window of {} elements, {} apart, does not fit into dimension {d} of size {size}; pad it or make the window smaller",
                self.window, self.dilation
            ))),
        }
    }
}

/// An entry for each windowed dimension; where the list is empty, the same for all.
pub(super) fn each(
    field: &'static str,
    list: &[u64],
    count: usize,
    missing: u64,
) -> Result<Vec<u64>, Problem> {
    match list.len() {
        0 => Ok(vec![missing; count]),
        n if n == count => Ok(list.to_vec()),
        n => Err(Problem::attribute(
            field,
            format!("has {n} entries for {count} windowed dimensions; give one for each"),
        )),
    }
}

/// Windows of these sizes along each dimension; empty lists mean steps of 1.
pub(super) fn along(
    sizes: &[u64],
    strides: &[u64],
    dilations: &[u64],
) -> Result<Vec<Along>, Problem> {
    let strides = each("strides", strides, sizes.len(), 1)?;
    let dilations = each("dilations", dilations, sizes.len(), 1)?;
    Ok((0..sizes.len())
        .map(|d| Along {
            window: sizes[d],
            stride: strides[d],
            dilation: dilations[d],
        })
        .collect())
}

/// How many windows lie along each of the dimensions.
pub(super) fn positions(along: &[Along], shape: &[u64]) -> Result<Vec<u64>, Problem> {
    let each = along.iter().zip(shape).enumerate();
    each.map(|(d, (along, &size))| along.positions(d, size))
        .collect()
}

/// Sizes of the spatial dimensions with their padding.
pub(super) fn padded(spatial: &[u64], low: &[u64], high: &[u64]) -> Result<Vec<u64>, Problem> {
    let low = each("low", low, spatial.len(), 0)?;
    let high = each("high", high, spatial.len(), 0)?;
    (0..spatial.len())
        .map(|d| {
            let sum = spatial[d].checked_add(low[d]);
            sum.and_then(|n| n.checked_add(high[d])).ok_or_else(|| {
                Problem::attribute(
                    "high",
                    format!("the padded size of dimension {d} overflows"),
                )
            })
        })
        .collect()
}

/// Writes the operand with a number around its last dimensions.
pub(super) fn surround(
    cx: &mut dyn Emit,
    operand: ValueId,
    number: f64,
    low: &[u64],
    high: &[u64],
) -> ValueId {
    if low.iter().chain(high).all(|&n| n == 0) {
        return operand;
    }
    let ty = cx.ty(operand);
    let (dtype, rank) = (ty.dtype, ty.shape.rank());
    let entries = |list: &[u64]| -> Vec<u64> {
        let mut entries = vec![0; rank];
        entries[rank - list.len()..].copy_from_slice(list);
        entries
    };
    let (low, high) = (entries(low), entries(high));
    let number = cx.scalar(dtype, number);
    let interior = vec![];
    let attributes = Attributes::Pad {
        low,
        high,
        interior,
    };
    cx.emit(Op::Pad, &[operand, number], attributes)
}

fn dimensions(attributes: &Attributes) -> Result<&WindowDimensions, Problem> {
    match attributes {
        Attributes::Windows(w) => Ok(w),
        _ => Err(Problem::node("windows attributes are missing")),
    }
}

fn infer_windows(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let w = dimensions(attributes)?;
    let along = along(&w.sizes, &w.strides, &w.dilations)?;
    if !w.shape.is_empty() {
        return Err(Problem::attribute(
            "shape",
            "windows take no shape, which is for overlap_add; leave it out",
        ));
    }
    let shape = &operands[0].shape;
    let Some(batch) = shape.rank().checked_sub(along.len()) else {
        return Err(Problem::attribute(
            "sizes",
            format!(
                "has {} entries, the operand has rank {}; give at most one for each dimension",
                along.len(),
                shape.rank()
            ),
        ));
    };
    let positions = positions(&along, &shape[batch..])?;
    let result = [&shape[..batch], &positions, &w.sizes].concat();
    Ok(TensorType::new(operands[0].dtype, result))
}

fn infer_overlap_add(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let w = dimensions(attributes)?;
    let along = along(&w.sizes, &w.strides, &w.dilations)?;
    let ty = operands[0];
    if ty.dtype == DType::Bool {
        return Err(Problem::operand(0, "operand is bool; insert convert"));
    }
    if w.shape.len() != along.len() {
        return Err(Problem::attribute(
            "shape",
            format!(
                "has {} entries for {} windowed dimensions; give one for each",
                w.shape.len(),
                along.len()
            ),
        ));
    }
    let windows = [positions(&along, &w.shape)?, w.sizes.clone()].concat();
    match ty.shape.strip_suffix(&windows[..]) {
        Some(batch) => Ok(TensorType::new(ty.dtype, [batch, &w.shape].concat())),
        None => Err(Problem::operand(
            0,
            format!(
                "operand has shape {}, but the windows of {} are [.., {}",
                ty.shape,
                Shape::from(&w.shape[..]),
                Shape::from(windows).to_string().trim_start_matches('[')
            ),
        )),
    }
}

/// Where the windows' elements, in order, lie in a tensor of a shape.
fn view(attributes: &Attributes, shape: &Shape, windows: &TensorType) -> Strided {
    let Ok(along) = dimensions(attributes).and_then(|w| along(&w.sizes, &w.strides, &w.dilations))
    else {
        return Strided::dense(0);
    };
    let strides = shape.strides();
    let batch = strides.len() - along.len();
    // Where a step leads beyond the tensor there is one window, or one element in it: the product is not used.
    let by = |step: fn(&Along) -> u64| {
        let each = along.iter().zip(&strides[batch..]);
        each.map(move |(along, stride)| stride.wrapping_mul(step(along) as usize))
    };
    let steps: Vec<usize> = strides[..batch]
        .iter()
        .copied()
        .chain(by(|a| a.stride))
        .chain(by(|a| a.dilation))
        .collect();
    Strided::new(0, &windows.shape.sizes(), &steps)
}
