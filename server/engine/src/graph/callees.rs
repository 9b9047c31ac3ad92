//! What functions compute, as far as a graph's identity is concerned: equal ones are one, whatever their names.

use super::canonical::{put, put_attributes, put_bodies, put_type};
use super::function::callees;
use super::{Arena, Function, Graph};
use crate::op::{FunctionId, ValueId, is_commutative};
use std::collections::{HashMap, HashSet};

/// BLAKE3-256.
pub(super) type Digest = [u8; 32];

/// Rounds in which functions that run one another in circles are told apart. Where they do not suffice, each of these
/// functions counts as one of its own: that costs two spellings their common id, never two functions their
/// difference.
const ROUNDS: usize = 16;

/// The functions of a graph, numbered as they are met; equal ones are one.
pub(super) struct Callees {
    /// What each computes, to order by.
    hashes: Vec<Digest>,
    /// The same for equal ones only.
    keys: Vec<Digest>,
    numbers: HashMap<Digest, u64>,
    /// Positions in the graph's list, by number.
    pub order: Vec<usize>,
}

impl Callees {
    pub fn new(graph: &Graph) -> Self {
        let functions = graph.functions();
        let mut hashes = vec![Digest::default(); functions.len()];
        let runs: Vec<Vec<usize>> = functions.iter().map(run_by_function).collect();
        // Those that nobody runs do not count, not even in the number of rounds.
        let mut open = reachable(run_by_graph(graph), &runs);
        // Those that run in no circle, and in front of none, are known at once.
        loop {
            let known = |i: &usize| runs[*i].iter().all(|f| !open.contains(f));
            let next: Vec<usize> = open.iter().copied().filter(known).collect();
            if next.is_empty() {
                break;
            }
            for i in next {
                hashes[i] = function_hash(&functions[i], &hashes);
                open.remove(&i);
            }
        }
        let mut told_apart = 0;
        let mut stable = false;
        for _ in 0..ROUNDS {
            let new: Vec<(usize, Digest)> = open
                .iter()
                .map(|&i| (i, function_hash(&functions[i], &hashes)))
                .collect();
            let kinds: HashSet<Digest> = new.iter().map(|&(_, hash)| hash).collect();
            for (i, hash) in new {
                hashes[i] = hash;
            }
            stable = kinds.len() == told_apart;
            told_apart = kinds.len();
            if stable || open.is_empty() {
                break;
            }
        }
        let mut keys = hashes.clone();
        if !stable {
            for &i in &open {
                keys[i] = Digest::default();
                keys[i][..8].copy_from_slice(&(1 + i as u64).to_le_bytes());
            }
        }
        Self {
            hashes,
            keys,
            numbers: HashMap::new(),
            order: Vec::new(),
        }
    }

    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// What stands for a function where two are compared.
    pub fn key(&self, f: FunctionId) -> Digest {
        self.keys[f.index()]
    }

    pub fn number(&mut self, f: FunctionId) -> u64 {
        let next = self.order.len() as u64;
        let number = *self.numbers.entry(self.key(f)).or_insert(next);
        if number == next {
            self.order.push(f.index());
        }
        number
    }
}

/// The functions that the nodes run that outputs depend on.
fn run_by_graph(graph: &Graph) -> Vec<usize> {
    let arena: &Arena = graph.arena();
    if arena.all_attributes().iter().all(|a| callees(a).is_empty()) {
        return vec![];
    }
    let needed = arena.needed(graph.outputs().iter().map(|o| o.value));
    let live = arena.nodes().filter(|n| needed[n.result.index()]);
    let all: HashSet<usize> = live
        .flat_map(|n| callees(n.attributes).iter().map(|f| f.index()))
        .collect();
    all.into_iter().collect()
}

fn run_by_function(function: &Function) -> Vec<usize> {
    let rules = [function.custom_jvp, function.custom_vjp];
    let rules = rules.into_iter().flatten().map(FunctionId::index);
    run_by_graph(&function.body)
        .into_iter()
        .chain(rules)
        .collect()
}

fn reachable(mut waiting: Vec<usize>, runs: &[Vec<usize>]) -> HashSet<usize> {
    let mut met = HashSet::new();
    while let Some(f) = waiting.pop() {
        if met.insert(f) {
            waiting.extend(&runs[f]);
        }
    }
    met
}

/// What a function computes, given that of those it runs.
fn function_hash(function: &Function, of: &[Digest]) -> Digest {
    let body = &function.body;
    let mut bytes = Vec::new();
    put(&mut bytes, body.inputs().len() as u64);
    for input in body.inputs() {
        put_type(&mut bytes, &input.ty);
    }
    let values = value_hashes(body, of);
    put(&mut bytes, body.outputs().len() as u64);
    for output in body.outputs() {
        bytes.extend_from_slice(&values[output.value.index()]);
    }
    for rule in [function.custom_jvp, function.custom_vjp] {
        bytes.push(rule.is_some().into());
        bytes.extend_from_slice(&rule.map_or(Digest::default(), |f| of[f.index()]));
    }
    digest(&bytes)
}

fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}

/// A hash of what each live value of a body computes, strong enough to stand for it.
fn value_hashes(graph: &Graph, functions: &[Digest]) -> Vec<Digest> {
    let arena = graph.arena();
    let mut hashes = vec![Digest::default(); arena.len()];
    let numbered = |value: ValueId, hash: &[u8], i: usize| {
        let mut bytes = hash.to_vec();
        put(&mut bytes, i as u64);
        put_type(&mut bytes, arena.ty(value));
        digest(&bytes)
    };
    for (i, input) in graph.inputs().iter().enumerate() {
        hashes[input.value.index()] = numbered(input.value, b"parameter", i);
    }
    let needed = arena.needed(graph.outputs().iter().map(|o| o.value));
    let mut bytes = Vec::new();
    for node in arena.nodes().filter(|n| needed[n.result.index()]) {
        bytes.clear();
        put(&mut bytes, node.op.number().into());
        put_type(&mut bytes, node.ty);
        put_attributes(&mut bytes, node.attributes);
        put_bodies(&mut bytes, node.attributes, |f, bytes| {
            bytes.extend_from_slice(&functions[f.index()]);
        });
        let mut operands: Vec<Digest> = node.operands.iter().map(|v| hashes[v.index()]).collect();
        if is_commutative(node.op) {
            operands.sort_unstable();
        }
        put(&mut bytes, operands.len() as u64);
        operands
            .iter()
            .for_each(|hash| bytes.extend_from_slice(hash));
        let hash = digest(&bytes);
        match node.result_count {
            1 => hashes[node.result.index()] = hash,
            _ => {
                for (i, result) in node.results().enumerate() {
                    hashes[result.index()] = numbered(result, &hash, i);
                }
            }
        }
    }
    hashes
}
