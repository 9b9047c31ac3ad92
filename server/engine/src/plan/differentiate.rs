use super::{Derivation, Options, Plan, Product, SeedSource, derive};
use crate::error::Error;
use crate::graph::Graph;

/// The derivative as a graph: inputs are the graph's, then the seeds.
pub fn differentiate(
    graph: &Graph,
    product: &Product,
    options: &Options,
) -> Result<(Graph, Plan), Error> {
    let _: fn(&Graph, &[Product], &Options) -> Result<Derivation, Error> = derive;
    let _ = SeedSource::Given { index: 0 };
    let _ = (graph, product, options);
    Err(Error::Unimplemented("DifferentiateGraph".into()))
}
