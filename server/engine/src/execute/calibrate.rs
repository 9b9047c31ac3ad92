//! What steps and operations cost on this machine, measured with programs that run on the tape machine itself.

use super::program::{self, Arguments, Program};
use super::{Scratch, Stop};
use crate::error::Error;
use crate::graph::{GraphBuilder, Limits};
use crate::op::{Attributes, DotDimensions, Op, ValueId};
use crate::plan::{Costs, LANES, Options, Product, Request};
use crate::tape::native;
use crate::tensor::{DType, Tensor, TensorType};
use std::time::{Duration, Instant};

/// Runs of each program; the median counts.
const RUNS: usize = 15;

/// No further run of a program is begun after this: six programs take at most about a quarter of a second.
const AT_MOST: Duration = Duration::from_millis(40);

const CHEAP: &[Op] = &[Op::Multiply, Op::Add];
const MIXED: &[Op] = &[Op::Sin, Op::Multiply, Op::Add];

/// Rows and columns of the matrices that are multiplied.
const MATRIX: u64 = 96;

/// Measures what steps and operations cost on this machine, in about 20 ms, at most a quarter of a second; what is
/// far from [`Costs::BUILT_IN`] is clamped ([`Costs::clamped`]), for noise is likelier than such a machine.
pub fn calibrate() -> Costs {
    measured().map_or(Costs::BUILT_IN, Costs::clamped)
}

/// Picoseconds in the order of [`Costs::named`].
fn measured() -> Result<[f64; Costs::COUNT], Error> {
    let number = TensorType::f64([]);
    // Shorter than what is rolled into a loop.
    let cheap = chain(&number, CHEAP, 1000, 1)?;
    let mixed = chain(&number, MIXED, 999, 1)?;
    let [scalar_step, scalar_operation] = solved([cheap, mixed]);
    let small = chain(&TensorType::f64([64]), MIXED, 60, 1)?;
    let large = chain(&TensorType::f64([2048]), MIXED, 24, 1)?;
    let [step, operation] = solved([small, large]);
    let lanes = chain(&number, CHEAP, 1000, LANES)?;
    let lane_step = (lanes.picoseconds - lanes.operations * operation) / lanes.steps;
    let multiply_add = matrices()? / (MATRIX * MATRIX * MATRIX) as f64;
    Ok([
        scalar_step,
        step,
        lane_step,
        scalar_operation,
        operation,
        multiply_add,
    ])
}

/// What a program took, and what it did.
struct Sample {
    picoseconds: f64,
    steps: f64,
    operations: f64,
}

/// What a step and an operation cost, by two programs with other shares of both.
fn solved([a, b]: [Sample; 2]) -> [f64; 2] {
    let determinant = a.steps * b.operations - b.steps * a.operations;
    [
        (a.picoseconds * b.operations - b.picoseconds * a.operations) / determinant,
        (a.steps * b.picoseconds - b.steps * a.picoseconds) / determinant,
    ]
}

/// The operations in turn, `length` of them, at so many points in lanes.
fn chain(ty: &TensorType, ops: &[Op], length: usize, points: u64) -> Result<Sample, Error> {
    let program = compiled(
        ty,
        |builder, x, y| {
            let mut value = x;
            for &op in ops.iter().cycle().take(length) {
                let operands = match op {
                    Op::Multiply => vec![value, y],
                    Op::Add => vec![value, x],
                    _ => vec![value],
                };
                value = builder.push(op, &operands, Attributes::None, "")?;
            }
            Ok(value)
        },
        points > 1,
    )?;
    let picoseconds = median(&program, ty, points)?;
    // Points in lanes are section 1; else all is section 0.
    let work = program.work();
    let work = work
        .get(usize::from(points > 1))
        .copied()
        .unwrap_or_default();
    let sum = |of: [u64; 2]| (of[0] + of[1]) as f64;
    Ok(Sample {
        picoseconds,
        steps: sum(work.steps),
        operations: sum(work.operations) * points as f64,
    })
}

/// Picoseconds of a product of two matrices.
fn matrices() -> Result<f64, Error> {
    let ty = TensorType::f64([MATRIX, MATRIX]);
    let program = compiled(
        &ty,
        |builder, x, y| {
            let dimensions = DotDimensions {
                lhs_contracting: vec![1],
                rhs_contracting: vec![0],
                lhs_batch: vec![],
                rhs_batch: vec![],
            };
            let dimensions = Attributes::DotGeneral(dimensions);
            Ok(builder.push(Op::DotGeneral, &[x, y], dimensions, "")?)
        },
        false,
    )?;
    median(&program, &ty, 1)
}

fn compiled(
    ty: &TensorType,
    write: impl FnOnce(&mut GraphBuilder, ValueId, ValueId) -> Result<ValueId, Error>,
    in_lanes: bool,
) -> Result<Program, Error> {
    let mut builder = GraphBuilder::new("calibration", Limits::default());
    let x = builder.input("x", ty.clone())?;
    let y = builder.input("y", ty.clone())?;
    let value = write(&mut builder, x, y)?;
    builder.output("f", value)?;
    let request = Request {
        products: vec![Product::Value { outputs: vec![0] }],
        options: Options::default(),
        batched: in_lanes.then(|| vec![true; 2]),
    };
    program::compile(&builder.finish()?, &request)
}

/// Median time of an evaluation in picoseconds.
fn median(program: &Program, ty: &TensorType, points: u64) -> Result<f64, Error> {
    let shape = (points > 1).then_some(points).into_iter();
    let shape: Vec<u64> = shape.chain(ty.shape.iter().copied()).collect();
    let ty = TensorType::new(DType::F64, shape);
    let filled = |value: f64| {
        let raw = value.to_le_bytes().repeat(ty.elements() as usize);
        Tensor::from_raw(ty.clone(), raw).expect("as many bytes as the type needs")
    };
    let (x, y) = (filled(0.3), filled(0.5));
    let arguments = Arguments {
        inputs: vec![x.as_ref(), y.as_ref()].into(),
        seeds: vec![vec![]],
        batch: points,
    };
    let (mut scratch, stop) = (Scratch::default(), Stop::default());
    let begin = Instant::now();
    // The first runs fill the caches and the scratch memory, and come to machine code.
    for _ in 0..=native::RUNS + 1 {
        program.evaluate(&arguments, &mut scratch, &stop)?;
        if begin.elapsed() > AT_MOST {
            break;
        }
    }
    let mut runs = Vec::with_capacity(RUNS);
    while runs.is_empty() || (runs.len() < RUNS && begin.elapsed() < AT_MOST) {
        let begin = Instant::now();
        std::hint::black_box(program.evaluate(&arguments, &mut scratch, &stop)?);
        runs.push(begin.elapsed());
    }
    runs.sort_unstable();
    Ok(runs[runs.len() / 2].as_secs_f64() * 1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_give_the_two_costs() {
        let sample = |steps: f64, operations: f64| Sample {
            picoseconds: 7.0 * steps + 0.5 * operations,
            steps,
            operations,
        };
        let [step, operation] = solved([sample(2000.0, 2000.0), sample(900.0, 7000.0)]);
        assert!((step - 7.0).abs() < 1e-9 && (operation - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_kernels_do_what_they_are_measured_for() {
        let scalars = chain(&TensorType::f64([]), CHEAP, 100, 1).unwrap();
        assert!(
            scalars.steps > 0.0 && scalars.steps <= 100.0,
            "{}",
            scalars.steps
        );
        assert_eq!(scalars.operations, 100.0);
        let lanes = chain(&TensorType::f64([]), MIXED, 99, LANES).unwrap();
        assert!(lanes.steps > 0.0 && lanes.steps <= 99.0);
        assert!(lanes.operations > 99.0 * LANES as f64);
        assert!(measured().unwrap().iter().all(|cost| cost.is_finite()));
    }

    #[test]
    fn measured_costs_are_near_the_built_in_ones() {
        let begin = Instant::now();
        let costs = calibrate();
        let took = begin.elapsed();
        for ((name, cost), (_, usual)) in costs.named().into_iter().zip(Costs::BUILT_IN.named()) {
            let ratio = f64::from(cost) / f64::from(usual);
            assert!(
                (0.249..=4.001).contains(&ratio),
                "{name}: {cost} of {usual}"
            );
        }
        // Unoptimised, and beside other tests.
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn what_is_far_off_is_clamped_and_what_is_no_number_is_built_in() {
        let costs = Costs::clamped([-5.0, f64::INFINITY, 900.0, f64::NAN, 600.0, 0.0]);
        let want = Costs {
            scalar_step: 250,
            step: 80_000,
            lane_step: 900,
            scalar_operation: 1_000,
            operation: 600,
            multiply_add: 13,
        };
        assert_eq!(costs, want);
    }
}
