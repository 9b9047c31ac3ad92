//! What a checked evaluation looks at: results that must be finite, points that must have a derivative.

use super::Workspace;
use crate::graph::NodeId;
use crate::op::{NonSmooth, ValueId};

/// Why a value is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A result of the client's node must be finite.
    Value,
    /// A derivative through the client's node must be finite.
    Derivative,
    /// A bool that is true where the client's node has no derivative.
    Kink,
}

/// A value to look at, and the client's node it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The value.
    pub value: ValueId,
    /// Position of the node in the client's graph.
    pub node: u32,
    /// Why.
    pub reason: Reason,
}

/// What a workspace keeps when its program is to be checked as it runs.
#[derive(Default)]
pub(super) struct Watch {
    /// Whether infinities and NaN are looked for.
    finite: bool,
    /// The client's node that is being written.
    current: u32,
    /// For each node of the workspace the client's node it was written for.
    pub(super) origins: Vec<u32>,
    watched: Vec<Watched>,
}

impl Watch {
    /// `None` where nothing is to be checked.
    pub(super) fn wanted(policy: NonSmooth, finite: bool) -> Option<Box<Self>> {
        (finite || policy == NonSmooth::Strict).then(|| {
            Box::new(Self {
                finite,
                ..Self::default()
            })
        })
    }
}

impl Workspace {
    /// From here on nodes are written for this node of the client's graph.
    pub(super) fn write_for(&mut self, node: u32) {
        if let Some(watch) = &mut self.watch {
            watch.current = node;
        }
    }

    /// From here on nodes are written for the client's node that this node was written for.
    pub(super) fn follow(&mut self, node: NodeId) {
        if let Some(watch) = &mut self.watch {
            watch.current = watch.origins[node.0 as usize];
        }
    }

    /// Remembers whom the newest node was written for.
    pub(super) fn note_origin(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.origins.push(watch.current);
        }
    }

    /// Adds a value to what is looked at.
    pub(super) fn watch(&mut self, value: ValueId, reason: Reason) {
        let Some(watch) = &mut self.watch else { return };
        let wanted = match reason {
            Reason::Kink => true,
            _ => watch.finite && self.arena.ty(value).dtype.is_float(),
        };
        if wanted {
            watch.watched.push(Watched {
                value,
                node: watch.current,
                reason,
            });
        }
    }

    /// Whether infinities and NaN are looked for.
    pub(super) fn watches_finite(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.finite)
    }

    /// What a checked evaluation looks at, in order.
    pub fn watched(&self) -> &[Watched] {
        self.watch.as_ref().map_or(&[], |watch| &watch.watched)
    }
}
