use crate::op::Op;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Equal things once, numbered in order of appearance.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    items: Vec<T>,
    table: HashTable<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            table: HashTable::new(),
        }
    }
}

/// A fast hash; not for adversaries' keys where length matters, which are bounded here by the message's size.
pub(super) fn hash_of(item: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = FxHasher::default();
    item.hash(&mut hasher);
    hasher.finish()
}

impl<T: Hash + Eq> Interner<T> {
    /// The item's number; the same for equal items.
    pub fn intern(&mut self, item: T) -> u32 {
        let hash = hash_of(&item);
        if let Some(&i) = self.table.find(hash, |&i| self.items[i as usize] == item) {
            return i;
        }
        let i = self.items.len() as u32;
        self.items.push(item);
        let items = &self.items;
        self.table
            .insert_unique(hash, i, |&i| hash_of(&items[i as usize]));
        i
    }

    /// The item of a number.
    pub fn get(&self, i: u32) -> &T {
        &self.items[i as usize]
    }

    /// All items, by number.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

/// A hash of a node, mixed from everything: a hash that kept neighbours together made long runs in the table for
/// some graphs.
pub fn node_hash(op: Op, attributes: u32, operands: impl Iterator<Item = u32>) -> u64 {
    let kind = mix(u64::from(op.number()) << 32 | u64::from(attributes));
    operands.fold(kind, |hash, operand| mix(hash ^ u64::from(operand)))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
