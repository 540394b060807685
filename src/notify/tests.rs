//! What requests cannot show: that mailboxes stay small, and that places are freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use uuid::Uuid;

use super::*;

const LOG: i64 = 7;

#[derive(Default)]
struct WakeCounter(AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn limits() -> StreamLimits {
    StreamLimits { per_log: 2, total: 3 }
}

fn subscriber(log: i64, session: u128, device: Option<u128>) -> Subscriber {
    Subscriber { log, session: id(session), device: device.map(id) }
}

fn pushed(session: u128, device: u128, seq: i64) -> Event {
    Event::Pushed(Pushed { log: LOG, session: id(session), device: id(device), seq })
}

fn changed(newest_seq: i64, pushes: usize) -> StreamEvent {
    StreamEvent::Changed(PushSummary { newest_seq, pushes })
}

fn next(subscription: &Subscription) -> Poll<Option<StreamEvent>> {
    subscription.poll_event(&mut Context::from_waker(Waker::noop()), false)
}

fn events(subscription: &Subscription) -> Vec<StreamEvent> {
    std::iter::from_fn(|| match next(subscription) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
    .collect()
}

/// Handles these events and dispatches them together, as when they come faster than they are dispatched.
async fn handle_together(subscribers: &Subscribers, events: &[Event]) {
    events.iter().for_each(|event| subscribers.handle(event));
    let dispatching = tokio::spawn(subscribers.clone().dispatch_pushes());
    tokio::task::yield_now().await;
    dispatching.abort();
}

#[tokio::test]
async fn a_thousand_pushes_are_one_event_and_wake_a_subscriber_once() {
    let subscribers = Subscribers::new(limits());
    let subscription = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    let counter = Arc::<WakeCounter>::default();
    let waker = Waker::from(counter.clone());
    assert!(subscription.poll_event(&mut Context::from_waker(&waker), false).is_pending());
    for seq in 2..1_000 {
        handle_together(&subscribers, &[pushed(2, 2, seq)]).await;
    }
    subscribers.handle(&Event::KeysChanged { log: LOG });
    subscribers.handle(&Event::KeysChanged { log: LOG });
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert_eq!(events(&subscription), [changed(999, 998), StreamEvent::KeysChanged]);
}

#[tokio::test]
async fn subscribers_are_told_of_coalesced_pushes_if_any_is_by_somebody_else() {
    let subscribers = Subscribers::new(StreamLimits { per_log: 10, total: 10 });
    let by_session = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    let by_device = subscribers.subscribe(subscriber(LOG, 9, Some(11))).expect("a stream");
    let other = subscribers.subscribe(subscriber(LOG, 3, Some(13))).expect("a stream");
    handle_together(&subscribers, &[pushed(1, 11, 2), pushed(1, 11, 3)]).await;
    assert_eq!((events(&by_session), events(&by_device)), (vec![], vec![]));
    assert_eq!(events(&other), [changed(3, 2)]);
    handle_together(&subscribers, &[pushed(3, 13, 4), pushed(1, 11, 5)]).await;
    for subscription in [&by_session, &by_device, &other] {
        assert_eq!(events(subscription), [changed(5, 2)]);
    }
}

#[tokio::test]
async fn everybody_is_told_of_pushes_by_many_authors() {
    let subscribers = Subscribers::new(limits());
    let subscription = subscribers.subscribe(subscriber(LOG, 1, Some(99))).expect("a stream");
    let crowd: Vec<_> = (0..100).map(|session| pushed(session, 99, session as i64 + 2)).collect();
    handle_together(&subscribers, &crowd).await;
    assert_eq!(events(&subscription), [changed(101, 100)]);
}

#[tokio::test]
async fn a_push_to_a_log_without_subscribers_is_not_kept() {
    let subscribers = Subscribers::new(limits());
    let before = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    drop(before);
    subscribers.handle(&pushed(2, 2, 2));
    let subscription = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    handle_together(&subscribers, &[]).await;
    assert_eq!(events(&subscription), []);
}

#[tokio::test]
async fn what_was_found_at_the_start_is_not_sent_again() {
    let subscribers = Subscribers::new(StreamLimits { per_log: 10, total: 10 });
    let [behind, current, overtaken] =
        [1, 2, 3].map(|session| subscribers.subscribe(subscriber(LOG, session, None)).expect("a stream"));
    handle_together(&subscribers, &[pushed(8, 8, 5)]).await;
    behind.start_at(5, true);
    current.start_at(5, false);
    overtaken.start_at(4, false);
    handle_together(&subscribers, &[pushed(8, 8, 5)]).await;
    assert_eq!(events(&behind), [changed(5, 1)]);
    assert_eq!(events(&current), []);
    assert_eq!(events(&overtaken), [changed(5, 2)], "it is after the start");
}

#[test]
fn a_dropped_subscription_frees_its_place() {
    let subscribers = Subscribers::new(limits());
    let subscribe = |log| subscribers.subscribe(subscriber(log, 1, None));
    let (first, second) = (subscribe(LOG).expect("a stream"), subscribe(LOG).expect("a stream"));
    assert_eq!(subscribe(LOG).err(), Some(SubscribeError::LogLimit));
    let third = subscribe(8).expect("a stream");
    assert_eq!(subscribe(9).err(), Some(SubscribeError::ServerLimit));
    drop(first);
    let fourth = subscribe(9).expect("a stream");
    assert_eq!(subscribe(LOG).err(), Some(SubscribeError::ServerLimit));
    drop((second, third, fourth));
    assert!(subscribe(LOG).is_ok());
}

#[tokio::test]
async fn the_end_of_a_stream_precedes_pending_events_and_nothing_follows_it() {
    let subscribers = Subscribers::new(limits());
    let subscription = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    handle_together(&subscribers, &[pushed(2, 2, 2)]).await;
    subscribers.handle(&Event::SessionsEnded(vec![EndedSession { session: id(1), log: LOG }]));
    subscribers.handle(&Event::KeysChanged { log: LOG });
    assert_eq!(next(&subscription), Poll::Ready(None));
    assert_eq!(next(&subscription), Poll::Ready(None));
}

#[test]
fn after_a_failed_commit_every_stream_ends_and_can_be_reopened() {
    let subscribers = Subscribers::new(limits());
    let [mine, others] =
        [LOG, 8].map(|log| subscribers.subscribe(subscriber(log, 1, None)).expect("a stream"));
    subscribers.handle(&Event::SessionsChanged);
    assert!(next(&mine).is_pending());
    subscribers.handle(&Event::Reopened);
    assert_eq!((next(&mine), next(&others)), (Poll::Ready(None), Poll::Ready(None)));
    assert!(subscribers.subscribe(subscriber(LOG, 1, None)).is_ok());
}

#[test]
fn nobody_can_subscribe_to_a_server_that_is_shutting_down() {
    let subscribers = Subscribers::new(limits());
    let subscription = subscribers.subscribe(subscriber(LOG, 1, None)).expect("a stream");
    subscribers.shut_down();
    assert_eq!(next(&subscription), Poll::Ready(None));
    assert_eq!(subscribers.subscribe(subscriber(LOG, 1, None)).err(), Some(SubscribeError::ShuttingDown));
}
