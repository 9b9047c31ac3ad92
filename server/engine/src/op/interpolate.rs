//! interp1d: straight lines or the natural cubic spline through points.

use super::{
    Attributes, Composite, Direction, E, Emit, Extrapolation, Form, GatherDimensions, Infer,
    InterpolationKind, NonSmooth, Op, OutOfBounds, Problem, ValueId, same_dtype,
};
use crate::tensor::{DType, TensorType};
use std::cell::RefCell;

/// The composite: the piece of each query found, and evaluated from the nearer of its knots.
pub const INTERP1D: Composite = Composite {
    form: Form {
        operands: (3, 3),
        attribute: "interpolate",
        linear: false,
        non_smooth: "at a knot that of the piece on the right, at the last of the piece on the left; 0 beyond unless the piece goes on",
        infer: Infer::One(infer),
        cost: |_, types| {
            let knots = types.operands[1].elements().max(1);
            let each = 40 + u64::from(knots.ilog2());
            let all = types.result.elements().saturating_mul(each);
            all.saturating_add(knots.saturating_mul(each))
        },
    },
    differentiable: true,
    expand,
};

/// Checks floating-point queries and the length of a vector beside them.
pub(super) fn vector(operands: &[&TensorType], i: usize, what: &str) -> Result<u64, Problem> {
    if !operands[0].dtype.is_float() {
        return Err(Problem::operands(format!(
            "operands are {}; insert convert",
            operands[0].dtype
        )));
    }
    match operands[i].shape[..] {
        [n] => Ok(n),
        _ => Err(Problem::operand(
            i,
            format!("the {what} have shape {}; give a vector", operands[i].shape),
        )),
    }
}

fn infer(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    same_dtype(operands)?;
    let (n, m) = (
        vector(operands, 1, "knots")?,
        vector(operands, 2, "values")?,
    );
    if n != m || n == 0 {
        return Err(Problem::operands(format!(
            "{n} knots and {m} values; give one value for each knot, and one knot at least"
        )));
    }
    Ok(operands[0].clone())
}

/// For each query the number of sorted values before it; `or_equal` counts those equal to it as well.
pub(super) fn count_before(
    cx: &mut dyn Emit,
    sorted: ValueId,
    queries: ValueId,
    or_equal: bool,
) -> ValueId {
    let attributes = Attributes::SearchSorted { right: or_equal };
    cx.emit(Op::SearchSorted, &[sorted, queries], attributes)
}

/// Runs of a vector's elements from indices of any shape: `[..indices] -> [..indices, length]`, without the last
/// dimension for no length.
pub(super) fn take(
    cx: &mut dyn Emit,
    vector: ValueId,
    indices: ValueId,
    length: Option<u64>,
) -> ValueId {
    let rank = cx.ty(indices).shape.rank() as u32;
    let dims = GatherDimensions {
        offset_dims: length.map(|_| rank).into_iter().collect(),
        collapsed_slice_dims: if length.is_none() { vec![0] } else { vec![] },
        start_index_map: vec![0],
        index_vector_dim: rank,
        slice_sizes: vec![length.unwrap_or(1)],
        out_of_bounds: OutOfBounds::Clamp,
    };
    cx.emit(Op::Gather, &[vector, indices], Attributes::Gather(dims))
}

/// Elements `from..to` of the last dimension.
pub(super) fn part(cx: &mut dyn Emit, value: ValueId, from: u64, to: u64) -> ValueId {
    let last = cx.ty(value).shape.rank() - 1;
    cx.slice_along(value, last, from, to)
}

/// Writes formulas over values with operators, as on paper.
pub(super) fn formulas<const N: usize, const M: usize>(
    cx: &mut dyn Emit,
    values: [ValueId; N],
    write: impl for<'a> FnOnce([E<'a>; N]) -> [E<'a>; M],
) -> [ValueId; M] {
    let cell: RefCell<&mut dyn Emit> = RefCell::new(cx);
    write(values.map(|value| E::new(value, &cell))).map(|result| result.id)
}

/// An element of a vector, as a scalar.
pub(super) fn element(cx: &mut dyn Emit, vector: ValueId, i: u64) -> ValueId {
    let one = part(cx, vector, i, i + 1);
    cx.reshape(one, &[])
}

/// Queries that add nothing, but that have no derivative where `kink` holds and they equal the knot: under
/// [`NonSmooth::Strict`] alone.
pub(super) fn strict(
    cx: &mut dyn Emit,
    queries: ValueId,
    knot: ValueId,
    kink: Option<ValueId>,
) -> ValueId {
    if cx.policy() != NonSmooth::Strict {
        return queries;
    }
    let dtype = cx.ty(queries).dtype;
    let [zero, one] = [0.0, 1.0].map(|number| cx.scalar(dtype, number));
    let mut distance = cx.binary(Op::Subtract, queries, knot);
    if let Some(kink) = kink {
        distance = cx.select(kink, distance, one);
    }
    // The derivative of maximum is refused where its operands are equal.
    let refused = cx.binary(Op::Maximum, distance, zero);
    let nothing = cx.binary(Op::MultiplyNoNan, refused, zero);
    cx.binary(Op::Add, queries, nothing)
}

fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let Attributes::Interpolate {
        kind,
        extrapolation,
    } = *attributes
    else {
        return vec![operands[0]];
    };
    let dtype = cx.ty(operands[0]).dtype;
    let [queries, knots, values] = [0, 1, 2].map(|i| cx.convert(operands[i], DType::F64));
    let n = cx.ty(knots).shape[0];
    let inside = match n {
        1 => constant(cx, queries, values),
        _ => piece(cx, kind, extrapolation, [queries, knots, values]),
    };
    let ends = [
        (Direction::Lt, element(cx, knots, 0), 0),
        (Direction::Gt, element(cx, knots, n - 1), n - 1),
    ];
    let mut result = inside;
    for (beyond, knot, i) in ends {
        let there = match extrapolation {
            Extrapolation::Extend => continue,
            Extrapolation::Constant => element(cx, values, i),
            Extrapolation::Nan => cx.scalar(DType::F64, f64::NAN),
        };
        let beyond = cx.compare(beyond, queries, knot);
        result = cx.select(beyond, there, result);
    }
    vec![cx.convert(result, dtype)]
}

/// One value for all queries; NaN stays NaN.
fn constant(cx: &mut dyn Emit, queries: ValueId, values: ValueId) -> ValueId {
    let nan = cx.unary(Op::IsNan, queries);
    let value = element(cx, values, 0);
    cx.select(nan, queries, value)
}

/// The piece that each query lies in, or the nearest, written from the nearer knot b with the other knot o:
/// `y_b + w (s - H (2 m_b + m_o) / 6 + w (m_b / 2 + w (m_o - m_b) / (6 H)))`, where `w = q - x_b`, `H = x_o - x_b`, s
/// the slope of the line and m second derivatives (0 for straight lines). So no term cancels near a knot.
fn piece(
    cx: &mut dyn Emit,
    kind: InterpolationKind,
    extrapolation: Extrapolation,
    [queries, knots, values]: [ValueId; 3],
) -> ValueId {
    let n = cx.ty(knots).shape[0];
    let index = |cx: &mut dyn Emit, i: u64| cx.scalar(DType::I64, i as f64);
    let (none, one, last) = (index(cx, 0), index(cx, 1), index(cx, n - 2));
    let before = count_before(cx, knots, queries, true);
    let left = cx.binary(Op::Subtract, before, one);
    let left = cx.emit_plain(Op::Clamp, &[none, left, last]);
    let right = cx.binary(Op::Add, left, one);
    let from_left = take(cx, knots, left, None);
    let from_left = cx.binary(Op::Subtract, queries, from_left);
    let to_right = take(cx, knots, right, None);
    let to_right = cx.binary(Op::Subtract, to_right, queries);
    let is_right = cx.compare(Direction::Gt, from_left, to_right);
    let near = cx.select(is_right, right, left);
    let far = cx.select(is_right, left, right);
    let [x, y] = [knots, values].map(|vector| [near, far].map(|i| take(cx, vector, i, None)));
    // Lines meet at an angle; where the end's piece does not go on, so does everything at the ends.
    let goes_on = extrapolation == Extrapolation::Extend;
    let cubic = kind == InterpolationKind::Cubic;
    let queries = match (cubic, goes_on) {
        (true, true) => queries,
        (false, false) => strict(cx, queries, x[0], None),
        _ => {
            let end = index(cx, n - 1);
            let [first, last] = [none, end].map(|i| cx.compare(Direction::Eq, near, i));
            let end = cx.binary(Op::Or, first, last);
            let kink = if cubic { end } else { cx.unary(Op::Not, end) };
            strict(cx, queries, x[0], Some(kink))
        }
    };
    let points = [queries, x[0], x[1], y[0], y[1]];
    let [w, span, slope] = formulas(cx, points, |[q, x, other, y, far]| {
        let span = other - x;
        [q - x, span, (far - y) / span]
    });
    let mut rise = slope;
    if cubic && n > 2 {
        let bends = bends(cx, knots, values);
        let [m, other] = [near, far].map(|i| take(cx, bends, i, None));
        [rise] = formulas(
            cx,
            [w, span, slope, m, other],
            |[w, span, slope, m, other]| {
                let third = (other - m) / (6.0 * span);
                [slope - span * (2.0 * m + other) / 6.0 + w * (0.5 * m + w * third)]
            },
        );
    }
    let [result] = formulas(cx, [y[0], w, rise], |[y, w, rise]| [y + w * rise]);
    result
}

/// Second derivatives of the natural spline at its knots `[n]`, n > 2: 0 at the ends, and between them the solution of
/// `h_l m_{i-1} + 2 (h_l + h_r) m_i + h_r m_{i+1} = 6 (s_r - s_l)` with h and s the width and slope of the pieces on
/// both sides (de Boor, A Practical Guide to Splines, IV). The matrix is diagonally dominant.
fn bends(cx: &mut dyn Emit, knots: ValueId, values: ValueId) -> ValueId {
    let n = cx.ty(knots).shape[0];
    let steps = |cx: &mut dyn Emit, v: ValueId, n: u64| {
        let (before, after) = (part(cx, v, 0, n - 1), part(cx, v, 1, n));
        cx.binary(Op::Subtract, after, before)
    };
    let widths = steps(cx, knots, n);
    let rises = steps(cx, values, n);
    let slopes = cx.binary(Op::Divide, rises, widths);
    let turns = steps(cx, slopes, n - 1);
    let (left, right) = (part(cx, widths, 0, n - 2), part(cx, widths, 1, n - 1));
    let both = cx.binary(Op::Add, left, right);
    let [two, six] = [2.0, 6.0].map(|number| cx.scalar(DType::F64, number));
    let diagonal = cx.binary(Op::Multiply, two, both);
    let rhs = cx.binary(Op::Multiply, six, turns);
    // The neighbours of the first and last unknown are the ends, where it is 0.
    let beside = part(cx, widths, 1, n - 2);
    let below = moved(cx, beside, 0.0, 1, 0);
    let above = moved(cx, beside, 0.0, 0, 1);
    let solution = cx.emit_plain(Op::TridiagonalSolve, &[below, diagonal, above, rhs]);
    moved(cx, solution, 0.0, 1, 1)
}

/// A vector with numbers before and after it.
fn moved(cx: &mut dyn Emit, vector: ValueId, number: f64, low: u64, high: u64) -> ValueId {
    super::windows::surround(cx, vector, number, &[low], &[high])
}
