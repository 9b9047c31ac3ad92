//! Machine code against the interpreter: the first evaluations of a program are interpreted, the later ones are not,
//! and no bit of a result may tell which it was.

use gradient_engine::tape::native::set_eager;
use gradient_engine::{
    Arguments, Attributes, Block, DType, Error, Graph, Layout, Op, Options, Product, Program,
    Scratch, Stop, Tensor, TensorType, compile,
};
use gradient_tests::bits::{SPECIAL, words};
use gradient_tests::engine::{Random, request, tensor};
use gradient_tests::scenarios::{Draft, all};

/// More than a section runs before it is translated.
const RUNS: usize = 12;

/// All results, bit by bit, NaN as one.
fn bits(program: &gradient_engine::Program, inputs: &[Tensor], seeds: &[Vec<Tensor>]) -> Vec<u64> {
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: (seeds.iter())
            .map(|all| all.iter().map(Tensor::as_ref).collect())
            .collect(),
        batch: 1,
    };
    let blocks = program
        .evaluate(&arguments, &mut Scratch::default(), &Stop::default())
        .unwrap();
    let blocks = blocks.iter().flatten();
    blocks.flat_map(|b| words(&b.tensor)).collect()
}

fn assert_same(
    name: &str,
    graph: &Graph,
    product: &Product,
    points: &[Vec<Tensor>],
    seeds: &[Tensor],
) {
    set_eager();
    let program = compile(graph, &request(product.clone(), Options::default())).unwrap();
    let seeds = [seeds.to_vec()];
    let first: Vec<_> = points.iter().map(|p| bits(&program, p, &seeds)).collect();
    for run in 1..RUNS {
        for (point, first) in points.iter().zip(&first) {
            let again = bits(&program, point, &seeds);
            assert_eq!(first, &again, "{name}, {product:?}, run {run}");
        }
    }
}

#[test]
fn every_scenario_gives_the_same_bits_interpreted_and_as_machine_code() {
    let mut random = Random(11);
    for scenario in all() {
        let graph = scenario.scalarized();
        let inputs = vec![scenario.point(&mut random)];
        let wrt = graph.float_inputs();
        let hessian = Product::Hessian {
            output: 0,
            wrt: wrt.clone(),
            layout: Layout::Dense,
        };
        for product in [
            Product::Value { outputs: vec![0] },
            Product::Gradient { output: 0, wrt },
            hessian,
        ] {
            assert_same(&scenario.name.to_string(), &graph, &product, &inputs, &[]);
        }
    }
}

#[test]
fn every_elementwise_operation_gives_the_same_bits_at_special_numbers() {
    for &op in Op::ALL {
        let (Some(_), Some((arity, _))) = (op.elementwise(), op.arity()) else {
            continue;
        };
        let mut g = Draft::new(op.name());
        let x = g.input("x", &[]);
        let y = g.input("y", &[]);
        let z = g.input("z", &[]);
        let operands = [x, y, z];
        let value = g.op(op, &operands[..arity as usize]);
        // So that there are enough steps for code, and the result is read from a register.
        let twice = g.op(Op::Add, &[value, value]);
        let less = g.op(Op::Subtract, &[twice, value]);
        let back = g.op(Op::Negate, &[less]);
        let again = g.op(Op::Negate, &[back]);
        let graph = g.finish(again);
        let mut points = Vec::new();
        for (i, &a) in SPECIAL.iter().enumerate() {
            for (k, &b) in SPECIAL.iter().enumerate() {
                let c = SPECIAL[(i + 3 * k) % SPECIAL.len()];
                let scalar = |x: f64| Tensor::scalar(DType::F64, x);
                points.push(vec![scalar(a), scalar(b), scalar(c)]);
            }
        }
        let value = Product::Value { outputs: vec![0] };
        assert_same(op.name(), &graph, &value, &points, &[]);
        let gradient = Product::Gradient {
            output: 0,
            wrt: vec![0, 1, 2],
        };
        // A few operations of derivatives have none of their own.
        if !matches!(
            compile(&graph, &request(gradient.clone(), Options::default())),
            Err(Error::Unimplemented(_))
        ) {
            assert_same(op.name(), &graph, &gradient, &points, &[]);
        }
    }
}

/// Comparisons, selections and truth values: Σ over directions of where(x ? y and not z, x · y, y - z).
#[test]
fn conditions_give_the_same_bits() {
    use gradient_engine::Direction;
    for &direction in &Direction::ALL {
        let mut g = Draft::new("conditions");
        let [x, y, z] = ["x", "y", "z"].map(|name| g.input(name, &[3]));
        let compare =
            |g: &mut Draft, a, b| g.push(Op::Compare, &[a, b], Attributes::Compare { direction });
        let (p, q) = (compare(&mut g, x, y), compare(&mut g, y, z));
        let not = g.op(Op::Not, &[q]);
        let and = g.op(Op::And, &[p, not]);
        let xor = g.op(Op::Xor, &[and, q]);
        let or = g.op(Op::Or, &[xor, p]);
        let product = g.op(Op::Multiply, &[x, y]);
        let difference = g.op(Op::Subtract, &[y, z]);
        let a = g.op(Op::Select, &[and, product, difference]);
        let b = g.op(Op::Select, &[or, difference, x]);
        let sum = g.op(Op::Add, &[a, b]);
        let axes = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        let f = g.push(Op::ReduceSum, &[sum], axes);
        let graph = g.finish(f);
        let mut points = Vec::new();
        for k in 0..SPECIAL.len() {
            let at = |i: usize| SPECIAL[i % SPECIAL.len()];
            let vector = |by: usize| {
                let numbers = [at(k), at(k + by), at(3 * k + by)];
                tensor(&TensorType::f64([3]), &numbers)
            };
            points.push(vec![vector(1), vector(0), vector(2)]);
        }
        let gradient = Product::Gradient {
            output: 0,
            wrt: vec![0, 1, 2],
        };
        assert_same("conditions", &graph, &gradient, &points, &[]);
    }
}

/// Random chains of short operations on vectors of all small lengths: loops of machine code with their last elements,
/// more values than registers, numbers for all elements, results read and not read later.
#[test]
fn chains_on_vectors_give_the_same_bits_interpreted_and_as_machine_code() {
    const SHORT: [Op; 9] = [
        Op::Add,
        Op::Subtract,
        Op::Multiply,
        Op::Divide,
        Op::Negate,
        Op::Abs,
        Op::Square,
        Op::Sqrt,
        Op::Reciprocal,
    ];
    let mut random = Random(0xc4a1);
    for case in 0..120u64 {
        let n = 14 + case % 11;
        let mut g = Draft::new("chain");
        let inputs: Vec<_> = (0..4).map(|k| g.input(&format!("x{k}"), &[n])).collect();
        let number = g.input("a", &[]);
        let mut values = inputs.clone();
        for _ in 0..10 + random.below(60) {
            let pick = |random: &mut Random| match random.below(8) {
                0 => number,
                // Often what is there for long: more than fits registers.
                1..=3 => values[random.below(values.len())],
                _ => values[values.len() - 1 - random.below(values.len().min(4))],
            };
            let (a, b, c) = (pick(&mut random), pick(&mut random), pick(&mut random));
            let value = match random.below(12) {
                // Breaks a loop in two.
                0 => g.op(Op::Sin, &[a]),
                1 => g.op(Op::Fma, &[values[0], b, c]),
                k => {
                    let op = SHORT[k.min(8)];
                    let both = [a, b];
                    g.op(
                        op,
                        &both[..op.elementwise().map_or(1, |row| row.partials.len())],
                    )
                }
            };
            if value != a && value != number {
                values.push(value);
            }
        }
        let last = *values.last().unwrap();
        let sum = g.op(Op::Add, &[last, values[values.len() / 2]]);
        let graph = g.finish(sum);
        let inputs = graph.inputs().iter();
        let point: Vec<Tensor> = inputs.map(|i| random.tensor(&i.ty, (-2.0, 2.0))).collect();
        let special: Vec<Tensor> = (graph.inputs().iter())
            .map(|i| {
                let count = i.ty.elements() as usize;
                let first = random.below(SPECIAL.len());
                let numbers: Vec<f64> = SPECIAL
                    .iter()
                    .cycle()
                    .skip(first)
                    .take(count)
                    .copied()
                    .collect();
                tensor(&i.ty, &numbers)
            })
            .collect();
        let cotangent = vec![random.tensor(graph.output_type(0), (-1.0, 1.0))];
        let points = [point, special];
        let name = format!("case {case}");
        let value = Product::Value { outputs: vec![0] };
        assert_same(&name, &graph, &value, &points, &[]);
        let pulled = Product::Vjp { directions: 0 };
        assert_same(&name, &graph, &pulled, &points, &cotangent);
    }
}

/// Products of one request have the same memory for what varies, one after the other: none may take the other's results
/// for overwritten.
#[test]
fn products_of_one_request_leave_each_other_alone() {
    let mut g = Draft::new("products");
    let x = g.input("x", &[24]);
    let square = g.op(Op::Multiply, &[x, x]);
    let less = g.op(Op::Subtract, &[square, x]);
    let f = g.op(Op::Multiply, &[less, square]);
    let graph = g.finish(f);
    let mut random = Random(5);
    let mut draw = || random.tensor(&TensorType::f64([24]), (-1.0, 1.0));
    let (inputs, tangent, cotangent) = (vec![draw()], draw(), draw());
    let products = [
        Product::Jvp { directions: 0 },
        Product::Vjp { directions: 0 },
        Product::Jvp { directions: 0 },
    ];
    let request = gradient_engine::Request {
        products: products.to_vec(),
        ..request(products[0].clone(), Options::default())
    };
    let program = compile(&graph, &request).unwrap();
    let seeds = [
        vec![tangent.clone()],
        vec![cotangent.clone()],
        vec![cotangent],
    ];
    let first = bits(&program, &inputs, &seeds);
    for run in 1..RUNS {
        assert_eq!(first, bits(&program, &inputs, &seeds), "run {run}");
    }
}

/// The same tensors of several points or directions, along a leading axis.
fn stacked(all: &[Vec<Tensor>]) -> Vec<Tensor> {
    let of = |i: usize| {
        let ty = all[0][i].ty();
        let raw: Vec<u8> = all.iter().flat_map(|each| each[i].raw().to_vec()).collect();
        let shape = [all.len() as u64].into_iter().chain(ty.shape.to_vec());
        Tensor::from_raw(TensorType::new(ty.dtype, shape.collect::<Vec<u64>>()), raw).unwrap()
    };
    (0..all[0].len()).map(of).collect()
}

/// The numbers of each block of one point after the other.
fn each_point(blocks: &[Vec<Block>], count: usize) -> Vec<u64> {
    let all: Vec<Vec<u64>> = (blocks.iter().flatten())
        .map(|b| words(&b.tensor))
        .collect();
    let of = |k: usize| {
        let own = all.iter();
        own.flat_map(move |words| words[k * words.len() / count..][..words.len() / count].to_vec())
    };
    (0..count).flat_map(of).collect()
}

/// Points and directions run in one, four, eight, sixteen or 32 lanes, the last ones filled up: none of it shows.
#[test]
fn any_number_of_points_and_directions_gives_the_bits_of_each_alone() {
    const COUNTS: [usize; 13] = [1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 43];
    let mut random = Random(17);
    let mut compared = 0;
    for scenario in all().into_iter().step_by(5) {
        let graph = scenario.scalarized();
        let floats = graph.float_inputs();
        let compiled = |product: &Product, in_batch: bool| {
            let mut request = request(product.clone(), Options::default());
            request.batched = in_batch.then(|| vec![true; graph.inputs().len()]);
            compile(&graph, &request).unwrap()
        };
        let gradient = Product::Gradient {
            output: 0,
            wrt: floats.clone(),
        };
        let (points, alone) = (compiled(&gradient, true), compiled(&gradient, false));
        let direction = compiled(&Product::Jvp { directions: 0 }, false);
        if !points.repeats(&alone) {
            continue;
        }
        let mut scratch = Scratch::default();
        let mut run = |program: &Program, x: &[Tensor], seeds: &[Tensor], batch: usize| {
            let arguments = Arguments {
                inputs: x.iter().map(Tensor::as_ref).collect(),
                seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
                batch: batch as u64,
            };
            let blocks = program.evaluate(&arguments, &mut scratch, &Stop::default());
            blocks.unwrap()
        };
        for count in COUNTS {
            let own: Vec<Vec<Tensor>> = (0..count).map(|_| scenario.point(&mut random)).collect();
            let types = floats.iter().map(|&i| &graph.inputs()[i as usize].ty);
            let vectors: Vec<Vec<Tensor>> = (0..count)
                .map(|_| {
                    let types = types.clone();
                    types.map(|ty| random.tensor(ty, (-1.0, 1.0))).collect()
                })
                .collect();
            let (all, along) = (stacked(&own), stacked(&vectors));
            let directions = count as u32;
            let together = compiled(&Product::Jvp { directions }, false);
            let mut gradients = Vec::new();
            let mut tangents = Vec::new();
            for (x, v) in own.iter().zip(&vectors) {
                gradients.extend(each_point(&run(&alone, x, &[], 1), 1));
                tangents.extend(each_point(&run(&direction, &own[0], v, 1), 1));
            }
            for again in 0..RUNS {
                let name = format!("{}, {count} together, run {again}", scenario.name);
                let found = run(&points, &all, &[], count);
                assert_eq!(each_point(&found, count), gradients, "points of {name}");
                let found = run(&together, &own[0], &along, 1);
                assert_eq!(each_point(&found, count), tangents, "directions of {name}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}
