//! The gamma function's relatives: lgamma, digamma, polygamma and the logarithm of the beta function.

use super::dd::{Dd, EULER, LN_SQRT_2PI, PI};

/// B_2, B_4, … B_34 as fractions; every numerator is exact.
pub const BERNOULLI: [(f64, f64); 17] = [
    (1.0, 6.0),
    (-1.0, 30.0),
    (1.0, 42.0),
    (-1.0, 30.0),
    (5.0, 66.0),
    (-691.0, 2730.0),
    (7.0, 6.0),
    (-3617.0, 510.0),
    (43_867.0, 798.0),
    (-174_611.0, 330.0),
    (854_513.0, 138.0),
    (-236_364_091.0, 2730.0),
    (8_553_103.0, 6.0),
    (-23_749_461_029.0, 870.0),
    (8_615_841_276_005.0, 14_322.0),
    (-7_709_321_041_217.0, 510.0),
    (2_577_687_858_367.0, 6.0),
];

/// From here on Stirling's series gives 31 digits.
const LARGE: f64 = 20.0;

/// Σ B_2k / (2k (2k - 1) x^(2k - 1)), DLMF 5.11.1, for x >= 20.
fn stirling(x: Dd) -> Dd {
    let step = x.square().recip();
    let mut power = x.recip();
    let mut sum = Dd::ZERO;
    for (k, &(p, q)) in (1..).zip(&BERNOULLI) {
        let term = power * p / (q * f64::from(2 * k * (2 * k - 1)));
        sum = sum + term;
        if term.hi.abs() < 1e-34 * sum.hi.abs() {
            break;
        }
        power = power * step;
    }
    sum
}

/// log gamma(x) for x > 0, to about 30 digits of the larger of 1 and the result.
pub fn lgamma_dd(x: Dd) -> Dd {
    let (mut y, mut product) = (x, Dd::ONE);
    while y.hi < LARGE {
        product = product * y;
        y = y + 1.0;
    }
    let l = (y - 0.5) * y.ln() - y + LN_SQRT_2PI + stirling(y);
    if product == Dd::ONE {
        l
    } else {
        l - product.ln()
    }
}

/// sin πx and cos πx of x - rint(x), with the sign of neither turned back.
fn sin_cos_pi(x: f64) -> (Dd, Dd) {
    (PI * (x - libm::rint(x))).sin_cos()
}

fn is_pole(x: f64) -> bool {
    x <= 0.0 && x == libm::floor(x)
}

/// log|gamma(x)|. For x < 0 by reflection, DLMF 5.5.3, in double-double: it has zeros there.
pub fn lgamma(x: f64) -> f64 {
    if x > 0.0 || x.is_nan() {
        return libm::lgamma(x);
    }
    if is_pole(x) {
        return f64::INFINITY;
    }
    let (s, _) = sin_cos_pi(x);
    ((PI / s.abs()).ln() - lgamma_dd(Dd::sum(1.0, -x))).value()
}

/// The derivative of [`lgamma`]. Near its zero on the positive axis as in Boost (digamma.hpp: a rational function
/// times the distance to the zero), beyond 10 by the asymptotic series, DLMF 5.11.2, between by recurrence;
/// for x < 0 by reflection, DLMF 5.5.4, in double-double.
pub fn digamma(x: f64) -> f64 {
    if x.is_nan() || is_pole(x) || x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    if x < 0.0 {
        return digamma_dd(x).value();
    }
    if x >= 10.0 {
        if x > 1e17 {
            return libm::log(x);
        }
        let z = 1.0 / (x * x);
        let mut sum = 0.0;
        for (k, &(p, q)) in BERNOULLI[..8].iter().enumerate().rev() {
            sum = z * (p / (q * (2.0 * k as f64 + 2.0)) + sum);
        }
        return libm::log(x) - 0.5 / x - sum;
    }
    let (mut y, mut shift) = (x, 0.0);
    while y > 2.0 {
        y -= 1.0;
        shift += 1.0 / y;
    }
    if y < 1.0 {
        shift -= 1.0 / y;
        if y < 1e-17 {
            return shift;
        }
        y += 1.0;
    }
    shift + digamma_1_2(y)
}

/// digamma on [1, 2].
fn digamma_1_2(x: f64) -> f64 {
    const Y: f64 = 0.995_581_626_892_089_8;
    const ROOT: [f64; 3] = [
        1_569_415_565.0 / 1_073_741_824.0,
        381_566_830.0 / 1_073_741_824.0 / 1_073_741_824.0,
        0.901_631_209_325_891_9e-19,
    ];
    const P: [f64; 6] = [
        0.254_798_510_611_315_51,
        -0.325_550_311_868_044_91,
        -0.650_318_537_708_965_07,
        -0.289_191_264_447_747_84,
        -0.045_251_321_448_739_056,
        -0.002_071_332_116_774_595_2,
    ];
    const Q: [f64; 7] = [
        1.0,
        2.076_711_702_373_046_9,
        1.460_624_290_976_351_5,
        0.435_935_296_926_659_69,
        0.054_151_797_245_674_225,
        0.002_128_498_701_782_114_4,
        -0.557_898_413_216_755_13e-6,
    ];
    let g = ((x - ROOT[0]) - ROOT[1]) - ROOT[2];
    let horner = |c: &[f64]| c.iter().rev().fold(0.0, |s, c| s * (x - 1.0) + c);
    g * Y + g * (horner(&P) / horner(&Q))
}

/// digamma in double-double, x no pole.
fn digamma_dd(x: f64) -> Dd {
    if x < 0.0 {
        let (s, c) = sin_cos_pi(x);
        return digamma_positive(Dd::sum(1.0, -x)) - PI * c / s;
    }
    digamma_positive(Dd::from(x))
}

/// digamma of x > 0, to about 30 digits of the larger of 1 and the result.
pub fn digamma_positive(x: Dd) -> Dd {
    let (mut y, mut shift) = (x, Dd::ZERO);
    while y.hi < LARGE {
        shift = shift + y.recip();
        y = y + 1.0;
    }
    let step = y.square().recip();
    let (mut power, mut sum) = (step, Dd::ZERO);
    for (k, &(p, q)) in (1..).zip(&BERNOULLI) {
        let term = power * p / (q * f64::from(2 * k));
        sum = sum + term;
        if term.hi.abs() < 1e-34 * sum.hi.abs() {
            break;
        }
        power = power * step;
    }
    y.ln() - y.recip().scale(0.5) - sum - shift
}

/// The order that an operand means: 0, 1, 2, … up to a limit that bounds the work.
pub fn order(n: f64, limit: f64) -> Option<u32> {
    (n >= 0.0 && n <= limit && n == libm::floor(n)).then_some(n as u32)
}

/// The n-th derivative of digamma at x > 0 in double-double: n! times the Hurwitz zeta function of n + 1,
/// summed after Euler and Maclaurin (DLMF 25.11.5).
pub fn polygamma_positive(n: u32, x: Dd) -> Dd {
    if n == 0 {
        return digamma_positive(x);
    }
    if x.hi.is_infinite() {
        return Dd::ZERO;
    }
    let s = f64::from(n) + 1.0;
    let power = |y: Dd| (x / y).powi(n + 1);
    let (mut y, mut sum) = (x, Dd::ZERO);
    let mut rest = Dd::ONE;
    while y.hi < LARGE + 0.5 * s && rest.hi > 1e-36 {
        sum = sum + rest;
        y = y + 1.0;
        rest = power(y);
    }
    if rest.hi > 1e-36 {
        // B_2k / (2k)! s (s + 1) … (s + 2k - 2) / y^(2k - 1).
        let step = y.square().recip();
        let mut factor = y.recip() * s * 0.5;
        let mut tail = y / f64::from(n) + 0.5;
        for (k, &(p, q)) in (1..).zip(&BERNOULLI) {
            let term = factor * p / q;
            tail = tail + term;
            if term.hi.abs() < 1e-34 * tail.hi {
                break;
            }
            let k = 2.0 * f64::from(k);
            factor = factor * step * ((s + k - 1.0) * (s + k)) / ((k + 1.0) * (k + 2.0));
        }
        sum = sum + rest * tail;
    }
    // n! x^-(n + 1), through logarithms where a factor leaves the range.
    let small = n < 150 && (x.hi.ln() * s).abs() < 650.0;
    let front = if small {
        let factorial = (2..=n).fold(Dd::ONE, |f, k| f * f64::from(k));
        factorial / x.powi(n + 1)
    } else {
        (lgamma_dd(Dd::from(s)) - x.ln() * s).exp()
    };
    let size = if front.hi.is_infinite() {
        front
    } else {
        front * sum
    };
    if n % 2 == 1 { size } else { -size }
}

/// The n-th derivative of digamma; NaN unless n = 0, 1, 2, … (at most 10^6). At the poles +inf for odd n, else NaN.
/// Negative x by reflection, DLMF 5.15.6, up to n = 100 (NaN beyond).
pub fn polygamma(n: f64, x: f64) -> f64 {
    let Some(n) = order(n, 1e6) else {
        return f64::NAN;
    };
    if n == 0 {
        return digamma(x);
    }
    if is_pole(x) {
        return if n % 2 == 1 { f64::INFINITY } else { f64::NAN };
    }
    if x > 0.0 {
        return polygamma_positive(n, Dd::from(x)).value();
    }
    if !(x > f64::NEG_INFINITY) || n > 100 {
        return f64::NAN;
    }
    // (-1)^n psi_n(1 - x) - psi_n(x) = π d^n/dx^n cot πx; the derivative is π^n times a polynomial in the
    // cotangent c: p_0 = c, p_(k + 1) = -(1 + c²) p_k'.
    let (s, c) = sin_cos_pi(x);
    let cot = c / s;
    let mut p = vec![Dd::ZERO, Dd::ONE];
    for _ in 0..n {
        let mut next = vec![Dd::ZERO; p.len() + 1];
        for (i, &a) in p.iter().enumerate().skip(1) {
            let a = -a * i as f64;
            next[i - 1] = next[i - 1] + a;
            next[i + 1] = next[i + 1] + a;
        }
        p = next;
    }
    let value = p.iter().rev().fold(Dd::ZERO, |sum, &a| sum * cot + a) * PI.powi(n + 1);
    let other = polygamma_positive(n, Dd::sum(1.0, -x));
    let other = if n % 2 == 0 { other } else { -other };
    (other - value).value()
}

/// polygamma(n, a) - polygamma(n, a + b) in double-double, for a, b > 0, without cancellation however small b is.
pub fn polygamma_difference_dd(n: u32, a: f64, b: f64) -> Dd {
    let x = Dd::from(a);
    if b < 1e-11 * a {
        // Taylor's series; its third term is below 1e-22 of the first.
        return -(polygamma_positive(n + 1, x) + polygamma_positive(n + 2, x) * (0.5 * b)) * b;
    }
    polygamma_positive(n, x) - polygamma_positive(n, Dd::sum(a, b))
}

/// polygamma(n, a) - polygamma(n, a + b), for a, b > 0 and n = 0, 1, 2, … up to 1000; else NaN.
pub fn polygamma_difference(n: f64, a: f64, b: f64) -> f64 {
    match order(n, 1000.0) {
        Some(n) if a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() => {
            polygamma_difference_dd(n, a, b).value()
        }
        _ => f64::NAN,
    }
}

/// log beta(a, b) in double-double for a, b > 0: by Stirling's formula with the large terms cancelled on paper.
pub fn lbeta_dd(a: f64, b: f64) -> Dd {
    let (a, b) = if a < b { (b, a) } else { (a, b) };
    let sum = Dd::sum(a, b);
    let (a, b) = (Dd::from(a), Dd::from(b));
    if a.hi < LARGE {
        if b.hi < 1e-3 {
            return lgamma_dd(b) + (lgamma_dd(a) - lgamma_dd(sum));
        }
        return lgamma_dd(a) + lgamma_dd(b) - lgamma_dd(sum);
    }
    let grown = (b / a).ln_1p();
    if b.hi < LARGE {
        let more = (a - 0.5) * grown + b * sum.ln() - b + (stirling(sum) - stirling(a));
        return lgamma_dd(b) - more;
    }
    b * (b / sum).ln() - (a - 0.5) * grown - b.ln().scale(0.5)
        + LN_SQRT_2PI
        + (stirling(a) + stirling(b) - stirling(sum))
}

/// lgamma(a) + lgamma(b) - lgamma(a + b) for a, b > 0; NaN elsewhere, +inf where one of them is 0.
pub fn lbeta(a: f64, b: f64) -> f64 {
    if !(a >= 0.0 && b >= 0.0) {
        return f64::NAN;
    }
    if a == 0.0 || b == 0.0 {
        return if a.is_infinite() || b.is_infinite() {
            f64::NAN
        } else {
            f64::INFINITY
        };
    }
    if a.is_infinite() || b.is_infinite() {
        return f64::NEG_INFINITY;
    }
    match (a, b) {
        (1.0, p) | (p, 1.0) => -libm::log(p) + 0.0,
        _ => lbeta_dd(a, b).value(),
    }
}

/// log gamma(1 + x) for 0 <= x < 1, relatively accurate.
pub fn lgamma_1p(x: f64) -> Dd {
    if x < 1e-20 {
        return -EULER * x;
    }
    lgamma_dd(Dd::sum(1.0, x))
}
