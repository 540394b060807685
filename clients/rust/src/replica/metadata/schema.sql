-- What a replica keeps in the app's database. Every name begins with `tidelog_`; detaching drops all of it.

-- Where the replica stands. One row.
CREATE TABLE tidelog_state (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    format      INTEGER NOT NULL,
    -- Whose data it is; NULL before the first sync.
    app_id      TEXT,
    user_id     TEXT,
    device_id   TEXT,
    -- Everything up to here has been applied.
    cursor      TEXT NOT NULL DEFAULT '0',
    -- The last positions in earlier epochs of the server's, oldest first, as JSON.
    waypoints   TEXT NOT NULL DEFAULT '[]',
    -- 1 while a log is applied from its beginning and what it does not have is to go.
    rebuilding  INTEGER NOT NULL DEFAULT 0,
    -- Counts such rebuilds.
    pass        INTEGER NOT NULL DEFAULT 0,
    -- 1 if a part of a longer pull was applied, so that references may lead nowhere for now.
    unchecked   INTEGER NOT NULL DEFAULT 0,
    -- Where the stream of sealed entries stands; NULL where a new one is to begin.
    stream      BLOB,
    -- What has been seen of the server.
    watch       TEXT
) STRICT;

-- Read by every trigger, so it is a table of its own, as small as can be. One row.
CREATE TABLE tidelog_clock (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    -- Microseconds since 1970: the newest stamp seen or given; the next local write is later.
    stamp    INTEGER NOT NULL DEFAULT 0,
    -- 1 only inside a transaction of the replica's: what it writes is no local write.
    applying INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The tables that sync.
CREATE TABLE tidelog_tables (
    no          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    key_columns TEXT NOT NULL,
    -- The columns that it had when it was last attached, as JSON.
    columns     TEXT NOT NULL DEFAULT '[]',
    -- 1 while its triggers are there.
    attached    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Rows that may have been written here and are not in the log yet.
CREATE TABLE tidelog_marks (
    tbl   INTEGER NOT NULL,
    row   TEXT NOT NULL,
    -- When, in microseconds since 1970; 0: before the table was attached.
    stamp INTEGER NOT NULL,
    -- 0 written, 1 deleted, 2 perhaps replaced by another row.
    kind  INTEGER NOT NULL,
    PRIMARY KEY (tbl, row)
) STRICT, WITHOUT ROWID;

-- Deletions go first. Most marks are none, and cost this index nothing.
CREATE INDEX tidelog_marks_gone ON tidelog_marks (tbl) WHERE kind <> 0;

-- Rows inserted here since marks were last looked at; they become marks then. Appending costs a bulk insert of the app's less.
CREATE TABLE tidelog_inserts (
    id    INTEGER PRIMARY KEY,
    tbl   INTEGER NOT NULL,
    row   TEXT NOT NULL,
    stamp INTEGER NOT NULL
) STRICT;

-- In tables that are merged column by column: columns written here and not in the log yet.
CREATE TABLE tidelog_column_marks (
    tbl   INTEGER NOT NULL,
    row   TEXT NOT NULL,
    name  TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (tbl, row, name)
) STRICT, WITHOUT ROWID;

-- The newest entry of each row in the log, as far as it was applied.
CREATE TABLE tidelog_rows (
    tbl     INTEGER NOT NULL,
    row     TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    stamp   INTEGER NOT NULL,
    -- 1: the entry is a deletion.
    deleted INTEGER NOT NULL,
    -- Tells whether the row is still what the entry says; NULL if it could not be applied.
    digest  BLOB,
    -- When single columns were written, where not with the row, as JSON.
    stamps  TEXT,
    -- Columns that this app does not have (yet), as JSON.
    extra   TEXT,
    -- The rebuild in which it was last seen.
    pass    INTEGER NOT NULL,
    PRIMARY KEY (tbl, row)
) STRICT, WITHOUT ROWID;

-- What deleted rows held, where another row may forbid their deletion.
CREATE TABLE tidelog_graves (
    tbl   INTEGER NOT NULL,
    row   TEXT NOT NULL,
    -- Names of the columns as JSON, and their values as SQL literals.
    names TEXT NOT NULL,
    cells TEXT NOT NULL,
    PRIMARY KEY (tbl, row)
) STRICT, WITHOUT ROWID;

-- The newest entries of tables that this app does not have (yet).
CREATE TABLE tidelog_unknown (
    wire_name TEXT NOT NULL,
    row_id    TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    stamp     INTEGER NOT NULL,
    -- NULL: the entry is a deletion.
    data      TEXT,
    PRIMARY KEY (wire_name, row_id)
) STRICT, WITHOUT ROWID;

-- What could not be done, for the app to show.
CREATE TABLE tidelog_problems (
    id        INTEGER PRIMARY KEY,
    -- 'unreadable', 'not_applied', 'not_pushed', 'gave_way'.
    kind      TEXT NOT NULL,
    wire_name TEXT NOT NULL,
    row       TEXT NOT NULL,
    -- NULL: it is not in the log.
    seq       INTEGER,
    stamp     INTEGER NOT NULL,
    -- The row, as JSON; NULL where there is none.
    data      TEXT,
    reason    TEXT NOT NULL,
    UNIQUE (wire_name, row, kind)
) STRICT;

-- A sealed batch that is not acknowledged yet. One row at most.
CREATE TABLE tidelog_outbox (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    -- The request, byte for byte.
    body    BLOB NOT NULL,
    -- Where the stream stands after it.
    stream  BLOB NOT NULL,
    -- What becomes of marks and rows once it is in the log, as JSON.
    entries TEXT NOT NULL
) STRICT;
