//! Prints the progress and speed of a step.

use std::time::Instant;

/// The number of rows after which to print a line.
const REPORT_INTERVAL: usize = 4_000;

/// A step that processes rows.
pub struct Progress {
    verb: &'static str,
    started: Instant,
    next: usize,
    done: usize,
}

impl Progress {
    /// Begins a step.
    pub fn new(verb: &'static str) -> Self {
        Self { verb, started: Instant::now(), next: REPORT_INTERVAL, done: 0 }
    }

    /// Sets the number of rows processed so far.
    pub fn update(&mut self, done: usize) {
        self.done = done;
        if done >= self.next {
            println!("  {} {done} rows …", self.verb);
            self.next = done + REPORT_INTERVAL;
        }
    }

    /// Ends the step.
    pub fn finish(self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = self.done as f64 / seconds;
        println!("  {} {} rows in {seconds:.2} s, {rate:.0} per second", self.verb, self.done);
    }
}
