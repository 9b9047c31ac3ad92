//! What clients have left with the server: graphs and tensors, by content hash, in memory, bounded in bytes.
//! What was not used for longest goes first; a request that names it then gets NOT_FOUND.

mod graphs;
mod tensors;

pub use graphs::{GraphStore, Registered};
pub use tensors::{Hasher, TensorStore};

use hashbrown::DefaultHashBuilder as HashBuilder;
use moka::{policy::EvictionPolicy, sync};
use std::hash::Hash;

/// By id. An id is long, and the standard hasher takes long over it.
type Cache<K, V> = sync::Cache<K, V, HashBuilder>;

/// A map of at most so many bytes.
fn bounded<K, V>(bytes: u64, weigh: impl Fn(&V) -> u64 + Send + Sync + 'static) -> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    // Keys, reference counts and the map's own bookkeeping.
    const OVERHEAD: u64 = 512;
    sync::Cache::builder()
        .max_capacity(bytes)
        .weigher(move |_, value| u32::try_from(weigh(value) + OVERHEAD).unwrap_or(u32::MAX))
        // The default policy prefers what is popular, and would refuse a newcomer that is about to be used.
        .eviction_policy(EvictionPolicy::lru())
        .build_with_hasher(HashBuilder::default())
}
