//! Functions and nodes that run them, wrong in every way.

use super::{Call, Case, cases};
use gradient_proto::v1 as pb;
use gradient_tests::wire::{f64s, graph, node, node_with, ty};
use pb::{Dtype, Op, TensorType, node::Attributes as A, product::Product as P};
use std::collections::HashMap;

fn function(
    name: &str,
    parameters: &[TensorType],
    nodes: Vec<pb::Node>,
    results: &[u32],
) -> pb::Function {
    pb::Function {
        name: name.into(),
        parameters: parameters.to_vec(),
        nodes,
        results: results.to_vec(),
        ..Default::default()
    }
}

/// Functions that most graphs here have: of two numbers their product; whether x < y; x and the sum; a number that
/// is always called again.
fn functions() -> Vec<pb::Function> {
    let two = [f64s(&[]), f64s(&[])];
    let less = A::Compare(Box::new(pb::Compare {
        direction: pb::CompareDirection::Lt.into(),
    }));
    vec![
        function("times", &two, vec![node(Op::Multiply, &[0, 1])], &[2]),
        function(
            "less",
            &two,
            vec![node_with(Op::Compare, &[0, 1], less)],
            &[2],
        ),
        function("both", &two, vec![node(Op::Add, &[0, 1])], &[0, 2]),
        function("vector", &[f64s(&[3])], vec![node(Op::Negate, &[0])], &[1]),
    ]
}

const X: u32 = 0;
const VECTOR: u32 = 2;
const CHOICE: u32 = 3;

fn with(functions: Vec<pb::Function>, op: Op, operands: &[u32], attributes: A) -> Call {
    let inputs = [
        ("x", f64s(&[])),
        ("y", f64s(&[])),
        ("v", f64s(&[3])),
        ("c", ty(Dtype::Bool, &[])),
    ];
    let mut graph = graph(
        &inputs,
        vec![node_with(op, operands, attributes)],
        &[("f", 4)],
    );
    graph.functions = functions;
    Call::Register(Some(graph))
}

fn ask(op: Op, operands: &[u32], attributes: A) -> Call {
    with(functions(), op, operands, attributes)
}

fn more(function: pb::Function) -> Call {
    let mut all = functions();
    all.push(function);
    with(all, Op::Negate, &[X], call("times"))
}

fn call(name: &str) -> A {
    A::Call(Box::new(pb::Call {
        function: name.into(),
    }))
}

fn cond(branches: &[&str]) -> A {
    A::Cond(Box::new(pb::Cond {
        branches: branches.iter().map(|&b| b.into()).collect(),
    }))
}

fn repeat(condition: &str, body: &str) -> A {
    A::While(Box::new(pb::While {
        condition: condition.into(),
        body: body.into(),
        max_iterations: 0,
    }))
}

fn scan(function: &str, length: u64, carries: u32, sequences: u32) -> A {
    A::Scan(Box::new(pb::Scan {
        function: function.into(),
        length,
        carries,
        sequences,
        reverse: false,
    }))
}

fn derivative(function: &str, product: P) -> A {
    A::Derivative(Box::new(pb::Derivative {
        function: function.into(),
        product: Some(pb::Product {
            product: Some(product),
        }),
    }))
}

fn gradient(output: &str, wrt: &[&str]) -> P {
    P::Gradient(pb::Gradient {
        output: output.into(),
        wrt: wrt.iter().map(|&w| w.into()).collect(),
    })
}

fn tangents(names: &[&str]) -> P {
    let tangents: HashMap<String, pb::Tensor> = names
        .iter()
        .map(|&n| (n.into(), pb::Tensor::default()))
        .collect();
    P::JacobianVectorProduct(pb::JacobianVectorProduct {
        tangents,
        directions: 0,
    })
}

fn implicit(function: &str, tolerance: f64) -> A {
    A::ImplicitRoot(solved(function, tolerance))
}

fn solved(function: &str, tolerance: f64) -> Box<pb::Implicit> {
    Box::new(pb::Implicit {
        function: function.into(),
        max_iterations: 0,
        tolerance,
    })
}

fn mapped(function: &str, length: u64, sequences: u32) -> A {
    A::Map(Box::new(pb::Map {
        function: function.into(),
        length,
        sequences,
    }))
}

fn many(count: usize) -> Call {
    let all = (0..count).map(|i| function(&i.to_string(), &[f64s(&[])], vec![], &[0]));
    with(all.collect(), Op::Call, &[X], call("0"))
}

/// The Hessian of a sum of so many numbers, in all of them.
fn wide(count: usize) -> Call {
    let last = count as u32;
    let parameters = vec![f64s(&[]); count];
    let all = function("wide", &parameters, vec![node(Op::Negate, &[0])], &[last]);
    let hessian = P::Hessian(pb::Hessian::default());
    with(
        vec![all],
        Op::Derivative,
        &vec![X; count],
        derivative("wide", hessian),
    )
}

/// A call that gives the same number so many times.
fn call_of_many(count: usize) -> Call {
    let many = function("many", &[f64s(&[])], vec![], &vec![0; count]);
    with(vec![many], Op::Call, &[X], call("many"))
}

fn custom(jvp: &str) -> Call {
    more(pb::Function {
        custom_jvp: jvp.into(),
        ..function("own", &[f64s(&[])], vec![], &[0])
    })
}

pub fn cases() -> Vec<Case> {
    let one = [f64s(&[])];
    cases! {
        "call without attributes": ask(Op::Call, &[X], A::Reshape(Box::default())) => InvalidArgument at "graph.nodes[0].reshape", "needs the attributes call";
        "attributes of a call": ask(Op::Negate, &[X], call("times")) => InvalidArgument at "graph.nodes[0].call", "takes no attributes";
        "unknown function": ask(Op::Call, &[X], call("tiems")) => InvalidArgument at "graph.nodes[0].call.function", "\"times\"";
        "no function named": ask(Op::Call, &[X], call("")) => InvalidArgument at "graph.nodes[0].call.function", "name one";
        "no functions at all": with(vec![], Op::Call, &[X], call("times")) => InvalidArgument at "graph.nodes[0].call.function", "has no functions";
        "too few arguments": ask(Op::Call, &[X], call("times")) => InvalidArgument at "graph.nodes[0].operands", "takes 2 arguments, 1 given";
        "argument of another shape": ask(Op::Call, &[X, VECTOR], call("times")) => InvalidArgument at "graph.nodes[0].operands[1]", "parameter 1 of function \"times\"";
        "no branches": ask(Op::Cond, &[CHOICE, X], cond(&[])) => InvalidArgument at "graph.nodes[0].cond.branches", "at least one";
        "unknown branch": ask(Op::Cond, &[CHOICE, X], cond(&["times", "minus"])) => InvalidArgument at "graph.nodes[0].cond.branches[1]", "\"minus\"";
        "three branches of a bool": ask(Op::Cond, &[CHOICE, X, X], cond(&["times", "times", "times"])) => InvalidArgument at "graph.nodes[0].cond.branches", "2 branches";
        "choice by a number": ask(Op::Cond, &[X, X, X], cond(&["times", "times"])) => InvalidArgument at "graph.nodes[0].operands[0]", "bool or i64 scalar";
        "branches of two signatures": ask(Op::Cond, &[CHOICE, X, X], cond(&["times", "both"])) => InvalidArgument at "graph.nodes[0].cond.branches", "one signature";
        "condition that is no bool": ask(Op::While, &[X, X], repeat("times", "times")) => InvalidArgument at "graph.nodes[0].while.condition", "one bool scalar";
        "unknown condition": ask(Op::While, &[X, X], repeat("lest", "times")) => InvalidArgument at "graph.nodes[0].while.condition", "\"less\"";
        "carry of another type": ask(Op::While, &[X, X], repeat("less", "less")) => InvalidArgument at "graph.nodes[0].operands[0]", "a carry keeps its type";
        "sequence of another length": ask(Op::Scan, &[X, VECTOR], scan("both", 4, 1, 1)) => InvalidArgument at "graph.nodes[0].operands[1]", "leading axis must be the length, 4";
        "more carries than operands": ask(Op::Scan, &[X, VECTOR], scan("both", 3, 7, 1)) => InvalidArgument at "graph.nodes[0].operands", "7 carries";
        "more carries than results": ask(Op::Scan, &[X, X], scan("times", 3, 2, 0)) => InvalidArgument at "graph.nodes[0].scan.carries", "gives 1 results";
        "counts that overflow": ask(Op::Scan, &[X, X], scan("times", 3, u32::MAX, u32::MAX)) => InvalidArgument at "graph.nodes[0].operands", "carries";
        "stack that is too large": ask(Op::Scan, &[X, X], scan("both", u64::MAX, 1, 0)) => InvalidArgument at "graph.nodes[0]", "overflows";
        "derivative without a product": ask(Op::Derivative, &[X, X], A::Derivative(Box::new(pb::Derivative { function: "times".into(), product: None }))) => InvalidArgument at "graph.nodes[0].derivative.product", "empty product";
        "gradient of no result": ask(Op::Derivative, &[X, X], derivative("times", gradient("3", &[]))) => InvalidArgument at "graph.nodes[0].derivative.product", "no result 3";
        "gradient by no parameter": ask(Op::Derivative, &[X, X], derivative("times", gradient("0", &["9"]))) => InvalidArgument at "graph.nodes[0].derivative.product", "no parameter 9";
        "gradient by a name": ask(Op::Derivative, &[X, X], derivative("times", gradient("0", &["x"]))) => InvalidArgument at "graph.nodes[0].derivative.product.gradient.wrt[0]", "no position";
        "which result": ask(Op::Derivative, &[X, X], derivative("both", gradient("", &[]))) => InvalidArgument at "graph.nodes[0].derivative.product.gradient.output", "has 2 results";
        "gradient of a function of vectors": ask(Op::Derivative, &[VECTOR], derivative("vector", gradient("", &[]))) => InvalidArgument at "graph.nodes[0].derivative.product", "not a floating-point scalar";
        "gradient of a bool": ask(Op::Derivative, &[X, X], derivative("less", gradient("", &[]))) => InvalidArgument at "graph.nodes[0].derivative.product", "no derivative";
        "tangents of a bool": ask(Op::Derivative, &[X, X, X, X], derivative("less", tangents(&["0", "1"]))) => InvalidArgument at "graph.nodes[0].derivative.product", "nothing is left to differentiate";
        "tangent of a name": ask(Op::Derivative, &[X, X, X], derivative("times", tangents(&["x"]))) => InvalidArgument at "graph.nodes[0].derivative.product.jacobian_vector_product.tangents", "no position";
        "more blocks than a node has results": wide(300) => InvalidArgument at "graph.nodes[0].derivative.product", "90000 results";
        "more results than a node has": call_of_many(70_000) => InvalidArgument at "graph.nodes[0]", "70000 results";
        "parameter named twice": ask(Op::Derivative, &[X, X], derivative("times", gradient("0", &["1", "1"]))) => InvalidArgument at "graph.nodes[0].derivative.product", "named twice";
        "too few tangents": ask(Op::Derivative, &[X, X, X], derivative("times", tangents(&["0", "1"]))) => InvalidArgument at "graph.nodes[0].operands", "takes 4 arguments, 3 given";
        "implicit function of another type": ask(Op::ImplicitRoot, &[X, X], implicit("both", 0.0)) => InvalidArgument at "graph.nodes[0].implicit_root.function", "one result";
        "unknown body": ask(Op::While, &[X, X], repeat("less", "tiems")) => InvalidArgument at "graph.nodes[0].while.body", "\"times\"";
        "unknown step": ask(Op::Scan, &[X, VECTOR], scan("bth", 3, 1, 1)) => InvalidArgument at "graph.nodes[0].scan.function", "\"both\"";
        "more sequences than operands": ask(Op::Scan, &[X, VECTOR], scan("both", 3, 1, 7)) => InvalidArgument at "graph.nodes[0].operands", "sequences";
        "unknown row function": ask(Op::Map, &[VECTOR, VECTOR], mapped("tims", 3, 2)) => InvalidArgument at "graph.nodes[0].map.function", "\"times\"";
        "row of another length": ask(Op::Map, &[VECTOR, VECTOR], mapped("times", 4, 2)) => InvalidArgument at "graph.nodes[0].operands[0]", "leading axis must be the length, 4";
        "more rows than operands": ask(Op::Map, &[VECTOR, VECTOR], mapped("times", 3, 3)) => InvalidArgument at "graph.nodes[0].operands", "sequences";
        "derivative of no function": ask(Op::Derivative, &[X, X], derivative("tims", gradient("0", &[]))) => InvalidArgument at "graph.nodes[0].derivative.function", "\"times\"";
        "unknown fixed point": ask(Op::FixedPoint, &[X, X], A::FixedPoint(solved("tims", 0.0))) => InvalidArgument at "graph.nodes[0].fixed_point.function", "\"times\"";
        "fixed point to no tolerance": ask(Op::FixedPoint, &[X, X], A::FixedPoint(solved("times", f64::NAN))) => InvalidArgument at "graph.nodes[0].fixed_point.tolerance", "no tolerance";
        "unknown operator": ask(Op::LinearSolve, &[X, X], A::LinearSolve(solved("tims", 0.0))) => InvalidArgument at "graph.nodes[0].linear_solve.function", "\"times\"";
        "operator to no tolerance": ask(Op::LinearSolve, &[X, X], A::LinearSolve(solved("times", f64::INFINITY))) => InvalidArgument at "graph.nodes[0].linear_solve.tolerance", "no tolerance";
        "negative tolerance": ask(Op::ImplicitRoot, &[X, X], implicit("times", -1.0)) => InvalidArgument at "graph.nodes[0].implicit_root.tolerance", "no tolerance";
        "function without a name": more(function("", &one, vec![], &[0])) => InvalidArgument at "graph.functions[4].name", "empty";
        "function named twice": more(function("times", &one, vec![], &[0])) => InvalidArgument at "graph.functions[4].name", "unique";
        "function without results": more(function("f", &one, vec![], &[])) => InvalidArgument at "graph.functions[4].results", "at least one result";
        "result that does not exist": more(function("f", &one, vec![], &[5])) => InvalidArgument at "graph.functions[4].results[0]", "value 5 does not exist";
        "parameter without a type": more(function("f", &[TensorType::default()], vec![], &[0])) => InvalidArgument at "graph.functions[4].parameters[0].dtype", "";
        "body that is wrong": more(function("f", &one, vec![node(Op::Add, &[0, 7])], &[1])) => InvalidArgument at "graph.functions[4].nodes[0].operands[1]", "value 7 does not exist";
        "body that names no function": more(function("f", &one, vec![node_with(Op::Call, &[0], call("g"))], &[1])) => InvalidArgument at "graph.functions[4].nodes[0].call.function", "\"g\"";
        "recursion that has no type": more(function("f", &one, vec![node_with(Op::Call, &[0], call("f"))], &[1])) => InvalidArgument at "graph.functions[4].results", "every path through it runs it again";
        "own derivative that is unknown": custom("nope") => InvalidArgument at "graph.functions[4].custom_jvp", "\"nope\"";
        "own derivative of another signature": custom("times") => InvalidArgument at "graph.functions[4].custom_jvp", "parameters, results and tangents";
        "too many functions": many(300) => ResourceExhausted at "graph.functions", "max_functions = 256";
    }
}
