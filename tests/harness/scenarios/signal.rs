//! Scenarios of windows, convolution, Fourier transforms and interpolation.

use super::Scenario;

pub(super) fn add(_all: &mut Vec<Scenario>) {}
