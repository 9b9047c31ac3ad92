//! tridiagonal_solve.

use super::formula::along_rows;
use super::numeric;
use super::shapes::{Matrices, Sizes};
use crate::op::{
    Attributes, Emit, Form, Infer, Jvp, Op, Problem, Rule, Types, ValueId, check_float,
};
use crate::tensor::TensorType;

/// A x = b for tridiagonal A. Operands: the lower diagonal, the diagonal, the upper one, b. Linear in b.
pub const TRIDIAGONAL_SOLVE: Rule = Rule {
    form: Form {
        operands: (4, 4),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |_, types| {
            let s = sizes(types);
            s.cost(8, s.n, s.k.max(1), 1)
        },
    },
    // A dx = db - dA x.
    jvp: Jvp::One(|cx, node, tangents| {
        let x = node.result;
        let at = cx.ty(node.operands[1]).shape.rank() - 1;
        let mut right = tangents[3];
        for (i, tangent) in tangents[..3].iter().enumerate() {
            let Some(moved) = *tangent else { continue };
            let neighbour = match i {
                0 => shifted(cx, x, at, Shift::Later),
                1 => x,
                _ => shifted(cx, x, at, Shift::Earlier),
            };
            let shape = cx.ty(x).shape.clone();
            let moved = match shape.rank() > at + 1 {
                true => along_rows(cx, moved, &shape),
                false => moved,
            };
            let product = cx.binary(Op::Multiply, moved, neighbour);
            let product = cx.unary(Op::Negate, product);
            right = cx.add_some(right, Some(product));
        }
        let [lower, diagonal, upper] = [0, 1, 2].map(|i| node.operands[i]);
        Some(cx.emit_plain(Op::TridiagonalSolve, &[lower, diagonal, upper, right?]))
    }),
    // The transposed system: each diagonal takes the other's place, one row on.
    transpose: Some(|cx, node, ct, _| {
        let at = cx.ty(node.operands[1]).shape.rank() - 1;
        let lower = shifted(cx, node.operands[2], at, Shift::Later);
        let upper = shifted(cx, node.operands[0], at, Shift::Earlier);
        cx.emit_plain(Op::TridiagonalSolve, &[lower, node.operands[1], upper, ct])
    }),
    kernel: |_, attributes, types| {
        sizes(types).kernel(attributes, |s, _, operands, results| {
            let x = results[0].floats();
            x.copy_from_slice(operands[3].floats());
            let [lower, diagonal, upper] = [0, 1, 2].map(|i| operands[i].floats());
            numeric::tridiagonal_solve(s.k, lower, diagonal, upper, x);
        })
    },
};

fn infer(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let diagonal = operands[1];
    check_float(diagonal, 1)?;
    let Some((&n, batch)) = diagonal.shape.split_last() else {
        return Err(Problem::operand(
            1,
            "operand is a scalar; give the diagonal as a vector [n] or a batch of them (insert reshape)",
        ));
    };
    for i in [0, 2] {
        if operands[i] != diagonal {
            return Err(Problem::operand(
                i,
                format!(
                    "operand is {}, the diagonal is {diagonal}; all three have one shape (insert pad: the element outside of the matrix is not used)",
                    operands[i]
                ),
            ));
        }
    }
    let a = Matrices {
        dtype: diagonal.dtype,
        batch: batch.to_vec(),
        rows: n,
        columns: n,
    };
    a.right_hand_side(operands, 3, n)?;
    Ok(operands[3].clone())
}

fn sizes(types: &Types<'_>) -> Sizes {
    let (diagonal, b) = (&types.operands[1].shape, &types.operands[3].shape);
    let leading = diagonal.rank() - 1;
    let n = diagonal[leading] as usize;
    Sizes {
        m: n,
        n,
        k: b.get(leading + 1).map_or(1, |&k| k as usize),
        batch: diagonal[..leading].iter().product::<u64>() as usize,
    }
}

/// Where elements of a dimension go: one place on or back. The one that leaves is lost, 0 comes in.
#[derive(Clone, Copy)]
enum Shift {
    Later,
    Earlier,
}

fn shifted(cx: &mut dyn Emit, value: ValueId, dimension: usize, shift: Shift) -> ValueId {
    let ty = cx.ty(value).clone();
    let rank = ty.shape.rank();
    let n = ty.shape[dimension];
    if n == 0 {
        return value;
    }
    let (mut starts, mut limits) = (vec![0; rank], ty.shape.to_vec());
    let (mut low, mut high) = (vec![0; rank], vec![0; rank]);
    match shift {
        Shift::Later => (limits[dimension], low[dimension]) = (n - 1, 1),
        Shift::Earlier => (starts[dimension], high[dimension]) = (1, 1),
    }
    let strides = vec![];
    let slice = Attributes::Slice {
        starts,
        limits,
        strides,
    };
    let kept = cx.emit(Op::Slice, &[value], slice);
    let zero = cx.scalar(ty.dtype, 0.0);
    let interior = vec![];
    let pad = Attributes::Pad {
        low,
        high,
        interior,
    };
    cx.emit(Op::Pad, &[kept, zero], pad)
}
