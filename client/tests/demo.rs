//! `gradient demo` as a user runs it: real fits over real gRPC.

use std::{path::Path, process::Command};

use serde_json::Value;

fn gradient(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradient"));
    command.args(arguments).env_remove("GRADIENT_SERVER");
    command
}

/// All fits agree with NIST's certified values, from both starts. The files are the workspace's shared ones where they
/// are there, the project's copies otherwise.
#[test]
fn all_problems_are_solved_from_both_starts() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        package.join("../../shared/data/nist_strd"),
        package.join("data/nist_strd"),
    ];
    let data = places
        .iter()
        .find(|place| place.is_dir())
        .expect("the project has copies");
    let output = gradient(&["demo", "--json", "--start", "both", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let fits = report["fits"].as_array().unwrap();
    assert_eq!(fits.len(), 40, "{errors}");
    for fit in fits {
        let name = format!("{}, start {}", fit["problem"], fit["start"]);
        for parameter in fit["parameters"].as_array().unwrap() {
            let value = |key: &str| parameter[key].as_f64().unwrap();
            let error = (value("fitted") / value("certified") - 1.0).abs();
            assert!(error <= 1e-8, "{name}: {parameter} off by {error:e}");
        }
        assert!(fit["digits"].as_f64().unwrap() >= 8.0, "{name}: {fit}");
        let squares = |key: &str| fit["residual_sum_of_squares"][key].as_f64().unwrap();
        let error = (squares("fitted") / squares("certified") - 1.0).abs();
        // The residuals of Lanczos1 are 1e-13, of data of size 1: 3 digits of its sum of squares are not rounding.
        let bound = if fit["problem"] == "Lanczos1" {
            1e-2
        } else {
            1e-9
        };
        assert!(error < bound, "{name}: sum of squares off by {error:e}");

        // One graph per problem: its first evaluation compiles, from start 2 on everything is there.
        let (evaluations, hits) = (
            fit["evaluations"].as_u64().unwrap(),
            fit["cache_hits"].as_u64().unwrap(),
        );
        assert!(evaluations > 3, "{name}");
        assert_eq!(
            hits,
            if fit["start"] == 1 {
                evaluations - 1
            } else {
                evaluations
            },
            "{name}"
        );
        assert_eq!(fit["mode"], "MODE_FORWARD", "{name}: n < m");
        assert!(!fit["reason"].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(report["passed"], true);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn a_pipe_gets_plain_lines() {
    let output = gradient(&["demo", "--problem", "Misra1a", "danwood"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains('\x1b') && !text.contains('\r'), "{text}");
    assert!(
        text.contains("\nMisra1a ") && text.contains("\nDanWood "),
        "{text}"
    );
    assert!(text.contains("2 of 2 fits agree with NIST"), "{text}");
}

#[test]
fn mistakes_are_told_with_the_repair() {
    let empty = env!("CARGO_TARGET_TMPDIR");
    for (arguments, code, message) in [
        (
            ["demo", "--problem", "Misra"],
            2,
            "choose from Misra1a, Chwirut2",
        ),
        (["demo", "--data", empty], 2, "no .dat files"),
        (
            ["demo", "--data", "/no/such/place"],
            1,
            "cannot read /no/such/place",
        ),
        (["demo", "--start", "3"], 2, "[possible values: 1, 2, both]"),
    ] {
        let output = gradient(&arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(message), "{errors}");
    }
}
