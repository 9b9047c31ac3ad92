//! Programs of every method: the exact one runs a tape; the others, for comparison, evaluate along directions.

mod along;
mod blocks;
mod numerical;

pub use along::{Direction, Directional, Duals, Pair, Point, complex_step};
pub use numerical::{Differences, Steps};

use super::dual::Evaluator;
use super::program::{self, Arguments, Block, Estimate, Results};
use super::{Scratch, Stop};
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Coordinates, Method, NonFinite, NonSmooth, Plan, Product, Request};
use blocks::Blocks;
use std::sync::Arc;
use std::time::Duration;

/// A compiled request. Frozen; shared by all who evaluate it.
#[derive(Debug)]
pub struct Program(Body);

#[derive(Debug)]
enum Body {
    Exact(Box<program::Program>),
    Numerical(Box<Along<Differences>>),
    Dual(Box<Along<Evaluator>>),
}

/// A method that evaluates along directions.
#[derive(Debug)]
struct Along<W> {
    blocks: Blocks,
    way: W,
    cost: Cost,
}

/// What a method that evaluates along directions costs.
#[derive(Debug)]
struct Cost {
    plans: Vec<Plan>,
    operations: u64,
    /// Of working memory.
    bytes: u64,
    /// Of results and inputs, for one point.
    point_bytes: u64,
}

/// Derives, plans and lowers; for another method than the exact one, prepares it.
pub fn compile(graph: &Graph, request: &Request) -> Result<Program, Error> {
    let method = request.options.method;
    if method == Method::Exact {
        return Ok(Program(Body::Exact(Box::new(program::compile(
            graph, request,
        )?))));
    }
    let blocks = Blocks::new(graph, request)?;
    if request.options.non_finite == NonFinite::Error {
        return Err(Error::Unimplemented(
            "NON_FINITE_ERROR with another method than the exact one".into(),
        ));
    }
    if method == Method::Dual && request.options.non_smooth != NonSmooth::Standard {
        return Err(Error::Unimplemented(
            "METHOD_DUAL with NON_SMOOTH_JAX, _PYTORCH or _STRICT".into(),
        ));
    }
    let point_bytes = blocks.point_bytes(graph);
    Ok(Program(match method {
        Method::Dual => {
            let evaluator = Evaluator::new(graph)?;
            // A dual number is two or four plain ones, and so are its operations.
            let each = evaluator.operations();
            let plans = request.products.iter().map(|product| {
                let evaluations = blocks.evaluations(product);
                let width = if second_order(product) { 4 } else { 2 };
                let reason = format!(
                    "dual numbers: {} with {} derivative part{}, forward through the graph one direction at a time",
                    count(evaluations, "evaluation"),
                    width - 1,
                    if width == 2 { "" } else { "s" },
                );
                blocks.plan(graph, evaluations, each.saturating_mul(width), reason)
            });
            let plans: Vec<Plan> = plans.collect();
            // Hyper-dual numbers, the widest, take 32 bytes.
            let bytes = evaluator.peak_elements().saturating_mul(32);
            let cost = Cost::new(plans, bytes, point_bytes);
            Body::Dual(Box::new(Along {
                blocks,
                way: evaluator,
                cost,
            }))
        }
        _ => {
            let differences = Differences::new(graph, Steps::of(request.options.step()))?;
            let plans = request.products.iter().map(|product| {
                let evaluations = blocks.evaluations(product).saturating_mul(match product {
                    Product::Value { .. } => 1,
                    _ if second_order(product) => 4,
                    _ => 2,
                });
                let reason = numerical_reason(product, evaluations, request.options.step());
                blocks.plan(graph, evaluations, differences.operations(), reason)
            });
            let plans: Vec<Plan> = plans.collect();
            let cost = Cost::new(plans, differences.bytes(), point_bytes);
            Body::Numerical(Box::new(Along {
                blocks,
                way: differences,
                cost,
            }))
        }
    }))
}

fn numerical_reason(product: &Product, evaluations: u64, step: f64) -> String {
    if matches!(product, Product::Value { .. }) {
        return "no derivative asked for".into();
    }
    let (order, root) = match second_order(product) {
        true => ("second-order central differences", "fourth"),
        false => ("central differences", "cube"),
    };
    let step = match step > 0.0 {
        true => format!("step {step:e}"),
        false => format!("step: the {root} root of the machine epsilon times max(|x|, 1)"),
    };
    format!("{order}: {}, {step}", count(evaluations, "evaluation"))
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn second_order(product: &Product) -> bool {
    matches!(product, Product::Hessian { .. } | Product::Hvp { .. })
}

impl Cost {
    fn new(mut plans: Vec<Plan>, bytes: u64, point_bytes: u64) -> Self {
        let operations = plans.iter().map(|p| p.operations);
        let operations = operations.fold(0, u64::saturating_add);
        let all = bytes.saturating_add(point_bytes);
        plans.iter_mut().for_each(|plan| plan.bytes = all);
        Self {
            plans,
            operations,
            bytes,
            point_bytes,
        }
    }
}

impl Program {
    fn cost(&self) -> Result<&Cost, &program::Program> {
        match &self.0 {
            Body::Exact(program) => Err(program),
            Body::Numerical(along) => Ok(&along.cost),
            Body::Dual(along) => Ok(&along.cost),
        }
    }

    /// One for each product.
    pub fn plans(&self) -> &[Plan] {
        self.cost()
            .map_or_else(program::Program::plans, |cost| &cost.plans)
    }

    /// Elementary operations for one point, all products together.
    pub fn operations(&self) -> u64 {
        self.cost()
            .map_or_else(program::Program::operations, |cost| cost.operations)
    }

    /// Bytes of working memory, inputs and results included.
    pub fn bytes(&self, batch: u64) -> u64 {
        self.cost().map_or_else(
            |program| program.bytes(batch),
            |cost| {
                let points = cost.point_bytes.saturating_mul(batch.max(1));
                cost.bytes.saturating_add(points)
            },
        )
    }

    /// What an evaluation of so many points takes: the figures of a dry run, and those an evaluation is admitted by.
    pub fn estimate(&self, batch: u64) -> Estimate {
        self.cost().map_or_else(
            |program| program.estimate(batch),
            |cost| {
                let operations = cost.operations.saturating_mul(batch.max(1));
                Estimate {
                    operations,
                    bytes: self.bytes(batch),
                    predicted: predicted(operations),
                }
            },
        )
    }

    /// Bytes of the results where some may be sparse, with their coordinates; `None` where all are dense.
    pub fn result_bytes(&self, batch: u64) -> Option<u64> {
        match &self.0 {
            Body::Exact(program) => Some(program.result_bytes(batch)),
            Body::Numerical(_) | Body::Dual(_) => None,
        }
    }

    /// For each product and block where the entries stand, if it is sparse; empty where all are dense.
    pub fn coordinates(&self) -> Vec<Vec<Option<Arc<Coordinates>>>> {
        match &self.0 {
            Body::Exact(program) => program.coordinates(),
            Body::Numerical(_) | Body::Dual(_) => vec![],
        }
    }

    /// Bytes the program itself holds.
    pub fn code_bytes(&self) -> u64 {
        match &self.0 {
            Body::Exact(program) => program.code_bytes(),
            Body::Numerical(along) => along.way.code_bytes(),
            Body::Dual(along) => along.way.bytes(),
        }
    }

    /// The tape as text.
    pub fn listing(&self) -> String {
        match &self.0 {
            Body::Exact(program) => program.listing(),
            Body::Numerical(along) => along.way.listing(),
            Body::Dual(_) => String::new(),
        }
    }

    /// Whether points run side by side, and each gets bit for bit what `alone`, compiled of the same request for one
    /// point, gives there. False where that is not known.
    pub fn repeats(&self, alone: &Self) -> bool {
        match (&self.0, &alone.0) {
            (Body::Exact(together), Body::Exact(alone)) => together.repeats(alone),
            _ => false,
        }
    }

    /// Values and derivatives. Arguments must have the types that the request was compiled for.
    pub fn evaluate(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Vec<Block>>, Error> {
        match &self.0 {
            Body::Exact(program) => program.evaluate(arguments, scratch, stop),
            Body::Numerical(along) => {
                let mut at_work = along.way.at_work(scratch, stop);
                along.blocks.evaluate(arguments, &mut at_work)
            }
            Body::Dual(along) => {
                let mut duals = Duals::new(&along.way, stop);
                along.blocks.evaluate(arguments, &mut duals)
            }
        }
    }

    /// The same, where many results of one number each need not become blocks.
    pub fn results(
        &self,
        arguments: &Arguments<'_>,
        scratch: &mut Scratch,
        stop: &Stop,
    ) -> Result<Vec<Results>, Error> {
        match &self.0 {
            Body::Exact(program) => program.results(arguments, scratch, stop),
            _ => Ok(Results::of(self.evaluate(arguments, scratch, stop)?)),
        }
    }
}

/// At this engine's average speed.
fn predicted(operations: u64) -> Duration {
    const NS_PER_OPERATION: f64 = 1.5;
    Duration::from_nanos((operations as f64 * NS_PER_OPERATION) as u64)
}
