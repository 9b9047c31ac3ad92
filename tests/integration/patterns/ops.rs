//! Every operation's pattern is what its derivative is, or it is written here why it is more.

use gradient_engine::plan::structure;
use gradient_engine::{Mode, Op, Tensor};
use gradient_tests::engine::{Random, jacobian};
use gradient_tests::scenarios::{Scenario, all};
use std::collections::BTreeMap;

/// Points at which derivatives are looked at: what is zero at all of them is taken to be zero.
const POINTS: usize = 8;

/// What is taken, or where it goes, is known with the inputs only: a pattern is of all inputs.
const AT_RUN_TIME: &str = "chooses by its inputs";
/// Triangular, orthogonal or symmetric factors make zeros out of numbers; a pattern knows operations, not numbers.
const FACTORS: &str = "zeros of factors";
/// Zeros in numbers that the operation multiplies by: roots of unity on an axis, margins, sizes of one.
const ZERO_NUMBERS: &str = "multiplies by numbers that are zero";
/// Derivatives of the equations, whose matrix is known as numbers only.
const EQUATIONS: &str = "solves for its result";

/// Operations whose patterns may have more entries than derivatives that are not zero somewhere, and why.
const SUPERSETS: &[(Op, &str)] = &[
    (Op::Argsort, AT_RUN_TIME),
    (Op::Bspline, AT_RUN_TIME),
    (Op::Clamp, AT_RUN_TIME),
    (Op::Cummax, AT_RUN_TIME),
    (Op::Cummin, AT_RUN_TIME),
    (Op::DynamicUpdateSlice, AT_RUN_TIME),
    (Op::Interp1d, AT_RUN_TIME),
    (Op::MaxPool, AT_RUN_TIME),
    (Op::Maximum, AT_RUN_TIME),
    (Op::Minimum, AT_RUN_TIME),
    (Op::Norm, AT_RUN_TIME),
    (Op::OneHot, AT_RUN_TIME),
    (Op::ReduceMax, AT_RUN_TIME),
    (Op::ReduceMin, AT_RUN_TIME),
    (Op::Scatter, AT_RUN_TIME),
    (Op::ScatterAdd, AT_RUN_TIME),
    (Op::Sort, AT_RUN_TIME),
    (Op::TopK, AT_RUN_TIME),
    (Op::Cholesky, FACTORS),
    (Op::CholeskySolve, FACTORS),
    (Op::Cofactor, FACTORS),
    (Op::Eigh, FACTORS),
    (Op::Lstsq, FACTORS),
    (Op::Lu, FACTORS),
    (Op::Qr, FACTORS),
    (Op::Svd, FACTORS),
    (Op::SvdSolve, FACTORS),
    (Op::TriangularSolve, FACTORS),
    (Op::Convolution, ZERO_NUMBERS),
    (Op::Fft, ZERO_NUMBERS),
    (Op::Ifft, ZERO_NUMBERS),
    (Op::Irfft, ZERO_NUMBERS),
    (Op::Rfft, ZERO_NUMBERS),
    (Op::LogSoftmax, ZERO_NUMBERS),
    (Op::Softmax, ZERO_NUMBERS),
    (Op::ReduceVariance, ZERO_NUMBERS),
    (Op::TridiagonalSolve, ZERO_NUMBERS),
    // Inner Jacobians multiply by unit vectors; a carry begins as 0.
    (Op::Derivative, ZERO_NUMBERS),
    (Op::Scan, ZERO_NUMBERS),
    (Op::FixedPoint, EQUATIONS),
    (Op::ImplicitRoot, EQUATIONS),
];

/// Entries of the pattern that are zero at all points, and entries that are not zero and not in the pattern.
fn differences(scenario: &Scenario, random: &mut Random) -> (usize, usize) {
    let graph = &scenario.graph;
    let (outputs, wrt) = (graph.float_outputs(), graph.float_inputs());
    let Some(pattern) = structure(graph, &outputs, &wrt) else {
        return (0, 0);
    };
    let sizes: Vec<usize> = (wrt.iter())
        .map(|&i| graph.inputs()[i as usize].ty.elements() as usize)
        .collect();
    let n: usize = sizes.iter().sum();
    let mut met = vec![false; pattern.rows() as usize * n];
    for _ in 0..POINTS {
        let x: Vec<Tensor> = scenario.point(random);
        let dense = jacobian(graph, &x, Some(Mode::Forward));
        let (mut rest, mut row) = (&dense[..], 0);
        for &o in &outputs {
            let m = graph.output_type(o as usize).elements() as usize;
            let mut before = 0;
            for &size in &sizes {
                let (block, after) = rest.split_at(m * size);
                for (k, &d) in block.iter().enumerate() {
                    met[(row + k / size) * n + before + k % size] |= d != 0.0;
                }
                (rest, before) = (after, before + size);
            }
            row += m;
        }
    }
    let mut there = vec![false; met.len()];
    for i in 0..pattern.rows() {
        let row = pattern.row(i).iter();
        row.for_each(|&j| there[i as usize * n + j as usize] = true);
    }
    let count =
        |f: &dyn Fn((&bool, &bool)) -> bool| there.iter().zip(&met).filter(|&p| f(p)).count();
    (count(&|(t, m)| *t && !*m), count(&|(t, m)| !*t && *m))
}

#[test]
fn patterns_of_all_operations_are_exact_or_decided() {
    let mut random = Random(0x0bed);
    let mut more: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for scenario in all() {
        let (excess, missing) = differences(&scenario, &mut random);
        if missing > 0 {
            wrong.push(format!("{}: {missing} entries are missing", scenario.name));
        }
        if excess > 0 {
            let list = more.entry(scenario.op.name()).or_default();
            list.push(format!("{}: {excess}", scenario.name));
        }
    }
    let decided = |name: &str| SUPERSETS.iter().any(|(op, _)| op.name() == name);
    let undecided = more.iter().filter(|(name, _)| !decided(name));
    wrong.extend(undecided.map(|(_, list)| list.join("; ")));
    let idle = SUPERSETS
        .iter()
        .filter(|(op, _)| !more.contains_key(op.name()));
    wrong.extend(idle.map(|(op, _)| format!("{} is exact by now", op.name())));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
