use super::layout::BlockSource;
use super::mode::{choose, plan, price, reason, sweeps, worth_pricing};
use super::{Candidate, HvpMode, Layout, Mode, NonFinite, NonSmooth, Options, Plan, Product};
use crate::error::Error;
use crate::graph::Graph;
use crate::op::ValueId;
use crate::tensor::TensorType;
use crate::transform::{Workspace, jvp, vjp};

/// Above this many nodes only one of two ways is written down.
const BOTH_BELOW: usize = 100_000;

/// What a lane of a group holds in a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
}

/// A parameter that carries directions.
#[derive(Clone, Copy, Debug)]
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
    /// How it was planned.
    pub plan: Plan,
}

/// All products of a request as values of one workspace: what they share is there once.
pub struct Derivation {
    /// The values.
    pub workspace: Workspace,
    /// The graph's inputs.
    pub inputs: Vec<ValueId>,
    /// Directions.
    pub groups: Vec<Group>,
    /// The products, in order.
    pub products: Vec<DerivedProduct>,
}

/// Writes the products' derivatives down, choosing modes.
pub fn derive(graph: &Graph, products: &[Product], options: &Options) -> Result<Derivation, Error> {
    if options.mode == Some(Mode::Mixed) {
        return Err(Error::Unimplemented("MODE_MIXED".into()));
    }
    let (workspace, inputs, outputs) = Workspace::of(graph);
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
    };
    for (i, product) in products.iter().enumerate() {
        deriver.product = i;
        let derived = deriver.product(product)?;
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
}

/// One way to compute a product: its values, its seeds, its price.
struct Way {
    values: Vec<Option<ValueId>>,
    seeds: Vec<Seed>,
    lanes: u64,
    candidate: Candidate,
}

impl Deriver<'_> {
    fn cx(&mut self) -> &mut Workspace {
        &mut self.derivation.workspace
    }

    fn ty(&self, value: ValueId) -> TensorType {
        self.derivation.workspace.arena().ty(value).clone()
    }

    fn input(&self, i: u32) -> ValueId {
        self.derivation.inputs[i as usize]
    }

    fn output(&self, i: u32) -> ValueId {
        self.outputs[i as usize]
    }

    fn product(&mut self, product: &Product) -> Result<DerivedProduct, Error> {
        let policy = match self.options.non_smooth {
            NonSmooth::Standard => None,
            NonSmooth::Jax => Some("NON_SMOOTH_JAX"),
            NonSmooth::PyTorch => Some("NON_SMOOTH_PYTORCH"),
            NonSmooth::Strict => Some("NON_SMOOTH_STRICT"),
        };
        if let Some(policy) = policy.filter(|_| !matches!(product, Product::Value { .. })) {
            return Err(Error::Unimplemented(policy.into()));
        }
        if self.options.non_finite == NonFinite::Error {
            return Err(Error::Unimplemented("NON_FINITE_ERROR".into()));
        }
        match product {
            Product::Value { outputs } => Ok(self.value(outputs)),
            Product::Gradient { output, wrt } => {
                self.scalar(
                    "gradient.output",
                    *output,
                    "ask for a Jacobian, or reduce it to a scalar first",
                )?;
                self.jacobian(&[*output], wrt, true)
            }
            Product::Jacobian {
                outputs,
                wrt,
                layout,
            } => {
                dense(*layout)?;
                self.jacobian(outputs, wrt, false)
            }
            Product::Jvp { directions } => Ok(self.jvp(*directions)),
            Product::Vjp { directions } => self.vjp(*directions),
            Product::Hessian {
                output,
                wrt,
                layout,
            } => {
                dense(*layout)?;
                self.scalar("hessian.output", *output, "reduce it to a scalar first")?;
                self.hessian(*output, wrt)
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

    /// Positions, among `wrt`, of the inputs that the outputs depend on, and their elements.
    fn live(&self, outputs: &[ValueId], wrt: &[u32]) -> (Vec<usize>, u64) {
        let needed = self
            .derivation
            .workspace
            .arena()
            .needed(outputs.iter().copied());
        let live: Vec<usize> = (0..wrt.len())
            .filter(|&k| needed[self.input(wrt[k]).index()])
            .collect();
        let elements = live.iter().map(|&k| self.ty(self.input(wrt[k])).elements());
        let n = elements.sum();
        (live, n)
    }

    fn group(&mut self, way: &Way) -> usize {
        self.derivation.groups.push(Group {
            lanes: way.lanes,
            seeds: way.seeds.clone(),
            product: self.product,
        });
        self.derivation.groups.len() - 1
    }

    /// A fresh parameter for each value, with unit directions that follow one another.
    fn units(&mut self, values: &[ValueId]) -> (Vec<(ValueId, ValueId)>, Vec<Seed>, u64) {
        let mut offset = 0;
        let mut pairs = Vec::with_capacity(values.len());
        let mut seeds = Vec::with_capacity(values.len());
        for &value in values {
            let ty = self.ty(value);
            let elements = ty.elements();
            let parameter = self.cx().parameter(ty);
            pairs.push((value, parameter));
            let source = SeedSource::Unit { offset };
            seeds.push(Seed { parameter, source });
            offset += elements;
        }
        (pairs, seeds, offset)
    }

    /// A fresh parameter for each value, for the client's directions.
    fn given(&mut self, values: &[ValueId]) -> (Vec<(ValueId, ValueId)>, Vec<Seed>) {
        let mut pairs = Vec::with_capacity(values.len());
        let mut seeds = Vec::with_capacity(values.len());
        for (index, &value) in values.iter().enumerate() {
            let ty = self.ty(value);
            let parameter = self.cx().parameter(ty);
            pairs.push((value, parameter));
            let source = SeedSource::Given { index };
            seeds.push(Seed { parameter, source });
        }
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
        let (still, moving) = price(arena, values.iter().copied().flatten(), &parameters);
        Way {
            values,
            seeds,
            lanes,
            candidate: Candidate {
                mode,
                hvp_mode,
                sweeps: sweeps(lanes),
                operations: still.saturating_add(moving.saturating_mul(lanes)),
            },
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
        let (cost, _) = price(self.derivation.workspace.arena(), values, &[]);
        let m = outputs
            .iter()
            .map(|&o| self.ty(self.output(o)).elements())
            .sum();
        DerivedProduct {
            group: None,
            blocks,
            plan: plan(vec![], "no derivative asked for".into(), 0, m, cost),
        }
    }

    fn jacobian(
        &mut self,
        outputs: &[u32],
        wrt: &[u32],
        gradient: bool,
    ) -> Result<DerivedProduct, Error> {
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let (live, n) = self.live(&ys, wrt);
        let xs: Vec<ValueId> = live.iter().map(|&k| self.input(wrt[k])).collect();
        let m: u64 = ys.iter().map(|&y| self.ty(y).elements()).sum();
        let nothing = n == 0 || m == 0;
        let (forward, reverse) = match nothing {
            true => (None, None),
            false => {
                let (forward, reverse) = worth_pricing(self.options.mode, n, m, self.is_large());
                let forward = forward.then(|| self.forward(&ys, &xs));
                let reverse = reverse.then(|| self.reverse(&ys, &xs)).transpose()?;
                (forward, reverse)
            }
        };
        let candidate = |way: &Option<Way>| way.as_ref().map(|w| w.candidate.clone());
        let candidates = choose(candidate(&forward), candidate(&reverse));
        let forced = self.options.mode.is_some();
        let why = reason(&candidates, forced, n, m);
        let chosen = match candidates.first().map(|c| c.mode) {
            Some(Mode::Reverse) => reverse,
            _ => forward,
        };
        let columns = chosen
            .as_ref()
            .is_some_and(|w| w.candidate.mode == Mode::Forward);
        let mut blocks = Vec::with_capacity(outputs.len() * wrt.len());
        let mut row = 0;
        for (i, &o) in outputs.iter().enumerate() {
            let of = self.ty(ys[i]);
            let mut column = 0;
            for (k, &w) in wrt.iter().enumerate() {
                let by = self.ty(self.input(w));
                let position = live.iter().position(|&l| l == k);
                let value = position
                    .zip(chosen.as_ref())
                    .and_then(|(at, way)| match columns {
                        true => way.values[i],
                        false => way.values[at],
                    });
                let first = if columns { column } else { row };
                let block = BlockSource::matrix(value, &of, &by, first, columns);
                blocks.push(block.at(Some(o), Some(w), None));
                if position.is_some() {
                    column += by.elements();
                }
            }
            row += of.elements();
        }
        // In reverse the rows of one output's block hold only that output's lanes, which is right; the gradient
        // of a scalar has one lane whose seed is the constant 1 and needs no group.
        let group = chosen
            .filter(|way| !way.seeds.is_empty())
            .map(|way| self.group(&way));
        debug_assert!(!gradient || m <= 1);
        Ok(DerivedProduct {
            group,
            blocks,
            plan: plan(candidates, why, n, m, 0),
        })
    }

    fn forward(&mut self, ys: &[ValueId], xs: &[ValueId]) -> Way {
        let (pairs, seeds, lanes) = self.units(xs);
        let values = jvp(self.cx(), ys, &pairs);
        self.way(values, seeds, lanes, Mode::Forward, None)
    }

    fn reverse(&mut self, ys: &[ValueId], xs: &[ValueId]) -> Result<Way, Error> {
        let (pairs, seeds, lanes) = match *ys {
            // One scalar: its only direction is the constant 1, and everything is lane-independent.
            [y] if self.ty(y).shape.is_empty() => (vec![(y, self.one(y))], vec![], 1),
            _ => self.units(ys),
        };
        let values = vjp(self.cx(), &pairs, xs)?;
        Ok(self.way(values, seeds, lanes, Mode::Reverse, None))
    }

    fn one(&mut self, scalar: ValueId) -> ValueId {
        let dtype = self.ty(scalar).dtype;
        self.cx().scalar(dtype, 1.0)
    }

    fn jvp(&mut self, directions: u32) -> DerivedProduct {
        let wrt = self.graph.float_inputs();
        let outputs = self.graph.float_outputs();
        let xs: Vec<ValueId> = wrt.iter().map(|&i| self.input(i)).collect();
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let (_, n) = self.live(&ys, &wrt);
        let m = ys.iter().map(|&y| self.ty(y).elements()).sum();
        let (pairs, seeds) = self.given(&xs);
        let values = jvp(self.cx(), &ys, &pairs);
        let way = self.way(values, seeds, lanes(directions), Mode::Forward, None);
        let blocks = outputs
            .iter()
            .zip(&way.values)
            .map(|(&o, &value)| {
                let ty = self.ty(self.output(o));
                BlockSource::stacked(value, &ty, directions).at(Some(o), None, None)
            })
            .collect();
        let why = "forward: a product with tangents is one sweep a direction".to_string();
        DerivedProduct {
            group: Some(self.group(&way)),
            blocks,
            plan: plan(vec![way.candidate], why, n, m, 0),
        }
    }

    fn vjp(&mut self, directions: u32) -> Result<DerivedProduct, Error> {
        let wrt = self.graph.float_inputs();
        let outputs = self.graph.float_outputs();
        let xs: Vec<ValueId> = wrt.iter().map(|&i| self.input(i)).collect();
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let (_, n) = self.live(&ys, &wrt);
        let m = ys.iter().map(|&y| self.ty(y).elements()).sum();
        let (pairs, seeds) = self.given(&ys);
        let values = vjp(self.cx(), &pairs, &xs)?;
        let way = self.way(values, seeds, lanes(directions), Mode::Reverse, None);
        let blocks = wrt
            .iter()
            .zip(&way.values)
            .map(|(&w, &value)| {
                let ty = self.ty(self.input(w));
                BlockSource::stacked(value, &ty, directions).at(None, Some(w), None)
            })
            .collect();
        let why = "reverse: a product with cotangents is one sweep a direction".to_string();
        Ok(DerivedProduct {
            group: Some(self.group(&way)),
            blocks,
            plan: plan(vec![way.candidate], why, n, m, 0),
        })
    }

    /// H·v in the ways that are worth it, the cheapest first.
    fn hvp_ways(
        &mut self,
        y: ValueId,
        xs: &[ValueId],
        pairs: &[(ValueId, ValueId)],
        seeds: &[Seed],
        lanes: u64,
    ) -> Result<Vec<Way>, Error> {
        let large = self.is_large();
        let modes: &[HvpMode] = match self.options.hvp_mode {
            Some(HvpMode::ReverseOverForward) => &[HvpMode::ReverseOverForward],
            Some(HvpMode::ForwardOverReverse) => &[HvpMode::ForwardOverReverse],
            None if large => &[HvpMode::ForwardOverReverse],
            None => &[HvpMode::ForwardOverReverse, HvpMode::ReverseOverForward],
        };
        let one = self.one(y);
        let mut ways = Vec::with_capacity(2);
        for &mode in modes {
            let values = match mode {
                HvpMode::ReverseOverForward => {
                    let along = jvp(self.cx(), &[y], pairs)[0];
                    match along {
                        Some(along) => vjp(self.cx(), &[(along, one)], xs)?,
                        None => vec![None; xs.len()],
                    }
                }
                HvpMode::ForwardOverReverse => {
                    let gradient = vjp(self.cx(), &[(y, one)], xs)?;
                    let there: Vec<ValueId> = gradient.iter().copied().flatten().collect();
                    let mut along = jvp(self.cx(), &there, pairs).into_iter();
                    let pick = |g: &Option<ValueId>| g.and_then(|_| along.next().flatten());
                    gradient.iter().map(pick).collect()
                }
            };
            ways.push(self.way(values, seeds.to_vec(), lanes, Mode::Mixed, Some(mode)));
        }
        ways.sort_by_key(|w| w.candidate.operations);
        Ok(ways)
    }

    fn hvp_plan(&self, ways: &[Way], n: u64) -> Plan {
        let candidates: Vec<Candidate> = ways.iter().map(|w| w.candidate.clone()).collect();
        let name = |c: &Candidate| match c.hvp_mode {
            Some(HvpMode::ReverseOverForward) => "reverse over forward",
            _ => "forward over reverse",
        };
        let why = match &candidates[..] {
            [only] if self.options.hvp_mode.is_some() => {
                format!(
                    "{}: asked for by the request; {} sweeps",
                    name(only),
                    only.sweeps
                )
            }
            [best, other] => format!(
                "{}: {} operations, {} would cost {}; {} of {n} inputs",
                name(best),
                best.operations,
                name(other),
                other.operations,
                if best.sweeps == 1 {
                    "1 sweep".into()
                } else {
                    format!("{} sweeps", best.sweeps)
                },
            ),
            [only, ..] => format!("{}: {} sweeps, {n} inputs", name(only), only.sweeps),
            [] => "the output depends on no input; the Hessian is zero".into(),
        };
        plan(candidates, why, n, 1, 0)
    }

    fn hvp(&mut self, output: u32, wrt: &[u32], directions: u32) -> Result<DerivedProduct, Error> {
        let y = self.output(output);
        let xs: Vec<ValueId> = wrt.iter().map(|&w| self.input(w)).collect();
        let (_, n) = self.live(&[y], wrt);
        let (pairs, seeds) = self.given(&xs);
        let ways = self.hvp_ways(y, &xs, &pairs, &seeds, lanes(directions))?;
        let plan = self.hvp_plan(&ways, n);
        let best = &ways[0];
        let blocks = wrt
            .iter()
            .zip(&best.values)
            .map(|(&w, &value)| {
                let ty = self.ty(self.input(w));
                BlockSource::stacked(value, &ty, directions).at(Some(output), Some(w), None)
            })
            .collect();
        Ok(DerivedProduct {
            group: Some(self.group(best)),
            blocks,
            plan,
        })
    }

    fn hessian(&mut self, output: u32, wrt: &[u32]) -> Result<DerivedProduct, Error> {
        let y = self.output(output);
        let (live, n) = self.live(&[y], wrt);
        let xs: Vec<ValueId> = live.iter().map(|&k| self.input(wrt[k])).collect();
        let ways = match n {
            0 => vec![],
            _ => {
                let (pairs, seeds, lanes) = self.units(&xs);
                self.hvp_ways(y, &xs, &pairs, &seeds, lanes)?
            }
        };
        let plan = self.hvp_plan(&ways, n);
        let best = ways.first();
        let mut blocks = Vec::with_capacity(wrt.len() * wrt.len());
        for (i, &w1) in wrt.iter().enumerate() {
            let of = self.ty(self.input(w1));
            let mut column = 0;
            for (k, &w2) in wrt.iter().enumerate() {
                let by = self.ty(self.input(w2));
                let alive = live.contains(&k);
                let value = live
                    .iter()
                    .position(|&l| l == i)
                    .filter(|_| alive)
                    .and_then(|at| best?.values[at]);
                let block = BlockSource::matrix(value, &of, &by, column, true);
                blocks.push(block.at(Some(output), Some(w1), Some(w2)));
                if alive {
                    column += by.elements();
                }
            }
        }
        let group = ways.first().map(|way| self.group(way));
        Ok(DerivedProduct {
            group,
            blocks,
            plan,
        })
    }
}

fn lanes(directions: u32) -> u64 {
    u64::from(directions).max(1)
}

fn dense(layout: Layout) -> Result<(), Error> {
    match layout {
        Layout::Sparse => Err(Error::Unimplemented("LAYOUT_SPARSE".into())),
        Layout::Dense | Layout::Auto => Ok(()),
    }
}
