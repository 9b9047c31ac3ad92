//! A server for one test, and short ways to write graphs and requests.

use gradient_proto::v1::{self as pb, gradient_service_client::GradientServiceClient};
use gradient_server::{Config, run};
use std::{collections::HashMap, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

pub type Client = GradientServiceClient<Channel>;

pub const SERVICE: &str = "gradient.v1.GradientService";

/// A running server. Dropped, it shuts down.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(run(listener, config, async {
            let _ = stopped.await;
        }));
        let stop = Some(stop);
        Self {
            address,
            stop,
            task,
        }
    }

    /// Two threads, small bounds, quick to drain.
    pub async fn small() -> Self {
        Self::start(small()).await
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn client(&self) -> Client {
        const LARGE: usize = 256 << 20;
        let client = GradientServiceClient::new(self.channel().await);
        client
            .max_decoding_message_size(LARGE)
            .max_encoding_message_size(LARGE)
    }

    /// A unary call by grpc-web over HTTP/1.1, by hand: no library adds anything. Gives all that came back.
    pub async fn web_call(&self, method: &str, headers: &str, message: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /{SERVICE}/{method} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\
             content-type: application/grpc-web+proto\r\ncontent-length: {}\r\n\r\n",
            message.len() + 5
        );
        let mut request = head.into_bytes();
        request.push(0);
        request.extend((message.len() as u32).to_be_bytes());
        request.extend(message);
        stream.write_all(&request).await.unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asks it to shut down.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until it has.
    pub async fn stopped(mut self) -> anyhow::Result<()> {
        self.stop();
        self.task.await.unwrap()
    }
}

pub fn small() -> Config {
    Config {
        threads: 2,
        max_message_bytes: 1 << 20,
        drain_timeout: Duration::from_secs(5),
        ..Config::default()
    }
}

/// Builds a graph: inputs first, then nodes, then outputs.
#[derive(Default)]
pub struct Builder {
    pub graph: pb::Graph,
}

impl Builder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn input(&mut self, name: &str, shape: &[u64]) -> u32 {
        self.typed(name, pb::Dtype::F64, shape)
    }

    pub fn typed(&mut self, name: &str, dtype: pb::Dtype, shape: &[u64]) -> u32 {
        assert!(self.graph.nodes.is_empty(), "inputs come first");
        self.graph.inputs.push(pb::Input {
            name: name.into(),
            r#type: Some(pb::TensorType {
                dtype: dtype.into(),
                shape: shape.to_vec(),
            }),
        });
        self.graph.inputs.len() as u32 - 1
    }

    pub fn node(&mut self, op: pb::Op, operands: &[u32]) -> u32 {
        self.with(op, operands, None)
    }

    pub fn with(&mut self, op: pb::Op, operands: &[u32], a: Option<pb::node::Attributes>) -> u32 {
        self.graph.nodes.push(pb::Node {
            op: op.into(),
            operands: operands.to_vec(),
            attributes: a,
            ..Default::default()
        });
        (self.graph.inputs.len() + self.graph.nodes.len()) as u32 - 1
    }

    pub fn constant(&mut self, value: pb::Tensor) -> u32 {
        let value = Some(value);
        let constant = pb::node::Attributes::Constant(Box::new(pb::Constant { value }));
        self.with(pb::Op::Constant, &[], Some(constant))
    }

    pub fn sum(&mut self, value: u32) -> u32 {
        let reduce = pb::node::Attributes::Reduce(Box::default());
        self.with(pb::Op::ReduceSum, &[value], Some(reduce))
    }

    pub fn output(&mut self, name: &str, value: u32) -> &mut Self {
        let name = name.into();
        self.graph.outputs.push(pb::Output { name, value });
        self
    }

    pub fn done(&mut self) -> pb::Graph {
        self.graph.clone()
    }
}

/// f = a b + sin(a), under the given names.
pub fn scalar_graph(a: &str, b: &str, f: &str) -> pb::Graph {
    let mut g = Builder::new();
    let (x, y) = (g.input(a, &[]), g.input(b, &[]));
    let product = g.node(pb::Op::Multiply, &[x, y]);
    let sine = g.node(pb::Op::Sin, &[x]);
    let sum = g.node(pb::Op::Add, &[product, sine]);
    g.output(f, sum).done()
}

/// v = w ∘ w (n elements), s = Σ v.
pub fn vector_graph(n: u64) -> pb::Graph {
    let mut g = Builder::new();
    let w = g.input("w", &[n]);
    let v = g.node(pb::Op::Multiply, &[w, w]);
    let s = g.sum(v);
    g.output("v", v).output("s", s).done()
}

/// A graph of one scalar input that takes seconds: `steps` sines of a million elements each.
pub fn slow_graph(steps: usize) -> pb::Graph {
    let mut g = Builder::new();
    let x = g.input("x", &[]);
    let broadcast = pb::BroadcastInDim {
        shape: vec![1_000_000],
        dimensions: vec![],
    };
    let broadcast = pb::node::Attributes::BroadcastInDim(Box::new(broadcast));
    let every = g.with(pb::Op::BroadcastInDim, &[x], Some(broadcast));
    // Different ones: what is the same everywhere is worked out once.
    let iota = pb::Iota {
        r#type: Some(pb::TensorType {
            dtype: pb::Dtype::F64.into(),
            shape: vec![1_000_000],
        }),
        dimension: 0,
    };
    let iota = pb::node::Attributes::Iota(Box::new(iota));
    let iota = g.with(pb::Op::Iota, &[], Some(iota));
    let mut v = g.node(pb::Op::Add, &[every, iota]);
    for _ in 0..steps {
        v = g.node(pb::Op::Sin, &[v]);
    }
    let s = g.sum(v);
    g.output("s", s).done()
}

pub fn tensor(shape: &[u64], values: &[f64]) -> pb::Tensor {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    pb::Tensor {
        dtype: pb::Dtype::F64.into(),
        shape: shape.to_vec(),
        data: Some(pb::tensor::Data::Raw(raw.into())),
    }
}

pub fn scalar(value: f64) -> pb::Tensor {
    tensor(&[], &[value])
}

pub fn numbers(tensor: &pb::Tensor) -> Vec<f64> {
    let Some(pb::tensor::Data::Raw(raw)) = &tensor.data else {
        panic!("raw data expected: {tensor:?}")
    };
    let chunks = raw.chunks_exact(8);
    chunks
        .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
        .collect()
}

pub fn block(result: &pb::Result, i: usize) -> &pb::Tensor {
    match &result.blocks[i].data {
        Some(pb::block::Data::Tensor(tensor)) => tensor,
        other => panic!("a dense block expected: {other:?}"),
    }
}

pub fn inputs(list: &[(&str, pb::Tensor)]) -> HashMap<String, pb::Tensor> {
    let owned = list
        .iter()
        .map(|(name, tensor)| (name.to_string(), tensor.clone()));
    owned.collect()
}

pub fn by_id(id: &str) -> Option<pb::evaluate_request::Graph> {
    Some(pb::evaluate_request::Graph::GraphId(id.into()))
}

pub fn inline(graph: pb::Graph) -> Option<pb::evaluate_request::Graph> {
    Some(pb::evaluate_request::Graph::InlineGraph(graph))
}

pub fn product(product: pb::product::Product) -> pb::Product {
    pb::Product {
        product: Some(product),
    }
}

pub fn value() -> pb::Product {
    product(pb::product::Product::Value(pb::Value::default()))
}

pub fn gradient(output: &str, wrt: &[&str]) -> pb::Product {
    product(pb::product::Product::Gradient(pb::Gradient {
        output: output.into(),
        wrt: wrt.iter().map(|s| s.to_string()).collect(),
    }))
}

pub fn jacobian(outputs: &[&str], wrt: &[&str]) -> pb::Product {
    product(pb::product::Product::Jacobian(pb::Jacobian {
        outputs: outputs.iter().map(|s| s.to_string()).collect(),
        wrt: wrt.iter().map(|s| s.to_string()).collect(),
        layout: 0,
    }))
}

pub async fn register(client: &mut Client, graph: pb::Graph) -> String {
    let request = pb::RegisterGraphRequest { graph: Some(graph) };
    let answer = client.register_graph(request).await.unwrap();
    answer.into_inner().graph_id
}

/// An evaluation of `slow_graph` by id.
pub fn slow_request(id: &str) -> pb::EvaluateRequest {
    pb::EvaluateRequest {
        graph: by_id(id),
        inputs: inputs(&[("x", scalar(0.5))]),
        products: vec![value()],
        ..Default::default()
    }
}

/// The paths of a BadRequest.
pub fn paths(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request();
    let fields = bad.map(|b| b.field_violations).unwrap_or_default();
    fields
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// Checks code, first path, and a part of the message.
#[track_caller]
pub fn assert_status(status: &Status, code: Code, path: &str, part: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    if !path.is_empty() {
        assert_eq!(
            paths(status).first().map(String::as_str),
            Some(path),
            "{status:?}"
        );
    }
    assert!(
        status.message().contains(part),
        "{:?} lacks {part:?}",
        status.message()
    );
}
