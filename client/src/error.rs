//! What can go wrong, told so that a person can repair it.

use std::{collections::BTreeMap, fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, RpcStatusExt, StatusExt, pb};

use crate::expr::BuildError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// Where to.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The graph has a mistake.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The request does not fit the graph; nothing was sent.
    #[error("{0}")]
    Request(Violation),
    /// The server refused, or did not answer.
    #[error("{0}")]
    Rpc(Box<RpcError>),
    /// The answer does not fit the request: client and server disagree about the contract.
    #[error("the server's answer does not fit the request: {0}")]
    Protocol(String),
    /// The answer has no such block, because the request did not ask for it.
    #[error("the answer has no {0}")]
    Missing(String),
}

/// One thing wrong with a request: where, and what would repair it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Field path, such as `graph.nodes[17].operands[1]`; may be empty.
    pub path: String,
    /// What is wrong and the repair.
    pub description: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.description),
            path => write!(f, "{path}: {}", self.description),
        }
    }
}

/// What the server said.
#[derive(Clone, Debug)]
pub struct RpcError {
    /// The gRPC code.
    pub code: Code,
    /// One sentence.
    pub message: String,
    /// What is wrong with the request, field by field.
    pub violations: Vec<Violation>,
    /// Machine-readable reason, such as `GRAPH_NOT_REGISTERED`; may be empty.
    pub reason: String,
    /// What belongs to the reason: the limit, its value and what was asked; the node and its operands.
    pub metadata: BTreeMap<String, String>,
    /// When it may be worth to try again.
    pub retry_after: Option<Duration>,
}

impl RpcError {
    fn new(code: Code, message: String, details: &ErrorDetails) -> Self {
        let violations = details
            .bad_request()
            .map(|request| request.field_violations.as_slice());
        let violations = violations
            .unwrap_or_default()
            .iter()
            .map(|violation| Violation {
                path: violation.field.clone(),
                description: violation.description.clone(),
            });
        let info = details.error_info();
        Self {
            code,
            message,
            violations: violations.collect(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info
                .map(|info| info.metadata.clone().into_iter().collect())
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }

    /// The deadline of the call has passed.
    pub(crate) fn deadline_exceeded(timeout: Duration) -> Self {
        let message = format!("no answer within {timeout:?}");
        Self::new(Code::DeadlineExceeded, message, &ErrorDetails::new())
    }

    /// The server does not hold the graph (any more).
    pub fn is_graph_not_registered(&self) -> bool {
        self.code == Code::NotFound && self.reason == "GRAPH_NOT_REGISTERED"
    }

    /// The same call may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self.code {
            Code::Unavailable => true,
            Code::ResourceExhausted => self.retry_after.is_some(),
            _ => false,
        }
    }
}

impl From<Status> for RpcError {
    fn from(status: Status) -> Self {
        let source = std::error::Error::source(&status);
        let broken = source.is_some_and(|source| source.is::<tonic::transport::Error>());
        // A connection that breaks under a call is the same to callers as one that cannot be made.
        let code = if broken && status.code() == Code::Unknown {
            Code::Unavailable
        } else {
            status.code()
        };
        let message = match source {
            Some(source) if broken => innermost(source),
            _ => status.message().to_owned(),
        };
        Self::new(code, message, &status.get_error_details())
    }
}

impl From<pb::Status> for RpcError {
    fn from(status: pb::Status) -> Self {
        let details = status.get_error_details();
        Self::new(Code::from_i32(status.code), status.message, &details)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Error::Rpc(Box::new(status.into()))
    }
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Self {
        Error::Rpc(Box::new(error))
    }
}

impl Error {
    pub(crate) fn request(path: impl Into<String>, description: impl Into<String>) -> Self {
        Error::Request(Violation {
            path: path.into(),
            description: description.into(),
        })
    }

    pub(crate) fn connect(url: &str, error: &tonic::transport::Error) -> Self {
        Error::Connect {
            url: url.to_owned(),
            reason: innermost(error),
        }
    }

    /// What the server said, if it said something.
    pub fn rpc(&self) -> Option<&RpcError> {
        match self {
            Error::Rpc(error) => Some(error),
            _ => None,
        }
    }

    /// What is wrong with the request, field by field; found by the server or before it was sent.
    pub fn violations(&self) -> &[Violation] {
        match self {
            Error::Request(violation) => std::slice::from_ref(violation),
            Error::Rpc(error) => &error.violations,
            _ => &[],
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", code_name(self.code), self.message)?;
        // The message mostly is the first violation already.
        for violation in self
            .violations
            .iter()
            .filter(|violation| !self.message.contains(&violation.description))
        {
            write!(f, "; {violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RpcError {}

/// The code as the contract writes it: `INVALID_ARGUMENT`.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The cause that says most: a transport error displays as "transport error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
