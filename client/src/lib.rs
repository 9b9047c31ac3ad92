//! Client of the gradient service.

pub mod expr;
mod graph;
pub mod tensor;

pub use gradient_proto::v1 as proto;

pub use expr::{BuildError, Expr, GraphBuilder, Operand};
pub use graph::Graph;
pub use tensor::{Array, Dtype, Element, SparseMatrix, Tensor, Type};
