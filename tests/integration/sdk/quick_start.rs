//! Programs written for the original SDK compile unchanged: this is its quick start, word for word.
//! (The README's doc tests run the same against a server.)

use chrono::Utc;
use tidelog_client::{ChangeEntry, ChangeOp, SyncKitClient, SyncKitConfig, SyncKitError};

async fn quick_start() -> tidelog_client::Result<()> {
    let client = SyncKitClient::new(SyncKitConfig {
        server_url: "https://sync.example.org".into(),
        api_key: "your-api-key".into(),
    });
    let (_user_id, _app_id) = client.authenticate("user@example.com", "password").await?;
    client.setup_encryption_new("password").await?;
    let device = client.register_device("MacBook Pro", "macos").await?;
    let _cursor = client
        .push(
            device.id,
            vec![ChangeEntry {
                table: "tasks".into(),
                op: ChangeOp::Insert,
                row_id: uuid::Uuid::new_v4().to_string(),
                timestamp: Utc::now(),
                data: Some(serde_json::json!({"title": "Buy milk"})),
            }],
        )
        .await?;
    let (_changes, _cursor, _has_more) = client.pull(device.id, 0).await?;
    Ok(())
}

#[test]
fn the_quick_start_is_a_send_future() {
    fn sendable(_: impl Future<Output = Result<(), SyncKitError>> + Send) {}
    sendable(quick_start());
}
