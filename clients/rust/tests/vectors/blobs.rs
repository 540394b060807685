//! Blobs and their keys, with every intermediate value.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidelog_client::formats::blob::{BlobHash, file_key, unwrap_file_key, wrap_ad, wrap_file_key_with};
use tidelog_client::formats::blob_once::{once_ad, once_nonce, seal_once};
use tidelog_client::formats::blob_stream::{BlobHeader, HEADER_BYTES, SEALED_CHUNK_BYTES};
use tidelog_client::formats::{BlobError, TAG_BYTES, Vault, open_blob, seal_stream};

use crate::case::{CaseInput, CaseResult, hex, secret_json};

/// Blobs up to this many bytes are in the vectors as a whole.
const SHOWN_BYTES: usize = 4096;

pub(crate) fn blob(operation: &str, given: &CaseInput<'_>) -> CaseResult {
    match operation {
        "file_key" => Ok(keys_of(given)),
        "wrap" => Ok(wrap(given)),
        "unwrap" => unwrap(given).map_err(BlobError::code),
        "seal_once" => Ok(once(given)),
        "seal_stream" => stream(given).map_err(BlobError::code),
        _ => open(given).map_err(BlobError::code),
    }
}

/// A content is `of` repeated, up to `size` bytes.
fn content(given: &CaseInput<'_>) -> Vec<u8> {
    let (pattern, size) = (given.bytes("of"), given.number("size"));
    pattern.into_iter().cycle().take(size).collect()
}

fn keys_of(given: &CaseInput<'_>) -> Value {
    let hash = Sha256::digest(content(&given.at("content"))).into();
    json!({"plaintext_hash": hex(hash), "file_key": secret_json(&file_key(&given.secret("blob_root"), &hash))})
}

fn wrap(given: &CaseInput<'_>) -> Value {
    let (vault, name) = (given.at("vault").vault(), BlobHash(given.array("name")));
    let wrapped = wrap_file_key_with(&vault, &name, &given.secret("file_key"), given.array("nonce"));
    let ad = wrap_ad(&vault, vault.key_version(), &name);
    json!({"key_version": vault.key_version(), "ad": hex(ad), "wrapped_key": hex(wrapped)})
}

fn unwrap(given: &CaseInput<'_>) -> Result<Value, BlobError> {
    let (vault, name) = (given.at("vault").vault(), BlobHash(given.array("name")));
    let key = unwrap_file_key(&vault, given.number("key_version"), &name, &given.bytes("wrapped_key"))?;
    Ok(json!({"file_key": secret_json(&key)}))
}

fn once(given: &CaseInput<'_>) -> Value {
    let vault = given.at("vault").vault();
    let (key, sealed) = seal_once(&vault, &content(&given.at("content")));
    json!({
        "file_key": secret_json(&key),
        "nonce": hex(once_nonce(&key)),
        "ad": hex(once_ad(&vault)),
        "sealed": hex(&sealed),
        "name": hex(BlobHash::of(&sealed).0),
    })
}

fn stream(given: &CaseInput<'_>) -> Result<Value, BlobError> {
    let (vault, content) = (given.at("vault").vault(), content(&given.at("content")));
    let header = BlobHeader::new(content.len() as u64)?;
    let (key, sealed) = seal_stream(&vault, &content)?;
    assert_eq!(header.sealed_length(), sealed.len() as u64);
    let chunks: Vec<_> = sealed[HEADER_BYTES..].chunks(SEALED_CHUNK_BYTES).enumerate().collect();
    let last = chunks.len() - 1;
    let shown_chunk = |(number, chunk): &(usize, &[u8])| {
        json!({
            "nonce": hex(nonce(u32::try_from(*number).unwrap(), *number == last)),
            "size": chunk.len(),
            "hash": hex(Sha256::digest(chunk)),
            "tag": hex(&chunk[chunk.len() - TAG_BYTES..]),
        })
    };
    let mut shown = json!({
        "file_key": secret_json(&key),
        "header": hex(header.encode()),
        "stream_key": secret_json(&header.stream_key(&key, &vault.vault_id())),
        "chunks": chunks.iter().map(shown_chunk).collect::<Vec<_>>(),
        "size": sealed.len(),
        "name": hex(BlobHash::of(&sealed).0),
    });
    if sealed.len() <= SHOWN_BYTES {
        shown["sealed"] = hex(&sealed).into();
    }
    Ok(shown)
}

/// The nonce of a chunk, to find where two implementations differ; in the SDK a crate computes it.
fn nonce(number: u32, is_last: bool) -> Vec<u8> {
    [&[0; 19][..], &number.to_be_bytes(), &[u8::from(is_last)]].concat()
}

/// The bytes to open: `pieces` are hex, or [from, to] of what sealing the content in chunks gives.
fn sealed(vault: &Vault, given: &CaseInput<'_>) -> Vec<u8> {
    let (_, whole) = seal_stream(vault, &content(&given.at("content"))).unwrap();
    let piece = |piece: CaseInput<'_>| match piece.0 {
        Value::String(text) => data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap(),
        range => {
            let [from, to] = [0, 1].map(|at| usize::try_from(range[at].as_u64().unwrap()).unwrap());
            whole[from..to].to_vec()
        }
    };
    given.at("pieces").each().flat_map(piece).collect()
}

fn open(given: &CaseInput<'_>) -> Result<Value, BlobError> {
    let vault = given.at("vault").vault();
    let sealed = sealed(&vault, &given.at("sealed"));
    let name = BlobHash(given.array("name"));
    let opened = open_blob(Arc::new(vault), given.secret("file_key"), name, &sealed)?;
    Ok(json!({"size": opened.len(), "plaintext_hash": hex(Sha256::digest(opened.as_slice()))}))
}
