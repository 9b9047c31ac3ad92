//! In which order members become steps, and which of them do: what was worked out before is not worked out again.

use super::find::outlives;
use super::uses::{Definition, Key, Uses};
use crate::op::Kernel;
use crate::tape::{Instruction, Tape};
use smallvec::SmallVec;
use std::collections::HashMap;

/// So many members are looked at for one that is worth coming earlier.
const NEAR: usize = 32;

/// For members that give for others alone what an earlier one has given: which.
type Same = HashMap<usize, usize>;

/// Members in the order of their steps, and who reads what they give.
pub struct Order {
    /// By their numbers among members.
    pub steps: SmallVec<[usize; 16]>,
    /// For each member that others read the last one.
    last_reader: HashMap<usize, usize>,
    same: Same,
}

impl Order {
    /// That of a group.
    pub fn of(tape: &Tape, first: usize, uses: &Uses, members: &[usize]) -> Self {
        let same = repeated(tape, first, uses, members);
        let steps = placed(tape, first, uses, members, &same);
        let mut last_reader = HashMap::new();
        for at in steps.iter().map(|&k| members[k]) {
            let own = uses.reads[at].iter().filter_map(|(_, d)| *d);
            let own = own.filter(|d| members.binary_search(d).is_ok());
            last_reader.extend(own.map(|d| (found(&same, d), at)));
        }
        Self {
            steps,
            last_reader,
            same,
        }
    }

    /// The member that gives what one does.
    pub fn found(&self, member: usize) -> usize {
        found(&self.same, member)
    }

    /// Whether an earlier member gives what one does.
    pub fn is_repeated(&self, member: usize) -> bool {
        self.same.contains_key(&member)
    }

    /// Members that others read.
    pub fn read(&self) -> impl Iterator<Item = usize> {
        self.last_reader.keys().copied()
    }

    /// The last member that reads what one gives.
    pub fn last_reader(&self, member: usize) -> Option<usize> {
        self.last_reader.get(&member).copied()
    }
}

fn found(same: &Same, member: usize) -> usize {
    same.get(&member).copied().unwrap_or(member)
}

fn repeated(tape: &Tape, first: usize, uses: &Uses, members: &[usize]) -> Same {
    let mut same = Same::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for &at in members {
        let i = &tape.instructions[first + at];
        let view = match i.flags & Instruction::STRUCTURAL {
            0 => None,
            _ => match &tape.structural[i.operands[0].offset()].kernel {
                Kernel::View(view) => Some(view),
                _ => continue,
            },
        };
        // What is a member's is so wherever it lies.
        let reads = uses.reads[at].iter().map(|&(key, d)| match d {
            Some(d) if members.binary_search(&d).is_ok() => (None, Some(found(&same, d))),
            d => (Some(key), d),
        });
        let reads: Vec<(Option<Key>, Definition)> = reads.collect();
        let what = (i.op, i.dtype, i.flags, i.detail, i.elements, view, reads);
        let before = *known.entry(what).or_insert(at);
        if before != at && !outlives(uses, members, at) {
            same.insert(at, before);
        }
    }
    same
}

/// Members, by their numbers among them, in the order of their steps. One that needs no row more comes right after others
/// by element, as soon as what it reads is there: then they are one loop.
fn placed(
    tape: &Tape,
    first: usize,
    uses: &Uses,
    members: &[usize],
    same: &Same,
) -> SmallVec<[usize; 16]> {
    let instruction = |k: usize| &tape.instructions[first + members[k]];
    let simple = |k: usize| {
        let row = instruction(k).op.elementwise();
        row.is_some_and(|row| row.cost <= 1)
    };
    let member = |d: usize| members.binary_search(&found(same, d)).ok();
    let own = |k: usize| {
        let reads = uses.reads[members[k]].iter();
        reads.filter_map(|(_, d)| member((*d)?))
    };
    // How many read each that are not placed yet.
    let mut readers = vec![0; members.len()];
    let mut placed = vec![false; members.len()];
    let distinct = (0..members.len()).filter(|&k| !same.contains_key(&members[k]));
    let distinct: Vec<usize> = distinct.collect();
    for &k in &distinct {
        own(k).for_each(|d| readers[d] += 1);
    }
    let mut order = SmallVec::new();
    for (n, &k) in distinct.iter().enumerate() {
        if placed[k] {
            continue;
        }
        let mut place = |k: usize, readers: &mut [usize], placed: &mut [bool]| {
            own(k).for_each(|d| readers[d] -= 1);
            placed[k] = true;
            order.push(k);
        };
        place(k, &mut readers, &mut placed);
        if !simple(k) {
            continue;
        }
        for &later in distinct[n + 1..].iter().take(NEAR) {
            let fits = !placed[later]
                && simple(later)
                && instruction(later).elements == instruction(k).elements
                && !outlives(uses, members, members[later])
                && own(later).all(|d| placed[d])
                && own(later).any(|d| readers[d] == own(later).filter(|o| *o == d).count());
            if fits {
                place(later, &mut readers, &mut placed);
            }
        }
    }
    order
}
