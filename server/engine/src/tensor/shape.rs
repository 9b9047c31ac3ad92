use std::{fmt, ops::Deref};

/// Sizes of a tensor's dimensions, outermost first. Empty for a scalar.
#[derive(Clone, Eq, Hash, Default)]
#[expect(
    clippy::derived_hash_with_manual_eq,
    reason = "equal where the slices are"
)]
pub struct Shape(Box<[u64]>);

impl PartialEq for Shape {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Most are empty: these need no call.
        self.0.len() == other.0.len() && (self.0.is_empty() || self.0 == other.0)
    }
}

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Self::default()
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements; saturates at `u64::MAX` where the product overflows.
    pub fn elements(&self) -> u64 {
        if self.0.contains(&0) {
            return 0;
        }
        self.0.iter().fold(1u64, |n, &d| n.saturating_mul(d))
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1usize; self.rank()];
        for d in (1..self.rank()).rev() {
            strides[d - 1] = strides[d].saturating_mul(self.0[d] as usize);
        }
        strides
    }

    /// The sizes as `usize`.
    pub fn sizes(&self) -> Vec<usize> {
        self.0.iter().map(|&d| d as usize).collect()
    }
}

impl Deref for Shape {
    type Target = [u64];
    fn deref(&self) -> &[u64] {
        &self.0
    }
}

impl From<Vec<u64>> for Shape {
    fn from(sizes: Vec<u64>) -> Self {
        Self(sizes.into())
    }
}

impl From<&[u64]> for Shape {
    fn from(sizes: &[u64]) -> Self {
        Self(sizes.into())
    }
}

impl<const N: usize> From<[u64; N]> for Shape {
    fn from(sizes: [u64; N]) -> Self {
        Self(Box::new(sizes))
    }
}

impl FromIterator<u64> for Shape {
    fn from_iter<I: IntoIterator<Item = u64>>(sizes: I) -> Self {
        Self(sizes.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
