//! expm and its derivatives along directions.

use super::determinant::along_directions;
use super::formula::transposed;
use super::numeric;
use super::shapes::{Matrices, Sizes};
use crate::op::{Attributes, Buffer, BufferMut, Form, Infer, Jvp, Op, Rule};

/// e^A.
pub const EXPM: Rule = Rule {
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
            s.cost(PRODUCTS, s.n, s.n, s.n)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        Some(cx.binary(Op::ExpmDerivative, node.operands[0], tangents[0]?))
    }),
    transpose: None,
    kernel: |_, attributes, types| Sizes::of(types, None).kernel(attributes, run),
};

/// Matrix products of one exponential: six for the approximant, a solve, a few squarings.
const PRODUCTS: u64 = 12;

/// The derivative of e^A along directions. Operands: A, the directions. Symmetric and linear in the directions.
pub const EXPM_DERIVATIVE: Rule = Rule {
    form: Form {
        operands: (2, 1 + MOST_DIRECTIONS),
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
            let directions = types.operands.len() as u32 - 1;
            s.cost(PRODUCTS.saturating_mul(3u64.saturating_pow(directions)), s.n, s.n, s.n)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        along_directions(cx, Op::ExpmDerivative, node.operands, tangents, 1)
    }),
    // <C, D e^A [E, F, …]> is the trace of a product that may be turned round: the adjoint is the derivative of
    // e^Aᵀ along C and the transposes of the other directions.
    transpose: Some(|cx, node, ct, moved| {
        let operands: Vec<_> = (0..node.operands.len())
            .map(|i| match i == moved {
                true => ct,
                false => transposed(cx, node.operands[i]),
            })
            .collect();
        cx.emit_plain(Op::ExpmDerivative, &operands)
    }),
    kernel: |_, attributes, types| Sizes::of(types, None).kernel(attributes, run),
};

/// Directions a client may write down; memory grows as 2^directions.
const MOST_DIRECTIONS: u32 = 8;

fn run(s: Sizes, _: &Attributes, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
    let directions: Vec<&[f64]> = operands[1..].iter().map(|e| e.floats()).collect();
    numeric::expm_derivative(s.n, operands[0].floats(), &directions, results[0].floats());
}
