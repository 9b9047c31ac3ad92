//! Cases of nodes that run functions.

use super::{Case, INF, Kind::*, NAN, b, case, f, i};
use gradient_engine::{
    Attributes as A, Control, Derivative, Direction, FunctionId, FunctionSource, Implicit,
    ImplicitKind, Op, Product, TensorType,
};
use gradient_tests::functions::{Write, function, integer, number, tuple_function};

pub(super) fn cases() -> Vec<Case> {
    let mut all = calls();
    all.extend(loops());
    all.extend(derivatives());
    all.extend(implicit());
    all
}

/// A case whose node runs functions.
fn running(functions: &[FunctionSource], case: Case) -> Case {
    Case {
        functions: functions.to_vec(),
        ..case
    }
}

fn vector(n: u64) -> TensorType {
    TensorType::f64([n])
}

/// x x
fn square(ty: TensorType) -> FunctionSource {
    function("square", [ty], |f, [x]| f.mul(x, x))
}

fn unary(name: &str, op: Op, ty: TensorType) -> FunctionSource {
    function(name, [ty], |f, [x]| f.plain(op, &[x]))
}

/// x + x
fn twice(ty: TensorType) -> FunctionSource {
    function("twice", [ty], |f, [x]| f.add(x, x))
}

fn control(control: Control) -> A {
    A::Control(control.into())
}

#[rustfmt::skip]
fn calls() -> Vec<Case> {
    let call = || control(Control::call(FunctionId(0)));
    let cond = || control(Control::cond(vec![FunctionId(0), FunctionId(1)]));
    let branches = |ty: TensorType| [twice(ty.clone()), unary("log", Op::Log, ty)];
    vec![
        running(&[square(vector(0))], case(Op::Call, Empty, call(), &[f(&[0], &[])], &[], &[])),
        running(&[square(number())], case(Op::Call, Scalar, call(), &[f(&[], &[3.0])], &[9.0], &[6.0])),
        running(&[unary("abs", Op::Abs, vector(2))], case(Op::Call, Special, call(), &[f(&[2], &[0.0, -INF])], &[0.0, INF], &[0.0, 0.0, 0.0, -1.0])),
        running(&branches(vector(0)), case(Op::Cond, Empty, cond(), &[b(&[], &[1.0]), f(&[0], &[])], &[], &[])),
        running(&branches(number()), case(Op::Cond, Scalar, cond(), &[i(&[], &[0.0]), f(&[], &[3.0])], &[6.0], &[2.0])),
        // The branch that is not taken leaves nothing; an index is clamped.
        running(&branches(number()), case(Op::Cond, Special, cond(), &[b(&[], &[0.0]), f(&[], &[0.0])], &[0.0], &[2.0])),
        running(&branches(number()), case(Op::Cond, Special, cond(), &[i(&[], &[-7.0]), f(&[], &[NAN])], &[NAN], &[2.0])),
        running(&branches(number()), case(Op::Cond, Special, cond(), &[i(&[], &[9.0]), f(&[], &[0.0])], &[-INF], &[INF])),
    ]
}

#[rustfmt::skip]
fn loops() -> Vec<Case> {
    // (v, k) while k > 0: (2 v, k - 1).
    let countdown = |ty: TensorType| [
        function("goes on", [ty.clone(), integer()], |f, [_, k]| {
            let zero = f.whole(0);
            f.compare(Direction::Gt, k, zero)
        }),
        tuple_function("step", [ty, integer()], |f, [v, k]| {
            let one = f.whole(1);
            vec![f.add(v, v), f.sub(k, one)]
        }),
    ];
    let until = || control(Control::while_loop(FunctionId(0), FunctionId(1), 0));
    // (c, x): (c + x, c x).
    let sums = tuple_function("sums", [number(), number()], |f, [c, x]| vec![f.add(c, x), f.mul(c, x)]);
    // (c, x): (max(c, x), c).
    let largest = tuple_function("largest", [number(), number()], |f, [c, x]| vec![f.plain(Op::Maximum, &[c, x]), c]);
    let scan = |length| control(Control::scan(FunctionId(0), length, 1, 1, false));
    let map = |length, sequences| control(Control::scan(FunctionId(0), length, 0, sequences, false));
    vec![
        running(&countdown(vector(0)), case(Op::While, Empty, until(), &[f(&[0], &[]), i(&[], &[2.0])], &[0.0], &[])),
        running(&countdown(number()), case(Op::While, Scalar, until(), &[f(&[], &[3.0]), i(&[], &[2.0])], &[12.0, 0.0], &[4.0])),
        running(&countdown(number()), case(Op::While, Special, until(), &[f(&[], &[NAN]), i(&[], &[-3.0])], &[NAN, -3.0], &[1.0])),
        running(&countdown(vector(2)), case(Op::While, Special, until(), &[f(&[2], &[INF, 0.0]), i(&[], &[1.0])], &[INF, 0.0, 0.0], &[2.0, 0.0, 0.0, 2.0])),
        running(std::slice::from_ref(&sums), case(Op::Scan, Empty, scan(0), &[f(&[], &[3.0]), f(&[0], &[])], &[3.0], &[1.0])),
        running(&[sums], case(Op::Scan, Scalar, scan(2), &[f(&[], &[1.0]), f(&[2], &[2.0, 3.0])], &[6.0, 2.0, 9.0], &[1.0, 1.0, 1.0, 2.0, 3.0, 1.0, 0.0, 3.0, 3.0])),
        running(&[largest], case(Op::Scan, Special, scan(2), &[f(&[], &[1.0]), f(&[2], &[1.0, 0.0])], &[1.0, 1.0, 1.0], &[0.5, 0.5, 0.0, 1.0, 0.5, 0.0, 0.0, 0.5, 0.0])),
        running(&[square(number())], case(Op::Map, Empty, map(0, 1), &[f(&[0], &[])], &[], &[])),
        // A constant alone, the same for every step.
        running(&[square(number())], case(Op::Map, Scalar, map(2, 0), &[f(&[], &[3.0])], &[9.0, 9.0], &[6.0, 6.0])),
        running(&[unary("abs", Op::Abs, number())], case(Op::Map, Special, map(2, 1), &[f(&[2], &[0.0, -INF])], &[0.0, INF], &[0.0, 0.0, 0.0, -1.0])),
    ]
}

#[rustfmt::skip]
fn derivatives() -> Vec<Case> {
    let gradient = || A::Derivative(Derivative {
        function: FunctionId(0),
        product: Product::Gradient { output: 0, wrt: vec![0] },
        directed: vec![],
        parameters: vec![],
        outputs: vec![],
        results: vec![],
    }.into());
    let total = |op: Op, n: u64| function("total", [vector(n)], |f, [x]| {
        let y = f.plain(op, &[x]);
        f.sum(y)
    });
    vec![
        running(&[total(Op::Square, 0)], case(Op::Derivative, Empty, gradient(), &[f(&[0], &[])], &[], &[])),
        running(&[square(number())], case(Op::Derivative, Scalar, gradient(), &[f(&[], &[3.0])], &[6.0], &[2.0])),
        running(&[total(Op::Abs, 2)], case(Op::Derivative, Special, gradient(), &[f(&[2], &[0.0, -INF])], &[0.0, -1.0], &[0.0; 4])),
        running(&[total(Op::Square, 2)], case(Op::Derivative, Special, gradient(), &[f(&[2], &[NAN, 0.0])], &[NAN, 0.0], &[2.0, 0.0, 0.0, 2.0])),
    ]
}

#[rustfmt::skip]
fn implicit() -> Vec<Case> {
    let of = |kind| A::Implicit(Implicit {
        kind,
        function: FunctionId(0),
        max_iterations: 0,
        // Until nothing moves any more.
        tolerance_bits: 1e-16_f64.to_bits(),
        operands: vec![],
    }.into());
    // x x = a; x = x / 4 + a; a x = b.
    let parabola = |ty: TensorType| function("parabola", [ty.clone(), ty], |f, [x, a]| {
        let square = f.mul(x, x);
        f.sub(square, a)
    });
    let line = |ty: TensorType| function("line", [ty.clone(), ty], |f, [x, a]| f.sub(x, a));
    let quarter = |ty: TensorType| function("quarter", [ty.clone(), ty], |f, [x, a]| {
        let part = f.scale(0.25, x);
        f.add(part, a)
    });
    let product = |ty: TensorType| function("product", [ty.clone(), ty], |f, [x, a]| f.mul(a, x));
    let (root, point, solution) = (|| of(ImplicitKind::Root), || of(ImplicitKind::FixedPoint), || of(ImplicitKind::LinearSolve));
    let scalars = |start: f64, a: f64| [f(&[], &[start]), f(&[], &[a])];
    let nothing = [f(&[0], &[]), f(&[0], &[])];
    let zeros = [f(&[2], &[1.0, 1.0]), f(&[2], &[0.0, 0.0])];
    let onto_parameters = [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let mut all = vec![];
    for (op, attributes, function) in [
        (Op::ImplicitRoot, root(), parabola(vector(0))),
        (Op::FixedPoint, point(), quarter(vector(0))),
        (Op::LinearSolve, solution(), product(vector(0))),
    ] {
        all.push(running(&[function], case(op, Empty, attributes, &nothing, &[], &[])));
    }
    all.extend([
        running(&[parabola(number())], case(Op::ImplicitRoot, Scalar, root(), &scalars(1.0, 4.0), &[2.0], &[0.0, 0.25])),
        running(&[line(vector(2))], case(Op::ImplicitRoot, Special, root(), &zeros, &[0.0, 0.0], &onto_parameters)),
        running(&[quarter(number())], case(Op::FixedPoint, Scalar, point(), &scalars(0.0, 3.0), &[4.0], &[0.0, 4.0 / 3.0])),
        running(&[function("given", [vector(2), vector(2)], |_, [_, a]| a)], case(Op::FixedPoint, Special, point(), &zeros, &[0.0, 0.0], &onto_parameters)),
        running(&[product(number())], case(Op::LinearSolve, Scalar, solution(), &scalars(3.0, 2.0), &[1.5], &[0.5, -0.75])),
        running(&[product(number())], case(Op::LinearSolve, Special, solution(), &scalars(0.0, 2.0), &[0.0], &[0.5, 0.0])),
    ]);
    all
}
