//! Scenarios of sorting, searching and moving elements.

use super::{Draft, Scenario, WIDE, scenario};
use crate::engine::tensor;
use gradient_engine::{
    Attributes, DType, GatherDimensions, Op, OutOfBounds, ScatterDimensions, TensorType, ValueId,
};

/// Keys from here, put together by `apart`, never come closer than 0.1.
const NEAR: (f64, f64) = (-0.45, 0.45);
/// Starts and indices: some before the tensor, some beyond it.
const AROUND: (f64, f64) = (-2.5, 5.5);

/// An input moved to different whole numbers, in no order: fewer than 25 elements.
fn apart(g: &mut Draft, x: ValueId, shape: &[u64]) -> ValueId {
    let ty = TensorType::f64(shape);
    let order: Vec<f64> = (0..ty.elements()).map(|i| (i * 7 % 25) as f64).collect();
    let order = g.constant(tensor(&ty, &order));
    g.op(Op::Add, &[x, order])
}

fn second(first: ValueId) -> ValueId {
    ValueId(first.0 + 1)
}

fn integers(g: &mut Draft, name: &str, shape: &[u64]) -> ValueId {
    let ty = TensorType::new(DType::I64, shape);
    g.0.input(name, ty).expect("input")
}

pub(super) fn add(all: &mut Vec<Scenario>) {
    reversed_and_tiled(all);
    windows(all);
    scattered(all);
    sorted(all);
    searched(all);
}

fn reversed_and_tiled(all: &mut Vec<Scenario>) {
    let mut one = |op: Op, shape: &[u64], attributes: Attributes| {
        all.push(scenario(op, "shapes", &[WIDE], |g| {
            let x = g.input("x", shape);
            g.push(op, &[x], attributes)
        }));
    };
    let cases: [(&[u64], &[u32]); 7] = [
        (&[4], &[0]),
        (&[2, 3, 4], &[1]),
        (&[2, 3, 4], &[2, 0]),
        (&[2, 3, 4], &[0, 1, 2]),
        (&[2, 3], &[]),
        (&[], &[]),
        (&[3, 0], &[0, 1]),
    ];
    for (shape, dimensions) in cases {
        let dimensions = dimensions.to_vec();
        one(Op::Reverse, shape, Attributes::Reverse { dimensions });
    }
    let cases: [(&[u64], &[u64]); 7] = [
        (&[3], &[2]),
        (&[2, 3], &[3, 1]),
        (&[2, 1, 3], &[1, 2, 2]),
        (&[2, 3], &[1, 1]),
        (&[], &[]),
        (&[2, 3], &[2, 0]),
        (&[0, 2], &[3, 2]),
    ];
    for (shape, repeats) in cases {
        let repeats = repeats.to_vec();
        one(Op::Tile, shape, Attributes::Tile { repeats });
    }
}

/// dynamic_slice and dynamic_update_slice, with starts inside and outside, of which every point has its own.
fn windows(all: &mut Vec<Scenario>) {
    let cases: [(&[u64], &[u64]); 5] = [
        (&[5], &[2]),
        (&[3, 4], &[2, 3]),
        (&[3, 2], &[3, 2]),
        (&[3, 4], &[0, 2]),
        (&[], &[]),
    ];
    for (shape, window) in cases {
        let rank = [shape.len() as u64];
        let sizes = window.to_vec();
        let slice = Attributes::DynamicSlice { sizes };
        all.push(scenario(Op::DynamicSlice, "starts", &[WIDE, AROUND], |g| {
            let x = g.input("x", shape);
            let starts = integers(g, "starts", &rank);
            g.push(Op::DynamicSlice, &[x, starts], slice)
        }));
        let domains = [WIDE, WIDE, AROUND];
        all.push(scenario(Op::DynamicUpdateSlice, "starts", &domains, |g| {
            let (x, u) = (g.input("x", shape), g.input("u", window));
            let starts = integers(g, "starts", &rank);
            g.op(Op::DynamicUpdateSlice, &[x, u, starts])
        }));
    }
}

fn scattered(all: &mut Vec<Scenario>) {
    for out_of_bounds in [OutOfBounds::Clamp, OutOfBounds::Drop] {
        let rows = ScatterDimensions {
            update_window_dims: vec![2],
            inserted_window_dims: vec![0],
            scatter_dims_to_operand_dims: vec![0],
            index_vector_dim: 2,
            out_of_bounds,
        };
        let given = rows.clone();
        let name = "rows, repeated and outside";
        all.push(scenario(Op::Scatter, name, &[WIDE, WIDE], |g| {
            let (x, u) = (g.input("x", &[4, 3]), g.input("u", &[2, 2, 3]));
            let i = g.indices(&[2, 2], &[3, 0, 0, 9]);
            g.push(Op::Scatter, &[x, i, u], Attributes::Scatter(given))
        }));
        let name = "rows at indices of every point";
        all.push(scenario(Op::Scatter, name, &[WIDE, WIDE, AROUND], |g| {
            let (x, u) = (g.input("x", &[4, 3]), g.input("u", &[3, 2, 3]));
            let i = integers(g, "i", &[3, 2]);
            g.push(Op::Scatter, &[x, i, u], Attributes::Scatter(rows))
        }));
        // Windows stand before index vectors in the updates: they overlap at different offsets.
        let columns = ScatterDimensions {
            update_window_dims: vec![0, 1],
            inserted_window_dims: vec![],
            scatter_dims_to_operand_dims: vec![1],
            index_vector_dim: 0,
            out_of_bounds,
        };
        let name = "windows, overlapping and outside";
        all.push(scenario(Op::Scatter, name, &[WIDE, WIDE], |g| {
            let (x, u) = (g.input("x", &[2, 5]), g.input("u", &[2, 2, 4]));
            let i = g.indices(&[1, 4], &[1, 0, 7, 2]);
            g.push(Op::Scatter, &[x, i, u], Attributes::Scatter(columns))
        }));
    }
    let element = ScatterDimensions {
        scatter_dims_to_operand_dims: vec![0],
        inserted_window_dims: vec![0],
        ..ScatterDimensions::default()
    };
    for (name, count) in [("one element", 1), ("nothing", 0)] {
        let element = element.clone();
        all.push(scenario(Op::Scatter, name, &[WIDE, WIDE], |g| {
            let (x, u) = (g.input("x", &[3]), g.input("u", &[count]));
            let i = g.indices(&[count], &vec![1; count as usize]);
            let dims = ScatterDimensions {
                index_vector_dim: 1,
                ..element
            };
            g.push(Op::Scatter, &[x, i, u], Attributes::Scatter(dims))
        }));
    }
}

/// Keys alone; with others alongside, of which some are keys themselves; the permutation; the largest.
fn sorted(all: &mut Vec<Scenario>) {
    let cases: [(&[u64], u32); 6] = [
        (&[7], 0),
        (&[2, 3, 4], 0),
        (&[2, 3, 4], 1),
        (&[2, 3, 4], 2),
        (&[1], 0),
        (&[2, 0], 0),
    ];
    for (shape, axis) in cases {
        for descending in [false, true] {
            let by = Attributes::Sort { axis, descending };
            let alone = by.clone();
            all.push(scenario(Op::Sort, "keys", &[NEAR], |g| {
                let x = g.input("x", shape);
                let keys = apart(g, x, shape);
                g.push(Op::Sort, &[keys], alone)
            }));
            all.push(scenario(Op::Sort, "by key", &[NEAR, WIDE], |g| {
                let (x, other) = (g.input("x", shape), g.input("y", shape));
                let keys = apart(g, x, shape);
                let sorted = g.push(Op::Sort, &[keys, other, keys], by);
                g.op(Op::Multiply, &[sorted, second(sorted)])
            }));
        }
    }
    all.push(scenario(
        Op::Sort,
        "only what is alongside",
        &[NEAR, WIDE],
        |g| {
            let (x, other) = (g.input("x", &[5]), g.input("y", &[5]));
            let keys = apart(g, x, &[5]);
            let axis = 0;
            let by = Attributes::Sort {
                axis,
                descending: false,
            };
            second(g.push(Op::Sort, &[keys, other], by))
        },
    ));
    all.push(scenario(Op::Argsort, "as indices", &[NEAR, WIDE], |g| {
        let (x, other) = (g.input("x", &[6]), g.input("y", &[6]));
        let keys = apart(g, x, &[6]);
        let by = Attributes::Sort {
            axis: 0,
            descending: true,
        };
        let order = g.push(Op::Argsort, &[keys], by);
        let gather = GatherDimensions {
            collapsed_slice_dims: vec![0],
            start_index_map: vec![0],
            index_vector_dim: 1,
            slice_sizes: vec![1],
            ..GatherDimensions::default()
        };
        g.push(Op::Gather, &[other, order], Attributes::Gather(gather))
    }));
    let cases: [(&[u64], u64); 7] = [
        (&[7], 3),
        (&[2, 2, 5], 2),
        (&[3, 4], 4),
        (&[3, 4], 1),
        (&[3, 4], 0),
        (&[0, 4], 2),
        (&[2, 0], 0),
    ];
    for (shape, k) in cases {
        all.push(scenario(Op::TopK, "shapes", &[NEAR], |g| {
            let x = g.input("x", shape);
            let x = apart(g, x, shape);
            g.push(Op::TopK, &[x], Attributes::TopK { k })
        }));
    }
    all.push(scenario(Op::TopK, "values by their places", &[NEAR], |g| {
        let x = g.input("x", &[3, 5]);
        let x = apart(g, x, &[3, 5]);
        let values = g.push(Op::TopK, &[x], Attributes::TopK { k: 2 });
        let dtype = DType::F64;
        let places = g.push(
            Op::Convert,
            &[second(values)],
            Attributes::Convert { dtype },
        );
        g.op(Op::Multiply, &[values, places])
    }));
}

/// Indices have no derivative; what is done with them has.
fn searched(all: &mut Vec<Scenario>) {
    for (shape, depth) in [(&[][..], 3), (&[4], 3), (&[2, 3], 5), (&[2], 0)] {
        let domains = [WIDE, AROUND];
        all.push(scenario(Op::OneHot, "rows by weights", &domains, |g| {
            let wide = [shape, &[depth]].concat();
            let (x, i) = (g.input("x", &wide), integers(g, "i", shape));
            let dtype = DType::F64;
            let hot = g.push(Op::OneHot, &[i], Attributes::OneHot { depth, dtype });
            g.op(Op::Multiply, &[x, hot])
        }));
    }
    for right in [false, true] {
        let domains = [WIDE, AROUND];
        all.push(scenario(
            Op::SearchSorted,
            "counts by weights",
            &domains,
            |g| {
                let (x, q) = (g.input("x", &[2, 3]), integers(g, "q", &[2, 3]));
                let sorted = g.indices(&[4], &[-1, 1, 1, 3]);
                let attributes = Attributes::SearchSorted { right };
                let counts = g.push(Op::SearchSorted, &[sorted, q], attributes);
                let dtype = DType::F64;
                let counts = g.push(Op::Convert, &[counts], Attributes::Convert { dtype });
                g.op(Op::Multiply, &[x, counts])
            },
        ));
    }
}
