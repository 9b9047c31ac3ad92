//! Columns of which no two in a row share a colour: partial distance-2 colouring of the bipartite graph of rows and
//! columns.

use super::{Coloring, Forbidden, SPENT, best_of, order};
use crate::plan::sparsity::Pattern;
use std::cell::Cell;

/// Rows longer than this remember their colours instead of being walked again for each of their columns.
const LONG: usize = 128;

/// Rounds of improvement, and visits of an entry they may take in all: ten milliseconds or so, of which large patterns have no use.
const ROUNDS: u32 = 30;
const IMPROVING: u64 = 1 << 22;

/// Colours the columns of a pattern; columns without entries get none. `turned` is the transposed pattern. `None`
/// if it takes too long.
pub fn columns(pattern: &Pattern, turned: &Pattern) -> Option<Coloring> {
    let bound = pattern.longest() as u32;
    let degrees = || -> Vec<u32> {
        let degree = |j: u32| {
            let others = turned.row(j).iter().map(|&i| pattern.row(i).len() - 1);
            others.sum::<usize>().min(1 << 24) as u32
        };
        (0..turned.rows()).map(degree).collect()
    };
    // Long rows join all their columns: they say nothing about an order, and would take long to say it.
    let neighbors = |j: u32, f: &mut dyn FnMut(u32)| {
        for &i in turned.row(j) {
            let row = pattern.row(i);
            if row.len() <= LONG {
                row.iter().filter(|&&k| k != j).for_each(|&k| f(k));
            }
        }
    };
    let short_degrees = || -> Vec<u32> {
        let degree = |j: u32| {
            let lengths = turned.row(j).iter().map(|&i| pattern.row(i).len());
            let short = lengths.filter(|&l| l <= LONG).map(|l| l - 1);
            short.sum::<usize>() as u32
        };
        (0..turned.rows()).map(degree).collect()
    };
    let natural = || (0..turned.rows()).collect();
    let largest = || order::largest_first(&degrees());
    let smallest = || order::smallest_last(&short_degrees(), neighbors);
    let incidence = || order::incidence(&short_degrees(), neighbors);
    let fewest = Cell::new(u32::MAX);
    let best = best_of(
        bound,
        [&natural, &largest, &smallest, &incidence],
        SPENT,
        |order, patience| {
            let colored = greedy(pattern, turned, order, fewest.get(), patience)?;
            fewest.set(fewest.get().min(colored.count));
            Some(colored)
        },
        |coloring| coloring.count,
    )?;
    Some(improved(pattern, turned, best, bound))
}

/// Colours again, class by class, which never takes more colours and often fewer (Culberson: "Iterated Greedy Graph
/// Coloring and the Difficulty Landscape", 1992).
fn improved(pattern: &Pattern, turned: &Pattern, mut best: Coloring, bound: u32) -> Coloring {
    let mut patience = IMPROVING;
    // A round visits the columns of every row once for each of them, but for long rows.
    let lengths = (0..pattern.rows()).map(|i| pattern.row(i).len() as u64);
    let visits: u64 = lengths.filter(|&l| l <= LONG as u64).map(|l| l * l).sum();
    if visits > IMPROVING {
        return best;
    }
    for round in 0..ROUNDS {
        if best.count <= bound {
            break;
        }
        let mut sizes = vec![0u32; best.count as usize];
        let colored = best.of.iter().filter(|&&c| c != Coloring::NONE);
        colored.for_each(|&c| sizes[c as usize] += 1);
        let mut order: Vec<u32> = (0..turned.rows())
            .filter(|&j| best.of[j as usize] != Coloring::NONE)
            .collect();
        // Small classes last, that they may dissolve; now and then backwards, to get out of a rut.
        order.sort_by_key(|&j| {
            let color = best.of[j as usize];
            match round % 3 {
                2 => (u32::MAX - color, 0),
                _ => (u32::MAX - sizes[color as usize], color),
            }
        });
        match greedy(pattern, turned, &order, u32::MAX, &mut patience) {
            Some(again) => best = again,
            None => break,
        }
    }
    best
}

/// The same in the natural order alone, for as many visits of an entry as patience allows. Of `below` colours or more
/// the count is [`HOPELESS`].
pub(super) fn columns_in_order(
    pattern: &Pattern,
    turned: &Pattern,
    below: u32,
    patience: &mut u64,
) -> Option<Coloring> {
    let order: Vec<u32> = (0..turned.rows()).collect();
    greedy(pattern, turned, &order, below, patience)
}

/// The number of colours of a colouring that was given up because there is a better one.
const HOPELESS: u32 = u32::MAX;

/// Colours columns in an order; given up at `below` colours.
fn greedy(
    pattern: &Pattern,
    turned: &Pattern,
    order: &[u32],
    below: u32,
    patience: &mut u64,
) -> Option<Coloring> {
    let mut coloring = Coloring {
        of: vec![Coloring::NONE; turned.rows() as usize],
        count: 0,
    };
    // The colours in each long row.
    let mut long: Vec<Vec<u64>> = Vec::new();
    let number: Vec<u32> = (0..pattern.rows())
        .map(|i| {
            if pattern.row(i).len() <= LONG {
                return u32::MAX;
            }
            long.push(Vec::new());
            (long.len() - 1) as u32
        })
        .collect();
    // The first 64 colours in each row, which settle most columns without a look at others.
    let mut first = vec![0u64; pattern.rows() as usize];
    let mut forbidden = Forbidden::default();
    for &j in order.iter().filter(|&&j| !turned.row(j).is_empty()) {
        let mut work = forbidden.words.len();
        let mut met = 0u64;
        for &i in turned.row(j) {
            met |= first[i as usize];
            work += match number[i as usize] {
                u32::MAX => pattern.row(i).len(),
                n => long[n as usize].len(),
            };
        }
        *patience = patience.checked_sub(work as u64)?;
        let color = match met {
            u64::MAX => {
                forbid(&mut forbidden, pattern, turned.row(j), &coloring, |i| {
                    let n = number[i as usize];
                    long.get(n as usize).map(Vec::as_slice)
                });
                forbidden.first_allowed()
            }
            met => met.trailing_ones(),
        };
        coloring.of[j as usize] = color;
        coloring.count = coloring.count.max(color + 1);
        if coloring.count >= below {
            coloring.count = HOPELESS;
            break;
        }
        for &i in turned.row(j) {
            first[i as usize] |= 1u64.checked_shl(color).unwrap_or(0);
            if let Some(colors) = long.get_mut(number[i as usize] as usize) {
                let at = color as usize / 64;
                colors.resize(colors.len().max(at + 1), 0);
                colors[at] |= 1 << (color % 64);
            }
        }
    }
    Some(coloring)
}

/// Forbids the colours in these rows; `long` gives those of a long one.
fn forbid<'a>(
    forbidden: &mut Forbidden,
    pattern: &Pattern,
    rows: &[u32],
    coloring: &Coloring,
    long: impl Fn(u32) -> Option<&'a [u64]>,
) {
    forbidden.clear();
    for &i in rows {
        if let Some(colors) = long(i) {
            forbidden.forbid_all(colors);
            continue;
        }
        for &k in pattern.row(i) {
            let color = coloring.of[k as usize];
            if color != Coloring::NONE {
                forbidden.forbid(color);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::coloring::separates_columns;

    fn colored(pattern: &Pattern) -> Coloring {
        let coloring = columns(pattern, &pattern.transposed()).expect("small");
        assert!(separates_columns(pattern, &coloring));
        coloring
    }

    #[test]
    fn bands_take_as_many_colors_as_they_are_wide() {
        let n = 1000u32;
        let rows: Vec<Vec<u32>> = (0..n)
            .map(|i| (i.saturating_sub(2)..(i + 3).min(n)).collect())
            .collect();
        let band = Pattern::from_rows(n, rows.iter().map(Vec::as_slice));
        assert_eq!(colored(&band).count, 5);
    }

    #[test]
    fn long_rows_remember_their_colors() {
        // Blocks of 300 columns that are full in one row, and a chain through all of them.
        let n = 1200u32;
        let blocks = (0..4u32).map(|b| (300 * b..300 * (b + 1)).collect::<Vec<u32>>());
        let chain = (0..n - 1).map(|j| vec![j, j + 1]);
        let rows: Vec<Vec<u32>> = blocks.chain(chain).collect();
        let pattern = Pattern::from_rows(n, rows.iter().map(Vec::as_slice));
        assert_eq!(colored(&pattern).count, 300);
        assert_eq!(
            colored(&Pattern::from_rows(3, [&[1][..]])).of[0],
            Coloring::NONE
        );
    }
}
