-- Plugins. The package and its compiled form are files; here stands what was decided about them.

-- One row for each installed plugin. `rights` is what the owner granted, as JSON; what holds is that, the manifest and the daemon's
-- ceiling, whichever is least.
CREATE TABLE plugin (
    name         TEXT PRIMARY KEY,
    version      TEXT NOT NULL,
    digest       TEXT NOT NULL,
    publisher    TEXT NOT NULL,
    manifest     TEXT NOT NULL,
    rights       TEXT NOT NULL,
    source       TEXT NOT NULL,
    installed_at INTEGER NOT NULL,
    suspended    TEXT,
    suspended_at INTEGER
) STRICT, WITHOUT ROWID;

-- The key that signed the first package of a name. Stays when the plugin is removed: a name does not change hands silently.
CREATE TABLE publisher (
    plugin    TEXT PRIMARY KEY,
    key       TEXT NOT NULL,
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was granted to packages of a publisher, by the digest of the rights asked for.
CREATE TABLE plugin_grant (
    plugin     TEXT NOT NULL,
    publisher  TEXT NOT NULL,
    asked      TEXT NOT NULL,
    rights     TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (plugin, publisher, asked)
) STRICT, WITHOUT ROWID;

-- Defects of late; more than a few in an hour suspend the plugin.
CREATE TABLE plugin_crash (
    plugin TEXT NOT NULL,
    at     INTEGER NOT NULL,
    text   TEXT NOT NULL
) STRICT;
CREATE INDEX plugin_crash_at ON plugin_crash (plugin, at);

CREATE TABLE plugin_state (
    plugin TEXT NOT NULL,
    scope  TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (plugin, scope, key)
) STRICT, WITHOUT ROWID;

-- Tokens of sessions, sealed under a key that is not in this file.
CREATE TABLE token (
    plugin     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    credential TEXT NOT NULL,
    sealed     BLOB NOT NULL CHECK (length(sealed) > 0),
    at         INTEGER NOT NULL,
    PRIMARY KEY (plugin, scope, credential)
) STRICT, WITHOUT ROWID;

-- What generators cost, by calendar month in the firm's zone.
CREATE TABLE spend (
    generator TEXT NOT NULL,
    month     TEXT NOT NULL,
    micros    INTEGER NOT NULL,
    calls     INTEGER NOT NULL,
    PRIMARY KEY (generator, month)
) STRICT, WITHOUT ROWID;

-- What the public wrote.
CREATE TABLE message (
    account  TEXT NOT NULL,
    id       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    author   TEXT NOT NULL,
    text     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    reply_to TEXT,
    url      TEXT,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_at ON message (at);

-- How far an account's inbox and figures have been read.
CREATE TABLE reading (
    account TEXT NOT NULL,
    what    TEXT NOT NULL CHECK (what IN ('inbox', 'metrics')),
    cursor  TEXT,
    read_at INTEGER NOT NULL,
    error   TEXT,
    PRIMARY KEY (account, what)
) STRICT, WITHOUT ROWID;

-- The latest figures of single posts.
CREATE TABLE post_metric (
    account   TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     REAL NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (account, remote_id, name)
) STRICT, WITHOUT ROWID;
