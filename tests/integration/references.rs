//! Every elementwise operation against 50-digit references: value, both first derivatives, second derivatives.
//!
//! `cargo test -p gradient-tests references -- --nocapture` prints the worst of each operation; with
//! `REFERENCES=NAME` also every point of a data file at which it is beyond a bound.

use gradient_engine::Op;
use gradient_tests::references::{Evaluated, Reference, Worst, names};

/// Operations that the service calls special functions, by number.
const SPECIAL: std::ops::RangeInclusive<u32> = 220..=279;

/// Bounds: values in units in the last place, derivatives relative.
struct Bounds {
    value: f64,
    derivative: f64,
}

/// Auxiliary operations, which derivatives are written in, with zeros that no f64 hits.
const AUXILIARY: [Op; 2] = [Op::GeluSlope, Op::SincDerivative];

/// Elementary values within 4 units, special ones within 1e-13. The table's values are rounded to f64, which
/// hides half a unit: what is measured against them is half a unit less.
fn bounds(op: Op) -> Bounds {
    let special = 1e-13 / f64::EPSILON;
    Bounds {
        value: if SPECIAL.contains(&op.number()) || AUXILIARY.contains(&op) {
            special
        } else {
            3.5
        },
        derivative: 1e-12,
    }
}

/// Elementwise on numbers and implemented, composites included.
fn is_covered(op: Op) -> bool {
    const COMPOSITE: [Op; 1] = [Op::IntegerPow];
    op.elementwise().is_some()
        || op.is_implemented() && (COMPOSITE.contains(&op) || SPECIAL.contains(&op.number()))
}

fn exceeded(reference: &Reference, worst: &Worst<'_>) -> Vec<String> {
    let bounds = bounds(reference.op);
    let mut all = Vec::new();
    for (what, extreme, bound) in [
        ("value", &worst.value, bounds.value),
        ("first order", &worst.first, bounds.derivative),
        ("second order", &worst.second, bounds.derivative),
    ] {
        if extreme.distance.is_nan() || extreme.distance > bound {
            all.push(format!("{}, {what}: {extreme}", reference.name));
            if std::env::var("REFERENCES").is_ok_and(|name| name == reference.name) {
                for (distance, row, what) in extreme.all.iter().filter(|(d, ..)| *d > bound) {
                    println!("{distance:.2e} at {:?}: {what}", row.operands);
                }
            }
        }
    }
    all
}

#[test]
fn elementwise_operations_agree_with_50_digit_references() {
    let mut wrong = Vec::new();
    println!(
        "{:<20}{:>7}{:>12}{:>12}{:>12}",
        "operation", "points", "value/ulp", "first", "second"
    );
    for name in names() {
        let reference = match Reference::read(&name) {
            // Data may be there before the operation is.
            Ok(reference) if !reference.op.is_implemented() => continue,
            Ok(reference) => reference,
            Err(problem) => {
                wrong.push(problem);
                continue;
            }
        };
        let worst = reference.compare(&reference.evaluate_op());
        println!(
            "{name:<20}{:>7}{:>12.1}{:>12.1e}{:>12.1e}",
            reference.rows.len(),
            worst.value.distance,
            worst.first.distance,
            worst.second.distance
        );
        wrong.extend(exceeded(&reference, &worst));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_elementwise_operation_has_200_points() {
    for &op in Op::ALL.iter().filter(|&&op| is_covered(op)) {
        let points = Reference::read(op.name()).map(|r| r.rows.len());
        assert!(matches!(points, Ok(200..)), "{}: {points:?}", op.name());
    }
}

/// The check above can fail: what is a little off, or NaN, is noticed, be it value or derivative in either mode.
#[test]
fn results_that_are_a_little_off_are_noticed() {
    let reference = Reference::read("exp").expect("data");
    let row = reference
        .rows
        .iter()
        .position(|r| r.operands[0].abs() < 3.0);
    let row = row.expect("a point near 1");
    let off = |change: fn(&mut Evaluated)| {
        let mut results = reference.evaluate_op();
        change(&mut results[row]);
        exceeded(&reference, &reference.compare(&results)).len()
    };
    assert_eq!(off(|_| {}), 0);
    let changes: [fn(&mut Evaluated); 8] = [
        |e| e.value *= 1.0 + 5.0 * f64::EPSILON,
        |e| e.value *= 1.0 - 5.0 * f64::EPSILON,
        |e| e.value = f64::NAN,
        |e| e.forward[0] *= 1.0 + 1e-11,
        |e| e.reverse[0] *= 1.0 - 1e-11,
        |e| e.reverse[0] = f64::NAN,
        |e| e.hessian[0] = f64::INFINITY,
        |e| e.hessian[0] *= -1.0,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        assert_eq!(off(change), 1, "change {i}");
    }
}

/// Formulas that are right on paper and cancel are noticed: e^x - 1 for expm1, at every order.
#[test]
fn a_formula_that_cancels_is_noticed() {
    let reference = Reference::read("expm1").expect("data");
    let results = reference.evaluate(|g, x, _| {
        let one = g.constant(gradient_engine::Tensor::scalar(
            gradient_engine::DType::F64,
            1.0,
        ));
        let y = g.op(Op::Exp, x);
        g.op(Op::Subtract, &[y, one])
    });
    let wrong = exceeded(&reference, &reference.compare(&results));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}
