//! reshape, transpose, broadcast_in_dim, stop_gradient: the same elements elsewhere.

use super::{
    Application, Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, ValueId,
    check_dimensions, check_rank, cost_of_result,
};
use crate::tensor::{Shape, TensorType};

/// The operand, through which no derivative passes.
pub const STOP_GRADIENT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| Ok(operands[0].clone())),
        cost: |_, _| 0,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, _, types| Kernel::View(Strided::dense(types.result.elements() as usize)),
};

/// The same elements in row-major order in another shape.
pub const RESHAPE: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "reshape",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_reshape),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let shape = cx.ty(node.operands[0]).shape.clone();
        cx.reshape(ct, &shape)
    }),
    kernel: |_, _, types| Kernel::View(Strided::dense(types.result.elements() as usize)),
};

/// Permuted dimensions.
pub const TRANSPOSE: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "transpose",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_transpose),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let Attributes::Transpose { permutation } = node.attributes else {
            return ct;
        };
        let mut inverse = vec![0; permutation.len()];
        for (i, &p) in permutation.iter().enumerate() {
            inverse[p as usize] = i as u32;
        }
        cx.transpose(ct, inverse)
    }),
    kernel: |_, attributes, types| {
        let strides = types.operands[0].shape.strides();
        let strides: Vec<usize> = match attributes {
            Attributes::Transpose { permutation } => {
                permutation.iter().map(|&p| strides[p as usize]).collect()
            }
            _ => strides,
        };
        Kernel::View(Strided::new(0, &types.result.shape.sizes(), &strides))
    },
};

/// Copies along new or unit dimensions.
pub const BROADCAST_IN_DIM: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "broadcast_in_dim",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_broadcast),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(transpose_broadcast),
    kernel: |_, attributes, types| {
        let operand = &types.operands[0].shape;
        let mut strides = vec![0; types.result.shape.rank()];
        if let Attributes::BroadcastInDim { dimensions, .. } = attributes {
            for (i, (&d, stride)) in dimensions.iter().zip(operand.strides()).enumerate() {
                if operand[i] != 1 {
                    strides[d as usize] = stride;
                }
            }
        }
        Kernel::View(Strided::new(0, &types.result.shape.sizes(), &strides))
    },
};

/// For operations linear in their only operand: they apply to its tangent as they are.
pub(super) fn apply_to_tangent(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    Some(cx.emit(node.op, &[tangents[0]?], node.attributes.clone()))
}

fn infer_reshape(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Reshape { shape } = attributes else {
        return Err(Problem::node("reshape attributes are missing"));
    };
    let shape = Shape::from(&shape[..]);
    let (from, to) = (operands[0].elements(), shape.elements());
    if from != to {
        return Err(Problem::attribute(
            "shape",
            format!(
                "{shape} has {to} elements, the operand {} has {from}; the numbers must agree",
                operands[0].shape
            ),
        ));
    }
    Ok(TensorType::new(operands[0].dtype, shape))
}

fn infer_transpose(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Transpose { permutation } = attributes else {
        return Err(Problem::node("transpose attributes are missing"));
    };
    let shape = &operands[0].shape;
    check_rank("permutation", permutation.len(), shape.rank())?;
    check_dimensions("permutation", permutation, shape.rank())?;
    Ok(TensorType::new(
        operands[0].dtype,
        permutation
            .iter()
            .map(|&p| shape[p as usize])
            .collect::<Shape>(),
    ))
}

fn infer_broadcast(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::BroadcastInDim { shape, dimensions } = attributes else {
        return Err(Problem::node("broadcast_in_dim attributes are missing"));
    };
    let operand = &operands[0].shape;
    check_rank("dimensions", dimensions.len(), operand.rank())?;
    for (i, &d) in dimensions.iter().enumerate() {
        if d as usize >= shape.len() {
            return Err(Problem::attribute(
                "dimensions",
                format!(
                    "dimension {d} does not exist: the result has rank {}",
                    shape.len()
                ),
            ));
        }
        if i > 0 && dimensions[i - 1] >= d {
            return Err(Problem::attribute(
                "dimensions",
                "must increase strictly; transpose the operand first".to_string(),
            ));
        }
        let (from, to) = (operand[i], shape[d as usize]);
        if from != to && from != 1 {
            return Err(Problem::attribute(
                "shape",
                format!(
                    "dimension {i} of the operand has size {from} and cannot become {to}; only size 1 is stretched"
                ),
            ));
        }
    }
    Ok(TensorType::new(operands[0].dtype, &shape[..]))
}

/// Sums over what was copied.
fn transpose_broadcast(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    ct: ValueId,
    _: usize,
) -> ValueId {
    let Attributes::BroadcastInDim { shape, dimensions } = node.attributes else {
        return ct;
    };
    let operand = cx.ty(node.operands[0]).shape.clone();
    let kept = |d: usize| {
        dimensions
            .iter()
            .position(|&k| k as usize == d)
            .is_some_and(|i| operand[i] == shape[d])
    };
    let summed: Vec<u32> = (0..shape.len())
        .filter(|&d| !kept(d))
        .map(|d| d as u32)
        .collect();
    let sum = match cx.sum_of_cotangent(ct, &summed) {
        Some(sum) => sum,
        None => cx.reduce(Op::ReduceSum, ct, summed),
    };
    cx.reshape(sum, &operand)
}
