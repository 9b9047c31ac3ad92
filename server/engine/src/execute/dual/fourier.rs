//! Fourier transforms as sums, every result from every number.

use super::Number;
use super::tensor::Value;
use crate::op::Op;
use crate::tensor::TensorType;
use std::f64::consts::TAU;

/// The result; `None` for another operation.
pub(super) fn apply<N: Number>(op: Op, x: &[&Value<N>], ty: &TensorType) -> Option<Value<N>> {
    if !matches!(op, Op::Fft | Op::Ifft | Op::Rfft | Op::Irfft) {
        return None;
    }
    let shape = ty.shape.sizes();
    let (own, from) = (&x[0].shape, x[0].floats());
    let n = match op {
        Op::Rfft => own[own.len() - 1],
        Op::Irfft => shape[shape.len() - 1],
        _ => own[own.len() - 2],
    };
    let zero = N::constant(0.0);
    let lines = own[..own.len() - if op == Op::Rfft { 1 } else { 2 }]
        .iter()
        .product();
    let mut results = Vec::new();
    for line in 0..lines {
        // Real and imaginary part of number j.
        let number = |j: usize| match op {
            Op::Rfft => [from[line * n + j], zero],
            Op::Irfft => {
                let pairs = n / 2 + 1;
                let pair = |k: usize| [0, 1].map(|part| from[2 * (line * pairs + k) + part]);
                match j {
                    0 => [pair(0)[0], zero],
                    j if 2 * j == n => [pair(j)[0], zero],
                    j if 2 * j < n => pair(j),
                    _ => [pair(n - j)[0], -pair(n - j)[1]],
                }
            }
            _ => [0, 1].map(|part| from[2 * (line * n + j) + part]),
        };
        let back = matches!(op, Op::Ifft | Op::Irfft);
        for k in 0..if op == Op::Rfft { n / 2 + 1 } else { n } {
            let mut sum = [zero, zero];
            for j in 0..n {
                let angle = TAU * (j * k % n) as f64 / n as f64;
                let c = N::constant(angle.cos());
                let s = N::constant(if back { angle.sin() } else { -angle.sin() });
                let [re, im] = number(j);
                sum = [sum[0] + (re * c - im * s), sum[1] + (re * s + im * c)];
            }
            if back {
                sum = sum.map(|part| part / N::constant(n as f64));
            }
            results.push(sum[0]);
            if op != Op::Irfft {
                results.push(sum[1]);
            }
        }
    }
    Some(Value::float(shape, results))
}
