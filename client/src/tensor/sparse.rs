//! Matrices in coordinate form.

use gradient_proto::{sparse::unpack, v1 as proto};

use super::{Array, Dtype, Tensor, Type};

/// A sparse `rows × columns` matrix: entries sorted by row, then column, without duplicates.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseMatrix {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row of each entry.
    pub rows: Vec<usize>,
    /// Column of each entry.
    pub columns: Vec<usize>,
    /// The entries: shape `[entries]`, or `[batch, entries]`.
    pub values: Tensor,
}

impl SparseMatrix {
    /// From the contract's message. The error says in words what is wrong with it.
    pub fn from_proto(message: &proto::SparseTensor) -> Result<Self, String> {
        let sizes = |list: Vec<u64>| -> Result<Vec<usize>, String> {
            // In place where a size is 64 bits.
            list.into_iter()
                .map(|i| usize::try_from(i).map_err(|_| format!("index {i} cannot be addressed")))
                .collect()
        };
        let indices = |packed: &[u8]| {
            sizes(unpack(packed).ok_or("rows or columns of a sparse matrix are no numbers")?)
        };
        let &[m, n] = sizes(message.shape.clone())?.as_slice() else {
            return Err(format!("a sparse matrix of shape {:?}", message.shape));
        };
        let (rows, columns) = (indices(&message.rows)?, indices(&message.columns)?);
        let values = Tensor::from_proto(
            message
                .values
                .as_ref()
                .ok_or("a sparse matrix without values")?,
        )?;
        let inside = rows.iter().all(|&i| i < m) && columns.iter().all(|&j| j < n);
        if !inside || rows.len() != columns.len() || values.shape().last() != Some(&rows.len()) {
            return Err("rows, columns and values of a sparse matrix do not fit each other".into());
        }
        Ok(Self {
            shape: [m, n],
            rows,
            columns,
            values,
        })
    }

    /// The full matrix, of shape `[rows, columns]`, with the batch before it if there is one. `None` if it is too
    /// large to be addressed.
    pub fn to_dense(&self) -> Option<Array<f64>> {
        let [m, n] = self.shape;
        let entries = self.values.to_f64();
        let mut shape = entries.shape().to_vec();
        shape.pop();
        shape.extend([m, n]);
        Type::new(Dtype::F64, &shape).bytes()?;
        let mut data = vec![0.0; shape.iter().product()];
        if !self.rows.is_empty() {
            for (point, entries) in data
                .chunks_mut(m * n)
                .zip(entries.data().chunks(self.rows.len()))
            {
                for ((&i, &j), &entry) in self.rows.iter().zip(&self.columns).zip(entries) {
                    point[i * n + j] = entry;
                }
            }
        }
        Array::new(shape, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradient_proto::sparse::pack;

    fn message(shape: [u64; 2], rows: [u64; 2], columns: [u64; 2]) -> proto::SparseTensor {
        let values = Some(Tensor::from([1.5, -2.0]).to_proto());
        let (shape, rows, columns) = (shape.to_vec(), pack(&rows), pack(&columns));
        proto::SparseTensor {
            shape,
            rows,
            columns,
            values,
        }
    }

    #[test]
    fn entries_stand_at_their_places() {
        let matrix = SparseMatrix::from_proto(&message([2, 3], [0, 1], [2, 0])).unwrap();
        assert_eq!(
            matrix.to_dense().unwrap(),
            [[0.0, 0.0, 1.5], [-2.0, 0.0, 0.0]].into()
        );
        let batch = SparseMatrix {
            values: [[1.0, 2.0], [3.0, 4.0]].into(),
            ..matrix.clone()
        };
        let dense = batch.to_dense().unwrap();
        assert_eq!((dense.shape(), dense[[1, 1, 0]]), (&[2, 2, 3][..], 4.0));
        let none = SparseMatrix {
            rows: vec![],
            columns: vec![],
            values: Vec::<f64>::new().into(),
            ..matrix
        };
        assert_eq!(none.to_dense().unwrap().data(), [0.0; 6]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(SparseMatrix::from_proto(&message([2, 3], [0, 2], [0, 0])).is_err());
        assert!(SparseMatrix::from_proto(&message([2, 3], [0, 1], [0, 3])).is_err());
        let huge = message([1 << 62, 1 << 62], [0, 1], [0, 1]);
        assert!(
            SparseMatrix::from_proto(&huge)
                .unwrap()
                .to_dense()
                .is_none()
        );
        let mut short = message([2, 3], [0, 1], [2, 0]);
        short.rows = pack(&[0]);
        assert!(SparseMatrix::from_proto(&short).is_err());
        short.rows = vec![0, 0x80].into();
        assert!(SparseMatrix::from_proto(&short).is_err());
    }
}
