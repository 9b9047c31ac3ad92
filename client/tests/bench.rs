//! `gradient bench` as a user runs it: the built binary, real gRPC, for parts of a second.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStderr, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const FUNCTION: [&str; 4] = ["bench", "exp(x*y) + sin(x)", "x=1", "y=2"];
const TIMES: [&str; 7] = [
    "latency", "waiting", "network", "server", "queue", "compile", "execute",
];
const COLUMNS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

fn gradient(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradient"));
    command
        .args(arguments)
        .env_remove("GRADIENT_SERVER")
        .env_remove("RUST_LOG")
        .env_remove("GRADIENT_LOG");
    command
}

/// What a load of so many seconds reports; it must end well.
fn bench(seconds: &str, more: &[&str]) -> Output {
    let brief = ["--duration", seconds, "--warmup", "0.1"];
    let output = gradient(&[&FUNCTION[..], &brief, more].concat())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines that a program says on standard error, after one that contains some words.
fn after(child: &mut Child, words: &str) -> (Lines<BufReader<ChildStderr>>, String) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains(words)));
    (lines, line.unwrap_or_else(|| panic!("no {words:?}")))
}

/// A server, and its address.
fn serve() -> (Child, Lines<BufReader<ChildStderr>>, String) {
    let mut server = gradient(&["serve", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (log, line) = after(&mut server, "listening on ");
    let address = line.rsplit(' ').next().unwrap().to_owned();
    (server, log, address)
}

fn number(report: &Value, name: &str) -> f64 {
    let number = report[name].as_f64();
    number.unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// What must be so of every report of calls that were all answered.
fn check(report: &Value) {
    assert!(number(report, "answered") > 0.0, "{report}");
    for none in ["failed", "given_up"] {
        assert_eq!(number(report, none), 0.0, "{none} in {report}");
    }
    assert_eq!(report["errors"], serde_json::json!({}));
    assert_eq!(report["interrupted"], false);
    let rate = number(report, "answered") / number(report, "measured_s");
    let said = number(report, "per_second");
    assert!((said - rate).abs() <= 1e-9 * rate, "{said} and {rate}");
    for time in TIMES {
        let times = &report[format!("{time}_us")];
        let columns = COLUMNS.map(|column| number(times, column));
        assert!(columns.is_sorted() && columns[0] >= 0.0, "{time}: {times}");
        assert!(number(times, "mean") <= columns[4], "{time}: {times}");
    }
    let max = |time: &str| number(&report[format!("{time}_us")], "max");
    assert!(max("execute") > 0.0 && max("network") > 0.0);
    // Up to the digits that are kept.
    for part in ["network", "server"] {
        assert!(max(part) <= 1.001 * max("latency"), "{part}: {report}");
    }
    assert!(max("execute") <= 1.001 * max("server"));
    let mean = |time: &str| number(&report[format!("{time}_us")], "mean");
    let parts = ["queue", "compile", "execute"]
        .map(mean)
        .iter()
        .sum::<f64>();
    assert!((parts - mean("server")).abs() <= 2e-3 * parts, "{report}");
}

#[test]
fn a_closed_loop_needs_no_server() {
    let arguments = ["--concurrency", "4", "--connections", "2", "--json"];
    let report = json(&bench(
        "0.5",
        &[&arguments[..], &["-p", "gradient"]].concat(),
    ));
    check(&report);
    assert_eq!(
        (&report["loop"], &report["rate"]),
        (&"closed".into(), &Value::Null)
    );
    assert_eq!(
        (&report["callers"], &report["connections"]),
        (&4.into(), &2.into())
    );
    assert_eq!(
        (&report["server"], &report["missed"]),
        (&Value::Null, &0.into())
    );
    assert_eq!(report["graph_id"].as_str().map(str::len), Some(64));
    assert_eq!(report["cache"]["hit"], report["answered"]);
    assert!(number(&report, "request_bytes") > 64.0 && number(&report, "reply_bytes") > 16.0);
    assert!(number(&report, "measured_s") >= 0.5);
    // Four callers: as many answers as fit into their time, and no more.
    let mean = number(&report["latency_us"], "mean") * 1e-6;
    let most = 4.0 * number(&report, "measured_s") / mean;
    assert!(number(&report, "answered") <= 1.01 * most + 4.0, "{report}");
}

#[test]
fn calls_come_due_at_a_rate() {
    let (mut server, _log, address) = serve();
    let arguments = ["--rate", "100", "--server", &address, "--json"];
    let report = json(&bench("0.5", &arguments));
    check(&report);
    assert_eq!(
        (&report["loop"], &report["callers"]),
        (&"open".into(), &256.into())
    );
    assert_eq!(report["server"], address.as_str());
    assert_eq!(
        number(&report, "answered") + number(&report, "missed"),
        50.0
    );
    // The points of a batch, and a graph that is known by its id.
    let id = report["graph_id"].as_str().unwrap();
    let points = ["bench", id, "x=[1,2,3]", "y=2", "--batch", "3", "--json"];
    let brief = ["--duration", "0.2", "--warmup", "0", "--server", &address];
    let output = gradient(&[&points[..], &brief].concat()).output().unwrap();
    let batch = json(&output);
    check(&batch);
    assert_eq!(
        (&batch["points"], &batch["graph_id"]),
        (&3.into(), &id.into())
    );
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn people_get_a_table() {
    let text = String::from_utf8(bench("0.2", &["--rate", "50"]).stdout).unwrap();
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with(
            "50 calls a second due, 256 callers at the most on 1 connection; embedded server"
        ),
        "{text}"
    );
    let header: Vec<&str> = lines.nth(1).unwrap().split_whitespace().collect();
    assert_eq!(header[..2], ["time", "mean"]);
    assert_eq!(header[2..], COLUMNS);
    for part in [
        "\nlatency ",
        "\nwaiting ",
        "\nnetwork ",
        "\nserver: execute ",
        " answered in ",
        " calls a second; ",
        "\ntape: hit ",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let text = String::from_utf8(bench("0.1", &[]).stdout).unwrap();
    assert!(
        text.starts_with("closed loop, 1 caller on 1 connection;"),
        "{text}"
    );
    assert!(
        !text.contains("waiting") && !text.contains("failed"),
        "{text}"
    );
}

#[test]
fn an_interrupt_prints_what_there_is() {
    let mut child = gradient(
        &[
            &FUNCTION[..],
            &["--duration", "600", "--warmup", "0", "--json"],
        ]
        .concat(),
    )
    .env("RUST_LOG", "gradient=info")
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let (_log, _) = after(&mut child, "the load begins");
    thread::sleep(Duration::from_millis(500));
    let begin = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(0));
    let report = json(&output);
    assert_eq!(report["interrupted"], true);
    assert!(number(&report, "answered") > 0.0 && number(&report, "given_up") <= 1.0);
    assert!(
        (0.3..30.0).contains(&number(&report, "measured_s")),
        "{report}"
    );
}

#[test]
fn failures_are_counted_by_status() {
    let (mut server, _log, address) = serve();
    let brief = ["--duration", "1.5", "--warmup", "0", "--rate", "100"];
    let mut child = gradient(&[&FUNCTION[..], &brief, &["--server", &address, "--json"]].concat())
        .env("RUST_LOG", "gradient=info")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (_said, _) = after(&mut child, "the load begins");
    thread::sleep(Duration::from_millis(500));
    server.kill().unwrap();
    server.wait().unwrap();
    let output = child.wait_with_output().unwrap();
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    let gone = &report["errors"]["UNAVAILABLE"];
    assert!(number(gone, "count") > 10.0, "{report}");
    assert_ne!(gone["message"], "");
    let ends = ["answered", "failed", "missed"].map(|end| number(&report, end));
    assert!(
        ends[0] > 0.0 && ends.iter().sum::<f64>() == 150.0,
        "{report}"
    );
}

/// One row a mistake: arguments, exit code, what standard error must say.
#[test]
fn mistakes_are_told_before_the_load() {
    let mistakes: [(&[&str], i32, &str); 13] = [
        (&[], 2, "<FUNCTION>"),
        (&["exp(x*", "x=1"], 2, "`*` has no right operand"),
        (&["x", "x=1", "--rate", "0"], 2, "must be more than 0"),
        (
            &["x", "x=1", "--rate", "fast"],
            2,
            "not a number of calls in a second",
        ),
        (&["x", "x=1", "--duration", "0"], 2, "must be more than 0"),
        (
            &["x", "x=1", "--duration", "1e30"],
            2,
            "nor more than 1000000",
        ),
        (&["x", "x=1", "--warmup=-1"], 2, "must not be less than 0"),
        (&["x", "x=1", "--concurrency", "0"], 2, "1..=65536"),
        (
            &["x", "x=1", "--connections", "8", "--concurrency", "4"],
            2,
            "--connections 8: there are only 4 callers",
        ),
        (&["x", "x=1", "-p", "hvp"], 2, "--vector NAME=VALUE"),
        (
            &["x*y", "x=1"],
            1,
            "at inputs: input \"y\", f64, is missing",
        ),
        (
            &["x", "x=[1,2]", "-p", "gradient"],
            1,
            "at products[0].gradient.output: output \"f\" is f64[2]",
        ),
        (
            &["x", "x=1", "--server", "127.0.0.1:1"],
            1,
            "cannot connect to http://127.0.0.1:1: ",
        ),
    ];
    for (arguments, code, message) in mistakes {
        let output = gradient(&[&["bench"], arguments].concat())
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
