//! Derivatives inside derivatives.

use super::{answers, graph, near, scalars};
use gradient_engine::{Control, FunctionId, FunctionSource, Graph, Op, Product};
use gradient_tests::functions::{Write, function, number};

/// a + b, a b, and a b²: each is differentiated by its second parameter.
fn inner() -> Vec<FunctionSource> {
    let sum = function("sum", [number(), number()], |f, [a, b]| f.add(a, b));
    let product = function("product", [number(), number()], |f, [a, b]| f.mul(a, b));
    let square = function("square", [number(), number()], |f, [a, b]| {
        let square = f.mul(b, b);
        f.mul(a, square)
    });
    vec![sum, product, square]
}

/// x · ∂/∂y g(x, y) at y = 1 or y = x (Siskind and Pearlmutter, 2005): whoever confuses the two perturbations gets
/// 2 where d/dx is 1.
#[test]
fn perturbations_are_not_confused() {
    // Of g, whether at x, and the derivatives of x ∂g/∂y at x.
    type Case = (u32, bool, fn(f64) -> [f64; 3]);
    let cases: [Case; 5] = [
        (0, false, |x| [x, 1.0, 0.0]),
        (0, true, |x| [x, 1.0, 0.0]),
        (1, false, |x| [x * x, 2.0 * x, 2.0]),
        (1, true, |x| [x * x, 2.0 * x, 2.0]),
        (2, true, |x| [2.0 * x.powi(3), 6.0 * x * x, 12.0 * x]),
    ];
    for (g, at_x, want) in cases {
        let graph = graph(inner(), [("x", &[])], |d, [x]| {
            let one = d.real(1.0);
            let at = if at_x { x } else { one };
            let slope = d.slope(g, 1, &[x, at]);
            d.mul(x, slope)
        });
        for x in [-1.5, 0.25, 3.0] {
            let got = answers(&graph, &scalars(&[x]), 1e-13, true);
            near(
                &[got.value, got.gradient[0], got.hessian[0]],
                &want(x),
                1e-13,
            );
        }
    }
}

/// Three perturbations at once: d/dx (x d/dy (y d/dz (x y z²))) at y = x, z = y.
#[test]
fn three_perturbations_are_not_confused() {
    let n = number;
    let innermost = function("innermost", [n(), n(), n()], |f, [x, y, z]| {
        let product = f.mul(x, y);
        let square = f.mul(z, z);
        f.mul(product, square)
    });
    // y ∂/∂z (x y z²) at z = y: 2 x y³.
    let middle = function("middle", [n(), n()], |f, [x, y]| {
        let slope = f.slope(0, 2, &[x, y, y]);
        f.mul(y, slope)
    });
    let graph = graph(vec![innermost, middle], [("x", &[])], |g, [x]| {
        // x ∂/∂y (2 x y³) at y = x: 6 x⁴.
        let slope = g.slope(1, 1, &[x, x]);
        g.mul(x, slope)
    });
    for x in [-0.75, 1.25] {
        let got = answers(&graph, &scalars(&[x]), 1e-12, true);
        let want = [6.0 * x.powi(4), 24.0 * x.powi(3), 72.0 * x * x];
        near(&[got.value, got.gradient[0], got.hessian[0]], &want, 1e-12);
    }
}

/// The derivative of the derivative of the derivative of sin(a x): three nodes deep, and two more from outside.
#[test]
fn a_derivative_of_a_derivative_of_a_derivative() {
    let wave = function("wave", [number(), number()], |f, [x, a]| {
        let angle = f.mul(a, x);
        f.plain(Op::Sin, &[angle])
    });
    let slope = |name: &str, of: u32| {
        function(name, [number(), number()], move |f, [x, a]| {
            f.slope(of, 0, &[x, a])
        })
    };
    let functions = vec![
        wave,
        slope("first", 0),
        slope("second", 1),
        slope("third", 2),
    ];
    let graph = graph(functions, [("x", &[]), ("a", &[])], |g, [x, a]| {
        g.call(3, &[x, a])
    });
    for (x, a) in [(0.4f64, 1.5f64), (-1.0, 0.5)] {
        let got = answers(&graph, &scalars(&[x, a]), 1e-12, true);
        // -a³ cos(a x)
        let (s, c) = (a * x).sin_cos();
        near(&[got.value], &[-a.powi(3) * c], 1e-13);
        let by_a = -3.0 * a * a * c + a.powi(3) * x * s;
        near(&got.gradient, &[a.powi(4) * s, by_a], 1e-12);
        let mixed = 4.0 * a.powi(3) * s + a.powi(4) * x * c;
        let by_aa = -6.0 * a * c + 6.0 * a * a * x * s + a.powi(3) * x * x * c;
        near(&got.hessian, &[a.powi(5) * c, mixed, mixed, by_aa], 1e-12);
    }
}

const RATE: f64 = 0.1;

/// So many steps of gradient descent on w (u - 1)² / 2 from u₀, each after the other or in a scan.
fn descent(steps: u32, rolled: bool) -> Graph {
    let loss = function("loss", [number(), number()], |f, [u, w]| {
        let one = f.real(1.0);
        let off = f.sub(u, one);
        let square = f.mul(off, off);
        let product = f.mul(w, square);
        f.scale(0.5, product)
    });
    let step = function("step", [number(), number()], |f, [u, w]| {
        let slope = f.slope(0, 0, &[u, w]);
        let by = f.scale(RATE, slope);
        f.sub(u, by)
    });
    graph(vec![loss, step], [("u", &[]), ("w", &[])], |g, [u, w]| {
        if rolled {
            let control = Control::scan(FunctionId(1), steps.into(), 1, 0, false);
            return g.control(control, &[u, w], 1)[0];
        }
        (0..steps).fold(u, |u, _| g.call(1, &[u, w]))
    })
}

#[test]
fn gradient_descent_is_differentiated() {
    for steps in [1u32, 20] {
        for rolled in [false, true] {
            let graph = descent(steps, rolled);
            for (u, w) in [(3.0, 0.5), (-2.0, 4.0), (0.5, 12.0)] {
                let got = answers(&graph, &scalars(&[u, w]), 1e-12, true);
                // u = 1 + (1 - η w)ⁿ (u₀ - 1)
                let (n, r, d) = (f64::from(steps), 1.0 - RATE * w, u - 1.0);
                let power = |k: i32| r.powi(steps as i32 - k);
                near(&[got.value], &[1.0 + power(0) * d], 1e-13);
                let by_w = -n * RATE * power(1);
                near(&got.gradient, &[power(0), by_w * d], 1e-12);
                let by_ww = match steps {
                    1 => 0.0,
                    _ => n * (n - 1.0) * RATE * RATE * power(2) * d,
                };
                near(&got.hessian, &[0.0, by_w, by_w, by_ww], 1e-12);
            }
        }
    }
}

/// An optimum inside a function: ten Newton steps, with gradient and Hessian as nodes, to the minimum of
/// cosh(u) - w u, which is asinh w.
#[test]
fn newtons_method_on_a_loss_is_differentiated() {
    let loss = function("loss", [number(), number()], |f, [u, w]| {
        let (cosh, line) = (f.plain(Op::Cosh, &[u]), f.mul(w, u));
        f.sub(cosh, line)
    });
    let step = function("step", [number(), number()], |f, [u, w]| {
        let slope = f.slope(0, 0, &[u, w]);
        let product = Product::Hessian {
            output: 0,
            wrt: vec![0],
            layout: gradient_engine::Layout::Dense,
        };
        let curvature = f.derivative(0, product, &[], &[u, w], 1)[0];
        let by = f.div(slope, curvature);
        f.sub(u, by)
    });
    let graph = graph(vec![loss, step], [("w", &[])], |g, [w]| {
        let zero = g.real(0.0);
        let control = Control::scan(FunctionId(1), 10, 1, 0, false);
        g.control(control, &[zero, w], 1)[0]
    });
    for w in [-0.8f64, 0.3, 1.5] {
        let got = answers(&graph, &scalars(&[w]), 1e-11, true);
        let r = (1.0 + w * w).sqrt();
        let want = [w.asinh(), 1.0 / r, -w / r.powi(3)];
        near(&[got.value, got.gradient[0], got.hessian[0]], &want, 1e-11);
    }
}
