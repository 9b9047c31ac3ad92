//! outer, kron: products of every element with every other.

use super::{
    Attributes, Composite, DotDimensions, Emit, Form, Infer, Op, Problem, ValueId, cost_of_result,
    reduce, same_dtype,
};
use crate::tensor::TensorType;

/// a_i b_j of flattened operands.
pub const OUTER: Composite = Composite {
    form: Form {
        operands: (2, 2),
        attribute: "",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, _, operands| {
            check(operands)?;
            let shape = [operands[0].elements(), operands[1].elements()];
            Ok(TensorType::new(operands[0].dtype, shape))
        }),
        cost: cost_of_result,
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let [a, b] = [0, 1].map(|i| {
            let elements = cx.ty(operands[i]).elements();
            cx.reshape(operands[i], &[elements])
        });
        vec![every_product(cx, a, b)]
    },
};

/// The Kronecker product: blocks a_ij B.
pub const KRON: Composite = Composite {
    form: Form {
        infer: Infer::One(infer_kron),
        ..OUTER.form
    },
    differentiable: true,
    expand: |cx, _, _, operands| {
        let [a, b] = [0, 1].map(|i| cx.ty(operands[i]).shape.clone());
        let shape: Vec<u64> = a.iter().zip(b.iter()).map(|(m, n)| m * n).collect();
        let rank = shape.len() as u32;
        let product = every_product(cx, operands[0], operands[1]);
        // A dimension of the left operand, then that of the right one.
        let order = (0..rank).flat_map(|d| [d, rank + d]).collect();
        let product = cx.transpose(product, order);
        vec![cx.reshape(product, &shape)]
    },
};

fn check(operands: &[&TensorType]) -> Result<(), Problem> {
    same_dtype(operands)?;
    reduce::check_number(operands[0])
}

fn infer_kron(_: Op, _: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    check(operands)?;
    let (a, b) = (&operands[0].shape, &operands[1].shape);
    if a.rank() != b.rank() {
        return Err(Problem::operands(format!(
            "operands have shapes {a} and {b}; reshape one to the rank of the other"
        )));
    }
    let sizes = a.iter().zip(b.iter());
    let shape: Vec<u64> = sizes.map(|(m, n)| m.saturating_mul(*n)).collect();
    Ok(TensorType::new(operands[0].dtype, shape))
}

/// Shapes: `[..a], [..b] -> [..a, ..b]`.
fn every_product(cx: &mut dyn Emit, a: ValueId, b: ValueId) -> ValueId {
    let nothing = Attributes::DotGeneral(DotDimensions::default());
    cx.emit(Op::DotGeneral, &[a, b], nothing)
}
