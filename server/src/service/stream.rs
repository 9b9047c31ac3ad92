//! EvaluateStream: several requests in flight, answers in the order of the requests.

use super::{Core, StopOnDrop};
use crate::{
    error::{Error, Result},
    executor::panic_text,
    telemetry::observe,
    wire::status,
};
use futures::{
    FutureExt, Stream, StreamExt,
    future::{pending, ready},
    stream::{BoxStream, once, select},
};
use gradient_proto::v1::{self as pb, evaluate_stream_response::Result as Answer};
use prost::Message;
use std::{future::Future, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Instant};
use tonic::Status;
use tonic_types::{StatusExt, pb::Status as WireStatus};

/// The answers to a stream of requests.
pub fn answers(
    core: Arc<Core>,
    requests: impl Stream<Item = Result<pb::EvaluateStreamRequest, Status>> + Send + 'static,
    deadline: Option<Instant>,
) -> BoxStream<'static, Result<pb::EvaluateStreamResponse, Status>> {
    // Enough to keep the threads busy while answers are being sent.
    let in_flight = 2 * core.config.compute_threads();
    let draining = core.draining.clone().cancelled_owned();
    let overdue = async move {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => pending().await,
        }
    };
    let requests = until(draining, Error::Draining, requests);
    let answers = requests.map(move |request| {
        let core = core.clone();
        async move {
            let request = request.map_err(Error::Transport)?;
            Ok(answer(&core, request, deadline).await)
        }
    });
    until(
        overdue,
        Error::DeadlineExceeded,
        answers.buffered(in_flight),
    )
    .boxed()
}

async fn answer(
    core: &Core,
    request: pb::EvaluateStreamRequest,
    deadline: Option<Instant>,
) -> pb::EvaluateStreamResponse {
    let request_id = request.request.as_ref().map(|r| r.request_id.clone());
    let evaluated = pin!(async {
        let missing = || Error::invalid("request", "no request: set request");
        let request = request.request.ok_or_else(missing)?;
        let answer = core.evaluate(request, StopOnDrop::until(deadline)).await?;
        Ok(answer.into_message())
    });
    let observed = AssertUnwindSafe(observe("EvaluateStream", evaluated));
    let result = observed.catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(panic = panic_text(&*panic), "a handler panicked");
        Err(Error::Defect(
            "a defect in the server stopped this request; others go on".to_owned(),
        ))
    });
    let result = match result {
        Ok(response) => Answer::Response(response),
        Err(error) => Answer::Error(wire_status(&error, request_id.unwrap_or_default())),
    };
    pb::EvaluateStreamResponse {
        result: Some(result),
    }
}

/// What Evaluate would have failed with, and which request it was.
fn wire_status(error: &Error, request_id: String) -> WireStatus {
    let mut details = status::details(error);
    details.set_request_info(request_id, "");
    let status = Status::with_error_details(status::code(error), status::message(error), details);
    WireStatus::decode(status.details()).unwrap_or(WireStatus {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: vec![],
    })
}

/// A stream that fails with `error` when `end` comes first.
fn until<T: Send + 'static>(
    end: impl Future<Output = ()> + Send + 'static,
    error: Error,
    items: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
    let items = items.map(Some).chain(once(ready(None)));
    let end = once(end).map(move |()| Some(Err(Status::from(error.clone()))));
    select(items, end)
        .take_while(|item| ready(item.is_some()))
        .filter_map(ready)
}
