//! Patterns through control flow: sparse and dense answers of random graphs agree, what is outside a pattern is zero
//! and stays the same when its input moves; and patterns that are known are met exactly.

mod closed;
mod ops;

use gradient_engine::{Block, Graph, HvpMode, Layout, Mode, Options, Product, Tensor, compile};
use gradient_tests::engine::{Random, evaluate, gradient, hessian, numbers, request, value};
use gradient_tests::random_graphs;
use gradient_tests::scenarios::Scenario;

/// Graphs of the committed run.
const GRAPHS: u64 = 240;
const SEED: u64 = 0x0b5e_55ed;

/// A sparse answer over all blocks as one matrix: its numbers, and which are entries.
struct Answer {
    numbers: Vec<f64>,
    there: Vec<bool>,
}

/// Elements of each input.
fn sizes(graph: &Graph) -> Vec<usize> {
    let types = graph.float_inputs().into_iter();
    let types = types.map(|i| graph.inputs()[i as usize].ty.elements() as usize);
    types.collect()
}

/// Blocks side by side, row by row of blocks; `across`: blocks in a row.
fn joined(blocks: &[Block], across: usize) -> Answer {
    let (mut all, mut there) = (vec![], vec![]);
    for row in blocks.chunks(across) {
        let shapes: Vec<[usize; 2]> = (row.iter())
            .map(|b| {
                let coordinates = b.coordinates.as_ref().expect("sparse");
                coordinates.shape.map(|size| size as usize)
            })
            .collect();
        let width: usize = shapes.iter().map(|[_, n]| n).sum();
        let mut part = Answer {
            numbers: vec![0.0; shapes[0][0] * width],
            there: vec![false; shapes[0][0] * width],
        };
        let mut before = 0;
        for (block, [_, n]) in row.iter().zip(&shapes) {
            let c = block.coordinates.as_ref().expect("sparse");
            for ((&i, &j), x) in c.rows.iter().zip(&c.columns).zip(block.tensor.to_f64()) {
                let at = i as usize * width + before + j as usize;
                (part.numbers[at], part.there[at]) = (x, true);
            }
            before += n;
        }
        all.extend(part.numbers);
        there.extend(part.there);
    }
    Answer {
        numbers: all,
        there,
    }
}

fn sparse(graph: &Graph, product: Product, options: Options, x: &[Tensor]) -> Answer {
    let blocks = evaluate(graph, product, options, x, &[]).expect("sparse");
    joined(&blocks, graph.float_inputs().len())
}

fn sparse_jacobian(graph: &Graph, mode: Option<Mode>, x: &[Tensor]) -> Answer {
    let product = Product::Jacobian {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        layout: Layout::Sparse,
    };
    let options = Options {
        mode,
        ..Options::default()
    };
    sparse(graph, product, options, x)
}

fn sparse_hessian(graph: &Graph, mode: HvpMode, x: &[Tensor]) -> Answer {
    let product = Product::Hessian {
        output: 0,
        wrt: graph.float_inputs(),
        layout: Layout::Sparse,
    };
    let options = Options {
        hvp_mode: Some(mode),
        ..Options::default()
    };
    sparse(graph, product, options, x)
}

/// Dense blocks as one matrix; `rows` of each row of blocks.
fn dense(graph: &Graph, rows: &[usize], numbers: &[f64]) -> Vec<f64> {
    let (mut out, mut rest) = (vec![], numbers);
    for &m in rows {
        let mut blocks = vec![];
        for size in sizes(graph) {
            let (block, after) = rest.split_at(m * size);
            blocks.push((block, size));
            rest = after;
        }
        for i in 0..m {
            let part = blocks.iter().map(|(block, n)| &block[i * n..(i + 1) * n]);
            out.extend(part.flatten());
        }
    }
    out
}

fn close(got: f64, want: f64, tolerance: f64, scale: f64) -> bool {
    got.is_finite() && (got - want).abs() <= tolerance * scale.max(1.0)
}

/// Entries agree, and outside the dense answer is 0.
fn compare(name: &str, got: &Answer, want: &[f64], wrong: &mut Vec<String>) {
    if got.numbers.len() != want.len() {
        wrong.push(format!(
            "{name}: {} numbers, not {}",
            got.numbers.len(),
            want.len()
        ));
        return;
    }
    let scale = want.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for (k, (&x, &y)) in got.numbers.iter().zip(want).enumerate() {
        let fits = match got.there[k] {
            true => close(x, y, 1e-12, scale),
            false => y == 0.0,
        };
        if !fits {
            wrong.push(format!(
                "{name} at {k}: {x} (entry: {}), dense {y}",
                got.there[k]
            ));
        }
    }
}

/// Moves one element of the inputs.
fn nudged(x: &[Tensor], at: usize, by: f64) -> Vec<Tensor> {
    let mut before = 0;
    let of = |t: &Tensor| {
        let mut numbers = t.to_f64();
        let first = before;
        before += numbers.len();
        if let Some(number) = at.checked_sub(first).and_then(|k| numbers.get_mut(k)) {
            *number += by;
        }
        gradient_tests::engine::tensor(t.ty(), &numbers)
    };
    x.iter().map(of).collect()
}

/// What does not depend on an input does not move with it, not by a bit; the rest moves as its derivative says.
fn against_differences(
    name: &str,
    got: &Answer,
    f: impl Fn(&[Tensor]) -> Vec<f64>,
    x: &[Tensor],
    wrong: &mut Vec<String>,
) {
    const STEP: f64 = 1e-5;
    let m = f(x).len();
    let n = got.numbers.len() / m.max(1);
    let scale = got.numbers.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    for j in 0..n {
        let (up, down) = (f(&nudged(x, j, STEP)), f(&nudged(x, j, -STEP)));
        for i in 0..m {
            let k = i * n + j;
            let slope = (up[i] - down[i]) / (2.0 * STEP);
            let fits = match got.there[k] {
                true => close(got.numbers[k], slope, 1e-4, scale),
                false => up[i] == down[i],
            };
            if !fits {
                let there = got.there[k];
                wrong.push(format!(
                    "{name} ({i}, {j}): {} (entry: {there}), difference quotient {slope}",
                    got.numbers[k]
                ));
            }
        }
    }
}

#[test]
fn answers_of_random_graphs_with_control_flow_agree_and_are_zero_outside() {
    let mut random = Random(SEED);
    let mut wrong = Vec::new();
    let (mut inside, mut all) = ([0usize; 2], [0usize; 2]);
    let mut count = |which: usize, answer: &Answer| {
        inside[which] += answer.there.iter().filter(|t| **t).count();
        all[which] += answer.there.len();
    };
    for case in 0..GRAPHS {
        let graph = random_graphs::graph(&mut random);
        let x: Vec<Tensor> = (graph.inputs().iter())
            .map(|i| random.tensor(&i.ty, (-1.2, 1.2)))
            .collect();
        let name = |what: &str| format!("seed {SEED:#x}, case {case}, {what}");
        let n: usize = sizes(&graph).iter().sum();
        let want = gradient_tests::engine::jacobian(&graph, &x, None);
        let want = dense(&graph, &[want.len() / n], &want);
        for mode in [None, Some(Mode::Reverse)] {
            let got = sparse_jacobian(&graph, mode, &x);
            compare(
                &name(&format!("Jacobian {mode:?}")),
                &got,
                &want,
                &mut wrong,
            );
            count(0, &got);
            if mode.is_none() {
                let f = |x: &[Tensor]| value(&graph, x);
                // Compiling for each point is most of the time.
                if case % 4 == 0 {
                    against_differences(&name("values"), &got, f, &x, &mut wrong);
                }
            }
        }
        let scenario = Scenario {
            name: String::new(),
            op: gradient_engine::Op::Add,
            graph,
            domains: vec![],
        };
        let graph = scenario.scalarized();
        let want = dense(&graph, &sizes(&graph), &hessian(&graph, &x));
        let modes = [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward];
        let mode = modes[case as usize % 2];
        let got = sparse_hessian(&graph, mode, &x);
        compare(&name(&format!("Hessian {mode:?}")), &got, &want, &mut wrong);
        count(1, &got);
        if case % 8 < 2 {
            let f = |x: &[Tensor]| gradient(&graph, x);
            let mut off = vec![];
            against_differences(&name("gradients"), &got, f, &x, &mut off);
            wrong.extend(off);
        }
    }
    let part = |k: usize| inside[k] as f64 / all[k] as f64;
    println!(
        "seed {SEED:#x}: {GRAPHS} graphs, fill {:.3} and {:.3}",
        part(0),
        part(1)
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    // Patterns of everything would agree as well.
    assert!(part(0) < 0.6 && part(1) < 0.6, "{} {}", part(0), part(1));
}

/// Positions of a sparse answer of a graph of one input.
fn positions(answer: &Answer) -> Vec<(usize, usize)> {
    let n = (answer.there.len() as f64).sqrt() as usize;
    let there = answer.there.iter().enumerate().filter(|(_, t)| **t);
    there.map(|(k, _)| (k / n, k % n)).collect()
}

/// A second program of a graph finds pattern and colours where the first left them.
#[test]
fn the_second_program_neither_propagates_nor_colors() {
    let graph = closed::banded(40, 3);
    let product = || Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0],
        layout: Layout::Sparse,
    };
    let effort = gradient_engine::plan::effort;
    let before = effort();
    let first = compile(&graph, &request(product(), Options::default())).expect("compiles");
    let between = effort();
    let second = compile(&graph, &request(product(), Options::default())).expect("compiles");
    assert!(between.patterns > before.patterns && between.colorings > before.colorings);
    assert_eq!(effort(), between);
    assert_eq!(first.plans()[0].reason, second.plans()[0].reason);
    let x = [gradient_tests::engine::tensor(
        &graph.inputs()[0].ty,
        &[0.25; 40],
    )];
    let answers = [(); 2].map(|()| {
        let got = evaluate(&graph, product(), Options::default(), &x, &[]);
        numbers(&got.expect("evaluates"))
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(effort(), between);
}
