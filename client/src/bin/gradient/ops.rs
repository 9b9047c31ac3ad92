//! `gradient ops`: the operations that the server knows.

use std::process::ExitCode;

use gradient_client::{Dtype, proto::OpInfo};
use serde_json::{Value, json};

use crate::{output::Output, target::Target};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those whose name contains this
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let mut ops = target.connect().await?.list_ops().await?;
    if let Some(name) = &args.name {
        ops.retain(|op| op.name.contains(name.as_str()));
    }
    if output.is_json() {
        return output.print_json(&ops.iter().map(as_json).collect());
    }
    let rows = ops.iter().map(|op| {
        [
            op.op.to_string(),
            op.name.clone(),
            operands(op),
            op.attribute.clone(),
            dtypes(op).join(" "),
            op.domain.clone(),
            if op.implemented {
                op.non_smooth.clone()
            } else {
                "not implemented".into()
            },
            op.cost.to_string(),
            if op.linear {
                "yes".into()
            } else {
                String::new()
            },
        ]
    });
    let header = [
        "number",
        "name",
        "operands",
        "attribute",
        "types",
        "domain",
        "where not smooth",
        "cost",
        "linear",
    ];
    output.print(&output.table(header, rows))
}

fn operands(op: &OpInfo) -> String {
    match (op.min_operands, op.max_operands) {
        (min, 0) if op.attribute != "Constant" && op.attribute != "Iota" => {
            format!("{min} or more")
        }
        (min, max) if min == max => min.to_string(),
        (min, 0) => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    }
}

fn dtypes(op: &OpInfo) -> Vec<String> {
    op.dtypes
        .iter()
        .filter_map(|&dtype| Dtype::from_proto(dtype))
        .map(|dtype| dtype.to_string())
        .collect()
}

/// The contract's `OpInfo`, with words for numbers.
fn as_json(op: &OpInfo) -> Value {
    json!({
        "number": op.op,
        "name": op.name,
        "min_operands": op.min_operands,
        "max_operands": op.max_operands,
        "attribute": op.attribute,
        "dtypes": dtypes(op),
        "domain": op.domain,
        "non_smooth": op.non_smooth,
        "cost": op.cost,
        "linear": op.linear,
        "implemented": op.implemented,
    })
}
