//! Finds width that a client unrolled: the same block again and again along a chain becomes one scan. Every element
//! is computed by the same operations in the same order, so no bit of a value changes.
//!
//! A run of blocks is found by its period: node i looks like node i - P. Operands of a node are then of four kinds: a
//! value of its own block, a value of the block before (a carry), one value for all blocks (a constant of the loop), or
//! another value from before the run for each block (a sequence). What a block computes of constants and sequences
//! alone is taken out of the loop: once, or for all blocks in one operation.

mod find;
mod home;
mod sequence;
mod sums;
mod write;

use super::functions::FunctionTable;
use super::{InputPlace, Packing, Workspace};
use crate::graph::{Graph, NodeId};
use crate::op::{Attributes, NonSmooth, ValueId};

/// Runs that are rolled one after the other.
const MAX_RUNS: usize = 4;

/// A graph with runs of equal blocks as scans, where there are any to be seen as the client wrote it: what is rolled
/// need not be simplified first. Which of its values outputs depend on is known.
pub(super) fn rolled_graph(
    graph: &Graph,
    needed: &[bool],
    policy: NonSmooth,
    packing: Option<&Packing>,
) -> Option<(Workspace, Vec<InputPlace>, Vec<ValueId>)> {
    // These are written by rules of their own.
    let written = |a: &Attributes| matches!(a, Attributes::Derivative(_) | Attributes::Implicit(_));
    if graph.arena().all_attributes().iter().any(written) {
        return None;
    }
    let inputs = graph.inputs().iter().map(|i| InputPlace::whole(i.value));
    let inputs: Vec<InputPlace> = inputs.collect();
    let outputs: Vec<ValueId> = graph.outputs().iter().map(|o| o.value).collect();
    let run = Run::find(graph.arena(), needed, &packed(packing, &inputs))?;
    let table = FunctionTable::new(graph.functions().clone(), policy, false);
    let cx = Workspace::empty(policy, table, run.left());
    let (cx, inputs, outputs) = run.written(cx, graph.arena(), &inputs, &outputs, packing);
    Some(rolled(cx, inputs, outputs, None))
}

fn packed(packing: Option<&Packing>, inputs: &[InputPlace]) -> Vec<ValueId> {
    let values = packing.map(|packing| packing.values(inputs).collect());
    values.unwrap_or_default()
}

/// The same values with runs of equal blocks as scans, where there are any worth it; then inputs are put together as
/// `packing` says.
pub(super) fn rolled(
    mut cx: Workspace,
    mut inputs: Vec<InputPlace>,
    mut outputs: Vec<ValueId>,
    mut packing: Option<&Packing>,
) -> (Workspace, Vec<InputPlace>, Vec<ValueId>) {
    for _ in 0..MAX_RUNS {
        let needed = cx.arena.needed(outputs.iter().copied());
        let Some(run) = Run::find(&cx.arena, &needed, &packed(packing, &inputs)) else {
            break;
        };
        let (from, table, policy) = cx.into_rolling();
        let empty = Workspace::empty(policy, table, run.left());
        (cx, inputs, outputs) = run.written(empty, &from, &inputs, &outputs, packing.take());
    }
    (cx, inputs, outputs)
}

/// What an operand of a node is, in every block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// Result of a node of the same block, by its place in the block.
    Own(usize),
    /// Result of a node of the block before.
    Before(usize),
    /// One value.
    Same(ValueId),
    /// A value for each block, by the sequence's number.
    Each(usize),
}

struct Run {
    /// Needed nodes, in order.
    nodes: Vec<NodeId>,
    /// Where the first block begins.
    begin: usize,
    period: usize,
    /// Blocks, each of which is a step of the loop.
    blocks: usize,
    /// For each node of a block its operands.
    operands: Vec<Vec<Source>>,
    /// For each sequence its values.
    sequences: Vec<Vec<ValueId>>,
    /// For each node of a block what stands for its result before the first, where something does.
    before: Vec<Option<ValueId>>,
}

impl Run {
    /// Nodes that are written, about: those outside of the loop, and one for each value of a sequence.
    fn left(&self) -> usize {
        let sequences = self.sequences.iter().map(Vec::len);
        self.nodes.len() - self.blocks * self.period + sequences.max().unwrap_or(0)
    }
}
