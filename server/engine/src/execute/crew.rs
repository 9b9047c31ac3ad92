//! Threads that evaluations lend each other: those of evaluations that are not there help the ones that are.

use crate::op::Team;
use std::any::Any;
use std::hint::spin_loop;
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

/// How often one who is done looks whether the others are, some twenty microseconds in all: to sleep and be woken takes
/// as long, and the others' last pieces of work seldom do.
const LOOKS: usize = 1 << 10;

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

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
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

    /// Somebody else wants these threads.
    pub(super) fn are_wanted(&self) -> bool {
        let crew = self.crew.as_ref();
        crew.is_some_and(|crew| crew.taken.load(Ordering::Relaxed) > crew.threads)
    }

    /// Calls `work` on this thread (as number 0) and on each of these that comes before this one is done, all at the same
    /// time.
    pub(super) fn all(&self, work: &(dyn Fn(usize) + Sync)) {
        if self.count == 0 {
            return work(0);
        }
        // SAFETY: nobody calls it once `Call::end` has returned, which is before this function does, also if it panics.
        let work = unsafe { transmute::<Work<'_>, Work<'static>>(work) };
        let call = Arc::new(Call {
            work,
            inside: AtomicUsize::new(0),
            caller: thread::current(),
            panicked: Mutex::new(None),
        });
        for hand in 1..=self.count {
            let call = call.clone();
            rayon::spawn(move || call.enter(hand));
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        call.end();
        let mut panicked = call.panicked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(panicked) = own.err().or_else(|| panicked.take()) {
            resume_unwind(panicked);
        }
    }
}

type Work<'a> = &'a (dyn Fn(usize) + Sync);

/// Work that threads may enter until it ends. Whoever comes later leaves at once: nobody waits for threads that do not
/// come, because others keep the processor.
struct Call {
    work: Work<'static>,
    /// How many are at work, and [`ENDED`].
    inside: AtomicUsize,
    caller: Thread,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Nobody may enter.
const ENDED: usize = 1 << (usize::BITS - 1);

impl Call {
    fn enter(&self, hand: usize) {
        let one_more = |inside: usize| (inside & ENDED == 0).then_some(inside + 1);
        let entered = self
            .inside
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more);
        if entered.is_err() {
            return;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.work)(hand))) {
            *self.panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        if self.inside.fetch_sub(1, Ordering::Release) == ENDED + 1 {
            self.caller.unpark();
        }
    }

    /// Lets nobody in any more, and waits for those inside.
    fn end(&self) {
        self.inside.fetch_or(ENDED, Ordering::Relaxed);
        let mut looks = 0;
        while self.inside.load(Ordering::Acquire) != ENDED {
            looks += 1;
            match looks < LOOKS {
                true => spin_loop(),
                false => thread::park(),
            }
        }
    }
}

impl Team for Hands {
    fn all(&self, work: &(dyn Fn(usize) + Sync)) {
        Hands::all(self, work);
    }

    fn are_wanted(&self) -> bool {
        Hands::are_wanted(self)
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
    fn all_work_and_leave_when_they_are_wanted() {
        // As many as there are.
        let most = rayon::current_num_threads().min(2);
        let crew = Crew::new(1 + most);
        let _own = crew.join();
        let hands = Hands::of(Some(&crew), 9);
        for _ in 0..100 {
            // All of them take part where the work goes on until they have.
            let all = [const { AtomicUsize::new(0) }; 3];
            let done = &all[..=most];
            hands.all(&|hand| {
                done[hand].fetch_add(1, Ordering::Relaxed);
                while hand == 0 && done.iter().any(|d| d.load(Ordering::Relaxed) == 0) {
                    thread::yield_now();
                }
            });
            assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1));
            // Nobody comes in afterwards.
            let calls = AtomicUsize::new(0);
            hands.all(&|_| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            let after = calls.load(Ordering::Relaxed);
            thread::yield_now();
            assert_eq!(calls.load(Ordering::Relaxed), after);
        }
        for panics in 0..=most {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let come = AtomicUsize::new(0);
                hands.all(&|hand| {
                    come.fetch_add(1, Ordering::Relaxed);
                    while come.load(Ordering::Relaxed) <= most {
                        thread::yield_now();
                    }
                    assert!(hand != panics, "on purpose");
                });
            }));
            assert!(panicked.is_err());
        }
        assert!(!hands.are_wanted());
        let _other = crew.join();
        assert!(hands.are_wanted());
    }

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
