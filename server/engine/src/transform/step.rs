//! The pull-back of a loop, step by step: which cotangents a step takes and gives.

use super::functions::FunctionTable;
use crate::error::Error;
use crate::op::Control;

/// What a step of the pull-back of a loop takes and gives.
pub struct Backward {
    /// Parameters of the step whose cotangents it gives; of carries those that go on to the step before.
    pub active: Vec<bool>,
    /// Results of the step whose cotangents it takes; of carries those that come from the step after.
    pub seen: Vec<bool>,
}

/// Of the pull-back of a scan or while.
pub fn backward(table: &mut FunctionTable, control: &Control) -> Result<Backward, Error> {
    let carries = control.carries as usize;
    let through = table.through(&control.applied())?;
    let of_step = table.dependence(control.body())?;
    // Cotangents go back to carries that a seen result comes from …
    let mut needed = control.seen.clone();
    loop {
        let reached: Vec<bool> = (0..carries)
            .map(|j| (0..needed.len()).any(|k| needed[k] && of_step.smooth[k].has(j)))
            .collect();
        let before = needed.clone();
        needed.iter_mut().zip(reached).for_each(|(n, r)| *n |= r);
        if needed == before {
            break;
        }
    }
    // … and that come from an operand whose cotangent is wanted.
    let carried: Vec<bool> = (0..carries)
        .map(|k| needed[k] && (control.active[k] || through.smooth[k].meets(&control.active)))
        .collect();
    let mut active = control.active.clone();
    active[..carries].copy_from_slice(&carried);
    let mut seen = control.seen.clone();
    seen[..carries].copy_from_slice(&carried);
    Ok(Backward { active, seen })
}
