-- Ids are made by the device that adds a row, so they must never meet: UUIDs, by time. What every device makes by itself, such as
-- the inbox, has the same id everywhere.
CREATE TABLE lists (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE todos (
    id TEXT PRIMARY KEY,
    list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    -- A day: YYYY-MM-DD.
    due TEXT,
    -- Two devices may give the same one: the id decides then.
    position INTEGER NOT NULL
) STRICT;

CREATE INDEX todos_of_a_list ON todos (list_id, position, id);

INSERT INTO lists (id, name, position) VALUES ('inbox', 'Inbox', 0);

PRAGMA user_version = 1;
