//! Forward or reverse: the price of both, the choice, and the sentence that explains it.

use super::cost::Price;
use super::{Candidate, HvpMode, Mode, Plan};
use std::time::Duration;

/// Above this ratio of n to m the answer is clear, and the loser is not even written down.
const CLEAR_RATIO: u64 = 4;

/// The same where there are loops: forward they take no states, and a few directions run together.
const CLEAR_RATIO_OF_LOOPS: u64 = 8;

/// What decides how much may be written down to be compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// Not twice.
    Large,
    /// Some of it runs again and again.
    Loops,
    /// Neither.
    Small,
}

/// What is worth pricing for n live inputs and m outputs: (forward, reverse). Of a large graph only one derivative
/// is written down: a sweep costs about the same either way, so the smaller of n and m decides.
pub fn worth_pricing(forced: Option<Mode>, n: u64, m: u64, size: Size) -> (bool, bool) {
    let (large, clear) = match size {
        Size::Large => (true, CLEAR_RATIO),
        Size::Loops => (false, CLEAR_RATIO_OF_LOOPS),
        Size::Small => (false, CLEAR_RATIO),
    };
    match forced {
        Some(Mode::Forward) => (true, false),
        Some(Mode::Reverse) => (false, true),
        _ if large => (n <= m, n > m),
        _ if n > m.saturating_mul(clear) => (false, true),
        _ if m > n.saturating_mul(clear) => (true, false),
        _ => (true, true),
    }
}

/// The cheaper of the priced candidates; ties go to forward.
pub fn choose(forward: Option<Candidate>, reverse: Option<Candidate>) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = [forward, reverse].into_iter().flatten().collect();
    // Stable: forward stands first.
    candidates.sort_by_key(|c| c.nanoseconds);
    candidates
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Two digits of a time.
pub fn time(nanoseconds: u64) -> String {
    let (value, unit) = match nanoseconds {
        0..1_000 => (nanoseconds as f64, "ns"),
        1_000..1_000_000 => (nanoseconds as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (nanoseconds as f64 / 1e6, "ms"),
        _ => (nanoseconds as f64 / 1e9, "s"),
    };
    match value < 10.0 && unit != "ns" {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    }
}

/// "reverse: 1 output, 1000 inputs; 1 sweep instead of 1000".
pub fn reason(candidates: &[Candidate], forced: bool, n: u64, m: u64) -> String {
    let Some(chosen) = candidates.first() else {
        return "no output depends on an input; nothing to sweep".into();
    };
    let (name, own, other) = match chosen.mode {
        Mode::Reverse => ("reverse", m, n),
        _ => ("forward", n, m),
    };
    let sizes = format!("{}, {}", count(m, "output"), count(n, "input"));
    if forced {
        return format!(
            "{name}: asked for by the request; {sizes}; {}",
            count(own, "sweep")
        );
    }
    match candidates.get(1) {
        None => format!(
            "{name}: {sizes}; {} instead of {other}",
            count(own, "sweep")
        ),
        Some(loser) if loser.nanoseconds == chosen.nanoseconds => format!(
            "{name}: {sizes}; both modes cost {} operations, about {}, and ties go to forward, which keeps nothing in memory",
            chosen.operations,
            time(chosen.nanoseconds),
        ),
        Some(loser) => format!(
            "{name}: {sizes}; {} of {} operations in all, about {}, the other mode's {} would take {} and {}",
            count(own, "sweep"),
            chosen.operations,
            time(chosen.nanoseconds),
            other,
            loser.operations,
            time(loser.nanoseconds),
        ),
    }
}

/// "forward: 3 colours of 100000 columns; 3 sweeps instead of 100000". Colours are those of columns and of rows, of n
/// and m.
pub fn colors_reason(mode: Mode, forced: bool, colors: [u32; 2], [n, m]: [u64; 2]) -> String {
    let [columns, rows] = colors.map(u64::from);
    let forward = format!("{} of {}", count(columns, "colour"), count(n, "column"));
    let reverse = format!("{} of {}", count(rows, "colour"), count(m, "row"));
    let (name, what, plain) = match mode {
        Mode::Forward => ("forward", forward, n),
        Mode::Reverse => ("reverse", reverse, m),
        Mode::Mixed => ("mixed", format!("{forward} and {reverse}"), n.min(m)),
    };
    let asked = if forced {
        "asked for by the request; "
    } else {
        ""
    };
    let sweeps = count(columns + rows, "sweep");
    format!("{name}: {asked}{what}; {sweeps} instead of {plain}")
}

/// "mixed: across a waist of 5 values between 500 inputs and 800 outputs; 5 forward and 5 reverse sweeps instead of
/// 500".
pub fn crossed_reason(
    forced: bool,
    waists: &[u64],
    [forward, reverse]: [u64; 2],
    [n, m]: [u64; 2],
) -> String {
    let waist = match waists {
        [only] => format!("a waist of {}", count(*only, "value")),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(u64::to_string).collect();
            let first = first.join(", ");
            format!("waists of {first} and {}", count(*last, "value"))
        }
        [] => "no waist".into(),
    };
    let asked = if forced {
        "asked for by the request; "
    } else {
        ""
    };
    let (inputs, outputs) = (count(n, "input"), count(m, "output"));
    let reverse = count(reverse, "reverse sweep");
    format!(
        "mixed: {asked}across {waist} between {inputs} and {outputs}; {forward} forward and {reverse} instead of {}",
        n.min(m)
    )
}

/// "reverse: 2 colours of 100000 rows, back to what the inputs are gathered into; 2 sweeps instead of 30540".
pub fn gathered_reason(forced: bool, colors: u32, [n, m]: [u64; 2]) -> String {
    let asked = if forced {
        "asked for by the request; "
    } else {
        ""
    };
    let colors = u64::from(colors);
    let (what, rows) = (count(colors, "colour"), count(m, "row"));
    let sweeps = count(colors, "sweep");
    format!(
        "reverse: {asked}{what} of {rows}, back to what the inputs are gathered into; {sweeps} instead of {}",
        n.min(m)
    )
}

/// "forward over reverse: 3 colours (star) of 100000 columns; 3 sweeps instead of 100000".
pub fn hessian_reason(mode: Option<HvpMode>, kind: &str, colors: u32, n: u64) -> String {
    let name = match mode {
        Some(HvpMode::ReverseOverForward) => "reverse over forward",
        _ => "forward over reverse",
    };
    let colors = u64::from(colors);
    let (what, sweeps) = (count(colors, "colour"), count(colors, "sweep"));
    let columns = count(n, "column");
    format!("{name}: {what} ({kind}) of {columns}; {sweeps} instead of {n}")
}

/// A plan of the first candidate.
pub fn plan(candidates: Vec<Candidate>, reason: String, n: u64, m: u64, value: Price) -> Plan {
    let chosen = candidates.first();
    let operations = chosen.map_or(value.operations(1), |c| c.operations);
    let nanoseconds = chosen.map_or(value.nanoseconds(1), |c| c.nanoseconds);
    Plan {
        mode: chosen.map(|c| c.mode),
        hvp_mode: chosen.and_then(|c| c.hvp_mode),
        sweeps: chosen.map_or(0, |c| c.sweeps),
        forward_colors: 0,
        reverse_colors: 0,
        operations,
        bytes: 0,
        predicted: Duration::from_nanos(nanoseconds),
        reason,
        candidates,
        live_inputs: n,
        live_outputs: m,
    }
}

/// Saturating, for counts that go on the wire as u32.
pub fn sweeps(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
