//! Elementwise steps: one loop where operands lie as the result does, a loop a row where they do not.

use super::memory::{Element, Memory, Shared};
use super::stop::Ticker;
use crate::error::Error;
use crate::op::kernels::{Float, Loop, Source, widest, zip2};
use crate::op::{
    Direction, Op, binary_floats, binary_integers, ternary_floats, ternary_integers, unary_floats,
    unary_integers,
};
use crate::tape::{Instruction, Slot};
use crate::tensor::DType;
use std::cell::Cell;
use std::ops::Range;

/// Elements between two looks at the stop.
const STRIP: usize = 4096;

/// Elements that are worth waking a thread for: an operation takes from a quarter of a nanosecond to several for each, and
/// waking some fifty microseconds.
const SHARE: usize = 1 << 17;

/// Elements that a thread does before it looks what is next.
const PIECE: usize = 4 * STRIP;

/// How an operand lies.
#[derive(Clone, Copy)]
struct Operand {
    slot: Slot,
    /// One element for all of the result's.
    single: bool,
}

/// A range of the result: all of it as one row, or the lanes of some elements.
struct Rows<'a> {
    memory: Memory<'a>,
    elements: usize,
    lanes: usize,
}

impl<'a> Rows<'a> {
    /// Whether an operand can be read in one piece with the result.
    fn flat(&self, o: Operand) -> bool {
        let lanes = self.memory.lanes_of(o.slot);
        match o.single {
            true => lanes == 1,
            false => lanes == self.lanes,
        }
    }

    /// The operand for `[begin, end)` of the result in one piece.
    fn piece<T: Element>(&self, o: Operand, begin: usize, end: usize) -> Source<'a, T> {
        if o.single {
            return Source::Splat(self.memory.cells(o.slot, 1)[0].get());
        }
        Source::Row(&self.memory.cells(o.slot, self.elements)[begin..end])
    }

    /// The operand for the lanes of element `e`.
    fn row<T: Element>(&self, o: Operand, e: usize) -> Source<'a, T> {
        let lanes = self.memory.lanes_of(o.slot);
        let (cells, e) = match o.single {
            true => (self.memory.cells(o.slot, 1), 0),
            false => (self.memory.cells(o.slot, self.elements), e),
        };
        match lanes == self.lanes {
            true => Source::Row(&cells[e * lanes..(e + 1) * lanes]),
            false => Source::Splat(cells[e].get()),
        }
    }
}

impl<'a> Rows<'a> {
    /// Calls `f(out, a, b, c)` over a range of the result, to which all operands lie flat.
    #[inline(always)]
    fn strips<O: Element, A: Element, B: Element>(
        &self,
        out: &[Cell<O>],
        range: Range<usize>,
        [a, b, c]: [Option<Operand>; 3],
        ticker: &mut Ticker<'_>,
        f: &impl Fn(&[Cell<O>], Source<'a, A>, Source<'a, B>, Source<'a, B>),
    ) -> Result<(), Error> {
        let mut begin = range.start;
        while begin < range.end {
            let end = range.end.min(begin + STRIP);
            ticker.tick(4 * (end - begin))?;
            let first = a.map_or(Source::Row(&[][..]), |o| self.piece(o, begin, end));
            let second =
                |o: Option<Operand>| o.map_or(Source::Row(&[][..]), |o| self.piece(o, begin, end));
            f(&out[begin..end], first, second(b), second(c));
            begin = end;
        }
        Ok(())
    }
}

/// Calls `f(out, a, b, c)` over all of the result.
fn for_rows<'a, O: Element, A: Element, B: Element>(
    memory: Memory<'a>,
    i: &Instruction,
    arity: usize,
    ticker: &mut Ticker<'_>,
    f: impl Fn(&[Cell<O>], Source<'a, A>, Source<'a, B>, Source<'a, B>) + Sync,
) -> Result<(), Error> {
    let rows = Rows {
        memory,
        elements: i.elements as usize,
        lanes: memory.lanes_of(i.result),
    };
    let out = memory.cells::<O>(i.result, rows.elements);
    let operand = |k: usize| Operand {
        slot: i.operands[k],
        single: i.flags & 1 << k != 0,
    };
    let a = operand(0);
    let [b, c] = [1, 2].map(|k| (k < arity).then(|| operand(k)));
    // A missing operand is not looked at.
    let nothing = Source::Row(&[][..]);
    if (0..arity).all(|k| rows.flat(operand(k))) {
        let most = (out.len() / SHARE).saturating_sub(1);
        if most == 0 {
            return rows.strips(out, 0..out.len(), [Some(a), b, c], ticker, &f);
        }
        // SAFETY: each piece writes to elements of its own; an operand lies elsewhere, or as the result does.
        let shared = unsafe { Shared::new(memory) };
        let (pieces, lanes) = (out.len().div_ceil(PIECE), rows.lanes);
        return ticker.share(pieces, most, &|ticker, _, piece| {
            let rows = Rows {
                memory: shared.get(),
                elements: i.elements as usize,
                lanes,
            };
            let out = rows.memory.cells::<O>(i.result, rows.elements);
            let own = piece * PIECE..out.len().min((piece + 1) * PIECE);
            rows.strips(out, own, [Some(a), b, c], ticker, &f)
        });
    }
    for e in 0..rows.elements {
        ticker.tick(4 * rows.lanes)?;
        let second = |o: Option<Operand>| o.map_or(nothing, |o| rows.row(o, e));
        f(
            &out[e * rows.lanes..(e + 1) * rows.lanes],
            rows.row(a, e),
            second(b),
            second(c),
        );
    }
    Ok(())
}

/// The cells of an operand of a one-operand step, which always lies as its result.
fn cells<T>(source: Source<'_, T>) -> &[Cell<T>] {
    match source {
        Source::Row(row) => row,
        Source::Splat(_) => &[],
    }
}

/// Runs an elementwise step.
pub(super) fn run(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    match (i.op, i.dtype) {
        (Op::Compare, DType::F64) => compare::<f64>(memory, i, ticker),
        (Op::Compare, DType::F32) => compare::<f32>(memory, i, ticker),
        (Op::Compare, DType::I64) => compare::<i64>(memory, i, ticker),
        (Op::Compare, DType::Bool) => compare::<bool>(memory, i, ticker),
        (Op::Select, DType::F64) => select::<f64>(memory, i, ticker),
        (Op::Select, DType::F32) => select::<f32>(memory, i, ticker),
        (Op::Select, DType::I64) => select::<i64>(memory, i, ticker),
        (Op::Select, DType::Bool) => select::<bool>(memory, i, ticker),
        (Op::And | Op::Or | Op::Xor | Op::Not, _) => logical(memory, i, ticker),
        (Op::IsFinite | Op::IsNan | Op::IsInf, DType::F64) => classify::<f64>(memory, i, ticker),
        (Op::IsFinite | Op::IsNan | Op::IsInf, _) => classify::<f32>(memory, i, ticker),
        (Op::Convert, _) => convert(memory, i, ticker),
        (_, DType::F64) => floats::<f64>(memory, i, ticker),
        (_, DType::F32) => floats::<f32>(memory, i, ticker),
        _ => integers(memory, i, ticker),
    }
}

fn arity(op: Op) -> usize {
    op.elementwise().map_or(1, |row| row.partials.len())
}

fn floats<T: Element + Float>(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    match arity(i.op) {
        1 => for_rows::<T, T, T>(memory, i, 1, ticker, |out, a, _, _| {
            unary_floats(i.op, out, cells(a))
        }),
        3 => for_rows::<T, T, T>(memory, i, 3, ticker, |out, a, b, c| {
            ternary_floats(i.op, out, [a, b, c])
        }),
        _ => for_rows::<T, T, T>(memory, i, 2, ticker, |out, a, b, _| {
            binary_floats(i.op, out, a, b)
        }),
    }
}

fn integers(memory: Memory<'_>, i: &Instruction, ticker: &mut Ticker<'_>) -> Result<(), Error> {
    match arity(i.op) {
        1 => for_rows::<i64, i64, i64>(memory, i, 1, ticker, |out, a, _, _| {
            unary_integers(i.op, out, cells(a))
        }),
        3 => for_rows::<i64, i64, i64>(memory, i, 3, ticker, |out, a, b, c| {
            ternary_integers(i.op, out, [a, b, c])
        }),
        _ => for_rows::<i64, i64, i64>(memory, i, 2, ticker, |out, a, b, _| {
            binary_integers(i.op, out, a, b)
        }),
    }
}

fn compare<T: Element>(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let direction = Direction::ALL[i.detail as usize];
    for_rows::<bool, T, T>(memory, i, 2, ticker, |out, a, b, _| {
        let of = Comparison {
            direction,
            out,
            a,
            b,
        };
        widest(out.len(), of);
    })
}

struct Comparison<'a, T> {
    direction: Direction,
    out: &'a [Cell<bool>],
    a: Source<'a, T>,
    b: Source<'a, T>,
}

impl<T: Element> Loop for Comparison<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { out, a, b, .. } = self;
        match self.direction {
            Direction::Eq => zip2(out, a, b, |a, b| a == b),
            Direction::Ne => zip2(out, a, b, |a, b| a != b),
            Direction::Lt => zip2(out, a, b, |a, b| a < b),
            Direction::Le => zip2(out, a, b, |a, b| a <= b),
            Direction::Gt => zip2(out, a, b, |a, b| a > b),
            Direction::Ge => zip2(out, a, b, |a, b| a >= b),
        }
    }
}

fn select<T: Element>(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    for_rows::<T, bool, T>(memory, i, 3, ticker, |out, p, a, b| match p {
        Source::Splat(p) => {
            let taken = if p { a } else { b };
            out.iter()
                .enumerate()
                .for_each(|(k, o)| o.set(taken.get(k)));
        }
        Source::Row(p) => {
            for (k, (o, p)) in out.iter().zip(p).enumerate() {
                o.set(if p.get() { a } else { b }.get(k));
            }
        }
    })
}

fn logical(memory: Memory<'_>, i: &Instruction, ticker: &mut Ticker<'_>) -> Result<(), Error> {
    if i.op == Op::Not {
        return for_rows::<bool, bool, bool>(memory, i, 1, ticker, |out, a, _, _| {
            out.iter().zip(cells(a)).for_each(|(o, a)| o.set(!a.get()));
        });
    }
    for_rows::<bool, bool, bool>(memory, i, 2, ticker, |out, a, b, _| match i.op {
        Op::And => zip2(out, a, b, |a, b| a & b),
        Op::Or => zip2(out, a, b, |a, b| a | b),
        _ => zip2(out, a, b, |a, b| a ^ b),
    })
}

fn classify<T: Element + Float>(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let holds: fn(f64) -> bool = match i.op {
        Op::IsNan => f64::is_nan,
        Op::IsInf => f64::is_infinite,
        _ => f64::is_finite,
    };
    for_rows::<bool, T, T>(memory, i, 1, ticker, |out, a, _, _| {
        out.iter()
            .zip(cells(a))
            .for_each(|(o, a)| o.set(holds(Float::widen(a.get()))));
    })
}

fn convert(memory: Memory<'_>, i: &Instruction, ticker: &mut Ticker<'_>) -> Result<(), Error> {
    /// Every pair of types: through f64 where that is exact or the rounding asked for, else directly.
    macro_rules! to {
        ($from:ty, $to:ty, $f:expr) => {
            each::<$to, $from>(memory, i, ticker, $f)
        };
    }
    use DType::{Bool, F32, F64, I64};
    match (i.dtype, DType::ALL[i.detail as usize]) {
        (F64, F64) => to!(f64, f64, |x| x),
        (F64, F32) => to!(f64, f32, |x| x as f32),
        (F64, Bool) => to!(f64, bool, |x| x != 0.0),
        (F64, I64) => to!(f64, i64, |x| x as i64),
        (F32, F64) => to!(f32, f64, f64::from),
        (F32, F32) => to!(f32, f32, |x| x),
        (F32, Bool) => to!(f32, bool, |x| x != 0.0),
        (F32, I64) => to!(f32, i64, |x| x as i64),
        (Bool, F64) => to!(bool, f64, |x| f64::from(u8::from(x))),
        (Bool, F32) => to!(bool, f32, |x| f32::from(u8::from(x))),
        (Bool, Bool) => to!(bool, bool, |x| x),
        (Bool, I64) => to!(bool, i64, i64::from),
        (I64, F64) => to!(i64, f64, |x| x as f64),
        (I64, F32) => to!(i64, f32, |x| x as f32),
        (I64, Bool) => to!(i64, bool, |x| x != 0),
        (I64, I64) => to!(i64, i64, |x| x),
    }
}

/// `f` of each element.
fn each<O: Element, A: Element>(
    memory: Memory<'_>,
    i: &Instruction,
    ticker: &mut Ticker<'_>,
    f: impl Fn(A) -> O + Sync,
) -> Result<(), Error> {
    for_rows::<O, A, A>(memory, i, 1, ticker, |out, a, _, _| {
        let (a, f) = (cells(a), &f);
        widest(out.len(), Each { out, a, f });
    })
}

struct Each<'a, O, A, F> {
    out: &'a [Cell<O>],
    a: &'a [Cell<A>],
    f: &'a F,
}

impl<O: Element, A: Element, F: Fn(A) -> O> Loop for Each<'_, O, A, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (o, a) in self.out.iter().zip(self.a) {
            o.set((self.f)(a.get()));
        }
    }
}
