//! Where computing happens: a bounded pool of threads behind a bounded queue, not on the async threads.
//!
//! Small work has a lane of its own and one thread that serves nothing else, so it never waits for large work. What
//! takes less time than waking a thread does is no work: it is done [`here`], by the async thread that asks.

use crate::error::{Error, Result};
use gradient_engine::{Crew, Hands, Scratch};
use std::{
    any::Any,
    cell::RefCell,
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// What work costs, as far as waiting goes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Price {
    /// How long it will take, about.
    pub predicted: Duration,
    /// Data that it keeps in memory while it waits.
    pub payload_bytes: u64,
}

impl Price {
    fn is_short(self) -> bool {
        self.predicted <= SHORT
    }
}

/// What came of work.
pub struct Ran<T> {
    /// Its result.
    pub value: T,
    /// Time in the queue.
    pub queued: Duration,
    /// Time on the thread.
    pub took: Duration,
}

/// How many threads, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Threads for all work; one more serves small work only.
    pub threads: usize,
    /// Pieces of work, in each of the two lanes.
    pub queue: usize,
    /// Data of waiting work. An empty queue takes work of any size.
    pub queue_bytes: u64,
}

/// A handle on the pool. The threads end when the last handle is gone.
#[derive(Clone)]
pub struct Executor(Arc<Pool>);

struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    bounds: Bounds,
    /// Threads of evaluations that are not there help large ones.
    crew: Arc<Crew>,
    queue: Mutex<Queue>,
    /// Wakes the thread that takes short work only.
    short: Condvar,
    /// Wakes one of the others.
    both: Condvar,
}

#[derive(Default)]
struct Queue {
    short: VecDeque<Job>,
    long: VecDeque<Job>,
    bytes: u64,
    picked: u64,
    /// The thread for short work has nothing to do, and has not been woken.
    short_sleeps: bool,
    closed: bool,
}

struct Job {
    price: Price,
    work: Box<dyn Work>,
    /// While it waits, and while it runs, nobody else is lent its thread.
    hands: Hands,
}

trait Work: Send {
    /// The one who asked is gone.
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, scratch: &mut Scratch);
}

/// Work that several wait for, whom it tells itself. A panic in it is logged; whoever was not told sees it dropped.
pub trait Errand: Send + 'static {
    /// All who asked are gone.
    fn is_abandoned(&self) -> bool;
    /// Does it on a thread of the pool.
    fn run(self, scratch: &mut Scratch);
}

/// Work of the short lane takes at most about this.
const SHORT: Duration = Duration::from_millis(1);

/// What takes at most about this may be done [`here`]: to hand it to a thread and back would take as long, and the
/// thread that reads requests is kept for longer by a message of some kilobytes.
pub const TRIFLE: Duration = Duration::from_micros(20);

impl Executor {
    /// Starts the threads.
    pub fn start(bounds: Bounds) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            bounds,
            crew: Crew::new(bounds.threads),
            queue: Mutex::default(),
            short: Condvar::new(),
            both: Condvar::new(),
        });
        let pool = Pool {
            shared: shared.clone(),
        };
        for i in 0..=bounds.threads {
            let shared = shared.clone();
            let lane = if i == 0 { Lane::Short } else { Lane::Both };
            thread::Builder::new()
                .name(format!("compute-{i}"))
                .spawn(move || serve(&shared, lane))?;
        }
        Ok(Self(Arc::new(pool)))
    }

    /// Runs work on a thread of the pool. Work whose caller is gone before it starts does not start; work that
    /// runs learns of it only through its own stop flag.
    pub async fn run<T, F>(&self, price: Price, work: F) -> Result<Ran<T>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Scratch) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Task {
            work,
            answer,
            since: Instant::now(),
        };
        self.0.shared.submit(price, Box::new(task))?;
        match answered.await {
            Ok(Ok(ran)) => Ok(ran),
            Ok(Err(panicked)) => Err(panicked),
            Err(_) => Err(Error::Draining),
        }
    }

    /// Queues an errand.
    pub fn submit(&self, price: Price, errand: impl Errand) -> Result<()> {
        self.0.shared.submit(price, Box::new(Running(errand)))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        // Their callers are told by the channel.
        queue.short.clear();
        queue.long.clear();
        drop(queue);
        self.shared.short.notify_all();
        self.shared.both.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, price: Price, work: Box<dyn Work>) -> Result<()> {
        let hands = self.crew.join();
        let job = Job { price, work, hands };
        let mut queue = self.lock();
        if self.is_full(&mut queue, &job) {
            queue.forget_abandoned();
        }
        if self.is_full(&mut queue, &job) {
            let (name, value) = match queue.lane(job.price).len() >= self.bounds.queue {
                true => ("queue", self.bounds.queue as u64),
                false => ("queue_bytes", self.bounds.queue_bytes),
            };
            let retry_after = Duration::from_millis(200);
            return Err(Error::Busy {
                name,
                value,
                retry_after,
            });
        }
        queue.bytes = queue.bytes.saturating_add(job.price.payload_bytes);
        // Waking costs more than small work does: one thread is woken, of those that may take it. Where none sleeps, the
        // next that is done takes it.
        let reserved = job.price.is_short() && queue.short_sleeps;
        queue.short_sleeps &= !reserved;
        queue.lane(job.price).push_back(job);
        drop(queue);
        match reserved {
            true => self.short.notify_one(),
            false => self.both.notify_one(),
        }
        Ok(())
    }

    fn wait<'q>(&self, lane: Lane, mut queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        let waited = match lane {
            Lane::Short => {
                queue.short_sleeps = true;
                self.short.wait(queue)
            }
            Lane::Both => self.both.wait(queue),
        };
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        if let Lane::Short = lane {
            // Also where nobody woke it.
            queue.short_sleeps = false;
        }
        queue
    }

    fn is_full(&self, queue: &mut Queue, job: &Job) -> bool {
        let bytes = queue.bytes.saturating_add(job.price.payload_bytes);
        queue.lane(job.price).len() >= self.bounds.queue
            || (queue.bytes > 0 && bytes > self.bounds.queue_bytes)
    }
}

impl Queue {
    fn lane(&mut self, price: Price) -> &mut VecDeque<Job> {
        match price.is_short() {
            true => &mut self.short,
            false => &mut self.long,
        }
    }

    fn forget_abandoned(&mut self) {
        for lane in [&mut self.short, &mut self.long] {
            lane.retain(|job| {
                let abandoned = job.work.is_abandoned();
                if abandoned {
                    self.bytes = self.bytes.saturating_sub(job.price.payload_bytes);
                }
                !abandoned
            });
        }
    }

    fn pick(&mut self, lane: Lane) -> Option<Job> {
        self.picked = self.picked.wrapping_add(1);
        // Now and then the long lane goes first, so that a stream of small work does not starve it.
        let long_first = self.picked.is_multiple_of(4);
        let job = match lane {
            Lane::Short => self.short.pop_front(),
            Lane::Both if long_first => self.long.pop_front().or_else(|| self.short.pop_front()),
            Lane::Both => self.short.pop_front().or_else(|| self.long.pop_front()),
        }?;
        self.bytes = self.bytes.saturating_sub(job.price.payload_bytes);
        Some(job)
    }
}

#[derive(Clone, Copy)]
enum Lane {
    Short,
    Both,
}

fn serve(shared: &Shared, lane: Lane) {
    let mut scratch = Scratch::with_crew(shared.crew.clone());
    loop {
        let mut queue = shared.lock();
        let job = loop {
            if queue.closed {
                return;
            }
            match queue.pick(lane) {
                Some(job) => break job,
                None => queue = shared.wait(lane, queue),
            }
        };
        drop(queue);
        let Job { work, hands, .. } = job;
        if !work.is_abandoned() {
            work.run(&mut scratch);
        }
        drop(hands);
    }
}

struct Task<T, F> {
    work: F,
    answer: oneshot::Sender<Result<Ran<T>>>,
    since: Instant,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Scratch) -> T + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, scratch: &mut Scratch) {
        let Task {
            work,
            answer,
            since,
        } = *self;
        let start = Instant::now();
        let answered = caught(scratch, work).map(|value| Ran {
            value,
            queued: start - since,
            took: start.elapsed(),
        });
        // The caller may have gone in the meantime.
        let _ = answer.send(answered);
    }
}

struct Running<E>(E);

impl<E: Errand> Work for Running<E> {
    fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }

    fn run(self: Box<Self>, scratch: &mut Scratch) {
        // Those who wait were told, or see that it was dropped.
        let _ = caught(scratch, |scratch| self.0.run(scratch));
    }
}

/// Does a trifle on the thread that asks, whose other calls wait meanwhile: nothing stops it before its time, so how
/// long it takes must be known.
pub fn here<T>(work: impl FnOnce(&mut Scratch) -> T) -> Result<Ran<T>> {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    let start = Instant::now();
    let value = SCRATCH.with_borrow_mut(|scratch| caught(scratch, work))?;
    Ok(Ran {
        value,
        queued: Duration::ZERO,
        took: start.elapsed(),
    })
}

/// What work gives, or that it panicked.
fn caught<T>(scratch: &mut Scratch, work: impl FnOnce(&mut Scratch) -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(|| work(scratch))).map_err(|panic| {
        // Whatever state it was left in.
        scratch.clear();
        tracing::error!(panic = panic_text(&*panic), "a computation panicked");
        Error::Defect("a defect in the server stopped this computation; others go on".to_owned())
    })
}

/// A thread keeps its working memory for the next evaluation, but not that of a giant.
pub fn release(scratch: &mut Scratch, used: u64) {
    const KEPT: u64 = 64 << 20;
    if used > KEPT {
        scratch.clear();
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SMALL: Price = Price {
        predicted: Duration::from_nanos(1),
        payload_bytes: 0,
    };
    const LARGE: Price = Price {
        predicted: Duration::MAX,
        payload_bytes: 0,
    };

    fn executor(threads: usize, queue: usize) -> Executor {
        let queue_bytes = 100;
        Executor::start(Bounds {
            threads,
            queue,
            queue_bytes,
        })
        .unwrap()
    }

    /// Occupies the threads that take large work until the sender is dropped.
    async fn occupy(executor: &Executor, threads: usize) -> Vec<mpsc::Sender<()>> {
        let mut held = vec![];
        for _ in 0..threads {
            let (hold, held_by) = mpsc::channel::<()>();
            let (started, running) = oneshot::channel();
            let executor = executor.clone();
            tokio::spawn(async move {
                let work = move |_: &mut Scratch| {
                    let _ = started.send(());
                    let _ = held_by.recv();
                };
                let _ = executor.run(LARGE, work).await;
            });
            running.await.unwrap();
            held.push(hold);
        }
        held
    }

    #[tokio::test]
    async fn small_work_does_not_wait_for_large_work() {
        let executor = executor(2, 10);
        let _held = occupy(&executor, 2).await;
        let ran = executor.run(SMALL, |_| 7).await.unwrap();
        assert_eq!(ran.value, 7);
    }

    #[tokio::test]
    async fn threads_that_work_waits_for_are_lent_to_nobody() {
        let executor = executor(3, 10);
        let crew = executor.0.shared.crew.clone();
        assert_eq!(crew.idle(), 3);
        let held = occupy(&executor, 3).await;
        assert_eq!(crew.idle(), 0);
        let waiting = executor.clone();
        let waiting = tokio::spawn(async move { waiting.run(LARGE, |_| ()).await });
        while executor.0.shared.lock().long.is_empty() {
            tokio::task::yield_now().await;
        }
        let mut held = held.into_iter();
        drop(held.next());
        assert!(waiting.await.unwrap().is_ok());
        while crew.idle() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(crew.idle(), 1);
        drop(held);
        while crew.idle() < 3 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_work_only() {
        let executor = executor(1, 10);
        let failed = executor
            .run(LARGE, |_| -> u32 { panic!("on purpose") })
            .await;
        assert!(matches!(failed, Err(Error::Defect(_))));
        assert_eq!(executor.run(LARGE, |_| 7).await.unwrap().value, 7);
    }

    #[test]
    fn a_trifle_is_done_by_who_asks() {
        let asking = thread::current().id();
        let ran = here(|_| thread::current().id()).unwrap();
        assert_eq!((ran.value, ran.queued), (asking, Duration::ZERO));
        let failed = here(|_| -> u32 { panic!("on purpose") });
        assert!(matches!(failed, Err(Error::Defect(_))));
        assert_eq!(here(|_| 7).unwrap().value, 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_waits_is_woken() {
        let executor = executor(2, 1000);
        for round in 0..200 {
            // Threads fall asleep between rounds, and are busy with either kind within one.
            let waiting: Vec<_> = (0..round % 7 + 1)
                .map(|i| {
                    let executor = executor.clone();
                    let price = if (i + round) % 3 == 0 { LARGE } else { SMALL };
                    tokio::spawn(async move { executor.run(price, |_| ()).await })
                })
                .collect();
            for each in waiting {
                let answered = tokio::time::timeout(Duration::from_secs(20), each).await;
                assert!(answered.expect("somebody takes it").unwrap().is_ok());
            }
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_abandoned_work_makes_room() {
        let executor = executor(1, 2);
        let held = occupy(&executor, 1).await;
        let spawn = || {
            let executor = executor.clone();
            tokio::spawn(async move { executor.run(LARGE, |_| ()).await })
        };
        let waiting = [spawn(), spawn()];
        while executor.0.shared.lock().long.len() < 2 {
            tokio::task::yield_now().await;
        }
        let refused = executor.run(LARGE, |_| ()).await;
        assert!(matches!(refused, Err(Error::Busy { name: "queue", .. })));
        assert!(
            executor.run(SMALL, |_| ()).await.is_ok(),
            "small work has its own queue"
        );
        let [gone, stays] = waiting;
        gone.abort();
        let _ = gone.await;
        let taken = spawn();
        drop(held);
        assert!(stays.await.unwrap().is_ok());
        assert!(taken.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn waiting_data_is_bounded() {
        let executor = executor(1, 10);
        let held = occupy(&executor, 1).await;
        let large = |payload_bytes| Price {
            payload_bytes,
            ..LARGE
        };
        let first = tokio::spawn({
            let executor = executor.clone();
            // More than the bound, but alone.
            async move { executor.run(large(1000), |_| ()).await }
        });
        while executor.0.shared.lock().long.is_empty() {
            tokio::task::yield_now().await;
        }
        let refused = executor.run(large(1), |_| ()).await;
        assert!(matches!(
            refused,
            Err(Error::Busy {
                name: "queue_bytes",
                ..
            })
        ));
        drop(held);
        assert!(first.await.unwrap().is_ok());
        assert!(executor.run(large(1), |_| ()).await.is_ok());
    }
}
