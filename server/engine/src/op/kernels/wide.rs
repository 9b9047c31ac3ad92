//! Which instructions a loop becomes: what it computes is the same with any.

use super::FEW;

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
pub(super) fn widest_of_long<L: Loop>(len: usize, of: impl Fn(usize) -> L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if len >= MANY
        && let Some(v4) = *x86::V4
    {
        return v4.run(of(8));
    }
    let _ = len;
    of(4).run()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Loop;
    use std::sync::LazyLock;

    /// AVX2 and what comes with it, if it is there.
    pub static V3: LazyLock<Option<pulp::x86::V3>> = LazyLock::new(pulp::x86::V3::try_new);

    /// AVX-512, if it is there. Not through `pulp`: its feature would change the results of linear algebra, too.
    pub static V4: LazyLock<Option<Avx512>> = LazyLock::new(|| {
        let is_there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        is_there.then_some(Avx512(()))
    });

    /// A proof that AVX-512 is there.
    #[derive(Clone, Copy)]
    pub struct Avx512(());

    impl Avx512 {
        /// Runs a loop with it.
        #[inline(always)]
        pub fn run<L: Loop>(self, of: L) -> L::Output {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn with_avx512<L: Loop>(of: L) -> L::Output {
                of.run()
            }
            // SAFETY: only made where these features were detected.
            unsafe { with_avx512(of) }
        }
    }

    pub struct Wide<L>(pub L);

    impl<L: Loop> pulp::WithSimd for Wide<L> {
        type Output = L::Output;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> L::Output {
            self.0.run()
        }
    }
}
