use super::assemble::{Blocks, Window, colored, load, store, store_points, unit};
use super::control::{Machine, repeated};
use super::explain;
use super::interpret::{Caught, Halt, section};
use super::memory::{Memory, Scratch};
use super::stop::{Stop, Ticker};
use crate::error::Error;
use crate::graph::Graph;
use crate::op::ValueId;
use crate::plan::{BlockSource, Coordinates, Entry, Plan, Read, Request, SeedSource, derive};
use crate::tape::{Class, Library, Tape, lower};
use crate::tensor::{DType, Tensor, TensorRef, TensorType};
use std::sync::Arc;

/// Lanes that run together: enough for the widest vectors several times over, few enough for the cache.
const BLOCK: u64 = 32;

/// Iterations of a while that states no bound of its own; the deadline is usually there first.
const MAX_ITERATIONS: u64 = 1 << 40;

/// Lanes' memory is kept below this where fewer lanes can do that.
const LANES_BYTES: u64 = 64 << 20;

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
    products: Vec<Compiled>,
    groups: Vec<Lanes>,
    /// Parameters of the tape: the graph's inputs come first, then seeds.
    inputs: Vec<TensorType>,
    batched: Option<Vec<bool>>,
    /// With a batch: lanes are points, since no product has several directions.
    points_in_lanes: bool,
    plans: Vec<Plan>,
    operations: u64,
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
    /// What fills blocks entry by entry: group, position among the tape's roots, reads by lane.
    compressed: Vec<(usize, usize, Vec<Read>)>,
    /// See [`crate::plan::DerivedProduct`].
    subtractions: Vec<(Entry, Entry)>,
}

/// Directions of a product.
#[derive(Debug)]
struct Lanes {
    lanes: u64,
    product: usize,
    /// Position among the tape's parameters, and what it holds.
    seeds: Vec<(usize, SeedSource, TensorType)>,
}

/// What a program is evaluated at.
pub struct Arguments<'a> {
    /// In order of the graph's inputs, with a leading axis B where the request said so.
    pub inputs: Vec<TensorRef<'a>>,
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

/// Derives, plans and lowers.
pub fn compile(graph: &Graph, request: &Request) -> Result<Program, Error> {
    let mut derivation = derive(graph, &request.products, &request.options)?;
    let points_in_lanes =
        request.batched.is_some() && derivation.groups.iter().all(|g| g.lanes <= 1);
    let mut parameters: Vec<(ValueId, Class)> = Vec::new();
    for (i, &value) in derivation.inputs.iter().enumerate() {
        let batched = request.batched.as_ref().is_some_and(|b| b[i]);
        parameters.push((value, Class::from(points_in_lanes && batched)));
    }
    let arena = derivation.workspace.arena();
    let mut groups = Vec::with_capacity(derivation.groups.len());
    for (g, group) in derivation.groups.iter().enumerate() {
        let class = if points_in_lanes { 1 } else { g as Class + 1 };
        let mut seeds = Vec::with_capacity(group.seeds.len());
        for seed in &group.seeds {
            seeds.push((
                parameters.len(),
                seed.source.clone(),
                arena.ty(seed.parameter).clone(),
            ));
            parameters.push((seed.parameter, class));
        }
        groups.push(Lanes {
            lanes: group.lanes,
            product: group.product,
            seeds,
        });
    }
    let mut roots = Vec::new();
    let mut products = Vec::with_capacity(derivation.products.len());
    let mut plans = Vec::with_capacity(derivation.products.len());
    for product in &derivation.products {
        let mut blocks = Vec::with_capacity(product.blocks.len());
        for block in &product.blocks {
            let root = block.value.map(|value| {
                roots.push(value);
                roots.len() - 1
            });
            blocks.push((block.clone(), root));
        }
        let compressed = product.compressed.iter().map(|source| {
            roots.push(source.value);
            (source.group, roots.len() - 1, source.reads.clone())
        });
        products.push(Compiled {
            group: product.group,
            compressed: compressed.collect(),
            subtractions: product.subtractions.clone(),
            types: (blocks.iter())
                .map(|(block, _)| (block.ty.dtype, block.ty.bytes() as usize))
                .collect(),
            blocks,
        });
        plans.push(product.plan.clone());
    }
    let sections = if points_in_lanes { 1 } else { groups.len() };
    let watched = derivation.workspace.watched().to_vec();
    let mut library = Library::default();
    let (arena, table) = derivation.workspace.parts();
    let tape = lower(
        arena,
        table,
        &mut library,
        &parameters,
        &roots,
        sections,
        &watched,
    )?;
    let operations = operations(&tape, &groups, points_in_lanes);
    let mut program = Program {
        tape,
        library: library.finish(),
        budget: request.options.memory_budget(),
        has_budget: request.options.memory_budget > 0,
        products,
        groups,
        inputs: graph.inputs().iter().map(|i| i.ty.clone()).collect(),
        batched: request.batched.clone(),
        points_in_lanes,
        plans,
        operations,
        checked: (!watched.is_empty()).then(|| graph.clone()),
    };
    let (bytes, about_states) = program.with_states();
    for plan in &mut program.plans {
        plan.bytes = bytes;
        // Values keep nothing.
        if plan.mode.is_some() {
            plan.reason += &about_states;
        }
    }
    Ok(program)
}

/// Elementary operations for one point: what the products share once.
fn operations(tape: &Tape, groups: &[Lanes], points_in_lanes: bool) -> u64 {
    let lanes = |section: usize| match section {
        0 => 1,
        _ if points_in_lanes => 1,
        s => groups[s - 1].lanes,
    };
    let costs = tape.costs.iter().enumerate();
    costs.fold(0, |sum: u64, (s, cost)| {
        sum.saturating_add(cost.saturating_mul(lanes(s)))
    })
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

    /// Bytes of working memory, inputs and results included.
    pub fn bytes(&self, batch: u64) -> u64 {
        let results: u64 = self
            .products
            .iter()
            .flat_map(|p| &p.blocks)
            .fold(0, |sum: u64, (block, _)| {
                sum.saturating_add(block.ty.bytes())
            });
        let inputs: u64 = self.inputs.iter().map(TensorType::bytes).sum();
        let width = self.width(batch);
        self.tape
            .scratch_bytes(width)
            .saturating_add(self.tape.bodies_bytes(&self.library, width))
            .saturating_add(results.saturating_add(inputs).saturating_mul(batch.max(1)))
    }

    /// Bytes of working memory with the states of loops that the budget allows, and a sentence about them.
    fn with_states(&self) -> (u64, String) {
        let least = self.bytes(1);
        let states = self.tape.states(self.width(1));
        let all = states.iter().fold(0u64, |sum, (steps, each)| {
            sum.saturating_add(steps.saturating_mul(*each))
        });
        let budget = self.budget.saturating_sub(least);
        if all == 0 {
            return (least, String::new());
        }
        // Half for what is kept as the loop runs, half for what is kept of a part that runs again.
        let bytes = least.saturating_add(all.min(budget));
        if all <= budget / 2 {
            let text = format!(
                "; states of loops take {all} bytes, each step runs once forward and once on the way back"
            );
            return (bytes, text);
        }
        let again = states.iter().map(|&(steps, each)| {
            let room = budget / 2 / each;
            let part = steps.div_ceil(room.max(2));
            2.0 + repeated(part, room.max(1)) as f64 / part as f64
        });
        let factor = again.fold(2.0, f64::max);
        let text = format!(
            "; states of loops would take {all} bytes, {} are allowed: each step runs {factor:.2} times instead of 2",
            self.budget
        );
        (bytes, text)
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

    /// Bytes the program itself holds.
    pub fn code_bytes(&self) -> u64 {
        let entries = self.products.iter().map(|product| {
            let reads = product.compressed.iter().map(|(_, _, reads)| reads.len());
            reads.sum::<usize>() * size_of::<Read>()
                + product.subtractions.len() * size_of::<(Entry, Entry)>()
        });
        let bodies = self.library.iter().map(Tape::code_bytes);
        self.tape.code_bytes() + bodies.sum::<u64>() + entries.sum::<usize>() as u64
    }

    /// The tape as text.
    pub fn listing(&self) -> String {
        self.tape.to_string()
    }

    /// Lanes that run together.
    fn width(&self, batch: u64) -> u64 {
        let wanted = match self.points_in_lanes {
            true => batch,
            false => self.groups.iter().map(|g| g.lanes).max().unwrap_or(1),
        };
        let lane = (self.tape.scratch_bytes(1) - self.tape.scratch_bytes(0)).max(1);
        wanted.min(BLOCK).min(LANES_BYTES / lane).max(1)
    }

    /// Values and derivatives. Arguments must have the types that the request was compiled for.
    pub fn evaluate(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Vec<Block>>, Error> {
        stop.check()?;
        let batch = arguments.batch.max(1);
        if self.bytes(batch) > self.budget && self.has_budget {
            return Err(Error::Limit {
                name: "memory_budget_bytes",
                value: self.budget,
                asked: self.bytes(batch),
                repair: "it does not fit even with the fewest states of loops; raise the budget, \
                         or ask for fewer directions or points at once"
                    .into(),
            });
        }
        let batched = self.batched.is_some();
        let mut raw: Vec<Vec<Vec<u8>>> = self
            .products
            .iter()
            .map(|product| {
                let sizes = product
                    .blocks
                    .iter()
                    .map(|(b, _)| b.ty.bytes() * if batched { batch } else { 1 });
                sizes.map(|bytes| vec![0; bytes as usize]).collect()
            })
            .collect();
        let width = self.width(batch) as usize;
        scratch.forget(&mut 0);
        let memory = scratch.lend(&self.tape.sizes, width);
        let states = self.budget.saturating_sub(self.bytes(batch));
        let machine = Machine::new(&self.library, states, MAX_ITERATIONS);
        let mut run = Run {
            program: self,
            arguments,
            memory,
            ticker: Ticker::new(stop, machine),
            raw: &mut raw,
        };
        let done = match self.points_in_lanes {
            true => run.points(batch),
            false => (0..batch).try_for_each(|point| {
                let at_point = |halt| (halt, point);
                run.point(point).map_err(at_point)
            }),
        };
        done.map_err(|(halt, point)| match halt {
            Halt::Error(error) => error,
            Halt::Caught(caught) => self.explain(&caught, arguments, point),
        })?;
        Ok(self.blocks(raw, batched.then_some(batch)))
    }

    /// Names the node that a check caught, and its operands' values.
    fn explain(&self, caught: &Caught, arguments: &Arguments<'_>, point: u64) -> Error {
        let inputs = self.inputs.iter().zip(&arguments.inputs).enumerate();
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

    fn blocks(&self, raw: Vec<Vec<Vec<u8>>>, batch: Option<u64>) -> Vec<Vec<Block>> {
        let block = |source: &BlockSource, raw: Vec<u8>| {
            let shape = batch.into_iter().chain(source.ty.shape.iter().copied());
            let ty = TensorType::new(source.ty.dtype, shape.collect::<Vec<_>>());
            Block {
                output: source.output,
                wrt: source.wrt,
                wrt_second: source.wrt_second,
                tensor: Tensor::from_raw(ty, raw).expect("blocks are allocated by their types"),
                coordinates: source.coordinates.clone(),
            }
        };
        let products = self.products.iter().zip(raw);
        products
            .map(|(product, raw)| {
                let blocks = product.blocks.iter().zip(raw);
                blocks
                    .map(|((source, _), raw)| block(source, raw))
                    .collect()
            })
            .collect()
    }
}

/// An evaluation under way.
struct Run<'a> {
    program: &'a Program,
    arguments: &'a Arguments<'a>,
    memory: Memory<'a>,
    ticker: Ticker<'a>,
    raw: &'a mut [Vec<Vec<u8>>],
}

impl Run<'_> {
    fn is_batched(&self, input: usize) -> bool {
        self.program.batched.as_ref().is_some_and(|b| b[input])
    }

    /// All products at one point: directions in lanes.
    fn point(&mut self, point: u64) -> Result<(), Halt> {
        let program = self.program;
        for (i, ty) in program.inputs.iter().enumerate() {
            let Some(place) = program.tape.parameters[i] else {
                continue;
            };
            let own = if self.is_batched(i) {
                point * ty.bytes()
            } else {
                0
            };
            load(
                self.memory,
                place,
                &self.arguments.inputs[i].raw()[own as usize..],
                1,
                0,
            );
        }
        section(&program.tape, 0, self.memory, &mut self.ticker)?;
        for (p, product) in program.products.iter().enumerate() {
            if product.group.is_none() {
                self.store(p, point, &Window { first: 0, lanes: 1 });
            }
        }
        for (g, group) in program.groups.iter().enumerate() {
            let mut first = 0;
            while first < group.lanes {
                let lanes = (group.lanes - first).min(self.memory.lanes as u64) as usize;
                self.seed(group, point, first, lanes);
                section(&program.tape, g + 1, self.memory, &mut self.ticker)?;
                self.store(group.product, point, &Window { first, lanes });
                self.read(g, point, first, lanes);
                first += lanes as u64;
            }
        }
        self.subtract(point);
        Ok(())
    }

    /// Entries whose lanes are in memory.
    fn read(&mut self, group: usize, point: u64, first: u64, lanes: usize) {
        let program = self.program;
        let p = program.groups[group].product;
        let product = &program.products[p];
        let mut blocks = Blocks {
            types: &product.types,
            raw: &mut self.raw[p],
        };
        for (_, root, reads) in product.compressed.iter().filter(|(g, _, _)| *g == group) {
            let place = program.tape.roots[*root];
            let end = first + lanes as u64;
            let [begin, end] =
                [first, end].map(|lane| reads.partition_point(|read| u64::from(read.lane) < lane));
            let reads = &reads[begin..end];
            blocks.read(self.memory, place, reads, Some(first), point as usize, 1);
        }
    }

    fn subtract(&mut self, point: u64) {
        for (product, raw) in self.program.products.iter().zip(self.raw.iter_mut()) {
            let mut blocks = Blocks {
                types: &product.types,
                raw,
            };
            blocks.subtract(&product.subtractions, point as usize);
        }
    }

    fn seed(&self, group: &Lanes, point: u64, first: u64, lanes: usize) {
        for (parameter, source, ty) in &group.seeds {
            let Some(place) = self.program.tape.parameters[*parameter] else {
                continue;
            };
            match source {
                SeedSource::Unit { offset } => unit(self.memory, place, first, lanes, *offset),
                SeedSource::Colored { colors, offset } => {
                    let own = &colors[*offset as usize..];
                    colored(self.memory, place, first, lanes, own);
                }
                SeedSource::Given { index } => {
                    let tensor = &self.arguments.seeds[group.product][*index];
                    let begin = (point * group.lanes + first) * ty.bytes();
                    load(
                        self.memory,
                        place,
                        &tensor.raw()[begin as usize..],
                        lanes,
                        ty.elements() as usize,
                    );
                }
            }
        }
    }

    fn store(&mut self, product: usize, point: u64, window: &Window) {
        for (b, (source, root)) in self.program.products[product].blocks.iter().enumerate() {
            let Some(root) = *root else { continue };
            let bytes = source.ty.bytes() as usize;
            let block = &mut self.raw[product][b][point as usize * bytes..][..bytes];
            store(
                self.memory,
                self.program.tape.roots[root],
                source,
                window,
                block,
            );
        }
    }

    /// All products at all points: points in lanes.
    fn points(&mut self, batch: u64) -> Result<(), (Halt, u64)> {
        let program = self.program;
        for (i, _) in program
            .inputs
            .iter()
            .enumerate()
            .filter(|&(i, _)| !self.is_batched(i))
        {
            if let Some(place) = program.tape.parameters[i] {
                load(self.memory, place, self.arguments.inputs[i].raw(), 1, 0);
            }
        }
        section(&program.tape, 0, self.memory, &mut self.ticker).map_err(|halt| (halt, 0))?;
        let mut first = 0;
        while first < batch {
            let lanes = (batch - first).min(self.memory.lanes as u64) as usize;
            // Lanes without a point hold what was there before, and a loop might never end for it.
            self.memory.lanes = lanes;
            for (i, ty) in program
                .inputs
                .iter()
                .enumerate()
                .filter(|&(i, _)| self.is_batched(i))
            {
                let Some(place) = program.tape.parameters[i] else {
                    continue;
                };
                let raw = &self.arguments.inputs[i].raw()[(first * ty.bytes()) as usize..];
                load(self.memory, place, raw, lanes, ty.elements() as usize);
            }
            for group in &program.groups {
                for (parameter, source, ty) in &group.seeds {
                    let Some(place) = program.tape.parameters[*parameter] else {
                        continue;
                    };
                    match source {
                        // One lane in all, so one element in all: 1 at every point.
                        SeedSource::Unit { .. } => {
                            let one = Tensor::scalar(place.dtype, 1.0);
                            load(self.memory, place, one.raw(), lanes, 0);
                        }
                        // One colour in all: 1 in the elements that have it, at every point.
                        SeedSource::Colored { colors, offset } => {
                            let own = colors[*offset as usize..].iter();
                            let own = own.take(place.elements as usize);
                            let raw: Vec<u8> = own
                                .flat_map(|&color| {
                                    let one = f64::from(color == 0);
                                    Tensor::scalar(place.dtype, one).into_raw()
                                })
                                .collect();
                            load(self.memory, place, &raw, lanes, 0);
                        }
                        SeedSource::Given { index } => {
                            let raw = self.arguments.seeds[group.product][*index].raw();
                            let raw = &raw[(first * ty.bytes()) as usize..];
                            load(self.memory, place, raw, lanes, ty.elements() as usize);
                        }
                    }
                }
            }
            section(&program.tape, 1, self.memory, &mut self.ticker).map_err(|halt| {
                let lane = match &halt {
                    Halt::Caught(caught) => caught.lane as u64,
                    Halt::Error(_) => 0,
                };
                // Lanes beyond the last point hold what was there before.
                (halt, (first + lane).min(batch - 1))
            })?;
            for (p, product) in program.products.iter().enumerate() {
                for (b, (source, root)) in product.blocks.iter().enumerate() {
                    let Some(root) = *root else { continue };
                    let bytes = source.ty.bytes() as usize;
                    // The value's one lane belongs to another block.
                    if bytes == 0 {
                        continue;
                    }
                    let block = &mut self.raw[p][b][first as usize * bytes..][..lanes * bytes];
                    store_points(self.memory, program.tape.roots[root], lanes, block);
                }
                let mut blocks = Blocks {
                    types: &product.types,
                    raw: &mut self.raw[p],
                };
                for (_, root, reads) in &product.compressed {
                    let place = program.tape.roots[*root];
                    blocks.read(self.memory, place, reads, None, first as usize, lanes);
                }
                let points = first as usize..first as usize + lanes;
                points.for_each(|point| blocks.subtract(&product.subtractions, point));
            }
            first += lanes as u64;
        }
        Ok(())
    }
}
