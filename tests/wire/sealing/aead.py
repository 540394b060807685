"""XChaCha20-Poly1305 by libsodium."""

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt,
)
from nacl.exceptions import CryptoError

from .fields import Refused


def seal(key, nonce, ad, message):
    return encrypt(message, ad, nonce, key)


def open_(key, nonce, ad, sealed, refusal):
    try:
        return decrypt(sealed, ad, nonce, key)
    except (CryptoError, ValueError):
        raise Refused(refusal) from None
