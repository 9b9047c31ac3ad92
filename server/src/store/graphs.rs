use super::{Cache, bounded};
use crate::{
    error::{Error, Result},
    wire::names::{self, Mentions, Signature},
};
use gradient_engine::{Graph, GraphId, Statistics};
use moka::ops::compute::{CompResult, Op};
use std::{slice, sync::Arc};

/// Registered graphs by id.
pub struct GraphStore {
    graphs: Cache<Arc<str>, Arc<Registered>>,
    capacity: u64,
}

/// A registered graph, as its first client sent it, and the names that clients know it by.
#[derive(Clone)]
pub struct Registered {
    /// Its identity.
    pub id: GraphId,
    /// Its identity as clients write it.
    pub text: Arc<str>,
    /// The graph.
    pub graph: Arc<Graph>,
    /// Counted once, at registration.
    pub statistics: Arc<Statistics>,
    /// At least one, the oldest first.
    signatures: Arc<[Arc<Signature>]>,
}

impl Registered {
    /// Works out what is to be known about a graph. Takes time in proportion to its size.
    pub fn new(graph: Graph) -> Self {
        let signature = Arc::new(Signature::of(&graph));
        let id = graph.id();
        Self {
            id,
            text: id.to_string().into(),
            statistics: Arc::new(graph.statistics()),
            graph: Arc::new(graph),
            signatures: [signature].into(),
        }
    }

    /// The names of the first registration.
    pub fn signature(&self) -> &Arc<Signature> {
        &self.signatures[0]
    }

    /// The names by which to read a request that mentions these.
    pub fn signature_for<'r>(
        &self,
        mentions: impl FnOnce() -> Mentions<'r>,
    ) -> Result<&Arc<Signature>> {
        if let [only] = &*self.signatures {
            return Ok(only);
        }
        let signatures = self.signatures.iter().map(Arc::as_ref);
        Ok(&self.signatures[names::choose(signatures, &mentions())?])
    }

    /// Whether these are the names in the graph itself.
    pub fn is_original(&self, signature: &Arc<Signature>) -> bool {
        Arc::ptr_eq(signature, &self.signatures[0])
    }

    fn bytes(&self) -> u64 {
        let names: u64 = self.signatures.iter().map(|s| s.bytes()).sum();
        self.graph.bytes() + names
    }
}

impl GraphStore {
    /// The most signatures of one graph. Beyond, the oldest but the first is forgotten; its clients are told to
    /// use positions or to register again.
    const SIGNATURES: usize = 16;

    /// An empty store of that many bytes.
    pub fn new(bytes: u64) -> Self {
        let graphs = bounded(bytes, |graph: &Arc<Registered>| graph.bytes());
        Self {
            graphs,
            capacity: bytes,
        }
    }

    /// The graph of an id.
    pub fn get(&self, id: &str) -> Result<Arc<Registered>> {
        let known = self.graphs.get(id);
        known.ok_or_else(|| Error::GraphNotRegistered { id: id.to_owned() })
    }

    /// Keeps a graph. Tells what is kept (a graph of the same identity that was there before, with the names of
    /// this one added) and whether it is new here.
    pub fn register(&self, graph: Registered) -> Result<(Arc<Registered>, bool)> {
        let graph = Arc::new(graph);
        let asked = graph.bytes();
        if asked > self.capacity {
            return Err(Error::Limit {
                name: "graph_bytes",
                value: self.capacity,
                asked,
                path: String::new(),
                repair: "the graph is too large for this server".to_owned(),
            });
        }
        let mut created = true;
        let result = self
            .graphs
            .entry(graph.text.clone())
            .and_compute_with(|known| {
                let known = known.map(moka::Entry::into_value);
                created = known.is_none();
                match known {
                    None => Op::Put(graph.clone()),
                    Some(known) if known.signatures.contains(graph.signature()) => Op::Nop,
                    Some(known) => Op::Put(Arc::new(known.with(graph.signature()))),
                }
            });
        self.graphs.run_pending_tasks();
        let kept = match result {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Unchanged(entry) => entry.into_value(),
            CompResult::Removed(_) | CompResult::StillNone(_) => graph,
        };
        Ok((kept, created))
    }
}

impl Registered {
    fn with(&self, signature: &Arc<Signature>) -> Self {
        let forgotten = usize::from(self.signatures.len() >= GraphStore::SIGNATURES);
        let kept = self.signatures[1 + forgotten..].iter();
        let first = slice::from_ref(&self.signatures[0]).iter();
        let all = first.chain(kept).chain([signature]);
        Self {
            signatures: all.cloned().collect(),
            ..self.clone()
        }
    }
}
