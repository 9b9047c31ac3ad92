//! Writes a graph again, a run of equal blocks as a scan.

use super::home::Home;
use super::sequence::{is_number, sequence};
use super::{Run, Source};
use crate::graph::{Arena, NodeId};
use crate::op::{Attributes, Control, Emit, FunctionId, ValueId};
use crate::tensor::TensorType;
use crate::transform::copies::Copies;
use crate::transform::packed::parameters;
use crate::transform::{InputPlace, Packing, Workspace};
use smallvec::SmallVec;
use std::collections::BTreeMap;

pub(super) const NOT_YET: ValueId = ValueId(u32::MAX);

/// A parameter of the loop's body beside its carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// A sequence, by number.
    Sequence(usize),
    /// A value for all blocks.
    Value(ValueId),
    /// What a node of the block gives that is computed before the loop, by its place.
    Outside(usize),
}

impl Run {
    /// Writes everything into an empty workspace, the blocks as a scan.
    pub(super) fn written(
        &self,
        mut cx: Workspace,
        from: &Arena,
        inputs: &[InputPlace],
        outputs: &[ValueId],
        packing: Option<&Packing>,
    ) -> (Workspace, Vec<InputPlace>, Vec<ValueId>) {
        let mut to = Copies::of(from);
        let inputs = parameters(&mut cx, from, inputs, packing, &mut to);
        let end = self.begin + self.blocks * self.period;
        for &n in &self.nodes[..self.begin] {
            if !to.is_part(from, n) {
                copy(&mut cx, from, n, &mut to);
            }
        }
        self.scan(&mut cx, from, outputs, &mut to, end);
        for &n in &self.nodes[end..] {
            copy(&mut cx, from, n, &mut to);
        }
        let outputs = outputs.iter().map(|&v| to.get(&mut cx, v)).collect();
        (cx, inputs, outputs)
    }

    /// A node by its block and its place there.
    pub(super) fn node(&self, block: usize, q: usize) -> NodeId {
        self.nodes[self.begin + block * self.period + q]
    }

    /// Its result.
    pub(super) fn value(&self, from: &Arena, block: usize, q: usize) -> ValueId {
        from.node(self.node(block, q)).result
    }

    fn scan(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        outputs: &[ValueId],
        to: &mut Copies,
        end: usize,
    ) {
        let steps = self.blocks as u64;
        let last = self.blocks - 1;
        let (at_end, stacked) = self.read_after(from, outputs, end);
        let mut kept = at_end.clone();
        stacked.keys().for_each(|&q| kept[q] = true);
        let homes = self.homes(from, &kept);
        let carried: Vec<usize> = (0..self.period)
            .filter(|&q| {
                let mut sources = self.operands.iter().flatten();
                at_end[q] || sources.any(|&s| s == Source::Before(q))
            })
            .collect();
        let stacks: Vec<usize> = stacked.keys().copied().collect();
        let (each, same) = self.givens(from, &homes);
        if let Some(sums) = self.sums(from, &homes) {
            let ends = (0..self.period).filter(|&q| at_end[q]);
            let ends = ends.map(|q| (q, last));
            let read = stacked
                .iter()
                .flat_map(|(&q, all)| all.iter().map(move |&b| (q, b)));
            self.add_up(cx, from, &homes, &sums, read.chain(ends), to);
            return;
        }
        let outside = self.outside(cx, from, &homes, &self.sequences, to);
        let given = |cx: &mut Workspace, given: Given, to: &mut Copies| match given {
            Given::Sequence(s) => sequence(cx, from, &self.sequences[s], to),
            Given::Value(v) => to.get(cx, v),
            Given::Outside(q) => outside[q],
        };
        let body = self.body(cx, from, &homes, &carried, &stacks, (&each, &same));
        // The scan's operands.
        let mut operands: Vec<ValueId> = (carried.iter())
            .map(|&q| match self.before[q] {
                Some(v) => to.get(cx, v),
                // No step reads it.
                None => cx.emitter().full(from.ty(self.value(from, 0, q)), 0.0),
            })
            .collect();
        for &all in each.iter().chain(&same) {
            operands.push(given(cx, all, to));
        }
        let types: Vec<TensorType> = operands.iter().map(|&v| cx.arena().ty(v).clone()).collect();
        let ty = |q: usize| from.ty(self.value(from, 0, q)).clone();
        let mut results: Vec<TensorType> = carried.iter().map(|&q| ty(q)).collect();
        results.extend(stacks.iter().map(|&q| crate::graph::stacked(&ty(q), steps)));
        let inside = (0..self.period).filter(|&q| homes[q] == Home::Body);
        let cost: u64 = inside.map(|q| from.cost(from.node(self.node(0, q)))).sum();
        let (carries, sequences) = (carried.len() as u32, each.len() as u32);
        let scan = Control {
            operands: types,
            results,
            cost: cost.saturating_mul(steps),
            ..Control::scan(body, steps, carries, sequences, false)
        };
        let found = cx.emit_all(scan.op(), &operands, Attributes::Control(scan.into()));
        for (k, &q) in carried.iter().enumerate() {
            to.put(self.value(from, last, q), found[k]);
        }
        for (k, q) in stacks.iter().enumerate() {
            for &block in &stacked[q] {
                let value = self.value(from, block, *q);
                let at = block as u64;
                let shape = from.ty(value).shape.clone();
                let cx = cx.emitter();
                let slice = cx.slice_along(found[carried.len() + k], 0, at, at + 1);
                to.put(value, cx.reshape(slice, &shape));
            }
        }
    }

    /// Results of blocks that something after the run reads: which of the last block, and of which others.
    fn read_after(
        &self,
        from: &Arena,
        outputs: &[ValueId],
        end: usize,
    ) -> (Vec<bool>, BTreeMap<usize, Vec<usize>>) {
        let mut at_end = vec![false; self.period];
        let mut stacked: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut met = vec![false; from.len()];
        let later = self.nodes[end..]
            .iter()
            .flat_map(|&n| from.node(n).operands);
        for &value in later.chain(outputs) {
            if std::mem::replace(&mut met[value.index()], true) {
                continue;
            }
            // Nodes are in order, so the reader's operand is found by bisection.
            let Some(node) = from.producer(value) else {
                continue;
            };
            let run = &self.nodes[self.begin..end];
            let Ok(at) = run.binary_search(&node.id) else {
                continue;
            };
            let (block, q) = (at / self.period, at % self.period);
            match block == self.blocks - 1 {
                true => at_end[q] = true,
                false => stacked.entry(q).or_default().push(block),
            }
        }
        (at_end, stacked)
    }

    /// Sequences and constants that the body reads. Scalar constants it holds itself.
    fn givens(&self, from: &Arena, homes: &[Home]) -> (Vec<Given>, Vec<Given>) {
        let (mut each, mut same) = (Vec::new(), Vec::new());
        let inside = (0..self.period).filter(|&q| homes[q] == Home::Body);
        for source in inside.flat_map(|q| &self.operands[q]) {
            let (list, given) = match *source {
                Source::Each(s) => (&mut each, Given::Sequence(s)),
                Source::Same(v) if !is_number(from, v) => (&mut same, Given::Value(v)),
                Source::Own(p) if homes[p] == Home::Each => (&mut each, Given::Outside(p)),
                Source::Own(p) if homes[p] == Home::Once => (&mut same, Given::Outside(p)),
                _ => continue,
            };
            if !list.contains(&given) {
                list.push(given);
            }
        }
        (each, same)
    }

    /// What is computed before the loop, by place in the block.
    pub(super) fn outside(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        homes: &[Home],
        sequences: &[Vec<ValueId>],
        to: &mut Copies,
    ) -> Vec<ValueId> {
        let mut values = vec![NOT_YET; self.period];
        for q in (0..self.period).filter(|&q| homes[q] != Home::Body) {
            let node = from.node(self.node(0, q));
            let mut operands = Vec::with_capacity(node.operands.len());
            for source in &self.operands[q] {
                operands.push(match *source {
                    Source::Each(s) => sequence(cx, from, &sequences[s], to),
                    Source::Own(p) if homes[p] != Home::Body => values[p],
                    // Only scalar constants are left.
                    Source::Own(p) | Source::Before(p) => {
                        constant(cx, from, self.value(from, 0, p))
                    }
                    Source::Same(v) => to.get(cx, v),
                });
            }
            values[q] = cx.emit(node.op, &operands, node.attributes.clone());
        }
        values
    }

    fn body(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        homes: &[Home],
        carried: &[usize],
        stacks: &[usize],
        (each, same): (&[Given], &[Given]),
    ) -> FunctionId {
        let ty = |q: usize| from.ty(self.value(from, 0, q)).clone();
        cx.table.add(|cx| {
            let carries: Vec<ValueId> = carried.iter().map(|&q| cx.parameter(ty(q))).collect();
            let givens: Vec<Given> = each.iter().chain(same).copied().collect();
            let parameters: Vec<ValueId> = givens
                .iter()
                .map(|given| {
                    cx.parameter(match *given {
                        Given::Sequence(s) => from.ty(self.sequences[s][0]).clone(),
                        Given::Value(v) => from.ty(v).clone(),
                        Given::Outside(q) => ty(q),
                    })
                })
                .collect();
            let given = |wanted: Given| {
                let at = givens.iter().position(|&g| g == wanted);
                parameters[at.expect("givens were listed from these")]
            };
            let mut own = vec![NOT_YET; self.period];
            for q in (0..self.period).filter(|&q| homes[q] == Home::Body) {
                let node = from.node(self.node(0, q));
                let mut operands = Vec::with_capacity(node.operands.len());
                for source in &self.operands[q] {
                    operands.push(match *source {
                        Source::Own(p) if homes[p] == Home::Body => own[p],
                        Source::Own(p) => given(Given::Outside(p)),
                        Source::Before(p) => {
                            let at = carried.iter().position(|&c| c == p);
                            carries[at.expect("carries were listed from these")]
                        }
                        Source::Each(s) => given(Given::Sequence(s)),
                        Source::Same(v) if is_number(from, v) => constant(cx, from, v),
                        Source::Same(v) => given(Given::Value(v)),
                    });
                }
                own[q] = cx.emit(node.op, &operands, node.attributes.clone());
            }
            let results = carried.iter().chain(stacks).map(|&q| own[q]).collect();
            let parameters = carries.into_iter().chain(parameters).collect();
            (parameters, results)
        })
    }
}

/// A scalar constant again.
fn constant(cx: &mut Workspace, from: &Arena, v: ValueId) -> ValueId {
    let number = from.producer(v).expect("a constant");
    cx.emit(number.op, &[], number.attributes.clone())
}

fn copy(cx: &mut Workspace, from: &Arena, n: NodeId, to: &mut Copies) {
    let node = from.node(n);
    let operands = node.operands.iter().map(|&v| to.get(cx, v));
    let operands: SmallVec<[ValueId; 3]> = operands.collect();
    if node.result_count == 1 {
        to.put(
            node.result,
            cx.emit(node.op, &operands, node.attributes.clone()),
        );
        return;
    }
    let values = cx.emit_all(node.op, &operands, node.attributes.clone());
    for (result, value) in node.results().zip(values) {
        to.put(result, value);
    }
}
