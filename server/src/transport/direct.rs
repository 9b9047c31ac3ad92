//! Evaluate calls whose message has come whole, answered without the library's machinery for streams of messages, which
//! takes as long as a small evaluation does. Every other call, and whatever is unusual about one of these, goes to the
//! library as it came, so what it refuses is refused in its words.

use crate::{
    service::{Call, Gradient},
    transport::guard::{Answering, Counted, Deadline, GuardLayer},
    wire::answer::Answer as Evaluated,
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Version,
    header::{CONTENT_TYPE, HeaderName},
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::{
    convert::Infallible,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll},
};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

const EVALUATE: &str = "/gradient.v1.GradientService/Evaluate";

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// In front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Puts a [`Direct`] in front of a service.
#[derive(Clone)]
pub struct DirectLayer {
    /// Watches over what is answered here.
    pub guard: GuardLayer,
    /// Who answers.
    pub gradient: Gradient,
    /// The longest message, in bytes.
    pub limit: usize,
}

/// See the module.
#[derive(Clone)]
pub struct Direct<S> {
    inner: S,
    layer: DirectLayer,
}

impl<S> Layer<S> for DirectLayer {
    type Service = Direct<S>;

    fn layer(&self, inner: S) -> Direct<S> {
        let layer = self.clone();
        Direct { inner, layer }
    }
}

impl<S> Service<Request<Body>> for Direct<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Counted<Answer>>;
    type Error = Infallible;
    type Future = Answering<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answering<Answer> {
        if !is_plain(&request) {
            let answering = self.inner.call(request);
            return Box::pin(async move {
                let answer = answering.await?;
                Ok(answer.map(|body| Answer::Library(body).into()))
            });
        }
        // The one that is ready stays with the call.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let DirectLayer {
            gradient, limit, ..
        } = self.layer.clone();
        let watch = self.layer.guard.watch(&mut request);
        // Boxed, it is not moved each time that something is put around it.
        let answering = watch.over(Box::pin(answer(request, gradient, limit, inner)));
        Box::pin(async move { Ok(answering.await) })
    }
}

async fn answer<S>(
    request: Request<Body>,
    gradient: Gradient,
    limit: usize,
    mut inner: S,
) -> Result<Response<Answer>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let deadline = (request.extensions().get::<Deadline>()).map(|deadline| deadline.0);
    let (head, mut body) = request.into_parts();
    let call = match receive(&mut body, limit, &gradient).await {
        Ok(call) => call,
        Err(taken) => {
            let body = Body::new(Resumed { taken, rest: body });
            // What waits there is large, and few come here.
            let answering = Box::pin(inner.call(Request::from_parts(head, body)));
            return Ok(answering.await?.map(Answer::Library));
        }
    };
    Ok(match gradient.evaluate_until(call, deadline).await {
        Ok(answer) => respond(&answer),
        Err(error) => Status::from(error).into_http(),
    })
}

/// Whether a call is for Evaluate, in gRPC itself, and says nothing of compression.
fn is_plain(request: &Request<Body>) -> bool {
    let headers = request.headers();
    let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.uri().path() == EVALUATE
        && request.method() == Method::POST
        && request.version() == Version::HTTP_2
        && matches!(
            content,
            Some(b"application/grpc" | b"application/grpc+proto")
        )
        && !headers.contains_key("grpc-encoding")
}

/// The message, if it came in one piece that ends the call; otherwise what has been taken from the body.
async fn receive(body: &mut Body, limit: usize, gradient: &Gradient) -> Result<Call, Taken> {
    let (mut piece, mut message) = (None, None);
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
            Some(Ok(frame)) if piece.is_none() && frame.is_data() => {
                piece = frame.into_data().ok();
                message = piece.as_ref().and_then(|piece| whole(piece, limit));
                if message.is_none() {
                    return Err(Taken { piece, next: None });
                }
            }
            None => break,
            next => return Err(Taken { piece, next }),
        }
        if piece.is_some() && body.is_end_stream() {
            break;
        }
    }
    let call = message.and_then(|message| gradient.read(message));
    call.ok_or(Taken { piece, next: None })
}

/// The message of a piece that is exactly one, uncompressed and no longer than a message may be.
fn whole(piece: &Bytes, limit: usize) -> Option<Bytes> {
    let (&[0, a, b, c, d], message) = piece.split_first_chunk::<PREFIX>()? else {
        return None;
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    (length == message.len() && length <= limit).then(|| piece.slice(PREFIX..))
}

/// The response to a call that went well.
fn respond(answer: &Evaluated) -> Response<Answer> {
    let length = answer.encoded_len();
    let mut message = BytesMut::with_capacity(PREFIX + length);
    message.put_u8(0);
    // The limit of a message is below 4 GiB.
    message.put_u32(length as u32);
    answer.encode(&mut message);
    let mut response = Response::new(Answer::Whole(message.freeze()));
    let content = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

/// What was taken from a body before it was seen to be unusual.
struct Taken {
    piece: Option<Bytes>,
    next: Option<Result<Frame<Bytes>, Status>>,
}

/// A body from its beginning, though some of it was taken.
struct Resumed {
    taken: Taken,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let piece = self.taken.piece.take().map(|piece| Ok(Frame::data(piece)));
        match piece.or_else(|| self.taken.next.take()) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.piece.is_none() && self.taken.next.is_none() && self.rest.is_end_stream()
    }
}

/// The body of a response.
pub enum Answer {
    /// A message that is still to be sent, and then that all went well.
    Whole(Bytes),
    /// The message is sent.
    Sent,
    /// All of it is sent.
    Ended,
    /// As the library makes them.
    Library(Body),
}

impl Default for Answer {
    fn default() -> Self {
        Self::Library(Body::empty())
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match &mut *self {
            Self::Library(body) => return Pin::new(body).poll_frame(cx),
            Self::Whole(message) => {
                let message = mem::take(message);
                *self = Self::Sent;
                Some(Frame::data(message))
            }
            Self::Sent => {
                *self = Self::Ended;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
                Some(Frame::trailers(trailers))
            }
            Self::Ended => None,
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Library(body) => body.is_end_stream(),
            Self::Ended => true,
            Self::Whole(_) | Self::Sent => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Library(body) => body.size_hint(),
            Self::Whole(message) => SizeHint::with_exact(message.len() as u64),
            Self::Sent | Self::Ended => SizeHint::with_exact(0),
        }
    }
}
