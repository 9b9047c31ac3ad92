//! Nodes with bodies by plain recursion: a call evaluates the body, a loop evaluates it again and again. Forward
//! derivatives need nothing else; the pull-back of a loop, which a derivative node may bring in, keeps every state.

use super::tensor::{Value, elements};
use super::unit::{Bodies, Pull, Step, Unit};
use super::{Number, plain};
use crate::error::Error;
use crate::execute::Stop;
use crate::graph::NodeRef;
use crate::op::deeper;
use crate::op::{Control, ControlKind, FunctionId};
use crate::tensor::TensorType;
use crate::transform::Source;

/// Bodies under way that stand on one another at most; as many as the exact method allows.
const MAX_DEPTH: u32 = 2000;
/// Iterations of a while that states no bound; a deadline comes first.
const MAX_ITERATIONS: u64 = 1 << 40;

/// An evaluation under way.
pub(super) struct Run<'a> {
    bodies: &'a Bodies,
    stop: &'a Stop,
    depth: u32,
}

impl<'a> Run<'a> {
    pub fn new(bodies: &'a Bodies, stop: &'a Stop) -> Self {
        Self {
            bodies,
            stop,
            depth: 0,
        }
    }

    /// The outputs of a unit from its inputs.
    pub fn unit<N: Number>(
        &mut self,
        unit: &Unit,
        inputs: Vec<Value<N>>,
    ) -> Result<Vec<Value<N>>, Error> {
        let arena = &unit.arena;
        let mut values: Vec<Option<Value<N>>> = (0..arena.len()).map(|_| None).collect();
        for (&v, value) in unit.inputs.iter().zip(inputs) {
            values[v.index()] = Some(value);
        }
        for node in arena.nodes().filter(|n| unit.needs(n)) {
            self.stop.check()?;
            let results = match unit.steps.get(&node.id.0) {
                Some(step) => self.step(step, operands_of(step, &node, &values))?,
                None => {
                    let operands = node.operands.iter();
                    let operands: Vec<&Value<N>> = operands
                        .filter_map(|v| values[v.index()].as_ref())
                        .collect();
                    let types: Vec<TensorType> =
                        node.results().map(|v| arena.ty(v).clone()).collect();
                    plain(&node, &operands, &types, self.stop)?
                }
            };
            for (v, value) in node.results().zip(results) {
                values[v.index()] = Some(value);
            }
            for v in &unit.last_uses[node.id.0 as usize] {
                values[v.index()] = None;
            }
        }
        let outputs = unit.outputs.iter();
        Ok(outputs.filter_map(|v| values[v.index()].clone()).collect())
    }

    fn body<N: Number>(
        &mut self,
        f: FunctionId,
        arguments: Vec<Value<N>>,
    ) -> Result<Vec<Value<N>>, Error> {
        let bodies = self.bodies;
        self.unit(bodies.get(f), arguments)
    }

    fn step<N: Number>(
        &mut self,
        step: &Step,
        operands: Vec<Value<N>>,
    ) -> Result<Vec<Value<N>>, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let control = &step.control;
        let results = deeper(|| match (&step.pull, control.kind) {
            (Some(pull), _) => self.pull(control, pull, operands),
            (None, ControlKind::Call) => self.body(control.functions[0], operands),
            (None, ControlKind::Cond) => self.cond(control, operands),
            (None, _) => self.looped(control, &operands, None),
        })?;
        self.depth -= 1;
        let wanted = step.results.iter();
        Ok(wanted.map(|&k| results[k].clone()).collect())
    }

    fn cond<N: Number>(
        &mut self,
        control: &Control,
        mut operands: Vec<Value<N>>,
    ) -> Result<Vec<Value<N>>, Error> {
        let selector = operands.remove(0);
        let last = control.functions.len() as i64 - 1;
        let choice = match (selector.bools(), selector.integers()) {
            ([p], _) => i64::from(*p),
            (_, [k]) => (*k).clamp(0, last),
            _ => 0,
        };
        let mut results = self.body(control.functions[choice as usize], operands)?;
        refuse(&mut results, selector.refused);
        Ok(results)
    }

    /// A loop; `states` gets the carries that each step begins with.
    fn looped<N: Number>(
        &mut self,
        control: &Control,
        operands: &[Value<N>],
        mut states: Option<&mut Vec<Vec<Value<N>>>>,
    ) -> Result<Vec<Value<N>>, Error> {
        let count = control.carries as usize;
        let mut carries = operands[..count].to_vec();
        let types = control.results[count..].iter();
        let mut outputs: Vec<Value<N>> = types.map(Value::zeros).collect();
        let mut refused = false;
        let mut step = 0;
        while self.goes_on(control, operands, &carries, step, &mut refused)? {
            let index = index(control, step);
            let arguments = arguments(control, operands, &carries, index);
            if let Some(states) = states.as_deref_mut() {
                states.push(carries);
            }
            let mut results = self.body(control.body(), arguments)?;
            let own = results.split_off(count);
            carries = results;
            for (output, value) in outputs.iter_mut().zip(&own) {
                put_step(output, index, value);
            }
            step += 1;
        }
        carries.extend(outputs);
        refuse(&mut carries, refused);
        Ok(carries)
    }

    fn goes_on<N: Number>(
        &mut self,
        control: &Control,
        operands: &[Value<N>],
        carries: &[Value<N>],
        step: u64,
        refused: &mut bool,
    ) -> Result<bool, Error> {
        self.stop.check()?;
        let given = match control.kind {
            ControlKind::Scan { length, .. } => return Ok(step < length),
            ControlKind::While { max_iterations } => max_iterations,
            _ => return Ok(false),
        };
        let arguments = arguments(control, operands, carries, 0);
        let holds = self.body(control.functions[0], arguments)?;
        *refused |= holds[0].refused;
        if holds[0].bools() != [true] {
            return Ok(false);
        }
        let most = if given == 0 { MAX_ITERATIONS } else { given };
        match step < most {
            true => Ok(true),
            false => Err(too_long(most)),
        }
    }

    /// Cotangents of the active operands of a loop: the last step is pulled back first.
    fn pull<N: Number>(
        &mut self,
        control: &Control,
        pull: &Pull,
        mut operands: Vec<Value<N>>,
    ) -> Result<Vec<Value<N>>, Error> {
        let given = operands.split_off(control.operands.len());
        let count = control.carries as usize;
        let mut states = Vec::new();
        self.looped(control, &operands, Some(&mut states))?;
        let mut given = given.into_iter();
        let mut carries: Vec<Value<N>> = Vec::new();
        for k in 0..count {
            let own = if control.seen[k] { given.next() } else { None };
            if pull.carried[k] {
                carries.push(own.unwrap_or_else(|| Value::zeros(&control.operands[k])));
            }
        }
        let outputs: Vec<Value<N>> = given.collect();
        let rest = (count..control.operands.len()).filter(|&i| control.active[i]);
        let mut sums: Vec<(usize, Value<N>)> = rest
            .map(|i| (i, Value::zeros(&control.operands[i])))
            .collect();
        for (step, state) in states.iter().enumerate().rev() {
            self.stop.check()?;
            let index = index(control, step as u64);
            let mut all = arguments(control, &operands, state, index);
            let moving = carries.len();
            all.extend(carries);
            all.extend(outputs.iter().map(|output| slice(output, index)));
            let mut found = self.body(pull.body, all)?;
            let of_rest = found.split_off(moving);
            carries = found;
            for ((i, sum), own) in sums.iter_mut().zip(&of_rest) {
                match *i < count + control.sequences as usize {
                    true => put_step(sum, index, own),
                    false => add(sum, own),
                }
            }
        }
        let places = (0..count).filter(|&k| pull.carried[k]);
        let of_carries = places.zip(carries).filter(|(k, _)| control.active[*k]);
        Ok(of_carries.chain(sums).map(|(_, value)| value).collect())
    }
}

fn operands_of<N: Number>(
    step: &Step,
    node: &NodeRef<'_>,
    values: &[Option<Value<N>>],
) -> Vec<Value<N>> {
    let of = |source: &Source| match source {
        Source::Operand(i) => values[node.operands[*i].index()].clone(),
        Source::Zeros(ty) => Some(Value::zeros(ty)),
    };
    step.operands.iter().filter_map(of).collect()
}

/// Position in sequences and outputs of a step.
fn index(control: &Control, step: u64) -> usize {
    match control.kind {
        ControlKind::Scan {
            length,
            reverse: true,
        } => (length - 1 - step) as usize,
        _ => step as usize,
    }
}

/// What a loop's bodies take in a step.
fn arguments<N: Number>(
    control: &Control,
    operands: &[Value<N>],
    carries: &[Value<N>],
    index: usize,
) -> Vec<Value<N>> {
    let (sequences, constants) = operands[carries.len()..].split_at(control.sequences as usize);
    let slices = sequences.iter().map(|sequence| slice(sequence, index));
    let constants = constants.iter().cloned();
    carries
        .iter()
        .cloned()
        .chain(slices)
        .chain(constants)
        .collect()
}

/// A position of the leading axis.
fn slice<N: Number>(value: &Value<N>, index: usize) -> Value<N> {
    let shape = value.shape[1..].to_vec();
    let each = elements(&shape);
    value.pick(shape, index * each..(index + 1) * each)
}

fn put_step<N: Number>(to: &mut Value<N>, index: usize, value: &Value<N>) {
    let each = elements(&value.shape);
    to.put(value, (index * each..(index + 1) * each).map(Some));
}

fn add<N: Number>(to: &mut Value<N>, value: &Value<N>) {
    let sum = to.floats().iter().zip(value.floats());
    let sum = sum.map(|(&a, &b)| a + b).collect();
    let refused = to.refused || value.refused;
    *to = Value::float(to.shape.clone(), sum);
    to.refused = refused;
}

/// A complex step through a choice means nothing.
fn refuse<N: Number>(values: &mut [Value<N>], refused: bool) {
    values.iter_mut().for_each(|value| value.refused |= refused);
}

#[cold]
fn too_deep() -> Error {
    Error::Limit {
        name: "max_depth",
        value: MAX_DEPTH.into(),
        asked: u64::from(MAX_DEPTH) + 1,
        repair: "functions run one another deeper than that; end the recursion earlier, or write \
                 it as a while or scan"
            .into(),
    }
}

#[cold]
fn too_long(most: u64) -> Error {
    Error::Limit {
        name: "max_iterations",
        value: most,
        asked: most.saturating_add(1),
        repair: "the condition still holds; raise the while's max_iterations, or mend what it \
                 waits for"
            .into(),
    }
}
