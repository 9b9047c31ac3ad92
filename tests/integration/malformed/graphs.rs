//! Graphs that are none.

use super::{Call, Case, MAX_NODES, cases};
use gradient_proto::v1 as pb;
use gradient_tests::wire::{
    constant, f64s, graph, node, node_with, raw_tensor, resident_tensor, sum, tensor, ty,
    values_tensor,
};
use pb::{Dtype, Op, TensorType, node::Attributes as A};

/// The inputs of most graphs here.
pub const X: u32 = 0;
pub const Y: u32 = 1;
const PREDICATE: u32 = 2;
pub const INDICES: u32 = 3;
const SINGLE: u32 = 4;
pub const MATRIX: u32 = 5;
/// The first node's result.
pub const FIRST: u32 = 6;

fn inputs() -> Vec<(&'static str, TensorType)> {
    vec![
        ("x", f64s(&[3])),
        ("y", f64s(&[])),
        ("predicate", ty(Dtype::Bool, &[3])),
        ("indices", ty(Dtype::I64, &[2, 1])),
        ("single", ty(Dtype::F32, &[3])),
        ("matrix", f64s(&[2, 3])),
    ]
}

pub fn nodes(nodes: Vec<pb::Node>) -> Call {
    let last = FIRST + nodes.len() as u32 - 1;
    Call::Register(Some(graph(&inputs(), nodes, &[("f", last)])))
}

fn plain(op: Op, operands: &[u32]) -> Call {
    nodes(vec![node(op, operands)])
}

pub fn with(op: Op, operands: &[u32], attributes: A) -> Call {
    nodes(vec![node_with(op, operands, attributes)])
}

fn numbered(op: i32) -> Call {
    nodes(vec![pb::Node {
        op,
        ..node(Op::Negate, &[X])
    }])
}

fn held(value: pb::Tensor) -> Call {
    nodes(vec![constant(value)])
}

fn input(ty: TensorType) -> Call {
    Call::Register(Some(graph(&[("x", ty)], vec![], &[("f", 0)])))
}

fn reduce(axes: &[u32]) -> A {
    A::Reduce(Box::new(pb::Reduce {
        axes: axes.to_vec(),
        keep_dims: false,
    }))
}

pub fn reshape(shape: &[u64]) -> A {
    A::Reshape(Box::new(pb::Reshape {
        shape: shape.to_vec(),
    }))
}

fn permutation(permutation: &[u32]) -> A {
    A::Transpose(Box::new(pb::Transpose {
        permutation: permutation.to_vec(),
    }))
}

fn broadcast(shape: &[u64], dimensions: &[u32]) -> A {
    let (shape, dimensions) = (shape.to_vec(), dimensions.to_vec());
    A::BroadcastInDim(Box::new(pb::BroadcastInDim { shape, dimensions }))
}

fn slice(starts: &[u64], limits: &[u64], strides: &[u64]) -> A {
    let (starts, limits, strides) = (starts.to_vec(), limits.to_vec(), strides.to_vec());
    A::Slice(Box::new(pb::Slice {
        starts,
        limits,
        strides,
    }))
}

fn pad(low: &[u64], high: &[u64], interior: &[u64]) -> A {
    let (low, high, interior) = (low.to_vec(), high.to_vec(), interior.to_vec());
    A::Pad(Box::new(pb::Pad {
        low,
        high,
        interior,
    }))
}

fn concatenate(dimension: u32) -> A {
    A::Concatenate(Box::new(pb::Concatenate { dimension }))
}

/// Contracting dimensions of both sides, then batch dimensions of both.
fn dot(contracting: [&[u32]; 2], batch: [&[u32]; 2]) -> A {
    A::DotGeneral(Box::new(pb::DotGeneral {
        lhs_contracting: contracting[0].to_vec(),
        rhs_contracting: contracting[1].to_vec(),
        lhs_batch: batch[0].to_vec(),
        rhs_batch: batch[1].to_vec(),
    }))
}

/// Rows of a matrix: for indices of shape [2, 1], a result of shape [2, 3].
fn rows() -> pb::Gather {
    pb::Gather {
        offset_dims: vec![1],
        collapsed_slice_dims: vec![0],
        start_index_map: vec![0],
        index_vector_dim: 1,
        slice_sizes: vec![1, 3],
        out_of_bounds: 0,
    }
}

fn gather(gather: pb::Gather) -> Call {
    with(Op::Gather, &[MATRIX, INDICES], A::Gather(Box::new(gather)))
}

/// Rows added to a matrix: the updates have shape [2, 3].
fn added_rows() -> pb::Scatter {
    pb::Scatter {
        update_window_dims: vec![1],
        inserted_window_dims: vec![0],
        scatter_dims_to_operand_dims: vec![0],
        index_vector_dim: 1,
        out_of_bounds: 0,
    }
}

fn scatter(operands: [u32; 3], scatter: pb::Scatter) -> Call {
    with(Op::ScatterAdd, &operands, A::Scatter(Box::new(scatter)))
}

fn compare(direction: i32) -> A {
    A::Compare(Box::new(pb::Compare { direction }))
}

fn convert(dtype: i32) -> A {
    A::Convert(Box::new(pb::Convert { dtype }))
}

fn iota(r#type: Option<TensorType>, dimension: u32) -> A {
    A::Iota(Box::new(pb::Iota { r#type, dimension }))
}

/// A graph of one input under these names of inputs and outputs.
fn named(inputs: &[&str], outputs: &[&str]) -> Call {
    let inputs: Vec<_> = inputs.iter().map(|&name| (name, f64s(&[]))).collect();
    let outputs: Vec<_> = outputs.iter().map(|&name| (name, 0)).collect();
    Call::Register(Some(graph(&inputs, vec![], &outputs)))
}

fn with_many_outputs(count: u32) -> Call {
    let mut graph = graph(&[("x", f64s(&[]))], vec![], &[]);
    let outputs = (0..count).map(|i| pb::Output {
        name: i.to_string(),
        value: 0,
    });
    graph.outputs = outputs.collect();
    Call::Register(Some(graph))
}

pub fn cases() -> Vec<Case> {
    let mut all = structure();
    all.extend(sizes());
    all.extend(attributes());
    all.extend(types());
    all.extend(constants());
    all
}

/// Values, operations, arity, names.
fn structure() -> Vec<Case> {
    let untyped = pb::Graph {
        inputs: vec![pb::Input {
            name: "x".into(),
            r#type: None,
        }],
        ..graph(&[], vec![], &[("f", 0)])
    };
    cases! {
        "no graph": Call::Register(None) => InvalidArgument at "graph", "set graph";
        "empty graph": Call::Register(Some(pb::Graph::default())) => InvalidArgument at "graph.outputs", "at least one output";
        "no outputs": named(&["x"], &[]) => InvalidArgument at "graph.outputs", "name the value you want";
        "output beyond": Call::Register(Some(graph(&inputs(), vec![], &[("f", FIRST)]))) => InvalidArgument at "graph.outputs[0].value", "values 0 to 5";
        "output of nothing": Call::Register(Some(graph(&[], vec![], &[("f", 0)]))) => InvalidArgument at "graph.outputs[0].value", "does not exist";
        "output far beyond": Call::Register(Some(graph(&inputs(), vec![], &[("f", u32::MAX)]))) => InvalidArgument at "graph.outputs[0].value", "does not exist";
        "duplicate input": named(&["x", "x"], &["f"]) => InvalidArgument at "graph.inputs[1].name", "names are unique";
        "nameless input": named(&[""], &["f"]) => InvalidArgument at "graph.inputs[0].name", "give one";
        "input named by position": named(&["#0"], &["f"]) => InvalidArgument at "graph.inputs[0].name", "kept for positions";
        "duplicate output": named(&["x"], &["f", "f"]) => InvalidArgument at "graph.outputs[1].name", "names are unique";
        "nameless output": named(&["x"], &["f", ""]) => InvalidArgument at "graph.outputs[1].name", "give one";
        "output named by position": named(&["x"], &["#f"]) => InvalidArgument at "graph.outputs[0].name", "kept for positions";
        "input without type": Call::Register(Some(untyped)) => InvalidArgument at "graph.inputs[0].type", "set its dtype and shape";
        "input of unspecified dtype": input(ty(Dtype::Unspecified, &[])) => InvalidArgument at "graph.inputs[0].type.dtype", "set DTYPE_F64";
        "input of unknown dtype": input(TensorType { dtype: 77, shape: vec![] }) => InvalidArgument at "graph.inputs[0].type.dtype", "unknown element type 77";

        "forward reference": nodes(vec![node(Op::Add, &[X, FIRST + 1]), node(Op::Negate, &[X])]) => InvalidArgument at "graph.nodes[0].operands[1]", "order nodes topologically";
        "self reference": plain(Op::Negate, &[FIRST]) => InvalidArgument at "graph.nodes[0].operands[0]", "does not exist yet";
        "operand beyond": plain(Op::Negate, &[99]) => InvalidArgument at "graph.nodes[0].operands[0]", "values 0 to 5";
        "operand far beyond": plain(Op::Select, &[PREDICATE, X, u32::MAX]) => InvalidArgument at "graph.nodes[0].operands[2]", "does not exist yet";
        "operand without any value": Call::Register(Some(graph(&[], vec![node(Op::Negate, &[0])], &[("f", 0)]))) => InvalidArgument at "graph.nodes[0].operands[0]", "does not exist yet";
        "violation in a later node": nodes(vec![node(Op::Negate, &[X]), node(Op::Add, &[FIRST, MATRIX])]) => InvalidArgument at "graph.nodes[1].operands", "node 1 (add)";
        "unary without operand": plain(Op::Negate, &[]) => InvalidArgument at "graph.nodes[0].operands", "takes 1 operand, 0 given";
        "unary with two": plain(Op::Exp, &[X, X]) => InvalidArgument at "graph.nodes[0].operands", "takes 1 operand, 2 given";
        "binary with one": plain(Op::Add, &[X]) => InvalidArgument at "graph.nodes[0].operands", "takes 2 operands, 1 given";
        "binary with three": plain(Op::Multiply, &[X, X, X]) => InvalidArgument at "graph.nodes[0].operands", "takes 2 operands, 3 given";
        "select with two": plain(Op::Select, &[PREDICATE, X]) => InvalidArgument at "graph.nodes[0].operands", "takes 3 operands, 2 given";
        "constant with an operand": nodes(vec![pb::Node { operands: vec![X], ..constant(tensor(&[], &[1.0])) }]) => InvalidArgument at "graph.nodes[0].operands", "takes 0 operands, 1 given";
        "concatenate of nothing": with(Op::Concatenate, &[], concatenate(0)) => InvalidArgument at "graph.nodes[0].operands", "at least 1 operand";
        "gather without indices": with(Op::Gather, &[MATRIX], A::Gather(Box::new(rows()))) => InvalidArgument at "graph.nodes[0].operands", "takes 2 operands, 1 given";

        "unspecified operation": numbered(0) => InvalidArgument at "graph.nodes[0].op", "set op";
        "unknown operation": numbered(9999) => InvalidArgument at "graph.nodes[0].op", "unknown operation 9999";
        "negative operation": numbered(-1) => InvalidArgument at "graph.nodes[0].op", "ListOps";
    }
}

/// Shapes that overflow or pass a limit.
fn sizes() -> Vec<Case> {
    let (huge, half) = (1 << 40, 1 << 28);
    let long = || node_with(Op::BroadcastInDim, &[Y], broadcast(&[half], &[]));
    let rank = [1; 17];
    let unit = |call: fn(u32) -> pb::Node, count: u64| nodes((0..count).map(|_| call(X)).collect());
    cases! {
        "overflowing input": input(f64s(&[1 << 32, 1 << 32])) => InvalidArgument at "graph.inputs[0].type", "overflows";
        "overflowing bytes": input(f64s(&[1 << 62])) => InvalidArgument at "graph.inputs[0].type", "overflows";
        "overflow behind a zero": input(f64s(&[0, u64::MAX, u64::MAX])) => InvalidArgument at "graph.inputs[0].type", "overflows";
        "huge input": input(f64s(&[1 << 30])) => ResourceExhausted at "graph.inputs[0].type", "max_elements";
        "input of rank 17": input(f64s(&rank)) => ResourceExhausted at "graph.inputs[0].type", "max_rank";
        "huge broadcast": with(Op::BroadcastInDim, &[Y], broadcast(&[huge], &[])) => ResourceExhausted at "graph.nodes[0]", "max_elements";
        "overflowing broadcast": with(Op::BroadcastInDim, &[Y], broadcast(&[u64::MAX, u64::MAX], &[])) => InvalidArgument at "graph.nodes[0]", "overflows";
        "broadcast to rank 17": with(Op::BroadcastInDim, &[Y], broadcast(&rank, &[])) => ResourceExhausted at "graph.nodes[0]", "max_rank";
        "reshape to rank 17": with(Op::Reshape, &[Y], reshape(&rank)) => ResourceExhausted at "graph.nodes[0]", "max_rank";
        "overflowing reshape": with(Op::Reshape, &[X], reshape(&[u64::MAX, 2])) => InvalidArgument at "graph.nodes[0].reshape.shape", "numbers must agree";
        "huge iota": with(Op::Iota, &[], iota(Some(f64s(&[huge])), 0)) => ResourceExhausted at "graph.nodes[0]", "max_elements";
        "overflowing iota": with(Op::Iota, &[], iota(Some(f64s(&[u64::MAX, 3])), 0)) => InvalidArgument at "graph.nodes[0]", "overflows";
        "huge pad": with(Op::Pad, &[X, Y], pad(&[0], &[huge], &[])) => ResourceExhausted at "graph.nodes[0]", "max_elements";
        "overflowing pad": with(Op::Pad, &[X, Y], pad(&[0], &[u64::MAX], &[])) => InvalidArgument at "graph.nodes[0].pad.high", "overflows";
        "overflowing interior": with(Op::Pad, &[X, Y], pad(&[0], &[0], &[u64::MAX])) => InvalidArgument at "graph.nodes[0].pad.high", "overflows";
        "huge concatenation": nodes(vec![long(), node_with(Op::Concatenate, &[FIRST, FIRST], concatenate(0))]) => ResourceExhausted at "graph.nodes[1]", "max_elements";
        "huge outer product": nodes(vec![long(), node_with(Op::DotGeneral, &[FIRST, FIRST], dot([&[], &[]], [&[], &[]]))]) => ResourceExhausted at "graph.nodes[1]", "max_elements";
        "huge constant in few bytes": held(raw_tensor(Dtype::F64, &[huge], vec![0; 8])) => InvalidArgument at "graph.nodes[0].constant.value.raw", "bytes, got 8";
        "overflowing constant": held(raw_tensor(Dtype::F64, &[u64::MAX, u64::MAX], vec![])) => InvalidArgument at "graph.nodes[0].constant.value.raw", "bytes, got 0";
        "constant of rank 17": held(raw_tensor(Dtype::F64, &rank, vec![0; 8])) => ResourceExhausted at "graph.nodes[0]", "max_rank";
        "too many nodes": unit(|x| node(Op::Negate, &[x]), MAX_NODES + 1) => ResourceExhausted at "graph.nodes", "max_nodes";
        "too many outputs": with_many_outputs(100_001) => ResourceExhausted at "graph.outputs", "max_signature";
    }
}

/// Attributes missing, of the wrong kind, or at odds with the operands' shapes.
fn attributes() -> Vec<Case> {
    let nothing = || node_with(Op::Slice, &[X], slice(&[0], &[0], &[]));
    let windows = pb::Gather::default();
    cases! {
        "missing attributes": plain(Op::Reshape, &[X]) => InvalidArgument at "graph.nodes[0]", "needs the attributes reshape";
        "attributes of another operation": with(Op::Reshape, &[X], slice(&[0], &[1], &[])) => InvalidArgument at "graph.nodes[0].slice", "needs the attributes reshape, not slice";
        "attributes too many": with(Op::Add, &[X, X], reduce(&[])) => InvalidArgument at "graph.nodes[0].reduce", "leave reduce out";

        "reduced twice": with(Op::ReduceSum, &[MATRIX], reduce(&[0, 1, 0])) => InvalidArgument at "graph.nodes[0].reduce.axes", "named twice";
        "reduced beyond": with(Op::ReduceSum, &[MATRIX], reduce(&[2])) => InvalidArgument at "graph.nodes[0].reduce.axes", "rank 2";
        "scalar reduced along": with(Op::ReduceMax, &[Y], reduce(&[0])) => InvalidArgument at "graph.nodes[0].reduce.axes", "rank 0";
        "maximum of nothing": nodes(vec![nothing(), node_with(Op::ReduceMax, &[FIRST], reduce(&[]))]) => InvalidArgument at "graph.nodes[1].operands[0]", "no elements";
        "minimum of nothing": nodes(vec![nothing(), node_with(Op::ReduceMin, &[FIRST], reduce(&[0]))]) => InvalidArgument at "graph.nodes[1].operands[0]", "no elements";
        "reshape to another count": with(Op::Reshape, &[MATRIX], reshape(&[4])) => InvalidArgument at "graph.nodes[0].reshape.shape", "has 4 elements";
        "short permutation": with(Op::Transpose, &[MATRIX], permutation(&[0])) => InvalidArgument at "graph.nodes[0].transpose.permutation", "one for each dimension";
        "permutation with a repeat": with(Op::Transpose, &[MATRIX], permutation(&[1, 1])) => InvalidArgument at "graph.nodes[0].transpose.permutation", "named twice";
        "permutation beyond": with(Op::Transpose, &[MATRIX], permutation(&[0, 2])) => InvalidArgument at "graph.nodes[0].transpose.permutation", "does not exist";
        "broadcast without dimensions": with(Op::BroadcastInDim, &[X], broadcast(&[2, 3], &[])) => InvalidArgument at "graph.nodes[0].broadcast_in_dim.dimensions", "one for each dimension";
        "broadcast beyond": with(Op::BroadcastInDim, &[X], broadcast(&[2, 3], &[2])) => InvalidArgument at "graph.nodes[0].broadcast_in_dim.dimensions", "rank 2";
        "broadcast out of order": with(Op::BroadcastInDim, &[MATRIX], broadcast(&[3, 2], &[1, 0])) => InvalidArgument at "graph.nodes[0].broadcast_in_dim.dimensions", "increase strictly";
        "broadcast of three to four": with(Op::BroadcastInDim, &[X], broadcast(&[4], &[0])) => InvalidArgument at "graph.nodes[0].broadcast_in_dim.shape", "only size 1 is stretched";
        "slice beyond": with(Op::Slice, &[X], slice(&[0], &[4], &[])) => InvalidArgument at "graph.nodes[0].slice.limits", "size 3";
        "slice backwards": with(Op::Slice, &[X], slice(&[3], &[1], &[])) => InvalidArgument at "graph.nodes[0].slice.starts", "beyond its limit";
        "stride zero": with(Op::Slice, &[X], slice(&[0], &[3], &[0])) => InvalidArgument at "graph.nodes[0].slice.strides", "use 1 or more";
        "slice without starts": with(Op::Slice, &[MATRIX], slice(&[0], &[1, 1], &[])) => InvalidArgument at "graph.nodes[0].slice.starts", "rank 2";
        "slice with too many strides": with(Op::Slice, &[X], slice(&[0], &[3], &[1, 1])) => InvalidArgument at "graph.nodes[0].slice.strides", "rank 1";
        "pad with a vector": with(Op::Pad, &[X, X], pad(&[0], &[0], &[])) => InvalidArgument at "graph.nodes[0].operands[1]", "give a scalar f64";
        "pad with another type": with(Op::Pad, &[SINGLE, Y], pad(&[0], &[0], &[])) => InvalidArgument at "graph.nodes[0].operands[1]", "give a scalar f32";
        "pad without low": with(Op::Pad, &[X, Y], pad(&[], &[0], &[])) => InvalidArgument at "graph.nodes[0].pad.low", "rank 1";
        "concatenate beyond": with(Op::Concatenate, &[X, X], concatenate(1)) => InvalidArgument at "graph.nodes[0].concatenate.dimension", "rank 1";
        "concatenate scalars": with(Op::Concatenate, &[Y, Y], concatenate(0)) => InvalidArgument at "graph.nodes[0].concatenate.dimension", "reshape scalars to [1]";
        "concatenate other sizes": with(Op::Concatenate, &[X, MATRIX], concatenate(0)) => InvalidArgument at "graph.nodes[0].operands[1]", "all other sizes must agree";
        "iota without type": with(Op::Iota, &[], iota(None, 0)) => InvalidArgument at "graph.nodes[0].iota.type", "set its dtype and shape";
        "iota of a scalar": with(Op::Iota, &[], iota(Some(f64s(&[])), 0)) => InvalidArgument at "graph.nodes[0].iota.dimension", "rank 0";
        "unspecified direction": with(Op::Compare, &[X, X], compare(0)) => InvalidArgument at "graph.nodes[0].compare.direction", "set EQ";
        "unknown direction": with(Op::Compare, &[X, X], compare(17)) => InvalidArgument at "graph.nodes[0].compare.direction", "unknown direction 17";

        "contracted beyond": with(Op::DotGeneral, &[X, X], dot([&[1], &[0]], [&[], &[]])) => InvalidArgument at "graph.nodes[0].dot_general.lhs_contracting", "rank 1";
        "contracted and batch": with(Op::DotGeneral, &[MATRIX, MATRIX], dot([&[1], &[1]], [&[0], &[1]])) => InvalidArgument at "graph.nodes[0].dot_general.rhs_batch", "named twice";
        "contracted against nothing": with(Op::DotGeneral, &[X, X], dot([&[0], &[]], [&[], &[]])) => InvalidArgument at "graph.nodes[0].dot_general.rhs_contracting", "they pair up";
        "contracted against another size": with(Op::DotGeneral, &[MATRIX, X], dot([&[0], &[0]], [&[], &[]])) => InvalidArgument at "graph.nodes[0].dot_general.rhs_contracting", "size 2";
        "left batch beyond": with(Op::DotGeneral, &[X, X], dot([&[], &[]], [&[1], &[0]])) => InvalidArgument at "graph.nodes[0].dot_general.lhs_batch", "rank 1";
        "batch of another size": with(Op::DotGeneral, &[MATRIX, X], dot([&[], &[]], [&[0], &[0]])) => InvalidArgument at "graph.nodes[0].dot_general.rhs_batch", "dimension 0 of the left has size 2";

        "gather with no dimensions": gather(windows) => InvalidArgument at "graph.nodes[0].gather.start_index_map", "components";
        "gather by floats": with(Op::Gather, &[MATRIX, X], A::Gather(Box::new(rows()))) => InvalidArgument at "graph.nodes[0].operands[1]", "convert to i64";
        "index vector beyond": gather(pb::Gather { index_vector_dim: 3, ..rows() }) => InvalidArgument at "graph.nodes[0].gather.index_vector_dim", "rank 2";
        "start beyond": gather(pb::Gather { start_index_map: vec![2], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.start_index_map", "rank 2";
        "starts of two components": gather(pb::Gather { start_index_map: vec![0, 1], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.start_index_map", "1 components";
        "window without sizes": gather(pb::Gather { slice_sizes: vec![], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.slice_sizes", "one for each dimension";
        "window too wide": gather(pb::Gather { slice_sizes: vec![1, 4], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.slice_sizes", "exceeds dimension 1";
        "collapsed window of two": gather(pb::Gather { slice_sizes: vec![2, 3], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.slice_sizes", "must be 1, not 2";
        "collapsed beyond": gather(pb::Gather { collapsed_slice_dims: vec![5], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.collapsed_slice_dims", "does not exist";
        "too few offsets": gather(pb::Gather { offset_dims: vec![], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.offset_dims", "not collapsed";
        "offset beyond": gather(pb::Gather { offset_dims: vec![2], ..rows() }) => InvalidArgument at "graph.nodes[0].gather.offset_dims", "result's rank 2";
        "unknown out_of_bounds": gather(pb::Gather { out_of_bounds: 9, ..rows() }) => InvalidArgument at "graph.nodes[0].gather.out_of_bounds", "set CLAMP or DROP";
        "updates of another shape": scatter([MATRIX, INDICES, X], pb::Scatter { update_window_dims: vec![0], ..added_rows() }) => InvalidArgument at "graph.nodes[0].operands[2]", "updates have shape";
        "updates of another type": scatter([MATRIX, INDICES, SINGLE], added_rows()) => InvalidArgument at "graph.nodes[0].operands[2]", "updates are f32";
        "update window beyond": scatter([MATRIX, INDICES, MATRIX], pb::Scatter { update_window_dims: vec![2], ..added_rows() }) => InvalidArgument at "graph.nodes[0].scatter.update_window_dims", "rank 2";
        "scatter along beyond": scatter([MATRIX, INDICES, MATRIX], pb::Scatter { scatter_dims_to_operand_dims: vec![7], ..added_rows() }) => InvalidArgument at "graph.nodes[0].scatter.scatter_dims_to_operand_dims", "rank 2";
    }
}

/// Operands of the wrong element type, or of shapes that do not go together.
fn types() -> Vec<Case> {
    cases! {
        "two shapes": plain(Op::Add, &[X, MATRIX]) => InvalidArgument at "graph.nodes[0].operands", "insert broadcast_in_dim";
        "two types": plain(Op::Add, &[X, SINGLE]) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "bools added": plain(Op::Add, &[PREDICATE, PREDICATE]) => InvalidArgument at "graph.nodes[0].operands[0]", "operand is bool";
        "sine of integers": plain(Op::Sin, &[INDICES]) => InvalidArgument at "graph.nodes[0].operands[0]", "takes f64 or f32";
        "logic on floats": plain(Op::And, &[PREDICATE, X]) => InvalidArgument at "graph.nodes[0].operands[1]", "insert compare";
        "not of a float": plain(Op::Not, &[X]) => InvalidArgument at "graph.nodes[0].operands[0]", "insert compare";
        "is_finite of a bool": plain(Op::IsFinite, &[PREDICATE]) => InvalidArgument at "graph.nodes[0].operands[0]", "takes f64 or f32";
        "select by a float": plain(Op::Select, &[X, X, X]) => InvalidArgument at "graph.nodes[0].operands[0]", "give bool";
        "select of two types": plain(Op::Select, &[PREDICATE, X, SINGLE]) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "two types compared": with(Op::Compare, &[X, SINGLE], compare(1)) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "bools summed": nodes(vec![sum(PREDICATE)]) => InvalidArgument at "graph.nodes[0].operands[0]", "insert convert";
        "bools contracted": with(Op::DotGeneral, &[PREDICATE, PREDICATE], dot([&[0], &[0]], [&[], &[]])) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "two types contracted": with(Op::DotGeneral, &[X, SINGLE], dot([&[0], &[0]], [&[], &[]])) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "two types concatenated": with(Op::Concatenate, &[X, SINGLE], concatenate(0)) => InvalidArgument at "graph.nodes[0].operands", "insert convert";
        "bools scattered": scatter([PREDICATE, INDICES, PREDICATE], added_rows()) => InvalidArgument at "graph.nodes[0].operands[0]", "insert convert";
        "iota of bools": with(Op::Iota, &[], iota(Some(ty(Dtype::Bool, &[3])), 0)) => InvalidArgument at "graph.nodes[0].iota.type", "use i64";
        "convert to unspecified": with(Op::Convert, &[X], convert(0)) => InvalidArgument at "graph.nodes[0].convert.dtype", "set DTYPE_F64";
        "convert to unknown": with(Op::Convert, &[X], convert(12)) => InvalidArgument at "graph.nodes[0].convert.dtype", "unknown element type 12";
    }
}

/// Tensors fixed in a graph.
fn constants() -> Vec<Case> {
    let absent = A::Constant(Box::new(pb::Constant { value: None }));
    let no_data = pb::Tensor {
        data: None,
        ..tensor(&[], &[])
    };
    let unknown = "0".repeat(64);
    cases! {
        "constant without value": with(Op::Constant, &[], absent) => InvalidArgument at "graph.nodes[0].constant.value", "set a tensor";
        "constant without data": held(no_data) => InvalidArgument at "graph.nodes[0].constant.value", "set raw, values or tensor_id";
        "constant without dtype": held(raw_tensor(Dtype::Unspecified, &[], vec![0; 8])) => InvalidArgument at "graph.nodes[0].constant.value.dtype", "set DTYPE_F64";
        "constant a byte short": held(raw_tensor(Dtype::F64, &[2], vec![0; 15])) => InvalidArgument at "graph.nodes[0].constant.value.raw", "16 bytes, got 15";
        "constant a byte long": held(raw_tensor(Dtype::F32, &[2], vec![0; 9])) => InvalidArgument at "graph.nodes[0].constant.value.raw", "8 bytes, got 9";
        "constant bool of two": held(raw_tensor(Dtype::Bool, &[2], vec![1, 2])) => InvalidArgument at "graph.nodes[0].constant.value.raw", "write 0 or 1";
        "constant a value short": held(values_tensor(Dtype::F64, &[2], &[1.0])) => InvalidArgument at "graph.nodes[0].constant.value.values", "2 values, got 1";
        "huge constant in few values": held(values_tensor(Dtype::F64, &[1 << 60], &[1.0])) => InvalidArgument at "graph.nodes[0].constant.value.values", "values, got 1";
        "half an integer": held(values_tensor(Dtype::I64, &[2], &[1.0, 0.5])) => InvalidArgument at "graph.nodes[0].constant.value.values", "element 1 is 0.5";
        "integer too large": held(values_tensor(Dtype::I64, &[], &[9.3e18])) => InvalidArgument at "graph.nodes[0].constant.value.values", "no i64 value";
        "NaN as an integer": held(values_tensor(Dtype::I64, &[], &[f64::NAN])) => InvalidArgument at "graph.nodes[0].constant.value.values", "no i64 value";
        "two as a bool": held(values_tensor(Dtype::Bool, &[], &[2.0])) => InvalidArgument at "graph.nodes[0].constant.value.values", "no bool value";
        "single beyond its range": held(values_tensor(Dtype::F32, &[], &[1e300])) => InvalidArgument at "graph.nodes[0].constant.value.values", "no f32 value";
        "constant never put": held(resident_tensor(&[2], &unknown)) => NotFound at "graph.nodes[0].constant.value.tensor_id", "TENSOR_NOT_PUT";
        "constant of a malformed id": held(resident_tensor(&[2], "../x")) => NotFound at "graph.nodes[0].constant.value.tensor_id", "TENSOR_NOT_PUT";
    }
}
