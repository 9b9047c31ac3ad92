//! Least squares with residuals and Jacobians from the service.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use gradient_client::{ALL, Answer, Error, Session, nist::Problem, proto::Cache};
use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, storage::Owned};
use tokio::runtime::Handle;

/// Stops Levenberg-Marquardt where sums of squares, steps and angles no longer change in double precision.
const TOLERANCE: f64 = 1e-15;
/// Evaluations per parameter before it gives up. Some problems creep for hundreds of them from start 1.
const PATIENCE: usize = 1000;
/// Gauss-Newton steps at most; where the residuals are large the error falls by a third a step.
const POLISHING_STEPS: usize = 100;

/// Where the fit arrived.
pub struct Fit {
    /// In the problem's order.
    pub parameters: Vec<f64>,
    pub residual_sum_of_squares: f64,
    pub tally: Tally,
}

/// What the service did for a fit.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// From call to answer, of every call; each gives the residuals and their Jacobian.
    pub round_trips: Vec<Duration>,
    /// Calls that found the compiled tape there.
    pub cache_hits: u32,
    /// Computing on the server, for each call.
    pub executions: Vec<Duration>,
    /// How the Jacobian was computed: "MODE_FORWARD" or "MODE_REVERSE", and why.
    pub mode: &'static str,
    pub reason: String,
}

/// Fits the problem from a start. Blocks: not for the runtime's own threads.
///
/// Levenberg-Marquardt compares sums of squares, which are flat at the minimum: it cannot see errors in the
/// parameters below about the root of the machine precision. [`polish`] takes over there.
///
/// # Errors
/// The first call that failed.
pub fn fit(
    problem: &Problem,
    start: Vec<f64>,
    session: Session,
    runtime: Handle,
    on_evaluation: &dyn Fn(&Tally),
) -> Result<Fit, Error> {
    let service = Service {
        session,
        runtime,
        names: problem
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect(),
        tally: RefCell::default(),
        on_evaluation,
    };
    let residuals = Residuals {
        service: &service,
        parameters: DVector::from_vec(start),
        latest: RefCell::default(),
        error: Cell::default(),
    };
    let (mut residuals, _) = LevenbergMarquardt::new()
        .with_ftol(TOLERANCE)
        .with_xtol(TOLERANCE)
        .with_gtol(TOLERANCE)
        .with_patience(PATIENCE)
        .minimize(residuals);
    if let Some(error) = residuals.error.take() {
        return Err(error);
    }
    // However it ended, the point it reached is judged by what follows.
    let residual_sum_of_squares = polish(&mut residuals)?;
    let parameters = residuals.parameters.as_slice().to_vec();
    Ok(Fit {
        parameters,
        residual_sum_of_squares,
        tally: service.tally.take(),
    })
}

/// Gauss-Newton steps for as long as each brings the residuals nearer to being orthogonal to the Jacobian's columns.
///
/// With J = QR the step is R⁻¹Qᵀr, and ‖Qᵀr‖/‖r‖ measures what is left to do in units of the data, whatever the scale
/// of the parameters: Bates and Watts, "A relative offset orthogonality convergence criterion for nonlinear least
/// squares", Technometrics 23 (1981). Near the minimum it falls by a constant factor a step until rounding stops it.
///
/// Gives the sum of squares at the point it reached.
fn polish(problem: &mut Residuals) -> Result<f64, Error> {
    let mut least_offset = f64::INFINITY;
    let mut best = (
        problem.parameters.clone(),
        problem.evaluation()?.residuals.norm_squared(),
    );
    for _ in 0..POLISHING_STEPS {
        let Evaluation {
            residuals,
            mut jacobian,
        } = problem.evaluation()?;
        let n = jacobian.ncols();
        let scales: Vec<f64> = jacobian.column_iter().map(|column| column.norm()).collect();
        for (mut column, scale) in jacobian.column_iter_mut().zip(&scales) {
            column /= *scale;
        }
        let qr = jacobian.qr();
        let mut projected = residuals.clone();
        qr.q_tr_mul(&mut projected);
        let projected = projected.rows(0, n).into_owned();
        let offset = projected.norm() / residuals.norm();
        // Also where it is NaN: the step led out of the domain.
        if offset.is_nan() || offset >= least_offset {
            break;
        }
        least_offset = offset;
        best = (problem.parameters.clone(), residuals.norm_squared());
        let Some(mut step) = qr.unpack_r().solve_upper_triangular(&projected) else {
            break;
        };
        for (component, scale) in step.iter_mut().zip(&scales) {
            *component /= scale;
        }
        problem.set_params(&(&best.0 - step));
    }
    problem.set_params(&best.0);
    Ok(best.1)
}

/// The session, and the calls made.
struct Service<'a> {
    session: Session,
    runtime: Handle,
    /// The graph's inputs, in the problem's order.
    names: Vec<&'a str>,
    tally: RefCell<Tally>,
    on_evaluation: &'a dyn Fn(&Tally),
}

/// Residuals (m) and their Jacobian (m × n) at one point.
#[derive(Clone)]
struct Evaluation {
    residuals: DVector<f64>,
    jacobian: DMatrix<f64>,
}

impl Service<'_> {
    /// One call for both.
    fn evaluate(&self, parameters: &DVector<f64>) -> Result<Evaluation, Error> {
        let inputs = self.names.iter().copied().zip(parameters.iter().copied());
        let request = self.session.at(inputs).value().jacobian(["residuals"], ALL);
        let began = Instant::now();
        let answer = self.runtime.block_on(request.send())?;
        self.count(&answer, began.elapsed());

        let residuals = answer.value("residuals")?.data().to_vec();
        let mut columns = Vec::with_capacity(residuals.len() * self.names.len());
        for name in &self.names {
            columns.extend_from_slice(answer.jacobian("residuals", name)?.data());
        }
        let (m, n) = (residuals.len(), self.names.len());
        Ok(Evaluation {
            residuals: DVector::from_vec(residuals),
            jacobian: DMatrix::from_vec(m, n, columns),
        })
    }

    fn count(&self, answer: &Answer, round_trip: Duration) {
        let mut tally = self.tally.borrow_mut();
        tally.cache_hits += u32::from(answer.timing.cache == Cache::Hit);
        tally.round_trips.push(round_trip);
        tally.executions.push(answer.timing.execute);
        if let Some(jacobian) = answer.results.last() {
            tally.mode = jacobian.plan.mode.as_str_name();
            tally.reason.clone_from(&jacobian.plan.reason);
        }
        (self.on_evaluation)(&tally);
    }
}

/// The problem as Levenberg-Marquardt sees it.
struct Residuals<'a> {
    service: &'a Service<'a>,
    parameters: DVector<f64>,
    /// At these parameters, once asked for.
    latest: RefCell<Option<Evaluation>>,
    /// Why the fit stopped, if a call failed.
    error: Cell<Option<Error>>,
}

impl Residuals<'_> {
    fn evaluation(&self) -> Result<Evaluation, Error> {
        let mut latest = self.latest.borrow_mut();
        match &*latest {
            Some(evaluation) => Ok(evaluation.clone()),
            None => {
                let evaluation = self.service.evaluate(&self.parameters)?;
                Ok(latest.insert(evaluation).clone())
            }
        }
    }

    fn evaluation_or_stop(&self) -> Option<Evaluation> {
        self.evaluation()
            .map_err(|error| self.error.set(Some(error)))
            .ok()
    }
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Residuals<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, parameters: &DVector<f64>) {
        if self.parameters != *parameters {
            self.parameters.copy_from(parameters);
            self.latest.take();
        }
    }

    fn params(&self) -> DVector<f64> {
        self.parameters.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        Some(self.evaluation_or_stop()?.residuals)
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        Some(self.evaluation_or_stop()?.jacobian)
    }
}
