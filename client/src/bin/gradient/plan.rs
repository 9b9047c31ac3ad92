//! `gradient plan`: what an evaluation would do and cost.

use std::process::ExitCode;

use gradient_client::{Plan, PlanAnswer};
use serde_json::json;

use crate::{
    arguments::{Kind, Products, duration},
    bindings::{Binding, TYPES_HELP},
    function::{Batch, Function},
    output::Output,
    render,
    target::Target,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gradient plan 'sum(x^2)' x:[1000] --product gradient,hessian
  gradient plan graph.json --product jacobian --mode forward")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,

    #[command(flatten)]
    products: Products,

    #[command(flatten)]
    batch: Batch,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let (_, session) = function.open(target, &args.bindings, &args.batch).await?;
    let point = session
        .request()
        .batch(args.batch.size())
        .batched(args.batch.batched(&session));
    let request = args.products.apply(point, &session, Kind::Gradient);
    let products: Vec<&str> = request
        .products()
        .iter()
        .map(|product| product.name())
        .collect();
    let answer = request.plan().await?;
    if output.is_json() {
        let plans: Vec<_> = products
            .iter()
            .zip(&answer.plans)
            .map(|(product, plan)| json!({ "product": product, "plan": render::plan(plan) }))
            .collect();
        return output.print_json(&json!({
            "graph_id": answer.graph_id,
            "plans": plans,
            "operations": answer.operations,
            "bytes": answer.bytes,
            "predicted_us": render::micros(answer.predicted),
            "cache": render::cache(answer.cache),
        }));
    }
    output.print(&text(&products, &answer, output))
}

fn text(products: &[&str], answer: &PlanAnswer, output: &Output) -> String {
    let rows = products.iter().zip(&answer.plans).map(|(product, plan)| {
        [
            product.replace('_', " "),
            modes(&render::mode(plan.mode), &render::hvp_mode(plan.hvp_mode)),
            plan.sweeps.to_string(),
            plan.operations.to_string(),
            plan.bytes.to_string(),
            duration(plan.predicted),
        ]
    });
    let mut text = output.table(
        [
            "product",
            "mode",
            "sweeps",
            "operations",
            "bytes",
            "predicted",
        ],
        rows,
    );
    text.push_str("\n\n");
    for (product, plan) in products.iter().zip(&answer.plans) {
        text += &format!("{}: {}\n", product.replace('_', " "), plan.reason);
        text += &alternatives(plan);
    }
    text += &format!(
        "in all {} operations, {} bytes, about {}; graph {}",
        answer.operations,
        answer.bytes,
        duration(answer.predicted),
        answer.graph_id
    );
    text
}

/// The ways that were priced and not taken.
fn alternatives(plan: &Plan) -> String {
    let others = plan.candidates.iter().skip(1);
    let lines = others.map(|other| {
        let mode = modes(
            &render::mode(other.mode()),
            &render::hvp_mode(other.hvp_mode()),
        );
        format!(
            "  instead of {mode}: {} sweeps, {} operations\n",
            other.sweeps, other.operations
        )
    });
    lines.collect()
}

fn modes(mode: &str, hvp_mode: &str) -> String {
    if hvp_mode.is_empty() {
        mode.to_owned()
    } else {
        hvp_mode.to_owned()
    }
}
