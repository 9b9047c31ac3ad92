//! GradBench's protocol in front of the service: a graph is built and registered once for each shape, data stay on the
//! server, and a run is one Evaluate call.
//!
//! The evals' functions and formats: <https://github.com/gradbench/gradbench/tree/main/evals>.

mod bundle;
mod descent;
mod hand;
mod loops;
mod mixture;
mod read;
mod small;

use gradient_client::{Client, Graph, Stub, Tensor};
use gradient_proto::v1 as pb;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Why there is no answer.
type Failure = Box<dyn std::error::Error>;

/// Bytes of a message of an upload.
const CHUNK: usize = 1 << 20;

/// What an eval asks for, ready to be sent.
struct Work {
    /// Of everything that the graph depends on.
    shape: String,
    graph: Box<dyn Fn() -> Result<Graph, gradient_client::BuildError>>,
    /// Inputs that go with every request.
    point: Vec<(&'static str, Tensor)>,
    /// Inputs that the server keeps.
    data: Vec<(&'static str, Tensor)>,
    products: Vec<pb::product::Product>,
    output: Box<dyn Fn(&Found) -> Result<Value, Failure>>,
}

/// The work of a function of an eval, if there are such.
fn work(module: &str, function: &str, input: &Value) -> Result<Work, Failure> {
    match module {
        "hello" => small::hello(function, input),
        "llsq" => small::least_squares(function, input),
        "lse" => small::log_sum_exp(function, input),
        "det" => small::determinant(function, input),
        "kmeans" => mixture::k_means(function, input),
        "gmm" => mixture::mixture(function, input),
        "ode" => loops::ode(function, input),
        "lstm" => loops::lstm(function, input),
        "ba" => bundle::work(function, input),
        "ht" => hand::work(function, input),
        "saddle" => descent::saddle(function, input),
        "particle" => descent::particle(function, input),
        _ => Err(format!("no eval {module}").into()),
    }
}

/// Evals that the tool knows.
pub const EVALS: [&str; 12] = [
    "ba", "det", "gmm", "hello", "ht", "kmeans", "llsq", "lse", "lstm", "ode", "particle", "saddle",
];

fn unknown(function: &str) -> Failure {
    format!("no function {function}").into()
}

/// The numbers of a block.
struct Numbers {
    output: String,
    wrt: String,
    values: Vec<f64>,
    /// Of a sparse block, for each number its row and column.
    places: Vec<(u64, u64)>,
}

/// The blocks of all products.
struct Found(Vec<Numbers>);

impl Found {
    fn read(answer: &pb::EvaluateResponse) -> Result<Self, Failure> {
        let blocks = answer.results.iter().flat_map(|r| &r.blocks);
        let read = blocks.map(|block| {
            let (tensor, places) = match &block.data {
                Some(pb::block::Data::Tensor(tensor)) => (tensor, vec![]),
                Some(pb::block::Data::Sparse(sparse)) => {
                    let tensor = sparse.values.as_ref().ok_or("a block without numbers")?;
                    (tensor, places(sparse)?)
                }
                None => return Err("a block without data".into()),
            };
            let tensor = Tensor::from_proto(tensor)?;
            let array = tensor.as_array().ok_or("numbers are f64")?;
            Ok(Numbers {
                output: block.output.clone(),
                wrt: block.wrt.clone(),
                values: array.data().to_vec(),
                places,
            })
        });
        Ok(Self(read.collect::<Result<_, Failure>>()?))
    }

    /// The only number of the first block.
    fn number(&self) -> Result<Value, Failure> {
        Ok(json!(self.0.first().and_then(|b| b.values.first())))
    }

    /// The blocks' numbers, one after the other.
    fn all(&self) -> Vec<f64> {
        self.0
            .iter()
            .flat_map(|b| b.values.iter().copied())
            .collect()
    }

    fn block(&self, output: &str, wrt: &str) -> Result<&Numbers, Failure> {
        let found = self.0.iter().find(|b| b.output == output && b.wrt == wrt);
        found.ok_or_else(|| format!("no block {output} by {wrt}").into())
    }
}

fn places(sparse: &pb::SparseTensor) -> Result<Vec<(u64, u64)>, Failure> {
    let raw = gradient_client::SparseMatrix::from_proto(sparse)?;
    let pairs = raw.rows.iter().zip(&raw.columns);
    Ok(pairs.map(|(&r, &c)| (r as u64, c as u64)).collect())
}

fn value(outputs: &[&str]) -> pb::product::Product {
    pb::product::Product::Value(pb::Value {
        outputs: names(outputs),
    })
}

fn gradient(output: &str, wrt: &[&str]) -> pb::product::Product {
    pb::product::Product::Gradient(pb::Gradient {
        output: output.into(),
        wrt: names(wrt),
    })
}

fn jacobian(outputs: &[&str], wrt: &[&str], layout: pb::Layout) -> pb::product::Product {
    pb::product::Product::Jacobian(pb::Jacobian {
        outputs: names(outputs),
        wrt: names(wrt),
        layout: layout.into(),
    })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}

/// A tool of GradBench.
pub struct Tool {
    stub: Stub,
    /// Ids of the graphs, by shape.
    registered: HashMap<String, String>,
}

impl Tool {
    /// In front of this server.
    pub fn new(client: Client) -> Self {
        Self {
            stub: client.stub(),
            registered: HashMap::new(),
        }
    }

    /// The answer to a message.
    pub async fn answer(&mut self, message: &Value) -> Value {
        let mut answer = match message["kind"].as_str() {
            Some("start") => json!({"tool": "gradient"}),
            Some("define") => match message["module"].as_str() {
                Some(module) if EVALS.contains(&module) => json!({"success": true}),
                _ => json!({"success": false, "error": format!("no eval {}", message["module"])}),
            },
            Some("evaluate") => match self.evaluate(message).await {
                Ok(answer) => answer,
                Err(failure) => json!({"success": false, "error": failure.to_string()}),
            },
            // Results of the eval's own checks, and what later versions may tell.
            _ => json!({}),
        };
        answer["id"] = message["id"].clone();
        answer
    }

    async fn evaluate(&mut self, message: &Value) -> Result<Value, Failure> {
        let text = |name: &str| message[name].as_str().ok_or_else(|| format!("no {name}"));
        let (module, function, input) = (text("module")?, text("function")?, &message["input"]);
        let begin = Instant::now();
        let work = work(module, function, input)?;
        let request = self.request(&work).await?;
        // Compiles.
        self.stub.evaluate(request.clone()).await?;
        let mut timings = vec![timing("prepare", begin.elapsed())];

        let least = input["min_runs"].as_u64().unwrap_or(1).max(1);
        let seconds = Duration::try_from_secs_f64(input["min_seconds"].as_f64().unwrap_or(0.0))?;
        let (mut runs, mut elapsed) = (0, Duration::ZERO);
        let found = loop {
            let request = request.clone();
            let begin = Instant::now();
            let answer = self.stub.evaluate(request).await?.into_inner();
            let found = Found::read(&answer)?;
            let took = begin.elapsed();
            let server = answer.timing.unwrap_or_default();
            let parts = [server.queue, server.compile, server.execute];
            let parts = parts
                .into_iter()
                .flatten()
                .map(|p| Duration::try_from(p).unwrap_or_default());
            timings.extend([timing("evaluate", took), timing("server", parts.sum())]);
            (runs, elapsed) = (runs + 1, elapsed + took);
            if runs >= least && elapsed >= seconds {
                break found;
            }
        };
        Ok(json!({"success": true, "output": (work.output)(&found)?, "timings": timings}))
    }

    /// The request, with the graph registered and the data on the server.
    async fn request(&mut self, work: &Work) -> Result<pb::EvaluateRequest, Failure> {
        let id = match self.registered.get(&work.shape) {
            Some(id) => id.clone(),
            None => {
                let graph = Some((work.graph)()?.into_proto());
                let request = pb::RegisterGraphRequest { graph };
                let id = self
                    .stub
                    .register_graph(request)
                    .await?
                    .into_inner()
                    .graph_id;
                self.registered.insert(work.shape.clone(), id.clone());
                id
            }
        };
        let point = work.point.iter().map(|(name, x)| (*name, x.to_proto()));
        let mut inputs: HashMap<String, pb::Tensor> = point.map(|(n, x)| (n.into(), x)).collect();
        for (name, tensor) in &work.data {
            inputs.insert((*name).into(), self.put(tensor).await?);
        }
        let products = work
            .products
            .iter()
            .cloned()
            .map(|p| pb::Product { product: Some(p) });
        Ok(pb::EvaluateRequest {
            graph: Some(pb::evaluate_request::Graph::GraphId(id)),
            inputs,
            products: products.collect(),
            ..Default::default()
        })
    }

    async fn put(&mut self, tensor: &Tensor) -> Result<pb::Tensor, Failure> {
        use pb::put_tensor_request::Content;
        let message = tensor.to_proto();
        let ty = pb::TensorType {
            dtype: message.dtype,
            shape: message.shape.clone(),
        };
        let bytes = tensor.to_bytes();
        let chunks = (0..bytes.len()).step_by(CHUNK).map(|at| {
            let end = bytes.len().min(at + CHUNK);
            Content::Chunk(bytes.slice(at..end))
        });
        let contents: Vec<_> = std::iter::once(Content::Type(ty)).chain(chunks).collect();
        let requests = contents.into_iter().map(|content| pb::PutTensorRequest {
            content: Some(content),
        });
        let put = self
            .stub
            .put_tensor(futures::stream::iter(requests))
            .await?;
        Ok(pb::Tensor {
            data: Some(pb::tensor::Data::TensorId(put.into_inner().tensor_id)),
            ..message
        })
    }
}

fn timing(name: &str, took: Duration) -> Value {
    json!({"name": name, "nanoseconds": took.as_nanos() as u64})
}
