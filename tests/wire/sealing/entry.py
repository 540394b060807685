"""Entries: names, frame, padding, link, head, and the sealing of it all."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from . import aead
from .fields import Reader, Refused, hmac, le, names_field, sized

OPS = {"insert": 1, "update": 2, "delete": 3}
KINDS = {"value": 1, "tombstone": 2, "control": 3}
MAX_DATA = 1024 * 1024
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass
class Slot:
    table: str
    row_id: str
    op: str
    timestamp_us: int
    key_version: int


@dataclass
class Frame:
    kind: str
    stream: bytes
    counter: int
    prev: bytes
    payload: bytes
    head: tuple = None  # (seq, key_version, digest)
    names: tuple = None  # (table, row_id)


def hidden(name_key, table, row_id):
    table_mac = hmac(name_key, b"\x01" + table.encode())[:16]
    row_mac = hmac(name_key, b"\x02" + sized(table, 1) + row_id.encode())[:20]
    wire_table = "t_" + base64.b32encode(table_mac).decode().rstrip("=").lower()
    return wire_table, base64.urlsafe_b64encode(row_mac).decode().rstrip("=")


def padme(length):
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    return -(-length >> low_bits) << low_bits


def row_term(head_key, table, row_id, link):
    return int.from_bytes(hmac(head_key, names_field(table, row_id) + link), "little")


def digest(terms, removed=()):
    return le((sum(terms) - sum(removed)) % (1 << 256), 32)


def associated_data(vault, slot, wire):
    place = bytes([OPS[slot.op]]) + le(slot.timestamp_us, 8, signed=True) + names_field(*wire)
    return b"TLE1" + vault.vault_id + le(slot.key_version, 4) + place


def link_of(ad, frame):
    return hashlib.sha256(b"tidelog/link/1" + ad[:20] + ad[24:] + frame).digest()[:16]


def check_frame(frame, op):
    if (frame.kind == "tombstone") != (op == "delete"):
        raise Refused("kind_op_mismatch")
    if frame.kind == "tombstone" and frame.payload:
        raise Refused("tombstone_payload")
    if frame.counter == 0 and any(frame.prev):
        raise Refused("prev_at_start")


def write_frame(frame):
    flags = (1 if frame.head else 0) | (2 if frame.names else 0)
    out = bytes([KINDS[frame.kind], flags]) + frame.stream + le(frame.counter, 8) + frame.prev
    if frame.head:
        seq, key_version, head_digest = frame.head
        out += le(seq, 8) + le(key_version, 4) + head_digest
    if frame.names:
        out += names_field(*frame.names)
    return out + le(len(frame.payload), 4) + frame.payload


def read_frame(data):
    """The frame, and its bytes without padding."""
    reader = Reader(data)
    kind = {number: name for name, number in KINDS.items()}.get(reader.number(1))
    if kind is None:
        raise Refused("unknown_kind")
    flags = reader.number(1)
    if flags & ~3:
        raise Refused("unknown_flags")
    stream, counter, prev = reader.take(8), reader.number(8), reader.take(16)
    head = (reader.number(8), reader.number(4), reader.take(32)) if flags & 1 else None
    names = (reader.take(reader.number(1)), reader.take(reader.number(2))) if flags & 2 else None
    try:
        names = names and tuple(name.decode("utf-8") for name in names)
    except UnicodeDecodeError:
        raise Refused("name_not_utf8") from None
    payload = reader.take(reader.number(4))
    unpadded, padding = data[: reader.at], reader.rest()
    if padding and len(data) != padme(len(unpadded)):
        raise Refused("padding_length")
    if any(padding):
        raise Refused("padding_not_zero")
    return Frame(kind, stream, counter, prev, payload, head, names), unpadded


def seal(vault, slot, frame, padded, nonce):
    """All that arises on the way from a frame to the `data` of a change."""
    if slot.key_version != vault.key_version:
        raise Refused("wrong_key")
    check_frame(frame, slot.op)
    names = (slot.table, slot.row_id)
    wire = hidden(vault.name_key, *names) if vault.hidden_names else names
    frame.names = names if vault.hidden_names else None
    ad, plain = associated_data(vault, slot, wire), write_frame(frame)
    padded_frame = plain.ljust(padme(len(plain)) if padded else 0, b"\0")
    data = base64.b64encode(nonce + aead.seal(vault.key(b"entry"), nonce, ad, padded_frame)).decode()
    if len(data) > MAX_DATA:
        raise Refused("too_large")
    sealed = {"wire": wire, "ad": ad, "frame": plain, "padded_frame": padded_frame}
    return sealed | {"link": link_of(ad, plain), "data": data}


def from_base64(data):
    """Standard alphabet, padded, no stray bits."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("not_base64") from None
    if not BASE64.fullmatch(data) or base64.b64encode(raw).decode() != data:
        raise Refused("not_base64")
    return raw


def open_(vault, slot, data):
    """The frame and its link; the slot's names are those on the wire."""
    raw = from_base64(data)
    if len(raw) < 40:
        raise Refused("too_short")
    key, wire = vault.key(b"entry", slot.key_version), (slot.table, slot.row_id)
    ad = associated_data(vault, slot, wire)
    frame, unpadded = read_frame(aead.open_(key, raw[:24], ad, raw[24:], "does_not_open"))
    check_frame(frame, slot.op)
    if vault.hidden_names != (frame.names is not None):
        raise Refused("names_missing" if vault.hidden_names else "names_unexpected")
    if frame.names and hidden(vault.name_key, *frame.names) != wire:
        raise Refused("names_mismatch")
    return frame, link_of(ad, unpadded)


def write_stream(stream_id, counter, prev):
    return b"TLS1" + stream_id + le(counter, 8) + prev


def read_stream(data):
    reader = Reader(data)
    if reader.take(4) != b"TLS1":
        raise Refused("unknown_form")
    stream_id, counter, prev = reader.take(8), reader.number(8), reader.take(16)
    reader.finish()
    if counter == 0 and any(prev):
        raise Refused("prev_at_start")
    return stream_id, counter, prev
