//! Scenarios of eigen- and singular values, functions of matrices, and systems with a structure. Eigenvalues and
//! singular values are kept apart by a constant diagonal.

use super::{Draft, Scenario, WIDE, scenario};
use crate::engine::tensor;
use gradient_engine::{Attributes, Op, SparsePattern, TensorType, ValueId};
use std::sync::Arc;

const NARROW: (f64, f64) = (-0.3, 0.3);

pub(super) fn add(all: &mut Vec<Scenario>) {
    vectors_and_values(all);
    exponentials(all);
    least_squares(all);
    tridiagonal(all);
    sparse(all);
}

/// A matrix of this shape with 1.5, 3, 4.5, … on the diagonal added.
fn apart(g: &mut Draft, x: ValueId, shape: &[u64]) -> ValueId {
    let ty = TensorType::f64(shape);
    let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let diagonal: Vec<f64> = (0..ty.elements())
        .map(|at| (at / n % m, at % n))
        .map(|(i, j)| if i == j { 1.5 * (i + 1) as f64 } else { 0.0 })
        .collect();
    let diagonal = g.constant(tensor(&ty, &diagonal));
    g.op(Op::Add, &[x, diagonal])
}

fn vectors_and_values(all: &mut Vec<Scenario>) {
    let shapes: [(Op, u32, &[&[u64]]); 2] = [
        (Op::Eigh, 2, &[&[1, 1], &[2, 2], &[4, 4], &[2, 3, 3]]),
        (
            Op::Svd,
            3,
            &[&[1, 1], &[3, 3], &[4, 2], &[2, 4], &[1, 3], &[2, 3, 2]],
        ),
    ];
    for (op, results, shapes) in shapes {
        for (i, shape) in (0..results).flat_map(|i| shapes.iter().map(move |shape| (i, shape))) {
            let name = format!("result {i} of {shape:?}");
            all.push(scenario(op, &name, &[NARROW], |g| {
                let a = g.input("a", shape);
                let a = apart(g, a, shape);
                ValueId(g.op(op, &[a]).0 + i)
            }));
        }
    }
}

fn exponentials(all: &mut Vec<Scenario>) {
    let shapes: [&[u64]; 4] = [&[1, 1], &[2, 2], &[3, 3], &[2, 2, 2]];
    for shape in shapes {
        all.push(scenario(Op::Expm, "shapes", &[(-1.0, 1.0)], |g| {
            let a = g.input("a", shape);
            g.op(Op::Expm, &[a])
        }));
        for directions in 1..=2 {
            let domains = vec![(-1.0, 1.0); 1 + directions];
            all.push(scenario(Op::ExpmDerivative, "directions", &domains, |g| {
                let names = &["a", "e", "f"][..=directions];
                let operands: Vec<_> = names.iter().map(|n| g.input(n, shape)).collect();
                g.op(Op::ExpmDerivative, &operands)
            }));
        }
    }
}

/// A matrix and a right-hand side.
const SYSTEMS: [[&[u64]; 2]; 8] = [
    [&[1, 1], &[1]],
    [&[3, 3], &[3]],
    [&[4, 2], &[4]],
    [&[4, 2], &[4, 2]],
    [&[2, 4], &[2]],
    [&[2, 4], &[2, 3]],
    [&[2, 3, 2], &[2, 3]],
    [&[2, 2, 3], &[2, 2, 1]],
];

fn least_squares(all: &mut Vec<Scenario>) {
    for [a, b] in SYSTEMS {
        all.push(scenario(Op::Lstsq, "shapes", &[NARROW, WIDE], |g| {
            let (x, b) = (g.input("a", a), g.input("b", b));
            let a = apart(g, x, a);
            g.op(Op::Lstsq, &[a, b])
        }));
        for transpose_a in [false, true] {
            let rank = a.len();
            let mut rows = b.to_vec();
            if transpose_a {
                rows[rank - 2] = a[rank - 1];
            }
            all.push(scenario(Op::SvdSolve, "shapes", &[NARROW, WIDE], |g| {
                let (x, b) = (g.input("a", a), g.input("b", &rows));
                let a = apart(g, x, a);
                let fixed = g.op(Op::StopGradient, &[a]);
                let u = g.op(Op::Svd, &[fixed]);
                let operands = [a, u, ValueId(u.0 + 1), ValueId(u.0 + 2), b];
                let attributes = Attributes::Solve { transpose_a };
                g.push(Op::SvdSolve, &operands, attributes)
            }));
        }
    }
}

fn tridiagonal(all: &mut Vec<Scenario>) {
    let off = (-1.0, 1.0);
    let dominant = [off, (2.5, 4.0), off, WIDE];
    // Every second pivot is found below the diagonal.
    let pivoted = [(1.0, 2.0), (-0.2, 0.2), (1.0, 2.0), WIDE];
    let shapes: [[&[u64]; 2]; 6] = [
        [&[1], &[1]],
        [&[2], &[2]],
        [&[5], &[5]],
        [&[4], &[4, 2]],
        [&[2, 3], &[2, 3]],
        [&[2, 4], &[2, 4, 2]],
    ];
    for [diagonal, b] in shapes {
        let even = diagonal[diagonal.len() - 1] % 2 == 0;
        for domains in [Some(dominant), even.then_some(pivoted)]
            .into_iter()
            .flatten()
        {
            all.push(scenario(Op::TridiagonalSolve, "shapes", &domains, |g| {
                let names = ["lower", "diagonal", "upper"];
                let mut operands = names.map(|name| g.input(name, diagonal)).to_vec();
                operands.push(g.input("b", b));
                g.op(Op::TridiagonalSolve, &operands)
            }));
        }
    }
}

fn sparse(all: &mut Vec<Scenario>) {
    let places = [(0, 1), (0, 3), (1, 0), (2, 0), (2, 2)];
    for (transpose, entries) in [(false, 5), (true, 5), (false, 0)] {
        let places = &places[..entries];
        let pattern = Arc::new(SparsePattern {
            row_count: 3,
            column_count: 4,
            rows: places.iter().map(|p| p.0).collect(),
            columns: places.iter().map(|p| p.1).collect(),
            transpose,
        });
        let n = if transpose { 3 } else { 4 };
        let entries = entries as u64;
        let shapes: [[&[u64]; 2]; 4] = [
            [&[entries], &[n]],
            [&[entries], &[n, 2]],
            [&[2, entries], &[2, n]],
            [&[2, entries], &[2, n, 2]],
        ];
        for [values, x] in shapes {
            all.push(scenario(Op::SparseMatvec, "shapes", &[WIDE, WIDE], |g| {
                let (values, x) = (g.input("values", values), g.input("x", x));
                let attributes = Attributes::SparsePattern(pattern.clone());
                g.push(Op::SparseMatvec, &[values, x], attributes)
            }));
        }
    }
}
