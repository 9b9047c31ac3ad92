//! What reaches what in a graph with circles, as edges in stages: nodes on a circle reach the same, and are one.

use super::bodies::{Links, Place};
use super::edges::Edges;

/// Where something comes from.
pub(super) enum End {
    /// A node of the net.
    Node(u32),
    /// An element outside.
    Element(u32),
    /// From nowhere.
    Nothing,
}

/// See the module.
#[derive(Default)]
pub(super) struct Net {
    nodes: u32,
    edges: Vec<(u32, u32)>,
    /// From elements to nodes.
    inlets: Vec<(u32, u32)>,
    /// From nodes to elements.
    outlets: Vec<(u32, u32)>,
}

impl Net {
    /// So many new nodes; gives the first.
    pub fn nodes(&mut self, count: u32) -> u32 {
        let first = self.nodes;
        self.nodes += count;
        first
    }

    pub fn edge(&mut self, from: u32, to: u32) {
        self.edges.push((from, to));
    }

    pub fn inlet(&mut self, element: u32, node: u32) {
        self.inlets.push((element, node));
    }

    pub fn outlet(&mut self, node: u32, element: u32) {
        self.outlets.push((node, element));
    }

    /// A node for each group of links; `to` leads on from it.
    pub fn link(
        &mut self,
        links: &Links,
        from: impl Fn(Place) -> End,
        to: impl Fn(&mut Self, u32, Place),
    ) {
        for (sources, targets) in links.groups() {
            let group = self.nodes(1);
            for &source in sources {
                match from(source) {
                    End::Node(node) => self.edge(node, group),
                    End::Element(element) => self.inlet(element, group),
                    End::Nothing => {}
                }
            }
            targets.iter().for_each(|&target| to(self, group, target));
        }
    }

    /// Writes inlets, then circles in order, then outlets.
    pub fn write(self, out: &mut Edges) {
        let (of, count) = self.components();
        let hubs = out.hubs(count as usize);
        let at = |node: u32| of[node as usize];
        let inlets = self.inlets.iter();
        inlets.for_each(|&(element, node)| out.push(element, hubs + at(node)));
        out.end_stage();
        let mut between: Vec<(u32, u32)> = (self.edges.iter())
            .map(|&(from, to)| (at(from), at(to)))
            .filter(|(from, to)| from != to)
            .collect();
        between.sort_unstable();
        between.dedup();
        // Components are numbered in an order in which edges lead up: a stage for each length of the way to them.
        let mut depth = vec![0u32; count as usize];
        for &(from, to) in &between {
            depth[to as usize] = depth[to as usize].max(depth[from as usize] + 1);
        }
        between.sort_by_key(|&(from, _)| depth[from as usize]);
        for stage in between.chunk_by(|a, b| depth[a.0 as usize] == depth[b.0 as usize]) {
            for &(from, to) in stage {
                out.push(hubs + from, hubs + to);
            }
            out.end_stage();
        }
        let outlets = self.outlets.iter();
        outlets.for_each(|&(node, element)| out.push(hubs + at(node), element));
        out.end_stage();
    }

    /// The strongly connected component of each node, numbered so that edges lead from lower to higher ones, and how
    /// many there are (Tarjan, 1972).
    fn components(&self) -> (Vec<u32>, u32) {
        const NONE: u32 = u32::MAX;
        let n = self.nodes as usize;
        let mut edges = self.edges.clone();
        edges.sort_unstable();
        let mut starts = vec![0usize; n + 1];
        for &(from, _) in &edges {
            starts[from as usize + 1] += 1;
        }
        for v in 0..n {
            starts[v + 1] += starts[v];
        }
        let (mut met, mut low, mut of) = (vec![NONE; n], vec![0u32; n], vec![NONE; n]);
        let (mut next, mut count) = (0u32, 0u32);
        let mut stack: Vec<u32> = Vec::new();
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in 0..n as u32 {
            if met[root as usize] != NONE {
                continue;
            }
            path.push((root, starts[root as usize]));
            while let Some((v, at)) = path.pop() {
                let i = v as usize;
                if met[i] == NONE {
                    (met[i], low[i]) = (next, next);
                    next += 1;
                    stack.push(v);
                } else if at > starts[i] {
                    // Back from the node before.
                    let w = edges[at - 1].1 as usize;
                    if of[w] == NONE {
                        low[i] = low[i].min(low[w]);
                    }
                }
                if at < starts[i + 1] {
                    let w = edges[at].1 as usize;
                    path.push((v, at + 1));
                    match met[w] {
                        NONE => path.push((w as u32, starts[w])),
                        _ if of[w] == NONE => low[i] = low[i].min(met[w]),
                        _ => {}
                    }
                } else if low[i] == met[i] {
                    while let Some(w) = stack.pop() {
                        of[w as usize] = count;
                        if w == v {
                            break;
                        }
                    }
                    count += 1;
                }
            }
        }
        // They were closed from the last to the first.
        of.iter_mut().for_each(|c| *c = count - 1 - *c);
        (of, count)
    }
}

#[cfg(test)]
mod tests {
    use super::Net;

    #[test]
    fn circles_are_one_and_edges_lead_up() {
        let mut net = Net::default();
        net.nodes(8);
        let edges = [
            (0, 1),
            (1, 2),
            (2, 0),
            (2, 3),
            (4, 3),
            (3, 5),
            (5, 6),
            (6, 5),
            (7, 7),
        ];
        edges.into_iter().for_each(|(a, b)| net.edge(a, b));
        let (of, count) = net.components();
        assert_eq!(count, 5);
        assert!(of[0] == of[1] && of[1] == of[2] && of[5] == of[6]);
        assert!(edges.iter().all(|&(a, b)| of[a as usize] <= of[b as usize]));
        assert!(of[2] < of[3] && of[4] < of[3] && of[3] < of[5]);
    }
}
