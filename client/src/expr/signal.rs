//! Convolution, pooling and Fourier transforms.

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{Expr, elementwise::unary, structural::wire_sizes};

/// Options of [`Expr::conv`]. Lists have an element for each spatial dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Convolution {
    /// Steps between windows; empty: all 1.
    pub strides: Vec<usize>,
    /// Zeros before each spatial dimension; empty: none.
    pub low: Vec<usize>,
    /// Zeros after each spatial dimension; empty: none.
    pub high: Vec<usize>,
    /// Steps between the elements of the kernel; empty: all 1.
    pub dilations: Vec<usize>,
    /// Channels and features fall into so many groups that do not meet; 0 means 1.
    pub groups: usize,
}

/// Windows of [`Expr::max_pool`] and [`Expr::average_pool`]. Lists have an element for each spatial dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Window size.
    pub sizes: Vec<usize>,
    /// Steps between windows; empty: as sizes.
    pub strides: Vec<usize>,
    /// Padding before each spatial dimension; empty: none.
    pub low: Vec<usize>,
    /// Padding after each spatial dimension; empty: none.
    pub high: Vec<usize>,
}

/// # Convolution and pooling
///
/// Inputs are `[batch, channels, spatial…]`.
impl Expr {
    /// Cross-correlation with a kernel `[features, channels / groups, spatial…]`, as in every network library; the
    /// result is `[batch, features, spatial…]`.
    #[track_caller]
    pub fn conv(&self, kernel: &Expr, options: Convolution) -> Expr {
        let convolution = proto::Convolution {
            strides: wire_sizes(options.strides),
            low: wire_sizes(options.low),
            high: wire_sizes(options.high),
            dilations: wire_sizes(options.dilations),
            groups: options.groups as u64,
        };
        self.binary(
            Op::Convolution,
            kernel,
            Some(Attributes::Convolution(convolution.into())),
        )
    }

    /// The largest of each window. Padding counts as -inf; k equal maxima share the derivative, 1/k each.
    #[track_caller]
    pub fn max_pool(&self, pool: Pool) -> Expr {
        self.pool(Op::MaxPool, pool)
    }

    /// The mean of those elements of each window that lie inside.
    #[track_caller]
    pub fn average_pool(&self, pool: Pool) -> Expr {
        self.pool(Op::AveragePool, pool)
    }

    #[track_caller]
    fn pool(&self, op: Op, pool: Pool) -> Expr {
        let pool = proto::Pool {
            sizes: wire_sizes(pool.sizes),
            strides: wire_sizes(pool.strides),
            low: wire_sizes(pool.low),
            high: wire_sizes(pool.high),
        };
        self.unary(op, Some(Attributes::Pool(pool.into())))
    }
}

unary! {
    /// The discrete Fourier transform of complex numbers `[.., n, 2]`: pairs of real and imaginary part in the last
    /// dimension. Result k is the sum of aⱼ·e^(-2πijk/n).
    fft = Fft;
    /// The inverse of [`Expr::fft`], with the factor 1/n.
    ifft = Ifft;
    /// Of real `[.., n]`, the first n/2 + 1 results of [`Expr::fft`], as pairs.
    rfft = Rfft;
}

/// # Fourier transforms to real numbers
impl Expr {
    /// The inverse of [`Expr::rfft`]: pairs `[.., length/2 + 1, 2]` to real `[.., length]`.
    #[track_caller]
    pub fn irfft(&self, length: usize) -> Expr {
        let length = length as u64;
        let fourier = proto::Fourier { length };
        self.unary(Op::Irfft, Some(Attributes::Fourier(fourier.into())))
    }
}
