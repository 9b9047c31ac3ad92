//! The connection: channel, deadlines, retries, and the calls that need no session.

use std::time::Duration;

use gradient_proto::v1::{self as proto, gradient_service_client::GradientServiceClient};
use tokio::time::Instant;
use tonic::{
    Code, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tower::{
    retry::backoff::{Backoff, ExponentialBackoffMaker, MakeBackoff},
    util::rng::HasherRng,
};

use crate::{
    error::{Error, RpcError},
    graph::Graph,
    session::Session,
};

/// The generated client, for calls this crate has no method for.
pub type Stub = GradientServiceClient<Channel>;

/// How to connect and how long to try.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The most time a connection may take to be made.
    pub connect_timeout: Duration,
    /// The most time one call may take, retries included; a request may state its own. `None`: as long as it takes.
    pub timeout: Option<Duration>,
    /// Largest message in either direction.
    pub max_message_bytes: usize,
    /// A connection is asked for a sign of life this often while calls are open…
    pub keepalive_interval: Duration,
    /// … and given up when none comes within this time.
    pub keepalive_timeout: Duration,
    /// How often a call is made at most, while the server is unavailable or asks to come back later.
    pub attempts: u32,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: None,
            max_message_bytes: 64 << 20,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            attempts: 4,
        }
    }
}

/// First and last wait between attempts; half as much again at random, so that clients do not come back together.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
const JITTER: f64 = 0.5;
/// A server that asks for more patience than this is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A connection to the service. Cloning it shares the connection.
///
/// Every call of the contract is idempotent, so a call is repeated, a few times and with growing pauses, while the
/// server is unavailable or overloaded.
#[derive(Clone, Debug)]
pub struct Client {
    stub: Stub,
    options: ConnectOptions,
}

/// A graph the server holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Lower-case hex of BLAKE3-256 over the normalised graph: the same for the same function, whoever built it.
    pub graph_id: String,
    /// False if this server held the graph before.
    pub created: bool,
    /// Counts of nodes, inputs, outputs and operations.
    pub statistics: proto::GraphStatistics,
}

/// What a call is about, beside its message.
#[derive(Clone, Copy, Default)]
pub(crate) struct Call<'a> {
    /// Sent as metadata `x-graph-id`, so that proxies can route by it.
    pub(crate) graph_id: Option<&'a str>,
    /// Instead of the connection's.
    pub(crate) timeout: Option<Duration>,
}

impl Client {
    /// Connects to `http://host:port`; without a scheme, `http://` is assumed.
    ///
    /// # Errors
    /// [`Error::Connect`] if the address is none, or nobody answers there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, ConnectOptions::default()).await
    }

    /// As [`Client::connect`], with options.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Self, Error> {
        let address = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let connect = async || {
            let endpoint = Endpoint::from_shared(address.clone())?
                .user_agent(concat!("gradient-client/", env!("CARGO_PKG_VERSION")))?
                .connect_timeout(options.connect_timeout)
                .http2_keep_alive_interval(options.keepalive_interval)
                .keep_alive_timeout(options.keepalive_timeout);
            endpoint.connect().await
        };
        let channel = connect()
            .await
            .map_err(|error| Error::connect(&address, &error))?;
        Ok(Self::over(channel, options))
    }

    /// Over a channel made elsewhere: with TLS, through a proxy, over a Unix socket.
    pub fn over(channel: Channel, options: ConnectOptions) -> Self {
        let stub = GradientServiceClient::new(channel)
            .max_decoding_message_size(options.max_message_bytes)
            .max_encoding_message_size(options.max_message_bytes);
        Self { stub, options }
    }

    /// The generated client, for calls this crate has no method for.
    pub fn stub(&self) -> Stub {
        self.stub.clone()
    }

    /// Requests to one graph. Sends nothing: the graph is registered with the first request, and again whenever the
    /// server has lost it.
    pub fn session(&self, graph: &Graph) -> Session {
        Session::of_graph(self.clone(), graph.clone())
    }

    /// Requests to a graph that was registered before, by whomever.
    ///
    /// # Errors
    /// [`Error::Rpc`] with NOT_FOUND if the server does not hold it.
    pub async fn open(&self, graph_id: &str) -> Result<Session, Error> {
        let found = self.get_graph(graph_id, false, false).await?;
        Ok(Session::of_id(self.clone(), found))
    }

    /// Uploads a graph once.
    ///
    /// # Errors
    /// [`Error::Rpc`], with the place and the repair if the graph is malformed.
    pub async fn register(&self, graph: &Graph) -> Result<Registered, Error> {
        self.register_within(graph, None).await
    }

    pub(crate) async fn register_within(
        &self,
        graph: &Graph,
        timeout: Option<Duration>,
    ) -> Result<Registered, Error> {
        let message = || proto::RegisterGraphRequest {
            graph: Some(graph.proto().clone()),
        };
        let call = Call {
            timeout,
            ..Call::default()
        };
        let reply = self
            .call(call, message, |mut stub, request| async move {
                stub.register_graph(request).await
            })
            .await?;
        tracing::debug!(
            graph_id = reply.graph_id,
            created = reply.created,
            "registered"
        );
        Ok(Registered {
            graph_id: reply.graph_id,
            created: reply.created,
            statistics: reply.statistics.unwrap_or_default(),
        })
    }

    /// Signature and statistics of a registered graph, with the graph as it was registered first and with its tape
    /// as text if asked for.
    ///
    /// # Errors
    /// [`Error::Rpc`] with NOT_FOUND if the server does not hold it.
    pub async fn get_graph(
        &self,
        graph_id: &str,
        include_graph: bool,
        include_listing: bool,
    ) -> Result<proto::GetGraphResponse, Error> {
        let message = || proto::GetGraphRequest {
            graph_id: graph_id.to_owned(),
            include_graph,
            include_listing,
        };
        let call = Call {
            graph_id: Some(graph_id),
            ..Call::default()
        };
        self.call(call, message, |mut stub, request| async move {
            stub.get_graph(request).await
        })
        .await
    }

    /// Sends a message as it is: [`Request::message`](crate::Request::message) makes one, which may be sent again and
    /// again.
    ///
    /// # Errors
    /// [`Error::Rpc`], in the words of the server. A graph that the server has lost is not registered again.
    pub async fn evaluate(
        &self,
        message: &proto::EvaluateRequest,
    ) -> Result<proto::EvaluateResponse, Error> {
        let graph_id = match &message.graph {
            Some(proto::evaluate_request::Graph::GraphId(id)) => Some(id.as_str()),
            _ => None,
        };
        let call = Call {
            graph_id,
            ..Call::default()
        };
        let message = || message.clone();
        self.call(call, message, |mut stub, request| async move {
            stub.evaluate(request).await
        })
        .await
    }

    /// The operations the server knows, by number.
    ///
    /// # Errors
    /// [`Error::Rpc`].
    pub async fn list_ops(&self) -> Result<Vec<proto::OpInfo>, Error> {
        let message = || proto::ListOpsRequest {};
        let reply = self
            .call(Call::default(), message, |mut stub, request| async move {
                stub.list_ops(request).await
            })
            .await?;
        Ok(reply.ops)
    }

    /// Makes a call until it is answered, refused for good, or out of attempts or time.
    pub(crate) async fn call<Q, R, F>(
        &self,
        call: Call<'_>,
        message: impl Fn() -> Q,
        rpc: impl Fn(Stub, tonic::Request<Q>) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let timeout = call.timeout.or(self.options.timeout);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut backoff = backoff();
        for attempt in 1.. {
            let mut request = tonic::Request::new(message());
            if let Some(deadline) = deadline {
                request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            name_graph(&mut request, call.graph_id);
            let error = match rpc(self.stub.clone(), request).await {
                Ok(reply) => return Ok(reply.into_inner()),
                Err(status) => RpcError::from(status),
            };
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if late && matches!(error.code, Code::Cancelled | Code::DeadlineExceeded) {
                // The library calls its own timer's end CANCELLED.
                return Err(RpcError::deadline_exceeded(timeout.unwrap_or_default()).into());
            }
            let patience = error.retry_after.is_none_or(|wait| wait <= LONGEST_WAIT);
            if late || !patience || attempt >= self.options.attempts || !error.is_transient() {
                return Err(error.into());
            }
            tracing::debug!(attempt, %error, "trying again");
            let pause = backoff.next_backoff();
            match error.retry_after {
                Some(wait) => tokio::time::sleep(wait).await,
                None => pause.await,
            }
        }
        unreachable!("attempts are counted without end")
    }
}

/// Names the graph a call is about in its metadata. A name that is no text for a header names no graph either; the
/// server says so.
pub(crate) fn name_graph<Q>(request: &mut tonic::Request<Q>, graph_id: Option<&str>) {
    if let Some(id) = graph_id.and_then(|id| MetadataValue::try_from(id).ok()) {
        request.metadata_mut().insert("x-graph-id", id);
    }
}

fn backoff() -> impl Backoff<Future = tokio::time::Sleep> {
    ExponentialBackoffMaker::new(BACKOFF.0, BACKOFF.1, JITTER, HasherRng::new())
        .expect("the first wait is the shorter one, and the jitter a fraction")
        .make_backoff()
}
