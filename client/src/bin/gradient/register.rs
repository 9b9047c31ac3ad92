//! `gradient register`: upload a graph, print its id.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    bindings::{Binding, TYPES_HELP},
    failure::Usage,
    function::{Batch, Function},
    output::Output,
    show::function_count,
    target::Target,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File, '-' or expression
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let graph = function.graph(&args.bindings, &Batch::default())?;
    let graph = graph.ok_or_else(|| {
        Usage("an id is of a graph that is registered already; give a file".into())
    })?;
    let client = target.connect().await?;
    let registered = client.register(&graph).await?;
    let statistics = &registered.statistics;
    if output.is_json() {
        return output.print_json(&json!({
            "graph_id": registered.graph_id,
            "created": registered.created,
            "nodes": statistics.nodes,
            "live_nodes": statistics.live_nodes,
            "live_inputs": statistics.live_inputs,
            "outputs": statistics.outputs,
            "operations": statistics.operations,
            "functions": statistics.functions,
            "function_nodes": statistics.function_nodes,
        }));
    }
    // In a pipe the id alone: id=$(gradient register graph.json).
    if !output.is_terminal() {
        return output.print(&registered.graph_id);
    }
    let known = if registered.created {
        "registered"
    } else {
        "was registered before"
    };
    output.print(&format!(
        "{}\n{known}: {} of {} nodes live, n = {}, m = {}, {} operations{}",
        registered.graph_id,
        statistics.live_nodes,
        statistics.nodes,
        statistics.live_inputs,
        statistics.outputs,
        statistics.operations,
        function_count(statistics)
    ))
}
