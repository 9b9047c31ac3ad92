//! Tensor contraction: `gemm` where the operands step evenly and there is enough to do, plain loops elsewhere.

use super::memory::{Element, Memory};
use super::stop::Ticker;
use crate::error::Error;
use crate::op::{DotPlan, Strided};
use crate::tape::Structural;
use std::any::TypeId;
use std::cell::Cell;

/// Multiply-adds below which a call of `gemm` costs more than it saves.
const SMALL: usize = 1 << 10;

/// Multiply-adds of one call: about a millisecond between two looks at the stop.
const CALL: usize = 1 << 24;

/// A matrix within a memory: first element, and steps of rows and columns.
pub(super) struct Matrix<'a, T> {
    pub cells: &'a [Cell<T>],
    pub start: usize,
    pub row: usize,
    pub column: usize,
}

fn offsets(view: &Strided) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(view.len());
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
    let steps = (
        plan.rows.single(),
        plan.columns.single(),
        plan.inner[0].single(),
        plan.inner[1].single(),
    );
    if let (Some((_, row)), Some((_, column)), Some((_, a_inner)), Some((_, b_inner))) = steps
        && m * n * k >= SMALL
        && [TypeId::of::<f64>(), TypeId::of::<f32>()].contains(&TypeId::of::<T>())
    {
        let rows_a_call = (CALL / (n * k).max(1)).clamp(1, m);
        for (i, (&a_base, &b_base)) in batches[0].iter().zip(&batches[1]).enumerate() {
            for lane in 0..lanes {
                let of = |own: usize| if own == 1 { 0 } else { lane };
                for first in (0..m).step_by(rows_a_call) {
                    let rows = rows_a_call.min(m - first);
                    ticker.tick(rows * n * k / 4)?;
                    let left = Matrix {
                        cells: a,
                        start: (a_base + first * row) * a_lanes + of(a_lanes),
                        row: row * a_lanes,
                        column: a_inner * a_lanes,
                    };
                    let right = Matrix {
                        cells: b,
                        start: b_base * b_lanes + of(b_lanes),
                        row: b_inner * b_lanes,
                        column: column * b_lanes,
                    };
                    let result = Matrix {
                        cells: out,
                        start: (i * m + first) * n * lanes + lane,
                        row: n * lanes,
                        column: lanes,
                    };
                    multiply(&result, &left, &right, rows, n, k);
                }
            }
        }
        return Ok(());
    }
    let (rows, columns) = (offsets(&plan.rows), offsets(&plan.columns));
    let inner: Vec<(usize, usize)> = offsets(&plan.inner[0])
        .into_iter()
        .zip(offsets(&plan.inner[1]))
        .collect();
    let mut o = 0;
    for (&a_base, &b_base) in batches[0].iter().zip(&batches[1]) {
        for &row in &rows {
            for &column in &columns {
                ticker.tick(k * lanes)?;
                for lane in 0..lanes {
                    let (a_lane, b_lane) = (lane % a_lanes, lane % b_lanes);
                    let sum = inner.iter().fold(T::ZERO, |sum, &(ak, bk)| {
                        let x = a[(a_base + row + ak) * a_lanes + a_lane].get();
                        let y = b[(b_base + column + bk) * b_lanes + b_lane].get();
                        sum + T::times(x, y)
                    });
                    out[o + lane].set(T::narrow(sum));
                }
                o += lanes;
            }
        }
    }
    Ok(())
}

impl<T> Matrix<'_, T> {
    /// Whether every element of an m × n matrix lies within the memory.
    fn holds(&self, m: usize, n: usize) -> bool {
        self.start + (m - 1) * self.row + (n - 1) * self.column < self.cells.len()
    }
}

/// `out = left · right`, m × k times k × n, none of them 0.
pub(super) fn multiply<T: Element>(
    out: &Matrix<'_, T>,
    left: &Matrix<'_, T>,
    right: &Matrix<'_, T>,
    m: usize,
    n: usize,
    k: usize,
) {
    assert!(
        out.holds(m, n) && left.holds(m, k) && right.holds(k, n),
        "matrices lie within their memory"
    );
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
