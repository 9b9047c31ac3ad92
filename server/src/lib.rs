//! The gradient service: gRPC in front of the engine.
//!
//! A call flows through the rooms in this order:
//!
//! ```text
//! transport   deadline, limits of HTTP, statuses of the library
//! service     one handler for each rpc; reads like the data flow
//! wire        proto → names and types checked → the engine's own types, and back
//! store       graphs and tensors that clients have left, by content hash
//! cache       compiled programs, each compiled once
//! coalesce    under load, single points of one program become lanes of one evaluation
//! executor    threads that compute
//! ```

pub mod calibration;
pub mod config;
pub mod error;
pub mod telemetry;

mod cache;
mod coalesce;
mod executor;
mod run;
mod service;
mod store;
mod transport;
mod wire;

pub use config::Config;
pub use run::run;

/// A graph as the service sends it, under its own names.
pub fn encode_graph(graph: &gradient_engine::Graph) -> gradient_proto::v1::Graph {
    wire::graph::encode_graph(graph, &wire::names::Signature::of(graph))
}

/// A graph as the service reads it, where no tensors are resident.
///
/// # Errors
/// What the service answers a client that sends such a graph.
pub fn decode_graph(
    graph: gradient_proto::v1::Graph,
    limits: &gradient_engine::Limits,
) -> error::Result<gradient_engine::Graph> {
    wire::graph::decode_graph(graph, "graph", limits, &store::TensorStore::new(0))
}
