//! What the planner's choice costs against the best choice that a request can force: graphs × shapes × products, one
//! core, medians of interleaved runs. `cargo bench -p gradient-tests --bench regret`

use gradient_engine::{
    Arguments, Attributes, Control, DotDimensions, FunctionId, Graph, HvpMode, Layout, Mode, Op,
    Options, Product, Program, Request, Scratch, Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::engine::{Random, tensor};
use gradient_tests::functions::{FunctionBuilder, Write, number, tuple_function};
use gradient_tests::scenarios::Draft;
use std::time::{Duration, Instant};

/// Rounds in which every way runs once.
const ROUNDS: usize = 15;

/// A measurement runs at least so long.
const EACH: Duration = Duration::from_millis(2);

/// In so many of 100 cases the choice takes at most `USUAL` of the best time, and always at most `MOST`.
const SHARE: f64 = 0.95;
const USUAL: f64 = 1.15;
const MOST: f64 = 1.5;

struct Case {
    name: String,
    graph: Graph,
    product: Product,
}

fn main() {
    let cases = cases();
    println!(
        "{:<34} {:<12} {:>10} {:>7}  {:<22} others",
        "graph", "product", "chosen us", "regret", "best"
    );
    let mut regrets = Vec::new();
    for case in &cases {
        regrets.push(measure(case));
    }
    regrets.sort_by(f64::total_cmp);
    let at = |share: f64| {
        regrets[((regrets.len() as f64 * share).ceil() as usize).clamp(1, regrets.len()) - 1]
    };
    let usual = regrets.iter().filter(|&&r| r <= USUAL).count();
    println!(
        "\n{} cases: median {:.2}, 95 % {:.2}, most {:.2}; {usual} within {USUAL}",
        regrets.len(),
        at(0.5),
        at(SHARE),
        at(1.0)
    );
    let holds = at(SHARE) <= USUAL && at(1.0) <= MOST;
    println!(
        "{}: {:.0} % of the cases within {USUAL}, all within {MOST}",
        if holds { "holds" } else { "FALLS SHORT" },
        SHARE * 100.0
    );
    assert!(regrets.len() >= 60, "a table of 60 cases at least");
}

/// The ways that a request can ask for.
fn ways(product: &Product) -> Vec<(&'static str, Options)> {
    let mode = |mode| Options {
        mode: Some(mode),
        ..Options::default()
    };
    let hvp = |hvp_mode| Options {
        hvp_mode: Some(hvp_mode),
        ..Options::default()
    };
    match product {
        Product::Hvp { .. } | Product::Hessian { .. } => vec![
            ("reverse over forward", hvp(HvpMode::ReverseOverForward)),
            ("forward over reverse", hvp(HvpMode::ForwardOverReverse)),
        ],
        _ => vec![
            ("forward", mode(Mode::Forward)),
            ("reverse", mode(Mode::Reverse)),
            ("mixed", mode(Mode::Mixed)),
        ],
    }
}

fn measure(case: &Case) -> f64 {
    let request = |options| Request {
        products: vec![case.product.clone()],
        options,
        batched: None,
    };
    let mut programs: Vec<(&str, Program)> = Vec::new();
    let chosen = compile(&case.graph, &request(Options::default())).expect("compiles");
    let reason = chosen.plans()[0].reason.clone();
    programs.push(("chosen", chosen));
    for (name, options) in ways(&case.product) {
        // Not everything can be mixed.
        if let Ok(program) = compile(&case.graph, &request(options)) {
            programs.push((name, program));
        }
    }
    let mut random = Random(5);
    let inputs: Vec<Tensor> = (case.graph.inputs().iter())
        .map(|i| random.tensor(&i.ty, (0.2, 0.9)))
        .collect();
    let seeds: Vec<Tensor> = match &case.product {
        Product::Hvp {
            directions, wrt, ..
        } => (wrt.iter())
            .map(|&w| {
                let ty = &case.graph.inputs()[w as usize].ty;
                let lead = (*directions > 0).then_some(u64::from(*directions));
                let shape: Vec<u64> = lead.into_iter().chain(ty.shape.iter().copied()).collect();
                random.tensor(&TensorType::new(ty.dtype, shape), (-1.0, 1.0))
            })
            .collect(),
        _ => vec![],
    };
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
        batch: 1,
    };
    let stop = Stop::default();
    let mut scratch: Vec<Scratch> = programs.iter().map(|_| Scratch::default()).collect();
    let mut run = |k: usize, times: u32| {
        let begin = Instant::now();
        for _ in 0..times {
            let found = programs[k].1.evaluate(&arguments, &mut scratch[k], &stop);
            std::hint::black_box(&found.expect("evaluates"));
        }
        begin.elapsed()
    };
    let times: Vec<u32> = (0..programs.len())
        .map(|k| {
            run(k, 3);
            // The shortest: one that was interrupted would have each round begin with cold caches.
            let once = (0..5).map(|_| run(k, 3) / 3).min().unwrap_or_default();
            (EACH.as_nanos() / once.as_nanos().max(1)).clamp(1, 100_000) as u32
        })
        .collect();
    let mut took = vec![Vec::new(); programs.len()];
    for round in 0..ROUNDS {
        for k in 0..programs.len() {
            // The order changes, so that nobody always follows the same one.
            let k = (k + round) % programs.len();
            took[k].push(run(k, times[k]).as_secs_f64() * 1e6 / f64::from(times[k]));
        }
    }
    let medians: Vec<f64> = took
        .iter_mut()
        .map(|t| {
            t.sort_by(f64::total_cmp);
            t[t.len() / 2]
        })
        .collect();
    let best = (1..medians.len())
        .min_by(|&a, &b| medians[a].total_cmp(&medians[b]))
        .expect("a way can be forced");
    let regret = medians[0] / medians[best].min(medians[0]);
    let product = match &case.product {
        Product::Gradient { .. } => "gradient".into(),
        Product::Hessian { .. } => "hessian".into(),
        Product::Hvp { directions, .. } => format!("hvp × {}", (*directions).max(1)),
        _ => "jacobian".to_string(),
    };
    let others: Vec<String> = (1..medians.len())
        .map(|k| format!("{} {:.1}", programs[k].0, medians[k]))
        .collect();
    println!(
        "{:<34} {product:<12} {:>10.1} {regret:>7.2}  {:<22} {}{}",
        case.name,
        medians[0],
        programs[best].0,
        others.join(", "),
        if regret > USUAL {
            format!("\n    {reason}")
        } else {
            String::new()
        },
    );
    regret
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let jacobian = |graph: &Graph| Product::Jacobian {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        layout: Layout::Dense,
    };
    let mut push = |name: String, graph: Graph, product: Product| {
        all.push(Case {
            name,
            graph,
            product,
        });
    };
    let sizes = [
        (4, 4),
        (8, 4),
        (4, 8),
        (3, 9),
        (12, 4),
        (30, 10),
        (10, 30),
        (64, 64),
        (40, 80),
    ];
    for (n, m) in sizes {
        let graph = layer(n, m);
        push(format!("layer {n} to {m}"), graph.clone(), jacobian(&graph));
    }
    for (n, h, m) in [
        (5, 50, 5),
        (20, 100, 10),
        (10, 100, 20),
        (2, 200, 6),
        (60, 30, 30),
    ] {
        let graph = perceptron(n, h, m, false);
        push(
            format!("perceptron {n}, {h}, {m}"),
            graph.clone(),
            jacobian(&graph),
        );
    }
    for (n, m, k) in [
        (2, 2, 50),
        (4, 4, 400),
        (3, 6, 400),
        (6, 3, 400),
        (12, 4, 2000),
        (4, 12, 2000),
        (20, 25, 2000),
    ] {
        let graph = scalars(n, m, k);
        push(
            format!("{k} scalars, {n} to {m}"),
            graph.clone(),
            jacobian(&graph),
        );
    }
    for (parameters, points) in [(2, 3), (3, 20), (3, 200), (8, 8), (8, 20)] {
        let graph = residuals(parameters, points, false);
        push(
            format!("{points} residuals, {parameters} parameters"),
            graph.clone(),
            jacobian(&graph),
        );
    }
    for (steps, m) in [(50, 1), (50, 2), (50, 3), (2000, 3)] {
        let graph = lorenz(steps, m);
        push(
            format!("lorenz, {steps} steps, {m} outputs"),
            graph.clone(),
            jacobian(&graph),
        );
    }
    for n in [4, 10, 30] {
        let graph = softmax(n);
        push(format!("softmax {n}"), graph.clone(), jacobian(&graph));
        let graph = system(n);
        push(
            format!("linear system {n}"),
            graph.clone(),
            jacobian(&graph),
        );
        let graph = attention(n);
        push(format!("attention {n}"), graph.clone(), jacobian(&graph));
    }
    for n in [50, 1000] {
        let graph = neighbours(n);
        push(format!("differences {n}"), graph.clone(), jacobian(&graph));
        let graph = arrow(n);
        push(format!("arrow {n}"), graph.clone(), jacobian(&graph));
    }
    let gradient = |n: usize| Product::Gradient {
        output: 0,
        wrt: (0..n as u32).collect(),
    };
    let scalar_functions = || {
        vec![
            ("least squares, 3 of 5".to_string(), residuals(3, 5, true)),
            ("least squares, 3 of 100".into(), residuals(3, 100, true)),
            ("least squares, 8 of 100".into(), residuals(8, 100, true)),
            ("perceptron loss 4, 20".into(), perceptron(4, 20, 3, true)),
            ("perceptron loss 20, 60".into(), perceptron(20, 60, 3, true)),
            ("rosenbrock 10".into(), rosenbrock(10)),
            ("rosenbrock 100".into(), rosenbrock(100)),
            ("300 scalars, 1 to 1".into(), scalars(1, 1, 300)),
            ("300 scalars, 2 to 1".into(), scalars(2, 1, 300)),
            ("300 scalars, 5 to 1".into(), scalars(5, 1, 300)),
        ]
    };
    for (name, graph) in scalar_functions() {
        let wrt = graph.inputs().len();
        push(name, graph, gradient(wrt));
    }
    for (name, graph) in scalar_functions() {
        let wrt: Vec<u32> = graph.float_inputs();
        let hvp = |directions| Product::Hvp {
            output: 0,
            wrt: wrt.clone(),
            directions,
        };
        push(name.clone(), graph.clone(), hvp(0));
        push(name.clone(), graph.clone(), hvp(8));
        let hessian = Product::Hessian {
            output: 0,
            wrt: wrt.clone(),
            layout: Layout::Dense,
        };
        push(name, graph, hessian);
    }
    all
}

fn weights(g: &mut Draft, shape: &[u64]) -> ValueId {
    let ty = TensorType::f64(shape);
    let count = ty.elements();
    let numbers: Vec<f64> = (0..count)
        .map(|i| ((i * 7919 % 101) as f64 - 50.0) / 60.0)
        .collect();
    g.constant(tensor(&ty, &numbers))
}

/// A [.., k] × [k, ..], both of rank 2 or less.
fn dot(g: &mut Draft, a: ValueId, b: ValueId, left: u32) -> ValueId {
    let dimensions = DotDimensions {
        lhs_contracting: vec![left],
        rhs_contracting: vec![0],
        lhs_batch: vec![],
        rhs_batch: vec![],
    };
    g.push(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dimensions))
}

/// tanh(W x)
fn layer(n: u64, m: u64) -> Graph {
    let mut g = Draft::new("layer");
    let x = g.input("x", &[n]);
    let w = weights(&mut g, &[m, n]);
    let y = dot(&mut g, w, x, 1);
    let y = g.op(Op::Tanh, &[y]);
    g.finish(y)
}

/// V sin(W x), or the sum of its squares.
fn perceptron(n: u64, h: u64, m: u64, loss: bool) -> Graph {
    let mut g = Draft::new("perceptron");
    let x = g.input("x", &[n]);
    let w = weights(&mut g, &[h, n]);
    let y = dot(&mut g, w, x, 1);
    let y = g.op(Op::Sin, &[y]);
    let v = weights(&mut g, &[m, h]);
    let y = dot(&mut g, v, y, 1);
    let y = g.op(Op::Tanh, &[y]);
    if !loss {
        return g.finish(y);
    }
    let y = g.mul(y, y);
    let y = g.sum(y);
    g.finish(y)
}

/// A recurrence of scalars, its last m values.
fn scalars(n: usize, m: usize, k: usize) -> Graph {
    let mut g = Draft::new("scalars");
    let mut values: Vec<ValueId> = (0..n).map(|i| g.input(&format!("x{i}"), &[])).collect();
    for t in 0..k {
        let last = values[values.len() - 1];
        // No two blocks look alike: nothing is rolled.
        let other = values[(t * t * 31 + t / 7) % values.len()];
        let product = g.mul(last, other);
        let turned = g.op(if t % 3 == 0 { Op::Sin } else { Op::Tanh }, &[product]);
        let input = values[t % n];
        let next = g.add(turned, input);
        values.push(next);
    }
    let ends = values[values.len() - m..].to_vec();
    if m == 1 {
        return g.finish(ends[0]);
    }
    stacked(g, &ends)
}

fn stacked(mut g: Draft, ends: &[ValueId]) -> Graph {
    let rows: Vec<ValueId> = (ends.iter())
        .map(|&v| g.push(Op::Reshape, &[v], Attributes::Reshape { shape: vec![1] }))
        .collect();
    let y = match rows[..] {
        [row] => row,
        _ => g.push(
            Op::Concatenate,
            &rows,
            Attributes::Concatenate { dimension: 0 },
        ),
    };
    g.finish(y)
}

/// Σ_j p_j exp(-p_{j+1} t) + … at so many t, or the sum of squares.
fn residuals(parameters: usize, points: u64, loss: bool) -> Graph {
    let mut g = Draft::new("residuals");
    let p: Vec<ValueId> = (0..parameters)
        .map(|i| g.input(&format!("p{i}"), &[]))
        .collect();
    let t = weights(&mut g, &[points]);
    let mut sum = weights(&mut g, &[points]);
    for pair in p.windows(2) {
        let rate = g.mul(pair[1], t);
        let rate = g.op(Op::Negate, &[rate]);
        let decay = g.op(Op::Exp, &[rate]);
        let term = g.mul(pair[0], decay);
        sum = g.add(sum, term);
    }
    if !loss {
        return g.finish(sum);
    }
    let square = g.mul(sum, sum);
    let y = g.sum(square);
    g.finish(y)
}

/// Lorenz's equations by Euler steps in a scan, from start and parameters to the first m of the state.
fn lorenz(steps: u64, m: usize) -> Graph {
    let n = number;
    let step = tuple_function(
        "step",
        [n(), n(), n(), n(), n(), n()],
        |f: &mut FunctionBuilder, [x, y, z, s, r, b]| {
            let h = 0.002;
            let dx = f.sub(y, x);
            let dx = f.mul(s, dx);
            let dy = f.sub(r, z);
            let dy = f.mul(x, dy);
            let dy = f.sub(dy, y);
            let xy = f.mul(x, y);
            let bz = f.mul(b, z);
            let dz = f.sub(xy, bz);
            [(x, dx), (y, dy), (z, dz)]
                .map(|(v, d)| {
                    let d = f.scale(h, d);
                    f.add(v, d)
                })
                .to_vec()
        },
    );
    let mut g = Draft::new("lorenz");
    g.functions(vec![step]);
    let x: Vec<ValueId> = (0..6).map(|i| g.input(&format!("x{i}"), &[])).collect();
    let scan = Control::scan(FunctionId(0), steps, 3, 0, false);
    let end = g.control(scan, &x, 3);
    stacked(g, &end[..m])
}

fn softmax(n: u64) -> Graph {
    let mut g = Draft::new("softmax");
    let x = g.input("x", &[n]);
    let y = g.op(Op::Exp, &[x]);
    let sum = g.sum(y);
    let y = g.div(y, sum);
    g.finish(y)
}

/// (x xᵀ / n + 2 I)⁻¹ b
fn system(n: u64) -> Graph {
    let mut g = Draft::new("system");
    let x = g.input("x", &[n]);
    let row = g.push(Op::Reshape, &[x], Attributes::Reshape { shape: vec![1, n] });
    let column = g.push(Op::Reshape, &[x], Attributes::Reshape { shape: vec![n, 1] });
    let a = dot(&mut g, column, row, 1);
    let a = g.scale(1.0 / n as f64, a);
    let eye: Vec<f64> = (0..n * n)
        .map(|i| if i % (n + 1) == 0 { 2.0 } else { 0.0 })
        .collect();
    let eye = g.constant(tensor(&TensorType::f64([n, n]), &eye));
    let a = g.add(a, eye);
    let b = weights(&mut g, &[n, 1]);
    let y = g.push(Op::Solve, &[a, b], Attributes::Solve { transpose_a: false });
    g.finish(y)
}

/// tanh(X A X) summed over its columns, X of so many rows and four columns.
fn attention(n: u64) -> Graph {
    let mut g = Draft::new("attention");
    let x = g.input("x", &[n, 4]);
    let a = weights(&mut g, &[4, n]);
    let y = dot(&mut g, x, a, 1);
    let y = dot(&mut g, y, x, 1);
    let y = g.op(Op::Tanh, &[y]);
    let axes = Attributes::Reduce {
        axes: vec![1],
        keep_dims: false,
    };
    let y = g.push(Op::ReduceSum, &[y], axes);
    g.finish(y)
}

fn part(g: &mut Draft, x: ValueId, from: u64, to: u64) -> ValueId {
    let slice = Attributes::Slice {
        starts: vec![from],
        limits: vec![to],
        strides: vec![],
    };
    g.push(Op::Slice, &[x], slice)
}

/// sin(x_i) x_{i+1}
fn neighbours(n: u64) -> Graph {
    let mut g = Draft::new("neighbours");
    let x = g.input("x", &[n]);
    let (a, b) = (part(&mut g, x, 0, n - 1), part(&mut g, x, 1, n));
    let a = g.op(Op::Sin, &[a]);
    let y = g.mul(a, b);
    g.finish(y)
}

/// x_0 x_i, and the sum of squares first.
fn arrow(n: u64) -> Graph {
    let mut g = Draft::new("arrow");
    let x = g.input("x", &[n]);
    let squares = g.mul(x, x);
    let sum = g.sum(squares);
    let sum = g.push(Op::Reshape, &[sum], Attributes::Reshape { shape: vec![1] });
    let first = part(&mut g, x, 0, 1);
    let first = g.push(Op::Reshape, &[first], Attributes::Reshape { shape: vec![] });
    let rest = part(&mut g, x, 1, n);
    let rest = g.mul(first, rest);
    let y = g.push(
        Op::Concatenate,
        &[sum, rest],
        Attributes::Concatenate { dimension: 0 },
    );
    g.finish(y)
}

/// Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)²
fn rosenbrock(n: u64) -> Graph {
    let mut g = Draft::new("rosenbrock");
    let x = g.input("x", &[n]);
    let (a, b) = (part(&mut g, x, 0, n - 1), part(&mut g, x, 1, n));
    let square = g.mul(a, a);
    let gap = g.sub(b, square);
    let gap = g.mul(gap, gap);
    let gap = g.scale(100.0, gap);
    let one = g.real(1.0);
    let rest = g.sub(one, a);
    let rest = g.mul(rest, rest);
    let y = g.add(gap, rest);
    let y = g.sum(y);
    g.finish(y)
}
