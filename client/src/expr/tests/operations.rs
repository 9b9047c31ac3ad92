//! Shapes and mistakes of reductions, scans, parts, linear algebra and signals.

use gradient_proto::v1::{self as proto, NormKind};

use crate::{
    expr::{Convolution, Expr, GraphBuilder, Norm, Pool, Triangular},
    tensor::Dtype,
};

/// One row a case: what is written, the type it has.
#[test]
fn shapes_of_reductions_scans_and_parts_follow() {
    let g = GraphBuilder::new("shapes");
    let vector = &g.input("vector", [4]);
    let matrix = &g.input("matrix", [3, 4]);
    let truth = &matrix.gt(0.0);
    let index = &g.input_typed("index", Dtype::I64, [2]);
    let windows = proto::Windows {
        sizes: vec![2, 3],
        strides: vec![1, 1],
        ..Default::default()
    };
    let overlap = proto::Windows {
        shape: vec![3, 4],
        ..windows.clone()
    };
    let cases: Vec<(Expr, Dtype, &[usize])> = vec![
        (matrix.prod_over([0]), Dtype::F64, &[4]),
        (matrix.mean_keep([1]), Dtype::F64, &[3, 1]),
        (matrix.logsumexp(), Dtype::F64, &[]),
        (truth.all(), Dtype::Bool, &[]),
        (truth.any_over([1]), Dtype::Bool, &[3]),
        (matrix.variance(), Dtype::F64, &[]),
        (matrix.norm(), Dtype::F64, &[]),
        (
            matrix.norm_with(Norm {
                kind: NormKind::Fro,
                keep_dims: true,
                ..Norm::default()
            }),
            Dtype::F64,
            &[1, 1],
        ),
        (matrix.argmax(1), Dtype::I64, &[3]),
        (matrix.cumsum(0), Dtype::F64, &[3, 4]),
        (matrix.softmax(1), Dtype::F64, &[3, 4]),
        (matrix.argsort(0), Dtype::I64, &[3, 4]),
        (vector.search_sorted(matrix, true), Dtype::I64, &[3, 4]),
        (index.one_hot(5, Dtype::F32), Dtype::F32, &[2, 5]),
        (matrix.reverse([0, 1]), Dtype::F64, &[3, 4]),
        (matrix.tile([2, 3]), Dtype::F64, &[6, 12]),
        (matrix.windows_with(windows), Dtype::F64, &[2, 2, 2, 3]),
        (matrix.windows([2]).sum_over([2]), Dtype::F64, &[3, 3]),
        (
            g.full([2, 2, 2, 3], 1.0).overlap_add(overlap),
            Dtype::F64,
            &[3, 4],
        ),
        (matrix.dynamic_slice(index, [2, 2]), Dtype::F64, &[2, 2]),
        (
            matrix.dynamic_update_slice(&g.full([1, 4], 0.0), index),
            Dtype::F64,
            &[3, 4],
        ),
        (
            matrix.put_at(index, &g.full([3, 2], 0.0), 1),
            Dtype::F64,
            &[3, 4],
        ),
        (vector.is_nan() | vector.is_inf(), Dtype::Bool, &[4]),
        (vector.powi(3).clamp(0.0, vector), Dtype::F64, &[4]),
        (vector.betainc(1.0, 2.0), Dtype::F64, &[4]),
    ];
    for (expression, dtype, shape) in &cases {
        assert_eq!(
            (expression.dtype(), expression.shape().as_slice()),
            (*dtype, *shape),
            "{expression:?}"
        );
    }
    assert_eq!(g.error(), None);
}

#[test]
fn shapes_of_linear_algebra_and_signals_follow() {
    let g = GraphBuilder::new("shapes");
    let matrix = &g.input("matrix", [3, 4]);
    let square = &g.input("square", [2, 3, 3]);
    let right = &g.input("right", [2, 3]);
    let image = &g.input("image", [1, 4, 8, 7]);
    let kernel = &g.input("kernel", [6, 2, 3, 3]);
    let pairs = &g.input("pairs", [3, 5, 2]);
    let vector = &g.input("vector", [3]);
    let sparse = proto::SparsePattern {
        row_count: 2,
        column_count: 4,
        rows: vec![0, 0, 1],
        columns: vec![1, 3, 0],
        transpose: false,
    };
    let conv = Convolution {
        strides: vec![2, 1],
        low: vec![1, 1],
        high: vec![1, 0],
        dilations: vec![1, 2],
        groups: 2,
    };
    let pool = Pool {
        sizes: vec![2, 2],
        ..Pool::default()
    };
    let cases: Vec<(Expr, &[usize])> = vec![
        (square.matmul(matrix), &[2, 3, 4]),
        (square.matmul(&right.at([0])), &[2, 3]),
        (g.input("stack", [5, 1, 4, 3]).matmul(square), &[5, 2, 4, 3]),
        (matrix.outer(vector), &[12, 3]),
        (matrix.kron(matrix), &[9, 16]),
        (g.einsum("ij,bjk->bik", [&matrix.t(), square]), &[2, 4, 3]),
        (g.einsum("...ij,...j", [square, right]), &[2, 3]),
        (g.einsum("bii->b", [square]), &[2]),
        (g.einsum("ba", [matrix]), &[4, 3]),
        (square.trace(), &[2]),
        (vector.diag_at(-1), &[4, 4]),
        (matrix.diag_at(2), &[2]),
        (square.solve(right), &[2, 3]),
        (square.solve_transposed(square), &[2, 3, 3]),
        (
            square.triangular_solve(right, Triangular::default()),
            &[2, 3],
        ),
        (square.cholesky().cholesky_solve(right), &[2, 3]),
        (square.inverse(), &[2, 3, 3]),
        (square.det(), &[2]),
        (square.expm(), &[2, 3, 3]),
        (matrix.lstsq(vector), &[4]),
        (vector.tridiagonal_solve(vector, vector, vector), &[3]),
        (vector.sparse_matvec(&g.full([4, 2], 1.0), sparse), &[2, 2]),
        (image.conv(kernel, conv), &[1, 6, 4, 4]),
        (image.max_pool(pool.clone()), &[1, 4, 4, 3]),
        (image.average_pool(pool), &[1, 4, 4, 3]),
        (pairs.fft(), &[3, 5, 2]),
        (matrix.rfft(), &[3, 3, 2]),
        (pairs.irfft(9), &[3, 9]),
        (matrix.interp(vector, vector), &[3, 4]),
        (matrix.bspline(&g.full([5], 0.0), vector, 1), &[3, 4]),
    ];
    for (expression, shape) in &cases {
        assert_eq!(expression.shape(), *shape, "{expression:?}");
    }
    assert_eq!(g.error(), None);
}

#[test]
fn nodes_with_several_results_are_numbered_and_listed() {
    let g = GraphBuilder::new("decompositions");
    let a = g.input("A", [3, 2]);
    let (q, r) = a.qr();
    let (_, s, vt) = a.svd();
    let symmetric = a.t().matmul(&a);
    let (sign, log) = symmetric.slogdet();
    let (values, vectors) = symmetric.eigh();
    let (p, l, u) = symmetric.lu();
    let (largest, places) = a.top_k(1);
    let (sorted, beside) = a.sort_with(&[&a.gt(0.0)], 0);
    let late = g.input("late", []);
    let shapes = [
        &q, &r, &s, &vt, &sign, &log, &values, &vectors, &l, &u, &largest, &sorted,
    ]
    .map(Expr::shape);
    let expected: [&[usize]; 12] = [
        &[3, 2],
        &[2, 2],
        &[2],
        &[2, 2],
        &[],
        &[],
        &[2],
        &[2, 2],
        &[2, 2],
        &[2, 2],
        &[3, 1],
        &[3, 2],
    ];
    assert_eq!(shapes, expected.map(<[usize]>::to_vec));
    assert_eq!((p.dtype(), places.dtype()), (Dtype::I64, Dtype::I64));
    assert_eq!(beside[0].dtype(), Dtype::Bool);
    let f = (r.sum() + s.label("sizes").sum()) * late;
    let graph = g.finish([("f", &f), ("Vt", &vt)]).unwrap();
    let text = graph.to_string();
    for line in [
        "  %2, %3 = qr(A) : f64[3, 2], f64[2, 2]\n",
        "  %4, %5, %6 = svd(A) : f64[3, 2], f64[2], f64[2, 2]  # sizes\n",
        "  %9, %10 = slogdet(%8) : f64, f64\n",
        "= reduce_sum(%3) : f64\n",
        "= reduce_sum(%5) : f64\n",
        "Vt = %6\n",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    let read = crate::Graph::from_proto(graph.proto().clone());
    assert_eq!(read, graph, "output types are found again");
}

/// One row a mistake: what is written, what the error must say.
#[test]
fn mistakes_of_the_larger_operations_name_the_repair() {
    type Mistake = fn(&GraphBuilder, &Expr, &Expr) -> Expr;
    let mistakes: [(Mistake, &str); 30] = [
        (|_, v, _| v.sin().all(), "must be bool; compare"),
        (|_, v, _| v.softmax(1), "no dimension 1"),
        (|_, v, _| v.cumsum(2), "no dimension 2"),
        (|_, v, _| v.top_k(5).1, "take 4 at most"),
        (
            |_, v, m| v.sort_with(&[m], 0).1.remove(0),
            "give both one shape",
        ),
        (|_, v, m| m.search_sorted(v, false), "must be a vector"),
        (|_, v, _| v.one_hot(3, Dtype::F64), "convert(Dtype::I64)"),
        (|_, v, _| v.tile([1, 2]), "2 repeats for the 1 dimensions"),
        (|_, v, _| v.dynamic_slice(v, [1]), "must be i64[1]"),
        (|_, v, _| v.windows([5]), "make the window smaller"),
        (
            |_, v, _| {
                v.norm_with(Norm {
                    kind: NormKind::Fro,
                    ..Norm::default()
                })
            },
            "NormKind::Two",
        ),
        (
            |_, v, _| v.powi(3) + v.convert(Dtype::F32).powi(3),
            "convert",
        ),
        (|_, v, _| v.sum().matmul(v), "multiply by a scalar with *"),
        (|_, v, m| m.kron(v), "reshape one of them"),
        (|_, v, _| v.trace(), "is no matrix"),
        (|_, _, m| m.inverse(), "is not square, but 3 by 4; slice it"),
        (|_, _, m| m.eigh().1, "is not square"),
        (|_, v, _| v.qr().0, "reshape it to [n, n]"),
        (|_, v, m| m.lstsq(v), "it takes [3], or that with"),
        (|g, v, m| g.einsum("ij,j->k", [m, v]), "'k' of the result"),
        (|g, v, m| g.einsum("ij", [m, v]), "1 terms for 2 operands"),
        (|g, _, m| g.einsum("ii", [m]), "'i' of \"ii\" is 3 and 4"),
        (|g, _, m| g.einsum("i->i", [m]), "or ..."),
        (|g, _, m| g.einsum("i1->i", [m]), "'1' in \"i1\""),
        (
            |g, _, _| g.einsum("", Vec::<Expr>::new()),
            "wrong number of operands",
        ),
        (|_, v, _| v.fft(), "use rfft for real ones"),
        (|_, _, m| m.slice([0, 0], [3, 2]).irfft(6), "takes 4 pairs"),
        (
            |_, v, m| v.interp(v, &m.at([0]).slice([0], [3])),
            "one value for each knot",
        ),
        (|_, v, _| v.bspline(v, v, 3), "it takes 8"),
        (
            |_, v, m| m.conv(v, Convolution::default()),
            "must be [batch, channels, …]",
        ),
    ];
    for (mistake, message) in mistakes {
        let g = GraphBuilder::new("mistakes");
        let (v, m) = (g.input("v", [4]), g.input("m", [3, 4]));
        let f = mistake(&g, &v, &m);
        let error = g.finish([("f", f)]).unwrap_err();
        assert!(
            error.to_string().contains(message),
            "{error} does not say {message:?}"
        );
        assert_eq!(error.location.file(), file!(), "{error}");
    }
}
