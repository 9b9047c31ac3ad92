//! softmax, log_softmax, reduce_logsumexp: normalised exponentials.
//!
//! The derivative of softmax p is J = diag(p) - p pᵀ, whose entries p_i (1 - p_i) cancel where one p_k is nearly 1.
//! As J maps constants to 0 from either side, J = Eᵀ (diag(p) - p pᵀ) E with E t = t - t_k, k being the largest
//! element; that way the small differences are sums of small terms, in forward and in reverse mode alike.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Op, Problem, Rule, Types, ValueId,
    by_line, reduce,
    reduce::{spread_back, spread_sum},
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
    kernel: |_, attributes, types| by_line::map(types, &[axis(attributes)], softmax),
};

/// a - log(sum(e^a)).
pub const LOG_SOFTMAX: Rule = Rule {
    jvp: Jvp::One(jvp_log_softmax),
    kernel: |_, attributes, types| by_line::map(types, &[axis(attributes)], log_softmax),
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
        by_line::fold(types, &axes, logsumexp)
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

/// The largest element, and the sum of e^(a - largest) over the others. NaN if any element is.
fn scaled(line: &[f64]) -> (f64, f64) {
    let mut k = 0;
    for (i, x) in line.iter().enumerate() {
        if *x > line[k] || x.is_nan() {
            k = i;
        }
        if x.is_nan() {
            break;
        }
    }
    let largest = line.get(k).copied().unwrap_or(f64::NEG_INFINITY);
    let others = line.iter().enumerate().filter(|&(i, _)| i != k);
    let sum = others.map(|(_, x)| libm::exp(x - largest)).sum();
    (largest, sum)
}

fn logsumexp(line: &[f64]) -> f64 {
    let (largest, rest) = scaled(line);
    match largest.is_finite() {
        true => largest + libm::log1p(rest),
        false => largest,
    }
}

/// a less the largest, in which that one itself is 0 even if it is +inf (not if it is -inf: then so are all).
fn below(x: f64, largest: f64) -> f64 {
    match x == f64::INFINITY && x == largest {
        true => 0.0,
        false => x - largest,
    }
}

fn softmax(line: &mut [f64]) {
    let (largest, rest) = scaled(line);
    for x in line {
        // Several infinities make the rest NaN; beside them all is 0 that is not infinite itself.
        let e = libm::exp(below(*x, largest));
        *x = if e == 0.0 { 0.0 } else { e / (1.0 + rest) };
    }
}

fn log_softmax(line: &mut [f64]) {
    let (largest, rest) = scaled(line);
    let log = libm::log1p(rest);
    for x in line {
        let distance = below(*x, largest);
        *x = match distance == f64::NEG_INFINITY {
            true => distance,
            false => distance - log,
        };
    }
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
