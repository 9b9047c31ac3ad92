//! One graph under several names.

use crate::harness::*;
use gradient_proto::v1 as pb;
use tonic::Code;

async fn gradient_of(
    client: &mut Client,
    id: &str,
    point: &[(&str, f64)],
    output: &str,
) -> Result<Vec<(String, f64)>, tonic::Status> {
    let point: Vec<_> = point.iter().map(|&(name, x)| (name, scalar(x))).collect();
    let request = pb::EvaluateRequest {
        graph: by_id(id),
        inputs: inputs(&point),
        products: vec![gradient(output, &[])],
        ..Default::default()
    };
    let answer = client.evaluate(request).await?.into_inner();
    let result = &answer.results[0];
    let named = result.blocks.iter().enumerate();
    Ok(named
        .map(|(i, b)| (b.wrt.clone(), numbers(block(result, i))[0]))
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_with_other_names_share_a_graph() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let other = register(&mut client, scalar_graph("u", "v", "g")).await;
    assert_eq!(id, other, "names are not part of the identity");
    let dx = 3.0 + 2f64.cos();

    let got = gradient_of(&mut client, &id, &[("x", 2.0), ("y", 3.0)], "f")
        .await
        .unwrap();
    assert_eq!(got, [("x".into(), dx), ("y".into(), 2.0)]);
    let got = gradient_of(&mut client, &id, &[("u", 2.0), ("v", 3.0)], "")
        .await
        .unwrap();
    assert_eq!(got, [("u".into(), dx), ("v".into(), 2.0)]);

    let mixed = gradient_of(&mut client, &id, &[("x", 2.0), ("v", 3.0)], "")
        .await
        .unwrap_err();
    assert_status(&mixed, Code::InvalidArgument, "", "missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_names_need_positions_or_the_graph() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    assert_eq!(register(&mut client, scalar_graph("y", "x", "f")).await, id);
    let dx = 3.0 + 2f64.cos();

    let ambiguous = gradient_of(&mut client, &id, &[("x", 2.0), ("y", 3.0)], "f").await;
    assert_status(
        &ambiguous.unwrap_err(),
        Code::InvalidArgument,
        "graph_id",
        "inline_graph",
    );

    let got = gradient_of(&mut client, &id, &[("#0", 2.0), ("#1", 3.0)], "#0")
        .await
        .unwrap();
    assert_eq!((got[0].1, got[1].1), (dx, 2.0));

    let request = pb::EvaluateRequest {
        graph: inline(scalar_graph("y", "x", "f")),
        inputs: inputs(&[("y", scalar(2.0)), ("x", scalar(3.0))]),
        products: vec![gradient("f", &["y"])],
        ..Default::default()
    };
    let answer = client.evaluate(request).await.unwrap().into_inner();
    assert_eq!(answer.graph_id, id);
    assert_eq!(answer.results[0].blocks[0].wrt, "y");
    assert_eq!(numbers(block(&answer.results[0], 0)), [dx]);
}
