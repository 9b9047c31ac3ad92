use super::SHIFT;
use std::f64::consts::{LN_2, LOG2_E};

/// ln 2 - [`LN_2`].
const LN_2_REST: f64 = 2.319_046_813_846_299_6e-17;

/// e^r = 1 + r + r²/2 + r³ E(r) for |r| <= ln 2 / 2, to 2^-64 (tests/reference/minimax.py).
const E: [f64; 10] = [
    0.166_666_666_666_666_82,
    0.041_666_666_666_666_7,
    0.008_333_333_333_316_857,
    0.001_388_888_888_886_519_5,
    0.000_198_412_698_968_230_73,
    2.480_158_736_506_848_7e-5,
    2.755_723_443_472_847e-6,
    2.755_723_868_795_566_3e-7,
    2.511_218_022_392_104e-8,
    2.092_568_011_302_265_6e-9,
];

/// x = n ln 2 + high - low with |high - low| <= ln 2 / 2, and n both as a number and added to [`SHIFT`].
struct Reduced {
    n: f64,
    shifted: f64,
    high: f64,
    low: f64,
}

#[inline(always)]
fn reduce(x: f64) -> Reduced {
    let shifted = x.mul_add(LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    Reduced {
        n,
        shifted,
        // Exact: what is left of x and of n LN_2 are whole multiples of 2^-54 below ½, or n is 0.
        high: n.mul_add(-LN_2, x),
        low: n * LN_2_REST,
    }
}

/// e^r - 1 - r + more for |r| <= ln 2 / 2.
#[inline(always)]
fn beyond_linear(r: f64, more: f64) -> f64 {
    (r * r).mul_add(quadratic(r), more)
}

/// (e^r - 1 - r) / r² for |r| <= ln 2 / 2.
#[inline(always)]
fn quadratic(r: f64) -> f64 {
    let z = r * r;
    let w = z * z;
    let a = r.mul_add(E[0], 0.5);
    let b = r.mul_add(E[2], E[1]);
    let c = r.mul_add(E[4], E[3]);
    let d = r.mul_add(E[6], E[5]);
    let e = r.mul_add(E[8], E[7]);
    let end = w.mul_add(z.mul_add(E[9], e), z.mul_add(d, c));
    w.mul_add(end, z.mul_add(b, a))
}

/// 2ⁿ of a whole number -1022 ..= 1023 in the lowest bits of `shifted`.
#[inline(always)]
pub(super) fn power_of_two(shifted: f64) -> f64 {
    with_exponent(shifted.to_bits())
}

#[inline(always)]
fn with_exponent(n: u64) -> f64 {
    f64::from_bits((n << 52).wrapping_add(1023 << 52))
}

/// eˣ.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    exp_of_parts(exp_parts(x), x)
}

/// x = n ln 2 + r with |r| <= ln 2 / 2: r, and n added to [`SHIFT`].
#[inline(always)]
pub fn exp_parts(x: f64) -> (f64, f64) {
    // Beyond, results are 0 and infinite all the same.
    near_parts(x.clamp(-746.0, 710.0))
}

/// eˣ of the parts of x.
#[inline(always)]
pub fn exp_of_parts((r, shifted): (f64, f64), _: f64) -> f64 {
    scaled_by(about_1(r), shifted - SHIFT, shifted)
}

/// Numbers up to here, and down to minus this, are raised to without ado.
pub const NEAR: f64 = 700.0;

/// [`exp_parts`] of x from -[`NEAR`] to [`NEAR`].
#[inline(always)]
pub fn near_parts(x: f64) -> (f64, f64) {
    let Reduced {
        n, shifted, high, ..
    } = reduce(x);
    (n.mul_add(-LN_2_REST, high), shifted)
}

/// eˣ, the same bits, of the parts of x from -[`NEAR`] to [`NEAR`]: 2ⁿ is a number there, and so is the product.
#[inline(always)]
pub fn exp_of_near_parts((r, shifted): (f64, f64)) -> f64 {
    about_1(r) * power_of_two(shifted)
}

/// e^r for |r| <= ln 2 / 2.
#[inline(always)]
fn about_1(r: f64) -> f64 {
    // Beside half an ulp of the last rounding, those of r and its factor are below a fifth each.
    r.mul_add(r.mul_add(quadratic(r), 1.0), 1.0)
}

/// e^(x + more) = (sum + rest) 2ⁿ, for a small `more`; a sum between ½ and 2, and a rest below 0.07.
#[inline(always)]
pub(super) fn exp_in_parts(x: f64, more: f64) -> (f64, f64, f64) {
    let Reduced { n, high, low, .. } = reduce(x);
    let low = low - more;
    let rest = beyond_linear(high - low, -low);
    // 1 + high in two parts.
    let sum = 1.0 + high;
    (sum, (high - (sum - 1.0)) + rest, n)
}

/// 2ⁿ x for whole |n| <= 2044.
#[inline(always)]
pub(super) fn scaled(x: f64, n: f64) -> f64 {
    scaled_by(x, n, n + SHIFT)
}

/// The same with n also added to [`SHIFT`].
#[inline(always)]
fn scaled_by(x: f64, n: f64, shifted: f64) -> f64 {
    // In two steps: 2ⁿ may not be a number where the result is one. Only the second rounds.
    let half = n.mul_add(0.5, SHIFT).to_bits();
    let other = shifted.to_bits().wrapping_sub(half);
    x * with_exponent(half) * with_exponent(other)
}

/// tanh x = d / (d + 2) with d = e^2x - 1 for positive x.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    // 1 - tanh 22 is below a quarter of an ulp.
    let twice = (2.0 * x.abs()).min(44.0);
    let Reduced {
        shifted, high, low, ..
    } = reduce(twice);
    let less_one = high + beyond_linear(high - low, -low);
    let power = power_of_two(shifted);
    let d = power.mul_add(less_one, power - 1.0);
    let value = (d / (d + 2.0)).copysign(x);
    if x.is_nan() { x } else { value }
}
