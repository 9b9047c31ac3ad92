//! Request batching: evaluations of one program at single points, come at the same time, run as lanes of one.
//!
//! Only under load: as long as there are few of them for each thread that computes, each runs at once, alone. More of
//! them gather until there are as many as each thread's share, or the first has waited as long as it would have waited
//! for the others to run before it, at most 2 ms. The program for points together is compiled when load is first seen;
//! until then everybody runs alone, and so does everybody where the engine does not promise the same bits.
//!
//! Whatever goes wrong together is done again alone: errors, deadlines and cancellation are those of single calls.

mod alarm;
mod batch;
mod crowd;

pub use batch::Answer;
pub use crowd::Crowd;

use crate::{
    cache::{Cache, Compiled},
    config::Config,
    error::Error,
    executor::Executor,
    store::Registered,
    telemetry::BATCH_LANES,
    wire::request::Evaluation,
};
use alarm::Alarm;
use batch::{Batch, Lane, has_time};
use crowd::{FEWEST, Joint, Terms};
use gradient_engine::{Estimate, Method, Program, Request};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Puts evaluations together.
#[derive(Clone)]
pub struct Coalescer(Option<Arc<Inner>>);

struct Inner {
    /// Points that run together at most.
    most: usize,
    threads: usize,
    executor: Executor,
    cache: Cache,
    alarm: Alarm,
    numbers: AtomicU64,
}

/// What is cheaper is answered in less time than company would take to come.
const CHEAPEST: Duration = Duration::from_micros(20);

/// What is dearer would hold a thread for too long if others ran with it.
const DEAREST: Duration = Duration::from_millis(50);

/// Points run together in this time, or in so many times that of one alone.
const LONGEST: (Duration, u32) = (Duration::from_millis(10), 8);

/// Points together take no more memory than this.
const MEMORY: u64 = 64 << 20;

/// Points with more data of their own run alone.
const COPIED: u64 = 1 << 20;

impl Coalescer {
    /// Starts the thread that ends waiting, unless it is switched off.
    pub fn start(config: &Config, executor: Executor, cache: Cache) -> io::Result<Self> {
        if (config.max_coalesced as usize) < FEWEST {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Inner {
            most: config.max_coalesced as usize,
            threads: config.compute_threads(),
            executor,
            cache,
            alarm: Alarm::start()?,
            numbers: AtomicU64::new(0),
        }))))
    }

    /// Counts an evaluation among those of its program for as long as the visit lasts; `None` of one that may have no
    /// company.
    pub fn enter(
        &self,
        compiled: &Compiled,
        evaluation: &Evaluation,
        estimate: Estimate,
    ) -> Option<Visit> {
        let inner = self.0.as_ref()?;
        let request = &evaluation.compilation.request;
        let may = request.batched.is_none()
            && request.options.method == Method::Exact
            && (CHEAPEST..=DEAREST).contains(&estimate.predicted)
            && evaluation.copied_bytes() <= COPIED;
        may.then(|| Visit::new(inner, compiled, estimate.predicted))
    }
}

/// An evaluation that may have company, from its arrival to its answer.
pub struct Visit {
    inner: Arc<Inner>,
    crowd: Arc<Crowd>,
    program: Arc<Program>,
    predicted: Duration,
}

impl Visit {
    fn new(inner: &Arc<Inner>, compiled: &Compiled, predicted: Duration) -> Self {
        compiled.crowd.lock().present += 1;
        Self {
            inner: inner.clone(),
            crowd: compiled.crowd.clone(),
            program: compiled.program.clone(),
            predicted,
        }
    }

    /// It ran alone.
    pub fn ran_alone(&self, took: Duration) {
        self.crowd.lock().ran_alone(took);
        metrics::histogram!(BATCH_LANES).record(1.0);
    }

    /// Runs with others. `None`: it is to run alone.
    pub async fn together(
        &self,
        graph: &Registered,
        evaluation: &Arc<Evaluation>,
        deadline: Option<Instant>,
    ) -> Option<Answer> {
        let since = Instant::now();
        let inner = &self.inner;
        if !self.crowd.lock().is_gathering(inner.threads, since) {
            return None;
        }
        let residents = evaluation.residents();
        let batched: Vec<bool> = residents.iter().map(Option::is_none).collect();
        if !batched.contains(&true) {
            return None;
        }
        let joint = self.crowd.lock().joint(&batched);
        let terms = match joint {
            Some(Joint::Ready(terms)) => terms,
            Some(Joint::Making | Joint::Never) => return None,
            None => {
                self.prepare(graph, evaluation, batched);
                return None;
            }
        };
        let found = inner.cache.ready(graph.id, terms.request.clone()).await;
        let Some(joint) = found else {
            self.crowd.lock().lost(&batched, since);
            return None;
        };
        let (answer, answered) = oneshot::channel();
        let (member, full) = {
            let mut state = self.crowd.lock();
            let takes = terms.predicted.max(state.takes_together(terms.most));
            if !has_time(deadline, since, takes) {
                return None;
            }
            let enough = state.share(inner.threads).clamp(FEWEST, terms.most);
            let wait = state.patience(inner.threads, self.predicted);
            let open = state.open(&batched)?;
            if open.as_ref().is_some_and(|b| !b.has_in_common(&residents)) {
                return None;
            }
            let batch = open.get_or_insert_with(|| {
                let number = inner.numbers.fetch_add(1, Ordering::Relaxed);
                self.end_waiting(number, since + wait);
                Batch {
                    number,
                    crowd: self.crowd.clone(),
                    places: Arc::new(self.program.coordinates()),
                    joint: joint.program.clone(),
                    request: terms.request,
                    residents,
                    lanes: Vec::with_capacity(enough),
                    attendance: Arc::default(),
                }
            });
            batch.lanes.push(Lane {
                evaluation: evaluation.clone(),
                deadline,
                since,
                answer,
            });
            let member = batch.attendance.join();
            let is_full = batch.lanes.len() >= enough;
            (member, is_full.then(|| open.take()).flatten())
        };
        if let Some(batch) = full {
            inner.dispatch(batch);
        }
        let answer = answered.await.ok();
        drop(member);
        answer
    }

    /// A batch goes as it is when its first point has waited long enough.
    fn end_waiting(&self, number: u64, at: Instant) {
        let (inner, crowd) = (self.inner.clone(), self.crowd.clone());
        self.inner.alarm.set(at, move || {
            let batch = crowd.lock().close(number);
            if let Some(batch) = batch {
                inner.dispatch(batch);
            }
        });
    }

    /// Compiles the program for points together, and finds out on what terms it may be used.
    fn prepare(&self, graph: &Registered, evaluation: &Evaluation, batched: Vec<bool>) {
        let wanted = &evaluation.compilation;
        let request = Request {
            batched: Some(batched.clone()),
            ..Request::clone(&wanted.request)
        };
        let request = Arc::new(request);
        let (paths, memory) = (wanted.paths.clone(), wanted.memory.1.min(MEMORY));
        let (inner, crowd, alone) = (self.inner.clone(), self.crowd.clone(), self.program.clone());
        let (graph, predicted) = (graph.clone(), self.predicted);
        tokio::spawn(async move {
            let made = inner.cache.compile(&graph, request.clone(), &paths).await;
            let joint = match made {
                // Another time.
                Err(Error::Busy { .. } | Error::Draining) => None,
                Err(_) => Some(Joint::Never),
                Ok((made, _)) => {
                    let most = most(&made.program, &alone, predicted, inner.most, memory);
                    Some(most.map_or(Joint::Never, |most| {
                        Joint::Ready(Terms {
                            request,
                            most,
                            predicted: made.program.estimate(most as u64).predicted,
                        })
                    }))
                }
            };
            crowd.lock().set_joint(&batched, joint);
        });
    }
}

/// How many points may run together, if any: what `alone` gives in `predicted` must be what they get.
fn most(
    joint: &Program,
    alone: &Program,
    predicted: Duration,
    most: usize,
    memory: u64,
) -> Option<usize> {
    let longest = LONGEST.0.max(predicted.saturating_mul(LONGEST.1));
    let fits = |&lanes: &usize| {
        let estimate = joint.estimate(lanes as u64);
        estimate.bytes <= memory && estimate.predicted <= longest
    };
    let most = (FEWEST..=most).rev().find(fits)?;
    joint.repeats(alone).then_some(most)
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.crowd.lock().present -= 1;
    }
}

impl Inner {
    /// Sends points to the threads; those that find no place there run alone, and hear from there why they cannot.
    fn dispatch(&self, batch: Batch) {
        if batch.lanes.len() >= FEWEST {
            let price = batch.price();
            // Refused, it is dropped: that tells everybody.
            let _ = self.executor.submit(price, batch);
        }
    }
}
