//! Tensors: arrays whose element type is known at run time.

use super::{Array, Dtype, Element, Type};

/// An array of some element type, as it travels on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Of `f64`.
    F64(Array<f64>),
    /// Of `f32`.
    F32(Array<f32>),
    /// Of `i64`.
    I64(Array<i64>),
    /// Of `bool`.
    Bool(Array<bool>),
}

/// Does the same to the array of any element type.
macro_rules! with_array {
    ($tensor:expr, $array:ident => $body:expr) => {
        match $tensor {
            Tensor::F64($array) => $body,
            Tensor::F32($array) => $body,
            Tensor::I64($array) => $body,
            Tensor::Bool($array) => $body,
        }
    };
}

impl Tensor {
    /// Element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Tensor::F64(_) => Dtype::F64,
            Tensor::F32(_) => Dtype::F32,
            Tensor::I64(_) => Dtype::I64,
            Tensor::Bool(_) => Dtype::Bool,
        }
    }

    /// Sizes, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        with_array!(self, array => array.shape())
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        with_array!(self, array => array.data().len())
    }

    /// Element type and shape.
    pub fn tensor_type(&self) -> Type {
        Type::new(self.dtype(), self.shape())
    }

    /// The array, if its elements are `T`.
    pub fn as_array<T: Element>(&self) -> Option<&Array<T>> {
        T::borrow(self)
    }

    /// The array if its elements are `T`, the tensor itself otherwise.
    pub fn into_array<T: Element>(self) -> Result<Array<T>, Tensor> {
        T::unwrap(self)
    }

    /// Every element as `f64`. Exact, but for integers beyond 2⁵³, which are rounded.
    pub fn to_f64(&self) -> Array<f64> {
        let data = match self {
            Tensor::F64(array) => array.data().to_vec(),
            Tensor::F32(array) => array.data().iter().map(|&x| x.into()).collect(),
            Tensor::I64(array) => array.data().iter().map(|&x| x as f64).collect(),
            Tensor::Bool(array) => array
                .data()
                .iter()
                .map(|&x| f64::from(u8::from(x)))
                .collect(),
        };
        Array::new(self.shape(), data).expect("one number for each element")
    }

    /// The first elements, at most `count`, each as the shortest text that reads back as the same number.
    pub fn elements_as_text(&self, count: usize) -> Vec<String> {
        with_array!(self, array => array.data().iter().take(count).map(|x| format!("{x:?}")).collect())
    }

    /// The same numbers in another shape with as many elements; `None` if it has more or fewer.
    pub fn reshape(self, shape: impl AsRef<[usize]>) -> Option<Self> {
        with_array!(self, array => Array::new(shape, array.into_data()).map(Element::wrap))
    }

    /// The same numbers as another element type. `None` if one of them does not exist there: 0.5 as an integer, 2
    /// as a truth value. `f32` rounds.
    pub fn cast(self, dtype: Dtype) -> Option<Self> {
        if self.dtype() == dtype {
            return Some(self);
        }
        if let (Tensor::I64(array), Dtype::F32) = (&self, dtype) {
            // Straight, not by way of f64, which would round twice.
            return collect(array.shape(), array.data().iter().map(|&x| Some(x as f32)));
        }
        let array = self.to_f64();
        let numbers = array.data().iter().copied();
        match dtype {
            Dtype::F64 => Some(array.into()),
            Dtype::F32 => collect(array.shape(), numbers.map(|x| Some(x as f32))),
            Dtype::I64 => collect(array.shape(), numbers.map(integer)),
            Dtype::Bool => collect(array.shape(), numbers.map(truth)),
        }
    }
}

fn collect<T: Element>(shape: &[usize], data: impl Iterator<Item = Option<T>>) -> Option<Tensor> {
    Array::new(shape, data.collect::<Option<_>>()?).map(T::wrap)
}

/// The integer of this value; beyond 2⁵³ it would not be known which one was meant.
fn integer(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= (1i64 << 53) as f64).then_some(x as i64)
}

fn truth(x: f64) -> Option<bool> {
    match x {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    }
}

impl<T: Element> From<Array<T>> for Tensor {
    fn from(array: Array<T>) -> Self {
        T::wrap(array)
    }
}

impl<T: Element> From<&Array<T>> for Tensor {
    fn from(array: &Array<T>) -> Self {
        T::wrap(array.clone())
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone()
    }
}

impl<T: Element> From<T> for Tensor {
    fn from(value: T) -> Self {
        T::wrap(Array::scalar(value))
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(data: Vec<T>) -> Self {
        T::wrap(data.into())
    }
}

impl<T: Element> From<&[T]> for Tensor {
    fn from(data: &[T]) -> Self {
        T::wrap(data.into())
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    fn from(data: [T; N]) -> Self {
        T::wrap(data.into())
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; M]; N]> for Tensor {
    fn from(rows: [[T; M]; N]) -> Self {
        T::wrap(rows.into())
    }
}
