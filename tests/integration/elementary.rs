//! The elementary functions that are this project's own: within the bounds that they state over the whole range, and
//! the same bits one by one and in loops.
//!
//! `cargo test -p gradient-tests --test integration elementary -- --nocapture` prints the worst of each.

use gradient_engine::{Op, Options, Product, TensorType};
use gradient_tests::engine::{evaluate, numbers, tensor};
use gradient_tests::functions::Write;
use gradient_tests::scenarios::Draft;
use std::collections::BTreeMap;

/// Units in the last place, as the module `elementary` of the engine says.
const BOUNDS: [(Op, f64); 6] = [
    (Op::Exp, 1.0),
    (Op::Log, 1.0),
    (Op::Log1p, 1.0),
    (Op::Sin, 1.0),
    (Op::Cos, 1.0),
    (Op::Tanh, 3.0),
];

struct Point {
    operand: f64,
    /// Rounded to f64, and what that lost.
    value: f64,
    rest: f64,
}

/// Written by tests/reference/elementary.py.
fn points() -> BTreeMap<&'static str, Vec<Point>> {
    let mut all: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for line in include_str!("../reference/elementary.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |k: usize| {
            let bits = u64::from_str_radix(fields[k], 16).expect("16 digits");
            f64::from_bits(bits)
        };
        all.entry(fields[0]).or_default().push(Point {
            operand: number(1),
            value: number(2),
            rest: number(3),
        });
    }
    all
}

/// The distance of this number from its neighbour further from 0.
fn unit(x: f64) -> f64 {
    let x = x.abs();
    match x < f64::MAX {
        true => x.next_up() - x,
        false => x - x.next_down(),
    }
}

/// In units in the last place.
fn error(got: f64, point: &Point) -> f64 {
    ((got - point.value) - point.rest).abs() / unit(point.value)
}

fn worst(points: &[Point], f: impl Fn(f64) -> f64) -> (f64, f64) {
    let errors = points.iter().map(|p| (error(f(p.operand), p), p.operand));
    errors.fold((0.0, 0.0), |worst, e| {
        // NaN is worse than anything.
        match e.0 <= worst.0 {
            true => worst,
            false => e,
        }
    })
}

#[test]
fn elementary_functions_keep_their_bounds() {
    let all = points();
    for (op, bound) in BOUNDS {
        let (error, at) = worst(&all[op.name()], |x| op.value1(x));
        println!("{:<6} {error:.3} ulp at {at:e}, bound {bound}", op.name());
        assert!(error <= bound, "{}: {error} ulp at {at:e}", op.name());
    }
}

/// Half a unit more than the worst is noticed.
#[test]
fn values_beside_the_right_ones_are_noticed() {
    let all = points();
    for (op, bound) in BOUNDS {
        let steps = bound.ceil() as usize + 1;
        let off = |x: f64| (0..steps).fold(op.value1(x), |y, _| y.next_up());
        let (error, _) = worst(&all[op.name()], off);
        assert!(error > bound, "{}: {error}", op.name());
    }
}

/// Numbers of all kinds.
fn kinds() -> Vec<f64> {
    let mut numbers = vec![
        0.0,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
        709.782_712_893_384,
        709.79,
        745.133_219_101_941_1,
        745.14,
        1e6,
        1e6f64.next_up(),
        1e22,
        20.0,
        20.5,
        40.5,
    ];
    numbers.extend((0..60).map(|i| 1.7f64.powi(i - 30)));
    numbers.iter().flat_map(|&x| [x, -x]).collect()
}

/// Every operation of one operand, in rows of all lengths, gives what it gives for a number alone.
#[test]
fn loops_give_the_bits_of_single_numbers() {
    let unary = |op: &Op| op.elementwise().is_some_and(|row| row.partials.len() == 1);
    let kinds = kinds();
    let mut wrong = Vec::new();
    for &op in Op::ALL.iter().filter(|op| unary(op)) {
        for n in [1, 2, 3, 4, 5, 7, 8, 11, 16, 63, 64, 65, 100, 152] {
            let mut g = Draft::new("row");
            let x = g.input("x", &[n]);
            let y = g.plain(op, &[x]);
            let graph = g.finish(y);
            let row: Vec<f64> = kinds
                .iter()
                .cycle()
                .skip(n as usize)
                .take(n as usize)
                .copied()
                .collect();
            let at = [tensor(&TensorType::f64([n]), &row)];
            let product = Product::Value { outputs: vec![0] };
            let got = numbers(
                &evaluate(&graph, product, Options::default(), &at, &[]).expect("evaluates"),
            );
            for (&x, y) in row.iter().zip(got) {
                let alone = op.value1(x);
                if alone.to_bits() != y.to_bits() && !(alone.is_nan() && y.is_nan()) {
                    wrong.push(format!(
                        "{} of {n}: {x:e} gives {y:e}, alone {alone:e}",
                        op.name()
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong[..wrong.len().min(20)].join("\n")
    );
}
