//! Fourier transforms and interpolation.

use super::{float, shapes::same_dtype};
use crate::tensor::Type;

/// Batch and number of complex numbers along the transformed dimension.
fn pairs(a: &Type) -> Result<(&[usize], usize), String> {
    float(a)?;
    match a.shape.as_slice() {
        [batch @ .., n, 2] => Ok((batch, *n)),
        _ => Err(format!(
            "{a} must be [..., n, 2]: complex numbers are pairs in the last dimension; use rfft for real ones"
        )),
    }
}

pub(super) fn fft(a: &Type) -> Result<Type, String> {
    pairs(a)?;
    Ok(a.clone())
}

pub(super) fn rfft(a: &Type) -> Result<Type, String> {
    float(a)?;
    match a.shape.split_last() {
        Some((n, batch)) => Ok(Type::new(a.dtype, [batch, &[n / 2 + 1, 2]].concat())),
        None => Err("a scalar has no dimension to transform along; reshape([1]) it".into()),
    }
}

pub(super) fn irfft(a: &Type, length: u64) -> Result<Type, String> {
    let (batch, n) = pairs(a)?;
    match usize::try_from(length) {
        Ok(length) if length / 2 + 1 == n => Ok(Type::new(a.dtype, [batch, &[length]].concat())),
        _ => Err(format!(
            "length {length} takes {} pairs, but {a} has {n}; slice or pad it",
            length / 2 + 1
        )),
    }
}

fn vector(a: &Type, what: &str) -> Result<usize, String> {
    match *a.shape.as_slice() {
        [n] => Ok(n),
        _ => Err(format!("{what} are {a}, but must be a vector")),
    }
}

pub(super) fn interp1d(queries: &Type, knots: &Type, values: &Type) -> Result<Type, String> {
    float(queries)?;
    same_dtype(queries, knots)?;
    same_dtype(queries, values)?;
    let (n, m) = (vector(knots, "knots")?, vector(values, "values")?);
    if n != m || n == 0 {
        return Err(format!(
            "{n} knots and {m} values; there is one value for each knot"
        ));
    }
    Ok(queries.clone())
}

pub(super) fn b_spline(
    queries: &Type,
    knots: &Type,
    coefficients: &Type,
    degree: u32,
) -> Result<Type, String> {
    float(queries)?;
    same_dtype(queries, knots)?;
    same_dtype(queries, coefficients)?;
    let (have, n) = (
        vector(knots, "knots")?,
        vector(coefficients, "coefficients")?,
    );
    let degree = degree as usize;
    let needed = n.saturating_add(degree).saturating_add(1);
    if have != needed || n <= degree {
        return Err(format!(
            "{have} knots for {n} coefficients of degree {degree}; it takes {needed}, and more coefficients than the degree"
        ));
    }
    Ok(queries.clone())
}
