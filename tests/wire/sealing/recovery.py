"""The recovery code."""

import base64
import hashlib

from .fields import Refused

SKIPPED = " \t\r\n\u00a0-"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def check_sum(secret):
    return hashlib.sha256(b"tidelog/recovery/1" + b"\x01" + secret).digest()[:2]


def write(secret):
    letters = base64.b32encode(b"\x01" + secret + check_sum(secret)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def read(text):
    lower, letters = "abcdefghijklmnopqrstuvwxyz", ""
    for letter in text:
        if letter in SKIPPED:
            continue
        letter = letter.upper() if letter in lower else letter
        if letter not in ALPHABET:
            raise Refused("alphabet")
        letters += letter
    if len(letters) != 56:
        raise Refused("length")
    raw = base64.b32decode(letters)
    if raw[0] != 1:
        raise Refused("version")
    if check_sum(raw[1:33]) != raw[33:]:
        raise Refused("check_sum")
    return raw[1:33]
