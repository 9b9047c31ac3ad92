use super::watch::Reason;
use super::{Workspace, control};
use crate::graph::{NodeId, Step};
use crate::op::{Application, Attributes, E, Elementwise, Jvp, Op, Partial, ValueId};
use std::cell::RefCell;

/// Appends the tangents of `outputs` for tangents of some values (`seeds`: value, tangent of its type). What
/// is appended is linear in the tangents. `None`: the output does not depend on a seed.
pub fn jvp(
    cx: &mut Workspace,
    outputs: &[ValueId],
    seeds: &[(ValueId, ValueId)],
) -> Vec<Option<ValueId>> {
    let needed = cx.arena().needed(outputs.iter().copied());
    let guarded = guarded(cx, &needed);
    let mut tangents: Vec<Option<ValueId>> = vec![None; cx.arena().len()];
    for &(value, tangent) in seeds {
        tangents[value.index()] = Some(tangent);
    }
    let mut operands = Vec::new();
    let mut given = Vec::new();
    for i in 0..cx.arena().node_count() as u32 {
        cx.follow(NodeId(i));
        let step = cx.arena().step(NodeId(i));
        let result = step.result;
        if !needed[result.index()] || tangents[result.index()].is_some() {
            continue;
        }
        // Nearly every node of a large scalar graph ends here.
        if let Some(row) = cx.arena().of_scalars(&step) {
            let (mut own, mut moved) = ([result; 3], [None; 3]);
            for ((own, moved), v) in own.iter_mut().zip(&mut moved).zip(step.operands) {
                (*own, *moved) = (*v, tangents[v.index()]);
            }
            if moved.iter().all(Option::is_none) {
                continue;
            }
            let (op, count) = (step.op, row.partials.len());
            let careful = guarded[result.index()];
            let tangent = elementwise(cx, op, row, &own[..count], result, &moved, careful);
            tangents[result.index()] = tangent;
            if let Some(tangent) = tangent {
                cx.watch(tangent, Reason::Derivative);
            }
            continue;
        }
        given.clear();
        given.extend(step.operands.iter().map(|v| tangents[v.index()]));
        if given.iter().all(Option::is_none) {
            continue;
        }
        operands.clear();
        operands.extend_from_slice(step.operands);
        let (op, results) = (step.op, step.results());
        if let Some(row) = op.elementwise() {
            tangents[result.index()] = elementwise(
                cx,
                op,
                row,
                &operands,
                result,
                &given,
                guarded[result.index()],
            );
        } else if op == Op::Reshape
            && let Some(rank) = cx.single_rank(result)
            && let Some(moved) = given[0].and_then(|tangent| cx.single(tangent, rank))
        {
            tangents[result.index()] = Some(moved);
        } else if let Some(rule) = op.rule() {
            let attributes = cx.arena().node(NodeId(i)).attributes.clone();
            let application = Application {
                op,
                attributes: &attributes,
                operands: &operands,
                result,
            };
            match rule.jvp {
                Jvp::None => {}
                Jvp::Bodies => {
                    let Attributes::Control(control) = &attributes else {
                        continue;
                    };
                    let all: Vec<ValueId> = results.clone().collect();
                    let moved = control::tangents(cx, control, &operands, &all, &given);
                    for (i, tangent) in moved.into_iter().enumerate() {
                        tangents[result.index() + i] = tangent;
                    }
                }
                Jvp::One(jvp) => tangents[result.index()] = jvp(cx, &application, &given),
                Jvp::Many(jvp) => {
                    let moved = jvp(cx, &application, &given);
                    for (i, tangent) in moved.into_iter().enumerate() {
                        tangents[result.index() + i] = tangent;
                    }
                }
            }
        }
        for tangent in results.filter_map(|r| tangents[r.index()]) {
            cx.watch(tangent, Reason::Derivative);
        }
    }
    outputs.iter().map(|v| tangents[v.index()]).collect()
}

/// Values that a `select` may discard. There 0 · inf must be 0, or the branch not taken would reach the
/// derivative as NaN.
fn guarded(cx: &mut Workspace, needed: &[bool]) -> Vec<bool> {
    let poisons = cx.emitter().policy().poisons();
    let arena = cx.arena();
    let mut guarded = vec![false; arena.len()];
    if poisons {
        return guarded;
    }
    // What comes after the last choice is discarded by none.
    let is_choice = |step: &Step<'_>| step.op == Op::Select && needed[step.result.index()];
    let steps = arena.steps().rev().skip_while(|step| !is_choice(step));
    for step in steps {
        let i = step.result.index();
        if !needed[i] {
            continue;
        }
        if step.op == Op::Select {
            guarded[step.operands[1].index()] = true;
            guarded[step.operands[2].index()] = true;
        }
        if step.results().any(|v| guarded[v.index()]) {
            for operand in step.operands {
                guarded[operand.index()] = true;
            }
        }
    }
    guarded
}

/// Σ partial · tangent. Every tangent is spread to the result's shape first, so that transposition never meets
/// an implicit broadcast.
fn elementwise(
    cx: &mut Workspace,
    op: Op,
    row: &Elementwise,
    operands: &[ValueId],
    result: ValueId,
    tangents: &[Option<ValueId>],
    guarded: bool,
) -> Option<ValueId> {
    let careful = guarded || row.singular && !cx.emitter().policy().poisons();
    let ty = cx.arena().type_id(result);
    let mut sum = None;
    for (partial, tangent) in row.partials.iter().zip(tangents) {
        let Some(tangent) = *tangent else { continue };
        // Only others have to be spread.
        let shape = match cx.arena().type_id(tangent) == ty {
            true => None,
            false => Some(cx.arena().ty(result).shape.clone()),
        };
        let cell = RefCell::new(cx.emitter());
        let x = [0, 1, 2].map(|i| E::new(*operands.get(i).unwrap_or(&result), &cell));
        let partial = partial(&x, E::new(result, &cell));
        match partial {
            Partial::Zero => continue,
            Partial::Unavailable => {
                cell.borrow_mut().lacks_derivative_of(op);
                continue;
            }
            _ => {}
        }
        let t = match shape {
            Some(shape) => cell.borrow_mut().spread(tangent, &shape),
            None => tangent,
        };
        let t = E::new(t, &cell);
        let term = match partial {
            Partial::Zero | Partial::Unavailable => continue,
            Partial::One => t,
            Partial::MinusOne => -t,
            Partial::Times(p) if careful => p.times_no_nan(t),
            Partial::Times(p) => p * t,
            Partial::TimesNoNan(p) => p.times_no_nan(t),
            Partial::Over(d) if careful => d.recip().times_no_nan(t),
            Partial::Over(d) => t / d,
        };
        sum = cell.borrow_mut().add_some(sum, Some(term.id));
    }
    sum
}
