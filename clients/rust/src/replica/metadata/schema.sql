-- What a replica keeps in the app's database. All names begin with `tidelog_`; detaching drops everything.
-- Timestamps are those of the hybrid logical clock, in microseconds since 1970.

-- The replica's position and settings. One row.
CREATE TABLE tidelog_state (
    id                   INTEGER PRIMARY KEY CHECK (id = 1),
    -- The version of these tables.
    format               INTEGER NOT NULL,
    -- The account; NULL before the first sync.
    app_id               TEXT,
    user_id              TEXT,
    device_id            TEXT,
    -- Everything up to this position has been applied.
    cursor               TEXT NOT NULL DEFAULT '0',
    -- The last position in each earlier epoch of the server, oldest first, as JSON.
    epoch_cursors        TEXT NOT NULL DEFAULT '[]',
    -- 1 while the log is read again from its start, to find rows that it no longer has.
    rebuilding           INTEGER NOT NULL DEFAULT 0,
    -- The number of rebuilds so far.
    generation           INTEGER NOT NULL DEFAULT 0,
    -- 1 while only a part of a longer pull has been applied, so that references may still dangle.
    references_unchecked INTEGER NOT NULL DEFAULT 0,
    -- The state of the stream of sealed entries; NULL if the next batch begins a new stream.
    stream               BLOB,
    -- What the client has verified of the log, as JSON.
    watch                TEXT
) STRICT;

-- The hybrid logical clock. A table of its own, and a small one, because every trigger reads it. One row.
CREATE TABLE tidelog_clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    -- The newest timestamp seen or issued; the next local write gets a later one.
    timestamp INTEGER NOT NULL DEFAULT 0,
    -- 1 only inside a transaction of the replica, whose writes are not local changes.
    applying  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The tables that sync.
CREATE TABLE tidelog_tables (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    -- The columns of the primary key, as JSON.
    key_columns TEXT NOT NULL,
    -- The columns that it had when it was last looked at, as JSON.
    columns     TEXT NOT NULL DEFAULT '[]',
    -- 1 while its triggers are in place.
    attached    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Rows that were written here and may not be in the log yet.
CREATE TABLE tidelog_dirty_rows (
    table_id  INTEGER NOT NULL,
    row_key   TEXT NOT NULL,
    -- When it was written; 0: before the table was attached.
    timestamp INTEGER NOT NULL,
    -- 0: written; 1: deleted; 2: possibly replaced by another row.
    kind      INTEGER NOT NULL,
    PRIMARY KEY (table_id, row_key)
) STRICT, WITHOUT ROWID;

-- Deletions are sent first. Most dirty rows are not deleted, and cost this index nothing.
CREATE INDEX tidelog_dirty_deletions ON tidelog_dirty_rows (table_id) WHERE kind <> 0;

-- Inserted rows, until they are moved to `tidelog_dirty_rows`. Appending slows the app's bulk inserts less.
CREATE TABLE tidelog_insert_buffer (
    id        INTEGER PRIMARY KEY,
    table_id  INTEGER NOT NULL,
    row_key   TEXT NOT NULL,
    timestamp INTEGER NOT NULL
) STRICT;

-- In tables that are merged column by column: columns that were written here and are not in the log yet.
CREATE TABLE tidelog_dirty_columns (
    table_id  INTEGER NOT NULL,
    row_key   TEXT NOT NULL,
    name      TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (table_id, row_key, name)
) STRICT, WITHOUT ROWID;

-- The newest log entry of each row, as far as the log has been applied.
CREATE TABLE tidelog_row_versions (
    table_id          INTEGER NOT NULL,
    row_key           TEXT NOT NULL,
    seq               INTEGER NOT NULL,
    timestamp         INTEGER NOT NULL,
    -- 1: the entry is a deletion.
    deleted           INTEGER NOT NULL,
    -- A hash of the row, to detect whether it still matches the entry; NULL if the entry could not be applied.
    digest            BLOB,
    -- When single columns were written, where that differs from the row, as JSON.
    column_timestamps TEXT,
    -- Columns that this app does not have (yet), as JSON.
    extra_columns     TEXT,
    -- The rebuild in which the row was last seen.
    generation        INTEGER NOT NULL,
    PRIMARY KEY (table_id, row_key)
) STRICT, WITHOUT ROWID;

-- The contents of deleted rows, where another row's foreign key may forbid the deletion.
CREATE TABLE tidelog_tombstones (
    table_id INTEGER NOT NULL,
    row_key  TEXT NOT NULL,
    -- The names of the columns, as JSON, and their values, as SQL literals.
    columns  TEXT NOT NULL,
    cells    TEXT NOT NULL,
    PRIMARY KEY (table_id, row_key)
) STRICT, WITHOUT ROWID;

-- The newest entries of tables that this app does not have (yet).
CREATE TABLE tidelog_unknown_tables (
    wire_name TEXT NOT NULL,
    row_id    TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    -- NULL: the entry is a deletion.
    data      TEXT,
    PRIMARY KEY (wire_name, row_id)
) STRICT, WITHOUT ROWID;

-- Problems, for the app to show.
CREATE TABLE tidelog_problems (
    id        INTEGER PRIMARY KEY,
    -- 'unreadable', 'not_applied', 'not_pushed', 'removed_by_constraint' or 'table_left_out'.
    kind      TEXT NOT NULL,
    wire_name TEXT NOT NULL,
    row_id    TEXT NOT NULL,
    -- NULL: it is not in the log.
    seq       INTEGER,
    timestamp INTEGER NOT NULL,
    -- The row, as JSON; NULL if there is none.
    data      TEXT,
    reason    TEXT NOT NULL,
    UNIQUE (wire_name, row_id, kind)
) STRICT;

-- The sealed batch that has not been acknowledged yet. At most one row.
CREATE TABLE tidelog_outbox (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    -- The request body, byte for byte.
    body    BLOB NOT NULL,
    -- The state of the stream after this batch.
    stream  BLOB NOT NULL,
    -- What to update once the batch is in the log, as JSON.
    entries TEXT NOT NULL
) STRICT;
