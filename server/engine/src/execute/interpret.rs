use super::memory::Memory;
use super::stop::{OPERATIONS_PER_LOOK, Ticker};
use super::{control, elementwise, strips, structural};
use crate::error::Error;
use crate::op::Op;
use crate::tape::native::{Code, Moves, Piece, RUNS, Steps};
use crate::tape::{Check, Instruction, Part, Tape};
use crate::tensor::DType;
use crate::transform::Reason;
use smallvec::SmallVec;
use std::ops::Range;

/// Runs one section of a tape.
pub(super) fn section(
    tape: &Tape,
    section: usize,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let Some((range, lanes)) = extent(tape, section, memory) else {
        return Ok(());
    };
    if !tape.checks.is_empty() {
        return checked(tape, range, memory, ticker);
    }
    match tape.native(lanes) {
        Some(code) => pieces(tape, code, section, memory, ticker),
        None => interpreted(tape, section, memory, ticker),
    }
}

/// A section's instructions, and the lanes that they run in: uniform values are single numbers.
fn extent(tape: &Tape, section: usize, memory: Memory<'_>) -> Option<(Range<usize>, usize)> {
    let range = tape.sections.get(section)?.clone();
    Some((range, if section == 0 { 1 } else { memory.lanes }))
}

/// The same without machine code.
fn interpreted(
    tape: &Tape,
    section: usize,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let Some((range, lanes)) = extent(tape, section, memory) else {
        return Ok(());
    };
    match tape.parts.get(section).filter(|_| lanes == 1) {
        Some(parts) => parts
            .iter()
            .try_for_each(|part| self::part(tape, part, memory, ticker)),
        None => run(tape, range, memory, ticker),
    }
}

/// Both sections of a tape, run again and again in the same memory.
pub(super) struct Sections<'t, 'm> {
    tape: &'t Tape,
    memory: Memory<'m>,
    /// Their machine code, piece by piece, if there is nothing else in them.
    code: Option<SmallVec<[(&'t Code, &'t Piece); 2]>>,
    /// How often it is still looked for.
    looks: u32,
    /// What moves in a step of a loop, if many steps may be one piece of code.
    moves: Option<Moves>,
    steps: Option<&'t Steps>,
}

impl<'t, 'm> Sections<'t, 'm> {
    /// Code is made after so many runs at the latest.
    const LOOKS: u32 = 2 * RUNS;

    pub fn new(tape: &'t Tape, memory: Memory<'m>) -> Self {
        Self {
            tape,
            memory,
            code: None,
            looks: if tape.checks.is_empty() {
                Self::LOOKS
            } else {
                0
            },
            moves: None,
            steps: None,
        }
    }

    /// The same of which many steps may be one piece of code, if it is known what moves in one.
    pub fn with_moves(self, moves: Option<Moves>) -> Self {
        let moves = moves.filter(|_| self.looks > 0);
        let steps = moves
            .as_ref()
            .and_then(|m| self.tape.native_steps(m, false));
        Self {
            moves,
            steps,
            ..self
        }
    }

    /// How many of the steps that are left are one piece of code; `None`: each is to be run by itself.
    #[inline]
    pub fn at_once(&self, left: u64) -> Option<usize> {
        self.steps?;
        let each = self.tape.instructions.len().max(1);
        let most = (OPERATIONS_PER_LOOK / each).max(1) as u64;
        (left > 0).then_some(left.min(most) as usize)
    }

    /// Runs so many of them. `cursors`: as what moves in a step asks for.
    pub fn run_steps(
        &self,
        cursors: &mut [usize],
        steps: usize,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let Some(code) = self.steps else {
            return Ok(());
        };
        // SAFETY: the memory was lent for this tape with one lane, or nothing would be known to move; the caller's
        // cursors are within the columns and states of those steps.
        unsafe { code.run(self.memory.bases(), cursors, steps) };
        ticker.tick(steps.saturating_mul(self.tape.instructions.len() + 8))
    }

    /// Runs them once more.
    #[inline]
    pub fn run(&mut self, ticker: &mut Ticker<'_>) -> Result<(), Halt> {
        if self.code.is_none() && self.looks > 0 {
            if self.tape.waits() {
                interpreted(self.tape, 0, self.memory, ticker)?;
                return interpreted(self.tape, 1, self.memory, ticker);
            }
            self.looks -= 1;
            self.look();
        }
        let Some(code) = &self.code else {
            section(self.tape, 0, self.memory, ticker)?;
            return section(self.tape, 1, self.memory, ticker);
        };
        let bases = self.memory.bases();
        for (code, piece) in code {
            // SAFETY: the memory was lent for this tape, and the code was asked for by its lanes.
            unsafe { code.run(piece, bases) };
            ticker.tick(piece.work)?;
        }
        Ok(())
    }

    /// Looks for code once more.
    fn look(&mut self) {
        match &self.moves {
            None => self.code = self.all_of_it(),
            Some(moves) if self.tape.is_warm() => {
                // Code of many steps is enough: making both takes as long again.
                self.steps = self.tape.native_steps(moves, true);
                self.looks = if self.steps.is_some() { 0 } else { self.looks };
                self.moves = None;
            }
            Some(_) => {}
        }
    }

    /// The code of both, if it is there and is all that there is to be run.
    fn all_of_it(&self) -> Option<SmallVec<[(&'t Code, &'t Piece); 2]>> {
        let mut all = SmallVec::new();
        for (section, lanes) in [(0, 1), (1, self.memory.lanes)] {
            let range = self.tape.sections.get(section);
            if range.is_none_or(|range| range.is_empty()) {
                continue;
            }
            let code = self.tape.native(lanes)?;
            for piece in code.pieces(section) {
                all.push(piece.is_code().then_some((code, piece))?);
            }
        }
        Some(all)
    }
}

fn part(tape: &Tape, part: &Part, memory: Memory<'_>, ticker: &mut Ticker<'_>) -> Result<(), Halt> {
    match part {
        Part::Plain(range) => run(tape, range.clone(), memory, ticker),
        Part::Strips(_, strips) => Ok(strips::run(memory, strips, None, ticker)?),
    }
}

#[inline]
fn run(
    tape: &Tape,
    range: Range<usize>,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    for i in &tape.instructions[range] {
        step(tape, i, memory, ticker)?;
    }
    Ok(())
}

/// Runs a section of which some is machine code.
fn pieces(
    tape: &Tape,
    code: &Code,
    section: usize,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    for piece in code.pieces(section) {
        // SAFETY: the memory was lent for this tape, and the caller has seen to the lanes.
        if unsafe { code.run(piece, memory.bases()) } {
            ticker.tick(piece.work)?;
        } else if let Some(Part::Strips(_, strips)) = piece.part.map(|at| &tape.parts[section][at])
        {
            strips::run(memory, strips, Some((code, &piece.segments)), ticker)?;
        } else {
            run(tape, piece.range.clone(), memory, ticker)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn step(
    tape: &Tape,
    i: &Instruction,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    if i.flags & Instruction::CONTROL != 0 {
        return control::run(memory, &tape.controls[i.operands[0].offset()], ticker);
    }
    Ok(plain(tape, i, memory, ticker)?)
}

#[inline(always)]
fn plain(
    tape: &Tape,
    i: &Instruction,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    if i.flags & Instruction::STRUCTURAL != 0 {
        structural::run(memory, &tape.structural[i.operands[0].offset()], ticker)
    } else if i.elements == 1
        && i.dtype == DType::F64
        && memory.lanes_of(i.result) == 1
        && scalar(memory, i)
    {
        ticker.tick(1)
    } else {
        elementwise::run(memory, i, ticker)
    }
}

/// The same, looking at what is to be checked.
fn checked(
    tape: &Tape,
    range: Range<usize>,
    memory: Memory<'_>,
    ticker: &mut Ticker<'_>,
) -> Result<(), Halt> {
    let begin = tape
        .checks
        .partition_point(|c| (c.instruction as usize) < range.start);
    let mut checks = tape.checks[begin..].iter().peekable();
    for n in range {
        step(tape, &tape.instructions[n], memory, ticker)?;
        while let Some(check) = checks.next_if(|c| c.instruction as usize == n) {
            if let Some(caught) = look(tape.function, memory, check) {
                return Err(Halt::Caught(caught));
            }
        }
    }
    Ok(())
}

/// What is wrong with a result.
fn look(function: Option<u32>, memory: Memory<'_>, check: &Check) -> Option<Caught> {
    let lanes = memory.lanes_of(check.place.slot);
    let found = match (check.reason, check.place.dtype) {
        (Reason::Kink, _) => {
            let cells = memory.at::<bool>(check.place);
            cells.iter().position(|c| c.get()).map(|i| (i, f64::NAN))
        }
        (_, DType::F32) => {
            let values = memory.at::<f32>(check.place).iter().map(|c| c.get());
            let mut values = values.map(f64::from).enumerate();
            values.find(|(_, x)| !x.is_finite())
        }
        _ => {
            let values = memory.at::<f64>(check.place).iter().map(|c| c.get());
            values.enumerate().find(|(_, x)| !x.is_finite())
        }
    };
    found.map(|(i, value)| Caught {
        function,
        node: check.node,
        reason: check.reason,
        lane: i % lanes,
        value,
    })
}

/// A check that failed.
pub(super) struct Caught {
    /// Position of the client's function that the node is in.
    pub function: Option<u32>,
    /// Position of the node in the client's graph or function.
    pub node: u32,
    /// What was looked for.
    pub reason: Reason,
    /// Where.
    pub lane: usize,
    /// What stood there.
    pub value: f64,
}

/// Why a section ended early.
pub(super) enum Halt {
    Error(Error),
    Caught(Caught),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// One number from one or two: most of a scalar graph. False for what it leaves to the general way.
#[inline]
fn scalar(memory: Memory<'_>, i: &Instruction) -> bool {
    let get = |k: usize| memory.number(i.operands[k]).get();
    let value = match i.op {
        Op::Add => get(0) + get(1),
        Op::Subtract => get(0) - get(1),
        Op::Multiply => get(0) * get(1),
        Op::Divide => get(0) / get(1),
        Op::Negate => -get(0),
        op => match op.elementwise() {
            Some(row) if row.partials.len() == 1 => op.value1(get(0)),
            Some(row) if row.partials.len() == 2 => op.value2(get(0), get(1)),
            Some(_) => op.value3(get(0), get(1), get(2)),
            None => return false,
        },
    };
    memory.number(i.result).set(value);
    true
}
