//! Values that functions define implicitly: roots, fixed points, solutions of linear systems whose matrix nobody
//! writes down. Each is a call of a function that iterates, with derivatives by the implicit function theorem:
//! g(x, θ) = 0 gives dx = -(∂g/∂x)⁻¹ ∂g/∂θ dθ, whatever way x was found.

use super::Workspace;
use super::derivative::{call_with, columns_of, pull_along, push_along};
use super::functions::Part;
use crate::error::Error;
use crate::op::{
    Attributes, Control, Direction, Emit, FunctionId, Implicit, ImplicitKind, Op, ValueId,
};
use crate::tensor::{DType, TensorType};
use std::sync::Arc;

/// Newton's method doubles the digits: what needs more than that has no root nearby.
const NEWTON_STEPS: u64 = 100;
/// Of a contraction by 0.99.
const FIXED_POINT_STEPS: u64 = 10_000;
/// LSQR needs n in exact arithmetic, and a few times that in floating point.
const KRYLOV_STEPS_AN_ELEMENT: u64 = 20;

/// The result of an implicit node.
pub(super) fn written(cx: &mut Workspace, node: &Arc<Implicit>, operands: &[ValueId]) -> ValueId {
    match solution(cx, node) {
        Ok(function) => {
            let call = call_with(function, &node.operands, &node.operands[..1]);
            cx.emit(call.op(), operands, Attributes::Control(call.into()))
        }
        Err(error) => {
            cx.trouble.get_or_insert(error);
            operands[0]
        }
    }
}

/// The function that solves, with its derivatives.
fn solution(cx: &mut Workspace, node: &Arc<Implicit>) -> Result<FunctionId, Error> {
    let (goes_on, step) = match node.kind {
        ImplicitKind::LinearSolve => return linear::solution(cx, node),
        _ => (goes_on(cx, node)?, step(cx, node)?),
    };
    let bound = match (node.max_iterations, node.kind) {
        (0, ImplicitKind::Root) => NEWTON_STEPS,
        (0, _) => FIXED_POINT_STEPS,
        (given, _) => given,
    };
    let value = cx.table.solution(node, Part::Value, |cx| {
        let operands = parameters(cx, &node.operands);
        let x = node.operands[0].clone();
        let far = cx.scalar(x.dtype, f64::INFINITY);
        let carries = [operands[0], far];
        let all: Vec<ValueId> = carries.iter().chain(&operands[1..]).copied().collect();
        let found = iterate(cx, goes_on, step, bound, &all, carries.len());
        Ok((operands, vec![found[0]]))
    })?;
    let tangent = tangent(cx, node)?;
    cx.table.set_custom(value, (Some(tangent), None));
    Ok(value)
}

fn parameters(cx: &mut Workspace, types: &[TensorType]) -> Vec<ValueId> {
    types.iter().map(|ty| cx.parameter(ty.clone())).collect()
}

fn iterate(
    cx: &mut Workspace,
    condition: FunctionId,
    body: FunctionId,
    bound: u64,
    operands: &[ValueId],
    carries: usize,
) -> Vec<ValueId> {
    let types: Vec<TensorType> = operands.iter().map(|&v| cx.arena().ty(v).clone()).collect();
    let control = Control {
        carries: carries as u32,
        results: types[..carries].to_vec(),
        operands: types,
        cost: bound,
        ..Control::while_loop(condition, body, bound)
    };
    cx.emit_all(control.op(), operands, Attributes::Control(control.into()))
}

fn tolerance(node: &Implicit) -> f64 {
    match (f64::from_bits(node.tolerance_bits), node.operands[0].dtype) {
        (0.0, DType::F32) => 1e-6,
        (0.0, _) => 1e-13,
        (given, _) => given,
    }
}

/// Types of what a step carries (x and the size of the last step), then θ.
fn carried(node: &Implicit) -> Vec<TensorType> {
    let x = node.operands[0].clone();
    let size = TensorType::new(x.dtype, []);
    [x, size]
        .into_iter()
        .chain(node.operands[1..].iter().cloned())
        .collect()
}

/// The largest absolute value; of nothing 0.
fn size_of(cx: &mut dyn Emit, x: ValueId) -> ValueId {
    if cx.ty(x).elements() == 0 {
        let dtype = cx.ty(x).dtype;
        return cx.scalar(dtype, 0.0);
    }
    let size = cx.unary(Op::Abs, x);
    let axes = (0..cx.ty(size).shape.rank() as u32).collect();
    cx.reduce(Op::ReduceMax, size, axes)
}

/// Goes on while the last step was longer than the tolerance allows.
fn goes_on(cx: &mut Workspace, node: &Arc<Implicit>) -> Result<FunctionId, Error> {
    let tolerance = tolerance(node);
    cx.table.solution(node, Part::GoesOn, |cx| {
        let all = parameters(cx, &carried(node));
        let cx = cx.emitter();
        let dtype = cx.ty(all[1]).dtype;
        let (one, tolerance) = (cx.scalar(dtype, 1.0), cx.scalar(dtype, tolerance));
        let size = size_of(cx, all[0]);
        let scale = cx.binary(Op::Add, size, one);
        let allowed = cx.binary(Op::Multiply, scale, tolerance);
        let far = cx.compare(Direction::Gt, all[1], allowed);
        Ok((all, vec![far]))
    })
}

/// ∂g/∂x as a matrix, and the number of elements.
fn jacobian(cx: &mut Workspace, node: &Implicit, at: &[ValueId]) -> Result<(ValueId, u64), Error> {
    let x = &node.operands[0];
    let n = x.elements();
    let call = call_with(node.function, &node.operands, &node.operands[..1]);
    let block = columns_of(cx, &call, at, &[0], 0)?.remove(0);
    Ok((cx.emitter().reshape(block, &[n, n]), n))
}

/// A⁻¹ b, for a tensor b of so many elements.
fn solved(cx: &mut dyn Emit, matrix: ValueId, b: ValueId, n: u64) -> ValueId {
    let shape = cx.ty(b).shape.clone();
    let column = cx.reshape(b, &[n, 1]);
    let transpose_a = false;
    let x = cx.emit(
        Op::Solve,
        &[matrix, column],
        Attributes::Solve { transpose_a },
    );
    cx.reshape(x, &shape)
}

/// One step, and its size.
fn step(cx: &mut Workspace, node: &Arc<Implicit>) -> Result<FunctionId, Error> {
    cx.table.solution(node, Part::Step, |cx| {
        let all = parameters(cx, &carried(node));
        let at: Vec<ValueId> = all[..1].iter().chain(&all[2..]).copied().collect();
        let call = call_with(node.function, &node.operands, &node.operands[..1]);
        let found = cx.emit(call.op(), &at, Attributes::Control(call.into()));
        let (next, moved) = match node.kind {
            ImplicitKind::Root => {
                let (matrix, n) = jacobian(cx, node, &at)?;
                let cx = cx.emitter();
                let moved = solved(cx, matrix, found, n);
                (cx.binary(Op::Subtract, all[0], moved), moved)
            }
            _ => {
                let moved = cx.emitter().binary(Op::Subtract, found, all[0]);
                (found, moved)
            }
        };
        let size = size_of(cx.emitter(), moved);
        Ok((all, vec![next, size]))
    })
}

/// dx from operands, solution and the operands' tangents. The start has no influence.
fn tangent(cx: &mut Workspace, node: &Arc<Implicit>) -> Result<FunctionId, Error> {
    cx.table.solution(node, Part::Tangent, |cx| {
        let mut given = parameters(cx, &node.operands);
        let x = cx.parameter(node.operands[0].clone());
        let floats: Vec<usize> = floats(&node.operands);
        let of: Vec<TensorType> = floats.iter().map(|&i| node.operands[i].clone()).collect();
        let tangents = parameters(cx, &of);
        let at: Vec<ValueId> = std::iter::once(x)
            .chain(given[1..].iter().copied())
            .collect();
        let (matrix, n) = jacobian(cx, node, &at)?;
        let along: Vec<(u32, ValueId)> = floats
            .iter()
            .zip(&tangents)
            .filter(|(i, _)| **i > 0)
            .map(|(&i, &t)| (i as u32, t))
            .collect();
        let call = call_with(node.function, &node.operands, &node.operands[..1]);
        let moved = push_along(cx, &call, &at, &along)?;
        let result = match moved {
            None => cx.zeros_like(x),
            Some(moved) => {
                let cx = cx.emitter();
                match node.kind {
                    ImplicitKind::Root => {
                        let moved = solved(cx, matrix, moved, n);
                        cx.unary(Op::Negate, moved)
                    }
                    _ => {
                        let identity = identity(cx, n, of[0].dtype);
                        let matrix = cx.binary(Op::Subtract, identity, matrix);
                        solved(cx, matrix, moved, n)
                    }
                }
            }
        };
        given.push(x);
        given.extend(tangents);
        Ok((given, vec![result]))
    })
}

fn floats(types: &[TensorType]) -> Vec<usize> {
    (0..types.len())
        .filter(|&i| types[i].dtype.is_float())
        .collect()
}

fn identity(cx: &mut dyn Emit, n: u64, dtype: DType) -> ValueId {
    let mut iota = |dimension| {
        let ty = TensorType::new(DType::I64, [n, n]);
        cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension })
    };
    let (rows, columns) = (iota(0), iota(1));
    let same = cx.compare(Direction::Eq, rows, columns);
    cx.convert(same, dtype)
}

/// LSQR (Paige and Saunders, ACM TOMS 8, 1982): any operator that is not singular, by products with it and with its
/// transpose, which the pull-back gives.
mod linear {
    use super::*;

    /// What a step carries: x, w, u, v, then α, φ̄, ρ̄ and the sizes of the residual's gradient and of x's last change.
    const TENSORS: usize = 4;
    const SCALARS: usize = 4;

    pub fn solution(cx: &mut Workspace, node: &Arc<Implicit>) -> Result<FunctionId, Error> {
        let value = solver(cx, node, false)?;
        let turned = solver(cx, node, true)?;
        for (forward, back, is_turned) in [(value, turned, false), (turned, value, true)] {
            let rules = rules(cx, node, forward, back, is_turned)?;
            cx.table.set_custom(forward, rules);
        }
        Ok(value)
    }

    /// The node whose function is the operator, or its transpose: functions of it have keys of their own.
    fn keyed(node: &Arc<Implicit>, turned: bool) -> Arc<Implicit> {
        match turned {
            false => node.clone(),
            // A bound so high means none; this only tells the two apart.
            true => Arc::new(Implicit {
                max_iterations: node.max_iterations | 1 << 63,
                ..(**node).clone()
            }),
        }
    }

    /// A(θ) v, or Aᵀ(θ) v.
    fn product(
        cx: &mut Workspace,
        node: &Implicit,
        v: ValueId,
        theta: &[ValueId],
        turned: bool,
    ) -> Result<ValueId, Error> {
        let call = call_with(node.function, &node.operands, &node.operands[..1]);
        let with =
            |v| -> Vec<ValueId> { std::iter::once(v).chain(theta.iter().copied()).collect() };
        if !turned {
            return Ok(cx.emit(call.op(), &with(v), Attributes::Control(call.into())));
        }
        // Linear in v: where it is turned round does not matter.
        let zero = cx.zeros_like(v);
        let found = pull_along(cx, &call, &with(zero), v, &[0])?[0];
        Ok(found.unwrap_or_else(|| cx.zeros_like(v)))
    }

    fn norm(cx: &mut dyn Emit, x: ValueId) -> ValueId {
        let square = cx.binary(Op::Multiply, x, x);
        let axes = (0..cx.ty(square).shape.rank() as u32).collect();
        let sum = cx.reduce(Op::ReduceSum, square, axes);
        cx.unary(Op::Sqrt, sum)
    }

    /// x / size, 0 where the size is 0.
    fn unit(cx: &mut dyn Emit, x: ValueId, size: ValueId) -> ValueId {
        let dtype = cx.ty(size).dtype;
        let (zero, one) = (cx.scalar(dtype, 0.0), cx.scalar(dtype, 1.0));
        let none = cx.compare(Direction::Eq, size, zero);
        let by = cx.select(none, one, size);
        cx.binary(Op::Divide, x, by)
    }

    fn carried(node: &Implicit) -> Vec<TensorType> {
        let x = node.operands[0].clone();
        let scalar = TensorType::new(x.dtype, []);
        let tensors = std::iter::repeat_n(x, TENSORS);
        let scalars = std::iter::repeat_n(scalar, SCALARS);
        tensors
            .chain(scalars)
            .chain(node.operands[1..].iter().cloned())
            .collect()
    }

    fn solver(cx: &mut Workspace, node: &Arc<Implicit>, turned: bool) -> Result<FunctionId, Error> {
        let key = keyed(node, turned);
        let tolerance = tolerance(node);
        let goes_on = cx.table.solution(&key, Part::GoesOn, |cx| {
            let all = parameters(cx, &carried(node));
            let cx = cx.emitter();
            let dtype = cx.ty(all[TENSORS]).dtype;
            let (one, tolerance) = (cx.scalar(dtype, 1.0), cx.scalar(dtype, tolerance));
            // The change of x against x, and the residual, which a last step may bring to nothing.
            let (alpha, left, change) = (all[TENSORS], all[TENSORS + 1], all[TENSORS + 3]);
            let size = size_of(cx, all[0]);
            let scale = cx.binary(Op::Maximum, size, one);
            let scale = {
                let zero = cx.scalar(dtype, 0.0);
                let small = cx.compare(Direction::Gt, size, zero);
                cx.select(small, size, scale)
            };
            let allowed = cx.binary(Op::Multiply, scale, tolerance);
            let far = cx.compare(Direction::Gt, change, allowed);
            let zero = cx.scalar(dtype, 0.0);
            let product = cx.binary(Op::Multiply, alpha, left);
            let some = cx.compare(Direction::Ne, product, zero);
            let on = cx.binary(Op::And, far, some);
            Ok((all, vec![on]))
        })?;
        let step = cx.table.solution(&key, Part::Step, |cx| {
            let all = parameters(cx, &carried(node));
            let [x, w, u, v] = [0, 1, 2, 3].map(|i| all[i]);
            let [alpha, phi, rho] = [0, 1, 2].map(|i| all[TENSORS + i]);
            let theta = &all[TENSORS + SCALARS..];
            let along = product(cx, node, v, theta, turned)?;
            let (u, beta) = {
                let cx = cx.emitter();
                let back = cx.binary(Op::Multiply, u, alpha);
                let next = cx.binary(Op::Subtract, along, back);
                let beta = norm(cx, next);
                (unit(cx, next, beta), beta)
            };
            let along = product(cx, node, u, theta, !turned)?;
            let cx = cx.emitter();
            let back = cx.binary(Op::Multiply, v, beta);
            let next = cx.binary(Op::Subtract, along, back);
            let alpha = norm(cx, next);
            let v = unit(cx, next, alpha);
            let radius = cx.binary(Op::Hypot, rho, beta);
            let cosine = cx.binary(Op::Divide, rho, radius);
            let sine = cx.binary(Op::Divide, beta, radius);
            let theta_next = cx.binary(Op::Multiply, sine, alpha);
            let turned_alpha = cx.binary(Op::Multiply, cosine, alpha);
            let rho = cx.unary(Op::Negate, turned_alpha);
            let along = cx.binary(Op::Multiply, cosine, phi);
            let phi = cx.binary(Op::Multiply, sine, phi);
            let by = cx.binary(Op::Divide, along, radius);
            let change = cx.binary(Op::Multiply, w, by);
            let x = cx.binary(Op::Add, x, change);
            let by = cx.binary(Op::Divide, theta_next, radius);
            let w = cx.binary(Op::Multiply, w, by);
            let w = cx.binary(Op::Subtract, v, w);
            let change = size_of(cx, change);
            Ok((all, vec![x, w, u, v, alpha, phi, rho, change]))
        })?;
        cx.table.solution(&key, Part::Value, |cx| {
            let operands = parameters(cx, &node.operands);
            let (b, theta) = (operands[0], &operands[1..]);
            let (u, beta) = {
                let cx = cx.emitter();
                let beta = norm(cx, b);
                (unit(cx, b, beta), beta)
            };
            let along = product(cx, node, u, theta, !turned)?;
            let zeros = cx.zeros_like(b);
            let dtype = node.operands[0].dtype;
            let far = cx.scalar(dtype, f64::INFINITY);
            let (v, alpha) = {
                let cx = cx.emitter();
                let alpha = norm(cx, along);
                (unit(cx, along, alpha), alpha)
            };
            let carries = [zeros, v, u, v, alpha, beta, alpha, far];
            let all: Vec<ValueId> = carries.iter().chain(theta).copied().collect();
            let n = node.operands[0].elements().max(1);
            let bound = match node.max_iterations {
                0 => n.saturating_mul(KRYLOV_STEPS_AN_ELEMENT).max(100),
                given => given,
            };
            let found = iterate(cx, goes_on, step, bound, &all, carries.len());
            Ok((operands, vec![found[0]]))
        })
    }

    /// dx = A⁻¹ (db - dA x); b̄ = A⁻ᵀ x̄, θ̄ = -(∂ A x / ∂θ)ᵀ b̄.
    fn rules(
        cx: &mut Workspace,
        node: &Arc<Implicit>,
        forward: FunctionId,
        back: FunctionId,
        turned: bool,
    ) -> Result<(Option<FunctionId>, Option<FunctionId>), Error> {
        let key = keyed(node, turned);
        let floats = floats(&node.operands);
        let of: Vec<TensorType> = floats.iter().map(|&i| node.operands[i].clone()).collect();
        let solve = |cx: &mut Workspace, function, b: ValueId, theta: &[ValueId]| {
            let call = call_with(function, &node.operands, &node.operands[..1]);
            let all: Vec<ValueId> = std::iter::once(b).chain(theta.iter().copied()).collect();
            cx.emit(call.op(), &all, Attributes::Control(call.into()))
        };
        let wrt: Vec<u32> = floats
            .iter()
            .filter(|&&i| i > 0)
            .map(|&i| i as u32)
            .collect();
        let tangent = cx.table.solution(&key, Part::Tangent, |cx| {
            let mut given = parameters(cx, &node.operands);
            let x = cx.parameter(node.operands[0].clone());
            let tangents = parameters(cx, &of);
            let theta = given[1..].to_vec();
            let mut b = tangents[0];
            let along: Vec<(u32, ValueId)> = wrt
                .iter()
                .copied()
                .zip(tangents[1..].iter().copied())
                .collect();
            if let Some(moved) = moved(cx, node, x, &theta, &along, turned)? {
                b = cx.emitter().binary(Op::Subtract, b, moved);
            }
            let result = solve(cx, forward, b, &theta);
            given.push(x);
            given.extend(tangents);
            Ok((given, vec![result]))
        })?;
        let cotangents = cx.table.solution(&key, Part::Cotangents, |cx| {
            let mut given = parameters(cx, &node.operands);
            let x = cx.parameter(node.operands[0].clone());
            let cotangent = cx.parameter(node.operands[0].clone());
            let theta = given[1..].to_vec();
            let b = solve(cx, back, cotangent, &theta);
            let minus = cx.emitter().unary(Op::Negate, b);
            let call = call_with(node.function, &node.operands, &node.operands[..1]);
            // bᵀ A(θ) x is linear in both: for the transpose they change places.
            let (at, with) = if turned { (minus, x) } else { (x, minus) };
            let at: Vec<ValueId> = std::iter::once(at).chain(theta.iter().copied()).collect();
            let found = pull_along(cx, &call, &at, with, &wrt)?;
            let mut results = vec![b];
            for (&w, found) in wrt.iter().zip(found) {
                results.push(found.unwrap_or_else(|| cx.zeros_like(given[w as usize])));
            }
            given.push(x);
            given.push(cotangent);
            Ok((given, results))
        })?;
        Ok((Some(tangent), Some(cotangents)))
    }

    /// (dA) x, or (dA)ᵀ x.
    fn moved(
        cx: &mut Workspace,
        node: &Implicit,
        x: ValueId,
        theta: &[ValueId],
        along: &[(u32, ValueId)],
        turned: bool,
    ) -> Result<Option<ValueId>, Error> {
        if along.is_empty() {
            return Ok(None);
        }
        if !turned {
            let call = call_with(node.function, &node.operands, &node.operands[..1]);
            let at: Vec<ValueId> = std::iter::once(x).chain(theta.iter().copied()).collect();
            return push_along(cx, &call, &at, along);
        }
        let product = product(cx, node, x, theta, true)?;
        let seeds: Vec<(ValueId, ValueId)> = along
            .iter()
            .map(|&(i, t)| (theta[i as usize - 1], t))
            .collect();
        Ok(super::super::jvp(cx, &[product], &seeds)[0])
    }
}
