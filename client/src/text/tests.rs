//! Texts against the graphs they stand for, written as calls.

use gradient_proto::v1::{self as proto, CompareDirection, Op, node::Attributes};

use super::*;
use crate::tensor::Tensor;

fn types(program: &Program) -> HashMap<String, Type> {
    let mut types = HashMap::new();
    for name in program.inputs() {
        let shape: &[usize] = match name {
            "v" | "w" => &[3],
            "A" => &[2, 3],
            "B" => &[3, 2],
            "T" => &[2, 3, 4],
            _ => &[],
        };
        types.insert(name.to_owned(), Type::new(Dtype::F64, shape));
    }
    types
}

/// Every output as nested calls: `f = negate(square(x))`.
fn listing(source: &str) -> String {
    let program = parse(source).unwrap_or_else(|error| panic!("{error}"));
    let graph = program
        .graph("test", &types(&program))
        .unwrap_or_else(|error| panic!("{error}"));
    let graph = graph.proto();
    let outputs = graph.outputs.iter();
    let lines: Vec<String> = outputs
        .map(|output| format!("{} = {}", output.name, call(graph, output.value)))
        .collect();
    lines.join("; ")
}

fn call(graph: &proto::Graph, value: u32) -> String {
    let index = value as usize;
    if let Some(input) = graph.inputs.get(index) {
        return input.name.clone();
    }
    let results = |op| match op {
        Op::Eigh | Op::Slogdet => 2,
        Op::Svd => 3,
        _ => 1,
    };
    let mut first = graph.inputs.len();
    let mut nodes = graph.nodes.iter();
    let node = nodes
        .find(|node| {
            first += results(node.op());
            first > index
        })
        .unwrap();
    let several = results(node.op()) > 1;
    let result = index + results(node.op()) - first;
    let which = match several {
        true => format!("#{result}"),
        false => String::new(),
    };
    let op = node
        .op()
        .as_str_name()
        .trim_start_matches("OP_")
        .to_lowercase();
    let operands: Vec<String> = node.operands.iter().map(|&id| call(graph, id)).collect();
    let operands = operands.join(", ");
    match &node.attributes {
        Some(Attributes::Constant(constant)) => {
            let tensor = Tensor::from_proto(constant.value.as_ref().unwrap())
                .unwrap()
                .to_f64();
            match tensor.item() {
                Some(number) if tensor.shape().is_empty() => format!("{number:?}"),
                _ => format!("{:?}{:?}", tensor.data(), tensor.shape()),
            }
        }
        Some(Attributes::Compare(compare)) => {
            let direction = CompareDirection::try_from(compare.direction).unwrap();
            let direction = direction
                .as_str_name()
                .trim_start_matches("COMPARE_DIRECTION_");
            format!("{}({operands})", direction.to_lowercase())
        }
        Some(Attributes::Reduce(reduce)) => format!("{op}({operands}, {:?})", reduce.axes),
        Some(Attributes::Reshape(reshape)) => format!("{op}({operands}, {:?})", reshape.shape),
        Some(Attributes::Transpose(t)) => format!("{op}({operands}, {:?})", t.permutation),
        Some(Attributes::BroadcastInDim(b)) => {
            format!("broadcast({operands}, {:?}, {:?})", b.shape, b.dimensions)
        }
        Some(Attributes::Slice(s)) => {
            format!(
                "{op}({operands}, {:?}, {:?}, {:?})",
                s.starts, s.limits, s.strides
            )
        }
        Some(Attributes::IntegerPow(p)) => format!("{op}({operands}, {})", p.exponent),
        Some(Attributes::Norm(n)) => format!("{op}({operands}, {:?}, {:?})", n.kind(), n.axes),
        Some(Attributes::Variance(v)) => format!("{op}({operands}, {:?}, {})", v.axes, v.ddof),
        Some(Attributes::Cumulative(c)) => format!("{op}({operands}, {}, {})", c.axis, c.reverse),
        Some(Attributes::Softmax(s)) => format!("{op}({operands}, {})", s.axis),
        Some(Attributes::Sort(s)) => format!("{op}({operands}, {}, {})", s.axis, s.descending),
        Some(Attributes::Reverse(r)) => format!("{op}({operands}, {:?})", r.dimensions),
        Some(Attributes::Diagonal(d)) => format!("{op}({operands}, {})", d.offset),
        _ => format!("{op}({operands}){which}"),
    }
}

fn message(source: &str) -> String {
    let program = match parse(source) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    match program.graph("test", &types(&program)) {
        Ok(_) => panic!("`{source}` is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn operators_bind_as_in_mathematics() {
    for (source, expected) in [
        ("a + b*c", "add(a, multiply(b, c))"),
        ("a - b - c", "subtract(subtract(a, b), c)"),
        ("a / b * c", "multiply(divide(a, b), c)"),
        ("(a + b)*c", "multiply(add(a, b), c)"),
        ("-x^2", "negate(square(x))"),
        ("(-x)^2", "square(negate(x))"),
        ("-x*y", "multiply(negate(x), y)"),
        ("x^-y", "power(x, negate(y))"),
        ("x^-y^z", "power(x, negate(power(y, z)))"),
        ("x**y**z", "power(x, power(y, z))"),
        ("--x", "negate(negate(x))"),
        ("a - -b", "subtract(a, negate(b))"),
        ("+x", "x"),
        ("2*pi*x", "multiply(6.283185307179586, x)"),
        ("x*-2", "multiply(x, -2.0)"),
        (
            "where(a < b or not a >= c and b != c, a, b)",
            "select(or(lt(a, b), and(not(ge(a, c)), ne(b, c))), a, b)",
        ),
        (
            "where(a + b == c, a, 0)",
            "select(eq(add(a, b), c), a, 0.0)",
        ),
        (
            "where(a <= 1, a, where(a > 2, 1, 0))",
            "select(le(a, 1.0), a, select(gt(a, 2.0), 1.0, 0.0))",
        ),
    ] {
        assert_eq!(listing(source), format!("f = {expected}"), "{source}");
    }
}

#[test]
fn powers_with_known_exponents_are_products_and_roots() {
    for (source, expected) in [
        ("x^1", "x"),
        ("x^2", "square(x)"),
        ("x^3", "multiply(square(x), x)"),
        ("x^4", "square(square(x))"),
        ("x^-1", "reciprocal(x)"),
        ("x^(1/2)", "sqrt(x)"),
        ("x^(-.5)", "power(x, -0.5)"),
        ("x^0", "power(x, 0.0)"),
        ("x^7", "power(x, 7.0)"),
        ("x^-2", "power(x, -2.0)"),
        ("x^2.5", "power(x, 2.5)"),
        ("x^1e10", "power(x, 10000000000.0)"),
        ("pow(x, 2)", "square(x)"),
        ("e^x", "exp(x)"),
        ("2^x", "power(2.0, x)"),
        ("v^2", "square(v)"),
    ] {
        assert_eq!(listing(source), format!("f = {expected}"), "{source}");
    }
}

#[test]
fn numbers_are_read_to_the_bit() {
    for (source, expected) in [
        ("1", 1.0),
        ("2.5e-3", 2.5e-3),
        (".5", 0.5),
        ("3.", 3.0),
        ("1E3", 1000.0),
        ("15.00E0", 15.0),
        ("3.141592653589793238462643383279E0", std::f64::consts::PI),
        ("5e-324", 5e-324),
        ("e", std::f64::consts::E),
        ("1/3", 1.0 / 3.0),
        ("-0", -0.0),
        ("-(2 - 3)*4", 4.0),
    ] {
        assert_eq!(listing(source), format!("f = {expected:?}"), "{source}");
    }
}

#[test]
fn calls_and_tensors() {
    for (source, expected) in [
        ("exp[-b2*x]", "exp(multiply(negate(b2), x))"),
        ("ln(x) + log(x)", "add(log(x), log(x))"),
        ("arctan[y/x]", "atan(divide(y, x))"),
        ("atan2(y, x)", "atan2(y, x)"),
        ("max(x, y, 0)", "maximum(maximum(x, y), 0.0)"),
        ("max(v, 0)", "maximum(v, 0.0)"),
        ("max(v)", "reduce_max(v, [0])"),
        ("min(A, axis=-1)", "reduce_min(A, [1])"),
        ("sum(v)", "reduce_sum(v, [0])"),
        ("sum(A, 0)", "reduce_sum(A, [0])"),
        ("sum(x)", "x"),
        ("sum(T, [0, 2])", "reduce_sum(T, [0, 2])"),
        ("mean(A, axis=1)", "divide(reduce_sum(A, [1]), 3.0)"),
        (
            "norm2(v)",
            "select(gt(reduce_sum(square(v), [0]), 0.0), sqrt(reduce_sum(square(v), [0])), \
          reduce_sum(square(v), [0]))",
        ),
        ("norm1(A, 0)", "norm(A, One, [0])"),
        ("var(A, axis=1)", "reduce_variance(A, [1], 0)"),
        ("std(v)", "sqrt(reduce_variance(v, [0], 0))"),
        ("prod(v)", "reduce_prod(v, [0])"),
        ("logsumexp(A, -1)", "reduce_logsumexp(A, [1])"),
        (
            "where(all(v > 0), 1, x)",
            "select(reduce_and(gt(v, 0.0), [0]), 1.0, x)",
        ),
        (
            "where(any(A > x, axis=1)[0], 1, x)",
            "select(reshape(slice(reduce_or(gt(A, x), [1]), [0], [1], [1]), []), 1.0, x)",
        ),
        ("softmax(A)", "softmax(A, 1)"),
        ("softmax(A, axis=0)", "softmax(A, 0)"),
        ("cumsum(v)", "cumsum(v, 0, false)"),
        ("sort(A, 0)", "sort(A, 0, false)"),
        ("flip(T, axis=1)", "reverse(T, [1])"),
        ("clip(v, 0, x)", "clamp(0.0, v, x)"),
        ("clamp(A, v, 1)", "clamp(broadcast(v, [2, 3], [1]), A, 1.0)"),
        ("fma(2, x, 1)", "fma(2.0, x, 1.0)"),
        ("betainc(a, b, x)", "betainc(a, b, x)"),
        ("polygamma(1, v)", "polygamma(1.0, v)"),
        ("xlogy(x, y) + gammaln(x)", "add(xlogy(x, y), lgamma(x))"),
        ("relu(erf(x))", "relu(erf(x))"),
        ("leaky_relu(v, 0.01)", "leaky_relu(v, 0.01)"),
        (
            "solve(A @ B, [x, y])",
            "solve(matmul(A, B), concatenate(reshape(x, [1]), reshape(y, [1])))",
        ),
        ("logdet(A @ B)", "slogdet(matmul(A, B))#1"),
        ("eigvalsh(A @ B)", "eigh(matmul(A, B))#0"),
        (
            "trace(inv(A @ B)) + det(A @ B)",
            "add(trace(inverse(matmul(A, B)), 0), determinant(matmul(A, B)))",
        ),
        ("outer(v, w)", "outer(v, w)"),
        ("dot(v, w)", "matmul(v, w)"),
        ("A @ B", "matmul(A, B)"),
        ("A @ v", "matmul(A, v)"),
        ("transpose(A)", "transpose(A, [1, 0])"),
        ("transpose(T, [0, 2, 1])", "transpose(T, [0, 2, 1])"),
        ("reshape(A, 6)", "reshape(A, [6])"),
        ("reshape(A, [3, 2])", "reshape(A, [3, 2])"),
        ("[1, 2, 3]", "[1.0, 2.0, 3.0][3]"),
        ("[[1, 2], [3, -4]]", "[1.0, 2.0, 3.0, -4.0][2, 2]"),
        ("[x, 1]", "concatenate(reshape(x, [1]), reshape(1.0, [1]))"),
        ("v + 1", "add(v, 1.0)"),
        ("A + v", "add(A, broadcast(v, [2, 3], [1]))"),
        (
            "A * [[1], [2]]",
            "multiply(A, broadcast([1.0, 2.0][2, 1], [2, 3], [0, 1]))",
        ),
        ("v[0]", "reshape(slice(v, [0], [1], [1]), [])"),
        ("v[-1]", "reshape(slice(v, [2], [3], [1]), [])"),
        ("v[1:3]", "slice(v, [1], [3], [1])"),
        ("v[:-1]", "slice(v, [0], [2], [1])"),
        ("v[::2]", "slice(v, [0], [3], [2])"),
        ("v[1:99]", "slice(v, [1], [3], [1])"),
        ("A[1]", "reshape(slice(A, [1, 0], [2, 3], [1, 1]), [3])"),
        ("A[:, 0]", "reshape(slice(A, [0, 0], [2, 1], [1, 1]), [2])"),
        ("A[1, 1:]", "reshape(slice(A, [1, 1], [2, 3], [1, 1]), [2])"),
        (
            "A[1][2]",
            "reshape(slice(reshape(slice(A, [1, 0], [2, 3], [1, 1]), [3]), [2], [3], [1]), [])",
        ),
        ("v[0]^2", "square(reshape(slice(v, [0], [1], [1]), []))"),
    ] {
        assert_eq!(listing(source), format!("f = {expected}"), "{source}");
    }
}

#[test]
fn outputs_are_what_nobody_reads_or_what_return_names() {
    for (source, expected) in [
        (
            "t = x*y; f = sin(t); g = t^2",
            "f = sin(multiply(x, y)); g = square(multiply(x, y))",
        ),
        ("t = x*y\n\nsin(t)\n", "f = sin(multiply(x, y))"),
        ("g = x*y", "g = multiply(x, y)"),
        ("t = x; f = t; return t, f", "t = x; f = x"),
        ("return x + 1", "f = add(x, 1.0)"),
        ("a = x; b = y; return b", "b = y"),
        ("f = x +\n y # a comment; with = signs\n", "f = add(x, y)"),
        ("f = (x\n + y)", "f = add(x, y)"),
        ("pi = 3; pi*x", "f = multiply(3.0, x)"),
        (
            "a = x; f = x + 1; f*2",
            "a = x; f = multiply(add(x, 1.0), 2.0)",
        ),
    ] {
        assert_eq!(listing(source), expected, "{source}");
    }
}

#[test]
fn inputs_come_in_order_of_appearance() {
    let program = parse("t = b*sin(a); t + c + a + pi").unwrap();
    assert_eq!(program.inputs().collect::<Vec<_>>(), ["b", "a", "c"]);
}

#[test]
fn definitions_label_their_nodes() {
    let graph = parse("t = x*y; sin(t)")
        .unwrap()
        .graph("", &HashMap::new())
        .unwrap();
    assert_eq!(graph.proto().nodes[0].label, "t");
}

#[test]
fn constants_take_the_type_beside_them() {
    let types = HashMap::from([("x".to_owned(), Type::new(Dtype::F32, [2]))]);
    let graph = parse("2*x + [1, 2]").unwrap().graph("", &types).unwrap();
    let constants = graph
        .proto()
        .nodes
        .iter()
        .filter_map(|node| match &node.attributes {
            Some(Attributes::Constant(constant)) => constant.value.as_ref(),
            _ => None,
        });
    assert!(
        constants.clone().count() == 2 && constants.clone().all(|c| c.dtype() == proto::Dtype::F32)
    );
}

#[test]
fn an_error_shows_the_place_and_the_repair() {
    assert_eq!(
        message("t = 2\nf = sine(x) + t"),
        "unknown function `sine` (line 2, column 5)\n\
         \x20 | f = sine(x) + t\n\
         \x20 |     ^^^^\n\
         help: did you mean `sin`?"
    );
}

/// Text, problem, what the carets mark, help.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("", "there is no expression", "", "write one"),
    ("x +", "`+` has no right operand", "+", ""),
    ("x * / y", "`/` has no left operand", "/", ""),
    ("x y", "an operator is missing before `y`", "y", "write *"),
    (
        "2x",
        "`2x` is neither a number nor a name",
        "2x",
        "write 2*x",
    ),
    ("x(2)", "unknown function `x`", "x", "write x*(…)"),
    (
        "y + y(2)",
        "`y` is a variable, not a function",
        "y",
        "write y*(…)",
    ),
    (
        "(x)(y)",
        "an operator is missing before `(`",
        "(",
        "write *",
    ),
    ("(x + y", "`(` is never closed", "(", ""),
    ("sin(x", "`(` is never closed", "(", ""),
    ("x + y)", "`)` closes nothing", ")", ""),
    ("sin(x]", "`(` is closed by `]`", "]", ""),
    ("[1, 2; 3]", "`;` within brackets", ";", "[[1, 2], [3, 4]]"),
    (
        "f(x) = x^2",
        "a function is defined with `fn`",
        "f",
        "write fn f(x) = expression",
    ),
    (
        "x = 1; x = 2",
        "`x` has a value already",
        "x",
        "another name",
    ),
    (
        "f = t; t = x",
        "`t` is read before the statement that gives it a value",
        "t",
        "first",
    ),
    (
        "a = 2*pi; pi = 3; a*pi",
        "`pi` is read above as the constant",
        "pi",
        "put the definition first",
    ),
    ("t = t + 1", "`t` is defined by itself", "t", ""),
    ("sin = 3", "`sin` is taken", "sin", "another name"),
    (
        "x; y",
        "an expression without a name must be the last statement",
        "x",
        "name = …",
    ),
    ("x, y", "`,` outside brackets", ",", "f = …; g = …"),
    ("x + 1 = 2", "only a name can be given a value", "=", "=="),
    (
        "a < b < c",
        "comparisons cannot be chained",
        "<",
        "a < b and b < c",
    ),
    ("sin", "`sin` is a function", "sin", "sin(x)"),
    (
        "sin(x, y)",
        "`sin` cannot be called with 2 arguments",
        "sin(x, y)",
        "sin(x)",
    ),
    (
        "atan2(x)",
        "`atan2` cannot be called with one argument",
        "atan2(x)",
        "atan2(",
    ),
    (
        "where(x > 0, 1)",
        "`where` cannot be called with 2 arguments",
        "where(x > 0, 1)",
        "condition",
    ),
    (
        "max(x, y, axis=0)",
        "an axis belongs to one operand only",
        "max(x, y, axis=0)",
        "max(x, axis=0)",
    ),
    (
        "lgo(x)",
        "unknown function `lgo`",
        "lgo",
        "did you mean `log`?",
    ),
    ("x & y", "`&` has no meaning", "&", "`and`"),
    ("x − y", "`−` has no meaning", "−", "write -"),
    ("1e999", "`1e999` is too large", "1e999", ""),
    ("1.2.3", "a number with two points", "1.2.", ""),
    ("x.y", "a `.` without digits", ".", ""),
    ("v[]", "an index is missing", "]", "x[0]"),
    ("[]", "an empty vector", "[]", ""),
    (
        "v[3]",
        "index 3 is outside an axis of size 3",
        "3",
        "from 0 to 2",
    ),
    (
        "v[x]",
        "a whole number is needed here",
        "x",
        "when the graph is built",
    ),
    ("v[0.5]", "a whole number is needed here", "0.5", ""),
    ("v[0, 1]", "2 subscripts for 1 axes", "v[0, 1]", ""),
    ("x[0]", "a scalar has no elements", "x[0]", ""),
    ("v[::0]", "a step must be at least 1", "0", ""),
    ("sum(v, 1)", "there is no axis 1", "1", "from 0 to 0"),
    ("sum(A, [0, -2])", "axis 0 is named twice", "[0, -2]", ""),
    ("reshape(A, [2, 2])", "", "reshape(A, [2, 2])", ""),
    (
        "v + [1, 2]",
        "shapes [3] and [2] do not match",
        "v + [1, 2]",
        "from the last axis",
    ),
    (
        "[1, [2, 3]]",
        "this element has shape [2], the first one []",
        "[2, 3]",
        "one shape",
    ),
    (
        "x @ v",
        "a matrix product needs vectors or matrices",
        "x @ v",
        "write *",
    ),
    ("A @ A", "", "A @ A", ""),
    ("softmax(x)", "a scalar has no axis", "x", "x:[3]"),
    (
        "softmax(T, [0, 1])",
        "one axis is needed here",
        "[0, 1]",
        "",
    ),
    (
        "all(x)",
        "this is a number, where true or false",
        "x",
        "x > 0",
    ),
    ("inv(A)", "f64[2, 3] is not square", "inv(A)", ""),
    (
        "solve(A @ B, v)",
        "the right side f64[3] does not fit",
        "solve(A @ B, v)",
        "",
    ),
    (
        "clip(x, 0)",
        "`clip` cannot be called with 2 arguments",
        "clip(x, 0)",
        "clip(x, y, z)",
    ),
    (
        "gamaln(x)",
        "unknown function `gamaln`",
        "gamaln",
        "did you mean `gammaln`?",
    ),
    (
        "(x > 0) + 1",
        "this is true or false, where a number is needed",
        "x > 0",
        "where(condition, 1, 0)",
    ),
    (
        "where(x, 1, 2)",
        "this is a number, where true or false is needed",
        "x",
        "x > 0",
    ),
    (
        "not x",
        "this is a number, where true or false is needed",
        "x",
        "",
    ),
    (
        "return x, y + 1",
        "one of several results without a name",
        "y",
        "return name",
    ),
    (
        "return x; y = 2",
        "nothing can follow the return statement",
        "y",
        "",
    ),
    ("f = x; g = f; f + 1; ", "", "", ""),
    (
        "x = 3; f = y; sin(x)",
        "this result would be called `f`",
        "sin(x)",
        "give it a name",
    ),
];

#[test]
fn every_mistake_is_found_at_its_place() {
    for &(source, problem, marked, help) in MISTAKES {
        if problem.is_empty() && marked.is_empty() {
            assert!(parse(source).is_ok(), "{source}");
            continue;
        }
        let message = message(source);
        let lines: Vec<&str> = message.lines().collect();
        assert!(lines[0].starts_with(problem), "{source}\n{message}");
        let carets = lines[2].strip_prefix("  | ").unwrap_or_default();
        let start = carets.chars().take_while(|&c| c == ' ').count();
        let length = carets.chars().count() - start;
        let excerpt: Vec<char> = lines[1].chars().skip(4).collect();
        let end = (start + length).min(excerpt.len());
        let found: String = excerpt[start.min(end)..end].iter().collect();
        assert_eq!(found, marked, "{source}\n{message}");
        let found = lines.get(3).copied().unwrap_or_default();
        assert!(found.contains(help), "{source}\n{message}");
    }
}

#[test]
fn unknown_variables_list_the_known_ones() {
    let program = parse("alpha*x + z").unwrap();
    let error = program.check_inputs(&["alhpa", "x"]).unwrap_err();
    assert_eq!((error.line(), error.column()), (1, 1));
    assert_eq!(error.problem(), "unknown variable `alpha`");
    assert_eq!(error.help(), Some("did you mean `alhpa`? Known: alhpa, x"));
    let error = program.check_inputs(&["x", "alpha"]).unwrap_err();
    assert_eq!(error.help(), Some("known: x, alpha"));
    assert!(program.check_inputs(&["z", "x", "alpha", "more"]).is_ok());
}

#[test]
fn depth_is_bounded_and_length_is_not() {
    for deep in ["(", "-", "[", "sin(", "x^", "not "] {
        let error = parse(&deep.repeat(100_000)).unwrap_err();
        assert!(error.problem().contains("levels deep"), "{error}");
        assert!(
            error
                .to_string()
                .lines()
                .all(|line| line.chars().count() < 250)
        );
    }
    let long = vec!["x"; 100_000].join(" + ");
    let graph = parse(&long)
        .unwrap()
        .graph("long", &HashMap::new())
        .unwrap();
    assert_eq!(graph.proto().nodes.len(), 99_999);
    let chain: String = (1..50_000)
        .map(|i| format!("t{i} = sin(t{})\n", i - 1))
        .collect();
    assert_eq!(
        parse(&chain).unwrap().outputs().collect::<Vec<_>>(),
        ["t49999"]
    );
}

/// Whatever a text is cut or garbled into, the answer is a result.
#[test]
fn no_text_panics() {
    let alphabet = [
        "x", "v", "A", "1", "2.5", "(", ")", "[", "]", "+", "-", "*", "/", "^", "@", ",", ":", ";",
        "\n", "=", "<", "==", "sin", "sum", "max", "where", "reshape", "axis", "return", "and",
        "not", " ", "é", "−", "#",
    ];
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            source.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        match parse(&source) {
            Ok(program) => {
                if let Err(error) = program.graph("any", &types(&program)) {
                    assert!(!error.to_string().is_empty());
                }
            }
            Err(error) => assert!(error.to_string().contains('^'), "{error}"),
        }
    }
}
