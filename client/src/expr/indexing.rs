//! Parts of tensors: slices, padding, gathered and scattered elements.

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use super::{
    Expr, Operand,
    structural::{wire, wire_sizes},
};

/// # Parts
impl Expr {
    /// The part under the leading indices: one element if there is an index for every dimension.
    #[track_caller]
    pub fn at(&self, index: impl AsRef<[usize]>) -> Expr {
        let (index, shape) = (index.as_ref(), self.shape());
        if index.len() > shape.len() {
            return self.mistake(
                Op::Slice,
                format!("{} indices into shape {shape:?}", index.len()),
            );
        }
        if let Some((d, i)) = index.iter().enumerate().find(|&(d, &i)| i >= shape[d]) {
            return self.mistake(
                Op::Slice,
                format!("index {i} is outside dimension {d} of shape {shape:?}"),
            );
        }
        let rest = &shape[index.len()..];
        let starts = [index, &vec![0; rest.len()]].concat();
        let limits: Vec<usize> = index
            .iter()
            .map(|i| i + 1)
            .chain(rest.iter().copied())
            .collect();
        self.slice(starts, limits).reshape(rest)
    }

    /// The elements from `starts` up to, but without, `limits` in every dimension.
    #[track_caller]
    pub fn slice(&self, starts: impl AsRef<[usize]>, limits: impl AsRef<[usize]>) -> Expr {
        self.slice_strided(starts, limits, [])
    }

    /// Every `strides[d]`th element from `starts` up to, but without, `limits`. No strides: all 1.
    #[track_caller]
    pub fn slice_strided(
        &self,
        starts: impl AsRef<[usize]>,
        limits: impl AsRef<[usize]>,
        strides: impl AsRef<[usize]>,
    ) -> Expr {
        let slice = proto::Slice {
            starts: wire_sizes(starts),
            limits: wire_sizes(limits),
            strides: wire_sizes(strides),
        };
        self.unary(Op::Slice, Some(Attributes::Slice(slice.into())))
    }

    /// With `low[d]` copies of a scalar before and `high[d]` after each dimension d.
    #[track_caller]
    pub fn pad(
        &self,
        value: impl Operand,
        low: impl AsRef<[usize]>,
        high: impl AsRef<[usize]>,
    ) -> Expr {
        self.pad_interior(value, low, high, [])
    }

    /// As [`Expr::pad`], with `interior[d]` more between any two elements. No interior: none.
    #[track_caller]
    pub fn pad_interior(
        &self,
        value: impl Operand,
        low: impl AsRef<[usize]>,
        high: impl AsRef<[usize]>,
        interior: impl AsRef<[usize]>,
    ) -> Expr {
        let pad = proto::Pad {
            low: wire_sizes(low),
            high: wire_sizes(high),
            interior: wire_sizes(interior),
        };
        self.binary(Op::Pad, value, Some(Attributes::Pad(pad.into())))
    }

    /// The elements at i64 `indices` along one dimension, which the indices' dimensions replace, as NumPy's `take`.
    /// An index outside is clamped to the nearest inside.
    #[track_caller]
    pub fn take(&self, indices: &Expr, axis: usize) -> Expr {
        let (shape, rank) = (self.shape(), indices.shape().len());
        let axis_wire = wire(axis);
        let mut slice_sizes = wire_sizes(&shape);
        if let Some(size) = slice_sizes.get_mut(axis) {
            *size = 1;
        }
        let gather = proto::Gather {
            offset_dims: window_dims(shape.len(), rank, axis),
            collapsed_slice_dims: vec![axis_wire],
            start_index_map: vec![axis_wire],
            index_vector_dim: wire(rank),
            slice_sizes,
            out_of_bounds: proto::OutOfBounds::Clamp as i32,
        };
        self.gather(indices, gather)
    }

    /// With `updates` added to the elements at i64 `indices` along one dimension: the transpose of [`Expr::take`].
    /// An update outside is dropped.
    #[track_caller]
    pub fn add_at(&self, indices: &Expr, updates: &Expr, axis: usize) -> Expr {
        self.scatter_add(indices, updates, self.along(indices, axis))
    }

    /// With `updates` in place of the elements at i64 `indices` along one dimension. An update outside is dropped;
    /// of several updates of one element the last one stays.
    #[track_caller]
    pub fn put_at(&self, indices: &Expr, updates: &Expr, axis: usize) -> Expr {
        self.scatter(indices, updates, self.along(indices, axis))
    }

    fn along(&self, indices: &Expr, axis: usize) -> proto::Scatter {
        let (rank, indices_rank) = (self.shape().len(), indices.shape().len());
        proto::Scatter {
            update_window_dims: window_dims(rank, indices_rank, axis),
            inserted_window_dims: vec![wire(axis)],
            scatter_dims_to_operand_dims: vec![wire(axis)],
            index_vector_dim: wire(indices_rank),
            out_of_bounds: proto::OutOfBounds::Drop as i32,
        }
    }

    /// Windows at given starts, as StableHLO's gather.
    #[track_caller]
    pub fn gather(&self, indices: &Expr, dims: proto::Gather) -> Expr {
        self.binary(Op::Gather, indices, Some(Attributes::Gather(dims.into())))
    }

    /// With windows added at given starts, as StableHLO's scatter.
    #[track_caller]
    pub fn scatter_add(&self, indices: &Expr, updates: &Expr, dims: proto::Scatter) -> Expr {
        self.arena.apply(
            Op::ScatterAdd,
            &[self, indices, updates],
            Some(Attributes::Scatter(dims.into())),
        )
    }

    /// With windows put in place of what was at given starts; of several updates of one element the last one stays.
    #[track_caller]
    pub fn scatter(&self, indices: &Expr, updates: &Expr, dims: proto::Scatter) -> Expr {
        self.arena.apply(
            Op::Scatter,
            &[self, indices, updates],
            Some(Attributes::Scatter(dims.into())),
        )
    }

    /// A window of these sizes that begins at `starts`, an i64 vector with an element for each dimension; it is
    /// moved to the nearest place inside.
    #[track_caller]
    pub fn dynamic_slice(&self, starts: &Expr, sizes: impl AsRef<[usize]>) -> Expr {
        let sizes = wire_sizes(sizes);
        let slice = proto::DynamicSlice { sizes };
        self.binary(
            Op::DynamicSlice,
            starts,
            Some(Attributes::DynamicSlice(slice.into())),
        )
    }

    /// With a window replaced that begins at `starts`, an i64 vector with an element for each dimension; it is
    /// moved to the nearest place inside.
    #[track_caller]
    pub fn dynamic_update_slice(&self, update: &Expr, starts: &Expr) -> Expr {
        let operands = [self, update, starts];
        self.arena.apply(Op::DynamicUpdateSlice, &operands, None)
    }
}

/// Where the dimensions of a tensor other than `axis` stand once the dimensions of the indices replace that one.
fn window_dims(rank: usize, indices_rank: usize, axis: usize) -> Vec<u32> {
    (0..rank)
        .filter(|&d| d != axis)
        .map(|d| wire(if d < axis { d } else { d + indices_rank - 1 }))
        .collect()
}
