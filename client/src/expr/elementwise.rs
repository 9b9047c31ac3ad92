//! Elementwise operations. Operands of one element type; scalars stretch, every other broadcast is explicit.

use gradient_proto::v1::{self as proto, CompareDirection, Op, node::Attributes};

use super::{Expr, Operand};
use crate::tensor::Dtype;

/// A method for each operation of one operand.
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
    /// Nearest integer, ties away from 0; derivative 0.
    round_away = RoundNearestAfz;
    /// Nearest integer towards 0; derivative 0.
    trunc = Trunc;
    /// Neither infinite nor NaN, as bool.
    is_finite = IsFinite;
    /// NaN, as bool.
    is_nan = IsNan;
    /// Infinite, as bool.
    is_inf = IsInf;
    /// sin(πa) / (πa), 1 at 0: NumPy's sinc.
    sinc = Sinc;
    /// log(1 + eᵃ) without overflow.
    softplus = Softplus;
    /// a / (1 + |a|).
    softsign = Softsign;
    /// log(logistic(a)), accurate throughout.
    log_sigmoid = LogSigmoid;
    /// The larger of a and 0; derivative 0 at 0.
    relu = Relu;
    /// a times the distribution function of the standard normal distribution.
    gelu = Gelu;
    /// The usual approximation of [`Expr::gelu`]: a/2 · (1 + tanh(√(2/π)·(a + 0.044715 a³))).
    gelu_tanh = GeluTanh;
    /// a · logistic(a).
    silu = Silu;
    /// The expression itself, with derivative 0.
    stop_gradient = StopGradient;
}

pub(super) use unary;

/// A method for each operation of two operands.
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

pub(super) use binary;

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
    /// |a| with the sign of b (that of -0 is minus); derivative 0 in b, and in a at 0.
    copysign = Copysign;
    /// log(eᵃ + eᵇ) without overflow.
    logaddexp = Logaddexp;
    /// a where a > 0, else b·a for slope b; derivative b at 0.
    leaky_relu = LeakyRelu;
    /// a where a > 0, else b·(eᵃ - 1); derivative b at 0.
    elu = Elu;
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
    /// a to an integer power: 1 / a, a itself and a² where the power is -1, 1 or 2. a⁰ is 1 with derivative 0.
    #[track_caller]
    pub fn powi(&self, power: i32) -> Expr {
        match power {
            -1 => self.recip(),
            1 => self.clone(),
            2 => self.square(),
            exponent => self.unary(
                Op::IntegerPow,
                Some(Attributes::IntegerPow(
                    proto::IntegerPow { exponent }.into(),
                )),
            ),
        }
    }

    /// a to a fixed power.
    #[track_caller]
    pub fn powf(&self, power: f64) -> Expr {
        self.pow(power)
    }

    /// min(max(a, low), high), NaN if a is. At a bound a shares the derivative equally with it.
    #[track_caller]
    pub fn clamp(&self, low: impl Operand, high: impl Operand) -> Expr {
        let dtype = self.dtype();
        let low = low.into_expr(&self.arena, dtype);
        let high = high.into_expr(&self.arena, dtype);
        self.arena.apply(Op::Clamp, &[&low, self, &high], None)
    }

    /// a·factor + addend, rounded once.
    #[track_caller]
    pub fn fma(&self, factor: impl Operand, addend: impl Operand) -> Expr {
        let dtype = self.dtype();
        let factor = factor.into_expr(&self.arena, dtype);
        let addend = addend.into_expr(&self.arena, dtype);
        self.arena.apply(Op::Fma, &[self, &factor, &addend], None)
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
