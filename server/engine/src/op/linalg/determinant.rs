//! determinant, slogdet, and the cofactors that determinants are differentiated with.

use super::formula::{sum_last, transposed};
use super::numeric;
use super::shapes::{Matrices, Sizes, floats};
use crate::op::{Direction, Emit, Form, Infer, Jvp, NonSmooth, Op, Rule, ValueId};

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
    // d det = Σ cof ∘ dA (Jacobi). Not det A · A⁻ᵀ, which a singular A has not.
    jvp: Jvp::One(|cx, node, tangents| {
        let da = tangents[0]?;
        let cofactors = cx.unary(Op::Cofactor, node.operands[0]);
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
        if cx.policy() == NonSmooth::Strict {
            let zero = cx.scalar(cx.ty(node.result).dtype, 0.0);
            let singular = cx.compare(Direction::Eq, node.result, zero);
            cx.refuse_where(singular);
        }
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

/// Directions of a cofactor node at most: determinants have that many derivatives and one more.
const MOST_DIRECTIONS: usize = 4;

/// The cofactors ∂det(A)/∂A, or their derivative along directions. Operands: A, the directions. Symmetric and
/// linear in the directions.
pub const COFACTOR: Rule = Rule {
    form: Form {
        operands: (1, 1 + MOST_DIRECTIONS as u32),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            for i in 1..operands.len() {
                a.expect(operands, i, a.dtype, &[a.rows, a.rows])?;
            }
            Ok(operands[0].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            let directions = types.operands.len().saturating_sub(1);
            let sums = (0..=directions).fold(s.cost(1, 1, 1, 1), |product, i| {
                product
                    .saturating_mul(s.n.saturating_sub(i) as u64)
                    .saturating_mul(i as u64 + 1)
            });
            s.cost(20, s.n, s.n, s.n).saturating_add(sums)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let cofactor =
            |cx: &mut dyn Emit, operands: &[ValueId]| cx.emit_plain(Op::Cofactor, operands);
        // A moving is one direction more, a direction moving takes its own place.
        let mut sum = match tangents[0] {
            Some(_) if node.operands.len() > MOST_DIRECTIONS => {
                cx.lacks_derivative_of(Op::Cofactor);
                None
            }
            Some(da) => Some(cofactor(cx, &[node.operands, &[da]].concat())),
            None => None,
        };
        for (i, &moved) in tangents.iter().enumerate().skip(1) {
            let Some(moved) = moved else { continue };
            let mut operands = node.operands.to_vec();
            operands[i] = moved;
            let term = cofactor(cx, &operands);
            sum = cx.add_some(sum, Some(term));
        }
        sum
    }),
    // <ct, cof'(A)[E…]> is the determinant's derivative along ct and all E, which change places freely.
    transpose: Some(|cx, node, ct, i| {
        let mut operands = node.operands.to_vec();
        operands[i] = ct;
        cx.emit_plain(Op::Cofactor, &operands)
    }),
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let matrices: Vec<&[f64]> = operands.iter().map(|e| e.floats()).collect();
            let [a, directions @ ..] = &matrices[..] else {
                return;
            };
            numeric::cofactor_derivative(s.n, a, directions, results[0].floats());
        })
    },
};
