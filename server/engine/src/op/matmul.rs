//! matmul: NumPy's matrix product.

use super::{
    Attributes, Composite, DotDimensions, Emit, Form, Infer, Op, Problem, Types, ValueId,
    same_dtype,
};
use crate::tensor::{DType, Shape, TensorType};

/// The composite: both operands stretched to one batch, then dot_general.
pub const MATMUL: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            Product::of(operands).map(|p| p.result(operands[0].dtype))
        }),
        cost: |_, types| match Product::of(types.operands) {
            Ok(p) => p.batch.iter().product::<u64>() * p.rows * p.inner * p.columns,
            Err(_) => cost_unknown(types),
        },
    },
    differentiable: true,
    expand,
};

fn cost_unknown(types: &Types<'_>) -> u64 {
    types.result.elements()
}

/// `[batch, rows, inner] x [batch, inner, columns]`, and which operand is a vector.
struct Product {
    batch: Vec<u64>,
    rows: u64,
    inner: u64,
    columns: u64,
    vectors: [bool; 2],
}

impl Product {
    fn of(operands: &[&TensorType]) -> Result<Self, Problem> {
        same_dtype(operands)?;
        if operands[0].dtype == DType::Bool {
            return Err(Problem::operands("operands are bool; insert convert"));
        }
        let (a, b) = (&operands[0].shape, &operands[1].shape);
        if let Some(i) = [a, b].iter().position(|s| s.is_empty()) {
            return Err(Problem::operand(i, "operand is a scalar; use multiply"));
        }
        let vectors = [a.rank() == 1, b.rank() == 1];
        let (inner, b_inner) = (a[a.rank() - 1], b[b.rank().saturating_sub(2)]);
        if inner != b_inner {
            return Err(Problem::operands(format!(
                "operands have shapes {a} and {b}: {inner} columns on the left meet {b_inner} rows on the right"
            )));
        }
        let leading = |s: &Shape| s[..s.rank().saturating_sub(2)].to_vec();
        Ok(Self {
            batch: stretched(&leading(a), &leading(b)).ok_or_else(|| {
                Problem::operands(format!(
                    "operands have shapes {a} and {b}, whose leading dimensions do not stretch to each other"
                ))
            })?,
            rows: if vectors[0] { 1 } else { a[a.rank() - 2] },
            inner,
            columns: if vectors[1] { 1 } else { b[b.rank() - 1] },
            vectors,
        })
    }

    fn result(&self, dtype: DType) -> TensorType {
        let mut shape = self.batch.clone();
        if !self.vectors[0] {
            shape.push(self.rows);
        }
        if !self.vectors[1] {
            shape.push(self.columns);
        }
        TensorType::new(dtype, shape)
    }
}

/// The shape that two shapes stretch to, as in NumPy.
fn stretched(a: &[u64], b: &[u64]) -> Option<Vec<u64>> {
    let rank = a.len().max(b.len());
    let size = |s: &[u64], d: usize| (d + s.len()).checked_sub(rank).map_or(1, |d| s[d]);
    (0..rank)
        .map(|d| match (size(a, d), size(b, d)) {
            (m, n) if m == n || n == 1 => Some(m),
            (1, n) => Some(n),
            _ => None,
        })
        .collect()
}

fn expand(cx: &mut dyn Emit, _: Op, _: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let types = [0, 1].map(|i| cx.ty(operands[i]).clone());
    let product = Product::of(&[&types[0], &types[1]]).expect("checked when the node was added");
    let batch = product.batch.len();
    let spread = |cx: &mut dyn Emit, i: usize| {
        let shape = &types[i].shape;
        // Without a batch of its own an operand is used by all: nothing to copy.
        let own = shape.rank().saturating_sub(2);
        if own == 0 || shape[..own] == *product.batch {
            return operands[i];
        }
        let wide: Vec<u64> = [&product.batch[..], &shape[own..]].concat();
        let first = batch - own;
        cx.broadcast(
            operands[i],
            &wide,
            (first as u32..wide.len() as u32).collect(),
        )
    };
    let (a, b) = (spread(cx, 0), spread(cx, 1));
    let rank = |cx: &dyn Emit, v: ValueId| cx.ty(v).shape.rank() as u32;
    let (a_rank, b_rank) = (rank(cx, a), rank(cx, b));
    let both = a_rank > 2 && b_rank > 2;
    let shared: Vec<u32> = if both {
        (0..batch as u32).collect()
    } else {
        vec![]
    };
    let dims = DotDimensions {
        lhs_contracting: vec![a_rank - 1],
        rhs_contracting: vec![b_rank.saturating_sub(2)],
        lhs_batch: shared.clone(),
        rhs_batch: shared,
    };
    let dot = cx.emit(Op::DotGeneral, &[a, b], Attributes::DotGeneral(dims));
    if both || b_rank <= 2 || product.vectors[0] {
        return vec![dot];
    }
    // A lone matrix on the left put its rows before the right operand's batch.
    let rank = rank(cx, dot);
    let order = (1..rank - 1).chain([0, rank - 1]).collect();
    vec![cx.transpose(dot, order)]
}
