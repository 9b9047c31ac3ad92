//! What every step of a loop moves, looked up once: numbers straight from cell to cell, all else by its place.

use super::column::Column;
use super::cursors::{Cursors, Plan, in_a_row, stride};
use super::states::States;
use super::steady::Words;
use crate::execute::memory::Memory;
use crate::tape::Place;
use crate::tape::native::Way;
use crate::tensor::DType;
use smallvec::SmallVec;
use std::cell::Cell;

/// The cells of a place that holds numbers (f64).
fn numbers<'m>(memory: Memory<'m>, place: Place) -> Option<&'m [Cell<f64>]> {
    (place.dtype == DType::F64).then(|| memory.at::<f64>(place))
}

/// Places that are read as words again and again.
pub(super) struct Spans<'m> {
    memory: Memory<'m>,
    places: &'m [Place],
    /// The same as cells, if all are numbers.
    cells: Option<Few<Numbers<'m>>>,
}

impl<'m> Spans<'m> {
    pub fn new(memory: Memory<'m>, places: &'m [Place]) -> Self {
        let cells = places.iter().map(|&place| numbers(memory, place));
        Self {
            memory,
            places,
            cells: cells.collect(),
        }
    }

    pub fn lanes(&self) -> usize {
        self.memory.lanes
    }

    /// Plans that a cursor takes them before each step.
    pub fn plan(&self, plan: &mut Plan) {
        plan.before(Way::Out, in_a_row(self.places));
    }

    /// Appends their words.
    pub fn read(&self, words: &mut Vec<u64>) {
        let Some(cells) = &self.cells else {
            let places = self.places.iter();
            return places.for_each(|&place| self.memory.read_words(place, words));
        };
        for cells in cells {
            match cells {
                // What most loops carry.
                [one] => words.push(one.get().to_bits()),
                all => words.extend(all.iter().map(|c| c.get().to_bits())),
            }
        }
    }
}

type Few<T> = SmallVec<[T; 8]>;

/// The cells of a place that holds numbers.
type Numbers<'m> = &'m [Cell<f64>];

/// Places copied into others, all at once.
pub(super) struct Copies<'m> {
    memory: Memory<'m>,
    links: Vec<(Place, Place)>,
    /// The same as cells, if all are numbers.
    cells: Option<Few<(Numbers<'m>, Numbers<'m>)>>,
    /// Whether no place is read that is written.
    apart: bool,
    held: Vec<f64>,
    words: Words,
}

impl<'m> Copies<'m> {
    pub fn new(memory: Memory<'m>, links: Vec<(Place, Place)>) -> Self {
        let cells = links.iter().map(|&(from, to)| {
            let both = numbers(memory, from).zip(numbers(memory, to));
            both.filter(|(from, to)| from.len() == to.len())
        });
        let cells: Option<Few<_>> = cells.collect();
        let meet = |a: &[Cell<f64>], b: &[Cell<f64>]| {
            let (a, b) = (a.as_ptr_range(), b.as_ptr_range());
            a.start < b.end && b.start < a.end
        };
        let is_apart = |all: &Few<(Numbers<'m>, Numbers<'m>)>| {
            let mut read = all.iter().map(|(from, _)| from);
            read.all(|from| all.iter().all(|(_, to)| !meet(from, to)))
        };
        Self {
            memory,
            links,
            apart: cells.as_ref().is_some_and(is_apart),
            cells,
            held: Vec::new(),
            words: Words::default(),
        }
    }

    /// Plans them for after each step.
    pub fn plan(&self, plan: &mut Plan) {
        self.links
            .iter()
            .for_each(|&(from, to)| plan.link(from, to));
    }

    pub fn run(&mut self) {
        let Some(cells) = &self.cells else {
            return self.words.copy(self.memory, &self.links);
        };
        if self.apart {
            for (from, to) in cells {
                match (from, to) {
                    // A call of memcpy would take longer.
                    ([from], [to]) => to.set(from.get()),
                    _ => to
                        .iter()
                        .zip(*from)
                        .for_each(|(to, from)| to.set(from.get())),
                }
            }
            return;
        }
        self.held.clear();
        for (from, _) in cells {
            self.held.extend(from.iter().map(Cell::get));
        }
        let mut held = &self.held[..];
        for (_, to) in cells {
            let (own, rest) = held.split_at(to.len());
            to.iter().zip(own).for_each(|(to, &x)| to.set(x));
            held = rest;
        }
    }
}

/// A sequence, a step of which is written into a place.
pub(super) struct Feed<'m> {
    column: &'m Column,
    place: Place,
    cells: Option<(&'m [f64], &'m [Cell<f64>])>,
}

impl<'m> Feed<'m> {
    pub fn new(memory: Memory<'m>, column: &'m Column, place: Place) -> Self {
        let each = place.elements as usize * memory.lanes_of(place.slot);
        let alike = place.elements as usize * column.lanes() == each;
        let cells = column.numbers().zip(numbers(memory, place));
        Self {
            column,
            place,
            cells: cells.filter(|_| alike),
        }
    }

    /// Plans it for before each step.
    pub fn plan(&self, plan: &mut Plan) {
        let place = self.cells.map(|_| (0, self.place));
        plan.before(Way::In, place.into_iter());
        plan.all_are_numbers(self.cells.is_some());
    }

    /// Where steps are that are at so many places in the sequence.
    pub fn point(&self, cursors: &mut Cursors, first: usize, last: usize) {
        if let Some((from, to)) = self.cells {
            let each = to.len();
            let at = from[first * each..].as_ptr();
            cursors.add(at, stride(first, last, each));
        }
    }

    pub fn run(&self, memory: &Memory<'_>, index: usize) {
        let Some((from, to)) = self.cells else {
            return self.column.store_step(index, *memory, self.place);
        };
        match to {
            // A call of memcpy would take longer.
            [to] => to.set(from[index]),
            _ => {
                let from = &from[index * to.len()..][..to.len()];
                to.iter().zip(from).for_each(|(c, &x)| c.set(x));
            }
        }
    }
}

/// A column that takes from a place: a step of it, or a sum.
pub(super) struct Drain<'m> {
    column: &'m mut Column,
    place: Place,
    cells: Option<&'m [Cell<f64>]>,
    spare: Column,
}

impl<'m> Drain<'m> {
    pub fn new(memory: Memory<'m>, column: &'m mut Column, place: Place) -> Self {
        let alike = memory.lanes_of(place.slot) == column.lanes();
        let cells = numbers(memory, place).filter(|_| alike && column.numbers().is_some());
        Self {
            column,
            place,
            cells,
            spare: Column::empty(),
        }
    }

    /// Plans for after each step that it takes one of a sequence, or adds.
    pub fn plan(&self, plan: &mut Plan, way: Way) {
        plan.after(way, self.cells.map(|_| self.place));
    }

    /// Where steps are that are at so many places in the sequence.
    pub fn point(&mut self, cursors: &mut Cursors, first: usize, last: usize) {
        if let (Some(from), Some(to)) = (self.cells, self.column.numbers_mut()) {
            let each = from.len();
            let at = to[first * each..].as_mut_ptr();
            cursors.add(at, stride(first, last, each));
        }
    }

    /// Takes a step of a sequence.
    pub fn step(&mut self, memory: &Memory<'_>, index: usize) {
        match (self.cells, self.column.numbers_mut()) {
            (Some([from]), Some(to)) => to[index] = from.get(),
            (Some(from), Some(to)) => {
                let to = &mut to[index * from.len()..][..from.len()];
                to.iter_mut().zip(from).for_each(|(x, c)| *x = c.get());
            }
            _ => self.column.load_step(index, *memory, self.place),
        }
    }

    /// Adds what is there.
    pub fn add(&mut self, memory: &Memory<'_>) {
        match (self.cells, self.column.numbers_mut()) {
            (Some([from]), Some([to])) => *to += from.get(),
            (Some(from), Some(to)) => to.iter_mut().zip(from).for_each(|(x, c)| *x += c.get()),
            _ => {
                self.spare.load(*memory, self.place);
                self.column.add(None, &self.spare);
            }
        }
    }
}

/// One for each column, from its root.
pub(super) fn drains<'m>(
    memory: Memory<'m>,
    columns: &'m mut [Column],
    roots: &[Place],
) -> Vec<Drain<'m>> {
    let each = columns.iter_mut().zip(roots);
    each.map(|(column, &root)| Drain::new(memory, column, root))
        .collect()
}

/// States that are written into places.
pub(super) struct Restore<'m> {
    states: &'m States,
    places: &'m [Option<Place>],
    /// Where in a state's words each place's numbers begin, if all are numbers.
    cells: Option<Few<(usize, Numbers<'m>)>>,
}

impl<'m> Restore<'m> {
    pub fn new(memory: Memory<'m>, states: &'m States, places: &'m [Option<Place>]) -> Self {
        let cells = states.parts(places).map(|(begin, count, place)| {
            let found = numbers(memory, place).filter(|cells| cells.len() == count);
            found.map(|cells| (begin, cells))
        });
        Self {
            states,
            places,
            cells: cells.collect(),
        }
    }

    pub fn run(&self, memory: &Memory<'_>, i: usize) {
        let Some(cells) = &self.cells else {
            return self.states.restore(i, *memory, self.places);
        };
        let words = self.states.words(i);
        for (begin, cells) in cells {
            match cells {
                [one] => one.set(f64::from_bits(words[*begin])),
                all => {
                    let words = &words[*begin..][..all.len()];
                    let pairs = all.iter().zip(words);
                    pairs.for_each(|(cell, &word)| cell.set(f64::from_bits(word)));
                }
            }
        }
    }

    /// Plans them for before each step.
    pub fn plan(&self, plan: &mut Plan) {
        let parts = self.states.parts(self.places);
        plan.before(Way::In, parts.map(|(begin, _, place)| (begin, place)));
        plan.all_are_numbers(self.cells.is_some());
    }

    /// Where the steps from one back to another one begin.
    pub fn point(&self, cursors: &mut Cursors, first: usize, last: usize) {
        let each = self.states.each(first);
        cursors.add(self.states.words(first).as_ptr(), stride(first, last, each));
    }
}
