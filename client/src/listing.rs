//! Graphs as text that a person can read.

use std::{collections::HashMap, fmt};

use gradient_proto::v1::{self as proto, node::Attributes, product::Product};

use crate::{
    expr::{Inferred, Signatures, infer_types, op_name},
    graph::Graph,
    tensor::{Tensor, Type},
};

/// Elements of a constant that are shown.
const SHOWN: usize = 8;

/// One line per node; inputs go by their names, results by `%` and their value id:
///
/// ```text
/// graph "demo" (x: f64[3], y: f64)
///   %2 = sin(x) : f64[3]
///   %3 = multiply(%2, y) : f64[3]
///   %4 = reduce_sum(%3) : f64
/// return f = %4
/// ```
///
/// Of a node with several results all are shown: `%5, %6 = eigh(A) : f64[3], f64[3, 3]`.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = self.proto();
        let functions = Signatures::of(&graph.functions);
        let types = infer_types(&graph.inputs, &graph.nodes, &functions);
        let inputs: Vec<String> = graph
            .inputs
            .iter()
            .map(|input| {
                let tensor_type = input.r#type.as_ref().and_then(Type::from_proto);
                format!(
                    "{}: {}",
                    input.name,
                    tensor_type.map_or("?".into(), |t| t.to_string())
                )
            })
            .collect();
        writeln!(f, "graph {:?} ({})", graph.name, inputs.join(", "))?;
        let name = |&id: &u32| match graph.inputs.get(id as usize) {
            Some(input) => input.name.clone(),
            None => format!("%{id}"),
        };
        nodes(f, &graph.nodes, &types, &name)?;
        let outputs: Vec<String> = graph
            .outputs
            .iter()
            .map(|output| format!("{} = {}", output.name, name(&output.value)))
            .collect();
        writeln!(f, "return {}", outputs.join(", "))?;
        graph
            .functions
            .iter()
            .try_for_each(|function| body(f, function, &functions))
    }
}

fn body(
    f: &mut fmt::Formatter<'_>,
    function: &proto::Function,
    functions: &Signatures,
) -> fmt::Result {
    let as_inputs: Vec<proto::Input> = function
        .parameters
        .iter()
        .map(|parameter| proto::Input {
            name: String::new(),
            r#type: Some(parameter.clone()),
        })
        .collect();
    let types = infer_types(&as_inputs, &function.nodes, functions);
    let parameters = function
        .parameters
        .iter()
        .enumerate()
        .map(|(i, parameter)| {
            format!(
                "%{i}: {}",
                Type::from_proto(parameter).map_or("?".into(), |t| t.to_string())
            )
        });
    write!(
        f,
        "\nfunction {:?} ({})",
        function.name,
        parameters.collect::<Vec<_>>().join(", ")
    )?;
    for (rule, name) in [("jvp", &function.custom_jvp), ("vjp", &function.custom_vjp)] {
        if !name.is_empty() {
            write!(f, "  # its {rule}: {name:?}")?;
        }
    }
    writeln!(f)?;
    let name = |id: &u32| format!("%{id}");
    nodes(f, &function.nodes, &types, &name)?;
    writeln!(
        f,
        "return {}",
        function
            .results
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(", ")
    )
}

fn nodes(
    f: &mut fmt::Formatter<'_>,
    nodes: &[proto::Node],
    types: &Inferred,
    name: &dyn Fn(&u32) -> String,
) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        let results = types.results(i);
        match &results {
            Some(ids) => {
                let ids: Vec<String> = ids.clone().map(|id| format!("%{id}")).collect();
                write!(f, "  {} = ", ids.join(", "))?;
            }
            // After a malformed node, how many results came before is for the server to know.
            None => write!(f, "  node {i}: ")?,
        }
        let mut arguments: Vec<String> = node.operands.iter().map(name).collect();
        arguments.extend(
            node.attributes
                .as_ref()
                .map(describe)
                .filter(|words| !words.is_empty()),
        );
        write!(f, "{}({})", op_name(node.op()), arguments.join(", "))?;
        if let Some(ids) = results {
            let types: Vec<String> = ids
                .filter_map(|id| Some(types.of(id)?.to_string()))
                .collect();
            write!(f, " : {}", types.join(", "))?;
        }
        if !node.label.is_empty() {
            write!(f, "  # {}", node.label)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// What is not the default, as `field=value`.
pub(crate) fn describe(attributes: &Attributes) -> String {
    let mut text = Vec::new();
    let mut field = |name: &str, list: &dyn fmt::Debug, default: bool| {
        if !default {
            text.push(format!("{name}={list:?}"));
        }
    };
    match attributes {
        Attributes::Constant(constant) => {
            return constant
                .value
                .as_ref()
                .map(describe_tensor)
                .unwrap_or_default();
        }
        Attributes::Iota(iota) => field("dimension", &iota.dimension, false),
        Attributes::Convert(_) => {}
        Attributes::Compare(compare) => {
            return compare
                .direction()
                .as_str_name()
                .trim_start_matches("COMPARE_DIRECTION_")
                .to_ascii_lowercase();
        }
        Attributes::Reduce(reduce) => {
            field("axes", &reduce.axes, reduce.axes.is_empty());
            field("keep_dims", &reduce.keep_dims, !reduce.keep_dims);
        }
        Attributes::Reshape(_) => {}
        Attributes::Transpose(transpose) => field("permutation", &transpose.permutation, false),
        Attributes::BroadcastInDim(broadcast) => field("dimensions", &broadcast.dimensions, false),
        Attributes::Slice(slice) => {
            field("starts", &slice.starts, false);
            field("limits", &slice.limits, false);
            field("strides", &slice.strides, slice.strides.is_empty());
        }
        Attributes::Pad(pad) => {
            field("low", &pad.low, false);
            field("high", &pad.high, false);
            field("interior", &pad.interior, pad.interior.is_empty());
        }
        Attributes::Concatenate(concatenate) => field("dimension", &concatenate.dimension, false),
        Attributes::DotGeneral(dot) => {
            field("lhs_contracting", &dot.lhs_contracting, false);
            field("rhs_contracting", &dot.rhs_contracting, false);
            field("lhs_batch", &dot.lhs_batch, dot.lhs_batch.is_empty());
            field("rhs_batch", &dot.rhs_batch, dot.rhs_batch.is_empty());
        }
        Attributes::Gather(gather) => {
            field("offset_dims", &gather.offset_dims, false);
            field(
                "collapsed_slice_dims",
                &gather.collapsed_slice_dims,
                gather.collapsed_slice_dims.is_empty(),
            );
            field("start_index_map", &gather.start_index_map, false);
            field("index_vector_dim", &gather.index_vector_dim, false);
            field("slice_sizes", &gather.slice_sizes, false);
        }
        Attributes::Scatter(scatter) => {
            field("update_window_dims", &scatter.update_window_dims, false);
            field(
                "inserted_window_dims",
                &scatter.inserted_window_dims,
                scatter.inserted_window_dims.is_empty(),
            );
            field(
                "scatter_dims_to_operand_dims",
                &scatter.scatter_dims_to_operand_dims,
                false,
            );
            field("index_vector_dim", &scatter.index_vector_dim, false);
        }
        Attributes::IntegerPow(power) => field("exponent", &power.exponent, false),
        Attributes::Variance(variance) => {
            field("axes", &variance.axes, variance.axes.is_empty());
            field("keep_dims", &variance.keep_dims, !variance.keep_dims);
            field("ddof", &variance.ddof, variance.ddof == 0);
        }
        Attributes::Norm(norm) => {
            field("kind", &norm.kind(), norm.kind == 0);
            field("axes", &norm.axes, norm.axes.is_empty());
            field("keep_dims", &norm.keep_dims, !norm.keep_dims);
        }
        Attributes::ArgReduce(reduce) => {
            field("axis", &reduce.axis, false);
            field("keep_dims", &reduce.keep_dims, !reduce.keep_dims);
        }
        Attributes::Cumulative(cumulative) => {
            field("axis", &cumulative.axis, false);
            field("reverse", &cumulative.reverse, !cumulative.reverse);
        }
        Attributes::Softmax(softmax) => field("axis", &softmax.axis, false),
        Attributes::Diagonal(diagonal) => field("offset", &diagonal.offset, diagonal.offset == 0),
        Attributes::Einsum(einsum) => field("equation", &einsum.equation, false),
        Attributes::OneHot(one_hot) => field("depth", &one_hot.depth, false),
        Attributes::Tile(tile) => field("repeats", &tile.repeats, false),
        Attributes::Reverse(reverse) => field("dimensions", &reverse.dimensions, false),
        Attributes::DynamicSlice(slice) => field("sizes", &slice.sizes, false),
        Attributes::Sort(sort) => {
            field("axis", &sort.axis, false);
            field("descending", &sort.descending, !sort.descending);
        }
        Attributes::TopK(top) => field("k", &top.k, false),
        Attributes::TriangularSolve(solve) => {
            field("lower", &solve.lower, false);
            field("transpose_a", &solve.transpose_a, !solve.transpose_a);
            field("unit_diagonal", &solve.unit_diagonal, !solve.unit_diagonal);
        }
        Attributes::Solve(solve) => field("transpose_a", &solve.transpose_a, !solve.transpose_a),
        Attributes::Windows(windows) => {
            field("sizes", &windows.sizes, false);
            field("strides", &windows.strides, windows.strides.is_empty());
            field(
                "dilations",
                &windows.dilations,
                windows.dilations.is_empty(),
            );
            field("shape", &windows.shape, windows.shape.is_empty());
        }
        Attributes::Convolution(convolution) => {
            let c = convolution;
            field("strides", &c.strides, c.strides.is_empty());
            field("low", &c.low, c.low.is_empty());
            field("high", &c.high, c.high.is_empty());
            field("dilations", &c.dilations, c.dilations.is_empty());
            field("groups", &c.groups, c.groups < 2);
        }
        Attributes::Pool(pool) => {
            field("sizes", &pool.sizes, false);
            field("strides", &pool.strides, pool.strides.is_empty());
            field("low", &pool.low, pool.low.is_empty());
            field("high", &pool.high, pool.high.is_empty());
        }
        Attributes::Fourier(fourier) => field("length", &fourier.length, false),
        Attributes::Interpolate(interpolate) => {
            field("kind", &interpolate.kind(), interpolate.kind == 0);
            let beyond = interpolate.extrapolation();
            field("extrapolation", &beyond, interpolate.extrapolation == 0);
        }
        Attributes::BSpline(spline) => field("degree", &spline.degree, false),
        Attributes::SparsePattern(pattern) => {
            field("row_count", &pattern.row_count, false);
            field("column_count", &pattern.column_count, false);
            field("entries", &pattern.rows.len(), false);
            field("transpose", &pattern.transpose, !pattern.transpose);
        }
        Attributes::SearchSorted(search) => field("right", &search.right, !search.right),
        Attributes::Call(call) => field("function", &call.function, false),
        Attributes::Cond(cond) => field("branches", &cond.branches, false),
        Attributes::While(r#while) => {
            field("condition", &r#while.condition, false);
            field("body", &r#while.body, false);
            field(
                "max_iterations",
                &r#while.max_iterations,
                r#while.max_iterations == 0,
            );
        }
        Attributes::Scan(scan) => {
            field("function", &scan.function, false);
            field("length", &scan.length, false);
            field("carries", &scan.carries, false);
            field("sequences", &scan.sequences, false);
            field("reverse", &scan.reverse, !scan.reverse);
        }
        Attributes::Map(map) => {
            field("function", &map.function, false);
            field("length", &map.length, false);
            field("sequences", &map.sequences, false);
        }
        Attributes::Derivative(derivative) => {
            field("function", &derivative.function, false);
            if let Some(product) = derivative.product.as_ref().and_then(|p| p.product.as_ref()) {
                text.push(describe_product(product));
            }
        }
        Attributes::ImplicitRoot(implicit)
        | Attributes::FixedPoint(implicit)
        | Attributes::LinearSolve(implicit) => {
            field("function", &implicit.function, false);
            let bound = implicit.max_iterations;
            field("max_iterations", &bound, bound == 0);
            field("tolerance", &implicit.tolerance, implicit.tolerance == 0.0);
        }
    }
    text.join(", ")
}

/// `gradient(0, wrt=0 1)`, positions being those of parameters and results.
fn describe_product(product: &Product) -> String {
    let list = |names: &[String]| match names.is_empty() {
        true => "all".to_owned(),
        false => names.join(" "),
    };
    let keys = |map: &HashMap<String, proto::Tensor>| {
        let mut names: Vec<String> = map.keys().cloned().collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        list(&names)
    };
    let times = |directions: u32| match directions {
        0 => String::new(),
        k => format!(", directions={k}"),
    };
    match product {
        Product::Value(p) => format!("value({})", list(&p.outputs)),
        Product::Gradient(p) => format!("gradient({}, wrt={})", p.output, list(&p.wrt)),
        Product::Jacobian(p) => format!("jacobian({}, wrt={})", list(&p.outputs), list(&p.wrt)),
        Product::JacobianVectorProduct(p) => {
            format!("jvp(tangents={}{})", keys(&p.tangents), times(p.directions))
        }
        Product::VectorJacobianProduct(p) => {
            format!(
                "vjp(cotangents={}{})",
                keys(&p.cotangents),
                times(p.directions)
            )
        }
        Product::Hessian(p) => format!("hessian({}, wrt={})", p.output, list(&p.wrt)),
        Product::HessianVectorProduct(p) => format!(
            "hvp({}, wrt={}, vectors={}{})",
            p.output,
            list(&p.wrt),
            keys(&p.vectors),
            times(p.directions)
        ),
    }
}

fn describe_tensor(message: &proto::Tensor) -> String {
    let tensor = match Tensor::from_proto(message) {
        Ok(tensor) => tensor,
        Err(problem) => return format!("({problem})"),
    };
    // In the words of its own type: 0.1 as f32 is not 0.10000000149011612.
    let elements = tensor.elements_as_text(SHOWN).join(", ");
    match (tensor.shape().len(), tensor.elements()) {
        (0, _) => elements,
        (_, n) if n > SHOWN => format!("[{elements}, … ({n} in all)]"),
        _ => format!("[{elements}]"),
    }
}
