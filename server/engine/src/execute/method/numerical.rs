//! Central differences of the compiled value.

use super::along::{Direction, Directional, Pair, Point};
use crate::error::Error;
use crate::execute::program::{self, Arguments};
use crate::execute::{Scratch, Stop};
use crate::graph::Graph;
use crate::op::ValueId;
use crate::plan::{Options, Product, Request};
use crate::tensor::{DType, Tensor, TensorRef, TensorType};

/// Points that are evaluated together.
const TOGETHER: usize = 32;

/// Moved inputs are kept below this where fewer points together can do that.
const POINTS_BYTES: u64 = 64 << 20;

/// How far a difference reaches.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Steps {
    /// The cube root of the machine epsilon (second order: the fourth root) times max(|x|, 1): balances rounding
    /// against the truncated term.
    Chosen,
    /// Absolute.
    Given(f64),
}

impl Steps {
    /// 0 means chosen.
    pub fn of(step: f64) -> Self {
        if step > 0.0 {
            Steps::Given(step)
        } else {
            Steps::Chosen
        }
    }
}

/// The compiled value of a graph, to take differences of.
#[derive(Debug)]
pub struct Differences {
    program: program::Program,
    /// Elements of each output.
    outputs: Vec<usize>,
    epsilon: f64,
    steps: Steps,
    together: usize,
}

impl Differences {
    /// Compiles the value.
    pub fn new(graph: &Graph, steps: Steps) -> Result<Self, Error> {
        let inputs: Vec<TensorType> = graph.inputs().iter().map(|i| i.ty.clone()).collect();
        let request = Request {
            products: vec![Product::Value {
                outputs: (0..graph.outputs().len() as u32).collect(),
            }],
            options: Options::default(),
            batched: Some(inputs.iter().map(|ty| ty.dtype.is_float()).collect()),
        };
        let arena = graph.arena();
        let single = (0..arena.len()).any(|v| arena.ty(ValueId(v as u32)).dtype == DType::F32);
        let moved: u64 = inputs.iter().map(TensorType::bytes).sum();
        let outputs = 0..graph.outputs().len();
        Ok(Self {
            program: program::compile(graph, &request)?,
            outputs: outputs
                .map(|o| graph.output_type(o).elements() as usize)
                .collect(),
            epsilon: match single {
                true => f32::EPSILON.into(),
                false => f64::EPSILON,
            },
            steps,
            together: (POINTS_BYTES / moved.max(1)).clamp(4, TOGETHER as u64) as usize,
        })
    }

    /// The same value, other steps.
    pub fn set_steps(&mut self, steps: Steps) {
        self.steps = steps;
    }

    /// The machine epsilon of the coarsest floating-point type in the graph.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Elementary operations of one evaluation.
    pub fn operations(&self) -> u64 {
        self.program.operations()
    }

    /// Bytes of working memory.
    pub fn bytes(&self) -> u64 {
        self.program.bytes(self.together as u64)
    }

    /// Bytes it holds.
    pub fn code_bytes(&self) -> u64 {
        self.program.code_bytes()
    }

    /// The tape as text.
    pub fn listing(&self) -> String {
        self.program.listing()
    }

    /// Ready to evaluate.
    pub fn at_work<'a>(&'a self, scratch: &'a mut Scratch, stop: &'a Stop) -> Differencing<'a> {
        Differencing {
            of: self,
            scratch,
            stop,
        }
    }
}

/// Differences under way.
pub struct Differencing<'a> {
    of: &'a Differences,
    scratch: &'a mut Scratch,
    stop: &'a Stop,
}

/// A step along a direction, from the point.
type Move<'d> = (Direction<'d>, f64);

impl Differencing<'_> {
    /// All outputs at the point moved by each list of moves.
    fn values(
        &mut self,
        point: &Point<'_>,
        moves: &[Vec<Move<'_>>],
    ) -> Result<Vec<Vec<Vec<f64>>>, Error> {
        let mut all = Vec::with_capacity(moves.len());
        for moves in moves.chunks(self.of.together) {
            self.stop.check()?;
            let batch = moves.len();
            let mut moved: Vec<Tensor> = Vec::with_capacity(point.len());
            for (input, tensor) in point.iter().enumerate() {
                let ty = tensor.ty();
                if !ty.dtype.is_float() {
                    let copy = Tensor::from_raw(ty.clone(), tensor.raw().to_vec());
                    moved.push(copy.expect("a copy of what was checked"));
                    continue;
                }
                let mut raw = tensor.raw().repeat(batch);
                for (p, moves) in moves.iter().enumerate() {
                    let own = &mut raw[p * ty.bytes() as usize..][..ty.bytes() as usize];
                    moves.iter().for_each(|m| shift(own, ty.dtype, input, *m));
                }
                let shape = std::iter::once(batch as u64).chain(ty.shape.iter().copied());
                let ty = TensorType::new(ty.dtype, shape.collect::<Vec<_>>());
                moved.push(Tensor::from_raw(ty, raw).expect("as many copies as points"));
            }
            let arguments = Arguments {
                inputs: moved.iter().map(Tensor::as_ref).collect(),
                seeds: vec![vec![]],
                batch: batch as u64,
            };
            let results = self
                .of
                .program
                .evaluate(&arguments, self.scratch, self.stop)?;
            for p in 0..batch {
                let blocks = results[0].iter().zip(&self.of.outputs);
                let own = blocks.map(|(block, &n)| {
                    (p * n..(p + 1) * n)
                        .map(|e| block.tensor.element(e))
                        .collect()
                });
                all.push(own.collect());
            }
        }
        Ok(all)
    }

    /// Step along a direction whose difference has this order.
    fn step(&self, point: &Point<'_>, direction: &Direction<'_>, order: u32) -> f64 {
        let root = match order {
            1 => self.of.epsilon.cbrt(),
            _ => self.of.epsilon.sqrt().sqrt(),
        };
        match (self.of.steps, direction) {
            (Steps::Given(step), _) => step,
            (_, Direction::Unit { input, element }) => {
                root * number(&point[*input], *element).abs().max(1.0)
            }
            // The largest component moves as far as a unit direction would.
            (_, Direction::Along(all)) => {
                let (mut size, mut x) = (0.0f64, 1.0f64);
                for (input, v) in all.iter().enumerate() {
                    for (e, v) in v.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                        size = size.max(v.abs());
                        x = x.max(number(&point[input], e).abs());
                    }
                }
                if size > 0.0 { root * x / size } else { root }
            }
        }
    }

    /// What a step forth and back along a direction is after rounding.
    fn reach(&self, point: &Point<'_>, direction: &Direction<'_>, step: f64) -> f64 {
        match direction {
            Direction::Along(_) => 2.0 * step,
            Direction::Unit { input, element } => {
                let x = number(&point[*input], *element);
                match point[*input].ty().dtype {
                    DType::F32 => f64::from((x + step) as f32) - f64::from((x - step) as f32),
                    _ => (x + step) - (x - step),
                }
            }
        }
    }
}

impl Differencing<'_> {
    /// The outputs' slopes behind and ahead of the point along each direction, at a step of its own.
    pub fn sides(
        &mut self,
        point: &Point<'_>,
        directions: &[Direction<'_>],
        outputs: &[u32],
        step: f64,
    ) -> Result<Vec<[Vec<f64>; 2]>, Error> {
        let moves = directions
            .iter()
            .flat_map(|d| [vec![(*d, -step)], vec![], vec![(*d, step)]]);
        let values = self.values(point, &moves.collect::<Vec<_>>())?;
        let flat = |all: &[Vec<f64>]| -> Vec<f64> {
            let of = outputs.iter().flat_map(|&o| &all[o as usize]);
            of.copied().collect()
        };
        let slope = |from: &[Vec<f64>], to: &[Vec<f64>], reach: f64| {
            let pairs = flat(from).into_iter().zip(flat(to));
            pairs.map(|(a, b)| (b - a) / reach).collect()
        };
        let of = values.chunks_exact(3).zip(directions);
        Ok(of
            .map(|(v, direction)| {
                let reach = 0.5 * self.reach(point, direction, step);
                [slope(&v[0], &v[1], reach), slope(&v[1], &v[2], reach)]
            })
            .collect())
    }
}

fn number(tensor: &TensorRef<'_>, element: usize) -> f64 {
    match tensor.ty().dtype {
        DType::F32 => read32(&tensor.raw()[element * 4..]).into(),
        _ => read64(&tensor.raw()[element * 8..]),
    }
}

fn read64(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"))
}

fn read32(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"))
}

/// Moves an input's elements.
fn shift(raw: &mut [u8], dtype: DType, input: usize, (direction, step): Move<'_>) {
    let size = dtype.size_bytes();
    let mut one = |element: usize, by: f64| {
        let own = &mut raw[element * size..][..size];
        match dtype {
            DType::F32 => {
                let x = (f64::from(read32(own)) + by) as f32;
                own.copy_from_slice(&x.to_le_bytes());
            }
            _ => {
                let x = read64(own) + by;
                own.copy_from_slice(&x.to_le_bytes());
            }
        }
    };
    match direction {
        Direction::Unit { input: i, element } if i == input => one(element, step),
        Direction::Unit { .. } => {}
        Direction::Along(all) => {
            let moving = all[input].iter().enumerate().filter(|(_, v)| **v != 0.0);
            moving.for_each(|(e, v)| one(e, step * v));
        }
    }
}

impl Directional for Differencing<'_> {
    fn value(&mut self, point: &Point<'_>, outputs: &[u32]) -> Result<Vec<Vec<f64>>, Error> {
        let mut values = self.values(point, &[vec![]])?.remove(0);
        Ok(outputs
            .iter()
            .map(|&o| std::mem::take(&mut values[o as usize]))
            .collect())
    }

    fn first(
        &mut self,
        point: &Point<'_>,
        directions: &[Direction<'_>],
        outputs: &[u32],
    ) -> Result<Vec<Vec<f64>>, Error> {
        let mut moves = Vec::with_capacity(2 * directions.len());
        let mut reaches = Vec::with_capacity(directions.len());
        for direction in directions {
            let step = self.step(point, direction, 1);
            reaches.push(self.reach(point, direction, step));
            moves.push(vec![(*direction, step)]);
            moves.push(vec![(*direction, -step)]);
        }
        let values = self.values(point, &moves)?;
        let pairs = values.chunks_exact(2).zip(reaches);
        Ok(pairs
            .map(|(pair, reach)| {
                let of = outputs.iter().map(|&o| o as usize);
                let of = of.flat_map(|o| pair[0][o].iter().zip(&pair[1][o]));
                of.map(|(plus, minus)| (plus - minus) / reach).collect()
            })
            .collect())
    }

    fn second(
        &mut self,
        point: &Point<'_>,
        pairs: &[Pair<'_>],
        output: u32,
    ) -> Result<Vec<f64>, Error> {
        let mut moves = Vec::with_capacity(4 * pairs.len());
        let mut areas = Vec::with_capacity(pairs.len());
        for (a, b) in pairs {
            let (s, t) = (self.step(point, a, 2), self.step(point, b, 2));
            areas.push(self.reach(point, a, s) * self.reach(point, b, t));
            for (s, t) in [(s, t), (s, -t), (-s, t), (-s, -t)] {
                moves.push(vec![(*a, s), (*b, t)]);
            }
        }
        let values = self.values(point, &moves)?;
        let value = |i: usize| {
            values[i][output as usize]
                .first()
                .copied()
                .unwrap_or(f64::NAN)
        };
        let of = areas.iter().enumerate();
        Ok(of
            .map(|(k, area)| {
                let [pp, pm, mp, mm] = [0, 1, 2, 3].map(|i| value(4 * k + i));
                ((pp - pm) - (mp - mm)) / area
            })
            .collect())
    }
}
