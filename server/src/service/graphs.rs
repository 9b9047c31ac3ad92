//! RegisterGraph, GetGraph, DifferentiateGraph, and how the other handlers come by their graph.

use super::Core;
use crate::{
    error::{Error, Result},
    executor::Price,
    store::Registered,
    telemetry::note,
    wire::{
        encode,
        graph::{decode_graph, encode_graph, rename},
        names::{Mentions, Signature},
        product::{self, Named},
        request::{self, Source},
    },
};
use gradient_engine::{self as engine, Options, Product, Request};
use gradient_proto::v1 as pb;
use std::{sync::Arc, time::Duration};

/// A graph, and the names that a request knows it by.
pub struct Resolved {
    pub graph: Arc<Registered>,
    pub names: Arc<Signature>,
}

impl Resolved {
    pub fn named(&self) -> Named<'_> {
        Named {
            graph: &self.graph.graph,
            names: &self.names,
        }
    }
}

/// Fills in what a graph has to say of the call's span.
pub fn note_graph(graph: &Registered) {
    note("graph_id", &*graph.text);
    note("n", graph.statistics.live_inputs);
    note("m", graph.statistics.outputs);
}

/// Checking, hashing, encoding and differentiating a node, about.
const NANOSECONDS_PER_NODE: u64 = 1000;

fn price(nodes: u64) -> Price {
    Price {
        predicted: Duration::from_nanos(nodes.saturating_mul(NANOSECONDS_PER_NODE)),
        payload_bytes: 0,
    }
}

impl Core {
    pub async fn register(&self, graph: Option<pb::Graph>) -> Result<pb::RegisterGraphResponse> {
        let graph = graph.ok_or_else(|| Error::invalid("graph", "no graph: set graph"))?;
        let graph = self.load(graph, "graph").await?;
        let (graph, created) = self.graphs.register(graph)?;
        note("graph_id", &*graph.text);
        Ok(pb::RegisterGraphResponse {
            graph_id: graph.text.to_string(),
            created,
            statistics: Some(encode::statistics(&graph.statistics)),
        })
    }

    pub async fn describe(&self, request: pb::GetGraphRequest) -> Result<pb::GetGraphResponse> {
        if request.graph_id.is_empty() {
            return Err(Error::invalid("graph_id", "empty: set graph_id"));
        }
        let graph = self.graphs.get(&request.graph_id)?;
        note("graph_id", &*graph.text);
        let mut answer = encode::description(&graph);
        let price = price(graph.statistics.nodes);
        if request.include_listing {
            let all = (0..graph.graph.outputs().len() as u32).collect();
            let value = Request {
                products: vec![Product::Value { outputs: all }],
                options: Options {
                    costs: self.config.costs,
                    ..Options::default()
                },
                batched: None,
            };
            let (compiled, _) = self.cache.compile(&graph, Arc::new(value), &[]).await?;
            let listed = self
                .executor
                .run(price, move |_| compiled.program.listing());
            answer.listing = listed.await?.value;
        }
        if request.include_graph {
            let encode = move |_: &mut _| encode_graph(&graph.graph, graph.signature());
            answer.graph = Some(self.executor.run(price, encode).await?.value);
        }
        self.sendable(answer, "ask without include_graph and include_listing")
    }

    pub async fn differentiate(
        &self,
        mut request: pb::DifferentiateGraphRequest,
    ) -> Result<pb::DifferentiateGraphResponse> {
        let source = request.graph.take().try_into()?;
        let mentions = || {
            let mut mentions = Mentions::default();
            request
                .product
                .iter()
                .for_each(|p| product::mention(p, &mut mentions));
            mentions
        };
        let at = self.resolve(source, mentions).await?;
        let (product, options) = (request.product, request.options);
        let (product, path, options) =
            request::decode_derivative(product, options, at.named(), &self.config)?;

        let price = price(at.graph.statistics.nodes);
        let work = move |_: &mut _| {
            // The derivative's names are made of the graph's: they must be those that the client knows.
            let renamed = match at.graph.is_original(&at.names) {
                true => None,
                false => Some(rename(&at.graph.graph, &at.names)?),
            };
            let graph = renamed.as_ref().unwrap_or(&at.graph.graph);
            let (derivative, plan) = engine::differentiate(graph, &product, &options)
                .map_err(|error| Error::of_engine(error, &[path]))?;
            let derivative = Registered::new(derivative);
            let graph = encode_graph(&derivative.graph, derivative.signature());
            Ok((derivative, graph, plan))
        };
        let (derivative, graph, plan) = self.executor.run(price, work).await?.value?;
        let answer = pb::DifferentiateGraphResponse {
            graph_id: derivative.text.to_string(),
            graph: Some(graph),
            plan: Some(encode::plan(&plan)),
        };
        let answer = self.sendable(answer, "ask for fewer outputs or wrt at a time")?;
        self.graphs.register(derivative)?;
        Ok(answer)
    }

    /// The graph that a request is about, and the names to read the request by.
    pub async fn resolve<'r>(
        &self,
        source: Source,
        mentions: impl FnOnce() -> Mentions<'r>,
    ) -> Result<Resolved> {
        let resolved = match source {
            Source::Id(id) => {
                let graph = self.graphs.get(&id)?;
                let names = graph.signature_for(mentions)?.clone();
                Resolved { graph, names }
            }
            Source::Inline(graph) => {
                let own = Box::pin(self.load(graph, "inline_graph")).await?;
                let names = own.signature().clone();
                let (graph, _) = self.graphs.register(own)?;
                Resolved { graph, names }
            }
        };
        note_graph(&resolved.graph);
        Ok(resolved)
    }

    /// Checks and identifies the graph at `path` of a request.
    async fn load(&self, graph: pb::Graph, path: &'static str) -> Result<Registered> {
        let bodies = graph.functions.iter().map(|f| f.nodes.len());
        let price = price((graph.nodes.len() + bodies.sum::<usize>()) as u64);
        let (limits, tensors) = (self.limits.clone(), self.tensors.clone());
        let work = move |_: &mut _| {
            let graph = decode_graph(graph, path, &limits, &tensors)?;
            Ok(Registered::new(graph))
        };
        self.executor.run(price, work).await?.value
    }
}
