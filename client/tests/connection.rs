//! The client against a scripted server: what it sends, and what it does when things go wrong.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use gradient_client::{
    ALL, Array, Client, ConnectOptions, Dtype, Error, Graph, GraphBuilder, Session,
    proto::{
        self, Tensor,
        gradient_service_server::{GradientService, GradientServiceServer},
        product::Product as Kind,
    },
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Answers a value with the first input and a derivative with zeros, all blocks under another client's names.
#[derive(Default)]
struct Script {
    registered: AtomicBool,
    registrations: AtomicU32,
    /// What Evaluate fails with before it answers.
    failures: Mutex<VecDeque<Status>>,
    delay: Mutex<Duration>,
    /// Metadata x-graph-id, and the request.
    seen: Mutex<Vec<(String, proto::EvaluateRequest)>>,
}

#[derive(Clone)]
struct Server(Arc<Script>);

fn not_registered() -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(
        "GRAPH_NOT_REGISTERED",
        "gradient.v1",
        [("graph_id".into(), ID.into())],
    );
    Status::with_error_details(Code::NotFound, "not here", details)
}

impl Server {
    fn answer(&self, request: &proto::EvaluateRequest) -> Result<proto::EvaluateResponse, Status> {
        if let Some(failure) = self.0.failures.lock().unwrap().pop_front() {
            return Err(failure);
        }
        if !self.0.registered.load(SeqCst) {
            return Err(not_registered());
        }
        let block = |tensor: &Tensor| proto::Block {
            output: "their output".into(),
            wrt: "their input".into(),
            data: Some(proto::block::Data::Tensor(tensor.clone())),
            ..Default::default()
        };
        let first = block(&request.inputs["#0"]);
        let results = request.products.iter().map(|product| {
            let blocks = match product.product.as_ref().unwrap() {
                Kind::Gradient(gradient) => gradient
                    .wrt
                    .iter()
                    .map(|name| block(&request.inputs[name]))
                    .collect(),
                _ => vec![first.clone()],
            };
            proto::Result { blocks, plan: None }
        });
        Ok(proto::EvaluateResponse {
            graph_id: ID.into(),
            results: results.collect(),
            ..Default::default()
        })
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl GradientService for Server {
    type EvaluateStreamStream = Answers<proto::EvaluateStreamResponse>;

    async fn register_graph(
        &self,
        request: Request<proto::RegisterGraphRequest>,
    ) -> Result<Response<proto::RegisterGraphResponse>, Status> {
        assert!(request.get_ref().graph.is_some());
        self.0.registered.store(true, SeqCst);
        self.0.registrations.fetch_add(1, SeqCst);
        Ok(Response::new(proto::RegisterGraphResponse {
            graph_id: ID.into(),
            created: true,
            statistics: None,
        }))
    }

    async fn evaluate(
        &self,
        request: Request<proto::EvaluateRequest>,
    ) -> Result<Response<proto::EvaluateResponse>, Status> {
        let id = request
            .metadata()
            .get("x-graph-id")
            .map(|id| id.to_str().unwrap().to_owned());
        let request = request.into_inner();
        self.0
            .seen
            .lock()
            .unwrap()
            .push((id.unwrap_or_default(), request.clone()));
        let delay = *self.0.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        self.answer(&request).map(Response::new)
    }

    async fn evaluate_stream(
        &self,
        request: Request<Streaming<proto::EvaluateStreamRequest>>,
    ) -> Result<Response<Self::EvaluateStreamStream>, Status> {
        assert_eq!(request.metadata().get("x-graph-id").unwrap(), ID);
        let server = self.clone();
        let answers = request.into_inner().map(move |request| {
            let request = request?.request.unwrap();
            let result = match server.answer(&request) {
                Ok(response) => proto::evaluate_stream_response::Result::Response(response),
                Err(status) => {
                    proto::evaluate_stream_response::Result::Error(tonic_types::Status {
                        code: status.code() as i32,
                        message: status.message().to_owned(),
                        details: prost::Message::decode(status.details())
                            .map(|s: tonic_types::Status| s.details)
                            .unwrap(),
                    })
                }
            };
            Ok(proto::EvaluateStreamResponse {
                result: Some(result),
            })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn get_graph(
        &self,
        request: Request<proto::GetGraphRequest>,
    ) -> Result<Response<proto::GetGraphResponse>, Status> {
        let tensor_type = Some(proto::TensorType {
            dtype: proto::Dtype::F32 as i32,
            shape: vec![2],
        });
        Ok(Response::new(proto::GetGraphResponse {
            graph_id: request.into_inner().graph_id,
            inputs: vec![proto::Input {
                name: "x".into(),
                r#type: tensor_type.clone(),
            }],
            outputs: vec![proto::OutputSignature {
                name: "f".into(),
                r#type: tensor_type,
            }],
            ..Default::default()
        }))
    }

    async fn plan_evaluation(
        &self,
        _: Request<proto::PlanEvaluationRequest>,
    ) -> Result<Response<proto::PlanEvaluationResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn differentiate_graph(
        &self,
        _: Request<proto::DifferentiateGraphRequest>,
    ) -> Result<Response<proto::DifferentiateGraphResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn check_derivatives(
        &self,
        _: Request<proto::CheckDerivativesRequest>,
    ) -> Result<Response<proto::CheckDerivativesResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn list_ops(
        &self,
        _: Request<proto::ListOpsRequest>,
    ) -> Result<Response<proto::ListOpsResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }

    async fn put_tensor(
        &self,
        _: Request<Streaming<proto::PutTensorRequest>>,
    ) -> Result<Response<proto::PutTensorResponse>, Status> {
        Err(Status::unimplemented("not in the script"))
    }
}

async fn start() -> (Arc<Script>, Client) {
    let script = Arc::new(Script::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = GradientServiceServer::new(Server(script.clone()));
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    (script, Client::connect(&address.to_string()).await.unwrap())
}

fn graph() -> Graph {
    let g = GraphBuilder::new("test");
    let (x, k) = (g.input("x", [2]), g.input_typed("k", Dtype::I64, []));
    let scaled = &x * k.convert(Dtype::F64);
    g.finish([("f", scaled.sum()), ("parts", scaled)]).unwrap()
}

fn value(session: &Session) -> gradient_client::Request {
    session
        .at([("x", [1.0, 2.0])])
        .input("k", 3.0)
        .gradient("f", ["x"])
}

#[tokio::test]
async fn registers_once_speaks_of_positions_and_answers_in_own_names() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    for _ in 0..2 {
        let answer = value(&session).send().await.unwrap();
        assert_eq!(answer.gradient("x").unwrap().data(), [1.0, 2.0]);
        assert_eq!(answer.results[0].blocks[0].output.as_deref(), Some("f"));
        assert!(matches!(answer.value("f"), Err(Error::Missing(_))));
    }
    assert_eq!(script.registrations.load(SeqCst), 1);
    let seen = script.seen.lock().unwrap();
    let (id, request) = &seen[0];
    assert_eq!(id, ID);
    assert_eq!(
        request.inputs["#1"].dtype,
        proto::Dtype::I64 as i32,
        "3.0 is sent as what the input is"
    );
    let Some(Kind::Gradient(gradient)) = &request.products[0].product else {
        panic!("{request:?}")
    };
    assert_eq!(
        (gradient.output.as_str(), gradient.wrt.as_slice()),
        ("#0", &["#0".to_owned()][..])
    );
}

#[tokio::test]
async fn a_lost_graph_is_registered_again_once() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    value(&session).send().await.unwrap();
    script.registered.store(false, SeqCst);
    value(&session).send().await.unwrap();
    assert_eq!(script.registrations.load(SeqCst), 2);
    // Lost twice in a row is an answer.
    script
        .failures
        .lock()
        .unwrap()
        .extend([not_registered(), not_registered()]);
    let error = value(&session).send().await.unwrap_err();
    assert!(error.rpc().unwrap().is_graph_not_registered(), "{error}");
    assert_eq!(script.registrations.load(SeqCst), 3);
    // A session that was opened by id has nothing to register.
    let opened = client.open(ID).await.unwrap();
    script.registered.store(false, SeqCst);
    let error = opened
        .at([("x", [1.0, 2.0])])
        .value()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.rpc().unwrap().metadata["graph_id"], ID);
}

#[tokio::test]
async fn an_unavailable_server_is_tried_again_but_a_refusal_is_final() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    let busy = Status::with_error_details(
        Code::ResourceExhausted,
        "busy",
        ErrorDetails::with_retry_info(Some(Duration::from_millis(5))),
    );
    script
        .failures
        .lock()
        .unwrap()
        .extend([Status::unavailable("restarting"), busy]);
    value(&session).send().await.unwrap();
    assert_eq!(script.seen.lock().unwrap().len(), 3);

    script
        .failures
        .lock()
        .unwrap()
        .extend((0..10).map(|_| Status::unavailable("gone")));
    let error = value(&session).send().await.unwrap_err();
    assert_eq!(error.rpc().unwrap().code, Code::Unavailable);
    assert_eq!(
        script.seen.lock().unwrap().len(),
        3 + ConnectOptions::default().attempts as usize
    );

    let violation =
        ErrorDetails::with_bad_request_violation("inputs[\"#1\"]", "8 bytes are expected, not 9");
    let refusal = Status::with_error_details(
        Code::InvalidArgument,
        "inputs[\"#1\"]: 8 bytes are expected, not 9",
        violation,
    );
    *script.failures.lock().unwrap() = [refusal, Status::resource_exhausted("for good")].into();
    let error = value(&session).send().await.unwrap_err();
    assert_eq!(error.violations()[0].path, "inputs[\"k\"]");
    let text = "INVALID_ARGUMENT: inputs[\"k\"]: 8 bytes are expected, not 9";
    assert_eq!(error.to_string(), text);
    let error = value(&session).send().await.unwrap_err();
    assert_eq!(error.to_string(), "RESOURCE_EXHAUSTED: for good");
}

#[tokio::test]
async fn a_deadline_passes_as_one() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    session.graph_id().await.unwrap();
    *script.delay.lock().unwrap() = Duration::from_secs(10);
    let start = Instant::now();
    let error = value(&session)
        .timeout(Duration::from_millis(50))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.rpc().unwrap().code, Code::DeadlineExceeded, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_does_not_fit_the_graph_is_not_sent() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    let cases = [
        (
            session.at([("x", [1.0, 2.0])]).value(),
            "inputs: input \"k\", i64, is missing",
        ),
        (
            value(&session).input("x", 1.0),
            "inputs[\"x\"]: it is given twice",
        ),
        (
            value(&session).input("z", 1.0),
            "inputs[\"z\"]: the graph has no input \"z\"; it has \"x\", \"k\"",
        ),
        (
            session.at([("k", 0.5)]),
            "inputs[\"k\"]: f64 holds a number that is no i64",
        ),
        (
            value(&session).gradient("f", ["x", "y"]),
            "products[1].gradient.wrt[1]: the graph has no input \"y\"",
        ),
        (
            value(&session).gradient("f", ["x", "x"]),
            "products[1].gradient.wrt: \"x\" is named twice",
        ),
        (
            value(&session).hessian("g", ALL),
            "products[1].hessian.output: the graph has no output \"g\"",
        ),
        (
            value(&session).vjp([("#2", 1.0)]),
            "products[1].vector_jacobian_product.cotangents[\"#2\"]: the graph has no output",
        ),
    ];
    for (request, message) in cases {
        let error = request.send().await.unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{error:?}");
        assert!(
            error.to_string().starts_with(message),
            "{error} is not {message}"
        );
    }
    assert!(script.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stream_answers_in_order_and_survives_failures() {
    let (script, client) = start().await;
    let session = client.session(&graph());
    session.graph_id().await.unwrap();
    script.registered.store(false, SeqCst);
    *script.failures.lock().unwrap() = [Status::invalid_argument("no")].into();
    let requests: Vec<_> = (0..20)
        .map(|i| match i {
            5 => session.at([("x", [5.0, 5.0])]).value(), // k is missing
            _ => session
                .at([("x", [f64::from(i), 0.0])])
                .input("k", 1.0)
                .gradient("f", ["x"]),
        })
        .collect();
    let answers = session.stream(stream::iter(requests), 3).await.unwrap();
    let answers: Vec<_> = answers.collect().await;
    assert_eq!(answers.len(), 20);
    for (i, answer) in answers.into_iter().enumerate() {
        match (i, answer) {
            (0, Err(Error::Rpc(error))) => assert_eq!(error.code, Code::InvalidArgument),
            (5, Err(Error::Request(_))) => (),
            (_, answer) => assert_eq!(answer.unwrap().gradient("x").unwrap()[[0]], i as f64),
        }
    }
    assert_eq!(
        script.registrations.load(SeqCst),
        2,
        "the lost graph came back"
    );
}

#[tokio::test]
async fn nobody_there_is_told_with_the_reason() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Client::connect(&free.to_string())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("cannot connect to http://{free}: ")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    let error = Client::connect("http://").await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
}

#[test]
fn tensors_survive_the_wire() {
    use gradient_client::Tensor;
    let tensors: [Tensor; 5] = [
        vec![1.5, f64::NEG_INFINITY, -0.0].into(),
        [[1.0f32, f32::MIN_POSITIVE]].into(),
        Array::scalar(i64::MIN).into(),
        [true, false].into(),
        Array::<f64>::new([2, 0, 3], vec![]).unwrap().into(),
    ];
    for tensor in tensors {
        assert_eq!(Tensor::from_proto(&tensor.to_proto()).unwrap(), tensor);
    }
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let back = Tensor::from_proto(&Tensor::from(nan).to_proto()).unwrap();
    assert_eq!(
        back.as_array::<f64>().unwrap().item().unwrap().to_bits(),
        nan.to_bits()
    );
    let mut short = Tensor::from([1.0, 2.0]).to_proto();
    short.shape = vec![3];
    assert_eq!(
        Tensor::from_proto(&short).unwrap_err(),
        "16 bytes for f64[3]"
    );
    short.shape = vec![u64::MAX, u64::MAX];
    assert!(Tensor::from_proto(&short).is_err());
}
