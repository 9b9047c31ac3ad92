//! Linear algebra on the last two dimensions; leading dimensions are a batch.

pub mod numeric;
