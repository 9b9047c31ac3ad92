//! Derivatives that a client gives for a function: they hold wherever it is called, whatever its body says.

use super::{answers, by, graph, near, scalars};
use gradient_engine::{Control, FunctionId, FunctionSource, Graph, Layout, Method, Product};
use gradient_tests::engine::{evaluate, numbers};
use gradient_tests::functions::{Write, function, number};

/// Functions: x², whose derivative is said to be 10 x, by tangents or by cotangents; that rule; a step of a loop.
fn functions(by_cotangents: bool) -> Vec<FunctionSource> {
    let mut square = function("square", [number()], |f, [x]| f.mul(x, x));
    let rule = function("rule", [number(), number(), number()], |f, [x, _, t]| {
        let product = f.mul(x, t);
        f.scale(10.0, product)
    });
    match by_cotangents {
        true => square.custom_vjp = Some(FunctionId(1)),
        false => square.custom_jvp = Some(FunctionId(1)),
    }
    let step = function("step", [number()], |f, [x]| f.call(0, &[x]));
    vec![square, rule, step]
}

/// x⁴: by two calls, by a loop of two steps, and x² from inside a branch.
fn twice(by_cotangents: bool, rolled: bool) -> Graph {
    graph(functions(by_cotangents), [("x", &[])], |g, [x]| {
        if rolled {
            let control = Control::scan(FunctionId(2), 2, 1, 0, false);
            return g.control(control, &[x], 1)[0];
        }
        let once = g.call(0, &[x]);
        g.call(0, &[once])
    })
}

#[test]
fn a_clients_derivative_holds_in_every_order() {
    for by_cotangents in [false, true] {
        for rolled in [false, true] {
            let graph = twice(by_cotangents, rolled);
            for x in [0.5, -1.25] {
                let got = answers(&graph, &scalars(&[x]), 1e-13, false);
                // y = x², z = y²: dz = 10 y · 10 x = 100 x y, and of that 100 y + 100 x · 10 x.
                let want = [x.powi(4), 100.0 * x.powi(3), 1100.0 * x * x];
                near(&[got.value, got.gradient[0], got.hessian[0]], &want, 1e-13);
            }
        }
    }
}

/// Dual numbers go through the body: they tell what the rule leaves out.
#[test]
fn dual_numbers_see_the_body() {
    let x = scalars(&[0.5]);
    for by_cotangents in [false, true] {
        let graph = twice(by_cotangents, true);
        let gradient = Product::Gradient {
            output: 0,
            wrt: vec![0],
        };
        let hessian = Product::Hessian {
            output: 0,
            wrt: vec![0],
            layout: Layout::Dense,
        };
        for (product, want) in [(gradient, 0.5), (hessian, 3.0)] {
            let got = evaluate(&graph, product, by(Method::Dual), &x, &[]).expect("duals");
            near(&numbers(&got), &[want], 1e-14);
        }
    }
}

/// Inside a derivative node, too, and beside a function that has none of its own.
#[test]
fn a_clients_derivative_holds_inside_a_derivative() {
    for by_cotangents in [false, true] {
        let mut all = functions(by_cotangents);
        all.push(function("cube", [number()], |f, [x]| {
            let square = f.call(0, &[x]);
            f.mul(square, x)
        }));
        let graph = graph(all, [("x", &[])], |g, [x]| g.slope(3, 0, &[x]));
        for x in [0.75, -2.0] {
            let got = answers(&graph, &scalars(&[x]), 1e-13, false);
            // d(y x) = 10 x · x + y = 10 x² + y; then 20 x + 10 x, then 30.
            let want = [11.0 * x * x, 30.0 * x, 30.0];
            near(&[got.value, got.gradient[0], got.hessian[0]], &want, 1e-13);
        }
    }
}
