//! Tensors to and from the contract's messages. Always `raw`: packed doubles decode far slower.

use bytes::Bytes;
use gradient_proto::v1::{self as proto, tensor::Data};

use super::{Array, Dtype, Element, Tensor};

impl Tensor {
    /// Little-endian, row-major, no padding.
    pub fn to_bytes(&self) -> Bytes {
        let bytes = match self {
            Tensor::F64(array) => encode(array.data(), f64::to_le_bytes),
            Tensor::F32(array) => encode(array.data(), f32::to_le_bytes),
            Tensor::I64(array) => encode(array.data(), i64::to_le_bytes),
            Tensor::Bool(array) => encode(array.data(), |x| [u8::from(x)]),
        };
        bytes.into()
    }

    /// The contract's message.
    pub fn to_proto(&self) -> proto::Tensor {
        proto::Tensor {
            dtype: self.dtype().to_proto() as i32,
            shape: self.shape().iter().map(|&d| d as u64).collect(),
            data: Some(Data::Raw(self.to_bytes())),
        }
    }

    /// From the contract's message. The error says in words what is wrong with it.
    pub fn from_proto(message: &proto::Tensor) -> Result<Self, String> {
        let dtype = Dtype::from_proto(message.dtype).ok_or("the element type is unspecified")?;
        let shape: Vec<usize> = message
            .shape
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| format!("size {d} cannot be addressed")))
            .collect::<Result<_, _>>()?;
        match &message.data {
            Some(Data::Raw(raw)) => from_bytes(dtype, &shape, raw),
            Some(Data::Values(list)) => Array::new(&shape, list.values.clone())
                .ok_or_else(|| format!("{} values for shape {shape:?}", list.values.len()))
                .and_then(|array| {
                    Tensor::from(array)
                        .cast(dtype)
                        .ok_or_else(|| format!("a value is no {dtype}"))
                }),
            Some(Data::TensorId(id)) => Err(format!("the data of tensor {id} stay on the server")),
            None => Err("the tensor has no data".into()),
        }
    }
}

fn from_bytes(dtype: Dtype, shape: &[usize], raw: &[u8]) -> Result<Tensor, String> {
    let tensor = match dtype {
        Dtype::F64 => elements(shape, raw, f64::from_le_bytes),
        Dtype::F32 => elements(shape, raw, f32::from_le_bytes),
        Dtype::I64 => elements(shape, raw, i64::from_le_bytes),
        Dtype::Bool => elements(shape, raw, |[byte]| byte != 0),
    };
    tensor.ok_or_else(|| format!("{} bytes for {dtype}{shape:?}", raw.len()))
}

fn elements<T: Element, const N: usize>(
    shape: &[usize],
    raw: &[u8],
    decode: impl Fn([u8; N]) -> T,
) -> Option<Tensor> {
    let (chunks, []) = raw.as_chunks::<N>() else {
        return None;
    };
    Array::new(shape, chunks.iter().map(|&chunk| decode(chunk)).collect()).map(T::wrap)
}

// Whole chunks at a time: the compiler makes one copy of it.
fn encode<T: Element, const N: usize>(data: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = vec![0; data.len() * N];
    let (chunks, _) = bytes.as_chunks_mut::<N>();
    chunks
        .iter_mut()
        .zip(data)
        .for_each(|(chunk, &x)| *chunk = to_bytes(x));
    bytes
}
