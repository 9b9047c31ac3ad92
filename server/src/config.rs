//! Settings: one struct, every field a command-line flag, an environment variable and a default.

use clap::Args;
use gradient_engine::Costs;
use std::{num::NonZeroUsize, thread, time::Duration};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a server may take and how it behaves. Sizes are in bytes; on the command line `64MiB` may be written.
///
/// ```
/// let config = gradient_server::Config { cache_bytes: 64 << 20, ..Default::default() };
/// assert_eq!(config.max_message_bytes, 64 << 20);
/// ```
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Largest message, in either direction.
    #[arg(long, env = "GRADIENT_MAX_MESSAGE_BYTES", default_value_t = 64 * MIB, value_parser = message_bytes)]
    pub max_message_bytes: u64,

    /// Compiled tapes kept, in bytes.
    #[arg(long, env = "GRADIENT_CACHE_BYTES", default_value_t = GIB, value_parser = bytes)]
    pub cache_bytes: u64,

    /// Registered graphs kept, in bytes. The one not used for longest goes first.
    #[arg(long, env = "GRADIENT_GRAPH_BYTES", default_value_t = GIB, value_parser = bytes)]
    pub graph_bytes: u64,

    /// Tensors put with PutTensor kept, in bytes. The one not used for longest goes first.
    #[arg(long, env = "GRADIENT_TENSOR_BYTES", default_value_t = GIB, value_parser = bytes)]
    pub tensor_bytes: u64,

    /// The most memory one evaluation may take.
    #[arg(long, env = "GRADIENT_MAX_MEMORY_BYTES", default_value_t = 4 * GIB, value_parser = bytes)]
    pub max_memory_bytes: u64,

    /// The most nodes of a graph.
    #[arg(long, env = "GRADIENT_MAX_NODES", default_value_t = 4_000_000)]
    pub max_nodes: u64,

    /// The most functions of a graph.
    #[arg(long, env = "GRADIENT_MAX_FUNCTIONS", default_value_t = 256, value_parser = clap::value_parser!(u64).range(..=1024))]
    pub max_functions: u64,

    /// The most elements of one tensor in a graph.
    #[arg(long, env = "GRADIENT_MAX_ELEMENTS", default_value_t = 1 << 28)]
    pub max_elements: u64,

    /// Threads that compute. 0: one for each core. One more thread serves only small requests.
    #[arg(long, env = "GRADIENT_THREADS", default_value_t = 0)]
    pub threads: usize,

    /// Whether tapes that run often become machine code, where the processor allows it. Results are the same bit for bit.
    #[arg(long, env = "GRADIENT_NATIVE", default_value_t = true, action = clap::ArgAction::Set)]
    pub native: bool,

    /// Under load, evaluations of one compiled tape at single points run together, up to so many; results are the
    /// same bit for bit. 0 (or fewer than 4): each alone.
    #[arg(long, env = "GRADIENT_MAX_COALESCED", default_value_t = 32, value_parser = clap::value_parser!(u32).range(..=1024))]
    pub max_coalesced: u32,

    /// The most computations waiting for a thread; beyond, requests are refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "GRADIENT_QUEUE", default_value_t = 1024, value_parser = at_least_one)]
    pub queue: usize,

    /// The most input data waiting for a thread.
    #[arg(long, env = "GRADIENT_QUEUE_BYTES", default_value_t = GIB, value_parser = bytes)]
    pub queue_bytes: u64,

    /// Calls that one connection may have open at a time.
    #[arg(long, env = "GRADIENT_MAX_CONCURRENT_STREAMS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_concurrent_streams: u32,

    /// A quiet connection is asked for a sign of life this often, such as `30s`.
    #[arg(long, env = "GRADIENT_KEEPALIVE_INTERVAL", default_value = "30s", value_parser = seconds)]
    pub keepalive_interval: Duration,

    /// A connection that gives no sign of life (or, new, says nothing) for this long is closed.
    #[arg(long, env = "GRADIENT_KEEPALIVE_TIMEOUT", default_value = "20s", value_parser = seconds)]
    pub keepalive_timeout: Duration,

    /// On SIGTERM, running calls get this long to finish.
    #[arg(long, env = "GRADIENT_DRAIN_TIMEOUT", default_value = "30s", value_parser = seconds)]
    pub drain_timeout: Duration,

    /// What operations cost on this machine, by which ways are chosen and times predicted. Not a flag: the binary
    /// measures it ([`Calibration`](crate::calibration::Calibration)), an embedded server has the built-in costs.
    #[arg(skip)]
    pub costs: Costs,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * MIB,
            cache_bytes: GIB,
            graph_bytes: GIB,
            tensor_bytes: GIB,
            max_memory_bytes: 4 * GIB,
            max_nodes: 4_000_000,
            max_functions: 256,
            max_elements: 1 << 28,
            threads: 0,
            native: true,
            max_coalesced: 32,
            queue: 1024,
            queue_bytes: GIB,
            max_concurrent_streams: 256,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(30),
            costs: Costs::BUILT_IN,
        }
    }
}

impl Config {
    /// How many threads compute: `threads`, or one for each core.
    pub fn compute_threads(&self) -> usize {
        match self.threads {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        }
    }
}

/// `1048576`, `1024KiB`, `1MiB`, `1GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => MIB,
        "GiB" | "G" => GIB,
        other => return Err(format!("unknown unit {other:?}; write B, KiB, MiB or GiB")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "write a whole number of bytes, such as 67108864 or 64MiB".to_owned())?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "more bytes than there are".to_owned())
}

/// gRPC frames carry a 32-bit length.
fn message_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        n @ 1024..=0xffff_ffff => Ok(n),
        _ => Err("a message may have 1KiB up to 4GiB less one byte".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..) => Ok(n),
        _ => Err("write a number of at least 1".to_owned()),
    }
}

/// `30s`, `500ms`, or plain seconds; more than zero, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let (digits, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => (digits, 1e-3),
        (None, Some(digits)) => (digits, 1.0),
        (None, None) => (text, 1.0),
    };
    match digits.trim().parse::<f64>().map(|n| n * scale) {
        Ok(n) if n > 0.0 && n <= 86_400.0 => Ok(Duration::from_secs_f64(n)),
        _ => Err("write a time such as 30s or 500ms, more than 0 and at most a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn flags_default_to_the_defaults() {
        let parsed = Command::parse_from(["gradient-server"]).config;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn sizes_and_times_are_written_as_people_write_them() {
        let sizes = [
            ("7", 7),
            ("64MiB", 64 << 20),
            ("1 GiB", 1 << 30),
            ("2K", 2048),
        ];
        for (text, want) in sizes {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GiB",
            "1MB",
            "99999999999GiB",
            "64MiB é",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        let times = [("30s", 30_000), ("500ms", 500), ("2", 2_000), ("0.5s", 500)];
        for (text, want) in times {
            assert_eq!(seconds(text), Ok(Duration::from_millis(want)), "{text}");
        }
        for text in ["", "0", "-1s", "nan", "inf", "1h", "1e9"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
