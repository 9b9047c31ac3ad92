//! Eigenvalues, singular values, the matrix exponential, least squares, tridiagonal and sparse systems against closed
//! forms that the tests compute themselves, at sizes 1, 2, 5 and 50, where values repeat, and ill conditioned.

mod closed_forms;
mod edges;
mod structured;

use gradient_engine::{Attributes, Graph, Op, Tensor, TensorType, ValueId};
use gradient_tests::engine::{Random, inner, jvp, moved, tensor, value, vjp};
use gradient_tests::scenarios::Draft;

/// A dense matrix with the naive operations.
#[derive(Clone, Debug)]
struct Dense {
    rows: usize,
    columns: usize,
    data: Vec<f64>,
}

impl Dense {
    fn new(rows: usize, columns: usize, data: &[f64]) -> Self {
        assert_eq!(data.len(), rows * columns);
        let data = data.to_vec();
        Self {
            rows,
            columns,
            data,
        }
    }

    fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let data = (0..rows * columns).map(|at| f(at / columns, at % columns));
        Self {
            rows,
            columns,
            data: data.collect(),
        }
    }

    fn random(rows: usize, columns: usize, random: &mut Random) -> Self {
        let data = (0..rows * columns).map(|_| random.within((-1.0, 1.0)));
        Self {
            rows,
            columns,
            data: data.collect(),
        }
    }

    fn diagonal(values: &[f64]) -> Self {
        let n = values.len();
        Self::from_fn(n, n, |i, j| if i == j { values[i] } else { 0.0 })
    }

    /// Orthonormal columns: a product of reflections.
    fn orthogonal(rows: usize, columns: usize, random: &mut Random) -> Self {
        let mut q = Self::from_fn(rows, columns, |i, j| f64::from(u8::from(i == j)));
        for _ in 0..3 {
            let v = Self::random(rows, 1, random);
            let square: f64 = v.data.iter().map(|x| x * x).sum();
            let part = v.t().times(&q);
            q = Self::from_fn(rows, columns, |i, j| {
                q.at(i, j) - 2.0 * v.data[i] * part.data[j] / square
            });
        }
        q
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.columns + j]
    }

    fn t(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.at(j, i))
    }

    fn times(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows);
        Self::from_fn(self.rows, other.columns, |i, j| {
            (0..self.columns)
                .map(|k| self.at(i, k) * other.at(k, j))
                .sum()
        })
    }

    fn map2(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| {
            f(self.at(i, j), other.at(i, j))
        })
    }

    fn plus(&self, other: &Self) -> Self {
        self.map2(other, |a, b| a + b)
    }

    fn minus(&self, other: &Self) -> Self {
        self.map2(other, |a, b| a - b)
    }

    fn scaled(&self, factor: f64) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| factor * self.at(i, j))
    }

    /// The symmetric matrix with this lower triangle.
    fn mirrored(&self) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| self.at(i.max(j), i.min(j)))
    }

    /// The gradient in the lower triangle that a gradient in a symmetric matrix comes to.
    fn folded(&self) -> Self {
        Self::from_fn(self.rows, self.columns, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Greater => self.at(i, j) + self.at(j, i),
            std::cmp::Ordering::Equal => self.at(i, j),
            std::cmp::Ordering::Less => 0.0,
        })
    }

    fn tensor(&self) -> Tensor {
        let shape = [self.rows as u64, self.columns as u64];
        tensor(&TensorType::f64(shape), &self.data)
    }
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(
        0.0,
        |m, x| if x.is_nan() { f64::NAN } else { x.abs().max(m) },
    )
}

/// The largest difference relative to the largest number; NaN counts as infinite.
fn error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = largest(want).max(f64::MIN_POSITIVE);
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs() / scale);
    worst.fold(
        0.0,
        |m, e| if e.is_nan() { f64::INFINITY } else { m.max(e) },
    )
}

/// Collects figures, prints them, and fails where one is above its bound.
#[derive(Default)]
struct Figures(Vec<String>);

impl Figures {
    fn check(&mut self, what: &str, got: f64, bound: f64) {
        println!("{what}: {got:.1e} (bound {bound:.0e})");
        if got.is_nan() || got > bound {
            self.0.push(format!("{what}: {got:e} is above {bound:e}"));
        }
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.0.is_empty(),
            "{}",
            self.0.join("\n")
        );
    }
}

/// A graph of some results of one operation, on inputs of these shapes.
fn graph_of(op: Op, shapes: &[Vec<u64>], attributes: Attributes, results: u32) -> Graph {
    let mut g = Draft::new(op.name());
    let inputs: Vec<ValueId> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| g.input(&format!("x{i}"), shape))
        .collect();
    let first = g.push(op, &inputs, attributes);
    for i in 0..results {
        g.0.output(&format!("y{i}"), ValueId(first.0 + i))
            .expect("output");
    }
    g.0.finish().expect("graph")
}

/// A graph of one operation on matrices.
fn graph(op: Op, inputs: &[&Dense], results: u32) -> Graph {
    let shapes: Vec<Vec<u64>> = inputs
        .iter()
        .map(|m| vec![m.rows as u64, m.columns as u64])
        .collect();
    graph_of(op, &shapes, Attributes::None, results)
}

/// Σ f(values) of a result of an operation on a matrix, with f elementwise operations one after the other.
fn sum_of(op: Op, result: u32, f: &[Op], shape: [usize; 2]) -> Graph {
    let mut g = Draft::new("sum");
    let a = g.input("a", &shape.map(|n| n as u64));
    let mut v = ValueId(g.op(op, &[a]).0 + result);
    for &op in f {
        v = g.op(op, &[v]);
    }
    let everything = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    let sum = g.push(Op::ReduceSum, &[v], everything);
    g.finish(sum)
}

/// Central differences, extrapolated twice.
fn differences(graph: &Graph, x: &[Tensor], v: &[Tensor]) -> Vec<f64> {
    let floats = graph.float_inputs();
    let central = |h: f64| -> Vec<f64> {
        let [plus, minus] = [h, -h].map(|h| value(graph, &moved(x, v, &floats, h)));
        plus.iter()
            .zip(&minus)
            .map(|(p, m)| (p - m) / (2.0 * h))
            .collect()
    };
    let (wide, narrow) = (central(2e-3), central(1e-3));
    narrow
        .iter()
        .zip(&wide)
        .map(|(n, w)| (4.0 * n - w) / 3.0)
        .collect()
}

/// J·v, after checks: against differences, and against Jᵀ in <c, J v> = <Jᵀ c, v>.
fn checked_jvp(
    figures: &mut Figures,
    what: &str,
    graph: &Graph,
    x: &[Tensor],
    v: &[Tensor],
    random: &mut Random,
) -> Vec<f64> {
    let got = jvp(graph, x, v);
    figures.check(
        &format!("{what}: J v against differences"),
        error(&got, &differences(graph, x, v)),
        1e-7,
    );
    let types = (0..graph.outputs().len()).map(|i| graph.output_type(i).clone());
    let c: Vec<Tensor> = types.map(|ty| random.tensor(&ty, (-1.0, 1.0))).collect();
    let back = vjp(graph, x, &c);
    let flat = |t: &[Tensor]| -> Vec<f64> { t.iter().flat_map(Tensor::to_f64).collect() };
    let (c, v) = (flat(&c), flat(v));
    let size: f64 = c.iter().zip(&got).map(|(c, y)| (c * y).abs()).sum();
    let gap = (inner(&c, &got) - inner(&back, &v)).abs() / size.max(1.0);
    figures.check(&format!("{what}: forward against reverse"), gap, 1e-13);
    got
}
