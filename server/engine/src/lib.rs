//! engine

mod error;
pub mod execute;
pub mod graph;
pub mod op;
pub mod plan;
pub mod tape;
pub mod tensor;
pub mod transform;

pub use error::{Culprit, Error, StopReason};
pub use execute::{Arguments, Block, Program, Scratch, Stop, compile};
pub use graph::{Graph, GraphBuilder, GraphId, Limits, Statistics, Violation};
pub use op::{
    Attributes, Direction, DotDimensions, GatherDimensions, Op, OpInfo, OutOfBounds,
    ScatterDimensions, ValueId, ViolationKind, list_ops,
};
pub use plan::{
    Candidate, HvpMode, Layout, Mode, NonFinite, NonSmooth, Options, Plan, Product, Request,
    differentiate,
};
pub use tensor::{DType, Shape, Tensor, TensorError, TensorRef, TensorType};
