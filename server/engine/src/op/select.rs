//! select: one of two, element by element.

use super::{
    Application, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, ValueId, broadcast_shape,
    cost_of_result, tangent_or_zeros,
};
use crate::tensor::{DType, TensorType};

/// The rule. Linear in its branches.
pub const SELECT: Rule = Rule {
    form: Form {
        operands: (3, 3),
        attribute: "",
        linear: true,
        non_smooth: "that of the branch taken",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let shape = cx.ty(node.result).shape.clone();
        let branch = [1, 2].map(|i| {
            let tangent = tangent_or_zeros(cx, node.operands[i], tangents[i]);
            // A tangent has the shape of its value, also where only a scalar moves.
            cx.spread(tangent, &shape)
        });
        Some(cx.select(node.operands[0], branch[0], branch[1]))
    }),
    transpose: Some(transpose),
    kernel: |_, _, _| Kernel::Select,
};

fn infer(_: Op, _: &super::Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    if operands[0].dtype != DType::Bool {
        return Err(Problem::operand(
            0,
            format!(
                "the predicate is {}; give bool (insert compare)",
                operands[0].dtype
            ),
        ));
    }
    super::same_dtype(&operands[1..])?;
    Ok(TensorType::new(
        operands[1].dtype,
        broadcast_shape(operands.iter().copied())?,
    ))
}

/// The cotangent where this branch was taken, 0 elsewhere.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, operand: usize) -> ValueId {
    let dtype = cx.ty(ct).dtype;
    let zero = cx.scalar(dtype, 0.0);
    match operand {
        1 => cx.select(node.operands[0], ct, zero),
        _ => cx.select(node.operands[0], zero, ct),
    }
}
