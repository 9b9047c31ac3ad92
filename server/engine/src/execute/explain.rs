//! What to say about a node that a check caught: its operands at the point, calculated again.

use super::interpret::Caught;
use super::{Arguments, Scratch, Stop, compile};
use crate::error::{Culprit, Error};
use crate::graph::{Graph, NodeId, Output};
use crate::plan::{Options, Product, Request};
use crate::tensor::TensorRef;
use crate::transform::Reason;

/// The error that names the node. `inputs`: the bytes of each input of the graph at the point.
pub(super) fn explain(graph: Option<&Graph>, caught: &Caught, inputs: Vec<&[u8]>) -> Error {
    let function = graph.and_then(|graph| graph.functions().get(caught.function? as usize));
    let name = function.map_or(String::new(), |f| f.name.clone());
    let own = function.map(|f| &f.body).or(graph);
    let node = own.map(|own| (own, own.arena().node(NodeId(caught.node))));
    let Some((own, node)) = node else {
        return Error::Unimplemented("a check of a graph that was not kept".into());
    };
    // What a function was given when it came to that is not known any more.
    let values = match (function, graph) {
        (None, Some(graph)) => values(graph, caught.node, inputs).unwrap_or_default(),
        _ => vec![],
    };
    let operands = values.iter().take(node.operands.len()).cloned();
    let culprit = Box::new(Culprit {
        function: name,
        node: caught.node,
        label: own.label(node.id).into(),
        op: node.op,
        operands: operands.collect(),
        value: match caught.reason {
            Reason::Value if values.is_empty() => caught.value.to_string(),
            Reason::Value => {
                let results = values.iter().skip(node.operands.len()).cloned();
                results.collect::<Vec<_>>().join(", ")
            }
            Reason::Derivative => format!("a derivative of {}", caught.value),
            Reason::Kink => String::new(),
        },
    });
    match caught.reason {
        Reason::Kink => Error::NonSmooth(culprit),
        Reason::Value | Reason::Derivative => Error::NonFinite(culprit),
    }
}

/// The operands and results of a node, as text.
fn values(graph: &Graph, node: u32, inputs: Vec<&[u8]>) -> Result<Vec<String>, Error> {
    let node = graph.arena().node(NodeId(node));
    let wanted = node.operands.iter().copied().chain(node.results());
    let outputs: Vec<Output> = wanted
        .enumerate()
        .map(|(i, value)| Output {
            name: i.to_string(),
            value,
        })
        .collect();
    let all = (0..outputs.len() as u32).collect();
    let part = graph.with_outputs(outputs);
    let request = Request {
        products: vec![Product::Value { outputs: all }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&part, &request)?;
    let given = graph.inputs().iter().zip(inputs);
    let arguments = Arguments {
        inputs: given
            .map(|(input, raw)| TensorRef::new(&input.ty, raw).expect("checked by the caller"))
            .collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default())?;
    let values = blocks.iter().flatten();
    Ok(values.map(|block| block.tensor.to_string()).collect())
}
