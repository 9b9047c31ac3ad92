//! Answers for the wire.

use super::{
    names::Signature,
    pattern::Patterns,
    tensor::{encode_dtype, encode_tensor, encode_type},
};
use crate::{cache::Found, store::Registered};
use bytes::Bytes;
use gradient_engine::{self as engine, HvpMode, Mode, Statistics};
use gradient_proto::v1 as pb;
use prost_types::Duration as WireDuration;
use std::time::Duration;

/// A duration; centuries are cut.
pub fn duration(duration: Duration) -> WireDuration {
    duration.try_into().unwrap_or(WireDuration {
        seconds: 315_576_000_000,
        nanos: 0,
    })
}

/// Results of an evaluation, blocks named by a signature, without plans.
pub fn results(
    all: Vec<engine::Results>,
    patterns: &Patterns,
    names: &Signature,
) -> Vec<pb::Result> {
    let block = |product: usize, b: usize, block: engine::Block| pb::Block {
        output: block.output.map_or("", |o| names.output(o)).to_owned(),
        wrt: block.wrt.map_or("", |i| names.input(i)).to_owned(),
        wrt_second: block.wrt_second.map_or("", |i| names.input(i)).to_owned(),
        data: Some(match &block.coordinates {
            None => pb::block::Data::Tensor(encode_tensor(block.tensor)),
            Some(at) => pb::block::Data::Sparse(patterns.place(product, b, at, block.tensor)),
        }),
    };
    let results = all.into_iter().enumerate();
    results
        .map(|(product, results)| pb::Result {
            blocks: match results {
                engine::Results::Blocks(blocks) => (blocks.into_iter().enumerate())
                    .map(|(b, of)| block(product, b, of))
                    .collect(),
                engine::Results::Numbers(numbers) => each(&numbers, names),
            },
            plan: None,
        })
        .collect()
}

/// A block for each number. All lie in one buffer.
fn each(numbers: &engine::Numbers, names: &Signature) -> Vec<pb::Block> {
    const BYTES: usize = size_of::<f64>();
    let raw = numbers.numbers().iter().flat_map(|x| x.to_le_bytes());
    let raw: Bytes = raw.collect::<Vec<u8>>().into();
    let all = numbers.names().iter().enumerate();
    all.map(|(i, name)| pb::Block {
        output: name.output.map_or("", |o| names.output(o)).to_owned(),
        wrt: name.wrt.map_or("", |i| names.input(i)).to_owned(),
        wrt_second: name.wrt_second.map_or("", |i| names.input(i)).to_owned(),
        data: Some(pb::block::Data::Tensor(pb::Tensor {
            dtype: encode_dtype(engine::DType::F64).into(),
            shape: vec![],
            data: Some(pb::tensor::Data::Raw(raw.slice(i * BYTES..(i + 1) * BYTES))),
        })),
    })
    .collect()
}

/// How a product is computed.
pub fn plan(plan: &engine::Plan) -> pb::Plan {
    let candidates = plan.candidates.iter();
    pb::Plan {
        mode: mode(plan.mode).into(),
        hvp_mode: hvp_mode(plan.hvp_mode).into(),
        sweeps: plan.sweeps,
        forward_colors: plan.forward_colors,
        reverse_colors: plan.reverse_colors,
        operations: plan.operations,
        bytes: plan.bytes,
        predicted: Some(duration(plan.predicted)),
        reason: plan.reason.clone(),
        candidates: candidates
            .map(|candidate| pb::Candidate {
                mode: mode(Some(candidate.mode)).into(),
                hvp_mode: hvp_mode(candidate.hvp_mode).into(),
                sweeps: candidate.sweeps,
                operations: candidate.operations,
            })
            .collect(),
        live_inputs: plan.live_inputs,
        live_outputs: plan.live_outputs,
    }
}

fn mode(mode: Option<Mode>) -> pb::Mode {
    match mode {
        None => pb::Mode::Unspecified,
        Some(Mode::Forward) => pb::Mode::Forward,
        Some(Mode::Reverse) => pb::Mode::Reverse,
        Some(Mode::Mixed) => pb::Mode::Mixed,
    }
}

fn hvp_mode(mode: Option<HvpMode>) -> pb::HvpMode {
    match mode {
        None => pb::HvpMode::Unspecified,
        Some(HvpMode::ReverseOverForward) => pb::HvpMode::ReverseOverForward,
        Some(HvpMode::ForwardOverReverse) => pb::HvpMode::ForwardOverReverse,
    }
}

/// Where a program came from.
pub fn found(found: Found) -> pb::Cache {
    match found {
        Found::Hit => pb::Cache::Hit,
        Found::Miss => pb::Cache::Miss,
        Found::Joined => pb::Cache::Joined,
    }
}

/// Statistics of a graph.
pub fn statistics(statistics: &Statistics) -> pb::GraphStatistics {
    let counts = statistics.op_counts.iter();
    pb::GraphStatistics {
        nodes: statistics.nodes,
        live_nodes: statistics.live_nodes,
        live_inputs: statistics.live_inputs,
        outputs: statistics.outputs,
        operations: statistics.operations,
        op_counts: counts
            .map(|&(op, count)| pb::OpCount {
                op: op.number() as i32,
                count,
            })
            .collect(),
        functions: statistics.functions,
        function_nodes: statistics.function_nodes,
    }
}

/// Signature and statistics of a graph.
pub fn description(graph: &Registered) -> pb::GetGraphResponse {
    let (engine, names) = (&graph.graph, graph.signature());
    let inputs = engine.inputs().iter().zip(names.inputs());
    let outputs = (0..).zip(names.outputs());
    pb::GetGraphResponse {
        graph_id: graph.text.to_string(),
        name: engine.name().to_owned(),
        inputs: inputs
            .map(|(input, name)| pb::Input {
                name: name.clone(),
                r#type: Some(encode_type(&input.ty)),
            })
            .collect(),
        outputs: outputs
            .map(|(index, name)| pb::OutputSignature {
                name: name.clone(),
                r#type: Some(encode_type(engine.output_type(index))),
            })
            .collect(),
        statistics: Some(statistics(&graph.statistics)),
        functions: engine.functions().iter().map(function).collect(),
        ..Default::default()
    }
}

fn function(function: &engine::Function) -> pb::FunctionSignature {
    let body = &function.body;
    let parameters = body.inputs().iter().map(|input| &input.ty);
    let results = (0..body.outputs().len()).map(|i| body.output_type(i));
    pb::FunctionSignature {
        name: function.name.clone(),
        parameters: parameters.map(encode_type).collect(),
        results: results.map(encode_type).collect(),
        nodes: body.arena().node_count() as u64,
    }
}

/// The op catalogue, by number.
pub fn ops() -> pb::ListOpsResponse {
    let mut ops: Vec<_> = engine::list_ops().into_iter().map(op).collect();
    ops.sort_by_key(|op| op.op);
    pb::ListOpsResponse { ops }
}

fn op(info: engine::OpInfo) -> pb::OpInfo {
    let dtypes = info.dtypes.iter();
    pb::OpInfo {
        op: info.op.number() as i32,
        name: info.name.to_string(),
        min_operands: info.min_operands,
        max_operands: info.max_operands.unwrap_or_default(),
        attribute: info.attribute.to_string(),
        dtypes: dtypes.map(|&dtype| encode_dtype(dtype).into()).collect(),
        domain: info.domain.to_string(),
        non_smooth: info.non_smooth.to_string(),
        cost: info.cost,
        linear: info.linear,
        implemented: info.implemented,
    }
}
