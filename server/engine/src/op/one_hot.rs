//! one_hot: a row of 0 with 1 at the index.

use super::{Attributes, Composite, Direction, Form, Infer, Op, Problem, cost_of_result};
use crate::tensor::{DType, TensorType};

/// The composite: the index along a last dimension more, compared. An index outside gives zeros.
pub const ONE_HOT: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "one_hot",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    differentiable: false,
    expand: |cx, _, attributes, operands| {
        let Attributes::OneHot { depth, dtype } = *attributes else {
            return vec![operands[0]];
        };
        let own = cx.ty(operands[0]).shape.clone();
        let shape = [&own[..], &[depth]].concat();
        let dimension = own.rank() as u32;
        let ty = TensorType::new(DType::I64, &shape[..]);
        let places = cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension });
        let index = cx.broadcast(operands[0], &shape, (0..dimension).collect());
        let hot = cx.compare(Direction::Eq, index, places);
        vec![cx.convert(hot, dtype)]
    },
};

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::OneHot { depth, dtype } = *attributes else {
        return Err(Problem::node("one_hot attributes are missing"));
    };
    if operands[0].dtype != DType::I64 {
        return Err(Problem::operand(
            0,
            format!("indices are {}; insert convert to i64", operands[0].dtype),
        ));
    }
    if dtype == DType::Bool {
        return Err(Problem::attribute(
            "dtype",
            "0 and 1 are numbers; use f64, f32 or i64, and compare",
        ));
    }
    let shape = [&operands[0].shape[..], &[depth]].concat();
    Ok(TensorType::new(dtype, shape))
}
