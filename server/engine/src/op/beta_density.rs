//! Derivatives of the beta density f = x^(a - 1) (1 - x)^(b - 1) / B(a, b) in a and b, free of cancellation for small
//! parameters as well.
//!
//! Where a or b goes to 0 the density vanishes like the factor d = a b / (a + b), and d alone: f = d h with a positive h
//! (betainc_kernel) whose logarithmic derivatives in a and b stay bounded, p = log x - psi(a + 1) + psi(a + b + 1) and q
//! likewise. Formulas in f's own logarithmic derivatives, which grow like 1 / a, would leave differences of terms of
//! size 1 / a² and lose digits; the product rule on d h does not.

use super::{E, Op};

/// The parts that derivatives consist of.
struct Parts<'a> {
    /// f / d.
    h: E<'a>,
    /// d = a b / (a + b).
    d: E<'a>,
    /// a + b.
    sum: E<'a>,
    /// ∂d/∂a = v² and ∂d/∂b = w², with v = b / (a + b) and w = a / (a + b).
    v: E<'a>,
    w: E<'a>,
    /// ∂ log h/∂a.
    p: E<'a>,
    /// ∂ log h/∂b.
    q: E<'a>,
}

fn parts<'a>([a, b, x]: [E<'a>; 3]) -> Parts<'a> {
    // Not b / (a + b): its derivative in b, a / (a + b)², would be a difference.
    let (v, w) = ((a / b + 1.0).recip(), (b / a + 1.0).recip());
    Parts {
        h: a.ternary(Op::BetaincKernel, b, x),
        d: a * v,
        sum: a + b,
        v,
        w,
        p: score(x.unary(Op::Log), a, b),
        q: score((-x).unary(Op::Log1p), b, a),
    }
}

/// ∂ log h/∂a for log x, and with log(1 - x) and the parameters exchanged ∂ log h/∂b.
fn score<'a>(log: E<'a>, a: E<'a>, b: E<'a>) -> E<'a> {
    log - a.number(0.0).ternary(Op::PolygammaDifference, a + 1.0, b)
}

/// ∂h/∂a over h of (a, b, x).
pub(super) fn kernel_in_a<'a>(x: &[E<'a>]) -> E<'a> {
    score(x[2].unary(Op::Log), x[0], x[1])
}

/// ∂h/∂b over h.
pub(super) fn kernel_in_b<'a>(x: &[E<'a>]) -> E<'a> {
    score((-x[2]).unary(Op::Log1p), x[1], x[0])
}

/// ∂ log f/∂x = ∂ log h/∂x.
pub(super) fn in_x<'a>(x: &[E<'a>]) -> E<'a> {
    let [a, b, x] = [x[0], x[1], x[2]];
    ((a - 1.0) * (1.0 - x) - (b - 1.0) * x) / (x * (1.0 - x))
}

/// ∂f/∂a of (a, b, x).
pub(super) fn in_a<'a>(x: &[E<'a>]) -> E<'a> {
    let f = parts([x[0], x[1], x[2]]);
    f.h * (f.d * f.p + f.v.square())
}

/// ∂f/∂b of (a, b, x).
pub(super) fn in_b<'a>(x: &[E<'a>]) -> E<'a> {
    let f = parts([x[0], x[1], x[2]]);
    f.h * (f.d * f.q + f.w.square())
}

/// ∂²f/∂a².
pub(super) fn in_aa<'a>(x: &[E<'a>]) -> E<'a> {
    let f = parts([x[0], x[1], x[2]]);
    let gap = x[0]
        .number(1.0)
        .ternary(Op::PolygammaDifference, x[0] + 1.0, x[1]);
    f.h * (f.d * (f.p.square() - gap) + 2.0 * f.v.square() * (f.p - f.sum.recip()))
}

/// ∂²f/∂b².
pub(super) fn in_bb<'a>(x: &[E<'a>]) -> E<'a> {
    let f = parts([x[0], x[1], x[2]]);
    let gap = x[0]
        .number(1.0)
        .ternary(Op::PolygammaDifference, x[1] + 1.0, x[0]);
    f.h * (f.d * (f.q.square() - gap) + 2.0 * f.w.square() * (f.q - f.sum.recip()))
}

/// ∂²f/∂a∂b.
pub(super) fn in_ab<'a>(x: &[E<'a>]) -> E<'a> {
    let f = parts([x[0], x[1], x[2]]);
    let trigamma = x[0].number(1.0).binary(Op::Polygamma, f.sum + 1.0);
    f.h * (f.d * (f.p * f.q + trigamma)
        + f.v.square() * f.q
        + f.w.square() * f.p
        + 2.0 * f.v * f.w / f.sum)
}
