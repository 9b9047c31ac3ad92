use super::{Arena, Graph, NodeRef};
use crate::op::{Op, Types};
use crate::tensor::TensorType;

/// A graph in numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// Nodes as sent.
    pub nodes: u64,
    /// Nodes that outputs depend on.
    pub live_nodes: u64,
    /// Elements of the floating-point inputs that outputs depend on: n.
    pub live_inputs: u64,
    /// Elements of the floating-point outputs: m.
    pub outputs: u64,
    /// Elementary operations of one evaluation.
    pub operations: u64,
    /// Live nodes of each operation, most frequent first.
    pub op_counts: Vec<(Op, u64)>,
    /// Functions as sent.
    pub functions: u64,
    /// Nodes of all functions as sent.
    pub function_nodes: u64,
}

impl Graph {
    /// The graph in numbers.
    pub fn statistics(&self) -> Statistics {
        let arena = self.arena();
        let functions = || self.functions().iter();
        let last = Op::ALL.iter().map(|&op| op as usize).max().unwrap_or(0);
        let mut counts = vec![0u64; last + 1];
        let mut operations = 0u64;
        let needed = arena.needed_each(self.outputs().iter().map(|o| o.value), |step| {
            counts[step.op as usize] += 1;
            let cost = match arena.of_scalars(&step) {
                Some(row) => row.cost.into(),
                None => arena.cost(arena.node(step.id)),
            };
            operations = operations.saturating_add(cost);
        });
        let mut op_counts: Vec<(Op, u64)> = Op::ALL
            .iter()
            .map(|&op| (op, counts[op as usize]))
            .filter(|&(_, count)| count > 0)
            .collect();
        op_counts.sort_by_key(|&(op, count)| (std::cmp::Reverse(count), op.number()));
        Statistics {
            nodes: arena.node_count() as u64,
            live_nodes: op_counts.iter().map(|&(_, count)| count).sum(),
            live_inputs: self
                .inputs()
                .iter()
                .filter(|i| i.ty.dtype.is_float() && needed[i.value.index()])
                .map(|i| i.ty.elements())
                .sum(),
            outputs: (0..self.outputs().len())
                .map(|i| self.output_type(i))
                .filter(|ty| ty.dtype.is_float())
                .map(TensorType::elements)
                .sum(),
            operations,
            op_counts,
            functions: functions().count() as u64,
            function_nodes: functions()
                .map(|function| function.body.arena().node_count() as u64)
                .sum(),
        }
    }
}

impl Arena {
    /// Elementary operations of one evaluation of a node.
    pub fn cost(&self, node: NodeRef<'_>) -> u64 {
        if let Some(row) = node.op.elementwise() {
            return node.ty.elements().saturating_mul(row.cost.into());
        }
        let Some(form) = node.op.form() else { return 0 };
        let (one, own, all, others);
        let operands: &[&TensorType] = match *node.operands {
            [operand] => {
                one = [self.ty(operand)];
                &one
            }
            _ => {
                all = node
                    .operands
                    .iter()
                    .map(|&v| self.ty(v))
                    .collect::<Vec<_>>();
                &all
            }
        };
        let results: &[&TensorType] = match node.result_count {
            1 => {
                own = [node.ty];
                &own
            }
            _ => {
                others = node.results().map(|v| self.ty(v)).collect::<Vec<_>>();
                &others
            }
        };
        let types = Types {
            operands,
            result: node.ty,
            results,
        };
        (form.cost)(node.attributes, &types)
    }
}
