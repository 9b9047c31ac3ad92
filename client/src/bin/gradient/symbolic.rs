//! `gradient symbolic`: the derivative of a small function as formulas.

use std::process::ExitCode;

use gradient_client::ClosedForm;
use serde_json::json;

use crate::{
    arguments::{Kind, Products},
    bindings::{Binding, TYPES_HELP},
    failure::Usage,
    function::{Batch, Function},
    output::Output,
    target::Target,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "A term is an operation, a number or a variable.

Examples:
  gradient symbolic 'sin(x^2*y)'
  gradient symbolic 'x/(x+y)' --product hessian")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(value_name = "NAME:TYPE", help = TYPES_HELP)]
    bindings: Vec<Binding>,

    #[command(flatten)]
    products: Products,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let function = Function::read(&args.function)?;
    let batch = Batch::default();
    let (_, session) = function.open(target, &args.bindings, &batch).await?;
    let request = args
        .products
        .apply(session.request(), &session, Kind::Gradient);
    let derivative = request.differentiate().await?;
    if !derivative.graph.proto().functions.is_empty() {
        let message = "functions, loops and branches have no closed form: gradient derive prints the \
                       derivative as a graph";
        return Err(Usage(message.into()).into());
    }
    let form = ClosedForm::of(&derivative.graph).map_err(|error| {
        Usage(format!(
            "{error}: gradient derive prints the derivative as a graph"
        ))
    })?;
    if output.is_json() {
        let list = |formulas: &[(String, String)]| -> serde_json::Map<String, serde_json::Value> {
            let pairs = formulas.iter();
            pairs
                .map(|(name, f)| (name.clone(), f.as_str().into()))
                .collect()
        };
        return output.print_json(&json!({
            "outputs": list(&form.outputs),
            "shared": list(&form.shared),
            "written_out": form.written_out.as_deref().map(list),
            "terms_shared": form.terms_shared,
            "terms_written_out": form.terms_written_out,
        }));
    }
    output.print(&text(&form))
}

fn text(form: &ClosedForm) -> String {
    let mut text = form.to_string();
    match &form.written_out {
        Some(written_out) if !form.shared.is_empty() => {
            text.push_str("\nwritten out:\n");
            for (name, formula) in written_out {
                text += &format!("{name} = {formula}\n");
            }
        }
        _ => {}
    }
    text += &format!(
        "\n{} terms with sharing, {} written out",
        form.terms_shared,
        count(form.terms_written_out)
    );
    if form.written_out.is_none() {
        text += ", which is too long to print";
    }
    text
}

/// Every digit of what is counted exactly.
pub fn count(terms: f64) -> String {
    match terms < 1e15 {
        true => format!("{terms}"),
        false => format!("{terms:.1e}"),
    }
}
