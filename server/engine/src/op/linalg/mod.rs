//! Linear algebra on the last two dimensions; leading dimensions are a batch.

pub mod exponential;
#[allow(dead_code, unused_imports)]
mod formula;
pub mod least_squares;
#[allow(dead_code, unused_imports)]
mod numeric;
#[allow(dead_code, unused_imports)]
mod shapes;
pub mod sparse;
pub mod spectral;
pub mod tridiagonal;
