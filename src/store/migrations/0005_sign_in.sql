-- Sign-in: users of other systems, second factors, links, authorization codes, looks of apps, the audit log.
--
-- Foreign keys are not enforced while this runs, because the table of users goes and comes back under its name. They are checked
-- after it.

CREATE TEMP TABLE kept_users AS SELECT * FROM users;
CREATE TEMP TABLE kept_sequences AS SELECT name, seq FROM sqlite_sequence WHERE name = 'users';
DROP TABLE users;

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

INSERT INTO users (id, uuid, email, password_hash, admin, disabled_at, created_at)
SELECT id, uuid, email, password_hash, admin, disabled_at, created_at FROM kept_users;

-- Numbers that were given out stay spent.
UPDATE sqlite_sequence SET seq = (SELECT seq FROM kept_sequences)
WHERE name = 'users' AND EXISTS (SELECT 1 FROM kept_sequences);
INSERT INTO sqlite_sequence (name, seq)
SELECT name, seq FROM kept_sequences
WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users');
DROP TABLE kept_users;
DROP TABLE kept_sequences;

CREATE TABLE redirects (
    app INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    uri TEXT    NOT NULL CHECK (length(uri) BETWEEN 1 AND 2000),
    PRIMARY KEY (app, uri)
) STRICT, WITHOUT ROWID;

CREATE TABLE origins (
    app    INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    origin TEXT    NOT NULL CHECK (length(origin) BETWEEN 1 AND 300),
    PRIMARY KEY (app, origin)
) STRICT, WITHOUT ROWID;

CREATE TABLE app_looks (
    app       INTEGER PRIMARY KEY REFERENCES apps (id) ON DELETE RESTRICT,
    -- #rrggbb. NULL: Tidelog's.
    color     TEXT CHECK (length(color) = 7),
    -- A small picture, and its media type. NULL: none.
    icon      BLOB CHECK (length(icon) BETWEEN 1 AND 65536),
    icon_type TEXT CHECK ((icon_type IS NULL) = (icon IS NULL) AND icon_type IN ('image/png', 'image/jpeg', 'image/webp'))
) STRICT;

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

CREATE TABLE recovery_codes (
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256. The code carries its own entropy.
    hash BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    user        INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    -- SHA-256 of the cookie. NULL: it was begun through the API, which takes a signed token.
    cookie_hash BLOB UNIQUE CHECK (length(cookie_hash) = 32),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX account_sessions_by_user ON account_sessions (user);

CREATE INDEX account_sessions_by_expiry ON account_sessions (expires_at);

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

CREATE INDEX links_by_user ON links (user) WHERE user IS NOT NULL;

CREATE INDEX links_by_expiry ON links (expires_at);

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

CREATE TABLE identities (
    app        INTEGER NOT NULL REFERENCES apps (id) ON DELETE RESTRICT,
    -- As in issuers; empty for ids that the app's own backend gives.
    issuer     TEXT    NOT NULL CHECK (length(issuer) <= 2000),
    subject    TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user       INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app, issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_by_user ON identities (user);

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

CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);

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

CREATE INDEX authorization_codes_by_user ON authorization_codes (user);

CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

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

CREATE INDEX audit_by_user ON audit (user) WHERE user IS NOT NULL;
