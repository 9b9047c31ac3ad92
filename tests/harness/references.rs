//! The reference table (`tests/reference`): values and derivatives to 21 digits, written by mpmath, and how far the
//! engine is from them.

use crate::engine::tensor;
use crate::scenarios::Draft;
use gradient_engine::{
    Arguments, Attributes, Graph, Layout, Mode, Op, Options, Product, Request, Scratch, Stop,
    Tensor, TensorType, ValueId, compile,
};
use std::{fmt, fs, path::PathBuf};

/// Derivatives below the smallest normal number may be off by this many of the smallest subnormal numbers.
const SUBNORMAL_UNITS: f64 = 4.0;

/// One line of a data file.
pub struct Row {
    /// Operands, exact.
    pub operands: Vec<f64>,
    /// Value, gradient, Hessian (upper triangle, row by row), rounded to f64.
    pub numbers: Vec<f64>,
}

/// A data file.
pub struct Reference {
    /// The operation.
    pub op: Op,
    /// The file's name without its ending: the operation's, and for a further file a word after a dot.
    pub name: String,
    /// Operands that are differentiated.
    pub moving: Vec<usize>,
    /// The last operand is the operation's attribute.
    pub attribute: bool,
    /// The points.
    pub rows: Vec<Row>,
}

/// Where the data files lie.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reference/data")
}

/// The data files' names without their ending, sorted.
pub fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).expect("tests/reference/data is there");
    let mut names: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".tsv").map(str::to_owned))
        .collect();
    names.sort();
    names
}

impl Reference {
    /// Reads the data file of a name; its format is described in `tests/reference/generate.py`.
    pub fn read(name: &str) -> Result<Self, String> {
        let path = folder().join(format!("{name}.tsv"));
        let text = fs::read_to_string(&path)
            .map_err(|e| format!("{}: {e}; run tests/reference/generate.py", path.display()))?;
        Self::parse(name, &text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let op = name.split('.').next().unwrap_or_default();
        let op = Op::ALL.iter().copied().find(|o| o.name() == op);
        let op = op.ok_or("the file is named after no operation")?;
        let (mut fixed, mut attribute) = (Vec::new(), false);
        let mut lines = Vec::new();
        for line in text.lines() {
            if let Some(list) = line.strip_prefix("#! fixed ") {
                for i in list.split(' ') {
                    fixed.push(i.parse::<usize>().map_err(|e| format!("{line}: {e}"))?);
                }
            } else if line == "#! attribute" {
                attribute = true;
            } else if !line.starts_with('#') {
                let numbers: Result<Vec<f64>, _> = line.split('\t').map(str::parse).collect();
                lines.push(numbers.map_err(|e| format!("{line}: {e}"))?);
            }
        }
        // n operands, of which k move: n + 1 + k + k (k + 1) / 2 columns.
        let columns = lines.first().map_or(0, Vec::len);
        let moves = |n: usize| n.saturating_sub(fixed.len() + usize::from(attribute));
        let width = |n: usize| n + 1 + moves(n) + moves(n) * (moves(n) + 1) / 2;
        let arity = (1..=8)
            .find(|&n| width(n) == columns)
            .ok_or_else(|| format!("{columns} columns fit no number of operands"))?;
        let moving = (0..arity - usize::from(attribute))
            .filter(|i| !fixed.contains(i))
            .collect();
        let mut rows = Vec::new();
        for numbers in lines {
            if numbers.len() != columns || numbers.iter().any(|x| x.is_nan()) {
                return Err(format!("{numbers:?}: {columns} numbers were expected"));
            }
            let (operands, numbers) = numbers.split_at(arity);
            let (operands, numbers) = (operands.to_vec(), numbers.to_vec());
            rows.push(Row { operands, numbers });
        }
        Ok(Self {
            op,
            name: name.to_owned(),
            moving,
            attribute,
            rows,
        })
    }

    /// What the engine gives for each row: value, forward gradient, reverse gradient, Hessian (upper triangle).
    /// `build` writes the operation; it gets the operands and the attribute, if there is one.
    pub fn evaluate(
        &self,
        build: impl Fn(&mut Draft, &[ValueId], Option<f64>) -> ValueId,
    ) -> Vec<Evaluated> {
        let mut all: Vec<Option<Evaluated>> = self.rows.iter().map(|_| None).collect();
        let attribute = |row: &Row| self.attribute.then(|| row.operands[row.operands.len() - 1]);
        while let Some(first) = all.iter().position(Option::is_none) {
            // One batch for each value of the attribute.
            let value = attribute(&self.rows[first]);
            let rows: Vec<usize> = (first..all.len())
                .filter(|&r| attribute(&self.rows[r]) == value)
                .collect();
            let points: Vec<&[f64]> = rows.iter().map(|&r| &self.rows[r].operands[..]).collect();
            let arity = points[0].len() - usize::from(self.attribute);
            let mut draft = Draft::new(self.op.name());
            let operands: Vec<ValueId> = (0..arity)
                .map(|i| draft.input(&format!("x{i}"), &[]))
                .collect();
            let output = build(&mut draft, &operands, value);
            let results = batch(&draft.finish(output), &self.moving, &points);
            for (r, result) in rows.into_iter().zip(results) {
                all[r] = Some(result);
            }
        }
        all.into_iter().flatten().collect()
    }

    /// As [`Reference::evaluate`], with the operation itself.
    pub fn evaluate_op(&self) -> Vec<Evaluated> {
        self.evaluate(|g, operands, attribute| {
            let attributes = match (self.op, attribute) {
                (Op::IntegerPow, Some(exponent)) => Attributes::IntegerPow {
                    exponent: exponent as i32,
                },
                _ => Attributes::None,
            };
            g.push(self.op, operands, attributes)
        })
    }

    /// How far results are from the table at worst.
    pub fn compare(&self, results: &[Evaluated]) -> Worst<'_> {
        let mut worst = Worst::default();
        for (row, got) in self.rows.iter().zip(results) {
            let k = self.moving.len();
            let (value, derivatives) = (row.numbers[0], &row.numbers[1..]);
            let (first, second) = derivatives.split_at(k);
            worst.value.see(ulps(got.value, value), row, || {
                format!("value {:e}, not {value:e}", got.value)
            });
            for (mode, gradient) in [("forward", &got.forward), ("reverse", &got.reverse)] {
                for (i, (&got, &want)) in gradient.iter().zip(first).enumerate() {
                    worst.first.see(relative(got, want), row, || {
                        format!("{mode} derivative {i}: {got:e}, not {want:e}")
                    });
                }
            }
            for (i, (&got, &want)) in got.hessian.iter().zip(second).enumerate() {
                let got = match (got - want).abs() <= self.lost(row, i) {
                    true => want,
                    false => got,
                };
                worst.second.see(relative(got, want), row, || {
                    format!("second derivative {i}: {got:e}, not {want:e}")
                });
            }
        }
        worst
    }
}

impl Reference {
    /// What entry `entry` of a Hessian loses, as `graph.proto` says of the operation: absolute.
    ///
    /// Of the beta density f near a = 0 and x = 0 the terms of f_bx = f ((log f)_b (log f)_x + (log f)_bx) are of f's
    /// size and cancel, as f there hardly depends on b and x together; likewise f_ax near b = 0 and x = 1.
    fn lost(&self, row: &Row, entry: usize) -> f64 {
        const NEAR: f64 = 1e-2;
        if !matches!(self.op, Op::BetaincGradX | Op::BetaincKernel) {
            return 0.0;
        }
        let [a, b, x] = [0, 1, 2].map(|i| row.operands[i]);
        let corner = match entry {
            2 => b < NEAR && 1.0 - x < NEAR,
            4 => a < NEAR && x < NEAR,
            _ => false,
        };
        if corner {
            2.0 * f64::EPSILON * row.numbers[0].abs()
        } else {
            0.0
        }
    }
}

/// Of one point.
pub struct Evaluated {
    /// f.
    pub value: f64,
    /// ∂f in forward mode.
    pub forward: Vec<f64>,
    /// ∂f in reverse mode.
    pub reverse: Vec<f64>,
    /// ∂²f, upper triangle, row by row.
    pub hessian: Vec<f64>,
}

/// A scalar graph's value and derivatives in the inputs `wrt` at many points at once.
fn batch(graph: &Graph, wrt: &[usize], points: &[&[f64]]) -> Vec<Evaluated> {
    let (b, k) = (points.len(), wrt.len());
    let inputs: Vec<Tensor> = (0..graph.inputs().len())
        .map(|i| {
            let column: Vec<f64> = points.iter().map(|p| p[i]).collect();
            tensor(&TensorType::f64([b as u64]), &column)
        })
        .collect();
    // Blocks one after the other, each with a number a point.
    let evaluate = |product: Product, mode: Option<Mode>| -> Vec<Vec<f64>> {
        let request = Request {
            products: vec![product],
            options: Options {
                mode,
                ..Options::default()
            },
            batched: Some(vec![true; inputs.len()]),
        };
        let program = compile(graph, &request).expect("compile");
        let arguments = Arguments {
            inputs: inputs.iter().map(Tensor::as_ref).collect(),
            seeds: vec![vec![]],
            batch: b as u64,
        };
        let blocks = program
            .evaluate(&arguments, &mut Scratch::default(), &Stop::default())
            .expect("evaluate");
        blocks[0]
            .iter()
            .map(|block| block.tensor.to_f64())
            .collect()
    };
    let wrt: Vec<u32> = wrt.iter().map(|&i| i as u32).collect();
    let jacobian = || Product::Jacobian {
        outputs: vec![0],
        wrt: wrt.clone(),
        layout: Layout::Dense,
    };
    let value = evaluate(Product::Value { outputs: vec![0] }, None);
    let forward = evaluate(jacobian(), Some(Mode::Forward));
    let reverse = evaluate(jacobian(), Some(Mode::Reverse));
    let hessian = evaluate(
        Product::Hessian {
            output: 0,
            wrt: wrt.clone(),
            layout: Layout::Dense,
        },
        None,
    );
    let at = |blocks: &[Vec<f64>], p: usize| blocks.iter().map(|block| block[p]).collect();
    (0..b)
        .map(|p| {
            let full: Vec<f64> = at(&hessian, p);
            Evaluated {
                value: value[0][p],
                forward: at(&forward, p),
                reverse: at(&reverse, p),
                hessian: (0..k)
                    .flat_map(|i| full[i * k + i..(i + 1) * k].to_vec())
                    .collect(),
            }
        })
        .collect()
}

/// Distance in units in the last place; infinite where one is NaN or only one is infinite.
pub fn ulps(got: f64, want: f64) -> f64 {
    if got == want {
        return 0.0;
    }
    if !(got.is_finite() && want.is_finite()) {
        return f64::INFINITY;
    }
    // Positions on the line of all f64: -0 and 0 share one.
    let position = |x: f64| {
        let magnitude = i128::from(x.abs().to_bits());
        if x < 0.0 { -magnitude } else { magnitude }
    };
    (position(got) - position(want)).unsigned_abs() as f64
}

/// Relative distance; infinite where one is NaN or only one is infinite. Below the smallest normal number a few of
/// the smallest subnormal numbers count as nothing.
pub fn relative(got: f64, want: f64) -> f64 {
    if got == want {
        return 0.0;
    }
    if !(got.is_finite() && want.is_finite()) {
        return f64::INFINITY;
    }
    if want.abs() < f64::MIN_POSITIVE {
        let beyond = (got - want).abs() - SUBNORMAL_UNITS * f64::from_bits(1);
        return if beyond <= 0.0 {
            0.0
        } else {
            beyond / want.abs()
        };
    }
    (got - want).abs() / want.abs()
}

/// The largest distance and where it is.
#[derive(Default)]
pub struct Extreme<'a> {
    /// Distance.
    pub distance: f64,
    place: Option<(&'a Row, String)>,
    /// Every distance that was seen, with its row and what it is of.
    pub all: Vec<(f64, &'a Row, String)>,
}

impl<'a> Extreme<'a> {
    fn see(&mut self, distance: f64, row: &'a Row, what: impl Fn() -> String) {
        if distance > self.distance {
            self.distance = distance;
            self.place = Some((row, what()));
        }
        if distance > 0.0 {
            self.all.push((distance, row, what()));
        }
    }
}

impl fmt::Display for Extreme<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((row, what)) => write!(f, "{:.2e} at {:?}: {what}", self.distance, row.operands),
            None => write!(f, "exact"),
        }
    }
}

/// The worst of an operation.
#[derive(Default)]
pub struct Worst<'a> {
    /// In units in the last place.
    pub value: Extreme<'a>,
    /// Relative, both modes.
    pub first: Extreme<'a>,
    /// Relative.
    pub second: Extreme<'a>,
}
