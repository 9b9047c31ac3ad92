//! Memory of tapes whose nodes have bodies, known before anything runs.

use super::{Argument, ControlStep, Loop, Run, Tape};
use crate::tensor::DType;

/// What a state of a loop takes beside its numbers.
const STATE: u64 = 40;

/// Words of 8 bytes an element of a state takes.
const WORD: u64 = 8;

impl Tape {
    /// Bytes that bodies need beside the tape's own memory: frames, and of each loop that is pulled back the fewest
    /// states. A function that runs itself is counted once; its depth is not known.
    pub fn bodies_bytes(&self, library: &[Tape], lanes: u64) -> u64 {
        let mut open = vec![false; library.len()];
        bodies(self, library, lanes, &mut open)
    }

    /// Whether a loop that is pulled back has loops inside.
    pub fn nests_loops(&self) -> bool {
        let mut runs = self.controls.iter().map(|step| &step.run);
        runs.any(|run| matches!(run, Run::Pull(pull) if pull.nested))
    }

    /// States of the loops of this tape that are kept for their pull-backs: (steps, bytes of one), where the number
    /// of steps is known.
    pub fn states(&self, lanes: u64) -> Vec<(u64, u64)> {
        let pulled = self.controls.iter().filter_map(|step| match &step.run {
            Run::Pull(pull) if pull.forward.condition.is_none() => {
                Some((pull.forward.length, state_bytes(step, &pull.forward, lanes)))
            }
            _ => None,
        });
        pulled.collect()
    }
}

fn bodies(tape: &Tape, library: &[Tape], lanes: u64, open: &mut [bool]) -> u64 {
    // Frames are used again by what runs later.
    let steps = tape.controls.iter();
    steps
        .map(|step| of_step(step, library, lanes, open))
        .max()
        .unwrap_or(0)
}

fn of_step(step: &ControlStep, library: &[Tape], lanes: u64, open: &mut [bool]) -> u64 {
    let lanes = if step.varying { lanes } else { 1 };
    let mut frame = |body: u32| {
        let i = body as usize;
        if std::mem::replace(&mut open[i], true) {
            return 0;
        }
        let tape = &library[i];
        let bytes = tape.scratch_bytes(lanes) + bodies(tape, library, lanes, open);
        open[i] = false;
        bytes
    };
    let columns = copies(step, lanes);
    let run = match &step.run {
        Run::Call { body } => frame(*body),
        Run::Cond { branches } => branches.iter().map(|&b| frame(b)).max().unwrap_or(0),
        Run::Loop(l) => frame(l.body) + l.condition.map_or(0, &mut frame),
        Run::Pull(p) => {
            let forward = frame(p.forward.body) + p.forward.condition.map_or(0, &mut frame);
            // One kept and two under way.
            forward + frame(p.body) + 3 * state_bytes(step, &p.forward, lanes)
        }
    };
    run.saturating_add(columns)
}

/// Operands and results are copied.
fn copies(step: &ControlStep, lanes: u64) -> u64 {
    let bytes = |elements: u32, dtype: DType| u64::from(elements) * dtype.size_bytes() as u64;
    let operands = step.operands.iter().map(|argument| match argument {
        Argument::At(place) => bytes(place.elements, place.dtype),
        Argument::Zeros { elements, dtype } => bytes(*elements, *dtype),
    });
    let results = step.results.iter().flatten();
    let results = results.map(|place| bytes(place.elements, place.dtype));
    operands
        .chain(results)
        .fold(0u64, u64::saturating_add)
        .saturating_mul(lanes)
}

fn state_bytes(step: &ControlStep, looped: &Loop, lanes: u64) -> u64 {
    let carries = step
        .operands
        .iter()
        .zip(&looped.varying)
        .take(looped.carries);
    let words = carries.map(|(argument, &varies)| {
        let elements = match argument {
            Argument::At(place) => place.elements,
            Argument::Zeros { elements, .. } => *elements,
        };
        u64::from(elements) * if varies { lanes } else { 1 }
    });
    words.sum::<u64>() * WORD + STATE
}
