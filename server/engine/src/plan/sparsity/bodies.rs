//! What the results of a function depend on: found once for each function and choice of parameters that move, and put
//! in wherever the function is run.

use super::Pattern;
use super::propagate::{Bounds, dependencies_within};
use crate::error::Error;
use crate::op::{FunctionId, deeper};
use crate::transform::{Body, FunctionTable};
use std::collections::HashMap;
use std::sync::Arc;

/// Entries of the pattern of a function. What has more depends, result by result, on all of the parameters that it
/// depends on at all; so does what takes longer.
const MAX_ENTRIES: u64 = 1 << 22;

/// Words that may be touched for all functions of a graph together.
const MAX_WORK: u64 = 1 << 28;

/// Rounds in which the pattern of a function that runs itself grows; what grows longer is as if it were too large.
const ROUNDS: usize = 64;

/// A parameter's or a result's element: (position of it, element).
pub(super) type Place = (u32, u32);

/// Which elements of results depend on which of parameters: for sets of results' elements, which depend on the same,
/// these.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Links {
    /// Group k: sources `sources[ends[k - 1][0]..ends[k][0]]`, and targets likewise.
    ends: Vec<[usize; 2]>,
    sources: Vec<Place>,
    targets: Vec<Place>,
}

impl Links {
    pub fn push(
        &mut self,
        sources: impl IntoIterator<Item = Place>,
        targets: impl IntoIterator<Item = Place>,
    ) {
        self.sources.extend(sources);
        self.targets.extend(targets);
        self.ends.push([self.sources.len(), self.targets.len()]);
    }

    /// Groups: sources and the targets that depend on all of them.
    pub fn groups(&self) -> impl Iterator<Item = (&[Place], &[Place])> {
        let begins = std::iter::once(&[0; 2]).chain(&self.ends);
        let both = begins.zip(&self.ends);
        both.map(|(begin, end)| {
            (
                &self.sources[begin[0]..end[0]],
                &self.targets[begin[1]..end[1]],
            )
        })
    }

    /// Pairs it takes to write them down.
    pub fn len(&self) -> u64 {
        (self.sources.len() + self.targets.len()) as u64
    }

    /// From a pattern whose rows and columns are these places. Equal rows are one group.
    fn of(pattern: &Pattern, rows: &[Place], columns: &[Place]) -> Self {
        let mut numbers: HashMap<&[u32], usize> = HashMap::new();
        let mut groups: Vec<(&[u32], Vec<Place>)> = Vec::new();
        for (i, &place) in rows.iter().enumerate() {
            let row = pattern.row(i as u32);
            if row.is_empty() {
                continue;
            }
            let next = groups.len();
            let number = *numbers.entry(row).or_insert(next);
            if number == next {
                groups.push((row, vec![]));
            }
            groups[number].1.push(place);
        }
        let mut links = Self::default();
        for (row, targets) in groups {
            links.push(row.iter().map(|&j| columns[j as usize]), targets);
        }
        links
    }
}

type Key = (FunctionId, Vec<bool>);

/// See the module.
pub(super) struct Bodies<'a> {
    pub table: &'a mut FunctionTable,
    known: HashMap<Key, Arc<Links>>,
    /// Those that are being found, with what is known of them so far.
    open: Vec<(Key, Arc<Links>)>,
    /// The outermost open one that was asked for while it was open.
    asked: usize,
    /// Words that were touched for functions.
    pub work: u64,
}

impl<'a> Bodies<'a> {
    pub fn new(table: &'a mut FunctionTable) -> Self {
        Self {
            table,
            known: HashMap::new(),
            open: vec![],
            asked: usize::MAX,
            work: 0,
        }
    }

    /// Of a function some of whose parameters move.
    pub fn links(&mut self, f: FunctionId, moves: &[bool]) -> Result<Arc<Links>, Error> {
        let key = (f, moves.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        if let Some(at) = self.open.iter().position(|(open, _)| *open == key) {
            self.asked = self.asked.min(at);
            return Ok(self.open[at].1.clone());
        }
        let body = self.table.body(f)?;
        let at = self.open.len();
        let outer = std::mem::replace(&mut self.asked, usize::MAX);
        self.open.push((key, Arc::default()));
        let found = deeper(|| self.grown(f, &body, moves, at));
        let key = self.open.pop().map(|(key, _)| key);
        // What leans on an open function is not final before that one is.
        let is_final = self.asked >= at;
        self.asked = match is_final {
            true => outer,
            false => outer.min(self.asked),
        };
        let found = found?;
        if let (true, Some(key)) = (is_final, key) {
            self.known.insert(key, found.clone());
        }
        Ok(found)
    }

    /// From nothing until it grows no more: what a function that runs itself depends on is the least such pattern.
    fn grown(
        &mut self,
        f: FunctionId,
        body: &Body,
        moves: &[bool],
        at: usize,
    ) -> Result<Arc<Links>, Error> {
        for _ in 0..ROUNDS {
            let Some(links) = self.once(body, moves) else {
                break;
            };
            let links = Arc::new(links);
            if self.asked > at || links == self.open[at].1 {
                return Ok(links);
            }
            self.open[at].1 = links;
        }
        self.coarse(f, body, moves)
    }

    fn once(&mut self, body: &Body, moves: &[bool]) -> Option<Links> {
        if self.work > MAX_WORK {
            return None;
        }
        let ty = |v| body.arena.ty(v);
        let places = |k: usize, elements: u64| (0..elements as u32).map(move |e| (k as u32, e));
        let (mut seeds, mut columns) = (vec![], vec![]);
        for (k, &p) in body.parameters.iter().enumerate() {
            if moves[k] && ty(p).dtype.is_float() {
                seeds.push(p);
                columns.extend(places(k, ty(p).elements()));
            }
        }
        let (mut roots, mut rows) = (vec![], vec![]);
        for (k, &r) in body.results.iter().enumerate() {
            if ty(r).dtype.is_float() {
                roots.push((Some(r), ty(r).elements()));
                rows.extend(places(k, ty(r).elements()));
            }
        }
        let bounds = Bounds {
            entries: MAX_ENTRIES,
            work: MAX_WORK,
        };
        let pattern = dependencies_within(&body.arena, &seeds, &roots, self, bounds)?;
        Some(Links::of(&pattern, &rows, &columns))
    }

    /// Every element of a result on every element of the parameters that it depends on at all.
    fn coarse(&mut self, f: FunctionId, body: &Body, moves: &[bool]) -> Result<Arc<Links>, Error> {
        let dependence = self.table.dependence(f)?;
        let mut links = Links::default();
        let places = |k: usize, v| {
            let elements = body.arena.ty(v).elements() as u32;
            (0..elements).map(move |e| (k as u32, e))
        };
        for (k, &r) in body.results.iter().enumerate() {
            if !body.arena.ty(r).dtype.is_float() {
                continue;
            }
            let sources = body.parameters.iter().enumerate();
            let sources = sources.filter(|&(j, _)| moves[j] && dependence.smooth[k].has(j));
            links.push(sources.flat_map(|(j, &p)| places(j, p)), places(k, r));
        }
        Ok(Arc::new(links))
    }
}
