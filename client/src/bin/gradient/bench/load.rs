//! Callers that load a server: in a closed loop, or at a rate.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use gradient_client::{Error, Timing};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
};

use super::record::{Moments, Record};

/// The longest that a thread sleeps before it looks whether all is over.
const NAP: Duration = Duration::from_millis(50);

/// How a server is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls under way at the most.
    pub callers: usize,
    /// Calls due in a second; `None`: a caller makes the next one when it has its answer.
    pub rate: Option<f64>,
    /// Calls due in this time are not recorded.
    pub warmup: Duration,
    /// After this time no calls are made.
    pub duration: Duration,
}

/// What a load came to.
#[derive(Debug)]
pub struct Measured {
    /// Of the calls that were due after the warm-up.
    pub record: Record,
    /// From the warm-up's end until the last call's, or until it was interrupted.
    pub time: Duration,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Calls that were under way then.
    pub given_up: u64,
}

/// What callers share.
struct Shared {
    begin: Instant,
    end: Instant,
    arrivals: Option<Arrivals>,
    /// Calls that were made, of those to record.
    made: AtomicU64,
    record: Mutex<Record>,
}

/// Calls come due at fixed times, whatever becomes of those before.
struct Arrivals {
    start: Instant,
    rate: f64,
    /// One permit for each that is due and not taken; closed at the end.
    open: Semaphore,
    due: AtomicU64,
    taken: AtomicU64,
}

/// Loads until the time is over and all calls have ended, or until `interrupt` is ready: then calls under way are
/// given up. `call` takes the number of its caller.
pub async fn run<C, F>(load: &Load, call: C, interrupt: impl Future<Output = ()>) -> Measured
where
    C: Fn(usize) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Timing, Error>> + Send + 'static,
{
    let start = Instant::now();
    let begin = start + load.warmup;
    let shared = Arc::new(Shared {
        begin,
        end: begin + load.duration,
        arrivals: load.rate.map(|rate| Arrivals::new(start, rate)),
        made: AtomicU64::new(0),
        record: Mutex::new(Record::new()),
    });
    let mut callers = JoinSet::new();
    for caller in 0..load.callers {
        callers.spawn(calls(Arc::clone(&shared), caller, call.clone()));
    }
    let clock = Arc::clone(&shared);
    let clock = spawn_blocking(move || {
        if let Some(arrivals) = &clock.arrivals {
            arrivals.let_in(clock.end);
        }
    });
    let all = async {
        while let Some(ended) = callers.join_next().await {
            ended.expect("callers do not panic");
        }
    };
    let interrupted = tokio::select! {
        () = all => false,
        () = interrupt => true,
    };
    let ended = Instant::now();
    if let Some(arrivals) = &shared.arrivals {
        arrivals.open.close();
    }
    callers.shutdown().await;
    clock.await.expect("the clock does not panic");
    let mut record = std::mem::replace(
        &mut *shared.record.lock().expect("callers do not panic"),
        Record::new(),
    );
    let ends = record.answered() + record.failed();
    if let Some(arrivals) = &shared.arrivals {
        arrivals.missed(begin, ended.min(shared.end), &mut record);
    }
    Measured {
        time: ended.saturating_duration_since(begin),
        interrupted,
        given_up: shared.made.load(Relaxed).saturating_sub(ends),
        record,
    }
}

/// One caller's calls.
async fn calls<C, F>(shared: Arc<Shared>, caller: usize, call: C)
where
    C: Fn(usize) -> F,
    F: Future<Output = Result<Timing, Error>>,
{
    while let Some(due) = shared.next().await {
        let counts = due >= shared.begin;
        if counts {
            shared.made.fetch_add(1, Relaxed);
        }
        let made = Instant::now();
        let answer = call(caller).await;
        let ended = Instant::now();
        if counts {
            let mut record = shared.record.lock().expect("callers do not panic");
            record.add(Moments { due, made, ended }, answer);
        }
    }
}

impl Shared {
    /// When the next call is due, as soon as it is; `None` at the end.
    async fn next(&self) -> Option<Instant> {
        match &self.arrivals {
            Some(arrivals) => arrivals.next().await,
            None => Some(Instant::now()).filter(|now| *now < self.end),
        }
    }
}

impl Arrivals {
    fn new(start: Instant, rate: f64) -> Self {
        Self {
            start,
            rate,
            open: Semaphore::new(0),
            due: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// When the call of this number is due.
    fn at(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.rate)
    }

    async fn next(&self) -> Option<Instant> {
        self.open.acquire().await.ok()?.forget();
        Some(self.at(self.taken.fetch_add(1, Relaxed)))
    }

    /// Lets calls in when they are due, until the end. It blocks: a thread wakes up in time to some ten microseconds,
    /// the runtime's timer to a millisecond.
    fn let_in(&self, end: Instant) {
        let mut number = 0;
        while !self.open.is_closed() {
            let next = self.at(number).min(end);
            let wait = next.saturating_duration_since(Instant::now());
            if wait > Duration::ZERO {
                thread::sleep(wait.min(NAP));
            } else if next < end {
                number += 1;
                self.due.store(number, Relaxed);
                self.open.add_permits(1);
            } else {
                self.open.close();
            }
        }
    }

    /// Puts down what came due after `begin` and nobody took until `end`.
    fn missed(&self, begin: Instant, end: Instant, record: &mut Record) {
        let due = self.due.load(Relaxed);
        let mut first = self.taken.load(Relaxed);
        while first < due && self.at(first) < begin {
            first += 1;
        }
        if first < due {
            let (from, to) = (self.at(first), self.at(due - 1));
            record.miss(due - first, from, to, end.max(to));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::atomic::AtomicUsize,
    };

    use gradient_client::proto::{Cache, Tier};
    use tokio::time::sleep;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn load(callers: usize, rate: Option<f64>, duration: Duration) -> Load {
        Load {
            callers,
            rate,
            warmup: Duration::ZERO,
            duration,
        }
    }

    fn answer() -> Result<Timing, Error> {
        Ok(Timing {
            queue: Duration::ZERO,
            compile: Duration::ZERO,
            execute: Duration::ZERO,
            cache: Cache::Hit,
            tier: Tier::Native,
        })
    }

    /// Stands still for so long in the first call, and answers the others at once.
    fn stalls(time: Duration) -> impl Fn(usize) -> StallFuture + Clone + Send + Sync + 'static {
        let calls = Arc::new(AtomicUsize::new(0));
        move |_| {
            let first = calls.fetch_add(1, Relaxed) == 0;
            Box::pin(async move {
                if first {
                    sleep(time).await;
                }
                answer()
            })
        }
    }

    type StallFuture = std::pin::Pin<Box<dyn Future<Output = Result<Timing, Error>> + Send>>;

    #[tokio::test(flavor = "multi_thread")]
    async fn in_a_closed_loop_every_caller_has_one_call_under_way() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let call = move |_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
                sleep(5 * MS).await;
                now.fetch_sub(1, Relaxed);
                answer()
            }
        };
        let measured = run(&load(4, None, 200 * MS), call, pending()).await;
        assert_eq!(seen.load(Relaxed), 4);
        let record = &measured.record;
        assert!(
            (8..=160).contains(&record.answered()),
            "{}",
            record.answered()
        );
        assert!(
            record.latency.min() >= 4_900_000,
            "{}",
            record.latency.min()
        );
        assert_eq!((record.missed, measured.given_up), (0, 0));
        assert!(!measured.interrupted && measured.time >= 200 * MS);
    }

    /// The point of an open loop: a pause of the server is felt by all calls that came due in it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_pause_is_felt_by_all_that_was_due_in_it() {
        let open = load(1, Some(1000.0), 400 * MS);
        let open = run(&open, stalls(200 * MS), pending()).await.record;
        assert_eq!(open.answered() + open.missed, 400);
        // 200 of 400 waited, from 200 ms down to nothing.
        let felt = open.latency.value_at_quantile(0.75);
        assert!((50_000_000..300_000_000).contains(&felt), "{felt}");
        assert!(open.waiting.value_at_quantile(0.75) > 50_000_000);
        // Who calls again only after the answer hardly notices.
        let closed = load(1, None, 400 * MS);
        let closed = run(&closed, stalls(200 * MS), pending()).await.record;
        assert!(closed.latency.value_at_quantile(0.75) < 50_000_000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_could_not_be_called_is_not_forgotten() {
        let slow = |_| async {
            sleep(50 * MS).await;
            answer()
        };
        let measured = run(&load(1, Some(1000.0), 300 * MS), slow, pending()).await;
        let record = &measured.record;
        assert!(
            (1..=7).contains(&record.answered()),
            "{}",
            record.answered()
        );
        assert_eq!(record.answered() + record.missed, 300);
        assert_eq!(record.latency.len(), 300);
        let half = record.latency.value_at_quantile(0.5);
        assert!((100_000_000..=200_000_000).contains(&half), "{half}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_due_in_the_warm_up_does_not_count() {
        let load = Load {
            warmup: 100 * MS,
            ..load(8, Some(100.0), 100 * MS)
        };
        let record = run(&load, |_| ready(answer()), pending()).await.record;
        assert_eq!(record.answered() + record.missed, 10);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_interrupt_gives_up_what_is_under_way() {
        for rate in [None, Some(100.0)] {
            let begin = Instant::now();
            let load = load(3, rate, Duration::from_secs(600));
            let measured = run(&load, |_| pending(), sleep(100 * MS)).await;
            assert!(measured.interrupted && begin.elapsed() < Duration::from_secs(60));
            assert_eq!((measured.given_up, measured.record.answered()), (3, 0));
            assert!(measured.time >= 100 * MS);
            assert_eq!(measured.record.missed > 0, rate.is_some());
        }
    }
}
