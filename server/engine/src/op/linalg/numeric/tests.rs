use super::*;

/// Deterministic numbers in [-1, 1).
fn random(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

fn times(m: usize, k: usize, n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
        }
    }
    out
}

fn transposed(m: usize, n: usize, a: &[f64]) -> Vec<f64> {
    (0..m * n).map(|at| a[at % m * n + at / m]).collect()
}

/// Columns times numbers.
fn scaled(n: usize, a: &[f64], by: &[f64]) -> Vec<f64> {
    (0..a.len()).map(|at| a[at] * by[at % n]).collect()
}

fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let size = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            got.is_finite() && (got - want).abs() <= tolerance * size,
            "{what}[{i}]: {got} against {want}"
        );
    }
}

const SIZES: [usize; 6] = [0, 1, 2, 5, 17, 50];

#[test]
fn factors_multiply_back() {
    for n in SIZES {
        let a = random(n * n, 7);
        let (mut p, mut l, mut u) = (vec![0; n], vec![0.0; n * n], vec![0.0; n * n]);
        lu(n, &a, &mut p, &mut l, &mut u);
        let permuted: Vec<f64> = p
            .iter()
            .flat_map(|&i| a[i as usize * n..][..n].to_vec())
            .collect();
        assert_close(&times(n, n, n, &l, &u), &permuted, 1e-14, "lu");
        for i in 0..n {
            assert_eq!(l[i * n + i], 1.0);
            assert!(u[i * n..][..i].iter().all(|&x| x == 0.0));
            assert!(l[i * n + i + 1..(i + 1) * n].iter().all(|&x| x == 0.0));
        }
        let mut definite = times(n, n, n, &a, &transposed(n, n, &a));
        (0..n).for_each(|i| definite[i * n + i] += 1.0);
        let mut l = vec![0.0; n * n];
        let mut lower = definite.clone();
        (0..n).for_each(|i| lower[i * n + i + 1..(i + 1) * n].fill(f64::NAN));
        cholesky(n, &lower, &mut l);
        assert_close(
            &times(n, n, n, &l, &transposed(n, n, &l)),
            &definite,
            1e-14,
            "cholesky",
        );
        let (mut w, mut v) = (vec![0.0; n], vec![0.0; n * n]);
        eigh(n, &lower, &mut w, &mut v);
        assert!(w.windows(2).all(|w| w[0] <= w[1]));
        let back = times(n, n, n, &scaled(n, &v, &w), &transposed(n, n, &v));
        assert_close(&back, &definite, 1e-13, "eigh");
    }
}

#[test]
fn rectangular_factors_multiply_back() {
    for (m, n) in [
        (0, 0),
        (3, 0),
        (0, 2),
        (1, 1),
        (5, 3),
        (3, 5),
        (40, 17),
        (17, 40),
    ] {
        let k = m.min(n);
        let a = random(m * n, 3);
        let (mut q, mut r) = (vec![0.0; m * k], vec![0.0; k * n]);
        qr(m, n, &a, &mut q, &mut r);
        assert_close(&times(m, k, n, &q, &r), &a, 1e-14, "qr");
        assert!((0..k).all(|i| r[i * n + i] >= 0.0 && r[i * n..][..i].iter().all(|&x| x == 0.0)));
        let (mut u, mut s, mut vt) = (vec![0.0; m * k], vec![0.0; k], vec![0.0; k * n]);
        svd(m, n, &a, &mut u, &mut s, &mut vt);
        assert!(s.windows(2).all(|s| s[0] >= s[1]));
        let back = times(m, k, n, &scaled(k, &u, &s), &vt);
        assert_close(&back, &a, 1e-14, "svd");
        for j in 0..k {
            let largest = (0..m).fold(0.0f64, |b, i| {
                let x = u[i * k + j];
                if x.abs() > b.abs() { x } else { b }
            });
            assert!(
                largest > 0.0,
                "the largest component of a left vector is positive"
            );
        }
        let b = random(m * 2, 5);
        let mut x = vec![0.0; n * 2];
        svd_solve((m, n, 2), (&u, &s, &vt), (false, f64::EPSILON), &b, &mut x);
        // The normal equations of least squares hold: Aᵀ (A x - b) = 0.
        let residual: Vec<f64> = times(m, n, 2, &a, &x)
            .iter()
            .zip(&b)
            .map(|(x, b)| x - b)
            .collect();
        assert_close(
            &times(n, m, 2, &transposed(m, n, &a), &residual),
            &vec![0.0; n * 2],
            1e-13,
            "lstsq",
        );
    }
}

#[test]
fn systems_are_solved() {
    for n in SIZES {
        let a = random(n * n, 11);
        let b = random(n * 3, 13);
        let (mut p, mut l, mut u) = (vec![0; n], vec![0.0; n * n], vec![0.0; n * n]);
        lu(n, &a, &mut p, &mut l, &mut u);
        for transpose in [false, true] {
            let read = if transpose {
                transposed(n, n, &a)
            } else {
                a.clone()
            };
            let mut x = vec![0.0; n * 3];
            let factors = Factors {
                permutation: &p,
                l: &l,
                u: &u,
            };
            lu_solve(n, 3, &factors, transpose, &b, &mut x);
            assert_close(&times(n, n, 3, &read, &x), &b, 1e-11, "solve");
        }
        for (lower, transpose, unit) in (0..8).map(|i| (i & 1 > 0, i & 2 > 0, i & 4 > 0)) {
            let mut triangle = a.clone();
            for (at, x) in triangle.iter_mut().enumerate() {
                let (i, j) = (at / n, at % n);
                *x = match i.cmp(&j) {
                    std::cmp::Ordering::Equal if unit => 1.0,
                    std::cmp::Ordering::Equal => *x + 4.0,
                    std::cmp::Ordering::Greater if lower => *x * 0.1,
                    std::cmp::Ordering::Less if !lower => *x * 0.1,
                    _ => 0.0,
                };
            }
            let mut given = triangle.clone();
            for (at, x) in given.iter_mut().enumerate() {
                if *x == 0.0 || unit && at / n == at % n {
                    *x = f64::NAN;
                }
            }
            let mut x = b.clone();
            triangular_solve(
                n,
                3,
                &given,
                Triangle {
                    lower,
                    transpose,
                    unit,
                },
                &mut x,
            );
            let read = if transpose {
                transposed(n, n, &triangle)
            } else {
                triangle
            };
            assert_close(&times(n, n, 3, &read, &x), &b, 1e-13, "triangular");
        }
    }
}

#[test]
fn tridiagonal_systems_are_solved_with_pivoting() {
    for n in SIZES {
        for small in [1.0, 1e-9] {
            let (dl, du) = (random(n, 1), random(n, 2));
            let d: Vec<f64> = random(n, 3).iter().map(|x| x * small).collect();
            let mut a = vec![0.0; n * n];
            for i in 0..n {
                a[i * n + i] = d[i];
                if i > 0 {
                    a[i * n + i - 1] = dl[i];
                    a[(i - 1) * n + i] = du[i - 1];
                }
            }
            let x = random(n * 2, 4);
            let mut solved = times(n, n, 2, &a, &x);
            tridiagonal_solve(2, &dl, &d, &du, &mut solved);
            // An odd order with a tiny diagonal is nearly singular.
            if small == 1.0 || n % 2 == 0 {
                assert_close(&solved, &x, 1e-9, &format!("gtsv {n} {small}"));
            }
        }
    }
}

#[test]
fn nothing_panics_and_nothing_singular_looks_solved() {
    for bad in [0.0, f64::NAN, f64::INFINITY, 1e308] {
        for n in [1usize, 2, 5, 33] {
            let a = vec![bad; n * n];
            let (mut p, mut l, mut u) = (vec![0; n], vec![0.0; n * n], vec![0.0; n * n]);
            lu(n, &a, &mut p, &mut l, &mut u);
            let mut x = vec![0.0; n];
            let factors = Factors {
                permutation: &p,
                l: &l,
                u: &u,
            };
            lu_solve(n, 1, &factors, false, &vec![1.0; n], &mut x);
            // Rounding may leave equal rows of large numbers regular.
            if bad != 1e308 && (n > 1 || bad != f64::INFINITY) {
                assert!(x.iter().any(|x| !x.is_finite()), "{bad} {n}: {x:?}");
            }
            let _ = (determinant(n, &a), slogdet(n, &a));
            cholesky(n, &a, &mut l);
            if bad != 1e308 {
                assert!(l[0].is_nan(), "{bad} {n}");
            }
            let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
            qr(n, n, &a, &mut q, &mut r);
            eigh(n, &a, &mut x, &mut q);
            svd(n, n, &a, &mut q, &mut x, &mut r);
            cofactor_derivative(n, &a, &[&a], &mut u);
            expm_derivative(n, &a, &[&a], &mut u);
            triangular_solve(
                n,
                1,
                &a,
                Triangle {
                    lower: true,
                    transpose: false,
                    unit: false,
                },
                &mut x,
            );
            tridiagonal_solve(1, &a[..n], &a[..n], &a[..n], &mut x);
        }
    }
    assert_eq!(determinant(2, &[0.0; 4]), 0.0);
    assert_eq!(slogdet(2, &[0.0; 4]), (0.0, f64::NEG_INFINITY));
    assert_eq!((determinant(0, &[]), slogdet(0, &[])), (1.0, (1.0, 0.0)));
    let mut l = [0.0; 4];
    cholesky(2, &[1.0, 0.0, 2.0, 1.0], &mut l);
    assert!(l[0].is_nan() && l[1] == 0.0 && l[2].is_nan() && l[3].is_nan());
}

#[test]
fn determinants_have_signs_and_do_not_overflow() {
    // A cycle of three is even, a swap is odd.
    let cycle = [0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 5.0, 0.0, 0.0];
    assert_eq!(determinant(3, &cycle), 30.0);
    assert_eq!(determinant(2, &[0.0, 1.0, 1.0, 0.0]), -1.0);
    assert_eq!(slogdet(2, &[0.0, 1.0, 1.0, 0.0]), (-1.0, 0.0));
    let n = 40;
    let diagonal: Vec<f64> = (0..n * n)
        .map(|at| {
            if at / n != at % n {
                0.0
            } else if at / n < n / 2 {
                1e30
            } else {
                1e-30
            }
        })
        .collect();
    assert_close(&[determinant(n, &diagonal)], &[1.0], 1e-13, "det");
}

/// Differences of polynomials of low degree are exact but for rounding.
#[test]
fn cofactors_are_derivatives_of_the_determinant_even_where_it_vanishes() {
    let n = 4;
    let mut a = random(n * n, 21);
    for rank_lost in 0..3 {
        if rank_lost > 0 {
            let (row, scale) = (rank_lost, 0.5);
            for j in 0..n {
                a[row * n + j] = scale * a[j];
            }
        }
        let es: Vec<Vec<f64>> = (0..3).map(|i| random(n * n, 31 + i)).collect();
        for order in 0..4 {
            let directions: Vec<&[f64]> = es[..order].iter().map(Vec::as_slice).collect();
            let mut got = vec![0.0; n * n];
            cofactor_derivative(n, &a, &directions, &mut got);
            // Mixed differences Σ ± cof(A + Σ ± E / 2) are exact for multilinear parts; cofactors are cubic,
            // of which mixed central differences of order 2 and 3 are exact, and of order 1 with a small step.
            let h: f64 = if order == 1 { 1e-4 } else { 1.0 };
            let mut want = vec![0.0; n * n];
            for signs in 0..1 << order {
                let mut at = a.clone();
                let mut sign = 1.0;
                for (i, e) in directions.iter().enumerate() {
                    let step = if signs >> i & 1 == 1 { h } else { -h };
                    sign *= step.signum() / (2.0 * h);
                    at.iter_mut().zip(*e).for_each(|(a, e)| *a += step * e);
                }
                for (w, c) in want.iter_mut().zip(minors(n, &at)) {
                    *w += sign * c;
                }
            }
            let tolerance = if order == 1 { 1e-7 } else { 1e-12 };
            assert_close(
                &got,
                &want,
                tolerance,
                &format!("order {order}, rank {}", n - rank_lost),
            );
        }
    }
}

/// Cofactors as determinants of minors.
fn minors(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n * n)
        .map(|at| {
            let (row, column) = (at / n, at % n);
            let minor: Vec<f64> = (0..n * n)
                .filter(|k| k / n != row && k % n != column)
                .map(|k| a[k])
                .collect();
            let sign = if (row + column) % 2 == 0 { 1.0 } else { -1.0 };
            sign * determinant(n - 1, &minor)
        })
        .collect()
}

#[test]
fn exponentials_and_their_derivatives() {
    // Of a diagonal matrix: divided differences of e^x (along e_0 e_1ᵀ), at every degree of the approximant.
    for scale in [0.0, 1e-3, 0.1, 0.5, 1.5, 4.0, 30.0] {
        let (x, y) = (scale, -0.5 * scale);
        let a = [x, 0.0, 0.0, y];
        let mut value = [0.0; 4];
        expm_derivative(2, &a, &[], &mut value);
        assert_close(
            &value,
            &[x.exp(), 0.0, 0.0, y.exp()],
            // The condition number of the exponential of a normal matrix is its norm; the denominator of the
            // approximant, e^(-x/2) as a difference of larger terms, takes a few units more (5 measured).
            8.0 * f64::EPSILON * (1.0 + scale),
            "diagonal",
        );
        let mut got = [0.0; 4];
        let e = [1e150, 2e150, 0.0, 0.0];
        expm_derivative(2, &a, &[&e], &mut got);
        let divided = match x - y {
            0.0 => 1.0,
            d => y.exp() * d.exp_m1() / d,
        };
        let want = [x.exp() * 1e150, 2e150 * divided, 0.0, 0.0].map(|x| x * 1e-150);
        assert_close(&got.map(|x| x * 1e-150), &want, 1e-13, "divided difference");
        // Along the identity twice: e^A itself.
        let one = [1.0, 0.0, 0.0, 1.0];
        expm_derivative(2, &a, &[&one, &one], &mut got);
        assert_close(&got, &value, 1e-13, "second order");
    }
    // A rotation: e^[[0, -t], [t, 0]].
    let mut got = [0.0; 4];
    expm_derivative(2, &[0.0, -2.0, 2.0, 0.0], &[], &mut got);
    let (sin, cos) = 2f64.sin_cos();
    assert_close(&got, &[cos, -sin, sin, cos], 1e-15, "rotation");
    // Along A: A e^A, at a size with every block.
    let n = 9;
    let a = random(n * n, 2);
    let (mut value, mut along) = (vec![0.0; n * n], vec![0.0; n * n]);
    expm_derivative(n, &a, &[], &mut value);
    expm_derivative(n, &a, &[&a], &mut along);
    assert_close(&along, &times(n, n, n, &a, &value), 1e-13, "along A");
    expm_derivative(0, &[], &[&[]], &mut []);
}

#[test]
fn sparse_products() {
    use crate::op::SparsePattern;
    let pattern = |transpose| SparsePattern {
        row_count: 2,
        column_count: 3,
        rows: vec![0, 0, 1],
        columns: vec![0, 2, 1],
        transpose,
    };
    let mut out = [0.0; 2];
    sparse_matvec(
        1,
        &pattern(false),
        &[1.0, 2.0, 3.0],
        &[1.0, 10.0, 100.0],
        &mut out,
    );
    assert_eq!(out, [201.0, 30.0]);
    let mut out = [0.0; 3];
    sparse_matvec(1, &pattern(true), &[1.0, 2.0, 3.0], &[1.0, 10.0], &mut out);
    assert_eq!(out, [1.0, 30.0, 2.0]);
}
