//! Tensors of numbers: plain vectors, indices worked out element by element. Slow and simple on purpose.

use super::Number;
use crate::tensor::{DType, TensorRef, TensorType};

/// A value under evaluation.
#[derive(Clone)]
pub(in crate::execute) struct Value<N> {
    pub shape: Vec<usize>,
    pub data: Data<N>,
    /// An operation that is not analytic stood on the way: a complex step through it means nothing.
    pub refused: bool,
}

/// Elements in row-major order.
#[derive(Clone)]
pub(in crate::execute) enum Data<N> {
    Float(Vec<N>),
    Integer(Vec<i64>),
    Bool(Vec<bool>),
}

impl<N: Number> Value<N> {
    pub fn float(shape: Vec<usize>, data: Vec<N>) -> Self {
        Self {
            shape,
            data: Data::Float(data),
            refused: false,
        }
    }

    pub fn integer(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self {
            shape,
            data: Data::Integer(data),
            refused: false,
        }
    }

    pub fn bool(shape: Vec<usize>, data: Vec<bool>) -> Self {
        Self {
            shape,
            data: Data::Bool(data),
            refused: false,
        }
    }

    /// A tensor that does not move.
    pub fn constant(tensor: TensorRef<'_>) -> Self {
        let (ty, raw) = (tensor.ty(), tensor.raw());
        let size = ty.dtype.size_bytes();
        let elements = raw.chunks_exact(size);
        let eight = |b: &[u8]| -> [u8; 8] { b.try_into().expect("elements of 8 bytes") };
        let data = match ty.dtype {
            DType::F64 => Data::Float(
                elements
                    .map(|b| N::constant(f64::from_le_bytes(eight(b))))
                    .collect(),
            ),
            DType::F32 => Data::Float(
                elements
                    .map(|b| f32::from_le_bytes(b.try_into().expect("elements of 4 bytes")))
                    .map(|x| N::constant(x.into()))
                    .collect(),
            ),
            DType::I64 => Data::Integer(elements.map(|b| i64::from_le_bytes(eight(b))).collect()),
            DType::Bool => Data::Bool(raw.iter().map(|&b| b != 0).collect()),
        };
        Self {
            shape: ty.shape.sizes(),
            data,
            refused: false,
        }
    }

    /// The numbers of a floating-point value; none of another.
    pub fn floats(&self) -> &[N] {
        match &self.data {
            Data::Float(data) => data,
            _ => &[],
        }
    }

    /// The numbers of an integer value; none of another.
    pub fn integers(&self) -> &[i64] {
        match &self.data {
            Data::Integer(data) => data,
            _ => &[],
        }
    }

    /// The elements of a bool value; none of another.
    pub fn bools(&self) -> &[bool] {
        match &self.data {
            Data::Bool(data) => data,
            _ => &[],
        }
    }

    pub fn moves(&self) -> bool {
        self.floats().iter().any(Number::moves)
    }

    /// Elements of this value at these places, in another shape.
    pub fn pick(&self, shape: Vec<usize>, places: impl Iterator<Item = usize>) -> Self {
        let data = match &self.data {
            Data::Float(data) => Data::Float(places.map(|i| data[i]).collect()),
            Data::Integer(data) => Data::Integer(places.map(|i| data[i]).collect()),
            Data::Bool(data) => Data::Bool(places.map(|i| data[i]).collect()),
        };
        Self {
            shape,
            data,
            refused: self.refused,
        }
    }

    /// Writes the other's elements to places of this one, in order; `None` drops one.
    pub fn put(&mut self, other: &Self, places: impl Iterator<Item = Option<usize>>) {
        self.refused |= other.refused;
        for (i, place) in places.enumerate() {
            let Some(at) = place else { continue };
            match (&mut self.data, &other.data) {
                (Data::Float(to), Data::Float(from)) => to[at] = from[i],
                (Data::Integer(to), Data::Integer(from)) => to[at] = from[i],
                (Data::Bool(to), Data::Bool(from)) => to[at] = from[i],
                _ => {}
            }
        }
    }

    /// The zeros of a type.
    pub fn zeros(ty: &TensorType) -> Self {
        let elements = ty.elements() as usize;
        let data = match ty.dtype {
            DType::F64 | DType::F32 => Data::Float(vec![N::constant(0.0); elements]),
            DType::I64 => Data::Integer(vec![0; elements]),
            DType::Bool => Data::Bool(vec![false; elements]),
        };
        Self {
            shape: ty.shape.sizes(),
            data,
            refused: false,
        }
    }

    /// Rounds as a type of f32 does. Derivatives keep their digits.
    pub fn rounded(mut self, ty: &TensorType) -> Self {
        if let (DType::F32, Data::Float(data)) = (ty.dtype, &mut self.data) {
            for x in data {
                *x = x.at(f64::from(x.value() as f32));
            }
        }
        self
    }
}

pub(super) fn elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    strides
}

/// Every index of a shape, in row-major order.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let (shape, steps) = (shape.to_vec(), strides(shape));
    (0..elements(&shape)).map(move |i| {
        let of = shape.iter().zip(&steps);
        of.map(|(&size, &step)| i / step % size).collect()
    })
}

/// Where an index lies in a shape.
pub(super) fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &n)| at * n + i)
}

/// A shape as outer × axis × inner.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (
        elements(&shape[..axis]),
        shape[axis],
        elements(&shape[axis + 1..]),
    )
}
