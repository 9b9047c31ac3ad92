//! Nodes that put numbers of some dimensions together.

use super::generate::{Generator, Value};
use super::nodes::{of, short};
use gradient_engine::{Attributes, Op};
use gradient_tests::engine::Random;

/// Leading, trailing, middle, all, or some.
pub fn axes(rank: usize, random: &mut Random) -> Attributes {
    let rank = rank as u32;
    let axes = match random.below(5) {
        _ if rank == 0 => vec![],
        0 => vec![],
        1 => vec![0],
        2 => vec![rank - 1],
        3 => vec![rank / 2],
        _ => {
            let some = 1 + random.below(7);
            (0..rank).filter(|d| some >> d & 1 == 1).collect()
        }
    };
    Attributes::Reduce {
        axes,
        keep_dims: random.below(4) == 0,
    }
}

/// A reduction, and its result taken back to every element.
pub fn reduce(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    let ops = [
        Op::ReduceSum,
        Op::ReduceSum,
        Op::ReduceSum,
        Op::ReduceMax,
        Op::ReduceMin,
        Op::ReduceMean,
        Op::ReduceLogsumexp,
        Op::ReduceProd,
    ];
    // Products of many factors are 0 or infinite.
    let op = match value.elements() {
        0..100 => of(random, &ops),
        _ => of(random, &ops[..7]),
    };
    let attributes = axes(value.rank(), random);
    let reduced = g.push(op, &[&value], attributes.clone());
    if random.below(2) == 0 {
        return reduced;
    }
    // Back to every element, as a normalisation does.
    let Attributes::Reduce { axes, keep_dims } = attributes else {
        return reduced;
    };
    let kept: Vec<u32> = (0..value.rank() as u32)
        .filter(|d| keep_dims || !axes.is_empty() && !axes.contains(d))
        .collect();
    let spread = g.broadcast(&reduced, value.shape(), kept);
    let op = of(random, &[Op::Subtract, Op::Multiply, Op::Divide, Op::Add]);
    g.op(op, &[&value, &spread])
}

/// Along one dimension.
pub fn softmax(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    if value.rank() == 0 {
        return short(g, picks, random);
    }
    let axis = random.below(value.rank()) as u32;
    let op = of(random, &[Op::Softmax, Op::LogSoftmax]);
    g.push(op, &[&value], Attributes::Softmax { axis })
}

/// Running sums and the like.
pub fn cumulative(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    if value.rank() == 0 {
        return short(g, picks, random);
    }
    let axis = random.below(value.rank()) as u32;
    let reverse = random.below(2) == 1;
    // The others are written as log n steps, and their derivatives in many nodes.
    let op = match value.elements() {
        0..200 => of(
            random,
            &[
                Op::Cumsum,
                Op::Cummax,
                Op::Cummin,
                Op::Cumprod,
                Op::Cumlogsumexp,
            ],
        ),
        _ => Op::Cumsum,
    };
    g.push(op, &[&value], Attributes::Cumulative { axis, reverse })
}
