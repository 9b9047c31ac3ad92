//! Structure of Jacobians and Hessians: which elements of some values can depend on which elements of others.
//!
//! The tangent graph of a function is linear in its seeds, and so is the graph of a Hessian times a vector. In
//! either, an element of a result depends on an element of a seed exactly where a path of non-zero coefficients may
//! lead from one to the other. So one propagation of index sets, over the few operations that linear graphs are made
//! of, gives every pattern, in the graph that is going to be swept. Functions that nodes run are such graphs themselves, and
//! their patterns are put together like those of other operations.

mod bodies;
mod control;
mod edges;
mod net;
mod propagate;
mod pull;
mod select;
mod sets;
mod solves;

pub use propagate::dependencies;
pub use select::{NOTHING, Selected, selected};

/// Positions that may differ from zero in a matrix, row by row (CSR).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    columns: u32,
    /// Row i's entries are `indices[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    /// Columns, ascending in each row.
    indices: Vec<u32>,
}

impl Pattern {
    /// Without rows yet.
    pub fn new(columns: u32) -> Self {
        Self {
            columns,
            starts: vec![0],
            indices: vec![],
        }
    }

    /// From the columns of each row; they ascend.
    pub fn from_rows<'a>(columns: u32, rows: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut pattern = Self::new(columns);
        rows.into_iter().for_each(|row| pattern.push(row));
        pattern
    }

    /// Every position.
    pub fn full(rows: u32, columns: u32) -> Self {
        let row: Vec<u32> = (0..columns).collect();
        Self::from_rows(columns, (0..rows).map(|_| &row[..]))
    }

    /// Appends a row; its columns ascend.
    pub fn push(&mut self, row: &[u32]) {
        debug_assert!(row.windows(2).all(|w| w[0] < w[1]));
        self.indices.extend_from_slice(row);
        self.starts.push(self.indices.len());
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        (self.starts.len() - 1) as u32
    }

    /// Number of columns.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// Number of entries.
    pub fn entries(&self) -> usize {
        self.indices.len()
    }

    /// Columns of a row, ascending.
    pub fn row(&self, i: u32) -> &[u32] {
        &self.indices[self.starts[i as usize]..self.starts[i as usize + 1]]
    }

    /// Number of the first entry of a row.
    pub fn start(&self, i: u32) -> usize {
        self.starts[i as usize]
    }

    /// Part of the positions that may differ from zero; 0 of an empty matrix.
    pub fn fill(&self) -> f64 {
        let size = f64::from(self.rows()) * f64::from(self.columns);
        self.entries() as f64 / size.max(1.0)
    }

    /// The entries of the longest row.
    pub fn longest(&self) -> usize {
        let rows = self.starts.windows(2).map(|w| w[1] - w[0]);
        rows.max().unwrap_or(0)
    }

    /// Rows and columns exchanged.
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0; self.columns as usize + 1];
        for &j in &self.indices {
            starts[j as usize + 1] += 1;
        }
        for j in 0..self.columns as usize {
            starts[j + 1] += starts[j];
        }
        let mut next = starts.clone();
        let mut indices = vec![0; self.indices.len()];
        for i in 0..self.rows() {
            for &j in self.row(i) {
                indices[next[j as usize]] = i;
                next[j as usize] += 1;
            }
        }
        Self {
            columns: self.rows(),
            starts,
            indices,
        }
    }

    /// A square pattern joined with its transpose.
    pub fn symmetrized(&self) -> Self {
        let turned = self.transposed();
        let mut both = Self::new(self.columns);
        let mut row = Vec::new();
        for i in 0..self.rows() {
            row.clear();
            row.extend_from_slice(self.row(i));
            row.extend_from_slice(turned.row(i));
            row.sort_unstable();
            row.dedup();
            both.push(&row);
        }
        both
    }

    /// Bytes of memory it holds.
    pub fn bytes(&self) -> u64 {
        (self.starts.len() * size_of::<usize>() + self.indices.len() * size_of::<u32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn transposes_and_symmetrizes() {
        let p = Pattern::from_rows(3, [&[0, 2][..], &[], &[1]]);
        assert_eq!((p.rows(), p.columns(), p.entries()), (3, 3, 3));
        assert_eq!(
            p.transposed(),
            Pattern::from_rows(3, [&[0][..], &[2], &[0]])
        );
        assert_eq!(p.transposed().transposed(), p);
        assert_eq!(
            p.symmetrized(),
            Pattern::from_rows(3, [&[0, 2][..], &[2], &[0, 1]])
        );
        assert_eq!(Pattern::full(2, 2).fill(), 1.0);
        assert_eq!(Pattern::full(0, 2).fill(), 0.0);
    }
}
