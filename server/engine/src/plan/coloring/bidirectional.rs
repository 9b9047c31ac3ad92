//! Some entries from row sweeps, the others from column sweeps: where a few rows are long, or a few columns, both
//! together take far fewer sweeps than either alone.
//!
//! After Coleman and Verma: "The Efficient Computation of Sparse Jacobian Matrices Using Automatic Differentiation"
//! (SIAM J. Sci. Comput. 19, 1998). The long rows (or columns) are covered on their own side, and where to cut is
//! tried at the lengths that promise most.

use super::Coloring;
use super::bipartite::columns_in_order;
use crate::plan::sparsity::Pattern;

/// Cuts that are coloured.
const CUTS: usize = 6;

/// Visits of an entry that all cuts of one side may take.
const PATIENCE: u64 = 1 << 24;

/// A direct cover of all entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bidirectional {
    /// Colours of the rows that are swept in reverse.
    pub rows: Coloring,
    /// Colours of the columns that are swept forward.
    pub columns: Coloring,
    /// Whether the long ones are rows, whose entries are read from reverse sweeps; else columns, whose entries are
    /// read from forward sweeps.
    pub long_rows: bool,
    /// For each row (or column), whether it is one of them.
    pub long: Vec<bool>,
}

impl Bidirectional {
    /// Sweeps in all.
    pub fn sweeps(&self) -> u32 {
        self.rows.count + self.columns.count
    }

    /// Whether an entry is read from a reverse sweep.
    pub fn is_reverse(&self, row: u32, column: u32) -> bool {
        match self.long_rows {
            true => self.long[row as usize],
            false => !self.long[column as usize],
        }
    }
}

/// The best cover found that takes fewer than `below` sweeps.
pub fn bidirectional(pattern: &Pattern, turned: &Pattern, below: u32) -> Option<Bidirectional> {
    let rows = split(pattern, below);
    let below = rows.as_ref().map_or(below, |s| s.short.count + s.own.count);
    if let Some(s) = split(turned, below) {
        return Some(Bidirectional {
            rows: s.short,
            columns: s.own,
            long_rows: false,
            long: s.long,
        });
    }
    rows.map(|s| Bidirectional {
        rows: s.own,
        columns: s.short,
        long_rows: true,
        long: s.long,
    })
}

struct Split {
    /// Colours of the long rows.
    own: Coloring,
    /// Colours of the columns, for the entries of the other rows.
    short: Coloring,
    long: Vec<bool>,
}

/// Long rows by rows, the rest by columns.
fn split(pattern: &Pattern, below: u32) -> Option<Split> {
    let mut by_length: Vec<u32> = (0..pattern.rows()).collect();
    by_length.sort_by_key(|&i| std::cmp::Reverse(pattern.row(i).len()));
    let length = |k: usize| by_length.get(k).map_or(0, |&i| pattern.row(i).len());
    // What k long rows take at least: the longest of the others, and as many as meet in a column.
    let mut met = vec![0u32; pattern.columns() as usize];
    let mut most = 0;
    let mut cuts: Vec<(u32, usize)> = Vec::new();
    for (k, &i) in by_length.iter().enumerate() {
        for &j in pattern.row(i) {
            met[j as usize] += 1;
            most = most.max(met[j as usize]);
        }
        if length(k + 1) < length(k) {
            cuts.push((most + length(k + 1) as u32, k + 1));
        }
    }
    // Of equal bounds the one with fewer long rows.
    cuts.sort_unstable();
    let mut best: Option<(u32, Split)> = None;
    let mut patience = PATIENCE;
    for (bound, cut) in cuts.into_iter().take(CUTS) {
        let least = best.as_ref().map_or(below, |(count, _)| *count);
        // Colourings seldom meet their bound.
        if u64::from(bound) * 4 > u64::from(least) * 3 && least > 8 || bound >= least {
            break;
        }
        let mut long = vec![false; pattern.rows() as usize];
        by_length[..cut]
            .iter()
            .for_each(|&i| long[i as usize] = true);
        let part = |wanted: bool| {
            let rows = (0..pattern.rows()).map(|i| match long[i as usize] == wanted {
                true => pattern.row(i),
                false => &[],
            });
            Pattern::from_rows(pattern.columns(), rows)
        };
        let (own, rest) = (part(true), part(false));
        let rest_turned = rest.transposed();
        let Some(short) = columns_in_order(&rest, &rest_turned, least, &mut patience) else {
            break;
        };
        if short.count >= least {
            continue;
        }
        let Some(own) = columns_in_order(&own.transposed(), &own, least - short.count, &mut patience) else {
            break;
        };
        let count = short.count.saturating_add(own.count);
        if count < least {
            best = Some((count, Split { own, short, long }));
        }
    }
    best.map(|(_, split)| split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_takes_three_sweeps() {
        let n = 200u32;
        let rows: Vec<Vec<u32>> = (0..n)
            .map(|i| if i == 0 { (0..n).collect() } else { vec![0, i] })
            .collect();
        let arrow = Pattern::from_rows(n, rows.iter().map(Vec::as_slice));
        let cover = bidirectional(&arrow, &arrow.transposed(), n).unwrap();
        assert_eq!(cover.sweeps(), 3);
        assert_eq!(bidirectional(&arrow, &arrow.transposed(), 3), None);
    }
}
