//! Steps of a loop that are machine code from the first to the last: which numbers go in and come out, and where they are.

use crate::error::Error;
use crate::execute::interpret::Sections;
use crate::execute::memory::Memory;
use crate::execute::stop::Ticker;
use crate::tape::Place;
use crate::tape::native::{MAX_MOVES, Move, Moves, Way};
use crate::tensor::DType;
use smallvec::SmallVec;

/// What moves in a step, as it is put together.
pub(super) struct Plan {
    moves: Moves,
    /// Numbers that are moved.
    count: usize,
    /// Whether all are numbers, few enough, and there is one lane. If not, nothing more is written down.
    fits: bool,
}

impl Plan {
    pub fn new(memory: Memory<'_>) -> Self {
        Self {
            moves: Moves::default(),
            count: 0,
            fits: memory.lanes == 1,
        }
    }

    /// Numbers of places at a cursor, each so many numbers from it on.
    fn at_cursor(&mut self, way: Way, places: impl Iterator<Item = (usize, Place)>) -> Vec<Move> {
        let cursor = self.moves.cursors;
        self.moves.cursors += 1;
        let mut moves = Vec::new();
        for (offset, place) in places {
            if !self.takes(place) {
                break;
            }
            moves.extend((0..place.elements as usize).map(|e| Move {
                way,
                cursor,
                offset: offset + e,
                slot: place.slot.plus(e),
            }));
        }
        moves
    }

    /// Whether a place's numbers may be moved, too.
    fn takes(&mut self, place: Place) -> bool {
        self.count += place.elements as usize;
        self.fits &= place.dtype == DType::F64 && self.count <= MAX_MOVES;
        self.fits
    }

    /// Before the step: what a cursor has goes to places, or what is in them to where the cursor is.
    pub fn before(&mut self, way: Way, places: impl Iterator<Item = (usize, Place)>) {
        let moves = self.at_cursor(way, places);
        self.moves.before.extend(moves);
    }

    /// After the step.
    pub fn after(&mut self, way: Way, place: Option<Place>) {
        self.fits &= place.is_some();
        let moves = self.at_cursor(way, place.map(|place| (0, place)).into_iter());
        self.moves.after.extend(moves);
    }

    /// For the next step.
    pub fn link(&mut self, from: Place, to: Place) {
        self.fits &= from.dtype == to.dtype && from.elements == to.elements;
        if !self.takes(to) {
            return;
        }
        let each = 0..to.elements as usize;
        let links = each.map(|e| (from.slot.plus(e), to.slot.plus(e)));
        self.moves.links.extend(links);
    }

    /// Whether what was planned consists of numbers in places of their own.
    pub fn all_are_numbers(&mut self, are: bool) {
        self.fits &= are;
    }

    /// All of it, if it can be machine code.
    pub fn moves(self) -> Option<Moves> {
        self.fits.then_some(self.moves)
    }
}

/// Places one after the other at a cursor.
pub(super) fn in_a_row(places: &[Place]) -> impl Iterator<Item = (usize, Place)> {
    places.iter().scan(0, |at, &place| {
        let offset = *at;
        *at += place.elements as usize;
        Some((offset, place))
    })
}

/// Where the cursors of some steps are, and by how many bytes they go on.
#[derive(Default)]
pub(super) struct Cursors {
    at: SmallVec<[usize; 16]>,
    by: SmallVec<[usize; 8]>,
}

impl Cursors {
    pub fn add<T>(&mut self, at: *const T, by: isize) {
        self.at.push(at.expose_provenance());
        self.by.push((by * size_of::<T>() as isize).cast_unsigned());
    }

    /// Runs so many steps, at which the cursors are.
    pub fn run(
        mut self,
        sections: &Sections<'_, '_>,
        steps: usize,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        ticker.machine.counts.at_once += steps as u64;
        self.at.extend_from_slice(&self.by);
        sections.run_steps(&mut self.at, steps, ticker)
    }
}

/// The way from one step of a sequence to the next, in numbers.
pub(super) fn stride(first: usize, last: usize, each: usize) -> isize {
    let each = each as isize;
    match first.cmp(&last) {
        std::cmp::Ordering::Less => each,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Greater => -each,
    }
}
