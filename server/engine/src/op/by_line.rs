//! Routines that work line by line: all elements that are reduced together, gathered.

use super::short_lines::{self, Becomes};
use super::{Alone, Buffer, BufferMut, Kernel, Routine, Strided, Team, Types, reduce::ways};

/// Elements of a line that are worth waking a thread for: a hundred microseconds or more.
const LONG: usize = 1 << 17;

/// The lines of a tensor along some dimensions.
#[derive(Debug)]
struct Lines {
    /// Where each line begins.
    kept: Strided,
    /// Offsets of a line's elements.
    along: Strided,
}

impl Lines {
    fn new(types: &Types<'_>, axes: &[usize]) -> Self {
        let [kept, along] = ways(&types.operands[0].shape, axes);
        Self { kept, along }
    }

    /// The length of the lines whose elements follow each other.
    fn in_order(&self) -> Option<usize> {
        match self.along.single() {
            Some((length, 1)) => Some(length),
            _ => None,
        }
    }

    /// Whether several threads gain anything on one.
    fn are_long(&self) -> bool {
        self.along.len() >= LONG
    }

    /// The same where they are many and short, and there is a way for these.
    fn are_short(&self, becomes: Option<Becomes>) -> Option<(Becomes, usize)> {
        let length = self.in_order()?;
        let (_, stride) = self.kept.single()?;
        let follow = stride == length && self.kept.offset() == 0;
        let short = (2..=short_lines::MOST).contains(&length);
        becomes.filter(|_| follow && short).map(|b| (b, length))
    }

    /// Calls `f(position, first element, the line)`.
    fn for_each<T: Copy>(&self, from: &[T], mut f: impl FnMut(usize, usize, &[T])) {
        let mut line = Vec::with_capacity(self.along.len());
        self.kept.for_each(|position, base| {
            line.clear();
            self.along
                .for_each_run(|_, start, length, stride| match stride {
                    1 => line.extend_from_slice(&from[base + start..][..length]),
                    _ => line.extend((0..length).map(|i| from[base + start + i * stride])),
                });
            f(position, base, &line);
        });
    }
}

/// One number of each line.
#[derive(Debug)]
struct Fold {
    lines: Lines,
    of: fn(&[f64], &dyn Team) -> f64,
    becomes: Option<Becomes>,
}

impl Routine for Fold {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        self.run_by(&Alone, operands, results);
    }

    fn is_shared(&self) -> bool {
        // Norms are not.
        self.becomes.is_some() && self.lines.are_long()
    }

    fn run_by(&self, team: &dyn Team, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let (out, from) = (results[0].floats(), operands[0].floats());
        if let Some((becomes, length)) = self.lines.are_short(self.becomes) {
            return short_lines::run(becomes, length, from, out);
        }
        if let Some(length) = self.lines.in_order() {
            return self.lines.kept.for_each(|position, base| {
                out[position] = (self.of)(&from[base..][..length], team);
            });
        }
        self.lines.for_each(from, |position, _, line| {
            out[position] = (self.of)(line, team);
        });
    }
}

/// `of` each line along the axes, in the result's order. Many short ones are worked out side by side if they become
/// something that there is a way for.
pub(super) fn fold(
    types: &Types<'_>,
    axes: &[usize],
    of: fn(&[f64], &dyn Team) -> f64,
    becomes: Option<Becomes>,
) -> Kernel {
    let lines = Lines::new(types, axes);
    routine(Fold { lines, of, becomes })
}

/// Another line for each.
#[derive(Debug)]
struct Map {
    lines: Lines,
    of: fn(&[f64], &mut [f64], &dyn Team),
    becomes: Option<Becomes>,
}

impl Routine for Map {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        self.run_by(&Alone, operands, results);
    }

    fn is_shared(&self) -> bool {
        self.lines.are_long()
    }

    fn run_by(&self, team: &dyn Team, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let (out, from) = (results[0].floats(), operands[0].floats());
        if let Some((becomes, length)) = self.lines.are_short(self.becomes) {
            return short_lines::run(becomes, length, from, out);
        }
        if let Some(length) = self.lines.in_order() {
            return self.lines.kept.for_each(|_, base| {
                (self.of)(&from[base..][..length], &mut out[base..][..length], team);
            });
        }
        let mut to = vec![0.0; self.lines.along.len()];
        self.lines.for_each(from, |_, base, line| {
            (self.of)(line, &mut to, team);
            self.lines.along.for_each(|i, at| out[base + at] = to[i]);
        });
    }
}

/// `of` writes what each line along the axes becomes; see [`fold`].
pub(super) fn map(
    types: &Types<'_>,
    axes: &[usize],
    of: fn(&[f64], &mut [f64], &dyn Team),
    becomes: Option<Becomes>,
) -> Kernel {
    let lines = Lines::new(types, axes);
    routine(Map { lines, of, becomes })
}

/// The position within each line of the first element that no other beats.
#[derive(Debug)]
struct First {
    lines: Lines,
    largest: bool,
}

impl First {
    fn of<T: PartialOrd + Copy>(&self, line: &[T]) -> i64 {
        let mut best = 0;
        for (i, x) in line.iter().enumerate().skip(1) {
            let b = line[best];
            // What does not equal itself is NaN: the first one stays.
            let nan = |x: T| x.partial_cmp(&x).is_none();
            let beats = if self.largest { *x > b } else { *x < b };
            if !nan(b) && (beats || nan(*x)) {
                best = i;
            }
        }
        best as i64
    }
}

impl Routine for First {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let out = results[0].integers();
        match operands[0] {
            Buffer::Float(from) => self
                .lines
                .for_each(from, |i, _, line| out[i] = self.of(line)),
            Buffer::Integer(from) => self
                .lines
                .for_each(from, |i, _, line| out[i] = self.of(line)),
            Buffer::Bool(from) => self
                .lines
                .for_each(from, |i, _, line| out[i] = self.of(line)),
        }
    }
}

/// Where each line along the axis has its first largest or smallest element; the first NaN counts as either.
pub(super) fn first(types: &Types<'_>, axis: usize, largest: bool) -> Kernel {
    let lines = Lines::new(types, &[axis]);
    routine(First { lines, largest })
}

fn routine(routine: impl Routine + 'static) -> Kernel {
    let routine = Box::new(routine);
    Kernel::Routine { routine, batch: 1 }
}
