//! Single points as a batch, and its blocks as those of single points.

use super::{request::Evaluation, tensor::Payload};
use gradient_engine::{Arguments, Block, Coordinates, Tensor, TensorType};
use std::sync::Arc;

/// Where a block's entries stand, for each product and block; nothing where all are dense.
pub type Places = Vec<Vec<Option<Arc<Coordinates>>>>;

/// Arguments of several evaluations of one request at single points, as those of one evaluation.
pub struct Points {
    inputs: Vec<Payload>,
    seeds: Vec<Vec<Payload>>,
    count: u64,
}

impl Points {
    /// Puts together what differs; of inputs that are not `batched` the first evaluation's serves all. `None` of no
    /// evaluations.
    pub fn of(all: &[&Evaluation], batched: &[bool]) -> Option<Self> {
        let first = all.first()?;
        let inputs = batched.iter().enumerate().map(|(i, &batched)| {
            match batched {
                true => Payload::stack(all.iter().map(|e| &e.inputs[i])),
                // Resident: a reference to it.
                false => Some(first.inputs[i].clone()),
            }
        });
        let seeds = first.seeds.iter().enumerate().map(|(p, own)| {
            let each = (0..own.len()).map(|s| Payload::stack(all.iter().map(|e| &e.seeds[p][s])));
            each.collect()
        });
        Some(Self {
            inputs: inputs.collect::<Option<_>>()?,
            seeds: seeds.collect::<Option<_>>()?,
            count: all.len() as u64,
        })
    }

    /// As the engine takes them.
    pub fn arguments(&self) -> Arguments<'_> {
        let seeds = self.seeds.iter();
        Arguments {
            inputs: self.inputs.iter().map(Payload::as_ref).collect(),
            seeds: seeds
                .map(|s| s.iter().map(Payload::as_ref).collect())
                .collect(),
            batch: self.count,
        }
    }
}

impl Evaluation {
    /// Of each input the tensor put before that it names, if it does.
    pub fn residents(&self) -> Vec<Option<Arc<Tensor>>> {
        let inputs = self.inputs.iter();
        inputs.map(|input| input.resident().cloned()).collect()
    }

    /// Bytes that are copied when it is put together with others.
    pub fn copied_bytes(&self) -> u64 {
        let seeds = self.seeds.iter().flatten().map(|seed| seed.raw().len());
        self.payload_bytes()
            .saturating_add(seeds.sum::<usize>() as u64)
    }
}

/// The blocks of each of `count` points. Entries of sparse ones stand where `places` says.
pub fn apart(blocks: Vec<Vec<Block>>, count: usize, places: &Places) -> Vec<Vec<Vec<Block>>> {
    let mut points: Vec<Vec<Vec<Block>>> = (0..count)
        .map(|_| Vec::with_capacity(blocks.len()))
        .collect();
    for (p, blocks) in blocks.into_iter().enumerate() {
        points
            .iter_mut()
            .for_each(|point| point.push(Vec::with_capacity(blocks.len())));
        for (b, block) in blocks.into_iter().enumerate() {
            let place = places.get(p).and_then(|of| of.get(b)).cloned().flatten();
            let ty = block.tensor.ty();
            let ty = TensorType::new(ty.dtype, &ty.shape[1..]);
            let bytes = ty.bytes() as usize;
            let raw = block.tensor.raw();
            for (i, point) in points.iter_mut().enumerate() {
                let own = raw[i * bytes..(i + 1) * bytes].to_vec();
                point[p].push(Block {
                    tensor: Tensor::from_raw(ty.clone(), own).expect("cut by its own size"),
                    coordinates: place.clone(),
                    ..block
                });
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradient_engine::DType;

    #[test]
    fn blocks_come_apart_by_points() {
        let numbers = |n: u64| (0..n).flat_map(|x| (x as f64).to_le_bytes()).collect();
        let block = |shape: &[u64]| {
            let ty = TensorType::new(DType::F64, shape);
            Block {
                output: Some(0),
                wrt: None,
                wrt_second: None,
                tensor: Tensor::from_raw(ty.clone(), numbers(ty.elements())).unwrap(),
                coordinates: None,
            }
        };
        let blocks = vec![vec![block(&[3, 2]), block(&[3])], vec![block(&[3, 0])]];
        let points = apart(blocks, 3, &vec![]);
        assert_eq!(points.len(), 3);
        for (i, point) in points.iter().enumerate() {
            let x = i as f64;
            assert_eq!(point[0][0].tensor.to_f64(), [2.0 * x, 2.0 * x + 1.0]);
            assert_eq!(point[0][1].tensor.to_f64(), [x]);
            assert!(point[0][1].tensor.ty().shape.is_empty());
            assert_eq!(point[1][0].tensor.ty().elements(), 0);
            assert_eq!(point[0][0].output, Some(0));
        }
    }
}
