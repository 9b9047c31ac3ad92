//! Programs that take a vector apart number by number get whole vectors back.

use gradient_engine::{Attributes, Graph, Op, Options, Product, ValueId, compile};
use gradient_tests::engine::{Random, gradient, request, value};
use gradient_tests::functions::Write;
use gradient_tests::scenarios::Draft;

const N: u64 = 800;

fn element(g: &mut Draft, x: ValueId, at: u64) -> ValueId {
    let slice = Attributes::Slice {
        starts: vec![at],
        limits: vec![at + 1],
        strides: vec![1],
    };
    let one = g.push(Op::Slice, &[x], slice);
    g.push(Op::Reshape, &[one], Attributes::Reshape { shape: vec![] })
}

/// The sum of f of every `step`-th element and the one after it, term by term.
fn unrolled(step: u64, f: impl Fn(&mut Draft, ValueId, ValueId) -> ValueId) -> Graph {
    let mut g = Draft::new("unrolled");
    let x = g.input("x", &[N]);
    let mut sum = None;
    for i in (0..N - 1).step_by(step as usize) {
        let (a, b) = (element(&mut g, x, i), element(&mut g, x, i + 1));
        let term = f(&mut g, a, b);
        sum = Some(sum.map_or(term, |sum| g.add(sum, term)));
    }
    g.finish(sum.expect("some"))
}

fn steps(graph: &Graph) -> usize {
    let wrt = vec![0];
    let product = Product::Gradient { output: 0, wrt };
    let program = compile(graph, &request(product, Options::default())).expect("compiles");
    program.listing().lines().count()
}

#[test]
fn terms_of_single_elements_become_operations_on_vectors() {
    let mut random = Random(3);
    for step in [1, 2, 3] {
        let graph = unrolled(step, |g, a, b| {
            let wave = g.plain(Op::Sin, &[a]);
            g.mul(wave, b)
        });
        let taken = steps(&graph);
        assert!(taken < 100, "step {step}: {taken} lines");
        let x = random.tensor(&graph.inputs()[0].ty, (-1.0, 1.0));
        let numbers = x.to_f64();
        let terms = (0..N as usize - 1).step_by(step as usize);
        let mut sum = None;
        let mut slopes = vec![0.0; N as usize];
        for i in terms {
            let (a, b) = (numbers[i], numbers[i + 1]);
            let term = Op::Sin.value1(a) * b;
            sum = Some(sum.map_or(term, |sum: f64| sum + term));
            slopes[i] += a.cos() * b;
            slopes[i + 1] += a.sin();
        }
        // The value bit by bit: terms are added in the order that the client wrote.
        assert_eq!(
            value(&graph, std::slice::from_ref(&x)),
            [sum.expect("some")]
        );
        let got = gradient(&graph, &[x]);
        for (got, want) in got.iter().zip(slopes) {
            assert!(
                got.is_finite() && (got - want).abs() <= 1e-14,
                "{got}, not {want}"
            );
        }
    }
}

#[test]
fn a_sum_of_one_function_of_all_elements_is_found() {
    let graph = unrolled(1, |g, a, _| g.plain(Op::Exp, &[a]));
    let taken = steps(&graph);
    assert!(taken < 40, "{taken} lines");
}
