//! The elementary and normal functions that are this project's own: within the bounds that they state over the whole range, and
//! the same bits one by one and in loops.
//!
//! `cargo test -p gradient-tests --test integration elementary -- --nocapture` prints the worst of each.

use gradient_engine::{Op, Options, Product, TensorType};
use gradient_tests::engine::{evaluate, numbers, tensor};
use gradient_tests::functions::Write;
use gradient_tests::scenarios::Draft;
use std::collections::BTreeMap;

/// Units in the last place, as the module `elementary` of the engine says.
const BOUNDS: [(Op, f64); 11] = [
    (Op::Exp, 1.0),
    (Op::Log, 1.0),
    (Op::Log1p, 1.0),
    (Op::Sin, 1.0),
    (Op::Cos, 1.0),
    (Op::Tanh, 3.0),
    (Op::Power, 1.0),
    (Op::Erf, 1.0),
    (Op::Erfc, 2.5),
    (Op::NormCdf, 2.0),
    (Op::Gelu, 2.5),
];

struct Point {
    operands: Vec<f64>,
    /// Rounded to f64, and what that lost.
    value: f64,
    rest: f64,
}

/// Written by tests/reference/elementary.py.
fn points() -> BTreeMap<&'static str, Vec<Point>> {
    let mut all: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for line in include_str!("../reference/elementary.tsv").lines() {
        let mut fields = line.split('\t');
        let name = fields.next().expect("a name");
        let mut numbers: Vec<f64> = fields
            .map(|field| u64::from_str_radix(field, 16).expect("16 digits"))
            .map(f64::from_bits)
            .collect();
        let rest = numbers.pop().expect("a rest");
        let value = numbers.pop().expect("a value");
        all.entry(name).or_default().push(Point {
            operands: numbers,
            value,
            rest,
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

/// The value of an operation of any number of operands.
fn value(op: Op, x: &[f64]) -> f64 {
    match *x {
        [a] => op.value1(a),
        [a, b] => op.value2(a, b),
        [a, b, c] => op.value3(a, b, c),
        _ => f64::NAN,
    }
}

fn worst(points: &[Point], f: impl Fn(&[f64]) -> f64) -> (f64, &[f64]) {
    let errors = points
        .iter()
        .map(|p| (error(f(&p.operands), p), &p.operands[..]));
    errors.fold((0.0, &[][..]), |worst, e| {
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
        let (error, at) = worst(&all[op.name()], |x| value(op, x));
        println!("{:<9} {error:.3} ulp at {at:?}, bound {bound}", op.name());
        assert!(error <= bound, "{}: {error} ulp at {at:?}", op.name());
    }
}

/// Half a unit more than the worst is noticed.
#[test]
fn values_beside_the_right_ones_are_noticed() {
    let all = points();
    for (op, bound) in BOUNDS {
        let steps = bound.ceil() as usize + 1;
        let off = |x: &[f64]| (0..steps).fold(value(op, x), |y, _| y.next_up());
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

/// The value of an operation in a graph, of rows and of numbers that go with all of them.
fn in_rows(op: Op, rows: &[Vec<f64>]) -> Vec<f64> {
    let mut g = Draft::new("row");
    let types: Vec<TensorType> = rows
        .iter()
        .map(|row| match row.len() {
            1 => TensorType::f64([]),
            n => TensorType::f64([n as u64]),
        })
        .collect();
    let names = ["a", "b", "c"];
    let operands = names.iter().zip(&types);
    let x: Vec<_> = operands.map(|(name, t)| g.input(name, &t.shape)).collect();
    let y = g.plain(op, &x);
    let graph = g.finish(y);
    let at: Vec<_> = types.iter().zip(rows).map(|(t, x)| tensor(t, x)).collect();
    let product = Product::Value { outputs: vec![0] };
    numbers(&evaluate(&graph, product, Options::default(), &at, &[]).expect("evaluates"))
}

/// How many numbers the rows of the tests below have.
const LENGTHS: [usize; 14] = [1, 2, 3, 4, 5, 7, 8, 11, 16, 63, 64, 65, 100, 152];

/// What differs, in bits, between rows and single numbers; at most 20 of it.
fn differences(op: Op, rows: &[Vec<f64>]) -> Vec<String> {
    let alone = |i: usize| -> Vec<f64> { rows.iter().map(|x| x[i % x.len()]).collect() };
    let got = in_rows(op, rows);
    let all = got.iter().enumerate().filter_map(|(i, y)| {
        let want = value(op, &alone(i));
        let is_equal = want.to_bits() == y.to_bits() || want.is_nan() && y.is_nan();
        let what = || {
            format!(
                "{} of {}: {:?} gives {y:e}, alone {want:e}",
                op.name(),
                got.len(),
                alone(i)
            )
        };
        (!is_equal).then(what)
    });
    all.take(20).collect()
}

/// Every operation of one operand, in rows of all lengths, gives what it gives for a number alone.
#[test]
fn loops_give_the_bits_of_single_numbers() {
    let unary = |op: &Op| op.elementwise().is_some_and(|row| row.partials.len() == 1);
    let kinds = kinds();
    let mut wrong = Vec::new();
    for &op in Op::ALL.iter().filter(|op| unary(op)) {
        for n in LENGTHS {
            let row = kinds.iter().cycle().skip(n).take(n).copied().collect();
            wrong.extend(differences(op, &[row]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same of operations of two and three operands that cost little: every kind of number with every other, in rows
/// and as one number for all of a row.
#[test]
fn loops_of_more_operands_give_the_bits_of_single_numbers() {
    let mut wrong = Vec::new();
    let kinds = kinds();
    let kind = |i: usize| kinds[i % kinds.len()];
    for &op in Op::ALL {
        let Some(row) = op.elementwise().filter(|row| row.cost <= 50) else {
            continue;
        };
        let arity = row.partials.len();
        for (round, n) in LENGTHS.iter().cycle().take(kinds.len()).enumerate() {
            let x = |k: usize| (0..*n).map(|i| kind(i * (k + 1) + round * k)).collect();
            let rows: Vec<Vec<f64>> = (0..arity).map(x).collect();
            wrong.extend(differences(op, &rows));
            for single in (0..arity).filter(|_| arity > 1) {
                let mut rows = rows.clone();
                rows[single] = vec![kind(round)];
                wrong.extend(differences(op, &rows));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong[..wrong.len().min(20)].join("\n")
    );
}

/// C23, F.10.4.5, and IEEE 754-2019, 9.2.1.
#[test]
fn special_powers_are_those_of_the_standard() {
    use std::f64::consts::E;
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    let odd = 9_007_199_254_740_991.0;
    let cases = [
        // A base 0.
        (0.0, -3.0, INF),
        (-0.0, -3.0, -INF),
        (-0.0, -odd, -INF),
        (0.0, -2.5, INF),
        (-0.0, -2.5, INF),
        (-0.0, -4.0, INF),
        (0.0, -INF, INF),
        (-0.0, -INF, INF),
        (0.0, 3.0, 0.0),
        (-0.0, 3.0, -0.0),
        (-0.0, odd, -0.0),
        (0.0, 0.5, 0.0),
        (-0.0, 0.5, 0.0),
        (-0.0, 2.0, 0.0),
        (-0.0, INF, 0.0),
        // Ones.
        (-1.0, INF, 1.0),
        (-1.0, -INF, 1.0),
        (1.0, NAN, 1.0),
        (1.0, INF, 1.0),
        (1.0, -7.5, 1.0),
        (NAN, 0.0, 1.0),
        (NAN, -0.0, 1.0),
        (INF, 0.0, 1.0),
        (-0.0, 0.0, 1.0),
        (-1.0, odd, -1.0),
        (-1.0, odd + 1.0, 1.0),
        (-1.0, 1e300, 1.0),
        // No real number.
        (-2.0, 0.5, NAN),
        (-E, -1.5, NAN),
        (-5e-324, 1e-300, NAN),
        (NAN, 1.0, NAN),
        (2.0, NAN, NAN),
        (-2.0, NAN, NAN),
        // Infinite exponents and bases.
        (0.5, -INF, INF),
        (-0.5, -INF, INF),
        (1.5, -INF, 0.0),
        (-1.5, -INF, 0.0),
        (0.5, INF, 0.0),
        (-0.5, INF, 0.0),
        (1.5, INF, INF),
        (-1.5, INF, INF),
        (-INF, -3.0, -0.0),
        (-INF, -2.0, 0.0),
        (-INF, -2.5, 0.0),
        (-INF, 3.0, -INF),
        (-INF, 2.0, INF),
        (-INF, 2.5, INF),
        (INF, -1e-300, 0.0),
        (INF, 1e-300, INF),
        // Signs, and the ends of the range.
        (-2.0, 3.0, -8.0),
        (-2.0, 4.0, 16.0),
        (-2.0, -1074.0, 5e-324),
        (-2.0, -1073.0, -1e-323),
        (2.0, -1076.0, 0.0),
        (-2.0, -1077.0, -0.0),
        (2.0, 1023.0, f64::MAX / 2.0 + f64::MAX / f64::powi(2.0, 54)),
        (2.0, 1024.0, INF),
        (-2.0, 1025.0, -INF),
        (1.0f64.next_up(), 1e300, INF),
        (1.0f64.next_down(), 1e300, 0.0),
        (f64::MAX, 1.0, f64::MAX),
        (5e-324, 1.0, 5e-324),
        (5e-324, -1.0, INF),
        (5e-324, 0.5, f64::powi(2.0, -537)),
    ];
    for (x, y, want) in cases {
        let got = Op::Power.value2(x, y);
        let is_equal = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        assert!(is_equal, "{x:e} to the {y:e} is {got:e}, not {want:e}");
    }
}

/// c aᵇ where aᵇ is no number any more.
#[test]
fn scaled_powers_do_not_overflow_or_underflow_on_the_way() {
    // By powi a small one may be one over an infinity.
    let two = |n: i32| match n {
        ..-1022 => f64::from_bits(1 << (n + 1074)),
        _ => f64::from_bits(((n + 1023) as u64) << 52),
    };
    let cases = [
        (2.0, 1500.0, two(-700), two(800)),
        (2.0, -1500.0, two(700), two(-800)),
        (2.0, -1070.0, two(1000), two(-70)),
        (-2.0, 1501.0, two(-1000), -two(501)),
        (0.5, 2040.0, two(1000), two(-1040)),
        (2.0, 2090.0, 5e-324, two(1016)),
        (2.0, -2090.0, two(1020), two(-1070)),
        (2.0, -2200.0, two(1020), 0.0),
        (2.0, 2200.0, 5e-324, f64::INFINITY),
        (2.0, 5000.0, 0.0, 0.0),
        (0.0, 2.0, f64::INFINITY, 0.0),
        (0.0, -2.0, 0.0, 0.0),
        (f64::NAN, 2.0, 0.0, 0.0),
        (0.0, 0.0, 3.0, 3.0),
        (-0.0, -3.0, 2.0, f64::NEG_INFINITY),
        (1.0, f64::NAN, 3.0, 3.0),
        (f64::INFINITY, 2.0, -1.0, f64::NEG_INFINITY),
        (2.0, 3.0, f64::NAN, f64::NAN),
    ];
    for (a, b, c, want) in cases {
        let got = Op::ScaledPower.value3(a, b, c);
        let is_equal = got == want || got.is_nan() && want.is_nan();
        assert!(
            is_equal,
            "{c:e} times {a:e} to the {b:e} is {got:e}, not {want:e}"
        );
    }
}
