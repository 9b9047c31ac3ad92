use super::{DType, Shape, TensorType, pool};
use smallvec::SmallVec;
use std::fmt;

/// Bytes that do not fit their type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TensorError {
    /// The data's length is not that of the type.
    ByteCount {
        /// What the type needs.
        expected: u64,
        /// What was given.
        got: u64,
    },
    /// A bool byte that is neither 0 nor 1.
    NotBool {
        /// Index of the element.
        element: usize,
        /// The byte.
        byte: u8,
    },
}

impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteCount { expected, got } => {
                write!(f, "the type needs {expected} bytes, the data has {got}")
            }
            Self::NotBool { element, byte } => write!(
                f,
                "element {element} of the bool data is {byte}; write 0 or 1"
            ),
        }
    }
}

impl std::error::Error for TensorError {}

/// A borrowed tensor: a type and as many little-endian bytes as it needs.
#[derive(Clone, Copy, Debug)]
pub struct TensorRef<'a> {
    ty: &'a TensorType,
    raw: &'a [u8],
}

impl<'a> TensorRef<'a> {
    /// Checks that the bytes fit the type.
    pub fn new(ty: &'a TensorType, raw: &'a [u8]) -> Result<Self, TensorError> {
        if raw.len() as u64 != ty.bytes() {
            return Err(TensorError::ByteCount {
                expected: ty.bytes(),
                got: raw.len() as u64,
            });
        }
        if ty.dtype == DType::Bool
            && let Some(element) = raw.iter().position(|&b| b > 1)
        {
            return Err(TensorError::NotBool {
                element,
                byte: raw[element],
            });
        }
        Ok(Self { ty, raw })
    }

    /// Its type.
    #[inline]
    pub fn ty(&self) -> &'a TensorType {
        self.ty
    }

    /// Its bytes: little-endian, row-major, no padding.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// A tensor's bytes: those of a number or two are in it, so that a thousand inputs are not a thousand allocations.
pub(crate) type Raw = SmallVec<[u8; 16]>;

/// An owned tensor.
#[derive(PartialEq, Eq, Hash)]
pub struct Tensor {
    ty: TensorType,
    raw: Raw,
}

impl Tensor {
    /// Checks that the bytes (little-endian, row-major) fit the type.
    pub fn from_raw(ty: TensorType, raw: Vec<u8>) -> Result<Self, TensorError> {
        TensorRef::new(&ty, &raw)?;
        let raw = match raw.len() {
            ..=16 => Raw::from_slice(&raw),
            _ => raw.into(),
        };
        Ok(Self { ty, raw })
    }

    /// An f64 tensor. The number of values must be that of the shape.
    pub fn f64(shape: impl Into<Shape>, values: &[f64]) -> Result<Self, TensorError> {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self::from_raw(TensorType::f64(shape), raw)
    }

    /// A scalar of that element type: rounded to f32, truncated to i64, "not zero" as bool.
    pub fn scalar(dtype: DType, value: f64) -> Self {
        let raw = match dtype {
            DType::F64 => Raw::from_slice(&value.to_le_bytes()),
            DType::F32 => Raw::from_slice(&(value as f32).to_le_bytes()),
            DType::I64 => Raw::from_slice(&(value as i64).to_le_bytes()),
            DType::Bool => Raw::from_slice(&[u8::from(value != 0.0)]),
        };
        Self {
            ty: TensorType::scalar(dtype),
            raw,
        }
    }

    /// Its type.
    #[inline]
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Its bytes: little-endian, row-major, no padding.
    #[inline]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Zeros.
    pub(crate) fn zeros(ty: TensorType) -> Self {
        let raw = match ty.bytes() as usize {
            bytes @ ..=16 => Raw::from_buf_and_len([0; 16], bytes),
            bytes => match pool::take(bytes) {
                Some(mut buffer) => {
                    buffer.fill(0);
                    buffer.into()
                }
                None => vec![0; bytes].into(),
            },
        };
        Self { ty, raw }
    }

    /// To be written in full: its bytes may be those of an earlier tensor.
    pub(crate) fn unwritten(ty: TensorType) -> Self {
        match pool::take(ty.bytes() as usize) {
            Some(buffer) => Self {
                raw: buffer.into(),
                ty,
            },
            None => Self::zeros(ty),
        }
    }

    /// Its bytes, to be written; as many as there were, and of bools none but 0 and 1.
    pub(crate) fn raw_mut(&mut self) -> &mut Raw {
        &mut self.raw
    }

    /// Whether its buffer is kept for another tensor when it is dropped.
    pub fn is_large(&self) -> bool {
        self.raw.len() >= pool::LARGE
    }

    /// Gives the bytes away.
    pub fn into_raw(mut self) -> Vec<u8> {
        std::mem::take(&mut self.raw).into_vec()
    }

    /// Borrows it.
    #[inline]
    pub fn as_ref(&self) -> TensorRef<'_> {
        TensorRef {
            ty: &self.ty,
            raw: &self.raw,
        }
    }

    /// The elements as f64 (exact but for i64 beyond 2^53), in row-major order.
    pub fn to_f64(&self) -> Vec<f64> {
        (0..self.ty.elements() as usize)
            .map(|i| self.element(i))
            .collect()
    }

    /// One element as f64. Panics beyond the last element.
    pub fn element(&self, i: usize) -> f64 {
        let at = |n: usize| &self.raw[i * n..(i + 1) * n];
        match self.ty.dtype {
            DType::F64 => f64::from_le_bytes(at(8).try_into().expect("8 bytes")),
            DType::F32 => f32::from_le_bytes(at(4).try_into().expect("4 bytes")).into(),
            DType::I64 => i64::from_le_bytes(at(8).try_into().expect("8 bytes")) as f64,
            DType::Bool => f64::from(self.raw[i]),
        }
    }
}

impl Clone for Tensor {
    fn clone(&self) -> Self {
        let ty = self.ty.clone();
        match pool::take(self.raw.len()) {
            Some(mut buffer) => {
                buffer.copy_from_slice(&self.raw);
                let raw = buffer.into();
                Self { ty, raw }
            }
            None => Self {
                ty,
                raw: self.raw.clone(),
            },
        }
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        if self.is_large() {
            pool::give(std::mem::take(&mut self.raw).into_vec());
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let elements = self.ty.elements() as usize;
        if self.ty.shape.is_empty() {
            return write!(f, "{}", self.element(0));
        }
        write!(f, "{} [", self.ty)?;
        for i in 0..elements.min(SHOWN) {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", self.element(i))?;
        }
        f.write_str(if elements > SHOWN { ", …]" } else { "]" })
    }
}
