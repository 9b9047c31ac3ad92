//! The binary `gradient-server`.

use clap::Parser;
use gradient_server::{Config, calibration::Calibration, telemetry};
use std::process::ExitCode;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

/// Exact derivatives of computation graphs, over gRPC.
#[derive(Parser)]
#[command(name = "gradient-server", version)]
struct Command {
    /// Address to listen on. Port 0 picks a free one.
    #[arg(long, env = "GRADIENT_LISTEN", default_value = "127.0.0.1:50051")]
    listen: String,

    /// What to log to stderr: a level, or directives such as `gradient_server=debug,h2=warn`.
    #[arg(long, env = "GRADIENT_LOG", default_value = "info")]
    log: String,

    #[command(flatten)]
    calibration: Calibration,

    #[command(flatten)]
    config: Config,
}

/// Messages are decoded on one thread and dropped on another, and large blocks come and go: the system's allocator
/// gives these back to the kernel each time and takes 1.5 times as long from a new graph's bytes to its gradient.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad usage or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut command = Command::parse();
    if let Err(error) = telemetry::init(&command.log) {
        eprintln!("error: --log {:?}: {error}", command.log);
        return ExitCode::from(USAGE);
    }
    // Before there are threads that would disturb it.
    command.config.costs = command.calibration.costs();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(serve(command));
    // A computation that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    code
}

async fn serve(command: Command) -> ExitCode {
    let listener = match TcpListener::bind(&command.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("error: cannot listen on {}: {error}", command.listen);
            return ExitCode::from(USAGE);
        }
    };
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(terminate), Ok(interrupt)) = signals else {
        eprintln!("error: cannot listen for signals");
        return ExitCode::FAILURE;
    };
    match gradient_server::run(listener, command.config, first_of(terminate, interrupt)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn first_of(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
