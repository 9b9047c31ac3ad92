//! What every step of a loop moves, looked up once: numbers straight from cell to cell, all else by its place.

use super::column::Column;
use super::states::States;
use super::steady::Words;
use crate::execute::memory::Memory;
use crate::tape::Place;
use crate::tensor::DType;
use std::cell::Cell;

/// The cells of a place that holds numbers (f64).
fn numbers<'m>(memory: Memory<'m>, place: Place) -> Option<&'m [Cell<f64>]> {
    (place.dtype == DType::F64).then(|| memory.at::<f64>(place))
}

/// Places copied into others, all at once.
pub(super) struct Copies<'m> {
    memory: Memory<'m>,
    links: Vec<(Place, Place)>,
    /// The same as cells, if all are numbers.
    cells: Option<Vec<(&'m Cell<f64>, &'m Cell<f64>)>>,
    held: Vec<f64>,
    words: Words,
}

impl<'m> Copies<'m> {
    pub fn new(memory: Memory<'m>, links: Vec<(Place, Place)>) -> Self {
        let mut cells = Some(Vec::new());
        for &(from, to) in &links {
            let both = numbers(memory, from).zip(numbers(memory, to));
            let same = both.filter(|(from, to)| from.len() == to.len());
            match (&mut cells, same) {
                (Some(all), Some((from, to))) => all.extend(from.iter().zip(to)),
                _ => cells = None,
            }
        }
        Self {
            memory,
            links,
            cells,
            held: Vec::new(),
            words: Words::default(),
        }
    }

    pub fn run(&mut self) {
        match self.cells.as_deref() {
            None => self.words.copy(self.memory, &self.links),
            Some([(from, to)]) => to.set(from.get()),
            Some(cells) => {
                self.held.clear();
                self.held.extend(cells.iter().map(|(from, _)| from.get()));
                for ((_, to), &x) in cells.iter().zip(&self.held) {
                    to.set(x);
                }
            }
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

    pub fn run(&self, memory: Memory<'_>, index: usize) {
        let Some((from, to)) = self.cells else {
            return self.column.store_step(index, memory, self.place);
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

    /// Takes a step of a sequence.
    pub fn step(&mut self, memory: Memory<'_>, index: usize) {
        match (self.cells, self.column.numbers_mut()) {
            (Some([from]), Some(to)) => to[index] = from.get(),
            (Some(from), Some(to)) => {
                let to = &mut to[index * from.len()..][..from.len()];
                to.iter_mut().zip(from).for_each(|(x, c)| *x = c.get());
            }
            _ => self.column.load_step(index, memory, self.place),
        }
    }

    /// Adds what is there.
    pub fn add(&mut self, memory: Memory<'_>) {
        match (self.cells, self.column.numbers_mut()) {
            (Some([from]), Some([to])) => *to += from.get(),
            (Some(from), Some(to)) => to.iter_mut().zip(from).for_each(|(x, c)| *x += c.get()),
            _ => {
                self.spare.load(memory, self.place);
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
    /// Where in a state's words each cell's number is, if all are numbers.
    cells: Option<Vec<(usize, &'m Cell<f64>)>>,
}

impl<'m> Restore<'m> {
    pub fn new(memory: Memory<'m>, states: &'m States, places: &'m [Option<Place>]) -> Self {
        let mut cells = Some(Vec::new());
        for (begin, count, place) in states.parts(places) {
            let found = numbers(memory, place).filter(|cells| cells.len() == count);
            match (&mut cells, found) {
                (Some(all), Some(found)) => all.extend((begin..).zip(found)),
                _ => cells = None,
            }
        }
        Self {
            states,
            places,
            cells,
        }
    }

    pub fn run(&self, memory: Memory<'_>, i: usize) {
        let Some(cells) = &self.cells else {
            return self.states.restore(i, memory, self.places);
        };
        let words = self.states.words(i);
        for &(at, cell) in cells {
            cell.set(f64::from_bits(words[at]));
        }
    }
}
