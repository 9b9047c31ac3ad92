//! Special functions by their values and the closed forms of their first two derivatives. Formulas: NIST Digital
//! Library of Mathematical Functions (chapters 5, 7, 8, 10, 25).

use super::Number;
use crate::op::Op;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// The function at one element; `None` where its derivative has no closed form here.
pub(super) fn apply<N: Number>(op: Op, x: &[N]) -> Option<N> {
    match *x {
        [a] => Some(a.chain(unary(op, a.value())?)),
        [a, b] if op == Op::Lbeta => {
            let of = |x: N| apply(Op::Lgamma, &[x]);
            let sum = of(a)? + of(b)? - of(a + b)?;
            Some(sum.at(op.value2(a.value(), b.value())))
        }
        [n, a] if !n.moves() => Some(a.chain(with_order(op, n.value(), a.value())?)),
        // The derivative in an integer order is 0.
        [n, a] if matches!(op, Op::Polygamma | Op::BesselJn | Op::BesselYn) => {
            Some(a.chain(with_order(op, n.value(), a.value())?))
        }
        [a, b, x] if op == Op::Betainc && !a.moves() && !b.moves() => {
            let (a, b, t) = (a.value(), b.value(), x.value());
            let log = (a - 1.0) * t.ln() + (b - 1.0) * libm::log1p(-t) - Op::Lbeta.value2(a, b);
            let density = log.exp();
            let curvature = density * ((a - 1.0) / t - (b - 1.0) / (1.0 - t));
            Some(x.chain([op.value3(a, b, t), density, curvature]))
        }
        _ => None,
    }
}

/// Value, slope and curvature.
fn unary(op: Op, x: f64) -> Option<[f64; 3]> {
    let f = op.value1(x);
    let gauss = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    Some(match op {
        Op::Erf | Op::Erfc => {
            let slope = FRAC_2_SQRT_PI * (-x * x).exp() * if op == Op::Erf { 1.0 } else { -1.0 };
            [f, slope, -2.0 * x * slope]
        }
        Op::ErfInv => {
            let slope = (f * f).exp() / FRAC_2_SQRT_PI;
            [f, slope, 2.0 * f * slope * slope]
        }
        Op::Erfcx => {
            let slope = 2.0 * x * f - FRAC_2_SQRT_PI;
            [f, slope, 2.0 * f + 2.0 * x * slope]
        }
        Op::Lgamma => [f, Op::Digamma.value1(x), Op::Polygamma.value2(1.0, x)],
        Op::Digamma => [
            f,
            Op::Polygamma.value2(1.0, x),
            Op::Polygamma.value2(2.0, x),
        ],
        Op::NormCdf => [f, gauss, -x * gauss],
        Op::NormPpf => {
            let slope = (2.0 * PI).sqrt() * (0.5 * f * f).exp();
            [f, slope, f * slope * slope]
        }
        Op::LogNdtr => {
            let slope = (-0.5 * x * x - f).exp() / (2.0 * PI).sqrt();
            [f, slope, -slope * (x + slope)]
        }
        Op::BesselJ0 | Op::BesselY0 => {
            let next = if op == Op::BesselJ0 {
                Op::BesselJ1
            } else {
                Op::BesselY1
            }
            .value1(x);
            [f, -next, over(next, x) - f]
        }
        Op::BesselJ1 | Op::BesselY1 => {
            let before = if op == Op::BesselJ1 {
                Op::BesselJ0
            } else {
                Op::BesselY0
            }
            .value1(x);
            let slope = before - over(f, x);
            let curvature = if x == 0.0 {
                0.0
            } else {
                -f - slope / x + f / (x * x)
            };
            [f, slope, curvature]
        }
        Op::BesselI0e | Op::BesselI1e => {
            // With I₀ even and I₁ odd, the scaled functions of |x| are differentiated and signs put back.
            let t = x.abs();
            let (i0, i1) = (Op::BesselI0e.value1(t), Op::BesselI1e.value1(t));
            let ratio = over(i1, t);
            let (d0, d1) = (i1 - i0, i0 - ratio - i1);
            let dratio = if t == 0.0 { -0.5 } else { (d1 - ratio) / t };
            let sign = if x < 0.0 { -1.0 } else { 1.0 };
            match op {
                Op::BesselI0e => [f, sign * d0, d1 - d0],
                _ => [f, d1, sign * (d0 - dratio - d1)],
            }
        }
        _ => return None,
    })
}

/// f / x, by its limit ½ at 0, where J₁ and I₁ are about x / 2.
fn over(f: f64, x: f64) -> f64 {
    if x == 0.0 { 0.5 } else { f / x }
}

/// Functions of an order or parameter that does not move, and an argument.
fn with_order(op: Op, n: f64, x: f64) -> Option<[f64; 3]> {
    let f = op.value2(n, x);
    Some(match op {
        Op::Polygamma => [f, op.value2(n + 1.0, x), op.value2(n + 2.0, x)],
        Op::BesselJn | Op::BesselYn => {
            // C₋ₙ = (-1)ⁿ Cₙ for integer n.
            let c = |n: f64| match n < 0.0 && n % 2.0 != 0.0 {
                true => -op.value2(-n, x),
                false => op.value2(n.abs(), x),
            };
            let slope = 0.5 * (c(n - 1.0) - c(n + 1.0));
            [f, slope, 0.25 * (c(n - 2.0) - 2.0 * f + c(n + 2.0))]
        }
        Op::Igamma | Op::Igammac => {
            let density = ((n - 1.0) * x.ln() - x - Op::Lgamma.value1(n)).exp();
            let sign = if op == Op::Igamma { 1.0 } else { -1.0 };
            [f, sign * density, sign * density * ((n - 1.0) / x - 1.0)]
        }
        Op::Zeta => [
            f,
            -n * op.value2(n + 1.0, x),
            n * (n + 1.0) * op.value2(n + 2.0, x),
        ],
        _ => return None,
    })
}
