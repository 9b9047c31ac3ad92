//! Points that run together.

use super::crowd::{Crowd, FEWEST};
use crate::{
    executor::{Errand, Price, Ran, release},
    telemetry::{BATCH_LANES, Prediction},
    wire::{
        points::{Places, Points, apart},
        request::Evaluation,
    },
};
use gradient_engine::{Block, Program, Request, Scratch, Stop, Tensor};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// An answer as the engine gives it.
pub type Answer = Ran<Vec<Vec<Block>>>;

/// The evaluations of one program that run together. Whoever hears nothing of it runs alone.
pub(super) struct Batch {
    /// No other has it.
    pub number: u64,
    /// Of the program for one point.
    pub crowd: Arc<Crowd>,
    /// Where the entries of its sparse blocks stand.
    pub places: Arc<Places>,
    /// The program for points together.
    pub joint: Arc<Program>,
    /// Of which it was compiled.
    pub request: Arc<Request>,
    /// Inputs that all have in common.
    pub residents: Vec<Option<Arc<Tensor>>>,
    pub lanes: Vec<Lane>,
    pub attendance: Arc<Attendance>,
}

/// An evaluation that waits to be run with others.
pub(super) struct Lane {
    pub evaluation: Arc<Evaluation>,
    pub deadline: Option<Instant>,
    pub since: Instant,
    pub answer: oneshot::Sender<Answer>,
}

impl Batch {
    /// Whether these inputs are common to it.
    pub fn has_in_common(&self, residents: &[Option<Arc<Tensor>>]) -> bool {
        let mut pairs = self.residents.iter().zip(residents);
        pairs.all(|pair| match pair {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        })
    }

    /// What it costs.
    pub fn price(&self) -> Price {
        let payload = self
            .lanes
            .iter()
            .map(|lane| lane.evaluation.payload_bytes());
        Price {
            predicted: self.joint.estimate(self.lanes.len() as u64).predicted,
            payload_bytes: payload.fold(0, u64::saturating_add),
        }
    }

    fn batched(&self) -> Vec<bool> {
        self.residents.iter().map(Option::is_none).collect()
    }
}

/// Time that an evaluation must have in reserve, as a multiple of what it takes with others.
const RESERVE: u32 = 4;

/// Whether an evaluation that must be ready by then can run with others that take so long.
pub(super) fn has_time(deadline: Option<Instant>, now: Instant, takes: Duration) -> bool {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
    left.is_none_or(|left| left >= takes.saturating_mul(RESERVE))
}

impl Errand for Batch {
    fn is_abandoned(&self) -> bool {
        self.lanes.iter().all(|lane| lane.answer.is_closed())
    }

    fn run(mut self, scratch: &mut Scratch) {
        let start = Instant::now();
        self.lanes.retain(|lane| !lane.answer.is_closed());
        let estimate = self.joint.estimate(self.lanes.len() as u64);
        let known = self.crowd.lock().takes_together(self.lanes.len());
        let takes = estimate.predicted.max(known);
        self.lanes
            .retain(|lane| has_time(lane.deadline, start, takes));
        let count = self.lanes.len();
        if count < FEWEST {
            return;
        }
        let evaluations: Vec<&Evaluation> = self.lanes.iter().map(|l| &*l.evaluation).collect();
        let Some(points) = Points::of(&evaluations, &self.batched()) else {
            return;
        };
        self.attendance.close();
        let stop = &self.attendance.stop;
        let evaluated = self.joint.evaluate(&points.arguments(), scratch, stop);
        release(scratch, estimate.bytes);
        let (now, took) = (Instant::now(), start.elapsed());
        let Ok(blocks) = evaluated else {
            // Each gets its own answer or error alone.
            self.crowd.lock().failed_together(now);
            return;
        };
        self.crowd.lock().ran_together(count, took, now);
        metrics::histogram!(BATCH_LANES).record(count as f64);
        let prediction = self.joint.estimate(count as u64).predicted;
        Prediction::new(&self.request, self.joint.plans(), prediction).compare(took);
        let answers = apart(blocks, count, &self.places);
        for (lane, value) in self.lanes.into_iter().zip(answers) {
            // The caller may have gone in the meantime.
            let _ = lane.answer.send(Ran {
                value,
                queued: start - lane.since,
                took,
            });
        }
    }
}

/// Counts those who wait for a batch: when the last is gone, it stops.
#[derive(Default)]
pub(super) struct Attendance {
    count: Mutex<Count>,
    stop: Stop,
}

#[derive(Default)]
struct Count {
    present: usize,
    closed: bool,
}

/// One who waits.
pub(super) struct Member(Arc<Attendance>);

impl Attendance {
    fn lock(&self) -> MutexGuard<'_, Count> {
        // Nothing that can panic runs under the lock.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn join(self: &Arc<Self>) -> Member {
        self.lock().present += 1;
        Member(self.clone())
    }

    /// It begins: nobody joins any more.
    fn close(&self) {
        let mut count = self.lock();
        count.closed = true;
        if count.present == 0 {
            self.stop.cancel();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut count = self.0.lock();
        count.present -= 1;
        if count.closed && count.present == 0 {
            self.0.stop.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_stops_when_the_last_is_gone() {
        let attendance = Arc::<Attendance>::default();
        // All of the first are gone before it begins, and others come.
        drop(attendance.join());
        let (one, other) = (attendance.join(), attendance.join());
        attendance.close();
        drop(one);
        assert!(attendance.stop.check().is_ok());
        drop(other);
        assert!(attendance.stop.check().is_err());
        let attendance = Arc::<Attendance>::default();
        drop(attendance.join());
        attendance.close();
        assert!(attendance.stop.check().is_err());
    }

    #[test]
    fn who_is_in_a_hurry_runs_alone() {
        let now = Instant::now();
        let takes = Duration::from_millis(5);
        assert!(has_time(None, now, Duration::MAX));
        assert!(has_time(Some(now + 4 * takes), now, takes));
        assert!(!has_time(Some(now + 3 * takes), now, takes));
        assert!(!has_time(Some(now - takes), now, takes));
    }
}
