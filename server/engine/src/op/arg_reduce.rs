//! argmax, argmin: where the extremum is.

use super::{Attributes, Form, Infer, Jvp, Op, Problem, Rule, by_line, reduce};
use crate::tensor::{DType, TensorType};

/// Index of the first largest element.
pub const ARGMAX: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "arg_reduce",
        linear: false,
        non_smooth: "0",
        infer: Infer::One(infer),
        cost: reduce::cost,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |op, attributes, types| {
        let axis = match attributes {
            Attributes::ArgReduce { axis, .. } => *axis as usize,
            _ => 0,
        };
        by_line::first(types, axis, op == Op::Argmax)
    },
};

/// Index of the first smallest element.
pub const ARGMIN: Rule = ARGMAX;

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::ArgReduce { axis, keep_dims } = attributes else {
        return Err(Problem::node("arg_reduce attributes are missing"));
    };
    let shape = &operands[0].shape;
    reduce::check_number(operands[0])?;
    reduce::check_axis(*axis, shape.rank())?;
    let axis = *axis as usize;
    if shape[axis] == 0 {
        return Err(Problem::operand(
            0,
            format!("dimension {axis} of operand {shape} has no elements to choose from"),
        ));
    }
    let shape = reduce::reduced_shape(shape, &[axis], *keep_dims);
    Ok(TensorType::new(DType::I64, shape))
}
