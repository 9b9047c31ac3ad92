//! Inputs and results of one number each: copied run by run, not one by one.

use super::{Arguments, Block, Compiled, Inputs, Program};
use crate::error::Error;
use crate::execute::memory::{Element, Memory};
use crate::execute::{Scratch, Stop};
use crate::tape::{Place, Slot, Tape};
use crate::tensor::{DType, Tensor, TensorType};
use std::ops::Range;
use std::sync::Arc;

/// Fewer results are blocks.
const MIN_RESULTS: usize = 8;

/// Inputs that are read together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    /// Any one, by position.
    Tensor(usize, Place),
    /// From a position on so many of one f64 each, in places that follow one another.
    Numbers {
        first: usize,
        count: usize,
        slot: Slot,
        /// Whether points differ in them.
        batched: bool,
    },
}

impl Taken {
    /// The inputs that the tape reads, in order.
    pub fn all(tape: &Tape, inputs: &[TensorType], batched: Option<&[bool]>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (i, (ty, place)) in inputs.iter().zip(&tape.parameters).enumerate() {
            let Some(place) = *place else { continue };
            if ty.dtype != DType::F64 || !ty.shape.is_empty() || place.slot.varies() {
                all.push(Self::Tensor(i, place));
                continue;
            }
            let own = batched.is_some_and(|batched| batched[i]);
            if let Some(Self::Numbers {
                first,
                count,
                slot,
                batched,
            }) = all.last_mut()
                && (*first + *count, slot.plus(*count), *batched) == (i, place.slot, own)
            {
                *count += 1;
                continue;
            }
            all.push(Self::Numbers {
                first: i,
                count: 1,
                slot: place.slot,
                batched: own,
            });
        }
        all
    }
}

/// Writes the numbers that are inputs to the places from `slot` on.
pub(super) fn read(
    memory: Memory<'_>,
    slot: Slot,
    inputs: &Inputs<'_>,
    range: Range<usize>,
    point: usize,
) {
    let cells = memory.cells::<f64>(slot, range.len());
    let number = |raw: &[u8]| f64::read(&raw[point * 8..][..8]);
    match inputs {
        Inputs::Refs(all) => {
            let own = cells.iter().zip(&all[range]);
            own.for_each(|(cell, input)| cell.set(number(input.raw())));
        }
        Inputs::Tensors(all) => {
            let own = cells.iter().zip(&all[range]);
            own.for_each(|(cell, input)| cell.set(number(input.raw())));
        }
    }
}

/// Where the numbers are that are a product's results.
#[derive(Debug)]
pub(super) struct Layout {
    /// How many are next to each other and where; `None`: they are 0.
    runs: Vec<(usize, Option<Slot>)>,
    names: Arc<[Name]>,
}

/// What a result belongs to, see [`Block`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// Position of the output.
    pub output: Option<u32>,
    /// Position of the input.
    pub wrt: Option<u32>,
    /// Position of the second input.
    pub wrt_second: Option<u32>,
}

impl Layout {
    /// Of a product all of whose results are plain numbers, and many.
    pub fn of(tape: &Tape, product: &Compiled) -> Option<Self> {
        let plain = product.group.is_none()
            && product.compressed.is_empty()
            && product.subtractions.is_empty()
            && product.crossed.is_none();
        let is_number = |(ty, bytes): &(DType, usize)| (*ty, *bytes) == (DType::F64, 8);
        if !plain
            || product.blocks.len() < MIN_RESULTS
            || !product.types.iter().all(is_number)
            || (product.blocks.iter()).any(|(block, _)| !block.ty.shape.is_empty())
        {
            return None;
        }
        let mut runs: Vec<(usize, Option<Slot>)> = Vec::new();
        for (_, root) in &product.blocks {
            let place = root.map(|root| tape.roots[root]);
            if place.is_some_and(|p| p.slot.varies() || (p.elements, p.dtype) != (1, DType::F64)) {
                return None;
            }
            let slot = place.map(|place| place.slot);
            match runs.last_mut() {
                Some((count, first)) if first.map(|s| s.plus(*count)) == slot => *count += 1,
                _ => runs.push((1, slot)),
            }
        }
        runs.shrink_to_fit();
        let names = product.blocks.iter().map(|(block, _)| Name {
            output: block.output,
            wrt: block.wrt,
            wrt_second: block.wrt_second,
        });
        Some(Self {
            runs,
            names: names.collect(),
        })
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.runs.len() * size_of::<(usize, Option<Slot>)>() + size_of_val(&*self.names)
    }

    /// Room for the numbers.
    pub fn room(&self) -> Vec<f64> {
        Vec::with_capacity(self.names.len())
    }

    /// Appends the numbers.
    pub fn write(&self, memory: Memory<'_>, into: &mut Vec<f64>) {
        for &(count, slot) in &self.runs {
            match slot {
                None => into.resize(into.len() + count, 0.0),
                Some(slot) => {
                    into.extend(memory.cells::<f64>(slot, count).iter().map(|c| c.get()));
                }
            }
        }
    }

    /// The results.
    pub fn results(&self, numbers: Vec<f64>) -> Results {
        Results::Numbers(Numbers {
            names: self.names.clone(),
            numbers,
        })
    }
}

impl Program {
    /// The same as [`Program::evaluate`], where many results of one number each need not become blocks.
    pub fn results(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Results>, Error> {
        if self.batched.is_some() || self.layouts.iter().all(Option::is_none) {
            let blocks = self.evaluate(arguments, scratch, stop)?;
            return Ok(Results::of(blocks));
        }
        let room = |layout: &Option<Layout>| layout.as_ref().map_or(vec![], Layout::room);
        let mut numbers: Vec<Vec<f64>> = self.layouts.iter().map(room).collect();
        let blocks = self.evaluate_into(arguments, scratch, stop, &mut numbers)?;
        let all = self.layouts.iter().zip(numbers).zip(blocks);
        let all = all.map(|((layout, numbers), blocks)| match layout {
            Some(layout) => layout.results(numbers),
            None => Results::Blocks(blocks),
        });
        Ok(all.collect())
    }
}

/// A product's results.
#[derive(Clone, PartialEq, Debug)]
pub enum Results {
    /// Tensors.
    Blocks(Vec<Block>),
    /// Many f64 scalars.
    Numbers(Numbers),
}

/// Many results of one number each.
#[derive(Clone, PartialEq, Debug)]
pub struct Numbers {
    names: Arc<[Name]>,
    numbers: Vec<f64>,
}

impl Results {
    /// Of products whose results are blocks.
    pub fn of(blocks: Vec<Vec<Block>>) -> Vec<Self> {
        blocks.into_iter().map(Self::Blocks).collect()
    }

    /// As blocks.
    pub fn into_blocks(self) -> Vec<Block> {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Numbers(numbers) => numbers.blocks().collect(),
        }
    }
}

impl Numbers {
    /// The numbers, one for each block.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// What each of them belongs to.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Each as a block, of the type of an f64 scalar.
    pub fn blocks(&self) -> impl Iterator<Item = Block> {
        let pairs = self.names.iter().zip(&self.numbers);
        pairs.map(|(name, &number)| Block {
            output: name.output,
            wrt: name.wrt,
            wrt_second: name.wrt_second,
            tensor: Tensor::scalar(DType::F64, number),
            coordinates: None,
        })
    }
}
