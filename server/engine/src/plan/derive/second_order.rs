//! H and H·v: both compositions of the two modes, the cheaper one chosen.

use super::{BlockSource, DerivedProduct, Deriver, Seed, Way, lanes};
use crate::error::Error;
use crate::op::ValueId;
use crate::plan::cost::Price;
use crate::plan::mode::{plan, time};
use crate::plan::{Candidate, HvpMode, Layout, Mode, Plan};
use crate::transform::{jvp, vjp};

impl Deriver<'_> {
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
        ways.sort_by_key(|w| w.candidate.nanoseconds);
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
                "{}: {} operations, about {}, {} would take {} and {}; {} of {n} inputs",
                name(best),
                best.operations,
                time(best.nanoseconds),
                name(other),
                other.operations,
                time(other.nanoseconds),
                if best.sweeps == 1 {
                    "1 sweep".into()
                } else {
                    format!("{} sweeps", best.sweeps)
                },
            ),
            [only, ..] => format!("{}: {} sweeps, {n} inputs", name(only), only.sweeps),
            [] => "the output depends on no input; the Hessian is zero".into(),
        };
        plan(candidates, why, n, 1, Price::default())
    }

    pub(super) fn hvp(
        &mut self,
        output: u32,
        wrt: &[u32],
        directions: u32,
    ) -> Result<DerivedProduct, Error> {
        let y = self.output(output);
        let xs: Vec<ValueId> = wrt.iter().map(|&w| self.input(w)).collect();
        let n = self.live(&[y], wrt).elements;
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
            compressed: vec![],
            subtractions: vec![],
            chain: None,
            plan,
        })
    }

    pub(super) fn hessian(
        &mut self,
        output: u32,
        wrt: &[u32],
        layout: Layout,
    ) -> Result<DerivedProduct, Error> {
        let y = self.output(output);
        let live = self.live(&[y], wrt);
        let n = live.elements;
        let ways = match n {
            0 => vec![],
            _ => {
                let (pairs, seeds, lanes) = self.units(&live.values);
                self.hvp_ways(y, &live.values, &pairs, &seeds, lanes)?
            }
        };
        if self.is_compressible(Some(layout), n, n)
            && let Some(product) =
                self.compressed_hessian(output, wrt, &live, ways.first(), layout)?
        {
            return Ok(product);
        }
        let plan = self.hvp_plan(&ways, n);
        let best = ways.first();
        let mut blocks = Vec::with_capacity(wrt.len() * wrt.len());
        for (&w1, row) in wrt.iter().zip(&live.places) {
            let of = self.ty(self.input(w1));
            for (&w2, column) in wrt.iter().zip(&live.places) {
                let by = self.ty(self.input(w2));
                let both = row.zip(*column);
                let value = both.and_then(|(row, _)| best?.values[row.at]);
                let first = column.map_or(0, |column| column.first);
                let block = BlockSource::matrix(value, &of, &by, first, true);
                blocks.push(block.at(Some(output), Some(w1), Some(w2)));
            }
        }
        let group = ways.first().map(|way| self.group(way));
        Ok(DerivedProduct {
            group,
            blocks,
            compressed: vec![],
            subtractions: vec![],
            chain: None,
            plan,
        })
    }
}
