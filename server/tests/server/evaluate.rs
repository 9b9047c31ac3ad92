//! Answers: every product, batches, the cache, dry runs, derivatives as graphs, tensors put before.

use crate::harness::*;
use gradient_proto::v1 as pb;
use pb::product::Product as P;

fn near(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{got:?} {want:?}");
    for (g, w) in got.iter().zip(want) {
        assert!(
            (g - w).abs() <= 1e-12 * w.abs().max(1.0),
            "{got:?} {want:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_product_of_one_request() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let both = inputs(&[("x", scalar(1.0)), ("y", scalar(0.5))]);
    let products = vec![
        value(),
        gradient("", &[]),
        jacobian(&[], &["y"]),
        product(P::JacobianVectorProduct(pb::JacobianVectorProduct {
            tangents: both.clone(),
            directions: 0,
        })),
        product(P::VectorJacobianProduct(pb::VectorJacobianProduct {
            cotangents: inputs(&[("f", tensor(&[2], &[1.0, 2.0]))]),
            directions: 2,
        })),
        product(P::Hessian(pb::Hessian::default())),
        product(P::HessianVectorProduct(pb::HessianVectorProduct {
            vectors: both,
            ..Default::default()
        })),
    ];
    let request = pb::EvaluateRequest {
        request_id: "seven".into(),
        graph: by_id(&id),
        inputs: inputs(&[("x", scalar(2.0)), ("y", scalar(3.0))]),
        products,
        ..Default::default()
    };
    let answer = client.evaluate(request).await.unwrap().into_inner();
    assert_eq!(
        (answer.request_id.as_str(), &answer.graph_id),
        ("seven", &id)
    );
    let (sin, cos) = 2f64.sin_cos();
    let (dx, dy) = (3.0 + cos, 2.0);
    let want: [&[f64]; 7] = [
        &[6.0 + sin],
        &[dx, dy],
        &[dy],
        &[dx + 0.5 * dy],
        &[dx, 2.0 * dx, dy, 2.0 * dy],
        &[-sin, 1.0, 1.0, 0.0],
        &[-sin + 0.5, 1.0],
    ];
    for (result, want) in answer.results.iter().zip(want) {
        let got: Vec<f64> = (0..result.blocks.len())
            .flat_map(|i| numbers(block(result, i)))
            .collect();
        near(&got, want);
        assert!(!result.plan.as_ref().unwrap().reason.is_empty());
    }
    let names = |i: usize| {
        let blocks = answer.results[i].blocks.iter();
        blocks
            .map(|b| (&*b.output, &*b.wrt, &*b.wrt_second))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(0), [("f", "", "")]);
    assert_eq!(names(1), [("f", "x", ""), ("f", "y", "")]);
    assert_eq!(names(4), [("", "x", ""), ("", "y", "")]);
    let pairs = [
        ("f", "x", "x"),
        ("f", "x", "y"),
        ("f", "y", "x"),
        ("f", "y", "y"),
    ];
    assert_eq!(names(5), pairs);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_the_order_of_the_graph() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let request = pb::EvaluateRequest {
        graph: inline(scalar_graph("x", "y", "f")),
        inputs: inputs(&[("x", scalar(2.0)), ("y", scalar(3.0))]),
        products: vec![gradient("f", &["y", "x"])],
        ..Default::default()
    };
    let answer = client.evaluate(request).await.unwrap().into_inner();
    let wrt: Vec<_> = answer.results[0].blocks.iter().map(|b| &*b.wrt).collect();
    assert_eq!(wrt, ["x", "y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_shares_what_has_no_leading_axis() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let request = pb::EvaluateRequest {
        graph: inline(scalar_graph("x", "y", "f")),
        inputs: inputs(&[("x", tensor(&[3], &[1.0, 2.0, 3.0])), ("y", scalar(10.0))]),
        batch_size: 3,
        products: vec![
            value(),
            gradient("", &[]),
            // A seed without the axis is shared, too.
            product(P::JacobianVectorProduct(pb::JacobianVectorProduct {
                tangents: inputs(&[("x", tensor(&[3], &[1.0, 0.0, 1.0])), ("y", scalar(1.0))]),
                directions: 0,
            })),
        ],
        ..Default::default()
    };
    let answer = client.evaluate(request.clone()).await.unwrap().into_inner();
    let x = [1.0f64, 2.0, 3.0];
    near(
        &numbers(block(&answer.results[0], 0)),
        &x.map(|x| 10.0 * x + x.sin()),
    );
    assert_eq!(block(&answer.results[0], 0).shape, [3]);
    near(
        &numbers(block(&answer.results[1], 0)),
        &x.map(|x| 10.0 + x.cos()),
    );
    near(&numbers(block(&answer.results[1], 1)), &x);
    let moved = [1.0, 0.0, 1.0];
    let jvp: Vec<f64> = x
        .iter()
        .zip(moved)
        .map(|(x, t)| t * (10.0 + x.cos()) + x)
        .collect();
    near(&numbers(block(&answer.results[2], 0)), &jvp);

    // Everything shared: every block still has the axis.
    let shared = pb::EvaluateRequest {
        inputs: inputs(&[("x", scalar(2.0)), ("y", scalar(10.0))]),
        products: vec![value(), gradient("", &["y"])],
        ..request
    };
    let answer = client.evaluate(shared).await.unwrap().into_inner();
    near(
        &numbers(block(&answer.results[0], 0)),
        &[20.0 + 2f64.sin(); 3],
    );
    near(&numbers(block(&answer.results[1], 0)), &[2.0; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_first_calls_compile_once() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let mut graph = Builder::new();
    let x = graph.input("x", &[]);
    // No block of it repeats: compiling takes longer than the others need to come.
    let (mut v, mut drawn) = (x, 1u32);
    for _ in 0..110_000 {
        drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ops = [pb::Op::Sin, pb::Op::Cos, pb::Op::Tanh, pb::Op::Atan];
        v = graph.node(ops[drawn as usize >> 30], &[v]);
    }
    let id = register(&mut client, graph.output("f", v).done()).await;
    let request = pb::EvaluateRequest {
        graph: by_id(&id),
        inputs: inputs(&[("x", scalar(2.0))]),
        products: vec![gradient("", &[])],
        ..Default::default()
    };
    let calls = (0..16).map(|_| {
        let (mut client, request) = (client.clone(), request.clone());
        tokio::spawn(async move {
            let timing = client
                .evaluate(request)
                .await
                .unwrap()
                .into_inner()
                .timing
                .unwrap();
            timing.cache()
        })
    });
    let mut found = vec![];
    for call in calls.collect::<Vec<_>>() {
        found.push(call.await.unwrap());
    }
    let count = |cache| found.iter().filter(|&&f| f == cache).count();
    assert_eq!(count(pb::Cache::Miss), 1, "{found:?}");
    assert!(count(pb::Cache::Joined) > 0, "{found:?}");
    let timing = client
        .evaluate(request)
        .await
        .unwrap()
        .into_inner()
        .timing
        .unwrap();
    assert_eq!(timing.cache(), pb::Cache::Hit);
    assert_eq!(timing.compile, Some(Default::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_graph_comes_back_and_is_itself() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let mut graph = scalar_graph("x", "y", "f");
    graph.name = "example".into();
    graph.nodes[1].label = "the sine".into();
    let request = pb::RegisterGraphRequest {
        graph: Some(graph.clone()),
    };
    let first = client
        .register_graph(request.clone())
        .await
        .unwrap()
        .into_inner();
    let second = client.register_graph(request).await.unwrap().into_inner();
    assert!(first.created && !second.created);
    assert_eq!(first.graph_id, second.graph_id);
    let statistics = first.statistics.unwrap();
    assert_eq!(
        (statistics.nodes, statistics.live_inputs, statistics.outputs),
        (3, 2, 1)
    );

    let request = pb::GetGraphRequest {
        graph_id: first.graph_id,
        include_graph: true,
        include_listing: true,
    };
    let answer = client.get_graph(request).await.unwrap().into_inner();
    assert_eq!(answer.graph.as_ref(), Some(&graph));
    assert_eq!(answer.name, "example");
    assert_eq!(answer.inputs, graph.inputs);
    assert_eq!(answer.outputs[0].name, "f");
    assert!(!answer.listing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_executes_nothing_and_needs_no_seeds() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(500)).await;
    let plan = |batch_size| pb::PlanEvaluationRequest {
        graph: Some(pb::plan_evaluation_request::Graph::GraphId(id.clone())),
        batch_size,
        products: vec![
            gradient("", &[]),
            product(P::JacobianVectorProduct(pb::JacobianVectorProduct {
                directions: 3,
                ..Default::default()
            })),
        ],
        ..Default::default()
    };
    let one = client.plan_evaluation(plan(0)).await.unwrap().into_inner();
    assert_eq!(one.plans.len(), 2);
    assert!(one.operations > 1_000_000_000, "{}", one.operations);
    assert!(one.bytes > 0 && one.predicted.is_some());
    assert_eq!(one.cache(), pb::Cache::Miss);
    let many = client
        .plan_evaluation(plan(1 << 20))
        .await
        .unwrap()
        .into_inner();
    assert!(many.operations > one.operations);
    let again = client.plan_evaluation(plan(0)).await.unwrap().into_inner();
    assert_eq!(again.cache(), pb::Cache::Hit);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derivative_is_a_graph_that_is_registered() {
    let server = Server::small().await;
    let mut client = server.client().await;
    // Known under other names first: the derivative must speak the client's own.
    register(&mut client, scalar_graph("a", "b", "g")).await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let request = pb::DifferentiateGraphRequest {
        graph: Some(pb::differentiate_graph_request::Graph::GraphId(id)),
        product: Some(gradient("f", &["x"])),
        options: None,
    };
    let answer = client
        .differentiate_graph(request)
        .await
        .unwrap()
        .into_inner();
    let graph = answer.graph.unwrap();
    let names: Vec<_> = graph.inputs.iter().map(|input| &*input.name).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(graph.outputs[0].name, "d f / d x");
    assert_eq!(register(&mut client, graph).await, answer.graph_id);
    let request = pb::EvaluateRequest {
        graph: by_id(&answer.graph_id),
        inputs: inputs(&[("x", scalar(2.0)), ("y", scalar(3.0))]),
        products: vec![value(), gradient("", &["x"])],
        ..Default::default()
    };
    let answer = client.evaluate(request).await.unwrap().into_inner();
    near(&numbers(block(&answer.results[0], 0)), &[3.0 + 2f64.cos()]);
    near(&numbers(block(&answer.results[1], 0)), &[-2f64.sin()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tensor_put_once_is_named_ever_after() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let data = [1.0f64, 2.0, 3.0];
    let raw: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
    let ty = pb::TensorType {
        dtype: pb::Dtype::F64.into(),
        shape: vec![3],
    };
    let content = |content| pb::PutTensorRequest {
        content: Some(content),
    };
    let messages = [
        content(pb::put_tensor_request::Content::Type(ty.clone())),
        content(pb::put_tensor_request::Content::Chunk(
            raw[..5].to_vec().into(),
        )),
        content(pb::put_tensor_request::Content::Chunk(
            raw[5..].to_vec().into(),
        )),
    ];
    let put = client
        .put_tensor(tokio_stream::iter(messages))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(put.bytes, 24);
    let named = pb::Tensor {
        dtype: ty.dtype,
        shape: ty.shape,
        data: Some(pb::tensor::Data::TensorId(put.tensor_id)),
    };

    let request = pb::EvaluateRequest {
        graph: inline(vector_graph(3)),
        inputs: inputs(&[("w", named.clone())]),
        products: vec![gradient("s", &[])],
        ..Default::default()
    };
    let answer = client.evaluate(request).await.unwrap().into_inner();
    near(&numbers(block(&answer.results[0], 0)), &[2.0, 4.0, 6.0]);

    let with_constant = |constant: pb::Tensor| {
        let mut g = Builder::new();
        let w = g.input("w", &[3]);
        let c = g.constant(constant);
        let v = g.node(pb::Op::Multiply, &[w, c]);
        g.output("v", v).done()
    };
    let by_content = register(&mut client, with_constant(tensor(&[3], &data))).await;
    let by_name = register(&mut client, with_constant(named)).await;
    assert_eq!(by_content, by_name);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_op_catalogue_is_the_contract() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let ops = client
        .list_ops(pb::ListOpsRequest {})
        .await
        .unwrap()
        .into_inner()
        .ops;
    for op in &ops {
        let proto = pb::Op::try_from(op.op).expect("an op of the contract");
        let name = proto.as_str_name().trim_start_matches("OP_").to_lowercase();
        assert_eq!(op.name, name);
    }
    assert!(ops.is_sorted_by_key(|op| op.op));
    assert!(ops.iter().all(|op| op.implemented));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers_and_is_a_program_of_its_own() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, scalar_graph("x", "y", "f")).await;
    let (x, y) = (2.0f64, 3.0);
    let want = [vec![y + x.cos(), x], vec![-x.sin(), 1.0, 1.0, 0.0]];
    let cases = [
        (pb::Method::Exact, 0.0, [1e-15, 1e-15]),
        (pb::Method::Dual, 0.0, [1e-15, 1e-15]),
        (pb::Method::Numerical, 0.0, [1e-9, 1e-6]),
        (pb::Method::Numerical, 1e-2, [1e-4, 1e-3]),
    ];
    let mut reasons = vec![];
    for (method, step, tolerances) in cases {
        let request = pb::EvaluateRequest {
            graph: by_id(&id),
            inputs: inputs(&[("x", scalar(x)), ("y", scalar(y))]),
            products: vec![
                gradient("", &[]),
                product(P::Hessian(pb::Hessian::default())),
            ],
            options: Some(pb::EvaluateOptions {
                method: method.into(),
                step,
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = client.evaluate(request.clone()).await.unwrap().into_inner();
        assert_eq!(
            answer.timing.unwrap().cache(),
            pb::Cache::Miss,
            "{method:?}"
        );
        for ((result, want), tolerance) in answer.results.iter().zip(&want).zip(tolerances) {
            let got: Vec<f64> = (0..result.blocks.len())
                .flat_map(|i| numbers(block(result, i)))
                .collect();
            assert_eq!(got.len(), want.len());
            for (g, w) in got.iter().zip(want) {
                assert!(
                    (g - w).abs() <= tolerance * 4.0,
                    "{method:?} {step}: {got:?} {want:?}"
                );
            }
        }
        let again = client.evaluate(request).await.unwrap().into_inner();
        assert_eq!(again.timing.unwrap().cache(), pb::Cache::Hit, "{method:?}");
        reasons.push(answer.results[0].plan.as_ref().unwrap().reason.clone());
    }
    assert!(
        reasons[1].contains("dual numbers: 2 evaluations"),
        "{reasons:?}"
    );
    assert!(
        reasons[2].contains("central differences: 4 evaluations"),
        "{reasons:?}"
    );
    assert!(reasons[3].contains("step 1e-2"), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn derivatives_are_checked() {
    let server = Server::small().await;
    let mut client = server.client().await;
    // Registered first under other names: verdicts bear those of the request.
    register(&mut client, scalar_graph("a", "b", "g")).await;
    let graph = scalar_graph("x", "y", "f");
    let request = pb::CheckDerivativesRequest {
        graph: Some(pb::check_derivatives_request::Graph::InlineGraph(graph)),
        inputs: inputs(&[("x", scalar(2.0)), ("y", scalar(3.0))]),
        ..Default::default()
    };
    let answer = client
        .check_derivatives(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(answer.passed, "{answer:?}");
    assert!(answer.dot_product_error < 1e-15 && answer.hessian_asymmetry < 1e-15);
    let names: Vec<_> = answer
        .verdicts
        .iter()
        .map(|v| (&*v.output, &*v.wrt))
        .collect();
    assert_eq!(names, [("f", "x"), ("f", "y")]);
    for verdict in &answer.verdicts {
        assert!(verdict.passed && verdict.curve.len() == 12, "{verdict:?}");
        assert!(verdict.complex_step_error < 1e-15 && !verdict.reason.is_empty());
        let best = verdict.best.unwrap();
        assert!(verdict.curve.iter().all(|c| c.error >= best.error));
    }
    // Random numbers are the same in every call.
    let again = client
        .check_derivatives(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, answer);
    let one = pb::CheckDerivativesRequest {
        wrt: vec!["x".into()],
        steps: vec![1e-2],
        tolerance: 1e-15,
        ..request
    };
    let answer = client.check_derivatives(one).await.unwrap().into_inner();
    assert_eq!(
        (answer.verdicts.len(), answer.verdicts[0].curve.len()),
        (1, 1)
    );
    assert!(
        !answer.passed && answer.verdicts[0].reason.contains("allowed"),
        "{answer:?}"
    );
}

/// What a client reads of an infinity it asked to be told of: the code, and the node with its operands.
#[tokio::test(flavor = "multi_thread")]
async fn an_infinity_that_is_refused_names_its_node() {
    let server = Server::small().await;
    let mut client = server.client().await;
    let request = pb::EvaluateRequest {
        graph: inline(scalar_graph("x", "y", "f")),
        inputs: inputs(&[("x", scalar(f64::INFINITY)), ("y", scalar(2.0))]),
        products: vec![value()],
        options: Some(pb::EvaluateOptions {
            non_finite: pb::NonFinite::Error.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let status = client.evaluate(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let details = tonic_types::StatusExt::get_error_details(&status);
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(info.reason, "NON_FINITE");
    for key in ["node", "label", "op", "operands"] {
        assert!(info.metadata.contains_key(key), "{info:?}");
    }
    assert!(info.metadata["operands"].contains("inf"), "{info:?}");
}
