//! What each element of a node's results depends on. Structural operations say it by their kernels, whose strides
//! are worked out already, nodes with bodies by these; whatever is not listed here depends on everything.

use super::bodies::Bodies;
use super::propagate::Elements;
use crate::graph::{Arena, NodeRef};
use crate::op::{
    Attributes, DotPlan, Kernel, Op, OutOfBounds, Strided, Types, ValueId, WindowPlan,
};
use crate::tensor::{Shape, TensorType};
use std::collections::HashMap;

/// Pairs (from, to) of elements, in stages: what a stage writes only later ones read. Hubs are elements that stand
/// for many, so that "all of these depend on all of those" takes a pair for each, not for each combination.
#[derive(Default)]
pub(super) struct Edges {
    pairs: Vec<(u32, u32)>,
    ends: Vec<usize>,
    /// The first hub's number, and how many there are.
    pub first_hub: u32,
    pub hubs: u32,
}

impl Edges {
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.ends.clear();
        self.hubs = 0;
    }

    pub fn push(&mut self, from: u32, to: u32) {
        self.pairs.push((from, to));
    }

    pub fn end_stage(&mut self) {
        self.ends.push(self.pairs.len());
    }

    pub fn hubs(&mut self, count: usize) -> u32 {
        let first = self.first_hub + self.hubs;
        self.hubs += count as u32;
        first
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Stages in order.
    pub fn stages(&mut self) -> impl DoubleEndedIterator<Item = &mut [(u32, u32)]> {
        let mut rest = &mut self.pairs[..];
        let mut begin = 0;
        let mut stages = Vec::with_capacity(self.ends.len());
        for &end in &self.ends {
            let (stage, after) = std::mem::take(&mut rest).split_at_mut(end - begin);
            stages.push(stage);
            (rest, begin) = (after, end);
        }
        stages.into_iter()
    }
}

/// A node among others, for its edges.
pub(super) struct Writer<'a, 't> {
    arena: &'a Arena,
    pub(super) node: NodeRef<'a>,
    pub(super) elements: &'a Elements,
    pub(super) bodies: &'a mut Bodies<'t>,
    pub(super) out: &'a mut Edges,
}

/// Writes the edges of a node some of whose operands move.
pub(super) fn write(
    arena: &Arena,
    node: NodeRef<'_>,
    elements: &Elements,
    bodies: &mut Bodies<'_>,
    out: &mut Edges,
) {
    out.clear();
    let mut writer = Writer {
        arena,
        node,
        elements,
        bodies,
        out,
    };
    writer.node();
    writer.out.end_stage();
}

impl Writer<'_, '_> {
    /// First element of operand k, if it moves.
    pub(super) fn operand(&self, k: usize) -> Option<u32> {
        self.elements.first(*self.node.operands.get(k)?)
    }

    pub(super) fn operand_shape(&self, k: usize) -> &Shape {
        &self.arena.ty(self.node.operands[k]).shape
    }

    pub(super) fn operand_len(&self, k: usize) -> usize {
        self.arena.ty(self.node.operands[k]).elements() as usize
    }

    pub(super) fn result(&self) -> u32 {
        let first = self.elements.first(self.node.result);
        first.expect("nodes are visited whose results move")
    }

    fn node(&mut self) {
        let (op, len) = (self.node.op, self.node.ty.elements() as usize);
        if op.elementwise().is_some() {
            return self.elementwise(0..self.node.operands.len(), len);
        }
        let Some(rule) = op.rule() else {
            return self.everything();
        };
        if let Attributes::Control(control) = self.node.attributes {
            // What is wrong with a function is said by whoever runs it.
            if self.control(control).is_err() {
                self.everything();
            }
            return;
        }
        if op == Op::SparseMatvec
            && let Attributes::SparsePattern(pattern) = self.node.attributes
        {
            let (from, to) = match pattern.transpose {
                false => (&pattern.columns, &pattern.rows),
                true => (&pattern.rows, &pattern.columns),
            };
            return self.sparse(
                from,
                to,
                pattern.row_count,
                pattern.column_count,
                pattern.transpose,
            );
        }
        let operands: Vec<&TensorType> =
            (self.node.operands.iter().map(|&v| self.arena.ty(v))).collect();
        let results: Vec<&TensorType> = self.node.results().map(|v| self.arena.ty(v)).collect();
        let types = Types {
            operands: &operands,
            result: self.node.ty,
            results: &results,
        };
        match (rule.kernel)(op, self.node.attributes, &types) {
            Kernel::View(view) => self.through(0, &view, true),
            Kernel::Place { fill, parts } => self.place(fill, &parts, len),
            Kernel::Accumulate(view) => self.through(0, &view, false),
            Kernel::Reduce { kept, reduced, .. } => self.reduce(&kept, &reduced),
            Kernel::Scan {
                outer,
                size,
                inner,
                reverse,
                ..
            } => self.scan([outer, size, inner], reverse),
            Kernel::Dot(plan) => self.dot(&plan),
            Kernel::Gather(plan) => self.gather(&plan),
            Kernel::ScatterAdd(plan) => self.scatter(&plan, true),
            Kernel::Scatter(plan) => self.scatter(&plan, false),
            Kernel::Convert => self.elementwise(0..1, len),
            Kernel::Select => self.elementwise(1..3, len),
            Kernel::Routine { batch, .. } => {
                if !self.solved(batch) {
                    self.items(batch);
                }
            }
            Kernel::Constant(_)
            | Kernel::Iota { .. }
            | Kernel::Compare(_)
            | Kernel::Logical
            | Kernel::Classify => {}
            #[allow(unreachable_patterns, reason = "kernels to come depend on everything")]
            _ => self.everything(),
        }
    }

    /// Element i on element i; scalars go everywhere.
    fn elementwise(&mut self, operands: std::ops::Range<usize>, len: usize) {
        let to = self.result();
        let moving: Vec<(u32, bool)> = operands
            .filter_map(|k| Some((self.operand(k)?, self.operand_len(k) == len)))
            .collect();
        for i in 0..len as u32 {
            for &(from, own) in &moving {
                self.out.push(if own { from + i } else { from }, to + i);
            }
        }
    }

    /// Every result on every operand.
    fn everything(&mut self) {
        self.items(1);
    }

    /// Every result on every operand, item by item of a batch.
    fn items(&mut self, batch: usize) {
        let hubs = self.out.hubs(batch);
        for k in 0..self.node.operands.len() {
            let Some(from) = self.operand(k) else {
                continue;
            };
            let item = (self.operand_len(k) / batch.max(1)).max(1);
            for i in 0..self.operand_len(k) {
                self.out.push(from + i as u32, hubs + (i / item) as u32);
            }
        }
        self.out.end_stage();
        for result in self.node.results() {
            let Some(to) = self.elements.first(result) else {
                continue;
            };
            let len = self.arena.ty(result).elements() as usize;
            let item = (len / batch.max(1)).max(1);
            for i in 0..len {
                self.out.push(hubs + (i / item) as u32, to + i as u32);
            }
        }
    }

    /// Elements in order on one side, through strides on the other: read (result in order) or written.
    fn through(&mut self, k: usize, view: &Strided, reads: bool) {
        let Some(from) = self.operand(k) else { return };
        let to = self.result();
        view.for_each(|position, at| {
            let (from_at, to_at) = if reads {
                (at, position)
            } else {
                (position, at)
            };
            self.out.push(from + from_at as u32, to + to_at as u32);
        });
    }

    fn place(&mut self, fill: Option<usize>, parts: &[(usize, Strided)], len: usize) {
        let to = self.result();
        for (k, view) in parts {
            self.through(*k, view, false);
        }
        if let Some(from) = fill.and_then(|k| self.operand(k)) {
            let mut written = vec![false; len];
            for (_, view) in parts {
                view.for_each(|_, at| written[at] = true);
            }
            for (i, _) in written.iter().enumerate().filter(|(_, written)| !**written) {
                self.out.push(from, to + i as u32);
            }
        }
    }

    fn reduce(&mut self, kept: &Strided, reduced: &Strided) {
        let Some(from) = self.operand(0) else { return };
        let to = self.result();
        kept.for_each(|position, base| {
            reduced.for_each(|_, at| {
                let at = base.wrapping_add(at) as u32;
                self.out.push(from + at, to + position as u32);
            });
        });
    }

    fn scan(&mut self, [outer, size, inner]: [usize; 3], reverse: bool) {
        let Some(from) = self.operand(0) else { return };
        let to = self.result();
        for step in 0..size {
            let at = if reverse { size - 1 - step } else { step };
            let before = if reverse { at + 1 } else { at.wrapping_sub(1) };
            for o in 0..outer {
                for i in 0..inner {
                    let element = |row: usize| ((o * size + row) * inner + i) as u32;
                    self.out.push(from + element(at), to + element(at));
                    if step > 0 {
                        self.out.push(to + element(before), to + element(at));
                    }
                }
            }
            self.out.end_stage();
        }
    }

    /// Row i of the left operand and column j of the right one meet in element (i, j).
    fn dot(&mut self, plan: &DotPlan) {
        let [batch, rows, columns] = [plan.batch[0].len(), plan.rows.len(), plan.columns.len()];
        let sides = [(&plan.rows, rows), (&plan.columns, columns)];
        let mut hubs = [None; 2];
        for (k, (free, count)) in sides.into_iter().enumerate() {
            let Some(from) = self.operand(k) else {
                continue;
            };
            let first = self.out.hubs(batch * count);
            hubs[k] = Some(first);
            plan.batch[k].for_each(|b, at_batch| {
                free.for_each(|i, at_free| {
                    plan.inner[k].for_each(|_, at| {
                        let at = at_batch + at_free + at;
                        self.out
                            .push(from + at as u32, first + (b * count + i) as u32);
                    });
                });
            });
        }
        self.out.end_stage();
        let to = self.result();
        for b in 0..batch {
            for i in 0..rows {
                for j in 0..columns {
                    let at = to + ((b * rows + i) * columns + j) as u32;
                    if let Some(left) = hubs[0] {
                        self.out.push(left + (b * rows + i) as u32, at);
                    }
                    if let Some(right) = hubs[1] {
                        self.out.push(right + (b * columns + j) as u32, at);
                    }
                }
            }
        }
    }

    /// A sparse matrix times vectors, for every item of a batch: entry e leads from x[from] to y[to].
    fn sparse(&mut self, from: &[u64], to: &[u64], rows: u64, columns: u64, turned: bool) {
        let (n, m) = if turned {
            (rows, columns)
        } else {
            (columns, rows)
        };
        let entries = from.len();
        let batch = match entries {
            0 => return,
            _ => self.operand_len(0) / entries,
        };
        let k = self.operand_len(1) / (batch * n as usize).max(1);
        let result = self.result();
        for b in 0..batch {
            for (e, (&i, &o)) in from.iter().zip(to).enumerate() {
                for c in 0..k {
                    let at =
                        |size: u64, row: u64| ((b * size as usize + row as usize) * k + c) as u32;
                    if let Some(values) = self.operand(0) {
                        let entry = values + (b * entries + e) as u32;
                        self.out.push(entry, result + at(m, o));
                    }
                    if let Some(x) = self.operand(1) {
                        self.out.push(x + at(n, i), result + at(m, o));
                    }
                }
            }
        }
    }

    fn gather(&mut self, plan: &WindowPlan) {
        let Some(from) = self.operand(0) else { return };
        let to = self.result();
        match constant_indices(self.arena, self.node.operands[1]) {
            Some(indices) => windows(plan, &indices, |operand, window| {
                self.out.push(from + operand as u32, to + window as u32);
            }),
            None => {
                let hub = self.reachable(plan, |out, hub, at| out.push(from + at, hub));
                self.out.end_stage();
                each_window(plan, |i, window| {
                    self.out.push(hub.of(i), to + window as u32)
                });
            }
        }
    }

    fn scatter(&mut self, plan: &WindowPlan, adds: bool) {
        let (to, len) = (self.result(), self.operand_len(0));
        let indices = constant_indices(self.arena, self.node.operands[1]);
        let mut covered = HashMap::new();
        if let (Some(indices), false) = (&indices, adds) {
            // The last window over an element is what it holds.
            windows(plan, indices, |operand, window| {
                covered.insert(operand, window);
            });
        }
        if let Some(from) = self.operand(0) {
            for i in (0..len).filter(|i| !covered.contains_key(i)) {
                self.out.push(from + i as u32, to + i as u32);
            }
        }
        let Some(from) = self.operand(2) else { return };
        match indices {
            Some(indices) => windows(plan, &indices, |operand, window| {
                if adds || covered.get(&operand) == Some(&window) {
                    self.out.push(from + window as u32, to + operand as u32);
                }
            }),
            None => {
                let mut last = Vec::new();
                let hub = self.reachable(plan, |_, hub, at| last.push((hub, to + at)));
                each_window(plan, |i, window| {
                    self.out.push(from + window as u32, hub.of(i))
                });
                self.out.end_stage();
                last.into_iter()
                    .for_each(|(hub, at)| self.out.push(hub, at));
            }
        }
    }

    /// A hub for each element of a window whose place is known at run time only, with every element of the operand
    /// it can be. Where that would be many, one hub for all of them. Gives the hub of an element of a window.
    fn reachable(&mut self, plan: &WindowPlan, mut f: impl FnMut(&mut Edges, u32, u32)) -> Reached {
        let (inside, len) = (plan.inside_operand.len(), self.operand_len(0));
        let places = plan.components.iter().map(|&(_, last)| last as usize + 1);
        let places = places.fold(inside, usize::saturating_mul);
        let each = places <= len.saturating_mul(4);
        let first = self.out.hubs(if each { inside } else { 1 });
        if each {
            let mut starts = vec![0usize];
            for &(stride, last) in &plan.components {
                let steps = |&s: &usize| (0..=last as usize).map(move |i| s + i * stride);
                starts = starts.iter().flat_map(steps).collect();
            }
            plan.inside_operand.for_each(|i, at| {
                for start in &starts {
                    f(self.out, first + i as u32, (start + at) as u32);
                }
            });
        } else {
            (0..len as u32).for_each(|at| f(self.out, first, at));
        }
        Reached {
            first,
            step: u32::from(each),
        }
    }
}

/// Hubs of a window whose place is known at run time only.
struct Reached {
    first: u32,
    step: u32,
}

impl Reached {
    /// The hub of an element of the window.
    fn of(&self, i: usize) -> u32 {
        self.first + self.step * i as u32
    }
}

/// Calls `f(element within the window, element among the windows)` for all windows.
fn each_window(plan: &WindowPlan, mut f: impl FnMut(usize, usize)) {
    plan.origins.for_each(|_, origin| {
        plan.inside_windows.for_each(|i, at| f(i, origin + at));
    });
}

/// Calls `f(element of the operand, element among the windows)` for windows at known indices; those that are dropped
/// are left out.
pub(super) fn windows(plan: &WindowPlan, indices: &[i64], mut f: impl FnMut(usize, usize)) {
    let mut origins = Vec::with_capacity(plan.origins.len());
    plan.origins.for_each(|_, at| origins.push(at));
    let mut inside = Vec::with_capacity(plan.inside_windows.len());
    plan.inside_windows.for_each(|_, at| inside.push(at));
    plan.vectors.for_each(|v, vector| {
        let mut base = 0;
        for (c, &(stride, last)) in plan.components.iter().enumerate() {
            let start = indices[vector + c * plan.component_stride];
            let clamped = start.clamp(0, last);
            if plan.out_of_bounds == OutOfBounds::Drop && clamped != start {
                return;
            }
            base += clamped as usize * stride;
        }
        plan.inside_operand
            .for_each(|i, at| f(base + at, origins[v] + inside[i]));
    });
}

/// The numbers in an i64 constant.
pub(super) fn constant_indices(arena: &Arena, value: ValueId) -> Option<Vec<i64>> {
    match arena.producer(value)?.attributes {
        Attributes::Constant(tensor) => {
            let numbers = tensor.raw().chunks_exact(8);
            let read = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            Some(numbers.map(read).collect())
        }
        _ => None,
    }
}
