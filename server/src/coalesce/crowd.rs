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
    /// The most that were present lately, and when.
    most: Option<(usize, Instant)>,
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
    points: f64,
    runs: u32,
}

impl Pace {
    /// So many points took so long: a run of many points says more than one of few, which an interruption makes as long.
    fn note(&mut self, points: usize, took: Duration) {
        const KEPT: f64 = 7.0 / 8.0;
        self.runs = self.runs.saturating_add(1);
        self.nanoseconds = self.nanoseconds * KEPT + took.as_nanos() as f64;
        self.points = self.points * KEPT + points as f64;
    }

    /// Nanoseconds of a point; 0 where nothing is known.
    fn each(&self) -> f64 {
        match self.runs {
            0 => 0.0,
            _ => self.nanoseconds / self.points,
        }
    }
}

/// Fewer points run as fast one by one.
pub(super) const FEWEST: usize = 4;

/// Nobody waits longer for company.
const PATIENCE: Duration = Duration::from_millis(2);

/// So long a crowd is remembered: of those who come one after the other many are on their way to and from us, and who is
/// first after a batch is there alone.
const LATELY: Duration = Duration::from_millis(5);

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
    pub fn is_gathering(&mut self, threads: usize, now: Instant) -> bool {
        let lately = self
            .most
            .filter(|&(_, at)| now.saturating_duration_since(at) < LATELY);
        let most = lately.filter(|&(most, _)| most > self.present);
        let (most, _) = *self.most.insert(most.unwrap_or((self.present, now)));
        let share = most.div_ceil(threads.max(1));
        share >= FEWEST && self.apart_until.is_none_or(|until| now >= until)
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
            _ => Duration::from_nanos(self.alone.each() as u64),
        }
    }

    /// How long so many points take together, as far as that is known.
    pub fn takes_together(&self, lanes: usize) -> Duration {
        Duration::from_nanos((self.together.each() * lanes as f64) as u64)
    }

    /// One ran alone.
    pub fn ran_alone(&mut self, took: Duration) {
        self.alone.note(1, took);
    }

    /// So many ran together.
    pub fn ran_together(&mut self, lanes: usize, took: Duration, now: Instant) {
        const ENOUGH: u32 = 8;
        // Longer evaluations are interrupted more often, and the clock goes on.
        const SLOWER: f64 = 1.25;
        self.together.note(lanes.max(1), took);
        let known = self.together.runs >= ENOUGH && self.alone.runs > 0;
        if known && self.together.each() > SLOWER * self.alone.each() {
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
            let mut state = of(present);
            assert_eq!(state.share(threads), share, "{present} on {threads}");
            assert_eq!(
                state.is_gathering(threads, now),
                gathers,
                "{present} on {threads}"
            );
        }
    }

    #[test]
    fn a_crowd_is_remembered_for_a_while() {
        let now = Instant::now();
        let mut state = of(8);
        assert!(state.is_gathering(2, now));
        state.present = 1;
        assert!(state.is_gathering(2, now + LATELY / 2));
        assert!(!state.is_gathering(2, now + LATELY));
        // What was forgotten does not come back.
        assert!(!state.is_gathering(2, now + LATELY / 2));
    }

    #[test]
    fn a_point_interrupted_says_less_than_many_that_were_not() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| pace.note(16, 16 * MILLISECOND));
        pace.note(4, 40 * MILLISECOND);
        let each = pace.each() / MILLISECOND.as_nanos() as f64;
        assert!((1.0..1.5).contains(&each), "{each}");
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
        for (each, gathers) in [(MILLISECOND / 2, true), (2 * MILLISECOND, false)] {
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
