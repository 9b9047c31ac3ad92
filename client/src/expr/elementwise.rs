//! Elementwise operations. Operands of one element type; scalars stretch, every other broadcast is explicit.

use gradient_proto::v1::{self as proto, CompareDirection, Op, node::Attributes};

use super::{Expr, Operand};
use crate::tensor::Dtype;

macro_rules! unary {
    ($($(#[$doc:meta])+ $name:ident = $op:ident;)*) => {
        /// # Elementwise, one operand
        impl Expr {$(
            $(#[$doc])+
            #[track_caller]
            pub fn $name(&self) -> Expr {
                self.unary(Op::$op, None)
            }
        )*}
    };
}

unary! {
    /// |a|; derivative 0 at 0.
    abs = Abs;
    /// -1, 0 or 1.
    sign = Sign;
    /// a².
    square = Square;
    /// Square root.
    sqrt = Sqrt;
    /// 1 / √a.
    rsqrt = Rsqrt;
    /// Real cube root.
    cbrt = Cbrt;
    /// 1 / a.
    recip = Reciprocal;
    /// eᵃ.
    exp = Exp;
    /// eᵃ - 1, accurate near 0.
    expm1 = Expm1;
    /// 2ᵃ.
    exp2 = Exp2;
    /// Natural logarithm.
    ln = Log;
    /// log(1 + a), accurate near 0.
    ln_1p = Log1p;
    /// Logarithm to base 2.
    log2 = Log2;
    /// Logarithm to base 10.
    log10 = Log10;
    /// 1 / (1 + e⁻ᵃ).
    logistic = Logistic;
    /// Sine.
    sin = Sin;
    /// Cosine.
    cos = Cos;
    /// Tangent.
    tan = Tan;
    /// Inverse sine.
    asin = Asin;
    /// Inverse cosine.
    acos = Acos;
    /// Inverse tangent.
    atan = Atan;
    /// Hyperbolic sine.
    sinh = Sinh;
    /// Hyperbolic cosine.
    cosh = Cosh;
    /// Hyperbolic tangent.
    tanh = Tanh;
    /// Inverse hyperbolic sine.
    asinh = Asinh;
    /// Inverse hyperbolic cosine.
    acosh = Acosh;
    /// Inverse hyperbolic tangent.
    atanh = Atanh;
    /// Largest integer not above a; derivative 0.
    floor = Floor;
    /// Smallest integer not below a; derivative 0.
    ceil = Ceil;
    /// Nearest integer, ties to even; derivative 0.
    round = RoundNearestEven;
    /// Neither infinite nor NaN, as bool.
    is_finite = IsFinite;
    /// The expression itself, with derivative 0.
    stop_gradient = StopGradient;
}

macro_rules! binary {
    ($($(#[$doc:meta])+ $name:ident = $op:ident;)*) => {
        /// # Elementwise, two operands
        impl Expr {$(
            $(#[$doc])+
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Expr {
                self.binary(Op::$op, other, None)
            }
        )*}
    };
}

binary! {
    /// a to the power b; d/da a⁰ = 0.
    pow = Power;
    /// The larger, NaN if either is; ties share the derivative equally.
    maximum = Maximum;
    /// The smaller, NaN if either is; ties share the derivative equally.
    minimum = Minimum;
    /// Angle of the point (other, self): atan(self / other) in the right quadrant.
    atan2 = Atan2;
    /// √(a² + b²) without overflow; derivative 0 at the origin.
    hypot = Hypot;
    /// a - b·trunc(a / b), with the sign of a.
    remainder = Remainder;
    /// a·b, but 0 where b is 0, even if a is infinite or NaN.
    multiply_no_nan = MultiplyNoNan;
}

macro_rules! compare {
    ($($(#[$doc:meta])+ $name:ident = $direction:ident;)*) => {
        /// # Comparisons, as bool
        impl Expr {$(
            $(#[$doc])+
            #[track_caller]
            pub fn $name(&self, other: impl Operand) -> Expr {
                let compare = proto::Compare { direction: CompareDirection::$direction as i32 };
                self.binary(Op::Compare, other, Some(Attributes::Compare(compare.into())))
            }
        )*}
    };
}

compare! {
    /// a = b.
    equal = Eq;
    /// a ≠ b; true if either is NaN.
    not_equal = Ne;
    /// a < b.
    lt = Lt;
    /// a ≤ b.
    le = Le;
    /// a > b.
    gt = Gt;
    /// a ≥ b.
    ge = Ge;
}

/// # Powers, choices and conversions
impl Expr {
    /// a to an integer power: a², 1 / a and a itself where the power is one of them.
    #[track_caller]
    pub fn powi(&self, power: i32) -> Expr {
        match power {
            -1 => self.recip(),
            1 => self.clone(),
            2 => self.square(),
            _ => self.pow(f64::from(power)),
        }
    }

    /// a to a fixed power.
    #[track_caller]
    pub fn powf(&self, power: f64) -> Expr {
        self.pow(power)
    }

    /// The larger of a and 0; derivative ½ at 0, half of either side's.
    #[track_caller]
    pub fn relu(&self) -> Expr {
        self.maximum(0.0)
    }

    /// Where this bool expression is true `then`, elsewhere `otherwise`. The one not taken reaches neither value
    /// nor derivative. Two plain numbers are `f64`.
    #[track_caller]
    pub fn select(&self, then: impl Operand, otherwise: impl Operand) -> Expr {
        let dtype = then.dtype().or(otherwise.dtype()).unwrap_or(Dtype::F64);
        let then = then.into_expr(&self.arena, dtype);
        let otherwise = otherwise.into_expr(&self.arena, dtype);
        self.arena
            .apply(Op::Select, &[self, &then, &otherwise], None)
    }

    /// Another element type. Differentiable between floating-point types. To i64 it truncates towards zero; to
    /// bool it is "not zero".
    #[track_caller]
    pub fn convert(&self, dtype: Dtype) -> Expr {
        let convert = proto::Convert {
            dtype: dtype.to_proto() as i32,
        };
        self.unary(Op::Convert, Some(Attributes::Convert(convert.into())))
    }
}
