//! Client of the gradient service: write a function, get exact derivatives.
//!
//! ```no_run
//! use gradient_client::{Client, GraphBuilder};
//!
//! # async fn example() -> Result<(), gradient_client::Error> {
//! // f(x, y) = Σ sin(xᵢ)·y
//! let g = GraphBuilder::new("first gradient");
//! let x = g.input("x", [3]);
//! let y = g.input("y", []);
//! let f = (x.sin() * &y).sum();
//! let graph = g.finish([("f", f)])?;
//!
//! let client = Client::connect("http://127.0.0.1:50051").await?;
//! let session = client.session(&graph); // registers with the first request
//! let answer = session
//!     .at([("x", [0.1, 0.2, 0.3])])
//!     .input("y", 2.0)
//!     .value()
//!     .gradient("f", ["x"])
//!     .send()
//!     .await?;
//! println!("f = {}, df/dx = {:?}", answer.value("f")?[[]], answer.gradient("x")?.data());
//! println!("{}", answer.results[1].plan.reason);
//! # Ok(())
//! # }
//! ```
//!
//! - [`expr`]: expressions with operators, from which [`GraphBuilder::finish`] makes a [`Graph`].
//! - [`Client`]: the connection, with deadlines and retries. [`Client::session`] opens a [`Session`] on a graph.
//! - [`Request`]: a point (or a batch of points), [products](Product) to compute there, and options; sent, planned
//!   or turned into a derivative graph.
//! - [`Answer`]: blocks of numbers under the names of the graph, the [`Plan`] of each product, and [`Timing`].
//! - [`Request::check`]: whether derivatives agree with differences; [`ClosedForm`]: a graph as formulas.
//! - [`Error`]: what went wrong, with the place in the request and the repair.
//! - [`tensor`]: arrays of numbers.
//! - [`text`]: functions written as text, `exp(x*y) + sin(x)`; [`nist`]: regression problems with known solutions.
//! - [`proto`]: the contract itself, for everything else.

mod client;
mod closed_form;
pub mod error;
pub mod expr;
mod graph;
mod listing;
pub mod nist;
mod session;
pub mod tensor;
pub mod text;

pub use gradient_proto::v1 as proto;
pub use gradient_proto::v1::{
    Extrapolation, HvpMode, InterpolationKind, Layout, Method, Mode, NonFinite, NonSmooth, NormKind,
};

pub use client::{Client, ConnectOptions, Registered, Stub};
pub use closed_form::{ClosedForm, TooLarge};
pub use error::{Error, RpcError, Violation};
pub use expr::{
    BuildError, Convolution, Expr, Exprs, Function, GraphBuilder, Interpolation, Norm, Operand,
    Parameters, Pool, Scan, Triangular, Until, Variance,
};
pub use graph::Graph;
pub use session::{
    ALL, Answer, Block, BlockData, Derivative, Plan, PlanAnswer, Product, ProductResult, Request,
    Session, Timing,
};
pub use tensor::{Array, Dtype, Element, SparseMatrix, Tensor, Type};
