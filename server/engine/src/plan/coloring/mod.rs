//! Colours: directions that never meet in an entry are swept together. From the sums, every entry is read off.
//!
//! After Gebremedhin, Manne, Pothen: "What Color Is Your Jacobian? Graph Coloring for Computing Derivatives" (SIAM
//! Review 47, 2005).

mod bidirectional;
mod bipartite;
mod order;
mod symmetric;

pub use bidirectional::{Bidirectional, bidirectional};
pub use bipartite::columns;
pub use symmetric::{Symmetric, acyclic, star};

use super::effort::count as count_work;
use super::sparsity::Pattern;

/// What a colouring may cost in all, in visits of an entry: a second or two, of which the natural order alone may
/// make use.
const PATIENCE: u64 = 1 << 28;

/// What may have been spent before each order is tried: the natural one, largest first, and the two that change as
/// they go and are dearer themselves. Counts, not times: the same graph is always coloured the same way.
const SPENT: [u64; 4] = [0, 1 << 25, 1 << 24, 1 << 24];

/// A colour for each column (or row).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coloring {
    /// The colour; [`Coloring::NONE`] for what is never swept.
    pub of: Vec<u32>,
    /// How many colours there are.
    pub count: u32,
}

impl Coloring {
    /// No colour.
    pub const NONE: u32 = u32::MAX;

    /// The first of `count` items that has each its own.
    pub fn each(count: u32) -> Self {
        Self {
            of: (0..count).collect(),
            count,
        }
    }

    /// Drops the colours that are not used and numbers the others anew.
    fn compacted(mut self, used: impl Fn(u32) -> bool) -> Self {
        let mut renamed = Vec::with_capacity(self.count as usize);
        let mut next = 0;
        for color in 0..self.count {
            renamed.push(if used(color) { next } else { Self::NONE });
            next += u32::from(used(color));
        }
        for color in self.of.iter_mut().filter(|c| **c != Self::NONE) {
            *color = renamed[*color as usize];
        }
        Self {
            count: next,
            ..self
        }
    }
}

/// The best of what greedy colourings in several orders give: stops where `bound` is met or patience ends. The
/// natural order comes first; `None` if even that takes too long.
fn best_of<T>(
    bound: u32,
    orders: [&dyn Fn() -> Vec<u32>; 4],
    spent: [u64; 4],
    mut color: impl FnMut(&[u32], &mut u64) -> Option<T>,
    count: impl Fn(&T) -> u32,
) -> Option<T> {
    count_work(|effort| effort.colorings += 1);
    let mut patience = PATIENCE;
    let mut best: Option<T> = None;
    for (order, spent) in orders.into_iter().zip(spent) {
        if let Some(best) = &best
            && (count(best) <= bound || PATIENCE - patience > spent)
        {
            break;
        }
        let Some(colored) = color(&order(), &mut patience) else {
            break;
        };
        if best.as_ref().is_none_or(|b| count(&colored) < count(b)) {
            best = Some(colored);
        }
    }
    best
}

/// The smallest colour that is not forbidden, found word by word.
#[derive(Default)]
struct Forbidden {
    words: Vec<u64>,
}

impl Forbidden {
    fn clear(&mut self) {
        self.words.fill(0);
    }

    fn forbid(&mut self, color: u32) {
        let at = color as usize / 64;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        self.words[at] |= 1 << (color % 64);
    }

    fn forbid_all(&mut self, words: &[u64]) {
        if self.words.len() < words.len() {
            self.words.resize(words.len(), 0);
        }
        for (own, other) in self.words.iter_mut().zip(words) {
            *own |= other;
        }
    }

    fn first_allowed(&self) -> u32 {
        let mut words = self.words.iter().enumerate();
        match words.find(|(_, word)| **word != u64::MAX) {
            Some((at, word)) => at as u32 * 64 + word.trailing_ones(),
            None => self.words.len() as u32 * 64,
        }
    }
}

/// Whether every entry can be read off column sweeps: no two columns of a colour meet in a row.
pub fn separates_columns(pattern: &Pattern, coloring: &Coloring) -> bool {
    let mut seen = vec![u32::MAX; coloring.count as usize];
    (0..pattern.rows()).all(|i| {
        pattern.row(i).iter().all(|&j| {
            let color = coloring.of[j as usize];
            color != Coloring::NONE && std::mem::replace(&mut seen[color as usize], i) != i
        })
    })
}
