//! Answers of reads and writes without their types. The queue, the pool and the tasks behind them are then compiled
//! once, rather than once for each of more than a hundred operations: that was a fifth of the program.

use std::any::Any;

use crate::error::Fault;

/// What a read or a write returned.
pub(super) type Answer = Box<dyn Any + Send>;

/// Takes the type off a result.
pub(super) fn erase<T: Send + 'static>(result: Result<T, Fault>) -> Result<Answer, Fault> {
    result.map(|answer| Box::new(answer) as Answer)
}

/// Gives an answer the type that [`erase`] took off.
pub(super) fn restore<T: 'static>(answer: Answer) -> T {
    *answer.downcast().expect("the caller names the type that its own closure returned")
}
