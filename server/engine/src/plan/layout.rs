use crate::op::ValueId;
use crate::tensor::TensorType;

/// Where a block's numbers come from: element `e` of `value` in lane `first_lane + i` stands at
/// `e · element_stride + i · lane_stride` of the block.
#[derive(Clone, Debug)]
pub struct BlockSource {
    /// Position of the output in the graph.
    pub output: Option<u32>,
    /// Position of the input.
    pub wrt: Option<u32>,
    /// Position of the second input, for Hessians.
    pub wrt_second: Option<u32>,
    /// The block's type at one point.
    pub ty: TensorType,
    /// `None`: zeros throughout.
    pub value: Option<ValueId>,
    /// First lane that belongs to the block.
    pub first_lane: u64,
    /// How many do.
    pub lanes: u64,
    /// See above.
    pub element_stride: u64,
    /// See above.
    pub lane_stride: u64,
}

impl BlockSource {
    /// A value that needs no lanes.
    pub fn plain(value: Option<ValueId>, ty: TensorType) -> Self {
        Self {
            output: None,
            wrt: None,
            wrt_second: None,
            ty,
            value,
            first_lane: 0,
            lanes: 1,
            element_stride: 1,
            lane_stride: 0,
        }
    }

    /// A value in each of `directions` lanes, stacked along a leading axis (0: one lane, no axis).
    pub fn stacked(value: Option<ValueId>, ty: &TensorType, directions: u32) -> Self {
        if directions == 0 {
            return Self::plain(value, ty.clone());
        }
        let shape = std::iter::once(u64::from(directions)).chain(ty.shape.iter().copied());
        Self {
            lanes: directions.into(),
            lane_stride: ty.elements(),
            ..Self::plain(value, TensorType::new(ty.dtype, shape.collect::<Vec<_>>()))
        }
    }

    /// A derivative block: type `of` differentiated by type `by`. Lanes run over `by` (columns) or over `of`
    /// (rows), from `first_lane`.
    pub fn matrix(
        value: Option<ValueId>,
        of: &TensorType,
        by: &TensorType,
        first_lane: u64,
        lanes_are_columns: bool,
    ) -> Self {
        let shape: Vec<u64> = of.shape.iter().chain(by.shape.iter()).copied().collect();
        let ty = TensorType::new(of.dtype, shape);
        let (lanes, element_stride, lane_stride) = match lanes_are_columns {
            true => (by.elements(), by.elements(), 1),
            false => (of.elements(), 1, by.elements()),
        };
        Self {
            first_lane,
            lanes,
            element_stride,
            lane_stride,
            ..Self::plain(value, ty)
        }
    }

    /// Named after the graph's positions.
    pub fn at(self, output: Option<u32>, wrt: Option<u32>, wrt_second: Option<u32>) -> Self {
        Self {
            output,
            wrt,
            wrt_second,
            ..self
        }
    }
}
