//! The methods for comparison: dual numbers equal the exact derivatives to the last digits, numerical differences to
//! their own accuracy, for every operation.

use gradient_engine::{
    DType, Error, Graph, Layout, Method, Op, Options, Product, Tensor, TensorType,
};
use gradient_tests::engine::{Random, evaluate, numbers, tensor};
use gradient_tests::scenarios::{Draft, Scenario, all, assert_declared_slopes};

const POINTS: usize = 3;

fn by(method: Method) -> Options {
    Options {
        method,
        ..Options::default()
    }
}

/// Within a tolerance relative to the largest number, or bit for bit the same infinity.
fn agrees(got: &[f64], want: &[f64], tolerance: f64) -> bool {
    let finite = want.iter().filter(|w| w.is_finite());
    let scale = finite.fold(1.0f64, |scale, w| scale.max(w.abs()));
    let same = |(g, w): (&f64, &f64)| match w.is_finite() {
        true => g.is_finite() && (g - w).abs() <= tolerance * scale,
        false => g == w,
    };
    got.len() == want.len() && got.iter().zip(want).all(same)
}

/// Every product of first order that the graph has, with random seeds.
fn first_order(graph: &Graph, random: &mut Random) -> Vec<(Product, Vec<Tensor>)> {
    let (inputs, outputs) = (graph.float_inputs(), graph.float_outputs());
    let tangents = inputs
        .iter()
        .map(|&i| random.tensor(&graph.inputs()[i as usize].ty, (-1.0, 1.0)));
    let tangents = tangents.collect();
    let cotangents = outputs
        .iter()
        .map(|&o| random.tensor(graph.output_type(o as usize), (-1.0, 1.0)));
    let cotangents = cotangents.collect();
    let jacobian = Product::Jacobian {
        outputs: outputs.clone(),
        wrt: inputs.clone(),
        layout: Layout::Dense,
    };
    vec![
        (Product::Value { outputs }, vec![]),
        (jacobian, vec![]),
        (Product::Jvp { directions: 0 }, tangents),
        (Product::Vjp { directions: 0 }, cotangents),
    ]
}

fn second_order(graph: &Graph, random: &mut Random) -> Vec<(Product, Vec<Tensor>)> {
    let wrt = graph.float_inputs();
    let vectors = wrt
        .iter()
        .map(|&i| random.tensor(&graph.inputs()[i as usize].ty, (-1.0, 1.0)));
    let vectors = vectors.collect();
    let hessian = Product::Hessian {
        output: 0,
        wrt: wrt.clone(),
        layout: Layout::Dense,
    };
    let hvp = Product::Hvp {
        output: 0,
        wrt,
        directions: 0,
    };
    vec![(hessian, vec![]), (hvp, vectors)]
}

/// Central differences at a point with twice the step against the step: their error in h² is a third of what is
/// between them, if the rest is small. `None` where the difference itself has none.
fn truncation(graph: &Graph, product: &Product, x: &[Tensor], seeds: &[Tensor]) -> Option<f64> {
    let order = matches!(product, Product::Hessian { .. } | Product::Hvp { .. });
    let root = match order {
        true => f64::EPSILON.sqrt().sqrt(),
        false => f64::EPSILON.cbrt(),
    };
    let floats = x.iter().filter(|t| t.ty().dtype.is_float());
    let elements = floats.flat_map(|t| (0..t.ty().elements()).map(|e| t.element(e as usize).abs()));
    // The chosen steps are not longer than this.
    let step = root * elements.fold(1.0, f64::max);
    let at = |step: f64| {
        let options = Options {
            step_bits: step.to_bits(),
            ..by(Method::Numerical)
        };
        let blocks = evaluate(graph, product.clone(), options, x, seeds);
        blocks.ok().map(|blocks| numbers(&blocks))
    };
    let (one, two) = (at(step)?, at(2.0 * step)?);
    let between = one.iter().zip(&two).map(|(a, b)| (a - b).abs());
    Some(between.fold(0.0, f64::max)).filter(|d| d.is_finite())
}

/// What differs between a method and the exact one. Differences may be off by what their truncation explains.
fn disagreements(
    scenario: &Scenario,
    method: Method,
    tolerance: [f64; 2],
    spoil: impl Fn(f64) -> f64,
) -> Vec<String> {
    let mut wrong = vec![];
    let curved = scenario.scalarized();
    let mut random = Random(0xd0a1 ^ u64::from(scenario.op.number()));
    for _ in 0..POINTS {
        let x = scenario.point(&mut random);
        let first = first_order(&scenario.graph, &mut random);
        let first = first
            .into_iter()
            .map(|p| (&scenario.graph, p, tolerance[0]));
        let second = second_order(&curved, &mut random);
        let second = second.into_iter().map(|p| (&curved, p, tolerance[1]));
        for (graph, (product, seeds), tolerance) in first.chain(second) {
            let exact = evaluate(graph, product.clone(), Options::default(), &x, &seeds);
            let exact = exact.expect("the exact method has every operation");
            // Differences of what stops the gradient see through it.
            if scenario.op == Op::StopGradient && method == Method::Numerical {
                continue;
            }
            match evaluate(graph, product.clone(), by(method), &x, &seeds) {
                Ok(got) => {
                    let places = |blocks: &[gradient_engine::Block]| -> Vec<_> {
                        let of = blocks.iter();
                        of.map(|b| (b.output, b.wrt, b.wrt_second, b.tensor.ty().clone()))
                            .collect()
                    };
                    assert_eq!(
                        places(&got),
                        places(&exact),
                        "{}: {product:?}",
                        scenario.name
                    );
                    let want: Vec<f64> = numbers(&exact).into_iter().map(&spoil).collect();
                    let got = numbers(&got);
                    let explained = |allowed: f64| {
                        let off = got.iter().zip(&want).map(|(g, w)| (g - w).abs());
                        off.fold(
                            0.0,
                            |worst: f64, d| if d.is_nan() { f64::NAN } else { worst.max(d) },
                        ) <= allowed
                    };
                    let is_close = agrees(&got, &want, tolerance)
                        || method == Method::Numerical
                            && truncation(graph, &product, &x, &seeds).is_some_and(explained);
                    if !is_close {
                        wrong.push(format!(
                            "{}: {product:?} at {x:?} gives\n  {got:?}, exact\n  {want:?}",
                            scenario.name
                        ));
                    }
                }
                Err(error) => wrong.push(format!("{}: {product:?}: {error}", scenario.name)),
            }
        }
    }
    wrong
}

/// What the evaluator on dual numbers does not have, and says so: what appears in derivatives of betainc.
const LACKING: &[&str] = &[
    "betainc_grad_a",
    "betainc_grad_b",
    "betainc_grad_aa",
    "betainc_grad_ab",
    "betainc_grad_bb",
];

fn is_there(scenario: &Scenario) -> bool {
    !LACKING.contains(&scenario.op.name())
}

#[test]
fn dual_numbers_equal_the_exact_derivatives() {
    let scenarios = all();
    let there = scenarios.iter().filter(|s| is_there(s));
    let wrong: Vec<String> = there
        .flat_map(|s| disagreements(s, Method::Dual, [1e-12, 1e-11], |x| x))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} in all\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The truncated term is h² f⁗ / 12 in second order. With h about 1.2e-4 · |x| and fourth derivatives that reach some
/// thousands (sin(cosh x) at 2.5), that is a few 1e-5.
#[test]
fn differences_agree_within_their_accuracy() {
    let wrong: Vec<String> = all()
        .iter()
        .flat_map(|s| disagreements(s, Method::Numerical, [2e-8, 1e-4], |x| x))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} in all\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A rule whose results are off by a millionth of a millionth would be noticed.
#[test]
fn a_wrong_rule_would_be_noticed() {
    for scenario in all().iter().filter(|s| is_there(s)) {
        let mut random = Random(0xd0a1 ^ u64::from(scenario.op.number()));
        let x = scenario.point(&mut random);
        let (product, seeds) = first_order(&scenario.graph, &mut random).swap_remove(2);
        let slopes = evaluate(&scenario.graph, product, Options::default(), &x, &seeds);
        if numbers(&slopes.expect("jvp"))
            .iter()
            .any(|s| s.abs() > 0.05)
        {
            let off = disagreements(scenario, Method::Dual, [1e-12, 1e-11], |x| x * (1.0 + 1e-9));
            assert!(!off.is_empty(), "{}", scenario.name);
        }
    }
}

/// f32 graphs: steps of f32, and answers of that type.
#[test]
fn single_precision_has_steps_of_its_own() {
    let mut draft = Draft::new("single");
    let ty = TensorType::new(DType::F32, [2]);
    let x = draft.0.input("x", ty.clone()).expect("input");
    let e = draft.op(Op::Exp, &[x]);
    let graph = draft.finish(e);
    let point = [tensor(&ty, &[0.5, -1.25])];
    let product = Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0],
        layout: Layout::Dense,
    };
    let exact = evaluate(&graph, product.clone(), Options::default(), &point, &[]).expect("exact");
    for (method, tolerance) in [(Method::Numerical, 2e-4), (Method::Dual, 1e-7)] {
        let got = evaluate(&graph, product.clone(), by(method), &point, &[]).expect("method");
        assert_eq!(got[0].tensor.ty(), exact[0].tensor.ty());
        assert!(
            agrees(&numbers(&got), &numbers(&exact), tolerance),
            "{method:?}: {got:?} against {exact:?}"
        );
    }
    // A step that f32 cannot resolve gives nothing sensible: the chosen one matters.
    let tiny = Options {
        step_bits: 1e-9f64.to_bits(),
        ..by(Method::Numerical)
    };
    let got = evaluate(&graph, product, tiny, &point, &[]).expect("differences");
    assert!(!agrees(&numbers(&got), &numbers(&exact), 2e-4), "{got:?}");
}

/// The contract's table of points without a derivative, and the branch not taken.
#[test]
fn dual_numbers_keep_the_table_of_points_without_a_derivative() {
    let gradient = |graph: &Graph, point: &[Tensor]| {
        let product = Product::Gradient {
            output: 0,
            wrt: graph.float_inputs(),
        };
        numbers(&evaluate(graph, product, by(Method::Dual), point, &[]).expect("gradient"))
    };
    assert_declared_slopes(gradient);
}

/// What a method does is said in its plan; what it cannot do is refused by name.
#[test]
fn plans_say_what_is_done() {
    let mut g = Draft::new("plan");
    let x = g.input("x", &[3]);
    let y = g.op(Op::Sin, &[x]);
    let graph = g.finish(y);
    let product = Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0],
        layout: Layout::Dense,
    };
    let plan = |options: Options| {
        let request = gradient_tests::engine::request(product.clone(), options);
        gradient_engine::compile(&graph, &request)
            .expect("compiles")
            .plans()[0]
            .clone()
    };
    let numerical = plan(by(Method::Numerical));
    assert_eq!(numerical.sweeps, 6);
    assert!(numerical.reason.contains("6 evaluations") && numerical.reason.contains("cube root"));
    let dual = plan(by(Method::Dual));
    assert_eq!(dual.sweeps, 3);
    assert!(dual.reason.contains("3 evaluations"), "{}", dual.reason);

    let refused = Options {
        non_smooth: gradient_engine::NonSmooth::Jax,
        ..by(Method::Dual)
    };
    let request = gradient_tests::engine::request(product.clone(), refused);
    assert!(matches!(
        gradient_engine::compile(&graph, &request),
        Err(Error::Unimplemented(what)) if what.contains("METHOD_DUAL")
    ));
}
