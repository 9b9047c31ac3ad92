//! What a case is made of: bytes, read as a head and a record for each node. Where they end, all is 0, so that every
//! byte string is a case, and one with a record less is one with a node less.

use arbitrary::Unstructured;
use gradient_tests::engine::Random;

/// Bytes of the head.
pub const HEAD: usize = 16;

/// Bytes of a record.
pub const RECORD: usize = 8;

/// Choices read from bytes.
pub struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    /// What these bytes say.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// One of 0, 1, … below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        let last = count.saturating_sub(1);
        self.0.int_in_range(0..=last).unwrap_or(0)
    }

    /// One of some.
    pub fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    /// Numbers that follow from the next bytes.
    pub fn random(&mut self) -> Random {
        Random(self.0.arbitrary::<u32>().unwrap_or(0).into())
    }
}

/// Head and records.
pub fn split(bytes: &[u8]) -> (Choices<'_>, impl Iterator<Item = Choices<'_>>) {
    let (head, records) = bytes.split_at(bytes.len().min(HEAD));
    (Choices::new(head), records.chunks(RECORD).map(Choices::new))
}

/// Bytes of a case: a head and some records.
pub fn bytes(random: &mut Random, most: usize) -> Vec<u8> {
    // Small graphs more often than large ones.
    let records = 1 + (random.unit() * random.unit() * most as f64) as usize;
    let length = HEAD + RECORD * records;
    (0..length).map(|_| random.below(256) as u8).collect()
}
