//! Operations on whole tensors: reductions, shapes, products.

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::Expr;

/// A dimension, axis or rank as the contract numbers them. One beyond `u32` exists in no tensor and is refused as
/// such.
pub(super) fn wire(dimension: usize) -> u32 {
    u32::try_from(dimension).unwrap_or(u32::MAX)
}

pub(super) fn wire_all(dimensions: impl AsRef<[usize]>) -> Vec<u32> {
    dimensions.as_ref().iter().map(|&d| wire(d)).collect()
}

pub(super) fn wire_sizes(shape: impl AsRef<[usize]>) -> Vec<u64> {
    shape.as_ref().iter().map(|&d| d as u64).collect()
}

/// # Reductions
impl Expr {
    /// The sum of all elements, a scalar. The sum of nothing is 0.
    #[track_caller]
    pub fn sum(&self) -> Expr {
        self.reduce(Op::ReduceSum, &[], false)
    }

    /// The sum over some dimensions, which go. Over none of them it is the expression itself.
    #[track_caller]
    pub fn sum_over(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceSum, axes.as_ref(), false)
    }

    /// The sum over some dimensions, which stay with size 1.
    #[track_caller]
    pub fn sum_keep(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceSum, axes.as_ref(), true)
    }

    /// The mean of all elements, a scalar.
    #[track_caller]
    pub fn mean(&self) -> Expr {
        let elements: f64 = self.shape().iter().map(|&d| d as f64).product();
        self.sum() / elements
    }

    /// The largest element, a scalar. k equal ones share the derivative, 1/k each.
    #[track_caller]
    pub fn max(&self) -> Expr {
        self.reduce(Op::ReduceMax, &[], false)
    }

    /// The largest over some dimensions, which go.
    #[track_caller]
    pub fn max_over(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceMax, axes.as_ref(), false)
    }

    /// The largest over some dimensions, which stay with size 1.
    #[track_caller]
    pub fn max_keep(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceMax, axes.as_ref(), true)
    }

    /// The smallest element, a scalar. k equal ones share the derivative, 1/k each.
    #[track_caller]
    pub fn min(&self) -> Expr {
        self.reduce(Op::ReduceMin, &[], false)
    }

    /// The smallest over some dimensions, which go.
    #[track_caller]
    pub fn min_over(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceMin, axes.as_ref(), false)
    }

    /// The smallest over some dimensions, which stay with size 1.
    #[track_caller]
    pub fn min_keep(&self, axes: impl AsRef<[usize]>) -> Expr {
        self.reduce_over(Op::ReduceMin, axes.as_ref(), true)
    }

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
        self.unary(
            op,
            Some(Attributes::Reduce(
                proto::Reduce {
                    axes: wire_all(axes),
                    keep_dims,
                }
                .into(),
            )),
        )
    }
}

/// # Shapes
impl Expr {
    /// The same elements, row-major, in another shape with as many of them.
    #[track_caller]
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Expr {
        self.unary(
            Op::Reshape,
            Some(Attributes::Reshape(
                proto::Reshape {
                    shape: wire_sizes(shape),
                }
                .into(),
            )),
        )
    }

    /// Dimension i of the result is dimension `permutation[i]`.
    #[track_caller]
    pub fn transpose(&self, permutation: impl AsRef<[usize]>) -> Expr {
        let permutation = wire_all(permutation);
        self.unary(
            Op::Transpose,
            Some(Attributes::Transpose(
                proto::Transpose { permutation }.into(),
            )),
        )
    }

    /// All dimensions in reverse order: the transpose of a matrix.
    #[track_caller]
    pub fn t(&self) -> Expr {
        let reversed: Vec<usize> = (0..self.shape().len()).rev().collect();
        self.transpose(reversed)
    }

    /// Stretched to a shape as NumPy does: its dimensions are the last ones of the result, where size 1 stretches.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Expr {
        let (have, shape) = (self.shape(), shape.as_ref());
        match shape.len().checked_sub(have.len()) {
            Some(_) if have == shape => self.clone(),
            Some(new) => self.broadcast_in_dim(shape, (new..shape.len()).collect::<Vec<_>>()),
            None => self.mistake(
                Op::BroadcastInDim,
                format!("shape {have:?} has more dimensions than {shape:?}"),
            ),
        }
    }

    /// Stretched to a shape, with dimension i becoming `dimensions[i]` of the result.
    #[track_caller]
    pub fn broadcast_in_dim(
        &self,
        shape: impl AsRef<[usize]>,
        dimensions: impl AsRef<[usize]>,
    ) -> Expr {
        let broadcast = proto::BroadcastInDim {
            shape: wire_sizes(shape),
            dimensions: wire_all(dimensions),
        };
        self.unary(
            Op::BroadcastInDim,
            Some(Attributes::BroadcastInDim(broadcast.into())),
        )
    }
}

/// # Products
impl Expr {
    /// The inner product of two vectors, a scalar.
    #[track_caller]
    pub fn dot(&self, other: &Expr) -> Expr {
        let (a, b) = (self.shape(), other.shape());
        if a.len() != 1 || b.len() != 1 {
            return self.mistake(
                Op::DotGeneral,
                format!("dot takes two vectors, not {a:?} and {b:?}; use matmul"),
            );
        }
        self.matmul(other)
    }

    /// The matrix product, with NumPy's meaning: vectors count as a row on the left and as a column on the right;
    /// leading dimensions of both, which must be equal, are a batch.
    #[track_caller]
    pub fn matmul(&self, other: &Expr) -> Expr {
        let (a, b) = (self.shape(), other.shape());
        let batch: Vec<u32> = (0..wire(a.len().min(b.len()).saturating_sub(2))).collect();
        let fits = a.len() <= 2
            || b.len() <= 2
            || (a.len() == b.len() && a[..batch.len()] == b[..batch.len()]);
        if a.is_empty() || b.is_empty() || !fits {
            let repair = "multiply scalars with *, reshape or broadcast_to batches to one shape, or use dot_general";
            return self.mistake(
                Op::DotGeneral,
                format!("matmul of shapes {a:?} and {b:?}; {repair}"),
            );
        }
        let dims = proto::DotGeneral {
            lhs_contracting: vec![wire(a.len() - 1)],
            rhs_contracting: vec![wire(b.len().saturating_sub(2))],
            lhs_batch: batch.clone(),
            rhs_batch: batch,
        };
        self.dot_general(other, dims)
    }

    /// Sums of products over the contracting dimensions. The result has the batch dimensions, then what is left of
    /// self, then what is left of the other.
    #[track_caller]
    pub fn dot_general(&self, other: &Expr, dims: proto::DotGeneral) -> Expr {
        self.binary(
            Op::DotGeneral,
            other,
            Some(Attributes::DotGeneral(dims.into())),
        )
    }
}
