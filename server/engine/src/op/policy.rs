/// The derivative where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NonSmooth {
    /// Each operation's own choice, as the op table declares it.
    #[default]
    Standard,
    /// As JAX where it differs; a branch not taken reaches the derivative as 0 · inf = NaN, as there.
    Jax,
    /// As PyTorch where it differs; a branch not taken reaches the derivative as 0 · inf = NaN, as there.
    PyTorch,
    /// An error that names the node.
    Strict,
}

impl NonSmooth {
    /// Whether 0 · inf is NaN in derivatives, as in JAX and PyTorch, where a branch not taken can poison them.
    pub const fn poisons(self) -> bool {
        matches!(self, NonSmooth::Jax | NonSmooth::PyTorch)
    }
}
