//! Works as graphs of scalars.

use super::Make;
use gradient_client::Expr;
use gradient_tests::scalars::{chain, log_sum_exp, lorenz, mixture, recurrence, rosenbrock};

/// The function of this name, if there is one.
pub fn write(work: &str, make: &Make) -> Option<Expr> {
    let x = || make.elements("x");
    Some(match work {
        "rosenbrock" => rosenbrock(&x()),
        "logsumexp" => log_sum_exp(&x()),
        "mixture" => {
            let [k, d] = ["k", "d"].map(|size| make.size(size));
            mixture(&x(), make.numbers("data"), k, d)
        }
        "lorenz" => lorenz(&x(), make.size("steps")),
        "chain" => chain(&x()),
        "recurrence" => recurrence(&x(), make.size("steps")),
        _ => return None,
    })
}
