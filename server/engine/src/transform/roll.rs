//! Finds width that a client unrolled: the same block again and again along a chain becomes one scan. Every element
//! is computed by the same operations in the same order, so no bit of a value changes.
//!
//! A run of blocks is found by its period: node i looks like node i - P. Operands of a node are then of four kinds: a
//! value of its own block, a value of the block before (a carry), one value for all blocks (a constant of the loop), or
//! another value from before the run for each block (a sequence).

use super::Workspace;
use crate::graph::{Arena, NodeId};
use crate::op::{Attributes, Control, Emit, GatherDimensions, Op, OutOfBounds, ValueId};
use crate::tensor::{DType, Tensor, TensorType};
use std::collections::HashMap;
use std::sync::Arc;

/// Below so many nodes there is nothing to gain.
const MIN_NODES: usize = 1024;
/// Blocks of a run, at least.
const MIN_BLOCKS: usize = 32;
/// Nodes of a block, at most.
const MAX_PERIOD: usize = 2048;
/// Periods that are looked at closely around one place: each costs a pass over the graph.
const MAX_TRIES: usize = 16;
/// Runs that are rolled one after the other.
const MAX_RUNS: usize = 4;

/// The same values with runs of equal blocks as scans, where there are any worth it.
pub(super) fn rolled(
    mut cx: Workspace,
    mut inputs: Vec<ValueId>,
    mut outputs: Vec<ValueId>,
) -> (Workspace, Vec<ValueId>, Vec<ValueId>) {
    for _ in 0..MAX_RUNS {
        let Some(run) = Run::find(&cx.arena, &outputs) else {
            break;
        };
        (cx, inputs, outputs) = run.written(cx, &inputs, &outputs);
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
    /// Where the first block begins. It stays as it is; the loop begins with the second.
    begin: usize,
    period: usize,
    /// Blocks, the first included.
    blocks: usize,
    /// For each node of a block its operands.
    operands: Vec<Vec<Source>>,
    /// For each sequence its values, from the second block on.
    sequences: Vec<Vec<ValueId>>,
}

const NOWHERE: u32 = u32::MAX;

struct Finder<'a> {
    arena: &'a Arena,
    nodes: Vec<NodeId>,
    /// What a node looks like: operation, attributes, type.
    looks: Vec<(Op, u32, crate::graph::TypeId)>,
    /// Position in `nodes` of each value's node.
    position: Vec<u32>,
}

impl Run {
    fn find(arena: &Arena, outputs: &[ValueId]) -> Option<Self> {
        if arena.node_count() < MIN_NODES {
            return None;
        }
        let needed = arena.needed(outputs.iter().copied());
        let mut position = vec![NOWHERE; arena.len()];
        let mut nodes = Vec::new();
        let mut looks = Vec::new();
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            for result in node.results() {
                position[result.index()] = nodes.len() as u32;
            }
            nodes.push(node.id);
            looks.push((
                node.op,
                arena.attributes_id(node.id),
                arena.type_id(node.result),
            ));
        }
        if nodes.len() < MIN_NODES {
            return None;
        }
        let finder = Finder {
            arena,
            nodes,
            looks,
            position,
        };
        let n = finder.nodes.len();
        for part in [2, 4, 1, 6] {
            let middle = n * part / 8;
            if let Some(run) = finder.around(middle) {
                return Some(run);
            }
        }
        None
    }

    fn steps(&self) -> usize {
        self.blocks - 1
    }
}

impl Finder<'_> {
    /// The run of the shortest period that goes through a position.
    fn around(&self, middle: usize) -> Option<Run> {
        let n = self.nodes.len();
        let mut tries = 0;
        for period in 1..=MAX_PERIOD.min(n / MIN_BLOCKS) {
            let probe = middle..(middle + 4 * period).min(n - period);
            if !probe
                .clone()
                .all(|i| self.looks[i] == self.looks[i + period])
            {
                continue;
            }
            tries += 1;
            if tries > MAX_TRIES {
                break;
            }
            let same = |i: usize| self.looks[i] == self.looks[i + period];
            let mut begin = middle;
            while begin > 0 && same(begin - 1) {
                begin -= 1;
            }
            let mut end = probe.end;
            while end + period < n && same(end) {
                end += 1;
            }
            let end = end + period;
            if let Some(run) = self.aligned(begin, end, period, middle) {
                return Some(run);
            }
        }
        None
    }

    /// The alignment of blocks with the fewest carries.
    fn aligned(&self, begin: usize, end: usize, period: usize, middle: usize) -> Option<Run> {
        if (end - begin) / period < MIN_BLOCKS {
            return None;
        }
        // How many values cross each boundary, seen in the middle of the run.
        let mut crossing = vec![0usize; period];
        let from = middle + 2 * period;
        for i in from..(from + period).min(end) {
            for operand in self.arena.node(self.nodes[i]).operands {
                let at = self.position[operand.index()];
                if at == NOWHERE || (at as usize) < begin || i - at as usize > period {
                    continue;
                }
                for boundary in at as usize + 1..=i {
                    crossing[(boundary - begin) % period] += 1;
                }
            }
        }
        let offset = (0..period).min_by_key(|&o| crossing[o])?;
        let begin = begin + offset;
        self.run(begin, (end - begin) / period, period)
    }

    /// Checks every block; the run ends before the first that differs.
    fn run(&self, begin: usize, blocks: usize, period: usize) -> Option<Run> {
        if blocks < MIN_BLOCKS {
            return None;
        }
        let arena = self.arena;
        let node = |block: usize, q: usize| arena.node(self.nodes[begin + block * period + q]);
        let place = |v: ValueId| match self.position[v.index()] {
            NOWHERE => None,
            at => (at as usize >= begin).then(|| at as usize - begin),
        };
        // What operands are in the second block, and in the third where that tells more.
        let mut blocks = blocks;
        let mut operands = Vec::with_capacity(period);
        let mut sequences: Vec<Vec<ValueId>> = Vec::new();
        let mut known: HashMap<Vec<ValueId>, usize> = HashMap::new();
        for q in 0..period {
            if node(1, q).result_count != 1 {
                return None;
            }
            let count = node(1, q).operands.len();
            let mut sources = Vec::with_capacity(count);
            for k in 0..count {
                let of = |block: usize| node(block, q).operands.get(k).copied();
                let first = of(1)?;
                let inside = place(first);
                let source = match inside {
                    Some(at) if at / period == 1 => Source::Own(at % period),
                    Some(at)
                        if of(2)
                            .and_then(place)
                            .is_some_and(|next| next == at + period) =>
                    {
                        Source::Before(at % period)
                    }
                    _ => Source::Same(first),
                };
                let fits = |block: usize| -> bool {
                    let Some(v) = of(block) else { return false };
                    match source {
                        Source::Own(p) => place(v) == Some(block * period + p),
                        Source::Before(p) => place(v) == Some((block - 1) * period + p),
                        Source::Same(same) => v == same,
                        Source::Each(_) => false,
                    }
                };
                let good = (1..blocks).take_while(|&b| fits(b)).count();
                if good == blocks - 1 {
                    sources.push(source);
                    continue;
                }
                match source {
                    Source::Same(_) => {
                        // Another one for each block, all from before the second.
                        let outside =
                            |b: usize| of(b).filter(|&v| place(v).is_none_or(|at| at < period));
                        let values: Vec<ValueId> = (1..blocks).map_while(outside).collect();
                        blocks = values.len() + 1;
                        if blocks < MIN_BLOCKS {
                            return None;
                        }
                        let next = sequences.len();
                        let number = *known.entry(values.clone()).or_insert(next);
                        if number == next {
                            sequences.push(values);
                        }
                        sources.push(Source::Each(number));
                    }
                    _ => {
                        blocks = good + 1;
                        if blocks < MIN_BLOCKS {
                            return None;
                        }
                        sources.push(source);
                    }
                }
            }
            operands.push(sources);
        }
        for values in &mut sequences {
            values.truncate(blocks - 1);
        }
        let run = Run {
            nodes: self.nodes.clone(),
            begin,
            period,
            blocks,
            operands,
            sequences,
        };
        // What the sequences take must not eat what the loop saves.
        let distinct: usize = run
            .sequences
            .iter()
            .map(|values| distinct(values).0.len())
            .sum();
        let saved = run.steps() * period;
        (saved >= MIN_NODES / 2 && 4 * distinct <= saved).then_some(run)
    }
}

/// Distinct values in order of appearance, and where each value is among them.
fn distinct(values: &[ValueId]) -> (Vec<ValueId>, Vec<i64>) {
    let mut numbers: HashMap<ValueId, i64> = HashMap::new();
    let mut list = Vec::new();
    let places = values
        .iter()
        .map(|&v| {
            *numbers.entry(v).or_insert_with(|| {
                list.push(v);
                list.len() as i64 - 1
            })
        })
        .collect();
    (list, places)
}

impl Run {
    /// Writes everything again, the blocks after the first as a scan.
    fn written(
        &self,
        old: Workspace,
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> (Workspace, Vec<ValueId>, Vec<ValueId>) {
        let (from, table, policy) = old.into_rolling();
        let mut cx = Workspace::empty(policy, table);
        let mut to = vec![ValueId(u32::MAX); from.len()];
        for &input in inputs {
            to[input.index()] = cx.parameter(from.ty(input).clone());
        }
        let end = self.begin + self.blocks * self.period;
        let second = self.begin + self.period;
        for &n in &self.nodes[..second] {
            copy(&mut cx, &from, n, &mut to);
        }
        self.scan(&mut cx, &from, outputs, &mut to, end);
        for &n in &self.nodes[end..] {
            copy(&mut cx, &from, n, &mut to);
        }
        let of = |values: &[ValueId]| values.iter().map(|v| to[v.index()]).collect();
        let (inputs, outputs) = (of(inputs), of(outputs));
        (cx, inputs, outputs)
    }

    fn value(&self, from: &Arena, block: usize, q: usize) -> ValueId {
        from.node(self.nodes[self.begin + block * self.period + q])
            .result
    }

    fn scan(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        outputs: &[ValueId],
        to: &mut [ValueId],
        end: usize,
    ) {
        let steps = self.steps() as u64;
        // Results of blocks that something after the run reads: of the last block, and of others.
        let last = self.blocks - 1;
        let mut at_end = vec![false; self.period];
        let mut stacked: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut place = HashMap::new();
        for (i, n) in self.nodes[self.begin + self.period..end].iter().enumerate() {
            place.insert(from.node(*n).result, i + self.period);
        }
        let later = self.nodes[end..]
            .iter()
            .flat_map(|&n| from.node(n).operands);
        for value in later.chain(outputs) {
            let Some(&at) = place.get(value) else {
                continue;
            };
            let (block, q) = (at / self.period, at % self.period);
            match block == last {
                true => at_end[q] = true,
                false => stacked.entry(q).or_default().push(block),
            }
        }
        let carried: Vec<usize> = (0..self.period)
            .filter(|&q| {
                at_end[q]
                    || self
                        .operands
                        .iter()
                        .flatten()
                        .any(|&s| s == Source::Before(q))
            })
            .collect();
        let mut stacks: Vec<usize> = stacked.keys().copied().collect();
        stacks.sort_unstable();
        let constants = self.constants(from);
        let body = self.body(cx, from, &carried, &stacks, &constants);
        // The scan's operands.
        let mut operands = Vec::new();
        for &q in &carried {
            operands.push(to[self.value(from, 0, q).index()]);
        }
        for values in &self.sequences {
            operands.push(sequence(cx, from, values, to));
        }
        operands.extend(constants.iter().map(|v| to[v.index()]));
        let types: Vec<TensorType> = operands.iter().map(|&v| cx.arena().ty(v).clone()).collect();
        let ty = |q: usize| from.ty(self.value(from, 1, q)).clone();
        let mut results: Vec<TensorType> = carried.iter().map(|&q| ty(q)).collect();
        results.extend(stacks.iter().map(|&q| crate::graph::stacked(&ty(q), steps)));
        let cost: u64 = (0..self.period)
            .map(|q| from.cost(from.node(self.nodes[self.begin + q])))
            .sum();
        let (carries, sequences) = (carried.len() as u32, self.sequences.len() as u32);
        let scan = Control {
            operands: types,
            results,
            cost: cost.saturating_mul(steps),
            ..Control::scan(body, steps, carries, sequences, false)
        };
        let found = cx.emit_all(scan.op(), &operands, Attributes::Control(scan.into()));
        for (k, &q) in carried.iter().enumerate() {
            to[self.value(from, last, q).index()] = found[k];
        }
        for (k, q) in stacks.iter().enumerate() {
            for &block in &stacked[q] {
                let value = self.value(from, block, *q);
                let at = block as u64 - 1;
                let shape = from.ty(value).shape.clone();
                let cx = cx.emitter();
                let slice = cx.slice_along(found[carried.len() + k], 0, at, at + 1);
                to[value.index()] = cx.reshape(slice, &shape);
            }
        }
    }

    /// Values that all blocks read, but for scalar constants, which the body holds itself.
    fn constants(&self, from: &Arena) -> Vec<ValueId> {
        let mut list = Vec::new();
        for source in self.operands.iter().flatten() {
            if let Source::Same(v) = *source
                && !is_number(from, v)
                && !list.contains(&v)
            {
                list.push(v);
            }
        }
        list
    }

    fn body(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        carried: &[usize],
        stacks: &[usize],
        constants: &[ValueId],
    ) -> crate::op::FunctionId {
        let ty = |q: usize| from.ty(self.value(from, 1, q)).clone();
        cx.table.add(|cx| {
            let carries: Vec<ValueId> = carried.iter().map(|&q| cx.parameter(ty(q))).collect();
            let each = self.sequences.iter();
            let each: Vec<ValueId> = each
                .map(|values| cx.parameter(from.ty(values[0]).clone()))
                .collect();
            let same = constants.iter();
            let same: Vec<ValueId> = same.map(|&v| cx.parameter(from.ty(v).clone())).collect();
            let mut own: Vec<ValueId> = Vec::with_capacity(self.period);
            for q in 0..self.period {
                let node = from.node(self.nodes[self.begin + self.period + q]);
                let operands: Vec<ValueId> = self.operands[q]
                    .iter()
                    .map(|source| match *source {
                        Source::Own(p) => own[p],
                        Source::Before(p) => {
                            let at = carried.iter().position(|&c| c == p);
                            carries[at.expect("carries were listed from these")]
                        }
                        Source::Each(s) => each[s],
                        Source::Same(v) => match constants.iter().position(|&c| c == v) {
                            Some(at) => same[at],
                            None => {
                                let number = from.producer(v).expect("a constant");
                                cx.emit(number.op, &[], number.attributes.clone())
                            }
                        },
                    })
                    .collect();
                own.push(cx.emit(node.op, &operands, node.attributes.clone()));
            }
            let results = carried.iter().chain(stacks).map(|&q| own[q]).collect();
            let parameters = carries.into_iter().chain(each).chain(same).collect();
            (parameters, results)
        })
    }
}

fn is_number(arena: &Arena, value: ValueId) -> bool {
    let producer = arena.producer(value);
    producer.is_some_and(|node| node.op == Op::Constant) && arena.ty(value).shape.is_empty()
}

fn copy(cx: &mut Workspace, from: &Arena, n: NodeId, to: &mut [ValueId]) {
    let node = from.node(n);
    let operands: Vec<ValueId> = node.operands.iter().map(|v| to[v.index()]).collect();
    let values = cx.emit_all(node.op, &operands, node.attributes.clone());
    for (result, value) in node.results().zip(values) {
        to[result.index()] = value;
    }
}

/// Values along a leading axis: constants as one, others stacked once each and gathered.
fn sequence(cx: &mut Workspace, from: &Arena, values: &[ValueId], to: &[ValueId]) -> ValueId {
    let ty = from.ty(values[0]).clone();
    let n = values.len() as u64;
    if ty.dtype == DType::F64 && values.iter().all(|&v| is_number(from, v)) {
        let raw = values.iter().flat_map(|&v| {
            let number = match from.producer(v).map(|node| node.attributes) {
                Some(Attributes::Constant(tensor)) => tensor.element(0),
                _ => f64::NAN,
            };
            number.to_le_bytes()
        });
        let tensor = Tensor::from_raw(TensorType::f64([n]), raw.collect::<Vec<u8>>());
        let tensor = Arc::new(tensor.expect("8 bytes each"));
        return cx.emit(Op::Constant, &[], Attributes::Constant(tensor));
    }
    let (list, places) = distinct(values);
    let mut row = vec![1];
    row.extend(ty.shape.iter());
    let rows: Vec<ValueId> = list
        .iter()
        .map(|v| cx.emitter().reshape(to[v.index()], &row))
        .collect();
    let dimension = 0;
    let stack = cx.emit(
        Op::Concatenate,
        &rows,
        Attributes::Concatenate { dimension },
    );
    if places.iter().enumerate().all(|(i, &p)| i as i64 == p) {
        return stack;
    }
    let indices = indices(cx, &places, list.len() as i64);
    let gather = Attributes::Gather(GatherDimensions {
        offset_dims: (1..=ty.shape.rank() as u32).collect(),
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes: row,
        out_of_bounds: OutOfBounds::Clamp,
    });
    cx.emit(Op::Gather, &[stack, indices], gather)
}

/// Indices of shape [n, 1]; those that go round are calculated, not kept.
fn indices(cx: &mut Workspace, places: &[i64], distinct: i64) -> ValueId {
    let n = places.len() as u64;
    let ty = TensorType::new(DType::I64, [n, 1]);
    let go_round = places
        .iter()
        .zip(0..)
        .all(|(&p, i): (_, i64)| p == i % distinct);
    if go_round {
        let dimension = 0;
        let count = cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension });
        let by = cx.scalar(DType::I64, distinct as f64);
        return cx.emitter().binary(Op::Remainder, count, by);
    }
    let raw: Vec<u8> = places.iter().flat_map(|p| p.to_le_bytes()).collect();
    let indices = Tensor::from_raw(ty, raw).expect("8 bytes each");
    cx.emit(Op::Constant, &[], Attributes::Constant(Arc::new(indices)))
}
