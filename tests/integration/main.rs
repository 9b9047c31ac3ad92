//! One integration binary.

mod architecture;
mod identity;
mod malformed;
mod methods;
mod products;
mod rules;
