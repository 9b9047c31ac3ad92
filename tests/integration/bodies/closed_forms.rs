//! Loops that end when they have converged: derivatives are those of what they converge to.

use super::{answers, graph, near, scalars};
use gradient_engine::{
    Arguments, Control, Direction, FunctionId, Graph, Mode, Op, Options, Product, Request, Scratch,
    Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::engine::{close, tensor};
use gradient_tests::functions::{
    FunctionBuilder, Write, function, integer, number, tuple_function,
};
use gradient_tests::scenarios::control::{newton, root};

/// √a by Newton's iteration.
fn square_root() -> Graph {
    graph(newton().into(), [("a", &[])], |g, [a]| root(g, a))
}

/// x = cos(θ x) by x ← (x + cos θx)/2 until the step is below 1e-15.
fn fixed_point() -> Graph {
    let next = function("next", [number(), number()], |f, [x, theta]| {
        let angle = f.mul(theta, x);
        let cosine = f.plain(Op::Cos, &[angle]);
        let sum = f.add(x, cosine);
        f.scale(0.5, sum)
    });
    let parameters = || [number(), integer(), number()];
    let far = function("far", parameters(), |f, [x, k, theta]| {
        let next = f.call(0, &[x, theta]);
        let step = f.sub(next, x);
        let size = f.plain(Op::Abs, &[step]);
        let (small, most) = (f.real(1e-15), f.whole(400));
        let far = f.compare(Direction::Gt, size, small);
        let few = f.compare(Direction::Lt, k, most);
        f.plain(Op::And, &[far, few])
    });
    let step = tuple_function("step", parameters(), |f, [x, k, theta]| {
        let one = f.whole(1);
        vec![f.call(0, &[x, theta]), f.add(k, one)]
    });
    graph(vec![next, far, step], [("theta", &[])], |g, [theta]| {
        let (start, zero) = (g.real(0.5), g.whole(0));
        let control = Control::while_loop(FunctionId(1), FunctionId(2), 0);
        g.control(control, &[start, zero, theta], 2)[0]
    })
}

/// x, dx/dθ and d²x/dθ² of x = cos(θ x), by bisection and the implicit function theorem.
fn fixed_point_closed(theta: f64) -> [f64; 3] {
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        match middle < (theta * middle).cos() {
            true => low = middle,
            false => high = middle,
        }
    }
    let x = 0.5 * (low + high);
    let (s, c) = (theta * x).sin_cos();
    let d = 1.0 + theta * s;
    let first = -x * s / d;
    let turn = c * (x + theta * first);
    let second = -((first * s + x * turn) * d - x * s * (s + theta * turn)) / (d * d);
    [x, first, second]
}

/// y' = θ y cos t from y(0) = y₀ to t = 1 by RK4 whose steps are as long as halving them allows.
fn adaptive_steps() -> Graph {
    let n = number;
    let slope = function("slope", [n(), n(), n()], |f, [t, y, theta]| {
        let cosine = f.plain(Op::Cos, &[t]);
        let product = f.mul(theta, y);
        f.mul(product, cosine)
    });
    let rk4 = function("rk4", [n(), n(), n(), n()], |f, [t, y, h, theta]| {
        let half = f.scale(0.5, h);
        let (middle, end) = (f.add(t, half), f.add(t, h));
        let from = |f: &mut FunctionBuilder, k: ValueId, by: ValueId| {
            let moved = f.mul(by, k);
            f.add(y, moved)
        };
        let k1 = f.call(0, &[t, y, theta]);
        let at = from(f, k1, half);
        let k2 = f.call(0, &[middle, at, theta]);
        let at = from(f, k2, half);
        let k3 = f.call(0, &[middle, at, theta]);
        let at = from(f, k3, h);
        let k4 = f.call(0, &[end, at, theta]);
        let inner = f.add(k2, k3);
        let inner = f.scale(2.0, inner);
        let ends = f.add(k1, k4);
        let sum = f.add(inner, ends);
        let mean = f.scale(1.0 / 6.0, sum);
        from(f, mean, h)
    });
    let parameters = || [n(), n(), n(), n()];
    let before = function("before", parameters(), |f, [t, _, _, _]| {
        let end = f.real(1.0 - 1e-13);
        f.compare(Direction::Lt, t, end)
    });
    let step = tuple_function("step", parameters(), |f, [t, y, h, theta]| {
        let end = f.real(1.0);
        let left = f.sub(end, t);
        let h = f.plain(Op::Minimum, &[h, left]);
        let half = f.scale(0.5, h);
        let whole = f.call(1, &[t, y, h, theta]);
        let first = f.call(1, &[t, y, half, theta]);
        let middle = f.add(t, half);
        let fine = f.call(1, &[middle, first, half, theta]);
        let off = f.sub(fine, whole);
        let error = f.plain(Op::Abs, &[off]);
        let allowed = f.real(1e-12);
        let accept = f.compare(Direction::Le, error, allowed);
        let tiny = f.real(1e-20);
        let error = f.add(error, tiny);
        let ratio = f.div(allowed, error);
        let fifth = f.real(0.2);
        let factor = f.plain(Op::Power, &[ratio, fifth]);
        let factor = f.scale(0.9, factor);
        let (low, high) = (f.real(0.2), f.real(4.0));
        let factor = f.plain(Op::Clamp, &[low, factor, high]);
        let on = f.add(t, h);
        let t = f.plain(Op::Select, &[accept, on, t]);
        let y = f.plain(Op::Select, &[accept, fine, y]);
        vec![t, y, f.mul(h, factor)]
    });
    let functions = vec![slope, rk4, before, step];
    graph(functions, [("y0", &[]), ("theta", &[])], |g, [y, theta]| {
        let (zero, h) = (g.real(0.0), g.real(0.1));
        let control = Control::while_loop(FunctionId(2), FunctionId(3), 100_000);
        g.control(control, &[zero, y, h, theta], 3)[1]
    })
}

#[test]
fn newtons_square_root_has_the_roots_derivatives() {
    let graph = square_root();
    for a in [1e-3, 0.5, 2.0, 9.0, 1e4] {
        let got = answers(&graph, &scalars(&[a]), 1e-11, true);
        let root = a.sqrt();
        near(&[got.value], &[root], 1e-14);
        assert!((got.gradient[0] * 2.0 * root - 1.0).abs() < 1e-10, "{a}");
        assert!((got.hessian[0] * -4.0 * a * root - 1.0).abs() < 1e-8, "{a}");
    }
}

#[test]
fn a_damped_fixed_point_has_the_implicit_derivatives() {
    let graph = fixed_point();
    for theta in [0.1, 0.7, 1.0, 2.5] {
        let got = answers(&graph, &scalars(&[theta]), 1e-11, true);
        let want = fixed_point_closed(theta);
        near(&[got.value, got.gradient[0], got.hessian[0]], &want, 1e-10);
    }
}

#[test]
fn an_adaptive_integrator_has_the_solutions_derivatives() {
    let graph = adaptive_steps();
    for (y, theta) in [(1.0, 0.3), (0.5, 2.0), (2.0, -1.0)] {
        let got = answers(&graph, &scalars(&[y, theta]), 1e-9, true);
        let s = 1f64.sin();
        let e = (theta * s).exp();
        near(&[got.value], &[y * e], 1e-10);
        near(&got.gradient, &[e, y * s * e], 1e-10);
        let want = [0.0, s * e, s * e, y * s * s * e];
        near(&got.hessian, &want, 1e-7);
    }
}

/// Gradients of a batch whose points need different numbers of steps: each is what it is alone, bit for bit.
fn batched(graph: &Graph, points: &[Vec<f64>], mode: Mode) -> Vec<Vec<f64>> {
    let inputs = graph.inputs().len();
    let wrt: Vec<u32> = graph.float_inputs();
    let request = |batched: Option<Vec<bool>>| Request {
        products: vec![Product::Gradient {
            output: 0,
            wrt: wrt.clone(),
        }],
        options: Options {
            mode: Some(mode),
            ..Options::default()
        },
        batched,
    };
    let run = |request: &Request, tensors: &[Tensor], batch: u64| -> Vec<Vec<f64>> {
        let arguments = Arguments {
            inputs: tensors.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]],
            batch,
        };
        let program = compile(graph, request).expect("compiles");
        let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
        let blocks = blocks.expect("evaluates").remove(0);
        blocks.iter().map(|b| b.tensor.to_f64()).collect()
    };
    let together: Vec<Tensor> = (0..inputs)
        .map(|i| {
            let all: Vec<f64> = points.iter().map(|p| p[i]).collect();
            tensor(&TensorType::f64([points.len() as u64]), &all)
        })
        .collect();
    let together = run(
        &request(Some(vec![true; inputs])),
        &together,
        points.len() as u64,
    );
    let mut found = Vec::new();
    for (p, point) in points.iter().enumerate() {
        let alone = run(&request(None), &scalars(point), 1);
        let own: Vec<f64> = together.iter().map(|block| block[p]).collect();
        for (a, b) in own.iter().zip(alone.iter().flatten()) {
            assert_eq!(a.to_bits(), b.to_bits(), "point {p}: {a} against {b} alone");
        }
        found.push(own);
    }
    found
}

#[test]
fn points_of_a_batch_take_as_many_steps_as_they_need() {
    for mode in [Mode::Forward, Mode::Reverse] {
        let a: Vec<Vec<f64>> = (0..41).map(|i| vec![10f64.powi(i / 4 - 4)]).collect();
        for (a, got) in a.iter().zip(batched(&square_root(), &a, mode)) {
            assert!(close(got[0] * 2.0 * a[0].sqrt(), 1.0, 1e-10), "{a:?}");
        }
        let thetas: Vec<Vec<f64>> = (0..41).map(|i| vec![0.07 * f64::from(i)]).collect();
        for (theta, got) in thetas.iter().zip(batched(&fixed_point(), &thetas, mode)) {
            near(&got, &fixed_point_closed(theta[0])[1..2], 1e-10);
        }
        let starts: Vec<Vec<f64>> = (0..11)
            .map(|i| vec![1.0 + 0.1 * f64::from(i), 0.25 + 0.25 * f64::from(i)])
            .collect();
        for (x, got) in starts.iter().zip(batched(&adaptive_steps(), &starts, mode)) {
            let s = 1f64.sin();
            let e = (x[1] * s).exp();
            near(&got, &[e, x[0] * s * e], 1e-10);
        }
    }
}

/// A branch that is not taken leaves nothing behind, whatever it would give.
#[test]
fn the_branch_not_taken_poisons_nothing() {
    let line = function("line", [number()], |f, [x]| f.scale(2.0, x));
    let wild = function("wild", [number()], |f, [x]| {
        let negative = f.real(-3.0);
        let below = f.sub(negative, x);
        let log = f.plain(Op::Log, &[below]);
        f.plain(Op::Sqrt, &[log])
    });
    let graph = graph(vec![line, wild], [("x", &[])], |g, [x]| {
        let limit = g.real(-5.0);
        let p = g.compare(Direction::Lt, x, limit);
        g.cond(&[0, 1], &[p, x])
    });
    let got = answers(&graph, &scalars(&[0.0]), 0.0, true);
    assert_eq!(
        (got.value, got.gradient[0], got.hessian[0]),
        (0.0, 2.0, 0.0)
    );
}
