//! Linear algebra on the last two dimensions; leading dimensions are a batch.

pub mod cholesky;
pub mod determinant;
pub mod exponential;
mod formula;
pub mod least_squares;
pub mod lu;
mod numeric;
pub mod qr;
mod shapes;
pub mod solve;
pub mod sparse;
pub mod spectral;
pub mod triangular;
pub mod tridiagonal;
