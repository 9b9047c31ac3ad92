//! Value functions of the op table's rows that take more than a line: each within 4 units in the last place over its
//! whole domain, also where what it is made of overflows, underflows or cancels.

use super::elementary::{self, alone};
use std::f64::consts::{LN_2, PI};

/// 1 / (1 + e^-x); subnormal results are kept.
#[inline(always)]
pub(super) fn logistic(x: f64) -> f64 {
    let e = elementary::exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// 1 / cosh x, also where cosh overflows.
#[inline(always)]
pub(super) fn sech(x: f64) -> f64 {
    let x = x.abs();
    // Far out e^-2x is below half a unit of 1. The halves keep subnormal results exact to the last step.
    let is_far = x > 20.0;
    let e = elementary::exp(if is_far { -0.5 * x } else { -x });
    match is_far {
        true => 2.0 * e * e,
        false => 2.0 * e / (1.0 + e * e),
    }
}

/// log(1 + e^x).
#[inline(always)]
pub(super) fn softplus(x: f64) -> f64 {
    let tail = elementary::log1p(elementary::exp(-x.abs()));
    if x > 0.0 { x + tail } else { tail }
}

/// log(1 / (1 + e^-x)).
#[inline(always)]
pub(super) fn log_sigmoid(x: f64) -> f64 {
    -softplus(-x)
}

/// log(e^a + e^b).
pub(super) fn logaddexp(a: f64, b: f64) -> f64 {
    if a == b {
        // Infinities of one sign included: their difference is NaN.
        return a + LN_2;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let sum = high + alone::log1p(alone::exp(low - high));
    if high < 0.0 && sum.abs() < 0.5 {
        // Both parts nearly cancel: e^a + e^b - 1 in twice the precision does not.
        let ((a, a_rest), (b, b_rest)) = (exp_twice(low), exp_twice(high));
        let (below, below_rest) = two_sum(b, -1.0);
        let (excess, rest) = two_sum(below, a);
        let rest = rest + (a_rest + b_rest + below_rest);
        let excess_rounded = excess + rest;
        let lost = (excess - excess_rounded) + rest;
        return alone::log1p(excess_rounded) + lost / (1.0 + excess_rounded);
    }
    sum
}

/// eˣ in two parts: the series at x / 2ᵐ, squared m times.
fn exp_twice(x: f64) -> (f64, f64) {
    if x < -80.0 {
        return (alone::exp(x), 0.0);
    }
    let (mut x, mut squarings) = (x, 0);
    while x.abs() > 0.5 {
        x *= 0.5;
        squarings += 1;
    }
    // Horner's scheme of Σ xᵏ / k!; the 26th term is below 2^-110.
    let (mut sum, mut rest) = (1.0, 0.0);
    for k in (1..=25).rev() {
        let k = f64::from(k);
        let (product, lost) = two_product(sum, x);
        let quotient = product / k;
        let lost = (f64::mul_add(-quotient, k, product) + (lost + rest * x)) / k;
        (sum, rest) = two_sum(1.0, quotient);
        rest += lost;
    }
    for _ in 0..squarings {
        let (square, lost) = two_product(sum, sum);
        (sum, rest) = two_sum(square, lost + 2.0 * sum * rest);
    }
    (sum, rest)
}

/// x / (1 + e^-x); subnormal results are kept.
#[inline(always)]
pub(super) fn silu(x: f64) -> f64 {
    // Far out 1 + e^-x is e^-x; half of it does not underflow yet.
    let is_far = x < -40.0;
    let within = if is_far { x.max(-2000.0) } else { x };
    let e = elementary::exp(if is_far { 0.5 * within } else { -x });
    match is_far {
        true => within * e * e,
        false => x / (1.0 + e),
    }
}

/// (sin πx, cos πx); the argument is reduced exactly. NaN at infinities.
fn sin_cos_pi(x: f64) -> (f64, f64) {
    if x.is_infinite() {
        return (f64::NAN, f64::NAN);
    }
    // The nearest multiple of ½, taken off exactly.
    let halves = libm::rint(2.0 * libm::fmod(x, 2.0));
    let rest = PI * (libm::fmod(x, 2.0) - 0.5 * halves);
    let (s, c) = (libm::sin(rest), libm::cos(rest));
    match (halves as i64).rem_euclid(4) {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// sin(πx) / (πx).
pub(super) fn sinc(x: f64) -> f64 {
    // π x below 1e-8: 1 - (πx)²/6 rounds to 1; and πx may be subnormal.
    if x.abs() < 1e-9 {
        return 1.0;
    }
    let (s, _) = sin_cos_pi(x);
    if s == 0.0 {
        return 0.0;
    }
    // As x / s would do, but without an overflow of πx.
    s / PI / x
}

/// The n-th derivative of [`sinc`], n = 0, 1, 2, …; NaN for other n. Far from 0 by Leibniz' rule on
/// x sinc(x) = sin(πx) / π; near 0, where that cancels, by the series
/// Σ (-1)^k π^2k x^(2k-n) / ((2k + 1) (2k - n)!) over 2k >= n.
pub(super) fn sinc_derivative(n: f64, x: f64) -> f64 {
    if !(0.0..=64.0).contains(&n) || n != libm::floor(n) {
        return f64::NAN;
    }
    if n == 0.0 {
        return sinc(x);
    }
    let reach = f64::max(1.6, 0.6 * n);
    if (PI * x).abs() < reach {
        let z = (PI * x) * (PI * x);
        let first = libm::ceil(0.5 * n);
        let mut sum = 0.0;
        for k in (0..=24 + n as i32).rev() {
            // The next term over this one, but for the factor 1 / (2k + 1).
            let k = first + f64::from(k);
            let rest = 2.0 * k - n;
            sum = 1.0 / (2.0 * k + 1.0) - z / ((rest + 1.0) * (rest + 2.0)) * sum;
        }
        let power = if 2.0 * first > n { PI * x } else { 1.0 };
        let sign = if first % 2.0 == 0.0 { 1.0 } else { -1.0 };
        return sign * libm::pow(PI, n) * sum * power;
    }
    let (s, c) = sin_cos_pi(x);
    let mut result = s / PI / x;
    let mut scale = 1.0 / PI;
    for k in 1..=n as i32 {
        scale *= PI;
        let wave = scale * [s, c, -s, -c][k as usize % 4];
        result = (wave - f64::from(k) * result) / x;
    }
    result
}

/// Both numbers times a power of two that keeps their squares from overflow and underflow, and that power.
fn scaled(a: f64, b: f64) -> (f64, f64, f64) {
    let large = a.abs().max(b.abs());
    let scale = if large > 1e300 {
        f64::from_bits((1023 - 600) << 52)
    } else if large < 1e-290 {
        f64::from_bits((1023 + 600) << 52)
    } else {
        1.0
    };
    (a * scale, b * scale, scale)
}

/// a / √(a² + b²): the first component of the unit vector along (a, b). 0 at the origin.
pub(super) fn direction(a: f64, b: f64) -> f64 {
    if a == 0.0 && b == 0.0 {
        return 0.0;
    }
    let (a, b, _) = scaled(a, b);
    a / libm::hypot(a, b)
}

/// a / (a² + b²).
pub(super) fn over_norm_squared(a: f64, b: f64) -> f64 {
    let (a, b, scale) = scaled(a, b);
    let radius = libm::hypot(a, b);
    a / radius / radius * scale
}

/// a + b and what rounding took from it (Knuth, "The Art of Computer Programming", volume 2, 4.2.2).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// a b and what rounding took from it.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, f64::mul_add(a, b, -product))
}

/// x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³))) = x logistic(2 √(2/π) (x + 0.044715 x³)).
pub(super) fn gelu_tanh(x: f64) -> f64 {
    // Beyond, the logistic function is 0 or 1.
    if x < -22.0 {
        return -0.0;
    }
    if x > 10.0 || x.is_nan() {
        return x;
    }
    // The exponent in twice the precision: the tail multiplies its relative error by up to 745.
    let (square, lost) = two_product(x, x);
    let (cubic, lost_cubic) = two_product(GELU_CUBIC.0, square);
    let lost_cubic = lost_cubic + GELU_CUBIC.0 * lost + GELU_CUBIC.1 * square;
    let (slope, lost_slope) = two_sum(GELU_LINEAR.0, cubic);
    let lost_slope = lost_slope + lost_cubic + GELU_LINEAR.1;
    let (exponent, lost_exponent) = two_product(x, slope);
    let rest = lost_exponent + x * lost_slope;
    if exponent < -40.0 {
        let half = alone::exp(0.5 * exponent);
        return x * (half + half * rest) * half;
    }
    let e = alone::exp(-exponent);
    x / (1.0 + (e - e * rest))
}

/// 2 √(2/π), in two parts.
pub(super) const GELU_LINEAR: (f64, f64) = (1.595_769_121_605_730_8, -9.969_308_809_110_92e-17);
/// 2 √(2/π) 0.044715, in two parts.
pub(super) const GELU_CUBIC: (f64, f64) = (0.071_354_816_272_600_25, -6.175_149_918_155_315e-19);

/// x / (1 + |x|): its limits at infinity, where the quotient would be NaN.
#[inline(always)]
pub fn softsign(x: f64) -> f64 {
    if x.is_infinite() {
        return x.signum();
    }
    x / (1.0 + x.abs())
}
