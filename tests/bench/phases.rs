//! Where the time from a new graph's bytes to its first gradient goes, in nanoseconds a node, without the network.
//! `cargo bench -p gradient-tests --bench phases`

use gradient_engine::{
    Arguments, DType, Limits, Options, Product, Request, Scratch, Stop, Tensor, compile,
};
use gradient_proto::v1::Graph;
use gradient_tests::recurrence::{INPUTS, by_hand, recurrence};
use prost::Message;
use std::time::Instant;

const SIZES: [(usize, usize); 3] = [(1_200, 201), (40_000, 51), (1_000_000, 5)];
const PHASES: [&str; 7] = [
    "decode", "build", "id", "count", "compile", "first", "again",
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    print!("{:>9}", "nodes");
    PHASES.iter().for_each(|name| print!("  {name:>8}"));
    println!("  {:>8}", "sum");
    for (nodes, runs) in SIZES {
        let bytes = bytes::Bytes::from(recurrence(nodes).encode_to_vec());
        let mut times = vec![Vec::new(); PHASES.len()];
        for _ in 0..runs {
            for (all, time) in times.iter_mut().zip(run(&bytes, nodes)?) {
                all.push(time);
            }
        }
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2] * 1e9 / nodes as f64
        };
        let medians: Vec<f64> = times.iter_mut().map(median).collect();
        print!("{nodes:>9}");
        medians.iter().for_each(|m| print!("  {m:>8.1}"));
        println!("  {:>8.1}", medians[..6].iter().sum::<f64>());
    }
    Ok(())
}

/// Seconds for each phase.
fn run(bytes: &bytes::Bytes, nodes: usize) -> Result<[f64; 7], Failure> {
    let mut times = [0.0; 7];
    let mut begin = Instant::now();
    let mut phase = 0;
    let mut done = || {
        times[phase] = begin.elapsed().as_secs_f64();
        phase += 1;
        begin = Instant::now();
    };
    let message = Graph::decode(bytes.clone())?;
    done();
    let graph = gradient_server::decode_graph(message, &Limits::default())
        .map_err(|error| format!("{error:?}"))?;
    done();
    let id = graph.id();
    done();
    let statistics = graph.statistics();
    done();
    let request = Request {
        products: vec![Product::Gradient {
            output: 0,
            wrt: (0..INPUTS as u32).collect(),
        }],
        options: Options::default(),
        batched: None,
    };
    let program = compile(&graph, &request)?;
    done();
    let point: Vec<f64> = (0..INPUTS).map(|i| 0.3 + 0.05 * i as f64).collect();
    let inputs: Vec<Tensor> = point
        .iter()
        .map(|&x| Tensor::scalar(DType::F64, x))
        .collect();
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![vec![]],
        batch: 1,
    };
    let mut scratch = Scratch::default();
    program.evaluate(&arguments, &mut scratch, &Stop::default())?;
    done();
    let blocks = program.evaluate(&arguments, &mut scratch, &Stop::default())?;
    done();
    for (block, want) in blocks[0].iter().zip(by_hand(&point, nodes)) {
        let got = block.tensor.element(0);
        if !(got.is_finite() && (got - want).abs() <= 1e-10 * want.abs().max(1.0)) {
            return Err(format!("{got} against {want}").into());
        }
    }
    std::hint::black_box((id, statistics));
    Ok(times)
}
