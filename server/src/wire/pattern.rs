//! Where the entries of sparse answers stand, written once for a program and shared by all its answers.

use bytes::Bytes;
use gradient_engine::{Coordinates, Program, Tensor};
use gradient_proto::{sparse::pack, v1 as pb};
use std::sync::Arc;

use super::tensor::encode_tensor;

/// Rows and columns of a program's sparse blocks, as they are sent.
#[derive(Debug, Default)]
pub struct Patterns(Vec<Vec<Option<Pattern>>>);

#[derive(Debug)]
struct Pattern {
    of: Arc<Coordinates>,
    rows: Bytes,
    columns: Bytes,
}

impl Pattern {
    fn new(of: Arc<Coordinates>) -> Self {
        let (rows, columns) = (pack(&of.rows), pack(&of.columns));
        Self { of, rows, columns }
    }

    fn with(&self, values: Tensor) -> pb::SparseTensor {
        pb::SparseTensor {
            shape: self.of.shape.to_vec(),
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            values: Some(encode_tensor(values)),
        }
    }
}

impl Patterns {
    /// Those of a program.
    pub fn of(program: &Program) -> Self {
        let products = program.coordinates().into_iter();
        let written = |block: Option<Arc<Coordinates>>| block.map(Pattern::new);
        Self(
            products
                .map(|blocks| blocks.into_iter().map(written).collect())
                .collect(),
        )
    }

    /// Bytes that they keep.
    pub fn bytes(&self) -> u64 {
        let patterns = self.0.iter().flatten().flatten();
        patterns
            .map(|p| (p.rows.len() + p.columns.len()) as u64)
            .sum()
    }

    /// A block's entries at their places.
    pub fn place(
        &self,
        product: usize,
        block: usize,
        at: &Arc<Coordinates>,
        values: Tensor,
    ) -> pb::SparseTensor {
        let known = self.0.get(product).and_then(|blocks| blocks.get(block));
        match known.and_then(Option::as_ref) {
            Some(pattern) if Arc::ptr_eq(&pattern.of, at) => pattern.with(values),
            _ => Pattern::new(at.clone()).with(values),
        }
    }
}
