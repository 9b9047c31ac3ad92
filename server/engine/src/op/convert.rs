//! convert: another element type.

use super::{Attributes, Form, Infer, Jvp, Kernel, Problem, Rule, cost_of_result};
use crate::tensor::TensorType;

/// The rule.
pub const CONVERT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "convert",
        linear: true,
        non_smooth: "0 to and from i64 and bool",
        infer: Infer::One(|_, attributes, operands| match attributes {
            Attributes::Convert { dtype } => Ok(TensorType::new(*dtype, operands[0].shape.clone())),
            _ => Err(Problem::node("convert attributes are missing")),
        }),
        cost: cost_of_result,
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let dtype = cx.ty(node.result).dtype;
        dtype.is_float().then_some(())?;
        Some(cx.convert(tangents[0]?, dtype))
    }),
    transpose: Some(|cx, node, ct, _| {
        let dtype = cx.ty(node.operands[0]).dtype;
        cx.convert(ct, dtype)
    }),
    kernel: |_, _, _| Kernel::Convert,
};
