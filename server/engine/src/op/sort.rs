//! sort and argsort: along one dimension, stable, NaN last.

use super::{
    Application, Attributes, Buffer, BufferMut, Emit, Form, Infer, Jvp, Kernel, Op, Problem,
    Routine, Rule, Types, ValueId, check_dimensions,
    lines::{around, pick, refuse_ties, shared_by_ties},
};
use crate::tensor::{DType, TensorType};

/// Operand 0 sorted, and the others permuted alongside: a result for each.
pub const SORT: Rule = Rule {
    form: Form {
        operands: (1, u32::MAX),
        attribute: "sort",
        linear: false,
        non_smooth: "k equal keys share, 1/k each; what is permuted alongside keeps its own",
        infer: Infer::Many(infer_sort),
        cost: |attributes, types| {
            let moved = types.result.elements() * types.results.len() as u64;
            moved.saturating_add(comparisons(attributes, types))
        },
    },
    jvp: Jvp::Many(jvp),
    transpose: None,
    kernel: |_, attributes, types| kernel(attributes, types, Gives::Values),
};

/// The permutation that sorts.
pub const ARGSORT: Rule = Rule {
    form: Form {
        operands: (1, 1),
        attribute: "sort",
        linear: false,
        non_smooth: "",
        infer: Infer::One(|_, attributes, operands| {
            check_keys(attributes, operands[0])?;
            Ok(TensorType::new(DType::I64, operands[0].shape.clone()))
        }),
        cost: comparisons,
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, types| kernel(attributes, types, Gives::Places),
};

fn comparisons(attributes: &Attributes, types: &Types<'_>) -> u64 {
    let Attributes::Sort { axis, .. } = *attributes else {
        return 0;
    };
    let size = types.operands[0].shape[axis as usize].max(1);
    let each = u64::from(size.ilog2()) + 1;
    types.operands[0].elements().saturating_mul(each)
}

fn check_keys(attributes: &Attributes, keys: &TensorType) -> Result<(), Problem> {
    let Attributes::Sort { axis, .. } = *attributes else {
        return Err(Problem::node("sort attributes are missing"));
    };
    if keys.dtype == DType::Bool {
        return Err(Problem::operand(0, "keys are bool; insert convert"));
    }
    check_dimensions("axis", &[axis], keys.shape.rank())
}

fn infer_sort(
    _: Op,
    attributes: &Attributes,
    operands: &[&TensorType],
) -> Result<Vec<TensorType>, Problem> {
    check_keys(attributes, operands[0])?;
    for (i, other) in operands.iter().enumerate() {
        if other.shape != operands[0].shape {
            return Err(Problem::operand(
                i,
                format!(
                    "operand has shape {}, the keys {}; insert broadcast_in_dim",
                    other.shape, operands[0].shape
                ),
            ));
        }
    }
    Ok(operands.iter().map(|&ty| ty.clone()).collect())
}

fn jvp(
    cx: &mut dyn Emit,
    node: &Application<'_>,
    tangents: &[Option<ValueId>],
) -> Vec<Option<ValueId>> {
    let Attributes::Sort { axis, descending } = *node.attributes else {
        return vec![None; tangents.len()];
    };
    let axis = axis as usize;
    let places = cx.emit(Op::Argsort, &node.operands[..1], node.attributes.clone());
    if tangents[0].is_some() {
        refuse_ties(cx, node.result, axis);
    }
    let moved = tangents.iter().enumerate().map(|(k, &tangent)| {
        let moved = pick(cx, tangent?, places, axis);
        Some(match k {
            0 => shared_by_ties(cx, node.result, moved, axis, descending),
            _ => moved,
        })
    });
    moved.collect()
}

/// What a sort leaves.
#[derive(Clone, Copy, Debug)]
enum Gives {
    /// The operands in order.
    Values,
    /// Where the elements in order stood.
    Places,
}

fn kernel(attributes: &Attributes, types: &Types<'_>, gives: Gives) -> Kernel {
    let (axis, descending) = match *attributes {
        Attributes::Sort { axis, descending } => (axis as usize, descending),
        _ => (0, false),
    };
    let [outer, size, inner] = around(&types.operands[0].shape, axis).map(|n| n as usize);
    Kernel::Routine {
        routine: Box::new(Sorting {
            size,
            inner,
            descending,
            gives,
        }),
        batch: outer,
    }
}

/// Sorts `[size, inner]` along the first dimension.
#[derive(Debug)]
struct Sorting {
    size: usize,
    inner: usize,
    descending: bool,
    gives: Gives,
}

impl Routine for Sorting {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let mut line = Vec::with_capacity(self.size);
        for column in 0..self.inner {
            let at = |i: usize| i * self.inner + column;
            line.clear();
            line.extend(
                (0..self.size).map(|i| (rank(operands[0], at(i), self.descending), i as u32)),
            );
            // Ties are in the order of their places: as a stable sort, and faster.
            line.sort_unstable();
            let order = line.iter().map(|&(_, from)| from as usize).enumerate();
            if let Gives::Places = self.gives {
                let places = results[0].integers();
                order.for_each(|(to, from)| places[at(to)] = from as i64);
                continue;
            }
            for (operand, result) in operands.iter().zip(results.iter_mut()) {
                let order = order.clone();
                match (operand, result) {
                    (Buffer::Float(v), BufferMut::Float(to)) => {
                        order.for_each(|(i, from)| to[at(i)] = v[at(from)]);
                    }
                    (Buffer::Integer(v), BufferMut::Integer(to)) => {
                        order.for_each(|(i, from)| to[at(i)] = v[at(from)]);
                    }
                    (Buffer::Bool(v), BufferMut::Bool(to)) => {
                        order.for_each(|(i, from)| to[at(i)] = v[at(from)]);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A number that sorts ascending as the key sorts: -0 with 0, NaN last either way.
pub(super) fn rank(keys: Buffer<'_>, i: usize, descending: bool) -> u64 {
    const SIGN: u64 = 1 << 63;
    let ascending = match keys {
        Buffer::Float(v) if v[i].is_nan() => return u64::MAX,
        Buffer::Float(v) => {
            // Sums with 0 lose the sign of -0.
            let bits = (v[i] + 0.0).to_bits();
            if bits & SIGN == 0 { bits | SIGN } else { !bits }
        }
        Buffer::Integer(v) => v[i].cast_unsigned() ^ SIGN,
        Buffer::Bool(v) => v[i].into(),
    };
    if descending { !ascending } else { ascending }
}
