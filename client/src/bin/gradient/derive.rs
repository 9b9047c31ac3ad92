//! `gradient derive`: the derivative as a graph.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    arguments::{Kind, Products},
    bindings::{Binding, TYPES_HELP},
    function::{Batch, Function},
    graph_file,
    output::Output,
    target::Target,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gradient derive 'exp(x*y)' --product gradient
  gradient derive 'exp(x*y)' --product gradient --json > gradient.json
  gradient eval gradient.json x=1 y=2 --product jacobian")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,

    #[command(flatten)]
    products: Products,

    /// Write the graph as binary protobuf to a file instead of printing it
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let batch = Batch::default();
    let (_, session) = function.open(target, &args.bindings, &batch).await?;
    let request = args
        .products
        .apply(session.request(), &session, Kind::Gradient);
    let derivative = request.differentiate().await?;
    if let Some(path) = &args.binary {
        graph_file::write_binary(path, &derivative.graph)?;
        return output.print(&format!(
            "{} written to {}",
            derivative.graph_id,
            path.display()
        ));
    }
    if output.is_json() {
        return output.print_json(&graph_file::to_json(&derivative.graph)?);
    }
    let mut text = derivative.graph.to_string();
    text += &format!("\n{}\n", derivative.graph_id);
    if !derivative.plan.reason.is_empty() {
        text += &format!("{}\n", derivative.plan.reason);
    }
    output.print(&text)
}
