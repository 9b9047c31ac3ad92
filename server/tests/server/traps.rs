//! Where the libraries' own behaviour differs from the contract.

use crate::harness::*;
use bytes::{Buf, BufMut, Bytes};
use gradient_proto::v1 as pb;
use gradient_server::Config;
use prost::Message;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tonic_types::StatusExt;

/// Sends and receives bytes as they are.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

async fn raw_call(server: &Server, method: &'static str, message: Vec<u8>) -> Status {
    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let request = Request::new(Bytes::from(message));
    let path = http::uri::PathAndQuery::from_static(method);
    grpc.unary(request, path, Raw).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_deadline_is_deadline_exceeded_and_stops_the_work() {
    let server = Server::start(Config {
        threads: 1,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(1000)).await;
    let quick = register(&mut client, slow_graph(2)).await;
    let message = slow_request(&id).encode_to_vec();
    for milliseconds in [20, 200] {
        // The timer of a client in this process could be first; here there is none.
        let header = format!("grpc-timeout: {milliseconds}m\r\n");
        let start = Instant::now();
        let answer = server.web_call("Evaluate", &header, &message).await;
        assert!(answer.contains("grpc-status: 4"), "{answer}");
        assert!(start.elapsed() < Duration::from_millis(milliseconds + 500));
        // Nothing of it keeps the thread.
        let timing = client
            .evaluate(slow_request(&quick))
            .await
            .unwrap()
            .into_inner()
            .timing;
        let queued = timing.unwrap().queue.unwrap();
        assert!(
            queued.seconds == 0 && queued.nanos < 100_000_000,
            "{queued:?}"
        );
    }
    let mut malformed = Request::new(slow_request(&quick));
    malformed
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    let status = client.evaluate(malformed).await.unwrap_err();
    assert_status(&status, Code::InvalidArgument, "grpc-timeout", "digits");
}

/// Compiles the value of a graph, so that an evaluation does nothing but compute.
async fn compile(client: &mut Client, id: &str) {
    let plan = pb::PlanEvaluationRequest {
        graph: Some(pb::plan_evaluation_request::Graph::GraphId(id.into())),
        products: vec![value()],
        ..Default::default()
    };
    client.plan_evaluation(plan).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_stops_when_its_client_goes() {
    let server = Server::start(Config {
        threads: 1,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(1000)).await;
    let quick = register(&mut client, slow_graph(2)).await;
    compile(&mut client, &id).await;
    let mut other = client.clone();
    let call = tokio::spawn(async move { other.evaluate(slow_request(&id)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    call.abort();
    let _ = call.await;
    let start = Instant::now();
    client.evaluate(slow_request(&quick)).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn small_work_passes_large_work_and_a_full_queue_says_when_to_retry() {
    let server = Server::start(Config {
        threads: 1,
        queue: 1,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let slow = register(&mut client, slow_graph(1000)).await;
    let small = register(&mut client, scalar_graph("x", "y", "f")).await;
    compile(&mut client, &slow).await;
    let mut calls = vec![];
    for _ in 0..2 {
        let (mut client, id) = (client.clone(), slow.clone());
        calls.push(tokio::spawn(async move {
            client.evaluate(slow_request(&id)).await
        }));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let request = pb::EvaluateRequest {
        graph: by_id(&small),
        inputs: inputs(&[("x", scalar(1.0)), ("y", scalar(2.0))]),
        products: vec![value()],
        ..Default::default()
    };
    let start = Instant::now();
    client.evaluate(request).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );

    let status = client.evaluate(slow_request(&slow)).await.unwrap_err();
    assert_status(&status, Code::ResourceExhausted, "", "busy");
    assert!(
        status
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["limit"],
        "queue"
    );
    calls.iter().for_each(|call| call.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_resource_exhausted() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let large = pb::EvaluateRequest {
        request_id: "x".repeat(3 << 20),
        ..Default::default()
    };
    for _ in 0..3 {
        let status = client.evaluate(large.clone()).await.unwrap_err();
        assert_status(&status, Code::ResourceExhausted, "", "max_message_bytes");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["value"], (1 << 20).to_string());
        assert!(info.metadata["asked"].parse::<u64>().unwrap() > 3 << 20);
    }

    // An answer that would be too large is refused before it is computed.
    let n = 400;
    let request = pb::EvaluateRequest {
        graph: inline(vector_graph(n)),
        inputs: inputs(&[("w", tensor(&[n], &vec![1.0; n as usize]))]),
        products: vec![jacobian(&["v"], &[])],
        ..Default::default()
    };
    let status = client.evaluate(request).await.unwrap_err();
    assert_status(&status, Code::ResourceExhausted, "", "max_message_bytes");
    assert_eq!(
        status.get_details_error_info().unwrap().metadata["asked"],
        (n * n * 8).to_string()
    );

    // So is one that is large for other reasons.
    let mut g = Builder::new();
    let x = g.input("x", &[]);
    let mut v = x;
    // In no order, or it would be rolled into a loop of one line.
    let mut random = 1u64;
    for _ in 0..40_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let op = [pb::Op::Sin, pb::Op::Cos, pb::Op::Tanh, pb::Op::Erf][(random >> 62) as usize];
        v = g.node(op, &[v]);
    }
    let id = register(&mut client, g.output("f", v).done()).await;
    let request = pb::GetGraphRequest {
        graph_id: id,
        include_graph: true,
        include_listing: true,
    };
    let status = client.get_graph(request).await.unwrap_err();
    assert_status(&status, Code::ResourceExhausted, "", "include_listing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_invalid() {
    let server = Server::small().await;
    // 200 groups, one inside the other; truncated fields; text that is not UTF-8.
    let garbage = [
        vec![0x0b; 200],
        vec![0x0a, 0xff],
        vec![0xff; 64],
        vec![0x0a, 2, 0xc3, 0x28],
    ];
    for message in garbage {
        let status = raw_call(&server, "/gradient.v1.GradientService/Evaluate", message).await;
        assert_status(&status, Code::InvalidArgument, "", "could not be read");
        assert!(status.get_details_bad_request().is_some());
    }
    let status = raw_call(&server, "/gradient.v1.GradientService/Nope", vec![]).await;
    assert_eq!(status.code(), Code::Unimplemented);
    let status = raw_call(&server, "/no.such.Service/Nope", vec![]).await;
    assert_eq!(status.code(), Code::Unimplemented);
    // A call without a message, and a stream of garbage.
    let status = raw_call(
        &server,
        "/gradient.v1.GradientService/PutTensor",
        vec![0xff; 9],
    )
    .await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = raw_call(
        &server,
        "/gradient.v1.GradientService/EvaluateStream",
        vec![0xff; 9],
    )
    .await;
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_names_do_not_break_the_status() {
    let server = Server::start(Config {
        max_message_bytes: 8 << 20,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let long = "\u{1F600}\n".repeat(200_000);
    let mut request = pb::EvaluateRequest {
        graph: inline(scalar_graph("x", &long, "f")),
        inputs: inputs(&[("x", scalar(1.0)), (&format!("{long}!"), scalar(1.0))]),
        products: vec![value()],
        ..Default::default()
    };
    let status = client.evaluate(request.clone()).await.unwrap_err();
    assert_status(&status, Code::InvalidArgument, "", "missing");
    request.graph = by_id(&long);
    let status = client.evaluate(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let mut graph = scalar_graph("x", "y", "f");
    graph.nodes[0].label = long.clone();
    graph.nodes[0].operands.clear();
    request.graph = inline(graph);
    let status = client.evaluate(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed() {
    let config = Config {
        keepalive_interval: Duration::from_millis(200),
        keepalive_timeout: Duration::from_millis(200),
        ..small()
    };
    let server = Server::start(config).await;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // Says nothing; half a preface; a handshake and then nothing, not even answers to pings.
    for hello in [vec![], PREFACE[..10].to_vec(), [PREFACE, SETTINGS].concat()] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut received = vec![];
        let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut received)).await;
        assert!(end.is_ok(), "still open after {} bytes", hello.len());
    }
    // One that answers pings stays.
    let mut client = server.client().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.list_ops(pb::ListOpsRequest {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_survives_messages_that_are_not_read_to_their_end() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let small = pb::EvaluateRequest {
        graph: inline(scalar_graph("x", "y", "f")),
        inputs: inputs(&[("x", scalar(1.0)), ("y", scalar(2.0))]),
        products: vec![value()],
        ..Default::default()
    };
    // Many times the flow-control window of the connection.
    for i in 0..40 {
        let large = pb::EvaluateRequest {
            request_id: "x".repeat((1 << 20) + (i << 16)),
            ..Default::default()
        };
        let status = client.evaluate(large).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let answered = timeout(Duration::from_secs(10), client.evaluate(small.clone())).await;
        answered.expect("the connection is not stuck").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reading_a_large_message_does_not_hold_up_others() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    // Three million additions of a value that does not exist.
    let nodes = [0x1a, 6, 8, 1, 18, 2, 0, 0].repeat(3 << 20);
    let mut graph = vec![0x0a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut graph);
    graph.extend(nodes);
    let start = Instant::now();
    let large = raw_call(&server, "/gradient.v1.GradientService/RegisterGraph", graph);
    let mut large = std::pin::pin!(large);
    let mut longest = Duration::ZERO;
    let status = loop {
        let asked = Instant::now();
        tokio::select! {
            status = &mut large => break status,
            answer = client.list_ops(pb::ListOpsRequest {}) => answer.unwrap(),
        };
        longest = longest.max(asked.elapsed());
    };
    assert_eq!(paths(&status), ["graph.nodes[0].operands[0]"]);
    assert!(
        2 * longest < start.elapsed(),
        "{longest:?} of {:?}",
        start.elapsed()
    );
}
