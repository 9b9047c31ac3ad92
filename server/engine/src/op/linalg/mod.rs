//! Linear algebra on the last two dimensions; leading dimensions are a batch.

#[allow(dead_code, unused_imports)]
mod formula;
#[allow(dead_code, unused_imports)]
mod numeric;
#[allow(dead_code, unused_imports)]
mod shapes;
