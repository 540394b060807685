//! Heartbeats, coalescing and ends of streams, on a clock that the tests move.

use std::time::Duration;

use futures_util::StreamExt;
use tidelog_protocol::{CursorFormat, EpochTag, Timestamp};
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, ClockHand};
use crate::notify::{self, Pushed, StreamLimits, Subscriber, Subscribers};

const HEARTBEAT: Duration = Duration::from_secs(15);
const LOG: i64 = 7;

/// A stream with everything that it depends on.
struct Scene {
    stream: EventStream<fn(i64) -> Cursor>,
    subscribers: Subscribers,
    hand: ClockHand,
    seq: i64,
}

fn cursor(seq: i64) -> Cursor {
    Cursor::formatted(seq, EpochTag::from_random([0; 5]), CursorFormat::Number)
}

impl Scene {
    fn set(token_seconds: i64) -> Self {
        let subscribers = Subscribers::new(StreamLimits { per_log: 1, total: 1 });
        tokio::spawn(subscribers.clone().dispatch_pushes());
        let subscriber = Subscriber { log: LOG, session: Uuid::from_u128(1), device: None };
        let subscription = subscribers.subscribe(subscriber).expect("a stream");
        let (clock, hand) = Clock::manual(Timestamp::EPOCH);
        let heartbeat = Heartbeat::new(clock, HEARTBEAT, token_seconds);
        let stream = EventStream::new(subscription, heartbeat, cursor as fn(i64) -> Cursor);
        Self { stream, subscribers, hand, seq: 1 }
    }

    /// Pushes by somebody else, all at once.
    async fn push(&mut self, count: i64) {
        for _ in 0..count {
            self.seq += 1;
            let (session, device) = (Uuid::from_u128(2), Uuid::from_u128(3));
            self.subscribers.handle(&notify::Event::Pushed(Pushed {
                log: LOG,
                session,
                device,
                seq: self.seq,
            }));
        }
        tokio::task::yield_now().await;
    }

    /// The next event, as `:` for a heartbeat or as its seq, and after how many milliseconds it came.
    async fn next(&mut self) -> (Option<String>, u128) {
        let began = Instant::now();
        let event = self.stream.next().await.map(|event| match event {
            Event::Comment(_) => ":".to_owned(),
            Event::Data(data) => id_of(&data),
        });
        (event, began.elapsed().as_millis())
    }

    async fn expect(&mut self, expected: &str) -> u128 {
        let (event, after) = self.next().await;
        assert_eq!(event.as_deref(), Some(expected));
        after
    }

    /// Expects the newest seq.
    async fn expect_newest(&mut self) -> u128 {
        let newest = self.seq.to_string();
        self.expect(&newest).await
    }
}

/// The library lets one set an event's id but not read it.
fn id_of(data: &Data) -> String {
    let shown = format!("{data:?}");
    let id = shown.split_once("id: Some(\"").and_then(|(_, rest)| rest.split_once('"'));
    id.map(|(id, _)| id.to_owned()).unwrap_or(shown)
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_at_once_and_then_after_each_interval() {
    let mut scene = Scene::set(3_600);
    assert_eq!(scene.expect(":").await, 0);
    for _ in 0..3 {
        assert_eq!(scene.expect(":").await, HEARTBEAT.as_millis());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires_and_not_at_the_next_heartbeat() {
    let mut scene = Scene::set(20);
    scene.expect(":").await;
    scene.hand.advance(15);
    assert_eq!(scene.expect(":").await, HEARTBEAT.as_millis());
    scene.hand.advance(5);
    assert_eq!(scene.next().await, (None, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_while_the_machine_slept_ends_its_stream_at_the_next_heartbeat() {
    let mut scene = Scene::set(3_600);
    scene.expect(":").await;
    scene.hand.advance(7_200);
    assert_eq!(scene.next().await, (None, HEARTBEAT.as_millis()));
}

#[tokio::test(start_paused = true)]
async fn pushes_that_come_one_at_a_time_are_sent_at_once_however_fast_they_come() {
    let mut scene = Scene::set(3_600);
    scene.expect(":").await;
    for _ in 0..1_000 {
        scene.push(1).await;
        assert_eq!(scene.expect_newest().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn pushes_that_pile_up_are_coalesced_for_longer_each_time_up_to_a_maximum() {
    let mut scene = Scene::set(3_600);
    scene.expect(":").await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        scene.push(30).await;
        waits.push(scene.expect_newest().await);
    }
    assert_eq!(waits, [0, 5, 10, 20, 40, 50, 50]);
    // The flood is over: events come sooner each time.
    let mut waits = Vec::new();
    for _ in 0..5 {
        scene.push(1).await;
        waits.push(scene.expect_newest().await);
    }
    assert_eq!(waits, [50, 25, 13, 7, 0]);
}

#[tokio::test(start_paused = true)]
async fn key_changes_and_the_end_of_the_stream_do_not_wait_for_the_coalescing_window() {
    let mut scene = Scene::set(3_600);
    scene.expect(":").await;
    scene.push(30).await;
    scene.expect_newest().await;
    scene.push(30).await;
    assert!(timeout(Duration::from_millis(4), scene.next()).await.is_err(), "the window is open");
    scene.subscribers.handle(&notify::Event::KeysChanged { log: LOG });
    let (event, after) = scene.next().await;
    assert!(event.is_some_and(|event| event.contains("keys")) && after == 0);
    scene.subscribers.shut_down();
    assert_eq!(scene.next().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_during_a_coalescing_window_is_not_skipped() {
    let mut scene = Scene::set(3_600);
    scene.expect(":").await;
    tokio::time::advance(HEARTBEAT - Duration::from_millis(2)).await;
    scene.push(30).await;
    scene.expect_newest().await;
    scene.push(30).await;
    assert_eq!(scene.expect(":").await, 2);
    assert_eq!(scene.expect_newest().await, 3);
    assert_eq!(scene.expect(":").await, HEARTBEAT.as_millis() - 3);
}
