//! Eigenvalues of symmetric matrices and singular values, with their vectors.

use super::formula::{self, Part, along_columns, along_rows, mul, mul_ta, mul_tb, transposed};
use super::numeric;
use super::shapes::{Matrices, Sizes, floats};
use crate::op::{Direction, Emit, Form, Infer, Jvp, Op, Rule, ValueId};
use crate::tensor::DType;

/// Eigenvalues and eigenvectors of a symmetric matrix.
pub const EIGH: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "NaN in the eigenvectors of equal eigenvalues; an eigenvalue moves as the Rayleigh quotient of its vector",
        infer: Infer::Many(|_, _, operands| {
            let a = Matrices::square(operands, 0)?;
            Ok(vec![a.ty(&[a.rows]), operands[0].clone()])
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(9, s.n, s.n, s.n)
        },
    },
    jvp: Jvp::Many(|cx, node, tangents| match tangents[0] {
        Some(da) if cx.ty(da).elements() > 0 => {
            let (values, vectors) = eigh_tangents(cx, node.nth(0), node.nth(1), da);
            vec![Some(values), Some(vectors)]
        }
        _ => vec![None; 2],
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [values, vectors] = floats(results);
            numeric::eigh(s.n, operands[0].floats(), values, vectors);
        })
    },
};

/// With P = Vᵀ dA V: dλ = diag(P), which holds for equal eigenvalues too as long as a function is symmetric in
/// them, and dV = V X, X_ij = P_ij / (λ_j - λ_i) (Giles, "An extended collection of matrix derivative results",
/// 2008).
fn eigh_tangents(
    cx: &mut dyn Emit,
    values: ValueId,
    vectors: ValueId,
    da: ValueId,
) -> (ValueId, ValueId) {
    let da = formula::symmetric(cx, da);
    let moved = mul(cx, da, vectors);
    let rates = columnwise(cx, vectors, moved);
    let p = mul_ta(cx, vectors, moved);
    let p = off_diagonal(cx, p);
    let shape = cx.ty(p).shape.clone();
    let (later, earlier) = (
        along_columns(cx, values, &shape),
        along_rows(cx, values, &shape),
    );
    let gap = cx.binary(Op::Subtract, later, earlier);
    let sizes = cx.unary(Op::Abs, values);
    let factor = shape[shape.rank() - 1] as f64;
    let over = Over::new(cx, sizes, factor).pairs(cx, gap);
    let x = cx.binary(Op::MultiplyNoNan, over, p);
    (rates, mul(cx, vectors, x))
}

/// A = U diag(s) Vᵀ, thin.
pub const SVD: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "",
        linear: false,
        non_smooth: "NaN in the vectors of equal singular values, and of singular values 0 but for the only one of a square matrix; at 0 a singular value moves as uᵀ dA v",
        infer: Infer::Many(|_, _, operands| {
            let a = Matrices::of(operands, 0)?;
            let k = a.smaller();
            Ok(vec![a.ty(&[a.rows, k]), a.ty(&[k]), a.ty(&[k, a.columns])])
        }),
        cost: |_, types| {
            let s = Sizes::of(types, None);
            s.cost(12, s.m, s.n, s.m.min(s.n))
        },
    },
    jvp: Jvp::Many(|cx, node, tangents| match tangents[0] {
        Some(da) if cx.ty(da).elements() > 0 => {
            svd_tangents(cx, [0, 1, 2].map(|i| node.nth(i)), da)
                .map(Some)
                .to_vec()
        }
        _ => vec![None; 3],
    }),
    transpose: None,
    kernel: |_, attributes, types| {
        Sizes::of(types, None).kernel(attributes, |s, _, operands, results| {
            let [u, values, vt] = floats(results);
            numeric::svd(s.m, s.n, operands[0].floats(), u, values, vt);
        })
    },
};

/// With P = Uᵀ dA V: ds = diag(P), and inside the spans dU = U Ω, dV = V Ψ. From
/// Ω + Ψ = (P + Pᵀ)_ij / (s_j - s_i) and Ω - Ψ = (P - Pᵀ)_ij / (s_j + s_i) no squares of singular values appear,
/// and a single 0 among them does no harm. Vectors of the longer side leave their span, too:
/// (1 - U Uᵀ) dA V / s (Townsend, "Differentiating the singular value decomposition", 2016).
fn svd_tangents(cx: &mut dyn Emit, [u, s, vt]: [ValueId; 3], da: ValueId) -> [ValueId; 3] {
    let shape = cx.ty(da).shape.clone();
    let (m, n) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
    let images = mul_tb(cx, da, vt);
    let rates = columnwise(cx, u, images);
    let p = mul_ta(cx, u, images);
    let inside = off_diagonal(cx, p);
    let turned = transposed(cx, inside);
    let shape = cx.ty(p).shape.clone();
    let (later, earlier) = (along_columns(cx, s, &shape), along_rows(cx, s, &shape));
    let gap = cx.binary(Op::Subtract, later, earlier);
    let sum = cx.binary(Op::Add, later, earlier);
    let over = Over::new(cx, s, m.max(n) as f64);
    let half_turn = |cx: &mut dyn Emit, op: Op, denominator: ValueId| {
        let numerator = cx.binary(op, inside, turned);
        let over = over.pairs(cx, denominator);
        let product = cx.binary(Op::MultiplyNoNan, over, numerator);
        formula::times(cx, product, 0.5)
    };
    let together = half_turn(cx, Op::Add, gap);
    let apart = half_turn(cx, Op::Subtract, sum);
    let of_u = cx.binary(Op::Add, together, apart);
    let of_v = cx.binary(Op::Subtract, together, apart);
    let mut du = mul(cx, u, of_u);
    let mut dvt = mul_ta(cx, of_v, vt);
    if m > n {
        let projected = mul(cx, u, p);
        let outside = cx.binary(Op::Subtract, images, projected);
        let over = over.each(cx, s);
        let shape = cx.ty(outside).shape.clone();
        let over = along_columns(cx, over, &shape);
        let outside = cx.binary(Op::MultiplyNoNan, over, outside);
        du = cx.binary(Op::Add, du, outside);
    }
    if n > m {
        let images = mul_ta(cx, u, da);
        let projected = mul(cx, p, vt);
        let outside = cx.binary(Op::Subtract, images, projected);
        let over = over.each(cx, s);
        let shape = cx.ty(outside).shape.clone();
        let over = along_rows(cx, over, &shape);
        let outside = cx.binary(Op::MultiplyNoNan, over, outside);
        dvt = cx.binary(Op::Add, dvt, outside);
    }
    [du, rates, dvt]
}

/// Σ_i a_ij b_ij. Shapes: `[.., m, n]` twice to `[.., n]`.
fn columnwise(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> ValueId {
    let product = cx.binary(Op::Multiply, a, b);
    let rank = cx.ty(product).shape.rank() as u32;
    cx.reduce(Op::ReduceSum, product, vec![rank - 2])
}

/// Zeros on the diagonal: there no vector turns.
fn off_diagonal(cx: &mut dyn Emit, a: ValueId) -> ValueId {
    let ty = cx.ty(a).clone();
    let diagonal = formula::mask(cx, &ty.shape, Part::Diagonal);
    let zero = cx.scalar(ty.dtype, 0.0);
    cx.select(diagonal, zero, a)
}

/// Reciprocals of differences of values, NaN where these cannot be told from 0. Products with them are taken so
/// that 0 times NaN is 0: what does not turn a pair of vectors does not mind that they are arbitrary.
struct Over {
    /// Sizes up to this count as 0, `[..]`.
    cutoff: ValueId,
    dtype: DType,
}

impl Over {
    /// The cutoff is `factor` units in the last place of the largest value. Shapes: values `[.., k]`, not negative.
    fn new(cx: &mut dyn Emit, values: ValueId, factor: f64) -> Self {
        let ty = cx.ty(values).clone();
        let largest = cx.reduce(Op::ReduceMax, values, vec![ty.shape.rank() as u32 - 1]);
        Self {
            cutoff: formula::times(cx, largest, factor * formula::epsilon(ty.dtype)),
            dtype: ty.dtype,
        }
    }

    /// Whether a value counts as 0. Shapes: `[.., whatever]` to the same.
    fn counts_as_zero(&self, cx: &mut dyn Emit, value: ValueId) -> ValueId {
        let shape = cx.ty(value).shape.clone();
        let leading = cx.ty(self.cutoff).shape.rank() as u32;
        let cutoff = cx.broadcast(self.cutoff, &shape, (0..leading).collect());
        let size = cx.unary(Op::Abs, value);
        cx.compare(Direction::Le, size, cutoff)
    }

    /// 1 / value.
    fn each(&self, cx: &mut dyn Emit, value: ValueId) -> ValueId {
        let zero = self.counts_as_zero(cx, value);
        cx.refuse_where(zero);
        self.reciprocal(cx, zero, value)
    }

    /// 1 / value off the diagonal, 1 on it. Shapes: `[.., k, k]` to the same.
    fn pairs(&self, cx: &mut dyn Emit, value: ValueId) -> ValueId {
        let shape = cx.ty(value).shape.clone();
        let diagonal = formula::mask(cx, &shape, Part::Diagonal);
        let zero = self.counts_as_zero(cx, value);
        let beside = cx.unary(Op::Not, diagonal);
        let zero = cx.binary(Op::And, zero, beside);
        cx.refuse_where(zero);
        let one = cx.scalar(self.dtype, 1.0);
        let value = cx.select(diagonal, one, value);
        self.reciprocal(cx, zero, value)
    }

    fn reciprocal(&self, cx: &mut dyn Emit, zero: ValueId, value: ValueId) -> ValueId {
        let nan = cx.scalar(self.dtype, f64::NAN);
        let value = cx.select(zero, nan, value);
        cx.unary(Op::Reciprocal, value)
    }
}
