//! Inputs of one number each as the elements of one parameter: what is done with all of them is then done with a
//! vector, and so is what comes back from them.

use super::Workspace;
use super::copies::Copies;
use crate::graph::{Arena, Graph};
use crate::op::ValueId;
use crate::tensor::{DType, TensorType};
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// Fewer inputs stay as they are.
const MIN_INPUTS: usize = 32;

/// Where an input of the graph is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputPlace {
    /// A parameter.
    pub value: ValueId,
    /// Which of its elements the input is; `None`: it is all of it.
    pub element: Option<u32>,
}

impl InputPlace {
    /// A parameter of its own.
    pub fn whole(value: ValueId) -> Self {
        Self {
            value,
            element: None,
        }
    }
}

/// Inputs that become one parameter each time.
#[derive(Debug)]
pub struct Packing(Vec<Vec<u32>>);

impl Packing {
    /// Puts inputs together that are a floating-point number each and have the same key. `None`: there are too few.
    pub fn of<K: Clone + Eq + Hash>(graph: &Graph, key: impl Fn(usize) -> K) -> Option<Self> {
        if graph.inputs().len() < MIN_INPUTS {
            return None;
        }
        let mut packs: Vec<Vec<u32>> = Vec::new();
        let mut known: FxHashMap<(DType, K), usize> = FxHashMap::default();
        // Most are like the one before.
        let mut last: Option<((DType, K), usize)> = None;
        for (i, input) in graph.inputs().iter().enumerate() {
            if !input.ty.shape.is_empty() || !input.ty.dtype.is_float() {
                continue;
            }
            let key = (input.ty.dtype, key(i));
            let pack = match &last {
                Some((like, pack)) if *like == key => *pack,
                _ => *known.entry(key.clone()).or_insert(packs.len()),
            };
            if pack == packs.len() {
                packs.push(Vec::new());
            }
            packs[pack].push(i as u32);
            last = Some((key, pack));
        }
        packs.retain(|pack| pack.len() >= MIN_INPUTS);
        (!packs.is_empty()).then_some(Self(packs))
    }

    /// The values of the inputs that are put together.
    pub(super) fn values<'a>(
        &'a self,
        inputs: &'a [InputPlace],
    ) -> impl Iterator<Item = ValueId> + 'a {
        let all = self.0.iter().flatten();
        all.map(|&i| inputs[i as usize].value)
    }
}

/// Makes parameters for the inputs of another arena, and says in `to` what stands here for each of them.
pub(super) fn parameters(
    cx: &mut Workspace,
    from: &Arena,
    inputs: &[InputPlace],
    packing: Option<&Packing>,
    to: &mut Copies,
) -> Vec<InputPlace> {
    let mut places: Vec<Option<InputPlace>> = vec![None; inputs.len()];
    for pack in packing.iter().flat_map(|packing| &packing.0) {
        let one = from.ty(inputs[pack[0] as usize].value);
        let value = cx.parameter(TensorType::new(one.dtype, [pack.len() as u64]));
        for (&i, element) in pack.iter().zip(0..) {
            to.put_element(inputs[i as usize].value, value, element.into());
            places[i as usize] = Some(InputPlace {
                value,
                element: Some(element),
            });
        }
    }
    // Several inputs may be elements of one.
    let mut known: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    let all = inputs.iter().zip(places);
    all.map(|(input, packed)| {
        packed.unwrap_or_else(|| {
            let own = known.entry(input.value);
            let value = *own.or_insert_with(|| cx.parameter(from.ty(input.value).clone()));
            to.put(input.value, value);
            InputPlace { value, ..*input }
        })
    })
    .collect()
}
