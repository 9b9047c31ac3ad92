//! Linear algebra on the last two dimensions; leading dimensions are a batch.

#[allow(dead_code, unused_imports)]
mod numeric;
