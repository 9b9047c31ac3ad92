//! Shapes of operands of linear algebra, and what may be wrong with them.

use crate::op::{
    Attributes, Buffer, BufferMut, Kernel, Problem, Routine, Types, check_float, same_dtype,
};
use crate::tensor::{DType, TensorType};
use std::fmt;

/// A batch of matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrices {
    /// Element type.
    pub dtype: DType,
    /// Leading dimensions.
    pub batch: Vec<u64>,
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
}

impl Matrices {
    /// Operand `i` as a batch of floating-point matrices.
    pub fn of(operands: &[&TensorType], i: usize) -> Result<Self, Problem> {
        let ty = operands[i];
        check_float(ty, i)?;
        let rank = ty.shape.rank();
        if rank < 2 {
            return Err(Problem::operand(
                i,
                format!(
                    "operand has shape {}; give a matrix [rows, columns] or a batch of them (insert reshape)",
                    ty.shape
                ),
            ));
        }
        Ok(Self {
            dtype: ty.dtype,
            batch: ty.shape[..rank - 2].to_vec(),
            rows: ty.shape[rank - 2],
            columns: ty.shape[rank - 1],
        })
    }

    /// Operand `i` as a batch of square matrices.
    pub fn square(operands: &[&TensorType], i: usize) -> Result<Self, Problem> {
        let found = Self::of(operands, i)?;
        if found.rows != found.columns {
            return Err(Problem::operand(
                i,
                format!(
                    "operand has shape {}: {} rows and {} columns; give a square matrix",
                    operands[i].shape, found.rows, found.columns
                ),
            ));
        }
        Ok(found)
    }

    /// The smaller side.
    pub fn smaller(&self) -> u64 {
        self.rows.min(self.columns)
    }

    /// A type with the same batch and other dimensions behind it.
    pub fn with(&self, dtype: DType, dimensions: &[u64]) -> TensorType {
        TensorType::new(dtype, [&self.batch, dimensions].concat())
    }

    /// A type of the same batch and element type with other dimensions behind it.
    pub fn ty(&self, dimensions: &[u64]) -> TensorType {
        self.with(self.dtype, dimensions)
    }

    /// Checks that operand `i` has this batch and these dimensions behind it.
    pub fn expect(
        &self,
        operands: &[&TensorType],
        i: usize,
        dtype: DType,
        dimensions: &[u64],
    ) -> Result<(), Problem> {
        let want = self.with(dtype, dimensions);
        if *operands[i] == want {
            return Ok(());
        }
        Err(Problem::operand(
            i,
            format!(
                "operand is {} of shape {}; the first operand asks for {} of shape {}",
                operands[i].dtype, operands[i].shape, want.dtype, want.shape
            ),
        ))
    }

    /// Reads a right-hand side: a vector `[.., n]` if operand `i` has one dimension less than a matrix of this
    /// batch, else a matrix `[.., n, k]`. Gives k, `None` for a vector.
    pub fn right_hand_side(
        &self,
        operands: &[&TensorType],
        i: usize,
        n: u64,
    ) -> Result<Option<u64>, Problem> {
        let ty = operands[i];
        same_dtype(&[operands[0], ty]).map_err(|problem| Problem::operand(i, problem.message))?;
        let leading = self.batch.len();
        let columns = match ty.shape.rank() {
            rank if rank == leading + 1 => None,
            rank if rank == leading + 2 => Some(ty.shape[rank - 1]),
            _ => {
                return Err(Problem::operand(
                    i,
                    format!(
                        "operand has shape {}; give a vector {} or a matrix {} (insert broadcast_in_dim)",
                        ty.shape,
                        self.ty(&[n]).shape,
                        format_args!(
                            "{}, columns]",
                            self.ty(&[n]).shape.to_string().trim_end_matches(']')
                        ),
                    ),
                ));
            }
        };
        if ty.shape[..leading] != *self.batch {
            return Err(Problem::operand(
                i,
                format!(
                    "operand has shape {}, whose leading dimensions are not those of the first operand, {}; insert broadcast_in_dim",
                    ty.shape, operands[0].shape
                ),
            ));
        }
        if ty.shape[leading] != n {
            return Err(Problem::operand(
                i,
                format!(
                    "operand has shape {} with {} rows, the first operand has shape {} and asks for {n}",
                    ty.shape, ty.shape[leading], operands[0].shape
                ),
            ));
        }
        Ok(columns)
    }
}

/// Sizes a routine needs; read off types that were checked.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows of the first operand.
    pub m: usize,
    /// Columns of the first operand.
    pub n: usize,
    /// Columns of the right-hand side; 1 for a vector.
    pub k: usize,
    /// Items of the batch.
    pub batch: usize,
}

impl Sizes {
    /// Of a node whose operand 0 is a matrix, and whose right-hand side (if any) is operand `right`.
    pub fn of(types: &Types<'_>, right: Option<usize>) -> Self {
        let shape = &types.operands[0].shape;
        let leading = shape.rank().saturating_sub(2);
        let size = |d: usize| shape.get(d).map_or(0, |&s| s as usize);
        let k = right
            .and_then(|i| types.operands[i].shape.get(leading + 1))
            .map_or(1, |&k| k as usize);
        Self {
            m: size(leading),
            n: size(leading + 1),
            k,
            batch: shape[..leading].iter().product::<u64>() as usize,
        }
    }

    /// factor · a · b · c for every item of the batch.
    pub fn cost(&self, factor: u64, a: usize, b: usize, c: usize) -> u64 {
        [a, b, c, self.batch]
            .iter()
            .fold(factor, |product, &size| product.saturating_mul(size as u64))
    }

    /// The kernel that runs a function on every item.
    pub fn kernel(self, attributes: &Attributes, run: Run) -> Kernel {
        let routine = Box::new(Dense {
            sizes: self,
            attributes: attributes.clone(),
            run,
        });
        Kernel::Routine {
            routine,
            batch: self.batch,
        }
    }
}

/// Computes one item.
pub type Run = fn(Sizes, &Attributes, &[Buffer<'_>], &mut [BufferMut<'_>]);

/// A routine: a function with the sizes and attributes of its node.
struct Dense {
    sizes: Sizes,
    attributes: Attributes,
    run: Run,
}

impl fmt::Debug for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.sizes)
    }
}

impl Routine for Dense {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        (self.run)(self.sizes, &self.attributes, operands, results);
    }
}

/// Several results as the lists of numbers they are.
pub fn floats<'a, const N: usize>(results: &'a mut [BufferMut<'_>]) -> [&'a mut [f64]; N] {
    let mut all = results.iter_mut().map(BufferMut::floats);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}
