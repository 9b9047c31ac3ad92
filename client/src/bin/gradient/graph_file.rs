//! Graphs in files: protobuf-JSON, binary protobuf, or text.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, anyhow};
use gradient_client::{
    Graph, Tensor,
    proto::{self, node::Attributes, tensor::Data},
};
use gradient_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

/// What a file holds.
#[derive(Debug)]
pub enum Content {
    /// A graph, in JSON or binary.
    Graph(Graph),
    /// The text of a function.
    Text(String),
}

/// Reads a file, or standard input for "-". The extension `.json`, `.pb` or `.binpb` says what it is; otherwise a
/// file that begins with '{' is JSON, other text is the text of a function, and all else is binary.
///
/// # Errors
/// If the file cannot be read or is not what it seems to be.
pub fn read(path: &str) -> anyhow::Result<Content> {
    let bytes = if path == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    let bytes = bytes.with_context(|| format!("cannot read {path}"))?;
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    let content = match extension {
        Some("json") => from_json(&bytes).map(Content::Graph),
        Some("pb" | "binpb") => from_binary(&bytes).map(Content::Graph),
        _ => match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim_start().starts_with('{') => from_json(&bytes).map(Content::Graph),
            Ok(text) if is_text(text) => Ok(Content::Text(text.to_owned())),
            _ => from_binary(&bytes).map(Content::Graph),
        },
    };
    content.with_context(|| format!("{path} holds no graph"))
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || c.is_ascii_whitespace())
}

fn from_binary(bytes: &[u8]) -> anyhow::Result<Graph> {
    Ok(Graph::from_proto(proto::Graph::decode(bytes)?))
}

/// A graph from protobuf-JSON.
///
/// # Errors
/// The place in the text that does not fit the contract.
pub fn from_json(json: &[u8]) -> anyhow::Result<Graph> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let descriptor = descriptors()?
        .get_message_by_name("gradient.v1.Graph")
        .context("gradient.v1.Graph")?;
    let message = DynamicMessage::deserialize(descriptor, &mut deserializer)?;
    deserializer.end()?;
    Ok(Graph::from_proto(message.transcode_to()?))
}

/// A graph as protobuf-JSON. Constants are written as numbers where these say the same as their bytes.
///
/// # Errors
/// None for a graph of this contract.
pub fn to_json(graph: &Graph) -> anyhow::Result<serde_json::Value> {
    let mut message = graph.proto().clone();
    let bodies = message
        .functions
        .iter_mut()
        .map(|function| &mut function.nodes);
    for node in std::iter::once(&mut message.nodes).chain(bodies).flatten() {
        if let Some(Attributes::Constant(constant)) = &mut node.attributes
            && let Some(tensor) = &mut constant.value
        {
            write_numbers(tensor);
        }
    }
    let descriptor = descriptors()?
        .get_message_by_name("gradient.v1.Graph")
        .context("gradient.v1.Graph")?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(&message)?;
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())?)
}

/// Numbers instead of bytes, if they read back as the same bytes.
fn write_numbers(tensor: &mut proto::Tensor) {
    let Ok(decoded) = Tensor::from_proto(tensor) else {
        return;
    };
    let numbers = decoded.to_f64();
    let back = Tensor::from(&numbers).cast(decoded.dtype());
    let exact = numbers.data().iter().all(|x| !x.is_nan());
    if exact && back.is_some_and(|back| back.to_bytes() == decoded.to_bytes()) {
        tensor.data = Some(Data::Values(proto::DoubleList {
            values: numbers.into_data(),
        }));
    }
}

/// A graph as binary protobuf, into a file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_binary(path: &Path, graph: &Graph) -> anyhow::Result<()> {
    fs::write(path, graph.proto().encode_to_vec())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn descriptors() -> anyhow::Result<DescriptorPool> {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET)
        .map_err(|error| anyhow!("the contract's descriptors: {error}"))
}

#[cfg(test)]
mod tests {
    use gradient_client::{Dtype, GraphBuilder};

    use super::*;

    fn graph() -> Graph {
        let g = GraphBuilder::new("round trip");
        let x = g.input("x", [2, 2]);
        let k = g.constant([i64::MAX, 3]);
        let weights = g.constant(vec![0.1f32, f32::INFINITY]).convert(Dtype::F64);
        let odd = g.constant([f64::NAN, -0.0]);
        let f = (x.matmul(&weights).take(&k, 0) * odd)
            .label("f")
            .lt(0.3)
            .select(1.0, 2.0);
        g.finish([("f", f)]).unwrap()
    }

    #[test]
    fn json_and_binary_round_trip_to_the_bit() {
        let graph = graph();
        let json = to_json(&graph).unwrap();
        let values = json
            .pointer("/nodes/1/constant/value/values/values")
            .unwrap();
        assert_eq!(
            values.as_array().unwrap().len(),
            2,
            "f32 constants are numbers: {json}"
        );
        let read = from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(to_json(&read).unwrap(), json);
        // Numbers or bytes, the tensors are the same.
        let constants = |graph: &Graph| -> Vec<_> {
            let attributes = graph
                .proto()
                .nodes
                .iter()
                .filter_map(|node| node.attributes.clone());
            let constants = attributes.filter_map(|attributes| match attributes {
                Attributes::Constant(constant) => constant.value,
                _ => None,
            });
            constants
                .map(|tensor| Tensor::from_proto(&tensor).unwrap().to_bytes())
                .collect()
        };
        assert_eq!(constants(&read), constants(&graph));

        let directory = tempfile::tempdir().unwrap();
        for name in ["graph.pb", "graph.binpb", "graph"] {
            let path = directory.path().join(name);
            write_binary(&path, &graph).unwrap();
            let Content::Graph(read) = super::read(path.to_str().unwrap()).unwrap() else {
                panic!("{name}")
            };
            assert_eq!(read, graph, "{name}");
        }
    }

    #[test]
    fn files_are_recognised_by_extension_or_content() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            super::read(path.to_str().unwrap())
        };
        let json = to_json(&graph()).unwrap().to_string();
        assert!(matches!(write("a.json", &json), Ok(Content::Graph(_))));
        assert!(matches!(
            write("b", &format!("\n {json}")),
            Ok(Content::Graph(_))
        ));
        assert!(matches!(write("c.txt", "f = x^2\n"), Ok(Content::Text(_))));
        for (name, content, message) in [
            ("d.json", "f = x^2", "line 1"),
            ("e.json", r#"{"nodes": [{"op": "OP_SINE"}]}"#, "OP_SINE"),
            ("f.json", r#"{"knots": []}"#, "knots"),
            ("g.pb", "f = x^2", "holds no graph"),
        ] {
            let error = format!("{:#}", write(name, content).unwrap_err());
            assert!(error.contains(message), "{name}: {error}");
        }
    }
}
