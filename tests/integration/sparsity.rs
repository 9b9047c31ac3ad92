//! Patterns, and compressed Jacobians and Hessians, against dense ones and against numbers of colours that are known.

use gradient_engine::plan::structure;
use gradient_engine::{
    Arguments, Attributes, Block, DType, Error, Graph, Layout, Mode, Op, Options, Plan, Product,
    Request, Scratch, Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::engine::{Random, tensor};
use gradient_tests::scenarios::{Draft, all};

fn whole(graph: &Graph, layout: Layout) -> Product {
    Product::Jacobian {
        outputs: graph.float_outputs(),
        wrt: graph.float_inputs(),
        layout,
    }
}

fn hessian(graph: &Graph, layout: Layout) -> Product {
    Product::Hessian {
        output: 0,
        wrt: graph.float_inputs(),
        layout,
    }
}

fn forced(mode: Option<Mode>) -> Options {
    Options {
        mode,
        ..Options::default()
    }
}

/// Blocks and plan of a product at a point.
fn at(graph: &Graph, product: Product, mode: Option<Mode>, x: &[Tensor]) -> (Vec<Block>, Plan) {
    try_at(graph, product, mode, x).expect("compiles")
}

fn try_at(
    graph: &Graph,
    product: Product,
    mode: Option<Mode>,
    x: &[Tensor],
) -> Result<(Vec<Block>, Plan), Error> {
    let request = Request {
        products: vec![product],
        options: forced(mode),
        batched: None,
    };
    let program = compile(graph, &request)?;
    let arguments = Arguments {
        inputs: x.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
    let blocks = blocks.expect("evaluates").remove(0);
    Ok((blocks, program.plans()[0].clone()))
}

/// The full matrix of a block, and whether each place is an entry (of a dense block all are).
fn spread(block: &Block) -> (Vec<f64>, Vec<bool>) {
    let numbers = block.tensor.to_f64();
    let Some(c) = &block.coordinates else {
        let everywhere = vec![true; numbers.len()];
        return (numbers, everywhere);
    };
    let [m, n] = c.shape.map(|size| size as usize);
    assert_eq!(c.rows.len(), numbers.len());
    let places: Vec<(u64, u64)> = c
        .rows
        .iter()
        .copied()
        .zip(c.columns.iter().copied())
        .collect();
    assert!(places.windows(2).all(|w| w[0] < w[1]), "sorted, each once");
    let (mut full, mut there) = (vec![0.0; m * n], vec![false; m * n]);
    for ((i, j), x) in places.into_iter().zip(numbers) {
        let at = i as usize * n + j as usize;
        (full[at], there[at]) = (x, true);
    }
    (full, there)
}

/// What a matrix disagrees in with another; outside its entries the other must be 0 exactly.
fn differences(name: &str, got: &[Block], want: &[Block]) -> Vec<String> {
    let mut wrong = Vec::new();
    if got.len() != want.len() {
        return vec![format!("{name}: {} blocks, not {}", got.len(), want.len())];
    }
    for (got, want) in got.iter().zip(want) {
        let places = |b: &Block| (b.output, b.wrt, b.wrt_second);
        let (numbers, there) = spread(got);
        let dense = want.tensor.to_f64();
        if places(got) != places(want) || numbers.len() != dense.len() {
            wrong.push(format!(
                "{name}: block {:?}, not {:?}",
                places(got),
                places(want)
            ));
            continue;
        }
        let single = want.tensor.ty().dtype == DType::F32;
        let tolerance = if single { 1e-6 } else { 1e-13 };
        let scale = dense.iter().fold(1.0f64, |a, x| a.max(x.abs()));
        for (k, ((x, y), there)) in numbers.iter().zip(&dense).zip(there).enumerate() {
            let equal = match there {
                true => x.is_finite() && (x - y).abs() <= tolerance * scale,
                false => *y == 0.0,
            };
            if !equal {
                wrong.push(format!("{name} at {k}: {x} (entry: {there}), dense {y}"));
            }
        }
    }
    wrong
}

/// Jacobian in all modes and layouts, and Hessian, against dense and uncompressed columns of J·v.
fn disagreements(name: &str, graph: &Graph, x: &[Tensor]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (want, _) = columns_one_by_one(graph, x);
    let modes = [
        None,
        Some(Mode::Forward),
        Some(Mode::Reverse),
        Some(Mode::Mixed),
    ];
    for mode in modes {
        for layout in [Layout::Dense, Layout::Sparse, Layout::Auto] {
            let (got, plan) = match try_at(graph, whole(graph, layout), mode, x) {
                Ok(answer) => answer,
                // Where neither waist nor bicolouring is, there is nothing to mix, and the answer says so.
                Err(Error::Product { message, .. })
                    if mode == Some(Mode::Mixed) && message.contains("nothing to mix") =>
                {
                    continue;
                }
                Err(error) => {
                    wrong.push(format!("{name} {mode:?} {layout:?}: {error}"));
                    continue;
                }
            };
            if layout == Layout::Sparse && got.iter().any(|b| b.coordinates.is_none()) {
                wrong.push(format!("{name}: dense, {}", plan.reason));
            }
            let name = format!("{name} {mode:?} {layout:?} ({})", plan.reason);
            wrong.extend(differences(&name, &got, &want));
        }
    }
    wrong
}

/// The Jacobian's dense blocks from a J·v for each column: no colours are in that.
fn columns_one_by_one(graph: &Graph, x: &[Tensor]) -> (Vec<Block>, usize) {
    let (mut blocks, _) = at(graph, whole(graph, Layout::Sparse), Some(Mode::Forward), x);
    let floats = graph.float_inputs();
    let n: u64 = floats
        .iter()
        .map(|&i| graph.inputs()[i as usize].ty.elements())
        .sum();
    let mut columns = Vec::new();
    let request = Request {
        products: vec![Product::Jvp { directions: 0 }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(graph, &request).expect("compiles");
    for k in 0..n {
        let mut before = 0;
        let seeds: Vec<Tensor> = floats
            .iter()
            .map(|&i| {
                let ty = &graph.inputs()[i as usize].ty;
                let unit: Vec<f64> = (0..ty.elements())
                    .map(|e| f64::from(before + e == k))
                    .collect();
                before += ty.elements();
                tensor(ty, &unit)
            })
            .collect();
        let arguments = Arguments {
            inputs: x.iter().map(Tensor::as_ref).collect(),
            seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
            batch: 1,
        };
        let column = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
        columns.push(column.expect("evaluates").remove(0));
    }
    let outputs = graph.float_outputs();
    for block in &mut blocks {
        let o = outputs
            .iter()
            .position(|&o| Some(o) == block.output)
            .expect("an output");
        let before = floats.iter().take_while(|&&i| Some(i) != block.wrt);
        let first: u64 = before
            .map(|&i| graph.inputs()[i as usize].ty.elements())
            .sum();
        let input = &graph.inputs()[block.wrt.expect("an input") as usize].ty;
        let of = graph.output_type(block.output.expect("an output") as usize);
        let (m, n) = (of.elements() as usize, input.elements() as usize);
        let mut numbers = vec![0.0; m * n];
        for j in 0..n {
            let column = columns[first as usize + j][o].tensor.to_f64();
            (0..m).for_each(|i| numbers[i * n + j] = column[i]);
        }
        let shape: Vec<u64> = of.shape.iter().chain(input.shape.iter()).copied().collect();
        block.tensor = tensor(&TensorType::new(of.dtype, shape), &numbers);
        block.coordinates = None;
    }
    (blocks, columns.len())
}

fn report(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn sparse_and_dense_agree_in_every_scenario() {
    let mut random = Random(0x5fa5);
    let mut wrong = Vec::new();
    for scenario in all() {
        let x = scenario.point(&mut random);
        wrong.extend(disagreements(&scenario.name, &scenario.graph, &x));
    }
    report(&wrong);
}

#[test]
fn sparse_and_dense_hessians_agree_in_every_scenario() {
    let mut random = Random(0x4e55);
    let mut wrong = Vec::new();
    for scenario in all() {
        let x = scenario.point(&mut random);
        let graph = scenario.scalarized();
        if graph.float_inputs().is_empty() {
            continue;
        }
        let (got, plan) = at(&graph, hessian(&graph, Layout::Sparse), None, &x);
        let want = hessian_one_by_one(&graph, &x);
        let name = format!("{} ({})", scenario.name, plan.reason);
        wrong.extend(differences(&name, &got, &want));
    }
    report(&wrong);
}

/// Dense blocks of the Hessian from an H·v for each column.
fn hessian_one_by_one(graph: &Graph, x: &[Tensor]) -> Vec<Block> {
    let wrt = graph.float_inputs();
    let ty = |i: u32| &graph.inputs()[i as usize].ty;
    let request = Request {
        products: vec![Product::Hvp {
            output: 0,
            wrt: wrt.clone(),
            directions: 0,
        }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(graph, &request).expect("compiles");
    let (mut blocks, _) = at(graph, hessian(graph, Layout::Sparse), None, x);
    let count = wrt.len();
    let mut numbers: Vec<Vec<f64>> = (0..count * count)
        .map(|b| {
            vec![0.0; (ty(wrt[b / count]).elements() * ty(wrt[b % count]).elements()) as usize]
        })
        .collect();
    for (c, &v) in wrt.iter().enumerate() {
        for j in 0..ty(v).elements() as usize {
            let seed = |&i: &u32| {
                let unit: Vec<f64> = (0..ty(i).elements() as usize)
                    .map(|e| f64::from(i == v && e == j))
                    .collect();
                tensor(ty(i), &unit)
            };
            let seeds: Vec<Tensor> = wrt.iter().map(seed).collect();
            let arguments = Arguments {
                inputs: x.iter().map(Tensor::as_ref).collect(),
                seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
                batch: 1,
            };
            let column = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
            for (r, block) in column.expect("evaluates")[0].iter().enumerate() {
                let n = ty(v).elements() as usize;
                for (i, y) in block.tensor.to_f64().into_iter().enumerate() {
                    numbers[r * count + c][i * n + j] = y;
                }
            }
        }
    }
    for (block, numbers) in blocks.iter_mut().zip(numbers) {
        let dtype = ty(block.wrt.expect("an input")).dtype;
        block.tensor = tensor(&TensorType::new(dtype, [numbers.len() as u64]), &numbers);
        block.coordinates = None;
    }
    blocks
}

/// Vectors of one length, combined at random by operations that keep, mix, or cut their structure.
fn random_graph(random: &mut Random) -> Graph {
    let n = 2 + (random.unit() * 9.0) as u64;
    let mut g = Draft::new("random");
    let mut values: Vec<ValueId> = (0..1 + (random.unit() * 3.0) as usize)
        .map(|i| g.input(&format!("x{i}"), &[n]))
        .collect();
    let choose = |random: &mut Random, values: &[ValueId]| {
        values[(random.unit() * values.len() as f64) as usize]
    };
    for _ in 0..4 + (random.unit() * 12.0) as usize {
        let (a, b) = (choose(random, &values), choose(random, &values));
        let kind = (random.unit() * 11.0) as u32;
        let value = match kind {
            0 | 1 => g.op(Op::Multiply, &[a, b]),
            2 => g.op(Op::Add, &[a, b]),
            3 => g.op(Op::Sin, &[a]),
            4 => g.op(Op::Tanh, &[b]),
            5 => {
                // A shift, with zeros moved in.
                let zero = g.constant(Tensor::scalar(DType::F64, 0.0));
                let (low, high) = (1, 0);
                let pad = Attributes::Pad {
                    low: vec![low],
                    high: vec![high],
                    interior: vec![0],
                };
                let padded = g.push(Op::Pad, &[a, zero], pad);
                let slice = Attributes::Slice {
                    starts: vec![0],
                    limits: vec![n],
                    strides: vec![],
                };
                g.push(Op::Slice, &[padded], slice)
            }
            6 => {
                let dimensions = vec![0];
                g.push(Op::Reverse, &[a], Attributes::Reverse { dimensions })
            }
            7 => {
                let places: Vec<i64> = (0..n).map(|_| (random.unit() * n as f64) as i64).collect();
                g.look_up(a, &places)
            }
            8 => {
                let axes = Attributes::Reduce {
                    axes: vec![],
                    keep_dims: false,
                };
                let sum = g.push(Op::ReduceSum, &[a], axes);
                g.op(Op::Multiply, &[sum, b])
            }
            9 => {
                let attributes = Attributes::Compare {
                    direction: gradient_engine::Direction::Lt,
                };
                let less = g.push(Op::Compare, &[a, b], attributes);
                g.op(Op::Select, &[less, a, b])
            }
            _ => g.op(Op::Floor, &[a]),
        };
        values.push(value);
    }
    let last = *values.last().expect("some");
    let before = choose(random, &values);
    let y = g.op(Op::Add, &[last, before]);
    g.finish(y)
}

#[test]
fn sparse_and_dense_agree_in_random_graphs() {
    let mut random = Random(0xface);
    let mut wrong = Vec::new();
    for case in 0..150 {
        let graph = random_graph(&mut random);
        let x: Vec<Tensor> = (graph.inputs().iter())
            .map(|i| random.tensor(&i.ty, (-1.5, 1.5)))
            .collect();
        wrong.extend(disagreements(&format!("case {case}"), &graph, &x));
    }
    report(&wrong);
}

/// A function of one vector.
fn of_vector(n: u64, f: impl Fn(&mut Draft, ValueId) -> ValueId) -> Graph {
    let mut g = Draft::new("f");
    let x = g.input("x", &[n]);
    let y = f(&mut g, x);
    g.finish(y)
}

fn part(g: &mut Draft, x: ValueId, begin: u64, end: u64) -> ValueId {
    let slice = Attributes::Slice {
        starts: vec![begin],
        limits: vec![end],
        strides: vec![],
    };
    g.push(Op::Slice, &[x], slice)
}

fn joined(g: &mut Draft, parts: &[ValueId]) -> ValueId {
    g.push(
        Op::Concatenate,
        parts,
        Attributes::Concatenate { dimension: 0 },
    )
}

fn sum(g: &mut Draft, x: ValueId) -> ValueId {
    let everything = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    g.push(Op::ReduceSum, &[x], everything)
}

fn number(g: &mut Draft, x: f64) -> ValueId {
    g.constant(Tensor::scalar(DType::F64, x))
}

/// x_i² x_{i-1} + sin x_{i+1}, with 0 beyond the ends.
fn tridiagonal(n: u64) -> Graph {
    of_vector(n, |g, x| {
        let zero = number(g, 0.0);
        let pad = Attributes::Pad {
            low: vec![1],
            high: vec![1],
            interior: vec![0],
        };
        let wide = g.push(Op::Pad, &[x, zero], pad);
        let (left, right) = (part(g, wide, 0, n), part(g, wide, 2, n + 2));
        let square = g.op(Op::Square, &[x]);
        let product = g.op(Op::Multiply, &[square, left]);
        let sine = g.op(Op::Sin, &[right]);
        g.op(Op::Add, &[product, sine])
    })
}

/// First row full, then x_0 x_i.
fn arrow(n: u64) -> Graph {
    of_vector(n, |g, x| {
        let (head, rest) = (part(g, x, 0, 1), part(g, x, 1, n));
        let square = g.op(Op::Square, &[x]);
        let all = sum(g, square);
        let all = g.push(Op::Reshape, &[all], Attributes::Reshape { shape: vec![1] });
        let one = g.push(Op::Reshape, &[head], Attributes::Reshape { shape: vec![] });
        let sines = g.op(Op::Sin, &[rest]);
        let products = g.op(Op::Multiply, &[one, sines]);
        joined(g, &[all, products])
    })
}

/// The 5-point Laplacian of u on a k × k grid, zero round it, and u³.
fn laplacian(k: u64) -> Graph {
    let mut g = Draft::new("laplacian");
    let u = g.input("u", &[k, k]);
    let zero = number(&mut g, 0.0);
    let pad = Attributes::Pad {
        low: vec![1, 1],
        high: vec![1, 1],
        interior: vec![0, 0],
    };
    let wide = g.push(Op::Pad, &[u, zero], pad);
    let square = g.op(Op::Square, &[u]);
    let mut total = g.op(Op::Multiply, &[square, u]);
    for (i, j) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        let slice = Attributes::Slice {
            starts: vec![i, j],
            limits: vec![i + k, j + k],
            strides: vec![],
        };
        let neighbor = g.push(Op::Slice, &[wide], slice);
        total = g.op(Op::Add, &[total, neighbor]);
    }
    g.finish(total)
}

/// Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)².
fn rosenbrock(n: u64) -> Graph {
    of_vector(n, |g, x| {
        let (a, b) = (part(g, x, 0, n - 1), part(g, x, 1, n));
        let (hundred, one) = (number(g, 100.0), number(g, 1.0));
        let square = g.op(Op::Square, &[a]);
        let distance = g.op(Op::Subtract, &[b, square]);
        let valley = g.op(Op::Square, &[distance]);
        let valley = g.op(Op::Multiply, &[hundred, valley]);
        let rest = g.op(Op::Subtract, &[one, a]);
        let rest = g.op(Op::Square, &[rest]);
        let terms = g.op(Op::Add, &[valley, rest]);
        sum(g, terms)
    })
}

fn ramp(n: u64) -> Tensor {
    let numbers: Vec<f64> = (0..n)
        .map(|i| 0.3 + 0.7 * ((i * 37 % 101) as f64) / 101.0)
        .collect();
    tensor(&TensorType::f64([n]), &numbers)
}

#[test]
fn an_arrow_takes_three_sweeps() {
    let n = 200;
    let (blocks, plan) = at(
        &arrow(n),
        whole(&arrow(n), Layout::Sparse),
        None,
        &[ramp(n)],
    );
    assert_eq!(
        (plan.mode, plan.sweeps),
        (Some(Mode::Mixed), 3),
        "{}",
        plan.reason
    );
    assert_eq!((plan.forward_colors, plan.reverse_colors), (2, 1));
    assert_eq!(
        plan.reason,
        "mixed: 2 colours of 200 columns and 1 colour of 200 rows; 3 sweeps instead of 200"
    );
    let x = ramp(n).to_f64();
    let (full, there) = spread(&blocks[0]);
    assert_eq!(there.iter().filter(|t| **t).count() as u64, n + 2 * (n - 1));
    for i in 0..n as usize {
        for j in 0..n as usize {
            let want = match (i, j) {
                (0, j) => 2.0 * x[j],
                (i, 0) => x[i].sin(),
                (i, j) if i == j => x[0] * x[i].cos(),
                _ => 0.0,
            };
            let got = full[i * n as usize + j];
            assert!(
                (got - want).abs() <= 1e-15 * want.abs(),
                "{i}, {j}: {got} against {want}"
            );
        }
    }
}

#[test]
fn a_band_takes_as_many_colors_as_it_is_wide() {
    let n = 100_000;
    let graph = tridiagonal(n);
    let (blocks, plan) = at(&graph, whole(&graph, Layout::Sparse), None, &[ramp(n)]);
    assert_eq!((plan.forward_colors, plan.sweeps), (3, 3));
    assert_eq!(
        plan.reason,
        "forward: 3 colours of 100000 columns; 3 sweeps instead of 100000"
    );
    let c = blocks[0].coordinates.as_ref().expect("sparse");
    assert_eq!(c.rows.len() as u64, 3 * n - 2);
    let x = ramp(n).to_f64();
    let numbers = blocks[0].tensor.to_f64();
    for ((&i, &j), got) in c.rows.iter().zip(&c.columns).zip(numbers) {
        let (i, j) = (i as usize, j as usize);
        let want = match j {
            j if j + 1 == i => x[i] * x[i],
            j if j == i && i == 0 => 0.0,
            j if j == i => 2.0 * x[i] * x[i - 1],
            _ => x[j].cos(),
        };
        assert!(
            (got - want).abs() <= 1e-15 * want.abs(),
            "{i}, {j}: {got} against {want}"
        );
    }
}

#[test]
fn a_grid_takes_at_most_seven_colors() {
    let k = 300;
    let graph = laplacian(k);
    let request = Request {
        products: vec![whole(&graph, Layout::Sparse)],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&graph, &request).expect("compiles");
    let plan = &program.plans()[0];
    assert!((5..=7).contains(&plan.sweeps), "{}", plan.reason);
}

#[test]
fn hessian_of_rosenbrock_takes_three_sweeps() {
    let n = 100_000;
    let graph = rosenbrock(n);
    let (blocks, plan) = at(&graph, hessian(&graph, Layout::Auto), None, &[ramp(n)]);
    assert!(
        plan.sweeps <= 3 && plan.forward_colors == plan.sweeps,
        "{}",
        plan.reason
    );
    let c = blocks[0].coordinates.as_ref().expect("sparse");
    assert_eq!(c.rows.len() as u64, 3 * n - 2);
    let x = ramp(n).to_f64();
    let numbers = blocks[0].tensor.to_f64();
    for ((&i, &j), got) in c.rows.iter().zip(&c.columns).zip(numbers) {
        let (i, j, last) = (i as usize, j as usize, n as usize - 1);
        let own = |i: usize| {
            if i < last {
                1200.0 * x[i] * x[i] - 400.0 * x[i + 1] + 2.0
            } else {
                0.0
            }
        };
        let want = match i.abs_diff(j) {
            0 => own(i) + if i > 0 { 200.0 } else { 0.0 },
            _ => -400.0 * x[i.min(j)],
        };
        assert!(
            (got - want).abs() <= 1e-12 * want.abs().max(1.0),
            "{i}, {j}: {got} against {want}"
        );
    }
}

#[test]
fn dense_layouts_use_colors_too() {
    let n = 50;
    let graph = tridiagonal(n);
    let (blocks, plan) = at(&graph, whole(&graph, Layout::Dense), None, &[ramp(n)]);
    assert_eq!((plan.sweeps, blocks[0].coordinates.is_none()), (3, true));
    assert_eq!(*blocks[0].tensor.ty(), TensorType::f64([n, n]));
    let (want, _) = columns_one_by_one(&graph, &[ramp(n)]);
    report(&differences("tridiagonal", &blocks, &want));
    let graph = rosenbrock(n);
    let (blocks, plan) = at(&graph, hessian(&graph, Layout::Dense), None, &[ramp(n)]);
    assert_eq!((plan.sweeps, blocks[0].coordinates.is_none()), (3, true));
    report(&differences(
        "rosenbrock",
        &blocks,
        &hessian_one_by_one(&graph, &[ramp(n)]),
    ));
}

#[test]
fn batches_share_coordinates() {
    let n = 12;
    let x: Vec<Tensor> = [1, 2, 3]
        .map(|k| {
            let numbers: Vec<f64> = (0..n).map(|i| 0.1 * (k * n + i) as f64).collect();
            tensor(&TensorType::f64([n]), &numbers)
        })
        .into();
    let stacked: Vec<f64> = x.iter().flat_map(Tensor::to_f64).collect();
    let stacked = tensor(&TensorType::f64([3, n]), &stacked);
    // One colour (points in lanes) and several (colours in lanes).
    let diagonal = of_vector(n, |g, x| g.op(Op::Sin, &[x]));
    for graph in [diagonal, tridiagonal(n), arrow(n)] {
        let request = Request {
            products: vec![whole(&graph, Layout::Sparse)],
            options: Options::default(),
            batched: Some(vec![true]),
        };
        let program = compile(&graph, &request).expect("compiles");
        let arguments = Arguments {
            inputs: vec![stacked.as_ref()].into(),
            seeds: vec![vec![]],
            batch: 3,
        };
        let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default());
        let block = blocks.expect("evaluates").remove(0).remove(0);
        let entries = block.coordinates.as_ref().expect("sparse").rows.len();
        assert_eq!(*block.tensor.ty(), TensorType::f64([3, entries as u64]));
        let numbers = block.tensor.to_f64();
        for (point, got) in x.iter().zip(numbers.chunks(entries)) {
            let (alone, _) = at(
                &graph,
                whole(&graph, Layout::Sparse),
                None,
                std::slice::from_ref(point),
            );
            assert_eq!(got, alone[0].tensor.to_f64());
        }
    }
}

#[test]
fn patterns_are_as_small_as_structure_allows() {
    let exact: [(&str, Graph, usize); 6] = [
        ("identity", of_vector(4, |_, x| x), 4),
        (
            "reverse",
            of_vector(5, |g, x| {
                g.push(
                    Op::Reverse,
                    &[x],
                    Attributes::Reverse {
                        dimensions: vec![0],
                    },
                )
            }),
            5,
        ),
        ("floor", of_vector(5, |g, x| g.op(Op::Floor, &[x])), 0),
        (
            "cumsum",
            of_vector(5, |g, x| {
                g.push(
                    Op::Cumsum,
                    &[x],
                    Attributes::Cumulative {
                        axis: 0,
                        reverse: false,
                    },
                )
            }),
            15,
        ),
        ("tridiagonal", tridiagonal(6), 16),
        ("arrow", arrow(6), 16),
    ];
    for (name, graph, entries) in exact {
        let pattern = structure(&graph, &[0], &[0]).expect("small");
        assert_eq!(pattern.entries(), entries, "{name}");
    }
}

#[test]
fn the_pattern_is_found_once() {
    let graph = tridiagonal(200_000);
    let compile = |layout: Layout| {
        let request = Request {
            products: vec![whole(&graph, layout)],
            options: Options::default(),
            batched: None,
        };
        compile(&graph, &request).expect("compiles");
    };
    compile(Layout::Sparse);
    assert_eq!(format!("{:?}", graph.memo()), "1 findings");
    compile(Layout::Auto);
    assert_eq!(format!("{:?}", graph.memo()), "1 findings");
    // What depends on other outputs is not found there.
    let other = tridiagonal(10);
    assert_eq!(format!("{:?}", other.memo()), "0 findings");
}
