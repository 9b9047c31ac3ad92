//! Norms and normalised exponentials, by their definitions, scaled by constants.

use super::Number;
use super::reduce::{extreme, groups};
use super::tensor::Value;
use crate::op::{Attributes, NormKind, Op};

/// The operation's result; `None` where it is another's.
pub(super) fn apply<N: Number>(
    op: Op,
    attributes: &Attributes,
    x: &[&Value<N>],
    shape: &[usize],
) -> Option<Value<N>> {
    let rank = || x[0].shape.len() as u32;
    let fold = |axes: &[u32], of: &dyn Fn(&[N]) -> Option<N>| {
        let v = x[0].floats();
        let own = groups(axes, &x[0].shape).into_iter().map(|places| {
            let line: Vec<N> = places.into_iter().map(|p| v[p]).collect();
            of(&line)
        });
        Some(Value::float(shape.to_vec(), own.collect::<Option<_>>()?))
    };
    match (op, attributes) {
        (Op::ReduceLogsumexp, Attributes::Reduce { axes, .. }) => fold(axes, &|line| {
            let (largest, sum) = scaled(line)?;
            Some(match largest.is_finite() {
                true => N::constant(largest) + sum.elementary(Op::Log)?,
                false => N::constant(largest),
            })
        }),
        (Op::Norm, Attributes::Norm { kind, axes, .. }) => {
            let last = [rank().saturating_sub(2), rank().saturating_sub(1)];
            let axes = match (kind, axes.is_empty()) {
                (NormKind::Fro, true) => &last[..],
                _ => axes,
            };
            fold(axes, &|line| norm(*kind, line))
        }
        (Op::Softmax | Op::LogSoftmax, Attributes::Softmax { axis }) => {
            let v = x[0].floats();
            let mut out = v.to_vec();
            let others: Vec<u32> = vec![*axis];
            for places in groups(&others, &x[0].shape) {
                let line: Vec<N> = places.iter().map(|&p| v[p]).collect();
                let (largest, sum) = scaled(&line)?;
                for &p in &places {
                    let distance = v[p] - N::constant(largest);
                    out[p] = match op {
                        Op::Softmax => distance.elementary(Op::Exp)? / sum,
                        _ => distance - sum.elementary(Op::Log)?,
                    };
                }
            }
            Some(Value::float(shape.to_vec(), out))
        }
        _ => None,
    }
}

/// The largest value, and the sum of e^(a - largest).
fn scaled<N: Number>(line: &[N]) -> Option<(f64, N)> {
    let values = line.iter().map(Number::value);
    let largest = values.fold(f64::NEG_INFINITY, f64::max);
    let mut sum = N::constant(0.0);
    for &a in line {
        sum = sum + (a - N::constant(largest)).elementary(Op::Exp)?;
    }
    Some((largest, sum))
}

fn absolute<N: Number>(a: N) -> N {
    match a.value() {
        0.0 => N::constant(0.0),
        v if v < 0.0 => -a,
        _ => a,
    }
}

fn norm<N: Number>(kind: NormKind, line: &[N]) -> Option<N> {
    let sizes = line.iter().map(|&a| absolute(a));
    let zero = N::constant(0.0);
    match kind {
        NormKind::One => Some(sizes.fold(zero, |sum, a| sum + a)),
        NormKind::Inf if line.is_empty() => Some(zero),
        NormKind::Inf => Some(extreme(sizes, |a, b| a > b)),
        NormKind::Two | NormKind::Fro => {
            let largest = sizes.map(|a| a.value()).fold(0.0, f64::max);
            if largest == 0.0 {
                return Some(zero);
            }
            let scale = N::constant(largest);
            let squares = line.iter().map(|&a| (a / scale) * (a / scale));
            let sum = squares.fold(zero, |sum, square| sum + square);
            Some(scale * sum.elementary(Op::Sqrt)?)
        }
    }
}
