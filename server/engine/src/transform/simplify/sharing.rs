//! Nodes by what they compute, so that equal ones are written once.

use crate::graph::{Arena, NodeId, slice_hash};
use crate::op::{Op, ValueId};
use hashbrown::{HashTable, hash_table::Entry};

/// Nodes that a value leads to, at most: more are found by their hash.
const MAX_LINKS: usize = 8;

const NOBODY: u32 = u32::MAX;

/// What a value is, as far as it may make nodes simpler that it is a scalar operand of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A floating-point scalar constant.
    Number,
    /// The result of a negation.
    Negative,
    /// Another floating-point scalar.
    Scalar,
    Other,
}

/// What is known of a value: asked for every operand of every node.
#[derive(Clone, Copy)]
struct Note {
    kind: Kind,
    /// One of the nodes of which it is the latest operand.
    reader: u32,
}

/// The nodes of an arena by operation, attributes and operands, and its values by kind. Most values are read by a few nodes,
/// most of which are written soon after them: from a node's latest operand it is not far to its equal, neither in steps nor
/// in memory, where a table of hashes has a node anywhere.
#[derive(Default)]
pub(super) struct Sharing {
    notes: Vec<Note>,
    /// For each node another one with the same latest operand.
    links: Vec<u32>,
    /// The nodes that nothing leads to.
    table: HashTable<NodeId>,
}

impl Sharing {
    /// With room for so many values.
    pub fn with_capacity(values: usize) -> Self {
        Self {
            notes: Vec::with_capacity(values),
            links: Vec::with_capacity(values),
            table: HashTable::new(),
        }
    }

    /// The kind of the next value.
    #[inline(always)]
    pub fn note(&mut self, kind: Kind) {
        let reader = NOBODY;
        self.notes.push(Note { kind, reader });
    }

    /// The kind of a value.
    #[inline(always)]
    pub fn kind(&self, value: ValueId) -> Kind {
        self.notes[value.index()].kind
    }

    /// The kinds of all values.
    #[cfg(test)]
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.notes.iter().map(|note| note.kind)
    }

    /// The operand that leads to a node.
    #[inline]
    pub fn leading(op: Op, operands: &[ValueId]) -> Option<ValueId> {
        // A vector is taken apart into any number of slices.
        operands.iter().copied().max().filter(|_| op != Op::Slice)
    }

    /// The first result of the node that is there already; `None`: it will be the arena's next, and is found from now on.
    /// `leading` is what [`Sharing::leading`] gives.
    #[inline(always)]
    pub fn find(
        &mut self,
        arena: &Arena,
        (op, attributes, operands): (Op, u32, &[ValueId]),
        leading: Option<ValueId>,
    ) -> Option<ValueId> {
        let next = arena.node_count() as u32;
        if let Some(leading) = leading {
            let first = self.notes[leading.index()].reader;
            let (mut at, mut links) = (first, 0);
            while at != NOBODY {
                if arena.is_node(NodeId(at), op, attributes, operands) {
                    return Some(arena.first_result(NodeId(at)));
                }
                at = self.links[at as usize];
                links += 1;
            }
            if links < MAX_LINKS {
                self.notes[leading.index()].reader = next;
                self.links.push(first);
                return None;
            }
        }
        self.links.push(NOBODY);
        let known = self.find_by_hash(arena, op, attributes, operands);
        if known.is_some() {
            self.links.pop();
        }
        known
    }

    fn find_by_hash(
        &mut self,
        arena: &Arena,
        op: Op,
        attributes: u32,
        operands: &[ValueId],
    ) -> Option<ValueId> {
        let hash_of = |&n: &NodeId| {
            let step = arena.step(n);
            slice_hash(step.op, step.attributes, step.operands)
        };
        let is_same = |&n: &NodeId| arena.is_node(n, op, attributes, operands);
        let hash = slice_hash(op, attributes, operands);
        match self.table.entry(hash, is_same, hash_of) {
            Entry::Occupied(known) => Some(arena.first_result(*known.get())),
            Entry::Vacant(place) => {
                place.insert(NodeId(arena.node_count() as u32));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::TensorType;
    use std::collections::HashMap;

    /// However many nodes read one value, each is found again, and no other instead.
    #[test]
    fn every_node_is_found_again() {
        let mut arena = Arena::default();
        let mut sharing = Sharing::default();
        let ty = TensorType::f64([]);
        let parameters = (0..20).map(|_| {
            sharing.note(Kind::Scalar);
            arena.parameter(ty.clone())
        });
        let values: Vec<ValueId> = parameters.collect();
        let ty = arena.intern_type(ty);
        let mut pairs = Vec::new();
        for op in [Op::Add, Op::Subtract, Op::Slice, Op::Exp, Op::Constant] {
            for (i, &a) in values.iter().enumerate() {
                for &b in &values[i % 3..] {
                    let all = [a, b];
                    let operands = match op {
                        Op::Add | Op::Subtract => &all[..],
                        Op::Constant => &[],
                        _ => &all[..1],
                    };
                    for attributes in 0..2 {
                        pairs.push((op, attributes, operands.to_vec()));
                    }
                }
            }
        }
        let mut known = HashMap::new();
        for _ in 0..2 {
            for key in &pairs {
                let before = known.get(key).copied();
                let (op, attributes, operands) = key;
                let leading = Sharing::leading(*op, operands);
                let found = sharing.find(&arena, (*op, *attributes, operands), leading);
                assert_eq!(found, before, "{key:?}");
                if found.is_none() {
                    let new = arena.push(*op, operands, *attributes, &[ty]);
                    sharing.note(Kind::Scalar);
                    known.insert(key, new);
                }
            }
        }
        assert!(known.len() > 1000);
    }
}
