//! Fourier transforms against sums, their inverses, and transposes as dense matrices.

use super::{f64s, graph, in_f32, result, same};
use gradient_engine::{Attributes, Mode, Op, Tensor, TensorType};
use gradient_tests::engine::{Random, jacobian, vjp};
use std::f64::consts::TAU;

/// e^(∓2πi jk / n).
fn root(j: usize, k: usize, n: usize, sign: f64) -> [f64; 2] {
    let angle = TAU * (j * k % n) as f64 / n as f64;
    [angle.cos(), sign * angle.sin()]
}

/// Result k is the sum of a_j e^(sign 2πi jk / n), term by term.
fn transformed(pairs: &[f64], sign: f64) -> Vec<f64> {
    let n = pairs.len() / 2;
    (0..n)
        .flat_map(|k| {
            let term = |j: usize, part: usize| {
                let (re, im) = (pairs[2 * j], pairs[2 * j + 1]);
                let [c, s] = root(j, k, n, sign);
                [re * c - im * s, re * s + im * c][part]
            };
            [0, 1].map(|part| (0..n).map(|j| term(j, part)).sum::<f64>())
        })
        .collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Within a tolerance relative to the vector's length.
fn near(got: &[f64], want: &[f64], tolerance: f64) -> bool {
    let difference: Vec<f64> = got.iter().zip(want).map(|(g, w)| g - w).collect();
    got.len() == want.len() && norm(&difference) <= tolerance * norm(want).max(1e-300)
}

/// The half of a transform as pairs of real numbers.
fn half(pairs: &[f64]) -> &[f64] {
    &pairs[..2 * (pairs.len() / 4 + 1)]
}

const LENGTHS: [usize; 24] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 25, 31, 34, 37, 60, 64, 74, 97, 128, 211,
];

#[test]
fn transforms_are_the_sums() {
    let mut random = Random(4);
    for n in LENGTHS {
        // Errors grow as the logarithm; a prime takes several transforms, and there and back is two.
        let (unit, log) = (6e-16, 2.0 + (n as f64).log2());
        let ty = TensorType::f64([n as u64, 2]);
        let x = random.tensor(&ty, (-1.0, 1.0));
        let numbers = x.to_f64();
        let forward = result(Op::Fft, std::slice::from_ref(&x), Attributes::None);
        let want = transformed(&numbers, -1.0);
        // The sums themselves are only good to n units.
        assert!(
            near(&forward, &want, 4e-16 * n as f64 + 1e-15),
            "fft of {n}"
        );
        let back = result(Op::Ifft, std::slice::from_ref(&x), Attributes::None);
        let want: Vec<f64> = transformed(&numbers, 1.0)
            .iter()
            .map(|x| x / n as f64)
            .collect();
        assert!(near(&back, &want, 4e-16 * n as f64 + 1e-15), "ifft of {n}");
        let there = f64s(&[n as u64, 2], &forward);
        let again = result(Op::Ifft, &[there], Attributes::None);
        assert!(near(&again, &numbers, unit * log), "ifft of fft of {n}");
        let narrow = result(Op::Fft, &[in_f32(&x)], Attributes::None);
        assert!(near(&narrow, &forward, 1e-6), "fft of {n} in f32");

        let reals = random.tensor(&TensorType::f64([n as u64]), (-1.0, 1.0));
        let as_pairs: Vec<f64> = reals.to_f64().iter().flat_map(|&x| [x, 0.0]).collect();
        let got = result(Op::Rfft, std::slice::from_ref(&reals), Attributes::None);
        let want = transformed(&as_pairs, -1.0);
        assert!(
            near(&got, half(&want), 4e-16 * n as f64 + 1e-15),
            "rfft of {n}"
        );
        assert_eq!(got[1], 0.0);
        if n % 2 == 0 {
            assert_eq!(got[n + 1], 0.0);
        }
        let length = Attributes::Fourier { length: n as u64 };
        let there = f64s(&[n as u64 / 2 + 1, 2], &got);
        let again = result(Op::Irfft, &[there], length.clone());
        assert!(
            near(&again, &reals.to_f64(), unit * log),
            "irfft of rfft of {n}"
        );
        // Imaginary parts that no real numbers have are not looked at.
        let mut spoilt = got.clone();
        spoilt[1] = 0.5;
        if n % 2 == 0 {
            spoilt[n + 1] = -3.0;
        }
        let there = f64s(&[n as u64 / 2 + 1, 2], &spoilt);
        assert_eq!(result(Op::Irfft, &[there], length), again);
    }
}

#[test]
fn a_single_wave_has_a_single_number() {
    let n = 64;
    let wave: Vec<f64> = (0..n).flat_map(|j| root(3, j, n, 1.0)).collect();
    let got = result(Op::Fft, &[f64s(&[n as u64, 2], &wave)], Attributes::None);
    for (i, got) in got.iter().enumerate() {
        let want = if i == 6 { n as f64 } else { 0.0 };
        assert!((got - want).abs() <= 1e-13, "{i}: {got}");
    }
}

/// Of a batch every line by itself; a batch of nothing, and lines of nothing.
#[test]
fn batches_and_nothing() {
    let mut random = Random(5);
    let x = random.tensor(&TensorType::f64([2, 3, 5, 2]), (-1.0, 1.0));
    let lines: Vec<f64> = x
        .to_f64()
        .chunks_exact(10)
        .flat_map(|line| result(Op::Fft, &[f64s(&[5, 2], line)], Attributes::None))
        .collect();
    assert_eq!(result(Op::Fft, &[x], Attributes::None), lines);
    let none =
        |op, shape: &[u64], attributes: Attributes| result(op, &[f64s(shape, &[])], attributes);
    assert_eq!(none(Op::Fft, &[3, 0, 2], Attributes::None), []);
    assert_eq!(none(Op::Ifft, &[0, 4, 2], Attributes::None), []);
    assert_eq!(none(Op::Rfft, &[2, 0], Attributes::None), [0.0; 4]);
    assert_eq!(none(Op::Rfft, &[0, 3], Attributes::None), []);
    let nothing = Attributes::Fourier { length: 0 };
    let pair = [f64s(&[1, 2], &[3.0, 4.0])];
    assert_eq!(result(Op::Irfft, &pair, nothing.clone()), []);
    let g = graph(Op::Irfft, &pair, nothing);
    assert_eq!(vjp(&g, &pair, &[f64s(&[0], &[])]), [0.0, 0.0]);
}

/// The derivative of a linear map is its matrix: columns from the sums, in both modes.
#[test]
fn derivatives_are_the_matrices_of_the_sums() {
    for n in [1usize, 2, 3, 4, 6, 7, 12, 13] {
        // Each operation with a matrix that gives column i from the i-th unit vector.
        let unit = |len: usize, i: usize| {
            let mut unit = vec![0.0; len];
            unit[i] = 1.0;
            unit
        };
        type Column<'a> = &'a dyn Fn(usize) -> Vec<f64>;
        let fft: Column<'_> = &|i| transformed(&unit(2 * n, i), -1.0);
        let ifft: Column<'_> = &|i| {
            let sums = transformed(&unit(2 * n, i), 1.0);
            sums.iter().map(|x| x / n as f64).collect()
        };
        let rfft: Column<'_> = &|i| half(&transformed(&unit(2 * n, 2 * i), -1.0)).to_vec();
        let irfft: Column<'_> = &|i| {
            let (k, part) = (i / 2, i % 2);
            let alone = k == 0 || 2 * k == n;
            let number = |j: usize| {
                let [c, s] = root(j, k, n, 1.0);
                match (alone, part) {
                    (true, 0) => c,
                    (true, _) => 0.0,
                    (false, 0) => 2.0 * c,
                    (false, _) => -2.0 * s,
                }
            };
            (0..n).map(|j| number(j) / n as f64).collect()
        };
        let length = Attributes::Fourier { length: n as u64 };
        let complex = [n as u64, 2];
        let cases: [(Op, Vec<u64>, Attributes, Column<'_>); 4] = [
            (Op::Fft, complex.to_vec(), Attributes::None, fft),
            (Op::Ifft, complex.to_vec(), Attributes::None, ifft),
            (Op::Rfft, vec![n as u64], Attributes::None, rfft),
            (Op::Irfft, vec![n as u64 / 2 + 1, 2], length, irfft),
        ];
        for (op, shape, attributes, column) in cases {
            let inputs = shape.iter().product::<u64>() as usize;
            let columns: Vec<Vec<f64>> = (0..inputs).map(column).collect();
            let outputs = columns[0].len();
            let want: Vec<f64> = (0..outputs)
                .flat_map(|o| columns.iter().map(move |column| column[o]))
                .collect();
            let at = [Tensor::f64(&shape[..], &vec![0.3; inputs]).expect("point")];
            let g = graph(op, &at, attributes);
            for mode in [Mode::Forward, Mode::Reverse] {
                let got = jacobian(&g, &at, Some(mode));
                assert!(
                    same(&got, &want, 4e-15),
                    "{} of {n}, {mode:?}:\n{got:?}\n{want:?}",
                    op.name()
                );
            }
        }
    }
}
