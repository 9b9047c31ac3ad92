//! search_sorted: where queries belong among sorted values.

use super::{
    Attributes, Buffer, BufferMut, Form, Infer, Jvp, Kernel, Op, Problem, Routine, Rule, Types,
};
use crate::tensor::{DType, TensorType};

/// For each query the number of values before it, by bisection. A NaN has none before it.
pub const SEARCH_SORTED: Rule = Rule {
    form: Form {
        operands: (2, 2),
        attribute: "search_sorted",
        linear: false,
        non_smooth: "",
        infer: Infer::One(infer),
        cost: |_, types: &Types<'_>| {
            let steps = u64::from(types.operands[0].elements().max(1).ilog2()) + 1;
            types.result.elements().saturating_mul(steps)
        },
    },
    jvp: Jvp::None,
    transpose: None,
    kernel: |_, attributes, _| Kernel::Routine {
        routine: Box::new(Bisection {
            right: matches!(attributes, Attributes::SearchSorted { right: true }),
        }),
        batch: 1,
    },
};

fn infer(_: Op, attributes: &Attributes, operands: &[&TensorType]) -> Result<TensorType, Problem> {
    let Attributes::SearchSorted { .. } = attributes else {
        return Err(Problem::node("search_sorted attributes are missing"));
    };
    let (sorted, queries) = (operands[0], operands[1]);
    if sorted.dtype == DType::Bool {
        return Err(Problem::operand(0, "operand is bool; insert convert"));
    }
    if sorted.shape.rank() != 1 {
        return Err(Problem::operand(
            0,
            format!(
                "sorted values have shape {}; give a vector, for rows of a matrix one node each",
                sorted.shape
            ),
        ));
    }
    if queries.dtype != sorted.dtype {
        return Err(Problem::operand(
            1,
            format!(
                "queries are {}, the sorted values {}; insert convert",
                queries.dtype, sorted.dtype
            ),
        ));
    }
    Ok(TensorType::new(DType::I64, queries.shape.clone()))
}

#[derive(Debug)]
struct Bisection {
    right: bool,
}

impl Bisection {
    fn count<T: PartialOrd>(&self, sorted: &[T], query: &T) -> i64 {
        let before = |value: &T| match self.right {
            true => value <= query,
            false => value < query,
        };
        sorted.partition_point(before) as i64
    }
}

impl Routine for Bisection {
    fn run(&self, operands: &[Buffer<'_>], results: &mut [BufferMut<'_>]) {
        let counts = results[0].integers().iter_mut();
        match (operands[0], operands[1]) {
            (Buffer::Float(sorted), Buffer::Float(queries)) => counts
                .zip(queries)
                .for_each(|(count, query)| *count = self.count(sorted, query)),
            (Buffer::Integer(sorted), Buffer::Integer(queries)) => counts
                .zip(queries)
                .for_each(|(count, query)| *count = self.count(sorted, query)),
            _ => {}
        }
    }
}
