//! interp1d and bspline: polynomials they reproduce, independent evaluation, ends, knots, and what is declared there.

use super::{INF, NAN, derivative, f64s, graph, in_f32, result, same};
use gradient_engine::{
    Attributes, DType, Error, Extrapolation, InterpolationKind, NonSmooth, Op, Product, Tensor,
    TensorType,
};
use gradient_tests::engine::{Random, close, evaluate, jacobian, tensor, value};
use gradient_tests::scenarios::Draft;

use Extrapolation::{Constant, Extend, Nan};
use InterpolationKind::{Cubic, Linear};

fn interpolate(kind: InterpolationKind, extrapolation: Extrapolation) -> Attributes {
    Attributes::Interpolate {
        kind,
        extrapolation,
    }
}

fn vector(numbers: &[f64]) -> Tensor {
    f64s(&[numbers.len() as u64], numbers)
}

fn interpolated(
    kind: InterpolationKind,
    extrapolation: Extrapolation,
    q: &[f64],
    x: &[f64],
    y: &[f64],
) -> Vec<f64> {
    let operands = [vector(q), vector(x), vector(y)];
    result(Op::Interp1d, &operands, interpolate(kind, extrapolation))
}

const KNOTS: [f64; 6] = [-1.0, -0.4, 0.1, 0.7, 1.9, 2.5];

#[test]
fn lines_reproduce_a_line_exactly_and_go_through_every_point() {
    let line = |x: f64| 3.0 - 2.0 * x;
    let y = KNOTS.map(line);
    let q: Vec<f64> = (0..61).map(|i| -1.0 + 3.5 * f64::from(i) / 60.0).collect();
    let want: Vec<f64> = q.iter().map(|&q| line(q)).collect();
    for kind in [Linear, Cubic] {
        for beyond in [Constant, Extend, Nan] {
            assert!(same(
                &interpolated(kind, beyond, &q, &KNOTS, &y),
                &want,
                2e-15
            ));
            let y = [0.3, -7.0, 2.0, 2.0, 1e9, -0.1];
            assert_eq!(
                interpolated(kind, beyond, &KNOTS, &KNOTS, &y),
                y,
                "{kind:?}"
            );
        }
    }
    // What lies between, where every number is exact.
    let (x, y) = (
        [0.0, 0.5, 1.0, 2.0, 4.0, 8.0],
        [0.0, 6.0, 1.0, 1.0, -2.0, 4.0],
    );
    let got = interpolated(Linear, Constant, &[0.25, 0.75, 1.5, 2.5, 6.0], &x, &y);
    assert_eq!(got, [3.0, 3.5, 1.0, 0.25, 1.0]);
}

/// The natural spline from the dense system of its second derivatives, by Gaussian elimination, and each piece in the
/// textbook form with both ends' second derivatives.
fn natural_spline(x: &[f64], y: &[f64], q: f64) -> f64 {
    let n = x.len();
    let h = |i: usize| x[i + 1] - x[i];
    let mut a = vec![vec![0.0; n + 1]; n];
    for (i, row) in a.iter_mut().enumerate() {
        if i == 0 || i == n - 1 {
            row[i] = 1.0;
            continue;
        }
        row[i - 1] = h(i - 1);
        row[i] = 2.0 * (h(i - 1) + h(i));
        row[i + 1] = h(i);
        row[n] = 6.0 * ((y[i + 1] - y[i]) / h(i) - (y[i] - y[i - 1]) / h(i - 1));
    }
    for i in 0..n {
        for j in i + 1..n {
            let factor = a[j][i] / a[i][i];
            for k in i..=n {
                a[j][k] -= factor * a[i][k];
            }
        }
    }
    let mut m = vec![0.0; n];
    for i in (0..n).rev() {
        let rest: f64 = (i + 1..n).map(|k| a[i][k] * m[k]).sum();
        m[i] = (a[i][n] - rest) / a[i][i];
    }
    let i = (0..n - 1).rev().find(|&i| x[i] <= q).unwrap_or(0);
    let (u, v, h) = (q - x[i], x[i + 1] - q, h(i));
    (m[i] * v.powi(3) + m[i + 1] * u.powi(3)) / (6.0 * h)
        + (y[i] / h - m[i] * h / 6.0) * v
        + (y[i + 1] / h - m[i + 1] * h / 6.0) * u
}

#[test]
fn the_cubic_spline_is_the_natural_one() {
    let mut random = Random(6);
    for n in [2usize, 3, 4, 6, 17] {
        let mut at = 0.0;
        let x: Vec<f64> = (0..n)
            .map(|_| {
                at += random.within((0.3, 1.5));
                at
            })
            .collect();
        let y: Vec<f64> = (0..n).map(|_| random.within((-1.0, 1.0))).collect();
        let q: Vec<f64> = (0..40)
            .map(|_| random.within((x[0] - 0.5, at + 0.5)))
            .collect();
        let want: Vec<f64> = q.iter().map(|&q| natural_spline(&x, &y, q)).collect();
        let got = interpolated(Cubic, Extend, &q, &x, &y);
        assert!(same(&got, &want, 2e-13), "{n} knots:\n{got:?}\n{want:?}");
        let operands = [&q[..], &x, &y].map(|v| in_f32(&vector(v)));
        let narrow = result(Op::Interp1d, &operands, interpolate(Cubic, Extend));
        let exact = [&operands[0], &operands[1], &operands[2]].map(|t| t.to_f64());
        let exact = interpolated(Cubic, Extend, &exact[0], &exact[1], &exact[2]);
        assert!(same(&narrow, &exact, 1e-7), "{n} knots in f32");
    }
    // Through 0, 1, 0 at -1, 0, 1 it is (3 u - u³) / 2 at the distance u from the nearer end.
    let q: Vec<f64> = (-10..=10).map(|i| f64::from(i) / 10.0).collect();
    let hat = interpolated(Cubic, Constant, &q, &[-1.0, 0.0, 1.0], &[0.0, 1.0, 0.0]);
    for (q, got) in q.iter().zip(hat) {
        let u = 1.0 - q.abs();
        let want = (3.0 * u - u.powi(3)) / 2.0;
        assert!((got - want).abs() <= 1e-15, "{q}: {got} against {want}");
    }
}

#[test]
fn beyond_the_knots() {
    let y = [2.0, 0.0, 1.0, 3.0, -1.0, 5.0];
    let q = [-INF, -1.5, 2.75, INF, NAN];
    assert!(same(
        &interpolated(Linear, Constant, &q, &KNOTS, &y),
        &[2.0, 2.0, 5.0, 5.0, NAN],
        0.0
    ));
    assert!(same(
        &interpolated(Linear, Extend, &q, &KNOTS, &y),
        &[INF, 2.0 + 5.0 / 3.0, 7.5, INF, NAN],
        1e-14
    ));
    for kind in [Linear, Cubic] {
        assert!(same(
            &interpolated(kind, Nan, &q, &KNOTS, &y),
            &[NAN; 5],
            0.0
        ));
        assert!(same(
            &interpolated(kind, Constant, &q, &KNOTS, &y),
            &[2.0, 2.0, 5.0, 5.0, NAN],
            0.0
        ));
        // One knot.
        assert!(same(
            &interpolated(kind, Constant, &q, &[1.0], &[4.0]),
            &[4.0, 4.0, 4.0, 4.0, NAN],
            0.0
        ));
        assert!(same(
            &interpolated(kind, Nan, &[1.0, 1.5], &[1.0], &[4.0]),
            &[4.0, NAN],
            0.0
        ));
        // No query, and one that is a scalar.
        assert_eq!(interpolated(kind, Constant, &[], &KNOTS, &y), []);
        let scalar = [f64s(&[], &[0.1]), vector(&KNOTS), vector(&y)];
        assert_eq!(
            result(Op::Interp1d, &scalar, interpolate(kind, Extend)),
            [1.0]
        );
    }
    // 0 beyond what is constant; beyond NaN there is nothing to differentiate.
    for beyond in [Constant, Nan] {
        let operands = [vector(&[-2.0]), vector(&KNOTS), vector(&y)];
        let g = graph(Op::Interp1d, &operands, interpolate(Linear, beyond));
        let slopes = jacobian(&g, &operands, None);
        assert_eq!(slopes[..7], [0.0; 7], "{beyond:?}");
        let first = if beyond == Constant { 1.0 } else { 0.0 };
        assert_eq!(slopes[7..], [first, 0.0, 0.0, 0.0, 0.0, 0.0], "{beyond:?}");
    }
    // Knots that do not increase give some number, not a crash.
    let wild = [3.0, NAN, 1.0, 1.0, -INF];
    for kind in [Linear, Cubic] {
        assert_eq!(interpolated(kind, Extend, &wild, &wild, &wild).len(), 5);
    }
}

#[test]
fn at_a_knot_the_slope_is_that_of_the_piece_on_the_right() {
    let y = [2.0, 0.0, 1.0, 3.0, -1.0, 5.0];
    let slope = |i: usize| (y[i + 1] - y[i]) / (KNOTS[i + 1] - KNOTS[i]);
    let operands = |i: usize| [f64s(&[], &[KNOTS[i]]), vector(&KNOTS), vector(&y)];
    for beyond in [Constant, Extend, Nan] {
        let g = graph(Op::Interp1d, &operands(0), interpolate(Linear, beyond));
        for i in 0..6 {
            let at = operands(i);
            for policy in [NonSmooth::Standard, NonSmooth::Jax, NonSmooth::PyTorch] {
                let got = derivative(&g, &at, policy).expect("declared")[0];
                let want = slope(i.min(4));
                assert!(
                    close(got, want, 1e-15),
                    "{i} {beyond:?}: {got} against {want}"
                );
            }
            let strict = derivative(&g, &at, NonSmooth::Strict);
            let is_end = i == 0 || i == 5;
            if is_end && beyond == Extend {
                assert!(strict.is_ok(), "the end's piece goes on: {strict:?}");
                continue;
            }
            assert!(
                matches!(&strict, Err(Error::NonSmooth(c)) if (c.op, c.node) == (Op::Interp1d, 0)),
                "{i} {beyond:?}: {strict:?}"
            );
            // In the values there is no kink anywhere.
            let options = gradient_engine::Options {
                non_smooth: NonSmooth::Strict,
                ..gradient_engine::Options::default()
            };
            let product = Product::Gradient {
                output: 0,
                wrt: vec![2],
            };
            assert!(evaluate(&g, product, options, &at, &[]).is_ok());
        }
        let g = graph(Op::Interp1d, &operands(0), interpolate(Cubic, beyond));
        for i in 0..6 {
            let strict = derivative(&g, &operands(i), NonSmooth::Strict);
            let smooth = beyond == Extend || (1..5).contains(&i);
            assert_eq!(strict.is_ok(), smooth, "{i} {beyond:?}: {strict:?}");
        }
    }
    let between = [f64s(&[], &[0.3]), vector(&KNOTS), vector(&y)];
    for kind in [Linear, Cubic] {
        let g = graph(Op::Interp1d, &between, interpolate(kind, Constant));
        let strict = derivative(&g, &between, NonSmooth::Strict).expect("smooth");
        let standard = derivative(&g, &between, NonSmooth::Standard).expect("smooth");
        assert_eq!(strict, standard);
    }
}

/// Cox and de Boor's definition: a B-spline of a degree from two of one less, 0 / 0 being 0.
fn basis(t: &[f64], i: usize, k: usize, x: f64) -> f64 {
    if k == 0 {
        return f64::from(u8::from(t[i] <= x && x < t[i + 1]));
    }
    let part = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    part(x - t[i], t[i + k] - t[i]) * basis(t, i, k - 1, x)
        + part(t[i + k + 1] - x, t[i + k + 1] - t[i + 1]) * basis(t, i + 1, k - 1, x)
}

fn spline(degree: u32, x: &[f64], t: &[f64], c: &[f64]) -> Vec<f64> {
    let operands = [vector(x), vector(t), vector(c)];
    result(Op::Bspline, &operands, Attributes::BSpline { degree })
}

/// Knots of n coefficients: ends repeated or not, one in the middle repeated or not.
fn knot_vectors(degree: usize, n: usize) -> Vec<Vec<f64>> {
    let even: Vec<f64> = (0..n + degree + 1).map(|i| i as f64 * 0.7 - 1.0).collect();
    let mut ends = even.clone();
    ends[..=degree].fill(even[degree]);
    ends[n..].fill(even[n]);
    let mut middle = ends.clone();
    if n > degree + 2 {
        middle[degree + 2] = middle[degree + 1];
    }
    vec![even, ends, middle]
}

#[test]
fn splines_are_the_sum_of_their_b_splines() {
    let mut random = Random(7);
    for degree in 0..=5usize {
        for n in [degree + 1, degree + 2, degree + 5] {
            for t in knot_vectors(degree, n) {
                let c: Vec<f64> = (0..n).map(|_| random.within((-1.0, 1.0))).collect();
                let mut x: Vec<f64> = (0..20).map(|_| random.within((t[degree], t[n]))).collect();
                // Knots too, but the last, where the definition's half-open pieces end.
                x.extend(t[degree..n].iter().filter(|&&k| k < t[n]));
                let want: Vec<f64> = x
                    .iter()
                    .map(|&x| (0..n).map(|i| c[i] * basis(&t, i, degree, x)).sum())
                    .collect();
                let got = spline(degree as u32, &x, &t, &c);
                assert!(
                    same(&got, &want, 1e-13),
                    "{degree} {t:?}:\n{got:?}\n{want:?}"
                );
                // Partition of unity, beyond the ends too.
                x.extend([t[degree] - 0.5, t[n], t[n] + 0.5]);
                let ones = spline(degree as u32, &x, &t, &vec![1.0; n]);
                assert_eq!(ones, vec![1.0; x.len()]);
                // Greville's abscissae give x itself, beyond the ends too.
                if degree > 0 {
                    let greville: Vec<f64> = (0..n)
                        .map(|i| t[i + 1..=i + degree].iter().sum::<f64>() / degree as f64)
                        .collect();
                    let got = spline(degree as u32, &x, &t, &greville);
                    assert!(
                        same(&got, &x, 1e-13),
                        "{degree} {t:?}: {got:?} against {x:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn splines_at_ends_knots_and_nan() {
    let t = [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0];
    let c = [5.0, -1.0, 2.0, 4.0, 0.5, 7.0];
    // A spline goes through its end coefficients where the ends are repeated.
    let got = spline(2, &[0.0, 3.0, NAN], &t, &c);
    assert!(same(&got, &[5.0, 7.0, NAN], 1e-15), "{got:?}");
    assert!(same(
        &spline(0, &[NAN, 0.5], &[0.0, 1.0], &[3.0]),
        &[NAN, 3.0],
        0.0
    ));
    assert_eq!(spline(2, &[], &t, &c), []);
    // No piece at all: some number, not a crash.
    assert_eq!(
        spline(1, &[0.0, 2.0, -1.0], &[1.0; 4], &[1.0, 2.0]).len(),
        3
    );
    assert_eq!(spline(1, &[0.0, NAN], &[NAN; 4], &[1.0, 2.0]).len(), 2);

    // Knot 2 stands as often as the degree: an angle. At the simple knot 1 there is none.
    let at = |x: f64| [f64s(&[], &[x]), vector(&t), vector(&c)];
    let g = graph(Op::Bspline, &at(0.5), Attributes::BSpline { degree: 2 });
    for (x, smooth) in [
        (0.0, true),
        (0.5, true),
        (1.0, true),
        (2.0, false),
        (2.5, true),
        (3.0, true),
    ] {
        let strict = derivative(&g, &at(x), NonSmooth::Strict);
        assert_eq!(strict.is_ok(), smooth, "{x}: {strict:?}");
    }
    let slope = |x: f64| derivative(&g, &at(x), NonSmooth::Standard).expect("declared")[0];
    // Right of 2: the first of two pieces' derivative, 2 (c₄ - c₃) / (3 - 2).
    assert!(
        close(slope(2.0), 2.0 * (0.5 - 4.0), 1e-14),
        "{}",
        slope(2.0)
    );
    assert!(close(
        slope(2.0 - 1e-12),
        2.0 * (4.0 - 2.0) / (2.0 - 1.0),
        1e-10
    ));
    assert!(close(slope(3.0), 2.0 * (7.0 - 0.5), 1e-14));
    // Degree 1 is interp1d.
    let y = [2.0, 0.0, 1.0, 3.0, -1.0, 5.0];
    let knots: Vec<f64> = [&KNOTS[..1], &KNOTS, &KNOTS[5..]].concat();
    let q = [-3.0, -1.0, -0.5, 0.1, 0.3, 2.2, 2.5, 9.0];
    let lines = interpolated(Linear, Extend, &q, &KNOTS, &y);
    assert!(same(&spline(1, &q, &knots, &y), &lines, 1e-13));
    let operands = [&q[..], &knots, &y].map(|v| in_f32(&vector(v)));
    let narrow = result(Op::Bspline, &operands, Attributes::BSpline { degree: 1 });
    assert!(same(&narrow, &lines, 2e-6));
}

/// A thousand queries of any shape among a thousand knots, both moving, in one gradient.
#[test]
fn many_queries_among_many_knots() {
    let n = 1000;
    let mut g = Draft::new("many");
    let ty = TensorType::new(DType::F64, [n]);
    let q = g.0.input("q", TensorType::f64([10, 100])).expect("input");
    let [x, y] = ["x", "y"].map(|name| g.0.input(name, ty.clone()).expect("input"));
    let s = g.push(Op::Interp1d, &[q, x, y], interpolate(Cubic, Constant));
    let axes = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    let sum = g.push(Op::ReduceSum, &[s], axes);
    let graph = g.finish(sum);
    let knots: Vec<f64> = (0..n).map(|i| i as f64 / 1000.0).collect();
    let sine: Vec<f64> = knots.iter().map(|x| (6.0 * x).sin()).collect();
    let queries: Vec<f64> = (0..n)
        .map(|i| (i as f64 * 0.618_034).fract() * 0.9)
        .collect();
    let q = tensor(&TensorType::f64([10, 100]), &queries);
    let at = [q, tensor(&ty, &knots), tensor(&ty, &sine)];
    let want: f64 = queries.iter().map(|q| (6.0 * q).sin()).sum();
    assert!(close(value(&graph, &at)[0], want, 1e-8));
    let slopes = gradient_tests::engine::gradient(&graph, &at);
    for (q, slope) in queries.iter().zip(&slopes) {
        let want = 6.0 * (6.0 * q).cos();
        assert!(
            (slope - want).abs() <= 1e-4,
            "at {q}: {slope} against {want}"
        );
    }
}
