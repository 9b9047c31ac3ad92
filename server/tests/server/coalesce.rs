//! Requests that come together run together, and nobody can tell by the answers.

use crate::harness::*;
use gradient_proto::v1 as pb;
use gradient_server::Config;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use pb::{node::Attributes, product::Product as P};
use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

const CLIENTS: usize = 64;

/// Points of each evaluation that this process has recorded.
static LANES: Mutex<Vec<f64>> = Mutex::new(vec![]);

struct Lanes;

impl HistogramFn for Lanes {
    fn record(&self, value: f64) {
        LANES.lock().unwrap().push(value);
    }
}

struct OfLanes;

impl Recorder for OfLanes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() == gradient_server::telemetry::BATCH_LANES {
            true => Histogram::from_arc(Arc::new(Lanes)),
            false => Histogram::noop(),
        }
    }
}

/// One test at a time, so that what is recorded is its own.
async fn recording() -> tokio::sync::MutexGuard<'static, ()> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    static RECORDER: OnceLock<()> = OnceLock::new();
    let guard = ONE.lock().await;
    RECORDER.get_or_init(|| metrics::set_global_recorder(OfLanes).unwrap());
    guard
}

/// Points that ran with others so far.
fn together() -> usize {
    let lanes = LANES.lock().unwrap();
    lanes.iter().filter(|&&n| n > 1.0).count()
}

fn largest_since(begin: usize) -> f64 {
    LANES.lock().unwrap()[begin..]
        .iter()
        .copied()
        .fold(0.0, f64::max)
}

/// Two threads whatever the machine.
fn config() -> Config {
    Config {
        threads: 2,
        ..Config::default()
    }
}

/// y ← sin(y b) + c_k a, unrolled with another constant in each step, so that it stays as long as it is.
fn chain(g: &mut Builder, y: u32, [a, b]: [u32; 2], steps: usize) -> u32 {
    let mut y = y;
    for k in 0..steps {
        let c = g.constant(scalar(1.0 / (k + 3) as f64));
        let turned = g.node(pb::Op::Multiply, &[y, b]);
        let sine = g.node(pb::Op::Sin, &[turned]);
        let pushed = g.node(pb::Op::Multiply, &[c, a]);
        y = g.node(pb::Op::Add, &[sine, pushed]);
    }
    y
}

/// So long that calls come faster than they are answered, also on a fast machine.
const STEPS: usize = 48_000;

fn chain_graph() -> pb::Graph {
    let mut g = Builder::new();
    let (a, b) = (g.input("a", &[]), g.input("b", &[]));
    let y = chain(&mut g, a, [a, b], STEPS);
    g.output("f", y).done()
}

/// The same after a square root by Newton's iteration, which takes a's own number of steps, and a branch by b's sign.
fn control_graph() -> pb::Graph {
    let number = pb::TensorType {
        dtype: pb::Dtype::F64.into(),
        shape: vec![],
    };
    let node = |op: pb::Op, operands: &[u32], attributes| pb::Node {
        op: op.into(),
        operands: operands.to_vec(),
        attributes,
        ..Default::default()
    };
    let constant = |x: f64| {
        let value = Some(scalar(x));
        let attributes = Attributes::Constant(Box::new(pb::Constant { value }));
        node(pb::Op::Constant, &[], Some(attributes))
    };
    let greater = || {
        Some(Attributes::Compare(Box::new(pb::Compare {
            direction: pb::CompareDirection::Gt.into(),
        })))
    };
    let function = |name: &str, nodes: Vec<pb::Node>, result: u32| pb::Function {
        name: name.into(),
        parameters: vec![number.clone(), number.clone()],
        nodes,
        results: vec![result],
        ..Default::default()
    };
    use pb::Op::*;
    // x² - a > 1e-9
    let far = vec![
        node(Multiply, &[0, 0], None),
        node(Subtract, &[2, 1], None),
        constant(1e-9),
        node(Compare, &[3, 4], greater()),
    ];
    // (x + a / x) / 2
    let step = vec![
        node(Divide, &[1, 0], None),
        node(Add, &[0, 2], None),
        constant(0.5),
        node(Multiply, &[3, 4], None),
    ];
    let sine = vec![node(Sin, &[0], None), node(Multiply, &[2, 1], None)];
    let cosine = vec![node(Cos, &[0], None), node(Divide, &[2, 1], None)];

    let mut g = Builder::new();
    let (a, b) = (g.input("a", &[]), g.input("b", &[]));
    let (start, zero) = (g.constant(scalar(1e4)), g.constant(scalar(0.0)));
    let newton = Attributes::While(Box::new(pb::While {
        condition: "far".into(),
        body: "step".into(),
        max_iterations: 0,
    }));
    let root = g.with(While, &[start, a], Some(newton));
    let positive = g.with(Compare, &[b, zero], greater());
    let branches = Attributes::Cond(Box::new(pb::Cond {
        branches: vec!["sine".into(), "cosine".into()],
    }));
    let bent = g.with(Cond, &[positive, root, b], Some(branches));
    let y = chain(&mut g, bent, [a, b], STEPS);
    let mut graph = g.output("f", y).done();
    graph.functions = vec![
        function("far", far, 5),
        function("step", step, 5),
        function("sine", sine, 3),
        function("cosine", cosine, 3),
    ];
    graph
}

/// f = Σ sin(d a) b, with n numbers d.
fn data_graph(n: u64) -> pb::Graph {
    let mut g = Builder::new();
    let (d, a, b) = (g.input("d", &[n]), g.input("a", &[]), g.input("b", &[]));
    let turned = g.node(pb::Op::Multiply, &[d, a]);
    let sine = g.node(pb::Op::Sin, &[turned]);
    let scaled = g.node(pb::Op::Multiply, &[sine, b]);
    let exp = g.node(pb::Op::Tanh, &[scaled]);
    let f = g.sum(exp);
    g.output("f", f).done()
}

/// Products of matrices that are large enough for an order of their own.
fn matrix_graph(n: u64) -> pb::Graph {
    let mut g = Builder::new();
    let (a, b) = (g.input("a", &[]), g.input("b", &[]));
    let broadcast = || {
        Some(Attributes::BroadcastInDim(Box::new(pb::BroadcastInDim {
            shape: vec![n, n],
            dimensions: vec![],
        })))
    };
    let mut x = g.with(pb::Op::BroadcastInDim, &[a], broadcast());
    let y = g.with(pb::Op::BroadcastInDim, &[b], broadcast());
    for _ in 0..4 {
        let product = Attributes::DotGeneral(Box::new(pb::DotGeneral {
            lhs_contracting: vec![1],
            rhs_contracting: vec![0],
            ..Default::default()
        }));
        let product = g.with(pb::Op::DotGeneral, &[x, y], Some(product));
        x = g.node(pb::Op::Tanh, &[product]);
    }
    let f = g.sum(x);
    g.output("f", f).done()
}

async fn put(client: &mut Client, values: &[f64]) -> pb::Tensor {
    let mut tensor = tensor(&[values.len() as u64], values);
    let Some(pb::tensor::Data::Raw(raw)) = tensor.data.take() else {
        panic!("raw data expected")
    };
    let ty = pb::TensorType {
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
    };
    let messages = [
        pb::put_tensor_request::Content::Type(ty),
        pb::put_tensor_request::Content::Chunk(raw),
    ];
    let messages = messages.map(|content| pb::PutTensorRequest {
        content: Some(content),
    });
    let put = client.put_tensor(tokio_stream::iter(messages)).await;
    let id = put.unwrap().into_inner().tensor_id;
    tensor.data = Some(pb::tensor::Data::TensorId(id));
    tensor
}

/// Client i's own point.
fn point(i: usize) -> Vec<(&'static str, pb::Tensor)> {
    let x = i as f64;
    // Roots of 1e-3 … 1e6: about 15 to 30 steps.
    let a = 1.5f64.powf(x / 2.0 - 12.0);
    let b = if i.is_multiple_of(3) { -1.0 } else { 1.0 } * (0.1 + x / 70.0);
    vec![("a", scalar(a)), ("b", scalar(b))]
}

fn request(id: &str, i: usize, products: &[pb::Product]) -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        request_id: i.to_string(),
        graph: by_id(id),
        inputs: inputs(&point(i)),
        products: products.to_vec(),
        ..Default::default()
    }
}

type Answered = Result<pb::EvaluateResponse, Status>;

/// What must be the same: everything but the times.
fn results(answer: &Answered) -> Result<Vec<pb::Result>, (Code, String)> {
    match answer {
        Ok(answer) => Ok(answer.results.clone()),
        Err(status) => Err((status.code(), status.message().to_owned())),
    }
}

async fn one_by_one(client: &Client, requests: &[pb::EvaluateRequest]) -> Vec<Answered> {
    let mut answers = vec![];
    for request in requests {
        let answer = client.clone().evaluate(request.clone()).await;
        answers.push(answer.map(|a| a.into_inner()));
    }
    answers
}

async fn at_once(client: &Client, requests: &[pb::EvaluateRequest]) -> Vec<Answered> {
    let calls = requests.iter().map(|request| {
        let (mut client, request) = (client.clone(), request.clone());
        tokio::spawn(async move { client.evaluate(request).await.map(|a| a.into_inner()) })
    });
    let calls: Vec<_> = calls.collect();
    let mut answers = vec![];
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// Rounds of all requests at once until some have run together, and as many rounds again. All answers must be `want`.
async fn until_together(client: &Client, requests: &[pb::EvaluateRequest], want: &[Answered]) {
    const ROUNDS: usize = 400;
    let mut first = None;
    for round in 0..ROUNDS {
        let before = together();
        let answers = at_once(client, requests).await;
        for (i, (got, want)) in answers.iter().zip(want).enumerate() {
            assert_eq!(results(got), results(want), "client {i}, round {round}");
            let id = got.as_ref().map(|answer| answer.request_id.as_str());
            assert!(id.is_ok_and(|id| id == i.to_string()) || got.is_err());
        }
        if together() > before {
            let first = *first.get_or_insert(round);
            if round >= 2 * first + 3 {
                return;
            }
        }
    }
    panic!("after {ROUNDS} rounds they do not run together");
}

/// All answers one by one, none of them an error, and then the same until some have run together.
async fn alone_then_together(client: &Client, requests: &[pb::EvaluateRequest]) -> Vec<Answered> {
    let alone = one_by_one(client, requests).await;
    assert!(alone.iter().all(Result::is_ok), "{:?}", alone[0]);
    until_together(client, requests, &alone).await;
    alone
}

async fn requests_together(graph: pb::Graph, products: &[pb::Product]) {
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let id = register(&mut client, graph).await;
    let requests: Vec<_> = (0..CLIENTS).map(|i| request(&id, i, products)).collect();
    let alone = one_by_one(&client, &requests).await;
    assert!(alone.iter().all(Result::is_ok), "{:?}", alone[0]);
    let begin = LANES.lock().unwrap().len();
    until_together(&client, &requests, &alone).await;
    let largest = largest_since(begin);
    assert!(largest > 1.0 && largest <= 32.0, "{largest} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn unrolled_graphs_give_the_same_bits_together() {
    let _one = recording().await;
    requests_together(chain_graph(), &[value(), gradient("f", &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_and_branches_of_different_lengths_give_the_same_bits_together() {
    let _one = recording().await;
    requests_together(control_graph(), &[value(), gradient("f", &["a", "b"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_own_vectors() {
    let _one = recording().await;
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let id = register(&mut client, chain_graph()).await;
    let requests = (0..CLIENTS).map(|i| {
        let own = [("a", scalar(i as f64)), ("b", scalar(1.0 - i as f64))];
        let product = product(P::HessianVectorProduct(pb::HessianVectorProduct {
            vectors: inputs(&own),
            ..Default::default()
        }));
        request(&id, i, &[product])
    });
    let requests: Vec<_> = requests.collect();
    alone_then_together(&client, &requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resident_data_are_shared_by_those_who_name_the_same() {
    let _one = recording().await;
    const N: usize = 40_000;
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let id = register(&mut client, data_graph(N as u64)).await;
    let data = |seed: usize| -> Vec<f64> {
        let numbers = (0..N).map(|i| ((i * 37 + seed) % 101) as f64 / 101.0);
        numbers.collect()
    };
    let resident = [
        put(&mut client, &data(0)).await,
        put(&mut client, &data(7)).await,
    ];
    let requests = (0..CLIENTS).map(|i| {
        let mut request = request(&id, i, &[value(), gradient("f", &["a", "b"])]);
        // Every eighth has data of its own.
        let own = resident[usize::from(i.is_multiple_of(8))].clone();
        request.inputs.insert("d".into(), own);
        request
    });
    let requests: Vec<_> = requests.collect();
    alone_then_together(&client, &requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_fails_fails_alone() {
    let _one = recording().await;
    const BAD: usize = 13;
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let mut g = Builder::new();
    let (a, b) = (g.input("a", &[]), g.input("b", &[]));
    let log = g.node(pb::Op::Log, &[a]);
    let y = chain(&mut g, log, [a, b], STEPS);
    let id = register(&mut client, g.output("f", y).done()).await;
    let requests = (0..CLIENTS).map(|i| pb::EvaluateRequest {
        options: Some(pb::EvaluateOptions {
            non_finite: pb::NonFinite::Error.into(),
            ..Default::default()
        }),
        ..request(&id, i, &[value(), gradient("f", &["a", "b"])])
    });
    let good: Vec<_> = requests.collect();
    let alone = alone_then_together(&client, &good).await;

    let mut bad = good.clone();
    bad[BAD].inputs.insert("a".into(), scalar(-1.0));
    let failed = one_by_one(&client, &bad[BAD..=BAD]).await.remove(0);
    let status = failed.as_ref().unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let named = status.get_details_error_info().unwrap().metadata;
    assert!(named["op"].eq_ignore_ascii_case("log"), "{named:?}");
    for _ in 0..8 {
        // Longer than everybody runs alone after an error.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let answers = at_once(&client, &bad).await;
        for (i, (got, want)) in answers.iter().zip(&alone).enumerate() {
            let want = if i == BAD { &failed } else { want };
            assert_eq!(results(got), results(want), "client {i}");
        }
        let status = answers[BAD].as_ref().unwrap_err();
        let told = status.get_details_error_info().unwrap();
        assert_eq!(
            (told.reason.as_str(), told.metadata),
            ("NON_FINITE", named.clone())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_hurts_nobody() {
    let _one = recording().await;
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let id = register(&mut client, chain_graph()).await;
    let products = [value(), gradient("f", &[])];
    let requests: Vec<_> = (0..CLIENTS).map(|i| request(&id, i, &products)).collect();
    let alone = alone_then_together(&client, &requests).await;
    for round in 0..20u64 {
        let calls = requests.iter().enumerate().map(|(i, request)| {
            let (mut client, mut request) = (client.clone(), Request::new(request.clone()));
            if i % 8 == 5 {
                request.set_timeout(Duration::from_micros(200 * (round + 1)));
            }
            tokio::spawn(async move { client.evaluate(request).await.map(|a| a.into_inner()) })
        });
        let calls: Vec<_> = calls.collect();
        tokio::time::sleep(Duration::from_micros(300 * round)).await;
        let left = calls.iter().enumerate().filter(|(i, _)| i % 8 == 2);
        left.for_each(|(_, call)| call.abort());
        for (i, call) in calls.into_iter().enumerate() {
            match call.await {
                Err(gone) => assert!(i % 8 == 2 && gone.is_cancelled(), "client {i}: {gone}"),
                Ok(Err(status)) => {
                    // The client's own timer may be first.
                    let late = [Code::DeadlineExceeded, Code::Cancelled];
                    assert!(
                        i % 8 == 5 && late.contains(&status.code()),
                        "{i}: {status:?}"
                    );
                }
                Ok(answer) => assert_eq!(results(&answer), results(&alone[i]), "client {i}"),
            }
        }
    }
    // Nothing was left behind.
    until_together(&client, &requests, &alone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_request_does_not_wait() {
    let _one = recording().await;
    let server = Server::start(config()).await;
    let mut client = server.client().await;
    let id = register(&mut client, chain_graph()).await;
    let products = [value(), gradient("f", &[])];
    let requests: Vec<_> = (0..CLIENTS).map(|i| request(&id, i, &products)).collect();
    alone_then_together(&client, &requests).await;
    let begin = LANES.lock().unwrap().len();
    let later = one_by_one(&client, &requests).await;
    assert_eq!(largest_since(begin), 1.0, "alone means alone");
    let waited = later.iter().map(|answer| {
        let timing = answer.as_ref().unwrap().timing.unwrap();
        Duration::try_from(timing.queue.unwrap()).unwrap()
    });
    // Company would be waited for up to 2 ms.
    let least = waited.min().unwrap();
    assert!(least < Duration::from_micros(500), "{least:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_or_not_promised_runs_alone() {
    let _one = recording().await;
    let off = Config {
        max_coalesced: 0,
        ..config()
    };
    let products = [value(), gradient("f", &[])];
    for (config, graph) in [(off, chain_graph()), (config(), matrix_graph(64))] {
        let server = Server::start(config).await;
        let mut client = server.client().await;
        let id = register(&mut client, graph).await;
        let requests: Vec<_> = (0..CLIENTS).map(|i| request(&id, i, &products)).collect();
        let alone = one_by_one(&client, &requests).await;
        assert!(alone.iter().all(Result::is_ok), "{:?}", alone[0]);
        let plan = pb::PlanEvaluationRequest {
            graph: Some(pb::plan_evaluation_request::Graph::GraphId(id.clone())),
            products: products.to_vec(),
            ..Default::default()
        };
        let plan = client.plan_evaluation(plan).await.unwrap().into_inner();
        let predicted = Duration::try_from(plan.predicted.unwrap()).unwrap();
        let worth = Duration::from_micros(20)..Duration::from_millis(50);
        assert!(
            worth.contains(&predicted),
            "its price is no reason: {predicted:?}"
        );
        let before = together();
        for _ in 0..10 {
            for (got, want) in at_once(&client, &requests).await.iter().zip(&alone) {
                assert_eq!(results(got), results(want));
            }
        }
        assert_eq!(together(), before);
    }
}
