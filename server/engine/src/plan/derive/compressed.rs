//! Jacobians and Hessians of known structure: several columns (or rows) a sweep, answers dense or sparse.

use super::crossed::Crossed;
use super::structure::{Key, Structure, full};
use super::{
    BlockSource, Compressed, DerivedProduct, Deriver, Entry, Group, Live, Seed, SeedSource, Way,
};
use crate::error::Error;
use crate::op::ValueId;
use crate::plan::coloring::Coloring;
use crate::plan::cost::Price;
use crate::plan::mode::{colors_reason, hessian_reason, plan, sweeps, worth_pricing};
use crate::plan::{Candidate, Coordinates, Layout, Mode, Read};
use crate::tensor::TensorType;
use crate::transform::vjp;
use std::sync::Arc;

/// Fewer directions than this are not worth a pattern, if nobody asks for one.
const WORTH: u64 = 8;

/// Fill below which an automatic layout is sparse.
const SPARSE_BELOW: f64 = 0.25;

/// Longest chain of subtractions that is accepted for fewer sweeps.
const MAX_DEPTH: u32 = 8;

impl Deriver<'_> {
    pub(super) fn is_compressible(&self, layout: Option<Layout>, n: u64, m: u64) -> bool {
        let asked = match layout {
            None => return false,
            Some(Layout::Dense) => false,
            Some(Layout::Sparse | Layout::Auto) => true,
        };
        let forced = self.options.mode == Some(Mode::Mixed) && n > 0 && m > 0;
        self.compresses && (asked || forced || n.min(m) >= WORTH)
    }

    /// By colours, or across waists where that is cheaper. `None`: colours do not help, and nobody asks for a sparse
    /// answer. Then `written` may be the forward way.
    pub(super) fn compressed_jacobian(
        &mut self,
        outputs: &[u32],
        wrt: &[u32],
        live: &Live,
        layout: Layout,
        written: &mut Option<Way>,
        crossed: &mut Option<Crossed>,
    ) -> Result<Option<DerivedProduct>, Error> {
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let (n, m) = (live.elements, self.elements(&ys));
        let forward = self.forward(&ys, &live.values);
        let forced = self.options.mode;
        let seeds: Vec<ValueId> = forward.seeds.iter().map(|s| s.parameter).collect();
        let sizes = ys.iter().map(|&y| self.elements(&[y]));
        let roots: Vec<_> = forward.values.iter().copied().zip(sizes).collect();
        let found = self.structure_of(Key::Jacobian { outputs, wrt }, &seeds, &roots);
        let structure = match found {
            Some(structure) => structure,
            None if layout == Layout::Sparse => full(m, n)?,
            None => {
                *written = Some(forward);
                return Ok(None);
            }
        };
        let sparse = match layout {
            Layout::Dense => false,
            Layout::Sparse => true,
            Layout::Auto => structure.pattern.fill() < SPARSE_BELOW,
        };
        let [columns, rows] = [structure.columns(), structure.rows()];
        let cover = match forced {
            Some(Mode::Mixed) => structure.forced_cover(),
            None => structure.cover().cloned(),
            _ => None,
        };
        let fewest = match forced {
            Some(Mode::Forward) => columns.count,
            Some(Mode::Reverse) => rows.count,
            _ => columns.count.min(rows.count),
        };
        let plain = match forced {
            Some(Mode::Forward) => n,
            Some(Mode::Reverse) => m,
            _ => n.min(m),
        };
        let key = Key::Jacobian { outputs, wrt };
        let gathered = self.gathered(key, &ys, live, &structure, fewest)?;
        let mixed = forced == Some(Mode::Mixed);
        if mixed && cover.is_none() && crossed.is_none() && n > 0 && m > 0 {
            return Err(self.cannot_mix(n, m));
        }
        if !sparse && cover.is_none() && gathered.is_none() && (mixed || u64::from(fewest) >= plain)
        {
            *written = Some(forward);
            return Ok(None);
        }
        let large = self.is_large();
        let (by_columns, by_rows) = match forced {
            Some(Mode::Mixed) if n > 0 && m > 0 => (false, false),
            _ => worth_pricing(forced, columns.count.into(), rows.count.into(), self.size()),
        };
        // Of a large graph the fewest sweeps decide; else what they cost.
        let by_cover = cover.is_some() && !(large && fewest <= 4);
        let mut reverse = None;
        if by_rows || by_cover {
            let (pairs, seeds, _) = self.units(&ys);
            let values = vjp(self.cx(), &pairs, &live.values)?;
            reverse = Some(self.way(values, seeds, m, Mode::Reverse, None));
        }
        let mut candidates: Vec<(Candidate, [&Coloring; 2])> = Vec::new();
        let none = Coloring::default();
        if by_columns {
            candidates.push((forward.colored(columns.count), [columns, &none]));
        }
        if let Some(reverse) = reverse.as_ref().filter(|_| by_rows) {
            candidates.push((reverse.colored(rows.count), [&none, rows]));
        }
        if let (Some(cover), Some(reverse), true) = (&cover, &reverse, by_cover) {
            let parts = [
                forward.colored(cover.columns.count),
                reverse.colored(cover.rows.count),
            ];
            let mixed = Candidate {
                mode: Mode::Mixed,
                hvp_mode: None,
                sweeps: parts[0].sweeps.saturating_add(parts[1].sweeps),
                operations: parts[0].operations.saturating_add(parts[1].operations),
                nanoseconds: parts[0].nanoseconds.saturating_add(parts[1].nanoseconds),
            };
            candidates.push((mixed, [&cover.columns, &cover.rows]));
        }
        // Stable: ties go to forward.
        candidates.sort_by_key(|(c, _)| c.nanoseconds);
        let cheaper = |rival: &Candidate| {
            let best = candidates.first();
            best.is_none_or(|(best, _)| rival.nanoseconds < best.nanoseconds)
        };
        let is_rival = crossed.as_ref().is_some_and(|c| cheaper(&c.candidate));
        if let Some(gathered) = gathered
            && cheaper(&gathered.candidate)
            && !(is_rival
                && crossed
                    .as_ref()
                    .is_some_and(|c| c.candidate.nanoseconds < gathered.candidate.nanoseconds))
        {
            let others = candidates.into_iter().map(|(c, _)| c).collect();
            let (of, by) = (self.outputs_side(outputs), self.inputs_side(wrt, live));
            let product = self.looked_up(gathered, &of, &by, &structure, sparse, others);
            return Ok(Some(product));
        }
        if is_rival && let Some(crossed) = crossed.take() {
            let others = candidates.into_iter().map(|(c, _)| c).collect();
            let (of, by) = (self.outputs_side(outputs), self.inputs_side(wrt, live));
            let sparse = sparse.then_some(&*structure);
            return Ok(Some(self.cross(crossed, &of, &by, sparse, others)));
        }
        let Some((best, [columns, rows])) = candidates.first().cloned() else {
            return Ok(None);
        };
        let (of, by) = (self.outputs_side(outputs), self.inputs_side(wrt, live));
        let place = Places::named_new(&of, &by, sparse.then_some(&*structure));
        let by_row = |i: u32, j: u32| match best.mode {
            Mode::Mixed => cover.as_ref().is_some_and(|c| c.is_reverse(i, j)),
            mode => mode == Mode::Reverse,
        };
        let mut compressed = Vec::new();
        let sides = [
            (Some(&forward), columns, false),
            (reverse.as_ref(), rows, true),
        ];
        for (way, coloring, turned) in sides {
            let Some(way) = way.filter(|_| coloring.count > 0) else {
                continue;
            };
            let group = self.colored_group(way, coloring);
            let mut sources = Sources::new(way, group, if turned { &by } else { &of });
            place.for_each(&structure, |_, i, j, to| {
                if by_row(i, j) == turned {
                    let (at, lane) = if turned {
                        (j, rows.of[i as usize])
                    } else {
                        (i, columns.of[j as usize])
                    };
                    sources.push(at, lane, to);
                }
            });
            compressed.extend(sources.finish());
        }
        let counts = [columns.count, rows.count];
        let reason = colors_reason(best.mode, forced.is_some(), counts, [n, m]);
        let all = candidates.into_iter().map(|(c, _)| c).collect();
        let mut plan = plan(all, reason, n, m, Price::default());
        [plan.forward_colors, plan.reverse_colors] = counts;
        Ok(Some(DerivedProduct {
            group: None,
            blocks: place.blocks,
            compressed,
            subtractions: vec![],
            chain: None,
            plan,
        }))
    }

    /// The same for a Hessian, from a way to H·v.
    pub(super) fn compressed_hessian(
        &mut self,
        output: u32,
        wrt: &[u32],
        live: &Live,
        way: Option<&Way>,
        layout: Layout,
    ) -> Result<Option<DerivedProduct>, Error> {
        let n = live.elements;
        let (seeds, roots): (Vec<ValueId>, Vec<_>) = match way {
            None => (vec![], vec![]),
            Some(way) => {
                let seeds = way.seeds.iter().map(|s| s.parameter).collect();
                let sizes = live.values.iter().map(|&x| self.elements(&[x]));
                (seeds, way.values.iter().copied().zip(sizes).collect())
            }
        };
        let mode = way.and_then(|way| way.candidate.hvp_mode);
        let key = Key::Hessian { output, wrt, mode };
        let structure = match self.structure_of(key, &seeds, &roots) {
            Some(structure) => structure,
            None if layout == Layout::Sparse => full(n, n)?,
            None => return Ok(None),
        };
        let sparse = match layout {
            Layout::Dense => false,
            Layout::Sparse => true,
            Layout::Auto => structure.pattern.fill() < SPARSE_BELOW,
        };
        let star = structure.star();
        let acyclic = structure.acyclic().filter(|a| a.depth <= MAX_DEPTH);
        let (chosen, kind) = match acyclic {
            Some(acyclic) => (acyclic, "acyclic"),
            None => (star, "star"),
        };
        let count = chosen.coloring.count;
        if !sparse && u64::from(count) >= n {
            return Ok(None);
        }
        let by = self.inputs_side(wrt, live);
        let mut place = Places::new(&by, &by, sparse.then_some(&*structure));
        for (block, w, v) in place.named(&by, &by) {
            (block.output, block.wrt, block.wrt_second) = (Some(output), Some(w), Some(v));
        }
        let mut compressed = vec![];
        let mut entries = Vec::with_capacity(structure.pattern.entries());
        let mut candidates = vec![];
        if let Some(way) = way {
            candidates.push(way.colored(count));
            let mut sources = None;
            if count > 0 {
                let group = self.colored_group(way, &chosen.coloring);
                sources = Some(Sources::new(way, group, &by));
            }
            place.for_each(&structure, |e, _, _, to| {
                entries.push(to);
                if let Some(sources) = &mut sources {
                    let (at, lane) = chosen.reads[e];
                    sources.push(at, lane, to);
                }
            });
            compressed.extend(sources.into_iter().flat_map(Sources::finish));
        }
        let subtractions = chosen.subtractions.iter();
        let subtractions =
            subtractions.map(|&(to, from)| (entries[to as usize], entries[from as usize]));
        let reason = match mode {
            None => "the output depends on no input; the Hessian is zero".into(),
            Some(_) => hessian_reason(mode, kind, count, n),
        };
        let mut plan = plan(candidates, reason, n, 1, Price::default());
        plan.forward_colors = count;
        Ok(Some(DerivedProduct {
            group: None,
            blocks: place.blocks,
            compressed,
            subtractions: subtractions.collect(),
            chain: None,
            plan,
        }))
    }

    /// Sweeps of a way by colours.
    pub(super) fn colored_group(&mut self, way: &Way, coloring: &Coloring) -> usize {
        let colors: Arc<[u32]> = coloring.of.as_slice().into();
        let mut before = 0;
        let mut seeds = Vec::with_capacity(way.seeds.len());
        for seed in &way.seeds {
            let source = SeedSource::Colored {
                colors: colors.clone(),
                offset: before,
            };
            before += self.elements(&[seed.parameter]);
            seeds.push(Seed {
                parameter: seed.parameter,
                source,
            });
        }
        self.derivation.groups.push(Group {
            lanes: coloring.count.into(),
            seeds,
            product: self.product,
        });
        self.derivation.groups.len() - 1
    }

    pub(super) fn outputs_side(&self, outputs: &[u32]) -> Vec<Side> {
        let mut end = 0;
        let side = |&position: &u32| {
            let ty = self.ty(self.output(position));
            let first = end;
            end += ty.elements() as u32;
            Side {
                position,
                range: Some([first, end]),
                ty,
            }
        };
        outputs.iter().map(side).collect()
    }

    pub(super) fn inputs_side(&self, wrt: &[u32], live: &Live) -> Vec<Side> {
        let inputs = wrt.iter().zip(&live.places);
        let side = |(&position, place): (&u32, &Option<super::LivePlace>)| {
            let ty = self.ty(self.input(position));
            let range = place.map(|place| {
                let first = place.first as u32;
                [first, first + ty.elements() as u32]
            });
            Side {
                position,
                range,
                ty,
            }
        };
        inputs.map(side).collect()
    }
}

impl Way {
    /// Its price by colours.
    pub(super) fn colored(&self, count: u32) -> Candidate {
        let lanes = u64::from(count);
        Candidate {
            sweeps: sweeps(lanes),
            operations: self.price.operations(lanes),
            nanoseconds: self.price.nanoseconds(lanes),
            ..self.candidate.clone()
        }
    }
}

/// An output or input as rows or columns of a matrix.
pub(super) struct Side {
    position: u32,
    ty: TensorType,
    /// Its rows or columns; `None` if it does not matter.
    range: Option<[u32; 2]>,
}

impl Side {
    /// Its first row or column.
    pub(super) fn start(&self) -> Option<u64> {
        self.range.map(|[start, _]| start.into())
    }

    /// The first row or column after it.
    pub(super) fn end(&self) -> Option<u64> {
        self.range.map(|[_, end]| end.into())
    }
}

/// Reads from the values of a way, whose elements are numbered one value after the other.
pub(super) struct Sources {
    group: usize,
    values: Vec<Option<ValueId>>,
    ends: Vec<u64>,
    reads: Vec<Vec<Read>>,
    /// Whether reads add up in their entries.
    pub(super) adds: bool,
}

impl Sources {
    /// From a way with a value for each of what matters.
    fn new(way: &Way, group: usize, of: &[Side]) -> Self {
        Self::of(way, group, of.iter().filter_map(Side::end).collect())
    }

    /// From a way whose values' elements end there, numbered one value after the other.
    pub(super) fn of(way: &Way, group: usize, ends: Vec<u64>) -> Self {
        Self {
            group,
            values: way.values.clone(),
            ends,
            reads: vec![vec![]; way.values.len()],
            adds: false,
        }
    }

    pub(super) fn push(&mut self, at: u32, lane: u32, to: Entry) {
        let at = u64::from(at);
        let k = self.ends.partition_point(|&end| end <= at);
        let before = k.checked_sub(1).map_or(0, |k| self.ends[k]);
        let element = (at - before) as u32;
        self.reads[k].push(Read { lane, element, to });
    }

    pub(super) fn finish(self) -> impl Iterator<Item = Compressed> {
        let (group, adds) = (self.group, self.adds);
        let values = self.values.into_iter().zip(self.reads);
        values.filter_map(move |(value, mut reads)| {
            reads.sort_by_key(|read| read.lane);
            Some(Compressed {
                group,
                value: value.filter(|_| !reads.is_empty())?,
                reads,
                adds,
            })
        })
    }
}

/// The blocks of a matrix, and where its entries stand in them.
pub(super) struct Places {
    pub(super) blocks: Vec<BlockSource>,
    /// Rows and columns of blocks, as ranges of rows and columns.
    ranges: [Vec<Option<[u32; 2]>>; 2],
    sparse: bool,
}

impl Places {
    /// Blocks of `of` (rows) differentiated by `by` (columns).
    fn new(of: &[Side], by: &[Side], sparse: Option<&Structure>) -> Self {
        let ranges = [of, by].map(|sides| sides.iter().map(|side| side.range).collect());
        let mut places = Self {
            blocks: vec![],
            ranges,
            sparse: sparse.is_some(),
        };
        let mut coordinates: Vec<Coordinates> = Vec::new();
        for (o, b) in of.iter().flat_map(|o| by.iter().map(move |b| (o, b))) {
            coordinates.push(Coordinates {
                shape: [o.ty.elements(), b.ty.elements()],
                rows: vec![],
                columns: vec![],
            });
        }
        if let Some(structure) = sparse {
            places.locate(structure, |_, block, [i, j]| {
                coordinates[block].rows.push(i.into());
                coordinates[block].columns.push(j.into());
            });
        }
        let pairs = of.iter().flat_map(|o| by.iter().map(move |b| (o, b)));
        let blocks = pairs.zip(coordinates).map(|((o, b), coordinates)| {
            BlockSource::filled(&o.ty, &b.ty, sparse.map(|_| Arc::new(coordinates)))
        });
        places.blocks = blocks.collect();
        places
    }

    /// Likewise, with the positions of outputs and inputs.
    pub(super) fn named_new(of: &[Side], by: &[Side], sparse: Option<&Structure>) -> Self {
        let mut places = Self::new(of, by, sparse);
        for (block, o, b) in places.named(of, by) {
            (block.output, block.wrt) = (Some(o), Some(b));
        }
        places
    }

    /// Blocks with the positions of what they are of and by.
    fn named(
        &mut self,
        of: &[Side],
        by: &[Side],
    ) -> impl Iterator<Item = (&mut BlockSource, u32, u32)> {
        let names = of
            .iter()
            .flat_map(|o| by.iter().map(|b| (o.position, b.position)));
        let names: Vec<(u32, u32)> = names.collect();
        let blocks = self.blocks.iter_mut().zip(names);
        blocks.map(|(block, (o, b))| (block, o, b))
    }

    /// Calls `f(entry, block, [row, column] within it)` for the pattern's entries in order.
    fn locate(&self, structure: &Structure, mut f: impl FnMut(usize, usize, [u32; 2])) {
        let [rows, columns] = &self.ranges;
        let mut e = 0;
        for (r, range) in rows.iter().enumerate() {
            let Some([begin, end]) = *range else { continue };
            for i in begin..end {
                let mut rest = structure.pattern.row(i).iter().peekable();
                for (c, range) in columns.iter().enumerate() {
                    let Some([first, last]) = *range else {
                        continue;
                    };
                    while let Some(&j) = rest.next_if(|&&j| j < last) {
                        f(e, r * columns.len() + c, [i - begin, j - first]);
                        e += 1;
                    }
                }
            }
        }
    }

    /// Calls `f(entry, row, column, where it stands)` for the pattern's entries in order.
    pub(super) fn for_each(
        &self,
        structure: &Structure,
        mut f: impl FnMut(usize, u32, u32, Entry),
    ) {
        let mut counts = vec![0u64; self.blocks.len()];
        let [rows, columns] = &self.ranges;
        let begin = |ranges: &[Option<[u32; 2]>], k: usize| ranges[k].map_or(0, |[begin, _]| begin);
        let widths: Vec<u64> = (columns.iter())
            .map(|range| range.map_or(0, |[first, last]| u64::from(last - first)))
            .collect();
        self.locate(structure, |e, block, [i, j]| {
            let (r, c) = (block / columns.len(), block % columns.len());
            let at = match self.sparse {
                true => counts[block],
                false => u64::from(i) * widths[c] + u64::from(j),
            };
            counts[block] += 1;
            let to = Entry {
                block: block as u32,
                at,
            };
            f(e, begin(rows, r) + i, begin(columns, c) + j, to);
        });
    }
}
