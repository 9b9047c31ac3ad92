//! cholesky: A = L Lᵀ.

use super::formula::{self, Part, mul, transposed};
use super::numeric::{self, Triangle};
use super::shapes::{Matrices, Sizes};
use super::triangular::triangular;
use crate::op::{Form, Infer, Jvp, Rule};

/// The rule. Only the lower triangle of A is read.
pub const CHOLESKY: Rule = Rule {
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
            s.cost(1, s.n, s.n, s.n) / 3
        },
    },
    // dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ the lower triangle with half the diagonal (Murray, "Differentiation of the Cholesky
    // decomposition", 2016).
    jvp: Jvp::One(|cx, node, tangents| {
        let l = node.result;
        let da = formula::symmetric(cx, tangents[0]?);
        let lower = Triangle {
            lower: true,
            transpose: false,
            unit: false,
        };
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
