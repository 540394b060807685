"""Command line of the independent implementation of the encryption formats.

    formats.py check DIR       recomputes every field of the vectors in DIR
    formats.py generate DIR    writes them
    formats.py open            stdin {envelope_b64, passphrase, entries: [{table, op, row_id, timestamp, key_version, data}]}
                               to one JSON line an entry: {row as it came, kind, payload_b64, payload, ...} or {error};
                               a timestamp is RFC 3339 text or a number of microseconds
    formats.py seal            stdin {envelope_b64, passphrase, stream?: {id, counter, prev}, padding?: bool,
                               changes: [{table, op, row_id, timestamp, payload | payload_b64 | neither}]}
                               to one JSON line a change, ready to push, and a last one with the stream's new state
"""

import argparse
import base64
import json
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sealing import blob_cases, cases, entry, envelope, envelope_cases
from sealing.fields import Refused
from sealing.operations import OPERATIONS, head_json, names_json, to_json

NOUNS = {
    "subkeys": (cases.subkeys,),
    "padding": (cases.padding,),
    "names": (cases.names,),
    "head": (cases.head,),
    "entry": (
        cases.sealed_entries, cases.refused_sealings, cases.opened_entries, cases.malformed_frames,
        cases.malformed_names, cases.foreign_entries, cases.unsealed_entries,
    ),
    "stream": (cases.stream,),
    "vault": (cases.stored_vaults,),
    "envelope": (envelope_cases.envelopes,),
    "recovery": (cases.codes,),
    "blob": (
        blob_cases.file_keys, blob_cases.wrapped_keys, blob_cases.sealed_blobs, blob_cases.opened_blobs,
        blob_cases.refused_blobs, blob_cases.foreign_blobs, blob_cases.whole_blobs_altered,
    ),
}  # fmt: skip


def generate(directory):
    for noun, groups in NOUNS.items():
        made = [one for group in groups for one in group()]
        text = json.dumps({"about": cases.ABOUT, "cases": made}, indent=1, ensure_ascii=True)
        (directory / f"{noun}.json").write_text(text + "\n")


def outcome(noun, case):
    try:
        return {"out": to_json(OPERATIONS[noun][case["do"]](case["in"]))}
    except Refused as refused:
        return {"refused": refused.code}


def check(directory):
    """Returns the number of failed cases, and prints them."""
    wrong = checked = 0
    for noun in NOUNS:
        for case in json.loads((directory / f"{noun}.json").read_text())["cases"]:
            expected = {name: case[name] for name in ("out", "refused") if name in case}
            checked += 1
            if outcome(noun, case) != expected:
                wrong += 1
                print(f"{noun}.json: {case['do']}: {case['name']}: not met", file=sys.stderr)
    print(f"{checked} cases checked, {wrong} wrong")
    return wrong


def micros(timestamp):
    """Returns microseconds since 1970 for RFC 3339 text; a number is taken as microseconds."""
    if isinstance(timestamp, int):
        return timestamp
    since = datetime.fromisoformat(timestamp) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return since // timedelta(microseconds=1)


def slot_of(change, key_version):
    op = change["op"].lower()
    return entry.Slot(change["table"], change["row_id"], op, micros(change["timestamp"]), key_version)


def the_vault(request):
    return envelope.open_(base64.b64decode(request["envelope_b64"]), "passphrase", request["passphrase"])[0]


def opened(vault, pulled):
    if pulled.get("data") is None:
        raise Refused("unsealed")
    frame, link = entry.open_(vault, slot_of(pulled, pulled["key_version"]), pulled["data"])
    shown = {"kind": frame.kind, "stream": frame.stream, "counter": frame.counter, "prev": frame.prev, "link": link}
    shown |= {"head": head_json(frame.head), "names": names_json(frame.names)}
    text = frame.payload.decode("utf-8", "replace")
    return to_json(shown) | {"payload_b64": base64.b64encode(frame.payload).decode(), "payload": text}


def open_entries(request):
    vault = the_vault(request)
    for pulled in request["entries"]:
        row = {name: pulled[name] for name in ("table", "op", "row_id")}
        try:
            yield row | opened(vault, pulled)
        except Refused as refused:
            yield row | {"error": refused.code}


def payload_of(change):
    if change.get("payload_b64") is not None:
        return base64.b64decode(change["payload_b64"])
    return change["payload"].encode() if change.get("payload") is not None else None


def seal_changes(request):
    vault = the_vault(request)
    fresh = {"id": os.urandom(8).hex(), "counter": 0, "prev": bytes(16).hex()}
    stream = request.get("stream") or fresh
    stream_id, counter, prev = bytes.fromhex(stream["id"]), stream["counter"], bytes.fromhex(stream["prev"])
    for change in request["changes"]:
        payload = payload_of(change)
        kind = "tombstone" if payload is None else "value"
        frame = entry.Frame(kind, stream_id, counter, prev, payload or b"")
        sealed = entry.seal(vault, slot_of(change, vault.key_version), frame, request.get("padding", True), os.urandom(24))
        row = {name: change[name] for name in ("op", "timestamp")} | names_json(sealed["wire"])
        yield row | {"key_version": vault.key_version, "data": sealed["data"]}
        counter, prev = counter + 1, sealed["link"]
    yield {"stream": {"id": stream_id.hex(), "counter": counter, "prev": prev.hex()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("check", "generate"):
        commands.add_parser(name).add_argument("directory", type=Path)
    for name in ("open", "seal"):
        commands.add_parser(name)
    arguments = parser.parse_args()
    if arguments.command == "check":
        sys.exit(1 if check(arguments.directory) else 0)
    if arguments.command == "generate":
        return generate(arguments.directory)
    work = open_entries if arguments.command == "open" else seal_changes
    for line in work(json.load(sys.stdin)):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
