//! Requests to one graph, and their answers.

mod answer;
mod product;
mod request;
mod signature;
mod stream;

use std::{sync::Arc, time::Duration};

use gradient_proto::v1 as proto;
use tokio::sync::OnceCell;
use tonic::{Response, Status};

pub use answer::{Answer, Block, BlockData, Plan, PlanAnswer, ProductResult, Timing};
pub use product::{ALL, Product};
pub use request::Request;

use crate::{
    client::{Call, Client, Stub},
    error::Error,
    graph::Graph,
    tensor::{Tensor, Type},
};
use request::Encoded;
use signature::Signature;

/// One graph on one connection. Cloning it shares both.
///
/// A session of a [`Graph`] registers it with the first request, and again whenever the server has lost it. On the
/// wire it names inputs and outputs by position ("#0", "#1", …), which no other client's names for the same graph
/// can confuse; answers and errors bear the names of the graph it was opened with.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    graph: Option<Graph>,
    signature: Arc<Signature>,
    graph_id: Arc<OnceCell<String>>,
}

/// A derivative, as a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivative {
    /// Its inputs are those of the graph, then the seeds. Outputs are named after the blocks: "d f / d x".
    pub graph: Graph,
    /// Its id; it is registered.
    pub graph_id: String,
    /// How it was derived.
    pub plan: Plan,
}

impl Session {
    pub(crate) fn of_graph(client: Client, graph: Graph) -> Self {
        let signature = Arc::new(Signature::of_graph(&graph));
        Self {
            client,
            graph: Some(graph),
            signature,
            graph_id: Arc::default(),
        }
    }

    pub(crate) fn of_id(client: Client, found: proto::GetGraphResponse) -> Self {
        let signature = Arc::new(Signature::of_reply(&found));
        Self {
            client,
            graph: None,
            signature,
            graph_id: Arc::new(OnceCell::new_with(Some(found.graph_id))),
        }
    }

    /// A request at a point.
    pub fn at<N: Into<String>, T: Into<Tensor>>(
        &self,
        inputs: impl IntoIterator<Item = (N, T)>,
    ) -> Request {
        self.request().inputs(inputs)
    }

    /// A request whose point is still to be given.
    pub fn request(&self) -> Request {
        Request::new(self.clone())
    }

    /// Name and type of each input, in order; the type is `None` where only the server knows it.
    pub fn inputs(&self) -> Vec<(&str, Option<Type>)> {
        self.signature.inputs.list()
    }

    /// Name and type of each output, in order; the type is `None` where only the server knows it.
    pub fn outputs(&self) -> Vec<(&str, Option<Type>)> {
        self.signature.outputs.list()
    }

    /// The graph's id; registers it if that has not happened yet.
    ///
    /// # Errors
    /// As [`Client::register`].
    pub async fn graph_id(&self) -> Result<&str, Error> {
        self.id_within(None).await
    }

    async fn id_within(&self, timeout: Option<Duration>) -> Result<&str, Error> {
        let register = async || match &self.graph {
            Some(graph) => Ok(self.client.register_within(graph, timeout).await?.graph_id),
            None => Err(Error::Missing("graph to register".into())),
        };
        self.graph_id
            .get_or_try_init(register)
            .await
            .map(String::as_str)
    }

    async fn evaluate(&self, encoded: &Encoded) -> Result<Answer, Error> {
        let message = |graph_id: &str| encoded.to_graph(graph_id);
        let reply = self
            .with_graph(encoded.timeout, message, |mut stub, request| async move {
                stub.evaluate(request).await
            })
            .await?;
        encoded.decode(self, reply)
    }

    async fn differentiate(
        &self,
        product: &proto::Product,
        options: proto::EvaluateOptions,
        timeout: Option<Duration>,
    ) -> Result<Derivative, Error> {
        // Sent along with the question, the graph brings its own names, which the derivative's are made of.
        let inline = |graph: &Graph| {
            proto::differentiate_graph_request::Graph::InlineGraph(graph.proto().clone())
        };
        let message = |graph_id: &str| proto::DifferentiateGraphRequest {
            graph: Some(match &self.graph {
                Some(graph) => inline(graph),
                None => proto::differentiate_graph_request::Graph::GraphId(graph_id.to_owned()),
            }),
            product: Some(product.clone()),
            options: Some(options),
        };
        let reply = self.with_graph(timeout, message, |mut stub, request| async move {
            stub.differentiate_graph(request).await
        });
        let reply = reply.await?;
        Ok(Derivative {
            graph: Graph::from_proto(
                reply
                    .graph
                    .ok_or_else(|| Error::Protocol("no graph".into()))?,
            ),
            graph_id: reply.graph_id,
            plan: reply.plan.unwrap_or_default().into(),
        })
    }

    async fn check(
        &self,
        message: proto::CheckDerivativesRequest,
        timeout: Option<Duration>,
    ) -> Result<proto::CheckDerivativesResponse, Error> {
        use proto::check_derivatives_request::Graph as Source;
        // Verdicts speak of the graph's own names, so it comes along where it can.
        let message = |graph_id: &str| proto::CheckDerivativesRequest {
            graph: Some(match &self.graph {
                Some(graph) => Source::InlineGraph(graph.proto().clone()),
                None => Source::GraphId(graph_id.to_owned()),
            }),
            ..message.clone()
        };
        self.with_graph(timeout, message, |mut stub, request| async move {
            stub.check_derivatives(request).await
        })
        .await
    }

    /// Makes a call that names the graph. If the server has lost the graph, registers it again and retries once.
    async fn with_graph<Q, R, F>(
        &self,
        timeout: Option<Duration>,
        message: impl Fn(&str) -> Q,
        rpc: impl Fn(Stub, tonic::Request<Q>) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let id = self.id_within(timeout).await?;
        let call = Call {
            graph_id: Some(id),
            timeout,
        };
        let mut result = self.client.call(call, || message(id), &rpc).await;
        if let (Err(Error::Rpc(error)), Some(graph)) = (&result, &self.graph)
            && error.is_graph_not_registered()
        {
            self.client.register_within(graph, timeout).await?;
            result = self.client.call(call, || message(id), &rpc).await;
        }
        result.map_err(|error| self.translate(error))
    }

    /// Puts this client's names where the server speaks of positions.
    fn translate(&self, mut error: Error) -> Error {
        if let Error::Rpc(error) = &mut error {
            self.signature.translate(error);
        }
        error
    }
}
