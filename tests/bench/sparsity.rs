//! How long patterns and colourings of about a million entries take, and how much the second program of a graph
//! saves. `cargo bench -p gradient-tests --bench sparsity`

use gradient_engine::plan::{coloring, structure};
use gradient_engine::{
    Attributes, DType, Graph, Layout, Op, Options, Product, Request, SparsePattern, Tensor, compile,
};
use gradient_tests::engine::Random;
use gradient_tests::scenarios::Draft;
use std::sync::Arc;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!(
        "{:<34} {:>9} {:>9} {:>7} {:>7} {:>11} {:>12} {:>9} {:>10}",
        "Jacobian",
        "rows",
        "entries",
        "columns",
        "rows",
        "pattern ms",
        "colours ms",
        "first ms",
        "second ms"
    );
    for (name, graph) in [
        ("tridiagonal", tridiagonal(333_334)),
        ("5-point Laplacian, 450 × 450", laplacian(450)),
        ("random, 10 entries a row", random(100_000, 10)),
        ("arrow", arrow(333_334)),
    ] {
        let begin = Instant::now();
        let pattern = structure(&graph, &[0], &[0]).ok_or("too large")?;
        let found = begin.elapsed();
        let begin = Instant::now();
        let turned = pattern.transposed();
        let of = |a, b| coloring::columns(a, b).map(|c| c.count);
        let [columns, rows] = [of(&pattern, &turned), of(&turned, &pattern)];
        let below = columns.into_iter().chain(rows).min().unwrap_or(u32::MAX);
        let both = coloring::bidirectional(&pattern, &turned, below).map(|c| c.sweeps());
        let colored = begin.elapsed();
        let [first, second] = [(); 2].map(|()| {
            let begin = Instant::now();
            let request = Request {
                products: vec![Product::Jacobian {
                    outputs: vec![0],
                    wrt: vec![0],
                    layout: Layout::Sparse,
                }],
                options: Options::default(),
                batched: None,
            };
            let program = compile(&graph, &request).expect("compiles");
            (begin.elapsed(), program.plans()[0].reason.clone())
        });
        let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
        println!(
            "{name:<34} {:>9} {:>9} {:>7} {:>7} {:>11.1} {:>12.1} {:>9.1} {:>10.1}",
            pattern.rows(),
            pattern.entries(),
            shown(columns),
            shown(rows),
            ms(found),
            ms(colored),
            ms(first.0),
            ms(second.0),
        );
        println!("    both sides: {both:?}; {}", first.1);
    }
    println!();
    println!(
        "{:<34} {:>9} {:>6} {:>8} {:>10} {:>11}",
        "Hessian", "entries", "star", "acyclic", "star ms", "acyclic ms"
    );
    let band = coloring_input(333_334, |i, n| {
        vec![i.saturating_sub(1), i, (i + 1).min(n - 1)]
    });
    let mut random = Random(7);
    let scattered = coloring_input(100_000, |i, n| {
        let mut row: Vec<u32> = (0..5)
            .map(|_| (random.unit() * f64::from(n)) as u32)
            .collect();
        row.push(i);
        row
    });
    for (name, pattern) in [("tridiagonal", band), ("random, about 11 a row", scattered)] {
        let begin = Instant::now();
        let star = coloring::star(&pattern).map(|s| s.coloring.count);
        let star_time = begin.elapsed();
        let begin = Instant::now();
        // As the planner does: half as many as directly are enough.
        let enough = star.map_or(0, |count| count / 2);
        let acyclic = coloring::acyclic(&pattern, enough).map(|s| s.coloring.count);
        println!(
            "{name:<34} {:>9} {:>6} {:>8} {:>10.1} {:>11.1}",
            pattern.entries(),
            shown(star),
            shown(acyclic),
            star_time.as_secs_f64() * 1e3,
            begin.elapsed().as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

/// How many colours; a dash where there are as many as columns, or finding them takes too long.
fn shown(colors: Option<u32>) -> String {
    let known = colors.filter(|&count| count < u32::MAX);
    known.map_or("-".into(), |count| count.to_string())
}

/// A symmetric pattern from the columns of each row.
fn coloring_input(
    n: u32,
    mut row: impl FnMut(u32, u32) -> Vec<u32>,
) -> gradient_engine::plan::sparsity::Pattern {
    let mut pattern = gradient_engine::plan::sparsity::Pattern::new(n);
    for i in 0..n {
        let mut own = row(i, n);
        own.sort_unstable();
        own.dedup();
        pattern.push(&own);
    }
    pattern.symmetrized()
}

fn padded(g: &mut Draft, x: gradient_engine::ValueId, rank: usize) -> gradient_engine::ValueId {
    let zero = g.constant(Tensor::scalar(DType::F64, 0.0));
    let pad = Attributes::Pad {
        low: vec![1; rank],
        high: vec![1; rank],
        interior: vec![0; rank],
    };
    g.push(Op::Pad, &[x, zero], pad)
}

fn slice(starts: Vec<u64>, limits: Vec<u64>) -> Attributes {
    Attributes::Slice {
        starts,
        limits,
        strides: vec![],
    }
}

fn tridiagonal(n: u64) -> Graph {
    let mut g = Draft::new("tridiagonal");
    let x = g.input("x", &[n]);
    let wide = padded(&mut g, x, 1);
    let left = g.push(Op::Slice, &[wide], slice(vec![0], vec![n]));
    let right = g.push(Op::Slice, &[wide], slice(vec![2], vec![n + 2]));
    let square = g.op(Op::Square, &[x]);
    let product = g.op(Op::Multiply, &[square, left]);
    let sine = g.op(Op::Sin, &[right]);
    let y = g.op(Op::Add, &[product, sine]);
    g.finish(y)
}

fn laplacian(k: u64) -> Graph {
    let mut g = Draft::new("laplacian");
    let u = g.input("u", &[k, k]);
    let wide = padded(&mut g, u, 2);
    let mut total = g.op(Op::Sin, &[u]);
    for (i, j) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        let neighbor = g.push(Op::Slice, &[wide], slice(vec![i, j], vec![i + k, j + k]));
        total = g.op(Op::Add, &[total, neighbor]);
    }
    g.finish(total)
}

fn random(n: u64, each: usize) -> Graph {
    let mut random = Random(3);
    let (mut rows, mut columns) = (vec![], vec![]);
    for i in 0..n {
        let mut own: Vec<u64> = (0..each)
            .map(|_| (random.unit() * n as f64) as u64)
            .collect();
        own.sort_unstable();
        own.dedup();
        rows.extend(own.iter().map(|_| i));
        columns.extend(own);
    }
    let mut g = Draft::new("random");
    let x = g.input("x", &[n]);
    let values = vec![0.5; rows.len()];
    let ty = gradient_engine::TensorType::f64([rows.len() as u64]);
    let values = g.constant(gradient_tests::engine::tensor(&ty, &values));
    let pattern = SparsePattern {
        row_count: n,
        column_count: n,
        rows,
        columns,
        transpose: false,
    };
    let product = g.push(
        Op::SparseMatvec,
        &[values, x],
        Attributes::SparsePattern(Arc::new(pattern)),
    );
    let y = g.op(Op::Sin, &[product]);
    g.finish(y)
}

fn arrow(n: u64) -> Graph {
    let mut g = Draft::new("arrow");
    let x = g.input("x", &[n]);
    let head = g.push(Op::Slice, &[x], slice(vec![0], vec![1]));
    let rest = g.push(Op::Slice, &[x], slice(vec![1], vec![n]));
    let square = g.op(Op::Square, &[x]);
    let everything = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    let all = g.push(Op::ReduceSum, &[square], everything);
    let all = g.push(Op::Reshape, &[all], Attributes::Reshape { shape: vec![1] });
    let one = g.push(Op::Reshape, &[head], Attributes::Reshape { shape: vec![] });
    let sines = g.op(Op::Sin, &[rest]);
    let products = g.op(Op::Multiply, &[one, sines]);
    let y = g.push(
        Op::Concatenate,
        &[all, products],
        Attributes::Concatenate { dimension: 0 },
    );
    g.finish(y)
}
