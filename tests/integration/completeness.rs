//! Every structural and composite operation is looked at where operations break: without elements, at rank 0 or the
//! smallest rank it takes, and at special numbers, each with the declared value and derivative, in f64 and in f32. An
//! operation without such cases, or without a scenario for what the other tests check of all of them (differences,
//! transposes, second order, batches against loops), fails here. Elementwise operations are all alike: `elementwise`.

mod control;
mod elementwise;
mod linear_algebra;
mod reductions;
mod shapes;
mod signal;

use gradient_engine::{
    Arguments, Attributes, DType, Error, FunctionSource, Graph, Layout, Method, Mode, Op, Options,
    Product, Request, Scratch, Stop, Tensor, TensorType, compile,
};
use gradient_tests::engine::{evaluate, numbers, tensor};
use gradient_tests::scenarios::{Draft, Scenario, all};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;
/// A number that is not declared.
const ANY: f64 = f64::from_bits(0x7ff8_0000_dead_beef);
/// Declared as no finite number: an infinity or NaN.
const LOST: f64 = f64::from_bits(0x7ff8_0000_dead_1055);
const SQRT_HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// What a case looks at.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// An operand or a result without elements.
    Empty,
    /// An operand of rank 0.
    Scalar,
    /// The smallest legal operands, and why rank 0 is not legal.
    Smallest(&'static str),
    /// Ties, zeros, infinities, NaN.
    Special,
}

/// An operand: element type, shape, numbers.
#[derive(Clone, Debug)]
struct Operand(DType, Vec<u64>, Vec<f64>);

fn f(shape: &[u64], numbers: &[f64]) -> Operand {
    Operand(DType::F64, shape.to_vec(), numbers.to_vec())
}

fn i(shape: &[u64], numbers: &[f64]) -> Operand {
    Operand(DType::I64, shape.to_vec(), numbers.to_vec())
}

fn b(shape: &[u64], numbers: &[f64]) -> Operand {
    Operand(DType::Bool, shape.to_vec(), numbers.to_vec())
}

/// A node, its operands, and the declared answers.
struct Case {
    op: Op,
    /// What the node runs.
    functions: Vec<FunctionSource>,
    kind: Kind,
    attributes: Attributes,
    operands: Vec<Operand>,
    /// All results, one after the other.
    value: Vec<f64>,
    /// The Jacobian's blocks, results × operands of floating-point type, one after the other.
    slopes: Vec<f64>,
}

/// A row of the table.
fn case(
    op: Op,
    kind: Kind,
    attributes: Attributes,
    operands: &[Operand],
    value: &[f64],
    slopes: &[f64],
) -> Case {
    Case {
        op,
        functions: vec![],
        kind,
        attributes,
        operands: operands.to_vec(),
        value: value.to_vec(),
        slopes: slopes.to_vec(),
    }
}

fn table() -> Vec<Case> {
    let mut table = shapes::cases();
    table.extend(reductions::cases());
    table.extend(linear_algebra::cases());
    table.extend(signal::cases());
    table.extend(control::cases());
    table
}

/// The n × n identity.
fn eye(n: usize) -> Vec<f64> {
    let at = |k: usize| if k / n == k % n { 1.0 } else { 0.0 };
    (0..n * n).map(at).collect()
}

impl Case {
    fn name(&self) -> String {
        let operands = &self.operands;
        format!(
            "{} {:?} {:?} {operands:?}",
            self.op.name(),
            self.kind,
            self.attributes
        )
    }

    /// The graph of the node, with all its results as outputs.
    fn graph(&self) -> Graph {
        let draw = |results: u32| {
            let mut g = Draft::new(self.op.name());
            g.functions(self.functions.clone());
            let operands = self.operands.iter().enumerate();
            let operands: Vec<_> = operands
                .map(|(k, Operand(dtype, shape, _))| {
                    let ty = TensorType::new(*dtype, shape.clone());
                    g.0.input(format!("x{k}"), ty).expect("input")
                })
                .collect();
            let pushed = g.0.push(self.op, &operands, self.attributes.clone(), "");
            let first = pushed.unwrap_or_else(|refused| panic!("{}: {refused}", self.name()));
            for k in 0..results {
                let result = gradient_engine::ValueId(first.0 + k);
                g.0.output(&format!("y{k}"), result).expect("output");
            }
            g.0.finish().expect("graph")
        };
        let one = draw(1);
        let results = one.nodes().last().map_or(1, |node| node.result_count);
        draw(u32::from(results))
    }

    /// The point, and another that is it with the numbers of floating-point operands in reverse.
    fn points(&self) -> [Vec<Tensor>; 2] {
        let of = |reversed: bool| {
            let operands = self.operands.iter();
            operands.map(move |Operand(dtype, shape, numbers)| {
                let mut numbers = numbers.clone();
                if reversed && dtype.is_float() {
                    numbers.reverse();
                }
                tensor(&TensorType::new(*dtype, shape.clone()), &numbers)
            })
        };
        [of(false).collect(), of(true).collect()]
    }

    /// The case on f32, if f32 has all its numbers.
    fn narrowed(&self) -> Option<Self> {
        let narrow = |dtype: DType| match dtype {
            DType::F64 => DType::F32,
            other => other,
        };
        let is_there = |x: &f64| x.is_nan() || f64::from(*x as f32) == *x;
        let numbers = self.operands.iter().flat_map(|o| &o.2);
        let all = numbers.chain(&self.value).chain(&self.slopes);
        let magnitude = |x: &f64| !x.is_finite() || *x == 0.0 || (1e-30..1e30).contains(&x.abs());
        let mut operands = self.operands.iter();
        if !operands.any(|o| o.0 == DType::F64) || !all.clone().all(magnitude) {
            return None;
        }
        if !self.operands.iter().flat_map(|o| &o.2).all(is_there) {
            return None;
        }
        let functions = self.functions.iter().cloned().map(|mut function| {
            for ty in &mut function.parameters {
                ty.dtype = narrow(ty.dtype);
            }
            for node in &mut function.nodes {
                if let Attributes::Constant(held) = &node.attributes {
                    let ty = TensorType::new(narrow(held.ty().dtype), held.ty().shape.clone());
                    node.attributes = Attributes::Constant(tensor(&ty, &held.to_f64()).into());
                }
            }
            function
        });
        let operands = self.operands.iter();
        Some(Self {
            op: self.op,
            functions: functions.collect(),
            kind: self.kind,
            attributes: self.attributes.clone(),
            operands: operands
                .map(|Operand(dtype, shape, numbers)| {
                    Operand(narrow(*dtype), shape.clone(), numbers.clone())
                })
                .collect(),
            value: self.value.clone(),
            slopes: self.slopes.clone(),
        })
    }

    /// What a result may be off by: some roundings of the narrowest type.
    fn tolerance(&self) -> f64 {
        let is_narrow = self.operands.iter().any(|o| o.0 == DType::F32);
        if is_narrow { 4e-7 } else { 4e-15 }
    }

    /// Whether the operands are what the case says it looks at.
    fn is_what_it_says(&self, graph: &Graph) -> bool {
        let outputs = (0..graph.outputs().len()).map(|o| graph.output_type(o).elements());
        let numbers = || self.operands.iter().flat_map(|o| &o.2);
        match self.kind {
            Kind::Empty => {
                let mut operands = self.operands.iter();
                operands.any(|o| o.2.is_empty()) || outputs.into_iter().any(|n| n == 0)
            }
            Kind::Scalar => {
                self.operands.is_empty() || self.operands.iter().any(|o| o.1.is_empty())
            }
            Kind::Smallest(reason) => !reason.is_empty(),
            Kind::Special => {
                let is_tied = |x: f64| numbers().filter(|y| **y == x).count() > 1;
                self.operands.is_empty()
                    || numbers().any(|&x| !x.is_finite() || x == 0.0 || is_tied(x))
            }
        }
    }
}

/// Equal up to rounding, or as declared.
fn is(got: f64, want: f64, tolerance: f64) -> bool {
    match want {
        want if want.to_bits() == ANY.to_bits() => true,
        want if want.to_bits() == LOST.to_bits() => !got.is_finite(),
        want if want.is_nan() => got.is_nan(),
        want if want.is_infinite() => got == want,
        want => got.is_finite() && (got - want).abs() <= tolerance * want.abs().max(1.0),
    }
}

fn agree(got: &[f64], want: &[f64], tolerance: f64) -> bool {
    got.len() == want.len() && got.iter().zip(want).all(|(&g, &w)| is(g, w, tolerance))
}

fn jacobian(graph: &Graph) -> Option<Product> {
    let (outputs, wrt) = (graph.float_outputs(), graph.float_inputs());
    let there = !outputs.is_empty() && !wrt.is_empty();
    there.then_some(Product::Jacobian {
        outputs,
        wrt,
        layout: Layout::Dense,
    })
}

fn all_values(graph: &Graph) -> Product {
    let outputs = (0..graph.outputs().len() as u32).collect();
    Product::Value { outputs }
}

fn by(mode: Option<Mode>, method: Method) -> Options {
    Options {
        mode,
        method,
        ..Options::default()
    }
}

/// What of a case is not as declared; `spoil` is applied to what the engine gives.
fn undeclared(case: &Case, spoil: impl Fn(f64) -> f64) -> Vec<String> {
    let (graph, [point, _]) = (case.graph(), case.points());
    // Of a direction among several the 0 that does not move an element (backwards: does not look at one) may meet an
    // infinite slope where the value is no finite number.
    let is_finite = case.value.iter().all(|x| x.is_finite());
    let operands: usize = case.operands.iter().map(|o| o.2.len()).sum();
    let may_be_lost = |mode| match mode {
        Some(Mode::Forward) => !is_finite && operands > 1,
        Some(Mode::Reverse) => !is_finite && case.value.len() > 1,
        _ => false,
    };
    let mut wrong = Vec::new();
    let mut check = |what: &str, product: &Product, options: Options, want: &[f64]| {
        let lost = may_be_lost(options.mode);
        let blocks = match evaluate(&graph, product.clone(), options, &point, &[]) {
            Ok(blocks) => blocks,
            Err(error) => return wrong.push(format!("{}: {what}: {error}", case.name())),
        };
        let got: Vec<f64> = numbers(&blocks).into_iter().map(&spoil).collect();
        let near = |(g, w): (&f64, &f64)| lost && g.is_nan() || is(*g, *w, case.tolerance());
        if got.len() != want.len() || !got.iter().zip(want).all(near) {
            wrong.push(format!("{}: {what} {got:?}, not {want:?}", case.name()));
        }
    };
    let exact = Method::Exact;
    check("value", &all_values(&graph), by(None, exact), &case.value);
    if let Some(product) = jacobian(&graph) {
        for mode in [Mode::Forward, Mode::Reverse] {
            let what = format!("{mode:?} derivative");
            check(&what, &product, by(Some(mode), exact), &case.slopes);
        }
    }
    wrong
}

/// Value and Jacobian of a batch of both points against each by itself.
fn batched(case: &Case) -> Vec<String> {
    let (graph, points) = (case.graph(), case.points());
    let products: Vec<Product> = [Some(all_values(&graph)), jacobian(&graph)]
        .into_iter()
        .flatten()
        .collect();
    let together = |batch: Option<&[Tensor]>, inputs: &[Tensor]| -> Result<Vec<Vec<f64>>, Error> {
        let request = Request {
            products: products.clone(),
            options: Options::default(),
            batched: batch.map(|inputs| vec![true; inputs.len()]),
        };
        let arguments = Arguments {
            inputs: inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]; products.len()],
            batch: if batch.is_some() { 2 } else { 1 },
        };
        let program = compile(&graph, &request)?;
        let results = program.evaluate(&arguments, &mut Scratch::default(), &Stop::default())?;
        let blocks = results.iter().flatten();
        Ok(blocks.map(|block| block.tensor.to_f64()).collect())
    };
    let stacked: Vec<Tensor> = points[0]
        .iter()
        .zip(&points[1])
        .map(|(p, q)| {
            let shape = [&[2], &p.ty().shape[..]].concat();
            let ty = TensorType::new(p.ty().dtype, shape);
            let raw = [p.raw(), q.raw()].concat();
            Tensor::from_raw(ty, raw).expect("two points")
        })
        .collect();
    let mut wrong = Vec::new();
    let both = together(Some(&stacked), &stacked);
    let each = points.iter().map(|point| together(None, point));
    let each: Result<Vec<_>, Error> = each.collect();
    match (both, each) {
        (Ok(both), Ok(each)) => {
            for (k, got) in both.iter().enumerate() {
                let want = [each[0][k].clone(), each[1][k].clone()].concat();
                if !agree(got, &want, case.tolerance()) {
                    let name = case.name();
                    wrong.push(format!("{name}: a batch gives {got:?}, a loop {want:?}"));
                }
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            wrong.push(format!("{}: a batch: {error}", case.name()));
        }
    }
    wrong
}

/// First derivatives and, of a curved function of the first result, second ones against dual numbers.
fn against_dual_numbers(case: &Case) -> Vec<String> {
    let (graph, [point, _]) = (case.graph(), case.points());
    let Some(first) = jacobian(&graph) else {
        return vec![];
    };
    let scenario = Scenario {
        name: case.name(),
        op: case.op,
        graph,
        domains: vec![],
    };
    let curved = scenario.scalarized();
    let second = Product::Hessian {
        output: 0,
        wrt: curved.float_inputs(),
        layout: Layout::Dense,
    };
    let is_narrow = (0..scenario.graph.outputs().len())
        .any(|o| scenario.graph.output_type(o).dtype == DType::F32);
    let tolerance = if is_narrow { 4e-7 } else { 1e-12 };
    let mut wrong = Vec::new();
    for (graph, product) in [(&scenario.graph, first), (&curved, second)] {
        let of = |method: Method| evaluate(graph, product.clone(), by(None, method), &point, &[]);
        match (of(Method::Exact), of(Method::Dual)) {
            (Ok(exact), Ok(dual)) => {
                let (got, want) = (numbers(&exact), numbers(&dual));
                let near = |(g, w): (&f64, &f64)| {
                    is(*g, *w, case.tolerance()) || (g - w).abs() <= tolerance * w.abs().max(1.0)
                };
                if got.len() != want.len() || !got.iter().zip(&want).all(near) {
                    let name = case.name();
                    wrong.push(format!(
                        "{name}: {product:?} {got:?}, by dual numbers {want:?}"
                    ));
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                wrong.push(format!("{}: {product:?}: {error}", case.name()));
            }
        }
    }
    wrong
}

/// Structural and composite operations that the engine has.
fn structural() -> impl Iterator<Item = Op> {
    let there = |op: &Op| op.is_implemented() && op.elementwise().is_none();
    Op::ALL.iter().copied().filter(there)
}

/// What an operation lacks among cases and scenarios.
fn missing(op: Op, table: &[Case], scenarios: &[Scenario]) -> Vec<String> {
    let has = |wanted: fn(Kind) -> bool| table.iter().any(|c| c.op == op && wanted(c.kind));
    let appears = |s: &Scenario| s.op == op || s.graph.nodes().any(|node| node.op == op);
    [
        ("case without elements", has(|k| k == Kind::Empty)),
        (
            "case of rank 0, or of the smallest rank with the reason",
            has(|k| matches!(k, Kind::Scalar | Kind::Smallest(_))),
        ),
        ("case at special numbers", has(|k| k == Kind::Special)),
        (
            "scenario",
            !op.is_differentiable() || scenarios.iter().any(appears),
        ),
    ]
    .into_iter()
    .filter(|(_, is_there)| !is_there)
    .map(|(what, _)| format!("{} has no {what}", op.name()))
    .collect()
}

fn none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} in all\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_structural_operation_has_its_cases_and_a_scenario() {
    let (table, scenarios) = (table(), all());
    let wrong: Vec<String> = structural()
        .flat_map(|op| missing(op, &table, &scenarios))
        .collect();
    none(&wrong);
}

/// An operation that nobody wrote a case for is noticed, whichever kind of case it is that lacks.
#[test]
fn an_operation_without_cases_is_noticed() {
    let scenarios = all();
    for op in structural() {
        let others: Vec<Case> = table().into_iter().filter(|c| c.op != op).collect();
        assert_eq!(missing(op, &others, &scenarios).len(), 3, "{}", op.name());
        for kind in [Kind::Empty, Kind::Special] {
            let rest: Vec<Case> = table()
                .into_iter()
                .filter(|c| c.op != op || c.kind != kind)
                .collect();
            assert_eq!(missing(op, &rest, &scenarios).len(), 1, "{}", op.name());
        }
        let without = missing(op, &table(), &[]).len();
        assert_eq!(
            without,
            usize::from(op.is_differentiable()),
            "{}",
            op.name()
        );
    }
}

#[test]
fn cases_are_what_they_say() {
    let wrong: Vec<String> = table()
        .iter()
        .filter(|case| !case.is_what_it_says(&case.graph()))
        .map(Case::name)
        .collect();
    none(&wrong);
}

#[test]
fn values_and_derivatives_are_as_declared() {
    let wrong: Vec<String> = table().iter().flat_map(|c| undeclared(c, |x| x)).collect();
    none(&wrong);
}

/// Values and derivatives of f32 operands are those of f64 to f32's precision.
#[test]
fn results_in_f32_are_as_declared() {
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for case in table().iter().filter_map(Case::narrowed) {
        wrong.extend(undeclared(&case, |x| x));
        seen.push(case.op);
    }
    for case in table() {
        let takes_floats = case.operands.iter().any(|o| o.0 == DType::F64);
        if takes_floats && !seen.contains(&case.op) {
            wrong.push(format!("{} has no case that f32 holds", case.op.name()));
        }
    }
    none(&wrong);
}

/// What is off by a millionth, or not finite where it should be, is noticed.
#[test]
fn what_is_not_as_declared_is_noticed() {
    for case in table() {
        let is_declared = |x: &f64| x.to_bits() != ANY.to_bits() && x.to_bits() != LOST.to_bits();
        if case.value.iter().chain(&case.slopes).any(is_declared) {
            let off = |x: f64| match x.is_finite() {
                true => x + 1e-6 * x.abs().max(1.0),
                false => 0.0,
            };
            assert!(!undeclared(&case, off).is_empty(), "{}", case.name());
        }
    }
}

#[test]
fn a_batch_is_a_loop() {
    let wrong: Vec<String> = table().iter().flat_map(batched).collect();
    none(&wrong);
}

#[test]
fn first_and_second_derivatives_equal_those_of_dual_numbers() {
    let is_regular = |case: &&Case| case.kind != Kind::Special;
    let wrong: Vec<String> = table()
        .iter()
        .filter(is_regular)
        .flat_map(against_dual_numbers)
        .collect();
    none(&wrong);
}
