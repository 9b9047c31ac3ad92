//! What calls took and how they ended.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gradient_client::{Error, Timing, error::code_name};
use hdrhistogram::Histogram;

/// Significant decimal digits of a time that is kept.
const DIGITS: u8 = 3;
/// Calls that could not be made are put down in at most so many groups.
const GROUPS: u64 = 10_000;

/// Times in nanoseconds, exact to three digits.
pub type Times = Histogram<u64>;

/// Times of the calls, and their ends.
#[derive(Debug)]
pub struct Record {
    /// From when a call was due to its answer.
    pub latency: Times,
    /// From when a call was due to when it was made.
    pub waiting: Times,
    /// Of a call that was made, what the server does not account for: transport, encoding, scheduling on both sides.
    pub network: Times,
    /// Queue, compile and execute together.
    pub server: Times,
    /// As the server says.
    pub queue: Times,
    /// As the server says.
    pub compile: Times,
    /// As the server says.
    pub execute: Times,
    /// Answers by the contract's name of what the cache had.
    pub caches: BTreeMap<&'static str, u64>,
    /// Answers by the contract's name of what computed them.
    pub tiers: BTreeMap<&'static str, u64>,
    /// Failed calls by status.
    pub errors: BTreeMap<&'static str, Failures>,
    /// Calls that were due before the end, and could not be made because all callers were waiting.
    pub missed: u64,
}

/// Calls that failed with one status.
#[derive(Debug)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// What the first one said.
    pub message: String,
}

/// When something happened to a call.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    pub due: Instant,
    pub made: Instant,
    pub ended: Instant,
}

impl Record {
    pub fn new() -> Self {
        let times = || Times::new(DIGITS).expect("a histogram has up to five digits");
        Self {
            latency: times(),
            waiting: times(),
            network: times(),
            server: times(),
            queue: times(),
            compile: times(),
            execute: times(),
            caches: BTreeMap::new(),
            tiers: BTreeMap::new(),
            errors: BTreeMap::new(),
            missed: 0,
        }
    }

    /// Calls that were answered.
    pub fn answered(&self) -> u64 {
        self.server.len()
    }

    /// Calls that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().map(|failures| failures.count).sum()
    }

    /// Puts down how a call ended.
    pub fn add(&mut self, at: Moments, answer: Result<Timing, Error>) {
        let timing = match answer {
            Ok(timing) => timing,
            Err(error) => return self.add_error(&error),
        };
        let server = timing.queue + timing.compile + timing.execute;
        let trip = at.ended.saturating_duration_since(at.made);
        put(&mut self.latency, at.ended - at.due, 1);
        put(&mut self.waiting, at.made - at.due, 1);
        put(&mut self.network, trip.saturating_sub(server), 1);
        put(&mut self.server, server, 1);
        put(&mut self.queue, timing.queue, 1);
        put(&mut self.compile, timing.compile, 1);
        put(&mut self.execute, timing.execute, 1);
        *self.caches.entry(timing.cache.as_str_name()).or_default() += 1;
        *self.tiers.entry(timing.tier.as_str_name()).or_default() += 1;
    }

    fn add_error(&mut self, error: &Error) {
        let rpc = error.rpc();
        let failures = self
            .errors
            .entry(rpc.map_or("OTHER", |rpc| code_name(rpc.code)));
        let first = || Failures {
            count: 0,
            message: rpc.map_or_else(|| error.to_string(), |rpc| rpc.message.clone()),
        };
        failures.or_insert_with(first).count += 1;
    }

    /// Puts down calls that were due at equal distances from `first` to `last`, and not made until `end`: with the
    /// time that they had waited then, which is less than they would have taken. To leave them out would be to
    /// measure only while the server keeps up.
    pub fn miss(&mut self, count: u64, first: Instant, last: Instant, end: Instant) {
        self.missed += count;
        let groups = count.min(GROUPS);
        let (longest, span) = (end - first, last - first);
        for group in 0..groups {
            let size = count * (group + 1) / groups - count * group / groups;
            let waited = longest.saturating_sub(span.mul_f64(group as f64 / groups as f64));
            put(&mut self.latency, waited, size);
            put(&mut self.waiting, waited, size);
        }
    }
}

fn put(times: &mut Times, time: Duration, count: u64) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // Grows as far as it must; only what is beyond any histogram counts as its largest time.
    if times.record_n(nanoseconds, count).is_err() {
        times.saturating_record_n(nanoseconds, count);
    }
}

#[cfg(test)]
mod tests {
    use gradient_client::proto::{Cache, Tier};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn timing() -> Timing {
        Timing {
            queue: MS,
            compile: 2 * MS,
            execute: 3 * MS,
            cache: Cache::Miss,
            tier: Tier::Interpreter,
        }
    }

    /// To the digits that are kept.
    fn is(times: &Times, want: Duration) -> bool {
        times.equivalent(times.max(), want.as_nanos() as u64)
    }

    #[test]
    fn a_call_is_split() {
        let due = Instant::now();
        let at = Moments {
            due,
            made: due + 4 * MS,
            ended: due + 14 * MS,
        };
        let mut record = Record::new();
        record.add(at, Ok(timing()));
        assert!(is(&record.latency, 14 * MS) && is(&record.waiting, 4 * MS));
        assert!(is(&record.server, 6 * MS) && is(&record.network, 4 * MS));
        assert!(
            is(&record.queue, MS) && is(&record.compile, 2 * MS) && is(&record.execute, 3 * MS)
        );
        assert_eq!((record.answered(), record.failed()), (1, 0));
        assert_eq!(record.caches, BTreeMap::from([("CACHE_MISS", 1)]));
        assert_eq!(record.tiers, BTreeMap::from([("TIER_INTERPRETER", 1)]));
    }

    #[test]
    fn clocks_that_disagree_do_no_harm() {
        let now = Instant::now();
        let at = Moments {
            due: now,
            made: now,
            ended: now + MS,
        };
        let mut record = Record::new();
        record.add(at, Ok(timing()));
        assert_eq!(record.network.max(), 0);
    }

    #[test]
    fn failures_are_counted_by_status_and_have_no_times() {
        let now = Instant::now();
        let at = Moments {
            due: now,
            made: now,
            ended: now,
        };
        let mut record = Record::new();
        for message in ["first", "second"] {
            record.add(at, Err(tonic::Status::resource_exhausted(message).into()));
        }
        record.add(at, Err(Error::Missing("sense".into())));
        let busy = &record.errors["RESOURCE_EXHAUSTED"];
        assert_eq!((busy.count, busy.message.as_str()), (2, "first"));
        assert_eq!(record.errors["OTHER"].count, 1);
        assert_eq!((record.answered(), record.failed()), (0, 3));
        assert!(record.latency.is_empty());
    }

    #[test]
    fn calls_that_were_not_made_have_waited() {
        let start = Instant::now();
        for count in [1, 7, 30_001] {
            let mut record = Record::new();
            record.miss(count, start, start + 99 * MS, start + 100 * MS);
            assert_eq!((record.missed, record.latency.len()), (count, count));
            assert_eq!(record.answered(), 0);
            assert!(is(&record.waiting, 100 * MS));
            let half = record.latency.value_at_quantile(0.5);
            let want = if count == 1 { 100e6 } else { 50e6 };
            assert!((half as f64 - want).abs() <= 15e6, "{count}: {half}");
        }
    }
}
