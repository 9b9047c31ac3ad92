//! Integrals over (0, inf) of smooth functions that die off exponentially.

use super::dd::Dd;

/// ∫ f(v) dv from 0 to infinity: the double exponential rule v = scale · exp(s - e^-s) (Takahasi and Mori, "Double
/// exponential formulas for numerical integration", 1974). `scale` is about where f has fallen to 1/e; wiggles at
/// other scales are found, too, since the points are spread evenly over log v.
///
/// Beside it ∫ |f|: where the integral is small against it, it is small by cancellation.
pub fn exponential(scale: f64, f: impl Fn(f64) -> f64) -> (f64, f64) {
    const STEP: f64 = 1.0 / 16.0;
    const FIRST: i32 = -58;
    const LAST: i32 = 16 * 800;
    let (mut sum, mut size, mut quiet) = (0.0, 0.0, 0);
    for i in FIRST..LAST {
        let s = f64::from(i) * STEP;
        let e = libm::exp(-s);
        let v = scale * libm::exp(s - e);
        let term = f(v) * v * (1.0 + e);
        if !term.is_finite() {
            break;
        }
        sum += term;
        size += term.abs();
        // Several in a row: one alone may be a zero of f.
        quiet = if term.abs() < 1e-20 * size {
            quiet + 1
        } else {
            0
        };
        if quiet >= 4 && i > 0 {
            break;
        }
    }
    (sum * STEP, size * STEP)
}

/// The same in double-double, for what cancels.
pub fn exponential_dd(scale: f64, f: impl Fn(Dd) -> Dd) -> Dd {
    const STEP: f64 = 1.0 / 16.0;
    let (mut sum, mut size, mut quiet) = (Dd::ZERO, 0.0, 0);
    for i in -68..16 * 800 {
        let s = Dd::from(f64::from(i) * STEP);
        let e = (-s).exp();
        let v = (s - e).exp() * scale;
        let term = f(v) * v * (e + 1.0);
        if !term.hi.is_finite() {
            break;
        }
        sum = sum + term;
        size += term.hi.abs();
        quiet = if term.hi.abs() < 1e-28 * size {
            quiet + 1
        } else {
            0
        };
        if quiet >= 4 && i > 0 {
            break;
        }
    }
    sum * STEP
}
