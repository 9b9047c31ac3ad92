//! Threads that share a large computation.

use std::sync::{Mutex, PoisonError};

/// Threads that have nothing else to do, with the one that asks.
pub trait Team: Sync {
    /// Calls `work` on all of them at the same time, with a number for each: the one that asks is 0. Others may come late, or
    /// not at all.
    fn all(&self, work: &(dyn Fn(usize) + Sync));

    /// Those that help are wanted elsewhere.
    fn are_wanted(&self) -> bool;
}

/// Nobody helps.
pub struct Alone;

impl Team for Alone {
    fn all(&self, work: &(dyn Fn(usize) + Sync)) {
        work(0);
    }

    fn are_wanted(&self) -> bool {
        false
    }
}

/// Does pieces of work, each by whoever has nothing to do. Nothing may depend on who does which.
pub(super) fn share<T: Send>(
    team: &dyn Team,
    pieces: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let pieces = Mutex::new(pieces);
    // Whoever panicked has taken its piece.
    let next = || {
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.next()
    };
    team.all(&|hand| {
        while hand == 0 || !team.are_wanted() {
            match next() {
                Some(piece) => work(piece),
                None => break,
            }
        }
    });
}
