//! Databases that are restored from a copy: devices send again what the server has lost, and an app's database
//! catches up.

use crate::replica::restartable_server::RestartableServer;
use crate::replica::setup::sync_all;

#[tokio::test]
async fn every_row_that_the_server_has_lost_is_sent_again_whoever_wrote_it() {
    let mut server = RestartableServer::new().await;
    let laptop = server.install("laptop").await;
    let phone = server.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('kept', 'before the copy'), ('gone', 'to be deleted')");
    sync_all(&[&laptop, &phone]).await;
    server.copy().await;
    laptop.run(
        "INSERT INTO todos VALUES ('lost', 'written by the laptop'); DELETE FROM todos WHERE id = 'gone'",
    );
    phone.run("UPDATE todos SET title = 'changed by the phone' WHERE id = 'kept'");
    sync_all(&[&laptop, &phone, &laptop]).await;
    server.restore().await;
    // The laptop is lost as well: only the phone has what both have written.
    drop(laptop);
    phone.sync().await;
    let tablet = server.install("tablet").await;
    sync_all(&[&tablet, &phone]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(tablet.texts(all), ["kept: changed by the phone", "lost: written by the laptop"]);
    assert_eq!(phone.texts(all), tablet.texts(all));
    assert_eq!(phone.client.evidence(), []);
}

#[tokio::test]
async fn devices_that_all_send_lost_rows_again_end_up_equal_and_newer_writes_win() {
    let mut server = RestartableServer::new().await;
    let laptop = server.install("laptop").await;
    let phone = server.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'first')");
    sync_all(&[&laptop, &phone]).await;
    server.copy().await;
    laptop.run("UPDATE todos SET title = 'second'; INSERT INTO todos VALUES ('b', 'lost')");
    sync_all(&[&laptop, &phone]).await;
    server.restore().await;
    phone.run("UPDATE todos SET title = 'third' WHERE id = 'a'");
    sync_all(&[&laptop, &phone, &laptop]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(laptop.texts(all), ["a: third", "b: lost"]);
    assert_eq!(phone.texts(all), laptop.texts(all));
    assert_eq!(laptop.replica.unsent().await.unwrap() + phone.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn an_apps_database_restored_from_a_copy_gets_its_own_later_writes_back() {
    let server = RestartableServer::new().await;
    let mut laptop = server.install("laptop").await;
    let phone = server.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'before the copy')");
    sync_all(&[&laptop, &phone]).await;
    let copy = laptop.copy_database();
    laptop.run(
        "INSERT INTO todos VALUES ('b', 'after the copy'); UPDATE todos SET title = 'changed' WHERE id = 'a'",
    );
    laptop.sync().await;
    laptop.restore_database(&copy, ["todos"]);
    laptop.run("INSERT INTO todos VALUES ('c', 'in the restored database')");
    sync_all(&[&laptop, &phone]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(laptop.texts(all), ["a: changed", "b: after the copy", "c: in the restored database"]);
    assert_eq!(phone.texts(all), laptop.texts(all));
    let report = phone.client.verify(phone.device.id).await.unwrap();
    assert_eq!((report.evidence, phone.client.evidence()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_app_and_a_server_that_are_both_restored_end_up_equal() {
    let mut server = RestartableServer::new().await;
    let mut phone = server.install("phone").await;
    let laptop = server.install("laptop").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'kept')");
    sync_all(&[&laptop, &phone]).await;
    server.copy().await;
    for title in ["soon lost", "lost"] {
        // Makes the lost history longer than the one that follows.
        laptop.run(&format!(
            "INSERT OR REPLACE INTO todos VALUES ('b', '{title}'), ('c', '{title}'), ('d', '{title}')"
        ));
        sync_all(&[&laptop, &phone]).await;
    }
    let copy = phone.copy_database();
    server.restore().await;
    drop(laptop);
    let tablet = server.install("tablet").await;
    tablet.run("INSERT INTO todos VALUES ('e', 'new')");
    sync_all(&[&tablet, &phone]).await;
    // The server has already sent 'e' to the phone, which now forgets it.
    phone.restore_database(&copy, ["todos"]);
    sync_all(&[&phone, &tablet]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(phone.texts(all), ["a: kept", "b: lost", "c: lost", "d: lost", "e: new"]);
    assert_eq!(tablet.texts(all), phone.texts(all));
    assert_eq!(phone.client.evidence(), []);
}
