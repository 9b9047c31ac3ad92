//! Errors, told so that a person can repair them and a program can tell them apart.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use gradient_client::{Error, error::code_name};
use serde_json::json;

use crate::output::{Output, color_on_stderr};

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// The command line itself is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Prints an error to standard error and gives the exit code that belongs to it.
///
/// For people `error: …`, then a line `  at PATH: …` for each field. With `--json` one line
/// `{"error": {"code", "reason", "message", "violations": [{"path", "description"}], "metadata"}}`, where what does
/// not apply is empty.
pub fn report(error: &anyhow::Error, output: &Output) -> ExitCode {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return ExitCode::SUCCESS;
    }
    let text = if output.is_json() {
        as_json(error)
    } else {
        as_text(error)
    };
    // Nowhere left to complain.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(if error.is::<Usage>() { USAGE } else { FAILED })
}

fn as_text(error: &anyhow::Error) -> String {
    let label = if color_on_stderr() {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    };
    let ours = error.downcast_ref::<Error>();
    let violations = ours.map(Error::violations).unwrap_or_default();
    let headline = match ours {
        // The first field's line says it all.
        Some(Error::Request(_)) => "the request does not fit the function".to_owned(),
        Some(Error::Rpc(error)) if !violations.is_empty() => {
            format!("the server refused the request ({})", code_name(error.code))
        }
        Some(Error::Rpc(error)) => format!("{} ({})", error.message, code_name(error.code)),
        _ => format!("{error:#}"),
    };
    let mut text = format!("{label} {headline}");
    for violation in violations {
        text += &match violation.path.as_str() {
            "" => format!("\n  {}", violation.description),
            path => format!(
                "\n  at {path}: {}",
                violation
                    .description
                    .strip_prefix(&format!("{path}: "))
                    .unwrap_or(&violation.description)
            ),
        };
    }
    text
}

fn as_json(error: &anyhow::Error) -> String {
    let ours = error.downcast_ref::<Error>();
    let rpc = ours.and_then(Error::rpc);
    let violations = ours.map(Error::violations).unwrap_or_default().iter();
    let violations: Vec<_> = violations
        .map(|v| json!({ "path": v.path, "description": v.description }))
        .collect();
    let code = match (rpc, error.is::<Usage>()) {
        (Some(rpc), _) => code_name(rpc.code),
        (None, true) => "USAGE",
        (None, false) if violations.is_empty() => "",
        (None, false) => "INVALID_ARGUMENT",
    };
    json!({ "error": {
        "code": code,
        "reason": rpc.map(|rpc| rpc.reason.as_str()).unwrap_or_default(),
        "message": rpc.map_or_else(|| format!("{error:#}"), |rpc| rpc.message.clone()),
        "violations": violations,
        "metadata": rpc.map(|rpc| &rpc.metadata),
    }})
    .to_string()
}
