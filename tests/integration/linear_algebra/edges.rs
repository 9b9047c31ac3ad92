//! Singular and non-finite matrices, what is not read, f32, strictness, and graphs that are none.

use gradient_engine::{
    Attributes, DType, Error, Graph, HvpMode, NonSmooth, Op, Options, Product, Tensor, TensorType,
    ValueId, ViolationKind,
};
use gradient_tests::engine::{
    Random, evaluate, gradient, hessian, hvp, inner, jvp, numbers, tensor, value, vjp,
};
use gradient_tests::scenarios::Draft;

const SOLVE: Attributes = Attributes::Solve { transpose_a: false };
const LOWER: Attributes = Attributes::TriangularSolve {
    lower: true,
    transpose_a: false,
    unit_diagonal: false,
};

/// One operation on inputs of these types; all its floating-point results are outputs.
fn graph(op: Op, attributes: Attributes, types: &[TensorType]) -> Graph {
    let mut g = Draft::new("edge");
    let names = ["a", "b", "c", "d", "e"];
    let inputs = types.iter().zip(names);
    let operands: Vec<ValueId> = inputs
        .map(|(ty, name)| g.0.input(name, ty.clone()).expect("input"))
        .collect();
    let first = g.push(op, &operands, attributes);
    let results: &[u32] = match op {
        Op::Lu => &[1, 2],
        Op::Qr | Op::Slogdet => &[0, 1],
        _ => &[0],
    };
    for i in results {
        let result = ValueId(first.0 + i);
        g.0.output(&format!("result {i}"), result).expect("output");
    }
    g.0.finish().expect("graph")
}

fn f64s(shape: &[u64]) -> TensorType {
    TensorType::f64(shape)
}

/// A square matrix as the only input.
fn square(op: Op, n: u64) -> Graph {
    graph(op, Attributes::None, &[f64s(&[n, n])])
}

fn at(graph: &Graph, operands: &[&[f64]]) -> Vec<Tensor> {
    let inputs = graph.inputs().iter().zip(operands);
    inputs.map(|(input, x)| tensor(&input.ty, x)).collect()
}

/// The determinant of a matrix of integers, exactly, by Laplace's expansion.
fn laplace(n: usize, a: &[i64]) -> i64 {
    if n == 0 {
        return 1;
    }
    let minor = |column: usize| -> Vec<i64> {
        let rest = (n..n * n).filter(|i| i % n != column);
        rest.map(|i| a[i]).collect()
    };
    let term =
        |j: usize| a[j] * laplace(n - 1, &minor(j)) * if j.is_multiple_of(2) { 1 } else { -1 };
    (0..n).map(term).sum()
}

/// Cofactors and, for directions E, F, …, their derivatives, of integer matrices: differences of polynomials that are
/// linear in every element are exact.
fn rate_in_elements(n: usize, a: &[i64], elements: &[usize]) -> i64 {
    let mut sum = 0;
    for chosen in 0..1u32 << elements.len() {
        let mut moved = a.to_vec();
        let mut sign = 1;
        for (bit, &e) in elements.iter().enumerate() {
            match chosen >> bit & 1 {
                1 => moved[e] += 1,
                _ => sign = -sign,
            }
        }
        sum += sign * laplace(n, &moved);
    }
    sum
}

/// Of rank n, n - 1, n - 2, …: gradient and Hessian of the determinant against exact integers.
#[test]
fn determinants_have_derivatives_where_they_vanish() {
    let cases: [(usize, &[i64]); 7] = [
        (2, &[1, 2, 3, 4]),
        (2, &[1, 2, 2, 4]),
        (2, &[0, 0, 0, 0]),
        (3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (3, &[1, 2, 3, 2, 4, 6, -1, -2, -3]),
        (3, &[0; 9]),
        (4, &[1, 2, 0, 1, 3, 1, 1, 0, 4, 3, 1, 1, 2, -1, 1, -1]),
    ];
    for (n, a) in cases {
        let graph = square(Op::Determinant, n as u64);
        let numbers: Vec<f64> = a.iter().map(|&x| x as f64).collect();
        let x = at(&graph, &[&numbers]);
        let close = |got: f64, want: i64| got.is_finite() && (got - want as f64).abs() < 1e-12;
        let got = value(&graph, &x)[0];
        assert!(close(got, laplace(n, a)), "{a:?}: {got}");
        for (e, got) in gradient(&graph, &x).into_iter().enumerate() {
            let want = rate_in_elements(n, a, &[e]);
            assert!(close(got, want), "{a:?}, element {e}: {got} against {want}");
        }
        let second = hessian(&graph, &x);
        for e in 0..n * n {
            for f in 0..n * n {
                let want = if e == f {
                    0
                } else {
                    rate_in_elements(n, a, &[e, f])
                };
                let got = second[e * n * n + f];
                assert!(close(got, want), "{a:?}, {e} and {f}: {got} against {want}");
            }
        }
        let mut random = Random(9);
        let v = random.tensor(x[0].ty(), (-1.0, 1.0));
        let rows = second.chunks(n * n).map(|row| inner(row, &v.to_f64()));
        let want: Vec<f64> = rows.collect();
        for mode in [HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward] {
            let got = hvp(&graph, &x, std::slice::from_ref(&v), mode);
            let same = |(g, w): (&f64, &f64)| (g - w).abs() < 1e-12;
            assert!(
                got.iter().zip(&want).all(same),
                "{mode:?}: {got:?} against {want:?}"
            );
        }
    }
}

#[test]
fn singular_matrices() {
    let singular: [(u64, &[f64]); 3] = [(1, &[0.0]), (2, &[1.0, 2.0, 2.0, 4.0]), (2, &[0.0; 4])];
    for (n, a) in singular {
        let graph = square(Op::Slogdet, n);
        let x = at(&graph, &[a]);
        assert_eq!(value(&graph, &x), [0.0, f64::NEG_INFINITY]);
        let slope = jvp(&graph, &x, &at(&graph, &[&vec![1.0; a.len()]]));
        assert_eq!(slope[0], 0.0, "signs do not move");
        assert!(!slope[1].is_finite(), "{slope:?}");
        for (op, operands) in [(Op::Inverse, 1), (Op::Solve, 2)] {
            let types = [f64s(&[n, n]), f64s(&[n])];
            let attributes = if operands == 2 {
                SOLVE
            } else {
                Attributes::None
            };
            let graph = graph_of(op, attributes, &types[..operands]);
            let one = vec![1.0; n as usize];
            let x = at(&graph, &[a, &one]);
            assert!(
                value(&graph, &x).iter().any(|x| !x.is_finite()),
                "{op:?} of {a:?}"
            );
            assert!(
                gradient_of_sum(&graph, &x).iter().any(|x| !x.is_finite()),
                "{op:?}"
            );
        }
        // Factors exist; their derivatives may not.
        let graph = square(Op::Lu, n);
        let x = at(&graph, &[a]);
        let factors = value(&graph, &x);
        let n = n as usize;
        for i in 0..n {
            for j in 0..n {
                let (l, u) = factors.split_at(n * n);
                let product: f64 = (0..n).map(|k| l[i * n + k] * u[k * n + j]).sum();
                let rows = if n == 2 && a[0] != 0.0 {
                    [1, 0]
                } else {
                    [0, 1]
                };
                assert_eq!(product, a[rows[i] * n + j], "{a:?}");
            }
        }
        let _ = gradient_of_sum(&graph, &x);
    }
}

fn graph_of(op: Op, attributes: Attributes, types: &[TensorType]) -> Graph {
    graph(op, attributes, types)
}

/// Jᵀ 1.
fn gradient_of_sum(graph: &Graph, x: &[Tensor]) -> Vec<f64> {
    let outputs = graph.float_outputs();
    let ones: Vec<Tensor> = outputs
        .iter()
        .map(|&o| {
            let ty = graph.output_type(o as usize);
            tensor(ty, &vec![1.0; ty.elements() as usize])
        })
        .collect();
    vjp(graph, x, &ones)
}

#[test]
fn what_is_not_finite_gives_nan_and_no_panic() {
    let ops = [
        (Op::Inverse, Attributes::None),
        (Op::Cholesky, Attributes::None),
        (Op::Determinant, Attributes::None),
        (Op::Slogdet, Attributes::None),
        (Op::Lu, Attributes::None),
        (Op::Qr, Attributes::None),
        (Op::Cofactor, Attributes::None),
        (Op::Solve, SOLVE),
    ];
    let mut random = Random(4);
    for (op, attributes) in ops {
        for n in [1, 2, 5, 20] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut types = vec![f64s(&[n, n])];
                if op == Op::Solve {
                    types.push(f64s(&[n]));
                }
                let graph = graph(op, attributes.clone(), &types);
                let mut x: Vec<Tensor> = types
                    .iter()
                    .map(|ty| random.tensor(ty, (0.5, 1.0)))
                    .collect();
                let mut a = x[0].to_f64();
                // In the lower triangle, which all of them read.
                let place = (n * (n - 1)) as usize;
                a[place] = bad;
                x[0] = tensor(&types[0], &a);
                let got = value(&graph, &x);
                let structural = |i: usize| {
                    let (i, j) = (i / n as usize, i % n as usize);
                    op == Op::Cholesky && j > i
                };
                for (i, y) in got.iter().enumerate() {
                    match structural(i) {
                        true => assert_eq!(*y, 0.0, "{op:?} {n} {bad}"),
                        false => assert!(y.is_nan(), "{op:?} {n} {bad}: {got:?}"),
                    }
                }
                let slopes = gradient_of_sum(&graph, &x);
                assert!(
                    slopes.iter().any(|s| s.is_nan()),
                    "{op:?} {n} {bad}: {slopes:?}"
                );
            }
        }
    }
}

#[test]
fn a_matrix_that_is_not_positive_definite_has_no_factor() {
    let graph = square(Op::Cholesky, 2);
    for a in [[1.0, 2.0, 2.0, 1.0], [0.0; 4], [-1.0, 0.0, 0.0, 1.0]] {
        let x = at(&graph, &[&a]);
        let l = value(&graph, &x);
        assert!(
            l[0].is_nan() && l[1] == 0.0 && l[2].is_nan() && l[3].is_nan(),
            "{l:?}"
        );
        assert!(gradient_of_sum(&graph, &x).iter().any(|x| x.is_nan()));
    }
}

/// The other triangle may hold anything: it shows in no value and has derivative 0.
#[test]
fn the_other_triangle_is_not_read() {
    let bad = f64::NAN;
    let (lower, upper) = ([4.0, bad, 1.0, 3.0], [4.0, 1.0, bad, 3.0]);
    let unit = [bad, bad, 1.0, bad];
    let one = [1.0, 2.0];
    let triangular = |lower, unit_diagonal, transpose_a| Attributes::TriangularSolve {
        lower,
        transpose_a,
        unit_diagonal,
    };
    let types = [f64s(&[2, 2]), f64s(&[2])];
    let check = |op, attributes, a: &[f64; 4], read: [bool; 4], want: &[f64]| {
        let operands = if op == Op::Cholesky { 1 } else { 2 };
        let graph = graph(op, attributes, &types[..operands]);
        let x = at(&graph, &[&a[..], &one]);
        let got = value(&graph, &x);
        let same = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-15);
        assert!(
            same && got.len() == want.len(),
            "{op:?}: {got:?} against {want:?}"
        );
        let slopes = gradient_of_sum(&graph, &x);
        for (i, is_read) in read.into_iter().enumerate() {
            match is_read {
                true => assert!(
                    slopes[i].is_finite() && slopes[i] != 0.0,
                    "{op:?}: {slopes:?}"
                ),
                false => assert_eq!(slopes[i], 0.0, "{op:?}: {slopes:?}"),
            }
        }
    };
    let [low, up] = [[true, false, true, true], [true, true, false, true]];
    let solve = Op::TriangularSolve;
    check(
        solve,
        triangular(true, false, false),
        &lower,
        low,
        &[0.25, 1.75 / 3.0],
    );
    check(
        solve,
        triangular(false, false, false),
        &upper,
        up,
        &[(1.0 - 2.0 / 3.0) / 4.0, 2.0 / 3.0],
    );
    check(
        solve,
        triangular(true, false, true),
        &lower,
        low,
        &[(1.0 - 2.0 / 3.0) / 4.0, 2.0 / 3.0],
    );
    check(
        solve,
        triangular(true, true, false),
        &unit,
        [false, false, true, false],
        &[1.0, 1.0],
    );
    let y = [0.25, 1.75 / 3.0];
    let x1 = y[1] / 3.0;
    check(
        Op::CholeskySolve,
        Attributes::None,
        &lower,
        low,
        &[(y[0] - x1) / 4.0, x1],
    );
    let l = [2.0, 0.0, 0.5, 2.75f64.sqrt()];
    check(Op::Cholesky, Attributes::None, &lower, low, &l);
}

#[test]
fn permutations_and_signs() {
    let mut g = Draft::new("permutation");
    let a = g.input("a", &[3, 3]);
    let p = g.op(Op::Lu, &[a]);
    let graph = g.finish(p);
    let x = at(&graph, &[&[1.0, 5.0, 3.0, 4.0, 5.0, 6.0, 8.0, 7.0, 1.0]]);
    let product = Product::Value { outputs: vec![0] };
    let blocks = evaluate(&graph, product, Options::default(), &x, &[]).expect("value");
    assert_eq!(numbers(&blocks), [2.0, 0.0, 1.0]);

    let graph = square(Op::Slogdet, 2);
    let x = at(&graph, &[&[0.0, 2.0, 3.0, 0.0]]);
    let got = value(&graph, &x);
    assert!(
        got[0] == -1.0 && (got[1] - 6f64.ln()).abs() < 1e-15,
        "{got:?}"
    );
    // R's diagonal is positive though A's is negative.
    let graph = square(Op::Qr, 2);
    let got = value(&graph, &at(&graph, &[&[-2.0, 0.0, 0.0, -3.0]]));
    assert_eq!(got, [-1.0, 0.0, 0.0, -1.0, 2.0, 0.0, 0.0, 3.0]);
}

#[test]
fn matrices_without_elements() {
    let value_of = |op, types: &[TensorType]| {
        let graph = graph(op, Attributes::None, types);
        let x: Vec<Tensor> = types.iter().map(|ty| tensor(ty, &[])).collect();
        (value(&graph, &x), gradient_of_sum(&graph, &x))
    };
    assert_eq!(
        value_of(Op::Determinant, &[f64s(&[0, 0])]),
        (vec![1.0], vec![])
    );
    assert_eq!(
        value_of(Op::Determinant, &[f64s(&[2, 0, 0])]),
        (vec![1.0; 2], vec![])
    );
    assert_eq!(
        value_of(Op::Determinant, &[f64s(&[0, 2, 2])]),
        (vec![], vec![])
    );
    assert_eq!(
        value_of(Op::Slogdet, &[f64s(&[0, 0])]),
        (vec![1.0, 0.0], vec![])
    );
    for op in [Op::Inverse, Op::Cholesky, Op::Lu, Op::Qr] {
        assert_eq!(value_of(op, &[f64s(&[0, 0])]), (vec![], vec![]), "{op:?}");
        assert_eq!(
            value_of(op, &[f64s(&[0, 3, 3])]),
            (vec![], vec![]),
            "{op:?}"
        );
    }
    assert_eq!(
        value_of(Op::CholeskySolve, &[f64s(&[0, 0]), f64s(&[0])]),
        (vec![], vec![])
    );
}

#[test]
fn f32_is_f64_rounded() {
    let mut random = Random(32);
    let cases = [
        (Op::Solve, SOLVE),
        (Op::TriangularSolve, LOWER),
        (Op::CholeskySolve, Attributes::None),
        (Op::Cholesky, Attributes::None),
        (Op::Inverse, Attributes::None),
        (Op::Determinant, Attributes::None),
        (Op::Slogdet, Attributes::None),
        (Op::Lu, Attributes::None),
        (Op::Qr, Attributes::None),
        (Op::Cofactor, Attributes::None),
    ];
    for (op, attributes) in cases {
        let n = 4usize;
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let wide = random.within((-0.5, 0.5));
                a[i * n + j] = f64::from((wide + if i == j { 3.0 } else { 0.0 }) as f32);
            }
        }
        let b: Vec<f64> = (0..n).map(|i| i as f64 - 1.25).collect();
        let results = [DType::F64, DType::F32].map(|dtype| {
            let mut types = vec![TensorType::new(dtype, [4, 4])];
            if matches!(op, Op::Solve | Op::TriangularSolve | Op::CholeskySolve) {
                types.push(TensorType::new(dtype, [4]));
            }
            let graph = graph(op, attributes.clone(), &types);
            let x = at(&graph, &[&a, &b]);
            (0..graph.outputs().len()).for_each(|o| assert_eq!(graph.output_type(o).dtype, dtype));
            [value(&graph, &x), gradient_of_sum(&graph, &x)]
        });
        let [wide, narrow] = &results;
        for (wide, narrow) in wide.iter().zip(narrow) {
            let scale = wide.iter().fold(0.0f64, |scale, x| scale.max(x.abs()));
            for (w, n) in wide.iter().zip(narrow) {
                assert!(
                    n.is_finite() && (w - n).abs() < 4e-6 * scale,
                    "{op:?}: {n} against {w}"
                );
            }
        }
    }
}

/// NON_SMOOTH_STRICT names the node where pivots tie, columns depend on each other, or log|det| is infinite.
#[test]
fn strictness() {
    let cases: [(Op, &[f64], &[f64]); 3] = [
        (Op::Lu, &[1.0, 2.0, -1.0, 4.0], &[1.0, 2.0, -0.5, 4.0]),
        (Op::Qr, &[1.0, 0.0, 0.0, 0.0], &[1.0, 0.0, 0.0, 1.0]),
        (Op::Slogdet, &[1.0, 2.0, 2.0, 4.0], &[1.0, 2.0, 2.0, 5.0]),
    ];
    for (op, kink, smooth) in cases {
        let graph = square(op, 2);
        let strict = |a: &[f64]| {
            let options = Options {
                non_smooth: NonSmooth::Strict,
                ..Options::default()
            };
            let tangent = at(&graph, &[&[1.0, 0.5, 0.25, -1.0]]);
            let product = Product::Jvp { directions: 0 };
            evaluate(&graph, product, options, &at(&graph, &[a]), &tangent)
        };
        let blocks = strict(smooth).expect("smooth");
        assert!(numbers(&blocks).iter().all(|x| x.is_finite()), "{op:?}");
        match strict(kink) {
            Err(Error::NonSmooth(culprit)) => assert_eq!((culprit.op, culprit.node), (op, 0)),
            other => panic!("{op:?}: {other:?}"),
        }
    }
}

#[test]
fn cofactors_have_derivatives_along_four_directions() {
    let ty = f64s(&[3, 3]);
    let graph = graph(Op::Cofactor, Attributes::None, &vec![ty.clone(); 5]);
    let x: Vec<Tensor> = (0..5).map(|_| tensor(&ty, &[1.0; 9])).collect();
    // A determinant of 3 rows has three derivatives that are not 0.
    assert_eq!(value(&graph, &x), [0.0; 9]);
    let product = Product::Jvp { directions: 0 };
    match evaluate(&graph, product, Options::default(), &x, &x) {
        Err(Error::Unimplemented(what)) => assert!(what.contains("cofactor"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_operands_are_refused_with_place_and_repair() {
    let i64s = |shape: &[u64]| TensorType::new(DType::I64, shape);
    let f32s = |shape: &[u64]| TensorType::new(DType::F32, shape);
    let matrix = f64s(&[2, 3, 3]);
    let cases: Vec<(Op, Attributes, Vec<TensorType>, &str, &str)> = vec![
        (
            Op::Inverse,
            Attributes::None,
            vec![f64s(&[2, 3])],
            "nodes[0].operands[0]",
            "2 rows and 3 columns; give a square matrix",
        ),
        (
            Op::Cholesky,
            Attributes::None,
            vec![f64s(&[3])],
            "nodes[0].operands[0]",
            "insert reshape",
        ),
        (
            Op::Determinant,
            Attributes::None,
            vec![f64s(&[])],
            "nodes[0].operands[0]",
            "insert reshape",
        ),
        (
            Op::Slogdet,
            Attributes::None,
            vec![i64s(&[2, 2])],
            "nodes[0].operands[0]",
            "insert convert",
        ),
        (
            Op::Lu,
            Attributes::None,
            vec![f64s(&[2, 3])],
            "nodes[0].operands[0]",
            "give a square matrix",
        ),
        (
            Op::Qr,
            Attributes::None,
            vec![f64s(&[3])],
            "nodes[0].operands[0]",
            "insert reshape",
        ),
        (
            Op::Solve,
            SOLVE,
            vec![matrix.clone(), f64s(&[2, 4])],
            "nodes[0].operands[1]",
            "4 rows",
        ),
        (
            Op::Solve,
            SOLVE,
            vec![matrix.clone(), f64s(&[3])],
            "nodes[0].operands[1]",
            "insert broadcast_in_dim",
        ),
        (
            Op::Solve,
            SOLVE,
            vec![matrix.clone(), f64s(&[1, 3, 2])],
            "nodes[0].operands[1]",
            "insert broadcast_in_dim",
        ),
        (
            Op::Solve,
            SOLVE,
            vec![matrix.clone(), f32s(&[2, 3])],
            "nodes[0].operands[1]",
            "insert convert",
        ),
        (
            Op::TriangularSolve,
            LOWER,
            vec![f64s(&[2, 3]), f64s(&[2])],
            "nodes[0].operands[0]",
            "give a square matrix",
        ),
        (
            Op::CholeskySolve,
            Attributes::None,
            vec![f64s(&[2, 2]), f64s(&[3])],
            "nodes[0].operands[1]",
            "3 rows",
        ),
        (
            Op::LuSolve,
            SOLVE,
            vec![
                f64s(&[2, 2]),
                i64s(&[3]),
                f64s(&[2, 2]),
                f64s(&[2, 2]),
                f64s(&[2]),
            ],
            "nodes[0].operands[1]",
            "asks for i64 of shape [2]",
        ),
        (
            Op::Cofactor,
            Attributes::None,
            vec![f64s(&[2, 2]), f64s(&[3, 3])],
            "nodes[0].operands[1]",
            "asks for f64 of shape [2, 2]",
        ),
    ];
    for (op, attributes, types, path, repair) in cases {
        let mut g = Draft::new("wrong");
        let names = ["a", "b", "c", "d", "e"];
        let inputs = types.iter().zip(names);
        let operands: Vec<ValueId> = inputs
            .map(|(ty, name)| g.0.input(name, ty.clone()).expect("input"))
            .collect();
        let refused =
            g.0.push(op, &operands, attributes, "")
                .expect_err("refused");
        let message = refused.to_string();
        assert_eq!(
            (refused.path().as_str(), refused.kind()),
            (path, ViolationKind::Invalid),
            "{message}"
        );
        assert!(message.contains(repair), "{op:?}: {message}");
    }
}
