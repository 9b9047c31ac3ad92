//! Depth: functions run one another, and whoever follows them goes as deep.

/// Runs something that functions which run one another may run again: the stack grows as they do.
pub fn deeper<T>(work: impl FnOnce() -> T) -> T {
    const LEFT: usize = 128 << 10;
    const MORE: usize = 2 << 20;
    stacker::maybe_grow(LEFT, MORE, work)
}
