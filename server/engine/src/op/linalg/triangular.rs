//! triangular_solve and cholesky_solve: substitution, forward and backward.

use super::formula::{self, Part};
use super::numeric::{self, Triangle};
use super::shapes::{Matrices, Sizes};
use crate::op::{Attributes, Composite, Emit, Form, Infer, Jvp, Op, Rule, ValueId};

/// A x = b for triangular A. Linear in b.
pub const TRIANGULAR_SOLVE: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "triangular_solve",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            a.right_hand_side(operands, 1, a.rows)?;
            Ok(operands[1].clone())
        }),
        cost: |_, types| {
            let s = Sizes::of(types, Some(1));
            s.cost(1, s.n, s.n, s.k)
        },
    },
    // dA counts where A is read: M dx = db - dM x for M = A or Aᵀ.
    jvp: Jvp::One(|cx, node, tangents| {
        let triangle = triangle(node.attributes);
        let da = tangents[0].map(|da| {
            let part = match (triangle.lower, triangle.unit) {
                (true, false) => Part::Lower,
                (true, true) => Part::StrictLower,
                (false, false) => Part::Upper,
                (false, true) => Part::StrictUpper,
            };
            formula::part(cx, da, part)
        });
        let turned = triangle.transpose;
        let right = formula::moved_right_side(cx, da, turned, node.result, tangents[1])?;
        Some(triangular(cx, node.operands[0], right, triangle))
    }),
    transpose: Some(|cx, node, ct, _| {
        let mut triangle = triangle(node.attributes);
        triangle.transpose = !triangle.transpose;
        triangular(cx, node.operands[0], ct, triangle)
    }),
    kernel: |_, attributes, types| {
        Sizes::of(types, Some(1)).kernel(attributes, |s, attributes, operands, results| {
            let x = results[0].floats();
            x.copy_from_slice(operands[1].floats());
            numeric::triangular_solve(s.n, s.k, operands[0].floats(), triangle(attributes), x);
        })
    },
};

/// L Lᵀ x = b.
pub const CHOLESKY_SOLVE: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: TRIANGULAR_SOLVE.form.infer,
        cost: |_, types| {
            let s = Sizes::of(types, Some(1));
            s.cost(2, s.n, s.n, s.k)
        },
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let mut triangle = Triangle {
            lower: true,
            transpose: false,
            unit: false,
        };
        let y = triangular(cx, operands[0], operands[1], triangle);
        triangle.transpose = true;
        vec![triangular(cx, operands[0], y, triangle)]
    },
};

/// How the attributes read the matrix.
fn triangle(attributes: &Attributes) -> Triangle {
    match *attributes {
        Attributes::TriangularSolve {
            lower,
            transpose_a,
            unit_diagonal,
        } => Triangle {
            lower,
            transpose: transpose_a,
            unit: unit_diagonal,
        },
        _ => Triangle {
            lower: false,
            transpose: false,
            unit: false,
        },
    }
}

/// The node that solves with a triangle of A.
pub fn triangular(cx: &mut dyn Emit, a: ValueId, b: ValueId, triangle: Triangle) -> ValueId {
    let attributes = Attributes::TriangularSolve {
        lower: triangle.lower,
        transpose_a: triangle.transpose,
        unit_diagonal: triangle.unit,
    };
    cx.emit(Op::TriangularSolve, &[a, b], attributes)
}
