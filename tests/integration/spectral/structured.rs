//! tridiagonal_solve and sparse_matvec against dense loops.

use super::*;
use gradient_engine::SparsePattern;
use std::sync::Arc;

/// The matrix of three diagonals.
fn full(lower: &[f64], diagonal: &[f64], upper: &[f64]) -> Dense {
    let n = diagonal.len();
    Dense::from_fn(n, n, |i, j| match (i, j) {
        (i, j) if i == j => diagonal[i],
        (i, j) if i == j + 1 => lower[i],
        (i, j) if j == i + 1 => upper[i],
        _ => 0.0,
    })
}

fn vector(x: &[f64]) -> Tensor {
    tensor(&TensorType::f64([x.len() as u64]), x)
}

fn tridiagonal(n: usize, k: usize) -> Graph {
    let n = n as u64;
    let shapes = [vec![n], vec![n], vec![n], vec![n, k as u64]];
    graph_of(Op::TridiagonalSolve, &shapes, Attributes::None, 1)
}

#[test]
fn tridiagonal_systems() {
    let mut figures = Figures::default();
    let mut random = Random(293);
    for n in [1, 2, 5, 50] {
        // On the diagonal large numbers, or small ones so that rows change places (of an odd order those are nearly
        // singular).
        let diagonals = [(3.0, 4.0), (-0.2, 0.2)];
        for (case, &domain) in diagonals[..2 - n % 2].iter().enumerate() {
            let around = [(-1.0, 1.0), (1.0, 2.0)][case];
            let mut draw = |domain| -> Vec<f64> { (0..n).map(|_| random.within(domain)).collect() };
            let parts = [draw(around), draw(domain), draw(around)];
            let moves = [draw((-1.0, 1.0)), draw((-1.0, 1.0)), draw((-1.0, 1.0))];
            let a = full(&parts[0], &parts[1], &parts[2]);
            let da = full(&moves[0], &moves[1], &moves[2]);
            let x = Dense::random(n, 2, &mut random);
            let b = a.times(&x);
            let db = Dense::random(n, 2, &mut random);
            let g = tridiagonal(n, 2);
            let with = |d: &[Vec<f64>; 3], b: &Dense| {
                let mut all: Vec<Tensor> = d.iter().map(|d| vector(d)).collect();
                all.push(b.tensor());
                all
            };
            let (point, along) = (with(&parts, &b), with(&moves, &db));
            let name =
                |what: &str| format!("tridiagonal_solve {n}, diagonal in {domain:?}: {what}");
            let got = value(&g, &point);
            figures.check(&name("value"), error(&got, &x.data), 1e-12);
            let x = Dense::new(n, 2, &got);
            let got = jvp(&g, &point, &along);
            // A dx = db - dA x.
            let want = db.minus(&da.times(&x));
            let back = a.times(&Dense::new(n, 2, &got));
            let scale = 1.0 + largest(&got) / largest(&want.data);
            figures.check(
                &name("A dx = db - dA x"),
                error(&back.data, &want.data) / scale,
                1e-14,
            );
            if case == 0 {
                checked_jvp(&mut figures, &name("x"), &g, &point, &along, &mut random);
            }
        }
    }
}

/// [[1, 1], [1, 1 + 1e-10]] has the condition number 4e10; its inverse is written down.
#[test]
fn an_ill_conditioned_tridiagonal_system() {
    let mut figures = Figures::default();
    let small = (1.0 + 1e-10) - 1.0;
    let g = tridiagonal(2, 1);
    let column = |x: [f64; 2]| Dense::new(2, 1, &x).tensor();
    let inputs = |parts: [[f64; 2]; 4]| {
        let [l, d, u, b] = parts;
        vec![vector(&l), vector(&d), vector(&u), column(b)]
    };
    let inverse = Dense::new(2, 2, &[1.0 + small, -1.0, -1.0, 1.0]).scaled(1.0 / small);
    let point = inputs([[0.0, 1.0], [1.0, 1.0 + small], [1.0, 0.0], [1.0, 2.0]]);
    let x = inverse.times(&Dense::new(2, 1, &[1.0, 2.0]));
    figures.check(
        "tridiagonal_solve, 4e10: value",
        error(&value(&g, &point), &x.data),
        4e-4,
    );
    let along = inputs([[0.0, 0.5], [0.25, -1.0], [0.75, 0.0], [1.0, -1.0]]);
    let da = Dense::new(2, 2, &[0.25, 0.75, 0.5, -1.0]);
    let want = inverse.times(&Dense::new(2, 1, &[1.0, -1.0]).minus(&da.times(&x)));
    figures.check(
        "tridiagonal_solve, 4e10: along all",
        error(&jvp(&g, &point, &along), &want.data),
        4e-4,
    );
}

/// Neither their values nor their derivatives reach anything.
#[test]
fn elements_outside_of_the_tridiagonal_matrix_are_not_used() {
    let g = tridiagonal(3, 1);
    let parts = |outside: f64| {
        vec![
            vector(&[outside, 1.0, 0.5]),
            vector(&[3.0, 4.0, 5.0]),
            vector(&[0.25, 1.0, outside]),
            Dense::new(3, 1, &[1.0, 2.0, 3.0]).tensor(),
        ]
    };
    let c = [Dense::new(3, 1, &[1.0, -1.0, 0.5]).tensor()];
    for outside in [0.0, 7.0, f64::INFINITY, f64::NAN] {
        assert_eq!(value(&g, &parts(outside)), value(&g, &parts(0.0)));
        let back = vjp(&g, &parts(outside), &c);
        assert_eq!(back, vjp(&g, &parts(0.0), &c));
        assert_eq!((back[0], back[8]), (0.0, 0.0));
    }
}

#[test]
fn singular_tridiagonal_systems_are_not_silent() {
    let g = tridiagonal(2, 1);
    let column = |x: [f64; 2]| Dense::new(2, 1, &x).tensor();
    for [l, d, u] in [
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
        [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]],
    ] {
        let x = value(
            &g,
            &[vector(&l), vector(&d), vector(&u), column([1.0, 2.0])],
        );
        assert!(x.iter().any(|x| !x.is_finite()), "{x:?}");
    }
}

#[test]
fn sparse_products() {
    let mut figures = Figures::default();
    let mut random = Random(294);
    for (m, n) in [(1, 1), (2, 3), (5, 5), (50, 40)] {
        for transpose in [false, true] {
            let places: Vec<(usize, usize)> = (0..m * n)
                .filter(|_| random.unit() < 0.3)
                .map(|at| (at / n, at % n))
                .collect();
            let pattern = SparsePattern {
                row_count: m as u64,
                column_count: n as u64,
                rows: places.iter().map(|p| p.0 as u64).collect(),
                columns: places.iter().map(|p| p.1 as u64).collect(),
                transpose,
            };
            let count = places.len();
            let (from, to) = if transpose { (m, n) } else { (n, m) };
            let dense = |values: &[f64]| {
                let mut full = Dense::from_fn(m, n, |_, _| 0.0);
                for (&(i, j), value) in places.iter().zip(values) {
                    full.data[i * n + j] = *value;
                }
                if transpose { full.t() } else { full }
            };
            let mut draw =
                || -> Vec<f64> { (0..count).map(|_| random.within((-1.0, 1.0))).collect() };
            let (values, dvalues) = (draw(), draw());
            let (x, dx) = (
                Dense::random(from, 2, &mut random),
                Dense::random(from, 2, &mut random),
            );
            let c = Dense::random(to, 2, &mut random);
            let shapes = [vec![count as u64], vec![from as u64, 2]];
            let g = graph_of(
                Op::SparseMatvec,
                &shapes,
                Attributes::SparsePattern(Arc::new(pattern)),
                1,
            );
            let (point, along) = (
                [vector(&values), x.tensor()],
                [vector(&dvalues), dx.tensor()],
            );
            let name =
                |what: &str| format!("sparse_matvec {m} × {n}, transpose {transpose}: {what}");
            let want = dense(&values).times(&x);
            let size = largest(&want.data).max(1e-3);
            let gap = |got: &[f64], want: &Dense| {
                largest(&Dense::new(want.rows, want.columns, got).minus(want).data) / size
            };
            figures.check(&name("value"), gap(&value(&g, &point), &want), 1e-14);
            let want = dense(&dvalues).times(&x).plus(&dense(&values).times(&dx));
            figures.check(
                &name("along both"),
                gap(&jvp(&g, &point, &along), &want),
                1e-14,
            );
            let back = vjp(&g, &point, &[c.tensor()]);
            let of_x = dense(&values).t().times(&c);
            figures.check(&name("back to x"), gap(&back[count..], &of_x), 1e-14);
            let outer = c.times(&x.t());
            let of_values: Vec<f64> = places
                .iter()
                .map(|&(i, j)| {
                    if transpose {
                        outer.at(j, i)
                    } else {
                        outer.at(i, j)
                    }
                })
                .collect();
            let of_values = Dense::new(1, count, &of_values);
            figures.check(
                &name("back to values"),
                gap(&back[..count], &of_values),
                1e-14,
            );
        }
    }
}
