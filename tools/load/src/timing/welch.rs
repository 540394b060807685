//! Welch's t: by how many of its own errors the means of two piles differ.

use std::fmt;

/// Two piles of times, held against each other.
pub(super) struct Welch {
    pub(super) t: f64,
    /// Mean of the first, less that of the second.
    pub(super) difference: f64,
    /// The error of it.
    error: f64,
    means: [f64; 2],
}

impl Welch {
    pub(super) fn of(first: &[f64], second: &[f64]) -> Self {
        let ((first, first_error), (second, second_error)) = (mean(first), mean(second));
        let (difference, error) = (first - second, (first_error + second_error).sqrt());
        Self { t: difference / error, difference, error, means: [first, second] }
    }
}

impl fmt::Display for Welch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { t, difference, error, means: [known, unknown] } = self;
        write!(
            out,
            "t = {t:.2}; known {known:.1} µs, unknown {unknown:.1} µs, apart by {difference:.2} ± {error:.2} µs"
        )
    }
}

/// The mean, and the square of its error.
fn mean(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
    (mean, squares / (count - 1.0) / count)
}

/// The shortest so many percent of both together.
pub(super) fn cropped(first: &[f64], second: &[f64], percent: usize) -> (Vec<f64>, Vec<f64>) {
    let mut both = [first, second].concat();
    both.sort_unstable_by(f64::total_cmp);
    let bound = both.get(both.len() * percent / 100).copied().unwrap_or(f64::INFINITY);
    let below = |times: &[f64]| times.iter().copied().filter(|time| *time < bound).collect();
    (below(first), below(second))
}
