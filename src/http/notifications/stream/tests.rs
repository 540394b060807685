//! What only a clock that can be moved shows: beats, rests and ends.

use futures_util::StreamExt;
use tidelog_protocol::{CursorFormat, EpochTag, Timestamp};
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::clock::ClockHand;
use crate::notify::{Caps, Event as Told, Pushed, Subscriber, Subscribers};

const HEARTBEAT: Duration = Duration::from_secs(15);
const LOG: i64 = 7;

/// A stream, and all that it hears and sees.
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
        let subscribers = Subscribers::new(Caps { log: 1, server: 1 });
        tokio::spawn(subscribers.clone().spread());
        let subscriber = Subscriber { log: LOG, session: Uuid::from_u128(1), device: None };
        let subscription = subscribers.subscribe(subscriber).expect("room");
        let (clock, hand) = Clock::manual(Timestamp::EPOCH);
        let rhythm = Rhythm::new(clock, HEARTBEAT, token_seconds);
        let stream = EventStream::new(subscription, rhythm, cursor as fn(i64) -> Cursor);
        Self { stream, subscribers, hand, seq: 1 }
    }

    /// So many pushes at once, by somebody else.
    async fn pushes(&mut self, count: i64) {
        for _ in 0..count {
            self.seq += 1;
            let (session, device) = (Uuid::from_u128(2), Uuid::from_u128(3));
            self.subscribers.hear(&Told::Pushed(Pushed { log: LOG, session, device, seq: self.seq }));
        }
        tokio::task::yield_now().await;
    }

    /// What is said next, as `:` or as the seq that is told; and the milliseconds that it took.
    async fn next(&mut self) -> (Option<String>, u128) {
        let began = Instant::now();
        let said = self.stream.next().await.map(|event| match event {
            Event::Comment(_) => ":".to_owned(),
            Event::Data(data) => id_of(&data),
        });
        (said, began.elapsed().as_millis())
    }

    async fn says(&mut self, what: &str) -> u128 {
        let (said, after) = self.next().await;
        assert_eq!(said.as_deref(), Some(what));
        after
    }

    /// The newest seq.
    async fn tells_all(&mut self) -> u128 {
        let newest = self.seq.to_string();
        self.says(&newest).await
    }
}

/// The library lets an event's id be set and not be read.
fn id_of(data: &Data) -> String {
    let shown = format!("{data:?}");
    let id = shown.split_once("id: Some(\"").and_then(|(_, rest)| rest.split_once('"'));
    id.map(|(id, _)| id.to_owned()).unwrap_or(shown)
}

#[tokio::test(start_paused = true)]
async fn a_stream_beats_at_once_and_then_each_time_that_its_heartbeat_has_passed() {
    let mut scene = Scene::set(3_600);
    assert_eq!(scene.says(":").await, 0);
    for _ in 0..3 {
        assert_eq!(scene.says(":").await, HEARTBEAT.as_millis());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires_and_not_at_the_next_beat() {
    let mut scene = Scene::set(20);
    scene.says(":").await;
    scene.hand.advance(15);
    assert_eq!(scene.says(":").await, HEARTBEAT.as_millis());
    scene.hand.advance(5);
    assert_eq!(scene.next().await, (None, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_while_the_machine_slept_ends_its_stream_at_the_next_beat() {
    let mut scene = Scene::set(3_600);
    scene.says(":").await;
    scene.hand.advance(7_200);
    assert_eq!(scene.next().await, (None, HEARTBEAT.as_millis()));
}

#[tokio::test(start_paused = true)]
async fn pushes_that_come_one_at_a_time_are_told_at_once_however_fast_they_come() {
    let mut scene = Scene::set(3_600);
    scene.says(":").await;
    for _ in 0..1_000 {
        scene.pushes(1).await;
        assert_eq!(scene.tells_all().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn pushes_that_pile_up_gather_for_longer_and_longer_and_no_longer_than_that() {
    let mut scene = Scene::set(3_600);
    scene.says(":").await;
    let mut waits = Vec::new();
    for _ in 0..7 {
        scene.pushes(30).await;
        waits.push(scene.tells_all().await);
    }
    assert_eq!(waits, [0, 5, 10, 20, 40, 50, 50]);
    // The flood is over: what comes now is told sooner each time.
    let mut waits = Vec::new();
    for _ in 0..5 {
        scene.pushes(1).await;
        waits.push(scene.tells_all().await);
    }
    assert_eq!(waits, [50, 25, 13, 7, 0]);
}

#[tokio::test(start_paused = true)]
async fn neither_keys_nor_the_end_wait_for_changes_to_gather() {
    let mut scene = Scene::set(3_600);
    scene.says(":").await;
    scene.pushes(30).await;
    scene.tells_all().await;
    scene.pushes(30).await;
    assert!(timeout(Duration::from_millis(4), scene.next()).await.is_err(), "it rests");
    scene.subscribers.hear(&Told::KeysChanged { log: LOG });
    let (said, after) = scene.next().await;
    assert!(said.is_some_and(|said| said.contains("keys")) && after == 0);
    scene.subscribers.stop();
    assert_eq!(scene.next().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_beat_that_falls_into_a_rest_is_not_left_out() {
    let mut scene = Scene::set(3_600);
    scene.says(":").await;
    tokio::time::advance(HEARTBEAT - Duration::from_millis(2)).await;
    scene.pushes(30).await;
    scene.tells_all().await;
    scene.pushes(30).await;
    assert_eq!(scene.says(":").await, 2);
    assert_eq!(scene.tells_all().await, 3);
    assert_eq!(scene.says(":").await, HEARTBEAT.as_millis() - 3);
}
