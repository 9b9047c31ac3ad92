//! What a call can end with besides an answer. `wire::status` turns it into a gRPC status.

use gradient_engine::{self as engine, Culprit, StopReason, ViolationKind};
use std::{fmt, time::Duration};

/// The result of anything that a call does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The request is not well formed. At least one violation.
    #[error("{}", .0[0])]
    Invalid(Vec<Violation>),
    /// Declared in the contract, but there is nothing behind it yet.
    #[error("{0}")]
    Unimplemented(Violation),
    /// No graph of this id is here (any more).
    #[error("graph {} is not registered here: register it (again), then repeat the request", quote(.id))]
    GraphNotRegistered {
        /// As the client wrote it.
        id: String,
    },
    /// No tensor of this id is here (any more).
    #[error("{path}: tensor {} is not here: put it (again), then repeat the request", quote(.id))]
    TensorNotPut {
        /// Where the request names it.
        path: String,
        /// As the client wrote it.
        id: String,
    },
    /// More than this server takes; known before the work is done.
    #[error("{}{name} is {value}, the request needs {asked}: {repair}", prefix(.path))]
    Limit {
        /// The limit, as it is called in the settings.
        name: &'static str,
        /// What it is set to.
        value: u64,
        /// What the request needs.
        asked: u64,
        /// Where in the request; may be empty.
        path: String,
        /// What the client can do.
        repair: String,
    },
    /// No place in the queue.
    #[error("the server is busy: {name} is {value}; try again in {} ms", .retry_after.as_millis())]
    Busy {
        /// The limit of the queue that is reached.
        name: &'static str,
        /// What it is set to.
        value: u64,
        /// When it may be worth to try again.
        retry_after: Duration,
    },
    /// `NON_SMOOTH_STRICT` or `NON_FINITE_ERROR` was asked for and hit.
    #[error("{message}")]
    Refused {
        /// `NON_SMOOTH` or `NON_FINITE`.
        reason: &'static str,
        /// What happened, in words.
        message: String,
        /// The node: `node`, `label`, `op`, `operands`, …
        metadata: Vec<(&'static str, String)>,
    },
    /// The deadline has passed.
    #[error("the deadline passed before the answer was ready; the computation was stopped")]
    DeadlineExceeded,
    /// The client has gone.
    #[error("the call was cancelled; the computation was stopped")]
    Cancelled,
    /// The server is shutting down.
    #[error("the server is shutting down: connect again")]
    Draining,
    /// The request could not be read to its end.
    #[error("{}", .0.message())]
    Transport(tonic::Status),
    /// A defect of ours. The message goes to the client, the circumstances to the log.
    #[error("{0}")]
    Defect(String),
}

/// One thing wrong with a request: where, and what would repair it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{message}", prefix(.path))]
pub struct Violation {
    /// Field path, such as `graph.nodes[17].operands[1]`.
    pub path: String,
    /// What is wrong and the repair.
    pub message: String,
}

impl Error {
    /// One violation.
    pub fn invalid(path: impl fmt::Display, message: impl Into<String>) -> Self {
        Error::Invalid(vec![Violation::new(path, message)])
    }

    /// Something declared that has nothing behind it.
    pub fn unimplemented(path: impl fmt::Display, message: impl Into<String>) -> Self {
        Error::Unimplemented(Violation::new(path, message))
    }

    /// A violation that the engine found in the graph at `path`.
    pub fn of_graph(path: &str, violation: engine::Violation) -> Self {
        let path = format!("{path}.{}", violation.path());
        let path = path.trim_end_matches('.').to_owned();
        let message = violation.to_string();
        match violation.kind() {
            ViolationKind::Invalid => Error::invalid(path, message),
            ViolationKind::Unimplemented => Error::unimplemented(path, message),
            ViolationKind::Limit { name, value, asked } => {
                let repair = message;
                Error::Limit {
                    name,
                    value,
                    asked,
                    path,
                    repair,
                }
            }
        }
    }

    /// What the engine says about the products that stand at `paths` in the request (`products[2].gradient`).
    pub fn of_engine(error: engine::Error, paths: &[ProductPath]) -> Self {
        let path = || {
            paths
                .first()
                .map(ProductPath::to_string)
                .unwrap_or_default()
        };
        let message = error.to_string();
        match error {
            engine::Error::Violation(violation) => Error::of_graph("graph", violation),
            engine::Error::Product {
                product,
                field,
                message,
            } => match paths.get(product) {
                Some(path) => Error::invalid(format_args!("{path}.{field}"), message),
                None => Error::invalid(format_args!("products.{field}"), message),
            },
            engine::Error::Unimplemented(what) => {
                let option = option_path(&what).map(str::to_owned);
                Error::unimplemented(option.unwrap_or_else(path), message)
            }
            engine::Error::Limit {
                name,
                value,
                asked,
                repair,
            } => {
                let path = String::new();
                Error::Limit {
                    name,
                    value,
                    asked,
                    path,
                    repair,
                }
            }
            engine::Error::Stopped(StopReason::Cancelled) => Error::Cancelled,
            engine::Error::Stopped(StopReason::Deadline) => Error::DeadlineExceeded,
            engine::Error::NonFinite(culprit) => refused("NON_FINITE", message, *culprit),
            engine::Error::NonSmooth(culprit) => refused("NON_SMOOTH", message, *culprit),
        }
    }
}

/// Where a product stands in a request: `products[2].gradient`. Written out only where something is wrong with it.
#[derive(Clone, Copy, Debug)]
pub struct ProductPath {
    /// Its number; `None`: the request has one only.
    pub number: Option<usize>,
    /// Which product it is; empty where that is not known.
    pub field: &'static str,
}

impl fmt::Display for ProductPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "products[{number}]")?,
            None => f.write_str("product")?,
        }
        match self.field {
            "" => Ok(()),
            field => write!(f, ".{field}"),
        }
    }
}

/// Where a request asks for an option that the engine calls by this name.
fn option_path(name: &str) -> Option<&'static str> {
    let paths = [
        ("HVP_MODE_", "options.hvp_mode"),
        ("MODE_", "options.mode"),
        ("METHOD_", "options.method"),
        ("NON_SMOOTH_", "options.non_smooth"),
        ("NON_FINITE_", "options.non_finite"),
    ];
    let found = paths.iter().find(|(prefix, _)| name.starts_with(prefix));
    found.map(|(_, path)| *path)
}

fn refused(reason: &'static str, message: String, culprit: Culprit) -> Error {
    let mut metadata = vec![
        ("node", culprit.node.to_string()),
        ("label", culprit.label),
        ("op", culprit.op.name().to_owned()),
        ("operands", culprit.operands.join(", ")),
        ("value", culprit.value),
    ];
    if !culprit.function.is_empty() {
        metadata.push(("function", culprit.function));
    }
    Error::Refused {
        reason,
        message,
        metadata,
    }
}

impl Violation {
    /// Something wrong at `path`.
    pub fn new(path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            message: message.into(),
        }
    }
}

fn prefix(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// A client's own text inside a message or a path: quoted, escaped, and never long.
pub fn quote(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// See [`quote`].
#[derive(Clone, Copy)]
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
        }
    }
}

/// At most `bytes` bytes of a text, cut between characters.
pub fn clip(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_gets_its_place_in_the_request() {
        let path = |number, field| ProductPath {
            number: Some(number),
            field,
        };
        let paths = [path(0, "value"), path(1, "hessian")];
        let told = |error| Error::of_engine(error, &paths);
        let product = engine::Error::Product {
            product: 1,
            field: "output",
            message: "no".into(),
        };
        assert_eq!(told(product).to_string(), "products[1].hessian.output: no");
        let option = told(engine::Error::Unimplemented("NON_FINITE_ERROR".into()));
        assert!(
            option.to_string().starts_with("options.non_finite: "),
            "{option}"
        );
        let culprit = Culprit {
            function: String::new(),
            node: 3,
            label: "the log".into(),
            op: engine::Op::Log,
            operands: vec!["0".into()],
            value: "-inf".into(),
        };
        let error = told(engine::Error::NonFinite(Box::new(culprit)));
        let Error::Refused {
            reason: "NON_FINITE",
            message,
            metadata,
        } = error
        else {
            panic!("{error:?}")
        };
        assert!(message.contains("the log") && metadata.contains(&("node", "3".to_owned())));
        assert!(matches!(
            told(engine::Error::Stopped(StopReason::Deadline)),
            Error::DeadlineExceeded
        ));
    }

    #[test]
    fn quotes_are_escaped_and_short() {
        assert_eq!(quote("x\n\"y\"").to_string(), r#""x\n\"y\"""#);
        assert!(quote(&"é".repeat(10_000)).to_string().len() < 200);
        assert_eq!(clip("aé", 2), "a…");
    }
}
