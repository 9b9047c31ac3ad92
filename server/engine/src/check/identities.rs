//! What derivatives must satisfy among themselves.

use super::{CheckRequest, one_product};
use crate::error::Error;
use crate::execute::{Scratch, Stop};
use crate::graph::Graph;
use crate::plan::{Layout, Options, Product};
use crate::tensor::{Tensor, TensorRef, TensorType};

/// Above this many rows a Hessian is probed, not written out.
const WHOLE_HESSIAN: u64 = 128;

/// The same numbers in every call (SplitMix64), in [-1, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn tensor(&mut self, ty: &TensorType) -> Tensor {
        let raw = (0..ty.elements())
            .flat_map(|_| Tensor::scalar(ty.dtype, self.next()).into_raw())
            .collect();
        Tensor::from_raw(ty.clone(), raw).expect("as many numbers as elements")
    }
}

fn flat(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(Tensor::to_f64).collect()
}

fn refs(tensors: &[Tensor]) -> Vec<TensorRef<'_>> {
    tensors.iter().map(Tensor::as_ref).collect()
}

/// ⟨a, b⟩, and the sum of its terms' sizes.
fn inner(a: &[f64], b: &[f64]) -> (f64, f64) {
    let terms = a.iter().zip(b).map(|(a, b)| a * b);
    terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()))
}

/// |a - b| relative to the size of what they are sums of.
fn apart(a: (f64, f64), b: (f64, f64)) -> f64 {
    let size = a.1.max(b.1);
    let gap = (a.0 - b.0).abs();
    if gap == 0.0 { 0.0 } else { gap / size }
}

/// |⟨c, Jv⟩ - ⟨Jᵀc, v⟩| relative to their size.
pub(super) fn dot_product(
    graph: &Graph,
    options: &Options,
    point: &[TensorRef<'_>],
    scratch: &mut Scratch,
    stop: &Stop,
) -> Result<f64, Error> {
    let mut random = Random(0xc0ffee);
    let inputs = graph.float_inputs().into_iter();
    let v: Vec<Tensor> = inputs
        .map(|i| random.tensor(&graph.inputs()[i as usize].ty))
        .collect();
    let outputs = graph.float_outputs().into_iter();
    let c: Vec<Tensor> = outputs
        .map(|o| random.tensor(graph.output_type(o as usize)))
        .collect();
    let jvp = Product::Jvp { directions: 0 };
    let pushed = one_product(graph, jvp, options, (point, refs(&v)), scratch, stop)?;
    let vjp = Product::Vjp { directions: 0 };
    let pulled = one_product(graph, vjp, options, (point, refs(&c)), scratch, stop)?;
    let left = inner(&flat(&c), &pushed.concat());
    Ok(apart(left, inner(&pulled.concat(), &flat(&v))))
}

/// Largest asymmetry of the Hessians of the scalar outputs.
pub(super) fn asymmetry(
    graph: &Graph,
    request: &CheckRequest,
    options: &Options,
    point: &[TensorRef<'_>],
    scratch: &mut Scratch,
    stop: &Stop,
) -> Result<f64, Error> {
    let wrt = &request.wrt;
    let sizes = wrt
        .iter()
        .map(|&w| graph.inputs()[w as usize].ty.elements());
    let sizes: Vec<usize> = sizes.map(|n| n as usize).collect();
    let n: usize = sizes.iter().sum();
    let mut worst = 0.0f64;
    let scalars = request.outputs.iter();
    for &output in scalars.filter(|&&o| graph.output_type(o as usize).shape.is_empty()) {
        let one = if n as u64 <= WHOLE_HESSIAN {
            let product = Product::Hessian {
                output,
                wrt: wrt.clone(),
                layout: Layout::Dense,
            };
            let blocks = one_product(graph, product, options, (point, vec![]), scratch, stop)?;
            of_blocks(&blocks, &sizes)
        } else {
            let mut random = Random(0x5eed);
            let mut probe = |random: &mut Random| -> Result<(Vec<f64>, Vec<f64>), Error> {
                let types = wrt.iter().map(|&w| &graph.inputs()[w as usize].ty);
                let v: Vec<Tensor> = types.map(|ty| random.tensor(ty)).collect();
                let product = Product::Hvp {
                    output,
                    wrt: wrt.clone(),
                    directions: 0,
                };
                let hv = one_product(graph, product, options, (point, refs(&v)), scratch, stop)?;
                Ok((flat(&v), hv.concat()))
            };
            let ((u, hu), (v, hv)) = (probe(&mut random)?, probe(&mut random)?);
            apart(inner(&u, &hv), inner(&v, &hu))
        };
        // NaN stays: it is no symmetric Hessian.
        worst = if one.is_nan() || worst.is_nan() {
            f64::NAN
        } else {
            worst.max(one)
        };
    }
    Ok(worst)
}

/// Largest |H - Hᵀ| relative to the largest entry.
fn of_blocks(blocks: &[Vec<f64>], sizes: &[usize]) -> f64 {
    let k = sizes.len();
    let entry =
        |(a, i): (usize, usize), (b, j): (usize, usize)| blocks[a * k + b][i * sizes[b] + j];
    let places = || (0..k).flat_map(|a| (0..sizes[a]).map(move |i| (a, i)));
    let (mut gap, mut largest) = (0.0f64, 0.0f64);
    for row in places() {
        for column in places() {
            let (x, y) = (entry(row, column), entry(column, row));
            if x.is_nan() || y.is_nan() {
                return f64::NAN;
            }
            largest = largest.max(x.abs());
            if x != y {
                gap = gap.max((x - y).abs());
            }
        }
    }
    if gap == 0.0 { 0.0 } else { gap / largest }
}
