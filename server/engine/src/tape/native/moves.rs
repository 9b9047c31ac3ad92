//! What goes into the steps of a loop and comes out of them, where all steps are machine code.

use super::{Bases, is_there};
use crate::tape::{Slot, Tape};

/// A number that a step of a loop takes from where a cursor is, or leaves there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// Which one does.
    pub way: Way,
    /// The number of the cursor.
    pub cursor: usize,
    /// So many numbers from it on.
    pub offset: usize,
    /// The tape's own place.
    pub slot: Slot,
}

/// Ways in and out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The step takes it.
    In,
    /// It is left.
    Out,
    /// It is added to what is there.
    Sum,
}

/// Numbers that are moved in a step at most: of more, moving them one by one takes too long.
pub const MAX_MOVES: usize = 128;

/// What goes into a step of a loop and comes out of it, number by number, [`MAX_MOVES`] at most.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Moves {
    /// Before the body runs.
    pub before: Vec<Move>,
    /// Afterwards.
    pub after: Vec<Move>,
    /// What the next step finds in other places: from here to there, all at once.
    pub links: Vec<(Slot, Slot)>,
    /// How many cursors there are.
    pub cursors: usize,
}

/// The machine code of a loop's steps.
#[derive(Debug)]
pub struct Steps {
    #[cfg(all(target_arch = "x86_64", unix))]
    bytes: memmap2::Mmap,
    #[cfg(all(target_arch = "x86_64", unix))]
    entry: usize,
    moves: Moves,
}

impl Steps {
    /// Runs so many steps, more than none.
    ///
    /// # Safety
    /// The bases are those of the memory lent for this tape with one lane. `cursors` has an address for each of the
    /// [`Moves`] that the code was asked for by, then for each the bytes that it goes on by from step to step; at each of
    /// the steps there are as many numbers as the moves take and leave, which nobody else uses meanwhile.
    pub unsafe fn run(&self, bases: Bases, cursors: &mut [usize], steps: usize) {
        debug_assert_eq!(
            cursors.len(),
            2 * self.moves.cursors,
            "an address and a way each"
        );
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            type Entry = unsafe extern "sysv64" fn(
                *mut f64,
                *mut f64,
                *mut bool,
                *mut bool,
                *mut usize,
                usize,
            );
            let ([uniform, varying], [uniform_bool, varying_bool]) = (bases.f64, bases.bool);
            let cursors = cursors.as_mut_ptr();
            // SAFETY: `entry` was set by `translate` to the beginning of a function of this type in `bytes`, which are
            // executable and live as long as `self`. It touches slots of the tape, and what the cursors come to.
            unsafe {
                let code = self.bytes.as_ptr().add(self.entry);
                let code = std::mem::transmute::<*const u8, Entry>(code);
                code(uniform, varying, uniform_bool, varying_bool, cursors, steps);
            }
        }
        #[cfg(not(all(target_arch = "x86_64", unix)))]
        let _ = (bases, cursors, steps);
    }
}

impl Tape {
    /// The code of steps of the loop whose body this is, if there is some, or is to be made and all of it can be code. A body
    /// has the code of the loop that asks first.
    pub fn native_steps(&self, moves: &Moves, make: bool) -> Option<&Steps> {
        let made = || self.within_bytes(|most| Steps::of(self, moves, most));
        let steps = match make && is_there() {
            true => self.native.steps.get_or_init(made),
            false => self.native.steps.get()?,
        };
        steps.as_ref().filter(|steps| steps.moves == *moves)
    }
}

impl Steps {
    #[cfg(all(target_arch = "x86_64", unix))]
    fn of(tape: &Tape, moves: &Moves, most: usize) -> Option<(Self, usize)> {
        let (bytes, entry) = super::steps::translate(tape, moves, most)?;
        let steps = Self {
            bytes: super::executable(&bytes)?,
            entry,
            moves: moves.clone(),
        };
        Some((steps, bytes.len()))
    }

    #[cfg(not(all(target_arch = "x86_64", unix)))]
    fn of(_: &Tape, _: &Moves, _: usize) -> Option<(Self, usize)> {
        None
    }
}
