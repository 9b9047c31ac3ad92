//! States of a loop that its pull-back starts again from.

use super::column::Column;
use super::links::Spans;
use crate::execute::memory::Memory;
use crate::tape::Place;
use std::rc::Rc;

/// What goes into a step of a loop.
#[derive(Clone, Debug)]
pub struct State {
    /// Steps done before.
    pub step: u64,
    /// Lanes that still run; `None`: all.
    pub lanes: Option<Rc<Vec<u32>>>,
    /// The carries, for those lanes.
    pub carries: Vec<Column>,
}

/// States, newest last, packed: what a state takes is what it is counted for.
#[derive(Debug)]
pub struct States {
    words: Vec<u64>,
    entries: Vec<Entry>,
    /// Shapes of the carries, taken from the first state.
    like: Vec<Column>,
}

#[derive(Debug)]
struct Entry {
    step: u64,
    begin: usize,
    /// Number of lanes of its own.
    count: usize,
    lanes: Option<Rc<Vec<u32>>>,
}

impl States {
    /// None yet.
    pub fn new() -> Self {
        Self {
            words: Vec::new(),
            entries: Vec::new(),
            like: Vec::new(),
        }
    }

    /// Bytes that one state like this takes.
    pub fn bytes_of(state: &State) -> u64 {
        let words: usize = state.carries.iter().map(Column::words).sum();
        (words * 8 + size_of::<Entry>()) as u64
    }

    /// Makes room for so many states like this, and no more than that.
    pub fn reserve(&mut self, state: &State, count: u64) {
        let words: usize = state.carries.iter().map(Column::words).sum();
        self.words.reserve_exact(words * count as usize);
        self.entries.reserve_exact(count as usize);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a state, later than all others.
    pub fn push(&mut self, state: &State, lanes: usize) {
        if self.like.is_empty() {
            self.like = state.carries.clone();
        }
        self.entries.push(Entry {
            step: state.step,
            begin: self.words.len(),
            count: state.lanes.as_ref().map_or(lanes, |l| l.len()),
            lanes: state.lanes.clone(),
        });
        for carry in &state.carries {
            carry.write_words(&mut self.words);
        }
    }

    /// Adds a state that stands in places, every lane running, later than all others. `like`: one of its shape.
    pub fn push_places(&mut self, step: u64, like: &State, places: &Spans<'_>) {
        if self.like.is_empty() {
            self.like = like.carries.clone();
        }
        self.entries.push(Entry {
            step,
            begin: self.words.len(),
            count: places.lanes(),
            lanes: None,
        });
        places.read(&mut self.words);
    }

    /// Adds so many states like one, every lane running, later than all others; their words are to be written.
    pub fn push_all(&mut self, step: u64, count: usize, like: &State, lanes: usize) -> &mut [u64] {
        if self.like.is_empty() {
            self.like = like.carries.clone();
        }
        let each: usize = like.carries.iter().map(Column::words).sum();
        let begin = self.words.len();
        self.words.resize(begin + count * each, 0);
        self.entries.extend((0..count).map(|k| Entry {
            step: step + k as u64,
            begin: begin + k * each,
            count: lanes,
            lanes: None,
        }));
        &mut self.words[begin..]
    }

    /// Words of a state that is not the last one.
    pub fn each(&self, i: usize) -> usize {
        let begin = |i: usize| self.entries.get(i).map_or(self.words.len(), |e| e.begin);
        begin(i + 1) - begin(i)
    }

    /// Writes a state into places.
    pub fn restore(&self, i: usize, memory: Memory<'_>, places: &[Option<Place>]) {
        let words = self.words(i);
        for (begin, count, place) in self.parts(places) {
            memory.write_words(place, &words[begin..begin + count]);
        }
    }

    /// For each carry that has a place, where its words begin in a state in which every lane runs, and how many
    /// there are.
    pub fn parts<'p>(
        &'p self,
        places: &'p [Option<Place>],
    ) -> impl Iterator<Item = (usize, usize, Place)> + 'p {
        let mut at = 0;
        let parts = self.like.iter().zip(places).map(move |(like, place)| {
            let begin = at;
            at += like.words();
            place.map(|place| (begin, like.words(), place))
        });
        parts.flatten()
    }

    /// A state's words, and those of later ones.
    pub fn words(&self, i: usize) -> &[u64] {
        &self.words[self.entries[i].begin..]
    }

    /// Whether the states before each of so many steps are there, every lane running.
    pub fn are_all(&self, steps: u64) -> bool {
        let mut entries = (0..).zip(&self.entries);
        self.entries.len() as u64 == steps
            && entries.all(|(i, entry)| entry.step == i && entry.lanes.is_none())
    }

    /// Whether every lane runs in a state.
    pub fn is_whole(&self, i: usize) -> bool {
        self.entries[i].lanes.is_none()
    }

    /// Steps done before the state.
    pub fn step(&self, i: usize) -> u64 {
        self.entries[i].step
    }

    /// A state.
    pub fn get(&self, i: usize) -> State {
        let entry = &self.entries[i];
        let mut at = entry.begin;
        let read = |like: &Column| {
            let carry = like.read_words(&self.words[at..], entry.count);
            at += carry.words();
            carry
        };
        State {
            step: entry.step,
            lanes: entry.lanes.clone(),
            carries: self.like.iter().map(read).collect(),
        }
    }

    /// Drops the newest.
    pub fn pop(&mut self) {
        if let Some(entry) = self.entries.pop() {
            self.words.truncate(entry.begin);
        }
    }

    /// Drops every second state, so that what is left is twice as far apart.
    pub fn thin(&mut self) {
        let mut words = 0;
        let mut kept = 0;
        for i in 0..self.entries.len() {
            let end = match self.entries.get(i + 1) {
                Some(next) => next.begin,
                None => self.words.len(),
            };
            if i % 2 == 1 {
                continue;
            }
            let begin = self.entries[i].begin;
            self.words.copy_within(begin..end, words);
            self.entries.swap(kept, i);
            self.entries[kept].begin = words;
            words += end - begin;
            kept += 1;
        }
        self.words.truncate(words);
        self.entries.truncate(kept);
    }
}

/// Steps from the newest state to the next one to keep, when so many steps are to be reversed and so many states
/// can still be kept: binomial checkpointing (Griewank, Walther, "Algorithm 799: revolve", 2000).
pub fn advance(steps: u64, free: u64) -> u64 {
    if free + 1 >= steps {
        return 1;
    }
    // The fewest repetitions r with which free + 1 states (the newest among them) reverse so many steps.
    let mut r = 1;
    while binomial(free + 1 + r, r) < steps {
        r += 1;
    }
    // What comes after may take r repetitions and one state less, what comes before one repetition less; and
    // neither is to be so short that the other has to make up for it.
    let after = binomial(free + r, r);
    let before = if r < 2 {
        0
    } else {
        binomial(free + r - 1, r - 2)
    };
    steps.saturating_sub(after).max(before).max(1)
}

/// C(n, k), saturating.
fn binomial(n: u64, k: u64) -> u64 {
    let k = k.min(n - k);
    let mut product = 1u128;
    for i in 0..u128::from(k) {
        product = product * (u128::from(n) - i) / (i + 1);
        if product > u128::from(u64::MAX) {
            return u64::MAX;
        }
    }
    product as u64
}

/// Steps that are run again when `steps` are reversed with so many states, the first included: r l - C(s + r, r - 1)
/// with the fewest repetitions r that do (Griewank and Walther).
pub fn repeated(steps: u64, states: u64) -> u64 {
    let mut r = 0;
    while binomial(states + r, r) < steps {
        r += 1;
    }
    let saved = if r == 0 {
        0
    } else {
        binomial(states + r, r - 1)
    };
    (r * steps).saturating_sub(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, counted as the pull-back does it.
    fn counted(steps: u64, free: u64) -> u64 {
        let mut kept = vec![0];
        let (mut end, mut run) = (steps, 0);
        while let Some(&top) = kept.last() {
            let left = end - top;
            let room = free + 1 - kept.len() as u64;
            if left == 1 {
                end -= 1;
                kept.pop();
            } else if room == 0 {
                run += left - 1;
                end -= 1;
            } else {
                let by = advance(left, room);
                run += by;
                kept.push(top + by);
            }
        }
        assert_eq!(end, 0);
        run
    }

    #[test]
    fn checkpoints_are_as_few_and_as_good_as_can_be() {
        for free in [0, 1, 2, 3, 7, 20] {
            for steps in [2, 3, 5, 10, 57, 300, 1000] {
                assert_eq!(
                    counted(steps, free),
                    repeated(steps, free + 1),
                    "{steps} steps, {free} states beside the first"
                );
            }
        }
    }
}
