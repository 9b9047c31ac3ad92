//! An evaluator of its own: operator overloading on dual, hyper-dual or complex numbers, forward through the graph.
//!
//! It shares neither derivative rules nor kernels with the rest of the engine, so that a wrong rule cannot hide: the
//! only things in common are the graph after expansion, and plain values of special functions.

mod control;
mod elementwise;
mod fourier;
mod linear_algebra;
mod matrix;
mod normalise;
mod number;
mod reduce;
mod special;
mod spectral;
mod structural;
mod tensor;
mod unit;

pub(super) use number::Number;
pub(super) use tensor::{Data, Value};

use super::Stop;
use crate::error::Error;
use crate::graph::{Graph, NodeRef};
use crate::op::{Attributes, Op};
use crate::tensor::TensorType;
use crate::transform::Workspace;
use control::Run;
use unit::{Bodies, Unit};

/// A graph ready to be evaluated on any numbers.
pub struct Evaluator {
    main: Unit,
    bodies: Bodies,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Evaluator of {} nodes", self.main.arena.node_count())
    }
}

impl Evaluator {
    /// Expands composite operations, derivative nodes among them. Bodies are evaluated as they stand: the
    /// derivatives that a client gives for a function are left out.
    pub fn new(graph: &Graph) -> Result<Self, Error> {
        let (workspace, inputs, outputs) = Workspace::of(graph);
        if let Some(error) = workspace.trouble() {
            return Err(error.clone());
        }
        if let Some(op) = workspace.lacking() {
            return Err(Error::lacks(op));
        }
        let (arena, mut table) = workspace.into_parts();
        let main = Unit::new(arena, inputs, outputs, &mut table)?;
        let bodies = Bodies::of(&main, &mut table)?;
        Ok(Self { main, bodies })
    }

    /// Elements that are alive at once, at most, where no function runs itself and no loop is pulled back.
    pub fn peak_elements(&self) -> u64 {
        self.main.peak.saturating_add(self.bodies.peak_elements())
    }

    /// Elementary operations of one evaluation on plain numbers.
    pub fn operations(&self) -> u64 {
        let arena = &self.main.arena;
        let nodes = arena.nodes().filter(|n| self.main.needs(n));
        nodes.fold(0, |sum: u64, node| sum.saturating_add(arena.cost(node)))
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> u64 {
        self.main.arena.bytes().saturating_add(self.bodies.bytes())
    }

    /// The graph's outputs from its inputs, in order.
    pub(in crate::execute) fn run<N: Number>(
        &self,
        inputs: Vec<Value<N>>,
        stop: &Stop,
    ) -> Result<Vec<Value<N>>, Error> {
        Run::new(&self.bodies, stop).unit(&self.main, inputs)
    }
}

/// Results of a node without bodies.
// Kept out of the frame of what recurses.
#[inline(never)]
fn plain<N: Number>(
    node: &NodeRef<'_>,
    operands: &[&Value<N>],
    types: &[TensorType],
    stop: &Stop,
) -> Result<Vec<Value<N>>, Error> {
    let refused = !N::PIECEWISE
        && (operands.iter().any(|x| x.refused)
            || (compares(node.op) && operands.iter().any(|x| x.moves())));
    let results = apply(node, operands, types, stop)?
        .ok_or_else(|| Error::Unimplemented(format!("METHOD_DUAL of {}", node.op.name())))?;
    let results = results.into_iter().zip(types).map(|(value, ty)| {
        let mut value = value.rounded(ty);
        value.refused = refused || (value.refused && !N::PIECEWISE);
        value
    });
    Ok(results.collect())
}

/// Whether a complex step through the operation means nothing.
fn compares(op: Op) -> bool {
    match op.elementwise() {
        Some(_) => !elementwise::is_analytic(op),
        None => reduce::compares(op),
    }
}

fn apply<N: Number>(
    node: &NodeRef<'_>,
    x: &[&Value<N>],
    types: &[TensorType],
    stop: &Stop,
) -> Result<Option<Vec<Value<N>>>, Error> {
    let shape = types[0].shape.sizes();
    if node.op.elementwise().is_some() || node.op == Op::IntegerPow {
        return Ok(elements(node, x, shape, stop)?.map(|value| vec![value]));
    }
    if let Some(value) = structural::apply(node.op, node.attributes, x, &types[0]) {
        return Ok(Some(vec![value]));
    }
    if let Some(value) = fourier::apply(node.op, x, &types[0]) {
        return Ok(Some(vec![value]));
    }
    if let Some(values) = reduce::apply(node.op, node.attributes, x, types) {
        return Ok(Some(values));
    }
    if let Some(value) = normalise::apply(node.op, node.attributes, x, &shape) {
        return Ok(Some(vec![value]));
    }
    if x.is_empty() || x[0].floats().is_empty() && x[0].shape.iter().all(|&d| d > 0) {
        return Ok(None);
    }
    Ok(linear_algebra::apply(node.op, node.attributes, x, types))
}

fn elements<N: Number>(
    node: &NodeRef<'_>,
    x: &[&Value<N>],
    shape: Vec<usize>,
    stop: &Stop,
) -> Result<Option<Value<N>>, Error> {
    /// Elements between two looks at the clock.
    const PER_LOOK: usize = 1 << 12;
    let n = tensor::elements(&shape);
    let at = |v: &Value<N>, i: usize| if v.shape.is_empty() { 0 } else { i };
    if let Some(Data::Integer(_)) = x.first().map(|x| &x.data) {
        let op = integer_operation(node.op);
        let of = |i: usize| {
            let args: Vec<i64> = x.iter().map(|v| v.integers()[at(v, i)]).collect();
            op.map(|op| op(&args))
        };
        let data: Option<Vec<i64>> = (0..n).map(of).collect();
        return Ok(data.map(|data| Value::integer(shape, data)));
    }
    let mut data = Vec::with_capacity(n);
    let mut arguments: Vec<N> = Vec::with_capacity(x.len());
    for i in 0..n {
        if i % PER_LOOK == 0 {
            stop.check()?;
        }
        arguments.clear();
        arguments.extend(x.iter().map(|v| v.floats()[at(v, i)]));
        let value = match (node.op, node.attributes) {
            (Op::IntegerPow, Attributes::IntegerPow { exponent }) => {
                Some(elementwise::integer_power(arguments[0], *exponent))
            }
            (op, _) => elementwise::apply(op, &arguments),
        };
        match value {
            Some(value) => data.push(value),
            None => return Ok(None),
        }
    }
    Ok(Some(Value::float(shape, data)))
}

/// Integers, which never move, wrap.
fn integer_operation(op: Op) -> Option<fn(&[i64]) -> i64> {
    Some(match op {
        Op::Add => |x| x[0].wrapping_add(x[1]),
        Op::Subtract => |x| x[0].wrapping_sub(x[1]),
        Op::Multiply => |x| x[0].wrapping_mul(x[1]),
        Op::Divide => |x| match x[1] {
            0 => 0,
            d => x[0].wrapping_div(d),
        },
        Op::Remainder => |x| match x[1] {
            0 => 0,
            d => x[0].wrapping_rem(d),
        },
        Op::Negate => |x| x[0].wrapping_neg(),
        Op::Abs => |x| x[0].wrapping_abs(),
        Op::Sign => |x| x[0].signum(),
        Op::Square => |x| x[0].wrapping_mul(x[0]),
        Op::Maximum => |x| x[0].max(x[1]),
        Op::Minimum => |x| x[0].min(x[1]),
        Op::Clamp => |x| x[1].max(x[0]).min(x[2]),
        _ => return None,
    })
}
