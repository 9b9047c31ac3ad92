//! Tensor contraction: `gemm` where the operands step evenly and there is enough to do, plain loops elsewhere.

use super::memory::{Element, Memory, Shared};
use super::stop::Ticker;
use crate::error::Error;
use crate::op::kernels::{Rows, has_fused, sum_rows};
use crate::op::{DotPlan, Strided};
use crate::tape::{Between, Place, Structural};
use smallvec::SmallVec;
use std::any::TypeId;
use std::cell::Cell;
use std::ops::Range;

/// Multiply-adds below which a call of `gemm` costs more than it saves.
const SMALL: usize = 1 << 10;

/// Multiply-adds of one call: about a millisecond between two looks at the stop.
const CALL: usize = 1 << 24;

/// Multiply-adds that are worth waking a thread for: some fifty microseconds, about what waking takes.
const PIECE: usize = 1 << 21;

/// A matrix is cut into so many parts, about.
const PARTS: usize = 16;

/// Rows or columns of a part are a multiple of those that `gemm` works out at a time.
const ALIGNED: usize = 32;

/// Offsets of elements: most products are not of many matrices, nor of large ones.
type Offsets = SmallVec<[usize; 16]>;

/// A matrix within a memory: first element, and steps of rows and columns.
pub(super) struct Matrix<'a, T> {
    pub cells: &'a [Cell<T>],
    pub start: usize,
    pub row: usize,
    pub column: usize,
}

fn offsets(view: &Strided) -> Offsets {
    let mut offsets = Offsets::with_capacity(view.len());
    view.for_each(|_, at| offsets.push(at));
    offsets
}

/// `result[b, i, j, lane] = Σ_k lhs[b, i, k, lane] · rhs[b, k, j, lane]`; an operand without lanes serves all.
pub(super) fn run<T: Element>(
    memory: Memory<'_>,
    step: &Structural,
    plan: &DotPlan,
    ticker: &mut Ticker<'_>,
) -> Result<(), Error> {
    let out = memory.at::<T>(step.result());
    let lanes = memory.lanes_of(step.result().slot);
    let [a, b] = [0, 1].map(|k| memory.at::<T>(step.operands[k]));
    let [a_lanes, b_lanes] = [0, 1].map(|k| memory.lanes_of(step.operands[k].slot));
    let batches = [offsets(&plan.batch[0]), offsets(&plan.batch[1])];
    let (m, n, k) = (plan.rows.len(), plan.columns.len(), plan.inner[0].len());
    let floats = [TypeId::of::<f64>(), TypeId::of::<f32>()].contains(&TypeId::of::<T>());
    let even = Even::of(plan).filter(|_| floats);
    if let Some(even) = even
        && let Some(calls) = calls(even, [m, n, k], [a_lanes, b_lanes], lanes)
    {
        let cut = Cut::of(calls.sizes, batches[0].len() * calls.count);
        let sizes = [m * n * lanes, a_lanes, b_lanes];
        // SAFETY: each piece writes to elements of the result that no other one does, and none lies where an operand does.
        let shared = unsafe { Shared::new(memory) };
        return ticker.share(cut.pieces(), cut.hands(), &|ticker, _, piece| {
            let memory = shared.get();
            let out = memory.at::<T>(step.result());
            let [a, b] = [0, 1].map(|k| memory.at::<T>(step.operands[k]));
            let (left, right) = if calls.swapped { (b, a) } else { (a, b) };
            for part in cut.parts(piece) {
                let (matrix, [rows, columns]) = cut.part(part);
                let i = matrix / calls.count;
                let call = calls.call(
                    i,
                    matrix % calls.count,
                    [0, 1].map(|k| batches[k][i]),
                    sizes,
                );
                let sizes = [rows.len(), columns.len(), cut.sizes[2]];
                ticker.tick(sizes.iter().product::<usize>() / 4)?;
                let at = |cells, steps: Steps, row: usize, column: usize| Matrix {
                    cells,
                    start: steps.start + row * steps.row + column * steps.column,
                    row: steps.row,
                    column: steps.column,
                };
                let out = at(out, call.out, rows.start, columns.start);
                let left = at(left, call.left, rows.start, 0);
                let right = at(right, call.right, 0, columns.start);
                multiply(&out, &left, &right, sizes);
            }
            Ok(())
        });
    }
    let (rows, columns) = (offsets(&plan.rows), offsets(&plan.columns));
    let inner: SmallVec<[(usize, usize); 16]> = offsets(&plan.inner[0])
        .into_iter()
        .zip(offsets(&plan.inner[1]))
        .collect();
    let mut o = 0;
    for (&a_base, &b_base) in batches[0].iter().zip(&batches[1]) {
        for &row in &rows {
            for &column in &columns {
                ticker.tick(k * lanes)?;
                let (a_at, b_at) = (a_base + row, b_base + column);
                let mut lane = 0;
                // A few lanes side by side; each sums in the same order as alone.
                while lane + SIDE <= lanes {
                    sums::<T, SIDE>(
                        &out[o + lane..],
                        lane,
                        [a, b],
                        [a_at, b_at],
                        [a_lanes, b_lanes],
                        &inner,
                    );
                    lane += SIDE;
                }
                while lane < lanes {
                    sums::<T, 1>(
                        &out[o + lane..],
                        lane,
                        [a, b],
                        [a_at, b_at],
                        [a_lanes, b_lanes],
                        &inner,
                    );
                    lane += 1;
                }
                o += lanes;
            }
        }
    }
    Ok(())
}

/// Lanes whose sums are carried side by side.
const SIDE: usize = 8;

/// Sums of `S` lanes from `lane` on.
fn sums<T: Element, const S: usize>(
    out: &[Cell<T>],
    lane: usize,
    cells: [&[Cell<T>]; 2],
    at: [usize; 2],
    lanes: [usize; 2],
    inner: &[(usize, usize)],
) {
    let [a, b] = cells;
    let mut sums = [T::ZERO; S];
    let own = |lanes: usize| if lanes == 1 { (0, 0) } else { (lane, 1) };
    let ((a_first, a_step), (b_first, b_step)) = (own(lanes[0]), own(lanes[1]));
    for &(ak, bk) in inner {
        let a = &a[(at[0] + ak) * lanes[0] + a_first..];
        let b = &b[(at[1] + bk) * lanes[1] + b_first..];
        for (s, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + T::times(a[s * a_step].get(), b[s * b_step].get());
        }
    }
    for (out, sum) in out.iter().zip(sums) {
        out.set(T::narrow(sum));
    }
}

/// Steps of rows, columns, and of what is summed over on both sides, in elements.
#[derive(Clone, Copy)]
struct Even {
    row: usize,
    column: usize,
    inner: [usize; 2],
}

impl Even {
    fn of(plan: &DotPlan) -> Option<Self> {
        let step = |view: &Strided| Some(view.single()?.1);
        Some(Self {
            row: step(&plan.rows)?,
            column: step(&plan.columns)?,
            inner: [step(&plan.inner[0])?, step(&plan.inner[1])?],
        })
    }
}

/// Where a matrix begins in its memory, and its steps.
#[derive(Clone, Copy, Default)]
struct Steps {
    start: usize,
    row: usize,
    column: usize,
}

/// Products of plain matrices that make up one with lanes.
struct Calls {
    /// Rows, columns, and what is summed over.
    sizes: [usize; 3],
    /// Number of products for one element of the batch dimensions.
    count: usize,
    /// Whether the right operand stands on the left.
    swapped: bool,
    out: Steps,
    left: Steps,
    right: Steps,
    /// From one product to the next.
    by: [usize; 3],
}

struct Call {
    out: Steps,
    left: Steps,
    right: Steps,
}

impl Calls {
    /// Product `c` of element `i` of the batch dimensions. `sizes`: elements of its result, lanes of the operands.
    fn call(&self, i: usize, c: usize, bases: [usize; 2], sizes: [usize; 3]) -> Call {
        let [a, b] = [bases[0] * sizes[1], bases[1] * sizes[2]];
        let (left, right) = if self.swapped { (b, a) } else { (a, b) };
        let moved = |at: Steps, by: usize| Steps {
            start: at.start + by,
            ..at
        };
        Call {
            out: moved(self.out, i * sizes[0] + c * self.by[0]),
            left: moved(self.left, left + c * self.by[1]),
            right: moved(self.right, right + c * self.by[2]),
        }
    }
}

/// How products are cut into pieces that threads share: it depends on their sizes alone, and so does every bit.
struct Cut {
    /// Rows, columns, and what is summed over.
    sizes: [usize; 3],
    matrices: usize,
    /// Whether rows of a matrix are cut, not columns.
    rows: bool,
    /// Rows or columns of a part, parts of a matrix, parts of a piece.
    length: usize,
    parts: usize,
    together: usize,
}

impl Cut {
    fn of(sizes: [usize; 3], matrices: usize) -> Self {
        let [m, n, k] = sizes;
        let rows = m >= n;
        let (cut, across) = if rows { (m, n) } else { (n, m) };
        let own = m * n * k;
        // A part packs the other operand for itself, so parts are few; and where there are many matrices, whole ones.
        let least = match matrices < PARTS {
            true => PIECE.max(own / PARTS),
            false => CALL,
        };
        let length = least.div_ceil((across * k).max(1)).min(cut).max(1);
        let parts = cut.div_ceil(length).max(1);
        let length = cut
            .div_ceil(parts)
            .next_multiple_of(ALIGNED)
            .min(cut)
            .max(1);
        Self {
            sizes,
            matrices,
            rows,
            length,
            parts: cut.div_ceil(length).max(1),
            together: (PIECE / own.max(1)).max(1),
        }
    }

    fn pieces(&self) -> usize {
        (self.matrices * self.parts).div_ceil(self.together)
    }

    /// How many threads are worth waking.
    fn hands(&self) -> usize {
        let work = self.sizes.iter().product::<usize>() * self.matrices;
        (work / PIECE).saturating_sub(1)
    }

    fn parts(&self, piece: usize) -> Range<usize> {
        let begin = piece * self.together;
        begin..(begin + self.together).min(self.matrices * self.parts)
    }

    /// The matrix that a part is of, its rows and columns.
    fn part(&self, part: usize) -> (usize, [Range<usize>; 2]) {
        let [m, n, _] = self.sizes;
        let begin = part % self.parts * self.length;
        let of = |all: usize| begin..all.min(begin + self.length);
        let ranges = if self.rows {
            [of(m), 0..n]
        } else {
            [0..m, of(n)]
        };
        (part / self.parts, ranges)
    }
}

/// How `gemm` does it, if there is enough to do for it. Lanes of one operand alone are columns beside its own.
fn calls(even: Even, [m, n, k]: [usize; 3], of: [usize; 2], lanes: usize) -> Option<Calls> {
    let steps = |row: usize, column: usize| Steps {
        start: 0,
        row,
        column,
    };
    let [a_lanes, b_lanes] = of;
    let calls = match of {
        [1, b_lanes] if lanes > 1 && b_lanes == lanes && (n == 1 || even.column == 1) => Calls {
            sizes: [m, n * lanes, k],
            count: 1,
            swapped: false,
            out: steps(n * lanes, 1),
            left: steps(even.row, even.inner[0]),
            right: steps(even.inner[1] * lanes, 1),
            by: [0; 3],
        },
        [1, b_lanes] if lanes > 1 && b_lanes == lanes => Calls {
            sizes: [m, lanes, k],
            count: n,
            swapped: false,
            out: steps(n * lanes, 1),
            left: steps(even.row, even.inner[0]),
            right: steps(even.inner[1] * lanes, 1),
            by: [lanes, 0, even.column * lanes],
        },
        // Turned round: the right operand's columns are rows.
        [a_lanes, 1] if lanes > 1 && a_lanes == lanes => Calls {
            sizes: [n, lanes, k],
            count: m,
            swapped: true,
            out: steps(lanes, 1),
            left: steps(even.column, even.inner[1]),
            right: steps(even.inner[0] * lanes, 1),
            by: [n * lanes, 0, even.row * lanes],
        },
        _ => Calls {
            sizes: [m, n, k],
            count: lanes,
            swapped: false,
            out: steps(n * lanes, lanes),
            left: steps(even.row * a_lanes, even.inner[0] * a_lanes),
            right: steps(even.inner[1] * b_lanes, even.column * b_lanes),
            by: [1, usize::from(a_lanes > 1), usize::from(b_lanes > 1)],
        },
    };
    // The same for every number of lanes: small products sum in the order of the elements, alone or in a batch.
    (!is_small([m, n, k])).then_some(calls)
}

/// Whether every lane's sums are, bit for bit, those of a single lane: not where `gemm` orders them.
pub(super) fn keeps_order(plan: &DotPlan) -> bool {
    is_small([plan.rows.len(), plan.columns.len(), plan.inner[0].len()])
}

fn is_small(sizes: [usize; 3]) -> bool {
    sizes.iter().product::<usize>() < SMALL
}

impl<T> Matrix<'_, T> {
    /// Whether every element of an m × n matrix lies within the memory.
    fn holds(&self, m: usize, n: usize) -> bool {
        self.start + (m - 1) * self.row + (n - 1) * self.column < self.cells.len()
    }
}

/// A vector times a matrix that lies row by row; false if that is left to `gemm`.
fn sum_of_rows<T: Element>(
    out: &Matrix<'_, T>,
    left: &Matrix<'_, T>,
    right: &Matrix<'_, T>,
    [n, k]: [usize; 2],
) -> bool {
    let numbers = [out, left, right].map(|matrix| T::numbers(&matrix.cells[matrix.start..]));
    let [Some(out), Some(numbers), Some(cells)] = numbers else {
        return false;
    };
    // Without fused multiply-adds it is slow.
    if !has_fused() {
        return false;
    }
    let rows = Rows {
        cells,
        step: right.row,
        numbers,
        number_step: left.column,
        count: k,
    };
    sum_rows(&out[..n], rows, false);
    true
}

/// Some rows of the matrix of [`Between`], each times the first product's vector.
pub(super) fn rows(memory: Memory<'_>, between: &Between, rows: Range<usize>) {
    let columns = between.columns;
    let matrix = |place: Place, start: usize, row: usize| Matrix {
        cells: memory.at::<f64>(place),
        start,
        row,
        column: 1,
    };
    let [vector, result] = between.first;
    multiply(
        &matrix(result, rows.start, 1),
        &matrix(between.matrix, rows.start * columns, columns),
        &matrix(vector, 0, 1),
        [rows.len(), 1, columns],
    );
}

/// The same rows, each times its number of the second product's vector, added up; the first ones begin the sum.
pub(super) fn sum(memory: Memory<'_>, between: &Between, rows: Range<usize>) {
    let [vector, result] = between.second;
    let columns = between.columns;
    let own = Rows {
        cells: &memory.at::<f64>(between.matrix)[rows.start * columns..],
        step: columns,
        numbers: &memory.at::<f64>(vector)[rows.clone()],
        number_step: 1,
        count: rows.len(),
    };
    sum_rows(memory.at::<f64>(result), own, rows.start > 0);
}

/// `out = left · right`, m × k times k × n, none of them 0.
pub(super) fn multiply<T: Element>(
    out: &Matrix<'_, T>,
    left: &Matrix<'_, T>,
    right: &Matrix<'_, T>,
    [m, n, k]: [usize; 3],
) {
    assert!(
        out.holds(m, n) && left.holds(m, k) && right.holds(k, n),
        "matrices lie within their memory"
    );
    // Of one column `gemm` orders the sum otherwise, and so it does for lanes that stand side by side.
    let is_row = m == 1 && n > 1 && right.column == 1 && out.column == 1;
    if is_row && sum_of_rows(out, left, right, [n, k]) {
        return;
    }
    let zero = T::default();
    let mut one = [T::default()];
    one[0] = T::from_index(1);
    let at = |matrix: &Matrix<'_, T>| matrix.cells[matrix.start].as_ptr();
    // SAFETY: the assertion shows that every element that gemm touches lies within its memory; the slots of
    // result and operands never overlap while an instruction runs; no reference to the cells' contents is held.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            at(out),
            out.column as isize,
            out.row as isize,
            false,
            at(left).cast_const(),
            left.column as isize,
            left.row as isize,
            at(right).cast_const(),
            right.column as isize,
            right.row as isize,
            zero,
            one[0],
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
