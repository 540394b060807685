"""Byte fields and the hash functions of the formats. Integers are little-endian."""

import hashlib
import hmac as stdlib_hmac


class Refused(Exception):
    """Bytes that are not what they claim to be; `code` is the reason as the vectors name it."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def le(number, size, signed=False):
    return number.to_bytes(size, "little", signed=signed)


def sized(text, size):
    """A text behind its length."""
    encoded = text.encode("utf-8")
    if len(encoded) >= 1 << (8 * size):
        raise Refused("name_too_long")
    return le(len(encoded), size) + encoded


def names_field(table, row_id):
    return sized(table, 1) + sized(row_id, 2)


def hmac(key, message):
    return stdlib_hmac.new(key, message, hashlib.sha256).digest()


def hkdf(key, salt, info, size=32):
    """RFC 5869: extract, then as many blocks of expansion as it takes."""
    prk, block, output, counter = hmac(salt, key), b"", b"", 1
    while len(output) < size:
        block = hmac(prk, block + info + bytes([counter]))
        output, counter = output + block, counter + 1
    return output[:size]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise Refused("truncated")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def finish(self):
        if self.at != len(self.data):
            raise Refused("trailing_bytes")
