//! Every kind of error: its code, where it points, and that it says what to do.

use crate::harness::*;
use gradient_proto::v1 as pb;
use pb::product::Product as P;
use tonic::Code::{self, InvalidArgument, NotFound, ResourceExhausted, Unimplemented};
use tonic_types::StatusExt;

fn point() -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        graph: inline(scalar_graph("x", "y", "f")),
        inputs: inputs(&[("x", scalar(1.0)), ("y", scalar(2.0))]),
        products: vec![value()],
        ..Default::default()
    }
}

fn with_inputs(list: &[(&str, pb::Tensor)]) -> pb::EvaluateRequest {
    let inputs = inputs(list);
    pb::EvaluateRequest { inputs, ..point() }
}

fn with_product(product: pb::Product) -> pb::EvaluateRequest {
    let products = vec![value(), product];
    pb::EvaluateRequest {
        products,
        ..point()
    }
}

fn with_options(options: pb::EvaluateOptions) -> pb::EvaluateRequest {
    let options = Some(options);
    pb::EvaluateRequest { options, ..point() }
}

fn with_graph(change: impl FnOnce(&mut pb::Graph)) -> pb::EvaluateRequest {
    let mut graph = scalar_graph("x", "y", "f");
    change(&mut graph);
    let graph = inline(graph);
    pb::EvaluateRequest { graph, ..point() }
}

fn on_vector(product: pb::Product) -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        graph: inline(vector_graph(3)),
        inputs: inputs(&[("w", tensor(&[3], &[1.0, 2.0, 3.0]))]),
        products: vec![product],
        ..Default::default()
    }
}

fn jvp(tangents: &[(&str, pb::Tensor)], directions: u32) -> pb::Product {
    let tangents = inputs(tangents);
    product(P::JacobianVectorProduct(pb::JacobianVectorProduct {
        tangents,
        directions,
    }))
}

fn hvp(wrt: &[&str], vectors: &[(&str, pb::Tensor)]) -> pb::Product {
    product(P::HessianVectorProduct(pb::HessianVectorProduct {
        wrt: wrt.iter().map(|name| name.to_string()).collect(),
        vectors: inputs(vectors),
        ..Default::default()
    }))
}

type Case = (pb::EvaluateRequest, Code, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let x = || ("x", scalar(1.0));
    let y = || ("y", scalar(1.0));
    let f32s = pb::Tensor {
        dtype: pb::Dtype::F32.into(),
        ..tensor(&[2], &[1.0])
    };
    let sparse = |layout| {
        product(P::Jacobian(pb::Jacobian {
            layout,
            ..Default::default()
        }))
    };
    let options = pb::EvaluateOptions::default;
    vec![
        // The graph.
        (
            pb::EvaluateRequest {
                graph: None,
                ..point()
            },
            InvalidArgument,
            "graph_id",
            "inline_graph",
        ),
        (
            pb::EvaluateRequest {
                graph: by_id(""),
                ..point()
            },
            InvalidArgument,
            "graph_id",
            "empty",
        ),
        (
            pb::EvaluateRequest {
                graph: by_id("nonsense"),
                ..point()
            },
            NotFound,
            "",
            "nonsense",
        ),
        (
            pb::EvaluateRequest {
                graph: by_id(&"ab".repeat(32)),
                ..point()
            },
            NotFound,
            "",
            "register",
        ),
        (
            with_graph(|g| g.nodes[1].operands[0] = 9),
            InvalidArgument,
            "inline_graph.nodes[1].operands[0]",
            "9",
        ),
        (
            with_graph(|g| g.nodes[1].op = 0),
            InvalidArgument,
            "inline_graph.nodes[1].op",
            "ListOps",
        ),
        (
            with_graph(|g| g.nodes[1].op = 9999),
            InvalidArgument,
            "inline_graph.nodes[1].op",
            "9999",
        ),
        (
            with_graph(|g| g.nodes[1].op = -1),
            InvalidArgument,
            "inline_graph.nodes[1].op",
            "-1",
        ),
        (
            with_graph(|g| g.nodes[1].op = pb::Op::While.into()),
            InvalidArgument,
            "inline_graph.nodes[1]",
            "needs the attributes while",
        ),
        (
            with_graph(|g| g.functions.push(pb::Function::default())),
            InvalidArgument,
            "inline_graph.functions[0].name",
            "empty",
        ),
        (
            with_graph(|g| g.inputs[1].r#type = None),
            InvalidArgument,
            "inline_graph.inputs[1].type",
            "dtype",
        ),
        (
            with_graph(|g| g.inputs[1].name = "x".into()),
            InvalidArgument,
            "inline_graph.inputs[1].name",
            "unique",
        ),
        (
            with_graph(|g| g.inputs[1].name = "#1".into()),
            InvalidArgument,
            "inline_graph.inputs[1].name",
            "#",
        ),
        (
            with_graph(|g| g.outputs.clear()),
            InvalidArgument,
            "inline_graph.outputs",
            "output",
        ),
        (
            with_graph(|g| g.outputs[0].value = 77),
            InvalidArgument,
            "inline_graph.outputs[0].value",
            "77",
        ),
        // Inputs.
        (
            with_inputs(&[x()]),
            InvalidArgument,
            r#"inputs["y"]"#,
            "missing",
        ),
        (
            with_inputs(&[x(), y(), ("z", scalar(1.0))]),
            InvalidArgument,
            r#"inputs["z"]"#,
            "no input",
        ),
        (
            with_inputs(&[x(), y(), ("#0", scalar(1.0))]),
            InvalidArgument,
            r#"inputs["x"]"#,
            "twice",
        ),
        (
            with_inputs(&[x(), ("y", tensor(&[1], &[1.0]))]),
            InvalidArgument,
            r#"inputs["y"]"#,
            "expected f64, got f64[1]",
        ),
        (
            with_inputs(&[x(), ("y", tensor(&[], &[1.0, 2.0]))]),
            InvalidArgument,
            r#"inputs["y"].raw"#,
            "8 bytes, got 16",
        ),
        (
            with_inputs(&[x(), ("y", f32s)]),
            InvalidArgument,
            r#"inputs["y"]"#,
            "f32",
        ),
        (
            with_inputs(&[x(), ("y", pb::Tensor::default())]),
            InvalidArgument,
            r#"inputs["y"].dtype"#,
            "DTYPE_F64",
        ),
        // Batches.
        (
            pb::EvaluateRequest {
                batch_size: 3,
                ..with_inputs(&[x(), ("y", tensor(&[2], &[1.0, 2.0]))])
            },
            InvalidArgument,
            r#"inputs["y"]"#,
            "leading axis 3",
        ),
        (
            pb::EvaluateRequest {
                batch_size: u32::MAX,
                ..point()
            },
            ResourceExhausted,
            "",
            "max_message_bytes",
        ),
        // Products.
        (
            pb::EvaluateRequest {
                products: vec![],
                ..point()
            },
            InvalidArgument,
            "products",
            "add a product",
        ),
        (
            pb::EvaluateRequest {
                products: vec![value(); 1000],
                ..point()
            },
            ResourceExhausted,
            "",
            "max_products",
        ),
        (
            with_product(pb::Product::default()),
            InvalidArgument,
            "products[1]",
            "empty product",
        ),
        (
            with_product(gradient("g", &[])),
            InvalidArgument,
            "products[1].gradient.output",
            "no output",
        ),
        (
            with_product(gradient("f", &["x", "q"])),
            InvalidArgument,
            "products[1].gradient.wrt[1]",
            "no input",
        ),
        (
            with_product(gradient("f", &["x", "#0"])),
            InvalidArgument,
            "products[1].gradient.wrt[1]",
            "twice",
        ),
        (
            with_product(jacobian(&["f", "f"], &[])),
            InvalidArgument,
            "products[1].jacobian.outputs[1]",
            "twice",
        ),
        (
            on_vector(gradient("", &[])),
            InvalidArgument,
            "products[0].gradient.output",
            "2 outputs",
        ),
        (
            on_vector(gradient("v", &[])),
            InvalidArgument,
            "products[0].gradient.output",
            "Jacobian",
        ),
        (
            on_vector(product(P::Hessian(pb::Hessian {
                output: "v".into(),
                ..Default::default()
            }))),
            InvalidArgument,
            "products[0].hessian.output",
            "scalar",
        ),
        (
            with_product(jvp(&[x()], 0)),
            InvalidArgument,
            r#"products[1].jacobian_vector_product.tangents["y"]"#,
            "no tangent",
        ),
        (
            with_product(jvp(&[x(), y(), ("q", scalar(1.0))], 0)),
            InvalidArgument,
            r#"products[1].jacobian_vector_product.tangents["q"]"#,
            "no input",
        ),
        (
            with_product(jvp(&[x(), y()], 2)),
            InvalidArgument,
            r#"products[1].jacobian_vector_product.tangents["x"]"#,
            "f64[2]",
        ),
        (
            with_product(hvp(&["x"], &[x(), y()])),
            InvalidArgument,
            r#"products[1].hessian_vector_product.vectors["y"]"#,
            "wrt",
        ),
        (
            with_product(product(P::VectorJacobianProduct(
                pb::VectorJacobianProduct::default(),
            ))),
            InvalidArgument,
            r#"products[1].vector_jacobian_product.cotangents["f"]"#,
            "no cotangent",
        ),
        (
            with_product(sparse(7)),
            InvalidArgument,
            "products[1].jacobian.layout",
            "7",
        ),
        // Options.
        (
            with_options(pb::EvaluateOptions {
                mode: 9,
                ..options()
            }),
            InvalidArgument,
            "options.mode",
            "9",
        ),
        (
            with_options(pb::EvaluateOptions {
                method: pb::Method::Numerical.into(),
                step: -1.0,
                ..options()
            }),
            InvalidArgument,
            "options.step",
            "-1",
        ),
        (
            with_options(pb::EvaluateOptions {
                non_finite: 5,
                ..options()
            }),
            InvalidArgument,
            "options.non_finite",
            "5",
        ),
        (
            with_options(pb::EvaluateOptions {
                memory_budget_bytes: 8,
                ..options()
            }),
            ResourceExhausted,
            "",
            "memory_budget_bytes is 8",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_where_they_are_bad() {
    let server = Server::small().await;
    let mut client = server.client().await;
    for (i, (request, code, path, part)) in cases().into_iter().enumerate() {
        let status = match client.evaluate(request).await {
            Ok(answer) => panic!("case {i} ({path}) was answered: {answer:?}"),
            Err(status) => status,
        };
        assert_status(&status, code, path, part);
        let details = status.get_error_details();
        match code {
            NotFound => {
                let info = details.error_info().unwrap();
                assert_eq!(
                    (&*info.reason, &*info.domain),
                    ("GRAPH_NOT_REGISTERED", "gradient.v1")
                );
                assert!(info.metadata.contains_key("graph_id"));
            }
            ResourceExhausted => {
                let info = details.error_info().unwrap();
                for key in ["limit", "value", "asked"] {
                    assert!(info.metadata.contains_key(key), "{info:?}");
                }
                assert!(details.quota_failure().is_some());
            }
            Unimplemented => assert_eq!(details.error_info().unwrap().reason, "NOT_IMPLEMENTED"),
            _ => assert!(details.bad_request().is_some()),
        }
    }
    // And the server goes on.
    client.evaluate(point()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bad_inputs_are_told_at_once_with_a_hint() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let request = pb::EvaluateRequest {
        graph: inline(scalar_graph("weights", "bias", "f")),
        inputs: inputs(&[("wieghts", scalar(1.0))]),
        products: vec![value()],
        ..Default::default()
    };
    let status = client.evaluate(request).await.unwrap_err();
    let all = [
        r#"inputs["weights"]"#,
        r#"inputs["bias"]"#,
        r#"inputs["wieghts"]"#,
    ];
    assert_eq!(paths(&status), all);
    let bad = status.get_details_bad_request().unwrap();
    assert!(
        bad.field_violations[2]
            .description
            .contains("did you mean \"weights\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_and_the_rest_have_their_own_paths() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let mut graph = scalar_graph("x", "y", "f");
    graph.nodes[2].operands[1] = 5;
    let request = pb::RegisterGraphRequest { graph: Some(graph) };
    let status = client.register_graph(request).await.unwrap_err();
    assert_status(&status, InvalidArgument, "graph.nodes[2].operands[1]", "5");
    let status = client
        .register_graph(pb::RegisterGraphRequest { graph: None })
        .await;
    assert_status(&status.unwrap_err(), InvalidArgument, "graph", "no graph");

    let request = pb::GetGraphRequest {
        graph_id: "ab".repeat(32),
        ..Default::default()
    };
    let status = client.get_graph(request).await.unwrap_err();
    assert_status(&status, NotFound, "", "not registered");

    let id = register(&mut client, vector_graph(3)).await;
    let derive = |product| pb::DifferentiateGraphRequest {
        graph: Some(pb::differentiate_graph_request::Graph::GraphId(id.clone())),
        product,
        options: None,
    };
    let status = client.differentiate_graph(derive(None)).await.unwrap_err();
    assert_status(&status, InvalidArgument, "product", "empty product");
    let status = client
        .differentiate_graph(derive(Some(gradient("v", &[]))))
        .await
        .unwrap_err();
    assert_status(
        &status,
        InvalidArgument,
        "product.gradient.output",
        "scalar",
    );

    let request = pb::PlanEvaluationRequest {
        graph: Some(pb::plan_evaluation_request::Graph::GraphId(id)),
        batch_size: 2,
        batched_inputs: vec!["q".into()],
        products: vec![value()],
        ..Default::default()
    };
    let status = client.plan_evaluation(request).await.unwrap_err();
    assert_status(&status, InvalidArgument, "batched_inputs[0]", "no input");

    let status = client
        .check_derivatives(pb::CheckDerivativesRequest::default())
        .await;
    assert_status(
        &status.unwrap_err(),
        InvalidArgument,
        "graph_id",
        "no graph",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tensor_that_is_put_badly_is_refused() {
    use pb::put_tensor_request::Content;
    let server = Server::start(gradient_server::Config {
        tensor_bytes: 1000,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let ty = |shape: &[u64]| {
        let dtype = pb::Dtype::F64.into();
        Content::Type(pb::TensorType {
            dtype,
            shape: shape.to_vec(),
        })
    };
    let chunk = |bytes| Content::Chunk(vec![0; bytes].into());
    let cases = [
        (vec![], InvalidArgument, "type"),
        (vec![chunk(8)], InvalidArgument, "type"),
        (vec![ty(&[1]), ty(&[1])], InvalidArgument, "chunk"),
        (vec![ty(&[1])], InvalidArgument, "chunk"),
        (vec![ty(&[1]), chunk(4)], InvalidArgument, "chunk"),
        (vec![ty(&[1]), chunk(4), chunk(5)], InvalidArgument, "chunk"),
        (vec![ty(&[u64::MAX, 2])], ResourceExhausted, ""),
    ];
    for (contents, code, path) in cases {
        let messages: Vec<_> = contents
            .into_iter()
            .map(|content| pb::PutTensorRequest {
                content: Some(content),
            })
            .collect();
        let status = client
            .put_tensor(tokio_stream::iter(messages))
            .await
            .unwrap_err();
        assert_status(&status, code, path, "");
    }
    let mut request = point();
    let id = pb::tensor::Data::TensorId("ab".repeat(32));
    request.inputs.insert(
        "x".into(),
        pb::Tensor {
            data: Some(id),
            ..scalar(1.0)
        },
    );
    let status = client.evaluate(request).await.unwrap_err();
    assert_status(&status, NotFound, "", r#"inputs["x"].tensor_id"#);
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "TENSOR_NOT_PUT"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_named_with_what_was_asked() {
    let config = gradient_server::Config {
        max_nodes: 2,
        max_elements: 10,
        ..small()
    };
    let server = Server::start(config).await;
    let mut client = server.client().await;
    let mut asked = async |graph| {
        let request = pb::RegisterGraphRequest { graph: Some(graph) };
        let status = client.register_graph(request).await.unwrap_err();
        assert_eq!(status.code(), ResourceExhausted, "{status:?}");
        let info = status.get_details_error_info().unwrap();
        (
            info.metadata["limit"].clone(),
            info.metadata["value"].clone(),
            info.metadata["asked"].clone(),
        )
    };
    let own = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        asked(scalar_graph("x", "y", "f")).await,
        own("max_nodes", "2", "3")
    );
    assert_eq!(
        asked(vector_graph(11)).await,
        own("max_elements", "10", "11")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_graph_is_not_found() {
    let config = gradient_server::Config {
        graph_bytes: 4000,
        ..small()
    };
    let server = Server::start(config).await;
    let mut client = server.client().await;
    let first = register(&mut client, vector_graph(1)).await;
    for n in 2..20 {
        register(&mut client, vector_graph(n)).await;
    }
    let request = pb::GetGraphRequest {
        graph_id: first.clone(),
        ..Default::default()
    };
    let status = client.get_graph(request.clone()).await.unwrap_err();
    assert_eq!(
        status.get_details_error_info().unwrap().reason,
        "GRAPH_NOT_REGISTERED"
    );
    assert_eq!(register(&mut client, vector_graph(1)).await, first);
    client.get_graph(request).await.unwrap();
}
