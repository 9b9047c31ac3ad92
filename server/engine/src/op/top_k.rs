//! top_k: the k largest along the last dimension, and where they stood.

use super::{
    Application, Attributes, Buffer, BufferMut, Emit, Form, Infer, Jvp, Kernel, Op, Problem,
    Routine, Rule, Types, ValueId,
    lines::{around, pick, refuse_ties, shared_by_ties},
    policy::NonSmooth,
    sort::rank,
};
use crate::tensor::{DType, TensorType};

/// The rule. Descending, the first of equal elements first, NaN last: what sort begins with.
pub const TOP_K: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "top_k",
        linear: false,
        non_smooth: "k equal elements share, 1/k each",
        infer: Infer::Many(infer),
        cost: |_, types: &Types<'_>| {
            let k = types.result.shape.last().map_or(1, |&k| k.max(1));
            let sorting = types.result.elements() * (u64::from(k.ilog2()) + 1);
            (types.operands[0].elements() * 2).saturating_add(sorting)
        },
    },
    jvp: Jvp::Many(|cx, node, tangents| vec![jvp(cx, node, tangents), None]),
    transpose: None,
    kernel: |_, attributes, types| {
        let shape = &types.operands[0].shape;
        let [outer, ..] = around(shape, shape.rank() - 1).map(|n| n as usize);
        let k = match *attributes {
            Attributes::TopK { k } => k as usize,
            _ => 0,
        };
        let routine = Box::new(Selection { k });
        let batch = outer;
        Kernel::Routine { routine, batch }
    },
};

fn infer(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<Vec<TensorType>, Problem> {
    let Attributes::TopK { k } = *attributes else {
        return Err(Problem::node("top_k attributes are missing"));
    };
    let ty = operands[0];
    if ty.dtype == DType::Bool {
        return Err(Problem::operand(0, "operand is bool; insert convert"));
    }
    let Some((&size, outer)) = ty.shape.split_last() else {
        return Err(Problem::operand(
            0,
            "operand is a scalar and has no last dimension; insert reshape to [1]",
        ));
    };
    if k > size {
        return Err(Problem::attribute(
            "k",
            format!("is {k}, the last dimension has size {size}; take {size} at most"),
        ));
    }
    let shape = [outer, &[k]].concat();
    Ok(vec![
        TensorType::new(ty.dtype, &shape[..]),
        TensorType::new(DType::I64, shape),
    ])
}

fn jvp(cx: &mut dyn Emit, node: &Application<'_>, tangents: &[Option<ValueId>]) -> Option<ValueId> {
    let (operand, tangent) = (node.operands[0], tangents[0]?);
    let shape = cx.ty(operand).shape.clone();
    let result = cx.ty(node.result).clone();
    let axis = shape.rank() - 1;
    let (k, size) = (result.shape[axis], shape[axis]);
    if cx.policy() != NonSmooth::Standard || result.elements() == 0 {
        if k > 0 {
            // Who is next could as well be the last.
            let k = size.min(k + 1);
            let more = cx.emit(Op::TopK, &[operand], Attributes::TopK { k });
            refuse_ties(cx, more, axis);
        }
        return Some(pick(cx, tangent, node.nth(1), axis));
    }
    // Elements outside of the k largest take part where they equal the last of them.
    let all = Attributes::Sort {
        axis: axis as u32,
        descending: true,
    };
    let places = cx.emit(Op::Argsort, &[operand], all);
    let sorted = pick(cx, operand, places, axis);
    let moved = pick(cx, tangent, places, axis);
    let shared = shared_by_ties(cx, sorted, moved, axis, true);
    Some(cx.slice_along(shared, axis, 0, k))
}

/// The k largest of a line.
#[derive(Debug)]
struct Selection {
    k: usize,
}

impl Routine for Selection {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let [values, places] = results else { return };
        let size = match operands[0] {
            Buffer::Float(v) => v.len(),
            Buffer::Integer(v) => v.len(),
            Buffer::Bool(v) => v.len(),
        };
        let mut line: Vec<(u64, u32)> = (0..size)
            .map(|i| (rank(operands[0], i, true), i as u32))
            .collect();
        if self.k < size {
            line.select_nth_unstable(self.k);
            line.truncate(self.k);
        }
        line.sort_unstable();
        let order = line.iter().map(|&(_, from)| from as usize).enumerate();
        for (to, from) in order {
            places.integers()[to] = from as i64;
            match (operands[0], &mut *values) {
                (Buffer::Float(v), BufferMut::Float(best)) => best[to] = v[from],
                (Buffer::Integer(v), BufferMut::Integer(best)) => best[to] = v[from],
                _ => {}
            }
        }
    }
}
