//! Filling a database before it is served: users, long logs to pull, and a past of any length.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::account::Account;
use crate::cases::{MOST_CLIENTS, PAGE, PULLED_LOGS};
use crate::library::{self, Library, Member};
use crate::server::{Binary, Server};
use crate::{Result, operator};

/// Operations under way at once, so that the writer can group them.
const IN_FLIGHT: usize = 256;
/// Changes in a batch of the past, at most.
const BATCH: usize = 100;
/// How often to tell how far it is.
const TELL: Duration = Duration::from_secs(2);

/// What a database is to hold.
pub(crate) struct Plan<'a> {
    /// The program whose database it is.
    pub(crate) binary: &'a Binary,
    /// Its folder.
    pub(crate) data: &'a Path,
    /// Changes of the past to add.
    pub(crate) changes: usize,
    /// Users whose past it is.
    pub(crate) users: usize,
    /// Changes in each log that is to be pulled. 0: none is.
    pub(crate) pull_log: usize,
}

/// Address of the user of one pushing client: with a past, one of those who have it.
pub(crate) fn pusher(client: usize, users: usize) -> String {
    match users {
        0 => format!("load-{client}@example.com"),
        users => past_user(client * users / MOST_CLIENTS),
    }
}

fn past_user(user: usize) -> String {
    format!("seed-{user}@example.com")
}

/// Address of the user whose log one pulling client pulls.
pub(crate) fn pulled(client: usize) -> String {
    format!("pull-{client}@example.com")
}

/// Makes it so, and tells the rows of the logs that are to be pulled, if this program knows them.
pub(crate) fn prepare(plan: &Plan<'_>) -> Result<Vec<i64>> {
    if plan.binary.seed_by_push {
        return push_all(plan).map(|()| Vec::new());
    }
    library::wait_for(async {
        let library = Library::open(plan.data).await?;
        past(&library, plan.changes, plan.users).await?;
        let make = library.clone();
        at_once(MOST_CLIENTS, "users", move |client| {
            let library = make.clone();
            async move { library.create_user(&pusher(client, 0)).await }
        })
        .await?;
        library.close().await
    })?;
    if plan.pull_log > 0 { logs_to_pull(plan.data, plan.pull_log) } else { Ok(Vec::new()) }
}

/// Fills the logs that are to be pulled in the database of this folder, by the library of this source, and tells
/// their rows.
pub(crate) fn logs_to_pull(data: &Path, length: usize) -> Result<Vec<i64>> {
    library::wait_for(async {
        let library = Library::open(data).await?;
        let members = members(&library, PULLED_LOGS, pulled).await?;
        // All of them are filled in step, so the first tells how far a former run came.
        let missing = length.saturating_sub(library.count_changes(&members[0]).await?);
        push_in_turn(&library, members.clone(), missing.div_ceil(PAGE) * PULLED_LOGS, PAGE).await?;
        library.close().await?;
        Ok(members.iter().map(Member::log).collect())
    })
}

/// The same by a server's own means.
fn push_all(plan: &Plan<'_>) -> Result<()> {
    let past_users = if plan.changes > 0 { plan.users.clamp(1, plan.changes) } else { 0 };
    let past: Vec<_> = (0..past_users).map(past_user).collect();
    let pulled: Vec<_> = (0..if plan.pull_log > 0 { PULLED_LOGS } else { 0 }).map(pulled).collect();
    let pushers: Vec<_> = (0..MOST_CLIENTS).map(|client| pusher(client, 0)).collect();
    operator::create(&plan.binary.path, plan.data, &[past.clone(), pulled.clone(), pushers].concat())?;
    let server = Server::start(plan.binary, plan.data)?;
    for (emails, length, most) in
        [(past, plan.changes / past_users.max(1), BATCH), (pulled, plan.pull_log, PAGE)]
    {
        for email in emails {
            let account = Account::open_on(&server, &email, "Writer")?;
            let there =
                account.get("/api/sync/status")?["total_changes"].as_u64().ok_or("no count")? as usize;
            let missing = length.saturating_sub(there);
            account.push(missing.div_ceil(most), most.min(missing))?;
        }
    }
    Ok(())
}

/// Adds changes to the logs of this many users, who push in turn.
pub(crate) async fn past(library: &Library, changes: usize, users: usize) -> Result<()> {
    if changes == 0 {
        return Ok(());
    }
    let users = users.clamp(1, changes);
    let members = members(library, users, past_user).await?;
    let batch = BATCH.min(changes / users);
    push_in_turn(library, members, changes.div_ceil(batch), batch).await
}

async fn members(library: &Library, count: usize, email: fn(usize) -> String) -> Result<Arc<[Member]>> {
    let library = library.clone();
    let join = move |user| {
        let library = library.clone();
        async move { library.member(&email(user)).await }
    };
    Ok(at_once(count, "users", join).await?.into())
}

async fn push_in_turn(
    library: &Library,
    members: Arc<[Member]>,
    pushes: usize,
    changes: usize,
) -> Result<()> {
    let library = library.clone();
    let push = move |turn: usize| {
        let (library, members) = (library.clone(), members.clone());
        async move { library.push(&members[turn % members.len()], changes).await }
    };
    at_once(pushes, &format!("pushes of {changes}"), push).await.map(drop)
}

/// Does something `total` times, begun in order, many at once, and gives the results in order.
async fn at_once<T, F, W>(total: usize, what: &str, work: W) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    W: Fn(usize) -> F + Clone + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut hands = JoinSet::new();
    for _ in 0..IN_FLIGHT.min(total) {
        let (work, next) = (work.clone(), next.clone());
        hands.spawn(async move {
            let mut done = Vec::new();
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= total {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(done);
                }
                done.push((turn, work(turn).await?));
            }
        });
    }
    let telling = tell(what.to_owned(), next, total);
    let teller = tokio::spawn(telling);
    let mut results = Vec::new();
    while let Some(done) = hands.join_next().await {
        results.append(&mut done??);
    }
    teller.abort();
    results.sort_unstable_by_key(|(turn, _)| *turn);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

async fn tell(what: String, next: Arc<AtomicUsize>, total: usize) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(TELL).await;
        let begun = next.load(Ordering::Relaxed).min(total);
        eprintln!("  {what}: {begun} of {total}, {:.0}/s", begun as f64 / began.elapsed().as_secs_f64());
    }
}
