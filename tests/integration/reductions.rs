//! Reductions, scans, normalisations and products of tensors: values against plain loops, special points with their
//! declared derivatives, numerically hard cases, wrong input.

use gradient_engine::{
    Attributes, DType, Error, Graph, GraphBuilder, HvpMode, Limits, Mode, NonSmooth, NormKind, Op,
    Options, Product, Tensor, TensorType,
};
use gradient_tests::engine::{Random, evaluate, hessian, hvp, jacobian, numbers, tensor, value};
use gradient_tests::scenarios::{Draft, all};

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
    assert_eq!(empty(Op::Softmax, Attributes::Softmax { axis: 1 }), []);
    assert_eq!(empty(Op::Cummax, along(0, false)), []);
    // Nothing is reduced, and nothing comes of it.
    assert_eq!(empty(Op::ReduceLogsumexp, reduce(&[0])), []);
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
fn ties_infinities_and_nan() {
    // k equal extrema so far share, 1/k each.
    let (y, slopes) = at(Op::Cummax, along(0, false), &[2.0, 1.0, 2.0, 2.0, 3.0]);
    assert_eq!(y, [2.0, 2.0, 2.0, 2.0, 3.0]);
    let (half, third) = (0.5, 1.0 / 3.0);
    let near = |(g, w): (&f64, &f64)| (g - w).abs() < 1e-15;
    #[rustfmt::skip]
    let want = [
        1.0, 0.0, 0.0, 0.0, 0.0,
        1.0, 0.0, 0.0, 0.0, 0.0,
        half, 0.0, half, 0.0, 0.0,
        third, 0.0, third, third, 0.0,
        0.0, 0.0, 0.0, 0.0, 1.0,
    ];
    assert!(slopes.iter().zip(&want).all(near), "{slopes:?}");
    let (y, slopes) = at(Op::Cummin, along(0, true), &[5.0, NAN, 1.0, 1.0]);
    assert!(same(&y, &[NAN, NAN, 1.0, 1.0]), "{y:?}");
    assert_eq!(slopes[8..], [0.0, 0.0, half, half, 0.0, 0.0, 0.0, 1.0]);
    assert!(slopes[0].is_nan() && slopes[5].is_nan(), "{slopes:?}");

    let largest = at(Op::Norm, norm(NormKind::Inf), &[-3.0, 3.0, 1.0]);
    assert_eq!(largest, (vec![3.0], vec![-half, half, 0.0]));
    let one = at(Op::Norm, norm(NormKind::One), &[-3.0, 0.0, 1.0]);
    assert_eq!(one, (vec![4.0], vec![-1.0, 0.0, 1.0]));
    for kind in [NormKind::One, NormKind::Two, NormKind::Inf] {
        let (origin, slopes) = at(Op::Norm, norm(kind), &[0.0, 0.0]);
        assert_eq!((origin, slopes), (vec![0.0], vec![0.0, 0.0]), "{kind:?}");
        let of = |x: &[f64]| value(&graph(Op::Norm, &[2], norm(kind)), &vector(x));
        assert_eq!(of(&[1.0, -INF]), [INF], "{kind:?}");
        assert!(same(&of(&[1.0, NAN]), &[NAN]), "{kind:?}");
    }

    let lse = |x: &[f64]| at(Op::ReduceLogsumexp, reduce(&[]), x);
    assert_eq!(lse(&[1.0, INF]), (vec![INF], vec![0.0, 1.0]));
    assert_eq!(lse(&[1.0, -INF]), (vec![1.0], vec![1.0, 0.0]));
    for infinity in [INF, -INF] {
        let (y, slopes) = lse(&[infinity, infinity]);
        assert_eq!(y, [infinity]);
        assert!(same(&slopes, &[NAN, NAN]), "{slopes:?}");
    }
    assert!(same(&lse(&[1.0, NAN]).0, &[NAN]));
    assert_eq!(at(Op::Softmax, softmax(), &[1.0, INF]).0, [0.0, 1.0]);
    assert!(same(
        &at(Op::Softmax, softmax(), &[1.0, INF, INF]).0,
        &[0.0, NAN, NAN]
    ));
    assert!(same(
        &at(Op::Softmax, softmax(), &[-INF, -INF]).0,
        &[NAN, NAN]
    ));
    assert_eq!(at(Op::LogSoftmax, softmax(), &[1.0, INF]).0, [-INF, 0.0]);
    assert_eq!(at(Op::LogSoftmax, softmax(), &[1.0, -INF]).0, [0.0, -INF]);
    let (y, slopes) = at(Op::Cumlogsumexp, along(0, false), &[-INF, 1.0]);
    assert_eq!((y, slopes), (vec![-INF, 1.0], vec![1.0, 0.0, 0.0, 1.0]));
    let (y, _) = at(Op::ReduceVariance, variance(2), &[1.0, 3.0]);
    assert!(same(&y, &[NAN]));
}

/// The derivative of a product without one or two of its factors, in both modes.
#[test]
fn zeros_in_a_product() {
    for x in [[2.0, 0.0, 3.0, 5.0, 7.0], [2.0, 0.0, 3.0, 0.0, 7.0]] {
        let without = |skip: [usize; 2]| -> f64 {
            let kept = x.iter().enumerate().filter(|(i, _)| !skip.contains(i));
            kept.map(|(_, x)| x).product()
        };
        let (y, slopes) = at(Op::ReduceProd, reduce(&[]), &x);
        assert_eq!(y, [0.0]);
        let want: Vec<f64> = (0..5).map(|i| without([i, i])).collect();
        assert_eq!(slopes, want);
        let second = |i: usize, j: usize| if i == j { 0.0 } else { without([i, j]) };
        let want: Vec<f64> = (0..25).map(|at| second(at / 5, at % 5)).collect();
        let product = graph(Op::ReduceProd, &[5], reduce(&[]));
        assert_eq!(hessian(&product, &vector(&x)), want);
        // The last running product is the product.
        let (y, slopes) = at(Op::Cumprod, along(0, false), &x);
        assert_eq!(y[4], 0.0);
        let want: Vec<f64> = (0..5).map(|i| without([i, i])).collect();
        assert_eq!(slopes[20..], want);
        for (j, v) in [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]]
            .iter()
            .enumerate()
        {
            for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
                let got = hvp(&product, &vector(&x), &vector(v), mode);
                let want: Vec<f64> = (0..5).map(|i| second(i, j)).collect();
                assert_eq!(got, want, "{mode:?}");
            }
        }
    }
}

#[test]
fn exponentials_neither_overflow_nor_cancel() {
    for shift in [0.0, 1e3, -1e3] {
        let x = [shift, shift - 50.0, shift - 60.0];
        let (q, r) = ((-50f64).exp(), (-60f64).exp());
        let s = 1.0 + q + r;
        let (y, slopes) = at(Op::ReduceLogsumexp, reduce(&[]), &x);
        assert_relative(&y, &[shift + (q + r).ln_1p()], 1e-15);
        assert_relative(&slopes, &[1.0 / s, q / s, r / s], 1e-14);
        // p_i (1 - p_i) where p_0 is 1 to the last digit.
        let want = [
            (q + r) / s / s,
            -q / s / s,
            -r / s / s,
            -q / s / s,
            q * (1.0 + r) / s / s,
            -q * r / s / s,
            -r / s / s,
            -q * r / s / s,
            r * (1.0 + q) / s / s,
        ];
        let lse = graph(Op::ReduceLogsumexp, &[3], reduce(&[]));
        assert_relative(&hessian(&lse, &vector(&x)), &want, 1e-13);
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            let got = hvp(&lse, &vector(&x), &vector(&[1.0, 0.0, 0.0]), mode);
            assert_relative(&got, &want[..3], 1e-13);
        }
        let forward = graph(Op::Softmax, &[3], softmax());
        for mode in [Mode::Forward, Mode::Reverse] {
            assert_relative(&jacobian(&forward, &vector(&x), Some(mode)), &want, 1e-13);
        }
        let log = graph(Op::LogSoftmax, &[3], softmax());
        assert_relative(
            &value(&log, &vector(&x)),
            &[
                -(q + r).ln_1p(),
                -50.0 - (q + r).ln_1p(),
                -60.0 - (q + r).ln_1p(),
            ],
            1e-15,
        );
        for mode in [Mode::Forward, Mode::Reverse] {
            let slopes = jacobian(&log, &vector(&x), Some(mode));
            assert_relative(&slopes[..3], &[(q + r) / s, -q / s, -r / s], 1e-13);
        }
        let (y, _) = at(Op::Cumlogsumexp, along(0, false), &x);
        assert_relative(
            &y,
            &[shift, shift + q.ln_1p(), shift + (q + r).ln_1p()],
            1e-15,
        );
    }
}

#[test]
fn variance_beside_a_large_mean() {
    // Exact: -1.5, -0.5, 0.5, 1.5 about the mean.
    for mean in [0.0, 1e8, 1e12] {
        let x = [mean, mean + 1.0, mean + 2.0, mean + 3.0];
        let (y, slopes) = at(Op::ReduceVariance, variance(0), &x);
        assert_relative(&y, &[1.25], 1e-15);
        assert_relative(&slopes, &[-0.75, -0.25, 0.25, 0.75], 1e-14);
        let (y, _) = at(Op::ReduceVariance, variance(1), &x);
        assert_relative(&y, &[5.0 / 3.0], 1e-15);
    }
    let x = [1e12 + 0.5, 1e12 - 0.25, 1e12 + 7.0];
    let middle = (0.5 - 0.25 + 7.0) / 3.0;
    let want = [0.5, -0.25, 7.0].map(|d: f64| (d - middle) * (d - middle));
    let (y, _) = at(Op::ReduceVariance, variance(0), &x);
    assert_relative(&y, &[want.iter().sum::<f64>() / 3.0], 1e-14);
}

#[test]
fn norms_at_the_ends_of_the_range() {
    for scale in [1.0, 1e200, 1e-200, 1e307, 1e-320] {
        let x = [3.0 * scale, -4.0 * scale];
        let (y, slopes) = at(Op::Norm, norm(NormKind::Two), &x);
        // Subnormal numbers have few digits themselves.
        let tolerance = if scale < 1e-300 { 1e-3 } else { 1e-15 };
        assert_relative(&y, &[5.0 * scale], tolerance);
        assert_relative(&slopes, &[0.6, -0.8], tolerance);
        if (1e-300..1e300).contains(&scale) {
            let second = hessian(&graph(Op::Norm, &[2], norm(NormKind::Two)), &vector(&x));
            let want = [0.64, 0.48, 0.48, 0.36].map(|h| h / (5.0 * scale));
            assert_relative(&second, &want, 1e-14);
        }
    }
    let origin = hessian(
        &graph(Op::Norm, &[2], norm(NormKind::Two)),
        &vector(&[0.0, 0.0]),
    );
    assert_eq!(origin, [0.0; 4]);
}

#[test]
fn policies_where_there_is_no_derivative() {
    let slope = |op, attributes, x: &[f64], non_smooth| {
        let graph = graph(op, &[x.len() as u64], attributes);
        let product = Product::Vjp { directions: 0 };
        let options = Options {
            non_smooth,
            ..Options::default()
        };
        let ones = vec![1.0; graph.output_type(0).elements() as usize];
        let seed = tensor(graph.output_type(0), &ones);
        evaluate(&graph, product, options, &vector(x), &[seed]).map(|blocks| numbers(&blocks))
    };
    let two = || norm(NormKind::Two);
    let torch = slope(Op::Norm, two(), &[0.0, 0.0], NonSmooth::PyTorch);
    assert_eq!(torch.expect("0"), [0.0, 0.0]);
    let jax = slope(Op::Norm, two(), &[0.0, 0.0], NonSmooth::Jax).expect("NaN");
    assert!(same(&jax, &[NAN, NAN]), "{jax:?}");
    // The last of equals counts.
    let torch = slope(
        Op::Cummax,
        along(0, false),
        &[2.0, 2.0, 1.0],
        NonSmooth::PyTorch,
    );
    assert_eq!(torch.expect("the last"), [1.0, 2.0, 0.0]);
    let kinks: [(Op, Attributes, &[f64], &[f64]); 6] = [
        (Op::Norm, two(), &[0.0, 0.0], &[0.0, 1.0]),
        (Op::Norm, norm(NormKind::One), &[0.0, 1.0], &[2.0, 1.0]),
        (Op::Norm, norm(NormKind::Inf), &[1.0, -1.0], &[2.0, 1.0]),
        (Op::Cummax, along(0, false), &[1.0, 1.0], &[2.0, 1.0]),
        (Op::Cummin, along(0, true), &[1.0, 1.0], &[2.0, 1.0]),
        (Op::ReduceMax, reduce(&[]), &[1.0, 1.0], &[2.0, 1.0]),
    ];
    for (op, attributes, kink, smooth) in kinks {
        let fine = slope(op, attributes.clone(), smooth, NonSmooth::Strict);
        assert!(fine.is_ok(), "{op:?}: {fine:?}");
        match slope(op, attributes, kink, NonSmooth::Strict) {
            Err(Error::NonSmooth(culprit)) => assert_eq!((culprit.op, culprit.node), (op, 0)),
            other => panic!("{op:?}: {other:?}"),
        }
    }
}

/// What a graph with this node over these types is refused with: the place, and the words.
fn refusal(op: Op, attributes: Attributes, types: &[(DType, &[u64])]) -> String {
    let mut builder = GraphBuilder::new("wrong", Limits::default());
    let operands: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(i, (dtype, shape))| {
            let ty = TensorType::new(*dtype, *shape);
            builder.input(&format!("x{i}"), ty).expect("input")
        })
        .collect();
    let refused = builder.push(op, &operands, attributes, "");
    refused.expect_err(op.name()).to_string()
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
