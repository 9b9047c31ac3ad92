//! Where a graph begins and ends.

use std::{borrow::Borrow, panic::Location};

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{
    BuildError, Expr, Exprs, Function, arena::SharedArena, functions::Functions, structural::wire,
};
use crate::{
    graph::Graph,
    tensor::{Dtype, Tensor, Type},
};

/// Makes the inputs and constants that expressions grow from, and finishes the graph.
///
/// Costs a constant per node, whatever the size of the graph; the builder and its expressions may be sent to
/// other threads.
pub struct GraphBuilder {
    arena: SharedArena,
    functions: Functions,
}

impl GraphBuilder {
    /// An empty graph. The name is for people and does not count for the graph's identity.
    pub fn new(name: impl Into<String>) -> Self {
        Self::of(SharedArena::new(name.into(), Functions::default()))
    }

    pub(super) fn of(arena: SharedArena) -> Self {
        let functions = arena.lock().functions().clone();
        Self { arena, functions }
    }

    pub(super) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Name of a function, which belongs to this graph.
    #[track_caller]
    pub(super) fn name_of(&self, function: &Function) -> String {
        if !function.is_of(&self.functions) {
            let problem = format!(
                "{:?} comes from another graph; define it with this builder",
                function.name()
            );
            self.fail_at("function", problem, Location::caller());
        }
        function.name().into()
    }

    /// Appends a node of as many results as the caller takes.
    #[track_caller]
    pub(super) fn run<R: Exprs, E: Borrow<Expr>>(
        &self,
        op: Op,
        operands: impl IntoIterator<Item = E>,
        attributes: Attributes,
    ) -> R {
        let operands: Vec<E> = operands.into_iter().collect();
        let operands: Vec<&Expr> = operands.iter().map(Borrow::borrow).collect();
        R::from_list(
            self.arena
                .apply_all(op, &operands, Some(attributes), R::COUNT),
        )
    }

    /// After a mistake, what stands for the results.
    pub(super) fn nothing<R: Exprs>(&self) -> R {
        R::from_list(self.arena.placeholders(R::COUNT.unwrap_or(1)))
    }

    pub(super) fn fail(&self, op: Op, message: String, location: &'static Location<'static>) {
        self.arena.lock().fail(op, message, location);
    }

    pub(super) fn fail_at(
        &self,
        place: &str,
        message: String,
        location: &'static Location<'static>,
    ) {
        self.arena.lock().fail_at(place, message, location);
    }

    /// Keeps the mistake of a body if it is the first.
    pub(super) fn keep(&self, error: BuildError) {
        self.arena.lock().keep(error);
    }

    /// An `f64` input. Shape `[]` is a scalar. Names are unique, not empty, and do not begin with '#'.
    #[track_caller]
    pub fn input(&self, name: impl Into<String>, shape: impl AsRef<[usize]>) -> Expr {
        self.input_typed(name, Dtype::F64, shape)
    }

    /// An input of any element type.
    #[track_caller]
    pub fn input_typed(
        &self,
        name: impl Into<String>,
        dtype: Dtype,
        shape: impl AsRef<[usize]>,
    ) -> Expr {
        let location = Location::caller();
        let value = self
            .arena
            .lock()
            .input(name.into(), Type::new(dtype, shape), location);
        Expr {
            arena: self.arena.clone(),
            value,
        }
    }

    /// A tensor fixed in the graph: a number, a `Vec`, an array of numbers or rows, an
    /// [`Array`](crate::Array) of any shape. Equal ones are stored once.
    #[track_caller]
    pub fn constant(&self, value: impl Into<Tensor>) -> Expr {
        self.arena.constant(value.into(), Location::caller())
    }

    /// A tensor of this shape, filled with one number or truth value.
    #[track_caller]
    pub fn full(&self, shape: impl AsRef<[usize]>, value: impl Into<Tensor>) -> Expr {
        self.constant(value).broadcast_to(shape)
    }

    /// The index along one dimension: `result[i_0, …] = i_dimension`.
    #[track_caller]
    pub fn iota(&self, dtype: Dtype, shape: impl AsRef<[usize]>, dimension: usize) -> Expr {
        let tensor_type = Some(Type::new(dtype, shape).to_proto());
        let iota = proto::Iota {
            r#type: tensor_type,
            dimension: wire(dimension),
        };
        self.arena
            .apply(Op::Iota, &[], Some(Attributes::Iota(iota.into())))
    }

    #[track_caller]
    pub(super) fn apply(&self, op: Op, operands: &[&Expr], attributes: Option<Attributes>) -> Expr {
        self.arena.apply(op, operands, attributes)
    }

    /// Joins tensors, alike but for one dimension, along that dimension.
    #[track_caller]
    pub fn concatenate<E: Borrow<Expr>>(
        &self,
        parts: impl IntoIterator<Item = E>,
        dimension: usize,
    ) -> Expr {
        let parts: Vec<E> = parts.into_iter().collect();
        let operands: Vec<&Expr> = parts.iter().map(Borrow::borrow).collect();
        let dimension = wire(dimension);
        self.arena.apply(
            Op::Concatenate,
            &operands,
            Some(Attributes::Concatenate(
                proto::Concatenate { dimension }.into(),
            )),
        )
    }

    /// Joins tensors of one shape along a new leading dimension.
    #[track_caller]
    pub fn stack<E: Borrow<Expr>>(&self, parts: impl IntoIterator<Item = E>) -> Expr {
        let mut rows = Vec::new();
        for part in parts {
            let part = part.borrow();
            rows.push(part.reshape([&[1], part.shape().as_slice()].concat()));
        }
        self.concatenate(rows, 0)
    }

    /// The first mistake so far.
    pub fn error(&self) -> Option<BuildError> {
        self.arena.lock().error().cloned()
    }

    /// Number of nodes so far.
    pub fn nodes(&self) -> usize {
        self.arena.lock().nodes()
    }

    /// The graph with these outputs, in this order. Names are unique, not empty, and do not begin with '#'.
    ///
    /// Nodes stand in the order in which they were written, so the same program gives the same message. What no
    /// output depends on is sent, too; the server leaves it out. Expressions that outlive the builder belong to no
    /// graph any more.
    ///
    /// # Errors
    /// The first mistake since the builder began.
    #[track_caller]
    pub fn finish<N: Into<String>, E: Borrow<Expr>>(
        self,
        outputs: impl IntoIterator<Item = (N, E)>,
    ) -> Result<Graph, BuildError> {
        let outputs = outputs.into_iter().map(|(name, output)| {
            let output = output.borrow();
            (
                name.into(),
                self.arena.is(&output.arena).then_some(output.value),
            )
        });
        let outputs = outputs.collect();
        self.arena.lock().finish(outputs, Location::caller())
    }
}
