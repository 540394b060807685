//! Replicas that are kept live: nobody calls anything, and what is written on one is on the other.

use std::sync::Arc;

use tidelog_client::replica::{ReplicaError, Status};
use tokio::task::JoinHandle;

use crate::setup::Installation;
use crate::support::World;

const TODOS: &str = "CREATE TABLE todos (id TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT;";

/// An installation whose replica runs in the background.
struct Running {
    installation: Arc<Installation>,
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
        Self { installation: Arc::new(installation), task }
    }

    async fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.installation.replica.status();
        status.wait_for(|status| wanted(status)).await.unwrap().clone()
    }

    /// Until the app sees this in its table, by reading it again and again.
    async fn until_titles(&self, titles: &[&str]) {
        while self.installation.texts("SELECT title FROM todos ORDER BY id") != titles {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_live(status: &Status) -> bool {
    *status == Status::Live
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_on_one_device_appears_on_the_other() {
    let world = World::new().await;
    let laptop = Running::new(&world, "laptop").await;
    let phone = Running::new(&world, "phone").await;
    laptop.until(is_live).await;
    phone.until(is_live).await;
    laptop.installation.run("INSERT INTO todos VALUES ('a', 'milk')");
    phone.until_titles(&["milk"]).await;
    phone.installation.run("UPDATE todos SET title = 'oat milk'; INSERT INTO todos VALUES ('b', 'tea')");
    laptop.until_titles(&["oat milk", "tea"]).await;
}
