//! exp, log, sin, cos and what is made of them, written for loops: straight lines of additions, multiplications and
//! choices, which a compiler turns into instructions for many numbers at once. A number alone and a number in a loop go
//! through the same steps, so their bits are equal; nothing is fused, so they are on every machine.
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
//!
//! After the reductions and polynomials of fdlibm (Sun Microsystems, 1993) where not said otherwise.

mod exponential;
mod logarithm;
mod trigonometric;

pub use exponential::{exp, tanh};
pub use logarithm::{log, log1p};
pub use trigonometric::{cos, cos_near, is_near, sin, sin_near};

/// 1.5 · 2⁵²: what is added to it is rounded to a whole number, which stands in the lowest bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// ln 2 in two parts; a whole number below 2¹¹ times the first is exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
