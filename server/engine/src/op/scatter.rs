//! scatter: windows written over a tensor at indices. Dimension numbers as StableHLO's.

use super::{
    Application, Attributes, Emit, Form, Infer, Jvp, Kernel, Op, Rule, ScatterDimensions, Strided,
    Types, ValueId, WindowPlan,
    gather::{as_gather, infer_scatter, window_sizes},
    tangent_or_zeros,
};
use crate::tensor::{DType, Shape, TensorType};

/// Operand 0 with operand 2's windows written over it at the indices in operand 1, one after the other. Which
/// update an element keeps depends on the indices alone, so it is linear in operands 0 and 2.
pub const SCATTER: Rule = Rule {
    form: Form {
        operands: (3, 3),
        attribute: "scatter",
        linear: true,
        non_smooth: "",
        infer: Infer::One(infer_scatter),
        cost: |_, types: &Types<'_>| types.result.elements() + types.operands[2].elements(),
    },
    jvp: Jvp::One(|cx, node, tangents| {
        let base = tangent_or_zeros(cx, node.operands[0], tangents[0]);
        let updates = tangent_or_zeros(cx, node.operands[2], tangents[2]);
        let operands = [base, node.operands[1], updates];
        Some(cx.emit(Op::Scatter, &operands, node.attributes.clone()))
    }),
    transpose: Some(transpose),
    kernel: |_, attributes, types| {
        let Attributes::Scatter(s) = attributes else {
            return Kernel::View(Strided::dense(0));
        };
        let sizes = window_sizes(s, &types.operands[0].shape, &types.operands[2].shape);
        Kernel::Scatter(WindowPlan::new(
            &as_gather(s, sizes),
            types.operands[0],
            types.operands[1],
            types.operands[2],
        ))
    },
};

/// To the tensor: 0 where it was written over. To an update: what its element of the result got, or 0 if a later
/// update took the element.
fn transpose(cx: &mut dyn Emit, node: &Application<'_>, ct: ValueId, operand: usize) -> ValueId {
    let Attributes::Scatter(s) = node.attributes else {
        return ct;
    };
    let (indices, updates) = (node.operands[1], cx.ty(node.operands[2]).clone());
    if operand == 0 {
        let zeros = cx.full(&updates, 0.0);
        return cx.emit(Op::Scatter, &[ct, indices, zeros], node.attributes.clone());
    }
    let base = cx.ty(node.operands[0]).clone();
    let sizes = window_sizes(s, &base.shape, &updates.shape);
    let gather = Attributes::Gather(as_gather(s, sizes));
    let taken = cx.emit(Op::Gather, &[ct, indices], gather.clone());
    if windows(s, &cx.ty(indices).shape) <= 1 {
        return taken;
    }
    // Every update writes its own number; who finds it again is the one that stayed.
    let count = updates.elements();
    let ty = TensorType::new(DType::I64, [count]);
    let numbers = cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension: 0 });
    let numbers = cx.reshape(numbers, &updates.shape);
    let none = cx.full(&TensorType::new(DType::I64, &base.shape[..]), -1.0);
    let written = [none, indices, numbers];
    let owners = cx.emit(Op::Scatter, &written, node.attributes.clone());
    let found = cx.emit(Op::Gather, &[owners, indices], gather);
    let stayed = cx.compare(super::Direction::Eq, found, numbers);
    let zero = cx.scalar(updates.dtype, 0.0);
    cx.select(stayed, taken, zero)
}

/// How many windows are written.
fn windows(s: &ScatterDimensions, indices: &[u64]) -> u64 {
    let others = indices.iter().enumerate();
    let others = others.filter(|&(d, _)| d as u32 != s.index_vector_dim);
    let others: Shape = others.map(|(_, &size)| size).collect();
    others.elements()
}
