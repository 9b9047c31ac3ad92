//! Dense numerical routines on row-major f64 slices, one matrix each. Factorisations are faer's.
//!
//! None panics, whatever the numbers: sizes are the caller's to get right, and where a matrix holds an infinity
//! or a NaN that an iteration could trip over, every result is NaN.

mod cofactor;
mod exponential;
mod factor;
mod solve;
mod sparse;
mod spectral;
#[cfg(test)]
mod tests;
mod tridiagonal;

pub use cofactor::cofactor_derivative;
pub use exponential::expm_derivative;
pub use factor::{cholesky, determinant, lu, qr, slogdet};
pub use solve::{Factors, Triangle, lu_solve, svd_solve, triangular_solve};
pub use sparse::sparse_matvec;
pub use spectral::{cutoff, eigh, svd};
pub use tridiagonal::tridiagonal_solve;

use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};

/// A row-major slice as a matrix.
fn view(a: &[f64], rows: usize, columns: usize) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(a, rows, columns)
}

/// A row-major slice as a matrix to write to.
fn view_mut(a: &mut [f64], rows: usize, columns: usize) -> MatMut<'_, f64> {
    MatMut::from_row_major_slice_mut(a, rows, columns)
}

/// The product of two matrices.
fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// Writes a matrix row by row.
fn store(out: &mut [f64], from: MatRef<'_, f64>) {
    view_mut(out, from.nrows(), from.ncols()).copy_from(from);
}

fn all_finite(a: &[f64]) -> bool {
    a.iter().all(|x| x.is_finite())
}
