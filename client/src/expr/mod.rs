//! Expressions: write a function as Rust arithmetic, get a [`Graph`](crate::Graph).
//!
//! ```
//! use gradient_client::GraphBuilder;
//!
//! let g = GraphBuilder::new("demo");
//! let x = g.input("x", [3]);
//! let y = g.input("y", []);
//! let f = (x.sin() * &y).sum() + 2.0;
//! let graph = g.finish([("f", f)])?;
//! assert_eq!(graph.inputs().len(), 2);
//! # Ok::<(), gradient_client::BuildError>(())
//! ```
//!
//! An [`Expr`] is a cheap handle on a node of its builder: cloning it copies no arithmetic. Operators take
//! expressions by value or by reference and plain numbers on either side; a number takes the element type of the
//! expression beside it, and equal constants are stored once.
//!
//! # Mistakes
//! Types and shapes are followed as the expression grows. Operators cannot return a `Result`, so the builder keeps
//! the *first* mistake and [`GraphBuilder::finish`] returns it: the node, what is wrong, how to repair it, and the
//! line of the source that wrote it. Until then the failed operation stands for its first operand; later mistakes,
//! which mostly follow from the first, are not kept. [`GraphBuilder::error`] asks earlier.

mod arena;
mod builder;
mod control;
mod elementwise;
mod error;
mod functions;
mod indexing;
mod infer;
mod interpolation;
mod linear_algebra;
mod operators;
mod reductions;
mod scans;
mod signal;
mod special;
mod structural;
#[cfg(test)]
mod tests;

use std::{fmt, panic::Location};

use gradient_proto::v1::{Op, node::Attributes};

use crate::tensor::{Dtype, Tensor, Type};
use arena::{SharedArena, Value};

pub use builder::GraphBuilder;
pub use control::{Scan, Until};
pub use error::BuildError;
pub use functions::{Exprs, Function, Parameters};
pub use interpolation::Interpolation;
pub use linear_algebra::Triangular;
pub use reductions::{Norm, Variance};
pub use signal::{Convolution, Pool};
pub(crate) use {
    error::op_name,
    infer::{Inferred, Signatures, infer_types},
};

/// A value of a graph under construction: an input, or the result of an operation.
#[derive(Clone)]
pub struct Expr {
    arena: SharedArena,
    value: Value,
}

impl Expr {
    /// Element type and shape.
    pub fn tensor_type(&self) -> Type {
        self.arena.lock().type_of(self.value).clone()
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.arena.lock().type_of(self.value).dtype
    }

    /// Sizes, outermost dimension first; empty for a scalar.
    pub fn shape(&self) -> Vec<usize> {
        self.tensor_type().shape
    }

    /// Names the node for the server's error messages and listings; does not count for the graph's identity.
    /// Inputs have a name already and keep it.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        self.arena.lock().label(self.value, label.into());
        self
    }

    #[track_caller]
    fn unary(&self, op: Op, attributes: Option<Attributes>) -> Expr {
        self.arena.apply(op, &[self], attributes)
    }

    #[track_caller]
    fn binary(&self, op: Op, other: impl Operand, attributes: Option<Attributes>) -> Expr {
        let other = other.into_expr(&self.arena, self.dtype());
        self.arena.apply(op, &[self, &other], attributes)
    }

    /// The results of an operation that has as many.
    #[track_caller]
    fn several<const N: usize>(&self, op: Op, attributes: Option<Attributes>) -> [Expr; N] {
        let results = self.arena.apply_all(op, &[self], attributes, Some(N));
        results.try_into().expect("as many as asked for")
    }

    /// Records a mistake found before there is a node to append; the expression stands for the result.
    #[track_caller]
    fn mistake(&self, op: Op, message: String) -> Expr {
        self.arena.lock().fail(op, message, Location::caller());
        self.clone()
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arena = self.arena.lock();
        write!(f, "Expr({}: {})", self.value, arena.type_of(self.value))
    }
}

/// What an operation takes beside an expression: another expression, or a number, which takes the expression's
/// element type.
pub trait Operand: sealed::Sealed {
    /// The element type, unless it depends on the expression beside it.
    #[doc(hidden)]
    fn dtype(&self) -> Option<Dtype>;

    #[doc(hidden)]
    #[track_caller]
    fn into_expr(self, arena: &SharedArena, dtype: Dtype) -> Expr;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Expr {}
    impl Sealed for &super::Expr {}
    impl Sealed for f64 {}
}

impl Operand for Expr {
    fn dtype(&self) -> Option<Dtype> {
        Some(Expr::dtype(self))
    }

    fn into_expr(self, _: &SharedArena, _: Dtype) -> Expr {
        self
    }
}

impl Operand for &Expr {
    fn dtype(&self) -> Option<Dtype> {
        Some(Expr::dtype(self))
    }

    fn into_expr(self, _: &SharedArena, _: Dtype) -> Expr {
        self.clone()
    }
}

impl Operand for f64 {
    fn dtype(&self) -> Option<Dtype> {
        None
    }

    #[track_caller]
    fn into_expr(self, arena: &SharedArena, dtype: Dtype) -> Expr {
        let Some(tensor) = Tensor::from(self).cast(dtype) else {
            let message = format!("{self:?} is no {dtype}; convert the expression beside it first");
            arena.lock().fail(Op::Constant, message, Location::caller());
            return arena.constant(self.into(), Location::caller());
        };
        arena.constant(tensor, Location::caller())
    }
}
