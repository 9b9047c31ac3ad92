//! Dense routines: every lane's operands are put together, widened, and the results taken apart again.

use super::memory::Memory;
use super::stop::Ticker;
use crate::error::Error;
use crate::op::{Buffer, BufferMut, Routine};
use crate::tape::{Place, Structural};
use crate::tensor::DType;

/// Operations that are counted for each element that goes through a routine, at least.
const WORK: usize = 8;

/// A tensor of one lane.
enum Dense {
    Float(Vec<f64>),
    Integer(Vec<i64>),
    Bool(Vec<bool>),
}

impl Dense {
    fn empty(place: Place) -> Self {
        let elements = place.elements as usize;
        match place.dtype {
            DType::F64 | DType::F32 => Self::Float(vec![0.0; elements]),
            DType::I64 => Self::Integer(vec![0; elements]),
            DType::Bool => Self::Bool(vec![false; elements]),
        }
    }

    fn read(&mut self, memory: Memory<'_>, place: Place, lane: usize) {
        let lanes = memory.lanes_of(place.slot);
        let at = if lanes == 1 { 0 } else { lane };
        macro_rules! copy {
            ($to:ident, $t:ty, $f:expr) => {{
                let cells = memory.at::<$t>(place).iter().skip(at).step_by(lanes);
                $to.iter_mut()
                    .zip(cells)
                    .for_each(|(o, c)| *o = $f(c.get()));
            }};
        }
        match (self, place.dtype) {
            (Self::Float(to), DType::F64) => copy!(to, f64, |x| x),
            (Self::Float(to), _) => copy!(to, f32, f64::from),
            (Self::Integer(to), _) => copy!(to, i64, |x| x),
            (Self::Bool(to), _) => copy!(to, bool, |x| x),
        }
    }

    fn write(&self, memory: Memory<'_>, place: Place, lane: usize) {
        let lanes = memory.lanes_of(place.slot);
        let at = if lanes == 1 { 0 } else { lane };
        macro_rules! copy {
            ($from:ident, $t:ty, $f:expr) => {{
                let cells = memory.at::<$t>(place).iter().skip(at).step_by(lanes);
                $from.iter().zip(cells).for_each(|(x, c)| c.set($f(*x)));
            }};
        }
        match (self, place.dtype) {
            (Self::Float(from), DType::F64) => copy!(from, f64, |x| x),
            (Self::Float(from), _) => copy!(from, f32, |x| x as f32),
            (Self::Integer(from), _) => copy!(from, i64, |x| x),
            (Self::Bool(from), _) => copy!(from, bool, |x| x),
        }
    }

    fn item(&self, i: usize, batch: usize) -> Buffer<'_> {
        let part = |len: usize| i * (len / batch)..(i + 1) * (len / batch);
        match self {
            Self::Float(all) => Buffer::Float(&all[part(all.len())]),
            Self::Integer(all) => Buffer::Integer(&all[part(all.len())]),
            Self::Bool(all) => Buffer::Bool(&all[part(all.len())]),
        }
    }

    fn item_mut(&mut self, i: usize, batch: usize) -> BufferMut<'_> {
        let part = |len: usize| i * (len / batch)..(i + 1) * (len / batch);
        match self {
            Self::Float(all) => {
                let part = part(all.len());
                BufferMut::Float(&mut all[part])
            }
            Self::Integer(all) => {
                let part = part(all.len());
                BufferMut::Integer(&mut all[part])
            }
            Self::Bool(all) => {
                let part = part(all.len());
                BufferMut::Bool(&mut all[part])
            }
        }
    }
}

/// Runs a routine for every lane and every item of the batch.
pub(super) fn run(
    memory: Memory<'_>,
    step: &Structural,
    routine: &dyn Routine,
    batch: usize,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let lanes = memory.lanes_of(step.result().slot);
    let mut operands: Vec<Dense> = step.operands.iter().map(|&p| Dense::empty(p)).collect();
    let mut results: Vec<Dense> = step.results.iter().map(|&p| Dense::empty(p)).collect();
    let elements = step.operands.iter().chain(&step.results);
    let elements: usize = elements.map(|p| p.elements as usize).sum();
    let work = step.work / batch.max(1) as u64;
    let work = (elements / batch.max(1) * WORK).max(usize::try_from(work).unwrap_or(usize::MAX));
    for lane in 0..lanes {
        for (dense, &place) in operands.iter_mut().zip(&step.operands) {
            // What varies over no lane is read once.
            if lane == 0 || place.slot.varies() {
                dense.read(memory, place, lane);
            }
        }
        for i in 0..batch {
            ticker.begin(work)?;
            let own: Vec<Buffer<'_>> = operands.iter().map(|d| d.item(i, batch)).collect();
            let mut out: Vec<BufferMut<'_>> =
                results.iter_mut().map(|d| d.item_mut(i, batch)).collect();
            routine.run(&own, &mut out);
        }
        for (dense, &place) in results.iter().zip(&step.results) {
            dense.write(memory, place, lane);
        }
    }
    Ok(())
}
