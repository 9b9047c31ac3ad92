//! What stands in a workspace for the values of the arena that is written there again.

use super::Workspace;
use super::views::Part;
use crate::graph::{Arena, NodeId};
use crate::op::{Attributes, Emit, Op, ValueId};

const NOT_YET: ValueId = ValueId(u32::MAX);

/// One number of a vector of the workspace.
#[derive(Clone, Copy)]
struct Element {
    of: ValueId,
    at: u64,
    /// As a scalar, or as a vector of one element.
    is_scalar: bool,
}

/// For each value of an arena what is there for it. Numbers of vectors are written when somebody reads them one by one: most
/// are put side by side again.
pub(super) struct Copies {
    to: Vec<ValueId>,
    elements: Vec<Option<Element>>,
}

impl Copies {
    /// Of an arena; nothing yet.
    pub fn of(from: &Arena) -> Self {
        Self {
            to: vec![NOT_YET; from.len()],
            elements: Vec::new(),
        }
    }

    /// A value is there.
    pub fn put(&mut self, value: ValueId, here: ValueId) {
        self.to[value.index()] = here;
    }

    /// A value is one number of a vector, as a scalar.
    pub fn put_element(&mut self, value: ValueId, of: ValueId, at: u64) {
        let is_scalar = true;
        self.note(value, Element { of, at, is_scalar });
    }

    fn note(&mut self, value: ValueId, element: Element) {
        if self.elements.len() <= value.index() {
            self.elements.reserve(self.to.len() - self.elements.len());
            self.elements.resize(value.index() + 1, None);
        }
        self.elements[value.index()] = Some(element);
    }

    fn element(&self, value: ValueId) -> Option<Element> {
        *self.elements.get(value.index())?
    }

    /// What is there for a value, which is written now if it is one number of a vector.
    pub fn get(&mut self, cx: &mut Workspace, value: ValueId) -> ValueId {
        let known = self.to[value.index()];
        match self.element(value) {
            Some(Element { of, at, is_scalar }) if known == NOT_YET => {
                let slice = cx.emitter().slice_along(of, 0, at, at + 1);
                let here = match is_scalar {
                    true => cx.emitter().reshape(slice, &[]),
                    false => slice,
                };
                self.put(value, here);
                here
            }
            _ => known,
        }
    }

    /// Whether a node takes one number out of a parameter, or makes a scalar of it: it need not be written yet.
    pub fn is_part(&mut self, from: &Arena, n: NodeId) -> bool {
        let step = from.step(n);
        let &[operand] = step.operands else {
            return false;
        };
        let element = match (step.op, from.attributes(step.attributes)) {
            (
                Op::Slice,
                Attributes::Slice {
                    starts,
                    limits,
                    strides,
                },
            ) if from.is_parameter(operand) => match (&starts[..], &limits[..], &strides[..]) {
                (&[at], &[limit], []) if limit == at + 1 => {
                    let of = self.to[operand.index()];
                    let is_scalar = false;
                    (of != NOT_YET).then_some(Element { of, at, is_scalar })
                }
                _ => None,
            },
            (Op::Reshape, Attributes::Reshape { shape }) if shape.is_empty() => {
                let element = self.element(operand);
                element.map(|element| Element {
                    is_scalar: true,
                    ..element
                })
            }
            _ => None,
        };
        if let Some(element) = element {
            self.note(step.result, element);
        }
        element.is_some()
    }

    /// The vector of several values, if they are numbers of one vector and follow each other there.
    pub fn side_by_side(&self, cx: &mut Workspace, values: &[ValueId]) -> Option<ValueId> {
        let part = |&v: &ValueId| {
            let Element { of, at, is_scalar } = self.element(v)?;
            is_scalar.then(|| Part::one(of, at))
        };
        let (first, others) = values.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let all = (others.iter()).try_fold(part(first)?, |all, v| all.followed_by(part(v)?))?;
        Some(cx.emit(Op::Slice, &[all.of], all.slice()))
    }
}
