//! compare: a bool for each element.

use super::{
    Attributes, Form, Infer, Jvp, Kernel, Rule, broadcast_shape, cost_of_result, same_dtype,
};
use crate::tensor::{DType, TensorType};

/// The rule.
pub const COMPARE: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "compare",
        linear: false,
        non_smooth: "0",
        infer: Infer::One(|_, _, operands| {
            same_dtype(operands)?;
            Ok(TensorType::new(
                DType::Bool,
                broadcast_shape(operands.iter().copied())?,
            ))
        }),
        cost: cost_of_result,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, _| match attributes {
        Attributes::Compare { direction } => Kernel::Compare(*direction),
        _ => Kernel::Compare(super::Direction::Eq),
    },
};
