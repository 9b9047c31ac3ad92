//! A load as text and as JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    load::{Load, Measured},
    record::Times,
};
use crate::{arguments::duration, output::Output, render};

/// Names and quantiles of the columns, after the mean and before the largest.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// What was measured, of what.
#[derive(Debug)]
pub struct Report<'a> {
    pub measured: &'a Measured,
    pub load: &'a Load,
    pub connections: u32,
    /// `None` for the embedded one.
    pub server: Option<&'a str>,
    pub graph_id: String,
    /// Of one call.
    pub points: u32,
    pub request_bytes: usize,
    pub reply_bytes: usize,
}

impl Report<'_> {
    /// What was done, a table of times, then calls by their ends.
    pub fn text(&self, output: &Output) -> String {
        let record = &self.measured.record;
        let waits = self.load.rate.is_some();
        let rows = self
            .times()
            .into_iter()
            .filter(|(name, _)| waits || *name != "waiting");
        let rows = rows.map(|(name, times)| {
            let name = match name {
                "queue" | "compile" | "execute" => format!("server: {name}"),
                _ => name.to_owned(),
            };
            let [mean, p50, p90, p99, p999, max] = match statistics(times) {
                Some(all) => all.map(|(_, ns)| duration(Duration::from_nanos(ns as u64))),
                None => std::array::from_fn(|_| "-".to_owned()),
            };
            [name, mean, p50, p90, p99, p999, max]
        });
        let header = ["time", "mean", "p50", "p90", "p99", "p99.9", "max"];
        let mut text = format!("{}\n\n{}\n\n", self.headline(), output.table(header, rows));
        text += &format!(
            "{} answered in {}: {:.1} calls a second",
            record.answered(),
            duration(self.measured.time),
            self.per_second()
        );
        if self.points > 1 {
            let points = self.per_second() * f64::from(self.points);
            text += &format!(", {points:.0} points a second");
        }
        text += &format!(
            "; {} bytes sent and {} received each\n",
            self.request_bytes, self.reply_bytes
        );
        for (code, failures) in &record.errors {
            text += &format!("{} failed: {code}: {}\n", failures.count, failures.message);
        }
        if record.missed > 0 {
            text += &format!(
                "{} were due and not made before the end: the server or this machine falls behind, or --concurrency is too low\n",
                record.missed
            );
        }
        if self.measured.interrupted {
            text += &format!(
                "interrupted; {} under way were given up\n",
                self.measured.given_up
            );
        }
        let counts = [("CACHE_", &record.caches), ("TIER_", &record.tiers)];
        let counts = counts.into_iter().flat_map(|(prefix, counts)| {
            let word = move |name| render::word(name, prefix);
            counts.iter().map(move |(name, count)| (word(name), *count))
        });
        let counts = counts.filter(|(word, _)| !word.is_empty());
        let counts: Vec<String> = counts.map(|(word, n)| format!("{word} {n}")).collect();
        text += &format!("tape: {}; graph {}", counts.join(", "), self.graph_id);
        text
    }

    fn headline(&self) -> String {
        let plural = |n: u32, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let callers = plural(self.load.callers as u32, "caller");
        let how = match self.load.rate {
            Some(rate) => format!("{rate} calls a second due, {callers} at the most"),
            None => format!("closed loop, {callers}"),
        };
        let server = match self.server {
            Some(url) => format!("server {url}"),
            None => "embedded server, which shares the machine with its callers".into(),
        };
        format!(
            "{how} on {}; {server}",
            plural(self.connections, "connection")
        )
    }

    /// `{"loop", "callers", "connections", "rate", "warmup_s", "duration_s", "server", "graph_id", "points",
    /// "request_bytes", "reply_bytes", "measured_s", "interrupted", "answered", "failed", "missed", "given_up",
    /// "per_second", "errors": {CODE: {"count", "message"}}, "cache": {WORD: count}, "tier": {WORD: count},
    /// "latency_us", "waiting_us", "network_us", "server_us", "queue_us", "compile_us", "execute_us"}`, where each of
    /// the times is `{"mean", "p50", "p90", "p99", "p99.9", "max"}`, or null without any. The embedded server is null.
    pub fn as_json(&self) -> Value {
        let (measured, record) = (self.measured, &self.measured.record);
        let words = |counts: &std::collections::BTreeMap<&'static str, u64>, prefix| -> Value {
            let counts = counts.iter();
            let counts = counts.map(|(name, count)| (render::word(name, prefix), (*count).into()));
            Value::Object(counts.collect())
        };
        let errors = record.errors.iter().map(|(code, failures)| {
            let failures = json!({ "count": failures.count, "message": failures.message });
            ((*code).to_owned(), failures)
        });
        let mut report = json!({
            "loop": if self.load.rate.is_some() { "open" } else { "closed" },
            "callers": self.load.callers,
            "connections": self.connections,
            "rate": self.load.rate,
            "warmup_s": self.load.warmup.as_secs_f64(),
            "duration_s": self.load.duration.as_secs_f64(),
            "server": self.server,
            "graph_id": self.graph_id,
            "points": self.points,
            "request_bytes": self.request_bytes,
            "reply_bytes": self.reply_bytes,
            "measured_s": measured.time.as_secs_f64(),
            "interrupted": measured.interrupted,
            "answered": record.answered(),
            "failed": record.failed(),
            "missed": record.missed,
            "given_up": measured.given_up,
            "per_second": self.per_second(),
            "errors": errors.collect::<Map<_, _>>(),
            "cache": words(&record.caches, "CACHE_"),
            "tier": words(&record.tiers, "TIER_"),
        });
        for (name, times) in self.times() {
            report[format!("{name}_us")] = match statistics(times) {
                Some(all) => {
                    let all = all.map(|(name, ns)| (name.to_owned(), (ns / 1e3).into()));
                    Value::Object(all.into_iter().collect())
                }
                None => Value::Null,
            };
        }
        report
    }

    /// Answers in a second.
    fn per_second(&self) -> f64 {
        match self.measured.time.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.measured.record.answered() as f64 / seconds,
        }
    }

    fn times(&self) -> [(&'static str, &Times); 7] {
        let record = &self.measured.record;
        [
            ("latency", &record.latency),
            ("waiting", &record.waiting),
            ("network", &record.network),
            ("server", &record.server),
            ("queue", &record.queue),
            ("compile", &record.compile),
            ("execute", &record.execute),
        ]
    }
}

/// Mean, quantiles and the largest, in nanoseconds; `None` if there are no times.
fn statistics(times: &Times) -> Option<[(&'static str, f64); 6]> {
    if times.is_empty() {
        return None;
    }
    let [p50, p90, p99, p999] =
        QUANTILES.map(|(name, quantile)| (name, times.value_at_quantile(quantile) as f64));
    let (mean, max) = (("mean", times.mean()), ("max", times.max() as f64));
    Some([mean, p50, p90, p99, p999, max])
}
