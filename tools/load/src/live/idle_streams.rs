//! What a stream takes that has nothing to say.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::Scale;
use super::events::Events;
use super::stage::{Stage, open_streams, runtime};
use crate::server::Binary;
use crate::{Result, process, wire};

pub(super) fn measure(binary: &Binary, scale: Scale) -> Result<Value> {
    let stage = Stage::new(binary)?;
    let accounts = stage.others(scale.streams)?;
    let pid = stage.server.pid();
    let opening = async |streams| open_streams(&accounts, streams).await;
    let each = bytes_per_stream(&pid, scale.streams, opening)?;
    let bare = Bare::start()?;
    let request = wire::get(&bare.address, "/", None);
    let opening = async |streams| {
        let mut open = Vec::with_capacity(streams);
        for _ in 0..streams {
            let mut events = Events::open(&bare.address, &request).await?;
            events.alive().await?;
            open.push(events);
        }
        Ok(open)
    };
    let bare = bytes_per_stream(&bare.pid(), scale.streams, opening)?;
    Ok(json!({
        "streams": scale.streams,
        "kb_per_stream": each / 1e3,
        "bare_kb_per_stream": bare / 1e3,
        "ratio": each / bare,
    }))
}

/// How much more memory a process has per stream, once each stream has shown a second time that it lives.
fn bytes_per_stream(
    pid: &str,
    streams: usize,
    open: impl AsyncFn(usize) -> Result<Vec<Events>>,
) -> Result<f64> {
    runtime()?.block_on(async {
        // What a first stream brings with it is not counted.
        let first = open(1).await?;
        let before = process::memory(pid, "VmRSS")?;
        let mut open = open(streams).await?;
        for events in &mut open {
            events.alive().await?;
        }
        let after = process::memory(pid, "VmRSS")?;
        drop(first);
        Ok(after.saturating_sub(before) as f64 / streams as f64)
    })
}

/// This program once more, as a bare server of streams.
struct Bare {
    process: Child,
    address: String,
}

impl Bare {
    fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg("--bare-streams").stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut bare = Self { process, address: String::new() };
        BufReader::new(output).read_line(&mut bare.address)?;
        bare.address.truncate(bare.address.trim_end().len());
        Ok(bare)
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
