//! norm: vector norms over dimensions.

use super::{
    Application, Attributes, Direction, Emit, Form, Infer, Jvp, NonSmooth, NormKind, Op, Problem,
    Rule, Team, ValueId, by_line, check_dimensions, reduce,
};
use crate::tensor::TensorType;

/// The rule. The norm of nothing is 0.
pub const NORM: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "norm",
        linear: false,
        non_smooth: "0 at the origin; one: 0 where an element is 0; inf: k ties share, 1/k each",
        infer: Infer::One(infer),
        cost: |_, types| types.operands[0].elements().saturating_mul(4),
    },
    jvp: Jvp::One(jvp),
    transpose: None,
    kernel: |_, attributes, types| {
        let (kind, axes) = parts(attributes, types.operands[0].shape.rank());
        let of: fn(&[f64], &dyn Team) -> f64 = match kind {
            NormKind::One => |line, _| line.iter().fold(0.0, |sum, x| sum + x.abs()),
            NormKind::Inf => |line, _| largest(line),
            NormKind::Two | NormKind::Fro => |line, _| euclidean(line),
        };
        by_line::fold(types, &axes, of, None)
    },
};

/// Which norm over which dimensions.
fn parts(attributes: &Attributes, rank: usize) -> (NormKind, Vec<usize>) {
    match attributes {
        Attributes::Norm { kind, axes, .. } if *kind == NormKind::Fro && axes.is_empty() => {
            (*kind, (rank.saturating_sub(2)..rank).collect())
        }
        Attributes::Norm { kind, axes, .. } => (*kind, reduce::axes_or_all(axes, rank)),
        _ => (NormKind::Two, (0..rank).collect()),
    }
}

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Norm {
        kind,
        axes: named,
        keep_dims,
    } = attributes
    else {
        return Err(Problem::node("norm attributes are missing"));
    };
    let ty = operands[0];
    super::check_float(ty, 0)?;
    check_dimensions("axes", named, ty.shape.rank())?;
    if *kind == NormKind::Fro && named.is_empty() && ty.shape.rank() < 2 {
        return Err(Problem::operand(
            0,
            format!(
                "operand {} is no matrix; use the norm two, or name the axes",
                ty.shape
            ),
        ));
    }
    let (_, axes) = parts(attributes, ty.shape.rank());
    let shape = reduce::reduced_shape(&ty.shape, &axes, *keep_dims);
    Ok(TensorType::new(ty.dtype, shape))
}

/// The largest absolute value; NaN if any is.
fn largest(line: &[f64]) -> f64 {
    line.iter().fold(0.0, |largest: f64, x| {
        super::kernels::maximum(largest, x.abs())
    })
}

/// The square root of the sum of squares. Where that would overflow or lose digits to underflow, all is scaled by a
/// power of two, which rounds nothing that counts.
fn euclidean(line: &[f64]) -> f64 {
    let squares = |scale: f64| -> f64 {
        let square = |sum: f64, x: f64| sum + (x * scale) * (x * scale);
        super::kernels::in_eight(line, 0.0, square, |a, b| a + b)
    };
    let sum = squares(1.0);
    // Squares that underflow are below 1e-308 each; beside 1e-280 they count for nothing.
    if (1e-280..=f64::MAX).contains(&sum) || sum.is_nan() {
        return libm::sqrt(sum);
    }
    let largest = largest(line);
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    // Brings the largest into (1e-143, 1e128), the least number there is included.
    let scale = libm::scalbn(1.0, if largest > 1.0 { -600 } else { 600 });
    libm::sqrt(squares(scale)) / scale
}

/// The tangent weighted by the direction in which the norm grows: the sign, the unit vector, or the signs of what
/// is largest.
fn jvp(cx: &mut dyn Emit, node: &Application<'_>, tangents: &[Option<ValueId>]) -> Option<ValueId> {
    let tangent = tangents[0]?;
    let x = node.operands[0];
    let ty = cx.ty(x).clone();
    if ty.elements() == 0 {
        return None;
    }
    let (kind, axes) = parts(node.attributes, ty.shape.rank());
    let norm = reduce::spread_back(cx, &axes, node.result, &ty.shape);
    let zero = cx.scalar(ty.dtype, 0.0);
    // Where this is 0 there is no derivative.
    let kink = match kind {
        NormKind::One => x,
        _ => norm,
    };
    let kink = cx.compare(Direction::Eq, kink, zero);
    if cx.policy() == NonSmooth::Strict {
        cx.refuse_where(kink);
    }
    let direction = match kind {
        NormKind::One => cx.unary(Op::Sign, x),
        NormKind::Inf => {
            let size = cx.unary(Op::Abs, x);
            let share = reduce::shares(cx, &axes, size, norm);
            let sign = cx.unary(Op::Sign, x);
            cx.binary(Op::Multiply, sign, share)
        }
        NormKind::Two | NormKind::Fro => {
            let unit = cx.binary(Op::Divide, x, norm);
            match cx.policy() {
                // JAX has NaN at the origin.
                NonSmooth::Jax => unit,
                _ => cx.select(kink, zero, unit),
            }
        }
    };
    let moved = cx.binary(Op::Multiply, direction, tangent);
    let keep_dims = matches!(
        node.attributes,
        Attributes::Norm {
            keep_dims: true,
            ..
        }
    );
    let axes = axes.iter().map(|&d| d as u32).collect();
    let reduce = Attributes::Reduce { axes, keep_dims };
    Some(cx.emit(Op::ReduceSum, &[moved], reduce))
}
