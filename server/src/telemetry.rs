//! What the server says about itself: one span and one line a call, and how good its predictions are.

use crate::error::{Error, Result};
use crate::wire::status;
use gradient_engine::{Mode, Plan, Product, Request};
use std::{
    future::Future,
    io::IsTerminal,
    pin::Pin,
    time::{Duration, Instant},
};
use tracing::{Instrument, Span, field::Empty, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, fmt};

/// Writes log lines to stderr. `filter` is a level (`info`) or directives (`gradient_server=debug,h2=warn`).
///
/// # Errors
/// Filters that make no sense.
pub fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // They would go to stderr, by a macro that panics where nobody reads stderr any more.
        .log_internal_errors(false)
        .init();
    Ok(())
}

/// Runs a call inside its span, of the level of the line. Handlers fill in the fields with [`note`].
///
/// The call stays where it is: moved into this function it would be copied, and there are kilobytes of it.
pub async fn observe<T>(
    rpc: &'static str,
    call: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T> {
    let span = tracing::debug_span!(
        "call",
        rpc,
        graph_id = Empty,
        products = Empty,
        n = Empty,
        m = Empty,
        mode = Empty,
        cache = Empty,
        microseconds = Empty,
        predicted_microseconds = Empty,
        actual_over_predicted = Empty,
    );
    let start = Instant::now();
    let answer = call.instrument(span.clone()).await;
    span.record("microseconds", start.elapsed().as_micros() as u64);
    span.in_scope(|| match &answer {
        Ok(_) => tracing::debug!("answered"),
        Err(error @ Error::Defect(_)) => tracing::error!(rpc, %error, "failed"),
        Err(error) => {
            let code = status::code(error);
            tracing::debug!(?code, error = status::message(error), "refused");
        }
    });
    answer
}

/// Fills in a field of the call's span.
pub fn note(field: &'static str, value: impl tracing::Value) {
    // To ask for the span takes longer than to see that nobody listens.
    if LevelFilter::current() >= LevelFilter::DEBUG {
        Span::current().record(field, value);
    }
}

/// Histogram of the time on the thread by the time predicted, with labels `product` and `mode`: 1 is as predicted, 2
/// took twice as long.
pub const ACTUAL_OVER_PREDICTED: &str = "gradient_actual_over_predicted";

/// Histogram of the single points that ran together, by evaluation, of programs that may share one: 1 is alone.
pub const BATCH_LANES: &str = "gradient_batch_lanes";

/// What an evaluation is predicted to take, to be compared with what it took.
pub struct Prediction {
    product: &'static str,
    mode: &'static str,
    predicted: Duration,
}

impl Prediction {
    /// Of a request.
    pub fn new(request: &Request, plans: &[Plan], predicted: Duration) -> Self {
        let product = match &request.products[..] {
            [Product::Value { .. }] => "value",
            [Product::Gradient { .. }] => "gradient",
            [Product::Jacobian { .. }] => "jacobian",
            [Product::Jvp { .. }] => "jvp",
            [Product::Vjp { .. }] => "vjp",
            [Product::Hessian { .. }] => "hessian",
            [Product::Hvp { .. }] => "hvp",
            _ => "several",
        };
        let mode = match plans.iter().find_map(|plan| plan.mode) {
            Some(Mode::Forward) => "forward",
            Some(Mode::Reverse) => "reverse",
            Some(Mode::Mixed) => "mixed",
            None => "none",
        };
        Self {
            product,
            mode,
            predicted,
        }
    }

    /// Records the ratio in the histogram and in the call's span. Predictions of nothing are left out.
    pub fn compare(&self, actual: Duration) {
        if self.predicted.is_zero() {
            return;
        }
        let ratio = actual.as_secs_f64() / self.predicted.as_secs_f64();
        metrics::histogram!(ACTUAL_OVER_PREDICTED, "product" => self.product, "mode" => self.mode)
            .record(ratio);
        note("predicted_microseconds", self.predicted.as_micros() as u64);
        note("actual_over_predicted", ratio);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradient_engine::Options;
    use metrics::{
        Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit,
    };
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, f64)>>>);

    struct One {
        key: String,
        kept: Kept,
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.kept.0.lock().unwrap().push((self.key.clone(), value));
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            let labels = key.labels().map(|l| format!("{}={}", l.key(), l.value()));
            let labels: Vec<String> = labels.collect();
            let key = format!("{} {}", key.name(), labels.join(" "));
            Histogram::from_arc(Arc::new(One {
                key,
                kept: self.clone(),
            }))
        }
    }

    #[test]
    fn predictions_are_compared_with_what_happened() {
        let kept = Kept::default();
        let gradient = Product::Gradient {
            output: 0,
            wrt: vec![0],
        };
        let of = |products: Vec<Product>, predicted: u64| {
            let request = Request {
                products,
                options: Options::default(),
                batched: None,
            };
            Prediction::new(&request, &[], Duration::from_micros(predicted))
        };
        metrics::with_local_recorder(&kept, || {
            of(vec![gradient.clone()], 100).compare(Duration::from_micros(250));
            of(vec![gradient.clone(), gradient], 100).compare(Duration::from_micros(50));
            of(vec![Product::Value { outputs: vec![0] }], 0).compare(Duration::from_micros(50));
        });
        let kept = kept.0.lock().unwrap().clone();
        let name = |product: &str| format!("{ACTUAL_OVER_PREDICTED} product={product} mode=none");
        assert_eq!(kept, [(name("gradient"), 2.5), (name("several"), 0.5)]);
    }
}
