//! reduce_mean, reduce_variance.

use super::{
    Attributes, Composite, Emit, Form, Infer, Op, Problem, ValueId, check_dimensions, reduce,
};
use crate::tensor::TensorType;

/// The sum over the number of elements; NaN of nothing.
pub const MEAN: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "reduce",
        linear: true,
        non_smooth: "",
        infer: Infer::One(reduce::infer_float),
        cost: reduce::cost,
    },
    differentiable: true,
    expand: |cx, _, attributes, operands| {
        let named = match attributes {
            Attributes::Reduce { axes, .. } => &axes[..],
            _ => &[],
        };
        let shape = cx.ty(operands[0]).shape.clone();
        let count = reduce::count(&shape, &reduce::axes_or_all(named, shape.rank()));
        let sum = cx.emit(Op::ReduceSum, operands, attributes.clone());
        vec![over(cx, sum, count as f64)]
    },
};

/// The mean of the squared distances from the mean; NaN of no more elements than ddof.
pub const VARIANCE: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "variance",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer_variance),
        cost: |_, types| types.operands[0].elements().saturating_mul(6),
    },
    differentiable: true,
    expand: expand_variance,
};

fn over(cx: &mut dyn Emit, value: ValueId, divisor: f64) -> ValueId {
    let dtype = cx.ty(value).dtype;
    let divisor = cx.scalar(dtype, divisor);
    cx.binary(Op::Divide, value, divisor)
}

fn infer_variance(
    op: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<TensorType, Problem> {
    let Attributes::Variance {
        axes, keep_dims, ..
    } = attributes
    else {
        return Err(Problem::node("variance attributes are missing"));
    };
    check_dimensions("axes", axes, operands[0].shape.rank())?;
    let reduce = Attributes::Reduce {
        axes: axes.clone(),
        keep_dims: *keep_dims,
    };
    reduce::infer_float(op, &reduce, operands)
}

fn expand_variance(
    cx: &mut dyn Emit,
    _: Op,
    attributes: &Attributes,
    operands: &[ValueId],
) -> Vec<ValueId> {
    let Attributes::Variance {
        axes: named,
        keep_dims,
        ddof,
    } = attributes
    else {
        return operands.to_vec();
    };
    let shape = cx.ty(operands[0]).shape.clone();
    let axes = reduce::axes_or_all(named, shape.rank());
    let count = reduce::count(&shape, &axes);
    // Centred twice: the first mean is off by a rounding error of its own size, which would stay in every
    // distance where the mean is much larger than those are.
    let mut centred = operands[0];
    for _ in 0..2 {
        let sum = reduce::spread_sum(cx, &axes, centred);
        let mean = over(cx, sum, count as f64);
        centred = cx.binary(Op::Subtract, centred, mean);
    }
    let squares = cx.unary(Op::Square, centred);
    let attributes = Attributes::Reduce {
        axes: named.clone(),
        keep_dims: *keep_dims,
    };
    let sum = cx.emit(Op::ReduceSum, &[squares], attributes);
    let divisor = match count.checked_sub(u64::from(*ddof)) {
        None | Some(0) => f64::NAN,
        Some(n) => n as f64,
    };
    vec![over(cx, sum, divisor)]
}
