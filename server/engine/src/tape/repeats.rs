//! Large values that are cheaper to work out again than to keep: differences of rows and columns and the like, which are
//! read once more only when something has been summed up from all of them. Steps on strips give them to each other in the
//! cache; kept in the meantime, they would go to memory and back.

use super::lower::{Class, FOREVER, Held};
use crate::graph::{Arena, NodeId};
use crate::op::{Op, ValueId};
use crate::tensor::TensorType;
use rustc_hash::FxHashMap;

/// Smaller values stay in a cache that all of a core's work shares.
const MIN_ELEMENTS: u64 = 1 << 17;

/// What it is made of is smaller by so much: reading it costs next to nothing.
const SMALLER: u64 = 8;

/// What is worked out again before a node, and again.
#[derive(Default)]
pub struct Repeats {
    before: FxHashMap<NodeId, Vec<Repeat>>,
}

/// A value and what has to be worked out for it.
pub struct Repeat {
    /// The node whose result it is.
    pub node: NodeId,
    /// Broadcasts that it reads.
    pub spread: Vec<NodeId>,
}

/// A value that may be worked out again.
struct Found {
    stage: u32,
    /// Somebody reads it before anything is summed up.
    is_read: bool,
    /// Taken when it is first read later.
    repeat: Option<Repeat>,
}

impl Repeats {
    /// Those of the section that no lane differs in. What they are made of stays.
    pub fn of(arena: &Arena, needed: &[bool], class: &[Class], held: &mut [Held]) -> Self {
        let is_own = |v: ValueId| needed[v.index()] && class[v.index()] == 0;
        let is_large = |v: ValueId| arena.ty(v).elements() >= MIN_ELEMENTS;
        let mut repeats = Self::default();
        // Few graphs have large tensors: types are sooner looked through than nodes.
        let large = |ty: &TensorType| ty.elements() >= MIN_ELEMENTS;
        if !arena.all_types().iter().any(large) {
            return repeats;
        }
        if !arena
            .steps()
            .any(|s| is_own(s.result) && is_large(s.result))
        {
            return repeats;
        }
        // What others read than steps on strips has to be kept, and is as good as new.
        let mut is_kept = vec![false; arena.len()];
        for step in arena.steps().filter(|s| needed[s.result.index()]) {
            let sums = matches!(step.op, Op::ReduceSum | Op::ReduceMax | Op::ReduceMin);
            if !sums && !joins(step.op) || class[step.result.index()] != 0 {
                step.operands.iter().for_each(|v| is_kept[v.index()] = true);
            }
        }
        // How often something was summed up on the way to each value.
        let mut stage = vec![0u32; arena.len()];
        // The most that this was before one of the large sums that came so far.
        let mut reached = 0;
        let mut found: FxHashMap<ValueId, Found> = FxHashMap::default();
        for step in arena.steps().filter(|s| is_own(s.result)) {
            let own = step.operands.iter().map(|v| stage[v.index()]).max();
            let own = own.unwrap_or(0);
            for v in step.operands {
                let Some(value) = found.get_mut(v) else {
                    continue;
                };
                if reached <= value.stage {
                    value.is_read = true;
                } else if value.is_read
                    && let Some(repeat) = value.repeat.take()
                {
                    repeats.before.entry(step.id).or_default().push(repeat);
                }
            }
            if !joins(step.op) && step.operands.iter().any(|&v| is_large(v)) {
                reached = reached.max(own + 1);
            }
            for result in step.results() {
                stage[result.index()] = own + u32::from(!joins(step.op));
            }
            if is_large(step.result)
                && !is_kept[step.result.index()]
                && held[step.result.index()].last_use != FOREVER
                && let Some(repeat) = repeat(arena, step.id)
            {
                let value = Found {
                    stage: own,
                    is_read: false,
                    repeat: Some(repeat),
                };
                found.insert(step.result, value);
            }
        }
        for repeat in repeats.before.values().flatten() {
            let spread = repeat.spread.iter().copied();
            for node in spread.chain([repeat.node]) {
                for v in arena.node(node).operands {
                    held[v.index()].last_use = FOREVER;
                }
            }
        }
        repeats
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// What is worked out again before a node.
    pub fn before(&mut self, node: NodeId) -> Vec<Repeat> {
        self.before.remove(&node).unwrap_or_default()
    }
}

/// Whether a step may run on strips of elements, together with those that its operands come from.
fn joins(op: Op) -> bool {
    let others = matches!(
        op,
        Op::Compare | Op::Select | Op::Convert | Op::BroadcastInDim | Op::Reshape
    );
    others || op.elementwise().is_some()
}

/// What it takes to work a node out again, if that is cheap: one simple operation on small values, and broadcasts of
/// them.
fn repeat(arena: &Arena, id: NodeId) -> Option<Repeat> {
    let node = arena.node(id);
    let row = node.op.elementwise()?;
    if row.cost > 1 {
        return None;
    }
    let most = node.ty.elements() / SMALLER;
    let is_small = |v: ValueId| arena.ty(v).elements() <= most;
    let mut spread = Vec::new();
    for &v in node.operands.iter().filter(|&&v| !is_small(v)) {
        let broadcast = arena.producer(v)?;
        if broadcast.op != Op::BroadcastInDim || !is_small(broadcast.operands[0]) {
            return None;
        }
        spread.push(broadcast.id);
    }
    spread.dedup();
    Some(Repeat { node: id, spread })
}
