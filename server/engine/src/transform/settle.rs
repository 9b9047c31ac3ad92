//! Nodes with bodies in terms of plain kinds: how derivatives of them are run, and how they are written as graphs.

use super::control::{Source, push_as_apply, unfolded};
use super::functions::FunctionTable;
use crate::error::Error;
use crate::graph::{Arena, Function, Graph, Input, Output};
use crate::op::deeper;
use crate::op::{
    Attributes, Control, ControlKind, Derivative, Emit, FunctionId, Op, Product, Sweep, ValueId,
};
use crate::tensor::TensorType;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a node runs, in terms of plain kinds.
pub struct Resolved {
    /// What is run.
    pub control: Control,
    /// Its operands.
    pub operands: Vec<Source>,
    /// For each result of the node which result of what is run it is.
    pub results: Vec<usize>,
}

/// Turns derivatives into plain nodes of derived functions; only pull-backs of loops stay.
pub fn resolve(table: &mut FunctionTable, control: &Control) -> Result<Resolved, Error> {
    let plain = |count: usize| (0..count).map(Source::Operand).collect::<Vec<_>>();
    match control.sweep {
        Sweep::Apply => Ok(Resolved {
            control: control.clone(),
            operands: plain(control.operands.len()),
            results: (0..control.results.len()).collect(),
        }),
        Sweep::Push => {
            let (control, operands, results) = push_as_apply(table, control)?;
            Ok(Resolved {
                control,
                operands,
                results,
            })
        }
        Sweep::Pull => pull(table, control, plain(control.parts().x + control.parts().c)),
        Sweep::PullPush => {
            let (control, operands) = unfolded(table, control)?;
            pull(table, &control, operands)
        }
    }
}

fn pull(
    table: &mut FunctionTable,
    control: &Control,
    operands: Vec<Source>,
) -> Result<Resolved, Error> {
    let results: Vec<TensorType> = control.result_types();
    let count = results.len();
    let functions = match control.kind {
        ControlKind::Call | ControlKind::Cond => {
            let active = &control.active[control.first_argument()..];
            let derived = control.functions.iter();
            let derived = derived.map(|&f| table.pull(f, active, &control.seen));
            derived.collect::<Result<Vec<FunctionId>, Error>>()?
        }
        _ => {
            return Ok(Resolved {
                control: control.clone(),
                operands,
                results: (0..count).collect(),
            });
        }
    };
    let seen = control.results.iter().zip(&control.seen);
    let seen = seen.filter(|(_, s)| **s).map(|(ty, _)| ty.clone());
    let plain = Control {
        functions,
        operands: control.operands.iter().cloned().chain(seen).collect(),
        results,
        ..control.applied()
    };
    Ok(Resolved {
        control: plain,
        operands,
        results: (0..count).collect(),
    })
}

/// The part of an arena that `outputs` need as values that a client could have sent: with the functions it runs.
pub fn settled(
    table: &mut FunctionTable,
    from: &Arena,
    inputs: &[ValueId],
    outputs: &[ValueId],
) -> Result<Settled, Error> {
    let names = table.names();
    let mut settler = Settler {
        table,
        numbers: HashMap::new(),
        functions: Vec::new(),
        names,
    };
    let (arena, inputs, outputs) = settler.part(from, inputs, outputs)?;
    Ok(Settled {
        arena,
        inputs,
        outputs,
        functions: Arc::new(settler.functions.into_iter().flatten().collect()),
    })
}

/// See [`settled`].
pub struct Settled {
    /// The values.
    pub arena: Arena,
    /// Where the inputs are.
    pub inputs: Vec<ValueId>,
    /// Where the outputs are.
    pub outputs: Vec<ValueId>,
    /// What nodes run.
    pub functions: Arc<Vec<Function>>,
}

struct Settler<'a> {
    table: &'a mut FunctionTable,
    numbers: HashMap<FunctionId, FunctionId>,
    functions: Vec<Option<Function>>,
    names: HashSet<String>,
}

type Part = (Arena, Vec<ValueId>, Vec<ValueId>);

impl Settler<'_> {
    fn part(
        &mut self,
        from: &Arena,
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> Result<Part, Error> {
        let needed = from.needed(outputs.iter().copied());
        let mut arena = Arena::default();
        let mut to = vec![ValueId(u32::MAX); from.len()];
        for input in inputs {
            to[input.index()] = arena.parameter(from.ty(*input).clone());
        }
        for node in from.nodes().filter(|n| needed[n.result.index()]) {
            let operands: Vec<ValueId> = node.operands.iter().map(|v| to[v.index()]).collect();
            let values = match node.attributes {
                Attributes::Control(control) => self.control(&mut arena, control, &operands)?,
                plain => arena.emit_all(node.op, &operands, plain.clone()),
            };
            for (result, value) in node.results().zip(values) {
                to[result.index()] = value;
            }
        }
        let of = |values: &[ValueId]| values.iter().map(|v| to[v.index()]).collect();
        Ok((arena, of(inputs), of(outputs)))
    }

    fn control(
        &mut self,
        arena: &mut Arena,
        control: &Control,
        operands: &[ValueId],
    ) -> Result<Vec<ValueId>, Error> {
        let resolved = resolve(self.table, control)?;
        let operands: Vec<ValueId> = resolved
            .operands
            .iter()
            .map(|source| match source {
                Source::Operand(i) => operands[*i],
                Source::Zeros(ty) => (arena as &mut dyn Emit).full(ty, 0.0),
            })
            .collect();
        let all = match resolved.control.sweep {
            Sweep::Apply => {
                let mut plain = resolved.control;
                for f in &mut plain.functions {
                    *f = self.function(*f)?;
                }
                arena.emit_all(plain.op(), &operands, Attributes::Control(plain.into()))
            }
            _ => self.pulled(arena, &resolved.control, &operands)?,
        };
        Ok(resolved.results.iter().map(|&k| all[k]).collect())
    }

    /// The pull-back of a loop: a derivative node of a function that is the loop.
    fn pulled(
        &mut self,
        arena: &mut Arena,
        control: &Control,
        operands: &[ValueId],
    ) -> Result<Vec<ValueId>, Error> {
        let function = self.table.node(control.applied(), &control.operands)?;
        let function = self.function(function)?;
        let floats = |types: &[TensorType]| -> Vec<usize> {
            (0..types.len())
                .filter(|&i| types[i].dtype.is_float())
                .collect()
        };
        let xs = floats(&control.operands);
        let directed = 0..control.results.len() as u32;
        let node = Derivative {
            function,
            product: Product::Vjp { directions: 0 },
            directed: directed.filter(|&k| control.seen[k as usize]).collect(),
            parameters: control.operands.clone(),
            outputs: control.results.clone(),
            results: xs.iter().map(|&i| control.operands[i].clone()).collect(),
        };
        let all = arena.emit_all(
            Op::Derivative,
            operands,
            Attributes::Derivative(node.into()),
        );
        let wanted = xs.iter().zip(all).filter(|(i, _)| control.active[**i]);
        Ok(wanted.map(|(_, value)| value).collect())
    }

    fn function(&mut self, f: FunctionId) -> Result<FunctionId, Error> {
        if let Some(&number) = self.numbers.get(&f) {
            return Ok(number);
        }
        let number = FunctionId(self.functions.len() as u32);
        self.numbers.insert(f, number);
        self.functions.push(None);
        let body = self.table.body(f)?;
        let part = deeper(|| self.part(&body.arena, &body.parameters, &body.results));
        let (arena, inputs, outputs) = part?;
        let (custom_jvp, custom_vjp) = self.table.custom(f).unwrap_or_default();
        let custom_jvp = custom_jvp.map(|f| self.function(f)).transpose()?;
        let custom_vjp = custom_vjp.map(|f| self.function(f)).transpose()?;
        let name = match self.table.own_name(f) {
            Some(name) => name,
            None => self.new_name(),
        };
        let inputs = inputs.iter().enumerate().map(|(i, &value)| Input {
            name: i.to_string(),
            ty: arena.ty(value).clone(),
            value,
        });
        let inputs = inputs.collect();
        let outputs = outputs.iter().enumerate().map(|(i, &value)| Output {
            name: i.to_string(),
            value,
        });
        let outputs = outputs.collect();
        let body = Graph::from_parts(name.clone(), arena, inputs, outputs, HashMap::new());
        self.functions[number.index()] = Some(Function {
            name,
            body,
            custom_jvp,
            custom_vjp,
        });
        Ok(number)
    }

    fn new_name(&mut self) -> String {
        let mut n = self.functions.len();
        loop {
            let name = format!("derived_{n}");
            if self.names.insert(name.clone()) {
                return name;
            }
            n += 1;
        }
    }
}
