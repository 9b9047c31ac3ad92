//! A compiled request: what it holds, and how it is evaluated.

mod company;
mod compile;
mod estimate;
mod inputs;
mod memory;
mod numbers;
mod parts;
mod run;
mod seeds;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_costs;

pub use compile::compile;
pub use estimate::Estimate;
pub use inputs::Inputs;
pub use numbers::{Name, Numbers, Results};

use super::assemble::Run as Reads;
use super::control::Machine;
use super::crossed;
use super::explain;
use super::interpret::{Caught, Halt};
use super::memory::{Outside, Scratch, lie_as_numbers};
use super::stop::{Stop, Ticker};
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{BlockSource, Coordinates, Costs, Entry, Parts, Plan, SeedSource, Work};
use crate::tape::{MOST_OUTSIDE, Place, Slot, Tape};
use crate::tensor::{DType, Raw, Shape, Tensor, TensorRef, TensorType};
use arrayvec::ArrayVec;
use numbers::{Layout, Taken};
use run::Run;
use std::sync::Arc;

/// Iterations of a while that states no bound of its own; the deadline is usually there first.
const MAX_ITERATIONS: u64 = 1 << 40;

/// Parameters and results that are elsewhere.
const MOST: usize = 2 * MOST_OUTSIDE;

/// A compiled request: tape and plan. Frozen; shared by all who evaluate it.
#[derive(Debug)]
pub struct Program {
    tape: Tape,
    /// Tapes of bodies.
    library: Vec<Tape>,
    /// Bytes of working memory that an evaluation may take.
    budget: u64,
    /// Whether the request gave it.
    has_budget: bool,
    /// Parts of the graph that run again, to keep to the budget.
    parts: Option<Parts>,
    products: Vec<Compiled>,
    groups: Vec<Lanes>,
    /// Parameters of the tape: the graph's inputs come first, then seeds.
    inputs: Vec<TensorType>,
    /// How those that the tape reads are read at one point.
    taken: Vec<Taken>,
    /// Inputs that may be read where the caller has them.
    left: Vec<usize>,
    /// For each input the parameter of which it is an element, if it is one: derivatives sum in an order of their own there.
    packs: Vec<Option<usize>>,
    /// For each product how its results are read, if they are many numbers.
    layouts: Vec<Option<Layout>>,
    batched: Option<Vec<bool>>,
    /// With a batch: lanes are points, since no product has several directions.
    points_in_lanes: bool,
    /// More points than that at once gain nothing.
    useful_lanes: u64,
    /// Bytes of inputs and results for one point.
    ends_bytes: u64,
    plans: Vec<Plan>,
    operations: u64,
    /// What a lane of each of the tape's sections takes.
    work: Vec<Work>,
    costs: Costs,
    /// Products and blocks that are large results of the tape, as they are.
    direct: Vec<(usize, usize)>,
    /// Products and blocks all of whose entries are read from lanes.
    filled: Vec<(usize, usize)>,
    /// The graph itself, where an evaluation may have to say what a node's operands were.
    checked: Option<Graph>,
}

#[derive(Debug)]
struct Compiled {
    group: Option<usize>,
    /// Each with its position among the tape's roots.
    blocks: Vec<(BlockSource, Option<usize>)>,
    /// Element type and bytes of each block at one point.
    types: Vec<(DType, usize)>,
    /// What fills blocks entry by entry: group, position among the tape's roots, reads by lane, whether they add up.
    compressed: Vec<(usize, usize, Vec<Reads>, bool)>,
    /// See [`crate::plan::DerivedProduct`].
    subtractions: Vec<(Entry, Entry)>,
    /// What fills all blocks as a product of factors.
    crossed: Option<crossed::Product>,
}

/// A block that the tape writes to.
struct OwnResult {
    product: usize,
    block: usize,
    place: Place,
    bytes: Raw,
}

/// Directions of a product.
#[derive(Debug)]
struct Lanes {
    lanes: u64,
    product: usize,
    /// Position among the tape's parameters, and what it holds.
    seeds: Vec<(usize, SeedSource, TensorType)>,
    /// For each of them the numbers of all lanes, one lane after the other, where they are made once.
    held: Vec<Option<Tensor>>,
}

/// What a program is evaluated at.
pub struct Arguments<'a> {
    /// In order of the graph's inputs, with a leading axis B where the request said so.
    pub inputs: Inputs<'a>,
    /// For each product its tangents, cotangents or vectors, shape `[B ++] [directions ++] declared`.
    pub seeds: Vec<Vec<TensorRef<'a>>>,
    /// B; 1 without a batch.
    pub batch: u64,
}

/// A part of a product's result.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Position of the output, where the block belongs to one.
    pub output: Option<u32>,
    /// Position of the input, where the block belongs to one.
    pub wrt: Option<u32>,
    /// Position of the second input, for Hessians.
    pub wrt_second: Option<u32>,
    /// The numbers, with a leading axis B with a batch.
    pub tensor: Tensor,
    /// Of a sparse block, whose numbers are its entries (shape `[B ++] [entries]`): where they stand.
    pub coordinates: Option<Arc<Coordinates>>,
}

impl Program {
    /// One for each product.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Elementary operations for one point, all products together.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Bytes of the results, with the coordinates of sparse ones.
    pub fn result_bytes(&self, batch: u64) -> u64 {
        let blocks = self.products.iter().flat_map(|p| &p.blocks);
        let bytes = blocks.map(|(block, _)| {
            // An index is a byte or more.
            let entries = block.coordinates.as_ref().map_or(0, |c| c.rows.len());
            let numbers = block.ty.bytes().saturating_mul(batch.max(1));
            numbers.saturating_add(2 * entries as u64)
        });
        bytes.fold(0, u64::saturating_add)
    }

    /// For each product and block where the entries stand, if it is sparse: what the blocks of every evaluation hold.
    pub fn coordinates(&self) -> Vec<Vec<Option<Arc<Coordinates>>>> {
        let products = self.products.iter().map(|product| {
            let blocks = product.blocks.iter();
            blocks.map(|(block, _)| block.coordinates.clone()).collect()
        });
        products.collect()
    }

    /// Bytes the program itself holds.
    pub fn code_bytes(&self) -> u64 {
        let entries = self.products.iter().map(|product| {
            let compressed = product.compressed.iter();
            let reads = compressed.map(|(_, _, reads, _)| reads.len());
            reads.sum::<usize>() * size_of::<Reads>()
                + product.subtractions.len() * size_of::<(Entry, Entry)>()
        });
        let layouts = self.layouts.iter().flatten().map(Layout::bytes);
        let numbers = layouts.sum::<usize>() + self.taken.len() * size_of::<Taken>();
        let bodies = self.library.iter().map(Tape::code_bytes);
        let held = self.groups.iter().flat_map(|group| &group.held).flatten();
        let held = held.map(|numbers| numbers.ty().bytes());
        self.tape.code_bytes()
            + bodies.sum::<u64>()
            + (entries.sum::<usize>() + numbers) as u64
            + held.sum::<u64>()
    }

    /// The tape as text, then those of bodies.
    pub fn listing(&self) -> String {
        let bodies = self.library.iter().enumerate();
        let bodies = bodies.map(|(k, body)| format!("body {k}, {body}"));
        std::iter::once(self.tape.to_string())
            .chain(bodies)
            .collect()
    }

    /// Values and derivatives. Arguments must have the types that the request was compiled for. Points of a batch, or
    /// pieces of large steps, are shared with the crew of the working memory, if it has one and they are enough; no bit
    /// depends on it.
    pub fn evaluate(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Vec<Block>>, Error> {
        match self.hands(arguments.batch, scratch) {
            Some(hands) => self.evaluate_in_parts(arguments, scratch, stop, 1 + hands.count()),
            None => self.evaluate_here(arguments, scratch, stop),
        }
    }

    fn evaluate_here(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Vec<Block>>, Error> {
        self.evaluate_into(arguments, scratch, stop, &mut [])
    }

    /// Appends the results of products that have a layout to their `numbers`, if there are any: then these have no blocks.
    fn evaluate_into(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
        numbers: &mut [Vec<f64>],
    ) -> Result<Vec<Vec<Block>>, Error> {
        stop.check()?;
        let batch = arguments.batch.max(1);
        let width = self.width(batch);
        let bytes = self.bytes_with(width, batch);
        if bytes > self.budget && self.has_budget {
            return Err(Error::Limit {
                name: "memory_budget_bytes",
                value: self.budget,
                asked: bytes,
                repair:
                    "it does not fit even with the fewest states of loops and in parts that run \
                         again; raise the budget, or ask for fewer points at once"
                        .into(),
            });
        }
        let batched = self.batched.is_some();
        let mut blocks = self.blocks(batched.then_some(batch), !numbers.is_empty());
        scratch.forget(&mut 0);
        let mut own = self.own_results(&mut blocks, width, batch);
        let mut outside = self.outside(arguments);
        let results: ArrayVec<Slot, MOST_OUTSIDE> = own.iter().map(|own| own.place.slot).collect();
        let writable = own.iter_mut();
        outside.extend(writable.filter_map(|own| Outside::result(own.place, &mut own.bytes)));
        let crew = scratch.crew.clone();
        let frames = std::mem::take(&mut scratch.frames);
        let helping = self.helping(crew.as_deref());
        let memory = scratch.lend_to(helping, &self.tape.sizes, width as usize, &outside);
        let states = self.budget.saturating_sub(bytes);
        let machine = Machine::new(&self.library, states, MAX_ITERATIONS).with_frames(frames);
        let mut run = Run {
            program: self,
            arguments,
            memory,
            results: &results,
            ticker: Ticker::new(stop, machine).with_crew(crew.as_ref()),
            blocks: &mut blocks,
            numbers,
        };
        let done = match self.points_in_lanes {
            true => run.points(batch),
            false => (0..batch).try_for_each(|point| {
                run.ticker.machine.forget_calls();
                let at_point = |halt| (halt, point);
                run.point(point).map_err(at_point)
            }),
        };
        let counts = run.ticker.machine.counts;
        let frames = run.ticker.machine.into_frames();
        (scratch.counts, scratch.frames) = (counts, frames);
        drop(outside);
        for own in own {
            *blocks[own.product][own.block].tensor.raw_mut() = own.bytes;
        }
        done.map_err(|(halt, point)| match halt {
            Halt::Error(error) => error,
            Halt::Caught(caught) => self.explain(&caught, arguments, point),
        })?;
        Ok(blocks)
    }

    /// Takes the blocks out that the tape may write to directly.
    fn own_results(
        &self,
        blocks: &mut [Vec<Block>],
        width: u64,
        batch: u64,
    ) -> ArrayVec<OwnResult, MOST_OUTSIDE> {
        let mut own = ArrayVec::<OwnResult, _>::new();
        let direct = self.direct.iter().filter(|_| width == 1);
        for &(product, block) in direct.take(MOST_OUTSIDE) {
            let Some(root) = self.products[product].blocks[block].1 else {
                continue;
            };
            let place = self.tape.roots[root];
            // What no point moves is worked out once for all of them.
            let once = self.points_in_lanes && batch > 1 && !place.slot.varies();
            let bytes = blocks[product][block].tensor.raw_mut();
            let known = own.iter().any(|own| own.place.slot == place.slot);
            if !once && !known && lie_as_numbers(bytes) {
                own.push(OwnResult {
                    product,
                    block,
                    place,
                    bytes: std::mem::take(bytes),
                });
            }
        }
        own
    }

    /// Parameters that may be read from the arguments.
    fn outside<'a>(&'a self, arguments: &Arguments<'a>) -> ArrayVec<Outside<'a>, MOST> {
        let place = |parameter: usize| self.tape.parameters[parameter];
        let inputs = self.left.iter();
        let inputs = inputs.map(|&i| (place(i), arguments.inputs.get(i).raw()));
        let seeds = self.groups.iter().flat_map(|group| {
            let given = &arguments.seeds[group.product];
            let own = group.seeds.iter().zip(&group.held);
            own.filter_map(move |((parameter, source, _), held)| match source {
                SeedSource::Given { index } => Some((place(*parameter), given[*index].raw())),
                _ => held.as_ref().map(|held| (place(*parameter), held.raw())),
            })
        });
        let all = inputs.chain(seeds);
        all.filter_map(|(place, raw)| Outside::parameter(place?, raw))
            .take(MOST_OUTSIDE)
            .collect()
    }

    /// Names the node that a check caught, and its operands' values.
    fn explain(&self, caught: &Caught, arguments: &Arguments<'_>, point: u64) -> Error {
        let inputs = self.inputs.iter().zip(arguments.inputs.iter()).enumerate();
        let inputs = inputs.map(|(i, (ty, given))| {
            let batched = self.batched.as_ref().is_some_and(|b| b[i]);
            let begin = if batched {
                (point * ty.bytes()) as usize
            } else {
                0
            };
            &given.raw()[begin..begin + ty.bytes() as usize]
        });
        explain::explain(self.checked.as_ref(), caught, inputs.collect())
    }

    /// The blocks of all products, zeros so far where not all is written; with `numbers` none of those that have a layout.
    fn blocks(&self, batch: Option<u64>, numbers: bool) -> Vec<Vec<Block>> {
        let block = |p: usize, b: usize, source: &BlockSource| {
            // These are written in full.
            let all = self.direct.contains(&(p, b)) || self.filled.contains(&(p, b));
            let new = match all {
                true => Tensor::unwritten,
                false => Tensor::zeros,
            };
            let tensor = match batch {
                None => new(source.ty.clone()),
                Some(batch) => {
                    let shape = [batch].into_iter().chain(source.ty.shape.iter().copied());
                    let shape: Shape = shape.collect();
                    new(TensorType::new(source.ty.dtype, shape))
                }
            };
            Block {
                output: source.output,
                wrt: source.wrt,
                wrt_second: source.wrt_second,
                tensor,
                coordinates: source.coordinates.clone(),
            }
        };
        let products = self.products.iter().enumerate();
        products
            .map(|(p, product)| {
                if numbers && self.layouts[p].is_some() {
                    return vec![];
                }
                let blocks = product.blocks.iter().enumerate();
                blocks.map(|(b, (source, _))| block(p, b, source)).collect()
            })
            .collect()
    }
}
