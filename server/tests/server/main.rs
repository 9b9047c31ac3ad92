//! The server from outside: over real gRPC on a loopback port.

mod admission;
mod coalesce;
mod direct;
mod errors;
mod evaluate;
mod harness;
mod lifecycle;
mod names;
mod numbers;
mod stream;
mod traps;
