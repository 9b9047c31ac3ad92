//! Requests that come together: 64 clients, each with a connection and a point of its own, ask for the gradient of one
//! unrolled graph of about 95,000 nodes, each again as soon as it has its answer. Throughput of a server that lets
//! them run together against one that does not. `cargo bench -p gradient-tests --bench coalesce`; another number of
//! clients may be named: `… -- 16`.
//!
//! Each server runs in a process of its own; both are there all the time and are asked in turns. Answers of both must
//! be the same bit for bit before anything is timed. The clients share the machine with the servers: they send bytes that
//! are there already, and read what they got after each turn.

use bytes::Bytes;
use gradient_client::GraphBuilder;
use gradient_proto::v1::{
    EvaluateRequest, EvaluateResponse, Gradient, Product, RegisterGraphRequest, Result as Answer,
    evaluate_request, gradient_service_client::GradientServiceClient, product,
};
use gradient_server::{Config, telemetry::BATCH_LANES};
use gradient_tests::lean::{Caller, Failure, framed};
use gradient_tests::{recurrence, scalars};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use prost::Message;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

const CLIENTS: usize = 64;
/// Of the method of Runge and Kutta: 71 nodes each.
const STEPS: usize = 1340;
/// Turns of each server; medians are printed.
const TURNS: usize = 9;
const TURN: Duration = Duration::from_secs(2);
/// Before the first turn: until machine code and the program for points together are there.
const WARM_UP: Duration = Duration::from_secs(3);
/// Throughput together by throughput alone.
const BOUND: f64 = 3.0;

const EVALUATE: &str = "/gradient.v1.GradientService/Evaluate";

/// As the server's binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In the environment of a server's process: its `max_coalesced`.
const SERVE: &str = "GRADIENT_BENCH_SERVE";

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Ok(max_coalesced) = std::env::var(SERVE) {
        return runtime.block_on(serve(max_coalesced.parse()?));
    }
    let asked = std::env::args().find_map(|a| a.parse().ok());
    runtime.block_on(compare(asked.unwrap_or(CLIENTS)))
}

async fn compare(clients: usize) -> Result<(), Failure> {
    let mut servers = Vec::new();
    for max_coalesced in [Config::default().max_coalesced, 0] {
        servers.push(Served::start(max_coalesced, clients).await?);
    }
    let mut answers = Vec::new();
    for served in &mut servers {
        Served::load(&served.clients, WARM_UP).await?;
        answers.push(served.answers().await?);
    }
    if answers[0] != answers[1] {
        return Err("together they get other answers than alone".into());
    }
    let mut rates = [Vec::new(), Vec::new()];
    let mut idle = Vec::new();
    for _ in 0..TURNS {
        idle.push(Served::load(&servers[1].idle, TURN).await?);
        for (served, rates) in servers.iter_mut().zip(&mut rates) {
            rates.push(Served::load(&served.clients, TURN).await?);
        }
    }
    println!(
        "{clients} clients, gradient of {STEPS} steps of RK4, medians of {TURNS} turns of {TURN:?}"
    );
    let mut medians = Vec::new();
    for ((served, rates), name) in servers
        .into_iter()
        .zip(&mut rates)
        .zip(["together", "alone"])
    {
        rates.sort_by(f64::total_cmp);
        let (median, least, most) = (rates[TURNS / 2], rates[0], rates[TURNS - 1]);
        let lanes = served.stop()?;
        println!("{name:>9}: {median:>8.0} requests a second ({least:.0} to {most:.0}){lanes}");
        medians.push(median);
    }
    idle.sort_by(f64::total_cmp);
    let most = idle[TURNS / 2];
    println!(
        "{:>9}: {most:>8.0} requests a second of one step: what the way takes",
        ""
    );
    let ratio = medians[0] / medians[1];
    let verdict = if ratio >= BOUND {
        "holds"
    } else {
        "falls short"
    };
    println!("together : alone = {ratio:.2}; bound {BOUND}: {verdict}");
    Ok(())
}

/// A server in a child process, ended with it, and its clients.
struct Served {
    child: Child,
    output: BufReader<ChildStdout>,
    /// A connection each, and what it sends.
    clients: Vec<(Caller, Bytes)>,
    /// The same of a graph of one step: nearly nothing to compute, and as many bytes on the way.
    idle: Vec<(Caller, Bytes)>,
}

impl Drop for Served {
    fn drop(&mut self) {
        // Nothing to do if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    async fn start(max_coalesced: u32, clients: usize) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(SERVE, max_coalesced.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let mut this = Self {
            output: BufReader::new(output.ok_or("the server's output is not there")?),
            child,
            clients: Vec::new(),
            idle: Vec::new(),
        };
        let mut address = String::new();
        this.output.read_line(&mut address)?;
        let address = address.trim();
        let channel = Channel::from_shared(format!("http://{address}"))?;
        let channel = channel.connect().await?;
        let registered = async |steps| {
            let graph = Some(graph(steps)?);
            let registered = GradientServiceClient::new(channel.clone())
                .max_encoding_message_size(64 << 20)
                .register_graph(RegisterGraphRequest { graph })
                .await?;
            Ok::<_, Failure>(registered.into_inner().graph_id)
        };
        for (steps, all) in [(STEPS, &mut this.clients), (1, &mut this.idle)] {
            let id = registered(steps).await?;
            for i in 0..clients {
                let caller = Caller::connect(address, EVALUATE).await?;
                all.push((caller, framed(&request(&id, i).encode_to_vec())));
            }
        }
        Ok(this)
    }

    /// What each client gets, one after the other.
    async fn answers(&self) -> Result<Vec<Vec<Answer>>, Failure> {
        let mut answers = Vec::new();
        for (caller, request) in &self.clients {
            let reply = caller.clone().call(request.clone()).await?;
            answers.push(results(reply)?);
        }
        Ok(answers)
    }

    /// Answers a second with all clients at work. None may be different from that client's first one: they are looked at
    /// when the time is over, which belongs to the server.
    async fn load(clients: &[(Caller, Bytes)], time: Duration) -> Result<f64, Failure> {
        let begin = Instant::now();
        let calls = clients.iter().cloned().map(|(mut caller, request)| {
            tokio::spawn(async move {
                let mut replies = Vec::new();
                while begin.elapsed() < time {
                    replies.push(caller.call(request.clone()).await?);
                }
                Ok::<Vec<Bytes>, Failure>(replies)
            })
        });
        let calls: Vec<_> = calls.collect();
        let mut all = Vec::new();
        for call in calls {
            all.push(call.await??);
        }
        let took = begin.elapsed().as_secs_f64();
        let count: usize = all.iter().map(Vec::len).sum();
        for replies in all {
            let mut replies = replies.into_iter().map(results);
            let first = replies.next().transpose()?;
            for other in replies {
                if Some(other?) != first {
                    return Err("the same request has two answers".into());
                }
            }
        }
        Ok(count as f64 / took)
    }

    /// Ends the server; what it says about its evaluations.
    fn stop(mut self) -> Result<String, Failure> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        Ok(said.trim_end().to_owned())
    }
}

/// What a reply says, but for figures of the machine.
fn results(reply: Bytes) -> Result<Vec<Answer>, Failure> {
    let mut results = EvaluateResponse::decode(reply)?.results;
    results.iter_mut().for_each(|result| result.plan = None);
    Ok(results)
}

fn request(id: &str, client: usize) -> EvaluateRequest {
    // Lorenz's system near its usual start and parameters.
    let near = 1.0 + 1e-3 * client as f64;
    let point = [near, 1.5, 20.0, 10.0, 28.0, 8.0 / 3.0];
    EvaluateRequest {
        graph: Some(evaluate_request::Graph::GraphId(id.to_owned())),
        inputs: point
            .iter()
            .enumerate()
            .map(|(i, &x)| (format!("x{i}"), recurrence::scalar(x)))
            .collect(),
        products: vec![Product {
            product: Some(product::Product::Gradient(Gradient::default())),
        }],
        ..EvaluateRequest::default()
    }
}

fn graph(steps: usize) -> Result<gradient_proto::v1::Graph, Failure> {
    let builder = GraphBuilder::new("lorenz");
    let x: Vec<_> = (0..6).map(|i| builder.input(format!("x{i}"), [])).collect();
    let f = scalars::lorenz(&x, steps);
    Ok(builder.finish([("f", f)])?.into_proto())
}

/// Until its input ends.
async fn serve(max_coalesced: u32) -> Result<(), Failure> {
    metrics::set_global_recorder(Lanes)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let ended = async {
        let wait = || std::io::stdin().lock().read_to_end(&mut Vec::new());
        // An input that cannot be read has ended.
        let _ = tokio::task::spawn_blocking(wait).await;
    };
    let config = Config {
        max_coalesced,
        drain_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    gradient_server::run(listener, config, ended).await?;
    let [points, runs] = [POINTS.load(Relaxed), RUNS.load(Relaxed)];
    if runs > 0 {
        println!(
            "; {:.1} points in an evaluation",
            points as f64 / runs as f64
        );
    }
    Ok(())
}

static POINTS: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Counts points and evaluations.
struct Lanes;

struct Fill;

impl HistogramFn for Fill {
    fn record(&self, lanes: f64) {
        POINTS.fetch_add(lanes as u64, Relaxed);
        RUNS.fetch_add(1, Relaxed);
    }
}

impl Recorder for Lanes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match key.name() == BATCH_LANES {
            true => Histogram::from_arc(Arc::new(Fill)),
            false => Histogram::noop(),
        }
    }
}
