"""The key envelope, its slots and its ring."""

import hmac as stdlib_hmac
import unicodedata

from argon2.low_level import Type, hash_secret_raw

from . import aead
from .fields import Reader, Refused, hkdf, hmac, le
from .vault import Vault, key_id, read_ring, sub_key

MAX_BYTES = 3072
SLOT_TYPES = {"passphrase": 1, "recovery": 2, "link": 3}
WRONG = {"passphrase": "wrong_passphrase", "recovery": "wrong_recovery_code", "link": "wrong_previous_key"}
NO_COST = (0, 0, 0)


def check_cost(cost):
    m_kib, t, p = cost
    if not (19_456 <= m_kib <= 262_144 and 2 <= t <= 10 and 1 <= p <= 4):
        raise Refused("kdf_cost")


def normalized(passphrase):
    return unicodedata.normalize("NFC", passphrase).encode("utf-8")


def prk_of(kind, secret, salt, cost):
    """`secret` is a text for a passphrase, 32 bytes for the others."""
    if kind != "passphrase":
        return secret
    check_cost(cost)
    m_kib, t, p = cost
    return hash_secret_raw(normalized(secret), salt, t, m_kib, p, 32, Type.ID, version=0x13)


def kek_and_commit(prk, salt, kind):
    output = hkdf(prk, salt, b"tidelog/kek/1" + bytes([SLOT_TYPES[kind]]), 64)
    return output[:32], output[32:]


def slot_to_commit(kind, cost, salt, commit):
    return bytes([SLOT_TYPES[kind]]) + b"".join(le(number, 4) for number in cost) + salt + commit


def wrap_ad(header, up_to_commit):
    """`header` is a whole one: magic, version, vault and key are picked from it."""
    return header[:4] + header[6:10] + header[14:46] + up_to_commit


def header_of(vault, wrap_no):
    ids = vault.vault_id + key_id(vault.master, vault.vault_id)
    return b"TLK1" + bytes([vault.hidden_names, 1]) + le(vault.key_version, 4) + le(wrap_no, 4) + ids


def wrap(vault, header, kind, secret, cost, salt, nonce):
    """All that arises on the way to one slot."""
    if secret == "":
        raise Refused("empty_passphrase")
    prk = prk_of(kind, secret, salt, cost)
    kek, commit = kek_and_commit(prk, salt, kind)
    up_to_commit = slot_to_commit(kind, cost, salt, commit)
    ad = wrap_ad(header, up_to_commit)
    wrapped = aead.seal(kek, nonce, ad, vault.master)
    slot = up_to_commit + nonce + wrapped
    return {"prk": prk, "kek": kek, "commit": commit, "ad": ad, "wrapped": wrapped, "slot": slot}


def assemble(vault, wrap_no, slots, ring_nonce):
    """All that arises on the way from slots to an envelope."""
    header, plain = header_of(vault, wrap_no), vault.ring()
    ring = aead.seal(vault.key(b"ring"), ring_nonce, header, plain)
    before_mac = header + bytes([len(slots)]) + b"".join(slots) + le(len(ring), 2) + ring_nonce + ring
    mac = hmac(vault.key(b"env"), before_mac)
    return {"header": header, "ring_plaintext": plain, "ring": ring, "mac": mac, "envelope": before_mac + mac}


def read_slot(reader):
    kind = {number: name for name, number in SLOT_TYPES.items()}.get(reader.number(1))
    if kind is None:
        raise Refused("unknown_slot")
    cost = tuple(reader.number(4) for _ in range(3))
    if kind == "passphrase":
        check_cost(cost)
    elif cost != NO_COST:
        raise Refused("slot_cost")
    salt, commit, nonce, wrapped = (reader.take(size) for size in (32, 32, 24, 48))
    return {"kind": kind, "cost": cost, "salt": salt, "commit": commit, "nonce": nonce, "wrapped": wrapped}


def read_slots(reader):
    count = reader.number(1)
    if not 1 <= count <= len(SLOT_TYPES):
        raise Refused("slot_count")
    slots = [read_slot(reader) for _ in range(count)]
    types = [SLOT_TYPES[slot["kind"]] for slot in slots]
    if types != sorted(set(types)):
        raise Refused("slot_order")
    return {slot["kind"]: slot for slot in slots}


def read_header(reader):
    if reader.take(4) != b"TLK1":
        raise Refused("unknown_form")
    flags, min_format = reader.take(2)
    if min_format != 1:
        raise Refused("too_new" if min_format else "bad_min_format")
    if flags & ~1:
        raise Refused("unknown_flags")
    return bool(flags), reader.number(4), reader.number(4), reader.take(16), reader.take(16)


def unwrap(header, slot, secret):
    kind, salt, cost = slot["kind"], slot["salt"], slot["cost"]
    kek, commit = kek_and_commit(prk_of(kind, secret, salt, cost), salt, kind)
    if not stdlib_hmac.compare_digest(commit, slot["commit"]):
        raise Refused(WRONG[kind])
    ad = wrap_ad(header, slot_to_commit(kind, cost, salt, commit))
    return aead.open_(kek, slot["nonce"], ad, slot["wrapped"], "tampered")


def open_(data, kind, secret):
    """The vault inside and its wrap_no."""
    if len(data) > MAX_BYTES:
        raise Refused("too_large")
    reader = Reader(data)
    hidden_names, key_version, wrap_no, vault_id, stated_key_id = read_header(reader)
    slots = read_slots(reader)
    ring_len = reader.number(2)
    ring_nonce, ring, mac = reader.take(24), reader.take(ring_len), reader.take(32)
    reader.finish()
    if kind not in slots:
        raise Refused("no_slot")
    header = data[:46]
    master = unwrap(header, slots[kind], secret)
    if key_id(master, vault_id) != stated_key_id or hmac(sub_key(master, vault_id, b"env"), data[:-32]) != mac:
        raise Refused("tampered")
    plain = aead.open_(sub_key(master, vault_id, b"ring"), ring_nonce, header, ring, "tampered")
    return Vault(vault_id, key_version, master, hidden_names, *read_ring(Reader(plain), key_version)), wrap_no
