//! The functions of a workspace: the graph's own, and those derived from them. Each is derived once.

use super::{Workspace, jvp, vjp};
use crate::error::Error;
use crate::graph::{Arena, Dependence, Function};
use crate::op::deeper;
use crate::op::{Attributes, Control, Emit, FunctionId, Implicit, NonSmooth, ValueId, picked};
use crate::tensor::TensorType;
use crate::transform::Watched;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A function as transformations and lowering see it.
#[derive(Debug)]
pub struct Body {
    /// Its values.
    pub arena: Arena,
    /// Its parameters.
    pub parameters: Vec<ValueId>,
    /// Its results.
    pub results: Vec<ValueId>,
    /// What a checked evaluation looks at.
    pub watched: Vec<Watched>,
    /// For each node the client's node it was written for, if anything is looked at.
    pub(super) origins: Option<Vec<u32>>,
    /// The client's function that it came from.
    pub origin: Option<u32>,
}

/// How a function came from others.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Derived {
    /// Results and tangents: within each group of parameters (carries, sequences, the rest) the parameters, then
    /// the tangents of the active ones; within each group of results (carries, the rest) the results, then the
    /// tangents of the seen ones.
    Jvp {
        of: FunctionId,
        active: Vec<bool>,
        seen: Vec<bool>,
        carries: usize,
        sequences: usize,
    },
    /// The same parameters as [`Derived::Jvp`], the results of the function.
    Widened {
        of: FunctionId,
        active: Vec<bool>,
        carries: usize,
    },
    /// From parameters and cotangents of the seen results the cotangents of the active parameters.
    Pull {
        of: FunctionId,
        active: Vec<bool>,
        seen: Vec<bool>,
    },
    /// One node. Its first operands, so many as the kind takes, come after the others.
    Node(Arc<Control>),
    /// The gradient of one result.
    Gradient {
        of: FunctionId,
        result: u32,
        wrt: Vec<u32>,
    },
    /// The solution of an implicit node, or a part of it.
    Solution(Arc<Implicit>, Part),
}

/// What of an implicit node a function gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Part {
    /// The solution.
    Value,
    /// Whether the iteration goes on.
    GoesOn,
    /// One iteration.
    Step,
    /// The solution's tangent.
    Tangent,
    /// The operands' cotangents.
    Cotangents,
}

/// Functions that give a function's tangents and cotangents.
pub(super) type Custom = (Option<FunctionId>, Option<FunctionId>);

/// See the module.
#[derive(Default)]
pub struct FunctionTable {
    own: Arc<Vec<Function>>,
    /// By number; the graph's own come first and are simplified when they are asked for.
    bodies: Vec<Option<Arc<Body>>>,
    derived: HashMap<Derived, FunctionId>,
    dependence: HashMap<FunctionId, Arc<Dependence>>,
    customs: HashMap<FunctionId, Custom>,
    orders: HashMap<FunctionId, u32>,
    policy: NonSmooth,
    finite: bool,
}

impl FunctionTable {
    pub(super) fn new(own: Arc<Vec<Function>>, policy: NonSmooth, finite: bool) -> Self {
        Self {
            bodies: vec![None; own.len()],
            own,
            policy,
            finite,
            ..Self::default()
        }
    }

    /// The function's own derivatives, where the client or what it solves gives them: by tangents, by cotangents.
    pub(super) fn custom(&self, f: FunctionId) -> Option<Custom> {
        if let Some(custom) = self.customs.get(&f) {
            return Some(*custom);
        }
        let own = self.own.get(f.index())?;
        let custom = (own.custom_jvp, own.custom_vjp);
        (custom != (None, None)).then_some(custom)
    }

    /// Names of the graph's own functions.
    pub(super) fn names(&self) -> HashSet<String> {
        self.own.iter().map(|f| f.name.clone()).collect()
    }

    pub(super) fn own_name(&self, f: FunctionId) -> Option<String> {
        Some(self.own.get(f.index())?.name.clone())
    }

    /// A function, simplified.
    pub fn body(&mut self, f: FunctionId) -> Result<Arc<Body>, Error> {
        if let Some(body) = &self.bodies[f.index()] {
            return Ok(body.clone());
        }
        let own = self.own.clone();
        let graph = &own[f.index()].body;
        let inputs: Vec<ValueId> = graph.inputs().iter().map(|i| i.value).collect();
        let outputs: Vec<ValueId> = graph.outputs().iter().map(|o| o.value).collect();
        let table = std::mem::take(self);
        let finite = table.finite;
        let policy = table.policy;
        let needed = graph.arena().needed(outputs.iter().copied());
        let (cx, parameters, results) = deeper(|| {
            Workspace::copy(
                (graph.arena(), &needed),
                &inputs,
                &outputs,
                (policy, finite),
                table,
                None,
            )
        });
        let body = self.close(cx, parameters, results, Some(f.0))?;
        self.bodies[f.index()] = Some(body.clone());
        Ok(body)
    }

    /// Takes the table back from a workspace, and what was written as a body.
    fn close(
        &mut self,
        cx: Workspace,
        parameters: Vec<ValueId>,
        results: Vec<ValueId>,
        origin: Option<u32>,
    ) -> Result<Arc<Body>, Error> {
        let lacking = cx.lacking();
        let trouble = cx.trouble.clone();
        let watched = cx.watched().to_vec();
        let origins = cx.watch.as_ref().map(|watch| watch.origins.clone());
        let (arena, table) = cx.into_parts();
        *self = table;
        if let Some(error) = trouble {
            return Err(error);
        }
        if let Some(op) = lacking {
            return Err(Error::lacks(op));
        }
        Ok(Arc::new(Body {
            arena,
            parameters,
            results,
            watched,
            origins,
            origin,
        }))
    }

    /// A function's number, derived now if it is not there.
    fn derive(
        &mut self,
        key: Derived,
        write: impl FnOnce(&mut Workspace, &Body) -> Result<(Vec<ValueId>, Vec<ValueId>), Error>,
        of: Option<FunctionId>,
    ) -> Result<FunctionId, Error> {
        if let Some(&f) = self.derived.get(&key) {
            return Ok(f);
        }
        let empty = || {
            Arc::new(Body {
                arena: Arena::default(),
                parameters: vec![],
                results: vec![],
                watched: vec![],
                origins: None,
                origin: None,
            })
        };
        let from = match of {
            Some(f) => self.body(f)?,
            None => empty(),
        };
        let (finite, policy) = (self.finite, self.policy);
        let table = std::mem::take(self);
        let needed = from.arena.needed(from.results.iter().copied());
        let (mut cx, parameters, results) = Workspace::copy(
            (&from.arena, &needed),
            &from.parameters,
            &from.results,
            (policy, finite),
            table,
            from.origins.as_deref(),
        );
        let origin = from.origin;
        let open = Body {
            arena: Arena::default(),
            parameters,
            results,
            watched: vec![],
            origins: None,
            origin,
        };
        let written = deeper(|| write(&mut cx, &open));
        let (parameters, results) = match written {
            Ok(written) => written,
            Err(error) => {
                *self = cx.into_parts().1;
                return Err(error);
            }
        };
        let body = self.close(cx, parameters, results, origin)?;
        let f = FunctionId(self.bodies.len() as u32);
        self.bodies.push(Some(body));
        if let Some(of) = of {
            self.orders.insert(f, self.order(of) + 1);
        }
        self.derived.insert(key, f);
        Ok(f)
    }

    /// Results and their tangents: within each group of parameters (carries, sequences, the rest) the parameters, then
    /// the tangents of the active ones; within each group of results (carries, the rest) the results, then the
    /// tangents of the seen ones.
    pub fn jvp(
        &mut self,
        of: FunctionId,
        active: &[bool],
        seen: &[bool],
        carries: usize,
        sequences: usize,
    ) -> Result<FunctionId, Error> {
        let key = Derived::Jvp {
            of,
            active: active.to_vec(),
            seen: seen.to_vec(),
            carries,
            sequences,
        };
        self.derive(
            key,
            |cx, from| {
                let seeds = tangents_of(cx, &from.parameters, active);
                let pairs: Vec<(ValueId, ValueId)> = seeds.iter().flatten().copied().collect();
                let moved = jvp(cx, &from.results, &pairs);
                let mut tangents = Vec::with_capacity(seen.len());
                for (k, &result) in from.results.iter().enumerate() {
                    let tangent =
                        seen[k].then(|| moved[k].unwrap_or_else(|| cx.zeros_like(result)));
                    tangents.push(tangent);
                }
                let seeds: Vec<Option<ValueId>> = seeds.iter().map(|s| s.map(|s| s.1)).collect();
                let parameters = grouped(&from.parameters, &seeds, &[carries, sequences]);
                let results = grouped(&from.results, &tangents, &[carries]);
                Ok((parameters, results))
            },
            Some(of),
        )
    }

    /// The function's results from the parameters that [`FunctionTable::jvp`] takes.
    pub fn widened(
        &mut self,
        of: FunctionId,
        active: &[bool],
        carries: usize,
    ) -> Result<FunctionId, Error> {
        let key = Derived::Widened {
            of,
            active: active.to_vec(),
            carries,
        };
        self.derive(
            key,
            |cx, from| {
                let seeds = tangents_of(cx, &from.parameters, active);
                let seeds: Vec<Option<ValueId>> = seeds.iter().map(|s| s.map(|s| s.1)).collect();
                let parameters = grouped(&from.parameters, &seeds, &[carries]);
                Ok((parameters, from.results.clone()))
            },
            Some(of),
        )
    }

    /// From parameters and cotangents of the seen results the cotangents of the active parameters.
    pub fn pull(
        &mut self,
        of: FunctionId,
        active: &[bool],
        seen: &[bool],
    ) -> Result<FunctionId, Error> {
        let key = Derived::Pull {
            of,
            active: active.to_vec(),
            seen: seen.to_vec(),
        };
        self.derive(
            key,
            |cx, from| {
                let cotangents = tangents_of(cx, &from.results, seen);
                let pairs: Vec<(ValueId, ValueId)> = cotangents.iter().flatten().copied().collect();
                let wrt: Vec<ValueId> = picked(&from.parameters, active).copied().collect();
                let results = vjp(cx, &pairs, &wrt)?;
                let results = results.iter().zip(&wrt);
                let results = results
                    .map(|(r, &x)| r.unwrap_or_else(|| cx.zeros_like(x)))
                    .collect();
                let given = pairs.iter().map(|&(_, c)| c);
                let parameters = from.parameters.iter().copied().chain(given).collect();
                Ok((parameters, results))
            },
            Some(of),
        )
    }

    /// See [`Derived::Node`]. `operands`: types of the node's operands.
    pub(super) fn node(
        &mut self,
        control: Control,
        operands: &[TensorType],
    ) -> Result<FunctionId, Error> {
        let control = Arc::new(control);
        let key = Derived::Node(control.clone());
        let x = control.operands.len();
        self.derive(
            key,
            |cx, _| {
                let of: Vec<ValueId> = operands.iter().map(|ty| cx.parameter(ty.clone())).collect();
                let results = cx.emit_all(control.op(), &of, Attributes::Control(control.clone()));
                let parameters = of[x..].iter().chain(&of[..x]).copied().collect();
                Ok((parameters, results))
            },
            None,
        )
    }

    /// See [`Derived::Solution`].
    pub(super) fn solution(
        &mut self,
        of: &Arc<Implicit>,
        part: Part,
        write: impl FnOnce(&mut Workspace) -> Result<(Vec<ValueId>, Vec<ValueId>), Error>,
    ) -> Result<FunctionId, Error> {
        self.derive(Derived::Solution(of.clone(), part), |cx, _| write(cx), None)
    }

    /// A function that is nobody's derivative.
    pub(super) fn add(
        &mut self,
        write: impl FnOnce(&mut Workspace) -> (Vec<ValueId>, Vec<ValueId>),
    ) -> FunctionId {
        let mut cx = Workspace::empty(self.policy, std::mem::take(self), 0);
        let (parameters, results) = write(&mut cx);
        let (arena, table) = cx.into_parts();
        *self = table;
        let f = FunctionId(self.bodies.len() as u32);
        self.bodies.push(Some(Arc::new(Body {
            arena,
            parameters,
            results,
            watched: vec![],
            origins: None,
            origin: None,
        })));
        f
    }

    /// How often a function was derived from another one.
    pub fn order(&self, f: FunctionId) -> u32 {
        self.orders.get(&f).copied().unwrap_or(0)
    }

    /// Gives a function derivatives of its own.
    pub(super) fn set_custom(&mut self, f: FunctionId, custom: Custom) {
        self.customs.insert(f, custom);
    }

    /// See [`Derived::Gradient`].
    pub(super) fn gradient(
        &mut self,
        of: FunctionId,
        result: u32,
        wrt: &[u32],
    ) -> Result<FunctionId, Error> {
        let key = Derived::Gradient {
            of,
            result,
            wrt: wrt.to_vec(),
        };
        self.derive(
            key,
            |cx, from| {
                let y = from.results[result as usize];
                let dtype = cx.arena().ty(y).dtype;
                let one = cx.scalar(dtype, 1.0);
                let xs: Vec<ValueId> = wrt.iter().map(|&w| from.parameters[w as usize]).collect();
                let found = vjp(cx, &[(y, one)], &xs)?;
                let found = found.iter().zip(&xs);
                let results = found
                    .map(|(g, &x)| g.unwrap_or_else(|| cx.zeros_like(x)))
                    .collect();
                Ok((from.parameters.clone(), results))
            },
            Some(of),
        )
    }

    /// Which results of a function depend on which parameters.
    pub fn dependence(&mut self, f: FunctionId) -> Result<Arc<Dependence>, Error> {
        if let Some(known) = self.dependence.get(&f) {
            return Ok(known.clone());
        }
        // Everything that is run from here and not known yet, together: functions may run one another.
        let mut open = vec![f];
        let mut i = 0;
        while i < open.len() {
            let body = self.body(open[i])?;
            for node in body.arena.nodes() {
                let Attributes::Control(control) = node.attributes else {
                    continue;
                };
                for &g in &control.functions {
                    if !self.dependence.contains_key(&g) && !open.contains(&g) {
                        open.push(g);
                    }
                }
            }
            i += 1;
        }
        let mut found: HashMap<FunctionId, Dependence> = HashMap::new();
        for &g in &open {
            let results = self.body(g)?.results.len();
            found.insert(g, Dependence::none(results));
        }
        loop {
            let mut changed = false;
            for &g in open.iter().rev() {
                let body = self.body(g)?;
                let now =
                    Dependence::of(
                        &body.arena,
                        &body.parameters,
                        &body.results,
                        &|h| match found.get(&h) {
                            Some(of) => of.clone(),
                            None => (*self.dependence[&h]).clone(),
                        },
                    );
                changed |= found[&g] != now;
                found.insert(g, now);
            }
            if !changed {
                break;
            }
        }
        for (g, of) in found {
            self.dependence.insert(g, Arc::new(of));
        }
        Ok(self.dependence[&f].clone())
    }

    /// Which results of a node depend on which operands.
    pub fn through(&mut self, control: &Control) -> Result<Dependence, Error> {
        for &f in &control.functions {
            self.dependence(f)?;
        }
        let known = &self.dependence;
        Ok(Dependence::through(control, &|f| (*known[&f]).clone()))
    }
}

/// A fresh parameter for each value whose flag is set: (value, parameter).
fn tangents_of(
    cx: &mut Workspace,
    values: &[ValueId],
    which: &[bool],
) -> Vec<Option<(ValueId, ValueId)>> {
    let values = values.iter().zip(which);
    values
        .map(|(&value, &wanted)| {
            wanted.then(|| {
                let ty = cx.arena().ty(value).clone();
                (value, cx.parameter(ty))
            })
        })
        .collect()
}

/// Within each group of values the values, then what belongs to them; `sizes` of the groups but the last.
pub(super) fn grouped<T: Copy>(values: &[T], with: &[Option<T>], sizes: &[usize]) -> Vec<T> {
    let mut out = Vec::new();
    let mut begin = 0;
    let ends = sizes.iter().map(|size| Some(*size)).chain([None]);
    for size in ends {
        let end = size.map_or(values.len(), |size| begin + size);
        out.extend_from_slice(&values[begin..end]);
        out.extend(with[begin..end].iter().flatten());
        begin = end;
    }
    out
}
