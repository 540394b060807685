//! Shows how far a step has got, and how fast it was.

use std::time::Instant;

/// Rows between two lines.
const EVERY: usize = 4_000;

/// A step that handles rows.
pub struct Progress {
    what: &'static str,
    began: Instant,
    next: usize,
    done: usize,
}

impl Progress {
    /// A step that begins now.
    pub fn of(what: &'static str) -> Self {
        Self { what, began: Instant::now(), next: EVERY, done: 0 }
    }

    /// So many rows are done.
    pub fn at(&mut self, done: usize) {
        self.done = done;
        if done >= self.next {
            println!("  {} {done} rows …", self.what);
            self.next = done + EVERY;
        }
    }

    /// The step is over.
    pub fn end(self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = self.done as f64 / seconds;
        println!("  {} {} rows in {seconds:.2} s, {rate:.0} a second", self.what, self.done);
    }
}
