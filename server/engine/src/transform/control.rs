//! Derivatives of nodes with bodies. Every node is a kind (call, cond, while, scan) under a sweep (itself, its
//! push-forward, its pull-back, the push-forward of that), and differentiation stays among these:
//!
//! - the tangent of a node is its push-forward, linear in the tangents; turned round, that is its pull-back;
//! - the tangent of a push-forward is the push-forward of the *widened* kind, whose bodies carry tangents;
//! - the tangent of a pull-back x, c ↦ J(x)ᵀ c along (dx, dc) is the x part of the pull-back of the widened kind at
//!   (x, dx) with cotangents (dc, c), since that kind is x, dx ↦ (f, J dx). It is linear in (dx, dc), and turned round
//!   with w it is J(x) w for dc, and, second derivatives being symmetric, itself along w for dx.

use super::Workspace;
use super::functions::{FunctionTable, grouped};
use super::transpose::{Mark, transpose};
use crate::error::Error;
use crate::op::{Attributes, Control, ControlKind, Emit, FunctionId, Sweep, ValueId, picked};
use crate::tensor::TensorType;

/// Where an operand of a derived node comes from: (operand or zeros of a type).
#[derive(Clone, Debug)]
pub enum Source {
    /// The operand of the node it is derived from, by position.
    Operand(usize),
    /// Zeros.
    Zeros(TensorType),
}

/// A kind whose bodies carry tangents.
pub struct Widened {
    /// Its node.
    pub control: Control,
    /// Its operands: `(is a tangent, operand)`; tangents of operands that have none are zeros.
    pub operands: Vec<(bool, usize)>,
    /// Where each result of the kind is.
    pub primals: Vec<usize>,
    /// Where each result's tangent is.
    pub tangents: Vec<Option<usize>>,
}

/// A derivative is so many times dearer than what it is of, roughly.
const PUSH_PRICE: u64 = 3;
const PULL_PRICE: u64 = 5;

fn sweep_of(base: &Control, sweep: Sweep, active: Vec<bool>, seen: Vec<bool>) -> Control {
    let cost = match sweep {
        Sweep::Apply => base.cost,
        Sweep::Push => base.cost.saturating_mul(PUSH_PRICE),
        Sweep::Pull => base.cost.saturating_mul(PULL_PRICE),
        Sweep::PullPush => base.cost.saturating_mul(PULL_PRICE * PUSH_PRICE),
    };
    Control {
        sweep,
        active,
        seen,
        moved: vec![],
        turned: vec![],
        cost,
        ..base.clone()
    }
}

/// The kind itself.
fn base_of(control: &Control) -> Control {
    let price = match control.sweep {
        Sweep::Apply => 1,
        Sweep::Push => PUSH_PRICE,
        Sweep::Pull => PULL_PRICE,
        Sweep::PullPush => PULL_PRICE * PUSH_PRICE,
    };
    Control {
        sweep: Sweep::Apply,
        active: vec![],
        seen: vec![],
        moved: vec![],
        turned: vec![],
        cost: control.cost / price,
        ..control.clone()
    }
}

/// Results that move when the active operands do.
fn moving(table: &mut FunctionTable, base: &Control, active: &[bool]) -> Result<Vec<bool>, Error> {
    let through = table.through(base)?;
    Ok(through.smooth.iter().map(|row| row.meets(active)).collect())
}

/// The kind with tangents of the active operands beside them.
pub fn widened(
    table: &mut FunctionTable,
    base: &Control,
    active: &[bool],
) -> Result<Widened, Error> {
    let (carries, sequences) = (base.carries as usize, base.sequences as usize);
    let moves = moving(table, base, active)?;
    // Carries that begin still may move later.
    let mut moved = active.to_vec();
    for (flag, &moves) in moved.iter_mut().zip(&moves).take(carries) {
        *flag |= moves;
    }
    let first = base.first_argument();
    let body = &moved[first..];
    let functions = match base.kind {
        ControlKind::While { .. } => vec![
            table.widened(base.functions[0], body, carries)?,
            table.jvp(base.functions[1], body, &moves, carries, 0)?,
        ],
        _ => {
            let derived = base.functions.iter();
            let derived = derived.map(|&f| table.jvp(f, body, &moves, carries, sequences));
            derived.collect::<Result<Vec<FunctionId>, Error>>()?
        }
    };
    let tangents = |flags: &[bool]| -> Vec<Option<(bool, usize)>> {
        flags
            .iter()
            .enumerate()
            .map(|(i, &f)| f.then_some((true, i)))
            .collect()
    };
    let plain = |n: usize| -> Vec<(bool, usize)> { (0..n).map(|i| (false, i)).collect() };
    let groups: &[usize] = match base.kind {
        ControlKind::Scan { .. } => &[carries, sequences],
        ControlKind::While { .. } => &[carries],
        _ => &[],
    };
    let operands = grouped(&plain(base.operands.len()), &tangents(&moved), groups);
    let result_groups: &[usize] = match base.kind {
        ControlKind::Scan { .. } => &[carries],
        _ => &[],
    };
    let results = grouped(&plain(base.results.len()), &tangents(&moves), result_groups);
    let ty = |types: &[TensorType], of: &(bool, usize)| types[of.1].clone();
    let count = |from: usize, to: usize| moved[from..to].iter().filter(|&&m| m).count();
    let wide_carries = carries + count(0, carries);
    let wide_sequences = sequences + count(carries, carries + sequences);
    let control = Control {
        functions,
        carries: wide_carries as u32,
        sequences: wide_sequences as u32,
        operands: operands.iter().map(|o| ty(&base.operands, o)).collect(),
        results: results.iter().map(|r| ty(&base.results, r)).collect(),
        cost: base.cost.saturating_mul(PUSH_PRICE),
        ..base_of(base)
    };
    let position = |wanted: (bool, usize)| results.iter().position(|r| *r == wanted);
    Ok(Widened {
        control,
        primals: (0..base.results.len())
            .filter_map(|k| position((false, k)))
            .collect(),
        tangents: (0..base.results.len())
            .map(|k| position((true, k)))
            .collect(),
        operands,
    })
}

/// A push-forward as a plain node: the widened kind, its operands, and which of its results are the node's.
pub fn push_as_apply(
    table: &mut FunctionTable,
    control: &Control,
) -> Result<(Control, Vec<Source>, Vec<usize>), Error> {
    let base = base_of(control);
    let wide = widened(table, &base, &control.active)?;
    let operands = sources(&wide, &base, &control.active, 0);
    let results = (0..base.results.len()).filter(|&k| control.seen[k]);
    let results = results.filter_map(|k| wide.tangents[k]).collect();
    Ok((wide.control, operands, results))
}

/// Operands of a widened kind from a node's operands and tangents, which begin after `skipped` others.
fn sources(wide: &Widened, base: &Control, with: &[bool], skipped: usize) -> Vec<Source> {
    let x = base.operands.len();
    let rank = |i: usize| with[..i].iter().filter(|&&w| w).count();
    let of = |&(tangent, i): &(bool, usize)| match tangent {
        false => Source::Operand(i),
        true if with[i] => Source::Operand(x + skipped + rank(i)),
        true => Source::Zeros(base.operands[i].clone()),
    };
    wide.operands.iter().map(of).collect()
}

/// The derivative of a pull-back as a pull-back of the widened kind, and its operands. The results are the same.
pub fn unfolded(
    table: &mut FunctionTable,
    control: &Control,
) -> Result<(Control, Vec<Source>), Error> {
    let base = base_of(control);
    let parts = control.parts();
    let wide = widened(table, &base, &control.moved)?;
    let mut operands = sources(&wide, &base, &control.moved, parts.c);
    let mut seen = vec![false; wide.control.results.len()];
    let mut cotangents = vec![None; seen.len()];
    let (mut c, mut dc) = (parts.x, parts.x + parts.c + parts.dx);
    for k in 0..base.results.len() {
        if control.seen[k] {
            if let Some(at) = wide.tangents[k] {
                seen[at] = true;
                cotangents[at] = Some(c);
            }
            c += 1;
        }
        if control.turned[k] {
            seen[wide.primals[k]] = true;
            cotangents[wide.primals[k]] = Some(dc);
            dc += 1;
        }
    }
    operands.extend(cotangents.into_iter().flatten().map(Source::Operand));
    let is_active = |&(tangent, i): &(bool, usize)| !tangent && control.active[i];
    let active = wide.operands.iter().map(is_active).collect();
    Ok((sweep_of(&wide.control, Sweep::Pull, active, seen), operands))
}

/// Tangents of a node's results.
pub(super) fn tangents(
    cx: &mut Workspace,
    control: &Control,
    operands: &[ValueId],
    results: &[ValueId],
    given: &[Option<ValueId>],
) -> Vec<Option<ValueId>> {
    let count = results.len();
    match try_tangents(cx, control, operands, results, given) {
        Ok(tangents) => tangents,
        Err(error) => {
            cx.trouble.get_or_insert(error);
            vec![None; count]
        }
    }
}

fn try_tangents(
    cx: &mut Workspace,
    control: &Control,
    operands: &[ValueId],
    results: &[ValueId],
    given: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>, Error> {
    let parts = control.parts();
    let (x, rest) = operands.split_at(parts.x);
    let (given_x, given_rest) = given.split_at(parts.x);
    let base = base_of(control);
    match control.sweep {
        Sweep::Apply => {
            let function = control.functions[0];
            if control.kind == ControlKind::Call && cx.table.custom(function).is_some() {
                return custom(cx, control, operands, results, given);
            }
            push(cx, &base, x, given, None)
        }
        Sweep::Push => {
            // The node is the tangent part of the widened kind: its tangents are that part's.
            let wide = widened(&mut cx.table, &base, &control.active)?;
            let from = sources(&wide, &base, &control.active, 0);
            let (operands, given) = arranged(cx, &from, operands, given);
            let wanted: Vec<usize> = (0..base.results.len())
                .filter(|&k| control.seen[k])
                .filter_map(|k| wide.tangents[k])
                .collect();
            let moved = push(cx, &wide.control, &operands, &given, Some(&wanted))?;
            Ok(wanted.iter().map(|&k| moved[k]).collect())
        }
        Sweep::Pull => {
            let still = given_x.iter().all(Option::is_none);
            let turned = spread_flags(&control.seen, given_rest);
            let dc: Vec<ValueId> = given_rest.iter().flatten().copied().collect();
            if still {
                return pull(cx, &base, x, &dc, &turned, &control.active);
            }
            let moved: Vec<bool> = given_x.iter().map(Option::is_some).collect();
            let node = Control {
                moved,
                turned,
                ..sweep_of(
                    &base,
                    Sweep::PullPush,
                    control.active.clone(),
                    control.seen.clone(),
                )
            };
            let dx = given_x.iter().flatten();
            let all: Vec<ValueId> = x.iter().chain(rest).chain(dx).chain(&dc).copied().collect();
            Ok(emit(cx, node, &all).into_iter().map(Some).collect())
        }
        Sweep::PullPush => {
            let (pulled, from) = unfolded(&mut cx.table, control)?;
            let (operands, given) = arranged(cx, &from, operands, given);
            try_tangents(cx, &pulled, &operands, results, &given)
        }
    }
}

/// Flags of the items of a list whose flagged ones have something given.
fn spread_flags(flags: &[bool], given: &[Option<ValueId>]) -> Vec<bool> {
    let mut given = given.iter();
    let of = |&flag: &bool| flag && given.next().is_some_and(Option::is_some);
    flags.iter().map(of).collect()
}

/// Values and tangents of a derived node's operands.
fn arranged(
    cx: &mut Workspace,
    from: &[Source],
    operands: &[ValueId],
    given: &[Option<ValueId>],
) -> (Vec<ValueId>, Vec<Option<ValueId>>) {
    let of = |source: &Source| match source {
        Source::Operand(i) => (operands[*i], given[*i]),
        Source::Zeros(ty) => (cx.emitter().full(ty, 0.0), None),
    };
    from.iter().map(of).unzip()
}

fn emit(cx: &mut Workspace, control: Control, operands: &[ValueId]) -> Vec<ValueId> {
    cx.emit_all(control.op(), operands, Attributes::Control(control.into()))
}

/// The push-forward of a kind along the tangents that are there; `wanted`: the only results asked for.
fn push(
    cx: &mut Workspace,
    base: &Control,
    x: &[ValueId],
    given: &[Option<ValueId>],
    wanted: Option<&[usize]>,
) -> Result<Vec<Option<ValueId>>, Error> {
    let active: Vec<bool> = given.iter().map(Option::is_some).collect();
    let mut seen = moving(&mut cx.table, base, &active)?;
    if let Some(wanted) = wanted {
        let asked = |k: usize| wanted.contains(&k);
        seen.iter_mut()
            .enumerate()
            .for_each(|(k, s)| *s &= asked(k));
    }
    if !seen.contains(&true) {
        return Ok(vec![None; seen.len()]);
    }
    let all: Vec<ValueId> = x.iter().chain(given.iter().flatten()).copied().collect();
    let node = sweep_of(base, Sweep::Push, active, seen.clone());
    let mut tangents = emit(cx, node, &all).into_iter();
    Ok(seen
        .iter()
        .map(|&s| if s { tangents.next() } else { None })
        .collect())
}

/// The pull-back of a kind of cotangents of the seen results; for each flagged operand its cotangent.
fn pull(
    cx: &mut Workspace,
    base: &Control,
    x: &[ValueId],
    c: &[ValueId],
    seen: &[bool],
    asked: &[bool],
) -> Result<Vec<Option<ValueId>>, Error> {
    let through = cx.table.through(base)?;
    let reaches = |j: usize| (0..seen.len()).any(|k| seen[k] && through.smooth[k].has(j));
    let active: Vec<bool> = asked
        .iter()
        .enumerate()
        .map(|(j, &a)| a && reaches(j))
        .collect();
    let found = if active.contains(&true) {
        let all: Vec<ValueId> = x.iter().chain(c).copied().collect();
        let node = sweep_of(base, Sweep::Pull, active.clone(), seen.to_vec());
        emit(cx, node, &all)
    } else {
        vec![]
    };
    let mut found = found.into_iter();
    let of = |(j, _): (usize, &bool)| if active[j] { found.next() } else { None };
    Ok(asked
        .iter()
        .enumerate()
        .filter(|(_, a)| **a)
        .map(of)
        .collect())
}

/// Cotangents of a node's operands, for those that are linear, from those of its results.
pub(super) fn cotangents(
    cx: &mut Workspace,
    control: &Control,
    operands: &[ValueId],
    results: &[ValueId],
    linear: &[bool],
    given: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>, Error> {
    let parts = control.parts();
    let x = &operands[..parts.x];
    let base = base_of(control);
    let mut out = vec![None; operands.len()];
    let present: Vec<ValueId> = given.iter().flatten().copied().collect();
    match control.sweep {
        Sweep::Apply if control.kind == ControlKind::Call && gives_cotangents(cx, control) => {
            return custom_cotangents(cx, control, operands, results, given);
        }
        // Linear in some operands: its derivative with respect to those does not depend on them.
        Sweep::Apply => {
            let mut at = x.to_vec();
            for (v, _) in at.iter_mut().zip(linear).filter(|(_, l)| **l) {
                *v = cx.zeros_like(*v);
            }
            let seen: Vec<bool> = given.iter().map(Option::is_some).collect();
            let found = pull(cx, &base, &at, &present, &seen, linear)?;
            place(&mut out, linear.iter().copied(), 0, found);
        }
        Sweep::Push => {
            let asked = spread(&control.active, &linear[parts.x..]);
            let seen = spread_flags(&control.seen, given);
            let found = pull(cx, &base, x, &present, &seen, &asked)?;
            place(&mut out, linear[parts.x..].iter().copied(), parts.x, found);
        }
        Sweep::Pull => {
            let w = scattered(&control.active, given);
            let wanted: Vec<usize> = numbers(&spread(&control.seen, &linear[parts.x..]));
            let found = push(cx, &base, x, &w, Some(&wanted))?;
            let found = wanted.iter().map(|&k| found[k]).collect();
            place(&mut out, linear[parts.x..].iter().copied(), parts.x, found);
        }
        Sweep::PullPush => {
            let w = scattered(&control.active, given);
            let (dx, dc) = (parts.x + parts.c, parts.x + parts.c + parts.dx);
            let wanted = numbers(&spread(&control.turned, &linear[dc..]));
            if !wanted.is_empty() {
                let found = push(cx, &base, x, &w, Some(&wanted))?;
                let found = wanted.iter().map(|&k| found[k]).collect();
                place(&mut out, linear[dc..].iter().copied(), dc, found);
            }
            let asked = spread(&control.moved, &linear[dx..dc]);
            if asked.contains(&true) {
                let node = Control {
                    moved: w.iter().map(Option::is_some).collect(),
                    turned: vec![false; control.seen.len()],
                    ..sweep_of(&base, Sweep::PullPush, asked, control.seen.clone())
                };
                let c = &operands[parts.x..dx];
                let all: Vec<ValueId> = x.iter().chain(c).chain(&present).copied().collect();
                let found = emit(cx, node, &all).into_iter().map(Some).collect();
                place(&mut out, linear[dx..dc].iter().copied(), dx, found);
            }
        }
    }
    Ok(out)
}

/// Positions whose flag is set.
fn numbers(flags: &[bool]) -> Vec<usize> {
    (0..flags.len()).filter(|&i| flags[i]).collect()
}

/// Flags of the flagged items, spread over all items.
fn spread(flags: &[bool], of: &[bool]) -> Vec<bool> {
    let mut of = of.iter();
    flags
        .iter()
        .map(|&flag| flag && of.next().is_some_and(|&f| f))
        .collect()
}

/// Values of the flagged items, spread over all items.
fn scattered(flags: &[bool], of: &[Option<ValueId>]) -> Vec<Option<ValueId>> {
    let mut of = of.iter();
    let pick = |&flag: &bool| {
        if flag {
            of.next().copied().flatten()
        } else {
            None
        }
    };
    flags.iter().map(pick).collect()
}

/// Puts what was found for the flagged operands after `begin` in its place.
fn place(
    out: &mut [Option<ValueId>],
    flags: impl Iterator<Item = bool>,
    begin: usize,
    found: Vec<Option<ValueId>>,
) {
    let mut found = found.into_iter();
    for (i, flag) in flags.enumerate() {
        if flag {
            out[begin + i] = found.next().flatten();
        }
    }
}

/// Tangents of a call by the derivative that the client gave for the function.
fn custom(
    cx: &mut Workspace,
    control: &Control,
    operands: &[ValueId],
    results: &[ValueId],
    given: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>, Error> {
    let Some((custom_jvp, custom_vjp)) = cx.table.custom(control.functions[0]) else {
        return Ok(vec![None; results.len()]);
    };
    let floats = |cx: &Workspace, values: &[ValueId]| -> Vec<bool> {
        values
            .iter()
            .map(|&v| cx.arena().ty(v).dtype.is_float())
            .collect()
    };
    let (xs, ys) = (floats(cx, operands), floats(cx, results));
    let mut arguments: Vec<ValueId> = operands.iter().chain(results).copied().collect();
    if let Some(rule) = custom_jvp {
        for (i, tangent) in given.iter().enumerate().filter(|&(i, _)| xs[i]) {
            arguments.push(match tangent {
                Some(tangent) => *tangent,
                None => cx.zeros_like(operands[i]),
            });
        }
        let found = cx.inlined(rule, &arguments)?;
        return Ok(scattered(
            &ys,
            &found.into_iter().map(Some).collect::<Vec<_>>(),
        ));
    }
    let Some(rule) = custom_vjp else {
        return Ok(vec![None; results.len()]);
    };
    // A pull-back, turned round, pushes forward.
    let begin = Mark::now(cx);
    let mut cotangents = Vec::new();
    for (&y, _) in results.iter().zip(&ys).filter(|(_, f)| **f) {
        let ty = cx.arena().ty(y).clone();
        cotangents.push(cx.parameter(ty));
    }
    arguments.extend(&cotangents);
    let pulled = cx.inlined(rule, &arguments)?;
    let tangents = picked(given, &xs);
    let pairs: Vec<(ValueId, ValueId)> = pulled
        .iter()
        .zip(tangents)
        .filter_map(|(&p, t)| Some((p, (*t)?)))
        .collect();
    let found = transpose(cx, begin, &pairs, &cotangents)?;
    Ok(scattered(&ys, &found))
}

fn gives_cotangents(cx: &Workspace, control: &Control) -> bool {
    let custom = cx.table.custom(control.functions[0]);
    matches!(custom, Some((_, Some(_))))
}

/// Cotangents of a call's operands by the function that was given for them.
fn custom_cotangents(
    cx: &mut Workspace,
    control: &Control,
    operands: &[ValueId],
    results: &[ValueId],
    given: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>, Error> {
    let Some((_, Some(rule))) = cx.table.custom(control.functions[0]) else {
        return Ok(vec![None; operands.len()]);
    };
    let mut arguments: Vec<ValueId> = operands.iter().chain(results).copied().collect();
    for (&y, cotangent) in results.iter().zip(given) {
        if cx.arena().ty(y).dtype.is_float() {
            arguments.push(match cotangent {
                Some(cotangent) => *cotangent,
                None => cx.zeros_like(y),
            });
        }
    }
    let found: Vec<Option<ValueId>> = cx
        .inlined(rule, &arguments)?
        .into_iter()
        .map(Some)
        .collect();
    let floats: Vec<bool> = operands
        .iter()
        .map(|&v| cx.arena().ty(v).dtype.is_float())
        .collect();
    Ok(scattered(&floats, &found))
}
