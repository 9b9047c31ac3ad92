//! The nodes that records stand for.

use super::generate::{Generator, Value};
use super::input::Choices;
use super::{matrices, reductions, views};
use gradient_engine::{Attributes, DType, Direction, NormKind, Op};
use gradient_tests::engine::{Random, tensor};

/// Elements times cost of an elementwise operation.
const MAX_WORK: u64 = 40_000;

/// Adds what a record stands for.
pub fn add(g: &mut Generator, record: &mut Choices<'_>) {
    let kind = record.below(64);
    let picks = [(); 3].map(|()| record.below(256));
    let random = &mut record.random();
    let value = match kind {
        0..14 => short(g, picks, random),
        14..20 => any(g, picks, random),
        20..23 => choice(g, picks, random),
        23..25 => converted(g, picks, random),
        25..28 => views::slice(g, picks, random),
        28..30 => views::reverse(g, picks, random),
        30..32 => views::pad(g, picks, random),
        32..34 => views::broadcast(g, picks, random),
        34..36 => views::reshape(g, picks, random),
        36..38 => views::transpose(g, picks, random),
        38..40 => views::concatenate(g, picks, random),
        40..48 => reductions::reduce(g, picks, random),
        48..50 => reductions::softmax(g, picks, random),
        50..52 => reductions::cumulative(g, picks, random),
        52..54 => views::gather(g, picks, random),
        54 => views::scatter(g, picks, random),
        55 => matrices::dot(g, picks, random),
        56 => matrices::factors(g, picks, random),
        57..60 => run(g, picks, random),
        _ => other(g, picks, random),
    };
    g.keep(value);
}

/// One of 0, 1, … below `count`.
pub fn below(random: &mut Random, count: u64) -> u64 {
    random.below(count as usize) as u64
}

/// One of some.
pub fn of<T: Copy>(random: &mut Random, some: &[T]) -> T {
    some[random.below(some.len())]
}

/// A chain is mostly of these.
pub fn short(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    const SHORT: [Op; 24] = [
        Op::Add,
        Op::Add,
        Op::Multiply,
        Op::Multiply,
        Op::Subtract,
        Op::Divide,
        Op::Negate,
        Op::Abs,
        Op::Square,
        Op::Sqrt,
        Op::Reciprocal,
        Op::Maximum,
        Op::Minimum,
        Op::Fma,
        Op::Clamp,
        Op::Relu,
        Op::Exp,
        Op::Log,
        Op::Sin,
        Op::Cos,
        Op::Tanh,
        Op::Logistic,
        Op::Softplus,
        Op::Sign,
    ];
    let op = of(random, &SHORT);
    elementwise(g, op, picks, random)
}

/// Of the whole table.
fn any(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let all: Vec<Op> = (Op::ALL.iter().copied())
        .filter(|op| op.elementwise().is_some())
        .collect();
    let op = of(random, &all);
    elementwise(g, op, picks, random)
}

fn elementwise(g: &mut Generator, op: Op, picks: [usize; 3], random: &mut Random) -> Value {
    let row = op.elementwise().expect("an elementwise operation");
    let operands: Vec<Value> = picks[..row.domain.len()]
        .iter()
        .map(|&pick| g.pick_float(pick))
        .collect();
    let widest = operands.iter().max_by_key(|v| v.elements()).expect("one");
    let (shape, dtype) = (widest.shape().to_vec(), operands[0].ty.dtype);
    if u64::from(row.cost) * widest.elements() > MAX_WORK {
        return elementwise(g, Op::Multiply, picks, random);
    }
    let mut fitting = Vec::new();
    for (operand, &(low, high)) in operands.iter().zip(row.domain) {
        let operand = g.convert(operand, dtype);
        let operand = match operand.rank() {
            // Numbers serve all elements as they are.
            0 if random.below(4) > 0 => operand,
            _ => g.fit(&operand, &shape, random),
        };
        // What tests hold constant is an order, say.
        fitting.push(match low == high {
            true => g.number(dtype, low),
            false if g.tame && random.below(2) > 0 => within(g, &operand, (low, high)),
            false => operand,
        });
    }
    if op == Op::Copysign {
        // The sign of a NaN is nobody's promise.
        let one = g.number(dtype, 1.0);
        let is_nan = g.op(Op::IsNan, &[&fitting[1]]);
        fitting[1] = g.op(Op::Select, &[&is_nan, &one, &fitting[1]]);
    }
    let fitting: Vec<&Value> = fitting.iter().collect();
    g.op(op, &fitting)
}

/// A smooth function of a value that stays inside an interval.
pub fn within(g: &mut Generator, value: &Value, (low, high): (f64, f64)) -> Value {
    let dtype = value.ty.dtype;
    let sine = g.op(Op::Sin, &[value]);
    let half = g.number(dtype, 0.49 * (high - low));
    let middle = g.number(dtype, 0.5 * (low + high));
    let scaled = g.op(Op::Multiply, &[&half, &sine]);
    g.op(Op::Add, &[&middle, &scaled])
}

/// Operands of one shape and element type.
pub fn alike<const N: usize>(
    g: &mut Generator,
    picks: [usize; 3],
    random: &mut Random,
) -> [Value; N] {
    let all: [Value; N] = std::array::from_fn(|i| g.pick_float(picks[i]));
    let widest = all.iter().max_by_key(|v| v.elements()).expect("one");
    let (shape, dtype) = (widest.shape().to_vec(), all[0].ty.dtype);
    all.map(|value| {
        let value = g.convert(&value, dtype);
        g.fit(&value, &shape, random)
    })
}

/// Truth values, and what they choose.
fn choice(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let [a, b, c] = alike(g, picks, random);
    let compare = |g: &mut Generator, random: &mut Random, a: &Value, b: &Value| {
        let direction = of(random, &Direction::ALL);
        g.push(Op::Compare, &[a, b], Attributes::Compare { direction })
    };
    let mut chosen = compare(g, random, &a, &b);
    match random.below(4) {
        0 => {
            let other = compare(g, random, &b, &c);
            let op = of(random, &[Op::And, Op::Or, Op::Xor]);
            chosen = g.op(op, &[&chosen, &other]);
        }
        1 => {
            let op = of(random, &[Op::IsFinite, Op::IsNan, Op::IsInf]);
            let class = g.op(op, &[&c]);
            chosen = g.op(Op::And, &[&chosen, &class]);
        }
        2 => chosen = g.op(Op::Not, &[&chosen]),
        _ => {}
    }
    match random.below(8) {
        0 => chosen,
        1 if chosen.rank() > 0 => {
            let op = of(random, &[Op::ReduceAnd, Op::ReduceOr]);
            let attributes = reductions::axes(chosen.rank(), random);
            g.push(op, &[&chosen], attributes)
        }
        2 => {
            let number = g.number(a.ty.dtype, 1.5);
            g.op(Op::Select, &[&chosen, &a, &number])
        }
        _ => g.op(Op::Select, &[&chosen, &a, &c]),
    }
}

fn converted(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    let to = of(
        random,
        &[DType::F64, DType::F32, DType::F32, DType::I64, DType::Bool],
    );
    let value = g.convert(&value, to);
    match to {
        DType::I64 if random.below(2) > 0 => {
            let op = of(
                random,
                &[
                    Op::Add,
                    Op::Multiply,
                    Op::Subtract,
                    Op::Maximum,
                    Op::Remainder,
                ],
            );
            let three = g.number(DType::I64, 3.0);
            let whole = g.op(op, &[&value, &three]);
            g.convert(&whole, g.float)
        }
        _ => value,
    }
}

/// A call, a branch, a loop, a map, a recursion, a derivative.
fn run(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let Some((pool, n)) = g.pool.take() else {
        return short(g, picks, random);
    };
    let [a, b]: [Value; 2] = [picks[0], picks[1]].map(|pick| {
        let value = g.pick_float(pick);
        let value = g.convert(&value, DType::F64);
        g.fit(&value, &[n], random)
    });
    let value = g.run(&pool, &a, &b, random);
    g.pool = Some((pool, n));
    value
}

fn other(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    let rank = value.rank();
    if rank == 0 || value.elements() > 300 {
        return any(g, picks, random);
    }
    let axis = random.below(rank) as u32;
    let keep_dims = random.below(2) == 1;
    match random.below(9) {
        0 => {
            let descending = random.below(2) == 1;
            g.push(Op::Sort, &[&value], Attributes::Sort { axis, descending })
        }
        1 => {
            let op = of(random, &[Op::Argmax, Op::Argmin]);
            let index = g.push(op, &[&value], Attributes::ArgReduce { axis, keep_dims });
            g.convert(&index, value.ty.dtype)
        }
        2 => {
            let repeats: Vec<u64> = (0..rank).map(|_| 1 + below(random, 2)).collect();
            g.push(Op::Tile, &[&value], Attributes::Tile { repeats })
        }
        3 => {
            let kind = of(random, &[NormKind::One, NormKind::Two, NormKind::Inf]);
            let norm = Attributes::Norm {
                kind,
                axes: vec![axis],
                keep_dims,
            };
            g.push(Op::Norm, &[&value], norm)
        }
        4 => {
            let variance = Attributes::Variance {
                axes: vec![axis],
                keep_dims,
                ddof: 0,
            };
            g.push(Op::ReduceVariance, &[&value], variance)
        }
        5 => {
            let exponent = random.below(9) as i32 - 4;
            g.push(
                Op::IntegerPow,
                &[&value],
                Attributes::IntegerPow { exponent },
            )
        }
        6 => {
            let count: Vec<i64> = (0..value.elements() as i64).collect();
            let index = g.integers(&count);
            let index = g.convert(&index, value.ty.dtype);
            let index = g.reshape(&index, value.shape());
            g.op(Op::Multiply, &[&index, &value])
        }
        7 => {
            let ramp = (0..value.elements()).map(|i| 0.1 * i as f64);
            let ramp: Vec<f64> = ramp.collect();
            let ramp = g.constant(tensor(&value.ty, &ramp));
            g.op(Op::Subtract, &[&value, &ramp])
        }
        _ => g.op(Op::StopGradient, &[&value]),
    }
}
