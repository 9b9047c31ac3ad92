//! Start, health, reflection, grpc-web, shutdown; the binary's exit codes.

use crate::harness::*;
use gradient_proto::v1 as pb;
use gradient_server::Config;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

#[tokio::test(flavor = "multi_thread")]
async fn health_is_serving_until_the_drain() {
    let mut server = Server::small().await;
    let mut health = HealthClient::new(server.channel().await);
    let ask = |service: &str| HealthCheckRequest {
        service: service.into(),
    };
    for service in ["", SERVICE] {
        let answer = health.check(ask(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    assert_eq!(
        health.check(ask("nope")).await.unwrap_err().code(),
        Code::NotFound
    );

    let mut watch = health.watch(ask(SERVICE)).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.stop();
    let second = watch.message().await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    // The watch never ends by itself, and must not hold up the shutdown.
    let start = Instant::now();
    server.stopped().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_describes_the_service_in_both_versions() {
    macro_rules! names {
        ($version:ident, $channel:expr) => {{
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new($channel);
            let answers = client
                .server_reflection_info(tokio_stream::iter([request]))
                .await;
            let answer = answers
                .unwrap()
                .into_inner()
                .message()
                .await
                .unwrap()
                .unwrap();
            let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
                panic!("{answer:?}")
            };
            list.service
                .into_iter()
                .map(|service| service.name)
                .collect::<Vec<_>>()
        }};
    }
    let server = Server::small().await;
    for names in [
        names!(v1, server.channel().await),
        names!(v1alpha, server.channel().await),
    ] {
        assert!(names.iter().any(|name| name == SERVICE), "{names:?}");
        assert!(
            names.iter().any(|name| name == "grpc.health.v1.Health"),
            "{names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_web_is_served_on_the_same_port() {
    let server = Server::small().await;
    let answer = server.web_call("ListOps", "", &[]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("grpc-status:0") && answer.contains("log1p"),
        "{answer}"
    );
    let answer = server.web_call("GetGraph", "", b"\x0a\x02no").await;
    assert!(answer.contains("grpc-status: 5"), "{answer}");
    let answer = server.web_call("GetGraph", "", b"\xff\xff").await;
    assert!(answer.contains("grpc-status: 3"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_calls_finish_before_the_server_stops() {
    let mut server = Server::small().await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(60)).await;
    let call = tokio::spawn(async move { client.evaluate(slow_request(&id)).await });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let address = server.address;
    server.stop();
    server.stopped().await.unwrap();
    call.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_do_not_finish_are_cut() {
    let drain_timeout = Duration::from_millis(200);
    let server = Server::start(Config {
        drain_timeout,
        ..small()
    })
    .await;
    let mut client = server.client().await;
    let id = register(&mut client, slow_graph(1000)).await;
    let call = tokio::spawn(async move { client.evaluate(slow_request(&id)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    server.stopped().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(call.await.unwrap().is_err());
}

fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradient-server"));
    command
        .env("GRADIENT_SKIP_CALIBRATION", "true")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the binary on a free port, and reads the line that it writes when it is ready.
fn started(arguments: &[&str]) -> (Child, SocketAddr, BufReader<std::process::ChildStderr>) {
    let mut child = binary(&[&["--listen", "127.0.0.1:0"], arguments].concat())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    let address = line
        .split("listening on ")
        .nth(1)
        .expect(&line)
        .trim()
        .parse()
        .unwrap();
    (child, address, log)
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn the_binary_drains_and_exits_with_0() {
    for name in ["-TERM", "-INT"] {
        let (mut child, address, _log) = started(&[]);
        assert_ne!(address.port(), 0);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn bad_usage_and_configuration_exit_with_2() {
    let (mut running, address, _log) = started(&[]);
    let taken = address.to_string();
    let cases: [&[&str]; 8] = [
        &["--no-such-flag"],
        &["--listen", "nowhere"],
        &["--listen", "256.0.0.1:1"],
        &["--listen", &taken],
        &["--queue", "0"],
        &["--cache-bytes", "lots"],
        &["--max-message-bytes", "8GiB"],
        &["--log", "gradient_server=loud"],
    ];
    for arguments in cases {
        let output = binary(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let bad = binary(&[])
        .env("GRADIENT_THREADS", "many")
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
    signal(&running, "-TERM");
    running.wait().unwrap();
}

#[test]
fn settings_come_from_the_environment_too() {
    let mut command = binary(&["--help"]);
    let help = String::from_utf8(command.output().unwrap().stdout).unwrap();
    for name in [
        "GRADIENT_LISTEN",
        "GRADIENT_LOG",
        "GRADIENT_CACHE_BYTES",
        "GRADIENT_QUEUE",
    ] {
        assert!(help.contains(name), "{name}");
    }
    let mut child = binary(&[])
        .env("GRADIENT_LISTEN", "127.0.0.1:0")
        .env("GRADIENT_MAX_MESSAGE_BYTES", "2MiB")
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("listening on 127.0.0.1:"), "{line}");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_live_side_by_side() {
    let (a, b) = (Server::small().await, Server::small().await);
    let id = register(&mut a.client().await, scalar_graph("x", "y", "f")).await;
    let request = pb::GetGraphRequest {
        graph_id: id,
        ..Default::default()
    };
    assert!(a.client().await.get_graph(request.clone()).await.is_ok());
    assert!(b.client().await.get_graph(request).await.is_err());
}
