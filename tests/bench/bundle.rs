//! The sparse Jacobian of a bundle adjustment against one evaluation of its residuals: 50,000 observations, through
//! the engine and over gRPC. `cargo bench -p gradient-tests --bench bundle`
//!
//! Every entry is checked against dual numbers before anything is printed; runs are interleaved, medians count.

use gradient_engine::{
    Arguments, Graph, Layout, Options, Product, Program, Request, Scratch, Stop, Tensor, compile,
};
use gradient_proto::{sparse::unpack, v1 as pb};
use gradient_server::Config;
use gradient_tests::bundle::{Scene, wrong_entries};
use gradient_tests::server::TestServer;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const RUNS: usize = 31;

/// Must hold: the Jacobian in the time of so many evaluations of the function.
const BOUND: f64 = 8.0;

fn main() -> Result<(), Failure> {
    let scene = Scene::new(60, 10_000, 50_000);
    let graph = scene.graph();
    let ratio = engine(&scene, &graph)?;
    tokio::runtime::Runtime::new()?.block_on(wire(&scene, &graph))?;
    println!("engine: {ratio:.2} evaluations of the function, of {BOUND} allowed");
    Ok(())
}

fn medians(mut runs: [Vec<Duration>; 2]) -> [f64; 2] {
    runs.each_mut().map(|runs| {
        runs.sort_unstable();
        runs[runs.len() / 2].as_secs_f64() * 1e3
    })
}

fn compiled(graph: &Graph, product: Product) -> Result<(Program, f64), Failure> {
    let begin = Instant::now();
    let request = Request {
        products: vec![product],
        options: Options::default(),
        batched: None,
    };
    let program = compile(graph, &request)?;
    Ok((program, begin.elapsed().as_secs_f64() * 1e3))
}

fn engine(scene: &Scene, graph: &Graph) -> Result<f64, Failure> {
    let jacobian = Product::Jacobian {
        outputs: vec![0],
        wrt: vec![0, 1],
        layout: Layout::Sparse,
    };
    let (value, _) = compiled(graph, Product::Value { outputs: vec![0] })?;
    let (sparse, first) = compiled(graph, jacobian.clone())?;
    let (_, second) = compiled(graph, jacobian)?;
    let x = [&scene.cameras, &scene.points];
    let arguments = Arguments {
        inputs: x.iter().map(|x| x.as_ref()).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let mut scratch = [(); 2].map(|()| Scratch::default());
    let mut runs = [vec![], vec![]];
    let mut answer = vec![];
    for _ in 0..RUNS {
        for (k, program) in [&value, &sparse].into_iter().enumerate() {
            let begin = Instant::now();
            answer = program.evaluate(&arguments, &mut scratch[k], &Stop::default())?;
            runs[k].push(begin.elapsed());
        }
    }
    let numbers: Vec<Vec<f64>> = answer[0].iter().map(|b| b.tensor.to_f64()).collect();
    let blocks = [0, 1].map(|b| {
        let c = answer[0][b].coordinates.as_ref().expect("sparse");
        (&c.rows[..], &c.columns[..], &numbers[b][..])
    });
    let wrong = wrong_entries(scene, blocks, 1e-12);
    let [value, jacobian] = medians(runs);
    println!("{}", sparse.plans()[0].reason);
    println!(
        "entries wrong: {wrong} of {}",
        numbers.iter().map(Vec::len).sum::<usize>()
    );
    println!("compile: first {first:.1} ms, second {second:.1} ms");
    println!(
        "engine: function {value:.2} ms, sparse Jacobian {jacobian:.2} ms, ratio {:.2}",
        jacobian / value
    );
    if wrong > 0 {
        return Err("wrong entries".into());
    }
    Ok(jacobian / value)
}

fn raw(tensor: &Tensor) -> pb::Tensor {
    pb::Tensor {
        dtype: pb::Dtype::F64.into(),
        shape: tensor.ty().shape.iter().copied().collect(),
        data: Some(pb::tensor::Data::Raw(tensor.raw().to_vec().into())),
    }
}

async fn wire(scene: &Scene, graph: &Graph) -> Result<(), Failure> {
    let server = TestServer::start(Config::default()).await;
    let mut client = server.client().await;
    let request = pb::RegisterGraphRequest {
        graph: Some(gradient_server::encode_graph(graph)),
    };
    let id = client.register_graph(request).await?.into_inner().graph_id;
    let ask = |product: pb::product::Product| pb::EvaluateRequest {
        graph: Some(pb::evaluate_request::Graph::GraphId(id.clone())),
        inputs: [("cameras", &scene.cameras), ("points", &scene.points)]
            .map(|(name, x)| (name.to_owned(), raw(x)))
            .into(),
        products: vec![pb::Product {
            product: Some(product),
        }],
        ..Default::default()
    };
    let mut sparse = pb::Jacobian::default();
    sparse.set_layout(pb::Layout::Sparse);
    let requests = [
        ask(pb::product::Product::Value(pb::Value::default())),
        ask(pb::product::Product::Jacobian(sparse)),
    ];
    let mut runs = [vec![], vec![]];
    let mut executed = [vec![], vec![]];
    let mut unpacked = vec![];
    for _ in 0..RUNS {
        for (k, request) in requests.iter().enumerate() {
            let request = request.clone();
            let begin = Instant::now();
            let answer = client.evaluate(request).await?.into_inner();
            runs[k].push(begin.elapsed());
            let execute = answer.timing.and_then(|t| t.execute).unwrap_or_default();
            executed[k].push(Duration::new(execute.seconds as u64, execute.nanos as u32));
            let begin = Instant::now();
            let mut entries = 0;
            for block in answer.results.iter().flat_map(|result| &result.blocks) {
                if let Some(pb::block::Data::Sparse(matrix)) = &block.data {
                    let rows = unpack(&matrix.rows).ok_or("rows")?;
                    entries += rows
                        .len()
                        .min(unpack(&matrix.columns).ok_or("columns")?.len());
                }
            }
            if k == 1 {
                assert!(entries > 0, "a sparse answer");
                unpacked.push(begin.elapsed());
            }
        }
    }
    let [value, jacobian] = medians(runs);
    println!(
        "gRPC: function {value:.2} ms, sparse Jacobian {jacobian:.2} ms, ratio {:.2}",
        jacobian / value
    );
    let [_, unpacking] = medians([vec![Duration::ZERO], unpacked]);
    println!(
        "gRPC, rows and columns read as well, which are the same in each answer: {unpacking:.2} ms more, ratio {:.2}",
        (jacobian + unpacking) / value
    );
    let [value, jacobian] = medians(executed);
    println!(
        "gRPC, executed: function {value:.2} ms, sparse Jacobian {jacobian:.2} ms, ratio {:.2}",
        jacobian / value
    );
    server.stop().await;
    Ok(())
}
