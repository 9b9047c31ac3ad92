//! Scans, softmax and sorting along one dimension.

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{Expr, structural::wire};
use crate::tensor::Dtype;

macro_rules! scans {
    ($($(#[$doc:meta])+ $name:ident = $op:ident;)*) => {
        /// # Scans
        ///
        /// Element i combines elements 0 to i along one dimension.
        impl Expr {$(
            $(#[$doc])+
            #[track_caller]
            pub fn $name(&self, axis: usize) -> Expr {
                self.cumulate(Op::$op, axis)
            }
        )*}
    };
}

scans! {
    /// Running sums.
    cumsum = Cumsum;
    /// Running products.
    cumprod = Cumprod;
    /// The largest so far.
    cummax = Cummax;
    /// The smallest so far.
    cummin = Cummin;
    /// log(cumsum(eᵃ)) without overflow.
    cumlogsumexp = Cumlogsumexp;
}

impl Expr {
    #[track_caller]
    fn cumulate(&self, op: Op, axis: usize) -> Expr {
        let cumulative = proto::Cumulative {
            axis: wire(axis),
            reverse: false,
        };
        self.unary(op, Some(Attributes::Cumulative(cumulative.into())))
    }

    /// eᵃ / sum(eᵃ) along a dimension, without overflow.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Expr {
        let softmax = proto::Softmax { axis: wire(axis) };
        self.unary(Op::Softmax, Some(Attributes::Softmax(softmax.into())))
    }

    /// a - log(sum(eᵃ)) along a dimension, without overflow.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Expr {
        let softmax = proto::Softmax { axis: wire(axis) };
        self.unary(Op::LogSoftmax, Some(Attributes::Softmax(softmax.into())))
    }
}

fn order(axis: usize, descending: bool) -> Option<Attributes> {
    let axis = wire(axis);
    Some(Attributes::Sort(proto::Sort { axis, descending }.into()))
}

/// # Order
impl Expr {
    /// Ascending along a dimension; stable, NaN last. k equal elements share the derivative, 1/k each.
    #[track_caller]
    pub fn sort(&self, axis: usize) -> Expr {
        self.unary(Op::Sort, order(axis, false))
    }

    /// Descending along a dimension; stable, NaN last.
    #[track_caller]
    pub fn sort_descending(&self, axis: usize) -> Expr {
        self.unary(Op::Sort, order(axis, true))
    }

    /// Ascending along a dimension, with other tensors of the same shape permuted alongside: the sorted tensor,
    /// then the others.
    #[track_caller]
    pub fn sort_with(&self, others: &[&Expr], axis: usize) -> (Expr, Vec<Expr>) {
        let operands: Vec<&Expr> = std::iter::once(self)
            .chain(others.iter().copied())
            .collect();
        let attributes = order(axis, false);
        let mut sorted =
            self.arena
                .apply_all(Op::Sort, &operands, attributes, Some(operands.len()));
        (sorted.remove(0), sorted)
    }

    /// The permutation, as i64, that sorts ascending along a dimension; stable, NaN last.
    #[track_caller]
    pub fn argsort(&self, axis: usize) -> Expr {
        self.unary(Op::Argsort, order(axis, false))
    }

    /// The k largest along the last dimension, descending, and their indices as i64.
    #[track_caller]
    pub fn top_k(&self, k: usize) -> (Expr, Expr) {
        let top = proto::TopK { k: k as u64 };
        let [values, indices] = self.several(Op::TopK, Some(Attributes::TopK(top.into())));
        (values, indices)
    }

    /// For each query the number, as i64, of elements of this sorted vector before it. With `right`, elements equal
    /// to the query count as before it.
    #[track_caller]
    pub fn search_sorted(&self, queries: &Expr, right: bool) -> Expr {
        let search = proto::SearchSorted { right };
        self.binary(
            Op::SearchSorted,
            queries,
            Some(Attributes::SearchSorted(search.into())),
        )
    }

    /// A row of `depth` elements, 0 but for a 1 at the index, for each i64 index: one dimension more. An index
    /// outside gives zeros.
    #[track_caller]
    pub fn one_hot(&self, depth: usize, dtype: Dtype) -> Expr {
        let one_hot = proto::OneHot {
            depth: depth as u64,
            dtype: dtype.to_proto() as i32,
        };
        self.unary(Op::OneHot, Some(Attributes::OneHot(one_hot.into())))
    }
}
