//! The first mistake in a graph.

use std::{fmt, panic::Location};

use gradient_proto::v1::Op;

/// What is wrong with an expression, where, and how to repair it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BuildError {
    /// The function that it is in; `None` for the graph itself.
    pub function: Option<String>,
    /// Number of the node in the graph, or where it would have stood; `None` for inputs and outputs.
    pub node: Option<usize>,
    /// Lower-case name of the operation, "input", "output" or "function".
    pub op: String,
    /// What is wrong and how to repair it.
    pub message: String,
    /// The line that wrote it.
    pub location: &'static Location<'static>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "function {function:?}, ")?;
        }
        match self.node {
            Some(node) => write!(f, "node {node} ({}): ", self.op)?,
            None => write!(f, "{}: ", self.op)?,
        }
        write!(
            f,
            "{} ({}:{})",
            self.message,
            self.location.file(),
            self.location.line()
        )
    }
}

impl BuildError {
    /// In the body of a function, the innermost of those that are named.
    pub(super) fn in_function(mut self, name: &str) -> Self {
        self.function.get_or_insert_with(|| name.into());
        self
    }
}

/// Lower-case name of an operation: "reduce_sum".
pub(crate) fn op_name(op: Op) -> String {
    op.as_str_name()
        .trim_start_matches("OP_")
        .to_ascii_lowercase()
}
