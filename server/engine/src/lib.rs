//! Derivatives of computation graphs: pure, synchronous, no network.
//!
//! One sentence: *a graph comes in, its derivative is another graph, every graph runs on one tape machine.*
//!
//! ```text
//! GraphBuilder → Graph (valid once it exists) → id
//!   → transform (jvp, transpose, simplify: graphs to graphs)
//!   → plan (forward or reverse, and why) → tape (slots, sections, lanes) → execute → blocks
//! ```
//!
//! Rooms are floors, and each imports only from those below: [`tensor`], [`op`], [`graph`], [`transform`],
//! [`plan`], [`tape`], [`execute`], [`check`](mod@check).
//!
//! ```
//! use gradient_engine::*;
//!
//! // f = sin(x · y)
//! let mut builder = GraphBuilder::new("f", Limits::default());
//! let x = builder.input("x", TensorType::f64([]))?;
//! let y = builder.input("y", TensorType::f64([]))?;
//! let product = builder.push(Op::Multiply, &[x, y], Attributes::None, "")?;
//! let f = builder.push(Op::Sin, &[product], Attributes::None, "")?;
//! builder.output("f", f)?;
//! let graph = builder.finish()?;
//!
//! // Its gradient, derived, planned and lowered once …
//! let gradient = Product::Gradient { output: 0, wrt: vec![0, 1] };
//! let request = Request { products: vec![gradient], options: Options::default(), batched: None };
//! let program = compile(&graph, &request)?;
//! assert_eq!(program.plans()[0].mode, Some(Mode::Reverse));
//!
//! // … and evaluated wherever it is asked for. Of many results of one number each, `results` makes no blocks.
//! let (x, y) = (Tensor::scalar(DType::F64, 0.5), Tensor::scalar(DType::F64, 2.0));
//! let arguments = Arguments { inputs: vec![x.as_ref(), y.as_ref()].into(), seeds: vec![vec![]], batch: 1 };
//! let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default())?;
//! assert_eq!(blocks[0][0].tensor.element(0), 2.0 * 1f64.cos());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod check;
mod error;
pub mod execute;
pub mod graph;
pub mod op;
pub mod plan;
pub mod tape;
pub mod tensor;
pub mod transform;

pub use check::{Certificate, CheckRequest, Curve, CustomRule, Verdict, check};
pub use error::{Culprit, Error, StopReason};
pub use execute::{
    Arguments, Block, Counts, Crew, Estimate, Hands, Inputs, Name, Numbers, Program, Results,
    Scratch, Stop, calibrate, compile,
};
pub use graph::{
    Function, FunctionSource, Graph, GraphBuilder, GraphId, Limits, NodeSource, Signature,
    Statistics, Violation,
};
pub use op::{
    Attributes, Control, ControlKind, ConvolutionDimensions, Derivative, Direction, DotDimensions,
    Extrapolation, FunctionId, GatherDimensions, Implicit, ImplicitKind, InterpolationKind,
    NormKind, Op, OpInfo, OutOfBounds, PoolDimensions, ScatterDimensions, SparsePattern, ValueId,
    ViolationKind, WindowDimensions, list_ops,
};
pub use plan::{
    Candidate, Coordinates, Costs, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth, Options,
    Plan, Product, Request, differentiate,
};
pub use tensor::{DType, Shape, Tensor, TensorError, TensorRef, TensorType};
