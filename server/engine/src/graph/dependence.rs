//! Which results of a function depend on which parameters: through differentiable operations, and at all.

use super::Arena;
use crate::op::{Attributes, Control, ControlKind, FunctionId, Jvp, Sweep, ValueId};

/// A set of small numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bits(Vec<u64>);

impl Bits {
    fn single(i: usize) -> Self {
        let mut bits = Self(vec![0; i / 64 + 1]);
        bits.0[i / 64] |= 1 << (i % 64);
        bits
    }

    /// Whether a number is there.
    pub fn has(&self, i: usize) -> bool {
        self.0
            .get(i / 64)
            .is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    /// Whether any of these flags belongs to a number that is there.
    pub fn meets(&self, flags: &[bool]) -> bool {
        flags
            .iter()
            .enumerate()
            .any(|(i, &flag)| flag && self.has(i))
    }
}

/// For each result the parameters, or operands, that it depends on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dependence {
    /// Through differentiable operations.
    pub smooth: Vec<Bits>,
    /// At all.
    pub any: Vec<Bits>,
}

impl Dependence {
    /// Nothing depends on anything.
    pub fn none(results: usize) -> Self {
        Self {
            smooth: vec![Bits::default(); results],
            any: vec![Bits::default(); results],
        }
    }

    /// Of a body, from those of the functions that its nodes run.
    pub fn of(
        arena: &Arena,
        parameters: &[ValueId],
        results: &[ValueId],
        functions: &dyn Fn(FunctionId) -> Dependence,
    ) -> Self {
        let mut smooth = vec![Bits::default(); arena.len()];
        let mut any = smooth.clone();
        for (i, p) in parameters.iter().enumerate() {
            any[p.index()] = Bits::single(i);
            if arena.ty(*p).dtype.is_float() {
                smooth[p.index()] = Bits::single(i);
            }
        }
        let needed = arena.needed(results.iter().copied());
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            if let Attributes::Control(control) = node.attributes {
                let through = Self::through(control, functions);
                // Lanes: a node runs as a whole for whatever varies.
                let mut whole = Bits::default();
                node.operands
                    .iter()
                    .for_each(|v| whole.add(&any[v.index()]));
                for (k, result) in node.results().enumerate() {
                    let mut found = Bits::default();
                    for (i, v) in node.operands.iter().enumerate() {
                        if through.smooth[k].has(i) {
                            found.add(&smooth[v.index()]);
                        }
                    }
                    smooth[result.index()] = found;
                    any[result.index()] = whole.clone();
                }
                continue;
            }
            let passes = match node.op.rule() {
                Some(rule) => !matches!(rule.jvp, Jvp::None),
                None => true,
            };
            let (mut s, mut a) = (Bits::default(), Bits::default());
            for v in node.operands {
                a.add(&any[v.index()]);
                if passes {
                    s.add(&smooth[v.index()]);
                }
            }
            for result in node.results() {
                if arena.ty(result).dtype.is_float() {
                    smooth[result.index()] = s.clone();
                }
                any[result.index()] = a.clone();
            }
        }
        let pick = |all: &[Bits]| results.iter().map(|r| all[r.index()].clone()).collect();
        Self {
            smooth: pick(&smooth),
            any: pick(&any),
        }
    }

    /// Of a node's results on its operands.
    pub fn through(control: &Control, functions: &dyn Fn(FunctionId) -> Dependence) -> Self {
        let base = Self::of_kind(control, functions);
        let x = control.operands.len();
        let parts = control.parts();
        let numbers =
            |flags: &[bool]| -> Vec<usize> { (0..flags.len()).filter(|&i| flags[i]).collect() };
        let (active, seen) = (numbers(&control.active), numbers(&control.seen));
        match control.sweep {
            Sweep::Apply => base,
            Sweep::Push => {
                let row = |of: &Vec<Bits>, k: usize| {
                    let mut row = of[k].clone();
                    for (t, &j) in active.iter().enumerate() {
                        if base.smooth[k].has(j) {
                            row.add(&Bits::single(x + t));
                        }
                    }
                    row
                };
                Self {
                    smooth: seen.iter().map(|&k| row(&base.smooth, k)).collect(),
                    any: seen.iter().map(|&k| row(&base.any, k)).collect(),
                }
            }
            Sweep::Pull => {
                let row = |of: &Vec<Bits>, j: usize| {
                    let mut row = Bits::default();
                    for (t, &k) in seen.iter().enumerate() {
                        if base.smooth[k].has(j) {
                            row.add(&of[k]);
                            row.add(&Bits::single(x + t));
                        }
                    }
                    row
                };
                Self {
                    smooth: active.iter().map(|&j| row(&base.smooth, j)).collect(),
                    any: active.iter().map(|&j| row(&base.any, j)).collect(),
                }
            }
            Sweep::PullPush => {
                let mut all = Bits::default();
                let count = parts.x + parts.c + parts.dx + parts.dc;
                (0..count).for_each(|i| all.add(&Bits::single(i)));
                let all = vec![all; active.len()];
                Self {
                    smooth: all.clone(),
                    any: all,
                }
            }
        }
    }

    fn of_kind(control: &Control, functions: &dyn Fn(FunctionId) -> Dependence) -> Self {
        let shifted = |rows: &[Bits], by: usize, count: usize| -> Vec<Bits> {
            rows.iter()
                .map(|row| {
                    let mut out = Bits::default();
                    for i in (0..count).filter(|&i| row.has(i)) {
                        out.add(&Bits::single(i + by));
                    }
                    out
                })
                .collect()
        };
        let count = control.operands.len();
        match control.kind {
            ControlKind::Call => functions(control.functions[0]),
            ControlKind::Cond => {
                let mut all = Self::none(control.results.len());
                all.any = vec![Bits::single(0); control.results.len()];
                for &f in &control.functions {
                    let of = functions(f);
                    let smooth = shifted(&of.smooth, 1, count);
                    let any = shifted(&of.any, 1, count);
                    all.smooth
                        .iter_mut()
                        .zip(&smooth)
                        .for_each(|(a, b)| a.add(b));
                    all.any.iter_mut().zip(&any).for_each(|(a, b)| a.add(b));
                }
                all
            }
            ControlKind::While { .. } => {
                let body = functions(control.functions[1]);
                let condition = functions(control.functions[0]);
                let smooth = closed(&body.smooth, control, None, |i| {
                    control.operands[i].dtype.is_float()
                });
                let any = closed(&body.any, control, Some(&condition.any[0]), |_| true);
                Self { smooth, any }
            }
            ControlKind::Scan { .. } => {
                let body = functions(control.functions[0]);
                let smooth = closed(&body.smooth, control, None, |i| {
                    control.operands[i].dtype.is_float()
                });
                let any = closed(&body.any, control, None, |_| true);
                Self { smooth, any }
            }
        }
    }
}

/// What carries and outputs of a loop depend on after any number of steps.
fn closed(
    body: &[Bits],
    control: &Control,
    condition: Option<&Bits>,
    counts: impl Fn(usize) -> bool,
) -> Vec<Bits> {
    let carries = control.carries as usize;
    let single = |i: usize| match counts(i) {
        true => Bits::single(i),
        false => Bits::default(),
    };
    let mut carried: Vec<Bits> = (0..carries).map(single).collect();
    let follow = |row: &Bits, carried: &[Bits]| {
        let mut out = Bits::default();
        for i in (0..control.operands.len()).filter(|&i| row.has(i)) {
            match carried.get(i) {
                Some(carry) => out.add(carry),
                None => out.add(&single(i)),
            }
        }
        out
    };
    loop {
        let before = carried.clone();
        for k in 0..carries {
            let step = follow(&body[k], &before);
            carried[k].add(&step);
            if let Some(condition) = condition {
                let choice = follow(condition, &before);
                carried[k].add(&choice);
            }
        }
        if carried == before {
            break;
        }
    }
    let outputs: Vec<Bits> = body[carries..]
        .iter()
        .map(|row| follow(row, &carried))
        .collect();
    carried.extend(outputs);
    carried
}
