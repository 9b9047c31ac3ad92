//! Groups between two products with the same matrix, as in the gradient of a sum over residuals of a linear model: the
//! matrix times a vector, some steps on the result, and what became of it times the matrix. Some rows of the matrix are
//! taken at a time, for all three: they come from memory once.

use super::{Part, Row, STRIP, Scaled, Step, Strips};
use crate::op::kernels::has_fused;
use crate::op::{DotPlan, Kernel, Strided};
use crate::tape::{Instruction, Place, Slot, Tape};
use crate::tensor::DType;

/// Rows that are taken at a time, a multiple of 8. Of 256 or fewer `gemm` orders sums otherwise than of more.
const ROWS: usize = 264;

/// Fewer columns are not worth it, and of one or two `gemm` orders sums otherwise.
const MIN_COLUMNS: usize = 8;

/// Bytes of those at most, so that they stay in a core's own cache.
const MAX_BYTES: usize = 1 << 19;

/// Smaller matrices stay there anyhow.
const MIN_BYTES: usize = 1 << 19;

/// Larger matrices are shared by threads instead, product by product.
const MAX_ELEMENTS: usize = 1 << 22;

/// The two products.
#[derive(Debug)]
pub struct Between {
    /// The matrix, row by row, with a row for each element of the group.
    pub matrix: Place,
    /// Elements of a row.
    pub columns: usize,
    /// What the first product multiplies each row with, and where its results go.
    pub first: [Place; 2],
    /// What the second one multiplies each row with, and where the sum of rows goes.
    pub second: [Place; 2],
}

/// A product of a matrix that lies row by row and a vector.
struct Product {
    matrix: Place,
    vector: Place,
    result: Place,
    rows: usize,
    columns: usize,
    /// Whether each row is summed up; otherwise the rows are.
    by_row: bool,
}

impl Product {
    fn of(tape: &Tape, i: &Instruction) -> Option<Self> {
        if i.flags & Instruction::STRUCTURAL == 0 {
            return None;
        }
        let step = &tape.structural[i.operands[0].offset()];
        let Kernel::Dot(plan) = &step.kernel else {
            return None;
        };
        let DotPlan {
            batch,
            rows,
            columns,
            inner,
        } = plan;
        let [left, right] = [step.operands[0], step.operands[1]];
        let result = step.result();
        let places = [left, right, result];
        if batch[0].len() != 1 || places.iter().any(|place| place.dtype != DType::F64) {
            return None;
        }
        let plain = |view: &Strided| (view.offset() == 0).then(|| view.single()).flatten();
        // The matrix is where two views are long: its own dimension and the one that is summed over.
        let (matrix, vector, own, [summed, other]) = match (rows.len(), columns.len()) {
            (_, 1) => (
                left,
                right,
                plain(rows)?,
                [plain(&inner[0])?, plain(&inner[1])?],
            ),
            (1, _) => (
                right,
                left,
                plain(columns)?,
                [plain(&inner[1])?, plain(&inner[0])?],
            ),
            _ => return None,
        };
        let by_row = match (own, summed) {
            ((_, step), (columns, 1)) if step == columns => true,
            ((columns, 1), (_, step)) if step == columns => false,
            _ => return None,
        };
        let (rows, columns) = match by_row {
            true => (own.0, summed.0),
            false => (summed.0, own.0),
        };
        let all = matrix.elements as usize == rows * columns;
        let dense = other.1 == 1 && vector.elements as usize == summed.0;
        (all && dense).then_some(Self {
            matrix,
            vector,
            result,
            rows,
            columns,
            by_row,
        })
    }
}

impl Tape {
    /// Joins groups with the products around them, where the order in which that is run changes nothing.
    pub(super) fn join_products(&mut self, parts: &mut Vec<Part>) {
        let mut at = 1;
        while at + 1 < parts.len() {
            if let [
                Part::Plain(before),
                Part::Strips(range, strips),
                Part::Plain(after),
            ] = &mut parts[at - 1..=at + 1]
                && let Some(first) = self.last_product(before.clone())
                && let Some(between) = self.between(first, range.start, after.start, strips)
            {
                strips.strip = ROWS;
                strips.pieces = None;
                strips.between = Some(between);
                // The first product comes last before the group: what is between them are constants.
                self.instructions[first..range.start].rotate_left(1);
                before.end -= 1;
                (range.start, range.end) = (range.start - 1, range.end + 1);
                after.start += 1;
            }
            at += 1;
        }
        parts.retain(|part| !part.range().is_empty());
    }

    /// The last product of a part, if nothing but constants comes after it.
    fn last_product(&self, part: std::ops::Range<usize>) -> Option<usize> {
        let is_constant = |&i: &usize| {
            let i = &self.instructions[i];
            let structural = i.flags & Instruction::STRUCTURAL != 0;
            structural
                && matches!(
                    self.structural[i.operands[0].offset()].kernel,
                    Kernel::Constant(_)
                )
        };
        part.rev().find(|i| !is_constant(i))
    }

    fn between(
        &self,
        first: usize,
        group: usize,
        second: usize,
        strips: &Strips,
    ) -> Option<Between> {
        let [one, other] = [first, second].map(|i| Product::of(self, &self.instructions[i]));
        let (one, other) = (one?, other?);
        let elements = one.rows * one.columns;
        let fits = one.by_row
            && !other.by_row
            && one.matrix.slot == other.matrix.slot
            && one.rows == strips.elements
            && elements * 8 >= MIN_BYTES
            && elements < MAX_ELEMENTS
            && one.rows >= 2 * ROWS
            && one.columns >= MIN_COLUMNS
            && ROWS * one.columns * 8 <= MAX_BYTES
            && strips.strip == STRIP
            && !strips
                .once
                .iter()
                .chain(&strips.steps)
                .any(|each| repeats(each, strips))
            && has_fused();
        if !fits {
            return None;
        }
        // Constants between the first product and the group come to stand before it.
        let constants = self.instructions[first + 1..group].iter();
        let mut written: Vec<Place> = constants
            .map(|i| self.structural[i.operands[0].offset()].result())
            .collect();
        let operands = [one.matrix, one.vector, one.result];
        if written
            .iter()
            .any(|place| operands.iter().any(|p| meet(p, place)))
        {
            return None;
        }
        written.clear();
        // Each block finds what it reads: the operands of the first product as they were, and the result only where the
        // block is. The second product's result is written from the first block on.
        let mut apart = vec![one.matrix, one.vector];
        for Scaled { step, .. } in &strips.steps {
            let elsewhere = elsewhere(step, strips.elements);
            if elsewhere
                .iter()
                .any(|p| meet(p, &one.result) || meet(p, &other.result))
            {
                return None;
            }
            let (reads, writes) = rows_of(step, strips.elements);
            if reads.iter().any(|p| meet(p, &other.result)) {
                return None;
            }
            // What the second product reads must be there strip by strip, and so must what the first one gives.
            let by_strip = |p: &Place| meet(p, &other.vector) || meet(p, &one.result);
            if is_last(step) && writes.iter().any(by_strip) {
                return None;
            }
            written.extend(writes);
        }
        apart.push(other.result);
        let clash = written.iter().any(|w| apart.iter().any(|p| meet(p, w)))
            || meet(&other.result, &one.result)
            || meet(&other.result, &one.vector)
            || meet(&other.result, &other.vector)
            || meet(&one.result, &other.matrix);
        (!clash).then_some(Between {
            matrix: one.matrix,
            columns: one.columns,
            first: [one.vector, one.result],
            second: [other.vector, other.result],
        })
    }
}

fn meet(a: &Place, b: &Place) -> bool {
    let end = |place: &Place| place.slot.offset() + place.elements as usize;
    (a.dtype, a.slot.varies()) == (b.dtype, b.slot.varies())
        && a.slot.offset() < end(b)
        && b.slot.offset() < end(a)
}

/// Whether a step wants strips of the length that they have: what is the same for every strip is not a number, or rows
/// are summed up.
fn repeats(each: &Scaled, strips: &Strips) -> bool {
    let is_others = |slot: &Slot, dtype: DType| {
        slot.varies() || slot.offset() < strips.own[usize::from(dtype == DType::Bool)]
    };
    let still = |row: &Row| !row.moves && is_others(&row.slot, DType::F64);
    match &each.step {
        Step::Fill { to, .. } => !to.moves && strips.once.iter().any(|s| std::ptr::eq(s, each)),
        Step::Rows { row, from, .. } => *row != strips.elements || still(from),
        Step::Apply { instruction, moves } => {
            let types = super::types(instruction).0;
            types.iter().enumerate().any(|(k, dtype)| {
                let row = (instruction.flags | moves) & 1 << k == 0;
                row && dtype.is_some_and(|dtype| is_others(&instruction.operands[k], dtype))
            })
        }
        Step::SineCosine { from, .. }
        | Step::Copy { from, .. }
        | Step::Spread { from, .. }
        | Step::Scatter { from, .. }
        | Step::Columns { from, .. } => still(from),
        Step::Tile { .. } | Step::Put { .. } => false,
    }
}

/// Whether what a step gives is there only at the end.
fn is_last(step: &Step) -> bool {
    matches!(
        step,
        Step::Scatter { .. } | Step::Rows { .. } | Step::Columns { .. }
    )
}

/// What a step reads at other elements than those of the strip.
fn elsewhere(step: &Step, elements: usize) -> Vec<Place> {
    let number = |slot: &Slot, elements: usize| Place {
        slot: *slot,
        elements: elements as u32,
        dtype: DType::F64,
    };
    match step {
        Step::Fill { from, .. } | Step::Tile { from, .. } => vec![*from],
        Step::Put { fill, parts, .. } => {
            let parts = parts.iter().map(|(place, ..)| *place);
            parts
                .chain(fill.iter().map(|slot| number(slot, 1)))
                .collect()
        }
        Step::Scatter { fill, .. } => {
            let fill = fill.iter().map(|fill| number(&fill.number, 1));
            fill.collect()
        }
        Step::Apply { instruction, moves } => {
            // Rows that do not move, and numbers.
            let types = super::types(instruction).0;
            let still = (0..3).filter(|&k| types[k].is_some() && moves & 1 << k == 0);
            let place = |k: usize| {
                let row = instruction.flags & 1 << k == 0;
                let elements = if row { elements.min(STRIP) } else { 1 };
                number(&instruction.operands[k], elements)
            };
            still.map(place).collect()
        }
        Step::SineCosine { from, .. }
        | Step::Copy { from, .. }
        | Step::Spread { from, .. }
        | Step::Rows { from, .. }
        | Step::Columns { from, .. } => match from.moves {
            true => vec![],
            false => vec![number(&from.slot, elements.min(STRIP))],
        },
    }
}

/// What a step reads and writes of what is elsewhere than in the group's own rows: all elements of it.
fn rows_of(step: &Step, elements: usize) -> (Vec<Place>, Vec<Place>) {
    let of = |row: &Row, dtype: DType| {
        let elements = if row.moves {
            elements
        } else {
            elements.min(STRIP)
        };
        Place {
            slot: row.slot,
            elements: elements as u32,
            dtype,
        }
    };
    let number = |row: &Row| of(row, DType::F64);
    match step {
        Step::Apply { instruction, moves } => {
            let row = |slot: Slot, k: usize| Row {
                slot,
                moves: moves & 1 << k != 0,
            };
            let (types, result) = super::types(instruction);
            // Numbers are read elsewhere.
            let rows = (0..3).filter(|k| instruction.flags & 1 << k == 0);
            let reads = rows.filter_map(|k| Some(of(&row(instruction.operands[k], k), types[k]?)));
            let writes = vec![of(&row(instruction.result, 3), result)];
            (reads.collect(), writes)
        }
        Step::SineCosine { from, sine, cosine } => {
            (vec![number(from)], vec![number(sine), number(cosine)])
        }
        Step::Copy { from, to } | Step::Spread { from, to, .. } => {
            (vec![number(from)], vec![number(to)])
        }
        Step::Fill { from, to, .. } | Step::Tile { from, to, .. } => {
            (vec![*from], vec![number(to)])
        }
        Step::Put { parts, to, .. } => {
            let parts = parts.iter().map(|(place, ..)| *place);
            (parts.collect(), vec![number(to)])
        }
        Step::Rows {
            from, to, results, ..
        } => {
            let to = Place {
                slot: to.slot,
                elements: *results as u32,
                dtype: DType::F64,
            };
            (vec![number(from)], vec![to])
        }
        Step::Scatter { from, to, .. } | Step::Columns { from, to, .. } => {
            (vec![number(from)], vec![*to])
        }
    }
}
