//! constant and iota: values from nothing.

use super::{Attributes, Kernel, Op, Problem, Rule, no_tangent};
use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// A tensor fixed in the graph.
pub const CONSTANT: Rule = Rule {
    operands: (0, 0),
    attribute: "constant",
    linear: false,
    non_smooth: "",
    infer: |_, attributes, _| match attributes {
        Attributes::Constant(tensor) => Ok(tensor.ty().clone()),
        _ => Err(Problem::node("constant attributes are missing")),
    },
    jvp: no_tangent,
    transpose: None,
    kernel: |_, attributes, types| {
        Kernel::Constant(match attributes {
            Attributes::Constant(tensor) => tensor.clone(),
            _ => Arc::new(Tensor::scalar(types.result.dtype, f64::NAN)),
        })
    },
    cost: |_, _| 0,
};

/// The index along one dimension.
pub const IOTA: Rule = Rule {
    operands: (0, 0),
    attribute: "iota",
    linear: false,
    non_smooth: "",
    infer: infer_iota,
    jvp: no_tangent,
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
    cost: |_, types| types.result.elements(),
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
