//! What is printed: medians of rounds, as a table or as one JSON object.

use serde_json::{Map, Value, json};

use crate::bare::Bare;
use crate::clients::Load;
use crate::{Result, process};

/// One measurement of the server and of the baseline.
pub(crate) struct Round {
    pub(crate) per_s: f64,
    pub(crate) ratio: f64,
    requests_per_s: f64,
    baseline_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    baseline_cpu_us: f64,
    load_cpu_us: f64,
    rss_mb: f64,
}

impl Round {
    /// Of requests of this many changes, in this time.
    pub(crate) fn new(changes: usize, seconds: f64, load: &Load, bare: &Bare) -> Result<Self> {
        let requests = load.latencies.len() as f64;
        if requests == 0.0 {
            return Err("no request was answered in time: measure longer".into());
        }
        let per_s = requests * changes as f64 / seconds;
        let percentile = |percent: usize| {
            let place = (load.latencies.len() - 1) * percent / 100;
            f64::from(load.latencies[place]) / 1e3
        };
        Ok(Self {
            per_s,
            ratio: per_s / bare.per_s,
            requests_per_s: requests / seconds,
            baseline_per_s: bare.per_s,
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            cpu_us: load.cpu * 1e6 / (requests * changes as f64),
            baseline_cpu_us: bare.cpu_us,
            load_cpu_us: load.own_cpu * 1e6 / requests,
            rss_mb: process::megabytes(load.rss),
        })
    }
}

/// How a figure of several rounds becomes one.
fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    let mut figures: Vec<_> = rounds.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}

/// Columns of the table: heading, width, figure, digits behind the point.
const COLUMNS: [(&str, usize, &str, usize); 13] = [
    ("requests/s", 11, "requests_per_s", 0),
    ("changes/s", 10, "per_s", 0),
    ("bare/s", 10, "baseline_per_s", 0),
    ("ratio", 6, "ratio", 2),
    ("p50 ms", 8, "p50_ms", 2),
    ("p99 ms", 8, "p99_ms", 2),
    ("p99/p50", 8, "p99_by_p50", 1),
    ("CPU µs", 8, "cpu_us", 2),
    ("bare CPU", 9, "baseline_cpu_us", 2),
    ("×", 6, "cpu_ratio", 2),
    ("load CPU", 9, "load_cpu_us", 1),
    ("RSS MB", 7, "rss_mb", 1),
    ("rounds", 7, "rounds", 0),
];

/// Everything that was measured, in the order in which it was.
#[derive(Default)]
pub(crate) struct Report {
    figures: Map<String, Value>,
    cases: Vec<String>,
}

impl Report {
    /// Takes figures that are not of a case.
    pub(crate) fn add(&mut self, name: &str, figures: Value) {
        self.figures.insert(name.to_owned(), figures);
    }

    /// Takes the rounds of a case.
    pub(crate) fn add_case(&mut self, name: &str, rounds: &[Round]) {
        let figures = json!({
            "per_s": median(rounds, |round| round.per_s),
            "baseline_per_s": median(rounds, |round| round.baseline_per_s),
            "ratio": median(rounds, |round| round.ratio),
            "p50_ms": median(rounds, |round| round.p50_ms),
            "p99_ms": median(rounds, |round| round.p99_ms),
            "p99_by_p50": median(rounds, |round| round.p99_ms / round.p50_ms),
            "rss_mb": rounds.iter().map(|round| round.rss_mb).fold(0.0, f64::max),
            "requests_per_s": median(rounds, |round| round.requests_per_s),
            "cpu_us": median(rounds, |round| round.cpu_us),
            "baseline_cpu_us": median(rounds, |round| round.baseline_cpu_us),
            "cpu_ratio": median(rounds, |round| round.cpu_us / round.baseline_cpu_us),
            "load_cpu_us": median(rounds, |round| round.load_cpu_us),
            "rounds": rounds.len(),
        });
        self.add(name, figures);
        self.cases.push(name.to_owned());
    }

    /// Prints it on standard output.
    pub(crate) fn print(self, as_json: bool) -> Result<()> {
        if as_json {
            println!("{}", serde_json::to_string(&self.figures)?);
            return Ok(());
        }
        if !self.cases.is_empty() {
            let headings = COLUMNS.map(|(heading, width, ..)| format!("{heading:>width$}")).concat();
            println!("{:<11}{headings}", "case");
        }
        for (name, figures) in &self.figures {
            if self.cases.contains(name) {
                let cells = COLUMNS.map(|(_, width, figure, digits)| {
                    format!("{:>width$.digits$}", figures[figure].as_f64().unwrap_or(f64::NAN))
                });
                println!("{name:<11}{}", cells.concat());
            }
        }
        for (name, figures) in self.figures.iter().filter(|(name, _)| !self.cases.contains(name)) {
            let figures = figures.as_object().into_iter().flatten();
            let figures: Vec<_> = figures
                .map(|(figure, value)| format!("{figure} {:.2}", value.as_f64().unwrap_or(f64::NAN)))
                .collect();
            println!("{name}: {}", figures.join(", "));
        }
        Ok(())
    }
}
