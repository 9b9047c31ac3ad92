use super::control::{Counts, Record};
use super::crew::Crew;
use crate::tape::native::Bases;
use crate::tape::{Place, Sizes, Slot};
use crate::tensor::DType;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// Working memory, lent to one evaluation at a time and reused by the next, of whatever program.
#[derive(Default, Debug)]
pub struct Scratch {
    f64: [Vec<f64>; 2],
    f32: [Vec<f32>; 2],
    bool: [Vec<bool>; 2],
    i64: [Vec<i64>; 2],
    records: Vec<RefCell<Option<Record>>>,
    /// How often the last evaluation ran functions and steps of loops.
    pub counts: Counts,
    /// Memories of bodies.
    pub(super) frames: Vec<Scratch>,
    /// Who may help.
    pub(super) crew: Option<Arc<Crew>>,
}

/// What is kept for the next evaluation; the rest goes back to the allocator.
const KEPT_ELEMENTS: usize = 32 << 20;

impl Scratch {
    /// For evaluations that a crew helps.
    pub fn with_crew(crew: Arc<Crew>) -> Self {
        Self {
            crew: Some(crew),
            ..Self::default()
        }
    }

    /// Gives the memory back.
    pub fn clear(&mut self) {
        *self = Self {
            crew: self.crew.take(),
            ..Self::default()
        };
    }

    /// Memory for a tape and that many lanes. Contents are whatever was there: every slot is written before it
    /// is read.
    pub(super) fn lend<'a>(
        &'a mut self,
        sizes: &Sizes,
        lanes: usize,
        outside: &'a [Outside<'a>],
    ) -> Memory<'a> {
        self.lend_to(0, sizes, lanes, outside)
    }

    /// The same with room for so many threads that help.
    pub(super) fn lend_to<'a>(
        &'a mut self,
        helping: usize,
        sizes: &Sizes,
        lanes: usize,
        outside: &'a [Outside<'a>],
    ) -> Memory<'a> {
        if self.records.len() < sizes.records {
            self.records.resize_with(sizes.records, RefCell::default);
        }
        Memory {
            records: &self.records,
            outside,
            f64: cells(&mut self.f64, helping, sizes, DType::F64, lanes),
            f32: cells(&mut self.f32, helping, sizes, DType::F32, lanes),
            bool: cells(&mut self.bool, helping, sizes, DType::Bool, lanes),
            i64: cells(&mut self.i64, helping, sizes, DType::I64, lanes),
            helping,
            lanes,
        }
    }
}

impl Scratch {
    /// Drops states of loops; their bytes go back to the budget.
    pub(super) fn forget(&mut self, budget: &mut u64) {
        for record in &mut self.records {
            if let Some(record) = record.get_mut().take() {
                *budget += record.granted();
            }
        }
    }
}

fn cells<'a, T: Copy + Default>(
    memory: &'a mut [Vec<T>; 2],
    helping: usize,
    sizes: &Sizes,
    dtype: DType,
    lanes: usize,
) -> [&'a [Cell<T>]; 2] {
    let needed = [
        sizes.uniform[dtype as usize] + helping * sizes.rows[dtype as usize],
        sizes.lanes[dtype as usize] * lanes,
    ];
    for (memory, needed) in memory.iter_mut().zip(needed) {
        if memory.len() > KEPT_ELEMENTS && needed < memory.len() / 2 {
            *memory = Vec::new();
        }
        if memory.len() < needed {
            memory.resize(needed, T::default());
        }
    }
    let [uniform, varying] = memory;
    [
        Cell::from_mut(&mut uniform[..]).as_slice_of_cells(),
        Cell::from_mut(&mut varying[..]).as_slice_of_cells(),
    ]
}

/// The memories of a running tape: for each element type, uniform and varying. Slots never overlap unless one
/// is dead, so cells are enough and no operation aliases its result.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    f64: [&'a [Cell<f64>]; 2],
    f32: [&'a [Cell<f32>]; 2],
    bool: [&'a [Cell<bool>]; 2],
    i64: [&'a [Cell<i64>]; 2],
    records: &'a [RefCell<Option<Record>>],
    outside: &'a [Outside<'a>],
    /// So many threads that help have rows of their own.
    pub helping: usize,
    /// Lanes of this run.
    pub lanes: usize,
}

/// Cells that several threads use at once.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(T);

// SAFETY: who makes one sees to it that no thread writes to what another one uses; see `Shared::new`.
unsafe impl<T: Copy> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    /// Lets several threads use cells.
    ///
    /// # Safety
    /// As long as several threads use them, no cell that one writes to is read or written by another, and records of
    /// loops are left alone.
    pub unsafe fn new(cells: T) -> Self {
        Self(cells)
    }

    /// The cells.
    pub fn get(&self) -> T {
        self.0
    }
}

/// Numbers that are read where the caller has them.
pub(super) struct Outside<'a> {
    slot: Slot,
    elements: usize,
    /// All that the caller gives: one point's after the other.
    numbers: &'a [Cell<f64>],
    /// Where those of the point begin that runs; None: they are in memory after all.
    begin: Cell<Option<usize>>,
}

impl<'a> Outside<'a> {
    /// A parameter that may be read from the bytes that the caller gives for it.
    pub fn parameter(place: Place, raw: &'a [u8]) -> Option<Self> {
        let numbers = place.slot.is_outside().then(|| as_numbers(raw))??;
        Some(Self::new(place, numbers))
    }

    /// A result that may be written to the bytes that the caller takes; `None` if they do not lie as numbers do.
    pub fn result(place: Place, raw: &'a mut [u8]) -> Option<Self> {
        Some(Self::new(place, as_results(raw)?))
    }

    fn new(place: Place, numbers: &'a [Cell<f64>]) -> Self {
        Self {
            slot: place.slot,
            elements: place.elements as usize,
            numbers,
            begin: Cell::new(None),
        }
    }
}

/// Whether bytes lie as numbers do.
pub(super) fn lie_as_numbers(raw: &[u8]) -> bool {
    cfg!(target_endian = "little") && raw.as_ptr().cast::<f64>().is_aligned()
}

/// A caller's bytes as numbers.
fn as_numbers(raw: &[u8]) -> Option<&[Cell<f64>]> {
    let numbers = lie_as_numbers(raw).then_some(raw.as_ptr().cast())?;
    // SAFETY: so many bytes are there and lie as numbers do, any bits are a number, and nobody writes through these
    // cells: a parameter's slot is never a result's (its last use is never).
    Some(unsafe { std::slice::from_raw_parts(numbers, raw.len() / 8) })
}

/// A result's bytes as numbers.
fn as_results(raw: &mut [u8]) -> Option<&[Cell<f64>]> {
    let numbers = lie_as_numbers(raw).then_some(raw.as_mut_ptr().cast())?;
    // SAFETY: so many bytes are there and lie as numbers do, any bits are a number, numbers have no bytes between them,
    // and the bytes are borrowed as long as the cells are.
    Some(unsafe { std::slice::from_raw_parts(numbers, raw.len() / 8) })
}

impl<'a> Memory<'a> {
    /// Lets a parameter be read from a part of the caller's bytes; false, if it must be written to its place.
    pub fn leave(&self, place: Place, raw: &[u8]) -> bool {
        if !place.slot.is_outside() {
            return false;
        }
        let Some(outside) = self.outside.iter().find(|o| o.slot == place.slot) else {
            return false;
        };
        let all = outside.numbers.as_ptr() as usize;
        let begin = (raw.as_ptr() as usize)
            .checked_sub(all)
            .map(|bytes| bytes / 8);
        // Lanes stand next to each other, here and nowhere else.
        let begin = begin.filter(|_| self.lanes_of(place.slot) == 1);
        outside.begin.set(begin);
        begin.is_some()
    }

    /// Lets results be written to the caller's bytes, at this point's place in them.
    pub fn leave_results(&self, results: &[Slot], point: usize) {
        for outside in self.outside.iter().filter(|o| results.contains(&o.slot)) {
            outside.begin.set(Some(point * outside.elements));
        }
    }

    /// Elements from a slot on, if the caller has them.
    fn left(&self, slot: Slot, elements: usize) -> Option<&'a [Cell<f64>]> {
        let (found, on) = self.outside.iter().find_map(|o| {
            let on = slot.offset().checked_sub(o.slot.offset())?;
            let same = o.slot.varies() == slot.varies() && on < o.elements;
            same.then_some((o, on))
        })?;
        let begin = found.begin.get()? + on;
        found.numbers.get(begin..begin + elements)
    }

    /// Lanes of a slot: 1 if it is uniform.
    pub fn lanes_of(&self, slot: Slot) -> usize {
        if slot.varies() { self.lanes } else { 1 }
    }

    /// Where it begins, for machine code.
    pub fn bases(&self) -> Bases {
        Bases {
            f64: self
                .f64
                .map(|cells| cells.as_ptr().cast::<f64>().cast_mut()),
            bool: (self.bool).map(|cells| cells.as_ptr().cast::<bool>().cast_mut()),
        }
    }

    /// Leaves a loop's states for its pull-back.
    pub fn keep(&self, record: u32, states: Record) {
        *self.records[record as usize].borrow_mut() = Some(states);
    }

    /// Takes a loop's states.
    pub fn take(&self, record: u32) -> Option<Record> {
        self.records[record as usize].borrow_mut().take()
    }

    /// Appends a place's elements × lanes as words of 8 bytes.
    pub fn read_words(&self, place: Place, to: &mut Vec<u64>) {
        match place.dtype {
            DType::F64 => match self.at::<f64>(place) {
                // What most loops carry.
                [one] => to.push(one.get().to_bits()),
                all => to.extend(all.iter().map(|c| c.get().to_bits())),
            },
            DType::F32 => to.extend(
                self.at::<f32>(place)
                    .iter()
                    .map(|c| u64::from(c.get().to_bits())),
            ),
            DType::I64 => to.extend(self.at::<i64>(place).iter().map(|c| c.get() as u64)),
            DType::Bool => to.extend(self.at::<bool>(place).iter().map(|c| u64::from(c.get()))),
        }
    }

    /// Writes a place from words; from one an element, if only the place varies.
    pub fn write_words(&self, place: Place, from: &[u64]) {
        let lanes = self.lanes_of(place.slot);
        let elements = place.elements as usize;
        let each = if from.len() == elements { lanes } else { 1 };
        macro_rules! write {
            ($t:ty, $read:expr) => {
                for (row, &word) in self.at::<$t>(place).chunks_exact(each).zip(from) {
                    row.iter().for_each(|c| c.set($read(word)));
                }
            };
        }
        match place.dtype {
            DType::F64 => write!(f64, f64::from_bits),
            DType::F32 => write!(f32, |word| f32::from_bits(word as u32)),
            DType::I64 => write!(i64, |word| word as i64),
            DType::Bool => write!(bool, |word| word != 0),
        }
    }

    /// A slot's elements × lanes.
    pub fn cells<T: Element>(&self, slot: Slot, elements: usize) -> &'a [Cell<T>] {
        let lanes = self.lanes_of(slot);
        if slot.is_outside()
            && let Some(cells) = T::outside(self, slot, elements * lanes)
        {
            return cells;
        }
        let begin = slot.offset() * lanes;
        &T::memory(self)[usize::from(slot.varies())][begin..begin + elements * lanes]
    }

    /// The number in a slot of one element, where there is one lane at most.
    #[inline(always)]
    pub fn number(&self, slot: Slot) -> &'a Cell<f64> {
        match slot.is_outside() {
            true => &self.cells(slot, 1)[0],
            false => &self.f64[usize::from(slot.varies())][slot.offset()],
        }
    }

    /// A place's elements × lanes.
    pub fn at<T: Element>(&self, place: Place) -> &'a [Cell<T>] {
        self.cells(place.slot, place.elements as usize)
    }
}

/// An element type.
pub(super) trait Element: Copy + PartialOrd + Default + 'static {
    /// Wide enough to sum in: f32 sums in f64.
    type Sum: Copy + std::ops::Add<Output = Self::Sum>;
    const ZERO: Self::Sum;
    const LOWEST: Self;
    const HIGHEST: Self;
    fn memory<'a>(memory: &Memory<'a>) -> [&'a [Cell<Self>]; 2];
    /// A slot's numbers, if the caller has them.
    fn outside<'a>(_: &Memory<'a>, _: Slot, _: usize) -> Option<&'a [Cell<Self>]> {
        None
    }
    /// The same cells, if they hold numbers of 64 bits.
    fn numbers(_: &[Cell<Self>]) -> Option<&[Cell<f64>]> {
        None
    }
    fn widen(self) -> Self::Sum;
    fn narrow(sum: Self::Sum) -> Self;
    fn times(a: Self, b: Self) -> Self::Sum;
    fn plus(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    fn from_index(i: usize) -> Self;
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, bytes: &mut [u8]);
}

macro_rules! element {
    ($t:ident, $sum:ident, $low:expr, $high:expr, add: $add:expr, times: $times:expr, nan: $nan:expr $(, outside: $outside:ident)?) => {
        impl Element for $t {
            type Sum = $sum;
            const ZERO: $sum = 0 as $sum;
            const LOWEST: Self = $low;
            const HIGHEST: Self = $high;
            const BYTES: usize = size_of::<$t>();
            fn memory<'a>(memory: &Memory<'a>) -> [&'a [Cell<Self>]; 2] {
                memory.$t
            }
            $(fn outside<'a>(
                memory: &Memory<'a>,
                slot: Slot,
                elements: usize,
            ) -> Option<&'a [Cell<Self>]> {
                memory.$outside(slot, elements)
            }
            fn numbers(cells: &[Cell<Self>]) -> Option<&[Cell<f64>]> {
                Some(cells)
            })?
            #[inline(always)]
            fn widen(self) -> $sum {
                self.into()
            }
            #[inline(always)]
            fn narrow(sum: $sum) -> Self {
                sum as $t
            }
            #[inline(always)]
            fn times(a: Self, b: Self) -> $sum {
                let times: fn($sum, $sum) -> $sum = $times;
                times(a.into(), b.into())
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                let add: fn(Self, Self) -> Self = $add;
                add(self, other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                let nan: fn(Self) -> bool = $nan;
                nan(self)
            }
            fn from_index(i: usize) -> Self {
                i as $t
            }
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many bytes as an element has"))
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    };
}

/// Integers that wrap, so that a sum in any order is the same.
#[derive(Clone, Copy)]
pub(super) struct Wrapping(i64);

impl std::ops::Add for Wrapping {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

element!(f64, f64, f64::NEG_INFINITY, f64::INFINITY, add: |a, b| a + b, times: |a, b| a * b, nan: f64::is_nan, outside: left);
element!(f32, f64, f32::NEG_INFINITY, f32::INFINITY, add: |a, b| a + b, times: |a, b| a * b, nan: f32::is_nan);

impl Element for i64 {
    type Sum = Wrapping;
    const ZERO: Wrapping = Wrapping(0);
    const LOWEST: Self = i64::MIN;
    const HIGHEST: Self = i64::MAX;
    const BYTES: usize = 8;
    fn memory<'a>(memory: &Memory<'a>) -> [&'a [Cell<Self>]; 2] {
        memory.i64
    }
    fn widen(self) -> Wrapping {
        Wrapping(self)
    }
    fn narrow(sum: Wrapping) -> Self {
        sum.0
    }
    fn times(a: Self, b: Self) -> Wrapping {
        Wrapping(a.wrapping_mul(b))
    }
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn is_nan(self) -> bool {
        false
    }
    fn from_index(i: usize) -> Self {
        i as i64
    }
    fn read(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("as many bytes as an element has"))
    }
    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }
}

/// Bools are moved, never summed: reductions refuse them.
impl Element for bool {
    type Sum = Wrapping;
    const ZERO: Wrapping = Wrapping(0);
    const LOWEST: Self = false;
    const HIGHEST: Self = true;
    const BYTES: usize = 1;
    fn memory<'a>(memory: &Memory<'a>) -> [&'a [Cell<Self>]; 2] {
        memory.bool
    }
    fn widen(self) -> Wrapping {
        Wrapping(self.into())
    }
    fn narrow(sum: Wrapping) -> Self {
        sum.0 != 0
    }
    fn times(a: Self, b: Self) -> Wrapping {
        (a && b).widen()
    }
    fn plus(self, other: Self) -> Self {
        self || other
    }
    fn is_nan(self) -> bool {
        false
    }
    fn from_index(i: usize) -> Self {
        i != 0
    }
    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
    fn write(self, bytes: &mut [u8]) {
        bytes[0] = self.into();
    }
}

/// Calls a generic function with the Rust type of an element type.
macro_rules! for_dtype {
    ($dtype:expr, $function:ident($($argument:expr),*)) => {
        match $dtype {
            DType::F64 => $function::<f64>($($argument),*),
            DType::F32 => $function::<f32>($($argument),*),
            DType::Bool => $function::<bool>($($argument),*),
            DType::I64 => $function::<i64>($($argument),*),
        }
    };
}
pub(super) use for_dtype;
