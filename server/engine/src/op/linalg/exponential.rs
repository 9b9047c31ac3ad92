//! expm and its derivatives along directions.

use super::formula::transposed;
use super::numeric;
use super::shapes::{Matrices, Sizes};
use crate::op::{
    Attributes, Buffer, BufferMut, Emit, Form, Infer, Jvp, Op, Problem, Rule, ValueId,
};
use crate::tensor::TensorType;

/// e^A.
pub const EXPM: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
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
        infer: Infer::One(infer),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            let directions = types.operands.len() as u32 - 1;
            let products = PRODUCTS.saturating_mul(3u64.saturating_pow(directions));
            s.cost(products, s.n, s.n, s.n)
        },
    },
    // A moving is one direction more, a direction moving takes its own place.
    jvp: Jvp::One(|cx, node, tangents| {
        let mut sum = tangents[0].map(|da| along(cx, &[node.operands, &[da]].concat()));
        for (i, tangent) in tangents.iter().enumerate().skip(1) {
            let Some(moved) = *tangent else { continue };
            let mut operands = node.operands.to_vec();
            operands[i] = moved;
            let term = along(cx, &operands);
            sum = cx.add_some(sum, Some(term));
        }
        sum
    }),
    // <C, D e^A [E, F, …]> is the trace of a product that may be turned round: the adjoint is the derivative of
    // e^Aᵀ along C and the transposes of the other directions.
    transpose: Some(|cx, node, ct, moved| {
        let operands: Vec<ValueId> = node
            .operands
            .iter()
            .enumerate()
            .map(|(i, &operand)| match i == moved {
                true => ct,
                false => transposed(cx, operand),
            })
            .collect();
        along(cx, &operands)
    }),
    kernel: |_, attributes, types| Sizes::of(types, None).kernel(attributes, run),
};

/// Directions a client may write down; memory grows as 2^directions.
const MOST_DIRECTIONS: u32 = 8;

fn infer(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let a = Matrices::square(operands, 0)?;
    for i in 1..operands.len() {
        a.expect(operands, i, a.dtype, &[a.rows, a.rows])?;
    }
    Ok(operands[0].clone())
}

fn along(cx: &mut dyn Emit, operands: &[ValueId]) -> ValueId {
    cx.emit_plain(Op::ExpmDerivative, operands)
}

fn run(s: Sizes, _: &Attributes, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
    let directions: Vec<&[f64]> = operands[1..].iter().map(Buffer::floats).collect();
    numeric::expm_derivative(s.n, operands[0].floats(), &directions, results[0].floats());
}
