//! `gradient completions`: completion scripts for shells.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::output::Output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell
    shell: Shell,
}

pub fn run(args: Args, output: &Output) -> anyhow::Result<ExitCode> {
    // By way of memory: the generator panics when it cannot write.
    let mut script = Vec::new();
    generate(
        args.shell,
        &mut crate::Cli::command(),
        "gradient",
        &mut script,
    );
    output.print(&String::from_utf8_lossy(&script))
}
