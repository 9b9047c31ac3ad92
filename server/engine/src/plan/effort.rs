//! How much was found out about structures: what is found once must not be found again.

use std::cell::Cell;

/// What a thread has found since it began.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Effort {
    /// Patterns that were propagated.
    pub patterns: u64,
    /// Colourings that were made.
    pub colorings: u64,
}

thread_local! {
    static DONE: Cell<Effort> = const { Cell::new(Effort { patterns: 0, colorings: 0 }) };
}

/// What this thread has found since it began.
pub fn effort() -> Effort {
    DONE.get()
}

pub(super) fn count(what: impl FnOnce(&mut Effort)) {
    let mut done = DONE.get();
    what(&mut done);
    DONE.set(done);
}
