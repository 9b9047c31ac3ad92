//! The nodes of a graph under construction.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{BuildError, Expr, error::op_name, infer::infer};
use crate::{
    graph::Graph,
    tensor::{Tensor, Type},
};

/// An input or a node result. On the wire inputs are numbered before nodes, but here an input may be declared
/// after a node, so the two count separately until the graph is finished: the top bit tells them apart.
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
            if self.is_input() { "input" } else { "node" },
            self.index()
        )
    }
}

/// The nodes that a builder and all its expressions share.
#[derive(Clone)]
pub struct SharedArena(Arc<Mutex<Arena>>);

impl SharedArena {
    pub(super) fn new(name: String) -> Self {
        Self(Arc::new(Mutex::new(Arena {
            name,
            ..Arena::default()
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Arena> {
        // A panic elsewhere cannot leave a node half written: nodes are appended whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a node. After a mistake, gives what stands for the node.
    #[track_caller]
    pub(super) fn apply(&self, op: Op, operands: &[&Expr], attributes: Option<Attributes>) -> Expr {
        let location = Location::caller();
        let mut arena = self.lock();
        let value = if operands.iter().any(|operand| !self.is(&operand.arena)) {
            let message =
                "operands come from different graphs; take them all from one GraphBuilder".into();
            arena.fail(op, message, location);
            let own = operands.iter().find(|operand| self.is(&operand.arena));
            own.map_or_else(|| arena.placeholder(), |operand| operand.value)
        } else {
            arena.push(
                op,
                operands.iter().map(|operand| operand.value).collect(),
                attributes,
                location,
            )
        };
        drop(arena);
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
        Expr {
            arena: self.clone(),
            value,
        }
    }
}

/// What is shared.
#[derive(Default)]
pub(super) struct Arena {
    name: String,
    inputs: Vec<(String, Type)>,
    input_names: HashSet<String>,
    /// Operands are encoded [`Value`]s until `finish` numbers them.
    nodes: Vec<proto::Node>,
    /// Type of each node's result.
    types: Vec<Type>,
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
        self.types.len()
    }

    pub(super) fn label(&mut self, value: Value, label: String) {
        if !value.is_input()
            && let Some(node) = self.nodes.get_mut(value.index())
        {
            node.label = label;
        }
    }

    /// Keeps the mistake if it is the first.
    pub(super) fn fail(&mut self, op: Op, message: String, location: &'static Location<'static>) {
        let node = Some(self.types.len());
        self.error.get_or_insert_with(|| BuildError {
            node,
            op: op_name(op),
            message,
            location,
        });
    }

    fn fail_at(&mut self, place: &str, message: String, location: &'static Location<'static>) {
        self.error.get_or_insert_with(|| BuildError {
            node: None,
            op: place.into(),
            message,
            location,
        });
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

    /// Appends a node, or after a mistake gives what stands for it: the first operand.
    pub(super) fn push(
        &mut self,
        op: Op,
        operands: Vec<Value>,
        attributes: Option<Attributes>,
        location: &'static Location<'static>,
    ) -> Value {
        let inferred = match *operands.as_slice() {
            [a] => infer(op, attributes.as_ref(), &[self.type_of(a)]),
            [a, b] => infer(op, attributes.as_ref(), &[self.type_of(a), self.type_of(b)]),
            _ => {
                let types: Vec<&Type> = operands.iter().map(|&value| self.type_of(value)).collect();
                infer(op, attributes.as_ref(), &types)
            }
        };
        let result = inferred.and_then(|result| match result.bytes() {
            None => Err(format!(
                "the result, {result}, is too large to be addressed"
            )),
            Some(_) if self.types.len() >= INPUT as usize => {
                Err("the graph has more than 2^31 nodes".into())
            }
            Some(_) => Ok(result),
        });
        match result {
            Ok(result) => {
                self.nodes.push(proto::Node {
                    op: op as i32,
                    operands: operands.into_iter().map(|value| value.0).collect(),
                    label: String::new(),
                    attributes,
                });
                self.types.push(result);
                Value::result(self.types.len() - 1)
            }
            Err(message) => {
                self.fail(op, message, location);
                operands
                    .first()
                    .copied()
                    .unwrap_or_else(|| self.placeholder())
            }
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
        let value = self.push(Op::Constant, Vec::new(), Some(attributes), location);
        self.constants.insert(key, value);
        value
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
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut nodes = std::mem::take(&mut self.nodes);
        for operand in nodes.iter_mut().flat_map(|node| &mut node.operands) {
            *operand = Value(*operand).id(inputs);
        }
        let inputs = self.inputs.iter().map(|(name, tensor_type)| proto::Input {
            name: name.clone(),
            r#type: Some(tensor_type.to_proto()),
        });
        let message = proto::Graph {
            name: std::mem::take(&mut self.name),
            inputs: inputs.collect(),
            nodes,
            outputs: numbered,
            functions: Vec::new(),
        };
        Ok(Graph::new(message, output_types))
    }
}

fn check_name(name: &str) -> Result<(), String> {
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
