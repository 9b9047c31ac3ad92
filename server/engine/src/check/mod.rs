//! Floor 7: holds derivatives against everything that they must agree with.

mod curve;
mod custom;
mod identities;
mod verdict;

pub use custom::CustomRule;
pub use verdict::{Certificate, Curve, Verdict};

use crate::error::Error;
use crate::execute::{
    Arguments, Differences, Direction, Evaluator, Scratch, Steps, Stop, complex_step,
};
use crate::graph::Graph;
use crate::plan::{Layout, Method, Options, Product, Request};
use crate::tensor::{DType, TensorRef};
use curve::Differenced;
use std::collections::HashSet;
use verdict::Block;

/// What to check.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// Positions of the outputs, of floating-point type.
    pub outputs: Vec<u32>,
    /// Positions of the inputs, of floating-point type.
    pub wrt: Vec<u32>,
    /// Absolute steps to try; empty: 1e-1, 1e-2, …, 1e-12.
    pub steps: Vec<f64>,
    /// Largest relative error that passes; 0: chosen.
    pub tolerance: f64,
    /// Of the derivatives that are checked: mode and policy count.
    pub options: Options,
}

/// Entries of the Jacobian, for each step.
const MAX_ENTRIES: u64 = 20_000_000;

/// Elementary operations of all differences.
const MAX_OPERATIONS: u64 = 200_000_000_000;

/// Evaluations on complex numbers go element by element: about this much dearer than the tape.
const COMPLEX_COST: u64 = 20;

impl CheckRequest {
    /// The steps, in the order of the request.
    pub fn ladder(&self) -> Vec<f64> {
        match self.steps.is_empty() {
            true => (1..=12).map(|k| 10f64.powi(-k)).collect(),
            false => self.steps.clone(),
        }
    }

    /// Refuses more than is sensible; otherwise elementary operations that the check will take, about.
    pub fn admit(&self, graph: &Graph) -> Result<u64, Error> {
        let input = |&w: &u32| graph.inputs()[w as usize].ty.elements();
        let output = |&o: &u32| graph.output_type(o as usize).elements();
        let n = self.wrt.iter().map(input).fold(0, u64::saturating_add);
        let m = self.outputs.iter().map(output).fold(0, u64::saturating_add);
        let steps = self.ladder().len() as u64;
        let entries = n.saturating_mul(m.max(1)).saturating_mul(steps);
        let refuse = |name, value, asked| {
            Err(Error::Limit {
                name,
                value,
                asked,
                repair: format!(
                    "{n} elements of inputs, {m} of outputs, {steps} steps: check fewer wrt or outputs at a time, or fewer steps"
                ),
            })
        };
        if entries > MAX_ENTRIES {
            return refuse("max_check_entries", MAX_ENTRIES, entries);
        }
        // Both sides for every step, three for each of two kinks, and the complex step.
        let evaluations = n.saturating_mul(2 * steps + 6 + COMPLEX_COST);
        let operations = graph.statistics().operations.saturating_add(1);
        let operations = operations.saturating_mul(evaluations);
        match operations > MAX_OPERATIONS {
            true => refuse("max_check_operations", MAX_OPERATIONS, operations),
            false => Ok(operations),
        }
    }
}

/// Checks derivatives at a point. Inputs have their declared types. `budget`: name and value of a limit on the
/// bytes of working memory.
pub fn check(
    graph: &Graph,
    request: &CheckRequest,
    point: &[TensorRef<'_>],
    budget: Option<(&'static str, u64)>,
    scratch: &mut Scratch,
    stop: &Stop,
) -> Result<Certificate, Error> {
    request.admit(graph)?;
    let mut options = request.options.clone();
    options.method = Method::Exact;
    let evaluator = Evaluator::new(graph)?;
    let differences = Differences::new(graph, Steps::Chosen)?;
    // Complex numbers take 16 bytes.
    let asked = evaluator.peak_elements().saturating_mul(16);
    let asked = asked.max(differences.bytes());
    if let Some((name, value)) = budget.filter(|&(_, value)| asked > value) {
        return Err(Error::Limit {
            name,
            value,
            asked,
            repair: "check a smaller graph, or raise the limit".into(),
        });
    }
    let exact = exact_jacobian(graph, request, &options, point, scratch, stop)?;
    let rules = custom::rules(graph, request, &exact, |graph| {
        exact_jacobian(graph, request, &options, point, scratch, stop)
    })?;
    let mut differenced = Differenced {
        differences,
        point,
        outputs: &request.outputs,
        wrt: &request.wrt,
        scratch,
        stop,
    };
    let epsilon = differenced.differences.epsilon();
    let single = epsilon > 1e-10;
    let values = differenced.values()?;
    let mut blocks = exact.blocks(graph, request, &values, single);
    differenced.find_kinks(&mut blocks)?;
    for step in request.ladder() {
        differenced.measure(step, &mut blocks)?;
    }
    complex_errors(&evaluator, request, point, &mut blocks, stop)?;
    let Differenced { scratch, .. } = differenced;
    let dot_product_error = identities::dot_product(graph, &options, point, scratch, stop)?;
    let hessian_asymmetry = identities::asymmetry(graph, request, &options, point, scratch, stop)?;
    let verdicts: Vec<Verdict> = blocks.iter().map(|block| block.verdict(graph)).collect();
    let tight = if single { 1e-3 } else { 1e-9 };
    Ok(Certificate::new(
        verdicts,
        dot_product_error,
        hessian_asymmetry,
        tight,
        rules,
    ))
}

/// The Jacobian that is checked, block by block.
struct Exact(Vec<Vec<f64>>);

fn exact_jacobian(
    graph: &Graph,
    request: &CheckRequest,
    options: &Options,
    point: &[TensorRef<'_>],
    scratch: &mut Scratch,
    stop: &Stop,
) -> Result<Exact, Error> {
    let product = Product::Jacobian {
        outputs: request.outputs.clone(),
        wrt: request.wrt.clone(),
        layout: Layout::Dense,
    };
    let blocks = one_product(graph, product, options, (point, vec![]), scratch, stop)?;
    Ok(Exact(blocks))
}

/// A product's blocks at the point, as f64.
fn one_product(
    graph: &Graph,
    product: Product,
    options: &Options,
    (point, seeds): (&[TensorRef<'_>], Vec<TensorRef<'_>>),
    scratch: &mut Scratch,
    stop: &Stop,
) -> Result<Vec<Vec<f64>>, Error> {
    let request = Request {
        products: vec![product],
        options: options.clone(),
        batched: None,
    };
    let program = crate::execute::compile(graph, &request)?;
    let arguments = Arguments {
        inputs: point.to_vec().into(),
        seeds: vec![seeds],
        batch: 1,
    };
    let mut results = program.evaluate(&arguments, scratch, stop)?;
    let blocks = results.remove(0).into_iter();
    Ok(blocks.map(|block| block.tensor.to_f64()).collect())
}

impl Exact {
    fn blocks(
        self,
        graph: &Graph,
        request: &CheckRequest,
        values: &[Vec<f64>],
        single: bool,
    ) -> Vec<Block> {
        let places = request
            .outputs
            .iter()
            .enumerate()
            .flat_map(|(k, &o)| request.wrt.iter().map(move |&w| (k, o, w)));
        let blocks = places.zip(self.0).map(|((k, output, wrt), exact)| {
            let finite = |x: &&f64| x.is_finite();
            let largest = |v: &[f64]| v.iter().filter(finite).fold(0.0f64, |l, x| l.max(x.abs()));
            let scale = match largest(&exact) {
                0.0 => 1.0,
                scale => scale,
            };
            // Differences lose as many digits as the value is larger than the slope.
            let own = graph.inputs()[wrt as usize].ty.dtype;
            let base = if single || own == DType::F32 {
                1e-2
            } else {
                1e-6
            };
            let tolerance = match request.tolerance {
                0.0 => (base * (largest(&values[k]) / scale).max(1.0)).min(0.1),
                given => given,
            };
            Block {
                output,
                wrt,
                rows: values[k].len(),
                columns: graph.inputs()[wrt as usize].ty.elements() as usize,
                exact,
                scale,
                tolerance,
                kinks: vec![],
                kinked: HashSet::new(),
                curve: vec![],
                complex: 0.0,
                complex_worst: None,
            }
        });
        blocks.collect()
    }
}

fn complex_errors(
    evaluator: &Evaluator,
    request: &CheckRequest,
    point: &[TensorRef<'_>],
    blocks: &mut [Block],
    stop: &Stop,
) -> Result<(), Error> {
    for (w, &input) in request.wrt.iter().enumerate() {
        let input = input as usize;
        for element in 0..point[input].ty().elements() as usize {
            let direction = Direction::Unit { input, element };
            let column = complex_step(evaluator, point, direction, &request.outputs, stop)?;
            let mut rest = column.into_iter();
            for k in 0..request.outputs.len() {
                let block = &mut blocks[k * request.wrt.len() + w];
                for row in 0..block.rows {
                    let slope = rest.next().unwrap_or(f64::NAN);
                    block.note_complex(row, element, slope);
                }
            }
        }
    }
    Ok(())
}
