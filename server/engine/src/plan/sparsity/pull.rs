//! Edges through the pull-back of a scan or while: forward for what each step sees, then back.

use super::bodies::Links;
use super::control::{Firsts, Inside, Shape};
use super::edges::Writer;
use super::net::{End, Net};
use crate::error::Error;
use crate::op::Control;
use crate::transform::{Backward, backward};

impl Writer<'_, '_> {
    /// Step by step where that is not too much, see [`super::control`].
    pub(super) fn pulled(
        &mut self,
        control: &Control,
        operands: &Firsts,
        results: &Firsts,
    ) -> Result<(), Error> {
        let (shape, x) = (Shape::of(control), control.operands.len());
        let moves = self.moving(control, operands)?;
        let Backward { active, seen } = backward(self.bodies.table, control)?;
        let pull = self.bodies.table.pull(control.body(), &active, &seen)?;
        let back = Back::new(control, &active, &seen, operands, results);
        let flags: Vec<bool> = (moves.iter().copied())
            .chain(back.cotangents.iter().map(|_| true))
            .collect();
        let forward = match moves[..shape.carries].contains(&true) {
            true => self.bodies.links(control.body(), &moves)?,
            false => Default::default(),
        };
        let backward = self.bodies.links(pull, &flags)?;
        let Some(length) = shape.written(forward.len() + backward.len()) else {
            self.pulled_at_once(&shape, &moves, [&forward, &backward], operands, &back);
            return Ok(());
        };
        let x_operands = operands[..x].to_vec();
        let mut steps = self.steps();
        let forward = steps.fixed(&forward, &x_operands, shape.changing());
        let backward = steps.fixed(&backward, &x_operands, shape.changing());
        let mut states = vec![operands[..shape.carries].to_vec()];
        for step in 0..length.saturating_sub(1) {
            let item = shape.item(step);
            let next: Firsts = (0..shape.carries)
                .map(|k| moves[k].then(|| steps.out.hubs(shape.takes[k] as usize)))
                .collect();
            let now = &states[step as usize];
            steps.join(
                &forward,
                |place| shape.read(now, operands, place, item),
                |(r, e)| Some((*next.get(r as usize)?)? + e),
            );
            steps.end();
            states.push(next);
        }
        let mut now = back.given[..shape.carries].to_vec();
        for step in (0..length).rev() {
            let item = shape.item(step);
            let next: Firsts = (0..shape.carries)
                .map(|k| active[k].then(|| steps.out.hubs(shape.takes[k] as usize)))
                .collect();
            let state = &states[step as usize];
            steps.join(
                &backward,
                |(p, e)| match (p as usize).checked_sub(x) {
                    None => shape.read(state, operands, (p, e), item),
                    Some(c) => match back.cotangents[c] {
                        r if r < shape.carries => Some(now[r]? + e),
                        r => Some(back.given[r]? + item * shape.gives[r] + e),
                    },
                },
                |(a, e)| match back.wanted[a as usize] {
                    j if j < shape.carries => Some(next[j]? + e),
                    j => shape.operand(&back.results, (j as u32, e), item),
                },
            );
            if shape.carries > 0 {
                steps.end();
            }
            now = next;
        }
        for (k, &cotangent) in now.iter().enumerate() {
            steps.same(cotangent, back.results[k], shape.takes[k]);
        }
        steps.end();
        Ok(())
    }

    /// The same for any number of steps in any order.
    fn pulled_at_once(
        &mut self,
        shape: &Shape,
        moves: &[bool],
        [forward, backward]: [&Links; 2],
        operands: &Firsts,
        back: &Back,
    ) {
        let x = moves.len();
        let items = shape.length.unwrap_or(0) as u32;
        let mut net = Net::default();
        let inside = Inside::new(&mut net, shape, moves, operands);
        inside.step(&mut net, forward, shape, operands, |_, _, _| {});
        // Cotangents of carries and of outputs, and of the carries' beginnings.
        let cotangents: Firsts = (back.given.iter().enumerate())
            .map(|(r, given)| {
                let carried = r < shape.carries && back.cotangents.contains(&r);
                if given.is_none() && !carried {
                    return None;
                }
                let node = net.nodes(shape.gives[r]);
                let items = if r < shape.carries { 1 } else { items };
                for item in 0..items {
                    for e in 0..shape.gives[r] {
                        if let Some(first) = given {
                            net.inlet(first + item * shape.gives[r] + e, node + e);
                        }
                    }
                }
                Some(node)
            })
            .collect();
        net.link(
            backward,
            |(p, e)| match (p as usize).checked_sub(x) {
                None => inside.end(shape, operands, (p, e)),
                Some(c) => match cotangents[back.cotangents[c]] {
                    Some(node) => End::Node(node + e),
                    None => End::Nothing,
                },
            },
            |net, group, (a, e)| {
                let j = back.wanted[a as usize];
                if j < shape.carries {
                    if let Some(node) = cotangents[j] {
                        net.edge(group, node + e);
                    }
                    return;
                }
                let items = if j < shape.changing() { items } else { 1 };
                for item in 0..items {
                    if let Some(to) = shape.operand(&back.results, (j as u32, e), item) {
                        net.outlet(group, to);
                    }
                }
            },
        );
        for (k, &cotangent) in cotangents.iter().enumerate().take(shape.carries) {
            if let (Some(node), Some(to)) = (cotangent, back.results[k]) {
                (0..shape.takes[k]).for_each(|e| net.outlet(node + e, to + e));
            }
        }
        net.write(self.out);
    }
}

/// Parts of the pull-back of a loop.
struct Back {
    /// The result that each cotangent of the step's belongs to.
    cotangents: Vec<usize>,
    /// The operand that each result of the step's belongs to.
    wanted: Vec<usize>,
    /// For each result of the loop its cotangent.
    given: Firsts,
    /// For each operand of the loop where its cotangent goes.
    results: Firsts,
}

impl Back {
    fn new(
        control: &Control,
        active: &[bool],
        seen: &[bool],
        operands: &Firsts,
        results: &Firsts,
    ) -> Self {
        let numbers = |flags: &[bool]| (0..flags.len()).filter(|&i| flags[i]).collect();
        let spread = |flags: &[bool], firsts: &[Option<u32>]| -> Firsts {
            let mut firsts = firsts.iter();
            let of = |&flag: &bool| if flag { *firsts.next()? } else { None };
            flags.iter().map(of).collect()
        };
        Self {
            cotangents: numbers(seen),
            wanted: numbers(active),
            given: spread(&control.seen, &operands[control.operands.len()..]),
            results: spread(&control.active, results),
        }
    }
}
