//! The export: an archive that tar can unpack, with all of the user's data.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use tidelog_test_kit::{Caller, SeededRng, Server, change, changes, hash_of};

const EXPORT: &str = "/api/sync/export";

/// An archive unpacked with tar.
struct UnpackedExport {
    folder: TempDir,
    names: Vec<String>,
}

impl UnpackedExport {
    fn from(archive: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tar = Command::new("tar")
            .args(["-x", "-v", "-f", "-", "-C"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tar program");
        let mut stdin = tar.stdin.take().expect("its input is a pipe");
        let archive = archive.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&archive)));
        let output = tar.wait_with_output().expect("it ends");
        writer.join().expect("it is written");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).expect("names");
        Self { folder, names: listed.lines().map(str::to_owned).collect() }
    }

    fn of(caller: &Caller) -> Self {
        let response = caller.get(EXPORT);
        assert_eq!(response.header("content-type"), "application/x-tar");
        assert!(response.header("content-disposition").starts_with("attachment"));
        Self::from(&response.expect_bytes(200))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).expect("a file")).expect("JSON")
    }

    /// Returns all files of a folder, concatenated.
    fn all(&self, folder: &str) -> Vec<u8> {
        let mut files: Vec<_> = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries.map(|entry| entry.expect("an entry").path()).collect(),
            Err(_) => Vec::new(),
        };
        files.sort();
        files.iter().flat_map(|path: &PathBuf| fs::read(path).expect("a file")).collect()
    }

    fn lines(&self, folder: &str) -> Vec<Value> {
        let text = String::from_utf8(self.all(folder)).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn put_key(me: &Caller) {
    me.put("/api/sync/keys", &json!({"encrypted_key": "c2VhbGVkIGtleQ=="})).ok();
}

#[test]
fn an_export_holds_everything_of_the_user_in_the_app_and_nothing_else() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let me = server.sign_in(&user, &app);
    let stranger = server.sign_in(&server.new_user("bob@example.org"), &app);
    put_key(&me);
    let (laptop, phone) = (me.device("Laptop"), me.device("Phone"));
    me.push(&laptop, changes("laptop", 500));
    me.push(&phone, changes("phone", 3));
    me.push(
        &laptop,
        vec![json!({"table": "notes", "op": "DELETE", "row_id": "x", "timestamp": "2026-01-01T00:00:00Z"})],
    );
    let theirs = stranger.device("Theirs");
    stranger.push(&theirs, vec![change("theirs")]);
    stranger.put_blob(b"their blob");
    me.delete(&format!("/api/sync/devices/{phone}")).expect(204);
    let me = server.sign_in(&user, &app);
    let mut rng = SeededRng::new(7);
    let contents = [b"".to_vec(), rng.bytes(1), rng.bytes(512), rng.bytes(400_000)];
    let hashes: BTreeMap<String, &Vec<u8>> =
        contents.iter().map(|bytes| (me.put_blob(bytes), bytes)).collect();

    let archive = UnpackedExport::of(&me);
    let (first, last) = (archive.names.first(), archive.names.last());
    assert_eq!(
        (first.map(String::as_str), last.map(String::as_str)),
        (Some("manifest.json"), Some("complete.json"))
    );
    let manifest = archive.json("manifest.json");
    assert_eq!((&manifest["format"], &manifest["version"]), (&json!("tidelog-export"), &json!(1)));
    assert_eq!(manifest["app"], json!({"id": app.id, "name": "Notes"}));
    assert_eq!(manifest["user"], json!({"id": user.id, "email": "ada@example.org"}));
    let devices = manifest["devices"].as_array().expect("devices");
    let names: Vec<_> =
        devices.iter().map(|device| (&device["device_name"], device["removed_at"].is_null())).collect();
    assert_eq!(names, [(&json!("Laptop"), true), (&json!("Phone"), false)]);
    assert_eq!(archive.json("keys.json")["current"]["encrypted_key"], "c2VhbGVkIGtleQ==");

    let pulled = me.pull_everything(&laptop);
    assert_eq!(pulled.len(), 504);
    assert_eq!(archive.lines("changes"), pulled);
    let listed = me.get("/api/sync/blobs").ok()["blobs"].clone();
    let kept: Vec<_> = archive.lines("blob-list").iter().map(|blob| blob["hash"].clone()).collect();
    assert_eq!(kept.len(), hashes.len());
    assert!(listed.as_array().expect("a list").iter().all(|blob| kept.contains(&blob["hash"])));
    for (hash, content) in &hashes {
        assert_eq!(&fs::read(archive.path(&format!("blobs/{hash}"))).expect("a blob"), *content);
    }

    let complete = archive.json("complete.json");
    let bytes: usize = contents.iter().map(Vec::len).sum();
    assert_eq!(complete["complete"], true);
    assert_eq!((&complete["changes"], &complete["blobs"]), (&json!(504), &json!(4)));
    assert_eq!((&complete["blob_bytes"], &complete["missing_blobs"]), (&json!(bytes), &json!([])));
    assert_eq!(complete["changes_sha256"], hash_of(&archive.all("changes")));
    assert_eq!(complete["blobs_sha256"], hash_of(&archive.all("blobs")));
    let all = String::from_utf8_lossy(&me.get(EXPORT).body).into_owned();
    assert!(!all.contains("theirs") && !all.contains("their blob"));
}

#[test]
fn an_empty_vault_exports_as_a_valid_archive() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let archive = UnpackedExport::of(&me);
    assert_eq!(archive.names, ["manifest.json", "keys.json", "complete.json"]);
    assert_eq!(archive.json("keys.json"), json!({"current": null, "pending": null}));
    assert_eq!(archive.json("complete.json")["changes"], 0);
}

#[test]
fn a_large_log_is_split_into_several_files() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let device = me.device("Laptop");
    let big = |number: usize| {
        let mut big = change(&format!("big-{number}"));
        big["data"] = "~".repeat(900_000).into();
        big
    };
    for number in 0..10 {
        me.push(&device, vec![big(number)]);
    }
    let archive = UnpackedExport::of(&me);
    let complete = archive.json("complete.json");
    assert_eq!(complete["changes"], 10);
    assert!(complete["change_files"].as_u64().is_some_and(|files| files >= 2), "{complete}");
    assert_eq!(archive.lines("changes"), me.pull_everything(&device));
    assert_eq!(complete["changes_sha256"], hash_of(&archive.all("changes")));
}

#[test]
fn an_export_holds_the_keys_of_a_running_rotation() {
    let server = Server::start();
    let me = server.signed_in_caller();
    put_key(&me);
    let device = me.device("Laptop");
    me.push(&device, vec![change("1"), change("2")]);
    me.post("/api/sync/keys/rotate/begin", &json!({"new_encrypted_key": "YW5vdGhlciBrZXk="})).ok();
    let archive = UnpackedExport::of(&me);
    let keys = archive.json("keys.json");
    assert_eq!((&keys["current"]["key_version"], &keys["pending"]["key_version"]), (&json!(1), &json!(2)));
    assert_eq!(keys["pending"]["encrypted_key"], "YW5vdGhlciBrZXk=");
}

#[test]
fn a_lost_blob_is_listed_and_the_rest_is_exported() {
    let server = Server::start();
    let me = server.signed_in_caller();
    let lost = me.put_blob(b"lost");
    let object = server.objects().remove(0);
    me.put_blob(b"kept");
    fs::remove_file(server.data().join("blobs").join(&object)).expect("an object");
    let archive = UnpackedExport::of(&me);
    let complete = archive.json("complete.json");
    assert_eq!((&complete["blobs"], &complete["missing_blobs"]), (&json!(1), &json!([lost])));
    assert!(!Path::exists(&archive.path(&format!("blobs/{lost}"))));
    assert_eq!(archive.all("blobs"), b"kept");
}

#[test]
fn a_stalled_export_blocks_nobody_and_ends_with_its_session() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let me = server.sign_in(&user, &app);
    let device = me.device("Laptop");
    for number in 0..40 {
        let mut big = change(&format!("big-{number}"));
        big["data"] = "~".repeat(900_000).into();
        me.push(&device, vec![big]);
    }
    let address = server.url().replace("http://", "");
    let begin = |caller: &Caller| {
        let mut stream = TcpStream::connect(&address).expect("the server listens");
        let token = caller.token();
        write!(stream, "GET {EXPORT} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n")
            .expect("sent");
        let mut start = [0; 512];
        stream.read_exact(&mut start).expect("it begins");
        stream
    };
    let stalled: Vec<_> = (0..6).map(|_| begin(&me)).collect();
    me.push(&device, vec![change("meanwhile")]);
    assert_eq!(me.pull_everything(&device).len(), 41);
    let whole = UnpackedExport::of(&me);
    assert_eq!(whole.json("complete.json")["changes"], 41);

    let mut others = begin(&server.sign_in(&user, &app));
    for session in server.cli().run(&["session", "list"]).json().as_array().expect("sessions") {
        server.cli().run(&["session", "revoke", session["session_id"].as_str().expect("an id")]).json();
    }
    let mut rest = Vec::new();
    let _ = others.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("complete.json"));
    drop(stalled);
}

#[test]
fn the_audit_log_records_an_export() {
    let server = Server::start();
    let me = server.signed_in_caller();
    me.get(EXPORT).expect_bytes(200);
    let newest = server.cli().run(&["audit", "--limit", "1"]).json();
    assert_eq!(newest[0]["action"], "data_exported");
    server.anonymous().get(EXPORT).expect_error(401, "unauthenticated");
}

#[test]
fn an_account_export_holds_all_apps_of_the_user_and_nothing_of_others() {
    let server = Server::start();
    let (notes, tasks) = (server.new_app("Notes"), server.new_app("Tasks"));
    let (ada, bob) = (server.new_user("ada@example.org"), server.new_user("bob@example.org"));
    for (user, app, rows) in [(&ada, &notes, 3), (&ada, &tasks, 2), (&bob, &notes, 5)] {
        let caller = server.sign_in(user, app);
        let device = caller.device("Laptop");
        caller.push(&device, changes("row", rows));
        caller.put_blob(format!("{} in {}", user.email, app.name).as_bytes());
    }
    let body = json!({"email": ada.email, "password": tidelog_test_kit::PASSWORD});
    let token = server.anonymous().post("/api/account/token", &body).ok()["token"].clone();
    let account = server.bearer(token.as_str().expect("a token"));
    let by_token = UnpackedExport::from(&account.get("/api/account/export").expect_bytes(200));
    let tab = server.tab();
    let page = tab.open("/account");
    tab.send(&page, &[("email", &ada.email), ("password", tidelog_test_kit::PASSWORD)]).expect(303);
    let by_page = UnpackedExport::from(&tab.download("/account/export"));
    for archive in [&by_token, &by_page] {
        let about = archive.json("account.json");
        assert_eq!((&about["user_id"], &about["apps"]), (&json!(ada.id), &json!(2)));
        for (folder, app, rows) in [("app-1", &notes, 3), ("app-2", &tasks, 2)] {
            assert_eq!(archive.json(&format!("{folder}/manifest.json"))["app"]["id"], json!(app.id));
            assert_eq!(archive.lines(&format!("{folder}/changes")).len(), rows);
            assert_eq!(
                archive.all(&format!("{folder}/blobs")),
                format!("ada@example.org in {}", app.name).as_bytes()
            );
            assert_eq!(archive.json(&format!("{folder}/complete.json"))["complete"], true);
        }
        assert!(!archive.path("app-3").exists());
    }
    let audited = server.cli().run(&["audit", "--user", "ada@example.org"]).json();
    let exports =
        audited.as_array().expect("rows").iter().filter(|row| row["action"] == "data_exported").count();
    assert_eq!(exports, 4);
}
