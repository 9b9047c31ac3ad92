//! cholesky, lu and qr.

use super::formula::{self, Part, mul, mul_ta, transposed};
use super::numeric::{self, Triangle};
use super::shapes::{Matrices, Sizes, floats};
use super::triangular::triangular;
use crate::op::{Attributes, Direction, Emit, Form, Infer, Jvp, Op, Rule, ValueId};
use crate::tensor::{DType, TensorType};

/// A = L Lᵀ.
pub const CHOLESKY: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "NaN where A is not positive definite",
        infer: Infer::One(|_, _, operands| {
            Matrices::square(operands, 0).map(|_| operands[0].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(1, s.n, s.n, s.n) / 3
        },
    },
    // dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal.
    jvp: Jvp::One(|cx, node, tangents| {
        let l = node.result;
        let da = formula::symmetric(cx, tangents[0]?);
        let lower = Triangle { lower: true, transpose: false, unit: false };
        let left = triangular(cx, l, da, lower);
        let left = transposed(cx, left);
        let both = triangular(cx, l, left, lower);
        let shape = cx.ty(l).shape.clone();
        let halved = formula::times(cx, both, 0.5);
        let diagonal = formula::mask(cx, &shape, Part::Diagonal);
        let weighed = cx.select(diagonal, halved, both);
        let phi = formula::part(cx, weighed, Part::Lower);
        Some(mul(cx, l, phi))
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            numeric::cholesky(s.n, operands[0].floats(), results[0].floats());
        })
    },
};

/// P A = L U.
pub const LU: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "that of the pivots chosen; infinite or NaN where A is singular",
        infer: Infer::Many(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            let permutation = a.with(DType::I64, &[a.rows]);
            Ok(vec![permutation, operands[0].clone(), operands[0].clone()])
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(1, s.n, s.n, s.n)
        },
    },
    // F = L⁻¹ P dA U⁻¹: dL = L F's strictly lower part, dU = F's upper part U (Walter & Lehmann, "Algorithmic
    // differentiation of linear algebra functions", 2010).
    jvp: Jvp::Many(|cx, node, tangents| {
        let Some(da) = tangents[0] else {
            return vec![None; 3];
        };
        let [p, l, u] = [0, 1, 2].map(|i| node.nth(i));
        let rows = rows_of(cx, p, da);
        let left = triangular(cx, l, rows, Triangle { lower: true, transpose: false, unit: true });
        let left = transposed(cx, left);
        let both = triangular(cx, u, left, Triangle { lower: false, transpose: true, unit: false });
        let f = transposed(cx, both);
        let below = formula::part(cx, f, Part::StrictLower);
        let above = formula::part(cx, f, Part::Upper);
        vec![None, Some(mul(cx, l, below)), Some(mul(cx, above, u))]
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [permutation, factors @ ..] = results else { return };
            let [l, u] = floats(factors);
            numeric::lu(s.n, operands[0].floats(), permutation.integers(), l, u);
        })
    },
};

/// Rows of A in the order of a permutation: the product with the permutation's matrix.
fn rows_of(cx: &mut dyn Emit, permutation: ValueId, a: ValueId) -> ValueId {
    let ty = cx.ty(a).clone();
    let shape = ty.shape.clone();
    let row = formula::along_rows(cx, permutation, &shape);
    let index = TensorType::new(DType::I64, &shape[shape.rank() - 1..]);
    let index = cx.emit(Op::Iota, &[], Attributes::Iota { ty: index, dimension: 0 });
    let column = cx.broadcast(index, &shape, vec![shape.rank() as u32 - 1]);
    let chosen = cx.compare(Direction::Eq, row, column);
    let matrix = cx.convert(chosen, ty.dtype);
    mul(cx, matrix, a)
}

/// A = Q R, thin.
pub const QR: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "infinite or NaN where the first min(m, n) columns are linearly dependent",
        infer: Infer::Many(|_, _, operands| {
            let a = Matrices::of(operands, 0)?;
            let k = a.smaller();
            Ok(vec![a.ty(&[a.rows, k]), a.ty(&[k, a.columns])])
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(4, s.m, s.n, s.m.min(s.n))
        },
    },
    jvp: Jvp::Many(|cx, node, tangents| {
        let Some(da) = tangents[0] else {
            return vec![None; 2];
        };
        let (dq, dr) = qr_tangents(cx, node.operands[0], node.nth(0), node.nth(1), da);
        vec![Some(dq), Some(dr)]
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [q, r] = floats(results);
            numeric::qr(s.m, s.n, operands[0].floats(), q, r);
        })
    },
};

/// With X = dA R⁻¹ and C = Qᵀ X: Ω = C's strictly lower part minus its transpose, dQ = Q Ω + X - Q C,
/// dR = (C - Ω) R (Walter & Lehmann 2010). A wide A = [A₁ A₂] has Q from A₁ alone, and R₂ = Qᵀ A₂.
fn qr_tangents(
    cx: &mut dyn Emit,
    a: ValueId,
    q: ValueId,
    r: ValueId,
    da: ValueId,
) -> (ValueId, ValueId) {
    let shape = cx.ty(a).shape.clone();
    let (m, n) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
    let wide = n > m;
    let (r1, da1) = match wide {
        true => (columns(cx, r, 0, m), columns(cx, da, 0, m)),
        false => (r, da),
    };
    let turned = transposed(cx, da1);
    let upper = Triangle { lower: false, transpose: true, unit: false };
    let turned = triangular(cx, r1, turned, upper);
    let x = transposed(cx, turned);
    let c = mul_ta(cx, q, x);
    let lower = formula::part(cx, c, Part::StrictLower);
    let raised = transposed(cx, lower);
    let omega = cx.binary(Op::Subtract, lower, raised);
    let rest = cx.binary(Op::Subtract, c, omega);
    let dr1 = mul(cx, rest, r1);
    let dq = match m > n {
        // What lies outside the columns of Q.
        true => {
            let inside = mul(cx, q, rest);
            cx.binary(Op::Subtract, x, inside)
        }
        false => mul(cx, q, omega),
    };
    if !wide {
        return (dq, dr1);
    }
    let (a2, da2) = (columns(cx, a, m, n), columns(cx, da, m, n));
    let (first, second) = (mul_ta(cx, dq, a2), mul_ta(cx, q, da2));
    let dr2 = cx.binary(Op::Add, first, second);
    let dimension = shape.rank() as u32 - 1;
    let dr = cx.emit(Op::Concatenate, &[dr1, dr2], Attributes::Concatenate { dimension });
    (dq, dr)
}

/// Columns from `first` to before `end`.
fn columns(cx: &mut dyn Emit, a: ValueId, first: u64, end: u64) -> ValueId {
    let mut limits = cx.ty(a).shape.to_vec();
    let mut starts = vec![0; limits.len()];
    if let (Some(start), Some(limit)) = (starts.last_mut(), limits.last_mut()) {
        (*start, *limit) = (first, end);
    }
    cx.emit(Op::Slice, &[a], Attributes::Slice { starts, limits, strides: vec![] })
}
