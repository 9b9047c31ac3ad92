//! What the evaluator computes with: dual, hyper-dual and complex numbers behind one trait.

use crate::op::Op;
use num_complex::Complex64;
use num_dual::{Dual64, DualNum, HyperDual64};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number that carries derivatives along.
pub trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + 'static
{
    /// Whether functions that are not analytic may be evaluated. A complex step through one means nothing.
    const PIECEWISE: bool;

    /// A number that does not move.
    fn constant(value: f64) -> Self;

    /// The number without its derivatives.
    fn value(&self) -> f64;

    /// Whether any derivative is other than 0.
    fn moves(&self) -> bool;

    /// The same derivatives at another value: corrects a formula's last bits.
    fn at(self, value: f64) -> Self;

    /// A function of this number from its value and first two derivatives. NaN for complex numbers, whose
    /// derivative is to come out of the arithmetic alone.
    fn chain(self, f: [f64; 3]) -> Self;

    /// A function of the standard library of numbers; `None` for one that it lacks.
    fn elementary(self, op: Op) -> Option<Self>;
}

/// The functions that dual numbers and complex numbers both have.
macro_rules! common {
    ($x:ident, $op:ident) => {
        Some(match $op {
            Op::Exp => $x.exp(),
            Op::Log => $x.ln(),
            Op::Sin => $x.sin(),
            Op::Cos => $x.cos(),
            Op::Tan => $x.tan(),
            Op::Asin => $x.asin(),
            Op::Acos => $x.acos(),
            Op::Atan => $x.atan(),
            Op::Sinh => $x.sinh(),
            Op::Cosh => $x.cosh(),
            Op::Tanh => $x.tanh(),
            Op::Asinh => $x.asinh(),
            Op::Acosh => $x.acosh(),
            Op::Atanh => $x.atanh(),
            Op::Sqrt => $x.sqrt(),
            _ => return None,
        })
    };
}

macro_rules! dual {
    ($x:ident, $op:ident) => {
        Some(match $op {
            Op::Cbrt => $x.cbrt(),
            Op::Exp2 => $x.exp2(),
            Op::Expm1 => $x.exp_m1(),
            Op::Log1p => $x.ln_1p(),
            Op::Log2 => $x.log2(),
            Op::Log10 => $x.log10(),
            Op::Reciprocal => $x.recip(),
            op => return common!($x, op),
        })
    };
}

/// A slope times a direction: 0 where the direction does not move, even if the slope is infinite.
fn along(slope: f64, direction: f64) -> f64 {
    if direction == 0.0 {
        0.0
    } else {
        slope * direction
    }
}

impl Number for Dual64 {
    const PIECEWISE: bool = true;

    fn constant(value: f64) -> Self {
        Dual64::new(value, 0.0)
    }

    fn value(&self) -> f64 {
        self.re
    }

    fn moves(&self) -> bool {
        self.eps != 0.0
    }

    fn at(self, value: f64) -> Self {
        Dual64::new(value, self.eps)
    }

    fn chain(self, [value, slope, _]: [f64; 3]) -> Self {
        Dual64::new(value, along(slope, self.eps))
    }

    fn elementary(self, op: Op) -> Option<Self> {
        dual!(self, op)
    }
}

impl Number for HyperDual64 {
    const PIECEWISE: bool = true;

    fn constant(value: f64) -> Self {
        HyperDual64::new(value, 0.0, 0.0, 0.0)
    }

    fn value(&self) -> f64 {
        self.re
    }

    fn moves(&self) -> bool {
        self.eps1 != 0.0 || self.eps2 != 0.0 || self.eps1eps2 != 0.0
    }

    fn at(self, value: f64) -> Self {
        HyperDual64::new(value, self.eps1, self.eps2, self.eps1eps2)
    }

    fn chain(self, [value, slope, curvature]: [f64; 3]) -> Self {
        HyperDual64::new(
            value,
            along(slope, self.eps1),
            along(slope, self.eps2),
            along(slope, self.eps1eps2) + along(curvature, self.eps1 * self.eps2),
        )
    }

    fn elementary(self, op: Op) -> Option<Self> {
        dual!(self, op)
    }
}

impl Number for Complex64 {
    const PIECEWISE: bool = false;

    fn constant(value: f64) -> Self {
        Complex64::new(value, 0.0)
    }

    fn value(&self) -> f64 {
        self.re
    }

    fn moves(&self) -> bool {
        self.im != 0.0
    }

    fn at(self, value: f64) -> Self {
        Complex64::new(value, self.im)
    }

    fn chain(self, [value, _, _]: [f64; 3]) -> Self {
        Complex64::new(value, if self.im == 0.0 { 0.0 } else { f64::NAN })
    }

    fn elementary(self, op: Op) -> Option<Self> {
        use std::f64::consts::{LN_2, LN_10};
        Some(match op {
            Op::Exp2 => (self * LN_2).exp(),
            Op::Expm1 => self.exp() - 1.0,
            Op::Log1p => (self + 1.0).ln(),
            Op::Log2 => self.ln() / LN_2,
            Op::Log10 => self.ln() / LN_10,
            Op::Reciprocal => self.inv(),
            // The real root, where the library gives the principal one.
            Op::Cbrt if self.re < 0.0 => -((-self).ln() / 3.0).exp(),
            Op::Cbrt => (self.ln() / 3.0).exp(),
            Op::Atan => arctangent(self),
            Op::Asin => arctangent(self / (1.0 + (1.0 - self * self).sqrt())) * 2.0,
            Op::Acos => {
                let asin = self.elementary(Op::Asin)?;
                Complex64::new(std::f64::consts::FRAC_PI_2, 0.0) - asin
            }
            op => return common!(self, op),
        })
    }
}

/// atan(x + iy) with all digits of a small imaginary part: Abramowitz and Stegun 4.4.39.
fn arctangent(z: Complex64) -> Complex64 {
    let (x, y) = (z.re, z.im);
    let re = 0.5 * (2.0 * x).atan2((1.0 - x * x) - y * y);
    let im = 0.25 * libm::log1p(4.0 * y / (x * x + (1.0 - y) * (1.0 - y)));
    Complex64::new(re, im)
}
