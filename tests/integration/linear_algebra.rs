//! Derivatives of linear algebra against closed forms in double-double arithmetic and against differences.

mod edges;

use gradient_engine::{Attributes, Graph, Mode, Op, Tensor, TensorType, ValueId};
use gradient_tests::dense::{Double, Matrix};
use gradient_tests::engine::{Random, gradient, jacobian, jvp, moved, tensor, value, vjp};
use gradient_tests::scenarios::Draft;
use std::fmt::{Debug, Write};

/// What is differentiated.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Case {
    Determinant,
    Slogdet,
    Inverse,
    Cholesky,
    CholeskySolve,
    Solve { transpose: bool },
    Triangular { lower: bool, transpose: bool },
    Lu,
    Qr { more_rows: usize },
}

const ALL: [Case; 12] = [
    Case::Determinant,
    Case::Slogdet,
    Case::Inverse,
    Case::Cholesky,
    Case::CholeskySolve,
    Case::Solve { transpose: false },
    Case::Solve { transpose: true },
    Case::Triangular {
        lower: false,
        transpose: false,
    },
    Case::Triangular {
        lower: true,
        transpose: true,
    },
    Case::Lu,
    Case::Qr { more_rows: 0 },
    Case::Qr { more_rows: 3 },
];

impl Case {
    /// Rows of A.
    fn rows(self, n: usize) -> usize {
        match self {
            Case::Qr { more_rows } => n + more_rows,
            _ => n,
        }
    }

    fn has_right_side(self) -> bool {
        matches!(
            self,
            Case::Solve { .. } | Case::Triangular { .. } | Case::CholeskySolve
        )
    }

    /// Of A `[rows, n]` and, if there is one, b `[n]`.
    fn graph(self, n: usize) -> Graph {
        let mut g = Draft::new("case");
        let mut operands = vec![g.input("a", &[self.rows(n) as u64, n as u64])];
        if self.has_right_side() {
            operands.push(g.input("b", &[n as u64]));
        }
        let (op, attributes) = match self {
            Case::Determinant => (Op::Determinant, Attributes::None),
            Case::Slogdet => (Op::Slogdet, Attributes::None),
            Case::Inverse => (Op::Inverse, Attributes::None),
            Case::Cholesky => (Op::Cholesky, Attributes::None),
            Case::CholeskySolve => (Op::CholeskySolve, Attributes::None),
            Case::Solve { transpose } => (
                Op::Solve,
                Attributes::Solve {
                    transpose_a: transpose,
                },
            ),
            Case::Triangular { lower, transpose } => (
                Op::TriangularSolve,
                Attributes::TriangularSolve {
                    lower,
                    transpose_a: transpose,
                    unit_diagonal: false,
                },
            ),
            Case::Lu => (Op::Lu, Attributes::None),
            Case::Qr { .. } => (Op::Qr, Attributes::None),
        };
        let first = g.push(op, &operands, attributes);
        let results: &[u32] = match self {
            Case::Slogdet => &[1],
            Case::Lu => &[1, 2],
            Case::Qr { .. } => &[0, 1],
            _ => &[0],
        };
        for &i in results {
            g.0.output(&format!("result {i}"), ValueId(first.0 + i))
                .expect("output");
        }
        g.0.finish().expect("graph")
    }

    /// A with this condition number (as its place in the operation needs it), and b.
    fn point(self, n: usize, condition: f64, random: &mut Random) -> Vec<Matrix> {
        let m = self.rows(n);
        let a = match self {
            Case::Cholesky => {
                let q = orthogonal(n, n, random);
                let a = q.times(&spectrum(n, condition)).times(&q.transposed());
                a.plus(1.0, &a.transposed())
            }
            Case::CholeskySolve => triangle(n, condition.sqrt(), true, random),
            Case::Triangular { lower, .. } => triangle(n, condition, lower, random),
            _ => with_condition(m, n, condition, random),
        };
        let mut all = vec![rounded(&a)];
        if self.has_right_side() {
            all.push(random_matrix(n, 1, random));
        }
        all
    }

    /// The results' derivatives along directions of A and b, by the closed form.
    fn closed(self, x: &[Matrix], d: &[Matrix]) -> Vec<Matrix> {
        let (a, da) = (&x[0], &d[0]);
        let n = a.columns;
        // X of M X = B + dB - dM X for M = A or Aᵀ, or a triangle of them.
        let system = |m: &Matrix, dm: &Matrix| {
            let inverse = m.inverse();
            let solution = inverse.times(&x[1]);
            vec![inverse.times(&d[1].plus(-1.0, &dm.times(&solution)))]
        };
        match self {
            Case::Determinant => {
                let scale = a.determinant();
                let rate = a.inverse().transposed().inner(da);
                vec![Matrix::from_fn(1, 1, |_, _| scale * rate)]
            }
            Case::Slogdet => {
                let rate = a.inverse().transposed().inner(da);
                vec![Matrix::from_fn(1, 1, |_, _| rate)]
            }
            Case::Inverse => {
                let inverse = a.inverse();
                let negative = inverse.times(da).times(&inverse);
                vec![zeros(n, n).plus(-1.0, &negative)]
            }
            Case::Cholesky => {
                let l = a.part(|i, j| j <= i);
                let l = l.plus(1.0, &a.part(|i, j| j < i).transposed()).cholesky();
                let da = da
                    .part(|i, j| j <= i)
                    .plus(1.0, &da.part(|i, j| j < i).transposed());
                let inverse = l.inverse();
                let phi = inverse.times(&da).times(&inverse.transposed());
                let half = phi.part(|i, j| i == j);
                vec![l.times(&phi.part(|i, j| j <= i).plus(-0.5, &half))]
            }
            Case::CholeskySolve => {
                let lower = |m: &Matrix| m.part(|i, j| j <= i);
                let (l, dl) = (lower(a), lower(da));
                let product = l.times(&l.transposed());
                let moved = dl.times(&l.transposed());
                system(&product, &moved.plus(1.0, &moved.transposed()))
            }
            Case::Solve { transpose: false } => system(a, da),
            Case::Solve { transpose: true } => system(&a.transposed(), &da.transposed()),
            Case::Triangular { lower, transpose } => {
                let read = |m: &Matrix| {
                    let part = m.part(|i, j| i == j || (i > j) == lower);
                    if transpose { part.transposed() } else { part }
                };
                system(&read(a), &read(da))
            }
            Case::Lu => {
                let (order, _, l, u) = a.lu();
                let f = l.inverse().times(&da.reordered(&order)).times(&u.inverse());
                vec![
                    l.times(&f.part(|i, j| j < i)),
                    f.part(|i, j| j >= i).times(&u),
                ]
            }
            Case::Qr { .. } => {
                let (q, r) = a.qr();
                let x = da.times(&r.inverse());
                let c = q.transposed().times(&x);
                let below = c.part(|i, j| j < i);
                let omega = below.plus(-1.0, &below.transposed());
                let inside = q.times(&c.plus(-1.0, &omega));
                vec![x.plus(-1.0, &inside), c.plus(-1.0, &omega).times(&r)]
            }
        }
    }
}

fn zeros(m: usize, n: usize) -> Matrix {
    Matrix::from_fn(m, n, |_, _| Double::default())
}

fn random_matrix(m: usize, n: usize, random: &mut Random) -> Matrix {
    let numbers: Vec<f64> = (0..m * n).map(|_| random.within((-1.0, 1.0))).collect();
    Matrix::new(m, n, &numbers)
}

fn rounded(a: &Matrix) -> Matrix {
    Matrix::new(a.rows, a.columns, &a.to_f64())
}

fn orthogonal(m: usize, n: usize, random: &mut Random) -> Matrix {
    random_matrix(m, n, random).qr().0
}

/// Singular values from 1 down to 1 / condition, evenly on a logarithmic scale.
fn spectrum(n: usize, condition: f64) -> Matrix {
    let value = |i: usize| condition.powf(-(i as f64) / (n.max(2) - 1) as f64);
    Matrix::from_fn(n, n, |i, j| {
        if i == j {
            value(i).into()
        } else {
            Double::default()
        }
    })
}

fn with_condition(m: usize, n: usize, condition: f64, random: &mut Random) -> Matrix {
    let (u, v) = (orthogonal(m, n, random), orthogonal(n, n, random));
    u.times(&spectrum(n, condition)).times(&v)
}

/// A triangular matrix with this condition number; the other triangle holds numbers that nobody is to read.
fn triangle(n: usize, condition: f64, lower: bool, random: &mut Random) -> Matrix {
    let r = with_condition(n, n, condition, random).qr().1;
    let r = if lower { r.transposed() } else { r };
    let other = random_matrix(n, n, random);
    r.plus(1.0, &other.part(|i, j| i != j && (i > j) != lower))
}

/// The Hilbert matrix: symmetric, positive definite, of condition number 1.5e10 for n = 8.
fn hilbert(n: usize) -> Matrix {
    rounded(&Matrix::from_fn(n, n, |i, j| {
        Double::new(1.0 / (i + j + 1) as f64)
    }))
}

fn as_tensors(graph: &Graph, matrices: &[Matrix]) -> Vec<Tensor> {
    let inputs = graph.inputs().iter().zip(matrices);
    inputs
        .map(|(input, m)| tensor(&input.ty, &m.to_f64()))
        .collect()
}

fn flat(matrices: &[Matrix]) -> Vec<f64> {
    matrices.iter().flat_map(Matrix::to_f64).collect()
}

/// The largest difference, relative to the largest number; infinite where a number is not finite.
fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len(), "as many numbers");
    if !got.iter().chain(want).all(|x| x.is_finite()) {
        return f64::INFINITY;
    }
    let largest = |of: &mut dyn Iterator<Item = f64>| of.fold(0.0f64, |a, b| a.max(b.abs()));
    let error = largest(&mut got.iter().zip(want).map(|(g, w)| g - w));
    if error == 0.0 {
        0.0
    } else {
        error / largest(&mut want.iter().copied())
    }
}

/// Whole Jacobians, forward and reverse, column by column.
fn error_of_jacobian(case: Case, graph: &Graph, x: &[Matrix]) -> f64 {
    let at = as_tensors(graph, x);
    let mut columns: Vec<Vec<Vec<f64>>> = Vec::new();
    for i in 0..x.len() {
        for e in 0..x[i].rows * x[i].columns {
            let mut d: Vec<Matrix> = x.iter().map(|m| zeros(m.rows, m.columns)).collect();
            let columns_of_i = x[i].columns;
            d[i] = Matrix::from_fn(x[i].rows, columns_of_i, |r, c| {
                Double::new(if r * columns_of_i + c == e { 1.0 } else { 0.0 })
            });
            columns.push(case.closed(x, &d).iter().map(Matrix::to_f64).collect());
        }
    }
    // Blocks: for every result and operand a matrix of derivatives.
    let mut want = Vec::new();
    for result in 0..columns[0].len() {
        let mut first = 0;
        for operand in x {
            let size = operand.rows * operand.columns;
            for row in 0..columns[0][result].len() {
                want.extend(columns[first..first + size].iter().map(|c| c[result][row]));
            }
            first += size;
        }
    }
    let modes = [Mode::Forward, Mode::Reverse];
    let errors = modes.map(|mode| distance(&jacobian(graph, &at, Some(mode)), &want));
    errors[0].max(errors[1])
}

/// J v along random directions, and Jᵀ c through <Jᵀ c, v> = <c, J v>.
fn error_along_directions(case: Case, graph: &Graph, x: &[Matrix], random: &mut Random) -> f64 {
    let at = as_tensors(graph, x);
    // Squares of determinants' cofactors would vanish.
    let length = |x: &[f64]| {
        let largest = x.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let sum: f64 = x.iter().map(|x| (x / largest).powi(2)).sum();
        largest * sum.sqrt()
    };
    let mut worst = 0.0f64;
    for _ in 0..2 {
        let d: Vec<Matrix> = x
            .iter()
            .map(|m| random_matrix(m.rows, m.columns, random))
            .collect();
        let want = case.closed(x, &d);
        worst = worst.max(distance(
            &jvp(graph, &at, &as_tensors(graph, &d)),
            &flat(&want),
        ));
        let c: Vec<Matrix> = want
            .iter()
            .map(|m| random_matrix(m.rows, m.columns, random))
            .collect();
        let cotangents: Vec<Tensor> = (0..c.len())
            .map(|i| tensor(graph.output_type(i), &c[i].to_f64()))
            .collect();
        let back = vjp(graph, &at, &cotangents);
        let v = flat(&d);
        let left = back
            .iter()
            .zip(&v)
            .fold(Double::default(), |sum, (&b, &v)| {
                sum + Double::new(b) * Double::new(v)
            });
        let pairs = c.iter().zip(&want);
        let right = pairs.fold(Double::default(), |sum, (c, w)| sum + c.inner(w));
        let error = (left - right).to_f64().abs() / (length(&back) * length(&v));
        worst = worst.max(if error.is_finite() {
            error
        } else {
            f64::INFINITY
        });
    }
    worst
}

fn error(case: Case, n: usize, x: &[Matrix], random: &mut Random) -> f64 {
    let graph = case.graph(n);
    let mut worst = error_along_directions(case, &graph, x, random);
    if n <= 5 {
        worst = worst.max(error_of_jacobian(case, &graph, x));
    }
    if let Case::Determinant | Case::Slogdet = case {
        let scale = match case {
            Case::Determinant => x[0].determinant(),
            _ => Double::new(1.0),
        };
        let inverse = x[0].inverse();
        let want = Matrix::from_fn(n, n, |i, j| scale * inverse.at(j, i)).to_f64();
        let got = gradient(&graph, &as_tensors(&graph, x));
        worst = worst.max(distance(&got, &want));
    }
    worst
}

/// Of each point: its name, the error, the bound.
type Figures = Vec<(String, f64, f64)>;

/// Prints a line for each case, and fails where one is above its bound.
fn report(lines: Vec<(impl Debug, Figures)>) {
    let (mut table, mut wrong) = (String::new(), String::new());
    for (case, figures) in lines {
        let _ = write!(table, "\n{case:?}:");
        for (name, error, bound) in figures {
            let _ = write!(table, "  {name} {error:.1e}");
            if error.is_nan() || error > bound {
                let _ = write!(wrong, "\n{case:?} {name}: {error:.1e} is above {bound:.0e}");
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong}\nof{table}");
}

/// Condition number × 1e-14, relative to the largest derivative.
#[test]
fn derivatives_agree_with_closed_forms_up_to_the_condition_number() {
    let of = |case: Case| {
        let mut random = Random(0x11a1 + case.rows(0) as u64);
        let mut figures = Vec::new();
        for condition in [1e2, 1e10] {
            for n in [1, 2, 5, 50] {
                let x = case.point(n, condition, &mut random);
                let name = format!("n {n} condition {condition:.0e}");
                figures.push((name, error(case, n, &x, &mut random), condition * 1e-14));
            }
        }
        if !case.has_right_side() && case.rows(8) == 8 {
            let error = error(case, 8, &[hilbert(8)], &mut random);
            figures.push(("Hilbert 8".into(), error, 1.5e10 * 1e-14));
        }
        (case, figures)
    };
    report(ALL.into_iter().map(of).collect());
}

#[test]
fn derivatives_agree_with_central_differences() {
    const H: f64 = 1e-3;
    let of = |case: Case| {
        let mut random = Random(0xd1ff);
        let mut figures = Vec::new();
        for n in [1, 2, 5, 50] {
            let graph = case.graph(n);
            let at = as_tensors(&graph, &case.point(n, 4.0, &mut random));
            let direction = |input: &gradient_engine::graph::Input, random: &mut Random| {
                // Short enough that 50 · 50 elements together stay a small step.
                let bound = 1.0 / n as f64;
                random.tensor(&input.ty, (-bound, bound))
            };
            let inputs = graph.inputs().iter();
            let v: Vec<Tensor> = inputs.map(|i| direction(i, &mut random)).collect();
            let along = |t: f64| value(&graph, &moved(&at, &v, &graph.float_inputs(), t));
            let central = |h: f64| -> Vec<f64> {
                let pairs = along(h).into_iter().zip(along(-h));
                pairs.map(|(p, m)| (p - m) / (2.0 * h)).collect()
            };
            let (wide, narrow) = (central(H), central(H / 2.0));
            let pairs = narrow.iter().zip(&wide);
            let want: Vec<f64> = pairs.map(|(n, w)| (4.0 * n - w) / 3.0).collect();
            let got = jvp(&graph, &at, &v);
            figures.push((format!("n {n}"), distance(&got, &want), 1e-9));
        }
        (case, figures)
    };
    report(ALL.into_iter().map(of).collect());
}

/// What defines a factorisation holds for its value and, differentiated, for its derivative: with the factors alone,
/// no closed form of theirs.
#[test]
fn factors_and_their_tangents_multiply_to_the_matrix_and_its_tangent() {
    let mut random = Random(0xfac7);
    for n in [1, 2, 5, 50] {
        for case in [
            Case::Cholesky,
            Case::Lu,
            Case::Qr { more_rows: 0 },
            Case::Qr { more_rows: 3 },
        ] {
            let (graph, m) = (case.graph(n), case.rows(n));
            let x = case.point(n, 1e2, &mut random);
            let mut d = random_matrix(m, n, &mut random);
            if case == Case::Cholesky {
                d = d.plus(1.0, &d.transposed());
            }
            let (at, along) = (
                as_tensors(&graph, &x),
                as_tensors(&graph, std::slice::from_ref(&d)),
            );
            let (values, tangents) = (value(&graph, &at), jvp(&graph, &at, &along));
            let split = |numbers: &[f64]| match case {
                Case::Cholesky => {
                    let l = Matrix::new(n, n, numbers);
                    [l.clone(), l.transposed()]
                }
                _ => [
                    Matrix::new(m, n, &numbers[..m * n]),
                    Matrix::new(n, n, &numbers[m * n..]),
                ],
            };
            let ([f, g], [df, dg]) = (split(&values), split(&tangents));
            let order = match case {
                Case::Lu => x[0].lu().0,
                _ => (0..m).collect(),
            };
            let of = |left: &Matrix, right: &Matrix| distance(&left.to_f64(), &right.to_f64());
            let product = of(&f.times(&g), &x[0].reordered(&order));
            let moved = df.times(&g).plus(1.0, &f.times(&dg));
            let tangent = of(&moved, &d.reordered(&order));
            assert!(
                product < 1e-13,
                "{case:?} n {n}: product off by {product:.1e}"
            );
            assert!(
                tangent < 1e-12,
                "{case:?} n {n}: tangent off by {tangent:.1e}"
            );
            let vanishes = |m: &Matrix, where_: &dyn Fn(usize, usize) -> bool| {
                m.part(where_).to_f64().iter().all(|&x| x == 0.0)
            };
            let is_lower = |i: usize, j: usize| j <= i;
            match case {
                Case::Cholesky => assert!(vanishes(&df, &|i, j| !is_lower(i, j)), "{n}"),
                Case::Lu => {
                    assert!(
                        vanishes(&df, &|i, j| j >= i) && vanishes(&dg, &|i, j| j < i),
                        "{n}"
                    );
                }
                _ => {
                    assert!(vanishes(&dg, &|i, j| j < i), "{n}");
                    assert!((0..n).all(|i| g.at(i, i).to_f64() > 0.0), "{n}");
                    let turned = f.transposed().times(&df);
                    let sum = turned.plus(1.0, &turned.transposed()).to_f64();
                    assert!(
                        sum.iter().all(|x| x.abs() < 1e-11),
                        "{n}: dQᵀQ + QᵀdQ {sum:?}"
                    );
                }
            }
        }
    }
}

/// A batch is the loop over its items, to the last bit.
#[test]
fn a_batch_is_a_loop() {
    let mut random = Random(0xba7c);
    for case in ALL {
        let n = 3;
        let items: Vec<Vec<Matrix>> = (0..6).map(|_| case.point(n, 10.0, &mut random)).collect();
        let graph = case.graph(n);
        let batched = {
            let mut g = Draft::new("batch");
            let mut map: Vec<ValueId> = Vec::new();
            for input in graph.inputs() {
                let shape = [&[2, 3], &input.ty.shape[..]].concat();
                map.push(g.input(&input.name, &shape));
            }
            for node in graph.nodes() {
                let operands: Vec<_> = node.operands.iter().map(|v| map[v.index()]).collect();
                let first = g.push(node.op, &operands, node.attributes.clone());
                map.extend((0..u32::from(node.result_count)).map(|i| ValueId(first.0 + i)));
            }
            for output in graph.outputs() {
                g.0.output(&output.name, map[output.value.index()])
                    .expect("output");
            }
            g.0.finish().expect("graph")
        };
        let together: Vec<Tensor> = (0..graph.inputs().len())
            .map(|i| {
                let numbers: Vec<f64> = items.iter().flat_map(|x| x[i].to_f64()).collect();
                tensor(&batched.inputs()[i].ty, &numbers)
            })
            .collect();
        let d: Vec<Tensor> = together
            .iter()
            .map(|t| random.tensor(t.ty(), (-1.0, 1.0)))
            .collect();
        let got = (value(&batched, &together), jvp(&batched, &together, &d));
        let mut want = (vec![], vec![]);
        let single: Vec<_> = items.iter().map(|x| as_tensors(&graph, x)).collect();
        let part = |t: &Tensor, at: usize, ty: &TensorType| {
            let size = ty.elements() as usize;
            tensor(ty, &t.to_f64()[at * size..(at + 1) * size])
        };
        let results: Vec<_> = single
            .iter()
            .enumerate()
            .map(|(at, x)| {
                let inputs = graph.inputs().iter().zip(&d);
                let d: Vec<Tensor> = inputs.map(|(i, d)| part(d, at, &i.ty)).collect();
                (value(&graph, x), jvp(&graph, x, &d))
            })
            .collect();
        let mut first = 0;
        for o in 0..graph.outputs().len() {
            let size = graph.output_type(o).elements() as usize;
            for (values, tangents) in &results {
                want.0.extend_from_slice(&values[first..first + size]);
                want.1.extend_from_slice(&tangents[first..first + size]);
            }
            first += size;
        }
        assert_eq!(got.0, want.0, "{case:?}");
        assert!(distance(&got.1, &want.1) < 1e-14, "{case:?}");
    }
}
