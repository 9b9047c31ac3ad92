use super::functions::FunctionTable;
use super::roll::{rolled, rolled_graph};
use super::views::side_by_side;
use super::watch::{Reason, Watch};
use super::{InputPlace, Packing, derivative, implicit};
use crate::error::Error;
use crate::graph::{Arena, Graph, Step, TypeId, node_hash};
use crate::op::{
    Attributes, DotDimensions, Emit, FunctionId, NonSmooth, Op, ValueId, is_commutative,
};
use crate::tensor::{DType, Tensor, TensorType};
use hashbrown::HashTable;
use std::sync::Arc;

/// A gradient writes about five nodes for each of the function's.
const NODES_OF_DERIVATIVE: usize = 6;

fn inputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.inputs().iter().map(|i| i.value).collect()
}

fn outputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.outputs().iter().map(|o| o.value).collect()
}

/// An arena that simplifies what is written to it: equal nodes are shared, constants folded, identities
/// dropped. No rule changes a bit of a result. Dead nodes stay; readers take what outputs need.
#[derive(Default)]
pub struct Workspace {
    pub(super) arena: Arena,
    sharing: HashTable<ValueId>,
    /// Which values are floating-point scalar constants: asked for every operand of every node.
    numbers: Vec<bool>,
    /// Types of the node being written.
    types: Vec<TypeId>,
    policy: NonSmooth,
    pub(super) watch: Option<Box<Watch>>,
    lacking: Option<Op>,
    /// The functions that nodes run.
    pub table: FunctionTable,
    /// The first thing that went wrong where no result could say so.
    pub(super) trouble: Option<Error>,
}

impl Workspace {
    /// The first operation whose derivative was asked for and is not there.
    pub fn lacking(&self) -> Option<Op> {
        self.lacking
    }

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
        // Who looks at nodes wants the client's.
        let rolls = rolls && Watch::wanted(policy, finite).is_none();
        if rolls && let Some(rolled) = rolled_graph(graph, policy, packing) {
            return rolled;
        }
        let table = FunctionTable::new(graph.functions().clone(), policy, finite);
        let (cx, inputs, outputs) = Self::copy(
            graph.arena(),
            &inputs,
            &outputs,
            (policy, finite),
            table,
            None,
        );
        // What looks as before has as few runs.
        let is_new = || !cx.is_copy_of(graph.arena(), &inputs_of(graph), &outputs_of(graph));
        let finds = rolls && is_new();
        let inputs = inputs.into_iter().map(InputPlace::whole).collect();
        match finds {
            true => rolled(cx, inputs, outputs, packing),
            false => (cx, inputs, outputs),
        }
    }

    /// Whether these are the needed nodes of another arena one by one, nothing simplified.
    fn is_copy_of(&self, from: &Arena, inputs: &[ValueId], outputs: &[ValueId]) -> bool {
        let needed = from.needed(outputs.iter().copied());
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
    pub(super) fn empty(policy: NonSmooth, table: FunctionTable, nodes: usize) -> Self {
        let room = nodes * NODES_OF_DERIVATIVE;
        Self {
            arena: Arena::with_capacity(room),
            sharing: HashTable::with_capacity(room),
            numbers: Vec::with_capacity(room),
            policy,
            table,
            ..Self::default()
        }
    }

    /// What is needed to write it again.
    pub(super) fn into_rolling(self) -> (Arena, FunctionTable, NonSmooth) {
        (self.arena, self.table, self.policy)
    }

    /// The part of an arena that `outputs` need, simplified, and the values of parameters and outputs there.
    pub(super) fn copy(
        from: &Arena,
        inputs: &[ValueId],
        outputs: &[ValueId],
        (policy, finite): (NonSmooth, bool),
        table: FunctionTable,
        origins: Option<&[u32]>,
    ) -> (Self, Vec<ValueId>, Vec<ValueId>) {
        let needed = from.needed(outputs.iter().copied());
        let room = needed.iter().filter(|&&n| n).count() * NODES_OF_DERIVATIVE;
        let mut workspace = Self {
            arena: Arena::with_capacity(room),
            sharing: HashTable::with_capacity(room),
            numbers: Vec::with_capacity(room),
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
        let outputs = workspace.write_part(from, inputs, &parameters, outputs, &needed, origins);
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
        for node in from.nodes().filter(|n| needed[n.result.index()]) {
            operands.clear();
            operands.extend(node.operands.iter().map(|v| to[v.index()]));
            let attributes = node.attributes.clone();
            let id = node.id.0;
            self.write_for(origins.map_or(id, |all| all[id as usize]));
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
                // An infinity that the client put there is no surprise.
                if node.op != Op::Constant {
                    self.watch(value, Reason::Value);
                }
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
    pub(super) fn inlined(
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

    /// Zeros of a value's type.
    pub(super) fn zeros_like(&mut self, value: ValueId) -> ValueId {
        let ty = self.arena.ty(value).clone();
        self.emitter().full(&ty, 0.0)
    }

    /// The values and the functions.
    pub fn into_parts(self) -> (Arena, FunctionTable) {
        (self.arena, self.table)
    }

    /// The values and the functions, to lower.
    pub fn parts(&mut self) -> (&Arena, &mut FunctionTable) {
        (&self.arena, &mut self.table)
    }

    /// What went wrong where no result could say so.
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// What was written.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// A new parameter.
    pub fn parameter(&mut self, ty: TensorType) -> ValueId {
        self.numbers.push(false);
        self.arena.parameter(ty)
    }

    /// As what rules write to.
    pub fn emitter(&mut self) -> &mut dyn Emit {
        self
    }

    /// The number in a floating-point scalar constant.
    #[inline]
    pub(super) fn number(&self, value: ValueId) -> Option<f64> {
        if !self.numbers[value.index()] {
            return None;
        }
        match self.arena.producer(value)?.attributes {
            Attributes::Constant(tensor) => Some(tensor.element(0)),
            _ => None,
        }
    }

    /// A value that equals the node bit for bit and is there already or is simpler.
    fn identity(&mut self, op: Op, v: &[ValueId], attributes: &Attributes) -> Option<ValueId> {
        if let Some(value) = self.before_repeating(op, v, attributes) {
            return Some(value);
        }
        let same_type = |a: ValueId, b: ValueId| self.arena.type_id(a) == self.arena.type_id(b);
        // The other operand, if it alone decides the result's type.
        let keeps = |kept: ValueId, dropped: ValueId| {
            same_type(kept, dropped) || self.arena.ty(dropped).shape.is_empty()
        };
        match op {
            Op::Multiply => {
                for (kept, constant) in [(v[0], v[1]), (v[1], v[0])] {
                    match self.number(constant) {
                        Some(1.0) if keeps(kept, constant) => return Some(kept),
                        Some(-1.0) if keeps(kept, constant) => {
                            return Some(self.emit(Op::Negate, &[kept], Attributes::None));
                        }
                        _ => {}
                    }
                }
                None
            }
            // -0 is the neutral element: -0 + 0 is +0.
            Op::Add => {
                let both = [(v[0], v[1]), (v[1], v[0])];
                let nothing = |constant: ValueId| {
                    self.number(constant)
                        .is_some_and(|c| c == 0.0 && c.is_sign_negative())
                };
                let other = (both.into_iter())
                    .find(|&(kept, constant)| nothing(constant) && keeps(kept, constant));
                match other {
                    Some((kept, _)) => Some(kept),
                    None if self.arena.ty(v[0]).shape.is_empty() => None,
                    None => self.turns(v),
                }
            }
            Op::Subtract => {
                let zero = self.number(v[1])?;
                (zero == 0.0 && zero.is_sign_positive() && keeps(v[0], v[1])).then_some(v[0])
            }
            Op::Divide => (self.number(v[1])? == 1.0 && keeps(v[0], v[1])).then_some(v[0]),
            Op::Negate => {
                let inner = self.arena.producer(v[0])?;
                (inner.op == Op::Negate).then(|| inner.operands[0])
            }
            Op::Convert => match attributes {
                Attributes::Convert { dtype } => {
                    (self.arena.ty(v[0]).dtype == *dtype).then_some(v[0])
                }
                _ => None,
            },
            Op::Reshape | Op::BroadcastInDim => {
                let (Attributes::Reshape { shape } | Attributes::BroadcastInDim { shape, .. }) =
                    attributes
                else {
                    return None;
                };
                if *self.arena.ty(v[0]).shape == **shape {
                    return Some(v[0]);
                }
                let inner = self.arena.producer(v[0])?;
                let through =
                    (op == Op::Reshape && inner.op == Op::Reshape).then(|| inner.operands[0])?;
                Some(self.emit(op, &[through], attributes.clone()))
            }
            Op::Slice => {
                let Attributes::Slice {
                    starts,
                    limits,
                    strides,
                } = attributes
                else {
                    return None;
                };
                let shape = &self.arena.ty(v[0]).shape;
                let all = starts.iter().all(|&start| start == 0)
                    && strides.iter().all(|&stride| stride == 1)
                    && limits[..] == shape[..];
                all.then_some(v[0])
            }
            Op::Concatenate => {
                let Attributes::Concatenate { dimension } = *attributes else {
                    return None;
                };
                let part = side_by_side(&self.arena, v, dimension)?;
                let sizes = v
                    .iter()
                    .map(|&v| self.arena.ty(v).shape[dimension as usize]);
                let mut shape = self.arena.ty(v[0]).shape.to_vec();
                shape[dimension as usize] = sizes.sum();
                let slice = self.emit(Op::Slice, &[part.of], part.slice());
                Some(self.emit(Op::Reshape, &[slice], Attributes::Reshape { shape }))
            }
            Op::Cumsum => self.sum_of_one(v[0], attributes),
            Op::Transpose => {
                let Attributes::Transpose { permutation } = attributes else {
                    return None;
                };
                if permutation.iter().enumerate().all(|(i, &p)| i as u32 == p) {
                    return Some(v[0]);
                }
                let inner = self.arena.producer(v[0])?;
                if let Attributes::DotGeneral(dot) = inner.attributes {
                    let swapped = self.swapped(dot, inner.operands, permutation)?;
                    let operands = [inner.operands[1], inner.operands[0]];
                    return Some(self.emit(Op::DotGeneral, &operands, swapped));
                }
                let Attributes::Transpose { permutation: first } = inner.attributes else {
                    return None;
                };
                let permutation = permutation.iter().map(|&p| first[p as usize]).collect();
                let operand = inner.operands[0];
                Some(self.emit(op, &[operand], Attributes::Transpose { permutation }))
            }
            _ => None,
        }
    }

    /// The product of the same factors the other way round, if that is its permutation: dimensions of the result are those
    /// of the batch, then each factor's own.
    fn swapped(
        &self,
        dot: &DotDimensions,
        factors: &[ValueId],
        permutation: &[u32],
    ) -> Option<Attributes> {
        let batch = dot.lhs_batch.len();
        let own = |k: usize, contracting: &[u32]| {
            self.arena.ty(factors[k]).shape.rank() - batch - contracting.len()
        };
        let (left, right) = (own(0, &dot.lhs_contracting), own(1, &dot.rhs_contracting));
        let begin = batch + left;
        let order = (0..batch).chain(begin..begin + right).chain(batch..begin);
        let is_it = permutation.iter().map(|&d| d as usize).eq(order);
        is_it.then(|| {
            Attributes::DotGeneral(DotDimensions {
                lhs_contracting: dot.rhs_contracting.clone(),
                rhs_contracting: dot.lhs_contracting.clone(),
                lhs_batch: dot.rhs_batch.clone(),
                rhs_batch: dot.lhs_batch.clone(),
            })
        })
    }

    /// The constant that an operation on scalar constants gives.
    fn fold(&self, op: Op, v: &[ValueId]) -> Option<Tensor> {
        if !v.iter().all(|v| self.numbers[v.index()]) {
            return None;
        }
        op.elementwise()?;
        let value = match *v {
            [a] => op.value1(self.number(a)?),
            [a, b] => op.value2(self.number(a)?, self.number(b)?),
            [a, b, c] => op.value3(self.number(a)?, self.number(b)?, self.number(c)?),
            _ => return None,
        };
        // The node that gives an infinity must be there to be named.
        if self.watches_finite() && !value.is_finite() {
            return None;
        }
        Some(Tensor::scalar(self.arena.ty(v[0]).dtype, value))
    }
}

impl Workspace {
    /// The results of a composite operation, written in simpler ones; `None` for any other.
    #[inline]
    fn expanded(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: &Attributes,
    ) -> Option<Vec<ValueId>> {
        let composite = op.composite()?;
        Some((composite.expand)(self, op, attributes, operands))
    }

    /// Appends a node, or finds its equal. Attributes by number in the arena.
    fn place(&mut self, op: Op, operands: &[ValueId], attributes: u32) -> ValueId {
        let mut ordered;
        let operands = match operands {
            [a, b] if is_commutative(op) && a > b => {
                ordered = [*b, *a];
                &mut ordered[..]
            }
            _ => operands,
        };
        let hash = node_hash(op, attributes, operands.iter().map(|v| v.0));
        let arena = &self.arena;
        let found = self.sharing.find(hash, |&v| {
            arena.producer_step(v).is_some_and(|step| {
                step.op == op && step.attributes == attributes && step.operands.iter().eq(operands)
            })
        });
        if let Some(&value) = found {
            return value;
        }
        let mut types = std::mem::take(&mut self.types);
        self.arena
            .infer(op, operands, attributes, &mut types)
            .expect("valid graphs and rules write well-typed nodes");
        let value = self.arena.push(op, operands, attributes, &types);
        self.note_origin();
        let ty = self.arena.ty(value);
        let is_number = op == Op::Constant && ty.shape.is_empty() && ty.dtype.is_float();
        self.numbers
            .resize(self.numbers.len() + types.len(), is_number);
        self.types = types;
        let arena = &self.arena;
        self.sharing.insert_unique(hash, value, |&v| {
            arena.producer_step(v).map_or(0, |step| {
                node_hash(step.op, step.attributes, step.operands.iter().map(|v| v.0))
            })
        });
        value
    }
}

impl Emit for Workspace {
    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        if attributes == Attributes::None {
            return self.emit_plain(op, operands);
        }
        if let Some(results) = self.expanded(op, operands, &attributes) {
            return results[0];
        }
        if let Some(value) = self.identity(op, operands, &attributes) {
            return value;
        }
        let attributes = self.arena.intern_attributes(attributes);
        self.place(op, operands, attributes)
    }

    fn emit_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        if let Some(results) = self.expanded(op, operands, &Attributes::None) {
            return results[0];
        }
        if let Some(value) = self.identity(op, operands, &Attributes::None) {
            return value;
        }
        // Elementwise operations have no attributes, so only these can be folded.
        match self.fold(op, operands) {
            Some(tensor) => {
                let constant = Attributes::Constant(Arc::new(tensor));
                let constant = self.arena.intern_attributes(constant);
                self.place(Op::Constant, &[], constant)
            }
            None => self.place(op, operands, 0),
        }
    }

    fn emit_all(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> Vec<ValueId> {
        if let Some(results) = self.expanded(op, operands, &attributes) {
            return results;
        }
        let first = self.emit(op, operands, attributes);
        match self.arena.producer(first) {
            // An operation with several results is never simplified into another value.
            Some(node) if node.result == first => node.results().collect(),
            _ => vec![first],
        }
    }

    fn ty(&self, value: ValueId) -> &TensorType {
        self.arena.ty(value)
    }

    fn policy(&self) -> NonSmooth {
        self.policy
    }

    fn sum_of_cotangent(&mut self, ct: ValueId, axes: &[u32]) -> Option<ValueId> {
        self.product_of_sum(ct, axes)
    }

    fn refuse_where(&mut self, kink: ValueId) {
        self.watch(kink, Reason::Kink);
    }

    fn lacks_derivative_of(&mut self, op: Op) {
        self.lacking.get_or_insert(op);
    }
}

impl Workspace {
    /// A scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> ValueId {
        self.emitter().scalar(dtype, value)
    }
}
