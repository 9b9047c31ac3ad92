//! The standard normal distribution, accurate far into the tail.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// 1 / √(2π).
pub(super) const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;
/// What rounding took from 1 / √2.
const FRAC_1_SQRT_2_REST: f64 = -4.833_646_656_726_457e-17;

/// √φ(x) (2π)^¼ = e^(-x²/4), with x² to twice the precision: the tail multiplies its relative error by up to 745.
fn root_of_density(x: f64) -> f64 {
    let square = x * x;
    let lost = f64::mul_add(x, x, -square);
    let root = libm::exp(-0.25 * square);
    root - root * 0.25 * lost
}

/// Φ(x) / φ(x) for x < -13: the continued fraction's asymptotic series (Abramowitz and Stegun 26.2.12), whose terms
/// shrink below 1e-17 before they grow.
fn mills_ratio(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let mut sum = 1.0;
    for k in (1..=40).rev() {
        let factor = f64::from(2 * k - 1) * z;
        if factor < 0.5 {
            sum = 1.0 - factor * sum;
        }
    }
    -sum / x
}

/// Φ(x).
pub(super) fn norm_cdf(x: f64) -> f64 {
    if x < -13.0 {
        let x = x.max(-100.0);
        let root = root_of_density(x);
        return root * (DENSITY_AT_0 * mills_ratio(x)) * root;
    }
    let (z, lost) = over_root_two(-x);
    let tail = libm::erfc(z);
    // erfc' = -2/√π e^(-z²).
    0.5 * (tail - 2.0 / PI.sqrt() * libm::exp(-z * z) * lost)
}

/// x / √2 and what rounding took from it.
fn over_root_two(x: f64) -> (f64, f64) {
    let z = x * FRAC_1_SQRT_2;
    let lost = f64::mul_add(x, FRAC_1_SQRT_2, -z);
    (z, lost + x * FRAC_1_SQRT_2_REST)
}

/// x Φ(x).
pub(super) fn gelu(x: f64) -> f64 {
    if x < -13.0 {
        let x = x.max(-100.0);
        let root = root_of_density(x);
        return (x * root) * (DENSITY_AT_0 * mills_ratio(x)) * root;
    }
    if x > 40.0 { x } else { x * norm_cdf(x) }
}

/// Φ(x) + x φ(x), the derivative of [`gelu`].
pub(super) fn gelu_slope(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 40.0 {
        return 1.0;
    }
    let x = x.max(-100.0);
    let root = root_of_density(x);
    if x < -13.0 {
        return DENSITY_AT_0 * root * (x + mills_ratio(x)) * root;
    }
    norm_cdf(x) + DENSITY_AT_0 * root * x * root
}
