//! `gradient serve`: a server in this process.

use std::process::ExitCode;

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::failure::Usage;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 picks a free one
    #[arg(
        long,
        env = "GRADIENT_LISTEN",
        default_value = "127.0.0.1:50051",
        value_name = "ADDRESS"
    )]
    listen: String,

    /// What to log: a level, or directives such as `gradient_server=debug,h2=warn`
    #[arg(
        long,
        env = "GRADIENT_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,

    #[command(flatten)]
    config: gradient_server::Config,
}

/// Serves until SIGTERM or Ctrl-C, and finishes the calls that run then.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    gradient_server::telemetry::init(&args.log)
        .map_err(|error| Usage(format!("--log {:?}: {error}", args.log)))?;
    let listener = TcpListener::bind(&args.listen)
        .await
        .map_err(|error| Usage(format!("cannot listen on {}: {error}", args.listen)))?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    gradient_server::run(listener, args.config, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
