//! Wrong attributes and operands: the place and the repair.

use super::{pool, window};
use gradient_engine::{Attributes, ConvolutionDimensions, DType, Op, WindowDimensions};
use gradient_tests::scenarios::refusal;

type Typed = (DType, &'static [u64]);

fn check(cases: &[(Op, Attributes, &[Typed], &str)]) {
    for (op, attributes, types, words) in cases {
        let message = refusal(*op, attributes.clone(), types);
        assert!(
            message.contains(words),
            "{message:?} says nothing of {words:?}"
        );
    }
}

const F: DType = DType::F64;
const I: DType = DType::I64;
const MANY: u64 = u64::MAX;

#[test]
fn windows() {
    let steps = |strides: &[u64], dilations: &[u64]| {
        Attributes::Windows(WindowDimensions {
            sizes: vec![2],
            strides: strides.to_vec(),
            dilations: dilations.to_vec(),
            shape: vec![],
        })
    };
    let five: &[Typed] = &[(F, &[5])];
    let (w, o) = (Op::Windows, Op::OverlapAdd);
    check(&[
        (w, Attributes::None, five, "windows"),
        (w, window(&[0], &[]), five, "entry 0 is 0; use 1 or more"),
        (
            w,
            window(&[6], &[]),
            five,
            "does not fit into dimension 0 of size 5",
        ),
        (w, window(&[MANY], &[]), five, "does not fit"),
        (w, window(&[1, 1], &[]), five, "the operand has rank 1"),
        (w, window(&[2], &[5]), five, "leave it out"),
        (
            w,
            steps(&[1, 1], &[]),
            five,
            "has 2 entries for 1 windowed dimensions",
        ),
        (w, steps(&[0], &[]), five, "entry 0 is 0; use 1 or more"),
        (w, steps(&[], &[0]), five, "entry 0 is 0; use 1 or more"),
        (w, steps(&[], &[MANY]), five, "does not fit"),
        (w, window(&[1], &[]), &[(F, &[0])], "does not fit"),
        (
            o,
            window(&[2], &[5]),
            &[(DType::Bool, &[4, 2])],
            "insert convert",
        ),
        (
            o,
            window(&[2], &[]),
            &[(F, &[4, 2])],
            "has 0 entries for 1 windowed",
        ),
        (
            o,
            window(&[2], &[5]),
            &[(F, &[3, 2])],
            "windows of [5] are [.., 4, 2]",
        ),
    ]);
}

#[test]
fn convolutions() {
    let plain = ConvolutionDimensions::default;
    let conv = Attributes::Convolution;
    let c = Op::Convolution;
    let pair: &[Typed] = &[(F, &[1, 2, 5]), (F, &[3, 2, 2])];
    let strided = |strides: &[u64]| {
        conv(ConvolutionDimensions {
            strides: strides.to_vec(),
            ..plain()
        })
    };
    let grouped = |groups| conv(ConvolutionDimensions { groups, ..plain() });
    let padded = |high: &[u64]| {
        conv(ConvolutionDimensions {
            high: high.to_vec(),
            ..plain()
        })
    };
    check(&[
        (c, Attributes::None, pair, "convolution"),
        (
            c,
            strided(&[1, 1]),
            pair,
            "has 2 entries for 1 windowed dimensions",
        ),
        (c, strided(&[0]), pair, "entry 0 is 0; use 1 or more"),
        (
            c,
            padded(&[1, 1]),
            pair,
            "has 2 entries for 1 windowed dimensions",
        ),
        (
            c,
            padded(&[MANY]),
            pair,
            "the padded size of dimension 0 overflows",
        ),
        (c, grouped(2), pair, "do not fall into 2 groups"),
        (c, grouped(MANY), pair, "groups"),
        (
            c,
            conv(plain()),
            &[(F, &[1, 2, 5]), (DType::F32, &[3, 2, 2])],
            "insert convert",
        ),
        (
            c,
            conv(plain()),
            &[(I, &[1, 2, 5]), (I, &[3, 2, 2])],
            "insert convert",
        ),
        (
            c,
            conv(plain()),
            &[(F, &[5]), (F, &[2])],
            "reshape them to [batch, channels",
        ),
        (
            c,
            conv(plain()),
            &[(F, &[1, 2, 5]), (F, &[3, 2])],
            "differ in rank",
        ),
        (
            c,
            conv(plain()),
            &[(F, &[1, 2, 5]), (F, &[3, 1, 2])],
            "2 channels and 3 features",
        ),
        (
            c,
            conv(plain()),
            &[(F, &[1, 2, 5]), (F, &[3, 2, 0])],
            "every spatial dimension needs",
        ),
        (
            c,
            conv(plain()),
            &[(F, &[1, 2, 5]), (F, &[3, 2, 6])],
            "does not fit",
        ),
    ]);
}

#[test]
fn pools() {
    let image: &[Typed] = &[(F, &[1, 1, 4])];
    for op in [Op::MaxPool, Op::AveragePool] {
        check(&[
            (op, Attributes::None, image, "pool"),
            (
                op,
                pool(&[2, 2], &[], &[], &[]),
                image,
                "has 2 entries for 1 spatial dimensions",
            ),
            (
                op,
                pool(&[0], &[], &[], &[]),
                image,
                "entry 0 is 0; use 1 or more",
            ),
            (
                op,
                pool(&[2], &[0], &[], &[]),
                image,
                "entry 0 is 0; use 1 or more",
            ),
            (
                op,
                pool(&[2], &[], &[1, 1], &[]),
                image,
                "has 2 entries for 1 windowed dimensions",
            ),
            (op, pool(&[2], &[], &[MANY], &[]), image, "overflows"),
            (op, pool(&[5], &[], &[], &[]), image, "does not fit"),
            (
                op,
                pool(&[2], &[], &[], &[]),
                &[(I, &[1, 1, 4])],
                "insert convert",
            ),
            (
                op,
                pool(&[], &[], &[], &[]),
                &[(F, &[4])],
                "reshape it to [batch, channels",
            ),
        ]);
    }
}

#[test]
fn transforms() {
    let none = || Attributes::None;
    let to = |length| Attributes::Fourier { length };
    check(&[
        (Op::Fft, none(), &[(F, &[4])], "use rfft for real ones"),
        (
            Op::Ifft,
            none(),
            &[(F, &[2])],
            "pairs in the last dimension",
        ),
        (Op::Fft, none(), &[(I, &[4, 2])], "insert convert"),
        (Op::Rfft, none(), &[(F, &[])], "reshape it to [1]"),
        (Op::Rfft, none(), &[(I, &[4])], "insert convert"),
        (Op::Irfft, none(), &[(F, &[3, 2])], "fourier"),
        (
            Op::Irfft,
            to(6),
            &[(F, &[3, 2])],
            "6 numbers come from 4 pairs, the operand has 3",
        ),
        (Op::Irfft, to(MANY), &[(F, &[3, 2])], "the operand has 3"),
        (
            Op::Irfft,
            to(4),
            &[(F, &[3])],
            "pairs in the last dimension",
        ),
    ]);
}

#[test]
fn curves() {
    use gradient_engine::{Extrapolation, InterpolationKind};
    let how = || Attributes::Interpolate {
        kind: InterpolationKind::Linear,
        extrapolation: Extrapolation::Constant,
    };
    let of = |degree| Attributes::BSpline { degree };
    let (i, b) = (Op::Interp1d, Op::Bspline);
    let three: &[Typed] = &[(F, &[2]), (F, &[3]), (F, &[3])];
    let splines: &[Typed] = &[(F, &[2]), (F, &[7]), (F, &[4])];
    check(&[
        (i, Attributes::None, three, "interpolate"),
        (
            i,
            how(),
            &[(F, &[2]), (F, &[3]), (F, &[4])],
            "3 knots and 4 values",
        ),
        (
            i,
            how(),
            &[(F, &[2]), (F, &[0]), (F, &[0])],
            "one knot at least",
        ),
        (
            i,
            how(),
            &[(F, &[2]), (F, &[3, 1]), (F, &[3])],
            "the knots have shape [3, 1]; give a vector",
        ),
        (
            i,
            how(),
            &[(F, &[2]), (F, &[3]), (F, &[])],
            "the values have shape []; give a vector",
        ),
        (
            i,
            how(),
            &[(I, &[2]), (I, &[3]), (I, &[3])],
            "insert convert",
        ),
        (
            i,
            how(),
            &[(F, &[2]), (DType::F32, &[3]), (F, &[3])],
            "insert convert",
        ),
        (b, Attributes::None, splines, "b_spline"),
        (
            b,
            of(3),
            splines,
            "7 knots for 4 coefficients of degree 3; give 8",
        ),
        (b, of(4), splines, "4 coefficients for degree 4"),
        (
            b,
            of(u32::MAX),
            splines,
            "give more coefficients than the degree",
        ),
        (
            b,
            of(2),
            &[(F, &[2]), (F, &[7]), (F, &[2, 2])],
            "the coefficients have shape [2, 2]",
        ),
    ]);
}
