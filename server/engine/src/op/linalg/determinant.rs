//! determinant, slogdet, and the cofactors that determinants are differentiated with.

use super::formula::{self, sum_last, transposed};
use super::numeric;
use super::shapes::{Matrices, Sizes, floats};
use crate::op::{Attributes, Emit, Form, Infer, Jvp, Op, Rule, ValueId};

/// det A.
pub const DETERMINANT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| Ok(Matrices::square(operands, 0)?.ty(&[]))),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(1, s.n, s.n, s.n)
        },
    },
    // d det = Σ cof ∘ dA. Cofactors come from singular values, not from A⁻¹, which a singular A has not.
    jvp: Jvp::One(|cx, node, tangents| {
        let da = tangents[0]?;
        let factors = formula::factors(cx, Op::Svd, node.operands[0]);
        let cofactors = cx.emit_plain(Op::Cofactor, &[node.operands, &factors].concat());
        let product = cx.binary(Op::Multiply, cofactors, da);
        Some(sum_last(cx, product, 2))
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            results[0].floats()[0] = numeric::determinant(s.n, operands[0].floats());
        })
    },
};

/// The sign of det A and log|det A|.
pub const SLOGDET: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "infinite or NaN where A is singular",
        infer: Infer::Many(|_, _, operands| {
            let ty = Matrices::square(operands, 0)?.ty(&[]);
            Ok(vec![ty.clone(), ty])
        }),
        cost: DETERMINANT.form.cost,
    },
    // d log|det A| = tr(A⁻¹ dA); the inverse serves all directions.
    jvp: Jvp::Many(|cx, node, tangents| {
        let Some(da) = tangents[0] else {
            return vec![None; 2];
        };
        let inverse = cx.unary(Op::Inverse, node.operands[0]);
        let turned = transposed(cx, inverse);
        let product = cx.binary(Op::Multiply, turned, da);
        vec![None, Some(sum_last(cx, product, 2))]
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [sign, logarithm] = floats(results);
            (sign[0], logarithm[0]) = numeric::slogdet(s.n, operands[0].floats());
        })
    },
};

/// The cofactors ∂det(A)/∂A, or their derivative along directions. Operands: A, its factors U, s, Vᵀ, the
/// directions. Symmetric and linear in the directions.
pub const COFACTOR: Rule = Rule {
    form: Form {
        operands: (4, u32::MAX),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            for i in (1..operands.len()).filter(|&i| i != 2) {
                a.expect(operands, i, a.dtype, &[a.rows, a.rows])?;
            }
            a.expect(operands, 2, a.dtype, &[a.rows])?;
            Ok(operands[0].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            let directions = types.operands.len().saturating_sub(4);
            let sums = (0..=directions).fold(s.cost(1, 1, 1, 1), |product, i| {
                product
                    .saturating_mul(s.n.saturating_sub(i) as u64)
                    .saturating_mul(i as u64 + 1)
            });
            s.cost(4 + 2 * directions as u64, s.n, s.n, s.n).saturating_add(sums)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        along_directions(cx, Op::Cofactor, node.operands, tangents, 4)
    }),
    // The derivative of the determinant along all directions and the cotangent, which change places freely.
    transpose: Some(|cx, node, ct, i| {
        let mut operands = node.operands.to_vec();
        operands[i] = ct;
        cx.emit_plain(Op::Cofactor, &operands)
    }),
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let directions: Vec<&[f64]> = operands[4..].iter().map(|e| e.floats()).collect();
            let [u, values, vt] = [1, 2, 3].map(|i| operands[i].floats());
            numeric::cofactor_derivative(s.n, u, values, vt, &directions, results[0].floats());
        })
    },
};

/// The tangent of a derivative along directions (operands from `first` on): operand 0 moving is one direction
/// more, a direction moving takes its own place.
pub fn along_directions(
    cx: &mut dyn Emit,
    op: Op,
    operands: &[ValueId],
    tangents: &[Option<ValueId>],
    first: usize,
) -> Option<ValueId> {
    let mut sum = tangents[0].map(|da| {
        let all = [operands, &[da]].concat();
        cx.emit(op, &all, Attributes::None)
    });
    for i in first..operands.len() {
        let Some(moved) = tangents[i] else { continue };
        let mut all = operands.to_vec();
        all[i] = moved;
        let term = cx.emit(op, &all, Attributes::None);
        sum = cx.add_some(sum, Some(term));
    }
    sum
}
