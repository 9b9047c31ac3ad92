//! Round trips: a server of the service, a bare echo of tonic, and a client that loads any of them in a closed loop.

use super::{Failure, Loaded, bytes};
use bytes::Bytes;
use gradient_proto::v1 as pb;
use gradient_server::Config;
use gradient_tests::lean::{Caller, framed};
use gradient_tests::server::{AsTheyAre, TestServer};
use prost::Message;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::{Endpoint, server::TcpIncoming};

/// Of the echo, and of other peers that take and give bytes.
const RAW: &str = "/gradient.peers.Raw/Call";
const EVALUATE: &str = "/gradient.v1.GradientService/Evaluate";

/// Starts a server of the service, which ends with the process.
pub async fn serve() -> Result<Value, Failure> {
    let server = TestServer::start(Config::default()).await;
    let address = server.address.to_string();
    std::mem::forget(server);
    Ok(json!({"address": address}))
}

/// Starts an echo that answers so many bytes to everything.
pub async fn echo(bytes: usize) -> Result<Value, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let echo = Echo(vec![1; bytes].into());
    // The server's own setting is for listeners of its own; without it an answer waits for 40 ms.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder().add_service(echo);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(json!({"address": address}))
}

/// Answers the same to everything.
#[derive(Clone)]
struct Echo(Bytes);

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "gradient.peers.Raw";
}

impl tonic::server::UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(self.0.clone())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            Ok(tonic::server::Grpc::new(AsTheyAre)
                .unary(echo, request)
                .await)
        })
    }
}

/// Calls in a closed loop: `{"address", "connections", "callers", "seconds"}`. On each connection so many callers have
/// one call under way at a time. The gradient of `work`; or `numbers` or `request_bytes` bytes to [`RAW`]. Answers `{"p50_ns", "per_second", "request_bytes",
/// "reply_bytes", "numbers"}`, of which the last are in the reply.
pub async fn calls(line: &Value, work: Option<&Loaded>) -> Result<Value, Failure> {
    let address = line["address"].as_str().ok_or("no address")?;
    let connections = line["connections"].as_u64().unwrap_or(1);
    let callers = line["callers"].as_u64().unwrap_or(1);
    let seconds = Duration::from_secs_f64(line["seconds"].as_f64().unwrap_or(1.0));
    let (path, message) = match work {
        Some(work) => (EVALUATE, request(address, work).await?),
        None => (RAW, raw(line)),
    };
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(Caller::connect(address, path).await?);
    }
    let frame = framed(&message);
    let first = all.first_mut().ok_or("no connections")?;
    let reply = first.call(frame.clone()).await?;
    let begin = Instant::now();
    let loops: Vec<_> = (all.iter())
        .flat_map(|caller| (0..callers).map(|_| caller.clone()))
        .map(|caller| tokio::spawn(until(begin + seconds, caller, frame.clone())))
        .collect();
    let mut times = Vec::new();
    for each in loops {
        times.extend(each.await??);
    }
    let per_second = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(json!({
        "p50_ns": times[times.len() / 2],
        "per_second": per_second,
        "request_bytes": message.len(),
        "reply_bytes": reply.len(),
        "numbers": numbers(path, reply)?,
    }))
}

/// Nanoseconds of each call on a connection; at least one.
async fn until(end: Instant, mut caller: Caller, frame: Bytes) -> Result<Vec<u64>, Failure> {
    let mut times = Vec::new();
    loop {
        let begin = Instant::now();
        caller.call(frame.clone()).await?;
        let now = Instant::now();
        times.push((now - begin).as_nanos() as u64);
        if now >= end {
            return Ok(times);
        }
    }
}

/// What servers that take bytes are sent.
fn raw(line: &Value) -> Bytes {
    match line["numbers"].as_array() {
        Some(numbers) => {
            let numbers: Vec<f64> = numbers.iter().filter_map(Value::as_f64).collect();
            bytes(&numbers).into()
        }
        None => vec![1; line["request_bytes"].as_u64().unwrap_or(0) as usize].into(),
    }
}

/// The numbers of a reply, one after the other.
fn numbers(path: &str, reply: Bytes) -> Result<Vec<f64>, Failure> {
    let floats = |raw: &[u8]| -> Vec<f64> {
        let numbers = raw.as_chunks().0.iter();
        numbers.map(|&b| f64::from_le_bytes(b)).collect()
    };
    if path == RAW {
        return Ok(floats(&reply));
    }
    let answer = pb::EvaluateResponse::decode(reply)?;
    let mut numbers = Vec::new();
    for block in answer.results.into_iter().flat_map(|result| result.blocks) {
        match block.data {
            Some(pb::block::Data::Tensor(pb::Tensor {
                data: Some(pb::tensor::Data::Raw(raw)),
                ..
            })) => numbers.extend(floats(&raw)),
            _ => return Err("a block that is no dense tensor of raw numbers".into()),
        }
    }
    Ok(numbers)
}

/// An Evaluate request for the gradient of a loaded work, whose graph the server then has.
async fn request(address: &str, work: &Loaded) -> Result<Bytes, Failure> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let graph = pb::Graph::decode(&work.message[..])?;
    let names: Vec<String> = graph.inputs.iter().map(|i| i.name.clone()).collect();
    let registered = pb::gradient_service_client::GradientServiceClient::new(channel)
        .register_graph(pb::RegisterGraphRequest { graph: Some(graph) })
        .await?;
    let tensor = |x: &gradient_engine::Tensor| pb::Tensor {
        dtype: pb::Dtype::F64.into(),
        shape: x.ty().shape.iter().copied().collect(),
        data: Some(pb::tensor::Data::Raw(x.raw().to_vec().into())),
    };
    let graph_id = registered.into_inner().graph_id;
    let request = pb::EvaluateRequest {
        graph: Some(pb::evaluate_request::Graph::GraphId(graph_id)),
        inputs: names
            .into_iter()
            .zip(work.inputs.iter().map(tensor))
            .collect(),
        products: vec![pb::Product {
            product: Some(pb::product::Product::Gradient(pb::Gradient::default())),
        }],
        ..Default::default()
    };
    Ok(request.encode_to_vec().into())
}
