//! Products: names become indices, seeds become tensors, and what a product cannot mean is refused.

use super::{
    names::{Mentions, Signature},
    request::admit_memory,
    tensor::Payload,
};
use crate::{
    error::{Error, ProductPath, Result, quote},
    store::TensorStore,
};
use gradient_engine::{Graph, Layout, Product, TensorType};
use gradient_proto::v1 as pb;
use pb::product::Product as Wire;
use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
};

/// A graph with the names that a request knows it by.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The names.
    pub names: &'a Signature,
}

/// A product as the engine takes it.
pub struct Decoded {
    /// Indices in place of names.
    pub product: Product,
    /// Where it stands in the request.
    pub path: ProductPath,
    /// What its seeds must be, and what was given.
    pub seeds: Option<Seeds>,
}

/// Tangents, cotangents or vectors.
pub struct Seeds {
    /// Where their product stands in the request.
    path: ProductPath,
    /// Where they stand in it.
    field: &'static str,
    given: HashMap<String, pb::Tensor>,
    /// What one of them is called.
    word: &'static str,
    side: Side,
    /// Indices of the inputs or outputs that need one.
    targets: Vec<u32>,
    /// Sizes in front of the declared shape: none, or k.
    directions: Option<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Input,
    Output,
}

/// Collects the names that a product mentions.
pub fn mention<'a>(product: &'a pb::Product, mentions: &mut Mentions<'a>) {
    let (outputs, inputs): (Vec<&str>, Vec<&str>) = match &product.product {
        None => return,
        Some(Wire::Value(p)) => (list(&p.outputs), vec![]),
        Some(Wire::Gradient(p)) => (vec![&p.output], list(&p.wrt)),
        Some(Wire::Jacobian(p)) => (list(&p.outputs), list(&p.wrt)),
        Some(Wire::JacobianVectorProduct(p)) => (vec![], keys(&p.tangents)),
        Some(Wire::VectorJacobianProduct(p)) => (keys(&p.cotangents), vec![]),
        Some(Wire::Hessian(p)) => (vec![&p.output], list(&p.wrt)),
        Some(Wire::HessianVectorProduct(p)) => {
            let wrt = p.wrt.iter().chain(p.vectors.keys());
            (vec![&p.output], wrt.map(String::as_str).collect())
        }
    };
    // An output may be left out where there is only one.
    mentions
        .outputs
        .extend(outputs.iter().filter(|name| !name.is_empty()));
    mentions.inputs.extend(inputs);
}

fn list(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn keys(map: &HashMap<String, pb::Tensor>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

/// Reads the product of this number; `None`: the only one.
pub fn decode(product: pb::Product, number: Option<usize>, at: Named<'_>) -> Result<Decoded> {
    let field = product.product.as_ref().map_or("", field);
    let path = ProductPath { number, field };
    let Some(product) = product.product else {
        let message = "empty product: set value, gradient, jacobian, jacobian_vector_product, \
                       vector_jacobian_product, hessian or hessian_vector_product";
        return Err(Error::invalid(path, message));
    };
    let mut seeds = None;
    let product = match product {
        Wire::Value(p) => Product::Value {
            outputs: at.outputs(&p.outputs, &format_args!("{path}.outputs"), |_| true)?,
        },
        Wire::Gradient(p) => Product::Gradient {
            output: at.scalar(&p.output, &path, "a gradient", "a Jacobian")?,
            wrt: at.wrt(&p.wrt, &format_args!("{path}.wrt"))?,
        },
        Wire::Jacobian(p) => Product::Jacobian {
            outputs: at.outputs(&p.outputs, &format_args!("{path}.outputs"), |ty| {
                ty.dtype.is_float()
            })?,
            wrt: at.wrt(&p.wrt, &format_args!("{path}.wrt"))?,
            layout: layout(p.layout, &path)?,
        },
        Wire::JacobianVectorProduct(p) => {
            seeds = Some(Seeds {
                path,
                field: "tangents",
                given: p.tangents,
                word: "tangent",
                side: Side::Input,
                targets: at.wrt(&[], &format_args!("{path}.wrt"))?,
                directions: directions(p.directions),
            });
            Product::Jvp {
                directions: p.directions,
            }
        }
        Wire::VectorJacobianProduct(p) => {
            seeds = Some(Seeds {
                path,
                field: "cotangents",
                given: p.cotangents,
                word: "cotangent",
                side: Side::Output,
                targets: at.outputs(&[], &format_args!("{path}.outputs"), |ty| {
                    ty.dtype.is_float()
                })?,
                directions: directions(p.directions),
            });
            Product::Vjp {
                directions: p.directions,
            }
        }
        Wire::Hessian(p) => Product::Hessian {
            output: at.scalar(&p.output, &path, "a Hessian", "the Jacobian of a gradient")?,
            wrt: at.wrt(&p.wrt, &format_args!("{path}.wrt"))?,
            layout: layout(p.layout, &path)?,
        },
        Wire::HessianVectorProduct(p) => {
            let output = at.scalar(&p.output, &path, "a Hessian", "the Jacobian of a gradient")?;
            let wrt = at.wrt(&p.wrt, &format_args!("{path}.wrt"))?;
            seeds = Some(Seeds {
                path,
                field: "vectors",
                given: p.vectors,
                word: "vector",
                side: Side::Input,
                targets: wrt.clone(),
                directions: directions(p.directions),
            });
            let directions = p.directions;
            Product::Hvp {
                output,
                wrt,
                directions,
            }
        }
    };
    Ok(Decoded {
        product,
        path,
        seeds,
    })
}

fn directions(k: u32) -> Option<u64> {
    (k > 0).then_some(u64::from(k))
}

fn field(product: &Wire) -> &'static str {
    match product {
        Wire::Value(_) => "value",
        Wire::Gradient(_) => "gradient",
        Wire::Jacobian(_) => "jacobian",
        Wire::JacobianVectorProduct(_) => "jacobian_vector_product",
        Wire::VectorJacobianProduct(_) => "vector_jacobian_product",
        Wire::Hessian(_) => "hessian",
        Wire::HessianVectorProduct(_) => "hessian_vector_product",
    }
}

fn layout(number: i32, path: &ProductPath) -> Result<Layout> {
    let path = format_args!("{path}.layout");
    match pb::Layout::try_from(number) {
        Ok(pb::Layout::Unspecified | pb::Layout::Dense) => Ok(Layout::Dense),
        Ok(pb::Layout::Sparse) => Ok(Layout::Sparse),
        Ok(pb::Layout::Auto) => Ok(Layout::Auto),
        Err(_) => {
            let message =
                format!("unknown layout {number}: set LAYOUT_DENSE, LAYOUT_SPARSE or LAYOUT_AUTO");
            Err(Error::invalid(path, message))
        }
    }
}

impl Named<'_> {
    /// Type of an input.
    pub fn input_type(&self, index: u32) -> &TensorType {
        &self.graph.inputs()[index as usize].ty
    }

    /// Type of an output.
    pub fn output_type(&self, index: u32) -> &TensorType {
        self.graph.output_type(index as usize)
    }

    /// The outputs named at `path` in the order of the graph; no names mean all that are allowed.
    pub fn outputs(
        &self,
        names: &[String],
        path: &dyn Display,
        allowed: impl Fn(&TensorType) -> bool,
    ) -> Result<Vec<u32>> {
        let resolve = |name: &str, path: &dyn Display| self.names.resolve_output(name, path);
        let all = self.graph.outputs().len() as u32;
        let ty = |index| self.output_type(index);
        choose(
            names,
            path,
            "output",
            all,
            resolve,
            |index| allowed(ty(index)),
            ty,
        )
    }

    /// The inputs named at `path` in the order of the graph, all of floating-point type; no names mean all such.
    pub fn wrt(&self, names: &[String], path: &dyn Display) -> Result<Vec<u32>> {
        let resolve = |name: &str, path: &dyn Display| self.names.resolve_input(name, path);
        let all = self.graph.inputs().len() as u32;
        let ty = |index| self.input_type(index);
        choose(
            names,
            path,
            "input",
            all,
            resolve,
            |index| ty(index).dtype.is_float(),
            ty,
        )
    }

    fn scalar(&self, name: &str, path: &ProductPath, what: &str, instead: &str) -> Result<u32> {
        let path = format_args!("{path}.output");
        let index = match (name, self.graph.outputs().len()) {
            ("", 1) => 0,
            ("", count) => {
                let names: Vec<_> = self.names.outputs().iter().take(8).collect();
                let names: Vec<_> = names.iter().map(|name| quote(name).to_string()).collect();
                let message = format!(
                    "the graph has {count} outputs: name one of {}",
                    names.join(", ")
                );
                return Err(Error::invalid(path, message));
            }
            (name, _) => self.names.resolve_output(name, &path)?,
        };
        let (name, ty) = (quote(self.names.output(index)), self.output_type(index));
        if !ty.dtype.is_float() {
            let message = format!("output {name} is {ty}: only f64 and f32 have derivatives");
            return Err(Error::invalid(path, message));
        }
        if !ty.shape.is_empty() {
            let message = format!(
                "output {name} is {ty}, {what} needs a scalar: reduce it first (reduce_sum, reshape to []), \
                 or ask for {instead}"
            );
            return Err(Error::invalid(path, message));
        }
        Ok(index)
    }
}

fn choose<'t>(
    names: &[String],
    path: &dyn Display,
    kind: &str,
    all: u32,
    resolve: impl Fn(&str, &dyn Display) -> Result<u32>,
    allowed: impl Fn(u32) -> bool,
    ty: impl Fn(u32) -> &'t TensorType,
) -> Result<Vec<u32>> {
    let mut chosen: Vec<u32> = Vec::with_capacity(names.len());
    let mut seen = HashSet::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let path = format_args!("{path}[{i}]");
        let index = resolve(name, &path)?;
        if !allowed(index) {
            let (name, ty) = (quote(name), ty(index));
            let message =
                format!("{kind} {name} is {ty}: only f64 and f32 have derivatives; leave it out");
            return Err(Error::invalid(path, message));
        }
        if !seen.insert(index) {
            let message = format!("{kind} {} is named twice; leave one out", quote(name));
            return Err(Error::invalid(path, message));
        }
        chosen.push(index);
    }
    if names.is_empty() {
        chosen.extend((0..all).filter(|&index| allowed(index)));
    }
    if chosen.is_empty() {
        let message = format!("the graph has no floating-point {kind}: nothing to differentiate");
        return Err(Error::invalid(path, message));
    }
    // Blocks come in the order of the graph, however the request lists them.
    chosen.sort_unstable();
    Ok(chosen)
}

impl Seeds {
    /// The seeds in the order of their targets, with the leading axes that the engine wants: [B ++] [k ++]
    /// shape. A seed without the batch's axis is shared by all points.
    pub fn decode(
        self,
        at: Named<'_>,
        batch: Option<u64>,
        memory: (&'static str, u64),
        resident: &TensorStore,
    ) -> Result<Vec<Payload>> {
        let mut given = HashMap::with_capacity(self.given.len());
        // Sorted, so that the same request gets the same error.
        let mut sorted: Vec<_> = self.given.into_iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, tensor) in sorted {
            let path = format_args!("{}.{}[{}]", self.path, self.field, quote(&name));
            let index = match self.side {
                Side::Input => at.names.resolve_input(&name, &path)?,
                Side::Output => at.names.resolve_output(&name, &path)?,
            };
            if self.targets.binary_search(&index).is_err() {
                let message = format!(
                    "no {} belongs here: it is not of floating-point type, or not in wrt; leave it out",
                    self.word
                );
                return Err(Error::invalid(path, message));
            }
            let payload = Payload::decode(tensor, &path, resident)?;
            if given.insert(index, payload).is_some() {
                let message = "given twice, by name and by position; leave one out";
                return Err(Error::invalid(path, message));
            }
        }
        let mut seeds = Vec::with_capacity(self.targets.len());
        for target in self.targets {
            let (name, declared) = match self.side {
                Side::Input => (at.names.input(target), at.input_type(target)),
                Side::Output => (at.names.output(target), at.output_type(target)),
            };
            let path = format_args!("{}.{}[{}]", self.path, self.field, quote(name));
            let Some(payload) = given.remove(&target) else {
                let message = format!(
                    "no {}: give one of type {declared}{}; zeros where it stands still",
                    self.word,
                    self.directions
                        .map_or(String::new(), |k| format!(" with a leading axis {k}")),
                );
                return Err(Error::invalid(path, message));
            };
            let batched = fit(payload.ty(), declared, batch, self.directions)
                .map_err(|message| Error::invalid(path, message))?;
            seeds.push(match batch {
                Some(points) if !batched => {
                    let asked = points.saturating_mul(payload.raw().len() as u64);
                    admit_memory(memory, asked)?;
                    payload.repeat(points)
                }
                _ => payload,
            });
        }
        Ok(seeds)
    }
}

/// Whether a given type is the declared one (after the leading axis `directions`), shared by all points: false;
/// or with the leading axis of the batch: true; or else what is wrong.
pub fn fit(
    given: &TensorType,
    declared: &TensorType,
    batch: Option<u64>,
    directions: Option<u64>,
) -> Result<bool, String> {
    let shared = || directions.into_iter().chain(declared.shape.iter().copied());
    if given.dtype == declared.dtype {
        if given.shape.iter().copied().eq(shared()) {
            return Ok(false);
        }
        if batch.is_some_and(|points| {
            let first = given.shape.split_first();
            first.is_some_and(|(&first, rest)| first == points && rest.iter().copied().eq(shared()))
        }) {
            return Ok(true);
        }
    }
    let expected = TensorType::new(declared.dtype, shared().collect::<Vec<_>>());
    Err(match batch {
        None => format!("expected {expected}, got {given}"),
        Some(points) => format!(
            "expected {expected}, shared by all points, or the same with a leading axis {points}, got {given}"
        ),
    })
}
