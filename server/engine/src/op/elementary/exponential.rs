use super::{LN_2_HIGH, LN_2_LOW, SHIFT};
use std::f64::consts::LOG2_E;

/// x = n ln 2 + high - low with |high - low| <= ln 2 / 2, and n both as a number and added to [`SHIFT`].
struct Reduced {
    n: f64,
    shifted: f64,
    high: f64,
    low: f64,
}

#[inline(always)]
fn reduce(x: f64) -> Reduced {
    let shifted = x * LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    Reduced {
        n,
        shifted,
        high: x - n * LN_2_HIGH,
        low: n * LN_2_LOW,
    }
}

/// e^r - 1 - r for |r| <= ln 2 / 2: Taylor's series, whose 14th term is below 2^-57.
#[inline(always)]
fn beyond_linear(r: f64) -> f64 {
    let z = r * r;
    let w = z * z;
    let a = 1.0 / 2.0 + r * (1.0 / 6.0);
    let b = 1.0 / 24.0 + r * (1.0 / 120.0);
    let c = 1.0 / 720.0 + r * (1.0 / 5_040.0);
    let d = 1.0 / 40_320.0 + r * (1.0 / 362_880.0);
    let e = 1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0);
    let f = 1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0);
    z * ((a + z * b) + w * ((c + z * d) + w * (e + z * f)))
}

/// 2ⁿ of a whole number -1022 ..= 1023 in the lowest bits of `shifted`.
#[inline(always)]
pub(super) fn power_of_two(shifted: f64) -> f64 {
    f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// eˣ.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Beyond, results are 0 and infinite all the same.
    let (sum, rest, n) = exp_in_parts(x.clamp(-746.0, 710.0), 0.0);
    scaled(sum + rest, n)
}

/// e^(x + more) = (sum + rest) 2ⁿ, for a small `more`; a sum between ½ and 2, and a rest below 0.07.
#[inline(always)]
pub(super) fn exp_in_parts(x: f64, more: f64) -> (f64, f64, f64) {
    let Reduced { n, high, low, .. } = reduce(x);
    let low = low - more;
    let rest = beyond_linear(high - low) - low;
    // 1 + high in two parts.
    let sum = 1.0 + high;
    (sum, (high - (sum - 1.0)) + rest, n)
}

/// 2ⁿ x for whole |n| <= 2044.
#[inline(always)]
pub(super) fn scaled(x: f64, n: f64) -> f64 {
    // In two steps: 2ⁿ may not be a number where the result is one. Only the second rounds.
    let half = 0.5 * n + SHIFT;
    let other = n - (half - SHIFT) + SHIFT;
    x * power_of_two(half) * power_of_two(other)
}

/// tanh x = d / (d + 2) with d = e^2x - 1 for positive x.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    // 1 - tanh 22 is below a quarter of an ulp.
    let twice = (2.0 * x.abs()).min(44.0);
    let Reduced {
        shifted, high, low, ..
    } = reduce(twice);
    let r = high - low;
    let less_one = r + (beyond_linear(r) + ((high - r) - low));
    let power = power_of_two(shifted);
    let d = power * less_one + (power - 1.0);
    let value = (d / (d + 2.0)).copysign(x);
    if x.is_nan() { x } else { value }
}
