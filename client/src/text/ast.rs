//! The syntax tree: an arena in which operands stand before their users, so that nobody recurses over it.

use super::error::Span;
use super::function::Function;
use super::runner::Runner;

/// Index into [`Ast::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExprId(pub usize);

#[derive(Debug)]
pub(super) enum Node {
    Number(f64),
    /// Index into [`Ast::inputs`].
    Input(usize),
    Negate(ExprId),
    Not(ExprId),
    Binary(Operator, ExprId, ExprId),
    Call {
        function: Function,
        arguments: Vec<ExprId>,
        axis: Option<ExprId>,
    },
    Index(ExprId, Vec<Subscript>),
    /// `[a, b, …]`: the elements stacked along a new first axis.
    Stack(Vec<ExprId>),
    /// Runs functions of the text, by position.
    Run {
        runner: Runner,
        functions: Vec<usize>,
        arguments: Vec<ExprId>,
        /// The length of a scan, the limit of a while.
        bound: Option<ExprId>,
        /// How many results are taken.
        taken: usize,
    },
    /// One result of several.
    Result(ExprId, usize),
    /// The arms are trees of their own; beside each, which argument each of its inputs is.
    If {
        condition: ExprId,
        arguments: Vec<ExprId>,
        arms: Box<[(Ast, Vec<usize>); 2]>,
    },
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    MatrixProduct,
    Power,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

/// One place between the brackets of `x[…]`; numbers may be negative and then count from the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subscript {
    /// Takes one position and drops the axis.
    At(ExprId),
    Range {
        start: Option<ExprId>,
        stop: Option<ExprId>,
        step: Option<ExprId>,
    },
}

/// A name the text reads without giving it a value.
#[derive(Debug)]
pub(super) struct Input {
    pub name: String,
    /// Where it appears first.
    pub span: Span,
}

#[derive(Debug)]
pub(super) struct Output {
    pub name: String,
    pub value: ExprId,
}

#[derive(Debug, Default)]
pub(super) struct Ast {
    pub nodes: Vec<(Node, Span)>,
    /// Values that the text names.
    pub names: Vec<(String, ExprId)>,
    /// In order of appearance.
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
}

impl Ast {
    pub fn push(&mut self, node: Node, span: Span) -> ExprId {
        self.nodes.push((node, span));
        ExprId(self.nodes.len() - 1)
    }

    pub fn span(&self, id: ExprId) -> Span {
        self.nodes[id.0].1.clone()
    }
}
