//! One integration binary.

mod architecture;
mod check;
mod identity;
mod malformed;
mod methods;
mod products;
mod rules;
