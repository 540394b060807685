//! Group commit without HTTP: clients hand rows to one thread, which commits whatever has come in and then answers.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use rusqlite::Connection;

use super::{Bare, INSERT, NEWEST, NewRow, insert, open_writer};
use crate::clients::Window;
use crate::{Result, process};

/// Rows that a client hands over, and who it is. It gets them back as the answer, so that nobody allocates.
struct Message {
    client: usize,
    rows: Vec<NewRow>,
}

/// Writes into a database of its own, with this many clients and this many rows from each at a time.
pub(crate) fn push(data: &Path, clients: usize, changes: usize, seconds: f64) -> Result<Bare> {
    let mut connection = open_writer(data)?;
    let (send, inbox) = channel();
    let (replies, answers): (Vec<_>, Vec<_>) = (0..clients).map(|_| channel()).unzip();
    let rows = |_| (0..changes).map(|_| NewRow::new()).collect::<Result<Vec<_>>>();
    let rows = (0..clients).map(rows).collect::<Result<Vec<_>>>()?;
    let window = Window::after_warm_up(seconds);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&mut connection, inbox, replies));
        let hands: Vec<_> = rows
            .into_iter()
            .zip(answers)
            .enumerate()
            .map(|(client, (rows, answers))| {
                let (send, message) = (send.clone(), Message { client, rows });
                scope.spawn(move || hand_over(message, &send, &answers, window))
            })
            .collect();
        drop(send);
        let mut before: Result<f64> = Err("not measured".into());
        window.watch(|| before = process::cpu_seconds("self"), || {});
        let cpu = process::cpu_seconds("self")? - before?;
        let counts: Vec<_> = hands.into_iter().map(|hand| hand.join().unwrap_or(0)).collect();
        writer.join().map_err(|_| "the bare writer panicked")??;
        let rows = (counts.iter().sum::<usize>() * changes) as f64;
        Ok(Bare { per_s: rows / seconds, cpu_us: cpu * 1e6 / rows })
    })
}

/// Tells how many of a client's messages were answered within the window.
fn hand_over(
    mut message: Message,
    send: &Sender<Message>,
    answers: &Receiver<Vec<NewRow>>,
    window: Window,
) -> usize {
    let client = message.client;
    let mut answered = 0;
    loop {
        let began = Instant::now();
        if began >= window.end || send.send(message).is_err() {
            return answered;
        }
        // A writer that failed hangs up, and says why when it is joined.
        let Ok(rows) = answers.recv() else { return answered };
        answered += usize::from(window.holds(began, Instant::now()));
        message = Message { client, rows };
    }
}

fn write(
    connection: &mut Connection,
    inbox: Receiver<Message>,
    replies: Vec<Sender<Vec<NewRow>>>,
) -> Result<()> {
    let mut seq: i64 = connection.query_row(NEWEST, [], |row| row.get(0))?;
    let mut group = Vec::with_capacity(replies.len());
    while let Ok(first) = inbox.recv() {
        group.push(first);
        group.extend(inbox.try_iter());
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut statement = connection.prepare_cached(INSERT)?;
        for Message { client, rows } in &group {
            for row in rows {
                seq += 1;
                insert(&mut statement, seq, *client as i64 + 1, row)?;
            }
        }
        drop(statement);
        connection.prepare_cached("COMMIT")?.execute([])?;
        for Message { client, rows } in group.drain(..) {
            let _ = replies[client].send(rows);
        }
    }
    Ok(())
}
