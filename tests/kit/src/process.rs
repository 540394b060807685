//! A child process that is waited for with a timeout and killed when dropped.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to become ready, or to end. Far more than it needs: reaching this means that it hangs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often readiness is checked where nothing announces it.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A running process.
pub struct Process {
    pid: Pid,
    /// Receives the exit status once.
    exit: Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the process.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let (sender, exit) = channel();
        thread::spawn(move || {
            if let Ok(status) = child.wait() {
                // The receiver may have been dropped.
                let _ = sender.send(status);
            }
        });
        Ok(Self { pid, exit, ended: None })
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal, unless the process has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.end_within(Duration::ZERO).is_none() {
            // The process may end at this moment.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Waits until `look` returns something. `Err(Some(_))`: the process ended first; `Err(None)`: it hangs.
    pub fn wait_until<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Result<T, Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if let Some(status) = self.end_within(POLL_INTERVAL) {
                return Err(Some(status));
            }
            if started.elapsed() > TIMEOUT {
                return Err(None);
            }
        }
    }

    /// Waits until the process ends. `None`: it hangs.
    pub fn wait(&mut self) -> Option<ExitStatus> {
        self.end_within(TIMEOUT)
    }

    fn end_within(&mut self, timeout: Duration) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.exit.recv_timeout(timeout).ok();
        }
        self.ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}
