//! Scenarios of solving and factorising.

use super::{Draft, Scenario, WIDE, scenario};
use crate::engine::tensor;
use gradient_engine::{Attributes, Op, TensorType, ValueId};

/// Elements of a matrix beside the constant that [`regular`] adds.
const SMALL: (f64, f64) = (-0.4, 0.4);

/// Matrices plus a constant matrix in every item of the batch.
fn shifted(
    g: &mut Draft,
    x: ValueId,
    shape: &[u64],
    shift: impl Fn(usize, usize) -> f64,
) -> ValueId {
    let ty = TensorType::f64(shape);
    let (rows, columns) = sizes(shape);
    let of = |i: usize| shift(i / columns % rows, i % columns);
    let numbers: Vec<f64> = (0..ty.elements() as usize).map(of).collect();
    let constant = g.constant(tensor(&ty, &numbers));
    g.op(Op::Add, &[x, constant])
}

/// Rows and columns.
fn sizes(shape: &[u64]) -> (usize, usize) {
    match *shape {
        [.., rows, columns] => (rows as usize, columns as usize),
        _ => panic!("a matrix shape"),
    }
}

/// Diagonally dominant.
fn regular(g: &mut Draft, x: ValueId, shape: &[u64]) -> ValueId {
    shifted(g, x, shape, |i, j| match i == j {
        true => 2.0 + i as f64 / 2.0,
        false => 0.0,
    })
}

/// Far from a tie of pivots: the largest elements are on a cyclic diagonal, so that all rows change places.
fn permuted(g: &mut Draft, x: ValueId, shape: &[u64]) -> ValueId {
    let (_, n) = sizes(shape);
    shifted(g, x, shape, |i, j| match (j + 1) % n == i {
        true => 3.0 - i as f64 / 4.0,
        false => 0.25 * (i as f64 - j as f64),
    })
}

/// A batch of matrices and a right-hand side.
const SYSTEMS: [(&[u64], &[u64]); 7] = [
    (&[3, 3], &[3]),
    (&[3, 3], &[3, 2]),
    (&[1, 1], &[1]),
    (&[2, 3, 3], &[2, 3]),
    (&[2, 1, 2, 2], &[2, 1, 2, 3]),
    (&[0, 0], &[0, 2]),
    (&[2, 2], &[2, 0]),
];

pub(super) fn add(all: &mut Vec<Scenario>) {
    systems(all);
    factors(all);
    determinants(all);
}

fn systems(all: &mut Vec<Scenario>) {
    let mut system = |op: Op, (a, b): (&[u64], &[u64]), attributes: Attributes| {
        let name = format!("{a:?} and {b:?} {attributes:?}");
        all.push(scenario(op, &name, &[SMALL, WIDE], |g| {
            let (x, b) = (g.input("a", a), g.input("b", b));
            let a = match op {
                Op::Solve => permuted(g, x, a),
                _ => regular(g, x, a),
            };
            g.push(op, &[a, b], attributes)
        }));
    };
    for (i, &shapes) in SYSTEMS.iter().enumerate() {
        for transpose_a in [false, true] {
            system(Op::Solve, shapes, Attributes::Solve { transpose_a });
            for (lower, unit_diagonal) in [(false, false), (true, false), (true, true)] {
                // All ways to read a matrix with one shape, half of them with the others.
                if i == 0 || lower == (i % 2 == 0) {
                    let attributes = Attributes::TriangularSolve {
                        lower,
                        transpose_a,
                        unit_diagonal: unit_diagonal || (i == 0 && !lower && transpose_a),
                    };
                    system(Op::TriangularSolve, shapes, attributes);
                }
            }
        }
        system(Op::CholeskySolve, shapes, Attributes::None);
    }
    for &(a, b) in &SYSTEMS[..4] {
        for transpose_a in [false, true] {
            all.push(scenario(Op::LuSolve, "factors", &[SMALL, WIDE], |g| {
                let (x, b) = (g.input("a", a), g.input("b", b));
                let a = permuted(g, x, a);
                let p = g.op(Op::Lu, &[a]);
                let (l, u) = (ValueId(p.0 + 1), ValueId(p.0 + 2));
                let attributes = Attributes::Solve { transpose_a };
                g.push(Op::LuSolve, &[a, p, l, u, b], attributes)
            }));
        }
    }
    // The matrix on both sides.
    all.push(scenario(Op::Solve, "A and A²", &[SMALL], |g| {
        let a = g.input("a", &[3, 3]);
        let a = permuted(g, a, &[3, 3]);
        let square = g.op(Op::Matmul, &[a, a]);
        let sine = g.op(Op::Sin, &[square]);
        g.push(
            Op::Solve,
            &[a, sine],
            Attributes::Solve { transpose_a: false },
        )
    }));
}

fn factors(all: &mut Vec<Scenario>) {
    let shapes: [&[u64]; 6] = [&[1, 1], &[3, 3], &[5, 5], &[2, 2, 2], &[0, 0], &[0, 2, 2]];
    for shape in shapes {
        let name = format!("{shape:?}");
        for op in [Op::Cholesky, Op::Inverse] {
            all.push(scenario(op, &name, &[SMALL], |g| {
                let a = g.input("a", shape);
                let a = regular(g, a, shape);
                g.op(op, &[a])
            }));
        }
        for result in [1, 2] {
            all.push(scenario(Op::Lu, &name, &[SMALL], |g| {
                let a = g.input("a", shape);
                let a = permuted(g, a, shape);
                ValueId(g.op(Op::Lu, &[a]).0 + result)
            }));
        }
    }
    let shapes: [&[u64]; 8] = [
        &[1, 1],
        &[3, 3],
        &[4, 2],
        &[2, 4],
        &[2, 3, 2],
        &[2, 1, 2, 3],
        &[3, 0],
        &[0, 2, 2],
    ];
    for shape in shapes {
        for result in [0, 1] {
            let name = format!("{shape:?}, result {result}");
            all.push(scenario(Op::Qr, &name, &[SMALL], |g| {
                let a = g.input("a", shape);
                let a = regular(g, a, shape);
                ValueId(g.op(Op::Qr, &[a]).0 + result)
            }));
        }
    }
}

fn determinants(all: &mut Vec<Scenario>) {
    let shapes: [&[u64]; 6] = [
        &[1, 1],
        &[2, 2],
        &[4, 4],
        &[2, 1, 3, 3],
        &[0, 0],
        &[2, 0, 0],
    ];
    for shape in shapes {
        let name = format!("{shape:?}");
        all.push(scenario(Op::Determinant, &name, &[SMALL], |g| {
            let a = g.input("a", shape);
            let a = permuted(g, a, shape);
            g.op(Op::Determinant, &[a])
        }));
        for result in [0, 1] {
            all.push(scenario(Op::Slogdet, &name, &[SMALL], |g| {
                let a = g.input("a", shape);
                let a = permuted(g, a, shape);
                ValueId(g.op(Op::Slogdet, &[a]).0 + result)
            }));
        }
    }
    let shapes: [&[u64]; 5] = [&[1, 1], &[2, 2], &[3, 3], &[2, 1, 2, 2], &[0, 0]];
    for shape in shapes {
        let name = format!("{shape:?}");
        for directions in 0..3 {
            let domains = [&[SMALL][..], &[WIDE; 2][..directions]].concat();
            all.push(scenario(Op::Cofactor, &name, &domains, |g| {
                let names = &["a", "d", "e"][..=directions];
                let inputs = names.iter().map(|name| g.input(name, shape));
                let mut operands: Vec<ValueId> = inputs.collect();
                operands[0] = permuted(g, operands[0], shape);
                g.op(Op::Cofactor, &operands)
            }));
        }
    }
}
