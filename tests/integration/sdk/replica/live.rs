//! Live replicas: changes arrive on the other device without any further call.

use tidelog_client::Rotation;
use tidelog_client::replica::{Blocked, Origin, ReplicaError, Status};
use tokio::task::JoinHandle;

use crate::replica::restartable_server::{RestartableServer, TODOS};
use crate::replica::setup::Installation;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE};

/// An installation whose replica runs in the background.
struct Running {
    installation: Installation,
    task: JoinHandle<ReplicaError>,
}

impl Running {
    async fn new(fixture: &Fixture, name: &str) -> Self {
        Self::over(Installation::new(fixture, name, TODOS, ["todos"]).await)
    }

    fn over(installation: Installation) -> Self {
        let Installation { replica, client, device, .. } = &installation;
        let (replica, client, id) = (replica.clone(), client.clone(), device.id);
        let task = tokio::spawn(async move { replica.run(&client, id).await });
        Self { installation, task }
    }

    async fn wait_for(&self, expected: Status) {
        let mut status = self.installation.replica.status();
        status.wait_for(|status| *status == expected).await.unwrap();
    }

    /// Waits until the table has these titles.
    async fn wait_for_titles(&self, titles: &[&str]) {
        while self.installation.texts("SELECT title FROM todos ORDER BY id") != titles {
            tokio::task::yield_now().await;
        }
    }

    fn run(&self, sql: &str) {
        self.installation.run(sql);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_committed_on_one_device_appear_on_the_other() {
    let fixture = Fixture::new().await;
    let laptop = Running::new(&fixture, "laptop").await;
    let phone = Running::new(&fixture, "phone").await;
    laptop.wait_for(Status::Live).await;
    phone.wait_for(Status::Live).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'milk')");
    phone.wait_for_titles(&["milk"]).await;
    phone.run("UPDATE todos SET title = 'oat milk'; INSERT INTO todos VALUES ('b', 'tea')");
    laptop.wait_for_titles(&["oat milk", "tea"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_that_write_while_the_server_is_down_agree_once_it_is_back() {
    let mut server = RestartableServer::new().await;
    let laptop = Running::over(server.install("laptop").await);
    let phone = Running::over(server.install("phone").await);
    laptop.wait_for(Status::Live).await;
    phone.wait_for(Status::Live).await;
    server.stop().await;
    laptop.run("INSERT INTO todos VALUES ('a', 'by the laptop')");
    phone.run("INSERT INTO todos VALUES ('b', 'by the phone')");
    laptop.wait_for(Status::Offline).await;
    phone.wait_for(Status::Offline).await;
    server.restart().await;
    for device in [&laptop, &phone] {
        device.wait_for_titles(&["by the laptop", "by the phone"]).await;
        device.wait_for(Status::Live).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_restarts_is_noticed_without_any_write() {
    let mut server = RestartableServer::new().await;
    let laptop = Running::over(server.install("laptop").await);
    laptop.wait_for(Status::Live).await;
    server.stop().await;
    laptop.wait_for(Status::Offline).await;
    server.restart().await;
    laptop.wait_for(Status::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_compromise_a_live_replica_waits_for_the_passphrase_and_then_continues() {
    let fixture = Fixture::new().await;
    let laptop = Running::new(&fixture, "laptop").await;
    let phone = Running::new(&fixture, "phone").await;
    laptop.wait_for(Status::Live).await;
    phone.wait_for(Status::Live).await;
    laptop.installation.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    phone.run("INSERT INTO todos VALUES ('a', 'kept')");
    phone.wait_for(Status::Blocked(Blocked::Passphrase)).await;
    phone.installation.client.setup_encryption_existing(PASSPHRASE).await.unwrap();
    phone.installation.replica.nudge();
    laptop.wait_for_titles(&["kept"]).await;
    phone.wait_for(Status::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_upload_and_a_first_download_report_their_progress() {
    let fixture = Fixture::new().await;
    let laptop = Installation::new(&fixture, "laptop", TODOS, ["todos"]).await;
    laptop.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO todos SELECT i, 'title ' || i FROM n",
    );
    let phone = Installation::new(&fixture, "phone", TODOS, ["todos"]).await;
    for device in [laptop, phone] {
        let mut status = device.replica.status();
        let mut reported = Vec::new();
        let exchange = device.sync();
        tokio::pin!(exchange);
        loop {
            tokio::select! {
                biased;
                _ = status.changed() => reported.push(status.borrow_and_update().clone()),
                () = &mut exchange => break reported.push(status.borrow().clone()),
            }
        }
        let halfway =
            |status: &Status| matches!(status, Status::Syncing { done, total } if *done > 0 && done < total);
        assert!(reported.iter().any(halfway), "{reported:?}");
        assert!(
            matches!(reported.last(), Some(Status::Syncing { done, total }) if done == total),
            "{reported:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_replica_stops() {
    let fixture = Fixture::new().await;
    let mut laptop = Running::new(&fixture, "laptop").await;
    laptop.wait_for(Status::Live).await;
    laptop.installation.replica.detach().await.unwrap();
    laptop.run("INSERT INTO todos VALUES ('a', 'written after it was detached')");
    laptop.installation.replica.nudge();
    assert!(matches!((&mut laptop.task).await, Ok(ReplicaError::Detached)));
}

#[tokio::test]
async fn an_app_is_told_which_rows_have_changed_and_who_changed_them() {
    let fixture = Fixture::new().await;
    let schema =
        "CREATE TABLE lists (id TEXT PRIMARY KEY); CREATE TABLE todos (id INTEGER PRIMARY KEY, title TEXT)";
    let laptop = Installation::new(&fixture, "laptop", schema, ["lists", "todos"]).await;
    let phone = Installation::new(&fixture, "phone", schema, ["lists", "todos"]).await;
    let (mut here, mut there) = (laptop.replica.changes(), phone.replica.changes());
    laptop.run("INSERT INTO todos VALUES (1, 'a'), (2, 'b'); INSERT INTO lists VALUES ('l'); DELETE FROM todos WHERE id = 1");
    laptop.sync().await;
    phone.sync().await;
    for (changes, origin) in [(&mut here, Origin::ThisDevice), (&mut there, Origin::OtherDevices)] {
        for (table, keys) in [("lists", vec!["'l'"]), ("todos", vec!["2"])] {
            let change = changes.try_recv().unwrap();
            assert_eq!((change.table.as_str(), change.origin), (table, origin));
            assert_eq!(change.keys.iter().map(|key| key.as_str()).collect::<Vec<_>>(), keys);
        }
        assert!(changes.try_recv().is_err(), "nothing else has changed");
    }
}
