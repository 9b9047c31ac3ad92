//! ode and lstm: functions with a loop of known length.

use super::{Failure, Work, gradient, read, unknown, value};
use gradient_client::{Expr, GraphBuilder, Scan, Tensor};
use serde_json::{Value, json};

/// y₀' = x₀, yᵢ' = xᵢ yᵢ₋₁ from 0 to time 2 by Runge and Kutta's classical method in s steps.
pub fn ode(function: &str, input: &Value) -> Result<Work, Failure> {
    let (x, steps) = (read::array(input, "x")?, read::size(input, "s")?);
    let n = x.data().len();
    let products = match function {
        "primal" => vec![value(&["y"])],
        "gradient" => vec![gradient("last", &["x"])],
        _ => return Err(unknown(function)),
    };
    Ok(Work {
        shape: format!("ode {n} {steps}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("ode");
            let x = g.input("x", [n]);
            let h = 2.0 / steps as f64;
            let types = [x.tensor_type(), x.tensor_type()];
            let step = g.function("step", types, |g, [y, x]| {
                let slope = |y: &Expr| match n {
                    1 => x.clone(),
                    _ => g.concatenate([&g.constant(vec![1.0]), &y.slice([0], [n - 1])], 0) * &x,
                };
                let k1 = slope(&y);
                let k2 = slope(&(&y + 0.5 * h * &k1));
                let k3 = slope(&(&y + 0.5 * h * &k2));
                let k4 = slope(&(&y + h * &k3));
                y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            });
            let scan = Scan {
                length: steps,
                carries: vec![g.full([n], 0.0)],
                constants: vec![x],
                ..Scan::default()
            };
            let y: Expr = g.scan(&step, scan);
            let last = y.at([n - 1]);
            g.finish([("y", y), ("last", last)])
        }),
        point: vec![("x", Tensor::from(x))],
        data: vec![],
        products,
        output: Box::new(|found| Ok(json!(found.all()))),
    })
}

/// Loss of a recurrent network with diagonal weights, predicting each element of a sequence from those before.
pub fn lstm(function: &str, input: &Value) -> Result<Work, Failure> {
    let array = |name: &str| read::array(input, name);
    let (main, extra) = (array("main_params")?, array("extra_params")?);
    let (state, sequence) = (array("state")?, array("sequence")?);
    let (&[rows, _], &[length, b]) = (main.shape(), sequence.shape()) else {
        return Err("main_params and sequence are matrices".into());
    };
    let layers = rows / 2;
    let products = match function {
        "objective" => vec![value(&["f"])],
        "jacobian" => vec![gradient("f", &["main", "extra"])],
        _ => return Err(unknown(function)),
    };
    let derivative = function == "jacobian";
    Ok(Work {
        shape: format!("lstm {layers} {length} {b}"),
        graph: Box::new(move || {
            let g = GraphBuilder::new("lstm");
            let (main, extra) = (
                g.input("main", [2 * layers, 4 * b]),
                g.input("extra", [3, b]),
            );
            let (state, sequence) = (
                g.input("state", [2 * layers, b]),
                g.input("sequence", [length, b]),
            );
            let zero = g.constant(0.0);
            let element = sequence.at([0]);
            let parameters = [&state, &zero, &element, &element, &main, &extra];
            let types = parameters.map(|x: &Expr| x.tensor_type());
            let step = g.function(
                "step",
                types,
                |g, [state, total, now, next, main, extra]| {
                    let mut layer = now * extra.at([0]);
                    let mut rows = Vec::new();
                    for i in 0..layers {
                        let (hidden, cell) = (state.at([2 * i]), state.at([2 * i + 1]));
                        let gate = |j: usize, x: &Expr| {
                            let part = |row: usize| main.at([row]).slice([j * b], [(j + 1) * b]);
                            x * part(2 * i) + part(2 * i + 1)
                        };
                        let forget = gate(0, &layer).logistic();
                        let ingate = gate(1, &hidden).logistic();
                        let outgate = gate(2, &layer).logistic();
                        let change = gate(3, &hidden).tanh();
                        let cell = cell * forget + ingate * change;
                        layer = outgate * cell.tanh();
                        rows.extend([layer.clone(), cell]);
                    }
                    let guess = layer * extra.at([1]) + extra.at([2]);
                    let norm = (guess.exp().sum() + 2.0).ln();
                    let total = total + (next * (guess - norm)).sum();
                    [g.stack(rows), total]
                },
            );
            let scan = Scan {
                length: length - 1,
                carries: vec![state, zero],
                sequences: vec![
                    sequence.slice([0, 0], [length - 1, b]),
                    sequence.slice([1, 0], [length, b]),
                ],
                constants: vec![main, extra],
                reverse: false,
            };
            let [_, total]: [Expr; 2] = g.scan(&step, scan);
            g.finish([("f", -total / ((length - 1) * b) as f64)])
        }),
        point: vec![("main", Tensor::from(main)), ("extra", Tensor::from(extra))],
        data: vec![
            ("state", Tensor::from(state)),
            ("sequence", Tensor::from(sequence)),
        ],
        products,
        output: Box::new(move |found| match derivative {
            true => Ok(json!(found.all())),
            false => found.number(),
        }),
    })
}
