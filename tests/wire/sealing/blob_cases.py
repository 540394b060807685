"""The cases of `blob.json`. Contents repeat a pattern, and inputs for opening are assembled from pieces of sealed output, so that
the vectors of files with several chunks stay small."""

from . import aead, blob
from .cases import a_vault, case, rotated, some
from .operations import content_of, vault_of

SEALED_CHUNK = blob.CHUNK + blob.TAG
SIZES = (0, 1, 1000, blob.CHUNK - 1, blob.CHUNK, blob.CHUNK + 1, 2 * blob.CHUNK, 2 * blob.CHUNK + 500)


def a_content(size, label="pattern"):
    return {"of": some(label, 97).hex(), "size": size}


def file_keys():
    for size in (0, 1, 100_000):
        given = {"blob_root": some("K_blobroot"), "content": a_content(size)}
        yield case("blob", "file_key", f"{size} bytes", given)
    given = {"blob_root": some("another K_blobroot"), "content": a_content(1)}
    yield case("blob", "file_key", "the same file in another vault", given)


def wrapping(name, made):
    given = {"vault": made, "name": some("name"), "file_key": some("file key")}
    return case("blob", "wrap", name, given | {"nonce": some(f"nonce of {name}", 24)})


def unwrapping(name, wrapped, made=None, version=1, of="name"):
    given = {"vault": made or a_vault(), "key_version": version, "name": some(of), "wrapped_key": wrapped}
    return case("blob", "unwrap", name, given)


def wrapped_keys():
    first, second = wrapping("under the first key", a_vault()), wrapping("under the key after a rotation", rotated())
    yield first
    yield second
    one, two = (bytes.fromhex(made["out"]["wrapped_key"]) for made in (first, second))
    yield unwrapping("under the first key", one)
    yield unwrapping("under an earlier key of the ring", one, rotated())
    yield unwrapping("under the key after a rotation", two, rotated(), 2)
    yield unwrapping("under a key that the vault does not hold", two, version=2)
    yield unwrapping("said to be under another key than it is", one, rotated(), 2)
    yield unwrapping("of another blob", one, of="another name")
    yield unwrapping("of another vault", one, a_vault(vault_id=some("other vault", 16)))
    yield unwrapping("a changed byte", one[:30] + bytes([one[30] ^ 1]) + one[31:])
    yield unwrapping("one byte short", one[:-1])
    yield unwrapping("one byte more", one + b"\0")
    yield unwrapping("nothing", b"")


def sealed_blobs():
    for size in (0, 1, 1000):
        yield case("blob", "seal_once", f"{size} bytes", {"vault": a_vault(), "content": a_content(size)})
    for size in SIZES:
        yield case("blob", "seal_stream", f"{size} bytes", {"vault": a_vault(), "content": a_content(size)})
    later = {"vault": rotated(), "content": a_content(1000)}
    yield case("blob", "seal_stream", "after a rotation: the same bytes", later)
    yield case("blob", "seal_once", "after a rotation: the same bytes", later)


def whole(size, label="pattern", made=None):
    """Returns the key of a file and its chunked blob."""
    key, head, _, chunks = blob.seal_stream(vault_of(made or a_vault()), content_of(a_content(size, label)))
    return key, head + b"".join(chunk for _, chunk in chunks)


def opening(label, size, pieces, /, sealed_as=None, made=None, **changed):
    """Opens pieces of the blob of `size` bytes, under its name unless they are to pass for the blob that they make."""
    key, data = whole(size)
    parts = [data[piece[0] : piece[1]] if isinstance(piece, tuple) else piece for piece in pieces]
    title = blob.sha256(data if sealed_as is None else b"".join(parts))
    given = {"vault": made or a_vault(), "file_key": key, "name": title}
    return case("blob", "open", label, given | {"sealed": {"content": a_content(size), "pieces": pieces}} | changed)


def chunk(number):
    """Returns the range of a full chunk."""
    return (blob.HEADER + number * SEALED_CHUNK, blob.HEADER + (number + 1) * SEALED_CHUNK)


def opened_blobs():
    for size in SIZES:
        yield opening(f"{size} bytes", size, [(0, len(whole(size)[1]))])
    key, sealed = blob.seal_once(vault_of(a_vault()), content_of(a_content(1000)))
    given = {"file_key": key, "name": blob.sha256(sealed)}
    yield opening("sealed whole", 1000, [sealed], **given)
    later = rotated()
    yield opening("after a rotation", 1000, [(0, len(whole(1000)[1]))], made=later)


def refused_blobs():
    """Attacks by a server, each under the original hash and under the hash of the altered bytes."""
    size = 2 * blob.CHUNK + 500
    end = len(whole(size)[1])
    head, first, second, last = (0, blob.HEADER), chunk(0), chunk(1), (chunk(2)[0], end)
    tricks = {
        "nothing at all": [],
        "four bytes": [(0, 4)],
        "the header alone": [head],
        "half a header": [(0, 12)],
        "without its last chunk": [head, first, second],
        "without its last byte": [(0, end - 1)],
        "a byte more": [(0, end), b"\0"],
        "its last chunk twice": [(0, end), last],
        "two chunks in the other order": [head, second, first, last],
        "a chunk twice": [head, first, first, last],
        "a chunk left out": [head, first, last],
        "the last chunk first": [head, last, second, first],
        "a changed byte in the first chunk": [head, (20, 30), b"\0", (31, end)],
        "a changed tag at the end": [(0, end - 1), b"\0"],
        "a header of another length": [blob.header(size - 1), (blob.HEADER, end)],
        "a header of a multiple of the chunk": [blob.header(2 * blob.CHUNK), first, second],
        "another form": [blob.header(size, magic=b"TIDEBLB2"), (blob.HEADER, end)],
        "smaller chunks": [blob.header(size, log2_chunk=12), (blob.HEADER, end)],
        "bytes that are to be zero": [blob.header(size, zeros=b"\0\0\1"), (blob.HEADER, end)],
        "more chunks than can be numbered": [blob.header(2**48), (blob.HEADER, end)],
        "the longest file that can be numbered, cut off": [blob.header((2**32 - 1) << 16), (blob.HEADER, end)],
    }
    for name, pieces in tricks.items():
        yield opening(name, size, pieces)
        yield opening(f"{name}, under a name that fits", size, pieces, sealed_as="itself")


def foreign_blobs():
    whole_blob = [(0, len(whole(1000)[1]))]
    yield opening("under another name", 1000, whole_blob, name=some("another name"))
    yield opening("with the key of another file", 1000, whole_blob, file_key=whole(1000, "another pattern")[0])
    yield opening("of another vault", 1000, [whole(1000, made=a_vault(vault_id=some("other vault", 16)))[1]])
    yield opening("another file of the vault", 1000, [whole(1000, "another pattern")[1]])
    yield under_a_made_up_key("a key that does not come from the content, in chunks", in_chunks)
    yield under_a_made_up_key("a key that does not come from the content, sealed whole", at_once)


def in_chunks(vault, key, content):
    head = blob.header(len(content))
    return head + aead.seal(blob.stream_key(vault, key, head), blob.chunk_nonce(0, True), b"", content)


def at_once(vault, key, content):
    return blob.once_nonce(key) + aead.seal(key, blob.once_nonce(key), blob.once_ad(vault), content)


def under_a_made_up_key(name, seal):
    """Correctly sealed by an attacker who has the vault's id and chose the key."""
    key = some("a key that was made up")
    data = seal(vault_of(a_vault()), key, b"made up")
    return opening(name, 0, [data], sealed_as="itself", file_key=key)


def whole_blobs_altered():
    key, sealed = blob.seal_once(vault_of(a_vault()), content_of(a_content(1000)))
    changed = bytes([sealed[40] ^ 1])
    tricks = {
        "39 bytes": sealed[:39],
        "without its last byte": sealed[:-1],
        "a byte more": sealed + b"\0",
        "a changed nonce": bytes([sealed[0] ^ 1]) + sealed[1:],
        "a changed byte": sealed[:40] + changed + sealed[41:],
    }
    for name, data in tricks.items():
        yield opening(f"sealed whole: {name}", 0, [data], file_key=key, name=blob.sha256(sealed))
    yield opening("sealed whole: under another name", 0, [sealed], file_key=key, name=some("another name"))
