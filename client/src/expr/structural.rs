//! Shapes.

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

    /// The other way round along some dimensions, as NumPy's `flip`.
    #[track_caller]
    pub fn reverse(&self, dimensions: impl AsRef<[usize]>) -> Expr {
        let dimensions = wire_all(dimensions);
        let reverse = proto::Reverse { dimensions };
        self.unary(Op::Reverse, Some(Attributes::Reverse(reverse.into())))
    }

    /// The tensor beside itself, `repeats[d]` times along each dimension d.
    #[track_caller]
    pub fn tile(&self, repeats: impl AsRef<[usize]>) -> Expr {
        let repeats = wire_sizes(repeats);
        let tile = proto::Tile { repeats };
        self.unary(Op::Tile, Some(Attributes::Tile(tile.into())))
    }

    /// Every window of `sizes` elements of the last dimensions as dimensions of its own: `[.., s…]` becomes
    /// `[.., positions…, sizes…]`, one step from window to window.
    #[track_caller]
    pub fn windows(&self, sizes: impl AsRef<[usize]>) -> Expr {
        let sizes = wire_sizes(sizes);
        self.windows_with(proto::Windows {
            sizes,
            ..Default::default()
        })
    }

    /// As [`Expr::windows`], with steps between windows and between the elements of a window.
    #[track_caller]
    pub fn windows_with(&self, windows: proto::Windows) -> Expr {
        self.unary(Op::Windows, Some(Attributes::Windows(windows.into())))
    }

    /// The transpose of [`Expr::windows_with`]: every element of a tensor whose last dimensions are
    /// `windows.shape` is the sum of what its windows hold.
    #[track_caller]
    pub fn overlap_add(&self, windows: proto::Windows) -> Expr {
        self.unary(Op::OverlapAdd, Some(Attributes::Windows(windows.into())))
    }
}
