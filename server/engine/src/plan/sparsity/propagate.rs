use super::Pattern;
use super::bodies::Bodies;
use super::edges::{self, Edges};
use super::sets::{SetId, Sets};
use crate::graph::Arena;
use crate::op::ValueId;
use crate::plan::effort::count;
use crate::transform::FunctionTable;

/// Elements that may be followed; what has more is taken to be full.
const MAX_ELEMENTS: u64 = 1 << 27;

/// Entries of a pattern that is worth writing down.
const MAX_ENTRIES: u64 = 1 << 26;

/// Words that may be touched before the other side is tried, and in all. About a nanosecond each.
const PATIENCE: [u64; 2] = [1 << 25, 1 << 29];

/// Sets are tidied up when they have doubled, from this many words on.
const TIDY_WORDS: usize = 1 << 20;

/// Numbers of the elements of values that move.
pub(super) struct Elements {
    /// For each value its first element, or [`Elements::STILL`].
    first: Vec<u32>,
    total: u32,
}

impl Elements {
    const STILL: u32 = u32::MAX;

    /// First element of a value, if it moves.
    pub fn first(&self, value: ValueId) -> Option<u32> {
        let first = self.first[value.index()];
        (first != Self::STILL).then_some(first)
    }

    /// Numbers what the roots need and what depends on a seed. `None`: too many.
    fn new(arena: &Arena, seeds: &[ValueId], roots: &[(Option<ValueId>, u64)]) -> Option<Self> {
        let needed = arena.needed(roots.iter().filter_map(|(root, _)| *root));
        let mut first = vec![Self::STILL; arena.len()];
        let mut total = 0u64;
        let mut number = |first: &mut Vec<u32>, value: ValueId| {
            let elements = arena.ty(value).elements();
            if total.saturating_add(elements) > MAX_ELEMENTS {
                return None;
            }
            first[value.index()] = total as u32;
            total += elements;
            Some(())
        };
        for &seed in seeds {
            number(&mut first, seed)?;
        }
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            let moves = |v: &ValueId| first[v.index()] != Self::STILL;
            if !node.operands.iter().any(moves) {
                continue;
            }
            for result in node.results() {
                if arena.ty(result).dtype.is_float() {
                    number(&mut first, result)?;
                }
            }
        }
        Some(Self {
            first,
            total: total as u32,
        })
    }
}

/// Which elements of the roots (rows: one root after the other; `None` with its elements: empty rows) may depend on
/// which elements of the seeds (columns), which are parameters. From the cheaper side. `table`: functions that nodes
/// run. `None`: to find out would take too long.
pub fn dependencies(
    arena: &Arena,
    table: &mut FunctionTable,
    seeds: &[ValueId],
    roots: &[(Option<ValueId>, u64)],
) -> Option<Pattern> {
    count(|effort| effort.patterns += 1);
    let bounds = Bounds {
        entries: MAX_ENTRIES,
        work: u64::MAX,
    };
    dependencies_within(arena, seeds, roots, &mut Bodies::new(table), bounds)
}

/// How far a pattern is followed.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Entries, at most.
    pub entries: u64,
    /// Words touched, with those of functions before, at most.
    pub work: u64,
}

pub(super) fn dependencies_within(
    arena: &Arena,
    seeds: &[ValueId],
    roots: &[(Option<ValueId>, u64)],
    bodies: &mut Bodies<'_>,
    bounds: Bounds,
) -> Option<Pattern> {
    let n: u64 = seeds.iter().map(|&s| arena.ty(s).elements()).sum();
    let m: u64 = roots.iter().map(|&(_, elements)| elements).sum();
    let elements = Elements::new(arena, seeds, roots)?;
    let (n, m) = (u32::try_from(n).ok()?, u32::try_from(m).ok()?);
    for patience in PATIENCE {
        for forward in [n <= m, n > m] {
            let mut walk = Walk {
                arena,
                seeds,
                roots,
                elements: &elements,
                bodies: &mut *bodies,
                sets: Sets::new(if forward { n } else { m }),
                of: vec![Sets::EMPTY; elements.total as usize],
                sources: vec![],
                patience: patience.min(bounds.work),
                tidy_at: TIDY_WORDS,
                max_entries: bounds.entries,
            };
            let pattern = match forward {
                true => walk.forward(n),
                false => walk.backward(m),
            };
            let work = walk.sets.work;
            bodies.work = bodies.work.saturating_add(work);
            if pattern.is_some() {
                return pattern;
            }
            if bodies.work > bounds.work {
                return None;
            }
        }
    }
    None
}

struct Walk<'a, 't> {
    arena: &'a Arena,
    seeds: &'a [ValueId],
    roots: &'a [(Option<ValueId>, u64)],
    elements: &'a Elements,
    bodies: &'a mut Bodies<'t>,
    sets: Sets,
    /// Each element's set; hubs follow the last one.
    of: Vec<SetId>,
    sources: Vec<SetId>,
    patience: u64,
    tidy_at: usize,
    max_entries: u64,
}

impl Walk<'_, '_> {
    /// From each element of the seeds to all that depends on it: sets of columns.
    fn forward(&mut self, columns: u32) -> Option<Pattern> {
        let mut column = 0;
        for &seed in self.seeds {
            let first = self.elements.first(seed)?;
            for e in 0..self.arena.ty(seed).elements() as u32 {
                self.of[(first + e) as usize] = self.sets.single(column);
                column += 1;
            }
        }
        let mut last_use = vec![0; self.arena.len()];
        for node in self.arena.nodes() {
            node.operands
                .iter()
                .for_each(|v| last_use[v.index()] = node.id.0);
        }
        for &(root, _) in self.roots {
            root.into_iter()
                .for_each(|v| last_use[v.index()] = u32::MAX);
        }
        let mut edges = Edges::default();
        for node in self.arena.nodes() {
            if !self.begin(node, &mut edges) {
                continue;
            }
            for stage in edges.stages() {
                stage.sort_unstable_by_key(|&(_, to)| to);
                self.join(stage, |&(from, to)| (from, to))?;
            }
            if self.is_untidy() {
                let at = node.id.0;
                self.tidy(|v| last_use[v] > at);
            }
        }
        let roots = self.roots.iter().filter_map(|&(root, n)| Some((root?, n)));
        self.admit(roots)?;
        let mut pattern = Pattern::new(columns);
        let mut row = Vec::new();
        for &(root, elements) in self.roots {
            let first = root.and_then(|v| self.elements.first(v));
            for e in 0..elements as usize {
                row.clear();
                if let Some(first) = first {
                    let set = self.of[first as usize + e];
                    self.sets.for_each(set, |column| row.push(column));
                }
                pattern.push(&row);
            }
        }
        Some(pattern)
    }

    /// From each element of the roots to all it depends on: sets of rows.
    fn backward(&mut self, rows: u32) -> Option<Pattern> {
        let mut row = 0;
        for &(root, elements) in self.roots {
            let first = root.and_then(|v| self.elements.first(v));
            for e in 0..elements as u32 {
                if let Some(first) = first {
                    let own = self.sets.single(row);
                    let at = (first + e) as usize;
                    // A value can be a root twice.
                    self.sources.clear();
                    self.sources.extend([own, self.of[at]]);
                    self.of[at] = self.sets.union(&mut self.sources);
                }
                row += 1;
            }
        }
        let mut edges = Edges::default();
        let nodes = self.arena.nodes();
        for node in nodes.rev() {
            if !self.begin(node, &mut edges) {
                continue;
            }
            for stage in edges.stages().rev() {
                stage.sort_unstable_by_key(|&(from, _)| from);
                self.join(stage, |&(from, to)| (to, from))?;
            }
            if self.is_untidy() {
                let first = node.result.index();
                let arena = self.arena;
                self.tidy(|v| v < first || arena.producer(ValueId(v as u32)).is_none());
            }
        }
        let seeds = self.seeds.iter();
        self.admit(seeds.map(|&s| (s, self.arena.ty(s).elements())))?;
        let mut turned = Pattern::new(rows);
        let mut column = Vec::new();
        for &seed in self.seeds {
            let first = self.elements.first(seed)?;
            for e in 0..self.arena.ty(seed).elements() as u32 {
                column.clear();
                let set = self.of[(first + e) as usize];
                self.sets.for_each(set, |row| column.push(row));
                turned.push(&column);
            }
        }
        Some(turned.transposed())
    }

    /// Refuses too many entries before they are written.
    fn admit(&self, values: impl Iterator<Item = (ValueId, u64)>) -> Option<()> {
        let mut entries = 0;
        for (value, elements) in values {
            if let Some(first) = self.elements.first(value) {
                let sets = &self.of[first as usize..][..elements as usize];
                entries += sets.iter().map(|&set| self.sets.count(set)).sum::<u64>();
            }
        }
        (entries <= self.max_entries).then_some(())
    }

    /// Writes a node's edges; false if none of its results moves.
    fn begin(&mut self, node: crate::graph::NodeRef<'_>, edges: &mut Edges) -> bool {
        if !node.results().any(|v| self.elements.first(v).is_some()) {
            return false;
        }
        edges.first_hub = self.elements.total;
        edges::write(self.arena, node, self.elements, self.bodies, edges);
        self.sets.work += edges.len() as u64;
        self.of.truncate(self.elements.total as usize);
        self.of
            .resize((self.elements.total + edges.hubs) as usize, Sets::EMPTY);
        true
    }

    /// Adds to each target the sets of its sources; pairs of one target stand together.
    fn join(
        &mut self,
        stage: &[(u32, u32)],
        ends: impl Fn(&(u32, u32)) -> (u32, u32),
    ) -> Option<()> {
        for group in stage.chunk_by(|a, b| ends(a).1 == ends(b).1) {
            let target = ends(&group[0]).1 as usize;
            self.sources.clear();
            self.sources.push(self.of[target]);
            let sources = group.iter().map(|pair| self.of[ends(pair).0 as usize]);
            self.sources.extend(sources);
            self.of[target] = self.sets.union(&mut self.sources);
            if self.sets.work > self.patience {
                return None;
            }
        }
        Some(())
    }

    fn is_untidy(&self) -> bool {
        self.sets.len() > self.tidy_at
    }

    /// Drops the sets of values that nobody will ask for.
    fn tidy(&mut self, asked_for: impl Fn(usize) -> bool) {
        for v in 0..self.arena.len() {
            let value = ValueId(v as u32);
            if let Some(first) = self.elements.first(value)
                && !asked_for(v)
            {
                let len = self.arena.ty(value).elements() as usize;
                self.of[first as usize..][..len].fill(Sets::EMPTY);
            }
        }
        self.of.truncate(self.elements.total as usize);
        self.sets.keep(self.of.iter_mut());
        self.tidy_at = (2 * self.sets.len()).max(TIDY_WORDS);
    }
}
