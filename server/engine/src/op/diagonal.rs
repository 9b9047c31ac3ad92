//! trace, diag: diagonals of the last two dimensions.

use super::{
    Attributes, Composite, Emit, Form, Infer, Op, Problem, ValueId, cost_of_result, reduce,
};
use crate::tensor::TensorType;

/// The sum of a diagonal.
pub const TRACE: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "diagonal",
        linear: true,
        non_smooth: "",
        infer: Infer::One(|_, attributes, operands| {
            offset(attributes)?;
            reduce::check_number(operands[0])?;
            let shape = &operands[0].shape;
            let Some(batch) = shape.rank().checked_sub(2) else {
                return Err(Problem::operand(
                    0,
                    format!("operand {shape} is no matrix and has no trace"),
                ));
            };
            Ok(TensorType::new(operands[0].dtype, &shape[..batch]))
        }),
        cost: |_, types| {
            let columns = types.operands[0].shape.last().copied().unwrap_or(1);
            types.operands[0].elements() / columns.max(1)
        },
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| {
        let diagonal = take(cx, operands[0], offset(attributes).unwrap_or(0));
        let last = cx.ty(diagonal).shape.rank() as u32 - 1;
        vec![cx.reduce(Op::ReduceSum, diagonal, vec![last])]
    },
};

/// Of a vector the matrix with it on a diagonal, of matrices a diagonal.
pub const DIAG: Composite = Composite {
    form: Form {
        infer: Infer::One(infer_diag),
        cost: cost_of_result,
        ..TRACE.form
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| {
        let offset = offset(attributes).unwrap_or(0);
        vec![match cx.ty(operands[0]).shape.rank() {
            1 => put(cx, operands[0], offset),
            _ => take(cx, operands[0], offset),
        }]
    },
};

fn offset(attributes: &Attributes) -> Result<i32, Problem> {
    match attributes {
        Attributes::Diagonal { offset } => Ok(*offset),
        _ => Err(Problem::node("diagonal attributes are missing")),
    }
}

fn infer_diag(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let offset = offset(attributes)?;
    reduce::check_number(operands[0])?;
    let shape: Vec<u64> = match &operands[0].shape[..] {
        [] => {
            return Err(Problem::operand(
                0,
                "operand is a scalar and has no diagonal; reshape it to [1]",
            ));
        }
        [n] => vec![n.saturating_add(u64::from(offset.unsigned_abs())); 2],
        [batch @ .., rows, columns] => {
            [batch, &[Diagonal::new(*rows, *columns, offset).length]].concat()
        }
    };
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// Where a diagonal lies in a flattened matrix.
struct Diagonal {
    length: u64,
    start: u64,
}

impl Diagonal {
    fn new(rows: u64, columns: u64, offset: i32) -> Self {
        let beside = u64::from(offset.unsigned_abs());
        let (down, right) = if offset < 0 { (beside, 0) } else { (0, beside) };
        let length = rows.saturating_sub(down).min(columns.saturating_sub(right));
        match length {
            0 => Self { length, start: 0 },
            _ => Self {
                length,
                start: down * columns + right,
            },
        }
    }
}

/// A diagonal of the last two dimensions. Shapes: `[.., m, n] -> [.., length]`.
pub(super) fn take(cx: &mut dyn Emit, value: ValueId, offset: i32) -> ValueId {
    let shape = cx.ty(value).shape.clone();
    let batch = shape.rank() - 2;
    let (rows, columns) = (shape[batch], shape[batch + 1]);
    let diagonal = Diagonal::new(rows, columns, offset);
    let flat = [&shape[..batch], &[rows * columns]].concat();
    let value = cx.reshape(value, &flat);
    let mut starts = vec![0; batch + 1];
    let mut strides = vec![1; batch + 1];
    let mut limits = flat;
    (starts[batch], strides[batch]) = (diagonal.start, columns + 1);
    limits[batch] = match diagonal.length {
        0 => 0,
        n => diagonal.start + (n - 1) * (columns + 1) + 1,
    };
    cx.emit(
        Op::Slice,
        &[value],
        Attributes::Slice {
            starts,
            limits,
            strides,
        },
    )
}

/// A vector on a diagonal of a square matrix. Shapes: `[n] -> [n + |offset|, n + |offset|]`.
fn put(cx: &mut dyn Emit, vector: ValueId, offset: i32) -> ValueId {
    let ty = cx.ty(vector).clone();
    let n = ty.shape[0];
    let size = n + u64::from(offset.unsigned_abs());
    let Diagonal { start, .. } = Diagonal::new(size, size, offset);
    let held = match n {
        0 => 0,
        n => (n - 1) * (size + 1) + 1,
    };
    let zero = cx.scalar(ty.dtype, 0.0);
    let flat = cx.emit(
        Op::Pad,
        &[vector, zero],
        Attributes::Pad {
            low: vec![start],
            high: vec![size * size - start - held],
            interior: vec![size],
        },
    );
    cx.reshape(flat, &[size, size])
}
