//! Replicas that are kept live: nobody calls anything, and what is written on one is on the other.

use tidelog_client::Rotation;
use tidelog_client::replica::{Blocked, ReplicaError, Status};
use tokio::task::JoinHandle;

use crate::replica::restart::{Scene, TODOS};
use crate::replica::setup::Installation;
use tidelog_test_kit::sdk::{PASSPHRASE, World};

/// An installation whose replica runs in the background.
struct Running {
    installation: Installation,
    task: JoinHandle<ReplicaError>,
}

impl Running {
    async fn new(world: &World, name: &str) -> Self {
        Self::over(Installation::new(world, name, TODOS, ["todos"]).await)
    }

    fn over(installation: Installation) -> Self {
        let Installation { replica, client, device, .. } = &installation;
        let (replica, client, id) = (replica.clone(), client.clone(), device.id);
        let task = tokio::spawn(async move { replica.run(&client, id).await });
        Self { installation, task }
    }

    async fn until(&self, wanted: Status) {
        let mut status = self.installation.replica.status();
        status.wait_for(|status| *status == wanted).await.unwrap();
    }

    /// Until the app sees this in its table, by reading it again and again.
    async fn until_titles(&self, titles: &[&str]) {
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
async fn what_is_committed_on_one_device_appears_on_the_other() {
    let world = World::new().await;
    let laptop = Running::new(&world, "laptop").await;
    let phone = Running::new(&world, "phone").await;
    laptop.until(Status::Live).await;
    phone.until(Status::Live).await;
    laptop.run("INSERT INTO todos VALUES ('a', 'milk')");
    phone.until_titles(&["milk"]).await;
    phone.run("UPDATE todos SET title = 'oat milk'; INSERT INTO todos VALUES ('b', 'tea')");
    laptop.until_titles(&["oat milk", "tea"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_both_go_on_and_agree_once_it_is_back() {
    let mut scene = Scene::new().await;
    let laptop = Running::over(scene.install("laptop").await);
    let phone = Running::over(scene.install("phone").await);
    laptop.until(Status::Live).await;
    phone.until(Status::Live).await;
    scene.stop().await;
    laptop.run("INSERT INTO todos VALUES ('a', 'by the laptop')");
    phone.run("INSERT INTO todos VALUES ('b', 'by the phone')");
    laptop.until(Status::Offline).await;
    phone.until(Status::Offline).await;
    scene.start_again().await;
    for device in [&laptop, &phone] {
        device.until_titles(&["by the laptop", "by the phone"]).await;
        device.until(Status::Live).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_and_comes_back_is_noticed_though_nothing_is_written() {
    let mut scene = Scene::new().await;
    let laptop = Running::over(scene.install("laptop").await);
    laptop.until(Status::Live).await;
    scene.stop().await;
    laptop.until(Status::Offline).await;
    scene.start_again().await;
    laptop.until(Status::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_compromise_it_waits_for_the_passphrase_and_then_goes_on() {
    let world = World::new().await;
    let laptop = Running::new(&world, "laptop").await;
    let phone = Running::new(&world, "phone").await;
    laptop.until(Status::Live).await;
    phone.until(Status::Live).await;
    laptop.installation.client.rotate_key(PASSPHRASE, Rotation::Compromise, |_| {}).await.unwrap();
    phone.run("INSERT INTO todos VALUES ('a', 'kept')");
    phone.until(Status::Blocked(Blocked::Passphrase)).await;
    phone.installation.client.setup_encryption_existing(PASSPHRASE).await.unwrap();
    phone.installation.replica.nudge();
    laptop.until_titles(&["kept"]).await;
    phone.until(Status::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_upload_and_a_first_download_tell_how_far_they_are() {
    let world = World::new().await;
    let laptop = Installation::new(&world, "laptop", TODOS, ["todos"]).await;
    laptop.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO todos SELECT i, 'title ' || i FROM n",
    );
    let phone = Installation::new(&world, "phone", TODOS, ["todos"]).await;
    for device in [laptop, phone] {
        let mut status = device.replica.status();
        let mut shown = Vec::new();
        let exchange = device.sync();
        tokio::pin!(exchange);
        loop {
            tokio::select! {
                biased;
                _ = status.changed() => shown.push(status.borrow_and_update().clone()),
                () = &mut exchange => break shown.push(status.borrow().clone()),
            }
        }
        let halfway =
            |status: &Status| matches!(status, Status::Syncing { done, total } if *done > 0 && done < total);
        assert!(shown.iter().any(halfway), "{shown:?}");
        assert!(matches!(shown.last(), Some(Status::Syncing { done, total }) if done == total), "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_detached_stops() {
    let world = World::new().await;
    let mut laptop = Running::new(&world, "laptop").await;
    laptop.until(Status::Live).await;
    laptop.installation.replica.detach().await.unwrap();
    laptop.run("INSERT INTO todos VALUES ('a', 'written after it was detached')");
    laptop.installation.replica.nudge();
    assert!(matches!((&mut laptop.task).await, Ok(ReplicaError::Detached)));
}
