use super::control::{
    check_results, complete, complete_derivative, complete_implicit, control_cost, costs,
};
use super::{
    Arena, Function, FunctionSource, Graph, Input, NodeId, Output, Signature, TypeId, function,
};
use crate::op::{Attributes, Op, Place, Problem, ValueId, ViolationKind};
use crate::tensor::TensorType;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// What a graph may be. Checked before anything is allocated.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Nodes of a graph.
    pub max_nodes: u64,
    /// Elements of one tensor.
    pub max_elements: u64,
    /// Dimensions of one tensor.
    pub max_rank: u64,
    /// Inputs, and outputs, of a graph.
    pub max_signature: u64,
    /// Functions of a graph.
    pub max_functions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_nodes: 4_000_000,
            max_elements: 1 << 28,
            max_rank: 16,
            max_signature: 100_000,
            max_functions: 256,
        }
    }
}

/// Where in a graph a violation is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum At {
    Inputs,
    Outputs,
    Nodes,
    Input(usize, &'static str),
    Output(usize, &'static str),
    Functions,
    /// A field of a function.
    Field(&'static str),
    /// An entry of a list of a function.
    Entry(&'static str, usize),
    Node {
        node: usize,
        op: Op,
        label: String,
        place: Place,
        field: &'static str,
    },
}

/// What is wrong with a graph, where, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(Box<Wrong>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Wrong {
    /// The function that it is in, by position.
    function: Option<usize>,
    at: At,
    kind: ViolationKind,
    message: String,
}

impl Violation {
    fn new(at: At, kind: ViolationKind, message: String) -> Self {
        Self(Box::new(Wrong {
            function: None,
            at,
            kind,
            message,
        }))
    }

    fn invalid(at: At, message: impl Into<String>) -> Self {
        Self::new(at, ViolationKind::Invalid, message.into())
    }

    fn limit(at: At, name: &'static str, value: u64, asked: u64, what: &str) -> Self {
        let message = format!("{what}: {asked} exceed {name} = {value}");
        Self::new(at, ViolationKind::Limit { name, value, asked }, message)
    }

    /// In a field of a function.
    pub(super) fn function(field: &'static str, message: String) -> Self {
        Self::invalid(At::Field(field), message)
    }

    pub(super) fn in_function(mut self, function: usize) -> Self {
        self.0.function.get_or_insert(function);
        self
    }

    pub(super) fn of_parameter(mut self, i: usize) -> Self {
        self.0.at = At::Entry("parameters", i);
        self
    }

    pub(super) fn of_result(mut self, i: usize) -> Self {
        self.0.at = At::Entry("results", i);
        self
    }

    /// Field path within the graph message: `nodes[17].operands[1]`.
    pub fn path(&self) -> String {
        match self.0.function {
            Some(f) => format!("functions[{f}].{}", self.path_within()),
            None => self.path_within(),
        }
    }

    fn path_within(&self) -> String {
        match &self.0.at {
            At::Functions => "functions".into(),
            At::Field(field) => (*field).into(),
            At::Entry(list, i) => format!("{list}[{i}]"),
            At::Inputs => "inputs".into(),
            At::Outputs => "outputs".into(),
            At::Nodes => "nodes".into(),
            At::Input(i, field) => format!("inputs[{i}].{field}"),
            At::Output(i, field) => format!("outputs[{i}].{field}"),
            At::Node {
                node, place, field, ..
            } => match place {
                Place::Node => format!("nodes[{node}]"),
                Place::Operands => format!("nodes[{node}].operands"),
                Place::Operand(i) => format!("nodes[{node}].operands[{i}]"),
                Place::Attribute("") => format!("nodes[{node}].{field}"),
                Place::Attribute(name) => format!("nodes[{node}].{field}.{name}"),
            },
        }
    }

    /// What kind it is.
    pub fn kind(&self) -> ViolationKind {
        self.0.kind
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let At::Node {
            node, op, label, ..
        } = &self.0.at
        {
            write!(f, "node {node} ({}", op.name())?;
            if !label.is_empty() {
                write!(f, " {label:?}")?;
            }
            f.write_str("): ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Violation {}

/// Builds a graph from the client's pieces, checking each. Values are numbered as on the wire: inputs first,
/// then each node's results.
pub struct GraphBuilder {
    name: String,
    limits: Limits,
    arena: Arena,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    input_names: Names,
    output_names: Names,
    labels: HashMap<NodeId, Box<str>>,
    functions: Arc<Vec<Function>>,
    /// Types and prices of the functions that nodes may run.
    signatures: Vec<Signature>,
    costs: Vec<u64>,
    /// Types of the node being added.
    types: Vec<TypeId>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str, limits: Limits) -> Self {
        Self::with_capacity(name, limits, 0)
    }

    /// An empty graph with room for that many nodes (bounded by the limit).
    pub fn with_capacity(name: &str, limits: Limits, nodes: usize) -> Self {
        let nodes = nodes.min(usize::try_from(limits.max_nodes).unwrap_or(usize::MAX));
        Self {
            name: name.into(),
            limits,
            arena: Arena::with_capacity(nodes),
            inputs: Vec::new(),
            outputs: Vec::new(),
            input_names: Names::default(),
            output_names: Names::default(),
            labels: HashMap::new(),
            functions: Arc::default(),
            signatures: Vec::new(),
            costs: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Makes room for so many inputs (bounded by the limit).
    pub fn expect_inputs(&mut self, inputs: usize) {
        let most = usize::try_from(self.limits.max_signature).unwrap_or(usize::MAX);
        let inputs = inputs.min(most);
        self.inputs.reserve(inputs);
        let name_of = |&i: &u32| {
            self.input_names
                .hasher
                .hash_one(&*self.inputs[i as usize].name)
        };
        self.input_names.table.reserve(inputs, name_of);
    }

    /// Makes room for the attributes of so many nodes, within reason: they may all be the same.
    pub fn expect_attributes(&mut self, nodes: usize) {
        const MOST: usize = 1 << 13;
        self.arena.expect_attributes(nodes.min(MOST));
    }

    /// Adds all functions that nodes run, before the first node. They may run one another, and themselves.
    pub fn functions(&mut self, sources: Vec<FunctionSource>) -> Result<(), Violation> {
        let count = sources.len() as u64;
        if count > self.limits.max_functions {
            let max = self.limits.max_functions;
            return Err(Violation::limit(
                At::Functions,
                "max_functions",
                max,
                count,
                "too many functions",
            ));
        }
        let mut names = Names::default();
        for (i, source) in sources.iter().enumerate() {
            let name_of = |j: usize| &*sources[j].name;
            let hash = (names.check(&source.name, name_of))
                .map_err(|m| Violation::function("name", m).in_function(i))?;
            names.take(hash, name_of);
        }
        let (functions, signatures) = function::build(sources, &self.limits)?;
        self.costs = costs(&functions);
        self.functions = Arc::new(functions);
        self.signatures = signatures;
        Ok(())
    }

    /// For a body: the signatures of its owner's functions.
    pub(super) fn know(&mut self, signatures: &[Signature]) {
        self.signatures = signatures.to_vec();
    }

    /// Types of a function that nodes may run.
    pub fn signature(&self, function: crate::op::FunctionId) -> Option<&Signature> {
        self.signatures.get(function.index())
    }

    /// Adds an input. All inputs come before the first node.
    pub fn input(&mut self, name: impl Into<String>, ty: TensorType) -> Result<ValueId, Violation> {
        let (i, name) = (self.inputs.len(), name.into());
        let at = |field| At::Input(i, field);
        let hash = (self.input_names)
            .check(&name, |j| &*self.inputs[j].name)
            .map_err(|m| Violation::invalid(at("name"), m))?;
        check_count(
            At::Inputs,
            "max_signature",
            self.limits.max_signature,
            i,
            "too many inputs",
        )?;
        if self.arena.node_count() > 0 {
            return Err(Violation::invalid(
                at("type"),
                "inputs come before the first node",
            ));
        }
        self.check_size(&ty, || at("type"))?;
        let value = self.arena.parameter(ty.clone());
        (self.input_names).take(hash, |j| &*self.inputs[j].name);
        self.inputs.push(Input { name, ty, value });
        Ok(value)
    }

    /// Adds a node by element whose operands have one type, and has neither attributes nor a label. `None`, and nothing is
    /// done, where [`GraphBuilder::push`] has to look at it.
    #[inline]
    pub fn push_alike(&mut self, op: Op, operands: &[ValueId]) -> Option<ValueId> {
        let is_room = (self.arena.node_count() as u64) < self.limits.max_nodes;
        is_room.then(|| self.arena.push_alike(op, operands))?
    }

    /// Adds a node and gives its first result. An empty label is none.
    pub fn push(
        &mut self,
        op: Op,
        operands: &[ValueId],
        attributes: Attributes,
        label: &str,
    ) -> Result<ValueId, Violation> {
        let mut attributes = attributes;
        let node = self.arena.node_count();
        if label.is_empty() && (node as u64) < self.limits.max_nodes {
            if matches!(attributes, Attributes::None)
                && let Some(result) = self.arena.push_alike(op, operands)
            {
                return Ok(result);
            }
            attributes = match self.arena.push_part(op, operands, attributes) {
                Ok(result) => return Ok(result),
                Err(attributes) => attributes,
            };
        }
        // A scan without carries is a map.
        let op = match &attributes {
            Attributes::Control(control) if op == Op::Scan => control.op(),
            _ => op,
        };
        check_count(
            At::Nodes,
            "max_nodes",
            self.limits.max_nodes,
            node,
            "too many nodes",
        )?;
        let field = attributes.field();
        let at = |place| At::Node {
            node,
            op,
            label: label.into(),
            place,
            field,
        };
        let refuse =
            |problem: Problem| Violation::new(at(problem.place), problem.kind, problem.message);
        check_attributes(op, &attributes).map_err(refuse)?;
        check_operands(op, operands, &self.arena).map_err(refuse)?;
        let attributes = self.completed(attributes, operands).map_err(refuse)?;
        let attributes = self.arena.intern_attributes(attributes);
        self.arena
            .infer(op, operands, attributes, &mut self.types)
            .map_err(refuse)?;
        check_results(self.types.len()).map_err(refuse)?;
        let result = self.arena.push(op, operands, attributes, &self.types);
        for i in 0..self.types.len() as u32 {
            let value = ValueId(result.0 + i);
            // Checking sizes of scalars would cost more than the rest.
            if !self.arena.ty(value).shape.is_empty() {
                let ty = self.arena.ty(value).clone();
                self.check_size(&ty, || at(Place::Node))?;
            }
        }
        if !label.is_empty() {
            self.labels.insert(NodeId(node as u32), label.into());
        }
        Ok(result)
    }

    /// Attributes of a node with bodies get the types that the functions and operands give.
    fn completed(
        &self,
        attributes: Attributes,
        operands: &[ValueId],
    ) -> Result<Attributes, Problem> {
        let types = || {
            operands
                .iter()
                .map(|&v| self.arena.ty(v))
                .collect::<Vec<_>>()
        };
        Ok(match attributes {
            Attributes::Control(control) => {
                let mut control = complete(&control, &self.signatures, &types())?;
                let cost = |f: crate::op::FunctionId| {
                    self.costs.get(f.index()).copied().unwrap_or_default()
                };
                control.cost = control_cost(&control, cost);
                Attributes::Control(Arc::new(control))
            }
            Attributes::Derivative(derivative) => {
                let Some(of) = self.signature(derivative.function) else {
                    return Err(Problem::attribute(
                        "function",
                        "the function does not exist",
                    ));
                };
                let derivative = complete_derivative(&derivative, of, &types())?;
                Attributes::Derivative(Arc::new(derivative))
            }
            Attributes::Implicit(implicit) => {
                let implicit = complete_implicit(&implicit, &self.signatures, &types())?;
                Attributes::Implicit(Arc::new(implicit))
            }
            plain => plain,
        })
    }

    /// Names a value as a result of the graph.
    pub fn output(&mut self, name: &str, value: ValueId) -> Result<(), Violation> {
        let i = self.outputs.len();
        check_count(
            At::Outputs,
            "max_signature",
            self.limits.max_signature,
            i,
            "too many outputs",
        )?;
        let hash = (self.output_names)
            .check(name, |j| &*self.outputs[j].name)
            .map_err(|m| Violation::invalid(At::Output(i, "name"), m))?;
        if value.index() >= self.arena.len() {
            return Err(Violation::invalid(
                At::Output(i, "value"),
                format!(
                    "value {} does not exist: the graph has values 0 to {}",
                    value.0,
                    self.arena.len().saturating_sub(1)
                ),
            ));
        }
        (self.output_names).take(hash, |j| &*self.outputs[j].name);
        self.outputs.push(Output {
            name: name.into(),
            value,
        });
        Ok(())
    }

    /// The graph.
    pub fn finish(self) -> Result<Graph, Violation> {
        if self.outputs.is_empty() {
            return Err(Violation::invalid(
                At::Outputs,
                "a graph needs at least one output; name the value you want",
            ));
        }
        Ok(Graph::from_parts(
            self.name,
            self.arena,
            self.inputs,
            self.outputs,
            self.labels,
        )
        .with_functions(self.functions))
    }

    fn check_size(&self, ty: &TensorType, at: impl Fn() -> At) -> Result<(), Violation> {
        let rank = ty.shape.rank() as u64;
        if rank > self.limits.max_rank {
            let max = self.limits.max_rank;
            return Err(Violation::limit(
                at(),
                "max_rank",
                max,
                rank,
                "too many dimensions",
            ));
        }
        // A zero elsewhere in the shape would hide an overflow that a rule runs into later.
        let nonzero = ty.shape.iter().filter(|&&d| d > 0);
        let Some(elements) = nonzero
            .copied()
            .try_fold(1u64, |n, d| n.checked_mul(d))
            .filter(|n| n.checked_mul(8).is_some())
        else {
            return Err(Violation::invalid(
                at(),
                format!("the number of elements of shape {} overflows", ty.shape),
            ));
        };
        if elements > self.limits.max_elements {
            let max = self.limits.max_elements;
            return Err(Violation::limit(
                at(),
                "max_elements",
                max,
                elements,
                "tensor too large",
            ));
        }
        Ok(())
    }
}

/// Checks that one more than there are already stays within a limit.
fn check_count(
    at: At,
    name: &'static str,
    limit: u64,
    there: usize,
    what: &str,
) -> Result<(), Violation> {
    match there as u64 {
        there if there >= limit => Err(Violation::limit(at, name, limit, there + 1, what)),
        _ => Ok(()),
    }
}

/// Names that are taken, by position. The names themselves are kept elsewhere, once.
#[derive(Default)]
struct Names {
    table: HashTable<u32>,
    /// Seeded: clients choose names.
    hasher: DefaultHashBuilder,
}

impl Names {
    /// Whether a name may be the next one, and its hash; `name_of` gives those of the positions before.
    fn check<'n>(&self, name: &str, name_of: impl Fn(usize) -> &'n str) -> Result<u64, String> {
        if name.is_empty() {
            return Err("the name is empty; give one".into());
        }
        if name.starts_with('#') {
            return Err(format!(
                "{name:?} begins with '#', which is kept for positions; use another name"
            ));
        }
        let hash = self.hasher.hash_one(name);
        let is_same = |&i: &u32| name_of(i as usize) == name;
        match self.table.find(hash, is_same) {
            Some(_) => Err(format!("{name:?} is there already; names are unique")),
            None => Ok(hash),
        }
    }

    /// Takes the next position's name, of that hash.
    fn take<'n>(&mut self, hash: u64, name_of: impl Fn(usize) -> &'n str) {
        let again = |&i: &u32| self.hasher.hash_one(name_of(i as usize));
        let next = self.table.len() as u32;
        self.table.insert_unique(hash, next, again);
    }
}

fn check_attributes(op: Op, attributes: &Attributes) -> Result<(), Problem> {
    let needs = op.form().map_or("", |form| form.attribute);
    let given = attributes.field();
    if needs == given || !op.is_implemented() {
        return Ok(());
    }
    Err(match (needs, given) {
        ("", given) => Problem::attribute(
            "",
            format!("{} takes no attributes; leave {given} out", op.name()),
        ),
        (needs, "") => Problem::node(format!("{} needs the attributes {needs}", op.name())),
        (needs, given) => Problem::attribute(
            "",
            format!("{} needs the attributes {needs}, not {given}", op.name()),
        ),
    })
}

fn check_operands(op: Op, operands: &[ValueId], arena: &Arena) -> Result<(), Problem> {
    let Some((min, max)) = op.arity() else {
        return Ok(());
    };
    let given = operands.len();
    if given < min as usize || given > max as usize {
        let takes = match (min, max) {
            (1, 1) => "1 operand".to_string(),
            (min, max) if min == max => format!("{min} operands"),
            (min, u32::MAX) => format!("at least {min} operand"),
            (min, max) => format!("{min} to {max} operands"),
        };
        return Err(Problem::operands(format!("takes {takes}, {given} given")));
    }
    match operands.iter().position(|v| v.index() >= arena.len()) {
        None => Ok(()),
        Some(i) => Err(Problem::operand(
            i,
            format!(
                "value {} does not exist yet: values 0 to {} come before this node; order nodes topologically",
                operands[i].0,
                arena.len() as i64 - 1
            ),
        )),
    }
}

impl Graph {
    /// The same graph with other names of its inputs and outputs, one for each.
    pub fn renamed(&self, inputs: &[String], outputs: &[String]) -> Result<Self, Violation> {
        let mut graph = self.clone();
        let (mut of_inputs, mut of_outputs) = (Names::default(), Names::default());
        for (i, (input, name)) in graph.inputs.iter_mut().zip(inputs).enumerate() {
            let hash = (of_inputs.check(name, |j| &*inputs[j]))
                .map_err(|m| Violation::invalid(At::Input(i, "name"), m))?;
            of_inputs.take(hash, |j| &*inputs[j]);
            input.name.clone_from(name);
        }
        for (i, (output, name)) in graph.outputs.iter_mut().zip(outputs).enumerate() {
            let hash = (of_outputs.check(name, |j| &*outputs[j]))
                .map_err(|m| Violation::invalid(At::Output(i, "name"), m))?;
            of_outputs.take(hash, |j| &*outputs[j]);
            output.name.clone_from(name);
        }
        Ok(graph)
    }
}
