//! exp, log, sin, cos, powers, the error function and what is made of them, written for loops: straight lines of additions,
//! multiplications and choices, which a compiler turns into instructions for many numbers at once. A number alone and a
//! number in a loop go through the same steps, so their bits are equal; where multiplication and addition are fused, it is
//! written so and rounded once, by an instruction or by a function, so they are on every machine.
//!
//! All of them are inlined, to become the instructions of the function around them. Where those are not chosen yet, the
//! functions of [`alone`] choose them.
//!
//! Bounds, in units in the last place (ulp), over the whole range, subnormal numbers included; `elementary` of the
//! integration tests measures them against 50 digits:
//!
//! | function | ulp |
//! |---|---|
//! | exp, log | 1 |
//! | sin, cos | 1 |
//! | log1p | 1 |
//! | tanh | 3 |
//! | power | 1 |
//! | scaled_power | 1.5 |
//! | erf | 1 |
//! | erfc | 2.5 |
//! | norm_cdf | 2 |
//! | gelu | 2.5 |
//!
//! After the reductions and polynomials of fdlibm (Sun Microsystems, 1993) where not said otherwise.

pub mod alone;
mod error_function;
mod exponential;
mod logarithm;
mod power;
mod trigonometric;

pub use error_function::{
    DENSITY_AT_0, erf, erf_of_parts, erf_parts, erfc, erfc_straight, gelu, gelu_slope,
    gelu_slope_straight, gelu_straight, norm_cdf, norm_cdf_straight,
};
pub use exponential::{NEAR, exp, exp_of_near_parts, exp_of_parts, exp_parts, near_parts, tanh};
pub use logarithm::{log, log1p};
pub use power::{
    power, power_exponent, power_of_exponent, scaled_power, scaled_power_exponent,
    scaled_power_of_exponent,
};
pub use trigonometric::{both_near, cos, cos_near, is_near, sin, sin_near};

/// 1.5 · 2⁵²: what is added to it is rounded to a whole number, which stands in the lowest bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts; a whole number below 2¹¹ times the first is exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The bits of 1.
const ONE: u64 = 0x3ff0_0000_0000_0000;
