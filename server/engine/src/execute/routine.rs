//! Dense routines: on tensors where they lie, or every lane's operands are put together, widened, and the results taken
//! apart again.

use super::crew::Hands;
use super::memory::Memory;
use super::stop::Ticker;
use crate::error::Error;
use crate::op::{Alone, Buffer, BufferMut, Routine, Team};
use crate::tape::{Place, Structural};
use crate::tensor::DType;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// Operands or results: most routines have one or two.
type Few<T> = SmallVec<[T; 4]>;

/// Operations that are worth waking a thread for: some hundred microseconds.
const SHARE: usize = 1 << 20;

/// Operations that are counted for each element that goes through a routine, at least.
const WORK: usize = 8;

thread_local! {
    /// Numbers of earlier calls, whose memory is used again.
    static SPARE: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// A call takes a few, and those of one are kept.
const MOST_SPARE: usize = 8;
/// Elements beyond which the memory goes back to the allocator.
const MOST_ELEMENTS: usize = 1 << 17;

fn zeros(elements: usize) -> Vec<f64> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    let mut numbers = spare.unwrap_or_default();
    numbers.clear();
    numbers.resize(elements, 0.0);
    numbers
}

impl Drop for Dense {
    fn drop(&mut self) {
        let Self::Float(numbers) = self else { return };
        if numbers.capacity() > MOST_ELEMENTS {
            return;
        }
        let numbers = std::mem::take(numbers);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST_SPARE {
                spare.push(numbers);
            }
        });
    }
}

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
            DType::F64 | DType::F32 => Self::Float(zeros(elements)),
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

    fn all(&self) -> Buffer<'_> {
        match self {
            Self::Float(all) => Buffer::Float(all),
            Self::Integer(all) => Buffer::Integer(all),
            Self::Bool(all) => Buffer::Bool(all),
        }
    }

    fn all_mut(&mut self) -> BufferMut<'_> {
        match self {
            Self::Float(all) => BufferMut::Float(all),
            Self::Integer(all) => BufferMut::Integer(all),
            Self::Bool(all) => BufferMut::Bool(all),
        }
    }
}

/// Item i of a batch.
fn item<'a>(of: &Buffer<'a>, i: usize, batch: usize) -> Buffer<'a> {
    let part = |len: usize| i * (len / batch)..(i + 1) * (len / batch);
    match of {
        Buffer::Float(all) => Buffer::Float(&all[part(all.len())]),
        Buffer::Integer(all) => Buffer::Integer(&all[part(all.len())]),
        Buffer::Bool(all) => Buffer::Bool(&all[part(all.len())]),
    }
}

fn item_mut<'a>(of: &'a mut BufferMut<'_>, i: usize, batch: usize) -> BufferMut<'a> {
    let part = |len: usize| i * (len / batch)..(i + 1) * (len / batch);
    match of {
        BufferMut::Float(all) => {
            let part = part(all.len());
            BufferMut::Float(&mut all[part])
        }
        BufferMut::Integer(all) => {
            let part = part(all.len());
            BufferMut::Integer(&mut all[part])
        }
        BufferMut::Bool(all) => {
            let part = part(all.len());
            BufferMut::Bool(&mut all[part])
        }
    }
}

/// Where a tensor of one lane lies, if it need not be widened.
struct Lying {
    dtype: DType,
    first: *mut u8,
    elements: usize,
}

impl Lying {
    fn of(memory: Memory<'_>, place: Place) -> Option<Self> {
        fn start<T>(cells: &[Cell<T>]) -> *mut u8 {
            cells.as_ptr().cast_mut().cast()
        }
        let first = match place.dtype {
            DType::F32 => return None,
            DType::F64 => start(memory.at::<f64>(place)),
            DType::I64 => start(memory.at::<i64>(place)),
            DType::Bool => start(memory.at::<bool>(place)),
        };
        (memory.lanes_of(place.slot) == 1).then_some(Self {
            dtype: place.dtype,
            first,
            elements: place.elements as usize,
        })
    }

    /// To be read.
    ///
    /// # Safety
    /// Its elements must live as long as the buffer, and nobody may write them meanwhile.
    unsafe fn read<'a>(&self) -> Buffer<'a> {
        // SAFETY: so many elements of this type lie there.
        unsafe {
            match self.dtype {
                DType::F64 | DType::F32 => {
                    Buffer::Float(from_raw_parts(self.first.cast(), self.elements))
                }
                DType::I64 => Buffer::Integer(from_raw_parts(self.first.cast(), self.elements)),
                DType::Bool => Buffer::Bool(from_raw_parts(self.first.cast(), self.elements)),
            }
        }
    }

    /// To be written.
    ///
    /// # Safety
    /// Its elements must live as long as the buffer, and nobody else may read or write them meanwhile.
    unsafe fn write<'a>(&self) -> BufferMut<'a> {
        // SAFETY: so many elements of this type lie there.
        unsafe {
            match self.dtype {
                DType::F64 | DType::F32 => {
                    BufferMut::Float(from_raw_parts_mut(self.first.cast(), self.elements))
                }
                DType::I64 => {
                    BufferMut::Integer(from_raw_parts_mut(self.first.cast(), self.elements))
                }
                DType::Bool => {
                    BufferMut::Bool(from_raw_parts_mut(self.first.cast(), self.elements))
                }
            }
        }
    }

    fn meets(&self, other: &Self) -> bool {
        let end = |of: &Self| of.first.wrapping_add(of.elements * of.dtype.size_bytes());
        self.first < end(other) && other.first < end(self)
    }
}

/// Runs a routine on tensors where they lie, if all have one lane, none has to be widened, and no result lies where
/// something else does; false if not.
fn in_place(
    memory: Memory<'_>,
    step: &Structural,
    routine: &dyn Routine,
    batch: usize,
    work: usize,
    ticker: &mut Ticker<'_>,
) -> Result<bool, Error> {
    if let ([operand], [result], 1) = (&step.operands[..], &step.results[..], batch) {
        let pair = [operand, result].map(|&place| Lying::of(memory, place));
        let [Some(operand), Some(result)] = pair else {
            return Ok(false);
        };
        if operand.meets(&result) {
            return Ok(false);
        }
        ticker.begin(work)?;
        let hands = hands(routine, work, ticker);
        // SAFETY: as below.
        let (operand, result) = unsafe { (operand.read(), result.write()) };
        routine.run_by(&hands, &[operand], &mut [result]);
        return Ok(true);
    }
    let all = |places: &[Place]| -> Option<Few<Lying>> {
        places.iter().map(|&p| Lying::of(memory, p)).collect()
    };
    let (Some(operands), Some(results)) = (all(&step.operands), all(&step.results)) else {
        return Ok(false);
    };
    let before = |r: usize| results[..r].iter().chain(&operands);
    if (0..results.len()).any(|r| before(r).any(|o| o.meets(&results[r]))) {
        return Ok(false);
    }
    // SAFETY: each lies within this memory's cells and has that many elements of its type; results are disjoint from
    // all else, as was checked; and while the slices live, nothing else reads or writes cells of this memory.
    let operands: Few<Buffer<'_>> = operands.iter().map(|o| unsafe { o.read() }).collect();
    // SAFETY: as above.
    let results = results.iter().map(|r| unsafe { r.write() });
    let mut results: Few<BufferMut<'_>> = results.collect();
    for i in 0..batch {
        ticker.begin(work)?;
        let hands = hands(routine, work, ticker);
        items(routine, &hands, &operands, &mut results, i, batch);
    }
    Ok(true)
}

/// Threads that help with so much work.
fn hands(routine: &dyn Routine, work: usize, ticker: &mut Ticker<'_>) -> Hands {
    match routine.is_shared() {
        true => ticker.hands((work / SHARE).saturating_sub(1)),
        false => Hands::default(),
    }
}

fn items(
    routine: &dyn Routine,
    team: &dyn Team,
    operands: &[Buffer<'_>],
    results: &mut [BufferMut<'_>],
    i: usize,
    batch: usize,
) {
    let own: Few<Buffer<'_>> = operands.iter().map(|o| item(o, i, batch)).collect();
    let results = results.iter_mut();
    let mut out: Few<BufferMut<'_>> = results.map(|r| item_mut(r, i, batch)).collect();
    routine.run_by(team, &own, &mut out);
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
    let elements = step.operands.iter().chain(&step.results);
    let elements: usize = elements.map(|p| p.elements as usize).sum();
    let work = step.work / batch.max(1) as u64;
    let work = (elements / batch.max(1) * WORK).max(usize::try_from(work).unwrap_or(usize::MAX));
    if lanes == 1 && in_place(memory, step, routine, batch, work, ticker)? {
        return Ok(());
    }
    let mut operands: Few<Dense> = step.operands.iter().map(|&p| Dense::empty(p)).collect();
    let mut results: Few<Dense> = step.results.iter().map(|&p| Dense::empty(p)).collect();
    for lane in 0..lanes {
        for (dense, &place) in operands.iter_mut().zip(&step.operands) {
            // What varies over no lane is read once.
            if lane == 0 || place.slot.varies() {
                dense.read(memory, place, lane);
            }
        }
        let own: Few<Buffer<'_>> = operands.iter().map(Dense::all).collect();
        let mut out: Few<BufferMut<'_>> = results.iter_mut().map(Dense::all_mut).collect();
        for i in 0..batch {
            ticker.begin(work)?;
            items(routine, &Alone, &own, &mut out, i, batch);
        }
        drop(out);
        for (dense, &place) in results.iter().zip(&step.results) {
            dense.write(memory, place, lane);
        }
    }
    Ok(())
}
