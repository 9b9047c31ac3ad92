//! `gradient ops`: the operations that the server knows.

use std::process::ExitCode;

use clap::ValueEnum;
use gradient_client::{Dtype, proto::OpInfo};
use serde_json::{Value, json};

use crate::{output::Output, target::Target};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those whose name contains this
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Only those of a kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,

    /// Only those that the server implements
    #[arg(long)]
    implemented: bool,
}

/// The sections of the contract's list of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One number at a time: arithmetic, functions, comparisons
    Elementwise,
    /// Constants, shapes, parts, order
    Shape,
    /// Reductions, scans, softmax
    Reduction,
    /// Products, decompositions, systems of equations
    LinearAlgebra,
    /// Convolution, pooling, Fourier transforms, interpolation
    Signal,
    /// Calls, branches, loops
    Control,
}

impl Kind {
    /// By number, for the contract keeps a range for each section.
    fn of(op: &OpInfo) -> Self {
        match op.op {
            120..150 => Kind::Shape,
            150..170 => Kind::Reduction,
            170..200 | 280..310 => Kind::LinearAlgebra,
            200..220 => Kind::Control,
            310.. => Kind::Signal,
            _ => Kind::Elementwise,
        }
    }

    fn word(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let mut ops = target.connect().await?.list_ops().await?;
    if let Some(name) = &args.name {
        ops.retain(|op| op.name.contains(name.as_str()));
    }
    if let Some(kind) = args.kind {
        ops.retain(|op| Kind::of(op) == kind);
    }
    if args.implemented {
        ops.retain(|op| op.implemented);
    }
    if output.is_json() {
        return output.print_json(&ops.iter().map(as_json).collect());
    }
    let rows = ops.iter().map(|op| {
        [
            op.name.clone(),
            op.op.to_string(),
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
        "name",
        "number",
        "operands",
        "attributes",
        "types",
        "domain",
        "where not smooth",
        "cost",
        "linear",
    ];
    let table = output.table(header, rows);
    output.print(&format!("{table}\n\n{}", footer(&ops)))
}

/// What is listed, counted.
fn footer(ops: &[OpInfo]) -> String {
    let implemented = || ops.iter().filter(|op| op.implemented);
    let elementwise = implemented().filter(|op| Kind::of(op) == Kind::Elementwise);
    let linear = implemented().filter(|op| op.linear).count();
    let mut text = format!(
        "{} operations, {} of them elementwise, {linear} linear",
        implemented().count(),
        elementwise.count()
    );
    let declared = ops.len() - implemented().count();
    if declared > 0 {
        text += &format!("; {declared} more declared, but not implemented");
    }
    text
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
        "kind": Kind::of(op).word(),
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
