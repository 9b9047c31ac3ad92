//! Checkpoints of graphs without loops: consecutive nodes become functions, and the graph calls one after the other. A
//! reverse sweep then keeps what goes from one part to the next, and runs a part again when it is there: a call's
//! pull-back does. Parts may be cut into parts again (multi-level checkpointing): with l levels of k parts, about
//! (l + 1) n^(1/(l + 1)) of n values are kept, and every node runs l + 1 times.

use super::{InputPlace, Workspace};
use crate::graph::{Arena, NodeId};
use crate::op::{Attributes, Control, Emit, Op, ValueId};
use crate::tensor::TensorType;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How a graph is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Parts of the graph, and of each part at the next level.
    pub count: u32,
    /// Levels.
    pub levels: u32,
}

/// Fewer nodes are not cut again.
const MIN_NODES: usize = 4;

/// The same inputs and outputs, the nodes in parts. Who looks at nodes wants the client's: then nothing changes.
pub fn segmented(
    (old, inputs, outputs): (Workspace, Vec<InputPlace>, Vec<ValueId>),
    parts: Parts,
) -> (Workspace, Vec<InputPlace>, Vec<ValueId>) {
    if old.watch.is_some() {
        return (old, inputs, outputs);
    }
    let (from, table, policy) = old.into_rolling();
    let mut cx = Workspace::empty(policy, table, from.node_count());
    let mut to = HashMap::new();
    for input in &inputs {
        let new = to.entry(input.value);
        new.or_insert_with(|| cx.parameter(from.ty(input.value).clone()));
    }
    let cutter = Cutter::new(&from, &outputs, parts.count as usize);
    let all = 0..cutter.nodes.len();
    cutter.write(&mut cx, all, parts.levels, &mut to);
    // Outputs that are constants, or inputs.
    let outputs = outputs.iter().map(|&v| cutter.read(&mut cx, v, &mut to));
    let outputs = outputs.collect();
    let inputs = inputs.iter().map(|&input| InputPlace {
        value: to[&input.value],
        ..input
    });
    let inputs = inputs.collect();
    (cx, inputs, outputs)
}

/// Bytes that go from one part to the next where a graph is cut into so many: all cuts together.
pub fn between(cx: &Workspace, outputs: &[ValueId], parts: u32) -> u64 {
    let cutter = Cutter::new(cx.arena(), outputs, parts as usize);
    let parts = cutter.parts(0..cutter.nodes.len());
    let begins = parts.iter().skip(1).map(|part| cutter.live[part.start]);
    begins.fold(0, u64::saturating_add)
}

struct Cutter<'a> {
    from: &'a Arena,
    count: usize,
    /// What outputs need, but for constants: every part that reads one has it itself.
    nodes: Vec<NodeId>,
    /// Position of each value's node; of parameters and constants nowhere.
    position: HashMap<ValueId, usize>,
    /// After this position nobody reads the value; outputs are read at the end.
    last: HashMap<ValueId, usize>,
    /// Bytes of results before each position.
    before: Vec<u64>,
    /// Bytes of values from before each position that are read there or later.
    live: Vec<u64>,
}

impl<'a> Cutter<'a> {
    fn new(from: &'a Arena, outputs: &[ValueId], count: usize) -> Self {
        let needed = from.needed(outputs.iter().copied());
        let nodes = from.nodes().filter(|n| needed[n.result.index()]);
        let nodes: Vec<NodeId> = nodes
            .filter(|n| n.op != Op::Constant)
            .map(|n| n.id)
            .collect();
        let mut position = HashMap::new();
        let mut last = HashMap::new();
        let mut before = vec![0];
        for (i, &n) in nodes.iter().enumerate() {
            let node = from.node(n);
            for &v in node.operands {
                last.insert(v, i);
            }
            let bytes = node.results().map(|v| from.ty(v).bytes());
            before.push(before[i] + bytes.sum::<u64>());
            position.extend(node.results().map(|v| (v, i)));
        }
        last.extend(outputs.iter().map(|&v| (v, nodes.len())));
        // What begins to live at a position less what ends there, summed up.
        let mut change = vec![0i64; nodes.len() + 2];
        for (v, &begin) in &position {
            if let Some(&end) = last.get(v) {
                let bytes = from.ty(*v).bytes() as i64;
                change[begin + 1] += bytes;
                change[end + 1] -= bytes;
            }
        }
        let mut now = 0;
        let live = change.iter().map(|&by| {
            now += by;
            now as u64
        });
        let live = live.collect();
        Self {
            from,
            count,
            nodes,
            position,
            last,
            before,
            live,
        }
    }

    /// About equal parts by bytes, cut where little goes across.
    fn parts(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let (first, end) = (self.before[range.start], self.before[range.end]);
        let each = (end - first).div_ceil(self.count as u64).max(1);
        let at = |bytes: u64| {
            let found = self.before.partition_point(|&b| b < bytes);
            found.clamp(range.start + 1, range.end)
        };
        let mut parts = Vec::new();
        let mut begin = range.start;
        for k in 1..self.count as u64 {
            let near = at(first + k * each - each / 4)..=at(first + k * each + each / 4);
            let cut = near
                .filter(|&p| p > begin && p < range.end)
                .min_by_key(|&p| (self.live[p], p));
            if let Some(cut) = cut {
                parts.push(begin..cut);
                begin = cut;
            }
        }
        parts.push(begin..range.end);
        parts
    }

    /// A value here; a constant is written where it is read.
    fn read(&self, cx: &mut Workspace, v: ValueId, to: &mut HashMap<ValueId, ValueId>) -> ValueId {
        if let Some(&value) = to.get(&v) {
            return value;
        }
        let node = self.from.producer(v).expect("parameters are there");
        let value = cx.emit(node.op, &[], node.attributes.clone());
        to.insert(v, value);
        value
    }

    fn write(
        &self,
        cx: &mut Workspace,
        range: Range<usize>,
        levels: u32,
        to: &mut HashMap<ValueId, ValueId>,
    ) {
        if levels == 0 || range.len() < MIN_NODES {
            for &n in &self.nodes[range] {
                let node = self.from.node(n);
                let operands = node.operands.iter().map(|&v| self.read(cx, v, to));
                let operands: Vec<ValueId> = operands.collect();
                let values = cx.emit_all(node.op, &operands, node.attributes.clone());
                to.extend(node.results().zip(values));
            }
            return;
        }
        for part in self.parts(range) {
            self.call(cx, part, levels - 1, to);
        }
    }

    /// A part as a function, and its call.
    fn call(
        &self,
        cx: &mut Workspace,
        part: Range<usize>,
        levels: u32,
        to: &mut HashMap<ValueId, ValueId>,
    ) {
        let nodes = || self.nodes[part.clone()].iter().map(|&n| self.from.node(n));
        let is_within = |v: &ValueId| self.position.get(v).is_some_and(|p| part.contains(p));
        let is_constant =
            |v: ValueId| (self.from.producer(v)).is_some_and(|n| n.op == Op::Constant);
        let mut seen = HashSet::new();
        let read = nodes().flat_map(|n| n.operands).copied();
        let given: Vec<ValueId> = read
            .filter(|v| !is_within(v) && !is_constant(*v) && seen.insert(*v))
            .collect();
        let results = nodes().flat_map(|n| n.results());
        let results: Vec<ValueId> = results
            .filter(|v| self.last.get(v).is_some_and(|&l| l >= part.end))
            .collect();
        let ty = |v: &ValueId| self.from.ty(*v).clone();
        let (parameters, types): (Vec<TensorType>, Vec<TensorType>) = (
            given.iter().map(ty).collect(),
            results.iter().map(ty).collect(),
        );
        let operands: Vec<ValueId> = given.iter().map(|v| to[v]).collect();
        let body = cx.table.add(|cx| {
            let here: Vec<ValueId> = parameters
                .iter()
                .map(|ty| cx.parameter(ty.clone()))
                .collect();
            let mut to = given.iter().copied().zip(here.iter().copied()).collect();
            self.write(cx, part.clone(), levels, &mut to);
            (here, results.iter().map(|v| to[v]).collect())
        });
        let cost = nodes()
            .map(|n| self.from.cost(n))
            .fold(0, u64::saturating_add);
        let call = Control {
            operands: parameters,
            results: types,
            cost,
            ..Control::call(body)
        };
        let found = cx.emit_all(call.op(), &operands, Attributes::Control(call.into()));
        to.extend(results.iter().copied().zip(found));
    }
}
