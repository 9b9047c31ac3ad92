//! Functions and branches in texts.

use super::*;

fn graph(source: &str) -> Result<Graph, Error> {
    let program = parse(source)?;
    let types = HashMap::from([("v".to_owned(), Type::new(Dtype::F64, [3]))]);
    program.graph("test", &types)
}

fn shown(source: &str) -> String {
    let graph = graph(source).unwrap_or_else(|error| panic!("{error}"));
    // What the message says must be understood as well.
    let again = Graph::from_proto(graph.proto().clone());
    assert_eq!(again.outputs(), graph.outputs(), "{source}");
    graph.to_string()
}

#[test]
fn texts_become_functions_and_nodes_that_run_them() {
    let cases: &[(&str, &[&str])] = &[
        (
            "fn f(x, y) = x*y; f(a, 2)",
            &[
                "graph \"test\" (a: f64)",
                "call(a, %1, function=\"f\") : f64",
                "function \"f\" (%0: f64, %1: f64)",
            ],
        ),
        (
            "y = f(x)\nfn f(t) = sin(t)\n",
            &["%1 = call(x, function=\"f\") : f64  # y", "return y = %1"],
        ),
        (
            "fn two(v: f64[3], a) { t = v*a; return sum(t), t }\ns, t = two(v, x); s + t",
            &["%2, %3 = call(v, x, function=\"two\") : f64, f64[3]"],
        ),
        (
            "fn f(x) {\n  # a comment\n  t = x^2\n  t + 1\n}\nf(x)",
            &["add(%1, %2) : f64"],
        ),
        (
            "if x > 0 then x*y else x/y",
            &[
                "cond(%3, x, y, branches=[\"else\", \"then\"]) : f64",
                "multiply(%0, %1)",
            ],
        ),
        (
            "if a > 0 then 1 else if b > 0 then 2 else c",
            &[
                "branches=[\"else\", \"then\"]",
                "branches=[\"else 2\", \"then 2\"]",
            ],
        ),
        (
            "k = 3; if x > 0 then x^k else sum(v, axis=0)*pi",
            &["square(%0)", "multiply(%"],
        ),
        (
            "fn times(x, n) = if n > 0 then x*times(x, n - 1) else 1\ntimes(2, x)",
            &[
                "call(%1, x, function=\"times\") : f64",
                "function \"times\"",
            ],
        ),
        (
            "fn even(n) -> f64 = if n > 0 then odd(n - 1) else 1\nfn odd(n) -> f64 = if n > 0 then even(n - 1) else 0\neven(x)",
            &["function=\"odd\"", "function=\"even\""],
        ),
        (
            "fn far(x, a) = abs(x*x - a) > 1e-9; fn step(x, a) = (x + a/x)/2; while(far, step, a, a)",
            &["while(a, a, condition=\"far\", body=\"step\") : f64"],
        ),
        (
            "fn far(x) = x > 1; fn step(x) = x/2; while(far, step, a, limit=100)",
            &["body=\"step\", max_iterations=100"],
        ),
        (
            "fn s(t, c: f64, x) { t = t*x + c; return t, t }\n".trim_end_matches('\n'),
            &[],
        ),
        (
            "fn s(t, c, x) { u = t*x + c; return u, u }\nlast, sums = scan(s, 0, v, x); return sums",
            &["scan(%2, v, x, function=\"s\", length=3, carries=1, sequences=1) : f64, f64[3]"],
        ),
        (
            "fn s(t, x) = t*x; scan(s, 1, x, length=10)",
            &["function=\"s\", length=10, carries=1, sequences=0"],
        ),
        (
            "fn s(t, x) = t*x; map(s, v, x)",
            &["map(v, x, function=\"s\", length=3, sequences=1) : f64[3]"],
        ),
        (
            "fn f(w: f64[3], x) = sum(w^2)*x; grad(f, v, x) + jacobian(f, v, x)",
            &["gradient(0, wrt=0)", "jacobian(all, wrt=0)"],
        ),
        (
            "fn g(y, a) = y^2 - a; root(g, 1, x) + fixed_point(g, 1, x) + linear_solve(g, 1, x)",
            &["implicit_root(", "fixed_point(", "linear_solve("],
        ),
    ];
    for (source, parts) in cases {
        if parts.is_empty() {
            let error = graph(source).expect_err(source).to_string();
            assert!(error.contains("`t` is a parameter"), "{error}");
            continue;
        }
        let text = shown(source);
        for part in *parts {
            assert!(text.contains(part), "{source}: {part} is not in\n{text}");
        }
    }
}

#[test]
fn parameters_are_no_inputs() {
    let program = parse("fn f(x, y) = x*y\nb + f(c, if d > 0 then e2 else b)").unwrap();
    assert_eq!(program.inputs().collect::<Vec<_>>(), ["b", "c", "d", "e2"]);
}

/// Text, problem, what the carets mark, help.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (
        "fn f(x) = k*x; f(2)",
        "`k` is no parameter of this function",
        "k",
        "add it",
    ),
    (
        "fn f(x, x) = x; f(1, 2)",
        "two parameters are called `x`",
        "x",
        "",
    ),
    ("fn f(x = 1) = x", "`=` within brackets", "=", ""),
    (
        "fn f(x: f16) = x",
        "a type is missing here",
        "f16",
        "f64[2, 3]",
    ),
    ("fn f(x: f64[n]) = x", "a size is a whole number", "n", ""),
    (
        "fn f(x)",
        "the body of `f` is missing",
        "",
        "fn f(…) = expression",
    ),
    (
        "fn f(x) { t = x }; f(1)",
        "`f` has no result",
        "f",
        "end with an expression",
    ),
    ("fn f(x) { x", "`{` is never closed", "{", ""),
    (
        "fn f(x) = x; fn f(x) = x",
        "function `f` is defined already",
        "f",
        "another name",
    ),
    ("fn sin(x) = x", "`sin` is taken", "sin", "another name"),
    ("fn map(x) = x", "`map` is taken", "map", "another name"),
    (
        "fn f(x) { fn g(y) = y; x }",
        "a function within a function",
        "fn",
        "outside of all others",
    ),
    ("fn f = 2", "`f` has no parameters", "f", "write fn f(x, y)"),
    ("fn f(x) = x; f = 2", "`f` is taken", "f", "another name"),
    ("fn f(x) = x; f + 2", "`f` is a function", "f", "call it"),
    (
        "fn foo(x) = x; fo(2)",
        "unknown function `fo`",
        "fo",
        "did you mean `foo`?",
    ),
    (
        "fn f(x, y) = x*y; 1 + f(x)",
        "`f` takes 2 arguments, 1 given",
        "f(x)",
        "write f(x, y)",
    ),
    (
        "fn f(x: f64[3]) = x; 1 + f(x)",
        "this is f64, parameter `x` of `f` is f64[3]",
        "x",
        "declare x: f64 in fn f(…)",
    ),
    (
        "fn f(x) { return x, 2*x }; 1 + f(x)",
        "this gives 2 results, 1 taken",
        "f(x)",
        "write a, b = …",
    ),
    (
        "fn f(x) = x; a, b = f(x); a + b",
        "this gives 1 result, 2 taken",
        "f(x)",
        "write a = …",
    ),
    (
        "a, b = x*y; a + b",
        "2 names for one value",
        "x*y",
        "a call of a function",
    ),
    (
        "if x > 0 then x",
        "this `if` has no `else`",
        "if",
        "if condition then a else b",
    ),
    (
        "if x > 0",
        "this `if` has no `then`",
        "if",
        "if condition then a else b",
    ),
    (
        "if x then 1 else 2",
        "this is a number, where true or false is needed",
        "x",
        "compare it",
    ),
    (
        "if v > 0 then 1 else 2",
        "the condition of `if` has shape [3]",
        "v > 0",
        "where(condition, a, b)",
    ),
    (
        "2*if x > 0 then v else x",
        "the branches give f64[3] and f64",
        "if x > 0 then v else x",
        "values of one type",
    ),
    (
        "if x > 0 then v @ x else x",
        "a matrix product needs vectors or matrices",
        "v @ x",
        "write *",
    ),
    (
        "then + 1",
        "`then` does not fit here",
        "then",
        "if condition then a else b",
    ),
    (
        "fn f(x) = x; while(f, g, x)",
        "the text defines no function `g`",
        "g",
        "fn g(x)",
    ),
    (
        "fn foo(x) = x; map(fo, x)",
        "the text defines no function `fo`",
        "fo",
        "`foo`",
    ),
    (
        "map(3, x)",
        "`map` takes the name of a function here",
        "3",
        "write map(f",
    ),
    (
        "fn f(x) = x; map(f x)",
        "`map` takes a function, then its arguments",
        "x",
        "write map",
    ),
    (
        "fn f(x) = x; map(f, x)",
        "a map without a sequence",
        "map(f, x)",
        "map(f, [1, 2, 3], a)",
    ),
    (
        "fn f(x) = x; scan(f, x)",
        "a scan without a sequence",
        "scan(f, x)",
        "length=10",
    ),
    (
        "fn f(x) = x; scan(f, v)",
        "a scan that carries nothing",
        "scan(f, v)",
        "or write map",
    ),
    (
        "fn f(x) = x; while(f, f, x)",
        "`f` gives f64; a condition gives one bool",
        "while(f, f, x)",
        "compare in it",
    ),
    (
        "fn f(v: f64[3]) = if v[0] > 0 then f(v - 1) else v; f(v)",
        "the branches give f64 and f64[3]",
        "if v[0] > 0 then f(v - 1) else v",
        "`f` runs itself: unless it gives one f64, it states what it gives, as fn f(…) -> f64[3]",
    ),
    (
        "fn f(x) -> f64[2] = if x > 0 then f(x - 1) else [x, x]; fn g(x) -> f64[3] = [x, x]; g(1)",
        "\"g\" is declared to give (f64[3]), but gives (f64[2])",
        "g",
        "state the types that the body gives",
    ),
    (
        "nonesuch(x, 2)",
        "unknown function `nonesuch`",
        "nonesuch",
        "fn nonesuch(x) = expression",
    ),
    (
        "fn f(x, y) = x*y; grad(f, x)",
        "`f` takes 2 arguments, 1 given",
        "grad(f, x)",
        "write grad(f, x, y)",
    ),
    (
        "fn f(x) = x; map(f, [x, x], 2)",
        "`f` takes 1 argument, 2 given",
        "map(f, [x, x], 2)",
        "write map(f, x)",
    ),
    (
        "fn c(x) = x > 0; fn s(x, a) = x*a; while(c, s, x, a)",
        "`c` takes 1 argument, 2 given",
        "while(c, s, x, a)",
        "write while(c, s, x)",
    ),
    (
        "fn f(t, u: f64[2]) = t; scan(f, 1, [[1, 2, 3], [4, 5, 6]])",
        "elements of this are f64[3], parameter `u` of `f` is f64[2]",
        "[[1, 2, 3], [4, 5, 6]]",
        "declare u: f64[3] in fn f(…)",
    ),
    (
        "fn f(x, y) = x*y; sum(map(f, x, v))",
        "this is f64, not a sequence",
        "x",
        "what stays stands behind the sequences",
    ),
    (
        "fn f(t, x) = t*x; scan(f, 1, x, length=n)",
        "a whole number is needed here",
        "n",
        "write them as numbers",
    ),
    (
        "fn f(t, x) = t*x; scan(f, 1, x, length=[1, 2])",
        "a length is one number",
        "[1, 2]",
        "length=10",
    ),
    (
        "fn c(x) = x > 1; fn s(x) = x/2; while(c, s, x, limit=0)",
        "a limit is one number, at least 1",
        "0",
        "that of the server",
    ),
    (
        "fn c(x) = x > 1; fn s(x) = x/2; while(c, s, x, limit=n)",
        "a whole number is needed here",
        "n",
        "write them as numbers",
    ),
    (
        "fn c(x) = x > 1; fn s(x) = [x, x]; while(c, s, x)",
        "a carry keeps its type",
        "while(c, s, x)",
        "",
    ),
    (
        "fn f() = 1; root(f)",
        "something to begin with is missing",
        "root(f)",
        "root(g, start, a)",
    ),
    (
        "fn f(x) = if x > 0 then f(x - 1) else [x, x]; sum(f(3))",
        "the branches give f64 and f64[2]",
        "if x > 0 then f(x - 1) else [x, x]",
        "fn f(…) -> f64[3]",
    ),
    (
        "fn f(x) { a, b = f(x - 1); return a, b }; a, b = f(2); a",
        "this gives 1 result, 2 taken",
        "f(x - 1)",
        "`f` runs itself",
    ),
    (
        "fn f(x) = grad(h, x); fn h(x) = [x, x]; f(x)",
        "result 0 is f64[2]",
        "grad(h, x)",
        "",
    ),
];

/// What the carets of a message stand below.
fn marked(message: &str) -> String {
    let lines: Vec<&str> = message.lines().collect();
    let carets = lines[2].strip_prefix("  | ").unwrap_or_default();
    let start = carets.chars().take_while(|&c| c == ' ').count();
    let length = carets.chars().count() - start;
    lines[1].chars().skip(4 + start).take(length).collect()
}

#[test]
fn every_mistake_is_found_at_its_place() {
    let mut wrong = vec![];
    for &(source, problem, place, help) in MISTAKES {
        let error = graph(source).map(|_| ()).expect_err(source);
        let message = error.to_string();
        let repaired = error.help().is_some() || error.problem().contains("; ");
        let fits = error.problem().contains(problem)
            && marked(&message) == place
            && error.help().unwrap_or_default().contains(help)
            && repaired;
        if !fits {
            wrong.push(format!("{source}: repaired: {repaired}\n{message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn mistakes_in_bodies_name_line_and_column() {
    let error = graph("fn f(x) {\n  t = x^2\n  t*f2(x)\n}\ny = f(x)").unwrap_err();
    assert_eq!((error.line(), error.column()), (3, 5), "{error}");
    let error =
        graph("fn f(x) = x\nfn g(x, y) {\n  t = x^2\n  return t, 2*f(x, y)\n}\na, b = g(x, 1)");
    let message = "`f` takes 1 argument, 2 given (line 4, column 15)
  |   return t, 2*f(x, y)
  |               ^^^^^^^
help: write f(x)";
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn several_texts_share_a_builder() {
    let builder = GraphBuilder::new("both");
    let x = HashMap::from([("x".to_owned(), builder.input("x", []))]);
    let mut outputs = vec![];
    for (i, text) in [
        "fn f(t) = t^2; f(x)",
        "fn f(t) = if t > 0 then t else 0; f(x)",
    ]
    .iter()
    .enumerate()
    {
        let built = parse(text).unwrap().build(&builder, &x).unwrap();
        outputs.push((i.to_string(), built[0].1.clone()));
    }
    let graph = builder.finish(outputs).unwrap();
    let names: Vec<&str> = graph
        .proto()
        .functions
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["f", "then", "else", "f 2"]);
}

#[test]
fn depth_of_branches_is_bounded() {
    for deep in ["if x > 0 then ", "if x > 0 then 1 else ", "if "] {
        let error = parse(&deep.repeat(100_000)).unwrap_err();
        assert!(error.problem().contains("levels deep"), "{error}");
    }
    let deep = format!("{}x", "if x > 0 then 1 else ".repeat(150));
    assert_eq!(graph(&deep).unwrap().proto().functions.len(), 300);
}

/// Whatever a text is cut or garbled into, the answer is a result.
#[test]
fn no_text_panics() {
    let alphabet = [
        "x",
        "v",
        "f",
        "1",
        "(",
        ")",
        "{",
        "}",
        "+",
        ",",
        ":",
        ";",
        "\n",
        "=",
        "<",
        "if",
        "then",
        "else",
        "fn f(x)",
        "fn",
        "->",
        "f64",
        "return",
        "while(",
        "scan(f,",
        "map(f,",
        "grad(f,",
        "root(f,",
        "length=",
        "= x;",
        "fn g(v: f64[3]) {",
        "f(",
        "a, b =",
        " ",
        "pi",
    ];
    let mut state = 7u64;
    for _ in 0..40_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            source.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
            source.push(' ');
        }
        match graph(&source) {
            Ok(graph) => assert!(!graph.outputs().is_empty()),
            Err(error) => assert!(error.to_string().contains('^'), "{error}"),
        }
    }
}
