//! Bessel functions of integer order in double-double, so that values near zeros and derivatives of any order are
//! as good relatively as anywhere else.
//!
//! J by backward recurrence (Miller's algorithm, DLMF 3.6(vi)) below x = 40 or where the order is larger than x, else
//! by Hankel's asymptotic expansion (DLMF 10.17.3) and forward recurrence; Y_0 and Y_1 below 40 by Neumann's series
//! (Abramowitz and Stegun 9.1.89, and its derivative); I as J, by backward recurrence or DLMF 10.40.1.

use super::bessel_i_table as table;
use super::dd::{Dd, EULER, LN_2, PI, remainder_pi_2};

/// Beyond this order functions of order n give NaN: the work grows with n.
pub const ORDERS: f64 = 1e5;
/// Derivatives of higher order than this give NaN.
const DERIVATIVES: f64 = 50.0;
/// Below, the ascending series is its first term in 31 digits.
const TINY: f64 = 1e-17;
/// From here on Hankel's expansion has 31 digits.
const LARGE: f64 = 40.0;

fn integer(n: f64, limit: f64) -> Option<i32> {
    (n.abs() <= limit && n == libm::floor(n)).then_some(n as i32)
}

/// J_0 to J_top at x > 0 by backward recurrence.
fn j_backward(top: usize, x: f64) -> Vec<Dd> {
    // Where to start: the growing solution, followed upward, has to leave 1e35 behind.
    let mut k = top.max(x as usize) + 1;
    let (mut p, mut q) = (0.0, 1.0);
    while f64::abs(q) < 1e36 {
        (p, q) = (q, 2.0 * k as f64 / x * q - p);
        k += 1;
    }
    backward(top, k, x, -1.0)
}

/// e^-x I_0(x) to e^-x I_top(x) at x > 0 by backward recurrence.
fn i_backward(top: usize, x: f64) -> Vec<Dd> {
    let mut k = top + 1;
    let (mut p, mut q) = (0.0, 1.0);
    // The ratio of the two solutions falls by the square of each step's growth.
    while f64::abs(q) < 1e19 {
        (p, q) = (q, 2.0 * k as f64 / x * q + p);
        k += 1;
    }
    backward(top, k, x, 1.0)
}

/// Solutions of y_(k - 1) = 2 k / x y_k + sign y_(k + 1) that vanish at `start`, normalised by y_0 + 2 (y_1) + 2 y_2 + … = 1,
/// with even orders only where the sign is -1.
fn backward(top: usize, start: usize, x: f64, sign: f64) -> Vec<Dd> {
    const BIG: f64 = 1.157920892373162e77;
    let mut out = vec![Dd::ZERO; top + 1];
    let over = Dd::quotient(2.0, x);
    let (mut above, mut y) = (Dd::ZERO, Dd::from(1e-250));
    let mut norm = Dd::ZERO;
    for k in (0..=start).rev() {
        // y is the solution of order k.
        if k <= top {
            out[k] = y;
        }
        if k == 0 {
            norm = norm + y;
        } else if sign > 0.0 || k % 2 == 0 {
            norm = norm + y.scale(2.0);
        }
        if k == 0 {
            break;
        }
        let below = over * k as f64 * y + above * sign;
        (above, y) = (y, below);
        if y.hi.abs() > BIG {
            let s = 1.0 / BIG;
            (above, y, norm) = (above.scale(s), y.scale(s), norm.scale(s));
            let at = k.min(top + 1);
            for o in &mut out[at..] {
                // What has fallen below the range stays 0.
                if o.hi == 0.0 {
                    break;
                }
                *o = o.scale(s);
            }
        }
    }
    for o in &mut out {
        *o = *o / norm;
    }
    out
}

/// J_n(x) and Y_n(x) for n = 0 or 1 and x >= 40.
fn hankel(n: u32, x: f64) -> (Dd, Dd) {
    let square = 4.0 * f64::from(n * n);
    let (mut p, mut q) = (Dd::ZERO, Dd::ZERO);
    let mut term = Dd::ONE;
    let eighth = Dd::quotient(0.125, x);
    for k in 0..80u32 {
        let signed = if k / 2 % 2 == 0 { term } else { -term };
        if k % 2 == 0 {
            p = p + signed;
        } else {
            q = q + signed;
        }
        let odd = f64::from(2 * k + 1);
        term = term * eighth * (square - odd * odd) / f64::from(k + 1);
        if term.hi.abs() < 1e-36 {
            break;
        }
    }
    // x - (n/2 + 1/4) π: quarter turns are exact, the eighth is left to the sum below.
    let (r, quadrant) = remainder_pi_2(x);
    let (s, c) = r.sin_cos();
    let (s, c) = match (quadrant + 4 - n) % 4 {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    };
    // cos(w - π/4) = (c + s) / √2, sin(w - π/4) = (s - c) / √2; √(2 / (π x)) / √2 = 1 / √(π x).
    let (cos, sin) = (c + s, s - c);
    let size = if x > 1e300 {
        (PI * x.sqrt()).recip() * PI.sqrt() / Dd::from(x).sqrt() * Dd::from(x.sqrt())
    } else {
        (PI * x).sqrt().recip()
    };
    ((p * cos - q * sin) * size, (p * sin + q * cos) * size)
}

/// J_0 to J_top at x >= 0.
fn j_orders(top: usize, x: f64) -> Vec<Dd> {
    if x == 0.0 || x.is_infinite() {
        let mut out = vec![Dd::ZERO; top + 1];
        out[0] = if x == 0.0 { Dd::ONE } else { Dd::ZERO };
        return out;
    }
    if x < TINY {
        // The leading terms: recurrence factors would leave the range.
        let half = Dd::from(0.5 * x);
        let mut out = vec![Dd::ONE; top + 1];
        for k in 1..=top {
            out[k] = out[k - 1] * half / k as f64;
        }
        return out;
    }
    if x < LARGE || top as f64 > x {
        return j_backward(top, x);
    }
    forward(top, x, hankel(0, x).0, hankel(1, x).0)
}

/// Y_0 to Y_top at x > 0.
fn y_orders(top: usize, x: f64) -> Vec<Dd> {
    if x.is_infinite() {
        return vec![Dd::ZERO; top + 1];
    }
    if x >= LARGE {
        return forward(top, x, hankel(0, x).1, hankel(1, x).1);
    }
    let terms = 2 * (x as usize + 60);
    let j = if x < TINY {
        j_orders(terms, x)
    } else {
        j_backward(terms, x)
    };
    let log = Dd::from(x).ln() - LN_2 + EULER;
    let (mut even, mut odd) = (Dd::ZERO, Dd::ZERO);
    for k in (1..terms / 2).rev() {
        let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
        let k1 = k as f64;
        even = even + j[2 * k] * sign / k1;
        odd = odd + j[2 * k + 1] * (sign * (2.0 * k1 + 1.0)) / (k1 * (k1 + 1.0));
    }
    let y0 = (log * j[0] - even.scale(2.0)).scale(2.0) / PI;
    let y1 = ((log - 1.0) * j[1] - j[0] / x - odd).scale(2.0) / PI;
    forward(top, x, y0, y1)
}

/// f_(k + 1) = 2 k / x f_k - f_(k - 1).
fn forward(top: usize, x: f64, f0: Dd, f1: Dd) -> Vec<Dd> {
    let mut out = Vec::with_capacity(top + 2);
    out.extend([f0, f1]);
    let over = Dd::quotient(2.0, x);
    for k in 1..top {
        let f = out[k];
        if !f.hi.is_finite() {
            out.push(f);
            continue;
        }
        let next = over * k as f64 * f - out[k - 1];
        out.push(next);
    }
    out.truncate(top + 1);
    out
}

/// The k-th derivative of a cylinder function of order n, DLMF 10.6.7: 2^-k Σ (-1)^i binomial(k, i) f_(n - k + 2 i).
fn derivative(k: i32, n: i32, orders: impl Fn(usize) -> Vec<Dd>) -> f64 {
    let f = orders((n.abs() + k) as usize);
    let mut sum = Dd::ZERO;
    let mut binomial = 1.0;
    for i in 0..=k {
        let m = n - k + 2 * i;
        let value = f[m.unsigned_abs() as usize];
        let odd = (m < 0 && m % 2 != 0) ^ (i % 2 != 0);
        let term = value * binomial;
        if term.hi.is_infinite() {
            return if odd { -term.hi } else { term.hi };
        }
        sum = if odd { sum - term } else { sum + term };
        binomial = binomial * f64::from(k - i) / f64::from(i + 1);
    }
    sum.ldexp(-k).value()
}

/// The k-th derivative of J_n(x) in x. NaN unless k = 0, 1, … (at most 50) and n is an integer (at most 10^5 in size).
pub fn jn_derivative(k: f64, n: f64, x: f64) -> f64 {
    let (Some(k), Some(n)) = (integer(k, DERIVATIVES), integer(n, ORDERS)) else {
        return f64::NAN;
    };
    if k < 0 || x.is_nan() {
        return f64::NAN;
    }
    let value = derivative(k, n, |top| j_orders(top, x.abs()));
    // J_n has the parity of n, its k-th derivative that of n + k.
    if x < 0.0 && (n + k) % 2 != 0 {
        -value
    } else {
        value
    }
}

/// J_n(x).
pub fn jn(n: f64, x: f64) -> f64 {
    jn_derivative(0.0, n, x)
}

/// J_0(x): FreeBSD's function, unless it stands near a zero or far out, where it is only absolutely accurate.
pub fn j0(x: f64) -> f64 {
    let y = libm::j0(x);
    if is_good(y, x) { y } else { jn(0.0, x) }
}

/// J_1(x), likewise.
pub fn j1(x: f64) -> f64 {
    let y = libm::j1(x);
    if x.abs() < 2.0 || is_good(y, x) {
        y
    } else {
        jn(1.0, x)
    }
}

/// Whether |y| is not small beside the amplitude √(2 / (π x)).
fn is_good(y: f64, x: f64) -> bool {
    y * y * (1.0 + x.abs()) > 0.02 && x.abs() < 1e4
}

/// The k-th derivative of Y_n(x) in x, x > 0; -inf or inf at 0 as the limit, NaN for x < 0. Orders as for J.
pub fn yn_derivative(k: f64, n: f64, x: f64) -> f64 {
    let (Some(k), Some(n)) = (integer(k, DERIVATIVES), integer(n, ORDERS)) else {
        return f64::NAN;
    };
    if k < 0 || x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        // Y_n -> -inf (for -n: (-1)^n times that), and each derivative turns the sign.
        let odd = (n < 0 && n % 2 != 0) ^ (k % 2 != 0);
        return if odd {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
    }
    derivative(k, n, |top| y_orders(top.max(1), x))
}

/// Y_n(x).
pub fn yn(n: f64, x: f64) -> f64 {
    yn_derivative(0.0, n, x)
}

/// Y_0(x): as [`j0`].
pub fn y0(x: f64) -> f64 {
    let y = libm::y0(x);
    if x > 0.0 && is_good(y, x) {
        y
    } else {
        yn(0.0, x)
    }
}

/// Y_1(x): as [`j1`].
pub fn y1(x: f64) -> f64 {
    let y = libm::y1(x);
    if x > 0.0 && is_good(y, x) {
        y
    } else {
        yn(1.0, x)
    }
}

/// The k-th derivative of e^-|x| I_n(x) in x; 0 at x = 0 where it jumps. Orders as for J.
pub fn ine_derivative(k: f64, n: f64, x: f64) -> f64 {
    let (Some(k), Some(n)) = (integer(k, DERIVATIVES), integer(n, ORDERS)) else {
        return f64::NAN;
    };
    if k < 0 || x.is_nan() {
        return f64::NAN;
    }
    let (n, odd) = (n.abs(), (n.abs() + k) % 2 != 0);
    if x == 0.0 && odd {
        return 0.0;
    }
    let value = ine_positive(k, n, x.abs());
    if x < 0.0 && odd { -value } else { value }
}

fn ine_positive(k: i32, n: i32, x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    let square = 4.0 * f64::from(n) * f64::from(n);
    if x > LARGE + 0.5 * square {
        // Term by term: x^(-m - 1/2) loses a power and gains a factor -(m + 1/2) with each derivative.
        let eighth = Dd::quotient(0.125, x);
        let (mut sum, mut term) = (Dd::ZERO, Dd::ONE);
        for m in 0..80 {
            let slope = (0..k).fold(1.0, |f, i| f * -(f64::from(m + i) + 0.5));
            let part = term * slope;
            sum = sum + part;
            let odd = f64::from(2 * m + 1);
            term = -(term * eighth) * (square - odd * odd) / f64::from(m + 1);
            if term.hi.abs() * (slope.abs() + 1.0) < 1e-22 * sum.hi.abs() {
                break;
            }
        }
        let mut value = (sum / (PI.scale(2.0)).sqrt() / Dd::from(x).sqrt()).value();
        for _ in 0..k {
            value /= x;
        }
        return value;
    }
    // 2^-k δ^(2k), the central difference over orders.
    let top = (n + k) as usize;
    let f = if x < TINY {
        j_orders(top, x)
    } else {
        i_backward(top, x)
    };
    let mut sum = Dd::ZERO;
    let mut binomial = 1.0;
    for i in 0..=2 * k {
        let term = f[(n - k + i).unsigned_abs() as usize] * binomial;
        sum = if i % 2 == 0 { sum + term } else { sum - term };
        binomial = binomial * f64::from(2 * k - i) / f64::from(i + 1);
    }
    sum.ldexp(-k).value()
}

/// e^-|x| I_0(x).
pub fn i0e(x: f64) -> f64 {
    let x = x.abs();
    if x < 1e-9 {
        1.0 - x
    } else if x <= 8.0 {
        clenshaw(&table::I0_SMALL, 0.25 * x - 1.0)
    } else {
        clenshaw(&table::I0_LARGE, 16.0 / x - 1.0) / libm::sqrt(x)
    }
}

/// e^-|x| I_1(x).
pub fn i1e(x: f64) -> f64 {
    let a = x.abs();
    if a <= 8.0 {
        x * clenshaw(&table::I1_SMALL, 0.25 * a - 1.0)
    } else {
        (clenshaw(&table::I1_LARGE, 16.0 / a - 1.0) / libm::sqrt(a)).copysign(x)
    }
}

/// Σ c_k T_k(t).
fn clenshaw(c: &[f64], t: f64) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    for &c in c[1..].iter().rev() {
        (a, b) = (c + 2.0 * t * a - b, a);
    }
    c[0] + t * a - b
}
