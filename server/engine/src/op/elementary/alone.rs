//! The functions for a number that is in no loop, with the instructions that this processor has.

use crate::op::kernels::{Formula, alone};

macro_rules! alone {
    ($($name:ident)*) => {$(
        #[doc = concat!("[`super::", stringify!($name), "`].")]
        pub fn $name(x: f64) -> f64 {
            struct Alone;
            impl Formula<1> for Alone {
                #[inline(always)]
                fn at([x]: [f64; 1]) -> f64 {
                    super::$name(x)
                }
            }
            alone::<1, Alone>([x])
        }
    )*};
}

alone!(exp log1p erfc norm_cdf);
