//! Numbers with a shape: what goes in, and what comes back.
//!
//! [`Array<T>`] is a dense row-major array of one element type; [`Tensor`] is an array whose element type is only
//! known at run time, as on the wire; [`SparseMatrix`] is a matrix in coordinate form.

mod array;
mod convert;
mod sparse;
mod wire;

use std::fmt;

use gradient_proto::v1 as proto;

pub use array::{Array, Element};
pub use convert::Tensor;
pub use sparse::SparseMatrix;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 binary64. Differentiable.
    F64,
    /// IEEE 754 binary32. Differentiable.
    F32,
    /// True or false. Never differentiated.
    Bool,
    /// 64-bit integer. Never differentiated.
    I64,
}

impl Dtype {
    /// Bytes of one element on the wire.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 => 4,
            Dtype::Bool => 1,
        }
    }

    /// Whether derivatives with respect to it exist.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32)
    }

    /// The contract's value.
    pub fn to_proto(self) -> proto::Dtype {
        match self {
            Dtype::F64 => proto::Dtype::F64,
            Dtype::F32 => proto::Dtype::F32,
            Dtype::Bool => proto::Dtype::Bool,
            Dtype::I64 => proto::Dtype::I64,
        }
    }

    /// From the contract's number; `None` if it is unspecified or unknown.
    pub fn from_proto(dtype: i32) -> Option<Self> {
        match proto::Dtype::try_from(dtype) {
            Ok(proto::Dtype::F64) => Some(Dtype::F64),
            Ok(proto::Dtype::F32) => Some(Dtype::F32),
            Ok(proto::Dtype::Bool) => Some(Dtype::Bool),
            Ok(proto::Dtype::I64) => Some(Dtype::I64),
            Ok(proto::Dtype::Unspecified) | Err(_) => None,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F64 => "f64",
            Dtype::F32 => "f32",
            Dtype::Bool => "bool",
            Dtype::I64 => "i64",
        })
    }
}

/// Element type and shape. An empty shape is a scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, outermost dimension first (row-major).
    pub shape: Vec<usize>,
}

impl Type {
    /// The type of tensors of this element type and shape.
    pub fn new(dtype: Dtype, shape: impl AsRef<[usize]>) -> Self {
        Self {
            dtype,
            shape: shape.as_ref().to_vec(),
        }
    }

    /// Bytes of such a tensor, or `None` if they cannot be addressed.
    pub fn bytes(&self) -> Option<usize> {
        let bytes = self
            .shape
            .iter()
            .try_fold(self.dtype.size(), |size, &d| size.checked_mul(d))?;
        isize::try_from(bytes).is_ok().then_some(bytes)
    }

    /// The contract's message.
    pub fn to_proto(&self) -> proto::TensorType {
        proto::TensorType {
            dtype: self.dtype.to_proto() as i32,
            shape: self.shape.iter().map(|&d| d as u64).collect(),
        }
    }

    /// From the contract's message; `None` if the element type is unspecified or a size cannot be addressed.
    pub fn from_proto(message: &proto::TensorType) -> Option<Self> {
        let shape = message
            .shape
            .iter()
            .map(|&d| usize::try_from(d).ok())
            .collect::<Option<_>>()?;
        Some(Self {
            dtype: Dtype::from_proto(message.dtype)?,
            shape,
        })
    }
}

/// `f64` for a scalar, `f64[2, 3]` for a matrix.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape.as_slice() {
            [] => write!(f, "{}", self.dtype),
            shape => write!(f, "{}{shape:?}", self.dtype),
        }
    }
}
