//! A client that does as little as it can: the three documented steps by HTTP, the kernel sends the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::PIECE;
use super::content::Content;
use crate::Result;
use crate::account::Account;

/// Asks where, sends, confirms.
pub(super) fn upload(account: &Account, path: &Path, content: &Content) -> Result<()> {
    let named = json!({ "hash": content.hash, "size_bytes": content.size });
    let answer = account.post("/api/sync/blobs/upload", &named)?;
    let mut file = File::open(path)?;
    let mut stream = begin(account, "PUT", &answer["upload_url"], Some(content.size))?;
    copy(&mut file, &mut stream)?;
    read_head(&mut BufReader::new(stream))?;
    account.post("/api/sync/blobs/confirm", &named).map(drop)
}

/// Asks where, fetches, hashes, writes, syncs.
pub(super) fn download(account: &Account, path: &Path, content: &Content) -> Result<()> {
    let answer = account.post("/api/sync/blobs/download", &json!({ "hash": content.hash }))?;
    let mut stream = BufReader::new(begin(account, "GET", &answer["download_url"], None)?);
    read_head(&mut stream)?;
    let (mut file, mut hasher, mut piece) = (File::create(path)?, Sha256::new(), vec![0; PIECE]);
    let mut left = content.size;
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
        let count = stream.read(&mut piece[..most])?;
        if count == 0 {
            return Err("a download was cut off".into());
        }
        hasher.update(&piece[..count]);
        file.write_all(&piece[..count])?;
        left -= count as u64;
    }
    content.compare_hash(hasher)?;
    Ok(file.sync_all()?)
}

fn begin(account: &Account, method: &str, url: &Value, length: Option<u64>) -> Result<TcpStream> {
    let address = &account.address;
    let origin = format!("http://{address}");
    let path =
        url.as_str().and_then(|url| url.strip_prefix(&origin)).ok_or("an address of another server")?;
    let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{length}\r\n")?;
    Ok(stream)
}

/// Reads the head of an answer, which must be a success.
fn read_head(stream: &mut impl BufRead) -> Result<()> {
    let mut status = String::new();
    stream.read_line(&mut status)?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the server answered {}", status.trim()).into());
    }
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(())
}
