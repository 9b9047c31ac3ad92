//! softmax, log_softmax, reduce_logsumexp: normalised exponentials.
//!
//! The derivative of softmax p is J = diag(p) - p pᵀ, whose entries p_i (1 - p_i) cancel where one p_k is nearly 1.
//! As J maps constants to 0 from either side, J = Eᵀ (diag(p) - p pᵀ) E with E t = t - t_k, k being the largest
//! element; that way the small differences are sums of small terms, in forward and in reverse mode alike.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Op, Problem, Rule, Types, ValueId,
    by_line,
    long_lines::{log_softmax, logsumexp, softmax},
    reduce,
    reduce::{spread_back, spread_sum},
    short_lines::Becomes,
};
use crate::tensor::{DType, TensorType};

/// e^a / sum(e^a). Of one +inf among others 1 there and 0 elsewhere; where several are +inf or all are -inf, NaN.
pub const SOFTMAX: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "softmax",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |_, types| types.result.elements().saturating_mul(14),
    },
    jvp: Jvp::One(jvp_softmax),
    transpose: None,
    kernel: |_, attributes, types| {
        by_line::map(types, &[axis(attributes)], softmax, Some(Becomes::Softmax))
    },
};

/// a - log(sum(e^a)).
pub const LOG_SOFTMAX: Rule = Rule {
    jvp: Jvp::One(jvp_log_softmax),
    kernel: |_, attributes, types| {
        by_line::map(
            types,
            &[axis(attributes)],
            log_softmax,
            Some(Becomes::LogSoftmax),
        )
    },
    ..SOFTMAX
};

/// log(sum(e^a)); -inf of nothing.
pub const LOGSUMEXP: Rule = Rule {
    form: Form {
        attribute: "reduce",
        non_smooth: "NaN where all are -inf or several +inf",
        infer: Infer::One(reduce::infer_float),
        cost: |_, types: &Types<'_>| types.operands[0].elements().saturating_mul(12),
        ..SOFTMAX.form
    },
    jvp: Jvp::One(jvp_logsumexp),
    transpose: None,
    kernel: |_, attributes, types| {
        let axes = axes(attributes, types.operands[0].shape.rank());
        by_line::fold(types, &axes, logsumexp, Some(Becomes::LogSumExp))
    },
};

fn axis(attributes: &Attributes) -> usize {
    match attributes {
        Attributes::Softmax { axis } => *axis as usize,
        _ => 0,
    }
}

fn axes(attributes: &Attributes, rank: usize) -> Vec<usize> {
    match attributes {
        Attributes::Reduce { axes, .. } => reduce::axes_or_all(axes, rank),
        _ => (0..rank).collect(),
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Softmax { axis } = attributes else {
        return Err(Problem::node("softmax attributes are missing"));
    };
    super::check_float(operands[0], 0)?;
    reduce::check_axis(*axis, operands[0].shape.rank())?;
    Ok(operands[0].clone())
}

/// 1 at the first largest element of each line, else 0.
fn largest(cx: &mut dyn Emit, x: ValueId, axis: usize) -> ValueId {
    let ty = cx.ty(x).clone();
    let attributes = Attributes::ArgReduce {
        axis: axis as u32,
        keep_dims: false,
    };
    let place = cx.emit(Op::Argmax, &[x], attributes);
    let place = spread_back(cx, &[axis], place, &ty.shape);
    let iota = Attributes::Iota {
        ty: TensorType::new(DType::I64, ty.shape.clone()),
        dimension: axis as u32,
    };
    let own = cx.emit(Op::Iota, &[], iota);
    let is_largest = cx.compare(Direction::Eq, own, place);
    cx.convert(is_largest, ty.dtype)
}

/// E t: less its element where the mask is 1.
fn from_largest(cx: &mut dyn Emit, mask: ValueId, t: ValueId, axis: usize) -> ValueId {
    let there = cx.binary(Op::Multiply, mask, t);
    let there = spread_sum(cx, &[axis], there);
    cx.binary(Op::Subtract, t, there)
}

fn jvp_softmax(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let (tangent, p, axis) = (tangents[0]?, node.result, axis(node.attributes));
    if cx.ty(tangent).elements() == 0 {
        return Some(tangent);
    }
    let mask = largest(cx, node.operands[0], axis);
    let t = from_largest(cx, mask, tangent, axis);
    let weighted = cx.binary(Op::Multiply, p, t);
    let mean = spread_sum(cx, &[axis], weighted);
    let distance = cx.binary(Op::Subtract, t, mean);
    let moved = cx.binary(Op::Multiply, p, distance);
    // Eᵀ: what the largest element should be is minus the sum of the others.
    let sum = spread_sum(cx, &[axis], moved);
    let there = cx.binary(Op::Multiply, mask, sum);
    Some(cx.binary(Op::Subtract, moved, there))
}

/// t - pᵀ t, with E t for t.
fn jvp_log_softmax(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let (tangent, axis) = (tangents[0]?, axis(node.attributes));
    if cx.ty(tangent).elements() == 0 {
        return Some(tangent);
    }
    let mask = largest(cx, node.operands[0], axis);
    let t = from_largest(cx, mask, tangent, axis);
    let p = cx.emit(Op::Softmax, node.operands, node.attributes.clone());
    let weighted = cx.binary(Op::Multiply, p, t);
    let mean = spread_sum(cx, &[axis], weighted);
    Some(cx.binary(Op::Subtract, t, mean))
}

/// The mean of the tangent weighted by softmax over all axes together.
fn jvp_logsumexp(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Option<ValueId> {
    let tangent = tangents[0]?;
    let shape = cx.ty(tangent).shape.clone();
    if shape.elements() == 0 {
        return None;
    }
    let result = cx.ty(node.result).shape.clone();
    let axes = axes(node.attributes, shape.rank());
    let is_kept = |d: &usize| !axes.contains(d);
    let kept = (0..shape.rank()).filter(is_kept);
    let order: Vec<u32> = kept.chain(axes.iter().copied()).map(|d| d as u32).collect();
    let lines = [result.elements(), reduce::count(&shape, &axes)];
    let mut as_lines = |v| {
        let v = cx.transpose(v, order.clone());
        cx.reshape(v, &lines)
    };
    let (x, t) = (as_lines(node.operands[0]), as_lines(tangent));
    let p = cx.emit(Op::Softmax, &[x], Attributes::Softmax { axis: 1 });
    let weighted = cx.binary(Op::Multiply, p, t);
    let mean = cx.reduce(Op::ReduceSum, weighted, vec![1]);
    Some(cx.reshape(mean, &result))
}

#[cfg(test)]
mod tests {
    use super::super::{Alone, Team, short_lines};
    use super::*;

    /// Lines of every short length with any of these anywhere: as bits, NaN as one.
    #[test]
    fn lines_side_by_side_are_lines_alone() {
        const NUMBERS: [f64; 9] = [
            0.3,
            -1.7,
            709.5,
            -0.0,
            0.0,
            -745.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
        let mut state = 7u64;
        let mut next = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) as usize
        };
        for length in 2..=short_lines::MOST {
            for count in [1, 7, 8, 9, 40, 71] {
                for special in [0, 6, 9] {
                    let mut number = |i: usize| match next() % 4 {
                        0 if special > 0 => NUMBERS[next() % special],
                        _ => (i % 11) as f64 - 5.0 + (next() % 1000) as f64 * 1e-3,
                    };
                    let from: Vec<f64> = (0..count * length).map(&mut number).collect();
                    let alone = |of: fn(&[f64], &mut [f64], &dyn Team)| {
                        let mut to = vec![0.0; from.len()];
                        let lines = from.chunks(length).zip(to.chunks_mut(length));
                        lines.for_each(|(from, to)| of(from, to, &Alone));
                        to
                    };
                    let sums = from.chunks(length).map(|line| logsumexp(line, &Alone));
                    let sums = sums.collect();
                    for (becomes, want) in [
                        (Becomes::Softmax, alone(softmax)),
                        (Becomes::LogSoftmax, alone(log_softmax)),
                        (Becomes::LogSumExp, sums),
                    ] {
                        let mut to = vec![0.0; want.len()];
                        short_lines::run(becomes, length, &from, &mut to);
                        let differs = to.iter().zip(&want).position(|(a, b)| bits(a) != bits(b));
                        assert_eq!(differs, None, "{becomes:?} of {count} × {length}: {from:?}");
                    }
                }
            }
        }
    }
}
