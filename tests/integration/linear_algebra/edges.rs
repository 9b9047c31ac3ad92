//! Special points, shapes and refusals.
