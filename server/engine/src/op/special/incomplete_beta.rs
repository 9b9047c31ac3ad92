//! The regularised incomplete beta function and its derivatives up to second order in a and b.
//!
//! As in `incomplete_gamma`: I_x(a, b) is the integral of g(t) = t^(a - 1) (1 - t)^(b - 1) / B(a, b) up to x, derivatives
//! of g in a and b are g times polynomials in log t - psi(a) + psi(a + b) and log(1 - t) - psi(b) + psi(a + b) that
//! integrate to 0 over (0, 1), and so each derivative of I is an integral over the tail that does not cancel.

use super::dd::Dd;
use super::gamma::{digamma_positive, lbeta_dd, polygamma_difference_dd, polygamma_positive};
use super::quadrature::exponential;

/// A derivative in the parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum In {
    /// The function itself.
    Nothing,
    /// ∂/∂a.
    A,
    /// ∂/∂b.
    B,
    /// ∂²/∂a².
    AA,
    /// ∂²/∂a∂b.
    AB,
    /// ∂²/∂b².
    BB,
}

/// x^a (1 - x)^b / B(a, b).
fn front(a: f64, b: f64, x: f64) -> Dd {
    let dx = Dd::from(x);
    (dx.ln() * a + (-dx).ln_1p() * b - lbeta_dd(a, b)).exp()
}

/// ∫ g(t) w(log t - m_a, log(1 - t) - m_b) dt from 0 to x over x g(x) / (1 - x), for the odds x / (1 - x) and the two
/// logarithms at x: t = x e^-v.
fn left(a: f64, b: f64, odds: f64, at_x: [f64; 2], w: impl Fn(f64, f64) -> f64) -> f64 {
    let slope = a - (b - 1.0) * odds;
    let bend = ((b - 1.0) * odds * (1.0 + odds)).max(0.0);
    let scale = 2.0 / (slope + libm::sqrt(slope * slope + 2.0 * bend));
    exponential(scale, |v| {
        // log((1 - t) / (1 - x)).
        let grown = libm::log1p(-odds * libm::expm1(-v));
        libm::exp((b - 1.0) * grown - a * v) * w(at_x[0] - v, at_x[1] + grown)
    })
    .0
}

/// The integral of the derivative of g over a tail, and whether it is the left one.
fn tail(which: In, a: f64, b: f64, x: f64) -> (f64, bool) {
    let (da, db) = (
        polygamma_difference_dd(0, a, b),
        polygamma_difference_dd(0, b, a),
    );
    let (log_x, log_y, sum) = (Dd::from(x).ln(), (-Dd::from(x)).ln_1p(), Dd::sum(a, b));
    let (mut la, mut lb, mut pole) = (log_x - da, log_y - db, 0.0);
    let (is_left_of_a, is_left_of_b) = (la.hi < 0.0, lb.hi > 0.0);
    // Of a small parameter p the square of the logarithm and psi'(p) would cancel: psi(p) = psi(p + 1) - 1 / p.
    let small = |p: f64, other: f64| p < 1.0 && p < other;
    let second = |p: f64, other: f64| match small(p, other) {
        true => polygamma_positive(1, sum) - polygamma_positive(1, Dd::sum(p, 1.0)),
        false => -polygamma_difference_dd(1, p, other),
    };
    if which == In::AA && small(a, b) {
        la = log_x - digamma_positive(Dd::sum(a, 1.0)) + digamma_positive(sum);
        pole = 1.0 / a;
    }
    if which == In::BB && small(b, a) {
        lb = log_y - digamma_positive(Dd::sum(b, 1.0)) + digamma_positive(sum);
        pole = 1.0 / b;
    }
    let (la, lb) = (la.value(), lb.value());
    let constant = match which {
        In::AA => second(a, b).value(),
        In::BB => second(b, a).value(),
        In::AB => polygamma_positive(1, Dd::sum(a, b)).value(),
        _ => 0.0,
    };
    let weight = |p: f64, q: f64| match which {
        In::Nothing => 1.0,
        In::A => p,
        In::B => q,
        In::AA => p * p + p * 2.0 * pole + constant,
        In::BB => q * q + q * 2.0 * pole + constant,
        In::AB => p * q + constant,
    };
    let by_a = match which {
        In::A | In::AA => true,
        In::B | In::BB => false,
        In::Nothing | In::AB => a < b,
    };
    let is_left = if by_a { is_left_of_a } else { is_left_of_b };
    let front = front(a, b, x);
    let y = 1.0 - x;
    if is_left {
        let integral = left(a, b, x / y, [la, lb], weight);
        ((front / (Dd::ONE - Dd::from(x))).value() * integral, true)
    } else {
        let integral = left(b, a, y / x, [lb, la], |q, p| weight(p, q));
        ((front / Dd::from(x)).value() * integral, false)
    }
}

fn is_inside(a: f64, b: f64, x: f64) -> bool {
    a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() && (0.0..=1.0).contains(&x)
}

/// I_x(a, b) for a, b > 0 and 0 <= x <= 1; NaN elsewhere.
pub fn betainc(a: f64, b: f64, x: f64) -> f64 {
    if !is_inside(a, b, x) {
        return f64::NAN;
    }
    if x == 0.0 || x == 1.0 {
        return x;
    }
    match tail(In::Nothing, a, b, x) {
        (p, true) => p,
        (q, false) => 1.0 - q,
    }
}

/// A derivative of I_x(a, b) in a and b; NaN outside of the domain of [`betainc`].
pub fn derivative(which: In, a: f64, b: f64, x: f64) -> f64 {
    if which == In::Nothing {
        return betainc(a, b, x);
    }
    if !is_inside(a, b, x) {
        return f64::NAN;
    }
    // At the centre of symmetry I_x(a, b) + I_(1 - x)(b, a) = 1 makes it an exact 0.
    if x == 0.0 || x == 1.0 || which == In::AB && a == b && x == 0.5 {
        return 0.0;
    }
    match tail(which, a, b, x) {
        (p, true) => p,
        (q, false) => -q,
    }
}

/// The density x^(a - 1) (1 - x)^(b - 1) / B(a, b); NaN outside of the domain of [`betainc`].
pub fn grad_x(a: f64, b: f64, x: f64) -> f64 {
    if !is_inside(a, b, x) {
        return f64::NAN;
    }
    if x == 0.0 || x == 1.0 {
        // B(1, b) = 1 / b.
        return at_edge(a, b, x, |other| other);
    }
    let dx = Dd::from(x);
    (front(a, b, x) / (dx * (Dd::ONE - dx))).value()
}

/// The density without the factor a b / (a + b) that vanishes with its parameters:
/// x^(a - 1) (1 - x)^(b - 1) Γ(a + b + 1) / (Γ(a + 1) Γ(b + 1)).
pub fn kernel(a: f64, b: f64, x: f64) -> f64 {
    if !is_inside(a, b, x) {
        return f64::NAN;
    }
    if x == 0.0 || x == 1.0 {
        return at_edge(a, b, x, |other| other + 1.0);
    }
    let (dx, da, db) = (Dd::from(x), Dd::from(a), Dd::from(b));
    // Not (a + b) / (a b): the product may underflow.
    let inverse = da.recip() + db.recip();
    (front(a, b, x) * inverse / (dx * (Dd::ONE - dx))).value()
}

/// x^(a - 1) (1 - x)^(b - 1) times something finite at x = 0 or 1, which where the power is 1 depends on the other
/// parameter.
fn at_edge(a: f64, b: f64, x: f64, of_other: impl Fn(f64) -> f64) -> f64 {
    let (p, other) = if x == 0.0 { (a, b) } else { (b, a) };
    match p {
        p if p > 1.0 => 0.0,
        p if p < 1.0 => f64::INFINITY,
        _ => of_other(other),
    }
}
