//! Which instructions a loop becomes: what it computes is the same with any.

use super::{FEW, Formula};
use std::marker::PhantomData;

/// For fewer numbers AVX-512 gains nothing: a few wide reads wait for narrower writes.
const MANY: usize = 32;

/// A loop over elements.
pub trait Loop {
    /// What it gives beside what it writes.
    type Output;

    /// Runs it; to be inlined, so that it becomes the instructions of the function around it.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest instructions that this processor has. What it computes is the same with any.
#[inline(always)]
pub fn widest<L: Loop>(len: usize, of: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if len >= FEW
        && let Some(v3) = *x86::V3
    {
        return pulp::Simd::vectorize(v3, x86::Wide(of));
    }
    let _ = len;
    of.run()
}

/// The same of long formulas, `of` a number of lanes: also with AVX-512, for which short ones only wait for memory.
#[inline(always)]
pub(super) fn widest_of_long<L: Loop>(len: usize, of: impl FnOnce(usize) -> L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if len >= MANY
        && let Some(v4) = *x86::V4
    {
        return pulp::Simd::vectorize(v4, x86::Wide(of(8)));
    }
    let _ = len;
    of(4).run()
}

/// Runs a loop of long formulas, where nothing is chosen yet.
#[inline(always)]
pub fn widest_long<L: Loop>(len: usize, of: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if len >= MANY
            && let Some(v4) = *x86::V4
        {
            return pulp::Simd::vectorize(v4, x86::Wide(of));
        }
        // Also a few: without these instructions a fused multiply-add is a call.
        if let Some(v3) = *x86::V3 {
            return pulp::Simd::vectorize(v3, x86::Wide(of));
        }
    }
    let _ = len;
    of.run()
}

/// A long formula of a number that is in no loop: with the processor's fused multiply-add, which is a call without.
#[inline(always)]
pub(in crate::op) fn alone<const N: usize, F: Formula<N>>(x: [f64; N]) -> f64 {
    let formula = PhantomData::<F>;
    widest_long(1, Alone { x, formula })
}

struct Alone<F, const N: usize> {
    x: [f64; N],
    formula: PhantomData<F>,
}

impl<F: Formula<N>, const N: usize> Loop for Alone<F, N> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        F::at(self.x)
    }
}

/// Asks for the part of the cache where number `at` would be, which may be beyond the last: it will be read.
#[inline(always)]
pub(in crate::op) fn prefetch_to_read(numbers: &[f64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads and writes nothing, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(numbers.as_ptr().wrapping_add(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (numbers, at);
}

/// The same of what will be written.
#[inline(always)]
pub(in crate::op) fn prefetch_to_write(numbers: &[f64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(numbers.as_ptr().wrapping_add(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (numbers, at);
}

/// Whether functions may be called that are compiled for AVX2 and fused multiply-add.
pub fn has_fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::V3.is_some();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Loop;
    use std::sync::LazyLock;

    /// AVX2 and what comes with it, if it is there.
    pub static V3: LazyLock<Option<pulp::x86::V3>> = LazyLock::new(pulp::x86::V3::try_new);

    /// AVX-512 and what comes with it, if it is there.
    pub static V4: LazyLock<Option<pulp::x86::V4>> = LazyLock::new(pulp::x86::V4::try_new);

    pub struct Wide<L>(pub L);

    impl<L: Loop> pulp::WithSimd for Wide<L> {
        type Output = L::Output;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> L::Output {
            self.0.run()
        }
    }
}
