//! concatenate: operands joined along one dimension.

use super::{
    Application, Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, ValueId,
    cost_of_result, same_dtype, tangent_or_zeros,
};
use crate::tensor::TensorType;

/// The rule.
pub const CONCATENATE: Rule = Rule {
    form: Form {
        operands: (1, u32::MAX),
        attribute: "concatenate",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let operands: Vec<ValueId> = node
            .operands
            .iter()
            .zip(tangents)
            .map(|(&operand, &tangent)| tangent_or_zeros(cx, operand, tangent))
            .collect();
        Some(cx.emit(Op::Concatenate, &operands, node.attributes.clone()))
    }),
    transpose: Some(transpose),
    kernel: |_, attributes, types| {
        let strides = types.result.shape.strides();
        let d = match attributes {
            Attributes::Concatenate { dimension } => *dimension as usize,
            _ => 0,
        };
        let mut offset = 0;
        let mut parts = Vec::with_capacity(types.operands.len());
        for (i, operand) in types.operands.iter().enumerate() {
            let view = match operand.shape[..] {
                [1] => Strided::new(offset, &[], &[]),
                _ => Strided::new(offset, &operand.shape.sizes(), &strides),
            };
            parts.push((i, view));
            offset += operand.shape[d] as usize * strides[d];
        }
        Kernel::Place { fill: None, parts }
    },
};

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Concatenate { dimension } = attributes else {
        return Err(Problem::node("concatenate attributes are missing"));
    };
    let d = *dimension as usize;
    let first = &operands[0].shape;
    if d >= first.rank() {
        return Err(Problem::attribute(
            "dimension",
            format!(
                "dimension {d} does not exist: the operands have rank {}; reshape scalars to [1]",
                first.rank()
            ),
        ));
    }
    same_dtype(operands)?;
    let mut shape = first.to_vec();
    for (i, ty) in operands.iter().enumerate().skip(1) {
        let fits = ty.shape.rank() == first.rank()
            && (0..first.rank()).all(|k| k == d || ty.shape[k] == first[k]);
        if !fits {
            return Err(Problem::operand(
                i,
                format!(
                    "shape {} does not continue {first} along dimension {d}; all other sizes must agree",
                    ty.shape
                ),
            ));
        }
        shape[d] = shape[d].checked_add(ty.shape[d]).ok_or_else(|| {
            Problem::operands(format!("the joined size of dimension {d} overflows"))
        })?;
    }
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// Cuts the operand's part out of the cotangent.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, operand: usize) -> ValueId {
    let Attributes::Concatenate { dimension } = node.attributes else {
        return ct;
    };
    let d = *dimension as usize;
    let before: u64 = node.operands[..operand]
        .iter()
        .map(|&v| cx.ty(v).shape[d])
        .sum();
    let own = cx.ty(node.operands[operand]).shape.clone();
    let mut starts = vec![0; own.rank()];
    let mut limits = own.to_vec();
    starts[d] = before;
    limits[d] += before;
    cx.emit(
        Op::Slice,
        &[ct],
        Attributes::Slice {
            starts,
            limits,
            strides: vec![],
        },
    )
}
