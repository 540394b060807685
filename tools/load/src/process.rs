//! What Linux tells of a process: its CPU time and its memory.

use std::fs;

use crate::Result;

/// Ticks of `/proc/PID/stat` in a second; Linux shows programs this number on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process (`"self"` is this one), in seconds, to a hundredth.
pub(crate) fn cpu_seconds(pid: &str) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold anything; the numbers begin behind it.
    let (_, numbers) = stat.rsplit_once(") ").ok_or("stat without a name")?;
    let mut ticks = numbers.split(' ').skip(11).map(str::parse::<u64>);
    let (Some(user), Some(system)) = (ticks.next(), ticks.next()) else { return Err("a short stat".into()) };
    Ok((user? + system?) as f64 / TICKS_PER_SECOND)
}

/// CPU time of this thread, in seconds.
pub(crate) fn thread_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = stat.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds as f64 / 1e9)
}

/// Memory of a process in bytes, by the name of its line in `/proc/PID/status`, such as `VmRSS`.
pub(crate) fn memory(pid: &str, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value =
        |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse().ok();
    let kib: u64 = status.lines().find_map(value).ok_or_else(|| format!("no {name}"))?;
    Ok(kib * 1024)
}

/// Lets `VmHWM`, the most memory that a process ever had, begin anew at what it has now.
pub(crate) fn forget_peak(pid: &str) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// In millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
