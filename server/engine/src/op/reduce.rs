//! reduce_sum, reduce_max, reduce_min: over some dimensions.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Kernel, NonSmooth, Op, Problem,
    Rule, Strided, Types, ValueId, check_dimensions, shape_ops::apply_to_tangent,
};
use crate::tensor::{DType, Shape, TensorType};

/// Which reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// Sum. Eight interleaved partial sums, added as a tree: the order depends on nothing but the number of
    /// elements, and rounding errors grow eight times slower than in a plain loop.
    Sum,
    /// Largest; NaN if any is.
    Max,
    /// Smallest; NaN if any is.
    Min,
}

/// Sum over axes.
pub const SUM: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "reduce",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let shape = cx.ty(node.operands[0]).shape.clone();
        spread_back(cx, node, ct, &shape)
    }),
    kernel: |_, attributes, types| kernel(Reduction::Sum, attributes, types),
};

/// Maximum over axes.
pub const MAX: Rule = Rule {
    form: Form {
        linear: false,
        non_smooth: "k ties share, 1/k each",
        infer: Infer::One(infer_not_empty),
        ..SUM.form
    },
    jvp: Jvp::One(jvp_extremum),
    transpose: None,
    kernel: |_, attributes, types| kernel(Reduction::Max, attributes, types),
};

/// Minimum over axes.
pub const MIN: Rule = Rule {
    kernel: |_, attributes, types| kernel(Reduction::Min, attributes, types),
    ..MAX
};

fn cost(_: &Attributes, types: &Types<'_>) -> u64 {
    types.operands[0].elements()
}

/// The reduced dimensions, in order.
fn axes(attributes: &Attributes, rank: usize) -> Vec<usize> {
    match attributes {
        Attributes::Reduce { axes, .. } if !axes.is_empty() => {
            let mut axes: Vec<usize> = axes.iter().map(|&d| d as usize).collect();
            axes.sort_unstable();
            axes
        }
        _ => (0..rank).collect(),
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Reduce {
        axes: named,
        keep_dims,
    } = attributes
    else {
        return Err(Problem::node("reduce attributes are missing"));
    };
    let ty = operands[0];
    if ty.dtype == DType::Bool {
        return Err(Problem::operand(0, "operand is bool; insert convert"));
    }
    check_dimensions("axes", named, ty.shape.rank())?;
    let axes = axes(attributes, ty.shape.rank());
    let shape: Shape = (0..ty.shape.rank())
        .filter_map(|d| match axes.contains(&d) {
            true if *keep_dims => Some(1),
            true => None,
            false => Some(ty.shape[d]),
        })
        .collect();
    Ok(TensorType::new(ty.dtype, shape))
}

fn infer_not_empty(
    op: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let ty = infer(op, attributes, operands)?;
    if ty.elements() > 0 && operands[0].elements() == 0 {
        return Err(Problem::operand(
            0,
            format!(
                "operand {} has no elements, and nothing has no extremum",
                operands[0].shape
            ),
        ));
    }
    Ok(ty)
}

fn kernel(reduction: Reduction, attributes: &Attributes, types: &Types<'_>) -> Kernel {
    let shape = &types.operands[0].shape;
    let axes = axes(attributes, shape.rank());
    let (sizes, strides) = (shape.sizes(), shape.strides());
    let part = |reduced: bool| {
        let of = |v: &[usize]| -> Vec<usize> {
            (0..v.len())
                .filter(|d| axes.contains(d) == reduced)
                .map(|d| v[d])
                .collect()
        };
        Strided::new(0, &of(&sizes), &of(&strides))
    };
    Kernel::Reduce {
        reduction,
        kept: part(false),
        reduced: part(true),
    }
}

/// A value of the reduction's result repeated over the reduced dimensions.
fn spread_back(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    value: ValueId,
    shape: &Shape,
) -> ValueId {
    let axes = axes(node.attributes, shape.rank());
    let kept: Vec<u32> = (0..shape.rank())
        .filter(|d| !axes.contains(d))
        .map(|d| d as u32)
        .collect();
    let kept_sizes: Vec<u64> = kept.iter().map(|&d| shape[d as usize]).collect();
    let value = cx.reshape(value, &kept_sizes);
    if kept.len() == shape.rank() {
        return value;
    }
    cx.broadcast(value, shape, kept)
}

/// The tangents at the k places that attain the extremum, 1/k each.
fn jvp_extremum(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let tangent = tangents[0]?;
    let operand = cx.ty(node.operands[0]).clone();
    let extremum = spread_back(cx, node, node.result, &operand.shape);
    let attained = cx.compare(Direction::Eq, node.operands[0], extremum);
    let attained = cx.convert(attained, operand.dtype);
    let sum = |cx: &mut dyn Emit, v| cx.emit(Op::ReduceSum, &[v], node.attributes.clone());
    let count = sum(cx, attained);
    if cx.policy() == NonSmooth::Strict {
        let one = cx.scalar(operand.dtype, 1.0);
        let ties = cx.compare(Direction::Gt, count, one);
        cx.refuse_where(ties);
    }
    let count = spread_back(cx, node, count, &operand.shape);
    let share = cx.binary(Op::Divide, attained, count);
    let moved = cx.binary(Op::Multiply, share, tangent);
    Some(sum(cx, moved))
}
