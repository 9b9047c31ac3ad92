//! A million scalar nodes over the wire: how long registration and the first gradient take, how that grows, and
//! how much memory the server needs. `cargo bench -p gradient-tests --bench million`; sizes may
//! be named: `… -- 40000 100000`.
//!
//! The server runs in a process of its own, so that its peak memory is its own. Results are checked against a
//! forward-mode recurrence in plain Rust before anything is printed.

use gradient_proto::v1::{
    EvaluateRequest, Gradient, Product, RegisterGraphRequest, evaluate_request,
    gradient_service_client::GradientServiceClient, product, tensor,
};
use gradient_server::Config;
use gradient_tests::recurrence::{INPUTS, by_hand, recurrence, scalar};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tonic::transport::Channel;

/// 40,000 nodes are 10,000 steps.
const SIZES: [usize; 4] = [10_000, 40_000, 100_000, 1_000_000];
/// Each size this often, each time on a new server; medians are printed.
const RUNS: usize = 5;
/// As the server's binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVE: &str = "GRADIENT_BENCH_SERVE";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    if std::env::var_os(SERVE).is_some() {
        return runtime.block_on(serve());
    }
    println!(
        "{:>9}  {:>11}  {:>11}  {:>9}  {:>12}  {:>10}",
        "nodes", "register ms", "gradient ms", "total ms", "µs per node", "peak MiB"
    );
    let asked: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = match asked.is_empty() {
        true => &SIZES[..],
        false => &asked[..],
    };
    let mut per_node = Vec::new();
    for &nodes in sizes {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(runtime.block_on(measure(nodes))?);
        }
        runs.sort_by(|a, b| a.total().total_cmp(&b.total()));
        let median = &runs[RUNS / 2];
        let each = median.total() * 1e6 / nodes as f64;
        println!(
            "{nodes:>9}  {:>11.1}  {:>11.1}  {:>9.1}  {each:>12.3}  {:>10.0}",
            median.register * 1e3,
            median.gradient * 1e3,
            median.total() * 1e3,
            runs.iter().map(|r| r.peak_mib).fold(0.0, f64::max),
        );
        per_node.push(each);
    }
    println!(
        "time per node at {} nodes : at {} nodes = {:.2}",
        sizes[sizes.len() - 1],
        sizes[0],
        per_node[sizes.len() - 1] / per_node[0]
    );
    Ok(())
}

struct Run {
    register: f64,
    gradient: f64,
    peak_mib: f64,
}

impl Run {
    fn total(&self) -> f64 {
        self.register + self.gradient
    }
}

async fn serve() -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    gradient_server::run(listener, Config::default(), std::future::pending()).await?;
    Ok(())
}

/// A server in a child process, ended with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to do if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure(nodes: usize) -> Result<Run, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(SERVE, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child
        .stdout
        .take()
        .ok_or("the server's output is not there")?;
    let server = Server(child);
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;
    let channel = Channel::from_shared(format!("http://{}", address.trim()))?
        .connect()
        .await?;
    let mut client = GradientServiceClient::new(channel)
        .max_encoding_message_size(64 << 20)
        .max_decoding_message_size(64 << 20);

    let graph = recurrence(nodes);
    let begin = Instant::now();
    let registered = client
        .register_graph(RegisterGraphRequest { graph: Some(graph) })
        .await?
        .into_inner();
    let register = begin.elapsed().as_secs_f64();
    let point: Vec<f64> = (0..INPUTS).map(|i| 0.3 + 0.05 * i as f64).collect();
    let request = EvaluateRequest {
        graph: Some(evaluate_request::Graph::GraphId(registered.graph_id)),
        inputs: point
            .iter()
            .enumerate()
            .map(|(i, &x)| (format!("x{i}"), scalar(x)))
            .collect(),
        products: vec![Product {
            product: Some(product::Product::Gradient(Gradient::default())),
        }],
        ..EvaluateRequest::default()
    };
    let begin = Instant::now();
    let answer = client.evaluate(request).await?.into_inner();
    let gradient = begin.elapsed().as_secs_f64();

    let want = by_hand(&point, nodes);
    for (block, want) in answer.results[0].blocks.iter().zip(want) {
        let Some(gradient_proto::v1::block::Data::Tensor(tensor)) = &block.data else {
            return Err("a dense block was expected".into());
        };
        let Some(tensor::Data::Raw(raw)) = &tensor.data else {
            return Err("raw data was expected".into());
        };
        let got = f64::from_le_bytes(raw[..].try_into()?);
        if !(got.is_finite() && (got - want).abs() <= 1e-10 * want.abs().max(1.0)) {
            return Err(format!("{}: {got} against {want}", block.wrt).into());
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = peak
        .and_then(|p| p.split_whitespace().next())
        .ok_or("no peak memory")?
        .parse()?;
    Ok(Run {
        register,
        gradient,
        peak_mib: kib / 1024.0,
    })
}
