use super::{Graph, NodeRef};
use crate::op::{Attributes, Control, ControlKind, Sweep, ValueId};
use std::fmt;

/// A readable listing, one value a line.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = vec![String::new(); self.arena().len()];
        for input in self.inputs() {
            writeln!(f, "{} : {}", input.name, input.ty)?;
            names[input.value.index()].clone_from(&input.name);
        }
        let name = |v: ValueId| match names[v.index()].as_str() {
            "" => format!("%{}", v.0),
            name => name.into(),
        };
        for node in self.nodes() {
            let results: Vec<String> = node.results().map(|v| format!("%{}", v.0)).collect();
            let types: Vec<String> = node
                .results()
                .map(|v| self.arena().ty(v).to_string())
                .collect();
            writeln!(
                f,
                "{} = {} : {}",
                results.join(", "),
                expression(node, &name),
                types.join(", ")
            )?;
        }
        for output in self.outputs() {
            writeln!(f, "{} <- {}", output.name, name(output.value))?;
        }
        Ok(())
    }
}

/// `multiply(x, %3)`.
fn expression(node: NodeRef<'_>, name: &impl Fn(ValueId) -> String) -> String {
    let mut arguments: Vec<String> = node.operands.iter().map(|&v| name(v)).collect();
    let words = attribute_words(node.attributes);
    if !words.is_empty() {
        arguments.push(words);
    }
    format!("{}({})", node.op.name(), arguments.join(", "))
}

/// An attribute as people read it; what the result's type shows is left out.
pub(crate) fn attribute_words(attributes: &Attributes) -> String {
    match attributes {
        Attributes::None | Attributes::Convert { .. } | Attributes::Reshape { .. } => String::new(),
        Attributes::Constant(tensor) => tensor.to_string(),
        Attributes::Iota { dimension, .. } | Attributes::Concatenate { dimension } => {
            format!("dimension={dimension}")
        }
        Attributes::Compare { direction } => direction.symbol().into(),
        Attributes::Reduce { axes, .. } if axes.is_empty() => String::new(),
        Attributes::Reduce { axes, .. } => format!("axes={axes:?}"),
        Attributes::Transpose { permutation } => format!("permutation={permutation:?}"),
        Attributes::BroadcastInDim { dimensions, .. } => format!("dimensions={dimensions:?}"),
        Attributes::Slice {
            starts,
            limits,
            strides,
        } => format!("{starts:?}..{limits:?} by {strides:?}"),
        Attributes::Pad {
            low,
            high,
            interior,
        } => format!("low={low:?}, high={high:?}, interior={interior:?}"),
        Attributes::DotGeneral(d) => format!(
            "contracting={:?}x{:?}, batch={:?}x{:?}",
            d.lhs_contracting, d.rhs_contracting, d.lhs_batch, d.rhs_batch
        ),
        Attributes::Gather(g) => format!("windows={:?}", g.slice_sizes),
        Attributes::Scatter(s) => format!("into={:?}", s.scatter_dims_to_operand_dims),
        Attributes::IntegerPow { exponent } => format!("exponent={exponent}"),
        Attributes::Variance { axes, ddof, .. } => format!("axes={axes:?}, ddof={ddof}"),
        Attributes::Norm { kind, axes, .. } => format!("{kind:?}, axes={axes:?}"),
        Attributes::ArgReduce { axis, .. } | Attributes::Softmax { axis } => {
            format!("axis={axis}")
        }
        Attributes::Cumulative { axis, reverse } => format!("axis={axis}, reverse={reverse}"),
        Attributes::Diagonal { offset } => format!("offset={offset}"),
        Attributes::Einsum { equation } => format!("{equation:?}"),
        Attributes::OneHot { depth, .. } => format!("depth={depth}"),
        Attributes::Tile { repeats } => format!("repeats={repeats:?}"),
        Attributes::Reverse { dimensions } => format!("dimensions={dimensions:?}"),
        Attributes::DynamicSlice { sizes } => format!("sizes={sizes:?}"),
        Attributes::Sort { axis, descending } => format!("axis={axis}, descending={descending}"),
        Attributes::TopK { k } => format!("k={k}"),
        Attributes::TriangularSolve {
            lower,
            transpose_a,
            unit_diagonal,
        } => format!("lower={lower}, transpose_a={transpose_a}, unit_diagonal={unit_diagonal}"),
        Attributes::Solve { transpose_a } => format!("transpose_a={transpose_a}"),
        Attributes::Windows(w) => format!(
            "sizes={:?}, strides={:?}, dilations={:?}",
            w.sizes, w.strides, w.dilations
        ),
        Attributes::Convolution(c) => format!(
            "strides={:?}, low={:?}, high={:?}, dilations={:?}, groups={}",
            c.strides, c.low, c.high, c.dilations, c.groups
        ),
        Attributes::Pool(p) => format!("sizes={:?}, strides={:?}", p.sizes, p.strides),
        Attributes::Fourier { length } => format!("length={length}"),
        Attributes::Interpolate {
            kind,
            extrapolation,
        } => format!("{kind:?}, beyond: {extrapolation:?}"),
        Attributes::BSpline { degree } => format!("degree={degree}"),
        Attributes::SparsePattern(s) => format!(
            "{} x {}, {} entries",
            s.row_count,
            s.column_count,
            s.rows.len()
        ),
        Attributes::SearchSorted { right } => format!("right={right}"),
        Attributes::Control(control) => control_words(control),
        Attributes::Implicit(i) => format!("function {}", i.function.0),
        Attributes::Derivative(d) => {
            format!("function {}, {:?}", d.function.0, d.product)
        }
    }
}

/// "functions 1, 2, length=100".
fn control_words(control: &Control) -> String {
    let functions: Vec<String> = control.functions.iter().map(|f| f.0.to_string()).collect();
    let mut words = format!("functions {}", functions.join(", "));
    if let ControlKind::Scan { length, reverse } = control.kind {
        words += &format!(", length={length}");
        if reverse {
            words += ", reverse";
        }
    }
    match control.sweep {
        Sweep::Apply => {}
        Sweep::Push => words += ", tangents",
        Sweep::Pull => words += ", cotangents",
        Sweep::PullPush => words += ", tangents of cotangents",
    }
    words
}
