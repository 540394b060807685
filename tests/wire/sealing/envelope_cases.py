"""The cases of `envelope.json`. Passphrases cost the least that is accepted, but for one at the default cost."""

from . import aead, envelope
from .cases import a_full_ring, a_vault, case, head_mac, rotated, some
from .fields import le
from .operations import vault_of

PASSPHRASE = "correct horse battery staple"
MIN_COST = {"m_kib": 19_456, "t": 2, "p": 1}
SLOT_BYTES = 149
FIRST_SLOT = 47


def slot(kind, secret, label, **cost):
    given = {"type": kind, "salt": some(f"salt {label}"), "nonce": some(f"slot nonce {label}", 24)}
    return given | ({"passphrase": secret} | (cost or MIN_COST) if kind == "passphrase" else {"secret": secret})


def sealing(name, slots, made=None, wrap_no=0):
    given = {"vault": made or a_vault(), "wrap_no": wrap_no, "slots": slots}
    return case("envelope", "seal", name, given | {"ring_nonce": some(f"ring nonce of {name}", 24)})


def opening(name, data, kind="passphrase", secret=PASSPHRASE):
    unlock = {"type": kind, ("passphrase" if kind == "passphrase" else "secret"): secret}
    return case("envelope", "open", name, {"envelope": data, "unlock": unlock})


def sealed_envelopes():
    by_passphrase, by_code = slot("passphrase", PASSPHRASE, "1"), slot("recovery", some("recovery"), "2")
    by_link = slot("link", some("master 1"), "3")
    yield sealing("passphrase, least cost", [by_passphrase])
    yield sealing("passphrase, default cost", [slot("passphrase", PASSPHRASE, "d", m_kib=65_536, t=3, p=1)])
    yield sealing("passphrase, four lanes", [slot("passphrase", PASSPHRASE, "l", m_kib=19_456, t=2, p=4)])
    yield sealing("passphrase in NFC", [slot("passphrase", "Größe 行 é", "n")])
    yield sealing("the same passphrase decomposed", [slot("passphrase", "Gro\u0308ße 行 e\u0301", "n")])
    yield sealing("passphrase and recovery code", [by_passphrase, by_code], wrap_no=7)
    yield sealing("all three after a routine rotation", [by_passphrase, by_code, by_link], rotated())
    yield sealing("recovery code alone", [slot("recovery", some("recovery"), "another 2")])
    yield sealing("hidden names", [by_code], a_vault(hidden_names=True))
    yield sealing("after a compromise: nothing earlier", [by_passphrase], rotated() | {"earlier": []})
    yield sealing("the largest there is", [by_passphrase, by_code, by_link], a_full_ring(64))
    yield sealing("empty passphrase", [slot("passphrase", "", "e")])
    weak_and_strong = ((19_455, 2, 1), (262_145, 2, 1), (19_456, 1, 1), (19_456, 11, 1), (19_456, 2, 0), (19_456, 2, 5))
    for m_kib, t, p in weak_and_strong:
        refused = slot("passphrase", PASSPHRASE, "w", m_kib=m_kib, t=t, p=p)
        yield sealing(f"cost of {m_kib} KiB, {t} passes, {p} lanes", [refused])


def opened_envelopes(sealed):
    for name, made in sealed.items():
        for planned in made["in"]["slots"] if "out" in made else ():
            kind = planned["type"]
            secret = planned["passphrase"] if kind == "passphrase" else bytes.fromhex(planned["secret"])
            yield opening(f"{name}: by {kind}", made["out"]["envelope"], kind, secret)
    composed = sealed["passphrase in NFC"]["out"]["envelope"]
    yield opening("composed, opened by the decomposed passphrase", composed, secret="Gro\u0308ße 行 e\u0301")


def wrong_secrets(sealed):
    alone = sealed["passphrase, least cost"]["out"]["envelope"]
    three = sealed["all three after a routine rotation"]["out"]["envelope"]
    yield opening("wrong passphrase", alone, secret="correct horse battery stable")
    yield opening("empty passphrase", alone, secret="")
    yield opening("passphrase with a space behind", alone, secret=PASSPHRASE + " ")
    yield opening("wrong recovery code", three, "recovery", some("other"))
    yield opening("wrong previous master", three, "link", some("master 2"))
    yield opening("recovery code where there is no such slot", alone, "recovery", some("recovery"))
    yield opening("link where there is no such slot", alone, "link", some("master 1"))


def malformed(sealed):
    """Everything that is refused without looking at a key, on an envelope that a recovery code opens."""
    two = bytes.fromhex(sealed["passphrase and recovery code"]["out"]["envelope"])

    def changed(name, at, new):
        return opening(name, two[:at] + new + two[at + len(new) :], "recovery", some("recovery"))

    second, ring_at = FIRST_SLOT + SLOT_BYTES, FIRST_SLOT + 2 * SLOT_BYTES
    yield changed("another form", 0, b"TLK2")
    yield changed("flag 2", 4, b"\x02")
    yield changed("min_format 0", 5, b"\x00")
    yield changed("min_format 2", 5, b"\x02")
    yield changed("min_format 2 and unknown flags: too new comes first", 4, b"\xff\x02")
    yield changed("no slots", 46, b"\x00")
    yield changed("four slots", 46, b"\x04")
    yield changed("slot of type 0", FIRST_SLOT, b"\x00")
    yield changed("slot of type 4", second, b"\x04")
    yield changed("cost on a recovery slot", second + 1, le(1, 4))
    yield changed("weak cost", FIRST_SLOT + 1, le(19_455, 4))
    yield changed("cost beyond all memory", FIRST_SLOT + 1, le(2**32 - 1, 4))
    yield changed("endless passes", FIRST_SLOT + 5, le(2**32 - 1, 4))
    yield changed("two recovery slots", FIRST_SLOT, two[second:ring_at])
    yield changed("slots in another order", FIRST_SLOT, two[second:ring_at] + two[FIRST_SLOT:second])
    yield changed("ring beyond the end", ring_at, le(2**16 - 1, 2))
    yield changed("ring one byte short", ring_at, le(80, 2))
    yield opening("cut off", two[:-1], "recovery", some("recovery"))
    yield opening("a byte too many", two + b"\0", "recovery", some("recovery"))
    yield opening("nothing", b"", "recovery", some("recovery"))
    yield opening("3,073 bytes", two + bytes(3073 - len(two)), "recovery", some("recovery"))


def tampered(sealed):
    """Changes by somebody who does not know the key."""
    two = bytes.fromhex(sealed["passphrase and recovery code"]["out"]["envelope"])
    alone = bytes.fromhex(sealed["recovery code alone"]["out"]["envelope"])
    second = FIRST_SLOT + SLOT_BYTES

    def flipped(name, at):
        data = bytearray(two)
        data[at] ^= 1
        return opening(f"a bit flipped in {name}", bytes(data), "recovery", some("recovery"))

    places = {
        "flags": 4, "key_version": 6, "wrap_no": 10, "vault_id": 14, "key_id": 30, "the other slot": FIRST_SLOT + 20,
        "salt": second + 13, "commit": second + 45, "the slot's nonce": second + 77, "the wrapped key": second + 101,
        "the ring's nonce": second + SLOT_BYTES + 2, "the ring": second + SLOT_BYTES + 30, "mac": len(two) - 1,
    }  # fmt: skip
    for name, at in places.items():
        yield flipped(name, at)
    spliced = two[:second] + alone[FIRST_SLOT:second] + two[second + SLOT_BYTES :]
    yield opening("the same slot from another envelope around the same key", spliced, "recovery", some("recovery"))
    dropped = two[:46] + b"\x01" + two[second:]
    yield opening("the passphrase slot taken out", dropped, "recovery", some("recovery"))


def bad_rings(sealed):
    """Rings that are sealed well and say nonsense."""
    made = rotated()
    owner = vault_of(made)
    nonce, secret = some("bad ring", 24), some("recovery")
    header = envelope.header_of(owner, 0)
    one = envelope.wrap(owner, header, "recovery", secret, envelope.NO_COST, some("salt"), some("n", 24))["slot"]

    def around(name, plain):
        ring = aead.seal(owner.key(b"ring"), nonce, header, plain)
        return opening(name, head_mac(made, header + b"\x01" + one + le(len(ring), 2) + nonce + ring), "recovery", secret)

    plain = owner.ring()
    yield around("empty ring", b"")
    yield around("ring cut off", plain[:-1])
    yield around("a byte too many in the ring", plain + b"\0")
    yield around("an earlier key of the current version", plain[:65] + le(2, 4) + plain[69:])
    yield around("an earlier key twice", plain[:64] + b"\x02" + plain[65:] * 2)
    yield around("65 earlier keys", plain[:64] + b"\x41" + plain[65:] * 65)


def envelopes():
    sealed = {made["name"]: made for made in sealed_envelopes()}
    yield from sealed.values()
    for group in (opened_envelopes, wrong_secrets, malformed, tampered, bad_rings):
        yield from group(sealed)
