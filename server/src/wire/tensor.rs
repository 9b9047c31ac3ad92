//! Tensors and their types, both ways. Raw payloads stay slices of the received message.

use crate::{
    error::{Error, Result},
    store::TensorStore,
};
use bytes::Bytes;
use gradient_engine::{DType, Shape, Tensor, TensorError, TensorRef, TensorType};
use gradient_proto::v1 as pb;
use std::{fmt::Display, ops::Range, sync::Arc};

/// A tensor that a request brings or names: valid by construction, and cheap to move to a thread.
#[derive(Clone, Debug)]
pub struct Payload {
    ty: TensorType,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Received(Bytes),
    Resident(Arc<Tensor>),
}

impl Payload {
    /// Reads a tensor at `path`. Nothing is allocated before its type and size agree.
    pub fn decode(tensor: pb::Tensor, path: &dyn Display, resident: &TensorStore) -> Result<Self> {
        let dtype = decode_dtype(tensor.dtype, &format_args!("{path}.dtype"))?;
        let ty = TensorType::new(dtype, tensor.shape);
        let data = match tensor.data {
            Some(pb::tensor::Data::Raw(raw)) => Data::Received(raw),
            Some(pb::tensor::Data::Values(list)) => {
                let path = format_args!("{path}.values");
                Data::Received(raw_of_values(&ty, &list.values, &path)?)
            }
            Some(pb::tensor::Data::TensorId(id)) => {
                let path = format_args!("{path}.tensor_id");
                Data::Resident(resident_of_type(&ty, &id, &path, resident)?)
            }
            // Nothing is all that a tensor without elements has.
            None if ty.elements() == 0 => Data::Received(Bytes::new()),
            None => {
                return Err(Error::invalid(
                    path,
                    "no data: set raw, values or tensor_id",
                ));
            }
        };
        let payload = Self { ty, data };
        match TensorRef::new(&payload.ty, payload.raw()) {
            Ok(_) => Ok(payload),
            Err(error) => Err(misfit(&payload.ty, error, &format_args!("{path}.raw"))),
        }
    }

    /// Its type.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Its bytes: little-endian, row-major.
    pub fn raw(&self) -> &[u8] {
        match &self.data {
            Data::Received(bytes) => bytes,
            Data::Resident(tensor) => tensor.raw(),
        }
    }

    /// Bytes that this payload alone keeps alive.
    pub fn bytes(&self) -> u64 {
        match &self.data {
            Data::Received(bytes) => bytes.len() as u64,
            Data::Resident(_) => 0,
        }
    }

    /// Where its bytes lie in a message, if they do.
    pub fn place_in(&self, message: &Bytes) -> Option<Range<usize>> {
        let Data::Received(raw) = &self.data else {
            return None;
        };
        if raw.is_empty() {
            return Some(0..0);
        }
        let start = (raw.as_ptr() as usize).checked_sub(message.as_ptr() as usize)?;
        let end = start.checked_add(raw.len())?;
        (end <= message.len()).then_some(start..end)
    }

    /// Its type, of a tensor whose bytes are still to come.
    pub fn bare(&self) -> Self {
        Self {
            ty: self.ty.clone(),
            data: Data::Received(Bytes::new()),
        }
    }

    /// With other bytes, if they fit its type.
    pub fn with(&self, raw: Bytes) -> Option<Self> {
        TensorRef::new(&self.ty, &raw).ok()?;
        Some(Self {
            ty: self.ty.clone(),
            data: Data::Received(raw),
        })
    }

    /// As the engine takes it.
    pub fn as_ref(&self) -> TensorRef<'_> {
        TensorRef::new(&self.ty, self.raw()).expect("checked when it was decoded")
    }

    /// As the engine keeps it. Copies what was received.
    pub fn into_tensor(self) -> Arc<Tensor> {
        match self.data {
            Data::Resident(tensor) => tensor,
            Data::Received(bytes) => {
                let tensor = Tensor::from_raw(self.ty, bytes.into());
                Arc::new(tensor.expect("checked when it was decoded"))
            }
        }
    }

    /// The tensor that was put before, if it is one.
    pub fn resident(&self) -> Option<&Arc<Tensor>> {
        match &self.data {
            Data::Received(_) => None,
            Data::Resident(tensor) => Some(tensor),
        }
    }

    /// Tensors of one type along a new leading axis. At least one; the caller has checked the size.
    pub fn stack<'a>(all: impl ExactSizeIterator<Item = &'a Self> + Clone) -> Option<Self> {
        let first = all.clone().next()?;
        let shape = std::iter::once(all.len() as u64).chain(first.ty.shape.iter().copied());
        let ty = TensorType::new(first.ty.dtype, shape.collect::<Shape>());
        let mut raw = Vec::with_capacity(ty.bytes() as usize);
        all.for_each(|each| raw.extend_from_slice(each.raw()));
        let data = Data::Received(raw.into());
        Some(Self { ty, data })
    }

    /// The same data for each of `count` points along a new leading axis. The caller has checked the size.
    pub fn repeat(&self, count: u64) -> Self {
        let shape = std::iter::once(count).chain(self.ty.shape.iter().copied());
        let ty = TensorType::new(self.ty.dtype, shape.collect::<Shape>());
        let data = Data::Received(self.raw().repeat(count as usize).into());
        Self { ty, data }
    }
}

/// An element type at `path`.
pub fn decode_dtype(number: i32, path: &dyn Display) -> Result<DType> {
    match pb::Dtype::try_from(number) {
        Ok(pb::Dtype::F64) => Ok(DType::F64),
        Ok(pb::Dtype::F32) => Ok(DType::F32),
        Ok(pb::Dtype::Bool) => Ok(DType::Bool),
        Ok(pb::Dtype::I64) => Ok(DType::I64),
        Ok(pb::Dtype::Unspecified) => Err(Error::invalid(
            path,
            "no element type: set DTYPE_F64, DTYPE_F32, DTYPE_BOOL or DTYPE_I64",
        )),
        Err(_) => {
            let message = format!(
                "unknown element type {number}: set DTYPE_F64, DTYPE_F32, DTYPE_BOOL or DTYPE_I64"
            );
            Err(Error::invalid(path, message))
        }
    }
}

/// A type at `path`.
pub fn decode_type(ty: Option<pb::TensorType>, path: &dyn Display) -> Result<TensorType> {
    let ty = ty.ok_or_else(|| Error::invalid(path, "no type: set its dtype and shape"))?;
    let dtype = decode_dtype(ty.dtype, &format_args!("{path}.dtype"))?;
    Ok(TensorType::new(dtype, ty.shape))
}

/// An element type for the wire.
pub fn encode_dtype(dtype: DType) -> pb::Dtype {
    match dtype {
        DType::F64 => pb::Dtype::F64,
        DType::F32 => pb::Dtype::F32,
        DType::Bool => pb::Dtype::Bool,
        DType::I64 => pb::Dtype::I64,
    }
}

/// A type for the wire.
pub fn encode_type(ty: &TensorType) -> pb::TensorType {
    pb::TensorType {
        dtype: encode_dtype(ty.dtype).into(),
        shape: ty.shape.to_vec(),
    }
}

/// A tensor for the wire, without a copy.
pub fn encode_tensor(tensor: Tensor) -> pb::Tensor {
    let pb::TensorType { dtype, shape } = encode_type(tensor.ty());
    let raw = match tensor.is_large() {
        // Its buffer is used again when it has been sent.
        true => Bytes::from_owner(Sent(tensor)),
        false => Bytes::from(tensor.into_raw()),
    };
    let data = Some(pb::tensor::Data::Raw(raw));
    pb::Tensor { dtype, shape, data }
}

/// Owns the bytes of a message.
struct Sent(Tensor);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.0.raw()
    }
}

/// What is wrong with raw data, in words.
pub fn misfit(ty: &TensorType, error: TensorError, path: &dyn Display) -> Error {
    let message = match error {
        TensorError::ByteCount { expected, got } => {
            format!("{ty} takes {expected} bytes, got {got}")
        }
        other => other.to_string(),
    };
    Error::invalid(path, message)
}

fn resident_of_type(
    ty: &TensorType,
    id: &str,
    path: &dyn Display,
    resident: &TensorStore,
) -> Result<Arc<Tensor>> {
    let Some(tensor) = resident.get(id) else {
        let (path, id) = (path.to_string(), id.to_owned());
        return Err(Error::TensorNotPut { path, id });
    };
    if tensor.ty() != ty {
        let message = format!(
            "the tensor was put as {}, the request says {ty}",
            tensor.ty()
        );
        return Err(Error::invalid(path, message));
    }
    Ok(tensor)
}

fn raw_of_values(ty: &TensorType, values: &[f64], path: &dyn Display) -> Result<Bytes> {
    let (expected, got) = (ty.elements(), values.len() as u64);
    if expected != got {
        let message = format!("{ty} takes {expected} values, got {got}");
        return Err(Error::invalid(path, message));
    }
    let mut raw = Vec::with_capacity(values.len() * ty.dtype.size_bytes());
    for (i, &value) in values.iter().enumerate() {
        let fits = match ty.dtype {
            DType::F64 => true,
            DType::F32 => !value.is_finite() || (value as f32).is_finite(),
            DType::Bool => value == 0.0 || value == 1.0,
            // -2^63 is a double, 2^63 - 1 is not.
            DType::I64 => value.trunc() == value && (-TWO_POW_63..TWO_POW_63).contains(&value),
        };
        if !fits {
            let message = format!("element {i} is {value}, which is no {} value", ty.dtype);
            return Err(Error::invalid(path, message));
        }
        match ty.dtype {
            DType::F64 => raw.extend_from_slice(&value.to_le_bytes()),
            DType::F32 => raw.extend_from_slice(&(value as f32).to_le_bytes()),
            DType::Bool => raw.push(u8::from(value == 1.0)),
            DType::I64 => raw.extend_from_slice(&(value as i64).to_le_bytes()),
        }
    }
    Ok(raw.into())
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests {
    use super::*;
    use pb::tensor::Data::{Raw, TensorId, Values};

    fn decode(dtype: i32, shape: &[u64], data: Option<pb::tensor::Data>) -> Result<Payload> {
        let shape = shape.to_vec();
        let tensor = pb::Tensor { dtype, shape, data };
        Payload::decode(tensor, &"inputs[\"x\"]", &TensorStore::new(1 << 20))
    }

    fn values(values: &[f64]) -> Option<pb::tensor::Data> {
        let values = values.to_vec();
        Some(Values(pb::DoubleList { values }))
    }

    fn raw(length: usize, fill: u8) -> Option<pb::tensor::Data> {
        Some(Raw(vec![fill; length].into()))
    }

    #[test]
    fn raw_data_is_not_copied() {
        let bytes = Bytes::from(vec![0; 16]);
        let payload = decode(1, &[2], Some(Raw(bytes.clone()))).unwrap();
        assert_eq!(payload.raw().as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused_where_it_stands() {
        let big = u64::MAX;
        let cases = [
            (0, vec![2], raw(16, 0), "dtype"),
            (9, vec![2], raw(16, 0), "dtype"),
            (1, vec![2], raw(15, 0), "raw"),
            (1, vec![big, big], raw(16, 0), "raw"),
            (1, vec![], raw(0, 0), "raw"),
            (3, vec![2], raw(2, 2), "raw"),
            (1, vec![2], values(&[1.0]), "values"),
            (4, vec![1], values(&[0.5]), "values"),
            (4, vec![1], values(&[9.3e18]), "values"),
            (4, vec![1], values(&[f64::NAN]), "values"),
            (3, vec![1], values(&[2.0]), "values"),
            (2, vec![1], values(&[1e300]), "values"),
            (1, vec![1], Some(TensorId("0".repeat(64))), "tensor_id"),
        ];
        for (dtype, shape, data, field) in cases {
            let text = format!("{dtype} {shape:?}");
            let Err(error) = decode(dtype, &shape, data) else {
                panic!("{text} was taken")
            };
            let error = error.to_string();
            assert!(
                error.starts_with(&format!("inputs[\"x\"].{field}: ")),
                "{error}"
            );
        }
        assert!(decode(1, &[2], None).is_err());
        assert!(decode(1, &[2, 0], None).is_ok());
        assert!(decode(4, &[1], values(&[-TWO_POW_63])).is_ok());
    }
}
