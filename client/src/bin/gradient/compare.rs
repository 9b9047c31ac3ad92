//! `gradient compare`: the exact method beside numerical differences, dual numbers and formulas.

use std::{process::ExitCode, time::Duration};

use gradient_client::{ALL, Answer, Client, ClosedForm, Error, Method, Request, Session, Tensor};
use serde_json::{Value, json};

use crate::{
    arguments::duration,
    bindings::Binding,
    failure::Usage,
    function::{Batch, Function},
    output::Output,
    render,
    symbolic::count,
    target::Target,
};

/// Times each method is run; the fastest counts.
const RUNS: usize = 3;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The error is relative to the largest entry of the exact Jacobian. Terms are operations, \
numbers and variables of the derivative as a formula.

Examples:
  gradient compare 'exp(x*y) + sin(x)' x=1 y=2
  gradient compare 'sum(x^4)' x=[1,2,3] --steps 1e-2,1e-5"
)]
pub struct Args {
    /// Expression, file, '-' or graph id
    #[arg(value_name = "FUNCTION")]
    function: String,

    #[arg(
        value_name = "NAME=VALUE",
        help = "Values of the inputs: x=1, x=[1,2,3], A=[[1,2],[3,4]], x=@FILE, x:f32=1"
    )]
    bindings: Vec<Binding>,

    /// Steps of the numerical differences, beside the chosen one
    #[arg(long, value_name = "STEP", value_delimiter = ',', default_values_t = [1e-2, 1e-10])]
    steps: Vec<f64>,
}

/// One method's line.
#[derive(Default)]
struct Line {
    method: String,
    error: Option<f64>,
    evaluations: Option<u32>,
    operations: Option<u64>,
    terms: Option<f64>,
    time: Option<Duration>,
    /// Why there is nothing.
    note: String,
}

pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    if let Some(step) = args.steps.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(Usage(format!("--steps {step}: give positive numbers")).into());
    }
    let batch = Batch::default();
    let function = Function::read(&args.function)?;
    let (client, session) = function.open(target, &args.bindings, &batch).await?;
    let values: Vec<(String, Tensor)> = args
        .bindings
        .into_iter()
        .filter_map(|binding| Some((binding.name, binding.value?)))
        .collect();

    let jacobian = || session.at(values.clone()).jacobian(ALL, ALL);
    let (answer, time) = fastest(jacobian).await?;
    let exact = numbers(&answer);
    let mut lines = vec![line("exact", &exact, &answer, time)];
    lines[0].error = Some(0.0);

    let steps = std::iter::once(0.0).chain(args.steps);
    let numerical = steps.map(|step| (Method::Numerical, step));
    for (method, step) in numerical.chain([(Method::Dual, 0.0)]) {
        let name = match (method, step) {
            (Method::Dual, _) => "dual numbers".to_owned(),
            (_, 0.0) => "numerical, step chosen".into(),
            (_, step) => format!("numerical, step {step:e}"),
        };
        let request = || jacobian().method(method, step);
        lines.push(match fastest(request).await {
            Ok((answer, time)) => line(&name, &exact, &answer, time),
            // What a method lacks is part of the comparison.
            Err(Error::Rpc(error)) if !error.message.is_empty() => refused(&name, &error.message),
            Err(error) => return Err(error.into()),
        });
    }
    let formulas = symbolic(&client, &session, &values, &exact, &mut lines[0]).await?;
    lines.extend(formulas);
    match output.is_json() {
        true => output.print_json(&as_json(&lines)),
        false => output.print(&text(&lines, output)),
    }
}

fn refused(method: &str, note: &str) -> Line {
    Line {
        method: method.into(),
        note: note.into(),
        ..Line::default()
    }
}

/// The derivative as a formula: with sharing, evaluated as the graph it is; written out, counted.
async fn symbolic(
    client: &Client,
    session: &Session,
    values: &[(String, Tensor)],
    exact: &[f64],
    exact_line: &mut Line,
) -> anyhow::Result<Vec<Line>> {
    let derivative = match session.request().jacobian(ALL, ALL).differentiate().await {
        Ok(derivative) => derivative,
        Err(Error::Rpc(error)) => return Ok(vec![refused("symbolic", &error.message)]),
        Err(error) => return Err(error.into()),
    };
    if !derivative.graph.proto().functions.is_empty() {
        let message = "functions, loops and branches have no closed form";
        return Ok(vec![refused("symbolic", message)]);
    }
    let form = match ClosedForm::of(&derivative.graph) {
        Ok(form) => form,
        Err(error) => return Ok(vec![refused("symbolic", &error.to_string())]),
    };
    exact_line.terms = Some(form.terms_shared as f64);
    let graph = client.session(&derivative.graph);
    let (answer, time) = fastest(|| graph.at(values.to_vec()).value()).await?;
    let mut shared = line("symbolic, with sharing", exact, &answer, time);
    shared.evaluations = Some(1);
    shared.terms = Some(form.terms_shared as f64);
    let written_out = Line {
        method: "symbolic, written out".into(),
        terms: Some(form.terms_written_out),
        ..Line::default()
    };
    Ok(vec![shared, written_out])
}

/// An answer, and the least time that computing it took.
async fn fastest(request: impl Fn() -> Request) -> Result<(Answer, Duration), Error> {
    let mut answer = request().send().await?;
    let mut least = answer.timing.execute;
    for _ in 1..RUNS {
        answer = request().send().await?;
        least = least.min(answer.timing.execute);
    }
    Ok((answer, least))
}

fn numbers(answer: &Answer) -> Vec<f64> {
    let blocks = answer.results.iter().flat_map(|result| &result.blocks);
    let tensors = blocks.filter_map(|block| block.tensor());
    tensors.flat_map(|t| t.to_f64().into_data()).collect()
}

fn line(method: &str, exact: &[f64], answer: &Answer, time: Duration) -> Line {
    let got = numbers(answer);
    let scale = exact.iter().filter(|x| x.is_finite());
    let scale = scale.fold(0.0f64, |scale, x| scale.max(x.abs()));
    let scale = if scale > 0.0 { scale } else { 1.0 };
    let gap = |(g, e): (&f64, &f64)| if g == e { 0.0 } else { (g - e).abs() / scale };
    // NaN wins: it is no small error.
    let worst = |worst: f64, gap: f64| match worst.is_nan() || gap.is_nan() {
        true => f64::NAN,
        false => worst.max(gap),
    };
    let error = got.iter().zip(exact).map(gap).fold(0.0, worst);
    let plan = answer.results.first().map(|result| &result.plan);
    Line {
        method: method.into(),
        error: Some(if got.len() == exact.len() {
            error
        } else {
            f64::NAN
        }),
        evaluations: plan.map(|plan| plan.sweeps),
        operations: plan.map(|plan| plan.operations),
        terms: None,
        time: Some(time),
        note: String::new(),
    }
}

fn text(lines: &[Line], output: &Output) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let rows = lines.iter().map(|line| {
        let error = line.error.map(|error| match error {
            0.0 => "0".into(),
            error => format!("{error:.1e}"),
        });
        [
            line.method.clone(),
            or_dash(error),
            or_dash(line.evaluations.map(|n| n.to_string())),
            or_dash(line.operations.map(|n| n.to_string())),
            or_dash(line.terms.map(count)),
            or_dash(line.time.map(duration)),
        ]
    });
    let header = [
        "method",
        "error",
        "evaluations",
        "operations",
        "terms",
        "time",
    ];
    let mut text = output.table(header, rows);
    text.push('\n');
    for line in lines.iter().filter(|line| !line.note.is_empty()) {
        text += &format!("\n{}: {}", line.method, line.note);
    }
    text
}

/// `{"methods": [{"method", "error", "evaluations", "operations", "terms", "time_us", "note"}]}`; what does not
/// apply is null.
fn as_json(lines: &[Line]) -> Value {
    let methods = lines.iter().map(|line| {
        json!({
            "method": line.method,
            "error": line.error.map(render::number),
            "evaluations": line.evaluations,
            "operations": line.operations,
            "terms": line.terms,
            "time_us": line.time.map(render::micros),
            "note": line.note,
        })
    });
    json!({ "methods": methods.collect::<Vec<_>>() })
}
