//! Nodes with bodies: calls, branches, loops and their pull-backs. A body runs on a frame of its own; lanes that
//! take different ways are packed, so that each way runs only for those who go it.

mod column;
mod cursors;
mod links;
mod loops;
mod memo;
mod pull;
mod states;
mod steady;
#[cfg(test)]
mod tests;

use super::interpret::{Halt, section};
use super::memory::{Memory, Scratch};
use super::stop::Ticker;
use crate::error::Error;
use crate::op::deeper;
use crate::tape::{Argument, BodyId, ControlStep, Place, Run, Tape};
use column::Column;
use memo::Memo;
pub(super) use states::repeated;

/// Frames that stand on one another at most.
const MAX_DEPTH: u32 = 2000;

/// More frames are of deep recursion, and go back to the allocator.
const KEPT_FRAMES: usize = 16;

/// What a loop leaves for its pull-back.
#[derive(Debug)]
pub(super) struct Record {
    steps: u64,
    keeping: loops::Keeping,
}

impl Record {
    /// Bytes taken from the budget.
    pub fn granted(&self) -> u64 {
        self.keeping.granted
    }
}

/// What bodies need beside the tape's own memory.
#[derive(Default)]
pub struct Machine<'a> {
    /// Tapes of bodies.
    pub library: &'a [Tape],
    /// Frames to be used again.
    frames: Vec<Scratch>,
    depth: u32,
    /// Bytes that states of loops may still take.
    pub budget: u64,
    /// The most iterations of a loop that says nothing of it.
    pub max_iterations: u64,
    memo: Memo,
    /// What was run so far.
    pub counts: Counts,
}

/// How often bodies were run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Functions called; calls whose results were still known do not count.
    pub calls: u64,
    /// Steps of loops, forward.
    pub steps: u64,
    /// Steps of loops, pulled back.
    pub pulled: u64,
    /// Of all these steps those of which many were one piece of machine code.
    pub at_once: u64,
    /// Threads that helped, in all steps together.
    pub helped: u64,
}

impl Counts {
    /// Those of another evaluation as well.
    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.steps += other.steps;
        self.pulled += other.pulled;
        self.at_once += other.at_once;
        self.helped += other.helped;
    }
}

/// Of the bytes for states of loops so many, as a fraction, are for results of calls.
const MEMO_SHARE: u64 = 4;

impl<'a> Machine<'a> {
    /// For one evaluation.
    pub fn new(library: &'a [Tape], budget: u64, max_iterations: u64) -> Self {
        let remembers = library.iter().any(|tape| tape.remembered);
        let limit = if remembers { budget / MEMO_SHARE } else { 0 };
        Self {
            library,
            budget: budget - limit,
            max_iterations,
            memo: Memo::new(limit),
            ..Self::default()
        }
    }

    /// Frames of an earlier evaluation, to be used again.
    pub fn with_frames(mut self, mut frames: Vec<Scratch>) -> Self {
        frames.iter_mut().for_each(|frame| frame.forget(&mut 0));
        self.frames = frames;
        self
    }

    /// Frames for a later evaluation.
    pub fn into_frames(mut self) -> Vec<Scratch> {
        self.frames.truncate(KEPT_FRAMES);
        self.frames
    }

    /// A frame's memory.
    fn frame(&mut self) -> Scratch {
        self.frames.pop().unwrap_or_default()
    }

    fn give(&mut self, scratch: Scratch) {
        self.frames.push(scratch);
    }

    /// Nobody asks again for what was called so far.
    pub fn forget_calls(&mut self) {
        if !self.memo.is_new() {
            self.memo = Memo::new(self.memo.limit());
        }
    }

    fn tape(&self, body: BodyId) -> &'a Tape {
        &self.library[body as usize]
    }
}

/// Runs a node with bodies.
pub(super) fn run(
    memory: Memory<'_>,
    step: &ControlStep,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    // A frame is left behind only when all goes wrong, and the machine with it.
    ticker.machine.depth += 1;
    if ticker.machine.depth > MAX_DEPTH {
        return Err(Halt::Error(Error::Limit {
            name: "max_depth",
            value: MAX_DEPTH.into(),
            asked: ticker.machine.depth.into(),
            repair: "functions run one another deeper than that; end the recursion earlier, or \
                     write it as a while or scan"
                .into(),
        }));
    }
    let lanes = memory.lanes;
    let operands: Vec<Column> = step.operands.iter().map(|a| argument(memory, a)).collect();
    let node = Node {
        step,
        memory,
        lanes: if step.varying { lanes } else { 1 },
    };
    deeper(|| match &step.run {
        Run::Call { body } => call(&node, *body, &operands, ticker),
        Run::Cond { branches } => cond(&node, branches, &operands, ticker),
        Run::Loop(looped) => loops::run(&node, looped, operands, ticker),
        Run::Pull(pull) => pull::run(&node, pull, operands, ticker),
    })?;
    ticker.machine.depth -= 1;
    Ok(())
}

/// A node under way.
struct Node<'a> {
    step: &'a ControlStep,
    memory: Memory<'a>,
    /// Lanes of its results.
    lanes: usize,
}

impl Node<'_> {
    fn places(&self) -> impl Iterator<Item = Place> {
        self.step.results.iter().flatten().copied()
    }
}

fn argument(memory: Memory<'_>, argument: &Argument) -> Column {
    match *argument {
        Argument::At(place) => Column::at(memory, place),
        Argument::Zeros { elements, dtype } => Column::zeros(elements as usize, dtype, None),
    }
}

/// A tape with memory of its own.
struct Frame<'t> {
    tape: &'t Tape,
    scratch: Scratch,
    lanes: usize,
}

impl<'t> Frame<'t> {
    fn open(body: BodyId, lanes: usize, ticker: &mut Ticker<'t>) -> Self {
        Self {
            tape: ticker.machine.tape(body),
            scratch: ticker.machine.frames.pop().unwrap_or_default(),
            lanes,
        }
    }

    fn close(mut self, ticker: &mut Ticker<'_>) {
        self.scratch.forget(&mut ticker.machine.budget);
        ticker.machine.frames.push(self.scratch);
    }

    /// Runs it; `fill` writes the parameters. Gives its memory and the places of the results.
    fn run(
        &mut self,
        ticker: &mut Ticker<'_>,
        fill: impl FnOnce(Memory<'_>, &[Option<Place>]),
    ) -> Result<(Memory<'_>, &'t [Place]), Halt> {
        self.scratch.forget(&mut ticker.machine.budget);
        let memory = self.scratch.lend(&self.tape.sizes, self.lanes, &[]);
        fill(memory, &self.tape.parameters);
        section(self.tape, 0, memory, ticker)?;
        section(self.tape, 1, memory, ticker)?;
        // Bodies may be a node long: the clock is looked at for them too.
        ticker.tick(8)?;
        Ok((memory, &self.tape.roots))
    }
}

/// Writes arguments into parameters.
fn fill(memory: Memory<'_>, parameters: &[Option<Place>], arguments: &[Column]) {
    for (place, argument) in parameters.iter().zip(arguments) {
        if let Some(place) = place {
            argument.store(memory, *place);
        }
    }
}

fn call(
    node: &Node<'_>,
    body: BodyId,
    operands: &[Column],
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let key = (ticker.machine.tape(body).remembered).then(|| memo::key(body, node.lanes, operands));
    if let Some(mut words) = key.as_ref().and_then(|key| ticker.machine.memo.get(key)) {
        for place in node.places() {
            let count = place.elements as usize * node.memory.lanes_of(place.slot);
            let (own, rest) = words.split_at(count);
            node.memory.write_words(place, own);
            words = rest;
        }
        return Ok(());
    }
    ticker.machine.counts.calls += 1;
    let begun = key.as_ref().map(|_| ticker.machine.memo.begin());
    let mut frame = Frame::open(body, node.lanes, ticker);
    let (memory, roots) = frame.run(ticker, |memory, parameters| {
        fill(memory, parameters, operands);
    })?;
    let mut column = Column::empty();
    for (&root, place) in roots.iter().zip(node.places()) {
        column.load(memory, root);
        column.store(node.memory, place);
    }
    frame.close(ticker);
    if let (Some(key), Some(begun)) = (key, begun) {
        let mut words = Vec::new();
        let places = node.places();
        places.for_each(|place| node.memory.read_words(place, &mut words));
        let machine = &mut ticker.machine;
        machine.memo.keep(key, words, machine.depth, begun);
    }
    Ok(())
}

fn cond(
    node: &Node<'_>,
    branches: &[BodyId],
    operands: &[Column],
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let (selector, arguments) = (&operands[0], &operands[1..]);
    let last = branches.len() as i64 - 1;
    let choice = |lane: usize| selector.index(lane).clamp(0, last) as usize;
    if !selector.varies() {
        return call(node, branches[choice(0)], arguments, ticker);
    }
    let mut ways: Vec<Vec<u32>> = vec![Vec::new(); branches.len()];
    for lane in 0..node.lanes {
        ways[choice(lane)].push(lane as u32);
    }
    let zeros =
        |place: Place| Column::zeros(place.elements as usize, place.dtype, Some(node.lanes));
    let mut results: Vec<Column> = node.places().map(zeros).collect();
    for (lanes, &body) in ways.iter().zip(branches) {
        if lanes.is_empty() {
            continue;
        }
        if lanes.len() == node.lanes {
            return call(node, body, arguments, ticker);
        }
        let own: Vec<Column> = arguments.iter().map(|a| a.pick(lanes)).collect();
        let mut frame = Frame::open(body, lanes.len(), ticker);
        let (memory, roots) = frame.run(ticker, |memory, parameters| {
            fill(memory, parameters, &own);
        })?;
        let mut column = Column::empty();
        for (&root, result) in roots.iter().zip(&mut results) {
            column.load(memory, root);
            result.put(lanes, &column);
        }
        frame.close(ticker);
    }
    for (result, place) in results.iter().zip(node.places()) {
        result.store(node.memory, place);
    }
    Ok(())
}
