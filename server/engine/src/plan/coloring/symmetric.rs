//! Symmetric matrices: an entry can be read in its row or in its column, which takes fewer colours.
//!
//! Star colouring (every path of four vertices has three colours: entries are read directly) and acyclic colouring
//! (every cycle has three colours: entries are found by substitution), after Gebremedhin, Tarafdar, Manne, Pothen:
//! "New Acyclic and Star Coloring Algorithms with Application to Computing Hessians" (SIAM J. Sci. Comput. 29, 2007).
//! What those walk over, the neighbours of a neighbour, is here kept by colour, so that a vertex with many
//! neighbours is not walked again for each of them.

use super::{Coloring, best_of, order};
use crate::plan::sparsity::Pattern;
use std::collections::{HashMap, VecDeque};

/// Colours of a symmetric pattern, and where each entry is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symmetric {
    /// Colour of each row and column.
    pub coloring: Coloring,
    /// For each entry of the pattern in order: the element, and the colour of the sweep, to read.
    pub reads: Vec<(u32, u32)>,
    /// To do in order after all reads: from the first entry take the second.
    pub subtractions: Vec<(u32, u32)>,
    /// Longest chain of subtractions: errors grow with it.
    pub depth: u32,
}

impl Symmetric {
    /// From colours of the columns alone, no two of which meet in a row.
    pub fn of_columns(pattern: &Pattern, coloring: Coloring) -> Self {
        let row = |i: u32| pattern.row(i).iter().map(move |&j| (i, j));
        let entries = (0..pattern.rows()).flat_map(row);
        Self {
            reads: entries.map(|(i, j)| (i, coloring.of[j as usize])).collect(),
            coloring,
            subtractions: vec![],
            depth: 0,
        }
    }
}

/// Star colouring: no subtractions. `None` if it takes too long.
pub fn star(pattern: &Pattern) -> Option<Symmetric> {
    let colored = best(pattern, 0, |order, patience| {
        stars(pattern, order, patience)
    })?;
    direct(pattern, colored)
}

/// Acyclic colouring; with at most so many colours that are `enough` no better one is looked for. `None` if it takes
/// too long.
pub fn acyclic(pattern: &Pattern, enough: u32) -> Option<Symmetric> {
    let colored = best(pattern, enough, |order, patience| {
        trees(pattern, order, patience)
    })?;
    substituted(pattern, colored)
}

fn others(pattern: &Pattern, v: u32) -> impl Iterator<Item = u32> + '_ {
    pattern.row(v).iter().copied().filter(move |&w| w != v)
}

fn best(
    pattern: &Pattern,
    enough: u32,
    color: impl FnMut(&[u32], &mut u64) -> Option<Coloring>,
) -> Option<Coloring> {
    let degrees = || -> Vec<u32> {
        let degree = |v: u32| others(pattern, v).count() as u32;
        (0..pattern.rows()).map(degree).collect()
    };
    let neighbors = |v: u32, f: &mut dyn FnMut(u32)| others(pattern, v).for_each(f);
    let natural = || (0..pattern.rows()).collect();
    let largest = || order::largest_first(&degrees());
    let smallest = || order::smallest_last(&degrees(), neighbors);
    let incidence = || order::incidence(&degrees(), neighbors);
    // Without an edge one colour does, with one it takes two.
    let least = 1 + u32::from(degrees().iter().any(|&d| d > 0));
    let orders: [&dyn Fn() -> Vec<u32>; 4] = [&natural, &largest, &smallest, &incidence];
    best_of(least.max(enough), orders, SPENT, color, |coloring| {
        coloring.count
    })
}

/// As for columns, but a step of these takes longer, and there are two kinds of them.
const SPENT: [u64; 4] = [0, 1 << 23, 1 << 22, 1 << 22];

/// One coloured neighbour for each colour round a vertex, and the two-coloured star or tree of the edge to it.
#[derive(Clone, Copy)]
struct Near {
    color: u32,
    vertex: u32,
    part: u32,
}

const NOBODY: u32 = u32::MAX;

/// What both algorithms keep.
struct Round<'a> {
    pattern: &'a Pattern,
    coloring: Coloring,
    near: Vec<Vec<Near>>,
    /// By colour: the vertex that forbade it last.
    forbidden: Vec<u32>,
    /// By colour of a neighbour: the vertex that met it last, and its first neighbour of that colour.
    first: Vec<(u32, u32)>,
}

impl<'a> Round<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        let n = pattern.rows() as usize;
        Self {
            pattern,
            coloring: Coloring {
                of: vec![Coloring::NONE; n],
                count: 0,
            },
            near: vec![Vec::new(); n],
            forbidden: vec![NOBODY; n + 1],
            first: vec![(NOBODY, NOBODY); n + 1],
        }
    }

    fn color(&self, v: u32) -> u32 {
        self.coloring.of[v as usize]
    }

    /// Neighbours that have a colour.
    fn colored(&self, v: u32, into: &mut Vec<u32>) {
        into.clear();
        into.extend(others(self.pattern, v).filter(|&w| self.color(w) != Coloring::NONE));
    }

    fn settle(&mut self, v: u32) -> u32 {
        let color = (0..).find(|&c| self.forbidden[c as usize] != v);
        let color = color.expect("a vertex forbids no more colours than there are");
        self.coloring.of[v as usize] = color;
        self.coloring.count = self.coloring.count.max(color + 1);
        color
    }

    fn find(&self, v: u32, color: u32) -> Option<u32> {
        let mut near = self.near[v as usize].iter();
        near.find(|n| n.color == color).map(|n| n.part)
    }

    fn remember(&mut self, at: u32, vertex: u32, part: u32) {
        let color = self.color(vertex);
        if self.find(at, color).is_none() {
            let near = Near {
                color,
                vertex,
                part,
            };
            self.near[at as usize].push(near);
        }
    }
}

fn stars(pattern: &Pattern, order: &[u32], patience: &mut u64) -> Option<Coloring> {
    let mut round = Round::new(pattern);
    // By star: its hub, if it has more than one edge.
    let mut hubs: Vec<u32> = Vec::new();
    let mut treated = vec![NOBODY; pattern.rows() as usize];
    let mut neighbors = Vec::new();
    for &v in order {
        round.colored(v, &mut neighbors);
        let mut work = neighbors.len() + 1;
        for &w in &neighbors {
            let color = round.color(w) as usize;
            round.forbidden[color] = v;
            let (met, q) = round.first[color];
            if met == v {
                // Two neighbours of one colour: v becomes a hub, and must differ from all that are near either.
                for spoke in [q, w] {
                    if std::mem::replace(&mut treated[spoke as usize], v) != v {
                        work += round.near[spoke as usize].len();
                        for near in &round.near[spoke as usize] {
                            round.forbidden[near.color as usize] = v;
                        }
                    }
                }
            } else {
                round.first[color] = (v, w);
                work += round.near[w as usize].len();
                for near in &round.near[w as usize] {
                    if hubs[near.part as usize] == near.vertex {
                        round.forbidden[near.color as usize] = v;
                    }
                }
            }
        }
        *patience = patience.checked_sub(work as u64)?;
        let own = round.settle(v);
        for &w in &neighbors {
            let star = match round.find(w, own) {
                Some(star) => {
                    hubs[star as usize] = w;
                    star
                }
                None => match round.find(v, round.color(w)) {
                    Some(star) => {
                        hubs[star as usize] = v;
                        star
                    }
                    None => {
                        hubs.push(NOBODY);
                        (hubs.len() - 1) as u32
                    }
                },
            };
            round.remember(w, v, star);
            round.remember(v, w, star);
        }
    }
    Some(round.coloring)
}

fn trees(pattern: &Pattern, order: &[u32], patience: &mut u64) -> Option<Coloring> {
    let mut round = Round::new(pattern);
    let mut parents: Vec<u32> = Vec::new();
    // By tree: the vertex that met it last, and through which neighbour.
    let mut visits: Vec<(u32, u32)> = Vec::new();
    let mut neighbors = Vec::new();
    for &v in order {
        round.colored(v, &mut neighbors);
        let mut work = neighbors.len() + 1;
        for &w in &neighbors {
            let color = round.color(w) as usize;
            round.forbidden[color] = v;
        }
        for &w in &neighbors {
            work += round.near[w as usize].len();
            for near in &round.near[w as usize] {
                if round.forbidden[near.color as usize] == v {
                    continue;
                }
                let visit = &mut visits[root(&mut parents, near.part) as usize];
                if visit.0 != v {
                    *visit = (v, w);
                } else if visit.1 != w {
                    // The tree would close to a cycle through v.
                    round.forbidden[near.color as usize] = v;
                }
            }
        }
        *patience = patience.checked_sub(work as u64)?;
        let own = round.settle(v);
        for &w in &neighbors {
            let edge = parents.len() as u32;
            parents.push(edge);
            visits.push((NOBODY, NOBODY));
            let joined = [round.find(w, own), round.find(v, round.color(w))];
            for other in joined.into_iter().flatten() {
                let (a, b) = (root(&mut parents, edge), root(&mut parents, other));
                parents[a as usize] = b;
            }
            round.remember(w, v, edge);
            round.remember(v, w, edge);
        }
    }
    Some(round.coloring)
}

/// The representative of a tree; halves the way there.
fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while parents[at as usize] != at {
        let up = parents[parents[at as usize] as usize];
        parents[at as usize] = up;
        at = up;
    }
    at
}

/// For each entry (i, j) the number of (j, i).
fn mirrors(pattern: &Pattern) -> Vec<u32> {
    let mut next: Vec<usize> = (0..pattern.rows()).map(|i| pattern.start(i)).collect();
    let mut mirrors = Vec::with_capacity(pattern.entries());
    for i in 0..pattern.rows() {
        for &j in pattern.row(i) {
            mirrors.push(next[j as usize] as u32);
            next[j as usize] += 1;
        }
    }
    mirrors
}

/// Finds for each entry a row in which no other entry has its colour. `None` if there is none: not a star colouring.
fn direct(pattern: &Pattern, coloring: Coloring) -> Option<Symmetric> {
    let color = |v: u32| coloring.of[v as usize];
    let mut alone = vec![false; pattern.entries()];
    let mut counts = vec![0u32; coloring.count as usize];
    for i in 0..pattern.rows() {
        let row = pattern.row(i);
        row.iter().for_each(|&j| counts[color(j) as usize] += 1);
        for (e, &j) in row.iter().enumerate() {
            alone[pattern.start(i) + e] = counts[color(j) as usize] == 1;
        }
        row.iter().for_each(|&j| counts[color(j) as usize] = 0);
    }
    let mirrors = mirrors(pattern);
    let mut reads = Vec::with_capacity(pattern.entries());
    let mut used = vec![false; coloring.count as usize];
    for i in 0..pattern.rows() {
        for &j in pattern.row(i) {
            let e = reads.len();
            let (at, lane) = match (alone[e], alone[mirrors[e] as usize]) {
                (true, _) => (i, color(j)),
                (_, true) => (j, color(i)),
                _ => return None,
            };
            used[lane as usize] = true;
            reads.push((at, lane));
        }
    }
    Some(finish(coloring, reads, vec![], 0, &used))
}

/// Solves every two-coloured tree from its leaves. `None` if there is a cycle: not an acyclic colouring.
fn substituted(pattern: &Pattern, coloring: Coloring) -> Option<Symmetric> {
    let color = |v: u32| coloring.of[v as usize];
    let mirrors = mirrors(pattern);
    let mut reads = Vec::with_capacity(pattern.entries());
    type Triples = Vec<(u32, u32, u32)>;
    let mut groups: HashMap<(u32, u32), Triples> = HashMap::new();
    for i in 0..pattern.rows() {
        for &j in pattern.row(i) {
            let entry = reads.len() as u32;
            reads.push((i, color(j)));
            if i < j {
                let pair = (color(i).min(color(j)), color(i).max(color(j)));
                groups.entry(pair).or_default().push((i, j, entry));
            }
        }
    }
    let mut pairs: Vec<_> = groups.into_iter().collect();
    pairs.sort_unstable_by_key(|(pair, _)| *pair);
    let mut subtractions = Vec::new();
    let mut depth = 0;
    for (_, edges) in pairs {
        let mut round: HashMap<u32, Vec<usize>> = HashMap::new();
        for (k, &(i, j, _)) in edges.iter().enumerate() {
            round.entry(i).or_default().push(k);
            round.entry(j).or_default().push(k);
        }
        let mut left: HashMap<u32, usize> = round.iter().map(|(&v, at)| (v, at.len())).collect();
        let mut leaves: Vec<u32> = left
            .iter()
            .filter(|(_, n)| **n == 1)
            .map(|(&v, _)| v)
            .collect();
        leaves.sort_unstable();
        let mut leaves = VecDeque::from(leaves);
        // 0: not solved; else one more than the subtractions in a row that led here.
        let mut solved = vec![0u32; edges.len()];
        while let Some(v) = leaves.pop_front() {
            let at = &round[&v];
            let Some(&k) = at.iter().find(|&&k| solved[k] == 0) else {
                continue;
            };
            let (i, j, entry) = edges[k];
            let parent = if v == i { j } else { i };
            let mut level = 1;
            for &other in at.iter().filter(|&&other| other != k) {
                level = level.max(solved[other] + 1);
                for target in [entry, mirrors[entry as usize]] {
                    subtractions.push((target, edges[other].2));
                }
            }
            solved[k] = level;
            depth = depth.max(level - 1);
            for target in [entry, mirrors[entry as usize]] {
                reads[target as usize] = (v, color(parent));
            }
            let rest = left.get_mut(&parent)?;
            *rest -= 1;
            if *rest == 1 {
                leaves.push_back(parent);
            }
        }
        if solved.contains(&0) {
            return None;
        }
    }
    let mut used = vec![false; coloring.count as usize];
    reads
        .iter()
        .for_each(|&(_, lane)| used[lane as usize] = true);
    Some(finish(coloring, reads, subtractions, depth, &used))
}

/// Leaves out the colours that nothing is read from.
fn finish(
    coloring: Coloring,
    mut reads: Vec<(u32, u32)>,
    subtractions: Vec<(u32, u32)>,
    depth: u32,
    used: &[bool],
) -> Symmetric {
    let renamed = Coloring::each(coloring.count).compacted(|c| used[c as usize]);
    reads
        .iter_mut()
        .for_each(|(_, lane)| *lane = renamed.of[*lane as usize]);
    Symmetric {
        coloring: coloring.compacted(|c| used[c as usize]),
        reads,
        subtractions,
        depth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: &mut u64) -> u64 {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    fn symmetric(n: u32, pairs: impl IntoIterator<Item = (u32, u32)>) -> Pattern {
        let mut rows = vec![vec![]; n as usize];
        for (i, j) in pairs {
            rows[i as usize].push(j);
        }
        rows.iter_mut().for_each(|r| {
            r.sort_unstable();
            r.dedup();
        });
        Pattern::from_rows(n, rows.iter().map(Vec::as_slice)).symmetrized()
    }

    /// Integers at the entries, compressed and found again.
    fn assert_recovers(pattern: &Pattern, s: &Symmetric) {
        let mirrors = mirrors(pattern);
        let value = |e: usize| {
            let mut seed = e.min(mirrors[e] as usize) as u64;
            (random(&mut seed) % 1000) as i64 + 1
        };
        let lanes = s.coloring.count as usize;
        let mut sums = vec![0i64; pattern.rows() as usize * lanes];
        for i in 0..pattern.rows() {
            for (e, &j) in pattern.row(i).iter().enumerate() {
                let lane = s.coloring.of[j as usize];
                if lane != Coloring::NONE {
                    sums[i as usize * lanes + lane as usize] += value(pattern.start(i) + e);
                }
            }
        }
        let read = |&(at, lane): &(u32, u32)| sums[at as usize * lanes + lane as usize];
        let mut found: Vec<i64> = s.reads.iter().map(read).collect();
        for &(target, source) in &s.subtractions {
            found[target as usize] -= found[source as usize];
        }
        let want: Vec<i64> = (0..pattern.entries()).map(value).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn random_patterns_are_recovered() {
        let mut seed = 1;
        for case in 0..200 {
            let n = 1 + (random(&mut seed) % 30) as u32;
            let pairs = (0..random(&mut seed) % 90)
                .map(|_| [0, 1].map(|_| (random(&mut seed) % u64::from(n)) as u32))
                .collect::<Vec<_>>();
            let pattern = symmetric(n, pairs.into_iter().map(|[i, j]| (i, j)));
            let s = star(&pattern).unwrap_or_else(|| panic!("case {case}: not a star colouring"));
            assert_recovers(&pattern, &s);
            let a = acyclic(&pattern, 0).unwrap_or_else(|| panic!("case {case}: a cycle"));
            assert_recovers(&pattern, &a);
            assert!(a.coloring.count <= s.coloring.count.max(2) + 1);
        }
    }

    #[test]
    fn paths_and_arrows() {
        let n = 1000;
        let path = symmetric(
            n,
            (0..n - 1)
                .flat_map(|i| [(i, i), (i, i + 1)])
                .chain([(n - 1, n - 1)]),
        );
        assert_eq!(star(&path).unwrap().coloring.count, 3);
        let tree = acyclic(&path, 0).unwrap();
        assert_eq!((tree.coloring.count, tree.depth > 1), (2, true));
        let arrow = symmetric(n, (0..n).flat_map(|i| [(i, i), (0, i)]));
        assert_eq!(star(&arrow).unwrap().coloring.count, 2);
    }
}
