//! Calls of Evaluate that come again and again with other numbers: they are known by their form, and what was found for
//! the first of them (names, graph, program) is not looked for again.
//!
//! Nothing is kept alive here: what the stores have dropped is unknown again, and is answered as to a stranger. Every
//! so often a familiar call is looked up as a stranger's is, so that the stores see that it is in use.

use super::evaluate::Prepared;
use crate::{
    cache::{Compiled, Found},
    store::Registered,
    wire::{familiar::Form, names::Signature},
};
use bytes::Bytes;
use gradient_proto::v1 as pb;
use hashbrown::DefaultHashBuilder;
use prost::Message;
use std::{
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Forms of calls.
pub struct Familiars {
    hasher: DefaultHashBuilder,
    places: Box<[Mutex<Place>]>,
}

/// Calls whose messages begin alike.
#[derive(Default)]
struct Place {
    /// The last that was no familiar one.
    stranger: u64,
    familiars: [Option<Familiar>; 4],
    /// Whose turn it is to be forgotten.
    next: usize,
}

struct Familiar {
    form: Form,
    graph: Weak<Registered>,
    names: Weak<Signature>,
    compiled: Weak<Compiled>,
    calls: AtomicU32,
}

/// A call whose message has come.
pub enum Call {
    /// Its like was answered before.
    Familiar(Prepared),
    /// It is still to be understood.
    Other {
        request: Box<pb::EvaluateRequest>,
        message: Bytes,
        stranger: Stranger,
    },
}

/// A call that is not known.
pub struct Stranger {
    mark: u64,
    /// The one before it that began alike was as long.
    again: bool,
}

impl Familiars {
    /// With at most some megabytes of forms.
    const PLACES: usize = 128;

    /// Messages are told apart by their first bytes, among which is the graph's id, and by how long they are.
    const BEGINNING: usize = 66;

    /// One in so many is looked up.
    const LOOKED_UP: u32 = 16;

    /// Knows nobody.
    pub fn new() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            places: (0..Self::PLACES).map(|_| Mutex::default()).collect(),
        }
    }

    /// Reads a message; `None` if it is none.
    pub fn read(&self, message: Bytes) -> Option<Call> {
        match self.find(&message) {
            Ok(prepared) => Some(Call::Familiar(prepared)),
            Err(stranger) => Some(Call::Other {
                request: Box::new(pb::EvaluateRequest::decode(message.clone()).ok()?),
                message,
                stranger,
            }),
        }
    }

    /// A call with this message as it was prepared before, or who it is.
    fn find(&self, message: &Bytes) -> Result<Prepared, Stranger> {
        let beginning = &message[..message.len().min(Self::BEGINNING)];
        let mark = self.hasher.hash_one((beginning, message.len()));
        let mut place = self.place(mark);
        for familiar in place.familiars.iter().flatten() {
            if let Some(prepared) = familiar.prepare(message) {
                return Ok(prepared);
            }
        }
        let again = place.stranger == mark;
        place.stranger = mark;
        Err(Stranger { mark, again })
    }

    /// Knows a call from now on that came the second time.
    pub fn meet(&self, stranger: Stranger, message: &Bytes, call: &Prepared) {
        if !stranger.again || !call.request_id.is_empty() {
            return;
        }
        let Some(form) = Form::of(message, &call.evaluation) else {
            return;
        };
        let familiar = Familiar {
            form,
            graph: Arc::downgrade(&call.graph),
            names: Arc::downgrade(&call.names),
            compiled: Arc::downgrade(&call.compiled),
            calls: AtomicU32::new(0),
        };
        let mut place = self.place(stranger.mark);
        let Place {
            familiars, next, ..
        } = &mut *place;
        let is_it = |known: &Option<Familiar>| {
            let known = known.as_ref();
            known.is_some_and(|known| known.form.fits(message))
        };
        // It was looked up, or what had been found for it is gone.
        let known = familiars.iter().position(is_it);
        let taken = known.unwrap_or_else(|| {
            *next = (*next + 1) % familiars.len();
            *next
        });
        familiars[taken] = Some(familiar);
    }

    fn place(&self, mark: u64) -> MutexGuard<'_, Place> {
        let place = &self.places[mark as usize % Self::PLACES];
        // Nothing that can panic half-way changes it.
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Familiar {
    fn prepare(&self, message: &Bytes) -> Option<Prepared> {
        if !self.form.fits(message) {
            return None;
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls % Familiars::LOOKED_UP == Familiars::LOOKED_UP - 1 {
            return None;
        }
        Some(Prepared {
            request_id: String::new(),
            graph: self.graph.upgrade()?,
            names: self.names.upgrade()?,
            evaluation: Arc::new(self.form.read(message)?),
            compiled: self.compiled.upgrade()?,
            found: Found::Hit,
            compile: Duration::ZERO,
        })
    }
}
