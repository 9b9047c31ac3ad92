//! Elementwise operations on numbers that carry derivatives: by arithmetic and the numbers' own functions, never by
//! the op table's partial derivatives.

use super::Number;
use super::special;
use crate::op::Op;

/// The operation at one element; `None` where this evaluator lacks it. Arity is right.
pub(super) fn apply<N: Number>(op: Op, x: &[N]) -> Option<N> {
    let one = N::constant(1.0);
    Some(match (op, x) {
        (Op::Add, [a, b]) => *a + *b,
        (Op::Subtract, [a, b]) => *a - *b,
        (Op::Multiply, [a, b]) => *a * *b,
        (Op::Divide, [a, b]) => (*a / *b).at(op.value2(a.value(), b.value())),
        (Op::Fma, [a, b, c]) => *a * *b + *c,
        (Op::Maximum, [a, b]) => larger(*a, *b),
        (Op::Minimum, [a, b]) => -larger(-*a, -*b),
        (Op::Clamp, [low, a, high]) => -larger(-larger(*a, *low), -*high),
        (Op::Power, [a, b]) => power(*a, *b),
        (Op::Remainder, [a, b]) => {
            let whole = libm::trunc(a.value() / b.value());
            (*a - *b * N::constant(whole)).at(op.value2(a.value(), b.value()))
        }
        (Op::MultiplyNoNan, [a, b]) => {
            let product = *a * *b;
            let zero = a.value() == 0.0 || b.value() == 0.0;
            if zero && product.value().is_nan() {
                N::constant(0.0)
            } else {
                product
            }
        }
        (Op::Hypot, [a, b]) => {
            let scale = a.value().abs().max(b.value().abs());
            if scale == 0.0 {
                return Some(N::constant(0.0));
            }
            let (p, q) = (*a / N::constant(scale), *b / N::constant(scale));
            N::constant(scale) * (p * p + q * q).elementary(Op::Sqrt)?
        }
        (Op::Atan2, [a, b]) => {
            // Whichever quotient is small; the branch is a constant apart.
            let angle = if b.value().abs() >= a.value().abs() {
                (*a / *b).elementary(Op::Atan)?
            } else {
                -(*b / *a).elementary(Op::Atan)?
            };
            angle.at(op.value2(a.value(), b.value()))
        }
        (Op::Direction, [a, b]) if a.value() == 0.0 && b.value() == 0.0 => N::constant(0.0),
        (Op::Direction, [a, b]) => {
            let direction = *a / apply(Op::Hypot, &[*a, *b])?;
            direction.at(op.value2(a.value(), b.value()))
        }
        (Op::OverNormSquared, [a, b]) => {
            let scale = N::constant(a.value().abs().max(b.value().abs()));
            let (p, q) = (*a / scale, *b / scale);
            (p / (p * p + q * q) / scale).at(op.value2(a.value(), b.value()))
        }
        (Op::ScaledPower, [a, b, c]) => {
            let product = *c * power(*a, *b);
            let value = op.value3(a.value(), b.value(), c.value());
            match product.value().is_nan() {
                true => N::constant(value),
                false => product.at(value),
            }
        }
        (Op::Copysign, [a, b]) => {
            let magnitude = absolute(*a);
            match b.value().is_sign_negative() {
                true => -magnitude,
                false => magnitude,
            }
        }
        (Op::Logaddexp, [a, b]) => {
            let (high, low) = match a.value() >= b.value() {
                true => (*a, *b),
                false => (*b, *a),
            };
            if high.value().is_infinite() {
                return Some(N::constant(op.value2(a.value(), b.value())));
            }
            high + (low - high).elementary(Op::Exp)?.elementary(Op::Log1p)?
        }
        (Op::LeakyRelu, [a, slope]) => match a.value() > 0.0 {
            true => *a,
            false => *a * *slope,
        },
        (Op::Elu, [a, alpha]) => match a.value() > 0.0 {
            true => *a,
            false => *alpha * a.elementary(Op::Expm1)?,
        },
        (Op::Xlogy, [a, b]) if a.value() == 0.0 && b.value() == 0.0 => N::constant(0.0),
        (Op::Xlogy, [a, b]) => *a * b.elementary(Op::Log)?,
        (Op::Xlog1py, [a, b]) if a.value() == 0.0 && b.value() == -1.0 => N::constant(0.0),
        (Op::Xlog1py, [a, b]) => *a * b.elementary(Op::Log1p)?,

        (Op::Negate, [a]) => -*a,
        (Op::Abs, [a]) => absolute(*a),
        (Op::Square, [a]) => *a * *a,
        (Op::Rsqrt, [a]) => one / a.elementary(Op::Sqrt)?,
        (Op::Sqrt | Op::Cbrt, [a]) if a.value() == 0.0 => {
            a.chain([a.value(), f64::INFINITY, f64::NEG_INFINITY])
        }
        (Op::Logistic, [a]) => logistic(*a)?,
        (Op::Softplus, [a]) => softplus(*a)?,
        (Op::Softsign, [a]) => *a / (one + absolute(*a)),
        (Op::LogSigmoid, [a]) => -softplus(-*a)?,
        (Op::Silu, [a]) => *a * logistic(*a)?,
        (Op::Gelu, [a]) => *a * special::apply(Op::NormCdf, &[*a])?,
        (Op::GeluTanh, [a]) => {
            let inner = *a + N::constant(0.044715) * *a * *a * *a;
            let slope = N::constant(std::f64::consts::FRAC_2_PI.sqrt());
            // (1 + tanh z) / 2 = logistic(2z), without its cancellation.
            *a * logistic(N::constant(2.0) * slope * inner)?
        }
        (Op::Sech, [a]) => {
            let small = match a.value() < 0.0 {
                true => a.elementary(Op::Exp)?,
                false => (-*a).elementary(Op::Exp)?,
            };
            N::constant(2.0) * small / (one + small * small)
        }
        (Op::GeluSlope, [a]) => {
            let density = (N::constant(-0.5) * *a * *a).elementary(Op::Exp)?;
            let density = density * N::constant((0.5 * std::f64::consts::FRAC_1_PI).sqrt());
            let cdf = special::apply(Op::NormCdf, &[*a])?;
            (cdf + *a * density).at(op.value1(a.value()))
        }
        (Op::Relu, [a]) if a.value() <= 0.0 => N::constant(0.0),
        (Op::Relu, [a]) => *a,
        (Op::Sinc, [a]) => sinc(*a)?,
        (
            Op::Sign
            | Op::Floor
            | Op::Ceil
            | Op::RoundNearestEven
            | Op::Trunc
            | Op::RoundNearestAfz,
            [a],
        ) => N::constant(op.value1(a.value())),
        (op, [a]) => match a.elementary(op) {
            Some(y) if a.moves() => y,
            // An infinite slope times nothing is nothing.
            Some(y) => N::constant(y.value()),
            None => return special::apply(op, x),
        },
        (op, x) => return special::apply(op, x),
    })
}

/// Whether the operation is analytic wherever it is smooth, so that a complex step may pass.
pub(super) fn is_analytic(op: Op) -> bool {
    !matches!(
        op,
        Op::Abs
            | Op::Sign
            | Op::Maximum
            | Op::Minimum
            | Op::Clamp
            | Op::Copysign
            | Op::Remainder
            | Op::Floor
            | Op::Ceil
            | Op::RoundNearestEven
            | Op::RoundNearestAfz
            | Op::Trunc
            | Op::Relu
            | Op::LeakyRelu
            | Op::Softsign
            | Op::Elu
    )
}

/// The larger; equal ones share the derivative.
fn larger<N: Number>(a: N, b: N) -> N {
    let (x, y) = (a.value(), b.value());
    if x.is_nan() || x > y {
        a
    } else if x == y {
        // 0.5 a + 0.5 b, and +0 or -0 as the operation gives it.
        (N::constant(0.5) * a + N::constant(0.5) * b).at(y)
    } else {
        b
    }
}

fn absolute<N: Number>(a: N) -> N {
    match a.value() {
        0.0 => N::constant(0.0),
        x if x < 0.0 => -a,
        _ => a,
    }
}

fn logistic<N: Number>(a: N) -> Option<N> {
    let one = N::constant(1.0);
    Some(match a.value() >= 0.0 {
        true => one / (one + (-a).elementary(Op::Exp)?),
        false => {
            let e = a.elementary(Op::Exp)?;
            e / (one + e)
        }
    })
}

fn softplus<N: Number>(a: N) -> Option<N> {
    Some(match a.value() > 0.0 {
        true => a + (-a).elementary(Op::Exp)?.elementary(Op::Log1p)?,
        false => a.elementary(Op::Exp)?.elementary(Op::Log1p)?,
    })
}

/// sin(πa) / (πa); by its power series near 0, where the quotient's derivative cancels.
fn sinc<N: Number>(a: N) -> Option<N> {
    let t = a * N::constant(std::f64::consts::PI);
    if t.value().abs() > 1.0 {
        // sin(πa) of the reduced argument: π times a large a is rounded.
        let turns = 2.0 * libm::rint(a.value() / 2.0);
        let reduced = (a - N::constant(turns)) * N::constant(std::f64::consts::PI);
        return Some(reduced.elementary(Op::Sin)? / t);
    }
    let square = t * t;
    let mut sum = N::constant(0.0);
    for k in (1..14).rev() {
        let k = f64::from(k);
        sum = (N::constant(1.0) + sum) * square / N::constant(-(2.0 * k) * (2.0 * k + 1.0));
    }
    Some(N::constant(1.0) + sum)
}

/// a^b. The exponent 0 gives slope 0 even at base 0, base 0 gives slope 0 in a positive exponent.
fn power<N: Number>(a: N, b: N) -> N {
    let (x, p) = (a.value(), b.value());
    let value = Op::Power.value2(x, p);
    if b.moves() && x != 0.0 {
        return match a.elementary(Op::Log) {
            Some(log) => (b * log)
                .elementary(Op::Exp)
                .map_or(N::constant(f64::NAN), |y| y.at(value)),
            None => N::constant(f64::NAN),
        };
    }
    if !a.moves() {
        return N::constant(value);
    }
    if p == libm::trunc(p) && p.abs() <= 64.0 {
        return integer_power(a, p as i32).at(value);
    }
    if !N::PIECEWISE {
        let log = a.elementary(Op::Log);
        let y = log.and_then(|log| (log * N::constant(p)).elementary(Op::Exp));
        return y.map_or(N::constant(f64::NAN), |y| y.at(value));
    }
    // A factor 0 wins over a power of 0 that is infinite.
    let falling = |factor: f64, exponent: f64| match factor {
        0.0 => 0.0,
        f => f * Op::Power.value2(x, exponent),
    };
    a.chain([value, falling(p, p - 1.0), falling(p * (p - 1.0), p - 2.0)])
}

/// a^n by squaring; a^0 = 1 does not move.
pub(super) fn integer_power<N: Number>(a: N, n: i32) -> N {
    let mut result = N::constant(1.0);
    let (mut base, mut left) = (a, n.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            result = result * base;
        }
        left >>= 1;
        if left > 0 {
            base = base * base;
        }
    }
    match n < 0 {
        true => N::constant(1.0) / result,
        false => result,
    }
}
