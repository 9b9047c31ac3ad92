//! Small functions with bodies, in every product, against closed forms.

use crate::execute::{Arguments, Scratch, Stop, compile};
use crate::graph::{FunctionSource, Graph, GraphBuilder, Limits, NodeSource};
use crate::op::{Attributes, Control, Derivative, Direction, FunctionId, Op, Product, ValueId};
use crate::plan::{HvpMode, Layout, Mode, NonFinite, Options, Request, differentiate};
use crate::tensor::{DType, Tensor, TensorType};

fn node(op: Op, operands: &[u32], attributes: Attributes) -> NodeSource {
    NodeSource {
        op,
        operands: operands.iter().map(|&v| ValueId(v)).collect(),
        attributes,
        label: String::new(),
    }
}

fn plain(op: Op, operands: &[u32]) -> NodeSource {
    node(op, operands, Attributes::None)
}

fn number(value: f64) -> NodeSource {
    let tensor = Tensor::scalar(DType::F64, value);
    node(Op::Constant, &[], Attributes::Constant(tensor.into()))
}

fn function(
    name: &str,
    parameters: &[TensorType],
    nodes: Vec<NodeSource>,
    results: &[u32],
) -> FunctionSource {
    FunctionSource {
        name: name.into(),
        parameters: parameters.to_vec(),
        nodes,
        results: results.iter().map(|&v| ValueId(v)).collect(),
        custom_jvp: None,
        custom_vjp: None,
    }
}

fn scalar() -> TensorType {
    TensorType::f64([])
}

fn graph(functions: Vec<FunctionSource>, inputs: usize, nodes: Vec<NodeSource>) -> Graph {
    let mut builder = GraphBuilder::new("f", Limits::default());
    builder.functions(functions).unwrap();
    for i in 0..inputs {
        builder.input(format!("x{i}"), scalar()).unwrap();
    }
    let mut last = ValueId(0);
    for node in nodes {
        last = builder
            .push(node.op, &node.operands, node.attributes, &node.label)
            .unwrap();
    }
    builder.output("y", last).unwrap();
    builder.finish().unwrap()
}

/// Value, gradient by both modes, Hessian by both ways, at one point.
fn all(graph: &Graph, at: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let wrt: Vec<u32> = (0..at.len() as u32).collect();
    let mut found = vec![];
    for (mode, hvp_mode) in [
        (Mode::Forward, HvpMode::ForwardOverReverse),
        (Mode::Reverse, HvpMode::ReverseOverForward),
    ] {
        let request = Request {
            products: vec![
                Product::Value { outputs: vec![0] },
                Product::Gradient {
                    output: 0,
                    wrt: wrt.clone(),
                },
                Product::Hessian {
                    output: 0,
                    wrt: wrt.clone(),
                    layout: Layout::Dense,
                },
            ],
            options: Options {
                mode: Some(mode),
                hvp_mode: Some(hvp_mode),
                ..Options::default()
            },
            batched: None,
        };
        let program = compile(graph, &request).unwrap();
        let inputs: Vec<Tensor> = at.iter().map(|&x| Tensor::scalar(DType::F64, x)).collect();
        let arguments = Arguments {
            inputs: inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]; 3],
            batch: 1,
        };
        let blocks = program
            .evaluate(&arguments, &mut Scratch::default(), &Stop::default())
            .unwrap();
        let numbers =
            |k: usize| -> Vec<f64> { blocks[k].iter().map(|b| b.tensor.element(0)).collect() };
        found.push((numbers(0)[0], numbers(1), numbers(2)));
    }
    let (a, b) = (&found[0], &found[1]);
    assert_eq!(a.0, b.0);
    // The derivative as a graph of its own, and the derivative of that.
    for mode in [Mode::Forward, Mode::Reverse] {
        let options = Options {
            mode: Some(mode),
            ..Options::default()
        };
        let gradient = Product::Gradient {
            output: 0,
            wrt: wrt.clone(),
        };
        let first = differentiate(graph, &gradient, &options).unwrap().0;
        let second = differentiate(&first, &gradient, &options).unwrap().0;
        let values = |graph: &Graph| -> Vec<f64> {
            let request = Request {
                products: vec![Product::Value {
                    outputs: (0..graph.outputs().len() as u32).collect(),
                }],
                options: Options::default(),
                batched: None,
            };
            let inputs: Vec<Tensor> = at.iter().map(|&x| Tensor::scalar(DType::F64, x)).collect();
            let arguments = Arguments {
                inputs: inputs.iter().map(Tensor::as_ref).collect(),
                seeds: vec![vec![]],
                batch: 1,
            };
            let program = compile(graph, &request).unwrap();
            let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
            blocks.unwrap()[0]
                .iter()
                .map(|b| b.tensor.element(0))
                .collect()
        };
        close(&values(&first), &a.1);
        close(&values(&second), &a.2[..at.len()]);
    }
    for (a, b) in a.1.iter().zip(&b.1).chain(a.2.iter().zip(&b.2)) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + a.abs()), "{a} {b}");
    }
    found.remove(0)
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!(
            g.is_finite() && (g - w).abs() <= 1e-11 * (1.0 + w.abs()),
            "{got:?} {want:?}"
        );
    }
}

#[test]
fn a_call_is_its_function() {
    // f = g(x, y) · g(y, x), g(a, b) = a² b
    let g = function(
        "g",
        &[scalar(), scalar()],
        vec![plain(Op::Multiply, &[0, 0]), plain(Op::Multiply, &[2, 1])],
        &[3],
    );
    let call = || Attributes::Control(Control::call(FunctionId(0)).into());
    let f = graph(
        vec![g],
        2,
        vec![
            node(Op::Call, &[0, 1], call()),
            node(Op::Call, &[1, 0], call()),
            plain(Op::Multiply, &[2, 3]),
        ],
    );
    let (value, gradient, hessian) = all(&f, &[0.5, 3.0]);
    let (x, y): (f64, f64) = (0.5, 3.0);
    close(&[value], &[(x * y).powi(3)]);
    close(
        &gradient,
        &[3.0 * x * x * y.powi(3), 3.0 * y * y * x.powi(3)],
    );
    let mixed = 9.0 * x * x * y * y;
    close(
        &hessian,
        &[6.0 * x * y.powi(3), mixed, mixed, 6.0 * y * x.powi(3)],
    );
}

#[test]
fn a_client_may_give_the_derivative() {
    // g(x) = x², but its derivative is said to be 10 x: by tangents, and by cotangents.
    let square = |jvp: Option<u32>, vjp: Option<u32>| FunctionSource {
        custom_jvp: jvp.map(FunctionId),
        custom_vjp: vjp.map(FunctionId),
        ..function("g", &[scalar()], vec![plain(Op::Multiply, &[0, 0])], &[1])
    };
    // Of x, g(x) and a tangent or cotangent.
    let rule = function(
        "rule",
        &[scalar(), scalar(), scalar()],
        vec![
            number(10.0),
            plain(Op::Multiply, &[3, 0]),
            plain(Op::Multiply, &[4, 2]),
        ],
        &[5],
    );
    for own in [square(Some(1), None), square(None, Some(1))] {
        let call = Attributes::Control(Control::call(FunctionId(0)).into());
        let f = graph(vec![own, rule.clone()], 1, vec![node(Op::Call, &[0], call)]);
        let (value, gradient, hessian) = all(&f, &[3.0]);
        close(&[value, gradient[0], hessian[0]], &[9.0, 30.0, 10.0]);
    }
}

#[test]
fn a_scan_carries() {
    // c ← sin(c) · a, five times
    let step = function(
        "step",
        &[scalar(), scalar()],
        vec![plain(Op::Sin, &[0]), plain(Op::Multiply, &[2, 1])],
        &[3],
    );
    let scan = Attributes::Control(Control::scan(FunctionId(0), 5, 1, 0, false).into());
    let rolled = graph(vec![step], 2, vec![node(Op::Scan, &[0, 1], scan)]);
    let mut nodes = vec![];
    let mut carry = 0;
    for _ in 0..5 {
        let next = 2 + nodes.len() as u32;
        nodes.push(plain(Op::Sin, &[carry]));
        nodes.push(plain(Op::Multiply, &[next, 1]));
        carry = next + 1;
    }
    let unrolled = graph(vec![], 2, nodes);
    let (a, b) = (all(&rolled, &[0.7, 1.3]), all(&unrolled, &[0.7, 1.3]));
    close(&[a.0], &[b.0]);
    close(&a.1, &b.1);
    close(&a.2, &b.2);
}

#[test]
fn a_while_runs_until_it_is_done() {
    // Newton's square root of x, then times y.
    let condition = function(
        "far",
        &[scalar(), scalar()],
        vec![
            plain(Op::Multiply, &[0, 0]),
            plain(Op::Subtract, &[2, 1]),
            plain(Op::Abs, &[3]),
            number(1e-14),
            node(
                Op::Compare,
                &[4, 5],
                Attributes::Compare {
                    direction: Direction::Gt,
                },
            ),
        ],
        &[6],
    );
    let body = function(
        "newton",
        &[scalar(), scalar()],
        vec![
            plain(Op::Divide, &[1, 0]),
            plain(Op::Add, &[0, 2]),
            number(0.5),
            plain(Op::Multiply, &[3, 4]),
        ],
        &[5],
    );
    let control = Control::while_loop(FunctionId(0), FunctionId(1), 100);
    let f = graph(
        vec![condition, body],
        2,
        vec![
            node(Op::While, &[0, 0], Attributes::Control(control.into())),
            plain(Op::Multiply, &[2, 1]),
        ],
    );
    let (value, gradient, _) = all(&f, &[2.0, 3.0]);
    close(&[value], &[3.0 * 2f64.sqrt()]);
    close(&gradient, &[1.5 / 2f64.sqrt(), 2f64.sqrt()]);
}

/// xᵏ by recursion.
fn power(k: u32) -> Graph {
    // p(x, k) = k ≤ 0 ? 1 : x · p(x, k - 1): xᵏ
    let i64s = TensorType::new(DType::I64, []);
    let integer = |value: f64| {
        let tensor = Tensor::scalar(DType::I64, value);
        node(Op::Constant, &[], Attributes::Constant(tensor.into()))
    };
    let signature = [scalar(), i64s.clone()];
    let power = function(
        "power",
        &signature,
        vec![
            integer(0.0),
            node(
                Op::Compare,
                &[1, 2],
                Attributes::Compare {
                    direction: Direction::Gt,
                },
            ),
            node(
                Op::Cond,
                &[3, 0, 1],
                Attributes::Control(Control::cond(vec![FunctionId(1), FunctionId(2)]).into()),
            ),
        ],
        &[4],
    );
    let one = function("one", &signature, vec![number(1.0)], &[2]);
    let more = function(
        "more",
        &signature,
        vec![
            integer(1.0),
            plain(Op::Subtract, &[1, 2]),
            node(
                Op::Call,
                &[0, 3],
                Attributes::Control(Control::call(FunctionId(0)).into()),
            ),
            plain(Op::Multiply, &[0, 4]),
        ],
        &[5],
    );
    graph(
        vec![power, one, more],
        1,
        vec![
            integer(k as f64),
            node(
                Op::Call,
                &[0, 1],
                Attributes::Control(Control::call(FunctionId(0)).into()),
            ),
        ],
    )
}

#[test]
fn a_function_may_call_itself() {
    let f = power(4);
    let (value, gradient, hessian) = all(&f, &[1.5]);
    close(&[value], &[1.5f64.powi(4)]);
    close(&gradient, &[4.0 * 1.5f64.powi(3)]);
    close(&hessian, &[12.0 * 1.5f64.powi(2)]);
}

/// Calls that products of xᵏ need, their values right, within a budget of bytes for the rest.
fn calls_of(k: u32, product: &Product, mode: Mode, budget: u64) -> u64 {
    let (f, x) = (power(k), 1.01f64);
    let request = |memory_budget| Request {
        products: vec![Product::Value { outputs: vec![0] }, product.clone()],
        options: Options {
            mode: Some(mode),
            memory_budget,
            ..Options::default()
        },
        batched: None,
    };
    let least = compile(&f, &request(0)).unwrap().bytes(1);
    let program = compile(&f, &request(least + budget)).unwrap();
    let (x0, one) = (
        Tensor::scalar(DType::F64, x),
        Tensor::scalar(DType::F64, 1.0),
    );
    let seeds = match product {
        Product::Hvp { .. } => vec![one.as_ref()],
        _ => vec![],
    };
    let arguments = Arguments {
        inputs: vec![x0.as_ref()].into(),
        seeds: vec![vec![], seeds],
        batch: 1,
    };
    let mut scratch = Scratch::default();
    let found = program.evaluate(&arguments, &mut scratch, &Stop::default());
    let found = found.unwrap()[1][0].tensor.element(0);
    let n = f64::from(k);
    let want = match product {
        Product::Hvp { .. } => n * (n - 1.0) * x.powi(k as i32 - 2),
        _ => n * x.powi(k as i32 - 1),
    };
    assert!((found - want).abs() <= 1e-12 * want, "{found} for {want}");
    scratch.counts.calls
}

#[test]
fn derivatives_of_recursion_run_nothing_twice_at_each_level() {
    let gradient = Product::Gradient {
        output: 0,
        wrt: vec![0],
    };
    let hvp = Product::Hvp {
        output: 0,
        wrt: vec![0],
        directions: 0,
    };
    for product in [&gradient, &hvp] {
        for mode in [Mode::Forward, Mode::Reverse] {
            let calls = |k, budget| calls_of(k, product, mode, budget);
            let [few, many] = [200, 400].map(|k| calls(k, 1 << 24));
            assert!(
                many <= 2 * few,
                "{product:?} {mode:?}: {few}, then {many} calls"
            );
            // Power and its branch, and so many derivatives of both.
            assert!(few <= 2 * 201 * 6, "{product:?} {mode:?}: {few} calls");
            // Some room: less than with none, which takes as many times as it is deep.
            let [all, some, none] = [1 << 24, 12_000, 0].map(|budget| calls(60, budget));
            assert!(all < some && 3 * some < none, "{all} < {some} < {none}");
        }
    }
}

#[test]
fn derivatives_nest_without_confusion() {
    // g(x, y) = x · d/dy (x + y): d/dx of it is 1. Then d/dx (x · d/dy (x y)) = 2 x.
    let add = function(
        "add",
        &[scalar(), scalar()],
        vec![plain(Op::Add, &[0, 1])],
        &[2],
    );
    let times = function(
        "times",
        &[scalar(), scalar()],
        vec![plain(Op::Multiply, &[0, 1])],
        &[2],
    );
    for (f, want) in [(0, [1.0, 0.0]), (1, [3.0, 2.0])] {
        let derivative = Derivative {
            function: FunctionId(f),
            product: Product::Gradient {
                output: 0,
                wrt: vec![1],
            },
            directed: vec![],
            parameters: vec![],
            outputs: vec![],
            results: vec![],
        };
        let g = graph(
            vec![add.clone(), times.clone()],
            1,
            vec![
                number(0.25),
                node(
                    Op::Derivative,
                    &[0, 1],
                    Attributes::Derivative(derivative.into()),
                ),
                plain(Op::Multiply, &[0, 2]),
            ],
        );
        let (_, gradient, hessian) = all(&g, &[1.5]);
        close(&[gradient[0], hessian[0]], &want);
    }
}

#[test]
fn unrolled_repetition_is_rolled() {
    // y ← sin(y · x[i mod 10]) + 0.1 · x[(i + 3) mod 10], written out.
    let steps = 10_000;
    let mut builder = GraphBuilder::new("f", Limits::default());
    let x: Vec<ValueId> = (0..10)
        .map(|i| builder.input(format!("x{i}"), scalar()).unwrap())
        .collect();
    let mut y = x[0];
    for i in 0..steps {
        let mut push = |op, operands: &[ValueId], attributes| {
            builder.push(op, operands, attributes, "").unwrap()
        };
        let tenth = Attributes::Constant(Tensor::scalar(DType::F64, 0.1).into());
        let tenth = push(Op::Constant, &[], tenth);
        let product = push(Op::Multiply, &[y, x[i % 10]], Attributes::None);
        let sine = push(Op::Sin, &[product], Attributes::None);
        let other = push(Op::Multiply, &[tenth, x[(i + 3) % 10]], Attributes::None);
        y = push(Op::Add, &[sine, other], Attributes::None);
    }
    builder.output("y", y).unwrap();
    let f = builder.finish().unwrap();
    let at: Vec<f64> = (0..10).map(|i| 0.7 + 0.05 * f64::from(i)).collect();
    // By hand, forward.
    let (mut value, mut gradient) = (at[0], [0.0; 10]);
    gradient[0] = 1.0;
    for i in 0..steps {
        let (a, b) = (i % 10, (i + 3) % 10);
        let slope = (value * at[a]).cos();
        gradient.iter_mut().for_each(|g| *g *= slope * at[a]);
        gradient[a] += slope * value;
        gradient[b] += 0.1;
        value = (value * at[a]).sin() + 0.1 * at[b];
    }
    let request = |non_finite| Request {
        products: vec![
            Product::Value { outputs: vec![0] },
            Product::Gradient {
                output: 0,
                wrt: (0..10).collect(),
            },
        ],
        options: Options {
            non_finite,
            ..Options::default()
        },
        batched: None,
    };
    let rolled = compile(&f, &request(NonFinite::Return)).unwrap();
    // Who looks at every node gets every node.
    let unrolled = compile(&f, &request(NonFinite::Error)).unwrap();
    assert!(
        50 * rolled.code_bytes() < unrolled.code_bytes(),
        "{} of {} bytes",
        rolled.code_bytes(),
        unrolled.code_bytes()
    );
    let inputs: Vec<Tensor> = at.iter().map(|&x| Tensor::scalar(DType::F64, x)).collect();
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]; 2],
        batch: 1,
    };
    let [a, b] = [rolled, unrolled].map(|program| {
        let scratch = &mut Scratch::default();
        let blocks = program.evaluate(&arguments, scratch, &Stop::default());
        let blocks = blocks.unwrap();
        let all = blocks.iter().flatten();
        all.map(|b| b.tensor.element(0)).collect::<Vec<f64>>()
    });
    assert_eq!(a[0].to_bits(), value.to_bits());
    assert_eq!(b[0].to_bits(), value.to_bits());
    for (i, want) in gradient.iter().enumerate() {
        let bound = 1e-12 * want.abs();
        assert!((a[i + 1] - want).abs() <= bound, "{} {want}", a[i + 1]);
        assert!((b[i + 1] - want).abs() <= bound, "{} {want}", b[i + 1]);
    }
}

#[test]
fn what_never_ends_ends_with_an_error() {
    let evaluate = |graph: &Graph, stop: &Stop| {
        let request = Request {
            products: vec![Product::Gradient {
                output: 0,
                wrt: vec![0],
            }],
            options: Options::default(),
            batched: None,
        };
        let x = Tensor::scalar(DType::F64, 1.0);
        let arguments = Arguments {
            inputs: vec![x.as_ref()].into(),
            seeds: vec![vec![]],
            batch: 1,
        };
        let program = compile(graph, &request).unwrap();
        program
            .evaluate(&arguments, &mut Scratch::default(), stop)
            .unwrap_err()
    };
    // f(x) = x > 0 ? f(x + 1) : x, for which x > 0.
    let compare = Attributes::Compare {
        direction: Direction::Gt,
    };
    let above = |compare| vec![number(0.0), node(Op::Compare, &[0, 1], compare)];
    let again = Attributes::Control(Control::cond(vec![FunctionId(1), FunctionId(2)]).into());
    let mut nodes = above(compare.clone());
    nodes.push(node(Op::Cond, &[2, 0], again));
    let f = function("f", &[scalar()], nodes, &[3]);
    let stay = function("stay", &[scalar()], vec![], &[0]);
    let call = || Attributes::Control(Control::call(FunctionId(0)).into());
    let more = function(
        "more",
        &[scalar()],
        vec![
            number(1.0),
            plain(Op::Add, &[0, 1]),
            node(Op::Call, &[2], call()),
        ],
        &[3],
    );
    let endless = graph(
        vec![f, stay, more.clone()],
        1,
        vec![node(Op::Call, &[0], call())],
    );
    match evaluate(&endless, &Stop::default()) {
        crate::error::Error::Limit { name, .. } => assert_eq!(name, "max_depth"),
        other => panic!("{other:?}"),
    }
    // while x > 0: x + 1.
    let condition = function("above", &[scalar()], above(compare), &[2]);
    let body = function("more", &[scalar()], more.nodes[..2].to_vec(), &[2]);
    for (bound, name) in [(1000, "max_iterations"), (0, "")] {
        let control = Control::while_loop(FunctionId(0), FunctionId(1), bound);
        let control = Attributes::Control(control.into());
        let functions = vec![condition.clone(), body.clone()];
        let endless = graph(functions, 1, vec![node(Op::While, &[0], control)]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_millis(50);
        match evaluate(&endless, &Stop::new(Some(deadline))) {
            crate::error::Error::Limit { name: limit, .. } => assert_eq!(limit, name),
            crate::error::Error::Stopped(_) => assert_eq!(bound, 0),
            other => panic!("{other:?}"),
        }
    }
}

/// A sum of many terms, one by one: no loop is left of it, and no bit of it changes.
#[test]
fn an_unrolled_sum_is_summed_in_its_order() {
    let n = 500;
    let mut builder = GraphBuilder::new("sum", Limits::default());
    let x: Vec<ValueId> = (0..n)
        .map(|i| builder.input(format!("x{i}"), TensorType::f64([])).unwrap())
        .collect();
    let mut push =
        |op, operands: &[ValueId]| builder.push(op, operands, Attributes::None, "").unwrap();
    let mut total = None;
    for pair in x.windows(2) {
        let product = push(Op::Multiply, pair);
        let sine = push(Op::Sin, &[product]);
        let square = push(Op::Square, &[pair[1]]);
        let term = push(Op::Multiply, &[sine, square]);
        total = Some(total.map_or(term, |sum| push(Op::Add, &[sum, term])));
    }
    builder.output("f", total.unwrap()).unwrap();
    let graph = builder.finish().unwrap();
    let wrt: Vec<u32> = (0..n).collect();
    let request = |product| Request {
        products: vec![product],
        options: Options::default(),
        batched: None,
    };
    let point: Vec<f64> = (0..n).map(|i| (f64::from(i) * 0.37).sin() * 1e3).collect();
    let inputs: Vec<Tensor> = point
        .iter()
        .map(|&x| Tensor::scalar(DType::F64, x))
        .collect();
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let run = |product| {
        let program = compile(&graph, &request(product)).unwrap();
        let mut scratch = Scratch::default();
        let blocks = program
            .evaluate(&arguments, &mut scratch, &Stop::default())
            .unwrap();
        assert_eq!(scratch.counts.steps, 0, "{}", program.listing());
        let numbers = blocks[0].iter().map(|b| b.tensor.element(0));
        numbers.collect::<Vec<f64>>()
    };
    let term = |a: f64, b: f64| Op::Sin.value1(a * b) * (b * b);
    let want = point
        .windows(2)
        .map(|p| term(p[0], p[1]))
        .reduce(|a, b| a + b)
        .unwrap();
    assert_eq!(
        run(Product::Value { outputs: vec![0] })[0].to_bits(),
        want.to_bits()
    );
    let gradient = run(Product::Gradient { output: 0, wrt });
    for (i, got) in gradient.iter().enumerate() {
        let mut want = 0.0;
        if i + 1 < point.len() {
            let (a, b) = (point[i], point[i + 1]);
            want += (a * b).cos() * b * (b * b);
        }
        if i > 0 {
            let (a, b) = (point[i - 1], point[i]);
            want += (a * b).cos() * a * (b * b) + (a * b).sin() * 2.0 * b;
        }
        let close = got.is_finite() && (got - want).abs() <= 1e-9 * want.abs().max(1.0);
        assert!(close, "{i}: {got} against {want}");
    }
}
