//! `gradient demo`: real work that anybody can check. Certified regression problems are fitted with every residual
//! and Jacobian from the service.

mod fit;
mod report;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::ValueEnum;
use gradient_client::nist::{self, Problem};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{runtime::Handle, task};

use crate::{failure::Usage, output::Output, target::Target};
use fit::{Fit, Tally, fit};
use report::{Report, Row};

/// Command line of `gradient demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the fits start: 2 is nearer to the solution, 1 farther
    #[arg(long, value_enum, default_value = "2")]
    start: Start,

    /// Only these problems
    #[arg(long, value_name = "NAME", num_args = 1..)]
    problem: Vec<String>,

    /// Directory of StRD files (*.dat) to read instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Start {
    #[value(name = "1")]
    First,
    #[value(name = "2")]
    Second,
    Both,
}

impl Start {
    /// Numbers of the starts, as NIST counts them.
    fn numbers(self) -> &'static [usize] {
        match self {
            Start::First => &[1],
            Start::Second => &[2],
            Start::Both => &[1, 2],
        }
    }
}

/// Fits the problems and prints a line for each; the exit code says whether all agree with the certified solution.
pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    let problems = chosen(
        args.data.as_ref().map_or_else(built_in, files)?,
        &args.problem,
    )?;
    let starts = args.start.numbers();
    let client = target.connect().await?;

    let mut report = Report::new(output, &problems, starts);
    let progress = progress_bar(problems.len() * starts.len());
    progress.suspend(|| report.begin())?;
    for problem in &problems {
        let graph = problem
            .residuals()
            .with_context(|| format!("the model of {}", problem.name))?;
        let session = client.session(&graph);
        for &number in starts {
            let place = format!("{}, start {number}", problem.name);
            progress.set_message(place.clone());
            let start: Vec<f64> = problem
                .parameters
                .iter()
                .map(|parameter| parameter.starts[number - 1])
                .collect();
            let fitted = {
                // The optimiser is synchronous: it waits for the service on a thread of its own.
                let (problem, session, progress) =
                    (problem.clone(), session.clone(), progress.clone());
                let (runtime, place) = (Handle::current(), place.clone());
                let on_evaluation = move |tally: &Tally| {
                    progress
                        .set_message(format!("{place}: {} evaluations", tally.round_trips.len()));
                };
                task::spawn_blocking(move || fit(&problem, start, session, runtime, &on_evaluation))
                    .await?
            };
            let row = Row::new(problem, number, fitted.context(place)?);
            progress.inc(1);
            progress.suspend(|| report.add(row))?;
        }
    }
    progress.finish_and_clear();
    report.end()
}

fn built_in() -> anyhow::Result<Vec<Problem>> {
    Ok(nist::bundled()?)
}

/// The problems in a directory, by file name.
fn files(directory: &PathBuf) -> anyhow::Result<Vec<Problem>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    if paths.is_empty() {
        return Err(Usage(format!(
            "there are no .dat files in {}",
            directory.display()
        ))
        .into());
    }
    paths.sort_unstable();
    let problem = |path: PathBuf| {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Problem::parse(&text).with_context(|| path.display().to_string())
    };
    paths.into_iter().map(problem).collect()
}

/// Those that are named, in the order of the names; all if none is.
fn chosen(problems: Vec<Problem>, names: &[String]) -> anyhow::Result<Vec<Problem>> {
    if names.is_empty() {
        return Ok(problems);
    }
    let find = |name: &String| {
        let found = problems
            .iter()
            .find(|problem| problem.name.eq_ignore_ascii_case(name));
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = problems
                .iter()
                .map(|problem| problem.name.as_str())
                .collect();
            Usage(format!(
                "there is no problem {name:?}; choose from {}",
                known.join(", ")
            ))
            .into()
        })
    };
    names.iter().map(find).collect()
}

/// On standard error, and only if that is a terminal.
fn progress_bar(fits: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:20} {pos}/{len}  {msg}")
        .expect("the template is well formed");
    ProgressBar::new(fits as u64).with_style(style)
}
