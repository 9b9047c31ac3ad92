//! Gradients and Jacobians: forward or reverse, whichever is cheaper.

use super::crossed::Crossed;
use super::{BlockSource, DerivedProduct, Deriver, Way};
use crate::error::Error;
use crate::op::ValueId;
use crate::plan::cost::Price;
use crate::plan::mode::{choose, plan, reason, worth_pricing};
use crate::plan::{Layout, Mode};
use crate::transform::{jvp, vjp};

impl Deriver<'_> {
    pub(super) fn jacobian(
        &mut self,
        outputs: &[u32],
        wrt: &[u32],
        layout: Option<Layout>,
    ) -> Result<DerivedProduct, Error> {
        let ys: Vec<ValueId> = outputs.iter().map(|&o| self.output(o)).collect();
        let live = self.live(&ys, wrt);
        let (n, m) = (live.elements, self.elements(&ys));
        let nothing = n == 0 || m == 0;
        let mut written = None;
        let mut crossed = match layout {
            Some(_) => self.crossed(&ys, &live.values)?,
            None => None,
        };
        if self.is_compressible(layout, n, m) {
            let layout = layout.unwrap_or_default();
            if let Some(product) =
                self.compressed_jacobian(outputs, wrt, &live, layout, &mut written, &mut crossed)?
            {
                return Ok(product);
            }
        }
        let mixed = layout.is_some() && self.compresses && self.options.mode == Some(Mode::Mixed);
        if mixed && crossed.is_none() && !nothing {
            return Err(self.cannot_mix(n, m));
        }
        let (forward, reverse) = match nothing || mixed {
            true => (None, None),
            false => {
                let (forward, reverse) = worth_pricing(self.options.mode, n, m, self.size());
                let forward = forward.then(|| {
                    written
                        .take()
                        .unwrap_or_else(|| self.forward(&ys, &live.values))
                });
                let reverse = reverse
                    .then(|| self.reverse(&ys, &live.values))
                    .transpose()?;
                (forward, reverse)
            }
        };
        let candidate = |way: &Option<Way>| way.as_ref().map(|w| w.candidate.clone());
        let candidates = choose(candidate(&forward), candidate(&reverse));
        let cheaper = |crossed: &Crossed| {
            let best = candidates.first();
            best.is_none_or(|best| crossed.candidate.nanoseconds < best.nanoseconds)
        };
        if crossed.as_ref().is_some_and(cheaper)
            && let Some(crossed) = crossed.take()
        {
            let (of, by) = (self.outputs_side(outputs), self.inputs_side(wrt, &live));
            return Ok(self.cross(crossed, &of, &by, None, candidates));
        }
        // A gradient takes one sweep; there is nothing to mix.
        let forced = matches!(self.options.mode, Some(Mode::Forward | Mode::Reverse));
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
            for (&w, place) in wrt.iter().zip(&live.places) {
                let by = &self.graph.inputs()[w as usize].ty;
                let value = place
                    .zip(chosen.as_ref())
                    .and_then(|(place, way)| way.values[if columns { i } else { place.at }]);
                // A row is of the input's element type, a block of the output's, whichever the mode.
                let dtype = |v: ValueId| self.derivation.workspace.arena().ty(v).dtype;
                let is_own = value.is_none_or(|v| dtype(v) == of.dtype);
                let value = value.map(|v| match is_own {
                    true => v,
                    false => self.cx().emitter().convert(v, of.dtype),
                });
                let first = match columns {
                    true => place.map_or(0, |place| place.first),
                    false => row,
                };
                let element = place.and_then(|place| place.element);
                let block = BlockSource {
                    element: element.filter(|_| !columns),
                    ..BlockSource::matrix(value, &of, by, first, columns)
                };
                blocks.push(block.at(Some(o), Some(w), None));
            }
            row += of.elements();
        }
        // The gradient of a scalar has one lane, whose seed is the constant 1, and needs no group.
        let group = chosen
            .filter(|way| !way.seeds.is_empty())
            .map(|way| self.group(&way));
        Ok(DerivedProduct {
            group,
            blocks,
            compressed: vec![],
            subtractions: vec![],
            chain: None,
            plan: plan(candidates, why, n, m, Price::default()),
        })
    }

    pub(super) fn forward(&mut self, ys: &[ValueId], xs: &[ValueId]) -> Way {
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
}
