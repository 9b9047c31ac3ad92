//! The client's tests as one binary.

mod cli;
mod connection;
mod demo;
mod functions;
mod operations;
mod service;
mod text;
