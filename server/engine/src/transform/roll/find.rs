//! Looks for runs of equal blocks.

use super::{Run, Source, sequence::distinct};
use crate::graph::{Arena, NodeId};
use crate::op::{Op, ValueId};
use rustc_hash::FxHashMap;

/// Below so many nodes there is nothing to gain.
const MIN_NODES: usize = 1024;
/// Blocks of a run, at least.
const MIN_BLOCKS: usize = 32;
/// Nodes of a block, at most.
const MAX_PERIOD: usize = 2048;
/// Periods that are looked at closely around one place: each costs a pass over the graph.
const MAX_TRIES: usize = 16;

const NOWHERE: u32 = u32::MAX;

struct Finder<'a> {
    arena: &'a Arena,
    nodes: Vec<NodeId>,
    /// What a node looks like: operation, attributes, type.
    looks: Vec<(Op, u32, crate::graph::TypeId)>,
    /// Position in `nodes` of each value's node.
    position: Vec<u32>,
    /// Which values are parts of inputs.
    is_part: Vec<bool>,
}

impl Run {
    pub(super) fn find(arena: &Arena, outputs: &[ValueId]) -> Option<Self> {
        if arena.node_count() < MIN_NODES {
            return None;
        }
        let needed = arena.needed(outputs.iter().copied());
        let mut position = vec![NOWHERE; arena.len()];
        let (mut nodes, mut others) = (Vec::new(), Vec::new());
        let mut is_part = vec![false; arena.len()];
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            let of_input = |v: &ValueId| arena.producer(*v).is_none();
            let part = match node.op {
                Op::Slice => node.operands.iter().all(of_input),
                Op::Reshape => is_part[node.operands[0].index()],
                _ => false,
            };
            is_part[node.result.index()] = part;
            match part {
                true => nodes.push(node.id),
                false => others.push(node.id),
            }
        }
        // Parts of inputs first: each looks different, and they can be anywhere.
        let first = nodes.len();
        nodes.append(&mut others);
        let mut looks = Vec::with_capacity(nodes.len());
        for (at, &id) in nodes.iter().enumerate() {
            let node = arena.node(id);
            for result in node.results() {
                position[result.index()] = at as u32;
            }
            looks.push((node.op, arena.attributes_id(id), arena.type_id(node.result)));
        }
        if nodes.len() < MIN_NODES {
            return None;
        }
        let finder = Finder {
            arena,
            nodes,
            looks,
            position,
            is_part,
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
        // How far on the last reader of each of a block's values is, seen in the middle of the run.
        let mut reach = vec![0usize; period];
        let from = middle + 2 * period;
        for i in from..(from + period).min(end) {
            for operand in self.arena.node(self.nodes[i]).operands {
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
        let mut known: FxHashMap<Vec<ValueId>, usize> = FxHashMap::default();
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
        // What the sequences take must not eat what the loop saves. Parts of inputs are mostly one part together.
        let distinct: usize = run
            .sequences
            .iter()
            .map(|values| distinct(values).0.into_iter())
            .map(|values| values.filter(|v| !self.is_part[v.index()]).count())
            .sum();
        let saved = run.steps() * period;
        (saved >= MIN_NODES / 2 && 4 * distinct <= saved).then_some(run)
    }
}
