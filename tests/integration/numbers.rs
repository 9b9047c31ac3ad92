//! Many inputs of one number each, and many results: they are read and written together where they may be, and results
//! are the same. Points together give the bits of points alone.

use gradient_engine::{
    Arguments, Attributes, DType, Graph, GraphBuilder, Limits, Mode, NonFinite, Op, Options,
    Product, Program, Request, Results, Scratch, Stop, Tensor, TensorRef, TensorType, ValueId,
    compile,
};
use gradient_tests::bits::words;
use gradient_tests::engine::Random;

/// Enough nodes for loops to be looked for.
const NUMBERS: usize = 400;

/// What a test's graph has beside its numbers.
const OTHERS: [(&str, DType, &[u64]); 4] = [
    ("vector", DType::F64, &[5]),
    ("count", DType::I64, &[]),
    ("flag", DType::Bool, &[]),
    ("matrix", DType::F32, &[2, 3]),
];

/// Numbers of both types, other inputs between them, and numbers that nothing depends on; a sum of terms of two
/// neighbours each and of all else.
fn mixed() -> Graph {
    let mut g = GraphBuilder::new("mixed", Limits::default());
    let (mut x, mut halves, mut others) = (vec![], vec![], vec![]);
    let mut others_left = OTHERS.iter();
    for i in 0..NUMBERS {
        x.push(g.input(format!("x{i}"), TensorType::f64([])).unwrap());
        if i % 90 == 17
            && let Some(&(name, dtype, shape)) = others_left.next()
        {
            others.push(g.input(name, TensorType::new(dtype, shape)).unwrap());
        }
        if i % 8 == 3 {
            let half = TensorType::scalar(DType::F32);
            halves.push(g.input(format!("h{i}"), half).unwrap());
            g.input(format!("nothing{i}"), TensorType::f64([])).unwrap();
        }
    }
    let mut push = |op, operands: &[ValueId], attributes| {
        g.push(op, operands, attributes, "").expect("a valid node")
    };
    let to_f64 = || Attributes::Convert { dtype: DType::F64 };
    let mut sum = None;
    let mut add = |push: &mut dyn FnMut(Op, &[ValueId], Attributes) -> ValueId, term| {
        sum = Some(match sum {
            None => term,
            Some(sum) => push(Op::Add, &[sum, term], Attributes::None),
        });
    };
    for pair in x.windows(2) {
        let product = push(Op::Multiply, pair, Attributes::None);
        let wave = push(Op::Sin, &[product], Attributes::None);
        let square = push(Op::Square, &pair[..1], Attributes::None);
        let term = push(Op::Subtract, &[wave, square], Attributes::None);
        add(&mut push, term);
    }
    for (half, &other) in halves.iter().zip(x.iter().rev()) {
        let half = push(Op::Convert, &[*half], to_f64());
        let term = push(Op::Multiply, &[half, other], Attributes::None);
        add(&mut push, term);
    }
    let [vector, count, flag, matrix] = others[..] else {
        panic!("all others are there");
    };
    let one = |shape: &[u64]| Attributes::Reduce {
        axes: (0..shape.len() as u32).collect(),
        keep_dims: false,
    };
    let spread = |shape: &[u64]| Attributes::BroadcastInDim {
        shape: shape.to_vec(),
        dimensions: vec![],
    };
    let five = push(Op::BroadcastInDim, &[x[11]], spread(&[5]));
    let vector = push(Op::Multiply, &[vector, five], Attributes::None);
    let single = push(Op::BroadcastInDim, &[x[13]], spread(&[1]));
    let single = push(Op::Exp, &[single], Attributes::None);
    let single = push(Op::ReduceSum, &[single], one(&[1]));
    add(&mut push, single);
    let vector = push(Op::ReduceSum, &[vector], one(&[5]));
    let matrix = push(Op::ReduceSum, &[matrix], one(&[2, 3]));
    let matrix = push(Op::Convert, &[matrix], to_f64());
    let count = push(Op::Convert, &[count], to_f64());
    let chosen = push(Op::Select, &[flag, x[5], x[7]], Attributes::None);
    let all = push(Op::Multiply, &[chosen, vector], Attributes::None);
    let all = push(Op::Multiply, &[all, matrix], Attributes::None);
    let all = push(Op::Multiply, &[all, count], Attributes::None);
    add(&mut push, all);
    g.output("f", sum.unwrap()).unwrap();
    // An input as it is, and one more sum.
    g.output("same", x[9]).unwrap();
    g.finish().unwrap()
}

fn drawn(graph: &Graph, random: &mut Random, points: Option<u64>) -> Vec<Tensor> {
    let inputs = graph.inputs().iter();
    let all = inputs.map(|input| {
        let shape = points.into_iter().chain(input.ty.shape.iter().copied());
        let ty = TensorType::new(input.ty.dtype, shape.collect::<Vec<_>>());
        match input.ty.dtype {
            DType::Bool => {
                let bits = (0..ty.elements()).map(|i| (i % 2) as u8);
                let bits = bits.collect();
                Tensor::from_raw(ty, bits).unwrap()
            }
            DType::I64 => {
                let counts = (0..ty.elements()).flat_map(|i| (3 + i).to_le_bytes());
                let counts = counts.collect();
                Tensor::from_raw(ty, counts).unwrap()
            }
            _ => random.tensor(&ty, (-1.0, 1.0)),
        }
    });
    all.collect()
}

fn program(graph: &Graph, products: &[Product], options: Options, batched: bool) -> Program {
    let request = Request {
        products: products.to_vec(),
        options,
        batched: batched.then(|| vec![true; graph.inputs().len()]),
    };
    compile(graph, &request).unwrap()
}

/// Watches for infinities: then the client's nodes and inputs are run as they are.
fn plain() -> Options {
    Options {
        non_finite: NonFinite::Error,
        ..Options::default()
    }
}

/// What the blocks are and their bits; results say the same.
type Said = Vec<Vec<(Option<u32>, Option<u32>, TensorType, Vec<u64>)>>;

fn said(program: &Program, inputs: &[Tensor], batch: u64, scratch: &mut Scratch) -> Said {
    said_with(
        program,
        inputs,
        vec![vec![]; program.plans().len()],
        batch,
        scratch,
    )
}

fn said_with(
    program: &Program,
    inputs: &[Tensor],
    seeds: Vec<Vec<TensorRef<'_>>>,
    batch: u64,
    scratch: &mut Scratch,
) -> Said {
    let arguments = Arguments {
        inputs: inputs.into(),
        seeds,
        batch,
    };
    let blocks = program.evaluate(&arguments, scratch, &Stop::default());
    let blocks = blocks.unwrap();
    let results = program.results(&arguments, scratch, &Stop::default());
    for (results, blocks) in results.unwrap().into_iter().zip(&blocks) {
        if let Results::Numbers(numbers) = &results {
            assert_eq!(numbers.numbers().len(), blocks.len());
        }
        assert_eq!(&results.into_blocks(), blocks);
    }
    let of = |blocks: &Vec<gradient_engine::Block>| {
        let blocks = blocks.iter();
        let all = blocks.map(|b| (b.output, b.wrt, b.tensor.ty().clone(), words(&b.tensor)));
        all.collect()
    };
    blocks.iter().map(of).collect()
}

fn gradient(wrt: impl Iterator<Item = usize>) -> Product {
    Product::Gradient {
        output: 0,
        wrt: wrt.map(|w| w as u32).collect(),
    }
}

/// Gradients by all inputs, by some, in another order, beside values.
fn requests(graph: &Graph) -> Vec<Vec<Product>> {
    let floats: Vec<usize> = graph.float_inputs().iter().map(|&i| i as usize).collect();
    let value = || Product::Value {
        outputs: vec![1, 0],
    };
    let all = || floats.iter().copied();
    vec![
        vec![value()],
        vec![gradient(all())],
        vec![value(), gradient(all().rev())],
        vec![
            gradient(all().step_by(2)),
            gradient(all().skip(100)),
            value(),
        ],
        vec![gradient(all().take(3))],
    ]
}

/// The same beside a product that tells inputs apart, so that none are put together.
fn apart(graph: &Graph, products: &[Product], options: Options, inputs: &[Tensor]) -> Said {
    let products = [products, &[Product::Jvp { directions: 0 }]].concat();
    let program = program(graph, &products, options, false);
    let mut seeds = vec![vec![]; products.len()];
    let floats = graph.float_inputs();
    let floats = floats.iter().map(|&i| inputs[i as usize].as_ref());
    *seeds.last_mut().unwrap() = floats.collect();
    let mut said = said_with(&program, inputs, seeds, 1, &mut Scratch::default());
    said.pop();
    said
}

#[track_caller]
fn assert_same(got: &Said, want: &Said) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.len(), want.len());
        got.iter()
            .zip(want)
            .for_each(|(got, want)| assert_eq!(got, want));
    }
}

/// The same, but for what sums in another order are off.
#[track_caller]
fn assert_near(got: &Said, want: &Said) {
    let pairs = got.iter().flatten().zip(want.iter().flatten());
    for (got, want) in pairs {
        assert_eq!((got.0, got.1, &got.2), (want.0, want.1, &want.2));
        for (&g, &w) in got.3.iter().zip(&want.3) {
            let (g, w) = (f64::from_bits(g), f64::from_bits(w));
            assert!((g - w).abs() <= 1e-13 * w.abs().max(1.0), "{g} {w}");
        }
    }
}

#[test]
fn numbers_that_are_read_together_give_the_same() {
    let graph = mixed();
    let mut random = Random(5);
    let mut scratch = Scratch::default();
    let lines = |options: Options| {
        let all = [gradient(graph.float_inputs().iter().map(|&i| i as usize))];
        let listing = program(&graph, &all, options, false).listing();
        listing.lines().count()
    };
    let (few, many) = (lines(Options::default()), lines(plain()));
    assert!(few < many / 4, "{few} lines of {many}");
    for products in requests(&graph) {
        let fast = program(&graph, &products, Options::default(), false);
        let slow = program(&graph, &products, plain(), false);
        for _ in 0..3 {
            let inputs = drawn(&graph, &mut random, None);
            let got = said(&fast, &inputs, 1, &mut scratch);
            assert_near(&got, &said(&slow, &inputs, 1, &mut scratch));
            assert_near(&got, &apart(&graph, &products, Options::default(), &inputs));
            // Machine code comes in between.
            for _ in 0..10 {
                assert_same(&said(&fast, &inputs, 1, &mut scratch), &got);
            }
        }
    }
}

#[test]
fn forced_modes_too() {
    let graph = mixed();
    let inputs = drawn(&graph, &mut Random(6), None);
    let products = [gradient(0..80)];
    let mut scratch = Scratch::default();
    for mode in [Mode::Forward, Mode::Reverse] {
        let options = |from: Options| Options {
            mode: Some(mode),
            ..from
        };
        let fast = program(&graph, &products, options(Options::default()), false);
        let slow = program(&graph, &products, options(plain()), false);
        assert_eq!(fast.plans()[0].mode, Some(mode));
        assert_eq!(fast.plans()[0].live_inputs, slow.plans()[0].live_inputs);
        let got = said(&fast, &inputs, 1, &mut scratch);
        assert_near(&got, &said(&slow, &inputs, 1, &mut scratch));
        let want = apart(&graph, &products, options(Options::default()), &inputs);
        assert_near(&got, &want);
    }
}

#[test]
fn points_of_a_batch_are_each_what_they_are_alone() {
    const POINTS: u64 = 5;
    let graph = mixed();
    let mut scratch = Scratch::default();
    for products in requests(&graph) {
        let alone = program(&graph, &products, Options::default(), false);
        let together = program(&graph, &products, Options::default(), true);
        assert!(together.repeats(&alone));
        let inputs = drawn(&graph, &mut Random(7), Some(POINTS));
        let got = said(&together, &inputs, POINTS, &mut scratch);
        for point in 0..POINTS as usize {
            let own = graph.inputs().iter().zip(&inputs).map(|(input, all)| {
                let bytes = input.ty.bytes() as usize;
                let raw = all.raw()[point * bytes..][..bytes].to_vec();
                Tensor::from_raw(input.ty.clone(), raw).unwrap()
            });
            let own: Vec<Tensor> = own.collect();
            let want = said(&alone, &own, 1, &mut scratch);
            for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
                let own = &got.3[point * want.3.len()..][..want.3.len()];
                assert_eq!((got.0, got.1, own), (want.0, want.1, &want.3[..]));
            }
        }
    }
}

#[test]
fn points_may_share_some_of_the_numbers() {
    let graph = mixed();
    let inputs = drawn(&graph, &mut Random(8), None);
    // Every third input is each point's own, here the same one for both.
    let batched: Vec<bool> = (0..inputs.len()).map(|i| i % 3 == 0).collect();
    let products = &requests(&graph)[2];
    let request = Request {
        products: products.clone(),
        options: Options::default(),
        batched: Some(batched.clone()),
    };
    let twice = inputs
        .iter()
        .zip(&batched)
        .map(|(x, &batched)| match batched {
            false => x.clone(),
            true => {
                let shape = [2].into_iter().chain(x.ty().shape.iter().copied());
                let ty = TensorType::new(x.ty().dtype, shape.collect::<Vec<_>>());
                Tensor::from_raw(ty, x.raw().repeat(2)).unwrap()
            }
        });
    let twice: Vec<Tensor> = twice.collect();
    let mut scratch = Scratch::default();
    let alone = program(&graph, products, Options::default(), false);
    let want = said(&alone, &inputs, 1, &mut scratch);
    let program = compile(&graph, &request).unwrap();
    let mut got = said(&program, &twice, 2, &mut scratch);
    // Others are put together: sums may be in another order, as long as nobody is told that they are not.
    assert!(!program.repeats(&alone));
    for (got, want) in got.iter_mut().flatten().zip(want.iter().flatten()) {
        let second = got.3.split_off(want.3.len());
        assert_eq!(second, got.3);
        got.2 = want.2.clone();
    }
    assert_near(&got, &want);
}

/// The inputs together are a result, and so are the slopes by them.
#[test]
fn results_may_be_the_inputs() {
    let mut g = GraphBuilder::new("same", Limits::default());
    let inputs = (0..2000).map(|i| g.input(format!("x{i}"), TensorType::f64([])));
    let x: Vec<ValueId> = inputs.collect::<Result<_, _>>().unwrap();
    let half = Attributes::Constant(Tensor::scalar(DType::F64, 0.5).into());
    let half = g.push(Op::Constant, &[], half, "").unwrap();
    let mut sum = None;
    let mut rows = vec![];
    for &x in &x {
        let mut push = |op, operands: &[ValueId], attributes| {
            g.push(op, operands, attributes, "").expect("a valid node")
        };
        let square = push(Op::Multiply, &[x, x], Attributes::None);
        let term = push(Op::Multiply, &[half, square], Attributes::None);
        sum = Some(sum.map_or(term, |sum| push(Op::Add, &[sum, term], Attributes::None)));
        let shape = vec![1];
        rows.push(push(Op::Reshape, &[x], Attributes::Reshape { shape }));
    }
    let dimension = 0;
    let all = Attributes::Concatenate { dimension };
    let all = g.push(Op::Concatenate, &rows, all, "").unwrap();
    g.output("f", sum.unwrap()).unwrap();
    g.output("all", all).unwrap();
    let graph = g.finish().unwrap();
    let value = Product::Value {
        outputs: vec![1, 0],
    };
    let products = [value, gradient(0..2000)];
    let inputs = drawn(&graph, &mut Random(9), None);
    let mut scratch = Scratch::default();
    let slow = program(&graph, &products, plain(), false);
    let fast = program(&graph, &products, Options::default(), false);
    let want = said(&slow, &inputs, 1, &mut scratch);
    for _ in 0..20 {
        // Machine code comes in between.
        assert_eq!(said(&fast, &inputs, 1, &mut scratch), want);
    }
}
