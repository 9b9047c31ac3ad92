//! Parts of a vector that are put side by side again: programs that take a vector apart, number by number, and are then
//! found to repeat themselves, become operations on whole parts of it.

use super::simplify::Workspace;
use crate::graph::Arena;
use crate::op::{Attributes, Op, ValueId};

/// Elements `start`, `start + stride`, … of a vector.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Part {
    pub of: ValueId,
    pub start: u64,
    pub count: u64,
    pub stride: u64,
}

impl Part {
    /// One element.
    pub fn one(of: ValueId, start: u64) -> Self {
        let (count, stride) = (1, 1);
        Self {
            of,
            start,
            count,
            stride,
        }
    }

    /// What a slice of a vector takes, reshaped or not.
    pub fn taken(arena: &Arena, value: ValueId) -> Option<Self> {
        let mut node = arena.producer(value)?;
        if node.op == Op::Reshape {
            node = arena.producer(node.operands[0])?;
        }
        let Attributes::Slice {
            starts,
            limits,
            strides,
        } = node.attributes
        else {
            return None;
        };
        let (&[start], &[limit], stride) = (&starts[..], &limits[..], strides.first()) else {
            return None;
        };
        let stride = stride.copied().unwrap_or(1);
        Some(Self {
            of: node.operands[0],
            start,
            count: limit.saturating_sub(start).div_ceil(stride),
            stride,
        })
    }

    /// Both in one, if the other follows.
    pub fn followed_by(self, next: Self) -> Option<Self> {
        if self.of != next.of || self.count == 0 || next.count == 0 {
            return None;
        }
        let last = self.start + (self.count - 1) * self.stride;
        // A single element steps as far as the next is away.
        let stride = match self.count {
            1 => next.start.checked_sub(self.start)?,
            _ => self.stride,
        };
        let follows =
            stride > 0 && last + stride == next.start && (next.count == 1 || next.stride == stride);
        follows.then_some(Self {
            count: self.count + next.count,
            stride,
            ..self
        })
    }

    /// The slice that takes it.
    pub fn slice(self) -> Attributes {
        Attributes::Slice {
            starts: vec![self.start],
            limits: vec![self.start + (self.count - 1) * self.stride + 1],
            strides: vec![self.stride],
        }
    }
}

/// The part of one vector that a concatenation of several is.
pub(super) fn side_by_side(arena: &Arena, v: &[ValueId], dimension: u32) -> Option<Part> {
    let shape = &arena.ty(*v.first()?).shape;
    // Else the parts do not follow each other in memory.
    if v.len() < 2 || shape[..dimension as usize].iter().any(|&size| size != 1) {
        return None;
    }
    let first = Part::taken(arena, v[0])?;
    v[1..].iter().try_fold(first, |part, &next| {
        part.followed_by(Part::taken(arena, next)?)
    })
}

/// A vector with a zero between its elements, before them or behind them.
struct Spaced {
    of: ValueId,
    count: u64,
    low: u64,
}

impl Workspace {
    /// Two vectors whose elements take turns, where each stands between zeros in a sum: what comes of the derivatives of
    /// every second element. A zero is still added, for it makes -0 another.
    pub(super) fn turns(&mut self, v: &[ValueId]) -> Option<ValueId> {
        let shape = &self.arena.ty(*v.first()?).shape;
        let (1, total) = (shape.rank(), shape.elements()) else {
            return None;
        };
        let spaced = [self.spaced(v[0])?, self.spaced(v[1])?];
        let [first, second] = match spaced {
            [a, b] if a.low < b.low => [a, b],
            [a, b] => [b, a],
        };
        let count = first.count;
        if (first.low, second.low, second.count, 2 * count) != (0, 1, count, total) {
            return None;
        }
        let dtype = self.arena.ty(first.of).dtype;
        let cx = self.emitter();
        let zero = cx.scalar(dtype, 0.0);
        let columns = [first, second].map(|spaced| {
            let sum = cx.binary(Op::Add, spaced.of, zero);
            cx.reshape(sum, &[count, 1])
        });
        let both = cx.emit(
            Op::Concatenate,
            &columns,
            Attributes::Concatenate { dimension: 1 },
        );
        Some(cx.reshape(both, &[total]))
    }

    /// Running sums of a vector that begins with a number and goes on with zeros, in their direction: the derivative of
    /// the last of all running sums. Each is the number and a zero, for that makes -0 another; only the first would be -0.
    pub(super) fn sum_of_one(&mut self, v: ValueId, attributes: &Attributes) -> Option<ValueId> {
        let Attributes::Cumulative { axis: 0, reverse } = *attributes else {
            return None;
        };
        let shape = self.arena.ty(v).shape.clone();
        let node = self.arena.producer(v)?;
        let Attributes::Pad { low, high, .. } = node.attributes else {
            return None;
        };
        let [of, fill] = *node.operands else {
            return None;
        };
        let (&[low], &[high], 1) = (&low[..], &high[..], self.arena.ty(of).elements()) else {
            return None;
        };
        let begins = if reverse { high == 0 } else { low == 0 };
        let zero = self.number(fill)?;
        if !begins || zero != 0.0 || zero.is_sign_negative() {
            return None;
        }
        let cx = self.emitter();
        let one = cx.reshape(of, &[]);
        let sum = cx.binary(Op::Add, one, fill);
        Some(cx.spread(sum, &shape))
    }

    fn spaced(&self, value: ValueId) -> Option<Spaced> {
        let node = self.arena.producer(value)?;
        let Attributes::Pad {
            low,
            high,
            interior,
        } = node.attributes
        else {
            return None;
        };
        let [of, fill] = *node.operands else {
            return None;
        };
        let zero = self.number(fill)?;
        let (&[low], &[_], &[1]) = (&low[..], &high[..], &interior[..]) else {
            return None;
        };
        (zero == 0.0 && zero.is_sign_positive()).then(|| Spaced {
            of,
            count: self.arena.ty(of).elements(),
            low,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, count: u64, stride: u64) -> Part {
        Part {
            of: ValueId(0),
            start,
            count,
            stride,
        }
    }

    #[test]
    fn parts_follow_in_even_steps() {
        let follow = |a: Part, b: Part| a.followed_by(b);
        assert_eq!(follow(part(3, 1, 1), part(4, 1, 1)), Some(part(3, 2, 1)));
        assert_eq!(follow(part(3, 1, 1), part(7, 1, 1)), Some(part(3, 2, 4)));
        assert_eq!(follow(part(3, 2, 4), part(11, 1, 1)), Some(part(3, 3, 4)));
        assert_eq!(follow(part(0, 3, 2), part(6, 2, 2)), Some(part(0, 5, 2)));
        assert_eq!(follow(part(0, 1, 1), part(2, 2, 2)), Some(part(0, 3, 2)));
        assert_eq!(follow(part(3, 1, 1), part(3, 1, 1)), None);
        assert_eq!(follow(part(3, 1, 1), part(2, 1, 1)), None);
        assert_eq!(follow(part(0, 3, 2), part(6, 2, 1)), None);
        assert_eq!(follow(part(0, 3, 2), part(5, 1, 1)), None);
        assert_eq!(follow(part(0, 0, 1), part(0, 1, 1)), None);
        let other = Part {
            of: ValueId(1),
            ..part(4, 1, 1)
        };
        assert_eq!(follow(part(3, 1, 1), other), None);
        let Attributes::Slice {
            starts,
            limits,
            strides,
        } = part(3, 3, 4).slice()
        else {
            panic!("a slice");
        };
        assert_eq!((starts, limits, strides), (vec![3], vec![12], vec![4]));
    }
}
