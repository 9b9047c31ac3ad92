//! saddle and particle: gradient descent on functions that contain loops, and derivatives, themselves.

use super::{Failure, Work, read, unknown, value};
use gradient_client::{Dtype, Expr, Function, GraphBuilder, Tensor, Type};
use serde_json::{Value, json};

/// Gradients and steps up to this length end a descent.
const SMALL: f64 = 1e-5;

/// How derivatives are taken.
#[derive(Clone, Copy)]
enum Way {
    Forward,
    Reverse,
}

/// The outer and the inner one, by the name of a function.
fn ways(function: &str) -> Result<[Way; 2], Failure> {
    let way = |c| match c {
        'f' => Some(Way::Forward),
        'r' => Some(Way::Reverse),
        _ => None,
    };
    let both: Option<Vec<Way>> = function.chars().map(way).collect();
    both.and_then(|ways| ways.try_into().ok())
        .ok_or_else(|| unknown(function))
}

/// The gradient of a scalar function in its first parameter, of d elements.
fn slope(g: &GraphBuilder, f: &Function, way: Way, d: usize, arguments: &[Expr]) -> Expr {
    match way {
        Way::Reverse => g.gradient(f, 0, [0], arguments),
        Way::Forward => {
            let unit = |i: usize| (0..d).map(move |j| f64::from(u8::from(i == j)));
            let units: Vec<f64> = (0..d).flat_map(unit).collect();
            let units = g.constant(units).reshape([d, d]);
            g.jvp(f, arguments.to_vec(), [(0, units)])
        }
    }
}

/// Where gradient descent ends that begins at `start`: steps are 1e-5 times the gradient, twice as much after every ten
/// that lead down, half as much after one that does not. `f` takes the point and `others`.
fn lowest(g: &GraphBuilder, f: &Function, way: Way, start: &Expr, others: &[Expr]) -> Expr {
    let d = start.shape()[0];
    let kept = others.len();
    let with = |x: &Expr, others: &[Expr]| [std::slice::from_ref(x), others].concat();
    // x, f(x), its gradient, factor of the step, steps with this factor, whether to go on.
    let scalar = || Type::new(Dtype::F64, []);
    let state = [
        start.tensor_type(),
        scalar(),
        start.tensor_type(),
        scalar(),
        scalar(),
        Type::new(Dtype::Bool, []),
    ];
    let types: Vec<Type> = state
        .into_iter()
        .chain(others.iter().map(Expr::tensor_type))
        .collect();
    let named = |what: &str| format!("{what} of {}", f.name());

    let accept = g.function(named("accept"), types.clone(), |g, s: Vec<Expr>| {
        let gradient = slope(g, f, way, d, &with(&s[0], &s[6..]));
        vec![
            s[0].clone(),
            s[1].clone(),
            gradient,
            s[3].clone(),
            &s[4] + 1.0,
            s[5].clone(),
        ]
    });
    let reject = g.function(named("reject"), types.clone(), |g, s: Vec<Expr>| {
        let none = g.constant(0.0);
        vec![
            s[0].clone(),
            s[1].clone(),
            s[2].clone(),
            0.5 * &s[3],
            none,
            s[5].clone(),
        ]
    });
    let end = g.function(named("end"), types.clone(), |g, s: Vec<Expr>| {
        let mut s = s[..6].to_vec();
        s[5] = g.constant(false);
        s
    });
    let faster = g.function(named("faster"), types.clone(), |g, s: Vec<Expr>| {
        let mut s = s[..6].to_vec();
        (s[3], s[4]) = (2.0 * &s[3], g.constant(0.0));
        s
    });
    let attempt = g.function(named("attempt"), types.clone(), |g, s: Vec<Expr>| {
        let x = &s[0] - &s[3] * &s[2];
        let fx: Expr = g.call(f, with(&x, &s[6..]));
        let better = fx.lt(&s[1]);
        // The branch that stays takes the old point, the other one the new.
        let pick = |new: &Expr, old: &Expr| better.select(new, old);
        let mut next = s.clone();
        (next[0], next[1]) = (pick(&x, &s[0]), pick(&fx, &s[1]));
        g.if_else::<Vec<Expr>, _>(&better, &accept, &reject, next)
    });
    let body = g.function(named("descend"), types.clone(), |g, s: Vec<Expr>| {
        let flat = s[2].square().sum().sqrt().le(SMALL);
        let full = s[4].equal(10.0);
        let step = &s[0] - &s[3] * &s[2] - &s[0];
        let still = step.square().sum().sqrt().le(SMALL);
        let [first, second, third] = [0i64, 1, 2].map(|i| g.constant(i));
        let later = full.select(&second, still.select(&first, &third));
        let case = flat.select(&first, later);
        g.cond::<Vec<Expr>, _>(&case, [&end, &faster, &attempt], s)
    });
    let go_on = g.function(named("go on"), types, |_, s: Vec<Expr>| s[5].clone());

    let arguments = with(start, others);
    let at_start: Expr = g.call(f, arguments.clone());
    let gradient = slope(g, f, way, d, &arguments);
    let state = [
        start.clone(),
        at_start,
        gradient,
        g.constant(1e-5),
        g.constant(0.0),
        g.constant(true),
    ];
    let operands: Vec<Expr> = state.into_iter().chain(others.iter().cloned()).collect();
    debug_assert_eq!(operands.len(), 6 + kept);
    let last: Vec<Expr> = g.while_loop(&go_on, &body, operands);
    last[0].clone()
}

/// Where min over x of max over y of |x|² - |y|² is taken, by two descents, one within the other.
pub fn saddle(function: &str, input: &Value) -> Result<Work, Failure> {
    let [outer, inner] = ways(function)?;
    let start = read::array(input, "start")?;
    let d = start.data().len();
    let name = function.to_owned();
    Ok(Work {
        shape: format!("saddle {function} {d}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new(format!("saddle {name}"));
            let start = g.input("start", [d]);
            let pair = || [(); 2].map(|()| Type::new(Dtype::F64, [d]));
            let squares = |x: &Expr| x.square().sum();
            let negated = g.function("negated", pair(), |_, [y, x]| squares(&y) - squares(&x));
            let highest = g.function("highest", pair(), |g, [x, start]| {
                let y = lowest(g, &negated, inner, &start, std::slice::from_ref(&x));
                squares(&x) - squares(&y)
            });
            let x = lowest(&g, &highest, outer, &start, std::slice::from_ref(&start));
            // The same function once more, whose descents have names of their own.
            let last = g.function("last", pair(), |_, [y, x]| squares(&y) - squares(&x));
            let y = lowest(&g, &last, outer, &start, std::slice::from_ref(&x));
            let f = g.concatenate([x, y], 0);
            g.finish([("f", f)])
        }),
        point: vec![("start", Tensor::from(start))],
        data: vec![],
        products: vec![value(&["f"])],
        output: Box::new(|found| Ok(json!(found.all()))),
    })
}

/// Time step of the particle.
const STEP: f64 = 0.1;

/// The w for which a particle, moved by two charges, one of which stands at (10, 10 - w), meets the x axis nearest to
/// the origin.
pub fn particle(function: &str, input: &Value) -> Result<Work, Failure> {
    let [outer, inner] = ways(function)?;
    let w = input["w"].as_f64().ok_or("no w")?;
    let name = function.to_owned();
    Ok(Work {
        shape: format!("particle {function}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new(format!("particle {name}"));
            let w = g.input("w", [1]);
            let vector = |n: usize| Type::new(Dtype::F64, [n]);
            let potential = g.function("potential", [vector(2), vector(1)], |g, [x, w]| {
                let corner = g.constant(vec![10.0, 10.0]);
                let shift = g.concatenate([&g.constant(vec![0.0]), &w], 0);
                let charges = [corner - shift, g.constant(vec![10.0, 0.0])];
                let [a, b] = charges.map(|charge| 1.0 / (&x - charge).square().sum().sqrt());
                a + b
            });
            let types = [vector(2), vector(2), Type::new(Dtype::Bool, []), vector(1)];
            let fly = g.function("fly", types.clone(), |g, [x, v, _, w]| {
                let force = -slope(g, &potential, inner, 2, &[x.clone(), w]);
                let next = &x + STEP * &v;
                let above = next.at([1]).gt(0.0);
                [
                    above.select(next, x),
                    above.select(&v + STEP * force, &v),
                    above,
                ]
            });
            let flies = g.function("flies", types, |_, [_, _, above, _]| above);
            let miss = g.function("miss", [vector(1)], |g, [w]| {
                let start = [g.constant(vec![0.0, 8.0]), g.constant(vec![0.75, 0.0])];
                let [x, v] = start;
                let [x, v, _]: [Expr; 3] = g.while_loop(&flies, &fly, [x, v, g.constant(true), w]);
                let rest = -x.at([1]) / v.at([1]);
                (x.at([0]) + rest * v.at([0])).square()
            });
            let f = lowest(&g, &miss, outer, &w, &[]);
            g.finish([("f", f)])
        }),
        point: vec![("w", read::vector(vec![w]))],
        data: vec![],
        products: vec![value(&["f"])],
        output: Box::new(|found| found.number()),
    })
}
