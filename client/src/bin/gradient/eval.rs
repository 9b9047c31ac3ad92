//! `gradient eval`: values and derivatives at a point, or at a batch of points.

use std::process::ExitCode;

use gradient_client::Answer;

use crate::{
    arguments::{Kind, Products, duration},
    bindings::Binding,
    function::{Batch, Function},
    output::Output,
    render,
    target::Target,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gradient eval 'exp(x*y) + sin(x)' x=1 y=2 --product value,gradient,hessian
  gradient eval 'f = sum(x^2); g = x[0]*x[1]' x=[1,2,3] --product jacobian --mode reverse
  gradient eval 'sum(x^4)' x=[1,2] --product hvp --vector x=[1,0]
  gradient eval 'sin(x)' x=[0,1,2] --batch 3 --product gradient --json")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(
        value_name = "NAME=VALUE",
        help = "Values of the inputs: x=1, x=[1,2,3], A=[[1,2],[3,4]], x=@FILE, x:f32=1"
    )]
    bindings: Vec<Binding>,

    #[command(flatten)]
    products: Products,

    #[command(flatten)]
    batch: Batch,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    args.products.check_seeds()?;
    let function = Function::read(&args.function)?;
    let (_, session) = function.open(target, &args.bindings, &args.batch).await?;
    let values = args
        .bindings
        .into_iter()
        .filter_map(|binding| Some((binding.name, binding.value?)));
    let request = session.at(values).batch(args.batch.size());
    let request = args.products.apply(request, &session, Kind::Value);
    let answer = request.send().await?;
    match output.is_json() {
        true => output.print_json(&render::answer(&answer)),
        false => output.print(&text(&answer, output)),
    }
}

/// A table of the blocks, then the plan of each product, then where the time went.
fn text(answer: &Answer, output: &Output) -> String {
    let blocks = answer
        .results
        .iter()
        .flat_map(|result| result.blocks.iter().map(|block| (result.product, block)));
    let rows = blocks.map(|(product, block)| {
        let inputs: Vec<&str> = [&block.wrt, &block.wrt_second]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        [
            product.replace('_', " "),
            block.output.clone().unwrap_or_default(),
            inputs.join(", "),
            render::numbers(&block.data, output.is_terminal()),
        ]
    });
    let mut text = output.table(["product", "output", "wrt", "value"], rows);
    text.push_str("\n\n");
    // How a value is computed is no choice.
    let derivatives = answer
        .results
        .iter()
        .filter(|result| result.product != "value");
    for result in derivatives.filter(|result| !result.plan.reason.is_empty()) {
        text += &format!(
            "{}: {}\n",
            result.product.replace('_', " "),
            result.plan.reason
        );
    }
    let timing = &answer.timing;
    text += &format!(
        "cache {}, compiled in {}, executed in {}; graph {}",
        render::cache(timing.cache),
        duration(timing.compile),
        duration(timing.execute),
        answer.graph_id
    );
    text
}
