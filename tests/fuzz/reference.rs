//! A graph node by node, nothing of it together: what elementwise operations and reductions say in their definition,
//! and of everything else what a program of this one node gives.

use gradient_engine::{
    Arguments, Attributes, DotDimensions, Error, Graph, GraphBuilder, Limits, Op, Options, Product,
    Request, Scratch, Stop, Tensor, TensorType, compile, graph::NodeRef,
};
use gradient_tests::engine::tensor;
use gradient_tests::functions::sources;

/// Multiply-adds from which on a contraction's terms may be added in another order: see `dot_general`.
const LARGE: u64 = 1 << 10;

/// The graph's outputs at a point.
pub fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let mut values: Vec<Option<Tensor>> = vec![None; graph.arena().len()];
    for (input, tensor) in graph.inputs().iter().zip(inputs) {
        values[input.value.index()] = Some(tensor.clone());
    }
    let outputs = graph.outputs().iter().map(|o| o.value);
    let needed = graph.arena().needed(outputs.clone());
    for node in graph.nodes().filter(|n| needed[n.result.index()]) {
        let operands = node.operands.iter();
        let operands: Vec<&Tensor> = operands
            .map(|v| values[v.index()].as_ref().expect("nodes are in order"))
            .collect();
        let results = match by_definition(node, &operands) {
            Some(result) => vec![result],
            None => alone(graph, node, &operands)?,
        };
        for (value, result) in node.results().zip(results) {
            values[value.index()] = Some(result);
        }
    }
    Ok(outputs
        .map(|v| values[v.index()].clone().expect("outputs are needed"))
        .collect())
}

fn by_definition(node: NodeRef<'_>, operands: &[&Tensor]) -> Option<Tensor> {
    if let Attributes::Constant(tensor) = node.attributes {
        return Some(Tensor::clone(tensor));
    }
    if !node.ty.dtype.is_float() {
        return None;
    }
    if node.op.elementwise().is_some() {
        return Some(elementwise(node, operands));
    }
    match (node.op, node.attributes) {
        (Op::ReduceSum | Op::ReduceMax | Op::ReduceMin, Attributes::Reduce { axes, .. }) => {
            Some(reduced(node, operands[0], axes))
        }
        _ => None,
    }
}

/// In f64, then rounded to the type; an operand of one element serves all.
fn elementwise(node: NodeRef<'_>, operands: &[&Tensor]) -> Tensor {
    let numbers: Vec<Vec<f64>> = operands.iter().map(|t| t.to_f64()).collect();
    let at = |k: usize, i: usize| match operands[k].ty().shape.is_empty() {
        true => numbers[k][0],
        false => numbers[k][i],
    };
    let value = |i: usize| match operands.len() {
        1 => node.op.value1(at(0, i)),
        2 => node.op.value2(at(0, i), at(1, i)),
        _ => node.op.value3(at(0, i), at(1, i), at(2, i)),
    };
    let all: Vec<f64> = (0..node.ty.elements() as usize).map(value).collect();
    tensor(node.ty, &all)
}

/// Term i goes to partial result i mod 8; these are put together in a fixed order.
fn reduced(node: NodeRef<'_>, operand: &Tensor, axes: &[u32]) -> Tensor {
    let shape = &operand.ty().shape;
    let numbers = operand.to_f64();
    let is_reduced = |d: &usize| axes.is_empty() || axes.contains(&(*d as u32));
    let mut terms: Vec<Vec<f64>> = vec![vec![]; node.ty.elements() as usize];
    let strides = shape.strides();
    for (i, &x) in numbers.iter().enumerate() {
        let kept = (0..shape.rank()).filter(|d| !is_reduced(d));
        let position = kept.fold(0, |at, d| {
            let size = shape[d] as usize;
            at * size + i / strides[d] % size
        });
        // In row-major order whatever is reduced.
        terms[position].push(x);
    }
    let fold = |terms: &Vec<f64>| match node.op {
        Op::ReduceSum => {
            let mut s = [0.0; 8];
            terms.iter().enumerate().for_each(|(i, x)| s[i % 8] += x);
            ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
        }
        op => {
            let better = |x: f64, best: f64| match op {
                Op::ReduceMax => x > best || x.is_nan(),
                _ => x < best || x.is_nan(),
            };
            let begin = match op {
                Op::ReduceMax => f64::NEG_INFINITY,
                _ => f64::INFINITY,
            };
            let mut partial = [begin; 8];
            for (i, &x) in terms.iter().enumerate() {
                if better(x, partial[i % 8]) {
                    partial[i % 8] = x;
                }
            }
            let rest = partial[1..].iter();
            rest.fold(
                partial[0],
                |best, &x| if better(x, best) { x } else { best },
            )
        }
    };
    let all: Vec<f64> = terms.iter().map(fold).collect();
    tensor(node.ty, &all)
}

/// A program of one node.
fn alone(graph: &Graph, node: NodeRef<'_>, operands: &[&Tensor]) -> Result<Vec<Tensor>, Error> {
    let mut builder = GraphBuilder::new("node", Limits::default());
    let has_bodies = matches!(
        node.attributes,
        Attributes::Control(_) | Attributes::Derivative(_) | Attributes::Implicit(_)
    );
    if has_bodies {
        builder.functions(sources(graph))?;
    }
    let mut values = Vec::new();
    for (i, operand) in operands.iter().enumerate() {
        values.push(builder.input(i.to_string(), operand.ty().clone())?);
    }
    let first = builder.push(node.op, &values, node.attributes.clone(), "")?;
    for k in 0..u32::from(node.result_count) {
        let value = gradient_engine::ValueId(first.0 + k);
        builder.output(&k.to_string(), value)?;
    }
    let outputs = (0..u32::from(node.result_count)).collect();
    let request = Request {
        products: vec![Product::Value { outputs }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&builder.finish()?, &request)?;
    let arguments = Arguments {
        inputs: operands.iter().map(|t| t.as_ref()).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let mut blocks = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default())?;
    Ok(blocks
        .swap_remove(0)
        .into_iter()
        .map(|b| b.tensor)
        .collect())
}

/// Whether every contraction of a graph is small enough to be added up in the order of its elements, in lanes as well.
pub fn keeps_order(graph: &Graph) -> bool {
    let bodies = graph.functions().iter().map(|f| &f.body);
    let graphs = std::iter::once(graph).chain(bodies);
    let mut nodes = graphs.flat_map(|g| g.nodes().map(move |n| (g, n)));
    nodes.all(|(g, node)| match node.attributes {
        Attributes::DotGeneral(dims) => {
            let ty = |k: usize| g.arena().ty(node.operands[k]);
            multiply_adds(dims, ty(0), node.ty) < LARGE
        }
        _ => true,
    })
}

/// Of one element of the batch dimensions.
fn multiply_adds(dims: &DotDimensions, left: &TensorType, result: &TensorType) -> u64 {
    let sizes = |of: &[u32]| of.iter().map(|&d| left.shape[d as usize]).product::<u64>();
    let batch = sizes(&dims.lhs_batch).max(1);
    result.elements() / batch * sizes(&dims.lhs_contracting)
}
