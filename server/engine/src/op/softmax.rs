//! softmax, log_softmax, reduce_logsumexp: normalised exponentials.
//!
//! The derivative of softmax p is J = diag(p) - p pᵀ, whose entries p_i (1 - p_i) cancel where one p_k is nearly 1.
//! As J maps constants to 0 from either side, J = Eᵀ (diag(p) - p pᵀ) E with E t = t - t_k, k being the largest
//! element; that way the small differences are sums of small terms, in forward and in reverse mode alike.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Op, Problem, Rule, Types, ValueId,
    by_line, elementary,
    kernels::{Loop, in_eight, widest},
    reduce,
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

/// The largest element, NaN if any is; and where it stands first.
fn largest_of(line: &[f64]) -> (f64, usize) {
    let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
    let largest = in_eight(line, f64::NEG_INFINITY, larger, larger);
    let is_it = |x: &f64| *x == largest || x.is_nan();
    (largest, line.iter().position(is_it).unwrap_or(0))
}

/// Makes each x e^(x - largest), the largest one 0; gives the sum.
struct Exponentials<'a> {
    line: &'a mut [f64],
    largest: f64,
    at: usize,
}

impl Loop for Exponentials<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        (self.line.iter_mut()).for_each(|x| *x = elementary::exp(*x - self.largest));
        if let Some(x) = self.line.get_mut(self.at) {
            *x = 0.0;
        }
        in_eight(self.line, 0.0, |a, b| a + b, |a, b| a + b)
    }
}

/// Makes each e its share of the whole.
struct Shares<'a> {
    line: &'a mut [f64],
    whole: f64,
}

impl Loop for Shares<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let share = |e: f64| if e == 0.0 { 0.0 } else { e / self.whole };
        self.line.iter_mut().for_each(|x| *x = share(*x));
    }
}

/// Makes each element e^(a - largest), the largest one 0; gives the largest and the sum. Of several +inf, and of all
/// -inf, the sum is NaN.
fn exponentials(line: &mut [f64]) -> (f64, usize, f64) {
    let (largest, at) = largest_of(line);
    let sum = widest(line.len(), Exponentials { line, largest, at });
    (largest, at, sum)
}

fn logsumexp(line: &mut [f64]) -> f64 {
    let (largest, _, rest) = exponentials(line);
    match largest.is_finite() {
        true => largest + elementary::log1p(rest),
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
    let (largest, at, rest) = exponentials(line);
    if let Some(x) = line.get_mut(at) {
        *x = elementary::exp(below(largest, largest));
    }
    // Several infinities make the rest NaN; beside them all is 0 that is not infinite itself.
    let whole = 1.0 + rest;
    widest(line.len(), Shares { line, whole });
}

fn log_softmax(line: &mut [f64]) {
    let (largest, _, rest) = exponentials(&mut line.to_vec());
    let log = elementary::log1p(rest);
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
