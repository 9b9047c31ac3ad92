//! integer_pow: a fixed integer power.

use super::{Attributes, Composite, Emit, Form, Infer, Op, ValueId, check_float};
use crate::tensor::DType;

/// The composite: products for small exponents, else power with a constant exponent.
pub const INTEGER_POW: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "integer_pow",
        linear: false,
        non_smooth: "d/da a^0 = 0",
        infer: Infer::One(|_, _, operands| {
            check_float(operands[0], 0)?;
            Ok(operands[0].clone())
        }),
        cost: |attributes, types| {
            let each = match attributes {
                Attributes::IntegerPow { exponent: -2..=4 } => 2,
                _ => 24,
            };
            each * types.result.elements()
        },
    },
    differentiable: true,
    expand,
};

fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let exponent = match attributes {
        Attributes::IntegerPow { exponent } => *exponent,
        _ => 1,
    };
    let ty = cx.ty(operands[0]).clone();
    if exponent == 0 {
        return vec![cx.full(&ty, 1.0)];
    }
    // f32 cannot hold every exponent: power then works on f64.
    let wide = ty.dtype == DType::F32 && f64::from(exponent as f32) != f64::from(exponent);
    let operand = match wide {
        true => cx.convert(operands[0], DType::F64),
        false => operands[0],
    };
    let result = power(cx, operand, exponent);
    vec![match wide {
        true => cx.convert(result, DType::F32),
        false => result,
    }]
}

/// Products as far as they are within 2 units in the last place.
fn power(cx: &mut dyn Emit, x: ValueId, exponent: i32) -> ValueId {
    match exponent {
        1 => x,
        2 => cx.unary(Op::Square, x),
        3 => {
            let square = cx.unary(Op::Square, x);
            cx.binary(Op::Multiply, square, x)
        }
        4 => {
            let square = cx.unary(Op::Square, x);
            cx.unary(Op::Square, square)
        }
        -1 => cx.unary(Op::Reciprocal, x),
        -2 => {
            let inverse = cx.unary(Op::Reciprocal, x);
            cx.unary(Op::Square, inverse)
        }
        n => {
            let dtype = cx.ty(x).dtype;
            let n = cx.scalar(dtype, f64::from(n));
            cx.binary(Op::Power, x, n)
        }
    }
}
