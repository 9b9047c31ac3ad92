//! Loops of which nothing is left but to add to a sum: the terms of all steps at once, and their running sums.

use super::home::Home;
use super::sequence::{is_number, sequence};
use super::write::Given;
use super::{Run, Source};
use crate::graph::{Arena, NodeId};
use crate::op::{Attributes, Emit, Op, ValueId};
use crate::tensor::DType;
use crate::transform::Workspace;
use crate::transform::copies::Copies;

/// What is added in each step.
pub(super) struct Sums {
    /// Additions, by place in the block.
    chain: Vec<usize>,
    /// The term of each.
    terms: Vec<Given>,
}

impl Run {
    /// Writes running sums in the loop's place; `read` are those that are read, by place and block.
    pub(super) fn add_up(
        &self,
        cx: &mut Workspace,
        from: &Arena,
        homes: &[Home],
        sums: &Sums,
        read: impl Iterator<Item = (usize, usize)>,
        to: &mut Copies,
    ) {
        let (chain, count) = (&sums.chain, sums.chain.len());
        let first =
            self.before[chain[count - 1]].expect("the first addition has something before it");
        let led = self.led(from, sums, first);
        let sequences = led.as_ref().unwrap_or(&self.sequences);
        let outside = self.outside(cx, from, homes, sequences, to);
        let terms = sums.terms.iter().map(|&term| match term {
            Given::Sequence(s) => sequence(cx, from, &sequences[s], to),
            Given::Value(v) => to.get(cx, v),
            Given::Outside(q) => outside[q],
        });
        let terms: Vec<ValueId> = terms.collect();
        let first = led.is_none().then(|| to.get(cx, first));
        let steps = self.blocks + usize::from(led.is_some());
        let sums = running_sums(cx, first, &terms, steps as u64);
        for (q, block) in read {
            let Some(place) = chain.iter().position(|&c| c == q) else {
                continue;
            };
            let value = self.value(from, block, q);
            let at = (block * count + place + 1) as u64;
            let cx = cx.emitter();
            let slice = cx.slice_along(sums, 0, at, at + 1);
            to.put(value, cx.reshape(slice, &[]));
        }
    }

    /// The sequences with a value in front for one block more, where what the sum begins with is a term like the others: a
    /// block without its addition stands in front of the first, or the term is nothing that a block computes.
    fn led(&self, from: &Arena, sums: &Sums, first: ValueId) -> Option<Vec<Vec<ValueId>>> {
        let (&[sum], &[term]) = (&sums.chain[..], &sums.terms[..]) else {
            return None;
        };
        let mut firsts: Vec<Option<ValueId>> = vec![None; self.sequences.len()];
        match term {
            Given::Sequence(s) => firsts[s] = Some(first),
            Given::Value(_) => return None,
            Given::Outside(term) => {
                let lead = self.lead(from, sum)?;
                for q in (0..self.period).filter(|&q| q != sum) {
                    self.is_like(from, q, &lead, &mut firsts)?;
                }
                if from.node(lead[term]).result != first {
                    return None;
                }
            }
        }
        let pairs = firsts.into_iter().zip(&self.sequences);
        pairs
            .map(|(first, values)| Some([&[first?], &values[..]].concat()))
            .collect()
    }

    /// The nodes in front of the first block that may be one without its addition, by place. Constants that all blocks
    /// share stand where they were needed first.
    fn lead(&self, from: &Arena, sum: usize) -> Option<Vec<NodeId>> {
        let is_constant = |n: NodeId| is_number(from, from.node(n).result);
        let mut ahead = self.nodes[..self.begin].iter().rev().copied();
        let mut lead = Vec::with_capacity(self.period);
        for q in (0..self.period).rev() {
            let like = self.node(0, q);
            lead.push(match q == sum {
                true => like,
                false => ahead.find(|&n| !is_constant(n) || is_constant(like))?,
            });
        }
        lead.reverse();
        Some(lead)
    }

    /// Whether a node of the leading block is like the others in its place; takes note of what it reads from before.
    fn is_like(
        &self,
        from: &Arena,
        q: usize,
        lead: &[NodeId],
        firsts: &mut [Option<ValueId>],
    ) -> Option<()> {
        let (own, other) = (from.step(lead[q]), from.step(self.node(0, q)));
        let type_of = |v: ValueId| from.type_id(v);
        let is_like = (own.op, own.attributes) == (other.op, other.attributes)
            && type_of(own.result) == type_of(other.result)
            && own.operands.len() == other.operands.len();
        let pairs = own.operands.iter().zip(&self.operands[q]);
        let fits = |(&v, source): (&ValueId, &Source)| match *source {
            Source::Own(p) => v == from.node(lead[p]).result,
            Source::Same(same) => v == same,
            Source::Before(_) => false,
            Source::Each(s) => {
                type_of(v) == type_of(self.sequences[s][0]) && *firsts[s].get_or_insert(v) == v
            }
        };
        (is_like && pairs.into_iter().all(fits)).then_some(())
    }

    /// Whether all that is left for the loop is to add to a sum: the additions, and the term that each adds. One term
    /// after the other is added, as the loop would.
    pub(super) fn sums(&self, from: &Arena, homes: &[Home]) -> Option<Sums> {
        let is_constant = |q: usize| is_number(from, self.value(from, 0, q));
        let inside = (0..self.period).filter(|&q| homes[q] == Home::Body && !is_constant(q));
        let chain: Vec<usize> = inside.collect();
        let mut so_far = Source::Before(*chain.last()?);
        let mut all = Vec::with_capacity(chain.len());
        for &q in &chain {
            let node = from.node(self.node(0, q));
            let ty = from.ty(node.result);
            if node.op != Op::Add || ty.dtype != DType::F64 || !ty.shape.is_empty() {
                return None;
            }
            let term = match self.operands[q][..] {
                [a, term] if a == so_far => term,
                [term, b] if b == so_far => term,
                _ => return None,
            };
            all.push(match term {
                Source::Each(s) if from.ty(self.sequences[s][0]).shape.is_empty() => {
                    Given::Sequence(s)
                }
                Source::Own(p) if homes[p] == Home::Each => Given::Outside(p),
                _ => return None,
            });
            so_far = Source::Own(q);
        }
        Some(Sums { chain, terms: all })
    }
}

/// `first` (where there is one), then the sums of it and one, two, … terms, of which each step adds one of each sequence.
fn running_sums(
    cx: &mut Workspace,
    first: Option<ValueId>,
    terms: &[ValueId],
    steps: u64,
) -> ValueId {
    let count = terms.len() as u64;
    let concatenate = |cx: &mut Workspace, parts: &[ValueId], dimension: u32| {
        cx.emit(
            Op::Concatenate,
            parts,
            Attributes::Concatenate { dimension },
        )
    };
    let mut side_by_side = Vec::with_capacity(terms.len());
    let terms = match *terms {
        [one] => one,
        _ => {
            for &term in terms {
                side_by_side.push(cx.emitter().reshape(term, &[steps, 1]));
            }
            let rows = concatenate(cx, &side_by_side, 1);
            cx.emitter().reshape(rows, &[steps * count])
        }
    };
    let all = match first {
        Some(first) => {
            let first = cx.emitter().reshape(first, &[1]);
            concatenate(cx, &[first, terms], 0)
        }
        None => terms,
    };
    let (axis, reverse) = (0, false);
    cx.emit(Op::Cumsum, &[all], Attributes::Cumulative { axis, reverse })
}
