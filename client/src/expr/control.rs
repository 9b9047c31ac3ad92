//! Nodes that run functions: calls, branches, loops, derivatives, implicit values.

use std::{borrow::Borrow, panic::Location};

use gradient_proto::v1::{self as proto, Op, node::Attributes, product::Product};

use super::{
    Expr, Exprs, Function, GraphBuilder,
    structural::{wire, wire_all},
};

/// A loop with a fixed number of steps. In each, the function takes the carries, one slice of each sequence along the
/// first dimension, and the constants; it gives the carries, then outputs, which are stacked.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// How many steps.
    pub length: usize,
    /// What goes from step to step.
    pub carries: Vec<Expr>,
    /// First dimension: `length`.
    pub sequences: Vec<Expr>,
    /// The same in every step.
    pub constants: Vec<Expr>,
    /// From the last step to the first.
    pub reverse: bool,
}

/// When to end the search for an implicit value. 0 means what the server chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// The most iterations.
    pub max_iterations: u64,
    /// How small the last change is, relative to the value.
    pub tolerance: f64,
}

fn positions(list: impl AsRef<[usize]>) -> Vec<String> {
    wire_all(list).iter().map(u32::to_string).collect()
}

/// # Nodes that run functions
///
/// What a node results in is as many expressions as the caller takes: `let y: Expr = …`, `let (x, v) = …`,
/// `let all: Vec<Expr> = …`.
///
/// ```
/// use gradient_client::{Dtype, Expr, GraphBuilder, Type};
///
/// // Newton's iteration for the square root, as long as the step is not small.
/// let g = GraphBuilder::new("root");
/// let types = || [(); 2].map(|()| Type::new(Dtype::F64, []));
/// let far = g.function("far", types(), |_, [x, a]| (&x * &x - a).abs().gt(1e-12));
/// let step = g.function("step", types(), |_, [x, a]| 0.5 * (&x + a / &x));
/// let a = g.input("a", []);
/// let root: Expr = g.while_loop(&far, &step, [&a, &a]);
/// let graph = g.finish([("root", root)])?;
/// # Ok::<(), gradient_client::BuildError>(())
/// ```
impl GraphBuilder {
    /// The results of a function.
    #[track_caller]
    pub fn call<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        let call = proto::Call {
            function: self.name_of(function),
        };
        self.run(Op::Call, arguments, Attributes::Call(call.into()))
    }

    /// `then` where a bool scalar holds, else `otherwise`; only one of them is run. Both take the arguments.
    #[track_caller]
    pub fn if_else<R: Exprs, E: Borrow<Expr>>(
        &self,
        condition: &Expr,
        then: &Function,
        otherwise: &Function,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        self.cond(condition, [otherwise, then], arguments)
    }

    /// One of several functions of one signature: by a bool false or true, by an i64 scalar the one of that number,
    /// or the nearest.
    #[track_caller]
    pub fn cond<'f, R: Exprs, E: Borrow<Expr>>(
        &self,
        selector: &Expr,
        branches: impl IntoIterator<Item = &'f Function>,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        let branches = branches.into_iter().map(|f| self.name_of(f)).collect();
        let arguments: Vec<E> = arguments.into_iter().collect();
        let operands = std::iter::once(selector).chain(arguments.iter().map(Borrow::borrow));
        let cond = proto::Cond { branches };
        self.run(Op::Cond, operands, Attributes::Cond(cond.into()))
    }

    /// Repeats `body` while `condition` holds. Both take all operands: carries, then constants; the body gives the
    /// carries, which are the results.
    #[track_caller]
    pub fn while_loop<R: Exprs, E: Borrow<Expr>>(
        &self,
        condition: &Function,
        body: &Function,
        operands: impl IntoIterator<Item = E>,
    ) -> R {
        self.while_loop_with(condition, body, operands, 0)
    }

    /// As [`GraphBuilder::while_loop`], with an evaluation failing that needs more iterations.
    #[track_caller]
    pub fn while_loop_with<R: Exprs, E: Borrow<Expr>>(
        &self,
        condition: &Function,
        body: &Function,
        operands: impl IntoIterator<Item = E>,
        max_iterations: u64,
    ) -> R {
        let repeat = proto::While {
            condition: self.name_of(condition),
            body: self.name_of(body),
            max_iterations,
        };
        self.run(Op::While, operands, Attributes::While(repeat.into()))
    }

    /// The last carries, then the stacked outputs.
    #[track_caller]
    pub fn scan<R: Exprs>(&self, function: &Function, scan: Scan) -> R {
        let message = proto::Scan {
            function: self.name_of(function),
            length: scan.length as u64,
            carries: wire(scan.carries.len()),
            sequences: wire(scan.sequences.len()),
            reverse: scan.reverse,
        };
        let operands = [scan.carries, scan.sequences, scan.constants].concat();
        self.run(Op::Scan, operands, Attributes::Scan(message.into()))
    }

    /// A function of every slice of the sequences along the first dimension, and of the constants; the results,
    /// stacked.
    #[track_caller]
    pub fn map<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        sequences: impl IntoIterator<Item = E>,
        constants: impl IntoIterator<Item = E>,
    ) -> R {
        let mut operands: Vec<E> = sequences.into_iter().collect();
        let sequences = operands.len();
        let first = operands.first().map(|s| s.borrow().shape());
        let Some(&length) = first.as_ref().and_then(|shape| shape.first()) else {
            let problem = "the first operand is no sequence; give a tensor with a first dimension";
            self.fail(Op::Map, problem.into(), Location::caller());
            return self.nothing();
        };
        operands.extend(constants);
        let map = proto::Map {
            function: self.name_of(function),
            length: length as u64,
            sequences: wire(sequences),
        };
        self.run(Op::Map, operands, Attributes::Map(map.into()))
    }

    /// ∇ of the result at position `output`, which is a scalar, in the parameters at positions `wrt` (none: all of
    /// floating-point type), in order of position. May be differentiated itself, like all that follow.
    #[track_caller]
    pub fn gradient<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        output: usize,
        wrt: impl AsRef<[usize]>,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        let product = Product::Gradient(proto::Gradient {
            output: wire(output).to_string(),
            wrt: positions(wrt),
        });
        self.derivative(function, product, arguments)
    }

    /// The Jacobian's blocks, results × parameters, each of the result's shape and then the parameter's. No positions:
    /// all of floating-point type.
    #[track_caller]
    pub fn jacobian<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        outputs: impl AsRef<[usize]>,
        wrt: impl AsRef<[usize]>,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        let product = Product::Jacobian(proto::Jacobian {
            outputs: positions(outputs),
            wrt: positions(wrt),
            layout: proto::Layout::Dense.into(),
        });
        self.derivative(function, product, arguments)
    }

    /// The Hessian's blocks of a scalar result, parameters × parameters.
    #[track_caller]
    pub fn hessian<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        output: usize,
        wrt: impl AsRef<[usize]>,
        arguments: impl IntoIterator<Item = E>,
    ) -> R {
        let product = Product::Hessian(proto::Hessian {
            output: wire(output).to_string(),
            wrt: positions(wrt),
            layout: proto::Layout::Dense.into(),
        });
        self.derivative(function, product, arguments)
    }

    /// Tangents of the floating-point results along tangents of parameters, given by position; other parameters stand
    /// still. With a further first dimension, one for each direction.
    #[track_caller]
    pub fn jvp<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        arguments: impl IntoIterator<Item = E>,
        tangents: impl IntoIterator<Item = (usize, E)>,
    ) -> R {
        let seeds = Seeds::of(tangents);
        let product = Product::JacobianVectorProduct(proto::JacobianVectorProduct {
            tangents: seeds.keys(),
            directions: seeds.directions(function, |(parameters, _)| parameters),
        });
        self.derivative(function, product, seeds.after(arguments))
    }

    /// Cotangents of the floating-point parameters for cotangents of results, given by position.
    #[track_caller]
    pub fn vjp<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        arguments: impl IntoIterator<Item = E>,
        cotangents: impl IntoIterator<Item = (usize, E)>,
    ) -> R {
        let seeds = Seeds::of(cotangents);
        let product = Product::VectorJacobianProduct(proto::VectorJacobianProduct {
            cotangents: seeds.keys(),
            directions: seeds.directions(function, |(_, results)| results),
        });
        self.derivative(function, product, seeds.after(arguments))
    }

    /// The Hessian of a scalar result times vectors, given by the position of their parameter.
    #[track_caller]
    pub fn hvp<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        output: usize,
        wrt: impl AsRef<[usize]>,
        arguments: impl IntoIterator<Item = E>,
        vectors: impl IntoIterator<Item = (usize, E)>,
    ) -> R {
        let seeds = Seeds::of(vectors);
        let product = Product::HessianVectorProduct(proto::HessianVectorProduct {
            output: wire(output).to_string(),
            wrt: positions(wrt),
            vectors: seeds.keys(),
            directions: seeds.directions(function, |(parameters, _)| parameters),
        });
        self.derivative(function, product, seeds.after(arguments))
    }

    /// The x with g(x, parameters…) = 0 that Newton's method finds from `start`; `function` is g. Its derivative is
    /// that of the implicit function theorem, whatever way x was found; the start has none.
    #[track_caller]
    pub fn implicit_root<E: Borrow<Expr>>(
        &self,
        function: &Function,
        start: &Expr,
        parameters: impl IntoIterator<Item = E>,
        until: Until,
    ) -> Expr {
        let implicit = self.implicit(function, until).into();
        let implicit = Attributes::ImplicitRoot(implicit);
        self.run_from(Op::ImplicitRoot, start, parameters, implicit)
    }

    /// The x with x = f(x, parameters…) that repetition finds from `start`; `function` is f.
    #[track_caller]
    pub fn fixed_point<E: Borrow<Expr>>(
        &self,
        function: &Function,
        start: &Expr,
        parameters: impl IntoIterator<Item = E>,
        until: Until,
    ) -> Expr {
        let implicit = self.implicit(function, until).into();
        let implicit = Attributes::FixedPoint(implicit);
        self.run_from(Op::FixedPoint, start, parameters, implicit)
    }

    /// The x with A(parameters…) x = b, where `operator` takes x and the parameters and gives A x. No matrix is
    /// formed.
    #[track_caller]
    pub fn linear_solve<E: Borrow<Expr>>(
        &self,
        operator: &Function,
        b: &Expr,
        parameters: impl IntoIterator<Item = E>,
        until: Until,
    ) -> Expr {
        let implicit = self.implicit(operator, until).into();
        let implicit = Attributes::LinearSolve(implicit);
        self.run_from(Op::LinearSolve, b, parameters, implicit)
    }

    fn implicit(&self, function: &Function, until: Until) -> proto::Implicit {
        proto::Implicit {
            function: self.name_of(function),
            max_iterations: until.max_iterations,
            tolerance: until.tolerance,
        }
    }

    #[track_caller]
    fn run_from<E: Borrow<Expr>>(
        &self,
        op: Op,
        first: &Expr,
        rest: impl IntoIterator<Item = E>,
        attributes: Attributes,
    ) -> Expr {
        let rest: Vec<E> = rest.into_iter().collect();
        let operands = std::iter::once(first).chain(rest.iter().map(Borrow::borrow));
        self.run(op, operands, attributes)
    }

    #[track_caller]
    fn derivative<R: Exprs, E: Borrow<Expr>>(
        &self,
        function: &Function,
        product: Product,
        operands: impl IntoIterator<Item = E>,
    ) -> R {
        let product = Some(product);
        let derivative = proto::Derivative {
            function: self.name_of(function),
            product: Some(proto::Product { product }),
        };
        let derivative = Attributes::Derivative(derivative.into());
        self.run(Op::Derivative, operands, derivative)
    }
}

/// Tangents, cotangents or vectors, in order of position.
struct Seeds<E>(Vec<(usize, E)>);

impl<E: Borrow<Expr>> Seeds<E> {
    fn of(seeds: impl IntoIterator<Item = (usize, E)>) -> Self {
        let mut seeds: Vec<(usize, E)> = seeds.into_iter().collect();
        seeds.sort_by_key(|&(position, _)| position);
        Self(seeds)
    }

    fn keys(&self) -> std::collections::HashMap<String, proto::Tensor> {
        let keys = self.0.iter().map(|&(position, _)| wire(position));
        keys.map(|key| (key.to_string(), proto::Tensor::default()))
            .collect()
    }

    /// The size of the dimension that the first one has in front of the declared ones; 0 if it has none.
    fn directions(
        &self,
        function: &Function,
        side: impl Fn((Vec<super::Type>, Vec<super::Type>)) -> Vec<super::Type>,
    ) -> u32 {
        let Some((position, seed)) = self.0.first() else {
            return 0;
        };
        let declared = function.signature().map(side);
        let declared = declared.and_then(|types| types.get(*position).map(|ty| ty.shape.len()));
        let given = seed.borrow().shape();
        match declared {
            Some(rank) if given.len() == rank + 1 => wire(given[0]),
            _ => 0,
        }
    }

    fn after(self, arguments: impl IntoIterator<Item = E>) -> Vec<E> {
        let seeds = self.0.into_iter().map(|(_, seed)| seed);
        arguments.into_iter().chain(seeds).collect()
    }
}
