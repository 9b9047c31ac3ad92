//! Eigenvalues of symmetric matrices and singular values, with their vectors.

use super::{all_finite, view};
use faer::{
    Side,
    linalg::solvers::{SelfAdjointEigen, Svd},
};

/// Eigenvalues `[n]`, ascending, and eigenvectors `[n, n]` in columns; only the lower triangle is read. Of each
/// eigenvector the (first) component that is largest in size is positive.
pub fn eigh(n: usize, a: &[f64], values: &mut [f64], vectors: &mut [f64]) {
    let readable = (0..n).all(|i| all_finite(&a[i * n..][..=i]));
    let found = (n > 0 && readable).then(|| SelfAdjointEigen::new(view(a, n, n), Side::Lower));
    let Some(Ok(found)) = found else {
        values.fill(f64::NAN);
        vectors.fill(f64::NAN);
        return;
    };
    let (s, u) = (found.S().column_vector(), found.U());
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| s[i].total_cmp(&s[j]));
    for (to, &from) in order.iter().enumerate() {
        values[to] = s[from];
        let sign = sign_of_largest((0..n).map(|i| u[(i, from)]));
        for i in 0..n {
            vectors[i * n + to] = sign * u[(i, from)];
        }
    }
}

/// A = U diag(s) Vᵀ of `[m, n]`, thin, s descending. Of each column of U the (first) component that is largest
/// in size is positive. Shapes: U `[m, k]`, s `[k]`, Vᵀ `[k, n]`, k = min(m, n).
pub fn svd(m: usize, n: usize, a: &[f64], u: &mut [f64], s: &mut [f64], vt: &mut [f64]) {
    let k = m.min(n);
    let found = (k > 0 && all_finite(a)).then(|| Svd::new_thin(view(a, m, n)));
    let Some(Ok(found)) = found else {
        for part in [u, s, vt] {
            part.fill(f64::NAN);
        }
        return;
    };
    let (left, values, right) = (found.U(), found.S().column_vector(), found.V());
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    for (to, &from) in order.iter().enumerate() {
        s[to] = values[from].abs();
        let sign = sign_of_largest((0..m).map(|i| left[(i, from)]));
        for i in 0..m {
            u[i * k + to] = sign * left[(i, from)];
        }
        for j in 0..n {
            vt[to * n + j] = sign * right[(j, from)];
        }
    }
}

fn sign_of_largest(column: impl Iterator<Item = f64>) -> f64 {
    let largest = column.fold(
        0.0f64,
        |best, x| if x.abs() > best.abs() { x } else { best },
    );
    if largest < 0.0 { -1.0 } else { 1.0 }
}

/// Singular values not above this count as 0: max(m, n) · ε times the largest (NumPy's choice).
pub fn cutoff(m: usize, n: usize, epsilon: f64, s: &[f64]) -> f64 {
    m.max(n) as f64 * epsilon * s.iter().copied().fold(0.0, f64::max)
}
