//! One integration binary.

mod architecture;
mod identity;
mod products;
mod rules;
