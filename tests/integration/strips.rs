//! Large tensors, strip by strip and step by step, interpreted and as machine code: no bit of a result may tell which.

use gradient_engine::tape::set_strips;
use gradient_engine::{
    Arguments, Attributes, Crew, DType, Direction, DotDimensions, Graph, Op, Options, Product,
    Program, Scratch, Stop, Tensor, TensorType, ValueId, compile,
};
use gradient_tests::bits::words;
use gradient_tests::engine::{Random, request, tensor};
use gradient_tests::functions::Write;
use gradient_tests::scenarios::Draft;
use std::sync::Mutex;

/// Programs are compiled with and without strips by one test at a time.
static SWITCH: Mutex<()> = Mutex::new(());

/// Enough for machine code.
const RUNS: usize = 10;

/// Rows and columns: several rows a strip, rows longer than one, rows that do not divide one, few long columns.
const SHAPES: [[u64; 2]; 8] = [
    [40, 8],
    [300, 8],
    [70, 100],
    [3, 1500],
    [513, 4],
    [1, 5000],
    [31, 33],
    [900, 7],
];

fn compiled(graph: &Graph, product: &Product, strips: bool) -> Program {
    set_strips(strips);
    let program = compile(graph, &request(product.clone(), Options::default()));
    set_strips(true);
    program.unwrap()
}

/// All results, bit by bit, NaN as one.
fn bits(program: &Program, inputs: &[Tensor], seeds: &[Tensor], scratch: &mut Scratch) -> Vec<u64> {
    let arguments = Arguments {
        inputs: inputs.iter().map(Tensor::as_ref).collect(),
        seeds: vec![seeds.iter().map(Tensor::as_ref).collect()],
        batch: 1,
    };
    let blocks = program.evaluate(&arguments, scratch, &Stop::default());
    let blocks = blocks.unwrap();
    blocks
        .iter()
        .flatten()
        .flat_map(|b| words(&b.tensor))
        .collect()
}

/// Random operations on matrices, their rows and columns, and all of their elements in a line.
struct Writer<'r> {
    draft: Draft,
    random: &'r mut Random,
    shape: [u64; 2],
    full: Vec<ValueId>,
    rows: Vec<ValueId>,
    columns: Vec<ValueId>,
    scalars: Vec<ValueId>,
}

impl Writer<'_> {
    fn any(&mut self, of: fn(&Self) -> &Vec<ValueId>) -> ValueId {
        let n = of(self).len();
        // The last ones are what most is made of.
        let back = self.random.below(n).min(self.random.below(n));
        of(self)[n - 1 - back]
    }

    fn full(&mut self) -> ValueId {
        self.any(|w| &w.full)
    }

    fn emit(&mut self, op: Op, operands: &[ValueId], attributes: Attributes) -> ValueId {
        self.draft.push(op, operands, attributes)
    }

    fn shaped(&mut self, value: ValueId, shape: &[u64]) -> ValueId {
        let shape = shape.to_vec();
        self.emit(Op::Reshape, &[value], Attributes::Reshape { shape })
    }

    fn spread(&mut self, value: ValueId, dimensions: &[u32]) -> ValueId {
        let attributes = Attributes::BroadcastInDim {
            shape: self.shape.to_vec(),
            dimensions: dimensions.to_vec(),
        };
        self.emit(Op::BroadcastInDim, &[value], attributes)
    }

    fn reduced(&mut self, axes: &[u32]) -> ValueId {
        let op = [Op::ReduceSum, Op::ReduceSum, Op::ReduceMax, Op::ReduceMin][self.random.below(4)];
        let value = self.full();
        let attributes = Attributes::Reduce {
            axes: axes.to_vec(),
            keep_dims: false,
        };
        self.emit(op, &[value], attributes)
    }

    /// Every `stride`th element from `start` on, moved elsewhere, zeros between.
    fn moved(&mut self) -> ValueId {
        let n = self.shape[0] * self.shape[1];
        let value = self.full();
        let line = self.shaped(value, &[n]);
        let zero = self.draft.constant(Tensor::scalar(DType::F64, 0.0));
        let stride = 1 + self.random.below(3) as u64;
        let (start, low) = (self.random.below(3) as u64, self.random.below(3) as u64);
        let count = (n - start - low).div_ceil(stride);
        let end = start + (count - 1) * stride + 1;
        let slice = Attributes::Slice {
            starts: vec![start],
            limits: vec![end],
            strides: vec![stride],
        };
        let part = self.emit(Op::Slice, &[line], slice);
        let part = self.emit(Op::Tanh, &[part], Attributes::None);
        let between = self.random.below(2) as u64 * (stride - 1);
        let pad = Attributes::Pad {
            low: vec![low],
            high: vec![n - low - count - (count - 1) * between],
            interior: vec![between],
        };
        let line = self.emit(Op::Pad, &[part, zero], pad);
        let shape = self.shape;
        self.shaped(line, &shape)
    }

    fn step(&mut self) {
        const UNARY: [Op; 9] = [
            Op::Negate,
            Op::Abs,
            Op::Square,
            Op::Sin,
            Op::Cos,
            Op::Tanh,
            Op::Reciprocal,
            Op::Exp,
            Op::Logistic,
        ];
        const BINARY: [Op; 5] = [Op::Add, Op::Subtract, Op::Multiply, Op::Divide, Op::Maximum];
        let new = match self.random.below(12) {
            0..=1 => {
                let (op, a) = (UNARY[self.random.below(UNARY.len())], self.full());
                self.emit(op, &[a], Attributes::None)
            }
            2..=4 => {
                let (op, a, b) = (
                    BINARY[self.random.below(BINARY.len())],
                    self.full(),
                    self.full(),
                );
                self.emit(op, &[a, b], Attributes::None)
            }
            5 => {
                let (op, a, b) = (
                    BINARY[self.random.below(BINARY.len())],
                    self.full(),
                    self.any(|w| &w.scalars),
                );
                self.emit(op, &[a, b], Attributes::None)
            }
            6 => {
                let (direction, [a, b, c, d]) = (
                    Direction::ALL[self.random.below(6)],
                    [(); 4].map(|()| self.full()),
                );
                let p = self.emit(Op::Compare, &[a, b], Attributes::Compare { direction });
                if self.random.below(2) == 0 {
                    let dtype = DType::F64;
                    self.emit(Op::Convert, &[p], Attributes::Convert { dtype })
                } else {
                    self.emit(Op::Select, &[p, c, d], Attributes::None)
                }
            }
            7 => {
                let row = self.any(|w| &w.rows);
                self.spread(row, &[1])
            }
            8 => {
                let column = self.any(|w| &w.columns);
                self.spread(column, &[0])
            }
            9 => self.moved(),
            10 => {
                let column = self.reduced(&[1]);
                self.columns.push(column);
                self.spread(column, &[0])
            }
            _ => {
                let (row, scalar) = (self.reduced(&[0]), self.reduced(&[]));
                self.rows.push(row);
                self.scalars.push(scalar);
                self.spread(row, &[1])
            }
        };
        self.full.push(new);
    }
}

fn graph(shape: [u64; 2], steps: usize, random: &mut Random) -> Graph {
    let mut draft = Draft::new("strips");
    let x = draft.input("x", &shape);
    let (row, column) = (
        draft.input("row", &shape[1..]),
        draft.input("column", &shape[..1]),
    );
    let half = draft.constant(Tensor::scalar(DType::F64, 0.5));
    let mut w = Writer {
        draft,
        random,
        shape,
        full: vec![x],
        rows: vec![row],
        columns: vec![column],
        scalars: vec![half],
    };
    for _ in 0..steps {
        w.step();
    }
    // All that was made counts.
    let all = w.full.clone().into_iter().skip(1);
    let sum = all.reduce(|a, b| w.draft.op(Op::Add, &[a, b])).unwrap();
    let tanh = w.draft.op(Op::Tanh, &[sum]);
    let whole = w.draft.push(
        Op::ReduceSum,
        &[tanh],
        Attributes::Reduce {
            axes: vec![],
            keep_dims: false,
        },
    );
    w.draft.finish(whole)
}

/// Worth sharing: many short rows, rows of a strip and of several, few long columns, one line either way.
const LARGE: [[u64; 2]; 6] = [
    [4000, 160],
    [700, 1000],
    [150_000, 4],
    [40, 15_000],
    [600_000, 1],
    [1, 600_000],
];

#[test]
fn strips_that_threads_share_give_the_same_bits() {
    let _own = SWITCH.lock();
    let mut random = Random(0x7ead);
    let mut helped = 0;
    for round in 0..12 {
        let shape = LARGE[round % LARGE.len()];
        let graph = graph(shape, 4 + round, &mut random);
        let inputs = graph.inputs().iter();
        let inputs: Vec<Tensor> = inputs.map(|i| random.tensor(&i.ty, (-1.0, 1.0))).collect();
        for product in [
            Product::Value { outputs: vec![0] },
            Product::Gradient {
                output: 0,
                wrt: vec![0, 1, 2],
            },
        ] {
            let plain = compiled(&graph, &product, false);
            let want = bits(&plain, &inputs, &[], &mut Scratch::default());
            for threads in [2, 3] {
                let crew = Crew::new(threads);
                let _own = crew.join();
                let mut scratch = Scratch::with_crew(crew.clone());
                // Step by step as well; strips interpreted, and as machine code.
                let strips = compiled(&graph, &product, true);
                for (run, program) in [&plain, &strips, &strips, &strips].into_iter().enumerate() {
                    let got = bits(program, &inputs, &[], &mut scratch);
                    let wrong = got.iter().zip(&want).position(|(a, b)| a != b);
                    assert_eq!(
                        (wrong, got.len()),
                        (None, want.len()),
                        "round {round}, {shape:?}, {product:?}, {threads} threads, run {run}\n{}",
                        program.listing()
                    );
                    helped += usize::from(run > 0 && scratch.counts.helped > 0);
                }
            }
        }
    }
    assert!(helped > 120, "only {helped} of 144 were shared");
}

#[test]
fn strips_give_the_same_bits() {
    let _own = SWITCH.lock();
    let mut random = Random(0x57717);
    let mut in_strips = 0;
    for round in 0..32 {
        let shape = SHAPES[round % SHAPES.len()];
        let steps = 4 + round % 13;
        let graph = graph(shape, steps, &mut random);
        let special = [0.0, -0.0, f64::INFINITY, f64::NAN, 1e-310, -3.0];
        let inputs: Vec<Tensor> = (graph.inputs().iter())
            .map(|input| {
                let mut numbers = random.tensor(&input.ty, (-1.0, 1.0)).to_f64();
                if round % 3 == 0 {
                    for (k, x) in numbers.iter_mut().enumerate() {
                        if k % 7 == 3 {
                            *x = special[k / 7 % special.len()];
                        }
                    }
                }
                tensor(&input.ty, &numbers)
            })
            .collect();
        let directions: Vec<Tensor> = inputs
            .iter()
            .map(|x| random.tensor(x.ty(), (-1.0, 1.0)))
            .collect();
        let wrt = vec![0, 1, 2];
        let hvp = Product::Hvp {
            output: 0,
            wrt: wrt.clone(),
            directions: 0,
        };
        for (product, seeds) in [
            (Product::Value { outputs: vec![0] }, vec![]),
            (Product::Gradient { output: 0, wrt }, vec![]),
            (hvp, directions),
        ] {
            let want = bits(
                &compiled(&graph, &product, false),
                &inputs,
                &seeds,
                &mut Scratch::default(),
            );
            let program = compiled(&graph, &product, true);
            in_strips += usize::from(program.listing().contains("elements at a time"));
            let mut scratch = Scratch::default();
            for run in 0..RUNS {
                let got = bits(&program, &inputs, &seeds, &mut scratch);
                assert_eq!(got.len(), want.len());
                let wrong = got.iter().zip(&want).position(|(a, b)| a != b);
                assert_eq!(
                    wrong,
                    None,
                    "round {round}, {shape:?}, {product:?}, run {run}: {:?} instead of {:?}\n{}",
                    wrong.map(|k| f64::from_bits(got[k])),
                    wrong.map(|k| f64::from_bits(want[k])),
                    program.listing()
                );
            }
        }
    }
    assert!(
        in_strips > 80,
        "only {in_strips} of 96 programs have strips"
    );
}

/// Σ 100 (b - a²)² + (1 - a)² of the two numbers of pairs, the first of which begins at `offset`: taken apart, and the
/// gradient put together again.
fn pairs(n: u64, offset: u64, swapped: bool) -> Graph {
    let mut draft = Draft::new("pairs");
    let x = draft.input("x", &[n]);
    let every_second = |draft: &mut Draft, start: u64, limit: u64| {
        let slice = Attributes::Slice {
            starts: vec![start],
            limits: vec![limit],
            strides: vec![2],
        };
        draft.push(Op::Slice, &[x], slice)
    };
    let count = (n - offset) / 2;
    let end = offset + 2 * count;
    let a = every_second(&mut draft, offset, end - 1);
    let b = every_second(&mut draft, offset + 1, end);
    let (a, b) = if swapped { (b, a) } else { (a, b) };
    let hundred = draft.constant(Tensor::scalar(DType::F64, 100.0));
    let one = draft.constant(Tensor::scalar(DType::F64, 1.0));
    let square = draft.op(Op::Square, &[a]);
    let rest = draft.op(Op::Subtract, &[b, square]);
    let rest = draft.op(Op::Square, &[rest]);
    let rest = draft.op(Op::Multiply, &[rest, hundred]);
    let own = draft.op(Op::Subtract, &[one, a]);
    let own = draft.op(Op::Square, &[own]);
    let all = draft.op(Op::Add, &[rest, own]);
    let axes = Attributes::Reduce {
        axes: vec![],
        keep_dims: false,
    };
    let y = draft.push(Op::ReduceSum, &[all], axes);
    draft.finish(y)
}

#[test]
fn pairs_are_taken_apart_and_put_together_in_order() {
    let _alone = SWITCH.lock().unwrap_or_else(|e| e.into_inner());
    let mut random = Random(23);
    let mut scratch = Scratch::default();
    let gradient = Product::Gradient {
        output: 0,
        wrt: vec![0],
    };
    let along = Product::Hvp {
        output: 0,
        wrt: vec![0],
        directions: 0,
    };
    for n in [256, 261, 1000, 1537, 4098] {
        for (offset, swapped) in [(0, false), (0, true), (1, false), (1, true)] {
            let graph = pairs(n, offset, swapped);
            let x = [random.tensor(&gradient_engine::TensorType::f64([n]), (0.5, 1.5))];
            let v = [random.tensor(&gradient_engine::TensorType::f64([n]), (-1.0, 1.0))];
            // The formula itself, number by number.
            let numbers = x[0].to_f64();
            let mut want = vec![0.0; n as usize];
            let pairs = numbers[offset as usize..].chunks_exact(2).enumerate();
            for (k, pair) in pairs {
                let at = offset as usize + 2 * k;
                let (ia, ib) = if swapped { (at + 1, at) } else { (at, at + 1) };
                let (a, b) = if swapped {
                    (pair[1], pair[0])
                } else {
                    (pair[0], pair[1])
                };
                want[ia] = -400.0 * a * (b - a * a) - 2.0 * (1.0 - a);
                want[ib] = 200.0 * (b - a * a);
            }
            for (product, seeds) in [(&gradient, &[][..]), (&along, &v[..])] {
                let plain = compiled(&graph, product, false);
                let strips = compiled(&graph, product, true);
                let reference = bits(&plain, &x, seeds, &mut scratch);
                for run in 0..RUNS {
                    let found = bits(&strips, &x, seeds, &mut scratch);
                    assert_eq!(
                        found, reference,
                        "{n} numbers, offset {offset}, {swapped}, run {run}"
                    );
                }
                if seeds.is_empty() {
                    for (got, want) in reference.iter().map(|&b| f64::from_bits(b)).zip(&want) {
                        assert!(
                            (got - want).abs() <= 1e-12 * want.abs().max(1.0),
                            "{n} numbers, offset {offset}: {got} and {want}"
                        );
                    }
                }
            }
        }
    }
}

/// Σᵢ minⱼ Σₖ (xᵢₖ - cⱼₖ)², whose derivative reads the differences again after all have been summed up.
fn nearest(n: u64, k: u64, d: u64) -> Graph {
    let mut draft = Draft::new("nearest");
    let shape = vec![n, k, d];
    let x = draft.input("x", &[n, d]);
    let c = draft.input("c", &[k, d]);
    let spread = |draft: &mut Draft, value, dimensions: [u32; 2]| {
        let (shape, dimensions) = (shape.clone(), dimensions.to_vec());
        let attributes = Attributes::BroadcastInDim { shape, dimensions };
        draft.push(Op::BroadcastInDim, &[value], attributes)
    };
    let (x, c) = (spread(&mut draft, x, [0, 2]), spread(&mut draft, c, [1, 2]));
    let difference = draft.push(Op::Subtract, &[x, c], Attributes::None);
    let square = draft.push(Op::Square, &[difference], Attributes::None);
    let reduce = |draft: &mut Draft, op, value, axis| {
        let (axes, keep_dims) = (vec![axis], false);
        draft.push(op, &[value], Attributes::Reduce { axes, keep_dims })
    };
    let distances = reduce(&mut draft, Op::ReduceSum, square, 2);
    let least = reduce(&mut draft, Op::ReduceMin, distances, 1);
    let sum = reduce(&mut draft, Op::ReduceSum, least, 0);
    draft.finish(sum)
}

#[test]
fn what_is_cheaper_to_work_out_again_is_not_kept() {
    let _alone = SWITCH.lock();
    let (n, k, d) = (500, 40, 8);
    let graph = nearest(n, k, d);
    let product = Product::Gradient {
        output: 0,
        wrt: vec![0, 1],
    };
    let program = compiled(&graph, &product, true);
    let large = format!("× {}", n * k * d);
    let listing = program.listing();
    let lines = listing.lines().filter(|line| line.ends_with(&large));
    let subtractions = lines.filter(|line| line.contains("subtract")).count();
    assert_eq!(subtractions, 2, "{listing}");
    let random = &mut Random(11);
    let inputs = [[n, d], [k, d]].map(|shape| {
        let ty = TensorType::f64(shape);
        random.tensor(&ty, (-1.0, 1.0))
    });
    let scratch = &mut Scratch::default();
    let got = bits(&program, &inputs, &[], scratch);
    assert_eq!(
        got,
        bits(&compiled(&graph, &product, false), &inputs, &[], scratch)
    );
    // By hand: twice the difference from the nearest.
    let [x, c] = [0, 1].map(|i| inputs[i].to_f64());
    let (n, k, d) = (n as usize, k as usize, d as usize);
    let mut want = vec![0.0; (n + k) * d];
    for i in 0..n {
        let row = &x[i * d..][..d];
        let distance = |j: usize| -> f64 {
            let pairs = row.iter().zip(&c[j * d..][..d]);
            pairs.map(|(x, c)| (x - c) * (x - c)).sum()
        };
        let nearest = (0..k).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        let nearest = nearest.unwrap();
        for e in 0..d {
            let slope = 2.0 * (row[e] - c[nearest * d + e]);
            want[i * d + e] += slope;
            want[n * d + nearest * d + e] -= slope;
        }
    }
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let got = f64::from_bits(*got);
        let close = (got - want).abs() <= 1e-12 * want.abs().max(1.0);
        assert!(close, "{i}: {got} against {want}");
    }
}

/// Random operations on tensors of three dimensions, on what their last one is reduced to, and on what the last one of that
/// is; each may be spread to where it was reduced from.
fn nested(shape: [u64; 3], steps: usize, random: &mut Random) -> Graph {
    const UNARY: [Op; 6] = [
        Op::Negate,
        Op::Square,
        Op::Sin,
        Op::Cos,
        Op::Exp,
        Op::Reciprocal,
    ];
    const BINARY: [Op; 4] = [Op::Add, Op::Subtract, Op::Multiply, Op::Maximum];
    const REDUCTIONS: [Op; 3] = [Op::ReduceSum, Op::ReduceMin, Op::ReduceMax];
    let mut draft = Draft::new("nested");
    let of_level = |level: usize| &shape[..3 - level];
    let mut levels: [Vec<ValueId>; 3] =
        [0, 1, 2].map(|level| vec![draft.input(["x", "y", "z"][level], of_level(level))]);
    let reduced = |draft: &mut Draft, op, value, axes: Vec<u32>| {
        let keep_dims = false;
        draft.push(op, &[value], Attributes::Reduce { axes, keep_dims })
    };
    for _ in 0..steps {
        let level = random.below(3);
        let mut any = |level: usize| {
            let all: &Vec<ValueId> = &levels[level];
            all[all.len() - 1 - random.below(all.len()).min(random.below(all.len()))]
        };
        let [a, b] = [any(level), any(level)];
        let (above, below) = (any((level + 1).min(2)), any(level));
        let (to, new) = match random.below(7) {
            0 => {
                let op = UNARY[random.below(UNARY.len())];
                (level, draft.push(op, &[a], Attributes::None))
            }
            1..=2 => {
                let op = BINARY[random.below(BINARY.len())];
                (level, draft.push(op, &[a, b], Attributes::None))
            }
            3 => {
                let direction = Direction::ALL[random.below(6)];
                let p = draft.push(Op::Compare, &[a, b], Attributes::Compare { direction });
                let dtype = DType::F64;
                (
                    level,
                    draft.push(Op::Convert, &[p], Attributes::Convert { dtype }),
                )
            }
            4 if level < 2 => {
                let op = REDUCTIONS[random.below(3)];
                let last = 2 - level as u32;
                (level + 1, reduced(&mut draft, op, below, vec![last]))
            }
            _ if level < 2 => {
                let attributes = Attributes::BroadcastInDim {
                    shape: of_level(level).to_vec(),
                    dimensions: (0..2 - level as u32).collect(),
                };
                (level, draft.push(Op::BroadcastInDim, &[above], attributes))
            }
            _ => (level, draft.push(Op::Tanh, &[a], Attributes::None)),
        };
        levels[to].push(new);
    }
    // All that was made counts.
    let sums = levels.map(|all| {
        let sum = all.into_iter().reduce(|a, b| draft.op(Op::Add, &[a, b]));
        let tanh = draft.op(Op::Tanh, &[sum.unwrap()]);
        reduced(&mut draft, Op::ReduceSum, tanh, vec![])
    });
    let whole = sums.into_iter().reduce(|a, b| draft.op(Op::Add, &[a, b]));
    draft.finish(whole.unwrap())
}

/// Groups of steps that are not all of as many elements, beside reductions.
fn nested_groups(listing: &str) -> usize {
    let mut lines = listing.lines();
    let mut count = 0;
    while let Some(line) = lines.next() {
        if !line.ends_with("elements at a time:") {
            continue;
        }
        let steps = line.trim().split(' ').next().unwrap().parse().unwrap();
        let steps = lines.by_ref().take(steps);
        let steps = steps.filter(|line| !line.contains("reduce_"));
        let mut sizes: Vec<&str> = steps.filter_map(|line| line.split('×').nth(1)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        count += usize::from(sizes.len() > 1);
    }
    count
}

#[test]
fn what_rows_come_to_is_read_in_the_same_strip() {
    let _alone = SWITCH.lock();
    let mut random = Random(0x0007_e575);
    let mut found = 0;
    let shapes = [
        [40, 5, 8],
        [30, 25, 4],
        [100, 3, 3],
        [7, 100, 8],
        [3, 16, 128],
        [64, 2, 33],
        // Worth sharing.
        [3000, 20, 8],
        [40_000, 3, 5],
    ];
    for round in 0..32 {
        let shape = shapes[round % shapes.len()];
        let graph = nested(shape, 6 + round, &mut random);
        let inputs = graph.inputs().iter();
        let inputs: Vec<Tensor> = inputs.map(|i| random.tensor(&i.ty, (-1.0, 1.0))).collect();
        for product in [
            Product::Value { outputs: vec![0] },
            Product::Gradient {
                output: 0,
                wrt: vec![0, 1, 2],
            },
        ] {
            let plain = compiled(&graph, &product, false);
            let want = bits(&plain, &inputs, &[], &mut Scratch::default());
            let program = compiled(&graph, &product, true);
            found += nested_groups(&program.listing());
            let crew = Crew::new(2);
            let _own = crew.join();
            for mut scratch in [Scratch::default(), Scratch::with_crew(crew.clone())] {
                for run in 0..RUNS {
                    let got = bits(&program, &inputs, &[], &mut scratch);
                    let wrong = got.iter().zip(&want).position(|(a, b)| a != b);
                    assert_eq!(
                        (wrong, got.len()),
                        (None, want.len()),
                        "round {round}, {shape:?}, {product:?}, run {run}\n{}",
                        program.listing()
                    );
                }
            }
        }
    }
    assert!(found > 30, "only {found} groups in 64 programs");
    // Distances, the least of them, where that is, and what is summed up of it: nothing is in memory in between.
    let product = Product::Gradient {
        output: 0,
        wrt: vec![1],
    };
    let listing = compiled(&nearest(500, 40, 8), &product, true).listing();
    let groups = listing.matches("elements at a time").count();
    assert_eq!((groups, nested_groups(&listing)), (1, 1), "{listing}");
}

/// What is summed up over the residuals A x - b of a linear model.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Loss {
    Squares,
    HalfSquares,
    /// log(1 + e^r).
    Logistic,
    /// Squares, but lines beyond 1.
    Huber,
    /// Squares of residuals, each less its neighbour: the neighbour is another row's.
    Neighbours,
}

/// A loss of m residuals and n unknowns.
fn model(loss: Loss, [m, n]: [u64; 2]) -> Graph {
    let mut g = Draft::new("model");
    let (x, a, b) = (
        g.input("x", &[n]),
        g.input("a", &[m, n]),
        g.input("b", &[m]),
    );
    let product = DotDimensions {
        lhs_contracting: vec![1],
        rhs_contracting: vec![0],
        lhs_batch: vec![],
        rhs_batch: vec![],
    };
    let fitted = g.push(Op::DotGeneral, &[a, x], Attributes::DotGeneral(product));
    let residual = g.push(Op::Subtract, &[fitted, b], Attributes::None);
    let part = |g: &mut Draft, starts: u64, limits: u64| {
        let attributes = Attributes::Slice {
            starts: vec![starts],
            limits: vec![limits],
            strides: vec![1],
        };
        g.push(Op::Slice, &[residual], attributes)
    };
    let each = match loss {
        Loss::Squares | Loss::HalfSquares => g.op(Op::Square, &[residual]),
        Loss::Logistic => g.op(Op::Softplus, &[residual]),
        Loss::Huber => {
            let (one, half) = (g.real(1.0), g.real(0.5));
            let size = g.op(Op::Abs, &[residual]);
            let square = g.op(Op::Square, &[residual]);
            let square = g.mul(half, square);
            let line = g.push(Op::Subtract, &[size, half], Attributes::None);
            let direction = Direction::Lt;
            let inside = g.push(Op::Compare, &[size, one], Attributes::Compare { direction });
            g.op(Op::Select, &[inside, square, line])
        }
        Loss::Neighbours => {
            let (first, second) = (part(&mut g, 0, m - 1), part(&mut g, 1, m));
            let step = g.push(Op::Subtract, &[second, first], Attributes::None);
            g.op(Op::Square, &[step])
        }
    };
    let mut sum = g.sum(each);
    if loss == Loss::HalfSquares {
        let half = g.real(0.5);
        sum = g.mul(half, sum);
    }
    g.finish(sum)
}

#[test]
fn products_around_a_group_take_rows_of_their_matrix_together() {
    let _alone = SWITCH.lock();
    let random = &mut Random(5);
    let products = [
        Product::Gradient {
            output: 0,
            wrt: vec![0],
        },
        Product::Value { outputs: vec![0] },
    ];
    // Two blocks, several with a remainder; rows that are too long, matrices that are too small.
    for ([m, n], is_fit) in [
        ([528, 240], true),
        ([700, 100], true),
        ([1400, 67], true),
        ([330, 900], false),
        ([100, 100], false),
    ] {
        for loss in [
            Loss::Squares,
            Loss::HalfSquares,
            Loss::Logistic,
            Loss::Huber,
            Loss::Neighbours,
        ] {
            let graph = model(loss, [m, n]);
            let inputs: Vec<Tensor> = [vec![n], vec![m, n], vec![m]]
                .into_iter()
                .map(|shape| random.tensor(&TensorType::f64(shape), (-1.0, 1.0)))
                .collect();
            for product in &products {
                let program = compiled(&graph, product, true);
                let scratch = &mut Scratch::default();
                let want = bits(&compiled(&graph, product, false), &inputs, &[], scratch);
                for run in 0..RUNS {
                    let got = bits(&program, &inputs, &[], scratch);
                    assert_eq!(got, want, "{loss:?} {m} {n}, run {run}");
                }
                let together = "264 elements at a time";
                let is_one = program.listing().contains(together);
                let gradient = matches!(product, Product::Gradient { .. });
                let wanted = gradient && is_fit && loss != Loss::Neighbours;
                assert_eq!(is_one, wanted, "{loss:?} {m} {n}: {}", program.listing());
                // Against sums of rows by hand.
                if gradient && loss == Loss::Squares {
                    let [x, a, b] = [0, 1, 2].map(|i| inputs[i].to_f64());
                    let rows = a.chunks(n as usize).zip(&b);
                    let mut slope = vec![0.0; n as usize];
                    for (row, b) in rows {
                        let fitted: f64 = row.iter().zip(&x).map(|(a, x)| a * x).sum();
                        let twice = 2.0 * (fitted - b);
                        slope.iter_mut().zip(row).for_each(|(s, a)| *s += twice * a);
                    }
                    for (got, want) in want.iter().map(|&b| f64::from_bits(b)).zip(&slope) {
                        let close = (got - want).abs() <= 1e-10 * want.abs().max(1.0);
                        assert!(close, "{got} against {want}");
                    }
                }
            }
        }
    }
}
