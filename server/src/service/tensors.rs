//! PutTensor.

use super::Core;
use crate::{
    error::{Error, Result},
    store::Hasher,
    wire::tensor::{decode_type, misfit},
};
use futures::{Stream, StreamExt};
use gradient_engine::{Tensor, TensorError};
use gradient_proto::v1::{self as pb, put_tensor_request::Content};
use tonic::Status;

impl Core {
    pub async fn put_tensor(
        &self,
        messages: impl Stream<Item = Result<pb::PutTensorRequest, Status>> + Send,
    ) -> Result<pb::PutTensorResponse> {
        let mut messages = std::pin::pin!(messages);
        let mut next = async || match messages.next().await {
            Some(message) => Ok(Some(message.map_err(Error::Transport)?.content)),
            None => Ok(None),
        };
        let Some(Some(Content::Type(ty))) = next().await? else {
            return Err(Error::invalid("type", "the first message must set type"));
        };
        let ty = decode_type(Some(ty), &"type")?;
        self.tensors.admit(&ty)?;
        let mut hasher = Hasher::new(&ty);
        // Grows with what comes, not with what is announced.
        let mut raw = Vec::new();
        while let Some(content) = next().await? {
            let Some(Content::Chunk(chunk)) = content else {
                return Err(Error::invalid(
                    "chunk",
                    "every message after the first must set chunk",
                ));
            };
            let got = (raw.len() + chunk.len()) as u64;
            if got > ty.bytes() {
                let expected = ty.bytes();
                return Err(misfit(
                    &ty,
                    TensorError::ByteCount { expected, got },
                    &"chunk",
                ));
            }
            hasher.update(&chunk);
            raw.extend_from_slice(&chunk);
        }
        let bytes = raw.len() as u64;
        let tensor = Tensor::from_raw(ty.clone(), raw).map_err(|e| misfit(&ty, e, &"chunk"))?;
        let tensor_id = hasher.finish();
        self.tensors.put(tensor_id.clone(), tensor);
        Ok(pb::PutTensorResponse { tensor_id, bytes })
    }
}
