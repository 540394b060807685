//! Taking in what others changed: for each path the newest row of the log, against what lies here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tidelog_client::{BlobRef, PullFilter};

use crate::bar::Bar;
use crate::row::{FileRow, Row, TABLE};
use crate::state::Known;
use crate::tree::check;
use crate::{Folder, Result};

/// Hexadecimal digits of a file's hash in the name under which it is kept beside another one: all devices give it the same name.
const SHOWN_DIGITS: usize = 8;

/// What the log says about a path since the last time.
struct News {
    newest: Row,
    /// All that some writer knew when it wrote.
    known: BTreeSet<Option<String>>,
}

/// What lies at a path, compared with the last time.
enum Here {
    Nothing,
    Same,
    /// Also a file that was not there.
    Changed,
}

impl Folder {
    /// Pulls and applies; gives the paths that could not be settled.
    pub(crate) async fn take_in(&mut self) -> Result<BTreeSet<String>> {
        let (news, cursor) = self.pull().await?;
        let mut unsettled = BTreeSet::new();
        for (path, news) in news {
            if let Err(error) = self.settle(&path, &news).await {
                self.problems.push(format!("{path}: {error}"));
                unsettled.insert(path);
            }
        }
        if unsettled.is_empty() {
            self.state.cursor = cursor;
        }
        self.state.save(&self.tree)?;
        Ok(unsettled)
    }

    /// All that the log has since the last time, this device's own entries among it: what counts is their order.
    async fn pull(&mut self) -> Result<(BTreeMap<String, News>, tidelog_client::Cursor)> {
        let (mut news, mut cursor) = (BTreeMap::<String, News>::new(), self.state.cursor);
        loop {
            let filter = PullFilter { include_own: Some(true), ..PullFilter::default() };
            let page = self.account.client.pull_page(self.account.device, cursor, filter).await?;
            for entry in page.changes.into_iter().map(|change| change.entry).filter(|it| it.table == TABLE) {
                let Some(row) = Row::of(&entry) else { continue };
                if let Err(reason) = check(&entry.row_id) {
                    self.problems.push(format!("{}: {reason}", entry.row_id.escape_debug()));
                    continue;
                }
                let known = row.was.clone();
                let of_path = news.entry(entry.row_id);
                let of_path = of_path.or_insert_with(|| News { newest: row.clone(), known: BTreeSet::new() });
                of_path.newest = row;
                of_path.known.insert(known);
            }
            let apart = page.quarantined.len();
            if apart > 0 {
                self.problems.push(format!("{apart} entries of the log cannot be trusted and were left out"));
            }
            cursor = page.cursor;
            if !page.has_more {
                return Ok((news, cursor));
            }
        }
    }

    async fn settle(&mut self, path: &str, news: &News) -> Result<()> {
        let known = self.state.hash_of(path).map(str::to_owned);
        let file = news.newest.file.as_ref();
        if file.map(|file| &file.hash) == known.as_ref() {
            return Ok(());
        }
        let was_seen = known.is_none() || news.known.contains(&known);
        match (self.here(path)?, file) {
            (Here::Nothing, None) => drop(self.state.files.remove(path)),
            (Here::Same, None) if was_seen => {
                self.tree.remove(path)?;
                self.state.files.remove(path);
                Bar::of(path).end("deleted");
            }
            // Whoever deleted it had not seen what lies here: it is sent again, as a new file.
            (Here::Same | Here::Changed, None) => drop(self.state.files.remove(path)),
            (Here::Nothing, Some(file)) => self.fetch(path, file).await?,
            (Here::Same, Some(file)) => {
                if let Some(hash) = known.filter(|_| !was_seen) {
                    self.keep_beside(path, &hash)?;
                }
                self.fetch(path, file).await?;
            }
            (Here::Changed, Some(file)) => self.settle_conflict(path, file).await?,
        }
        Ok(())
    }

    /// What lies here changed, and so did the log.
    async fn settle_conflict(&mut self, path: &str, file: &FileRow) -> Result<()> {
        let look = self.tree.look(path)?;
        let ours = self.put(path).await?;
        let look = look.filter(|look| look.size == ours.size);
        if let (true, Some(look)) = (ours.hash == file.hash, look) {
            self.state.files.insert(path.to_owned(), Known { hash: ours.hash, look });
            return Ok(());
        }
        self.keep_beside(path, &ours.hash)?;
        self.fetch(path, file).await
    }

    fn here(&self, path: &str) -> Result<Here> {
        let before = self.state.files.get(path).map(|known| known.look);
        Ok(match self.tree.look(path)? {
            None => Here::Nothing,
            look if look == before => Here::Same,
            Some(_) => Here::Changed,
        })
    }

    async fn fetch(&mut self, path: &str, file: &FileRow) -> Result<()> {
        let bar = Bar::of(path);
        let incoming = self.tree.begin()?;
        let writer = tokio::fs::File::from_std(incoming.try_clone()?);
        self.account.client.get_blob_into(&file.hash, writer, |progress| bar.show(progress)).await?;
        let look = self.tree.keep(&incoming, path, file.modified)?;
        self.state.files.insert(path.to_owned(), Known { hash: file.hash.clone(), look });
        bar.end("received");
        Ok(())
    }

    /// Gives what lies here another name, under which it is sent as a new file.
    fn keep_beside(&mut self, path: &str, hash: &str) -> Result<()> {
        let shown = hash.get(..SHOWN_DIGITS).unwrap_or(hash);
        let mut beside = name_beside(path, shown);
        let mut number = 2;
        while self.tree.look(&beside)?.is_some() && self.state.hash_of(&beside) != Some(hash) {
            beside = name_beside(path, &format!("{shown} {number}"));
            number += 1;
        }
        self.tree.rename(path, &beside)?;
        self.state.files.remove(path);
        Bar::of(&beside).end("kept");
        Ok(())
    }

    /// Sends what lies at a path, whatever the log says.
    pub(crate) async fn put(&self, path: &str) -> Result<BlobRef> {
        let bar = Bar::of(path);
        let blob = self.account.client.put_blob(self.tree.read(path)?, |progress| bar.show(progress)).await?;
        bar.end("sent");
        Ok(blob)
    }
}

/// `a/b.txt` gives `a/b (conflict 1a2b3c4d).txt`.
fn name_beside(path: &str, mark: &str) -> String {
    let extension = Path::new(path).extension().and_then(|it| it.to_str());
    match extension.and_then(|extension| Some((path.strip_suffix(extension)?.strip_suffix('.')?, extension)))
    {
        Some((stem, extension)) => format!("{stem} (conflict {mark}).{extension}"),
        None => format!("{path} (conflict {mark})"),
    }
}
