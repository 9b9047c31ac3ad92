//! One request: a point, what to compute there, and how.

use std::time::Duration;

use gradient_proto::v1::{self as proto, HvpMode, Layout, Method, Mode, NonFinite, NonSmooth};

use super::{
    Derivative, Session,
    answer::{self, Answer, Expected, PlanAnswer},
    product::Product,
    signature::on_wire,
};
use crate::{error::Error, tensor::Tensor};

/// A request under construction; [`Session::at`] begins one.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing before it is sent"]
pub struct Request {
    pub(super) session: Session,
    inputs: Vec<(String, Tensor)>,
    batch_size: u32,
    batched_inputs: Vec<String>,
    products: Vec<Product>,
    options: proto::EvaluateOptions,
    timeout: Option<Duration>,
}

/// A request ready to be sent, and what its answer will hold.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) message: proto::EvaluateRequest,
    pub(super) expected: Vec<Expected>,
    pub(super) timeout: Option<Duration>,
}

/// # The point
impl Request {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            inputs: Vec::new(),
            batch_size: 0,
            batched_inputs: Vec::new(),
            products: Vec::new(),
            options: proto::EvaluateOptions::default(),
            timeout: None,
        }
    }

    /// The value of one input. It may be of another element type than the input, if that holds the same numbers.
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Tensor>) -> Self {
        self.inputs.push((name.into(), value.into()));
        self
    }

    /// The values of several inputs.
    pub fn inputs<N: Into<String>, T: Into<Tensor>>(
        mut self,
        inputs: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        self.inputs.extend(
            inputs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// Evaluates at `size` points. Each input either has its declared shape, and all points share it, or a leading
    /// axis of this size; every block of the answer gets that axis.
    pub fn batch(mut self, size: u32) -> Self {
        self.batch_size = size;
        self
    }

    /// For [`Request::plan`] without values: the inputs that will have the leading axis of the batch. None: all.
    pub fn batched<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.batched_inputs
            .extend(names.into_iter().map(Into::into));
        self
    }
}

/// # What to compute
impl Request {
    /// Any product.
    pub fn product(mut self, product: Product) -> Self {
        self.products.push(product);
        self
    }

    /// What is asked for so far; the answer has a result for each, in this order.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// All outputs.
    pub fn value(self) -> Self {
        self.product(Product::Value {
            outputs: Vec::new(),
        })
    }

    /// The gradient of a scalar output.
    pub fn gradient<N: Into<String>>(
        self,
        output: impl Into<String>,
        wrt: impl IntoIterator<Item = N>,
    ) -> Self {
        self.product(Product::Gradient {
            output: output.into(),
            wrt: strings(wrt),
        })
    }

    /// The dense Jacobian.
    pub fn jacobian<N: Into<String>, M: Into<String>>(
        self,
        outputs: impl IntoIterator<Item = N>,
        wrt: impl IntoIterator<Item = M>,
    ) -> Self {
        let (outputs, wrt) = (strings(outputs), strings(wrt));
        self.product(Product::Jacobian {
            outputs,
            wrt,
            layout: Layout::Dense,
        })
    }

    /// The Jacobian times one tangent for every floating-point input.
    pub fn jvp<N: Into<String>, T: Into<Tensor>>(
        self,
        tangents: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        self.product(Product::JacobianVectorProduct {
            tangents: named(tangents),
            directions: 0,
        })
    }

    /// One cotangent for every floating-point output, times the Jacobian.
    pub fn vjp<N: Into<String>, T: Into<Tensor>>(
        self,
        cotangents: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        self.product(Product::VectorJacobianProduct {
            cotangents: named(cotangents),
            directions: 0,
        })
    }

    /// The dense Hessian of a scalar output.
    pub fn hessian<N: Into<String>>(
        self,
        output: impl Into<String>,
        wrt: impl IntoIterator<Item = N>,
    ) -> Self {
        self.product(Product::Hessian {
            output: output.into(),
            wrt: strings(wrt),
            layout: Layout::Dense,
        })
    }

    /// The Hessian of a scalar output with respect to the named inputs, times a vector for each of them.
    pub fn hvp<N: Into<String>, T: Into<Tensor>>(
        self,
        output: impl Into<String>,
        vectors: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let vectors = named(vectors);
        let wrt = vectors.iter().map(|(name, _)| name.clone()).collect();
        self.product(Product::HessianVectorProduct {
            output: output.into(),
            wrt,
            vectors,
            directions: 0,
        })
    }
}

/// # How
impl Request {
    /// Forces forward or reverse mode.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.options.set_mode(mode);
        self
    }

    /// Forces the order of modes for second derivatives.
    pub fn hvp_mode(mut self, mode: HvpMode) -> Self {
        self.options.set_hvp_mode(mode);
        self
    }

    /// Another method than exact differentiation, for comparison. The step is of numerical differences, 0 to let
    /// the server choose.
    pub fn method(mut self, method: Method, step: f64) -> Self {
        self.options.set_method(method);
        self.options.step = step;
        self
    }

    /// The most memory the evaluation may take, in bytes.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.options.memory_budget_bytes = bytes;
        self
    }

    /// The derivative where there is none.
    pub fn non_smooth(mut self, choice: NonSmooth) -> Self {
        self.options.set_non_smooth(choice);
        self
    }

    /// Whether infinities and NaN are an error.
    pub fn non_finite(mut self, choice: NonFinite) -> Self {
        self.options.set_non_finite(choice);
        self
    }

    /// The most time the answer may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// # Sending
impl Request {
    /// Evaluates.
    ///
    /// # Errors
    /// [`Error::Request`] if a name is not the graph's or an input is missing; [`Error::Rpc`] with the place and
    /// the repair if the server refuses.
    pub async fn send(self) -> Result<Answer, Error> {
        let encoded = self.encode()?;
        self.session.evaluate(&encoded).await
    }

    /// The message that [`Request::send`] sends, for [`Client::evaluate`](crate::Client::evaluate); its graph is
    /// registered. Inputs and outputs stand in it by position: "#0", "#1", …
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn message(&self) -> Result<proto::EvaluateRequest, Error> {
        let encoded = self.encode()?;
        let graph_id = self.session.id_within(self.timeout).await?;
        Ok(encoded.to_graph(graph_id))
    }

    /// What [`Request::send`] would do and cost. Nothing is executed, and inputs may be left out.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn plan(self) -> Result<PlanAnswer, Error> {
        let signature = &self.session.signature;
        let batched = signature
            .inputs
            .find_all(&self.batched_inputs, "batched_inputs")?;
        let (products, _) = self.encode_products()?;
        let message = |graph_id: &str| proto::PlanEvaluationRequest {
            graph: Some(proto::plan_evaluation_request::Graph::GraphId(
                graph_id.to_owned(),
            )),
            batch_size: self.batch_size,
            batched_inputs: batched.iter().copied().map(on_wire).collect(),
            products: products.clone(),
            options: Some(self.options),
        };
        let reply =
            self.session
                .with_graph(self.timeout, message, |mut stub, request| async move {
                    stub.plan_evaluation(request).await
                });
        Ok(reply.await?.into())
    }

    /// The derivative as a graph, which can be differentiated again. Takes the one product of the request; seeds
    /// may be left out of it and become inputs of the new graph.
    ///
    /// # Errors
    /// As [`Request::send`]; [`Error::Request`] unless there is exactly one product.
    pub async fn differentiate(self) -> Result<Derivative, Error> {
        let (products, _) = self.encode_products()?;
        let [product] = products.as_slice() else {
            return Err(Error::request(
                "product",
                format!(
                    "one product is differentiated at a time, not {}",
                    products.len()
                ),
            ));
        };
        self.session
            .differentiate(product, self.options, self.timeout)
            .await
    }

    /// Holds the derivatives at the point against central differences of these steps (none: a ladder from 1e-1 to
    /// 1e-12), complex steps, the dot-product identity and the symmetry of the Hessian. Empty `outputs` or `wrt`
    /// mean all. `tolerance` is the largest relative error that passes; 0 lets the server choose.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn check<N: Into<String>, M: Into<String>>(
        self,
        outputs: impl IntoIterator<Item = N>,
        wrt: impl IntoIterator<Item = M>,
        steps: &[f64],
        tolerance: f64,
    ) -> Result<proto::CheckDerivativesResponse, Error> {
        let signature = &self.session.signature;
        let inputs = signature.inputs.tensors(&self.inputs, "inputs")?;
        if let Some(missing) = signature.inputs.missing(&inputs) {
            return Err(Error::request("inputs", missing));
        }
        let outputs = signature.outputs.find_all(&strings(outputs), "outputs")?;
        let wrt = signature.inputs.find_all(&strings(wrt), "wrt")?;
        let message = proto::CheckDerivativesRequest {
            graph: None,
            inputs,
            outputs: outputs.into_iter().map(on_wire).collect(),
            wrt: wrt.into_iter().map(on_wire).collect(),
            steps: steps.to_vec(),
            tolerance,
            options: Some(self.options),
        };
        self.session.check(message, self.timeout).await
    }

    pub(super) fn encode(&self) -> Result<Encoded, Error> {
        let signature = &self.session.signature;
        let inputs = signature.inputs.tensors(&self.inputs, "inputs")?;
        if let Some(missing) = signature.inputs.missing(&inputs) {
            return Err(Error::request("inputs", missing));
        }
        let (products, expected) = self.encode_products()?;
        let message = proto::EvaluateRequest {
            request_id: String::new(),
            graph: None,
            inputs,
            batch_size: self.batch_size,
            products,
            options: Some(self.options),
        };
        Ok(Encoded {
            message,
            expected,
            timeout: self.timeout,
        })
    }

    fn encode_products(&self) -> Result<(Vec<proto::Product>, Vec<Expected>), Error> {
        let encode = |(i, product): (usize, &Product)| {
            let encoded = product.encode(&self.session.signature, &format!("products[{i}]"))?;
            Ok((encoded.message, Expected::new(product, encoded.places)))
        };
        self.products.iter().enumerate().map(encode).collect()
    }
}

impl Encoded {
    pub(super) fn decode(
        &self,
        session: &Session,
        reply: proto::EvaluateResponse,
    ) -> Result<Answer, Error> {
        answer::decode(reply, &session.signature, &self.expected)
    }

    /// The message for a graph of this id.
    pub(super) fn to_graph(&self, graph_id: &str) -> proto::EvaluateRequest {
        let graph = Some(proto::evaluate_request::Graph::GraphId(graph_id.to_owned()));
        proto::EvaluateRequest {
            graph,
            ..self.message.clone()
        }
    }
}

fn strings<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

fn named<N: Into<String>, T: Into<Tensor>>(
    tensors: impl IntoIterator<Item = (N, T)>,
) -> Vec<(String, Tensor)> {
    tensors
        .into_iter()
        .map(|(name, tensor)| (name.into(), tensor.into()))
        .collect()
}
