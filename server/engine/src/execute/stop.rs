use super::control::Machine;
use super::crew::{Crew, Hands};
use crate::error::{Error, StopReason};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Elementary operations between two looks at the clock: tens of microseconds.
pub(super) const OPERATIONS_PER_LOOK: usize = 1 << 14;

/// No processor is faster, in seconds an elementary operation.
const FASTEST_SECONDS: f64 = 2e-11;

/// Tells a running evaluation to end. Shared between who waits and who computes.
#[derive(Debug, Default)]
pub struct Stop {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
}

impl Stop {
    /// Ends at the deadline, or when cancelled.
    pub fn new(deadline: Option<Instant>) -> Self {
        Self {
            cancelled: AtomicBool::new(false),
            deadline,
        }
    }

    /// Nobody waits any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// An error once it is time to end.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Stopped(StopReason::Cancelled));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(Error::Stopped(StopReason::Deadline))
            }
            _ => Ok(()),
        }
    }
}

/// Counts work, and looks at the stop every now and then.
pub(super) struct Ticker<'a> {
    stop: &'a Stop,
    crew: Option<&'a Arc<Crew>>,
    work: usize,
    /// What nodes with bodies run on.
    pub machine: Machine<'a>,
}

impl<'a> Ticker<'a> {
    pub(super) fn new(stop: &'a Stop, machine: Machine<'a>) -> Self {
        Self {
            stop,
            crew: None,
            work: 0,
            machine,
        }
    }

    /// The same with a crew that helps.
    pub(super) fn with_crew(self, crew: Option<&'a Arc<Crew>>) -> Self {
        Self { crew, ..self }
    }

    /// Threads that help with a step, so many at most.
    pub(super) fn hands(&mut self, most: usize) -> Hands {
        let hands = Hands::of(self.crew, most);
        self.machine.counts.helped += hands.count() as u64;
        hands
    }

    /// Does so many pieces of a step, by `work(ticker, hand, piece)`, with the help of so many threads at most, of which
    /// each has a number of its own: this one 0. Who helps leaves between two pieces once somebody else wants the thread.
    pub(super) fn share(
        &mut self,
        pieces: usize,
        most: usize,
        work: &(dyn Fn(&mut Ticker<'_>, usize, usize) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        let hands = self.hands(most.min(pieces.saturating_sub(1)));
        if hands.count() == 0 {
            return (0..pieces).try_for_each(|piece| work(self, 0, piece));
        }
        let (stop, next) = (self.stop, AtomicUsize::new(0));
        let failed = Mutex::new(None);
        hands.all(&|hand| {
            let mut ticker = Ticker::new(stop, Machine::new(&[], 0, 0));
            while hand == 0 || !hands.are_wanted() {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    break;
                }
                if let Err(error) = work(&mut ticker, hand, piece) {
                    next.store(pieces, Ordering::Relaxed);
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    /// So much is about to be done, and nobody looks at the clock meanwhile: what cannot end in time is not begun.
    pub(super) fn begin(&mut self, operations: usize) -> Result<(), Error> {
        self.tick(operations)?;
        match self.stop.deadline {
            Some(deadline) if operations >= OPERATIONS_PER_LOOK => {
                let left = deadline.saturating_duration_since(Instant::now());
                match operations as f64 * FASTEST_SECONDS > left.as_secs_f64() {
                    true => Err(Error::Stopped(StopReason::Deadline)),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// So much was done, or is about to be.
    #[inline]
    pub(super) fn tick(&mut self, operations: usize) -> Result<(), Error> {
        self.work = self.work.saturating_add(operations);
        if self.work < OPERATIONS_PER_LOOK {
            return Ok(());
        }
        self.work = 0;
        self.stop.check()
    }
}
