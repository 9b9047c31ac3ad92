//! Graphs, both ways. What the builder takes is valid; nothing is checked twice.

use super::{
    attributes::{decode_attributes, encode_attributes},
    functions::{Names, decode_functions, encode_functions},
    tensor::{decode_type, encode_type},
};
use crate::{
    error::{Error, Result},
    store::TensorStore,
    wire::names::Signature,
};
use gradient_engine::{Attributes, Function, Graph, GraphBuilder, Limits, Op, ValueId};
use gradient_proto::v1 as pb;
use std::fmt::Display;

/// Reads the graph that stands at `path` in the request.
pub fn decode_graph(
    graph: pb::Graph,
    path: &str,
    limits: &Limits,
    resident: &TensorStore,
) -> Result<Graph> {
    let refuse = |violation| Error::of_graph(path, violation);
    let mut builder = GraphBuilder::with_capacity(&graph.name, limits.clone(), graph.nodes.len());
    let names = Names::of(&graph.functions);
    if !graph.functions.is_empty() {
        let functions = decode_functions(graph.functions, &names, path, resident)?;
        builder.functions(functions).map_err(refuse)?;
    }
    builder.expect_inputs(graph.inputs.len());
    for (i, input) in graph.inputs.into_iter().enumerate() {
        let ty = decode_type(input.r#type, &format_args!("{path}.inputs[{i}].type"))?;
        builder.input(input.name, ty).map_err(refuse)?;
    }
    let with_attributes = graph.nodes.iter().filter(|node| node.attributes.is_some());
    builder.expect_attributes(with_attributes.count());
    let mut operands = Vec::new();
    for (i, node) in graph.nodes.into_iter().enumerate() {
        if push_plain(&mut builder, &node) {
            continue;
        }
        let at = format_args!("{path}.nodes[{i}]");
        let op = decode_op(node.op, &at)?;
        let attributes = match node.attributes {
            None => Attributes::None,
            given => decode_attributes(given, &at, resident, &names)?,
        };
        operands.clear();
        operands.extend(node.operands.iter().map(|&v| ValueId(v)));
        builder
            .push(op, &operands, attributes, &node.label)
            .map_err(refuse)?;
    }
    for output in graph.outputs {
        let value = ValueId(output.value);
        builder.output(&output.name, value).map_err(refuse)?;
    }
    builder.finish().map_err(refuse)
}

/// Adds a node of one or two operands and nothing else: nearly every node of a large scalar graph. Whether it did: not where
/// it is another or a wrong one.
#[inline]
fn push_plain(builder: &mut GraphBuilder, node: &pb::Node) -> bool {
    if node.attributes.is_some() || !node.label.is_empty() {
        return false;
    }
    let Some(op) = u32::try_from(node.op).ok().and_then(Op::from_number) else {
        return false;
    };
    let pushed = match *node.operands {
        [a] => builder.push_alike(op, &[ValueId(a)]),
        [a, b] => builder.push_alike(op, &[ValueId(a), ValueId(b)]),
        _ => None,
    };
    pushed.is_some()
}

pub(super) fn decode_op(number: i32, at: &dyn Display) -> Result<Op> {
    let path = format_args!("{at}.op");
    if number == 0 {
        return Err(Error::invalid(
            path,
            "no operation: set op; ListOps gives all of them",
        ));
    }
    let op = u32::try_from(number).ok().and_then(Op::from_number);
    let op = op.ok_or_else(|| {
        let message = format!("unknown operation {number}; ListOps gives all of them");
        Error::invalid(path, message)
    })?;
    if !op.is_implemented() {
        let message = format!(
            "{} is declared, but this version of the server lacks it",
            op.name()
        );
        return Err(Error::unimplemented(path, message));
    }
    Ok(op)
}

/// A graph for the wire, under a signature's names.
pub fn encode_graph(graph: &Graph, signature: &Signature) -> pb::Graph {
    let inputs = graph.inputs().iter().zip(signature.inputs());
    let outputs = graph.outputs().iter().zip(signature.outputs());
    pb::Graph {
        name: graph.name().to_owned(),
        inputs: inputs
            .map(|(input, name)| pb::Input {
                name: name.clone(),
                r#type: Some(encode_type(&input.ty)),
            })
            .collect(),
        nodes: encode_nodes(graph, graph.functions()),
        outputs: outputs
            .map(|(output, name)| pb::Output {
                name: name.clone(),
                value: output.value.0,
            })
            .collect(),
        functions: encode_functions(graph.functions()),
    }
}

/// Nodes for the wire, which name functions of a list.
pub(super) fn encode_nodes(graph: &Graph, functions: &[Function]) -> Vec<pb::Node> {
    graph
        .nodes()
        .map(|node| pb::Node {
            op: node.op.number() as i32,
            operands: node.operands.iter().map(|value| value.0).collect(),
            label: node.label.to_owned(),
            attributes: encode_attributes(node.attributes, functions),
        })
        .collect()
}

/// The same graph under other names.
pub fn rename(graph: &Graph, signature: &Signature) -> Result<Graph> {
    graph
        .renamed(signature.inputs(), signature.outputs())
        .map_err(|violation| Error::of_graph("graph", violation))
}
