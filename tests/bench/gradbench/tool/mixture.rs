//! gmm and kmeans.

use super::{Failure, Work, gradient, read, unknown, value};
use gradient_client::{Expr, GraphBuilder, Tensor, proto};
use serde_json::{Value, json};
use std::f64::consts::{LN_2, PI};

/// Σᵢ minⱼ |pᵢ - cⱼ|²; `dir` is its gradient over the diagonal of its Hessian.
pub fn k_means(function: &str, input: &Value) -> Result<Work, Failure> {
    let (points, centroids) = (
        read::array(input, "points")?,
        read::array(input, "centroids")?,
    );
    let (&[n, d], &[k, _]) = (points.shape(), centroids.shape()) else {
        return Err("points and centroids are matrices".into());
    };
    let ones = proto::HessianVectorProduct {
        output: "f".into(),
        wrt: vec!["centroids".into()],
        vectors: [("centroids".to_owned(), ones([k, d])?)].into(),
        directions: 0,
    };
    let products = match function {
        "cost" => vec![value(&["f"])],
        "dir" => vec![
            gradient("f", &["centroids"]),
            proto::product::Product::HessianVectorProduct(ones),
        ],
        _ => return Err(unknown(function)),
    };
    let direction = function == "dir";
    Ok(Work {
        shape: format!("kmeans {n} {k} {d}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("kmeans");
            let (points, centroids) = (g.input("points", [n, d]), g.input("centroids", [k, d]));
            let squares = |x: &Expr| x.square().sum_over([1]);
            let distances = squares(&points).broadcast_in_dim([n, k], [0])
                + squares(&centroids).broadcast_to([n, k])
                - 2.0 * points.matmul(&centroids.t());
            g.finish([("f", distances.min_over([1]).sum())])
        }),
        point: vec![("centroids", Tensor::from(centroids))],
        data: vec![("points", Tensor::from(points))],
        products,
        output: Box::new(move |found| {
            if !direction {
                return found.number();
            }
            let [gradient, hessian] = &found.0[..] else {
                return Err("two blocks were asked for".into());
            };
            let pairs = gradient.values.iter().zip(&hessian.values);
            Ok(read::rows(
                &pairs.map(|(g, h)| g / h).collect::<Vec<_>>(),
                d,
            ))
        }),
    })
}

fn ones(shape: [usize; 2]) -> Result<proto::Tensor, Failure> {
    let array = gradient_client::Array::new(shape, vec![1.0; shape[0] * shape[1]]);
    Ok(Tensor::from(array.ok_or("too many centroids")?).to_proto())
}

/// Log-likelihood of a mixture of Gaussians with a Wishart prior on their precisions.
pub fn mixture(function: &str, input: &Value) -> Result<Work, Failure> {
    let array = |name: &str| read::array(input, name).map(Tensor::from);
    let [d, k, n] = [
        read::size(input, "d")?,
        read::size(input, "k")?,
        read::size(input, "n")?,
    ];
    let wrt = ["alpha", "mu", "q", "l"];
    let products = match function {
        "objective" => vec![value(&["f"])],
        "jacobian" => vec![gradient("f", &wrt)],
        _ => return Err(unknown(function)),
    };
    let derivative = function == "jacobian";
    Ok(Work {
        shape: format!("gmm {d} {k} {n}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("gmm");
            let f = log_posterior(&g, d, k, n);
            g.finish([("f", f)])
        }),
        point: vec![
            ("alpha", array("alpha")?),
            ("mu", array("mu")?),
            ("q", array("q")?),
            ("l", array("l")?),
        ],
        data: vec![
            ("x", array("x")?),
            ("gamma", array("gamma")?),
            ("m", array("m")?),
        ],
        products,
        output: Box::new(move |found| {
            if !derivative {
                return found.number();
            }
            let part = |wrt: &str| {
                found
                    .0
                    .iter()
                    .find(|b| b.wrt == wrt)
                    .map_or(&[][..], |b| &b.values)
            };
            Ok(json!({
                "alpha": part("alpha"),
                "mu": read::rows(part("mu"), d),
                "q": read::rows(part("q"), d),
                "l": read::rows(part("l"), d * (d - 1) / 2),
            }))
        }),
    })
}

fn log_posterior(g: &GraphBuilder, d: usize, k: usize, n: usize) -> Expr {
    let below = d * (d - 1) / 2;
    let (alpha, mu) = (g.input("alpha", [k]), g.input("mu", [k, d]));
    let (q, l) = (g.input("q", [k, d]), g.input("l", [k, below]));
    let (x, gamma, m) = (g.input("x", [n, d]), g.input("gamma", []), g.input("m", []));

    // Lower triangles: the diagonal by its logarithm, then what is below it by columns.
    let mut place = vec![(d + below) as i64; d * d];
    let mut next = d as i64;
    for column in 0..d {
        place[column * d + column] = column as i64;
        for row in column + 1..d {
            place[row * d + column] = next;
            next += 1;
        }
    }
    let diagonal = q.exp();
    let padded = g.concatenate([&diagonal, &l, &g.full([k, 1], 0.0)], 1);
    let lower = padded.take(&g.constant(place), 1).reshape([k, d, d]);
    let all = [k, n, d];
    let away = x.broadcast_to(all) - mu.broadcast_in_dim(all, [0, 2]);
    let z = away.dot_general(
        &lower,
        proto::DotGeneral {
            lhs_batch: vec![0],
            rhs_batch: vec![0],
            lhs_contracting: vec![2],
            rhs_contracting: vec![2],
        },
    );
    let sums = q.sum_over([1]);
    let heads = (&alpha + &sums).broadcast_in_dim([k, n], [0]);
    let densities = heads - 0.5 * z.square().sum_over([2]);
    let constant = -0.5 * n as f64 * d as f64 * (2.0 * PI).ln();
    let likelihood = densities.logsumexp_over([0]).sum() - n as f64 * alpha.logsumexp() + constant;

    let size = d as f64;
    let freedom = &m + (size + 1.0);
    let gammas = (1..=d).map(|j| (0.5 * &freedom + 0.5 * (1.0 - j as f64)).lgamma());
    let gammas = gammas
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| g.constant(0.0));
    let normaliser = &freedom * size * (gamma.ln() - 0.5 * LN_2)
        - (gammas + 0.25 * size * (size - 1.0) * PI.ln());
    let frobenius = diagonal.square().sum() + l.square().sum();
    likelihood - (0.5 * gamma.square() * frobenius - m * sums.sum()) + normaliser * k as f64
}
