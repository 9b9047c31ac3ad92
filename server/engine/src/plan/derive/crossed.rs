//! Cross-country Jacobians: the product of factors from waist to waist, each swept from its narrower side.

use super::compressed::{Places, Side};
use super::structure::Structure;
use super::{DerivedProduct, Deriver, Seed, SeedSource, Way};
use crate::error::Error;
use crate::op::ValueId;
use crate::plan::cost::Price;
use crate::plan::mode::{crossed_reason, plan, sweeps};
use crate::plan::waist::{self, PRODUCT_RATE};
use crate::plan::{Candidate, Chain, Factor, Mode, Part};
use crate::transform::{jvp, vjp};
use std::collections::HashMap;

/// Fewer directions than this are not worth a search for waists, if nobody asks for one.
const WORTH: u64 = 8;

/// A chain of factors that was written down.
pub(super) struct Crossed {
    /// Its price.
    pub candidate: Candidate,
    segments: Vec<Segment>,
    /// Elements of the waists.
    waists: Vec<u64>,
    from_left: bool,
    multiply_adds: u64,
}

/// Derivatives of some values (rows) by others (columns) that separate them from the inputs.
struct Segment {
    way: Way,
    rows: Vec<ValueId>,
    columns: Vec<ValueId>,
    /// What its sweeps begin at, and for each of its values what that is of or by.
    seeded: Vec<ValueId>,
    valued: Vec<ValueId>,
}

impl Deriver<'_> {
    /// The cheapest way across waists narrower than inputs and outputs, if there is one.
    pub(super) fn crossed(
        &mut self,
        ys: &[ValueId],
        xs: &[ValueId],
    ) -> Result<Option<Crossed>, Error> {
        let limit = self.elements(xs).min(self.elements(ys));
        let least = match self.options.mode {
            Some(Mode::Mixed) => 2,
            Some(_) => return Ok(None),
            None => WORTH,
        };
        if !self.compresses || limit < least {
            return Ok(None);
        }
        let chains = waist::chains(self.derivation.workspace.arena(), xs, ys, limit);
        let mut best: Option<Crossed> = None;
        for chain in chains {
            let crossed = self.across(&chain, ys, xs)?;
            let price = |c: &Crossed| c.candidate.nanoseconds;
            if best.as_ref().is_none_or(|b| price(&crossed) < price(b)) {
                best = Some(crossed);
            }
        }
        Ok(best)
    }

    fn across(
        &mut self,
        chain: &[Vec<ValueId>],
        ys: &[ValueId],
        xs: &[ValueId],
    ) -> Result<Crossed, Error> {
        let ends = chain.iter().map(Vec::as_slice).chain([ys]);
        let mut columns = xs;
        let mut segments = Vec::with_capacity(chain.len() + 1);
        for rows in ends {
            segments.push(self.segment(rows, columns)?);
            columns = rows;
        }
        let mut widths = vec![self.elements(xs)];
        widths.extend(segments.iter().map(|s| self.elements(&s.rows)));
        let last = widths.len() - 1;
        let product =
            |k: u64, rows: u64, columns: u64| k.saturating_mul(rows).saturating_mul(columns);
        let right: u64 = (1..last).fold(0, |sum, i| {
            product(widths[i], widths[i + 1], widths[0]).saturating_add(sum)
        });
        let left: u64 = (1..last).fold(0, |sum, i| {
            product(widths[i], widths[last], widths[i - 1]).saturating_add(sum)
        });
        let multiply_adds = left.min(right);
        let lanes = segments.iter().map(|s| s.way.lanes).sum();
        let operations = segments.iter().map(|s| s.way.candidate.operations);
        let operations = operations.fold(multiply_adds / PRODUCT_RATE, u64::saturating_add);
        let product = self.options.costs.of_multiply_adds(multiply_adds);
        let nanoseconds = segments.iter().map(|s| s.way.candidate.nanoseconds);
        let nanoseconds = nanoseconds.fold(product, u64::saturating_add);
        Ok(Crossed {
            candidate: Candidate {
                mode: Mode::Mixed,
                hvp_mode: None,
                sweeps: sweeps(lanes),
                operations,
                nanoseconds,
            },
            segments,
            waists: widths[1..last].to_vec(),
            from_left: left < right,
            multiply_adds,
        })
    }

    /// Writes the derivatives of `rows` by `columns`, in the mode that takes fewer sweeps.
    fn segment(&mut self, rows: &[ValueId], columns: &[ValueId]) -> Result<Segment, Error> {
        let (reached, used) = self.between(rows, columns);
        // What stands on both sides needs no sweep to be its own derivative.
        let mut own: Vec<ValueId> = Vec::new();
        for &row in rows {
            if reached[row.index()] && !columns.contains(&row) && !own.contains(&row) {
                own.push(row);
            }
        }
        let by: Vec<ValueId> = columns
            .iter()
            .copied()
            .filter(|c| used[c.index()])
            .collect();
        let (seeded, valued, way) = if self.elements(&by) <= self.elements(&own) {
            let (pairs, seeds, lanes) = self.units(&by);
            let values = jvp(self.cx(), &own, &pairs);
            let way = self.way(values, seeds, lanes, Mode::Forward, None);
            (by, own, way)
        } else {
            let (pairs, seeds, lanes) = self.units(&own);
            let values = vjp(self.cx(), &pairs, &by)?;
            let way = self.way(values, seeds, lanes, Mode::Reverse, None);
            (own, by, way)
        };
        Ok(Segment {
            way,
            rows: rows.to_vec(),
            columns: columns.to_vec(),
            seeded,
            valued,
        })
    }

    /// Which values depend on the columns, and which of those the rows depend on without passing another column.
    fn between(&self, rows: &[ValueId], columns: &[ValueId]) -> (Vec<bool>, Vec<bool>) {
        let arena = self.derivation.workspace.arena();
        let mut is_column = vec![false; arena.len()];
        columns.iter().for_each(|c| is_column[c.index()] = true);
        let mut reached = is_column.clone();
        for node in arena.nodes() {
            if node.operands.iter().any(|v| reached[v.index()]) {
                node.results().for_each(|v| reached[v.index()] = true);
            }
        }
        let mut used = vec![false; arena.len()];
        let mut wanted = vec![false; arena.len()];
        let begin = rows.iter().filter(|r| !is_column[r.index()]);
        begin.for_each(|r| wanted[r.index()] = true);
        for node in arena.nodes().rev() {
            if !node.results().any(|v| wanted[v.index()]) {
                continue;
            }
            for v in node.operands.iter().filter(|v| reached[v.index()]) {
                let at = v.index();
                used[at] = true;
                wanted[at] |= !is_column[at];
            }
        }
        (reached, used)
    }

    /// The product of a Jacobian: `of` are the outputs, `by` the inputs.
    pub(super) fn cross(
        &mut self,
        crossed: Crossed,
        of: &[Side],
        by: &[Side],
        sparse: Option<&Structure>,
        others: Vec<Candidate>,
    ) -> DerivedProduct {
        let range = |sides: &[Side]| -> u64 {
            let ends = sides.iter().filter_map(Side::end);
            ends.max().unwrap_or(0)
        };
        let (n, m) = (range(by), range(of));
        let mut factors = Vec::with_capacity(crossed.segments.len());
        let (mut forward, mut reverse) = (0u64, 0u64);
        for segment in &crossed.segments {
            let count = match segment.way.candidate.mode {
                Mode::Reverse => &mut reverse,
                _ => &mut forward,
            };
            *count += segment.way.lanes;
            factors.push(self.factor(segment));
        }
        let forced = self.options.mode.is_some();
        let reason = crossed_reason(forced, &crossed.waists, [forward, reverse], [n, m]);
        let mut candidates = vec![crossed.candidate];
        candidates.extend(others);
        let mut plan = plan(candidates, reason, n, m, Price::default());
        [plan.forward_colors, plan.reverse_colors] = [sweeps(forward), sweeps(reverse)];
        let starts = of
            .iter()
            .flat_map(|o| by.iter().map(move |b| Some([o.start()?, b.start()?])));
        DerivedProduct {
            group: None,
            blocks: Places::named_new(of, by, sparse).blocks,
            compressed: vec![],
            subtractions: vec![],
            chain: Some(Chain {
                factors,
                starts: starts.collect(),
                from_left: crossed.from_left,
                multiply_adds: crossed.multiply_adds,
            }),
            plan,
        }
    }

    fn factor(&mut self, segment: &Segment) -> Factor {
        let offsets = |values: &[ValueId]| -> (Vec<(ValueId, u64)>, u64) {
            let mut end = 0;
            let offset = |&v: &ValueId| {
                let first = end;
                end += self.elements(&[v]);
                (v, first)
            };
            let offsets = values.iter().map(offset).collect();
            (offsets, end)
        };
        let (rows, row_count) = offsets(&segment.rows);
        let (columns, column_count) = offsets(&segment.columns);
        let column_of: HashMap<ValueId, u64> = columns.iter().copied().collect();
        let mut ones = vec![];
        for &(row, first) in &rows {
            if let Some(&column) = column_of.get(&row) {
                ones.push([first, column, self.elements(&[row])]);
            }
        }
        let seeds: HashMap<ValueId, &Seed> = segment
            .seeded
            .iter()
            .copied()
            .zip(&segment.way.seeds)
            .collect();
        let values: HashMap<ValueId, ValueId> = (segment.valued.iter().copied())
            .zip(&segment.way.values)
            .filter_map(|(v, value)| Some((v, (*value)?)))
            .collect();
        let is_reverse = segment.way.candidate.mode == Mode::Reverse;
        let mut parts = vec![];
        for &(row, first) in &rows {
            for &(column, at) in &columns {
                let (seed, value) = if is_reverse {
                    (row, column)
                } else {
                    (column, row)
                };
                let (Some(seed), Some(&value)) = (seeds.get(&seed), values.get(&value)) else {
                    continue;
                };
                let SeedSource::Unit { offset } = seed.source else {
                    continue;
                };
                parts.push(Part {
                    value,
                    first_lane: offset,
                    lanes: self.elements(&[seed.parameter]),
                    at: first * column_count + at,
                    element_step: if is_reverse { 1 } else { column_count },
                    lane_step: if is_reverse { column_count } else { 1 },
                });
            }
        }
        Factor {
            group: self.group(&segment.way),
            rows: row_count,
            columns: column_count,
            parts,
            ones,
        }
    }

    /// Why `MODE_MIXED` cannot be had.
    pub(super) fn cannot_mix(&self, n: u64, m: u64) -> Error {
        Error::Product {
            product: self.product,
            field: "outputs",
            message: format!(
                "MODE_MIXED has nothing to mix here: no waist is narrower than {n} inputs and {m} outputs, and no rows \
                 or columns are longer than the others, to be swept from the other side; ask for MODE_FORWARD or \
                 MODE_REVERSE, or leave the mode to the planner"
            ),
        }
    }
}
