//! Patterns and colourings of a graph's derivatives: found once, kept with the graph.

use super::Deriver;
use crate::error::Error;
use crate::graph::Graph;
use crate::op::ValueId;
use crate::plan::coloring::{self, Bidirectional, Coloring, Symmetric};
use crate::plan::sparsity::{Pattern, dependencies};
use crate::plan::{HvpMode, Options};
use crate::transform::jvp;
use std::sync::{Arc, OnceLock};

/// A full matrix is written down as a pattern up to this many entries.
const MAX_FULL: u64 = 1 << 26;

/// A pattern with its colourings, each of which is made when it is first asked for.
pub struct Structure {
    /// Rows are what is differentiated, columns what by.
    pub pattern: Pattern,
    turned: OnceLock<Pattern>,
    columns: OnceLock<Coloring>,
    rows: OnceLock<Coloring>,
    cover: OnceLock<Option<Bidirectional>>,
    star: OnceLock<Symmetric>,
    acyclic: OnceLock<Option<Symmetric>>,
}

impl Structure {
    pub(super) fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            turned: OnceLock::new(),
            columns: OnceLock::new(),
            rows: OnceLock::new(),
            cover: OnceLock::new(),
            star: OnceLock::new(),
            acyclic: OnceLock::new(),
        }
    }

    fn turned(&self) -> &Pattern {
        self.turned.get_or_init(|| self.pattern.transposed())
    }

    /// Colours of the columns. Where to find them takes too long each has its own.
    pub fn columns(&self) -> &Coloring {
        self.columns.get_or_init(|| {
            let found = coloring::columns(&self.pattern, self.turned());
            found.unwrap_or_else(|| Coloring::each(self.pattern.columns()))
        })
    }

    /// Colours of the rows, likewise.
    pub fn rows(&self) -> &Coloring {
        self.rows.get_or_init(|| {
            let found = coloring::columns(self.turned(), &self.pattern);
            found.unwrap_or_else(|| Coloring::each(self.pattern.rows()))
        })
    }

    /// Both, if that takes fewer sweeps than either.
    pub fn cover(&self) -> Option<&Bidirectional> {
        let below = self.columns().count.min(self.rows().count);
        let cover = || coloring::bidirectional(&self.pattern, self.turned(), below);
        self.cover.get_or_init(cover).as_ref()
    }

    /// Both, whether or not that pays; of one side alone there is nothing to mix.
    pub fn forced_cover(&self) -> Option<Bidirectional> {
        let found = self.cover().cloned();
        let found =
            found.or_else(|| coloring::bidirectional(&self.pattern, self.turned(), u32::MAX));
        found.filter(|cover| cover.rows.count > 0 && cover.columns.count > 0)
    }

    /// Colours of a symmetric pattern from which entries are read directly. Where to find them takes too long they
    /// are those of the columns.
    pub fn star(&self) -> &Symmetric {
        self.star.get_or_init(|| {
            let columns = || Symmetric::of_columns(&self.pattern, self.columns().clone());
            coloring::star(&self.pattern).unwrap_or_else(columns)
        })
    }

    /// Colours of a symmetric pattern from which entries are found by substitution, if they are at most half as many
    /// as it takes directly: substitution adds up rounding errors, and spreads what is not finite.
    pub fn acyclic(&self) -> Option<&Symmetric> {
        let enough = self.star().coloring.count / 2;
        let acyclic = self.acyclic.get_or_init(|| {
            let found = (enough >= 2).then(|| coloring::acyclic(&self.pattern, enough));
            found.flatten().filter(|a| a.coloring.count <= enough)
        });
        acyclic.as_ref()
    }
}

impl Deriver<'_> {
    /// Structure of a Jacobian: rows are the outputs' elements, columns the live inputs'. `tangents` writes the
    /// outputs' tangents for the seeds. `None`: too large to be known.
    pub(super) fn structure_of(
        &mut self,
        key: Key<'_>,
        seeds: &[ValueId],
        roots: &[(Option<ValueId>, u64)],
    ) -> Option<Arc<Structure>> {
        let (arena, table) = self.derivation.workspace.parts();
        let found = self.graph.memo().get(key.numbers(self.options), || {
            let pattern = dependencies(arena, table, seeds, roots);
            pattern.map(|pattern| match key {
                Key::Jacobian { .. } => Arc::new(Structure::new(pattern)),
                Key::Hessian { .. } => Arc::new(Structure::new(pattern.symmetrized())),
            })
        });
        found.as_ref().clone()
    }
}

/// Every position of a matrix, for an answer that must be sparse.
pub(super) fn full(m: u64, n: u64) -> Result<Arc<Structure>, Error> {
    match (u32::try_from(m), u32::try_from(n), m.checked_mul(n)) {
        (Ok(m), Ok(n), Some(entries)) if entries <= MAX_FULL => {
            Ok(Arc::new(Structure::new(Pattern::full(m, n))))
        }
        (_, _, entries) => Err(Error::Limit {
            name: "max_sparse_entries",
            value: MAX_FULL,
            asked: entries.unwrap_or(u64::MAX),
            repair: "ask for LAYOUT_DENSE, for products with vectors, or for fewer inputs".into(),
        }),
    }
}

/// What a structure belongs to.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Jacobian {
        outputs: &'a [u32],
        wrt: &'a [u32],
    },
    Hessian {
        output: u32,
        wrt: &'a [u32],
        mode: Option<HvpMode>,
    },
}

impl Key<'_> {
    /// As a key of the graph's memo. Where derivatives are not unique the choice may change what depends on what.
    pub(super) fn numbers(self, options: &Options) -> Vec<u32> {
        let policy = options.non_smooth as u32;
        match self {
            Key::Jacobian { outputs, wrt } => {
                let head = [0, policy, outputs.len() as u32];
                [&head[..], outputs, wrt].concat()
            }
            Key::Hessian { output, wrt, mode } => {
                let mode = mode.map_or(0, |mode| mode as u32 + 1);
                [&[1, policy, mode, output][..], wrt].concat()
            }
        }
    }
}

/// The pattern of a Jacobian: rows are the elements of the outputs, columns those of the inputs. `None`: too large to
/// be known, or no derivative.
pub fn structure(graph: &Graph, outputs: &[u32], wrt: &[u32]) -> Option<Pattern> {
    let (mut workspace, inputs, values) = crate::transform::Workspace::of(graph);
    let seeds: Vec<(ValueId, ValueId)> = wrt
        .iter()
        .map(|&w| {
            let x = inputs[w as usize];
            let ty = workspace.arena().ty(x).clone();
            (x, workspace.parameter(ty))
        })
        .collect();
    let ys: Vec<ValueId> = outputs.iter().map(|&o| values[o as usize]).collect();
    let tangents = jvp(&mut workspace, &ys, &seeds);
    let parameters: Vec<ValueId> = seeds.iter().map(|&(_, t)| t).collect();
    let elements = ys.iter().map(|&y| workspace.arena().ty(y).elements());
    let roots: Vec<_> = tangents.into_iter().zip(elements).collect();
    let (arena, table) = workspace.parts();
    dependencies(arena, table, &parameters, &roots)
}
