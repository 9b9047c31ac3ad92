//! EvaluateStream.

use crate::harness::*;
use gradient_proto::v1::{self as pb, evaluate_stream_response::Result as Answer};
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::{RpcStatusExt, StatusExt};

fn request(i: usize, graph: &str) -> pb::EvaluateStreamRequest {
    pb::EvaluateStreamRequest {
        request: Some(pb::EvaluateRequest {
            request_id: i.to_string(),
            graph: by_id(graph),
            inputs: inputs(&[("x", scalar(i as f64)), ("y", scalar(1.0))]),
            products: vec![value()],
            ..Default::default()
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_order_and_a_bad_request_does_not_end_the_stream() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let requests: Vec<_> = (0..100)
        .map(|i| match i % 10 {
            7 => request(i, &"0".repeat(64)),
            8 => pb::EvaluateStreamRequest { request: None },
            _ => request(i, &id),
        })
        .collect();
    let answers = client
        .evaluate_stream(tokio_stream::iter(requests))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    assert_eq!(answers.len(), 100);
    for (i, answer) in answers.into_iter().enumerate() {
        match answer.unwrap().result.unwrap() {
            Answer::Response(response) => {
                assert_eq!(response.request_id, i.to_string());
                let x = i as f64;
                assert_eq!(numbers(block(&response.results[0], 0)), [x + x.sin()]);
            }
            Answer::Error(error) if i % 10 == 7 => {
                assert_eq!(error.code, Code::NotFound as i32);
                let details = error.get_error_details();
                assert_eq!(details.error_info().unwrap().reason, "GRAPH_NOT_REGISTERED");
                assert_eq!(details.request_info().unwrap().request_id, i.to_string());
            }
            Answer::Error(error) => {
                assert_eq!(i % 10, 8);
                assert_eq!(error.code, Code::InvalidArgument as i32);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sees_its_answer_before_the_next_is_sent() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(receive);
    let mut answers = client.evaluate_stream(requests).await.unwrap().into_inner();
    for i in 0..20 {
        send.send(request(i, &id)).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        let Some(Answer::Response(response)) = answer.result else {
            panic!("{answer:?}")
        };
        assert_eq!(response.request_id, i.to_string());
    }
    drop(send);
    assert!(answers.message().await.unwrap().is_none());
}

async fn end_of(mut answers: tonic::Streaming<pb::EvaluateStreamResponse>) -> Status {
    loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a status"),
            Err(status) => return status,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_statuses_of_the_contract() {
    let mut server = Server::small().await;
    let mut client = server.client().await;

    // The deadline passes while the client is silent.
    let mut silent = tonic::Request::new(tokio_stream::pending());
    silent.set_timeout(Duration::from_millis(200));
    let answers = client.evaluate_stream(silent).await.unwrap().into_inner();
    assert_eq!(end_of(answers).await.code(), Code::DeadlineExceeded);

    // A message is too large.
    let mut large = request(0, "x");
    large.request.as_mut().unwrap().request_id = "x".repeat(2 << 20);
    let answers = client.evaluate_stream(tokio_stream::iter([large])).await;
    let status = match answers {
        Ok(answers) => end_of(answers.into_inner()).await,
        Err(status) => status,
    };
    assert_status(&status, Code::ResourceExhausted, "", "max_message_bytes");
    assert!(status.get_details_error_info().is_some());

    // The server shuts down.
    let open = client
        .evaluate_stream(tokio_stream::pending())
        .await
        .unwrap()
        .into_inner();
    server.stop();
    assert_eq!(end_of(open).await.code(), Code::Unavailable);
    server.stopped().await.unwrap();
}
