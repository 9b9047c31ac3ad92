//! Special functions of f64: values of the op table's rows. Where FreeBSD's functions (`libm`) are accurate enough
//! the rows use them; what is here is what they lack. Every function gives NaN outside of its domain.

#![allow(
    clippy::neg_cmp_op_on_partial_ord,
    clippy::excessive_precision,
    reason = "NaN goes the way of what is outside; coefficients stand as published"
)]

pub mod bessel;
mod bessel_i_table;
mod dd;
pub mod error_function;
pub mod gamma;
pub mod incomplete_beta;
pub mod incomplete_gamma;
mod quadrature;
pub mod zeta;

/// x log y, 0 where x is 0 (unless y is NaN).
pub fn xlogy(x: f64, y: f64) -> f64 {
    if x == 0.0 && !y.is_nan() {
        0.0
    } else {
        x * libm::log(y)
    }
}

/// x log(1 + y), 0 where x is 0 (unless y is NaN).
pub fn xlog1py(x: f64, y: f64) -> f64 {
    if x == 0.0 && !y.is_nan() {
        0.0
    } else {
        x * libm::log1p(y)
    }
}
