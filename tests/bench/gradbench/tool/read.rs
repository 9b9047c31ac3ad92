//! Numbers out of JSON.

use super::Failure;
use gradient_client::{Array, Tensor};
use serde_json::Value;

/// An array of numbers of any rank, under a name.
pub fn array(input: &Value, name: &str) -> Result<Array, Failure> {
    of(&input[name]).map_err(|problem| format!("{name}: {problem}").into())
}

/// An array of numbers of any rank.
pub fn of(value: &Value) -> Result<Array, Failure> {
    let mut shape = Vec::new();
    let mut first = value;
    while let Value::Array(list) = first {
        shape.push(list.len());
        match list.first() {
            Some(next) => first = next,
            None => break,
        }
    }
    let mut numbers = Vec::new();
    flatten(value, &mut numbers)?;
    Array::new(&shape, numbers).ok_or_else(|| "rows of unequal length".into())
}

fn flatten(value: &Value, numbers: &mut Vec<f64>) -> Result<(), Failure> {
    match value {
        Value::Array(list) => list.iter().try_for_each(|each| flatten(each, numbers)),
        _ => {
            numbers.push(value.as_f64().ok_or("numbers are asked for")?);
            Ok(())
        }
    }
}

/// Whole numbers of any nesting, one after the other.
pub fn indices(value: &Value) -> Result<Vec<i64>, Failure> {
    Ok(of(value)?.data().iter().map(|&x| x as i64).collect())
}

/// A size under a name.
pub fn size(input: &Value, name: &str) -> Result<usize, Failure> {
    let number = input[name].as_u64().ok_or_else(|| format!("no {name}"))?;
    Ok(usize::try_from(number)?)
}

/// A vector.
pub fn vector(numbers: Vec<f64>) -> Tensor {
    Tensor::from(numbers)
}

/// Rows of so many numbers.
pub fn rows(numbers: &[f64], width: usize) -> Value {
    numbers.chunks(width.max(1)).collect()
}
