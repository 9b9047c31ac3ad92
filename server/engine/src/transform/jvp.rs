use super::watch::Reason;
use super::{Workspace, control};
use crate::graph::NodeId;
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
    for step in arena.steps().rev() {
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
    let shape = cx.arena().ty(result).shape.clone();
    let careful = guarded || row.singular && !cx.emitter().policy().poisons();
    let mut sum = None;
    for (partial, tangent) in row.partials.iter().zip(tangents) {
        let Some(tangent) = *tangent else { continue };
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
        let t = E::new(cell.borrow_mut().spread(tangent, &shape), &cell);
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
