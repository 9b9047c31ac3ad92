//! sparse_matvec: a sparse matrix with a constant pattern times a vector or matrix.

use super::formula::sum_last;
use super::numeric;
use super::shapes::{Matrices, Sizes};
use crate::op::{
    Application, Attributes, Emit, Form, GatherDimensions, Infer, Jvp, Op, OutOfBounds, Problem,
    Rule, SparsePattern, Types, ValueId, check_float,
};
use crate::tensor::{DType, Tensor, TensorType};
use std::sync::Arc;

/// The rule. Linear in each operand alone.
pub const SPARSE_MATVEC: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "sparse_pattern",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |_, types| {
            let s = sizes(types);
            s.cost(2, s.n, s.k.max(1), 1)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let (values, x) = (node.operands[0], node.operands[1]);
        let product = |cx: &mut dyn Emit, values, x| {
            cx.emit(Op::SparseMatvec, &[values, x], node.attributes.clone())
        };
        let left = tangents[0].map(|moved| product(cx, moved, x));
        let right = tangents[1].map(|moved| product(cx, values, moved));
        cx.add_some(left, right)
    }),
    transpose: Some(|cx, node, ct, operand| {
        let Some(pattern) = pattern(node.attributes) else {
            return ct;
        };
        match operand {
            0 => of_values(cx, node, pattern, ct),
            _ => {
                let turned = SparsePattern {
                    transpose: !pattern.transpose,
                    ..pattern.clone()
                };
                let attributes = Attributes::SparsePattern(Arc::new(turned));
                cx.emit(Op::SparseMatvec, &[node.operands[0], ct], attributes)
            }
        }
    }),
    kernel: |_, attributes, types| {
        sizes(types).kernel(attributes, |s, attributes, operands, results| {
            let [values, x] = [0, 1].map(|i| operands[i].floats());
            if let Some(pattern) = pattern(attributes) {
                numeric::sparse_matvec(s.k, pattern, values, x, results[0].floats());
            }
        })
    },
};

fn pattern(attributes: &Attributes) -> Option<&SparsePattern> {
    match attributes {
        Attributes::SparsePattern(pattern) => Some(pattern),
        _ => None,
    }
}

/// Where entries read x and where they write to.
fn from_and_to(pattern: &SparsePattern) -> [&[u64]; 2] {
    match pattern.transpose {
        false => [&pattern.columns, &pattern.rows],
        true => [&pattern.rows, &pattern.columns],
    }
}

/// The cotangent of each entry: that of its row times the x of its column, summed over columns of x.
fn of_values(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    pattern: &SparsePattern,
    ct: ValueId,
) -> ValueId {
    let (values, x) = (node.operands[0], node.operands[1]);
    if pattern.rows.is_empty() {
        let ty = cx.ty(values).clone();
        return cx.full(&ty, 0.0);
    }
    let at = cx.ty(values).shape.rank() - 1;
    let [from, to] = from_and_to(pattern);
    let read = rows_at(cx, x, at, from);
    let written = rows_at(cx, ct, at, to);
    let product = cx.binary(Op::Multiply, written, read);
    match cx.ty(product).shape.rank() > at + 1 {
        true => sum_last(cx, product, 1),
        false => product,
    }
}

/// The slices of a dimension at indices that lie inside.
fn rows_at(cx: &mut dyn Emit, value: ValueId, dimension: usize, indices: &[u64]) -> ValueId {
    let raw = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
    let ty = TensorType::new(DType::I64, [indices.len() as u64]);
    let indices = Tensor::from_raw(ty, raw).expect("eight bytes an index");
    let indices = cx.emit(Op::Constant, &[], Attributes::Constant(Arc::new(indices)));
    let mut slice_sizes = cx.ty(value).shape.to_vec();
    slice_sizes[dimension] = 1;
    let dimension = dimension as u32;
    let dims = GatherDimensions {
        offset_dims: (0..slice_sizes.len() as u32)
            .filter(|&d| d != dimension)
            .collect(),
        collapsed_slice_dims: vec![dimension],
        start_index_map: vec![dimension],
        index_vector_dim: 1,
        slice_sizes,
        out_of_bounds: OutOfBounds::Clamp,
    };
    cx.emit(Op::Gather, &[value, indices], Attributes::Gather(dims))
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Some(pattern) = pattern(attributes) else {
        return Err(Problem::node("the sparse pattern is missing"));
    };
    check(pattern)?;
    let values = operands[0];
    check_float(values, 0)?;
    let entries = pattern.rows.len() as u64;
    let (batch, count) = match values.shape.split_last() {
        Some((&count, batch)) => (batch, Some(count)),
        None => (&[][..], None),
    };
    if count != Some(entries) {
        return Err(Problem::operand(
            0,
            format!(
                "operand has shape {}, the pattern has {entries} entries; give a number for each in the last dimension",
                values.shape
            ),
        ));
    }
    let (from, to) = match pattern.transpose {
        false => (pattern.column_count, pattern.row_count),
        true => (pattern.row_count, pattern.column_count),
    };
    let a = Matrices {
        dtype: values.dtype,
        batch: batch.to_vec(),
        rows: to,
        columns: from,
    };
    let columns = a.right_hand_side(operands, 1, from)?;
    let dimensions: Vec<u64> = [to].into_iter().chain(columns).collect();
    Ok(a.ty(&dimensions))
}

/// Entries lie inside, sorted, each once.
fn check(pattern: &SparsePattern) -> Result<(), Problem> {
    let SparsePattern { rows, columns, .. } = pattern;
    if rows.len() != columns.len() {
        return Err(Problem::attribute(
            "columns",
            format!(
                "has {} entries, rows has {}; give both for each entry",
                columns.len(),
                rows.len()
            ),
        ));
    }
    let counts = [
        ("rows", rows, "row_count", pattern.row_count),
        ("columns", columns, "column_count", pattern.column_count),
    ];
    for (field, indices, name, count) in counts {
        if let Some(i) = indices.iter().position(|&index| index >= count) {
            return Err(Problem::attribute(
                field,
                format!(
                    "entry {i} is {}, {name} is {count}; count from 0",
                    indices[i]
                ),
            ));
        }
    }
    let mut places = rows.iter().zip(columns).enumerate();
    let mut before = places.next();
    for (i, place) in places {
        if before.is_some_and(|(_, before)| before >= place) {
            return Err(Problem::attribute(
                "rows",
                format!(
                    "entry {i} at ({}, {}) does not come after the one before; sort by row, then column, and add up duplicates",
                    place.0, place.1
                ),
            ));
        }
        before = Some((i, place));
    }
    Ok(())
}

fn sizes(types: &Types<'_>) -> Sizes {
    let (values, x) = (&types.operands[0].shape, &types.operands[1].shape);
    let leading = values.rank() - 1;
    let n = values[leading] as usize;
    Sizes {
        m: n,
        n,
        k: x.get(leading + 1).map_or(1, |&k| k as usize),
        batch: values[..leading].iter().product::<u64>() as usize,
    }
}
