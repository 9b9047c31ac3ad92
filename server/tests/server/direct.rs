//! Evaluate calls whose message comes whole are answered without the library's streams: nobody can tell.

use crate::harness::*;
use bytes::Bytes;
use gradient_proto::v1 as pb;
use gradient_server::Config;
use http_body::Frame;
use prost::Message;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt};

const EVALUATE: &str = "/gradient.v1.GradientService/Evaluate";

/// f, f' in x and y at a point of `scalar_graph`.
fn closed(x: f64, y: f64) -> [f64; 3] {
    [x * y + x.sin(), y + x.cos(), x]
}

fn request(id: &str, names: [&str; 2], x: f64, y: f64) -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        graph: by_id(id),
        inputs: inputs(&[(names[0], scalar(x)), (names[1], scalar(y))]),
        products: vec![value(), gradient("", &[])],
        ..Default::default()
    }
}

fn all(answer: &pb::EvaluateResponse) -> Vec<f64> {
    let results = answer.results.iter();
    let blocks = results.flat_map(|result| (0..result.blocks.len()).map(move |i| block(result, i)));
    blocks.flat_map(numbers).collect()
}

#[track_caller]
fn assert_near(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!(
            (g - w).abs() <= 1e-14 * w.abs().max(1.0),
            "{got:?} {want:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_differ_in_numbers_alone_get_their_own_answers() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    for i in 0..100 {
        let (x, y) = (0.1 * f64::from(i), 3.0 - f64::from(i));
        let mut request = request(&id, ["x", "y"], x, y);
        // Some have what others have not, under the same beginning, and as long.
        let batch = i % 5 == 3;
        if batch {
            request.batch_size = 1;
        }
        if i % 7 == 2 {
            request.products.swap(0, 1);
        }
        if i % 11 == 4 {
            request.request_id = format!("call {i}");
        }
        let request_id = request.request_id.clone();
        let answer = client.evaluate(request).await.unwrap().into_inner();
        assert_eq!((&answer.request_id, &answer.graph_id), (&request_id, &id));
        let [f, dx, dy] = closed(x, y);
        let want = if i % 7 == 2 { [dx, dy, f] } else { [f, dx, dy] };
        assert_near(&all(&answer), &want);
        let shape: &[u64] = if batch { &[1] } else { &[] };
        assert_eq!(block(&answer.results[0], 0).shape, shape);
        let plans = answer.results.iter().map(|r| r.plan.as_ref().unwrap());
        assert!(plans.into_iter().all(|plan| !plan.reason.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_wrong_each_time() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    for _ in 0..5 {
        let wrong = client.evaluate(request(&id, ["x", "z"], 1.0, 2.0)).await;
        let status = wrong.unwrap_err();
        assert_status(&status, Code::InvalidArgument, "inputs[\"y\"]", "missing");
        let answer = client.evaluate(request(&id, ["x", "y"], 1.0, 2.0)).await;
        assert_near(&all(answer.unwrap().get_ref()), &closed(1.0, 2.0));
    }

    let mut g = Builder::new();
    let flag = g.typed("flag", pb::Dtype::Bool, &[]);
    let x = g.input("x", &[]);
    let negative = g.node(pb::Op::Negate, &[x]);
    let chosen = g.node(pb::Op::Select, &[flag, x, negative]);
    let id = register(&mut client, g.output("f", chosen).done()).await;
    for (flag, x) in [(1, 2.0), (0, 2.0), (1, 3.0), (2, 3.0), (0, 4.0), (7, 4.0)] {
        let raw = pb::Tensor {
            dtype: pb::Dtype::Bool.into(),
            shape: vec![],
            data: Some(pb::tensor::Data::Raw(vec![flag].into())),
        };
        let request = pb::EvaluateRequest {
            graph: by_id(&id),
            inputs: inputs(&[("flag", raw), ("x", scalar(x))]),
            products: vec![value()],
            ..Default::default()
        };
        match (flag, client.evaluate(request).await) {
            (0, answer) => assert_near(&all(answer.unwrap().get_ref()), &[-x]),
            (1, answer) => assert_near(&all(answer.unwrap().get_ref()), &[x]),
            (_, answer) => {
                let status = answer.unwrap_err();
                assert_status(&status, Code::InvalidArgument, "inputs[\"flag\"].raw", "");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_was_forgotten_is_not_known_by_its_calls() {
    // Room for some small graphs.
    let server = Server::start(Config {
        graph_bytes: 16 << 10,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    for i in 0..40 {
        let answer = client
            .evaluate(request(&id, ["x", "y"], f64::from(i), 2.0))
            .await;
        assert_near(&all(answer.unwrap().get_ref()), &closed(f64::from(i), 2.0));
        // Used now and then, it stays where others come and go.
        register(&mut client, vector_graph(1 + u64::from(i as u8 % 4))).await;
    }
    for n in 10..100 {
        register(&mut client, vector_graph(n)).await;
    }
    let gone = client.evaluate(request(&id, ["x", "y"], 1.0, 2.0)).await;
    assert_status(&gone.unwrap_err(), Code::NotFound, "", &id);
    register(&mut client, scalar_graph("u", "v", "f")).await;
    for i in 0..4 {
        let answer = client
            .evaluate(request(&id, ["u", "v"], f64::from(i), 2.0))
            .await;
        assert_near(&all(answer.unwrap().get_ref()), &closed(f64::from(i), 2.0));
        let old = client.evaluate(request(&id, ["x", "y"], 1.0, 2.0)).await;
        assert_eq!(old.unwrap_err().code(), Code::InvalidArgument);
    }
}

/// Sends its pieces one by one, with time between them.
struct Pieces(Vec<Bytes>, Option<Pin<Box<tokio::time::Sleep>>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let wait = || Box::pin(tokio::time::sleep(Duration::from_millis(5)));
        let sleep = self.1.get_or_insert_with(wait);
        std::task::ready!(sleep.as_mut().poll(cx));
        self.1 = None;
        let piece = self.0.remove(0);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// What a call answers: the message, or the status.
async fn call(channel: &Channel, content: &str, pieces: &[&[u8]]) -> Result<Bytes, Status> {
    let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece));
    let request = http::Request::post(EVALUATE)
        .header("content-type", content)
        .header("te", "trailers")
        .body(Body::new(Pieces(pieces.collect(), None)))
        .unwrap();
    let mut channel = channel.clone();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let (head, mut body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return Err(status);
    }
    assert_eq!(head.headers["content-type"], "application/grpc");
    let (mut message, mut status) = (vec![], None);
    while let Some(frame) =
        std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
    {
        match frame.unwrap().into_data() {
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => status = Status::from_header_map(&frame.into_trailers().unwrap()),
        }
    }
    let status = status.expect("trailers with a status");
    match status.code() {
        Code::Ok => Ok(Bytes::from(message).slice(5..)),
        _ => Err(status),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_message_comes_it_is_answered_alike() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let channel = server.channel().await;
    let message = request(&id, ["x", "y"], 0.5, 0.25).encode_to_vec();
    let prefix = |compressed: u8, length: usize| {
        let length = (length as u32).to_be_bytes();
        [&[compressed][..], &length].concat()
    };
    let framed = [prefix(0, message.len()), message.clone()].concat();
    let half = framed.len() / 2;
    let good: [&[&[u8]]; 7] = [
        &[&framed],
        &[&framed, &[]],
        &[&[], &framed],
        &[&framed[..half], &framed[half..]],
        &[&framed[..5], &framed[5..]],
        &[&framed[..3], &[], &framed[3..]],
        // The library takes the first of several messages.
        &[&framed, &framed],
    ];
    // Also once its like is known.
    for round in 0..3 {
        for (i, pieces) in good.iter().enumerate() {
            for content in ["application/grpc", "application/grpc+proto"] {
                let answer = call(&channel, content, pieces).await;
                let answer = answer.unwrap_or_else(|s| panic!("{round} {i} {content}: {s:?}"));
                let answer = pb::EvaluateResponse::decode(answer).unwrap();
                assert_near(&all(&answer), &closed(0.5, 0.25));
            }
        }
        let short = [prefix(0, message.len() + 1), message.clone()].concat();
        let packed = [prefix(1, message.len()), message.clone()].concat();
        let garbage = [prefix(0, 3), vec![0xff; 3]].concat();
        let large = [prefix(0, 2 << 20), vec![0; 100]].concat();
        let bad: [(&[&[u8]], Code); 6] = [
            (&[&short], Code::InvalidArgument),
            (&[&packed], Code::InvalidArgument),
            (&[&garbage], Code::InvalidArgument),
            (&[&large], Code::ResourceExhausted),
            (&[&[]], Code::InvalidArgument),
            (&[], Code::InvalidArgument),
        ];
        for (i, (pieces, code)) in bad.into_iter().enumerate() {
            let status = call(&channel, "application/grpc", pieces)
                .await
                .unwrap_err();
            assert_eq!(status.code(), code, "{i}: {status:?}");
        }
    }
}
