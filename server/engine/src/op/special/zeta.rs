//! The Hurwitz zeta function and its derivatives in the exponent.

use super::dd::Dd;
use super::gamma::{BERNOULLI, order};

/// zeta(s, q) = Σ (q + k)^-s for s > 1, q > 0; +inf at s = 1, NaN elsewhere.
pub fn zeta(s: f64, q: f64) -> f64 {
    derivative(0.0, s, q)
}

/// The m-th derivative of zeta(s, q) in s, m = 0, 1, 2, … up to 30 (0 for negative integers, which
/// derivatives multiply by 0; else NaN): Euler-Maclaurin summation (DLMF
/// 25.11.5) in truncated power series of s, in double-double.
pub fn derivative(m: f64, s: f64, q: f64) -> f64 {
    if m < 0.0 && m == libm::floor(m) && !s.is_nan() && !q.is_nan() {
        return 0.0;
    }
    let Some(m) = order(m, 30.0) else {
        return f64::NAN;
    };
    if !(s >= 1.0 && q > 0.0) {
        return f64::NAN;
    }
    if s == 1.0 {
        return if m % 2 == 0 {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
    }
    if q.is_infinite() {
        return 0.0;
    }
    if s.is_infinite() {
        // The first term decides.
        return match q {
            q if q < 1.0 => f64::INFINITY,
            q if q > 1.0 => 0.0,
            _ if m == 0 => 1.0,
            _ => 0.0,
        };
    }
    let m = m as usize;
    let mut sum = Dd::ZERO;
    let mut k = 0.0;
    loop {
        let y = Dd::sum(q, k);
        let l = y.ln();
        let power = (-l * s).exp();
        if y.hi >= 20.0 + 0.5 * s {
            return (sum + tail(m, s, y, l, power)).value();
        }
        let term = power * (-l).powi(m as u32);
        sum = sum + term;
        if k >= 2.0 && term.hi.abs() < 1e-36 * sum.hi.abs() || !sum.hi.is_finite() {
            return sum.value();
        }
        if k >= 2.0 && term.hi == 0.0 {
            return sum.value();
        }
        k += 1.0;
    }
}

/// The m-th derivative of y^-s (y / (s - 1) + 1/2 + Σ B_2k / (2k)! s … (s + 2k - 2) / y^(2k - 1)).
fn tail(m: usize, s: f64, y: Dd, l: Dd, power: Dd) -> Dd {
    let n = m + 1;
    let mut series = vec![Dd::ZERO; n];
    let distance = Dd::sum(s, -1.0);
    let mut pole = y / distance;
    for c in &mut series {
        *c = *c + pole;
        pole = -pole / distance;
    }
    series[0] = series[0] + 0.5;
    // s … (s + 2k - 2) / y^(2k - 1) / (2k)!.
    let mut factor = vec![Dd::ZERO; n];
    factor[0] = y.recip() * s * 0.5;
    if n > 1 {
        factor[1] = y.recip() * 0.5;
    }
    let step = y.square().recip();
    for (k, &(p, q)) in (1..).zip(&BERNOULLI) {
        for (c, f) in series.iter_mut().zip(&factor) {
            *c = *c + *f * p / q;
        }
        let k = 2.0 * f64::from(k);
        for shift in [k - 1.0, k] {
            let shift = Dd::sum(s, shift);
            for i in (0..n).rev() {
                let below = if i > 0 { factor[i - 1] } else { Dd::ZERO };
                factor[i] = factor[i] * shift + below;
            }
        }
        for f in &mut factor {
            *f = *f * step / ((k + 1.0) * (k + 2.0));
        }
    }
    // Times e^(-(s + ε) l): coefficient m, times m!.
    let mut result = Dd::ZERO;
    let mut exponential = Dd::ONE;
    for i in 0..n {
        result = result + exponential * series[m - i];
        exponential = -exponential * l / (i as f64 + 1.0);
    }
    (1..=m).fold(result * power, |r, k| r * k as f64)
}
