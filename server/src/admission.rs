//! Whether an evaluation may begin, by what it is estimated to take. A dry run reports the same figures: both have them
//! from [`estimate`].

use crate::{
    error::{Error, Result},
    wire::request::admit_memory,
};
use gradient_engine::{Estimate, Program};
use std::time::Duration;

/// Predictions are rough: what would take so many times the time until the deadline is refused, the rest is tried.
const SAFETY: u32 = 20;

/// What an evaluation of so many points takes.
pub fn estimate(program: &Program, batch: u64) -> Estimate {
    program.estimate(batch)
}

/// Refuses what does not fit the limit on memory (its name and value), and what certainly misses the deadline.
pub fn admit(
    estimate: &Estimate,
    memory: (&'static str, u64),
    remaining: Option<Duration>,
) -> Result<()> {
    admit_memory(memory, estimate.bytes)?;
    match remaining {
        Some(remaining)
            if estimate.is_certain && estimate.predicted > remaining.saturating_mul(SAFETY) =>
        {
            let predicted = estimate.predicted;
            Err(Error::Hopeless {
                predicted,
                remaining,
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: (&str, u64) = ("max_memory_bytes", 1000);

    fn taking(milliseconds: u64) -> Estimate {
        Estimate {
            operations: 1,
            bytes: 1000,
            predicted: Duration::from_millis(milliseconds),
            is_certain: true,
        }
    }

    #[test]
    fn only_what_is_hopeless_is_refused() {
        let second = Some(Duration::from_secs(1));
        assert!(admit(&taking(20_000), LIMIT, second).is_ok());
        assert!(admit(&taking(1_000_000), LIMIT, None).is_ok());
        let uncertain = Estimate {
            is_certain: false,
            ..taking(1_000_000)
        };
        assert!(admit(&uncertain, LIMIT, second).is_ok());
        let refused = admit(&taking(21_000), LIMIT, second).unwrap_err();
        assert!(matches!(refused, Error::Hopeless { .. }));
        let said = refused.to_string();
        for part in ["21s", "1s", "later deadline"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let large = Estimate {
            bytes: 1001,
            ..taking(1)
        };
        let refused = admit(&large, LIMIT, None).unwrap_err();
        assert!(matches!(refused, Error::Limit { asked: 1001, .. }));
        assert!(admit(&taking(1), LIMIT, None).is_ok());
    }
}
