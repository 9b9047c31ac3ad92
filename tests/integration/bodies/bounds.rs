//! What never ends by itself: it ends at a bound or the deadline, with an error that says so, and leaves nothing behind.

use super::{by, graph, is_alone, scalars, status};
use gradient_engine::{
    Arguments, Control, Direction, Error, FunctionId, Graph, Method, Op, Options, Product, Request,
    Scratch, Stop, StopReason, Tensor, compile,
};
use gradient_proto::v1 as pb;
use gradient_server::Config;
use gradient_tests::functions::{Write, function, number};
use gradient_tests::server::TestServer;
use gradient_tests::wire;
use std::time::{Duration, Instant};
use tonic::Code;

/// While x = x: x ← sin x.
fn endless(max_iterations: u64) -> Graph {
    let always = function("always", [number()], |f, [x]| {
        f.compare(Direction::Eq, x, x)
    });
    let sine = function("sine", [number()], |f, [x]| f.plain(Op::Sin, &[x]));
    graph(vec![always, sine], [("x", &[])], |g, [x]| {
        let control = Control::while_loop(FunctionId(0), FunctionId(1), max_iterations);
        g.control(control, &[x], 1)[0]
    })
}

/// f(x) = x = x ? f(x) + x : x. Without the branch there is no type to be found for it.
fn bottomless() -> Graph {
    let f = function("f", [number()], |f, [x]| {
        let always = f.compare(Direction::Eq, x, x);
        f.cond(&[1, 2], &[always, x])
    });
    let same = function("same", [number()], |_, [x]| x);
    let again = function("again", [number()], |f, [x]| {
        let deeper = f.call(0, &[x]);
        f.add(deeper, x)
    });
    graph(vec![f, same, again], [("x", &[])], |g, [x]| g.call(0, &[x]))
}

fn run(graph: &Graph, product: Product, options: Options, stop: &Stop) -> Result<(), Error> {
    let request = Request {
        products: vec![product],
        options,
        batched: None,
    };
    let program = compile(graph, &request)?;
    let x = scalars(&[1.0]);
    let arguments = Arguments {
        inputs: x.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let found = program.evaluate(&arguments, &mut Scratch::default(), stop);
    found.map(|_| ())
}

fn products() -> [Product; 3] {
    let wrt = || vec![0];
    [
        Product::Value { outputs: vec![0] },
        Product::Gradient {
            output: 0,
            wrt: wrt(),
        },
        Product::Hessian {
            output: 0,
            wrt: wrt(),
            layout: gradient_engine::Layout::Dense,
        },
    ]
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    for method in [Method::Exact, Method::Dual, Method::Numerical] {
        for product in products() {
            let end = Instant::now() + Duration::from_millis(60);
            let stop = Stop::new(Some(end));
            let got = run(&endless(0), product, by(method), &stop);
            let late = Instant::now().saturating_duration_since(end);
            assert_eq!(got, Err(Error::Stopped(StopReason::Deadline)), "{method:?}");
            assert!(
                late < Duration::from_millis(500),
                "{method:?}: {late:?} late"
            );
        }
    }
}

#[test]
fn an_endless_loop_ends_at_its_bound() {
    for method in [Method::Exact, Method::Dual, Method::Numerical] {
        for product in products() {
            let got = run(&endless(1000), product, by(method), &Stop::default());
            let Err(Error::Limit {
                name, value, asked, ..
            }) = got
            else {
                panic!("{method:?}: {got:?}");
            };
            assert_eq!((name, value, asked), ("max_iterations", 1000, 1001));
        }
    }
}

#[test]
fn bottomless_recursion_ends_at_its_depth() {
    for method in [Method::Exact, Method::Dual, Method::Numerical] {
        for product in products() {
            let got = run(&bottomless(), product, by(method), &Stop::default());
            let Err(Error::Limit {
                name,
                value,
                repair,
                ..
            }) = got
            else {
                panic!("{method:?}: {got:?}");
            };
            assert_eq!((name, value), ("max_depth", 2000), "{method:?}");
            assert!(repair.contains("recursion"), "{repair}");
        }
    }
}

fn always() -> pb::node::Attributes {
    pb::node::Attributes::Compare(Box::new(pb::Compare {
        direction: pb::CompareDirection::Eq.into(),
    }))
}

fn body(name: &str, nodes: Vec<pb::Node>, result: u32) -> pb::Function {
    pb::Function {
        name: name.into(),
        parameters: vec![wire::f64s(&[])],
        nodes,
        results: vec![result],
        ..Default::default()
    }
}

/// The endless graphs as a client sends them.
fn on_the_wire(recursive: bool) -> pb::Graph {
    use pb::{Op, node::Attributes as A};
    let call = |name: &str| {
        A::Call(Box::new(pb::Call {
            function: name.into(),
        }))
    };
    let (functions, node) = if recursive {
        let cond = A::Cond(Box::new(pb::Cond {
            branches: wire::names(&["same", "again"]),
        }));
        let f = vec![
            wire::node_with(Op::Compare, &[0, 0], always()),
            wire::node_with(Op::Cond, &[1, 0], cond),
        ];
        let again = vec![
            wire::node_with(Op::Call, &[0], call("f")),
            wire::node(Op::Add, &[1, 0]),
        ];
        let all = vec![
            body("f", f, 2),
            body("same", vec![], 0),
            body("again", again, 2),
        ];
        (all, wire::node_with(Op::Call, &[0], call("f")))
    } else {
        let holds = vec![wire::node_with(Op::Compare, &[0, 0], always())];
        let all = vec![
            body("always", holds, 1),
            body("same", vec![wire::node(Op::Abs, &[0])], 1),
        ];
        let control = A::While(Box::new(pb::While {
            condition: "always".into(),
            body: "same".into(),
            max_iterations: 0,
        }));
        (all, wire::node_with(Op::While, &[0], control))
    };
    let mut graph = wire::graph(&[("x", wire::f64s(&[]))], vec![node], &[("f", 1)]);
    graph.functions = functions;
    graph
}

fn ask(graph: pb::Graph) -> pb::EvaluateRequest {
    let inputs = [("x", wire::scalar(1.0))];
    wire::evaluate(graph, &inputs, vec![wire::gradient("", &[])])
}

/// x².
fn harmless() -> pb::EvaluateRequest {
    let nodes = vec![wire::node(pb::Op::Multiply, &[0, 0])];
    let inputs = [("x", wire::f64s(&[]))];
    ask(wire::graph(&inputs, nodes, &[("f", 1)]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_endless_requests_leave_nothing_behind() {
    if !is_alone("bodies::bounds::two_hundred_endless_requests_leave_nothing_behind") {
        return;
    }
    let config = Config {
        threads: 2,
        ..Config::default()
    };
    let server = TestServer::start(config).await;
    let client = server.client().await;
    let warm = client.clone().evaluate(harmless()).await;
    warm.expect("the server answers");
    let before = status("Threads");
    let mut running = tokio::task::JoinSet::new();
    for i in 0..200 {
        let mut client = client.clone();
        running.spawn(async move {
            let mut request = tonic::Request::new(ask(on_the_wire(i % 2 == 1)));
            request.set_timeout(Duration::from_millis(1500));
            (i % 2 == 1, client.evaluate(request).await)
        });
    }
    let (mut late, mut deep) = (0, 0);
    while let Some(ended) = running.join_next().await {
        let (recursive, answer) = ended.expect("no request panics");
        let error = answer.expect_err("nothing ends by itself");
        match (error.code(), recursive) {
            // The client's own clock may be the first to notice.
            (Code::DeadlineExceeded, _) | (Code::Cancelled, _) => late += 1,
            (Code::ResourceExhausted, true) if error.message().contains("max_depth") => deep += 1,
            other => panic!("{other:?}: {error}"),
        }
    }
    assert!(
        late >= 100 && late + deep == 200,
        "{late} late, {deep} deep"
    );
    let mut request = tonic::Request::new(ask(on_the_wire(true)));
    request.set_timeout(Duration::from_secs(20));
    let error = client
        .clone()
        .evaluate(request)
        .await
        .expect_err("too deep");
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.message().contains("max_depth"), "{error}");
    let answer = client.clone().evaluate(harmless()).await;
    let results = answer
        .expect("the server is as it was")
        .into_inner()
        .results;
    assert_eq!(results.len(), 1);
    let patience = Instant::now() + Duration::from_secs(10);
    while status("Threads") > before && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let after = status("Threads");
    assert!(after <= before, "{before} threads before, {after} after");
    server.stop().await;
}
