//! Compiled programs: weighed in bytes, each compiled once however many ask for it at the same time.

use crate::{
    coalesce::Crowd,
    error::{Error, ProductPath, Result},
    executor::{Executor, Price},
    store::Registered,
    wire::answer::Outline,
};
use gradient_engine::{self as engine, GraphId, Program, Request};
use hashbrown::DefaultHashBuilder as HashBuilder;
use moka::{future::Cache as Map, policy::EvictionPolicy};
use std::{sync::Arc, time::Duration};

/// What of a request decides the code: the graph, and the products, options and batched inputs.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    graph: GraphId,
    request: Arc<Request>,
}

/// Compiled programs.
#[derive(Clone)]
pub struct Cache {
    programs: Map<Key, Arc<Compiled>, HashBuilder>,
    executor: Executor,
}

/// A program, ready to run on any thread.
pub struct Compiled {
    /// The program.
    pub program: Arc<Program>,
    /// What its answers have in common.
    pub outline: Arc<Outline>,
    /// Who evaluates it at the moment.
    pub crowd: Arc<Crowd>,
    /// How long it took to make.
    pub took: Duration,
}

/// Where a program came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It was there.
    Hit,
    /// This request compiled it.
    Miss,
    /// Another request was compiling it; this one waited.
    Joined,
}

impl Cache {
    /// An empty cache of that many bytes, which compiles on the executor's threads.
    pub fn new(bytes: u64, executor: Executor) -> Self {
        // The key, the plans, and the map's own bookkeeping.
        const OVERHEAD: u64 = 1024;
        let weigh = |_: &Key, compiled: &Arc<Compiled>| {
            let bytes = compiled.program.code_bytes() + compiled.outline.bytes() + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let programs = Map::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            // The default policy prefers what is popular, and would compile a newcomer again for each call.
            .eviction_policy(EvictionPolicy::lru())
            // A key has dozens of parts, each of which costs the default hasher tens of nanoseconds.
            .build_with_hasher(HashBuilder::default());
        Self { programs, executor }
    }

    /// The program for a request about a graph. `paths` say where the products stand, for errors.
    ///
    /// Compiling goes on when the caller is gone: another may be waiting, and the caller may come again.
    pub async fn compile(
        &self,
        graph: &Registered,
        request: Arc<Request>,
        paths: &[ProductPath],
    ) -> Result<(Arc<Compiled>, Found)> {
        let key = Key {
            graph: graph.id,
            request,
        };
        if let Some(compiled) = self.programs.get(&key).await {
            return Ok((compiled, Found::Hit));
        }
        // What waits is large: boxed, those who find what they want are not moved with it.
        Box::pin(self.join(graph, key, paths)).await
    }

    /// Compiles a program, or waits for who does.
    async fn join(
        &self,
        graph: &Registered,
        key: Key,
        paths: &[ProductPath],
    ) -> Result<(Arc<Compiled>, Found)> {
        let making = tokio::spawn({
            let (programs, make) = (self.programs.clone(), self.make(graph, &key, paths));
            async move { programs.entry(key).or_try_insert_with(make).await }
        });
        let made = making
            .await
            .map_err(|error| Error::Defect(error.to_string()))?;
        let entry = made.map_err(|error: Arc<Error>| (*error).clone())?;
        let found = if entry.is_fresh() {
            Found::Miss
        } else {
            Found::Joined
        };
        Ok((entry.into_value(), found))
    }

    /// The program for a request about a graph, if it is there.
    pub async fn ready(&self, graph: GraphId, request: Arc<Request>) -> Option<Arc<Compiled>> {
        self.programs.get(&Key { graph, request }).await
    }

    fn make(
        &self,
        graph: &Registered,
        key: &Key,
        paths: &[ProductPath],
    ) -> impl Future<Output = Result<Arc<Compiled>>> + Send + 'static {
        // Differentiating, simplifying and lowering a node, about.
        const NANOSECONDS_PER_NODE: u64 = 1000;
        let (executor, request, paths) =
            (self.executor.clone(), key.request.clone(), paths.to_vec());
        let nodes = graph.statistics.live_nodes.saturating_add(1);
        let nanoseconds = nodes
            .saturating_mul(NANOSECONDS_PER_NODE)
            .saturating_mul(request.products.len() as u64);
        let price = Price {
            predicted: Duration::from_nanos(nanoseconds),
            payload_bytes: 0,
        };
        let graph = graph.graph.clone();
        async move {
            let work = move |_: &mut _| {
                let program = engine::compile(&graph, &request)?;
                let outline = Outline::of(&program);
                Ok((Arc::new(program), Arc::new(outline)))
            };
            let ran = executor.run(price, work).await?;
            let compiled = ran.value;
            let (program, outline) = compiled.map_err(|error| Error::of_engine(error, &paths))?;
            Ok(Arc::new(Compiled {
                program,
                outline,
                crowd: Arc::default(),
                took: ran.took,
            }))
        }
    }
}
