//! `gradient check`: derivatives against differences of every step, against complex steps, and among themselves.

use std::{path::PathBuf, process::ExitCode};

use gradient_client::proto::{CheckDerivativesResponse, DerivativeVerdict, StepError};
use serde_json::{Value, json};

use crate::{
    bindings::Binding,
    chart::{self, Curve},
    figure,
    function::{Batch, Function},
    output::Output,
    render,
    target::Target,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 1 if a derivative does not pass.

Examples:
  gradient check 'exp(x*y) + sin(x)' x=1 y=2
  gradient check 'sum(tanh(x))' x=[0.1,0.2] --steps 1e-3,1e-5,1e-7 --svg errors.svg
  gradient check 'abs(x)' x=0 --json")]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(
        value_name = "NAME=VALUE",
        help = "Values of the inputs: x=1, x=[1,2,3], A=[[1,2],[3,4]], x=@FILE, x:f32=1"
    )]
    bindings: Vec<Binding>,

    /// Outputs to check; all if left out
    #[arg(long = "output", value_name = "NAME", value_delimiter = ',')]
    outputs: Vec<String>,

    /// Inputs to check with respect to; all if left out
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    wrt: Vec<String>,

    /// Absolute steps of the differences [default: 1e-1, 1e-2, … 1e-12]
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    steps: Vec<f64>,

    /// Largest relative error that passes; chosen for the type if left out
    #[arg(
        long,
        value_name = "ERROR",
        default_value_t = 0.0,
        hide_default_value = true
    )]
    tolerance: f64,

    /// Draw the error against the step into a file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Draw the error against the step into a file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let batch = Batch::default();
    let function = Function::read(&args.function)?;
    let (_, session) = function.open(target, &args.bindings, &batch).await?;
    let values = args
        .bindings
        .into_iter()
        .filter_map(|binding| Some((binding.name, binding.value?)));
    let checking = session
        .at(values)
        .check(args.outputs, args.wrt, &args.steps, args.tolerance);
    let answer = checking.await?;

    let curves: Vec<Curve> = answer.verdicts.iter().map(curve).collect();
    let title: String = match &function {
        Function::Program { source, .. } => source.trim().chars().take(90).collect(),
        _ => answer.graph_id.clone(),
    };
    let title = format!("central differences of {title}");
    if let Some(path) = &args.svg {
        figure::write_svg(path, &title, &figure::Drawing::Curves(&curves))?;
    }
    if let Some(path) = &args.png {
        figure::write_png(path, &title, &figure::Drawing::Curves(&curves))?;
    }
    match output.is_json() {
        true => output.print_json(&as_json(&answer))?,
        false => output.print(&text(&answer, &curves, output))?,
    };
    Ok(match answer.passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn name(verdict: &DerivativeVerdict) -> String {
    format!("d {} / d {}", verdict.output, verdict.wrt)
}

fn curve(verdict: &DerivativeVerdict) -> Curve {
    Curve {
        name: name(verdict),
        points: verdict.curve.iter().map(|c| (c.step, c.error)).collect(),
    }
}

fn text(answer: &CheckDerivativesResponse, curves: &[Curve], output: &Output) -> String {
    let mut text = chart::draw(curves);
    text.push('\n');
    let rows = answer.verdicts.iter().map(|verdict| {
        let best = verdict.best.unwrap_or_default();
        [
            name(verdict),
            word(verdict.passed).into(),
            scientific(best.error),
            scientific(best.step),
            match verdict.complex_step_error.is_nan() {
                true => "-".into(),
                false => scientific(verdict.complex_step_error),
            },
        ]
    });
    let header = [
        "derivative",
        "verdict",
        "best error",
        "at step",
        "complex step",
    ];
    text += &output.table(header, rows);
    text.push_str("\n\n");
    for verdict in &answer.verdicts {
        text += &format!("{}: {}\n", name(verdict), verdict.reason);
    }
    for rule in &answer.custom_rules {
        text += &format!("function {}: {}\n", rule.function, rule.reason);
    }
    text += &format!(
        "dot-product identity {}, asymmetry of the Hessian {}\n{}: {}\n",
        scientific(answer.dot_product_error),
        scientific(answer.hessian_asymmetry),
        word(answer.passed),
        answer.reason
    );
    text
}

fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn scientific(x: f64) -> String {
    match x {
        0.0 => "0".into(),
        x if x.is_finite() => format!("{x:.1e}").replace(".0e", "e"),
        x => x.to_string(),
    }
}

/// `{"graph_id", "passed", "reason", "dot_product_error", "hessian_asymmetry", "verdicts": [{"output", "wrt",
/// "passed", "reason", "best": {"step", "error"}, "complex_step_error", "curve": [{"step", "error"}]}],
/// "custom_rules": [{"function", "error", "passed", "reason"}]}`.
fn as_json(answer: &CheckDerivativesResponse) -> Value {
    let point =
        |c: &StepError| json!({ "step": render::number(c.step), "error": render::number(c.error) });
    let verdicts = answer.verdicts.iter().map(|verdict| {
        json!({
            "output": verdict.output,
            "wrt": verdict.wrt,
            "passed": verdict.passed,
            "reason": verdict.reason,
            "best": verdict.best.as_ref().map(point),
            "complex_step_error": render::number(verdict.complex_step_error),
            "curve": verdict.curve.iter().map(point).collect::<Vec<_>>(),
        })
    });
    let rules = answer.custom_rules.iter().map(|rule| {
        json!({
            "function": rule.function,
            "error": render::number(rule.error),
            "passed": rule.passed,
            "reason": rule.reason,
        })
    });
    json!({
        "graph_id": answer.graph_id,
        "passed": answer.passed,
        "reason": answer.reason,
        "dot_product_error": render::number(answer.dot_product_error),
        "hessian_asymmetry": render::number(answer.hessian_asymmetry),
        "verdicts": verdicts.collect::<Vec<_>>(),
        "custom_rules": rules.collect::<Vec<_>>(),
    })
}
