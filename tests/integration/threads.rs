//! Threads that help an evaluation: no bit of a result depends on them, and they are there only where nobody else wants
//! them.

use gradient_engine::{
    Arguments, Attributes, Crew, DType, DotDimensions, Error, Graph, NonFinite, Op, Options,
    Product, Request, Scratch, Stop, Tensor, TensorType, compile,
};
use gradient_tests::bits::words;
use gradient_tests::engine::Random;
use gradient_tests::functions::Write;
use gradient_tests::scenarios::Draft;
use std::time::{Duration, Instant};

/// Long enough, for each point, that a few hundred points are worth sharing.
const LENGTH: usize = 400;

/// A chain of sines, so that points differ in all that follows.
fn chain() -> Graph {
    let mut g = Draft::new("chain");
    let x = g.input("x", &[4]);
    let mut value = x;
    for _ in 0..LENGTH {
        let sine = g.op(Op::Sin, &[value]);
        value = g.mul(sine, x);
        value = g.add(value, x);
    }
    let sum = g.sum(value);
    g.finish(sum)
}

/// A product of matrices that is worth sharing.
fn product(dtype: DType, sizes: [u64; 3]) -> Graph {
    let [m, k, n] = sizes;
    let mut g = Draft::new("product");
    let a = g.0.input("a", TensorType::new(dtype, [2, m, k])).unwrap();
    let b = g.0.input("b", TensorType::new(dtype, [2, k, n])).unwrap();
    let dimensions = DotDimensions {
        lhs_contracting: vec![2],
        rhs_contracting: vec![1],
        lhs_batch: vec![0],
        rhs_batch: vec![0],
    };
    let y = g.push(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dimensions));
    let y = g.mul(y, y);
    let y = g.sum(y);
    g.finish(y)
}

struct Ran {
    bits: Vec<u64>,
    helped: u64,
}

fn run(graph: &Graph, request: &Request, inputs: &[Tensor], batch: u64, threads: usize) -> Ran {
    let program = compile(graph, request).unwrap();
    let crew = Crew::new(threads);
    let own = crew.join();
    let mut scratch = Scratch::with_crew(crew.clone());
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: request.products.iter().map(|_| vec![]).collect(),
        batch,
    };
    let blocks = program
        .evaluate(&arguments, &mut scratch, &Stop::default())
        .unwrap();
    assert_eq!(crew.idle(), threads - 1, "what is lent is given back");
    drop(own);
    let blocks = blocks.iter().flatten();
    Ran {
        bits: blocks.flat_map(|b| words(&b.tensor)).collect(),
        helped: scratch.counts.helped,
    }
}

#[test]
fn a_batch_that_threads_share_has_the_bits_of_one_that_they_do_not() {
    let graph = chain();
    let gradient = Product::Gradient {
        output: 0,
        wrt: vec![0],
    };
    let value = Product::Value { outputs: vec![0] };
    let jacobian = Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0],
        layout: Default::default(),
    };
    for products in [vec![value, gradient.clone()], vec![jacobian, gradient]] {
        let request = Request {
            products,
            options: Options::default(),
            batched: Some(vec![true]),
        };
        // Whole blocks of lanes, and not.
        for batch in [1024, 1000, 999, 97] {
            let x = Random(3).tensor(&TensorType::f64([batch, 4]), (-1.0, 1.0));
            let alone = run(&graph, &request, std::slice::from_ref(&x), batch, 1);
            assert_eq!(alone.helped, 0);
            for threads in [2, 3, 7] {
                let shared = run(&graph, &request, std::slice::from_ref(&x), batch, threads);
                assert!(shared.helped > 0, "{batch} points, {threads} threads");
                assert!(shared.helped < threads as u64);
                assert_eq!(alone.bits, shared.bits, "{batch} points, {threads} threads");
            }
        }
    }
}

#[test]
fn a_product_that_threads_share_has_the_bits_of_one_that_they_do_not() {
    let mut random = Random(5);
    for dtype in [DType::F64, DType::F32] {
        for sizes in [
            [1000, 96, 96],
            [301, 203, 187],
            [64, 784, 512],
            [7, 150_000, 9],
        ] {
            let graph = product(dtype, sizes);
            let [m, k, n] = sizes;
            let of = |random: &mut Random, shape: [u64; 3]| {
                random.tensor(&TensorType::new(dtype, shape), (-1.0, 1.0))
            };
            let inputs = [of(&mut random, [2, m, k]), of(&mut random, [2, k, n])];
            let request = Request {
                products: vec![Product::Gradient {
                    output: 0,
                    wrt: vec![0, 1],
                }],
                options: Options::default(),
                batched: None,
            };
            let alone = run(&graph, &request, &inputs, 1, 1);
            for threads in [2, 3, 4] {
                let shared = run(&graph, &request, &inputs, 1, threads);
                assert!(shared.helped > 0, "{sizes:?}, {threads} threads");
                assert_eq!(
                    alone.bits, shared.bits,
                    "{dtype}, {sizes:?}, {threads} threads"
                );
            }
        }
    }
}

/// Many small products, cut between matrices.
#[test]
fn many_small_products_that_threads_share_have_the_bits_of_one() {
    let mut g = Draft::new("products");
    let types = [[40, 700, 24], [40, 24, 31]].map(TensorType::f64);
    let a = g.0.input("a", types[0].clone()).unwrap();
    let b = g.0.input("b", types[1].clone()).unwrap();
    let dimensions = DotDimensions {
        lhs_contracting: vec![2],
        rhs_contracting: vec![1],
        lhs_batch: vec![0],
        rhs_batch: vec![0],
    };
    let y = g.push(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dimensions));
    let y = g.op(Op::Sin, &[y]);
    let y = g.sum(y);
    let graph = g.finish(y);
    let inputs = types.map(|ty| Random(9).tensor(&ty, (-1.0, 1.0)));
    shared_as_alone(&graph, &inputs, 4);
}

/// Lines that are put together from parts: softmax, its logarithm, and the logarithm of sums of exponentials.
#[test]
fn long_lines_that_threads_share_have_the_bits_of_one() {
    let n = 700_001;
    let ty = TensorType::f64([n]);
    let usual = Random(4).tensor(&ty, (-1.0, 1.0));
    let with = |places: &[(usize, f64)]| {
        let mut numbers = usual.to_f64();
        places.iter().for_each(|&(at, x)| numbers[at] = x);
        Tensor::f64([n], &numbers).unwrap()
    };
    let all = [
        usual.clone(),
        with(&[(650_000, 3.0), (20, 2.9)]),
        with(&[(123_456, f64::INFINITY)]),
        with(&[(123_456, f64::NAN), (3, f64::INFINITY)]),
        Tensor::f64([n], &vec![f64::NEG_INFINITY; n as usize]).unwrap(),
    ];
    for op in [Op::Softmax, Op::LogSoftmax, Op::ReduceLogsumexp] {
        let mut g = Draft::new("line");
        let x = g.input("x", &[n]);
        let attributes = match op {
            Op::ReduceLogsumexp => Attributes::Reduce {
                axes: vec![],
                keep_dims: false,
            },
            _ => Attributes::Softmax { axis: 0 },
        };
        let y = g.push(op, &[x], attributes);
        let y = g.mul(y, y);
        let y = g.sum(y);
        let graph = g.finish(y);
        for x in &all {
            shared_as_alone(&graph, std::slice::from_ref(x), 3);
        }
    }
}

/// Value and gradient by several threads have the bits of those by one.
fn shared_as_alone(graph: &Graph, inputs: &[Tensor], most: usize) {
    let wrt = (0..inputs.len() as u32).collect();
    for product in [
        Product::Value { outputs: vec![0] },
        Product::Gradient { output: 0, wrt },
    ] {
        let request = Request {
            products: vec![product],
            options: Options::default(),
            batched: None,
        };
        let alone = run(graph, &request, inputs, 1, 1);
        assert_eq!(alone.helped, 0);
        for threads in 2..=most {
            let shared = run(graph, &request, inputs, 1, threads);
            assert!(shared.helped > 0, "{threads} threads");
            assert_eq!(alone.bits, shared.bits, "{threads} threads");
        }
    }
}

/// A thread that is stopped stops those that help it.
#[test]
fn all_who_help_end_in_time() {
    let mut g = Draft::new("long");
    let x = g.input("x", &[2_000_000]);
    let mut y = x;
    for _ in 0..200 {
        y = g.op(Op::Sin, &[y]);
    }
    let y = g.sum(y);
    let graph = g.finish(y);
    let request = Request {
        products: vec![Product::Value { outputs: vec![0] }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&graph, &request).unwrap();
    let x = Random(2).tensor(&TensorType::f64([2_000_000]), (-1.0, 1.0));
    let arguments = Arguments {
        inputs: vec![x.as_ref()].into(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let crew = Crew::new(3);
    let _own = crew.join();
    let mut scratch = Scratch::with_crew(crew.clone());
    let begin = Instant::now();
    let stop = Stop::new(Some(begin + Duration::from_millis(20)));
    let stopped = program.evaluate(&arguments, &mut scratch, &stop);
    assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
    assert_eq!(crew.idle(), 2, "what is lent is given back");
}

#[test]
fn small_work_is_not_shared() {
    let graph = chain();
    let request = Request {
        products: vec![Product::Value { outputs: vec![0] }],
        options: Options::default(),
        batched: Some(vec![true]),
    };
    let x = Random(3).tensor(&TensorType::f64([2, 4]), (-1.0, 1.0));
    assert_eq!(run(&graph, &request, &[x], 2, 4).helped, 0);
}

/// Of points that fail the first one is told, whoever came to one first.
#[test]
fn errors_are_those_of_the_first_point_that_fails() {
    let graph = chain();
    let request = Request {
        products: vec![Product::Value { outputs: vec![0] }],
        options: Options {
            non_finite: NonFinite::Error,
            ..Options::default()
        },
        batched: Some(vec![true]),
    };
    let program = compile(&graph, &request).unwrap();
    let mut numbers = vec![0.5; 1024 * 4];
    numbers[4 * 1000] = f64::NAN;
    numbers[4 * 40 + 1] = f64::INFINITY;
    let x = Tensor::f64([1024u64, 4], &numbers).unwrap();
    let arguments = Arguments {
        inputs: vec![x.as_ref()].into(),
        seeds: vec![vec![]],
        batch: 1024,
    };
    let told = |threads: usize| {
        let crew = Crew::new(threads);
        let _own = crew.join();
        let mut scratch = Scratch::with_crew(crew.clone());
        let failed = program.evaluate(&arguments, &mut scratch, &Stop::default());
        failed.unwrap_err().to_string()
    };
    assert_eq!(told(1), told(4));
}
