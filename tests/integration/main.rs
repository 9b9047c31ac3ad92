//! One integration binary.

mod architecture;
mod bodies;
mod bundle;
mod check;
mod checked;
mod client_inference;
mod completeness;
mod deadline;
mod identity;
mod linear_algebra;
mod malformed;
mod methods;
mod order;
mod patterns;
mod products;
mod reductions;
mod references;
mod rules;
mod signal;
mod single;
mod sparsity;
mod special_points;
mod special_points_special;
mod spectral;
mod waists;
