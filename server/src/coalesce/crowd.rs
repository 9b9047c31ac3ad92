//! Who evaluates a program at the moment, and how it went so far.

use super::batch::Batch;
use gradient_engine::Request;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Of one program for single points.
#[derive(Default)]
pub struct Crowd(Mutex<State>);

#[derive(Default)]
pub(super) struct State {
    /// Evaluations that wait or run, together or alone.
    pub present: usize,
    ways: Vec<Way>,
    alone: Pace,
    together: Pace,
    apart_until: Option<Instant>,
}

/// A way to run points together: which inputs each has of its own.
struct Way {
    batched: Vec<bool>,
    joint: Joint,
    open: Option<Batch>,
}

/// The program for points together.
#[derive(Clone)]
pub(super) enum Joint {
    /// It is being compiled.
    Making,
    /// There is one.
    Ready(Terms),
    /// It is no use.
    Never,
}

/// On what terms points run together.
#[derive(Clone)]
pub(super) struct Terms {
    /// By which the program is found.
    pub request: Arc<Request>,
    /// The most points.
    pub most: usize,
    /// How long those take, about.
    pub predicted: Duration,
}

/// How long an evaluation takes, the latest ones counting most.
#[derive(Clone, Copy, Default, Debug)]
struct Pace {
    nanoseconds: f64,
    runs: u32,
}

impl Pace {
    fn note(&mut self, took: Duration) {
        self.runs = self.runs.saturating_add(1);
        let weight = 1.0 / f64::from(self.runs.min(8));
        self.nanoseconds += weight * (took.as_nanos() as f64 - self.nanoseconds);
    }
}

/// Fewer points run as fast one by one.
pub(super) const FEWEST: usize = 4;

/// Nobody waits longer for company.
const PATIENCE: Duration = Duration::from_millis(2);

/// Ways to run together that are compiled of one program.
const WAYS: usize = 4;

/// After an error, how long everybody runs alone: who repeats a point that fails must not make others run twice.
const APART_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Where running together is slower, or its program finds no place in the cache, how long until that is tried again.
const APART_WITHOUT_USE: Duration = Duration::from_secs(10);

impl Crowd {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Points for each thread if all that are present ran at once: from so many on a batch does not wait for more.
    pub fn share(&self, threads: usize) -> usize {
        self.present.div_ceil(threads.max(1))
    }

    /// Whether points may run together now.
    pub fn is_gathering(&self, threads: usize, now: Instant) -> bool {
        self.share(threads) >= FEWEST && self.apart_until.is_none_or(|until| now >= until)
    }

    /// How long one may wait for company: not longer than it would wait for the others to run before it, one by one.
    pub fn patience(&self, threads: usize, predicted: Duration) -> Duration {
        let before = self.present.saturating_sub(1) as f64 / threads.max(1) as f64;
        let wait = self.took_alone(predicted).as_secs_f64() * before;
        Duration::try_from_secs_f64(wait).map_or(PATIENCE, |wait| wait.min(PATIENCE))
    }

    fn took_alone(&self, predicted: Duration) -> Duration {
        match self.alone.runs {
            0 => predicted,
            _ => Duration::from_nanos(self.alone.nanoseconds as u64),
        }
    }

    /// How long so many points take together, as far as that is known.
    pub fn takes_together(&self, lanes: usize) -> Duration {
        Duration::from_nanos((self.together.nanoseconds * lanes as f64) as u64)
    }

    /// One ran alone.
    pub fn ran_alone(&mut self, took: Duration) {
        self.alone.note(took);
    }

    /// So many ran together.
    pub fn ran_together(&mut self, lanes: usize, took: Duration, now: Instant) {
        const ENOUGH: u32 = 8;
        self.together.note(took / lanes.max(1) as u32);
        let known = self.together.runs >= ENOUGH && self.alone.runs > 0;
        if known && self.together.nanoseconds > 0.9 * self.alone.nanoseconds {
            self.together = Pace::default();
            self.apart_until = Some(now + APART_WITHOUT_USE);
        }
    }

    /// Running together ended in an error.
    pub fn failed_together(&mut self, now: Instant) {
        self.apart_until = Some(now + APART_AFTER_ERROR);
    }

    /// The program for points that have these inputs of their own; `None` where it is to be made, which from then on
    /// it is taken to be.
    pub fn joint(&mut self, batched: &[bool]) -> Option<Joint> {
        if let Some(way) = self.ways.iter().find(|way| way.batched == batched) {
            return Some(way.joint.clone());
        }
        if self.ways.len() >= WAYS {
            return Some(Joint::Never);
        }
        self.ways.push(Way {
            batched: batched.to_vec(),
            joint: Joint::Making,
            open: None,
        });
        None
    }

    /// What became of the program; `None`: it is to be made again.
    pub fn set_joint(&mut self, batched: &[bool], joint: Option<Joint>) {
        match joint {
            None => self.ways.retain(|way| way.batched != batched),
            Some(joint) => {
                if let Some(way) = self.ways.iter_mut().find(|way| way.batched == batched) {
                    way.joint = joint;
                }
            }
        }
    }

    /// The program was there, and had to make room in the cache.
    pub fn lost(&mut self, batched: &[bool], now: Instant) {
        self.set_joint(batched, None);
        self.apart_until = Some(now + APART_WITHOUT_USE);
    }

    /// The batch that takes more points.
    pub fn open(&mut self, batched: &[bool]) -> Option<&mut Option<Batch>> {
        let way = self.ways.iter_mut().find(|way| way.batched == batched);
        way.map(|way| &mut way.open)
    }

    /// Takes the batch of this number, if it is still open.
    pub fn close(&mut self, number: u64) -> Option<Batch> {
        let is_it = |open: &mut Batch| open.number == number;
        self.ways
            .iter_mut()
            .find_map(|way| way.open.take_if(|open| is_it(open)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn of(present: usize) -> State {
        State {
            present,
            ..State::default()
        }
    }

    #[test]
    fn few_do_not_wait_and_many_share_the_threads() {
        let now = Instant::now();
        for (present, threads, share, gathers) in [
            (1, 1, 1, false),
            (1, 8, 1, false),
            (3, 1, 3, false),
            (6, 2, 3, false),
            (7, 2, 4, true),
            (64, 2, 32, true),
            (64, 64, 1, false),
        ] {
            let state = of(present);
            assert_eq!(state.share(threads), share, "{present} on {threads}");
            assert_eq!(
                state.is_gathering(threads, now),
                gathers,
                "{present} on {threads}"
            );
        }
    }

    #[test]
    fn nobody_waits_longer_than_for_those_before_it() {
        let mut state = of(1);
        assert_eq!(state.patience(1, MILLISECOND), Duration::ZERO);
        state.present = 9;
        let short = Duration::from_micros(10);
        assert_eq!(state.patience(4, short), 2 * short);
        assert_eq!(state.patience(1, Duration::from_secs(9)), PATIENCE);
        assert_eq!(state.patience(1, Duration::MAX), PATIENCE);
        // What was measured counts more than what was predicted.
        state.ran_alone(short);
        assert_eq!(state.patience(4, MILLISECOND), 2 * short);
    }

    #[test]
    fn what_fails_or_is_no_faster_runs_apart_for_a_while() {
        let now = Instant::now();
        let mut state = of(64);
        state.failed_together(now);
        assert!(!state.is_gathering(1, now + APART_AFTER_ERROR / 2));
        assert!(state.is_gathering(1, now + APART_AFTER_ERROR));
        for (each, gathers) in [(MILLISECOND / 2, true), (MILLISECOND, false)] {
            let mut state = of(64);
            (0..4).for_each(|_| state.ran_alone(MILLISECOND));
            (0..8).for_each(|_| state.ran_together(10, 10 * each, now));
            assert_eq!(state.is_gathering(1, now), gathers, "{each:?}");
            assert!(state.is_gathering(1, now + APART_WITHOUT_USE));
        }
    }

    #[test]
    fn a_program_is_made_once_for_each_way() {
        let mut state = of(64);
        assert!(state.joint(&[true]).is_none());
        assert!(matches!(state.joint(&[true]), Some(Joint::Making)));
        state.set_joint(&[true], Some(Joint::Never));
        assert!(matches!(state.joint(&[true]), Some(Joint::Never)));
        assert!(state.joint(&[false]).is_none());
        state.set_joint(&[true], None);
        assert!(state.joint(&[true]).is_none());
    }
}
