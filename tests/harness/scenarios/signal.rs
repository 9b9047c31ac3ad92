//! Scenarios of windows, convolution, Fourier transforms and interpolation.

use super::{Draft, Scenario, WIDE, scenario};
use gradient_engine::{
    Attributes, ConvolutionDimensions, Extrapolation, InterpolationKind, Op, PoolDimensions,
    Tensor, ValueId, WindowDimensions,
};

pub(super) fn add(all: &mut Vec<Scenario>) {
    windows(all);
    convolutions(all);
    pools(all);
    fourier(all);
    interpolations(all);
    splines(all);
}

fn windows(all: &mut Vec<Scenario>) {
    // Sizes, strides, dilations, the tensor's shape, and that of its windows.
    type Case = (
        &'static str,
        [&'static [u64]; 3],
        &'static [u64],
        &'static [u64],
    );
    let cases: [Case; 6] = [
        ("overlapping", [&[3], &[], &[]], &[7], &[5, 3]),
        ("gaps", [&[2], &[3], &[]], &[2, 9], &[2, 3, 2]),
        ("dilated", [&[3], &[2], &[2]], &[8], &[2, 3]),
        (
            "two dimensions",
            [&[2, 3], &[2, 1], &[1, 2]],
            &[2, 5, 6],
            &[2, 2, 2, 2, 3],
        ),
        ("one element", [&[1], &[1], &[9]], &[4], &[4, 1]),
        ("empty", [&[2], &[], &[]], &[0, 3], &[0, 2, 2]),
    ];
    for (name, [sizes, strides, dilations], shape, windows) in cases {
        let dims = |full: &[u64]| {
            Attributes::Windows(WindowDimensions {
                sizes: sizes.to_vec(),
                strides: strides.to_vec(),
                dilations: dilations.to_vec(),
                shape: full.to_vec(),
            })
        };
        all.push(scenario(Op::Windows, name, &[WIDE], |g| {
            let x = g.input("x", shape);
            g.push(Op::Windows, &[x], dims(&[]))
        }));
        all.push(scenario(Op::OverlapAdd, name, &[WIDE], |g| {
            let x = g.input("x", windows);
            let full = &shape[shape.len() - sizes.len()..];
            g.push(Op::OverlapAdd, &[x], dims(full))
        }));
    }
}

fn convolutions(all: &mut Vec<Scenario>) {
    let plain = ConvolutionDimensions::default;
    type Case = (
        &'static str,
        &'static [u64],
        &'static [u64],
        ConvolutionDimensions,
    );
    let cases: [Case; 7] = [
        ("one dimension", &[1, 2, 6], &[3, 2, 3], plain()),
        (
            "strides, padding, dilations",
            &[2, 1, 5],
            &[2, 1, 2],
            ConvolutionDimensions {
                strides: vec![2],
                low: vec![2],
                high: vec![1],
                dilations: vec![3],
                ..plain()
            },
        ),
        (
            "images, same size",
            &[1, 2, 3, 4],
            &[2, 2, 3, 3],
            ConvolutionDimensions {
                low: vec![1, 1],
                high: vec![1, 1],
                ..plain()
            },
        ),
        (
            "groups",
            &[2, 4, 3],
            &[6, 2, 2],
            ConvolutionDimensions {
                groups: 2,
                ..plain()
            },
        ),
        (
            "every channel by itself",
            &[1, 3, 4],
            &[3, 1, 2],
            ConvolutionDimensions {
                groups: 3,
                low: vec![0],
                high: vec![1],
                ..plain()
            },
        ),
        ("no spatial dimension", &[2, 3], &[4, 3], plain()),
        ("no batch", &[0, 2, 4], &[1, 2, 2], plain()),
    ];
    for (name, input, kernel, dims) in cases {
        all.push(scenario(Op::Convolution, name, &[WIDE, WIDE], |g| {
            let (x, k) = (g.input("x", input), g.input("k", kernel));
            g.push(Op::Convolution, &[x, k], Attributes::Convolution(dims))
        }));
    }
}

fn pools(all: &mut Vec<Scenario>) {
    let pool = |sizes: &[u64], strides: &[u64], low: &[u64], high: &[u64]| PoolDimensions {
        sizes: sizes.to_vec(),
        strides: strides.to_vec(),
        low: low.to_vec(),
        high: high.to_vec(),
    };
    for op in [Op::MaxPool, Op::AveragePool] {
        let cases: [(&str, &[u64], PoolDimensions); 5] = [
            ("side by side", &[1, 2, 6], pool(&[2], &[], &[], &[])),
            ("overlapping", &[2, 1, 7], pool(&[3], &[2], &[], &[])),
            ("padded", &[1, 1, 5], pool(&[3], &[1], &[1], &[1])),
            (
                "images",
                &[1, 2, 3, 4],
                pool(&[2, 3], &[1, 2], &[1, 0], &[0, 1]),
            ),
            ("no batch", &[0, 1, 4], pool(&[2], &[], &[1], &[1])),
        ];
        for (name, shape, dims) in cases {
            all.push(scenario(op, name, &[WIDE], |g| {
                let x = g.input("x", shape);
                g.push(op, &[x], Attributes::Pool(dims))
            }));
        }
    }
}

fn fourier(all: &mut Vec<Scenario>) {
    for op in [Op::Fft, Op::Ifft] {
        let shapes: [&[u64]; 7] = [
            &[1, 2],
            &[2, 2],
            &[3, 2],
            &[8, 2],
            &[11, 2],
            &[2, 3, 4, 2],
            &[2, 0, 2],
        ];
        for shape in shapes {
            all.push(scenario(op, &format!("{shape:?}"), &[WIDE], |g| {
                let x = g.input("x", shape);
                g.op(op, &[x])
            }));
        }
    }
    let lines: [(&[u64], u64); 8] = [
        (&[], 1),
        (&[], 2),
        (&[], 3),
        (&[], 6),
        (&[], 7),
        (&[], 8),
        (&[2, 3], 4),
        (&[2], 0),
    ];
    for (batch, n) in lines {
        let name = format!("{batch:?}, {n}");
        all.push(scenario(Op::Rfft, &name, &[WIDE], |g| {
            let x = g.input("x", &[batch, &[n]].concat());
            g.op(Op::Rfft, &[x])
        }));
        all.push(scenario(Op::Irfft, &name, &[WIDE], |g| {
            let x = g.input("x", &[batch, &[n / 2 + 1, 2]].concat());
            g.push(Op::Irfft, &[x], Attributes::Fourier { length: n })
        }));
    }
}

/// An input added to numbers: in places of its own, but free to move.
fn about(g: &mut Draft, x: ValueId, shape: &[u64], numbers: &[f64]) -> ValueId {
    let centre = g.constant(Tensor::f64(shape, numbers).expect("as many numbers as elements"));
    g.op(Op::Add, &[x, centre])
}

/// How far queries and knots move: they never meet.
const QUERY: (f64, f64) = (-0.15, 0.15);
const KNOT: (f64, f64) = (-0.2, 0.2);

fn interpolations(all: &mut Vec<Scenario>) {
    for kind in [InterpolationKind::Linear, InterpolationKind::Cubic] {
        for extrapolation in [
            Extrapolation::Constant,
            Extrapolation::Extend,
            Extrapolation::Nan,
        ] {
            for n in [1, 2, 3, 6] {
                let centres: Vec<f64> = (0..n).map(f64::from).collect();
                let last = f64::from(n - 1);
                let (shape, queries): (&[u64], Vec<f64>) = match (extrapolation, n) {
                    (Extrapolation::Nan, 1) => continue,
                    (Extrapolation::Nan, _) => (&[2], vec![0.5, last - 0.5]),
                    (_, 1) => (&[2], vec![-0.7, 0.8]),
                    (_, 3) => (&[], vec![1.5]),
                    _ => (&[2, 2], vec![-0.6, last + 1.5, last - 0.5, 0.5]),
                };
                let name = format!("{kind:?}, {extrapolation:?}, {n} knots");
                all.push(scenario(Op::Interp1d, &name, &[QUERY, KNOT, WIDE], |g| {
                    let (q, x) = (g.input("q", shape), g.input("x", &[n as u64]));
                    let y = g.input("y", &[n as u64]);
                    let (q, x) = (
                        about(g, q, shape, &queries),
                        about(g, x, &[n as u64], &centres),
                    );
                    let attributes = Attributes::Interpolate {
                        kind,
                        extrapolation,
                    };
                    g.push(Op::Interp1d, &[q, x, y], attributes)
                }));
            }
        }
    }
}

fn splines(all: &mut Vec<Scenario>) {
    for degree in 0..=4u32 {
        let n = degree + 3;
        let centres: Vec<f64> = (0..n + degree + 1).map(f64::from).collect();
        let (first, last) = (f64::from(degree), f64::from(n));
        let queries = [first - 1.5, first + 0.5, first + 1.5, last + 0.5];
        let attributes = Attributes::BSpline { degree };
        all.push(scenario(
            Op::Bspline,
            &format!("degree {degree}"),
            &[QUERY, KNOT, WIDE],
            |g| {
                let (q, t) = (g.input("q", &[4]), g.input("t", &[centres.len() as u64]));
                let c = g.input("c", &[n as u64]);
                let (q, t) = (
                    about(g, q, &[4], &queries),
                    about(g, t, &[centres.len() as u64], &centres),
                );
                g.push(Op::Bspline, &[q, t, c], attributes)
            },
        ));
    }
    let repeated = [0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0];
    all.push(scenario(
        Op::Bspline,
        "repeated knots",
        &[QUERY, WIDE],
        |g| {
            let (q, c) = (g.input("q", &[2, 2]), g.input("c", &[6]));
            let q = about(g, q, &[2, 2], &[0.5, 1.5, 2.5, 3.5]);
            let t = g.constant(Tensor::f64([9], &repeated).expect("nine knots"));
            g.push(Op::Bspline, &[q, t, c], Attributes::BSpline { degree: 2 })
        },
    ));
}
