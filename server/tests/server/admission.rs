//! What a dry run says and what an evaluation is admitted by are the same figures.

use crate::harness::*;
use gradient_proto::v1 as pb;
use gradient_server::Config;
use tonic::Code;
use tonic_types::StatusExt;

async fn planned(client: &mut Client, id: &str) -> pb::PlanEvaluationResponse {
    let plan = pb::PlanEvaluationRequest {
        graph: Some(pb::plan_evaluation_request::Graph::GraphId(id.to_owned())),
        products: vec![value()],
        ..Default::default()
    };
    client.plan_evaluation(plan).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_by_the_bytes_of_the_dry_run() {
    let server = Server::start(Config {
        max_memory_bytes: 1 << 20,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(2)).await;
    let planned = planned(&mut client, &id).await;
    assert!(planned.bytes > 1 << 20);
    let status = client.evaluate(slow_request(&id)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let info = status.get_details_error_info().expect("said why");
    assert_eq!(info.metadata["asked"], planned.bytes.to_string());
}
