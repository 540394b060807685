-- Batches become the index of the log and carry its counters; operations and row ids are stored as briefly as they can be.
-- Data stays text, which is as valid as bytes: SQLite has no base64 of its own.
--
-- Foreign keys are not enforced while this runs, because tables go and come back under their names. They are checked after it.

CREATE TEMP TABLE kept_epochs AS SELECT * FROM epochs;
CREATE TEMP TABLE kept_logs AS SELECT id, app, user FROM logs;
CREATE TEMP TABLE kept_sequences AS SELECT name, seq FROM sqlite_sequence WHERE name IN ('logs', 'changes');
CREATE TEMP TABLE kept_batches AS
    SELECT batches.*, min(seq) AS first_seq, max(seq) AS last_seq, count(*) AS changes,
        coalesce(sum(octet_length(data)), 0) AS bytes
    FROM batches JOIN changes ON changes.batch = batches.id GROUP BY batches.id;
DROP TRIGGER changes_are_not_deleted;
DROP TRIGGER changes_are_not_updated;
DROP TABLE batches;
DROP TABLE logs;
DROP TABLE epochs;
DROP INDEX changes_by_log;
ALTER TABLE changes RENAME TO old_changes;

CREATE TABLE epochs (
    id        INTEGER PRIMARY KEY,
    tag       TEXT    NOT NULL UNIQUE CHECK (length(tag) = 8),
    first_seq INTEGER NOT NULL CHECK (first_seq > 1),
    -- The newest seq that was given out by the time changes were last removed. A seq is never used twice, and the newest of
    -- those that are left may not be the newest that there was.
    spent_seq INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL
) STRICT;

INSERT INTO epochs (id, tag, first_seq, opened_at) SELECT id, tag, first_seq, opened_at FROM kept_epochs;
UPDATE epochs SET spent_seq = coalesce((SELECT seq FROM kept_sequences WHERE name = 'changes'), 0)
WHERE id = (SELECT max(id) FROM epochs);

CREATE TABLE logs (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    app  INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    UNIQUE (app, user)
) STRICT;

CREATE INDEX logs_by_user ON logs (user);

INSERT INTO logs SELECT id, app, user FROM kept_logs;
UPDATE sqlite_sequence SET seq = (SELECT seq FROM kept_sequences WHERE name = 'logs')
WHERE name = 'logs' AND EXISTS (SELECT 1 FROM kept_sequences WHERE name = 'logs');
INSERT INTO sqlite_sequence (name, seq)
SELECT name, seq FROM kept_sequences
WHERE name = 'logs' AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'logs');

CREATE TABLE batches (
    log           INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    -- Its changes.
    last_seq      INTEGER NOT NULL,
    first_seq     INTEGER NOT NULL CHECK (first_seq BETWEEN 2 AND last_seq),
    batch_id      BLOB    NOT NULL CHECK (length(batch_id) = 16),
    -- The device that pushed it.
    device        INTEGER NOT NULL,
    -- SHA-256 over table, op, row id and time of its changes, without data: a retry may be re-encrypted.
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    -- The answer that was given: the same again for a repeat.
    cursor_seq    INTEGER NOT NULL,
    epoch         INTEGER NOT NULL REFERENCES epochs (id),
    received_at   INTEGER NOT NULL,
    -- The newest seq in the log that any other device wrote; 1, which no change bears, if none did. With the two above it tells
    -- in one look whether a device has seen everything that others wrote.
    other_seq     INTEGER NOT NULL CHECK (other_seq < first_seq),
    -- Changes in the log, and bytes of their data as it was sent, this batch included.
    total_changes INTEGER NOT NULL CHECK (total_changes > 0),
    change_bytes  INTEGER NOT NULL CHECK (change_bytes >= 0),
    PRIMARY KEY (log, last_seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX batches_by_id ON batches (log, batch_id);

CREATE TABLE unfiled_batches (
    log           INTEGER NOT NULL,
    -- Its changes.
    last_seq      INTEGER PRIMARY KEY,
    first_seq     INTEGER NOT NULL CHECK (first_seq BETWEEN 2 AND last_seq),
    batch_id      BLOB    NOT NULL CHECK (length(batch_id) = 16),
    -- The device that pushed it.
    device        INTEGER NOT NULL,
    -- SHA-256 over table, op, row id and time of its changes, without data: a retry may be re-encrypted.
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    -- The answer that was given: the same again for a repeat.
    cursor_seq    INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    received_at   INTEGER NOT NULL,
    -- The newest seq in the log that any other device wrote; 1, which no change bears, if none did. With the two above it tells
    -- in one look whether a device has seen everything that others wrote.
    other_seq     INTEGER NOT NULL CHECK (other_seq < first_seq),
    -- Changes in the log, and bytes of their data as it was sent, this batch included.
    total_changes INTEGER NOT NULL CHECK (total_changes > 0),
    change_bytes  INTEGER NOT NULL CHECK (change_bytes >= 0)
) STRICT;

CREATE VIEW all_batches AS
SELECT * FROM batches
UNION ALL
SELECT * FROM unfiled_batches AS unfiled
WHERE NOT EXISTS (SELECT 1 FROM batches WHERE batches.log = unfiled.log AND batches.last_seq = unfiled.last_seq);

-- A run is what one device wrote without another in between: other_seq is where the run before it ended.
INSERT INTO batches (log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at, other_seq,
    total_changes, change_bytes)
WITH neighbours AS (
    SELECT *, lag(device) OVER in_order AS device_before, lag(last_seq) OVER in_order AS seq_before
    FROM kept_batches WINDOW in_order AS (PARTITION BY log ORDER BY last_seq)
), runs AS (
    SELECT *, sum(device IS NOT device_before) OVER (PARTITION BY log ORDER BY last_seq) AS run FROM neighbours
)
SELECT log, last_seq, first_seq, batch_id, device, digest, cursor_seq, epoch, received_at,
    coalesce(first_value(seq_before) OVER (PARTITION BY log, run ORDER BY last_seq), 1),
    sum(changes) OVER (PARTITION BY log ORDER BY last_seq),
    sum(bytes) OVER (PARTITION BY log ORDER BY last_seq)
FROM runs ORDER BY log, last_seq;

CREATE TABLE changes (
    seq         INTEGER PRIMARY KEY CHECK (seq > 1),
    -- Said once more, though the batch says it: a pull gives out nothing of another log, whatever else goes wrong. No foreign
    -- key, as the batch has one.
    log         INTEGER NOT NULL,
    -- Lowest two bits: 0 insert, 1 update, 2 delete. The others: which of its letters were sent as capitals, from the first.
    op          INTEGER NOT NULL CHECK (op BETWEEN 0 AND 255),
    tbl         TEXT    NOT NULL CHECK (length(tbl) BETWEEN 1 AND 100),
    -- BLOB: a UUID, sent in its canonical form. TEXT: anything else.
    row_id      ANY     NOT NULL CHECK (typeof(row_id) IN ('blob', 'text')),
    -- The client's clock.
    time        INTEGER NOT NULL,
    -- The master key that sealed data; 0: the server knew of none.
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    -- Opaque. BLOB: what was sent is its canonical base64. TEXT: sent as it is. NULL: the client sent none.
    data        ANY CHECK (typeof(data) IN ('blob', 'text', 'null'))
) STRICT;

INSERT INTO changes (seq, log, op, tbl, row_id, time, key_version, data)
SELECT seq, log,
    CASE lower(op) WHEN 'insert' THEN 0 WHEN 'update' THEN 1 ELSE 2 END
        | ((unicode(substr(op, 1, 1)) < 97) << 2) | ((unicode(substr(op, 2, 1)) < 97) << 3)
        | ((unicode(substr(op, 3, 1)) < 97) << 4) | ((unicode(substr(op, 4, 1)) < 97) << 5)
        | ((unicode(substr(op, 5, 1)) < 97) << 6) | ((unicode(substr(op, 6, 1)) < 97) << 7),
    tbl,
    CASE WHEN length(row_id) = 36 AND row_id GLOB '????????-????-????-????-????????????'
            AND length(replace(row_id, '-', '')) = 32 AND replace(row_id, '-', '') NOT GLOB '*[^0-9a-f]*'
        THEN unhex(replace(row_id, '-', '')) ELSE row_id END,
    time, key_version, data
FROM old_changes ORDER BY seq;

DROP TABLE old_changes;
DROP TABLE kept_epochs;
DROP TABLE kept_logs;
DROP TABLE kept_sequences;
DROP TABLE kept_batches;

CREATE TRIGGER changes_are_not_deleted BEFORE DELETE ON changes
WHEN NOT EXISTS (SELECT 1 FROM append_only_exceptions WHERE reason IN ('compaction', 'deletion'))
BEGIN
    SELECT raise(ABORT, 'changes are append-only');
END;

CREATE TRIGGER changes_are_not_updated BEFORE UPDATE ON changes
WHEN NOT EXISTS (SELECT 1 FROM append_only_exceptions WHERE reason = 'rotation')
BEGIN
    SELECT raise(ABORT, 'changes are append-only');
END;
