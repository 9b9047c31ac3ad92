//! reduce_sum, reduce_max, reduce_min, reduce_and, reduce_or: over some dimensions.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Kernel, NonSmooth, Op, Problem,
    Rule, Strided, Types, ValueId, check_dimensions, check_float, shape_ops::apply_to_tangent,
};
use crate::tensor::{DType, Shape, TensorType};

/// Which reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// Sum. Eight interleaved partial sums, added as a tree: the order depends on nothing but the number of
    /// elements, and rounding errors grow eight times slower than in a plain loop.
    Sum,
    /// Largest; NaN if any is. Of bools: whether any is true.
    Max,
    /// Smallest; NaN if any is. Of bools: whether all are true.
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
        let axes = axes(node.attributes, shape.rank());
        spread_back(cx, &axes, ct, &shape)
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

/// Whether all are true; of nothing they are.
pub const AND: Rule = Rule {
    form: Form {
        linear: false,
        non_smooth: "0",
        infer: Infer::One(|op, attributes, operands| {
            if operands[0].dtype != DType::Bool {
                let problem = format!(
                    "operand is {}, the operation takes bool; insert compare",
                    operands[0].dtype
                );
                return Err(Problem::operand(0, problem));
            }
            infer_any(op, attributes, operands)
        }),
        ..SUM.form
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, types| kernel(Reduction::Min, attributes, types),
};

/// Whether any is true; of nothing none is.
pub const OR: Rule = Rule {
    kernel: |_, attributes, types| kernel(Reduction::Max, attributes, types),
    ..AND
};

pub(super) fn cost(_: &Attributes, types: &Types<'_>) -> u64 {
    types.operands[0].elements()
}

/// The reduced dimensions, in order.
fn axes(attributes: &Attributes, rank: usize) -> Vec<usize> {
    match attributes {
        Attributes::Reduce { axes, .. } => axes_or_all(axes, rank),
        _ => (0..rank).collect(),
    }
}

/// The named dimensions in order; all of them if none is named.
pub(super) fn axes_or_all(named: &[u32], rank: usize) -> Vec<usize> {
    if named.is_empty() {
        return (0..rank).collect();
    }
    let mut axes: Vec<usize> = named.iter().map(|&d| d as usize).collect();
    axes.sort_unstable();
    axes
}

/// What is left of a shape.
pub(super) fn reduced_shape(shape: &Shape, axes: &[usize], keep_dims: bool) -> Shape {
    (0..shape.rank())
        .filter_map(|d| match axes.contains(&d) {
            true if keep_dims => Some(1),
            true => None,
            false => Some(shape[d]),
        })
        .collect()
}

/// Number of elements that are reduced to one.
pub(super) fn count(shape: &Shape, axes: &[usize]) -> u64 {
    let sizes: Shape = axes.iter().map(|&d| shape[d]).collect();
    sizes.elements()
}

/// Refuses bool.
pub(super) fn check_number(ty: &TensorType) -> Result<(), Problem> {
    match ty.dtype {
        DType::Bool => Err(Problem::operand(0, "operand is bool; insert convert")),
        _ => Ok(()),
    }
}

/// Refuses a dimension that does not exist.
pub(super) fn check_axis(axis: u32, rank: usize) -> Result<(), Problem> {
    check_dimensions("axis", &[axis], rank)
}

/// The result of a reduction, whatever its element type.
pub(super) fn infer_any(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Reduce {
        axes: named,
        keep_dims,
    } = attributes
    else {
        return Err(Problem::node("reduce attributes are missing"));
    };
    let ty = operands[0];
    check_dimensions("axes", named, ty.shape.rank())?;
    let axes = axes_or_all(named, ty.shape.rank());
    let shape = reduced_shape(&ty.shape, &axes, *keep_dims);
    Ok(TensorType::new(ty.dtype, shape))
}

pub(super) fn infer(
    op: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    check_number(operands[0])?;
    infer_any(op, attributes, operands)
}

/// The same for operations on floating-point numbers alone.
pub(super) fn infer_float(
    op: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    check_float(operands[0], 0)?;
    infer_any(op, attributes, operands)
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
    let [kept, reduced] = ways(shape, &axes(attributes, shape.rank()));
    Kernel::Reduce {
        reduction,
        kept,
        reduced,
    }
}

/// Offsets of what is kept, in the result's order, and of what is reduced for each of them.
pub(super) fn ways(shape: &Shape, axes: &[usize]) -> [Strided; 2] {
    let (sizes, strides) = (shape.sizes(), shape.strides());
    [false, true].map(|reduced| {
        let of = |v: &[usize]| -> Vec<usize> {
            (0..v.len())
                .filter(|d| axes.contains(d) == reduced)
                .map(|d| v[d])
                .collect()
        };
        Strided::new(0, &of(&sizes), &of(&strides))
    })
}

/// A value of the reduction's result repeated over the reduced dimensions.
pub(super) fn spread_back(
    cx: &mut dyn Emit,
    axes: &[usize],
    value: ValueId,
    shape: &Shape,
) -> ValueId {
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

/// The sum over the axes, repeated over them.
pub(super) fn spread_sum(cx: &mut dyn Emit, axes: &[usize], value: ValueId) -> ValueId {
    let shape = cx.ty(value).shape.clone();
    let sum = cx.reduce(
        Op::ReduceSum,
        value,
        axes.iter().map(|&d| d as u32).collect(),
    );
    spread_back(cx, axes, sum, &shape)
}

/// For each element 1/k if it is one of k equal to the extremum, else 0. Shapes: both as the operand.
pub(super) fn shares(
    cx: &mut dyn Emit,
    axes: &[usize],
    operand: ValueId,
    extremum: ValueId,
) -> ValueId {
    let dtype = cx.ty(operand).dtype;
    let attained = cx.compare(Direction::Eq, operand, extremum);
    let attained = cx.convert(attained, dtype);
    let count = spread_sum(cx, axes, attained);
    if cx.policy() == NonSmooth::Strict {
        let one = cx.scalar(dtype, 1.0);
        let tied = cx.compare(Direction::Gt, count, one);
        cx.refuse_where(tied);
    }
    cx.binary(Op::Divide, attained, count)
}

/// The tangents at the k places that attain the extremum, 1/k each.
fn jvp_extremum(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let tangent = tangents[0]?;
    let shape = cx.ty(node.operands[0]).shape.clone();
    let axes = axes(node.attributes, shape.rank());
    let extremum = spread_back(cx, &axes, node.result, &shape);
    let share = shares(cx, &axes, node.operands[0], extremum);
    let moved = cx.binary(Op::Multiply, share, tangent);
    Some(cx.emit(Op::ReduceSum, &[moved], node.attributes.clone()))
}
