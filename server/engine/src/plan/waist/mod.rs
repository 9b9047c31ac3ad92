//! Waists: few values that separate inputs from outputs. Across one of k elements a Jacobian is the product of two
//! factors, which take k sweeps each, however many inputs and outputs there are (cross-country elimination: Griewank
//! and Walther, "Evaluating Derivatives", 2nd edition, SIAM 2008, chapters 9 and 10).
//!
//! Nodes of the network are tensors, weighed by their elements. Two passes look for narrow cuts. The first runs
//! along the order of the nodes and adds up what is alive between any two of them: linear in the graph, and complete for
//! waists of a single tensor, which no edge of any topological order can jump over. The second looks for a minimum cut by
//! maximum flow, which no order hides, within a bound on its work; the nodes are then ordered round that cut. Along an order
//! the cuts are nested, and dynamic programming takes the cheapest chain of them.

mod flow;

use crate::graph::Arena;
use crate::op::{Jvp, ValueId};

/// Cuts of an order among which chains are sought.
const CUTS: usize = 24;

/// Multiply-adds of a matrix product that take as long as an elementary operation of a sweep.
pub const PRODUCT_RATE: u64 = 8;

/// Cuts from inputs to outputs, each a set of values that every path to what follows passes.
pub type Chain = Vec<Vec<ValueId>>;

/// Chains of cuts narrower than `limit` elements that promise most: none, one, or two of which one is hidden from
/// the order of the nodes.
pub fn chains(arena: &Arena, xs: &[ValueId], ys: &[ValueId], limit: u64) -> Vec<Chain> {
    let net = Net::new(arena, xs, ys);
    let mut chains = Vec::with_capacity(2);
    let order: Vec<usize> = (0..net.sites.len()).collect();
    let along = Along::new(&net, &order);
    let narrowest = along.narrowest(limit);
    chains.extend(along.chain(limit));
    if narrowest > 1
        && let Some(cut) = flow::minimum_cut(&net, narrowest)
    {
        let round = net.order_round(&cut);
        let along = Along::new(&net, &round);
        let hidden = along.chain(limit);
        if hidden.is_some() && !chains.contains(hidden.as_ref().expect("some")) {
            chains.extend(hidden);
        }
    }
    chains
}

/// A node through which derivatives go: operands and results are numbers of values.
struct Site {
    operands: Vec<u32>,
    results: std::ops::Range<u32>,
    cost: u64,
}

/// What lies between inputs and outputs and carries derivatives.
struct Net {
    values: Vec<ValueId>,
    sizes: Vec<u64>,
    /// The first so many values are inputs.
    inputs: u32,
    is_output: Vec<bool>,
    sites: Vec<Site>,
}

impl Net {
    fn new(arena: &Arena, xs: &[ValueId], ys: &[ValueId]) -> Self {
        const STILL: u32 = u32::MAX;
        let needed = arena.needed(ys.iter().copied());
        let mut number = vec![STILL; arena.len()];
        let mut values: Vec<ValueId> = Vec::new();
        for &x in xs.iter().filter(|x| needed[x.index()]) {
            number[x.index()] = values.len() as u32;
            values.push(x);
        }
        let inputs = values.len() as u32;
        let mut sites = Vec::new();
        for node in arena.nodes().filter(|n| needed[n.result.index()]) {
            // An input of the product may be the result of a node; its derivatives begin there.
            if number[node.result.index()] != STILL {
                continue;
            }
            let smooth = node.op.rule().is_none_or(|r| !matches!(r.jvp, Jvp::None));
            let mut operands: Vec<u32> = (node.operands.iter())
                .map(|v| number[v.index()])
                .filter(|&v| v != STILL)
                .collect();
            if operands.is_empty() || !smooth {
                continue;
            }
            operands.sort_unstable();
            operands.dedup();
            let first = values.len() as u32;
            for result in node.results().filter(|r| arena.ty(*r).dtype.is_float()) {
                number[result.index()] = values.len() as u32;
                values.push(result);
            }
            sites.push(Site {
                operands,
                results: first..values.len() as u32,
                cost: arena.cost(node),
            });
        }
        let mut is_output = vec![false; values.len()];
        for y in ys {
            if let Some(own) = is_output.get_mut(number[y.index()] as usize) {
                *own = true;
            }
        }
        Self {
            sizes: values.iter().map(|&v| arena.ty(v).elements()).collect(),
            values,
            inputs,
            is_output,
            sites,
        }
    }

    /// The sites in a topological order that has what the cut depends on, and the cut, before all else.
    fn order_round(&self, cut: &[u32]) -> Vec<usize> {
        let mut early = vec![false; self.values.len()];
        cut.iter().for_each(|&v| early[v as usize] = true);
        let mut is_early = vec![false; self.sites.len()];
        for (s, site) in self.sites.iter().enumerate().rev() {
            is_early[s] = site.results.clone().any(|v| early[v as usize]);
            if is_early[s] {
                site.operands.iter().for_each(|&v| early[v as usize] = true);
            }
        }
        let (mut order, late): (Vec<usize>, Vec<usize>) =
            (0..self.sites.len()).partition(|&s| is_early[s]);
        order.extend(late);
        order
    }
}

/// What is alive along an order of the sites.
struct Along<'a> {
    net: &'a Net,
    /// For each value the number of sites that have run when it is there, and when it was last used; outputs are used at the end.
    born: Vec<u32>,
    last: Vec<u32>,
    /// Elements alive after so many sites.
    widths: Vec<u64>,
    /// Operations of so many sites.
    work: Vec<u64>,
}

impl<'a> Along<'a> {
    fn new(net: &'a Net, order: &[usize]) -> Self {
        let end = net.sites.len() as u32 + 1;
        let mut born = vec![0; net.values.len()];
        let mut last = vec![0; net.values.len()];
        let mut work = vec![0u64];
        for (at, &s) in order.iter().enumerate() {
            let (site, at) = (&net.sites[s], at as u32);
            site.operands
                .iter()
                .for_each(|&v| last[v as usize] = at + 1);
            site.results.clone().for_each(|v| born[v as usize] = at + 1);
            work.push(work[at as usize].saturating_add(site.cost));
        }
        let mut steps = vec![0i128; end as usize + 1];
        for v in 0..net.values.len() {
            if net.is_output[v] {
                last[v] = end;
            }
            if last[v] > born[v] {
                steps[born[v] as usize] += i128::from(net.sizes[v]);
                steps[last[v] as usize] -= i128::from(net.sizes[v]);
            }
        }
        let mut alive = 0;
        let widths = steps.iter().take(end as usize).map(|step| {
            alive += step;
            u64::try_from(alive).unwrap_or(u64::MAX)
        });
        Self {
            net,
            born,
            last,
            widths: widths.collect(),
            work,
        }
    }

    /// The least elements alive anywhere between inputs and outputs, or the limit.
    fn narrowest(&self, limit: u64) -> u64 {
        self.widths.iter().copied().fold(limit, u64::min)
    }

    /// Where the order is narrow: numbers of sites, ascending. Places narrower than those round them come first.
    fn narrow(&self, limit: u64) -> Vec<u32> {
        let inner = 1..self.widths.len().saturating_sub(1);
        let width = |p: usize| self.widths[p];
        // Of equal neighbours the last one: the fewest sites then lie on the way to many outputs.
        let is_waist = |p: usize| width(p) <= width(p - 1) && width(p) < width(p + 1);
        let mut at: Vec<usize> = inner.filter(|&p| width(p) < limit).collect();
        at.sort_by_key(|&p| (!is_waist(p), width(p)));
        at.truncate(CUTS);
        at.sort_unstable();
        at.into_iter().map(|p| p as u32).collect()
    }

    /// The cheapest chain of one or more cuts.
    fn chain(&self, limit: u64) -> Option<Chain> {
        let cuts = self.narrow(limit);
        if cuts.is_empty() {
            return None;
        }
        let end = self.net.sites.len() as u32;
        let places: Vec<u32> = [&[0], &cuts[..], &[end]].concat();
        let mut alive: Vec<Vec<u32>> = vec![vec![]; places.len()];
        for v in 0..self.net.values.len() {
            let begin = places.partition_point(|&p| p < self.born[v]);
            let living = places[begin..].iter().take_while(|&&p| p < self.last[v]);
            for (alive, _) in alive[begin..].iter_mut().zip(living) {
                alive.push(v as u32);
            }
        }
        let sum = |values: &mut dyn Iterator<Item = u32>| -> u64 {
            values.map(|v| self.net.sizes[v as usize]).sum()
        };
        let widths: Vec<u64> = (alive.iter())
            .map(|values| sum(&mut values.iter().copied()))
            .collect();
        let last = places.len() - 1;
        let mut best: Vec<(u64, usize)> = vec![(0, 0)];
        for b in 1..=last {
            // Without any cut there is no chain.
            let before = if b == last { 1..b } else { 0..b };
            let cost = |a: usize| {
                let born_since = |v: &u32| self.born[*v as usize] > places[a];
                let rows = sum(&mut alive[b].iter().copied().filter(born_since));
                let sweeps = widths[a].min(rows);
                let work = self.work[places[b] as usize] - self.work[places[a] as usize];
                let product = match a {
                    0 => 0,
                    _ => widths[a]
                        .saturating_mul(widths[b])
                        .saturating_mul(widths[0]),
                };
                let own = sweeps.saturating_mul(work) + product / PRODUCT_RATE;
                best[a].0.saturating_add(own)
            };
            let cheapest = before.map(|a| (cost(a), a)).min();
            best.push(cheapest.expect("something is before it"));
        }
        let mut chain = Chain::new();
        let mut at = best[last].1;
        while at > 0 {
            let values = alive[at].iter();
            chain.push(values.map(|&v| self.net.values[v as usize]).collect());
            at = best[at].1;
        }
        chain.reverse();
        Some(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Attributes, Emit, Op};
    use crate::tensor::TensorType;

    fn sum(arena: &mut Arena, x: ValueId) -> ValueId {
        let attributes = Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        };
        arena.emit(Op::ReduceSum, &[x], attributes)
    }

    fn unary(arena: &mut Arena, op: Op, x: ValueId) -> ValueId {
        arena.emit(op, &[x], Attributes::None)
    }

    fn binary(arena: &mut Arena, op: Op, x: ValueId, y: ValueId) -> ValueId {
        arena.emit(op, &[x, y], Attributes::None)
    }

    #[test]
    fn a_single_waist_is_found() {
        let mut arena = Arena::default();
        let x = arena.parameter(TensorType::f64([100]));
        let c = arena.parameter(TensorType::f64([100]));
        let square = unary(&mut arena, Op::Square, x);
        let w = sum(&mut arena, square);
        let y = binary(&mut arena, Op::Multiply, w, c);
        assert_eq!(chains(&arena, &[x], &[y], 100), [vec![vec![w]]]);
        // What both sides use belongs to the cut, and is no narrower than the inputs.
        let shared = binary(&mut arena, Op::Multiply, y, x);
        assert!(chains(&arena, &[x], &[shared], 100).is_empty());
        // A parameter that both sides use is part of it.
        let p = arena.parameter(TensorType::f64([3]));
        let joined = Attributes::Concatenate { dimension: 0 };
        let both = arena.emit(Op::Concatenate, &[x, p], joined.clone());
        let w = sum(&mut arena, both);
        let scaled = binary(&mut arena, Op::Multiply, w, c);
        let y = arena.emit(Op::Concatenate, &[scaled, p], joined);
        assert_eq!(chains(&arena, &[x, p], &[y], 100), [vec![vec![p, w]]]);
    }

    #[test]
    fn a_waist_that_the_order_hides_is_found_by_flow() {
        // Two strands of 50 → 1 → 50, written so that at any place one of them is wide.
        let mut arena = Arena::default();
        let [a, b] = [(); 2].map(|()| arena.parameter(TensorType::f64([50])));
        let c = arena.parameter(TensorType::f64([50]));
        let w = sum(&mut arena, a);
        let y = binary(&mut arena, Op::Multiply, w, c);
        let v = sum(&mut arena, b);
        let z = binary(&mut arena, Op::Multiply, v, c);
        let found = chains(&arena, &[a, b], &[y, z], 50);
        assert_eq!(found, [vec![vec![w, v]]]);
    }

    #[test]
    fn where_all_waists_are_as_narrow_one_is_enough() {
        let mut arena = Arena::default();
        let x = arena.parameter(TensorType::f64([64]));
        let c = arena.parameter(TensorType::f64([64]));
        let mut y = x;
        for _ in 0..3 {
            let s = sum(&mut arena, y);
            let wide = binary(&mut arena, Op::Multiply, s, c);
            y = unary(&mut arena, Op::Sin, wide);
        }
        let found = chains(&arena, &[x], &[y], 64);
        assert!(found.len() == 1 && found[0].len() == 1, "{found:?}");
        assert_eq!(arena.ty(found[0][0][0]).elements(), 1);
    }
}
