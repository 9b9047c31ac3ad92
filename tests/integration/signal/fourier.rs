//! Fourier transforms against the sums of their definition.

use super::{assert_f32, assert_near, case, run, slopes};
use gradient_engine::{Attributes, DType, Op, TensorType};
use gradient_tests::engine::{Random, inner, jvp, tensor, vjp};
use std::f64::consts::TAU;

const LENGTHS: [usize; 6] = [1, 2, 5, 6, 7, 16];

fn draw(seed: u64, n: usize) -> Vec<f64> {
    let ty = TensorType::f64([n as u64]);
    Random(seed).tensor(&ty, (-1.0, 1.0)).to_f64()
}

/// `sum_j z_j e^(sign 2 pi i j k / n)` for every k, by the definition.
fn sums(z: &[f64], sign: f64) -> Vec<f64> {
    let n = z.len() / 2;
    let term = |k: usize, j: usize| {
        let (s, c) = (sign * TAU * (j * k % n) as f64 / n as f64).sin_cos();
        let (re, im) = (z[2 * j], z[2 * j + 1]);
        [re * c - im * s, re * s + im * c]
    };
    let sum = |k: usize| {
        let terms = (0..n).map(move |j| term(k, j));
        terms.fold([0.0; 2], |sum, t| [sum[0] + t[0], sum[1] + t[1]])
    };
    (0..n).flat_map(sum).collect()
}

fn complex(x: &[f64]) -> Vec<f64> {
    x.iter().flat_map(|&x| [x, 0.0]).collect()
}

fn inverse(z: &[f64]) -> Vec<f64> {
    let n = (z.len() / 2) as f64;
    sums(z, 1.0).iter().map(|x| x / n).collect()
}

/// All pairs of a real signal from the first half: the others are conjugates.
fn whole(half: &[f64], n: usize) -> Vec<f64> {
    let mut all = half.to_vec();
    all[1] = 0.0;
    if n.is_multiple_of(2) {
        all[n + 1] = 0.0;
    }
    for k in n / 2 + 1..n {
        all.extend([half[2 * (n - k)], -half[2 * (n - k) + 1]]);
    }
    all
}

fn naive(op: Op, x: &[f64], n: usize) -> Vec<f64> {
    match op {
        Op::Fft => sums(x, -1.0),
        Op::Ifft => inverse(x),
        Op::Rfft => sums(&complex(x), -1.0)[..2 * (n / 2 + 1)].to_vec(),
        _ => inverse(&whole(x, n)).into_iter().step_by(2).collect(),
    }
}

fn attributes(op: Op, n: usize) -> Attributes {
    match op {
        Op::Irfft => Attributes::Fourier { length: n as u64 },
        _ => Attributes::None,
    }
}

fn shape(op: Op, n: usize) -> Vec<u64> {
    let n = n as u64;
    match op {
        Op::Rfft => vec![n],
        Op::Irfft => vec![n / 2 + 1, 2],
        _ => vec![n, 2],
    }
}

const ALL: [Op; 4] = [Op::Fft, Op::Ifft, Op::Rfft, Op::Irfft];

#[test]
fn values_equal_the_sums() {
    for op in ALL {
        for n in LENGTHS {
            let shape = shape(op, n);
            let size = shape.iter().product::<u64>() as usize;
            let lines = [draw(1, size), draw(2, size)];
            let want = [naive(op, &lines[0], n), naive(op, &lines[1], n)].concat();
            let batch = [&[2], &shape[..]].concat();
            let got = run(op, attributes(op, n), &[(&batch, &lines.concat())]);
            assert_near(&got, &want, 1e-14 * n as f64);
        }
    }
}

#[test]
fn inverses_undo() {
    for n in LENGTHS {
        let (z, x) = (draw(3, 2 * n), draw(4, n));
        let there = |op, x: &[f64]| run(op, attributes(op, n), &[(&shape(op, n), x)]);
        assert_near(&there(Op::Ifft, &there(Op::Fft, &z)), &z, 1e-14);
        assert_near(&there(Op::Fft, &there(Op::Ifft, &z)), &z, 1e-14);
        assert_near(&there(Op::Irfft, &there(Op::Rfft, &x)), &x, 1e-14);
    }
}

/// `<c, F v> = <F^T c, v>` and every column of the Jacobian by the definition.
#[test]
fn derivatives_are_the_matrix_and_its_transpose() {
    for op in ALL {
        for n in LENGTHS {
            let shape = shape(op, n);
            let size = shape.iter().product::<u64>() as usize;
            let x = draw(5, size);
            let operands: [(&[u64], &[f64]); 1] = [(&shape, &x)];
            let (graph, at) = case(DType::F64, op, attributes(op, n), &operands);
            let v = tensor(at[0].ty(), &draw(6, size));
            let ty = graph.output_type(0).clone();
            let c = tensor(&ty, &draw(7, ty.elements() as usize));
            let forward = jvp(&graph, &at, std::slice::from_ref(&v));
            let back = vjp(&graph, &at, std::slice::from_ref(&c));
            let sides = [inner(&c.to_f64(), &forward), inner(&back, &v.to_f64())];
            assert_near(&sides[..1], &sides[1..], 1e-14 * n as f64);
            let got = slopes(op, attributes(op, n), &operands);
            for column in 0..size {
                let mut unit = vec![0.0; size];
                unit[column] = 1.0;
                let own: Vec<f64> = got.iter().copied().skip(column).step_by(size).collect();
                assert_near(&own, &naive(op, &unit, n), 1e-14 * n as f64);
            }
        }
    }
}

#[test]
fn of_nothing() {
    let none: &[f64] = &[];
    let plain = Attributes::None;
    for op in [Op::Fft, Op::Ifft] {
        assert_eq!(run(op, plain.clone(), &[(&[0, 2], none)]), none);
        assert_eq!(run(op, plain.clone(), &[(&[0, 3, 2], none)]), none);
    }
    assert_eq!(run(Op::Rfft, plain, &[(&[0], none)]), [0.0, 0.0]);
    let to_none = Attributes::Fourier { length: 0 };
    assert_eq!(run(Op::Irfft, to_none, &[(&[1, 2], &[3.0, 4.0])]), none);
}

/// What cannot be in a real signal's transform is not looked at, be it NaN.
#[test]
fn irfft_does_not_look_at_imaginary_parts_of_the_ends() {
    let nan = f64::NAN;
    let four = Attributes::Fourier { length: 4 };
    let pairs = [4.0, nan, 0.0, 0.0, 4.0, nan];
    let got = run(Op::Irfft, four, &[(&[3, 2], &pairs)]);
    assert_near(&got, &[2.0, 0.0, 2.0, 0.0], 1e-15);
}

#[test]
fn f32_follows_f64() {
    for op in ALL {
        for n in [7, 16] {
            let shape = shape(op, n);
            let x = draw(8, shape.iter().product::<u64>() as usize);
            assert_f32(op, &attributes(op, n), &[(&shape, &x)], 1e-6);
        }
    }
}

/// A long prime length, by its own inverse and Parseval's identity.
#[test]
fn long_lines_keep_their_digits() {
    let n = 1009;
    let z = draw(9, 2 * n);
    let op = |op, x: &[f64]| run(op, Attributes::None, &[(&[n as u64, 2], x)]);
    let there = op(Op::Fft, &z);
    assert_near(&op(Op::Ifft, &there), &z, 1e-14);
    let power = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let ratio = power(&there) / (power(&z) * n as f64);
    assert!((ratio - 1.0).abs() <= 1e-14, "{ratio}");
}
