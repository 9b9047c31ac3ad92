//! ba: bundle adjustment, with its sparse Jacobian.

use super::{Failure, Found, Work, jacobian, read, unknown, value};
use gradient_client::{Array, Expr, GraphBuilder, Tensor, proto::Layout};
use serde_json::{Value, json};

/// Rotation, centre, focal length, principal point, two coefficients of radial distortion.
const CAMERA: usize = 11;

/// Errors of p observations of m points by n cameras; all cameras, points and weights begin alike.
pub fn work(function: &str, input: &Value) -> Result<Work, Failure> {
    let [n, m, p] = [
        read::size(input, "n")?,
        read::size(input, "m")?,
        read::size(input, "p")?,
    ];
    let repeated = |name: &str, times: usize| -> Result<Tensor, Failure> {
        let one = read::array(input, name)?.into_data();
        let array = Array::new([times, one.len()], one.repeat(times));
        Ok(Tensor::from(array.ok_or("too many")?))
    };
    let w = input["w"].as_f64().ok_or("no w")?;
    let (outputs, wrt) = (["reproj", "weight"], ["cams", "x", "w"]);
    let products = match function {
        "objective" => vec![value(&outputs)],
        "jacobian" => vec![jacobian(&outputs, &wrt, Layout::Sparse)],
        _ => return Err(unknown(function)),
    };
    let derivative = function == "jacobian";
    Ok(Work {
        shape: format!("ba {n} {m} {p}"),
        graph: Box::new(move || graph(n, m, p)),
        point: vec![
            ("cams", repeated("cam", n)?),
            ("x", repeated("x", m)?),
            ("w", read::vector(vec![w; p])),
        ],
        data: vec![("feats", repeated("feat", p)?)],
        products,
        output: Box::new(move |found| match derivative {
            true => entries(found, n, m, p),
            false => Ok(json!({
                "reproj_error": {"elements": found.0[0].values[..2], "repeated": p},
                "w_err": {"element": found.0[1].values[0], "repeated": p},
            })),
        }),
    })
}

fn graph(
    n: usize,
    m: usize,
    p: usize,
) -> Result<gradient_client::Graph, gradient_client::BuildError> {
    let g = GraphBuilder::new("ba");
    let (cams, points) = (g.input("cams", [n, CAMERA]), g.input("x", [m, 3]));
    let (w, feats) = (g.input("w", [p]), g.input("feats", [p, 2]));
    let places = |count: usize| g.constant((0..p).map(|i| (i % count) as i64).collect::<Vec<_>>());
    let (cams, points) = (cams.take(&places(n), 0), points.take(&places(m), 0));
    let column = |table: &Expr, j: usize| table.slice([0, j], [p, j + 1]).reshape([p]);
    let camera: [Expr; CAMERA] = std::array::from_fn(|j| column(&cams, j));
    let away: [Expr; 3] = std::array::from_fn(|j| column(&points, j) - &camera[3 + j]);
    let turned = rotate([&camera[0], &camera[1], &camera[2]], &away);
    let (x, y) = (&turned[0] / &turned[2], &turned[1] / &turned[2]);
    let r2 = x.square() + y.square();
    let bend = 1.0 + &camera[9] * &r2 + &camera[10] * r2.square();
    let errors = [(x, 7, 0), (y, 8, 1)].map(|(v, centre, j)| {
        let projected = v * &bend * &camera[6] + &camera[centre];
        (&w * (projected - column(&feats, j))).reshape([p, 1])
    });
    let reproj = g.concatenate(errors, 1);
    g.finish([("reproj", reproj), ("weight", 1.0 - w.square())])
}

/// Rodrigues: the rotation about a vector by its length; for none, what remains of it to first order.
fn rotate(axis: [&Expr; 3], x: &[Expr; 3]) -> [Expr; 3] {
    let cross = |a: &[Expr; 3], i: usize| {
        let (j, k) = ((i + 1) % 3, (i + 2) % 3);
        &a[j] * &x[k] - &a[k] * &x[j]
    };
    let square = axis[0].square() + axis[1].square() + axis[2].square();
    let any = square.not_equal(0.0);
    let angle = any.select(&square, 1.0).sqrt();
    let (sine, cosine) = (angle.sin(), angle.cos());
    let unit = axis.map(|a| a / &angle);
    let along = (&unit[0] * &x[0] + &unit[1] * &x[1] + &unit[2] * &x[2]) * (1.0 - &cosine);
    let plain = axis.map(Clone::clone);
    std::array::from_fn(|i| {
        let turned = &x[i] * &cosine + cross(&unit, i) * &sine + &unit[i] * &along;
        any.select(turned, &x[i] + cross(&plain, i))
    })
}

/// As the eval prints the Jacobian, whose observations are all alike: of the compressed rows, columns and numbers, what
/// belongs to the first observation, then the last of all.
fn entries(found: &Found, n: usize, m: usize, p: usize) -> Result<Value, Failure> {
    let width = CAMERA + 3 + 1;
    let blocks = [
        ("cams", 0, CAMERA, 0),
        ("x", CAMERA * n, 3, CAMERA),
        ("w", CAMERA * n + 3 * m, 1, CAMERA + 3),
    ];
    let mut numbers = vec![0.0; 2 * width];
    for (wrt, _, size, at) in blocks {
        let block = found.block("reproj", wrt)?;
        for (&(row, column), &x) in block.places.iter().zip(&block.values) {
            // The first observation sees the first point with the first camera.
            if row < 2 && (column as usize) < size {
                numbers[row as usize * width + at + column as usize] = x;
            }
        }
    }
    let weight = found.block("weight", "w")?;
    numbers.push(*weight.values.last().ok_or("no observations")?);
    let once = blocks
        .iter()
        .flat_map(|&(_, first, size, _)| first..first + size);
    let once: Vec<usize> = once.collect();
    let mut columns = once.repeat(2);
    columns.push(CAMERA * n + 3 * m + p - 1);
    // Where rows begin: those of the observations, then one number each for the weights.
    let begin = |row: usize| width * row.min(2 * p) + row.saturating_sub(2 * p);
    let mut rows: Vec<usize> = (0..2 * width).map(begin).collect();
    rows.push(begin(3 * p));
    Ok(json!({"rows": rows, "cols": columns, "vals": numbers}))
}
