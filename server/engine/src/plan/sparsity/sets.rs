//! Sets of indices that are made once and shared.

/// A set's number. Elements that hold the same set share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SetId(u32);

/// Bit sets of which only the words that are not zero are kept: 64 indices a word where they stand together, and
/// memory linear in their number where they do not.
pub(super) struct Sets {
    /// Set k holds `words[ends[k - 1]..ends[k]]`; set 0 is empty.
    ends: Vec<usize>,
    /// Positions of the words, ascending, and their bits.
    words: Vec<(u32, u64)>,
    /// A dense set under construction, zero between unions.
    dense: Vec<u64>,
    touched: Vec<u32>,
    /// Words read and written.
    pub work: u64,
}

impl Sets {
    pub const EMPTY: SetId = SetId(0);

    /// No sets of indices below `universe`.
    pub fn new(universe: u32) -> Self {
        Self {
            ends: vec![0],
            words: vec![],
            dense: vec![0; universe.div_ceil(64) as usize],
            touched: vec![],
            work: 0,
        }
    }

    fn words(&self, set: SetId) -> &[(u32, u64)] {
        let k = set.0 as usize;
        match k.checked_sub(1) {
            None => &[],
            Some(before) => &self.words[self.ends[before]..self.ends[k]],
        }
    }

    /// Words that are kept.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    fn close(&mut self) -> SetId {
        self.ends.push(self.words.len());
        SetId((self.ends.len() - 1) as u32)
    }

    /// {i}
    pub fn single(&mut self, i: u32) -> SetId {
        self.words.push((i / 64, 1 << (i % 64)));
        self.close()
    }

    /// Everything that is in any of them.
    pub fn union(&mut self, of: &mut Vec<SetId>) -> SetId {
        of.retain(|&set| set != Self::EMPTY);
        of.dedup();
        if of.len() > 2 {
            of.sort_unstable();
            of.dedup();
        }
        match of[..] {
            [] => return Self::EMPTY,
            [only] => return only,
            _ => {}
        }
        let mut largest = of[0];
        for &set in of.iter() {
            let k = set.0 as usize;
            for &(at, bits) in &self.words[self.ends[k - 1]..self.ends[k]] {
                let word = &mut self.dense[at as usize];
                if *word == 0 {
                    self.touched.push(at);
                }
                *word |= bits;
            }
            self.work += self.words(set).len() as u64;
            if self.words(set).len() > self.words(largest).len() {
                largest = set;
            }
        }
        self.work += self.touched.len() as u64;
        // Often one of them holds the others already.
        let whole = self.words(largest).len() == self.touched.len()
            && (self.words(largest).iter()).all(|&(at, bits)| self.dense[at as usize] == bits);
        if whole {
            for at in self.touched.drain(..) {
                self.dense[at as usize] = 0;
            }
            return largest;
        }
        self.touched.sort_unstable();
        for at in self.touched.drain(..) {
            let bits = std::mem::take(&mut self.dense[at as usize]);
            self.words.push((at, bits));
        }
        self.close()
    }

    /// Number of indices in a set.
    pub fn count(&self, set: SetId) -> u64 {
        let words = self.words(set).iter();
        words.map(|(_, bits)| u64::from(bits.count_ones())).sum()
    }

    /// Calls `f` with each index of a set, ascending.
    pub fn for_each(&self, set: SetId, mut f: impl FnMut(u32)) {
        for &(at, mut bits) in self.words(set) {
            while bits != 0 {
                f(at * 64 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }

    /// Forgets all sets but those named, which get new numbers.
    pub fn keep<'a>(&mut self, named: impl Iterator<Item = &'a mut SetId>) {
        let mut renamed = vec![Self::EMPTY; self.ends.len()];
        let old = std::mem::take(&mut self.words);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        for set in named {
            let k = set.0 as usize;
            if k > 0 && renamed[k] == Self::EMPTY {
                self.words.extend_from_slice(&old[ends[k - 1]..ends[k]]);
                renamed[k] = self.close();
            }
            *set = renamed[k];
        }
        self.work += self.words.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::Sets;

    fn list(sets: &Sets, set: super::SetId) -> Vec<u32> {
        let mut list = vec![];
        sets.for_each(set, |i| list.push(i));
        list
    }

    #[test]
    fn unions_share_and_survive() {
        let mut sets = Sets::new(200);
        let [a, b, c] = [3, 130, 4].map(|i| sets.single(i));
        let ab = sets.union(&mut vec![a, b]);
        assert_eq!(list(&sets, ab), [3, 130]);
        assert_eq!(sets.union(&mut vec![a, Sets::EMPTY, ab]), ab);
        assert_eq!(sets.union(&mut vec![a, a, a]), a);
        assert_eq!(sets.union(&mut vec![]), Sets::EMPTY);
        let mut all = sets.union(&mut vec![ab, c]);
        assert_eq!(list(&sets, all), [3, 4, 130]);
        let mut kept = [Sets::EMPTY, all, all];
        sets.keep(kept.iter_mut().chain(std::iter::once(&mut all)));
        assert_eq!((list(&sets, kept[1]), sets.len()), (vec![3, 4, 130], 2));
        assert_eq!((kept[0], kept[1]), (Sets::EMPTY, all));
    }
}
