//! A layer around every call: enforces its deadline, words the library's statuses as the contract does, turns a
//! panic into a status, and counts the calls that a drain must wait for.

use crate::{error::Error, executor::panic_text, wire::status::of_transport};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

/// When the client stops waiting; among the extensions of a request that has a `grpc-timeout`.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Puts a [`Guard`] around a service.
#[derive(Clone)]
pub struct GuardLayer {
    /// Calls of these paths are waited for.
    pub path: &'static str,
    /// Where they are counted.
    pub calls: TaskTracker,
}

/// See the module.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        let layer = self.clone();
        Guard { inner, layer }
    }
}

/// An answer on its way.
pub type Answering<B> =
    Pin<Box<dyn Future<Output = Result<Response<Counted<B>>, Infallible>> + Send>>;

impl<S, B> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Default + Send + 'static,
{
    type Response = Response<Counted<B>>;
    type Error = Infallible;
    type Future = Answering<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answering<B> {
        let watch = self.layer.watch(&mut request);
        let answering = watch.over(self.inner.call(request));
        Box::pin(async move { Ok(answering.await) })
    }
}

/// Someone who watches over one call.
pub struct Watch {
    /// An error where the client's is none.
    deadline: Result<Option<Instant>, Error>,
    token: Option<TaskTrackerToken>,
}

impl GuardLayer {
    /// Watches over a call that has just come.
    pub fn watch(&self, request: &mut Request<Body>) -> Watch {
        let arrived = Instant::now();
        let counted = request.uri().path().starts_with(self.path);
        let token = counted.then(|| self.calls.token());
        let deadline = timeout(request.headers()).map(|timeout| {
            // Beyond the clock's range is no deadline.
            timeout.and_then(|t| arrived.checked_add(t.saturating_sub(margin(t))))
        });
        if let Ok(Some(deadline)) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        Watch { deadline, token }
    }
}

impl Watch {
    /// The answer to the call, or what is said in its place.
    pub async fn over<B: Default>(
        self,
        answer: impl Future<Output = Result<Response<B>, Infallible>>,
    ) -> Response<Counted<B>> {
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let answer = match self.deadline {
            Ok(None) => answer.await,
            Ok(Some(deadline)) => match tokio::time::timeout_at(deadline.into(), answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Ok(Status::from(Error::DeadlineExceeded).into_http())),
            },
            Err(error) => Ok(Ok(Status::from(error).into_http())),
        };
        let response = match answer {
            Ok(Ok(response)) => reword(response),
            Ok(Err(infallible)) => match infallible {},
            Err(panic) => {
                tracing::error!(panic = panic_text(&*panic), "a handler panicked");
                let message = "a defect in the server stopped this call; others go on";
                Status::from(Error::Defect(message.to_owned())).into_http()
            }
        };
        response.map(|body| Counted {
            body,
            _token: self.token,
        })
    }
}

/// How much earlier than at the deadline the server answers. The library's own timer answers CANCELLED, and so
/// does that of its client: ours must be first, by the way back to the client.
fn margin(timeout: Duration) -> Duration {
    (timeout / 20).min(Duration::from_millis(20))
}

/// A response without messages has its status in the headers; that is where the library puts what went wrong
/// while it read the request.
fn reword<B: Default>(response: Response<B>) -> Response<B> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok => of_transport(status).into_http(),
        _ => response,
    }
}

/// The header `grpc-timeout`: at most eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(|text| {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        Some(match unit {
            "H" => Duration::from_secs(number * 3600),
            "M" => Duration::from_secs(number * 60),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        })
    });
    let refuse = || {
        Error::invalid(
            "grpc-timeout",
            "write up to eight digits and H, M, S, m, u or n",
        )
    };
    parsed.map(Some).ok_or_else(refuse)
}

/// A body whose call counts as running until it is sent or given up.
pub struct Counted<B> {
    body: B,
    _token: Option<TaskTrackerToken>,
}

impl<B> From<B> for Counted<B> {
    /// Of a call that is not counted.
    fn from(body: B) -> Self {
        Self { body, _token: None }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            timeout(&headers).ok().flatten()
        };
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("1S"), Some(Duration::from_secs(1)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        assert!(read("99999999H").is_some());
        for text in [
            "",
            "m",
            "1",
            "1x",
            "-1S",
            "+1S",
            "123456789S",
            "1 S",
            "1.5S",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()).unwrap(), None);
    }
}
