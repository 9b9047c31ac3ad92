//! Between the wire and the engine: the only place where proto meets engine.

pub mod answer;
mod attributes;
pub mod check;
pub mod encode;
pub mod familiar;
mod functions;
pub mod graph;
pub mod names;
pub mod pattern;
pub mod points;
pub mod product;
pub mod request;
pub mod status;
pub mod tensor;
