//! Requests that do not fit their graph, or that are none.

use super::{Call, Case, MAX_MESSAGE_BYTES, cases};
use bytes::Bytes;
use gradient_proto::v1 as pb;
use gradient_tests::wire::{
    evaluate, f64s, gradient, graph, names, node, product, raw_tensor, resident_tensor, scalar,
    sum, tensor, ty, value, values_tensor,
};
use pb::{Dtype, Op, Tensor, product::Product as Kind, put_tensor_request::Content};
use std::iter::repeat_n;

/// f = Σ v, v = x · scale, k = count.
fn several() -> pb::Graph {
    let inputs = [
        ("x", f64s(&[3])),
        ("scale", f64s(&[])),
        ("count", ty(Dtype::I64, &[2])),
    ];
    let nodes = vec![node(Op::Multiply, &[0, 1]), sum(3)];
    graph(&inputs, nodes, &[("f", 4), ("v", 3), ("k", 2)])
}

/// A point of `several`.
fn point() -> Vec<(&'static str, Tensor)> {
    vec![
        ("x", tensor(&[3], &[1.0, 2.0, 3.0])),
        ("scale", scalar(2.0)),
        ("count", values_tensor(Dtype::I64, &[2], &[1.0, 2.0])),
    ]
}

/// A product of a function of no numbers, at some points.
fn nothing_at(batch_size: u32, x: Tensor, product: pb::Product) -> pb::EvaluateRequest {
    let nodes = vec![node(Op::Sin, &[0])];
    let sine = graph(&[("x", f64s(&[0]))], nodes, &[("f", 1)]);
    let request = evaluate(sine, &[("x", x)], vec![product]);
    pb::EvaluateRequest {
        batch_size,
        ..request
    }
}

/// 4096 numbers squared; their sum.
fn wide() -> pb::Graph {
    squares(4096)
}

fn squares(n: u64) -> pb::Graph {
    let nodes = vec![node(Op::Square, &[0]), sum(1)];
    graph(&[("x", f64s(&[n]))], nodes, &[("v", 1), ("f", 2)])
}

fn request(products: Vec<pb::Product>) -> pb::EvaluateRequest {
    evaluate(several(), &point(), products)
}

fn ask(product: pb::Product) -> Call {
    Call::Evaluate(request(vec![product]))
}

/// The value at a point in which one input is another.
fn with_input(name: &'static str, tensor: Tensor) -> Call {
    Call::Evaluate(batch(0, name, tensor))
}

fn batch(batch_size: u32, name: &'static str, tensor: Tensor) -> pb::EvaluateRequest {
    let mut request = request(vec![value(&[])]);
    request.inputs.insert(name.into(), tensor);
    pb::EvaluateRequest {
        batch_size,
        ..request
    }
}

fn without_input(name: &str) -> Call {
    let mut request = request(vec![value(&[])]);
    request.inputs.remove(name);
    Call::Evaluate(request)
}

/// An evaluation of what this id names.
fn of_id(id: &str) -> Call {
    let graph = Some(pb::evaluate_request::Graph::GraphId(id.into()));
    Call::Evaluate(pb::EvaluateRequest {
        graph,
        ..request(vec![value(&[])])
    })
}

fn with_options(options: pb::EvaluateOptions) -> Call {
    let options = Some(options);
    Call::Evaluate(pb::EvaluateRequest {
        options,
        ..request(vec![gradient("f", &[])])
    })
}

fn of_wide(product: pb::Product) -> Call {
    let x = tensor(&[4096], &[1.0; 4096]);
    Call::Evaluate(evaluate(wide(), &[("x", x)], vec![product]))
}

fn jacobian(outputs: &[&str], wrt: &[&str], layout: i32) -> pb::Product {
    let (outputs, wrt) = (names(outputs), names(wrt));
    product(Kind::Jacobian(pb::Jacobian {
        outputs,
        wrt,
        layout,
    }))
}

fn hessian(output: &str, layout: i32) -> pb::Product {
    let output = output.into();
    product(Kind::Hessian(pb::Hessian {
        output,
        wrt: vec![],
        layout,
    }))
}

fn seeds(given: &[(&str, Tensor)]) -> std::collections::HashMap<String, Tensor> {
    let given = given.iter().cloned();
    given.map(|(name, tensor)| (name.into(), tensor)).collect()
}

fn jvp(tangents: &[(&str, Tensor)], directions: u32) -> pb::Product {
    let tangents = seeds(tangents);
    product(Kind::JacobianVectorProduct(pb::JacobianVectorProduct {
        tangents,
        directions,
    }))
}

fn vjp(cotangents: &[(&str, Tensor)], directions: u32) -> pb::Product {
    let cotangents = seeds(cotangents);
    product(Kind::VectorJacobianProduct(pb::VectorJacobianProduct {
        cotangents,
        directions,
    }))
}

fn hvp(output: &str, wrt: &[&str], vectors: &[(&str, Tensor)], directions: u32) -> pb::Product {
    let (output, wrt, vectors) = (output.into(), names(wrt), seeds(vectors));
    product(Kind::HessianVectorProduct(pb::HessianVectorProduct {
        output,
        wrt,
        vectors,
        directions,
    }))
}

fn plan(graph: pb::Graph) -> pb::PlanEvaluationRequest {
    pb::PlanEvaluationRequest {
        graph: Some(pb::plan_evaluation_request::Graph::InlineGraph(graph)),
        products: vec![gradient("f", &[])],
        ..Default::default()
    }
}

fn differentiate(graph: pb::Graph, product: Option<pb::Product>) -> Call {
    let graph = Some(pb::differentiate_graph_request::Graph::InlineGraph(graph));
    Call::Differentiate(pb::DifferentiateGraphRequest {
        graph,
        product,
        options: None,
    })
}

fn chunk(bytes: &[u8]) -> Content {
    Content::Chunk(bytes.to_vec().into())
}

const EVALUATE: &str = "/gradient.v1.GradientService/Evaluate";
const REGISTER: &str = "/gradient.v1.GradientService/RegisterGraph";

pub fn cases() -> Vec<Case> {
    let mut all = graphs_and_inputs();
    all.extend(products());
    all.extend(seeded());
    all.extend(options());
    all.extend(other_calls());
    all.extend(messages());
    all
}

/// Which graph, at which point.
fn graphs_and_inputs() -> Vec<Case> {
    let unknown = "0".repeat(64);
    let nothing = pb::EvaluateRequest {
        graph: None,
        ..request(vec![value(&[])])
    };
    let forward = graph(&[("x", f64s(&[]))], vec![node(Op::Sin, &[7])], &[("f", 1)]);
    let untyped = raw_tensor(Dtype::Unspecified, &[3], vec![0; 24]);
    let empty = Tensor {
        data: None,
        ..tensor(&[3], &[])
    };
    cases! {
        "graph never registered": of_id(&unknown) => NotFound at "", "GRAPH_NOT_REGISTERED";
        "malformed graph_id": of_id("not an id") => NotFound at "", "GRAPH_NOT_REGISTERED";
        "graph_id with a newline": of_id("\n\u{0}é") => NotFound at "", "register it";
        "long graph_id": of_id(&"f".repeat(100_000)) => NotFound at "", "GRAPH_NOT_REGISTERED";
        "empty graph_id": of_id("") => InvalidArgument at "graph_id", "set graph_id or inline_graph";
        "no graph given": Call::Evaluate(nothing) => InvalidArgument at "graph_id", "set graph_id or inline_graph";
        "malformed graph inline": Call::Evaluate(evaluate(forward, &[], vec![])) => InvalidArgument at "inline_graph.nodes[0].operands[0]", "order nodes topologically";
        "empty graph inline": Call::Evaluate(evaluate(pb::Graph::default(), &[], vec![])) => InvalidArgument at "inline_graph.outputs", "at least one output";

        "missing input": without_input("scale") => InvalidArgument at "inputs[\"scale\"]", "missing";
        "extra input": with_input("z", scalar(0.0)) => InvalidArgument at "inputs[\"z\"]", "has no input \"z\"";
        "misspelt input": with_input("scael", scalar(0.0)) => InvalidArgument at "inputs[\"scael\"]", "did you mean \"scale\"?";
        "input beyond": with_input("#7", scalar(0.0)) => InvalidArgument at "inputs[\"#7\"]", "has no input \"#7\"";
        "input given twice": with_input("#1", scalar(0.0)) => InvalidArgument at "inputs[\"scale\"]", "leave one out";
        "input given twice by position": with_input("#01", scalar(0.0)) => InvalidArgument at "inputs[\"#01\"]", "leave one out";
        "input of another shape": with_input("x", tensor(&[2], &[1.0, 2.0])) => InvalidArgument at "inputs[\"x\"]", "expected f64[3]";
        "input of another rank": with_input("scale", tensor(&[1], &[1.0])) => InvalidArgument at "inputs[\"scale\"]", "expected f64";
        "input of another type": with_input("x", raw_tensor(Dtype::F32, &[3], vec![0; 12])) => InvalidArgument at "inputs[\"x\"]", "got f32";
        "input without dtype": with_input("x", untyped) => InvalidArgument at "inputs[\"x\"].dtype", "set DTYPE_F64";
        "input without data": with_input("x", empty) => InvalidArgument at "inputs[\"x\"]", "set raw, values or tensor_id";
        "input a byte short": with_input("x", raw_tensor(Dtype::F64, &[3], vec![0; 23])) => InvalidArgument at "inputs[\"x\"].raw", "24 bytes, got 23";
        "input a value long": with_input("x", values_tensor(Dtype::F64, &[3], &[0.0; 4])) => InvalidArgument at "inputs[\"x\"].values", "3 values, got 4";
        "huge input in few bytes": with_input("x", raw_tensor(Dtype::F64, &[1 << 60], vec![0; 24])) => InvalidArgument at "inputs[\"x\"].raw", "got 24";
        "overflowing input in few bytes": with_input("x", raw_tensor(Dtype::F64, &[u64::MAX; 3], vec![0; 24])) => InvalidArgument at "inputs[\"x\"].raw", "got 24";
        "half a count": with_input("count", values_tensor(Dtype::I64, &[2], &[0.0, 0.5])) => InvalidArgument at "inputs[\"count\"].values", "element 1 is 0.5";
        "input never put": with_input("x", resident_tensor(&[3], &unknown)) => NotFound at "inputs[\"x\"].tensor_id", "TENSOR_NOT_PUT";
        "name of an input to escape": with_input("a\"\n]", scalar(0.0)) => InvalidArgument at "inputs[\"a\\\"\\n]\"]", "has no input";

        "batch without leading axis": Call::Evaluate(batch(4, "x", tensor(&[5, 3], &[0.0; 15]))) => InvalidArgument at "inputs[\"x\"]", "leading axis 4";
        "leading axis without batch": with_input("x", tensor(&[1, 3], &[0.0; 3])) => InvalidArgument at "inputs[\"x\"]", "got f64[1, 3]";
        "batch in the wrong place": Call::Evaluate(batch(4, "x", tensor(&[3, 4], &[0.0; 12]))) => InvalidArgument at "inputs[\"x\"]", "leading axis 4";
        "huge batch of nothing": Call::Evaluate(nothing_at(u32::MAX, tensor(&[0], &[]), value(&[]))) => ResourceExhausted at "", "max_message_bytes";
        "huge batch of inputs of nothing": Call::Evaluate(nothing_at(u32::MAX, tensor(&[u32::MAX.into(), 0], &[]), jacobian(&[], &[], 0))) => ResourceExhausted at "", "max_message_bytes";
        "huge batch": Call::Evaluate(batch(u32::MAX, "scale", scalar(1.0))) => ResourceExhausted at "", "max_message_bytes";
    }
}

/// What is asked for.
fn products() -> Vec<Case> {
    let unset = pb::Product::default;
    let many: Vec<_> = repeat_n(value(&["f"]), 257).collect();
    let integers = graph(&[("k", ty(Dtype::I64, &[]))], vec![], &[("k", 0)]);
    let seven = values_tensor(Dtype::I64, &[], &[7.0]);
    let of_integers = evaluate(integers, &[("k", seven)], vec![gradient("", &[])]);
    cases! {
        "no products": Call::Evaluate(request(vec![])) => InvalidArgument at "products", "add a product";
        "empty product": ask(unset()) => InvalidArgument at "products[0]", "set value, gradient";
        "empty second product": Call::Evaluate(request(vec![value(&[]), unset()])) => InvalidArgument at "products[1]", "set value, gradient";
        "too many products": Call::Evaluate(request(many)) => ResourceExhausted at "products", "max_products";
        "value of an unknown output": ask(value(&["f", "nope"])) => InvalidArgument at "products[0].value.outputs[1]", "has no output \"nope\"; it has \"f\", \"v\", \"k\"";
        "value of an output beyond": ask(value(&["#3"])) => InvalidArgument at "products[0].value.outputs[0]", "has no output";
        "value of an output twice": ask(value(&["f", "#0"])) => InvalidArgument at "products[0].value.outputs[1]", "named twice";
        "gradient of an unknown output": ask(gradient("g", &[])) => InvalidArgument at "products[0].gradient.output", "has no output \"g\"";
        "gradient of none of several": ask(gradient("", &[])) => InvalidArgument at "products[0].gradient.output", "name one of \"f\", \"v\", \"k\"";
        "gradient of a vector": ask(gradient("v", &[])) => InvalidArgument at "products[0].gradient.output", "or ask for a Jacobian";
        "gradient of integers": ask(gradient("k", &[])) => InvalidArgument at "products[0].gradient.output", "only f64 and f32";
        "gradient of an integer alone": Call::Evaluate(of_integers) => InvalidArgument at "products[0].gradient.output", "only f64 and f32";
        "gradient by an unknown input": ask(gradient("f", &["x", "q"])) => InvalidArgument at "products[0].gradient.wrt[1]", "has no input \"q\"";
        "gradient by a misspelt input": ask(gradient("f", &["sclae"])) => InvalidArgument at "products[0].gradient.wrt[0]", "did you mean \"scale\"?";
        "gradient by an input twice": ask(gradient("f", &["x", "scale", "x"])) => InvalidArgument at "products[0].gradient.wrt[2]", "named twice";
        "gradient by integers": ask(gradient("f", &["count"])) => InvalidArgument at "products[0].gradient.wrt[0]", "only f64 and f32";
        "second product wrong": Call::Evaluate(request(vec![value(&[]), gradient("v", &[])])) => InvalidArgument at "products[1].gradient.output", "needs a scalar";
        "Jacobian of integers": ask(jacobian(&["k"], &[], 0)) => InvalidArgument at "products[0].jacobian.outputs[0]", "only f64 and f32";
        "Jacobian by integers": ask(jacobian(&[], &["count"], 0)) => InvalidArgument at "products[0].jacobian.wrt[0]", "leave it out";
        "Jacobian of unknown layout": ask(jacobian(&[], &[], 9)) => InvalidArgument at "products[0].jacobian.layout", "unknown layout 9";
        "Hessian of a vector": ask(hessian("v", 0)) => InvalidArgument at "products[0].hessian.output", "needs a scalar";
        "Hessian of none of several": ask(hessian("", 0)) => InvalidArgument at "products[0].hessian.output", "name one of";
        "Jacobian too large to send": of_wide(jacobian(&["v"], &[], 0)) => ResourceExhausted at "", "max_message_bytes";
        "Hessian too large to send": of_wide(hessian("f", 0)) => ResourceExhausted at "", "products of the Jacobian or Hessian with vectors";
    }
}

/// Tangents, cotangents, vectors.
fn seeded() -> Vec<Case> {
    let x = || ("x", tensor(&[3], &[1.0; 3]));
    let scale = || ("scale", scalar(1.0));
    let count = || ("count", values_tensor(Dtype::I64, &[2], &[0.0; 2]));
    let short = || ("x", tensor(&[2], &[1.0; 2]));
    let f = || ("f", scalar(1.0));
    let v = |n: u64| ("v", tensor(&[n], &vec![1.0; n as usize]));
    cases! {
        "no tangents": ask(jvp(&[], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "zeros where it stands still";
        "one tangent missing": ask(jvp(&[x()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"scale\"]", "no tangent";
        "tangent of integers": ask(jvp(&[x(), scale(), count()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"count\"]", "leave it out";
        "tangent of an unknown input": ask(jvp(&[x(), scale(), ("q", scalar(1.0))], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"q\"]", "has no input";
        "tangent of another shape": ask(jvp(&[short(), scale()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "expected f64[3], got f64[2]";
        "tangent of another type": ask(jvp(&[("x", raw_tensor(Dtype::F32, &[3], vec![0; 12])), scale()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "got f32";
        "tangent a byte long": ask(jvp(&[("x", raw_tensor(Dtype::F64, &[3], vec![0; 25])), scale()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"].raw", "24 bytes, got 25";
        "tangent given twice": ask(jvp(&[x(), ("#0", tensor(&[3], &[1.0; 3])), scale()], 0)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "given twice";
        "tangents without directions": ask(jvp(&[x(), scale()], 2)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "expected f64[2, 3]";
        "tangents of more directions": ask(jvp(&[("x", tensor(&[3, 3], &[1.0; 9])), scale()], 2)) => InvalidArgument at "products[0].jacobian_vector_product.tangents[\"x\"]", "expected f64[2, 3]";
        "huge directions": ask(jvp(&[x(), scale()], u32::MAX)) => ResourceExhausted at "", "max_message_bytes";
        "huge directions of nothing": Call::Evaluate(nothing_at(0, tensor(&[0], &[]), jvp(&[("x", tensor(&[u32::MAX.into(), 0], &[]))], u32::MAX))) => ResourceExhausted at "", "max_message_bytes";
        "no cotangents": ask(vjp(&[], 0)) => InvalidArgument at "products[0].vector_jacobian_product.cotangents[\"f\"]", "no cotangent";
        "cotangent of integers": ask(vjp(&[f(), v(3), ("k", count().1)], 0)) => InvalidArgument at "products[0].vector_jacobian_product.cotangents[\"k\"]", "leave it out";
        "cotangent of another shape": ask(vjp(&[f(), v(4)], 0)) => InvalidArgument at "products[0].vector_jacobian_product.cotangents[\"v\"]", "got f64[4]";
        "cotangent of an input": ask(vjp(&[f(), v(3), x()], 0)) => InvalidArgument at "products[0].vector_jacobian_product.cotangents[\"x\"]", "has no output";
        "no vectors": ask(hvp("f", &[], &[], 0)) => InvalidArgument at "products[0].hessian_vector_product.vectors[\"x\"]", "no vector";
        "vector not in wrt": ask(hvp("f", &["x"], &[x(), scale()], 0)) => InvalidArgument at "products[0].hessian_vector_product.vectors[\"scale\"]", "not in wrt";
        "vector of another shape": ask(hvp("f", &["x"], &[short()], 0)) => InvalidArgument at "products[0].hessian_vector_product.vectors[\"x\"]", "expected f64[3]";
        "vectors without directions": ask(hvp("f", &["x"], &[x()], 3)) => InvalidArgument at "products[0].hessian_vector_product.vectors[\"x\"]", "expected f64[3, 3]";
        "Hessian-vector product of a vector": ask(hvp("v", &[], &[x()], 0)) => InvalidArgument at "products[0].hessian_vector_product.output", "needs a scalar";
    }
}

/// How it is computed, and with what.
fn options() -> Vec<Case> {
    use pb::EvaluateOptions as O;
    let numerical = pb::Method::Numerical.into();
    let dual = pb::Method::Dual.into();
    let seeds = [("x", tensor(&[3], &[1.0; 3])), ("scale", scalar(1.0))];
    let repeated = pb::EvaluateRequest {
        batch_size: 1000,
        options: Some(O {
            memory_budget_bytes: 2000,
            ..O::default()
        }),
        ..request(vec![jvp(&seeds, 0)])
    };
    let by_differences = pb::EvaluateRequest {
        options: Some(O {
            method: numerical,
            ..O::default()
        }),
        ..request(vec![jacobian(&[], &[], pb::Layout::Sparse.into())])
    };
    cases! {
        "unknown mode": with_options(O { mode: 99, ..O::default() }) => InvalidArgument at "options.mode", "unknown value 99";
        "unknown hvp_mode": with_options(O { hvp_mode: 99, ..O::default() }) => InvalidArgument at "options.hvp_mode", "unknown value 99";
        "unknown method": with_options(O { method: -1, ..O::default() }) => InvalidArgument at "options.method", "unknown value -1";
        "unknown non_smooth": with_options(O { non_smooth: 99, ..O::default() }) => InvalidArgument at "options.non_smooth", "unknown value 99";
        "unknown non_finite": with_options(O { non_finite: 99, ..O::default() }) => InvalidArgument at "options.non_finite", "unknown value 99";
        "negative step": with_options(O { method: numerical, step: -1.0, ..O::default() }) => InvalidArgument at "options.step", "give a positive number";
        "infinite step": with_options(O { method: numerical, step: f64::INFINITY, ..O::default() }) => InvalidArgument at "options.step", "give a positive number";
        "step that is no number": with_options(O { step: f64::NAN, ..O::default() }) => InvalidArgument at "options.step", "give a positive number";
        "sparse, by differences": Call::Evaluate(by_differences) => Unimplemented at "products[0].jacobian", "LAYOUT_SPARSE";
        "dual numbers after JAX": with_options(O { method: dual, non_smooth: pb::NonSmooth::Jax.into(), ..O::default() }) => Unimplemented at "options.method", "METHOD_DUAL";
        "memory budget of a byte": with_options(O { memory_budget_bytes: 1, ..O::default() }) => ResourceExhausted at "", "memory_budget_bytes";
        "memory budget for repeated seeds": Call::Evaluate(repeated) => ResourceExhausted at "", "memory_budget_bytes";
    }
}

/// A check of the small graph at its point, where the request gives none of its own.
fn checked(request: pb::CheckDerivativesRequest) -> Call {
    use pb::check_derivatives_request::Graph;
    let point = request.inputs.is_empty() && request.graph.is_none();
    let inputs = match point {
        true => [("x".to_owned(), tensor(&[3], &[1.0; 3]))].into(),
        false => request.inputs.clone(),
    };
    let graph = request.graph.clone();
    Call::Check(pb::CheckDerivativesRequest {
        graph: Some(graph.unwrap_or(Graph::InlineGraph(squares(3)))),
        inputs,
        ..request
    })
}

/// Calls other than Evaluate.
fn other_calls() -> Vec<Case> {
    let unknown = "0".repeat(64);
    let dual_numbers = pb::EvaluateOptions {
        method: pb::Method::Dual.into(),
        ..Default::default()
    };
    let get = |graph_id: &str| {
        let graph_id = graph_id.into();
        Call::Get(pb::GetGraphRequest {
            graph_id,
            ..Default::default()
        })
    };
    let planned_id = pb::plan_evaluation_request::Graph::GraphId(unknown.clone());
    let planned_id = pb::PlanEvaluationRequest {
        graph: Some(planned_id),
        ..plan(several())
    };
    let unknown_input = pb::PlanEvaluationRequest {
        batch_size: 2,
        batched_inputs: names(&["x", "q"]),
        ..plan(several())
    };
    let f64_type = |shape: &[u64]| Content::Type(f64s(shape));
    let bool_type = Content::Type(ty(Dtype::Bool, &[2]));
    cases! {
        "unknown graph got": get(&unknown) => NotFound at "", "GRAPH_NOT_REGISTERED";
        "no graph got": get("") => InvalidArgument at "graph_id", "set graph_id";
        "unknown graph planned": Call::Plan(planned_id) => NotFound at "", "GRAPH_NOT_REGISTERED";
        "no graph planned": Call::Plan(pb::PlanEvaluationRequest { graph: None, ..plan(several()) }) => InvalidArgument at "graph_id", "set graph_id or inline_graph";
        "nothing planned": Call::Plan(pb::PlanEvaluationRequest { products: vec![], ..plan(several()) }) => InvalidArgument at "products", "add a product";
        "unknown batched input": Call::Plan(unknown_input) => InvalidArgument at "batched_inputs[1]", "has no input";
        "nothing differentiated": differentiate(several(), None) => InvalidArgument at "product", "set value, gradient";
        "vector differentiated": differentiate(several(), Some(gradient("v", &[]))) => InvalidArgument at "product.gradient.output", "needs a scalar";
        "unknown input differentiated by": differentiate(several(), Some(jacobian(&[], &["q"], 0))) => InvalidArgument at "product.jacobian.wrt[0]", "has no input";
        "derivative graph too large": differentiate(wide(), Some(jacobian(&["v"], &[], 0))) => ResourceExhausted at "", "max_graph_bytes";
        "derivative graph too large to send": differentiate(squares(1000), Some(jacobian(&["v"], &[], 0))) => ResourceExhausted at "", "max_message_bytes";
        "derivative graph of too many sweeps": differentiate(squares(5000), Some(jacobian(&["v"], &[], 0))) => ResourceExhausted at "", "max_graph_sweeps";
        "no graph checked": Call::Check(pb::CheckDerivativesRequest::default()) => InvalidArgument at "graph_id", "set graph_id or inline_graph";
        "unknown input checked": checked(pb::CheckDerivativesRequest { wrt: vec!["q".into()], ..Default::default() }) => InvalidArgument at "wrt[0]", "has no input";
        "unknown output checked": checked(pb::CheckDerivativesRequest { outputs: vec!["q".into()], ..Default::default() }) => InvalidArgument at "outputs[0]", "has no output";
        "checked by another method": checked(pb::CheckDerivativesRequest { options: Some(dual_numbers), ..Default::default() }) => InvalidArgument at "options.method", "leave the method out";
        "checked with a step of 0": checked(pb::CheckDerivativesRequest { steps: vec![1e-5, 0.0], ..Default::default() }) => InvalidArgument at "steps[1]", "give a positive number";
        "checked with too many steps": checked(pb::CheckDerivativesRequest { steps: vec![1e-5; 65], ..Default::default() }) => ResourceExhausted at "steps", "max_check_steps";
        "checked to a negative tolerance": checked(pb::CheckDerivativesRequest { tolerance: -1.0, ..Default::default() }) => InvalidArgument at "tolerance", "give a positive number";
        "checked without a point": checked(pb::CheckDerivativesRequest { inputs: Default::default(), graph: Some(pb::check_derivatives_request::Graph::InlineGraph(squares(3))), ..Default::default() }) => InvalidArgument at "inputs[\"x\"]", "missing";
        "too much checked": checked(pb::CheckDerivativesRequest { graph: Some(pb::check_derivatives_request::Graph::InlineGraph(squares(3000))), inputs: [("x".to_owned(), tensor(&[3000], &[1.0; 3000]))].into(), ..Default::default() }) => ResourceExhausted at "", "max_check_entries";
        "graph by another method": Call::Differentiate(pb::DifferentiateGraphRequest { graph: Some(pb::differentiate_graph_request::Graph::InlineGraph(squares(3))), product: Some(jacobian(&["v"], &[], 0)), options: Some(dual_numbers) }) => InvalidArgument at "options.method", "set METHOD_EXACT";

        "nothing put": Call::Put(vec![]) => InvalidArgument at "type", "the first message must set type";
        "chunk before the type": Call::Put(vec![chunk(&[0; 8])]) => InvalidArgument at "type", "the first message must set type";
        "type put twice": Call::Put(vec![f64_type(&[]), f64_type(&[])]) => InvalidArgument at "chunk", "must set chunk";
        "unspecified type put": Call::Put(vec![Content::Type(ty(Dtype::Unspecified, &[]))]) => InvalidArgument at "type.dtype", "set DTYPE_F64";
        "too little put": Call::Put(vec![f64_type(&[2]), chunk(&[0; 15])]) => InvalidArgument at "chunk", "16 bytes, got 15";
        "too much put": Call::Put(vec![f64_type(&[2]), chunk(&[0; 8]), chunk(&[0; 9])]) => InvalidArgument at "chunk", "16 bytes, got 17";
        "two put as a bool": Call::Put(vec![bool_type, chunk(&[0, 2])]) => InvalidArgument at "chunk", "write 0 or 1";
        "huge tensor announced": Call::Put(vec![f64_type(&[1 << 40])]) => ResourceExhausted at "type", "tensor_bytes";
        "overflowing tensor announced": Call::Put(vec![f64_type(&[u64::MAX, u64::MAX])]) => ResourceExhausted at "type", "tensor_bytes";
    }
}

/// What is no message at all.
fn messages() -> Vec<Case> {
    // Field 3 (inline_graph) in 100 bytes, of which there are 2.
    let truncated = Bytes::from_static(&[0x1a, 100, 1, 2]);
    // Field 1 (request_id) as a number.
    let other_wire_type = Bytes::from_static(&[0x08, 1]);
    // Field 1 (request_id), one byte that is no UTF-8.
    let not_utf8 = Bytes::from_static(&[0x0a, 1, 0xff]);
    // A group that is never closed, and keys beyond 32 bits.
    let garbage = Bytes::from_static(&[0xff; 64]);
    let nested: Bytes = repeat_n(0x0b, 100_000).collect();
    let oversize = Bytes::from(vec![0; MAX_MESSAGE_BYTES as usize + 1]);
    cases! {
        "truncated message": Call::Bytes(EVALUATE, truncated) => InvalidArgument at "", "could not be read";
        "other wire type": Call::Bytes(EVALUATE, other_wire_type) => InvalidArgument at "", "could not be read";
        "text that is no UTF-8": Call::Bytes(EVALUATE, not_utf8) => InvalidArgument at "", "could not be read";
        "garbage": Call::Bytes(REGISTER, garbage) => InvalidArgument at "", "could not be read";
        "nested groups": Call::Bytes(REGISTER, nested) => InvalidArgument at "", "could not be read";
        "oversize message": Call::Bytes(REGISTER, oversize) => ResourceExhausted at "", "max_message_bytes";
        "unknown call": Call::Bytes("/gradient.v1.GradientService/Nope", Bytes::new()) => Unimplemented at "", "";
        "empty message": Call::Bytes(REGISTER, Bytes::new()) => InvalidArgument at "graph", "set graph";
    }
}
