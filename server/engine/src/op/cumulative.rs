//! cumsum, cummax, cummin: running sums and extrema along one dimension.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Kernel, NonSmooth, Op, Problem,
    Rule, Types, ValueId, cost_of_result,
    doubling::{doubling, join},
    reduce,
    reduce::Reduction,
    shape_ops::apply_to_tangent,
};
use crate::tensor::{DType, TensorType};

/// Running sums. The transpose runs the other way.
pub const CUMSUM: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "cumulative",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let Attributes::Cumulative { axis, reverse } = *node.attributes else {
            return ct;
        };
        let reverse = !reverse;
        cx.emit(Op::Cumsum, &[ct], Attributes::Cumulative { axis, reverse })
    }),
    kernel: |_, attributes, types| kernel(Reduction::Sum, attributes, types),
};

/// Running maxima; NaN from the first NaN on.
pub const CUMMAX: Rule = Rule {
    form: Form {
        linear: false,
        non_smooth: "k ties share, 1/k each",
        ..CUMSUM.form
    },
    jvp: Jvp::One(jvp_extremum),
    transpose: None,
    kernel: |_, attributes, types| kernel(Reduction::Max, attributes, types),
};

/// Running minima; NaN from the first NaN on.
pub const CUMMIN: Rule = Rule {
    kernel: |_, attributes, types| kernel(Reduction::Min, attributes, types),
    ..CUMMAX
};

/// The dimension, and whether it runs from the last element to the first.
pub(super) fn direction(attributes: &Attributes) -> (usize, bool) {
    match attributes {
        Attributes::Cumulative { axis, reverse } => (*axis as usize, *reverse),
        _ => (0, false),
    }
}

pub(super) fn infer(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Cumulative { axis, .. } = attributes else {
        return Err(Problem::node("cumulative attributes are missing"));
    };
    reduce::check_number(operands[0])?;
    reduce::check_axis(*axis, operands[0].shape.rank())?;
    Ok(operands[0].clone())
}

fn kernel(of: Reduction, attributes: &Attributes, types: &Types<'_>) -> Kernel {
    let (axis, reverse) = direction(attributes);
    let sizes = types.result.shape.sizes();
    let product = |sizes: &[usize]| sizes.iter().product();
    Kernel::Scan {
        of,
        outer: product(&sizes[..axis]),
        size: sizes[axis],
        inner: product(&sizes[axis + 1..]),
        reverse,
    }
}

/// With k equal maxima so far, 1/k of each one's tangent. That is a running mean over the elements that attain the
/// maximum: m = (1 - w) m_before + w t with weight w = 1/k at such an element, else 0; solved by doubling.
fn jvp_extremum(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let tangent = tangents[0]?;
    let ty = cx.ty(node.operands[0]).clone();
    if ty.elements() == 0 {
        return Some(tangent);
    }
    let (attained, count) = ties(cx, node);
    let one = cx.scalar(DType::I64, 1.0);
    if cx.policy() == NonSmooth::Strict {
        let tied = cx.compare(Direction::Gt, count, one);
        cx.refuse_where(tied);
    }
    let (attained, count) = match cx.policy() {
        // The last of equals, as its indices say.
        NonSmooth::PyTorch => (attained, cx.binary(Op::Minimum, count, one)),
        _ => (attained, count),
    };
    let before = cx.binary(Op::Subtract, count, attained);
    let [attained, before, count] = [attained, before, count].map(|v| cx.convert(v, ty.dtype));
    let weight = cx.binary(Op::Divide, attained, count);
    let keep = cx.binary(Op::Divide, before, count);
    // A weight that is NaN belongs to a NaN result: what that one's cotangent does not reach stays clear of it.
    let own = cx.binary(Op::MultiplyNoNan, weight, tangent);
    let direction = direction(node.attributes);
    let means = doubling(cx, direction, vec![own, keep], |cx, early, late| {
        let carried = cx.binary(Op::MultiplyNoNan, late[1], early[0]);
        let mean = cx.binary(Op::Add, late[0], carried);
        vec![mean, cx.binary(Op::Multiply, late[1], early[1])]
    });
    Some(means[0])
}

/// For each element whether it attains the extremum so far (1 or 0), and how many have since that is the extremum
/// (0 where it is NaN, so that the derivative becomes NaN). Both i64: exact however many there are.
fn ties(cx: &mut dyn Emit, node: &Application<'_>) -> (ValueId, ValueId) {
    let (axis, reverse) = direction(node.attributes);
    let n = cx.ty(node.result).shape[axis];
    let attained = cx.compare(Direction::Eq, node.operands[0], node.result);
    let attained = cx.convert(attained, DType::I64);
    let total = cx.emit(Op::Cumsum, &[attained], node.attributes.clone());
    // Those before the present extremum: the total before, wherever it changes.
    let (first, rest, before) = match reverse {
        false => ((0, 1), (1, n), (0, n - 1)),
        true => ((n - 1, n), (0, n - 1), (1, n)),
    };
    let mut part = |v, (from, to)| cx.slice_along(v, axis, from, to);
    let (now, last) = (part(node.result, rest), part(node.result, before));
    let (first, total_before) = (part(total, first), part(total, before));
    let first_ty = cx.ty(first).clone();
    let zeros = cx.full(&first_ty, 0.0);
    let nan = cx.compare(Direction::Ne, now, now);
    let changes = cx.compare(Direction::Ne, now, last);
    let changes = cx.binary(Op::Or, changes, nan);
    let zero = cx.scalar(DType::I64, 0.0);
    let base = cx.select(changes, total_before, zero);
    let base = match reverse {
        false => join(cx, [zeros, base], axis),
        true => join(cx, [base, zeros], axis),
    };
    let base = cx.emit(Op::Cummax, &[base], node.attributes.clone());
    (attained, cx.binary(Op::Subtract, total, base))
}
