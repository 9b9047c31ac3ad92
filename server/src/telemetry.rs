//! What the server says about itself: one span and one line a call.

use crate::error::{Error, Result};
use crate::wire::status;
use std::{future::Future, io::IsTerminal, time::Instant};
use tracing::{Instrument, Span, field::Empty};
use tracing_subscriber::{EnvFilter, fmt};

/// Writes log lines to stderr. `filter` is a level (`info`) or directives (`gradient_server=debug,h2=warn`).
///
/// # Errors
/// Filters that make no sense.
pub fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // They would go to stderr, by a macro that panics where nobody reads stderr any more.
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// Runs a call inside its span. Handlers fill in the fields with [`note`].
pub async fn observe<T>(rpc: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    let span = tracing::info_span!(
        "call",
        rpc,
        graph_id = Empty,
        products = Empty,
        n = Empty,
        m = Empty,
        mode = Empty,
        cache = Empty,
        microseconds = Empty,
    );
    let start = Instant::now();
    let answer = call.instrument(span.clone()).await;
    span.record("microseconds", start.elapsed().as_micros() as u64);
    span.in_scope(|| match &answer {
        Ok(_) => tracing::debug!("answered"),
        Err(error @ Error::Defect(_)) => tracing::error!(%error, "failed"),
        Err(error) => {
            let code = status::code(error);
            tracing::debug!(?code, error = status::message(error), "refused");
        }
    });
    answer
}

/// Fills in a field of the call's span.
pub fn note(field: &'static str, value: impl tracing::Value) {
    Span::current().record(field, value);
}
