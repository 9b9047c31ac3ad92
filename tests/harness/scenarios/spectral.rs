//! Scenarios of eigen- and singular values and functions of matrices.

use super::Scenario;

pub(super) fn add(_all: &mut Vec<Scenario>) {}
