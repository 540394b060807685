-- The whole schema of a Tidelog database, version 1.
--
-- New databases are made from this file, and migrations must end at it; a test checks that they do.
-- Conventions: ids that leave the server are UUIDs in 16-byte blobs; ids that do not are integers. Times are in microseconds
-- since 1970, UTC. Tables are STRICT and columns NOT NULL; where a column is not, its comment says what NULL means.
-- Integer ids of what can be deleted are AUTOINCREMENT: a request that was in flight when a user was deleted, or an event
-- that is still in memory, must never reach another user's row under a reused id.

-- One row for each time the database was opened for serving. A cursor carries the tag of the epoch that issued it: an unknown
-- tag, or a seq at or beyond the first of the next epoch, means that the cursor comes from a history that this file lacks.
CREATE TABLE epochs (
    id           INTEGER PRIMARY KEY,
    tag          TEXT    NOT NULL UNIQUE CHECK (length(tag) = 8),
    first_seq    INTEGER NOT NULL CHECK (first_seq > 1),
    -- The highest seq assigned by the time changes were last deleted. A seq is never reused, and the highest one left in
    -- the table may not be the highest one ever assigned.
    max_seq_used INTEGER NOT NULL DEFAULT 0,
    opened_at    INTEGER NOT NULL
) STRICT;

-- Keys that sign access tokens. The newest one signs; all of them verify.
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
    -- SHA-256 of the API key. The key is random and long, so it needs no slow hash.
    api_key_hash  BLOB    NOT NULL UNIQUE CHECK (length(api_key_hash) = 32),
    cursor_format TEXT    NOT NULL DEFAULT 'string' CHECK (cursor_format IN ('string', 'number')),
    -- Whether the bytes of a blob must hash to its name.
    blob_hash     TEXT    NOT NULL DEFAULT 'any' CHECK (blob_hash IN ('any', 'verified')),
    created_at    INTEGER NOT NULL
) STRICT;

-- Redirect URIs of an app, matched exactly. Loopback URIs need no row.
CREATE TABLE redirects (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    uri TEXT    NOT NULL CHECK (length(uri) BETWEEN 1 AND 2000),
    PRIMARY KEY (app, uri)
) STRICT, WITHOUT ROWID;

-- Origins whose web pages may call the API for an app (CORS): as browsers write them, or the name of a preset.
CREATE TABLE origins (
    app    INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    origin TEXT    NOT NULL CHECK (length(origin) BETWEEN 1 AND 300),
    PRIMARY KEY (app, origin)
) STRICT, WITHOUT ROWID;

-- How the sign-in pages look for an app.
CREATE TABLE app_branding (
    app       INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE RESTRICT,
    -- #rrggbb. NULL: the default color.
    color     TEXT CHECK (length(color) = 7),
    -- A small image, and its media type. NULL: none.
    icon      BLOB CHECK (length(icon) BETWEEN 1 AND 65536),
    icon_type TEXT CHECK ((icon_type IS NULL) = (icon IS NULL) AND icon_type IN ('image/png', 'image/jpeg', 'image/webp'))
) STRICT;

CREATE TABLE users (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- Trimmed and lower-cased. NULL: signs in through an issuer only; see federated_identities.
    email               TEXT UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    -- Argon2id in PHC string format. NULL: as above.
    password_hash       TEXT CHECK ((password_hash IS NULL) = (email IS NULL)),
    admin               INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),
    -- NULL: may sign in.
    disabled_at         INTEGER,
    -- NULL: is not being deleted. Otherwise everything of the user is deleted in steps, and this row last.
    deletion_started_at INTEGER CHECK (deletion_started_at IS NULL OR disabled_at IS NOT NULL),
    created_at          INTEGER NOT NULL
) STRICT;

-- Two-factor authentication of an account by TOTP (RFC 6238).
CREATE TABLE second_factors (
    user           INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE RESTRICT,
    -- Shared with the user's authenticator app.
    secret         BLOB    NOT NULL CHECK (length(secret) = 20),
    -- NULL: no code has been entered yet, so none is asked for at sign-in.
    confirmed_at   INTEGER,
    -- The newest time step whose code was used: a code is accepted once.
    last_used_step INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL
) STRICT;

-- Single-use recovery codes for when the authenticator app is lost. A used code is deleted.
CREATE TABLE recovery_codes (
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256. The code is random and long enough.
    hash BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- Sign-ins to an account itself, each good for 15 minutes. They give no access to the data of an app.
CREATE TABLE account_sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    user        INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256 of the cookie. NULL: started through the API, which takes a signed token instead.
    cookie_hash BLOB UNIQUE CHECK (length(cookie_hash) = 32),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

-- To end all of a user's.
CREATE INDEX account_sessions_by_user ON account_sessions (user);

-- For maintenance, which deletes expired rows.
CREATE INDEX account_sessions_by_expiry ON account_sessions (expires_at);

-- One-time links: to create the first administrator, to sign up by invite, to set a new password.
CREATE TABLE links (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- SHA-256 of the secret in the link.
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    kind       TEXT    NOT NULL CHECK (kind IN ('setup', 'invite', 'reset')),
    -- The user whose password it resets. NULL: it is of another kind.
    user       INTEGER REFERENCES users (id) ON DELETE RESTRICT CHECK ((user IS NULL) = (kind <> 'reset')),
    -- The app that an invite is for. NULL: for none in particular, or it is of another kind.
    app        INTEGER REFERENCES apps (id) ON DELETE RESTRICT CHECK (app IS NULL OR kind = 'invite'),
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- For the deletion of a user.
CREATE INDEX links_by_user ON links (user) WHERE user IS NOT NULL;

-- For maintenance, which deletes expired rows.
CREATE INDEX links_by_expiry ON links (expires_at);

-- Issuers whose users an app accepts.
CREATE TABLE issuers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    app             INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    -- The claim `iss` of its assertions.
    issuer          TEXT    NOT NULL CHECK (length(issuer) BETWEEN 1 AND 2000),
    -- The claim `aud` of its assertions.
    audience        TEXT    NOT NULL CHECK (length(audience) BETWEEN 1 AND 2000),
    -- Where its keys are fetched. NULL: they were configured, and are never fetched.
    jwks_url        TEXT CHECK (length(jwks_url) BETWEEN 1 AND 2000),
    -- Its keys as configured or last fetched, a JSON Web Key Set. NULL: not fetched yet.
    jwks            TEXT CHECK (jwks_url IS NOT NULL OR jwks IS NOT NULL),
    -- NULL: never fetched.
    jwks_fetched_at INTEGER,
    created_at      INTEGER NOT NULL,
    UNIQUE (app, issuer)
) STRICT;

-- Users whom an issuer signs in. They belong to one app: no app can name a user of another one.
CREATE TABLE federated_identities (
    app        INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    -- As in issuers; empty for external ids that the app's own backend assigns.
    issuer     TEXT    NOT NULL CHECK (length(issuer) <= 2000),
    subject    TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user       INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app, issuer, subject)
) STRICT, WITHOUT ROWID;

-- For the deletion of a user.
CREATE INDEX federated_identities_by_user ON federated_identities (user);

-- Tokens for programs that administer an app or publish its releases.
CREATE TABLE personal_access_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    -- SHA-256. The token is random and long, so it needs no slow hash.
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scope        TEXT    NOT NULL CHECK (scope IN ('admin', 'ota')),
    -- The one app that it is good for. NULL: every app.
    app          INTEGER REFERENCES apps (id) ON DELETE RESTRICT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- Written lazily. NULL: never used.
    last_used_at INTEGER
) STRICT;

-- For maintenance, which deletes expired rows.
CREATE INDEX personal_access_tokens_by_expiry ON personal_access_tokens (expires_at);

-- OAuth authorization codes. An exchanged code is kept for a while: if it is presented again, the session that it gave ends.
CREATE TABLE authorization_codes (
    -- SHA-256. The code is random and long, so it needs no slow hash.
    hash           BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    app            INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    user           INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    redirect_uri   TEXT    NOT NULL CHECK (length(redirect_uri) BETWEEN 1 AND 2000),
    -- PKCE: SHA-256 of the code verifier.
    code_challenge BLOB    NOT NULL CHECK (length(code_challenge) = 32),
    expires_at     INTEGER NOT NULL,
    -- The session that it was exchanged for. NULL: not exchanged.
    session        BLOB CHECK (length(session) = 16)
) STRICT, WITHOUT ROWID;

-- To revoke all of a user's.
CREATE INDEX authorization_codes_by_user ON authorization_codes (user);

-- For maintenance, which deletes expired rows.
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

-- Sign-ins, failed sign-ins, and what was done to accounts and apps. There are no foreign keys: rows outlive what they name,
-- except for a user, whose rows are deleted with the account.
CREATE TABLE audit_log (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    occurred_at INTEGER NOT NULL,
    action      TEXT    NOT NULL CHECK (length(action) BETWEEN 1 AND 50),
    -- UUIDs. NULL: it concerns none, or an unknown one.
    user        BLOB CHECK (length(user) = 16),
    app         BLOB CHECK (length(app) = 16),
    -- NULL: the actor is an operator or the server itself.
    client_ip   TEXT CHECK (length(client_ip) <= 50),
    -- A sentence. NULL: the action says everything.
    detail      TEXT CHECK (length(detail) <= 500)
) STRICT;

-- To list what concerns one user.
CREATE INDEX audit_log_by_user ON audit_log (user) WHERE user IS NOT NULL;

-- A log holds the changes of one user in one app. Its totals and its last writers are in its newest batch.
CREATE TABLE logs (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    app  INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    UNIQUE (app, user)
) STRICT;

-- For the deletion of a user.
CREATE INDEX logs_by_user ON logs (user);

CREATE TABLE devices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    log          INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    name         TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    platform     TEXT    NOT NULL CHECK (platform IN ('macos', 'windows', 'linux', 'ios', 'android', 'web')),
    -- NULL: the client does not tell its installations apart.
    install_id   BLOB CHECK (length(install_id) = 16),
    -- The last seq that this device has pulled. Written lazily: it may lag behind, but is never ahead.
    pulled_seq   INTEGER NOT NULL DEFAULT 1,
    -- Up to this seq a pull gives the device its own entries too: the log's head when it last pulled from the start.
    own_until    INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    -- NULL: live. A removed device stays as the author of its changes.
    removed_at   INTEGER
) STRICT;

-- Finds a live device by its name; no two of a log share one.
CREATE UNIQUE INDEX devices_by_name ON devices (log, name) WHERE removed_at IS NULL;

-- Finds a live device by its installation.
CREATE UNIQUE INDEX devices_by_install ON devices (log, install_id) WHERE removed_at IS NULL AND install_id IS NOT NULL;

-- Removed devices too, for the deletion of a user.
CREATE INDEX devices_by_log ON devices (log);

-- One sign-in to one app. Ending a session deletes its row, which invalidates every token that names it.
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    log        INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    -- Extended by every refresh.
    expires_at INTEGER NOT NULL
) STRICT;

-- To end the sessions of a user or an app.
CREATE INDEX sessions_by_log ON sessions (log);

-- For maintenance, which deletes expired rows.
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- The chain of a session's refresh tokens. Token n + 1 is an HMAC of the nonce of token n, keyed with token n, so that a
-- repeated refresh gives the same successor.
CREATE TABLE refresh_tokens (
    hash          BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session       INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL CHECK (number >= 0),
    -- NULL: not exchanged for its successor yet.
    nonce         BLOB CHECK (length(nonce) = 32),
    -- When it was first exchanged; its predecessor stays valid for a grace period from then on. NULL: never.
    first_used_at INTEGER,
    UNIQUE (session, number)
) STRICT, WITHOUT ROWID;

-- The devices that a session has used: removing one of them ends the session.
CREATE TABLE session_devices (
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    device  INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (session, device)
) STRICT, WITHOUT ROWID;

-- Finds the sessions of a removed device.
CREATE INDEX session_devices_by_device ON session_devices (device);

-- One row per accepted push. The changes of a push have consecutive seqs, so this is also the index by which pulls find the
-- changes of a log: one entry per batch instead of one per change. Each row continues the running totals of the row before
-- it, so the newest row holds the state of the log, and a push updates no counter elsewhere. Only the newest row is ever
-- corrected, when a rotation changes the size of data; the bytes in older rows are what they were at the time.
-- The device is not a foreign key: each deletion of one would scan all batches, or every push would pay for another index.
-- `tidelog check` looks for dangling ones instead.
CREATE TABLE batches (
    log              INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    -- The seqs of its changes.
    last_seq         INTEGER NOT NULL,
    first_seq        INTEGER NOT NULL CHECK (first_seq BETWEEN 2 AND last_seq),
    batch_id         BLOB    NOT NULL CHECK (length(batch_id) = 16),
    -- The device that pushed it.
    device           INTEGER NOT NULL,
    -- SHA-256 over table, op, row id and time of its changes. Without data: a retry may be re-encrypted.
    digest           BLOB    NOT NULL CHECK (length(digest) = 32),
    -- The cursor that the push was answered with: a repeat gets the same answer.
    cursor_seq       INTEGER NOT NULL,
    epoch            INTEGER NOT NULL REFERENCES epochs (id),
    received_at      INTEGER NOT NULL,
    -- The newest seq in the log that any other device wrote; 1, which no change has, if none did. Together with last_seq
    -- and device it tells in one lookup whether a device has seen everything that others wrote.
    newest_other_seq INTEGER NOT NULL CHECK (newest_other_seq < first_seq),
    -- Changes in the log, and bytes of their data as sent, including this batch.
    total_changes    INTEGER NOT NULL CHECK (total_changes > 0),
    change_bytes     INTEGER NOT NULL CHECK (change_bytes >= 0),
    PRIMARY KEY (log, last_seq)
) STRICT, WITHOUT ROWID;

-- Finds a repeated push.
CREATE UNIQUE INDEX batches_by_id ON batches (log, batch_id);

-- The batch buffer: the newest batches in order of arrival. They are flushed to `batches` later, many of a log at once: each
-- log has pages of its own there, so a push that wrote to `batches` directly would touch two pages that no other push in its
-- group touches. A flushed batch stays here for a while. Foreign keys are checked by the flush. The unflushed batches of a
-- log are always newer than its flushed ones. There are a few thousand rows at most.
CREATE TABLE buffered_batches (
    log              INTEGER NOT NULL,
    -- The columns are those of batches.
    last_seq         INTEGER PRIMARY KEY,
    first_seq        INTEGER NOT NULL CHECK (first_seq BETWEEN 2 AND last_seq),
    batch_id         BLOB    NOT NULL CHECK (length(batch_id) = 16),
    device           INTEGER NOT NULL,
    digest           BLOB    NOT NULL CHECK (length(digest) = 32),
    cursor_seq       INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    received_at      INTEGER NOT NULL,
    newest_other_seq INTEGER NOT NULL CHECK (newest_other_seq < first_seq),
    total_changes    INTEGER NOT NULL CHECK (total_changes > 0),
    change_bytes     INTEGER NOT NULL CHECK (change_bytes >= 0)
) STRICT;

-- Every batch once, flushed or not.
CREATE VIEW all_batches AS
SELECT * FROM batches
UNION ALL
SELECT * FROM buffered_batches AS buffered
WHERE NOT EXISTS (SELECT 1 FROM batches WHERE batches.log = buffered.log AND batches.last_seq = buffered.last_seq);

-- The log itself, append-only. A seq is a cursor, so it is never reused; see epochs.max_seq_used. The first change of a
-- database has seq 2, so that 1 is a position before every change that still differs from "the start".
CREATE TABLE changes (
    seq         INTEGER PRIMARY KEY CHECK (seq > 1),
    -- Repeated from the batch as a safeguard: whatever else goes wrong, a pull gives out nothing of another log. Not a
    -- foreign key, because the batch has one.
    log         INTEGER NOT NULL,
    -- 0 insert, 1 update, 2 delete; plus 4 if it was sent in upper case (INSERT), or 8 if capitalized (Insert).
    -- Checks without lists of more than two values: SQLite fills a temporary table with those, for each row that is inserted.
    op          INTEGER NOT NULL CHECK (op BETWEEN 0 AND 10 AND op & 3 <> 3),
    table_name  TEXT    NOT NULL CHECK (length(table_name) BETWEEN 1 AND 100),
    -- BLOB: a UUID that was sent in its canonical form. TEXT: anything else.
    row_id      ANY     NOT NULL CHECK (typeof(row_id) IN ('blob', 'text')),
    -- By the client's clock.
    timestamp   INTEGER NOT NULL,
    -- The master key that data is encrypted under; 0: the server knew of none.
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    -- Opaque. BLOB: decoded from the canonical base64 that was sent. TEXT: as sent. NULL: the client sent none.
    data        ANY CHECK (data IS NULL OR typeof(data) IN ('blob', 'text'))
) STRICT;

-- The encrypted master key of a log, shared by its devices.
CREATE TABLE key_envelopes (
    log              INTEGER PRIMARY KEY REFERENCES logs (id) ON DELETE RESTRICT,
    encrypted_key    BLOB    NOT NULL CHECK (length(encrypted_key) BETWEEN 1 AND 4096),
    key_version      INTEGER NOT NULL CHECK (key_version > 0),
    -- The highest version ever assigned. It is above key_version after a rotation that was cancelled or undone: a device may
    -- still encrypt under that key, so no other key may get its number.
    max_version_used INTEGER NOT NULL CHECK (max_version_used >= key_version),
    revision         INTEGER NOT NULL CHECK (revision > 0),
    updated_at       INTEGER NOT NULL
) STRICT;

-- Rotations of a log's master key, kept for seven days after their end. At most one per log has not ended.
CREATE TABLE rotations (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    log              INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    state            TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'cancelled', 'undoing', 'undone')),
    -- The envelope of the new key.
    encrypted_key    BLOB    NOT NULL CHECK (length(encrypted_key) BETWEEN 1 AND 4096),
    key_version      INTEGER NOT NULL CHECK (key_version > 0),
    -- Entries of the log that have data, are not under the new key and are not listed in rotation_kept_entries.
    remaining        INTEGER NOT NULL CHECK (remaining >= 0),
    -- The same for wrapped keys of blobs.
    blobs_remaining  INTEGER NOT NULL DEFAULT 0 CHECK (blobs_remaining >= 0),
    -- Whether any entry or wrapped key was ever under the new key.
    started          INTEGER NOT NULL DEFAULT 0 CHECK (started IN (0, 1)),
    began_at         INTEGER NOT NULL,
    -- What an undo restores. NULL: the rotation was never completed.
    replaced_key     BLOB CHECK (length(replaced_key) BETWEEN 1 AND 4096),
    -- NULL: as above.
    replaced_version INTEGER CHECK (replaced_version BETWEEN 1 AND key_version - 1),
    -- NULL: running, or being undone.
    ended_at         INTEGER CHECK ((ended_at IS NULL) = (state IN ('running', 'undoing')))
) STRICT;

-- Finds the one that has not ended, which a push looks up unless the writer cache holds the log.
CREATE UNIQUE INDEX open_rotations ON rotations (log) WHERE ended_at IS NULL;

-- All of a log, for undoing the newest one and for the deletion of a user.
CREATE INDEX rotations_by_log ON rotations (log);

-- For maintenance, which deletes rotations that can no longer be undone.
CREATE INDEX rotations_by_end ON rotations (ended_at) WHERE ended_at IS NOT NULL;

-- Entries that a rotation leaves under their old key because no device can decrypt them.
CREATE TABLE rotation_kept_entries (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;

-- What the entries held that a rotation replaced, for an undo.
CREATE TABLE rotation_replaced_entries (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    seq         INTEGER NOT NULL,
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    -- As in changes.
    data        ANY     NOT NULL CHECK (typeof(data) IN ('blob', 'text')),
    PRIMARY KEY (rotation, seq)
) STRICT, WITHOUT ROWID;

-- Granted uploads that were neither confirmed nor discarded. Only this table knows the hash: an object is named by an id that
-- is made for it and never reused, so that a late upload, another device's upload of the same hash and a deletion never
-- concern the same object.
CREATE TABLE uploads (
    uuid           BLOB    NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    log            INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    -- The session that it was granted to.
    session        BLOB    NOT NULL CHECK (length(session) = 16),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    -- As announced; the client may send a few bytes more, see docs/protocol.md.
    size_bytes     INTEGER NOT NULL CHECK (size_bytes >= 0),
    granted_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    -- The object with the bytes that this server last received for it. NULL: it received none; where clients upload to the
    -- blob store directly, the object has the upload's own id.
    object         BLOB UNIQUE CHECK (length(object) = 16),
    -- Size and SHA-256 of that object. NULL: as above.
    received_bytes INTEGER CHECK ((received_bytes IS NULL) = (object IS NULL) AND received_bytes >= 0),
    received_hash  BLOB CHECK ((received_hash IS NULL) = (object IS NULL) AND length(received_hash) = 32)
) STRICT, WITHOUT ROWID;

-- Finds the uploads to confirm, and those of a log for the deletion of a user.
CREATE INDEX uploads_by_hash ON uploads (log, hash);

-- For maintenance, which deletes expired rows.
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- Confirmed blobs. The object exists before its row.
CREATE TABLE blobs (
    log         INTEGER NOT NULL REFERENCES logs (id) ON DELETE RESTRICT,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    object      BLOB    NOT NULL UNIQUE CHECK (length(object) = 16),
    -- The size of the object.
    size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
    -- Opaque. NULL: the client sent none.
    wrapped_key BLOB CHECK (length(wrapped_key) BETWEEN 1 AND 256),
    -- The master key that it is encrypted under; 0: the server knew of none. NULL: as above.
    key_version INTEGER CHECK ((key_version IS NULL) = (wrapped_key IS NULL) AND key_version >= 0),
    -- Whether the server has checked that the bytes hash to the name.
    verified    INTEGER NOT NULL CHECK (verified IN (0, 1)),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (log, hash)
) STRICT, WITHOUT ROWID;

-- Totals over the two tables above, updated in the same transactions, so that a quota check is one lookup.
CREATE TABLE blob_totals (
    log             INTEGER PRIMARY KEY REFERENCES logs (id) ON DELETE RESTRICT,
    -- Bytes of blobs, and of uploads as announced.
    confirmed_bytes INTEGER NOT NULL CHECK (confirmed_bytes >= 0),
    granted_bytes   INTEGER NOT NULL CHECK (granted_bytes >= 0),
    -- Blobs that have a wrapped key: how many are left to do when a rotation begins.
    wrapped_keys    INTEGER NOT NULL CHECK (wrapped_keys >= 0)
) STRICT;

-- Objects that no other row refers to any more. The object of a blob is kept for a grace period, so that a restored backup of
-- this file still finds it; one that was never confirmed can be deleted at once.
CREATE TABLE removed_objects (
    object     BLOB    NOT NULL PRIMARY KEY CHECK (length(object) = 16),
    -- Where in the blob store it is; a 'pending' one may already have been moved to 'final'.
    location   TEXT    NOT NULL CHECK (location IN ('pending', 'final')),
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For the sweep, which deletes those that are due.
CREATE INDEX removed_objects_by_time ON removed_objects (location, removed_at);

-- Blobs whose wrapped key a rotation leaves as it is because no device can decrypt it. A blob that is removed meanwhile leaves
-- its row here.
CREATE TABLE rotation_kept_blob_keys (
    rotation INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- Not the hash: the same hash may be uploaded again with another key.
    object   BLOB    NOT NULL CHECK (length(object) = 16),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;

-- The wrapped keys of blobs that a rotation replaced, for an undo.
CREATE TABLE rotation_replaced_blob_keys (
    rotation    INTEGER NOT NULL REFERENCES rotations (id) ON DELETE RESTRICT,
    -- As above.
    object      BLOB    NOT NULL CHECK (length(object) = 16),
    key_version INTEGER NOT NULL CHECK (key_version >= 0),
    wrapped_key BLOB    NOT NULL CHECK (length(wrapped_key) BETWEEN 1 AND 256),
    PRIMARY KEY (rotation, object)
) STRICT, WITHOUT ROWID;

-- Names the exceptions to append-only that the current transaction needs. Empty at every commit.
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
