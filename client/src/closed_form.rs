//! Graphs as formulas.

use std::fmt;

use gradient_proto::v1::{self as proto, Op, node::Attributes};

use crate::{expr::op_name, graph::Graph, listing::describe, tensor::Tensor};

/// Operations of a graph that is still written as a formula.
const MAX_OPERATIONS: usize = 1000;

/// Terms of a formula that is still written out without sharing.
const MAX_WRITTEN_OUT: f64 = 300.0;

/// Elements of a constant that are shown.
const SHOWN: usize = 8;

/// A graph as formulas. A term is an operation, a number or a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedForm {
    /// What is used more than once, and the formula for it, in order.
    pub shared: Vec<(String, String)>,
    /// Each output and its formula, in terms of what is shared.
    pub outputs: Vec<(String, String)>,
    /// Each output's formula written out without sharing; none if it is too long.
    pub written_out: Option<Vec<(String, String)>>,
    /// Terms with sharing.
    pub terms_shared: u64,
    /// Terms without: it grows exponentially with depth, so it may be beyond any integer.
    pub terms_written_out: f64,
}

/// A graph with too many operations to be a formula.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operations} operations are no formula to read; at most {MAX_OPERATIONS} are written")]
pub struct TooLarge {
    /// How many it has.
    pub operations: usize,
}

/// A formula and how tightly its outermost operation binds.
#[derive(Clone)]
struct Formula {
    text: String,
    binds: u8,
}

const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const SIGN: u8 = 3;
const POWER: u8 = 4;
const ATOM: u8 = 5;

impl Formula {
    fn atom(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            binds: ATOM,
        }
    }

    /// In parentheses unless it binds at least so tightly.
    fn within(&self, binds: u8) -> String {
        match self.binds >= binds {
            true => self.text.clone(),
            false => format!("({})", self.text),
        }
    }
}

impl ClosedForm {
    /// The graph's outputs as formulas of its inputs.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn of(graph: &Graph) -> Result<Self, TooLarge> {
        let graph = graph.proto();
        let live = live(graph);
        let operations = live.iter().filter(|live| **live).count();
        if operations > MAX_OPERATIONS {
            return Err(TooLarge { operations });
        }
        let values = Values::of(graph);
        let mut uses = vec![0u32; values.producers.len()];
        let nodes = || graph.nodes.iter().zip(&live).filter(|(_, live)| **live);
        for v in nodes().flat_map(|(node, _)| &node.operands) {
            uses[*v as usize] += 1;
        }
        graph
            .outputs
            .iter()
            .for_each(|output| uses[output.value as usize] += 1);

        let (mut shared, mut name) = (vec![], 0);
        let with_sharing = values.formulas(graph, &live, |v, formula| {
            let is_leaf = formula.binds == ATOM && !formula.text.contains('(');
            if uses[v] < 2 || is_leaf {
                return formula;
            }
            name += 1;
            let name = format!("t{name}");
            shared.push((name.clone(), formula.text));
            Formula::atom(name)
        });
        let terms = values.terms(graph, &live);
        let outputs = |formulas: &[Formula]| -> Vec<(String, String)> {
            let of = graph.outputs.iter();
            of.map(|o| (o.name.clone(), formulas[o.value as usize].text.clone()))
                .collect()
        };
        let terms_written_out = graph.outputs.iter().map(|o| terms[o.value as usize]).sum();
        let written_out = (terms_written_out <= MAX_WRITTEN_OUT)
            .then(|| outputs(&values.formulas(graph, &live, |_, formula| formula)));
        let inputs = uses[..graph.inputs.len()].iter().filter(|uses| **uses > 0);
        Ok(Self {
            outputs: outputs(&with_sharing),
            shared,
            written_out,
            terms_shared: (operations + inputs.count()) as u64,
            terms_written_out,
        })
    }
}

/// Results of an operation; the contract names those with several.
fn results(node: &proto::Node) -> usize {
    match node.op() {
        Op::Sort => node.operands.len(),
        Op::TopK | Op::Slogdet | Op::Qr | Op::Eigh => 2,
        Op::Lu | Op::Svd => 3,
        _ => 1,
    }
}

/// Which nodes the outputs need.
fn live(graph: &proto::Graph) -> Vec<bool> {
    let values = Values::of(graph);
    let mut needed = vec![false; values.producers.len()];
    for output in &graph.outputs {
        if let Some(needed) = needed.get_mut(output.value as usize) {
            *needed = true;
        }
    }
    let mut live = vec![false; graph.nodes.len()];
    for v in (0..needed.len()).rev().filter(|v| *v >= graph.inputs.len()) {
        if needed[v] {
            let (node, _) = values.producers[v];
            live[node] = true;
            for operand in &graph.nodes[node].operands {
                needed[*operand as usize] = true;
            }
        }
    }
    live
}

struct Values {
    /// For each value its node and which of its results it is; of an input, nothing that counts.
    producers: Vec<(usize, usize)>,
}

impl Values {
    fn of(graph: &proto::Graph) -> Self {
        let mut producers = vec![(usize::MAX, 0); graph.inputs.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            producers.extend((0..results(node)).map(|k| (i, k)));
        }
        Self { producers }
    }

    /// A formula for every live value; `name` may put a name in its place.
    fn formulas(
        &self,
        graph: &proto::Graph,
        live: &[bool],
        mut name: impl FnMut(usize, Formula) -> Formula,
    ) -> Vec<Formula> {
        let inputs = graph.inputs.iter();
        let mut formulas: Vec<Formula> = inputs.map(|i| Formula::atom(&i.name)).collect();
        for &(node, result) in &self.producers[graph.inputs.len()..] {
            if !live[node] {
                formulas.push(Formula::atom(""));
                continue;
            }
            let node = &graph.nodes[node];
            let operands = node.operands.iter();
            let operands: Vec<&Formula> = operands.map(|&v| &formulas[v as usize]).collect();
            let mut formula = formula(node, &operands);
            if results(node) > 1 {
                formula = Formula::atom(format!("{}.{result}", formula.text));
            }
            let formula = name(formulas.len(), formula);
            formulas.push(formula);
        }
        formulas
    }

    /// Terms of every value's formula without sharing.
    fn terms(&self, graph: &proto::Graph, live: &[bool]) -> Vec<f64> {
        let mut terms = vec![1.0; graph.inputs.len()];
        for &(node, _) in &self.producers[graph.inputs.len()..] {
            let operands = graph.nodes[node].operands.iter();
            let own = operands.map(|&v| terms[v as usize]).sum::<f64>();
            terms.push(if live[node] { 1.0 + own } else { 0.0 });
        }
        terms
    }
}

fn formula(node: &proto::Node, x: &[&Formula]) -> Formula {
    let infix = |sign: &str, binds: u8, right: u8| Formula {
        text: format!("{}{sign}{}", x[0].within(binds), x[1].within(right)),
        binds,
    };
    let power = |exponent: &str| Formula {
        text: format!("{}^{exponent}", x[0].within(ATOM)),
        binds: POWER,
    };
    match (node.op(), x.len(), &node.attributes) {
        (Op::Constant, _, Some(Attributes::Constant(constant))) => {
            constant.value.as_ref().map_or(Formula::atom("?"), number)
        }
        (Op::Add, 2, _) => infix(" + ", SUM, SUM),
        (Op::Subtract, 2, _) => infix(" - ", SUM, PRODUCT),
        (Op::Multiply | Op::MultiplyNoNan, 2, _) => infix("*", PRODUCT, SIGN),
        (Op::Divide, 2, _) => infix("/", PRODUCT, SIGN),
        (Op::Power, 2, _) => Formula {
            text: format!("{}^{}", x[0].within(ATOM), x[1].within(ATOM)),
            binds: POWER,
        },
        (Op::IntegerPow, 1, Some(Attributes::IntegerPow(p))) if p.exponent >= 0 => {
            power(&p.exponent.to_string())
        }
        (Op::IntegerPow, 1, Some(Attributes::IntegerPow(p))) => power(&format!("({})", p.exponent)),
        (Op::Square, 1, _) => power("2"),
        (Op::Negate, 1, _) => Formula {
            text: format!("-{}", x[0].within(SIGN)),
            binds: SIGN,
        },
        (Op::Reciprocal, 1, _) => Formula {
            text: format!("1/{}", x[0].within(SIGN)),
            binds: PRODUCT,
        },
        (Op::Fma, 3, _) => Formula {
            text: format!(
                "{}*{} + {}",
                x[0].within(PRODUCT),
                x[1].within(SIGN),
                x[2].within(SUM)
            ),
            binds: SUM,
        },
        // A scalar in the place of a tensor of one element, or the other way round.
        (Op::Reshape, 1, _) => x[0].clone(),
        (op, _, attributes) => {
            let mut arguments: Vec<String> = x.iter().map(|x| x.text.clone()).collect();
            let words = attributes.as_ref().map(|a| match a {
                Attributes::BroadcastInDim(b) => format!("{:?}", b.shape),
                other => describe(other),
            });
            arguments.extend(words.filter(|words| !words.is_empty()));
            let name = match op {
                Op::BroadcastInDim => "broadcast".into(),
                Op::ReduceSum => "sum".into(),
                Op::DotGeneral => "dot".into(),
                op => op_name(op),
            };
            Formula::atom(format!("{name}({})", arguments.join(", ")))
        }
    }
}

fn number(tensor: &proto::Tensor) -> Formula {
    let Ok(tensor) = Tensor::from_proto(tensor) else {
        return Formula::atom("?");
    };
    let elements = tensor.elements_as_text(SHOWN);
    if tensor.shape().is_empty() {
        let text = elements
            .first()
            .map_or("?", |text| text.trim_end_matches(".0"));
        let binds = if text.starts_with('-') { SIGN } else { ATOM };
        return Formula {
            text: text.to_owned(),
            binds,
        };
    }
    let all: usize = tensor.shape().iter().product();
    let mut list = elements.join(", ");
    if all > SHOWN {
        list += ", …";
    }
    Formula::atom(format!("[{list}]"))
}

/// What is shared, then the outputs, one a line.
impl fmt::Display for ClosedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, formula) in self.shared.iter().chain(&self.outputs) {
            writeln!(f, "{name} = {formula}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    #[test]
    fn formulas_read_as_they_are_computed() {
        let g = GraphBuilder::new("formulas");
        let (x, y) = (g.input("x", []), g.input("y", []));
        let a = &x - (&y - 1.0);
        let b = (&x + &y) * -&x / (&y * 2.0);
        let c = (&x * &y).square() + x.exp();
        let graph = g.finish([("a", a), ("b", b), ("c", c)]).unwrap();
        let form = ClosedForm::of(&graph).unwrap();
        assert_eq!(
            form.written_out.unwrap(),
            [
                ("a".to_owned(), "x - (y - 1)".to_owned()),
                ("b".into(), "(x + y)*-x/(y*2)".into()),
                ("c".into(), "(x*y)^2 + exp(x)".into()),
            ]
        );
        assert!(form.shared.is_empty());
    }

    #[test]
    fn sharing_keeps_a_chain_of_squares_linear() {
        let g = GraphBuilder::new("chain");
        let x = g.input("x", []);
        let mut f = x.sin();
        for _ in 0..60 {
            f = &f * &f;
        }
        let graph = g.finish([("f", f)]).unwrap();
        let form = ClosedForm::of(&graph).unwrap();
        assert_eq!(form.terms_shared, 62);
        assert_eq!(
            form.terms_written_out,
            2f64.powi(60) * 2.0 + (2f64.powi(60) - 1.0)
        );
        assert!(form.written_out.is_none());
        assert_eq!(form.shared.len(), 60);
        assert_eq!(form.shared[0], ("t1".into(), "sin(x)".into()));
        assert_eq!(form.outputs, [("f".into(), "t60*t60".into())]);
    }

    #[test]
    fn large_graphs_are_refused() {
        let g = GraphBuilder::new("large");
        let mut f = g.input("x", []);
        for _ in 0..1001 {
            f = f.sin();
        }
        let graph = g.finish([("f", f)]).unwrap();
        assert_eq!(ClosedForm::of(&graph), Err(TooLarge { operations: 1001 }));
    }
}
