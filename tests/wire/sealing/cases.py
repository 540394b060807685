"""The cases of the vectors. Everything that is normally random is derived from a label, so that generating the vectors
again gives the same files."""

import base64
import hashlib

from . import aead, entry, recovery, vault
from .fields import Refused, hmac, le, names_field
from .operations import OPERATIONS, frame_of, to_json, vault_of

ABOUT = (
    "Byte strings are hex, except data, which is base64 as on the wire. Each case applies the operation `do` to `in` and "
    "gives `out`, every field of which must be met, or is refused with the code `refused`."
)


def some(label, size=32):
    """Bytes that only look random."""
    return hashlib.shake_256(label.encode()).digest(size)


def case(noun, do, name, given):
    given = to_json(given)
    try:
        return {"name": name, "do": do, "in": given, "out": to_json(OPERATIONS[noun][do](given))}
    except Refused as refused:
        return {"name": name, "do": do, "in": given, "refused": refused.code}


def a_vault(**changed):
    made = {
        "vault_id": some("vault", 16),
        "key_version": 1,
        "master": some("master 1"),
        "hidden_names": False,
        "name_key": some("K_name"),
        "blob_root": some("K_blobroot"),
        "earlier": [],
    }
    return to_json(made | changed)


def rotated(**changed):
    earlier = [{"key_version": 1, "master": some("master 1")}]
    return a_vault(key_version=2, master=some("master 2"), earlier=earlier, **changed)


def subkeys():
    for name in ("master 1", "master 2"):
        yield case("subkeys", "derive", name, {"master": some(name), "vault_id": some("vault", 16)})
    yield case("subkeys", "derive", "another vault", {"master": some("master 1"), "vault_id": some("other vault", 16)})


def padding():
    for length in (0, 1, 2, 3, 4, 7, 8, 9, 38, 39, 40, 41, 100, 255, 256, 257, 1000, 4097, 65_535, 65_537, 786_000):
        yield case("padding", "pad", f"{length} bytes", {"length": length})


def names():
    rows = [("notes", "018f3c2e-7d3b-7e0a-b1f1-2f6c2a1d9e00"), ("notes", "zeile-ü-行-🌊"), ("tags", ""), ("Notes", "1")]
    for table, row_id in rows + [("t" * 255, "r" * 1020), ("t" * 256, "r")]:
        given = {"name_key": some("K_name"), "table": table, "row_id": row_id}
        yield case("names", "hide", f"table of {len(table)}, row of {len(row_id)} characters: {row_id[:12]}", given)


def head():
    rows = [{"table": "notes", "row_id": row_id, "link": some(row_id, 16)} for row_id in ("1", "2", "ü", "4")]
    base = {"master": some("master 1"), "vault_id": some("vault", 16)}
    yield case("head", "digest", "no rows", base | {"rows": [], "removed": []})
    yield case("head", "digest", "one row", base | {"rows": rows[:1], "removed": []})
    yield case("head", "digest", "four rows: the sum wraps", base | {"rows": rows, "removed": []})
    yield case("head", "digest", "the same in another order", base | {"rows": rows[::-1], "removed": []})
    yield case("head", "digest", "four rows, two removed", base | {"rows": rows, "removed": [0, 3]})
    yield case("head", "digest", "all removed: zero", base | {"rows": rows, "removed": [3, 0, 1, 2]})


def a_slot(**changed):
    place = {"table": "notes", "row_id": "n-1", "op": "insert", "timestamp_us": 1_790_000_000_123_456}
    return place | {"key_version": 1} | changed


def a_frame(**changed):
    frame = {"kind": "value", "stream": some("stream", 8), "counter": 0, "prev": bytes(16), "head": None}
    return frame | {"payload": '{"title":"Grüße","n":1}'.encode()} | changed


def sealing(name, slot=None, frame=None, made=None, padding=True):
    given = {"vault": made or a_vault(), "slot": slot or a_slot(), "frame": frame or a_frame(), "padding": padding}
    return case("entry", "seal", name, given | {"nonce": some(f"nonce of {name}", 24)})


def sealed_entries():
    first = sealing("value, the first of its stream")
    yield first
    chained = {"counter": 1, "prev": bytes.fromhex(first["out"]["link"])}
    yield sealing("update, the second", a_slot(op="update"), a_frame(**chained, payload=b'{"n":2}'))
    yield sealing("tombstone", a_slot(op="delete"), a_frame(kind="tombstone", counter=2, prev=some("p", 16), payload=b""))
    yield sealing("control", a_slot(row_id="_"), a_frame(kind="control", payload=b"\x00\x01any"))
    seen = {"seq": 4711, "key_version": 1, "digest": some("digest")}
    yield sealing("with a head", frame=a_frame(head=seen))
    yield sealing("padding off", padding=False)
    yield sealing("empty value", frame=a_frame(payload=b""))
    yield sealing("5,000 bytes", frame=a_frame(payload=some("payload", 5000)))
    yield sealing("row id beyond ASCII", a_slot(row_id="zeile-ü-行-🌊"))
    yield sealing("decomposed row id stays as it is", a_slot(row_id="zeile-u\u0308"))
    yield sealing("before 1970", a_slot(timestamp_us=-1))
    yield sealing("largest counter", frame=a_frame(counter=2**64 - 1, prev=some("p", 16)))
    hiding = a_vault(hidden_names=True)
    yield sealing("hidden names", made=hiding)
    yield sealing("hidden names with a head, beyond ASCII", a_slot(row_id="ü行🌊"), a_frame(head=seen), hiding)
    yield sealing("hidden tombstone", a_slot(op="delete"), a_frame(kind="tombstone", payload=b""), hiding)
    yield sealing("the first value after a rotation: the link stays", a_slot(key_version=2), made=rotated())


def refused_sealings():
    yield sealing("value as a delete", a_slot(op="delete"))
    yield sealing("tombstone as an update", a_slot(op="update"), a_frame(kind="tombstone", payload=b""))
    yield sealing("control as a delete", a_slot(op="delete"), a_frame(kind="control"))
    yield sealing("tombstone with a payload", a_slot(op="delete"), a_frame(kind="tombstone", payload=b"{}"))
    yield sealing("first entry with a predecessor", frame=a_frame(prev=some("p", 16)))
    yield sealing("under a key that is not the current one", a_slot(key_version=1), made=rotated())
    yield sealing("table of 256 bytes", a_slot(table="t" * 256))


def opening(name, data, slot=None, made=None):
    return case("entry", "open", name, {"vault": made or a_vault(), "slot": slot or a_slot(), "data": data})


def opened_entries():
    for sealed in sealed_entries():
        given = sealed["in"]
        wire = given["slot"] | sealed["out"]["wire"]
        yield opening(sealed["name"], sealed["out"]["data"], wire, given["vault"])
    before = sealing("value, the first of its stream")
    yield opening("under an earlier key of the ring", before["out"]["data"], made=rotated())


def raw_opening(name, frame, slot=None, made=None):
    """Opens bytes that are well sealed, but no frame."""
    made, slot = made or a_vault(), slot or a_slot()
    opener = vault_of(made)
    nonce, wire = some(f"nonce of {name}", 24), (slot["table"], slot["row_id"])
    ad = entry.associated_data(opener, entry.Slot(**slot), wire)
    sealed = nonce + aead.seal(opener.key(b"entry"), nonce, ad, frame)
    return opening(name, base64.b64encode(sealed).decode(), slot, made)


def malformed_frames():
    plain = entry.write_frame(frame_of(to_json(a_frame(payload=some("payload", 1000)))))
    room = entry.padme(len(plain)) - len(plain)
    yield raw_opening("empty frame", b"")
    yield raw_opening("frame one byte short", plain[:-1])
    yield raw_opening("kind 0", b"\x00" + plain[1:])
    yield raw_opening("kind 4", b"\x04" + plain[1:])
    yield raw_opening("flag 4", plain[:1] + b"\x04" + plain[2:])
    yield raw_opening("flag 128", plain[:1] + b"\x80" + plain[2:])
    yield raw_opening("head without room", plain[:1] + b"\x01" + plain[2:70])
    yield raw_opening("payload length beyond the end", plain[:34] + le(2**32 - 1, 4) + plain[38:])
    yield raw_opening("one zero too many", plain + bytes(room + 1))
    yield raw_opening("one zero too few", plain + bytes(room - 1))
    yield raw_opening("padding that is not zero", plain + bytes(room - 1) + b"\x01")
    yield raw_opening("tombstone as an insert", b"\x02" + plain[1:])
    yield raw_opening("value as a delete", plain, a_slot(op="delete"))
    yield raw_opening("control as a delete", b"\x03" + plain[1:], a_slot(op="delete"))
    yield raw_opening("tombstone with a payload", b"\x02" + plain[1:], a_slot(op="delete"))
    yield raw_opening("first entry with a predecessor", plain[:18] + some("p", 16) + plain[34:])


def malformed_names():
    made = a_vault(hidden_names=True)
    table, row_id = entry.hidden(some("K_name"), "notes", "n-1")
    wire = a_slot(table=table, row_id=row_id)
    plain = entry.write_frame(frame_of(to_json(a_frame())))

    def named(field):
        return plain[:1] + b"\x02" + plain[2:34] + field + plain[34:]

    yield raw_opening("hidden names, none in the frame", plain, wire, made)
    yield raw_opening("names in the frame, none hidden", named(names_field("notes", "n-1")))
    yield raw_opening("another row's names", named(names_field("notes", "n-2")), wire, made)
    yield raw_opening("another table's names", named(names_field("tags", "n-1")), wire, made)
    yield raw_opening("names that are not UTF-8", named(b"\x01\xff" + le(0, 2)), wire, made)
    yield raw_opening("table length beyond the end", plain[:1] + b"\x02" + plain[2:34] + b"\xffx", wire, made)


def foreign_entries():
    good = sealing("value, the first of its stream")["out"]["data"]
    raw = base64.b64decode(good)
    yield opening("another table", good, a_slot(table="tags"))
    yield opening("another row", good, a_slot(row_id="n-2"))
    yield opening("bytes moved from the table to the row", good, a_slot(table="note", row_id="sn-1"))
    yield opening("another operation", good, a_slot(op="update"))
    yield opening("a microsecond later", good, a_slot(timestamp_us=1_790_000_000_123_457))
    yield opening("a key version that is not held", good, a_slot(key_version=2))
    yield opening("another vault", good, made=a_vault(vault_id=some("other vault", 16)))
    yield opening("another master", good, made=a_vault(master=some("master 2")))
    yield opening("the wrong master of the ring", good, a_slot(key_version=2), rotated())
    for what, at in (("nonce", 0), ("ciphertext", 24), ("tag", -1)):
        changed = bytearray(raw)
        changed[at] ^= 1
        yield opening(f"a bit of the {what} flipped", base64.b64encode(changed).decode())
    yield opening("cut off", base64.b64encode(raw[:-1]).decode())


def unsealed_entries():
    yield opening("nothing", "")
    yield opening("plain JSON", '{"title":"x"}')
    yield opening("39 bytes", base64.b64encode(bytes(39)).decode())
    yield opening("40 bytes of zeros", base64.b64encode(bytes(40)).decode())
    yield opening("base64 without its padding", base64.b64encode(bytes(40)).decode().rstrip("="))
    yield opening("base64 with stray bits", base64.b64encode(bytes(41)).decode()[:-2] + "B=")
    yield opening("base64url", base64.urlsafe_b64encode(b"\xff" * 42).decode())
    yield opening("base64 with a line end", base64.b64encode(bytes(42)).decode() + "\n")


def stream():
    stream_id = some("stream", 8)
    states = (("new", 0, bytes(16)), ("after one", 1, some("p", 16)), ("last", 2**64 - 1, some("q", 16)))
    for name, counter, prev in states:
        yield case("stream", "write", name, {"id": stream_id, "counter": counter, "prev": prev})
        yield case("stream", "read", name, {"bytes": entry.write_stream(stream_id, counter, prev)})
    good = entry.write_stream(stream_id, 1, some("p", 16))
    yield case("stream", "read", "another form", {"bytes": b"TLS2" + good[4:]})
    yield case("stream", "read", "cut off", {"bytes": good[:-1]})
    yield case("stream", "read", "a byte too many", {"bytes": good + b"\0"})
    yield case("stream", "read", "predecessor at 0", {"bytes": entry.write_stream(stream_id, 0, some("p", 16))})


def a_full_ring(count):
    earlier = [{"key_version": version, "master": some(f"master {version}")} for version in range(1, count + 1)]
    return a_vault(key_version=count + 1, master=some(f"master {count + 1}"), earlier=earlier)


def stored_vaults():
    made = {"one key": a_vault(), "hidden names": a_vault(hidden_names=True)}
    made |= {"rotated": rotated(), "64 earlier keys": a_full_ring(64)}
    for name, given in made.items():
        yield case("vault", "write", name, given)
        yield case("vault", "read", name, {"bytes": vault_of(given).stored()})
    good = vault_of(rotated()).stored()

    def damaged(name, content):
        return case("vault", "read", name, {"bytes": content + vault.check_sum(content)})

    yield case("vault", "read", "nothing", {"bytes": b""})
    yield case("vault", "read", "a bit flipped", {"bytes": good[:50] + bytes([good[50] ^ 1]) + good[51:]})
    yield damaged("another form", b"TLV2" + good[4:-8])
    yield damaged("flag 2", good[:4] + b"\x02" + good[5:-8])
    yield damaged("cut off", good[:-9])
    yield damaged("a byte too many", good[:-8] + b"\0")
    yield damaged("an earlier key that is not earlier", vault_of(rotated() | {"key_version": 1}).stored()[:-8])
    twice = rotated() | {"earlier": rotated()["earlier"] * 2}
    yield damaged("the same earlier key twice", vault_of(twice).stored()[:-8])
    yield damaged("65 earlier keys", vault_of(a_full_ring(65)).stored()[:-8])


def codes():
    secret = some("recovery")
    code = recovery.write(secret)
    for name, given in (("random", secret), ("zeros", bytes(32)), ("ones", b"\xff" * 32)):
        yield case("recovery", "write", name, {"secret": given})
        yield case("recovery", "read", name, {"code": recovery.write(given)})
    yield case("recovery", "read", "lower case, no groups", {"code": code.replace("-", "").lower()})
    spaced = code.replace("-", " ")
    spaced = f"\t {spaced[:40]}\r\n\u00a0{spaced[40:]}\n"
    yield case("recovery", "read", "spaces, tabs, line ends", {"code": spaced})
    yield case("recovery", "read", "one character short", {"code": code[:-1]})
    yield case("recovery", "read", "one character long", {"code": code + "A"})
    yield case("recovery", "read", "nothing", {"code": ""})
    yield case("recovery", "read", "a zero for an O", {"code": "0" + code[1:]})
    yield case("recovery", "read", "a dotless i", {"code": "ı" + code[1:]})
    letters = code.replace("-", "")
    swapped = letters[:20] + letters[21] + letters[20] + letters[22:]
    yield case("recovery", "read", "two characters swapped", {"code": swapped})
    check_sum = hashlib.sha256(b"tidelog/recovery/1\x02" + secret).digest()[:2]
    yield case("recovery", "read", "version 2", {"code": base64.b32encode(b"\x02" + secret + check_sum).decode()})


def head_mac(made, before_mac):
    return before_mac + hmac(vault_of(made).key(b"env"), before_mac)
