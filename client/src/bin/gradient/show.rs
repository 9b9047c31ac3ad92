//! `gradient show`: signature, operations and tape of a graph.

use std::{path::PathBuf, process::ExitCode};

use gradient_client::{
    Graph, Type,
    proto::{self, GetGraphResponse},
};
use serde_json::{Value, json};

use crate::{
    bindings::{Binding, TYPES_HELP},
    function::{Batch, Function},
    graph_file,
    output::Output,
    render::word,
    target::Target,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,

    /// Show the graph itself, too
    #[arg(long)]
    graph: bool,

    /// Write the graph as binary protobuf to a file
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let own = function.graph(&args.bindings, &Batch::default())?;
    let own_name = own.as_ref().map(|graph| graph.name().to_owned());
    let (client, session) = function
        .open(target, &args.bindings, &Batch::default())
        .await?;
    let wants_graph = args.graph || args.binary.is_some();
    let mut shown = client
        .get_graph(
            session.graph_id().await?,
            wants_graph && own.is_none(),
            true,
        )
        .await?;
    let graph = own
        .or_else(|| shown.graph.take().map(Graph::from_proto))
        .filter(|_| wants_graph);
    if let (Some(path), Some(graph)) = (&args.binary, &graph) {
        graph_file::write_binary(path, graph)?;
    }
    let graph = graph.filter(|_| args.graph);
    let signature = Signature {
        name: own_name.unwrap_or_else(|| shown.name.clone()),
        inputs: session.inputs(),
        outputs: session.outputs(),
    };
    match output.is_json() {
        true => output.print_json(&as_json(&signature, &shown, graph.as_ref())?),
        false => output.print(&as_text(&signature, &shown, graph.as_ref(), output)),
    }
}

/// Names and types as the caller knows them.
struct Signature<'a> {
    name: String,
    inputs: Vec<(&'a str, Option<Type>)>,
    outputs: Vec<(&'a str, Option<Type>)>,
}

fn type_text(tensor_type: &Option<Type>) -> String {
    tensor_type.as_ref().map_or("?".into(), Type::to_string)
}

fn type_of(message: &proto::TensorType) -> String {
    type_text(&Type::from_proto(message))
}

fn types_text(types: &[proto::TensorType]) -> String {
    types.iter().map(type_of).collect::<Vec<_>>().join(", ")
}

/// `; 2 functions of 7 nodes` for graphs that have some.
pub fn function_count(statistics: &proto::GraphStatistics) -> String {
    let nodes = statistics.function_nodes;
    match statistics.functions {
        0 => String::new(),
        1 => format!("; 1 function of {nodes} nodes"),
        count => format!("; {count} functions of {nodes} nodes"),
    }
}

fn op_word(op: proto::Op) -> String {
    word(op.as_str_name(), "OP_").replace('-', "_")
}

fn as_text(
    signature: &Signature,
    shown: &GetGraphResponse,
    graph: Option<&Graph>,
    output: &Output,
) -> String {
    let list = |names: &[(&str, Option<Type>)]| {
        let typed = names
            .iter()
            .map(|(name, t)| format!("{name}: {}", type_text(t)));
        typed.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "{}\n{}\n({}) -> ({})\n",
        signature.name.trim(),
        shown.graph_id,
        list(&signature.inputs),
        list(&signature.outputs)
    );
    let statistics = shown.statistics.clone().unwrap_or_default();
    text += &format!(
        "{} nodes, {} live; n = {}, m = {}; {} operations{}\n\n",
        statistics.nodes,
        statistics.live_nodes,
        statistics.live_inputs,
        statistics.outputs,
        statistics.operations,
        function_count(&statistics)
    );
    let counts = statistics
        .op_counts
        .iter()
        .map(|count| [op_word(count.op()), count.count.to_string()]);
    text += &output.table(["operation", "nodes"], counts);
    if !shown.functions.is_empty() {
        let rows = shown.functions.iter().map(|function| {
            let [takes, gives] =
                [&function.parameters, &function.results].map(|types| types_text(types));
            let signature = format!("({takes}) -> ({gives})");
            [function.name.clone(), signature, function.nodes.to_string()]
        });
        let table = output.table(["function", "signature", "nodes"], rows);
        text += &format!("\n\n{table}");
    }
    if let Some(graph) = graph {
        text += &format!("\n\n{graph}");
    }
    if !shown.listing.is_empty() {
        text += &format!("\n\n{}", shown.listing);
    }
    text
}

fn as_json(
    signature: &Signature,
    shown: &GetGraphResponse,
    graph: Option<&Graph>,
) -> anyhow::Result<Value> {
    let list = |names: &[(&str, Option<Type>)]| -> Vec<Value> {
        let typed = names.iter().map(|(name, t)| {
            json!({ "name": name, "dtype": t.as_ref().map(|t| t.dtype.to_string()), "shape": t.as_ref().map(|t| &t.shape) })
        });
        typed.collect()
    };
    let statistics = shown.statistics.clone().unwrap_or_default();
    let counts: serde_json::Map<String, Value> = statistics
        .op_counts
        .iter()
        .map(|count| (op_word(count.op()), count.count.into()))
        .collect();
    let functions: Vec<Value> = shown
        .functions
        .iter()
        .map(|function| {
            let [parameters, results] = [&function.parameters, &function.results]
                .map(|types| types.iter().map(type_of).collect::<Vec<_>>());
            json!({ "name": function.name, "parameters": parameters, "results": results, "nodes": function.nodes })
        })
        .collect();
    Ok(json!({
        "graph_id": shown.graph_id,
        "name": signature.name.trim(),
        "inputs": list(&signature.inputs),
        "outputs": list(&signature.outputs),
        "nodes": statistics.nodes,
        "live_nodes": statistics.live_nodes,
        "live_inputs": statistics.live_inputs,
        "live_outputs": statistics.outputs,
        "operations": statistics.operations,
        "op_counts": counts,
        "functions": functions,
        "function_nodes": statistics.function_nodes,
        "listing": shown.listing,
        "graph": graph.map(graph_file::to_json).transpose()?,
    }))
}
