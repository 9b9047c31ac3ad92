//! Values that differ from block to block, along a leading axis.

use crate::graph::Arena;
use crate::op::{Attributes, Emit, GatherDimensions, Op, OutOfBounds, ValueId};
use crate::tensor::{DType, Tensor, TensorType};
use crate::transform::Workspace;
use crate::transform::copies::Copies;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Distinct values in order of appearance, and where each value is among them.
pub(super) fn distinct(values: &[ValueId]) -> (Vec<ValueId>, Vec<i64>) {
    if values.is_sorted_by(|a, b| a < b) {
        return (values.to_vec(), (0..values.len() as i64).collect());
    }
    let mut numbers: FxHashMap<ValueId, i64> = FxHashMap::default();
    let mut list = Vec::new();
    let places = values
        .iter()
        .map(|&v| {
            *numbers.entry(v).or_insert_with(|| {
                list.push(v);
                list.len() as i64 - 1
            })
        })
        .collect();
    (list, places)
}

pub(super) fn is_number(arena: &Arena, value: ValueId) -> bool {
    let producer = arena.producer(value);
    producer.is_some_and(|node| node.op == Op::Constant) && arena.ty(value).shape.is_empty()
}

/// Values along a leading axis: constants as one, others stacked once each and gathered.
pub(super) fn sequence(
    cx: &mut Workspace,
    from: &Arena,
    values: &[ValueId],
    to: &mut Copies,
) -> ValueId {
    let ty = from.ty(values[0]).clone();
    let n = values.len() as u64;
    if ty.dtype == DType::F64 && values.iter().all(|&v| is_number(from, v)) {
        let raw = values.iter().flat_map(|&v| {
            let number = match from.producer(v).map(|node| node.attributes) {
                Some(Attributes::Constant(tensor)) => tensor.element(0),
                _ => f64::NAN,
            };
            number.to_le_bytes()
        });
        let tensor = Tensor::from_raw(TensorType::f64([n]), raw.collect::<Vec<u8>>());
        let tensor = Arc::new(tensor.expect("8 bytes each"));
        return cx.emit(Op::Constant, &[], Attributes::Constant(tensor));
    }
    let (list, places) = distinct(values);
    let mut row = vec![1];
    row.extend(ty.shape.iter());
    let stack = to.side_by_side(cx, &list).unwrap_or_else(|| {
        let rows = list.iter().map(|&v| {
            let one = to.get(cx, v);
            cx.emitter().reshape(one, &row)
        });
        let rows: Vec<ValueId> = rows.collect();
        let dimension = 0;
        let all = Attributes::Concatenate { dimension };
        cx.emit(Op::Concatenate, &rows, all)
    });
    if places.iter().enumerate().all(|(i, &p)| i as i64 == p) {
        return stack;
    }
    let indices = indices(cx, &places, list.len() as i64);
    let gather = Attributes::Gather(GatherDimensions {
        offset_dims: (1..=ty.shape.rank() as u32).collect(),
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes: row,
        out_of_bounds: OutOfBounds::Clamp,
    });
    cx.emit(Op::Gather, &[stack, indices], gather)
}

/// Indices of shape [n, 1]; those that go round are calculated, not kept.
fn indices(cx: &mut Workspace, places: &[i64], distinct: i64) -> ValueId {
    let n = places.len() as u64;
    let ty = TensorType::new(DType::I64, [n, 1]);
    let go_round = places
        .iter()
        .zip(0..)
        .all(|(&p, i): (_, i64)| p == i % distinct);
    if go_round {
        let dimension = 0;
        let count = cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension });
        let by = cx.scalar(DType::I64, distinct as f64);
        return cx.emitter().binary(Op::Remainder, count, by);
    }
    let raw: Vec<u8> = places.iter().flat_map(|p| p.to_le_bytes()).collect();
    let indices = Tensor::from_raw(ty, raw).expect("8 bytes each");
    cx.emit(Op::Constant, &[], Attributes::Constant(Arc::new(indices)))
}
