//! bspline: a spline as a sum of B-splines, by de Boor's recursion.

use super::{
    Attributes, Composite, Direction, Emit, Form, Infer, Op, Problem, ValueId,
    interpolate::{count_before, element, formulas, part, strict, take, vector},
    same_dtype,
};
use crate::tensor::{DType, TensorType};

/// The composite.
pub const BSPLINE: Composite = Composite {
    form: Form {
        operands: (3, 3),
        attribute: "b_spline",
        linear: false,
        non_smooth: "at a knot that of the piece on the right, at the last of the piece on the left",
        infer: Infer::One(infer),
        cost: |attributes, types| {
            let degree = degree(attributes);
            let recursion = 4 * degree.saturating_mul(degree);
            let search = 20 + u64::from(types.operands[1].elements().max(1).ilog2());
            let each = recursion.saturating_add(search);
            types.result.elements().saturating_mul(each)
        },
    },
    differentiable: true,
    expand,
};

fn degree(attributes: &Attributes) -> u64 {
    match attributes {
        Attributes::BSpline { degree } => (*degree).into(),
        _ => 0,
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    same_dtype(operands)?;
    let degree = degree(attributes);
    let (knots, n) = (
        vector(operands, 1, "knots")?,
        vector(operands, 2, "coefficients")?,
    );
    if n <= degree {
        return Err(Problem::operand(
            2,
            format!("{n} coefficients for degree {degree}; give more coefficients than the degree"),
        ));
    }
    let needed = n.saturating_add(degree).saturating_add(1);
    if knots != needed {
        return Err(Problem::operand(
            1,
            format!("{knots} knots for {n} coefficients of degree {degree}; give {needed}"),
        ));
    }
    Ok(operands[0].clone())
}

/// De Boor (A Practical Guide to Splines, X): in the piece [t_m, t_{m+1}) the coefficients m - k to m are mixed k
/// times, `d_j = d_{j-1} + α (d_j - d_{j-1})` with `α = (x - t_l) / (t_r - t_l)` for the knots l and r around. The piece
/// is never empty, so no α is 0 / 0 where knots are repeated.
fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let k = degree(attributes);
    let dtype = cx.ty(operands[0]).dtype;
    let [queries, knots, coefficients] = [0, 1, 2].map(|i| cx.convert(operands[i], DType::F64));
    let n = cx.ty(coefficients).shape[0];
    let shape = cx.ty(queries).shape.clone();
    let rank = shape.rank() as u32;
    let (first, last) = (element(cx, knots, k), element(cx, knots, n));
    // The last piece that is not empty begins at the last knot before the end; the first ends with the first knot
    // after the beginning.
    // Which piece it is has no derivative, and a query at the beginning is no tie.
    let [query, beginning] = [queries, first].map(|v| cx.unary(Op::StopGradient, v));
    let within = cx.binary(Op::Maximum, query, beginning);
    let found = count_before(cx, knots, within, true);
    let ends = count_before(cx, knots, last, false);
    let index = |cx: &mut dyn Emit, i: u64| cx.scalar(DType::I64, i as f64);
    // Of the coefficients the first is m - k, of the knots m - k + 1, where m is one less than what was counted.
    let (low, high, shift) = (index(cx, 0), index(cx, n - k - 1), index(cx, k + 1));
    let found = cx.binary(Op::Minimum, found, ends);
    let start = cx.binary(Op::Subtract, found, shift);
    let start = cx.emit_plain(Op::Clamp, &[low, start, high]);
    let mut mixed = take(cx, coefficients, start, Some(k + 1));
    if k == 0 {
        let value = cx.reshape(mixed, &shape);
        let own = take(cx, knots, start, None);
        let jumps = cx.compare(Direction::Gt, own, first);
        let queries = strict(cx, queries, own, Some(jumps));
        let nan = cx.unary(Op::IsNan, queries);
        let value = cx.select(nan, queries, value);
        return vec![cx.convert(value, dtype)];
    }
    let one = index(cx, 1);
    let knot = cx.binary(Op::Add, start, one);
    let around = take(cx, knots, knot, Some(2 * k));
    // Where as many knots as the degree meet, the pieces meet at an angle.
    let oldest = part(cx, around, 0, 1);
    let oldest = cx.reshape(oldest, &shape);
    let inner = cx.compare(Direction::Gt, oldest, first);
    let queries = strict(cx, queries, oldest, Some(inner));
    for r in 1..=k {
        let count = k + 1 - r;
        let wide = [&shape[..], &[count]].concat();
        let x = cx.broadcast(queries, &wide, (0..rank).collect());
        let (left, right) = (
            part(cx, around, r - 1, k),
            part(cx, around, k, 2 * k + 1 - r),
        );
        let (lower, upper) = (part(cx, mixed, 0, count), part(cx, mixed, 1, count + 1));
        let [share] = formulas(cx, [x, left, right], |[x, left, right]| {
            [(x - left) / (right - left)]
        });
        [mixed] = formulas(cx, [share, lower, upper], |[share, lower, upper]| {
            [lower + share * (upper - lower)]
        });
    }
    let value = cx.reshape(mixed, &shape);
    vec![cx.convert(value, dtype)]
}
