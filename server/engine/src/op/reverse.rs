//! reverse: the other way round along some dimensions.

use super::{
    Attributes, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Strided, check_dimensions,
    cost_of_result, shape_ops::apply_to_tangent,
};

/// The rule. Its own inverse, and its own transpose.
pub const REVERSE: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "reverse",
        linear: true,
        non_smooth: "",
        infer: Infer::One(|_, attributes, operands| {
            let Attributes::Reverse { dimensions } = attributes else {
                return Err(Problem::node("reverse attributes are missing"));
            };
            check_dimensions("dimensions", dimensions, operands[0].shape.rank())?;
            Ok(operands[0].clone())
        }),
        cost: cost_of_result,
    },
    jvp: Jvp::One(apply_to_tangent),
    transpose: Some(|cx, node, ct, _| cx.emit(Op::Reverse, &[ct], node.attributes.clone())),
    kernel: |_, attributes, types| {
        let shape = &types.result.shape;
        if shape.elements() == 0 {
            return Kernel::View(Strided::dense(0));
        }
        let (sizes, mut strides) = (shape.sizes(), shape.strides());
        let mut offset = 0;
        if let Attributes::Reverse { dimensions } = attributes {
            for &d in dimensions {
                let d = d as usize;
                offset += (sizes[d] - 1) * strides[d];
                strides[d] = strides[d].wrapping_neg();
            }
        }
        Kernel::View(Strided::new(offset, &sizes, &strides))
    },
};
