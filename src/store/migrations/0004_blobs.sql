-- Blobs: what is granted, what is confirmed, what they take, and their sealed keys in rotations.
--
-- Foreign keys are not enforced while this runs, because two tables go and come back under their names, wider. They are checked
-- after it.

CREATE TEMP TABLE kept_apps AS SELECT * FROM apps;
CREATE TEMP TABLE kept_rotations AS SELECT * FROM rotations;
CREATE TEMP TABLE kept_sequences AS SELECT name, seq FROM sqlite_sequence WHERE name IN ('apps', 'rotations');
DROP TABLE apps;
DROP TABLE rotations;

CREATE TABLE apps (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    name          TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    -- SHA-256 of the API key. The key carries its own entropy, so it needs no slow hash.
    api_key_hash  BLOB    NOT NULL UNIQUE CHECK (length(api_key_hash) = 32),
    cursor_format TEXT    NOT NULL DEFAULT 'string' CHECK (cursor_format IN ('string', 'number')),
    -- Whether a blob must hash to its name.
    blob_hash     TEXT    NOT NULL DEFAULT 'any' CHECK (blob_hash IN ('any', 'verified')),
    created_at    INTEGER NOT NULL
) STRICT;

INSERT INTO apps (id, uuid, name, api_key_hash, cursor_format, created_at)
SELECT id, uuid, name, api_key_hash, cursor_format, created_at FROM kept_apps;

CREATE TABLE rotations (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    log              INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    state            TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'cancelled', 'undoing', 'undone')),
    -- The new key, as it was begun with.
    encrypted_key    BLOB    NOT NULL CHECK (length(encrypted_key) BETWEEN 1 AND 4096),
    key_version      INTEGER NOT NULL CHECK (key_version > 0),
    -- Entries of the log that have data, are not under the new key, and are not kept as they are.
    remaining        INTEGER NOT NULL CHECK (remaining >= 0),
    -- Likewise sealed keys of blobs.
    blobs_remaining  INTEGER NOT NULL DEFAULT 0 CHECK (blobs_remaining >= 0),
    -- Whether any entry, or key of a blob, was ever under the new key.
    started          INTEGER NOT NULL DEFAULT 0 CHECK (started IN (0, 1)),
    began_at         INTEGER NOT NULL,
    -- What an undo brings back. NULL: it was never completed.
    replaced_key     BLOB CHECK (length(replaced_key) BETWEEN 1 AND 4096),
    -- NULL: as above.
    replaced_version INTEGER CHECK (replaced_version BETWEEN 1 AND key_version - 1),
    -- NULL: it is running, or being undone.
    ended_at         INTEGER CHECK ((ended_at IS NULL) = (state IN ('running', 'undoing')))
) STRICT;

INSERT INTO rotations (id, log, state, encrypted_key, key_version, remaining, started, began_at, replaced_key,
    replaced_version, ended_at)
SELECT id, log, state, encrypted_key, key_version, remaining, started, began_at, replaced_key, replaced_version, ended_at
FROM kept_rotations;

CREATE UNIQUE INDEX open_rotations ON rotations (log) WHERE ended_at IS NULL;

CREATE INDEX rotations_by_log ON rotations (log);

CREATE INDEX rotations_by_end ON rotations (ended_at) WHERE ended_at IS NOT NULL;

-- Numbers that were given out stay spent.
DELETE FROM sqlite_sequence WHERE name IN ('apps', 'rotations');
INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM kept_sequences;

DROP TABLE kept_apps;
DROP TABLE kept_rotations;
DROP TABLE kept_sequences;

CREATE TABLE uploads (
    uuid           BLOB    NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    log            INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    -- The session that asked for it.
    session        BLOB    NOT NULL CHECK (length(session) = 16),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    -- As announced; a few more may come, see the protocol.
    size_bytes     INTEGER NOT NULL CHECK (size_bytes >= 0),
    granted_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    -- The object that holds what came through this server last. NULL: nothing has; where clients send to the store itself, the
    -- object bears the upload's own id.
    object         BLOB UNIQUE CHECK (length(object) = 16),
    -- Its size, and its SHA-256. NULL: as above.
    received_bytes INTEGER CHECK ((received_bytes IS NULL) = (object IS NULL) AND received_bytes >= 0),
    received_hash  BLOB CHECK ((received_hash IS NULL) = (object IS NULL) AND length(received_hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_hash ON uploads (log, hash);

CREATE INDEX uploads_by_expiry ON uploads (expires_at);

CREATE TABLE blobs (
    log         INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    object      BLOB    NOT NULL UNIQUE CHECK (length(object) = 16),
    -- Bytes that are stored.
    size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
    -- Opaque. NULL: the client sent none.
    wrapped_key BLOB CHECK (length(wrapped_key) BETWEEN 1 AND 256),
    -- The master key that sealed it; 0: the server knew of none. NULL: as above.
    key_version INTEGER CHECK ((key_version IS NULL) = (wrapped_key IS NULL) AND key_version >= 0),
    -- Whether the server has seen that the bytes hash to the name.
    verified    INTEGER NOT NULL CHECK (verified IN (0, 1)),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (log, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob_sums (
    log             INTEGER PRIMARY KEY REFERENCES logs (id) ON DELETE RESTRICT,
    -- Bytes of blobs, and of uploads as they were announced.
    confirmed_bytes INTEGER NOT NULL CHECK (confirmed_bytes >= 0),
    granted_bytes   INTEGER NOT NULL CHECK (granted_bytes >= 0),
    -- Blobs that have a sealed key: so many are to be sealed anew when a rotation begins.
    sealed_keys     INTEGER NOT NULL CHECK (sealed_keys >= 0)
) STRICT;

CREATE TABLE removed_objects (
    object     BLOB    NOT NULL PRIMARY KEY CHECK (length(object) = 16),
    -- Where it lies: 'pending' may have got as far as 'final'.
    place      TEXT    NOT NULL CHECK (place IN ('pending', 'final')),
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_objects_by_time ON removed_objects (place, removed_at);

CREATE TABLE kept_blob_keys (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- The blob's; a hash may be uploaded again with another key.
    object   BLOB    NOT NULL CHECK (length(object) = 16),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE replaced_blob_keys (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- As above.
    object      BLOB    NOT NULL CHECK (length(object) = 16),
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    wrapped_key BLOB    NOT NULL CHECK (length(wrapped_key) BETWEEN 1 AND 256),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;
