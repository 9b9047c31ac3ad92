/// Where in a node a problem is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The node as a whole.
    Node,
    /// Its operands together.
    Operands,
    /// One operand.
    Operand(usize),
    /// A field of its attribute message.
    Attribute(&'static str),
}

/// Kind of a violation, for the error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViolationKind {
    /// The graph is malformed.
    Invalid,
    /// The graph is right, but this engine cannot do it yet.
    Unimplemented,
    /// A limit is passed.
    Limit {
        /// Its name in the configuration.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What was asked.
        asked: u64,
    },
}

/// What is wrong with a node. The message says the repair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What kind.
    pub kind: ViolationKind,
    /// In words.
    pub message: String,
}

impl Problem {
    fn invalid(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            kind: ViolationKind::Invalid,
            message: message.into(),
        }
    }

    /// A malformed node.
    pub fn node(message: impl Into<String>) -> Self {
        Self::invalid(Place::Node, message)
    }

    /// Operands that do not fit each other or the operation.
    pub fn operands(message: impl Into<String>) -> Self {
        Self::invalid(Place::Operands, message)
    }

    /// An operand that does not fit.
    pub fn operand(i: usize, message: impl Into<String>) -> Self {
        Self::invalid(Place::Operand(i), message)
    }

    /// An attribute that does not fit.
    pub fn attribute(field: &'static str, message: impl Into<String>) -> Self {
        Self::invalid(Place::Attribute(field), message)
    }
}
