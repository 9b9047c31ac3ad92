//! Cases of windows, convolution, Fourier transforms and interpolation.

use super::{ANY, Case, INF, Kind::*, NAN, case, eye, f};
use gradient_engine::{
    Attributes as A, ConvolutionDimensions, Extrapolation, InterpolationKind, Op, PoolDimensions,
    WindowDimensions,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = windows();
    all.extend(transforms());
    all.extend(curves());
    all
}

#[rustfmt::skip]
fn windows() -> Vec<Case> {
    let of = |sizes: &[u64], shape: &[u64]| A::Windows(WindowDimensions { sizes: sizes.to_vec(), shape: shape.to_vec(), ..WindowDimensions::default() });
    let convolution = || A::Convolution(ConvolutionDimensions::default());
    let pool = |sizes: &[u64]| A::Pool(PoolDimensions { sizes: sizes.to_vec(), strides: vec![1; sizes.len()], ..PoolDimensions::default() });
    let padded = || A::Pool(PoolDimensions { sizes: vec![2], strides: vec![1], low: vec![1], high: vec![0] });
    let channels = "a batch of channels has two dimensions";
    let three = f(&[3], &[NAN, 1.0, 2.0]);
    let pairs = f(&[2, 2], &[NAN, 1.0, 2.0, INF]);
    let to_windows = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let to_line = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let line = |numbers: &[f64]| f(&[1, 1, numbers.len() as u64], numbers);
    vec![
        case(Op::Windows, Empty, of(&[2], &[]), &[f(&[0, 3], &[])], &[], &[]),
        case(Op::Windows, Scalar, of(&[], &[]), &[f(&[], &[3.0])], &[3.0], &[1.0]),
        case(Op::Windows, Special, of(&[2], &[]), &[three], &[NAN, 1.0, 1.0, 2.0], &to_windows),
        case(Op::OverlapAdd, Empty, of(&[2], &[3]), &[f(&[0, 2, 2], &[])], &[], &[]),
        case(Op::OverlapAdd, Scalar, of(&[], &[]), &[f(&[], &[3.0])], &[3.0], &[1.0]),
        case(Op::OverlapAdd, Special, of(&[2], &[3]), &[pairs], &[NAN, 3.0, INF], &to_line),
        case(Op::Convolution, Empty, convolution(), &[f(&[0, 1, 2], &[]), f(&[1, 1, 2], &[1.0, 2.0])], &[], &[]),
        case(Op::Convolution, Empty, convolution(), &[f(&[1, 0, 2], &[]), f(&[1, 0, 2], &[])], &[0.0], &[]),
        case(Op::Convolution, Smallest(channels), convolution(), &[f(&[1, 1], &[2.0]), f(&[1, 1], &[3.0])], &[6.0], &[3.0, 2.0]),
        case(Op::Convolution, Special, convolution(), &[line(&[INF, 1.0]), line(&[0.0])], &[NAN, 0.0], &[0.0, 0.0, 0.0, 0.0, INF, 1.0]),
        case(Op::MaxPool, Empty, pool(&[2]), &[f(&[0, 1, 2], &[])], &[], &[]),
        case(Op::MaxPool, Smallest(channels), pool(&[]), &[f(&[1, 1], &[3.0])], &[3.0], &[1.0]),
        case(Op::MaxPool, Special, pool(&[2]), &[line(&[1.0, 1.0, -INF])], &[1.0, 1.0], &[0.5, 0.5, 0.0, 0.0, 1.0, 0.0]),
        case(Op::MaxPool, Special, pool(&[2]), &[line(&[1.0, NAN])], &[NAN], &[ANY, ANY]),
        // Padding counts as -inf, and shares nothing with elements that are.
        case(Op::MaxPool, Special, padded(), &[line(&[-INF, 2.0])], &[-INF, 2.0], &[ANY, 0.0, 0.0, 1.0]),
        case(Op::AveragePool, Empty, pool(&[2]), &[f(&[0, 1, 2], &[])], &[], &[]),
        case(Op::AveragePool, Smallest(channels), pool(&[]), &[f(&[1, 1], &[3.0])], &[3.0], &[1.0]),
        case(Op::AveragePool, Special, padded(), &[line(&[INF, 2.0])], &[INF, INF], &[1.0, 0.0, 0.5, 0.5]),
    ]
}

#[rustfmt::skip]
fn transforms() -> Vec<Case> {
    let pairs = "numbers are pairs along a line";
    let length = |length| A::Fourier { length };
    let two = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0];
    let half = two.map(|x| 0.5 * x);
    vec![
        case(Op::Fft, Empty, A::None, &[f(&[0, 2], &[])], &[], &[]),
        case(Op::Fft, Empty, A::None, &[f(&[0, 4, 2], &[])], &[], &[]),
        case(Op::Fft, Smallest(pairs), A::None, &[f(&[1, 2], &[3.0, 4.0])], &[3.0, 4.0], &eye(2)),
        case(Op::Fft, Special, A::None, &[f(&[2, 2], &[1.0, 0.0, INF, 0.0])], &[INF, 0.0, -INF, 0.0], &two),
        case(Op::Ifft, Empty, A::None, &[f(&[0, 2], &[])], &[], &[]),
        case(Op::Ifft, Smallest(pairs), A::None, &[f(&[1, 2], &[3.0, 4.0])], &[3.0, 4.0], &eye(2)),
        case(Op::Ifft, Special, A::None, &[f(&[2, 2], &[1.0, 0.0, 1.0, 0.0])], &[1.0, 0.0, 0.0, 0.0], &half),
        case(Op::Rfft, Empty, A::None, &[f(&[0, 4], &[])], &[], &[]),
        case(Op::Rfft, Empty, A::None, &[f(&[0], &[])], &[0.0, 0.0], &[]),
        case(Op::Rfft, Smallest("it goes along a line"), A::None, &[f(&[1], &[3.0])], &[3.0, 0.0], &[1.0, 0.0]),
        case(Op::Rfft, Special, A::None, &[f(&[2], &[1.0, 1.0])], &[2.0, 0.0, 0.0, 0.0], &[1.0, 1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0]),
        case(Op::Irfft, Empty, length(4), &[f(&[0, 3, 2], &[])], &[], &[]),
        case(Op::Irfft, Empty, length(0), &[f(&[1, 2], &[1.0, 2.0])], &[], &[]),
        case(Op::Irfft, Smallest(pairs), length(1), &[f(&[1, 2], &[3.0, 7.0])], &[3.0], &[1.0, 0.0]),
        // Imaginary parts of both ends are not looked at.
        case(Op::Irfft, Special, length(2), &[f(&[2, 2], &[2.0, NAN, 0.0, INF])], &[1.0, 1.0], &[0.5, 0.0, 0.5, 0.0, 0.5, 0.0, -0.5, 0.0]),
    ]
}

#[rustfmt::skip]
fn curves() -> Vec<Case> {
    let how = |kind, extrapolation| A::Interpolate { kind, extrapolation };
    let linear = || how(InterpolationKind::Linear, Extrapolation::Constant);
    let cubic = || how(InterpolationKind::Cubic, Extrapolation::Extend);
    let line = [f(&[2], &[0.0, 2.0]), f(&[2], &[1.0, 5.0])];
    let with = |q: crate::completeness::Operand| [vec![q], line.to_vec()].concat();
    let spline = |degree| A::BSpline { degree };
    let steps = [f(&[2], &[0.0, 1.0]), f(&[1], &[3.0])];
    let hat = |q: f64| [f(&[], &[q]), f(&[4], &[0.0, 0.0, 1.0, 1.0]), f(&[2], &[3.0, 5.0])];
    vec![
        case(Op::Interp1d, Empty, linear(), &with(f(&[0], &[])), &[], &[]),
        case(Op::Interp1d, Empty, cubic(), &with(f(&[2, 0], &[])), &[], &[]),
        case(Op::Interp1d, Scalar, linear(), &with(f(&[], &[0.5])), &[2.0], &[2.0, -1.5, -0.5, 0.75, 0.25]),
        case(Op::Interp1d, Scalar, cubic(), &with(f(&[], &[0.5])), &[2.0], &[2.0, -1.5, -0.5, 0.75, 0.25]),
        // Beyond the ends the value of the end; at a knot the slope of the piece on the right.
        case(Op::Interp1d, Special, linear(), &with(f(&[], &[INF])), &[5.0], &[0.0, 0.0, 0.0, 0.0, 1.0]),
        case(Op::Interp1d, Special, linear(), &with(f(&[], &[0.0])), &[1.0], &[2.0, -2.0, 0.0, 1.0, 0.0]),
        case(Op::Interp1d, Special, linear(), &with(f(&[], &[NAN])), &[NAN], &[ANY; 5]),
        // What stands beyond is constant.
        case(Op::Interp1d, Special, how(InterpolationKind::Linear, Extrapolation::Nan), &with(f(&[], &[3.0])), &[NAN], &[0.0; 5]),
        case(Op::Bspline, Empty, spline(0), &[vec![f(&[0], &[])], steps.to_vec()].concat(), &[], &[]),
        case(Op::Bspline, Scalar, spline(0), &[vec![f(&[], &[0.5])], steps.to_vec()].concat(), &[3.0], &[0.0, 0.0, 0.0, 1.0]),
        case(Op::Bspline, Special, spline(1), &hat(0.0), &[3.0], &[2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0]),
        case(Op::Bspline, Special, spline(1), &hat(NAN), &[NAN], &[ANY; 7]),
    ]
}
