//! Loops, forward: scans, maps and whiles.

use super::column::Column;
use super::links::Spans;
use super::states::{State, States};
use super::{Frame, Machine, Node, steady};
use crate::error::Error;
use crate::execute::interpret::Halt;
use crate::execute::memory::Memory;
use crate::execute::stop::Ticker;
use crate::tape::{Loop, Place};
use std::rc::Rc;

/// A loop under way.
pub(super) struct Runner<'a, 't> {
    looped: &'a Loop,
    /// Carries' first values, then sequences and constants.
    operands: &'a [Column],
    /// Lanes of a run with all of them.
    lanes: usize,
    step: Frame<'t>,
    condition: Option<Frame<'t>>,
}

impl<'a, 't> Runner<'a, 't> {
    /// `lanes`: of the node.
    pub fn open(
        looped: &'a Loop,
        operands: &'a [Column],
        lanes: usize,
        ticker: &mut Ticker<'t>,
    ) -> Self {
        let lanes = if looped.varying.contains(&true) {
            lanes
        } else {
            1
        };
        let condition = looped.condition;
        Self {
            looped,
            operands,
            lanes,
            step: Frame::open(looped.body, lanes, ticker),
            condition: condition.map(|body| Frame::open(body, lanes, ticker)),
        }
    }

    pub fn close(self, ticker: &mut Ticker<'_>) {
        self.step.close(ticker);
        if let Some(condition) = self.condition {
            condition.close(ticker);
        }
    }

    /// Lanes of a run with all of them.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Before the first step, every lane running.
    pub fn first(&self) -> State {
        let carries = self.operands[..self.looped.carries]
            .iter()
            .zip(&self.looped.varying);
        let carries = carries.map(|(carry, &varies)| match varies {
            true => carry.clone().widened(self.lanes),
            false => carry.clone(),
        });
        State {
            step: 0,
            lanes: None,
            carries: carries.collect(),
        }
    }

    /// Position in sequences and outputs of a step.
    pub fn index(&self, step: u64) -> usize {
        self.looped.index(step)
    }

    /// Writes a state and what belongs to its step into a body's first parameters.
    pub fn fill(&self, state: &State, memory: Memory<'_>, parameters: &[Option<Place>]) {
        fill(
            self.looped,
            self.operands,
            self.index(state.step),
            state,
            memory,
            parameters,
        );
    }

    /// Carries' first values, then sequences and constants.
    pub fn operands(&self) -> &'a [Column] {
        self.operands
    }

    /// Writes what belongs to a step beside the state; constants only where they do not stand there already.
    pub fn fill_rest(
        &self,
        index: usize,
        filled: bool,
        memory: Memory<'_>,
        parameters: &[Option<Place>],
    ) {
        let (carries, sequences) = (
            self.looped.carries,
            self.looped.carries + self.looped.sequences,
        );
        let end = if filled {
            sequences
        } else {
            self.operands.len()
        };
        let all = self.operands.iter().zip(parameters).enumerate();
        for (i, (operand, place)) in all.take(end).skip(carries) {
            let Some(place) = *place else { continue };
            match i < sequences {
                true => operand.store_step(index, memory, place),
                false => operand.store(memory, place),
            }
        }
    }

    /// Whether a step follows: of the state only the lanes stay for which it does; `ended` gets the others.
    pub fn goes_on(
        &mut self,
        state: &mut State,
        ticker: &mut Ticker<'_>,
        mut ended: impl FnMut(&State, &[u32], &[u32]),
    ) -> Result<bool, Halt> {
        let Some(condition) = &mut self.condition else {
            return Ok(state.step < self.looped.length);
        };
        let lanes = state.lanes.as_ref().map_or(self.lanes, |l| l.len());
        condition.lanes = lanes;
        let mut holds = Column::empty();
        let (looped, operands) = (self.looped, self.operands);
        let (memory, roots) = condition.run(ticker, |memory, parameters| {
            fill(looped, operands, 0, state, memory, parameters);
        })?;
        holds.load(memory, roots[0]);
        let (on, off): (Vec<u32>, Vec<u32>) = match looped.split {
            false if holds.is_true(0) => ((0..lanes as u32).collect(), vec![]),
            false => (vec![], (0..lanes as u32).collect()),
            true => (0..lanes as u32).partition(|&l| holds.is_true(l as usize)),
        };
        if !on.is_empty() {
            limit_passed(looped, state.step, ticker)?;
        }
        if off.is_empty() {
            return Ok(true);
        }
        let numbers: Vec<u32> = match &state.lanes {
            Some(lanes) => off.iter().map(|&l| lanes[l as usize]).collect(),
            None => off.clone(),
        };
        ended(state, &off, &numbers);
        if on.is_empty() {
            return Ok(false);
        }
        state.carries = state.carries.iter().map(|c| c.pick(&on)).collect();
        state.lanes = Some(Rc::new(match &state.lanes {
            Some(lanes) => on.iter().map(|&l| lanes[l as usize]).collect(),
            None => on,
        }));
        Ok(true)
    }

    /// One step; `output` gets the body's memory and the places of what it gives beside carries.
    pub fn step(
        &mut self,
        state: &mut State,
        ticker: &mut Ticker<'_>,
        output: impl FnOnce(usize, Memory<'_>, &[Place]),
    ) -> Result<(), Halt> {
        self.step.lanes = state.lanes.as_ref().map_or(self.lanes, |l| l.len());
        let (looped, operands) = (self.looped, self.operands);
        let index = self.index(state.step);
        let carries = &mut state.carries;
        let before: Vec<Column> = std::mem::take(carries);
        let from = State {
            step: state.step,
            lanes: state.lanes.clone(),
            carries: before,
        };
        let mut after = Vec::with_capacity(from.carries.len());
        let mark = ticker.machine.memo.mark();
        ticker.machine.counts.steps += 1;
        let (memory, roots) = self.step.run(ticker, |memory, parameters| {
            fill(looped, operands, index, &from, memory, parameters);
        })?;
        let (carried, outputs) = roots.split_at(looped.carries);
        let lanes = memory.lanes;
        for (&place, &varies) in carried.iter().zip(&looped.varying) {
            let carry = Column::at(memory, place);
            after.push(if varies { carry.widened(lanes) } else { carry });
        }
        output(index, memory, outputs);
        ticker.machine.memo.release(mark);
        state.carries = after;
        state.step += 1;
        Ok(())
    }

    /// From a state to the one so many steps later.
    pub fn advance(
        &mut self,
        state: &mut State,
        to: u64,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Halt> {
        while state.step < to {
            self.step(state, ticker, |_, _, _| {})?;
            // There are steps to come; what is looked at is who runs them.
            self.goes_on(state, ticker, |_, _, _| {})?;
        }
        Ok(())
    }
}

/// Refuses a step after the last that a while may take.
pub(super) fn limit_passed(looped: &Loop, step: u64, ticker: &Ticker<'_>) -> Result<(), Error> {
    let (limit, whose) = match looped.length {
        0 => (
            ticker.machine.max_iterations,
            "give the while a max_iterations of its own",
        ),
        given => (given, "raise the while's max_iterations"),
    };
    if step < limit {
        return Ok(());
    }
    Err(Error::Limit {
        name: "max_iterations",
        value: limit,
        asked: limit.saturating_add(1),
        repair: format!("the condition still holds; {whose}, or mend what it waits for"),
    })
}

fn fill(
    looped: &Loop,
    operands: &[Column],
    index: usize,
    state: &State,
    memory: Memory<'_>,
    parameters: &[Option<Place>],
) {
    let (carries, sequences) = (looped.carries, looped.carries + looped.sequences);
    let places = parameters.iter().take(operands.len()).enumerate();
    for (i, place) in places {
        let Some(place) = *place else { continue };
        if i < carries {
            state.carries[i].store(memory, place);
        } else if i < sequences {
            operands[i].store_step(index, memory, place);
        } else {
            match (&state.lanes, operands[i].varies()) {
                (Some(lanes), true) => operands[i].pick(lanes).store(memory, place),
                _ => operands[i].store(memory, place),
            }
        }
    }
}

/// States that are kept of a loop that might never end.
const MAX_UNKNOWN: u64 = 1 << 16;

/// Which states of a loop are kept for its pull-back as it runs.
#[derive(Debug)]
pub(super) struct Keeping {
    pub states: States,
    /// Bytes taken from the budget.
    pub granted: u64,
    room: u64,
    stride: u64,
}

impl Keeping {
    /// Takes its share of the budget: half where more loops are to come.
    pub fn open(machine: &mut Machine<'_>, state: &State, looped: &Loop, share: u64) -> Self {
        let each = States::bytes_of(state);
        let available = machine.budget / share;
        let room = (available / each).max(2);
        let mut states = States::new();
        let (room, stride) = match looped.condition {
            None => {
                let room = room.min(looped.length.max(1));
                let stride = looped.length.div_ceil(room).max(1);
                states.reserve(state, looped.length.div_ceil(stride));
                (room, stride)
            }
            // Nobody knows how many there will be; so many are enough to run few steps again.
            Some(_) => (room.min(MAX_UNKNOWN), 1),
        };
        let granted = match looped.condition {
            None => (each * room).min(machine.budget),
            Some(_) => (each * room).min(available),
        };
        machine.budget -= granted;
        Self {
            states,
            granted,
            room,
            stride,
        }
    }

    /// Whether the state before a step is to be kept.
    fn wants(&mut self, step: u64) -> bool {
        // A division takes as long as a short step.
        if self.stride > 1 && !step.is_multiple_of(self.stride) {
            return false;
        }
        if self.states.len() as u64 == self.room {
            self.states.thin();
            self.stride *= 2;
        }
        self.stride == 1 || step.is_multiple_of(self.stride)
    }

    /// Whether the states before so many steps are all kept.
    pub fn keeps_all(&self, steps: u64) -> bool {
        self.stride == 1 && self.room >= steps
    }

    /// Keeps a state, or not.
    pub fn offer(&mut self, state: &State, lanes: usize) {
        if self.wants(state.step) {
            self.states.push(state, lanes);
        }
    }

    /// Keeps a state that stands in places, or not.
    pub fn offer_places(&mut self, step: u64, like: &State, places: &Spans<'_>) {
        if self.wants(step) {
            self.states.push_places(step, like, places);
        }
    }
}

/// Runs a loop node.
pub(super) fn run(
    node: &Node<'_>,
    looped: &Loop,
    operands: Vec<Column>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    if let Some(old) = node.step.record.and_then(|at| node.memory.take(at)) {
        ticker.machine.budget += old.granted();
    }
    let mut runner = Runner::open(looped, &operands, node.lanes, ticker);
    let lanes = runner.lanes();
    let mut state = runner.first();
    let places: Vec<Option<Place>> = node.step.results.clone();
    let (of_carries, of_outputs) = places.split_at(looped.carries);
    // Places of outputs that are wanted, in order.
    let of_outputs: Vec<Place> = of_outputs.iter().flatten().copied().collect();
    let mut ended: Option<Vec<Column>> = None;
    let zeros = |elements: usize, place: Place| {
        let varying = node.step.varying.then_some(node.lanes);
        Column::zeros(elements, place.dtype, varying)
    };
    let mut outputs: Vec<Column> = of_outputs
        .iter()
        .map(|&place| zeros(place.elements as usize, place))
        .collect();
    let mut keeping = node
        .step
        .record
        .map(|_| Keeping::open(&mut ticker.machine, &state, looped, 2));
    if steady::fits(looped, ticker) {
        let first = runner.first();
        let kept = keeping.as_mut();
        let done = steady::run(looped, &operands, lanes, first, kept, &mut outputs, ticker)?;
        (state.step, state.carries) = done;
    } else {
        loop {
            let on = runner.goes_on(&mut state, ticker, |state, off, numbers| {
                let all = ended.get_or_insert_with(|| {
                    let carries = state.carries.iter();
                    carries.map(|c| c.clone().widened(lanes)).collect()
                });
                // The first to end may be all there are.
                if numbers.len() < lanes || state.lanes.is_some() {
                    for (all, carry) in all.iter_mut().zip(&state.carries) {
                        all.put(numbers, &carry.pick(off));
                    }
                }
            })?;
            if !on {
                break;
            }
            if let Some(keeping) = &mut keeping {
                keeping.offer(&state, lanes);
            }
            runner.step(&mut state, ticker, |index, memory, places| {
                for (&place, output) in places.iter().zip(&mut outputs) {
                    output.load_step(index, memory, place);
                }
            })?;
        }
    }
    runner.close(ticker);
    let carries = ended.as_ref().unwrap_or(&state.carries);
    for (carry, place) in carries.iter().zip(of_carries) {
        if let Some(place) = place {
            carry.store(node.memory, *place);
        }
    }
    for (output, &place) in outputs.iter().zip(&of_outputs) {
        output.store(node.memory, place);
    }
    if let (Some(keeping), Some(record)) = (keeping, node.step.record) {
        node.memory.keep(
            record,
            super::Record {
                steps: state.step,
                keeping,
            },
        );
    }
    Ok(())
}
