//! The nodes of a graph under construction.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{BuildError, Expr, error::op_name, functions::Functions, infer::infer};
use crate::{
    graph::Graph,
    tensor::{Tensor, Type},
};

/// An input or a result of a node. On the wire inputs are numbered before results, but here an input may be
/// declared after a node, so the two count separately until the graph is finished: the top bit tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Value(u32);

const INPUT: u32 = 1 << 31;

impl Value {
    fn input(index: usize) -> Self {
        Self(index as u32 | INPUT)
    }

    fn result(index: usize) -> Self {
        Self(index as u32)
    }

    /// The value `steps` further on.
    fn next(self, steps: usize) -> Self {
        Self(self.0 + steps as u32)
    }

    fn is_input(self) -> bool {
        self.0 & INPUT != 0
    }

    fn index(self) -> usize {
        (self.0 & !INPUT) as usize
    }

    /// The value id on the wire.
    fn id(self, inputs: usize) -> u32 {
        if self.is_input() {
            self.0 & !INPUT
        } else {
            self.0 + inputs as u32
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            if self.is_input() { "input" } else { "result" },
            self.index()
        )
    }
}

/// The nodes that a builder and all its expressions share.
#[derive(Clone)]
pub struct SharedArena(Arc<Mutex<Arena>>);

impl SharedArena {
    pub(super) fn new(name: String, functions: Functions) -> Self {
        Self(Arc::new(Mutex::new(Arena {
            name,
            functions,
            ..Arena::default()
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Arena> {
        // A panic elsewhere cannot leave a node half written: nodes are appended whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a node of one result. After a mistake, gives what stands for it.
    #[track_caller]
    pub(super) fn apply(&self, op: Op, operands: &[&Expr], attributes: Option<Attributes>) -> Expr {
        let value = self.append(op, operands, attributes, Some(1), Location::caller());
        self.expr(value.map_or_else(|instead| instead, |(first, _)| first))
    }

    /// Appends a node of several results, as many as the operation gives; `None`: however many these are.
    #[track_caller]
    pub(super) fn apply_all(
        &self,
        op: Op,
        operands: &[&Expr],
        attributes: Option<Attributes>,
        results: Option<usize>,
    ) -> Vec<Expr> {
        match self.append(op, operands, attributes, results, Location::caller()) {
            Ok((first, count)) => (0..count).map(|i| self.expr(first.next(i))).collect(),
            // After a mistake one value stands for all of them.
            Err(instead) => vec![self.expr(instead); results.unwrap_or(1)],
        }
    }

    /// What stands for so many results after a mistake.
    pub(super) fn placeholders(&self, count: usize) -> Vec<Expr> {
        let value = self.lock().placeholder();
        vec![self.expr(value); count]
    }

    /// The first result and how many there are, or after a mistake what stands for them.
    fn append(
        &self,
        op: Op,
        operands: &[&Expr],
        attributes: Option<Attributes>,
        results: Option<usize>,
        location: &'static Location<'static>,
    ) -> Result<(Value, usize), Value> {
        let foreign = operands.iter().find(|operand| !self.is(&operand.arena));
        // Asked before this one is locked.
        let related = foreign.map(|operand| operand.arena.lock().functions.clone());
        let mut arena = self.lock();
        if let Some(other) = related {
            let message = match other.is(&arena.functions) {
                true => "an operand is no value of this function; pass it as an argument",
                false => "operands come from different graphs; take them all from one GraphBuilder",
            };
            arena.fail(op, message.into(), location);
            let own = operands.iter().find(|operand| self.is(&operand.arena));
            return Err(own.map_or_else(|| arena.placeholder(), |operand| operand.value));
        }
        let operands = operands.iter().map(|operand| operand.value).collect();
        arena.push(op, operands, attributes, results, location)
    }

    fn expr(&self, value: Value) -> Expr {
        Expr {
            arena: self.clone(),
            value,
        }
    }

    pub(super) fn is(&self, other: &SharedArena) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn constant(&self, tensor: Tensor, location: &'static Location<'static>) -> Expr {
        let value = self.lock().constant(tensor, location);
        self.expr(value)
    }
}

/// What is shared.
#[derive(Default)]
pub(super) struct Arena {
    name: String,
    /// Those that nodes may run; a graph and its bodies share them.
    functions: Functions,
    inputs: Vec<(String, Type)>,
    input_names: HashSet<String>,
    /// Operands are encoded [`Value`]s until `finish` numbers them.
    nodes: Vec<proto::Node>,
    /// Type of each node's results, one node after the other.
    types: Vec<Type>,
    /// The first result of each node.
    first_results: Vec<u32>,
    constants: HashMap<(Type, Bytes), Value>,
    error: Option<BuildError>,
}

impl Arena {
    pub(super) fn type_of(&self, value: Value) -> &Type {
        if value.is_input() {
            &self.inputs[value.index()].1
        } else {
            &self.types[value.index()]
        }
    }

    pub(super) fn error(&self) -> Option<&BuildError> {
        self.error.as_ref()
    }

    pub(super) fn nodes(&self) -> usize {
        self.first_results.len()
    }

    pub(super) fn label(&mut self, value: Value, label: String) {
        if value.is_input() {
            return;
        }
        // The last node that begins at this result or before.
        let after = self
            .first_results
            .partition_point(|&first| first <= value.0);
        let node = after.checked_sub(1).and_then(|i| self.nodes.get_mut(i));
        if let Some(node) = node {
            node.label = label;
        }
    }

    /// Keeps the mistake if it is the first.
    pub(super) fn fail(&mut self, op: Op, message: String, location: &'static Location<'static>) {
        let node = Some(self.nodes());
        self.error.get_or_insert_with(|| BuildError {
            function: None,
            node,
            op: op_name(op),
            message,
            location,
        });
    }

    pub(super) fn fail_at(
        &mut self,
        place: &str,
        message: String,
        location: &'static Location<'static>,
    ) {
        self.keep(BuildError {
            function: None,
            node: None,
            op: place.into(),
            message,
            location,
        });
    }

    /// Keeps the mistake if it is the first.
    pub(super) fn keep(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    pub(super) fn functions(&self) -> &Functions {
        &self.functions
    }

    pub(super) fn input(
        &mut self,
        name: String,
        tensor_type: Type,
        location: &'static Location<'static>,
    ) -> Value {
        if let Err(message) = check_name(&name) {
            self.fail_at("input", message, location);
        } else if !self.input_names.insert(name.clone()) {
            self.fail_at(
                "input",
                format!("{name:?} is there already; input names are unique"),
                location,
            );
        } else if tensor_type.bytes().is_none() {
            self.fail_at(
                "input",
                format!("{name:?} of type {tensor_type} is too large to be addressed"),
                location,
            );
        }
        self.inputs.push((name, tensor_type));
        Value::input(self.inputs.len() - 1)
    }

    /// Appends a node and gives the first of its results, and how many there are: as many as the caller takes, if he
    /// says so.
    ///
    /// # Errors
    /// After a mistake, what stands for them: the first operand.
    pub(super) fn push(
        &mut self,
        op: Op,
        operands: Vec<Value>,
        attributes: Option<Attributes>,
        results: Option<usize>,
        location: &'static Location<'static>,
    ) -> Result<(Value, usize), Value> {
        let inferred = {
            let table = self.functions.lock();
            let infer = |types: &[&Type]| infer(op, attributes.as_ref(), types, &table.signatures);
            match *operands.as_slice() {
                [a] => infer(&[self.type_of(a)]),
                [a, b] => infer(&[self.type_of(a), self.type_of(b)]),
                _ => infer(
                    &operands
                        .iter()
                        .map(|&v| self.type_of(v))
                        .collect::<Vec<_>>(),
                ),
            }
        };
        match inferred.and_then(|types| self.admit(types, results)) {
            Ok(types) => {
                let first = self.types.len();
                self.nodes.push(proto::Node {
                    op: op as i32,
                    operands: operands.into_iter().map(|value| value.0).collect(),
                    label: String::new(),
                    attributes,
                });
                self.first_results.push(first as u32);
                let count = types.len();
                self.types.extend(types);
                Ok((Value::result(first), count))
            }
            Err(message) => {
                self.fail(op, message, location);
                let first = operands.first().copied();
                Err(first.unwrap_or_else(|| self.placeholder()))
            }
        }
    }

    /// The types, if there are as many as the caller takes and there is room for them.
    fn admit(&self, types: Vec<Type>, results: Option<usize>) -> Result<Vec<Type>, String> {
        if let Some(taken) = results
            && types.len() != taken
        {
            return Err(format!("{} results, {taken} taken", types.len()));
        }
        if let Some(large) = types.iter().find(|result| result.bytes().is_none()) {
            return Err(format!("the result, {large}, is too large to be addressed"));
        }
        match self.types.len() + types.len() > INPUT as usize {
            true => Err("the graph has more than 2^31 values".into()),
            false => Ok(types),
        }
    }

    /// The one node that holds these bits.
    pub(super) fn constant(
        &mut self,
        tensor: Tensor,
        location: &'static Location<'static>,
    ) -> Value {
        let key = (tensor.tensor_type(), tensor.to_bytes());
        if let Some(&value) = self.constants.get(&key) {
            return value;
        }
        let attributes = Attributes::Constant(
            proto::Constant {
                value: Some(tensor.to_proto()),
            }
            .into(),
        );
        match self.push(
            Op::Constant,
            Vec::new(),
            Some(attributes),
            Some(1),
            location,
        ) {
            Ok((value, _)) => {
                self.constants.insert(key, value);
                value
            }
            Err(instead) => instead,
        }
    }

    /// Stands for an operation that failed and has no operand to stand for it.
    pub(super) fn placeholder(&mut self) -> Value {
        self.constant(0.0.into(), Location::caller())
    }

    /// The graph, with its value ids, or the first mistake. Leaves only the types behind, which the remaining
    /// expressions may still be asked for.
    pub(super) fn finish(
        &mut self,
        outputs: Vec<(String, Option<Value>)>,
        location: &'static Location<'static>,
    ) -> Result<Graph, BuildError> {
        let inputs = self.inputs.len();
        let mut numbered = Vec::with_capacity(outputs.len());
        let mut output_types = Vec::with_capacity(outputs.len());
        let mut names = HashSet::new();
        for (name, value) in outputs {
            if let Err(message) = check_name(&name) {
                self.fail_at("output", message, location);
            } else if !names.insert(name.clone()) {
                self.fail_at(
                    "output",
                    format!("{name:?} is there already; output names are unique"),
                    location,
                );
            }
            match value {
                Some(value) => {
                    output_types.push(Some(self.type_of(value).clone()));
                    let value = value.id(inputs);
                    numbered.push(proto::Output { name, value });
                }
                None => self.fail_at(
                    "output",
                    format!("{name:?} comes from another graph"),
                    location,
                ),
            }
        }
        if numbered.is_empty() {
            self.fail_at(
                "output",
                "there is none; name at least one expression".into(),
                location,
            );
        }
        let functions = self.functions.lock().take();
        let functions = functions.unwrap_or_else(|problem| {
            self.fail_at("function", problem, location);
            Vec::new()
        });
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let nodes = self.take_nodes();
        let inputs = self.inputs.iter().map(|(name, tensor_type)| proto::Input {
            name: name.clone(),
            r#type: Some(tensor_type.to_proto()),
        });
        let message = proto::Graph {
            name: std::mem::take(&mut self.name),
            inputs: inputs.collect(),
            nodes,
            outputs: numbered,
            functions,
        };
        Ok(Graph::new(message, output_types))
    }

    /// The nodes, their operands by value ids.
    fn take_nodes(&mut self) -> Vec<proto::Node> {
        let inputs = self.inputs.len();
        let mut nodes = std::mem::take(&mut self.nodes);
        for operand in nodes.iter_mut().flat_map(|node| &mut node.operands) {
            *operand = Value(*operand).id(inputs);
        }
        nodes
    }

    /// Types of the results and the body of a function of so many parameters, or the first mistake.
    pub(super) fn finish_body(
        &mut self,
        parameters: usize,
        results: Vec<Option<Value>>,
        location: &'static Location<'static>,
    ) -> Result<(Vec<Type>, proto::Function), BuildError> {
        let inputs = self.inputs.len();
        if inputs > parameters {
            let problem = "a function has no inputs beside its parameters; add one of these".into();
            self.fail_at("input", problem, location);
        }
        if results.is_empty() {
            let problem = "there is none; give at least one expression".into();
            self.fail_at("result", problem, location);
        }
        if results.contains(&None) {
            let problem = "a result is no value of this function; pass it as an argument".into();
            self.fail_at("result", problem, location);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let results: Vec<Value> = results.into_iter().flatten().collect();
        let types = results.iter().map(|&v| self.type_of(v).clone()).collect();
        let message = proto::Function {
            nodes: self.take_nodes(),
            results: results.iter().map(|v| v.id(inputs)).collect(),
            ..Default::default()
        };
        Ok((types, message))
    }
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("the name is empty".into())
    } else if name.starts_with('#') {
        Err(format!(
            "{name:?} begins with '#', which is kept for positions"
        ))
    } else {
        Ok(())
    }
}
