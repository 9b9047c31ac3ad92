mod compressed;
mod crossed;
mod gathered;
mod jacobian;
mod second_order;
mod structure;

pub use structure::structure;

use super::cost::Price;
use super::mode::{Size, plan, sweeps};
use super::{BlockSource, Chain, Compressed, Entry};
use super::{Candidate, HvpMode, Layout, Mode, NonFinite, Options, Plan, Product, Request};
use crate::error::Error;
use crate::graph::Graph;
use crate::op::{Attributes, ValueId};
use crate::tensor::TensorType;
use crate::transform::{InputPlace, Packing, Parts, Workspace, between, jvp, segmented, vjp};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Above this many nodes only one of two ways is written down.
const BOTH_BELOW: usize = 100_000;

/// What a lane of a group holds in a seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SeedSource {
    /// Lane `offset + e` is the unit vector of element `e`.
    Unit {
        /// The seed's first lane.
        offset: u64,
    },
    /// The client's tensor: one a lane.
    Given {
        /// Position among the product's seeds.
        index: usize,
    },
    /// Lane c is 1 in the elements of colour c, else 0.
    Colored {
        /// Colours of all seeds' elements.
        colors: Arc<[u32]>,
        /// Elements of the seeds before this one.
        offset: u64,
    },
}

/// A parameter that carries directions.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The parameter.
    pub parameter: ValueId,
    /// What it holds.
    pub source: SeedSource,
}

/// Directions that are swept together, one a lane.
#[derive(Clone, Debug)]
pub struct Group {
    /// Number of directions.
    pub lanes: u64,
    /// What carries them.
    pub seeds: Vec<Seed>,
    /// The product they belong to.
    pub product: usize,
}

/// A product as values of the workspace.
#[derive(Clone, Debug)]
pub struct DerivedProduct {
    /// Its directions; `None` where it needs none.
    pub group: Option<usize>,
    /// Its blocks.
    pub blocks: Vec<BlockSource>,
    /// What fills blocks entry by entry, from groups of several.
    pub compressed: Vec<Compressed>,
    /// To do in order when all is read: from the first entry take the second.
    pub subtractions: Vec<(Entry, Entry)>,
    /// What fills all blocks as a product of factors.
    pub chain: Option<Chain>,
    /// How it was planned.
    pub plan: Plan,
}

/// All products of a request as values of one workspace: what they share is there once.
pub struct Derivation {
    /// The values.
    pub workspace: Workspace,
    /// The graph's inputs. Elements of a parameter come in their order.
    pub inputs: Vec<InputPlace>,
    /// Directions.
    pub groups: Vec<Group>,
    /// The products, in order.
    pub products: Vec<DerivedProduct>,
}

/// Writes the products' derivatives down, choosing modes; of a graph cut in parts, if they are given.
pub fn derive(graph: &Graph, request: &Request, parts: Option<Parts>) -> Result<Derivation, Error> {
    let packing = packing(graph, request);
    let (products, options) = (&request.products, &request.options);
    derive_all(graph, products, options, packing.as_ref(), true, parts)
}

/// Which inputs may be put together: what a product is asked for by some of them alone stays apart, and so does what
/// some points of a batch share. Other products than gradients tell their directions and blocks by inputs.
fn packing(graph: &Graph, request: &Request) -> Option<Packing> {
    // For each gradient whether it needs an input, and whether it is asked for by it.
    let mut asked: Vec<Vec<[bool; 2]>> = Vec::new();
    for product in &request.products {
        match product {
            Product::Value { .. } => {}
            Product::Gradient { output, wrt } => {
                let output = graph.outputs().get(*output as usize)?.value;
                let needed = graph.arena().needed([output]);
                let inputs = graph.inputs().iter();
                let mut own: Vec<[bool; 2]> = inputs
                    .map(|input| [needed[input.value.index()], false])
                    .collect();
                for &w in wrt {
                    own.get_mut(w as usize)?[1] = true;
                }
                asked.push(own);
            }
            _ => return None,
        }
    }
    Packing::of(graph, |i| {
        let batched = request.batched.as_ref().is_some_and(|b| b[i]);
        let asked: SmallVec<[[bool; 2]; 4]> = asked.iter().map(|own| own[i]).collect();
        (batched, asked)
    })
}

/// Bytes that go from one part of a graph to the next, about.
pub fn across(graph: &Graph, options: &Options) -> u64 {
    const CUTS: u32 = 16;
    let (workspace, _, outputs) = Workspace::checked(graph, options.non_smooth, false, true, None);
    between(&workspace, &outputs, CUTS + 1) / u64::from(CUTS)
}

/// The same for a derivative that becomes a graph of its own: a direction for each element, blocks dense.
pub(super) fn derive_written(
    graph: &Graph,
    product: &Product,
    options: &Options,
) -> Result<Derivation, Error> {
    if options.mode == Some(Mode::Mixed) {
        return Err(Error::Unimplemented(
            "MODE_MIXED of a derivative as a graph".into(),
        ));
    }
    if let Product::Jacobian { layout, .. } | Product::Hessian { layout, .. } = product
        && *layout == Layout::Sparse
    {
        return Err(Error::Unimplemented(
            "LAYOUT_SPARSE of a derivative as a graph".into(),
        ));
    }
    derive_all(
        graph,
        std::slice::from_ref(product),
        options,
        None,
        false,
        None,
    )
}

fn derive_all(
    graph: &Graph,
    products: &[Product],
    options: &Options,
    packing: Option<&Packing>,
    compresses: bool,
    parts: Option<Parts>,
) -> Result<Derivation, Error> {
    let finite = options.non_finite == NonFinite::Error;
    // Matrices want to know what depends on what, and who reads a derivative wants to find the graph in it.
    let matrix = |p: &Product| matches!(p, Product::Jacobian { .. } | Product::Hessian { .. });
    let rolls = compresses && !products.iter().any(matrix);
    let whole = Workspace::checked(graph, options.non_smooth, finite, rolls, packing);
    let (workspace, inputs, outputs) = match parts {
        Some(parts) => segmented(whole, parts),
        None => whole,
    };
    let mut deriver = Deriver {
        graph,
        options,
        outputs,
        derivation: Derivation {
            workspace,
            inputs,
            groups: Vec::new(),
            products: Vec::new(),
        },
        product: 0,
        compresses,
    };
    for (i, product) in products.iter().enumerate() {
        deriver.product = i;
        let derived = deriver.product(product)?;
        let workspace = &deriver.derivation.workspace;
        if let Some(error) = workspace.trouble() {
            return Err(error.clone());
        }
        if let Some(op) = workspace.lacking() {
            return Err(Error::lacks(op));
        }
        deriver.derivation.products.push(derived);
    }
    Ok(deriver.derivation)
}

struct Deriver<'a> {
    graph: &'a Graph,
    options: &'a Options,
    outputs: Vec<ValueId>,
    derivation: Derivation,
    product: usize,
    /// Whether colours may be used.
    compresses: bool,
}

/// The inputs of a `wrt` list that matter.
#[derive(Default)]
struct Live {
    /// Them, in order.
    values: Vec<ValueId>,
    /// For each input of the list where it stands among them; `None` if it does not matter.
    places: Vec<Option<LivePlace>>,
    /// n: their elements.
    elements: u64,
}

#[derive(Clone, Copy)]
struct LivePlace {
    /// Position among the live inputs.
    at: usize,
    /// Elements of the live inputs before it: the first of its lanes.
    first: u64,
    /// Which element of the live input it is, if it is one.
    element: Option<u32>,
}

/// One way to compute a product: its values, its seeds, its price.
struct Way {
    values: Vec<Option<ValueId>>,
    seeds: Vec<Seed>,
    lanes: u64,
    candidate: Candidate,
    price: Price,
}

impl Deriver<'_> {
    fn cx(&mut self) -> &mut Workspace {
        &mut self.derivation.workspace
    }

    fn ty(&self, value: ValueId) -> TensorType {
        self.derivation.workspace.arena().ty(value).clone()
    }

    /// The value of an input. Where inputs may be put together: of all these.
    fn input(&self, i: u32) -> ValueId {
        self.derivation.inputs[i as usize].value
    }

    fn output(&self, i: u32) -> ValueId {
        self.outputs[i as usize]
    }

    fn product(&mut self, product: &Product) -> Result<DerivedProduct, Error> {
        match product {
            Product::Value { outputs } => Ok(self.value(outputs)),
            Product::Gradient { output, wrt } => {
                self.scalar(
                    "gradient.output",
                    *output,
                    "ask for a Jacobian, or reduce it to a scalar first",
                )?;
                self.jacobian(&[*output], wrt, None)
            }
            Product::Jacobian {
                outputs,
                wrt,
                layout,
            } => self.jacobian(outputs, wrt, Some(*layout)),
            Product::Jvp { directions } => self.directional(Mode::Forward, *directions),
            Product::Vjp { directions } => self.directional(Mode::Reverse, *directions),
            Product::Hessian {
                output,
                wrt,
                layout,
            } => {
                self.scalar("hessian.output", *output, "reduce it to a scalar first")?;
                self.hessian(*output, wrt, *layout)
            }
            Product::Hvp {
                output,
                wrt,
                directions,
            } => {
                self.scalar(
                    "hessian_vector_product.output",
                    *output,
                    "reduce it to a scalar first",
                )?;
                self.hvp(*output, wrt, *directions)
            }
        }
    }

    fn is_large(&self) -> bool {
        self.derivation.workspace.arena().node_count() > BOTH_BELOW
    }

    fn size(&self) -> Size {
        let is_loop = |attributes: &Attributes| match attributes {
            Attributes::Control(control) => control.turns(1) > 0,
            _ => false,
        };
        let arena = self.derivation.workspace.arena();
        match self.is_large() {
            true => Size::Large,
            false if arena.all_attributes().iter().any(is_loop) => Size::Loops,
            false => Size::Small,
        }
    }

    fn scalar(&self, field: &'static str, output: u32, repair: &str) -> Result<(), Error> {
        let ty = self.graph.output_type(output as usize);
        if ty.shape.is_empty() && ty.dtype.is_float() {
            return Ok(());
        }
        let name = &self.graph.outputs()[output as usize].name;
        Err(Error::Product {
            product: self.product,
            field,
            message: format!("output {name:?} is {ty}, not a floating-point scalar; {repair}"),
        })
    }

    /// The inputs of `wrt` that the outputs depend on.
    fn live(&self, outputs: &[ValueId], wrt: &[u32]) -> Live {
        let arena = self.derivation.workspace.arena();
        let needed = arena.needed(outputs.iter().copied());
        let mut live = Live::default();
        // Where those begin of which inputs are elements.
        let mut begun: FxHashMap<ValueId, LivePlace> = FxHashMap::default();
        // Most are elements of the same as the one before.
        let mut last: Option<(ValueId, LivePlace)> = None;
        for &w in wrt {
            let InputPlace { value, element } = self.derivation.inputs[w as usize];
            if !needed[value.index()] {
                live.places.push(None);
                continue;
            }
            let next = LivePlace {
                at: live.values.len(),
                first: live.elements,
                element: None,
            };
            let place = match (element, last) {
                (None, _) => next,
                (_, Some((known, place))) if known == value => place,
                _ => *begun.entry(value).or_insert(next),
            };
            if element.is_some() {
                last = Some((value, place));
            }
            if place.at == live.values.len() {
                live.values.push(value);
                live.elements += arena.ty(value).elements();
            }
            live.places.push(Some(LivePlace {
                first: place.first + u64::from(element.unwrap_or(0)),
                element,
                ..place
            }));
        }
        live
    }

    fn elements(&self, values: &[ValueId]) -> u64 {
        let arena = self.derivation.workspace.arena();
        values.iter().map(|&v| arena.ty(v).elements()).sum()
    }

    fn group(&mut self, way: &Way) -> usize {
        self.derivation.groups.push(Group {
            lanes: way.lanes,
            seeds: way.seeds.clone(),
            product: self.product,
        });
        self.derivation.groups.len() - 1
    }

    /// A fresh parameter for each value, holding what `source` says of its position and of the elements before it.
    fn seeds(
        &mut self,
        values: &[ValueId],
        source: impl Fn(usize, u64) -> SeedSource,
    ) -> (Vec<(ValueId, ValueId)>, Vec<Seed>, u64) {
        let mut before = 0;
        let mut pairs = Vec::with_capacity(values.len());
        let mut seeds = Vec::with_capacity(values.len());
        for (index, &value) in values.iter().enumerate() {
            let ty = self.ty(value);
            let elements = ty.elements();
            let parameter = self.cx().parameter(ty);
            let source = source(index, before);
            pairs.push((value, parameter));
            seeds.push(Seed { parameter, source });
            before += elements;
        }
        (pairs, seeds, before)
    }

    /// Unit directions that follow one another, one for each element.
    fn units(&mut self, values: &[ValueId]) -> (Vec<(ValueId, ValueId)>, Vec<Seed>, u64) {
        self.seeds(values, |_, offset| SeedSource::Unit { offset })
    }

    /// The client's directions.
    fn given(&mut self, values: &[ValueId]) -> (Vec<(ValueId, ValueId)>, Vec<Seed>) {
        let (pairs, seeds, _) = self.seeds(values, |index, _| SeedSource::Given { index });
        (pairs, seeds)
    }

    /// Prices values that were written down.
    fn way(
        &self,
        values: Vec<Option<ValueId>>,
        seeds: Vec<Seed>,
        lanes: u64,
        mode: Mode,
        hvp_mode: Option<HvpMode>,
    ) -> Way {
        let parameters: Vec<ValueId> = seeds.iter().map(|s| s.parameter).collect();
        let arena = self.derivation.workspace.arena();
        let price = Price::of(
            self.options.costs,
            arena,
            values.iter().copied().flatten(),
            &parameters,
        );
        Way {
            values,
            seeds,
            lanes,
            candidate: Candidate {
                mode,
                hvp_mode,
                sweeps: sweeps(lanes),
                operations: price.operations(lanes),
                nanoseconds: price.nanoseconds(lanes),
            },
            price,
        }
    }

    fn value(&mut self, outputs: &[u32]) -> DerivedProduct {
        let blocks = outputs
            .iter()
            .map(|&o| {
                let value = self.output(o);
                BlockSource::plain(Some(value), self.ty(value)).at(Some(o), None, None)
            })
            .collect();
        let values = outputs.iter().map(|&o| self.output(o));
        let arena = self.derivation.workspace.arena();
        let price = Price::of(self.options.costs, arena, values, &[]);
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let m = self.elements(&ys);
        DerivedProduct {
            group: None,
            blocks,
            compressed: vec![],
            subtractions: vec![],
            chain: None,
            plan: plan(vec![], "no derivative asked for".into(), 0, m, price),
        }
    }

    fn one(&mut self, scalar: ValueId) -> ValueId {
        let dtype = self.ty(scalar).dtype;
        self.cx().scalar(dtype, 1.0)
    }

    /// J·v and Jᵀ·c: the client's directions on one end, blocks on the other.
    fn directional(&mut self, mode: Mode, directions: u32) -> Result<DerivedProduct, Error> {
        let (wrt, outputs) = (self.graph.float_inputs(), self.graph.float_outputs());
        let xs: Vec<ValueId> = wrt.iter().map(|&i| self.input(i)).collect();
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let n = self.live(&ys, &wrt).elements;
        let m = self.elements(&ys);
        let forward = mode == Mode::Forward;
        let (pairs, seeds) = self.given(if forward { &xs } else { &ys });
        let values = match forward {
            true => jvp(self.cx(), &ys, &pairs),
            false => vjp(self.cx(), &pairs, &xs)?,
        };
        let way = self.way(values, seeds, lanes(directions), mode, None);
        let (positions, ends) = if forward {
            (&outputs, &ys)
        } else {
            (&wrt, &xs)
        };
        let blocks = positions.iter().zip(ends).zip(&way.values);
        let blocks = blocks
            .map(|((&position, &end), &value)| {
                let block = BlockSource::stacked(value, &self.ty(end), directions);
                match forward {
                    true => block.at(Some(position), None, None),
                    false => block.at(None, Some(position), None),
                }
            })
            .collect();
        let why = match forward {
            true => "forward: a product with tangents is one sweep a direction",
            false => "reverse: a product with cotangents is one sweep a direction",
        };
        Ok(DerivedProduct {
            group: Some(self.group(&way)),
            blocks,
            compressed: vec![],
            subtractions: vec![],
            chain: None,
            plan: plan(vec![way.candidate], why.into(), n, m, Price::default()),
        })
    }
}

fn lanes(directions: u32) -> u64 {
    u64::from(directions).max(1)
}
