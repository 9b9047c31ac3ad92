//! Rings after a time, to tens of microseconds: the runtime's own timer knows milliseconds only.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

/// A thread that rings. It ends with this.
pub struct Alarm(Arc<Clock>);

#[derive(Default)]
struct Clock {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    due: BinaryHeap<Due>,
    closed: bool,
}

struct Due {
    at: Instant,
    ring: Box<dyn FnOnce() + Send>,
}

impl Alarm {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let clock = Arc::<Clock>::default();
        let own = clock.clone();
        thread::Builder::new()
            .name("coalesce".to_owned())
            .spawn(move || own.serve())?;
        Ok(Self(clock))
    }

    /// Rings at a time. What rings must be short.
    pub fn set(&self, at: Instant, ring: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.lock();
        let sooner = queue.due.peek().is_none_or(|first| at < first.at);
        let ring = Box::new(ring);
        queue.due.push(Due { at, ring });
        drop(queue);
        if sooner {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            let now = Instant::now();
            let left = queue
                .due
                .peek()
                .map(|due| due.at.saturating_duration_since(now));
            queue = match left {
                None => {
                    let woken = self.changed.wait(queue);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(left) if !left.is_zero() => {
                    let woken = self.changed.wait_timeout(queue, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let due = queue.due.pop();
                    drop(queue);
                    // Who rang is none of the others' business.
                    if let Some(due) = due
                        && catch_unwind(AssertUnwindSafe(due.ring)).is_err()
                    {
                        tracing::error!("an alarm panicked");
                    }
                    self.lock()
                }
            };
        }
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, time::Duration};

    #[test]
    fn rings_in_order_and_not_too_early() {
        let alarm = Alarm::start().unwrap();
        let (told, heard) = mpsc::channel();
        let begin = Instant::now();
        for (name, after) in [("late", 30), ("panics", 10), ("early", 3), ("middle", 20)] {
            let told = told.clone();
            let ring = move || {
                assert_ne!(name, "panics", "on purpose");
                told.send((name, begin.elapsed())).unwrap();
            };
            alarm.set(begin + Duration::from_millis(after), ring);
        }
        for (name, after) in [("early", 3), ("middle", 20), ("late", 30)] {
            let (rang, at) = heard.recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(rang, name);
            assert!(at >= Duration::from_millis(after), "{name} after {at:?}");
        }
    }
}
