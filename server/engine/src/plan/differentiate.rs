//! The derivative as a graph of its own, which can be registered, evaluated and differentiated again.

use super::{
    BlockSource, Derivation, Group, Options, Plan, Product, SeedSource, derive::derive_written,
};
use crate::error::Error;
use crate::graph::{Arena, Graph, Input, NodeId, Output};
use crate::op::{Attributes, Emit, Op, ValueId};
use crate::tensor::{Tensor, TensorType};
use crate::transform::{Workspace, settled};
use std::collections::HashMap;
use std::sync::Arc;

/// Directions that are written out one by one; beyond, a Jacobian is evaluated, not written.
const MAX_SWEEPS: u64 = 4096;

/// What all directions written out may take; a larger graph could hardly be sent.
const MAX_WRITTEN_BYTES: u64 = 64 << 20;

/// What a written node takes at least.
const BYTES_PER_NODE: u64 = 64;

const REPAIR: &str = "ask for the product with Evaluate, or for J·v, Jᵀ·c or H·v as a graph";

/// The derivative as a graph: inputs are the graph's, then the seeds. Directions are written out, so a
/// Jacobian's graph grows with its sweeps.
pub fn differentiate(
    graph: &Graph,
    product: &Product,
    options: &Options,
) -> Result<(Graph, Plan), Error> {
    let mut derivation = derive_written(graph, product, options)?;
    let derived = derivation.products.remove(0);
    let group = derived.group.map(|g| derivation.groups[g].clone());
    let lanes = group.as_ref().map_or(1, |g| g.lanes);
    if lanes > MAX_SWEEPS {
        return Err(Error::Limit {
            name: "max_graph_sweeps",
            value: MAX_SWEEPS,
            asked: lanes,
            repair: REPAIR.into(),
        });
    }
    let mut writer = Writer {
        inputs: graph
            .inputs()
            .iter()
            .zip(&derivation.inputs)
            .map(|(input, place)| Input {
                name: input.name.clone(),
                ty: input.ty.clone(),
                value: place.value,
            })
            .collect(),
        derivation,
    };
    let values: Vec<ValueId> = match &group {
        None => derived.blocks.iter().map(|b| writer.plain(b)).collect(),
        Some(group) => {
            writer.swept(group, &derived.blocks, &seed_names(graph, product), product)?
        }
    };
    let outputs = derived
        .blocks
        .iter()
        .zip(values)
        .map(|(block, value)| Output {
            name: block_name(graph, product, block),
            value,
        });
    let outputs = outputs.collect();
    let workspace = &mut writer.derivation.workspace;
    let derivative = extract(graph.name(), workspace, writer.inputs, outputs)?;
    Ok((derivative, derived.plan))
}

fn seed_names(graph: &Graph, product: &Product) -> Vec<String> {
    let of = |kind: &str, positions: &[u32], name: &dyn Fn(usize) -> String| -> Vec<String> {
        positions
            .iter()
            .map(|&i| format!("{kind}:{}", name(i as usize)))
            .collect()
    };
    let input = |i: usize| graph.inputs()[i].name.clone();
    let output = |o: usize| graph.outputs()[o].name.clone();
    match product {
        Product::Jvp { .. } => of("tangent", &graph.float_inputs(), &input),
        Product::Vjp { .. } => of("cotangent", &graph.float_outputs(), &output),
        Product::Hvp { wrt, .. } => of("vector", wrt, &input),
        _ => vec![],
    }
}

fn directions(product: &Product) -> u32 {
    match product {
        Product::Jvp { directions }
        | Product::Vjp { directions }
        | Product::Hvp { directions, .. } => *directions,
        _ => 0,
    }
}

fn block_name(graph: &Graph, product: &Product, block: &BlockSource) -> String {
    let output = |o: Option<u32>| o.map_or("", |o| &graph.outputs()[o as usize].name);
    let input = |i: Option<u32>| i.map_or("", |i| &graph.inputs()[i as usize].name);
    let (f, x, y) = (
        output(block.output),
        input(block.wrt),
        input(block.wrt_second),
    );
    match product {
        Product::Value { .. } => f.into(),
        Product::Gradient { .. } | Product::Jacobian { .. } => format!("d {f} / d {x}"),
        Product::Jvp { .. } => format!("d {f} · tangent"),
        Product::Vjp { .. } => format!("cotangent · d / d {x}"),
        Product::Hessian { .. } => format!("d2 {f} / d {x} d {y}"),
        Product::Hvp { .. } => format!("d2 {f} / d {x} · vector"),
    }
}

struct Writer {
    derivation: Derivation,
    inputs: Vec<Input>,
}

impl Writer {
    fn cx(&mut self) -> &mut Workspace {
        &mut self.derivation.workspace
    }

    /// A block that needs no lanes: a value, in the block's shape.
    fn plain(&mut self, block: &BlockSource) -> ValueId {
        match block.value {
            Some(value) => self.cx().emitter().reshape(value, &block.ty.shape),
            None => self.cx().emitter().full(&block.ty, 0.0),
        }
    }

    /// Blocks of a product with directions: everything that depends on one is written for each of them.
    fn swept(
        &mut self,
        group: &Group,
        blocks: &[BlockSource],
        names: &[String],
        product: &Product,
    ) -> Result<Vec<ValueId>, Error> {
        let roots: Vec<Option<ValueId>> = blocks.iter().map(|b| b.value).collect();
        let varying = varying(self.cx().arena(), &roots, group);
        self.admit(group, varying.len() as u64)?;
        let stacked = directions(product) > 0;
        let seeds: Vec<Option<ValueId>> = group
            .seeds
            .iter()
            .map(|s| self.seed_input(s, group, names, stacked))
            .collect();
        let mut lanes: Vec<Vec<Option<ValueId>>> = Vec::new();
        for lane in 0..group.lanes {
            let mut replaced = HashMap::new();
            for (seed, input) in group.seeds.iter().zip(&seeds) {
                let ty = self.cx().arena().ty(seed.parameter).clone();
                let value = match (&seed.source, input) {
                    (SeedSource::Unit { offset }, _) => self.unit(&ty, lane.checked_sub(*offset)),
                    (_, Some(input)) if stacked => self.lane_of(*input, &ty, lane),
                    (_, Some(input)) => *input,
                    (_, None) => seed.parameter,
                };
                replaced.insert(seed.parameter, value);
            }
            lanes.push(substitute(self.cx(), &roots, &varying, replaced));
        }
        let assembled = blocks.iter().enumerate().map(|(b, block)| {
            let first = block.first_lane as usize;
            // What does not matter has no lanes.
            let own = lanes.get(first..first + block.lanes as usize);
            let own = own.unwrap_or_default().iter().filter_map(|l| l[b]);
            self.assemble(block, &own.collect::<Vec<ValueId>>())
        });
        Ok(assembled.collect())
    }

    /// Refuses a graph that would be too large, before the first direction is written.
    fn admit(&self, group: &Group, nodes: u64) -> Result<(), Error> {
        let arena = self.derivation.workspace.arena();
        let units = group.seeds.iter().map(|seed| match &seed.source {
            SeedSource::Unit { .. } => arena.ty(seed.parameter).bytes(),
            SeedSource::Given { .. } | SeedSource::Colored { .. } => 0,
        });
        let lane = units.fold(nodes * BYTES_PER_NODE, u64::saturating_add);
        let asked = lane.saturating_mul(group.lanes);
        if asked <= MAX_WRITTEN_BYTES {
            return Ok(());
        }
        Err(Error::Limit {
            name: "max_graph_bytes",
            value: MAX_WRITTEN_BYTES,
            asked,
            repair: REPAIR.into(),
        })
    }

    /// The input that carries the client's directions.
    fn seed_input(
        &mut self,
        seed: &super::Seed,
        group: &Group,
        names: &[String],
        stacked: bool,
    ) -> Option<ValueId> {
        let SeedSource::Given { index } = seed.source.clone() else {
            return None;
        };
        let ty = self.cx().arena().ty(seed.parameter).clone();
        let (ty, value) = match stacked {
            false => (ty, seed.parameter),
            true => {
                let shape = std::iter::once(group.lanes).chain(ty.shape.iter().copied());
                let ty = TensorType::new(ty.dtype, shape.collect::<Vec<_>>());
                let value = self.cx().parameter(ty.clone());
                (ty, value)
            }
        };
        self.inputs.push(Input {
            name: names[index].clone(),
            ty,
            value,
        });
        Some(value)
    }

    /// The unit vector of an element; zeros where the lane belongs to another seed.
    fn unit(&mut self, ty: &TensorType, element: Option<u64>) -> ValueId {
        let Some(element) = element.filter(|&e| e < ty.elements()) else {
            return self.cx().emitter().full(ty, 0.0);
        };
        let one = Tensor::scalar(ty.dtype, 1.0).into_raw();
        let mut raw = vec![0; ty.bytes() as usize];
        let at = element as usize * one.len();
        raw[at..at + one.len()].copy_from_slice(&one);
        let tensor = Tensor::from_raw(ty.clone(), raw).expect("as many bytes as the type needs");
        self.cx()
            .emit(Op::Constant, &[], Attributes::Constant(Arc::new(tensor)))
    }

    /// One direction of a stack.
    fn lane_of(&mut self, stack: ValueId, ty: &TensorType, lane: u64) -> ValueId {
        let rank = ty.shape.rank() + 1;
        let mut starts = vec![0; rank];
        let mut limits: Vec<u64> = std::iter::once(lane + 1)
            .chain(ty.shape.iter().copied())
            .collect();
        starts[0] = lane;
        limits.truncate(rank);
        let strides = vec![];
        let slice = Attributes::Slice {
            starts,
            limits,
            strides,
        };
        let one = self.cx().emit(Op::Slice, &[stack], slice);
        self.cx().emitter().reshape(one, &ty.shape)
    }

    /// A block from the value in each of its lanes.
    fn assemble(&mut self, block: &BlockSource, lanes: &[ValueId]) -> ValueId {
        if block.value.is_none() || lanes.is_empty() {
            return self.cx().emitter().full(&block.ty, 0.0);
        }
        let cx = self.derivation.workspace.emitter();
        let elements = cx.ty(lanes[0]).elements();
        let rows: Vec<ValueId> = lanes
            .iter()
            .map(|&v| cx.reshape(v, &[1, elements]))
            .collect();
        let mut matrix = match rows[..] {
            [row] => row,
            _ => cx.emit(
                Op::Concatenate,
                &rows,
                Attributes::Concatenate { dimension: 0 },
            ),
        };
        // Lanes are columns of the block where they step by one.
        if block.lane_stride == 1 && elements > 1 {
            matrix = cx.transpose(matrix, vec![1, 0]);
        }
        cx.reshape(matrix, &block.ty.shape)
    }
}

/// The nodes that roots need and that depend on a direction, in order.
fn varying(arena: &Arena, roots: &[Option<ValueId>], group: &Group) -> Vec<NodeId> {
    let needed = arena.needed(roots.iter().copied().flatten());
    let mut varies = vec![false; arena.len()];
    for seed in &group.seeds {
        varies[seed.parameter.index()] = true;
    }
    let nodes = (0..arena.node_count() as u32).map(NodeId);
    nodes
        .filter(|&n| {
            let node = arena.node(n);
            let result = node.result.index();
            let moves = needed[result] && node.operands.iter().any(|v| varies[v.index()]);
            node.results().for_each(|v| varies[v.index()] = moves);
            moves
        })
        .collect()
}

/// Writes the roots again with some parameters, and the nodes that vary with them, replaced; what does not
/// depend on them is shared.
fn substitute(
    cx: &mut Workspace,
    roots: &[Option<ValueId>],
    varying: &[NodeId],
    mut replaced: HashMap<ValueId, ValueId>,
) -> Vec<Option<ValueId>> {
    for &n in varying {
        let node = cx.arena().node(n);
        let operands: Vec<ValueId> = node
            .operands
            .iter()
            .map(|v| *replaced.get(v).unwrap_or(v))
            .collect();
        let (op, attributes, results) = (node.op, node.attributes.clone(), node.results());
        let values = cx.emit_all(op, &operands, attributes);
        replaced.extend(results.zip(values));
    }
    roots
        .iter()
        .map(|root| root.map(|v| *replaced.get(&v).unwrap_or(&v)))
        .collect()
}

/// The live part of a workspace as a graph: inputs first.
fn extract(
    name: &str,
    workspace: &mut Workspace,
    mut inputs: Vec<Input>,
    mut outputs: Vec<Output>,
) -> Result<Graph, Error> {
    let at: Vec<ValueId> = inputs.iter().map(|i| i.value).collect();
    let wanted: Vec<ValueId> = outputs.iter().map(|o| o.value).collect();
    let (arena, table) = workspace.parts();
    let settled = settled(table, arena, &at, &wanted)?;
    for (input, value) in inputs.iter_mut().zip(settled.inputs) {
        input.value = value;
    }
    for (output, value) in outputs.iter_mut().zip(settled.outputs) {
        output.value = value;
    }
    let graph = Graph::from_parts(name.into(), settled.arena, inputs, outputs, HashMap::new());
    Ok(graph.with_functions(settled.functions))
}
