//! tile: the tensor beside itself.

use super::{
    Attributes, Composite, Emit, Form, Infer, Op, Problem, ValueId, check_rank, cost_of_result,
};
use crate::tensor::TensorType;

/// The composite: every repeated dimension gets a dimension of copies before it, which is then folded in.
pub const TILE: Composite = Composite {
    form: Form {
        operands: (1, 1),
        attribute: "tile",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: cost_of_result,
    },
    differentiable: true,
    expand,
};

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::Tile { repeats } = attributes else {
        return Err(Problem::node("tile attributes are missing"));
    };
    let shape = &operands[0].shape;
    check_rank("repeats", repeats.len(), shape.rank())?;
    let mut tiled = Vec::with_capacity(repeats.len());
    for (d, (&size, &n)) in shape.iter().zip(repeats).enumerate() {
        tiled.push(size.checked_mul(n).ok_or_else(|| {
            Problem::attribute(
                "repeats",
                format!("dimension {d} of size {size} cannot be repeated {n} times: too large"),
            )
        })?);
    }
    Ok(TensorType::new(operands[0].dtype, tiled))
}

fn expand(cx: &mut dyn Emit, _: Op, attributes: &Attributes, operands: &[ValueId]) -> Vec<ValueId> {
    let Attributes::Tile { repeats } = attributes else {
        return vec![operands[0]];
    };
    let shape = cx.ty(operands[0]).shape.clone();
    let (mut wide, mut own, mut tiled) = (vec![], vec![], vec![]);
    for (&size, &n) in shape.iter().zip(repeats) {
        wide.extend((n != 1).then_some(n));
        own.push(wide.len() as u32);
        wide.push(size);
        tiled.push(size * n);
    }
    let copies = cx.broadcast(operands[0], &wide, own);
    vec![cx.reshape(copies, &tiled)]
}
