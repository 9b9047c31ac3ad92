//! Scenarios of sorting, searching and moving elements.

use super::Scenario;

pub(super) fn add(_all: &mut Vec<Scenario>) {}
