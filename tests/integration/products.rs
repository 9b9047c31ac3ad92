//! Products: batches against loops, directions, several in one request, plans, derivative graphs.

use gradient_engine::{
    Arguments, Attributes, Block, DType, Graph, HvpMode, Layout, Mode, Op, Options, Product,
    Request, Scratch, Stop, StopReason, Tensor, TensorType, compile, differentiate,
};
use gradient_tests::engine::{
    Random, close, evaluate, gradient, hessian, numbers, request, tensor, value,
};
use gradient_tests::scenarios::{Draft, all};
use std::time::{Duration, Instant};

/// Σ (1 - x_i)² + 100 (x_{i+1} - x_i²)², as tensors.
fn rosenbrock(n: u64) -> Graph {
    let mut g = Draft::new("rosenbrock");
    let x = g.input("x", &[n]);
    let slice = |g: &mut Draft, a: u64, b: u64| {
        g.push(
            Op::Slice,
            &[x],
            Attributes::Slice {
                starts: vec![a],
                limits: vec![b],
                strides: vec![],
            },
        )
    };
    let (head, tail) = (slice(&mut g, 0, n - 1), slice(&mut g, 1, n));
    let (one, hundred) = (
        tensor(&TensorType::f64([]), &[1.0]),
        tensor(&TensorType::f64([]), &[100.0]),
    );
    let (one, hundred) = (g.constant(one), g.constant(hundred));
    let a = g.op(Op::Subtract, &[one, head]);
    let a = g.op(Op::Square, &[a]);
    let b = g.op(Op::Square, &[head]);
    let b = g.op(Op::Subtract, &[tail, b]);
    let b = g.op(Op::Square, &[b]);
    let b = g.op(Op::Multiply, &[hundred, b]);
    let sum = g.op(Op::Add, &[a, b]);
    let f = g.push(
        Op::ReduceSum,
        &[sum],
        Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        },
    );
    g.finish(f)
}

fn products(graph: &Graph) -> Vec<Product> {
    let (outputs, wrt) = (graph.float_outputs(), graph.float_inputs());
    vec![
        Product::Value {
            outputs: outputs.clone(),
        },
        Product::Jacobian {
            outputs,
            wrt,
            layout: Layout::Dense,
        },
        Product::Jvp { directions: 0 },
        Product::Vjp { directions: 0 },
        Product::Jvp { directions: 3 },
        Product::Vjp { directions: 2 },
    ]
}

/// Seeds for `products` at `batch` points.
fn seeds(graph: &Graph, products: &[Product], batch: u64, random: &mut Random) -> Vec<Vec<Tensor>> {
    let types = |k: u32, of: Vec<TensorType>, random: &mut Random| -> Vec<Tensor> {
        of.iter()
            .map(|ty| {
                let mut shape = vec![batch];
                shape.extend((k > 0).then_some(u64::from(k)));
                shape.extend(ty.shape.iter());
                random.tensor(&TensorType::new(ty.dtype, shape), (-1.0, 1.0))
            })
            .collect()
    };
    products
        .iter()
        .map(|product| match product {
            Product::Jvp { directions } => {
                let of = graph.float_inputs();
                let of = of
                    .iter()
                    .map(|&i| graph.inputs()[i as usize].ty.clone())
                    .collect();
                types(*directions, of, random)
            }
            Product::Vjp { directions } => {
                let of = graph.float_outputs();
                let of = of
                    .iter()
                    .map(|&o| graph.output_type(o as usize).clone())
                    .collect();
                types(*directions, of, random)
            }
            _ => vec![],
        })
        .collect()
}

fn run(
    graph: &Graph,
    products: &[Product],
    batched: Option<Vec<bool>>,
    inputs: &[Tensor],
    seeds: &[Vec<Tensor>],
    batch: u64,
) -> Vec<Vec<Block>> {
    let request = Request {
        products: products.to_vec(),
        options: Options::default(),
        batched,
    };
    let program = compile(graph, &request).expect("compile");
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: seeds
            .iter()
            .map(|s| s.iter().map(Tensor::as_ref).collect())
            .collect(),
        batch,
    };
    program
        .evaluate(&arguments, &mut Scratch::default(), &Stop::default())
        .expect("evaluate")
}

/// Row `point` of a tensor with a leading axis.
fn point_of(stack: &Tensor, point: usize) -> Tensor {
    let ty = TensorType::new(stack.ty().dtype, &stack.ty().shape[1..]);
    let bytes = ty.bytes() as usize;
    Tensor::from_raw(ty, stack.raw()[point * bytes..(point + 1) * bytes].to_vec()).expect("row")
}

fn stack(points: &[Tensor]) -> Tensor {
    let mut shape = vec![points.len() as u64];
    shape.extend(points[0].ty().shape.iter());
    let raw = points.iter().flat_map(|p| p.raw().to_vec()).collect();
    Tensor::from_raw(TensorType::new(points[0].ty().dtype, shape), raw).expect("stack")
}

/// Every scenario, every product, alone and together, input 0 batched or all: the batch is the loop.
#[test]
fn a_batch_is_a_loop() {
    const B: u64 = 37;
    for scenario in all() {
        let graph = &scenario.graph;
        let mut random = Random(u64::from(scenario.op.number()) + 9);
        let everything = products(graph);
        let mut requests: Vec<Vec<Product>> = everything.iter().map(|p| vec![p.clone()]).collect();
        requests.push(everything);
        for products in requests {
            for shared in [false, true] {
                let points: Vec<Vec<Tensor>> =
                    (0..B).map(|_| scenario.point(&mut random)).collect();
                let n = graph.inputs().len();
                let batched: Vec<bool> = (0..n).map(|i| i == 0 || !shared).collect();
                let inputs: Vec<Tensor> = (0..n)
                    .map(|i| match batched[i] {
                        true => stack(&points.iter().map(|p| p[i].clone()).collect::<Vec<_>>()),
                        false => points[0][i].clone(),
                    })
                    .collect();
                let seeds = seeds(graph, &products, B, &mut random);
                let together = run(graph, &products, Some(batched.clone()), &inputs, &seeds, B);
                for point in [0, 1, 31, 32, 36] {
                    let own: Vec<Tensor> = (0..n)
                        .map(|i| points[if batched[i] { point } else { 0 }][i].clone())
                        .collect();
                    let own_seeds: Vec<Vec<Tensor>> = seeds
                        .iter()
                        .map(|s| s.iter().map(|t| point_of(t, point)).collect())
                        .collect();
                    let alone = run(graph, &products, None, &own, &own_seeds, 1);
                    for (t, a) in together.iter().flatten().zip(alone.iter().flatten()) {
                        let t = point_of(&t.tensor, point);
                        assert_eq!(t.ty(), a.tensor.ty());
                        if scenario.op == Op::DotGeneral {
                            for (t, a) in t.to_f64().iter().zip(a.tensor.to_f64()) {
                                assert!(close(*t, a, 1e-14), "{}: {t} against {a}", scenario.name);
                            }
                        } else {
                            assert_eq!(
                                t.raw(),
                                a.tensor.raw(),
                                "{} point {point} {products:?}",
                                scenario.name
                            );
                        }
                    }
                }
            }
        }
    }
}

/// k directions are k single ones; J·e_i are the Jacobian's columns.
#[test]
fn directions_are_single_directions() {
    for scenario in all() {
        let graph = &scenario.graph;
        let mut random = Random(3);
        let x = scenario.point(&mut random);
        for (many, one) in [
            (
                Product::Jvp { directions: 40 },
                Product::Jvp { directions: 0 },
            ),
            (
                Product::Vjp { directions: 40 },
                Product::Vjp { directions: 0 },
            ),
        ] {
            let stacks: Vec<Tensor> = seeds(graph, std::slice::from_ref(&many), 1, &mut random)[0]
                .iter()
                .map(|t| point_of(t, 0))
                .collect();
            let all = evaluate(graph, many, Options::default(), &x, &stacks).expect("directions");
            for k in [0, 33, 39] {
                let own: Vec<Tensor> = stacks.iter().map(|s| point_of(s, k)).collect();
                let single = evaluate(graph, one.clone(), Options::default(), &x, &own)
                    .expect("one direction");
                for (a, s) in all.iter().zip(&single) {
                    for (a, s) in point_of(&a.tensor, k)
                        .to_f64()
                        .iter()
                        .zip(s.tensor.to_f64())
                    {
                        assert!(close(*a, s, 1e-14), "{}: {a} against {s}", scenario.name);
                    }
                }
            }
        }
    }
}

#[test]
fn rosenbrock_against_its_closed_form() {
    let n = 40;
    let graph = rosenbrock(n);
    let mut random = Random(4);
    let x = random.tensor(&TensorType::f64([n]), (-1.5, 1.5));
    let v = x.to_f64();
    let n = n as usize;
    let mut g = vec![0.0; n];
    let mut h = vec![0.0; n * n];
    for i in 0..n - 1 {
        let (a, b) = (v[i], v[i + 1]);
        g[i] += -2.0 * (1.0 - a) - 400.0 * a * (b - a * a);
        g[i + 1] += 200.0 * (b - a * a);
        h[i * n + i] += 2.0 - 400.0 * b + 1200.0 * a * a;
        h[i * n + i + 1] -= 400.0 * a;
        h[(i + 1) * n + i] -= 400.0 * a;
        h[(i + 1) * n + i + 1] += 200.0;
    }
    let x = [x];
    for (got, want) in gradient(&graph, &x).iter().zip(&g) {
        assert!(close(*got, *want, 1e-12), "{got} against {want}");
    }
    for (got, want) in hessian(&graph, &x).iter().zip(&h) {
        assert!(close(*got, *want, 1e-12), "{got} against {want}");
    }
}

#[test]
fn the_mode_follows_the_shape_and_says_so() {
    let plan = |graph: &Graph, mode: Option<Mode>| {
        let product = Product::Jacobian {
            outputs: vec![0],
            wrt: vec![0],
            layout: Layout::Dense,
        };
        let options = Options {
            mode,
            ..Options::default()
        };
        compile(graph, &request(product, options))
            .expect("compile")
            .plans()[0]
            .clone()
    };
    let map = |n: u64, m: u64| {
        let mut g = Draft::new("map");
        let x = g.input("x", &[n]);
        let ones = tensor(&TensorType::f64([m, n]), &vec![1.0; (m * n) as usize]);
        let a = g.constant(ones);
        let dims = gradient_engine::DotDimensions {
            lhs_contracting: vec![1],
            rhs_contracting: vec![0],
            ..Default::default()
        };
        let y = g.push(Op::DotGeneral, &[a, x], Attributes::DotGeneral(dims));
        let y = g.op(Op::Sin, &[y]);
        g.finish(y)
    };
    let wide = plan(&rosenbrock(1000), None);
    assert_eq!((wide.mode, wide.sweeps), (Some(Mode::Reverse), 1));
    assert_eq!(
        wide.reason,
        "reverse: 1 output, 1000 inputs; 1 sweep instead of 1000"
    );
    let tall = plan(&map(2, 300), None);
    assert_eq!(
        (tall.mode, tall.sweeps),
        (Some(Mode::Forward), 2),
        "{}",
        tall.reason
    );
    let forced = plan(&map(2, 300), Some(Mode::Reverse));
    assert_eq!((forced.mode, forced.sweeps), (Some(Mode::Reverse), 300));
    assert!(forced.reason.contains("asked for"), "{}", forced.reason);
    let square = plan(&map(1, 1), None);
    assert_eq!(
        square.mode,
        Some(Mode::Forward),
        "ties go forward: {}",
        square.reason
    );
    // Inputs that no output depends on do not count.
    let mut g = Draft::new("idle");
    let (_, x) = (g.input("idle", &[500]), g.input("x", &[2]));
    let y = g.op(Op::Sin, &[x]);
    let idle = g.finish(y);
    let product = Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0, 1],
        layout: Layout::Dense,
    };
    let program = compile(&idle, &request(product, Options::default())).expect("compile");
    assert_eq!(program.plans()[0].live_inputs, 2);
    assert_eq!(program.plans()[0].sweeps, 2);
}

/// Value, gradient and Hessian of one request compute the primal once: together they cost less than apart.
#[test]
fn products_share_the_primal() {
    let graph = rosenbrock(50);
    let wrt = vec![0];
    let value = Product::Value { outputs: vec![0] };
    let gradient = Product::Gradient {
        output: 0,
        wrt: wrt.clone(),
    };
    let hvp = Product::Hvp {
        output: 0,
        wrt,
        directions: 0,
    };
    let cost = |products: Vec<Product>| {
        let request = Request {
            products,
            options: Options::default(),
            batched: None,
        };
        compile(&graph, &request).expect("compile").operations()
    };
    let apart = cost(vec![value.clone()]) + cost(vec![gradient.clone()]) + cost(vec![hvp.clone()]);
    let together = cost(vec![value.clone(), gradient.clone(), hvp]);
    assert!(
        together + cost(vec![value.clone()]) < apart,
        "{together} together, {apart} apart"
    );
    let both = cost(vec![value.clone(), gradient.clone()]);
    assert!(both <= cost(vec![gradient]) + cost(vec![value]), "{both}");
}

/// The derivative as a graph, evaluated, equals the derivative; and it can be differentiated again.
#[test]
fn derivative_graphs_evaluate_to_the_derivative() {
    for scenario in all() {
        let graph = &scenario.graph;
        let mut random = Random(8);
        let x = scenario.point(&mut random);
        for product in products(graph) {
            let seeds: Vec<Tensor> = seeds(graph, std::slice::from_ref(&product), 1, &mut random)
                [0]
            .iter()
            .map(|t| point_of(t, 0))
            .collect();
            let want =
                evaluate(graph, product.clone(), Options::default(), &x, &seeds).expect("product");
            let (derivative, _) =
                differentiate(graph, &product, &Options::default()).expect("differentiate");
            let inputs: Vec<Tensor> = x.iter().chain(&seeds).cloned().collect();
            let got = value(&derivative, &inputs);
            assert_eq!(got.len(), numbers(&want).len(), "{}", scenario.name);
            for (got, want) in got.iter().zip(numbers(&want)) {
                assert!(
                    close(*got, want, 1e-13),
                    "{} {product:?}: {got} against {want}",
                    scenario.name
                );
            }
        }
    }
}

/// An input of several elements that does not matter has no directions of its own.
#[test]
fn a_derivative_as_a_graph_is_zero_where_an_input_does_not_matter() {
    let mut g = Draft::new("sine");
    let x = g.input("x", &[]);
    g.input("unused", &[7]);
    let y = g.op(Op::Sin, &[x]);
    let graph = g.finish(y);
    let product = Product::Gradient {
        output: 0,
        wrt: vec![0, 1],
    };
    let inputs = [
        tensor(&TensorType::f64([]), &[0.7]),
        tensor(&TensorType::f64([7]), &[1.0; 7]),
    ];
    for mode in [Mode::Forward, Mode::Reverse] {
        let options = Options {
            mode: Some(mode),
            ..Options::default()
        };
        let (derivative, _) = differentiate(&graph, &product, &options).expect("differentiate");
        let found = value(&derivative, &inputs);
        assert!(close(found[0], 0.7f64.cos(), 1e-15), "{found:?}");
        assert_eq!(found[1..], [0.0; 7]);
    }
}

#[test]
fn third_order_by_composition() {
    // f = sin(x): f''' = -cos(x).
    let mut g = Draft::new("sine");
    let x = g.input("x", &[]);
    let y = g.op(Op::Sin, &[x]);
    let mut graph = g.finish(y);
    for _ in 0..3 {
        let product = Product::Gradient {
            output: 0,
            wrt: vec![0],
        };
        graph = differentiate(&graph, &product, &Options::default())
            .expect("differentiate")
            .0;
    }
    let at = tensor(&TensorType::f64([]), &[0.7]);
    assert!(close(value(&graph, &[at])[0], -0.7f64.cos(), 1e-15));
}

#[test]
fn f32_agrees_with_f64_to_its_precision() {
    let build = |dtype: DType| {
        let mut g = Draft::new("mixed");
        let x = g.0.input("x", TensorType::new(dtype, [5])).expect("input");
        let e = g.op(Op::Exp, &[x]);
        let s = g.op(Op::Sin, &[e]);
        let p = g.op(Op::Multiply, &[s, x]);
        let f = g.push(
            Op::ReduceSum,
            &[p],
            Attributes::Reduce {
                axes: vec![],
                keep_dims: false,
            },
        );
        g.finish(f)
    };
    let numbers = [0.1, -0.4, 0.9, 1.3, -2.0];
    let (wide, narrow) = (build(DType::F64), build(DType::F32));
    let x = tensor(&TensorType::f64([5]), &numbers);
    let y = tensor(&TensorType::new(DType::F32, [5]), &numbers);
    for (w, n) in gradient(&wide, &[x]).iter().zip(gradient(&narrow, &[y])) {
        assert!(close(n, *w, 3e-6), "{n} against {w}");
    }
}

#[test]
fn an_evaluation_stops_soon_after_its_deadline() {
    // 10^11 multiply-adds would take most of a minute.
    let mut g = Draft::new("heavy");
    let x = g.input("x", &[2000, 2000]);
    let dims = || {
        Attributes::DotGeneral(gradient_engine::DotDimensions {
            lhs_contracting: vec![1],
            rhs_contracting: vec![0],
            ..Default::default()
        })
    };
    let mut y = x;
    for _ in 0..12 {
        y = g.push(Op::DotGeneral, &[y, x], dims());
    }
    let graph = g.finish(y);
    let program = compile(
        &graph,
        &request(Product::Value { outputs: vec![0] }, Options::default()),
    )
    .expect("compile");
    let x = tensor(&TensorType::f64([2000, 2000]), &vec![1e-3; 4_000_000]);
    let arguments = Arguments {
        inputs: vec![x.as_ref()].into(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let stop = Stop::new(Some(Instant::now() + Duration::from_millis(20)));
    let begin = Instant::now();
    let result = program.evaluate(&arguments, &mut Scratch::default(), &stop);
    assert_eq!(
        result,
        Err(gradient_engine::Error::Stopped(StopReason::Deadline))
    );
    // Not the 10 ms promise, which a bench measures: only that it did not run to its end.
    assert!(begin.elapsed() < Duration::from_secs(5));
    let stop = Stop::default();
    stop.cancel();
    let cancelled = program.evaluate(&arguments, &mut Scratch::default(), &stop);
    assert_eq!(
        cancelled,
        Err(gradient_engine::Error::Stopped(StopReason::Cancelled))
    );
}

#[test]
fn hvp_modes_are_reported() {
    let graph = rosenbrock(10);
    for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
        let product = Product::Hvp {
            output: 0,
            wrt: vec![0],
            directions: 2,
        };
        let options = Options {
            hvp_mode: Some(mode),
            ..Options::default()
        };
        let program = compile(&graph, &request(product, options)).expect("compile");
        assert_eq!(program.plans()[0].hvp_mode, Some(mode));
        assert_eq!(program.plans()[0].sweeps, 2);
    }
}

/// Σ ((x - m)·A)², m the same for all rows: its derivative is one product, not one for each row.
#[test]
fn a_cotangent_is_summed_up_before_it_is_multiplied() {
    let (n, k, m) = (50, 4, 3);
    for batched in [false, true] {
        let lead: &[u64] = if batched { &[2] } else { &[] };
        let shape = |own: &[u64]| [lead, own].concat();
        let mut g = Draft::new("centred");
        let (x, mean) = (g.input("x", &shape(&[n, k])), g.input("m", &shape(&[k])));
        let a = g.input("a", &shape(&[k, m]));
        let first = lead.len() as u32;
        let spread = Attributes::BroadcastInDim {
            shape: shape(&[n, k]),
            dimensions: (0..first).chain([first + 1]).collect(),
        };
        let spread = g.push(Op::BroadcastInDim, &[mean], spread);
        let centred = g.op(Op::Subtract, &[x, spread]);
        let dims = gradient_engine::DotDimensions {
            lhs_contracting: vec![first + 1],
            rhs_contracting: vec![first],
            lhs_batch: (0..first).collect(),
            rhs_batch: (0..first).collect(),
        };
        let y = g.push(Op::DotGeneral, &[centred, a], Attributes::DotGeneral(dims));
        let square = g.op(Op::Square, &[y]);
        let (axes, keep_dims) = (vec![], false);
        let f = g.push(
            Op::ReduceSum,
            &[square],
            Attributes::Reduce { axes, keep_dims },
        );
        let graph = g.finish(f);
        let product = Product::Gradient {
            output: 0,
            wrt: vec![1],
        };
        let program = compile(&graph, &request(product, Options::default())).unwrap();
        let listing = program.listing();
        let products = listing.lines().filter(|line| line.contains("dot_general"));
        let points = if batched { 2 } else { 1 };
        let sizes: Vec<&str> = products
            .map(|line| line.rsplit(' ').next().unwrap())
            .collect();
        let want = [points * n * m, points * k].map(|size| size.to_string());
        assert_eq!(sizes, want, "{listing}");
        let random = &mut Random(7);
        let inputs: Vec<Tensor> = (graph.inputs().iter())
            .map(|input| random.tensor(&input.ty, (-1.0, 1.0)))
            .collect();
        let arguments = Arguments {
            inputs: inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]],
            batch: 1,
        };
        let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
        let got = blocks.unwrap()[0][0].tensor.to_f64();
        let [x, mean, a] = [0, 1, 2].map(|i| inputs[i].to_f64());
        let (n, k, m) = (n as usize, k as usize, m as usize);
        for p in 0..points as usize {
            for e in 0..k {
                let mut want = 0.0;
                for row in 0..n {
                    for column in 0..m {
                        let entry = |e: usize| a[(p * k + e) * m + column];
                        let own = |e: usize| x[(p * n + row) * k + e] - mean[p * k + e];
                        let y: f64 = (0..k).map(|e| own(e) * entry(e)).sum();
                        want -= 2.0 * y * entry(e);
                    }
                }
                let got = got[p * k + e];
                assert!(close(got, want, 1e-12), "{p} {e}: {got} against {want}");
            }
        }
    }
}
