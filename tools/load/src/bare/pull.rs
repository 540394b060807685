//! One thread that reads the server's own pages, beside the idle server, and writes them out as the server would.

use std::path::Path;
use std::time::Instant;

use rusqlite::CachedStatement;
use serde_json::to_writer;
use uuid::Uuid;

use super::{Bare, PAGE, Texts, entry, open_reader};
use crate::clients::Window;
use crate::{Result, cases, process};

/// Pages of these logs, one log after the other.
pub(crate) fn pull(data: &Path, logs: &[i64], seconds: f64) -> Result<Bare> {
    let connection = open_reader(data)?;
    let mut statement = connection.prepare_cached(PAGE)?;
    let device = Uuid::new_v4();
    let mut body = Vec::new();
    let (mut turn, mut from, mut changes, mut cpu_before) = (0, 0, 0, None);
    let window = Window::after_warm_up(seconds);
    loop {
        let began = Instant::now();
        if began >= window.end {
            break;
        }
        if began >= window.begin && cpu_before.is_none() {
            cpu_before = Some(process::thread_cpu_seconds()?);
        }
        let log = logs.get(turn % logs.len()).ok_or("there is no log to pull")?;
        let page = write_page(&mut statement, *log, from, device, &mut body)?;
        if cpu_before.is_some() {
            changes += page.entries;
        }
        from = page.reached;
        if page.entries < cases::PAGE {
            (turn, from) = (turn + 1, 0);
        }
    }
    let cpu = process::thread_cpu_seconds()? - cpu_before.ok_or("a measurement shorter than a page")?;
    Ok(Bare { per_s: changes as f64 / seconds, cpu_us: cpu * 1e6 / changes as f64 })
}

struct Page {
    entries: usize,
    reached: i64,
}

/// Writes one `PullResponse` into a body, entry by entry.
fn write_page(
    statement: &mut CachedStatement<'_>,
    log: i64,
    from: i64,
    device: Uuid,
    body: &mut Vec<u8>,
) -> Result<Page> {
    let mut page = Page { entries: 0, reached: from };
    body.clear();
    body.extend_from_slice(br#"{"changes":["#);
    let mut texts = Texts::new();
    let mut rows = statement.query((log, from, cases::PAGE))?;
    while let Some(row) = rows.next()? {
        if page.entries > 0 {
            body.push(b',');
        }
        let entry = entry(row, device, &mut texts)?;
        (page.entries, page.reached) = (page.entries + 1, entry.seq);
        to_writer(&mut *body, &entry)?;
    }
    body.extend_from_slice(format!(r#"],"cursor":"{}-aaaaaaaa","has_more":true}}"#, page.reached).as_bytes());
    Ok(page)
}
