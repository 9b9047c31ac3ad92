//! hello, llsq, lse, det.

use super::{Failure, Work, gradient, read, unknown, value};
use gradient_client::{Array, GraphBuilder, Tensor};
use serde_json::{Value, json};

/// x² and its derivative.
pub fn hello(function: &str, input: &Value) -> Result<Work, Failure> {
    let products = match function {
        "square" => vec![value(&["f"])],
        "double" => vec![gradient("f", &["x"])],
        _ => return Err(unknown(function)),
    };
    Ok(Work {
        shape: "hello".into(),
        graph: Box::new(|| {
            let g = GraphBuilder::new("hello");
            let x = g.input("x", []);
            g.finish([("f", x.square())])
        }),
        point: vec![("x", Tensor::from(read::of(input)?))],
        data: vec![],
        products,
        output: Box::new(|found| found.number()),
    })
}

/// `primal` or `gradient` of `f` in `x`.
fn products(function: &str) -> Result<Vec<gradient_client::proto::product::Product>, Failure> {
    match function {
        "primal" => Ok(vec![value(&["f"])]),
        "gradient" => Ok(vec![gradient("f", &["x"])]),
        _ => Err(unknown(function)),
    }
}

/// What `products` of this name give.
fn output(function: &str) -> Box<dyn Fn(&super::Found) -> Result<Value, Failure>> {
    match function {
        "gradient" => Box::new(|found| Ok(json!(found.all()))),
        _ => Box::new(|found| found.number()),
    }
}

/// ½ Σ (sᵢ - Σⱼ xⱼ tᵢʲ)² for n points t from -1 to 1 and their signs s.
pub fn least_squares(function: &str, input: &Value) -> Result<Work, Failure> {
    let (x, n) = (read::array(input, "x")?, read::size(input, "n")?);
    let m = x.data().len();
    let points = (0..n).map(|i| -1.0 + i as f64 * 2.0 / (n as f64 - 1.0));
    let points: Vec<f64> = points.collect();
    let sign = |t: &f64| if *t == 0.0 { 0.0 } else { t.signum() };
    let powers = points.iter().flat_map(|t| (0..m as i32).map(|j| t.powi(j)));
    let powers = Array::new([n, m], powers.collect()).ok_or("no points")?;
    Ok(Work {
        shape: format!("llsq {n} {m}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("llsq");
            let (x, powers) = (g.input("x", [m]), g.input("powers", [n, m]));
            let signs = g.input("signs", [n]);
            let f = 0.5 * (signs - powers.matmul(&x)).square().sum();
            g.finish([("f", f)])
        }),
        point: vec![("x", Tensor::from(x))],
        data: vec![
            ("powers", Tensor::from(powers)),
            ("signs", read::vector(points.iter().map(sign).collect())),
        ],
        products: products(function)?,
        output: output(function),
    })
}

/// a + log Σ exp(xᵢ - a), where a is the largest x.
pub fn log_sum_exp(function: &str, input: &Value) -> Result<Work, Failure> {
    let x = read::array(input, "x")?;
    let n = x.data().len();
    Ok(Work {
        shape: format!("lse {n}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("lse");
            let x = g.input("x", [n]);
            // The function does not depend on what is subtracted.
            let largest = x.max().stop_gradient();
            let f = (x - &largest).exp().sum().ln() + largest;
            g.finish([("f", f)])
        }),
        point: vec![("x", Tensor::from(x))],
        data: vec![],
        products: products(function)?,
        output: output(function),
    })
}

/// The determinant by expansion along the first row. Minors of one size are a vector, one for each set of columns.
pub fn determinant(function: &str, input: &Value) -> Result<Work, Failure> {
    let (a, n) = (read::array(input, "A")?, read::size(input, "ell")?);
    // More sets than a graph may hold as constants.
    if !(1..=20).contains(&n) {
        return Err("ell is from 1 to 20".into());
    }
    Ok(Work {
        shape: format!("det {n}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("det");
            let x = g.input("x", [n * n]);
            let row = |i: usize| x.slice([i * n], [(i + 1) * n]);
            let mut minors = row(n - 1);
            let mut before = subsets(n, 1);
            for size in 2..=n {
                let sets = subsets(n, size);
                let (mut columns, mut rests, mut signs) = (vec![], vec![], vec![]);
                for &set in &sets {
                    for (j, column) in (0..n).filter(|c| set >> c & 1 == 1).enumerate() {
                        let rest = before.binary_search(&(set & !(1 << column)));
                        columns.push(column as i64);
                        rests.push(rest.expect("a smaller set") as i64);
                        signs.push(if j % 2 == 0 { 1.0 } else { -1.0 });
                    }
                }
                let terms = row(n - size).take(&g.constant(columns), 0)
                    * minors.take(&g.constant(rests), 0)
                    * g.constant(signs);
                minors = terms.reshape([sets.len(), size]).sum_over([1]);
                before = sets;
            }
            g.finish([("f", minors.reshape([]))])
        }),
        point: vec![("x", Tensor::from(a))],
        data: vec![],
        products: products(function)?,
        output: output(function),
    })
}

/// Sets of so many of n columns as bits, in ascending order.
fn subsets(n: usize, size: usize) -> Vec<u32> {
    let all = 0..1u32 << n;
    all.filter(|set| set.count_ones() as usize == size)
        .collect()
}
