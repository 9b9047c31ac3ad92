//! Special functions by their values and the closed forms of their first two derivatives. Formulas: NIST Digital
//! Library of Mathematical Functions (chapters 5, 7, 8, 10, 25).

use super::Number;
use crate::op::Op;
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// The function at one element; `None` where its derivative has no closed form here.
pub(super) fn apply<N: Number>(op: Op, x: &[N]) -> Option<N> {
    let v: Vec<f64> = x.iter().map(Number::value).collect();
    // Orders are integers: the derivative in them is 0.
    Some(match (op, x, &v[..]) {
        (_, [a], _) => a.chain(unary(op, a.value())?),
        (
            Op::Polygamma | Op::SincDerivative | Op::ErfcxDerivative | Op::LogNdtrDerivative,
            [_, a],
            &[n, x],
        ) => a.chain([0.0, 1.0, 2.0].map(|k| op.value2(n + k, x))),
        (Op::BesselJn | Op::BesselYn, [_, a], &[n, x]) => a.chain(bessel(op, n, x)),
        (
            Op::BesselJnDerivative | Op::BesselYnDerivative | Op::BesselIneDerivative,
            [_, _, a],
            &[k, n, x],
        ) => a.chain([0.0, 1.0, 2.0].map(|more| op.value3(k + more, n, x))),
        (Op::Lbeta, _, &[a, b]) => {
            let gap = |n: f64, a: f64, b: f64| Op::PolygammaDifference.value3(n, a, b);
            let both = -Op::Polygamma.value2(1.0, a + b);
            let slopes = [gap(0.0, a, b), gap(0.0, b, a)];
            let curvatures = [[gap(1.0, a, b), both], [both, gap(1.0, b, a)]];
            taylor(x, op.value2(a, b), slopes, curvatures)
        }
        (Op::PolygammaDifference, [_, rest @ ..], &[n, a, b]) => {
            let gap = |k: f64| op.value3(n + k, a, b);
            let far = |k: f64| -Op::Polygamma.value2(n + k, a + b);
            let curvatures = [[gap(2.0), far(2.0)], [far(2.0), far(2.0)]];
            taylor(rest, gap(0.0), [gap(1.0), far(1.0)], curvatures)
        }
        (Op::Igamma, _, &[a, t]) => incomplete_gamma(x, 0.0, a, t),
        (Op::Igammac, _, &[a, t]) => (-incomplete_gamma(x, 0.0, a, t)).at(op.value2(a, t)),
        (Op::IgammaGradA, [_, rest @ ..], &[k, a, t]) => incomplete_gamma(rest, k, a, t),
        (Op::IgammaGradX, [_, rest @ ..], &[k, a, t]) => {
            let d = |more: f64| op.value3(k + more, a, t);
            let ([x0, x1], xx) = (
                [0.0, 1.0].map(|m| density_slope(k + m, a, t)),
                curvature(k, a, t),
            );
            taylor(rest, d(0.0), [d(1.0), x0], [[d(2.0), x1], [x1, xx]])
        }
        (Op::Zeta, _, &[s, q]) => hurwitz(x, 0.0, s, q),
        (Op::ZetaDerivative, [_, rest @ ..], &[m, s, q]) => hurwitz(rest, m, s, q),
        (Op::BetaincGradX, [a, b, t], &[p, q, u]) => {
            let one = N::constant(1.0);
            let log = (*a - one) * t.elementary(Op::Log)?
                + (*b - one) * (-*t).elementary(Op::Log1p)?
                - apply(Op::Lbeta, &[*a, *b])?;
            log.elementary(Op::Exp)?.at(op.value3(p, q, u))
        }
        (Op::BetaincKernel, [a, b, t], &[p, q, u]) => {
            let one = N::constant(1.0);
            let powers =
                (*a - one) * t.elementary(Op::Log)? + (*b - one) * (-*t).elementary(Op::Log1p)?;
            // 1 / (gamma(a + 1) gamma(b + 1)) by the beta function of both over a + b + 1.
            let log = powers
                - apply(Op::Lbeta, &[*a + one, *b + one])?
                - (*a + *b + one).elementary(Op::Log)?;
            log.elementary(Op::Exp)?.at(op.value3(p, q, u))
        }
        (Op::Betainc, _, &[a, b, t]) => {
            let of = |op: Op| op.value3(a, b, t);
            let density = of(Op::BetaincGradX);
            let gap = |a: f64, b: f64| Op::PolygammaDifference.value3(0.0, a, b);
            let (ta, tb) = (
                density * (t.ln() - gap(a, b)),
                density * (libm::log1p(-t) - gap(b, a)),
            );
            let tt = density * ((a - 1.0) / t - (b - 1.0) / (1.0 - t));
            let ab = of(Op::BetaincGradAb);
            let slopes = [of(Op::BetaincGradA), of(Op::BetaincGradB), density];
            let curvatures = [
                [of(Op::BetaincGradAa), ab, ta],
                [ab, of(Op::BetaincGradBb), tb],
                [ta, tb, tt],
            ];
            taylor(x, of(op), slopes, curvatures)
        }
        _ => return None,
    })
}

/// A function of several numbers from its value and its first two derivatives: the Taylor polynomial, of which dual
/// numbers keep what they have parts for. NaN for complex numbers that move.
fn taylor<N: Number, const K: usize>(
    x: &[N],
    value: f64,
    slopes: [f64; K],
    curvatures: [[f64; K]; K],
) -> N {
    let mut sum = N::constant(value);
    let Some(moving) = x.iter().find(|x| x.moves()) else {
        return sum;
    };
    if !N::PIECEWISE {
        return moving.chain([f64::NAN; 3]);
    }
    let d: Vec<N> = x.iter().map(|x| *x - N::constant(x.value())).collect();
    for i in (0..K).filter(|&i| d[i].moves()) {
        sum = sum + N::constant(slopes[i]) * d[i];
        for j in (0..K).filter(|&j| d[j].moves()) {
            sum = sum + N::constant(0.5 * curvatures[i][j]) * d[i] * d[j];
        }
    }
    sum.at(value)
}

/// The k-th derivative in a of P(a, x), of (a, x).
fn incomplete_gamma<N: Number>(x: &[N], k: f64, a: f64, t: f64) -> N {
    let p = |k: f64| match k {
        0.0 => Op::Igamma.value2(a, t),
        k => Op::IgammaGradA.value3(k, a, t),
    };
    let d = |k: f64| Op::IgammaGradX.value3(k, a, t);
    let curvatures = [
        [p(k + 2.0), d(k + 1.0)],
        [d(k + 1.0), density_slope(k, a, t)],
    ];
    taylor(x, p(k), [p(k + 1.0), d(k)], curvatures)
}

/// d/dx of the k-th derivative in a of the density p: p' = p · ((a - 1) / x - 1), by Leibniz' rule.
fn density_slope(k: f64, a: f64, t: f64) -> f64 {
    let d = |k: f64| Op::IgammaGradX.value3(k, a, t);
    d(k) * ((a - 1.0) / t - 1.0) + k * d(k - 1.0) / t
}

/// d²/dx² of the same: p'' = p · (r² - (a - 1) / x²) with r = (a - 1) / x - 1.
fn curvature(k: f64, a: f64, t: f64) -> f64 {
    let d = |k: f64| Op::IgammaGradX.value3(k, a, t);
    let r = (a - 1.0) / t - 1.0;
    d(k) * (r * r - (a - 1.0) / (t * t))
        + k * d(k - 1.0) * (2.0 * r / t - 1.0 / (t * t))
        + k * (k - 1.0) * d(k - 2.0) / (t * t)
}

/// The m-th derivative in s of zeta(s, q), of (s, q). With d/dq zeta(s, q) = -s zeta(s + 1, q).
fn hurwitz<N: Number>(x: &[N], m: f64, s: f64, q: f64) -> N {
    let z = |m: f64, s: f64| match m {
        0.0 => Op::Zeta.value2(s, q),
        m if m < 0.0 => 0.0,
        m => Op::ZetaDerivative.value3(m, s, q),
    };
    let dq = |m: f64, s: f64| -m * z(m - 1.0, s + 1.0) - s * z(m, s + 1.0);
    let dqq = -m * dq(m - 1.0, s + 1.0) - s * dq(m, s + 1.0);
    let dsq = dq(m + 1.0, s);
    let curvatures = [[z(m + 2.0, s), dsq], [dsq, dqq]];
    taylor(x, z(m, s), [z(m + 1.0, s), dq(m, s)], curvatures)
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

/// A Bessel function of integer order n.
fn bessel(op: Op, n: f64, x: f64) -> [f64; 3] {
    // C₋ₙ = (-1)ⁿ Cₙ.
    let c = |n: f64| match n < 0.0 && n % 2.0 != 0.0 {
        true => -op.value2(-n, x),
        false => op.value2(n.abs(), x),
    };
    let slope = 0.5 * (c(n - 1.0) - c(n + 1.0));
    let curvature = 0.25 * (c(n - 2.0) - 2.0 * c(n) + c(n + 2.0));
    [op.value2(n, x), slope, curvature]
}
