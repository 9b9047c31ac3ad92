//! Works as graphs of tensors, as one writes them for an array library.

use super::Make;
use gradient_client::{Expr, Scan, proto};
use gradient_tests::scalars::runge_kutta;

/// The function of this name, if there is one.
pub fn write(work: &str, make: &Make) -> Option<Expr> {
    Some(match work {
        "rosenbrock" => rosenbrock(&make.input("x")),
        "logsumexp" => make.input("x").logsumexp(),
        "mixture" => mixture(make),
        "lorenz" => lorenz(make),
        "chain" => chain(&make.input("x")),
        "perceptron" => perceptron(make),
        "least squares" => {
            let (a, b, x) = (make.input("a"), make.input("b"), make.input("x"));
            0.5 * (a.matmul(&x) - b).square().sum()
        }
        "k-means" => k_means(make),
        "full mixture" => full_mixture(make),
        _ => return None,
    })
}

/// As [`scalar`]'s.
fn rosenbrock(x: &Expr) -> Expr {
    let n = x.shape()[0];
    let (a, b) = (
        x.slice_strided([0], [n], [2]),
        x.slice_strided([1], [n], [2]),
    );
    (100.0 * (b - a.square()).square() + (1.0 - a).square()).sum()
}

/// As [`scalar`]'s.
fn mixture(make: &Make) -> Expr {
    let [n, k, d] = ["n", "k", "d"].map(|size| make.size(size));
    let (x, data) = (make.input("x"), make.input("data"));
    let a = x.slice([0], [k]);
    let means = x.slice([k], [k + k * d]).reshape([1, k, d]);
    let scales = x.slice([k + k * d], [k + 2 * k * d]).reshape([k, d]);
    let all = [n, k, d];
    let away = data.reshape([n, 1, d]).broadcast_like(all) - means.broadcast_like(all);
    let z = away * scales.exp().broadcast_to(all);
    let weights = a + scales.sum_over([1]);
    let densities = weights.broadcast_to([n, k]) - 0.5 * z.square().sum_over([2]);
    densities.logsumexp_over([1]).sum()
}

/// Stretching dimensions of size 1.
trait BroadcastLike {
    fn broadcast_like(&self, shape: [usize; 3]) -> Expr;
}

impl BroadcastLike for Expr {
    fn broadcast_like(&self, shape: [usize; 3]) -> Expr {
        self.broadcast_in_dim(shape, [0, 1, 2])
    }
}

/// As [`scalar`]'s, in a loop.
fn lorenz(make: &Make) -> Expr {
    let x: Vec<Expr> = make.elements("x");
    let graph = make.graph;
    let types: Vec<_> = x.iter().map(Expr::tensor_type).collect();
    let step = graph.function("step", types, |_, x: Vec<Expr>| {
        let [a, b, c, sigma, rho, beta] = &x[..] else {
            panic!("six numbers");
        };
        let state = [a, b, c].map(Expr::clone);
        runge_kutta(&state, [sigma, rho, beta]).to_vec()
    });
    let scan = Scan {
        length: make.size("steps"),
        carries: x[..3].to_vec(),
        constants: x[3..].to_vec(),
        ..Scan::default()
    };
    let last: Vec<Expr> = graph.scan(&step, scan);
    let squares = last.iter().map(Expr::square);
    squares.reduce(|a, b| a + b).expect("three carries")
}

/// As [`scalar`]'s.
fn chain(x: &Expr) -> Expr {
    let n = x.shape()[0];
    let (u, v) = (x.slice([0], [n - 1]), x.slice([1], [n]));
    let square = (&v - &u).square();
    ((u * v).sin() * (-&square).exp() + 0.5 * square).sum()
}

/// Mean cross entropy of two layers with a rectifier between them.
fn perceptron(make: &Make) -> Expr {
    let [x, y, w1, b1, w2, b2] = ["x", "y", "w1", "b1", "w2", "b2"].map(|name| make.input(name));
    let batch = x.shape()[0];
    let hidden = (x.matmul(&w1) + b1.broadcast_to([batch, b1.shape()[0]])).relu();
    let scores = hidden.matmul(&w2) + b2.broadcast_to([batch, b2.shape()[0]]);
    -(scores.log_softmax(1) * y).sum() / batch as f64
}

/// Σₙ minₖ |pₙ - cₖ|².
fn k_means(make: &Make) -> Expr {
    let (points, centres) = (make.input("points"), make.input("centres"));
    let (n, d, k) = (points.shape()[0], points.shape()[1], centres.shape()[0]);
    let all = [n, k, d];
    let away = points.broadcast_in_dim(all, [0, 2]) - centres.broadcast_in_dim(all, [1, 2]);
    away.square().sum_over([2]).min_over([1]).sum()
}

/// Log-likelihood of Gaussians whose precisions' factors are lower triangular, the diagonal given by its logarithm
/// (the first d of each row of `factors`, then the part below the diagonal by columns):
/// Σₙ log Σₖ exp(aₖ + Σ qₖ - ½ |Lₖ (xₙ - mₖ)|²) - n log Σₖ exp(aₖ).
fn full_mixture(make: &Make) -> Expr {
    let [weights, means, factors, data] =
        ["weights", "means", "factors", "data"].map(|name| make.input(name));
    let (n, d, k) = (data.shape()[0], data.shape()[1], weights.shape()[0]);
    let below = d * (d - 1) / 2;
    let logs = factors.slice([0, 0], [k, d]);
    let padded = make.graph.concatenate(
        [
            logs.exp(),
            factors.slice([0, d], [k, d + below]),
            make.graph.full([k, 1], 0.0),
        ],
        1,
    );
    let mut place = vec![(d + below) as i64; d * d];
    let mut next = d as i64;
    for column in 0..d {
        place[column * d + column] = column as i64;
        for row in column + 1..d {
            place[row * d + column] = next;
            next += 1;
        }
    }
    let lower = padded.take(&make.indices(place), 1).reshape([k, d, d]);
    let all = [k, n, d];
    let away = data.broadcast_to(all) - means.broadcast_in_dim(all, [0, 2]);
    let z = away.dot_general(
        &lower,
        proto::DotGeneral {
            lhs_batch: vec![0],
            rhs_batch: vec![0],
            lhs_contracting: vec![2],
            rhs_contracting: vec![2],
        },
    );
    let heads = &weights + logs.sum_over([1]);
    let densities = heads.broadcast_in_dim([k, n], [0]) - 0.5 * z.square().sum_over([2]);
    densities.logsumexp_over([0]).sum() - n as f64 * weights.logsumexp()
}
