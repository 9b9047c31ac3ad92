//! The demo's table, line by line as fits end, or one JSON document.

use std::{process::ExitCode, time::Duration};

use console::{Term, style};
use gradient_client::nist::Problem;
use serde_json::{Value, json};

use super::Fit;
use crate::output::Output;

/// Certified digits: the most that a parameter can agree in.
const CERTIFIED_DIGITS: f64 = 11.0;
/// Digits in which every parameter must agree.
const REQUIRED_DIGITS: u32 = 8;

/// One fit, and how well it agrees.
pub struct Row<'a> {
    problem: &'a Problem,
    start: usize,
    fit: Fit,
    digits: f64,
}

impl<'a> Row<'a> {
    pub fn new(problem: &'a Problem, start: usize, fit: Fit) -> Self {
        let digits = agreeing_digits(problem, &fit.parameters);
        Self {
            problem,
            start,
            fit,
            digits,
        }
    }

    fn passed(&self) -> bool {
        self.digits >= f64::from(REQUIRED_DIGITS)
    }

    fn json(&self) -> Value {
        let (problem, fit) = (self.problem, &self.fit);
        let parameters = problem.parameters.iter().zip(&fit.parameters).map(|(parameter, fitted)| {
            json!({ "name": parameter.name, "fitted": fitted, "certified": parameter.certified })
        });
        json!({
            "problem": problem.name,
            "level": problem.level.to_string(),
            "start": self.start,
            "n": problem.parameters.len(),
            "m": problem.observations(),
            "mode": fit.tally.mode,
            "reason": fit.tally.reason,
            "evaluations": fit.tally.round_trips.len(),
            "cache_hits": fit.tally.cache_hits,
            "microseconds_per_evaluation": median_microseconds(&fit.tally.round_trips),
            "microseconds_computing": median_microseconds(&fit.tally.executions),
            "residual_sum_of_squares": { "fitted": fit.residual_sum_of_squares, "certified": problem.residual_sum_of_squares },
            "parameters": parameters.collect::<Vec<_>>(),
            "digits": self.digits,
            "required_digits": REQUIRED_DIGITS,
            "passed": self.passed(),
        })
    }
}

/// Prints as rows come.
pub struct Report<'a> {
    output: &'a Output,
    /// Numbers of the starts; the table has a column for them if there are several.
    starts: &'a [usize],
    name_width: usize,
    rows: Vec<Row<'a>>,
}

impl<'a> Report<'a> {
    pub fn new(output: &'a Output, problems: &[Problem], starts: &'a [usize]) -> Self {
        let names = problems.iter().map(|problem| problem.name.chars().count());
        Self {
            output,
            starts,
            name_width: names.fold("problem".len(), usize::max),
            rows: Vec::new(),
        }
    }

    /// What this is, and the header of the table.
    pub fn begin(&self) -> anyhow::Result<()> {
        if self.output.is_json() {
            return Ok(());
        }
        let from = match self.starts {
            [start] => format!("start {start}"),
            _ => "both starts".to_owned(),
        };
        self.print(&format!(
            "NIST's certified regression problems by Levenberg-Marquardt, from {from}.\n\
             The service computes the m residuals and their m x n Jacobian in every call.\n\n",
        ))?;
        let columns = ["start", "n", "m", "evals", "hits", "µs/eval", "digits"];
        let header = self.line("problem", columns, "mode and why");
        self.print(&style(header).bold().to_string())
    }

    pub fn add(&mut self, row: Row<'a>) -> anyhow::Result<()> {
        if !self.output.is_json() {
            self.print(&self.row(&row))?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// The verdict, and the exit code that says the same.
    pub fn end(self) -> anyhow::Result<ExitCode> {
        let passed = self.rows.iter().filter(|row| row.passed()).count();
        let all = passed == self.rows.len();
        if self.output.is_json() {
            let fits: Vec<Value> = self.rows.iter().map(Row::json).collect();
            let document = json!({ "fits": fits, "passed": all });
            self.output.print_json(&document)?;
        } else {
            self.print(&self.summary(passed))?;
        }
        Ok(match all {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    fn row(&self, row: &Row) -> String {
        let (problem, tally) = (row.problem, &row.fit.tally);
        let columns = [
            row.start.to_string(),
            problem.parameters.len().to_string(),
            problem.observations().to_string(),
            tally.round_trips.len().to_string(),
            tally.cache_hits.to_string(),
            format!("{:.0}", median_microseconds(&tally.round_trips)),
            format!("{:.1}", row.digits),
        ];
        let columns = columns.each_ref().map(String::as_str);
        let line = self.line(&problem.name, columns, &tally.reason);
        match row.passed() {
            true => line,
            false => style(line).red().to_string(),
        }
    }

    /// Aligned columns. On a narrow terminal the reason loses what n and m say already, then its end.
    fn line(&self, name: &str, columns: [&str; 7], reason: &str) -> String {
        let mut line = format!("{name:width$}", width = self.name_width);
        let without_start = usize::from(self.starts.len() == 1);
        let columns = columns.iter().zip([5, 2, 3, 5, 4, 7, 6]);
        for (column, width) in columns.skip(without_start) {
            line += &format!(" {column:>width$}");
        }
        line += "  ";
        let room = match self.output.is_terminal() {
            true => Term::stdout().size().1.into(),
            false => usize::MAX,
        };
        let whole = line.clone() + reason;
        if console::measure_text_width(&whole) <= room {
            return whole;
        }
        let shortened = match (reason.split_once(": "), reason.rsplit_once("; ")) {
            (Some((mode, _)), Some((_, sweeps))) => format!("{line}{mode}: {sweeps}"),
            _ => whole,
        };
        console::truncate_str(&shortened, room, "…").into_owned()
    }

    fn summary(&self, passed: usize) -> String {
        let fits = self.rows.len();
        let least = self
            .rows
            .iter()
            .min_by(|a, b| a.digits.total_cmp(&b.digits));
        let least = least.map_or(String::new(), |row| {
            format!(" (least: {:.1}, {})", row.digits, row.problem.name)
        });
        let verdict = style(format!(
            "{passed} of {fits} fits agree with NIST in {REQUIRED_DIGITS} or more of {CERTIFIED_DIGITS} digits{least}."
        ));
        let verdict = match passed == fits {
            true => verdict.green(),
            false => verdict.red(),
        };

        let tallies = self.rows.iter().map(|row| &row.fit.tally);
        let evaluations: usize = tallies.clone().map(|tally| tally.round_trips.len()).sum();
        let hits: u32 = tallies.clone().map(|tally| tally.cache_hits).sum();
        let calling: Duration = tallies.clone().flat_map(|tally| &tally.round_trips).sum();
        let computing: Duration = tallies.flat_map(|tally| &tally.executions).sum();
        format!(
            "\n{verdict}\n{evaluations} evaluations in {} ms, {} ms of it computing; {hits} cache hits.",
            calling.as_millis(),
            computing.as_millis(),
        )
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        self.output.print(text).map(drop)
    }
}

/// Digits in which every parameter agrees with its certified value: the least log relative error, which NIST's own
/// evaluations use.
fn agreeing_digits(problem: &Problem, fitted: &[f64]) -> f64 {
    let digits = problem
        .parameters
        .iter()
        .zip(fitted)
        .map(|(parameter, &fitted)| {
            let size = if parameter.certified == 0.0 {
                1.0
            } else {
                parameter.certified.abs()
            };
            let digits = -((fitted - parameter.certified).abs() / size).log10();
            // `max` takes NaN for no digits.
            digits.max(0.0)
        });
    digits.fold(CERTIFIED_DIGITS, f64::min)
}

fn median_microseconds(durations: &[Duration]) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied();
    median.unwrap_or_default().as_secs_f64() * 1e6
}
