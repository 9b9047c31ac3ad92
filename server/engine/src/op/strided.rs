use std::ops::Range;

/// Outer dimensions that are stepped through from anywhere.
const DEEPEST: usize = 8;

/// A way through a buffer: for each index in row-major order over `sizes`, the element at
/// `offset + Σ index · stride`. Strides wrap: one that steps backwards is `usize::MAX - n + 1`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Strided {
    offset: usize,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl Strided {
    /// Adjacent dimensions that step evenly are merged, so that runs are long.
    pub fn new(offset: usize, sizes: &[usize], strides: &[usize]) -> Self {
        let mut merged = Self {
            offset,
            sizes: Vec::new(),
            strides: Vec::new(),
        };
        for (&size, &stride) in sizes.iter().zip(strides) {
            if size == 1 {
                continue;
            }
            match (merged.sizes.last_mut(), merged.strides.last_mut()) {
                (Some(outer), Some(step)) if *step == stride.wrapping_mul(size) => {
                    *outer *= size;
                    *step = stride;
                }
                _ => {
                    merged.sizes.push(size);
                    merged.strides.push(stride);
                }
            }
        }
        merged
    }

    /// Everything in order.
    pub fn dense(elements: usize) -> Self {
        Self::new(0, &[elements], &[1])
    }

    /// Elements visited.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Whether nothing is visited.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size and stride if one dimension remains.
    pub fn single(&self) -> Option<(usize, usize)> {
        match (&self.sizes[..], &self.strides[..]) {
            ([], []) => Some((1, 1)),
            ([n], [stride]) => Some((*n, *stride)),
            _ => None,
        }
    }

    /// The first element.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Elements of the row in order that is visited again and again, if that is all.
    pub fn repeated_row(&self) -> Option<usize> {
        match (&self.sizes[..], &self.strides[..]) {
            ([_, row], [0, 1]) => Some(*row),
            _ => None,
        }
    }

    /// How often each element of an evenly stepped row is visited, one visit after the other, and the step, if that is all.
    pub fn several(&self) -> Option<(usize, usize)> {
        match (&self.sizes[..], &self.strides[..]) {
            ([_, times], [stride, 0]) => Some((*times, *stride)),
            _ => None,
        }
    }

    /// If rows in order are visited several times each: the same with all visits of a row as one run, how many elements
    /// these have, and how many the row has.
    pub fn tiled(&self) -> Option<(Self, usize, usize)> {
        let (outer, &[times, row]) = self.sizes.split_last_chunk()?;
        let (strides, &[0, 1]) = self.strides.split_last_chunk()? else {
            return None;
        };
        let all = Self {
            offset: self.offset,
            sizes: [outer, &[times * row]].concat(),
            strides: [strides, &[1]].concat(),
        };
        Some((all, times * row, row))
    }

    /// Calls `f(position, start, length, stride)` for the runs, or parts of them, that hold the positions.
    pub fn for_each_run_within(
        &self,
        positions: Range<usize>,
        mut f: impl FnMut(usize, usize, usize, usize),
    ) {
        let (Some((&row, outer)), Some((&stride, strides))) =
            (self.sizes.split_last(), self.strides.split_last())
        else {
            return f(0, self.offset, 1, 1);
        };
        let mut index = [0; DEEPEST];
        let Some(index) = index.get_mut(..outer.len()) else {
            return;
        };
        let mut along = positions.start % row;
        let (mut line, mut start) = (positions.start / row, self.offset);
        for (index, (&size, &stride)) in index.iter_mut().zip(outer.iter().zip(strides)).rev() {
            *index = line % size;
            line /= size;
            start = start.wrapping_add(index.wrapping_mul(stride));
        }
        let mut position = positions.start;
        while position < positions.end {
            let length = (row - along).min(positions.end - position);
            let first = start.wrapping_add(along.wrapping_mul(stride));
            f(position, first, length, stride);
            position += length;
            along = 0;
            for (index, (&size, &stride)) in index.iter_mut().zip(outer.iter().zip(strides)).rev() {
                *index += 1;
                start = start.wrapping_add(stride);
                if *index < size {
                    break;
                }
                start = start.wrapping_sub(stride.wrapping_mul(size));
                *index = 0;
            }
        }
    }

    /// Whether [`Strided::for_each_run_within`] can go through it.
    pub fn is_shallow(&self) -> bool {
        self.sizes.len() <= DEEPEST + 1
    }

    /// Calls `f(position, start, length, stride)` for each run along the innermost dimension: `length` elements
    /// at `start`, `start + stride`, …, of which the first is number `position` in order.
    pub fn for_each_run(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        let (length, stride) = match (self.sizes.last(), self.strides.last()) {
            (Some(&n), Some(&s)) => (n, s),
            _ => return f(0, self.offset, 1, 1),
        };
        if self.is_empty() {
            return;
        }
        let outer = self.sizes.len() - 1;
        let mut index = vec![0usize; outer];
        let (mut start, mut position) = (self.offset, 0);
        loop {
            f(position, start, length, stride);
            position += length;
            let mut d = outer;
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                index[d] += 1;
                start = start.wrapping_add(self.strides[d]);
                if index[d] < self.sizes[d] {
                    break;
                }
                start = start.wrapping_sub(self.strides[d].wrapping_mul(self.sizes[d]));
                index[d] = 0;
            }
        }
    }

    /// Calls `f(position, start)` for each element.
    pub fn for_each(&self, mut f: impl FnMut(usize, usize)) {
        self.for_each_run(|position, start, length, stride| {
            for i in 0..length {
                f(position + i, start.wrapping_add(i.wrapping_mul(stride)));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Strided;

    fn visited(s: &Strided) -> Vec<usize> {
        let mut v = vec![];
        s.for_each(|i, at| {
            assert_eq!(i, v.len());
            v.push(at);
        });
        v
    }

    #[test]
    fn visits_in_order() {
        assert_eq!(
            visited(&Strided::new(0, &[2, 3], &[1, 2])),
            [0, 2, 4, 1, 3, 5]
        );
        assert_eq!(visited(&Strided::new(5, &[], &[])), [5]);
        assert_eq!(visited(&Strided::new(0, &[2, 0], &[1, 1])), []);
        assert_eq!(visited(&Strided::new(1, &[2, 2], &[0, 3])), [1, 4, 1, 4]);
        let back = |step: usize| step.wrapping_neg();
        assert_eq!(
            visited(&Strided::new(2, &[2, 3], &[3, back(1)])),
            [2, 1, 0, 5, 4, 3]
        );
        assert_eq!(
            visited(&Strided::new(3, &[2, 3], &[back(3), 1])),
            [3, 4, 5, 0, 1, 2]
        );
    }

    #[test]
    fn visits_parts_as_the_whole() {
        for s in [
            Strided::new(3, &[], &[]),
            Strided::new(1, &[7], &[3]),
            Strided::new(2, &[3, 4, 5], &[40, 0, 7]),
            Strided::new(100, &[2, 3], &[9, 2usize.wrapping_neg()]),
            Strided::new(0, &[4, 5], &[0, 1]),
        ] {
            let all = visited(&s);
            for begin in 0..all.len() {
                for end in begin + 1..=all.len() {
                    let mut part = vec![];
                    s.for_each_run_within(begin..end, |position, start, length, stride| {
                        assert_eq!(position, begin + part.len());
                        let at = |i: usize| start.wrapping_add(i.wrapping_mul(stride));
                        part.extend((0..length).map(at));
                    });
                    assert_eq!(part, all[begin..end]);
                }
            }
        }
    }

    #[test]
    fn merges_even_steps() {
        assert_eq!(
            Strided::new(0, &[4, 1, 5], &[5, 9, 1]).single(),
            Some((20, 1))
        );
        assert_eq!(Strided::new(0, &[4, 5], &[10, 2]).single(), Some((20, 2)));
        let back = |step: usize| step.wrapping_neg();
        assert_eq!(
            Strided::new(19, &[4, 5], &[back(5), back(1)]).single(),
            Some((20, back(1)))
        );
    }
}
