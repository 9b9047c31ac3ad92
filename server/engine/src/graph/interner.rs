use crate::op::{Op, ValueId};
use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Equal things once, numbered in order of appearance.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    items: Vec<T>,
    /// Hashes and numbers: items are not read again when the table grows.
    table: HashTable<(u64, u32)>,
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
    /// Makes room for so many more.
    pub fn reserve(&mut self, items: usize) {
        self.items.reserve(items);
        self.table.reserve(items, |&(own, _)| own);
    }

    /// The item's number; the same for equal items.
    pub fn intern(&mut self, item: T) -> u32 {
        let hash = hash_of(&item);
        let is_same = |&(own, i): &(u64, u32)| own == hash && self.items[i as usize] == item;
        match self.table.entry(hash, is_same, |&(own, _)| own) {
            Entry::Occupied(known) => known.get().1,
            Entry::Vacant(place) => {
                let i = self.items.len() as u32;
                place.insert((hash, i));
                self.items.push(item);
                i
            }
        }
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
/// some graphs. Two operands at a time.
#[inline]
pub fn slice_hash(op: Op, attributes: u32, operands: &[ValueId]) -> u64 {
    let kind = u64::from(op.number()) << 32 | u64::from(attributes);
    let (pairs, rest) = operands.as_chunks();
    let mut hash = kind;
    for &[a, b] in pairs {
        hash = folded(hash, u64::from(a.0) << 32 | u64::from(b.0));
    }
    let rest = rest.first().map_or(u64::MAX, |v| v.0.into());
    mix(folded(hash, rest))
}

/// Both halves of a product of two numbers, which depend on all of their bits.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd1b5_4a32_d192_ed03;
    let product = u128::from(a ^ A) * u128::from(b ^ B);
    (product as u64) ^ (product >> 64) as u64
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
#[inline]
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
