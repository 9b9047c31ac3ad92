//! lu: P A = L U with partial pivoting.

use super::formula::{self, Part, mul, transposed};
use super::numeric::{self, Triangle};
use super::shapes::{Matrices, Sizes, floats};
use super::triangular::triangular;
use crate::op::{Attributes, Direction, Emit, Form, Infer, Jvp, NonSmooth, Op, Rule, ValueId};
use crate::tensor::{DType, TensorType};

/// The rule. The permutation stays as it is while A moves.
pub const LU: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "that of the pivots chosen where two are equal in size",
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
        refuse_ties(cx, l);
        let rows = rows_of(cx, p, da);
        let left = triangular(
            cx,
            l,
            rows,
            Triangle {
                lower: true,
                transpose: false,
                unit: true,
            },
        );
        let left = transposed(cx, left);
        let both = triangular(
            cx,
            u,
            left,
            Triangle {
                lower: false,
                transpose: true,
                unit: false,
            },
        );
        let f = transposed(cx, both);
        let below = formula::part(cx, f, Part::StrictLower);
        let above = formula::part(cx, f, Part::Upper);
        vec![None, Some(mul(cx, l, below)), Some(mul(cx, above, u))]
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [permutation, factors @ ..] = results else {
                return;
            };
            let [l, u] = floats(factors);
            numeric::lu(s.n, operands[0].floats(), permutation.integers(), l, u);
        })
    },
};

/// Two pivots equal in size leave a factor of size 1 in L: the next matrix may choose the other.
fn refuse_ties(cx: &mut dyn Emit, l: ValueId) {
    if cx.policy() != NonSmooth::Strict {
        return;
    }
    let dtype = cx.ty(l).dtype;
    let below = formula::part(cx, l, Part::StrictLower);
    let (size, one) = (cx.unary(Op::Abs, below), cx.scalar(dtype, 1.0));
    let ties = cx.compare(Direction::Eq, size, one);
    cx.refuse_where(ties);
}

/// Rows of A in the order of a permutation: the product with the permutation's matrix.
fn rows_of(cx: &mut dyn Emit, permutation: ValueId, a: ValueId) -> ValueId {
    let ty = cx.ty(a).clone();
    let shape = ty.shape.clone();
    let row = formula::along_rows(cx, permutation, &shape);
    let index = TensorType::new(DType::I64, &shape[shape.rank() - 1..]);
    let index = cx.emit(
        Op::Iota,
        &[],
        Attributes::Iota {
            ty: index,
            dimension: 0,
        },
    );
    let column = cx.broadcast(index, &shape, vec![shape.rank() as u32 - 1]);
    let chosen = cx.compare(Direction::Eq, row, column);
    let matrix = cx.convert(chosen, ty.dtype);
    mul(cx, matrix, a)
}
