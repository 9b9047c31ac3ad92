//! Nodes with bodies: call, cond, while, scan, map. What a node says about its bodies is here; what is done with
//! them is the business of the floors above, which know the functions.

use super::{Attributes, Form, Infer, Jvp, Kernel, Op, Problem, Rule, Types};
use crate::tensor::TensorType;

/// A function, by its position in the graph's list of functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FunctionId(pub u32);

impl FunctionId {
    /// As an index into tables over functions.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a node runs its bodies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ControlKind {
    /// Once.
    Call,
    /// One of several, chosen by operand 0.
    Cond,
    /// While the first function holds, the second.
    While {
        /// The most iterations; 0: the server's bound.
        max_iterations: u64,
    },
    /// A fixed number of times.
    Scan {
        /// How often.
        length: u64,
        /// From the last step to the first.
        reverse: bool,
    },
}

/// Which of a node's derivatives a node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Sweep {
    /// None: its results.
    Apply,
    /// Operands, then tangents of the active ones; results are tangents of the seen results.
    Push,
    /// Operands, then cotangents of the seen results; results are cotangents of the active operands.
    Pull,
    /// The derivative of a pull: operands, cotangents of the seen results, tangents of the operands that are
    /// `moved`, tangents of the cotangents that are `turned`; results are tangents of the active operands'
    /// cotangents.
    PullPush,
}

/// A node with bodies. A client's node says kind, functions and counts; the builder completes the types.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Control {
    /// How the bodies are run.
    pub kind: ControlKind,
    /// The bodies.
    pub functions: Vec<FunctionId>,
    /// Operands that are carried from step to step; first in order.
    pub carries: u32,
    /// Operands that a scan takes a slice of in each step, after the carries.
    pub sequences: u32,
    /// Types of the operands that the kind takes.
    pub operands: Vec<TensorType>,
    /// Types of the results that the kind gives.
    pub results: Vec<TensorType>,
    /// Elementary operations of one application.
    pub cost: u64,
    /// Which derivative this is.
    pub sweep: Sweep,
    /// For derivatives: the operands that are differentiated.
    pub active: Vec<bool>,
    /// For derivatives: the results with a tangent or cotangent.
    pub seen: Vec<bool>,
    /// For [`Sweep::PullPush`]: the operands with a tangent.
    pub moved: Vec<bool>,
    /// For [`Sweep::PullPush`]: the results whose cotangent has a tangent.
    pub turned: Vec<bool>,
}

/// See [`Control::turns`].
pub const PULL_TURNS: u64 = 5;

impl Control {
    /// How often steps of a loop are begun, about: a pull-back runs each once forward and keeps its state, and to come back
    /// finds that, runs the step once more and then its derivative, which was measured to take [`PULL_TURNS`] times what
    /// beginning a step forward does. Nothing for what runs once.
    pub fn turns(&self, unknown: u64) -> u64 {
        let steps = match self.kind {
            ControlKind::Call | ControlKind::Cond => 0,
            ControlKind::While { .. } => unknown,
            ControlKind::Scan { length, .. } => length,
        };
        let each = match self.sweep {
            Sweep::Apply | Sweep::Push => 1,
            Sweep::Pull | Sweep::PullPush => PULL_TURNS,
        };
        steps.saturating_mul(each)
    }

    fn new(kind: ControlKind, functions: Vec<FunctionId>, carries: u32, sequences: u32) -> Self {
        Self {
            kind,
            functions,
            carries,
            sequences,
            operands: vec![],
            results: vec![],
            cost: 0,
            sweep: Sweep::Apply,
            active: vec![],
            seen: vec![],
            moved: vec![],
            turned: vec![],
        }
    }

    /// The node itself where this is its tangent or its pull-back.
    pub fn applied(&self) -> Self {
        Self {
            sweep: Sweep::Apply,
            active: vec![],
            seen: vec![],
            ..self.clone()
        }
    }

    /// The results of a function.
    pub fn call(function: FunctionId) -> Self {
        Self::new(ControlKind::Call, vec![function], 0, 0)
    }

    /// The results of one of several functions of one signature.
    pub fn cond(branches: Vec<FunctionId>) -> Self {
        Self::new(ControlKind::Cond, branches, 0, 0)
    }

    /// Repeats `body` while `condition` holds.
    pub fn while_loop(condition: FunctionId, body: FunctionId, max_iterations: u64) -> Self {
        let kind = ControlKind::While { max_iterations };
        Self::new(kind, vec![condition, body], 0, 0)
    }

    /// A loop of `length` steps.
    pub fn scan(
        body: FunctionId,
        length: u64,
        carries: u32,
        sequences: u32,
        reverse: bool,
    ) -> Self {
        let kind = ControlKind::Scan { length, reverse };
        Self::new(kind, vec![body], carries, sequences)
    }

    /// The function that is run in each step or once; of a cond the first branch.
    pub fn body(&self) -> FunctionId {
        match self.kind {
            ControlKind::While { .. } => self.functions[1],
            _ => self.functions[0],
        }
    }

    /// Operation of a node of this kind.
    pub fn op(&self) -> Op {
        match self.kind {
            ControlKind::Call => Op::Call,
            ControlKind::Cond => Op::Cond,
            ControlKind::While { .. } => Op::While,
            ControlKind::Scan { reverse: false, .. } if self.carries == 0 => Op::Map,
            ControlKind::Scan { .. } => Op::Scan,
        }
    }

    /// Name of the attribute message's field in a wire node.
    pub fn field(&self) -> &'static str {
        self.op().name()
    }

    /// Where the first operand stands that goes to the bodies.
    pub fn first_argument(&self) -> usize {
        usize::from(self.kind == ControlKind::Cond)
    }

    /// Types of a node's results.
    pub fn result_types(&self) -> Vec<TensorType> {
        let (of, which) = match self.sweep {
            Sweep::Apply => return self.results.clone(),
            Sweep::Push => (&self.results, &self.seen),
            Sweep::Pull | Sweep::PullPush => (&self.operands, &self.active),
        };
        picked(of, which).cloned().collect()
    }

    /// Positions, among a node's operands, of each part: (operands of the kind, cotangents, tangents of operands,
    /// tangents of cotangents) by their number.
    pub fn parts(&self) -> Parts {
        let count = |which: &[bool]| which.iter().filter(|&&w| w).count();
        let x = self.operands.len();
        let (c, dx, dc) = match self.sweep {
            Sweep::Apply => (0, 0, 0),
            Sweep::Push => (0, count(&self.active), 0),
            Sweep::Pull => (count(&self.seen), 0, 0),
            Sweep::PullPush => (count(&self.seen), count(&self.moved), count(&self.turned)),
        };
        Parts { x, c, dx, dc }
    }
}

/// How many operands of a node are of which part, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Operands of the kind.
    pub x: usize,
    /// Cotangents.
    pub c: usize,
    /// Tangents of operands.
    pub dx: usize,
    /// Tangents of cotangents.
    pub dc: usize,
}

/// The items whose flag is set.
pub fn picked<'a, T>(items: &'a [T], which: &'a [bool]) -> impl Iterator<Item = &'a T> {
    items
        .iter()
        .zip(which)
        .filter(|(_, w)| **w)
        .map(|(item, _)| item)
}

fn infer(op: Op, attributes: &Attributes, _: &[&TensorType]) -> Result<Vec<TensorType>, Problem> {
    match attributes {
        Attributes::Control(control) => Ok(control.result_types()),
        Attributes::Derivative(derivative) => Ok(derivative.results.clone()),
        Attributes::Implicit(implicit) => Ok(implicit.operands[..1].to_vec()),
        _ => Err(Problem::node(format!(
            "{} needs the functions that it runs",
            op.name()
        ))),
    }
}

fn cost(attributes: &Attributes, _: &Types<'_>) -> u64 {
    match attributes {
        Attributes::Control(control) => control.cost,
        _ => 0,
    }
}

const fn rule(attribute: &'static str, operands: (u32, u32)) -> Rule {
    Rule {
        form: Form {
            operands,
            attribute,
            linear: false,
            non_smooth: "",
            infer: Infer::Many(infer),
            cost,
        },
        jvp: Jvp::Bodies,
        transpose: None,
        kernel: |_, _, _| Kernel::Bodies,
    }
}

pub(super) const CALL: Rule = rule("call", (0, u32::MAX));
pub(super) const COND: Rule = rule("cond", (1, u32::MAX));
pub(super) const WHILE: Rule = rule("while", (1, u32::MAX));
pub(super) const SCAN: Rule = rule("scan", (0, u32::MAX));
pub(super) const MAP: Rule = rule("map", (0, u32::MAX));
pub(super) const DERIVATIVE: Rule = rule("derivative", (0, u32::MAX));
pub(super) const IMPLICIT_ROOT: Rule = rule("implicit_root", (1, u32::MAX));
pub(super) const FIXED_POINT: Rule = rule("fixed_point", (1, u32::MAX));
pub(super) const LINEAR_SOLVE: Rule = rule("linear_solve", (1, u32::MAX));
