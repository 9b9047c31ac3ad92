//! Edges through nodes with bodies. A call's are those of its function; a cond's those of all its branches (what
//! chooses has no derivative). A scan is written step by step, exactly: an output of step t depends on the sequences
//! up to step t and not beyond. A map is that without carries: an item depends on its own items. A while goes on for
//! as many steps as nobody knows, so its carries depend on what they would after any number of steps, none included.
//!
//! A superset, never a subset: a while of few steps; a scan of more than [`MAX_PAIRS`] pairs, which is taken for a
//! loop of any number of steps that sees all items of its sequences in each; and functions that are too large (see
//! [`super::bodies`]).

use super::bodies::{Links, Place};
use super::edges::{Edges, Writer};
use super::net::{End, Net};
use crate::error::Error;
use crate::op::{Control, ControlKind, Sweep};
use crate::tensor::TensorType;
use crate::transform::{Source, resolve};
use std::collections::HashMap;

/// Pairs that the steps of a scan may take.
const MAX_PAIRS: u64 = 1 << 23;

/// The first elements of what moves.
pub(super) type Firsts = Vec<Option<u32>>;

/// A place whose element is known for all steps: the element stands for the place.
const ANYWHERE: u32 = u32::MAX;

/// Pairs of a step, which may go over hubs.
pub(super) struct Steps<'a> {
    pub(super) out: &'a mut Edges,
    later: Vec<(u32, u32)>,
}

impl Steps<'_> {
    /// Of each group all sources lead to all targets.
    pub(super) fn join(
        &mut self,
        links: &Links,
        from: impl Fn(Place) -> Option<u32>,
        to: impl Fn(Place) -> Option<u32>,
    ) {
        let (mut sources, mut targets) = (vec![], vec![]);
        for (of, by) in links.groups() {
            sources.clear();
            sources.extend(of.iter().filter_map(|&place| match place {
                (ANYWHERE, element) => Some(element),
                place => from(place),
            }));
            targets.clear();
            targets.extend(by.iter().filter_map(|&place| to(place)));
            if sources.len() > 1 && targets.len() > 1 {
                let hub = self.out.hubs(1);
                sources.iter().for_each(|&from| self.out.push(from, hub));
                self.later.extend(targets.iter().map(|&to| (hub, to)));
            } else {
                let pairs = |&from| targets.iter().map(move |&to| (from, to));
                self.later.extend(sources.iter().flat_map(pairs));
            }
        }
    }

    /// Ends what can be read from now on.
    pub(super) fn end(&mut self) {
        self.out.end_stage();
        for (from, to) in self.later.drain(..) {
            self.out.push(from, to);
        }
        self.out.end_stage();
    }

    /// Gathers sources that are the same in all steps, so that a step takes one pair for them.
    pub(super) fn fixed(&mut self, links: &Links, firsts: &Firsts, begin: usize) -> Links {
        let mut gathered: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut fixed = Links::default();
        let is_fixed = |p: u32| (begin..firsts.len()).contains(&(p as usize));
        for (sources, targets) in links.groups() {
            let (all, own): (Vec<Place>, Vec<Place>) =
                sources.iter().partition(|(p, _)| is_fixed(*p));
            let all: Vec<u32> = (all.iter())
                .filter_map(|&(p, e)| Some(firsts[p as usize]? + e))
                .collect();
            let hub = match all[..] {
                [] => None,
                [only] => Some(only),
                _ => Some(*gathered.entry(all).or_insert_with_key(|all| {
                    let hub = self.out.hubs(1);
                    all.iter().for_each(|&from| self.out.push(from, hub));
                    hub
                })),
            };
            let hub = hub.map(|hub| (ANYWHERE, hub));
            fixed.push(own.into_iter().chain(hub), targets.iter().copied());
        }
        self.out.end_stage();
        fixed
    }

    pub(super) fn same(&mut self, from: Option<u32>, to: Option<u32>, elements: u32) {
        if let (Some(from), Some(to)) = (from, to) {
            self.later.extend((0..elements).map(|e| (from + e, to + e)));
        }
    }
}

/// A loop: operands are carries, sequences, and what all steps see.
pub(super) struct Shape {
    pub(super) carries: usize,
    sequences: usize,
    /// Elements of each operand that a step takes, and of each result that it gives.
    pub(super) takes: Vec<u32>,
    pub(super) gives: Vec<u32>,
    /// Steps; `None`: any number.
    pub(super) length: Option<u64>,
    reverse: bool,
}

impl Shape {
    pub(super) fn of(control: &Control) -> Self {
        let (carries, sequences) = (control.carries as usize, control.sequences as usize);
        let (length, reverse) = match control.kind {
            ControlKind::Scan { length, reverse } => (Some(length), reverse),
            _ => (None, false),
        };
        let each = |types: &[TensorType], stacked: std::ops::Range<usize>| -> Vec<u32> {
            let of = |(k, ty): (usize, &TensorType)| match stacked.contains(&k) {
                true => ty.elements() / length.unwrap_or(1).max(1),
                false => ty.elements(),
            };
            types.iter().enumerate().map(|t| of(t) as u32).collect()
        };
        Self {
            carries,
            sequences,
            takes: each(&control.operands, carries..carries + sequences),
            gives: each(&control.results, carries..control.results.len()),
            length,
            reverse,
        }
    }

    /// Which item of sequences and outputs belongs to a step.
    pub(super) fn item(&self, step: u64) -> u32 {
        match (self.reverse, self.length) {
            (true, Some(length)) => (length - 1 - step) as u32,
            _ => step as u32,
        }
    }

    /// Steps, if they can be written one by one for so many pairs a step.
    pub(super) fn written(&self, pairs: u64) -> Option<u64> {
        let carried: u64 = self.takes[..self.carries]
            .iter()
            .map(|&n| u64::from(n))
            .sum();
        let length = self.length?;
        (length.saturating_mul(pairs + carried) <= MAX_PAIRS).then_some(length)
    }

    /// Operands before those that all steps see.
    pub(super) fn changing(&self) -> usize {
        self.carries + self.sequences
    }

    /// The element of an operand in a step that begins with these carries.
    pub(super) fn read(
        &self,
        carries: &Firsts,
        operands: &Firsts,
        (p, e): Place,
        item: u32,
    ) -> Option<u32> {
        match carries.get(p as usize) {
            Some(carry) => Some((*carry)? + e),
            None => self.operand(operands, (p, e), item),
        }
    }

    /// The element of an operand that is not a carry, in an item.
    pub(super) fn operand(&self, firsts: &Firsts, (p, e): Place, item: u32) -> Option<u32> {
        let p = p as usize;
        let item = if p < self.changing() { item } else { 0 };
        Some(firsts[p]? + item * self.takes[p] + e)
    }
}

impl Writer<'_, '_> {
    /// `None`: its functions cannot be followed.
    pub(super) fn control(&mut self, control: &Control) -> Result<(), Error> {
        let resolved = resolve(self.bodies.table, control)?;
        let operands: Firsts = (resolved.operands.iter())
            .map(|source| match source {
                Source::Operand(k) => self.operand(*k),
                Source::Zeros(_) => None,
            })
            .collect();
        let control = &resolved.control;
        let mut results = vec![None; control.result_types().len()];
        for (value, &k) in self.node.results().zip(&resolved.results) {
            results[k] = self.elements.first(value);
        }
        match (control.kind, control.sweep) {
            (ControlKind::Call | ControlKind::Cond, _) => {
                let arguments = operands[control.first_argument()..].to_vec();
                self.branches(control, &arguments, &results)
            }
            (_, Sweep::Apply) => self.repeated(control, &operands, &results),
            _ => self.pulled(control, &operands, &results),
        }
    }

    pub(super) fn steps(&mut self) -> Steps<'_> {
        Steps {
            out: self.out,
            later: vec![],
        }
    }

    fn branches(
        &mut self,
        control: &Control,
        arguments: &Firsts,
        results: &Firsts,
    ) -> Result<(), Error> {
        let moves: Vec<bool> = arguments.iter().map(Option::is_some).collect();
        let all = control.functions.iter();
        let all: Vec<_> = all
            .map(|&f| self.bodies.links(f, &moves))
            .collect::<Result<_, Error>>()?;
        let at = |firsts: &Firsts, (k, e): Place| Some(firsts[k as usize]? + e);
        let mut steps = self.steps();
        for links in all {
            steps.join(&links, |p| at(arguments, p), |r| at(results, r));
        }
        steps.end();
        Ok(())
    }

    /// Operands that move in some step, from those that do at the beginning.
    pub(super) fn moving(
        &mut self,
        control: &Control,
        operands: &Firsts,
    ) -> Result<Vec<bool>, Error> {
        let x = &operands[..control.operands.len()];
        let mut moves: Vec<bool> = x.iter().map(Option::is_some).collect();
        let through = self.bodies.table.through(&control.applied())?;
        let carries = control.carries as usize;
        let later: Vec<bool> = (0..carries)
            .map(|k| through.smooth[k].meets(&moves))
            .collect();
        moves
            .iter_mut()
            .zip(later)
            .for_each(|(m, later)| *m |= later);
        Ok(moves)
    }

    fn repeated(
        &mut self,
        control: &Control,
        operands: &Firsts,
        results: &Firsts,
    ) -> Result<(), Error> {
        let shape = Shape::of(control);
        let moves = self.moving(control, operands)?;
        let links = self.bodies.links(control.body(), &moves)?;
        let Some(length) = shape.written(links.len()) else {
            let mut net = Net::default();
            let inside = Inside::new(&mut net, &shape, &moves, operands);
            let outputs = |net: &mut Net, group, (r, e): Place| {
                let Some(first) = results[r as usize] else {
                    return;
                };
                for item in 0..shape.length.unwrap_or(0) as u32 {
                    net.outlet(group, first + item * shape.gives[r as usize] + e);
                }
            };
            inside.step(&mut net, &links, &shape, operands, outputs);
            for (k, result) in results.iter().enumerate().take(shape.carries) {
                if let (Some(node), Some(to)) = (inside.carried[k], result) {
                    (0..shape.gives[k]).for_each(|e| net.outlet(node + e, to + e));
                }
            }
            net.write(self.out);
            return Ok(());
        };
        let mut steps = self.steps();
        let links = steps.fixed(&links, operands, shape.changing());
        let mut now = operands[..shape.carries].to_vec();
        for step in 0..length {
            let item = shape.item(step);
            let next: Firsts = (0..shape.carries)
                .map(|k| match step + 1 == length {
                    true => results[k],
                    false => moves[k].then(|| steps.out.hubs(shape.takes[k] as usize)),
                })
                .collect();
            let output = |(r, e): Place| {
                let r = r as usize;
                Some(results[r]? + item * shape.gives[r] + e)
            };
            steps.join(
                &links,
                |place| shape.read(&now, operands, place, item),
                |(r, e)| match next.get(r as usize) {
                    Some(carry) => Some((*carry)? + e),
                    None => output((r, e)),
                },
            );
            if shape.carries > 0 {
                steps.end();
            }
            now = next;
        }
        if length == 0 {
            for (k, &carry) in now.iter().enumerate() {
                steps.same(carry, results[k], shape.takes[k]);
            }
        }
        steps.end();
        Ok(())
    }
}

/// Nodes of a net that stand for a loop's carries and sequences in any step.
pub(super) struct Inside {
    carried: Firsts,
    sequences: Firsts,
}

impl Inside {
    pub(super) fn new(net: &mut Net, shape: &Shape, moves: &[bool], operands: &Firsts) -> Self {
        let mut of = |k: usize, items: u32| -> Option<u32> {
            if !moves[k] {
                return None;
            }
            let node = net.nodes(shape.takes[k]);
            if let Some(first) = operands[k] {
                for item in 0..items {
                    for e in 0..shape.takes[k] {
                        net.inlet(first + item * shape.takes[k] + e, node + e);
                    }
                }
            }
            Some(node)
        };
        let items = shape.length.unwrap_or(0) as u32;
        Self {
            carried: (0..shape.carries).map(|k| of(k, 1)).collect(),
            sequences: (shape.carries..shape.changing())
                .map(|k| of(k, items))
                .collect(),
        }
    }

    pub(super) fn end(&self, shape: &Shape, operands: &Firsts, (p, e): Place) -> End {
        let k = p as usize;
        let node = match k.checked_sub(shape.carries) {
            None => self.carried[k],
            Some(s) if s < shape.sequences => self.sequences[s],
            Some(_) => {
                let element = operands[k].map(|first| End::Element(first + e));
                return element.unwrap_or(End::Nothing);
            }
        };
        node.map_or(End::Nothing, |node| End::Node(node + e))
    }

    /// A step; `output` gets what a group gives beside carries.
    pub(super) fn step(
        &self,
        net: &mut Net,
        links: &Links,
        shape: &Shape,
        operands: &Firsts,
        output: impl Fn(&mut Net, u32, Place),
    ) {
        net.link(
            links,
            |place| self.end(shape, operands, place),
            |net, group, (r, e)| match self.carried.get(r as usize) {
                Some(Some(carry)) => net.edge(group, carry + e),
                Some(None) => {}
                None => output(net, group, (r, e)),
            },
        );
    }
}
