use super::numbers::{self, Taken};
use super::{Arguments, Block, Compiled, Lanes, Program};
use crate::error::Error;
use crate::execute::assemble::{Blocks, Window, colored, load, store, store_points, unit};
use crate::execute::crossed::{self, Factors};
use crate::execute::interpret::{Halt, section};
use crate::execute::memory::Memory;
use crate::execute::stop::Ticker;
use crate::plan::{SeedSource, padded};
use crate::tape::{Place, Slot, native};
use crate::tensor::Tensor;

/// An evaluation under way.
pub(super) struct Run<'a> {
    pub program: &'a Program,
    pub arguments: &'a Arguments<'a>,
    pub memory: Memory<'a>,
    /// Results that are written to where the caller takes them.
    pub results: &'a [Slot],
    pub ticker: Ticker<'a>,
    pub blocks: &'a mut [Vec<Block>],
    /// Of products whose results are many numbers, in the blocks' place; empty where all are blocks.
    pub numbers: &'a mut [Vec<f64>],
}

impl<'a> Run<'a> {
    /// Gives a parameter the caller's numbers: as they lie, or as [`load`] writes them.
    fn take(&self, place: Place, raw: &'a [u8], lanes: usize, stride: usize) {
        if !self.memory.leave(place, raw) {
            load(self.memory, place, raw, lanes, stride);
        }
    }

    /// All products at one point: directions in lanes.
    pub fn point(&mut self, point: u64) -> Result<(), Halt> {
        let program = self.program;
        self.memory.leave_results(self.results, point as usize);
        for taken in &program.taken {
            match *taken {
                Taken::Tensor(i, place) => {
                    let own = match program.is_batched(i) {
                        true => point * program.inputs[i].bytes(),
                        false => 0,
                    };
                    self.take(
                        place,
                        &self.arguments.inputs.get(i).raw()[own as usize..],
                        1,
                        0,
                    );
                }
                Taken::Numbers {
                    first,
                    count,
                    slot,
                    batched,
                } => {
                    let point = if batched { point as usize } else { 0 };
                    let (inputs, range) = (&self.arguments.inputs, first..first + count);
                    numbers::read(self.memory, slot, inputs, range, point);
                }
            }
        }
        section(&program.tape, 0, self.memory, &mut self.ticker)?;
        for (p, product) in program.products.iter().enumerate() {
            let layout = program.layouts[p].as_ref();
            if let Some((layout, numbers)) = layout.zip(self.numbers.get_mut(p)) {
                layout.write(self.memory, numbers);
            } else if product.group.is_none() {
                self.store(p, point, &Window { first: 0, lanes: 1 });
            }
        }
        let mut factors = self.factors(1);
        let width = self.memory.lanes;
        for (g, group) in program.groups.iter().enumerate() {
            let mut first = 0;
            while first < group.lanes {
                let lanes = self.take_lanes(first, group.lanes, width);
                self.seed(group, point, first, lanes);
                section(&program.tape, g + 1, self.memory, &mut self.ticker)?;
                self.store(group.product, point, &Window { first, lanes });
                self.read(g, point, first, lanes);
                let own = crossed::Lanes::Directions(first, lanes);
                self.read_factors(&mut factors, g, &[own]);
                first += lanes as u64;
            }
        }
        self.memory.lanes = width;
        self.subtract(point);
        self.multiply(factors, point)?;
        Ok(())
    }

    /// How many of `all` lanes run next, from `first` on, of `width` that there is memory for. Those without a point or a
    /// direction do what nobody reads: machine code is for some numbers of lanes alone, and one that is left over after
    /// others has company, since large products of matrices are summed up otherwise for a lane alone.
    fn take_lanes(&mut self, first: u64, all: u64, width: usize) -> usize {
        let width = width as u64;
        let some = (all - first).min(width);
        let run = if first > 0 {
            some.max(2.min(width))
        } else {
            some
        };
        self.memory.lanes = match native::is_there() {
            true => padded(run).min(width) as usize,
            false => run as usize,
        };
        some as usize
    }

    /// For each product that crosses waists, the factors at so many points; nothing where none does.
    fn factors(&self, points: usize) -> Vec<Vec<Factors>> {
        if self.program.products.iter().all(|p| p.crossed.is_none()) {
            return vec![];
        }
        let of = |product: &Compiled| match &product.crossed {
            None => vec![],
            Some(crossed) => (0..points).map(|_| crossed.factors()).collect(),
        };
        self.program.products.iter().map(of).collect()
    }

    /// Factors whose lanes are in memory, for each point.
    fn read_factors(&self, factors: &mut [Vec<Factors>], group: usize, lanes: &[crossed::Lanes]) {
        let places = &self.program.tape.roots;
        for (product, factors) in self.program.products.iter().zip(factors) {
            let Some(crossed) = &product.crossed else {
                continue;
            };
            for (factors, &lanes) in factors.iter_mut().zip(lanes) {
                crossed.read(factors, group, self.memory, places, lanes);
            }
        }
    }

    /// Multiplies what is at points from `first` on.
    fn multiply(&mut self, factors: Vec<Vec<Factors>>, first: u64) -> Result<(), Error> {
        for (p, factors) in factors.into_iter().enumerate() {
            let product = &self.program.products[p];
            let Some(crossed) = &product.crossed else {
                continue;
            };
            let mut blocks = Blocks {
                types: &product.types,
                blocks: &mut self.blocks[p],
            };
            for (i, factors) in factors.into_iter().enumerate() {
                let (point, ticker) = (first as usize + i, &mut self.ticker);
                crossed.write(factors, &product.blocks, &mut blocks, point, ticker)?;
            }
        }
        Ok(())
    }

    /// Entries whose lanes are in memory.
    fn read(&mut self, group: usize, point: u64, first: u64, lanes: usize) {
        let program = self.program;
        let p = program.groups[group].product;
        let product = &program.products[p];
        let mut blocks = Blocks {
            types: &product.types,
            blocks: &mut self.blocks[p],
        };
        for (_, root, reads, adds) in product.compressed.iter().filter(|c| c.0 == group) {
            let place = program.tape.roots[*root];
            let end = first + lanes as u64;
            let [begin, end] =
                [first, end].map(|lane| reads.partition_point(|read| u64::from(read.lane) < lane));
            let reads = &reads[begin..end];
            let reads = (reads, *adds);
            blocks.read(self.memory, place, reads, Some(first), point as usize, 1);
        }
    }

    fn subtract(&mut self, point: u64) {
        for (product, blocks) in self.program.products.iter().zip(self.blocks.iter_mut()) {
            let mut blocks = Blocks {
                types: &product.types,
                blocks,
            };
            blocks.subtract(&product.subtractions, point as usize);
        }
    }

    fn seed(&self, group: &Lanes, point: u64, first: u64, lanes: usize) {
        for ((parameter, source, ty), held) in group.seeds.iter().zip(&group.held) {
            let Some(place) = self.program.tape.parameters[*parameter] else {
                continue;
            };
            if let Some(held) = held {
                let raw = &held.raw()[(first * ty.bytes()) as usize..];
                self.take(place, raw, lanes, ty.elements() as usize);
                continue;
            }
            match source {
                SeedSource::Unit { offset } => unit(self.memory, place, first, lanes, *offset),
                SeedSource::Colored { colors, offset } => {
                    let own = &colors[*offset as usize..];
                    colored(self.memory, place, first, lanes, own);
                }
                SeedSource::Given { index } => {
                    let tensor = &self.arguments.seeds[group.product][*index];
                    let begin = (point * group.lanes + first) * ty.bytes();
                    let raw = &tensor.raw()[begin as usize..];
                    self.take(place, raw, lanes, ty.elements() as usize);
                }
            }
        }
    }

    fn store(&mut self, product: usize, point: u64, window: &Window) {
        for (b, (source, root)) in self.program.products[product].blocks.iter().enumerate() {
            let Some(root) = *root else { continue };
            let bytes = source.ty.bytes() as usize;
            let block = self.blocks[product][b].tensor.raw_mut();
            // It is there already.
            if block.is_empty() {
                continue;
            }
            let block = &mut block[point as usize * bytes..][..bytes];
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
    pub fn points(&mut self, batch: u64) -> Result<(), (Halt, u64)> {
        let program = self.program;
        self.memory.leave_results(self.results, 0);
        for (i, _) in program
            .inputs
            .iter()
            .enumerate()
            .filter(|&(i, _)| !self.program.is_batched(i))
        {
            if let Some(place) = program.tape.parameters[i] {
                self.take(place, self.arguments.inputs.get(i).raw(), 1, 0);
            }
        }
        section(&program.tape, 0, self.memory, &mut self.ticker).map_err(|halt| (halt, 0))?;
        let width = self.memory.lanes;
        // Points may be short: what there is nothing of is not looked for at each.
        let crosses = program.products.iter().any(|p| p.crossed.is_some());
        let writes = self.writes();
        let mut first = 0;
        while first < batch {
            let lanes = self.take_lanes(first, batch, width);
            self.ticker.machine.forget_calls();
            self.memory.leave_results(self.results, first as usize);
            for (i, ty) in program
                .inputs
                .iter()
                .enumerate()
                .filter(|&(i, _)| self.program.is_batched(i))
            {
                let Some(place) = program.tape.parameters[i] else {
                    continue;
                };
                let raw = &self.arguments.inputs.get(i).raw()[(first * ty.bytes()) as usize..];
                self.take(place, raw, lanes, ty.elements() as usize);
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
                            self.take(place, raw, lanes, ty.elements() as usize);
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
            if crosses {
                let mut factors = self.factors(lanes);
                let own: Vec<crossed::Lanes> = (0..lanes).map(crossed::Lanes::Point).collect();
                for g in 0..program.groups.len() {
                    self.read_factors(&mut factors, g, &own);
                }
                self.multiply(factors, first)
                    .map_err(|error| (Halt::Error(error), first))?;
            }
            if writes {
                self.write_points(first, lanes);
            }
            first += lanes as u64;
        }
        Ok(())
    }

    /// Whether something of a point's results is to be written once it is there.
    fn writes(&self) -> bool {
        let products = self.program.products.iter().zip(&*self.blocks);
        let mut products = products.map(|(product, blocks)| {
            let mut blocks = product.blocks.iter().zip(blocks);
            !product.compressed.is_empty()
                || !product.subtractions.is_empty()
                || blocks.any(|((_, root), block)| root.is_some() && !block.tensor.raw().is_empty())
        });
        products.any(|writes| writes)
    }

    /// What lanes of points leave in memory, into their results.
    fn write_points(&mut self, first: u64, lanes: usize) {
        let program = self.program;
        for (p, product) in program.products.iter().enumerate() {
            for (b, (source, root)) in product.blocks.iter().enumerate() {
                let Some(root) = *root else { continue };
                let bytes = source.ty.bytes() as usize;
                // The value's one lane belongs to another block, or it is there already.
                let block = self.blocks[p][b].tensor.raw_mut();
                if bytes == 0 || block.is_empty() {
                    continue;
                }
                let block = &mut block[first as usize * bytes..][..lanes * bytes];
                store_points(self.memory, program.tape.roots[root], lanes, block);
            }
            let mut blocks = Blocks {
                types: &product.types,
                blocks: &mut self.blocks[p],
            };
            for (_, root, reads, adds) in &product.compressed {
                let place = program.tape.roots[*root];
                let reads = (&reads[..], *adds);
                blocks.read(self.memory, place, reads, None, first as usize, lanes);
            }
            let points = first as usize..first as usize + lanes;
            points.for_each(|point| blocks.subtract(&product.subtractions, point));
        }
    }
}
