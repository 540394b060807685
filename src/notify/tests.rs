//! What the front door cannot show: how little is kept, and that it is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

const LOG: i64 = 7;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn caps() -> Caps {
    Caps { log: 2, server: 3 }
}

fn listener(log: i64, session: u128, device: Option<u128>) -> Subscriber {
    Subscriber { log, session: id(session), device: device.map(id) }
}

fn pushed(session: u128, device: u128, seq: i64) -> Event {
    Event::Pushed(Pushed { log: LOG, session: id(session), device: id(device), seq })
}

fn changed(seq: i64, pushes: usize) -> News {
    News::Changed(Growth { seq, pushes })
}

fn next(subscription: &Subscription) -> Poll<Option<News>> {
    subscription.poll_news(&mut Context::from_waker(Waker::noop()), false)
}

fn told(subscription: &Subscription) -> Vec<News> {
    std::iter::from_fn(|| match next(subscription) {
        Poll::Ready(news) => news,
        Poll::Pending => None,
    })
    .collect()
}

/// Takes these events, and spreads what is noted of them in one go, as when they come faster than they are spread.
async fn hear_at_once(subscribers: &Subscribers, events: &[Event]) {
    events.iter().for_each(|event| subscribers.hear(event));
    let spreading = tokio::spawn(subscribers.clone().spread());
    tokio::task::yield_now().await;
    spreading.abort();
}

#[tokio::test]
async fn a_thousand_pushes_are_one_piece_of_news_and_wake_a_reader_once() {
    let subscribers = Subscribers::new(caps());
    let subscription = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    let bell = Arc::<Bell>::default();
    let waker = Waker::from(bell.clone());
    assert!(subscription.poll_news(&mut Context::from_waker(&waker), false).is_pending());
    for seq in 2..1_000 {
        hear_at_once(&subscribers, &[pushed(2, 2, seq)]).await;
    }
    subscribers.hear(&Event::KeysChanged { log: LOG });
    subscribers.hear(&Event::KeysChanged { log: LOG });
    assert_eq!(bell.0.load(Ordering::SeqCst), 1);
    assert_eq!(told(&subscription), [changed(999, 998), News::Keys]);
}

#[tokio::test]
async fn of_pushes_that_are_told_together_each_reader_hears_if_any_is_anothers() {
    let subscribers = Subscribers::new(Caps { log: 10, server: 10 });
    let by_session = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    let by_device = subscribers.subscribe(listener(LOG, 9, Some(11))).expect("room");
    let other = subscribers.subscribe(listener(LOG, 3, Some(13))).expect("room");
    hear_at_once(&subscribers, &[pushed(1, 11, 2), pushed(1, 11, 3)]).await;
    assert_eq!((told(&by_session), told(&by_device)), (vec![], vec![]));
    assert_eq!(told(&other), [changed(3, 2)]);
    hear_at_once(&subscribers, &[pushed(3, 13, 4), pushed(1, 11, 5)]).await;
    for subscription in [&by_session, &by_device, &other] {
        assert_eq!(told(subscription), [changed(5, 2)]);
    }
}

#[tokio::test]
async fn of_pushes_by_a_crowd_everybody_hears() {
    let subscribers = Subscribers::new(caps());
    let subscription = subscribers.subscribe(listener(LOG, 1, Some(99))).expect("room");
    let crowd: Vec<_> = (0..100).map(|session| pushed(session, 99, session as i64 + 2)).collect();
    hear_at_once(&subscribers, &crowd).await;
    assert_eq!(told(&subscription), [changed(101, 100)]);
}

#[tokio::test]
async fn a_push_to_a_log_that_nobody_listens_to_is_not_noted() {
    let subscribers = Subscribers::new(caps());
    let before = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    drop(before);
    subscribers.hear(&pushed(2, 2, 2));
    let subscription = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    hear_at_once(&subscribers, &[]).await;
    assert_eq!(told(&subscription), []);
}

#[tokio::test]
async fn what_was_found_at_the_beginning_is_not_told_again() {
    let subscribers = Subscribers::new(Caps { log: 10, server: 10 });
    let [behind, current, overtaken] =
        [1, 2, 3].map(|session| subscribers.subscribe(listener(LOG, session, None)).expect("room"));
    hear_at_once(&subscribers, &[pushed(8, 8, 5)]).await;
    behind.catch_up(5, true);
    current.catch_up(5, false);
    overtaken.catch_up(4, false);
    hear_at_once(&subscribers, &[pushed(8, 8, 5)]).await;
    assert_eq!(told(&behind), [changed(5, 1)]);
    assert_eq!(told(&current), []);
    assert_eq!(told(&overtaken), [changed(5, 2)], "it is beyond what was found");
}

#[test]
fn a_place_is_given_back_when_its_subscription_is_dropped() {
    let subscribers = Subscribers::new(caps());
    let subscribe = |log| subscribers.subscribe(listener(log, 1, None));
    let (first, second) = (subscribe(LOG).expect("room"), subscribe(LOG).expect("room"));
    assert_eq!(subscribe(LOG).err(), Some(Full::Log));
    let third = subscribe(8).expect("room");
    assert_eq!(subscribe(9).err(), Some(Full::Server));
    drop(first);
    let fourth = subscribe(9).expect("room");
    assert_eq!(subscribe(LOG).err(), Some(Full::Server));
    drop((second, third, fourth));
    assert!(subscribe(LOG).is_ok());
}

#[tokio::test]
async fn an_end_comes_before_what_is_unsaid_and_nothing_comes_after_it() {
    let subscribers = Subscribers::new(caps());
    let subscription = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    hear_at_once(&subscribers, &[pushed(2, 2, 2)]).await;
    subscribers.hear(&Event::SessionsEnded(vec![EndedSession { session: id(1), log: LOG }]));
    subscribers.hear(&Event::KeysChanged { log: LOG });
    assert_eq!(next(&subscription), Poll::Ready(None));
    assert_eq!(next(&subscription), Poll::Ready(None));
}

#[test]
fn after_a_failed_commit_every_stream_ends_and_may_come_back() {
    let subscribers = Subscribers::new(caps());
    let [mine, others] = [LOG, 8].map(|log| subscribers.subscribe(listener(log, 1, None)).expect("room"));
    subscribers.hear(&Event::SessionsChanged);
    assert!(next(&mine).is_pending());
    subscribers.hear(&Event::Reopened);
    assert_eq!((next(&mine), next(&others)), (Poll::Ready(None), Poll::Ready(None)));
    assert!(subscribers.subscribe(listener(LOG, 1, None)).is_ok());
}

#[test]
fn nobody_subscribes_to_a_server_that_stops() {
    let subscribers = Subscribers::new(caps());
    let subscription = subscribers.subscribe(listener(LOG, 1, None)).expect("room");
    subscribers.stop();
    assert_eq!(next(&subscription), Poll::Ready(None));
    assert_eq!(subscribers.subscribe(listener(LOG, 1, None)).err(), Some(Full::Stopping));
}
