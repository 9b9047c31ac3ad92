//! Graphs, ready to be sent.

use std::sync::Arc;

use gradient_proto::v1 as proto;

use crate::{
    expr::{Signatures, infer_types},
    tensor::Type,
};

/// A function from named inputs to named outputs. Cloning it copies a pointer.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    message: Arc<proto::Graph>,
    output_types: Arc<[Option<Type>]>,
}

impl Graph {
    /// A graph that comes from elsewhere, such as a file. The server checks it.
    pub fn from_proto(message: proto::Graph) -> Self {
        let functions = Signatures::of(&message.functions);
        let types = infer_types(&message.inputs, &message.nodes, &functions);
        let of = |output: &proto::Output| types.of(output.value).cloned();
        let output_types = message.outputs.iter().map(of).collect();
        Self::new(message, output_types)
    }

    pub(crate) fn new(message: proto::Graph, output_types: Vec<Option<Type>>) -> Self {
        Self {
            message: Arc::new(message),
            output_types: output_types.into(),
        }
    }

    /// The contract's message.
    pub fn proto(&self) -> &proto::Graph {
        &self.message
    }

    /// The contract's message, without a copy if this is the only handle on it.
    pub fn into_proto(self) -> proto::Graph {
        Arc::unwrap_or_clone(self.message)
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.message.name
    }

    /// Name and type of each input, in order. The type is `None` if a graph from elsewhere states none that is
    /// valid.
    pub fn inputs(&self) -> Vec<(&str, Option<Type>)> {
        let inputs = self.message.inputs.iter();
        inputs
            .map(|input| {
                (
                    input.name.as_str(),
                    input.r#type.as_ref().and_then(Type::from_proto),
                )
            })
            .collect()
    }

    /// Name and type of each output, in order. The type is `None` where a graph from elsewhere is malformed.
    pub fn outputs(&self) -> Vec<(&str, Option<Type>)> {
        let outputs = self.message.outputs.iter().zip(self.output_types.iter());
        outputs
            .map(|(output, tensor_type)| (output.name.as_str(), tensor_type.clone()))
            .collect()
    }
}
