//! Floor 2: graphs. A [`Graph`] that exists is valid; [`GraphBuilder`] is the only way to one.

mod arena;
mod builder;
mod callees;
mod canonical;
mod control;
mod dependence;
mod function;
mod interner;
mod listing;
mod memo;
mod statistics;

pub use arena::{Arena, NodeId, NodeRef, Step, TypeId};
pub use builder::{GraphBuilder, Limits, Violation};
pub use canonical::GraphId;
pub use control::{UNKNOWN_STEPS, control_cost, stacked};
pub use dependence::{Bits, Dependence};
pub use function::{Function, FunctionSource, NodeSource, Signature};
pub use interner::{Interner, mix, slice_hash};
pub use memo::Memo;
pub use statistics::Statistics;

use crate::op::ValueId;
use crate::tensor::TensorType;
use std::collections::HashMap;
use std::sync::Arc;

/// An argument of a graph.
#[derive(Clone, Debug)]
pub struct Input {
    /// Unique among the inputs.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// Its value.
    pub value: ValueId,
}

/// A result of a graph.
#[derive(Clone, Debug)]
pub struct Output {
    /// Unique among the outputs.
    pub name: String,
    /// Its value.
    pub value: ValueId,
}

/// A function from inputs to outputs: valid, topologically ordered, every type known.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    arena: Arena,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    labels: HashMap<NodeId, Box<str>>,
    functions: Arc<Vec<Function>>,
    memo: Memo,
}

impl Graph {
    /// A graph over an arena whose values the inputs and outputs name.
    pub(crate) fn from_parts(
        name: String,
        arena: Arena,
        inputs: Vec<Input>,
        outputs: Vec<Output>,
        labels: HashMap<NodeId, Box<str>>,
    ) -> Self {
        Self {
            name,
            arena,
            inputs,
            outputs,
            labels,
            functions: Arc::default(),
            memo: Memo::default(),
        }
    }

    /// The same with the functions that its nodes name.
    pub(crate) fn with_functions(self, functions: Arc<Vec<Function>>) -> Self {
        Self { functions, ..self }
    }

    /// The functions that its nodes run, by [`crate::op::FunctionId`].
    pub fn functions(&self) -> &Arc<Vec<Function>> {
        &self.functions
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its arguments.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Its results.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Type of an output.
    pub fn output_type(&self, i: usize) -> &TensorType {
        self.arena.ty(self.outputs[i].value)
    }

    /// Positions of the inputs that can be differentiated.
    pub fn float_inputs(&self) -> Vec<u32> {
        (0..self.inputs.len())
            .filter(|&i| self.inputs[i].ty.dtype.is_float())
            .map(|i| i as u32)
            .collect()
    }

    /// Positions of the outputs that can be differentiated.
    pub fn float_outputs(&self) -> Vec<u32> {
        (0..self.outputs.len())
            .filter(|&i| self.output_type(i).dtype.is_float())
            .map(|i| i as u32)
            .collect()
    }

    /// Its values and nodes.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Nodes in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeRef<'_>> {
        self.arena.nodes().map(|node| NodeRef {
            label: self.label(node.id),
            ..node
        })
    }

    /// The client's name of a node; empty if it has none.
    pub fn label(&self, node: NodeId) -> &str {
        self.labels.get(&node).map_or("", |label| label)
    }

    /// The same values under other outputs.
    pub(crate) fn with_outputs(&self, outputs: Vec<Output>) -> Self {
        Self {
            outputs,
            memo: Memo::default(),
            ..self.clone()
        }
    }

    /// What was found out about it.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Bytes of memory it holds.
    pub fn bytes(&self) -> u64 {
        let functions = self.functions.iter().map(|f| f.body.bytes());
        self.arena.bytes() + self.labels.len() as u64 * 64 + functions.sum::<u64>()
    }
}
