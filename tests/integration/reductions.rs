//! Reductions, scans, normalisations and products of tensors: values against plain loops, special points with their
//! declared derivatives, numerically hard cases, wrong input.

mod points;

use gradient_engine::{
    Attributes, DType, Error, Graph, HvpMode, Mode, NonSmooth, NormKind, Op, Options, Product,
    Tensor, TensorType,
};
use gradient_tests::engine::{Random, evaluate, hessian, hvp, jacobian, numbers, tensor, value};
use gradient_tests::scenarios::{Draft, all, refusal};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn reduce(axes: &[u32]) -> Attributes {
    let axes = axes.to_vec();
    let keep_dims = false;
    Attributes::Reduce { axes, keep_dims }
}

fn norm(kind: NormKind) -> Attributes {
    let axes = vec![];
    let keep_dims = false;
    Attributes::Norm {
        kind,
        axes,
        keep_dims,
    }
}

fn variance(ddof: u32) -> Attributes {
    let axes = vec![];
    let keep_dims = false;
    Attributes::Variance {
        axes,
        keep_dims,
        ddof,
    }
}

fn along(axis: u32, reverse: bool) -> Attributes {
    Attributes::Cumulative { axis, reverse }
}

fn softmax() -> Attributes {
    Attributes::Softmax { axis: 0 }
}

/// One operation on one f64 input.
fn graph(op: Op, shape: &[u64], attributes: Attributes) -> Graph {
    let mut g = Draft::new(op.name());
    let x = g.input("x", shape);
    let y = g.push(op, &[x], attributes);
    g.finish(y)
}

fn vector(x: &[f64]) -> [Tensor; 1] {
    [tensor(&TensorType::f64([x.len() as u64]), x)]
}

/// The value and both Jacobians, which must agree, of an operation on a vector.
fn at(op: Op, attributes: Attributes, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let graph = graph(op, &[x.len() as u64], attributes);
    let x = vector(x);
    let forward = jacobian(&graph, &x, Some(Mode::Forward));
    let reverse = jacobian(&graph, &x, Some(Mode::Reverse));
    let near = |(f, r): (&f64, &f64)| {
        f == r || f.is_nan() && r.is_nan() || (f - r).abs() <= 1e-13 * r.abs()
    };
    assert!(
        forward.iter().zip(&reverse).all(near),
        "{op:?}: {forward:?} {reverse:?}"
    );
    (value(&graph, &x), forward)
}

fn same(got: &[f64], want: &[f64]) -> bool {
    let equal = |(g, w): (&f64, &f64)| g == w || g.is_nan() && w.is_nan();
    got.len() == want.len() && got.iter().zip(want).all(equal)
}

#[track_caller]
fn assert_relative(got: &[f64], want: &[f64], tolerance: f64) {
    let near = |(g, w): (&f64, &f64)| g.is_finite() && (g - w).abs() <= tolerance * w.abs();
    assert!(
        got.len() == want.len() && got.iter().zip(want).all(near),
        "{got:?} against {want:?}"
    );
}

/// Row-major places of what an operation combines, by the result's position.
fn lines(shape: &[usize], axes: &[usize]) -> Vec<Vec<usize>> {
    let mut lines: Vec<(Vec<usize>, Vec<usize>)> = vec![];
    for at in 0..shape.iter().product() {
        let mut rest = at;
        let mut index = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            (index[d], rest) = (rest % shape[d], rest / shape[d]);
        }
        let own: Vec<usize> = (0..shape.len())
            .filter(|d| !axes.contains(d))
            .map(|d| index[d])
            .collect();
        match lines.iter_mut().find(|(key, _)| *key == own) {
            Some((_, places)) => places.push(at),
            None => lines.push((own, vec![at])),
        }
    }
    lines.into_iter().map(|(_, places)| places).collect()
}

/// One line's result by its definition.
fn fold(op: Op, attributes: &Attributes, x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let sum = |f: &dyn Fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>();
    match (op, attributes) {
        (Op::ReduceProd, _) => x.iter().product(),
        (Op::ReduceMean, _) => sum(&|x| x) / n,
        (Op::ReduceLogsumexp, _) => sum(&f64::exp).ln(),
        (_, Attributes::Variance { ddof, .. }) => {
            let mean = sum(&|x| x) / n;
            sum(&|x| (x - mean) * (x - mean)) / (n - f64::from(*ddof))
        }
        (_, Attributes::Norm { kind, .. }) => match kind {
            NormKind::One => sum(&f64::abs),
            NormKind::Inf => x.iter().fold(0.0, |m, x| f64::max(m, x.abs())),
            NormKind::Two | NormKind::Fro => sum(&|x| x * x).sqrt(),
        },
        _ => panic!("{op:?}"),
    }
}

/// The scenario's value by plain loops; `None` for operations with their own tests below.
fn naive(op: Op, attributes: &Attributes, shape: &[usize], x: &[f64]) -> Option<Vec<f64>> {
    let rank = shape.len();
    let every: Vec<usize> = (0..rank).collect();
    let or_all = |axes: &[u32]| match axes {
        [] => every.clone(),
        _ => axes.iter().map(|&d| d as usize).collect(),
    };
    let pick = |places: &[usize]| -> Vec<f64> { places.iter().map(|&p| x[p]).collect() };
    let mut out = x.to_vec();
    match attributes {
        Attributes::Norm { kind, axes, .. } if *kind == NormKind::Fro && axes.is_empty() => {
            let own = lines(shape, &[rank - 2, rank - 1]);
            Some(own.iter().map(|l| fold(op, attributes, &pick(l))).collect())
        }
        Attributes::Reduce { axes, .. }
        | Attributes::Variance { axes, .. }
        | Attributes::Norm { axes, .. } => {
            let own = lines(shape, &or_all(axes));
            Some(own.iter().map(|l| fold(op, attributes, &pick(l))).collect())
        }
        Attributes::Cumulative { axis, reverse } => {
            for line in lines(shape, &[*axis as usize]) {
                for k in 0..line.len() {
                    let so_far = match reverse {
                        true => &line[k..],
                        false => &line[..=k],
                    };
                    let those = pick(so_far);
                    let those = those.iter().copied();
                    out[line[k]] = match op {
                        Op::Cumsum => those.sum(),
                        Op::Cumprod => those.product(),
                        Op::Cummax => those.fold(-INF, f64::max),
                        Op::Cummin => those.fold(INF, f64::min),
                        _ => those.map(f64::exp).sum::<f64>().ln(),
                    };
                }
            }
            Some(out)
        }
        Attributes::Softmax { axis } => {
            for line in lines(shape, &[*axis as usize]) {
                let sum: f64 = pick(&line).into_iter().map(f64::exp).sum();
                for p in line {
                    out[p] = match op {
                        Op::Softmax => x[p].exp() / sum,
                        _ => x[p] - sum.ln(),
                    };
                }
            }
            Some(out)
        }
        _ => None,
    }
}

#[test]
fn values_equal_plain_loops() {
    let mut compared = 0;
    for scenario in all() {
        let Some(node) = scenario.graph.nodes().last() else {
            continue;
        };
        let input = &scenario.graph.inputs()[0].ty;
        let is_ours = scenario.graph.inputs().len() == 1
            && scenario.op == node.op
            && !matches!(
                node.op,
                Op::ReduceSum | Op::ReduceMax | Op::ReduceMin | Op::ReduceProd
            );
        let is_product = node.op == Op::ReduceProd && input.elements() > 0;
        if !(is_ours || is_product) {
            continue;
        }
        let x = scenario.point(&mut Random(u64::from(node.op.number())));
        let shape = input.shape.sizes();
        let Some(want) = naive(node.op, node.attributes, &shape, &x[0].to_f64()) else {
            continue;
        };
        let got = value(&scenario.graph, &x);
        let near =
            |(g, w): (&f64, &f64)| g.is_finite() && (g - w).abs() <= 1e-13 * w.abs().max(1.0);
        assert!(
            got.len() == want.len() && got.iter().zip(&want).all(near),
            "{}: {got:?} against {want:?}",
            scenario.name
        );
        compared += 1;
    }
    assert!(compared > 100, "only {compared} scenarios compared");
}

/// Operands of two shapes through an operation of two operands, or an equation.
fn product(op: Op, attributes: Attributes, operands: &[(&[u64], &[f64])]) -> Vec<f64> {
    let mut g = Draft::new(op.name());
    let names = ["a", "b", "c"];
    let own: Vec<_> = names
        .iter()
        .zip(operands)
        .map(|(name, (shape, _))| g.input(name, shape))
        .collect();
    let y = g.push(op, &own, attributes);
    let tensors: Vec<Tensor> = operands
        .iter()
        .map(|(shape, x)| tensor(&TensorType::f64(*shape), x))
        .collect();
    value(&g.finish(y), &tensors)
}

#[test]
fn products_and_diagonals_by_hand() {
    let (a, b): (&[f64], &[f64]) = (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[10.0, 100.0]);
    let none = Attributes::None;
    assert_eq!(
        product(Op::Outer, none.clone(), &[(&[3], &a[..3]), (&[2], b)]),
        [10.0, 100.0, 20.0, 200.0, 30.0, 300.0]
    );
    assert_eq!(
        product(Op::Kron, none, &[(&[2, 2], &a[..4]), (&[1, 2], b)]),
        [10.0, 100.0, 20.0, 200.0, 30.0, 300.0, 40.0, 400.0]
    );
    let diagonal = |offset| Attributes::Diagonal { offset };
    let matrix = [(&[2u64, 3][..], a)];
    for (offset, want, sum) in [
        (0, vec![1.0, 5.0], 6.0),
        (1, vec![2.0, 6.0], 8.0),
        (2, vec![3.0], 3.0),
        (-1, vec![4.0], 4.0),
        (-2, vec![], 0.0),
        (i32::MIN, vec![], 0.0),
    ] {
        assert_eq!(
            product(Op::Diag, diagonal(offset), &matrix),
            want,
            "{offset}"
        );
        assert_eq!(
            product(Op::Trace, diagonal(offset), &matrix),
            [sum],
            "{offset}"
        );
    }
    assert_eq!(
        product(Op::Diag, diagonal(-1), &[(&[2], b)]),
        [0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 100.0, 0.0]
    );
}

/// Two matrices and what an equation makes of elements a(i, j), b(k, l): plain loops.
#[test]
fn einsum_equals_plain_loops() {
    let mut random = Random(31);
    let x = random
        .tensor(&TensorType::f64([3, 3]), (-1.0, 1.0))
        .to_f64();
    let y = random
        .tensor(&TensorType::f64([3, 3]), (-1.0, 1.0))
        .to_f64();
    let (a, b) = (
        |i: usize, j: usize| x[3 * i + j],
        |i: usize, j: usize| y[3 * i + j],
    );
    let n = 3;
    let matrix = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..n * n).map(|at| f(at / n, at % n)).collect()
    };
    let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>();
    let cases: [(&str, Vec<f64>); 9] = [
        ("ij,jk->ki", matrix(&|k, i| sum(&|j| a(i, j) * b(j, k)))),
        ("ij , kj", matrix(&|i, k| sum(&|j| a(i, j) * b(k, j)))),
        ("ij,ij->ij", matrix(&|i, j| a(i, j) * b(i, j))),
        ("ij,ji->", vec![sum(&|i| sum(&|j| a(i, j) * b(j, i)))]),
        ("ii,jj->ij", matrix(&|i, j| a(i, i) * b(j, j))),
        ("ij,kk->ji", matrix(&|j, i| a(i, j) * sum(&|k| b(k, k)))),
        (
            "...j,...j->...",
            (0..n).map(|i| sum(&|j| a(i, j) * b(i, j))).collect(),
        ),
        ("i...,ij->j...", matrix(&|j, k| sum(&|i| a(i, k) * b(i, j)))),
        ("BA,AB->BA", matrix(&|p, q| a(p, q) * b(q, p))),
    ];
    for (equation, want) in cases {
        let attributes = Attributes::Einsum {
            equation: equation.into(),
        };
        let got = product(Op::Einsum, attributes, &[(&[3, 3], &x), (&[3, 3], &y)]);
        let near = |(g, w): (&f64, &f64)| g.is_finite() && (g - w).abs() <= 1e-15 * 9.0;
        assert!(
            got.len() == want.len() && got.iter().zip(&want).all(near),
            "{equation}: {got:?} against {want:?}"
        );
    }
}

#[test]
fn of_nothing() {
    let empty = |op, attributes| {
        value(
            &graph(op, &[2, 0], attributes),
            &[tensor(&TensorType::f64([2, 0]), &[])],
        )
    };
    assert_eq!(empty(Op::ReduceProd, reduce(&[1])), [1.0, 1.0]);
    assert!(same(&empty(Op::ReduceMean, reduce(&[1])), &[NAN, NAN]));
    assert!(same(&empty(Op::ReduceVariance, variance(0)), &[NAN]));
    assert_eq!(empty(Op::ReduceLogsumexp, reduce(&[1])), [-INF, -INF]);
    for kind in [NormKind::One, NormKind::Two, NormKind::Inf, NormKind::Fro] {
        assert_eq!(empty(Op::Norm, norm(kind)), [0.0], "{kind:?}");
    }
    assert_eq!(
        empty(Op::Softmax, Attributes::Softmax { axis: 1 }),
        [0.0; 0]
    );
    assert_eq!(empty(Op::Cummax, along(0, false)), [0.0; 0]);
    // Nothing is reduced, and nothing comes of it.
    assert_eq!(empty(Op::ReduceLogsumexp, reduce(&[0])), [0.0; 0]);
}

fn whole(op: Op, shape: &[u64], x: &[i64], dtype: DType, attributes: Attributes) -> Vec<f64> {
    let mut g = Draft::new("whole");
    let v = g.indices(shape, x);
    let v = g.push(Op::Convert, &[v], Attributes::Convert { dtype });
    let y = g.push(op, &[v], attributes);
    let graph = g.finish(y);
    let outputs = vec![0];
    let blocks = evaluate(
        &graph,
        Product::Value { outputs },
        Options::default(),
        &[],
        &[],
    );
    numbers(&blocks.expect("value"))
}

#[test]
fn whole_numbers_and_bools() {
    let i64 = DType::I64;
    let x = [3, -1, 4, 1, -5, 9];
    let own = |op, attributes| whole(op, &[2, 3], &x, i64, attributes);
    assert_eq!(own(Op::ReduceProd, reduce(&[])), [540.0]);
    assert_eq!(own(Op::ReduceProd, reduce(&[0])), [3.0, 5.0, 36.0]);
    assert_eq!(
        own(Op::Cumsum, along(1, true)),
        [6.0, 3.0, 4.0, 5.0, 4.0, 9.0]
    );
    assert_eq!(
        own(Op::Cumprod, along(1, false)),
        [3.0, -3.0, -12.0, 1.0, -5.0, -45.0]
    );
    assert_eq!(
        own(Op::Cummax, along(0, false)),
        [3.0, -1.0, 4.0, 3.0, -1.0, 9.0]
    );
    assert_eq!(
        own(Op::Cummin, along(1, false)),
        [3.0, -1.0, -1.0, 1.0, -5.0, -5.0]
    );
    let place = |axis| Attributes::ArgReduce {
        axis,
        keep_dims: false,
    };
    assert_eq!(own(Op::Argmax, place(1)), [2.0, 2.0]);
    assert_eq!(own(Op::Argmin, place(0)), [1.0, 1.0, 0.0]);
    assert_eq!(whole(Op::Argmax, &[4], &[2, 7, 7, 1], i64, place(0)), [1.0]);
    let logical = |op, shape: &[u64], x: &[i64]| whole(op, shape, x, DType::Bool, reduce(&[1]));
    assert_eq!(
        logical(Op::ReduceAnd, &[3, 2], &[1, 1, 1, 0, 0, 0]),
        [1.0, 0.0, 0.0]
    );
    assert_eq!(
        logical(Op::ReduceOr, &[3, 2], &[1, 1, 1, 0, 0, 0]),
        [1.0, 1.0, 0.0]
    );
    assert_eq!(logical(Op::ReduceAnd, &[1, 0], &[]), [1.0]);
    assert_eq!(logical(Op::ReduceOr, &[1, 0], &[]), [0.0]);
}

#[test]
fn the_first_nan_is_the_largest_and_the_smallest() {
    for op in [Op::Argmax, Op::Argmin] {
        let attributes = Attributes::ArgReduce {
            axis: 0,
            keep_dims: false,
        };
        let graph = graph(op, &[5], attributes);
        let outputs = vec![0];
        let x = vector(&[INF, NAN, -INF, NAN, 0.0]);
        let blocks = evaluate(
            &graph,
            Product::Value { outputs },
            Options::default(),
            &x,
            &[],
        );
        assert_eq!(numbers(&blocks.expect("value")), [1.0]);
    }
}

#[test]
fn wrong_input_is_named() {
    let f64 = DType::F64;
    let matrix: &[(DType, &[u64])] = &[(f64, &[2, 3])];
    let text = |equation: &str| Attributes::Einsum {
        equation: equation.into(),
    };
    let place = |axis| Attributes::ArgReduce {
        axis,
        keep_dims: false,
    };
    let bools: &[(DType, &[u64])] = &[(DType::Bool, &[2])];
    let integers: &[(DType, &[u64])] = &[(DType::I64, &[2])];
    let pair: &[(DType, &[u64])] = &[(f64, &[2, 3]), (f64, &[2, 3])];
    let mixed: &[(DType, &[u64])] = &[(f64, &[2]), (DType::F32, &[2])];
    let main = Attributes::Diagonal { offset: 0 };
    let cases: Vec<(String, &str)> = vec![
        (
            refusal(Op::ReduceProd, reduce(&[2]), matrix),
            "dimension 2 does not exist",
        ),
        (
            refusal(Op::ReduceProd, reduce(&[]), bools),
            "insert convert",
        ),
        (
            refusal(Op::ReduceMean, reduce(&[]), integers),
            "takes f64 or f32",
        ),
        (
            refusal(Op::ReduceVariance, variance(0), integers),
            "takes f64 or f32",
        ),
        (
            refusal(Op::ReduceAnd, reduce(&[]), integers),
            "insert compare",
        ),
        (
            refusal(Op::Norm, norm(NormKind::Fro), &[(f64, &[3])]),
            "no matrix",
        ),
        (
            refusal(Op::Argmax, place(1), &[(f64, &[2, 0])]),
            "no elements to choose from",
        ),
        (
            refusal(Op::Argmin, place(7), matrix),
            "dimension 7 does not exist",
        ),
        (
            refusal(Op::Cumsum, along(0, false), &[(f64, &[])]),
            "dimension 0 does not exist",
        ),
        (
            refusal(Op::Cumlogsumexp, along(0, false), integers),
            "takes f64 or f32",
        ),
        (
            refusal(Op::Softmax, Attributes::Softmax { axis: 2 }, matrix),
            "dimension 2 does not exist",
        ),
        (
            refusal(Op::Outer, Attributes::None, mixed),
            "insert convert",
        ),
        (
            refusal(Op::Kron, Attributes::None, &[(f64, &[2]), (f64, &[2, 2])]),
            "reshape one",
        ),
        (
            refusal(Op::Trace, main.clone(), &[(f64, &[2])]),
            "no matrix",
        ),
        (refusal(Op::Diag, main, &[(f64, &[])]), "reshape it to [1]"),
        (
            refusal(
                Op::Diag,
                Attributes::Diagonal { offset: i32::MIN },
                &[(f64, &[2])],
            ),
            "overflows",
        ),
        (
            refusal(Op::Einsum, text("ij"), pair),
            "1 terms for 2 operands",
        ),
        (
            refusal(Op::Einsum, text("ij,jk"), pair),
            "'j' of \"ij,jk\" is 3 and 2",
        ),
        (refusal(Op::Einsum, text("i,ij"), pair), "1 letters"),
        (
            refusal(Op::Einsum, text("ij->ik"), matrix),
            "'k' of the result",
        ),
        (refusal(Op::Einsum, text("ij->ii"), matrix), "stands twice"),
        (
            refusal(Op::Einsum, text("i.j->ij"), matrix),
            "a term is letters",
        ),
        (
            refusal(Op::Einsum, text("ij->j->i"), matrix),
            "a term is letters",
        ),
        (refusal(Op::Einsum, text("...i->i"), matrix), "has no ..."),
        (
            refusal(Op::Einsum, text("...i...->i"), matrix),
            "a term is letters",
        ),
        (
            refusal(Op::Einsum, text("\u{e4}j"), matrix),
            "a term is letters",
        ),
    ];
    for (message, words) in cases {
        assert!(
            message.contains(words),
            "{message:?} says nothing of {words:?}"
        );
    }
}
