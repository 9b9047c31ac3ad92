//! The tool of GradBench: its answers to the messages of all evals, against JAX (see bench/gradbench/reference.py) and
//! closed forms.

use gradient_client::Client;
use gradient_server::Config;
use gradient_tests::gradbench::{EVALS, Tool};
use gradient_tests::server::TestServer;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Relative to the number, or to one in a million where it is smaller.
const TOLERANCE: f64 = 1e-9;

fn assert_close(got: &Value, want: &Value, place: &str) {
    match (got, want) {
        (Value::Array(got), Value::Array(want)) => {
            assert_eq!(got.len(), want.len(), "{place}: length");
            for (i, (got, want)) in got.iter().zip(want).enumerate() {
                assert_close(got, want, &format!("{place}[{i}]"));
            }
        }
        (Value::Object(got), Value::Object(want)) => {
            assert!(got.keys().eq(want.keys()), "{place}: {got:?}");
            for (name, want) in want {
                assert_close(&got[name], want, &format!("{place}.{name}"));
            }
        }
        _ => {
            let want = want.as_f64().expect("references are numbers");
            let got = got.as_f64().unwrap_or(f64::NAN);
            assert!(
                got.is_finite() && (got - want).abs() <= TOLERANCE * want.abs().max(1e-6),
                "{place}: {got} against {want}"
            );
        }
    }
}

async fn tool(server: &TestServer) -> Tool {
    let client = Client::connect(&server.address.to_string()).await;
    Tool::new(client.expect("the server is there"))
}

async fn evaluate(tool: &mut Tool, module: &str, function: &str, input: &Value) -> Value {
    let message = json!({"id": 5, "kind": "evaluate", "module": module, "function": function, "input": input});
    let answer = tool.answer(&message).await;
    assert_eq!(answer["id"], 5);
    answer
}

#[tokio::test]
async fn answers_agree_with_references() {
    let server = TestServer::start(Config::default()).await;
    let mut tool = tool(&server).await;
    let references = include_str!("../reference/gradbench.json");
    let references: Vec<Value> = serde_json::from_str(references).expect("JSON");
    let mut seen = BTreeSet::new();
    for reference in &references {
        let text = |name: &str| reference[name].as_str().expect("a name");
        let (module, function) = (text("module"), text("function"));
        let answer = evaluate(&mut tool, module, function, &reference["input"]).await;
        assert_eq!(answer["success"], true, "{module} {function}: {answer}");
        assert_close(
            &answer["output"],
            &reference["output"],
            &format!("{module} {function}"),
        );
        seen.insert(module.to_owned());
    }
    assert!(seen.iter().eq(EVALS.iter()), "all evals: {seen:?}");
    server.stop().await;
}

#[tokio::test]
async fn closed_forms() {
    let server = TestServer::start(Config::default()).await;
    let mut tool = tool(&server).await;
    // y₀ = x₀ t, y₁ = x₁ x₀ t² / 2, y₂ = x₂ x₁ x₀ t³ / 6 at t = 2: the method is exact up to t⁴.
    let input = json!({"x": [0.5, 0.7, 0.9], "s": 3});
    let answer = evaluate(&mut tool, "ode", "gradient", &input).await;
    let third = |a: f64, b: f64| a * b * 8.0 / 6.0;
    let want = json!([third(0.7, 0.9), third(0.5, 0.9), third(0.5, 0.7)]);
    assert_close(&answer["output"], &want, "ode");
    // The inverse times the determinant, transposed.
    let input = json!({"A": [3.0, 1.0, 2.0, 5.0], "ell": 2});
    let answer = evaluate(&mut tool, "det", "gradient", &input).await;
    assert_close(&answer["output"], &json!([5.0, -2.0, -1.0, 3.0]), "det");
    // With one point for each centroid, Newton's step ends at the points.
    let input = json!({"points": [[0.0, 1.0], [5.0, 5.0]], "centroids": [[0.5, 0.5], [5.25, 4.0]]});
    let answer = evaluate(&mut tool, "kmeans", "dir", &input).await;
    assert_close(
        &answer["output"],
        &json!([[0.5, -0.5], [0.25, -1.0]]),
        "kmeans",
    );
    server.stop().await;
}

#[tokio::test]
async fn speaks_the_protocol() {
    let server = TestServer::start(Config::default()).await;
    let mut tool = tool(&server).await;
    let answer = tool
        .answer(&json!({"id": 0, "kind": "start", "eval": "lse"}))
        .await;
    assert_eq!(answer, json!({"id": 0, "tool": "gradient"}));
    for (module, known) in [("lse", true), ("hello", true), ("nothing", false)] {
        let message = json!({"id": 1, "kind": "define", "module": module});
        assert_eq!(tool.answer(&message).await["success"], known, "{module}");
    }
    let input = json!({"x": [0.1, 0.2], "min_runs": 3, "min_seconds": 0.01});
    let answer = evaluate(&mut tool, "lse", "primal", &input).await;
    let timings = answer["timings"].as_array().expect("timings");
    let named = |name: &'static str| {
        let named = timings.iter().filter(move |t| t["name"] == name);
        named.map(|t| t["nanoseconds"].as_u64())
    };
    let runs: u64 = named("evaluate").map(|ns| ns.expect("nanoseconds")).sum();
    assert!(
        named("evaluate").count() >= 3 && runs >= 10_000_000,
        "{answer}"
    );
    assert_eq!(named("prepare").count(), 1);
    // A run's time on the server is part of it.
    for (all, server) in named("evaluate").zip(named("server")) {
        assert!(all >= server, "{answer}");
    }
    for (function, input) in [
        ("nothing", json!({"x": [1.0]})),
        ("primal", json!({"x": "no"})),
    ] {
        let answer = evaluate(&mut tool, "lse", function, &input).await;
        assert!(
            answer["success"] == false && answer["error"].is_string(),
            "{answer}"
        );
    }
    assert_eq!(
        tool.answer(&json!({"id": 9, "kind": "analysis", "of": 5, "valid": true}))
            .await,
        json!({"id": 9})
    );
    server.stop().await;
}
