//! LU, Cholesky and QR, and what is read off the first.

use super::{all_finite, store, view};
use faer::{
    Side,
    linalg::solvers::{Llt, PartialPivLu, Qr},
};

/// P A = L U with partial pivoting; row i of P A is row `permutation[i]` of A. Shapes: all `[n, n]`. L and U of a
/// matrix that is not finite are NaN.
pub fn lu(n: usize, a: &[f64], permutation: &mut [i64], l: &mut [f64], u: &mut [f64]) {
    if n == 0 {
        return;
    }
    if !all_finite(a) {
        (0..n).for_each(|i| permutation[i] = i as i64);
        l.fill(f64::NAN);
        u.fill(f64::NAN);
        return;
    }
    let factors = PartialPivLu::new(view(a, n, n));
    let (forward, _) = factors.P().arrays();
    for (to, &from) in permutation.iter_mut().zip(forward) {
        *to = from as i64;
    }
    store(l, factors.L());
    store(u, factors.U());
    if !(all_finite(l) && all_finite(u)) {
        eliminate(n, a, permutation, l, u);
    }
}

/// As [`lu`], but a column without a pivot is left as it is, where faer divides by the 0.
fn eliminate(n: usize, a: &[f64], permutation: &mut [i64], l: &mut [f64], u: &mut [f64]) {
    u.copy_from_slice(a);
    l.fill(0.0);
    (0..n).for_each(|i| permutation[i] = i as i64);
    for j in 0..n {
        let size = |i: usize| u[i * n + j].abs();
        let pivot = (j..n).fold(j, |best, i| if size(i) > size(best) { i } else { best });
        if pivot != j {
            permutation.swap(j, pivot);
            for k in 0..n {
                u.swap(j * n + k, pivot * n + k);
                l.swap(j * n + k, pivot * n + k);
            }
        }
        l[j * n + j] = 1.0;
        if u[j * n + j] == 0.0 {
            continue;
        }
        let (above, below) = u.split_at_mut((j + 1) * n);
        let row = &above[j * n..];
        for (i, other) in below.chunks_exact_mut(n).enumerate() {
            let factor = other[j] / row[j];
            l[(j + 1 + i) * n + j] = factor;
            other[j] = 0.0;
            for k in j + 1..n {
                other[k] -= factor * row[k];
            }
        }
    }
}

/// -1 for an odd permutation, 1 for an even one.
fn parity(mut permutation: Vec<i64>) -> f64 {
    let mut sign = 1.0;
    for i in 0..permutation.len() {
        while permutation[i] as usize != i {
            let target = permutation[i] as usize;
            permutation.swap(i, target);
            sign = -sign;
        }
    }
    sign
}

/// The sign of P and the diagonal of U.
fn pivots(n: usize, a: &[f64]) -> (f64, Vec<f64>) {
    let mut permutation = vec![0; n];
    let (mut l, mut u) = (vec![0.0; n * n], vec![0.0; n * n]);
    lu(n, a, &mut permutation, &mut l, &mut u);
    (parity(permutation), (0..n).map(|i| u[i * n + i]).collect())
}

/// The determinant of `[n, n]`, without overflow on the way.
pub fn determinant(n: usize, a: &[f64]) -> f64 {
    let (sign, pivots) = pivots(n, a);
    let (mut mantissa, mut exponent) = (sign, 0i64);
    for pivot in pivots {
        let (m, e) = libm::frexp(mantissa * pivot);
        // frexp of 0, infinity and NaN leaves the exponent open.
        if m == 0.0 || !m.is_finite() {
            mantissa = m;
            continue;
        }
        mantissa = m;
        exponent += i64::from(e);
    }
    libm::ldexp(mantissa, exponent.clamp(-4000, 4000) as i32)
}

/// Sign and logarithm of the absolute value of the determinant of `[n, n]`.
pub fn slogdet(n: usize, a: &[f64]) -> (f64, f64) {
    let (mut sign, pivots) = pivots(n, a);
    let mut logarithm = 0.0;
    for pivot in pivots {
        sign = match pivot {
            0.0 => 0.0,
            p if p.is_nan() => f64::NAN,
            p => sign * p.signum(),
        };
        logarithm += pivot.abs().ln();
    }
    match sign == 0.0 {
        true => (0.0, f64::NEG_INFINITY),
        false => (sign, logarithm),
    }
}

/// L with A = L Lᵀ of `[n, n]`; only the lower triangle is read. Not positive definite: NaN on and below the
/// diagonal.
pub fn cholesky(n: usize, a: &[f64], l: &mut [f64]) {
    let lower = |i: usize, j: usize| j <= i;
    let readable = (0..n).all(|i| all_finite(&a[i * n..][..=i]));
    match readable.then(|| Llt::new(view(a, n, n), Side::Lower)) {
        Some(Ok(factor)) if n > 0 => store(l, factor.L()),
        _ => l.fill(f64::NAN),
    }
    for (at, x) in l.iter_mut().enumerate() {
        if !lower(at / n, at % n) {
            *x = 0.0;
        }
    }
}

/// A = Q R of `[m, n]`, thin, with a non-negative diagonal of R. Shapes: Q `[m, k]`, R `[k, n]`, k = min(m, n).
pub fn qr(m: usize, n: usize, a: &[f64], q: &mut [f64], r: &mut [f64]) {
    let k = m.min(n);
    if k == 0 {
        return;
    }
    if !all_finite(a) {
        q.fill(f64::NAN);
        r.fill(f64::NAN);
        return;
    }
    let factors = Qr::new(view(a, m, n));
    store(q, factors.compute_thin_Q().as_ref());
    store(r, factors.thin_R());
    for i in 0..k {
        r[i * n..][..i].fill(0.0);
        if r[i * n + i] < 0.0 {
            r[i * n + i..(i + 1) * n].iter_mut().for_each(|x| *x = -*x);
            q.iter_mut().skip(i).step_by(k).for_each(|x| *x = -*x);
        }
    }
}
