"""What the vectors exercise: for each file and operation a function from a case's `in` to its `out`. In JSON, byte strings
are hex, except `data`, which is base64 as on the wire."""

from . import blob, entry, envelope, recovery, vault
from .fields import hmac, names_field

# Blobs up to this many bytes stand in the vectors whole.
SHOWN_BLOB = 4096
SUB_KEYS = ("entry", "head", "env", "ring", "wrap")


def to_json(value):
    """Bytes to hex, all the way down."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: to_json(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(inner) for inner in value]
    return value


def names_json(names):
    return names and {"table": names[0], "row_id": names[1]}


def head_json(head):
    return head and {"seq": head[0], "key_version": head[1], "digest": head[2]}


def vault_of(given):
    earlier = [(key["key_version"], bytes.fromhex(key["master"])) for key in given["earlier"]]
    vault_id, master, name_key, blob_root = (
        bytes.fromhex(given[name]) for name in ("vault_id", "master", "name_key", "blob_root")
    )
    return vault.Vault(vault_id, given["key_version"], master, given["hidden_names"], name_key, blob_root, earlier)


def vault_json(made):
    earlier = [{"key_version": version, "master": master} for version, master in made.earlier]
    return {
        "vault_id": made.vault_id,
        "key_version": made.key_version,
        "master": made.master,
        "hidden_names": made.hidden_names,
        "name_key": made.name_key,
        "blob_root": made.blob_root,
        "earlier": earlier,
    }


def derive_sub_keys(given):
    master, vault_id = bytes.fromhex(given["master"]), bytes.fromhex(given["vault_id"])
    keys = {name: vault.sub_key(master, vault_id, name.encode()) for name in SUB_KEYS}
    return keys | {"key_id": vault.key_id(master, vault_id)}


def pad(given):
    return {"padded": entry.padme(given["length"])}


def hide_names(given):
    name_key, table, row_id = bytes.fromhex(given["name_key"]), given["table"], given["row_id"]
    wire = entry.hidden(name_key, table, row_id)
    table_mac = hmac(name_key, b"\x01" + table.encode())[:16]
    row_mac = hmac(name_key, b"\x02" + names_field(table, "")[:-2] + row_id.encode())[:20]
    return {"table_mac": table_mac, "row_mac": row_mac} | names_json(wire)


def digest_rows(given):
    master, vault_id = bytes.fromhex(given["master"]), bytes.fromhex(given["vault_id"])
    head_key = vault.sub_key(master, vault_id, b"head")
    terms = [
        entry.row_term(head_key, row["table"], row["row_id"], bytes.fromhex(row["link"])) for row in given["rows"]
    ]
    removed = [terms[at] for at in given["removed"]]
    shown = [term.to_bytes(32, "little") for term in terms]
    return {"head_key": head_key, "terms": shown, "digest": entry.digest(terms, removed)}


def frame_of(given):
    head = given["head"] and (given["head"]["seq"], given["head"]["key_version"], bytes.fromhex(given["head"]["digest"]))
    stream, prev, payload = (bytes.fromhex(given[name]) for name in ("stream", "prev", "payload"))
    return entry.Frame(given["kind"], stream, given["counter"], prev, payload, head)


def seal_entry(given):
    frame, slot, nonce = frame_of(given["frame"]), entry.Slot(**given["slot"]), bytes.fromhex(given["nonce"])
    sealed = entry.seal(vault_of(given["vault"]), slot, frame, given["padding"], nonce)
    return sealed | {"wire": names_json(sealed["wire"])}


def open_entry(given):
    frame, link = entry.open_(vault_of(given["vault"]), entry.Slot(**given["slot"]), given["data"])
    shown = {"kind": frame.kind, "stream": frame.stream, "counter": frame.counter, "prev": frame.prev, "link": link}
    return shown | {"head": head_json(frame.head), "names": names_json(frame.names), "payload": frame.payload}


def write_stream(given):
    return {"bytes": entry.write_stream(bytes.fromhex(given["id"]), given["counter"], bytes.fromhex(given["prev"]))}


def read_stream(given):
    stream_id, counter, prev = entry.read_stream(bytes.fromhex(given["bytes"]))
    return {"id": stream_id, "counter": counter, "prev": prev}


def write_vault(given):
    return {"bytes": vault_of(given).stored()}


def read_vault(given):
    return vault_json(vault.read_stored(bytes.fromhex(given["bytes"])))


def secret_of(given):
    """A slot's type and what opens it."""
    if given["type"] == "passphrase":
        return "passphrase", given["passphrase"]
    return given["type"], bytes.fromhex(given["secret"])


def seal_envelope(given):
    made = vault_of(given["vault"])
    header, slots = envelope.header_of(made, given["wrap_no"]), []
    for planned in given["slots"]:
        kind, secret = secret_of(planned)
        cost = (planned["m_kib"], planned["t"], planned["p"]) if kind == "passphrase" else envelope.NO_COST
        salt, nonce = bytes.fromhex(planned["salt"]), bytes.fromhex(planned["nonce"])
        slots.append(envelope.wrap(made, header, kind, secret, cost, salt, nonce))
        if kind == "passphrase":
            slots[-1]["normalized"] = envelope.normalized(secret)
    raw_slots = [slot["slot"] for slot in slots]
    whole = envelope.assemble(made, given["wrap_no"], raw_slots, bytes.fromhex(given["ring_nonce"]))
    return {"slots": slots} | whole


def open_envelope(given):
    opened, wrap_no = envelope.open_(bytes.fromhex(given["envelope"]), *secret_of(given["unlock"]))
    return {"wrap_no": wrap_no, "vault": vault_json(opened)}


def write_code(given):
    secret = bytes.fromhex(given["secret"])
    return {"check_sum": recovery.check_sum(secret), "code": recovery.write(secret)}


def read_code(given):
    return {"secret": recovery.read(given["code"])}


def content_of(given):
    """A pattern, repeated up to a size."""
    pattern, size = bytes.fromhex(given["of"]), given["size"]
    return (pattern * (size // len(pattern) + 1))[:size]


def file_key(given):
    content, blob_root = content_of(given["content"]), bytes.fromhex(given["blob_root"])
    return {"plaintext_hash": blob.sha256(content), "file_key": blob.file_key(blob_root, content)}


def wrap_key(given):
    made, name, key, nonce = vault_of(given["vault"]), *(bytes.fromhex(given[it]) for it in ("name", "file_key", "nonce"))
    ad, wrapped = blob.wrap_ad(made, made.key_version, name), blob.wrap(made, name, key, nonce)
    return {"key_version": made.key_version, "ad": ad, "wrapped_key": wrapped}


def unwrap_key(given):
    name, wrapped = bytes.fromhex(given["name"]), bytes.fromhex(given["wrapped_key"])
    return {"file_key": blob.unwrap(vault_of(given["vault"]), given["key_version"], name, wrapped)}


def seal_blob_once(given):
    made = vault_of(given["vault"])
    key, sealed = blob.seal_once(made, content_of(given["content"]))
    shown = {"file_key": key, "nonce": blob.once_nonce(key), "ad": blob.once_ad(made)}
    return shown | {"sealed": sealed, "name": blob.sha256(sealed)}


def seal_blob_stream(given):
    key, header, inner, chunks = blob.seal_stream(vault_of(given["vault"]), content_of(given["content"]))
    sealed = header + b"".join(chunk for _, chunk in chunks)
    shown_chunks = [
        {"nonce": nonce, "size": len(chunk), "hash": blob.sha256(chunk), "tag": chunk[-blob.TAG :]}
        for nonce, chunk in chunks
    ]
    shown = {"file_key": key, "header": header, "stream_key": inner, "chunks": shown_chunks}
    shown |= {"size": len(sealed), "name": blob.sha256(sealed)}
    return shown | ({"sealed": sealed} if len(sealed) <= SHOWN_BLOB else {})


def pieces_of(made, given):
    """What is put together of hex and of ranges of what sealing the content in chunks gives."""
    _, header, _, chunks = blob.seal_stream(made, content_of(given["content"]))
    whole = header + b"".join(chunk for _, chunk in chunks)
    parts = (bytes.fromhex(it) if isinstance(it, str) else whole[it[0] : it[1]] for it in given["pieces"])
    return b"".join(parts)


def open_blob(given):
    made, key, name = vault_of(given["vault"]), bytes.fromhex(given["file_key"]), bytes.fromhex(given["name"])
    content = blob.open_(made, key, name, pieces_of(made, given["sealed"]))
    return {"size": len(content), "plaintext_hash": blob.sha256(content)}


OPERATIONS = {
    "subkeys": {"derive": derive_sub_keys},
    "padding": {"pad": pad},
    "names": {"hide": hide_names},
    "head": {"digest": digest_rows},
    "entry": {"seal": seal_entry, "open": open_entry},
    "stream": {"write": write_stream, "read": read_stream},
    "vault": {"write": write_vault, "read": read_vault},
    "envelope": {"seal": seal_envelope, "open": open_envelope},
    "recovery": {"write": write_code, "read": read_code},
    "blob": {
        "file_key": file_key,
        "wrap": wrap_key,
        "unwrap": unwrap_key,
        "seal_once": seal_blob_once,
        "seal_stream": seal_blob_stream,
        "open": open_blob,
    },
}
