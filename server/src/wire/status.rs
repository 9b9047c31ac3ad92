//! Errors as gRPC statuses with `google.rpc` details: the table "Errors" of the contract, once.

use crate::error::{Error, Violation, clip};
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// Domain of every `ErrorInfo`.
const DOMAIN: &str = "gradient.v1";
/// Statuses travel in HTTP headers, and clients refuse large ones (8 KiB is usual).
const MESSAGE_BYTES: usize = 768;
const DETAIL_BYTES: usize = 384;
const VIOLATIONS: usize = 4;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Error::Transport(status) = error {
            return of_transport(status);
        }
        let details = details(&error);
        Status::with_error_details(code(&error), message(&error), details)
    }
}

/// The code of an error.
pub fn code(error: &Error) -> Code {
    match error {
        Error::Invalid(_) => Code::InvalidArgument,
        Error::Unimplemented(_) => Code::Unimplemented,
        Error::GraphNotRegistered { .. } | Error::TensorNotPut { .. } => Code::NotFound,
        Error::Limit { .. } | Error::Busy { .. } => Code::ResourceExhausted,
        Error::Refused { .. } => Code::FailedPrecondition,
        Error::DeadlineExceeded => Code::DeadlineExceeded,
        Error::Cancelled => Code::Cancelled,
        Error::Draining => Code::Unavailable,
        Error::Transport(status) => status.code(),
        Error::Defect(_) => Code::Internal,
    }
}

/// What the client reads.
pub fn message(error: &Error) -> String {
    let text = clip(&error.to_string(), MESSAGE_BYTES);
    match error {
        Error::Invalid(violations) if violations.len() > 1 => {
            format!("{text} (and {} more)", violations.len() - 1)
        }
        _ => text,
    }
}

/// The details of an error. Every error of ours has some: a status without details was made by the library.
pub fn details(error: &Error) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    match error {
        Error::Invalid(violations) => {
            let shown = violations.iter().take(VIOLATIONS).map(field);
            details.set_bad_request(shown.collect::<Vec<_>>());
        }
        Error::Unimplemented(violation) => {
            details.set_bad_request(vec![field(violation)]);
            info(
                &mut details,
                "NOT_IMPLEMENTED",
                [("field", violation.path.clone())],
            );
        }
        Error::GraphNotRegistered { id } => {
            info(
                &mut details,
                "GRAPH_NOT_REGISTERED",
                [("graph_id", id.clone())],
            );
        }
        Error::TensorNotPut { path, id } => {
            let metadata = [("tensor_id", id.clone()), ("field", path.clone())];
            info(&mut details, "TENSOR_NOT_PUT", metadata);
        }
        Error::Limit {
            name,
            value,
            asked,
            path,
            ..
        } => {
            let mut metadata = limit(name, *value);
            metadata.push(("asked", asked.to_string()));
            if !path.is_empty() {
                metadata.push(("field", path.clone()));
            }
            details.add_quota_failure_violation(*name, clip(&error.to_string(), DETAIL_BYTES));
            info(&mut details, "LIMIT_EXCEEDED", metadata);
        }
        Error::Busy {
            name,
            value,
            retry_after,
        } => {
            details.add_quota_failure_violation(*name, error.to_string());
            details.set_retry_info(Some(*retry_after));
            info(&mut details, "BUSY", limit(name, *value));
        }
        Error::Refused {
            reason, metadata, ..
        } => {
            info(&mut details, reason, metadata.iter().cloned());
        }
        Error::DeadlineExceeded => info(&mut details, "DEADLINE_EXCEEDED", []),
        Error::Cancelled => info(&mut details, "CANCELLED", []),
        Error::Draining => {
            details.set_retry_info(Some(Duration::from_millis(100)));
            info(&mut details, "SHUTTING_DOWN", []);
        }
        Error::Transport(_) => {}
        Error::Defect(_) => info(&mut details, "DEFECT", []),
    }
    details
}

fn limit(name: &'static str, value: u64) -> Vec<(&'static str, String)> {
    vec![("limit", name.to_owned()), ("value", value.to_string())]
}

fn field(violation: &Violation) -> FieldViolation {
    let path = clip(&violation.path, DETAIL_BYTES);
    FieldViolation::new(path, clip(&violation.message, DETAIL_BYTES))
}

fn info(
    details: &mut ErrorDetails,
    reason: &str,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) {
    let metadata: HashMap<_, _> = metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), clip(&value, DETAIL_BYTES)))
        .collect();
    details.set_error_info(reason, DOMAIN, metadata);
}

/// Rewrites a status that the gRPC library made while it read a request, where its code differs from the
/// contract: what the client sent is never INTERNAL or UNKNOWN, and a large message is not OUT_OF_RANGE.
pub fn of_transport(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let message = status.message();
    match status.code() {
        Code::OutOfRange => Error::Limit {
            name: "max_message_bytes",
            value: number_after(message, "limit is: "),
            asked: number_after(message, "found "),
            path: String::new(),
            repair:
                "send less in one message (a smaller batch, fewer directions, tensors put before), \
                     or raise the limit of the server"
                    .to_owned(),
        }
        .into(),
        Code::Internal | Code::Unknown => {
            let message = format!(
                "the message could not be read: {}",
                clip(message, MESSAGE_BYTES)
            );
            Error::invalid("", message).into()
        }
        _ => status,
    }
}

/// The number that follows a marker; 0 if there is none.
fn number_after(text: &str, marker: &str) -> u64 {
    let rest = text.split(marker).nth(1).unwrap_or_default();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|d| d.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_the_library_get_the_codes_of_the_contract() {
        let large = Status::out_of_range(
            "Error, decoded message length too large: found 70 bytes, the limit is: 64 bytes",
        );
        let status = of_transport(large);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let info = status.get_details_error_info().expect("info");
        assert_eq!(info.metadata["limit"], "max_message_bytes");
        assert_eq!(info.metadata["value"], "64");
        assert_eq!(info.metadata["asked"], "70");

        let garbage = of_transport(Status::internal("failed to decode Protobuf message: x"));
        assert_eq!(garbage.code(), Code::InvalidArgument);
        let ours = Status::from(Error::Defect("panicked".into()));
        assert_eq!(of_transport(ours).code(), Code::Internal);
    }

    #[test]
    fn statuses_fit_into_headers() {
        let long = "é".repeat(10_000);
        let many = (0..100).map(|_| Violation::new(long.clone(), long.clone()));
        let status = Status::from(Error::Invalid(many.collect()));
        assert!(status.details().len() < 5000, "{}", status.details().len());
        assert!(status.message().len() < 2000);
        let status = Status::from(Error::GraphNotRegistered { id: long });
        assert!(status.details().len() < 5000);
    }
}
