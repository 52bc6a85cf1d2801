-- What runs were told, so that they can be done again; and new versions of scripts beside the ones in force.

-- The answers of one run's desk, in order, compressed. What is large, or the same for many runs, is a part.
CREATE TABLE journal (
    run   INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    scene BLOB NOT NULL,
    data  BLOB NOT NULL
) STRICT;
CREATE INDEX journal_at ON journal (at);

-- Parts by digest of their content. `used` is when a run last named it, to the hour.
CREATE TABLE journal_part (
    digest BLOB NOT NULL UNIQUE,
    data   BLOB NOT NULL,
    used   INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_part_used ON journal_part (used);

-- A version of a workflow's script that runs beside the one in force, its effects only compared.
CREATE TABLE shadow (
    workflow TEXT PRIMARY KEY,
    digest   TEXT NOT NULL,
    file     TEXT NOT NULL,
    source   TEXT NOT NULL,
    since    INTEGER NOT NULL,
    put_by   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What came of each comparison. `difference` is a JSON list of lines, empty when there was none.
CREATE TABLE shadow_run (
    run        INTEGER PRIMARY KEY,
    workflow   TEXT NOT NULL,
    digest     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    same       INTEGER NOT NULL CHECK (same IN (0, 1)),
    error      TEXT,
    difference TEXT NOT NULL
) STRICT;
CREATE INDEX shadow_run_by_workflow ON shadow_run (workflow, run);
