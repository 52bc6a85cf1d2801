-- Everything the daemon remembers. Instants are UTC milliseconds. Closed words are CHECKed; what must never
-- happen is a trigger that refuses it, so that no code path can write it down.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Script versions by content. `checked` names the program version that found no error in it.
CREATE TABLE script (
    digest    TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    source    TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    checked   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of a workflow between two starts. Every due instant up to `ledger_until` has its row.
CREATE TABLE workflow (
    name         TEXT PRIMARY KEY,
    ledger_until INTEGER NOT NULL,
    schedule     TEXT NOT NULL,
    failures     INTEGER NOT NULL DEFAULT 0,
    paused       TEXT,
    paused_at    INTEGER
) STRICT, WITHOUT ROWID;

-- The occurrence ledger. `fate` is NULL while the occurrence is open. A row stands for one due instant; only a row of
-- fate 'missed' may stand for a stretch of `count` of them, from `due` to `last_due`.
CREATE TABLE occurrence (
    id       INTEGER PRIMARY KEY,
    workflow TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('schedule', 'hand', 'event', 'later')),
    due      INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    schedule TEXT,
    payload  TEXT,
    fate     TEXT CHECK (fate IN ('ran', 'skipped', 'coalesced', 'missed', 'held', 'failed')),
    reason   TEXT,
    into_id  INTEGER,
    last_due INTEGER,
    count    INTEGER NOT NULL DEFAULT 1 CHECK (count = 1 OR (fate = 'missed' AND last_due IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX occurrence_once ON occurrence (workflow, due) WHERE kind = 'schedule';
CREATE INDEX occurrence_by_workflow ON occurrence (workflow, id);
CREATE INDEX occurrence_open ON occurrence (start_at) WHERE fate IS NULL;

CREATE TRIGGER fate_is_final BEFORE UPDATE OF fate ON occurrence WHEN OLD.fate IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a closed occurrence keeps its fate'); END;

-- What carried out an occurrence; they share a number. `waiting` is between two attempts.
CREATE TABLE run (
    id           INTEGER PRIMARY KEY,
    state        TEXT NOT NULL CHECK (state IN ('running', 'waiting', 'done', 'failed', 'cancelled')),
    attempt      INTEGER NOT NULL,
    interrupted  INTEGER NOT NULL DEFAULT 0,
    version      TEXT NOT NULL,
    started      INTEGER NOT NULL,
    finished     INTEGER,
    line         TEXT,
    value        TEXT,
    error        TEXT,
    effects      TEXT,
    effects_hash TEXT,
    usage        TEXT
) STRICT;
CREATE INDEX run_finished ON run (finished) WHERE finished IS NOT NULL;

CREATE TRIGGER run_is_final BEFORE UPDATE OF state ON run WHEN OLD.state IN ('done', 'failed', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'a finished run does not change'); END;

CREATE TABLE run_log (
    run   INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    level TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
    run    INTEGER NOT NULL,
    name   TEXT NOT NULL,
    answer TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

-- Shared state. `version` grows with every change of any key and is what a run's commit compares.
CREATE TABLE state (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL,
    version INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Versions of what runs read besides keys: posts of an account, a feed's cursor, …
CREATE TABLE mark (
    name    TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    payload TEXT NOT NULL,
    run     INTEGER,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE feed (
    name    TEXT PRIMARY KEY,
    cursor  TEXT,
    read_at INTEGER NOT NULL,
    error   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE signal (
    seq       INTEGER PRIMARY KEY,
    feed      TEXT NOT NULL,
    id        TEXT NOT NULL,
    title     TEXT NOT NULL,
    url       TEXT,
    published INTEGER,
    summary   TEXT NOT NULL,
    seen_at   INTEGER NOT NULL,
    UNIQUE (feed, id)
) STRICT;
CREATE INDEX signal_seen_at ON signal (seen_at);

-- How far a workflow has read in a feed's signals.
CREATE TABLE feed_seen (
    workflow TEXT NOT NULL,
    feed     TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (workflow, feed)
) STRICT, WITHOUT ROWID;

CREATE TABLE post (
    id       INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    once     TEXT,
    item     TEXT,
    theme    TEXT,
    campaign TEXT,
    why      TEXT NOT NULL,
    created  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX post_once ON post (workflow, once) WHERE once IS NOT NULL;

-- One post on its way to one account, or one notice on its way to one person.
CREATE TABLE delivery (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('post', 'notice')),
    post          INTEGER,
    run           INTEGER NOT NULL,
    target        TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('held', 'due', 'preparing', 'armed', 'online', 'refused', 'retrying', 'unknown', 'dead', 'cancelled')),
    reason        TEXT,
    content       TEXT NOT NULL,
    seal          TEXT NOT NULL,
    approval      TEXT NOT NULL CHECK (approval IN ('none', 'needed', 'given', 'refused')),
    approved_seal TEXT,
    approved_by   TEXT,
    due           INTEGER NOT NULL,
    until         INTEGER,
    look_at       INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    guards        TEXT,
    once          TEXT,
    item          TEXT,
    theme         TEXT,
    prepared      TEXT,
    remote_id     TEXT,
    url           TEXT,
    created       INTEGER NOT NULL,
    armed_at      INTEGER,
    settled_at    INTEGER,
    CHECK ((kind = 'post') = (post IS NOT NULL))
) STRICT;
CREATE INDEX delivery_open ON delivery (look_at) WHERE state IN ('held', 'due', 'preparing', 'armed', 'retrying', 'unknown');
CREATE INDEX delivery_by_target ON delivery (target, due);
CREATE INDEX delivery_armed ON delivery (target, armed_at) WHERE armed_at IS NOT NULL;
CREATE INDEX delivery_by_post ON delivery (post) WHERE post IS NOT NULL;
CREATE INDEX delivery_item ON delivery (target, item) WHERE item IS NOT NULL;
CREATE UNIQUE INDEX notice_once ON delivery (target, once) WHERE kind = 'notice' AND once IS NOT NULL;

-- What needs a yes cannot be armed without a yes to exactly these bytes.
CREATE TRIGGER armed_needs_the_seal BEFORE UPDATE OF state ON delivery
WHEN NEW.state = 'armed' AND NEW.approval <> 'none' AND (NEW.approval <> 'given' OR NEW.approved_seal IS NOT NEW.seal)
BEGIN SELECT RAISE(ABORT, 'not approved as it stands'); END;

-- What is online or ended stays so.
CREATE TRIGGER settled_is_final BEFORE UPDATE OF state ON delivery WHEN OLD.state IN ('online', 'cancelled', 'refused')
BEGIN SELECT RAISE(ABORT, 'a settled delivery does not change'); END;

-- Content, window and conditions are written once. An edit is a new delivery with a new seal.
CREATE TRIGGER content_is_sealed BEFORE UPDATE OF kind, post, content, seal, target, due, until, guards ON delivery
BEGIN SELECT RAISE(ABORT, 'the content of a delivery does not change'); END;

-- What once needs a yes gets it or not; it never stops needing it, and a yes is to the seal as it is.
CREATE TRIGGER a_yes_is_not_taken_back BEFORE UPDATE OF approval, approved_seal ON delivery
WHEN (OLD.approval <> 'none' AND NEW.approval = 'none') OR OLD.approval = 'refused'
    OR (NEW.approval = 'given' AND NEW.approved_seal IS NOT NEW.seal)
BEGIN SELECT RAISE(ABORT, 'an approval is given to the seal, or refused, and then stays'); END;

CREATE TABLE delivery_event (
    delivery INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    state    TEXT NOT NULL,
    text     TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_event_by_delivery ON delivery_event (delivery);

-- A breaker that tripped, or a freeze of one account. The freeze of everything is in `meta`.
CREATE TABLE account (
    name    TEXT PRIMARY KEY,
    breaker TEXT,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE metric (
    account TEXT NOT NULL,
    name    TEXT NOT NULL,
    day     TEXT NOT NULL,
    value   REAL NOT NULL,
    PRIMARY KEY (account, name, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_file (
    path   TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) STRICT, WITHOUT ROWID;
