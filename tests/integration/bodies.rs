//! Nodes with bodies against closed forms, and within their bounds.

mod bounds;
mod closed_forms;
mod custom;
mod nested;
mod recursion;
mod van_der_pol;

use gradient_engine::{
    FunctionSource, Graph, HvpMode, Layout, Method, Mode, Options, Product, Tensor, TensorType,
    ValueId,
};
use gradient_tests::engine::{
    Random, close, evaluate, hessian, hvp, inner, jacobian, numbers, tensor, value,
};
use gradient_tests::scenarios::Draft;
use std::process::Command;

/// A graph of f64 inputs and one output.
fn graph<const N: usize>(
    functions: Vec<FunctionSource>,
    inputs: [(&str, &[u64]); N],
    write: impl FnOnce(&mut Draft, [ValueId; N]) -> ValueId,
) -> Graph {
    let mut draft = Draft::new("control");
    draft.functions(functions);
    let ids = inputs.map(|(name, shape)| draft.input(name, shape));
    let output = write(&mut draft, ids);
    draft.finish(output)
}

/// f64 scalars.
fn scalars(x: &[f64]) -> Vec<Tensor> {
    let one = |x: &f64| tensor(&TensorType::f64([]), &[*x]);
    x.iter().map(one).collect()
}

/// What a scalar function and its derivatives are at a point.
struct Answers {
    value: f64,
    gradient: Vec<f64>,
    /// Row-major where there is one input, or all are scalars.
    hessian: Vec<f64>,
}

fn by(method: Method) -> Options {
    Options {
        method,
        ..Options::default()
    }
}

/// By the exact method, after forward and reverse, both ways to H·v, and dual numbers (unless a client's own rule
/// makes them differ) have agreed.
fn answers(graph: &Graph, x: &[Tensor], tolerance: f64, by_duals: bool) -> Answers {
    let agree = |what: &str, a: &[f64], b: &[f64]| {
        assert_eq!(a.len(), b.len(), "{what}");
        for (a, b) in a.iter().zip(b) {
            assert!(close(*a, *b, tolerance), "{what}: {a} against {b}");
        }
    };
    let found = Answers {
        value: value(graph, x)[0],
        gradient: jacobian(graph, x, Some(Mode::Reverse)),
        hessian: hessian(graph, x),
    };
    let forward = jacobian(graph, x, Some(Mode::Forward));
    agree("forward, reverse", &forward, &found.gradient);
    let mut random = Random(6);
    let floats = graph.float_inputs();
    let types = floats.iter().map(|&i| &graph.inputs()[i as usize].ty);
    let v: Vec<Tensor> = types.map(|ty| random.tensor(ty, (-1.0, 1.0))).collect();
    let along = hvp(graph, x, &v, HvpMode::ForwardOverReverse);
    let other = hvp(graph, x, &v, HvpMode::ReverseOverForward);
    agree("H·v both ways", &along, &other);
    let flat: Vec<f64> = v.iter().flat_map(Tensor::to_f64).collect();
    let rows = found.hessian.chunks(flat.len());
    let product: Vec<f64> = rows.map(|row| inner(row, &flat)).collect();
    agree("H times v", &product, &along);
    if by_duals {
        let wrt = || floats.clone();
        let gradient = Product::Gradient {
            output: 0,
            wrt: wrt(),
        };
        let hessian = Product::Hessian {
            output: 0,
            wrt: wrt(),
            layout: Layout::Dense,
        };
        let dual = |product| {
            let blocks = evaluate(graph, product, by(Method::Dual), x, &[]);
            numbers(&blocks.expect("dual numbers"))
        };
        agree("gradient by dual numbers", &dual(gradient), &found.gradient);
        agree("Hessian by dual numbers", &dual(hessian), &found.hessian);
    }
    found
}

/// Two-sided, for lists.
fn near(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        let off = (g - w).abs();
        assert!(
            g.is_finite() && off <= tolerance * w.abs().max(1.0),
            "{got:?} against {want:?}"
        );
    }
}

const ALONE: &str = "GRADIENT_TEST_ALONE";

/// Whether this is a process of one test. If not, runs the test in one, where nobody else takes memory or threads.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the test's own program");
    let ran = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("the program runs again");
    let said = String::from_utf8_lossy(&ran.stdout);
    let wrong = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("1 passed"), "{said}\n{wrong}");
    print!("{said}");
    false
}

/// A number of this process's status.
fn status(field: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = all.lines().find_map(|l| l.strip_prefix(field));
    let number = line.and_then(|l| l.trim_start_matches(':').split_whitespace().next());
    number.and_then(|n| n.parse().ok()).expect("a number")
}
