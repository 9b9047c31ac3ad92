//! Structural steps. Where lanes are there, every element is a row of them.

use super::memory::{Element, Memory, Shared, for_dtype};
use super::moves::{copy, put, through};
use super::stop::Ticker;
use super::{dot, reduce, routine, scan};
use crate::error::Error;
use crate::op::{Kernel, OutOfBounds, Strided, WindowPlan};
use crate::tape::{Place, Structural};
use crate::tensor::{DType, Tensor};
use smallvec::SmallVec;
use std::cell::Cell;

/// Elements that are worth waking a thread for: moving one takes about half a nanosecond, and waking some fifty
/// microseconds.
const SHARE: usize = 1 << 17;

/// Elements that a thread moves at a time.
const PIECE: usize = 1 << 14;

/// Runs a structural step.
pub(super) fn run(
    memory: Memory<'_>,
    step: &Structural,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    if let Kernel::Routine { routine, batch } = &step.kernel {
        return routine::run(memory, step, &**routine, *batch, ticker);
    }
    for_dtype!(step.result().dtype, typed(memory, step, ticker))
}

fn typed<T: Element>(
    memory: Memory<'_>,
    step: &Structural,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let out = memory.at::<T>(step.result());
    let lanes = memory.lanes_of(step.result().slot);
    ticker.tick(out.len())?;
    let operand = |k: usize| memory.at::<T>(step.operands[k]);
    match &step.kernel {
        Kernel::Constant(tensor) => constant(out, tensor),
        Kernel::Iota { size, inner } => {
            for (i, o) in out.iter().enumerate() {
                o.set(T::from_index(i / inner % size));
            }
        }
        Kernel::View(view) if memory.lanes_of(step.operands[0].slot) < lanes => {
            widen(out, operand(0), view, lanes);
        }
        Kernel::View(view) if lanes == 1 && out.len() >= 2 * SHARE && view.is_shallow() => {
            // SAFETY: each piece writes to elements of its own, and the operand lies elsewhere.
            let shared = unsafe { Shared::new((out, operand(0))) };
            let (pieces, most) = (out.len().div_ceil(PIECE), out.len() / SHARE - 1);
            return ticker.share(pieces, most, &|ticker, _, piece| {
                let (out, from) = shared.get();
                let own = piece * PIECE..out.len().min((piece + 1) * PIECE);
                ticker.tick(own.len())?;
                through(&out[own.clone()], from, view, own);
                Ok(())
            });
        }
        Kernel::View(view) => gather_rows(out, operand(0), view, lanes),
        Kernel::Place { fill, parts } => {
            if let Some(fill) = fill {
                match operand(*fill) {
                    [one] => {
                        let x = one.get();
                        out.iter().for_each(|o| o.set(x));
                    }
                    fill => out.chunks_exact(lanes).for_each(|row| copy(row, fill)),
                }
            }
            for (k, view) in parts {
                scatter_rows(out, operand(*k), view, lanes);
            }
        }
        Kernel::Accumulate(view) => {
            let from = operand(0);
            ticker.tick(from.len())?;
            out.iter().for_each(|o| o.set(T::default()));
            view.for_each(|position, at| {
                let row = &from[position * lanes..][..lanes];
                for (o, x) in out[at * lanes..][..lanes].iter().zip(row) {
                    o.set(o.get().plus(x.get()));
                }
            });
        }
        Kernel::Reduce {
            reduction,
            kept,
            reduced,
        } => {
            return reduce::run(out, operand(0), *reduction, kept, reduced, lanes, ticker);
        }
        Kernel::Scan {
            of,
            outer,
            size,
            inner,
            reverse,
        } => {
            let lines = scan::Lines {
                outer: *outer,
                size: *size,
                row: inner * lanes,
                reverse: *reverse,
            };
            return scan::run(out, operand(0), *of, &lines, ticker);
        }
        Kernel::Dot(plan) => return dot::run::<T>(memory, step, plan, ticker),
        Kernel::Gather(plan) if lanes == 1 && is_looked_up(plan) => {
            let from = operand(0);
            look_up(memory, step.operands[1], plan, |at, i| {
                out[i].set(at.map_or(T::default(), |at| from[at].get()));
            });
        }
        Kernel::ScatterAdd(plan) if lanes == 1 && is_looked_up(plan) => {
            copy(out, operand(0));
            let updates = operand(2);
            look_up(memory, step.operands[1], plan, |at, i| {
                if let Some(at) = at {
                    out[at].set(out[at].get().plus(updates[i].get()));
                }
            });
        }
        Kernel::Gather(plan) => windows(
            memory,
            step.operands[1],
            plan,
            lanes,
            &mut |lane, operand_at, window_at| {
                let from = operand(0);
                let at = |i: usize, lane: usize| i * lanes + lane;
                for lane in lane.clone() {
                    match operand_at {
                        Some(i) => out[at(window_at, lane)].set(from[at(i, lane)].get()),
                        None => out[at(window_at, lane)].set(T::default()),
                    }
                }
            },
        ),
        Kernel::ScatterAdd(plan) | Kernel::Scatter(plan) => {
            let adds = matches!(step.kernel, Kernel::ScatterAdd(_));
            copy(out, operand(0));
            let updates = operand(2);
            windows(
                memory,
                step.operands[1],
                plan,
                lanes,
                &mut |lane, operand_at, window_at| {
                    let Some(i) = operand_at else { return };
                    for lane in lane.clone() {
                        let o = &out[i * lanes + lane];
                        let update = updates[window_at * lanes + lane].get();
                        o.set(if adds { o.get().plus(update) } else { update });
                    }
                },
            );
        }
        // Elementwise steps and routines do not come here.
        Kernel::Routine { .. }
        | Kernel::Bodies
        | Kernel::Convert
        | Kernel::Compare(_)
        | Kernel::Select
        | Kernel::Logical
        | Kernel::Classify => {}
    }
    Ok(())
}

fn constant<T: Element>(out: &[Cell<T>], tensor: &Tensor) {
    for (o, bytes) in out.iter().zip(tensor.raw().chunks_exact(T::BYTES)) {
        o.set(T::read(bytes));
    }
}

fn gather_rows<T: Element>(out: &[Cell<T>], from: &[Cell<T>], view: &Strided, lanes: usize) {
    if lanes == 1 && view.is_shallow() && !view.is_empty() {
        return through(out, from, view, 0..view.len());
    }
    view.for_each_run(|position, start, length, stride| {
        let out = &out[position * lanes..][..length * lanes];
        if stride == 1 {
            return copy(out, &from[start * lanes..][..length * lanes]);
        }
        let mut at = start;
        for row in out.chunks_exact(lanes) {
            copy(row, &from[at * lanes..][..lanes]);
            at = at.wrapping_add(stride);
        }
    });
}

/// Elements in order to where a view says.
fn scatter_rows<T: Element>(out: &[Cell<T>], from: &[Cell<T>], view: &Strided, lanes: usize) {
    view.for_each_run(|position, start, length, stride| {
        let from = &from[position * lanes..][..length * lanes];
        match (stride, lanes) {
            (_, 1) => put(out, start, stride, from),
            (1, _) => copy(&out[start * lanes..][..length * lanes], from),
            _ => {
                let mut at = start;
                for row in from.chunks_exact(lanes) {
                    copy(&out[at * lanes..][..lanes], row);
                    at = at.wrapping_add(stride);
                }
            }
        }
    });
}

/// A uniform operand repeated in every lane.
fn widen<T: Element>(out: &[Cell<T>], from: &[Cell<T>], view: &Strided, lanes: usize) {
    view.for_each(|position, at| {
        for o in &out[position * lanes..][..lanes] {
            o.set(from[at].get());
        }
    });
}

/// Whether [`look_up`] finds all windows.
fn is_looked_up(plan: &WindowPlan) -> bool {
    plan.is_of_elements() || plan.is_of_columns()
}

/// [`windows`] of one element, each or of each row, found by one index each, where there is one lane.
fn look_up(
    memory: Memory<'_>,
    indices: Place,
    plan: &WindowPlan,
    visit: impl FnMut(Option<usize>, usize),
) {
    match plan.is_of_elements() {
        true => elements(memory, indices, plan, visit),
        false => columns(memory, indices, plan, visit),
    }
}

/// [`windows`] of one element each, found by one index each, where there is one lane: the usual look-up.
fn elements(
    memory: Memory<'_>,
    indices: Place,
    plan: &WindowPlan,
    mut visit: impl FnMut(Option<usize>, usize),
) {
    let cells = memory.at::<i64>(indices);
    let (stride, last) = plan.components[0];
    let drops = plan.out_of_bounds == OutOfBounds::Drop;
    for (v, start) in cells.iter().enumerate() {
        let start = start.get();
        let clamped = start.clamp(0, last);
        let there = !drops || clamped == start;
        visit(there.then(|| clamped as usize * stride), v);
    }
}

/// [`windows`] of one element of each row, found by one index each, where there is one lane: row by row.
fn columns(
    memory: Memory<'_>,
    indices: Place,
    plan: &WindowPlan,
    mut visit: impl FnMut(Option<usize>, usize),
) {
    let cells = memory.at::<i64>(indices);
    let (stride, last) = plan.components[0];
    let drops = plan.out_of_bounds == OutOfBounds::Drop;
    let (mut rows, mut windows) = (
        SmallVec::<[usize; 64]>::new(),
        SmallVec::<[usize; 64]>::new(),
    );
    plan.inside_operand.for_each(|_, at| rows.push(at));
    plan.inside_windows.for_each(|_, at| windows.push(at));
    for (row, window) in rows.iter().zip(&windows) {
        for (v, start) in cells.iter().enumerate() {
            let start = start.get();
            let clamped = start.clamp(0, last);
            let there = !drops || clamped == start;
            visit(there.then(|| row + clamped as usize * stride), window + v);
        }
    }
}

/// Calls `visit(lanes, element of the operand or None outside, element among the windows)` for every element
/// of every window; indices that vary are followed lane by lane.
fn windows(
    memory: Memory<'_>,
    indices: Place,
    plan: &WindowPlan,
    lanes: usize,
    visit: &mut dyn FnMut(std::ops::Range<usize>, Option<usize>, usize),
) {
    let cells = memory.at::<i64>(indices);
    let index_lanes = memory.lanes_of(indices.slot);
    let mut origins = Vec::with_capacity(plan.origins.len());
    plan.origins.for_each(|_, at| origins.push(at));
    let mut inside = Vec::with_capacity(plan.inside_windows.len());
    plan.inside_windows.for_each(|_, at| inside.push(at));
    plan.vectors.for_each(|v, vector| {
        for index_lane in 0..index_lanes {
            let range = match index_lanes {
                1 => 0..lanes,
                _ => index_lane..index_lane + 1,
            };
            let mut base = Some(0);
            for (c, &(stride, last)) in plan.components.iter().enumerate() {
                let at = (vector + c * plan.component_stride) * index_lanes + index_lane;
                let start = cells[at].get();
                let clamped = start.clamp(0, last);
                let dropped = plan.out_of_bounds == OutOfBounds::Drop && clamped != start;
                base = base
                    .filter(|_| !dropped)
                    .map(|b| b + clamped as usize * stride);
            }
            plan.inside_operand.for_each(|i, at| {
                visit(range.clone(), base.map(|b| b + at), origins[v] + inside[i]);
            });
        }
    });
}
