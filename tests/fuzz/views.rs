//! Nodes that only move numbers.

use super::generate::{Generator, MAX_ELEMENTS, Value};
use super::nodes::{alike, below, of};
use super::reductions;
use gradient_engine::{Attributes, GatherDimensions, Op, OutOfBounds, ScatterDimensions};
use gradient_tests::engine::Random;

/// Part of a value.
pub fn slice(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    let (mut starts, mut limits, mut strides) = (vec![], vec![], vec![]);
    for &size in value.shape() {
        // Long parts: little is left of a short one after a few slices.
        let start = below(random, size.div_ceil(4));
        starts.push(start);
        limits.push(size - below(random, (size - start).div_ceil(4)));
        strides.push(of(random, &[1, 1, 1, 2, 3]));
    }
    g.slice(&value, starts, limits, strides)
}

/// Some dimensions backwards.
pub fn reverse(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    let some = 1 + random.below(7);
    let dimensions = (0..value.rank() as u32).filter(|d| some >> d & 1 == 1);
    let dimensions = dimensions.collect();
    g.push(Op::Reverse, &[&value], Attributes::Reverse { dimensions })
}

/// Something around and between.
pub fn pad(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    let (mut low, mut high, mut interior) = (vec![], vec![], vec![]);
    let mut room = MAX_ELEMENTS / value.elements();
    for _ in 0..value.rank() {
        low.push(below(random, room.min(4)));
        high.push(below(random, room.min(4)));
        interior.push(below(random, room.min(3)));
        room = (room / 8).max(1);
    }
    let fill = g.pick_float(picks[1]);
    let fill = g.convert(&fill, value.ty.dtype);
    let fill = match fill.rank() {
        0 => fill,
        _ => g.number(value.ty.dtype, of(random, &[0.0, -0.0, 1.0])),
    };
    let pad = Attributes::Pad {
        low,
        high,
        interior,
    };
    let padded = g.push(Op::Pad, &[&value, &fill], pad);
    within_bounds(g, padded)
}

/// The beginning of what became too large.
fn within_bounds(g: &mut Generator, value: Value) -> Value {
    if value.elements() <= MAX_ELEMENTS {
        return value;
    }
    let flat = g.reshape(&value, &[value.elements()]);
    g.slice(&flat, vec![0], vec![MAX_ELEMENTS], vec![])
}

/// Copies along a new dimension.
pub fn broadcast(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    let room = MAX_ELEMENTS / value.elements();
    if value.rank() > 2 || room < 2 {
        return reductions::reduce(g, picks, random);
    }
    let copies = of(random, &[1, 2, 3, 7, 8, 17, 100, 1000]).min(room);
    let at = random.below(value.rank() + 1);
    let mut shape = value.shape().to_vec();
    shape.insert(at, copies);
    let dimensions = (0..shape.len()).filter(|&d| d != at).map(|d| d as u32);
    let dimensions = dimensions.collect();
    g.broadcast(&value, &shape, dimensions)
}

/// The same elements, in another shape.
pub fn reshape(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    let n = value.elements();
    let divisors: Vec<u64> = [1, 2, 3, 5, 7, 8, 10, 16, 33]
        .into_iter()
        .filter(|&d| n.is_multiple_of(d))
        .collect();
    let d = of(random, &divisors);
    let shape = match random.below(4) {
        0 => vec![n],
        1 => vec![d, n / d],
        2 => vec![n / d, d],
        _ => vec![n / d, 1, d],
    };
    g.reshape(&value, &shape)
}

/// Dimensions in another order.
pub fn transpose(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick(picks[0]);
    if value.rank() < 2 {
        let matrix = reshape(g, picks, random);
        return transposed(g, &matrix, random);
    }
    transposed(g, &value, random)
}

fn transposed(g: &mut Generator, value: &Value, random: &mut Random) -> Value {
    let mut rest: Vec<u32> = (0..value.rank() as u32).collect();
    let mut permutation = Vec::new();
    while !rest.is_empty() {
        permutation.push(rest.swap_remove(random.below(rest.len())));
    }
    g.push(
        Op::Transpose,
        &[value],
        Attributes::Transpose { permutation },
    )
}

/// Values one after the other.
pub fn concatenate(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let [a, b, c]: [Value; 3] = alike(g, picks, random);
    let [a, b, c] = [a, b, c].map(|value| match value.rank() {
        0 => g.reshape(&value, &[1]),
        _ => value,
    });
    let dimension = random.below(a.rank()) as u32;
    let operands = [&a, &b, &c];
    let operands = &operands[..2 + random.below(2)];
    let joined = g.push(
        Op::Concatenate,
        operands,
        Attributes::Concatenate { dimension },
    );
    within_bounds(g, joined)
}

/// Elements of a vector, or rows.
pub fn gather(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    let out_of_bounds = of(random, &[OutOfBounds::Clamp, OutOfBounds::Drop]);
    let rows = match value.rank() {
        0 => return broadcast(g, picks, random),
        1 => value.elements(),
        _ => value.shape()[0],
    };
    let row = value.elements() / rows;
    let most = (MAX_ELEMENTS / row).min(rows + 3).max(1);
    let count = 1 + below(random, most);
    // Some lie outside.
    let places: Vec<i64> = (0..count)
        .map(|_| below(random, rows + 2) as i64 - 1)
        .collect();
    if value.rank() == 1 {
        return g.look_up(&value, &places, out_of_bounds);
    }
    let places = g.integers(&places);
    let mut slice_sizes = value.shape().to_vec();
    slice_sizes[0] = 1;
    let gather = GatherDimensions {
        offset_dims: (1..value.rank() as u32).collect(),
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes,
        out_of_bounds,
    };
    g.push(Op::Gather, &[&value, &places], Attributes::Gather(gather))
}

/// Numbers put, or added, into a vector.
pub fn scatter(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let [into, from]: [Value; 2] = alike(g, picks, random);
    let n = into.elements();
    let count = 1 + below(random, n.min(300));
    let into = g.reshape(&into, &[n]);
    let from = g.fit(&from, &[count], random);
    let places: Vec<i64> = (0..count)
        .map(|_| below(random, n + 2) as i64 - 1)
        .collect();
    let places = g.integers(&places);
    let scatter = ScatterDimensions {
        update_window_dims: vec![],
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: 1,
        out_of_bounds: of(random, &[OutOfBounds::Clamp, OutOfBounds::Drop]),
    };
    let op = of(random, &[Op::ScatterAdd, Op::ScatterAdd, Op::Scatter]);
    g.push(op, &[&into, &places, &from], Attributes::Scatter(scatter))
}
