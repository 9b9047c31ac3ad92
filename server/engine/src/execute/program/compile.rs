use super::numbers::{Layout, Taken};
use super::{Compiled, Lanes, Program, Reads, estimate};
use crate::error::Error;
use crate::execute::crossed;
use crate::graph::Graph;
use crate::op::ValueId;
use crate::plan::{BlockSource, Mode, Parts, Plan, Request, across, derive};
use crate::tape::{Class, Library, Place, Slot, Tape, lower};
use crate::tensor::TensorType;
use crate::transform::InputPlace;
use rustc_hash::{FxHashMap, FxHashSet};

/// Parts are cut into parts again so often at most.
const MAX_LEVELS: u32 = 5;

/// More parts of one are no use.
const MAX_PARTS: f64 = 4096.0;

/// Derives, plans and lowers. What a reverse sweep keeps is kept within the budget, if need be by parts of the graph
/// that run again.
pub fn compile(graph: &Graph, request: &Request) -> Result<Program, Error> {
    let mut best = compile_in(graph, request, None)?;
    let whole = best.bytes(1);
    let forward =
        |plan: &Plan| plan.hvp_mode.is_none() && matches!(plan.mode, None | Some(Mode::Forward));
    if !best.has_budget || whole <= best.budget || best.plans.iter().all(forward) {
        return Ok(best);
    }
    // Of n values kept, l levels of k parts keep (l + 1) k cuts, best with k = n^(1 / (l + 1)).
    let cut = across(graph, &request.options).max(1) as f64;
    let kept = whole.saturating_sub(best.ends_bytes) as f64 / cut;
    for levels in 1..=MAX_LEVELS {
        let count = kept.powf(1.0 / f64::from(levels + 1)).ceil();
        let parts = Parts {
            count: count.clamp(2.0, MAX_PARTS) as u32,
            levels,
        };
        let mut program = compile_in(graph, request, Some(parts))?;
        if program.bytes(1) >= best.bytes(1) {
            continue;
        }
        program.tell(&format!(
            "; kept whole, what it calculates would take {whole} bytes, {} are allowed: {} of parts of at most {}, each node runs {} times instead of once",
            program.budget,
            if levels == 1 { "one level".into() } else { format!("{levels} levels") },
            parts.count,
            levels + 1,
        ));
        best = program;
        if best.bytes(1) <= best.budget {
            break;
        }
    }
    Ok(best)
}

fn compile_in(graph: &Graph, request: &Request, parts: Option<Parts>) -> Result<Program, Error> {
    let mut derivation = derive(graph, request, parts)?;
    let points_in_lanes =
        request.batched.is_some() && derivation.groups.iter().all(|g| g.lanes <= 1);
    let mut parameters: Vec<(ValueId, Class)> = Vec::new();
    // For each input its parameter: several may be elements of one.
    let mut parameter_of: Vec<usize> = Vec::with_capacity(derivation.inputs.len());
    let mut known: FxHashMap<ValueId, usize> = FxHashMap::default();
    for (i, input) in derivation.inputs.iter().enumerate() {
        // Most are elements of the same as the one before.
        let own = match parameter_of.last() {
            Some(&last) if parameters[last].0 == input.value => last,
            _ => *known.entry(input.value).or_insert(parameters.len()),
        };
        if own == parameters.len() {
            let batched = request.batched.as_ref().is_some_and(|b| b[i]);
            parameters.push((input.value, Class::from(points_in_lanes && batched)));
        }
        parameter_of.push(own);
    }
    let own_parameters = parameters.len();
    // Each has a first element.
    let elements = derivation.inputs.iter().filter(|i| i.element == Some(0));
    let apart: FxHashSet<ValueId> = elements.map(|input| input.value).collect();
    let arena = derivation.workspace.arena();
    let mut groups = Vec::with_capacity(derivation.groups.len());
    for (g, group) in derivation.groups.iter().enumerate() {
        let class = if points_in_lanes { 1 } else { g as Class + 1 };
        let mut seeds = Vec::with_capacity(group.seeds.len());
        for seed in &group.seeds {
            let before = derivation.inputs.len() - own_parameters;
            seeds.push((
                before + parameters.len(),
                seed.source.clone(),
                arena.ty(seed.parameter).clone(),
            ));
            parameters.push((seed.parameter, class));
        }
        groups.push(Lanes {
            lanes: group.lanes,
            product: group.product,
            held: seeds.iter().map(|_| None).collect(),
            seeds,
        });
    }
    let mut roots = Vec::new();
    // Of which there is one element to read.
    let mut single: Vec<(usize, u32)> = Vec::new();
    let mut products = Vec::with_capacity(derivation.products.len());
    let mut plans = Vec::with_capacity(derivation.products.len());
    for product in std::mem::take(&mut derivation.products) {
        let mut blocks = Vec::with_capacity(product.blocks.len());
        for block in product.blocks {
            let root = block.value.map(|value| {
                roots.push(value);
                let root = roots.len() - 1;
                single.extend(block.element.map(|element| (root, element)));
                root
            });
            blocks.push((block, root));
        }
        let compressed = product.compressed.iter().map(|source| {
            roots.push(source.value);
            let reads = Reads::all(&source.reads);
            (source.group, roots.len() - 1, reads, source.adds)
        });
        let compressed = compressed.collect();
        products.push(Compiled {
            group: product.group,
            compressed,
            subtractions: product.subtractions,
            crossed: (product.chain.as_ref()).map(|c| crossed::Product::new(c, &mut roots)),
            types: (blocks.iter())
                .map(|(block, _)| (block.ty.dtype, block.ty.bytes() as usize))
                .collect(),
            blocks,
        });
        plans.push(product.plan);
    }
    let sections = if points_in_lanes { 1 } else { groups.len() };
    let watched = derivation.workspace.watched().to_vec();
    let mut library = Library::default();
    let (arena, table) = derivation.workspace.parts();
    let mut tape = lower(
        arena,
        table,
        &mut library,
        (&parameters, &apart),
        &roots,
        sections,
        &watched,
    )?;
    let places = (&derivation.inputs[..], &parameter_of[..]);
    let apart = take_apart(&mut tape, places, own_parameters, &single);
    tape.leave_outside(&apart);
    tape.in_strips();
    let crossed = products.iter().filter_map(|p| p.crossed.as_ref());
    let products_of_factors = crossed.map(crossed::Product::operations);
    let operations = products_of_factors.fold(
        operations(&tape, &groups, points_in_lanes),
        u64::saturating_add,
    );
    let work = estimate::work(&tape);
    let direct = direct(&tape, &products);
    let filled = filled(&products);
    let inputs: Vec<TensorType> = graph.inputs().iter().map(|i| i.ty.clone()).collect();
    let is_left = |place: &Option<Place>| place.is_some_and(|place| place.slot.is_outside());
    let layouts = products.iter().map(|product| Layout::of(&tape, product));
    let mut program = Program {
        layouts: layouts.collect(),
        packs: (derivation.inputs.iter().zip(&parameter_of))
            .map(|(input, &own)| input.element.map(|_| own))
            .collect(),
        taken: Taken::all(&tape, &inputs, request.batched.as_deref()),
        left: (0..inputs.len())
            .filter(|&i| is_left(&tape.parameters[i]))
            .collect(),
        useful_lanes: tape.useful_lanes(),
        ends_bytes: ends_bytes(graph, &products),
        direct,
        filled,
        tape,
        library: library.finish(),
        budget: request.options.memory_budget(),
        has_budget: request.options.memory_budget > 0,
        parts,
        products,
        groups,
        inputs,
        batched: request.batched.clone(),
        points_in_lanes,
        plans,
        operations,
        work,
        costs: request.options.costs,
        checked: (!watched.is_empty()).then(|| graph.clone()),
    };
    program.hold_seeds();
    let (bytes, about_states) = program.with_states();
    program.plans.iter_mut().for_each(|plan| plan.bytes = bytes);
    program.tell(&about_states);
    Ok(program)
}

/// Gives each input its place in its parameter, of the first so many, and each root that is an element of a value its place
/// there. Gives the slots of these parameters and values.
fn take_apart(
    tape: &mut Tape,
    (inputs, parameter_of): (&[InputPlace], &[usize]),
    own_parameters: usize,
    single: &[(usize, u32)],
) -> Vec<Slot> {
    let mut apart = Vec::new();
    let mut part = |whole: Place, element: u32| {
        if element == 0 {
            apart.push(whole.slot);
        }
        Place {
            slot: whole.slot.plus(element as usize),
            elements: 1,
            ..whole
        }
    };
    for &(root, element) in single {
        tape.roots[root] = part(tape.roots[root], element);
    }
    let mut parameters = Vec::with_capacity(inputs.len());
    for (input, &own) in inputs.iter().zip(parameter_of) {
        let whole = tape.parameters[own];
        parameters.push(match input.element {
            None => whole,
            Some(element) => whole.map(|whole| part(whole, element)),
        });
    }
    let seeds = &tape.parameters[own_parameters..];
    parameters.extend_from_slice(seeds);
    tape.parameters = parameters;
    apart
}

impl Program {
    /// Adds to the reasons of derivatives; values keep nothing.
    fn tell(&mut self, what: &str) {
        let derivatives = self.plans.iter_mut().filter(|plan| plan.mode.is_some());
        derivatives.for_each(|plan| plan.reason += what);
    }
}

/// Bytes of inputs and results for one point.
fn ends_bytes(graph: &Graph, products: &[Compiled]) -> u64 {
    let results = products.iter().flat_map(|p| &p.blocks);
    let results = results.map(|(block, _)| block.ty.bytes());
    let inputs = graph.inputs().iter().map(|input| input.ty.bytes());
    results.chain(inputs).fold(0, u64::saturating_add)
}

/// Blocks that are large results as the tape gives them, and nothing else.
fn direct(tape: &Tape, products: &[Compiled]) -> Vec<(usize, usize)> {
    let is_parameter = |slot: Slot| tape.parameters.iter().flatten().any(|p| p.slot == slot);
    let is_direct = |(source, root): &(BlockSource, Option<usize>)| {
        let place = root.map(|root| tape.roots[root]);
        place.is_some_and(|place| {
            let bytes = u64::from(place.elements) * place.dtype.size_bytes() as u64;
            place.slot.is_outside()
                && !is_parameter(place.slot)
                && (source.element_stride, source.first_lane) == (1, 0)
                && source.ty.bytes() == bytes
        })
    };
    let mut direct = Vec::new();
    for (p, product) in products.iter().enumerate() {
        let plain = product.compressed.is_empty()
            && product.subtractions.is_empty()
            && product.crossed.is_none();
        let blocks = product.blocks.iter().enumerate().filter(|_| plain);
        direct.extend(
            blocks
                .filter(|(_, block)| is_direct(block))
                .map(|(b, _)| (p, b)),
        );
    }
    direct
}

/// Blocks each of whose entries is read from a lane: no two reads that do not add up go to the same one.
fn filled(products: &[Compiled]) -> Vec<(usize, usize)> {
    let mut filled = Vec::new();
    for (p, product) in products.iter().enumerate() {
        if product.crossed.is_some() || product.compressed.iter().any(|(.., adds)| *adds) {
            continue;
        }
        let mut counts = vec![0; product.blocks.len()];
        for run in product.compressed.iter().flat_map(|(_, _, runs, _)| runs) {
            counts[run.block()] += run.count();
        }
        let all = product.blocks.iter().zip(counts).enumerate();
        let all = all.filter(|(_, ((block, _), count))| *count == block.ty.elements());
        filled.extend(all.map(|(b, _)| (p, b)));
    }
    filled
}

/// Elementary operations for one point: what the products share once.
fn operations(tape: &Tape, groups: &[Lanes], points_in_lanes: bool) -> u64 {
    let lanes = |section: usize| match section {
        0 => 1,
        _ if points_in_lanes => 1,
        s => groups[s - 1].lanes,
    };
    let costs = tape.costs.iter().enumerate();
    costs.fold(0, |sum: u64, (s, cost)| {
        sum.saturating_add(cost.saturating_mul(lanes(s)))
    })
}
