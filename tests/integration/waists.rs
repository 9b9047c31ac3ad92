//! Jacobians across waists: sweeps as few as the waist is wide, numbers those of dense forward sweeps.

use gradient_engine::{
    Arguments, Attributes, Block, DType, DotDimensions, Error, Graph, Layout, Mode, Op, Options,
    Plan, Product, Request, Scratch, Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::engine::{Random, tensor};
use gradient_tests::scenarios::Draft;

fn try_at(
    graph: &Graph,
    layout: Layout,
    options: Options,
    x: &[Tensor],
    batch: Option<u64>,
) -> Result<(Vec<Block>, Plan), Error> {
    let request = Request {
        products: vec![Product::Jacobian {
            outputs: graph.float_outputs(),
            wrt: graph.float_inputs(),
            layout,
        }],
        options,
        batched: batch.map(|_| vec![true; x.len()]),
    };
    let program = compile(graph, &request)?;
    let arguments = Arguments {
        inputs: x.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: batch.unwrap_or(1),
    };
    let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default())?;
    let (block, plan) = (blocks.into_iter().next(), program.plans()[0].clone());
    Ok((block.expect("one product"), plan))
}

fn mode(mode: Option<Mode>) -> Options {
    Options {
        mode,
        ..Options::default()
    }
}

/// The automatic choice at a point; its numbers are those of forward sweeps, in every layout.
fn crossed(graph: &Graph, x: &[Tensor]) -> Plan {
    let (want, _) = try_at(graph, Layout::Dense, mode(Some(Mode::Forward)), x, None).unwrap();
    let (got, plan) = try_at(graph, Layout::Dense, Options::default(), x, None).unwrap();
    let (sparse, _) = try_at(graph, Layout::Sparse, Options::default(), x, None).unwrap();
    assert_eq!(got.len(), want.len());
    for ((got, want), sparse) in got.iter().zip(&want).zip(&sparse) {
        assert_eq!((got.output, got.wrt), (want.output, want.wrt));
        assert_eq!(got.tensor.ty(), want.tensor.ty());
        let [got, want] = [got, want].map(|b| b.tensor.to_f64());
        let scale = want.iter().fold(1e-300f64, |a, x| a.max(x.abs()));
        let single = graph.output_type(0).dtype == DType::F32;
        let tolerance = if single { 1e-6 } else { 1e-13 } * scale;
        for (k, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!(
                g.is_finite() && (g - w).abs() <= tolerance,
                "{k}: {g} against {w} ({})",
                plan.reason
            );
        }
        let c = sparse.coordinates.as_ref().expect("sparse");
        let numbers = sparse.tensor.to_f64();
        let mut rest = want.clone();
        for ((i, j), x) in c.rows.iter().zip(&c.columns).zip(numbers) {
            let at = (i * c.shape[1] + j) as usize;
            assert!((x - rest[at]).abs() <= tolerance, "{i}, {j}: {x}");
            rest[at] = 0.0;
        }
        assert!(
            rest.iter().all(|&x| x == 0.0),
            "entries outside the pattern"
        );
    }
    plan
}

fn sum(g: &mut Draft, x: ValueId) -> ValueId {
    let everything = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    g.push(Op::ReduceSum, &[x], everything)
}

fn constant(g: &mut Draft, random: &mut Random, ty: TensorType) -> ValueId {
    let numbers = random.tensor(&ty, (-1.0, 1.0));
    g.constant(numbers)
}

/// A x for a random matrix.
fn layer(g: &mut Draft, random: &mut Random, x: ValueId, m: u64, n: u64) -> ValueId {
    let a = constant(g, random, TensorType::f64([m, n]));
    let dimensions = DotDimensions {
        lhs_contracting: vec![1],
        rhs_contracting: vec![0],
        ..DotDimensions::default()
    };
    let y = g.push(Op::DotGeneral, &[a, x], Attributes::DotGeneral(dimensions));
    g.op(Op::Tanh, &[y])
}

fn input(random: &mut Random, ty: &TensorType) -> Tensor {
    random.tensor(ty, (-1.0, 1.0))
}

fn graph(outputs: &[(&str, ValueId)], mut g: Draft) -> Graph {
    for (name, value) in outputs {
        g.0.output(name, *value).expect("output");
    }
    g.0.finish().expect("finishes")
}

/// sin(Σ x²) c + cos(Σ x²)
fn thousand(g: &mut Draft, random: &mut Random, x: ValueId, ty: TensorType) -> ValueId {
    let square = g.op(Op::Square, &[x]);
    let w = sum(g, square);
    let c = constant(g, random, ty);
    let (s, d) = (g.op(Op::Sin, &[w]), g.op(Op::Cos, &[w]));
    let wide = g.op(Op::Multiply, &[s, c]);
    g.op(Op::Add, &[d, wide])
}

#[test]
fn across_one_value_it_takes_two_sweeps() {
    let mut random = Random(1);
    for ty in [TensorType::f64([1000]), TensorType::new(DType::F32, [1000])] {
        let mut g = Draft::new("waist");
        let x = g.0.input("x", ty.clone()).expect("input");
        let y = thousand(&mut g, &mut random, x, ty.clone());
        let graph = g.finish(y);
        let plan = crossed(&graph, &[input(&mut random, &ty)]);
        assert_eq!((plan.mode, plan.sweeps), (Some(Mode::Mixed), 2));
        assert_eq!((plan.forward_colors, plan.reverse_colors), (1, 1));
        assert_eq!(
            plan.reason,
            "mixed: across a waist of 1 value between 1000 inputs and 1000 outputs; \
             1 forward and 1 reverse sweep instead of 1000"
        );
        // What was not chosen is there to be compared.
        assert!(plan.candidates.len() >= 2);
        assert!(plan.candidates[0].operations < plan.candidates[1].operations);
    }
}

#[test]
fn across_five_values_it_takes_ten_sweeps() {
    let mut random = Random(2);
    let mut g = Draft::new("waist");
    let x = g.input("x", &[500]);
    let w = layer(&mut g, &mut random, x, 5, 500);
    let y = layer(&mut g, &mut random, w, 800, 5);
    let graph = g.finish(y);
    let plan = crossed(&graph, &[input(&mut random, &TensorType::f64([500]))]);
    assert_eq!((plan.mode, plan.sweeps), (Some(Mode::Mixed), 10));
    assert_eq!((plan.forward_colors, plan.reverse_colors), (5, 5));
    assert_eq!(
        plan.reason,
        "mixed: across a waist of 5 values between 500 inputs and 800 outputs; \
         5 forward and 5 reverse sweeps instead of 500"
    );
}

/// A second waist pays where something wide is still to come in: back from the wider one alone, the long way to the
/// inputs would take more sweeps.
#[test]
fn several_waists_make_a_chain() {
    let mut random = Random(3);
    let mut g = Draft::new("waists");
    let (x, p) = (g.input("x", &[400]), g.input("p", &[10]));
    let w = layer(&mut g, &mut random, x, 5, 400);
    let joined = g.push(
        Op::Concatenate,
        &[w, p],
        Attributes::Concatenate { dimension: 0 },
    );
    let v = layer(&mut g, &mut random, joined, 12, 15);
    let y = layer(&mut g, &mut random, v, 200, 12);
    let graph = g.finish(y);
    let point = [400, 10].map(|n| input(&mut random, &TensorType::f64([n])));
    let plan = crossed(&graph, &point);
    // From 12 values back to 5 and the late ones, from 5 back to the early ones, from 12 on to the outputs.
    assert_eq!((plan.mode, plan.sweeps), (Some(Mode::Mixed), 29));
    assert_eq!((plan.forward_colors, plan.reverse_colors), (12, 17));
    assert_eq!(
        plan.reason,
        "mixed: across waists of 15 and 12 values between 410 inputs and 200 outputs; \
         12 forward and 17 reverse sweeps instead of 200"
    );
}

/// In a plain chain the narrowest waist serves all of it.
#[test]
fn the_narrowest_of_several_waists_is_taken() {
    let mut random = Random(3);
    let mut g = Draft::new("waists");
    let x = g.input("x", &[100]);
    let mut y = x;
    for [m, n] in [[8, 100], [90, 8], [5, 90], [110, 5]] {
        y = layer(&mut g, &mut random, y, m, n);
    }
    let graph = g.finish(y);
    let plan = crossed(&graph, &[input(&mut random, &TensorType::f64([100]))]);
    assert_eq!((plan.mode, plan.sweeps), (Some(Mode::Mixed), 10));
    assert_eq!((plan.forward_colors, plan.reverse_colors), (5, 5));
}

#[test]
fn parameters_of_both_sides_belong_to_the_cut() {
    let mut random = Random(4);
    let mut g = Draft::new("shared");
    let x = g.input("x", &[60]);
    let p = g.input("p", &[]);
    let scaled = g.op(Op::Multiply, &[x, p]);
    let w = layer(&mut g, &mut random, scaled, 2, 60);
    let wide = layer(&mut g, &mut random, w, 50, 2);
    let y = g.op(Op::Multiply, &[wide, p]);
    // The waist is an output as well, and so is the parameter; one output depends on nothing.
    let c = constant(&mut g, &mut random, TensorType::f64([3]));
    let graph = graph(&[("y", y), ("w", w), ("p", p), ("c", c)], g);
    let point = [TensorType::f64([60]), TensorType::f64([])].map(|ty| input(&mut random, &ty));
    let plan = crossed(&graph, &point);
    assert_eq!(plan.mode, Some(Mode::Mixed), "{}", plan.reason);
    // The parameter needs no sweep on the inputs' side.
    assert_eq!((plan.forward_colors, plan.reverse_colors), (3, 2));

    // As many as there are inputs are no waist.
    let mut g = Draft::new("shared");
    let x = g.input("x", &[40]);
    let w = layer(&mut g, &mut random, x, 1, 40);
    let w = sum(&mut g, w);
    let s = g.op(Op::Sin, &[x]);
    let y = g.op(Op::Multiply, &[s, w]);
    let graph = g.finish(y);
    let plan = crossed(&graph, &[input(&mut random, &TensorType::f64([40]))]);
    assert_ne!(plan.mode, Some(Mode::Mixed), "{}", plan.reason);
}

#[test]
fn two_strands_cross_two_waists_at_once() {
    let mut random = Random(5);
    let ty = TensorType::f64([50]);
    let mut g = Draft::new("strands");
    let (a, b) = (g.input("a", &[50]), g.input("b", &[50]));
    let y = thousand(&mut g, &mut random, a, ty.clone());
    let z = thousand(&mut g, &mut random, b, ty.clone());
    let both = g.op(Op::Multiply, &[y, z]);
    let graph = graph(&[("y", y), ("both", both)], g);
    let point = [(); 2].map(|()| input(&mut random, &ty));
    let plan = crossed(&graph, &point);
    assert_eq!(
        (plan.mode, plan.sweeps),
        (Some(Mode::Mixed), 4),
        "{}",
        plan.reason
    );
}

#[test]
fn batches_cross_in_lanes_and_point_by_point() {
    let mut random = Random(6);
    for width in [1, 3] {
        let mut g = Draft::new("batch");
        let x = g.input("x", &[20]);
        let w = layer(&mut g, &mut random, x, width, 20);
        let y = layer(&mut g, &mut random, w, 30, width);
        let graph = g.finish(y);
        let batch = 37;
        let stacked = input(&mut random, &TensorType::f64([batch, 20]));
        let of = |options, x: &[Tensor], batch| {
            let (blocks, plan) = try_at(&graph, Layout::Dense, options, x, batch).unwrap();
            (blocks[0].tensor.to_f64(), plan)
        };
        let (got, plan) = of(
            Options::default(),
            std::slice::from_ref(&stacked),
            Some(batch),
        );
        assert_eq!(u64::from(plan.sweeps), 2 * width, "{}", plan.reason);
        for (point, got) in stacked.to_f64().chunks(20).zip(got.chunks(600)) {
            let point = tensor(&TensorType::f64([20]), point);
            let (want, _) = of(mode(Some(Mode::Forward)), &[point], None);
            for (g, w) in got.iter().zip(want) {
                assert!(g.is_finite() && (g - w).abs() <= 1e-13, "{g} against {w}");
            }
        }
    }
}

/// Infinite slopes on one strand, none of which may reach the other as 0 · inf.
#[test]
fn what_is_steep_stays_on_its_strand() {
    let mut g = Draft::new("steep");
    let x = g.input("x", &[40]);
    let c = g.constant(tensor(&TensorType::f64([20]), &[1.0; 20]));
    let strands = [0, 20].map(|begin| {
        let half = Attributes::Slice {
            starts: vec![begin],
            limits: vec![begin + 20],
            strides: vec![],
        };
        let half = g.push(Op::Slice, &[x], half);
        let w = sum(&mut g, half);
        let w = g.op(if begin == 0 { Op::Sqrt } else { Op::Sin }, &[w]);
        g.op(Op::Multiply, &[w, c])
    });
    let attributes = Attributes::Concatenate { dimension: 0 };
    let y = g.push(Op::Concatenate, &strands, attributes);
    let graph = g.finish(y);
    let x = tensor(&TensorType::f64([40]), &[0.0; 40]);
    for forced in [Mode::Mixed, Mode::Forward, Mode::Reverse] {
        let (options, x) = (mode(Some(forced)), std::slice::from_ref(&x));
        let (blocks, plan) = try_at(&graph, Layout::Dense, options, x, None).unwrap();
        for (k, got) in blocks[0].tensor.to_f64().into_iter().enumerate() {
            let want = match (k / 40 < 20, k % 40 < 20) {
                (true, true) => f64::INFINITY,
                (false, false) => 1.0,
                _ => 0.0,
            };
            assert!(got == want, "{k}: {got} against {want} ({})", plan.reason);
        }
    }
}

#[test]
fn mixing_is_refused_where_there_is_nothing_to_mix() {
    let mut random = Random(7);
    let mut g = Draft::new("full");
    let x = g.input("x", &[9]);
    let y = layer(&mut g, &mut random, x, 9, 9);
    let graph = g.finish(y);
    let point = input(&mut random, &TensorType::f64([9]));
    for layout in [Layout::Dense, Layout::Sparse, Layout::Auto] {
        let x = std::slice::from_ref(&point);
        match try_at(&graph, layout, mode(Some(Mode::Mixed)), x, None) {
            Err(Error::Product {
                product: 0,
                message,
                ..
            }) => assert!(
                message.starts_with("MODE_MIXED has nothing to mix here: no waist is narrower than 9 inputs and 9 outputs"),
                "{message}"
            ),
            other => panic!("{layout:?}: {other:?}"),
        }
    }
}

#[test]
fn a_forced_mix_crosses_waists_that_do_not_pay() {
    let mut random = Random(8);
    let mut g = Draft::new("small");
    let x = g.input("x", &[3]);
    let w = layer(&mut g, &mut random, x, 2, 3);
    let y = layer(&mut g, &mut random, w, 3, 2);
    let graph = g.finish(y);
    let point = [input(&mut random, &TensorType::f64([3]))];
    let (want, _) = try_at(
        &graph,
        Layout::Dense,
        mode(Some(Mode::Forward)),
        &point,
        None,
    )
    .unwrap();
    let (got, plan) = try_at(&graph, Layout::Dense, mode(Some(Mode::Mixed)), &point, None).unwrap();
    assert_eq!((plan.mode, plan.sweeps), (Some(Mode::Mixed), 4));
    assert!(
        plan.reason
            .starts_with("mixed: asked for by the request; across a waist of 2 values")
    );
    for (g, w) in got[0].tensor.to_f64().iter().zip(want[0].tensor.to_f64()) {
        assert!(g.is_finite() && (g - w).abs() <= 1e-14, "{g} against {w}");
    }
}

/// Scalars by the hundred thousand: what is looked for costs little beside the derivative itself.
#[test]
fn large_graphs_are_searched_in_little_time() {
    let mut g = Draft::new("large");
    let n = 20u64;
    let xs: Vec<ValueId> = (0..n).map(|i| g.input(&format!("x{i}"), &[])).collect();
    let mut state = xs.clone();
    for step in 0..2000 {
        // Neighbours mix, so that no value alone separates anything.
        let (i, j) = (step % n as usize, (step * 7 + 3) % n as usize);
        let s = g.op(Op::Sin, &[state[i]]);
        state[j] = g.op(Op::Add, &[s, state[j]]);
    }
    let outputs: Vec<(String, ValueId)> = (state.iter().enumerate())
        .map(|(i, &v)| (format!("y{i}"), v))
        .collect();
    let named: Vec<(&str, ValueId)> = outputs
        .iter()
        .map(|(name, v)| (name.as_str(), *v))
        .collect();
    let graph = graph(&named, g);
    let mut random = Random(9);
    let point: Vec<Tensor> = (0..n)
        .map(|_| input(&mut random, &TensorType::f64([])))
        .collect();
    let (_, plan) = try_at(&graph, Layout::Dense, Options::default(), &point, None).unwrap();
    assert_ne!(plan.mode, Some(Mode::Mixed), "{}", plan.reason);
}
