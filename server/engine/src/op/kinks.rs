//! Slopes of elementwise operations at points where there is none: the service's choice, that of JAX and of PyTorch
//! where they differ, and where `NON_SMOOTH_STRICT` refuses.

use super::Direction::{Eq, Gt, Le, Lt, Ne};
use super::{E, NonSmooth, Op};

/// Whether what finds kinks is worth writing.
fn is_strict(x: E<'_>) -> bool {
    x.policy() == NonSmooth::Strict
}

/// Slope of |x|: the sign. At 0 it is 0; in JAX 1.
pub fn abs<'a>(x: E<'a>) -> E<'a> {
    let sign = x.kink_at(0.0).unary(Op::Sign);
    match x.policy() {
        NonSmooth::Jax => x.where_equals(0.0, 1.0, sign),
        _ => sign,
    }
}

/// The operand of a step function with steps at the whole numbers.
pub fn steps_at_integers(x: E<'_>) {
    if is_strict(x) {
        x.kink_where(Eq, x.unary(Op::Floor));
    }
}

/// The operand of trunc: at 0 there is no step.
pub fn steps_off_zero(x: E<'_>) {
    if is_strict(x) {
        // With 1/2 in the place of what is below it.
        let away = x.unary(Op::Abs).binary(Op::Maximum, x.number(0.5));
        away.kink_where(Eq, away.unary(Op::Floor));
    }
}

/// The operand of a rounding to the nearest whole number.
pub fn steps_between_integers(x: E<'_>) {
    if is_strict(x) {
        (x - x.unary(Op::Floor)).kink_at(0.5);
    }
}

/// `then` where x is above 0, else `below`, which is also the choice at 0 but in JAX, where it is `then`.
pub fn leaky<'a>(x: E<'a>, then: f64, below: E<'a>) -> E<'a> {
    if is_strict(x) {
        x.kink_if(&[(x, Eq, x.number(0.0)), (below, Ne, x.number(then))]);
    }
    let slope = x.where_positive(x.number(then), below);
    match x.policy() {
        NonSmooth::Jax => x.where_equals(0.0, then, slope),
        _ => slope,
    }
}

/// Slope of elu below and above 0: at 0 it is that from below.
pub fn elu<'a>(x: E<'a>, alpha: E<'a>) -> E<'a> {
    if is_strict(x) {
        x.kink_if(&[(x, Eq, x.number(0.0)), (alpha, Ne, x.number(1.0))]);
    }
    x.where_positive(x.number(1.0), alpha * x.unary(Op::Exp))
}

/// Operands that have no direction at the origin.
pub fn off_origin<'a>(a: E<'a>, b: E<'a>) {
    if is_strict(a) {
        a.binary(Op::Hypot, b).kink_at(0.0);
    }
}

/// a / hypot(a, b). At the origin it is 0; in JAX 1/2, in PyTorch NaN.
pub fn direction<'a>(a: E<'a>, b: E<'a>) -> E<'a> {
    let radius = |a: E<'a>| a.binary(Op::Hypot, b);
    off_origin(a, b);
    let direction = a.binary(Op::Direction, b);
    match a.policy() {
        NonSmooth::Jax => radius(a).where_equals(0.0, 0.5, direction),
        NonSmooth::PyTorch => radius(a).where_equals(0.0, f64::NAN, direction),
        _ => direction,
    }
}

/// The operands of atan2, which jumps where a is 0 and b below 0, and has no slope at the origin.
pub fn off_cut<'a>(a: E<'a>, b: E<'a>) {
    if is_strict(a) {
        a.kink_if(&[(a, Eq, a.number(0.0)), (b, Le, a.number(0.0))]);
    }
}

/// Slope of a^b in a. At base 0 an exponent between 0 and 1 has an infinite one; exponent 0 has 0, in JAX NaN at
/// base 0.
pub fn power_base<'a>(a: E<'a>, b: E<'a>) -> E<'a> {
    if is_strict(a) {
        let (zero, one) = (a.number(0.0), a.number(1.0));
        a.kink_if(&[(a, Eq, zero), (b, Gt, zero), (b, Lt, one)]);
    }
    match a.policy() {
        NonSmooth::Jax => b * a.binary(Op::Power, b - 1.0),
        _ => a.ternary(Op::ScaledPower, b - 1.0, b),
    }
}

/// Slope of a^b in b: there is none of a negative base, and at 0^0 a jump; in JAX and PyTorch it is 0 at base 0.
pub fn power_exponent<'a>(a: E<'a>, b: E<'a>) -> E<'a> {
    if is_strict(a) {
        let zero = a.number(0.0);
        a.kink_where(Lt, zero);
        a.kink_if(&[(a, Eq, zero), (b, Eq, zero)]);
    }
    let log = a.unary(Op::Log);
    let log = match a.policy() {
        NonSmooth::Jax | NonSmooth::PyTorch => a.where_equals(0.0, 0.0, log),
        _ => log,
    };
    a.ternary(Op::ScaledPower, b, log)
}

/// The result y of a remainder of a: it jumps where it is 0, but for a = 0.
pub fn off_multiples<'a>(a: E<'a>, y: E<'a>) {
    if is_strict(a) {
        a.kink_if(&[(y, Eq, a.number(0.0)), (a, Ne, a.number(0.0))]);
    }
}

/// What the operand that clamp passes gets of a tie: 1/2; in JAX nothing, in PyTorch all.
fn passed(x: &[E<'_>]) -> f64 {
    match x[1].policy() {
        NonSmooth::Jax => 0.0,
        NonSmooth::PyTorch => 1.0,
        _ => 0.5,
    }
}

/// What a bound of clamp gets of a tie: 1/2; in JAX and PyTorch nothing.
fn bounded(x: &[E<'_>]) -> f64 {
    match x[1].policy() {
        NonSmooth::Jax | NonSmooth::PyTorch => 0.0,
        _ => 0.5,
    }
}

/// Slope of clamp in its low bound.
pub fn clamp_low<'a>(x: &[E<'a>]) -> E<'a> {
    let raised = x[1].binary(Op::Maximum, x[0]);
    x[0].share_of_tie(Gt, x[1], bounded(x)) * raised.share_of_tie(Lt, x[2], passed(x))
}

/// Slope of clamp in what it clamps.
pub fn clamp_operand<'a>(x: &[E<'a>]) -> E<'a> {
    let raised = x[1].binary(Op::Maximum, x[0]);
    x[1].share_of_tie(Gt, x[0], passed(x)) * raised.share_of_tie(Lt, x[2], passed(x))
}

/// Slope of clamp in its high bound.
pub fn clamp_high<'a>(x: &[E<'a>]) -> E<'a> {
    x[2].share_of_tie(Lt, x[1].binary(Op::Maximum, x[0]), bounded(x))
}
