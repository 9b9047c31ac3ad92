//! qr: A = Q R, thin, with a non-negative diagonal of R.

use super::formula::{self, Part, mul, mul_ta, transposed};
use super::numeric::{self, Triangle};
use super::shapes::{Matrices, Sizes, floats};
use super::triangular::triangular;
use crate::op::{Attributes, Direction, Emit, Form, Infer, Jvp, NonSmooth, Op, Rule, ValueId};

/// The rule.
pub const QR: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "infinite or NaN where the first min(m, n) columns are dependent",
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
        refuse_dependent_columns(cx, node.nth(1));
        let (dq, dr) = tangents_of_factors(cx, node.operands[0], node.nth(0), node.nth(1), da);
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
fn tangents_of_factors(
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
    let upper = Triangle {
        lower: false,
        transpose: true,
        unit: false,
    };
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
    let dr = cx.emit(
        Op::Concatenate,
        &[dr1, dr2],
        Attributes::Concatenate { dimension },
    );
    (dq, dr)
}

/// Columns from `first` to before `end`.
fn columns(cx: &mut dyn Emit, a: ValueId, first: u64, end: u64) -> ValueId {
    let mut limits = cx.ty(a).shape.to_vec();
    let mut starts = vec![0; limits.len()];
    if let (Some(start), Some(limit)) = (starts.last_mut(), limits.last_mut()) {
        (*start, *limit) = (first, end);
    }
    cx.emit(
        Op::Slice,
        &[a],
        Attributes::Slice {
            starts,
            limits,
            strides: vec![],
        },
    )
}

/// A 0 on the diagonal of R: its column depends on those before it.
fn refuse_dependent_columns(cx: &mut dyn Emit, r: ValueId) {
    if cx.policy() != NonSmooth::Strict {
        return;
    }
    let ty = cx.ty(r).clone();
    let zero = cx.scalar(ty.dtype, 0.0);
    let vanishes = cx.compare(Direction::Eq, r, zero);
    let diagonal = formula::mask(cx, &ty.shape, Part::Diagonal);
    let dependent = cx.binary(Op::And, vanishes, diagonal);
    cx.refuse_where(dependent);
}
