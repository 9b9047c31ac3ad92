//! What the integration tests share: scenarios as data, and the engine as plain functions.

pub mod bits;
pub mod bundle;
pub mod dense;
pub mod engine;
pub mod functions;
#[path = "../bench/gradbench/tool/mod.rs"]
pub mod gradbench;
pub mod lean;
pub mod random_graphs;
pub mod recurrence;
pub mod references;
pub mod scalars;
pub mod scenarios;
pub mod server;
pub mod wire;
