//! Messages as bytes and back.

use std::marker::PhantomData;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};
use tonic::{
    Status,
    codec::{self, BufferSettings, DecodeBuf, EncodeBuf},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Protobuf by prost. Reading a message of tens of megabytes takes a second or so; other calls on the same thread
/// do not wait for it.
#[derive(Clone, Copy, Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

/// See [`Codec`].
#[derive(Clone, Debug)]
pub struct Encoder<T>(ProstEncoder<T>);

/// See [`Codec`].
#[derive(Clone, Debug)]
pub struct Decoder<U>(ProstDecoder<U>);

/// Smaller messages are read where they are: in about a millisecond.
const LARGE_BYTES: usize = 256 << 10;

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: prost::Message + Send + 'static,
    U: prost::Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Encoder<T>;
    type Decoder = Decoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Encoder(ProstCodec::<T, U>::raw_encoder(buffers()))
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(ProstCodec::<T, U>::raw_decoder(buffers()))
    }
}

/// Every call has a buffer each way. Most messages are short; for others it grows once, as how long they are is known
/// before they are written or read. The library's own are of 8 KiB, which the allocator has none ready of.
fn buffers() -> BufferSettings {
    const BYTES: usize = 512;
    // As the library's own: a stream sends what it has from there on.
    const YIELD_BYTES: usize = 32 << 10;
    BufferSettings::new(BYTES, YIELD_BYTES)
}

impl<T: prost::Message> codec::Encoder for Encoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Once and for all: growing step by step would copy megabytes again and again.
        buffer.reserve(item.encoded_len());
        self.0.encode(item, buffer)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

impl<U: prost::Message + Default> codec::Decoder for Decoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let large = bytes::Buf::remaining(bytes) >= LARGE_BYTES;
        // A runtime of one thread has no other to go on with.
        let threads = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        match (large, threads) {
            (true, Ok(RuntimeFlavor::MultiThread)) => block_in_place(|| self.0.decode(bytes)),
            _ => self.0.decode(bytes),
        }
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
