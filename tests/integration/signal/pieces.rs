//! interp1d against polynomials and the textbook's natural spline; bspline against Cox and de Boor's recursion.

use super::{INF, NAN, assert_f32, assert_near, assert_refused, case, run, under};
use gradient_engine::{
    Attributes, DType, Extrapolation, Graph, InterpolationKind, Layout, Mode, NonSmooth, Op,
    Options, Product, Tensor,
};
use gradient_tests::engine::{Random, evaluate, numbers};
use std::array::from_fn;

const LINEAR: InterpolationKind = InterpolationKind::Linear;
const CUBIC: InterpolationKind = InterpolationKind::Cubic;
const CONSTANT: Extrapolation = Extrapolation::Constant;
const EXTEND: Extrapolation = Extrapolation::Extend;

fn how(kind: InterpolationKind, extrapolation: Extrapolation) -> Attributes {
    Attributes::Interpolate {
        kind,
        extrapolation,
    }
}

type Curve<'a> = (&'a [f64], &'a [f64]);

fn sized(x: &[f64]) -> [u64; 1] {
    [x.len() as u64]
}

fn interpolate(how: Attributes, q: &[f64], (x, y): Curve<'_>) -> Vec<f64> {
    let (one, two) = (sized(q), sized(x));
    run(Op::Interp1d, how, &[(&one, q), (&two, x), (&two, y)])
}

/// The slope in one query, in both modes the same.
fn slope(how: Attributes, q: f64, (x, y): Curve<'_>) -> f64 {
    let n = sized(x);
    let operands: [(&[u64], &[f64]); 3] = [(&[], &[q]), (&n, x), (&n, y)];
    let (graph, x) = case(DType::F64, Op::Interp1d, how, &operands);
    let [forward, reverse] = [Mode::Forward, Mode::Reverse].map(|mode| {
        let product = Product::Jacobian {
            outputs: vec![0],
            wrt: vec![0],
            layout: Layout::Dense,
        };
        let options = Options {
            mode: Some(mode),
            ..Options::default()
        };
        numbers(&evaluate(&graph, product, options, &x, &[]).expect("jacobian"))
    });
    assert_near(&forward, &reverse, 1e-15);
    forward[0]
}

#[test]
fn lines_are_exact_inside_at_and_outside_the_ends() {
    let x = [-1.0, -0.5, 0.25, 2.0, 3.5];
    let line = |q: &f64| 3.0 - 2.0 * q;
    let y = x.map(|x| line(&x));
    let q = [-4.0, -1.0, -0.75, -0.5, 0.0, 1.0, 2.0, 3.5, 6.0];
    let want: Vec<f64> = q.iter().map(line).collect();
    for kind in [LINEAR, CUBIC] {
        for n in [2, 3, 5] {
            let curve = (&x[..n], &y[..n]);
            let got = interpolate(how(kind, EXTEND), &q, curve);
            assert_near(&got, &want, 1e-15);
            for q in q {
                assert_near(&[slope(how(kind, EXTEND), q, curve)], &[-2.0], 1e-15);
            }
            let got = interpolate(how(kind, CONSTANT), &q, curve);
            let held = q.map(|q| line(&q.clamp(x[0], x[n - 1])));
            assert_near(&got, &held, 1e-15);
            let got = interpolate(how(kind, Extrapolation::Nan), &q, curve);
            let nan = q.map(|q| match (x[0]..=x[n - 1]).contains(&q) {
                true => line(&q),
                false => NAN,
            });
            assert_near(&got, &nan, 1e-15);
        }
    }
}

/// Through (-1, 0), (0, 1), (1, 0): pieces 1 - 3/2 q^2 ± 1/2 q^3, exact polynomials of degree 3.
#[test]
fn the_natural_spline_of_three_points_in_closed_form() {
    let curve: Curve<'_> = (&[-1.0, 0.0, 1.0], &[0.0, 1.0, 0.0]);
    let q = [-1.5, -1.0, -0.6, 0.0, 0.3, 0.8, 1.0, 2.0];
    let value = |q: f64| 1.0 - 1.5 * q * q + 0.5 * q.abs().powi(3);
    let rise = |q: f64| -3.0 * q + 1.5 * q * q.abs();
    let got = interpolate(how(CUBIC, EXTEND), &q, curve);
    assert_near(&got, &q.map(value), 1e-15);
    let got = q.map(|q| slope(how(CUBIC, EXTEND), q, curve));
    assert_near(&got, &q.map(rise), 1e-15);
}

/// Second derivatives at the knots by Gaussian elimination on the whole matrix.
fn bends((x, y): Curve<'_>) -> Vec<f64> {
    let n = x.len();
    let mut a = vec![vec![0.0; n + 1]; n];
    (a[0][0], a[n - 1][n - 1]) = (1.0, 1.0);
    for i in 1..n - 1 {
        let (l, r) = (x[i] - x[i - 1], x[i + 1] - x[i]);
        (a[i][i - 1], a[i][i], a[i][i + 1]) = (l / 6.0, (l + r) / 3.0, r / 6.0);
        a[i][n] = (y[i + 1] - y[i]) / r - (y[i] - y[i - 1]) / l;
    }
    for p in 0..n {
        for i in (0..n).filter(|&i| i != p) {
            let (factor, pivot) = (a[i][p] / a[p][p], a[p].clone());
            for (own, other) in a[i].iter_mut().zip(pivot) {
                *own -= factor * other;
            }
        }
    }
    (0..n).map(|i| a[i][n] / a[i][i]).collect()
}

/// The textbook's piece from both of its ends.
fn natural(q: f64, (x, y): Curve<'_>) -> f64 {
    let m = bends((x, y));
    let i = (1..x.len() - 1).filter(|&i| x[i] <= q).count();
    let h = x[i + 1] - x[i];
    let (a, b) = ((x[i + 1] - q) / h, (q - x[i]) / h);
    a * y[i] + b * y[i + 1] + ((a * a * a - a) * m[i] + (b * b * b - b) * m[i + 1]) * h * h / 6.0
}

#[test]
fn cubic_equals_the_textbook() {
    let mut random = Random(12);
    for n in [3, 4, 7, 12] {
        let mut at = 0.0;
        let mut knot = |random: &mut Random| {
            at += random.within((0.3, 1.5));
            at
        };
        let x: Vec<f64> = (0..n).map(|_| knot(&mut random)).collect();
        let y: Vec<f64> = (0..n).map(|_| random.within((-2.0, 2.0))).collect();
        let curve = (&x[..], &y[..]);
        let span = (x[0] - 0.5, x[n - 1] + 0.5);
        let q: Vec<f64> = (0..20).map(|_| random.within(span)).collect();
        let want: Vec<f64> = q.iter().map(|&q| natural(q, curve)).collect();
        assert_near(&interpolate(how(CUBIC, EXTEND), &q, curve), &want, 1e-13);
        // Knots are met to the last bit.
        assert_eq!(interpolate(how(CUBIC, EXTEND), &x, curve), y);
        assert_eq!(interpolate(how(LINEAR, CONSTANT), &x, curve), y);
    }
}

const BENT: Curve<'static> = (&[0.0, 1.0, 3.0], &[0.0, 2.0, 3.0]);

#[test]
fn slopes_at_knots_and_special_queries() {
    for (q, constant, extended) in [
        (-1.0, 0.0, 2.0),
        (0.0, 2.0, 2.0),
        (1.0, 0.5, 0.5),
        (3.0, 0.5, 0.5),
        (4.0, 0.0, 0.5),
        (-INF, 0.0, 2.0),
        (INF, 0.0, 0.5),
    ] {
        assert_eq!(slope(how(LINEAR, CONSTANT), q, BENT), constant, "{q}");
        assert_eq!(slope(how(LINEAR, EXTEND), q, BENT), extended, "{q}");
    }
    for kind in [LINEAR, CUBIC] {
        let got = interpolate(how(kind, CONSTANT), &[-INF, INF, NAN], BENT);
        assert_near(&got, &[0.0, 3.0, NAN], 0.0);
        let single: Curve<'_> = (&[1.0], &[5.0]);
        let got = interpolate(how(kind, EXTEND), &[0.0, 1.0, INF, NAN], single);
        assert_near(&got, &[5.0, 5.0, 5.0, NAN], 0.0);
        let got = interpolate(how(kind, Extrapolation::Nan), &[0.0, 1.0], single);
        assert_near(&got, &[NAN, 5.0], 0.0);
        assert!(interpolate(how(kind, EXTEND), &[], BENT).is_empty());
    }
}

fn curve(attributes: Attributes, q: f64) -> (Graph, Vec<Tensor>) {
    let n = sized(BENT.0);
    let operands: [(&[u64], &[f64]); 3] = [(&[], &[q]), (&n, BENT.0), (&n, BENT.1)];
    case(DType::F64, Op::Interp1d, attributes, &operands)
}

#[test]
fn strict_interpolation_refuses_its_corners() {
    let all = [0, 1, 2];
    for extrapolation in [CONSTANT, EXTEND, Extrapolation::Nan] {
        let goes_on = extrapolation == EXTEND;
        for q in [0.0, 1.0, 3.0, 0.5] {
            for kind in [LINEAR, CUBIC] {
                let at = curve(how(kind, extrapolation), q);
                let corner = match q {
                    1.0 => kind == LINEAR,
                    0.5 => false,
                    _ => !goes_on,
                };
                if corner {
                    assert_refused(&at, &all);
                } else {
                    let strict = under(NonSmooth::Strict, &at, &all).expect("smooth");
                    let standard = under(NonSmooth::Standard, &at, &all).expect("jacobian");
                    assert_near(&strict, &standard, 1e-15);
                }
                // In the values it is smooth everywhere.
                assert!(under(NonSmooth::Strict, &at, &[2]).is_ok(), "{q}");
            }
        }
    }
}

fn spline(degree: usize, q: &[f64], (t, c): Curve<'_>) -> Vec<f64> {
    let attributes = Attributes::BSpline {
        degree: degree as u32,
    };
    let (one, two, three) = (sized(q), sized(t), sized(c));
    run(
        Op::Bspline,
        attributes,
        &[(&one, q), (&two, t), (&three, c)],
    )
}

/// Cox and de Boor: `N_i,k`, with 0 / 0 = 0.
fn basis(i: usize, k: usize, q: f64, t: &[f64]) -> f64 {
    if k == 0 {
        return f64::from(u8::from(t[i] <= q && q < t[i + 1]));
    }
    let ratio = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    ratio(q - t[i], t[i + k] - t[i]) * basis(i, k - 1, q, t)
        + ratio(t[i + k + 1] - q, t[i + k + 1] - t[i + 1]) * basis(i + 1, k - 1, q, t)
}

/// Its derivative: `k (N_i,k-1 / (t_i+k - t_i) - N_i+1,k-1 / (t_i+k+1 - t_i+1))`.
fn basis_slope(i: usize, k: usize, q: f64, t: &[f64]) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let part = |i: usize| match t[i + k] - t[i] {
        0.0 => 0.0,
        width => k as f64 * basis(i, k - 1, q, t) / width,
    };
    part(i) - part(i + 1)
}

/// Knots with unequal steps; with `repeated` ones at the ends and inside.
fn knots(degree: usize, n: usize, repeated: bool) -> Vec<f64> {
    let free = |i: usize| 0.7 * i as f64 + 0.1 * (i * i % 5) as f64;
    let clamp = |i: usize| match repeated {
        true => i.clamp(degree, n),
        false => i,
    };
    let mut t: Vec<f64> = (0..=n + degree).map(|i| free(clamp(i))).collect();
    if repeated && degree > 1 {
        t[degree + 2] = t[degree + 1];
    }
    t
}

#[test]
fn splines_equal_cox_and_de_boor() {
    let mut random = Random(21);
    for degree in 0..=4 {
        for repeated in [false, true] {
            let n = degree + 5;
            let t = knots(degree, n, repeated);
            let (first, last) = (t[degree], t[n]);
            let mut q: Vec<f64> = (0..9).map(|_| random.within((first, last))).collect();
            q.extend(&t[degree..n]);
            let c: Vec<f64> = (0..n).map(|_| random.within((-2.0, 2.0))).collect();
            let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| c[i] * f(i)).sum::<f64>();
            let want: Vec<f64> = q
                .iter()
                .map(|&q| sum(&|i| basis(i, degree, q, &t)))
                .collect();
            assert_near(&spline(degree, &q, (&t, &c)), &want, 1e-13);
            let degree_attribute = Attributes::BSpline {
                degree: degree as u32,
            };
            for &q in &q {
                let (two, three) = (sized(&t), sized(&c));
                let operands: [(&[u64], &[f64]); 3] = [(&[], &[q]), (&two, &t), (&three, &c)];
                let at = case(DType::F64, Op::Bspline, degree_attribute.clone(), &operands);
                let want = sum(&|i| basis_slope(i, degree, q, &t));
                let got = under(NonSmooth::Standard, &at, &[0]).expect("jacobian");
                assert_near(&got, &[want], 1e-12);
                let want: Vec<f64> = (0..n).map(|i| basis(i, degree, q, &t)).collect();
                let got = under(NonSmooth::Standard, &at, &[2]).expect("jacobian");
                assert_near(&got, &want, 1e-13);
            }
        }
    }
}

/// They sum to 1; with Greville's abscissae as coefficients they are the line q. Both at and beyond the ends.
#[test]
fn splines_hold_constants_and_lines() {
    for degree in 0..=4 {
        for repeated in [false, true] {
            let n = degree + 5;
            let t = knots(degree, n, repeated);
            let (first, last) = (t[degree], t[n]);
            let step = (last - first) / 7.0;
            let q: [f64; 10] = from_fn(|i| first + step * (i as f64 - 1.0));
            let q = [&q[..], &[first, last]].concat();
            let ones = spline(degree, &q, (&t, &vec![1.0; n]));
            assert_near(&ones, &vec![1.0; q.len()], 1e-13);
            if degree > 0 {
                let mean = |i: usize| t[i + 1..=i + degree].iter().sum::<f64>() / degree as f64;
                let c: Vec<f64> = (0..n).map(mean).collect();
                assert_near(&spline(degree, &q, (&t, &c)), &q, 1e-12);
            }
            let got = spline(degree, &[NAN], (&t, &vec![1.0; n]));
            assert_near(&got, &[NAN], 0.0);
            assert!(spline(degree, &[], (&t, &vec![1.0; n])).is_empty());
        }
    }
}

#[test]
fn strict_splines_refuse_where_pieces_meet_at_an_angle() {
    let at = |degree: u32, t: &[f64], q: f64| {
        let c: Vec<f64> = (0..t.len() - degree as usize - 1)
            .map(|i| (i * i) as f64)
            .collect();
        let (two, three) = (sized(t), sized(&c));
        let operands: [(&[u64], &[f64]); 3] = [(&[], &[q]), (&two, t), (&three, &c)];
        case(
            DType::F64,
            Op::Bspline,
            Attributes::BSpline { degree },
            &operands,
        )
    };
    let plain = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let twice = [0.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0];
    for (degree, t, q, refused) in [
        (0, &plain[..], 2.0, true),
        (0, &plain, 2.5, false),
        (0, &plain, 0.0, false),
        (1, &plain, 3.0, true),
        (1, &plain, 3.5, false),
        (1, &plain, 1.0, false),
        (1, &plain, 5.0, false),
        (2, &plain, 3.0, false),
        (2, &twice, 3.0, true),
        (3, &twice, 3.0, false),
    ] {
        let at = at(degree, t, q);
        if refused {
            assert_refused(&at, &[0]);
        } else {
            let strict = under(NonSmooth::Strict, &at, &[0]).expect("smooth");
            let standard = under(NonSmooth::Standard, &at, &[0]).expect("jacobian");
            assert_near(&strict, &standard, 1e-15);
        }
        assert!(under(NonSmooth::Strict, &at, &[2]).is_ok(), "{degree} {q}");
    }
}

#[test]
fn f32_follows_f64() {
    let (x, y) = ([0.0, 0.75, 2.0, 2.5], [1.0, -1.0, 0.5, 2.0]);
    let q = [-0.5, 0.3, 1.1, 2.2, 3.0];
    let operands: [(&[u64], &[f64]); 3] = [(&[5], &q), (&[4], &x), (&[4], &y)];
    for kind in [LINEAR, CUBIC] {
        assert_f32(Op::Interp1d, &how(kind, EXTEND), &operands, 1e-6);
    }
    let t = [0.0, 0.5, 1.25, 2.0, 2.75, 3.5, 4.0];
    let operands: [(&[u64], &[f64]); 3] = [(&[5], &q), (&[7], &t), (&[4], &y)];
    assert_f32(
        Op::Bspline,
        &Attributes::BSpline { degree: 2 },
        &operands,
        1e-6,
    );
}
