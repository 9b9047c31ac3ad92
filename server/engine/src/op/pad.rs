//! pad: a scalar before, after and between the elements of each dimension.

use super::{
    Application, Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, ValueId,
    check_rank, cost_of_result, tangent_or_zeros,
};
use crate::tensor::TensorType;

/// The rule.
pub const PAD: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "pad",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let operands = [0, 1].map(|i| tangent_or_zeros(cx, node.operands[i], tangents[i]));
        Some(cx.emit(Op::Pad, &operands, node.attributes.clone()))
    }),
    transpose: Some(transpose),
    kernel: |_, attributes, types| {
        let mut strides = types.result.shape.strides();
        let mut offset = 0;
        if let Attributes::Pad { low, interior, .. } = attributes {
            for d in 0..low.len() {
                offset += low[d] as usize * strides[d];
                strides[d] *= 1 + between(interior, d) as usize;
            }
        }
        let sizes = types.operands[0].shape.sizes();
        Kernel::Place {
            fill: Some(1),
            parts: vec![(0, Strided::new(offset, &sizes, &strides))],
        }
    },
};

fn between(interior: &[u64], d: usize) -> u64 {
    interior.get(d).copied().unwrap_or(0)
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Pad {
        low,
        high,
        interior,
    } = attributes
    else {
        return Err(Problem::node("pad attributes are missing"));
    };
    let (operand, value) = (operands[0], operands[1]);
    if !value.shape.is_empty() || value.dtype != operand.dtype {
        return Err(Problem::operand(
            1,
            format!(
                "the padding value is {value}; give a scalar {}",
                operand.dtype
            ),
        ));
    }
    check_rank("low", low.len(), operand.shape.rank())?;
    check_rank("high", high.len(), operand.shape.rank())?;
    if !interior.is_empty() {
        check_rank("interior", interior.len(), operand.shape.rank())?;
    }
    let mut shape = Vec::with_capacity(low.len());
    for (d, &size) in operand.shape.iter().enumerate() {
        let gaps = size.saturating_sub(1);
        let padded = gaps
            .checked_mul(between(interior, d))
            .and_then(|inner| inner.checked_add(size))
            .and_then(|n| n.checked_add(low[d]))
            .and_then(|n| n.checked_add(high[d]))
            .ok_or_else(|| {
                Problem::attribute(
                    "high",
                    format!("the padded size of dimension {d} overflows"),
                )
            })?;
        shape.push(padded);
    }
    Ok(TensorType::new(operand.dtype, shape))
}

/// The tensor's cotangent is cut out; the value's is the sum of the rest.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, operand: usize) -> ValueId {
    let Attributes::Pad { low, interior, .. } = node.attributes else {
        return ct;
    };
    let shape = cx.ty(node.operands[0]).shape.clone();
    let strides: Vec<u64> = (0..shape.rank())
        .map(|d| between(interior, d) + 1)
        .collect();
    let starts = low.clone();
    let limits = (0..shape.rank())
        .map(|d| match shape[d] {
            0 => low[d],
            n => low[d] + (n - 1) * strides[d] + 1,
        })
        .collect();
    if operand == 0 {
        return cx.emit(
            Op::Slice,
            &[ct],
            Attributes::Slice {
                starts,
                limits,
                strides,
            },
        );
    }
    // Not "sum of all less sum of the middle", which would cancel: the middle is masked out first.
    let dtype = cx.ty(ct).dtype;
    let inside = crate::tensor::TensorType::new(dtype, shape.clone());
    let zeros = cx.full(&inside, 0.0);
    let one = cx.scalar(dtype, 1.0);
    let mask = cx.emit(Op::Pad, &[zeros, one], node.attributes.clone());
    let outside = cx.binary(Op::MultiplyNoNan, ct, mask);
    let all = (0..shape.rank() as u32).collect();
    cx.reduce(Op::ReduceSum, outside, all)
}
