//! Linear algebra on the last two dimensions; the dimensions before are a batch.

use gradient_proto::v1 as proto;

use super::{float, shapes::same_dtype};
use crate::tensor::{Dtype, Type};

/// Batch and sizes of a matrix of floating-point numbers.
fn matrix(a: &Type) -> Result<(&[usize], usize, usize), String> {
    float(a)?;
    match a.shape.as_slice() {
        [batch @ .., m, n] => Ok((batch, *m, *n)),
        _ => Err(format!("{a} is no matrix; reshape it to [n, n]")),
    }
}

fn square_matrix(a: &Type) -> Result<(&[usize], usize), String> {
    match matrix(a)? {
        (batch, m, n) if m == n => Ok((batch, n)),
        (_, m, n) => Err(format!(
            "{a} is not square, but {m} by {n}; slice it, or use lstsq"
        )),
    }
}

fn typed(a: &Type, batch: &[usize], sizes: &[usize]) -> Type {
    Type::new(a.dtype, [batch, sizes].concat())
}

pub(super) fn square(a: &Type) -> Result<Type, String> {
    square_matrix(a)?;
    Ok(a.clone())
}

pub(super) fn determinant(a: &Type) -> Result<Type, String> {
    let (batch, _) = square_matrix(a)?;
    Ok(typed(a, batch, &[]))
}

pub(super) fn slogdet(a: &Type) -> Result<Vec<Type>, String> {
    let result = determinant(a)?;
    Ok(vec![result.clone(), result])
}

pub(super) fn lu(a: &Type) -> Result<Vec<Type>, String> {
    let (batch, n) = square_matrix(a)?;
    let permutation = Type::new(Dtype::I64, [batch, &[n]].concat());
    Ok(vec![permutation, a.clone(), a.clone()])
}

pub(super) fn qr(a: &Type) -> Result<Vec<Type>, String> {
    let (batch, m, n) = matrix(a)?;
    let k = m.min(n);
    Ok(vec![typed(a, batch, &[m, k]), typed(a, batch, &[k, n])])
}

pub(super) fn eigh(a: &Type) -> Result<Vec<Type>, String> {
    let (batch, n) = square_matrix(a)?;
    Ok(vec![typed(a, batch, &[n]), a.clone()])
}

pub(super) fn svd(a: &Type) -> Result<Vec<Type>, String> {
    let (batch, m, n) = matrix(a)?;
    let k = m.min(n);
    let shapes: [&[usize]; 3] = [&[m, k], &[k], &[k, n]];
    Ok(shapes.map(|sizes| typed(a, batch, sizes)).to_vec())
}

/// What is left of a right side once its `rows` rows, which follow the batch, are taken: nothing for a vector.
fn columns<'a>(b: &'a Type, batch: &[usize], rows: usize, of: &str) -> Result<&'a [usize], String> {
    let columns = b
        .shape
        .strip_prefix(batch)
        .and_then(|rest| rest.strip_prefix(&[rows]));
    match columns {
        Some(columns) if columns.len() < 2 => Ok(columns),
        _ => Err(format!(
            "the right side {b} does not fit {of}; it takes {:?}, or that with a last dimension more",
            [batch, &[rows]].concat()
        )),
    }
}

pub(super) fn solve(a: &Type, b: &Type) -> Result<Type, String> {
    let (batch, n) = square_matrix(a)?;
    same_dtype(a, b)?;
    columns(b, batch, n, &a.to_string())?;
    Ok(b.clone())
}

pub(super) fn expm_derivative(a: &Type, directions: &[&Type]) -> Result<Type, String> {
    square_matrix(a)?;
    match directions.iter().find(|d| **d != a) {
        None => Ok(a.clone()),
        Some(other) => Err(format!("a direction is {other}, the matrix is {a}")),
    }
}

/// With U, s and Vᵀ at hand.
pub(super) fn svd_solve(
    a: &Type,
    factors: [&Type; 3],
    b: &Type,
    transpose: bool,
) -> Result<Type, String> {
    if svd(a)?.iter().ne(factors) {
        return Err(format!("the factors are not those of {a}"));
    }
    lstsq(a, b, transpose)
}

pub(super) fn lstsq(a: &Type, b: &Type, transpose: bool) -> Result<Type, String> {
    let (batch, m, n) = matrix(a)?;
    let (m, n) = if transpose { (n, m) } else { (m, n) };
    same_dtype(a, b)?;
    let columns = columns(b, batch, m, &a.to_string())?;
    Ok(typed(a, batch, &[&[n], columns].concat()))
}

pub(super) fn tridiagonal_solve(diagonals: [&Type; 3], b: &Type) -> Result<Type, String> {
    let [lower, diagonal, upper] = diagonals;
    float(diagonal)?;
    same_dtype(diagonal, b)?;
    if lower != diagonal || upper != diagonal {
        return Err(format!(
            "diagonals are {lower}, {diagonal} and {upper}; pad all three to one length"
        ));
    }
    let Some((&n, batch)) = diagonal.shape.split_last() else {
        return Err("the diagonals are scalars, but must be vectors".into());
    };
    columns(b, batch, n, &format!("diagonals {diagonal}"))?;
    Ok(b.clone())
}

pub(super) fn sparse_matvec(
    values: &Type,
    x: &Type,
    pattern: &proto::SparsePattern,
) -> Result<Type, String> {
    float(values)?;
    same_dtype(values, x)?;
    let entries = pattern.rows.len();
    let batch = match values.shape.split_last() {
        Some((&last, batch)) if last == entries => Some(batch),
        _ => None,
    };
    let (Some(batch), true) = (batch, pattern.columns.len() == entries) else {
        return Err(format!(
            "{values} for a pattern of {entries} rows and {} columns; there is one of each for an entry",
            pattern.columns.len()
        ));
    };
    let places = || pattern.rows.iter().zip(&pattern.columns);
    if places().any(|(&i, &j)| i >= pattern.row_count || j >= pattern.column_count) {
        return Err(format!(
            "an entry lies outside {} rows and {} columns",
            pattern.row_count, pattern.column_count
        ));
    }
    if !places().is_sorted_by(|a, b| a < b) {
        return Err("entries must be sorted by row, then column, without duplicates".into());
    }
    let (from, to) = match pattern.transpose {
        false => (pattern.column_count, pattern.row_count),
        true => (pattern.row_count, pattern.column_count),
    };
    let size = |n: u64| usize::try_from(n).map_err(|_| format!("size {n} is too large"));
    let columns = columns(x, batch, size(from)?, "the sparse matrix")?;
    Ok(typed(values, batch, &[&[size(to)?], columns].concat()))
}
