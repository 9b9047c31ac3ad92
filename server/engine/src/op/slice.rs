//! slice: every stride-th element between two bounds of each dimension.

use super::{
    Application, Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, ValueId,
    check_rank, cost_of_result, shape_ops::apply_to_tangent,
};
use crate::tensor::{Shape, TensorType};

/// The rule.
pub const SLICE: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "slice",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(transpose),
    kernel: |_, attributes, types| {
        // One element of a vector: there may be one for each.
        if let Attributes::Slice { starts, .. } = attributes
            && let (&[start], [1]) = (&starts[..], &types.result.shape[..])
        {
            return Kernel::View(Strided::new(start as usize, &[], &[]));
        }
        let mut strides = types.operands[0].shape.strides();
        let mut offset = 0;
        if let Attributes::Slice {
            starts,
            strides: by,
            ..
        } = attributes
        {
            for d in 0..starts.len() {
                offset += starts[d] as usize * strides[d];
                strides[d] *= step(by, d) as usize;
            }
        }
        Kernel::View(Strided::new(offset, &types.result.shape.sizes(), &strides))
    },
};

fn step(strides: &[u64], d: usize) -> u64 {
    strides.get(d).copied().unwrap_or(1)
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Slice {
        starts,
        limits,
        strides,
    } = attributes
    else {
        return Err(Problem::node("slice attributes are missing"));
    };
    let operand = &operands[0].shape;
    check_rank("starts", starts.len(), operand.rank())?;
    check_rank("limits", limits.len(), operand.rank())?;
    if !strides.is_empty() {
        check_rank("strides", strides.len(), operand.rank())?;
    }
    let mut shape = Vec::with_capacity(operand.rank());
    for d in 0..operand.rank() {
        let (start, limit, by) = (starts[d], limits[d], step(strides, d));
        if limit > operand[d] {
            return Err(Problem::attribute(
                "limits",
                format!(
                    "limit {limit} lies beyond dimension {d}, which has size {}",
                    operand[d]
                ),
            ));
        }
        if start > limit {
            return Err(Problem::attribute(
                "starts",
                format!("start {start} of dimension {d} lies beyond its limit {limit}"),
            ));
        }
        if by == 0 {
            return Err(Problem::attribute(
                "strides",
                format!("stride of dimension {d} is 0; use 1 or more"),
            ));
        }
        shape.push((limit - start).div_ceil(by));
    }
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// Pads the cotangent back to the operand's shape. Shapes: `[..result] -> [..operand]`.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, _: usize) -> ValueId {
    let Attributes::Slice {
        starts, strides, ..
    } = node.attributes
    else {
        return ct;
    };
    let operand = cx.ty(node.operands[0]).clone();
    let result: Shape = cx.ty(ct).shape.clone();
    if result.elements() == 0 {
        return cx.full(&operand, 0.0);
    }
    let interior: Vec<u64> = (0..starts.len()).map(|d| step(strides, d) - 1).collect();
    let high = (0..starts.len())
        .map(|d| operand.shape[d] - starts[d] - (1 + (result[d] - 1) * step(strides, d)))
        .collect();
    let zero = cx.scalar(operand.dtype, 0.0);
    let low = starts.clone();
    cx.emit(
        Op::Pad,
        &[ct, zero],
        Attributes::Pad {
            low,
            high,
            interior,
        },
    )
}
