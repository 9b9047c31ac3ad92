//! Linear algebra on the last two dimensions; leading dimensions are a batch.

pub mod cholesky;
pub mod determinant;
#[allow(dead_code, unused_imports)]
mod formula;
pub mod lu;
#[allow(dead_code, unused_imports)]
mod numeric;
pub mod qr;
#[allow(dead_code, unused_imports)]
mod shapes;
pub mod solve;
pub mod triangular;
