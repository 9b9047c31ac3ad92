//! Sparse matrix times dense.

use crate::op::SparsePattern;

/// A x, or Aᵀ x, for a matrix with `values` where the pattern has entries. Shapes: x `[n, k]` to `[m, k]`
/// (transposed `[m, k]` to `[n, k]`).
pub fn sparse_matvec(
    k: usize,
    pattern: &SparsePattern,
    values: &[f64],
    x: &[f64],
    out: &mut [f64],
) {
    out.fill(0.0);
    let entries = pattern.rows.iter().zip(&pattern.columns).zip(values);
    for ((&row, &column), value) in entries {
        let (to, from) = match pattern.transpose {
            false => (row as usize, column as usize),
            true => (column as usize, row as usize),
        };
        for (o, x) in out[to * k..][..k].iter_mut().zip(&x[from * k..][..k]) {
            *o += value * x;
        }
    }
}
