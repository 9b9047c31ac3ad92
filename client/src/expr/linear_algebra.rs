//! Products, decompositions and systems of equations.
//!
//! Matrices are the last two dimensions; the dimensions before are a batch, the same for all operands.

use std::borrow::Borrow;

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{Expr, GraphBuilder, elementwise::unary};

/// # Products
impl Expr {
    /// The inner product of two vectors, a scalar.
    #[track_caller]
    pub fn dot(&self, other: &Expr) -> Expr {
        let (a, b) = (self.shape(), other.shape());
        if a.len() != 1 || b.len() != 1 {
            return self.mistake(
                Op::Matmul,
                format!("dot takes two vectors, not {a:?} and {b:?}; use matmul"),
            );
        }
        self.matmul(other)
    }

    /// The matrix product, with NumPy's meaning: a vector counts as a row on the left and as a column on the right;
    /// leading dimensions are a batch and stretch from the last one on, where one of them is 1.
    #[track_caller]
    pub fn matmul(&self, other: &Expr) -> Expr {
        self.binary(Op::Matmul, other, None)
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

    /// aᵢbⱼ of two vectors; tensors of higher rank are flattened.
    #[track_caller]
    pub fn outer(&self, other: &Expr) -> Expr {
        self.binary(Op::Outer, other, None)
    }

    /// The Kronecker product of two tensors of one rank.
    #[track_caller]
    pub fn kron(&self, other: &Expr) -> Expr {
        self.binary(Op::Kron, other, None)
    }

    /// The product of a sparse matrix, of which self holds the entries in the pattern's order, with x `[n]` or
    /// `[n, k]`.
    #[track_caller]
    pub fn sparse_matvec(&self, x: &Expr, pattern: proto::SparsePattern) -> Expr {
        self.binary(
            Op::SparseMatvec,
            x,
            Some(Attributes::SparsePattern(pattern.into())),
        )
    }
}

impl GraphBuilder {
    /// Sums of products as NumPy's einsum writes them, with letters for dimensions: `"ij,jk->ik"`,
    /// `"...ij,...j->...i"`.
    #[track_caller]
    pub fn einsum<E: Borrow<Expr>>(
        &self,
        equation: impl Into<String>,
        operands: impl IntoIterator<Item = E>,
    ) -> Expr {
        let operands: Vec<E> = operands.into_iter().collect();
        let operands: Vec<&Expr> = operands.iter().map(Borrow::borrow).collect();
        let equation = equation.into();
        let einsum = proto::Einsum { equation };
        self.apply(
            Op::Einsum,
            &operands,
            Some(Attributes::Einsum(einsum.into())),
        )
    }
}

/// # Diagonals
impl Expr {
    /// The sum of the main diagonal.
    #[track_caller]
    pub fn trace(&self) -> Expr {
        self.trace_at(0)
    }

    /// The sum of a diagonal: 0 the main one, above it positive, below it negative.
    #[track_caller]
    pub fn trace_at(&self, offset: i32) -> Expr {
        self.unary(Op::Trace, diagonal(offset))
    }

    /// Of a vector, the matrix with it on the main diagonal; of matrices, their main diagonals.
    #[track_caller]
    pub fn diag(&self) -> Expr {
        self.diag_at(0)
    }

    /// As [`Expr::diag`], on another diagonal: above the main one positive, below it negative.
    #[track_caller]
    pub fn diag_at(&self, offset: i32) -> Expr {
        self.unary(Op::Diag, diagonal(offset))
    }
}

fn diagonal(offset: i32) -> Option<Attributes> {
    Some(Attributes::Diagonal(proto::Diagonal { offset }.into()))
}

unary! {
    /// The lower triangular L of a symmetric positive definite matrix with A = L·Lᵀ; only the lower triangle of A
    /// is read. NaN where A is not positive definite.
    cholesky = Cholesky;
    /// The inverse of a square matrix.
    inverse = Inverse;
    /// The determinant; the derivative is exact at singular matrices, too.
    det = Determinant;
    /// The matrix exponential.
    expm = Expm;
}

/// How [`Expr::triangular_solve`] reads its matrix: the upper triangle as it is, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triangular {
    /// The lower triangle is read, else the upper one.
    pub lower: bool,
    /// Solves Aᵀx = b.
    pub transpose: bool,
    /// The diagonal counts as 1 and is not read.
    pub unit_diagonal: bool,
}

/// # Systems of equations
///
/// A right side is `[n]` or `[n, k]`.
impl Expr {
    /// The x of A·x = b. A singular A gives infinities or NaN.
    #[track_caller]
    pub fn solve(&self, b: &Expr) -> Expr {
        self.solve_with(b, false)
    }

    /// The x of Aᵀ·x = b.
    #[track_caller]
    pub fn solve_transposed(&self, b: &Expr) -> Expr {
        self.solve_with(b, true)
    }

    #[track_caller]
    fn solve_with(&self, b: &Expr, transpose_a: bool) -> Expr {
        let solve = proto::Solve { transpose_a };
        self.binary(Op::Solve, b, Some(Attributes::Solve(solve.into())))
    }

    /// The x of A·x = b for triangular A.
    #[track_caller]
    pub fn triangular_solve(&self, b: &Expr, options: Triangular) -> Expr {
        let solve = proto::TriangularSolve {
            lower: options.lower,
            transpose_a: options.transpose,
            unit_diagonal: options.unit_diagonal,
        };
        self.binary(
            Op::TriangularSolve,
            b,
            Some(Attributes::TriangularSolve(solve.into())),
        )
    }

    /// The x of L·Lᵀ·x = b for lower triangular L = self, as [`Expr::cholesky`] gives it.
    #[track_caller]
    pub fn cholesky_solve(&self, b: &Expr) -> Expr {
        self.binary(Op::CholeskySolve, b, None)
    }

    /// The x of least norm that minimises |A·x - b|, for A `[m, n]` and b `[m]` or `[m, k]`.
    #[track_caller]
    pub fn lstsq(&self, b: &Expr) -> Expr {
        self.binary(Op::Lstsq, b, None)
    }

    /// The x of the tridiagonal system with self `[n]` as its diagonal. Of `lower` the first element is not used,
    /// of `upper` the last; both are `[n]`.
    #[track_caller]
    pub fn tridiagonal_solve(&self, lower: &Expr, upper: &Expr, b: &Expr) -> Expr {
        let operands = [lower, self, upper, b];
        self.arena.apply(Op::TridiagonalSolve, &operands, None)
    }
}

/// # Decompositions
impl Expr {
    /// Sign and logarithm of the absolute value of the determinant; 0 and -inf of a singular matrix.
    #[track_caller]
    pub fn slogdet(&self) -> (Expr, Expr) {
        let [sign, log] = self.several(Op::Slogdet, None);
        (sign, log)
    }

    /// (p, L, U) with P·A = L·U: the permutation as i64 `[n]` (row i of P·A is row `p[i]` of A), L with a unit
    /// diagonal, U.
    #[track_caller]
    pub fn lu(&self) -> (Expr, Expr, Expr) {
        let [permutation, lower, upper] = self.several(Op::Lu, None);
        (permutation, lower, upper)
    }

    /// (Q, R) with A = Q·R, thin: `[m, k]` and `[k, n]` with k = min(m, n), and a non-negative diagonal of R.
    #[track_caller]
    pub fn qr(&self) -> (Expr, Expr) {
        let [q, r] = self.several(Op::Qr, None);
        (q, r)
    }

    /// Eigenvalues `[n]`, ascending, and eigenvectors `[n, n]` in columns, of a symmetric matrix of which the lower
    /// triangle is read. Of each eigenvector the component that is largest in size is positive.
    #[track_caller]
    pub fn eigh(&self) -> (Expr, Expr) {
        let [values, vectors] = self.several(Op::Eigh, None);
        (values, vectors)
    }

    /// (U, s, Vᵀ) with A = U·diag(s)·Vᵀ, thin: `[m, k]`, `[k]` descending, `[k, n]` with k = min(m, n). Of each
    /// column of U the component that is largest in size is positive.
    #[track_caller]
    pub fn svd(&self) -> (Expr, Expr, Expr) {
        let [u, s, vt] = self.several(Op::Svd, None);
        (u, s, vt)
    }
}
