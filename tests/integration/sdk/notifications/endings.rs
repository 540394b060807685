//! Errors that waiting does not cure.

use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{Cursor, Notification, SyncKitError};

use super::{Listener, device_behind};
use tidelog_test_kit::proxy::{Proxy, StreamMode};
use tidelog_test_kit::sdk::{Fixture, tasks};

#[tokio::test]
async fn subscribing_requires_a_session() {
    let fixture = Fixture::new().await;
    let (_, device) = fixture.device("laptop").await;
    let stranger = fixture.signed_out_client();
    let error = Listener::new(&stranger, &device, Cursor::Start).fails().await;
    assert!(matches!(error, SyncKitError::NotAuthenticated), "{error:?}");
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_is_an_error_until_the_user_signs_in() {
    let fixture = Fixture::new().await;
    let (laptop, laptop_device) = fixture.device("laptop").await;
    let (phone, phone_device) = fixture.device("phone").await;
    let copy = fixture.signed_out_client();
    copy.restore_session(laptop.session_info().unwrap());
    let mut listener = Listener::on_a_stream(&laptop, &laptop_device, Cursor::Start).await;
    copy.logout().await.unwrap();
    let error = listener.fails().await;
    assert!(matches!(error, SyncKitError::Unauthenticated), "{error:?}");

    laptop.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    phone.push(phone_device.id, tasks(1)).await.unwrap();
    listener.hears_at_last(Notification::Changed).await;
}

#[tokio::test]
async fn a_disabled_user_gets_no_more_notifications() {
    let fixture = Fixture::new().await;
    let (laptop, device) = fixture.device("laptop").await;
    let mut listener = Listener::on_a_stream(&laptop, &device, Cursor::Start).await;
    let email = fixture.server.email().to_owned();
    fixture.server.command(Command::User(UserCommand::Disable { email })).await.unwrap();
    let error = listener.fails().await;
    assert!(matches!(error, SyncKitError::Unauthenticated), "{error:?}");
}

#[tokio::test]
async fn a_revoked_device_is_an_error() {
    let fixture = Fixture::new().await;
    let (laptop, _) = fixture.device("laptop").await;
    let (tablet, tablet_device) = fixture.device("tablet").await;
    let mut listener = Listener::on_a_stream(&laptop, &tablet_device, Cursor::Start).await;
    tablet.remove_device(tablet_device.id).await.unwrap();
    let error = listener.fails().await;
    assert!(matches!(error, SyncKitError::DeviceRevoked), "{error:?}");
}

#[tokio::test]
async fn a_cursor_from_a_lost_history_is_an_error_that_says_where_to_resume() {
    let fixture = Fixture::new().await;
    let (laptop, device) = fixture.device("laptop").await;
    let lost: Cursor = "7-aaaaaaaa".parse().unwrap();
    let error = Listener::new(&laptop, &device, lost).fails().await;
    assert!(matches!(error, SyncKitError::LogRewound { resume_from } if resume_from.seq() < 7), "{error:?}");
}

#[tokio::test]
async fn an_expired_membership_is_an_error() {
    const REFUSAL: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
                           {\"error\": \"No membership.\", \"code\": \"membership_required\"}";
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let (laptop, device) = device_behind(&proxy, &fixture, "laptop").await;
    proxy.set_stream_mode(StreamMode::Respond(REFUSAL));
    let error = Listener::new(&laptop, &device, Cursor::Start).fails().await;
    assert!(matches!(error, SyncKitError::MembershipRequired), "{error:?}");
}
