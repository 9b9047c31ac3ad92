//! Requests as a client writes them: the contract's messages, in few words.

use bytes::Bytes;
use gradient_proto::v1 as pb;
use pb::{Dtype, Op, Tensor, TensorType, node::Attributes, product::Product as Kind, tensor::Data};

/// A type.
pub fn ty(dtype: Dtype, shape: &[u64]) -> TensorType {
    TensorType {
        dtype: dtype.into(),
        shape: shape.to_vec(),
    }
}

/// An f64 type.
pub fn f64s(shape: &[u64]) -> TensorType {
    ty(Dtype::F64, shape)
}

/// An f64 scalar.
pub fn scalar(value: f64) -> Tensor {
    tensor(&[], &[value])
}

/// An f64 tensor, row-major. The number of values is not checked.
pub fn tensor(shape: &[u64], values: &[f64]) -> Tensor {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    raw_tensor(Dtype::F64, shape, raw)
}

/// A tensor of bytes that may not fit it.
pub fn raw_tensor(dtype: Dtype, shape: &[u64], raw: impl Into<Bytes>) -> Tensor {
    Tensor {
        dtype: dtype.into(),
        shape: shape.to_vec(),
        data: Some(Data::Raw(raw.into())),
    }
}

/// A tensor of numbers that may not fit it.
pub fn values_tensor(dtype: Dtype, shape: &[u64], values: &[f64]) -> Tensor {
    let values = values.to_vec();
    Tensor {
        dtype: dtype.into(),
        shape: shape.to_vec(),
        data: Some(Data::Values(pb::DoubleList { values })),
    }
}

/// Resident f64 data.
pub fn resident_tensor(shape: &[u64], id: &str) -> Tensor {
    Tensor {
        dtype: Dtype::F64.into(),
        shape: shape.to_vec(),
        data: Some(Data::TensorId(id.into())),
    }
}

/// A node without attributes.
pub fn node(op: Op, operands: &[u32]) -> pb::Node {
    pb::Node {
        op: op.into(),
        operands: operands.to_vec(),
        ..pb::Node::default()
    }
}

/// A node with attributes.
pub fn node_with(op: Op, operands: &[u32], attributes: Attributes) -> pb::Node {
    pb::Node {
        attributes: Some(attributes),
        ..node(op, operands)
    }
}

/// A node that holds a tensor.
pub fn constant(value: Tensor) -> pb::Node {
    let value = Some(value);
    let attributes = Attributes::Constant(Box::new(pb::Constant { value }));
    node_with(Op::Constant, &[], attributes)
}

/// A node that sums over all dimensions.
pub fn sum(operand: u32) -> pb::Node {
    let attributes = Attributes::Reduce(Box::default());
    node_with(Op::ReduceSum, &[operand], attributes)
}

/// A graph.
pub fn graph(
    inputs: &[(&str, TensorType)],
    nodes: Vec<pb::Node>,
    outputs: &[(&str, u32)],
) -> pb::Graph {
    let input = |(name, ty): &(&str, TensorType)| pb::Input {
        name: (*name).into(),
        r#type: Some(ty.clone()),
    };
    let output = |(name, value): &(&str, u32)| pb::Output {
        name: (*name).into(),
        value: *value,
    };
    pb::Graph {
        inputs: inputs.iter().map(input).collect(),
        nodes,
        outputs: outputs.iter().map(output).collect(),
        ..pb::Graph::default()
    }
}

/// A product.
pub fn product(kind: Kind) -> pb::Product {
    pb::Product {
        product: Some(kind),
    }
}

/// The values of outputs; none: all of them.
pub fn value(outputs: &[&str]) -> pb::Product {
    let outputs = names(outputs);
    product(Kind::Value(pb::Value { outputs }))
}

/// The gradient of an output (empty: the only one).
pub fn gradient(output: &str, wrt: &[&str]) -> pb::Product {
    product(Kind::Gradient(pb::Gradient {
        output: output.into(),
        wrt: names(wrt),
    }))
}

/// An evaluation of a graph that comes along.
pub fn evaluate(
    graph: pb::Graph,
    inputs: &[(&str, Tensor)],
    products: Vec<pb::Product>,
) -> pb::EvaluateRequest {
    let inputs = inputs
        .iter()
        .map(|(name, tensor)| ((*name).into(), tensor.clone()));
    pb::EvaluateRequest {
        graph: Some(pb::evaluate_request::Graph::InlineGraph(graph)),
        inputs: inputs.collect(),
        products,
        ..pb::EvaluateRequest::default()
    }
}

/// Owned names.
pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}
