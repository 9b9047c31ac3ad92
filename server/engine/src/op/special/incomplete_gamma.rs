//! The regularised incomplete gamma functions and all their derivatives.
//!
//! P(a, x) is the integral of the density f(t) = t^(a - 1) e^-t / gamma(a) up to x. The k-th derivative of f in a is
//! f times the complete Bell polynomial B_k(l, -psi'(a), -psi''(a), …) of l = log t - psi(a), and its integral over
//! all t is 0 for k > 0: so every derivative of P is an integral over whichever tail does not cancel. The border
//! is e^psi(a), where l changes sign.

use super::dd::Dd;
use super::gamma::{digamma, digamma_positive, lgamma_1p, lgamma_dd, order, polygamma_positive};
use super::quadrature::{exponential, exponential_dd};

const ORDERS: f64 = 20.0;

/// x^a e^-x / gamma(a).
fn front(a: f64, x: f64) -> Dd {
    let (da, dx) = (Dd::from(a), Dd::from(x));
    if a < 0.5 {
        return (dx.ln() * da - dx - lgamma_1p(a)).exp() * da;
    }
    (dx.ln() * da - dx - lgamma_dd(da)).exp()
}

/// 0, -psi'(a), -psi''(a), …: what B_k needs beside l.
fn cumulants(k: usize, a: Dd) -> Vec<f64> {
    let mut c = vec![0.0; k.max(1)];
    for (i, c) in c.iter_mut().enumerate().skip(1) {
        *c = -polygamma_positive(i as u32, a).value();
    }
    c
}

/// The complete Bell polynomial B_k(l, c[1], …, c[k - 1]): B_(i + 1) = Σ binomial(i, j) B_(i - j) c_j.
fn bell(k: usize, l: f64, c: &[f64]) -> f64 {
    match k {
        0 => 1.0,
        1 => l,
        2 => l * l + c[1],
        _ => {
            let mut b = vec![1.0; k + 1];
            for i in 0..k {
                let mut binomial = 1.0;
                b[i + 1] = 0.0;
                for j in 0..=i {
                    b[i + 1] += binomial * b[i - j] * if j == 0 { l } else { c[j] };
                    binomial *= (i - j) as f64 / (j as f64 + 1.0);
                }
            }
            b[k]
        }
    }
}

/// The k-th derivative of the density in a over the density, as a function of log t - log x.
///
/// For a < 1 that of a t^(a - 1) e^-t / gamma(1 + a), since psi(a)² and psi'(a) would cancel.
struct Weight {
    k: usize,
    /// 1 / a where a < 1, else 0.
    pole: f64,
    l: Dd,
    cumulants: Vec<f64>,
    trigamma: Dd,
}

impl Weight {
    fn new(k: usize, a: f64, x: f64) -> Self {
        let (pole, shifted) = match a < 1.0 {
            true => (1.0 / a, Dd::sum(a, 1.0)),
            false => (0.0, Dd::from(a)),
        };
        let l = Dd::from(x).ln() - digamma_positive(shifted);
        let cumulants = cumulants(k, shifted);
        let trigamma = polygamma_positive(1, shifted);
        Self {
            k,
            pole,
            l,
            cumulants,
            trigamma,
        }
    }

    /// The second derivative's in double-double.
    fn second_at(&self, moved: Dd) -> Dd {
        let l = self.l + moved;
        l.square() + l * (2.0 * self.pole) - self.trigamma
    }

    fn at(&self, moved: f64) -> f64 {
        let l = (self.l + moved).value();
        let whole = bell(self.k, l, &self.cumulants);
        if self.pole == 0.0 || self.k == 0 {
            return whole;
        }
        whole + self.k as f64 * self.pole * bell(self.k - 1, l, &self.cumulants)
    }
}

/// v - 1 + e^-v, relatively accurate.
fn beyond_linear_exp(v: f64) -> f64 {
    if v > 0.5 {
        return v + libm::expm1(-v);
    }
    let (mut term, mut sum) = (0.5 * v * v, 0.0);
    for k in 3..20 {
        sum += term;
        term *= -v / f64::from(k);
    }
    sum
}

/// u - log(1 + u), relatively accurate.
fn beyond_linear_log(u: f64) -> f64 {
    if u > 0.2 {
        return u - libm::log1p(u);
    }
    // In z = u / (2 + u): log(1 + u) = 2 atanh z, and u = 2 z + u z.
    let z = u / (2.0 + u);
    let z2 = z * z;
    let (mut power, mut sum) = (z2 * z, 0.0);
    for k in 1..14 {
        sum += power / f64::from(2 * k + 1);
        power *= z2;
    }
    u * z - 2.0 * sum
}

/// Whether a second derivative stands so near a zero of its own that f64 has lost digits.
fn cancels(k: usize, integral: f64, size: f64) -> bool {
    k == 2 && integral.abs() < 1e-2 * size
}

/// The integral of the k-th derivative of f over a tail, and whether it is the left one.
fn tail(k: usize, a: f64, x: f64) -> (f64, bool) {
    let weight = Weight::new(k, a, x);
    let front = front(a, x).value();
    if x < libm::exp(digamma(a)) {
        // t = x e^-v.
        let d = a - x;
        let scale = 2.0 / (d + libm::sqrt(d * d + 2.0 * x));
        let (mut integral, size) = exponential(scale, |v| {
            libm::exp(-d * v - x * beyond_linear_exp(v)) * weight.at(-v)
        });
        if cancels(k, integral, size) {
            integral = exponential_dd(scale, |v| {
                (-(v * a) - (-v).exp_m1() * x).exp() * weight.second_at(-v)
            })
            .value();
        }
        (front * integral, true)
    } else {
        // t = x (1 + u).
        let (d, e) = ((x - a) + 1.0, a - 1.0);
        let scale = 2.0 / (d + libm::sqrt(d * d + 2.0 * e.max(0.0)));
        // Far out -d u and e u would cancel.
        let exponent = |u: f64, grown: f64| match u > 0.5 {
            true => e * grown - x * u,
            false => -d * u - e * beyond_linear_log(u),
        };
        let (mut integral, size) = exponential(scale, |u| {
            let grown = libm::log1p(u);
            libm::exp(exponent(u, grown)) * weight.at(grown)
        });
        if cancels(k, integral, size) {
            integral = exponential_dd(scale, |u| {
                let grown = u.ln_1p();
                (grown * a - grown - u * x).exp() * weight.second_at(grown)
            })
            .value();
        }
        (front * integral, false)
    }
}

/// P(a, x), x >= 0 and a >= 0 (P(0, x) = 1 as the limit, but NaN at (0, 0)); NaN elsewhere.
pub fn igamma(a: f64, x: f64) -> f64 {
    edge(a, x).unwrap_or_else(|| match tail(0, a, x) {
        (p, true) => p,
        (q, false) => 1.0 - q,
    })
}

/// Q(a, x) = 1 - P(a, x).
pub fn igammac(a: f64, x: f64) -> f64 {
    edge(a, x).map_or_else(
        || match tail(0, a, x) {
            (p, true) => 1.0 - p,
            (q, false) => q,
        },
        |p| 1.0 - p,
    )
}

/// P where it needs no calculation.
fn edge(a: f64, x: f64) -> Option<f64> {
    if !(a >= 0.0 && x >= 0.0) || (a == 0.0 && x == 0.0) || (a.is_infinite() && x.is_infinite()) {
        return Some(f64::NAN);
    }
    if x == 0.0 || a.is_infinite() {
        return Some(0.0);
    }
    (a == 0.0 || x.is_infinite()).then_some(1.0)
}

/// The k-th derivative of P(a, x) in a, for a > 0, x >= 0 and k = 0, 1, 2, … up to 20; NaN elsewhere.
pub fn grad_a(k: f64, a: f64, x: f64) -> f64 {
    match order(k, ORDERS) {
        Some(0) => igamma(a, x),
        Some(k) if a > 0.0 && x >= 0.0 && a.is_finite() => {
            if x == 0.0 || x.is_infinite() {
                return 0.0;
            }
            match tail(k as usize, a, x) {
                (p, true) => p,
                (q, false) => -q,
            }
        }
        _ => f64::NAN,
    }
}

/// The k-th derivative in a of the density x^(a - 1) e^-x / gamma(a), for a > 0, x >= 0 and k = 0, 1, 2, … up
/// to 20; 0 for negative integers k, which derivatives multiply by 0; NaN elsewhere.
pub fn grad_x(k: f64, a: f64, x: f64) -> f64 {
    if k < 0.0 && k == libm::floor(k) && !a.is_nan() && !x.is_nan() {
        return 0.0;
    }
    let Some(k) = order(k, ORDERS) else {
        return f64::NAN;
    };
    if !(a > 0.0 && x >= 0.0) || a.is_infinite() {
        return f64::NAN;
    }
    if x.is_infinite() {
        return 0.0;
    }
    if x == 0.0 {
        return match a {
            a if a > 1.0 => 0.0,
            a if a < 1.0 && k % 2 == 0 => f64::INFINITY,
            a if a < 1.0 => f64::NEG_INFINITY,
            _ if k == 0 => 1.0,
            _ if k % 2 == 0 => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        };
    }
    let density = front(a, x) / Dd::from(x);
    if k == 0 {
        return density.value();
    }
    if k == 2 && a >= 1.0 {
        // Its zeros depend on a and x alone: 31 digits of the difference.
        let l = Dd::from(x).ln() - digamma_positive(Dd::from(a));
        return (density * (l.square() - polygamma_positive(1, Dd::from(a)))).value();
    }
    (density * Weight::new(k as usize, a, x).at(0.0)).value()
}
