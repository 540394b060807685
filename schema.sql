-- The whole schema of a Tidelog database, version 1.
--
-- New databases are made from this file, and migrations must end at it; a test checks that they do.
-- Conventions: ids that leave the server are UUIDs in 16-byte blobs; ids that do not are integers. Times are microseconds
-- since 1970 in UTC. Tables are STRICT and columns NOT NULL; where one is not, its comment says what NULL means.
-- Ids of what can be deleted are AUTOINCREMENT: a request that was under way when a user was deleted, or a note that is still
-- in memory, must never find somebody else under the same number.

-- One row per opening of the database for serving. A cursor carries the tag of the epoch that gave it out: an unknown tag,
-- or a seq at or beyond the next epoch's first, comes from a history that this file does not hold.
CREATE TABLE epochs (
    id        INTEGER PRIMARY KEY,
    tag       TEXT    NOT NULL UNIQUE CHECK (length(tag) = 8),
    first_seq INTEGER NOT NULL CHECK (first_seq > 1),
    -- The newest seq that was given out by the time changes were last removed. A seq is never used twice, and the newest of
    -- those that are left may not be the newest that there was.
    spent_seq INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL
) STRICT;

-- Keys that sign access tokens. The newest signs, all of them verify.
CREATE TABLE signing_keys (
    id         INTEGER PRIMARY KEY,
    kid        TEXT    NOT NULL UNIQUE,
    secret     BLOB    NOT NULL CHECK (length(secret) = 32),
    created_at INTEGER NOT NULL
) STRICT;

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

-- Where the browser may be sent back to after a sign-in, exactly. Addresses of this machine need no row.
CREATE TABLE redirects (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    uri TEXT    NOT NULL CHECK (length(uri) BETWEEN 1 AND 2000),
    PRIMARY KEY (app, uri)
) STRICT, WITHOUT ROWID;

-- Origins of web pages that may call the API for an app: as browsers write them, or the name of a preset.
CREATE TABLE origins (
    app    INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    origin TEXT    NOT NULL CHECK (length(origin) BETWEEN 1 AND 300),
    PRIMARY KEY (app, origin)
) STRICT, WITHOUT ROWID;

-- How an app looks on the pages where people sign in to it.
CREATE TABLE app_looks (
    app       INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE RESTRICT,
    -- #rrggbb. NULL: Tidelog's.
    color     TEXT CHECK (length(color) = 7),
    -- A small picture, and its media type. NULL: none.
    icon      BLOB CHECK (length(icon) BETWEEN 1 AND 65536),
    icon_type TEXT CHECK ((icon_type IS NULL) = (icon IS NULL) AND icon_type IN ('image/png', 'image/jpeg', 'image/webp'))
) STRICT;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- Trimmed and lower-cased. NULL: another system signs this user in, see identities.
    email         TEXT UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    -- Argon2id in PHC form. NULL: as above.
    password_hash TEXT CHECK ((password_hash IS NULL) = (email IS NULL)),
    admin         INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),
    -- NULL: may sign in.
    disabled_at   INTEGER,
    -- NULL: stays. Otherwise everything that the user has is being deleted, step by step, and the user in the end.
    removed_at    INTEGER CHECK (removed_at IS NULL OR disabled_at IS NOT NULL),
    created_at    INTEGER NOT NULL
) STRICT;

-- The second factor of an account: codes by time, RFC 6238.
CREATE TABLE second_factors (
    user         INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE RESTRICT,
    -- What the person's program and the server share.
    secret       BLOB    NOT NULL CHECK (length(secret) = 20),
    -- NULL: no code has been shown yet, so it is not asked for.
    confirmed_at INTEGER,
    -- The newest time step of which a code was used: none is taken twice.
    last_step    INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT;

-- Codes that stand in for the second factor, each once. A used one is deleted.
CREATE TABLE recovery_codes (
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256. The code carries its own entropy.
    hash BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- Sign-ins to an account itself, for a quarter of an hour. Nothing of an app can be reached by them.
CREATE TABLE account_sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    user        INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256 of the cookie. NULL: it was begun through the API, which takes a signed token.
    cookie_hash BLOB UNIQUE CHECK (length(cookie_hash) = 32),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

-- Ends those of a user.
CREATE INDEX account_sessions_by_user ON account_sessions (user);

-- Lets upkeep find what has expired.
CREATE INDEX account_sessions_by_expiry ON account_sessions (expires_at);

-- Links that let somebody in who has no password, or not the right one: to set up the first administrator, to sign up by
-- invite, to set a new password.
CREATE TABLE links (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- SHA-256 of its secret part.
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    kind       TEXT    NOT NULL CHECK (kind IN ('setup', 'invite', 'reset')),
    -- Whose password it resets. NULL: of the other kinds.
    user       INTEGER REFERENCES users (id) ON DELETE RESTRICT CHECK ((user IS NULL) = (kind <> 'reset')),
    -- The app that an invite is to. NULL: it names none, or it is of another kind.
    app        INTEGER REFERENCES apps (id) ON DELETE RESTRICT CHECK (app IS NULL OR kind = 'invite'),
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Finds the links of a user who is to be deleted.
CREATE INDEX links_by_user ON links (user) WHERE user IS NOT NULL;

-- Lets upkeep find what has expired.
CREATE INDEX links_by_expiry ON links (expires_at);

-- Systems whose word an app takes for who somebody is.
CREATE TABLE issuers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    -- `iss` of its tokens.
    issuer     TEXT    NOT NULL CHECK (length(issuer) BETWEEN 1 AND 2000),
    -- `aud` of its tokens.
    audience   TEXT    NOT NULL CHECK (length(audience) BETWEEN 1 AND 2000),
    -- Where its keys are fetched. NULL: they were given, and are never fetched.
    jwks_url   TEXT CHECK (length(jwks_url) BETWEEN 1 AND 2000),
    -- Its keys as they were given or last fetched, JSON. NULL: not fetched yet.
    jwks       TEXT CHECK (jwks_url IS NOT NULL OR jwks IS NOT NULL),
    -- NULL: as above.
    fetched_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (app, issuer)
) STRICT;

-- Users whom another system signs in. They are the app's own: no app can name a user of another one.
CREATE TABLE identities (
    app        INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    -- As in issuers; empty for ids that the app's own backend gives.
    issuer     TEXT    NOT NULL CHECK (length(issuer) <= 2000),
    subject    TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user       INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app, issuer, subject)
) STRICT, WITHOUT ROWID;

-- Finds the identities of a user.
CREATE INDEX identities_by_user ON identities (user);

-- Tokens of administrators and of whoever publishes releases.
CREATE TABLE access_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- SHA-256. The token carries its own entropy.
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scope        TEXT    NOT NULL CHECK (scope IN ('admin', 'ota')),
    -- The one app that it is good for. NULL: every app.
    app          INTEGER REFERENCES apps (id) ON DELETE RESTRICT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- Written lazily. NULL: never.
    last_used_at INTEGER
) STRICT;

-- Lets upkeep find what has expired.
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

-- Authorization codes. One that was exchanged stays for a while: presented again, it ends the session that it gave.
CREATE TABLE authorization_codes (
    -- SHA-256. The code carries its own entropy.
    hash           BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    app            INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    user           INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    redirect_uri   TEXT    NOT NULL CHECK (length(redirect_uri) BETWEEN 1 AND 2000),
    -- PKCE: SHA-256 of what the client must show.
    code_challenge BLOB    NOT NULL CHECK (length(code_challenge) = 32),
    expires_at     INTEGER NOT NULL,
    -- The session that it gave. NULL: it has not been exchanged.
    session        BLOB CHECK (length(session) = 16)
) STRICT, WITHOUT ROWID;

-- Withdraws those of a user.
CREATE INDEX authorization_codes_by_user ON authorization_codes (user);

-- Lets upkeep find what has expired.
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

-- Who signed in, who was turned away, and what was done to accounts and apps. No foreign keys: it outlives what it names, but for
-- users, whose rows go with them.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    action  TEXT    NOT NULL CHECK (length(action) BETWEEN 1 AND 50),
    -- Ids. NULL: it concerns none, or one that is not known.
    user    BLOB CHECK (length(user) = 16),
    app     BLOB CHECK (length(app) = 16),
    -- The client's address. NULL: an operator did it.
    address TEXT CHECK (length(address) <= 50),
    -- A sentence. NULL: the action says it all.
    detail  TEXT CHECK (length(detail) <= 500)
) STRICT;

-- What concerns a user.
CREATE INDEX audit_by_user ON audit (user) WHERE user IS NOT NULL;

-- A log holds the changes of one user in one app. How much it holds, and who wrote last, is in its newest batch.
CREATE TABLE logs (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    app  INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    UNIQUE (app, user)
) STRICT;

-- Finds the logs of a user who is to be deleted.
CREATE INDEX logs_by_user ON logs (user);

CREATE TABLE devices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    log          INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    name         TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    platform     TEXT    NOT NULL CHECK (platform IN ('macos', 'windows', 'linux', 'ios', 'android', 'web')),
    -- NULL: the client did not tell its installations apart.
    install_id   BLOB CHECK (length(install_id) = 16),
    -- The last seq that this device pulled, written lazily: it may lag, it never leads.
    pulled_seq   INTEGER NOT NULL DEFAULT 1,
    -- Up to this seq the device is given its own entries too: the log's head when it last pulled from the start.
    own_until    INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    -- NULL: live. A removed device stays as the author of its changes.
    removed_at   INTEGER
) STRICT;

-- A live device is found by its name, and no two share one.
CREATE UNIQUE INDEX devices_by_name ON devices (log, name) WHERE removed_at IS NULL;

-- A live device is found by its installation.
CREATE UNIQUE INDEX devices_by_install ON devices (log, install_id) WHERE removed_at IS NULL AND install_id IS NOT NULL;

-- Every device of a log, for deletion.
CREATE INDEX devices_by_log ON devices (log);

-- A session is one sign-in to one app. Ending it deletes it, and every token that names it dies.
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    log        INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    -- Pushed on by every refresh.
    expires_at INTEGER NOT NULL
) STRICT;

-- Ends the sessions of a user or an app.
CREATE INDEX sessions_by_log ON sessions (log);

-- Lets upkeep find what has expired.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The chain of a session's refresh tokens: number n + 1 is HMAC(token n, rotation n), so a repeat gives the same successor.
CREATE TABLE refresh_tokens (
    hash          BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session       INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL CHECK (number >= 0),
    -- NULL: not yet exchanged for its successor.
    rotation      BLOB CHECK (length(rotation) = 32),
    -- When it was first exchanged; its predecessor lives for a grace time beyond. NULL: never.
    first_used_at INTEGER,
    UNIQUE (session, number)
) STRICT, WITHOUT ROWID;

-- Which devices a session has spoken for: removing one of them ends the session.
CREATE TABLE session_devices (
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    device  INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (session, device)
) STRICT, WITHOUT ROWID;

-- Finds the sessions of a removed device.
CREATE INDEX session_devices_by_device ON session_devices (device);

-- One row per accepted push. Its changes have consecutive numbers, so this is also the index by which pulls find the changes
-- of a log: one entry for a batch, not one for each change. And each row continues the sums of the one before it, so that
-- the newest tells the state of the log: a push writes no counter that is elsewhere. Only the newest is ever corrected, when a
-- rotation makes data longer or shorter: what older rows say of bytes is how things were.
-- The device is no foreign key: each deletion of one would scan the batches, or every push would pay for another index.
-- `tidelog check` looks instead.
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

-- Recognises a repeat.
CREATE UNIQUE INDEX batches_by_id ON batches (log, batch_id);

-- The newest batches, in the order in which they came. They are filed in `batches` later, many of a log at once: there, each log
-- has places of its own, so a push that went there directly would write two pages that it shares with nobody. A batch that is
-- filed stays here for a while. Its foreign keys are checked when it is filed. Of each log, what is unfiled is newer than all that is filed. A few thousand rows at most.
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

-- Every batch once.
CREATE VIEW all_batches AS
SELECT * FROM batches
UNION ALL
SELECT * FROM unfiled_batches AS unfiled
WHERE NOT EXISTS (SELECT 1 FROM batches WHERE batches.log = unfiled.log AND batches.last_seq = unfiled.last_seq);

-- The log itself, append-only. The seq is a cursor, so it is never used twice; see epochs.spent_seq. The first change of a
-- database bears number 2, so that 1 is a position before everything and yet not "the start".
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

-- The sealed master key of a log, as its devices share it.
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

-- Replacements of a log's master key, kept for seven days after they ended. A log has at most one that has not ended.
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

-- The one that has not ended, which every push that is not remembered asks for.
CREATE UNIQUE INDEX open_rotations ON rotations (log) WHERE ended_at IS NULL;

-- All of a log, for undoing the newest and for deletion.
CREATE INDEX rotations_by_log ON rotations (log);

-- Lets upkeep find what is old enough to go.
CREATE INDEX rotations_by_end ON rotations (ended_at) WHERE ended_at IS NOT NULL;

-- Entries that a rotation leaves under their old key, as nobody can read them.
CREATE TABLE kept_entries (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;

-- What the entries were that a rotation has replaced, for an undo.
CREATE TABLE replaced_data (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq         INTEGER NOT NULL,
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    -- As in changes.
    data        ANY     NOT NULL CHECK (typeof(data) IN ('blob', 'text')),
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;

-- Uploads that were granted and neither confirmed nor given up. The hash is only here: an object is named by an id that is made
-- for it and never used again, so a late upload, another device's upload of the same hash and a deletion never meet in one.
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

-- Finds what is to be confirmed, and the uploads of a log for deletion.
CREATE INDEX uploads_by_hash ON uploads (log, hash);

-- Lets upkeep find what has expired.
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- Confirmed blobs. The object is there before the row.
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

-- Sums over the two tables above, kept in the transactions that change them, so that a quota is one look.
CREATE TABLE blob_sums (
    log             INTEGER PRIMARY KEY REFERENCES logs (id) ON DELETE RESTRICT,
    -- Bytes of blobs, and of uploads as they were announced.
    confirmed_bytes INTEGER NOT NULL CHECK (confirmed_bytes >= 0),
    granted_bytes   INTEGER NOT NULL CHECK (granted_bytes >= 0),
    -- Blobs that have a sealed key: so many are to be sealed anew when a rotation begins.
    sealed_keys     INTEGER NOT NULL CHECK (sealed_keys >= 0)
) STRICT;

-- Objects that no row refers to any more. What was a blob stays for a grace time, so that a backup of this file finds it; what
-- never was one can go at once.
CREATE TABLE removed_objects (
    object     BLOB    NOT NULL PRIMARY KEY CHECK (length(object) = 16),
    -- Where it lies: 'pending' may have got as far as 'final'.
    place      TEXT    NOT NULL CHECK (place IN ('pending', 'final')),
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lets upkeep find what can go.
CREATE INDEX removed_objects_by_time ON removed_objects (place, removed_at);

-- Blobs whose sealed key a rotation leaves as it is, as nobody can open it. A blob that is removed meanwhile leaves its row here.
CREATE TABLE kept_blob_keys (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- The blob's; a hash may be uploaded again with another key.
    object   BLOB    NOT NULL CHECK (length(object) = 16),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;

-- What the sealed keys of blobs were that a rotation has replaced, for an undo.
CREATE TABLE replaced_blob_keys (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- As above.
    object      BLOB    NOT NULL CHECK (length(object) = 16),
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    wrapped_key BLOB    NOT NULL CHECK (length(wrapped_key) BETWEEN 1 AND 256),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;

-- Exceptions to append-only, by name, while the transaction that needs them runs. Empty at every commit.
CREATE TABLE append_only_exceptions (
    reason TEXT NOT NULL PRIMARY KEY CHECK (reason IN ('rotation', 'compaction', 'deletion'))
) STRICT, WITHOUT ROWID;

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
