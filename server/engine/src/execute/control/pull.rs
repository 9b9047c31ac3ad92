//! Pull-backs of loops. The states that steps begin with are kept as the loop runs forward, as many as the budget
//! allows; between two of them steps are run again, and states of the part kept in turn (binomial checkpointing).
//! Each step is then pulled back, the last one first.

use super::column::Column;
use super::cursors::{Cursors, Plan};
use super::links::{Copies, Feed, Restore, drains};
use super::loops::{Keeping, Runner};
use super::states::{State, States, advance};
use super::{Frame, Node, Record, steady};
use crate::execute::interpret::{Halt, Sections};
use crate::execute::memory::Memory;
use crate::execute::stop::Ticker;
use crate::tape::native::Way;
use crate::tape::{Place, Pull};

/// Runs a pull-back.
pub(super) fn run(
    node: &Node<'_>,
    pull: &Pull,
    operands: Vec<Column>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let x = pull.active.len();
    let (own, cotangents) = operands.split_at(x);
    let mut runner = Runner::open(&pull.forward, own, node.lanes, ticker);
    let kept = match node.step.record {
        Some(record) => node.memory.take(record),
        None => None,
    };
    let record = match kept {
        Some(record) => record,
        None => forward(pull, &mut runner, ticker)?,
    };
    let mut back = Back::open(node, pull, own, cotangents, ticker);
    let states = &record.keeping.states;
    if back.is_steady() && states.are_all(record.steps) {
        back.all(&runner, states, ticker)?;
    } else {
        back.apart(&mut runner, states, record.steps, ticker)?;
    }
    back.finish(ticker);
    runner.close(ticker);
    match node.step.record {
        // Other lanes may come for it.
        Some(at) => node.memory.keep(at, record),
        None => ticker.machine.budget += record.keeping.granted,
    }
    Ok(())
}

/// Runs the loop for its states.
fn forward(
    pull: &Pull,
    runner: &mut Runner<'_, '_>,
    ticker: &mut Ticker<'_>,
) -> Result<Record, Halt> {
    let mut state = runner.first();
    let mut keeping = Keeping::open(&mut ticker.machine, &state, &pull.forward, 2);
    if steady::fits(&pull.forward, ticker) {
        let (lanes, kept) = (runner.lanes(), Some(&mut keeping));
        let own = runner.operands();
        let (steps, _) = steady::run(&pull.forward, own, lanes, state, kept, &mut [], ticker)?;
        return Ok(Record { steps, keeping });
    }
    while runner.goes_on(&mut state, ticker, |_, _, _| {})? {
        keeping.offer(&state, runner.lanes());
        runner.step(&mut state, ticker, |_, _, _| {})?;
    }
    Ok(Record {
        steps: state.step,
        keeping,
    })
}

/// Pulls back the steps from a state to `end`.
fn segment(
    runner: &mut Runner<'_, '_>,
    back: &mut Back<'_, '_>,
    first: State,
    end: u64,
    nested: bool,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    if end - first.step == 1 {
        return back.step(runner, &first, ticker);
    }
    let each = States::bytes_of(&first);
    let available = ticker.machine.budget / if nested { 2 } else { 1 };
    let room = (available / each).clamp(1, end - first.step);
    let lanes = runner.lanes();
    let mut states = States::new();
    states.reserve(&first, room);
    let granted = (room * each).min(ticker.machine.budget);
    ticker.machine.budget -= granted;
    states.push(&first, lanes);
    let mut end = end;
    while states.len() > 0 {
        let top = states.len() - 1;
        let left = end - states.step(top);
        if left == 1 && states.is_whole(top) {
            back.kept(runner, &states, top, ticker)?;
            states.pop();
            end -= 1;
            continue;
        }
        let mut state = states.get(top);
        if left == 1 {
            back.step(runner, &state, ticker)?;
            states.pop();
            end -= 1;
        } else if states.len() as u64 == room {
            let last = end - 1;
            runner.advance(&mut state, last, ticker)?;
            back.step(runner, &state, ticker)?;
            end = last;
        } else {
            let by = advance(left, room - states.len() as u64);
            let to = state.step + by;
            runner.advance(&mut state, to, ticker)?;
            states.push(&state, lanes);
        }
    }
    ticker.machine.budget += granted;
    Ok(())
}

/// Cotangents on their way back.
struct Back<'a, 't> {
    node: &'a Node<'a>,
    pull: &'a Pull,
    own: &'a [Column],
    frame: Frame<'t>,
    /// Of each carry that has one.
    carries: Vec<Column>,
    /// Given ones of the outputs, one step each along the leading axis.
    outputs: Vec<Column>,
    /// Of active sequences, then of active constants.
    sequences: Vec<Column>,
    constants: Vec<Column>,
    /// Whether what is the same for all steps stands in the frame.
    filled: bool,
    /// To read through.
    column: Column,
}

impl<'a, 't> Back<'a, 't> {
    fn open(
        node: &'a Node<'a>,
        pull: &'a Pull,
        own: &'a [Column],
        cotangents: &[Column],
        ticker: &mut Ticker<'t>,
    ) -> Self {
        let count = pull.forward.carries;
        let lanes = node.lanes;
        let varying = node.step.varying.then_some(lanes);
        let wide = |column: Column| match varying {
            Some(lanes) => column.widened(lanes),
            None => column,
        };
        let zeros = |like: &Column| Column::zeros(like.elements, like.dtype(), varying);
        let mut given = cotangents.iter();
        let mut carries = Vec::new();
        for (k, carry) in own.iter().enumerate().take(count) {
            let own_cotangent = if pull.seen[k] { given.next() } else { None };
            if pull.carried[k] {
                carries.push(match own_cotangent {
                    Some(c) => wide(c.clone()),
                    None => zeros(carry),
                });
            }
        }
        let outputs = given.cloned().collect();
        let sequences = count..count + pull.forward.sequences;
        let active = |range: std::ops::Range<usize>| -> Vec<Column> {
            let of = range.filter(|&i| pull.active[i]);
            of.map(|i| zeros(&own[i])).collect()
        };
        Self {
            node,
            pull,
            own,
            frame: Frame::open(pull.body, lanes, ticker),
            carries,
            outputs,
            sequences: active(sequences.clone()),
            constants: active(sequences.end..pull.active.len()),
            filled: false,
            column: Column::empty(),
        }
    }

    /// Pulls one step back, which begins with a state.
    fn step(
        &mut self,
        runner: &Runner<'_, '_>,
        state: &State,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Halt> {
        // With lanes of directions, states may be the same for all of them.
        let lanes = state.lanes.clone().filter(|_| self.node.step.varying);
        let lanes = lanes.as_ref().map(|l| &l[..]);
        self.frame.lanes = lanes.map_or(self.node.lanes, <[u32]>::len);
        let index = runner.index(state.step);
        let (carries, outputs) = (&mut self.carries, &self.outputs);
        let (sequences, constants) = (&mut self.sequences, &mut self.constants);
        let x = self.own.len();
        let mark = ticker.machine.memo.mark();
        ticker.machine.counts.pulled += 1;
        let (memory, roots) = self.frame.run(ticker, |memory, parameters| {
            runner.fill(state, memory, parameters);
            given(memory, &parameters[x..], lanes, index, carries, outputs);
        })?;
        ticker.machine.memo.release(mark);
        take(
            memory,
            roots,
            lanes,
            index,
            carries,
            sequences,
            constants,
            &mut self.column,
        );
        self.filled = false;
        Ok(())
    }

    /// The same from a state that is kept, with every lane running.
    fn kept(
        &mut self,
        runner: &Runner<'_, '_>,
        states: &States,
        i: usize,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Halt> {
        self.frame.lanes = self.node.lanes;
        let index = runner.index(states.step(i));
        let (carries, outputs) = (&mut self.carries, &self.outputs);
        let (sequences, constants) = (&mut self.sequences, &mut self.constants);
        let x = self.own.len();
        let filled = std::mem::replace(&mut self.filled, true);
        let mark = ticker.machine.memo.mark();
        ticker.machine.counts.pulled += 1;
        let (memory, roots) = self.frame.run(ticker, |memory, parameters| {
            states.restore(i, memory, parameters);
            runner.fill_rest(index, filled, memory, parameters);
            given(memory, &parameters[x..], None, index, carries, outputs);
        })?;
        ticker.machine.memo.release(mark);
        take(
            memory,
            roots,
            None,
            index,
            carries,
            sequences,
            constants,
            &mut self.column,
        );
        Ok(())
    }

    /// Pulls back the steps before `end`, from one kept state to the next.
    fn apart(
        &mut self,
        runner: &mut Runner<'_, '_>,
        states: &States,
        end: u64,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Halt> {
        let mut end = end;
        for i in (0..states.len()).rev() {
            if end - states.step(i) == 1 && states.is_whole(i) {
                self.kept(runner, states, i, ticker)?;
            } else {
                let nested = self.pull.nested;
                segment(runner, self, states.get(i), end, nested, ticker)?;
            }
            end = states.step(i);
        }
        Ok(())
    }

    /// Whether no step leaves anything behind in the frame that the next one must not find.
    fn is_steady(&self) -> bool {
        self.frame.tape.sizes.records == 0
    }

    /// Pulls all steps back, whose states are kept: what they hand on stays in the frame, and nothing is allocated.
    fn all(
        &mut self,
        runner: &Runner<'_, '_>,
        states: &States,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Halt> {
        let Some(last) = states.len().checked_sub(1) else {
            return Ok(());
        };
        let (tape, lanes) = (self.frame.tape, self.node.lanes);
        let memory = self.frame.scratch.lend(&tape.sizes, lanes, &[]);
        let (own, given) = tape.parameters.split_at(self.own.len());
        let (of_carries, of_outputs) = given.split_at(self.carries.len());
        runner.fill_rest(runner.index(states.step(last)), false, memory, own);
        for (carry, place) in self.carries.iter().zip(of_carries) {
            if let Some(place) = *place {
                carry.store(memory, place);
            }
        }
        let forward = &self.pull.forward;
        let sequences = forward.carries..forward.carries + forward.sequences;
        let fed = runner.operands()[sequences.clone()]
            .iter()
            .zip(&own[sequences]);
        let feeds: Vec<Feed<'_>> = fed
            .chain(self.outputs.iter().zip(of_outputs))
            .filter_map(|(column, place)| Some(Feed::new(memory, column, (*place)?)))
            .collect();
        let restore = Restore::new(memory, states, own);
        let (to_carries, rest) = tape.roots.split_at(self.carries.len());
        let (to_sequences, to_constants) = rest.split_at(self.sequences.len());
        let mut steps = drains(memory, &mut self.sequences, to_sequences);
        let mut sums = drains(memory, &mut self.constants, to_constants);
        let links = to_carries.iter().zip(of_carries);
        let links = links.filter_map(|(&root, place)| Some((root, (*place)?)));
        let mut copies = Copies::new(memory, links.collect());
        let mut plan = Plan::new(memory);
        restore.plan(&mut plan);
        feeds.iter().for_each(|feed| feed.plan(&mut plan));
        let all = steps.iter();
        all.for_each(|to| to.plan(&mut plan, Way::Out));
        sums.iter().for_each(|to| to.plan(&mut plan, Way::Sum));
        copies.plan(&mut plan);
        // Then they are all where they would be for another step.
        plan.all_are_numbers(of_carries.iter().all(Option::is_some));
        let mut sections = Sections::new(tape, memory).with_moves(plan.moves());
        let (mut left, mut moved_on) = (last + 1, false);
        while let Some(i) = left.checked_sub(1) {
            if let Some(count) = sections.at_once(left as u64) {
                let end = left - count;
                let mut cursors = Cursors::default();
                restore.point(&mut cursors, i, end);
                let ends = [i, end].map(|i| runner.index(states.step(i)));
                let all = feeds.iter();
                all.for_each(|feed| feed.point(&mut cursors, ends[0], ends[1]));
                let all = steps.iter_mut();
                all.for_each(|to| to.point(&mut cursors, ends[0], ends[1]));
                sums.iter_mut().for_each(|to| to.point(&mut cursors, 0, 0));
                ticker.machine.counts.pulled += count as u64;
                cursors.run(&sections, count, ticker)?;
                (left, moved_on) = (end, true);
                continue;
            }
            (left, moved_on) = (i, false);
            let index = runner.index(states.step(i));
            restore.run(&memory, i);
            feeds.iter().for_each(|feed| feed.run(&memory, index));
            let mark = ticker.machine.memo.mark();
            ticker.machine.counts.pulled += 1;
            sections.run(ticker)?;
            ticker.tick(8)?;
            ticker.machine.memo.release(mark);
            steps.iter_mut().for_each(|to| to.step(&memory, index));
            sums.iter_mut().for_each(|to| to.add(&memory));
            // The last ones are read from where they are.
            if i > 0 {
                copies.run();
            }
        }
        let places = to_carries.iter().zip(of_carries);
        for (carry, (&root, &place)) in self.carries.iter_mut().zip(places) {
            let place = place.filter(|_| moved_on).unwrap_or(root);
            self.column.load(memory, place);
            carry.put_all(None, &self.column);
        }
        self.filled = false;
        Ok(())
    }

    fn finish(self, ticker: &mut Ticker<'_>) {
        let varying = self.node.step.varying.then_some(self.node.lanes);
        let mut carries = self.carries.iter();
        let mut of_carries = Vec::new();
        for (k, own) in self.own[..self.pull.forward.carries].iter().enumerate() {
            let carry = if self.pull.carried[k] {
                carries.next().cloned()
            } else {
                None
            };
            // What nothing seen comes from has a cotangent of zero.
            let zeros = || Column::zeros(own.elements, own.dtype(), varying);
            if self.pull.active[k] {
                of_carries.push(carry.unwrap_or_else(zeros));
            }
        }
        let all = of_carries
            .iter()
            .chain(&self.sequences)
            .chain(&self.constants);
        let places = self.node.step.results.iter();
        for (column, place) in all.zip(places) {
            if let Some(place) = place {
                column.store(self.node.memory, *place);
            }
        }
        self.frame.close(ticker);
    }
}

/// Writes a step's cotangents.
fn given(
    memory: Memory<'_>,
    places: &[Option<Place>],
    lanes: Option<&[u32]>,
    index: usize,
    carries: &[Column],
    outputs: &[Column],
) {
    let (of_carries, of_outputs) = places.split_at(carries.len());
    for (carry, place) in carries.iter().zip(of_carries) {
        let Some(place) = *place else { continue };
        match lanes {
            Some(lanes) => carry.pick(lanes).store(memory, place),
            None => carry.store(memory, place),
        }
    }
    for (output, place) in outputs.iter().zip(of_outputs) {
        if let Some(place) = *place {
            output.store_step(index, memory, place);
        }
    }
}

/// Takes what a step's pull-back gives: carries' cotangents anew, a step of each sequence, a part of each constant.
#[allow(
    clippy::too_many_arguments,
    reason = "what a step gives, and where it goes"
)]
fn take(
    memory: Memory<'_>,
    roots: &[Place],
    lanes: Option<&[u32]>,
    index: usize,
    carries: &mut [Column],
    sequences: &mut [Column],
    constants: &mut [Column],
    column: &mut Column,
) {
    let (of_carries, rest) = roots.split_at(carries.len());
    let (of_sequences, of_constants) = rest.split_at(sequences.len());
    for (carry, &root) in carries.iter_mut().zip(of_carries) {
        column.load(memory, root);
        carry.put_all(lanes, column);
    }
    for (sequence, &root) in sequences.iter_mut().zip(of_sequences) {
        sequence.load_step(index, memory, root);
    }
    for (constant, &root) in constants.iter_mut().zip(of_constants) {
        column.load(memory, root);
        constant.add(lanes, column);
    }
}
