//! What is notified, and to whom.

use tidelog_client::{Cursor, Notification, Rotation};

use super::{Listener, device_behind};
use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, tasks};

#[tokio::test]
async fn pushes_of_others_are_notified_and_own_ones_are_not() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let mut on_laptop = Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    let mut on_phone = Listener::on_a_stream(&phone, &phone_device, Cursor::Start).await;
    laptop.push(laptop_device.id, tasks(1)).await.unwrap();
    assert_eq!(on_phone.hears().await, Notification::Changed);
    // All subscribers are notified of a push at the same time, so if a later one comes first, the earlier one was not
    // notified.
    phone.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    assert_eq!(on_laptop.hears().await, Notification::Keys);
    phone.push(phone_device.id, tasks(1)).await.unwrap();
    on_laptop.hears_at_last(Notification::Changed).await;
}

#[tokio::test]
async fn pushes_beyond_the_cursor_are_notified_at_once_and_pulled_ones_are_not() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    phone.push(phone_device.id, tasks(3)).await.unwrap();
    let mut behind = Listener::new(&laptop, &laptop_device, Cursor::Start);
    assert_eq!(behind.hears().await, Notification::Changed);

    let (_, cursor, _) = laptop.pull(laptop_device.id, Cursor::Start).await.unwrap();
    let mut up_to_date = Listener::on_a_stream(&laptop, &laptop_device, cursor).await;
    phone.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    assert_eq!(up_to_date.hears().await, Notification::Keys);
}

#[tokio::test]
async fn a_rotation_is_notified() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, _) = fixture.device("phone").await;
    let mut listener = Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    phone.rotate_key(PASSPHRASE, Rotation::Routine, |_| {}).await.unwrap();
    assert_eq!(listener.hears().await, Notification::Keys);
}

#[tokio::test]
async fn cancelled_calls_lose_nothing() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, laptop_device) = device_behind(&proxy, &fixture, "laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    proxy.send_byte_by_byte();
    let mut listener = Listener::new(&laptop, &laptop_device, Cursor::Start);
    for _ in 0..3 {
        phone.push(phone_device.id, tasks(1)).await.unwrap();
        loop {
            let heard = tokio::select! {
                biased;
                heard = listener.notifications.next() => heard.unwrap(),
                () = tokio::task::yield_now() => continue,
            };
            if heard == Notification::Changed {
                break;
            }
        }
    }
    assert_eq!(proxy.requests(tidelog_test_kit::proxy::SUBSCRIBE), 1);
}
