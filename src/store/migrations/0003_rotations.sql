-- Rotations: the key that is about to be, what it replaces, and which numbers of keys are spent.
--
-- Until now a key's number never went down, so the highest that was given out is the current one.

ALTER TABLE key_envelopes RENAME TO old_key_envelopes;

CREATE TABLE key_envelopes (
    log           INTEGER PRIMARY KEY REFERENCES logs (id) ON DELETE RESTRICT,
    encrypted_key BLOB    NOT NULL CHECK (length(encrypted_key) BETWEEN 1 AND 4096),
    key_version   INTEGER NOT NULL CHECK (key_version > 0),
    -- The highest version that was ever given out. It is above key_version after a rotation that began and did not last: some
    -- device may still seal under its key, so no other key may bear its number.
    spent_version INTEGER NOT NULL CHECK (spent_version >= key_version),
    revision      INTEGER NOT NULL CHECK (revision > 0),
    updated_at    INTEGER NOT NULL
) STRICT;

INSERT INTO key_envelopes (log, encrypted_key, key_version, spent_version, revision, updated_at)
SELECT log, encrypted_key, key_version, key_version, revision, updated_at FROM old_key_envelopes;

DROP TABLE old_key_envelopes;

CREATE TABLE rotations (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    log              INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    state            TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'cancelled', 'undoing', 'undone')),
    -- The new key, as it was begun with.
    encrypted_key    BLOB    NOT NULL CHECK (length(encrypted_key) BETWEEN 1 AND 4096),
    key_version      INTEGER NOT NULL CHECK (key_version > 0),
    -- Entries of the log that have data, are not under the new key, and are not kept as they are.
    remaining        INTEGER NOT NULL CHECK (remaining >= 0),
    -- Whether any entry was ever under the new key.
    started          INTEGER NOT NULL DEFAULT 0 CHECK (started IN (0, 1)),
    began_at         INTEGER NOT NULL,
    -- What an undo brings back. NULL: it was never completed.
    replaced_key     BLOB CHECK (length(replaced_key) BETWEEN 1 AND 4096),
    -- NULL: as above.
    replaced_version INTEGER CHECK (replaced_version BETWEEN 1 AND key_version - 1),
    -- NULL: it is running, or being undone.
    ended_at         INTEGER CHECK ((ended_at IS NULL) = (state IN ('running', 'undoing')))
) STRICT;

CREATE UNIQUE INDEX open_rotations ON rotations (log) WHERE ended_at IS NULL;

CREATE INDEX rotations_by_log ON rotations (log);

CREATE INDEX rotations_by_end ON rotations (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE kept_entries (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE replaced_data (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq         INTEGER NOT NULL,
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    -- As in changes.
    data        ANY     NOT NULL CHECK (typeof(data) IN ('blob', 'text')),
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;
