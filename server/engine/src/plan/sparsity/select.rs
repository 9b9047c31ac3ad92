//! Values that are elements of others in another order: views, and gathers at indices that are known.

use super::edges::{constant_indices, windows};
use crate::graph::{Arena, NodeRef};
use crate::op::{Jvp, Kernel, Op, Types, ValueId};
use crate::tensor::TensorType;

/// Elements of all selections that are followed.
const MAX_ELEMENTS: u64 = 1 << 26;

/// No element: filled with zeros.
pub const NOTHING: u32 = u32::MAX;

/// Values that only select elements of inputs, where something else uses them: what an output depends on, it depends
/// on through them.
pub struct Selected {
    /// The values.
    pub values: Vec<ValueId>,
    /// For each element of them, one value after the other, which element of the inputs it is, likewise numbered;
    /// or [`NOTHING`].
    pub of: Vec<u32>,
}

/// What `ys` use of `xs`. `None`: too much, or nothing that gathers or repeats elements, so that inputs do as well.
pub fn selected(arena: &Arena, xs: &[ValueId], ys: &[ValueId]) -> Option<Selected> {
    let needed = arena.needed(ys.iter().copied());
    let mut of: Vec<Option<Vec<u32>>> = vec![None; arena.len()];
    let mut budget = MAX_ELEMENTS;
    let mut before = 0u32;
    for &x in xs {
        let count = u32::try_from(arena.ty(x).elements()).ok()?;
        budget = budget.checked_sub(count.into())?;
        of[x.index()] = Some((before..before + count).collect());
        before += count;
    }
    let mut used = vec![false; arena.len()];
    let mut repeats = false;
    for node in arena.nodes().filter(|n| needed[n.result.index()]) {
        if of[node.result.index()].is_some()
            || node.operands.iter().all(|v| of[v.index()].is_none())
        {
            continue;
        }
        let smooth = node.op.rule().is_none_or(|r| !matches!(r.jvp, Jvp::None));
        if !smooth {
            continue;
        }
        let source = node.operands.first().and_then(|v| of[v.index()].as_ref());
        if let Some(source) = source
            && node.ty.elements() <= budget
            && let Some(places) = selection(arena, node)
        {
            budget -= places.len() as u64;
            repeats |= node.op == Op::Gather || places.len() > source.len();
            let pick = |&at: &u32| source.get(at as usize).copied().unwrap_or(NOTHING);
            let picked = places.iter().map(pick).collect();
            of[node.result.index()] = Some(picked);
            continue;
        }
        for v in node.operands.iter().filter(|v| of[v.index()].is_some()) {
            used[v.index()] = true;
        }
    }
    for y in ys.iter().filter(|y| of[y.index()].is_some()) {
        used[y.index()] = true;
    }
    let values = (0..arena.len() as u32).map(ValueId);
    let values: Vec<ValueId> = values.filter(|v| used[v.index()]).collect();
    repeats.then(|| Selected {
        of: (values.iter())
            .flat_map(|v| of[v.index()].take().unwrap_or_default())
            .collect(),
        values,
    })
}

/// Which element of operand 0 each element of a node's result is, if it is one.
fn selection(arena: &Arena, node: NodeRef<'_>) -> Option<Vec<u32>> {
    let rule = node.op.rule()?;
    if node.result_count != 1 || !node.ty.dtype.is_float() {
        return None;
    }
    let operands: Vec<&TensorType> = node.operands.iter().map(|&v| arena.ty(v)).collect();
    let results = [node.ty];
    let types = Types {
        operands: &operands,
        result: node.ty,
        results: &results,
    };
    let mut places = vec![NOTHING; node.ty.elements() as usize];
    match (rule.kernel)(node.op, node.attributes, &types) {
        Kernel::View(view) => view.for_each(|position, at| places[position] = at as u32),
        Kernel::Gather(plan) => {
            let indices = constant_indices(arena, node.operands[1])?;
            windows(&plan, &indices, |operand, window| {
                places[window] = operand as u32;
            });
        }
        _ => return None,
    }
    Some(places)
}
