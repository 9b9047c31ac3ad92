//! Client bytes to slots, and slots to blocks.

use super::memory::{Element, Memory, for_dtype};
use crate::plan::{BlockSource, Entry, Read};
use crate::tape::Place;
use crate::tensor::DType;

/// Writes one tensor into a place. With lanes, lane l takes the tensor that begins `l · stride` elements later
/// (stride 0: all take the same).
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
    for lane in 0..lanes {
        let own = &raw[lane * stride * T::BYTES..];
        for (e, bytes) in own.chunks_exact(T::BYTES).take(elements).enumerate() {
            cells[e * memory.lanes + lane].set(T::read(bytes));
        }
    }
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
    pub raw: &'a mut [Vec<u8>],
}

impl Blocks<'_> {
    fn bytes(&mut self, to: Entry, point: usize) -> (DType, &mut [u8]) {
        let (dtype, size) = self.types[to.block as usize];
        let at = point * size + to.at as usize * dtype.size_bytes();
        let raw = &mut self.raw[to.block as usize][at..at + dtype.size_bytes()];
        (dtype, raw)
    }

    fn get(&mut self, from: Entry, point: usize) -> f64 {
        match self.bytes(from, point) {
            (DType::F32, bytes) => f32::read(bytes).into(),
            (_, bytes) => f64::read(bytes),
        }
    }

    fn set(&mut self, to: Entry, point: usize, number: f64) {
        match self.bytes(to, point) {
            (DType::F32, bytes) => (number as f32).write(bytes),
            (_, bytes) => number.write(bytes),
        }
    }

    /// From the first entry takes the second, for all pairs in order.
    pub fn subtract(&mut self, pairs: &[(Entry, Entry)], point: usize) {
        for &(to, from) in pairs {
            let rest = self.get(to, point) - self.get(from, point);
            self.set(to, point, rest);
        }
    }

    /// Copies entries from a place; lane `first` of the group, or the point, is in lane 0.
    pub fn read(
        &mut self,
        memory: Memory<'_>,
        place: Place,
        reads: &[Read],
        first: Option<u64>,
        point: usize,
        points: usize,
    ) {
        let stride = memory.lanes_of(place.slot);
        let number = |element: u32, lane: usize| {
            let lane = if stride == 1 { 0 } else { lane };
            let at = element as usize * stride + lane;
            match place.dtype {
                DType::F32 => memory.at::<f32>(place)[at].get().into(),
                _ => memory.at::<f64>(place)[at].get(),
            }
        };
        for read in reads {
            match first {
                Some(first) => {
                    let lane = (u64::from(read.lane) - first) as usize;
                    self.set(read.to, point, number(read.element, lane));
                }
                None => {
                    (0..points).for_each(|p| self.set(read.to, point + p, number(read.element, p)))
                }
            }
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
    for point in 0..points {
        let lane = if stride == 1 { 0 } else { point };
        for e in 0..elements {
            let at = (point * elements + e) * T::BYTES;
            cells[e * stride + lane]
                .get()
                .write(&mut block[at..at + T::BYTES]);
        }
    }
}
