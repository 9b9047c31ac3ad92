//! lstsq through singular values.

use super::formula::{self, along_rows, apply};
use super::numeric;
use super::shapes::{Matrices, Sizes};
use super::solve::transposes;
use crate::op::{
    Attributes, Buffer, BufferMut, Composite, Direction, Emit, Form, Infer, Jvp, Op, Problem, Rule,
    ValueId,
};
use crate::tensor::{DType, TensorType};

const NON_SMOOTH: &str = "NaN in A where A has not full rank";

/// The x of least norm that minimises |A x - b|.
pub const LSTSQ: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "",
        linear: false,
        non_smooth: NON_SMOOTH,
        infer: Infer::One(|_, _, operands| solution(operands, 1, false)),
        cost: |_, types| {
            let s = Sizes::of(types, Some(1));
            let least = s.m.min(s.n);
            s.cost(12, s.m, s.n, least)
                .saturating_add(s.cost(1, s.m + s.n, least, s.k))
        },
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let factors = formula::factors(cx, Op::Svd, operands[0]);
        let all = [&operands[..1], &factors, &operands[1..]].concat();
        vec![cx.emit(Op::SvdSolve, &all, Attributes::Solve { transpose_a: false })]
    },
};

/// A⁺ b with the factors U, s, Vᵀ of A at hand. Linear in b.
pub const SVD_SOLVE: Rule = Rule {
    form: Form {
        operands: (5, 5),
        attribute: "solve",
        linear: false,
        non_smooth: NON_SMOOTH,
        infer: Infer::One(|_, attributes, operands| {
            let a = Matrices::of(operands, 0)?;
            let k = a.smaller();
            a.expect(operands, 1, a.dtype, &[a.rows, k])?;
            a.expect(operands, 2, a.dtype, &[k])?;
            a.expect(operands, 3, a.dtype, &[k, a.columns])?;
            solution(operands, 4, transposes(attributes))
        }),
        cost: |_, types| {
            let s = Sizes::of(types, Some(4));
            s.cost(1, s.m + s.n, s.m.min(s.n), s.k)
        },
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let moved = tangents[0]
            .and_then(|da| moved_matrix(cx, node.operands, node.attributes, node.result, da));
        let transpose = transposes(node.attributes);
        let straight = tangents[4].map(|db| with_factors(cx, node.operands, db, transpose));
        cx.add_some(straight, moved)
    }),
    transpose: Some(|cx, node, ct, _| {
        with_factors(cx, node.operands, ct, !transposes(node.attributes))
    }),
    kernel: |_, attributes, types| {
        let run = match types.result.dtype {
            DType::F32 => run::<true>,
            _ => run::<false>,
        };
        Sizes::of(types, Some(4)).kernel(attributes, run)
    },
};

fn run<const SINGLE: bool>(
    s: Sizes,
    attributes: &Attributes,
    operands: &[Buffer<'_>],
    results: &mut [BufferMut<'_>],
) {
    let [u, values, vt, b] = [1, 2, 3, 4].map(|i| operands[i].floats());
    let epsilon = formula::epsilon(if SINGLE { DType::F32 } else { DType::F64 });
    numeric::svd_solve(
        (s.m, s.n, s.k),
        (u, values, vt),
        (transposes(attributes), epsilon),
        b,
        results[0].floats(),
    );
}

/// The type of A⁺ b or A⁺ᵀ b.
fn solution(
    operands: &[&TensorType],
    right: usize,
    transpose: bool,
) -> Result<TensorType, Problem> {
    let a = Matrices::of(operands, 0)?;
    let (from, to) = match transpose {
        false => (a.rows, a.columns),
        true => (a.columns, a.rows),
    };
    let columns = a.right_hand_side(operands, right, from)?;
    let dimensions: Vec<u64> = [to].into_iter().chain(columns).collect();
    Ok(a.ty(&dimensions))
}

/// The node that solves another right-hand side with the same factors.
fn with_factors(cx: &mut dyn Emit, operands: &[ValueId], b: ValueId, transpose_a: bool) -> ValueId {
    let all = [&operands[..4], &[b]].concat();
    cx.emit(Op::SvdSolve, &all, Attributes::Solve { transpose_a })
}

/// What dA does to x = M⁺ b, M = A or Aᵀ of full rank (Golub & Pereyra, SIAM J. Numer. Anal. 10, 1973):
/// -M⁺ dM x, and M⁺ M⁺ᵀ dMᵀ (b - M x) if M is tall, or (1 - M⁺ M) dMᵀ M⁺ᵀ x if it is wide.
fn moved_matrix(
    cx: &mut dyn Emit,
    operands: &[ValueId],
    attributes: &Attributes,
    x: ValueId,
    da: ValueId,
) -> Option<ValueId> {
    let (a, b) = (operands[0], operands[4]);
    let turn = transposes(attributes);
    let shape = cx.ty(a).shape.clone();
    let (m, n) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
    let (rows, columns) = if turn { (n, m) } else { (m, n) };
    if m.min(n) == 0 {
        return None;
    }
    let da = of_full_rank(cx, operands[2], da, m.max(n));
    let shifted = apply(cx, da, turn, x);
    let pulled = with_factors(cx, operands, shifted, turn);
    let term = match rows.cmp(&columns) {
        std::cmp::Ordering::Equal => return Some(cx.unary(Op::Negate, pulled)),
        std::cmp::Ordering::Greater => {
            let reached = apply(cx, a, turn, x);
            let residual = cx.binary(Op::Subtract, b, reached);
            let back = apply(cx, da, !turn, residual);
            let half = with_factors(cx, operands, back, !turn);
            with_factors(cx, operands, half, turn)
        }
        std::cmp::Ordering::Less => {
            let y = with_factors(cx, operands, x, !turn);
            let back = apply(cx, da, !turn, y);
            let image = apply(cx, a, turn, back);
            let inside = with_factors(cx, operands, image, turn);
            cx.binary(Op::Subtract, back, inside)
        }
    };
    Some(cx.binary(Op::Subtract, term, pulled))
}

/// dA, or NaN where a singular value counts as 0: there the solution jumps.
fn of_full_rank(cx: &mut dyn Emit, s: ValueId, da: ValueId, longer: u64) -> ValueId {
    let ty = cx.ty(da).clone();
    let last = cx.ty(s).shape.rank() as u32 - 1;
    let largest = cx.reduce(Op::ReduceMax, s, vec![last]);
    let smallest = cx.reduce(Op::ReduceMin, s, vec![last]);
    let cutoff = formula::times(cx, largest, longer as f64 * formula::epsilon(ty.dtype));
    let full = cx.compare(Direction::Gt, smallest, cutoff);
    let deficient = cx.unary(Op::Not, full);
    cx.refuse_where(deficient);
    let (one, nan) = (cx.scalar(ty.dtype, 1.0), cx.scalar(ty.dtype, f64::NAN));
    let factor = cx.select(full, one, nan);
    let row = ty.shape[..ty.shape.rank() - 1].to_vec();
    let factor = along_rows(cx, factor, &row);
    let factor = along_rows(cx, factor, &ty.shape);
    cx.binary(Op::MultiplyNoNan, factor, da)
}
