//! Jacobians by what inputs are gathered into. Where observations look up their own rows of shared tables, an input is
//! met by many rows of the Jacobian but each element looked up by few: sweeps go back to those, by far fewer colours,
//! and their entries are entries of the Jacobian, or terms of one.

use super::compressed::{Places, Side, Sources};
use super::structure::{Key, Structure};
use super::{DerivedProduct, Deriver, Live, Way};
use crate::error::Error;
use crate::op::ValueId;
use crate::plan::cost::Price;
use crate::plan::mode::{gathered_reason, plan};
use crate::plan::sparsity::{Pattern, Selected, selected};
use crate::plan::{Candidate, Entry, Mode};
use crate::transform::{jvp, vjp};
use std::sync::Arc;

/// Colours below which there is nothing to save.
const WORTH: u32 = 4;

/// The structure of derivatives by selected elements.
pub struct Lookup {
    /// Columns are the selected elements.
    structure: Structure,
    /// For each entry of that pattern, which entry of the Jacobian's it is a term of.
    entries: Vec<u32>,
    /// Whether any is a term of several.
    adds: bool,
}

/// Reverse sweeps to what is selected.
pub(super) struct Gathered {
    /// Their price.
    pub candidate: Candidate,
    way: Way,
    /// What is selected.
    values: Vec<ValueId>,
    lookup: Arc<Lookup>,
}

impl Deriver<'_> {
    /// The way by selected elements, if it takes fewer colours than `fewest`.
    pub(super) fn gathered(
        &mut self,
        key: Key<'_>,
        ys: &[ValueId],
        live: &Live,
        structure: &Structure,
        fewest: u32,
    ) -> Result<Option<Gathered>, Error> {
        let allowed = matches!(self.options.mode, None | Some(Mode::Reverse));
        if !allowed || fewest <= WORTH {
            return Ok(None);
        }
        let arena = self.derivation.workspace.arena();
        let Some(Selected { values, of }) = selected(arena, &live.values, ys) else {
            return Ok(None);
        };
        let numbers = [&[2], &key.numbers(self.options)[..]].concat();
        let (pairs, seeds, _) = self.units(&values);
        let tangents = jvp(self.cx(), ys, &pairs);
        let parameters: Vec<ValueId> = seeds.iter().map(|s| s.parameter).collect();
        let sizes = ys.iter().map(|&y| self.elements(&[y]));
        let roots: Vec<_> = tangents.into_iter().zip(sizes).collect();
        let memo = self.graph.memo().get(numbers, || {
            let (arena, table) = self.derivation.workspace.parts();
            let pattern = crate::plan::sparsity::dependencies(arena, table, &parameters, &roots)?;
            Lookup::new(pattern, &of, &structure.pattern).map(Arc::new)
        });
        let Some(lookup) = (*memo).clone() else {
            return Ok(None);
        };
        let count = lookup.structure.rows().count;
        if count >= fewest {
            return Ok(None);
        }
        let m = self.elements(ys);
        let (pairs, seeds, _) = self.units(ys);
        let cotangents = vjp(self.cx(), &pairs, &values)?;
        let way = self.way(cotangents, seeds, m, Mode::Reverse, None);
        Ok(Some(Gathered {
            candidate: way.colored(count),
            way,
            values,
            lookup,
        }))
    }

    /// The product: `of` are the outputs, `by` the inputs.
    pub(super) fn looked_up(
        &mut self,
        gathered: Gathered,
        of: &[Side],
        by: &[Side],
        structure: &Structure,
        sparse: bool,
        others: Vec<Candidate>,
    ) -> DerivedProduct {
        let lookup = &gathered.lookup;
        let rows = lookup.structure.rows();
        let group = self.colored_group(&gathered.way, rows);
        let place = Places::named_new(of, by, sparse.then_some(structure));
        let mut to: Vec<Entry> = Vec::with_capacity(structure.pattern.entries());
        place.for_each(structure, |_, _, _, entry| to.push(entry));
        let mut end = 0;
        let ends = gathered.values.iter().map(|&v| {
            end += self.elements(&[v]);
            end
        });
        let mut sources = Sources::of(&gathered.way, group, ends.collect());
        sources.adds = lookup.adds;
        let pattern = &lookup.structure.pattern;
        let mut entries = lookup.entries.iter();
        for i in 0..pattern.rows() {
            for (&v, &e) in pattern.row(i).iter().zip(&mut entries) {
                if e != NO_ENTRY {
                    sources.push(v, rows.of[i as usize], to[e as usize]);
                }
            }
        }
        let [n, m] = [by, of].map(|sides| sides.iter().filter_map(Side::end).max().unwrap_or(0));
        let reason = gathered_reason(self.options.mode.is_some(), rows.count, [n, m]);
        let mut candidates = vec![gathered.candidate];
        candidates.extend(others);
        let mut plan = plan(candidates, reason, n, m, Price::default());
        plan.reverse_colors = rows.count;
        DerivedProduct {
            group: None,
            blocks: place.blocks,
            compressed: sources.finish().collect(),
            subtractions: vec![],
            chain: None,
            plan,
        }
    }
}

/// Of what was filled with zeros.
const NO_ENTRY: u32 = u32::MAX;

impl Lookup {
    /// `None` if an entry has no place in the Jacobian's pattern.
    fn new(pattern: Pattern, of: &[u32], jacobian: &Pattern) -> Option<Self> {
        let mut entries = Vec::with_capacity(pattern.entries());
        let mut met = vec![false; jacobian.entries()];
        let mut adds = false;
        for i in 0..pattern.rows() {
            let (first, row) = (jacobian.start(i), jacobian.row(i));
            for &v in pattern.row(i) {
                let j = of[v as usize];
                if j == crate::plan::sparsity::NOTHING {
                    entries.push(NO_ENTRY);
                    continue;
                }
                let e = first + row.binary_search(&j).ok()?;
                adds |= std::mem::replace(&mut met[e], true);
                entries.push(u32::try_from(e).ok()?);
            }
        }
        Some(Self {
            structure: Structure::new(pattern),
            entries,
            adds,
        })
    }
}
