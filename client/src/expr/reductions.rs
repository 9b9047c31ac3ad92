//! Reductions and norms.

use gradient_proto::v1::{self as proto, NormKind, Op, node::Attributes};

use super::{
    Expr,
    structural::{wire, wire_all},
};

/// Three methods for each operation: over all elements, over some dimensions, over some dimensions that stay.
macro_rules! reductions {
    ($($all:ident, $over:ident, $keep:ident = $op:ident, $what:literal, $note:literal;)*) => {
        /// # Reductions
        impl Expr {$(
            #[doc = concat!("The ", $what, " all elements, a scalar. ", $note)]
            #[track_caller]
            pub fn $all(&self) -> Expr {
                self.reduce(Op::$op, &[], false)
            }

            #[doc = concat!("The ", $what, " some dimensions, which go; over none of them, each element's own. ", $note)]
            #[track_caller]
            pub fn $over(&self, axes: impl AsRef<[usize]>) -> Expr {
                self.reduce_over(Op::$op, axes.as_ref(), false)
            }

            #[doc = concat!("The ", $what, " some dimensions, which stay with size 1. ", $note)]
            #[track_caller]
            pub fn $keep(&self, axes: impl AsRef<[usize]>) -> Expr {
                self.reduce_over(Op::$op, axes.as_ref(), true)
            }
        )*}
    };
}

reductions! {
    sum, sum_over, sum_keep = ReduceSum, "sum over", "The sum of nothing is 0.";
    prod, prod_over, prod_keep = ReduceProd, "product over",
        "The product of nothing is 1; derivatives are exact where factors are 0.";
    mean, mean_over, mean_keep = ReduceMean, "mean over", "The mean of nothing is NaN.";
    max, max_over, max_keep = ReduceMax, "largest over", "k equal ones share the derivative, 1/k each.";
    min, min_over, min_keep = ReduceMin, "smallest over", "k equal ones share the derivative, 1/k each.";
    logsumexp, logsumexp_over, logsumexp_keep = ReduceLogsumexp, "log(sum(eᵃ)), without overflow, over", "";
    all, all_over, all_keep = ReduceAnd, "conjunction, of bool, over", "Of nothing it is true.";
    any, any_over, any_keep = ReduceOr, "disjunction, of bool, over", "Of nothing it is false.";
}

impl Expr {
    // On the wire no axes mean all of them; a caller's empty list means none.
    #[track_caller]
    fn reduce_over(&self, op: Op, axes: &[usize], keep_dims: bool) -> Expr {
        if axes.is_empty() {
            self.clone()
        } else {
            self.reduce(op, axes, keep_dims)
        }
    }

    #[track_caller]
    fn reduce(&self, op: Op, axes: &[usize], keep_dims: bool) -> Expr {
        let axes = wire_all(axes);
        let reduce = proto::Reduce { axes, keep_dims };
        self.unary(op, Some(Attributes::Reduce(reduce.into())))
    }
}

/// Options of [`Expr::variance_with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variance {
    /// Distinct dimensions; empty: all of them.
    pub axes: Vec<usize>,
    /// Reduced dimensions stay, with size 1.
    pub keep_dims: bool,
    /// Taken off the number of elements that the sum is divided by; 1 is the unbiased estimator.
    pub ddof: u32,
}

/// Options of [`Expr::norm_with`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Which one.
    pub kind: NormKind,
    /// Distinct dimensions; empty: all of them ([`NormKind::Fro`]: the last two).
    pub axes: Vec<usize>,
    /// Reduced dimensions stay, with size 1.
    pub keep_dims: bool,
}

/// The Euclidean norm of all elements.
impl Default for Norm {
    fn default() -> Self {
        Self {
            kind: NormKind::Two,
            axes: Vec::new(),
            keep_dims: false,
        }
    }
}

/// # Variances and norms
impl Expr {
    /// The mean squared distance of all elements from their mean, a scalar.
    #[track_caller]
    pub fn variance(&self) -> Expr {
        self.variance_with(Variance::default())
    }

    /// The mean squared distance from the mean over some dimensions. Over all of them the list is empty.
    #[track_caller]
    pub fn variance_with(&self, options: Variance) -> Expr {
        let variance = proto::Variance {
            axes: wire_all(options.axes),
            keep_dims: options.keep_dims,
            ddof: options.ddof,
        };
        self.unary(
            Op::ReduceVariance,
            Some(Attributes::Variance(variance.into())),
        )
    }

    /// The standard deviation of all elements: the root of [`Expr::variance`], with derivative inf where that is 0.
    #[track_caller]
    pub fn std(&self) -> Expr {
        self.variance().sqrt()
    }

    /// The Euclidean norm of all elements, without overflow; derivative 0 at the origin.
    #[track_caller]
    pub fn norm(&self) -> Expr {
        self.norm_with(Norm::default())
    }

    /// A vector norm over dimensions; derivative 0 at the origin.
    #[track_caller]
    pub fn norm_with(&self, options: Norm) -> Expr {
        let norm = proto::Norm {
            kind: options.kind as i32,
            axes: wire_all(options.axes),
            keep_dims: options.keep_dims,
        };
        self.unary(Op::Norm, Some(Attributes::Norm(norm.into())))
    }

    /// Index, as i64, of the first largest element along a dimension, which goes. The first NaN counts as largest.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Expr {
        self.arg_reduce(Op::Argmax, axis)
    }

    /// Index, as i64, of the first smallest element along a dimension, which goes. The first NaN counts as
    /// smallest.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Expr {
        self.arg_reduce(Op::Argmin, axis)
    }

    #[track_caller]
    fn arg_reduce(&self, op: Op, axis: usize) -> Expr {
        let reduce = proto::ArgReduce {
            axis: wire(axis),
            keep_dims: false,
        };
        self.unary(op, Some(Attributes::ArgReduce(reduce.into())))
    }
}
