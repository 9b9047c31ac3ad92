//! Every operation's derivative: against central differences, against its transpose, and at second order.

use gradient_engine::{Graph, HvpMode, Mode, Op, Tensor, TensorType};
use gradient_tests::engine::{
    Random, close, gradient, hessian, hvp, inner, jacobian, jvp, moved, tensor, value, vjp,
};
use gradient_tests::scenarios::{Draft, Scenario, all, assert_declared_slopes};

const POINTS: usize = 8;

fn directions(graph: &Graph, random: &mut Random) -> Vec<Tensor> {
    graph
        .float_inputs()
        .iter()
        .map(|&i| random.tensor(&graph.inputs()[i as usize].ty, (-1.0, 1.0)))
        .collect()
}

fn flat(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(Tensor::to_f64).collect()
}

/// Central differences with Richardson's extrapolation: error h⁴ instead of h².
fn differences(f: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
    const H: f64 = 1e-3;
    let central = |h: f64| -> Vec<f64> {
        let (plus, minus) = (f(h), f(-h));
        plus.iter()
            .zip(&minus)
            .map(|(p, m)| (p - m) / (2.0 * h))
            .collect()
    };
    let (wide, narrow) = (central(H), central(H / 2.0));
    narrow
        .iter()
        .zip(&wide)
        .map(|(n, w)| (4.0 * n - w) / 3.0)
        .collect()
}

/// What of a scenario disagrees with its oracle; empty if nothing does.
fn disagreements(
    scenario: &Scenario,
    rule_jvp: impl Fn(&Graph, &[Tensor], &[Tensor]) -> Vec<f64>,
) -> Vec<String> {
    let graph = &scenario.graph;
    let mut random = Random(0x5eed ^ u64::from(scenario.op.number()));
    let mut wrong = Vec::new();
    for _ in 0..POINTS {
        let x = scenario.point(&mut random);
        let v = directions(graph, &mut random);
        let floats = graph.float_inputs();
        let got = rule_jvp(graph, &x, &v);
        let want = differences(|t| value(graph, &moved(&x, &v, &floats, t)));
        for (got, want) in got.iter().zip(&want) {
            if scenario.op != Op::StopGradient && !close(*got, *want, 2e-8) {
                wrong.push(format!(
                    "{}: J·v {got} against differences {want} at {x:?}",
                    scenario.name
                ));
            }
        }
        let ty = graph.output_type(0).clone();
        let c = random.tensor(&ty, (-1.0, 1.0));
        let back = vjp(graph, &x, std::slice::from_ref(&c));
        let (left, right) = (inner(&c.to_f64(), &got), inner(&back, &flat(&v)));
        if !close(left, right, 1e-12) {
            wrong.push(format!(
                "{}: <c, Jv> = {left}, <Jᵀc, v> = {right} at {x:?}",
                scenario.name
            ));
        }
    }
    wrong
}

#[test]
fn every_differentiable_operation_has_a_scenario() {
    let scenarios = all();
    for &op in Op::ALL {
        if op.is_differentiable() {
            assert!(
                scenarios.iter().any(|s| s.op == op),
                "{} has no scenario",
                op.name()
            );
        }
    }
}

#[test]
fn jvp_agrees_with_differences_and_with_vjp() {
    let wrong: Vec<String> = all().iter().flat_map(|s| disagreements(s, jvp)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The check above can fail: a rule that forgets a factor is noticed for every operation that has a slope.
#[test]
fn a_wrong_rule_is_noticed() {
    let off = |graph: &Graph, x: &[Tensor], v: &[Tensor]| -> Vec<f64> {
        jvp(graph, x, v).iter().map(|t| t * 1.000_001).collect()
    };
    let nan = |graph: &Graph, x: &[Tensor], v: &[Tensor]| vec![f64::NAN; jvp(graph, x, v).len()];
    for scenario in all() {
        let mut random = Random(1);
        let x = scenario.point(&mut random);
        let v = directions(&scenario.graph, &mut random);
        let slopes = jvp(&scenario.graph, &x, &v);
        if slopes.iter().any(|s| s.abs() > 0.05) {
            assert!(
                !disagreements(&scenario, off).is_empty(),
                "{}: 1e-6 off went unnoticed",
                scenario.name
            );
            assert!(
                !disagreements(&scenario, nan).is_empty(),
                "{}: NaN went unnoticed",
                scenario.name
            );
        }
    }
}

#[test]
fn second_order_agrees_with_differences_of_the_gradient_in_both_modes() {
    for scenario in all() {
        let graph = scenario.scalarized();
        let mut random = Random(77 + u64::from(scenario.op.number()));
        for _ in 0..3 {
            let x = scenario.point(&mut random);
            let v = directions(&graph, &mut random);
            let floats = graph.float_inputs();
            let forward = hvp(&graph, &x, &v, HvpMode::ForwardOverReverse);
            let reverse = hvp(&graph, &x, &v, HvpMode::ReverseOverForward);
            let want = differences(|t| gradient(&graph, &moved(&x, &v, &floats, t)));
            let matrix = hessian(&graph, &x);
            let n = forward.len();
            // Blocks of H stand one after the other; with one input they are the matrix.
            if graph.inputs().len() == 1 {
                let flat_v = flat(&v);
                for i in 0..n {
                    let row = inner(&matrix[i * n..(i + 1) * n], &flat_v);
                    assert!(
                        close(row, forward[i], 1e-12),
                        "{}: H·v {row} against {}",
                        scenario.name,
                        forward[i]
                    );
                }
            }
            for i in 0..n {
                assert!(
                    close(forward[i], reverse[i], 1e-11),
                    "{}: forward over reverse {} against reverse over forward {}",
                    scenario.name,
                    forward[i],
                    reverse[i]
                );
                if scenario.op != Op::StopGradient {
                    assert!(
                        close(forward[i], want[i], 1e-6),
                        "{}: H·v {} against differences {} at {x:?}",
                        scenario.name,
                        forward[i],
                        want[i]
                    );
                }
            }
        }
    }
}

#[test]
fn forward_jacobian_equals_reverse_jacobian() {
    for scenario in all() {
        let mut random = Random(5);
        let x = scenario.point(&mut random);
        let forward = jacobian(&scenario.graph, &x, Some(Mode::Forward));
        let reverse = jacobian(&scenario.graph, &x, Some(Mode::Reverse));
        for (f, r) in forward.iter().zip(&reverse) {
            assert!(close(*f, *r, 1e-13), "{}: {f} against {r}", scenario.name);
        }
    }
}

/// A scalar type, to build points by hand.
fn scalar(x: f64) -> Tensor {
    tensor(&TensorType::f64([]), &[x])
}

/// The contract's table of points without a derivative.
#[test]
fn declared_derivatives_where_there_is_none() {
    assert_declared_slopes(gradient);
}

/// log(x) where x > 0, else 2x: at x ≤ 0 nothing of the logarithm shows, in any mode or order.
#[test]
fn the_branch_not_taken_poisons_nothing() {
    let mut g = Draft::new("poison");
    let x = g.input("x", &[]);
    let zero = g.constant(scalar(0.0));
    let two = g.constant(scalar(2.0));
    let p = g.push(
        Op::Compare,
        &[x, zero],
        gradient_engine::Attributes::Compare {
            direction: gradient_engine::Direction::Gt,
        },
    );
    let log = g.op(Op::Log, &[x]);
    let root = g.op(Op::Sqrt, &[log]);
    let product = g.op(Op::Multiply, &[root, log]);
    let line = g.op(Op::Multiply, &[two, x]);
    let f = g.op(Op::Select, &[p, product, line]);
    let graph = g.finish(f);
    for at in [0.0, -1.0] {
        let x = [scalar(at)];
        assert_eq!(gradient(&graph, &x), [2.0]);
        assert_eq!(jacobian(&graph, &x, Some(Mode::Forward)), [2.0]);
        assert_eq!(jacobian(&graph, &x, Some(Mode::Reverse)), [2.0]);
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            assert_eq!(
                hvp(&graph, &x, &[scalar(1.0)], mode),
                [0.0],
                "{mode:?} at {at}"
            );
        }
    }
}
