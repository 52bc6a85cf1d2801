-- Which schedules a workflow had from when to when, so that the ledger can be counted again from nothing: an instant t that one
-- of them names was due if since < t <= until. `until` is NULL for what is in force. Where `again` lies after `since`, the machine's
-- clock had gone back: the time up to `again` had been accounted for before, by what was in force then.
CREATE TABLE schedule_span (
    id       INTEGER PRIMARY KEY,
    workflow TEXT NOT NULL,
    schedule TEXT NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER,
    again    INTEGER NOT NULL
) STRICT;
CREATE INDEX schedule_span_by_workflow ON schedule_span (workflow, since);
CREATE UNIQUE INDEX schedule_span_open ON schedule_span (workflow) WHERE until IS NULL;
-- Of the time before this table nothing is known for certain, and nothing is claimed.
INSERT INTO schedule_span (workflow, schedule, since, again)
    SELECT name, schedule, ledger_until, max(ledger_until, accounted) FROM workflow;

-- Stretches are few; whoever counts the ledger needs them without reading every row.
CREATE INDEX occurrence_stretch ON occurrence (workflow, last_due) WHERE count > 1;

-- What the daily count of the ledger came to. `fresh` is what no earlier count had counted.
CREATE TABLE ledger_check (
    id           INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    expected     INTEGER NOT NULL,
    fresh        INTEGER NOT NULL,
    found        INTEGER NOT NULL,
    missing      INTEGER NOT NULL,
    extra        INTEGER NOT NULL,
    without_fate INTEGER NOT NULL,
    doubled      INTEGER NOT NULL,
    unknown      INTEGER NOT NULL
) STRICT;

-- Every start, and the last sign of life before the next one: what lies between was downtime.
CREATE TABLE boot (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    seen   INTEGER NOT NULL
) STRICT;

-- Since when a feed fails, NULL while it can be read.
ALTER TABLE feed ADD COLUMN failing_since INTEGER;
UPDATE feed SET failing_since = read_at WHERE error IS NOT NULL;

-- From a run to what came of it.
CREATE INDEX post_by_run ON post (run);

-- What was not due by a schedule, by when it was due.
CREATE INDEX occurrence_other ON occurrence (workflow, due) WHERE kind <> 'schedule';
