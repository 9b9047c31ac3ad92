//! Longer partial derivatives of the op table's rows, as graph expressions. Their factors are roots of what decays, so
//! that products keep subnormal results, and no infinity meets a 0 at finite operands.

use super::elementary::DENSITY_AT_0;
use super::values::{GELU_CUBIC, GELU_LINEAR};
use super::{E, Op};

/// a / r^(3/2) with r = √(a² + b²), 0 at the origin: with it the curvature of [`Op::Hypot`] is a square.
pub(super) fn over_root_of_radius<'a>(a: E<'a>, b: E<'a>) -> E<'a> {
    let radius = a.binary(Op::Hypot, b);
    radius.where_equals(0.0, 0.0, a.binary(Op::Direction, b) / radius.sqrt())
}

/// √(σ'(x)) with σ the logistic function.
fn root_of_logistic_slope(x: E<'_>) -> E<'_> {
    0.5 * (0.5 * x).unary(Op::Sech)
}

/// (x σ(x))' = σ(x) + x σ'(x).
pub(super) fn silu_slope(x: E<'_>) -> E<'_> {
    let root = root_of_logistic_slope(x);
    x.unary(Op::Logistic) + x * root * root
}

/// (x σ(v))' = σ(v) + x v' σ'(v) with v = 2 √(2/π) (x + 0.044715 x³). Beyond ±40, σ(v) is 0 or 1.
pub(super) fn gelu_tanh_slope(x: E<'_>) -> E<'_> {
    let (linear, cubic) = (GELU_LINEAR.0, GELU_CUBIC.0);
    let x = x.number(-40.0).ternary(Op::Clamp, x, x.number(40.0));
    let square = x.square();
    let v = x * (linear + cubic * square);
    let x_v_slope = x * (linear + 3.0 * cubic * square);
    let root = root_of_logistic_slope(v);
    v.unary(Op::Logistic) + x_v_slope * root * root
}

/// (x Φ(x))'' = (2 - x²) φ(x).
pub(super) fn gelu_curvature(x: E<'_>) -> E<'_> {
    let root = (x * (-0.25 * x)).unary(Op::Exp);
    let moved = x * root;
    DENSITY_AT_0 * (2.0 * root) * root - DENSITY_AT_0 * moved * moved
}
