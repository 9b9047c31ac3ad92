//! Dense linear algebra by the textbook in double-double arithmetic (Dekker, Numer. Math. 18, 1971; about 31
//! digits): an oracle that shares nothing with the engine.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The unevaluated sum of two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Double(f64, f64);

fn quick(a: f64, b: f64) -> Double {
    let sum = a + b;
    Double(sum, b - (sum - a))
}

impl Double {
    /// A number, exactly.
    pub const fn new(x: f64) -> Self {
        Self(x, 0.0)
    }

    /// Rounded.
    pub fn to_f64(self) -> f64 {
        self.0 + self.1
    }

    /// √self by one step of Newton's.
    pub fn sqrt(self) -> Self {
        if self.0 == 0.0 {
            return self;
        }
        let root = Self::new(self.0.sqrt());
        root + (self - root * root) / (root + root)
    }

    fn size(self) -> f64 {
        self.0.abs()
    }
}

impl From<f64> for Double {
    fn from(x: f64) -> Self {
        Self::new(x)
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        let virtual_b = sum - self.0;
        let error = (self.0 - (sum - virtual_b)) + (other.0 - virtual_b);
        quick(sum, error + self.1 + other.1)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let error = self.0.mul_add(other.0, -product);
        quick(product, error + (self.0 * other.1 + self.1 * other.0))
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = Self::new(self.0 / other.0);
        let rest = self - first * other;
        let second = Self::new(rest.0 / other.0);
        let rest = rest - second * other;
        first + second + Self::new(rest.0 / other.0)
    }
}

/// A matrix, row-major.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    data: Vec<Double>,
}

impl Matrix {
    /// From elements.
    pub fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> Double) -> Self {
        let data = (0..rows * columns).map(|i| f(i / columns, i % columns));
        let data = data.collect();
        Self {
            rows,
            columns,
            data,
        }
    }

    /// From numbers, row-major.
    pub fn new(rows: usize, columns: usize, numbers: &[f64]) -> Self {
        assert_eq!(numbers.len(), rows * columns, "as many numbers as elements");
        Self::from_fn(rows, columns, |i, j| numbers[i * columns + j].into())
    }

    /// The identity.
    pub fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| Double::new(if i == j { 1.0 } else { 0.0 }))
    }

    /// An element.
    pub fn at(&self, i: usize, j: usize) -> Double {
        self.data[i * self.columns + j]
    }

    fn set(&mut self, i: usize, j: usize, x: Double) {
        self.data[i * self.columns + j] = x;
    }

    /// Rounded, row-major.
    pub fn to_f64(&self) -> Vec<f64> {
        self.data.iter().map(|x| x.to_f64()).collect()
    }

    /// Aᵀ.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.at(j, i))
    }

    /// A B.
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows, "columns meet rows");
        Self::from_fn(self.rows, other.columns, |i, j| {
            (0..self.columns).fold(Double::default(), |sum, k| {
                sum + self.at(i, k) * other.at(k, j)
            })
        })
    }

    /// A + factor · B.
    pub fn plus(&self, factor: f64, other: &Self) -> Self {
        let factor = Double::new(factor);
        Self::from_fn(self.rows, self.columns, |i, j| {
            self.at(i, j) + factor * other.at(i, j)
        })
    }

    /// Elements for which a condition on row and column holds, 0 elsewhere.
    pub fn part(&self, keep: impl Fn(usize, usize) -> bool) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| match keep(i, j) {
            true => self.at(i, j),
            false => Double::default(),
        })
    }

    /// Rows in another order.
    pub fn reordered(&self, order: &[usize]) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| self.at(order[i], j))
    }

    /// Σ A ∘ B.
    pub fn inner(&self, other: &Self) -> Double {
        let pairs = self.data.iter().zip(&other.data);
        pairs.fold(Double::default(), |sum, (&a, &b)| sum + a * b)
    }

    /// Gaussian elimination with partial pivoting: the order of rows, its sign, L and U.
    pub fn lu(&self) -> (Vec<usize>, f64, Self, Self) {
        let n = self.rows;
        let (mut u, mut l) = (self.clone(), Self::from_fn(n, n, |_, _| Double::default()));
        let (mut order, mut sign): (Vec<usize>, f64) = ((0..n).collect(), 1.0);
        for k in 0..n {
            let mut pivot = k;
            for i in k + 1..n {
                if u.at(i, k).size() > u.at(pivot, k).size() {
                    pivot = i;
                }
            }
            if pivot != k {
                sign = -sign;
                order.swap(pivot, k);
                for matrix in [&mut u, &mut l] {
                    for j in 0..n {
                        let (p, q) = (matrix.at(pivot, j), matrix.at(k, j));
                        matrix.set(pivot, j, q);
                        matrix.set(k, j, p);
                    }
                }
            }
            l.set(k, k, Double::new(1.0));
            for i in k + 1..n {
                let factor = u.at(i, k) / u.at(k, k);
                l.set(i, k, factor);
                for j in k..n {
                    u.set(i, j, u.at(i, j) - factor * u.at(k, j));
                }
            }
        }
        let u = u.part(|i, j| i <= j);
        (order, sign, l, u)
    }

    /// The determinant.
    pub fn determinant(&self) -> Double {
        let (_, sign, _, u) = self.lu();
        (0..self.rows).fold(Double::new(sign), |product, i| product * u.at(i, i))
    }

    /// A⁻¹ by Gauss and Jordan.
    pub fn inverse(&self) -> Self {
        let n = self.rows;
        let (mut a, mut x) = (self.clone(), Self::identity(n));
        for k in 0..n {
            let mut pivot = k;
            for i in k + 1..n {
                if a.at(i, k).size() > a.at(pivot, k).size() {
                    pivot = i;
                }
            }
            let scale = a.at(pivot, k);
            for matrix in [&mut a, &mut x] {
                for j in 0..n {
                    let (p, q) = (matrix.at(pivot, j), matrix.at(k, j));
                    matrix.set(pivot, j, q);
                    matrix.set(k, j, p / scale);
                }
            }
            for i in (0..n).filter(|&i| i != k) {
                let factor = a.at(i, k);
                for matrix in [&mut a, &mut x] {
                    for j in 0..n {
                        matrix.set(i, j, matrix.at(i, j) - factor * matrix.at(k, j));
                    }
                }
            }
        }
        x
    }

    /// The lower triangular L of A = L Lᵀ.
    pub fn cholesky(&self) -> Self {
        let n = self.rows;
        let mut l = Self::from_fn(n, n, |_, _| Double::default());
        for j in 0..n {
            for i in j..n {
                let rest = (0..j).fold(self.at(i, j), |rest, k| rest - l.at(i, k) * l.at(j, k));
                l.set(
                    i,
                    j,
                    if i == j {
                        rest.sqrt()
                    } else {
                        rest / l.at(j, j)
                    },
                );
            }
        }
        l
    }

    /// Thin Q and R with a positive diagonal, m ≥ n, by Gram and Schmidt, each column twice.
    pub fn qr(&self) -> (Self, Self) {
        let (m, n) = (self.rows, self.columns);
        let mut q = Self::from_fn(m, n, |_, _| Double::default());
        let mut r = Self::from_fn(n, n, |_, _| Double::default());
        for j in 0..n {
            let mut v: Vec<Double> = (0..m).map(|i| self.at(i, j)).collect();
            for _ in 0..2 {
                for p in 0..j {
                    let part = (0..m).fold(Double::default(), |sum, i| sum + q.at(i, p) * v[i]);
                    r.set(p, j, r.at(p, j) + part);
                    for (i, v) in v.iter_mut().enumerate() {
                        *v = *v - part * q.at(i, p);
                    }
                }
            }
            let length = v
                .iter()
                .fold(Double::default(), |sum, &x| sum + x * x)
                .sqrt();
            r.set(j, j, length);
            for (i, &v) in v.iter().enumerate() {
                q.set(i, j, v / length);
            }
        }
        (q, r)
    }
}
