//! One handler for each rpc. They read like the data flow; what they call is next door.

mod check;
mod evaluate;
mod familiar;
mod graphs;
mod stream;
mod tensors;

use crate::{
    cache::Cache,
    coalesce::Coalescer,
    config::Config,
    error::Result,
    executor::{Bounds, Executor},
    store::{GraphStore, TensorStore},
    telemetry::observe,
    transport::guard::Deadline,
    wire::{answer::Answer, encode, request::reply_limit},
};
use bytes::Bytes;
pub use familiar::Call;
use familiar::Familiars;
use futures::stream::BoxStream;
use gradient_engine::{Limits, Stop};
use gradient_proto::v1::{self as pb, gradient_service_server::GradientService};
use prost::Message;
use std::{io, pin::pin, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// The gradient service.
#[derive(Clone)]
pub struct Gradient(Arc<Core>);

struct Core {
    config: Arc<Config>,
    limits: Limits,
    graphs: GraphStore,
    tensors: Arc<TensorStore>,
    cache: Cache,
    executor: Executor,
    coalescer: Coalescer,
    familiars: Familiars,
    /// The server is shutting down: streams end after what they have begun.
    draining: CancellationToken,
}

impl Gradient {
    /// Starts the threads that compute.
    pub fn new(config: Arc<Config>, draining: CancellationToken) -> io::Result<Self> {
        let executor = Executor::start(Bounds {
            threads: config.compute_threads(),
            queue: config.queue,
            queue_bytes: config.queue_bytes,
        })?;
        let cache = Cache::new(config.cache_bytes, executor.clone());
        let coalescer = Coalescer::start(&config, executor.clone(), cache.clone())?;
        let limits = Limits {
            max_nodes: config.max_nodes,
            max_elements: config.max_elements,
            max_functions: config.max_functions,
            ..Limits::default()
        };
        Ok(Self(Arc::new(Core {
            limits,
            graphs: GraphStore::new(config.graph_bytes),
            tensors: Arc::new(TensorStore::new(config.tensor_bytes)),
            cache,
            executor,
            coalescer,
            familiars: Familiars::new(),
            config,
            draining,
        })))
    }
}

impl Gradient {
    /// Reads the message of a call of Evaluate; `None` if it is none.
    pub fn read(&self, message: Bytes) -> Option<Call> {
        self.0.familiars.read(message)
    }

    /// Answers a call of Evaluate.
    pub async fn evaluate_until(&self, call: Call, deadline: Option<Instant>) -> Result<Answer> {
        let evaluating = self.0.answer(call, StopOnDrop::until(deadline));
        observe("Evaluate", pin!(evaluating)).await
    }
}

#[tonic::async_trait]
impl GradientService for Gradient {
    async fn register_graph(
        &self,
        request: Request<pb::RegisterGraphRequest>,
    ) -> Result<Response<pb::RegisterGraphResponse>, Status> {
        let graph = request.into_inner().graph;
        answer(observe("RegisterGraph", pin!(self.0.register(graph))).await)
    }

    async fn get_graph(
        &self,
        request: Request<pb::GetGraphRequest>,
    ) -> Result<Response<pb::GetGraphResponse>, Status> {
        let describing = self.0.describe(request.into_inner());
        answer(observe("GetGraph", pin!(describing)).await)
    }

    async fn evaluate(
        &self,
        request: Request<pb::EvaluateRequest>,
    ) -> Result<Response<pb::EvaluateResponse>, Status> {
        let stop = StopOnDrop::until(deadline(&request));
        let evaluating = self.0.evaluate(request.into_inner(), stop);
        let evaluated = observe("Evaluate", pin!(evaluating)).await;
        answer(evaluated.map(Answer::into_message))
    }

    type EvaluateStreamStream = BoxStream<'static, Result<pb::EvaluateStreamResponse, Status>>;

    async fn evaluate_stream(
        &self,
        request: Request<Streaming<pb::EvaluateStreamRequest>>,
    ) -> Result<Response<Self::EvaluateStreamStream>, Status> {
        let deadline = deadline(&request);
        let answers = stream::answers(self.0.clone(), request.into_inner(), deadline);
        Ok(Response::new(answers))
    }

    async fn plan_evaluation(
        &self,
        request: Request<pb::PlanEvaluationRequest>,
    ) -> Result<Response<pb::PlanEvaluationResponse>, Status> {
        let planning = self.0.plan(request.into_inner());
        answer(observe("PlanEvaluation", pin!(planning)).await)
    }

    async fn differentiate_graph(
        &self,
        request: Request<pb::DifferentiateGraphRequest>,
    ) -> Result<Response<pb::DifferentiateGraphResponse>, Status> {
        let differentiating = self.0.differentiate(request.into_inner());
        answer(observe("DifferentiateGraph", pin!(differentiating)).await)
    }

    async fn check_derivatives(
        &self,
        request: Request<pb::CheckDerivativesRequest>,
    ) -> Result<Response<pb::CheckDerivativesResponse>, Status> {
        let stop = StopOnDrop::until(deadline(&request));
        let checking = self.0.check(request.into_inner(), stop);
        answer(observe("CheckDerivatives", pin!(checking)).await)
    }

    async fn list_ops(
        &self,
        _: Request<pb::ListOpsRequest>,
    ) -> Result<Response<pb::ListOpsResponse>, Status> {
        answer(observe("ListOps", pin!(async { Ok(encode::ops()) })).await)
    }

    async fn put_tensor(
        &self,
        request: Request<Streaming<pb::PutTensorRequest>>,
    ) -> Result<Response<pb::PutTensorResponse>, Status> {
        let putting = self.0.put_tensor(request.into_inner());
        answer(observe("PutTensor", pin!(putting)).await)
    }
}

fn answer<T>(result: Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

fn deadline<T>(request: &Request<T>) -> Option<Instant> {
    request.extensions().get::<Deadline>().map(|d| d.0)
}

impl Core {
    /// Refuses an answer that is larger than a message.
    fn sendable<M: Message>(&self, message: M, repair: &str) -> Result<M> {
        self.admit_reply(message.encoded_len(), repair)?;
        Ok(message)
    }

    fn admit_reply(&self, bytes: usize, repair: &str) -> Result<()> {
        let (value, asked) = (self.config.max_message_bytes, bytes as u64);
        match asked > value {
            true => Err(reply_limit(value, asked, repair)),
            false => Ok(()),
        }
    }
}

/// Stops a computation when the one who waits for it is gone: a call's future is dropped when its client
/// cancels, disconnects, or when its deadline passes.
struct StopOnDrop {
    flag: Arc<Stop>,
    deadline: Option<Instant>,
}

impl StopOnDrop {
    fn until(deadline: Option<Instant>) -> Self {
        let flag = Arc::new(Stop::new(deadline));
        Self { flag, deadline }
    }

    fn flag(&self) -> Arc<Stop> {
        self.flag.clone()
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.flag.cancel();
    }
}
