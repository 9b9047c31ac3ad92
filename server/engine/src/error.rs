use crate::graph::Violation;
use crate::op::Op;
use std::fmt;

/// Why a request cannot be answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Error {
    /// The graph is malformed.
    Violation(Violation),
    /// A product does not fit the graph.
    Product {
        /// Position in the request.
        product: usize,
        /// Field of the product's message.
        field: &'static str,
        /// What is wrong, and the repair.
        message: String,
    },
    /// Declared, but not there yet.
    Unimplemented(String),
    /// A limit is passed; found before the work is done.
    Limit {
        /// Name in the configuration.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What was asked.
        asked: u64,
        /// What helps.
        repair: String,
    },
    /// The evaluation was stopped.
    Stopped(StopReason),
    /// A node produced an infinity or NaN, and the request asked to be told.
    NonFinite(Box<Culprit>),
    /// A node stands at a point where its derivative does not exist, and the request asked to be told.
    NonSmooth(Box<Culprit>),
}

/// The node that an evaluation stopped at.
#[derive(Clone, PartialEq, Debug)]
pub struct Culprit {
    /// The function that it is in; empty for the graph itself.
    pub function: String,
    /// Its position in the graph or function.
    pub node: u32,
    /// The client's name for it.
    pub label: String,
    /// Its operation.
    pub op: Op,
    /// Its operands' values, as text.
    pub operands: Vec<String>,
    /// Its value, as text.
    pub value: String,
}

/// What stopped an evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// Nobody waits for the answer any more.
    Cancelled,
    /// The deadline passed.
    Deadline,
}

impl Error {
    /// A derivative that there is no formula for.
    pub(crate) fn lacks(op: Op) -> Self {
        Self::Unimplemented(format!("a derivative of this order of {}", op.name()))
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({}", self.node, self.op.name())?;
        if !self.label.is_empty() {
            write!(f, " {:?}", self.label)?;
        }
        f.write_str(")")?;
        if !self.function.is_empty() {
            write!(f, " of function {:?}", self.function)?;
        }
        match self.operands.is_empty() {
            true => Ok(()),
            false => write!(f, " of {}", self.operands.join(", ")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Product { message, .. } => f.write_str(message),
            Self::Unimplemented(what) => write!(f, "{what} is not implemented by this server yet"),
            Self::Limit {
                name,
                value,
                asked,
                repair,
            } => write!(f, "{asked} exceeds {name} = {value}; {repair}"),
            Self::Stopped(StopReason::Cancelled) => f.write_str("cancelled by the client"),
            Self::Stopped(StopReason::Deadline) => f.write_str("the deadline passed"),
            Self::NonFinite(c) => write!(f, "{c} gives {}", c.value),
            Self::NonSmooth(c) => write!(f, "{c} has no derivative there"),
        }
    }
}

impl std::error::Error for Error {}
