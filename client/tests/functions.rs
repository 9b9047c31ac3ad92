//! Functions and the nodes that run them against a real server: values and derivatives against closed forms, and
//! graphs that come back as they went.

use gradient_client::{
    ALL, Client, Dtype, Error, Expr, Graph, GraphBuilder, Mode, Scan, Tensor, Type, Until, proto,
};
use tokio::net::TcpListener;

async fn start() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = gradient_server::Config::default();
    tokio::spawn(gradient_server::run(
        listener,
        config,
        std::future::pending(),
    ));
    Client::connect(&address).await.unwrap()
}

fn scalars<const N: usize>() -> [Type; N] {
    [(); N].map(|()| Type::new(Dtype::F64, []))
}

/// A scalar function of x and a, its point, and its value and gradient there.
struct Case {
    name: &'static str,
    build: fn(&GraphBuilder, &Expr, &Expr) -> Expr,
    at: [f64; 2],
    value: f64,
    gradient: [f64; 2],
}

const fn case(
    name: &'static str,
    build: fn(&GraphBuilder, &Expr, &Expr) -> Expr,
    at: [f64; 2],
    value: f64,
    gradient: [f64; 2],
) -> Case {
    Case {
        name,
        build,
        at,
        value,
        gradient,
    }
}

/// x^n by n multiplications, for a whole number n.
fn power(g: &GraphBuilder) -> gradient_client::Function {
    let power = g.declare("power", scalars::<2>(), scalars::<1>());
    let one = g.function("one", scalars(), |b, [_, _]| b.constant(1.0));
    let more = g.function("more", scalars(), |b, [x, n]| {
        let rest: Expr = b.call(&power, [&x, &(n - 1.0)]);
        x * rest
    });
    g.define(&power, |b, [x, n]: [Expr; 2]| {
        b.if_else::<Expr, _>(&n.gt(0.0), &more, &one, [&x, &n])
    });
    power
}

fn cases() -> Vec<Case> {
    vec![
        case(
            "call",
            |g, x, a| {
                let f = g.function("f", scalars(), |_, [x, a]| (x.sin() * a, x));
                let (y, z): (Expr, Expr) = g.call(&f, [x, a]);
                y * z
            },
            [0.5, 3.0],
            1.5 * 0.5f64.sin(),
            [
                3.0 * (0.5f64.sin() + 0.5 * 0.5f64.cos()),
                0.5 * 0.5f64.sin(),
            ],
        ),
        case(
            "branch",
            |g, x, a| {
                let [f, h] = [
                    g.function("f", scalars(), |_, [x, a]| x * a),
                    g.function("h", scalars(), |_, [x, a]| x / a),
                ];
                g.if_else(&x.gt(a), &f, &h, [x, a])
            },
            [2.0, 4.0],
            0.5,
            [0.25, -0.125],
        ),
        case(
            "Newton's square root",
            |g, x, a| {
                let far = g.function("far", scalars(), |_, [x, _, before]| {
                    (x - before).abs().gt(0.0)
                });
                let step = g.function("step", scalars(), |_, [x, a, _]| {
                    (0.5 * (&x + &a / &x), a, x)
                });
                let start = x * 0.0 + 1.0;
                let (root, ..): (Expr, Expr, Expr) =
                    g.while_loop(&far, &step, [&start, a, &(a * 9.0)]);
                root * x
            },
            [3.0, 2.0],
            3.0 * std::f64::consts::SQRT_2,
            [std::f64::consts::SQRT_2, 1.5 / std::f64::consts::SQRT_2],
        ),
        case(
            "Horner's scheme",
            |g, x, a| {
                // 1 + 2x + 3x² by its coefficients from the last, times a.
                let f = g.function("horner", scalars(), |_, [sum, c, x]| sum * x + c);
                let scan = Scan {
                    length: 3,
                    carries: vec![x * 0.0],
                    sequences: vec![g.constant([1.0, 2.0, 3.0])],
                    constants: vec![x.clone()],
                    reverse: true,
                };
                let sum: Expr = g.scan(&f, scan);
                sum * a
            },
            [2.0, 0.5],
            8.5,
            [7.0, 17.0],
        ),
        case(
            "map",
            |g, x, a| {
                let f = g.function("f", scalars(), |_, [c, x]| (c * x).exp());
                let c = g.constant([0.0, 1.0, 2.0]);
                let all: Expr = g.map(&f, [&c], [x]);
                all.sum() * a
            },
            [0.0, 2.0],
            6.0,
            [6.0, 3.0],
        ),
        case(
            "recursion",
            |g, x, a| {
                let five = g.constant(5.0);
                let y: Expr = g.call(&power(g), [x, &five]);
                y * a
            },
            [-2.0, 0.5],
            -16.0,
            [40.0, -32.0],
        ),
        case(
            "a step of gradient descent",
            |g, x, a| {
                // x² a by x: 2xa. The square of x - a 2xa.
                let loss = g.function("loss", scalars(), |_, [x, a]| x.square() * a);
                let slope: Expr = g.gradient(&loss, 0, [0], [x, a]);
                (x - a * slope).square()
            },
            [3.0, 0.5],
            2.25,
            // (x - 2xa²)²: 2 (x - 2xa²) (1 - 2a²) and 2 (x - 2xa²) (-4xa).
            [1.5, -18.0],
        ),
        case(
            "products of a function",
            |g, x, a| {
                // x³a: tangent 3x²a along x, cotangents (3x²a, x³), H·(1, 0) = (6xa, 3x²).
                let f = g.function("f", scalars(), |_, [x, a]| x.square() * x * a);
                let one = g.constant(1.0);
                let t: Expr = g.jvp(&f, [x, a], [(0, &one)]);
                let (u, v): (Expr, Expr) = g.vjp(&f, [x, a], [(0, &one)]);
                let (p, q): (Expr, Expr) = g.hvp(&f, 0, [], [x, a], [(0, &one)]);
                t + 10.0 * u + 100.0 * v + 1000.0 * p + 10000.0 * q
            },
            [1.0, 2.0],
            6.0 + 60.0 + 100.0 + 12000.0 + 30000.0,
            [
                12.0 + 120.0 + 300.0 + 12000.0 + 60000.0,
                3.0 + 30.0 + 6000.0,
            ],
        ),
        case(
            "blocks in order of position",
            |g, x, a| {
                // x²a: 2xa and x², however they are asked for.
                let f = g.function("f", scalars(), |_, [x, a]| x.square() * a);
                let (u, v): (Expr, Expr) = g.gradient(&f, 0, [1, 0], [x, a]);
                u + 10.0 * v
            },
            [3.0, 0.5],
            93.0,
            [61.0, 6.0],
        ),
        case(
            "own derivative",
            |g, x, a| {
                // Sine, whose derivative is said to be 7.
                let f = g.function("f", scalars(), |_, [x]| x.sin());
                let rule = g.function("rule", scalars(), |_, [_, _, dx]| dx * 7.0);
                g.custom_jvp(&f, &rule);
                g.call::<Expr, _>(&f, [x]) * a
            },
            [0.0, 2.0],
            0.0,
            [14.0, 0.0],
        ),
        case(
            "root",
            |g, x, a| {
                let f = g.function("f", scalars(), |_, [y, x, a]| y.square() * a - x);
                let start = g.constant(1.0);
                g.implicit_root(&f, &start, [x, a], Until::default())
            },
            // √(x/a)
            [8.0, 2.0],
            2.0,
            [0.125, -0.5],
        ),
        case(
            "fixed point",
            |g, x, a| {
                // y = x + y/a: y = x a / (a - 1).
                let f = g.function("f", scalars(), |_, [y, x, a]| x + y / a);
                g.fixed_point(&f, x, [x, a], Until::default())
            },
            [3.0, 4.0],
            4.0,
            [4.0 / 3.0, -1.0 / 3.0],
        ),
        case(
            "linear solve",
            |g, x, a| {
                let vector = Type::new(Dtype::F64, [2]);
                let [scalar] = scalars();
                let types = [vector, scalar];
                let f = g.function("operator", types, |b, [v, a]| {
                    v * b.stack([&a, &(&a * 2.0)])
                });
                let b = x.broadcast_to([2]);
                g.linear_solve(&f, &b, [a], Until::default()).sum()
            },
            // x/a + x/(2a)
            [4.0, 2.0],
            3.0,
            [0.75, -1.5],
        ),
    ]
}

fn graph(case: &Case) -> Graph {
    let g = GraphBuilder::new(case.name);
    let (x, a) = (g.input("x", []), g.input("a", []));
    let f = (case.build)(&g, &x, &a);
    g.finish([("f", f)])
        .unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

fn near(got: f64, want: f64) -> bool {
    got.is_finite() && (got - want).abs() <= 1e-10 * want.abs().max(1.0)
}

/// What is wrong with a case.
async fn problems(client: &Client, case: &Case) -> Result<Vec<String>, Error> {
    let graph = graph(case);
    let mut problems = vec![];
    let mut check = |what: &str, got: f64, want: f64| {
        if !near(got, want) {
            problems.push(format!("{}: {what} is {got}, not {want}", case.name));
        }
    };
    let point = [("x", case.at[0]), ("a", case.at[1])];
    let session = client.session(&graph);
    for mode in [Mode::Forward, Mode::Reverse] {
        let request = session.at(point).value().gradient("f", ALL);
        let answer = request.mode(mode).send().await?;
        check("value", answer.value("f")?.item().unwrap(), case.value);
        for (name, want) in ["x", "a"].into_iter().zip(case.gradient) {
            let got = answer.gradient(name)?.item().unwrap();
            check(&format!("{mode:?} gradient in {name}"), got, want);
        }
    }
    // The derivative as a graph: it is one that a client could have sent.
    let derivative = session.at(point).gradient("f", ALL).differentiate().await?;
    let sent = client.register(&derivative.graph).await?;
    assert_eq!(sent.graph_id, derivative.graph_id, "{}", case.name);
    let names: Vec<String> = derivative
        .graph
        .outputs()
        .iter()
        .map(|(n, _)| (*n).into())
        .collect();
    let answer = client
        .session(&derivative.graph)
        .at(point)
        .value()
        .send()
        .await?;
    for (name, want) in names.iter().zip(case.gradient) {
        check(name, answer.value(name)?.item().unwrap(), want);
    }
    // The graph comes back as it went.
    let registered = client.register(&graph).await?;
    let back = client.get_graph(&registered.graph_id, true, false).await?;
    assert_eq!(
        back.graph.as_ref().map(|g| !g.functions.is_empty()),
        Some(true)
    );
    // What it says of the functions is what went.
    let sent = &graph.proto().functions;
    let told = |f: &proto::FunctionSignature| (f.name.clone(), f.parameters.clone(), f.nodes);
    let want = |f: &proto::Function| (f.name.clone(), f.parameters.clone(), f.nodes.len() as u64);
    assert!(
        back.functions.iter().map(told).eq(sent.iter().map(want)),
        "{}: {:?}",
        case.name,
        back.functions
    );
    for (told, sent) in back.functions.iter().zip(sent) {
        assert_eq!(told.results.len(), sent.results.len(), "{}", case.name);
    }
    let statistics = back.statistics.as_ref().unwrap();
    assert_eq!(
        (statistics.functions, statistics.function_nodes),
        (
            sent.len() as u64,
            sent.iter().map(|f| f.nodes.len() as u64).sum()
        ),
        "{}",
        case.name
    );
    let back = Graph::from_proto(back.graph.unwrap());
    assert_eq!(back.outputs(), graph.outputs(), "{}", case.name);
    let again = client.register(&back).await?;
    assert_eq!(again.graph_id, registered.graph_id, "{}", case.name);
    Ok(problems)
}

#[tokio::test]
async fn functions_have_values_and_derivatives_and_come_back() {
    let client = start().await;
    let mut wrong = vec![];
    for case in cases() {
        match problems(&client, &case).await {
            Ok(found) => wrong.extend(found),
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of functions, their order, and functions that nobody runs do not count for the graph's identity; what they
/// compute does.
#[tokio::test]
async fn functions_count_by_what_they_compute() {
    let client = start().await;
    let build = |names: [&str; 2], turned: bool, unused: bool, factor: f64| {
        let g = GraphBuilder::new("identity");
        let x = g.input("x", []);
        let double = |name: &str| g.function(name, scalars(), |_, [x]| x * factor);
        let sine = |name: &str| g.function(name, scalars(), |_, [x]| x.sin());
        let (double, sine) = match turned {
            false => (double(names[0]), sine(names[1])),
            true => {
                let sine = sine(names[1]);
                (double(names[0]), sine)
            }
        };
        if unused {
            g.function("unused", scalars(), |_, [x]| x.exp());
        }
        let y: Expr = g.call(&sine, [&g.call::<Expr, _>(&double, [&x])]);
        g.finish([("y", y)]).unwrap()
    };
    let mut ids = vec![];
    for graph in [
        build(["double", "sine"], false, false, 2.0),
        build(["b", "a"], false, false, 2.0),
        build(["double", "sine"], true, false, 2.0),
        build(["sine", "double"], true, true, 2.0),
        build(["double", "sine"], false, false, 3.0),
    ] {
        ids.push(client.register(&graph).await.unwrap().graph_id);
    }
    assert!(ids[..4].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_ne!(ids[4], ids[0]);
}

#[tokio::test]
async fn points_of_a_batch_take_their_own_paths() {
    let client = start().await;
    let g = GraphBuilder::new("batch");
    let (x, n) = (g.input("x", []), g.input("n", []));
    let y: Expr = g.call(&power(&g), [&x, &n]);
    let session = client.session(&g.finish([("y", y)]).unwrap());
    let answer = session
        .at([
            ("x", Tensor::from([2.0, 3.0, 5.0])),
            ("n", [3.0, 0.0, 1.0].into()),
        ])
        .batch(3)
        .value()
        .gradient("y", ["x"])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.value("y").unwrap().data(), [8.0, 1.0, 5.0]);
    assert_eq!(answer.gradient("x").unwrap().data(), [12.0, 0.0, 1.0]);
}

/// A derivative that a function brings is held against the automatic one.
#[tokio::test]
async fn a_wrong_derivative_of_its_own_does_not_pass() {
    let client = start().await;
    let with = |factor: f64| {
        let g = GraphBuilder::new("own");
        let x = g.input("x", []);
        let f = g.function("f", scalars(), |_, [x]| x.square());
        let rule = g.function("rule", scalars(), |_, [x, _, dx]| x * dx * factor);
        g.custom_jvp(&f, &rule);
        let y: Expr = g.call(&f, [&x]);
        g.finish([("y", y)]).unwrap()
    };
    for (factor, passes) in [(2.0, true), (3.0, false)] {
        let graph = with(factor);
        let session = client.session(&graph);
        let request = session.at([("x", 1.5)]).check(["y"; 0], ["x"], &[], 0.0);
        let answer = request.await.unwrap();
        assert_eq!(answer.passed, passes, "{}", answer.reason);
        let [rule] = &answer.custom_rules[..] else {
            panic!("{:?}", answer.custom_rules)
        };
        assert_eq!((&rule.function[..], rule.passed), ("f", passes));
        assert!(near(rule.error, factor / 2.0 - 1.0), "{rule:?}");
    }
}
