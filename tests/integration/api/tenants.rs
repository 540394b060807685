//! Two users and two apps on one server: isolation, and resources of others look as if they did not exist.

use serde_json::{Value, json};

use tidelog_test_kit::{Caller, Server, change, changes, fresh_id};

/// A request about a device and a batch; returns status and body.
type Attempt = fn(&Caller, &str, &str) -> (u16, String);

/// Returns callers for every pair of two users and two apps.
fn four_tenants(server: &Server) -> Vec<Caller> {
    let apps = [server.new_app("Notes"), server.new_app("Tasks")];
    let users = [server.new_user("ada@example.org"), server.new_user("bob@example.org")];
    apps.iter().flat_map(|app| users.iter().map(|user| server.sign_in(user, app))).collect()
}

#[test]
fn every_tenant_sees_only_its_own_changes_devices_keys_and_counts() {
    let server = Server::start();
    let tenants = four_tenants(&server);
    let mut devices = Vec::new();
    for (number, tenant) in tenants.iter().enumerate() {
        let device = tenant.device("Laptop");
        tenant.push(&device, changes(&format!("canary-{number}"), number + 1));
        tenant.put("/api/sync/keys", &json!({"encrypted_key": format!("a2V{number}")})).ok();
        devices.push(device);
    }
    for (number, tenant) in tenants.iter().enumerate() {
        let everything = json!([
            tenant.pull_everything(&devices[number]),
            tenant.get("/api/sync/devices").ok(),
            tenant.get("/api/sync/keys").ok(),
        ])
        .to_string();
        assert_eq!(everything.matches("canary-").count(), number + 1);
        for other in (0..tenants.len()).filter(|other| *other != number) {
            for trace in [format!("canary-{other}"), devices[other].clone(), format!("a2V{other}")] {
                assert!(!everything.contains(&trace), "tenant {number} sees {trace}");
            }
        }
        let status = tenant.get("/api/sync/status").ok();
        assert_eq!(
            (status["total_changes"].as_u64(), status["devices"].as_u64()),
            (Some(number as u64 + 1), Some(1))
        );
    }
}

#[test]
fn a_device_of_another_user_is_answered_like_an_unknown_one() {
    let server = Server::start();
    let tenants = four_tenants(&server);
    let owner = &tenants[0];
    let foreign = owner.device("Laptop");
    owner.push(&foreign, vec![change("mine")]);
    let removed = owner.device("Old");
    let unknown = fresh_id();
    let batch = fresh_id();
    let attempts: [Attempt; 3] = [
        |caller, device, _| shape(&caller.post("/api/sync/pull", &json!({"device_id": device}))),
        |caller, device, batch| {
            let body = json!({"device_id": device, "batch_id": batch, "changes": [change("theirs")]});
            shape(&caller.post("/api/sync/push", &body))
        },
        |caller, device, _| shape(&caller.delete(&format!("/api/sync/devices/{device}"))),
    ];
    for stranger in &tenants[1..] {
        for attempt in &attempts {
            let to_unknown = attempt(stranger, &unknown, &batch);
            assert_eq!(to_unknown.0, 404);
            assert_eq!(attempt(stranger, &foreign, &batch), to_unknown);
            assert_eq!(attempt(stranger, &removed, &batch), to_unknown);
        }
    }
    assert_eq!(owner.total_changes(), 1);
    assert_eq!(owner.get("/api/sync/devices").ok().as_array().map(Vec::len), Some(2));
}

#[test]
fn a_removed_device_is_unknown_to_other_users() {
    let server = Server::start();
    let (app, ada) = (server.new_app("Notes"), server.new_user("ada@example.org"));
    let (using, removing) = (server.sign_in(&ada, &app), server.sign_in(&ada, &app));
    let stranger = server.sign_in(&server.new_user("bob@example.org"), &app);
    let device = using.device("Laptop");
    removing.delete(&format!("/api/sync/devices/{device}")).expect(204);
    let pull = |caller: &Caller, device: &str| caller.post("/api/sync/pull", &json!({"device_id": device}));
    pull(&removing, &device).expect_error(403, "device_revoked");
    assert_eq!(shape(&pull(&stranger, &device)), shape(&pull(&stranger, &fresh_id())));
}

#[test]
fn a_batch_id_belongs_to_one_log() {
    let server = Server::start();
    let batch = fresh_id();
    for (number, tenant) in four_tenants(&server).iter().enumerate() {
        let device = tenant.device("Laptop");
        let push = |row: &str| {
            let body = json!({"device_id": device, "batch_id": batch, "changes": [change(row)]});
            tenant.post("/api/sync/push", &body)
        };
        push(&format!("row-{number}")).ok();
        push("other content").expect_error(409, "batch_id_reused");
        assert_eq!(tenant.total_changes(), 1);
    }
}

#[test]
fn a_cursor_of_another_log_opens_nothing() {
    let server = Server::start();
    let tenants = four_tenants(&server);
    let writer = tenants[1].device("Writer");
    let foreign: Value = tenants[1].push(&writer, changes("canary", 5));
    let device = tenants[0].device("Laptop");
    let page = tenants[0].post("/api/sync/pull", &json!({"device_id": device, "cursor": foreign})).ok();
    assert_eq!(page["changes"], json!([]));
}

fn shape(response: &tidelog_test_kit::ApiResponse) -> (u16, String) {
    (response.status, response.text())
}
