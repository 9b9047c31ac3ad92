//! Products from derivatives along directions.

use super::along::{Direction, Directional, Pair};
use super::predicted;
use crate::error::Error;
use crate::execute::program::{Arguments, Block};
use crate::graph::Graph;
use crate::plan::{Layout, Plan, Product, Request};
use crate::tensor::{Tensor, TensorRef, TensorType};

/// Directions that are evaluated together.
const TOGETHER: usize = 64;

/// What is asked for, with the types it is made of.
#[derive(Debug)]
pub(super) struct Blocks {
    products: Vec<Product>,
    inputs: Vec<TensorType>,
    outputs: Vec<TensorType>,
    floats: [Vec<u32>; 2],
    batched: Option<Vec<bool>>,
}

/// A block under construction, for one point.
struct Filled {
    output: Option<u32>,
    wrt: Option<u32>,
    wrt_second: Option<u32>,
    ty: TensorType,
    numbers: Vec<f64>,
}

impl Blocks {
    /// Refuses what the exact method refuses, too.
    pub fn new(graph: &Graph, request: &Request) -> Result<Self, Error> {
        for (product, asked) in request.products.iter().enumerate() {
            let (field, output) = match asked {
                Product::Gradient { output, .. } => ("output", *output),
                Product::Hessian { output, .. } => ("output", *output),
                Product::Hvp { output, .. } => ("output", *output),
                _ => continue,
            };
            let ty = graph.output_type(output as usize);
            if !ty.shape.is_empty() || !ty.dtype.is_float() {
                let name = &graph.outputs()[output as usize].name;
                return Err(Error::Product {
                    product,
                    field,
                    message: format!(
                        "output {name:?} is {ty}, not a floating-point scalar; reduce it to a scalar first"
                    ),
                });
            }
        }
        let sparse = request.products.iter().any(|p| {
            matches!(p, Product::Jacobian { layout, .. } | Product::Hessian { layout, .. } if *layout == Layout::Sparse)
        });
        if sparse {
            return Err(Error::Unimplemented(
                "LAYOUT_SPARSE with another method than the exact one".into(),
            ));
        }
        Ok(Self {
            products: request.products.clone(),
            inputs: graph.inputs().iter().map(|i| i.ty.clone()).collect(),
            outputs: (0..graph.outputs().len())
                .map(|o| graph.output_type(o).clone())
                .collect(),
            floats: [graph.float_inputs(), graph.float_outputs()],
            batched: request.batched.clone(),
        })
    }

    fn elements(&self, inputs: &[u32]) -> u64 {
        let of = inputs.iter().map(|&i| self.inputs[i as usize].elements());
        of.fold(0, u64::saturating_add)
    }

    /// Directions, or pairs of them, that a product needs for one point.
    pub fn evaluations(&self, product: &Product) -> u64 {
        match product {
            Product::Value { .. } => 1,
            Product::Gradient { wrt, .. } | Product::Jacobian { wrt, .. } => self.elements(wrt),
            Product::Jvp { directions } => u64::from(*directions).max(1),
            Product::Vjp { .. } => self.elements(&self.floats[0]),
            Product::Hessian { wrt, .. } => {
                let n = self.elements(wrt);
                n.saturating_mul(n.saturating_add(1)) / 2
            }
            Product::Hvp {
                wrt, directions, ..
            } => self
                .elements(wrt)
                .saturating_mul(u64::from(*directions).max(1)),
        }
    }

    /// Bytes of the results and inputs of one point.
    pub fn point_bytes(&self, graph: &Graph) -> u64 {
        let mut bytes = self.inputs.iter().map(TensorType::bytes).sum::<u64>();
        let ty = |of: &TensorType, by: Option<&TensorType>| {
            let by = by.map_or(1, TensorType::elements);
            of.bytes().saturating_mul(by)
        };
        for product in &self.products {
            let (of, by): (Vec<&TensorType>, Vec<&TensorType>) = match product {
                Product::Value { outputs } => (pick(&self.outputs, outputs), vec![]),
                Product::Gradient { wrt, .. } => (pick(&self.inputs, wrt), vec![]),
                Product::Jacobian { outputs, wrt, .. } => {
                    (pick(&self.outputs, outputs), pick(&self.inputs, wrt))
                }
                Product::Jvp { .. } => (pick(&self.outputs, &graph.float_outputs()), vec![]),
                Product::Vjp { .. } => (pick(&self.inputs, &graph.float_inputs()), vec![]),
                Product::Hessian { wrt, .. } => (pick(&self.inputs, wrt), pick(&self.inputs, wrt)),
                Product::Hvp { wrt, .. } => (pick(&self.inputs, wrt), vec![]),
            };
            let directions = match product {
                Product::Jvp { directions }
                | Product::Vjp { directions }
                | Product::Hvp { directions, .. } => u64::from(*directions).max(1),
                _ => 1,
            };
            for of in of {
                let own = match by.is_empty() {
                    true => ty(of, None),
                    false => by.iter().map(|by| ty(of, Some(by))).sum(),
                };
                bytes = bytes.saturating_add(own.saturating_mul(directions));
            }
        }
        bytes
    }

    /// The plan of a product that takes so many evaluations.
    pub fn plan(&self, graph: &Graph, evaluations: u64, operations: u64, reason: String) -> Plan {
        let operations = operations.saturating_mul(evaluations);
        let outputs = graph.float_outputs();
        Plan {
            mode: None,
            hvp_mode: None,
            sweeps: u32::try_from(evaluations).unwrap_or(u32::MAX),
            forward_colors: 0,
            reverse_colors: 0,
            operations,
            bytes: 0,
            predicted: predicted(operations),
            reason,
            candidates: vec![],
            live_inputs: self.elements(&graph.float_inputs()),
            live_outputs: pick(&self.outputs, &outputs)
                .iter()
                .map(|ty| ty.elements())
                .sum(),
        }
    }

    /// All products at all points.
    pub fn evaluate(
        &self,
        arguments: &Arguments<'_>,
        way: &mut dyn Directional,
    ) -> Result<Vec<Vec<Block>>, Error> {
        let points = arguments.batch.max(1) as usize;
        let mut raw: Vec<Vec<Vec<u8>>> = vec![vec![]; self.products.len()];
        let mut shapes: Vec<Vec<Filled>> = Vec::new();
        for p in 0..points {
            let part = |tensor: &TensorRef<'_>, ty: &TensorType, batched: bool| -> Vec<u8> {
                let size = ty.bytes() as usize;
                let first = if batched { p * size } else { 0 };
                tensor.raw()[first..first + size].to_vec()
            };
            let own: Vec<Tensor> = self
                .inputs
                .iter()
                .enumerate()
                .map(|(i, ty)| {
                    let batched = self.batched.as_ref().is_some_and(|b| b[i]);
                    let raw = part(&arguments.inputs.get(i), ty, batched);
                    Tensor::from_raw(ty.clone(), raw).expect("arguments have their declared types")
                })
                .collect();
            let point: Vec<TensorRef<'_>> = own.iter().map(Tensor::as_ref).collect();
            for (k, product) in self.products.iter().enumerate() {
                let seeds = Seeds {
                    tensors: arguments.seeds.get(k).map_or(&[], Vec::as_slice),
                    point: p,
                };
                let filled = self.product(product, &point, &seeds, way)?;
                raw[k].resize(filled.len(), Vec::new());
                for (bytes, block) in raw[k].iter_mut().zip(&filled) {
                    block.append_to(bytes);
                }
                if p == 0 {
                    shapes.push(filled);
                }
            }
        }
        let batch = self.batched.is_some().then_some(points as u64);
        let products = shapes.into_iter().zip(raw);
        Ok(products
            .map(|(blocks, raw)| {
                let blocks = blocks.into_iter().zip(raw);
                blocks
                    .map(|(block, raw)| block.finish(raw, batch))
                    .collect()
            })
            .collect())
    }

    fn product(
        &self,
        product: &Product,
        point: &[TensorRef<'_>],
        seeds: &Seeds<'_>,
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        match product {
            Product::Value { outputs } => {
                let values = way.value(point, outputs)?;
                let blocks = outputs.iter().zip(values);
                Ok(blocks
                    .map(|(&o, numbers)| Filled {
                        numbers,
                        ..Filled::zeros(self.outputs[o as usize].clone()).at(Some(o), None, None)
                    })
                    .collect())
            }
            Product::Gradient { output, wrt } => self.matrix(&[*output], wrt, point, way),
            Product::Jacobian { outputs, wrt, .. } => self.matrix(outputs, wrt, point, way),
            Product::Jvp { directions } => self.pushed(*directions, point, seeds, way),
            Product::Vjp { directions } => self.pulled(*directions, point, seeds, way),
            Product::Hessian { output, wrt, .. } => self.hessian(*output, wrt, point, way),
            Product::Hvp {
                output,
                wrt,
                directions,
            } => self.hessian_products(*output, wrt, *directions, point, seeds, way),
        }
    }

    /// Every element of some inputs.
    fn units(&self, wrt: &[u32]) -> Vec<Direction<'static>> {
        let of = wrt.iter().flat_map(|&w| {
            let input = w as usize;
            (0..self.inputs[input].elements() as usize)
                .map(move |element| Direction::Unit { input, element })
        });
        of.collect()
    }

    fn matrix(
        &self,
        outputs: &[u32],
        wrt: &[u32],
        point: &[TensorRef<'_>],
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        let mut blocks = Vec::with_capacity(outputs.len() * wrt.len());
        for &o in outputs {
            for &w in wrt {
                let (of, by) = (&self.outputs[o as usize], &self.inputs[w as usize]);
                blocks.push(Filled::zeros(joined(of, by)).at(Some(o), Some(w), None));
            }
        }
        for units in self.units(wrt).chunks(TOGETHER) {
            let columns = way.first(point, units, outputs)?;
            for (unit, column) in units.iter().zip(columns) {
                let Direction::Unit { input, element } = *unit else {
                    continue;
                };
                let w = wrt.iter().position(|&w| w as usize == input).unwrap_or(0);
                let width = self.inputs[input].elements() as usize;
                let mut rest = column.into_iter();
                for (k, &o) in outputs.iter().enumerate() {
                    let numbers = &mut blocks[k * wrt.len() + w].numbers;
                    let rows = self.outputs[o as usize].elements() as usize;
                    for (row, y) in rest.by_ref().take(rows).enumerate() {
                        numbers[row * width + element] = y;
                    }
                }
            }
        }
        Ok(blocks)
    }

    fn pushed(
        &self,
        directions: u32,
        point: &[TensorRef<'_>],
        seeds: &Seeds<'_>,
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        let [inputs, outputs] = &self.floats;
        let mut blocks: Vec<Filled> = outputs
            .iter()
            .map(|&o| {
                let ty = stacked(&self.outputs[o as usize], directions);
                Filled::zeros(ty).at(Some(o), None, None)
            })
            .collect();
        for k in 0..directions.max(1) as usize {
            let along = self.along(inputs, seeds, directions, k);
            let column = way.first(point, &[Direction::Along(&along)], outputs)?;
            let mut rest = column.into_iter().flatten();
            for (block, &o) in blocks.iter_mut().zip(outputs) {
                let n = self.outputs[o as usize].elements() as usize;
                let own = &mut block.numbers[k * n..(k + 1) * n];
                own.iter_mut()
                    .zip(rest.by_ref().take(n))
                    .for_each(|(to, y)| *to = y);
            }
        }
        Ok(blocks)
    }

    fn pulled(
        &self,
        directions: u32,
        point: &[TensorRef<'_>],
        seeds: &Seeds<'_>,
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        let [inputs, outputs] = &self.floats;
        let mut blocks: Vec<Filled> = inputs
            .iter()
            .map(|&i| {
                let ty = stacked(&self.inputs[i as usize], directions);
                Filled::zeros(ty).at(None, Some(i), None)
            })
            .collect();
        let cotangents: Vec<Vec<f64>> = (0..directions.max(1) as usize)
            .map(|k| {
                let of = outputs.iter().enumerate();
                of.flat_map(|(s, &o)| seeds.numbers(s, &self.outputs[o as usize], directions, k))
                    .collect()
            })
            .collect();
        for units in self.units(inputs).chunks(TOGETHER) {
            let columns = way.first(point, units, outputs)?;
            for (unit, column) in units.iter().zip(columns) {
                let Direction::Unit { input, element } = *unit else {
                    continue;
                };
                let at = inputs
                    .iter()
                    .position(|&i| i as usize == input)
                    .unwrap_or(0);
                let n = self.inputs[input].elements() as usize;
                for (k, c) in cotangents.iter().enumerate() {
                    // A cotangent 0 asks for nothing of that output, even where its slope is infinite.
                    let terms = c.iter().zip(&column).filter(|(c, _)| **c != 0.0);
                    blocks[at].numbers[k * n + element] = terms.map(|(c, y)| c * y).sum();
                }
            }
        }
        Ok(blocks)
    }

    fn hessian(
        &self,
        output: u32,
        wrt: &[u32],
        point: &[TensorRef<'_>],
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        let mut blocks = Vec::with_capacity(wrt.len() * wrt.len());
        for &a in wrt {
            for &b in wrt {
                let ty = joined(&self.inputs[a as usize], &self.inputs[b as usize]);
                blocks.push(Filled::zeros(ty).at(Some(output), Some(a), Some(b)));
            }
        }
        let units = self.units(wrt);
        let place = |unit: &Direction<'_>| match *unit {
            Direction::Unit { input, element } => {
                let w = wrt.iter().position(|&w| w as usize == input).unwrap_or(0);
                (w, element, self.inputs[input].elements() as usize)
            }
            Direction::Along(_) => (0, 0, 1),
        };
        for (i, first) in units.iter().enumerate() {
            for others in units[i..].chunks(TOGETHER) {
                let pairs: Vec<Pair<'_>> = others.iter().map(|other| (*first, *other)).collect();
                let seconds = way.second(point, &pairs, output)?;
                for (other, y) in others.iter().zip(seconds) {
                    let ((v, p, rows), (w, q, columns)) = (place(first), place(other));
                    blocks[v * wrt.len() + w].numbers[p * columns + q] = y;
                    blocks[w * wrt.len() + v].numbers[q * rows + p] = y;
                }
            }
        }
        Ok(blocks)
    }

    fn hessian_products(
        &self,
        output: u32,
        wrt: &[u32],
        directions: u32,
        point: &[TensorRef<'_>],
        seeds: &Seeds<'_>,
        way: &mut dyn Directional,
    ) -> Result<Vec<Filled>, Error> {
        let mut blocks: Vec<Filled> = wrt
            .iter()
            .map(|&w| {
                let ty = stacked(&self.inputs[w as usize], directions);
                Filled::zeros(ty).at(Some(output), Some(w), None)
            })
            .collect();
        let units = self.units(wrt);
        for k in 0..directions.max(1) as usize {
            let along = self.along(wrt, seeds, directions, k);
            for units in units.chunks(TOGETHER) {
                let pairs: Vec<Pair<'_>> = units
                    .iter()
                    .map(|&unit| (unit, Direction::Along(&along)))
                    .collect();
                let seconds = way.second(point, &pairs, output)?;
                for (unit, y) in units.iter().zip(seconds) {
                    let Direction::Unit { input, element } = *unit else {
                        continue;
                    };
                    let w = wrt.iter().position(|&w| w as usize == input).unwrap_or(0);
                    let n = self.inputs[input].elements() as usize;
                    blocks[w].numbers[k * n + element] = y;
                }
            }
        }
        Ok(blocks)
    }

    /// A client's direction over some inputs; the others stand still.
    fn along(&self, over: &[u32], seeds: &Seeds<'_>, directions: u32, k: usize) -> Vec<Vec<f64>> {
        let mut along = vec![vec![]; self.inputs.len()];
        for (s, &i) in over.iter().enumerate() {
            along[i as usize] = seeds.numbers(s, &self.inputs[i as usize], directions, k);
        }
        along
    }
}

/// The seeds of a product at one point.
struct Seeds<'a> {
    tensors: &'a [TensorRef<'a>],
    point: usize,
}

impl Seeds<'_> {
    /// Direction k of a seed of that type.
    fn numbers(&self, seed: usize, ty: &TensorType, directions: u32, k: usize) -> Vec<f64> {
        let size = ty.bytes() as usize;
        let at = (self.point * directions.max(1) as usize + k) * size;
        let raw = self.tensors[seed].raw()[at..at + size].to_vec();
        let tensor = Tensor::from_raw(ty.clone(), raw);
        tensor.expect("seeds have their declared types").to_f64()
    }
}

impl Filled {
    fn zeros(ty: TensorType) -> Self {
        Self {
            output: None,
            wrt: None,
            wrt_second: None,
            numbers: vec![0.0; ty.elements() as usize],
            ty,
        }
    }

    fn at(self, output: Option<u32>, wrt: Option<u32>, wrt_second: Option<u32>) -> Self {
        Self {
            output,
            wrt,
            wrt_second,
            ..self
        }
    }

    fn append_to(&self, raw: &mut Vec<u8>) {
        for &x in &self.numbers {
            raw.extend_from_slice(Tensor::scalar(self.ty.dtype, x).raw());
        }
    }

    fn finish(self, raw: Vec<u8>, batch: Option<u64>) -> Block {
        let shape = batch.into_iter().chain(self.ty.shape.iter().copied());
        let ty = TensorType::new(self.ty.dtype, shape.collect::<Vec<_>>());
        Block {
            output: self.output,
            wrt: self.wrt,
            wrt_second: self.wrt_second,
            tensor: Tensor::from_raw(ty, raw).expect("blocks are filled by their types"),
            coordinates: None,
        }
    }
}

fn pick<'t>(types: &'t [TensorType], positions: &[u32]) -> Vec<&'t TensorType> {
    positions.iter().map(|&i| &types[i as usize]).collect()
}

fn joined(of: &TensorType, by: &TensorType) -> TensorType {
    let shape: Vec<u64> = of.shape.iter().chain(by.shape.iter()).copied().collect();
    TensorType::new(of.dtype, shape)
}

fn stacked(ty: &TensorType, directions: u32) -> TensorType {
    let lead = (directions > 0).then_some(u64::from(directions));
    let shape = lead.into_iter().chain(ty.shape.iter().copied());
    TensorType::new(ty.dtype, shape.collect::<Vec<_>>())
}
