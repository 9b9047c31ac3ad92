//! `gradient`: exact derivatives on the command line.
//!
//! Every command talks gRPC: to the server that `--server` or `GRADIENT_SERVER` names, otherwise to one embedded in
//! this process, over the loopback interface. Exit codes: 0 done, 1 failed or refused (or a check that
//! did not pass), 2 wrong usage.

mod arguments;
mod bench;
mod bindings;
mod chart;
mod check;
mod compare;
mod completions;
mod demo;
mod derive;
mod eval;
mod failure;
mod figure;
mod function;
mod graph_file;
mod ops;
mod output;
mod plan;
mod register;
mod render;
mod serve;
mod show;
mod spy;
mod symbolic;
mod target;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};
use output::Output;
use target::{GLOBAL, Target};
use tracing_subscriber::EnvFilter;

/// Exact derivatives of functions, from the gradient service
///
/// A FUNCTION is an expression such as 'exp(x*y) + sin(x)', a file (protobuf-JSON, binary protobuf, or text), '-'
/// for a file on standard input, or the id of a registered graph. Without --server, a server runs inside this
/// process.
#[derive(Debug, Parser)]
#[command(name = "gradient", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    target: Target,

    /// Print JSON, for programs
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,

    /// Log to standard error; twice for more (RUST_LOG chooses in detail)
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fit certified regression problems, with every derivative from the service
    Demo(demo::Args),
    /// Compute values and derivatives at a point, or at a batch of points
    Eval(eval::Args),
    /// Upload a graph and print its id
    Register(register::Args),
    /// Say how derivatives would be computed, and at what cost
    Plan(plan::Args),
    /// Describe a graph: signature, operations, tape
    Show(show::Args),
    /// Draw which entries of a Jacobian or Hessian can differ from zero
    Spy(spy::Args),
    /// Print the derivative as a graph
    Derive(derive::Args),
    /// Check derivatives against differences, and draw the error against the step
    Check(check::Args),
    /// Print a small function's derivative as formulas
    Symbolic(symbolic::Args),
    /// Compare methods: error, evaluations, terms, time
    Compare(compare::Args),
    /// Load a server: percentiles of its answers' times, and calls in a second
    Bench(bench::Args),
    /// List the operations the server knows
    Ops(ops::Args),
    /// Run a server
    Serve(serve::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Serve(_)) {
        log(cli.verbose);
    }
    let output = Output::new(cli.json);
    match run(cli.command, &cli.target, &output).await {
        Ok(code) => code,
        Err(error) => failure::report(&error, &output),
    }
}

async fn run(command: Command, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args, target, output).await,
        Command::Eval(args) => eval::run(args, target, output).await,
        Command::Register(args) => register::run(args, target, output).await,
        Command::Plan(args) => plan::run(args, target, output).await,
        Command::Show(args) => show::run(args, target, output).await,
        Command::Spy(args) => spy::run(args, target, output).await,
        Command::Derive(args) => derive::run(args, target, output).await,
        Command::Check(args) => check::run(args, target, output).await,
        Command::Symbolic(args) => symbolic::run(args, target, output).await,
        Command::Compare(args) => compare::run(args, target, output).await,
        Command::Bench(args) => bench::run(args, target, output).await,
        Command::Ops(args) => ops::run(args, target, output).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Completions(args) => completions::run(args, output),
    }
}

fn log(verbose: u8) {
    let filter = match verbose {
        0 => EnvFilter::from_default_env(),
        1 => EnvFilter::new("gradient_client=info,gradient_server=info"),
        2 => EnvFilter::new("gradient_client=debug,gradient_server=debug,gradient_engine=debug"),
        _ => EnvFilter::new("debug"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
