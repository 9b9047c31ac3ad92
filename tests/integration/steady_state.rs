//! Steady state: what a warm evaluation asks of the allocator, and that memory stays where it is.
//!
//! A binary of its own, because its allocator counts. `cargo test -p gradient-tests --test steady_state -- --nocapture`
//! shows the counts.

use gradient_client::{Expr, GraphBuilder};
use gradient_engine::{
    Arguments, Block, Graph, Limits, Options, Product, Program, Request, Results, Scratch, Stop,
    Tensor, compile,
};
use gradient_tests::engine::Random;
use gradient_tests::scalars::{chain, log_sum_exp, lorenz, mixture, recurrence, rosenbrock};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The system's allocator, counting for each thread.
struct Counting;

/// Of one thread, since it began.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Blocks asked for; a block that grows is one more.
    blocks: u64,
    /// Bytes asked for, less bytes given back.
    bytes: i64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { blocks: 0, bytes: 0 }) };
}

fn count(blocks: u64, bytes: i64) {
    // A thread that ends frees memory when its counts have gone.
    let _ = COUNTS.try_with(|counts| {
        let so_far = counts.get();
        counts.set(Counts {
            blocks: so_far.blocks + blocks,
            bytes: so_far.bytes + bytes,
        });
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Resident memory is the process's, so that tests take turns.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks that this thread asked for meanwhile.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNTS.get().blocks;
    let result = work();
    (result, COUNTS.get().blocks - before)
}

/// Evaluations before counting: more than it takes to get machine code.
const WARM: usize = 20;
/// Evaluations that are counted.
const COUNTED: usize = 5;
/// Blocks that an evaluation of one product may ask for beside those of its result, at one point or many.
const BESIDE: u64 = 0;
/// The same for a loop, in each run of points, however often it repeats its block.
const BESIDE_LOOP: u64 = 32;
/// Lanes of a run, at least.
const LANES: u64 = 8;

/// A gradient, compiled.
struct Work {
    program: Program,
    inputs: Vec<Tensor>,
    batch: u64,
    scratch: Scratch,
}

impl Work {
    /// Of a function of the elements of `x`, each of which is an input, or all are one. With `points` the one input
    /// has as many.
    fn new(x: &[f64], apart: bool, points: Option<u64>, write: &dyn Fn(&[Expr]) -> Expr) -> Self {
        let builder = GraphBuilder::new("work");
        let elements: Vec<Expr> = match apart {
            true => (0..x.len())
                .map(|i| builder.input(format!("x{i}"), []))
                .collect(),
            false => {
                let whole = builder.input("x", [x.len()]);
                (0..x.len()).map(|i| whole.at([i])).collect()
            }
        };
        let message = builder.finish([("f", write(&elements))]);
        let message = message.expect("a valid graph").into_proto();
        let graph: Graph = gradient_server::decode_graph(message, &Limits::default())
            .expect("the client builds what the server takes");
        let request = Request {
            products: vec![Product::Gradient {
                output: 0,
                wrt: graph.float_inputs(),
            }],
            options: Options::default(),
            batched: points.map(|_| vec![true]),
        };
        let batch = points.unwrap_or(1);
        let inputs = match apart {
            true => x
                .iter()
                .map(|&x| Tensor::f64([], &[x]))
                .collect::<Result<_, _>>(),
            false => {
                let shape: Vec<u64> = points.into_iter().chain([x.len() as u64]).collect();
                Tensor::f64(shape, &x.repeat(batch as usize)).map(|x| vec![x])
            }
        };
        Self {
            program: compile(&graph, &request).expect("a gradient"),
            inputs: inputs.expect("shapes fit"),
            batch,
            scratch: Scratch::default(),
        }
    }

    /// The results, many numbers as such, and blocks that were asked for from the inputs as they are.
    fn results(&mut self) -> (Vec<Results>, u64) {
        let stop = Stop::default();
        let (result, blocks) = counted(|| {
            let arguments = Arguments {
                inputs: self.inputs.as_slice().into(),
                seeds: vec![],
                batch: self.batch,
            };
            self.program.results(&arguments, &mut self.scratch, &stop)
        });
        (result.expect("numbers"), blocks)
    }

    /// The result, and blocks that the engine asked for.
    fn evaluate(&mut self) -> (Vec<Vec<Block>>, u64) {
        let arguments = Arguments {
            inputs: self.inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]],
            batch: self.batch,
        };
        let stop = Stop::default();
        let evaluate = || self.program.evaluate(&arguments, &mut self.scratch, &stop);
        let (result, blocks) = counted(evaluate);
        (result.expect("numbers"), blocks)
    }
}

/// The functions that the bench of the peers times, the longest ones shorter: name, point, function, and whether it
/// repeats a block of nodes so often that the engine makes a loop of it. A loop's frames and states are not kept from one
/// evaluation to the next, so that it asks for more.
type Function = (&'static str, Vec<f64>, Write, bool);

/// Writes a function of the elements of its point.
type Write = Box<dyn Fn(&[Expr]) -> Expr>;

fn functions() -> Vec<Function> {
    let mut random = Random(7);
    let mut draw = |n: usize, low: f64, high: f64| -> Vec<f64> {
        (0..n).map(|_| random.within((low, high))).collect()
    };
    let data = draw(96 * 5, -2.0, 2.0);
    let steps = |steps: usize| -> Write { Box::new(move |x| lorenz(x, steps)) };
    let start = vec![1.0, 1.5, 20.0, 10.0, 28.0, 8.0 / 3.0];
    vec![
        (
            "Rosenbrock n=100",
            draw(100, 0.5, 1.5),
            Box::new(rosenbrock),
            false,
        ),
        (
            "Rosenbrock n=1000",
            draw(1000, 0.5, 1.5),
            Box::new(rosenbrock),
            false,
        ),
        (
            "log-sum-exp n=1000",
            draw(1000, -2.0, 2.0),
            Box::new(log_sum_exp),
            false,
        ),
        (
            "Gaussian mixture",
            draw(55, -0.5, 0.5),
            Box::new(move |x| mixture(x, &data, 5, 5)),
            false,
        ),
        ("chain n=500", draw(500, -1.0, 1.0), Box::new(chain), false),
        ("RK4, 5 steps", start.clone(), steps(5), false),
        ("RK4, 100 steps", start.clone(), steps(100), true),
        ("RK4, 200 steps", start, steps(200), true),
    ]
}

#[test]
fn the_allocator_counts() {
    let _alone = alone();
    let before = COUNTS.get();
    let (kept, blocks) = counted(|| {
        let mut grows: Vec<u8> = Vec::with_capacity(10);
        grows.reserve_exact(1000);
        (grows, vec![0u64; 100])
    });
    assert_eq!(blocks, 3);
    assert_eq!(COUNTS.get().bytes - before.bytes, 1000 + 800);
    drop(kept);
    assert_eq!(COUNTS.get().bytes, before.bytes);
}

#[test]
fn a_warm_evaluation_allocates_its_result() {
    let _alone = alone();
    println!(
        "{:<20} {:>20} {:>8} {:>8} {:>8}",
        "gradient", "form", "result", "all", "beside"
    );
    let forms = [
        ("scalar inputs", true, None),
        ("one input", false, None),
        ("one input, 64 points", false, Some(64)),
    ];
    for (name, x, write, repeats) in functions() {
        for (form, apart, points) in forms {
            let mut work = Work::new(&x, apart, points, &write);
            for _ in 0..WARM {
                // Large buffers are kept for the next result, and for its copy.
                let (result, _) = work.evaluate();
                let _copy = result.clone();
            }
            let before = COUNTS.get().bytes;
            for _ in 0..COUNTED {
                let (result, all) = work.evaluate();
                // A copy has the same blocks.
                let (copy, own) = counted(|| result.clone());
                assert_eq!(copy, result);
                assert!(
                    own >= 2,
                    "{name}, {form}: the result has lists at least, not {own} blocks"
                );
                let runs = points.map_or(1, |points| points.div_ceil(LANES));
                let most = BESIDE + if repeats { runs * BESIDE_LOOP } else { 0 };
                let beside = all.checked_sub(own);
                assert!(
                    beside.is_some_and(|beside| beside <= most),
                    "{name}, {form}: {all} blocks for a result of {own}"
                );
            }
            assert_eq!(
                COUNTS.get().bytes,
                before,
                "{name}, {form}: bytes stay behind"
            );
            let (result, all) = work.evaluate();
            let (_, own) = counted(|| result.clone());
            println!("{name:<20} {form:>20} {own:>8} {all:>8} {:>8}", all - own);
        }
    }
}

/// However many inputs and results of one number each there are, the lists of products and their numbers are all that is
/// asked for.
#[test]
fn many_numbers_are_one_block() {
    const LISTS: u64 = 4;
    let _alone = alone();
    for (name, x, write, repeats) in functions().into_iter().filter(|(_, x, ..)| x.len() > 50) {
        assert!(!repeats, "{name}");
        let mut work = Work::new(&x, true, None, &write);
        for _ in 0..WARM {
            work.results();
        }
        let before = COUNTS.get().bytes;
        let (results, blocks) = work.results();
        let [Results::Numbers(numbers)] = &results[..] else {
            panic!("{name}: no numbers");
        };
        assert_eq!(numbers.numbers().len(), x.len());
        assert!(blocks <= LISTS, "{name}: {blocks} blocks");
        drop(results);
        assert_eq!(COUNTS.get().bytes, before, "{name}: bytes stay behind");
    }
}

/// Resident memory in bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.expect("a line of resident memory").split_whitespace();
    let number = words.into_iter().next().and_then(|word| word.parse().ok());
    1024 * number.unwrap_or(0)
}

/// A million calls leave nothing behind.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_flat_over_a_million_calls() {
    const CALLS: usize = 1_000_000;
    /// The kernel counts in batches of pages, and the allocator may keep a few.
    const SLACK: u64 = 256 << 10;
    let _alone = alone();
    let x: Vec<f64> = (0..10).map(|i| 0.3 + 0.05 * f64::from(i)).collect();
    let mut work = Work::new(&x, false, None, &|x| recurrence(x, 3));
    for _ in 0..1000 {
        work.evaluate();
    }
    let (want, _) = work.evaluate();
    let (before, bytes) = (resident(), COUNTS.get().bytes);
    assert!(before > 0);
    let begin = std::time::Instant::now();
    for _ in 0..CALLS {
        let (got, _) = work.evaluate();
        assert_eq!(got, want);
    }
    let took = begin.elapsed().as_secs_f64() * 1e9 / CALLS as f64;
    let (after, bytes_after) = (resident(), COUNTS.get().bytes);
    println!("{took:.0} ns a call; resident {before} bytes before, {after} after");
    assert_eq!(bytes_after, bytes);
    assert!(after <= before + SLACK, "{before} bytes grew to {after}");
}
