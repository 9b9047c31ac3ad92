//! `gradient bench`: loads a server and tells how it bears it.

mod load;
mod record;
mod report;

use std::{process::ExitCode, sync::Arc, time::Duration};

use gradient_client::Timing;
use indicatif::{ProgressBar, ProgressStyle};
use prost::Message;

use crate::{
    arguments::{Kind, Products},
    bindings::Binding,
    failure::Usage,
    function::{Batch, Function},
    output::Output,
    target::Target,
};
use load::Load;
use report::Report;

/// Calls under way at the most with a rate, if nothing else is said.
const PATIENT_CALLERS: u32 = 256;
/// In seconds: eleven days.
const LONGEST: f64 = 1e6;
/// In calls a second.
const FASTEST: f64 = 1e6;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --rate each caller waits for an answer before it calls again: that measures what the server \
can do at most. With --rate calls are due at fixed times, and their time counts from then on: a server that falls \
behind shows it. Failed calls are counted by their status, and not tried again; times are of answered calls, and of \
calls that were due and could not be made before the end. Ctrl-C ends the measurement and prints what there is.

Examples:
  gradient bench 'exp(x*y) + sin(x)' x=1 y=2 --product value,gradient
  gradient bench function.json x=@x.json --product gradient --connections 8 --concurrency 64 --duration 30
  gradient bench 'sum(x^4)' x=[1,2] --product hessian --rate 500 --server http://127.0.0.1:50051 --json"
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

    #[command(flatten)]
    products: Products,

    #[command(flatten)]
    batch: Batch,

    /// Callers, each with one call under way [default: one on each connection; 256 with --rate]
    #[arg(long, value_name = "CALLERS", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    concurrency: Option<u32>,

    /// Connections, which callers share
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    connections: u32,

    /// Calls in a second, due at fixed times
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,

    /// Measure for so long
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = duration)]
    duration: Duration,

    /// Load for so long before
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = warmup)]
    warmup: Duration,
}

impl Args {
    /// # Errors
    /// [`Usage`] if there are connections that nobody calls on.
    fn load(&self) -> anyhow::Result<Load> {
        let callers = self.concurrency.unwrap_or(match self.rate {
            Some(_) => PATIENT_CALLERS.max(self.connections),
            None => self.connections,
        });
        if callers < self.connections {
            return Err(Usage(format!(
                "--connections {}: there are only {callers} callers to use them; raise --concurrency",
                self.connections
            ))
            .into());
        }
        Ok(Load {
            callers: callers as usize,
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration,
        })
    }
}

/// Evaluates once, so that what is wrong with the request is told at once; then as often as it goes. The exit code
/// says whether any call was answered.
pub async fn run(args: Args, target: &Target, output: &Output) -> anyhow::Result<ExitCode> {
    args.products.check_seeds()?;
    let load = args.load()?;
    let function = Function::read(&args.function)?;
    let graph = function.graph(&args.bindings, &args.batch)?;
    let clients = target.connect_often(args.connections as usize).await?;
    let session = function.session(&clients[0], graph).await?;
    let values = args
        .bindings
        .into_iter()
        .filter_map(|binding| Some((binding.name, binding.value?)));
    let request = session.at(values).batch(args.batch.size());
    let request = args.products.apply(request, &session, Kind::Value);
    request.clone().send().await?;
    let message = Arc::new(request.message().await?);
    let reply = clients[0].evaluate(&message).await?;

    let (request_bytes, reply_bytes) = (message.encoded_len(), reply.encoded_len());
    let call = move |caller: usize| {
        let client = clients[caller % clients.len()].clone();
        let message = Arc::clone(&message);
        async move {
            let reply = client.evaluate(&message).await?;
            Ok(Timing::from(reply.timing.unwrap_or_default()))
        }
    };
    // From here on Ctrl-C does not end the process.
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tracing::info!("the load begins");
    let progress = spinner(&load);
    let measured = load::run(&load, call, interrupt).await;
    progress.finish_and_clear();

    let report = Report {
        measured: &measured,
        load: &load,
        connections: args.connections,
        server: target.named(),
        graph_id: reply.graph_id,
        points: args.batch.size().max(1),
        request_bytes,
        reply_bytes,
    };
    match output.is_json() {
        true => output.print_json(&report.as_json())?,
        false => output.print(&report.text(output))?,
    };
    Ok(match measured.record.answered() {
        0 => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// On standard error, and only if that is a terminal.
fn spinner(load: &Load) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} of {msg}; Ctrl-C ends it")
        .expect("the template is well formed");
    let seconds = (load.warmup + load.duration).as_secs_f64();
    let spinner = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(format!("{seconds} s"));
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= FASTEST => Ok(rate),
        Ok(_) => Err(format!("must be more than 0, and {FASTEST} at the most")),
        Err(_) => Err("not a number of calls in a second".into()),
    }
}

fn warmup(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    match seconds {
        seconds if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("must not be less than 0, nor more than {LONGEST}")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match warmup(text)? {
        Duration::ZERO => Err("must be more than 0".into()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_bounds() {
        assert_eq!(warmup("0"), Ok(Duration::ZERO));
        assert_eq!(duration("2.5s"), Ok(Duration::from_millis(2_500)));
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["", "-1", "NaN", "inf", "1e7", "ten"] {
            assert!(warmup(wrong).is_err(), "{wrong}");
            assert!(duration(wrong).is_err(), "{wrong}");
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert!(duration("0").is_err() && rate("0").is_err());
    }
}
