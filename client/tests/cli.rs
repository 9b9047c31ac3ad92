//! `gradient` as a user runs it: the built binary, the embedded server, real gRPC.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Output, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

fn gradient(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradient"));
    command
        .args(arguments)
        .env_remove("GRADIENT_SERVER")
        .env_remove("RUST_LOG");
    command
}

fn run(arguments: &[&str]) -> Output {
    gradient(arguments).output().unwrap()
}

/// Standard output of a command that must succeed.
fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&[arguments, &["--json"]].concat())).unwrap()
}

/// The numbers of each block, in order.
fn values(answer: &Value) -> Vec<Value> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .flat_map(|result| result["blocks"].as_array().unwrap())
        .map(|block| block["value"].clone())
        .collect()
}

#[test]
fn eval_computes_every_product() {
    let cases: [(&[&str], &str); 13] = [
        (
            &["x*y", "x=3", "y=4", "-p", "value,gradient"],
            "[12.0,4.0,3.0]",
        ),
        (&["x*y", "x=3", "y=4", "-p", "hessian"], "[0.0,1.0,1.0,0.0]"),
        (
            &["x*y", "x=3", "y=4", "-p", "gradient", "--wrt", "y"],
            "[3.0]",
        ),
        (
            &["f = sum(x^2); g = x[0]", "x=[1,2]", "-p", "jacobian"],
            "[[2.0,4.0],[1.0,0.0]]",
        ),
        (
            &["f = sum(x^2); g = x[0]", "x=[1,2]", "-p", "gradient"],
            "[[2.0,4.0],[1.0,0.0]]",
        ),
        (
            &[
                "f = sum(x^2); g = x[0]",
                "x=[1,2]",
                "-p",
                "gradient",
                "--output",
                "g",
            ],
            "[[1.0,0.0]]",
        ),
        (
            &[
                "A@x",
                "A=[[1,2],[3,4]]",
                "x=[1,1]",
                "-p",
                "jacobian",
                "--wrt",
                "x",
            ],
            "[[[1.0,2.0],[3.0,4.0]]]",
        ),
        (
            &["x*y", "x=3", "y=4", "-p", "jvp", "--tangent", "x=1"],
            "[4.0]",
        ),
        (
            &["f = x^2; g = x", "x=3", "-p", "vjp", "--cotangent", "f=1"],
            "[6.0]",
        ),
        (
            &[
                "sum(x^2*y)",
                "x=[1,2]",
                "y=3",
                "-p",
                "hvp",
                "--vector",
                "x=[1,0]",
            ],
            "[[6.0,0.0]]",
        ),
        (
            &[
                "sum(x^2)",
                "x=[1,2]",
                "-p",
                "hvp",
                "--vector",
                "x=[[1,0],[0,1]]",
                "--directions",
                "2",
            ],
            "[[[2.0,0.0],[0.0,2.0]]]",
        ),
        (
            &[
                "x^2*y",
                "x=[1,2,3]",
                "y=2",
                "--batch",
                "3",
                "-p",
                "value,gradient",
                "--wrt",
                "x",
            ],
            "[[2.0,8.0,18.0],[4.0,8.0,12.0]]",
        ),
        (
            &[
                "sum(x)*y", "x=[1,2]", "y=[1,2]", "--batch", "2", "--shared", "x",
            ],
            "[[3.0,6.0]]",
        ),
    ];
    for (arguments, want) in cases {
        let answer = json(&[&["eval"], arguments].concat());
        assert_eq!(
            Value::from(values(&answer)).to_string(),
            want,
            "{arguments:?}"
        );
    }
}

#[test]
fn modes_agree_and_say_why() {
    let function = "f = exp(x)*y; g = x/y; h = sin(x*y)";
    let with = |extra: &[&str]| {
        let arguments = ["eval", function, "x=0.3", "y=-1.7", "-p", "jacobian"];
        json(&[&arguments, extra].concat())
    };
    let (forward, reverse) = (with(&["--mode", "forward"]), with(&["--mode", "reverse"]));
    for (forward, reverse) in values(&forward).iter().zip(values(&reverse)) {
        let (forward, reverse) = (forward.as_f64().unwrap(), reverse.as_f64().unwrap());
        assert!(
            (forward - reverse).abs() <= 1e-15 * forward.abs(),
            "{forward} {reverse}"
        );
    }
    assert_eq!(forward["results"][0]["plan"]["mode"], "forward");
    assert_eq!(reverse["results"][0]["plan"]["mode"], "reverse");
    assert_eq!(forward["timing"]["cache"], "miss");
    assert_ne!(with(&[])["results"][0]["plan"]["reason"], "");
    let hvp = |mode| {
        values(&json(&[
            "eval",
            "sum(exp(x))",
            "x=[1,2]",
            "-p",
            "hvp",
            "--vector",
            "x=[1,1]",
            "--hvp-mode",
            mode,
        ]))
    };
    assert_eq!(hvp("reverse-over-forward"), hvp("forward-over-reverse"));
}

#[test]
fn numbers_are_printed_to_the_last_bit() {
    let x = 0.1 + 0.2;
    let argument = format!("x={x:?}");
    let text = stdout(&["eval", "x", &argument]);
    assert!(text.contains("0.30000000000000004"), "{text}");
    assert_eq!(
        values(&json(&["eval", "x", &argument]))[0].as_f64(),
        Some(x)
    );
    assert_eq!(
        values(&json(&["eval", "[1/x, -1/x, log(-1-x)]", "x=0"]))[0].to_string(),
        r#"["Infinity","-Infinity","NaN"]"#
    );
}

#[test]
fn a_graph_goes_through_files_pipes_and_derivatives() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let derived = stdout(&[
        "derive",
        "exp(x*y) + 0.1",
        "--product",
        "gradient",
        "--json",
    ]);
    fs::write(path("gradient.json"), &derived).unwrap();
    stdout(&[
        "derive",
        "exp(x*y) + 0.1",
        "--product",
        "gradient",
        "--binary",
        &path("gradient.pb"),
    ]);
    fs::write(path("function.txt"), "t = x*y\nf = exp(t) + 0.1\n").unwrap();

    let hessian = values(&json(&[
        "eval",
        "exp(x*y) + 0.1",
        "x=1",
        "y=2",
        "-p",
        "hessian",
    ]));
    for file in ["gradient.json", "gradient.pb"] {
        assert_eq!(
            values(&json(&[
                "eval",
                &path(file),
                "x=1",
                "y=2",
                "-p",
                "jacobian"
            ])),
            hessian,
            "{file}"
        );
    }
    assert_eq!(
        values(&json(&[
            "eval",
            &path("function.txt"),
            "x=1",
            "y=2",
            "-p",
            "hessian"
        ])),
        hessian
    );

    let mut child = gradient(&["eval", "-", "x=1", "y=2", "-p", "jacobian", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(derived.as_bytes())
        .unwrap();
    let piped: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(values(&piped), hessian);

    let id = stdout(&["register", &path("gradient.json")]);
    assert_eq!(
        id,
        stdout(&["register", &path("gradient.pb")]),
        "an id alone, and the same one"
    );
    let shown = stdout(&["show", &path("gradient.pb"), "--graph"]);
    for part in [
        id.trim(),
        "(x: f64, y: f64)",
        "exp  ",
        "= exp(%2) : f64",
        "return d f / d x = ",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let shown = json(&["show", "sum(x)", "x:[1000]"]);
    assert_eq!(
        (&shown["live_inputs"], &shown["op_counts"]["reduce_sum"]),
        (&1000.into(), &1.into())
    );
}

#[test]
fn functions_are_evaluated_shown_and_derived() {
    let source = "fn times(x, n) = if n > 0 then x*times(x, n - 1) else 1; times(x, 3)";
    let answer = json(&["eval", source, "x=2", "-p", "value,gradient,hessian"]);
    assert_eq!(values(&answer), [8.0, 12.0, 12.0]);
    let shown = stdout(&["show", source, "--graph"]);
    for part in [
        "function=\"times\"",
        "function \"times\" (%0: f64, %1: f64)",
        "branches=[\"else\", \"then\"]",
        "; 3 functions of 8 nodes",
        "times     (f64, f64) -> (f64)  3",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    let shown = json(&["show", source]);
    assert_eq!(
        (&shown["functions"][0], &shown["function_nodes"]),
        (
            &serde_json::json!({
                "name": "times", "parameters": ["f64", "f64"], "results": ["f64"], "nodes": 3
            }),
            &8.into()
        )
    );
    assert_eq!(json(&["register", source])["functions"], 3);
    // The derivative as a file, which is a graph like any other.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gradient.json");
    let path = path.to_str().unwrap();
    fs::write(path, stdout(&["derive", source, "--json"])).unwrap();
    assert_eq!(values(&json(&["eval", path, "x=2", "-p", "value"])), [12.0]);
    let output = run(&["eval", "fn f(x) = k*x; f(y)", "y=2"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("`k` is no parameter of this function"),
        "{said}"
    );
}

#[test]
fn plan_and_ops_tell_without_computing() {
    let plan = json(&["plan", "sum(x^2)", "x:[1000]"]);
    assert_eq!(plan["plans"][0]["product"], "gradient");
    assert_eq!(plan["plans"][0]["plan"]["mode"], "reverse");
    let text = stdout(&["plan", "sum(x^2)", "x:[1000]", "-p", "gradient,hvp"]);
    assert!(text.contains("1000 inputs"), "{text}");
    let ops = json(&["ops"]);
    let log1p = ops
        .as_array()
        .unwrap()
        .iter()
        .find(|op| op["name"] == "log1p")
        .unwrap();
    assert_eq!(
        (&log1p["number"], &log1p["implemented"]),
        (&33.into(), &true.into())
    );
    let listed = stdout(&["ops", "log"]);
    let (table, footer) = listed.trim_end().split_once("\n\n").unwrap();
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(header[..4], ["name", "number", "operands", "attributes"]);
    assert!(lines.clone().count() > 3 && lines.all(|line| line.contains("log")));
    assert!(footer.contains(" of them elementwise"), "{footer}");
}

/// The line that the README quotes counts what the JSON says.
#[test]
fn ops_are_counted_and_filtered() {
    let ops = json(&["ops", "--implemented"]);
    let ops = ops.as_array().unwrap();
    let of_kind = |kind: &str| ops.iter().filter(|op| op["kind"] == kind).count();
    let kinds = [
        "elementwise",
        "shape",
        "reduction",
        "linear-algebra",
        "signal",
        "control",
    ];
    assert_eq!(kinds.map(of_kind).iter().sum::<usize>(), ops.len());
    let counted = format!(
        "\n{} operations, {} of them elementwise",
        ops.len(),
        of_kind("elementwise")
    );
    let listed = stdout(&["ops"]);
    assert!(listed.contains(&counted), "{counted} in {listed}");
    let products = json(&["ops", "--kind", "linear-algebra"]);
    let names: Vec<&Value> = products
        .as_array()
        .unwrap()
        .iter()
        .map(|op| &op["name"])
        .collect();
    for name in ["matmul", "svd", "einsum"] {
        assert!(names.contains(&&name.into()), "{name} in {names:?}");
    }
    assert!(!names.contains(&&"fft".into()) && !names.contains(&&"erf".into()));
}

/// One row a mistake: arguments, exit code, what standard error must say.
#[test]
fn mistakes_have_an_exit_code_a_place_and_a_repair() {
    let unknown = "0".repeat(64);
    let mistakes: [(&[&str], i32, &str); 22] = [
        (&[], 2, "Usage: gradient"),
        (&["evaluate"], 2, "unrecognized subcommand"),
        (&["eval"], 2, "<FUNCTION>"),
        (
            &["eval", "exp(x*"],
            2,
            "error: `*` has no right operand (line 1, column 6)",
        ),
        (&["eval", "exq(x)", "x=1"], 2, "exp"),
        (&["eval", "x", "x=one"], 2, "\"one\" is no f64"),
        (&["eval", "x", "x=[1,[2]]"], 2, "differ in shape"),
        (
            &["eval", "x", "y=1"],
            2,
            "the expression has no variable y; it has x",
        ),
        (
            &["eval", "x*y", "x=[1,2]", "y=[1,2,3]"],
            2,
            "shapes [2] and [3]",
        ),
        (&["eval", "x", "x=1", "-p", "gradiant"], 2, "gradient"),
        (
            &["eval", "x", "x=1", "-p", "jvp"],
            2,
            "--tangent NAME=VALUE",
        ),
        (
            &["eval", "missing.json"],
            2,
            "there is no file missing.json",
        ),
        (&["eval", "x", "x=1", "--timeout", "0"], 2, "more than 0"),
        (&["register", &unknown], 2, "registered already"),
        (
            &["eval", "x*y", "x=1"],
            1,
            "at inputs: input \"y\", f64, is missing",
        ),
        (
            &["eval", "x", "x=1", "-p", "gradient", "--wrt", "z"],
            1,
            "at products[0].gradient.wrt[0]: the graph has no input \"z\"; it has \"x\"",
        ),
        (
            &["eval", "x", "x=[1,2]", "-p", "value,gradient"],
            1,
            "at products[1].gradient.output: output \"f\" is f64[2]",
        ),
        (
            &["eval", "x", "x=[1,2]", "-p", "jvp", "--tangent", "x=1"],
            1,
            "at products[0].jacobian_vector_product.tangents[\"x\"]: expected f64[2], got f64",
        ),
        (&["eval", &unknown, "x=1"], 1, "(NOT_FOUND)"),
        (
            &["eval", "x", "x=1", "--server", "127.0.0.1:1"],
            1,
            "cannot connect to http://127.0.0.1:1: ",
        ),
        (&["derive", "x", "-p", "gradient,hessian"], 1, "one product"),
        (
            &["eval", "x", "x=@/no/such/file"],
            2,
            "cannot read /no/such/file",
        ),
    ];
    for (arguments, code, message) in mistakes {
        let output = run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
        assert!(
            !errors.contains('\x1b') && !errors.contains("panicked"),
            "{arguments:?}: {errors}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let output = run(&["eval", "x", "x=[1,2]", "-p", "gradient", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "INVALID_ARGUMENT");
    assert_eq!(
        error["error"]["violations"][0]["path"],
        "products[0].gradient.output"
    );
}

#[test]
fn malformed_graphs_are_refused_at_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("graph.json");
    let graph = r#"{"inputs": [{"name": "x", "type": {"dtype": "DTYPE_F64"}}],
        "nodes": [{"op": "OP_ADD", "operands": [0, 7]}], "outputs": [{"name": "f", "value": 1}]}"#;
    fs::write(&path, graph).unwrap();
    let output = run(&["register", path.to_str().unwrap()]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("at graph.nodes[0].operands[1]: "),
        "{errors}"
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = gradient(&["ops"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_pipe_gets_plain_text_and_a_terminal_rules() {
    // A number that no time on the last line is.
    let arguments = ["eval", "x", &format!("x=[{}1]", "0.703125,".repeat(40))];
    let plain = stdout(&arguments);
    assert!(
        plain.is_ascii() || !plain.contains(['─', '…', '\x1b']),
        "{plain}"
    );
    let count = plain.matches("0.703125").count();
    assert_eq!(count, 40, "a pipe gets every number");
    let shown = in_terminal(&arguments);
    assert!(
        shown.contains("────") && shown.contains("… 41 in all"),
        "{shown}"
    );
    let failed = in_terminal(&["eval", "x"]);
    assert!(failed.contains("\x1b[1;31merror:"), "{failed}");
}

/// What a person sees: both outputs of a command on a pseudo-terminal.
fn in_terminal(arguments: &[&str]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    let mut child = gradient(arguments)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal)
        .spawn()
        .unwrap();
    // Ends with an error when the last writer has gone.
    let mut seen = Vec::new();
    let _ = File::from(master).read_to_end(&mut seen);
    child.wait().unwrap();
    String::from_utf8(seen).unwrap()
}

#[test]
fn check_draws_a_curve_and_fails_with_a_code() {
    let arguments = ["check", "exp(x*y) + sin(x)", "x=1", "y=2"];
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (svg, png) = (path("errors.svg"), path("errors.png"));
    let plain = stdout(&[&arguments[..], &["--svg", &svg, "--png", &png]].concat());
    for part in [
        "relative error",
        "1e-12",
        "● d f / d x",
        "○ d f / d y",
        "passed",
        "complex step",
    ] {
        assert!(plain.contains(part), "{part} in {plain}");
    }
    assert!(
        !plain.contains('\x1b') && plain.matches('●').count() >= 10,
        "{plain}"
    );
    // The chart is the same on a terminal; only the table has a rule.
    let shown = in_terminal(&arguments).replace('\r', "");
    let chart = plain.split("derivative").next().unwrap();
    assert!(
        shown.starts_with(chart) && !shown.contains('\x1b'),
        "{shown}"
    );

    let svg = fs::read_to_string(svg).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("relative error"),
        "{svg}"
    );
    assert_eq!(svg.matches("<circle").count(), 2 * 12 + 2);
    let png = fs::read(png).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 10_000);

    let answer = json(&arguments);
    assert_eq!(answer["passed"], true);
    let verdicts = answer["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[0]["curve"].as_array().unwrap().len(), 12);
    assert!(verdicts[0]["best"]["error"].as_f64().unwrap() < 1e-8);

    let failed = run(&[
        "check",
        "exp(x)",
        "x=1",
        "--steps",
        "1e-1",
        "--tolerance",
        "1e-9",
    ]);
    assert_eq!(failed.status.code(), Some(1));
    let text = String::from_utf8(failed.stdout).unwrap();
    for part in [
        "FAILED",
        "d f / d x is 2.71828182845904",
        "differences say 2.7228",
        "1.0e-9 allowed",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let kink = stdout(&["check", "abs(x)", "x=0"]);
    assert!(kink.contains("the point is not smooth"), "{kink}");
    let usage = run(&["check", "exp(x)", "x=1", "--steps", "-1"]);
    assert_ne!(usage.status.code(), Some(0));
}

#[test]
fn symbolic_prints_formulas_and_counts_their_terms() {
    let text = stdout(&["symbolic", "sin(x^2*y)"]);
    for part in [
        "t1 = x^2\n",
        "t2 = cos(y*t1)\n",
        "d f / d y = t1*t2\n",
        "d f / d y = x^2*cos(y*x^2)\n",
        "9 terms with sharing, 19 written out",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let answer = json(&["symbolic", "sin(x^2*y)"]);
    assert_eq!(answer["terms_shared"], 9);
    assert_eq!(answer["written_out"]["d f / d y"], "x^2*cos(y*x^2)");
    // Each line squares the last: sharing stays linear, written out it doubles.
    let chain: Vec<String> = (1..30)
        .map(|i| format!("v{i} = v{} * v{}", i - 1, i - 1))
        .collect();
    let chain = format!("v0 = sin(x); {}; f = v29", chain.join("; "));
    let text = stdout(&["symbolic", &chain, "--output", "f"]);
    assert!(text.contains("too long to print"), "{text}");
    let long: Vec<String> = (1..1200)
        .map(|i| format!("v{i} = sin(v{})", i - 1))
        .collect();
    let long = format!("v0 = sin(x); {}; f = v1199", long.join("; "));
    let refused = run(&["symbolic", &long, "--output", "f"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2) && message.contains("derive"),
        "{message}"
    );
}

#[test]
fn compare_shows_the_methods_side_by_side() {
    let arguments = ["compare", "exp(x*y) + sin(x)", "x=1", "y=2"];
    let text = stdout(&arguments);
    for part in [
        "exact",
        "numerical, step chosen",
        "numerical, step 1e-2",
        "dual numbers",
        "symbolic, written out",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(in_terminal(&arguments).contains("────"));
    let answer = json(&arguments);
    let methods = answer["methods"].as_array().unwrap();
    let of = |name: &str| methods.iter().find(|m| m["method"] == name).unwrap();
    assert_eq!(of("exact")["evaluations"], 1);
    assert_eq!(of("dual numbers")["evaluations"], 2);
    assert!(of("dual numbers")["error"].as_f64().unwrap() < 1e-14);
    assert_eq!(of("numerical, step chosen")["evaluations"], 4);
    let error = of("numerical, step chosen")["error"].as_f64().unwrap();
    assert!((1e-14..1e-8).contains(&error), "{error}");
    let coarse = of("numerical, step 1e-2")["error"].as_f64().unwrap();
    assert!((1e-6..1e-3).contains(&coarse), "{coarse}");
    let terms = |name: &str| of(name)["terms"].as_f64().unwrap();
    assert!(terms("symbolic, written out") > terms("symbolic, with sharing"));
}

#[test]
fn serve_serves_other_commands_until_terminated() {
    let mut server = gradient(&["serve", "--listen", "127.0.0.1:0"])
        .env_remove("GRADIENT_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let line = log
        .find_map(|line| line.ok().filter(|line| line.contains("listening on ")))
        .unwrap();
    let address = line.rsplit(' ').next().unwrap().to_owned();
    let id = stdout(&["register", "x^2 + y", "--server", &address]);
    let opened = json(&[
        "eval",
        id.trim(),
        "x=3",
        "y=1",
        "-p",
        "gradient",
        "--server",
        &address,
    ]);
    assert_eq!(Value::from(values(&opened)).to_string(), "[6.0,1.0]");
    let again = gradient(&["eval", "x^2 + y", "x=3", "y=1", "-p", "gradient", "--json"])
        .env("GRADIENT_SERVER", &address)
        .output();
    let again: Value = serde_json::from_slice(&again.unwrap().stdout).unwrap();
    assert_eq!(again["timing"]["cache"], "hit", "{again}");
    // The names of whoever asks.
    let renamed = json(&[
        "eval", "b^2 + a", "a=1", "b=3", "-p", "gradient", "--server", &address,
    ]);
    assert_eq!(renamed["results"][0]["blocks"][0]["wrt"], "b");

    rustix::process::kill_process(
        rustix::process::Pid::from_child(&server),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell]);
        for word in ["derive", "register", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn sparse_layouts_print_their_entries() {
    let arguments = [
        "eval",
        "x*sin(x)",
        "x=[0,1,2]",
        "-p",
        "jacobian",
        "--layout",
        "sparse",
    ];
    let answer = json(&arguments);
    let block = &answer["results"][0]["blocks"][0];
    assert_eq!(block["shape"], serde_json::json!([3, 3]));
    assert_eq!(block["rows"], serde_json::json!([0, 1, 2]));
    assert_eq!(block["columns"], serde_json::json!([0, 1, 2]));
    assert_eq!(block["values"].as_array().unwrap().len(), 3);
    let plan = &answer["results"][0]["plan"];
    assert_eq!(
        (&plan["forward_colors"], &plan["sweeps"]),
        (&1.into(), &1.into())
    );
    let text = stdout(&arguments);
    assert!(text.contains("(1, 1) 1.38177329067603"), "{text}");
}

#[test]
fn spy_draws_patterns() {
    let text = stdout(&["spy", "x*sin(x)", "x:[8]"]);
    assert!(
        text.starts_with("┌────┐\n│⠑⢄⠀⠀│\n│⠀⠀⠑⢄│\n└────┘\n8 × 8, 8 entries (12.500 %)\n"),
        "{text}"
    );
    assert!(
        text.ends_with("forward: 1 colour of 8 columns; 1 sweep instead of 8\n"),
        "{text}"
    );
    let folder = tempfile::tempdir().unwrap();
    let [svg, png] = ["svg", "png"].map(|kind| folder.path().join(kind));
    let answer = json(&[
        "spy",
        "sum(x^2 * y)",
        "x:[3]",
        "y:[3]",
        "--hessian",
        "--svg",
        svg.to_str().unwrap(),
        "--png",
        png.to_str().unwrap(),
    ]);
    assert_eq!(answer["shape"], serde_json::json!([6, 6]));
    assert_eq!(
        answer["rows"],
        serde_json::json!([0, 0, 1, 1, 2, 2, 3, 4, 5])
    );
    assert_eq!(
        answer["columns"],
        serde_json::json!([0, 3, 1, 4, 2, 5, 0, 1, 2])
    );
    let picture = fs::read_to_string(svg).unwrap();
    assert_eq!(picture.matches("fill=\"#0072B2\"").count(), 9, "{picture}");
    assert!(fs::read(png).unwrap().starts_with(b"\x89PNG"));
    let wrong = run(&[
        "spy",
        "f = x[0]; g = x[1]",
        "x:[2]",
        "--hessian",
        "--output",
        "f,g",
    ]);
    assert!(!wrong.status.success());
}
