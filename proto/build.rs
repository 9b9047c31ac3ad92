//! Generates the Rust code of the .proto files, without a system `protoc`.

use std::{env, fs, path::PathBuf};

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=gradient");
    println!("cargo:rerun-if-changed=google");
    let descriptors = protox::compile(["gradient/v1/service.proto"], ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Payloads are slices of the received message, not copies.
        .bytes(".gradient.v1")
        // Status is the type that tonic's error details come in.
        .extern_path(".google.rpc", "::tonic_types::pb")
        // Rows and columns are read when they are wanted, and written once for all answers of a pattern.
        .extern_path(".gradient.v1.SparseTensor", "crate::sparse::SparseTensor")
        // Graphs are read by hand: they may have millions of nodes.
        .extern_path(".gradient.v1.Graph", "crate::graph::Graph")
        .codec_path("crate::codec::Codec")
        // A node without attributes stays small: a graph may have millions.
        .boxed(".gradient.v1.Node.attributes")
        .compile_fds(descriptors)?;
    Ok(())
}
