//! The engine as one of the programs that `run.py` compares: it takes JSON lines and gives JSON lines, so that the
//! script can let it and its peers take turns. `cargo bench -p gradient-tests --bench peers --no-run` builds it.
//!
//! A line is one of
//! - `{"do":"load", "work", "form", "sizes", "inputs", "product", "batch", "result"}`: builds the graph, compiles it,
//!   evaluates it once and writes the numbers (little-endian f64) to the file `result`; answers `{"id", "nodes"}`.
//!   Each of the inputs has `name`, `shape`, `file`, and is or is not `wrt` and `batched`. The form is `tensor`,
//!   `scalar` (each element of a point is an input) or `indexed` (elements are taken out of an input).
//! - `{"do":"time", "id", "seconds"}`: evaluates for about so long; answers `{"ns"}`, the median of one evaluation.
//! - `{"do":"first", "id"}`: from the bytes of the graph to the numbers, nothing kept; answers `{"ns"}`.
//! - `{"do":"plan", "id"}`, `{"do":"listing", "id"}`: why it is computed as it is, and the tape; for people.
//! - `{"do":"drop", "id"}`.
//! - `{"do":"serve"}`, `{"do":"echo", "reply_bytes"}`, `{"do":"calls", "address", "connections", "callers", "seconds"}`: see wire.rs.
//!
//! What goes wrong is answered as `{"error"}`.

mod scalar;
mod tensor;
mod wire;

use gradient_client::{Array, Expr, GraphBuilder};
use gradient_engine::{
    Arguments, Crew, Layout, Limits, Options, Product, Program, Request, Results, Scratch, Stop,
    Tensor, TensorType, compile,
};
use gradient_proto::v1 as pb;
use gradient_tests::lean::Failure;
use prost::Message;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// The server's own, for all that this program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A sample lasts at least so long, so that the clock does not count.
const SAMPLE: Duration = Duration::from_micros(50);

fn main() -> Result<(), Failure> {
    let mut loaded: HashMap<u64, Loaded> = HashMap::new();
    let runtime = tokio::runtime::Runtime::new()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&runtime, &mut loaded, &line?)
            .unwrap_or_else(|e| json!({"error": e.to_string()}));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(
    runtime: &tokio::runtime::Runtime,
    loaded: &mut HashMap<u64, Loaded>,
    line: &str,
) -> Result<Value, Failure> {
    let line: Value = serde_json::from_str(line)?;
    let id = line["id"].as_u64().unwrap_or_default();
    match line["do"].as_str() {
        Some("load") => {
            let mut new = Loaded::new(&line)?;
            let numbers = new.numbers()?;
            std::fs::write(text(&line, "result")?, bytes(&numbers))?;
            let id = loaded.keys().max().map_or(0, |id| id + 1);
            let nodes = new.nodes;
            loaded.insert(id, new);
            Ok(json!({"id": id, "nodes": nodes}))
        }
        Some("serve") => runtime.block_on(wire::serve()),
        Some("echo") => {
            let bytes = line["reply_bytes"].as_u64().unwrap_or_default();
            runtime.block_on(wire::echo(bytes as usize))
        }
        Some("calls") => {
            let work = line["id"].as_u64().and_then(|id| loaded.get(&id));
            runtime.block_on(wire::calls(&line, work))
        }
        Some("drop") => {
            loaded.remove(&id);
            Ok(json!({}))
        }
        Some(what) => {
            let this = loaded.get_mut(&id).ok_or("nothing has this id")?;
            match what {
                "time" => Ok(json!({"ns": this.time(line["seconds"].as_f64().unwrap_or(0.1))?})),
                "first" => this.first(),
                "plan" => Ok(json!({"plan": this.program.plans()[0].reason})),
                "listing" => Ok(json!({"listing": this.program.listing()})),
                _ => Err("load, time, first, plan, listing or drop".into()),
            }
        }
        None => Err("no \"do\"".into()),
    }
}

/// What a line gives, by name; with the elements of each point apart if they are inputs.
fn given(line: &Value, apart: bool) -> Result<HashMap<String, Given>, Failure> {
    let mut given = HashMap::new();
    for each in line.as_array().ok_or("no inputs")? {
        let (name, each) = (text(each, "name")?, Given::read(each)?);
        if apart && each.wrt {
            for (i, &number) in each.numbers.iter().enumerate() {
                let one = Given {
                    shape: vec![],
                    numbers: vec![number],
                    ..each
                };
                given.insert(element(name, i), one);
            }
        }
        given.insert(name.to_owned(), each);
    }
    Ok(given)
}

fn element(name: &str, i: usize) -> String {
    format!("{name}{i}")
}

fn text<'v>(line: &'v Value, name: &str) -> Result<&'v str, Failure> {
    line[name]
        .as_str()
        .ok_or_else(|| format!("no {name}").into())
}

fn bytes(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// What a work is made of.
pub struct Make<'a> {
    graph: &'a GraphBuilder,
    sizes: &'a Value,
    given: &'a HashMap<String, Given>,
    /// Every element of a point is an input of its own.
    apart: bool,
}

/// An input, or data that a scalar graph holds as constants.
struct Given {
    shape: Vec<usize>,
    numbers: Vec<f64>,
    wrt: bool,
    batched: bool,
}

impl Given {
    fn read(value: &Value) -> Result<Self, Failure> {
        let raw = std::fs::read(text(value, "file")?)?;
        let numbers = raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b));
        let shape = value["shape"].as_array().ok_or("no shape")?;
        Ok(Self {
            shape: shape
                .iter()
                .filter_map(Value::as_u64)
                .map(|n| n as usize)
                .collect(),
            numbers: numbers.collect(),
            wrt: value["wrt"].as_bool().unwrap_or(false),
            batched: value["batched"].as_bool().unwrap_or(false),
        })
    }
}

impl Make<'_> {
    fn size(&self, name: &str) -> usize {
        self.sizes[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no size {name}")) as usize
    }

    fn given(&self, name: &str) -> &Given {
        let found = self.given.get(name);
        found.unwrap_or_else(|| panic!("nothing given is called {name}"))
    }

    /// An input of the graph.
    fn input(&self, name: &str) -> Expr {
        self.graph.input(name, &self.given(name).shape)
    }

    /// An input, element by element.
    fn elements(&self, name: &str) -> Vec<Expr> {
        if self.apart {
            let names = (0..self.given(name).numbers.len()).map(|i| element(name, i));
            return names.map(|name| self.graph.input(name, [])).collect();
        }
        let whole = self.input(name);
        (0..whole.shape()[0]).map(|i| whole.at([i])).collect()
    }

    /// Given numbers, for a graph to hold.
    fn numbers(&self, name: &str) -> &[f64] {
        &self.given(name).numbers
    }

    fn indices(&self, indices: Vec<i64>) -> Expr {
        self.graph.constant(Array::from(indices))
    }
}

/// A compiled work and its inputs.
struct Loaded {
    message: Vec<u8>,
    nodes: u64,
    request: Request,
    program: Program,
    inputs: Vec<Tensor>,
    seeds: Vec<Tensor>,
    batch: u64,
    scratch: Scratch,
}

impl Loaded {
    fn new(line: &Value) -> Result<Self, Failure> {
        let (work, form) = (text(line, "work")?, text(line, "form")?);
        let apart = form == "scalar";
        let given = given(&line["inputs"], apart)?;
        let builder = GraphBuilder::new(work);
        let make = Make {
            graph: &builder,
            sizes: &line["sizes"],
            given: &given,
            apart,
        };
        let f = match form {
            "scalar" | "indexed" => scalar::write(work, &make),
            _ => tensor::write(work, &make),
        };
        let f = f.ok_or_else(|| format!("no work {work}"))?;
        let message = builder.finish([("f", f)])?.into_proto().encode_to_vec();
        let graph = decode(&message)?;

        let of = |name: &str| given.get(name);
        let given_inputs: Vec<&Given> = graph.inputs().iter().filter_map(|i| of(&i.name)).collect();
        let wrt = given_inputs.iter().enumerate().filter(|(_, g)| g.wrt);
        let wrt: Vec<u32> = wrt.map(|(i, _)| i as u32).collect();
        let batch = line["batch"].as_u64().unwrap_or_default();
        let request = Request {
            products: vec![product(text(line, "product")?, wrt)?],
            options: Options::default(),
            batched: (batch > 0).then(|| given_inputs.iter().map(|g| g.batched).collect()),
        };
        let tensor = |g: &Given, declared: &TensorType| {
            let mut shape: Vec<u64> = declared.shape.iter().copied().collect();
            if batch > 0 && g.batched {
                shape.insert(0, batch);
            }
            Tensor::f64(shape, &g.numbers)
        };
        let pairs = given_inputs.iter().zip(graph.inputs());
        let inputs = pairs
            .map(|(g, i)| tensor(g, &i.ty))
            .collect::<Result<_, _>>()?;
        // The vector of an HVP is given under the name v.
        let seeds = match request.products[0] {
            Product::Hvp { .. } => {
                let v = of("v").ok_or("no vector v")?;
                vec![Tensor::f64(
                    v.shape.iter().map(|&n| n as u64).collect::<Vec<_>>(),
                    &v.numbers,
                )?]
            }
            _ => vec![],
        };
        Ok(Self {
            nodes: graph.statistics().nodes,
            program: compile(&graph, &request)?,
            message,
            request,
            inputs,
            seeds,
            batch: batch.max(1),
            scratch: scratch(),
        })
    }

    fn evaluate(&mut self) -> Result<Vec<Results>, gradient_engine::Error> {
        let arguments = Arguments {
            inputs: self.inputs.as_slice().into(),
            seeds: vec![self.seeds.iter().map(Tensor::as_ref).collect()],
            batch: self.batch,
        };
        self.program
            .results(&arguments, &mut self.scratch, &Stop::default())
    }

    /// All blocks, one after the other; a sparse one as rows, columns, entries.
    fn numbers(&mut self) -> Result<Vec<f64>, Failure> {
        let mut numbers = Vec::new();
        let all = self.evaluate()?.into_iter().flat_map(Results::into_blocks);
        for block in all {
            if let Some(at) = &block.coordinates {
                numbers.extend(at.rows.iter().map(|&i| i as f64));
                numbers.extend(at.columns.iter().map(|&i| i as f64));
            }
            numbers.extend(block.tensor.to_f64());
        }
        Ok(numbers)
    }

    fn time(&mut self, seconds: f64) -> Result<f64, Failure> {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let mut calls = 1;
        let mut samples = Vec::new();
        loop {
            let begin = Instant::now();
            for _ in 0..calls {
                std::hint::black_box(self.evaluate()?);
            }
            let took = begin.elapsed();
            if took < SAMPLE && samples.is_empty() {
                calls *= 2;
                continue;
            }
            samples.push(took.as_secs_f64() * 1e9 / f64::from(calls));
            if Instant::now() >= end {
                break;
            }
        }
        samples.sort_by(f64::total_cmp);
        Ok(samples[samples.len() / 2])
    }

    /// What a server does with a graph that it does not know: reads it, identifies it, derives and compiles, evaluates.
    /// Nanoseconds of all, and of each.
    fn first(&mut self) -> Result<Value, Failure> {
        self.scratch = scratch();
        let begin = Instant::now();
        let since = || begin.elapsed().as_secs_f64() * 1e9;
        let graph = decode(&self.message)?;
        let read = since();
        std::hint::black_box((graph.id(), graph.statistics()));
        let identified = since();
        self.program = compile(&graph, &self.request)?;
        let compiled = since();
        std::hint::black_box(self.evaluate()?);
        let all = since();
        Ok(json!({
            "ns": all,
            "read": read,
            "identify": identified - read,
            "compile": compiled - identified,
            "evaluate": all - compiled,
        }))
    }
}

/// Working memory of an evaluation that all cores of this process may help.
fn scratch() -> Scratch {
    let crew = Crew::new(std::thread::available_parallelism().map_or(1, usize::from));
    // Its own thread, for good.
    std::mem::forget(crew.join());
    Scratch::with_crew(crew)
}

fn decode(message: &[u8]) -> Result<gradient_engine::Graph, Failure> {
    let message = pb::Graph::decode(message)?;
    Ok(gradient_server::decode_graph(message, &Limits::default())?)
}

fn product(name: &str, wrt: Vec<u32>) -> Result<Product, Failure> {
    Ok(match name {
        "value" => Product::Value { outputs: vec![0] },
        "gradient" => Product::Gradient { output: 0, wrt },
        "hvp" => Product::Hvp {
            output: 0,
            wrt,
            directions: 0,
        },
        "hessian" => Product::Hessian {
            output: 0,
            wrt,
            layout: Layout::Sparse,
        },
        _ => return Err(format!("no product {name}").into()),
    })
}
