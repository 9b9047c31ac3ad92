//! A derivative used inside a function: written in push-forwards and pull-backs of a call, and maps of these
//! over directions.

use super::Workspace;
use crate::error::Error;
use crate::graph::stacked;
use crate::op::{
    Attributes, Control, ControlKind, Derivative, Emit, FunctionId, Op, Product, Sweep, ValueId,
};
use crate::tensor::{DType, TensorType};

/// The results of a derivative node.
pub(super) fn written(cx: &mut Workspace, node: &Derivative, operands: &[ValueId]) -> Vec<ValueId> {
    match try_written(cx, node, operands) {
        Ok(results) => results,
        Err(error) => {
            cx.trouble.get_or_insert(error);
            // Nothing comes of these; they keep the numbering.
            let zeros = node.results.iter().map(|ty| cx.emitter().full(ty, 0.0));
            zeros.collect()
        }
    }
}

/// A sweep of a call, of so many operands of each kind.
struct Swept {
    control: Control,
    /// Results of the node that stand for the results or parameters, by position; `None`: zero.
    at: Vec<Option<usize>>,
}

fn try_written(
    cx: &mut Workspace,
    node: &Derivative,
    operands: &[ValueId],
) -> Result<Vec<ValueId>, Error> {
    let (x, given) = operands.split_at(node.parameters.len());
    let floats = |types: &[TensorType]| -> Vec<u32> {
        let all = 0..types.len() as u32;
        all.filter(|&i| types[i as usize].dtype.is_float())
            .collect()
    };
    let (xs, ys) = (floats(&node.parameters), floats(&node.outputs));
    let call = call_of(node, node.function, &node.outputs);
    match &node.product {
        Product::Value { outputs } => {
            let all = cx.emit_all(call.op(), x, Attributes::Control(call.into()));
            Ok(outputs.iter().map(|&o| all[o as usize]).collect())
        }
        Product::Gradient { output, wrt } => {
            let y = &node.outputs[*output as usize];
            let one = cx.scalar(y.dtype, 1.0);
            let swept = pulled(cx, &call, &[*output], wrt)?;
            Ok(once(cx, &swept, x, &[one], &node.results))
        }
        Product::Jvp { directions } => {
            let swept = pushed(cx, &call, &node.directed, &ys)?;
            directed(cx, &swept, x, given, *directions, &node.results)
        }
        Product::Vjp { directions } => {
            let swept = pulled(cx, &call, &node.directed, &xs)?;
            directed(cx, &swept, x, given, *directions, &node.results)
        }
        Product::Hvp {
            output,
            wrt,
            directions,
        } => {
            let (gradient, count) = gradient(cx, node, *output, wrt)?;
            let swept = pushed(cx, &gradient, &node.directed, &count)?;
            directed(cx, &swept, x, given, *directions, &node.results)
        }
        Product::Jacobian { outputs, wrt, .. } => jacobian(cx, node, &call, x, outputs, wrt),
        Product::Hessian { output, wrt, .. } => {
            let (gradient, count) = gradient(cx, node, *output, wrt)?;
            let mut results = vec![None; count.len() * wrt.len()];
            for (b, &by) in wrt.iter().enumerate() {
                let columns = columns_of(cx, &gradient, x, &count, by)?;
                for (a, column) in columns.into_iter().enumerate() {
                    results[a * wrt.len() + b] = Some(column);
                }
            }
            Ok(results.into_iter().flatten().collect())
        }
    }
}

fn call_of(node: &Derivative, function: FunctionId, results: &[TensorType]) -> Control {
    call_with(function, &node.parameters, results)
}

/// A call of a function of those types.
pub(super) fn call_with(
    function: FunctionId,
    operands: &[TensorType],
    results: &[TensorType],
) -> Control {
    Control {
        operands: operands.to_vec(),
        results: results.to_vec(),
        ..Control::call(function)
    }
}

/// The tangent of a call's first result along tangents of some operands.
pub(super) fn push_along(
    cx: &mut Workspace,
    call: &Control,
    x: &[ValueId],
    along: &[(u32, ValueId)],
) -> Result<Option<ValueId>, Error> {
    let which: Vec<u32> = along.iter().map(|&(i, _)| i).collect();
    let swept = pushed(cx, call, &which, &[0])?;
    if is_empty(&swept) {
        return Ok(None);
    }
    let given: Vec<ValueId> = along.iter().map(|&(_, t)| t).collect();
    Ok(Some(once(cx, &swept, x, &given, &call.results)[0]))
}

/// The cotangents of some operands from that of a call's first result.
pub(super) fn pull_along(
    cx: &mut Workspace,
    call: &Control,
    x: &[ValueId],
    cotangent: ValueId,
    wrt: &[u32],
) -> Result<Vec<Option<ValueId>>, Error> {
    let swept = pulled(cx, call, &[0], wrt)?;
    if is_empty(&swept) {
        return Ok(vec![None; wrt.len()]);
    }
    let all: Vec<ValueId> = x.iter().copied().chain([cotangent]).collect();
    let control = swept.control.clone();
    let found = cx.emit_all(control.op(), &all, Attributes::Control(control.into()));
    Ok(swept.at.iter().map(|at| at.map(|at| found[at])).collect())
}

/// A call of the gradient of one result, and the positions of its results.
fn gradient(
    cx: &mut Workspace,
    node: &Derivative,
    output: u32,
    wrt: &[u32],
) -> Result<(Control, Vec<u32>), Error> {
    let function = cx.table.gradient(node.function, output, wrt)?;
    let types: Vec<TensorType> = wrt
        .iter()
        .map(|&w| node.parameters[w as usize].clone())
        .collect();
    Ok((
        call_of(node, function, &types),
        (0..wrt.len() as u32).collect(),
    ))
}

fn flags(count: usize, which: &[u32]) -> Vec<bool> {
    (0..count as u32).map(|i| which.contains(&i)).collect()
}

/// For each of `wanted` its position among the results of a node that has those of `there`.
fn positions(wanted: &[u32], there: &[bool]) -> Vec<Option<usize>> {
    let of = |&i: &u32| {
        let i = i as usize;
        there[i].then(|| there[..i].iter().filter(|&&t| t).count())
    };
    wanted.iter().map(of).collect()
}

/// The push-forward along tangents of `along` to the results `wanted`.
fn pushed(
    cx: &mut Workspace,
    call: &Control,
    along: &[u32],
    wanted: &[u32],
) -> Result<Swept, Error> {
    let through = cx.table.through(call)?;
    let active = flags(call.operands.len(), along);
    let asked = flags(call.results.len(), wanted);
    let moves = |k: usize| asked[k] && through.smooth[k].meets(&active);
    let seen: Vec<bool> = (0..asked.len()).map(moves).collect();
    Ok(Swept {
        at: positions(wanted, &seen),
        control: Control {
            sweep: Sweep::Push,
            active,
            seen,
            ..call.clone()
        },
    })
}

/// The pull-back of cotangents of the results `of` to the parameters `wanted`.
fn pulled(cx: &mut Workspace, call: &Control, of: &[u32], wanted: &[u32]) -> Result<Swept, Error> {
    let through = cx.table.through(call)?;
    let seen = flags(call.results.len(), of);
    let asked = flags(call.operands.len(), wanted);
    let reached = |j: usize| (0..seen.len()).any(|k| seen[k] && through.smooth[k].has(j));
    let active: Vec<bool> = (0..asked.len()).map(|j| asked[j] && reached(j)).collect();
    Ok(Swept {
        at: positions(wanted, &active),
        control: Control {
            sweep: Sweep::Pull,
            active,
            seen,
            ..call.clone()
        },
    })
}

/// Picks the wanted results, zeros where there are none.
fn wanted(
    cx: &mut Workspace,
    swept: &Swept,
    found: &[ValueId],
    types: &[TensorType],
) -> Vec<ValueId> {
    let of = swept.at.iter().zip(types);
    of.map(|(at, ty)| match at {
        Some(at) => found[*at],
        None => cx.emitter().full(ty, 0.0),
    })
    .collect()
}

fn is_empty(swept: &Swept) -> bool {
    swept.at.iter().all(Option::is_none)
}

/// Along one direction.
fn once(
    cx: &mut Workspace,
    swept: &Swept,
    x: &[ValueId],
    given: &[ValueId],
    types: &[TensorType],
) -> Vec<ValueId> {
    if is_empty(swept) {
        return wanted(cx, swept, &[], types);
    }
    let all: Vec<ValueId> = x.iter().chain(given).copied().collect();
    let control = swept.control.clone();
    let found = cx.emit_all(control.op(), &all, Attributes::Control(control.into()));
    wanted(cx, swept, &found, types)
}

/// Along the client's directions: one, or so many along a leading axis.
fn directed(
    cx: &mut Workspace,
    swept: &Swept,
    x: &[ValueId],
    given: &[ValueId],
    directions: u32,
    types: &[TensorType],
) -> Result<Vec<ValueId>, Error> {
    match directions {
        0 => Ok(once(cx, swept, x, given, types)),
        k => mapped(cx, swept, x, given, k.into(), types),
    }
}

/// Along directions that stand along a leading axis.
fn mapped(
    cx: &mut Workspace,
    swept: &Swept,
    x: &[ValueId],
    given: &[ValueId],
    directions: u64,
    types: &[TensorType],
) -> Result<Vec<ValueId>, Error> {
    if is_empty(swept) {
        return Ok(wanted(cx, swept, &[], types));
    }
    let ty = |cx: &Workspace, v: &ValueId| cx.arena().ty(*v).clone();
    let of_x: Vec<TensorType> = x.iter().map(|v| ty(cx, v)).collect();
    let of_given: Vec<TensorType> = given.iter().map(|v| ty(cx, v)).collect();
    let unstacked = |ty: &TensorType| TensorType::new(ty.dtype, ty.shape[1..].to_vec());
    let one: Vec<TensorType> = of_x
        .iter()
        .cloned()
        .chain(of_given.iter().map(unstacked))
        .collect();
    let function = cx.table.node(swept.control.clone(), &one)?;
    let results = swept.control.result_types();
    let map = Control {
        sequences: given.len() as u32,
        operands: of_given.into_iter().chain(of_x).collect(),
        results: results.iter().map(|ty| stacked(ty, directions)).collect(),
        cost: swept.control.cost.saturating_mul(directions),
        ..Control::scan(function, directions, 0, given.len() as u32, false)
    };
    debug_assert!(matches!(map.kind, ControlKind::Scan { .. }));
    let all: Vec<ValueId> = given.iter().chain(x).copied().collect();
    let found = cx.emit_all(map.op(), &all, Attributes::Control(map.into()));
    Ok(wanted(cx, swept, &found, types))
}

/// The unit directions of a tensor along a leading axis: shape `[n] ++ shape`.
fn units(cx: &mut Workspace, ty: &TensorType) -> ValueId {
    let n = ty.elements();
    let iota = |cx: &mut Workspace, dimension: u32| {
        let ty = TensorType::new(DType::I64, [n, n]);
        cx.emit(Op::Iota, &[], Attributes::Iota { ty, dimension })
    };
    let (rows, columns) = (iota(cx, 0), iota(cx, 1));
    let cx = cx.emitter();
    let same = cx.compare(crate::op::Direction::Eq, rows, columns);
    let identity = cx.convert(same, ty.dtype);
    let shape: Vec<u64> = std::iter::once(n).chain(ty.shape.iter().copied()).collect();
    cx.reshape(identity, &shape)
}

/// ∂result/∂parameter for each wanted result, by one forward direction for each element of the parameter.
pub(super) fn columns_of(
    cx: &mut Workspace,
    call: &Control,
    x: &[ValueId],
    wanted: &[u32],
    by: u32,
) -> Result<Vec<ValueId>, Error> {
    let of = call.operands[by as usize].clone();
    let n = of.elements();
    let seeds = units(cx, &of);
    let swept = pushed(cx, call, &[by], wanted)?;
    let results: Vec<TensorType> = wanted
        .iter()
        .map(|&k| call.results[k as usize].clone())
        .collect();
    let types: Vec<TensorType> = results.iter().map(|ty| stacked(ty, n)).collect();
    let found = mapped(cx, &swept, x, &[seeds], n, &types)?;
    // The directions come first; a Jacobian has them last.
    let turned = found.into_iter().zip(&results).map(|(value, result)| {
        let rank = result.shape.rank() as u32;
        let order = (1..=rank).chain([0]).collect();
        let turned = cx.emitter().transpose(value, order);
        let shape: Vec<u64> = result
            .shape
            .iter()
            .chain(of.shape.iter())
            .copied()
            .collect();
        cx.emitter().reshape(turned, &shape)
    });
    Ok(turned.collect())
}

/// ∂result/∂parameter for each wanted parameter, by one reverse direction for each element of the result.
fn rows(
    cx: &mut Workspace,
    node: &Derivative,
    call: &Control,
    x: &[ValueId],
    of: u32,
    wrt: &[u32],
) -> Result<Vec<ValueId>, Error> {
    let result = node.outputs[of as usize].clone();
    let m = result.elements();
    let seeds = units(cx, &result);
    let swept = pulled(cx, call, &[of], wrt)?;
    let parameters: Vec<TensorType> = wrt
        .iter()
        .map(|&w| node.parameters[w as usize].clone())
        .collect();
    let types: Vec<TensorType> = parameters.iter().map(|ty| stacked(ty, m)).collect();
    let found = mapped(cx, &swept, x, &[seeds], m, &types)?;
    let shaped = found
        .into_iter()
        .zip(&parameters)
        .map(|(value, parameter)| {
            let shape: Vec<u64> = result
                .shape
                .iter()
                .chain(parameter.shape.iter())
                .copied()
                .collect();
            cx.emitter().reshape(value, &shape)
        });
    Ok(shaped.collect())
}

fn jacobian(
    cx: &mut Workspace,
    node: &Derivative,
    call: &Control,
    x: &[ValueId],
    outputs: &[u32],
    wrt: &[u32],
) -> Result<Vec<ValueId>, Error> {
    let elements = |types: &[TensorType], which: &[u32]| -> u64 {
        which.iter().map(|&i| types[i as usize].elements()).sum()
    };
    let (n, m) = (
        elements(&node.parameters, wrt),
        elements(&node.outputs, outputs),
    );
    let mut blocks = vec![None; outputs.len() * wrt.len()];
    if n <= m {
        for (b, &by) in wrt.iter().enumerate() {
            for (a, block) in columns_of(cx, call, x, outputs, by)?
                .into_iter()
                .enumerate()
            {
                blocks[a * wrt.len() + b] = Some(block);
            }
        }
    } else {
        for (a, &of) in outputs.iter().enumerate() {
            for (b, block) in rows(cx, node, call, x, of, wrt)?.into_iter().enumerate() {
                blocks[a * wrt.len() + b] = Some(block);
            }
        }
    }
    Ok(blocks.into_iter().flatten().collect())
}
