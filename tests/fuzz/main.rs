//! Differential fuzzing of the tiers: random graphs, evaluated node by node, interpreted, as machine code, with strips
//! and without, in batches and along several directions at once; no bit of a result may tell which it was.
//!
//! `fuzz-tiers --seconds 60` tries new cases from a new seed; what fails is made smaller and printed with the bytes
//! by which `--replay` finds it again.

mod case;
mod compare;
mod generate;
mod input;
mod matrices;
mod nodes;
mod reductions;
mod reference;
mod shrink;
mod views;

use clap::Parser;
use compare::Seen;
use gradient_tests::engine::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// Nodes of the largest cases, without those that a record brings along.
const MOST_RECORDS: usize = 40;

/// A failing case is made smaller for so long.
const SHRINKING: Duration = Duration::from_secs(30);

/// Looks for a graph whose results depend on how it is evaluated.
#[derive(Parser)]
struct Options {
    /// For how long.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// How many cases, instead.
    #[arg(long)]
    cases: Option<u64>,
    /// Which cases; new ones if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The first case.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Prints every case.
    #[arg(long)]
    show: bool,
    /// Only the case of these bytes (hexadecimal).
    #[arg(long)]
    replay: Option<String>,
}

/// What was compared, or what is wrong with the case.
fn outcome(bytes: &[u8]) -> Result<Seen, String> {
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let mut case = case::case(bytes);
        compare::check(&mut case).map_err(|difference| difference.to_string())
    }));
    checked.unwrap_or_else(|panic| {
        let text = (panic.downcast_ref::<String>().cloned())
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn show(bytes: &[u8]) {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    println!("--replay {hex}");
    let case = catch_unwind(|| case::case(bytes));
    if let Ok(case) = case {
        println!("{}", case.graph);
        for (input, tensor) in case.graph.inputs().iter().zip(&case.points[0]) {
            println!("{} = {tensor}", input.name);
        }
    }
}

fn parsed(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// The bytes of a case.
fn bytes_of(seed: u64, number: u64) -> Vec<u8> {
    let mut random = Random(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
    random.unit();
    input::bytes(&mut random, MOST_RECORDS)
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(hex) = &options.replay {
        let Some(bytes) = parsed(hex) else {
            println!("--replay takes hexadecimal digits, two for each byte");
            return ExitCode::from(2);
        };
        show(&bytes);
        return match outcome(&bytes) {
            Ok(seen) => {
                println!("no difference: {seen:?}");
                ExitCode::SUCCESS
            }
            Err(wrong) => {
                println!("{wrong}");
                ExitCode::FAILURE
            }
        };
    }
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |since| since.as_nanos() as u64 % 1_000_000_007)
    });
    // A panic is caught and told with its case.
    std::panic::set_hook(Box::new(|_| {}));
    let begin = Instant::now();
    let mut seen = Seen::default();
    let (mut number, mut slowest) = (options.first, (Duration::ZERO, 0));
    let goes_on = |number: u64| match options.cases {
        Some(cases) => number < options.first + cases,
        None => begin.elapsed().as_secs_f64() < options.seconds,
    };
    while goes_on(number) {
        let bytes = bytes_of(seed, number);
        if options.show {
            show(&bytes);
        }
        let since = Instant::now();
        match outcome(&bytes) {
            Ok(more) => seen += more,
            Err(wrong) => {
                println!("seed {seed}, case {number}: {wrong}\nsmaller:");
                let small = shrink::shrink(&bytes, SHRINKING, |bytes| outcome(bytes).is_err());
                show(&small);
                println!("{}", outcome(&small).err().unwrap_or_default());
                return ExitCode::FAILURE;
            }
        }
        slowest = slowest.max((since.elapsed(), number));
        number += 1;
    }
    println!(
        "seed {seed}: {} cases in {:.1} s, {} programs ({} refused), {} batches of which {} bit by bit, {} stacks \
         of directions; {:.0} % of the numbers finite; the slowest case, {}, took {:.2} s",
        number - options.first,
        begin.elapsed().as_secs_f64(),
        seen.programs,
        seen.refused,
        seen.batches[0],
        seen.batches[1],
        seen.stacks,
        100.0 * seen.numbers[0] as f64 / seen.numbers[1].max(1) as f64,
        slowest.1,
        slowest.0.as_secs_f64(),
    );
    ExitCode::SUCCESS
}
