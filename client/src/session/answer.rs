//! Answers, with the names this client gave.

use std::time::Duration;

use gradient_proto::v1::{self as proto, Cache, HvpMode, Mode, Tier, block};

use super::{
    product::{Place, Product},
    signature::Signature,
};
use crate::{
    error::Error,
    tensor::{Array, SparseMatrix, Tensor},
};

/// Values and derivatives of a graph at a point, or at a batch of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The graph's id.
    pub graph_id: String,
    /// One for each product of the request, in order.
    pub results: Vec<ProductResult>,
    /// Where the server's time went.
    pub timing: Timing,
}

/// The blocks of one product.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductResult {
    /// The field of the contract's `Product`: "value", "gradient", …
    pub product: &'static str,
    /// Outputs × inputs, in declared order.
    pub blocks: Vec<Block>,
    /// How they were computed, and at what cost.
    pub plan: Plan,
}

/// One matrix, vector or number of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Name of the output; `None` where the product sums over outputs.
    pub output: Option<String>,
    /// Name of the input; `None` where there is none.
    pub wrt: Option<String>,
    /// Name of the second input of a Hessian block.
    pub wrt_second: Option<String>,
    /// The numbers.
    pub data: BlockData,
}

/// A block's numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockData {
    /// All of them.
    Dense(Tensor),
    /// Those that are not zero.
    Sparse(SparseMatrix),
}

/// How a product is computed, and what it costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Forward, reverse or both.
    pub mode: Mode,
    /// For Hessians and Hessian-vector products.
    pub hvp_mode: HvpMode,
    /// Passes over the tape that depend on a direction, for one point.
    pub sweeps: u32,
    /// Colours of columns; 0 if not compressed.
    pub forward_colors: u32,
    /// Colours of rows; 0 if not compressed.
    pub reverse_colors: u32,
    /// Elementary operations for one point.
    pub operations: u64,
    /// Working memory in bytes.
    pub bytes: u64,
    /// Predicted time.
    pub predicted: Duration,
    /// One sentence.
    pub reason: String,
    /// Every way that was priced, the chosen one first.
    pub candidates: Vec<proto::Candidate>,
    /// n: live inputs, in elements.
    pub live_inputs: u64,
    /// m: live outputs, in elements.
    pub live_outputs: u64,
}

/// Where the server's time went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Waiting for a place.
    pub queue: Duration,
    /// Deriving, simplifying and lowering; zero on a hit.
    pub compile: Duration,
    /// Computing.
    pub execute: Duration,
    /// Whether the compiled tape was there.
    pub cache: Cache,
    /// What ran it.
    pub tier: Tier,
}

/// What a request would do and cost.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanAnswer {
    /// The graph's id.
    pub graph_id: String,
    /// One for each product of the request, in order.
    pub plans: Vec<Plan>,
    /// Elementary operations of the whole request.
    pub operations: u64,
    /// Working memory of the whole request, in bytes.
    pub bytes: u64,
    /// Predicted time of the whole request.
    pub predicted: Duration,
    /// Whether the compiled tape is there.
    pub cache: Cache,
}

impl Answer {
    /// The value of an output. With a batch, its first dimension is the point.
    ///
    /// # Errors
    /// [`Error::Missing`] if the request did not ask for it, or its elements are not `f64`; [`Block::tensor`] has
    /// every type.
    pub fn value(&self, output: &str) -> Result<&Array, Error> {
        self.array("value", Some(output), None, None)
    }

    /// The gradient with respect to an input.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn gradient(&self, wrt: &str) -> Result<&Array, Error> {
        self.array("gradient", None, Some(wrt), None)
    }

    /// The Jacobian of an output with respect to an input, if it is dense.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn jacobian(&self, output: &str, wrt: &str) -> Result<&Array, Error> {
        self.array("jacobian", Some(output), Some(wrt), None)
    }

    /// The change of an output along the tangents.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn jvp(&self, output: &str) -> Result<&Array, Error> {
        self.array("jacobian_vector_product", Some(output), None, None)
    }

    /// The cotangents pulled back to an input.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn vjp(&self, wrt: &str) -> Result<&Array, Error> {
        self.array("vector_jacobian_product", None, Some(wrt), None)
    }

    /// Second derivatives with respect to a pair of inputs, if they are dense.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn hessian(&self, wrt: &str, wrt_second: &str) -> Result<&Array, Error> {
        self.array("hessian", None, Some(wrt), Some(wrt_second))
    }

    /// The Hessian times the vectors, at an input.
    ///
    /// # Errors
    /// As [`Answer::value`].
    pub fn hvp(&self, wrt: &str) -> Result<&Array, Error> {
        self.array("hessian_vector_product", None, Some(wrt), None)
    }

    fn array(
        &self,
        product: &str,
        output: Option<&str>,
        wrt: Option<&str>,
        second: Option<&str>,
    ) -> Result<&Array, Error> {
        let matches =
            |have: &Option<String>, want: Option<&str>| want.is_none() || have.as_deref() == want;
        let blocks = self
            .results
            .iter()
            .filter(|result| result.product == product)
            .flat_map(|result| &result.blocks);
        let mut found = blocks.filter(|block| {
            matches(&block.output, output)
                && matches(&block.wrt, wrt)
                && matches(&block.wrt_second, second)
        });
        found
            .find_map(|block| block.tensor()?.as_array())
            .ok_or_else(|| {
                let names: Vec<String> = [output, wrt, second]
                    .iter()
                    .flatten()
                    .map(|name| format!("{name:?}"))
                    .collect();
                Error::Missing(format!(
                    "dense f64 {} of {}",
                    product.replace('_', " "),
                    names.join(", ")
                ))
            })
    }
}

impl Block {
    /// The dense tensor, of any element type.
    pub fn tensor(&self) -> Option<&Tensor> {
        match &self.data {
            BlockData::Dense(tensor) => Some(tensor),
            BlockData::Sparse(_) => None,
        }
    }
}

/// An answer from its message. `expected` has the products and the places of their blocks.
pub(crate) fn decode(
    message: proto::EvaluateResponse,
    signature: &Signature,
    expected: &[Expected],
) -> Result<Answer, Error> {
    if message.results.len() != expected.len() {
        return Err(Error::Protocol(format!(
            "{} results for {} products",
            message.results.len(),
            expected.len()
        )));
    }
    let results = message.results.into_iter().zip(expected);
    Ok(Answer {
        graph_id: message.graph_id,
        results: results
            .map(|(result, expected)| decode_result(result, signature, expected))
            .collect::<Result<_, _>>()?,
        timing: message.timing.unwrap_or_default().into(),
    })
}

/// A product, and what its blocks will be of.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) product: &'static str,
    pub(crate) places: Vec<Place>,
}

impl Expected {
    pub(crate) fn new(product: &Product, places: Vec<Place>) -> Self {
        Self {
            product: product.name(),
            places,
        }
    }
}

fn decode_result(
    result: proto::Result,
    signature: &Signature,
    expected: &Expected,
) -> Result<ProductResult, Error> {
    let Expected { product, places } = expected;
    if result.blocks.len() != places.len() {
        let (got, want) = (result.blocks.len(), places.len());
        return Err(Error::Protocol(format!(
            "{got} blocks of a {product}, instead of {want}"
        )));
    }
    let blocks = result
        .blocks
        .into_iter()
        .zip(places)
        .map(|(block, &(output, wrt, second))| {
            let input = |position: usize| signature.inputs.name(position).to_owned();
            Ok(Block {
                output: output.map(|position| signature.outputs.name(position).to_owned()),
                wrt: wrt.map(input),
                wrt_second: second.map(input),
                data: decode_data(block.data).map_err(Error::Protocol)?,
            })
        });
    Ok(ProductResult {
        product,
        blocks: blocks.collect::<Result<_, Error>>()?,
        plan: result.plan.unwrap_or_default().into(),
    })
}

fn decode_data(data: Option<block::Data>) -> Result<BlockData, String> {
    match data {
        Some(block::Data::Tensor(tensor)) => Tensor::from_proto(&tensor).map(BlockData::Dense),
        Some(block::Data::Sparse(sparse)) => {
            SparseMatrix::from_proto(&sparse).map(BlockData::Sparse)
        }
        None => Err("a block without data".into()),
    }
}

impl From<proto::Plan> for Plan {
    fn from(plan: proto::Plan) -> Self {
        Self {
            mode: plan.mode(),
            hvp_mode: plan.hvp_mode(),
            sweeps: plan.sweeps,
            forward_colors: plan.forward_colors,
            reverse_colors: plan.reverse_colors,
            operations: plan.operations,
            bytes: plan.bytes,
            predicted: duration(plan.predicted),
            reason: plan.reason,
            candidates: plan.candidates,
            live_inputs: plan.live_inputs,
            live_outputs: plan.live_outputs,
        }
    }
}

impl From<proto::Timing> for Timing {
    fn from(timing: proto::Timing) -> Self {
        Self {
            cache: timing.cache(),
            tier: timing.tier(),
            queue: duration(timing.queue),
            compile: duration(timing.compile),
            execute: duration(timing.execute),
        }
    }
}

impl From<proto::PlanEvaluationResponse> for PlanAnswer {
    fn from(reply: proto::PlanEvaluationResponse) -> Self {
        Self {
            cache: reply.cache(),
            graph_id: reply.graph_id,
            plans: reply.plans.into_iter().map(Plan::from).collect(),
            operations: reply.operations,
            bytes: reply.bytes,
            predicted: duration(reply.predicted),
        }
    }
}

fn duration(message: Option<prost_types::Duration>) -> Duration {
    message
        .and_then(|duration| duration.try_into().ok())
        .unwrap_or_default()
}
