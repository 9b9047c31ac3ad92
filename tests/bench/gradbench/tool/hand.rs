//! ht: a hand's skeleton, fitted to points.

use super::{Failure, Work, jacobian, read, unknown, value};
use gradient_client::{BuildError, Expr, Graph, GraphBuilder, Tensor, proto::Layout};
use serde_json::{Value, json};

/// Global rotation, global translation, five fingers with four angles.
const THETA: usize = 26;

/// What the graph is made from, beside numbers.
#[derive(Debug)]
struct Model {
    parents: Vec<i64>,
    vertices: usize,
    /// For each point its vertex; or three for those of a triangle.
    corners: Vec<Vec<i64>>,
    mirrored: bool,
}

/// Distances of a posed hand from points, in `theta` and, where there are any, coordinates `us` on triangles.
pub fn work(function: &str, input: &Value) -> Result<Work, Failure> {
    let (data, model) = (&input["data"], &input["data"]["model"]);
    let us = read::array(input, "us")?;
    let on_triangles = !us.data().is_empty();
    let chosen = read::indices(&data["correspondences"])?;
    let corners = if on_triangles {
        let triangles = &read::indices(&model["triangles"])?;
        let corner = |j: usize| {
            chosen
                .iter()
                .map(move |&t| triangles.get(3 * t as usize + j).copied())
        };
        let all = (0..3).map(|j| corner(j).collect::<Option<Vec<i64>>>());
        all.collect::<Option<_>>().ok_or("no such triangle")?
    } else {
        vec![chosen]
    };
    let count = corners[0].len();
    let array = |from: &Value, name: &str| read::array(from, name).map(Tensor::from);
    let base = array(model, "base_positions")?;
    let hand = Model {
        parents: read::indices(&model["parents"])?,
        vertices: base.shape()[0],
        corners,
        mirrored: model["is_mirrored"].as_bool().unwrap_or(false),
    };
    let mut point = vec![("theta", array(input, "theta")?)];
    let mut products = match function {
        "objective" => vec![value(&["err"])],
        "jacobian" => vec![jacobian(&["err"], &["theta"], Layout::Dense)],
        _ => return Err(unknown(function)),
    };
    if on_triangles {
        let us = gradient_client::Array::new([count, 2], us.into_data());
        point.push((
            "us",
            Tensor::from(us.ok_or("two coordinates for each point")?),
        ));
        if function == "jacobian" {
            products.push(jacobian(&["err"], &["us"], Layout::Sparse));
        }
    }
    let derivative = function == "jacobian";
    Ok(Work {
        shape: format!("ht {hand:?}"),
        graph: Box::new(move || graph(&hand, on_triangles)),
        point,
        data: vec![
            ("relatives", array(model, "base_relatives")?),
            ("inverses", array(model, "inverse_base_absolutes")?),
            ("base", base),
            ("weights", array(model, "weights")?),
            ("points", array(data, "points")?),
        ],
        products,
        output: Box::new(move |found| {
            if !derivative {
                return Ok(json!(found.all()));
            }
            let by_theta = &found.block("err", "theta")?.values;
            let mut rows: Vec<Vec<f64>> = by_theta.chunks(THETA).map(<[f64]>::to_vec).collect();
            if on_triangles {
                // A point depends on its own coordinates only: they take two columns, before the others.
                rows.iter_mut()
                    .for_each(|row| drop(row.splice(0..0, [0.0; 2])));
                let by_us = found.block("err", "us")?;
                for (&(row, column), &x) in by_us.places.iter().zip(&by_us.values) {
                    rows[row as usize][column as usize % 2] = x;
                }
            }
            Ok(json!(rows))
        }),
    })
}

fn graph(hand: &Model, on_triangles: bool) -> Result<Graph, BuildError> {
    let g = GraphBuilder::new("ht");
    let (bones, vertices, count) = (hand.parents.len(), hand.vertices, hand.corners[0].len());
    let theta = g.input("theta", [THETA]);
    let us = on_triangles.then(|| g.input("us", [count, 2]));
    let [relatives, inverses] = ["relatives", "inverses"].map(|name| g.input(name, [bones, 4, 4]));
    let (base, weights) = (
        g.input("base", [vertices, 4]),
        g.input("weights", [vertices, bones]),
    );
    let points = g.input("points", [count, 3]);

    let angles = angles(&theta, bones);
    let mut absolutes: Vec<Expr> = Vec::new();
    for (bone, &parent) in hand.parents.iter().enumerate() {
        let relative = match &angles[bone] {
            Some(angles) => relatives.at([bone]).matmul(&turn(&g, angles)),
            None => relatives.at([bone]),
        };
        absolutes.push(match usize::try_from(parent) {
            Ok(parent) => absolutes[parent].matmul(&relative),
            Err(_) => relative,
        });
    }
    let transforms = g.stack(absolutes).matmul(&inverses);
    let each = transforms
        .slice([0, 0, 0], [bones, 3, 4])
        .reshape([bones * 3, 4]);
    let moved = each.matmul(&base.t()).reshape([bones, 3, vertices]);
    let shares = weights.t().broadcast_in_dim([bones, 3, vertices], [0, 2]);
    let mut positions = (moved * shares).sum_over([0]);
    if hand.mirrored {
        let signs = g.constant(vec![-1.0, 1.0, 1.0]);
        positions = positions * signs.broadcast_in_dim([3, vertices], [0]);
    }
    let place = theta.slice([3], [6]).broadcast_in_dim([3, vertices], [0]);
    let positions = rotation(&g, &theta).matmul(&positions) + place;
    let corner = |j: usize| positions.take(&g.constant(hand.corners[j].clone()), 1).t();
    let found = match us {
        None => corner(0),
        Some(us) => {
            let (u, v) = (us.slice([0, 0], [count, 1]), us.slice([0, 1], [count, 2]));
            let rest = 1.0 - &u - &v;
            let [u, v, rest] = [u, v, rest].map(|u| u.broadcast_in_dim([count, 3], [0, 1]));
            u * corner(0) + v * corner(1) + rest * corner(2)
        }
    };
    g.finish([("err", points - found)])
}

/// For each bone its two angles; the second is fixed at 0 but for the first bone of a finger.
fn angles(theta: &Expr, bones: usize) -> Vec<Option<(Expr, Option<Expr>)>> {
    let mut angles = vec![None; bones];
    let mut next = (6..THETA).map(|i| theta.at([i]));
    for finger in 0..5 {
        for joint in 0..3 {
            let first = next.next();
            let second = if joint == 0 { next.next() } else { None };
            // Wrist and one more bone come first, and the tip of each finger has no angles.
            if let Some(bone) = angles.get_mut(2 + 4 * finger + joint) {
                *bone = first.map(|first| (first, second));
            }
        }
    }
    angles
}

/// Rotation about z by the second angle after that about x by the first, as a transformation of space.
fn turn(g: &GraphBuilder, (x, z): &(Expr, Option<Expr>)) -> Expr {
    let (zero, one) = (g.constant(0.0), g.constant(1.0));
    let (sx, cx) = (x.sin(), x.cos());
    let (sz, cz) = match z {
        Some(z) => (z.sin(), z.cos()),
        None => (zero.clone(), one.clone()),
    };
    let rows = [
        [cz.clone(), -(&sz * &cx), &sz * &sx, zero.clone()],
        [sz, &cz * &cx, -(&cz * &sx), zero.clone()],
        [zero.clone(), sx, cx, zero.clone()],
        [zero.clone(), zero.clone(), zero, one],
    ];
    g.stack(rows.iter().flatten()).reshape([4, 4])
}

/// Rotation about the vector of the first three numbers by its length.
fn rotation(g: &GraphBuilder, theta: &Expr) -> Expr {
    let v: [Expr; 3] = std::array::from_fn(|i| theta.at([i]));
    let square = v[0].square() + v[1].square() + v[2].square();
    let any = square.ge(1e-8);
    let angle = any.select(&square, 1.0).sqrt();
    let [x, y, z] = v.map(|v| v / &angle);
    let (s, c) = (angle.sin(), angle.cos());
    let rest = 1.0 - &c;
    let rows = [
        &x * &x + (1.0 - &x * &x) * &c,
        &x * &y * &rest - &z * &s,
        &x * &z * &rest + &y * &s,
        &x * &y * &rest + &z * &s,
        &y * &y + (1.0 - &y * &y) * &c,
        &y * &z * &rest - &x * &s,
        &x * &z * &rest - &y * &s,
        &z * &y * &rest + &x * &s,
        &z * &z + (1.0 - &z * &z) * &c,
    ];
    let still = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let chosen = rows
        .iter()
        .zip(still)
        .map(|(turned, still)| any.select(turned, still));
    g.stack(chosen).reshape([3, 3])
}
