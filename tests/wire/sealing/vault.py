"""A vault: masters by version, the secrets that outlive them, and what is derived."""

import hashlib
from dataclasses import dataclass, field

from .fields import Reader, Refused, hkdf, le

MAX_EARLIER = 64


def sub_key(master, vault_id, label):
    return hkdf(master, vault_id, b"tidelog/" + label + b"/1")


def key_id(master, vault_id):
    return sub_key(master, vault_id, b"keyid")[:16]


@dataclass
class Vault:
    vault_id: bytes
    key_version: int
    master: bytes
    hidden_names: bool = False
    name_key: bytes = bytes(32)
    blob_root: bytes = bytes(32)
    earlier: list = field(default_factory=list)  # of (key_version, master), ascending

    def key(self, label, version=None):
        """A sub-key of the master with this version, by default the current one."""
        version = self.key_version if version is None else version
        masters = dict(self.earlier) | {self.key_version: self.master}
        if version not in masters:
            raise Refused("wrong_key")
        return sub_key(masters[version], self.vault_id, label)

    def ring(self):
        earlier = b"".join(le(version, 4) + master for version, master in self.earlier)
        return self.name_key + self.blob_root + bytes([len(self.earlier)]) + earlier

    def stored(self):
        head = b"TLV1" + bytes([self.hidden_names]) + self.vault_id + le(self.key_version, 4)
        content = head + self.master + self.ring()
        return content + check_sum(content)


def check_sum(content):
    return hashlib.sha256(b"tidelog/vault/1" + content).digest()[:8]


def read_ring(reader, key_version):
    """name_key, blob_root and earlier masters."""
    name_key, blob_root, count = reader.take(32), reader.take(32), reader.number(1)
    if count > MAX_EARLIER:
        raise Refused("earlier_keys")
    earlier = [(reader.number(4), reader.take(32)) for _ in range(count)]
    reader.finish()
    versions = [version for version, _ in earlier] + [key_version]
    if versions != sorted(set(versions)):
        raise Refused("earlier_keys")
    return name_key, blob_root, earlier


def read_stored(data):
    if len(data) < 8:
        raise Refused("truncated")
    content, check = data[:-8], data[-8:]
    reader = Reader(content)
    if reader.take(4) != b"TLV1":
        raise Refused("unknown_form")
    if check_sum(content) != check:
        raise Refused("check_sum")
    flags = reader.number(1)
    if flags & ~1:
        raise Refused("unknown_flags")
    vault_id, key_version, master = reader.take(16), reader.number(4), reader.take(32)
    name_key, blob_root, earlier = read_ring(reader, key_version)
    return Vault(vault_id, key_version, master, bool(flags), name_key, blob_root, earlier)
