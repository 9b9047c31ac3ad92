//! Calls that were made already. The derivative of a function runs the function's nodes again, and so would every
//! call among them be run again, at each level of a recursion: as many times as it is deep. The results are kept with
//! the arguments instead (functions are pure), and found here. Where not all fit, only results are kept below which
//! at least so many calls would have to be run again; that number doubles until they fit.

use super::column::Column;
use crate::tape::BodyId;
use std::collections::HashMap;
use std::rc::Rc;

/// What an entry takes beside its numbers.
const ENTRY: u64 = 160;

/// Function, lanes and arguments as words.
type Key = Rc<[u64]>;

/// See the module.
#[derive(Default)]
pub struct Memo {
    found: HashMap<Key, Box<[u64]>>,
    /// In the order of their ends.
    order: Vec<Entry>,
    next: u64,
    bytes: u64,
    /// Bytes that may be taken.
    limit: u64,
    /// Calls that take fewer calls to run again are not kept.
    least: u64,
    /// What the calls that ended since the one under way began would take, where they are not kept.
    lost: u64,
}

struct Entry {
    number: u64,
    key: Key,
    /// Frames below the call.
    depth: u32,
    /// Calls that are run again if this one is, itself included.
    calls: u64,
}

/// A moment, to go back to.
#[derive(Clone, Copy)]
pub struct Mark(u64);

/// The key of a call.
pub fn key(body: BodyId, lanes: usize, arguments: &[Column]) -> Vec<u64> {
    let words: usize = arguments.iter().map(Column::words).sum();
    let mut key = Vec::with_capacity(words + 2);
    key.extend([u64::from(body), lanes as u64]);
    arguments.iter().for_each(|a| a.write_words(&mut key));
    key
}

impl Memo {
    /// Takes so many bytes at most.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Bytes that may be taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether there was no call yet.
    pub fn is_new(&self) -> bool {
        (self.next, self.least, self.lost) == (0, 0, 0)
    }

    /// Results of a call, as words.
    pub fn get(&self, key: &[u64]) -> Option<&[u64]> {
        Some(self.found.get(key)?)
    }

    /// A call begins. What it gives is for [`Memo::keep`].
    pub fn begin(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Keeps the results of a call that ended, or not.
    pub fn keep(&mut self, key: Vec<u64>, results: Vec<u64>, depth: u32, begun: u64) {
        let calls = self.lost + 1;
        self.lost = begun + calls;
        let bytes = bytes(&key, &results);
        if calls < self.least || bytes > self.limit / 2 || self.found.contains_key(&key[..]) {
            return;
        }
        if self.bytes + bytes > self.limit {
            self.thin();
            if calls < self.least {
                return;
            }
        }
        self.lost = begun;
        let key: Key = key.into();
        self.order.push(Entry {
            number: self.next,
            key: key.clone(),
            depth,
            calls,
        });
        self.found.insert(key, results.into());
        self.next += 1;
        self.bytes += bytes;
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(self.next)
    }

    /// Forgets what came after a moment: nobody asks for it again.
    pub fn release(&mut self, mark: Mark) {
        while let Some(entry) = self.order.pop_if(|entry| entry.number >= mark.0) {
            self.drop(&entry.key);
        }
    }

    fn drop(&mut self, key: &Key) {
        if let Some(results) = self.found.remove(key) {
            self.bytes -= bytes(key, &results);
        }
    }

    /// Forgets at least half of what is there, evenly.
    fn thin(&mut self) {
        let half = self.limit / 2;
        while self.bytes > half {
            self.least = (2 * self.least).max(2);
            // Calls that are not kept: their depth, and what they take. Who called them comes after them.
            let mut lost: Vec<(u32, u64)> = Vec::new();
            for mut entry in std::mem::take(&mut self.order) {
                while let Some((_, calls)) = lost.pop_if(|(depth, _)| *depth > entry.depth) {
                    entry.calls += calls;
                }
                if entry.calls < self.least {
                    lost.push((entry.depth, entry.calls));
                    self.drop(&entry.key);
                } else {
                    self.order.push(entry);
                }
            }
        }
    }
}

fn bytes(key: &[u64], results: &[u64]) -> u64 {
    (key.len() + results.len()) as u64 * 8 + ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: u64) -> Vec<u64> {
        vec![0, 1, i]
    }

    /// Calls of a chain so long: the innermost ends first.
    fn chain(memo: &mut Memo, length: u64) {
        fn call(memo: &mut Memo, i: u64) {
            let begun = memo.begin();
            if i > 0 {
                call(memo, i - 1);
            }
            memo.keep(number(i), vec![i], 1000 - i as u32, begun);
            assert!(memo.bytes <= memo.limit);
        }
        call(memo, length);
    }

    #[test]
    fn what_is_kept_of_a_chain_is_spread_evenly() {
        let mut memo = Memo::new(10_000);
        chain(&mut memo, 999);
        let kept: Vec<u64> = (0..1000)
            .filter(|&i| memo.get(&number(i)).is_some())
            .collect();
        assert_eq!(kept.len(), memo.found.len());
        assert_eq!(kept.len(), memo.order.len());
        assert!(kept.len() >= 20, "{kept:?}");
        let gaps = kept.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().max() <= Some(2 * memo.least), "{kept:?}");
        assert!(
            memo.least <= 64 && gaps.min() >= Some(memo.least / 2),
            "{kept:?}"
        );
    }

    #[test]
    fn a_scope_ends() {
        let mut memo = Memo::new(10_000);
        memo.keep(number(1), vec![1], 1, 0);
        let mark = memo.mark();
        memo.keep(number(2), vec![2], 1, 0);
        memo.release(mark);
        assert_eq!(memo.get(&number(1)), Some(&[1][..]));
        assert_eq!(memo.get(&number(2)), None);
        memo.release(Mark(0));
        assert_eq!(memo.bytes, 0);
    }
}
