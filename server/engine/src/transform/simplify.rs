use super::functions::FunctionTable;
use super::roll::{rolled, rolled_graph};
use super::views::side_by_side;
use super::watch::{Reason, Watch};
use super::{InputPlace, Packing, derivative, implicit};
use crate::error::Error;
use crate::graph::{Arena, Graph, Step, TypeId, slice_hash};
use crate::op::{
    Attributes, DotDimensions, Emit, FunctionId, NonSmooth, Op, ValueId, is_commutative,
};
use crate::tensor::{DType, Tensor, TensorType};
use hashbrown::{HashTable, hash_table::Entry};
use std::sync::Arc;

/// A gradient writes about five nodes for each of the function's.
const NODES_OF_DERIVATIVE: usize = 6;

fn inputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.inputs().iter().map(|i| i.value).collect()
}

fn outputs_of(graph: &Graph) -> Vec<ValueId> {
    graph.outputs().iter().map(|o| o.value).collect()
}

/// Whether two lists are the same; short ones are compared without a call.
#[inline(always)]
fn are_equal(a: &[ValueId], b: &[ValueId]) -> bool {
    match (a, b) {
        ([a], [b]) => a == b,
        ([a, c], [b, d]) => a == b && c == d,
        _ => a == b,
    }
}

fn single_rank(shape: &[u64]) -> Option<usize> {
    matches!(shape, [] | [1]).then_some(shape.len())
}

/// An arena that simplifies what is written to it: equal nodes are shared, constants folded, identities
/// dropped. No rule changes a bit of a result. Dead nodes stay; readers take what outputs need.
#[derive(Default)]
pub struct Workspace {
    pub(super) arena: Arena,
    sharing: HashTable<ValueId>,
    /// What each value is: asked for every operand of every node.
    kinds: Vec<Kind>,
    /// Scalar constants that rules asked for: the same few again and again.
    asked: Asked,
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

/// What a value is, as far as it may make nodes simpler that it is a scalar operand of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A floating-point scalar constant.
    Number,
    /// The result of a negation.
    Negative,
    Other,
}

/// The last scalar constants that rules asked for.
#[derive(Default)]
struct Asked {
    numbers: [Option<(DType, u64, ValueId)>; 8],
    next: usize,
}

impl Asked {
    fn find(&self, dtype: DType, bits: u64) -> Option<ValueId> {
        let known = self.numbers.iter().flatten();
        let mut same = known.filter(|&&(d, b, _)| d == dtype && b == bits);
        same.next().map(|&(.., value)| value)
    }

    fn keep(&mut self, dtype: DType, bits: u64, value: ValueId) {
        self.numbers[self.next % 8] = Some((dtype, bits, value));
        self.next += 1;
    }
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
    pub(super) fn empty(policy: NonSmooth, table: FunctionTable, nodes: usize) -> Self {
        let room = nodes * NODES_OF_DERIVATIVE;
        Self {
            arena: Arena::with_capacity(room),
            sharing: HashTable::with_capacity(room),
            kinds: Vec::with_capacity(room),
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
            sharing: HashTable::with_capacity(room),
            kinds: Vec::with_capacity(room),
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
        self.kinds.push(Kind::Other);
        self.arena.parameter(ty)
    }

    /// As what rules write to.
    pub fn emitter(&mut self) -> &mut dyn Emit {
        self
    }

    /// The number in a floating-point scalar constant.
    #[inline]
    pub(super) fn number(&self, value: ValueId) -> Option<f64> {
        if self.kinds[value.index()] != Kind::Number {
            return None;
        }
        match self.arena.producer(value)?.attributes {
            Attributes::Constant(tensor) => Some(tensor.element(0)),
            _ => None,
        }
    }

    /// What a value is the negative of.
    fn negated(&self, value: ValueId) -> Option<ValueId> {
        let node = self.arena.producer(value)?;
        (node.op == Op::Negate).then(|| node.operands[0])
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
                        Some(c) => {
                            if let Some(positive) = self.negated(kept) {
                                let dtype = self.arena.ty(constant).dtype;
                                let turned = self.emitter().scalar(dtype, -c);
                                return Some(self.emit_plain(Op::Multiply, &[positive, turned]));
                            }
                        }
                        None => {}
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
                if let Some((kept, _)) = other {
                    return Some(kept);
                }
                for (kept, other) in both.into_iter().rev() {
                    if let Some(taken_off) = self.negated(other) {
                        return Some(self.emit(Op::Subtract, &[kept, taken_off], Attributes::None));
                    }
                }
                if self.arena.ty(v[0]).shape.is_empty() {
                    return None;
                }
                self.turns(v)
            }
            Op::Subtract => {
                if let Some(added) = self.negated(v[1]) {
                    return Some(self.emit(Op::Add, &[v[0], added], Attributes::None));
                }
                let zero = self.number(v[1])?;
                (zero == 0.0 && zero.is_sign_positive() && keeps(v[0], v[1])).then_some(v[0])
            }
            Op::Divide => (self.number(v[1])? == 1.0 && keeps(v[0], v[1])).then_some(v[0]),
            Op::Negate => self.negated(v[0]),
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
        if !v.iter().all(|v| self.kinds[v.index()] == Kind::Number) {
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

    /// A node by element of floating-point scalars, where there is nothing to simplify: nearly every node of a large scalar
    /// graph. `None` where there may be.
    #[inline]
    fn of_scalars(&mut self, op: Op, operands: &[ValueId]) -> Option<ValueId> {
        op.elementwise()?;
        let ty = self.arena.type_id(*operands.first()?);
        if !self.arena.is_float_scalar(ty) {
            return None;
        }
        let (mut numbers, mut negatives, mut alike) = (0, 0, true);
        for &v in operands {
            let kind = self.kinds[v.index()];
            numbers += usize::from(kind == Kind::Number);
            negatives += usize::from(kind == Kind::Negative);
            alike &= self.arena.type_id(v) == ty;
        }
        let simpler = match op {
            Op::Negate => negatives > 0,
            // There are neutral elements, and negatives may be taken off instead of added.
            Op::Add | Op::Subtract => numbers + negatives > 0,
            Op::Multiply | Op::Divide => numbers > 0,
            _ => false,
        };
        (alike && !simpler && numbers < operands.len())
            .then(|| self.place(op, operands, 0, Some(ty)))
    }

    /// A node with attributes, of whatever kind.
    fn any(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        if let Some(results) = self.expanded(op, operands, &attributes) {
            return results[0];
        }
        if let Some(value) = self.identity(op, operands, &attributes) {
            return value;
        }
        let attributes = self.arena.intern_attributes(attributes);
        self.place(op, operands, attributes, None)
    }

    /// A node without attributes, of whatever kind.
    fn any_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
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
                self.place(Op::Constant, &[], constant, None)
            }
            None => self.place(op, operands, 0, None),
        }
    }

    /// One number as a scalar (`rank` 0) or as a vector (1), where that is nothing simpler: large graphs take vectors apart
    /// and put them together element by element. `None` where it is something else.
    pub(super) fn single(&mut self, value: ValueId, rank: usize) -> Option<ValueId> {
        let own = self.single_rank(value)?;
        if own == rank {
            return Some(value);
        }
        let from = self.arena.producer_step(value).map(|step| step.op);
        if matches!(from, Some(Op::Reshape | Op::BroadcastInDim)) {
            return None;
        }
        let dtype = self.arena.ty(value).dtype;
        let attributes = self.arena.single_reshape(rank);
        let ty = self.arena.single_type(dtype, rank);
        Some(self.place(Op::Reshape, &[value], attributes, Some(ty)))
    }

    /// The rank of a scalar or a vector of one element.
    pub(super) fn single_rank(&self, value: ValueId) -> Option<usize> {
        single_rank(&self.arena.ty(value).shape)
    }

    /// Appends a node, or finds its equal. Attributes by number in the arena; its result's type, where it is known and it
    /// has one result.
    fn place(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: u32,
        ty: Option<TypeId>,
    ) -> ValueId {
        let ordered;
        let operands = match *operands {
            [a, b] if is_commutative(op) && a > b => {
                ordered = [b, a];
                &ordered[..]
            }
            _ => operands,
        };
        let hash = slice_hash(op, attributes, operands);
        let arena = &self.arena;
        let is_same = |&v: &ValueId| {
            arena.producer_step(v).is_some_and(|step| {
                step.op == op && step.attributes == attributes && are_equal(step.operands, operands)
            })
        };
        let hash_of = |&v: &ValueId| {
            let step = arena.producer_step(v);
            step.map_or(0, |step| {
                slice_hash(step.op, step.attributes, step.operands)
            })
        };
        // The next value is its first result.
        let next = ValueId(arena.len() as u32);
        match self.sharing.entry(hash, is_same, hash_of) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(place) => place.insert(next),
        };
        if let Some(ty) = ty {
            self.arena.push(op, operands, attributes, &[ty]);
            self.note_origin();
            self.kinds.push(match op {
                Op::Negate => Kind::Negative,
                _ => Kind::Other,
            });
            return next;
        }
        let mut types = std::mem::take(&mut self.types);
        self.arena
            .infer(op, operands, attributes, &mut types)
            .expect("valid graphs and rules write well-typed nodes");
        let value = self.arena.push(op, operands, attributes, &types);
        self.note_origin();
        let ty = self.arena.ty(value);
        let kind = match op {
            Op::Constant if ty.shape.is_empty() && ty.dtype.is_float() => Kind::Number,
            Op::Negate => Kind::Negative,
            _ => Kind::Other,
        };
        self.kinds.resize(self.kinds.len() + types.len(), kind);
        self.types = types;
        value
    }
}

impl Emit for Workspace {
    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        match &attributes {
            Attributes::None => return self.emit_plain(op, operands),
            Attributes::Reshape { shape } if op == Op::Reshape => {
                let rank = single_rank(shape);
                if let Some(value) = rank.and_then(|rank| self.single(operands[0], rank)) {
                    return value;
                }
            }
            _ => {}
        }
        self.any(op, operands, attributes)
    }

    fn emit_reshape(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        let rank = single_rank(shape);
        if let Some(value) = rank.and_then(|rank| self.single(value, rank)) {
            return value;
        }
        let shape = shape.to_vec();
        self.emit(Op::Reshape, &[value], Attributes::Reshape { shape })
    }

    fn emit_number(&mut self, dtype: DType, value: f64) -> ValueId {
        let bits = value.to_bits();
        if let Some(known) = self.asked.find(dtype, bits) {
            return known;
        }
        let constant = Attributes::Constant(Arc::new(Tensor::scalar(dtype, value)));
        let number = self.emit(Op::Constant, &[], constant);
        self.asked.keep(dtype, bits, number);
        number
    }

    fn emit_plain(&mut self, op: Op, operands: &[ValueId]) -> ValueId {
        match self.of_scalars(op, operands) {
            Some(value) => value,
            None => self.any_plain(op, operands),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters, their negatives, and numbers that are neutral somewhere: of both types, as scalars and vectors.
    fn values(cx: &mut Workspace) -> Vec<ValueId> {
        let mut values = Vec::new();
        for dtype in [DType::F64, DType::F32] {
            for shape in [&[][..], &[1], &[3]] {
                let x = cx.parameter(TensorType::new(dtype, shape));
                let negative = cx.any_plain(Op::Negate, &[x]);
                values.extend([x, negative]);
            }
            values.extend([1.0, -1.0, 0.0, -0.0, 2.5].map(|number| cx.scalar(dtype, number)));
        }
        values
    }

    /// What is written without a look at simplifications is what they would have left.
    #[test]
    fn short_ways_write_what_the_long_one_does() {
        let (mut short, mut long) = (Workspace::default(), Workspace::default());
        let all = values(&mut short);
        assert_eq!(all, values(&mut long));
        let ops = Op::ALL
            .iter()
            .filter_map(|&op| Some((op, op.elementwise()?.partials.len())));
        for (op, arity) in ops {
            for &a in &all {
                for &b in &all {
                    let operands = &[a, b, a][..arity];
                    let fits = operands.iter().all(|&v| {
                        let (one, other) = (long.arena.ty(v), long.arena.ty(a));
                        one.dtype == other.dtype
                            && (one.shape.is_empty()
                                || other.shape.is_empty()
                                || one.shape == other.shape)
                    });
                    if fits {
                        let (ours, theirs) =
                            (short.emit_plain(op, operands), long.any_plain(op, operands));
                        assert_eq!(ours, theirs, "{op:?} of {operands:?}");
                    }
                }
            }
        }
        let nodes = short.arena.node_count();
        for v in (0..short.arena.len() as u32).map(ValueId) {
            for shape in [vec![], vec![1]] {
                if short.arena.ty(v).elements() == 1 {
                    let reshape = Attributes::Reshape { shape };
                    let ours = short.emit(Op::Reshape, &[v], reshape.clone());
                    assert_eq!(ours, long.any(Op::Reshape, &[v], reshape));
                }
            }
        }
        assert!(short.arena.node_count() > nodes);
        let nodes = |cx: &Workspace| -> Vec<_> {
            let nodes = cx.arena.nodes();
            nodes
                .map(|n| {
                    (
                        n.op,
                        n.operands.to_vec(),
                        n.attributes.clone(),
                        n.ty.clone(),
                    )
                })
                .collect()
        };
        assert!(nodes(&short) == nodes(&long));
        assert_eq!(short.kinds, long.kinds);
    }
}
