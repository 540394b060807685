//! A server's database put back from a copy of its files: what was lost there comes back from the devices that have it.

use crate::replica::restart::Scene;
use crate::replica::setup::sync_all;

#[tokio::test]
async fn every_row_that_is_lost_there_is_sent_again_whoever_wrote_it() {
    let mut scene = Scene::new().await;
    let laptop = scene.install("laptop").await;
    let phone = scene.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('kept', 'before the copy'), ('gone', 'to be deleted')");
    sync_all(&[&laptop, &phone]).await;
    scene.copy().await;
    laptop.run(
        "INSERT INTO todos VALUES ('lost', 'written by the laptop'); DELETE FROM todos WHERE id = 'gone'",
    );
    phone.run("UPDATE todos SET title = 'changed by the phone' WHERE id = 'kept'");
    sync_all(&[&laptop, &phone, &laptop]).await;
    scene.put_back().await;
    // The laptop is lost, too: only the phone has what both wrote.
    drop(laptop);
    phone.sync().await;
    let tablet = scene.install("tablet").await;
    sync_all(&[&tablet, &phone]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(tablet.texts(all), ["kept: changed by the phone", "lost: written by the laptop"]);
    assert_eq!(phone.texts(all), tablet.texts(all));
    assert_eq!(phone.client.evidence(), []);
}

#[tokio::test]
async fn devices_that_all_send_again_what_was_lost_end_equal_and_newer_writes_count() {
    let mut scene = Scene::new().await;
    let laptop = scene.install("laptop").await;
    let phone = scene.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'first')");
    sync_all(&[&laptop, &phone]).await;
    scene.copy().await;
    laptop.run("UPDATE todos SET title = 'second'; INSERT INTO todos VALUES ('b', 'lost')");
    sync_all(&[&laptop, &phone]).await;
    scene.put_back().await;
    phone.run("UPDATE todos SET title = 'third' WHERE id = 'a'");
    sync_all(&[&laptop, &phone, &laptop]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(laptop.texts(all), ["a: third", "b: lost"]);
    assert_eq!(phone.texts(all), laptop.texts(all));
    assert_eq!(laptop.replica.unsent().await.unwrap() + phone.replica.unsent().await.unwrap(), 0);
}

#[tokio::test]
async fn an_apps_database_put_back_from_a_copy_gets_its_own_later_writes_back() {
    let scene = Scene::new().await;
    let mut laptop = scene.install("laptop").await;
    let phone = scene.install("phone").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'before the copy')");
    sync_all(&[&laptop, &phone]).await;
    let copy = laptop.copy_database();
    laptop.run(
        "INSERT INTO todos VALUES ('b', 'after the copy'); UPDATE todos SET title = 'changed' WHERE id = 'a'",
    );
    laptop.sync().await;
    laptop.put_back(&copy, ["todos"]);
    laptop.run("INSERT INTO todos VALUES ('c', 'in the copy')");
    sync_all(&[&laptop, &phone]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(laptop.texts(all), ["a: changed", "b: after the copy", "c: in the copy"]);
    assert_eq!(phone.texts(all), laptop.texts(all));
    let report = phone.client.verify(phone.device.id).await.unwrap();
    assert_eq!((report.evidence, phone.client.evidence()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_app_and_a_server_that_are_both_put_back_end_equal() {
    let mut scene = Scene::new().await;
    let mut phone = scene.install("phone").await;
    let laptop = scene.install("laptop").await;
    laptop.run("INSERT INTO todos VALUES ('a', 'kept')");
    sync_all(&[&laptop, &phone]).await;
    scene.copy().await;
    for title in ["soon lost", "lost"] {
        // So that the lost history is longer than the one to come.
        laptop.run(&format!(
            "INSERT OR REPLACE INTO todos VALUES ('b', '{title}'), ('c', '{title}'), ('d', '{title}')"
        ));
        sync_all(&[&laptop, &phone]).await;
    }
    let copy = phone.copy_database();
    scene.put_back().await;
    drop(laptop);
    let tablet = scene.install("tablet").await;
    tablet.run("INSERT INTO todos VALUES ('e', 'new')");
    sync_all(&[&tablet, &phone]).await;
    // The server has given 'e' to the phone by now, which forgets it again.
    phone.put_back(&copy, ["todos"]);
    sync_all(&[&phone, &tablet]).await;
    let all = "SELECT id || ': ' || title FROM todos ORDER BY id";
    assert_eq!(phone.texts(all), ["a: kept", "b: lost", "c: lost", "d: lost", "e: new"]);
    assert_eq!(tablet.texts(all), phone.texts(all));
    assert_eq!(phone.client.evidence(), []);
}
