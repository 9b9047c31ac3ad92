//! Loops whose lanes all go the same way: the state stays in the frame from step to step, and nothing is allocated.

use super::column::Column;
use super::cursors::{Cursors, Plan};
use super::links::{Copies, Feed, Spans, drains};
use super::loops::{Keeping, limit_passed};
use super::states::State;
use crate::execute::interpret::{Halt, Sections, section};
use crate::execute::memory::{Memory, Scratch};
use crate::execute::stop::Ticker;
use crate::tape::native::Way;
use crate::tape::{Loop, Place, Tape};

/// Copies of places as words, so that no copy overwrites what another one still has to read.
#[derive(Default)]
pub(super) struct Words(Vec<u64>);

impl Words {
    /// Copies each place into another, all at once.
    pub fn copy(&mut self, memory: Memory<'_>, links: &[(Place, Place)]) {
        self.0.clear();
        for (from, _) in links {
            memory.read_words(*from, &mut self.0);
        }
        let mut at = 0;
        for (from, to) in links {
            let count = from.elements as usize * memory.lanes_of(from.slot);
            memory.write_words(*to, &self.0[at..at + count]);
            at += count;
        }
    }
}

/// A tape with its memory, for as long as a loop runs.
struct Standing<'t> {
    tape: &'t Tape,
    scratch: Scratch,
}

impl<'t> Standing<'t> {
    fn open(tape: &'t Tape, ticker: &mut Ticker<'_>) -> Self {
        let mut scratch = ticker.machine.frame();
        scratch.forget(&mut ticker.machine.budget);
        Self { tape, scratch }
    }

    fn close(mut self, ticker: &mut Ticker<'_>) {
        self.scratch.forget(&mut ticker.machine.budget);
        ticker.machine.give(self.scratch);
    }
}

/// Whether a loop can be run like that: one way for all lanes, and every carry stays in a place of its own.
pub(super) fn fits(looped: &Loop, ticker: &Ticker<'_>) -> bool {
    let parameters = &ticker.machine.tape(looped.body).parameters;
    !looped.split && parameters[..looped.carries].iter().all(Option::is_some)
}

/// Runs a loop to its end: the number of steps, and the carries. `first`: the state it begins with.
pub(super) fn run(
    looped: &Loop,
    operands: &[Column],
    lanes: usize,
    first: State,
    mut keeping: Option<&mut Keeping>,
    outputs: &mut [Column],
    ticker: &mut Ticker<'_>,
) -> Result<(u64, Vec<Column>), Halt> {
    let mut body = Standing::open(ticker.machine.tape(looped.body), ticker);
    let mut condition = looped
        .condition
        .map(|c| Standing::open(ticker.machine.tape(c), ticker));
    let tape = body.tape;
    let memory = body.scratch.lend(&tape.sizes, lanes, &[]);
    let sequences = looped.carries + looped.sequences;
    let carried: Vec<Place> = tape.parameters[..looped.carries]
        .iter()
        .flatten()
        .copied()
        .collect();
    for (carry, place) in first.carries.iter().zip(&carried) {
        carry.store(memory, *place);
    }
    constants(operands, sequences, memory, &tape.parameters);
    let asked = condition.as_mut().map(|c| {
        let memory = c.scratch.lend(&c.tape.sizes, lanes, &[]);
        constants(operands, sequences, memory, &c.tape.parameters);
        (c.tape, memory)
    });
    let links: Vec<(Place, Place)> = tape
        .roots
        .iter()
        .copied()
        .zip(carried.iter().copied())
        .collect();
    let mut copies = Copies::new(memory, links);
    let places = tape.parameters[looped.carries..sequences].iter();
    let feeds: Vec<Feed<'_>> = places
        .zip(&operands[looped.carries..])
        .filter_map(|(place, operand)| Some(Feed::new(memory, operand, (*place)?)))
        .collect();
    let of_outputs = &tape.roots[looped.carries..];
    let mut drains = drains(memory, outputs, of_outputs);
    let mut words = Words::default();
    let state = Spans::new(memory, &carried);
    let keeps = keeping.as_deref();
    let may = looped.condition.is_none() && keeps.is_none_or(|k| k.keeps_all(looped.length));
    let mut plan = Plan::new(memory);
    if keeps.is_some() {
        state.plan(&mut plan);
    }
    feeds.iter().for_each(|feed| feed.plan(&mut plan));
    let each = drains.iter();
    each.for_each(|drain| drain.plan(&mut plan, Way::Out));
    copies.plan(&mut plan);
    let moves = plan.moves().filter(|_| may);
    let mut sections = Sections::new(tape, memory).with_moves(moves);
    let mut step = 0;
    loop {
        if let Some(count) = sections.at_once(looped.length.saturating_sub(step)) {
            let ends = [step, step + count as u64 - 1].map(|step| looped.index(step));
            let mut cursors = Cursors::default();
            if let Some(keeping) = keeping.as_deref_mut() {
                let words = keeping.states.push_all(step, count, &first, lanes);
                cursors.add(words.as_mut_ptr(), (words.len() / count) as isize);
            }
            let [begin, end] = ends;
            feeds
                .iter()
                .for_each(|feed| feed.point(&mut cursors, begin, end));
            let each = drains.iter_mut();
            each.for_each(|drain| drain.point(&mut cursors, begin, end));
            ticker.machine.counts.steps += count as u64;
            cursors.run(&sections, count, ticker)?;
            step += count as u64;
            continue;
        }
        let goes_on = match asked {
            None => step < looped.length,
            Some((tape, own)) => {
                for (from, to) in carried.iter().zip(&tape.parameters) {
                    if let Some(to) = to {
                        words.0.clear();
                        memory.read_words(*from, &mut words.0);
                        own.write_words(*to, &words.0);
                    }
                }
                section(tape, 0, own, ticker)?;
                section(tape, 1, own, ticker)?;
                let holds = own.at::<bool>(tape.roots[0])[0].get();
                if holds {
                    limit_passed(looped, step, ticker)?;
                }
                holds
            }
        };
        if !goes_on {
            break;
        }
        if let Some(keeping) = keeping.as_deref_mut() {
            keeping.offer_places(step, &first, &state);
        }
        let index = looped.index(step);
        feeds.iter().for_each(|feed| feed.run(&memory, index));
        let mark = ticker.machine.memo.mark();
        ticker.machine.counts.steps += 1;
        sections.run(ticker)?;
        ticker.machine.memo.release(mark);
        drains
            .iter_mut()
            .for_each(|drain| drain.step(&memory, index));
        copies.run();
        ticker.tick(8)?;
        step += 1;
    }
    let carries = carried
        .iter()
        .map(|&place| Column::at(memory, place))
        .collect();
    drop((copies, sections, state));
    body.close(ticker);
    if let Some(condition) = condition {
        condition.close(ticker);
    }
    Ok((step, carries))
}

fn constants(operands: &[Column], begin: usize, memory: Memory<'_>, parameters: &[Option<Place>]) {
    for (operand, place) in operands.iter().zip(parameters).skip(begin) {
        if let Some(place) = *place {
            operand.store(memory, place);
        }
    }
}
