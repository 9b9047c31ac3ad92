//! One integration binary.

mod architecture;
mod identity;
mod malformed;
mod products;
mod references;
mod rules;
mod special_points_special;
