//! Linear algebra, item by item of a batch.

use super::matrix::{
    Matrix, cholesky, determinant, eliminate, exponential, exponential_along, lower, orthogonal,
    solve, substitute,
};
use super::tensor::{Data, Value, elements};
use super::{Number, spectral};
use crate::op::{Attributes, Op, SparsePattern};
use crate::tensor::TensorType;

/// Results of the operation on every item of its batch; `None` where this evaluator lacks it.
pub(super) fn apply<N: Number>(
    op: Op,
    attributes: &Attributes,
    x: &[&Value<N>],
    types: &[TensorType],
) -> Option<Vec<Value<N>>> {
    let a = x[0];
    let square = |v: &Value<N>| -> Option<(usize, usize)> {
        match v.shape[..] {
            [.., rows, columns] => Some((rows, columns)),
            _ => None,
        }
    };
    match (op, attributes) {
        (Op::TridiagonalSolve, _) => return tridiagonal(x, types),
        (Op::SparseMatvec, Attributes::SparsePattern(pattern)) => {
            return sparse_product(pattern, x, types);
        }
        (Op::Cofactor, _) => return cofactors(x, types),
        // The factors are those of the matrix, which is at hand.
        (Op::SvdSolve, _) => return apply(Op::Lstsq, attributes, &[x[0], x[4]], types),
        _ => {}
    }
    let (m, n) = square(a)?;
    let batch = elements(&a.shape[..a.shape.len() - 2]);
    let mut results: Vec<Value<N>> = types.iter().map(Value::zeros).collect();
    let part = |v: &Value<N>, i: usize| {
        let size = v.floats().len() / batch.max(1);
        v.floats()[i * size..(i + 1) * size].to_vec()
    };
    for i in 0..batch {
        let a = Matrix::new(m, n, &part(a, i));
        let rows = if turned(attributes) { n } else { m };
        // Between A and b stand factors of A, which are not needed.
        let right = if op == Op::LuSolve { 4 } else { 1 };
        let others = x[right.min(x.len())..].iter().map(|b| {
            let data = part(b, i);
            let columns = data.len().checked_div(rows).unwrap_or(0);
            Matrix::new(rows, columns, &data)
        });
        let others: Vec<Matrix<N>> = others.collect();
        let out = match op {
            Op::ExpmDerivative => vec![Out::Floats(exponential_along(&a, &others).data)],
            _ => one(op, attributes, &a, others.first())?,
        };
        for (result, out) in results.iter_mut().zip(out) {
            write(result, i, batch, out);
        }
    }
    Some(results)
}

/// Whether the transposed matrix is meant.
fn turned(attributes: &Attributes) -> bool {
    matches!(attributes, Attributes::Solve { transpose_a: true })
}

enum Out<N> {
    Floats(Vec<N>),
    Integers(Vec<i64>),
}

fn write<N: Number>(result: &mut Value<N>, i: usize, batch: usize, out: Out<N>) {
    match (&mut result.data, out) {
        (Data::Float(to), Out::Floats(from)) => {
            let size = to.len() / batch;
            to[i * size..(i + 1) * size].copy_from_slice(&from);
        }
        (Data::Integer(to), Out::Integers(from)) => {
            let size = to.len() / batch;
            to[i * size..(i + 1) * size].copy_from_slice(&from);
        }
        _ => {}
    }
}

fn one<N: Number>(
    op: Op,
    attributes: &Attributes,
    a: &Matrix<N>,
    b: Option<&Matrix<N>>,
) -> Option<Vec<Out<N>>> {
    let floats = |m: Matrix<N>| vec![Out::Floats(m.data)];
    Some(match (op, attributes) {
        (
            Op::TriangularSolve,
            Attributes::TriangularSolve {
                lower,
                transpose_a,
                unit_diagonal,
            },
        ) => {
            let part = Matrix::from_fn(a.rows, a.columns, |i, j| match i == j {
                true if *unit_diagonal => N::constant(1.0),
                true => a.at(i, j),
                false if (i > j) == *lower => a.at(i, j),
                false => N::constant(0.0),
            });
            match transpose_a {
                true => floats(substitute(&part.transposed(), b?, !*lower)),
                false => floats(substitute(&part, b?, *lower)),
            }
        }
        (Op::Solve | Op::LuSolve, Attributes::Solve { transpose_a }) => {
            let a = if *transpose_a {
                a.transposed()
            } else {
                a.clone()
            };
            floats(solve(&a, b?))
        }
        (Op::Inverse, _) => floats(solve(a, &Matrix::identity(a.rows))),
        (Op::Cholesky, _) => floats(cholesky(a)),
        (Op::CholeskySolve, _) => {
            let y = substitute(&lower(a), b?, true);
            floats(substitute(&lower(a).transposed(), &y, false))
        }
        (Op::Determinant, _) => vec![Out::Floats(vec![determinant(a)])],
        (Op::Slogdet, _) => {
            let (_, u, sign) = eliminate(a);
            let mut sign = sign;
            let mut log = N::constant(0.0);
            for i in 0..a.rows {
                let pivot = u.at(i, i);
                if pivot.value() == 0.0 {
                    let nothing = N::constant(0.0);
                    let none = N::constant(f64::NEG_INFINITY);
                    return Some(vec![Out::Floats(vec![nothing]), Out::Floats(vec![none])]);
                }
                let size = if pivot.value() < 0.0 { -pivot } else { pivot };
                sign *= pivot.value().signum();
                log = log + size.elementary(Op::Log)?;
            }
            vec![Out::Floats(vec![N::constant(sign)]), Out::Floats(vec![log])]
        }
        (Op::Lu, _) => {
            let (p, u, _) = eliminate(a);
            let n = a.rows;
            let below = Matrix::from_fn(n, n, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Greater => u.at(i, j),
                std::cmp::Ordering::Equal => N::constant(1.0),
                std::cmp::Ordering::Less => N::constant(0.0),
            });
            let above = Matrix::from_fn(
                n,
                n,
                |i, j| {
                    if i <= j { u.at(i, j) } else { N::constant(0.0) }
                },
            );
            let p = p.iter().map(|&i| i as i64).collect();
            vec![
                Out::Integers(p),
                Out::Floats(below.data),
                Out::Floats(above.data),
            ]
        }
        (Op::Qr, _) => {
            let (q, r) = orthogonal(a)?;
            vec![Out::Floats(q.data), Out::Floats(r.data)]
        }
        (Op::Lstsq, _) if turned(attributes) => {
            return one(op, &Attributes::None, &a.transposed(), b);
        }
        (Op::Lstsq, _) if a.rows >= a.columns => {
            let (q, r) = orthogonal(a)?;
            floats(substitute(&r, &q.transposed().times(b?), false))
        }
        (Op::Lstsq, _) => {
            // The least x of Aᵀ = Q R: x = Q R⁻ᵀ b.
            let (q, r) = orthogonal(&a.transposed())?;
            floats(q.times(&substitute(&r.transposed(), b?, true)))
        }
        (Op::Expm, _) => floats(exponential(a)),
        (Op::Eigh, _) => {
            let (values, vectors) = spectral::eigen(a);
            vec![Out::Floats(values), Out::Floats(vectors.data)]
        }
        (Op::Svd, _) => {
            let (u, s, vt) = spectral::singular(a)?;
            [u.data, s, vt.data].map(Out::Floats).into()
        }
        _ => return None,
    })
}

/// As the full matrix that it is.
fn sparse_product<N: Number>(
    pattern: &SparsePattern,
    x: &[&Value<N>],
    types: &[TensorType],
) -> Option<Vec<Value<N>>> {
    let (values, x) = (x.first()?, x.get(1)?);
    let sizes = [pattern.row_count as usize, pattern.column_count as usize];
    let entries = pattern.rows.len();
    let batch = elements(&values.shape[..values.shape.len() - 1]);
    let mut result = Value::zeros(&types[0]);
    for i in 0..batch {
        let zero = N::constant(0.0);
        let mut full = Matrix::from_fn(sizes[0], sizes[1], |_, _| zero);
        let values = &values.floats()[i * entries..(i + 1) * entries];
        for ((&row, &column), value) in pattern.rows.iter().zip(&pattern.columns).zip(values) {
            full.set(row as usize, column as usize, *value);
        }
        if pattern.transpose {
            full = full.transposed();
        }
        let size = x.floats().len() / batch;
        let columns = size.checked_div(full.columns).unwrap_or(0);
        let x = Matrix::new(full.columns, columns, &x.floats()[i * size..(i + 1) * size]);
        write(&mut result, i, batch, Out::Floats(full.times(&x).data));
    }
    Some(vec![result])
}

/// As the full matrix that it is.
fn tridiagonal<N: Number>(x: &[&Value<N>], types: &[TensorType]) -> Option<Vec<Value<N>>> {
    let [low, diagonal, high, b] = x else {
        return None;
    };
    let n = *diagonal.shape.last()?;
    let batch = elements(&diagonal.shape[..diagonal.shape.len() - 1]);
    let mut result = Value::zeros(&types[0]);
    for i in 0..batch {
        let part = |v: &Value<N>| v.floats()[i * n..(i + 1) * n].to_vec();
        let (low, diagonal, high) = (part(low), part(diagonal), part(high));
        let full = Matrix::from_fn(n, n, |r, c| match (r, c) {
            (r, c) if r == c => diagonal[r],
            (r, c) if r == c + 1 => low[r],
            (r, c) if c == r + 1 => high[r],
            _ => N::constant(0.0),
        });
        let size = b.floats().len() / batch;
        let columns = size.checked_div(n).unwrap_or(0);
        let b = Matrix::new(n, columns, &b.floats()[i * size..(i + 1) * size]);
        write(&mut result, i, batch, Out::Floats(solve(&full, &b).data));
    }
    Some(vec![result])
}

/// Minors by their definition. A determinant is linear in every row, so its derivative along directions is the sum
/// over all ways to put a row of each in place of its own.
fn cofactors<N: Number>(x: &[&Value<N>], types: &[TensorType]) -> Option<Vec<Value<N>>> {
    let n = *x[0].shape.last()?;
    let batch = elements(&x[0].shape[..x[0].shape.len() - 2]);
    let mut result = Value::zeros(&types[0]);
    for at in 0..batch {
        let part = |v: &&Value<N>| Matrix::new(n, n, &v.floats()[at * n * n..(at + 1) * n * n]);
        let all: Vec<Matrix<N>> = x.iter().map(part).collect();
        let out = Matrix::from_fn(n, n, |i, j| {
            let minors: Vec<Matrix<N>> = all.iter().map(|m| without(m, i, j)).collect();
            let sum = replaced(&minors[0], &minors[1..], &mut vec![]);
            if (i + j) % 2 == 0 { sum } else { -sum }
        });
        write(&mut result, at, batch, Out::Floats(out.data));
    }
    Some(vec![result])
}

fn without<N: Number>(m: &Matrix<N>, row: usize, column: usize) -> Matrix<N> {
    let past = |i: usize, left_out: usize| if i < left_out { i } else { i + 1 };
    Matrix::from_fn(m.rows - 1, m.columns - 1, |i, j| {
        m.at(past(i, row), past(j, column))
    })
}

/// The sum of determinants with a row of each direction in place of one of `m` that is not taken yet.
fn replaced<N: Number>(m: &Matrix<N>, directions: &[Matrix<N>], taken: &mut Vec<usize>) -> N {
    let [first, rest @ ..] = directions else {
        return determinant(m);
    };
    let mut sum = N::constant(0.0);
    for row in (0..m.rows)
        .filter(|row| !taken.contains(row))
        .collect::<Vec<_>>()
    {
        let mut next = m.clone();
        for j in 0..m.columns {
            next.set(row, j, first.at(row, j));
        }
        taken.push(row);
        sum = sum + replaced(&next, rest, taken);
        taken.pop();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::dual::elementwise;
    use num_dual::Dual64;

    const N: usize = 4;

    fn number(i: usize, j: usize, seed: f64) -> f64 {
        elementwise::apply(Op::Sin, &[Dual64::new(seed + (5 * i + 3 * j) as f64, 0.0)])
            .map_or(0.0, |x| x.re)
    }

    /// A + t·B at t = 0, well conditioned.
    fn moving() -> Matrix<Dual64> {
        Matrix::from_fn(N, N, |i, j| {
            let diagonal = if i == j { 3.0 } else { 0.0 };
            Dual64::new(diagonal + number(i, j, 0.3), number(i, j, 1.7))
        })
    }

    fn close(a: &Matrix<Dual64>, b: &Matrix<Dual64>, what: &str) {
        for (x, y) in a.data.iter().zip(&b.data) {
            for (x, y) in [(x.re, y.re), (x.eps, y.eps)] {
                assert!(
                    x.is_finite() && (x - y).abs() <= 1e-13 * y.abs().max(1.0),
                    "{what}: {x} against {y}"
                );
            }
        }
    }

    fn floats(op: Op, attributes: &Attributes, a: &Matrix<Dual64>) -> Vec<Vec<Dual64>> {
        let out = one(op, attributes, a, None).expect("there");
        let data = out.into_iter().map(|o| match o {
            Out::Floats(v) => v,
            Out::Integers(v) => v.iter().map(|&k| Dual64::new(k as f64, 0.0)).collect(),
        });
        data.collect()
    }

    /// What factors multiply back to, value and derivative.
    #[test]
    fn factors_and_inverses_multiply_back() {
        let (a, identity, none) = (moving(), Matrix::identity(N), Attributes::None);
        let square = |data: &[Dual64]| Matrix::new(N, N, data);
        let inverse = square(&floats(Op::Inverse, &none, &a)[0]);
        close(&a.times(&inverse), &identity, "inverse");

        let qr = floats(Op::Qr, &none, &a);
        let (q, r) = (square(&qr[0]), square(&qr[1]));
        close(&q.times(&r), &a, "qr");
        close(&q.transposed().times(&q), &identity, "orthogonal");

        let lu = floats(Op::Lu, &none, &a);
        let permuted = Matrix::from_fn(N, N, |i, j| a.at(lu[0][i].re as usize, j));
        close(&square(&lu[1]).times(&square(&lu[2])), &permuted, "lu");

        let symmetric = a.times(&a.transposed());
        let l = square(&floats(Op::Cholesky, &none, &symmetric)[0]);
        close(&l.times(&l.transposed()), &symmetric, "cholesky");

        let negative = a.scaled(-1.0);
        let [e, back] = [&a, &negative].map(|a| square(&floats(Op::Expm, &none, a)[0]));
        let scale = 1.0 / e.data.iter().fold(1.0f64, |s, x| s.max(x.re.abs()));
        close(
            &e.times(&back).scaled(scale),
            &identity.scaled(scale),
            "expm",
        );
    }

    /// Jacobi: d det A = det A · tr(A⁻¹ dA); at a singular matrix by its adjugate.
    #[test]
    fn determinants_follow_jacobi() {
        let (a, none) = (moving(), Attributes::None);
        let inverse = solve(&a, &Matrix::identity(N));
        let moved = Matrix::from_fn(N, N, |i, j| Dual64::new(a.at(i, j).eps, 0.0));
        let product = inverse.times(&moved);
        let trace: f64 = (0..N).map(|i| product.at(i, i).re).sum();
        let det = floats(Op::Determinant, &none, &a)[0][0];
        assert!((det.eps - det.re * trace).abs() <= 1e-12 * det.eps.abs());
        let slogdet = floats(Op::Slogdet, &none, &a);
        assert_eq!(slogdet[0][0].re, det.re.signum());
        assert!((slogdet[1][0].re - det.re.abs().ln()).abs() < 1e-13);
        assert!((slogdet[1][0].eps - trace).abs() < 1e-12);
        // [[1, 2], [2, 4 + t]] has the determinant t; its minor 1 is the slope.
        let numbers = [(1.0, 0.0), (2.0, 0.0), (2.0, 0.0), (4.0, 1.0)];
        let singular = Matrix::new(2, 2, &numbers.map(|(x, d)| Dual64::new(x, d)));
        let det = determinant(&singular);
        assert_eq!((det.re, det.eps), (0.0, 1.0));
    }
}
