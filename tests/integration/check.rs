//! CheckDerivatives: what is right passes, what is wrong is named, and where the point is not smooth it says so.

use gradient_engine::{
    Attributes, Certificate, CheckRequest, DType, Direction, Error, Graph, Op, Options, Scratch,
    Stop, Tensor, TensorType, check,
};
use gradient_tests::engine::{Random, tensor};
use gradient_tests::scenarios::{Draft, all};
use std::time::{Duration, Instant};

fn everything(graph: &Graph) -> CheckRequest {
    CheckRequest {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        steps: vec![],
        tolerance: 0.0,
        options: Options::default(),
    }
}

fn certify(graph: &Graph, request: &CheckRequest, x: &[Tensor]) -> Result<Certificate, Error> {
    let point: Vec<_> = x.iter().map(Tensor::as_ref).collect();
    let stop = Stop::default();
    check(graph, request, &point, None, &mut Scratch::default(), &stop)
}

fn scalar(x: f64) -> Tensor {
    tensor(&TensorType::f64([]), &[x])
}

fn unary(op: Op) -> Graph {
    let mut g = Draft::new("unary");
    let x = g.input("x", &[]);
    let y = g.op(op, &[x]);
    g.finish(y)
}

#[test]
fn every_operation_is_certified() {
    for scenario in all() {
        // Differences see through it; that is what it is for.
        if scenario.op == Op::StopGradient {
            continue;
        }
        let mut random = Random(0xce27 ^ u64::from(scenario.op.number()));
        let x = scenario.point(&mut random);
        let certificate = certify(&scenario.graph, &everything(&scenario.graph), &x);
        let certificate = certificate.expect("checked");
        assert!(
            certificate.passed,
            "{}: {} {:?} at {x:?}",
            scenario.name, certificate.reason, certificate.verdicts
        );
        assert!(certificate.dot_product_error <= 1e-12, "{}", scenario.name);
    }
}

/// A derivative that is wrong by design: stop_gradient's is 0 where the function moves.
#[test]
fn a_wrong_derivative_is_named_with_place_and_size() {
    let mut g = Draft::new("wrong");
    let x = g.input("x", &[2, 2]);
    let hidden = g.op(Op::StopGradient, &[x]);
    let product = g.op(Op::Multiply, &[x, hidden]);
    let graph = g.finish(product);
    let at = [tensor(&TensorType::f64([2, 2]), &[0.5, 1.0, 3.0, -2.0])];
    let certificate = certify(&graph, &everything(&graph), &at).expect("checked");
    assert!(!certificate.passed);
    let verdict = &certificate.verdicts[0];
    assert!(!verdict.passed && verdict.best.error > 0.9);
    // x² as x · c: the slope is x, the differences say 2x; largest at element [1, 0].
    for part in [
        "d f[1, 0] / d x[1, 0] is 3,",
        "differences say 6",
        "1.0e0 off",
    ] {
        assert!(verdict.reason.contains(part), "{}", verdict.reason);
    }
    assert!(
        certificate.reason.contains("1 of 1"),
        "{}",
        certificate.reason
    );
}

/// Truncation goes down with h², rounding up with 1/h: the best step lies between, and the curve says so.
#[test]
fn the_curve_is_a_v() {
    let graph = unary(Op::Exp);
    let certificate = certify(&graph, &everything(&graph), &[scalar(1.0)]).expect("checked");
    let verdict = &certificate.verdicts[0];
    let error = |k: usize| verdict.curve[k].error;
    assert_eq!(verdict.curve.len(), 12);
    // e^1 · h²/6, relative to e.
    for (k, h) in [(0, 1e-1), (1, 1e-2), (2, 1e-3)] {
        let want = h * h / 6.0;
        assert!((error(k) - want).abs() < 0.01 * want, "{:?}", verdict.curve);
    }
    assert!(
        (1e-7..=1e-4).contains(&verdict.best.step),
        "{:?}",
        verdict.best
    );
    assert!(verdict.best.error < 1e-9 && error(11) > 1e3 * verdict.best.error);
    // Exact up to rounding.
    assert!(verdict.complex_step_error < 1e-14, "{verdict:?}");
}

#[test]
fn the_complex_step_is_exact_or_says_that_it_means_nothing() {
    let analytic = [
        (Op::Sin, 0.7),
        (Op::Tan, 1.1),
        (Op::Asin, 0.9),
        (Op::Acos, -0.4),
        (Op::Atan, 2.0),
        (Op::Asinh, -1.5),
        (Op::Acosh, 1.3),
        (Op::Atanh, 0.6),
        (Op::Tanh, 0.9),
        (Op::Sqrt, 2.0),
        (Op::Cbrt, -2.0),
        (Op::Cbrt, 2.0),
        (Op::Log1p, -0.3),
        (Op::Expm1, 0.2),
        (Op::Exp2, 1.5),
        (Op::Log2, 3.0),
        (Op::Log10, 3.0),
        (Op::Reciprocal, -2.0),
        (Op::Rsqrt, 2.0),
        (Op::Logistic, -3.0),
        (Op::Square, 3.0),
    ];
    for (op, x) in analytic {
        let graph = unary(op);
        let certificate = certify(&graph, &everything(&graph), &[scalar(x)]).expect("checked");
        let error = certificate.verdicts[0].complex_step_error;
        assert!(error <= 2e-15, "{}: {error:e}", op.name());
    }
    for (op, x) in [(Op::Abs, 1.0), (Op::Floor, 0.5), (Op::Sign, 2.0)] {
        let graph = unary(op);
        let certificate = certify(&graph, &everything(&graph), &[scalar(x)]).expect("checked");
        let verdict = &certificate.verdicts[0];
        assert!(
            verdict.passed && verdict.complex_step_error.is_nan(),
            "{verdict:?}"
        );
    }
    // What depends on a comparison of moved values is refused, what does not is not.
    let mut g = Draft::new("two outputs");
    let x = g.input("x", &[]);
    let zero = g.constant(scalar(0.0));
    let direction = Direction::Gt;
    let p = g.push(Op::Compare, &[x, zero], Attributes::Compare { direction });
    let sine = g.op(Op::Sin, &[x]);
    let chosen = g.op(Op::Select, &[p, sine, x]);
    g.0.output("smooth", sine).expect("output");
    let graph = g.finish(chosen);
    let certificate = certify(&graph, &everything(&graph), &[scalar(0.5)]).expect("checked");
    assert!(certificate.passed);
    assert!(certificate.verdicts[0].complex_step_error < 1e-15);
    assert!(certificate.verdicts[1].complex_step_error.is_nan());
}

#[test]
fn kinks_are_told() {
    let shifted = {
        // max(x, 2x): slopes 2 and 1 at 0.
        let mut g = Draft::new("max");
        let x = g.input("x", &[]);
        let twice = g.op(Op::Add, &[x, x]);
        let y = g.op(Op::Maximum, &[x, twice]);
        g.finish(y)
    };
    let cases = [
        (unary(Op::Abs), "slopes -1.000000 and 1.000000"),
        (shifted, "slopes 1.000000 and 2.000000"),
    ];
    for (graph, sides) in cases {
        let certificate = certify(&graph, &everything(&graph), &[scalar(0.0)]).expect("checked");
        let reason = &certificate.verdicts[0].reason;
        assert!(certificate.passed, "{reason}");
        assert!(
            reason.contains("not smooth") && reason.contains(sides),
            "{reason}"
        );
    }
    // An infinite slope is confirmed by nothing.
    let graph = unary(Op::Sqrt);
    let certificate = certify(&graph, &everything(&graph), &[scalar(0.0)]).expect("checked");
    let reason = &certificate.verdicts[0].reason;
    assert!(!certificate.passed && reason.contains("is inf"), "{reason}");
    // Nor is NaN.
    let graph = unary(Op::Log);
    let certificate = certify(&graph, &everything(&graph), &[scalar(-1.0)]).expect("checked");
    assert!(!certificate.passed, "{certificate:?}");
    // A smooth point beside a kink is smooth.
    let graph = unary(Op::Abs);
    let certificate = certify(&graph, &everything(&graph), &[scalar(1e-3)]).expect("checked");
    assert!(certificate.passed && !certificate.verdicts[0].reason.contains("not smooth"));
}

#[test]
fn single_precision_has_its_own_tolerance() {
    let mut draft = Draft::new("single");
    let ty = TensorType::new(DType::F32, [3]);
    let x = draft.0.input("x", ty.clone()).expect("input");
    let e = draft.op(Op::Tanh, &[x]);
    let graph = draft.finish(e);
    let at = [tensor(&ty, &[0.5, -1.25, 0.0])];
    let request = everything(&graph);
    let certificate = certify(&graph, &request, &at).expect("checked");
    assert!(certificate.passed, "{certificate:?}");
    // Held to more than f32 can, it does not pass, and says how far off it is.
    let strict = CheckRequest {
        tolerance: 1e-9,
        ..request
    };
    let certificate = certify(&graph, &strict, &at).expect("checked");
    assert!(!certificate.passed && certificate.verdicts[0].reason.contains("1.0e-9 allowed"));
}

#[test]
fn what_is_too_much_is_refused_before_work_and_deadlines_hold() {
    let mut g = Draft::new("large");
    let x = g.input("x", &[3000]);
    let y = g.op(Op::Sin, &[x]);
    let graph = g.finish(y);
    let x = [Random(1).tensor(&TensorType::f64([3000]), (-1.0, 1.0))];
    let started = Instant::now();
    let refused = certify(&graph, &everything(&graph), &x);
    let Err(Error::Limit { name, asked, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((name, asked), ("max_check_entries", 3000 * 3000 * 12));
    assert!(started.elapsed() < Duration::from_secs(1));

    let request = CheckRequest {
        steps: vec![1e-5],
        ..everything(&graph)
    };
    let point: Vec<_> = x.iter().map(Tensor::as_ref).collect();
    let stop = Stop::new(Some(Instant::now() + Duration::from_millis(30)));
    let started = Instant::now();
    let stopped = check(
        &graph,
        &request,
        &point,
        None,
        &mut Scratch::default(),
        &stop,
    );
    assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}
