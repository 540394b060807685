-- Each device generates the ids of the rows that it adds, so ids are UUIDs (version 7, ordered by time). A row that every device
-- creates by itself, such as the inbox, has the same id everywhere.
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
    -- A date: YYYY-MM-DD.
    due TEXT,
    -- Two devices may choose the same position; then the id decides.
    position INTEGER NOT NULL
) STRICT;

CREATE INDEX todos_by_list ON todos (list_id, position, id);

INSERT INTO lists (id, name, position) VALUES ('inbox', 'Inbox', 0);

PRAGMA user_version = 1;
