//! Threads that evaluations lend each other: those of evaluations that are not there help the ones that are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads compute, and how many of them have something to do. Shared by all evaluations of a process.
///
/// Large evaluations ask again and again for threads to help them, for a step or a batch at a time, and get only those
/// that nobody else wants: an evaluation that begins or waits meanwhile has its thread at the next step.
#[derive(Debug)]
pub struct Crew {
    threads: usize,
    taken: AtomicUsize,
}

impl Crew {
    /// So many threads compute.
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            threads,
            taken: AtomicUsize::new(0),
        })
    }

    /// Threads that have nothing to do.
    pub fn idle(&self) -> usize {
        let taken = self.taken.load(Ordering::Relaxed);
        self.threads.saturating_sub(taken)
    }

    /// An evaluation has a thread of its own, or waits for one, until this is dropped.
    pub fn join(self: &Arc<Self>) -> Hands {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Hands {
            crew: Some(self.clone()),
            count: 1,
        }
    }

    /// Threads that have nothing to do, so many at most, until this is dropped.
    fn lend(self: &Arc<Self>, most: usize) -> Hands {
        let mut count = 0;
        let lent = |taken: usize| {
            count = self.threads.saturating_sub(taken).min(most);
            (count > 0).then_some(taken + count)
        };
        let any = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, lent);
        match any {
            Ok(_) => Hands {
                crew: Some(self.clone()),
                count,
            },
            Err(_) => Hands::default(),
        }
    }
}

/// Threads that are taken.
#[derive(Default, Debug)]
pub struct Hands {
    crew: Option<Arc<Crew>>,
    count: usize,
}

impl Hands {
    /// Threads of a crew, if there is one, that have nothing to do: so many at most.
    pub(super) fn of(crew: Option<&Arc<Crew>>, most: usize) -> Self {
        crew.map_or_else(Self::default, |crew| crew.lend(most))
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        if let Some(crew) = &self.crew {
            crew.taken.fetch_sub(self.count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_has() {
        let crew = Crew::new(4);
        let first = crew.join();
        let lent = Hands::of(Some(&crew), 2);
        assert_eq!(lent.count(), 2);
        assert_eq!(Hands::of(Some(&crew), 2).count(), 1);
        let second = crew.join();
        let third = crew.join();
        assert_eq!(Hands::of(Some(&crew), 9).count(), 0);
        drop(lent);
        assert_eq!(Hands::of(Some(&crew), 9).count(), 1);
        drop((first, second, third));
        assert_eq!(Hands::of(Some(&crew), 9).count(), 4);
        assert_eq!(Hands::of(None, 9).count(), 0);
    }
}
