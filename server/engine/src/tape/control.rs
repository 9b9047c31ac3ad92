//! Nodes with bodies on the tape. A body is a tape of its own; tapes of bodies are in one library, by number, so that
//! a function may run itself.

use super::{Class, Place, Tape, lower};
use crate::error::Error;
use crate::op::deeper;
use crate::op::{Control, ControlKind, FunctionId, PULL_TURNS, Sweep};
use crate::tensor::DType;
use crate::transform::{Backward, FunctionTable, backward};
use rustc_hash::FxHashSet;
use std::collections::HashMap;

/// A body's number in the library.
pub type BodyId = u32;

/// Where an operand of a step comes from.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A place of the tape.
    At(Place),
    /// Zeros.
    Zeros {
        /// So many.
        elements: u32,
        /// Of this type.
        dtype: DType,
    },
}

/// A node with bodies, ready to run.
#[derive(Debug)]
pub struct ControlStep {
    /// What is run.
    pub run: Run,
    /// Its operands.
    pub operands: Vec<Argument>,
    /// Where the results of what is run go; `None`: nowhere.
    pub results: Vec<Option<Place>>,
    /// Whether the results vary over lanes.
    pub varying: bool,
    /// Where the states of a loop are kept for its pull-back, or found by it.
    pub record: Option<u32>,
}

impl Run {
    /// How often steps of a loop are begun; see [`crate::op::Control::turns`].
    pub fn turns(&self, unknown: u64) -> u64 {
        let steps = |l: &Loop| match l.condition {
            None => l.length,
            Some(_) => unknown,
        };
        match self {
            Run::Call { .. } | Run::Cond { .. } => 0,
            Run::Loop(own) => steps(own),
            Run::Pull(pull) => steps(&pull.forward).saturating_mul(PULL_TURNS - 1),
        }
    }
}

/// How bodies are run.
#[derive(Debug)]
pub enum Run {
    /// Once.
    Call {
        /// The body.
        body: BodyId,
    },
    /// One of several, by operand 0.
    Cond {
        /// The bodies.
        branches: Vec<BodyId>,
    },
    /// A loop.
    Loop(Box<Loop>),
    /// The pull-back of a loop.
    Pull(Box<Pull>),
}

/// A loop: operands are carries, then sequences, then constants.
#[derive(Debug)]
pub struct Loop {
    /// The step.
    pub body: BodyId,
    /// For which operands the body's parameters vary over lanes.
    pub varying: Vec<bool>,
    /// Goes on while this holds.
    pub condition: Option<BodyId>,
    /// The condition differs from lane to lane.
    pub split: bool,
    /// So often; of a while the most iterations, 0 for the default bound.
    pub length: u64,
    /// From the last step to the first.
    pub reverse: bool,
    /// Number of carries.
    pub carries: usize,
    /// Number of sequences.
    pub sequences: usize,
    /// Results of the body after the carries: elements and type.
    pub outputs: Vec<(u32, DType)>,
}

impl Loop {
    /// Position in sequences and outputs of a step.
    pub fn index(&self, step: u64) -> usize {
        match self.reverse {
            true => (self.length - 1 - step) as usize,
            false => step as usize,
        }
    }
}

/// The pull-back of a loop: operands are the loop's, then cotangents.
#[derive(Debug)]
pub struct Pull {
    /// The loop, without outputs.
    pub forward: Loop,
    /// From the body's parameters and cotangents the cotangents of what moves.
    pub body: BodyId,
    /// For each carry its cotangent's place among those that are carried back, if it has one.
    pub carried: Vec<bool>,
    /// Carries and outputs with a given cotangent.
    pub seen: Vec<bool>,
    /// Operands whose cotangent is wanted.
    pub active: Vec<bool>,
    /// Whether the body's pull-back keeps states of loops of its own.
    pub nested: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    function: FunctionId,
    varying: Vec<bool>,
    wanted: Vec<bool>,
}

/// Tapes of bodies while they are made.
#[derive(Default)]
pub struct Library {
    numbers: HashMap<Key, BodyId>,
    tapes: Vec<Option<Tape>>,
}

impl Library {
    /// The tapes, by number.
    pub fn finish(self) -> Vec<Tape> {
        let mut tapes: Vec<Tape> = self.tapes.into_iter().flatten().collect();
        for body in called_again(&tapes) {
            tapes[body as usize].remembered = true;
        }
        tapes
    }

    /// A function's tape for parameters of which some vary over lanes; its roots are the wanted results.
    fn body(
        &mut self,
        table: &mut FunctionTable,
        function: FunctionId,
        varying: &[bool],
        wanted: &[bool],
    ) -> Result<BodyId, Error> {
        let key = Key {
            function,
            varying: varying.to_vec(),
            wanted: wanted.to_vec(),
        };
        if let Some(&id) = self.numbers.get(&key) {
            return Ok(id);
        }
        let id = self.tapes.len() as BodyId;
        self.numbers.insert(key, id);
        self.tapes.push(None);
        let body = table.body(function)?;
        let parameters = body.parameters.iter().zip(varying);
        let parameters: Vec<_> = parameters.map(|(&p, &v)| (p, Class::from(v))).collect();
        let roots: Vec<_> = body
            .results
            .iter()
            .zip(wanted)
            .filter(|(_, w)| **w)
            .map(|(&r, _)| r)
            .collect();
        let mut tape = deeper(|| {
            lower(
                &body.arena,
                table,
                self,
                (&parameters, &FxHashSet::default()),
                &roots,
                1,
                &body.watched,
            )
        })?;
        tape.function = body.origin;
        tape.order = table.order(function);
        tape.in_strips();
        self.tapes[id as usize] = Some(tape);
        Ok(id)
    }

    fn keeps_states(&self, body: BodyId) -> bool {
        match &self.tapes[body as usize] {
            Some(tape) => tape.keeps_states,
            // It runs itself.
            None => true,
        }
    }
}

/// A function that calls no other is worth remembering from so many instructions on.
const WORTH_REMEMBERING: usize = 256;

/// Functions that derivatives call, where that is much to do again.
fn called_again(tapes: &[Tape]) -> Vec<BodyId> {
    let bodies = |run: &Run| -> Vec<BodyId> {
        match run {
            Run::Call { body } => vec![*body],
            Run::Cond { branches } => branches.clone(),
            Run::Loop(l) => l.condition.into_iter().chain([l.body]).collect(),
            Run::Pull(p) => vec![p.forward.body, p.body],
        }
    };
    let own_call = |tape: &Tape| {
        let runs = &mut tape.controls.iter().map(|step| &step.run);
        runs.any(|run| matches!(run, Run::Call { .. } | Run::Loop(_) | Run::Pull(_)))
    };
    // Callers are marked until nothing changes: functions may run one another.
    let mut dear: Vec<bool> = (tapes.iter())
        .map(|tape| tape.instructions.len() >= WORTH_REMEMBERING || own_call(tape))
        .collect();
    loop {
        let before = dear.clone();
        for (i, tape) in tapes.iter().enumerate() {
            let runs = tape.controls.iter().flat_map(|step| bodies(&step.run));
            dear[i] |= runs.into_iter().any(|b| before[b as usize]);
        }
        if dear == before {
            break;
        }
    }
    let called = tapes.iter().flat_map(|tape| {
        let calls = tape.controls.iter().filter_map(|step| match step.run {
            Run::Call { body } => Some(body),
            _ => None,
        });
        calls.filter(|&b| tapes[b as usize].order < tape.order)
    });
    called.filter(|&b| dear[b as usize]).collect()
}

/// What a resolved node runs. `varying`: of its operands; `wanted`: of its results.
pub(super) fn run(
    table: &mut FunctionTable,
    library: &mut Library,
    control: &Control,
    varying: &[bool],
    wanted: &[bool],
) -> Result<Run, Error> {
    match control.kind {
        ControlKind::Call => Ok(Run::Call {
            body: library.body(table, control.functions[0], varying, wanted)?,
        }),
        ControlKind::Cond => {
            let branches = control.functions.iter();
            let branches = branches.map(|&f| library.body(table, f, &varying[1..], wanted));
            Ok(Run::Cond {
                branches: branches.collect::<Result<_, Error>>()?,
            })
        }
        _ if control.sweep == Sweep::Apply => {
            let looped = looped(table, library, control, varying, wanted)?;
            Ok(Run::Loop(Box::new(looped)))
        }
        _ => Ok(Run::Pull(Box::new(pulled(
            table, library, control, varying,
        )?))),
    }
}

/// A loop; of its results the carries and the wanted outputs.
fn looped(
    table: &mut FunctionTable,
    library: &mut Library,
    control: &Control,
    varying: &[bool],
    wanted: &[bool],
) -> Result<Loop, Error> {
    let carries = control.carries as usize;
    let varying = &varying[..control.operands.len()];
    let through = table.through(&control.applied())?;
    let mut of_body = varying.to_vec();
    for (k, flag) in of_body.iter_mut().enumerate().take(carries) {
        *flag |= through.any[k].meets(varying);
    }
    let mut of_results = wanted.to_vec();
    of_results[..carries].fill(true);
    let step = control.body();
    let body = library.body(table, step, &of_body, &of_results)?;
    let (condition, split, length, reverse) = match control.kind {
        ControlKind::Scan { length, reverse } => (None, false, length, reverse),
        ControlKind::While { max_iterations } => {
            let function = control.functions[0];
            let split = table.dependence(function)?.any[0].meets(&of_body);
            let id = library.body(table, function, &of_body, &[true])?;
            (Some(id), split, max_iterations, false)
        }
        _ => (None, false, 1, false),
    };
    let outputs = control
        .results
        .iter()
        .zip(wanted)
        .skip(carries)
        .filter(|(_, w)| **w);
    let outputs = outputs.map(|(ty, _)| {
        let each = ty.shape[1..].iter().product::<u64>() as u32;
        (each, ty.dtype)
    });
    Ok(Loop {
        body,
        condition,
        split,
        length,
        reverse,
        carries,
        sequences: control.sequences as usize,
        outputs: outputs.collect(),
        varying: of_body,
    })
}

fn pulled(
    table: &mut FunctionTable,
    library: &mut Library,
    control: &Control,
    varying: &[bool],
) -> Result<Pull, Error> {
    let (carries, x) = (control.carries as usize, control.operands.len());
    let mut wanted = vec![false; control.results.len()];
    wanted[..carries].fill(true);
    let forward = looped(table, library, control, varying, &wanted)?;
    let Backward { active, seen } = backward(table, control)?;
    let function = table.pull(control.body(), &active, &seen)?;
    let any = varying.contains(&true);
    let count = seen.iter().filter(|s| **s).count();
    let flags: Vec<bool> = forward.varying[..x]
        .iter()
        .copied()
        .chain(std::iter::repeat_n(any, count))
        .collect();
    let results = active.iter().filter(|a| **a).count();
    let body = library.body(table, function, &flags, &vec![true; results])?;
    Ok(Pull {
        nested: library.keeps_states(body),
        forward,
        body,
        carried: seen[..carries].to_vec(),
        seen: control.seen.clone(),
        active: control.active.clone(),
    })
}
