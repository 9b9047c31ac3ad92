//! compare: a bool for each element.

use super::{Attributes, Kernel, Rule, broadcast_shape, cost_of_result, no_tangent, same_dtype};
use crate::tensor::{DType, TensorType};

/// The rule.
pub const COMPARE: Rule = Rule {
    operands: (2, 2),
    attribute: "compare",
    linear: false,
    non_smooth: "0",
    infer: |_, _, operands| {
        same_dtype(operands)?;
        Ok(TensorType::new(
            DType::Bool,
            broadcast_shape(operands.iter().copied())?,
        ))
    },
    jvp: no_tangent,
    transpose: None,
    kernel: |_, attributes, _| match attributes {
        Attributes::Compare { direction } => Kernel::Compare(*direction),
        _ => Kernel::Compare(super::Direction::Eq),
    },
    cost: cost_of_result,
};
