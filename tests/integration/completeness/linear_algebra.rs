//! Cases of linear algebra.

use super::{ANY, Case, INF, Kind::*, LOST, NAN, SQRT_HALF, case, eye, f, i};
use gradient_engine::{Attributes as A, Op, SparsePattern};
use std::f64::consts::LN_2;

pub(super) fn cases() -> Vec<Case> {
    let mut all = systems();
    all.extend(factors());
    all.extend(functions());
    all.extend(structured());
    all
}

const MATRIX: super::Kind = Smallest("a matrix has two dimensions");

/// Cofactors of a 2 × 2 matrix: [[d, -c], [-b, a]].
const COFACTORS: [f64; 16] = [
    0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0,
];

#[rustfmt::skip]
fn systems() -> Vec<Case> {
    let solve = || A::Solve { transpose_a: false };
    let lower = || A::TriangularSolve { lower: true, transpose_a: false, unit_diagonal: false };
    let empty = [f(&[0, 0], &[]), f(&[0], &[])];
    let no_columns = [f(&[1, 1], &[2.0]), f(&[1, 0], &[])];
    let one = |a: f64, b: f64| [f(&[1, 1], &[a]), f(&[1], &[b])];
    let mut all = vec![];
    for (op, attributes) in [(Op::Solve, solve()), (Op::TriangularSolve, lower())] {
        all.extend([
            case(op, Empty, attributes.clone(), &empty, &[], &[]),
            case(op, Empty, attributes.clone(), &no_columns, &[], &[]),
            case(op, MATRIX, attributes.clone(), &one(2.0, 3.0), &[1.5], &[-0.75, 0.5]),
            case(op, Special, attributes.clone(), &one(2.0, 0.0), &[0.0], &[0.0, 0.5]),
            case(op, Special, attributes.clone(), &one(2.0, NAN), &[NAN], &[NAN, 0.5]),
            case(op, Special, attributes.clone(), &one(0.0, 1.0), &[LOST], &[LOST, LOST]),
        ]);
    }
    let half_read = [f(&[2, 2], &[1.0, NAN, 0.0, 1.0]), f(&[2], &[1.0, 2.0])];
    all.extend([
        case(Op::TriangularSolve, Special, lower(), &half_read, &[1.0, 2.0], &[-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -2.0, 1.0, 0.0, 0.0, 1.0]),
        case(Op::CholeskySolve, Empty, A::None, &empty, &[], &[]),
        case(Op::CholeskySolve, MATRIX, A::None, &one(2.0, 4.0), &[1.0], &[-1.0, 0.25]),
        case(Op::CholeskySolve, Special, A::None, &one(2.0, 0.0), &[0.0], &[0.0, 0.25]),
        case(Op::CholeskySolve, Special, A::None, &one(0.0, 1.0), &[LOST], &[LOST, LOST]),
        case(Op::Lstsq, Empty, A::None, &[f(&[0, 2], &[]), f(&[0], &[])], &[0.0, 0.0], &[]),
        case(Op::Lstsq, Empty, A::None, &[f(&[2, 0], &[]), f(&[2], &[1.0, 2.0])], &[], &[]),
        case(Op::Lstsq, MATRIX, A::None, &one(2.0, 4.0), &[2.0], &[-1.0, 0.5]),
        // The least solution; the derivative in the matrix does not exist.
        case(Op::Lstsq, Special, A::None, &one(0.0, 1.0), &[0.0], &[ANY, 0.0]),
        case(Op::Lstsq, Special, A::None, &one(2.0, NAN), &[NAN], &[NAN, 0.5]),
    ]);
    let factored = |a: f64, b: f64| [f(&[1, 1], &[a]), i(&[1], &[0.0]), f(&[1, 1], &[1.0]), f(&[1, 1], &[a]), f(&[1], &[b])];
    let nothing = [f(&[0, 0], &[]), i(&[0], &[]), f(&[0, 0], &[]), f(&[0, 0], &[]), f(&[0], &[])];
    all.extend([
        case(Op::LuSolve, Empty, solve(), &nothing, &[], &[]),
        case(Op::LuSolve, MATRIX, solve(), &factored(2.0, 4.0), &[2.0], &[-1.0, 0.0, 0.0, 0.5]),
        case(Op::LuSolve, Special, solve(), &factored(2.0, 0.0), &[0.0], &[0.0, 0.0, 0.0, 0.5]),
        case(Op::LuSolve, Special, solve(), &factored(0.0, 1.0), &[LOST], &[LOST, ANY, ANY, LOST]),
    ]);
    let decomposed = |a: f64, b: f64| [f(&[1, 1], &[a]), f(&[1, 1], &[1.0]), f(&[1], &[a]), f(&[1, 1], &[1.0]), f(&[1], &[b])];
    let nothing = [f(&[2, 0], &[]), f(&[2, 0], &[]), f(&[0], &[]), f(&[0, 0], &[]), f(&[2], &[1.0, 2.0])];
    all.extend([
        case(Op::SvdSolve, Empty, solve(), &nothing, &[], &[]),
        case(Op::SvdSolve, MATRIX, solve(), &decomposed(2.0, 4.0), &[2.0], &[-1.0, 0.0, 0.0, 0.0, 0.5]),
        case(Op::SvdSolve, Special, solve(), &decomposed(0.0, 1.0), &[0.0], &[ANY, 0.0, 0.0, 0.0, 0.0]),
        case(Op::SvdSolve, Special, solve(), &decomposed(0.0, NAN), &[NAN], &[ANY, 0.0, 0.0, 0.0, 0.0]),
    ]);
    all
}

#[rustfmt::skip]
fn factors() -> Vec<Case> {
    let empty = [f(&[0, 0], &[])];
    let none_of_three = [f(&[0, 3, 3], &[])];
    let one = |x: f64| [f(&[1, 1], &[x])];
    let mut all = vec![];
    for op in [Op::Cholesky, Op::Lu, Op::Qr, Op::Eigh, Op::Svd] {
        all.push(case(op, Empty, A::None, &empty, &[], &[]));
        all.push(case(op, Empty, A::None, &none_of_three, &[], &[]));
    }
    let half_read = [f(&[2, 2], &[4.0, NAN, 2.0, 5.0])];
    let rows = [[0.25, 0.0, 0.0, 0.0], [0.0; 4], [-0.125, 0.0, 0.5, 0.0], [0.0625, 0.0, -0.25, 0.25]];
    let pivoted = [f(&[2, 2], &[0.0, 1.0, 2.0, 3.0])];
    let l = [[0.0; 4], [0.0; 4], [0.5, 0.0, 0.0, 0.0], [0.0; 4]].concat();
    let u = [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0; 4], [-1.5, 1.0, 0.0, 0.0]].concat();
    let double = [f(&[2, 2], &[2.0, 0.0, 0.0, 2.0])];
    all.extend([
        case(Op::Cholesky, MATRIX, A::None, &one(4.0), &[2.0], &[0.25]),
        case(Op::Cholesky, Special, A::None, &half_read, &[2.0, 0.0, 1.0, 2.0], &rows.concat()),
        case(Op::Cholesky, Special, A::None, &one(0.0), &[NAN], &[LOST]),
        case(Op::Cholesky, Special, A::None, &[f(&[2, 2], &[1.0, 1.0, 1.0, 1.0])], &[NAN, ANY, NAN, NAN], &[ANY; 16]),
        case(Op::Lu, MATRIX, A::None, &one(2.0), &[0.0, 1.0, 2.0], &[0.0, 1.0]),
        case(Op::Lu, Special, A::None, &pivoted, &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0], &[l, u].concat()),
        case(Op::Qr, MATRIX, A::None, &one(-3.0), &[-1.0, 3.0], &[0.0, -1.0]),
        case(Op::Qr, Special, A::None, &one(NAN), &[NAN, NAN], &[LOST, LOST]),
        case(Op::Eigh, MATRIX, A::None, &one(5.0), &[5.0, 1.0], &[1.0, 0.0]),
        case(Op::Eigh, Special, A::None, &double, &[2.0, 2.0, ANY, ANY, ANY, ANY], &[[ANY; 8].as_slice(), &[ANY; 16]].concat()),
        case(Op::Eigh, Special, A::None, &one(NAN), &[NAN, NAN], &[LOST, LOST]),
        case(Op::Svd, MATRIX, A::None, &one(-2.0), &[1.0, 2.0, -1.0], &[0.0, -1.0, 0.0]),
        case(Op::Svd, Special, A::None, &one(0.0), &[1.0, 0.0, 1.0], &[0.0, 1.0, 0.0]),
        case(Op::Svd, Special, A::None, &one(NAN), &[NAN, NAN, NAN], &[LOST; 3]),
    ]);
    all
}

#[rustfmt::skip]
fn functions() -> Vec<Case> {
    let empty = [f(&[0, 0], &[])];
    let one = |x: f64| [f(&[1, 1], &[x])];
    let zeros = [f(&[2, 2], &[0.0; 4])];
    let two_of_none = [f(&[2, 0, 0], &[])];
    let singular = [f(&[2, 2], &[0.0, 1.0, 0.0, 2.0])];
    let along = [f(&[1, 1], &[0.0]), f(&[1, 1], &[3.0])];
    vec![
        case(Op::Inverse, Empty, A::None, &empty, &[], &[]),
        case(Op::Inverse, MATRIX, A::None, &one(2.0), &[0.5], &[-0.25]),
        case(Op::Inverse, Special, A::None, &one(0.0), &[LOST], &[LOST]),
        case(Op::Determinant, Empty, A::None, &empty, &[1.0], &[]),
        case(Op::Determinant, Empty, A::None, &two_of_none, &[1.0, 1.0], &[]),
        case(Op::Determinant, MATRIX, A::None, &one(3.0), &[3.0], &[1.0]),
        case(Op::Determinant, Special, A::None, &zeros, &[0.0], &[0.0; 4]),
        case(Op::Determinant, Special, A::None, &singular, &[0.0], &[2.0, 0.0, -1.0, 0.0]),
        case(Op::Slogdet, Empty, A::None, &empty, &[1.0, 0.0], &[]),
        case(Op::Slogdet, MATRIX, A::None, &one(-2.0), &[-1.0, LN_2], &[0.0, -0.5]),
        case(Op::Slogdet, Special, A::None, &one(0.0), &[0.0, -INF], &[0.0, LOST]),
        case(Op::Cofactor, Empty, A::None, &empty, &[], &[]),
        case(Op::Cofactor, MATRIX, A::None, &one(5.0), &[1.0], &[0.0]),
        case(Op::Cofactor, Special, A::None, &zeros, &[0.0; 4], &COFACTORS),
        case(Op::Cofactor, Special, A::None, &singular, &[2.0, 0.0, -1.0, 0.0], &COFACTORS),
        case(Op::Expm, Empty, A::None, &empty, &[], &[]),
        case(Op::Expm, MATRIX, A::None, &one(0.0), &[1.0], &[1.0]),
        case(Op::Expm, Special, A::None, &zeros, &eye(2), &eye(4)),
        case(Op::Expm, Special, A::None, &one(-INF), &[ANY], &[ANY]),
        case(Op::Expm, Special, A::None, &one(NAN), &[NAN], &[LOST]),
        case(Op::ExpmDerivative, Empty, A::None, &[f(&[0, 0], &[]), f(&[0, 0], &[])], &[], &[]),
        case(Op::ExpmDerivative, MATRIX, A::None, &along, &[3.0], &[3.0, 1.0]),
        case(Op::ExpmDerivative, Special, A::None, &[zeros[0].clone(), singular[0].clone()], &[0.0, 1.0, 0.0, 2.0], &[vec![ANY; 16], eye(4)].concat()),
    ]
}

#[rustfmt::skip]
fn structured() -> Vec<Case> {
    let diagonals = |lower: f64, diagonal: f64, upper: f64, b: f64| [f(&[1], &[lower]), f(&[1], &[diagonal]), f(&[1], &[upper]), f(&[1], &[b])];
    let nothing = [f(&[0], &[]), f(&[0], &[]), f(&[0], &[]), f(&[0], &[])];
    let rotated = [f(&[2], &[NAN, 1.0]), f(&[2], &[0.0, 0.0]), f(&[2], &[1.0, NAN]), f(&[2], &[3.0, 4.0])];
    // x = (4, 3): dx0 = db1 - 4 dl1 - 3 dd1, dx1 = db0 - 3 du0 - 4 dd0.
    let slopes = [0.0, -4.0, 0.0, 0.0, 0.0, -3.0, -4.0, 0.0, 0.0, 0.0, -3.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    let pattern = |entries: usize| A::SparsePattern(SparsePattern { row_count: 1, column_count: 2, rows: vec![0; entries], columns: (0..entries as u64).collect(), transpose: false }.into());
    // A rotation by 45 degrees in the pattern of a full row.
    let values = f(&[2], &[SQRT_HALF, -SQRT_HALF]);
    vec![
        case(Op::TridiagonalSolve, Empty, A::None, &nothing, &[], &[]),
        case(Op::TridiagonalSolve, Smallest("diagonals are vectors"), A::None, &diagonals(7.0, 2.0, 7.0, 4.0), &[2.0], &[0.0, -1.0, 0.0, 0.5]),
        case(Op::TridiagonalSolve, Special, A::None, &diagonals(NAN, 2.0, INF, 4.0), &[2.0], &[0.0, -1.0, 0.0, 0.5]),
        case(Op::TridiagonalSolve, Special, A::None, &rotated, &[4.0, 3.0], &slopes),
        case(Op::TridiagonalSolve, Special, A::None, &diagonals(0.0, 0.0, 0.0, 1.0), &[LOST], &[ANY, LOST, ANY, LOST]),
        case(Op::SparseMatvec, Empty, pattern(0), &[f(&[0], &[]), f(&[2], &[1.0, 2.0])], &[0.0], &[0.0, 0.0]),
        case(Op::SparseMatvec, Smallest("values and x are vectors"), pattern(1), &[f(&[1], &[3.0]), f(&[2], &[5.0, 7.0])], &[15.0], &[5.0, 3.0, 0.0]),
        case(Op::SparseMatvec, Special, pattern(2), &[values.clone(), f(&[2], &[INF, INF])], &[NAN], &[INF, INF, SQRT_HALF, -SQRT_HALF]),
        // What the pattern leaves out is not looked at.
        case(Op::SparseMatvec, Special, pattern(1), &[f(&[1], &[3.0]), f(&[2], &[5.0, NAN])], &[15.0], &[5.0, 3.0, 0.0]),
    ]
}
