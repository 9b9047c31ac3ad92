//! An unrolled recurrence of scalar nodes, as clients of languages without loops in their graphs send it.

use gradient_proto::v1::{
    Constant, Dtype, Graph, Input, Node, Op, Output, Tensor, TensorType, node::Attributes, tensor,
};

/// Inputs of [`recurrence`].
pub const INPUTS: usize = 10;

/// A number.
pub fn scalar(x: f64) -> Tensor {
    Tensor {
        dtype: Dtype::F64.into(),
        shape: vec![],
        data: Some(tensor::Data::Raw(x.to_le_bytes().to_vec().into())),
    }
}

fn node(op: Op, operands: Vec<u32>) -> Node {
    Node {
        op: op.into(),
        operands,
        ..Node::default()
    }
}

/// y ← sin(y · x[i % 10]) + 0.1 · x[(i + 3) % 10], unrolled: four nodes a step.
pub fn recurrence(nodes: usize) -> Graph {
    let ty = TensorType {
        dtype: Dtype::F64.into(),
        shape: vec![],
    };
    let inputs = (0..INPUTS).map(|i| Input {
        name: format!("x{i}"),
        r#type: Some(ty.clone()),
    });
    let x = |i: usize| (i % INPUTS) as u32;
    let tenth = INPUTS as u32;
    let mut list = vec![Node {
        attributes: Some(Attributes::Constant(Box::new(Constant {
            value: Some(scalar(0.1)),
        }))),
        ..node(Op::Constant, vec![])
    }];
    let mut y = 0;
    for i in 0..nodes / 4 {
        let first = (INPUTS + list.len()) as u32;
        list.push(node(Op::Multiply, vec![y, x(i)]));
        list.push(node(Op::Sin, vec![first]));
        list.push(node(Op::Multiply, vec![tenth, x(i + 3)]));
        list.push(node(Op::Add, vec![first + 1, first + 2]));
        y = first + 3;
    }
    Graph {
        name: "recurrence".into(),
        inputs: inputs.collect(),
        nodes: list,
        outputs: vec![Output {
            name: "y".into(),
            value: y,
        }],
        functions: vec![],
    }
}

/// The recurrence's gradient by forward mode, written out.
pub fn by_hand(x: &[f64], nodes: usize) -> Vec<f64> {
    let mut y = x[0];
    let mut dy = vec![0.0; INPUTS];
    dy[0] = 1.0;
    for i in 0..nodes / 4 {
        let (a, b) = (i % INPUTS, (i + 3) % INPUTS);
        let slope = (y * x[a]).cos();
        for (k, d) in dy.iter_mut().enumerate() {
            let inner = *d * x[a] + if k == a { y } else { 0.0 };
            *d = slope * inner + if k == b { 0.1 } else { 0.0 };
        }
        y = (y * x[a]).sin() + 0.1 * x[b];
    }
    dy
}
