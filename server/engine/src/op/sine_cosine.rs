//! Sine and cosine of the same numbers, as a function and its derivative ask for them.

use super::Op;
use super::elementary::{both_near, cos, is_near, sin};
use super::kernels::{Loop, pairs, widest_long};
use std::cell::Cell;

/// The operation whose results are worked out with those of this one for less than twice the cost.
pub fn companion(op: Op) -> Option<Op> {
    match op {
        Op::Sin => Some(Op::Cos),
        Op::Cos => Some(Op::Sin),
        _ => None,
    }
}

/// `sine[i] = sin a[i]` and `cosine[i] = cos a[i]`, the same bits as of each operation alone.
pub fn sine_cosine(sine: &[Cell<f64>], cosine: &[Cell<f64>], a: &[Cell<f64>]) {
    widest_long(a.len(), Both { sine, cosine, a });
}

struct Both<'a> {
    sine: &'a [Cell<f64>],
    cosine: &'a [Cell<f64>],
    a: &'a [Cell<f64>],
}

impl Loop for Both<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let far = |x: f64| (sin(x), cos(x));
        pairs([self.sine, self.cosine], self.a, is_near, both_near, far);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::unary_floats;

    /// Any number of elements, near and far, with those that are none.
    #[test]
    fn both_are_the_bits_of_each_alone() {
        let special = [
            0.0,
            -0.0,
            1e-300,
            -1e-10,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e6,
            -1e6f64.next_up(),
            1e22,
            f64::MAX,
            5e-324,
        ];
        for count in [1, 3, 4, 7, 8, 31, 32, 63, 64, 65, 100, 512, 1000] {
            for far in [false, true] {
                let number = |i: usize| match i % 16 {
                    k if far && k < special.len() => special[k],
                    _ => (i as f64 - 200.0) * 0.37,
                };
                let a: Vec<Cell<f64>> = (0..count).map(|i| Cell::new(number(i))).collect();
                let [s, c, sine, cosine] = [(); 4].map(|()| vec![Cell::new(7.0); count]);
                unary_floats(Op::Sin, &s, &a);
                unary_floats(Op::Cos, &c, &a);
                sine_cosine(&sine, &cosine, &a);
                let bits =
                    |x: &[Cell<f64>]| -> Vec<u64> { x.iter().map(|x| x.get().to_bits()).collect() };
                assert_eq!(bits(&sine), bits(&s), "{count} {far}");
                assert_eq!(bits(&cosine), bits(&c), "{count} {far}");
            }
        }
    }
}
