//! Loops whose steps are one piece of machine code against the same step by step, interpreted: no bit may tell.

use gradient_engine::tape::native::set_eager;
use gradient_engine::{
    Arguments, Control, Counts, Direction, FunctionId, FunctionSource, Graph, NonFinite, Op,
    Options, Product, Scratch, Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::bits::words;
use gradient_tests::engine::{Random, request};
use gradient_tests::functions::{FunctionBuilder, Write, number, tuple_function};
use gradient_tests::scenarios::Draft;

fn vector(n: u64) -> TensorType {
    TensorType::f64([n])
}

/// A loop's step, its carries, sequences, constants and outputs.
struct Case {
    name: &'static str,
    step: FunctionSource,
    carries: Vec<TensorType>,
    sequences: Vec<TensorType>,
    constants: usize,
    outputs: usize,
    reverse: bool,
    /// Whether numbers may change places: each would have to be read before the other one is written.
    is_exchange: bool,
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let n = number;
    for reverse in [false, true] {
        let parameters = [n(), vector(3), n(), vector(2), n()];
        all.push(Case {
            name: "all that there is",
            step: tuple_function("full", parameters, |f, [s, v, x, w, c]| {
                let sine = f.plain(Op::Sin, &[s]);
                let turned = f.mul(c, sine);
                let s_next = f.add(turned, x);
                let moved = f.mul(s, v);
                let v_next = f.scale(0.25, moved);
                let out = f.mul(x, w);
                let larger = f.compare(Direction::Gt, s, x);
                let chosen = f.plain(Op::Select, &[larger, s_next, x]);
                vec![s_next, v_next, out, chosen]
            }),
            carries: vec![n(), vector(3)],
            sequences: vec![n(), vector(2)],
            constants: 1,
            outputs: 2,
            reverse,
            is_exchange: false,
        });
    }
    all.push(Case {
        name: "numbers move up",
        step: tuple_function("up", [n(), n(), n(), n()], |f, [a, b, c, k]| {
            let product = f.mul(a, c);
            let scaled = f.mul(product, k);
            let next = f.add(scaled, b);
            let next = f.plain(Op::Tanh, &[next]);
            vec![b, c, next]
        }),
        carries: vec![n(), n(), n()],
        sequences: vec![],
        constants: 1,
        outputs: 0,
        reverse: false,
        is_exchange: false,
    });
    all.push(Case {
        name: "numbers change places",
        step: tuple_function("places", [n(), n(), n()], |f, [a, b, x]| {
            let moved = f.mul(a, x);
            vec![b, a, moved]
        }),
        carries: vec![n(), n()],
        sequences: vec![n()],
        constants: 0,
        outputs: 1,
        reverse: true,
        is_exchange: true,
    });
    all.push(Case {
        name: "one number twice, and one that stays",
        step: tuple_function("twice", [n(), n(), n(), n()], |f, [a, b, s, x]| {
            let sum = f.mul(a, b);
            let sum = f.add(sum, s);
            let next = f.plain(Op::Atan2, &[sum, x]);
            vec![next, next, s]
        }),
        carries: vec![n(), n(), n()],
        sequences: vec![n()],
        constants: 0,
        outputs: 0,
        reverse: false,
        is_exchange: false,
    });
    all.push(Case {
        name: "more numbers than registers",
        step: tuple_function("many", [vector(8), vector(8), n()], |f, [v, w, c]| {
            let product = f.mul(v, w);
            let turned = f.plain(Op::Sqrt, &[product]);
            let scaled = f.mul(turned, c);
            let back = f.sub(scaled, w);
            let ratio = f.div(w, turned);
            let both = f.plain(Op::Fma, &[back, back, ratio]);
            let square = f.plain(Op::Square, &[both]);
            let one = f.real(1.0);
            let more = f.add(square, one);
            let less = f.plain(Op::Reciprocal, &[more]);
            let less = f.add(less, c);
            let size = f.plain(Op::Abs, &[ratio]);
            let size = f.add(size, one);
            vec![less, size]
        }),
        carries: vec![vector(8), vector(8)],
        sequences: vec![],
        constants: 1,
        outputs: 0,
        reverse: false,
        is_exchange: false,
    });
    all
}

impl Case {
    fn graph(&self, length: u64) -> Graph {
        let mut g = Draft::new(self.name);
        g.functions(vec![self.step.clone()]);
        let mut operands = Vec::new();
        let mut input = |g: &mut Draft, shape: &[u64]| {
            let name = format!("x{}", operands.len());
            operands.push(g.input(&name, shape));
        };
        for ty in &self.carries {
            input(&mut g, &ty.shape);
        }
        for ty in &self.sequences {
            let shape = [&[length], &ty.shape[..]].concat();
            input(&mut g, &shape);
        }
        for _ in 0..self.constants {
            input(&mut g, &[]);
        }
        let (carries, sequences) = (self.carries.len() as u32, self.sequences.len() as u32);
        let control = Control::scan(FunctionId(0), length, carries, sequences, self.reverse);
        let results = g.control(control, &operands, carries + self.outputs as u32);
        let mut total = None;
        for result in results {
            let sine = g.op(Op::Sin, &[result]);
            let sum = g.sum(sine);
            total = Some(total.map_or(sum, |all| g.add(all, sum)));
        }
        g.finish(total.expect("a result"))
    }
}

/// Whether this machine has machine code.
fn has_machine_code() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    return is_x86_feature_detected!("avx");
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}

/// Results bit by bit, and what was run for them.
fn evaluate(
    graph: &Graph,
    product: &Product,
    options: Options,
    point: &[Tensor],
    seeds: &[Tensor],
) -> (Vec<u64>, Counts) {
    let program = compile(graph, &request(product.clone(), options)).unwrap();
    let arguments = Arguments {
        inputs: point.iter().map(Tensor::as_ref).collect(),
        seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
        batch: 1,
    };
    let (mut scratch, stop) = (Scratch::default(), Stop::default());
    let blocks = program.evaluate(&arguments, &mut scratch, &stop).unwrap();
    let blocks = blocks.iter().flatten();
    let found = blocks.flat_map(|b| words(&b.tensor)).collect();
    (found, scratch.counts)
}

/// Steps: one, two, fewer and more than are run before there is code, more than run between two looks at the clock.
const LENGTHS: [u64; 6] = [1, 2, 7, 40, 1001, 20_000];

/// Everything of a loop of so many steps, at random points.
fn compare(case: &Case, length: u64, random: &mut Random) {
    set_eager();
    let graph = case.graph(length);
    let mut of_inputs = || -> Vec<Tensor> {
        let inputs = graph.inputs().iter();
        let all = inputs.map(|input| random.tensor(&input.ty, (0.3, 0.9)));
        all.collect()
    };
    let (point, direction) = (of_inputs(), of_inputs());
    let wrt = graph.float_inputs();
    let hvp = Product::Hvp {
        output: 0,
        wrt: wrt.clone(),
        directions: 0,
    };
    let products = [
        (Product::Value { outputs: vec![0] }, &[][..]),
        (Product::Gradient { output: 0, wrt }, &[]),
        (Product::Jvp { directions: 0 }, &direction[..]),
        (hvp, &direction[..]),
    ];
    // What looks at every number runs them one by one. A small budget leaves states out, if inputs and results leave any of
    // it.
    let small = match case.sequences.is_empty() {
        true => 1 << 19,
        false => 0,
    };
    for (product, seeds) in products {
        for (non_finite, budget) in [(NonFinite::Error, 0), (NonFinite::Return, small)] {
            let options = |non_finite: NonFinite, memory_budget: u64| Options {
                non_finite,
                memory_budget,
                ..Options::default()
            };
            let run = |options| evaluate(&graph, &product, options, &point, seeds);
            let (want, _) = run(options(non_finite, budget));
            let (found, counts) = run(options(NonFinite::Return, 0));
            let name = case.name;
            assert_eq!(found, want, "{name}, {length} steps, {product:?}");
            if has_machine_code() && length == 1001 && !case.is_exchange {
                assert!(counts.at_once > 950, "{name}, {product:?}: {counts:?}");
            }
        }
    }
}

#[test]
fn steps_as_one_piece_of_code_give_the_bits_of_steps_one_by_one() {
    let mut random = Random(5);
    for case in cases() {
        for length in LENGTHS {
            compare(&case, length, &mut random);
        }
    }
}

/// A step that is drawn. Its numbers stay within some bound.
fn drawn(random: &mut Random) -> Case {
    let (carries, sequences) = (1 + random.below(4), random.below(3));
    let (constants, outputs) = (random.below(3), random.below(3));
    let parameters = carries + sequences + constants;
    let mut f = FunctionBuilder::of("drawn", vec![number(); parameters]);
    let mut values: Vec<ValueId> = (0..parameters as u32).map(ValueId).collect();
    for _ in 0..2 + random.below(30) {
        let mut any = || values[random.below(values.len())];
        let (a, b, c, d) = (any(), any(), any(), any());
        let value = match random.below(9) {
            0 => f.mul(a, b),
            1 => {
                let sum = f.add(a, b);
                f.scale(0.5, sum)
            }
            2 => {
                let difference = f.sub(a, b);
                f.scale(0.5, difference)
            }
            3 => f.plain(Op::Sin, &[a]),
            4 => f.plain(Op::Tanh, &[a]),
            5 => f.plain(Op::Negate, &[a]),
            6 => f.plain(Op::Maximum, &[a, b]),
            7 => {
                let larger = f.compare(Direction::Gt, a, b);
                f.plain(Op::Select, &[larger, c, d])
            }
            _ => {
                let square = f.plain(Op::Square, &[a]);
                let one = f.real(1.0);
                let more = f.add(square, one);
                f.div(b, more)
            }
        };
        values.push(value);
    }
    // The last ones more often than others, parameters now and then.
    let late = values.len() - values.len() / 3;
    let results: Vec<ValueId> = (0..carries + outputs)
        .map(|_| match random.below(4) {
            0 => values[random.below(values.len())],
            _ => values[late + random.below(values.len() - late)],
        })
        .collect();
    Case {
        name: "drawn",
        step: f.finish(&results),
        carries: vec![number(); carries],
        sequences: vec![number(); sequences],
        constants,
        outputs,
        reverse: random.below(2) == 0,
        is_exchange: true,
    }
}

#[test]
fn drawn_steps_give_the_same_bits() {
    let mut random = Random(31);
    for _ in 0..120 {
        let case = drawn(&mut random);
        compare(&case, 23, &mut random);
    }
}
