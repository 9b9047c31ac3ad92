//! Sums and other reductions, running ones, sorting, and contractions.

use super::Number;
use super::structural::lines;
use super::tensor::{Data, Value, elements, flat, indices};
use crate::op::{Attributes, DotDimensions, Op};
use crate::tensor::TensorType;
use std::cmp::Ordering;

/// Results of the operation; `None` where this evaluator lacks it.
pub(super) fn apply<N: Number>(
    op: Op,
    attributes: &Attributes,
    x: &[&Value<N>],
    types: &[TensorType],
) -> Option<Vec<Value<N>>> {
    let shape = types[0].shape.sizes();
    Some(match (op, attributes) {
        (Op::DotGeneral, Attributes::DotGeneral(d)) => vec![contract(d, x, shape)?],
        (_, Attributes::Reduce { axes, .. }) if op != Op::ReduceLogsumexp => {
            vec![reduce(op, axes, x[0], shape)?]
        }
        (Op::Argmax | Op::Argmin, Attributes::ArgReduce { axis, .. }) => {
            let mut found = Vec::new();
            let v = x[0];
            lines(&v.shape, *axis as usize, |places| {
                found.push(first_extreme(op, v, places) as i64);
            });
            vec![Value::integer(shape, found)]
        }
        (_, Attributes::Cumulative { axis, reverse }) => {
            vec![cumulative(op, *axis as usize, *reverse, x[0])?]
        }
        (Op::Sort, Attributes::Sort { axis, descending }) => {
            let permuted = permutation(x[0], *axis as usize, *descending);
            let mut sorted: Vec<Value<N>> = x
                .iter()
                .map(|v| v.pick(v.shape.clone(), permuted.iter().copied()))
                .collect();
            share_ties(&mut sorted[0], *axis as usize);
            sorted
        }
        (Op::TopK, Attributes::TopK { k }) => {
            let axis = x[0].shape.len() - 1;
            let (size, k) = (x[0].shape[axis], *k as usize);
            let permuted = permutation(x[0], axis, true);
            let mut sorted = x[0].pick(x[0].shape.clone(), permuted.iter().copied());
            share_ties(&mut sorted, axis);
            let first = |i: usize| i / k * size + i % k;
            let places = (0..elements(&shape)).map(first);
            let along = places.clone().map(|p| (permuted[p] % size) as i64);
            let indices = Value::integer(shape.clone(), along.collect());
            vec![sorted.pick(shape, places), indices]
        }
        (Op::Argsort, Attributes::Sort { axis, descending }) => {
            let axis = *axis as usize;
            let permuted = permutation(x[0], axis, *descending);
            let inner = elements(&shape[axis + 1..]);
            let along = permuted.iter().map(|p| (p / inner % shape[axis]) as i64);
            let along = along.collect();
            vec![Value::integer(shape, along)]
        }
        (Op::SearchSorted, Attributes::SearchSorted { right }) => {
            fn count<T: PartialOrd>(sorted: &[T], query: &T, right: bool) -> i64 {
                let before = |v: &&T| if right { *v <= query } else { *v < query };
                sorted.iter().take_while(before).count() as i64
            }
            let counts = match (&x[0].data, &x[1].data) {
                (Data::Float(sorted), Data::Float(queries)) => {
                    let sorted: Vec<f64> = sorted.iter().map(Number::value).collect();
                    let of = queries.iter().map(|q| count(&sorted, &q.value(), *right));
                    of.collect()
                }
                (Data::Integer(sorted), Data::Integer(queries)) => {
                    queries.iter().map(|q| count(sorted, q, *right)).collect()
                }
                _ => return None,
            };
            vec![Value::integer(shape, counts)]
        }
        _ => return None,
    })
}

/// Whether the operation compares values: a complex step does not pass it.
pub(super) fn compares(op: Op) -> bool {
    matches!(
        op,
        Op::ReduceMax
            | Op::ReduceMin
            | Op::Cummax
            | Op::Cummin
            | Op::Sort
            | Op::Argsort
            | Op::TopK
            | Op::Argmax
            | Op::Argmin
            | Op::SearchSorted
            | Op::Norm
            | Op::Compare
    )
}

fn contract<N: Number>(d: &DotDimensions, x: &[&Value<N>], shape: Vec<usize>) -> Option<Value<N>> {
    let (a, b) = (x[0], x[1]);
    let free = |rank: usize, taken: [&[u32]; 2]| -> Vec<usize> {
        let is_taken = |d: &usize| taken.iter().any(|t| t.contains(&(*d as u32)));
        (0..rank).filter(|d| !is_taken(d)).collect()
    };
    let rows = free(a.shape.len(), [&d.lhs_contracting, &d.lhs_batch]);
    let columns = free(b.shape.len(), [&d.rhs_contracting, &d.rhs_batch]);
    let inner: Vec<usize> = d
        .lhs_contracting
        .iter()
        .map(|&i| a.shape[i as usize])
        .collect();
    let inner: Vec<Vec<usize>> = indices(&inner).collect();
    let batches = d.lhs_batch.len();
    // Offsets of every term, worked out once for each of the result's elements.
    let terms = |index: &[usize]| -> Vec<(usize, usize)> {
        let (mut p, mut q) = (vec![0; a.shape.len()], vec![0; b.shape.len()]);
        for (k, (&l, &r)) in d.lhs_batch.iter().zip(&d.rhs_batch).enumerate() {
            (p[l as usize], q[r as usize]) = (index[k], index[k]);
        }
        for (k, &r) in rows.iter().enumerate() {
            p[r] = index[batches + k];
        }
        for (k, &c) in columns.iter().enumerate() {
            q[c] = index[batches + rows.len() + k];
        }
        let at = inner.iter().map(|i| {
            for (k, (&l, &r)) in d.lhs_contracting.iter().zip(&d.rhs_contracting).enumerate() {
                (p[l as usize], q[r as usize]) = (i[k], i[k]);
            }
            (flat(&p, &a.shape), flat(&q, &b.shape))
        });
        at.collect()
    };
    let data = match (&a.data, &b.data) {
        (Data::Float(u), Data::Float(v)) => {
            let one = |index: Vec<usize>| {
                let of = terms(&index).into_iter().map(|(p, q)| u[p] * v[q]);
                of.fold(N::constant(0.0), |sum, term| sum + term)
            };
            Data::Float(indices(&shape).map(one).collect())
        }
        (Data::Integer(u), Data::Integer(v)) => {
            let one = |index: Vec<usize>| {
                let of = terms(&index)
                    .into_iter()
                    .map(|(p, q)| u[p].wrapping_mul(v[q]));
                of.fold(0i64, i64::wrapping_add)
            };
            Data::Integer(indices(&shape).map(one).collect())
        }
        _ => return None,
    };
    Some(Value {
        shape,
        data,
        refused: false,
    })
}

/// The places of what is reduced together, in the result's order.
pub(super) fn groups(axes: &[u32], shape: &[usize]) -> Vec<Vec<usize>> {
    let all = axes.is_empty();
    let is_kept = |d: usize| !all && !axes.contains(&(d as u32));
    let kept: Vec<usize> = (0..shape.len()).filter(|&d| is_kept(d)).collect();
    let kept_sizes: Vec<usize> = kept.iter().map(|&d| shape[d]).collect();
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); elements(&kept_sizes)];
    for (at, index) in indices(shape).enumerate() {
        let own: Vec<usize> = kept.iter().map(|&d| index[d]).collect();
        groups[flat(&own, &kept_sizes)].push(at);
    }
    groups
}

fn reduce<N: Number>(op: Op, axes: &[u32], x: &Value<N>, shape: Vec<usize>) -> Option<Value<N>> {
    let groups = groups(axes, &x.shape);
    let data = match &x.data {
        Data::Float(v) => {
            let zero = N::constant(0.0);
            let one = |places: &Vec<usize>| -> Option<N> {
                let those = || places.iter().map(|&p| v[p]);
                Some(match op {
                    Op::ReduceSum => those().fold(zero, |sum, x| sum + x),
                    Op::ReduceProd => those().fold(N::constant(1.0), |product, x| product * x),
                    Op::ReduceMax => extreme(those(), |a, b| a > b),
                    Op::ReduceMin => extreme(those(), |a, b| a < b),
                    _ => return None,
                })
            };
            Data::Float(groups.iter().map(one).collect::<Option<_>>()?)
        }
        Data::Integer(v) => {
            let one = |places: &Vec<usize>| -> Option<i64> {
                let those = || places.iter().map(|&p| v[p]);
                match op {
                    Op::ReduceSum => Some(those().fold(0, i64::wrapping_add)),
                    Op::ReduceProd => Some(those().fold(1, i64::wrapping_mul)),
                    Op::ReduceMax => those().max(),
                    Op::ReduceMin => those().min(),
                    _ => None,
                }
            };
            Data::Integer(groups.iter().map(one).collect::<Option<_>>()?)
        }
        Data::Bool(v) => {
            let one = |places: &Vec<usize>| match op {
                Op::ReduceAnd => places.iter().all(|&p| v[p]),
                _ => places.iter().any(|&p| v[p]),
            };
            Data::Bool(groups.iter().map(one).collect())
        }
    };
    Some(Value {
        shape,
        data,
        refused: false,
    })
}

/// The extreme element, NaN if any is; k equal ones share the derivative.
pub(super) fn extreme<N: Number>(
    those: impl Iterator<Item = N>,
    beats: impl Fn(f64, f64) -> bool,
) -> N {
    let mut best: Vec<N> = Vec::new();
    for x in those {
        match best.first().map(Number::value) {
            _ if x.value().is_nan() => return N::constant(f64::NAN),
            Some(b) if beats(b, x.value()) => {}
            Some(b) if b == x.value() => best.push(x),
            _ => best = vec![x],
        }
    }
    mean(&best)
}

/// Of equal numbers: their value, and the mean of their derivatives.
fn mean<N: Number>(equal: &[N]) -> N {
    match equal {
        [] => N::constant(f64::NAN),
        [only] => *only,
        [first, ..] => {
            let sum = equal.iter().fold(N::constant(0.0), |sum, &x| sum + x);
            (sum * N::constant(1.0 / equal.len() as f64)).at(first.value())
        }
    }
}

fn first_extreme<N: Number>(op: Op, x: &Value<N>, places: &[usize]) -> usize {
    let mut best = 0;
    for k in 1..places.len() {
        let better = match &x.data {
            Data::Float(v) => {
                let (a, b) = (v[places[k]].value(), v[places[best]].value());
                let beats = if op == Op::Argmax { a > b } else { a < b };
                !b.is_nan() && (beats || a.is_nan())
            }
            Data::Integer(v) => {
                let (a, b) = (v[places[k]], v[places[best]]);
                if op == Op::Argmax { a > b } else { a < b }
            }
            Data::Bool(_) => false,
        };
        if better {
            best = k;
        }
    }
    best
}

fn cumulative<N: Number>(op: Op, axis: usize, reverse: bool, x: &Value<N>) -> Option<Value<N>> {
    let mut result = x.clone();
    let step: fn(N, N) -> Option<N> = match op {
        Op::Cumsum => |a, b| Some(a + b),
        Op::Cumprod => |a, b| Some(a * b),
        // Like the running maximum, the equal element that comes first keeps its derivative's share by halves.
        Op::Cummax | Op::Cummin => |_, b| Some(b),
        Op::Cumlogsumexp => |a, b| super::elementwise::apply(Op::Logaddexp, &[a, b]),
        _ => return None,
    };
    let integer: Option<fn(i64, i64) -> i64> = match op {
        Op::Cumsum => Some(i64::wrapping_add),
        Op::Cumprod => Some(i64::wrapping_mul),
        Op::Cummax => Some(Ord::max),
        Op::Cummin => Some(Ord::min),
        _ => None,
    };
    let mut fine = true;
    lines(&x.shape, axis, |places| {
        let mut order = places.to_vec();
        if reverse {
            order.reverse();
        }
        match &mut result.data {
            Data::Float(v) if matches!(op, Op::Cummax | Op::Cummin) => {
                let own: Vec<N> = order.iter().map(|&p| v[p]).collect();
                for (k, &p) in order.iter().enumerate() {
                    let so_far = own[..=k].iter().copied();
                    v[p] = match op {
                        Op::Cummax => extreme(so_far, |a, b| a > b),
                        _ => extreme(so_far, |a, b| a < b),
                    };
                }
            }
            Data::Float(v) => {
                for pair in order.windows(2) {
                    match step(v[pair[0]], v[pair[1]]) {
                        Some(next) => v[pair[1]] = next,
                        None => fine = false,
                    }
                }
            }
            Data::Integer(v) => {
                for pair in order.windows(2) {
                    match integer {
                        Some(f) => v[pair[1]] = f(v[pair[0]], v[pair[1]]),
                        None => fine = false,
                    }
                }
            }
            Data::Bool(_) => fine = false,
        }
    });
    fine.then_some(result)
}

/// Where each element of the sorted tensor comes from. Stable; NaN last.
fn permutation<N: Number>(x: &Value<N>, axis: usize, descending: bool) -> Vec<usize> {
    let mut from: Vec<usize> = (0..elements(&x.shape)).collect();
    let compare = |a: &usize, b: &usize| -> Ordering {
        match &x.data {
            Data::Float(v) => {
                let (a, b) = (v[*a].value(), v[*b].value());
                let order = match descending {
                    true => b.partial_cmp(&a),
                    false => a.partial_cmp(&b),
                };
                order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            }
            Data::Integer(v) if descending => v[*b].cmp(&v[*a]),
            Data::Integer(v) => v[*a].cmp(&v[*b]),
            Data::Bool(v) if descending => v[*b].cmp(&v[*a]),
            Data::Bool(v) => v[*a].cmp(&v[*b]),
        }
    };
    lines(&x.shape, axis, |places| {
        let mut order = places.to_vec();
        order.sort_by(compare);
        for (&to, place) in places.iter().zip(order) {
            from[to] = place;
        }
    });
    from
}

/// Equal keys share their derivative. What is permuted alongside keeps its own: it moves where the permutation says.
fn share_ties<N: Number>(keys: &mut Value<N>, axis: usize) {
    let shape = keys.shape.clone();
    if let Data::Float(v) = &mut keys.data {
        lines(&shape, axis, |places| {
            let mut first = 0;
            while first < places.len() {
                let key = v[places[first]].value();
                let same = |x: f64| x == key || x.is_nan() && key.is_nan();
                let rest = places[first..].iter();
                let equal = rest.take_while(|&&p| same(v[p].value())).count();
                let group = &places[first..first + equal];
                let own: Vec<N> = group.iter().map(|&p| v[p]).collect();
                let shared = mean(&own);
                for &p in group {
                    v[p] = shared.at(v[p].value());
                }
                first += equal;
            }
        });
    }
}
