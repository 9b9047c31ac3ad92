//! Matrices of numbers and their textbook algorithms (Golub and Van Loan, Matrix Computations): pivots are chosen by
//! values, and the derivatives follow the arithmetic.

use super::Number;
use crate::op::Op;

/// A matrix of numbers, row-major.
#[derive(Clone)]
pub(super) struct Matrix<N> {
    pub rows: usize,
    pub columns: usize,
    pub data: Vec<N>,
}

impl<N: Number> Matrix<N> {
    pub fn new(rows: usize, columns: usize, data: &[N]) -> Self {
        Self {
            rows,
            columns,
            data: data.to_vec(),
        }
    }

    pub fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> N) -> Self {
        let data = (0..rows * columns).map(|i| f(i / columns, i % columns));
        Self {
            rows,
            columns,
            data: data.collect(),
        }
    }

    pub fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| N::constant(if i == j { 1.0 } else { 0.0 }))
    }

    pub fn at(&self, i: usize, j: usize) -> N {
        self.data[i * self.columns + j]
    }

    pub fn set(&mut self, i: usize, j: usize, x: N) {
        self.data[i * self.columns + j] = x;
    }

    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.at(j, i))
    }

    pub fn times(&self, other: &Self) -> Self {
        Self::from_fn(self.rows, other.columns, |i, j| {
            (0..self.columns).fold(N::constant(0.0), |sum, k| {
                sum + self.at(i, k) * other.at(k, j)
            })
        })
    }

    pub fn map2(&self, other: &Self, f: impl Fn(N, N) -> N) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| {
            f(self.at(i, j), other.at(i, j))
        })
    }

    pub fn scaled(&self, factor: f64) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| {
            self.at(i, j) * N::constant(factor)
        })
    }
}

pub(super) fn lower<N: Number>(a: &Matrix<N>) -> Matrix<N> {
    Matrix::from_fn(a.rows, a.columns, |i, j| {
        if i >= j { a.at(i, j) } else { N::constant(0.0) }
    })
}

/// T x = b for a triangular T: forward if it is lower, else backward.
pub(super) fn substitute<N: Number>(t: &Matrix<N>, b: &Matrix<N>, is_lower: bool) -> Matrix<N> {
    let mut x = b.clone();
    let n = t.rows;
    for step in 0..n {
        let i = if is_lower { step } else { n - 1 - step };
        let known = if is_lower { 0..i } else { i + 1..n };
        for j in 0..b.columns {
            let rest = known
                .clone()
                .fold(x.at(i, j), |rest, k| rest - t.at(i, k) * x.at(k, j));
            x.set(i, j, rest / t.at(i, i));
        }
    }
    x
}

/// Gaussian elimination with partial pivoting: the row order, L below and U on and above the diagonal, and the
/// permutation's sign.
pub(super) fn eliminate<N: Number>(a: &Matrix<N>) -> (Vec<usize>, Matrix<N>, f64) {
    let n = a.rows;
    let (mut u, mut order, mut sign) = (a.clone(), (0..n).collect::<Vec<_>>(), 1.0);
    for k in 0..n {
        let size = |i: usize| u.at(i, k).value().abs();
        let mut pivot = k;
        for i in k + 1..n {
            if size(i) > size(pivot) {
                pivot = i;
            }
        }
        if pivot != k {
            order.swap(pivot, k);
            sign = -sign;
            for j in 0..n {
                let (p, q) = (u.at(pivot, j), u.at(k, j));
                u.set(pivot, j, q);
                u.set(k, j, p);
            }
        }
        if u.at(k, k).value() == 0.0 {
            continue;
        }
        for i in k + 1..n {
            let factor = u.at(i, k) / u.at(k, k);
            u.set(i, k, factor);
            for j in k + 1..n {
                u.set(i, j, u.at(i, j) - factor * u.at(k, j));
            }
        }
    }
    (order, u, sign)
}

pub(super) fn solve<N: Number>(a: &Matrix<N>, b: &Matrix<N>) -> Matrix<N> {
    let (order, u, _) = eliminate(a);
    let permuted = Matrix::from_fn(b.rows, b.columns, |i, j| b.at(order[i], j));
    let unit = Matrix::from_fn(a.rows, a.rows, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Greater => u.at(i, j),
        std::cmp::Ordering::Equal => N::constant(1.0),
        std::cmp::Ordering::Less => N::constant(0.0),
    });
    substitute(&u, &substitute(&unit, &permuted, true), false)
}

/// By elimination; of a singular matrix without division (Samuelson and Berkowitz), so that derivatives hold there.
pub(super) fn determinant<N: Number>(a: &Matrix<N>) -> N {
    let (_, u, sign) = eliminate(a);
    let singular = (0..a.rows).any(|i| u.at(i, i).value() == 0.0);
    if !singular {
        return (0..a.rows).fold(N::constant(sign), |product, i| product * u.at(i, i));
    }
    // Coefficients of the characteristic polynomial, one leading principal submatrix after the other.
    let mut polynomial = vec![N::constant(1.0)];
    for r in 0..a.rows {
        let mut toeplitz = vec![N::constant(1.0), -a.at(r, r)];
        let mut column: Vec<N> = (0..r).map(|i| a.at(i, r)).collect();
        for _ in 0..r {
            let product = (0..r).fold(N::constant(0.0), |sum, i| sum + a.at(r, i) * column[i]);
            toeplitz.push(-product);
            column = (0..r)
                .map(|i| (0..r).fold(N::constant(0.0), |sum, k| sum + a.at(i, k) * column[k]))
                .collect();
        }
        polynomial = (0..r + 2)
            .map(|i| {
                let terms = (0..=i.min(r)).map(|k| toeplitz[i - k] * polynomial[k]);
                terms.fold(N::constant(0.0), |sum, term| sum + term)
            })
            .collect();
    }
    let last = polynomial.last().copied().unwrap_or(N::constant(1.0));
    if a.rows.is_multiple_of(2) {
        last
    } else {
        -last
    }
}

pub(super) fn cholesky<N: Number>(a: &Matrix<N>) -> Matrix<N> {
    let n = a.rows;
    let mut l = Matrix::from_fn(n, n, |_, _| N::constant(0.0));
    for j in 0..n {
        for i in j..n {
            let rest = (0..j).fold(a.at(i, j), |rest, k| rest - l.at(i, k) * l.at(j, k));
            let entry = match i == j {
                true if rest.value() <= 0.0 => N::constant(f64::NAN),
                true => rest.elementary(Op::Sqrt).unwrap_or(N::constant(f64::NAN)),
                false => rest / l.at(j, j),
            };
            l.set(i, j, entry);
        }
    }
    if (0..n).any(|i| l.at(i, i).value().is_nan()) {
        return lower(&Matrix::from_fn(n, n, |_, _| N::constant(f64::NAN)));
    }
    l
}

/// Thin Q R with a non-negative diagonal, by Gram and Schmidt, each column twice ("twice is enough": Giraud and
/// Langou, 2005).
pub(super) fn orthogonal<N: Number>(a: &Matrix<N>) -> Option<(Matrix<N>, Matrix<N>)> {
    let (m, n) = (a.rows, a.columns);
    let k = m.min(n);
    let zero = N::constant(0.0);
    let mut q = Matrix::from_fn(m, k, |_, _| zero);
    let mut r = Matrix::from_fn(k, n, |_, _| zero);
    for j in 0..n {
        let mut v: Vec<N> = (0..m).map(|i| a.at(i, j)).collect();
        for _ in 0..2 {
            for p in 0..j.min(k) {
                let part = (0..m).fold(zero, |sum, i| sum + q.at(i, p) * v[i]);
                r.set(p, j, r.at(p, j) + part);
                for (i, v) in v.iter_mut().enumerate() {
                    *v = *v - part * q.at(i, p);
                }
            }
        }
        if j < k {
            let square = v.iter().fold(zero, |sum, &x| sum + x * x);
            let length = square.elementary(Op::Sqrt)?;
            r.set(j, j, length);
            for (i, v) in v.iter().enumerate() {
                q.set(i, j, *v / length);
            }
        }
    }
    Some((q, r))
}

/// By scaling, a Taylor polynomial and squaring.
pub(super) fn exponential<N: Number>(a: &Matrix<N>) -> Matrix<N> {
    let n = a.rows;
    let norm = (0..n)
        .map(|i| (0..n).map(|j| a.at(i, j).value().abs()).sum::<f64>())
        .fold(0.0, f64::max);
    let halvings = if norm > 0.5 && norm.is_finite() {
        (norm / 0.5).log2().ceil() as i32
    } else {
        0
    };
    let small = a.scaled(0.5f64.powi(halvings));
    // 0.5^18 / 18! is below 1e-21.
    let mut sum = Matrix::identity(n);
    for k in (1..=18).rev() {
        let next = small.times(&sum).scaled(1.0 / f64::from(k));
        sum = Matrix::identity(n).map2(&next, |a, b| a + b);
    }
    for _ in 0..halvings {
        sum = sum.times(&sum);
    }
    sum
}

/// The corner of the exponential of [[A, E], [0, A]], nested for several directions (Higham, Functions of Matrices,
/// 2008, 3.6).
pub(super) fn exponential_along<N: Number>(a: &Matrix<N>, directions: &[Matrix<N>]) -> Matrix<N> {
    let Some((first, rest)) = directions.split_first() else {
        return exponential(a);
    };
    let n = a.rows;
    let zero = N::constant(0.0);
    let block = |diagonal: &Matrix<N>, corner: Option<&Matrix<N>>| {
        Matrix::from_fn(2 * n, 2 * n, |i, j| match (i < n, j < n) {
            (true, true) => diagonal.at(i, j),
            (false, false) => diagonal.at(i - n, j - n),
            (true, false) => corner.map_or(zero, |corner| corner.at(i, j - n)),
            (false, true) => zero,
        })
    };
    let rest: Vec<Matrix<N>> = rest.iter().map(|e| block(e, None)).collect();
    let whole = exponential_along(&block(a, Some(first)), &rest);
    Matrix::from_fn(n, n, |i, j| whole.at(i, n + j))
}
