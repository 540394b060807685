"""Blobs: the key of a file, its wrapping, and a file sealed whole or in chunks."""

import hashlib

from . import aead
from .fields import Reader, Refused, hkdf, hmac, le

MAGIC = b"TIDEBLB1"
HEADER = 20
CHUNK = 1 << 16
TAG = 16
MAX_CHUNKS = 2**32 - 1


def sha256(data):
    return hashlib.sha256(data).digest()


def file_key(blob_root, content):
    return hmac(blob_root, b"tidelog/blob/1" + sha256(content))


def wrap_ad(vault, version, name):
    return b"TLB1" + vault.vault_id + le(version, 4) + name


def wrap(vault, name, key, nonce):
    ad = wrap_ad(vault, vault.key_version, name)
    return nonce + aead.seal(vault.key(b"wrap"), nonce, ad, key)


def unwrap(vault, version, name, wrapped):
    if len(wrapped) != 72:
        raise Refused("truncated" if len(wrapped) < 72 else "trailing_bytes")
    key = vault.key(b"wrap", version)
    return aead.open_(key, wrapped[:24], wrap_ad(vault, version, name), wrapped[24:], "key_does_not_open")


def once_nonce(key):
    return hmac(key, b"nonce")[:24]


def once_ad(vault):
    return b"TLB0" + vault.vault_id


def seal_once(vault, content):
    key = file_key(vault.blob_root, content)
    return key, once_nonce(key) + aead.seal(key, once_nonce(key), once_ad(vault), content)


def header(length, magic=MAGIC, log2_chunk=16, zeros=bytes(3)):
    return magic + bytes([log2_chunk]) + zeros + le(length, 8)


def stream_key(vault, key, head):
    return hkdf(key, vault.vault_id, b"tidelog/blobfile/1" + head)


def chunk_nonce(number, is_last):
    return bytes(19) + number.to_bytes(4, "big") + bytes([is_last])


def count(length):
    return max(1, -(-length // CHUNK))


def seal_stream(vault, content):
    """The file's key, the header, the key of the chunks, and the chunks with their nonces."""
    key, head, last = file_key(vault.blob_root, content), header(len(content)), count(len(content)) - 1
    inner, chunks = stream_key(vault, key, head), []
    for number in range(last + 1):
        nonce = chunk_nonce(number, number == last)
        chunks.append((nonce, aead.seal(inner, nonce, b"", content[number * CHUNK : (number + 1) * CHUNK])))
    return key, head, inner, chunks


def read_header(reader):
    if reader.take(8) != MAGIC:
        raise Refused("unknown_form")
    if reader.number(1) != 16:
        raise Refused("chunk_size")
    if any(reader.take(3)):
        raise Refused("padding_not_zero")
    length = reader.number(8)
    if count(length) > MAX_CHUNKS:
        raise Refused("blob_length")
    return length


def opened_stream(vault, key, data):
    reader = Reader(data)
    length = read_header(reader)
    inner, left, content = stream_key(vault, key, data[:HEADER]), length, b""
    for number in range(count(length)):
        piece, is_last = min(left, CHUNK), left <= CHUNK
        content += aead.open_(inner, chunk_nonce(number, is_last), b"", reader.take(piece + TAG), "does_not_open")
        left -= piece
    reader.finish()
    return content


def opened_once(vault, key, data):
    if len(data) < 40:
        raise Refused("truncated")
    if data[:24] != once_nonce(key):
        raise Refused("does_not_open")
    content = aead.open_(key, data[:24], once_ad(vault), data[24:], "does_not_open")
    checked(vault, key, content)
    return content


def checked(vault, key, content):
    if file_key(vault.blob_root, content) != key:
        raise Refused("other_content")


def open_(vault, key, name, data):
    """A blob of either form, if it is the one of this name and key."""
    is_stream = data.startswith(MAGIC)
    content = (opened_stream if is_stream else opened_once)(vault, key, data)
    if sha256(data) != name:
        raise Refused("other_bytes")
    checked(vault, key, content)
    return content
