//! fft, ifft, rfft, irfft: discrete Fourier transforms of complex numbers as pairs `[.., n, 2]`.
//!
//! On pairs, which are real numbers, the transpose of multiplication by a complex matrix is multiplication by its
//! adjoint. The transform's matrix F has F⁻¹ = F* / n, so the transpose of fft is n · ifft. rfft is fft of what has
//! no imaginary part, cut after n / 2 + 1 results; its transpose is the real part of F* on as many numbers. irfft
//! counts a number between the ends twice, for itself and its conjugate, and does not look at the imaginary parts of
//! the first number and, for even n, of the last.

use super::{
    Attributes, Buffer, BufferMut, Emit, Form, Infer, Jvp, Kernel, Op, Problem, Routine, Rule,
    Strided, Types, ValueId, shape_ops::apply_to_tangent,
};
use crate::tensor::{Shape, Tensor, TensorType};
use num_complex::Complex64;
use rustfft::{Fft, FftDirection, FftPlanner};
use std::{fmt, sync::Arc};

/// The transform of complex numbers.
pub const FFT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: true,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            pairs(operands[0])?;
            Ok(operands[0].clone())
        }),
        cost: |_, types| cost(types, count(types.result)),
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let ty = cx.ty(ct).clone();
        let back = cx.unary(Op::Ifft, ct);
        scaled(cx, node.op, back, count(&ty) as f64)
    }),
    kernel: |_, _, types| kernel(Kind::Forward, types, count(types.result)),
};

/// Its inverse.
pub const IFFT: Rule = Rule {
    transpose: Some(|cx, node, ct, _| {
        let ty = cx.ty(ct).clone();
        let back = cx.unary(Op::Fft, ct);
        scaled(cx, node.op, back, count(&ty) as f64)
    }),
    kernel: |_, _, types| kernel(Kind::Inverse, types, count(types.result)),
    ..FFT
};

/// The first half of the transform of real numbers.
pub const RFFT: Rule = Rule {
    form: Form {
        infer: Infer::One(infer_rfft),
        cost: |_, types| cost(types, length(types.operands[0])),
        ..FFT.form
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let length = length(cx.ty(node.operands[0]));
        let n = length as f64;
        let weighted = weighted(cx, ct, length, n, n / 2.0);
        cx.emit(Op::Irfft, &[weighted], Attributes::Fourier { length })
    }),
    kernel: |_, _, types| kernel(Kind::RealForward, types, length(types.operands[0])),
};

/// Its inverse.
pub const IRFFT: Rule = Rule {
    form: Form {
        attribute: "fourier",
        infer: Infer::One(infer_irfft),
        cost: |_, types| cost(types, length(types.result)),
        ..FFT.form
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| {
        let length = length(cx.ty(ct));
        if length == 0 {
            let operand = cx.ty(node.operands[0]).clone();
            return cx.full(&operand, 0.0);
        }
        let n = length as f64;
        let half = cx.unary(Op::Rfft, ct);
        weighted(cx, half, length, 1.0 / n, 2.0 / n)
    }),
    kernel: |_, _, types| kernel(Kind::RealInverse, types, length(types.result)),
};

/// Complex numbers along the transformed dimension.
fn count(pairs: &TensorType) -> u64 {
    pairs.shape[pairs.shape.rank() - 2]
}

/// Real numbers along the transformed dimension.
fn length(reals: &TensorType) -> u64 {
    reals.shape[reals.shape.rank() - 1]
}

fn cost(types: &Types<'_>, n: u64) -> u64 {
    let all = types.operands[0].elements().max(types.result.elements());
    all.saturating_mul(3 * (1 + u64::from(n.max(1).ilog2())))
}

/// Batch and number of complex numbers.
fn pairs(ty: &TensorType) -> Result<(&[u64], u64), Problem> {
    super::check_float(ty, 0)?;
    match &ty.shape[..] {
        [batch @ .., n, 2] => Ok((batch, *n)),
        _ => Err(Problem::operand(
            0,
            format!(
                "operand has shape {}; complex numbers are pairs in the last dimension, [.., n, 2]: use rfft for real ones",
                ty.shape
            ),
        )),
    }
}

fn infer_rfft(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let ty = operands[0];
    super::check_float(ty, 0)?;
    match ty.shape.split_last() {
        Some((n, batch)) => Ok(TensorType::new(ty.dtype, [batch, &[n / 2 + 1, 2]].concat())),
        None => Err(Problem::operand(
            0,
            "operand is a scalar, which has no dimension to transform along; reshape it to [1]",
        )),
    }
}

fn infer_irfft(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Fourier { length } = *attributes else {
        return Err(Problem::node("fourier attributes are missing"));
    };
    let (batch, n) = pairs(operands[0])?;
    if length / 2 + 1 != n {
        return Err(Problem::attribute(
            "length",
            format!(
                "{length} numbers come from {} pairs, the operand has {n}; slice or pad it",
                length / 2 + 1
            ),
        ));
    }
    let shape = [batch, &[length]].concat();
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// fft's transpose is n times the inverse; the inverse's is an n-th of fft.
fn scaled(cx: &mut dyn Emit, op: Op, value: ValueId, n: f64) -> ValueId {
    let dtype = cx.ty(value).dtype;
    let n = cx.scalar(dtype, n);
    match op {
        Op::Fft => cx.binary(Op::Multiply, value, n),
        _ => cx.binary(Op::Divide, value, n),
    }
}

/// Multiplies the pairs of a half transform by `end` at the first and, for even lengths, at the last, else by
/// `middle`.
fn weighted(cx: &mut dyn Emit, pairs: ValueId, length: u64, end: f64, middle: f64) -> ValueId {
    let ty = cx.ty(pairs).clone();
    if ty.elements() == 0 {
        return pairs;
    }
    let n = count(&ty);
    let raw = (0..n)
        .map(|k| {
            if k == 0 || 2 * k == length {
                end
            } else {
                middle
            }
        })
        .flat_map(|w| Tensor::scalar(ty.dtype, w).into_raw())
        .collect();
    let weights = TensorType::new(ty.dtype, [n]);
    let weights = Tensor::from_raw(weights, raw).expect("a weight for each pair");
    let weights = cx.emit(Op::Constant, &[], Attributes::Constant(Arc::new(weights)));
    let dimension = ty.shape.rank() as u32 - 2;
    let weights = cx.broadcast(weights, &ty.shape, vec![dimension]);
    cx.binary(Op::Multiply, pairs, weights)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Forward,
    Inverse,
    RealForward,
    RealInverse,
}

fn kernel(kind: Kind, types: &Types<'_>, n: u64) -> Kernel {
    if types.result.elements() == 0 {
        return Kernel::View(Strided::dense(0));
    }
    let direction = match kind {
        Kind::Forward | Kind::RealForward => FftDirection::Forward,
        Kind::Inverse | Kind::RealInverse => FftDirection::Inverse,
    };
    let shape = &types.operands[0].shape;
    let own = match kind {
        Kind::RealForward => 1,
        _ => 2,
    };
    let batch = Shape::from(&shape[..shape.rank() - own]).elements();
    Kernel::Routine {
        routine: Box::new(Transform {
            kind,
            // Of nothing there is one result, 0, and nothing to plan.
            plan: (n > 0).then(|| FftPlanner::new().plan_fft(n as usize, direction)),
        }),
        batch: batch as usize,
    }
}

/// A transform of one length.
struct Transform {
    kind: Kind,
    plan: Option<Arc<dyn Fft<f64>>>,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.plan.as_ref().map_or(0, |plan| plan.len());
        write!(f, "{:?} Fourier transform of {n}", self.kind)
    }
}

impl Routine for Transform {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let (from, to) = (operands[0].floats(), results[0].floats());
        let Some(plan) = &self.plan else {
            to.fill(0.0);
            return;
        };
        let n = plan.len();
        let pairs = from.chunks_exact(2).map(|p| Complex64::new(p[0], p[1]));
        let mut numbers: Vec<Complex64> = match self.kind {
            Kind::Forward | Kind::Inverse => pairs.collect(),
            Kind::RealForward => from.iter().map(|&x| x.into()).collect(),
            Kind::RealInverse => {
                let mut numbers: Vec<Complex64> = pairs.collect();
                numbers[0].im = 0.0;
                if n.is_multiple_of(2) {
                    numbers[n / 2].im = 0.0;
                }
                for k in n / 2 + 1..n {
                    numbers.push(numbers[n - k].conj());
                }
                numbers
            }
        };
        plan.process(&mut numbers);
        let by = n as f64;
        match self.kind {
            Kind::Forward => write(to, &numbers, |z| [z.re, z.im]),
            Kind::Inverse => write(to, &numbers, |z| [z.re / by, z.im / by]),
            Kind::RealForward => {
                write(to, &numbers, |z| [z.re, z.im]);
                // Rounding must not give these an imaginary part.
                to[1] = 0.0;
                if n.is_multiple_of(2) {
                    to[n + 1] = 0.0;
                }
            }
            Kind::RealInverse => write(to, &numbers, |z| [z.re / by]),
        }
    }

    fn bytes(&self) -> u64 {
        // Twiddle factors, and those of the parts it falls into.
        let n = self.plan.as_ref().map_or(0, |plan| plan.len());
        (4 * n * size_of::<Complex64>()) as u64
    }
}

fn write<const N: usize>(to: &mut [f64], numbers: &[Complex64], f: impl Fn(Complex64) -> [f64; N]) {
    for (to, &z) in to.chunks_exact_mut(N).zip(numbers) {
        to.copy_from_slice(&f(z));
    }
}
