//! A million steps of a forced Van der Pol oscillator: x'' = μ (1 - x²) x' - x + A cos ωt, by RK4 in one scan. The
//! gradient of |(x, v)|² at the end with respect to start and parameters, within budgets, against an integration of
//! the tangents in plain Rust.

use super::{graph, is_alone, scalars, status};
use gradient_engine::{
    Arguments, Control, FunctionId, Graph, Op, Options, Product, Request, Scratch, Stop, Tensor,
    ValueId, compile,
};
use gradient_tests::functions::{FunctionBuilder, Write, number, tuple_function};

const STEPS: u64 = 1_000_000;
const H: f64 = 2e-5;
/// x, v, μ, A, ω.
const POINT: [f64; 5] = [1.2, -0.4, 1.5, 0.8, 1.1];
const MIB: u64 = 1 << 20;

fn oscillator() -> Graph {
    let n = number;
    let step = tuple_function(
        "step",
        [n(), n(), n(), n(), n(), n()],
        |f, [x, v, t, mu, a, omega]| {
            let one = f.real(1.0);
            let force = |f: &mut FunctionBuilder, t: ValueId| {
                let angle = f.mul(omega, t);
                let cosine = f.plain(Op::Cos, &[angle]);
                f.mul(a, cosine)
            };
            let slope = |f: &mut FunctionBuilder, x: ValueId, v: ValueId, force: ValueId| {
                let square = f.mul(x, x);
                let damping = f.sub(one, square);
                let damping = f.mul(mu, damping);
                let damping = f.mul(damping, v);
                let rest = f.sub(damping, x);
                (v, f.add(rest, force))
            };
            let moved = |f: &mut FunctionBuilder, by: f64, (dx, dv): (ValueId, ValueId)| {
                let (dx, dv) = (f.scale(by, dx), f.scale(by, dv));
                (f.add(x, dx), f.add(v, dv))
            };
            let (half, whole) = (f.real(0.5 * H), f.real(H));
            let (middle, end) = (f.add(t, half), f.add(t, whole));
            let forces = [t, middle, end].map(|t| force(f, t));
            let k1 = slope(f, x, v, forces[0]);
            let (p, q) = moved(f, 0.5 * H, k1);
            let k2 = slope(f, p, q, forces[1]);
            let (p, q) = moved(f, 0.5 * H, k2);
            let k3 = slope(f, p, q, forces[1]);
            let (p, q) = moved(f, H, k3);
            let k4 = slope(f, p, q, forces[2]);
            let mean = |f: &mut FunctionBuilder, k: [ValueId; 4]| {
                let (inner, ends) = (f.add(k[1], k[2]), f.add(k[0], k[3]));
                let inner = f.scale(2.0, inner);
                f.add(ends, inner)
            };
            let dx = mean(f, [k1.0, k2.0, k3.0, k4.0]);
            let dv = mean(f, [k1.1, k2.1, k3.1, k4.1]);
            let (x, v) = moved(f, H / 6.0, (dx, dv));
            vec![x, v, end]
        },
    );
    let inputs = [
        ("x", &[][..]),
        ("v", &[]),
        ("mu", &[]),
        ("amplitude", &[]),
        ("omega", &[]),
    ];
    graph(vec![step], inputs, |g, [x, v, mu, a, omega]| {
        let zero = g.real(0.0);
        let control = Control::scan(FunctionId(0), STEPS, 3, 0, false);
        let end = g.control(control, &[x, v, zero, mu, a, omega], 3);
        let (x, v) = (g.mul(end[0], end[0]), g.mul(end[1], end[1]));
        g.add(x, v)
    })
}

/// State and its derivatives by the five inputs.
type Moving = [[f64; 6]; 2];

/// The same by tangents: RK4 of the equation and of its linearisation, together.
fn by_tangents() -> [f64; 5] {
    let [x, v, mu, a, omega] = POINT;
    let mut s: Moving = [[0.0; 6]; 2];
    (s[0][0], s[0][1], s[1][0], s[1][2]) = (x, 1.0, v, 1.0);
    let slope = |s: &Moving, t: f64| -> Moving {
        let (x, v) = (s[0][0], s[1][0]);
        let (sine, cosine) = (omega * t).sin_cos();
        let mut d = [s[1], [0.0; 6]];
        d[1][0] = mu * (1.0 - x * x) * v - x + a * cosine;
        for k in 1..6 {
            let by_state = (-2.0 * mu * x * v - 1.0) * s[0][k] + mu * (1.0 - x * x) * s[1][k];
            let by_parameter = match k {
                3 => (1.0 - x * x) * v,
                4 => cosine,
                5 => -a * t * sine,
                _ => 0.0,
            };
            d[1][k] = by_state + by_parameter;
        }
        d
    };
    let plus = |s: &Moving, by: f64, d: &Moving| -> Moving {
        let mut sum = *s;
        for (sum, d) in sum.iter_mut().flatten().zip(d.iter().flatten()) {
            *sum += by * d;
        }
        sum
    };
    for step in 0..STEPS {
        let t = step as f64 * H;
        let k1 = slope(&s, t);
        let k2 = slope(&plus(&s, 0.5 * H, &k1), t + 0.5 * H);
        let k3 = slope(&plus(&s, 0.5 * H, &k2), t + 0.5 * H);
        let k4 = slope(&plus(&s, H, &k3), t + H);
        for (k, by) in [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)] {
            s = plus(&s, by * H / 6.0, &k);
        }
    }
    std::array::from_fn(|k| 2.0 * (s[0][0] * s[0][k + 1] + s[1][0] * s[1][k + 1]))
}

/// How often each step runs, as the plan says it.
fn recomputation(reason: &str) -> f64 {
    match reason.split("each step runs ").nth(1) {
        Some(rest) if rest.starts_with("once forward and once") => 2.0,
        Some(rest) => rest
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(f64::NAN),
        None => f64::NAN,
    }
}

/// The gradient within a budget (0: the default), and bytes of resident memory that it took at most.
fn within(graph: &Graph, budget: u64) -> (Vec<f64>, u64) {
    let request = Request {
        products: vec![Product::Gradient {
            output: 0,
            wrt: vec![0, 1, 2, 3, 4],
        }],
        options: Options {
            memory_budget: budget,
            ..Options::default()
        },
        batched: None,
    };
    let program = compile(graph, &request).expect("compiles");
    let factor = recomputation(&program.plans()[0].reason);
    assert!(
        (2.0..=3.0).contains(&factor),
        "each step runs {factor} times"
    );
    let x = scalars(&POINT);
    let arguments = Arguments {
        inputs: x.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    // Sets the peak back to what is resident now.
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may forget its peak");
    let before = status("VmRSS");
    let begin = std::time::Instant::now();
    let mut scratch = Scratch::default();
    let blocks = program.evaluate(&arguments, &mut scratch, &Stop::default());
    let took = 1024 * status("VmHWM").saturating_sub(before);
    // A step that is pulled back runs again for that.
    let counts = scratch.counts;
    let counted = (counts.steps + counts.pulled) as f64 / STEPS as f64;
    println!(
        "budget {budget}: {took} bytes, {:?}, each step {factor} times by the plan, {counted} counted",
        begin.elapsed()
    );
    assert_eq!(counts.pulled, STEPS);
    assert!(
        (2.0..=3.0).contains(&counted) && (counted - factor).abs() <= 0.01,
        "each step ran {counted} times, {factor} by the plan"
    );
    let blocks = blocks.expect("evaluates").remove(0);
    let gradient = blocks.iter().map(|b| b.tensor.element(0)).collect();
    (gradient, took)
}

#[test]
fn a_million_steps_within_a_budget() {
    if !is_alone("bodies::van_der_pol::a_million_steps_within_a_budget") {
        return;
    }
    let graph = oscillator();
    // The tightest first: what an allocator keeps would hide in the others' baseline.
    let small = within(&graph, MIB);
    let middle = within(&graph, 64 * MIB);
    let free = within(&graph, 0);
    for (found, budget) in [(&small, MIB), (&middle, 64 * MIB)] {
        let (gradient, took) = found;
        for (got, want) in gradient.iter().zip(&free.0) {
            assert_eq!(got.to_bits(), want.to_bits(), "{got} against {want}");
        }
        let most = budget + 32 * MIB;
        assert!(*took <= most, "{took} bytes within a budget of {budget}");
    }
    for (got, want) in free.0.iter().zip(by_tangents()) {
        let off = (got - want).abs();
        assert!(off <= 1e-9 * want.abs(), "{:?} against {want}", free.0);
    }
}
