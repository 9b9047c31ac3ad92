//! Derivatives that a client gives for a function: they hold wherever it is called, whatever its body says.

use super::{answers, by, graph, near, scalars};
use gradient_engine::{
    Certificate, CheckRequest, Control, FunctionId, FunctionSource, Graph, Layout, Method, Op,
    Options, Product, Scratch, Stop, Tensor, ValueId, check,
};
use gradient_tests::engine::{evaluate, numbers};
use gradient_tests::functions::{FunctionBuilder, Write, function, number};

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

fn certified(graph: &Graph, x: f64) -> Certificate {
    let request = CheckRequest {
        outputs: vec![0],
        wrt: vec![0],
        steps: vec![],
        tolerance: 0.0,
        options: Options::default(),
    };
    let x = scalars(&[x]);
    let x: Vec<_> = x.iter().map(Tensor::as_ref).collect();
    let (mut scratch, stop) = (Scratch::default(), Stop::default());
    check(graph, &request, &x, None, &mut scratch, &stop).expect("checks")
}

/// Function 0 is `body` of one number, with its derivative by `rule`, of number, result and tangent or cotangent.
fn ruled(
    by_cotangents: bool,
    body: impl FnOnce(&mut FunctionBuilder, [ValueId; 1]) -> ValueId,
    rule: impl FnOnce(&mut FunctionBuilder, [ValueId; 3]) -> ValueId,
) -> Graph {
    let mut own = function("own", [number()], body);
    match by_cotangents {
        true => own.custom_vjp = Some(FunctionId(1)),
        false => own.custom_jvp = Some(FunctionId(1)),
    }
    let rule = function("rule", [number(), number(), number()], rule);
    graph(vec![own, rule], [("x", &[])], |g, [x]| g.call(0, &[x]))
}

#[test]
fn a_clients_derivative_is_held_against_the_automatic_one() {
    for by_cotangents in [false, true] {
        let rule = if by_cotangents {
            "custom_vjp"
        } else {
            "custom_jvp"
        };
        // x² with 2 x t, with 10 x t, and with one that is off in the ninth digit: differences do not see that.
        for (factor, agrees) in [(2.0, true), (10.0, false), (2.0 + 4e-8, false)] {
            let square = ruled(
                by_cotangents,
                |f, [x]| f.mul(x, x),
                |f, [x, _, t]| {
                    let product = f.mul(x, t);
                    f.scale(factor, product)
                },
            );
            let found = certified(&square, 0.75);
            let [own] = &found.custom_rules[..] else {
                panic!("one rule, got {:?}", found.custom_rules)
            };
            assert_eq!((&own.function[..], own.passed), ("own", agrees), "{own:?}");
            near(&[own.error], &[factor / 2.0 - 1.0], 1e-6);
            assert_eq!(found.passed, agrees, "{}", found.reason);
            let told = if agrees {
                "agree"
            } else {
                "disagree: the Jacobian changes by"
            };
            assert!(
                own.reason.starts_with(rule) && own.reason.contains(told),
                "{own:?}"
            );
        }
        // √x at 0 by a rule that calls it 3: there is nothing to hold it against.
        let root = ruled(
            by_cotangents,
            |f, [x]| f.plain(Op::Sqrt, &[x]),
            |f, [_, _, t]| f.scale(3.0, t),
        );
        let found = certified(&root, 0.0);
        let own = &found.custom_rules[0];
        assert!(own.passed && own.error.is_nan(), "{own:?}");
        assert!(own.reason.contains("not finite here"), "{own:?}");
    }
    let plain = graph(functions(false), [("x", &[])], |g, [x]| {
        g.call(1, &[x, x, x])
    });
    // Nobody calls the one that has a rule: it changes nothing.
    let found = certified(&plain, 0.5);
    assert!(
        found
            .custom_rules
            .iter()
            .all(|rule| rule.passed && rule.error == 0.0)
    );
}
