//! Floor 0: element types, shapes and dense tensors. Row-major, little-endian, no padding.

mod data;
mod pool;
mod shape;

pub(crate) use data::Raw;
pub use data::{Tensor, TensorError, TensorRef};
pub use shape::Shape;

use std::fmt;

/// Element type of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DType {
    /// IEEE 754 binary64. Differentiable.
    F64,
    /// IEEE 754 binary32. Differentiable.
    F32,
    /// One byte an element, 0 or 1.
    Bool,
    /// Two's complement 64-bit integer; arithmetic wraps.
    I64,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 4] = [DType::F64, DType::F32, DType::Bool, DType::I64];

    /// Bytes of one element.
    pub const fn size_bytes(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 => 4,
            DType::Bool => 1,
        }
    }

    /// Whether values of this type can be differentiated.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F64 | DType::F32)
    }

    /// Lower-case name: `f64`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F64 => "f64",
            DType::F32 => "f32",
            DType::Bool => "bool",
            DType::I64 => "i64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Element type and shape. An empty shape is a scalar.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Sizes, outermost dimension first.
    pub shape: Shape,
}

impl TensorType {
    /// A type of that element type and shape.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self {
            dtype,
            shape: shape.into(),
        }
    }

    /// A scalar type.
    pub fn scalar(dtype: DType) -> Self {
        Self::new(dtype, Shape::scalar())
    }

    /// An f64 type.
    pub fn f64(shape: impl Into<Shape>) -> Self {
        Self::new(DType::F64, shape)
    }

    /// Number of elements; saturates at `u64::MAX` where the product of the sizes overflows.
    pub fn elements(&self) -> u64 {
        self.shape.elements()
    }

    /// Size in bytes; saturates.
    pub fn bytes(&self) -> u64 {
        self.elements()
            .saturating_mul(self.dtype.size_bytes() as u64)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape.is_empty() {
            write!(f, "{}", self.dtype)
        } else {
            write!(f, "{}{}", self.dtype, self.shape)
        }
    }
}
