//! Scenarios of solving and factorising.

use super::Scenario;

pub(super) fn add(_all: &mut Vec<Scenario>) {}
