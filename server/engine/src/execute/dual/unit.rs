//! Graphs and bodies as they are evaluated: which values die where, and what each node with bodies runs.

use crate::error::Error;
use crate::graph::{Arena, NodeRef};
use crate::op::{Attributes, Control, FunctionId, Sweep, ValueId};
use crate::transform::{FunctionTable, Source, resolve};
use std::collections::HashMap;

/// A graph or a body.
pub(super) struct Unit {
    pub arena: Arena,
    pub inputs: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
    /// What nodes with bodies run, by node.
    pub steps: HashMap<u32, Step>,
    /// For each node the values that nobody reads after it.
    pub last_uses: Vec<Vec<ValueId>>,
    needed: Vec<bool>,
    /// Elements that are alive at once, at most.
    pub peak: u64,
}

/// A node with bodies.
pub(super) struct Step {
    /// What is run: of plain kind, or the pull-back of a loop.
    pub control: Control,
    /// Its operands.
    pub operands: Vec<Source>,
    /// For each result of the node which result of what is run it is.
    pub results: Vec<usize>,
    /// For the pull-back of a loop.
    pub pull: Option<Pull>,
}

/// The pull-back of a loop's body. Cotangents of floating-point carries go from step to step.
pub(super) struct Pull {
    /// From the body's parameters and cotangents of the seen results the cotangents of the active parameters.
    pub body: FunctionId,
    /// Carries of floating-point type.
    pub carried: Vec<bool>,
}

impl Unit {
    pub fn new(
        arena: Arena,
        inputs: Vec<ValueId>,
        outputs: Vec<ValueId>,
        table: &mut FunctionTable,
    ) -> Result<Self, Error> {
        let needed = arena.needed(outputs.iter().copied());
        let mut unit = Self {
            arena,
            inputs,
            outputs,
            steps: HashMap::new(),
            last_uses: Vec::new(),
            needed,
            peak: 0,
        };
        unit.plan_memory();
        let mut steps = HashMap::new();
        for node in unit.arena.nodes().filter(|n| unit.needs(n)) {
            if let Attributes::Control(control) = node.attributes {
                steps.insert(node.id.0, Step::new(table, control)?);
            }
        }
        unit.steps = steps;
        Ok(unit)
    }

    /// Whether an output depends on the node.
    pub fn needs(&self, node: &NodeRef<'_>) -> bool {
        node.results().any(|v| self.needed[v.index()])
    }

    fn plan_memory(&mut self) {
        let arena = &self.arena;
        let mut seen = vec![false; arena.len()];
        self.outputs.iter().for_each(|v| seen[v.index()] = true);
        let mut last_uses = vec![Vec::new(); arena.node_count()];
        for node in arena.nodes().rev().filter(|n| self.needs(n)) {
            for v in node.operands.iter().copied().chain(node.results()) {
                if !std::mem::replace(&mut seen[v.index()], true) {
                    last_uses[node.id.0 as usize].push(v);
                }
            }
        }
        let size = |v: ValueId| arena.ty(v).elements();
        let mut alive: u64 = self.inputs.iter().map(|&v| size(v)).sum();
        let mut peak = alive;
        for node in arena.nodes().filter(|n| self.needs(n)) {
            alive += node.results().map(size).sum::<u64>();
            peak = peak.max(alive);
            let ended = last_uses[node.id.0 as usize].iter().map(|&v| size(v));
            alive = alive.saturating_sub(ended.sum());
        }
        (self.last_uses, self.peak) = (last_uses, peak);
    }
}

impl Step {
    fn new(table: &mut FunctionTable, control: &Control) -> Result<Self, Error> {
        let resolved = resolve(table, control)?;
        let control = resolved.control;
        let pull = match control.sweep {
            Sweep::Apply => None,
            _ => {
                let carries = control.carries as usize;
                let types = control.operands[..carries].iter();
                let carried: Vec<bool> = types.map(|ty| ty.dtype.is_float()).collect();
                let mut active = control.active.clone();
                active[..carries].copy_from_slice(&carried);
                let mut seen = control.seen.clone();
                seen[..carries].copy_from_slice(&carried);
                let body = table.pull(control.body(), &active, &seen)?;
                Some(Pull { body, carried })
            }
        };
        Ok(Self {
            control,
            operands: resolved.operands,
            results: resolved.results,
            pull,
        })
    }

    fn functions(&self) -> impl Iterator<Item = FunctionId> {
        let pull = self.pull.iter().map(|p| p.body);
        self.control.functions.iter().copied().chain(pull)
    }
}

/// Every body that may be run.
pub(super) struct Bodies(HashMap<FunctionId, Unit>);

impl Bodies {
    /// Those that a unit runs, and those that these run.
    pub fn of(main: &Unit, table: &mut FunctionTable) -> Result<Self, Error> {
        let mut units: HashMap<FunctionId, Unit> = HashMap::new();
        let mut open: Vec<FunctionId> = main.steps.values().flat_map(Step::functions).collect();
        while let Some(f) = open.pop() {
            if units.contains_key(&f) {
                continue;
            }
            let body = table.body(f)?;
            let (parameters, results) = (body.parameters.clone(), body.results.clone());
            let unit = Unit::new(body.arena.clone(), parameters, results, table)?;
            open.extend(unit.steps.values().flat_map(Step::functions));
            units.insert(f, unit);
        }
        Ok(Self(units))
    }

    /// A body.
    pub fn get(&self, f: FunctionId) -> &Unit {
        &self.0[&f]
    }

    /// Elements alive at once if each body runs once.
    pub fn peak_elements(&self) -> u64 {
        let each = self.0.values().map(|unit| unit.peak);
        each.fold(0, u64::saturating_add)
    }

    /// Bytes they hold.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|unit| unit.arena.bytes()).sum()
    }
}
