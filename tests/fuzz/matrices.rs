//! Nodes of matrices.

use super::generate::{Generator, Value};
use super::nodes::within;
use gradient_engine::{Attributes, DotDimensions, Op, TensorType};
use gradient_tests::engine::{Random, tensor};

/// A contraction: of vectors, of matrices, of rows of matrices.
pub fn dot(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let a = g.pick_float(picks[0]);
    let b = g.pick_float(picks[1]);
    let b = g.convert(&b, a.ty.dtype);
    let mut size = || [1, 2, 3, 7, 8, 15, 17][random.below(7)];
    let [m, k, n] = [size(), size(), size()];
    let d = |all: &[u32]| all.to_vec();
    let (left, right, dims) = match random.below(5) {
        0 => {
            let n = a.elements();
            (vec![n], vec![n], [d(&[0]), d(&[0]), d(&[]), d(&[])])
        }
        1 => (vec![m, k], vec![k], [d(&[1]), d(&[0]), d(&[]), d(&[])]),
        2 => (vec![k, m], vec![n, k], [d(&[0]), d(&[1]), d(&[]), d(&[])]),
        3 => (
            vec![3, m, k],
            vec![3, k, 2],
            [d(&[2]), d(&[1]), d(&[0]), d(&[0])],
        ),
        _ => (vec![m, k], vec![k, n], [d(&[1]), d(&[0]), d(&[]), d(&[])]),
    };
    let a = g.fit(&a, &left, random);
    let b = g.fit(&b, &right, random);
    let [lhs_contracting, rhs_contracting, lhs_batch, rhs_batch] = dims;
    let dims = DotDimensions {
        lhs_contracting,
        rhs_contracting,
        lhs_batch,
        rhs_batch,
    };
    g.push(Op::DotGeneral, &[&a, &b], Attributes::DotGeneral(dims))
}

/// A factorisation, or a system that is solved, of a small matrix far from a singular one.
pub fn factors(g: &mut Generator, picks: [usize; 3], random: &mut Random) -> Value {
    let value = g.pick_float(picks[0]);
    let n = [2, 3, 5][random.below(3)];
    let value = g.fit(&value, &[n, n], random);
    let small = within(g, &value, (-0.5, 0.5));
    let permutation = vec![1, 0];
    let turned = g.push(
        Op::Transpose,
        &[&small],
        Attributes::Transpose { permutation },
    );
    let symmetric = g.op(Op::Add, &[&small, &turned]);
    let diagonal: Vec<f64> = (0..n * n)
        .map(|i| f64::from(i % (n + 1) == 0) * (n + 1) as f64)
        .collect();
    let ty = TensorType::new(value.ty.dtype, [n, n]);
    let diagonal = g.constant(tensor(&ty, &diagonal));
    let matrix = g.op(Op::Add, &[&symmetric, &diagonal]);
    let solve = Attributes::Solve { transpose_a: false };
    match random.below(6) {
        0 => g.op(Op::Cholesky, &[&matrix]),
        1 => g.op(Op::Determinant, &[&matrix]),
        2 => g.op(Op::Inverse, &[&matrix]),
        3 => g.op(Op::Qr, &[&matrix]),
        4 => g.op(Op::Eigh, &[&matrix]),
        _ => g.push(Op::Solve, &[&matrix, &value], solve),
    }
}
