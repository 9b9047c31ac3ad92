//! Texts to numbers, through the service: values and gradients against ones computed by hand.

use std::{collections::HashMap, f64::consts::PI};

use gradient_client::{ALL, Answer, Client, Error, text};
use tokio::net::TcpListener;

/// Text of a scalar function, its inputs, its value, its gradient in the inputs' order of appearance.
type Case = (
    &'static str,
    &'static [(&'static str, f64)],
    f64,
    &'static [f64],
);

const LN_2: f64 = std::f64::consts::LN_2;
const E: f64 = std::f64::consts::E;

const CASES: &[Case] = &[
    ("x*y + x", &[("x", 3.0), ("y", 5.0)], 18.0, &[6.0, 3.0]),
    ("x - y - 1", &[("x", 3.0), ("y", 5.0)], -3.0, &[1.0, -1.0]),
    ("x / y / 2", &[("x", 8.0), ("y", 2.0)], 2.0, &[0.25, -1.0]),
    ("-x^2", &[("x", 3.0)], -9.0, &[-6.0]),
    ("2^x^2", &[("x", 2.0)], 16.0, &[64.0 * LN_2]),
    ("x^3", &[("x", -2.0)], -8.0, &[12.0]),
    ("x^3", &[("x", 0.0)], 0.0, &[0.0]),
    ("x^4", &[("x", -2.0)], 16.0, &[-32.0]),
    ("x^5", &[("x", -2.0)], -32.0, &[80.0]),
    ("x^5", &[("x", 0.0)], 0.0, &[0.0]),
    ("x^0", &[("x", 0.0)], 1.0, &[0.0]),
    ("x^-1", &[("x", -2.0)], -0.5, &[-0.25]),
    ("x^-2", &[("x", -2.0)], 0.25, &[0.25]),
    ("x^0.5", &[("x", 4.0)], 2.0, &[0.25]),
    ("x^1.5", &[("x", 4.0)], 8.0, &[3.0]),
    ("x^y", &[("x", 2.0), ("y", 3.0)], 8.0, &[12.0, 8.0 * LN_2]),
    ("e^x", &[("x", 1.0)], E, &[E]),
    (
        "exp(x*y) + sin(x)",
        &[("x", 0.0), ("y", 2.0)],
        1.0,
        &[3.0, 0.0],
    ),
    ("log[x]", &[("x", 2.0)], LN_2, &[0.5]),
    (
        "log2(x) + log10(y)",
        &[("x", 8.0), ("y", 100.0)],
        5.0,
        &[0.125 / LN_2, 0.01 / std::f64::consts::LN_10],
    ),
    ("cos(pi*x)", &[("x", 0.5)], 0.0, &[-PI]),
    ("arctan[x]/pi", &[("x", 1.0)], 0.25, &[0.5 / PI]),
    (
        "atan2(y, x)",
        &[("y", 1.0), ("x", -1.0)],
        0.75 * PI,
        &[-0.5, -0.5],
    ),
    ("sigmoid(x)", &[("x", 0.0)], 0.5, &[0.25]),
    ("hypot(x, y)", &[("x", 3.0), ("y", 4.0)], 5.0, &[0.6, 0.8]),
    ("abs(x)*sign(x)", &[("x", -3.0)], -3.0, &[1.0]),
    ("cbrt(x)", &[("x", -8.0)], -2.0, &[1.0 / 12.0]),
    ("max(x, y, 2)", &[("x", 3.0), ("y", 1.0)], 3.0, &[1.0, 0.0]),
    ("min(x, y)", &[("x", 1.0), ("y", 1.0)], 1.0, &[0.5, 0.5]),
    ("where(x > 0, log(x), x)", &[("x", -2.0)], -2.0, &[1.0]),
    (
        "where(x > 1 and not x >= 3 or x == 7, x^2, 0)",
        &[("x", 2.0)],
        4.0,
        &[4.0],
    ),
    ("floor(x) + ceil(x) + x", &[("x", 1.5)], 4.5, &[1.0]),
    (
        "t = x*y; sin(t)/t",
        &[("x", 0.5), ("y", PI)],
        2.0 / PI,
        &[-4.0 / PI, -4.0 / (PI * PI) * 0.5],
    ),
    (
        "dot([x, y], [3, 4])",
        &[("x", 1.0), ("y", 2.0)],
        11.0,
        &[3.0, 4.0],
    ),
    ("norm2([x, y])", &[("x", 3.0), ("y", 4.0)], 5.0, &[0.6, 0.8]),
    ("norm2([x, y])", &[("x", 0.0), ("y", 0.0)], 0.0, &[0.0, 0.0]),
    (
        "sum([[1, 2], [3, 4]] @ [x, y])",
        &[("x", 1.0), ("y", 1.0)],
        10.0,
        &[4.0, 6.0],
    ),
    (
        "sum(x*[1, 2, 3] + [[1], [2]])",
        &[("x", 1.0)],
        21.0,
        &[12.0],
    ),
    (
        "mean([x, y, 4])",
        &[("x", 1.0), ("y", 1.0)],
        2.0,
        &[1.0 / 3.0, 1.0 / 3.0],
    ),
    (
        "max([x, y, y])",
        &[("x", 1.0), ("y", 2.0)],
        2.0,
        &[0.0, 1.0],
    ),
    (
        "v = [x, y, x*y]; v[-1] + v[0]*v[1:][0]",
        &[("x", 2.0), ("y", 3.0)],
        12.0,
        &[6.0, 4.0],
    ),
    (
        "A = transpose([[x, 2], [3, y]]); sum(A[0]*[1, 10])",
        &[("x", 1.0), ("y", 4.0)],
        31.0,
        &[1.0, 0.0],
    ),
    (
        "sum(reshape([[1, 2], [3, x]], [4])^2, axis=0)",
        &[("x", 4.0)],
        30.0,
        &[8.0],
    ),
    (
        "fn f(x, y) = x*y^2; f(x, 3) + f(2, y)",
        &[("x", 1.0), ("y", 2.0)],
        17.0,
        &[9.0, 8.0],
    ),
    (
        "fn two(x) { t = sin(x); return t, x*t }\na, b = two(x*pi)\nreturn b",
        &[("x", 0.5)],
        0.5 * PI,
        &[PI],
    ),
    (
        "if x > y then x*y else x/y",
        &[("x", 2.0), ("y", 4.0)],
        0.5,
        &[0.25, -0.125],
    ),
    (
        "k = 3; if x > 0 then x^k else x/k",
        &[("x", 2.0)],
        8.0,
        &[12.0],
    ),
    (
        "fn f(x) = if x > 0 then if x > 1 then x^2 else x else 0\nf(x)",
        &[("x", 3.0)],
        9.0,
        &[6.0],
    ),
    (
        "fn times(x, n) = if n > 0 then x*times(x, n - 1) else 1\ntimes(x, 5)",
        &[("x", 2.0)],
        32.0,
        &[80.0],
    ),
    (
        "fn far(x, d, a) = d > 1e-15\nfn step(x, d, a) { y = (x + a/x)/2; return y, abs(y - x) }\n\
         root_of_a, d = while(far, step, a, 1, a); return root_of_a",
        &[("a", 2.0)],
        std::f64::consts::SQRT_2,
        &[0.5 * std::f64::consts::FRAC_1_SQRT_2],
    ),
    (
        "fn horner(s, c, x) = s*x + c; scan(horner, 0, [3, 2, 1], x)",
        &[("x", 2.0)],
        17.0,
        &[14.0],
    ),
    (
        "fn grow(x, a) = x*a; scan(grow, 1, a, length=3)",
        &[("a", 2.0)],
        8.0,
        &[12.0],
    ),
    (
        "fn f(c, x) = exp(c*x); sum(map(f, [0, 1, 2], x))",
        &[("x", 0.0)],
        3.0,
        &[3.0],
    ),
    (
        "fn loss(w, x) = (w*x - 1)^2; w - 0.1*grad(loss, w, x)",
        &[("w", 1.0), ("x", 2.0)],
        0.6,
        &[0.2, -0.6],
    ),
    (
        "fn f(x, a) = a*x^3; hessian(f, x, a)",
        &[("x", 2.0), ("a", 3.0)],
        36.0,
        &[18.0, 12.0],
    ),
    // x · 2x · x · 2x = 4x⁴.
    (
        "fn even(x, n) = if n > 0 then x*odd(x, n - 1) else 1\n\
         fn odd(x, n) = if n > 0 then 2*x*even(x, n - 1) else 1\neven(x, 4)",
        &[("x", 3.0)],
        324.0,
        &[432.0],
    ),
    // Halves until it is 1 at most: x/8.
    (
        "fn far(x) = x > 1; fn step(x) = x/2; while(far, step, x, limit=3)",
        &[("x", 7.0)],
        0.875,
        &[0.125],
    ),
    // Partial products of x and their sum: x + x² + x³.
    (
        "fn step(t, c, x) { u = t*x*c; return u, u }\nlast, powers = scan(step, 1, [1, 1, 1], x); return sum(powers)",
        &[("x", 2.0)],
        14.0,
        &[17.0],
    ),
    // q − kq³/10.
    (
        "fn energy(q, k) = k*q^4/4\nfn force(q, k) = -grad(energy, q, k)\n\
         fn step(q, k) = q + force(q, k)/10\nstep(q, k)",
        &[("q", 1.0), ("k", 2.0)],
        0.8,
        &[0.4, -0.1],
    ),
    // A derivative of a recursion: 3x².
    (
        "fn times(x, n) = if n > 0 then x*times(x, n - 1) else 1\nfn slope(x) = grad(times, x, 3)\nslope(x)",
        &[("x", 2.0)],
        12.0,
        &[12.0],
    ),
    // Of a derivative of a derivative of ax⁴: 24ax.
    (
        "fn f(x, a) = a*x^4\nfn d(x, a) = grad(f, x, a)\nfn dd(x, a) = grad(d, x, a)\ngrad(dd, x, a)",
        &[("x", 2.0), ("a", 3.0)],
        144.0,
        &[72.0, 48.0],
    ),
    // Perturbations of the inner and the outer derivative do not mix: x·1.
    (
        "fn inner(y, x) = x + y; x*grad(inner, 1, x)",
        &[("x", 5.0)],
        5.0,
        &[1.0],
    ),
    (
        "fn f(v: f64[2], a) = [v[0]*v[1], a*v[0]]; sum(jacobian(f, [x, y], a))",
        &[("x", 2.0), ("y", 3.0), ("a", 4.0)],
        9.0,
        &[1.0, 1.0, 1.0],
    ),
    (
        "fn g(y, a) = (y + a/y)/2; fixed_point(g, 1, a)",
        &[("a", 4.0)],
        2.0,
        &[0.25],
    ),
    (
        "fn g(y, a) = y^2 - a; root(g, 1, a)",
        &[("a", 4.0)],
        2.0,
        &[0.25],
    ),
    (
        "fn A(v, x) = v*x; linear_solve(A, 4, x)",
        &[("x", 2.0)],
        2.0,
        &[-1.0],
    ),
];

async fn start() -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(gradient_server::run(
        listener,
        gradient_server::Config::default(),
        std::future::pending(),
    ));
    Client::connect(&format!("http://{address}")).await.unwrap()
}

/// Value and gradient of the first output.
async fn answer(client: &Client, source: &str, inputs: &[(&str, f64)]) -> Result<Answer, Error> {
    let program = text::parse(source).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        program.inputs().eq(inputs.iter().map(|&(name, _)| name)),
        "{source}"
    );
    let graph = program
        .graph(source, &HashMap::new())
        .unwrap_or_else(|error| panic!("{error}"));
    let output = program.outputs().next().unwrap();
    let session = client.session(&graph);
    let request = session.at(inputs.iter().copied());
    request.value().gradient(output, ALL).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_have_the_values_and_gradients_of_hand_computation() {
    let client = start().await;
    for &(source, inputs, value, gradient) in CASES {
        let answer = answer(&client, source, inputs).await;
        let answer = answer.unwrap_or_else(|error| panic!("{source}: {error}"));
        let program = text::parse(source).unwrap();
        let output = program.outputs().next().unwrap();

        let close = |got: f64, want: f64, what: &str| {
            let fits =
                got.is_finite() && (got - want).abs() <= 4.0 * f64::EPSILON * want.abs().max(1.0);
            assert!(fits, "{source} at {inputs:?}: {what} is {got}, not {want}");
        };
        close(
            answer.value(output).unwrap().item().unwrap(),
            value,
            "the value",
        );
        for (&(name, _), &want) in inputs.iter().zip(gradient) {
            close(answer.gradient(name).unwrap().item().unwrap(), want, name);
        }
    }
}

#[tokio::test]
async fn loops_and_recursion_without_end_are_refused_with_the_bound() {
    let client = start().await;
    let cases = [
        (
            "fn far(x) = x > 1; fn step(x) = x/2; while(far, step, x, limit=2)",
            ["max_iterations", "2", "raise the while's max_iterations"],
        ),
        (
            "fn up(x) = if x > 0 then up(x + 1) else 0\nup(x)",
            [
                "max_depth",
                "functions run one another deeper",
                "end the recursion earlier",
            ],
        ),
    ];
    for (source, parts) in cases {
        let error = answer(&client, source, &[("x", 7.0)]).await.err();
        let message = error.expect(source).to_string();
        for part in parts {
            assert!(
                message.contains(part),
                "{source}: {part} is not in {message}"
            );
        }
        let after = answer(&client, "x^2", &[("x", 7.0)]).await.unwrap();
        assert_eq!(after.value("f").unwrap().item(), Some(49.0));
    }
}
