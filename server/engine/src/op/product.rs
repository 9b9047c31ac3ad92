//! Products of a function: what a request asks of a graph, and a derivative node of a function.

use super::FunctionId;
use crate::tensor::TensorType;

/// How a matrix comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(missing_docs, reason = "described in the wire contract")]
pub enum Layout {
    #[default]
    Dense,
    Sparse,
    Auto,
}

/// What to compute. Inputs and outputs by position; lists are not empty. Tangents are one seed for each
/// floating-point input, cotangents one for each floating-point output, vectors one for each of `wrt`.
/// `directions` 0: one, without a leading axis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "fields are those of the wire contract")]
pub enum Product {
    Value {
        outputs: Vec<u32>,
    },
    Gradient {
        output: u32,
        wrt: Vec<u32>,
    },
    Jacobian {
        outputs: Vec<u32>,
        wrt: Vec<u32>,
        layout: Layout,
    },
    Jvp {
        directions: u32,
    },
    Vjp {
        directions: u32,
    },
    Hessian {
        output: u32,
        wrt: Vec<u32>,
        layout: Layout,
    },
    Hvp {
        output: u32,
        wrt: Vec<u32>,
        directions: u32,
    },
}

/// A derivative of a function used inside another one. Parameters and results of the function stand for the
/// inputs and outputs that the product names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Derivative {
    /// The function.
    pub function: FunctionId,
    /// Which derivative.
    pub product: Product,
    /// Parameters with a tangent, results with a cotangent, or inputs with a vector, in order; the others' are zero.
    pub directed: Vec<u32>,
    /// Types of the function's parameters.
    pub parameters: Vec<TensorType>,
    /// Types of the function's results.
    pub outputs: Vec<TensorType>,
    /// Types of the node's results.
    pub results: Vec<TensorType>,
}

/// What an implicit node solves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImplicitKind {
    /// g(x, θ) = 0, from a start.
    Root,
    /// x = f(x, θ), from a start.
    FixedPoint,
    /// A(θ) x = b, for the operator that the function applies.
    LinearSolve,
}

/// A value that a function defines implicitly. Operands: the start (of a linear solve b), then θ; the function takes
/// x and θ and gives one result of x's type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Implicit {
    /// What is solved.
    pub kind: ImplicitKind,
    /// The function.
    pub function: FunctionId,
    /// The most iterations; 0: a bound of the kind's own.
    pub max_iterations: u64,
    /// Bits of the relative tolerance, as `f64::to_bits`; 0: one of the kind's own.
    pub tolerance_bits: u64,
    /// Types of the operands.
    pub operands: Vec<TensorType>,
}
