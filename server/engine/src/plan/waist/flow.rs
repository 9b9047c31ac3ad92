//! Minimum vertex cuts by maximum flow (Dinic, 1970), for as long as that may take.

use super::Net;
use std::collections::VecDeque;

/// Arcs of a network that is looked at, and visits of an arc in all: a few milliseconds.
const MAX_ARCS: usize = 1 << 20;
const PATIENCE: u64 = 1 << 23;

const UNBOUNDED: u64 = u64::MAX / 4;

/// Arcs in pairs: the second is the first turned round.
struct Network {
    to: Vec<u32>,
    room: Vec<u64>,
    /// Arcs of vertex v are `arcs[starts[v]..starts[v + 1]]`.
    arcs: Vec<u32>,
    starts: Vec<usize>,
    patience: u64,
}

impl Network {
    fn new(vertices: usize, pairs: &[(u32, u32, u64)]) -> Self {
        let mut starts = vec![0; vertices + 1];
        for &(from, to, _) in pairs {
            starts[from as usize + 1] += 1;
            starts[to as usize + 1] += 1;
        }
        for v in 0..vertices {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.clone();
        let mut arcs = vec![0; 2 * pairs.len()];
        let (mut to, mut room) = (Vec::new(), Vec::new());
        for &(a, b, capacity) in pairs {
            for (from, other, room_of) in [(a, b, capacity), (b, a, 0)] {
                arcs[next[from as usize]] = to.len() as u32;
                next[from as usize] += 1;
                to.push(other);
                room.push(room_of);
            }
        }
        Self {
            to,
            room,
            arcs,
            starts,
            patience: PATIENCE,
        }
    }

    /// Distance from the source along arcs with room, `u32::MAX` where none leads. `None`: out of patience.
    fn levels(&mut self, source: u32) -> Option<Vec<u32>> {
        let mut levels = vec![u32::MAX; self.starts.len() - 1];
        levels[source as usize] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(v) = queue.pop_front() {
            let own = self.starts[v as usize]..self.starts[v as usize + 1];
            self.patience = self.patience.checked_sub(own.len() as u64)?;
            for &arc in &self.arcs[own] {
                let w = self.to[arc as usize];
                if self.room[arc as usize] > 0 && levels[w as usize] == u32::MAX {
                    levels[w as usize] = levels[v as usize] + 1;
                    queue.push_back(w);
                }
            }
        }
        Some(levels)
    }

    /// Fills every shortest way; what flows more. Walks with a path in place of recursion.
    fn block(&mut self, source: u32, sink: u32, levels: &mut [u32]) -> Option<u64> {
        let mut next = self.starts.clone();
        let mut path: Vec<u32> = Vec::new();
        let (mut v, mut total) = (source, 0u64);
        loop {
            if v == sink {
                let rooms = path.iter().map(|&arc| self.room[arc as usize]);
                let more = rooms.min().unwrap_or(0);
                total = total.saturating_add(more);
                for &arc in &path {
                    self.room[arc as usize] -= more;
                    self.room[arc as usize ^ 1] += more;
                }
                self.patience = self.patience.checked_sub(path.len() as u64)?;
                path.clear();
                v = source;
                continue;
            }
            let at = next[v as usize];
            if at == self.starts[v as usize + 1] {
                if v == source {
                    return Some(total);
                }
                levels[v as usize] = u32::MAX;
                let arc = path.pop().expect("the walk left the source by an arc");
                v = self.to[arc as usize ^ 1];
                next[v as usize] += 1;
                continue;
            }
            self.patience = self.patience.checked_sub(1)?;
            let arc = self.arcs[at] as usize;
            let w = self.to[arc];
            let deeper = levels[v as usize].saturating_add(1) == levels[w as usize];
            if self.room[arc] > 0 && deeper && levels[w as usize] != u32::MAX {
                path.push(arc as u32);
                v = w;
            } else {
                next[v as usize] += 1;
            }
        }
    }
}

/// A cut of fewer than `below` elements that is as narrow as any, the one nearest to the inputs. `None`: there is
/// none, or to find it would take too long.
pub(super) fn minimum_cut(net: &Net, below: u64) -> Option<Vec<u32>> {
    let count = net.values.len();
    let edges: usize = (net.sites.iter())
        .map(|s| s.operands.len() * s.results.len())
        .sum();
    if 2 * (edges + 2 * count) > MAX_ARCS {
        return None;
    }
    // Value v comes in at 2v and goes out at 2v + 1; between them is room for its elements.
    let (source, sink) = (2 * count as u32, 2 * count as u32 + 1);
    let mut pairs = Vec::with_capacity(edges + 2 * count);
    for v in 0..count as u32 {
        pairs.push((2 * v, 2 * v + 1, net.sizes[v as usize]));
        if v < net.inputs {
            pairs.push((source, 2 * v, UNBOUNDED));
        }
        if net.is_output[v as usize] {
            pairs.push((2 * v + 1, sink, UNBOUNDED));
        }
    }
    for site in &net.sites {
        for &from in &site.operands {
            let to = site.results.clone();
            pairs.extend(to.map(|to| (2 * from + 1, 2 * to, UNBOUNDED)));
        }
    }
    let mut network = Network::new(2 * count + 2, &pairs);
    let mut total = 0u64;
    loop {
        let mut levels = network.levels(source)?;
        if levels[sink as usize] == u32::MAX {
            let reached = |v: u32| levels[v as usize] != u32::MAX;
            let cut = (0..count as u32).filter(|v| reached(2 * v) && !reached(2 * v + 1));
            return Some(cut.collect());
        }
        total = total.saturating_add(network.block(source, sink, &mut levels)?);
        if total >= below {
            return None;
        }
    }
}
