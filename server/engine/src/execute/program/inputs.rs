//! The tensors that a program is evaluated at.

use crate::tensor::{Tensor, TensorRef};

/// In order of the graph's inputs.
#[derive(Clone, Debug)]
pub enum Inputs<'a> {
    /// Wherever each of them is.
    Refs(Vec<TensorRef<'a>>),
    /// One after the other: no list of references need be made.
    Tensors(&'a [Tensor]),
}

impl<'a> Inputs<'a> {
    /// The input at this position. Panics beyond the last.
    pub fn get(&self, i: usize) -> TensorRef<'a> {
        match self {
            Self::Refs(all) => all[i],
            Self::Tensors(all) => all[i].as_ref(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Refs(all) => all.len(),
            Self::Tensors(all) => all.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TensorRef<'a>> + '_ {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl<'a> FromIterator<TensorRef<'a>> for Inputs<'a> {
    fn from_iter<I: IntoIterator<Item = TensorRef<'a>>>(all: I) -> Self {
        Self::Refs(all.into_iter().collect())
    }
}

impl<'a> From<Vec<TensorRef<'a>>> for Inputs<'a> {
    fn from(all: Vec<TensorRef<'a>>) -> Self {
        Self::Refs(all)
    }
}

impl<'a> From<&'a [Tensor]> for Inputs<'a> {
    fn from(all: &'a [Tensor]) -> Self {
        Self::Tensors(all)
    }
}
