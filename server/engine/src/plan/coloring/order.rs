//! Orders in which a greedy colouring takes the vertices. Neighbours are given by a function that may name one more
//! than once; degrees count that.

/// By falling degree.
pub fn largest_first(degrees: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..degrees.len() as u32).collect();
    order.sort_by_key(|&v| std::cmp::Reverse(degrees[v as usize]));
    order
}

/// Vertices by a number that changes. Old places stay behind and are skipped.
struct Buckets {
    lists: Vec<Vec<u32>>,
    at: Vec<u32>,
    done: Vec<bool>,
}

impl Buckets {
    fn new(numbers: &[u32], last: u32) -> Self {
        let mut lists = vec![Vec::new(); last as usize + 1];
        // The first vertex of a number is taken first.
        for (v, &k) in numbers.iter().enumerate().rev() {
            lists[k as usize].push(v as u32);
        }
        Self {
            lists,
            at: numbers.to_vec(),
            done: vec![false; numbers.len()],
        }
    }

    fn move_to(&mut self, v: u32, k: u32) {
        self.at[v as usize] = k;
        self.lists[k as usize].push(v);
    }

    /// A vertex of number k that is not done, which it is now.
    fn take(&mut self, k: u32) -> Option<u32> {
        while let Some(v) = self.lists[k as usize].pop() {
            if !self.done[v as usize] && self.at[v as usize] == k {
                self.done[v as usize] = true;
                return Some(v);
            }
        }
        None
    }
}

/// Takes away the vertex of smallest degree in what is left, again and again; coloured last to first (Matula and
/// Beck).
pub fn smallest_last(degrees: &[u32], neighbors: impl Fn(u32, &mut dyn FnMut(u32))) -> Vec<u32> {
    let last = degrees.iter().copied().max().unwrap_or(0);
    let mut buckets = Buckets::new(degrees, last);
    let mut order = Vec::with_capacity(degrees.len());
    let mut k = 0;
    while k <= last {
        let Some(v) = buckets.take(k) else {
            k += 1;
            continue;
        };
        order.push(v);
        neighbors(v, &mut |w| {
            let at = buckets.at[w as usize];
            if !buckets.done[w as usize] && at > 0 {
                buckets.move_to(w, at - 1);
                k = k.min(at - 1);
            }
        });
    }
    order.reverse();
    order
}

/// Next is always the vertex with most neighbours in the order already.
pub fn incidence(degrees: &[u32], neighbors: impl Fn(u32, &mut dyn FnMut(u32))) -> Vec<u32> {
    let last = degrees.iter().copied().max().unwrap_or(0);
    let mut buckets = Buckets::new(&vec![0; degrees.len()], last);
    let mut order = Vec::with_capacity(degrees.len());
    let mut k = 0;
    loop {
        let Some(v) = buckets.take(k) else {
            match k.checked_sub(1) {
                Some(less) => k = less,
                None => return order,
            }
            continue;
        };
        order.push(v);
        neighbors(v, &mut |w| {
            let at = buckets.at[w as usize];
            if !buckets.done[w as usize] && at < last {
                buckets.move_to(w, at + 1);
                k = k.max(at + 1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A star of 4 rays with a tail of 2: 0 is the hub.
    const EDGES: [(u32, u32); 6] = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (5, 6)];

    fn neighbors(v: u32, f: &mut dyn FnMut(u32)) {
        for (a, b) in EDGES {
            if a == v {
                f(b);
            } else if b == v {
                f(a);
            }
        }
    }

    #[test]
    fn orders_are_what_they_are_called() {
        let degrees = [4, 1, 1, 1, 2, 2, 1];
        assert_eq!(largest_first(&degrees), [0, 4, 5, 1, 2, 3, 6]);
        for order in [
            smallest_last(&degrees, neighbors),
            incidence(&degrees, neighbors),
        ] {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6]);
            let before = |v: u32| {
                let mut count = 0;
                neighbors(v, &mut |w| {
                    let at = |v| order.iter().position(|&o| o == v);
                    count += usize::from(at(w) < at(v));
                });
                count
            };
            // A forest: in either order no vertex but the first of a tree has more than one neighbour before it.
            assert!(order.iter().all(|&v| before(v) <= 1), "{order:?}");
        }
    }
}
