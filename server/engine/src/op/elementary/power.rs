//! Powers: the logarithm to 66 bits in two parts, times the exponent, and [`exp`](super::exp) of both parts. The
//! logarithm goes the way of fdlibm's `pow` (Sun Microsystems, 2004), to the base e and with a longer series.

use super::exponential::{exp_in_parts, power_of_two, scaled};
use super::{LN_2_HIGH, LN_2_LOW, ONE, SHIFT};

const SIGN: u64 = 1 << 63;
/// 2⁵²: from here on numbers are whole, and twice as far even.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Where the significand's interval [√¾, 2 √¾) begins.
const ROOT: u64 = 0x3feb_b67a_0000_0000;
/// √(3/2): beyond, the significand is taken relative to 3/2.
const ROOT_OF_THREE_HALVES: f64 = 1.224_744_871_391_589;

/// log(3/2) in two parts; the first plus a multiple of the first of ln 2 is exact.
const LOG_HIGH: f64 = 0.405_465_107_993_222_8;
const LOG_LOW: f64 = 1.149_416_089_029_093_5e-10;

/// 2/3 in two parts.
const TWO_THIRDS: f64 = 2.0 / 3.0;
const TWO_THIRDS_REST: f64 = 3.700_743_415_417_188e-17;

/// log((1 + s) / (1 - s)) = 2/3 s (3 + z + z² L(z)) with z = s², for |s| <= 0.1011, to 2^-71
/// (tests/reference/minimax.py).
const L: [f64; 6] = [
    0.599_999_999_999_994_6,
    0.428_571_428_578_483_8,
    0.333_333_329_843_667_87,
    0.272_728_119_328_328_86,
    0.230_661_120_232_821_43,
    0.206_963_081_879_690_34,
];

/// xʸ with the special values of C's `pow` and IEEE 754-2019: 1 for the exponent 0 and for the base 1, whatever the
/// other operand; NaN for a negative base and an exponent that is not whole.
#[inline(always)]
pub fn power(x: f64, y: f64) -> f64 {
    let exponent = power_exponent(x, y);
    match x > 0.0 && x < f64::INFINITY && y.is_finite() {
        true => power_of_positive(exponent),
        false => power_of_exponent(exponent, x, y),
    }
}

/// [`power`] where it is in a loop, the first step: y log |x| in two parts.
#[inline(always)]
pub fn power_exponent(x: f64, y: f64) -> (f64, f64) {
    // Beyond, results are 0 and infinite all the same.
    exponent(x.abs(), y, 746.0)
}

/// The second.
#[inline(always)]
pub fn power_of_exponent(exponent: (f64, f64), x: f64, y: f64) -> f64 {
    with_special_values(power_of_positive(exponent), x, y)
}

#[inline(always)]
fn power_of_positive(exponent: (f64, f64)) -> f64 {
    let (sum, rest, n) = exp_in_parts(exponent.0, exponent.1);
    scaled(sum + rest, n)
}

/// c xʸ, without overflow or underflow on the way; 0 where c or xʸ is 0.
#[inline(always)]
pub fn scaled_power(x: f64, y: f64, c: f64) -> f64 {
    scaled_power_of_exponent(scaled_power_exponent(x, y, c), x, y, c)
}

/// [`scaled_power`] where it is in a loop, the first step: y log |x| in two parts.
#[inline(always)]
pub fn scaled_power_exponent(x: f64, y: f64, _: f64) -> (f64, f64) {
    // Beyond, results are 0 and infinite for every c.
    exponent(x.abs(), y, 1460.0)
}

/// The second.
#[inline(always)]
pub fn scaled_power_of_exponent(exponent: (f64, f64), x: f64, y: f64, c: f64) -> f64 {
    let (sum, rest, n) = exp_in_parts(exponent.0, exponent.1);
    // Where xʸ is no number any more or hardly, in four steps around the product; at most one of them rounds.
    let is_near = n.abs() <= 1000.0;
    let quarter = if is_near { SHIFT } else { 0.25 * n + SHIFT };
    let last = n - 3.0 * (quarter - SHIFT) + SHIFT;
    let (first, last) = if is_near {
        (last, quarter)
    } else {
        (quarter, last)
    };
    let again = power_of_two(quarter);
    let product = (sum + rest) * power_of_two(first) * c * again * again * power_of_two(last);
    // The sign; or xʸ where x is 0 or infinite.
    let end = with_special_values(1.0, x, y);
    let value = match (x == 0.0) | (x.abs() == f64::INFINITY) | end.is_nan() {
        true => end * c,
        false => end * product,
    };
    let is_nothing = (c == 0.0) | ((x == 0.0) & (end == 0.0));
    if is_nothing { 0.0 } else { value }
}

/// What |x|ʸ is once the special operands and the sign are seen to.
#[inline(always)]
fn with_special_values(value: f64, x: f64, y: f64) -> f64 {
    let (a, b) = (x.abs(), y.abs());
    // Near WHOLE units stand in the last bit.
    let is_large = b >= WHOLE;
    let near = if is_large { b } else { b + WHOLE };
    let is_whole = is_large | (near - WHOLE == b);
    let is_odd = is_whole & (near.to_bits() & 1 == 1) & (b < 2.0 * WHOLE);
    let end = if (y > 0.0) == (a == 0.0) {
        0.0
    } else {
        f64::INFINITY
    };
    let value = match (a == 0.0) | (a == f64::INFINITY) {
        true => end,
        false => value,
    };
    let sign = if is_odd { x.to_bits() & SIGN } else { 0 };
    let value = f64::from_bits(value.to_bits() | sign);
    let is_nan = ((x < 0.0) & (a < f64::INFINITY) & !is_whole) | x.is_nan() | y.is_nan();
    let value = if is_nan { f64::NAN } else { value };
    if (y == 0.0) | (x == 1.0) { 1.0 } else { value }
}

/// y log a for a positive finite a, rounded, and what that lost; from `limit` on no further, either way.
#[inline(always)]
fn exponent(a: f64, y: f64, limit: f64) -> (f64, f64) {
    // Times any logarithm but 0 far beyond the limit, and its products are finite.
    const FAR: f64 = 7.4e19;
    let y = if y < FAR { y } else { FAR };
    let y = if y > -FAR { y } else { -FAR };
    let (log, log_rest) = logarithm(a);
    let product = y * log;
    let rest = y.mul_add(log_rest, y.mul_add(log, -product));
    let high = product + rest;
    let low = rest - (high - product);
    let is_far = high.abs() >= limit;
    (
        if is_far { limit.copysign(high) } else { high },
        if is_far { 0.0 } else { low },
    )
}

/// log a for a positive finite a, rounded, and the rest.
#[inline(always)]
fn logarithm(a: f64) -> (f64, f64) {
    let is_small = a < f64::MIN_POSITIVE;
    let (a, lowered) = match is_small {
        true => (a * 18_014_398_509_481_984.0, 54.0),
        false => (a, 0.0),
    };
    // a = 2ᵏ m, and m near a center c, of which the logarithm is known.
    let bits = a.to_bits().wrapping_add(ONE - ROOT);
    let k =
        f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - 4_503_599_627_371_519.0 - lowered;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(ROOT));
    let (c, log_high, log_low) = match m > ROOT_OF_THREE_HALVES {
        true => (1.5, LOG_HIGH, LOG_LOW),
        false => (1.0, 0.0, 0.0),
    };
    let base = k.mul_add(LN_2_HIGH, log_high);
    let base_rest = k.mul_add(LN_2_LOW, log_low);

    // (m - c) / (m + c) = s + s_rest.
    let (f, d) = (m - c, m + c);
    let d_rest = m - (d - c);
    let inverse = 1.0 / d;
    let s = f * inverse;
    let s_rest = inverse * s.mul_add(-d_rest, s.mul_add(-d, f));

    // 3 + z + z² L(z) = t + t_rest.
    let z = s * s;
    let w = z * z;
    let begin = z.mul_add(L[1], L[0]);
    let end = w.mul_add(z.mul_add(L[5], L[4]), z.mul_add(L[3], L[2]));
    let z_rest = (2.0 * s).mul_add(s_rest, s.mul_add(s, -z));
    let rest = w.mul_add(w.mul_add(end, begin), z_rest);
    let t = 3.0 + z + rest;
    let t_rest = rest - ((t - 3.0) - z);

    // Times s, times 2/3, plus the logarithm of 2ᵏ c.
    let p = s * t;
    let p_rest = s.mul_add(t_rest, s_rest.mul_add(t, s.mul_add(t, -p)));
    let value = TWO_THIRDS * p;
    let value_rest = p.mul_add(TWO_THIRDS_REST, p.mul_add(TWO_THIRDS, -value));
    let rest = p_rest.mul_add(TWO_THIRDS, value_rest) + base_rest;
    let log = base + (value + rest);
    (log, rest - ((log - base) - value))
}
