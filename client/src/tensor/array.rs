//! Arrays of one element type.

use std::{
    fmt,
    ops::{Index, IndexMut},
};

use super::{Dtype, Tensor};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f64 {}
    impl Sealed for f32 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

/// An element of an [`Array`]: `f64`, `f32`, `i64` or `bool`.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + fmt::Debug + Send + Sync + 'static
{
    /// Its type on the wire.
    const DTYPE: Dtype;

    /// The array as a tensor.
    fn wrap(array: Array<Self>) -> Tensor;

    /// The tensor as an array, or the tensor back if its elements are of another type.
    fn unwrap(tensor: Tensor) -> Result<Array<Self>, Tensor>;

    /// The tensor's array, if its elements are of this type.
    fn borrow(tensor: &Tensor) -> Option<&Array<Self>>;
}

macro_rules! element {
    ($($type:ty = $variant:ident),*) => {$(
        impl Element for $type {
            const DTYPE: Dtype = Dtype::$variant;

            fn wrap(array: Array<Self>) -> Tensor {
                Tensor::$variant(array)
            }

            fn unwrap(tensor: Tensor) -> Result<Array<Self>, Tensor> {
                match tensor {
                    Tensor::$variant(array) => Ok(array),
                    other => Err(other),
                }
            }

            fn borrow(tensor: &Tensor) -> Option<&Array<Self>> {
                match tensor {
                    Tensor::$variant(array) => Some(array),
                    _ => None,
                }
            }
        }
    )*};
}

element!(f64 = F64, f32 = F32, i64 = I64, bool = Bool);

/// A dense row-major array. An empty shape is a scalar.
///
/// ```
/// use gradient_client::Array;
///
/// let matrix = Array::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!(matrix.shape(), [2, 3]);
/// assert_eq!(matrix[[1, 0]], 4.0);
/// assert_eq!(matrix.row(1), [4.0, 5.0, 6.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T = f64> {
    shape: Vec<usize>,
    data: Vec<T>,
}

impl<T: Element> Array<T> {
    /// An array of this shape. `None` if the number of elements is not the product of the sizes.
    pub fn new(shape: impl AsRef<[usize]>, data: Vec<T>) -> Option<Self> {
        let shape = shape.as_ref().to_vec();
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (elements == data.len()).then_some(Self { shape, data })
    }

    /// An array of rank 0.
    pub fn scalar(value: T) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![value],
        }
    }

    /// Sizes, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements in row-major order, to change in place.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements in row-major order.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The only element; `None` unless there is exactly one.
    pub fn item(&self) -> Option<T> {
        match self.data.as_slice() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// The element at an index; `None` if the index has another rank or lies outside.
    pub fn get(&self, index: impl AsRef<[usize]>) -> Option<T> {
        self.offset(index.as_ref()).map(|offset| self.data[offset])
    }

    /// The elements under index `i` of the leading dimension: a row of a matrix, a point of a batch.
    ///
    /// # Panics
    /// If the array is a scalar or has no such row, as slices do.
    pub fn row(&self, i: usize) -> &[T] {
        assert!(
            i < self.shape.first().copied().unwrap_or(0),
            "row {i} of an array of shape {:?}",
            self.shape
        );
        let stride = self.data.len() / self.shape[0];
        &self.data[i * stride..][..stride]
    }

    fn offset(&self, index: &[usize]) -> Option<usize> {
        if index.len() != self.shape.len() {
            return None;
        }
        let mut offset = 0;
        for (&i, &size) in index.iter().zip(&self.shape) {
            if i >= size {
                return None;
            }
            offset = offset * size + i;
        }
        Some(offset)
    }
}

impl<T: Element, const N: usize> Index<[usize; N]> for Array<T> {
    type Output = T;

    /// # Panics
    /// If the index has another rank or lies outside, as slices do; [`Array::get`] does not.
    fn index(&self, index: [usize; N]) -> &T {
        let offset = self.offset(&index);
        &self.data[offset
            .unwrap_or_else(|| panic!("index {index:?} of an array of shape {:?}", self.shape))]
    }
}

impl<T: Element, const N: usize> IndexMut<[usize; N]> for Array<T> {
    fn index_mut(&mut self, index: [usize; N]) -> &mut T {
        let offset = self.offset(&index);
        &mut self.data[offset
            .unwrap_or_else(|| panic!("index {index:?} of an array of shape {:?}", self.shape))]
    }
}

impl<T: Element> From<T> for Array<T> {
    fn from(value: T) -> Self {
        Self::scalar(value)
    }
}

impl<T: Element> From<Vec<T>> for Array<T> {
    fn from(data: Vec<T>) -> Self {
        Self {
            shape: vec![data.len()],
            data,
        }
    }
}

impl<T: Element> From<&[T]> for Array<T> {
    fn from(data: &[T]) -> Self {
        data.to_vec().into()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Array<T> {
    fn from(data: [T; N]) -> Self {
        data.to_vec().into()
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Array<T> {
    fn from(rows: [[T; M]; N]) -> Self {
        Self {
            shape: vec![N, M],
            data: rows.concat(),
        }
    }
}
