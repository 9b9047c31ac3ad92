//! Systems of equations, dense.

use super::{store, view, view_mut};
use faer::{
    Par,
    linalg::triangular_solve::{
        solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place,
        solve_unit_upper_triangular_in_place, solve_upper_triangular_in_place,
    },
};

/// How a triangular matrix is read.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// The lower triangle, else the upper one.
    pub lower: bool,
    /// Transposed.
    pub transpose: bool,
    /// The diagonal counts as 1.
    pub unit: bool,
}

/// A x = b for a triangle of A `[n, n]`, in place. Shapes: x `[n, k]`.
pub fn triangular_solve(n: usize, k: usize, a: &[f64], triangle: Triangle, x: &mut [f64]) {
    if n == 0 || k == 0 {
        return;
    }
    let a = view(a, n, n);
    let (a, lower) = match triangle.transpose {
        true => (a.transpose(), !triangle.lower),
        false => (a, triangle.lower),
    };
    let x = view_mut(x, n, k);
    match (lower, triangle.unit) {
        (true, true) => solve_unit_lower_triangular_in_place(a, x, Par::Seq),
        (true, false) => solve_lower_triangular_in_place(a, x, Par::Seq),
        (false, true) => solve_unit_upper_triangular_in_place(a, x, Par::Seq),
        (false, false) => solve_upper_triangular_in_place(a, x, Par::Seq),
    }
}

/// The factors of P A = L U.
pub struct Factors<'a> {
    /// Row i of P A is row `permutation[i]` of A.
    pub permutation: &'a [i64],
    /// Unit lower triangular, `[n, n]`.
    pub l: &'a [f64],
    /// Upper triangular, `[n, n]`.
    pub u: &'a [f64],
}

/// A x = b, or Aᵀ x = b, for b `[n, k]`. A row number outside counts as the nearest one.
pub fn lu_solve(n: usize, k: usize, f: &Factors<'_>, transpose: bool, b: &[f64], x: &mut [f64]) {
    let row = |i: usize| f.permutation[i].clamp(0, n as i64 - 1) as usize * k;
    let triangle = |lower| Triangle {
        lower,
        transpose,
        unit: lower,
    };
    if !transpose {
        for i in 0..n {
            x[i * k..][..k].copy_from_slice(&b[row(i)..][..k]);
        }
        triangular_solve(n, k, f.l, triangle(true), x);
        triangular_solve(n, k, f.u, triangle(false), x);
        return;
    }
    // A permutation that names a row twice leaves another one out.
    x.fill(0.0);
    let mut y = b.to_vec();
    triangular_solve(n, k, f.u, triangle(false), &mut y);
    triangular_solve(n, k, f.l, triangle(true), &mut y);
    for i in 0..n {
        x[row(i)..][..k].copy_from_slice(&y[i * k..][..k]);
    }
}

/// A⁺ b, or A⁺ᵀ b, from the thin factors of A = U diag(s) Vᵀ `[m, n]`; singular values not above
/// [`cutoff`](super::cutoff) of this ε count as 0. Shapes: b `[m, k]` to x `[n, k]`, transposed the other way round.
pub fn svd_solve(
    (m, n, k): (usize, usize, usize),
    (u, s, vt): (&[f64], &[f64], &[f64]),
    (transpose, epsilon): (bool, f64),
    b: &[f64],
    x: &mut [f64],
) {
    let r = m.min(n);
    let (u, vt) = (view(u, m, r), view(vt, r, n));
    let (from, to, rows) = match transpose {
        false => (u.transpose(), vt.transpose(), m),
        true => (vt, u, n),
    };
    let mut y = super::product(from, view(b, rows, k));
    let cutoff = super::cutoff(m, n, epsilon, s);
    for (i, &s) in s.iter().enumerate() {
        for j in 0..k {
            // Not 0 by itself: NaN stays NaN.
            y[(i, j)] = if s <= cutoff {
                0.0 * y[(i, j)]
            } else {
                y[(i, j)] / s
            };
        }
    }
    store(x, super::product(to, y.as_ref()).as_ref());
}
