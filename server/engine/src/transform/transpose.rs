use super::pieces::Pieces;
use super::watch::Reason;
use super::{Workspace, control, jvp};
use crate::error::Error;
use crate::graph::NodeId;
use crate::op::{Application, Attributes, Emit, Op, ValueId};

/// Where a linear part begins: nothing before depends on its inputs.
#[derive(Clone, Copy)]
pub struct Mark {
    values: usize,
    nodes: u32,
}

impl Mark {
    /// Here.
    pub fn now(cx: &Workspace) -> Self {
        Self {
            values: cx.arena().len(),
            nodes: cx.arena().node_count() as u32,
        }
    }
}

/// Turns a linear part round: from cotangents of its outputs (`outputs`: value, cotangent of its type) to
/// those of its inputs. `None`: no output depends on the input.
pub fn transpose(
    cx: &mut Workspace,
    begin: Mark,
    outputs: &[(ValueId, ValueId)],
    inputs: &[ValueId],
) -> Result<Vec<Option<ValueId>>, Error> {
    let end = Mark::now(cx);
    let count = end.values - begin.values;
    // Values before the mark are constant coefficients here.
    let at = |v: ValueId| v.index().checked_sub(begin.values).filter(|&i| i < count);
    let mut linear = vec![false; count];
    for &input in inputs {
        if let Some(i) = at(input) {
            linear[i] = true;
        }
    }
    for n in begin.nodes..end.nodes {
        let step = cx.arena().step(NodeId(n));
        let own = |v: ValueId| v.index().wrapping_sub(begin.values);
        let moves = |&v: &ValueId| linear.get(own(v)) == Some(&true);
        if step.operands.iter().any(moves) {
            step.results().for_each(|v| linear[own(v)] = true);
        }
    }
    let mut cotangents: Vec<Option<ValueId>> = vec![None; count];
    for &(value, cotangent) in outputs {
        if let Some(i) = at(value) {
            cotangents[i] = cx.emitter().add_some(cotangents[i], Some(cotangent));
        }
    }
    let mut pieces = Pieces::default();
    // What is turned round is linear and stands before `end`.
    let settle =
        |cx: &mut Workspace, pieces: &mut Pieces, cotangents: &mut [Option<ValueId>], i: usize| {
            if !pieces.has(i) {
                return;
            }
            let value = ValueId((begin.values + i) as u32);
            let ty = cx.arena().ty(value).clone();
            let whole = pieces.together(cx, i, &ty, |cx, attributes, ct| {
                let application = Application {
                    op: Op::Slice,
                    attributes,
                    operands: &[value],
                    result: ct,
                };
                slice_transpose(cx, &application, ct)
            });
            cotangents[i] = cx.emitter().add_some(cotangents[i], whole);
        };
    // Walk outputs first: a node's cotangent must be complete before anyone reads it.
    let mut operands = Vec::new();
    for n in (begin.nodes..end.nodes).rev() {
        cx.follow(NodeId(n));
        let step = cx.arena().step(NodeId(n));
        let Some(i) = at(step.result).filter(|&i| linear[i]) else {
            continue;
        };
        let results = step.results();
        let is_of_scalars = cx.arena().of_scalars(&step).is_some();
        let (op, result) = (step.op, step.result);
        let (mut own, count) = ([result; 3], step.operands.len());
        if is_of_scalars {
            let pairs = own.iter_mut().zip(step.operands);
            pairs.for_each(|(own, &v)| *own = v);
        } else {
            operands.clear();
            operands.extend_from_slice(step.operands);
        }
        for i in results.filter_map(at) {
            settle(cx, &mut pieces, &mut cotangents, i);
        }
        // Nearly every node of a large scalar graph ends here.
        if is_of_scalars {
            let Some(ct) = cotangents[i] else { continue };
            let operands = &own[..count];
            for (k, &operand) in operands.iter().enumerate() {
                let Some(j) = at(operand).filter(|&j| linear[j]) else {
                    continue;
                };
                let part = elementwise(cx, op, operands, ct, k).ok_or_else(|| lacks(op))?;
                cx.watch(part, Reason::Derivative);
                cotangents[j] = cx.emitter().add_some(cotangents[j], Some(part));
            }
            continue;
        }
        let node = cx.arena().node(NodeId(n));
        if let Attributes::Control(control) = node.attributes {
            let control = control.clone();
            let given: Vec<Option<ValueId>> = node.results().map(|r| cotangents[at(r)?]).collect();
            if given.iter().all(Option::is_none) {
                continue;
            }
            let operands = node.operands.to_vec();
            let moves = |v: &ValueId| {
                at(*v).is_some_and(|j| linear[j]) && cx.arena().ty(*v).dtype.is_float()
            };
            let moves: Vec<bool> = operands.iter().map(moves).collect();
            let results: Vec<ValueId> = cx.arena().node(NodeId(n)).results().collect();
            let parts = control::cotangents(cx, &control, &operands, &results, &moves, &given)?;
            for (operand, part) in operands.iter().zip(parts) {
                let (Some(j), Some(part)) = (at(*operand), part) else {
                    continue;
                };
                cx.watch(part, Reason::Derivative);
                cotangents[j] = cx.emitter().add_some(cotangents[j], Some(part));
            }
            continue;
        }
        // What tangents are written with has one result.
        if node.result_count > 1 {
            return Err(lacks(op));
        }
        let Some(ct) = cotangents[i] else { continue };
        // Elementwise operations have no attributes.
        let attributes = match op.rule() {
            Some(_) => node.attributes.clone(),
            None => Attributes::None,
        };
        let application = Application {
            op,
            attributes: &attributes,
            operands: &operands,
            result,
        };
        // Where an operand of a concatenation ends in it: there may be very many of them.
        let mut ends = 0;
        for (k, &operand) in operands.iter().enumerate() {
            let begin = ends;
            if let Attributes::Concatenate { dimension } = attributes {
                ends += cx.arena().ty(operand).shape[dimension as usize];
            }
            let Some(j) = at(operand).filter(|&j| linear[j]) else {
                continue;
            };
            if op == Op::Slice && pieces.take(j, cx.arena().ty(operand), &attributes, ct) {
                continue;
            }
            let part = match (&attributes, op.rule()) {
                (Attributes::Concatenate { dimension }, _) => {
                    let axis = *dimension as usize;
                    Some(cx.emitter().slice_along(ct, axis, begin, ends))
                }
                (_, Some(rule)) => rule.transpose.map(|turn| turn(cx, &application, ct, k)),
                (_, None) => elementwise(cx, op, &operands, ct, k),
            };
            let Some(part) = part else {
                return Err(lacks(op));
            };
            let part = in_all(cx.emitter(), operand, part);
            cx.watch(part, Reason::Derivative);
            cotangents[j] = cx.emitter().add_some(cotangents[j], Some(part));
        }
    }
    for i in inputs.iter().filter_map(|&v| at(v)) {
        settle(cx, &mut pieces, &mut cotangents, i);
    }
    Ok(inputs
        .iter()
        .map(|&v| at(v).and_then(|i| cotangents[i]))
        .collect())
}

fn lacks(op: Op) -> Error {
    Error::Unimplemented(format!("the transpose of {}", op.name()))
}

/// The cotangent of an operand: a scalar that went with every element of the others has its share of each.
fn in_all(cx: &mut dyn Emit, operand: ValueId, part: ValueId) -> ValueId {
    let rank = cx.ty(part).shape.rank() as u32;
    match cx.ty(operand).shape.is_empty() {
        true => cx.reduce(Op::ReduceSum, part, (0..rank).collect()),
        false => part,
    }
}

/// A slice turned round by itself.
fn slice_transpose(cx: &mut Workspace, slice: &Application<'_>, ct: ValueId) -> ValueId {
    let turn = slice.op.rule().and_then(|rule| rule.transpose);
    turn.map_or(ct, |turn| turn(cx, slice, ct, 0))
}

/// The elementwise operations that tangents are made of.
fn elementwise(
    cx: &mut Workspace,
    op: Op,
    operands: &[ValueId],
    ct: ValueId,
    k: usize,
) -> Option<ValueId> {
    let cx = cx.emitter();
    Some(match (op, k) {
        (Op::Add, _) | (Op::Subtract, 0) => ct,
        (Op::Subtract, _) | (Op::Negate, _) => cx.unary(Op::Negate, ct),
        (Op::Multiply | Op::MultiplyNoNan, k) => cx.binary(op, operands[1 - k], ct),
        (Op::Divide, 0) => cx.binary(op, ct, operands[1]),
        _ => return None,
    })
}

/// Appends the cotangents of `wrt` for cotangents of some values (`outputs`: value, cotangent of its type):
/// transpose ∘ jvp. `None`: no output depends on it.
pub fn vjp(
    cx: &mut Workspace,
    outputs: &[(ValueId, ValueId)],
    wrt: &[ValueId],
) -> Result<Vec<Option<ValueId>>, Error> {
    let begin = Mark::now(cx);
    let seeds: Vec<(ValueId, ValueId)> = wrt
        .iter()
        .map(|&v| {
            let ty = cx.ty(v).clone();
            (v, cx.parameter(ty))
        })
        .collect();
    let values: Vec<ValueId> = outputs.iter().map(|&(v, _)| v).collect();
    let tangents = jvp(cx, &values, &seeds);
    let linear: Vec<(ValueId, ValueId)> = tangents
        .iter()
        .zip(outputs)
        .filter_map(|(tangent, &(_, ct))| Some(((*tangent)?, ct)))
        .collect();
    let inputs: Vec<ValueId> = seeds.iter().map(|&(_, t)| t).collect();
    transpose(cx, begin, &linear, &inputs)
}
