//! Special points with their declared derivatives, and numerically hard cases.

use super::*;

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
