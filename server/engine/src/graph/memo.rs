use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Findings that are kept at most; the next one begins anew.
const KEPT: usize = 32;

type Finding = Arc<dyn Any + Send + Sync>;

/// What higher floors have found out about a graph and want to find again: kept with it, shared by its clones.
#[derive(Clone, Default)]
pub struct Memo(Arc<Mutex<HashMap<Vec<u32>, Finding>>>);

impl Memo {
    /// The finding under a key, or what `find` gives. Two who ask at once may both have to find it.
    pub fn get<T: Any + Send + Sync>(&self, key: Vec<u32>, find: impl FnOnce() -> T) -> Arc<T> {
        let kept = self.lock().get(&key).cloned();
        if let Some(found) = kept.and_then(|found| found.downcast().ok()) {
            return found;
        }
        let found = Arc::new(find());
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, found.clone());
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u32>, Finding>> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} findings", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn finds_once() {
        let memo = Memo::default();
        assert_eq!(*memo.get(vec![1], || 10u64), 10);
        assert_eq!(*memo.clone().get(vec![1], || 20u64), 10);
        assert_eq!(*memo.get(vec![2], || 20u64), 20);
        // Another type under the key: another finding.
        assert_eq!(*memo.get(vec![1], || 1.5f64), 1.5);
        (3..100).for_each(|k| assert_eq!(*memo.get(vec![k], || k), k));
    }
}
