//! The wire contract of the gradient service: messages, service stubs and descriptors generated from
//! `gradient/v1/*.proto`. Documentation of messages and fields stands in those files.

pub mod codec;
pub mod graph;
pub mod sparse;

/// Package `gradient.v1`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    pub use crate::graph::Graph;
    pub use crate::sparse::SparseTensor;

    tonic::include_proto!("gradient.v1");
}

/// The compiled `.proto` files (a `google.protobuf.FileDescriptorSet`), for reflection and JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
