//! Values that repeat or vanish, matrices that are not finite or have no elements, f32, strict requests, wrong inputs.

use super::*;
use gradient_engine::{
    DType, Error, GraphBuilder, Limits, Mode, NonSmooth, Options, Product, SparsePattern,
};
use gradient_tests::engine::{evaluate, gradient, jacobian, numbers};
use std::sync::Arc;

/// Symmetric with λ = 2, 2, 2, 5, 5; and the identity and 0, whose eigenvalues are equal to the last bit.
fn repeated(random: &mut Random) -> Vec<Dense> {
    let q = Dense::orthogonal(5, 5, random);
    let a = q
        .times(&Dense::diagonal(&[2.0, 2.0, 2.0, 5.0, 5.0]))
        .times(&q.t());
    let unit = Dense::diagonal(&[1.0; 3]);
    vec![a.plus(&a.t()).scaled(0.5), unit.clone(), unit.scaled(0.0)]
}

#[test]
fn repeated_eigenvalues() {
    let mut figures = Figures::default();
    let mut random = Random(5);
    for (case, a) in repeated(&mut random).into_iter().enumerate() {
        let n = a.rows;
        let point = [a.tensor()];
        // Σ λ² and Σ e^λ: 2 A, e^A.
        let squares = gradient(&sum_of(Op::Eigh, 0, &[Op::Square], [n, n]), &point);
        figures.check(
            &format!("repeated λ {case}: gradient of Σ λ²"),
            error(&squares, &a.scaled(2.0).folded().data),
            1e-14,
        );
        let powers = gradient(&sum_of(Op::Eigh, 0, &[Op::Exp], [n, n]), &point);
        let exponential = Dense::new(n, n, &value(&graph(Op::Expm, &[&a], 1), &point));
        figures.check(
            &format!("repeated λ {case}: gradient of Σ e^λ"),
            error(&powers, &exponential.folded().data),
            1e-13,
        );
        // The same forward: <∇f, E>.
        let e = Dense::random(n, n, &mut random);
        let got = jvp(
            &sum_of(Op::Eigh, 0, &[Op::Exp], [n, n]),
            &point,
            &[e.tensor()],
        )[0];
        let want = inner(&exponential.folded().data, &e.data);
        figures.check(
            &format!("repeated λ {case}: Σ e^λ along E"),
            (got - want).abs() / largest(&exponential.data),
            1e-13,
        );
        // Vectors have no derivative along E, in no mode, and say so.
        let g = graph(Op::Eigh, &[&a], 2);
        let moved = jvp(&g, &point, &[e.tensor()]);
        assert!(moved[..n].iter().all(|x| x.is_finite()), "{moved:?}");
        assert!(moved[n..].iter().all(|x| x.is_nan()), "{moved:?}");
        let c = [
            tensor(&TensorType::f64([n as u64]), &vec![1.0; n]),
            Dense::random(n, n, &mut random).tensor(),
        ];
        assert!(vjp(&g, &point, &c).iter().any(|x| x.is_nan()));
    }
    // Along the identity no vector turns.
    let unit = Dense::diagonal(&[1.0; 3]);
    let moved = jvp(
        &graph(Op::Eigh, &[&unit], 2),
        &[unit.tensor()],
        &[unit.tensor()],
    );
    assert_eq!(moved, [[1.0; 3].to_vec(), vec![0.0; 9]].concat());
    // Vectors of the other eigenvalues keep their derivatives: 1 is apart from 2, 2.
    let a = Dense::diagonal(&[1.0, 2.0, 2.0]);
    let e = Dense::new(3, 3, &[0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.25, 0.0, 0.0]);
    let moved = Dense::new(
        3,
        3,
        &jvp(&graph(Op::Eigh, &[&a], 2), &[a.tensor()], &[e.tensor()])[3..],
    );
    // (λ₁ - λ_j)⁻¹ E_j1 = -E_j1.
    assert_eq!(
        [moved.at(0, 0), moved.at(1, 0), moved.at(2, 0)],
        [0.0, -0.5, -0.25]
    );
}

#[test]
fn repeated_singular_values_and_zeros() {
    let mut figures = Figures::default();
    let mut random = Random(6);
    let q = Dense::orthogonal(4, 4, &mut random);
    let tall = Dense::orthogonal(5, 3, &mut random);
    let (p, r) = (
        Dense::orthogonal(4, 4, &mut random),
        Dense::orthogonal(4, 4, &mut random),
    );
    let deficient = p
        .times(&Dense::diagonal(&[3.0, 2.0, 0.0, 0.0]))
        .times(&r.t());
    let zero = Dense::from_fn(3, 2, |_, _| 0.0);
    for (case, a) in [q, tall, deficient, zero].into_iter().enumerate() {
        let (m, n) = (a.rows, a.columns);
        let point = [a.tensor()];
        let squares = gradient(&sum_of(Op::Svd, 1, &[Op::Square], [m, n]), &point);
        let scale = largest(&a.data).max(1.0);
        let gap = largest(&Dense::new(m, n, &squares).minus(&a.scaled(2.0)).data) / scale;
        figures.check(&format!("repeated s {case}: gradient of Σ s²"), gap, 1e-14);
        if case < 2 {
            // All s are 1: the polar factor is A itself.
            let norm = gradient(&sum_of(Op::Svd, 1, &[], [m, n]), &point);
            figures.check(
                &format!("repeated s {case}: gradient of Σ s"),
                error(&norm, &a.data),
                1e-14,
            );
        }
        let e = Dense::random(m, n, &mut random);
        let k = m.min(n);
        let moved = jvp(&graph(Op::Svd, &[&a], 3), &point, &[e.tensor()]);
        assert!(
            moved[m * k..][..k].iter().all(|x| x.is_finite()),
            "{case}: {moved:?}"
        );
        assert!(
            moved[..m * k].iter().any(|x| x.is_nan()),
            "{case}: {moved:?}"
        );
    }
    // The only 0 of a square matrix does no harm: dA = dU S Vᵀ + U dS Vᵀ + U S dVᵀ.
    let a = p
        .times(&Dense::diagonal(&[3.0, 2.0, 1.0, 0.0]))
        .times(&r.t());
    let e = Dense::random(4, 4, &mut random);
    let g = graph(Op::Svd, &[&a], 3);
    let [x, dx] = [
        value(&g, &[a.tensor()]),
        jvp(&g, &[a.tensor()], &[e.tensor()]),
    ];
    let part = |x: &[f64]| {
        (
            Dense::new(4, 4, &x[..16]),
            Dense::diagonal(&x[16..20]),
            Dense::new(4, 4, &x[20..]),
        )
    };
    let ((u, s, vt), (du, ds, dvt)) = (part(&x), part(&dx));
    let sum = du
        .times(&s)
        .times(&vt)
        .plus(&u.times(&ds).times(&vt))
        .plus(&u.times(&s).times(&dvt));
    figures.check("one singular value 0: dA", error(&sum.data, &e.data), 1e-13);
}

#[test]
fn lstsq_of_deficient_rank() {
    let mut figures = Figures::default();
    let mut random = Random(7);
    for (m, n) in [(4, 4), (5, 3), (3, 5)] {
        let k = m.min(n);
        let (p, q) = (
            Dense::orthogonal(m, k, &mut random),
            Dense::orthogonal(n, k, &mut random),
        );
        let (mut s, mut over) = (vec![2.0; k], vec![0.5; k]);
        (s[k - 1], over[k - 1]) = (0.0, 0.0);
        let a = p.times(&Dense::diagonal(&s)).times(&q.t());
        let inverse = q.times(&Dense::diagonal(&over)).times(&p.t());
        let b = Dense::random(m, 1, &mut random);
        let g = graph(Op::Lstsq, &[&a, &b], 1);
        let point = [a.tensor(), b.tensor()];
        let name = |what: &str| format!("lstsq {m} × {n} of rank {}: {what}", k - 1);
        figures.check(
            &name("value"),
            error(&value(&g, &point), &inverse.times(&b).data),
            1e-13,
        );
        // Linear in b still; in A the solution jumps.
        for mode in [Mode::Forward, Mode::Reverse] {
            let all = jacobian(&g, &point, Some(mode));
            let (of_a, of_b) = all.split_at(n * m * n);
            figures.check(&name("Jacobian in b"), error(of_b, &inverse.data), 1e-13);
            assert!(of_a.iter().all(|x| x.is_nan()), "{mode:?}: {of_a:?}");
        }
    }
}

/// Strict requests name the node.
#[test]
fn strict_requests_refuse_repeated_values() {
    let strict = || Options {
        non_smooth: NonSmooth::Strict,
        ..Options::default()
    };
    let try_it = |g: &Graph, x: &[Tensor], v: &[Tensor]| {
        evaluate(g, Product::Jvp { directions: 0 }, strict(), x, v)
    };
    let unit = Dense::diagonal(&[1.0; 3]);
    let apart = Dense::diagonal(&[1.0, 2.0, 4.0]);
    let b = Dense::new(3, 1, &[1.0, 2.0, 3.0]);
    let deficient = Dense::diagonal(&[1.0, 1.0, 0.0]);
    for (op, bad) in [(Op::Eigh, &unit), (Op::Svd, &unit), (Op::Lstsq, &deficient)] {
        let (inputs, results) = match op {
            Op::Lstsq => (vec![bad, &b], 1),
            Op::Svd => (vec![bad], 3),
            _ => (vec![bad], 2),
        };
        let g = graph(op, &inputs, results);
        let with = |a: &Dense| {
            let mut all: Vec<Tensor> = inputs.iter().map(|m| m.tensor()).collect();
            all[0] = a.tensor();
            all
        };
        match try_it(&g, &with(bad), &with(bad)) {
            Err(Error::NonSmooth(culprit)) => assert_eq!((culprit.node, culprit.op), (0, op)),
            other => panic!("{}: {other:?}", op.name()),
        }
        let fine = try_it(&g, &with(&apart), &with(&apart)).expect("smooth");
        assert!(numbers(&fine).iter().all(|x| x.is_finite()));
    }
}

/// Every operation here with a matrix in it, and what it takes besides.
fn all_of(n: usize) -> Vec<(Op, Vec<Vec<u64>>, u32)> {
    let n = n as u64;
    vec![
        (Op::Eigh, vec![vec![n, n]], 2),
        (Op::Svd, vec![vec![n, n]], 3),
        (Op::Expm, vec![vec![n, n]], 1),
        (Op::ExpmDerivative, vec![vec![n, n], vec![n, n]], 1),
        (Op::Lstsq, vec![vec![n, n], vec![n]], 1),
        (
            Op::TridiagonalSolve,
            vec![vec![n], vec![n], vec![n], vec![n]],
            1,
        ),
    ]
}

/// No panic, no endless iteration, and no number that looks right.
#[test]
fn what_is_not_finite_gives_nan() {
    for n in [1, 2, 5, 33] {
        for (op, shapes, results) in all_of(n) {
            let g = graph_of(op, &shapes, Attributes::None, results);
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                for everywhere in [false, true] {
                    let fill = |shape: &Vec<u64>| {
                        let ty = TensorType::f64(shape.clone());
                        let first = |i: u64| if everywhere || i == 0 { bad } else { 1.0 };
                        let numbers: Vec<f64> = (0..ty.elements()).map(first).collect();
                        tensor(&ty, &numbers)
                    };
                    let inputs: Vec<Tensor> = shapes.iter().map(fill).collect();
                    let got = value(&g, &inputs);
                    assert!(
                        got.iter().any(|x| !x.is_finite()),
                        "{} {n} {bad}: {got:?}",
                        op.name()
                    );
                    if op != Op::TridiagonalSolve {
                        assert!(
                            got.iter().all(|x| x.is_nan()),
                            "{} {n} {bad}: {got:?}",
                            op.name()
                        );
                    }
                    jvp(&g, &inputs, &inputs);
                    let outputs = (0..results as usize).map(|i| g.output_type(i).clone());
                    let c: Vec<Tensor> = outputs.map(|ty| fill(&ty.shape.to_vec())).collect();
                    vjp(&g, &inputs, &c);
                }
            }
        }
    }
}

#[test]
fn extreme_numbers_are_survived() {
    for n in [1, 2, 5] {
        for (op, shapes, results) in all_of(n) {
            let g = graph_of(op, &shapes, Attributes::None, results);
            for size in [0.0, 1e-320, 1e-200, 1e200, 1e308] {
                let mut random = Random(9);
                let of = |shape: &Vec<u64>, random: &mut Random| {
                    random.tensor(&TensorType::f64(shape.clone()), (-size, size))
                };
                let inputs: Vec<Tensor> = shapes.iter().map(|s| of(s, &mut random)).collect();
                value(&g, &inputs);
                jvp(&g, &inputs, &inputs);
            }
        }
    }
}

#[test]
fn no_elements() {
    let shapes: [(Op, Vec<Vec<u64>>, u32); 11] = [
        (Op::Eigh, vec![vec![0, 0]], 2),
        (Op::Eigh, vec![vec![0, 3, 3]], 2),
        (Op::Eigh, vec![vec![2, 0, 0]], 2),
        (Op::Svd, vec![vec![0, 3]], 3),
        (Op::Svd, vec![vec![3, 0]], 3),
        (Op::Svd, vec![vec![0, 2, 3]], 3),
        (Op::Expm, vec![vec![0, 0]], 1),
        (Op::Lstsq, vec![vec![3, 0], vec![3]], 1),
        (Op::Lstsq, vec![vec![0, 3], vec![0, 2]], 1),
        (
            Op::TridiagonalSolve,
            vec![vec![0], vec![0], vec![0], vec![0]],
            1,
        ),
        (
            Op::TridiagonalSolve,
            vec![vec![2, 3], vec![2, 3], vec![2, 3], vec![2, 3, 0]],
            1,
        ),
    ];
    for (op, shapes, results) in shapes {
        let g = graph_of(op, &shapes, Attributes::None, results);
        let of = |ty: &TensorType| tensor(ty, &vec![1.0; ty.elements() as usize]);
        let inputs: Vec<Tensor> = g.inputs().iter().map(|i| of(&i.ty)).collect();
        let outputs: Vec<Tensor> = (0..results as usize)
            .map(|i| of(g.output_type(i)))
            .collect();
        let count = |t: &[Tensor]| t.iter().map(|t| t.ty().elements() as usize).sum::<usize>();
        let got = value(&g, &inputs);
        // Without equations the least x is 0.
        assert_eq!(got, vec![0.0; count(&outputs)], "{} {shapes:?}", op.name());
        assert_eq!(jvp(&g, &inputs, &inputs), vec![0.0; count(&outputs)]);
        assert_eq!(vjp(&g, &inputs, &outputs), vec![0.0; count(&inputs)]);
    }
}

#[test]
fn single_precision() {
    let mut random = Random(32);
    for (op, shapes, results) in all_of(4) {
        let of = |dtype: DType| {
            let mut g = GraphBuilder::new("single", Limits::default());
            let inputs: Vec<ValueId> = shapes
                .iter()
                .enumerate()
                .map(|(i, shape)| {
                    g.input(format!("x{i}"), TensorType::new(dtype, shape.clone()))
                        .expect("input")
                })
                .collect();
            let first = g.push(op, &inputs, Attributes::None, "").expect("node");
            for i in 0..results {
                g.output(&format!("y{i}"), ValueId(first.0 + i))
                    .expect("output");
            }
            g.finish().expect("graph")
        };
        let (narrow, wide) = (of(DType::F32), of(DType::F64));
        let numbers: Vec<Vec<f64>> = shapes
            .iter()
            .map(|shape| {
                let n = shape[shape.len() - 1];
                let size = shape.iter().product::<u64>();
                let heavy = |at: u64| shape.len() == 1 || at / n == at % n;
                (0..size)
                    .map(|at| {
                        random.within((-0.4, 0.4))
                            + if heavy(at) {
                                (at / n + at % n + 2) as f64
                            } else {
                                0.0
                            }
                    })
                    .map(|x| f64::from(x as f32))
                    .collect()
            })
            .collect();
        let directions: Vec<Vec<f64>> = numbers
            .iter()
            .map(|x| {
                x.iter()
                    .map(|_| f64::from(random.within((-1.0, 1.0)) as f32))
                    .collect()
            })
            .collect();
        let fill = |dtype: DType, numbers: &[Vec<f64>]| -> Vec<Tensor> {
            let of = shapes.iter().zip(numbers);
            of.map(|(shape, x)| tensor(&TensorType::new(dtype, shape.clone()), x))
                .collect()
        };
        let [x32, x64] = [DType::F32, DType::F64].map(|dtype| fill(dtype, &numbers));
        let [v32, v64] = [DType::F32, DType::F64].map(|dtype| fill(dtype, &directions));
        let gap = error(&value(&narrow, &x32), &value(&wide, &x64));
        assert!(gap < 1e-6, "{}: value {gap}", op.name());
        let gap = error(&jvp(&narrow, &x32, &v32), &jvp(&wide, &x64, &v64));
        assert!(gap < 2e-5, "{}: J v {gap}", op.name());
    }
}

/// Wrong inputs: the place, and the repair in words.
#[test]
fn wrong_inputs_are_told_what_to_do() {
    let refused = |op: Op, shapes: &[(DType, &[u64])], attributes: Attributes| {
        let mut g = GraphBuilder::new("wrong", Limits::default());
        let inputs: Vec<ValueId> = shapes
            .iter()
            .enumerate()
            .map(|(i, (dtype, shape))| {
                g.input(format!("x{i}"), TensorType::new(*dtype, shape.to_vec()))
                    .expect("input")
            })
            .collect();
        let violation = g.push(op, &inputs, attributes, "").expect_err(op.name());
        format!("{}: {violation}", violation.path())
    };
    const F: DType = DType::F64;
    let none = || Attributes::None;
    let pattern = |rows: &[u64], columns: &[u64]| {
        Attributes::SparsePattern(Arc::new(SparsePattern {
            row_count: 3,
            column_count: 4,
            rows: rows.to_vec(),
            columns: columns.to_vec(),
            transpose: false,
        }))
    };
    let sparse = |shapes: &[(DType, &[u64])], rows: &[u64], columns: &[u64]| {
        refused(Op::SparseMatvec, shapes, pattern(rows, columns))
    };
    let two: &[(DType, &[u64])] = &[(F, &[2]), (F, &[4])];
    let cases = [
        (
            refused(Op::Eigh, &[(F, &[2, 3])], none()),
            ["operands[0]", "square"],
        ),
        (
            refused(Op::Eigh, &[(DType::I64, &[2, 2])], none()),
            ["operands[0]", "convert"],
        ),
        (
            refused(Op::Svd, &[(F, &[3])], none()),
            ["operands[0]", "reshape"],
        ),
        (
            refused(Op::Expm, &[(F, &[])], none()),
            ["operands[0]", "reshape"],
        ),
        (
            refused(Op::ExpmDerivative, &[(F, &[2, 2]), (F, &[3, 3])], none()),
            ["operands[1]", "[2, 2]"],
        ),
        (
            refused(Op::Lstsq, &[(F, &[3, 2]), (F, &[2])], none()),
            ["operands[1]", "asks for 3"],
        ),
        (
            refused(Op::Lstsq, &[(F, &[3, 2]), (DType::F32, &[3])], none()),
            ["operands[1]", "convert"],
        ),
        (
            refused(
                Op::TridiagonalSolve,
                &[(F, &[2]), (F, &[3]), (F, &[3]), (F, &[3])],
                none(),
            ),
            ["operands[0]", "pad"],
        ),
        (
            refused(
                Op::TridiagonalSolve,
                &[(F, &[3]), (F, &[3]), (F, &[3]), (F, &[4])],
                none(),
            ),
            ["operands[3]", "asks for 3"],
        ),
        (
            refused(
                Op::TridiagonalSolve,
                &[(F, &[]), (F, &[]), (F, &[]), (F, &[])],
                none(),
            ),
            ["operands[1]", "reshape"],
        ),
        (sparse(two, &[0, 3], &[0, 0]), ["rows", "row_count is 3"]),
        (
            sparse(two, &[0, 1], &[0, 4]),
            ["columns", "column_count is 4"],
        ),
        (sparse(two, &[0, 1], &[0]), ["columns", "both"]),
        (sparse(two, &[1, 0], &[0, 0]), ["rows", "sort"]),
        (sparse(two, &[1, 1], &[2, 2]), ["rows", "duplicates"]),
        (
            sparse(&[(F, &[3]), (F, &[4])], &[0, 1], &[0, 0]),
            ["operands[0]", "2 entries"],
        ),
        (
            sparse(&[(F, &[2]), (F, &[3])], &[0, 1], &[0, 0]),
            ["operands[1]", "4"],
        ),
        (
            sparse(&[(F, &[5, 2]), (F, &[4])], &[0, 1], &[0, 0]),
            ["operands[1]", "broadcast_in_dim"],
        ),
    ];
    for (message, parts) in cases {
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
}
