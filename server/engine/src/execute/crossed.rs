//! Jacobians across waists: factors are copied from the sweeps, then multiplied into the blocks.

use super::assemble::Blocks;
use super::dot::{Matrix, multiply};
use super::memory::Memory;
use super::stop::Ticker;
use crate::error::Error;
use crate::plan::{BlockSource, Chain, Entry, Part};
use crate::tape::Place;
use crate::tensor::DType;
use std::cell::Cell;

/// Elements of a panel of rows that is multiplied at once.
const PANEL: usize = 1 << 18;

/// A chain whose values stand among the tape's roots.
#[derive(Debug)]
pub(super) struct Product {
    chain: Chain,
    /// For each factor's parts.
    roots: Vec<Vec<usize>>,
}

/// The factors at one point, in f64 whatever the type of what they are of.
pub(super) struct Factors(Vec<Vec<f64>>);

impl Product {
    pub fn new(chain: &Chain, roots: &mut Vec<crate::op::ValueId>) -> Self {
        let mut root = |part: &Part| {
            roots.push(part.value);
            roots.len() - 1
        };
        let all = chain.factors.iter();
        Self {
            roots: all
                .map(|f| f.parts.iter().map(&mut root).collect())
                .collect(),
            chain: chain.clone(),
        }
    }

    /// Bytes of working memory at one point.
    pub fn bytes(&self) -> u64 {
        let factors = self.chain.factors.iter();
        let size = |rows: u64, columns: u64| rows.saturating_mul(columns).saturating_mul(8);
        let own = factors.clone().map(|f| size(f.rows, f.columns));
        // One of the products on the way, and a panel.
        let n = factors.clone().next().map_or(0, |f| f.columns);
        let rows = factors.map(|f| f.rows).max().unwrap_or(0);
        own.fold(size(rows.min(n), n), u64::saturating_add)
    }

    /// Multiply-adds of the multiplications at one point.
    pub fn multiply_adds(&self) -> u64 {
        self.chain.multiply_adds
    }

    /// Elementary operations of the multiplications.
    pub fn operations(&self) -> u64 {
        self.chain.multiply_adds / crate::plan::PRODUCT_RATE
    }

    /// Zeros, and ones where values stand on both sides of a factor.
    pub fn factors(&self) -> Factors {
        let each = self.chain.factors.iter().map(|factor| {
            let mut numbers = vec![0.0; (factor.rows * factor.columns) as usize];
            for &[row, column, count] in &factor.ones {
                for i in 0..count {
                    numbers[((row + i) * factor.columns + column + i) as usize] = 1.0;
                }
            }
            numbers
        });
        Factors(each.collect())
    }

    /// Copies what lanes `first..first + lanes` of a group hold; of points in lanes, what one of them holds.
    pub fn read(
        &self,
        factors: &mut Factors,
        group: usize,
        memory: Memory<'_>,
        places: &[Place],
        lanes: Lanes,
    ) {
        for ((factor, roots), numbers) in self
            .chain
            .factors
            .iter()
            .zip(&self.roots)
            .zip(&mut factors.0)
        {
            if factor.group != group {
                continue;
            }
            for (part, &root) in factor.parts.iter().zip(roots) {
                let place = places[root];
                match place.dtype {
                    DType::F32 => {
                        copy(memory.at::<f32>(place), memory, place, part, lanes, numbers)
                    }
                    _ => copy(memory.at::<f64>(place), memory, place, part, lanes, numbers),
                }
            }
        }
    }

    /// Multiplies, and writes the blocks at a point.
    pub fn write(
        &self,
        factors: Factors,
        sources: &[(BlockSource, Option<usize>)],
        blocks: &mut Blocks<'_>,
        point: usize,
        ticker: &mut Ticker<'_>,
    ) -> Result<(), Error> {
        let shapes = self
            .chain
            .factors
            .iter()
            .map(|f| [f.rows as usize, f.columns as usize]);
        let mut rest: Vec<Dense> = (shapes.zip(factors.0))
            .map(|([rows, columns], numbers)| Dense {
                first: 0,
                rows,
                columns,
                numbers,
            })
            .collect();
        while rest.len() > 2 {
            // The inputs' side stands first.
            let at = if self.chain.from_left {
                rest.len() - 2
            } else {
                0
            };
            let (mut right, mut left) = (rest.remove(at), rest.remove(at));
            let rows = 0..left.rows;
            rest.insert(at, product(&mut left, rows, &mut right, ticker)?);
        }
        let [right, left] = &mut rest[..] else {
            return Ok(());
        };
        let mut cursors = vec![0; sources.len()];
        let rows = (PANEL / right.columns.max(1)).clamp(1, left.rows.max(1));
        for first in (0..left.rows).step_by(rows) {
            let range = first..(first + rows).min(left.rows);
            let mut panel = product(left, range, right, ticker)?;
            panel.first = first;
            for (b, (source, _)) in sources.iter().enumerate() {
                if let Some([row, column]) = self.chain.starts[b] {
                    let start = [row as usize, column as usize];
                    panel.spread(start, (b, source), blocks, point, &mut cursors[b]);
                }
            }
        }
        Ok(())
    }
}

/// Some rows of the left matrix times the right one.
fn product(
    left: &mut Dense,
    rows: std::ops::Range<usize>,
    right: &mut Dense,
    ticker: &mut Ticker<'_>,
) -> Result<Dense, Error> {
    let (m, k, n) = (rows.len(), left.columns, right.columns);
    ticker.tick(m * k * n / 4)?;
    let a = &mut left.numbers[rows.start * k..rows.end * k];
    let b = &mut right.numbers[..];
    let mut numbers = vec![0.0; m * n];
    let finite = |numbers: &[f64]| numbers.iter().all(|x| x.is_finite());
    if m * n * k > 0 && finite(a) && finite(b) {
        let matrix = |cells, row| Matrix {
            cells,
            start: 0,
            row,
            column: 1,
        };
        fn cells(numbers: &mut [f64]) -> &[Cell<f64>] {
            Cell::from_mut(numbers).as_slice_of_cells()
        }
        let [a, b] = [(a, k), (b, n)].map(|(numbers, row)| matrix(cells(numbers), row));
        multiply(&matrix(cells(&mut numbers), n), &a, &b, [m, n, k]);
    } else {
        // What does not depend on something takes nothing from it, however steep that is: no sweep would meet it.
        for i in 0..m {
            for l in (0..k).filter(|l| a[i * k + l] != 0.0) {
                for j in (0..n).filter(|j| b[l * n + j] != 0.0) {
                    numbers[i * n + j] += a[i * k + l] * b[l * n + j];
                }
            }
        }
    }
    Ok(Dense {
        first: 0,
        rows: m,
        columns: n,
        numbers,
    })
}

/// Lanes that are in memory.
#[derive(Clone, Copy)]
pub(super) enum Lanes {
    /// Directions from the first, so many.
    Directions(u64, usize),
    /// A point, the only direction.
    Point(usize),
}

fn copy<T: Copy + Into<f64>>(
    cells: &[Cell<T>],
    memory: Memory<'_>,
    place: Place,
    part: &Part,
    lanes: Lanes,
    numbers: &mut [f64],
) {
    let stride = memory.lanes_of(place.slot);
    let (first, range) = match lanes {
        Lanes::Directions(first, lanes) => (first, 0..lanes),
        Lanes::Point(point) => (0, point..point + 1),
    };
    for (l, lane) in range.enumerate() {
        let i = (first + l as u64).checked_sub(part.first_lane);
        let Some(i) = i.filter(|&i| i < part.lanes) else {
            continue;
        };
        // A value that no lane moves is the same in all of them.
        let lane = if stride == 1 { 0 } else { lane };
        let at = (part.at + i * part.lane_step) as usize;
        for e in 0..place.elements as usize {
            numbers[at + e * part.element_step as usize] = cells[e * stride + lane].get().into();
        }
    }
}

struct Dense {
    /// Of a panel: its first row in the whole.
    first: usize,
    rows: usize,
    columns: usize,
    numbers: Vec<f64>,
}

impl Dense {
    /// Writes what of these rows belongs to a block that begins there. Sparse blocks go on at their cursor.
    fn spread(
        &self,
        [row, column]: [usize; 2],
        (block, source): (usize, &BlockSource),
        blocks: &mut Blocks<'_>,
        point: usize,
        cursor: &mut usize,
    ) {
        let (block, first) = (block as u32, self.first);
        if let Some(c) = &source.coordinates {
            while let Some(i) = c.rows.get(*cursor).map(|&i| i as usize + row)
                && i < first + self.rows
            {
                let j = c.columns[*cursor] as usize + column;
                let at = *cursor as u64;
                blocks.set(
                    Entry { block, at },
                    point,
                    self.numbers[(i - first) * self.columns + j],
                );
                *cursor += 1;
            }
            return;
        }
        // Dense blocks that are filled have a lane for each column.
        let width = source.lanes as usize;
        let rows = source.ty.elements() as usize / width.max(1);
        for i in first.max(row)..(first + self.rows).min(row + rows) {
            let from = (i - first) * self.columns + column;
            let at = ((i - row) * width) as u64;
            blocks.set_all(
                Entry { block, at },
                point,
                &self.numbers[from..from + width],
            );
        }
    }
}
