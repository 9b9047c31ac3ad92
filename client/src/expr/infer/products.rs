//! Products of vectors and matrices, and diagonals.

use super::{number, shapes::same_dtype};
use crate::tensor::Type;

/// The shape to which both stretch, as in NumPy.
pub(super) fn stretched(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut shape = long.to_vec();
    for (size, &other) in shape[long.len() - short.len()..].iter_mut().zip(short) {
        *size = match (*size, other) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        };
    }
    Some(shape)
}

pub(super) fn matmul(a: &Type, b: &Type) -> Result<Type, String> {
    number(a)?;
    same_dtype(a, b)?;
    if a.shape.is_empty() || b.shape.is_empty() {
        return Err(format!("{a} times {b}; multiply by a scalar with *"));
    }
    let (a_rank, b_rank) = (a.shape.len(), b.shape.len());
    let (inner_a, inner_b) = (a_rank - 1, b_rank.saturating_sub(2));
    if a.shape[inner_a] != b.shape[inner_b] {
        return Err(format!(
            "dimension {inner_a} of {a} meets dimension {inner_b} of {b}: {} against {}",
            a.shape[inner_a], b.shape[inner_b]
        ));
    }
    let batches = [
        &a.shape[..a_rank.saturating_sub(2)],
        &b.shape[..b_rank.saturating_sub(2)],
    ];
    let mut shape = stretched(batches[0], batches[1]).ok_or_else(|| {
        format!(
            "batches {:?} of {a} and {:?} of {b} do not match; sizes must be equal from the last one on, or 1",
            batches[0], batches[1]
        )
    })?;
    if a_rank > 1 {
        shape.push(a.shape[a_rank - 2]);
    }
    if b_rank > 1 {
        shape.push(b.shape[b_rank - 1]);
    }
    Ok(Type::new(a.dtype, shape))
}

/// Number of elements.
fn flat(a: &Type) -> Result<usize, String> {
    super::elements(&a.shape).ok_or_else(|| format!("{a} is too large"))
}

pub(super) fn outer(a: &Type, b: &Type) -> Result<Type, String> {
    number(a)?;
    same_dtype(a, b)?;
    Ok(Type::new(a.dtype, [flat(a)?, flat(b)?]))
}

pub(super) fn kron(a: &Type, b: &Type) -> Result<Type, String> {
    number(a)?;
    same_dtype(a, b)?;
    if a.shape.len() != b.shape.len() {
        return Err(format!(
            "the Kronecker product of {a} and {b}; reshape one of them to the rank of the other"
        ));
    }
    let sizes = a.shape.iter().zip(&b.shape);
    let shape: Option<Vec<usize>> = sizes.map(|(&m, &n)| m.checked_mul(n)).collect();
    Ok(Type::new(a.dtype, shape.ok_or("the result is too large")?))
}

pub(super) fn trace(a: &Type) -> Result<Type, String> {
    number(a)?;
    match a.shape.len().checked_sub(2) {
        Some(batch) => Ok(Type::new(a.dtype, &a.shape[..batch])),
        None => Err(format!("{a} is no matrix, and has no trace")),
    }
}

pub(super) fn diag(a: &Type, offset: i32) -> Result<Type, String> {
    number(a)?;
    let beside = offset.unsigned_abs() as usize;
    match a.shape.as_slice() {
        [] => Err("a scalar has no diagonal; reshape([1]) it".into()),
        &[n] => {
            let size = n.checked_add(beside).ok_or("the result is too large")?;
            Ok(Type::new(a.dtype, [size, size]))
        }
        [batch @ .., m, n] => {
            let (below, right) = match offset < 0 {
                true => (beside, 0),
                false => (0, beside),
            };
            let length = m.saturating_sub(below).min(n.saturating_sub(right));
            Ok(Type::new(a.dtype, [batch, &[length]].concat()))
        }
    }
}
