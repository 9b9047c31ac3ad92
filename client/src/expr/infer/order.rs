//! Sorting and searching.

use gradient_proto::v1 as proto;

use super::{axis, number};
use crate::tensor::{Dtype, Type};

/// A result for each operand.
pub(super) fn sorted(operands: &[&Type], sort: &proto::Sort) -> Result<Vec<Type>, String> {
    let [keys, rest @ ..] = operands else {
        return Err("nothing to sort".into());
    };
    number(keys)?;
    axis(sort.axis, keys.shape.len())?;
    if let Some(other) = rest.iter().find(|other| other.shape != keys.shape) {
        return Err(format!(
            "{other} is permuted alongside keys {keys}; give both one shape"
        ));
    }
    Ok(operands.iter().map(|&a| a.clone()).collect())
}

pub(super) fn argsort(a: &Type, sort: &proto::Sort) -> Result<Type, String> {
    number(a)?;
    axis(sort.axis, a.shape.len())?;
    Ok(Type::new(Dtype::I64, &a.shape))
}

/// The values and their indices.
pub(super) fn top_k(a: &Type, k: u64) -> Result<Vec<Type>, String> {
    number(a)?;
    let Some((&size, batch)) = a.shape.split_last() else {
        return Err("a scalar has no dimension to take the largest of; reshape([1]) it".into());
    };
    match usize::try_from(k) {
        Ok(k) if k <= size => {
            let shape = [batch, &[k]].concat();
            Ok(vec![
                Type::new(a.dtype, &shape),
                Type::new(Dtype::I64, &shape),
            ])
        }
        _ => Err(format!(
            "the {k} largest of {size}, the last dimension of {a}; take {size} at most"
        )),
    }
}

pub(super) fn search_sorted(sorted: &Type, queries: &Type) -> Result<Type, String> {
    number(sorted)?;
    if sorted.shape.len() != 1 {
        return Err(format!(
            "the sorted values are {sorted}, but must be a vector"
        ));
    }
    if sorted.dtype != queries.dtype {
        return Err(format!(
            "sorted values are {sorted}, queries {queries}; insert convert(Dtype::…) to make them one type"
        ));
    }
    Ok(Type::new(Dtype::I64, &queries.shape))
}
