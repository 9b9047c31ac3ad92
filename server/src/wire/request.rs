//! Requests about a graph: everything is checked before anything is allocated or queued.

use super::{
    names::Mentions,
    product::{self, Decoded, Named},
    tensor::Payload,
};
use crate::{
    config::Config,
    error::{Error, ProductPath, Result, Violation, quote},
    store::TensorStore,
};
use gradient_engine::{
    Arguments, DType, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth, Options, Product,
    Request, TensorType,
};
use gradient_proto::v1 as pb;
use std::{collections::HashMap, sync::Arc};

/// Where a request's graph comes from.
pub enum Source {
    /// It was registered.
    Id(String),
    /// It came along.
    Inline(pb::Graph),
}

macro_rules! source {
    ($($request:ident in $module:ident),*) => {$(
        impl TryFrom<Option<pb::$module::Graph>> for Source {
            type Error = Error;
            fn try_from(graph: Option<pb::$module::Graph>) -> Result<Self> {
                match graph {
                    Some(pb::$module::Graph::GraphId(id)) if id.is_empty() => {
                        Err(Error::invalid("graph_id", "empty: set graph_id or inline_graph"))
                    }
                    Some(pb::$module::Graph::GraphId(id)) => Ok(Source::Id(id)),
                    Some(pb::$module::Graph::InlineGraph(graph)) => Ok(Source::Inline(graph)),
                    None => Err(Error::invalid("graph_id", "no graph: set graph_id or inline_graph")),
                }
            }
        }
    )*};
}
source!(
    EvaluateRequest in evaluate_request,
    PlanEvaluationRequest in plan_evaluation_request,
    CheckDerivativesRequest in check_derivatives_request,
    DifferentiateGraphRequest in differentiate_graph_request
);

/// What is to be compiled.
#[derive(Debug)]
pub struct Compilation {
    /// As the engine takes it.
    pub request: Arc<Request>,
    /// Where each product stands in the request, for errors of the engine.
    pub paths: Vec<ProductPath>,
    /// Points; 1 without a batch.
    pub batch: u64,
    /// The most memory that the evaluation may take: name of the limit, and its value.
    pub memory: (&'static str, u64),
}

/// What is to be evaluated.
#[derive(Debug)]
pub struct Evaluation {
    /// The program it needs.
    pub compilation: Arc<Compilation>,
    /// The point or points, in the order of the graph's inputs.
    pub(super) inputs: Vec<Payload>,
    /// Seeds of each product.
    pub(super) seeds: Vec<Vec<Payload>>,
}

impl Evaluation {
    /// One of tensors that have been read.
    pub fn new(
        compilation: Arc<Compilation>,
        inputs: Vec<Payload>,
        seeds: Vec<Vec<Payload>>,
    ) -> Self {
        Self {
            compilation,
            inputs,
            seeds,
        }
    }

    /// As the engine takes it.
    pub fn arguments(&self) -> Arguments<'_> {
        let seeds = self.seeds.iter();
        Arguments {
            inputs: self.inputs.iter().map(Payload::as_ref).collect(),
            seeds: seeds
                .map(|s| s.iter().map(Payload::as_ref).collect())
                .collect(),
            batch: self.compilation.batch,
        }
    }

    /// Its tensors: the point or points, then the seeds.
    pub fn payloads(&self) -> impl Iterator<Item = &Payload> {
        self.inputs.iter().chain(self.seeds.iter().flatten())
    }

    /// The same with other tensors, each made of its number and the one there is.
    pub fn with(&self, mut other: impl FnMut(usize, &Payload) -> Option<Payload>) -> Option<Self> {
        let mut number = 0;
        let mut all = |payloads: &Vec<Payload>| -> Option<Vec<Payload>> {
            let others = payloads.iter().map(|payload| {
                number += 1;
                other(number - 1, payload)
            });
            others.collect()
        };
        Some(Self {
            compilation: self.compilation.clone(),
            inputs: all(&self.inputs)?,
            seeds: self.seeds.iter().map(all).collect::<Option<_>>()?,
        })
    }

    /// Bytes of the request that wait with it.
    pub fn payload_bytes(&self) -> u64 {
        self.payloads().map(Payload::bytes).sum()
    }
}

/// The names in an evaluation.
pub fn mentions_of_evaluation(request: &pb::EvaluateRequest) -> Mentions<'_> {
    let mut mentions = Mentions {
        point: Some(request.inputs.keys().map(String::as_str).collect()),
        ..Mentions::default()
    };
    let products = request.products.iter();
    products.for_each(|product| product::mention(product, &mut mentions));
    mentions
}

/// The names in a dry run.
pub fn mentions_of_plan(request: &pb::PlanEvaluationRequest) -> Mentions<'_> {
    let mut mentions = Mentions {
        inputs: request.batched_inputs.iter().map(String::as_str).collect(),
        ..Mentions::default()
    };
    let products = request.products.iter();
    products.for_each(|product| product::mention(product, &mut mentions));
    mentions
}

/// Reads an evaluation of a graph.
pub fn decode_evaluation(
    request: pb::EvaluateRequest,
    at: Named<'_>,
    config: &Config,
    resident: &TensorStore,
) -> Result<Evaluation> {
    let batch = (request.batch_size > 0).then_some(u64::from(request.batch_size));
    let (options, memory) = decode_options(request.options, config)?;
    let products = decode_products(request.products, at)?;
    let (inputs, mask) = decode_inputs(request.inputs, batch, at, resident)?;
    let exact = options.method == Method::Exact;
    admit_reply(&products, at, batch, exact, config.max_message_bytes)?;

    let mut seeds = Vec::with_capacity(products.len());
    let mut paths = Vec::with_capacity(products.len());
    let mut list = Vec::with_capacity(products.len());
    for decoded in products {
        let given = decoded.seeds.map(|s| s.decode(at, batch, memory, resident));
        seeds.push(given.transpose()?.unwrap_or_default());
        paths.push(decoded.path);
        list.push(decoded.product);
    }
    let batched = batch.map(|_| mask);
    let compilation = Compilation {
        request: Arc::new(Request {
            products: list,
            options,
            batched,
        }),
        paths,
        batch: batch.unwrap_or(1),
        memory,
    };
    Ok(Evaluation::new(Arc::new(compilation), inputs, seeds))
}

/// Reads a dry run: tangents, cotangents and vectors may be left out.
pub fn decode_plan(
    request: pb::PlanEvaluationRequest,
    at: Named<'_>,
    config: &Config,
) -> Result<Compilation> {
    let batch = (request.batch_size > 0).then_some(u64::from(request.batch_size));
    let (options, memory) = decode_options(request.options, config)?;
    let products = decode_products(request.products, at)?;
    let mut mask = vec![request.batched_inputs.is_empty(); at.graph.inputs().len()];
    for (i, name) in request.batched_inputs.iter().enumerate() {
        let path = format_args!("batched_inputs[{i}]");
        mask[at.names.resolve_input(name, &path)? as usize] = true;
    }
    let (products, paths) = products.into_iter().map(|d| (d.product, d.path)).unzip();
    let batched = batch.map(|_| mask);
    Ok(Compilation {
        request: Arc::new(Request {
            products,
            options,
            batched,
        }),
        paths,
        batch: batch.unwrap_or(1),
        memory,
    })
}

/// Reads what is to be differentiated.
pub fn decode_derivative(
    product: Option<pb::Product>,
    options: Option<pb::EvaluateOptions>,
    at: Named<'_>,
    config: &Config,
) -> Result<(Product, ProductPath, Options)> {
    let (options, _) = decode_options(options, config)?;
    if options.method != Method::Exact {
        let message = "only the exact method gives a derivative as a graph; set METHOD_EXACT";
        return Err(Error::invalid("options.method", message));
    }
    let decoded = product::decode(product.unwrap_or_default(), None, at)?;
    Ok((decoded.product, decoded.path, options))
}

fn decode_products(products: Vec<pb::Product>, at: Named<'_>) -> Result<Vec<Decoded>> {
    const PRODUCTS: u64 = 256;
    if products.is_empty() {
        let message = "nothing is asked for: add a product (value, gradient, jacobian, …)";
        return Err(Error::invalid("products", message));
    }
    let asked = products.len() as u64;
    if asked > PRODUCTS {
        return Err(Error::Limit {
            name: "max_products",
            value: PRODUCTS,
            asked,
            path: "products".to_owned(),
            repair: "ask for fewer products at a time".to_owned(),
        });
    }
    let products = products.into_iter().enumerate();
    products
        .map(|(i, product)| product::decode(product, Some(i), at))
        .collect()
}

/// The inputs in order, and which of them have the leading axis of the batch.
pub(super) fn decode_inputs(
    mut given: HashMap<String, pb::Tensor>,
    batch: Option<u64>,
    at: Named<'_>,
    resident: &TensorStore,
) -> Result<(Vec<Payload>, Vec<bool>)> {
    let (mut inputs, mut mask) = (Vec::new(), Vec::new());
    let mut violations = Vec::new();
    let positions = given.keys().any(|name| name.starts_with('#'));
    for (position, declared) in at.graph.inputs().iter().enumerate() {
        let name = at.names.input(position as u32);
        let by_position = match positions {
            true => given.remove(&format!("#{position}")),
            false => None,
        };
        let by_name = given.remove(name);
        let path = format_args!("inputs[{}]", quote(name));
        if by_name.is_some() && by_position.is_some() {
            let message = format!("given twice, by name and as \"#{position}\"; leave one out");
            violations.push(Violation::new(path, message));
            continue;
        }
        let Some(tensor) = by_name.or(by_position) else {
            let message = format!("missing: give a tensor of type {}", declared.ty);
            violations.push(Violation::new(path, message));
            continue;
        };
        let payload = Payload::decode(tensor, &path, resident);
        let fitted = payload.and_then(|payload| {
            let batched = product::fit(payload.ty(), &declared.ty, batch, None);
            let batched = batched.map_err(|message| Error::invalid(path, message))?;
            Ok((payload, batched))
        });
        match fitted {
            Ok((payload, batched)) => {
                inputs.push(payload);
                mask.push(batched);
            }
            Err(Error::Invalid(found)) => violations.extend(found),
            Err(other) => return Err(other),
        }
    }
    let mut extra: Vec<_> = given.into_keys().collect();
    extra.sort_unstable();
    for name in extra {
        let path = format_args!("inputs[{}]", quote(&name));
        match at.names.resolve_input(&name, &path) {
            Err(Error::Invalid(found)) => violations.extend(found),
            // A second spelling of a position, such as "#00".
            _ => violations.push(Violation::new(path, "given twice; leave one out")),
        }
    }
    match violations.is_empty() {
        true => Ok((inputs, mask)),
        false => Err(Error::Invalid(violations)),
    }
}

pub(super) fn decode_options(
    options: Option<pb::EvaluateOptions>,
    config: &Config,
) -> Result<(Options, (&'static str, u64))> {
    let options = options.unwrap_or_default();
    let mode = match known::<pb::Mode>(options.mode, "options.mode")? {
        pb::Mode::Unspecified => None,
        pb::Mode::Forward => Some(Mode::Forward),
        pb::Mode::Reverse => Some(Mode::Reverse),
        pb::Mode::Mixed => Some(Mode::Mixed),
    };
    let hvp_mode = match known::<pb::HvpMode>(options.hvp_mode, "options.hvp_mode")? {
        pb::HvpMode::Unspecified => None,
        pb::HvpMode::ReverseOverForward => Some(HvpMode::ReverseOverForward),
        pb::HvpMode::ForwardOverReverse => Some(HvpMode::ForwardOverReverse),
    };
    let method = match known::<pb::Method>(options.method, "options.method")? {
        pb::Method::Unspecified | pb::Method::Exact => Method::Exact,
        pb::Method::Numerical => Method::Numerical,
        pb::Method::Dual => Method::Dual,
    };
    let step = decode_step(options.step, method)?;
    let non_smooth = match known::<pb::NonSmooth>(options.non_smooth, "options.non_smooth")? {
        pb::NonSmooth::Unspecified => NonSmooth::Standard,
        pb::NonSmooth::Jax => NonSmooth::Jax,
        pb::NonSmooth::Pytorch => NonSmooth::PyTorch,
        pb::NonSmooth::Strict => NonSmooth::Strict,
    };
    let non_finite = match known::<pb::NonFinite>(options.non_finite, "options.non_finite")? {
        pb::NonFinite::Unspecified => NonFinite::Return,
        pb::NonFinite::Error => NonFinite::Error,
    };
    let memory = match options.memory_budget_bytes {
        budget @ 1.. if budget < config.max_memory_bytes => ("memory_budget_bytes", budget),
        _ => ("max_memory_bytes", config.max_memory_bytes),
    };
    let options = Options {
        mode,
        hvp_mode,
        non_smooth,
        non_finite,
        method,
        step_bits: step.to_bits(),
        memory_budget: memory.1,
        costs: config.costs,
    };
    Ok((options, memory))
}

/// The step of differences; one that another method has no use for is no part of the key.
fn decode_step(step: f64, method: Method) -> Result<f64> {
    if !step.is_finite() || step < 0.0 {
        let message = format!("{step} is no step: give a positive number, or 0 to have it chosen");
        return Err(Error::invalid("options.step", message));
    }
    // -0 is 0.
    Ok(match method {
        Method::Numerical if step > 0.0 => step,
        _ => 0.0,
    })
}

fn known<E: TryFrom<i32>>(number: i32, path: &str) -> Result<E> {
    E::try_from(number).map_err(|_| {
        let message = format!("unknown value {number}: see the enum in gradient/v1/service.proto");
        Error::invalid(path, message)
    })
}

/// Refuses an evaluation that needs `asked` bytes where they are more than its limit (name and value).
pub fn admit_memory((name, value): (&'static str, u64), asked: u64) -> Result<()> {
    if asked <= value {
        return Ok(());
    }
    Err(Error::Limit {
        name,
        value,
        asked,
        path: String::new(),
        repair:
            "use a smaller batch, fewer directions, outputs or wrt at a time, or raise the limit"
                .to_owned(),
    })
}

/// Refuses a request whose answer could not be sent.
fn admit_reply(
    products: &[Decoded],
    at: Named<'_>,
    batch: Option<u64>,
    exact: bool,
    max_message_bytes: u64,
) -> Result<()> {
    let bytes = products.iter().map(|decoded| match decoded.product {
        // How sparse it is, its program will say.
        Product::Jacobian { layout, .. } | Product::Hessian { layout, .. }
            if exact && layout != Layout::Dense =>
        {
            0
        }
        _ => reply_bytes(&decoded.product, at),
    });
    let asked = bytes
        .fold(0, u64::saturating_add)
        .max(1)
        .saturating_mul(batch.unwrap_or(1));
    match asked > max_message_bytes {
        true => Err(reply_limit(
            max_message_bytes,
            asked,
            "use a smaller batch, fewer directions, outputs or wrt at a time, or products of the Jacobian or \
             Hessian with vectors in its place",
        )),
        false => Ok(()),
    }
}

/// What to say about an answer that is too large to send.
pub fn reply_limit(value: u64, asked: u64, repair: &str) -> Error {
    Error::Limit {
        name: "max_message_bytes",
        value,
        asked,
        path: String::new(),
        repair: format!("the answer would be too large for one message: {repair}"),
    }
}

/// Bytes of the result of one point; never more than they will be. A direction counts as a byte at least (and so
/// does a point): of results without elements there could be any number, and each takes time.
fn reply_bytes(product: &Product, at: Named<'_>) -> u64 {
    let inputs = |list: &[u32]| list.iter().map(|&i| at.input_type(i)).collect::<Vec<_>>();
    let outputs = |list: &[u32]| list.iter().map(|&o| at.output_type(o)).collect::<Vec<_>>();
    let times =
        |bytes: u64, directions: u32| bytes.max(1).saturating_mul(u64::from(directions.max(1)));
    match product {
        Product::Value { outputs: list } => bytes_of(&outputs(list)),
        Product::Gradient { wrt, .. } => bytes_of(&inputs(wrt)),
        Product::Jacobian {
            outputs: list, wrt, ..
        } => bytes_of_matrix(&outputs(list), &inputs(wrt)),
        Product::Hessian { wrt, .. } => bytes_of_matrix(&inputs(wrt), &inputs(wrt)),
        Product::Hvp {
            wrt, directions, ..
        } => times(bytes_of(&inputs(wrt)), *directions),
        Product::Jvp { directions } => {
            times(bytes_of(&outputs(&at.graph.float_outputs())), *directions)
        }
        Product::Vjp { directions } => {
            times(bytes_of(&inputs(&at.graph.float_inputs())), *directions)
        }
    }
}

fn bytes_of(types: &[&TensorType]) -> u64 {
    types
        .iter()
        .map(|ty| ty.bytes())
        .fold(0, u64::saturating_add)
}

/// Bytes of the blocks rows × columns, taking the smaller of two element types.
fn bytes_of_matrix(rows: &[&TensorType], columns: &[&TensorType]) -> u64 {
    let elements = |types: &[&TensorType], wide: bool| {
        let those = types.iter().filter(|ty| (ty.dtype == DType::F64) == wide);
        those.map(|ty| ty.elements()).fold(0, u64::saturating_add)
    };
    let wide = elements(rows, true).saturating_mul(elements(columns, true));
    let all = (elements(rows, true).saturating_add(elements(rows, false)))
        .saturating_mul(elements(columns, true).saturating_add(elements(columns, false)));
    all.saturating_add(wide).saturating_mul(4)
}
