//! Forward or reverse: the price of both, the choice, and the sentence that explains it.

use super::{Candidate, HvpMode, Mode, Plan};
use crate::graph::Arena;
use crate::op::ValueId;
use std::time::Duration;

/// Average nanoseconds of an elementary operation on the plain executor.
const NS_PER_OPERATION: f64 = 1.5;

/// Above this ratio of n to m the answer is clear, and the loser is not even written down.
const CLEAR_RATIO: u64 = 4;

/// Elementary operations of what `roots` need: (independent of `seeds`, dependent on them).
pub fn price(
    arena: &Arena,
    roots: impl IntoIterator<Item = ValueId>,
    seeds: &[ValueId],
) -> (u64, u64) {
    let needed = arena.needed(roots);
    let mut moves = vec![false; arena.len()];
    for seed in seeds {
        moves[seed.index()] = true;
    }
    let (mut still, mut moving) = (0u64, 0u64);
    for node in arena.nodes().filter(|n| needed[n.result.index()]) {
        let i = node.result.index();
        moves[i] = node.operands.iter().any(|v| moves[v.index()]);
        let moved = moves[i];
        node.results().for_each(|v| moves[v.index()] = moved);
        let part = if moved { &mut moving } else { &mut still };
        *part = part.saturating_add(arena.cost(node));
    }
    (still, moving)
}

/// What is worth pricing for n live inputs and m outputs: (forward, reverse). Of a large graph only one derivative
/// is written down: a sweep costs about the same either way, so the smaller of n and m decides.
pub fn worth_pricing(forced: Option<Mode>, n: u64, m: u64, large: bool) -> (bool, bool) {
    match forced {
        Some(Mode::Forward) => (true, false),
        Some(Mode::Reverse) => (false, true),
        _ if large => (n <= m, n > m),
        _ if n > m.saturating_mul(CLEAR_RATIO) => (false, true),
        _ if m > n.saturating_mul(CLEAR_RATIO) => (true, false),
        _ => (true, true),
    }
}

/// The cheaper of the priced candidates; ties go to forward.
pub fn choose(forward: Option<Candidate>, reverse: Option<Candidate>) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = [forward, reverse].into_iter().flatten().collect();
    // Stable: forward stands first.
    candidates.sort_by_key(|c| c.operations);
    candidates
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
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
        Some(loser) if loser.operations == chosen.operations => format!(
            "{name}: {sizes}; both modes cost {} operations, and ties go to forward, which keeps nothing in memory",
            chosen.operations
        ),
        Some(loser) => format!(
            "{name}: {sizes}; {} of {} operations in all, the other mode's {} would cost {}",
            count(own, "sweep"),
            chosen.operations,
            other,
            loser.operations
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
pub fn plan(candidates: Vec<Candidate>, reason: String, n: u64, m: u64, value: u64) -> Plan {
    let chosen = candidates.first();
    let operations = chosen.map_or(value, |c| c.operations);
    Plan {
        mode: chosen.map(|c| c.mode),
        hvp_mode: chosen.and_then(|c| c.hvp_mode),
        sweeps: chosen.map_or(0, |c| c.sweeps),
        forward_colors: 0,
        reverse_colors: 0,
        operations,
        bytes: 0,
        predicted: Duration::from_nanos((operations as f64 * NS_PER_OPERATION) as u64),
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
