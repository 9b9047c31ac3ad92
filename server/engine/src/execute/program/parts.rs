//! Batches that several threads share.

use super::{Arguments, Block, Program};
use crate::error::Error;
use crate::execute::crew::{Crew, Hands};
use crate::execute::{Counts, Scratch, Stop};
use crate::plan::LANES;
use crate::tensor::{Shape, TensorRef, TensorType};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

/// Work that is worth waking a thread for.
const SHARE: Duration = Duration::from_micros(200);

/// Nanoseconds of work for a byte of results from which on it is worth putting them together from parts.
const LEAST_PER_BYTE: u64 = 1;

/// More threads gain little on a step: all of them wait for the same memory.
const MOST_HELPING: usize = 15;

/// Each thread has working memory of its own: no more than this in lanes that run together.
const MOST_BYTES: u64 = 32 << 20;

thread_local! {
    /// Of a thread that helps.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Some points of a batch, with types of their own.
struct Part {
    points: Range<u64>,
    inputs: Vec<TensorType>,
    seeds: Vec<Vec<TensorType>>,
}

impl Program {
    /// Threads that help with a batch; `None`: it is not worth it, or nobody is free.
    pub(super) fn hands(&self, batch: u64, scratch: &Scratch) -> Option<Hands> {
        // What a budget allows is for one.
        if batch < 2 || self.has_budget || self.batched.is_none() {
            return None;
        }
        let crew = scratch.crew.as_ref()?;
        let predicted = self.predicted(batch);
        let shares = (predicted.as_nanos() / SHARE.as_nanos()) as u64;
        let per_byte = predicted.as_nanos() as u64 / self.result_bytes(batch).max(1);
        let bytes = self.tape.scratch_bytes(self.width(batch));
        let most = shares.min(batch.div_ceil(self.points_at_once()));
        if most < 2 || per_byte < LEAST_PER_BYTE || bytes > MOST_BYTES {
            return None;
        }
        let hands = Hands::of(Some(crew), most as usize - 1);
        (hands.count() > 0).then_some(hands)
    }

    /// Threads that may help with steps and want memory of their own for it: what a budget allows is for one.
    pub(super) fn helping(&self, crew: Option<&Crew>) -> usize {
        match crew {
            Some(crew) if !self.has_budget => crew.threads().saturating_sub(1).min(MOST_HELPING),
            _ => 0,
        }
    }

    fn points_at_once(&self) -> u64 {
        if self.points_in_lanes { LANES } else { 1 }
    }

    /// The same as [`Program::evaluate`] by so many threads.
    pub(super) fn evaluate_in_parts(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
        threads: usize,
    ) -> Result<Vec<Vec<Block>>, Error> {
        let parts = self.parts(arguments, threads as u64);
        let results: Vec<_> = (parts.par_iter().with_max_len(1))
            .map(|part| {
                let own = self.arguments_of(arguments, part);
                SCRATCH.with_borrow_mut(|scratch| {
                    let blocks = self.evaluate_here(&own, scratch, stop);
                    (blocks, scratch.counts)
                })
            })
            .collect();
        scratch.counts = Counts {
            helped: threads as u64 - 1,
            ..Counts::default()
        };
        let mut blocks = self.blocks(Some(arguments.batch), false);
        for (part, (result, counts)) in parts.iter().zip(results) {
            scratch.counts.add(counts);
            // The first point that failed is the one that is told.
            let own = result?;
            let pairs = blocks.iter_mut().flatten().zip(own.into_iter().flatten());
            for (whole, own) in pairs {
                let own = own.tensor.raw();
                let each = own.len() as u64 / (part.points.end - part.points.start);
                let begin = (part.points.start * each) as usize;
                whole.tensor.raw_mut()[begin..][..own.len()].copy_from_slice(own);
            }
        }
        Ok(blocks)
    }

    fn parts(&self, arguments: &Arguments<'_>, threads: u64) -> Vec<Part> {
        let (batch, at_once) = (arguments.batch, self.points_at_once());
        let each = batch.div_ceil(threads).next_multiple_of(at_once);
        let begins = (0..batch).step_by(each as usize);
        let of = |ty: &TensorType, count: u64| {
            let shape = [count].into_iter().chain(ty.shape.iter().skip(1).copied());
            TensorType::new(ty.dtype, shape.collect::<Shape>())
        };
        begins
            .map(|begin| {
                let points = begin..batch.min(begin + each);
                let count = points.end - points.start;
                let inputs = arguments.inputs.iter().enumerate();
                let seeds = arguments.seeds.iter();
                Part {
                    points,
                    inputs: inputs
                        .map(|(i, input)| match self.is_batched(i) {
                            true => of(input.ty(), count),
                            false => input.ty().clone(),
                        })
                        .collect(),
                    seeds: seeds
                        .map(|seeds| seeds.iter().map(|seed| of(seed.ty(), count)).collect())
                        .collect(),
                }
            })
            .collect()
    }

    fn arguments_of<'a>(&self, arguments: &Arguments<'a>, part: &'a Part) -> Arguments<'a> {
        let (begin, count) = (part.points.start, part.points.end - part.points.start);
        let of = |whole: &TensorRef<'a>, ty: &'a TensorType, is_batched: bool| {
            let first = match is_batched {
                true => ty.bytes() / count * begin,
                false => 0,
            };
            let own = &whole.raw()[first as usize..][..ty.bytes() as usize];
            TensorRef::new(ty, own).expect("a part of a tensor is one")
        };
        let inputs = arguments.inputs.iter().zip(&part.inputs).enumerate();
        let seeds = arguments.seeds.iter().zip(&part.seeds);
        Arguments {
            inputs: inputs
                .map(|(i, (whole, ty))| of(&whole, ty, self.is_batched(i)))
                .collect(),
            seeds: seeds
                .map(|(wholes, types)| {
                    let each = wholes.iter().zip(types);
                    each.map(|(whole, ty)| of(whole, ty, true)).collect()
                })
                .collect(),
            batch: count,
        }
    }

    /// Whether points of a batch differ in an input.
    pub(super) fn is_batched(&self, input: usize) -> bool {
        self.batched.as_ref().is_some_and(|b| b[input])
    }
}
