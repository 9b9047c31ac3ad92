use super::Interner;
use crate::op::{Attributes, Elementwise, Emit, Infer, Op, Problem, ValueId, infer_elementwise};
use crate::tensor::{DType, TensorType};

/// A node's position in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(pub u32);

/// A type's number in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TypeId(u32);

impl TypeId {
    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

const NO_NODE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    op: Op,
    results: u16,
    attributes: u32,
    /// Where the operands begin; they end where the next node's begin.
    operands: u32,
    /// The first result; the others follow it.
    result: ValueId,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    ty: TypeId,
    /// The node whose result it is, or [`NO_NODE`] for a parameter.
    node: u32,
}

/// Nodes and values in topological order, append only. About 32 bytes a node of two operands: types and
/// attributes are interned.
#[derive(Clone, Debug)]
pub struct Arena {
    nodes: Vec<Node>,
    operands: Vec<ValueId>,
    values: Vec<Value>,
    types: Interner<TensorType>,
    /// The scalar types that are there, as [`DType::ALL`]: nearly all that is asked for in a scalar graph.
    scalars: [Option<TypeId>; 4],
    /// Those of vectors of one element.
    singles: [Option<TypeId>; 4],
    attributes: Interner<Attributes>,
    /// Attributes of reshapes to a scalar and to a vector of one element, where they are there.
    reshapes: [Option<u32>; 2],
}

/// A node without its attributes and types: what a pass over all nodes takes to follow operands.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Its position.
    pub id: NodeId,
    /// Its operation.
    pub op: Op,
    /// Number of its attributes.
    pub attributes: u32,
    /// Its operands.
    pub operands: &'a [ValueId],
    /// Its first result; the others are numbered after it.
    pub result: ValueId,
    /// How many results it has.
    pub result_count: u16,
}

impl Step<'_> {
    /// Its results.
    #[inline(always)]
    pub fn results(&self) -> impl DoubleEndedIterator<Item = ValueId> + Clone + use<> {
        let first = self.result.0;
        (first..first + u32::from(self.result_count)).map(ValueId)
    }
}

/// A node as readers see it.
#[derive(Clone, Copy)]
pub struct NodeRef<'a> {
    /// Its position.
    pub id: NodeId,
    /// Its operation.
    pub op: Op,
    /// Its operands.
    pub operands: &'a [ValueId],
    /// Its attributes.
    pub attributes: &'a Attributes,
    /// Its first result; the others are numbered after it.
    pub result: ValueId,
    /// How many results it has.
    pub result_count: u16,
    /// Type of the first result.
    pub ty: &'a TensorType,
    /// The client's name for it; empty if it has none.
    pub label: &'a str,
}

impl NodeRef<'_> {
    /// Its results.
    #[inline(always)]
    pub fn results(&self) -> impl DoubleEndedIterator<Item = ValueId> + Clone + use<> {
        let first = self.result.0;
        (first..first + u32::from(self.result_count)).map(ValueId)
    }
}

impl Default for Arena {
    fn default() -> Self {
        let mut attributes = Interner::default();
        attributes.intern(Attributes::None);
        Self {
            nodes: Vec::new(),
            operands: Vec::new(),
            values: Vec::new(),
            types: Interner::default(),
            scalars: [None; 4],
            singles: [None; 4],
            attributes,
            reshapes: [None; 2],
        }
    }
}

impl Arena {
    /// An empty arena with room for that many nodes.
    pub fn with_capacity(nodes: usize) -> Self {
        let mut arena = Self::default();
        arena.nodes.reserve(nodes);
        arena.values.reserve(nodes);
        arena.operands.reserve(2 * nodes);
        arena
    }

    /// Makes room for so many attributes.
    pub fn expect_attributes(&mut self, count: usize) {
        self.attributes.reserve(count);
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// A new parameter.
    pub fn parameter(&mut self, ty: TensorType) -> ValueId {
        let ty = self.intern_type(ty);
        self.push_value(ty, NO_NODE)
    }

    #[inline(always)]
    fn push_value(&mut self, ty: TypeId, node: u32) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { ty, node });
        id
    }

    /// Number of an attribute, for [`Arena::push`].
    pub fn intern_attributes(&mut self, attributes: Attributes) -> u32 {
        match &attributes {
            Attributes::None => 0,
            Attributes::Reshape { shape } if matches!(shape[..], [] | [1]) => {
                let rank = shape.len();
                let known = self.reshapes[rank];
                *self.reshapes[rank].insert(match known {
                    Some(known) => known,
                    None => self.attributes.intern(attributes),
                })
            }
            _ => self.attributes.intern(attributes),
        }
    }

    /// Number of a type, for [`Arena::push`].
    pub fn intern_type(&mut self, ty: TensorType) -> TypeId {
        let rank = ty.shape.rank();
        match ty.shape[..] {
            [] | [1] => self.single_type(ty.dtype, rank),
            _ => TypeId(self.types.intern(ty)),
        }
    }

    /// The type of scalars, or of vectors of one element.
    pub fn single_type(&mut self, dtype: DType, rank: usize) -> TypeId {
        let all = match rank {
            0 => &mut self.scalars,
            _ => &mut self.singles,
        };
        if let Some(known) = all[dtype as usize] {
            return known;
        }
        let shape = &[1][..rank.min(1)];
        *all[dtype as usize].insert(TypeId(self.types.intern(TensorType::new(dtype, shape))))
    }

    /// Number of the attributes of a reshape to a scalar, or to a vector of one element.
    pub fn single_reshape(&mut self, rank: usize) -> u32 {
        let rank = rank.min(1);
        if let Some(known) = self.reshapes[rank] {
            return known;
        }
        let shape = vec![1; rank];
        self.intern_attributes(Attributes::Reshape { shape })
    }

    /// Types of the results that a node would have (into `types`), or what is wrong with it. The operands exist
    /// and their number is right.
    pub fn infer(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: u32,
        types: &mut Vec<TypeId>,
    ) -> Result<(), Problem> {
        types.clear();
        if let Some(row) = op.elementwise() {
            let first = self.type_id(operands[0]);
            let dtype = self.types.get(first.0).dtype;
            // Nearly every node of a large scalar graph ends here.
            if operands[1..].iter().all(|&v| self.type_id(v) == first)
                && (dtype.is_float() || row.integer && dtype == DType::I64)
            {
                types.push(first);
                return Ok(());
            }
            let of: Vec<&TensorType> = operands.iter().map(|&v| self.ty(v)).collect();
            let ty = infer_elementwise(row, &of)?;
            types.push(self.intern_type(ty));
            return Ok(());
        }
        let Some(form) = op.form() else {
            return Err(Problem {
                place: crate::op::Place::Node,
                kind: crate::op::ViolationKind::Unimplemented,
                message: format!("{} is not implemented by this server yet", op.name()),
            });
        };
        let attributes = self.attributes.get(attributes);
        // One element of a vector: there may be one for each.
        if let Attributes::Slice {
            starts,
            limits,
            strides,
        } = attributes
            && op == Op::Slice
            && let (&[start], &[limit], []) = (&starts[..], &limits[..], &strides[..])
            && let ty = self.ty(operands[0])
            && let [elements] = ty.shape[..]
            && limit <= elements
            && limit.checked_sub(1) == Some(start)
        {
            let dtype = ty.dtype;
            types.push(self.single_type(dtype, 1));
            return Ok(());
        }
        let (one, all);
        let of: &[&TensorType] = match *operands {
            [operand] => {
                one = [self.ty(operand)];
                &one
            }
            _ => {
                all = operands.iter().map(|&v| self.ty(v)).collect::<Vec<_>>();
                &all
            }
        };
        match form.infer {
            Infer::One(infer) => {
                let ty = infer(op, attributes, of)?;
                types.push(self.intern_type(ty));
            }
            Infer::Many(infer) => {
                let inferred = infer(op, attributes, of)?;
                types.extend(inferred.into_iter().map(|ty| self.intern_type(ty)));
            }
        }
        Ok(())
    }

    /// Appends an elementwise node whose operands are there and have one type, which is the result's: nearly every node
    /// of a large scalar graph. `None`, and nothing is done, where it is another node or a wrong one.
    #[inline]
    pub fn push_alike(&mut self, op: Op, operands: &[ValueId]) -> Option<ValueId> {
        let row = op.elementwise()?;
        if operands.len() != row.partials.len() {
            return None;
        }
        // Whether they are there is asked for on the way.
        let ty = |v: &ValueId| Some(self.values.get(v.index())?.ty);
        let (first, others) = operands.split_first()?;
        let first = ty(first)?;
        let is_taken = |ty: TypeId| {
            let dtype = self.types.get(ty.0).dtype;
            dtype.is_float() || row.integer && dtype == DType::I64
        };
        let fits = others.iter().all(|v| ty(v) == Some(first))
            && (self.is_float_scalar(first) || is_taken(first));
        fits.then(|| self.push(op, operands, 0, &[first]))
    }

    /// Appends a node that takes one number out of a vector, or makes a scalar of one number: where a graph takes vectors
    /// apart, nearly every node is one by element or one of these. Gives the attributes back, and nothing is done, where it
    /// is another node or a wrong one.
    pub fn push_part(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: Attributes,
    ) -> Result<ValueId, Attributes> {
        let ty = match *operands {
            [operand] if operand.index() < self.len() => self.ty(operand),
            _ => return Err(attributes),
        };
        let (dtype, shape) = (ty.dtype, &ty.shape);
        let rank = match (op, &attributes) {
            (
                Op::Slice,
                Attributes::Slice {
                    starts,
                    limits,
                    strides,
                },
            ) => match (&starts[..], &limits[..], &strides[..], &shape[..]) {
                (&[start], &[limit], [], &[size])
                    if limit <= size && limit.checked_sub(1) == Some(start) =>
                {
                    1
                }
                _ => return Err(attributes),
            },
            (Op::Reshape, Attributes::Reshape { shape: to })
                if to.is_empty() && shape.elements() == 1 =>
            {
                0
            }
            _ => return Err(attributes),
        };
        let ty = self.single_type(dtype, rank);
        let attributes = self.intern_attributes(attributes);
        Ok(self.push(op, operands, attributes, &[ty]))
    }

    /// Appends a node of known result types and gives its first result.
    #[inline(always)]
    pub fn push(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: u32,
        types: &[TypeId],
    ) -> ValueId {
        let node = self.nodes.len() as u32;
        let result = ValueId(self.values.len() as u32);
        for &ty in types {
            self.push_value(ty, node);
        }
        self.nodes.push(Node {
            op,
            results: types.len() as u16,
            attributes,
            operands: self.operands.len() as u32,
            result,
        });
        // Copying two numbers takes less than a call to do so.
        match *operands {
            [a] => self.operands.push(a),
            [a, b] => self.operands.extend_from_slice(&[a, b]),
            _ => self.operands.extend_from_slice(operands),
        }
        result
    }

    /// The node whose result a value is; `None` for a parameter.
    #[inline(always)]
    pub fn producer(&self, value: ValueId) -> Option<NodeRef<'_>> {
        let node = self.values[value.index()].node;
        (node != NO_NODE).then(|| self.node(NodeId(node)))
    }

    /// A node.
    #[inline(always)]
    pub fn node(&self, id: NodeId) -> NodeRef<'_> {
        let node = self.nodes[id.0 as usize];
        let end = match self.nodes.get(id.0 as usize + 1) {
            Some(next) => next.operands as usize,
            None => self.operands.len(),
        };
        NodeRef {
            id,
            op: node.op,
            operands: &self.operands[node.operands as usize..end],
            attributes: self.attributes.get(node.attributes),
            result: node.result,
            result_count: node.results,
            ty: self.ty(node.result),
            label: "",
        }
    }

    /// Number of a node's attributes.
    #[inline(always)]
    pub fn attributes_id(&self, id: NodeId) -> u32 {
        self.nodes[id.0 as usize].attributes
    }

    /// Attributes by number.
    pub fn attributes(&self, id: u32) -> &Attributes {
        self.attributes.get(id)
    }

    /// All attributes that nodes have, each once.
    pub fn all_attributes(&self) -> &[Attributes] {
        self.attributes.items()
    }

    /// All types that values have, each once.
    pub fn all_types(&self) -> &[TensorType] {
        self.types.items()
    }

    /// Nodes in order.
    #[inline(always)]
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeRef<'_>> {
        (0..self.nodes.len() as u32).map(|i| self.node(NodeId(i)))
    }

    /// Type of a value.
    #[inline(always)]
    pub fn ty(&self, value: ValueId) -> &TensorType {
        self.types.get(self.type_id(value).0)
    }

    /// Number of a value's type.
    #[inline(always)]
    pub fn type_id(&self, value: ValueId) -> TypeId {
        self.values[value.index()].ty
    }

    /// Whether a type is that of floating-point scalars: nearly all values of a large scalar graph.
    #[inline(always)]
    pub fn is_float_scalar(&self, ty: TypeId) -> bool {
        let float = |dtype: DType| self.scalars[dtype as usize] == Some(ty);
        float(DType::F64) || float(DType::F32)
    }

    /// The row of a node whose operands and result are floating-point scalars of one type.
    #[inline(always)]
    pub fn of_scalars(&self, step: &Step<'_>) -> Option<&'static Elementwise> {
        // Operands that differ from the result come with another type.
        let ty = self.type_id(step.result);
        step.op.elementwise().filter(|_| self.is_float_scalar(ty))
    }

    /// A node without its attributes and types.
    #[inline(always)]
    pub fn step(&self, id: NodeId) -> Step<'_> {
        let node = self.nodes[id.0 as usize];
        Step {
            id,
            op: node.op,
            attributes: node.attributes,
            operands: self.operands(id),
            result: node.result,
            result_count: node.results,
        }
    }

    /// The node whose result a value is, without its attributes and types; `None` for a parameter.
    #[inline(always)]
    pub fn producer_step(&self, value: ValueId) -> Option<Step<'_>> {
        let node = self.values[value.index()].node;
        (node != NO_NODE).then(|| self.step(NodeId(node)))
    }

    /// A node's first result.
    #[inline(always)]
    pub fn first_result(&self, id: NodeId) -> ValueId {
        self.nodes[id.0 as usize].result
    }

    /// Whether a node has this operation, these attributes by number, and these operands.
    #[inline(always)]
    pub fn is_node(&self, id: NodeId, op: Op, attributes: u32, operands: &[ValueId]) -> bool {
        let node = &self.nodes[id.0 as usize];
        (node.op, node.attributes) == (op, attributes)
            && match (self.operands(id), operands) {
                // Short lists are compared without a call.
                ([a], [b]) => a == b,
                ([a, c], [b, d]) => a == b && c == d,
                (own, operands) => own == operands,
            }
    }

    /// A node's operands.
    #[inline(always)]
    pub fn operands(&self, id: NodeId) -> &[ValueId] {
        let begin = self.nodes[id.0 as usize].operands as usize;
        let end = match self.nodes.get(id.0 as usize + 1) {
            Some(next) => next.operands as usize,
            None => self.operands.len(),
        };
        &self.operands[begin..end]
    }

    /// Nodes in order, without their attributes and types.
    #[inline(always)]
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step<'_>> {
        (0..self.nodes.len() as u32).map(|i| self.step(NodeId(i)))
    }

    /// Whether a value is no node's result.
    #[inline(always)]
    pub fn is_parameter(&self, value: ValueId) -> bool {
        self.values[value.index()].node == NO_NODE
    }

    /// Marks the values that any of these depend on, themselves included; of a node that is needed, all results.
    pub fn needed(&self, roots: impl IntoIterator<Item = ValueId>) -> Vec<bool> {
        self.needed_each(roots, |_| {})
    }

    /// The same, looking at each node that is needed, the last one first.
    pub fn needed_each<'a>(
        &'a self,
        roots: impl IntoIterator<Item = ValueId>,
        mut look: impl FnMut(Step<'a>),
    ) -> Vec<bool> {
        let mut needed = vec![false; self.len()];
        let mut last = ValueId(0);
        for root in roots {
            needed[root.index()] = true;
            last = last.max(root);
        }
        // Nothing after the last root is needed.
        let nodes = self.nodes.partition_point(|node| node.result <= last);
        let mut end = match self.nodes.get(nodes) {
            Some(next) => next.operands as usize,
            None => self.operands.len(),
        };
        for (id, node) in self.nodes[..nodes].iter().enumerate().rev() {
            let begin = node.operands as usize;
            let operands = &self.operands[begin..end];
            end = begin;
            let first = node.result.index();
            if node.results == 1 {
                if !needed[first] {
                    continue;
                }
            } else {
                let results = &mut needed[first..first + usize::from(node.results)];
                if !results.contains(&true) {
                    continue;
                }
                results.fill(true);
            }
            for operand in operands {
                needed[operand.index()] = true;
            }
            look(Step {
                id: NodeId(id as u32),
                op: node.op,
                attributes: node.attributes,
                operands,
                result: node.result,
                result_count: node.results,
            });
        }
        needed
    }

    /// Bytes of memory it holds.
    pub fn bytes(&self) -> u64 {
        let constants: u64 = self
            .attributes
            .items()
            .iter()
            .map(|a| match a {
                Attributes::Constant(tensor) => tensor.ty().bytes() + 64,
                _ => 96,
            })
            .sum();
        (self.nodes.capacity() * size_of::<Node>()
            + self.values.capacity() * size_of::<Value>()
            + self.operands.capacity() * size_of::<ValueId>()) as u64
            + constants
    }
}

impl Arena {
    /// Appends a well-typed node; gives its first result and their number.
    fn append(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> (ValueId, u32) {
        let attributes = self.intern_attributes(attributes);
        let mut types = Vec::with_capacity(1);
        self.infer(op, operands, attributes, &mut types)
            .expect("rules write well-typed nodes");
        let first = self.push(op, operands, attributes, &types);
        (first, types.len() as u32)
    }
}

/// Rules may write straight into an arena, without simplification.
impl Emit for Arena {
    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        self.append(op, operands, attributes).0
    }

    fn emit_all(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> Vec<ValueId> {
        let (first, count) = self.append(op, operands, attributes);
        (0..count).map(|i| ValueId(first.0 + i)).collect()
    }

    fn ty(&self, value: ValueId) -> &TensorType {
        self.ty(value)
    }
}
