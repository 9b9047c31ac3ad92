use super::control::{self, Argument, ControlStep, Library, Run};
use super::repeats::{Repeat, Repeats};
use super::slots::Slots;
use super::{Check, Instruction, Place, Sizes, Slot, Structural, Tape};
use crate::error::Error;
use crate::graph::{Arena, NodeId, NodeRef, Step};
use crate::op::{
    Attributes, Control, ControlKind, Direction, FunctionId, Kernel, Op, Strided, Sweep, Types,
    ValueId,
};
use crate::tensor::{DType, TensorType};
use crate::transform::{FunctionTable, Reason, Source, Watched, resolve};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::collections::HashMap;

/// What a parameter varies over: 0 nothing, g + 1 the lanes of group g.
pub type Class = u16;

/// Lowers what `roots` need, and checks of what is watched. Parameters nobody needs get no place. A value depends
/// on one group at most. Bodies that nodes run go into the library. Parameters that are given `apart`, element by element,
/// are read so, too, where they lie.
pub fn lower(
    arena: &Arena,
    table: &mut FunctionTable,
    library: &mut Library,
    (parameters, apart): (&[(ValueId, Class)], &FxHashSet<ValueId>),
    roots: &[ValueId],
    groups: usize,
    watched: &[Watched],
) -> Result<Tape, Error> {
    // What says that a derivative does not exist is calculated for that alone.
    let kinks = watched.iter().filter(|w| w.reason == Reason::Kink);
    let wanted = roots.iter().copied().chain(kinks.map(|w| w.value));
    let mut live: Vec<NodeId> = Vec::with_capacity(arena.node_count());
    let needed = arena.needed_each(wanted, |step| live.push(step.id));
    live.reverse();
    let mut class: Vec<Class> = vec![0; arena.len()];
    for &(value, c) in parameters {
        class[value.index()] = c;
    }
    // Without directions and points nothing varies.
    let varies = parameters.iter().any(|&(_, class)| class > 0);
    if varies {
        for step in live.iter().map(|&n| arena.step(n)) {
            let of = step.operands.iter().map(|v| class[v.index()]).max();
            for result in step.results() {
                class[result.index()] = of.unwrap_or(0);
            }
        }
    }
    let mut held = last_uses(arena, &live, &class, roots);
    let repeats = match watched.is_empty() {
        true => Repeats::of(arena, &needed, &class, &mut held),
        false => Repeats::default(),
    };
    let mut lowering = Lowering {
        recorded: recorded(arena, &needed),
        table,
        library,
        arena,
        held,
        apart,
        repeats,
        class: &class,
        varies,
        uniform: Default::default(),
        lanes: Default::default(),
        tape: Tape {
            instructions: Vec::with_capacity(live.len()),
            function: None,
            order: 0,
            remembered: false,
            structural: Vec::new(),
            controls: Vec::new(),
            keeps_states: false,
            sections: Vec::new(),
            costs: Vec::new(),
            parameters: Vec::new(),
            roots: Vec::new(),
            sizes: Sizes::default(),
            checks: Vec::new(),
            parts: Vec::new(),
            strip_elements: [0; 4],
            native: Default::default(),
        },
        // The first of several who watch a value is the node that gave it.
        watched: watched.iter().rev().map(|w| (w.value, *w)).collect(),
    };
    let of = (parameters, &needed[..], &live[..]);
    lowering.section(0, of)?;
    for group in 1..=groups as Class {
        // Groups run one after the other: they share the lanes' memory.
        let sizes = lowering.lanes.each_ref().map(Slots::size);
        lowering.keep(sizes);
        lowering.lanes = Default::default();
        lowering.section(group, of)?;
    }
    lowering.keep(lowering.lanes.each_ref().map(Slots::size));
    lowering.tape.sizes.uniform = lowering.uniform.each_ref().map(Slots::size);
    for &(value, _) in parameters {
        let place = needed[value.index()].then(|| lowering.place(value));
        lowering.tape.parameters.push(place);
    }
    lowering.tape.roots = roots.iter().map(|&v| lowering.place(v)).collect();
    lowering.tape.instructions.shrink_to_fit();
    Ok(lowering.tape)
}

pub(super) const FOREVER: u32 = u32::MAX;

/// For each value the node after which nobody of its own section reads it; what other sections read, and what
/// is read at the end, lives for ever.
fn last_uses(arena: &Arena, live: &[NodeId], class: &[Class], roots: &[ValueId]) -> Vec<Held> {
    let new = |owner| Held {
        place: Slot::new(0, false),
        owner,
        last_use: 0,
    };
    let mut held: Vec<Held> = (0..arena.len() as u32).map(new).collect();
    for step in live.iter().map(|&n| arena.step(n)) {
        for v in step.operands {
            let i = v.index();
            let abroad = class[i] != class[step.result.index()];
            let last = &mut held[i].last_use;
            *last = if abroad {
                FOREVER
            } else {
                step.id.0.max(*last)
            };
        }
    }
    for root in roots {
        held[root.index()].last_use = FOREVER;
    }
    held
}

/// A loop's functions and operands, by which its pull-back finds it.
type LoopKey = (Vec<FunctionId>, Vec<ValueId>);

/// Loops whose pull-back comes later, with the number of their record.
fn recorded(arena: &Arena, needed: &[bool]) -> HashMap<LoopKey, u32> {
    let mut applied: HashMap<LoopKey, bool> = HashMap::new();
    let has_bodies = |a: &Attributes| matches!(a, Attributes::Control(_));
    if !arena.all_attributes().iter().any(has_bodies) {
        return HashMap::new();
    }
    for node in arena.nodes().filter(|n| needed[n.result.index()]) {
        let Some((key, sweep)) = loop_key(&node) else {
            continue;
        };
        match sweep {
            Sweep::Apply => {
                applied.entry(key).or_insert(false);
            }
            Sweep::Pull => {
                applied.entry(key).and_modify(|pulled| *pulled = true);
            }
            _ => {}
        }
    }
    let mut keys: Vec<LoopKey> = applied
        .into_iter()
        .filter(|(_, p)| *p)
        .map(|(k, _)| k)
        .collect();
    keys.sort();
    keys.into_iter().zip(0..).collect()
}

fn loop_key(node: &NodeRef<'_>) -> Option<(LoopKey, Sweep)> {
    let Attributes::Control(control) = node.attributes else {
        return None;
    };
    let is_loop = matches!(
        control.kind,
        ControlKind::While { .. } | ControlKind::Scan { .. }
    );
    let x = &node.operands[..control.operands.len()];
    is_loop.then(|| ((control.functions.clone(), x.to_vec()), control.sweep))
}

/// What is known of a value, side by side: of most all is asked for at once.
pub(super) struct Held {
    place: Slot,
    /// Whose place it has: another's where it is the same numbers in order.
    owner: u32,
    /// See [`last_uses`].
    pub last_use: u32,
}

struct Lowering<'a> {
    table: &'a mut FunctionTable,
    library: &'a mut Library,
    /// Loops whose states are kept.
    recorded: HashMap<LoopKey, u32>,
    arena: &'a Arena,
    class: &'a [Class],
    /// Whether anything is of another class than 0.
    varies: bool,
    /// For each value.
    held: Vec<Held>,
    /// See [`lower`].
    apart: &'a FxHashSet<ValueId>,
    repeats: Repeats,
    uniform: [Slots; 4],
    lanes: [Slots; 4],
    tape: Tape,
    watched: HashMap<ValueId, Watched>,
}

fn too_large(asked: u64) -> Error {
    Error::Limit {
        name: "max_tape_elements",
        value: Slot::MOST.into(),
        asked,
        repair: "the derivative needs more memory than one tape addresses; split the graph".into(),
    }
}

fn memory(dtype: DType) -> usize {
    dtype as usize
}

impl Lowering<'_> {
    fn keep(&mut self, sizes: [usize; 4]) {
        for (kept, size) in self.tape.sizes.lanes.iter_mut().zip(sizes) {
            *kept = size.max(*kept);
        }
    }

    fn place(&self, value: ValueId) -> Place {
        let ty = self.arena.ty(value);
        Place {
            slot: self.held[value.index()].place,
            elements: ty.elements() as u32,
            dtype: ty.dtype,
        }
    }

    fn slots(&mut self, dtype: DType, varying: bool) -> &mut Slots {
        let all = if varying {
            &mut self.lanes
        } else {
            &mut self.uniform
        };
        &mut all[memory(dtype)]
    }

    fn take(&mut self, ty: &TensorType, varying: bool) -> Result<Slot, Error> {
        let asked = ty.elements();
        let elements = u32::try_from(asked).map_err(|_| too_large(asked))?;
        let offset = self
            .slots(ty.dtype, varying)
            .take(elements)
            .ok_or_else(|| too_large(asked))?;
        Ok(Slot::new(offset, varying))
    }

    fn section(
        &mut self,
        section: Class,
        (parameters, needed, live): (&[(ValueId, Class)], &[bool], &[NodeId]),
    ) -> Result<(), Error> {
        let begin = self.tape.instructions.len();
        let varying = section > 0;
        for &(value, class) in parameters {
            if class == section && needed[value.index()] {
                self.held[value.index()].place = self.take(self.arena.ty(value), varying)?;
                // Parameters are written before the section starts and must not be overwritten by an earlier
                // run of it: the next block of lanes reads them again.
                self.held[value.index()].last_use = FOREVER;
            }
        }
        let arena = self.arena;
        let mut cost = 0u64;
        for step in live.iter().map(|&n| arena.step(n)) {
            if self.class[step.result.index()] != section {
                continue;
            }
            if !self.repeats.is_empty() {
                for repeat in self.repeats.before(step.id) {
                    cost = cost.saturating_add(self.again(&repeat)?);
                }
            }
            // Nearly every node of a large scalar graph ends here.
            if self.watched.is_empty()
                && let Some(row) = arena.of_scalars(&step)
            {
                cost = cost.saturating_add(row.cost.into());
                self.scalars(&step, section)?;
                continue;
            }
            let node = arena.node(step.id);
            self.node(node, varying)?;
            self.check(node);
            cost = cost.saturating_add(arena.cost(node));
            if node.result_count > 1 {
                self.drop_unread(node, varying);
            }
            for &v in node.operands {
                let owner = self.owner(v);
                if self.held[owner].last_use == node.id.0 && self.class[owner] == section {
                    // Once, however often it is an operand.
                    self.held[owner].last_use = FOREVER;
                    let place = self.place(v);
                    self.slots(place.dtype, varying)
                        .give(place.slot.offset() as u32, place.elements);
                }
            }
        }
        let end = self.tape.instructions.len();
        self.tape.sections.push(begin..end);
        self.tape.costs.push(cost);
        Ok(())
    }

    /// A node by element of floating-point scalars that nobody watches.
    #[inline]
    fn scalars(&mut self, step: &Step<'_>, section: Class) -> Result<(), Error> {
        let varying = section > 0;
        let ty = self.arena.ty(step.result);
        let dtype = ty.dtype;
        let offset = self.slots(dtype, varying).take(1);
        let offset = offset.ok_or_else(|| too_large(1))?;
        let result = Slot::new(offset, varying);
        self.held[step.result.index()].place = result;
        let mut operands = [result; 3];
        let mut done = [None; 3];
        let pairs = operands.iter_mut().zip(&mut done).zip(step.operands);
        for ((place, done), v) in pairs {
            let held = &self.held[v.index()];
            *place = held.place;
            let owner = held.owner as usize;
            let own = &mut self.held[owner].last_use;
            if *own == step.id.0 && (!self.varies || self.class[owner] == section) {
                // Once, however often it is an operand.
                *own = FOREVER;
                *done = Some(*place);
            }
        }
        self.tape.instructions.push(Instruction {
            op: step.op,
            dtype,
            flags: 0,
            detail: 0,
            elements: 1,
            result,
            operands,
        });
        let slots = self.slots(dtype, varying);
        for place in done.into_iter().flatten() {
            slots.give(place.offset() as u32, 1);
        }
        Ok(())
    }

    /// Works a value out again, for those who read it from now on; tells what that costs.
    fn again(&mut self, repeat: &Repeat) -> Result<u64, Error> {
        let arena = self.arena;
        let give = |this: &mut Self, value: ValueId| {
            let place = this.place(value);
            this.slots(place.dtype, false)
                .give(place.slot.offset() as u32, place.elements);
        };
        let node = arena.node(repeat.node);
        let mut cost = arena.cost(node);
        give(self, node.result);
        let mut before = Vec::with_capacity(repeat.spread.len());
        for &id in &repeat.spread {
            let spread = arena.node(id);
            before.push((spread.result, self.held[spread.result.index()].place));
            self.node(spread, false)?;
            cost = cost.saturating_add(arena.cost(spread));
        }
        self.node(node, false)?;
        for (spread, place) in before {
            give(self, spread);
            self.held[spread.index()].place = place;
        }
        Ok(cost)
    }

    /// Looks at a node's results as soon as they are there.
    fn check(&mut self, node: NodeRef<'_>) {
        if self.watched.is_empty() {
            return;
        }
        for value in node.results() {
            let Some(watched) = self.watched.get(&value) else {
                continue;
            };
            let check = Check {
                instruction: self.tape.instructions.len() as u32 - 1,
                place: self.place(value),
                node: watched.node,
                reason: watched.reason,
            };
            self.tape.checks.push(check);
        }
    }

    /// Gives back the places of results that nobody reads.
    fn drop_unread(&mut self, node: NodeRef<'_>, varying: bool) {
        for value in node.results() {
            if self.held[value.index()].last_use != 0 {
                continue;
            }
            let place = self.place(value);
            self.slots(place.dtype, varying)
                .give(place.slot.offset() as u32, place.elements);
        }
    }

    /// Whether a node's result is its operand's numbers in the same order: it lies where they do.
    fn is_alias(&self, node: &NodeRef<'_>) -> bool {
        // What is looked at is looked at after the instruction that gives it.
        if !self.watched.is_empty() {
            return false;
        }
        match node.op {
            Op::Reshape | Op::StopGradient => true,
            Op::BroadcastInDim | Op::Transpose => {
                let (operand, rule) = (self.arena.ty(node.operands[0]), node.op.rule());
                let types = Types {
                    operands: &[operand],
                    result: node.ty,
                    results: &[node.ty],
                };
                let kernel = rule.map(|rule| (rule.kernel)(node.op, node.attributes, &types));
                let elements = node.ty.elements() as usize;
                operand.elements() as usize == elements
                    && matches!(kernel, Some(Kernel::View(view)) if view == Strided::dense(elements))
            }
            _ => false,
        }
    }

    /// The value whose place a value has.
    fn owner(&self, value: ValueId) -> usize {
        self.held[value.index()].owner as usize
    }

    /// Whether a value lies in a parameter that is given element by element: these stay where they are.
    fn is_apart(&self, value: ValueId) -> bool {
        !self.apart.is_empty()
            && self
                .apart
                .contains(&ValueId(self.held[value.index()].owner))
    }

    /// Where a node's result lies in such a parameter, if it is one of the elements.
    fn element(&self, node: &NodeRef<'_>) -> Option<Slot> {
        let Attributes::Slice { starts, .. } = node.attributes else {
            return None;
        };
        let operand = node.operands[0];
        let one = self.is_apart(operand) && node.ty.elements() == 1;
        match (one, &starts[..]) {
            (true, &[start]) => Some(self.held[operand.index()].place.plus(start as usize)),
            _ => None,
        }
    }

    fn node(&mut self, node: NodeRef<'_>, varying: bool) -> Result<(), Error> {
        if let Some(place) = self.element(&node) {
            let own = node.result.index();
            self.held[own].owner = self.held[node.operands[0].index()].owner;
            self.held[own].place = place;
            return Ok(());
        }
        if self.is_alias(&node) {
            let (own, owner) = (node.result.index(), self.owner(node.operands[0]));
            self.held[own].owner = owner as u32;
            self.held[own].place = match self.is_apart(node.operands[0]) {
                true => self.held[node.operands[0].index()].place,
                false => self.held[owner].place,
            };
            self.held[owner].last_use = self.held[owner].last_use.max(self.held[own].last_use);
            return Ok(());
        }
        for value in node.results() {
            self.held[value.index()].place = self.take(self.arena.ty(value), varying)?;
        }
        let result = self.held[node.result.index()].place;
        let mut instruction = Instruction {
            op: node.op,
            dtype: node.ty.dtype,
            flags: 0,
            detail: 0,
            elements: node.ty.elements() as u32,
            result,
            operands: [result; 3],
        };
        if let Attributes::Control(control) = node.attributes {
            return self.control(node, control, instruction);
        }
        if node.op.elementwise().is_none() {
            let ty = |v: ValueId| self.arena.ty(v);
            let types: SmallVec<[&TensorType; 4]> = node.operands.iter().map(|&v| ty(v)).collect();
            let results: SmallVec<[&TensorType; 4]> = node.results().map(ty).collect();
            let types = Types {
                operands: &types,
                result: node.ty,
                results: &results,
            };
            let rule = node.op.rule().expect("graphs hold implemented operations");
            match (rule.kernel)(node.op, node.attributes, &types) {
                Kernel::Compare(direction) => {
                    instruction.dtype = types.operands[0].dtype;
                    instruction.detail = Direction::ALL
                        .iter()
                        .position(|&d| d == direction)
                        .unwrap_or(0) as u8;
                }
                Kernel::Convert | Kernel::Classify => instruction.dtype = types.operands[0].dtype,
                Kernel::Select | Kernel::Logical => {}
                kernel => return self.structural(node, kernel, instruction),
            }
            if node.op == Op::Convert {
                instruction.detail = memory(node.ty.dtype) as u8;
            }
        }
        for (k, &v) in node.operands.iter().enumerate() {
            instruction.operands[k] = self.held[v.index()].place;
            if instruction.elements != 1 && self.arena.ty(v).shape.is_empty() {
                instruction.flags |= 1 << k;
            }
        }
        self.tape.instructions.push(instruction);
        Ok(())
    }

    fn structural(
        &mut self,
        node: NodeRef<'_>,
        kernel: Kernel,
        instruction: Instruction,
    ) -> Result<(), Error> {
        let varying = instruction.result.varies();
        // Only products and routines know how to mix uniform operands with varying ones; indices are read either
        // way.
        let mixes = |k: usize| match kernel {
            Kernel::Dot(_) | Kernel::Routine { .. } => true,
            Kernel::Gather(_) | Kernel::ScatterAdd(_) | Kernel::Scatter(_) => k == 1,
            _ => false,
        };
        let mut operands = Vec::with_capacity(node.operands.len());
        let mut widened = Vec::new();
        for (k, &v) in node.operands.iter().enumerate() {
            let mut place = self.place(v);
            if varying && !place.slot.varies() && !mixes(k) {
                let wide = Place {
                    slot: self.take(self.arena.ty(v), true)?,
                    ..place
                };
                self.push_structural(
                    Structural {
                        kernel: Kernel::View(Strided::dense(place.elements as usize)),
                        operands: vec![place],
                        results: vec![wide],
                        work: 0,
                    },
                    Instruction {
                        result: wide.slot,
                        elements: place.elements,
                        ..instruction
                    },
                );
                widened.push(wide);
                place = wide;
            }
            operands.push(place);
        }
        let results = node.results().map(|v| self.place(v)).collect();
        let work = match kernel {
            Kernel::Routine { .. } => self.arena.cost(node),
            _ => 0,
        };
        self.push_structural(
            Structural {
                kernel,
                operands,
                results,
                work,
            },
            instruction,
        );
        for place in widened {
            self.slots(place.dtype, true)
                .give(place.slot.offset() as u32, place.elements);
        }
        Ok(())
    }

    fn control(
        &mut self,
        node: NodeRef<'_>,
        control: &Control,
        instruction: Instruction,
    ) -> Result<(), Error> {
        let resolved = resolve(self.table, control)?;
        let varies = |source: &Source| match source {
            Source::Operand(i) => self.held[node.operands[*i].index()].place.varies(),
            Source::Zeros(_) => false,
        };
        let varying: Vec<bool> = resolved.operands.iter().map(varies).collect();
        let count = match resolved.control.sweep {
            Sweep::Apply => resolved.control.results.len(),
            _ => resolved.results.len(),
        };
        let mut results = vec![None; count];
        for (value, &k) in node.results().zip(&resolved.results) {
            results[k] = Some(self.place(value));
        }
        let wanted: Vec<bool> = results.iter().map(Option::is_some).collect();
        let run = control::run(
            self.table,
            self.library,
            &resolved.control,
            &varying,
            &wanted,
        )?;
        let operands = resolved.operands.iter().map(|source| match source {
            Source::Operand(i) => Argument::At(self.place(node.operands[*i])),
            Source::Zeros(ty) => Argument::Zeros {
                elements: ty.elements() as u32,
                dtype: ty.dtype,
            },
        });
        let operands = operands.collect();
        let record = loop_key(&node)
            .filter(|(_, sweep)| matches!(sweep, Sweep::Apply | Sweep::Pull))
            .and_then(|(key, _)| self.recorded.get(&key).copied());
        self.tape.keeps_states |= matches!(run, Run::Pull(_)) || record.is_some();
        if let Some(record) = record {
            let records = &mut self.tape.sizes.records;
            *records = (record as usize + 1).max(*records);
        }
        let at = Slot::new(self.tape.controls.len() as u32, false);
        self.tape.controls.push(ControlStep {
            run,
            operands,
            results,
            varying: instruction.result.varies(),
            record,
        });
        self.tape.instructions.push(Instruction {
            flags: Instruction::CONTROL,
            operands: [at; 3],
            ..instruction
        });
        Ok(())
    }

    fn push_structural(&mut self, step: Structural, instruction: Instruction) {
        let at = Slot::new(self.tape.structural.len() as u32, false);
        self.tape.structural.push(step);
        self.tape.instructions.push(Instruction {
            flags: Instruction::STRUCTURAL,
            operands: [at; 3],
            ..instruction
        });
    }
}
