//! softmax, log_softmax, reduce_logsumexp: normalised exponentials.
//!
//! The derivative of softmax p is J = diag(p) - p pᵀ, whose entries p_i (1 - p_i) cancel where one p_k is nearly 1.
//! As J maps constants to 0 from either side, J = Eᵀ (diag(p) - p pᵀ) E with E t = t - t_k, k being the largest
//! element; that way the small differences are sums of small terms, in forward and in reverse mode alike.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, Op, Problem, Rule, Types, ValueId,
    by_line, elementary,
    kernels::{InEight, Loop, in_eight, widest, widest_long},
    reduce,
    reduce::{spread_back, spread_sum},
    short_lines::Becomes,
    team::{Team, share},
};
use crate::tensor::{DType, TensorType};
use smallvec::SmallVec;
use std::iter::repeat_with;

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

/// Elements that are worked out together: they stay in the cache.
const BLOCK: usize = 512;
/// Elements of a line that a thread works out at a time: their sum is one term of the whole's, however many threads there
/// are.
const PIECE: usize = 1 << 14;
/// The same where there is no place for them but one of their own.
const FEW: usize = 64;

/// The largest element, NaN if any is; and where it stands first.
struct Largest<'a> {
    line: &'a [f64],
}

impl Loop for Largest<'_> {
    type Output = (f64, usize);

    #[inline(always)]
    fn run(self) -> (f64, usize) {
        let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
        let (mut largest, mut first) = (f64::NEG_INFINITY, 0);
        for (k, block) in self.line.chunks(BLOCK).enumerate() {
            let own = in_eight(block, f64::NEG_INFINITY, larger, larger);
            if own > largest || own.is_nan() {
                (largest, first) = (own, k * BLOCK);
            }
            if own.is_nan() {
                break;
            }
        }
        let is_it = |x: &f64| *x == largest || x.is_nan();
        let rest = self.line.get(first..).unwrap_or_default();
        let within = rest.iter().position(is_it).unwrap_or(0);
        (largest, first + within)
    }
}

/// e^(a - largest) of each element, the largest one 0: written to where there is a place, and summed up.
struct Exponentials<'a> {
    line: &'a [f64],
    to: Option<&'a mut [f64]>,
    largest: f64,
    at: usize,
}

impl Loop for Exponentials<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(mut self) -> f64 {
        let mut sum = InEight::new(0.0);
        let mut own = [0.0; FEW];
        let count = if self.to.is_some() { BLOCK } else { FEW };
        for (k, block) in self.line.chunks(count).enumerate() {
            let begin = k * count;
            let to = match &mut self.to {
                Some(to) => &mut to[begin..][..block.len()],
                None => &mut own[..block.len()],
            };
            for (to, x) in to.iter_mut().zip(block) {
                *to = elementary::exp(*x - self.largest);
            }
            if let Some(x) = self.at.checked_sub(begin).and_then(|at| to.get_mut(at)) {
                *x = 0.0;
            }
            sum.add(to, |a, b| a + b);
        }
        sum.join(|a, b| a + b)
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
        for x in self.line {
            *x = if *x == 0.0 { 0.0 } else { *x / self.whole };
        }
    }
}

/// Each element less what it takes to come to the logarithm of its share.
struct Logarithms<'a> {
    line: &'a [f64],
    to: &'a mut [f64],
    largest: f64,
    log: f64,
}

impl Loop for Logarithms<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (to, x) in self.to.iter_mut().zip(self.line) {
            let distance = below(*x, self.largest);
            *to = match distance == f64::NEG_INFINITY {
                true => distance,
                false => distance - self.log,
            };
        }
    }
}

/// The largest element of a line, NaN if any is; and where it stands first.
fn largest_of(line: &[f64], team: &dyn Team) -> (f64, usize) {
    let of = |line: &[f64]| widest(line.len(), Largest { line });
    if line.len() <= PIECE {
        return of(line);
    }
    let mut own: SmallVec<[(f64, usize); 64]> = SmallVec::from_elem((0.0, 0), pieces(line));
    let all = line.chunks(PIECE).zip(&mut own);
    share(team, all, |(line, own)| *own = of(line));
    let (mut largest, mut at) = (f64::NEG_INFINITY, 0);
    for (k, (own, within)) in own.into_iter().enumerate() {
        if own > largest || own.is_nan() {
            (largest, at) = (own, k * PIECE + within);
        }
        if own.is_nan() {
            break;
        }
    }
    (largest, at)
}

fn pieces(line: &[f64]) -> usize {
    line.len().div_ceil(PIECE)
}

/// e^(a - largest) of each element, the largest one 0; gives the largest, where it stands, and the sum. Of several +inf,
/// and of all -inf, the sum is NaN.
fn exponentials(line: &[f64], to: Option<&mut [f64]>, team: &dyn Team) -> (f64, usize, f64) {
    let (largest, at) = largest_of(line, team);
    let sum = |line: &[f64], to: Option<&mut [f64]>, at: usize| {
        let of = Exponentials {
            line,
            to,
            largest,
            at,
        };
        widest_long(line.len(), of)
    };
    if line.len() <= PIECE {
        return (largest, at, sum(line, to, at));
    }
    let mut sums: SmallVec<[f64; 64]> = SmallVec::from_elem(0.0, pieces(line));
    let mut places = to.map(|to| to.chunks_mut(PIECE));
    let places = repeat_with(|| places.as_mut().and_then(Iterator::next));
    let all = line.chunks(PIECE).zip(places).zip(&mut sums).enumerate();
    share(team, all, |(k, ((line, to), own))| {
        // Beyond the end of pieces in which it is not.
        *own = sum(line, to, at.wrapping_sub(k * PIECE));
    });
    (largest, at, sums.iter().sum())
}

fn logsumexp(line: &[f64], team: &dyn Team) -> f64 {
    let (largest, _, rest) = exponentials(line, None, team);
    match largest.is_finite() {
        true => largest + elementary::alone::log1p(rest),
        false => largest,
    }
}

/// a less the largest, in which that one itself is 0 even if it is +inf (not if it is -inf: then so are all).
#[inline(always)]
fn below(x: f64, largest: f64) -> f64 {
    match x == f64::INFINITY && x == largest {
        true => 0.0,
        false => x - largest,
    }
}

fn softmax(line: &[f64], to: &mut [f64], team: &dyn Team) {
    let (largest, at, rest) = exponentials(line, Some(&mut *to), team);
    if let Some(x) = to.get_mut(at) {
        *x = elementary::alone::exp(below(largest, largest));
    }
    // Several infinities make the rest NaN; beside them all is 0 that is not infinite itself.
    let whole = 1.0 + rest;
    share(team, to.chunks_mut(PIECE), |line| {
        widest_long(line.len(), Shares { line, whole });
    });
}

fn log_softmax(line: &[f64], to: &mut [f64], team: &dyn Team) {
    let (largest, _, rest) = exponentials(line, None, team);
    let log = elementary::alone::log1p(rest);
    let all = line.chunks(PIECE).zip(to.chunks_mut(PIECE));
    share(team, all, |(line, to)| {
        let of = Logarithms {
            line,
            to,
            largest,
            log,
        };
        widest(line.len(), of);
    });
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
    use super::super::{Alone, short_lines};
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
            for count in [1, 7, 8, 9, 40] {
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
