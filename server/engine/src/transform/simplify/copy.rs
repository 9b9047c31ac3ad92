//! Graphs, bodies and parts of them written again.

use super::{Asked, Sharing, Workspace};
use crate::error::Error;
use crate::graph::{Arena, Graph, Step};
use crate::op::{Attributes, Emit, FunctionId, NonSmooth, Op, ValueId};
use crate::transform::functions::FunctionTable;
use crate::transform::roll::{rolled, rolled_graph};
use crate::transform::watch::{Reason, Watch};
use crate::transform::{InputPlace, Packing, derivative, implicit};

/// A gradient writes about five nodes for each of the function's.
const NODES_OF_DERIVATIVE: usize = 6;

fn inputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.inputs().iter().map(|i| i.value).collect()
}

fn outputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.outputs().iter().map(|o| o.value).collect()
}

impl Workspace {
    /// The live part of a graph, simplified. Gives the values of its inputs and outputs.
    pub fn of(graph: &Graph) -> (Self, Vec<ValueId>, Vec<ValueId>) {
        let (cx, inputs, outputs) = Self::checked(graph, NonSmooth::Standard, false, false, None);
        let inputs = inputs.iter().map(|input| input.value).collect();
        (cx, inputs, outputs)
    }

    /// The same with a choice of derivatives where there are none, watching for infinities and NaN, and, if it
    /// `rolls`, with repeated blocks as loops: what depends on what is not seen through these element by element. Where there are
    /// such loops, inputs are put together as `packing` says.
    pub fn checked(
        graph: &Graph,
        policy: NonSmooth,
        finite: bool,
        rolls: bool,
        packing: Option<&Packing>,
    ) -> (Self, Vec<InputPlace>, Vec<ValueId>) {
        let (inputs, outputs) = (inputs_of(graph), outputs_of(graph));
        let needed = graph.arena().needed(outputs.iter().copied());
        // Who looks at nodes wants the client's.
        let rolls = rolls && Watch::wanted(policy, finite).is_none();
        if rolls && let Some(rolled) = rolled_graph(graph, &needed, policy, packing) {
            return rolled;
        }
        let table = FunctionTable::new(graph.functions().clone(), policy, finite);
        let from = (graph.arena(), &needed[..]);
        let (cx, inputs, outputs) =
            Self::copy(from, &inputs, &outputs, (policy, finite), table, None);
        // What looks as before has as few runs.
        let is_new = || !cx.is_copy_of(from, &inputs_of(graph));
        let finds = rolls && is_new();
        let inputs = inputs.into_iter().map(InputPlace::whole).collect();
        match finds {
            true => rolled(cx, inputs, outputs, packing),
            false => (cx, inputs, outputs),
        }
    }

    /// Whether these are the needed nodes of another arena one by one, nothing simplified.
    fn is_copy_of(&self, (from, needed): (&Arena, &[bool]), inputs: &[ValueId]) -> bool {
        let count = from.steps().filter(|s| needed[s.result.index()]).count();
        if count != self.arena.node_count() {
            return false;
        }
        let mut to = vec![ValueId(u32::MAX); from.len()];
        for (input, value) in inputs.iter().zip(0..) {
            to[input.index()] = ValueId(value);
        }
        let mut copies = self.arena.steps();
        for step in from.steps().filter(|s| needed[s.result.index()]) {
            let operands = step.operands.iter().map(|v| to[v.index()]);
            let is_same = |copy: &Step<'_>| {
                (copy.op, copy.result_count) == (step.op, step.result_count)
                    && operands.eq(copy.operands.iter().copied())
            };
            let Some(copy) = copies.next().filter(is_same) else {
                return false;
            };
            for (there, here) in step.results().zip(copy.results()) {
                to[there.index()] = here;
            }
        }
        copies.next().is_none()
    }

    /// Nothing yet, where nothing is looked at, with room for a derivative of so many nodes.
    pub(in crate::transform) fn empty(
        policy: NonSmooth,
        table: FunctionTable,
        nodes: usize,
    ) -> Self {
        let room = nodes * NODES_OF_DERIVATIVE;
        Self {
            arena: Arena::with_capacity(room),
            sharing: Sharing::with_capacity(room),
            policy,
            table,
            ..Self::default()
        }
    }

    /// What is needed to write it again.
    pub(in crate::transform) fn into_rolling(self) -> (Arena, FunctionTable, NonSmooth) {
        (self.arena, self.table, self.policy)
    }

    /// The part of an arena that `outputs` need, simplified, and the values of parameters and outputs there.
    pub(in crate::transform) fn copy(
        (from, needed): (&Arena, &[bool]),
        inputs: &[ValueId],
        outputs: &[ValueId],
        (policy, finite): (NonSmooth, bool),
        table: FunctionTable,
        origins: Option<&[u32]>,
    ) -> (Self, Vec<ValueId>, Vec<ValueId>) {
        let room = needed.iter().filter(|&&n| n).count() * NODES_OF_DERIVATIVE;
        let mut workspace = Self {
            arena: Arena::with_capacity(room),
            sharing: Sharing::with_capacity(room),
            asked: Asked::default(),
            types: Vec::new(),
            policy,
            watch: Watch::wanted(policy, finite),
            lacking: None,
            table,
            trouble: None,
        };
        let parameters: Vec<ValueId> = inputs
            .iter()
            .map(|&input| workspace.parameter(from.ty(input).clone()))
            .collect();
        let outputs = workspace.write_part(from, inputs, &parameters, outputs, needed, origins);
        (workspace, parameters, outputs)
    }

    /// Writes the needed nodes of another arena, whose `inputs` are `given` here; gives its `outputs` here.
    fn write_part(
        &mut self,
        from: &Arena,
        inputs: &[ValueId],
        given: &[ValueId],
        outputs: &[ValueId],
        needed: &[bool],
        origins: Option<&[u32]>,
    ) -> Vec<ValueId> {
        let mut to = vec![ValueId(u32::MAX); from.len()];
        for (input, &value) in inputs.iter().zip(given) {
            to[input.index()] = value;
        }
        let mut operands = Vec::new();
        // Constants by number of their attributes.
        let mut constants: Vec<Option<ValueId>> = vec![None; from.all_attributes().len()];
        for step in from.steps().filter(|s| needed[s.result.index()]) {
            operands.clear();
            operands.extend(step.operands.iter().map(|v| to[v.index()]));
            self.write_for(origins.map_or(step.id.0, |all| all[step.id.0 as usize]));
            // Nearly every node of a large scalar graph ends here.
            if step.attributes == 0 && step.result_count == 1 {
                let value = self.emit_plain(step.op, &operands);
                to[step.result.index()] = value;
                self.watch(value, Reason::Value);
                continue;
            }
            let node = from.node(step.id);
            if node.op == Op::Constant {
                let known = &mut constants[step.attributes as usize];
                // An infinity that the client put there is no surprise: nobody watches it.
                to[node.result.index()] = match *known {
                    Some(value) => value,
                    None => {
                        let value = self.emit(node.op, &operands, node.attributes.clone());
                        *known.insert(value)
                    }
                };
                continue;
            }
            let attributes = node.attributes.clone();
            if let Attributes::Derivative(derivative) = &attributes {
                let results = derivative::written(self, derivative, &operands);
                for (result, value) in node.results().zip(results) {
                    to[result.index()] = value;
                }
                continue;
            }
            if let Attributes::Implicit(implicit) = &attributes {
                let value = implicit::written(self, implicit, &operands);
                to[node.result.index()] = value;
                self.watch(value, Reason::Value);
                continue;
            }
            if node.result_count == 1 {
                let value = self.emit(node.op, &operands, attributes);
                to[node.result.index()] = value;
                self.watch(value, Reason::Value);
                continue;
            }
            let results = self.emit_all(node.op, &operands, attributes);
            for (result, value) in node.results().zip(results) {
                to[result.index()] = value;
                self.watch(value, Reason::Value);
            }
        }
        outputs.iter().map(|o| to[o.index()]).collect()
    }

    /// The results of a function, its nodes written here.
    pub(in crate::transform) fn inlined(
        &mut self,
        function: FunctionId,
        arguments: &[ValueId],
    ) -> Result<Vec<ValueId>, Error> {
        let body = self.table.body(function)?;
        let needed = body.arena.needed(body.results.iter().copied());
        Ok(self.write_part(
            &body.arena,
            &body.parameters,
            arguments,
            &body.results,
            &needed,
            None,
        ))
    }
}
