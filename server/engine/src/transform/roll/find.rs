//! Looks for runs of equal blocks.

use super::{Run, Source};
use crate::graph::{Arena, NodeId, Step, mix};
use crate::op::{Attributes, Op, ValueId};
use hashbrown::HashTable;
use rustc_hash::FxHashSet;

/// Below so many nodes there is nothing to gain.
const MIN_NODES: usize = 1024;
/// Blocks of a run, at least.
const MIN_BLOCKS: usize = 32;
/// Nodes of a block, at most.
const MAX_PERIOD: usize = 2048;
/// Periods that are looked at closely around one place: each costs a pass over the graph.
const MAX_TRIES: usize = 16;

/// What a type's number takes at most, beside an operation's.
const TYPE_BITS: u32 = 22;

const NOWHERE: u32 = u32::MAX;

struct Finder<'a> {
    arena: &'a Arena,
    nodes: Vec<NodeId>,
    /// What a node looks like: operation, attributes, type, in one number.
    looks: Vec<u64>,
    /// Position in `nodes` of each value's node; empty until something is looked at closely.
    position: Vec<u32>,
    /// Which values are parts of inputs.
    is_part: Vec<bool>,
    /// Runs that were looked at closely and are none: begin, blocks, period.
    failed: FxHashSet<(usize, usize, usize)>,
    /// Why the last one was none, if it was for an operand that is another input for each block: the node's position, and
    /// which of its operands.
    lone: Option<(usize, usize)>,
    /// Where something of a short period comes again and again but reads another input each time: begin, end, period. It
    /// does so by twice the period, and so on.
    hopeless: Vec<(usize, usize, usize)>,
    /// When each value was met last.
    met: Vec<u32>,
    now: u32,
}

impl Run {
    /// Among the values of an arena of which outputs need these. Inputs that are `packed` are parts of one, whatever reads
    /// them.
    pub(super) fn find(arena: &Arena, needed: &[bool], packed: &[ValueId]) -> Option<Self> {
        if arena.node_count() < MIN_NODES || arena.all_types().len() > 1 << TYPE_BITS {
            return None;
        }
        let look = |step: &Step<'_>| {
            let ty = arena.type_id(step.result).number();
            u64::from(step.op.number() << TYPE_BITS | ty) << 32 | u64::from(step.attributes)
        };
        let is_slice = |a: &Attributes| matches!(a, Attributes::Slice { .. });
        let has_slices = arena.all_attributes().iter().any(is_slice);
        let mut nodes = Vec::with_capacity(arena.node_count());
        let mut looks = Vec::with_capacity(arena.node_count());
        let mut is_part = vec![false; arena.len()];
        packed.iter().for_each(|v| is_part[v.index()] = true);
        let mut parts = Vec::new();
        for step in arena.steps().filter(|s| needed[s.result.index()]) {
            let of_input = |v: &ValueId| arena.is_parameter(*v);
            let part = has_slices
                && match step.op {
                    Op::Slice => step.operands.iter().all(of_input),
                    Op::Reshape => is_part[step.operands[0].index()],
                    _ => false,
                };
            if part {
                is_part[step.result.index()] = true;
                parts.push(step.id);
                continue;
            }
            nodes.push(step.id);
            looks.push(look(&step));
        }
        // Parts of inputs first: each looks different, and they can be anywhere.
        let first = parts.len();
        if first > 0 {
            let of_parts: Vec<u64> = parts.iter().map(|&id| look(&arena.step(id))).collect();
            nodes.splice(0..0, parts);
            looks.splice(0..0, of_parts);
        }
        if nodes.len() < MIN_NODES {
            return None;
        }
        let mut finder = Finder {
            arena,
            nodes,
            looks,
            position: Vec::new(),
            is_part,
            failed: FxHashSet::default(),
            lone: None,
            hopeless: Vec::new(),
            met: Vec::new(),
            now: 0,
        };
        let n = finder.nodes.len();
        for eighth in [2, 4, 1, 6] {
            let middle = first + (n - first) * eighth / 8;
            if let Some(run) = finder.around(middle) {
                return Some(run);
            }
        }
        None
    }
}

impl Finder<'_> {
    /// The run of the shortest period that goes through a position.
    fn around(&mut self, middle: usize) -> Option<Run> {
        let n = self.nodes.len();
        let mut tries = 0;
        for period in 1..=MAX_PERIOD.min(n / MIN_BLOCKS) {
            // What begins `period` later looks the same for so long.
            let (looks, later) = (&self.looks[..n - period], &self.looks[period..]);
            let probe = middle..(middle + 4 * period).min(n - period);
            if probe.start > probe.end || looks[probe.clone()] != later[probe.clone()] {
                continue;
            }
            tries += 1;
            if tries > MAX_TRIES {
                break;
            }
            if self.is_hopeless(middle, period) {
                continue;
            }
            let (looks, later) = (&self.looks[..n - period], &self.looks[period..]);
            let same = |(a, b): &(&u64, &u64)| a == b;
            let before = looks[..middle].iter().rev();
            let before = before.zip(later[..middle].iter().rev());
            let begin = middle - before.take_while(same).count();
            let after = looks[probe.end..].iter().zip(&later[probe.end..]);
            let end = probe.end + after.take_while(same).count() + period;
            if let Some(run) = self.aligned(begin, end, period, middle) {
                return Some(run);
            }
            if let Some((at, k)) = self.lone.take()
                && self.reads_inputs(begin, end, period, at, k)
            {
                self.hopeless.push((begin, end, period));
            }
        }
        None
    }

    /// Whether a node and all that look like it, a period apart, read one input after the other.
    fn reads_inputs(&self, begin: usize, end: usize, period: usize, at: usize, k: usize) -> bool {
        let from = begin + (at - begin) % period;
        let read = |i: usize| self.arena.operands(self.nodes[i]).get(k).copied();
        let read = (from..end).step_by(period).map(read);
        let mut last = None;
        let mut rises = |v: ValueId| last.replace(v).is_none_or(|last| last < v);
        read.into_iter()
            .all(|v| v.is_some_and(|v| self.arena.is_parameter(v) && rises(v)))
    }

    /// Whether what has this period around a place is known to be hopeless: just as far as its divisor reaches, and not on.
    /// Of so many sequences of inputs each is fresh, whatever the alignment.
    fn is_hopeless(&self, middle: usize, period: usize) -> bool {
        let n = self.nodes.len();
        self.hopeless.iter().any(|&(begin, end, divisor)| {
            period.is_multiple_of(divisor)
                && (begin..end.saturating_sub(period)).contains(&middle)
                && (begin == 0 || self.looks[begin - 1] != self.looks[begin - 1 + period])
                && (end == n || self.looks[end] != self.looks[end - period])
        })
    }

    /// The alignment of blocks with the fewest carries.
    fn aligned(&mut self, begin: usize, end: usize, period: usize, middle: usize) -> Option<Run> {
        if (end - begin) / period < MIN_BLOCKS {
            return None;
        }
        if self.position.is_empty() {
            self.position = vec![NOWHERE; self.arena.len()];
            for (&id, at) in self.nodes.iter().zip(0..) {
                let results = self.arena.step(id).results();
                results.for_each(|result| self.position[result.index()] = at);
            }
        }
        // How far on the last reader of each of a block's values is, seen in the middle of the run.
        let mut reach = vec![0usize; period];
        let from = middle + 2 * period;
        for i in from..(from + period).min(end) {
            for operand in self.arena.operands(self.nodes[i]) {
                let at = self.position[operand.index()];
                if at == NOWHERE || (at as usize) < begin || i - at as usize > period {
                    continue;
                }
                let own = &mut reach[(at as usize - begin) % period];
                *own = (*own).max(i - at as usize);
            }
        }
        // How many values cross each boundary.
        let mut crossing = vec![0usize; period];
        for (q, &reach) in reach.iter().enumerate() {
            for boundary in q + 1..=q + reach {
                crossing[boundary % period] += 1;
            }
        }
        let offset = (0..period).min_by_key(|&o| crossing[o])?;
        let begin = begin + offset;
        let blocks = (end - begin) / period;
        // Other places and periods come to the same blocks.
        if blocks < MIN_BLOCKS || self.failed.contains(&(begin, blocks, period)) {
            return None;
        }
        let run = self.run(begin, blocks, period);
        if run.is_none() {
            self.failed.insert((begin, blocks, period));
        }
        run
    }

    /// Checks every block; the run ends before the first that differs.
    fn run(&mut self, begin: usize, blocks: usize, period: usize) -> Option<Run> {
        let arena = self.arena;
        let operands_of =
            |block: usize, q: usize| arena.operands(self.nodes[begin + block * period + q]);
        let place = |v: ValueId| match self.position[v.index()] {
            NOWHERE => None,
            at => (at as usize >= begin).then(|| at as usize - begin),
        };
        // What operands are in the second block, and in the third where that tells more.
        let mut blocks = blocks;
        let mut operands = Vec::with_capacity(period);
        let mut sequences: Vec<Vec<ValueId>> = Vec::new();
        let mut known: HashTable<(u64, usize)> = HashTable::new();
        // Sequences of which no value comes twice or is part of an input.
        let mut fresh = 0;
        for q in 0..period {
            if arena.step(self.nodes[begin + period + q]).result_count != 1 {
                return None;
            }
            let count = operands_of(1, q).len();
            let mut sources = Vec::with_capacity(count);
            for k in 0..count {
                let of = |block: usize| operands_of(block, q).get(k).copied();
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
                        let mut values: Vec<ValueId> = Vec::with_capacity(blocks - 1);
                        let (mut hash, mut rises) = (0, true);
                        for v in (1..blocks).map_while(outside) {
                            hash = mix(hash ^ u64::from(v.0));
                            rises &= !self.is_part[v.index()];
                            rises &= values.last().is_none_or(|&last| last < v);
                            values.push(v);
                        }
                        blocks = values.len() + 1;
                        if blocks < MIN_BLOCKS {
                            return None;
                        }
                        let equal = |&(_, i): &(u64, usize)| sequences[i] == values;
                        let number = match known.find(hash, equal) {
                            Some(&(_, number)) => number,
                            None => {
                                let number = sequences.len();
                                known.insert_unique(hash, (hash, number), |&(hash, _)| hash);
                                fresh += usize::from(rises);
                                let inputs = |v: &ValueId| arena.is_parameter(*v);
                                if rises && 4 > period && values.iter().all(inputs) {
                                    self.lone = Some((begin + q, k));
                                }
                                sequences.push(values);
                                number
                            }
                        };
                        // These alone take more than the loop saves, however many blocks are left; see below.
                        if 4 * fresh > period {
                            return None;
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
        let first = self.first(begin, &operands, &sequences);
        // What the sequences take must not eat what the loop saves. Parts of inputs are mostly one part together.
        let distinct: usize = sequences.iter().map(|values| self.distinct(values)).sum();
        let saved = (blocks - 1) * period;
        if saved < MIN_NODES / 2 || 4 * distinct > saved {
            return None;
        }
        let nodes = std::mem::take(&mut self.nodes);
        Some(match first {
            Some((firsts, before)) => {
                for (values, first) in sequences.iter_mut().zip(firsts) {
                    values.insert(0, first);
                }
                Run {
                    nodes,
                    begin,
                    period,
                    blocks,
                    operands,
                    sequences,
                    before,
                }
            }
            // It stays as it is.
            None => {
                let own = nodes[begin..begin + period].iter();
                let before = own.map(|&n| Some(arena.node(n).result)).collect();
                Run {
                    nodes,
                    begin: begin + period,
                    period,
                    blocks: blocks - 1,
                    operands,
                    sequences,
                    before,
                }
            }
        })
    }

    /// What the first block takes from before the run, if it is like the others: the first value of each sequence, and
    /// what stands for the results of a block before it.
    fn first(
        &self,
        begin: usize,
        operands: &[Vec<Source>],
        sequences: &[Vec<ValueId>],
    ) -> Option<(Vec<ValueId>, Vec<Option<ValueId>>)> {
        let arena = self.arena;
        let place = |v: ValueId| match self.position[v.index()] {
            NOWHERE => None,
            at => (at as usize).checked_sub(begin),
        };
        // What is read from within the first block by others than itself and the second cannot be in the loop.
        let is_before = |v: ValueId| place(v).is_none();
        if !sequences.iter().flatten().all(|&v| is_before(v)) {
            return None;
        }
        let mut firsts = vec![None; sequences.len()];
        let mut before = vec![None; operands.len()];
        for (q, sources) in operands.iter().enumerate() {
            let own = arena.operands(self.nodes[begin + q]);
            if own.len() != sources.len() {
                return None;
            }
            for (&v, source) in own.iter().zip(sources) {
                let known = match *source {
                    Source::Own(p) if place(v) == Some(p) => continue,
                    Source::Same(same) if v == same && is_before(v) => continue,
                    Source::Each(s) if is_before(v) => {
                        let like = sequences[s][0];
                        (arena.type_id(v) == arena.type_id(like)).then_some(&mut firsts[s])
                    }
                    Source::Before(p) if is_before(v) => {
                        let like = arena.node(self.nodes[begin + p]).result;
                        (arena.type_id(v) == arena.type_id(like)).then_some(&mut before[p])
                    }
                    _ => None,
                }?;
                if *known.get_or_insert(v) != v {
                    return None;
                }
            }
        }
        let firsts = firsts.into_iter().collect::<Option<_>>()?;
        Some((firsts, before))
    }

    /// How many values there are that are no parts of inputs, each counted once.
    fn distinct(&mut self, values: &[ValueId]) -> usize {
        self.met.resize(self.arena.len(), 0);
        self.now += 1;
        let is_new = |v: &&ValueId| {
            let met = std::mem::replace(&mut self.met[v.index()], self.now);
            met != self.now && !self.is_part[v.index()]
        };
        values.iter().filter(is_new).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{GraphBuilder, Limits};
    use crate::op::Attributes;
    use crate::tensor::TensorType;

    #[test]
    fn a_vector_taken_apart_and_put_together_has_no_run() {
        const ELEMENTS: u64 = 2000;
        let mut g = GraphBuilder::new("parts", Limits::default());
        let x = g.input("x", TensorType::f64([ELEMENTS])).unwrap();
        let parts = (0..ELEMENTS).map(|i| {
            let slice = Attributes::Slice {
                starts: vec![i],
                limits: vec![i + 1],
                strides: vec![],
            };
            g.push(Op::Slice, &[x], slice, "").unwrap()
        });
        let parts: Vec<ValueId> = parts.collect();
        let dimension = 0;
        let together = Attributes::Concatenate { dimension };
        let y = g.push(Op::Concatenate, &parts, together, "").unwrap();
        g.output("y", y).unwrap();
        let graph = g.finish().unwrap();
        let needed = graph.arena().needed([y]);
        assert!(Run::find(graph.arena(), &needed, &[]).is_none());
    }

    /// A sum over inputs, each read by one term: what repeats needs another input for each block, however the blocks are cut.
    #[test]
    fn terms_of_an_input_each_have_no_run() {
        let mut g = GraphBuilder::new("sum", Limits::default());
        let number = TensorType::scalar(crate::tensor::DType::F64);
        let inputs = (0..2000).map(|i| g.input(format!("x{i}"), number.clone()).unwrap());
        let inputs: Vec<ValueId> = inputs.collect();
        let term = |g: &mut GraphBuilder, x| g.push(Op::Exp, &[x], Attributes::None, "").unwrap();
        let mut sum = term(&mut g, inputs[0]);
        for &x in &inputs[1..] {
            let term = term(&mut g, x);
            sum = g.push(Op::Add, &[sum, term], Attributes::None, "").unwrap();
        }
        g.output("y", sum).unwrap();
        let graph = g.finish().unwrap();
        let needed = graph.arena().needed([sum]);
        assert!(Run::find(graph.arena(), &needed, &[]).is_none());
    }
}
