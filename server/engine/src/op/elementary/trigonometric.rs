use super::SHIFT;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// π/2 in parts.
const HALF_PI: [f64; 3] = [
    FRAC_PI_2,
    6.123_233_995_736_766e-17,
    -1.497_384_904_859_169_8e-33,
];

/// sin x = x + x³ S(x²) for |x| <= π/4.
const S: [f64; 6] = [
    -1.666_666_666_666_663_2e-1,
    8.333_333_333_322_49e-3,
    -1.984_126_982_985_795e-4,
    2.755_731_370_707_006_8e-6,
    -2.505_076_025_340_686_3e-8,
    1.589_690_995_211_55e-10,
];

/// cos x = 1 - x²/2 + x⁴ C(x²) for |x| <= π/4.
const C: [f64; 6] = [
    4.166_666_666_666_66e-2,
    -1.388_888_888_887_411e-3,
    2.480_158_728_947_673e-5,
    -2.755_731_435_139_066_3e-7,
    2.087_572_321_298_175e-9,
    -1.135_964_755_778_819_5e-11,
];

/// Whether [`sin_near`] and [`cos_near`] hold: multiples of π/2 are taken off with a few parts of it.
#[inline(always)]
pub fn is_near(x: f64) -> bool {
    x.abs() <= 1e6
}

/// Sine, of any number.
#[inline(always)]
pub fn sin(x: f64) -> f64 {
    if is_near(x) {
        sin_near(x)
    } else {
        libm::sin(x)
    }
}

/// Cosine, of any number.
#[inline(always)]
pub fn cos(x: f64) -> f64 {
    if is_near(x) {
        cos_near(x)
    } else {
        libm::cos(x)
    }
}

/// Sine, where [`is_near`].
#[inline(always)]
pub fn sin_near(x: f64) -> f64 {
    both_near(x).0
}

/// Cosine, where [`is_near`].
#[inline(always)]
pub fn cos_near(x: f64) -> f64 {
    both_near(x).1
}

/// Sine and cosine, where [`is_near`]: most of the work is the same for both.
#[inline(always)]
pub fn both_near(x: f64) -> (f64, f64) {
    let (quarters, high, low) = reduce(x);
    let (sine, cosine) = (sine(high, low), cosine(high, low));
    let value = quarter(quarters, sine, cosine);
    // So -0 stays.
    let value = if x.abs() < 1e-9 { x } else { value };
    (value, quarter(quarters.wrapping_add(1), sine, cosine))
}

/// sin(n π/2 + r) of n in the lowest bits, sin r and cos r.
#[inline(always)]
fn quarter(n: u64, sine: f64, cosine: f64) -> f64 {
    let value = if n & 1 == 0 { sine } else { cosine };
    f64::from_bits(value.to_bits() ^ ((n & 2) << 62))
}

/// n and x - n π/2 in two parts, n in the lowest bits.
#[inline(always)]
fn reduce(x: f64) -> (u64, f64, f64) {
    let shifted = x.mul_add(FRAC_2_PI, SHIFT);
    let n = shifted - SHIFT;
    // Exact: what is left of x and of n FRAC_PI_2 are whole multiples of 2^-53 below 1, or n is 0.
    let first = n.mul_add(-HALF_PI[0], x);
    let product = n * HALF_PI[1];
    let product_rest = n.mul_add(HALF_PI[1], -product);
    let (second, lost) = difference(first, product);
    let rest = n.mul_add(-HALF_PI[2], lost - product_rest);
    let high = second + rest;
    (shifted.to_bits(), high, (second - high) + rest)
}

/// a - b, rounded, and what was lost (Knuth, 1969).
#[inline(always)]
fn difference(a: f64, b: f64) -> (f64, f64) {
    let d = a - b;
    let b_there = a - d;
    let a_there = d + b_there;
    (d, (a - a_there) - (b - b_there))
}

#[inline(always)]
fn sine(x: f64, low: f64) -> f64 {
    let z = x * x;
    let w = z * z;
    let end = w.mul_add(z.mul_add(S[5], S[4]), z.mul_add(S[3], S[2]));
    let r = z.mul_add(end, S[1]);
    let v = z * x;
    // low (1 - z/2) + v (S[0] + z r), the last rounding the only one of weight.
    let rest = z.mul_add(-0.5 * low, low);
    x + v.mul_add(z.mul_add(r, S[0]), rest)
}

#[inline(always)]
fn cosine(x: f64, low: f64) -> f64 {
    let z = x * x;
    let w = z * z;
    let begin = z.mul_add(z.mul_add(C[2], C[1]), C[0]);
    let end = z.mul_add(z.mul_add(C[5], C[4]), C[3]);
    let r = z * (w * z).mul_add(end, begin);
    let one = z.mul_add(-0.5, 1.0);
    // 1 - z/2 in two parts.
    let lost = z.mul_add(-0.5, 1.0 - one);
    one + z.mul_add(r, x.mul_add(-low, lost))
}
