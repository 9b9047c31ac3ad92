//! Bad input: a table of malformed requests, each with the code, the field and the words it is refused with.
//! The server allocates nothing for them, keeps the connection, and goes on.

mod attributes;
mod bodies;
mod graphs;
mod requests;

use bytes::Bytes;
use gradient_proto::v1::{
    self as pb, evaluate_stream_response::Result as Answer,
    gradient_service_client::GradientServiceClient,
};
use gradient_server::Config;
use gradient_tests::{
    server::{TestServer, call_with_bytes},
    wire::{constant, evaluate, f64s, graph, raw_tensor, scalar, value},
};
use std::{collections::HashSet, env, fs, process::Command, time::Duration};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_types::StatusExt;

/// A row of the table.
struct Case {
    name: &'static str,
    call: Call,
    /// What it ends with.
    code: Code,
    /// Field path in the `BadRequest` or, where a limit is passed or something is not there, in the `ErrorInfo`.
    path: &'static str,
    /// Part of the message, or the reason or limit in the `ErrorInfo`.
    says: &'static str,
}

/// What is sent.
enum Call {
    Register(Option<pb::Graph>),
    Get(pb::GetGraphRequest),
    /// Sent twice: by itself, and in a stream that other requests go through, too.
    Evaluate(pb::EvaluateRequest),
    Plan(pb::PlanEvaluationRequest),
    Differentiate(pb::DifferentiateGraphRequest),
    Check(pb::CheckDerivativesRequest),
    Put(Vec<pb::put_tensor_request::Content>),
    Bytes(&'static str, Bytes),
}

/// Rows: `"name": call => Code at "field.path", "part of the message";`.
macro_rules! cases {
    ($($name:literal: $call:expr => $code:ident at $path:expr, $says:literal;)*) => {
        vec![$(crate::malformed::Case {
            name: $name,
            call: $call,
            code: tonic::Code::$code,
            path: $path,
            says: $says,
        }),*]
    };
}
use cases;

fn table() -> Vec<Case> {
    let mut table = graphs::cases();
    table.extend(attributes::cases());
    table.extend(bodies::cases());
    table.extend(requests::cases());
    table
}

const MAX_MESSAGE_BYTES: u64 = 4 << 20;
const MAX_NODES: u64 = 1000;

fn config() -> Config {
    Config {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_nodes: MAX_NODES,
        // Small enough for a tensor that could be announced.
        tensor_bytes: 1 << 20,
        ..Config::default()
    }
}

#[test]
fn the_table_is_long_and_its_names_are_unique() {
    let table = table();
    assert!(table.len() >= 60, "{} rows", table.len());
    let mut names = HashSet::new();
    for case in &table {
        assert!(
            names.insert(case.name),
            "two rows are named {:?}",
            case.name
        );
    }
}

/// Peak memory is that of a process, and a server that aborts takes its process along: this test runs itself
/// again in a process of its own.
#[test]
fn every_malformed_request_is_refused_and_the_server_goes_on() {
    const ALONE: &str = "GRADIENT_TEST_ALONE";
    const NAME: &str = "malformed::every_malformed_request_is_refused_and_the_server_goes_on";
    if env::var_os(ALONE).is_none() {
        let this = env::current_exe().expect("the path of this test binary");
        let mut alone = Command::new(this);
        alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1");
        let output = alone.output().expect("this test binary starts");
        let (stdout, stderr) = (&output.stdout, &output.stderr);
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(
            output.status.success(),
            "{}\n{}{}",
            output.status,
            said[0],
            said[1]
        );
        assert!(
            said[0].contains("1 passed"),
            "the test did not run: {}",
            said[0]
        );
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let deadline = Duration::from_secs(120);
        let checked = tokio::time::timeout(deadline, every_case());
        checked.await.expect("the table takes seconds");
    });
}

async fn every_case() {
    const GROWTH_BYTES: u64 = 64 << 20;
    let server = TestServer::start(config()).await;
    let mut session = Session::open(&server).await;
    session.check_health().await.expect("before the table");
    let before = peak_memory_bytes();

    let (mut wrong, mut count) = (vec![], 0);
    for case in table() {
        count += 1;
        let refused = session.refused(&case.call).await;
        let judged = refused.and_then(|status| judge(&case, &status));
        if let Err(error) = judged {
            wrong.push(format!("{}: {error}", case.name));
        }
        let health = session.check_health().await;
        health.unwrap_or_else(|error| panic!("after {:?}: {error}\n{wrong:#?}", case.name));
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    if let (Some(before), Some(after)) = (before, peak_memory_bytes()) {
        let grown = after - before;
        println!(
            "{count} requests refused; peak memory grew by {} KiB",
            grown >> 10
        );
        assert!(grown < GROWTH_BYTES, "peak memory grew by {grown} bytes");
    }
    drop(session);
    server.stop().await;
}

/// One connection. Its stream stays open from the first case to the last: it would end with the connection.
struct Session {
    channel: Channel,
    client: GradientServiceClient<Channel>,
    requests: mpsc::UnboundedSender<pb::EvaluateStreamRequest>,
    answers: Streaming<pb::EvaluateStreamResponse>,
}

impl Session {
    async fn open(server: &TestServer) -> Self {
        let channel = server.channel().await;
        let mut client =
            GradientServiceClient::new(channel.clone()).max_encoding_message_size(usize::MAX);
        let (requests, received) = mpsc::unbounded_channel();
        let streamed = client.evaluate_stream(UnboundedReceiverStream::new(received));
        let answers = streamed.await.expect("a stream").into_inner();
        Self {
            channel,
            client,
            requests,
            answers,
        }
    }

    /// A good request is answered, by itself and in the stream.
    async fn check_health(&mut self) -> Result<(), String> {
        let x = graph(&[("x", f64s(&[]))], vec![], &[("f", 0)]);
        let good = evaluate(x, &[("x", scalar(1.5))], vec![value(&[])]);
        let alone = self.client.evaluate(good.clone()).await;
        alone.map_err(|status| format!("a good request fails: {status:?}"))?;
        match self.stream(good).await? {
            Answer::Response(_) => Ok(()),
            Answer::Error(error) => Err(format!("a good request fails in the stream: {error:?}")),
        }
    }

    async fn stream(&mut self, request: pb::EvaluateRequest) -> Result<Answer, String> {
        let request = Some(request);
        let sent = self.requests.send(pb::EvaluateStreamRequest { request });
        sent.map_err(|_| "the stream has ended".to_string())?;
        let answer = self.answers.message().await;
        let answer = answer.map_err(|status| format!("the stream broke: {status:?}"))?;
        let result = answer.and_then(|answer| answer.result);
        result.ok_or_else(|| "the stream has ended".to_string())
    }

    /// What a call ends with.
    async fn refused(&mut self, call: &Call) -> Result<Status, String> {
        let client = &mut self.client;
        let result = match call {
            Call::Register(graph) => {
                let graph = graph.clone();
                let called = client.register_graph(pb::RegisterGraphRequest { graph });
                called.await.map(drop)
            }
            Call::Get(request) => client.get_graph(request.clone()).await.map(drop),
            Call::Evaluate(request) => {
                let alone = client.evaluate(request.clone()).await.map(drop);
                let streamed = self.stream(request.clone()).await?;
                same_in_stream(&alone, &streamed)?;
                alone
            }
            Call::Plan(request) => client.plan_evaluation(request.clone()).await.map(drop),
            Call::Differentiate(request) => {
                client.differentiate_graph(request.clone()).await.map(drop)
            }
            Call::Check(request) => client.check_derivatives(request.clone()).await.map(drop),
            Call::Put(messages) => {
                let messages = messages.clone().into_iter();
                let messages = messages.map(|content| pb::PutTensorRequest {
                    content: Some(content),
                });
                client
                    .put_tensor(tokio_stream::iter(messages))
                    .await
                    .map(drop)
            }
            Call::Bytes(path, message) => call_with_bytes(&self.channel, path, message.clone())
                .await
                .map(drop),
        };
        result.err().ok_or_else(|| "was taken".to_string())
    }
}

fn same_in_stream(alone: &Result<(), Status>, streamed: &Answer) -> Result<(), String> {
    let streamed = match streamed {
        Answer::Response(_) => None,
        Answer::Error(error) => Some((Code::from(error.code), error.message.as_str())),
    };
    let alone = alone.as_ref().err();
    let alone = alone.map(|status| (status.code(), status.message()));
    match alone == streamed {
        true => Ok(()),
        false => Err(format!("in a stream {streamed:?}, by itself {alone:?}")),
    }
}

/// Whether a status is what the row asks for.
fn judge(case: &Case, status: &Status) -> Result<(), String> {
    let (code, message) = (status.code(), status.message());
    if code != case.code {
        return Err(format!("expected {:?}, got {code:?}: {message}", case.code));
    }
    let details = status.get_error_details();
    let info = details.error_info();
    let known = |key: &str| info.and_then(|info| info.metadata.get(key)).cloned();
    let violated = details
        .bad_request()
        .and_then(|bad| bad.field_violations.first());
    let field = violated.map(|violation| violation.field.clone());
    let path = field.or_else(|| known("field")).unwrap_or_default();
    if path != case.path {
        return Err(format!(
            "expected the field {:?}, got {path:?}: {message}",
            case.path
        ));
    }
    let reason = info.map_or("", |info| &info.reason);
    let limit = known("limit").unwrap_or_default();
    if ![message, reason, &limit]
        .iter()
        .any(|text| text.contains(case.says))
    {
        return Err(format!(
            "{:?} is not said: {message} {reason} {limit}",
            case.says
        ));
    }
    let complete = match code {
        Code::InvalidArgument => {
            violated.is_some_and(|violation| !violation.description.is_empty())
        }
        Code::ResourceExhausted => {
            let named = ["limit", "value", "asked"].map(known);
            named.iter().all(Option::is_some) && details.quota_failure().is_some()
        }
        _ => true,
    };
    complete
        .then_some(())
        .ok_or_else(|| format!("details are missing: {details:?}"))
}

/// The most memory that this process has had; `None` where the system does not tell.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// NaN is a number like any other: an input's payload comes back bit for bit. All NaNs are one constant, so a
/// constant comes back as one of them.
#[tokio::test]
async fn nan_payloads_are_taken_and_kept() {
    let server = TestServer::start(config()).await;
    let mut client = server.client().await;
    let quiet = 0x7ff8_dead_beef_0001_u64.to_le_bytes();
    let signalling = 0xfff0_0000_0000_0001_u64.to_le_bytes();
    let tensor = |bits: &[u8]| raw_tensor(pb::Dtype::F64, &[], bits.to_vec());
    for bits in [quiet, signalling] {
        let nodes = vec![constant(tensor(&bits))];
        let graph = graph(&[("x", f64s(&[]))], nodes, &[("x", 0), ("c", 1)]);
        let request = evaluate(graph, &[("x", tensor(&bits))], vec![value(&[])]);
        let answer = client
            .evaluate(request)
            .await
            .expect("NaN is taken")
            .into_inner();
        let blocks = &answer.results[0].blocks;
        assert_eq!(blocks.len(), 2);
        let raw = |block: &pb::Block| match &block.data {
            Some(pb::block::Data::Tensor(tensor)) => match &tensor.data {
                Some(pb::tensor::Data::Raw(raw)) => raw.to_vec(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(raw(&blocks[0]), bits);
        let held = raw(&blocks[1]).try_into().expect("8 bytes");
        assert!(f64::from_le_bytes(held).is_nan());
    }
    server.stop().await;
}
