//! The files as NIST publishes them, and files that are not as they should be.

use std::{fs, path::Path};

use super::*;
use crate::tensor::{Dtype, Type};

/// The workspace's shared data where it is there, the project's copies otherwise.
fn directory() -> std::path::PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = package.join("../../shared/data/nist_strd");
    if shared.is_dir() {
        shared
    } else {
        package.join("data/nist_strd")
    }
}

fn text(name: &str) -> String {
    let path = directory().join(name).with_extension("dat");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn problem(name: &str) -> Problem {
    Problem::parse(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Name, level, n, m, first row, last row.
type Facts = (
    &'static str,
    Level,
    usize,
    usize,
    &'static [f64],
    &'static [f64],
);

const FACTS: [Facts; 20] = [
    (
        "Misra1a",
        Level::Lower,
        2,
        14,
        &[10.07, 77.6],
        &[81.78, 760.0],
    ),
    ("Chwirut2", Level::Lower, 3, 54, &[92.9, 0.5], &[28.9, 1.75]),
    (
        "Chwirut1",
        Level::Lower,
        3,
        214,
        &[92.9, 0.5],
        &[28.95, 1.75],
    ),
    (
        "Lanczos3",
        Level::Lower,
        6,
        24,
        &[2.5134, 0.0],
        &[0.0624, 1.15],
    ),
    (
        "Gauss1",
        Level::Lower,
        8,
        250,
        &[97.62227, 1.0],
        &[4.875359, 250.0],
    ),
    (
        "Gauss2",
        Level::Lower,
        8,
        250,
        &[97.58776, 1.0],
        &[4.875312, 250.0],
    ),
    (
        "DanWood",
        Level::Lower,
        2,
        6,
        &[2.138, 1.309],
        &[5.66, 1.68],
    ),
    (
        "Misra1b",
        Level::Lower,
        2,
        14,
        &[10.07, 77.6],
        &[81.78, 760.0],
    ),
    (
        "Kirby2",
        Level::Average,
        5,
        151,
        &[0.0082, 9.65],
        &[92.2, 371.3],
    ),
    (
        "Nelson",
        Level::Average,
        3,
        128,
        &[15.0, 1.0, 180.0],
        &[1.2, 64.0, 275.0],
    ),
    (
        "MGH17",
        Level::Average,
        5,
        33,
        &[0.844, 0.0],
        &[0.406, 320.0],
    ),
    (
        "Lanczos1",
        Level::Average,
        6,
        24,
        &[2.5134, 0.0],
        &[0.06239312536719, 1.15],
    ),
    (
        "Gauss3",
        Level::Average,
        8,
        250,
        &[97.58776, 1.0],
        &[4.875312, 250.0],
    ),
    (
        "Misra1c",
        Level::Average,
        2,
        14,
        &[10.07, 77.6],
        &[81.78, 760.0],
    ),
    (
        "Misra1d",
        Level::Average,
        2,
        14,
        &[10.07, 77.6],
        &[81.78, 760.0],
    ),
    (
        "Roszman1",
        Level::Average,
        4,
        25,
        &[0.252429, -4868.68],
        &[0.624169, -464.17],
    ),
    (
        "MGH09",
        Level::Higher,
        4,
        11,
        &[0.1957, 4.0],
        &[0.0246, 0.0625],
    ),
    (
        "Thurber",
        Level::Higher,
        7,
        37,
        &[80.574, -3.067],
        &[1457.628, 2.2],
    ),
    ("Rat42", Level::Higher, 3, 9, &[8.93, 9.0], &[67.08, 79.0]),
    (
        "Eckerle4",
        Level::Higher,
        3,
        35,
        &[0.0001575, 400.0],
        &[7.1e-05, 500.0],
    ),
];

#[test]
fn all_files_are_read() {
    for (name, level, parameters, observations, first, last) in FACTS {
        let problem = problem(name);
        assert_eq!(problem.name, name);
        assert_eq!(problem.level, level, "{name}");
        assert_eq!(problem.parameters.len(), parameters, "{name}");
        assert_eq!(problem.observations(), observations, "{name}");
        let row = |i: usize| -> Vec<f64> {
            problem
                .columns
                .iter()
                .map(|column| column.values[i])
                .collect()
        };
        assert_eq!(row(0), first, "{name}");
        assert_eq!(row(observations - 1), last, "{name}");
        for (i, parameter) in problem.parameters.iter().enumerate() {
            assert_eq!(parameter.name, format!("b{}", i + 1), "{name}");
        }

        // The certified values belong together: s² = RSS / (m - n), to the 11 digits they have.
        let freedom = (observations - parameters) as f64;
        let deviation = (problem.residual_sum_of_squares / freedom).sqrt();
        let error = (deviation / problem.residual_standard_deviation - 1.0).abs();
        assert!(error < 1e-9, "{name}: {error:e}");
    }
}

#[test]
fn parameters_and_models_are_read() {
    let nelson = problem("Nelson");
    assert_eq!(
        nelson.expression(),
        "residuals = log[y] - (b1 - b2*x1 * exp[-b3*x2])"
    );
    assert_eq!(
        nelson.parameters[2],
        Parameter {
            name: "b3".into(),
            starts: [-0.01, -0.05],
            certified: -5.7701013174E-02,
            standard_deviation: 3.9572366543E-03,
        }
    );
    assert_eq!(nelson.residual_sum_of_squares, 3.7976833176);

    let gauss = problem("Gauss1").expression();
    assert!(
        gauss.starts_with("residuals = y - (b1*exp( -b2*x ) + b3*exp("),
        "{gauss}"
    );
    assert!(
        gauss.ends_with("+ b6*exp( -(x-b7)**2 / b8**2 ))"),
        "{gauss}"
    );
    let kirby = problem("Kirby2").expression();
    assert!(kirby.contains("b3*x**2) / (1 + b4*x"), "{kirby}");
    let roszman = problem("Roszman1").expression();
    assert!(roszman.starts_with("pi = 3.14159265"), "{roszman}");
}

#[test]
fn residuals_are_one_vector_of_scalar_parameters() {
    for (name, _, parameters, observations, ..) in FACTS {
        let problem = problem(name);
        let graph = problem
            .residuals()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(graph.inputs().len(), parameters, "{name}");
        assert!(
            graph
                .inputs()
                .iter()
                .all(|(_, kind)| kind.as_ref().is_some_and(|kind| kind.shape.is_empty()))
        );
        let residuals = Type::new(Dtype::F64, [observations]);
        assert_eq!(graph.outputs(), [("residuals", Some(residuals))], "{name}");
        assert!(
            graph.proto().nodes.len() < 60,
            "{name}: {observations} rows must not multiply nodes"
        );
    }
}

#[test]
fn the_bundled_files_are_the_published_ones() {
    let bundled = bundled().unwrap();
    assert_eq!(bundled.len(), FACTS.len());
    for ours in bundled {
        assert_eq!(ours, problem(&ours.name));
    }
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    let good = text("Misra1a");
    let line = |number: usize| good.lines().nth(number - 1).unwrap();
    for (broken, expected) in [
        (
            String::new(),
            "line 1: expected `Dataset Name:` and the problem's name; the file ends there",
        ),
        (
            good.replace("Lower Level", "Some Level"),
            "line 28: expected Lower, Average or Higher Level of Difficulty; found `Some Level of Difficulty`",
        ),
        (
            good.replace(" +  e", ""),
            "line 34: expected a model `y = … + e`; found `y = b1*(1-exp[-b2*x])`",
        ),
        (
            good.replace("Starting values", "Guesses"),
            "line 75: expected `Starting values`",
        ),
        (
            good.replace(line(42), "  b2 = 0.0001 x 1 2"),
            "line 42: expected a parameter `b = start 1, start 2, certified value, standard deviation`, 2 in all; \
          found `b2 = 0.0001 x 1 2`",
        ),
        (
            good.replace("1.2455138894E-01", "none"),
            "line 44: expected a number behind `Residual Sum of Squares:`",
        ),
        (
            good.replace(line(47), "Number of Observations: 15"),
            "line 47: expected 14 behind `Number of Observations:`",
        ),
        (
            good.replace(line(60), "Data: y"),
            "line 60: expected the names of 2 columns; found `Data: y`",
        ),
        (
            good.replace(line(63), "10 20 30"),
            "line 63: expected 2 numbers; found `10 20 30`",
        ),
        (
            good.replace(line(63), "10 NaN"),
            "line 63: expected 2 numbers; found `10 NaN`",
        ),
        (
            good.replace(line(63), ""),
            "line 75: expected 14 rows of data, not 13; the file ends there",
        ),
    ] {
        assert_ne!(broken, good, "{expected}");
        let error = Problem::parse(&broken).unwrap_err().to_string();
        assert!(
            error.starts_with(expected),
            "{error}\n  instead of\n{expected}"
        );
    }
}
