//! Client bytes to slots, and slots to blocks.

use super::memory::{Element, Memory, for_dtype};
use super::program::Block;
use crate::plan::{BlockSource, Entry, Read};
use crate::tape::Place;
use crate::tensor::DType;
use std::ops::Range;

/// Elements that are moved between points and lanes together.
const TILE: usize = 8;

/// Writes one tensor into a place. With lanes, lane l takes the tensor that begins `l · stride` elements later
/// (stride 0: all take the same), and lanes beyond take what the last one does.
pub(super) fn load(memory: Memory<'_>, place: Place, raw: &[u8], lanes: usize, stride: usize) {
    for_dtype!(place.dtype, load_typed(memory, place, raw, lanes, stride));
}

fn load_typed<T: Element>(
    memory: Memory<'_>,
    place: Place,
    raw: &[u8],
    lanes: usize,
    stride: usize,
) {
    let cells = memory.at::<T>(place);
    let elements = place.elements as usize;
    if memory.lanes_of(place.slot) == 1 {
        for (cell, bytes) in cells.iter().zip(raw.chunks_exact(T::BYTES)) {
            cell.set(T::read(bytes));
        }
        return;
    }
    for some in tiles(elements) {
        for lane in 0..memory.lanes {
            let begin = lane.min(lanes - 1) * stride + some.start;
            let own = &raw[begin * T::BYTES..][..some.len() * T::BYTES];
            for (e, bytes) in some.clone().zip(own.chunks_exact(T::BYTES)) {
                cells[e * memory.lanes + lane].set(T::read(bytes));
            }
        }
    }
}

/// Elements of which to take all lanes before the next: each lane's lie in a line of the cache together, and so do each
/// element's lanes.
fn tiles(elements: usize) -> impl Iterator<Item = Range<usize>> {
    let begins = (0..elements).step_by(TILE);
    begins.map(move |begin| begin..elements.min(begin + TILE))
}

/// Makes lane l the unit vector of element `first + l - offset`.
pub(super) fn unit(memory: Memory<'_>, place: Place, first: u64, lanes: usize, offset: u64) {
    for_dtype!(place.dtype, unit_typed(memory, place, first, lanes, offset));
}

fn unit_typed<T: Element>(memory: Memory<'_>, place: Place, first: u64, lanes: usize, offset: u64) {
    let cells = memory.at::<T>(place);
    let stride = memory.lanes_of(place.slot);
    cells.iter().for_each(|cell| cell.set(T::default()));
    for lane in 0..lanes as u64 {
        let element = (first + lane).checked_sub(offset);
        if let Some(e) = element.filter(|&e| e < place.elements.into()) {
            cells[e as usize * stride + lane as usize].set(T::from_index(1));
        }
    }
}

/// Makes lane l the sum of the unit vectors of the elements of colour `first + l`.
pub(super) fn colored(memory: Memory<'_>, place: Place, first: u64, lanes: usize, colors: &[u32]) {
    for_dtype!(
        place.dtype,
        colored_typed(memory, place, first, lanes, colors)
    );
}

fn colored_typed<T: Element>(
    memory: Memory<'_>,
    place: Place,
    first: u64,
    lanes: usize,
    colors: &[u32],
) {
    let cells = memory.at::<T>(place);
    let stride = memory.lanes_of(place.slot);
    cells.iter().for_each(|cell| cell.set(T::default()));
    for (e, &color) in colors.iter().enumerate().take(place.elements as usize) {
        let lane = u64::from(color).checked_sub(first);
        if let Some(lane) = lane.filter(|&lane| lane < lanes as u64) {
            cells[e * stride + lane as usize].set(T::from_index(1));
        }
    }
}

/// A product's blocks under construction: their element types and bytes, one point after the other.
pub(super) struct Blocks<'a> {
    pub types: &'a [(DType, usize)],
    pub blocks: &'a mut [Block],
}

impl Blocks<'_> {
    fn bytes(&mut self, to: Entry, point: usize) -> (DType, &mut [u8]) {
        let (dtype, size) = self.types[to.block as usize];
        let at = point * size + to.at as usize * dtype.size_bytes();
        let raw = &mut self.blocks[to.block as usize].tensor.raw_mut()[at..at + dtype.size_bytes()];
        (dtype, raw)
    }

    fn get(&mut self, from: Entry, point: usize) -> f64 {
        match self.bytes(from, point) {
            (DType::F32, bytes) => f32::read(bytes).into(),
            (_, bytes) => f64::read(bytes),
        }
    }

    pub fn set(&mut self, to: Entry, point: usize, number: f64) {
        match self.bytes(to, point) {
            (DType::F32, bytes) => (number as f32).write(bytes),
            (_, bytes) => number.write(bytes),
        }
    }

    /// Numbers from an entry on.
    pub fn set_all(&mut self, to: Entry, point: usize, numbers: &[f64]) {
        let (dtype, size) = self.types[to.block as usize];
        let at = point * size + to.at as usize * dtype.size_bytes();
        let raw = &mut self.blocks[to.block as usize].tensor.raw_mut()[at..];
        match dtype {
            DType::F32 => {
                (raw.chunks_exact_mut(4).zip(numbers)).for_each(|(raw, &x)| (x as f32).write(raw))
            }
            _ => (raw.chunks_exact_mut(8).zip(numbers)).for_each(|(raw, x)| x.write(raw)),
        }
    }

    /// From the first entry takes the second, for all pairs in order.
    pub fn subtract(&mut self, pairs: &[(Entry, Entry)], point: usize) {
        for &(to, from) in pairs {
            let rest = self.get(to, point) - self.get(from, point);
            self.set(to, point, rest);
        }
    }

    /// Copies entries from a place, or adds them; lane `first` of the group, or the point, is in lane 0.
    pub fn read(
        &mut self,
        memory: Memory<'_>,
        place: Place,
        (runs, adds): (&[Run], bool),
        first: Option<u64>,
        point: usize,
        points: usize,
    ) {
        let stride = memory.lanes_of(place.slot);
        for run in runs {
            let range = match first {
                Some(_) => 0..1,
                None => 0..points,
            };
            for p in range {
                let lane = first.map_or(p, |first| (u64::from(run.lane) - first) as usize);
                let lane = if stride == 1 { 0 } else { lane };
                let from = (
                    run.element as usize * stride + lane,
                    run.element_step as usize * stride,
                );
                let target = (self.types[run.block as usize].0, adds);
                let raw = self.blocks[run.block as usize].tensor.raw_mut();
                let (dtype, size) = self.types[run.block as usize];
                let raw = &mut raw[(point + p) * size + run.at as usize * dtype.size_bytes()..];
                match place.dtype {
                    DType::F32 => run.copy(memory.at::<f32>(place), from, raw, target),
                    _ => run.copy(memory.at::<f64>(place), from, raw, target),
                }
            }
        }
    }
}

/// Reads that step evenly: structure repeats itself, and a million entries are a few of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Lane of the group.
    pub lane: u32,
    block: u32,
    /// First element of the value, and of the block.
    element: u32,
    at: u64,
    /// Steps of both; they may wrap.
    element_step: u32,
    at_step: u64,
    count: u32,
}

impl Run {
    /// All reads in order.
    pub fn all(reads: &[Read]) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for read in reads {
            if let Some(run) = runs.last_mut()
                && (run.lane, run.block) == (read.lane, read.to.block)
                && run.takes(read)
            {
                run.count += 1;
                continue;
            }
            runs.push(Self {
                lane: read.lane,
                block: read.to.block,
                element: read.element,
                at: read.to.at,
                element_step: 0,
                at_step: 0,
                count: 1,
            });
        }
        runs
    }

    /// Whether a read follows; the second one says how they step.
    fn takes(&mut self, read: &Read) -> bool {
        if self.count == 1 {
            // Backwards steps are rare, and would have to be told from forward ones.
            if read.element < self.element || read.to.at < self.at {
                return false;
            }
            self.element_step = read.element - self.element;
            self.at_step = read.to.at - self.at;
            return true;
        }
        let count = u64::from(self.count);
        u64::from(read.element) == u64::from(self.element) + count * u64::from(self.element_step)
            && read.to.at == self.at + count * self.at_step
    }

    fn copy<T: Copy + Into<f64>>(
        &self,
        cells: &[std::cell::Cell<T>],
        (from, step): (usize, usize),
        raw: &mut [u8],
        (dtype, adds): (DType, bool),
    ) {
        let count = self.count as usize;
        match dtype {
            DType::F32 => {
                let mut at = 0;
                for k in 0..count {
                    let cell = &mut raw[at..at + 4];
                    let x: f64 = cells[from + k * step].get().into();
                    let before = if adds { f32::read(cell).into() } else { 0.0f64 };
                    ((if adds { before + x } else { x }) as f32).write(cell);
                    at += 4 * self.at_step as usize;
                }
            }
            _ if adds => {
                let mut at = 0;
                for k in 0..count {
                    let cell = &mut raw[at..at + 8];
                    let x: f64 = cells[from + k * step].get().into();
                    (f64::read(cell) + x).write(cell);
                    at += 8 * self.at_step as usize;
                }
            }
            _ => {
                let Some(last) = count.checked_sub(1) else {
                    return;
                };
                let to = &mut raw.as_chunks_mut().0[..=last * self.at_step as usize];
                put(
                    to,
                    self.at_step as usize,
                    &cells[from..=from + last * step],
                    step,
                );
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count.into()
    }

    /// The block that they fill.
    pub fn block(&self) -> usize {
        self.block as usize
    }
}

/// Numbers with steps between them to numbers with steps between them, from the first to the last of both.
fn put<T: Copy + Into<f64>>(
    to: &mut [[u8; 8]],
    to_step: usize,
    from: &[std::cell::Cell<T>],
    step: usize,
) {
    let bytes = |cell: &std::cell::Cell<T>| -> [u8; 8] { cell.get().into().to_le_bytes() };
    match (to_step, step) {
        (1, 1) => (to.iter_mut().zip(from)).for_each(|(to, from)| *to = bytes(from)),
        // Pairs are written several at a time.
        (2, 1) => {
            let (pairs, last) = to.as_chunks_mut::<2>();
            let (before, own) = from.split_at(pairs.len());
            (pairs.iter_mut().zip(before)).for_each(|([to, _], from)| *to = bytes(from));
            (last.iter_mut().zip(own)).for_each(|(to, from)| *to = bytes(from));
        }
        (_, 0) => {
            let own = to.iter_mut().step_by(to_step.max(1));
            own.for_each(|to| *to = bytes(&from[0]));
        }
        _ => {
            let from = from.iter().step_by(step);
            let own = to.iter_mut().step_by(to_step.max(1));
            own.zip(from).for_each(|(to, from)| *to = bytes(from));
        }
    }
}

/// What of a block is written: lanes `first..first + lanes` of its group are in memory.
pub(super) struct Window {
    pub first: u64,
    pub lanes: usize,
}

/// Copies what lies in the window from a place into a block's bytes.
pub(super) fn store(
    memory: Memory<'_>,
    place: Place,
    source: &BlockSource,
    window: &Window,
    block: &mut [u8],
) {
    for_dtype!(
        place.dtype,
        store_typed(memory, place, source, window, block)
    );
}

fn store_typed<T: Element>(
    memory: Memory<'_>,
    place: Place,
    source: &BlockSource,
    window: &Window,
    block: &mut [u8],
) {
    let cells = memory.at::<T>(place);
    let stride = memory.lanes_of(place.slot);
    for lane in 0..window.lanes {
        let Some(i) = (window.first + lane as u64)
            .checked_sub(source.first_lane)
            .filter(|&i| i < source.lanes)
        else {
            continue;
        };
        // A value that no lane moves is the same in all of them.
        let lane = if stride == 1 { 0 } else { lane };
        if (stride, source.element_stride) == (1, 1) {
            let begin = (i * source.lane_stride) as usize * T::BYTES;
            let own = block[begin..][..cells.len() * T::BYTES].chunks_exact_mut(T::BYTES);
            cells
                .iter()
                .zip(own)
                .for_each(|(c, bytes)| c.get().write(bytes));
            continue;
        }
        for e in 0..place.elements as usize {
            let at = e * source.element_stride as usize + (i * source.lane_stride) as usize;
            cells[e * stride + lane]
                .get()
                .write(&mut block[at * T::BYTES..][..T::BYTES]);
        }
    }
}

/// Copies a value with a lane for each point into the points' blocks, which follow each other.
pub(super) fn store_points(memory: Memory<'_>, place: Place, points: usize, block: &mut [u8]) {
    for_dtype!(
        place.dtype,
        store_points_typed(memory, place, points, block)
    );
}

fn store_points_typed<T: Element>(
    memory: Memory<'_>,
    place: Place,
    points: usize,
    block: &mut [u8],
) {
    let cells = memory.at::<T>(place);
    let stride = memory.lanes_of(place.slot);
    let elements = place.elements as usize;
    for some in tiles(elements) {
        for point in 0..points {
            let lane = if stride == 1 { 0 } else { point };
            let begin = point * elements + some.start;
            let own = &mut block[begin * T::BYTES..][..some.len() * T::BYTES];
            for (e, bytes) in some.clone().zip(own.chunks_exact_mut(T::BYTES)) {
                cells[e * stride + lane].get().write(bytes);
            }
        }
    }
}
