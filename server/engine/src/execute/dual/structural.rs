//! Operations that move elements: every result's element by its index, as the contract words it.

use super::Number;
use super::tensor::{Data, Value, around, elements, flat, indices, strides};
use crate::op::{Attributes, Direction, GatherDimensions, Op, OutOfBounds, ScatterDimensions};
use crate::tensor::{DType, TensorType};

/// Results of the operation; `None` where this evaluator lacks it.
pub(super) fn apply<N: Number>(
    op: Op,
    attributes: &Attributes,
    x: &[&Value<N>],
    ty: &TensorType,
) -> Option<Value<N>> {
    let shape = ty.shape.sizes();
    let size = |v: &Vec<u64>| v.iter().map(|&d| d as usize).collect::<Vec<_>>();
    Some(match (op, attributes) {
        (Op::Constant, Attributes::Constant(tensor)) => Value::constant((**tensor).as_ref()),
        (Op::Iota, Attributes::Iota { dimension, .. }) => {
            let at = indices(&shape).map(|i| i[*dimension as usize] as i64);
            converted(&Value::integer(shape.clone(), at.collect()), ty.dtype)
        }
        (Op::Convert, _) => converted(x[0], ty.dtype),
        (Op::StopGradient, _) => Value {
            data: match &x[0].data {
                Data::Float(v) => Data::Float(v.iter().map(|x| N::constant(x.value())).collect()),
                other => other.clone(),
            },
            ..x[0].clone()
        },
        (Op::Reshape, _) => Value {
            shape,
            ..x[0].clone()
        },
        (Op::Transpose, Attributes::Transpose { permutation }) => {
            let from = strides(&x[0].shape);
            let step: Vec<usize> = permutation.iter().map(|&d| from[d as usize]).collect();
            let places = indices(&shape).map(|i| i.iter().zip(&step).map(|(i, s)| i * s).sum());
            x[0].pick(shape.clone(), places)
        }
        (Op::BroadcastInDim, Attributes::BroadcastInDim { dimensions, .. }) => {
            let own = &x[0].shape;
            let places = indices(&shape).map(|i| {
                let of = dimensions.iter().zip(own);
                let index: Vec<usize> = of.map(|(&d, &n)| i[d as usize].min(n - 1)).collect();
                flat(&index, own)
            });
            x[0].pick(shape.clone(), places)
        }
        (
            Op::Slice,
            Attributes::Slice {
                starts, strides, ..
            },
        ) => {
            let step = |d: usize| strides.get(d).map_or(1, |&s| s as usize);
            let places = indices(&shape).map(|i| {
                let at: Vec<usize> = (0..i.len())
                    .map(|d| starts[d] as usize + i[d] * step(d))
                    .collect();
                flat(&at, &x[0].shape)
            });
            x[0].pick(shape.clone(), places)
        }
        (Op::Pad, Attributes::Pad { low, interior, .. }) => {
            let mut result = x[1].pick(shape.clone(), (0..elements(&shape)).map(|_| 0));
            let gap = |d: usize| 1 + interior.get(d).map_or(0, |&s| s as usize);
            let places = indices(&x[0].shape).map(|i| {
                let at: Vec<usize> = (0..i.len())
                    .map(|d| low[d] as usize + i[d] * gap(d))
                    .collect();
                Some(flat(&at, &shape))
            });
            result.put(x[0], places);
            result
        }
        (Op::Concatenate, Attributes::Concatenate { dimension }) => {
            let d = *dimension as usize;
            let mut result = Value::zeros(ty);
            let mut before = 0;
            for part in x {
                let places = indices(&part.shape).map(|mut i| {
                    i[d] += before;
                    Some(flat(&i, &shape))
                });
                result.put(part, places);
                before += part.shape[d];
            }
            result
        }
        (Op::Reverse, Attributes::Reverse { dimensions }) => {
            let places = indices(&shape).map(|mut i| {
                for &d in dimensions {
                    i[d as usize] = shape[d as usize] - 1 - i[d as usize];
                }
                flat(&i, &shape)
            });
            x[0].pick(shape.clone(), places)
        }
        (Op::Tile, Attributes::Tile { .. }) => {
            let own = &x[0].shape;
            let places = indices(&shape).map(|i| {
                // New dimensions stand in front.
                let inner = &i[i.len() - own.len()..];
                let index: Vec<usize> = inner.iter().zip(own).map(|(i, n)| i % n).collect();
                flat(&index, own)
            });
            x[0].pick(shape.clone(), places)
        }
        (Op::DynamicSlice, Attributes::DynamicSlice { .. }) => {
            let start = starts(x[1].integers(), &x[0].shape, &shape);
            let places = indices(&shape).map(|i| flat(&plus(&start, &i), &x[0].shape));
            x[0].pick(shape.clone(), places)
        }
        (Op::DynamicUpdateSlice, _) => {
            let start = starts(x[2].integers(), &shape, &x[1].shape);
            let mut result = x[0].clone();
            let places = indices(&x[1].shape).map(|i| Some(flat(&plus(&start, &i), &shape)));
            result.put(x[1], places);
            result
        }
        (Op::Gather, Attributes::Gather(g)) => gather(g, x[0], x[1], ty),
        (Op::ScatterAdd | Op::Scatter, Attributes::Scatter(s)) => scatter(op, s, x),
        (Op::OneHot, Attributes::OneHot { depth, .. }) => {
            let depth = *depth as usize;
            let hot = x[0].integers().iter();
            let hot = hot.flat_map(|&k| (0..depth).map(move |i| i64::from(k == i as i64)));
            converted(&Value::integer(shape.clone(), hot.collect()), ty.dtype)
        }
        (Op::Windows | Op::OverlapAdd, Attributes::Windows(w)) => {
            let (sizes, steps, gaps) = (size(&w.sizes), size(&w.strides), size(&w.dilations));
            let spatial = sizes.len();
            let or_one = |v: &[usize], d: usize| v.get(d).copied().unwrap_or(1);
            // The tensor's element that element `k` of window `at` is.
            let place = |full: &[usize], i: &[usize]| {
                let lead = full.len() - spatial;
                let mut at = i[..lead + spatial].to_vec();
                for d in 0..spatial {
                    at[lead + d] =
                        i[lead + d] * or_one(&steps, d) + i[lead + spatial + d] * or_one(&gaps, d);
                }
                flat(&at, full)
            };
            if op == Op::Windows {
                let places = indices(&shape).map(|i| place(&x[0].shape, &i));
                return Some(x[0].pick(shape.clone(), places));
            }
            let mut sum = Value::<N>::zeros(ty);
            sum.refused = x[0].refused;
            let Data::Float(to) = &mut sum.data else {
                return None;
            };
            for (i, &value) in indices(&x[0].shape).zip(x[0].floats()) {
                let at = place(&shape, &i);
                to[at] = to[at] + value;
            }
            sum
        }
        (Op::Compare, Attributes::Compare { direction }) => compare(*direction, x, shape),
        (Op::And | Op::Or | Op::Xor, _) => {
            let (a, b) = (x[0].bools(), x[1].bools());
            let one = |v: &[bool], i: usize| v[if v.len() == 1 { 0 } else { i }];
            let of = (0..elements(&shape)).map(|i| match op {
                Op::And => one(a, i) && one(b, i),
                Op::Or => one(a, i) || one(b, i),
                _ => one(a, i) != one(b, i),
            });
            let of = of.collect();
            Value::bool(shape, of)
        }
        (Op::Not, _) => Value::bool(shape, x[0].bools().iter().map(|p| !p).collect()),
        (Op::IsFinite | Op::IsNan | Op::IsInf, _) => {
            let test = |x: &N| match op {
                Op::IsFinite => x.value().is_finite(),
                Op::IsNan => x.value().is_nan(),
                _ => x.value().is_infinite(),
            };
            Value::bool(shape, x[0].floats().iter().map(test).collect())
        }
        (Op::Select, _) => {
            let p = x[0].bools();
            let n = elements(&shape);
            let spread = |v: &Value<N>| {
                let single = v.shape.is_empty();
                v.pick(shape.clone(), (0..n).map(|i| if single { 0 } else { i }))
            };
            let (mut result, a) = (spread(x[2]), spread(x[1]));
            let taken = |i: usize| p[if p.len() == 1 { 0 } else { i }];
            result.put(&a, (0..n).map(|i| taken(i).then_some(i)));
            result
        }
        _ => return None,
    })
}

fn plus(start: &[usize], index: &[usize]) -> Vec<usize> {
    start.iter().zip(index).map(|(s, i)| s + i).collect()
}

/// Starts of a window, moved to the nearest place inside.
fn starts(given: &[i64], shape: &[usize], window: &[usize]) -> Vec<usize> {
    let of = given.iter().zip(shape.iter().zip(window));
    of.map(|(&s, (&n, &w))| s.clamp(0, (n - w) as i64) as usize)
        .collect()
}

fn converted<N: Number>(x: &Value<N>, dtype: DType) -> Value<N> {
    let data = match (&x.data, dtype) {
        (Data::Float(v), DType::I64) => Data::Integer(v.iter().map(|x| x.value() as i64).collect()),
        (Data::Float(v), DType::Bool) => Data::Bool(v.iter().map(|x| x.value() != 0.0).collect()),
        (Data::Integer(v), DType::F64 | DType::F32) => {
            Data::Float(v.iter().map(|&k| N::constant(k as f64)).collect())
        }
        (Data::Integer(v), DType::Bool) => Data::Bool(v.iter().map(|&k| k != 0).collect()),
        (Data::Bool(v), DType::F64 | DType::F32) => {
            let number = |&p: &bool| N::constant(f64::from(u8::from(p)));
            Data::Float(v.iter().map(number).collect())
        }
        (Data::Bool(v), DType::I64) => Data::Integer(v.iter().map(|&p| i64::from(p)).collect()),
        (same, _) => same.clone(),
    };
    Value { data, ..x.clone() }
}

fn compare<N: Number>(direction: Direction, x: &[&Value<N>], shape: Vec<usize>) -> Value<N> {
    fn holds<T: PartialOrd>(direction: Direction, a: &T, b: &T) -> bool {
        match direction {
            Direction::Eq => a == b,
            Direction::Ne => a != b,
            Direction::Lt => a < b,
            Direction::Le => a <= b,
            Direction::Gt => a > b,
            Direction::Ge => a >= b,
        }
    }
    let n = elements(&shape);
    let at = |len: usize, i: usize| if len == 1 { 0 } else { i };
    let of: Vec<bool> = match (&x[0].data, &x[1].data) {
        (Data::Float(a), Data::Float(b)) => (0..n)
            .map(|i| {
                let (a, b) = (a[at(a.len(), i)].value(), b[at(b.len(), i)].value());
                holds(direction, &a, &b)
            })
            .collect(),
        (Data::Integer(a), Data::Integer(b)) => (0..n)
            .map(|i| holds(direction, &a[at(a.len(), i)], &b[at(b.len(), i)]))
            .collect(),
        (Data::Bool(a), Data::Bool(b)) => (0..n)
            .map(|i| holds(direction, &a[at(a.len(), i)], &b[at(b.len(), i)]))
            .collect(),
        _ => vec![false; n],
    };
    Value::bool(shape, of)
}

/// Where element `window` of the window at an index vector lies in the operand; `None` for a dropped window.
fn window_place(
    g: &GatherDimensions,
    operand: &[usize],
    indices: (&[i64], &[usize]),
    batch: &[usize],
    window: &[usize],
) -> Option<usize> {
    let (values, shape) = indices;
    let dim = g.index_vector_dim as usize;
    let mut start = vec![0i64; operand.len()];
    for (c, &d) in g.start_index_map.iter().enumerate() {
        let mut at = batch.to_vec();
        if dim < shape.len() {
            at.insert(dim, c);
        }
        let d = d as usize;
        let last = operand[d] as i64 - g.slice_sizes[d] as i64;
        let given = values[flat(&at, shape)];
        start[d] = given.clamp(0, last);
        if g.out_of_bounds == OutOfBounds::Drop && given != start[d] {
            return None;
        }
    }
    let mut own = window.iter();
    let at = (0..operand.len()).map(|d| {
        let inside = match g.collapsed_slice_dims.contains(&(d as u32)) {
            true => 0,
            false => own.next().copied().unwrap_or(0),
        };
        start[d] as usize + inside
    });
    Some(flat(&at.collect::<Vec<_>>(), operand))
}

/// An index of the windows' tensor as batch and window.
fn split(index: &[usize], offset_dims: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let (mut batch, mut window) = (vec![], vec![]);
    for (d, &i) in index.iter().enumerate() {
        match offset_dims.contains(&(d as u32)) {
            true => window.push(i),
            false => batch.push(i),
        }
    }
    (batch, window)
}

fn gather<N: Number>(
    g: &GatherDimensions,
    operand: &Value<N>,
    at: &Value<N>,
    ty: &TensorType,
) -> Value<N> {
    let mut result = Value::zeros(ty);
    result.refused = operand.refused;
    for (to, index) in indices(&result.shape.clone()).enumerate() {
        let (batch, window) = split(&index, &g.offset_dims);
        let from = (at.integers(), &at.shape[..]);
        if let Some(place) = window_place(g, &operand.shape, from, &batch, &window) {
            let one = operand.pick(vec![], std::iter::once(place));
            result.put(&one, std::iter::once(Some(to)));
        }
    }
    result
}

fn scatter<N: Number>(op: Op, s: &ScatterDimensions, x: &[&Value<N>]) -> Value<N> {
    let (operand, at, updates) = (x[0], x[1], x[2]);
    let mut given = s.update_window_dims.iter();
    let slice_sizes =
        (0..operand.shape.len() as u32).map(|d| match s.inserted_window_dims.contains(&d) {
            true => 1,
            false => given
                .next()
                .map_or(1, |&u| updates.shape[u as usize] as u64),
        });
    let g = GatherDimensions {
        slice_sizes: slice_sizes.collect(),
        offset_dims: s.update_window_dims.clone(),
        collapsed_slice_dims: s.inserted_window_dims.clone(),
        start_index_map: s.scatter_dims_to_operand_dims.clone(),
        index_vector_dim: s.index_vector_dim,
        out_of_bounds: s.out_of_bounds,
    };
    let mut result = operand.clone();
    result.refused |= updates.refused;
    let split = |index: Vec<usize>| split(&index, &g.offset_dims);
    let mut order: Vec<_> = indices(&updates.shape).map(split).enumerate().collect();
    // Window by window: of several updates of one element that of the last index stays.
    order.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
    for (from, (batch, window)) in order {
        let where_to = (at.integers(), &at.shape[..]);
        let Some(place) = window_place(&g, &operand.shape, where_to, &batch, &window) else {
            continue;
        };
        match (&mut result.data, &updates.data) {
            (Data::Float(to), Data::Float(v)) if op == Op::ScatterAdd => {
                to[place] = to[place] + v[from];
            }
            (Data::Integer(to), Data::Integer(v)) if op == Op::ScatterAdd => {
                to[place] = to[place].wrapping_add(v[from]);
            }
            _ => {
                let one = updates.pick(vec![], std::iter::once(from));
                result.put(&one, std::iter::once(Some(place)));
            }
        }
    }
    result
}

/// Calls `f` with the places of each line along an axis.
pub(super) fn lines(shape: &[usize], axis: usize, mut f: impl FnMut(&[usize])) {
    let (outer, n, inner) = around(shape, axis);
    for o in 0..outer {
        for i in 0..inner {
            let places: Vec<usize> = (0..n).map(|k| (o * n + k) * inner + i).collect();
            f(&places);
        }
    }
}
