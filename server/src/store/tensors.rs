use super::{Cache, bounded};
use crate::error::{Error, Result};
use gradient_engine::{DType, Tensor, TensorType};
use std::sync::Arc;

/// Tensors that clients have put, by id.
pub struct TensorStore {
    tensors: Cache<String, Arc<Tensor>>,
    capacity: u64,
}

impl TensorStore {
    /// An empty store of that many bytes.
    pub fn new(bytes: u64) -> Self {
        let tensors = bounded(bytes, |tensor: &Arc<Tensor>| tensor.ty().bytes());
        Self {
            tensors,
            capacity: bytes,
        }
    }

    /// The tensor of an id.
    pub fn get(&self, id: &str) -> Option<Arc<Tensor>> {
        self.tensors.get(id)
    }

    /// Refuses a tensor that could never be kept, before its data is taken.
    pub fn admit(&self, ty: &TensorType) -> Result<()> {
        match ty.bytes() {
            asked if asked > self.capacity => Err(Error::Limit {
                name: "tensor_bytes",
                value: self.capacity,
                asked,
                path: "type".to_owned(),
                repair: "the tensor is too large for this server".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Keeps a tensor under its id.
    pub fn put(&self, id: String, tensor: Tensor) {
        self.tensors.insert(id, Arc::new(tensor));
        self.tensors.run_pending_tasks();
    }
}

/// Computes a tensor's id while its data comes in: BLAKE3-256 over
/// `"gradient.tensor.v1" ‖ dtype (u8, as on the wire) ‖ rank (u32 LE) ‖ sizes (u64 LE each) ‖ data`.
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// For a tensor of that type.
    pub fn new(ty: &TensorType) -> Self {
        let dtype = match ty.dtype {
            DType::F64 => 1,
            DType::F32 => 2,
            DType::Bool => 3,
            DType::I64 => 4,
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gradient.tensor.v1").update(&[dtype]);
        hasher.update(&(ty.shape.len() as u32).to_le_bytes());
        for size in ty.shape.iter() {
            hasher.update(&size.to_le_bytes());
        }
        Self(hasher)
    }

    /// The next piece of data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Lower-case hex.
    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &TensorStore, shape: &[u64], fill: u8) -> String {
        let ty = TensorType::new(DType::Bool, shape);
        let raw = vec![fill; ty.bytes() as usize];
        let mut hasher = Hasher::new(&ty);
        hasher.update(&raw);
        let id = hasher.finish();
        store.put(id.clone(), Tensor::from_raw(ty, raw).unwrap());
        id
    }

    #[test]
    fn an_id_covers_type_and_data() {
        let store = TensorStore::new(1 << 20);
        let ids = [
            put(&store, &[2, 3], 0),
            put(&store, &[3, 2], 0),
            put(&store, &[6], 0),
            put(&store, &[6], 1),
        ];
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(id.len(), 64);
            assert!(!ids[..i].contains(id));
            assert!(store.get(id).is_some());
        }
    }

    #[test]
    fn the_tensor_not_used_for_longest_goes_first() {
        let store = TensorStore::new(4000);
        let first = put(&store, &[1000], 0);
        let second = put(&store, &[1001], 0);
        assert!(store.get(&first).is_some());
        let third = put(&store, &[1002], 0);
        let fourth = put(&store, &[10], 0);
        let kept = [&first, &second, &third, &fourth].map(|id| store.get(id).is_some());
        assert_eq!(kept, [true, false, true, true]);
    }
}
