use super::{LN_2_HIGH, LN_2_LOW, ONE};

/// Where the significand's interval [√½, √2) begins.
const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;

/// Coefficients of the polynomial R with log((1 + s) / (1 - s)) = 2s + s R(s²).
const L: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// Natural logarithm.
#[inline(always)]
pub fn log(x: f64) -> f64 {
    logarithm(x, 0.0)
}

/// log(1 + x).
#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    // What the sum has lost, as a part of it.
    let lost = if x > 1.0 {
        1.0 - (u - x)
    } else {
        x - (u - 1.0)
    };
    let value = logarithm(u, lost / u);
    // -0 stays; infinity has lost nothing.
    match x == 0.0 || u == f64::INFINITY {
        true => x,
        false => value,
    }
}

/// log x + more, for a small `more`; for x that is not positive and finite log x.
#[inline(always)]
fn logarithm(x: f64, more: f64) -> f64 {
    let is_small = x < f64::MIN_POSITIVE;
    let (y, lowered) = match is_small {
        true => (x * 18_014_398_509_481_984.0, 54.0),
        false => (x, 0.0),
    };
    // y = 2ᵏ m
    let bits = y.to_bits().wrapping_add(ONE - ROOT_HALF);
    let k =
        f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000) - 4_503_599_627_371_519.0 - lowered;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(ROOT_HALF));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w.mul_add(w.mul_add(L[5], L[3]), L[1]);
    let odd = w.mul_add(w.mul_add(w.mul_add(L[6], L[4]), L[2]), L[0]);
    let half = 0.5 * f * f;
    let series = z.mul_add(z.mul_add(even, odd), half);
    let small = s.mul_add(series, k.mul_add(LN_2_LOW, more));
    let value = k.mul_add(LN_2_HIGH, f - (half - small));
    let outside = if x == 0.0 {
        f64::NEG_INFINITY
    } else {
        f64::NAN
    };
    let outside = if x == f64::INFINITY { x } else { outside };
    match x > 0.0 && x < f64::INFINITY {
        true => value,
        false => outside,
    }
}
