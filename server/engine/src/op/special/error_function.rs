//! The error function's relatives and those of the normal distribution.

use super::gamma::order;
use crate::op::elementary::alone::{erfc, norm_cdf};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

/// e^(x²) for any x, without the rounding error of x² (which e^ would multiply by x²).
fn exp_square(x: f64) -> f64 {
    let square = x * x;
    let error = x.mul_add(x, -square);
    let e = libm::exp(square);
    if e.is_finite() { e + e * error } else { e }
}

/// e^(-x² / 2), likewise.
fn exp_minus_half_square(x: f64) -> f64 {
    let square = x * x;
    let error = x.mul_add(x, -square);
    let e = libm::exp(-0.5 * square);
    if e > 0.0 { e - e * (0.5 * error) } else { e }
}

fn horner(c: &[f64], x: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// e^(x²) erfc(x). Beyond 1.25 with the rational functions of Sun's erfc (FreeBSD s_erf.c, 1993), which are
/// for log(x erfcx(x)); from 28 on by the continued fraction, DLMF 7.9.1.
#[rustfmt::skip]
pub fn erfcx(x: f64) -> f64 {
    const RA: [f64; 8] = [-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01, -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02, -8.12874355063065934246e+01, -9.81432934416914548592e+00];
    const SA: [f64; 9] = [1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02, 6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02, 6.57024977031928170135e+00, -6.04244152148580987438e-02];
    const RB: [f64; 7] = [-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01, -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03, -4.83519191608651397019e+02];
    const SB: [f64; 8] = [1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03, 3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02, -2.24409524465858183362e+01];
    if x < 1.25 {
        return exp_square(x) * erfc(x);
    }
    let s = 1.0 / (x * x);
    if x < 28.0 {
        let r = if x < 1.0 / 0.35 { horner(&RA, s) / horner(&SA, s) } else { horner(&RB, s) / horner(&SB, s) };
        return libm::exp(-0.5625 + r) / x;
    }
    let z = 0.5 * s;
    let tail = z / (1.0 + 2.0 * z / (1.0 + 3.0 * z / (1.0 + 4.0 * z / (1.0 + 5.0 * z))));
    0.5 * FRAC_2_SQRT_PI / x / (1.0 + tail)
}

/// The n-th derivative of erfcx, n = 0, 1, 2, … up to 100 (else NaN): (-2)^n n! e^(x²) i^n erfc(x), DLMF 7.18.4.
/// For x < 0 forward by the recurrence 7.18.7, for small x by Taylor's series, else by the same recurrence backward as
/// a continued fraction for the ratio of neighbours (Gautschi, "Efficient computation of the complex error function",
/// 1970): no term is negative.
pub fn erfcx_derivative(n: f64, x: f64) -> f64 {
    let Some(n) = order(n, 100.0) else {
        return f64::NAN;
    };
    if n == 0 || x.is_nan() {
        return erfcx(x);
    }
    if x <= 0.0 {
        // f' = 2 x f - 2/√π, f^(k + 1) = 2 x f^(k) + 2 k f^(k - 1): even orders positive, odd ones negative.
        let (mut before, mut f) = (erfcx(x), 2.0 * x * erfcx(x) - FRAC_2_SQRT_PI);
        for k in 1..n {
            (before, f) = (f, 2.0 * x * f + 2.0 * f64::from(k) * before);
        }
        return f;
    }
    if x < 0.5 {
        return taylor(n, x);
    }
    let ratios = ratios(n, x);
    let slopes = (1..=n).zip(&ratios[1..]);
    // The small factor last: one rounding where the result is subnormal.
    slopes.fold(FRAC_2_SQRT_PI * ratios[0], |f, (k, r)| {
        f * (-2.0 * f64::from(k)) * r
    })
}

/// y_k / y_(k - 1) for k = 0, …, n, of y_k = e^(x²) i^k erfc(x), y_(-1) = 2/√π, at x >= 0.5: by
/// y_(k - 1) = 2 x y_k + 2 (k + 1) y_(k + 1).
fn ratios(n: u32, x: f64) -> Vec<f64> {
    let root = libm::sqrt(f64::from(n)) + 30.0 / x;
    let start = (root * root) as u32 + 20;
    let mut ratios = vec![0.0; n as usize + 1];
    let mut ratio = 0.0;
    for k in (0..=start).rev() {
        ratio = 1.0 / (2.0 * x + 2.0 * (f64::from(k) + 1.0) * ratio);
        if k <= n {
            ratios[k as usize] = ratio;
        }
    }
    ratios
}

/// Derivatives at 0 are (-1)^n n! / gamma(n / 2 + 1); their Taylor series in double-double, since it alternates.
fn taylor(n: u32, x: f64) -> f64 {
    use super::dd::Dd;
    let root_pi = super::dd::PI.sqrt();
    // f^(0)(0) = 1, f^(1)(0) = -2/√π, f^(k + 2)(0) = 2 (k + 1) f^(k)(0).
    let (mut a, mut b) = (Dd::ONE, -Dd::from(2.0) / root_pi);
    for k in 0..n {
        (a, b) = (b, a * (2.0 * (f64::from(k) + 1.0)));
    }
    let (mut sum, mut power) = (Dd::ZERO, Dd::ONE);
    for k in 0..200 {
        let term = a * power;
        sum = sum + term;
        if term.hi.abs() < 1e-20 * sum.hi.abs() {
            break;
        }
        (a, b) = (b, a * (2.0 * f64::from(n + k + 1)));
        power = power * x / f64::from(k + 1);
    }
    sum.value()
}

/// log(norm_cdf(x)).
pub fn log_ndtr(x: f64) -> f64 {
    if x > -1.0 || x.is_nan() {
        return libm::log1p(-norm_cdf(-x));
    }
    libm::log(0.5 * erfcx(-x * FRAC_1_SQRT_2)) - 0.5 * x * x
}

/// The n-th derivative of log_ndtr, n = 0, 1, 2, … up to 20 (else NaN).
///
/// For x < 0 those of -x²/2 + log(erfcx(-x/√2) / 2); else from r' = -r (x + r) for r = density / distribution.
pub fn log_ndtr_derivative(n: f64, x: f64) -> f64 {
    let Some(n) = order(n, 20.0) else {
        return f64::NAN;
    };
    let n = n as usize;
    if n == 0 || x.is_nan() {
        return if x.is_nan() { x } else { log_ndtr(x) };
    }
    if x == f64::INFINITY {
        return 0.0;
    }
    if x == f64::NEG_INFINITY {
        return [f64::INFINITY, -1.0].get(n - 1).copied().unwrap_or(0.0);
    }
    if x < 0.0 {
        let u = -x * FRAC_1_SQRT_2;
        if n == 1 {
            return FRAC_2_SQRT_PI * FRAC_1_SQRT_2 / erfcx(u);
        }
        // d^k/dx^k erfcx(u) / k!, relative to erfcx(u); by ratios, which do not underflow far out.
        let mut c = vec![1.0; n + 1];
        if u < 0.5 {
            let f = erfcx(u);
            let mut factor = 1.0;
            for (k, c) in c.iter_mut().enumerate().skip(1) {
                factor *= -FRAC_1_SQRT_2 / k as f64;
                *c = erfcx_derivative(k as f64, u) / f * factor;
            }
        } else {
            for (k, r) in ratios(n as u32, u).iter().enumerate().skip(1) {
                c[k] = c[k - 1] * r * SQRT_2;
            }
        }
        // Coefficients of the logarithm: k c_k = Σ j l_j c_(k - j).
        let mut l = vec![0.0; n + 1];
        for k in 1..=n {
            let known: f64 = (1..k).map(|j| j as f64 * l[j] * c[k - j]).sum();
            l[k] = c[k] - known / k as f64;
        }
        let factorial: f64 = (1..=n).map(|k| k as f64).product();
        return l[n] * factorial - if n == 2 { 1.0 } else { 0.0 };
    }
    // Coefficients of r around x: (k + 1) r_(k + 1) = -(x r_k + r_(k - 1) + Σ r_j r_(k - j)).
    let mut r = vec![0.0; n];
    r[0] = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exp_minus_half_square(x) / norm_cdf(x);
    let mut factorial = 1.0;
    for k in 0..n - 1 {
        let squares: f64 = (0..=k).map(|j| r[j] * r[k - j]).sum();
        let before = if k > 0 { r[k - 1] } else { 0.0 };
        factorial *= k as f64 + 1.0;
        r[k + 1] = -(x * r[k] + before + squares) / (k as f64 + 1.0);
    }
    r[n - 1] * factorial
}

/// The inverse of norm_cdf, on (0, 1): Wichura, "Algorithm AS 241" (PPND16, 1988).
pub fn norm_ppf(p: f64) -> f64 {
    quantile(p - 0.5, p.min(1.0 - p))
}

/// The inverse of erf, on (-1, 1), by the same rational functions.
pub fn erf_inv(x: f64) -> f64 {
    quantile(0.5 * x, 0.5 * (1.0 - x.abs())) * FRAC_1_SQRT_2
}

/// The normal quantile of ½ + q, whose distance to the nearer end is `tail`.
#[rustfmt::skip]
fn quantile(q: f64, tail: f64) -> f64 {
    const A: [f64; 8] = [3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3];
    const B: [f64; 8] = [1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4, 5.2264952788528545610e+3];
    const C: [f64; 8] = [1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4];
    const D: [f64; 8] = [1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9];
    const E: [f64; 8] = [6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7];
    const F: [f64; 8] = [1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15];
    if !(q.abs() <= 0.5) || !(tail >= 0.0) {
        return f64::NAN;
    }
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(&A, r) / horner(&B, r);
    }
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = libm::sqrt(-libm::log(tail));
    let size = if r <= 5.0 { horner(&C, r - 1.6) / horner(&D, r - 1.6) } else { horner(&E, r - 5.0) / horner(&F, r - 5.0) };
    refined(size, tail).copysign(q)
}

/// One step of Newton's method on log(norm_cdf(-y)) = log(tail), which takes the last ulps off.
fn refined(y: f64, tail: f64) -> f64 {
    if tail < 1e-300 || y < SQRT_2 {
        return y;
    }
    let cdf = norm_cdf(-y);
    let slope = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * exp_minus_half_square(y);
    y + (cdf - tail) / slope
}
