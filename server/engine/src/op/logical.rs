//! and, or, xor, not, and what kind of number it is: is_finite, is_nan, is_inf.

use super::{Form, Infer, Jvp, Kernel, Problem, Rule, broadcast_shape, cost_of_result};
use crate::tensor::{DType, TensorType};

/// and, or, xor.
pub const BINARY: Rule = Rule {
    form: Form {
        operands: (2, 2),
        ..NOT.form
    },
    ..NOT
};

/// not.
pub const NOT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            if let Some(i) = operands.iter().position(|ty| ty.dtype != DType::Bool) {
                return Err(Problem::operand(
                    i,
                    format!(
                        "operand is {}, the operation takes bool; insert compare",
                        operands[i].dtype
                    ),
                ));
            }
            Ok(TensorType::new(
                DType::Bool,
                broadcast_shape(operands.iter().copied())?,
            ))
        }),
        cost: cost_of_result,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, _, _| Kernel::Logical,
};

/// is_finite, is_nan, is_inf: the executor looks at the operation.
pub const CLASSIFY: Rule = Rule {
    form: Form {
        infer: Infer::One(|_, _, operands| {
            if !operands[0].dtype.is_float() {
                return Err(Problem::operand(
                    0,
                    format!(
                        "operand is {}, the operation takes f64 or f32",
                        operands[0].dtype
                    ),
                ));
            }
            Ok(TensorType::new(DType::Bool, operands[0].shape.clone()))
        }),
        non_smooth: "0",
        ..NOT.form
    },
    kernel: |_, _, _| Kernel::Classify,
    ..NOT
};
