//! A stream that is cut again and again while others push.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tidelog_protocol::Cursor;

use super::events::Events;
use super::stage::{Pusher, Stage, runtime};
use super::{Scale, spread};
use crate::Result;
use crate::server::Binary;

/// What the one who pushes and the one who listens know of each other.
#[derive(Default)]
struct Shared {
    newest: Mutex<Cursor>,
    is_over: AtomicBool,
}

impl Shared {
    /// The newest position that is acknowledged.
    fn newest(&self) -> i64 {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).seq()
    }
}

pub(super) fn measure(binary: &Binary, scale: Scale) -> Result<Value> {
    let stage = Stage::new(binary)?;
    let (listening, pushing) = (stage.account(0)?, stage.account(0)?);
    runtime()?.block_on(async {
        let shared = Arc::new(Shared::default());
        let mut pusher = Pusher::new(&pushing)?;
        let first = pusher.push().await?;
        let pushes = tokio::spawn(push_on(pusher, shared.clone()));
        let (mut times, mut told, mut missed) = (Vec::new(), first, 0);
        for _ in 0..scale.reconnects {
            // There is something new before the stream is opened, so it must be told at once.
            while shared.newest() <= seq(&told)? {
                tokio::task::yield_now().await;
            }
            let acknowledged = shared.newest();
            let began = Instant::now();
            let mut events = Events::open(&listening.address, &listening.subscribe(Some(&told))).await?;
            told = events.changed().await?;
            times.push(began.elapsed());
            missed += usize::from(seq(&told)? < acknowledged);
        }
        shared.is_over.store(true, Ordering::SeqCst);
        let pushed = pushes.await??;
        let newest = shared.newest();
        if seq(&told)? < newest {
            let mut events = Events::open(&listening.address, &listening.subscribe(Some(&told))).await?;
            told = events.changed().await?;
        }
        missed += usize::from(seq(&told)? < newest);
        let mut figures = spread(times)?;
        figures["pushes_meanwhile"] = json!(pushed);
        figures["missed"] = json!(missed);
        if missed > 0 {
            return Err(format!("something was missed: {figures}").into());
        }
        Ok(figures)
    })
}

async fn push_on(mut pusher: Pusher, shared: Arc<Shared>) -> Result<usize> {
    let mut pushed = 0;
    while !shared.is_over.load(Ordering::SeqCst) {
        let cursor = pusher.push().await?.parse()?;
        *shared.newest.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        pushed += 1;
    }
    Ok(pushed)
}

fn seq(cursor: &str) -> Result<i64> {
    Ok(cursor.parse::<Cursor>()?.seq())
}
