//! Cotangents of what is read piece by piece. A pad for each slice of a vector of n elements that is read element by
//! element would take n² additions; pieces side by side are one concatenation. So are the two halves of a vector whose
//! elements take turns.

use super::Workspace;
use crate::op::{Attributes, Emit, Op, ValueId};
use crate::tensor::TensorType;
use rustc_hash::FxHashMap;

/// Fewer slices are padded and added.
const MIN_PIECES: usize = 3;

/// A cotangent of consecutive elements (row-major).
struct Piece {
    start: u64,
    length: u64,
    cotangent: ValueId,
    /// The slice, to be turned round by itself.
    attributes: Attributes,
}

/// Pieces of cotangents that are still to be put together, by what they belong to.
#[derive(Default)]
pub(super) struct Pieces {
    consecutive: FxHashMap<usize, Vec<Piece>>,
    /// Of every second element of a vector, from the first one on, and from the second one on.
    halves: FxHashMap<usize, [Vec<Piece>; 2]>,
}

impl Pieces {
    /// Takes the cotangent of a slice of a value of type `ty`; false if its elements do not follow one another, and are
    /// no half of it either.
    pub fn take(
        &mut self,
        key: usize,
        ty: &TensorType,
        attributes: &Attributes,
        cotangent: ValueId,
    ) -> bool {
        let Attributes::Slice {
            starts,
            limits,
            strides,
        } = attributes
        else {
            return false;
        };
        let piece = |start, length| Piece {
            start,
            length,
            cotangent,
            attributes: attributes.clone(),
        };
        if let Some((start, length)) = consecutive(ty, starts, limits, strides) {
            let own = self.consecutive.entry(key).or_default();
            own.push(piece(start, length));
        } else if let Some(second) = half(ty, starts, limits, strides) {
            let [first, other] = self.halves.entry(key).or_default();
            let own = if second { other } else { first };
            own.push(piece(second.into(), ty.elements() / 2));
        } else {
            return false;
        }
        true
    }

    /// Whether there is something to put together for `key`.
    pub fn has(&self, key: usize) -> bool {
        self.consecutive.contains_key(&key) || self.halves.contains_key(&key)
    }

    /// The cotangent of all pieces taken for `key`, of type `ty`; `pad` turns a slice round by itself.
    pub fn together(
        &mut self,
        cx: &mut Workspace,
        key: usize,
        ty: &TensorType,
        mut pad: impl FnMut(&mut Workspace, &Attributes, ValueId) -> ValueId,
    ) -> Option<ValueId> {
        let mut sum = None;
        let mut add = |cx: &mut Workspace, part| {
            sum = cx.emitter().add_some(sum, Some(part));
        };
        let [first, second] = self.halves.remove(&key).unwrap_or_default();
        let pairs = first.len().min(second.len());
        for (first, second) in first.iter().zip(&second) {
            let both = taking_turns(cx, ty, [first.cotangent, second.cotangent]);
            add(cx, both);
        }
        for alone in first.iter().skip(pairs).chain(second.iter().skip(pairs)) {
            let part = pad(cx, &alone.attributes, alone.cotangent);
            add(cx, part);
        }
        let mut pieces = self.consecutive.remove(&key).unwrap_or_default();
        if pieces.len() < MIN_PIECES {
            for piece in pieces {
                let part = pad(cx, &piece.attributes, piece.cotangent);
                add(cx, part);
            }
            return sum;
        }
        pieces.sort_by_key(|p| (p.start, p.length));
        for row in rows(&pieces) {
            let whole = side_by_side(cx, ty, &row);
            add(cx, whole);
        }
        sum
    }
}

/// Whether a slice takes every second element of a vector from the second one on, if it takes every second one of all.
fn half(ty: &TensorType, starts: &[u64], limits: &[u64], strides: &[u64]) -> Option<bool> {
    let (&[n], &[start], &[limit], &[2]) = (&ty.shape[..], starts, limits, strides) else {
        return None;
    };
    let all = n > 0 && n.is_multiple_of(2) && start < 2 && limit + 1 >= n + start;
    all.then_some(start == 1)
}

/// A vector of the elements of both, in turns.
fn taking_turns(cx: &mut Workspace, ty: &TensorType, both: [ValueId; 2]) -> ValueId {
    let cx = cx.emitter();
    let columns = both.map(|half| cx.reshape(half, &[ty.elements() / 2, 1]));
    let dimension = 1;
    let pairs = cx.emit(
        Op::Concatenate,
        &columns,
        Attributes::Concatenate { dimension },
    );
    cx.reshape(pairs, &ty.shape)
}

/// Where the elements of a slice stand, if they follow one another.
fn consecutive(
    ty: &TensorType,
    starts: &[u64],
    limits: &[u64],
    strides: &[u64],
) -> Option<(u64, u64)> {
    let sizes = ty.shape.strides();
    let (mut start, mut length) = (0, 1);
    // Within a dimension that is cut, those outside of it have one index.
    let mut cut = false;
    for d in (0..starts.len()).rev() {
        let extent = limits[d] - starts[d];
        if extent == 0 || extent > 1 && (cut || strides.get(d).is_some_and(|&s| s > 1)) {
            return None;
        }
        cut |= extent < ty.shape[d];
        start += starts[d] * sizes[d] as u64;
        length *= extent;
    }
    Some((start, length))
}

/// Pieces in as few rows as possible, none over another in a row: each goes to the row that was free first.
fn rows(pieces: &[Piece]) -> Vec<Vec<&Piece>> {
    let mut rows: Vec<Vec<&Piece>> = Vec::new();
    let mut free = std::collections::BinaryHeap::new();
    for piece in pieces {
        let end = piece.start + piece.length;
        match free.peek() {
            Some(&(std::cmp::Reverse(until), row)) if until <= piece.start => {
                free.pop();
                let row: usize = row;
                rows[row].push(piece);
                free.push((std::cmp::Reverse(end), row));
            }
            _ => {
                free.push((std::cmp::Reverse(end), rows.len()));
                rows.push(vec![piece]);
            }
        }
    }
    rows
}

/// Pieces in order with zeros between them.
fn side_by_side(cx: &mut Workspace, ty: &TensorType, row: &[&Piece]) -> ValueId {
    let cx = cx.emitter();
    let mut parts = Vec::with_capacity(row.len());
    let mut at = 0;
    let zeros = |cx: &mut dyn Emit, length: u64| {
        let ty = TensorType::new(ty.dtype, [length]);
        cx.full(&ty, 0.0)
    };
    for piece in row {
        if piece.start > at {
            parts.push(zeros(cx, piece.start - at));
        }
        parts.push(cx.reshape(piece.cotangent, &[piece.length]));
        at = piece.start + piece.length;
    }
    if ty.elements() > at {
        parts.push(zeros(cx, ty.elements() - at));
    }
    let dimension = 0;
    let flat = match parts[..] {
        [one] => one,
        _ => cx.emit(
            Op::Concatenate,
            &parts,
            Attributes::Concatenate { dimension },
        ),
    };
    cx.reshape(flat, &ty.shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_whose_elements_follow_one_another() {
        let ty = TensorType::f64([3, 4]);
        let of = |starts: [u64; 2], limits: [u64; 2]| consecutive(&ty, &starts, &limits, &[]);
        assert_eq!(of([1, 2], [2, 3]), Some((6, 1)));
        assert_eq!(of([1, 1], [2, 4]), Some((5, 3)));
        assert_eq!(of([1, 0], [3, 4]), Some((4, 8)));
        assert_eq!(of([0, 1], [2, 2]), None);
        assert_eq!(of([0, 0], [2, 3]), None);
        assert_eq!(of([1, 1], [1, 3]), None);
        let two = consecutive(&TensorType::f64([6]), &[1], &[5], &[2]);
        assert_eq!(two, None);
    }

    #[test]
    fn slices_that_are_halves() {
        let of = |n: u64, start: u64, limit: u64, stride: u64| {
            half(&TensorType::f64([n]), &[start], &[limit], &[stride])
        };
        assert_eq!(of(6, 0, 6, 2), Some(false));
        assert_eq!(of(6, 0, 5, 2), Some(false));
        assert_eq!(of(6, 1, 6, 2), Some(true));
        for (n, start, limit, stride) in [
            (6, 0, 4, 2),
            (6, 1, 5, 2),
            (6, 2, 6, 2),
            (7, 0, 7, 2),
            (6, 0, 6, 3),
            (6, 0, 6, 1),
            (0, 0, 0, 2),
        ] {
            assert_eq!(of(n, start, limit, stride), None, "{n} {start} {limit}");
        }
        let matrix = TensorType::f64([2, 3]);
        assert_eq!(half(&matrix, &[0, 0], &[2, 3], &[2, 1]), None);
    }

    #[test]
    fn pieces_over_one_another_take_rows() {
        let piece = |(start, length)| Piece {
            start,
            length,
            cotangent: ValueId(0),
            attributes: Attributes::None,
        };
        let pieces = [(0, 2), (1, 2), (2, 1), (3, 1)].map(piece);
        let rows = rows(&pieces);
        let starts: Vec<Vec<u64>> = rows
            .iter()
            .map(|row| row.iter().map(|p| p.start).collect())
            .collect();
        assert_eq!(starts.concat().len(), 4);
        assert_eq!(starts.len(), 2);
        for row in rows {
            assert!(
                row.windows(2)
                    .all(|w| w[0].start + w[0].length <= w[1].start)
            );
        }
    }
}
