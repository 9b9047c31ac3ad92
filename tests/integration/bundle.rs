//! Jacobians of observations that look up their own rows of shared tables.

use gradient_engine::{
    Arguments, Block, Graph, Layout, Mode, Op, Options, Plan, Product, Request, Scratch, Stop,
    Tensor, TensorType, compile,
};
use gradient_tests::bundle::{Scene, wrong_entries};
use gradient_tests::engine::tensor;
use gradient_tests::scenarios::Draft;

fn jacobian(graph: &Graph, mode: Option<Mode>, layout: Layout, x: &[Tensor]) -> (Vec<Block>, Plan) {
    let request = Request {
        products: vec![Product::Jacobian {
            outputs: vec![0],
            wrt: graph.float_inputs(),
            layout,
        }],
        options: Options {
            mode,
            ..Options::default()
        },
        batched: None,
    };
    let program = compile(graph, &request).expect("compiles");
    let arguments = Arguments {
        inputs: x.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
    (
        blocks.expect("evaluates").remove(0),
        program.plans()[0].clone(),
    )
}

#[test]
fn observations_are_swept_back_to_what_they_look_up() {
    let scene = Scene::new(11, 200, 1000);
    let graph = scene.graph();
    let x = [scene.cameras.clone(), scene.points.clone()];
    for (mode, sweeps) in [
        (None, 2),
        (Some(Mode::Reverse), 2),
        (Some(Mode::Forward), 12),
    ] {
        let (blocks, plan) = jacobian(&graph, mode, Layout::Sparse, &x);
        assert_eq!(plan.sweeps, sweeps, "{}", plan.reason);
        let values = [&blocks[0], &blocks[1]].map(|b| b.tensor.to_f64());
        let [cameras, points] = [0, 1].map(|b| {
            let c = blocks[b].coordinates.as_ref().expect("sparse");
            (&c.rows[..], &c.columns[..], &values[b][..])
        });
        assert_eq!(
            wrong_entries(&scene, [cameras, points], 1e-13),
            0,
            "{mode:?}"
        );
    }
    let (_, plan) = jacobian(&graph, None, Layout::Sparse, &x);
    assert_eq!(
        plan.reason,
        "reverse: 2 colours of 2000 rows, back to what the inputs are gathered into; 2 sweeps instead of 699"
    );
    let forward = plan.candidates.iter().find(|c| c.mode == Mode::Forward);
    assert_eq!(forward.map(|c| c.sweeps), Some(12));
}

/// x[i] x[j] of edges, x itself beside it, and x repeated: entries that are sums of terms.
#[test]
fn terms_of_one_entry_add_up() {
    let n = 12u64;
    // All pairs, an element with itself among them.
    let edges: Vec<(i64, i64)> = (0..144).map(|e| (e / 12, e % 12)).collect();
    let mut g = Draft::new("edges");
    let x = g.input("x", &[n]);
    let (from, to): (Vec<i64>, Vec<i64>) = edges.iter().copied().unzip();
    let a = g.look_up(x, &from);
    let b = g.look_up(x, &to);
    let product = g.op(Op::Multiply, &[a, b]);
    let sine = g.op(Op::Sin, &[product]);
    let y = g.op(Op::Add, &[sine, a]);
    let graph = g.finish(y);
    let numbers: Vec<f64> = (0..n).map(|i| 0.3 + 0.1 * i as f64).collect();
    let point = tensor(&TensorType::f64([n]), &numbers);
    for layout in [Layout::Sparse, Layout::Dense] {
        let (blocks, plan) = jacobian(&graph, None, layout, std::slice::from_ref(&point));
        assert_eq!(
            (plan.mode, plan.sweeps),
            (Some(Mode::Reverse), 1),
            "{}",
            plan.reason
        );
        let numbers_of = blocks[0].tensor.to_f64();
        let mut got = vec![0.0; edges.len() * n as usize];
        match &blocks[0].coordinates {
            None => got = numbers_of,
            Some(c) => (c.rows.iter().zip(&c.columns).zip(numbers_of))
                .for_each(|((i, j), v)| got[(i * n + j) as usize] = v),
        }
        for (e, &(i, j)) in edges.iter().enumerate() {
            let (i, j) = (i as usize, j as usize);
            let slope = (numbers[i] * numbers[j]).cos();
            let mut want = vec![0.0; n as usize];
            want[i] += slope * numbers[j] + 1.0;
            want[j] += slope * numbers[i];
            for (k, want) in want.into_iter().enumerate() {
                let got = got[e * n as usize + k];
                assert!(
                    (got - want).abs() <= 1e-14,
                    "{e}, {k}: {got} against {want}"
                );
            }
        }
    }
}
