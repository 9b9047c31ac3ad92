//! constant and iota: values from nothing.

use super::{Attributes, Form, Infer, Jvp, Kernel, Op, Problem, Rule};
use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// A tensor fixed in the graph.
pub const CONSTANT: Rule = Rule {
    form: Form {
        operands: (0, 0),
        attribute: "constant",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, attributes, _| match attributes {
            Attributes::Constant(tensor) => Ok(tensor.ty().clone()),
            _ => Err(Problem::node("constant attributes are missing")),
        }),
        cost: |_, _| 0,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, types| {
        Kernel::Constant(match attributes {
            Attributes::Constant(tensor) => tensor.clone(),
            _ => Arc::new(Tensor::scalar(types.result.dtype, f64::NAN)),
        })
    },
};

/// The index along one dimension.
pub const IOTA: Rule = Rule {
    form: Form {
        operands: (0, 0),
        attribute: "iota",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer_iota),
        cost: |_, types| types.result.elements(),
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, types| {
        let d = match attributes {
            Attributes::Iota { dimension, .. } => *dimension as usize,
            _ => 0,
        };
        Kernel::Iota {
            size: types.result.shape[d] as usize,
            inner: types.result.shape.strides()[d],
        }
    },
};

fn infer_iota(_: Op, attributes: &Attributes, _: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Iota { ty, dimension } = attributes else {
        return Err(Problem::node("iota attributes are missing"));
    };
    if ty.dtype == DType::Bool {
        return Err(Problem::attribute(
            "type",
            "an index is not bool; use i64, f64 or f32",
        ));
    }
    if *dimension as usize >= ty.shape.rank() {
        return Err(Problem::attribute(
            "dimension",
            format!(
                "dimension {dimension} does not exist: the result has rank {}",
                ty.shape.rank()
            ),
        ));
    }
    Ok(ty.clone())
}
