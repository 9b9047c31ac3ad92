//! Graphs, ready to be sent.

use std::sync::Arc;

use gradient_proto::v1 as proto;

use crate::tensor::Type;

/// A function from named inputs to named outputs. Cloning it copies a pointer.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    message: Arc<proto::Graph>,
}

impl Graph {
    /// A graph that comes from elsewhere, such as a file. The server checks it.
    pub fn from_proto(message: proto::Graph) -> Self {
        Self {
            message: Arc::new(message),
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

    /// Names of the outputs, in order.
    pub fn outputs(&self) -> Vec<&str> {
        self.message
            .outputs
            .iter()
            .map(|output| output.name.as_str())
            .collect()
    }
}
