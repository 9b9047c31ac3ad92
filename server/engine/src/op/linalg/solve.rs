//! solve and inverse through LU factors.

use super::formula;
use super::numeric::{self, Factors};
use super::shapes::{Matrices, Sizes};
use crate::op::{Attributes, Composite, Emit, Form, Infer, Jvp, Op, Rule, ValueId};
use crate::tensor::DType;

/// A x = b.
pub const SOLVE: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "solve",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            a.right_hand_side(operands, 1, a.rows)?;
            Ok(operands[1].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, Some(1));
            s.cost(1, s.n, s.n, s.n + 2 * s.k)
        },
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| {
        let factors = formula::factors(cx, Op::Lu, operands[0]);
        let all = [&operands[..1], &factors, &operands[1..]].concat();
        vec![cx.emit(Op::LuSolve, &all, attributes.clone())]
    },
};

/// A⁻¹.
pub const INVERSE: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            Matrices::square(operands, 0).map(|_| operands[0].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(3, s.n, s.n, s.n)
        },
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let ty = cx.ty(operands[0]).clone();
        let identity = formula::identity(cx, &ty);
        let factors = formula::factors(cx, Op::Lu, operands[0]);
        let all = [&operands[..1], &factors, &[identity]].concat();
        vec![cx.emit(Op::LuSolve, &all, Attributes::Solve { transpose_a: false })]
    },
};

/// A x = b with the factors of A at hand: A, and its permutation, L and U, through which no derivative passes. Linear
/// in b.
pub const LU_SOLVE: Rule = Rule {
    form: Form {
        operands: (5, 5),
        attribute: "solve",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            a.expect(operands, 1, DType::I64, &[a.rows])?;
            a.expect(operands, 2, a.dtype, &[a.rows, a.rows])?;
            a.expect(operands, 3, a.dtype, &[a.rows, a.rows])?;
            a.right_hand_side(operands, 4, a.rows)?;
            Ok(operands[4].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, Some(4));
            s.cost(2, s.n, s.n, s.k)
        },
    },
    // M dx = db - dM x for M = A or Aᵀ.
    jvp: Jvp::One(|cx, node, tangents| {
        let transpose = transposes(node.attributes);
        let (da, db) = (tangents[0], tangents[4]);
        let right = formula::moved_right_side(cx, da, transpose, node.result, db)?;
        Some(with_factors(cx, node.operands, right, transpose))
    }),
    transpose: Some(|cx, node, ct, _| {
        with_factors(cx, node.operands, ct, !transposes(node.attributes))
    }),
    kernel: |_, attributes, types| {
        Sizes::of(types, Some(4)).kernel(attributes, |s, attributes, operands, results| {
            let factors = Factors {
                permutation: operands[1].integers(),
                l: operands[2].floats(),
                u: operands[3].floats(),
            };
            let (b, x) = (operands[4].floats(), results[0].floats());
            numeric::lu_solve(s.n, s.k, &factors, transposes(attributes), b, x);
        })
    },
};

/// Whether the transposed system is meant.
pub fn transposes(attributes: &Attributes) -> bool {
    matches!(attributes, Attributes::Solve { transpose_a: true })
}

/// The node that solves another right-hand side with the same factors.
fn with_factors(cx: &mut dyn Emit, operands: &[ValueId], b: ValueId, transpose_a: bool) -> ValueId {
    let all = [&operands[..4], &[b]].concat();
    cx.emit(Op::LuSolve, &all, Attributes::Solve { transpose_a })
}
